"""Lines near the top of a page that say when it appeared and who wrote it: By Ada Example, 12 March 2006."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from newsletter.importing.dates import day_within
from newsletter.importing.handmade import begins_line, is_alone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

MAX_LINE: Final = 160
MAX_LINES: Final = 12  # from the top of a text, or above it
MAX_BESIDE: Final = 5  # words beside the day, of a place or of people
MAX_LABELLED: Final = 2_000  # elements with a class that are looked at
MAX_PARTS: Final = 100  # elements in a line
MAX_NAMES: Final = 100

_BY = re.compile(
    r"(?:\b(?:written|posted|published|submitted|created|écrit|publié|rédigé|soumis)\s+)?\b(?:by|par)\b(?!\s+the\s+way)"
    r"|\b(?:authors?|auteurs?)\s*:",
    re.IGNORECASE,
)
_NAMES_END = re.compile(
    r"\s[|\u2013\u2014\u2022\u00b7-]+\s|[|(\u2014\n]|,?\s+(?:on|le|at|à|date)\b|[\s,;:|\u2013-]+$", re.IGNORECASE
)
_TIME = re.compile(r"(?:[-,]\s*|\b(?:at|à)\s+)?\b\d{1,2}[:h]\d{2}(?::\d{2})?(?:\s*[ap]\.?m\b\.?)?", re.IGNORECASE)
_FILLER = re.compile(
    r"\b(?:published|posted|submitted|created|written|date|dated|last|modified|updated|on|at|le|du|the|publié|daté)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"[A-ZÀ-Þ]|l['\u2019]équipe|le |la |les |d[er] ")
_LABELLED = re.compile(
    r"(?:^|[\s_-])(?:submitted|by-?line|posted|publi\w*|(?:create|pub|post|article|news)?-?date)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Line:
    """What such a line tells; ``rest`` are words that are neither."""

    day: date | None
    names: str
    rest: str


def line_of(text: str) -> Line | None:
    """What a line tells if it says nothing but when, who and perhaps where; None for any other."""
    text = " ".join(text.split())
    if not text or len(text) > MAX_LINE:
        return None
    day, start, end = day_within(text)
    rest = _TIME.sub(" ", f"{text[:start]} | {text[end:]}") if day else text
    names = ""
    if by := _BY.search(rest):
        if not day and rest[: by.start()].strip(" -*_|\u2013\u2014"):
            return None
        after = rest[by.end() :].strip()
        names = _NAMES_END.split(after, maxsplit=1)[0].strip(" ,;.|")[:MAX_NAMES]
        rest = f"{rest[: by.start()]} {after[len(names) :]}"
        names = re.sub(r"^the\s+", "", names, flags=re.IGNORECASE)
    rest = " ".join(_FILLER.sub(" ", rest).split()).strip(" ,;:|()-\u2013\u2014\u2022")
    words = re.findall(r"[^\W\d_][\w.'\u2019-]*", rest)
    if (
        not (day or names)
        or len(words) > MAX_BESIDE
        or (len(words) > 1 and not all(word[0].isupper() for word in words))
    ):
        return None
    if rest.endswith((".", "!", "?")) or re.search(r"\w{3}[.!?]\s", names) or (names and not _PERSON.match(names)):
        return None
    return Line(day, names, rest)


def take_lines(main: Any) -> tuple[Line, tuple[str, ...]]:
    """The lines of this kind at the top of a text, taken out of it and put together; and what of them is told."""
    day, names, told = None, "", []
    for take_out, words in list(islice(_lines(main), MAX_LINES)):
        line = line_of(words)
        if line is None or (day and names) or (line.names and names) or (line.day and day and not line.names):
            continue
        day, names = day or line.day, names or line.names
        if line.rest:
            told.append(f"a line with the date was left out: {' '.join(words.split())}")
        take_out()
    return Line(day, names, ""), tuple(told)


def labelled_line(tree: Any, main: Any) -> Line | None:
    """The line above a text that the page's own classes call its date or its byline."""
    for element in islice(tree.xpath("//*[@class or @id]"), MAX_LABELLED):
        if element is main:
            return None
        if not _LABELLED.search(f"{element.get('class') or ''} {element.get('id') or ''}"):
            continue
        line = line_of(_short_text(element))
        if line and line.day:
            return line
    return None


# --- inside -----------------------------------------------------------------------------------------------------


def _lines(main: Any) -> Iterator[tuple[Any, str]]:
    """Short lines from the top of a text on, with what takes each out, until its first long one."""
    done: set[Any] = set()
    for text in main.xpath(".//text()[normalize-space()]")[: MAX_LINES * 2]:
        if len(text) > MAX_LINE:
            return
        element = text.getparent()
        if text.is_tail or element is main:
            if begins_line(text):
                name = "tail" if text.is_tail else "text"
                yield (lambda element=element, name=name: setattr(element, name, " ")), str(text)
            element = element.getparent() if text.is_tail else None
        widest = None
        while element is not None and element is not main and _short_text(element):
            if is_alone(element):
                widest = element
            element = element.getparent()
        if widest is not None and widest not in done:
            done.add(widest)
            yield widest.drop_tree, _short_text(widest)


def _short_text(element: Any) -> str:
    """The words of an element, or nothing if there are more than a line of them."""
    if sum(1 for _ in islice(element.iter(), MAX_PARTS + 1)) > MAX_PARTS:
        return ""
    words = ""
    for part in element.itertext():
        words += part
        if len(words) > MAX_LINE * 2:
            return ""
    words = " ".join(words.split())
    return words if len(words) <= MAX_LINE else ""
