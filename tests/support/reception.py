"""The pages of people behind a real server, the mails that they cause, and a clock that a test sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette

from newsletter.app import App
from newsletter.cli.serve import web_app
from newsletter.duties import Duties
from newsletter.model import Subscriber, SubscriberState
from newsletter.store import subscribers
from tests.support.mailserver import Mail, MailServer
from tests.support.sites import Clock, small_app
from tests.support.webserver import Answer, ask, serving

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BASE = "http://pages.meridian.example"
WITHOUT_LIMITS = {
    "NEWSLETTER_PUBLICATION_BASE_URL": BASE,
    "NEWSLETTER_SUBSCRIBERS_PER_NETWORK_HOUR": "1000000",
    "NEWSLETTER_SUBSCRIBERS_PER_DOMAIN_HOUR": "1000000",
    "NEWSLETTER_SUBSCRIBERS_SURGE_HOUR": "1000000",
}
LINK = re.compile(r"https?://[^\s/]+(?:/[a-z]+)?(/l/[A-Za-z0-9_-]{32})")
STAMP = re.compile(r'name="stamp" value="([^"]+)"')
AUDIENCE = """
[[subscribers.audiences]]
name = "staff"
title = { en = "The staff edition", fr = "Édition du personnel" }
domains = ["meridian.example"]
"""


@dataclass
class House:
    """A running site. ``at`` is where it answers; its mails name ``BASE``, which nobody answers."""

    app: App
    site: Starlette
    at: str
    clock: Clock
    mails: MailServer

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.now += timedelta(**by)

    def post(self) -> None:
        """Do what the scheduler does every few seconds: look at what was asked for, and send what is due.

        In a thread of its own, as there: Playwright's event loop keeps others out of the one that drives a browser.
        """
        with ThreadPoolExecutor(1) as worker:
            worker.submit(Duties(self.app, Event()).post).result()

    def mail_to(self, address: str) -> Mail:
        """The newest mail to somebody, once everything was sent."""
        self.post()
        return self.mails.mails_to(address)[-1]

    def link_to(self, address: str) -> str:
        """Where the link in the newest mail to somebody answers here."""
        body = self.mail_to(address).message.get_body(("plain",))
        assert body is not None
        found = LINK.search(body.get_content())
        assert found is not None, body.get_content()
        return self.at + found[1]

    def stamp(self, path: str) -> str:
        """Open a form, and take so long that a person may have filled it in."""
        found = STAMP.search(ask(self.at + path).text)
        assert found is not None
        self.later(seconds=10)
        return found[1]

    def send(self, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        """Send a form as it is, with nothing added."""
        return ask(self.at + path, method="POST", body=urlencode(fields).encode(), headers=FORM | (headers or {}))

    def fill_in(self, path: str, address: str, **fields: str) -> Answer:
        """Open a form for an address, fill it in and send it."""
        return self.send(path, address=address, stamp=self.stamp(path), **fields)

    def subscriber(self, address: str) -> Subscriber | None:
        """Who has this address."""
        with self.app.store.read() as tx:
            return subscribers.find(tx, address)

    def join(self, address: str, language: str = "en") -> Subscriber:
        """Somebody who subscribed and confirmed, and was welcomed."""
        assert self.fill_in(f"/{language}/subscribe/", address, language=language).status == 303
        assert ask(self.link_to(address), method="POST").status == 200
        self.post()
        found = self.subscriber(address)
        assert found is not None
        assert found.state is SubscriberState.ACTIVE
        return found

    def open_preferences(self, address: str) -> str:
        """The cookie of somebody who asked for their link and pressed its button."""
        self.later(days=2)  # the limits of mails to one address are not what is looked at
        assert self.fill_in("/en/preferences/", address).status == 303
        answer = ask(self.link_to(address), method="POST")
        assert answer.status == 303
        return str(answer.headers["Set-Cookie"]).partition(";")[0]

    def dump(self) -> str:
        """Every row of the database, as text."""
        with self.app.store.read() as tx:
            tables = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            return "\n".join(
                f"{name}: {row}"
                for (name,) in tables.all()
                for row in sorted(map(str, tx.exec_driver_sql(f'SELECT * FROM "{name}"').all()))
            )


@contextmanager
def receiving(folder: Path, *, settings: str = "", **environment: str) -> Iterator[House]:
    """A site in ``folder``, served, with a mail server of its own; ``settings`` are added to its file."""
    clock = Clock(NOW)
    with ExitStack() as stack:
        mails = stack.enter_context(MailServer())
        values: dict[str, Any] = WITHOUT_LIMITS | {"NEWSLETTER_RELAY_PORT": str(mails.port)} | environment
        app = stack.enter_context(small_app(folder / "site", clock, settings=settings, **values))
        site = web_app(app)
        yield House(app, site, stack.enter_context(serving(site)), clock, mails)
