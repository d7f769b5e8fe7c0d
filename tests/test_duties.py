"""The scheduler's work on a real site with a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text

from newsletter import pipeline
from newsletter.app import App
from newsletter.duties import Duties
from newsletter.errors import ContentError, DeliveryError, HandlingError, PreflightError
from newsletter.model import DeliveryState, MailingState, Month, Notice
from newsletter.store import deliveries, mailings, notices
from tests.campaigns import years
from tests.support.mailserver import MailServer
from tests.support.samples import EN
from tests.support.sites import READER, Clock, small_app

OCTOBER = Month(2026, 10)
BEFORE = datetime(2026, 11, 2, 12, tzinfo=UTC)
DUE = datetime(2026, 11, 3, 8, 5, tzinfo=UTC)  # the first Tuesday, 09:05 in Zurich
EDITOR = "security-editors@meridian.example"


@pytest.fixture
def clock() -> Clock:
    return Clock(BEFORE)


@pytest.fixture
def app(tmp_path: Path, mailserver: MailServer, clock: Clock) -> Iterator[App]:
    """October 2026 is the site's first month; somebody has to approve."""
    environment = {"NEWSLETTER_RELAY_PORT": str(mailserver.port), "NEWSLETTER_SCHEDULE_FIRST_MONTH": "2026-10"}
    with small_app(tmp_path / "site", clock, **environment) as made:
        yield made


def tick(app: App) -> None:
    duties = Duties(app, Event())
    duties.remind()
    duties.distribute()
    duties.retry()
    duties.post()


def subjects(mailserver: MailServer, recipient: str) -> list[str]:
    return [str(mail.message["Subject"]) for mail in mailserver.mails_to(recipient)]


def test_a_month_that_is_due_and_approved_leaves_once(app: App, clock: Clock, mailserver: MailServer) -> None:
    pipeline.approve(OCTOBER, app, digest=pipeline.prepare(OCTOBER, app).digest, by="robin")
    tick(app)
    assert mailserver.mails_to(READER) == ()
    clock.now = DUE
    for _ in range(3):
        tick(app)
    assert len(mailserver.mails_to(READER)) == 1
    assert pipeline.current(OCTOBER, app).state is MailingState.SENT


def test_editors_hear_once_that_a_draft_is_ready(app: App, mailserver: MailServer) -> None:
    for _ in range(3):
        tick(app)
    assert subjects(mailserver, EDITOR) == ["Monthly Security Report: the draft of October 2026 is ready"]


def test_what_nobody_approved_is_held_and_an_editor_asked_once(app: App, clock: Clock, mailserver: MailServer) -> None:
    clock.now = DUE
    for _ in range(3):
        tick(app)
    assert mailserver.mails_to(READER) == ()
    held = [subject for subject in subjects(mailserver, EDITOR) if "is held and needs you" in subject]
    assert len(held) == 1


def test_a_report_that_is_too_late_asks_an_editor_instead_of_leaving(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    pipeline.approve(OCTOBER, app, digest=pipeline.prepare(OCTOBER, app).digest, by="robin")
    clock.now = DUE + timedelta(days=8)
    tick(app)
    assert mailserver.mails_to(READER) == ()
    assert any("is held and needs you" in subject for subject in subjects(mailserver, EDITOR))
    pipeline.run_month(OCTOBER, app)
    assert len(mailserver.mails_to(READER)) == 1


def test_a_release_that_was_begun_is_finished_however_late(app: App, clock: Clock, mailserver: MailServer) -> None:
    """Killed between publishing and the release's transaction: some have read the page, so the letters follow."""
    mailing = pipeline.prepare(OCTOBER, app)
    pipeline.approve(OCTOBER, app, digest=mailing.digest, by="robin")
    with app.store.begin() as tx:
        assert mailings.begin_release(tx, OCTOBER, mailing.digest, clock())
    clock.now = DUE + timedelta(days=30)
    tick(app)
    assert len(mailserver.mails_to(READER)) == 1


def test_a_fault_in_the_content_sends_nothing_and_tells_the_editors(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    (app.root / "articles" / "bad.en.md").write_text("---\ntitle: x\n---\n", encoding="utf-8")
    clock.now = DUE
    duties = Duties(app, Event())
    with pytest.raises(ContentError):
        duties.distribute()
    duties.retry()
    duties.post()
    (mail,) = mailserver.mails_to(EDITOR)
    assert "articles/bad.en.md" in mail.message.get_content()
    assert mailserver.mails_to(READER) == ()


HEAD = 'title: "Dead links"\ndate: 2026-10-05\nauthors: [Robin]\nsummary: "Where links lead nowhere."\ntlp: CLEAR\n'


def dead_links(app: App, count: int, before: str = "") -> None:
    """An article with so many links that block."""
    links = "\n\n".join(f"Look at [what number {n} was](/en/articles/not-there-{n}/)." for n in range(count))
    (app.root / "articles" / "dead.en.md").write_text(f"---\n{HEAD}---\n{before}{links}\n", encoding="utf-8")


def held(app: App, mailserver: MailServer) -> list[str]:
    """The texts of what editors were told of held months, after the bells rang twice more."""
    duties = Duties(app, Event())
    for _ in range(2):
        with pytest.raises(PreflightError):
            duties.distribute()
    duties.post()
    return [m.message.get_content() for m in mailserver.mails_to(EDITOR) if "is held" in str(m.message["Subject"])]


@pytest.mark.slow
def test_a_month_that_the_preflight_blocks_is_held_with_its_findings(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    """The first ten with code, place and message; a changed set reminds anew, the same one never twice."""
    clock.now = DUE
    dead_links(app, 12)
    (told,) = held(app, mailserver)
    words = " ".join(told.split())
    assert "The preflight found what blocks it." in words
    assert words.count("link-internal-dead articles/dead.en.md:") == 10
    assert "not-there-9/" in words
    assert "not-there-10" not in words
    assert "and 2 more" in words
    assert "newsletter check --month 2026-10" in told
    dead_links(app, 12, before="The same, further down.\n\n")
    assert len(held(app, mailserver)) == 1
    dead_links(app, 11)
    assert len(held(app, mailserver)) == 2
    assert mailserver.mails_to(READER) == ()


def test_the_ready_draft_says_how_many_findings_block_it(app: App, mailserver: MailServer) -> None:
    dead_links(app, 3)
    tick(app)
    (mail,) = mailserver.mails_to(EDITOR)
    assert "3 findings block it" in mail.message.get_content()


def test_letters_that_were_deferred_are_tried_again_when_their_time_has_come(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    pipeline.approve(OCTOBER, app, digest=pipeline.prepare(OCTOBER, app).digest, by="robin")
    clock.now = DUE
    mailserver.reply_next("450 4.2.0 later")
    Duties(app, Event()).distribute()
    tick(app)
    assert mailserver.mails_to(READER) == ()
    clock.now += timedelta(hours=1)
    tick(app)
    assert len(mailserver.mails_to(READER)) == 1


def test_a_relay_that_is_away_is_tried_again(app: App, clock: Clock, mailserver: MailServer) -> None:
    pipeline.approve(OCTOBER, app, digest=pipeline.prepare(OCTOBER, app).digest, by="robin")
    clock.now = DUE
    mailserver.stop()
    with pytest.raises(DeliveryError):
        Duties(app, Event()).distribute()
    mailserver.start()
    tick(app)
    assert len(mailserver.mails_to(READER)) == 1


def test_a_month_that_cannot_leave_stops_no_other_month_and_no_notice(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    """One whose letters are marked too strict fails at every tick; what stands behind it leaves all the same."""
    for month, at in ((OCTOBER, DUE), (Month(2026, 11), DUE + timedelta(days=28))):
        clock.now = at
        mailing = pipeline.prepare(month, app)
        pipeline.approve(month, app, digest=mailing.digest, by="robin")
        pipeline.release(pipeline.current(month, app), app)
    with app.store.begin() as tx:
        tx.execute(text("UPDATE variant SET tlp = 'AMBER' WHERE mailing_id = 1"))
        facts = {"subject": "News", "text": "x"}
        notices.post(tx, Notice(key="k", recipient=EDITOR, kind="plain", language=EN, created=clock.now,
                                expires=clock.now + timedelta(days=1), facts=facts))  # fmt: skip
    with pytest.raises(HandlingError):
        Duties(app, Event()).retry()
    Duties(app, Event()).post()
    assert pipeline.current(OCTOBER, app).state is MailingState.RELEASED
    assert pipeline.current(Month(2026, 11), app).state is MailingState.SENT
    assert subjects(mailserver, EDITOR) == ["News"]


def test_what_a_crash_left_of_a_cancelled_month_is_resolved(app: App, clock: Clock, mailserver: MailServer) -> None:
    """Nobody sends it any more, and still somebody has to know."""
    clock.now = DUE
    mailing = pipeline.prepare(OCTOBER, app)
    pipeline.approve(OCTOBER, app, digest=mailing.digest, by="robin")
    mailing = pipeline.release(pipeline.current(OCTOBER, app), app)
    with app.store.begin() as tx:
        tx.execute(text("UPDATE delivery SET state = 'intent'"))
        mailings.cancel(tx, OCTOBER, clock.now)
    tick(app)
    with app.store.read() as tx:
        assert deliveries.tally(tx, mailing.id)[DeliveryState.HELD] == 1
    assert mailserver.mails_to(READER) == ()


def test_a_dead_feed_is_a_line_on_the_draft_and_never_a_failed_month(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    Duties(app, Event()).poll_feeds()
    tick(app)
    (reminder,) = mailserver.mails_to(EDITOR)
    assert "These sources could not be used" in reminder.message.get_content()
    assert {failure.source for failure in pipeline.draft(OCTOBER, app).collected.failures} == {
        "advisories", "coordination-centre", "hostile",
    }  # fmt: skip


@pytest.mark.slow
def test_a_year_of_two_schedulers_with_outages_are_one_report_a_month() -> None:
    """The whole pipeline under a simulated clock; ``make years`` runs twenty."""
    result = years.run(years=1, seed=7)
    assert years.is_good(result), result
    assert result["outages"] > 0
