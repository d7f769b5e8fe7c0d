"""What a letter says, decided: templates only print it. They do not filter, count or judge labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from babel import Locale, UnknownLocaleError
from babel.lists import format_list

from newsletter.model import IncidentStatus, Severity, Tlp, article_path, preferences_path, report_path
from newsletter.render.addresses import ascii_address, visible_target
from newsletter.render.charts import figures_view
from newsletter.render.text import one_line
from newsletter.render.words import counted, marked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from newsletter.model import (
        Action,
        ArticleItem,
        ElsewhereItem,
        Extent,
        IncidentItem,
        Language,
        Publication,
        Report,
    )
    from newsletter.render.charts import FiguresView
    from newsletter.render.words import Words

# Longer subjects are cut off by clients, and RFC 5322 section 2.1.1 asks for lines of 78 characters.
MAX_SUBJECT: Final = 78

STATES: Final = {
    IncidentStatus.OPEN: marked("open"),
    IncidentStatus.CONTAINED: marked("contained"),
    IncidentStatus.CLOSED: marked("closed"),
    IncidentStatus.FALSE_POSITIVE: marked("false positive"),
    IncidentStatus.DUPLICATE: marked("duplicate"),
}
UNLIKE_PHISHING: Final = marked(
    "This report has no attachment and no link that asks you to sign in. Whatever looks like it and does is forged: "
    "please tell us."
)
INCIDENTS: Final = counted("%(count)s incident", "%(count)s incidents")
ARTICLES: Final = counted("%(count)s article", "%(count)s articles")
READINGS: Final = counted("%(count)s reading from elsewhere", "%(count)s readings from elsewhere")
PEOPLE: Final = counted("%(extent)s person", "%(extent)s people")
SYSTEMS: Final = counted("%(extent)s system", "%(extent)s systems")

FILLED: Final = "■"
EMPTY: Final = "□"


@dataclass(frozen=True, slots=True)
class Tongue:
    """The language of a text: for ``lang`` and ``dir``, and the notice that it is not the reader's own."""

    code: Language
    direction: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """An incident; ``facts`` are label and value, the three texts are Markdown."""

    id: str
    label: Tlp
    title: str
    tongue: Tongue
    severity: str
    marks: str
    remarks: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    summary: str
    lessons: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleView:
    """An article; ``body`` is Markdown and empty for a teaser, ``label`` is None where CLEAR goes without saying."""

    label: Tlp | None
    title: str
    tongue: Tongue
    byline: str
    summary: str
    url: str
    host: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereView:
    """A link to somebody else's page, its host in plain sight."""

    title: str
    url: str
    host: str
    source: str
    tongue: Tongue
    summary: str
    why: str
    also: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    """The whole letter, section by section, in the order in which it is printed."""

    subject: str
    label: Tlp
    name: str
    organisation: str
    month: str
    dateline: str
    title: str
    lead: str
    tongue: Tongue
    note_tongue: Tongue
    in_brief: tuple[str, ...]
    action: Action | None
    note: str
    signature: str
    quiet: bool
    incidents: tuple[IncidentView, ...]
    figures: FiguresView
    articles: tuple[ArticleView, ...]
    elsewhere: tuple[ElsewhereView, ...]
    restatements: tuple[str, ...]
    corrections: tuple[str, ...]
    team: str
    verify: str
    contact: str
    website: str
    host: str
    own_url: str
    preferences_url: str
    reports_url: str
    articles_url: str


def letter_view(report: Report, publication: Publication, words: Words) -> LetterView:
    """Everything that the letter of ``report`` prints."""
    month = words.month(report.month)
    return LetterView(
        subject=subject(report, publication, words),
        label=report.tlp,
        name=publication.name,
        organisation=publication.organisation,
        month=month,
        dateline=words.sentence(month) if report.title else "",
        title=report.title or words.sentence(month),
        lead=_lead(report, words),
        tongue=_tongue(report.language, words),
        note_tongue=_tongue(report.note_language, words),
        in_brief=report.in_brief,
        action=report.action,
        note=report.note,
        signature=_joined(report.note_authors, words),
        quiet=report.figures.total.now == 0,
        incidents=tuple(_incident(item, words) for item in report.incidents),
        figures=figures_view(report.figures, report.month, words),
        articles=tuple(_article(item, publication, words) for item in report.articles),
        elsewhere=tuple(_elsewhere(item, words) for item in report.elsewhere),
        restatements=_restatements(report, words),
        corrections=report.corrections,
        team=_said(publication.team, report.language, publication) or publication.organisation,
        verify=_said(publication.verify, report.language, publication) or words.gettext(UNLIKE_PHISHING),
        contact=publication.contact,
        website=publication.website,
        host=visible_target(publication.base_url),
        own_url=_own_url(report, publication),
        preferences_url=preferences_url(report.language, publication),
        reports_url=publication.url(f"/{report.language}/reports/"),
        articles_url=publication.url(f"/{report.language}/articles/"),
    )


def subject(report: Report, publication: Publication, words: Words) -> str:
    """Label, name, month and title in one line; the title shortened at a word where the line would grow too long."""
    values = {"label": report.tlp, "name": publication.name, "month": words.month(report.month)}
    head = one_line(words.gettext("%(label)s %(name)s, %(month)s") % values)
    title = one_line(report.title or "")
    if not title:
        return head
    whole = words.gettext("%(head)s: %(title)s")
    room = MAX_SUBJECT - len(whole % {"head": head, "title": ""})
    return whole % {"head": head, "title": _shortened(title, room)} if room > 0 else head


def _shortened(title: str, room: int) -> str:
    if len(title) <= room:
        return title
    kept = title[: room - 1].rpartition(" ")[0] or title[: room - 1]
    return kept.rstrip(" ,;:.\N{EN DASH}\N{NO-BREAK SPACE}") + "\N{HORIZONTAL ELLIPSIS}"


def _lead(report: Report, words: Words) -> str:
    """The first sentence, which mailboxes show beside the subject: what is in it, counted."""
    counts = [
        *(_counted(report.figures.total.now, INCIDENTS, words) or [words.gettext("no incidents")]),
        *_counted(len(report.articles), ARTICLES, words),
        *_counted(len(report.elsewhere), READINGS, words),
    ]
    values = {"month": words.sentence(words.month(report.month)), "contents": _joined(counts, words)}
    return words.gettext("%(month)s: %(contents)s.") % values


def _counted(count: int, forms: tuple[str, str], words: Words) -> list[str]:
    return [words.ngettext(*forms, count) % {"count": words.number(count)}] if count else []


def _tongue(code: Language, words: Words) -> Tongue:
    if code == words.language:
        return Tongue(code, words.locale.text_direction, "")
    notice = words.gettext("This text exists only in %(language)s so far.")
    return Tongue(code, _direction(code), notice % {"language": words.language_name(code)})


def _direction(code: Language) -> str:
    try:
        return str(Locale.parse(code, sep="-").text_direction)
    except (ValueError, UnknownLocaleError):
        return "ltr"


def _joined(parts: Sequence[str], words: Words) -> str:
    """A, B and C."""
    return format_list(list(parts), locale=words.locale) if parts else ""


def _said(texts: Mapping[Language, str], language: Language, publication: Publication) -> str:
    """A text of the settings in this language, else in the site's first one."""
    return texts.get(language) or texts.get(publication.first_language, "")


def preferences_url(language: Language, publication: Publication) -> str:
    """Where anybody asks for the link to their preferences; empty where the site has no forms."""
    return publication.url(preferences_path(language)) if publication.has_forms else ""


def _own_url(report: Report, publication: Publication) -> str:
    """The report's page; what is not public has no address on the web."""
    if report.tlp > Tlp.CLEAR:
        return ""
    return publication.url(report_path(report.language, report.month))


# --- incidents -----------------------------------------------------------------


def _incident(item: IncidentItem, words: Words) -> IncidentView:
    top = len(Severity)
    severity = words.gettext("%(number)s of %(top)s, %(word)s")
    return IncidentView(
        id=item.id,
        label=item.tlp,
        title=item.title,
        tongue=_tongue(item.language, words),
        severity=severity % {"number": int(item.severity), "top": top, "word": words.severity(item.severity)},
        marks=FILLED * item.severity + EMPTY * (top - item.severity),
        remarks=_remarks(item, words),
        facts=_facts(item, words),
        summary=item.summary,
        lessons=item.lessons,
        advice=item.advice,
    )


def _remarks(item: IncidentItem, words: Words) -> tuple[str, ...]:
    remarks = []
    if item.is_exercise:
        remarks.append(words.gettext("Exercise: nothing of this was real, and no figure counts it."))
    if item.late:
        late = words.gettext("Told late: it belongs to %(month)s and came to light after that report.")
        remarks.append(late % {"month": words.month(item.detected.month)})
    return tuple(remarks)


def _facts(item: IncidentItem, words: Words) -> tuple[tuple[str, str], ...]:
    facts = [
        (words.gettext("Class"), words.rsit(item.rsit)),
        (words.gettext("Detected"), words.when(item.detected)),
        (words.gettext("Affected"), _affected(item, words)),
        (words.gettext("Handling"), words.gettext(STATES[item.status])),
        (words.gettext("Vulnerabilities"), ", ".join(item.cves)),
    ]
    return tuple((label, value) for label, value in facts if value)


def _affected(item: IncidentItem, words: Words) -> str:
    """Who and what was hit. Unknown is said, never printed as 0; an exercise hits nobody."""
    parts = [*_extent(item.users_affected, PEOPLE, words), *_extent(item.assets_affected, SYSTEMS, words)]
    if not parts and not item.is_exercise:
        return words.gettext("not known")
    return _joined(parts, words)


def _extent(extent: Extent | None, forms: tuple[str, str], words: Words) -> list[str]:
    return [words.ngettext(*forms, extent.high) % {"extent": words.extent(extent)}] if extent else []


# --- articles, elsewhere, corrections -----------------------------------------------------------------


def _article(item: ArticleItem, publication: Publication, words: Words) -> ArticleView:
    return ArticleView(
        label=item.tlp if item.tlp > Tlp.CLEAR else None,
        title=item.title,
        tongue=_tongue(item.language, words),
        byline=" · ".join(part for part in (words.date(item.date), _joined(item.authors, words)) if part),
        summary=item.summary,
        url=publication.url(article_path(item.language, item.slug)),
        host=visible_target(publication.base_url),
        body=item.body,
    )


def _elsewhere(item: ElsewhereItem, words: Words) -> ElsewhereView:
    url = ascii_address(item.link)
    tongue = _tongue(item.language, words)
    foreign = words.gettext("in %(language)s") % {"language": words.language_name(item.language)}
    also = words.gettext("Also reported by %(sources)s.") % {"sources": _joined(item.also, words)}
    return ElsewhereView(
        title=item.title,
        url=url,
        host=visible_target(url),
        source=f"{item.source}, {foreign}" if tongue.notice else item.source,
        tongue=tongue,
        summary=item.summary,
        why=item.why,
        also=also if item.also else "",
    )


def _restatements(report: Report, words: Words) -> tuple[str, ...]:
    sentence = words.gettext("Incidents in %(month)s: %(now)s instead of %(was)s.")
    return tuple(
        sentence % {"month": words.month(r.month), "now": words.number(r.now), "was": words.number(r.was)}
        for r in report.restatements
    )
