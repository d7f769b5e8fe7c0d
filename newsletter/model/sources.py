"""What comes from elsewhere, and everything that was collected."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from newsletter.model.content import Article, EditorNote, Incident
from newsletter.model.handling import Tlp
from newsletter.model.names import ENGLISH, Language
from newsletter.model.time import Month


@dataclass(frozen=True, slots=True)
class Source:
    """Something that the team follows elsewhere. ``tlp`` is what its entries are marked with."""

    id: str
    name: str
    url: str
    kind: str = "feed"
    language: Language = ENGLISH
    tlp: Tlp = Tlp.CLEAR
    limit: int = 5


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A source that could not be used, with the reason in words; shown on the draft."""

    source: str
    reason: str
    since: datetime | None = None

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.source}: {self.reason}" + (f" (since {self.since:%Y-%m-%d})" if self.since else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One entry of a feed, cleaned: plain text title and summary, http(s) link."""

    source: str
    guid: str
    title: str
    link: str
    summary: str = ""
    published: datetime | None = None
    first_seen: datetime
    language: Language = ENGLISH
    tlp: Tlp = Tlp.CLEAR
    printed_in: Month | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEdition:
    """What an earlier edition said, read from its manifest: the base of restatements and of the chain.

    ``article_slugs`` are addresses that readers were given; ``letters`` is the HTML of its public letters.
    """

    month: Month
    digest: str
    incident_ids: frozenset[str]
    counts: dict[Month, int]
    article_slugs: frozenset[str] = frozenset()
    letters: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Everything that a month may be composed of; whatever its label, whatever its language."""

    articles: tuple[Article, ...] = ()
    incidents: tuple[Incident, ...] = ()
    notes: tuple[EditorNote, ...] = ()
    entries: tuple[FeedEntry, ...] = ()
    sources: tuple[Source, ...] = ()
    past: tuple[PastEdition, ...] = ()
    failures: tuple[SourceFailure, ...] = ()
