"""One month, composed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from newsletter.model.content import Action, Extent, IncidentStatus, RsitClass, Severity
from newsletter.model.handling import Tlp
from newsletter.model.names import MIN_PERCENT_BASE, Language
from newsletter.model.time import Month, When


@dataclass(frozen=True, slots=True)
class Count:
    """One row of the figures: this month, the month before, and the mean of up to 12 earlier months with its n.

    ``before`` and ``mean`` are None when nothing was recorded earlier.
    """

    key: str
    now: int
    before: int | None
    mean: float | None
    months: int

    @property
    def change(self) -> int | None:
        """Percent against the month before; None under a base of 10, where a percentage misleads."""
        if self.before is None or self.before < MIN_PERCENT_BASE:
            return None
        return round((self.now - self.before) * 100 / self.before)


@dataclass(frozen=True, slots=True)
class Figures:
    """Incidents counted by main RSIT class and by severity, in months of detection."""

    total: Count
    by_class: tuple[Count, ...]
    by_severity: tuple[Count, ...]
    history: tuple[tuple[Month, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentItem:
    """What a report prints of an incident: an allowlist, so that a new field stays inside until it is let out."""

    id: str
    title: str
    rsit: RsitClass
    severity: Severity
    tlp: Tlp
    detected: When
    status: IncidentStatus
    summary: str
    language: Language
    lessons: str = ""
    advice: str = ""
    users_affected: Extent | None = None
    assets_affected: Extent | None = None
    cves: tuple[str, ...] = ()
    late: bool = False
    is_exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleItem:
    """What a report prints of an article: the teaser and, for the leading one, the whole ``body`` (Markdown)."""

    slug: str
    title: str
    date: dt.date
    summary: str
    tlp: Tlp
    language: Language
    authors: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereItem:
    """What a report prints of a feed entry; ``also`` names other sources that carried the same link."""

    title: str
    link: str
    source: str
    summary: str
    language: Language
    why: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restatement:
    """A past month whose count changed since we last printed it."""

    month: Month
    was: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One month, composed for one audience in one language. ``tlp`` is the strictest label of its parts."""

    month: Month
    language: Language
    audience: str
    tlp: Tlp
    title: str | None
    note: str
    note_language: Language
    note_authors: tuple[str, ...]
    in_brief: tuple[str, ...]
    action: Action | None
    incidents: tuple[IncidentItem, ...]
    figures: Figures
    articles: tuple[ArticleItem, ...]
    elsewhere: tuple[ElsewhereItem, ...]
    corrections: tuple[str, ...]
    restatements: tuple[Restatement, ...]
    entry_keys: tuple[tuple[str, str], ...] = ()
