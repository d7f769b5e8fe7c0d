"""The pace at which letters leave, a lane for each destination: pure, one thread, and time comes in as ``now``.

``now`` is always monotonic seconds that never run backwards. Three limits meet in a lane: a rate (a token bucket),
strict caps per hour and per day, and what the receiver says: 421 or 450 halve the rate, quiet minutes give it back.

What is remembered, and what is not. A lane that no rule limits and that was never slowed keeps nothing but a count of
its letters over the last seconds. Lanes that rules name are kept for ever; they are as few as the rules. Of the others,
those that "*" limits or that were slowed, only the ``MAX_LANES`` used last are kept. Forgetting one is safe: its bucket
and its caps hold all the same, for ``_Forgotten`` errs on the careful side; and a slowed lane that was the longest
without a letter starts at its full pace again, until the first 421 slows it again.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_OTHER: Final = "*"
HOUR: Final = 3_600
DAY: Final = 86_400
CELLS_PER_HOUR: Final = 60  # how finely a window slides: a letter counts for one window and at most one cell more
CELLS_PER_DAY: Final = 96

MAX_LANES: Final = 20_000  # lanes that no rule names
FORGOTTEN_SLOTS: Final = 1 << 19  # 12 MB in all, made when the first limited lane is forgotten
LONG_AGO: Final = -(1 << 31)  # the number of a cell that no window counts

BURST_SECONDS: Final = 1.0
OBSERVED_SECONDS: Final = 2.0  # over which the pace of an unlimited lane is measured
SLOWED_ONCE_PER: Final = 1.0  # seconds: the replies to one burst count once
SLOWING: Final = frozenset({421, 450})
QUIET_SECONDS: Final = 60.0
RECOVERY: Final = 0.1  # of the pace before it was slowed, per quiet minute
MAX_POSTPONED: Final = 900.0  # how far ahead a slowed lane is planned: it will be faster before long


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRule:
    """What the operator allows for some destinations.

    Attributes:
        domains: lower-case A-labels that share one lane; ``("*",)`` is every other domain, each with a lane of its own.
        per_second: letters per second, in the long run; at once as many as one second's worth, and at least one.
        per_hour: never more within any hour.
        per_day: never more within any 24 hours.
    """

    domains: tuple[str, ...]
    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None

    def __post_init__(self) -> None:
        if not self.domains or any(not domain or domain != domain.lower() for domain in self.domains):
            raise ValueError(f"a lane needs domains in lower case, not {self.domains!r}")
        if EVERY_OTHER in self.domains and len(self.domains) > 1:
            raise ValueError('"*" is every other domain and stands alone in its rule')
        if self.per_second is not None and not 0 < self.per_second < math.inf:
            raise ValueError(f"per_second must be more than 0, not {self.per_second}")
        for cap in (self.per_hour, self.per_day):
            if cap is not None and cap < 1:
                raise ValueError(f"a cap must be at least 1, not {cap}")

    @property
    def is_capped(self) -> bool:
        """Whether what earlier runs sent counts."""
        return self.per_hour is not None or self.per_day is not None


UNLIMITED: Final = LaneRule(domains=(EVERY_OTHER,))


class Lanes:
    """All lanes of one sender.

    Args:
        rules: no domain may stand in two of them; ValueError otherwise.
        lowest_rate: letters per second that no 421 takes away from a lane.
        now: monotonic seconds.
    """

    __slots__ = ("_before", "_before_seconds", "_forgotten", "_lanes", "_lowest", "_names", "_other", "_recent",
                 "_rules", "_since", "_turn")  # fmt: skip

    def __init__(self, rules: Sequence[LaneRule], *, lowest_rate: float = 0.2, now: float) -> None:
        if not 0 < lowest_rate < math.inf:
            raise ValueError(f"lowest_rate must be more than 0, not {lowest_rate}")
        named = [(domain, rule) for rule in rules for domain in rule.domains]
        if len(dict(named)) < len(named):
            raise ValueError("a domain stands in two lanes; each may have one")
        self._names = {domain: rule.domains[0] for domain, rule in named if domain != EVERY_OTHER}
        self._rules = tuple(rules)
        self._other = dict(named).get(EVERY_OTHER)
        self._lowest = lowest_rate
        self._lanes: OrderedDict[str, _Lane] = OrderedDict(
            (rule.domains[0], _Lane(rule, is_named=True)) for rule in rules if rule is not self._other
        )
        self._forgotten: _Forgotten | None = None
        self._recent: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._before_seconds = OBSERVED_SECONDS
        self._since = now
        self._turn = now + OBSERVED_SECONDS

    def lane(self, domain: str) -> str:
        """The lane's name: the first domain of its rule, or the domain itself."""
        return self._names.get(domain, domain)

    def capped(self) -> tuple[LaneRule, ...]:
        """The rules with caps: for their domains the ledger must be asked what earlier runs sent, and ``used`` told."""
        return tuple(rule for rule in self._rules if rule.is_capped)

    def used(self, domain: str, in_hour: int, in_day: int, now: float) -> None:
        """What earlier runs sent to this lane within the last hour and day; counted as if it had all left just now."""
        name = self._names.get(domain, domain)
        lane = self._lanes.get(name)
        if lane is None:
            if self._other is None or not self._other.is_capped:
                return
            lane = self._add(name, self._other, now)
        lane.used(in_hour, in_day, now)

    def wait(self, domain: str, now: float) -> float:
        """Seconds until one more letter may leave for this domain; 0.0 is now. A slow lane says nothing of another."""
        lane = self._lanes.get(self._names.get(domain, domain))
        if lane is not None:
            return lane.wait(now)
        if self._forgotten is not None and self._other is not None:  # it may have been full when it was forgotten
            return self._add(domain, self._other, now).wait(now)
        return 0.0

    def take(self, domain: str, now: float) -> None:
        """Count one letter that leaves."""
        name = self._names.get(domain, domain)
        lane = self._lanes.get(name)
        if lane is None and self._other is not None:
            lane = self._add(name, self._other, now)
        if lane is not None:
            self._lanes.move_to_end(name)
            lane.take(now)
        if now >= self._turn or len(self._recent) >= MAX_LANES:
            self._turn_over(now)
        self._recent[name] = self._recent.get(name, 0) + 1

    def heard(self, domain: str, code: int, now: float) -> None:
        """The receiver's reply to a letter of ours: 421 and 450 slow the lane, 2xx lets it recover."""
        name = self._names.get(domain, domain)
        lane = self._lanes.get(name)
        if code in SLOWING:
            if lane is None:
                lane = self._add(name, self._other or UNLIMITED, now)
            lane.slow(self._observed(name, now), self._lowest, now)
            return
        if lane is None or not lane.is_slowed or not 200 <= code < 300:  # noqa: PLR2004  # RFC 5321 section 4.2.1: done
            return
        if lane.recover(now) and lane.rule is UNLIMITED:
            del self._lanes[name]

    def postpone(self, domain: str, now: float) -> float:
        """For a letter that shall not wait here: in how many seconds to try it again, one letter after the other.

        Each call reserves the next position at the lane's own pace, in memory only, and promises nothing: ``wait``
        decides again then. A slowed lane is planned ``MAX_POSTPONED`` ahead and no further; then positions begin again.
        """
        name = self._names.get(domain, domain)
        lane = self._lanes.get(name)
        if lane is None:
            if self._other is None:
                return 0.0
            lane = self._add(name, self._other, now)
        return lane.reserve(now)

    # --- how ----------------------------------------------------------------------------------------------------

    def _add(self, name: str, rule: LaneRule, now: float) -> _Lane:
        lane = self._lanes[name] = _Lane(rule)
        if self._forgotten is not None and rule is self._other:
            self._forgotten.recall(name, lane, now)
        while len(self._lanes) - len(self._rules) > MAX_LANES:
            self._forget_one(now)
        return lane

    def _forget_one(self, now: float) -> None:
        name, lane = self._lanes.popitem(last=False)
        if lane.is_named:
            self._lanes[name] = lane  # at the end: its turn comes again after all others
        elif lane.rule is self._other:
            self._forgotten = self._forgotten or _Forgotten()
            self._forgotten.keep(name, lane, now)

    def _turn_over(self, now: float) -> None:
        is_stale = now >= self._turn + OBSERVED_SECONDS
        self._before, self._before_seconds = ({}, OBSERVED_SECONDS) if is_stale else (self._recent, now - self._since)
        self._recent, self._since, self._turn = {}, now, now + OBSERVED_SECONDS

    def _observed(self, name: str, now: float) -> float:
        """Letters per second that the lane really had just now."""
        if now >= self._turn:
            self._turn_over(now)
        recent = self._recent.get(name, 0) / max(now - self._since, 1.0)
        return max(recent, self._before.get(name, 0) / max(self._before_seconds, 1.0))


class _Lane:
    """One lane's state. The bucket is one number: ``full_at``, when it will be full again if nothing leaves (GCRA)."""

    __slots__ = ("_normal", "_quiet_since", "_rate", "_reserved", "_slowed_at", "day", "full_at", "hour", "is_named",
                 "is_slowed", "rule")  # fmt: skip

    def __init__(self, rule: LaneRule, *, is_named: bool = False) -> None:
        self.rule = rule
        self.is_named = is_named
        self.is_slowed = False
        self.hour = _Window(HOUR, CELLS_PER_HOUR, rule.per_hour) if rule.per_hour is not None else None
        self.day = _Window(DAY, CELLS_PER_DAY, rule.per_day) if rule.per_day is not None else None
        self._rate = rule.per_second or math.inf
        self._normal = self._rate
        self.full_at = -math.inf
        self._reserved = -math.inf
        self._slowed_at = self._quiet_since = -math.inf

    def used(self, in_hour: int, in_day: int, now: float) -> None:
        if self.hour is not None:
            self.hour.add(in_hour, now)
        if self.day is not None:
            self.day.add(in_day, now)

    def wait(self, now: float) -> float:
        longest = 0.0
        if self.full_at > now:
            # A letter may leave as soon as no more than burst - 1 letters are missing from the full bucket.
            burst = max(1.0, self._rate * BURST_SECONDS)
            longest = max(0.0, self.full_at - (burst - 1.0) / self._rate - now)
        if self.hour is not None:
            longest = max(longest, self.hour.wait(now))
        if self.day is not None:
            longest = max(longest, self.day.wait(now))
        return longest

    def take(self, now: float) -> None:
        if self._rate < math.inf:
            self.full_at = max(self.full_at, now) + 1.0 / self._rate
        if self.hour is not None:
            self.hour.add(1, now)
        if self.day is not None:
            self.day.add(1, now)

    def slow(self, observed: float, lowest: float, now: float) -> None:
        """Halve the rate and empty the bucket."""
        self._quiet_since = now
        if now - self._slowed_at < SLOWED_ONCE_PER:
            return
        self._slowed_at = now
        if not self.is_slowed:
            self.is_slowed = True
            self._normal = self.rule.per_second or max(observed, lowest)
            self._rate = self._normal
        self._rate = max(self._rate / 2, min(lowest, self._normal))
        self.full_at = max(self.full_at, now + max(1.0 / self._rate, BURST_SECONDS))

    def recover(self, now: float) -> bool:
        """A letter was taken: a step up, once in a quiet minute. True when the lane has its own pace again."""
        if now - self._quiet_since < QUIET_SECONDS:
            return False
        self._quiet_since = now
        self._rate += RECOVERY * self._normal
        if self._rate < self._normal:
            return False
        self.is_slowed = False
        self._rate = self.rule.per_second or math.inf
        self._reserved = -math.inf
        if self._rate == math.inf:
            self.full_at = -math.inf
        return True

    def reserve(self, now: float) -> float:
        first = now + self.wait(now)
        position = max(first, self._reserved)
        if self.is_slowed and position - first > MAX_POSTPONED:
            position = first
        pace = 1.0 / self._rate
        if self.rule.per_hour is not None:
            pace = max(pace, HOUR / self.rule.per_hour)
        if self.rule.per_day is not None:
            pace = max(pace, DAY / self.rule.per_day)
        self._reserved = position + pace
        return position - now


class _Window:
    """A strict sliding window: at any moment at most ``cap`` letters within the last ``seconds``.

    Letters are counted in cells, and a cell counts until its youngest possible letter is out of the window.
    """

    __slots__ = ("_cap", "_cell", "_cells", "_counts", "_starts", "_total")

    def __init__(self, seconds: int, cells: int, cap: int) -> None:
        self._cap = cap
        self._cells = cells
        self._cell = seconds // cells
        self._starts: list[int] = []  # the numbers of the cells that hold letters, ascending
        self._counts: list[int] = []
        self._total = 0

    @property
    def last(self) -> int:
        """The cell of the last letters; only asked when there are any."""
        return self._starts[-1]

    def is_over(self, cell: int, now: float) -> bool:
        """Whether letters of that cell count no longer."""
        return cell < int(now // self._cell) - self._cells

    def count(self, now: float) -> int:
        while self._starts and self.is_over(self._starts[0], now):
            del self._starts[0]
            self._total -= self._counts.pop(0)
        return self._total

    def add(self, letters: int, now: float) -> None:
        self.count(now)
        self.put(letters, int(now // self._cell))

    def put(self, letters: int, cell: int) -> None:
        """Into the newest cell that there is, or a newer one."""
        if self._starts and self._starts[-1] == cell:
            self._counts[-1] += letters
        elif letters:
            self._starts.append(cell)
            self._counts.append(letters)
        self._total += letters

    def wait(self, now: float) -> float:
        surplus = self.count(now) - self._cap
        for start, letters in zip(self._starts, self._counts, strict=True):
            if surplus < 0:
                break
            surplus -= letters
            if surplus < 0:
                return (start + self._cells + 1) * self._cell - now
        return 0.0


class _Forgotten:
    """How much forgotten lanes have used of their limits: never too little, sometimes too much, in bounded memory.

    A slot holds the most that any lane whose name falls into it had used; strangers who share it pay for each other.
    """

    __slots__ = ("_day", "_full_at", "_hour")

    def __init__(self) -> None:
        self._full_at = array("d", [-math.inf]) * FORGOTTEN_SLOTS
        self._hour = _Most()
        self._day = _Most()

    def keep(self, name: str, lane: _Lane, now: float) -> None:
        slot = hash(name) % FORGOTTEN_SLOTS
        self._full_at[slot] = max(self._full_at[slot], lane.full_at)
        if lane.hour is not None:
            self._hour.keep(slot, lane.hour, now)
        if lane.day is not None:
            self._day.keep(slot, lane.day, now)

    def recall(self, name: str, lane: _Lane, now: float) -> None:
        slot = hash(name) % FORGOTTEN_SLOTS
        lane.full_at = self._full_at[slot]
        if lane.hour is not None:
            self._hour.recall(slot, lane.hour, now)
        if lane.day is not None:
            self._day.recall(slot, lane.day, now)


class _Most:
    """For each slot the most letters that a window held, as if all had left in the last cell that anyone used."""

    __slots__ = ("_cells", "_letters")

    def __init__(self) -> None:
        self._letters = array("I", [0]) * FORGOTTEN_SLOTS
        self._cells = array("i", [LONG_AGO]) * FORGOTTEN_SLOTS

    def keep(self, slot: int, window: _Window, now: float) -> None:
        letters = window.count(now)
        if not letters:
            return
        if window.is_over(self._cells[slot], now):
            self._letters[slot] = 0
        self._letters[slot] = max(self._letters[slot], letters)
        self._cells[slot] = max(self._cells[slot], window.last)

    def recall(self, slot: int, window: _Window, now: float) -> None:
        if not window.is_over(self._cells[slot], now):
            window.put(self._letters[slot], self._cells[slot])
