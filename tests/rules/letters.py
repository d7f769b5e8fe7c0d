"""The repository's own letters as ``newsletter report`` makes them, and a way to change one in one small place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from newsletter import pipeline, rehearsal
from newsletter.app import build_app
from newsletter.checks.house import House
from newsletter.checks.mails.letter import Letter
from newsletter.config import load_settings
from newsletter.deliver import quoted
from newsletter.deliver.message import HTML_TYPE, QUOTED, TEXT_TYPE
from newsletter.model import Month

REPOSITORY = Path(__file__).parent.parent.parent
NAME = "2026-10.public.en"


@cache
def house() -> House:
    """Whose letters they are."""
    return House(load_settings(REPOSITORY).publication)


@cache
def own_letters() -> dict[str, bytes]:
    """Every letter of every month of reports/, in both languages, by name."""
    months = sorted({Month.parse(path.name[:7]) for path in (REPOSITORY / "reports").glob("*.md")})
    app = build_app(load_settings(REPOSITORY))
    found: dict[str, bytes] = {}
    for month in months:
        files = rehearsal.draft_files(pipeline.draft(month, app), app)
        found |= {name.removesuffix(".eml"): data for name, data in files.items() if name.endswith(".eml")}
    return found


@dataclass(frozen=True)
class Draft:
    """A letter before it is encoded: its header lines, both parts, and parts that follow them (``raw`` lines)."""

    head: str
    text: str
    html: str
    more: str = ""
    spoil: Callable[[bytes], bytes] = bytes

    def raw(self) -> bytes:
        """The message."""
        boundary = self.head.rpartition('boundary="')[2].partition('"')[0].encode()
        parts = [
            TEXT_TYPE + QUOTED + b"\r\n" + quoted.encode(self.text),
            HTML_TYPE + QUOTED + b"\r\n" + quoted.encode(self.html),
            *([_crlf(self.more)] if self.more else []),
        ]
        body = b"".join(b"--" + boundary + b"\r\n" + part for part in parts) + b"--" + boundary + b"--\r\n"
        return self.spoil(_crlf(self.head) + b"\r\n" + body)

    def letter(self) -> Letter:
        """As the rules get it."""
        return Letter(NAME, self.raw())

    def part(self, kind: str) -> str:
        """The text in which places of this kind are counted."""
        if kind == "eml":
            return self.raw().decode("latin-1").replace("\r\n", "\n")
        return self.html if kind == "html" else self.text


@cache
def good() -> Draft:
    """The letter of October 2026 in English: nothing is wrong with it."""
    raw = own_letters()[NAME]
    letter = Letter(NAME, raw)
    head = letter.head.decode("ascii").replace("\r\n", "\n") + "\n"
    return Draft(head, letter.text, letter.html)


Change = Callable[[Draft], Draft]


def changed(part: str, old: str, new: str) -> Change:
    """The first ``old`` of head, text or html becomes ``new``; it must be there."""

    def change(draft: Draft) -> Draft:
        before = getattr(draft, part)
        assert old in before, f"{old!r} is not in the {part}"
        return replace(draft, **{part: before.replace(old, new, 1)})

    return change


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(draft: Draft) -> Draft:
        for one in changes:
            draft = one(draft)
        return draft

    return change


def _crlf(lines: str) -> bytes:
    return lines.encode("utf-8").replace(b"\n", b"\r\n")
