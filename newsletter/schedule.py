"""When a month's report is due: arithmetic on months, rules and time zones. No clock, no store.

A rule names one slot in every calendar month; the report of a month is due at the first slot after that month's end.
So months and slots match one to one, and ``due`` gives the same answer however often, late or doubly it is asked.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from newsletter.model import Month

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

LAST: Final = -1
ORDINALS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": LAST}
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LAST_SURE_DAY: Final = 28  # the latest day that every month has

# Clocks are changed in these hours: a local time there may not exist, or strike twice.
EARLIEST: Final = time(4)
REMINDER_DAYS: Final = 5
MAX_RULE_CHARACTERS: Final = 200

EXAMPLES: Final = '"first Tuesday 09:00 Europe/Zurich", "day 5 09:00", "last day 09:00" or "cron 0 9 5 * *"'

# crontab(5): the name of each field and its bounds; Sunday is 0 and also 7.
CRON_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
CRON_NAMES: Final = {
    "month": ("", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "weekday": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
CRON_PART: Final = re.compile(r"(?:\*|(?P<low>[0-9a-z]+)(?:-(?P<high>[0-9a-z]+))?)(?:/(?P<step>[0-9]{1,2}))?", re.ASCII)
CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class DayOfMonth:
    """The 5th, or the last day (``LAST``)."""

    day: int

    def date_in(self, month: Month) -> date:
        """Its date in this month."""
        return month.last_day if self.day == LAST else month.first_day.replace(day=self.day)


@dataclass(frozen=True, slots=True)
class WeekdayOfMonth:
    """The first Tuesday, the last Friday; several weekdays (Monday is 0) mean whichever comes first."""

    ordinal: int
    weekdays: frozenset[int]

    def date_in(self, month: Month) -> date:
        """Its date in this month: each of the first four, and the last, exists in every month."""
        days = (month.first_day.replace(day=number) for number in range(1, month.last_day.day + 1))
        matching = [day for day in days if day.weekday() in self.weekdays]
        return matching[-1 if self.ordinal == LAST else self.ordinal - 1]


@dataclass(frozen=True, slots=True)
class Rule:
    """One slot a month: a day, a local time, the zone of that time, and the site's zone, in which months end."""

    text: str
    day: DayOfMonth | WeekdayOfMonth
    at: time
    zone: ZoneInfo
    site: ZoneInfo

    def __str__(self) -> str:
        """The rule as it was written."""
        return self.text


@dataclass(frozen=True, slots=True)
class Due:
    """A month and the moment from which its report is due (aware, in the rule's zone).

    ``late``: so long ago that an editor is asked instead of sending.
    """

    month: Month
    at: datetime
    late: bool = False


# --- slots ----------------------------------------------------------------------------------------------------


def slot(rule: Rule, month: Month) -> datetime:
    """The moment at which ``month`` is due, aware: the rule's slot in the month that follows.

    Strictly after the month's last moment in the site's zone, and strictly growing with the month. Where the rule's
    zone is so far ahead of the site's that its slot comes while the month still runs there, it is due as it ends.
    """
    following = month.shift(1)
    struck = _moment(rule.day.date_in(following), rule.at, rule.zone)
    return max(struck, end(rule, month)).astimezone(rule.zone)


def end(rule: Rule, month: Month) -> datetime:
    """The moment at which ``month`` has ended in the site's zone, aware."""
    return _moment(month.shift(1).first_day, time(), rule.site)


def months_later(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later; the month's last day where it has no such day."""
    month = moment.year * 12 + moment.month - 1 + months
    year, number = divmod(month, 12)
    day = min(moment.day, monthrange(year, number + 1)[1])
    return moment.replace(year=year, month=number + 1, day=day)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time in UTC. Of two, the first (fold=0); one that is skipped moves forward by the gap (PEP 495)."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def due(
    now: datetime, rule: Rule, *, first_month: Month, settled: Collection[Month], max_late: timedelta
) -> tuple[Due, ...]:
    """Every month from ``first_month`` whose slot has come and that is not ``settled`` (released or cancelled).

    Oldest first. ``now`` must be aware (ValueError).
    """
    now = _utc(now)
    current = Month.of(now.astimezone(rule.site))
    found = []
    month = first_month
    while month < current:  # no slot comes before its month has ended
        if month not in settled and (at := slot(rule, month)).astimezone(UTC) <= now:
            found.append(Due(month, at, late=now - at.astimezone(UTC) > max_late))
        month = month.shift(1)
    return tuple(found)


def upcoming(now: datetime, rule: Rule, *, first_month: Month | None = None, settled: Collection[Month] = ()) -> Due:
    """The next month that will become due after ``now``, and when."""
    now = _utc(now)
    # Two months back: while one zone writes the 1st, the slot of the month before last may be ahead in another.
    earliest = Month.of(now.astimezone(rule.site)).shift(-2)
    month = max(earliest, first_month or earliest)
    while month in settled or slot(rule, month).astimezone(UTC) <= now:
        month = month.shift(1)
    return Due(month, slot(rule, month))


def reminder_due(
    now: datetime,
    rule: Rule,
    *,
    first_month: Month | None = None,
    settled: Collection[Month] = (),
    days_before: int = REMINDER_DAYS,
) -> Due | None:
    """The month whose slot is at most ``days_before`` days ahead (same local time), or None.

    It keeps answering until the slot: who reminds, does so once by the unique key of the Notice.
    """
    coming = upcoming(now, rule, first_month=first_month, settled=settled)
    opens = _moment(coming.at.date() - timedelta(days=days_before), coming.at.time(), rule.zone)
    return coming if _utc(now) >= opens else None


def _utc(now: datetime) -> datetime:
    # Within one zone Python compares wall clocks, which is wrong on the night of the change; and a naive time would
    # silently mean the machine's zone.
    if now.tzinfo is None:
        msg = "the clock must tell its zone: pass datetime.now(UTC)"
        raise ValueError(msg)
    return now.astimezone(UTC)


# --- rules as people write them -------------------------------------------------------------------------------


def parse_rule(text: str, zone: str) -> Rule:
    """Read a rule; ``zone`` is the site's, in which months end and which a rule without a zone means.

    ``first Tuesday 09:00 Europe/Zurich`` (first to fourth, last), ``day 5 09:00`` (1 to 28), ``last day 09:00``,
    ``cron 0 9 5 * *`` (minute, hour, day, month, weekday as in crontab(5); the first match of a month counts).
    ValueError says what is wrong and how to mend it.
    """
    words = text.lower().split()
    if len(text) > MAX_RULE_CHARACTERS or not words:
        msg = f"this is no schedule rule; write one like {EXAMPLES}"
        raise ValueError(msg)
    head = 6 if words[0] == "cron" else 3
    if len(words) not in (head, head + 1):
        msg = f'schedule rule "{text}" has {len(words)} words; write it like {EXAMPLES}'
        raise ValueError(msg)
    day, at = _cron(words[1:head]) if words[0] == "cron" else (_day(words[0], words[1]), _clock(words[2]))
    if at < EARLIEST:
        msg = f"a slot at {at:%H:%M} may be skipped or doubled when clocks change; take {EARLIEST:%H:%M} or later"
        raise ValueError(msg)
    site = _zone(zone)
    return Rule(text, day, at, _zone(text.split()[head]) if len(words) > head else site, site)


def _day(first: str, second: str) -> DayOfMonth | WeekdayOfMonth:
    """``day 5``, ``last day`` or ``third friday``."""
    if (first, second) == ("last", "day"):
        return DayOfMonth(LAST)
    if first == "day":
        if second.isdecimal() and second.isascii() and 1 <= int(second) <= LAST_SURE_DAY:
            return DayOfMonth(int(second))
        msg = f'not every month has a day "{second}"; take 1 to {LAST_SURE_DAY}, or "last day"'
        raise ValueError(msg)
    if first not in ORDINALS:
        msg = f'"{first}" is no day of a month{_nearest(first, [*ORDINALS, "day", "cron"])}; write it like {EXAMPLES}'
        raise ValueError(msg)
    if second not in WEEKDAYS:
        msg = f'"{second}" is no weekday{_nearest(second, WEEKDAYS)}; weekdays are written in English'
        raise ValueError(msg)
    return WeekdayOfMonth(ORDINALS[first], frozenset({WEEKDAYS.index(second)}))


def _clock(word: str) -> time:
    match = CLOCK.fullmatch(word)
    if match is None:
        msg = f'"{word}" is no time of day; write it like 09:00'
        raise ValueError(msg)
    return time(int(match[1]), int(match[2]))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, a folder such as "Europe"
        msg = f'"{name}" is no time zone{_nearest(name, available_timezones())}; write it like Europe/Zurich'
        raise ValueError(msg) from None


def _nearest(word: str, names: Collection[str]) -> str:
    found = get_close_matches(word, names, n=1)
    return f'; did you mean "{found[0]}"?' if found else ""


# --- cron -----------------------------------------------------------------------------------------------------


def _cron(words: list[str]) -> tuple[DayOfMonth | WeekdayOfMonth, time]:
    """The first match in a month of five crontab fields; what would leave a month without one is refused."""
    minutes, hours, days, months, weekdays = (
        _cron_field(word, *field) for word, field in zip(words, CRON_FIELDS, strict=True)
    )
    weekdays = frozenset((number - 1) % 7 for number in weekdays)  # ours begin with Monday
    any_day, any_weekday = len(days) == CRON_FIELDS[2][2], len(weekdays) == len(WEEKDAYS)
    if len(months) != CRON_FIELDS[3][2]:
        msg = f'every month has a report: write * instead of "{words[3]}" as the month of the cron rule'
        raise ValueError(msg)
    if not (any_day or any_weekday):
        # crontab(5) means "either", other tools "both": people mostly want the first Tuesday and get neither.
        msg = 'a cron rule names a day or a weekday, not both; for both write it like "first Tuesday 09:00"'
        raise ValueError(msg)
    if min(days) > LAST_SURE_DAY:
        msg = f'not every month has a day {min(days)}; write "last day 09:00" instead of the cron rule'
        raise ValueError(msg)
    at = time(min(hours), min(minutes))
    return (DayOfMonth(min(days)), at) if any_weekday else (WeekdayOfMonth(1, weekdays), at)


def _cron_field(word: str, name: str, least: int, most: int) -> frozenset[int]:
    """``*``, ``5``, ``mon-fri``, ``*/15``, ``8-18/2`` and lists of these, as numbers."""
    numbers: set[int] = set()
    for part in word.split(","):
        match = CRON_PART.fullmatch(part)
        if match is None:
            msg = f'"{part}" is nothing that the {name} of a cron rule can be; use *, 5, 1-5, */2 or lists of these'
            raise ValueError(msg)
        low = _cron_number(match["low"], name, least, most) if match["low"] else least
        open_ended = match["low"] is None or match["step"]
        high = _cron_number(match["high"], name, least, most) if match["high"] else most if open_ended else low
        step = int(match["step"] or 1)
        if low > high or step == 0:
            msg = f'"{part}" is empty as the {name} of a cron rule: from low to high, and a step of at least 1'
            raise ValueError(msg)
        numbers.update(range(low, high + 1, step))
    return frozenset(numbers)


def _cron_number(text: str, name: str, least: int, most: int) -> int:
    names = CRON_NAMES.get(name, ())
    number = names.index(text) if text in names else int(text) if text.isdecimal() else most + 1
    if not least <= number <= most:
        msg = f'"{text}" is no {name} of a cron rule; it goes from {least} to {most}'
        raise ValueError(msg)
    return number
