"""People in a CSV file: every row becomes a ``Row`` or a ``Problem``, without ever holding all of them.

Excel's files are welcome: a byte order mark, semicolons, CRLF. Fields that export made harmless are read as meant.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from newsletter.errors import ContentError
from newsletter.model import PUBLIC, Address, Admission, Format, Language, SubscriberState
from newsletter.parsing import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from newsletter.app import App

COLUMNS: Final = ("address", "language", "audience", "format", "note")
EXPORTED: Final = ("address", "language", "audience", "format", "state")
KNOWN_COLUMNS: Final = frozenset(COLUMNS + EXPORTED)
SEPARATORS: Final = (",", ";", "\t")
MAX_LINE_BYTES: Final = 100_000
MAX_FIELD_CHARACTERS: Final = 1_000
MAX_NOTE_CHARACTERS: Final = 500
MAX_SHOWN: Final = 20  # problems of one file; the rest are counted
# A spreadsheet takes a field that begins with one of these for a formula (OWASP, CSV Injection).
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
MADE_TEXT: Final = re.compile(r"'(?=[=+\-@\t\r])")
HOW_TO_SAVE: Final = "save it as CSV in UTF-8 (in a spreadsheet: 'CSV UTF-8')"


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot be used: its line in the file, and why."""

    line: int
    message: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"line {self.line}: {self.message}"


class Problems:
    """What is wrong with a file: the first MAX_SHOWN, and how many there are."""

    def __init__(self) -> None:
        self.shown: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem) -> None:
        """Keep it, or count it."""
        self.count += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(problem)

    def refuse(self) -> None:
        """ContentError when there is any."""
        if self.count:
            rest = self.count - len(self.shown)
            raise ContentError([*self.shown, *([f"and {rest:,} lines more"] if rest else [])])


@dataclass(frozen=True, slots=True)
class Row:
    """One person as a file names them; None where it leaves the choice to us. ``state`` is that of another list."""

    line: int
    address: Address
    language: Language | None
    format: Format | None
    audience: str
    admission: Admission
    note: str = ""
    state: SubscriberState = SubscriberState.ACTIVE

    def packed(self) -> tuple[Any, ...]:
        """As ``Staging`` keeps it; ``unpacked`` reads it back."""
        addresses = (self.address.mailbox, self.address.typed)
        return (*addresses, self.language, self.format, f"{self.admission} {self.audience}", self.note, self.state)


def unpacked(values: tuple[Any, ...]) -> Row:
    """The row behind (line, key, packed...)."""
    line, _, mailbox, typed, language, text_format, belongs, note, state = values
    admission, _, audience = belongs.partition(" ")
    return Row(
        line=line,
        address=Address(mailbox, typed),
        language=language and Language(language),
        format=text_format and Format(text_format),
        audience=audience,
        admission=Admission(admission),
        note=note,
        state=SubscriberState(state),
    )


class Reader:
    """Makes rows of a file's fields by the site's settings; ``audience`` is the one that a directory speaks for."""

    def __init__(self, app: App, audience: str = "") -> None:
        self._languages = app.publication.languages
        self._audiences = app.audiences
        self._directory = audience

    def rows(self, file: BinaryIO, problems: Problems) -> Iterator[Row]:
        """Every good row; what is wrong with the others is in ``problems``."""
        for line, fields in _records(file, problems):
            try:
                yield self.row(line, fields)
            except ValueError as error:
                problems.add(Problem(line, str(error)))

    def row(self, line: int, fields: dict[str, str]) -> Row:
        """The person; ValueError says why not."""
        language = Language(fields.get("language", ""))
        wanted = fields.get("format", "")
        state = fields.get("state") or SubscriberState.ACTIVE
        if language and language not in self._languages:
            raise ValueError(f"unknown language {language!r}; this site has {', '.join(self._languages)}")
        if wanted and wanted not in list(Format):
            raise ValueError(f"unknown format {wanted!r}; write html or text")
        if state not in list(SubscriberState):
            raise ValueError(f"unknown state {state!r}; leave it empty, or write active")
        address = parse_address(fields.get("address", ""))
        audience, admission = self._belongs(fields.get("audience", ""), address)
        return Row(
            line=line,
            address=address,
            language=language or None,
            format=Format(wanted) if wanted else None,
            audience=audience,
            admission=admission,
            note=fields.get("note", "")[:MAX_NOTE_CHARACTERS],
            state=SubscriberState(state),
        )

    def _belongs(self, audience: str, address: Address) -> tuple[str, Admission]:
        """The audience, and what lets the address in."""
        if self._directory:
            if audience not in ("", self._directory):
                raise ValueError(f"the audience {audience!r} is not {self._directory!r}, for which this file speaks")
            return self._directory, Admission.DIRECTORY
        if audience in ("", PUBLIC):
            return PUBLIC, Admission.OPEN
        if audience not in self._audiences:
            known = ", ".join((PUBLIC, *self._audiences))
            raise ValueError(f"unknown audience {audience!r}; this site has {known}")
        if not self._audiences[audience].covers(address.domain):
            raise ValueError(
                f"the audience {audience!r} is not open to {address.domain}; invite this address, or sync a directory"
            )
        return audience, Admission.DOMAIN


def harmless(field: str) -> str:
    """What a spreadsheet would run as a formula becomes text."""
    return f"'{field}" if field.startswith(FORMULA_STARTS) else field


def _records(file: BinaryIO, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and fields of every row below the header."""
    lines = _lines(file)
    line = 1
    try:
        first = next(lines, "")
        separator = max(SEPARATORS, key=first.count)
        header = [name.strip().lower() for name in next(csv.reader([first], delimiter=separator), [])]
        if fault := _fault_of(header):
            problems.add(Problem(1, fault))
            return
        reader = csv.reader(lines, delimiter=separator, strict=True)
        for fields in reader:
            line = reader.line_num + 1
            if not any(fields):
                continue
            if len(fields) > len(header) or any(len(field) > MAX_FIELD_CHARACTERS for field in fields):
                problems.add(Problem(line, "has more or longer fields than a person has"))
            elif any("\0" in field for field in fields):
                problems.add(Problem(line, f"holds a NUL character, so it is no text; {HOW_TO_SAVE}"))
            else:
                yield line, dict(zip(header, map(_as_meant, fields), strict=False))
    except _NoTextError as error:
        problems.add(Problem(error.line, str(error)))
    except csv.Error as error:
        problems.add(Problem(line + 1, f"from here on it is not CSV: {error}; is a quotation mark not closed?"))


def _fault_of(header: list[str]) -> str:
    """What is wrong with the names of the columns; empty when nothing is."""
    told = f"the columns are {', '.join(COLUMNS)}, and state as export writes it"
    if not header:
        return f"names no columns; {told}"
    if unknown := [name for name in header if name not in KNOWN_COLUMNS]:
        return f"unknown column {unknown[0][:MAX_FIELD_CHARACTERS]!r}; {told}"
    if "address" not in header:
        return f"no column address; {told}"
    if len(set(header)) < len(header):
        return f"a column stands there twice; {told}"
    return ""


def _as_meant(field: str) -> str:
    return MADE_TEXT.sub("", field.strip(), count=1) if field.startswith("'") else field.strip()


class _NoTextError(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def _lines(file: BinaryIO) -> Iterator[str]:
    """The file's lines as text, each with its end: decoded one by one, so that a wrong byte has a line."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES):
        number += 1
        if len(raw) == MAX_LINE_BYTES:
            raise _NoTextError(number, f"is longer than a row can be; {HOW_TO_SAVE}")
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _NoTextError(number, f"is not in UTF-8; {HOW_TO_SAVE}") from None
