"""Days as people, browsers and programs write them, in English and French. No rolling over: 31 June is no day."""

from __future__ import annotations

import re
from datetime import UTC, date
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from newsletter.model import Month
from newsletter.parsing.fields import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    from datetime import datetime

MAX_DATE_CHARACTERS: Final = 100

_NAMES: Final = (
    ("january", "jan", "janvier", "janv"),
    ("february", "feb", "fevrier", "février", "fevr", "févr"),
    ("march", "mar", "mars"),
    ("april", "apr", "avril", "avr"),
    ("may", "mai"),
    ("june", "jun", "juin"),
    ("july", "jul", "juillet", "juil"),
    ("august", "aug", "aout", "août"),
    ("september", "sep", "sept", "septembre"),
    ("october", "oct", "octobre"),
    ("november", "nov", "novembre"),
    ("december", "dec", "decembre", "décembre", "déc"),
)
_MONTHS: Final = {name: number for number, names in enumerate(_NAMES, 1) for name in names}
_MONTH: Final = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_WEEKDAY: Final = r"(?:(?:[a-zé]+day|[a-z]+di|dimanche),?\s+)?(?:the\s+|le\s+)?"

_ISO = re.compile(r"(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})(?:[Tt ].*)?", re.ASCII | re.DOTALL)
_DAY_FIRST = re.compile(
    rf"{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|er)?[\s-]+(?:of\s+)?{_MONTH},?[\s-]+(?P<year>\d{{4}})"
)
_MONTH_FIRST = re.compile(rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})")
_NUMBERS = re.compile(r"(?P<day>\d{1,2})[./-](?P<number>\d{1,2})[./-](?P<year>\d{4})", re.ASCII)
_WEEKDAYS: Final = tuple(
    zip(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        ("lun", "mar", "mer", "jeu", "ven", "sam", "dim"),
        strict=True,
    )
)
_NAMED_DAY: Final = (
    rf"(?:(?:{'|'.join(name for names in _WEEKDAYS for name in names)})[a-zé]{{0,9}}\.?,?\s{{1,3}}(?:the\s|le\s)?)?"
)
_WITHIN: Final = (
    re.compile(r"(?<![\d/.-])\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?![\d/-])", re.ASCII),
    re.compile(rf"\b{_NAMED_DAY}\d{{1,2}}(?:st|nd|rd|th|er)?[\s-](?:of\s)?{_MONTH},?[\s-]\d{{4}}\b"),
    re.compile(rf"\b{_NAMED_DAY}{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}\b"),
    re.compile(rf"(?<![\d/.-]){_NAMED_DAY}\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{4}}(?![\d/-])", re.ASCII),
)
_TIME = re.compile(r",?\s+(?:at\s+|à\s+)?\d{1,2}[:h]\d{2}(?::\d{2})?\b.*", re.DOTALL)
_IN_NAME = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d{2})[-_./]?(?P<number>\d{2})[-_./]?(?P<day>\d{2})(?!\d)", re.ASCII)
_MONTH_IN_NAME = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d{2})[-_./]?(?P<number>0[1-9]|1[0-2])(?!\d)", re.ASCII)
_MONTH_OF_FOLDER = re.compile(r"(?:^|/)(?P<year>(?:19|20)\d{2})[-_./]?(?P<number>0[1-9]|1[0-2])(?=[-_. /]|$)", re.ASCII)
_MONTH_IN_WORDS = re.compile(rf"\b{_MONTH}\s+(?P<year>\d{{4}})\b")
_IN_LINE = re.compile(r"(?:(?:published|posted|date|dated|publié|publie|daté)(?:\s+(?:on|le))?\s*:?\s*)?(?P<rest>.+)")


def read_day(text: str) -> date | None:
    """The day that this whole text names; None when it is none, or could be two.

    Numbers alone are read day first, as in Europe, unless only the other way makes a day: 03/25/2019.
    """
    text = " ".join(text[:MAX_DATE_CHARACTERS].split()).lower()
    if not text:
        return None
    for pattern in (_ISO, _DAY_FIRST, _MONTH_FIRST, _NUMBERS):
        if found := pattern.fullmatch(_TIME.sub("", text, count=1)) or pattern.fullmatch(text):
            return _day(found)
    return _mail_day(text)


def read_moment(text: str) -> datetime | None:
    """The moment of a mail's Date header, in UTC."""
    try:
        moment = parsedate_to_datetime(text[:MAX_DATE_CHARACTERS])
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def day_in_line(line: str) -> date | None:
    """The day of a line that says nothing else: Published on 12 May 2019."""
    found = _IN_LINE.fullmatch(" ".join(line[:MAX_DATE_CHARACTERS].split()).lower())
    return read_day(found["rest"]) if found else None


def day_within(line: str) -> tuple[date | None, int, int]:
    """A day that a short line names among other words, and where it begins and ends."""
    text = line[: MAX_DATE_CHARACTERS * 2].lower()
    if len(text) != len(line):
        return None, 0, 0
    for pattern in _WITHIN:
        found = pattern.search(text)
        if found and (day := read_day(_by_weekday(found))):
            return day, found.start(), found.end()
    return None, 0, 0


def _by_weekday(found: re.Match[str]) -> str:
    """Its words; of numbers alone those that fall on the weekday before them: Wed, 10/08/2008 is in October."""
    numbers = _NUMBERS.search(found[0])
    if not numbers or found[0].startswith(numbers[0]):
        return found[0]
    weekday = next((place for place, names in enumerate(_WEEKDAYS) if found[0].startswith(names)), None)
    first, second, year = (int(part) for part in numbers.groups())
    for day, month in ((first, second), (second, first)):
        try:
            read = date(year, month, day)
        except ValueError:
            continue
        if read.weekday() == weekday:
            return read.isoformat()
    return numbers[0]


def day_in_name(name: str) -> date | None:
    """The day in a file's name or an address: 2019-05-12-usb-stick, 20190512, /2019/05/12/."""
    found = _IN_NAME.search(name)
    return _day(found) if found else None


def month_in(text: str) -> Month | None:
    """The month that a report's title or file name names."""
    text = text.lower()
    if found := _MONTH_IN_WORDS.search(text):
        number = _MONTHS[found["month"]]
    elif found := _MONTH_IN_NAME.search(text):
        number = int(found["number"])
    else:
        return None
    try:
        return Month(int(found["year"]), number)
    except ValueError:
        return None


def month_of_folder(path: str) -> Month | None:
    """The month that folders of a path or an address begin with: 2019/04/usb-stick, 2019-04-news/usb-stick."""
    found = _MONTH_OF_FOLDER.search(path)
    return Month(int(found["year"]), int(found["number"])) if found else None


def _day(found: re.Match[str]) -> date | None:
    parts = found.groupdict()
    number = _MONTHS[parts["month"]] if "month" in parts else int(parts["number"])
    day = int(parts["day"])
    swapped = found.re is _NUMBERS and number > len(_NAMES)
    try:
        read = date(int(parts["year"]), day if swapped else number, number if swapped else day)
    except ValueError:
        return None
    return read if FIRST_YEAR <= read.year <= LAST_YEAR else None


def _mail_day(text: str) -> date | None:
    try:
        read = parsedate_to_datetime(text).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return read if FIRST_YEAR <= read.year <= LAST_YEAR else None
