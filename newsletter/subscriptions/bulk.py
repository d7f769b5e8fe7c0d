"""What operators do with many people: import them, export them, or let a directory say who belongs to an audience.

A file is read once and staged on disk. Then each row is weighed against the list, and (unless it is a dry run) the
whole is done in one transaction, or nothing. Nobody who is unwilling becomes active by any of it: who unsubscribed,
was erased, whose letters came back, who is suppressed.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO

from newsletter.errors import RefusedError, UsageError
from newsletter.model import PUBLIC, Admission, Consent, Format, Subscriber, SubscriberId, SubscriberState, Suppressed
from newsletter.store import subscribers, suppressions
from newsletter.store.staging import Staging
from newsletter.subscriptions import suppressing
from newsletter.subscriptions.evidence import IMPORTED, NAMED
from newsletter.subscriptions.people import checked_consent, everybody
from newsletter.subscriptions.rows import EXPORTED, Problem, Problems, Reader, harmless, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.subscriptions.rows import Row

MAX_END_PERCENT: Final = 10.0
AWAY: Final = (SubscriberState.UNSUBSCRIBED, SubscriberState.BOUNCING)
ERASED: Final = "its owner wanted to be forgotten"
SUPPRESSED: Final = "suppressed"
_BY_THEMSELVES: Final = "on the list by themselves: {}, {}"


class Deed(StrEnum):
    """What a row comes to."""

    ADD = "add"
    CHANGE = "change"
    RETURN = "make active again"
    END = "end"
    KNOWN = "leave as it is"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row and what it comes to; ``line`` is 0 for somebody whom the file does not name.

    ``person`` is who is added, or changed, as they were; ``values`` is what changes.
    """

    deed: Deed
    person: Subscriber
    why: str = ""
    line: int = 0
    note: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Totals:
    """How many rows came to what."""

    counts: dict[Deed, int] = field(default_factory=lambda: dict.fromkeys(Deed, 0))

    @property
    def added(self) -> int:
        """How many are new."""
        return self.counts[Deed.ADD]

    def __str__(self) -> str:
        """What happened, or would: 3 add, 1 refuse."""
        return ", ".join(f"{count:,} {deed}" for deed, count in self.counts.items() if count) or "nothing to do"


def import_csv(
    file: BinaryIO, app: App, *, consent: str, dry: bool = False, tell: Callable[[Step], None] = lambda _: None
) -> Totals:
    """Import people from a CSV file with a header (address, language, audience, format, note).

    Nobody is changed: who is known stays as they are. Nothing is imported when a row is wrong; a dry run tells what
    would become of the others first.

    Raises:
        ContentError: the rows that cannot be imported, with their lines.
    """
    evidence = Consent(app.clock(), IMPORTED, checked_consent(consent))
    return _work(file, Reader(app), _importing, app, evidence, dry=dry, tell=tell)


def sync(
    file: BinaryIO,
    app: App,
    *,
    audience: str,
    consent: str,
    max_end: float = MAX_END_PERCENT,
    dry: bool = False,
    tell: Callable[[Step], None] = lambda _: None,
) -> Totals:
    """Let a directory's export say who belongs to ``audience``: it adds, changes, and ends whom it does not name.

    It changes and ends only whom a directory let in: who came by themselves keeps what they chose.
    ``max_end`` is how many percent of those whom it let in may end at once.

    Raises:
        UsageError: there is no such audience.
        ContentError: a row is wrong, or there is none; then nobody is ended.
        RefusedError: more would end than ``max_end`` allows; then nothing is done.
    """
    if audience not in (PUBLIC, *app.audiences):
        raise UsageError(f"there is no audience {audience!r}; there is {', '.join((PUBLIC, *app.audiences))}")
    evidence = Consent(app.clock(), NAMED, checked_consent(consent))
    return _work(
        file, Reader(app, audience), _syncing, app, evidence, dry=dry, tell=tell, ends=_Ends(audience, max_end)
    )


def export_csv(file: TextIO, app: App) -> int:
    """Write everybody as CSV and return how many; fields that a spreadsheet would run are made text."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(EXPORTED)
    count = 0
    for person in everybody(app):
        fields = (person.address.mailbox, person.language, person.audience, person.format, person.state)
        writer.writerow([harmless(str(field)) for field in fields])
        count += 1
    return count


# --- what a row comes to --------------------------------------------------------------------------------------


def _importing(row: Row, known: Subscriber | None, why: Suppressed | None, app: App) -> Step:
    person = known or _newcomer(row, app)
    if reason := _unwilling(known, why):
        return Step(deed=Deed.REFUSE, person=person, why=reason, line=row.line)
    if known:
        return Step(deed=Deed.KNOWN, person=person, why=f"known, {known.state}", line=row.line)
    if row.state is not SubscriberState.ACTIVE:  # what somebody told another list counts here too
        return Step(deed=Deed.REFUSE, person=person, why=f"{row.state} by this file", line=row.line)
    return Step(deed=Deed.ADD, person=person, line=row.line, note=row.note)


def _syncing(row: Row, known: Subscriber | None, why: Suppressed | None, app: App) -> Step:
    if known is None or _unwilling(known, why):
        return _importing(row, known, why, app)
    belongs = {"audience": row.audience, "admission": Admission.DIRECTORY}
    wishes = {name: value for name, value in (("language", row.language), ("format", row.format)) if value}
    if known.state is SubscriberState.ENDED:
        waits = known.paused_until is not None and known.paused_until > app.clock()
        state = SubscriberState.PAUSED if waits else SubscriberState.ACTIVE
        back = {**belongs, **wishes, "state": state, "paused_until": known.paused_until if waits else None}
        return Step(deed=Deed.RETURN, person=known, line=row.line, note=row.note, values=back)
    if known.admission is not Admission.DIRECTORY:  # what somebody chose themselves is theirs, audience included
        return Step(
            deed=Deed.KNOWN, person=known, why=_BY_THEMSELVES.format(known.audience, known.admission), line=row.line
        )
    values = belongs | wishes  # another directory's, or ours: this file is the newest word
    changed = {name: value for name, value in values.items() if getattr(known, name) != value}
    if not changed:
        return Step(deed=Deed.KNOWN, person=known, why="nothing changed", line=row.line)
    words = ", ".join(f"{name} {value}" for name, value in changed.items())
    return Step(deed=Deed.CHANGE, person=known, why=words, line=row.line, note=row.note, values=changed)


def _unwilling(known: Subscriber | None, why: Suppressed | None) -> str:
    """Why nobody but the owner of an address may make it active; empty when there is no reason."""
    if why:
        return ERASED if why is Suppressed.ERASED else SUPPRESSED
    return known.state.value if known and known.state in AWAY else ""


def _newcomer(row: Row, app: App) -> Subscriber:
    return Subscriber(
        id=SubscriberId(app.chance.getrandbits(63)),
        address=row.address,
        language=row.language or app.publication.first_language,
        audience=row.audience,
        format=row.format or Format.HTML,
        admission=row.admission,
    )


# --- the work -------------------------------------------------------------------------------------------------


def _work(
    file: BinaryIO,
    reader: Reader,
    decide: Callable[[Row, Subscriber | None, Suppressed | None, App], Step],
    app: App,
    evidence: Consent,
    *,
    dry: bool,
    tell: Callable[[Step], None],
    ends: _Ends | None = None,
) -> Totals:
    problems, totals, refusal = Problems(), Totals(), ""
    with Staging() as staged:
        _stage(reader.rows(file, problems), staged, problems)
        if ends and staged.is_empty() and not problems.count:
            problems.add(Problem(1, "this file names nobody; nobody is ended by an empty file"))
        if not dry or ends:
            problems.refuse()
        with _transaction(app, dry=dry) as tx:
            steps = _steps(tx, staged, decide, app)
            if ends:
                refusal = ends.refusal(tx, staged)
                if refusal and not dry:
                    raise RefusedError(refusal)
                steps = chain(steps, ends.steps(tx, staged))
            for batch in steps:
                if not dry:
                    _do(tx, batch, evidence)
                for step in batch:
                    totals.counts[step.deed] += 1
                    tell(step)
    problems.refuse()
    if refusal:
        raise RefusedError(refusal)
    return totals


def _stage(rows: Iterable[Row], staged: Staging, problems: Problems) -> None:
    for row in rows:
        first = staged.add(row.line, subscribers.mailbox_key(row.address.mailbox), row.packed())
        if first:
            again = f"the address of line {first} again (capitals do not count); take one out"
            problems.add(Problem(row.line, again))


@contextmanager
def _transaction(app: App, *, dry: bool) -> Iterator[Connection]:
    with app.store.read() if dry else app.store.begin() as tx:
        if not dry:
            suppressions.hold_open(tx)
            subscribers.close_to_others(tx)
        yield tx


def _steps(
    tx: Connection,
    staged: Staging,
    decide: Callable[[Row, Subscriber | None, Suppressed | None, App], Step],
    app: App,
) -> Iterator[list[Step]]:
    for batch in staged.batches():
        rows = [(values[1], unpacked(values)) for values in batch]
        known = subscribers.find_all(tx, [key for key, _ in rows])
        whys = suppressing.reasons(tx, [row.address for _, row in rows], app)
        yield [decide(row, known.get(key), whys.get(row.address.mailbox), app) for key, row in rows]


def _do(tx: Connection, batch: list[Step], evidence: Consent) -> None:
    now = evidence.at
    subscribers.add_all(tx, [(step.person, _evidence(step, evidence)) for step in batch if step.deed is Deed.ADD])
    for step in batch:
        if step.values:
            subscribers.change(tx, step.person.id, now, **step.values)
        if step.deed in (Deed.CHANGE, Deed.RETURN):
            subscribers.record_consent(tx, step.person.id, _evidence(step, evidence))


def _evidence(step: Step, evidence: Consent) -> Consent:
    return Consent(evidence.at, evidence.how, step.note or evidence.note)


class _Ends:
    """Whom a directory let into its audience and does not name any more; a pause is kept for their return."""

    def __init__(self, audience: str, max_percent: float) -> None:
        self._audience = audience
        self._max_percent = max_percent

    def refusal(self, tx: Connection, staged: Staging) -> str:
        """Why that would be too many at once; empty when it is not."""
        count = sum(1 for _ in subscribers.admitted(tx, self._audience, Admission.DIRECTORY))
        gone = sum(len(batch) for batch in self.steps(tx, staged))
        if not gone or 100 * gone <= self._max_percent * count:
            return ""
        return (
            f"{gone:,} of the {count:,} people whom the directory let into {self._audience} would end, more than "
            f"{self._max_percent:g} % at once; look at the file, or allow more with --max-end"
        )

    def steps(self, tx: Connection, staged: Staging) -> Iterator[list[Step]]:
        """One step for each of them."""
        values = {"state": SubscriberState.ENDED}
        for people in _batches(subscribers.admitted(tx, self._audience, Admission.DIRECTORY)):
            keys = {subscribers.mailbox_key(person.address.mailbox): person for person in people}
            named = staged.named(keys)
            gone = [person for key, person in keys.items() if key not in named]
            yield [Step(deed=Deed.END, person=person, why="not named any more", values=values) for person in gone]


def _batches(people: Iterator[Subscriber]) -> Iterator[list[Subscriber]]:
    while batch := list(islice(people, subscribers.BATCH)):
        yield batch
