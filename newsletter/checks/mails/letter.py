"""A letter as the rules look at it: the bytes that would be sent, and views of them that are made once, when asked for.

Places are ``<name>.html:line:column`` and ``<name>.txt:line:column`` in the decoded parts (as ``newsletter report``
writes them), and ``<name>.eml:line`` in the message as sent. The headers are split by rules of our own, since the
standard library repairs what a rule should find; its parser is the second view, which takes the parts apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from newsletter.checks.mails.style import Styles, parse_sheet
from newsletter.checks.rule import Problem
from newsletter.checks.tree import Words, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

    from newsletter.checks.mails.style import Medium, Sheet
    from newsletter.checks.tree import Node, Spot, Tree

MAX_BYTES: Final = 10_000_000  # of a message; what is longer is cut before it is looked at
MAX_PARTS: Final = 50
HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
FIELD: Final = re.compile(rb"([!-9;-~]+):", re.ASCII)


class Header(NamedTuple):
    """A header field: its name, its value unfolded, its lines as they stand, the number of the first one."""

    name: str
    value: str
    rows: tuple[bytes, ...]
    line: int


@dataclass(frozen=True)
class Letter:
    """One rendered letter; ``raw`` is the whole message with a personal link that belongs to nobody."""

    name: str
    raw: bytes

    # --- places -------------------------------------------------------------

    def in_html(self, spot: Node | Words | Spot | None, message: str, fix: str) -> Problem:
        """A problem at a place of the HTML; without one, at its beginning."""
        line, column = (spot.line, spot.column) if spot is not None else (1, 1)
        return Problem(f"{self.name}.html", line, message, fix, column)

    def in_text(self, line: int, message: str, fix: str, column: int = 0) -> Problem:
        """A problem at a line of the text."""
        return Problem(f"{self.name}.txt", line, message, fix, column)

    def in_head(self, line: int, message: str, fix: str) -> Problem:
        """A problem at a line of the message."""
        return Problem(f"{self.name}.eml", line, message, fix)

    # --- the message --------------------------------------------------------

    @cached_property
    def head(self) -> bytes:
        """The bytes of the headers, without the empty line."""
        end = HEAD_END.search(self.raw)
        return self.raw[: end.start()] if end else self.raw

    @cached_property
    def rows(self) -> tuple[bytes, ...]:
        """The lines of the headers without their line feed; a carriage return may still be there."""
        return tuple(self.head.split(b"\n"))

    @cached_property
    def headers(self) -> tuple[Header, ...]:
        """Every field in order; lines that are none have the name ''."""
        found: list[Header] = []
        for number, row in enumerate(self.rows, 1):
            if row[:1] in (b" ", b"\t") and found:
                last = found[-1]
                found[-1] = Header(last.name, last.value + _text(row), (*last.rows, row), last.line)
            elif match := FIELD.match(row):
                found.append(Header(_text(match[1]), _text(row[match.end() :]).lstrip(), (row,), number))
            else:
                found.append(Header("", _text(row), (row,), number))
        return tuple(found)

    def named(self, name: str) -> list[Header]:
        """Every field of this name, whatever its capitals."""
        return [header for header in self.headers if header.name.lower() == name.lower()]

    def value(self, name: str) -> str:
        """The value of the first field of this name; empty when there is none."""
        return next((header.value for header in self.named(name)), "")

    def line_of(self, name: str) -> int:
        """The line of the first field of this name; the first of all when there is none."""
        return next((header.line for header in self.named(name)), 1)

    @cached_property
    def subject(self) -> str:
        """The first Subject as people read it; as it stands where it cannot be decoded."""
        value = self.value("Subject")
        try:
            pairs = decode_header(value)
            return "".join(one if isinstance(one, str) else one.decode(name or "latin-1") for one, name in pairs)
        except (ValueError, LookupError, MessageError):
            return value

    @property
    def is_notice(self) -> bool:
        """Whether it is a small mail of ours (a reminder, a confirmation): RFC 3834 marks it, and no list sent it."""
        return self.value("Auto-Submitted").startswith("auto-")

    @cached_property
    def message(self) -> Message:
        """The message as the standard library reads it."""
        return message_from_bytes(self.raw[:MAX_BYTES])

    @cached_property
    def parts(self) -> tuple[Message, ...]:
        """Its parts in order, without those that only hold others; at most ``MAX_PARTS``."""
        return tuple(islice((part for part in self.message.walk() if not part.is_multipart()), MAX_PARTS))

    def part_line(self, part: Message) -> int:
        """The line of the message in which a part's headers begin."""
        first = next(iter(part.items()), None)
        if first is None or part is self.message:
            return 1
        start = self.raw.find(f"\n{first[0]}: {first[1]}".replace("\n ", "\r\n ").encode("latin-1", "replace"))
        return self.raw.count(b"\n", 0, start) + 2 if start >= 0 else 1

    # --- the parts ----------------------------------------------------------

    @cached_property
    def text(self) -> str:
        """The plain text, lines ended by a line feed; empty when there is none."""
        return self._content("text/plain")

    @cached_property
    def html(self) -> str:
        """The HTML, lines ended by a line feed; empty when there is none."""
        return self._content("text/html")

    @cached_property
    def page(self) -> Tree:
        """The HTML as a tree."""
        return parse(self.html)

    @cached_property
    def sheets(self) -> tuple[Sheet, ...]:
        """Its style blocks."""
        return tuple(
            parse_sheet(words.text, words.line, words.column)
            for node in self.page.all("style")
            for words in node.children
            if isinstance(words, Words)
        )

    @cached_property
    def read(self) -> tuple[Words, ...]:
        """The words of the HTML that people read."""
        return tuple(self.page.read_words())

    def looks(self, medium: Medium) -> Iterator[Styles]:
        """What the letter looks like, if it has HTML; made once for each medium, for nothing here costs more."""
        for page in self.pages():
            if medium not in self._looks:
                self._looks[medium] = Styles(page, self.sheets, medium)
            yield self._looks[medium]

    @cached_property
    def _looks(self) -> dict[Medium, Styles]:
        return {}

    @property
    def language(self) -> str:
        """What Content-Language says, else the last part of its name."""
        return self.value("Content-Language").strip() or self.name.rpartition(".")[2]

    def pages(self) -> Iterator[Tree]:
        """Its page, if it has one: rules over HTML have nothing to say of a letter that is text alone."""
        if self.html:
            yield self.page

    def _content(self, kind: str) -> str:
        part = next((one for one in self.parts if one.get_content_type() == kind and not one.get_filename()), None)
        if part is None:
            return ""
        data = part.get_payload(decode=True)
        return data.decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(data, bytes) else ""


def _text(row: bytes) -> str:
    return row.rstrip(b"\r").decode("latin-1")
