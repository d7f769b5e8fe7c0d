"""What may stand in one field: each reads a scalar as YAML's text has it (no surprise types) and says what is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainValidator

from newsletter.model import (
    MAX_SLUG,
    SLUG,
    Extent,
    IncidentStatus,
    Pap,
    Precision,
    RsitClass,
    Severity,
    Status,
    Tlp,
    When,
)
from newsletter.parsing.validate import FieldError, nearest, shown
from newsletter.rsit import TAXONOMY

if TYPE_CHECKING:
    from collections.abc import Callable

EnumT = TypeVar("EnumT", bound=Enum)

MAX_TITLE: Final = 200
MAX_LINE: Final = 600
MAX_TEXT: Final = 5_000
MAX_WEB_ADDRESS: Final = 2_000
MAX_ITEMS: Final = 100
FIRST_YEAR: Final = 1970  # there was no network to have incidents on before
LAST_YEAR: Final = 2999

ID: Final = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*", re.ASCII)

_WHEN = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::\d\d)?)?)?)?",
    re.ASCII,
)
_RANGE = re.compile(r"(\d{1,9})(?:\s*[-\u2013]\s*(\d{1,9}))?", re.ASCII)
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}", re.ASCII | re.IGNORECASE)
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?", re.ASCII | re.IGNORECASE)
_OLD_ADDRESS = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*)?", re.ASCII)
_PICTURE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.(?:png|jpe?g|webp|gif)", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{16}", re.ASCII)


def one_line(text: str, most: int = MAX_LINE) -> str:
    """White space folded; no longer than ``most`` characters."""
    folded = " ".join(text.split())
    if len(folded) > most:
        raise FieldError(f"has {len(folded):,} characters, {most} are the limit", "shorten it")
    return folded


def title(text: str) -> str:
    """One line of at most MAX_TITLE characters."""
    return one_line(text, MAX_TITLE)


def markdown(text: str) -> str:
    """A few paragraphs of Markdown (its content is judged by ``markdown_faults``)."""
    if len(text) > MAX_TEXT:
        raise FieldError(
            f"has {len(text):,} characters, {MAX_TEXT:,} are the limit", "shorten it, or move it to the body"
        )
    return text


def slug(text: str) -> str:
    """A name that can be part of an address for ever."""
    if not SLUG.fullmatch(text) or len(text) > MAX_SLUG:
        raise FieldError(
            f"is {shown(text)}, no slug", f"use a-z, 0-9 and single hyphens, at most {MAX_SLUG} characters"
        )
    return text


def identifier(text: str) -> str:
    """A slug that may have capitals: INC-2026-014."""
    if not ID.fullmatch(text) or len(text) > MAX_SLUG:
        raise FieldError(f"is {shown(text)}, no id", "use letters a-z, digits and single hyphens, like INC-2026-014")
    return text


def day(text: str) -> date:
    """2026-10-05."""
    when = moment(text)
    if when.precision is not Precision.DAY:
        raise FieldError(f"is {shown(text)}, no day", "write year, month and day, like 2026-10-05")
    return when.start.date()


def moment(text: str) -> When:
    """2026, 2026-10, 2026-10-05 or 2026-10-05 14:30, in the site's zone. Seconds are accepted and dropped."""
    fix = "write it like 2026, 2026-10, 2026-10-05 or 2026-10-05T14:30, in the site's own time"
    found = _WHEN.fullmatch(text)
    if found is None:
        raise FieldError(f"is {shown(text)}, no date", fix)
    names = [name for name, part in found.groupdict().items() if part]
    try:
        start = datetime(  # noqa: DTZ001  # naive: the site's zone (model.When)
            int(found["year"]),
            int(found["month"] or 1),
            int(found["day"] or 1),
            int(found["hour"] or 0),
            int(found["minute"] or 0),
        )
    except ValueError:
        raise FieldError(f"is {shown(text)}, which no calendar has", fix) from None
    if not FIRST_YEAR <= start.year <= LAST_YEAR:
        raise FieldError(f"is {shown(text)}, not between {FIRST_YEAR} and {LAST_YEAR}", fix)
    return When(start, Precision(names[-1]))


def detection(text: str) -> When:
    """A moment known to the month at least: it decides where an incident counts."""
    when = moment(text)
    if when.precision is Precision.YEAR:
        raise FieldError(
            f"is {shown(text)}, which names no month to count in", "write at least the month, like 2026-10"
        )
    return when


def label(text: str) -> Tlp:
    """A TLP 2.0 label, with or without "TLP:", in any case; WHITE is read as CLEAR, RED refused."""
    word = re.sub(r"AMBER[\s_+-]*STRICT", "AMBER+STRICT", text.upper().removeprefix("TLP:").strip())
    if word == "RED":
        raise FieldError("is TLP:RED, which is for named persons only", "take the file out of the site", "tlp-red")
    word = "CLEAR" if word == "WHITE" else word
    choices = [tlp.value for tlp in Tlp if tlp is not Tlp.RED]
    if word not in choices:
        raise FieldError(f"is {shown(text)}, no label", _one_of(word, choices))
    return Tlp(word)


def permission(text: str) -> Pap:
    """A PAP label, with or without "PAP:", in any case; WHITE is read as CLEAR."""
    word = text.upper().removeprefix("PAP:").strip()
    word = "CLEAR" if word == "WHITE" else word
    choices = [pap.value for pap in Pap]
    if word not in choices:
        raise FieldError(f"is {shown(text)}, no label", _one_of(word, choices))
    return Pap(word)


def severity(text: str) -> Severity:
    """1 to 4, or its name."""
    names = {str(level.value): level for level in Severity} | {level.name.lower(): level for level in Severity}
    if text.lower() not in names:
        raise FieldError(f"is {shown(text)}, not 1 to 4", "write 1 (a nuisance) to 4 (harm to the whole organisation)")
    return names[text.lower()]


def rsit(text: str) -> RsitClass:
    """A class, or class/type, of the Reference Security Incident Taxonomy; names with blanks and capitals will do."""
    machine = "/".join(re.sub(r"[\s_]+", "-", part.strip().lower()) for part in text.split("/"))
    name, _, kind = machine.partition("/")
    if name in TAXONOMY and (not kind or kind in TAXONOMY[name][1]):
        return RsitClass(name, kind or None)
    places = [f"{name}/{kind}" for name, (_, kinds) in TAXONOMY.items() for kind in kinds]
    by_type = next((place for place in places if place.endswith(f"/{kind or name}")), None)
    near = by_type or nearest(machine, [*TAXONOMY, *places])
    fix = f"did you mean {near}?" if near else f"the classes are {', '.join(TAXONOMY)}"
    raise FieldError(f"is {shown(text)}, which the taxonomy (RSIT) does not have", fix)


def extent(text: str) -> Extent | None:
    """A number, a range, or unknown, which is None. 0 is none at all, never unknown."""
    if text.lower() in ("unknown", "?", "inconnu"):
        return None
    found = _RANGE.fullmatch(text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if low > high:
        message = f"is {shown(text)}, neither a number nor a range"
        raise FieldError(message, "write it like 14, 10-20 or unknown, without signs for thousands")
    return Extent(low, high)


def cve(text: str) -> str:
    """CVE-2026-12345."""
    return _matching(_CVE, text, "CVE id", "CVE-2026-12345").upper()


def technique(text: str) -> str:
    """An ATT&CK technique: T1566 or T1566.002."""
    return _matching(_TECHNIQUE, text, "ATT&CK technique", "T1566.002").upper()


def digest(text: str) -> str:
    """What ``check`` prints for a text to be translated."""
    return _matching(_DIGEST, text, "digest", "the 16 hex digits that check prints")


def old_address(text: str) -> str:
    """A path below the site, whose parts cannot climb out of it or hide."""
    return _matching(_OLD_ADDRESS, text, "path of this site", "/bulletin/2019/usb-stick/")


def picture(text: str) -> str:
    """The name of a picture file beside the article; SVG can carry scripts and is not among them."""
    return _matching(_PICTURE, text, "picture beside the article", "usb-stick.jpg (png, jpg, webp or gif)")


def web_address(text: str) -> str:
    """An absolute http(s) address without a password."""
    fix = "write it like https://advisories.example.org/2026/10"
    if len(text) > MAX_WEB_ADDRESS or any(
        c.isspace() or unicodedata.category(c)[0] == "C" or c in '<>"\\' for c in text
    ):
        raise FieldError(f"is {shown(text)}, no web address", fix)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:  # [ without ]
        usable = False
    if not usable:
        raise FieldError(f"is {shown(text)}, no web address", fix)
    return text


def yes_or_no(text: str) -> bool:
    """Yes, true, on; no, false, off; oui, non."""
    words = {
        "yes": True,
        "true": True,
        "on": True,
        "oui": True,
        "no": False,
        "false": False,
        "off": False,
        "non": False,
    }
    if text.lower() not in words:
        raise FieldError(f"is {shown(text)}, neither yes nor no", "write yes or no")
    return words[text.lower()]


def _matching(pattern: re.Pattern[str], text: str, what: str, example: str) -> str:
    if len(text) > MAX_LINE or not pattern.fullmatch(text):
        raise FieldError(f"is {shown(text)}, no {what}", f"write it like {example}")
    return text


def _one_of(word: str, choices: list[str]) -> str:
    near = nearest(word, choices)
    return f"did you mean {near}?" if near else f"write one of {', '.join(choices)}"


# --- as types -------------------------------------------------------------------------------------------------


def _scalar(convert: Callable[[str], object]) -> PlainValidator:
    def check(value: object) -> object:
        if not isinstance(value, str):
            raise FieldError("is one value, not a list or fields", "write it on the same line, after the colon")
        return convert(value.strip())

    return PlainValidator(check)


def _choice(kind: type[EnumT]) -> PlainValidator:
    def convert(text: str) -> EnumT:
        word = re.sub(r"[\s_]+", "-", text.lower())
        choices = [member.value for member in kind]
        if word not in choices:
            raise FieldError(f"is {shown(text)}, which it cannot be", _one_of(word, choices))
        return kind(word)

    return _scalar(convert)


def _listed(value: object) -> object:
    """One name where a list belongs is a list of one."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise FieldError(f"has {len(value)} items, {MAX_ITEMS} are the limit", "shorten it")
    return tuple(value) if isinstance(value, list) else value


def _separated(value: object) -> object:
    """Likewise, and commas separate: names that hold neither comma nor blank."""
    return _listed([part for part in re.split(r"[,\s]+", value) if part] if isinstance(value, str) else value)


AS_LIST: Final = BeforeValidator(_listed)
AS_NAMES: Final = BeforeValidator(_separated)
HOW_TO_WAIVE: Final = 'write `waive:` and below it, indented, lines like `title-too-long: "The law is called so"`'


def _waivers(value: object) -> dict[str, str]:
    """Reasons by the codes of rules. Empty ones are no values, and told by ``heads.demand_reasons``."""
    if not isinstance(value, Mapping):
        raise FieldError("names rules, each with a reason", HOW_TO_WAIVE)
    if len(value) > MAX_ITEMS:
        raise FieldError(f"has {len(value)} items, {MAX_ITEMS} are the limit", "mend what the rules find")
    for code, reason in value.items():
        if not isinstance(reason, str) or not reason.strip():
            raise FieldError(f"gives no reason for {shown(str(code))}", HOW_TO_WAIVE)
    return {str(code): one_line(str(reason)) for code, reason in value.items()}


Line = Annotated[str, _scalar(one_line)]
Title = Annotated[str, _scalar(title)]
Markdown = Annotated[str, _scalar(markdown)]
Slug = Annotated[str, _scalar(slug)]
Identifier = Annotated[str, _scalar(identifier)]
Day = Annotated[date, _scalar(day)]
Moment = Annotated[When, _scalar(moment)]
Detection = Annotated[When, _scalar(detection)]
Label = Annotated[Tlp, _scalar(label)]
Permission = Annotated[Pap, _scalar(permission)]
Level = Annotated[Severity, _scalar(severity)]
Rsit = Annotated[RsitClass, _scalar(rsit)]
Affected = Annotated[Extent | None, _scalar(extent)]
Cve = Annotated[str, _scalar(cve)]
Technique = Annotated[str, _scalar(technique)]
Digest = Annotated[str, _scalar(digest)]
OldAddress = Annotated[str, _scalar(old_address)]
Picture = Annotated[str, _scalar(picture)]
WebAddress = Annotated[str, _scalar(web_address)]
YesNo = Annotated[bool, _scalar(yes_or_no)]
ArticleState = Annotated[Status, _choice(Status)]
IncidentState = Annotated[IncidentStatus, _choice(IncidentStatus)]
Waivers = Annotated[dict[str, str], PlainValidator(_waivers)]
Lines = Annotated[tuple[Line, ...], AS_LIST]
Texts = Annotated[tuple[Markdown, ...], AS_LIST]
