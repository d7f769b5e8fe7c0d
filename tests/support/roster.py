"""A site with a list: its App on either database under a clock that tests set, and what its people get by mail."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import text

from newsletter import subscriptions
from newsletter.app import App, build_app
from newsletter.cli import run
from newsletter.config import load_settings
from newsletter.keys import grant_token
from newsletter.model import Address, Subscriber
from newsletter.parsing import parse_address
from newsletter.store import notices, subscribers
from newsletter.store.tables import metadata
from newsletter.subscriptions.bulk import Step, Totals
from tests.support.ledger import Clock

AUDIENCES = """
[[subscribers.audiences]]
name = "staff"
domains = ["staff.example"]

[[subscribers.audiences]]
name = "board"
"""


def file_of(content: str, *, encoding: str = "utf-8") -> BytesIO:
    """A file with this text."""
    return BytesIO(content.encode(encoding))


@dataclass
class Roster:
    """An App, and short words for what tests do with it."""

    app: App
    clock: Clock
    told: list[Step] = field(default_factory=list)

    def add(self, *addresses: str, **changes: Any) -> None:
        """An operator adds them."""
        wanted: dict[str, Any] = {"language": None, "text_format": "html", "consent": "a test"}
        for address in addresses:
            subscriptions.add(address, self.app, **(wanted | changes))

    def import_(self, content: str | bytes, *, dry: bool = False) -> Totals:
        """Import a file with this text; its steps are in ``told``."""
        self.told = []
        file = BytesIO(content) if isinstance(content, bytes) else file_of(content)
        return subscriptions.import_csv(file, self.app, consent="a test", dry=dry, tell=self.told.append)

    def sync(self, *rows: str, header: str = "address", dry: bool = False, max_end: float = 100) -> Totals:
        """A directory of the staff says who they are."""
        self.told = []
        file = file_of("\n".join((header, *rows)) + "\n")
        return subscriptions.sync(
            file, self.app, audience="staff", consent="rules", max_end=max_end, dry=dry, tell=self.told.append
        )

    def find(self, address: str) -> Subscriber:
        """Who has this address."""
        with self.app.store.read() as tx:
            found = subscribers.find(tx, address)
        assert found
        return found

    def states(self) -> dict[str, str]:
        """Everybody's state, by mailbox."""
        return {person.address.mailbox: person.state.value for person in subscriptions.everybody(self.app)}

    def mails(self) -> list[tuple[str, str, str]]:
        """What the outbox sends to whom: (kind, mailbox, token); it is gone from there afterwards."""
        with self.app.store.begin() as tx:
            found = []
            while due := notices.due(tx, self.clock()):
                for one in due:
                    notices.sent(tx, one.key, self.clock())
                    token = grant_token(self.app.keys, one.nonce) if one.nonce else ""
                    found.append((one.kind, one.recipient, token))
        return found

    def dump(self) -> str:
        """Every value of every table as text, in lower case."""
        with self.app.store.read() as tx:
            rows = [str(tuple(row)) for name in metadata.tables for row in tx.execute(text(f'SELECT * FROM "{name}"'))]
        return "\n".join(rows).lower()


@contextmanager
def opened_roster(folder: Path, url: str = "", clock: Clock | None = None) -> Iterator[Roster]:
    """A site with the audiences staff (by domain) and board (by invitation), and nobody on its list."""
    clock = clock or Clock()
    assert run(["init", "--empty", str(folder)]) == 0
    settings = folder / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + AUDIENCES, encoding="utf-8")
    environment = {"NEWSLETTER_STORE_URL": url} if url else {}
    with closing(build_app(load_settings(folder, environment), clock=clock)) as app:
        app.ready_store()
        yield Roster(replace(app, chance=random.Random(1)), clock)


def mailbox(typed: str) -> Address:
    """An address."""
    return parse_address(typed)
