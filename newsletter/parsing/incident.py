"""Incident summaries: front matter, and a body in sections for different readers."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from newsletter.model import Incident, Precision
from newsletter.parsing.faults import Faults
from newsletter.parsing.frontmatter import read_document
from newsletter.parsing.heads import IncidentHead, advise_on_white, demand_reasons, values_of
from newsletter.parsing.naming import named
from newsletter.parsing.validate import nearest, shown, validated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.model import Language, When
    from newsletter.parsing.faults import Parsed
    from newsletter.parsing.frontmatter import Document

# Field of Incident -> the headings that open its text, the first as we suggest it.
SECTIONS: Final = {
    "public_summary": ("Public summary", "Résumé public"),
    "internal_summary": ("Internal summary", "Résumé interne"),
    "lessons": ("Lessons", "Enseignements"),
    "advice": ("What you can do", "Ce que vous pouvez faire"),
}

# The earlier one of each pair cannot come after the later one. A report may precede detection or follow it.
ORDER: Final = (
    ("occurred", "detected"),
    ("occurred", "reported"),
    ("detected", "contained"),
    ("contained", "resolved"),
    ("detected", "resolved"),
)

_HEADING = re.compile(r" {0,3}##(?!#)[ \t]*(.*?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def parse_incident(data: bytes, path: str, language: Language) -> Parsed[Incident]:
    """An incident summary out of a file's bytes. ``path`` is relative to the site. Never raises."""
    faults = Faults(path)
    document = read_document(data, faults)
    if document is None:
        return faults.outcome(None)
    slug = named(path, faults)
    head = validated(IncidentHead, document.fields, faults, document.line, unread=document.unread)
    texts, lines = _sections(document, faults)
    faults.markdown(document.body, document.body_line)
    advise_on_white(document, faults)
    demand_reasons(document, faults)
    if head is None or slug is None:
        return faults.outcome(None)
    if head.id.lower() != slug:
        message = f"the id is {shown(head.id)}, but the file is named {shown(slug)}"
        faults.block("file-name", document.line(("id",)), message, "make them the same (capitals do not count)")
    _judge_order(head, document, faults)
    incident = Incident(language=language, path=path, lines=document.top_lines() | lines, **(values_of(head) | texts))
    return faults.outcome(incident)


# --- sections -------------------------------------------------------------------------------------------------


def _sections(document: Document, faults: Faults) -> tuple[dict[str, str], dict[str, int]]:
    """The text of each section by its field, and the lines in which they begin."""
    known = {_plain(title): field for field, titles in SECTIONS.items() for title in titles}
    texts: dict[str, str] = {"public_summary": ""}
    lines: dict[str, int] = {}
    for title, line, text in _split(document):
        field = known.get(_plain(title)) if title is not None else None
        if title is None:
            if text.strip():
                fix = f'write "## {SECTIONS["public_summary"][0]}" above it'
                faults.block("section", line, "this text stands above the first section", fix)
        elif field is None:
            faults.block("section", line, f"unknown section {shown(title)}", _suggestion(title))
        elif field in lines:
            faults.block("section", line, f"the section {shown(title)} comes a second time", "put the two together")
        else:
            texts[field], lines[field] = text.strip("\n"), line + 1 + _blank_lines(text)
    if not texts["public_summary"].strip():
        line = lines.get("public_summary", document.body_line)
        titles = " or ".join(f'"## {title}"' for title in SECTIONS["public_summary"])
        faults.block("section", line, "there is no public summary", f"write it below a line {titles}")
    return texts, lines


def _split(document: Document) -> Iterator[tuple[str | None, int, str]]:
    """Title, line and text of each part of the body; the part above the first heading has no title.

    Headings inside fenced code are none.
    """
    title: str | None = None
    start = document.body_line
    fence = ""
    part: list[str] = []
    for number, line in enumerate(document.body.split("\n"), document.body_line):
        heading = None if fence else _HEADING.fullmatch(line)
        if heading:
            yield title, start, "\n".join(part)
            title, start, part = heading[1], number, []
            continue
        fence = _fence_after(line, fence)
        part.append(line)
    yield title, start, "\n".join(part)


def _blank_lines(text: str) -> int:
    return len(text) - len(text.lstrip("\n"))


def _fence_after(line: str, fence: str) -> str:
    """The fence that is open after this line, if ``fence`` was before it (CommonMark 4.5)."""
    found = _FENCE.fullmatch(line)
    if found is None:
        return fence
    mark, rest = found[1], found[2]
    if not fence:
        return "" if mark[0] == "`" and "`" in rest else mark
    closes = mark[0] == fence[0] and len(mark) >= len(fence) and not rest.strip()
    return "" if closes else fence


def _plain(title: str) -> str:
    """Without accents, case and double blanks: what people type in a hurry."""
    letters = unicodedata.normalize("NFKD", title.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split()).rstrip(":.")


def _suggestion(title: str) -> str:
    titles = [title for pair in SECTIONS.values() for title in pair]
    near = nearest(title, titles)
    return f'did you mean "## {near}"?' if near else f"use {', '.join(f'## {pair[0]}' for pair in SECTIONS.values())}"


# --- dates ----------------------------------------------------------------------------------------------------


def _judge_order(head: IncidentHead, document: Document, faults: Faults) -> None:
    for earlier, later in ORDER:
        first: When | None = getattr(head, earlier)
        second: When | None = getattr(head, later)
        if first and second and first.start >= _end(second):
            line = document.line((later,))
            message = f'"{later}" comes before "{earlier}" ({first.start:%Y-%m-%d %H:%M})'
            faults.block("dates-order", line, message, "correct one of the two")


def _end(when: When) -> datetime:
    """The first minute after a moment that is known this exactly."""
    start = when.start
    if when.precision is Precision.YEAR:
        return start.replace(year=start.year + 1)
    if when.precision is Precision.MONTH:
        return datetime.combine(when.month.shift(1).first_day, datetime.min.time())
    return start + (timedelta(days=1) if when.precision is Precision.DAY else timedelta(minutes=1))
