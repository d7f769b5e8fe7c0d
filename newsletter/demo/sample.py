"""The demo's site: the packaged sample content in a temporary folder, with settings that stay on this machine."""

from __future__ import annotations

import mailbox
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from newsletter import duties, pipeline, subscriptions
from newsletter.app import build_app
from newsletter.config import load_settings
from newsletter.deliver.dkim import make_key
from newsletter.model import Month
from newsletter.resources import packaged

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.app import App
    from newsletter.deliver.dkim import DkimKind

MONTH: Final = Month(2026, 10)
EARLIER: Final = (Month(2026, 8), Month(2026, 9))
FEED_FILES: Final = {
    "advisories": "advisories.xml",
    "coordination-centre": "coordination-centre.xml",
    "hostile": "hostile.xml",
}
KINDS: Final[tuple[DkimKind, ...]] = ("rsa", "ed25519")
CONSENT: Final = "sample subscribers of the demo"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo did, counted from the mailbox and not from our own ledger."""

    subscribers: int
    delivered: int
    duplicates: int
    missing: int
    archive_pages: int


def make_site(folder: Path, *, base_url: str, feeds_url: str, mail_port: int) -> App:
    """A site in ``folder`` that fetches from and delivers to this machine alone."""
    for name in ("articles", "incidents", "reports"):
        shutil.copytree(packaged(name), folder / name)
    text = packaged("newsletter.toml").read_text(encoding="utf-8")
    for source, file in FEED_FILES.items():
        text = re.sub(rf'(id = "{source}"\n.*\nurl = ")[^"]*', rf"\g<1>{feeds_url}/{file}", text)
    (folder / "newsletter.toml").write_text(text, encoding="utf-8")
    keys = _make_keys(folder)
    environment = {
        "NEWSLETTER_SIGNING_DKIM_KEYS": ",".join(keys),
        "NEWSLETTER_PUBLICATION_BASE_URL": base_url,
        "NEWSLETTER_RELAY_PORT": str(mail_port),
        "NEWSLETTER_FEEDS_ALLOW_HTTP": "true",
        "NEWSLETTER_FEEDS_ALLOW_PRIVATE": "true",
    }
    app = build_app(load_settings(folder, environment))
    app.ready_store()
    return app


def _make_keys(folder: Path) -> tuple[str, ...]:
    """Signing keys that nobody has published: the letters of the demo show what signed ones look like."""
    names = {f"var/keys/demo-{kind}.pem": make_key(kind) for kind in KINDS}
    (folder / "var" / "keys").mkdir(parents=True)
    for name, pem in names.items():
        (folder / name).write_bytes(pem)
    return tuple(names)


def run(app: App, maildir: Path) -> Outcome:
    """Collect, compose, approve, publish and deliver; the two months before come first, when nobody had subscribed."""
    for source in app.settings.feeds.sources:
        duties.poll(source, app)
    for month in EARLIER:
        _approve_and_run(month, app)
    with packaged("demo").joinpath("subscribers.csv").open("rb") as file:
        people = subscriptions.import_csv(file, app, consent=CONSENT)
    _approve_and_run(MONTH, app)
    pages = sum(path.suffix == ".html" for path in app.settings.archive_folder.rglob("*"))
    copies = Counter(str(mail["Delivered-To"]) for mail in mailbox.Maildir(maildir))
    wanted = [person.address.mailbox for person in subscriptions.everybody(app)]
    return Outcome(
        subscribers=people.added,
        delivered=sum(copies.values()),
        duplicates=sum(count - 1 for count in copies.values()),
        missing=sum(address not in copies for address in wanted),
        archive_pages=pages,
    )


def _approve_and_run(month: Month, app: App) -> None:
    mailing = pipeline.prepare(month, app)
    pipeline.approve(month, app, digest=mailing.digest, by="the demo")
    pipeline.run_month(month, app)
