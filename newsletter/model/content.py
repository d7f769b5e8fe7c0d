"""What editors write: articles, incident summaries, notes."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from hashlib import sha256

from newsletter.model.handling import Pap, Tlp
from newsletter.model.names import Language
from newsletter.model.time import Month, When
from newsletter.rsit import TAXONOMY


class Status(StrEnum):
    """An article's state."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One Computer Security article in one language. ``body`` is Markdown; ``path`` is relative to the site.

    ``waive`` gives reasons by rule, for findings that shall stand in nobody's way; ``lines`` says in which line of the
    file each field, and the body, begins: for findings alone.
    """

    slug: str
    language: Language
    title: str
    date: dt.date
    summary: str
    body: str
    tlp: Tlp
    path: str
    updated: dt.date | None = None
    authors: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    license: str | None = None
    image: str | None = None
    image_alt: str | None = None
    aliases: tuple[str, ...] = ()
    canonical: str | None = None
    status: Status = Status.PUBLISHED
    translates: str | None = None
    waive: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """Identifies the text that a translation translates: 16 hex digits over title, summary and body."""
        return sha256(f"{self.title}\0{self.summary}\0{self.body}".encode()).hexdigest()[:16]

    @property
    def former_slugs(self) -> frozenset[str]:
        """The slugs of articles whose addresses now lead here, by its aliases."""
        return frozenset(m[1] for alias in self.aliases if (m := re.fullmatch(r"/[^/]+/articles/([^/]+)/?", alias)))


class Severity(IntEnum):
    """How bad: 1 a nuisance, 2 contained harm, 3 serious harm to some, 4 harm to the whole organisation."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, order=True)
class RsitClass:
    """A place in the RSIT taxonomy: class and, where known, type (machine names)."""

    name: str
    type: str | None = None

    @property
    def label(self) -> str:
        """The class's English name, which is also its catalogue key."""
        return TAXONOMY[self.name][0]

    @property
    def type_label(self) -> str | None:
        """The type's English name, which is also its catalogue key."""
        return TAXONOMY[self.name][1][self.type] if self.type else None

    def __str__(self) -> str:
        """As editors write it: fraud/phishing."""
        return f"{self.name}/{self.type}" if self.type else self.name


@dataclass(frozen=True, slots=True)
class Extent:
    """How many were affected: ``low == high`` for a number, apart for a range. Unknown is None, never 0."""

    low: int
    high: int

    def __str__(self) -> str:
        """14, or 10 to 20 with an en dash."""
        return str(self.low) if self.low == self.high else f"{self.low}\u2013{self.high}"


class IncidentStatus(StrEnum):
    """Where the handling stands."""

    OPEN = "open"
    CONTAINED = "contained"
    CLOSED = "closed"
    FALSE_POSITIVE = "false-positive"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident summary in one language; the four texts are Markdown."""

    id: str
    language: Language
    title: str
    rsit: RsitClass
    severity: Severity
    tlp: Tlp
    detected: When
    public_summary: str
    path: str
    pap: Pap = Pap.CLEAR
    rsit_also: tuple[RsitClass, ...] = ()
    occurred: When | None = None
    reported: When | None = None
    contained: When | None = None
    resolved: When | None = None
    users_affected: Extent | None = None
    assets_affected: Extent | None = None
    cves: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    status: IncidentStatus = IncidentStatus.CLOSED
    is_exercise: bool = False
    internal_summary: str = ""
    lessons: str = ""
    advice: str = ""
    translates: str | None = None
    waive: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def counts(self) -> bool:
        """Whether figures count it: no exercise, test, false positive or duplicate (RSIT: keep Test out)."""
        dismissed = (IncidentStatus.FALSE_POSITIVE, IncidentStatus.DUPLICATE)
        return not self.is_exercise and self.rsit.name != "test" and self.status not in dismissed

    @property
    def digest(self) -> str:
        """Identifies the text that a translation translates."""
        parts = (self.title, self.public_summary, self.internal_summary, self.lessons, self.advice)
        return sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Action:
    """The one thing to do this month; ``text`` is Markdown."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Pick:
    """An editor's choice from elsewhere, and why it matters here."""

    link: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorNote:
    """What editors say about one month (``reports/2026-10.en.md``); all of it optional but the label."""

    month: Month
    language: Language
    tlp: Tlp
    path: str
    title: str | None = None
    authors: tuple[str, ...] = ()
    in_brief: tuple[str, ...] = ()
    action: Action | None = None
    order: tuple[str, ...] = ()
    elsewhere: tuple[Pick, ...] = ()
    corrections: tuple[str, ...] = ()
    body: str = ""
    waive: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
