"""The demo after its work: its site, its mailbox and the server that shows both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.app import App
from newsletter.cli.serve import web_app
from newsletter.demo import mailbox as mailbox_pages
from newsletter.demo import sample, servers
from newsletter.resources import packaged
from tests.support.webserver import serving

BASE = "http://archive.demo.example"


@dataclass
class Demo:
    """The demo after its work, served."""

    app: App
    outcome: sample.Outcome
    maildir: Path
    address: str

    def mails(self) -> list[EmailMessage]:
        """Every mail that arrived."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.captured()]

    def captured(self) -> list[bytes]:
        """The bytes that the mailbox keeps of each: our letter, below the server's two lines, line ends its own."""
        files = [self.maildir / "new" / name for name in sorted(p.name for p in (self.maildir / "new").iterdir())]
        return [path.read_bytes() for path in files]

    def letters(self) -> list[bytes]:
        """What our side had sent of each."""
        return [raw.replace(b"\n", b"\r\n").split(b"\r\n", 2)[2] for raw in self.captured()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """What ``newsletter demo`` does. Ask for it before ``browser``, beside whose event loop nothing is delivered."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "site").mkdir()
    with ExitStack() as stack:
        feeds = stack.enter_context(servers.feed_server(packaged("demo") / "feeds"))
        port = stack.enter_context(servers.mail_server(folder / "mail"))
        app = sample.make_site(folder / "site", base_url=BASE, feeds_url=feeds, mail_port=port)
        stack.callback(app.close)
        outcome = sample.run(app, folder / "mail")
        site = web_app(app, lambda pages: mailbox_pages.routes(folder / "mail", pages))
        yield Demo(app, outcome, folder / "mail", stack.enter_context(serving(site)))
