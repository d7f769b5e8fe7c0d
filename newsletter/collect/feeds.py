"""Feeds: what others publish, fetched politely and taken apart safely.

``fetch`` gets bytes, ``feedjail`` has a killable child parse them, ``feedclean`` makes entries of what it found. One
dead or hostile feed is a ``SourceFailure`` and never an exception: the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from newsletter.collect.feedclean import clean_feed
from newsletter.collect.feedjail import read_feed
from newsletter.collect.feedlinks import canonical_url
from newsletter.collect.fetch import FeedLimits, fetch
from newsletter.errors import SourceError
from newsletter.model import SourceFailure

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.collect.fetch import Reply
    from newsletter.model import FeedEntry, Source

__all__ = ["FeedLimits", "FeedResult", "FeedState", "canonical_url", "fetch_feed", "parse_feed"]

MOVES_BEFORE_PROPOSAL: Final = 2
MAX_RETRY_AFTER: Final = timedelta(days=7)
BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What we remember of a feed between two visits; the store keeps it.

    ``etag`` and ``last_modified`` are the server's own words, verbatim. ``url`` is the address all of it is about:
    with another one (an editor corrected it) everything begins anew.
    """

    etag: str | None = None
    last_modified: str | None = None
    not_before: datetime | None = None
    gone: bool = False
    moved_to: str | None = None
    moved_seen: int = 0
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedResult:
    """A visit: entries if there was something new, the state to keep, the failure if there was one.

    ``note`` is for the editor: what was odd about a usable feed, or that it has moved.
    """

    source: Source
    entries: tuple[FeedEntry, ...]
    state: FeedState
    failure: SourceFailure | None
    changed: bool
    note: str = ""


def fetch_feed(source: Source, state: FeedState, limits: FeedLimits, now: datetime) -> FeedResult:
    """Visit a feed once. Never raises for the world's faults; asks nobody who asked us not to.

    The validators are kept only when the content was understood: otherwise the next 304 would hide a failure.
    """
    state = replace(state, url=source.url) if state.url in ("", source.url) else FeedState(url=source.url)
    if state.gone:
        return _failed(source, state, "has gone for good (410); remove it, or give its new address")
    if state.not_before and now < state.not_before:
        return _failed(source, state, f"asks us to stay away until {state.not_before:%Y-%m-%d %H:%M} UTC")
    try:
        state = replace(state, not_before=None)
        reply = fetch(source.url, limits, etag=state.etag, last_modified=state.last_modified)
    except SourceError as error:
        return _failed(source, state, str(error))
    if reply.status == HTTPStatus.NOT_MODIFIED and (state.etag or state.last_modified):
        state = _moved(state, reply)
        return FeedResult(source=source, entries=(), state=state, failure=None, changed=False, note=_proposal(state))
    if reply.status != HTTPStatus.OK:
        return _refused(source, state, reply, now)
    return _answered(source, state, reply, limits, now)


def parse_feed(
    data: bytes, source: Source, content_type: str | None, limits: FeedLimits, now: datetime, *, base: str | None = None
) -> tuple[tuple[FeedEntry, ...], str | None]:
    """The entries of a feed, and what was wrong with it; no entries and a reason means that it is unusable.

    ``content_type`` is the HTTP header, for its charset; ``base`` is where it came from, if not ``source.url``.
    """
    try:
        raw = read_feed(data, content_type, limits)
    except SourceError as error:
        return (), str(error)
    entries, remarks = clean_feed(raw, source, base or source.url, now)
    return entries, "; ".join(remarks) or None


# --- what came back -----------------------------------------------------------------


def _answered(source: Source, state: FeedState, reply: Reply, limits: FeedLimits, now: datetime) -> FeedResult:
    entries, flaw = parse_feed(reply.body, source, reply.headers.get("content-type"), limits, now, base=reply.url)
    state = _moved(state, reply)
    if flaw and not entries:
        return _failed(source, state, flaw)
    state = replace(
        state,
        etag=reply.headers.get("etag"),
        last_modified=reply.headers.get("last-modified"),
    )
    note = "; ".join(filter(None, (flaw, _proposal(state))))
    return FeedResult(source=source, entries=entries, state=state, failure=None, changed=True, note=note)


def _refused(source: Source, state: FeedState, reply: Reply, now: datetime) -> FeedResult:
    """No feed, but a status. 410 is for ever (RFC 9110 15.5.11), so we stop asking."""
    if reply.status == HTTPStatus.GONE:
        return _failed(source, replace(state, gone=True), "has gone for good (410); remove it, or give its new address")
    phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""  # ours, not the server's
    reason = f"answers {reply.status} {phrase}".strip()
    if reply.status in BUSY:
        state = replace(state, not_before=retry_after(reply.headers.get("retry-after", ""), now))
    if reply.status == HTTPStatus.NOT_MODIFIED:
        reason = "answers 304 although we have nothing of it yet"
    return _failed(source, state, reason)


def _failed(source: Source, state: FeedState, reason: str) -> FeedResult:
    failure = SourceFailure(source.id, reason)
    return FeedResult(source=source, entries=(), state=state, failure=failure, changed=False)


def retry_after(header: str, now: datetime) -> datetime | None:
    """When to come back (RFC 9110 10.2.3: seconds or a date), at most a week from now; None if it does not say."""
    if header.isascii() and header.isdigit():
        return now + min(timedelta(seconds=int(header[:9])), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(moment, now + MAX_RETRY_AFTER)


def _moved(state: FeedState, reply: Reply) -> FeedState:
    """Count how often the same permanent redirect was seen, in a row."""
    if reply.moved_to is None:
        return replace(state, moved_to=None, moved_seen=0)
    seen = state.moved_seen + 1 if reply.moved_to == state.moved_to else 1
    return replace(state, moved_to=reply.moved_to, moved_seen=seen)


def _proposal(state: FeedState) -> str:
    """What to tell the editor of a feed that has moved; a single redirect may be an accident."""
    if state.moved_seen < MOVES_BEFORE_PROPOSAL:
        return ""
    return f"has moved for good, seen {state.moved_seen} times; change its url to {state.moved_to}"
