"""People, letters and released mailings for tests of store and delivery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from newsletter.deliver.message import compile_variant, edition_digest
from newsletter.keys import LinkKeys
from newsletter.model import (
    UNSUBSCRIBE_SLOT,
    Address,
    CompiledVariant,
    Consent,
    FeedEntry,
    Language,
    Mailing,
    Month,
    Report,
    Subscriber,
    SubscriberId,
    Variant,
)
from newsletter.store import feeds, mailings, subscribers
from newsletter.store.database import Store
from tests.support.samples import EN, FR, sample_publication, sample_report

NOW = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
OCTOBER = Month(2026, 10)
KEYS = LinkKeys(1, {1: b"k" * 32})
CONSENT = Consent(NOW - timedelta(days=30), "form", "asked for it on our page")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        """``clock.pass_(hours=1)``."""
        self.now += timedelta(**time)


def person(number: int = 1, **changes: Any) -> Subscriber:
    """reader-1@example.org, active, English, HTML."""
    values: dict[str, Any] = {
        "id": SubscriberId(1_000_000 + number),
        "address": Address(f"reader-{number}@example.org", f"Reader-{number}@Example.org"),
        "language": EN,
    }
    return Subscriber(**(values | changes))


def add_people(store: Store, people: Iterable[Subscriber]) -> None:
    """Put them on the list."""
    with store.begin() as tx:
        for one in people:
            assert subscribers.add(tx, one, CONSENT)


def compiled(language: Language = EN, *, subject: str = "Monthly Security Report", text: str = "") -> CompiledVariant:
    """A small letter with a personal link."""
    link = f"https://security.meridian.example/u/{UNSUBSCRIBE_SLOT}"
    words = text or f"A short report in {language}."
    report: Report = sample_report(language=language)
    variant = Variant(
        report=report,
        subject=subject,
        html=f'<p>{words}</p>\n<p><a href="{link}">Unsubscribe</a></p>\n',
        text=f"{words}\n\nUnsubscribe: {link}\n",
    )
    return compile_variant(variant, sample_publication(), archived_at="https://security.meridian.example/")


def candidate(store: Store, *variants: CompiledVariant, month: Month = OCTOBER, **changes: Any) -> Mailing:
    """Freeze a candidate of these letters (an English and a French one, unless given)."""
    letters = variants or (compiled(EN), compiled(FR))
    values: dict[str, Any] = {
        "report_json": {(item.audience, item.language): f'{{"language": "{item.language}"}}' for item in letters},
        "entry_keys": (),
        "failures": (),
        "now": NOW,
    }
    with store.begin() as tx:
        return mailings.save_candidate(tx, month, edition_digest(letters), letters, **(values | changes))


def released(store: Store, *variants: CompiledVariant, month: Month = OCTOBER, at: datetime = NOW) -> Mailing:
    """A mailing that is ready to be delivered to everybody who is active."""
    mailing = candidate(store, *variants, month=month)
    with store.begin() as tx:
        assert mailings.begin_release(tx, month, mailing.digest, at)
    with store.begin() as tx:
        mailings.release(tx, mailing, at)
    with store.read() as tx:
        found = mailings.get(tx, month)
    assert found is not None
    return found


def entry(guid: str = "g1", link: str = "https://example.org/1", **changes: Any) -> FeedEntry:
    """An entry of the feed ``advisories``."""
    values: dict[str, Any] = {
        "source": "advisories",
        "guid": guid,
        "title": f"Title of {guid}",
        "link": link,
        "summary": "A summary.",
        "first_seen": NOW - timedelta(days=10),
    }
    return FeedEntry(**(values | changes))


def record(store: Store, *entries: FeedEntry, now: datetime = NOW) -> int:
    """Keep entries as a poll would; returns how many are new."""
    with store.begin() as tx:
        return feeds.record_entries(tx, entries, now)


@contextmanager
def write_locked(store: Store) -> Iterator[None]:
    """Somebody else is in the middle of writing."""
    with store.begin() as tx:
        feeds._claim(tx, "advisories")
        yield
