"""Feeds and their entries: what to ask a server next time, which entries there are, and which were printed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict

from sqlalchemy import func, select, update

from newsletter.model import FeedEntry, Language, Month, SourceFailure, Tlp
from newsletter.store.rows import insert
from newsletter.store.tables import feed, feed_entry, feed_identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from sqlalchemy import Connection, Row

    from newsletter.model import Source

GUID: Final = "guid"
LINK: Final = "link"


class FeedStateLike(Protocol):
    """What a feed's server told us to remember; ``collect.feeds.FeedState`` is one."""

    @property
    def etag(self) -> str | None:
        """Validator, verbatim."""

    @property
    def last_modified(self) -> str | None:
        """Validator, verbatim."""

    @property
    def not_before(self) -> datetime | None:
        """When to ask again at the earliest."""

    @property
    def gone(self) -> bool:
        """It answered 410."""

    @property
    def moved_to(self) -> str | None:
        """Where it says that it has moved to."""

    @property
    def moved_seen(self) -> int:
        """How often it has said so."""

    @property
    def url(self) -> str:
        """The address that all of this is about."""


class FeedResultLike(Protocol):
    """What a poll brought; ``collect.feeds.FeedResult`` is one."""

    @property
    def source(self) -> Source:
        """What was polled."""

    @property
    def entries(self) -> tuple[FeedEntry, ...]:
        """What it offers."""

    @property
    def state(self) -> FeedStateLike:
        """What to remember."""

    @property
    def failure(self) -> SourceFailure | None:
        """What went wrong."""


class StoredFeedState(TypedDict):
    """The same as keywords: ``FeedState(**state)``."""

    etag: str | None
    last_modified: str | None
    not_before: datetime | None
    gone: bool
    moved_to: str | None
    moved_seen: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """How a feed is doing: when it was polled, when that last worked, what is wrong since when, what it gave."""

    source: str
    polled: datetime | None
    succeeded: datetime | None
    failure: SourceFailure | None
    gone: bool
    moved_to: str | None
    entries: int
    unprinted: int


# --- the feeds ------------------------------------------------------------------------------------------------


def state(tx: Connection, source: str) -> StoredFeedState | None:
    """What to remember at the next poll of this source; None before the first one."""
    row = tx.execute(select(feed).where(feed.c.source == source)).first()
    if row is None:
        return None
    return StoredFeedState(
        etag=row.etag,
        last_modified=row.last_modified,
        not_before=row.not_before,
        gone=row.gone,
        moved_to=row.moved_to,
        moved_seen=row.moved_seen,
        url=row.url,
    )


def save(tx: Connection, result: FeedResultLike, now: datetime) -> int:
    """Keep all that a poll brought; returns how many entries are new."""
    save_state(tx, result.source.id, result.state, now, failure=result.failure)
    return record_entries(tx, result.entries, now)


def save_state(
    tx: Connection, source: str, state: FeedStateLike, now: datetime, *, failure: SourceFailure | None = None
) -> None:
    """Remember the outcome of a poll; a failure that lasts keeps the time when it began."""
    _claim(tx, source)
    values: dict[str, Any] = {name: getattr(state, name) for name in StoredFeedState.__annotations__}
    if failure is None:
        values |= {"succeeded": now, "failing_since": None, "failure": None}
    else:
        since = func.coalesce(feed.c.failing_since, failure.since or now)
        values |= {"failing_since": since, "failure": failure.reason}
    tx.execute(update(feed).where(feed.c.source == source).values(**values, polled=now))


def failures(tx: Connection) -> tuple[SourceFailure, ...]:
    """The sources that cannot be used at present, with the reason and since when."""
    rows = tx.execute(select(feed).where(feed.c.failure.is_not(None)).order_by(feed.c.source))
    return tuple(SourceFailure(row.source, row.failure, row.failing_since) for row in rows)


def every(tx: Connection) -> tuple[FeedStatus, ...]:
    """Every feed that was ever polled."""
    counted = (
        select(
            feed_entry.c.source,
            func.count().label("entries"),
            func.count().filter(feed_entry.c.printed_in.is_(None)).label("unprinted"),
        )
        .group_by(feed_entry.c.source)
        .subquery()
    )
    wanted = select(feed, func.coalesce(counted.c.entries, 0).label("entries"),
                    func.coalesce(counted.c.unprinted, 0).label("unprinted"))  # fmt: skip
    rows = tx.execute(wanted.outerjoin(counted, counted.c.source == feed.c.source).order_by(feed.c.source))
    return tuple(_as_status(row) for row in rows)


# --- their entries --------------------------------------------------------------------------------------------


def record_entries(tx: Connection, entries: Iterable[FeedEntry], now: datetime) -> int:
    """Keep what a poll brought; links are canonical already. Returns how many entries are new.

    An entry is known by its guid or by its link, by each one that it ever had: a feed that edits one of them does not
    make it new. What is known gets the new title, summary and link, unless it was printed already.
    """
    new = 0
    for entry in entries:
        _claim(tx, entry.source)
        known = _known(tx, entry)
        if known is None:
            known = _insert(tx, entry, now)
            new += 1
        else:
            _refresh(tx, known, entry, now)
        keys = [{"source": entry.source, "key": key, "entry_id": known} for key in _keys(entry)]
        tx.execute(insert(tx, feed_identity).on_conflict_do_nothing(), keys)
    return new


def entries(tx: Connection, *, since: datetime | None = None) -> tuple[FeedEntry, ...]:
    """Every entry, printed or not, first seen at ``since`` or later, oldest first."""
    wanted = select(feed_entry).order_by(feed_entry.c.first_seen, feed_entry.c.id)
    if since is not None:
        wanted = wanted.where(feed_entry.c.first_seen >= since)
    return tuple(_as_entry(row) for row in tx.execute(wanted))


def unprinted(tx: Connection, until: date) -> tuple[FeedEntry, ...]:
    """The entries first seen on this day (UTC) or before that no edition has printed, oldest first."""
    end = datetime.combine(until, time(), UTC) + timedelta(days=1)
    wanted = select(feed_entry).where(feed_entry.c.printed_in.is_(None), feed_entry.c.first_seen < end)
    return tuple(_as_entry(row) for row in tx.execute(wanted.order_by(feed_entry.c.first_seen, feed_entry.c.id)))


def mark_printed(tx: Connection, keys: Sequence[tuple[str, str]], month: Month) -> None:
    """An edition prints these entries, given as (source, guid). What was printed before stays where it was."""
    for source, guid in keys:
        known = select(feed_identity.c.entry_id).where(
            feed_identity.c.source == source, feed_identity.c.key == _key(GUID, guid)
        )
        tx.execute(
            update(feed_entry)
            .where(feed_entry.c.id.in_(known), feed_entry.c.printed_in.is_(None))
            .values(printed_in=str(month))
        )


# --- how ------------------------------------------------------------------------------------------------------


def _claim(tx: Connection, source: str) -> None:
    """Make the feed's row and hold it until the transaction ends, so that two polls cannot add an entry twice."""
    row = insert(tx, feed).values(source=source, gone=False, moved_seen=0, url="")
    tx.execute(row.on_conflict_do_update(index_elements=["source"], set_={"source": source}))


def _key(kind: str, value: str) -> str:
    return sha256(f"{kind}\0{value}".encode()).hexdigest()


def _keys(entry: FeedEntry) -> tuple[str, str]:
    return _key(GUID, entry.guid), _key(LINK, entry.link)


def _known(tx: Connection, entry: FeedEntry) -> int | None:
    """The entry that has this guid or, failing that, this link."""
    keys = _keys(entry)
    rows = tx.execute(
        select(feed_identity.c.key, feed_identity.c.entry_id).where(
            feed_identity.c.source == entry.source, feed_identity.c.key.in_(keys)
        )
    )
    found: dict[str, int] = {row.key: row.entry_id for row in rows}
    return next((found[key] for key in keys if key in found), None)


def _insert(tx: Connection, entry: FeedEntry, now: datetime) -> int:
    row = insert(tx, feed_entry).values(
        source=entry.source,
        guid=entry.guid,
        link=entry.link,
        title=entry.title,
        summary=entry.summary,
        published=entry.published,
        first_seen=entry.first_seen,
        last_seen=now,
        language=entry.language,
        tlp=entry.tlp.value,
    )
    number: int = tx.execute(row.returning(feed_entry.c.id)).scalar_one()
    return number


def _refresh(tx: Connection, number: int, entry: FeedEntry, now: datetime) -> None:
    here = update(feed_entry).where(feed_entry.c.id == number)
    tx.execute(here.values(last_seen=now))
    words = {"title": entry.title, "summary": entry.summary, "link": entry.link, "published": entry.published}
    tx.execute(here.where(feed_entry.c.printed_in.is_(None)).values(**words, tlp=entry.tlp.value))


def _as_entry(row: Row[Any]) -> FeedEntry:
    return FeedEntry(
        source=row.source,
        guid=row.guid,
        title=row.title,
        link=row.link,
        summary=row.summary,
        published=row.published,
        first_seen=row.first_seen,
        language=Language(row.language),
        tlp=Tlp(row.tlp),
        printed_in=Month.parse(row.printed_in) if row.printed_in else None,
    )


def _as_status(row: Row[Any]) -> FeedStatus:
    return FeedStatus(
        source=row.source,
        polled=row.polled,
        succeeded=row.succeeded,
        failure=SourceFailure(row.source, row.failure, row.failing_since) if row.failure else None,
        gone=row.gone,
        moved_to=row.moved_to,
        entries=row.entries,
        unprinted=row.unprinted,
    )
