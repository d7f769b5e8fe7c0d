"""People join and leave the list: the rules, without HTTP and without a command line."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TextIO

from newsletter.errors import ContentError, UsageError
from newsletter.model import (
    PUBLIC,
    Consent,
    Format,
    Language,
    Subscriber,
    SubscriberId,
    SubscriberState,
)
from newsletter.parsing import parse_address
from newsletter.store import subscribers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.app import App

COLUMNS: Final = ("address", "language", "audience", "format", "note")
EXPORTED: Final = ("address", "language", "audience", "format", "state")
MAX_FIELD_CHARACTERS: Final = 1_000
MAX_NOTE_CHARACTERS: Final = 500
# A spreadsheet takes a field that begins with one of these for a formula (OWASP, CSV Injection).
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot be imported: its line in the file, and why."""

    line: int
    message: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: people added, and addresses that were known already (whatever their state)."""

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class Row:
    """One person as a CSV file names them."""

    subscriber: Subscriber
    note: str


def add(
    typed: str, app: App, *, language: str | None, text_format: str, consent: str, again: bool = False
) -> Subscriber | None:
    """Add one active subscriber; who was on the list already comes back as they were, and stays so.

    ``consent`` says how they agreed. With ``again`` it is kept beside the earlier ones, and who had left is active.
    """
    row = _person({"address": typed, "language": language or "", "format": text_format}, app)
    if isinstance(row, str):
        raise UsageError(row)
    evidence = Consent(app.clock(), "added by an operator", _checked_note(consent))
    with app.store.begin() as tx:
        if subscribers.add(tx, row.subscriber, evidence):
            return None
        known = subscribers.find(tx, row.subscriber.address.mailbox)
        if known is None:
            raise AssertionError("an address that is taken belongs to somebody")
        if again and known.state is not SubscriberState.ACTIVE:
            subscribers.record_consent(tx, known.id, replace(evidence, how="added again by an operator"))
            subscribers.set_state(tx, known.id, SubscriberState.ACTIVE, evidence.at)
    return known


def import_csv(file: TextIO, app: App, *, consent: str) -> Imported:
    """Import people from a CSV file with a header (address, language, audience, format, note).

    Nobody is changed: who left stays away. Nothing is imported when a row is wrong.

    Raises:
        ContentError: every row that cannot be imported, with its line.
    """
    note = _checked_note(consent)
    rows, problems = _read(file, app)
    if problems:
        raise ContentError(problems)
    now = app.clock()
    with app.store.begin() as tx:
        added = sum(
            subscribers.add(tx, row.subscriber, Consent(now, "imported by an operator", row.note or note))
            for row in rows
        )
    return Imported(added, len(rows) - added)


def export_csv(file: TextIO, app: App) -> int:
    """Write everybody as CSV and return how many; fields that a spreadsheet would run are made text."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(EXPORTED)
    count = 0
    for person in everybody(app):
        fields = (person.address.mailbox, person.language, person.audience, person.format, person.state)
        writer.writerow([_harmless(str(field)) for field in fields])
        count += 1
    return count


def everybody(app: App) -> Iterator[Subscriber]:
    """Every subscriber in the order of their ids."""
    with app.store.read() as tx:
        yield from subscribers.iterate(tx)


def _read(file: TextIO, app: App) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, fields in _lines(file, problems):
        row = _person(fields, app)
        if isinstance(row, str):
            problems.append(Problem(line, row))
        elif (first := seen.setdefault(subscribers.mailbox_key(row.subscriber.address.mailbox), line)) != line:
            problems.append(Problem(line, f"the address of line {first} again (capitals do not count); take one out"))
        else:
            rows.append(row)
    return rows, problems


def _lines(file: TextIO, problems: list[Problem]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file)
    try:
        if unknown := [name for name in reader.fieldnames or ["(nothing)"] if name not in COLUMNS]:
            problems.append(Problem(1, f"unknown column {unknown[0]!r}; the columns are {', '.join(COLUMNS)}"))
            return
        if "address" not in (reader.fieldnames or ()):
            problems.append(Problem(1, f"no column address; the columns are {', '.join(COLUMNS)}"))
            return
        for fields in reader:
            if None in fields or any(len(value or "") > MAX_FIELD_CHARACTERS for value in fields.values()):
                problems.append(Problem(reader.line_num, "has more or longer fields than a person has"))
            else:
                yield reader.line_num, {name: (value or "").strip() for name, value in fields.items()}
    except (csv.Error, UnicodeDecodeError) as error:
        problems.append(Problem(reader.line_num + 1, f"is not CSV in UTF-8: {error}"))


def _person(fields: dict[str, str], app: App) -> Row | str:
    """The person, or in words why not."""
    publication = app.publication
    language = Language(fields.get("language") or publication.first_language)
    wanted = fields.get("format") or Format.HTML
    audience = fields.get("audience") or PUBLIC
    if language not in publication.languages:
        return f"unknown language {language!r}; this site has {', '.join(publication.languages)}"
    if wanted not in list(Format):
        return f"unknown format {wanted!r}; write html or text"
    if audience != PUBLIC:
        return f"unknown audience {audience!r}; there is {PUBLIC} so far"
    try:
        address = parse_address(fields.get("address", ""))
    except ValueError as error:
        return str(error)
    return Row(
        Subscriber(
            id=SubscriberId(app.chance.getrandbits(63)),
            address=address,
            language=language,
            state=SubscriberState.ACTIVE,
            audience=audience,
            format=Format(wanted),
        ),
        fields.get("note", "")[:MAX_NOTE_CHARACTERS],
    )


def _checked_note(consent: str) -> str:
    if not consent.strip():
        raise UsageError('say how these people agreed, for example: --consent "asked for it on the form of 2026-11-20"')
    return consent.strip()[:MAX_NOTE_CHARACTERS]


def _harmless(field: str) -> str:
    return f"'{field}" if field.startswith(FORMULA_STARTS) else field
