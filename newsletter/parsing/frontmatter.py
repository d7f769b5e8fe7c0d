"""A content file's bytes become its front matter, as plain texts with their lines, and its body.

YAML is read as events, so that nothing is ever expanded: aliases, anchors and tags are refused (324 bytes of aliases
can expand to millions), depth is bounded, and every scalar stays the text that it was: ``no``, ``1.10`` and ``12:30``
are what somebody wrote, and the schema says what they mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from newsletter.parsing.faults import Faults
    from newsletter.parsing.validate import Loc

MAX_FILE_BYTES: Final = 300_000
MAX_HEAD_CHARACTERS: Final = 50_000
MAX_DEPTH: Final = 6

# What editors write for "nothing"; an optional field that holds it is absent.
ABSENT: Final = frozenset({"", "n/a", "n.a.", "~", "null"})

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_FIELD = re.compile(r"^[^\s#\-][^:\n]*:", re.MULTILINE)
_WORD = re.compile(r"^\w+", re.MULTILINE)

# What libyaml says, and what an editor most likely has to do about it.
_HINTS: Final = (
    ("mapping values are not allowed", 'put the text into quotes, since it holds a colon: title: "Phishing: a case"'),
    ("cannot start any token", 'put the text into quotes, since it begins with a special sign: "@example"'),
    ("unexpected end of stream", "close the quotation mark that was opened here"),
    ("unknown escape character", "inside double quotes write \\\\ for a backslash, or use single quotes"),
    ("expected ',' or", "close the list with ], and quote items that begin with a bracket"),
    ("expected <block end>", "indent all lines of one list or field alike, and quote texts that hold quotation marks"),
    ("did not find expected key", "quote texts that hold quotation marks, and indent lines of one list alike"),
    ("could not find expected ':'", 'write every field as "name: value"'),
)
_DEFAULT_HINT: Final = 'write every field as "name: value", with the value in quotes if it holds special signs'


@dataclass(frozen=True, slots=True)
class Document:
    """A content file, read but not judged.

    ``fields`` holds texts, lists and mappings; ``lines`` where each of them stands, by its path; ``columns`` the same
    for texts that stand in the file letter by letter; ``unread`` the names of fields too broken to read. ``body``
    begins in ``body_line``.
    """

    fields: dict[str, Any]
    body: str
    body_line: int
    lines: dict[Loc, int] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    columns: Mapping[Loc, int] = field(default_factory=dict)

    def line(self, loc: Loc) -> int:
        """The line of a value, or of the nearest thing around it that has one; 1 for what is not there."""
        while loc:
            if loc in self.lines:
                return self.lines[loc]
            loc = loc[:-1]
        return 1

    def top_lines(self) -> dict[str, int]:
        """The lines of fields and body, for findings that come later: ``title``, ``in_brief.0``, ``action.text``.

        ``title:column`` says in which column its text begins, where the file has it letter by letter.
        """
        lines = {".".join(map(str, loc)): line for loc, line in self.lines.items() if loc}
        columns = {".".join(map(str, loc)) + ":column": column for loc, column in self.columns.items() if loc}
        return lines | columns | {"body": self.body_line}


def read_document(data: bytes, faults: Faults) -> Document | None:
    """Split and read a file; None when it is no content file at all, and then ``faults`` says why."""
    text = _decoded(data, faults)
    if text is None:
        return None
    blank = len(text) - len(text.lstrip("\n"))
    if not re.match(r"---[ \t]*(?:\n|$)", text[blank:]):
        fix = 'begin the file with a line "---", then fields like "title: ...", then another "---"'
        faults.block("front-matter", 1, "the file has no front matter", fix)
        return None
    start = text.find("\n", blank) + 1 or len(text)
    closing = _CLOSING.search(text, start)
    if closing is None:
        faults.block("front-matter", 1, "the front matter has no end", 'write a line "---" after the last field')
        return None
    first_line = text.count("\n", 0, start) + 1
    head = _untabbed(text[start : closing.start()])
    body = text[text.find("\n", closing.start()) + 1 or len(text) :]
    body_line = text.count("\n", 0, len(text) - len(body.lstrip("\n"))) + 1
    if len(head) > MAX_HEAD_CHARACTERS:
        message = f"the front matter has {len(head):,} characters, {MAX_HEAD_CHARACTERS:,} are the limit"
        faults.block("front-matter", first_line, message, "move texts to the body")
        return None
    fields, lines, unread, columns = _read_head(head, first_line, faults)
    return Document(fields, body.strip("\n"), body_line, lines, unread, columns)


def _decoded(data: bytes, faults: Faults) -> str | None:
    """The text with line feeds alone and without byte order mark; None if it is no clean UTF-8."""
    if len(data) > MAX_FILE_BYTES:
        message = f"the file has {len(data):,} bytes or more, {MAX_FILE_BYTES:,} are the limit"
        faults.block("file-size", 1, message, "split it, and keep pictures in files of their own")
        return None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        message = "the file is UTF-16" if is_utf16 else f"this line is not UTF-8 (byte {data[error.start]:#04x})"
        faults.block("encoding", line, message, "save the file as UTF-8")
        return None
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        message = f"this line holds an invisible control character (U+{ord(found[0]):04X})"
        faults.block("encoding", line, message, "delete it, or write the line anew")
        return None
    return text


def _untabbed(head: str) -> str:
    """Without tabs, which YAML forbids in places and editors do not see: four columns before text, a blank after."""
    if "\t" not in head:
        return head
    lines = head.split("\n")
    indents = (line[: len(line) - len(line.lstrip(" \t"))] for line in lines)
    return "\n".join(
        i.expandtabs(4) + line[len(i) :].replace("\t", " ") for i, line in zip(indents, lines, strict=True)
    )


# --- YAML -----------------------------------------------------------------------------------------------------


class _RefusedError(Exception):
    """Valid YAML that we do not take."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line = line
        self.fix = fix


class _Head(NamedTuple):
    """What a Document holds of the front matter."""

    fields: dict[str, Any]
    lines: dict[Loc, int]
    unread: frozenset[str] = frozenset()
    columns: Mapping[Loc, int] = MappingProxyType({})


def _read_head(head: str, first_line: int, faults: Faults) -> _Head:
    """All fields at once; if that fails, field by field, so that one broken field does not hide what others hold."""
    whole = _Reader(first_line)
    try:
        fields = whole.read(head)
    except (yaml.YAMLError, _RefusedError):
        return _read_pieces(head, first_line, faults)
    whole.report(faults)
    return _Head(fields, whole.lines, columns=whole.columns)


def _read_pieces(head: str, first_line: int, faults: Faults) -> _Head:
    fields: dict[str, Any] = {}
    lines: dict[Loc, int] = {}
    unread: set[str] = set()
    starts = [found.start() for found in _FIELD.finditer(head)]
    starts = [0, *starts] if not starts or head[: starts[0]].strip() else starts
    for start, end in zip(starts, [*starts[1:], len(head)], strict=True):
        piece, line = head[start:end], first_line + head.count("\n", 0, start)
        # A line whose colon was forgotten breaks the field above it: both were written, and neither is missing.
        names = {piece.partition(":")[0].strip(), *_WORD.findall(piece)}
        reader = _Reader(line)
        try:
            found = reader.read(piece)
        except yaml.YAMLError as error:
            faults.block("front-matter", *_explained(error, line))
            unread |= names
        except _RefusedError as error:
            faults.block("front-matter", error.line, str(error), error.fix)
            unread |= names
        else:
            reader.report(faults)
            for key in found.keys() & fields.keys():
                faults.block("front-matter", line, f'"{key}" stands here a second time', "keep one of the two")
            fields = found | fields
            lines = reader.lines | lines
    return _Head(fields, lines, frozenset(unread))


def _explained(error: yaml.YAMLError, first_line: int) -> tuple[int, str, str]:
    """Line, message and fix."""
    problem = getattr(error, "problem", None) or "unreadable"
    mark = getattr(error, "problem_mark", None)
    if "end of stream" in problem or "expected ':'" in problem:  # reported where it ends; it begins in the context
        mark = getattr(error, "context_mark", None) or mark
    line = first_line + (mark.line if mark else 0)
    hint = next((hint for sign, hint in _HINTS if sign in problem), _DEFAULT_HINT)
    return line, f"this is no YAML: {problem}", hint


class _Reader:
    """Builds plain values from YAML's events. ``lines`` tells where each stands: for block texts, where they begin.

    ``columns`` tells it too, unless YAML's escapes and folding make a text another one than the file's.
    """

    def __init__(self, first_line: int) -> None:
        self.lines: dict[Loc, int] = {}
        self.columns: dict[Loc, int] = {}
        self._first_line = first_line
        self._repeated: list[tuple[int, str]] = []

    def read(self, text: str) -> dict[str, Any]:
        """The fields of one block of front matter. Raises yaml.YAMLError or _RefusedError."""
        events = yaml.parse(text, Loader=yaml.CBaseLoader)
        value: Any = {}
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and event.explicit:
                raise _RefusedError(self._line(event), "a second front matter begins here", "keep one")
            if isinstance(event, yaml.NodeEvent):
                value = self._value(event, events, ())
        if not isinstance(value, dict):
            raise _RefusedError(
                self._first_line, "the front matter has no fields", 'write every field as "name: value"'
            )
        return value

    def report(self, faults: Faults) -> None:
        """Tell of names that came twice."""
        for line, name in self._repeated:
            faults.block("front-matter", line, f'"{name}" stands here a second time', "keep one of the two")

    def _line(self, event: Any) -> int:
        return self._first_line + int(event.start_mark.line)

    def _value(self, event: Any, events: Iterator[Any], loc: Loc) -> Any:
        """The value that begins with this event; None for what is absent."""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(
                self._line(event),
                "YAML's aliases and anchors are not taken",
                "put the text into quotes, or write it out",
            )
        if getattr(event, "tag", None):
            raise _RefusedError(
                self._line(event), f"YAML's tags ({event.tag}) are not taken", "put the text into quotes"
            )
        if isinstance(event, yaml.ScalarEvent):
            if event.value.strip().lower() in ABSENT:
                return None
            self.lines[loc] = self._line(event) + (event.style in ("|", ">"))
            self._note_column(event, loc)
            return event.value
        if len(loc) >= MAX_DEPTH:
            raise _RefusedError(self._line(event), "fields are nested too deeply", f"{MAX_DEPTH} levels are the limit")
        return self._list(events, loc) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(events, loc)

    def _note_column(self, event: Any, loc: Loc) -> None:
        quotes = event.style in ("'", '"')
        if event.end_mark.index - event.start_mark.index - 2 * quotes == len(event.value):
            self.columns[loc] = int(event.start_mark.column) + quotes + 1

    def _list(self, events: Iterator[Any], loc: Loc) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            item = self._value(event, events, (*loc, len(items)))
            if item is not None:
                items.append(item)
        return items

    def _mapping(self, events: Iterator[Any], loc: Loc) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        names: set[str] = set()
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.anchor or key.tag:
                raise _RefusedError(
                    self._line(key), "a field's name is a plain word", 'write every field as "name: value"'
                )
            name = key.value.strip()
            if name in names:
                self._repeated.append((self._line(key), name))
                self._value(next(events), events, (*loc, name, "again"))
                continue
            names.add(name)
            self.lines[*loc, name] = self._line(key)
            value = self._value(next(events), events, (*loc, name))
            if value is not None:
                fields[name] = value
        return fields
