"""One month's report out of everything collected: pure. What belongs to it, for whom, in what order, once each."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar
from zoneinfo import ZoneInfo

from newsletter.figures import count_incidents
from newsletter.handling import for_audience, may_read, strictest
from newsletter.model import (
    ArticleItem,
    ElsewhereItem,
    IncidentItem,
    IncidentStatus,
    Month,
    Report,
    Restatement,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import datetime

    from newsletter.model import (
        Article,
        Audience,
        Collected,
        EditorNote,
        FeedEntry,
        Figures,
        Incident,
        Language,
        PastEdition,
        Publication,
    )

NOT_PRINTED = (IncidentStatus.FALSE_POSITIVE, IncidentStatus.DUPLICATE)


class Translated(Protocol):
    """Anything that exists in one language."""

    @property
    def language(self) -> Language:
        """Its language."""


T = TypeVar("T", bound=Translated)


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom we compose: an audience, a language, and the languages to fall back to, first one first."""

    audience: Audience
    language: Language
    languages: tuple[Language, ...]

    def choose(self, versions: Iterable[T]) -> T:
        """The version in the reader's language, else in the site's first one, else in any."""
        order = (self.language, *self.languages)
        return min(versions, key=lambda v: order.index(v.language) if v.language in order else len(order))


def compose(
    month: Month, collected: Collected, *, audience: Audience, language: Language, publication: Publication
) -> Report:
    """The report of ``month`` for one audience in one language, with nothing in it above their clearance.

    An item whose any language version is marked above the clearance is left out in every language.
    """
    reader = Reader(audience, language, publication.languages)
    note = _note(month, collected.notes, reader)
    order = note.order if note else ()
    incidents = _readable_incidents(collected.incidents, audience)
    figures = count_incidents(incidents, month)
    incident_items = _incident_items(month, incidents, collected, reader, order)
    article_items = _article_items(month, collected, reader, order, publication.full_articles)
    chosen = _choose_entries(month, collected, note, audience, publication)
    labels = [*(i.tlp for i in incident_items), *(a.tlp for a in article_items)]
    return Report(
        month=month,
        language=language,
        audience=audience.name,
        tlp=strictest([*labels, *(entry.tlp for group in chosen for entry in group)]),
        title=note.title if note else None,
        note=note.body if note else "",
        note_language=note.language if note else language,
        note_authors=note.authors if note else (),
        in_brief=note.in_brief if note else (),
        action=note.action if note else None,
        incidents=incident_items,
        figures=figures,
        articles=article_items,
        elsewhere=_elsewhere_items(chosen, collected, note),
        corrections=note.corrections if note else (),
        restatements=_restatements(month, figures, collected, audience),
        entry_keys=tuple((entry.source, entry.guid) for group in chosen for entry in group),
    )


def _note(month: Month, notes: Iterable[EditorNote], reader: Reader) -> EditorNote | None:
    versions = for_audience([note for note in notes if note.month == month], reader.audience)
    return reader.choose(versions) if versions else None


# --- incidents -----------------------------------------------------------------


def _readable_incidents(incidents: Iterable[Incident], audience: Audience) -> tuple[Incident, ...]:
    strict = {i.id for i in incidents if not may_read(audience, i.tlp)}
    return tuple(i for i in incidents if i.id not in strict)


def _incident_items(
    month: Month, incidents: Sequence[Incident], collected: Collected, reader: Reader, order: tuple[str, ...]
) -> tuple[IncidentItem, ...]:
    past = _before(month, collected)
    printed = frozenset().union(*(edition.incident_ids for edition in past))
    covered = {edition.month for edition in past}

    def belongs(incident: Incident) -> bool:
        if incident.status in NOT_PRINTED or incident.rsit.name == "test":
            return False
        detected = incident.detected.month
        # Came in after its month was printed: told now, as late.
        late = detected < month and detected in covered and incident.id not in printed
        return detected == month or late

    versions = _grouped((i for i in incidents if belongs(i)), key=lambda i: i.id)
    chosen = [reader.choose(group) for group in versions]
    rank = _ranking(order)
    chosen.sort(key=lambda i: (rank(i.id), i.detected.month != month, -i.severity, i.detected.start, i.id))
    return tuple(_incident_item(i, late=i.detected.month != month) for i in chosen)


def _incident_item(incident: Incident, *, late: bool) -> IncidentItem:
    return IncidentItem(
        id=incident.id,
        title=incident.title,
        rsit=incident.rsit,
        severity=incident.severity,
        tlp=incident.tlp,
        detected=incident.detected,
        status=incident.status,
        summary=incident.public_summary,
        language=incident.language,
        lessons=incident.lessons,
        advice=incident.advice,
        users_affected=incident.users_affected,
        assets_affected=incident.assets_affected,
        cves=incident.cves,
        late=late,
        is_exercise=incident.is_exercise,
    )


def _restatements(month: Month, figures: Figures, collected: Collected, audience: Audience) -> tuple[Restatement, ...]:
    """Past months whose count differs from what the newest edition that printed them said.

    What was printed and has been withheld since is no correction: an edition may have counted it, or may not have.
    """
    past = _before(month, collected)
    said: dict[Month, int] = {}
    for edition in past:
        said.update(edition.counts)
    printed = frozenset().union(*(edition.incident_ids for edition in past))
    strict = {i.id: i for i in collected.incidents if i.counts and not may_read(audience, i.tlp) and i.id in printed}
    withheld = Counter(i.detected.month for i in strict.values())
    restated = []
    for told, now in figures.history:
        was = said.get(told, now)
        if was < now:
            restated.append(Restatement(told, was, now))
        elif was > now + withheld[told]:
            restated.append(Restatement(told, was, now + withheld[told]))
    return tuple(restated)


def _before(month: Month, collected: Collected) -> list[PastEdition]:
    """Editions of earlier months, oldest first."""
    return sorted((edition for edition in collected.past if edition.month < month), key=lambda e: e.month)


# --- articles -----------------------------------------------------------------


def _article_items(
    month: Month, collected: Collected, reader: Reader, order: tuple[str, ...], full: int
) -> tuple[ArticleItem, ...]:
    strict = {a.slug for a in collected.articles if not may_read(reader.audience, a.tlp)}
    past = _before(month, collected)
    covered = {edition.month for edition in past}
    printed = frozenset().union(*(edition.article_slugs for edition in past))
    told = {a.slug for a in collected.articles if printed & {a.slug, *a.former_slugs}}

    def belongs(article: Article) -> bool:
        if article.slug in strict or article.status is not Status.PUBLISHED:
            return False
        dated = Month.of(article.date)
        # Came in after its month was printed: no reader was told of it yet.
        late = dated < month and dated in covered and article.slug not in told
        return dated == month or late

    versions = _grouped((a for a in collected.articles if belongs(a)), key=lambda a: a.slug)
    chosen = [reader.choose(group) for group in versions]
    rank = _ranking(order)
    chosen.sort(key=lambda a: (rank(a.slug), Month.of(a.date) != month, a.date, a.slug))
    return tuple(_article_item(a, full=position < full) for position, a in enumerate(chosen))


def _article_item(article: Article, *, full: bool) -> ArticleItem:
    return ArticleItem(
        slug=article.slug,
        title=article.title,
        date=article.date,
        summary=article.summary,
        tlp=article.tlp,
        language=article.language,
        authors=article.authors,
        themes=article.themes,
        body=article.body if full else "",
    )


# --- from elsewhere -----------------------------------------------------------------


def _choose_entries(
    month: Month, collected: Collected, note: EditorNote | None, audience: Audience, publication: Publication
) -> tuple[tuple[FeedEntry, ...], ...]:
    """Groups of entries with one link; the editors' picks first, then the newest, within the limits."""
    zone = ZoneInfo(publication.zone)
    picks = {pick.link: position for position, pick in enumerate(note.elsewhere)} if note else {}
    sources = {source.id: position for position, source in enumerate(collected.sources)}
    limits = {source.id: source.limit for source in collected.sources}

    def eligible(entry: FeedEntry) -> bool:
        if not may_read(audience, entry.tlp) or entry.printed_in not in (None, month):
            return False
        return entry.link in picks or _said_in(entry, month, zone)

    def when(entry: FeedEntry) -> datetime:
        return entry.published or entry.first_seen

    groups = _grouped((e for e in collected.entries if eligible(e)), key=lambda e: e.link)
    ranked = sorted(
        (tuple(sorted(group, key=lambda e: (sources.get(e.source, len(sources)), e.guid))) for group in groups),
        key=lambda g: (picks.get(g[0].link, len(picks)), -when(g[0]).timestamp(), g[0].link),
    )
    taken: list[tuple[FeedEntry, ...]] = []
    per_source: defaultdict[str, int] = defaultdict(int)
    for group in ranked:
        first = group[0]
        if len(taken) == publication.max_elsewhere:
            break
        if first.link in picks or per_source[first.source] < limits.get(first.source, publication.max_elsewhere):
            taken.append(group)
            per_source[first.source] += 1
    return tuple(taken)


def _said_in(entry: FeedEntry, month: Month, zone: ZoneInfo) -> bool:
    """Published in the month; or seen in it, when the date is absent or was only just before it."""
    seen = Month.of(entry.first_seen.astimezone(zone))
    said = Month.of(entry.published.astimezone(zone)) if entry.published else seen
    return said == month or (seen == month and said == month.shift(-1))


def _elsewhere_items(
    chosen: Iterable[tuple[FeedEntry, ...]], collected: Collected, note: EditorNote | None
) -> tuple[ElsewhereItem, ...]:
    names = {source.id: source.name for source in collected.sources}
    why = {pick.link: pick.why for pick in note.elsewhere} if note else {}
    items = []
    for group in chosen:
        first = group[0]
        told_by = dict.fromkeys(names.get(entry.source, entry.source) for entry in group)
        name, *also = told_by
        items.append(
            ElsewhereItem(
                title=first.title,
                link=first.link,
                source=name,
                summary=first.summary,
                language=first.language,
                why=why.get(first.link, ""),
                also=tuple(also),
            )
        )
    return tuple(items)


# --- order -----------------------------------------------------------------


def _ranking(order: tuple[str, ...]) -> Callable[[str], int]:
    """The position that editors gave to an id or slug; what they did not name comes after."""
    positions = {name.lower(): position for position, name in enumerate(order)}
    return lambda name: positions.get(name.lower(), len(positions))


def _grouped(items: Iterable[T], *, key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items with equal keys together: the versions of one thing."""
    groups: defaultdict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())
