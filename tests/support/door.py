"""Content files for tests of the door, with fields added or replaced, and findings made short."""

from __future__ import annotations

import re

from newsletter.model import Article, EditorNote, Gravity, Incident, Language, Month
from newsletter.parsing import DOOR_RULES, Parsed, parse_article, parse_incident, parse_note

EN = Language("en")

ARTICLE = """\
---
title: "Finders, please don't be keepers"
date: 2026-10-06
summary: We left forty USB sticks lying around.
tlp: CLEAR
---
It lay next to the *coffee machine*.
"""

INCIDENT = """\
---
id: INC-2026-014
title: The second wave
rsit: fraud/phishing
severity: 3
tlp: CLEAR
detected: 2026-03-09T08:40
---

## Public summary

Forty-one people entered a password.
"""

NOTE = """\
---
tlp: CLEAR
---
A quiet month.
"""


def read_article(text: str = ARTICLE, path: str = "articles/2026/usb-stick-found.en.md") -> Parsed[Article]:
    return parse_article(text.encode(), path, EN)


def article_with(*lines: str) -> Parsed[Article]:
    """The article with more fields, or with other values for the fields that it has."""
    return read_article(with_lines(ARTICLE, lines))


def read_incident(text: str = INCIDENT, path: str = "incidents/2026/inc-2026-014.en.md") -> Parsed[Incident]:
    return parse_incident(text.encode(), path, EN)


def incident_with(*lines: str) -> Parsed[Incident]:
    return read_incident(with_lines(INCIDENT, lines))


def note_with(*lines: str, body: str = "A quiet month.\n") -> Parsed[EditorNote]:
    text = with_lines(NOTE, lines).replace("A quiet month.\n", body)
    return parse_note(text.encode(), "reports/2026-10.en.md", EN, Month(2026, 10))


def with_lines(text: str, lines: tuple[str, ...]) -> str:
    """The file with these fields; a field that it has already is replaced where it stands."""
    for line in lines:
        field = re.search(rf"^{re.escape(line.partition(':')[0])}:.*$", text, re.MULTILINE)
        if field:
            text = text[: field.start()] + line + text[field.end() :]
        else:
            text = text.replace("\n---\n", f"\n{line}\n---\n", 1)
    return text


def told(parsed: Parsed[Article] | Parsed[Incident] | Parsed[EditorNote]) -> list[tuple[str, int]]:
    """Rule and line of each finding; each must have a message, a fix and a known code, and only such."""
    for finding in parsed.findings:
        assert finding.message, finding
        assert finding.fix, finding
        assert finding.place.line > 0, finding
        assert finding.rule in DOOR_RULES
    blocked = any(finding.gravity is Gravity.BLOCK for finding in parsed.findings)
    assert blocked == (parsed.value is None)
    return [(finding.rule, finding.place.line) for finding in parsed.findings]


def only(parsed: Parsed[Article] | Parsed[Incident] | Parsed[EditorNote]) -> str:
    """The one finding, as a person sees it."""
    told(parsed)
    assert len(parsed.findings) == 1, parsed.findings
    return str(parsed.findings[0])
