"""The fields of each kind of file, with their types.

Pydantic reads these annotations at run time, so nothing here is imported for type checkers alone, and there is no
``from __future__ import annotations``.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from newsletter.model import IncidentStatus, Pap, Status
from newsletter.parsing.faults import Faults
from newsletter.parsing.fields import (
    AS_LIST,
    AS_NAMES,
    HOW_TO_WAIVE,
    Affected,
    ArticleState,
    Cve,
    Day,
    Detection,
    Digest,
    Identifier,
    IncidentState,
    Label,
    Level,
    Line,
    Lines,
    Markdown,
    Moment,
    OldAddress,
    Permission,
    Picture,
    Rsit,
    Slug,
    Technique,
    Texts,
    Title,
    Waivers,
    WebAddress,
    YesNo,
)
from newsletter.parsing.frontmatter import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleHead:
    """What stands above an article."""

    title: Title = field(metadata={"example": '"Phishing by telephone"'})
    date: Day = field(metadata={"example": "2026-10-05"})
    tlp: Label = field(metadata={"example": "CLEAR", "hint": "if everybody may read it"})
    summary: Line = ""
    updated: Day | None = None
    authors: Lines = ()
    themes: Annotated[tuple[Slug, ...], AS_NAMES] = ()
    license: Line | None = None
    image: Picture | None = None
    image_alt: Line | None = None
    aliases: Annotated[tuple[OldAddress, ...], AS_NAMES] = ()
    canonical: WebAddress | None = None
    status: ArticleState = Status.PUBLISHED
    translates: Digest | None = None
    waive: Waivers = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentHead:
    """What stands above an incident summary."""

    id: Identifier = field(metadata={"example": "INC-2026-014"})
    title: Title = field(metadata={"example": '"A borrowed voice enrols a new phone"'})
    rsit: Rsit = field(metadata={"example": "fraud/phishing"})
    severity: Level = field(metadata={"example": "2", "hint": "1 is a nuisance, 4 harm to the whole organisation"})
    tlp: Label = field(metadata={"example": "CLEAR", "hint": "if everybody may read it"})
    detected: Detection = field(metadata={"example": "2026-10-05", "hint": "the month at least"})
    pap: Permission = Pap.CLEAR
    rsit_also: Annotated[tuple[Rsit, ...], AS_NAMES] = ()
    occurred: Moment | None = None
    reported: Moment | None = None
    contained: Moment | None = None
    resolved: Moment | None = None
    users_affected: Affected = None
    assets_affected: Affected = None
    cves: Annotated[tuple[Cve, ...], AS_NAMES] = ()
    attack: Annotated[tuple[Technique, ...], AS_NAMES] = ()
    status: IncidentState = IncidentStatus.CLOSED
    is_exercise: YesNo = False
    translates: Digest | None = None
    waive: Waivers = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionHead:
    """The one thing to do this month."""

    title: Title = field(metadata={"example": '"Retire one guessable password"'})
    text: Markdown = field(metadata={"example": '"Think of the oldest password that you still type."'})


@dataclass(frozen=True, slots=True, kw_only=True)
class PickHead:
    """A choice from elsewhere."""

    link: WebAddress = field(metadata={"example": "https://advisories.example.org/2026/10"})
    why: Markdown = field(metadata={"example": '"Why it matters here."'})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteHead:
    """What stands above an editor's note."""

    tlp: Label = field(metadata={"example": "CLEAR", "hint": "if everybody may read it"})
    title: Title | None = None
    authors: Lines = ()
    in_brief: Texts = ()
    action: ActionHead | None = None
    order: Annotated[tuple[Identifier, ...], AS_NAMES] = ()
    elsewhere: Annotated[tuple[PickHead, ...], AS_LIST] = ()
    corrections: Texts = ()
    waive: Waivers = field(default_factory=dict)


def values_of(head: Any) -> dict[str, Any]:
    """A head's fields by name (``asdict`` would take the nouns inside apart)."""
    return {field.name: getattr(head, field.name) for field in fields(head)}


def advise_on_white(document: Document, faults: Faults) -> None:
    """WHITE is read as CLEAR; say so."""
    label = document.fields.get("tlp")
    if isinstance(label, str) and "WHITE" in label.upper():
        faults.advise("tlp-white", document.line(("tlp",)), "TLP:WHITE has been renamed", "write tlp: CLEAR")


def demand_reasons(document: Document, faults: Faults) -> None:
    """An empty field is absent, but an empty waiver looks like an answer: say that it is none."""
    if ("waive",) not in document.lines or "waive" in document.unread:
        return
    given = document.fields.get("waive") or {}
    named = [loc for loc in document.lines if loc[:1] == ("waive",) and len(loc) > 1] if isinstance(given, dict) else []
    if not given and not named:
        faults.block("field", document.line(("waive",)), '"waive" names no rule', HOW_TO_WAIVE)
    for loc in named:
        if loc[1] not in given:
            faults.block("field", document.line(loc), f'"waive.{loc[1]}" gives no reason', HOW_TO_WAIVE)
