"""Content files with marks in them: each mark stands right before what a rule shall find.

case = body("See ¦[here](/en/articles/phish/).")
case.item    an Article out of the door, without the mark
case.places  {(9, 5)}: line and column of the file
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from newsletter.checks.house import House
from newsletter.model import Article, EditorNote, Incident, Language, Month, Standards
from newsletter.parsing import parse_article, parse_incident, parse_note
from tests.support.content import EN, publication

if TYPE_CHECKING:
    from newsletter.parsing.faults import Parsed

MARK = "¦"
SUMMARY = "What everybody should know about sticks."


@dataclass(frozen=True)
class Case:
    """A content file, where something is to be found in it, and the house that it is for."""

    item: Article | Incident | EditorNote
    places: frozenset[tuple[int, int]]
    house: House = field(default_factory=lambda: House(publication()))


def body(text: str, *, language: Language = EN, house: Standards | None = None) -> Case:
    """An article with this text."""
    return head(body=text, language=language, house=house)


def head(
    *lines: str,
    body: str = "It lay next to the machine.",
    title: str = "A stick was found",
    summary: str = SUMMARY,
    language: Language = EN,
    house: Standards | None = None,
) -> Case:
    """An article with these lines in its front matter."""
    fields = [f'title: "{title}"', "date: 2026-10-06", f'summary: "{summary}"', "tlp: CLEAR", *lines]
    file = "\n".join(["---", *fields, "---", "", body, ""])
    places, text = _marked(file)
    return _case(parse_article(text.encode(), f"articles/2026/stick.{language}.md", language), places, house)


def told(
    public: str = "A stick was found.",
    *,
    internal: str = "",
    advice: str = "",
    tlp: str = "CLEAR",
    house: Standards | None = None,
) -> Case:
    """An incident with these sections."""
    fields = ["id: INC-2026-014", 'title: "A stick"', "rsit: fraud/phishing", "severity: 1", f"tlp: {tlp}"]
    sections = {"Public summary": public, "Internal summary": internal, "What you can do": advice}
    parts = [f"## {title}\n\n{section}\n" for title, section in sections.items() if section]
    file = "\n".join(["---", *fields, "detected: 2026-10-03", "---", "", *parts])
    places, text = _marked(file)
    return _case(parse_incident(text.encode(), "incidents/2026/inc-2026-014.en.md", EN), places, house)


def noted(*lines: str, body: str = "Dear colleagues.", house: Standards | None = None) -> Case:
    """An editor's note with these lines in its front matter."""
    places, text = _marked("\n".join(["---", "tlp: CLEAR", *lines, "---", "", body, ""]))
    return _case(parse_note(text.encode(), "reports/2026-10.en.md", EN, Month(2026, 10)), places, house)


def _marked(file: str) -> tuple[frozenset[tuple[int, int]], str]:
    """Lines and columns of the marks, and the file without them."""
    places = set()
    for number, line in enumerate(file.split("\n"), 1):
        parts = line.split(MARK)
        places |= {(number, len("".join(parts[:count])) + 1) for count in range(1, len(parts))}
    return frozenset(places), file.replace(MARK, "")


def _case(
    parsed: Parsed[Article] | Parsed[Incident] | Parsed[EditorNote],
    places: frozenset[tuple[int, int]],
    standards: Standards | None,
) -> Case:
    assert parsed.value is not None, parsed.findings
    return Case(parsed.value, places, House(publication(), standards or Standards()))
