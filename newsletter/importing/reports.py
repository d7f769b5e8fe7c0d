"""Past reports as editions of the archive: a text with its month, and nothing that we did not see.

Such an edition was never sent by us. It has no letter to show, its digest is that of the text that was brought in, and
it stands outside the chain: its manifest says so (``imported``), and so does its page.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from newsletter.collect.editions import REPORT_JSON, REPORT_SUFFIX, Manifest, ManifestVariant
from newsletter.html import markdown_faults
from newsletter.importing.dates import month_in, month_of_folder
from newsletter.importing.nouns import Outcome, State
from newsletter.importing.pictures import Pictures, with_links, with_pictures
from newsletter.importing.plan import one_line
from newsletter.model import PUBLIC, Count, Figures, Month, Report, Tlp
from newsletter.parsing.fields import MAX_TITLE
from newsletter.parsing.validate import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from newsletter.importing.plan import Placed
    from newsletter.model import Language

FIRST_HALF: Final = 15  # a report that is sent until then tells of the month before

_REPORT = re.compile(
    r"\b(?:reports?|newsletters?|bulletins?|digest|monthly|rapports?|infolettre|lettre d.information|mensuel(?:le)?)\b",
    re.IGNORECASE,
)
NO_FIGURES: Final = Figures(total=Count("total", 0, None, None, 0), by_class=(), by_severity=(), history=())


def plan_reports(
    placed: Sequence[Placed], standing: Mapping[Month, str], given: date | None
) -> tuple[list[Outcome], list[tuple[Manifest, dict[str, bytes]]]]:
    """What becomes of each report, and the editions to write.

    ``standing`` are digests of the editions that exist; ``given`` is the day that somebody said for what has none.
    """
    months: defaultdict[Month, list[tuple[Placed, Outcome, bytes]]] = defaultdict(list)
    outcomes: list[Outcome] = []
    for one in placed:
        month, outcome, data = _report(one, given)
        twin = next((other for other, _, _ in months[month] if other.language == one.language), None)
        if outcome.state is State.NEW and twin is not None:
            problem = f"{twin.found.shown} is the report of {month} in that language already; take one away"
            outcome = replace(outcome, state=State.REFUSED, problem=problem)
        if outcome.state is State.NEW:
            months[month].append((one, outcome, data))
        else:
            outcomes.append(outcome)
    editions = []
    for month, versions in sorted(months.items()):
        if not versions:
            continue
        manifest, files = _edition(month, versions)
        state = _state(standing.get(month), manifest.digest)
        problem = f"editions/{month} is another edition, and what was released never changes"
        outcomes += [
            replace(outcome, state=state, problem=problem if state is State.CONFLICT else "")
            for _, outcome, _ in versions
        ]
        if state is State.NEW:
            editions.append((manifest, files))
    return outcomes, editions


def _state(standing: str | None, digest: str) -> State:
    if standing is None:
        return State.NEW
    return State.UNCHANGED if standing == digest else State.CONFLICT


def _report(one: Placed, given: date | None) -> tuple[Month, Outcome, bytes]:
    found, guessed = one.found, list(one.guessed)
    named = _named(one)
    day = one.day if found.sent is None or given is None else given
    month = named or Month.of(day).shift(-1 if day.day <= FIRST_HALF else 0)
    if named is None:
        guessed.append(f"month: the day of its date, {day}")
    pictures = Pictures(found.file, "report", found.address, frozenset(), None)
    body = with_pictures(found.body, _NoPictures(pictures))
    body, lost = with_links(body, lambda _: "")
    outcome = Outcome(
        source=found.shown,
        state=State.NEW,
        target=f"editions/{month}",
        title=found.title,
        day=one.day,
        language=one.language,
        guessed=tuple(guessed),
        remarks=(*one.remarks, *lost),
        month=month,
    )
    if problem := (_stray(one) if named is None and given is None else "") or _problem(one, body):
        return month, replace(outcome, state=State.REFUSED, problem=one_line(problem)), b""
    report = _noun(one, month, body)
    return month, outcome, REPORT_JSON.dump_json(report, indent=2) + b"\n"


def _named(one: Placed) -> Month | None:
    """The month that its title or file names; of a letter its folder too, since its own date is not its month's."""
    found = one.found
    month = month_in(found.title) or month_in(found.file.path.stem)
    return month or (month_of_folder(found.shown.rpartition("/")[0]) if found.sent else None)


def _stray(one: Placed) -> str:
    """Why a letter that names no month is none of ours, unless it calls itself a report.

    Every letter has a date: a mailbox with all that was in it would become the archive of its months.
    """
    if one.found.sent is None or _REPORT.search(one.found.title):
        return ""
    return (
        f"nothing says that it is a report, or of which month: its subject is {shown(one.found.title)}; "
        "take it away, or name its file like 2019-10.eml, or say --date"
    )


class _NoPictures(Pictures):
    """A report has none: what it showed is kept in words, or as a link."""

    def __init__(self, like: Pictures) -> None:
        super().__init__(like.file, like.slug, like.address, like.hosts, like.limits)

    def take(self, target: str) -> str:  # noqa: ARG002  # no picture is taken
        return ""


def _problem(one: Placed, body: str) -> str:
    if one.tlp is not Tlp.CLEAR:
        return f"it is {one.tlp}, and the archive of reports is for everybody: only CLEAR ones can be brought in"
    if len(one.found.title) > MAX_TITLE:
        return f"its title has {len(one.found.title):,} characters, {MAX_TITLE} are the limit"
    if not body.strip():
        return "there is no text"
    fault = next(iter(markdown_faults(body)), None)
    return f"line {fault.line} of its text: {fault.message}; {fault.fix}" if fault else ""


def _noun(one: Placed, month: Month, body: str) -> Report:
    """Its text is all that is known: no incident, figure or article is claimed."""
    return Report(
        month=month,
        language=one.language,
        audience=PUBLIC,
        tlp=Tlp.CLEAR,
        title=one.found.title,
        note=body,
        note_language=one.language,
        note_authors=one.found.authors,
        in_brief=(),
        action=None,
        incidents=(),
        figures=NO_FIGURES,
        articles=(),
        elsewhere=(),
        corrections=(),
        restatements=(),
    )


def _edition(month: Month, versions: Sequence[tuple[Placed, Outcome, bytes]]) -> tuple[Manifest, dict[str, bytes]]:
    files = {f"{one.language}{REPORT_SUFFIX}": data for one, _, data in versions}
    variants = tuple(_variant(one.language, one.found.title, data) for one, _, data in versions)
    sent = [one.found.sent or datetime.combine(one.day, time(), UTC) for one, _, _ in versions]
    digest = sha256("".join(sorted(variant.digest for variant in variants)).encode()).hexdigest()
    manifest = Manifest(
        month=month,
        digest=digest,
        previous=None,
        released=min(sent),
        variants=variants,
        imported=tuple(sorted(one.found.shown for one, _, _ in versions)),
    )
    return manifest, files


def _variant(language: Language, title: str, data: bytes) -> ManifestVariant:
    digest = sha256(data).hexdigest()
    files = {f"{language}{REPORT_SUFFIX}": digest}
    return ManifestVariant(audience=PUBLIC, language=language, tlp=Tlp.CLEAR, subject=title, digest=digest, files=files)
