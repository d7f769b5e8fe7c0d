"""External links of what is printed, asked over the network: ``newsletter check --links``.

Polite: one request at a time to a host, with a pause before the next; HEAD first; answers are kept for a week, bad ones
for a day. Bounded: so many hosts at once, so many links, so much time. Safe: ``collect.fetch`` goes to public addresses
alone. What could not be learned is no finding: a busy server (429, 503), one that is down, one that asks for a sign-in.

Dead is what its own server says is not there (404, 410), at once, since most such links were mistyped today. A name
that cannot be found is dead when it could not be found a day later either: name servers have bad hours.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from newsletter.checks.codes import DEAD_CODE, MOVED_CODE
from newsletter.checks.texts.anchors import targets_of
from newsletter.checks.texts.hosts import host_of, is_example
from newsletter.collect.feedlinks import WebAddress
from newsletter.collect.fetch import Deadline, FeedLimits, probe
from newsletter.errors import SourceError, UnknownHostError
from newsletter.model import Finding, Gravity, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from newsletter.checks.house import House
    from newsletter.checks.texts.anchors import Target
    from newsletter.checks.texts.text import Item
    from newsletter.collect.fetch import Reply
    from newsletter.model import Collected

    Clock = Callable[[], datetime]

MAX_CACHE_BYTES: Final = 5_000_000
MAX_KEPT: Final = 10_000
GOOD_FOR: Final = timedelta(days=7)
BAD_FOR: Final = timedelta(days=1)
TWICE_WITHIN: Final = timedelta(days=1)  # a name is dead when it could not be found twice, this far apart
KEPT_FOR: Final = timedelta(days=60)
MAX_RETRY_AFTER: Final = timedelta(days=7)

GOOD, GONE, LOST, UNKNOWN = "good", "gone", "lost", "unknown"
_STATES: Final = frozenset({GOOD, GONE, LOST, UNKNOWN})
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_NO_HEAD: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLimits:
    """How far we go for all links together; ``fetch`` says how far for one."""

    fetch: FeedLimits = field(default_factory=lambda: FeedLimits(connect_seconds=5, total_seconds=10))
    total_seconds: float = 300
    hosts_at_once: int = 8
    pause_seconds: float = 1
    max_links: int = 2_000


@dataclass(frozen=True, slots=True)
class Known:
    """What was learned about an address: when, until when it holds, since when its name is lost, where it moved."""

    state: str
    seen: datetime
    until: datetime
    since: datetime | None = None
    status: int = 0
    moved: str | None = None


def check_links(
    collected: Collected, house: House, limits: LinkLimits, cache: Path, clock: Clock
) -> tuple[Finding, ...]:
    """Links that are dead or have moved, in the order of places; what is learned is kept in ``cache``."""
    targets = _external(collected, house, limits)
    known = _read(cache, clock())
    asked = _ask(_due(targets, known, clock(), limits), known, limits, clock)
    if asked:
        known |= asked
        _write(cache, known)
    findings = [finding for target, address in targets if (finding := _finding(target, known.get(address)))]
    return tuple(sorted(set(findings), key=lambda finding: (finding.place, finding.message)))


# --- which links --------------------------------------------------------------------------------------------------


def _external(collected: Collected, house: House, limits: LinkLimits) -> list[tuple[Target, str]]:
    """Printed links that lead to other hosts than our archive's, with the address to ask: without its fragment."""
    ours = host_of(house.publication.base_url)
    found = []
    items: tuple[Item, ...] = (*collected.articles, *collected.incidents, *collected.notes)
    for item in items:
        for target in targets_of(item, only_printed=True):
            address = WebAddress.read(target.address)
            if address is None or address.host.removeprefix("www.") == ours:
                continue
            if limits.fetch.allow_private or not is_example(address.host):
                found.append((target, replace(address, fragment="").url))
    return found


def _due(
    targets: Iterable[tuple[Target, str]], known: dict[str, Known], now: datetime, limits: LinkLimits
) -> dict[str, list[str]]:
    """Addresses to ask, by host."""
    wanted = [address for address in dict.fromkeys(a for _, a in targets) if not _holds(known.get(address), now)]
    by_host: defaultdict[str, list[str]] = defaultdict(list)
    for address in wanted[: limits.max_links]:
        by_host[host_of(address)].append(address)
    return by_host


def _holds(known: Known | None, now: datetime) -> bool:
    return known is not None and known.seen <= now < known.until


# --- asking -------------------------------------------------------------------------------------------------------


def _ask(by_host: dict[str, list[str]], known: dict[str, Known], limits: LinkLimits, clock: Clock) -> dict[str, Known]:
    """What the hosts say, several at once, until the time is over."""
    limits = replace(limits, fetch=replace(limits.fetch, allow_http=True))
    asking = _Asking(known, limits, clock, Deadline.after(limits.total_seconds))
    asked: dict[str, Known] = {}
    with ThreadPoolExecutor(limits.hosts_at_once, thread_name_prefix="links") as pool:
        try:
            for learned in pool.map(asking.host, by_host.values()):
                asked |= learned
        finally:
            asking.stopping.set()  # interrupted: nobody waits for the rest
    return asked


@dataclass(frozen=True, slots=True)
class _Asking:
    """One round of questions."""

    known: dict[str, Known]
    limits: LinkLimits
    clock: Clock
    deadline: Deadline
    stopping: Event = field(default_factory=Event)

    def host(self, addresses: list[str]) -> dict[str, Known]:
        """One address of a host after the other; none any more once it says that it is busy."""
        learned: dict[str, Known] = {}
        for address in addresses:
            if learned:
                self.pause()
            if self.stopping.is_set() or not _left(self.deadline):
                break
            value = learned[address] = self.ask(address)
            if value.status in _BUSY:
                break
        return learned

    def ask(self, address: str) -> Known:
        """What is known about the address now."""
        try:
            reply = self.probe(address, "HEAD")
            if reply.status in _NO_HEAD:
                self.pause()
                reply = self.probe(address, "GET")
        except UnknownHostError:
            now, before = self.clock(), self.known.get(address)
            since = before.since if before and before.state == LOST and before.since else now
            return Known(LOST, now, now + BAD_FOR, since)
        except SourceError:
            now = self.clock()
            return Known(UNKNOWN, now, now + BAD_FOR)
        return _learned(reply, self.clock())

    def probe(self, address: str, method: str) -> Reply:
        """Within the time that is left for all."""
        fetch = self.limits.fetch
        return probe(
            address,
            replace(fetch, total_seconds=min(fetch.total_seconds, _left(self.deadline))),
            method=method,
        )

    def pause(self) -> None:
        """Before the same host is asked again."""
        self.stopping.wait(min(self.limits.pause_seconds, _left(self.deadline)))


def _learned(reply: Reply, now: datetime) -> Known:
    if reply.status in _ABSENT:
        return Known(GONE, now, now + BAD_FOR, status=reply.status)
    if reply.status in _BUSY:
        return Known(UNKNOWN, now, now + max(BAD_FOR, _retry_after(reply, now)), status=reply.status)
    if reply.status in range(200, 300):
        return Known(GOOD, now, now + GOOD_FOR, status=reply.status, moved=reply.moved_to)
    return Known(UNKNOWN, now, now + BAD_FOR, status=reply.status)


def _retry_after(reply: Reply, now: datetime) -> timedelta:
    """How long a busy server wants to be left alone (RFC 9110 10.2.3), within reason."""
    value = reply.headers.get("retry-after", "").strip()
    wish = timedelta(0)
    with suppress(ValueError, OverflowError, TypeError):
        wish = timedelta(seconds=int(value)) if value.isdecimal() else parsedate_to_datetime(value) - now
    return min(wish, MAX_RETRY_AFTER)


def _left(deadline: Deadline) -> float:
    try:
        return deadline.left()
    except TimeoutError:
        return 0


# --- telling ------------------------------------------------------------------------------------------------------


def _finding(target: Target, known: Known | None) -> Finding | None:
    place = Place(target.path, target.line, target.column)
    if known and known.state == GONE:
        message = f"{target.address} is not there: its server answers {known.status}"
        return Finding(DEAD_CODE, Gravity.ADVISE, place, message, "link where it is now, an archived copy, or nothing")
    if known and known.state == LOST and known.since and known.seen - known.since >= TWICE_WITHIN:
        message = f"{target.address} is on a host that has had no address since {known.since:%Y-%m-%d}"
        return Finding(DEAD_CODE, Gravity.ADVISE, place, message, "link where it is now, an archived copy, or nothing")
    if known and known.state == GOOD and known.moved:
        message = f"{target.address} has moved for good"
        mark, fragment = target.address.partition("#")[1:]
        moved = known.moved if "#" in known.moved else known.moved + mark + fragment
        return Finding(MOVED_CODE, Gravity.ADVISE, place, message, f"write {moved}")
    return None


# --- remembering --------------------------------------------------------------------------------------------------


def _read(cache: Path, now: datetime) -> dict[str, Known]:
    """What is remembered; a cache that is damaged, too big or not there remembers nothing."""
    try:
        with cache.open("rb") as file:
            data = file.read(MAX_CACHE_BYTES + 1)
        rows = json.loads(data) if len(data) <= MAX_CACHE_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(rows, dict):
        return {}
    known = {address: value for address, row in rows.items() if (value := _known(row))}
    return {address: value for address, value in known.items() if now - KEPT_FOR <= value.seen <= now}


def _known(row: Any) -> Known | None:
    try:
        state, seen, until, since, status, moved = row
        times = [datetime.fromisoformat(value).astimezone(UTC) for value in (seen, until, since or seen)]
        is_sound = state in _STATES and isinstance(status, int) and (moved is None or WebAddress.read(moved))
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    return Known(state, times[0], times[1], times[2] if since else None, status, moved) if is_sound else None


def _write(cache: Path, known: dict[str, Known]) -> None:
    """Whole or not at all; a folder that cannot be written only costs us the memory."""
    newest = sorted(known.items(), key=lambda row: row[1].seen, reverse=True)[:MAX_KEPT]
    rows = {
        address: (
            value.state,
            value.seen.isoformat(),
            value.until.isoformat(),
            value.since.isoformat() if value.since else None,
            value.status,
            value.moved,
        )
        for address, value in sorted(newest)
    }
    aside = cache.with_name(f"{cache.name}.{os.getpid()}")
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_text(json.dumps(rows, indent=0), encoding="utf-8")
            aside.replace(cache)
        finally:
            aside.unlink(missing_ok=True)
