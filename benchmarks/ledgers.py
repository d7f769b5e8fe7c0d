"""Letters of any size, and ledgers in which one of them is released to any number of readers."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert

from newsletter.deliver.message import compile_variant, edition_digest
from newsletter.keys import LinkKeys
from newsletter.model import (
    PUBLIC,
    UNSUBSCRIBE_SLOT,
    Count,
    Figures,
    Format,
    Language,
    Month,
    Publication,
    Report,
    SubscriberState,
    Tlp,
    Variant,
)
from newsletter.store import mailings
from newsletter.store.database import Store
from newsletter.store.tables import subscriber

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from newsletter.model import CompiledVariant, Mailing

EN: Final = Language("en")
MONTH: Final = Month(2026, 10)
NOW: Final = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
KEYS: Final = LinkKeys(1, {1: b"k" * 32})
PUBLICATION: Final = Publication(
    name="Monthly Security Report",
    organisation="Meridian Laboratory",
    team={EN: "the Computer Security Team"},
    base_url="https://security.meridian.example",
    website="https://security.meridian.example/",
    contact="computer.security@meridian.example",
    from_address="report@security.meridian.example",
    reply_to="computer.security@meridian.example",
    languages=(EN,),
)
LINK: Final = f"{PUBLICATION.base_url}/u/{UNSUBSCRIBE_SLOT}"
SENTENCES: Final = (
    "A password manager remembers what you cannot, and types it only where it belongs.",
    "In October the campaign imitated our café's menu; 14 % of those who got it followed the link.",
    "Nobody from the service desk will ever ask you for a code, by telephone or by message.",
)
TEXT_SHARE: Final = 0.35  # of the body: 16 KB of text beside 30 KB of HTML
DOMAINS: Final = 200  # of the readers; half of them sit in the four largest
LARGEST: Final = 4
BATCH: Final = 5_000


def make_variant(body_bytes: int) -> Variant:
    """A report in text and HTML whose compiled body is the smallest of at least so many bytes."""
    low, high = 0, body_bytes
    while low < high:
        middle = (low + high) // 2
        if len(compile_letter(_variant(middle)).body) < body_bytes:
            low = middle + 1
        else:
            high = middle
    return _variant(low)


def compile_letter(variant: Variant) -> CompiledVariant:
    """The variant as bytes."""
    return compile_variant(variant, PUBLICATION, archived_at=f"{PUBLICATION.base_url}/en/reports/{MONTH}/")


def _variant(characters: int) -> Variant:
    text_room = int(characters * TEXT_SHARE)
    text = _prose(text_room, "{}\n\n") + f"\nUnsubscribe: {LINK}\n"
    html = _prose(characters - text_room, '<p style="margin:0 0 16px;line-height:1.5">{}</p>\n')
    report = Report(
        month=MONTH, language=EN, audience=PUBLIC, tlp=Tlp.CLEAR, title=None, note="", note_language=EN,
        note_authors=(), in_brief=(), action=None, incidents=(),
        figures=Figures(Count("total", 0, None, None, 0), (), (), ()), articles=(), elsewhere=(), corrections=(),
        restatements=(),
    )  # fmt: skip
    return Variant(
        report=report,
        subject=f"Monthly Security Report, {MONTH}",
        html=f'<html><body>\n{html}<p><a href="{LINK}">Unsubscribe</a></p>\n</body></html>\n',
        text=text,
    )


def _prose(characters: int, frame: str) -> str:
    """Paragraphs of together exactly so many characters; the last one may be cut."""
    paragraph = frame.format(" ".join(SENTENCES))
    whole, rest = divmod(characters, len(paragraph))
    return paragraph * whole + "x" * rest + "\n"


def release(path: Path, letter: CompiledVariant, readers: int, *, seed: int = 1) -> None:
    """A new ledger with so many active readers and the letter released to each of them, closed again."""
    with closing(open_store(path)) as store:
        store.upgrade()
        fill(store, readers, seed=seed)
        prepare(store, letter)
        release_prepared(store)


def open_store(path: Path) -> Store:
    """The ledger in a file; its locks lie beside it."""
    return Store(f"sqlite:///{path}", folder=path.parent / f"{path.stem}-locks")


def fill(store: Store, readers: int, *, seed: int = 1) -> None:
    """Put so many on the list, in one transaction and a batch at a time, so that a million needs no memory."""
    rows = _rows(readers, random.Random(seed))
    with store.begin() as tx:
        while batch := list(islice(rows, BATCH)):
            tx.execute(insert(subscriber), batch)


def _rows(readers: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(readers):
        domain = rng.randrange(LARGEST if rng.random() < 0.5 else DOMAINS)
        mailbox = f"reader-{number}@domain-{domain}.example"
        yield {
            "id": rng.getrandbits(63),  # random as in life, so that neighbours in the ledger are none on the disk
            "mailbox": mailbox,
            "mailbox_key": mailbox,
            "typed": mailbox,
            "language": EN,
            "audience": PUBLIC,
            "format": Format.HTML.value,
            "state": SubscriberState.ACTIVE.value,
            "created": NOW,
            "changed": NOW,
        }


def prepare(store: Store, letter: CompiledVariant) -> None:
    """Freeze the letter as the candidate of the month, and begin its release."""
    digest = edition_digest([letter])
    report = {(letter.audience, letter.language): "{}"}
    with store.begin() as tx:
        mailings.save_candidate(tx, MONTH, digest, [letter], report_json=report, entry_keys=(), failures=(), now=NOW)
    with store.begin() as tx:
        mailings.begin_release(tx, MONTH, digest, NOW)


def release_prepared(store: Store) -> int:
    """Release it; returns how many deliveries there are."""
    with store.begin() as tx:
        return mailings.release(tx, find(store), NOW)


def find(store: Store) -> Mailing:
    """The mailing of the month."""
    with store.read() as tx:
        mailing = mailings.get(tx, MONTH)
    if mailing is None:
        raise SystemExit(f"there is no mailing of {MONTH}")
    return mailing


def fresh_copy(path: Path) -> Path:
    """The ledger as it was before anybody delivered from it, on the disk and not only on its way there."""
    copy = path.with_name("run.db")
    for old in path.parent.glob("run.db*"):
        old.unlink()
    shutil.copyfile(path, copy)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    return copy
