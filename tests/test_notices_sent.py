"""From the form to the mailbox: asked for, decided, written, sent by SMTP; and the link opens what the mail says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from newsletter import subscriptions
from newsletter.app import App
from newsletter.duties import Duties
from newsletter.errors import RefusedError
from newsletter.keys import unsubscribe_token
from newsletter.model import Notice, Purpose, SubscriberState, Wish
from newsletter.parsing import parse_address
from newsletter.render.notices import GRANT_PATH
from newsletter.store import notices, subscribers
from newsletter.store.tables import metadata
from newsletter.store.tables import notice as outbox
from newsletter.subscriptions import Asked
from tests.support.mailserver import Mail, MailServer
from tests.support.samples import EN, FR
from tests.support.sites import READER, Clock, small_app

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
TYPED = "Zebra.Quokka+okapi@People.Example"
ASKER = parse_address(TYPED)
EDITOR = "security-editors@meridian.example"


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def app(tmp_path: Path, mailserver: MailServer, clock: Clock) -> Iterator[App]:
    """A site that sends through a server of ours."""
    environment = {
        "NEWSLETTER_RELAY_PORT": str(mailserver.port),
        "NEWSLETTER_SUBSCRIBERS_SURGE_HOUR": "3",
        "NEWSLETTER_SCHEDULE_FIRST_MONTH": "2026-12",
    }
    with small_app(tmp_path / "site", clock, **environment) as made:
        yield made


def ask(app: App, **changes: object) -> None:
    asked = {"address": ASKER, "wish": Wish.JOIN, "language": EN} | changes
    subscriptions.ask(Asked(**asked), app, network="192.0.2.7")  # type: ignore[arg-type]


def post(app: App) -> None:
    Duties(app, Event()).post()


def parts(mail: Mail) -> tuple[str, str]:
    """Text and HTML, as a mail program decodes them."""
    message = mail.message
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return str(text.get_content()), str(html.get_content())


def token_of(mail: Mail, app: App) -> str:
    """What stands behind /l/, the same in both parts."""
    found = [re.findall(re.escape(app.publication.url(GRANT_PATH)) + r"([\w-]+)", part) for part in parts(mail)]
    assert len(found[0]) == 1
    assert found[0] == found[1]
    return str(found[0][0])


def rows(app: App) -> list[tuple[str, str, str, str]]:
    """What the outbox keeps, of every notice."""
    with app.store.read() as tx:
        wanted = select(outbox.c.state, outbox.c.recipient, outbox.c.facts, outbox.c.nonce)
        return [(row.state, row.recipient, row.facts, row.nonce) for row in tx.execute(wanted)]


def test_the_confirmation_arrives_and_its_link_subscribes(app: App, mailserver: MailServer) -> None:
    """Asked for, decided, sent; one link, which ``confirm`` takes; then the welcome."""
    ask(app)
    post(app)
    (mail,) = mailserver.mails_to(ASKER.mailbox)
    joined = subscriptions.confirm(token_of(mail, app), app)
    assert (joined.subscriber.address, joined.subscriber.state) == (ASKER, SubscriberState.ACTIVE)
    post(app)
    subjects = [str(one.message["Subject"]) for one in mailserver.mails_to(ASKER.mailbox)]
    assert subjects == [
        "Monthly Security Report: please confirm your subscription",
        "Monthly Security Report: welcome",
    ]


def test_the_link_in_the_welcome_takes_its_reader_off_the_list(app: App, mailserver: MailServer) -> None:
    """It is made when the mail leaves, and is no more in the outbox than any other."""
    ask(app)
    post(app)
    joined = subscriptions.confirm(token_of(mailserver.mails_to(ASKER.mailbox)[-1], app), app)
    link = unsubscribe_token(app.keys, joined.subscriber.id)
    assert link not in str(rows(app))
    post(app)
    assert all(app.publication.url(f"/u/{link}") in part for part in parts(mailserver.mails_to(ASKER.mailbox)[-1]))
    assert subscriptions.leave_by_token(link, app).subscriber.address == ASKER


def test_the_confirmation_repeats_nothing_that_was_typed(app: App, mailserver: MailServer) -> None:
    """But for its one recipient: a form must not carry a stranger's words into a stranger's mailbox."""
    ask(app, language=FR, words="Okapi words", form="okapi-form", how="okapi portal")
    post(app)
    (mail,) = mailserver.mails_to(ASKER.mailbox)
    assert mail.message["Content-Language"] == "fr"
    headers = "".join(f"{name}: {value}\n" for name, value in mail.message.items() if name != "To")
    for word in ("zebra", "quokka", "okapi", "people.example"):
        assert word not in (headers + "".join(parts(mail))).lower()


def test_a_mail_that_is_sent_again_has_the_same_bytes(app: App, clock: Clock, mailserver: MailServer) -> None:
    """The relay took it and hung up before it said so: what comes later is the same mail, and programs show it once."""
    ask(app)
    mailserver.drop_next(at="REPLY")
    post(app)
    assert [state for state, *_ in rows(app)] == ["pending"]
    clock.now += timedelta(hours=1)
    post(app)
    first, second = mailserver.mails_to(ASKER.mailbox)
    assert first.content == second.content
    assert subscriptions.confirm(token_of(second, app), app).now


@pytest.mark.parametrize("reply", ["250 2.0.0 taken", "550 5.1.1 nobody"])
def test_what_has_come_to_its_end_is_forgotten(app: App, mailserver: MailServer, reply: str) -> None:
    """Taken or refused: no recipient, no facts, and nothing of which the link could be made, stays in the outbox."""
    ask(app)
    mailserver.reply_next(reply)
    post(app)
    state = "sent" if reply.startswith("250") else "failed"
    assert rows(app) == [(state, "", "{}", "")]


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("550 5.1.1 <vic@people.example>: user unknown", "550 5.1.1"),
        ("450 4.2.2 <vic@people.example>: mailbox full", "450 4.2.2"),
        ("550 vic is nobody here", "550"),
    ],
)
def test_of_a_relay_s_answer_its_codes_alone_are_kept(app: App, mailserver: MailServer, reply: str, kept: str) -> None:
    """Answers repeat the address: one that stayed would outlive the erasing by a year, and so would a typing error."""
    vic = parse_address("vic@people.example")
    ask(app, address=vic)
    mailserver.reply_next(reply)
    post(app)
    with app.store.read() as tx:
        assert [row.reply for row in tx.execute(select(outbox.c.reply))] == [kept]
    subscriptions.erase_address(vic, app)
    with app.store.read() as tx:
        dump = [str(tuple(row)) for table in metadata.sorted_tables for row in tx.execute(table.select())]
    assert "vic" not in "\n".join(dump)


def test_who_is_subscribed_already_gets_a_link_to_preferences(app: App, mailserver: MailServer) -> None:
    """Whoever asks on the form learns nothing; the owner does."""
    ask(app, address=parse_address(READER))
    post(app)
    (mail,) = mailserver.mails_to(READER)
    assert "subscribed already" in str(mail.message["Subject"])
    session = subscriptions.open_session(token_of(mail, app), app)
    assert subscriptions.session_holder(session, app).address.mailbox == READER


def test_who_left_is_told_by_mail_and_can_take_it_back(app: App, mailserver: MailServer) -> None:
    """Perhaps it was somebody to whom a report was forwarded."""
    with app.store.read() as tx:
        person = subscribers.find(tx, READER)
    assert person is not None
    subscriptions.leave(person, app)
    post(app)
    (mail,) = mailserver.mails_to(READER)
    token = token_of(mail, app)
    assert subscriptions.look(token, app).purpose is Purpose.UNDO
    assert subscriptions.undo(token, app).state is SubscriberState.ACTIVE


@pytest.mark.parametrize("domain", ["", "people.example"])
def test_suppressing_drops_what_waits(app: App, mailserver: MailServer, domain: str) -> None:
    """An address or a whole domain; a neighbour whose domain only ends alike gets their mail."""
    neighbour = parse_address("ann@other-people.example")
    ask(app)
    ask(app, address=neighbour)
    subscriptions.tend(app)
    subscriptions.suppress(None if domain else ASKER, domain, app, note="")
    assert [recipient for _, recipient, *_ in rows(app)] == [neighbour.mailbox]
    post(app)
    assert mailserver.mails_to(ASKER.mailbox) == ()
    assert len(mailserver.mails_to(neighbour.mailbox)) == 1


@pytest.mark.parametrize("domain", ["", "people.example"])
def test_nothing_leaves_for_who_is_suppressed(app: App, mailserver: MailServer, domain: str) -> None:
    """Whatever put it into the outbox meanwhile; it is not tried again."""
    subscriptions.suppress(None if domain else ASKER, domain, app, note="")
    until = START + timedelta(days=1)
    with app.store.begin() as tx:
        plain = {"subject": "x", "text": "x"}
        late = Notice(
            key="late", recipient=ASKER.mailbox, kind="plain", language=EN, created=START, expires=until, facts=plain
        )
        notices.post(tx, late)
    post(app)
    assert mailserver.mails_to(ASKER.mailbox) == ()
    assert rows(app) == [("failed", "", "{}", "")]


def test_what_is_held_goes_to_an_address_that_an_operator_suppressed(app: App, mailserver: MailServer) -> None:
    """It is theirs to know; a domain's wish is kept."""
    reader = parse_address(READER)
    subscriptions.suppress(reader, "", app, note="by phone")
    subscriptions.disclose(reader, app)
    post(app)
    (mail,) = mailserver.mails_to(READER)
    assert subscriptions.export(token_of(mail, app), app)["address"] == READER
    subscriptions.suppress(None, reader.domain, app, note="")
    with pytest.raises(RefusedError, match="suppressed"):
        subscriptions.disclose(reader, app)


def test_operators_hear_once_how_many_are_held(app: App, mailserver: MailServer) -> None:
    """Text alone; the commands stand in it."""
    for number in range(5):
        ask(app, address=parse_address(f"reader{number}@people.example"))
    for _ in range(2):
        post(app)
    (mail,) = mailserver.mails_to(EDITOR)
    assert mail.message.get_content_type() == "text/plain"
    text = str(mail.message.get_content())
    assert "2 sign-ups are held, since 2 November 2026, 13:00." in text
    assert {"  newsletter subscribers signups release", "  newsletter subscribers signups drop"} <= set(
        text.splitlines()
    )
    assert "people.example" not in text
