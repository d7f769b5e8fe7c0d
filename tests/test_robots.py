"""What robots can do for somebody else: nothing. What a person does: one click."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from newsletter import pipeline, subscriptions
from newsletter.app import App
from newsletter.cli.serve import web_app
from newsletter.duties import Duties
from newsletter.model import Language, Month, Purpose, SubscriberState, Wish
from newsletter.parsing import parse_address
from newsletter.store.tables import bucket, metadata
from newsletter.subscriptions.links import post_link
from tests.support.browser import visiting
from tests.support.joining import Outbox
from tests.support.mailserver import Mail, MailServer
from tests.support.scanners import browse, links_in, scan
from tests.support.sites import READER, Clock, small_app
from tests.support.webserver import ask, serving

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
OCTOBER = Month(2026, 10)
NEW, KNOWN, MOVING, LEAVING, AWAY = (f"{name}@people.example" for name in ("new", "known", "moving", "leaving", "away"))
ONE_CLICK = ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
FORM_DATA = (
    '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
    "multipart/form-data; boundary=x",
)


@dataclass
class Post:
    """A served site that has just mailed everything that it can mail."""

    app: App
    clock: Clock
    server: str
    mails: list[Mail]

    def here(self, link: str) -> str:
        """A link of a mail, as the server under test answers it."""
        return link.replace(self.app.publication.base_url, self.server)

    def links(self, *beginnings: str) -> list[str]:
        """Those of every mail that lead to us, and below one of these paths where some are named."""
        ours = {self.here(link) for mail in self.mails for link in links_in(mail)}
        wanted = tuple(self.server + beginning for beginning in beginnings or ("/",))
        return sorted(link for link in ours if link.startswith(wanted))

    def link_to(self, recipient: str, beginning: str) -> str:
        """The one in the newest mail to somebody."""
        mail = [mail for mail in self.mails if mail.recipient == recipient][-1]
        return next(self.here(link) for link in links_in(mail) if beginning in link)

    def dump(self) -> dict[str, list[str]]:
        """Everything in the database but the counters of limits."""
        with self.app.store.read() as tx:
            return {
                table.name: sorted(str(tuple(row)) for row in tx.execute(select(table)))
                for table in metadata.sorted_tables
                if table is not bucket
            }


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """One mail of every kind that carries a link, and everybody's letter of October."""
    clock = Clock(NOW)
    folder = tmp_path_factory.mktemp("robots")
    with MailServer() as relay:
        environment = {"NEWSLETTER_RELAY_PORT": str(relay.port), "NEWSLETTER_SCHEDULE_APPROVAL": "false"}
        rule = '\n[[subscribers.audiences]]\nname = "staff"\ntitle = {en = "Staff"}\n'
        with small_app(folder / "site", clock, settings=rule, **environment) as app:
            outbox = Outbox(app)
            people = {address: outbox.join(address) for address in (KNOWN, MOVING, LEAVING)}
            outbox.deliver()
            clock.now += timedelta(days=2)
            pipeline.run_month(OCTOBER, app)
            outbox.ask(NEW)
            outbox.ask(KNOWN)
            outbox.ask(KNOWN, Wish.PREFERENCES)
            subscriptions.ask_to_move(people[MOVING], parse_address(AWAY), app)
            subscriptions.leave(people[LEAVING], app)
            subscriptions.invite(parse_address("guest@people.example"), "staff", Language("fr"), app)
            with app.store.begin() as tx:
                post_link(tx, app, "export-ready", Purpose.EXPORT, recipient=KNOWN, language=Language("en"), facts={},
                          subscriber=people[KNOWN].id)  # fmt: skip
            Duties(app, Event()).post()
            with serving(web_app(app)) as server:
                yield Post(app, clock, server, list(relay.mails))


def test_the_mails_hold_a_link_for_everything_that_a_link_can_do(post: Post) -> None:
    """Otherwise the robots would have nothing to press."""
    granted = {subscriptions.look(link.rpartition("/")[2], post.app).purpose for link in post.links("/l/")}
    assert granted == set(Purpose) - {Purpose.SESSION}
    assert len(post.links("/u/")) == 4  # as many letters


@pytest.mark.slow
def test_no_robot_changes_anything_and_then_one_click_of_a_person_does(post: Post, browser: Browser) -> None:
    """Twice, in parallel, at once and a day later; gateways, previews, prefetchers, browsers that run every script."""
    before = post.dump()
    for _ in range(2):
        done = scan(post.links("/l/", "/u/"))
        assert done.asked > 1_000
        assert not {status for status in done.statuses if status >= 500} - {501}
        scan(post.links(), times=1)
        assert browse(browser, post.links("/l/", "/u/")) == []
        assert post.dump() == before
        post.clock.now += timedelta(days=1)
    with visiting(browser, post.link_to(NEW, "/l/"), javascript=False) as (page, _):
        page.get_by_role("button").click()
        assert page.get_by_role("heading", level=1).inner_text()
    person = Outbox(post.app).person(NEW)
    assert person
    assert person.state is SubscriberState.ACTIVE


@pytest.mark.parametrize(("body", "kind"), [ONE_CLICK, FORM_DATA])
def test_one_click_of_a_mail_program_works_without_cookies_or_redirect(post: Post, body: str, kind: str) -> None:
    """RFC 8058, in both of the body's encodings, and as often as somebody presses."""
    reader = READER if kind is ONE_CLICK[1] else KNOWN
    mails = [mail for mail in post.mails if mail.recipient == reader and mail.message["List-Unsubscribe"]]
    assert mails[0].message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(mails[0].message["List-Unsubscribe"]).partition("<")[2].partition(">")[0]
    for _ in range(2):
        answer = ask(post.here(link), method="POST", body=body.encode(), headers={"Content-Type": kind})
        assert answer.status == 200
        assert not answer.headers["Location"]
        assert not answer.headers["Set-Cookie"]
    person = Outbox(post.app).person(reader)
    assert person
    assert person.state is SubscriberState.UNSUBSCRIBED
