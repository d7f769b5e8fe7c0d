"""What the archive shows, per language: articles, monthly reports, and both of them by year and by theme. Pure.

The archive is a function of files: the same site always gives the same shelves, whatever the day.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from babel.dates import format_skeleton

from newsletter.errors import HandlingError
from newsletter.handling import may_read
from newsletter.model import (
    PUBLIC,
    PUBLIC_AUDIENCE,
    Status,
    article_path,
    report_path,
    theme_path,
    year_path,
)
from newsletter.render.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from newsletter.model import Article, Language, Month, Publication, PublishedEdition, Report, Tlp

# Publishing follows this order, so that no index links to a page that is not there yet.
ASSETS: Final = 0
LEAVES: Final = 1
INDEXES: Final = 2

WORDS_PER_MINUTE: Final = 220


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the archive; ``path`` is relative to its folder: en/articles/passwords/index.html."""

    path: str
    content: bytes
    rank: int


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that the archive is made of: CLEAR articles in all languages (no drafts), and released editions.

    ``pictures`` has the bytes of the articles' pictures by slug and file name.
    """

    publication: Publication
    articles: tuple[Article, ...]
    editions: tuple[PublishedEdition, ...]
    pictures: Mapping[tuple[str, str], bytes] = field(default_factory=dict)


# --- what templates see -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """A name, and where it leads."""

    text: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An article as the pages of one language show it: in that language, or in one in which it exists.

    ``languages`` are those in which it really exists. ``stale`` is a translation of a text that changed since.
    ``day`` is its date without the year: 6 Oct.
    """

    article: Article
    page_language: Language
    languages: tuple[Language, ...]
    href: str
    day: str
    themes: tuple[Link, ...]
    stale: bool

    @property
    def falls_back(self) -> bool:
        """Whether it is missing in the language of the page."""
        return self.article.language != self.page_language

    @property
    def withdrawn(self) -> bool:
        """Whether its page only answers, and no list recommends it."""
        return self.article.status is Status.WITHDRAWN

    @property
    def minutes(self) -> int:
        """How long reading it takes, at 220 words a minute."""
        return max(1, round(len(re.findall(r"\w+", self.article.body)) / WORDS_PER_MINUTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A monthly report as the pages of one language show it; ``name`` says which month it is of."""

    edition: PublishedEdition
    report: Report
    page_language: Language
    languages: tuple[Language, ...]
    href: str
    name: str

    @property
    def month(self) -> Month:
        """The month that it covers."""
        return self.edition.month

    @property
    def falls_back(self) -> bool:
        """Whether it is missing in the language of the page."""
        return self.report.language != self.page_language

    @property
    def title(self) -> str:
        """The title that its editors gave it, else its name."""
        return self.report.title or self.name

    @property
    def full_title(self) -> str:
        """Title and name, for where it stands alone."""
        return ": ".join(filter(None, (self.report.title, self.name)))

    @property
    def title_language(self) -> Language:
        """The language of ``title``."""
        return self.report.note_language if self.report.title else self.page_language


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme, and its articles, newest first."""

    name: str
    href: str
    articles: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Year:
    """A year: its monthly reports and its articles, newest first; withdrawn articles too."""

    year: int
    href: str
    issues: tuple[Issue, ...]
    articles: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The archive in one language, newest first. ``articles`` has all of them, ``current`` those not withdrawn."""

    language: Language
    articles: tuple[Shown, ...]
    issues: tuple[Issue, ...]
    themes: tuple[Theme, ...]
    years: tuple[Year, ...]

    @property
    def current(self) -> tuple[Shown, ...]:
        """The articles that lists recommend."""
        return tuple(shown for shown in self.articles if not shown.withdrawn)


# --- shelving -----------------------------------------------------------------


def refuse_above_clear(site: Site) -> None:
    """HandlingError if anything here is not for everybody: a stricter label, a closed audience, a draft."""
    refused = sorted({f"{name} is {why}" for name, why in _not_public(site)})
    if refused:
        raise HandlingError("the archive is public and shows TLP:CLEAR only, but " + "; ".join(refused))


def _not_public(site: Site) -> Iterator[tuple[str, str]]:
    labels: list[tuple[str, Tlp]] = [(article.path, article.tlp) for article in site.articles]
    for edition in site.editions:
        for language, report in edition.reports.items():
            name = f"the report {edition.month} ({language})"
            if report.audience != PUBLIC:
                yield name, f"for the audience {report.audience!r}"
            labels.append((name, report.tlp))
            labels += [(f"{item.id} in {name}", item.tlp) for item in report.incidents]
            labels += [(f"{item.slug} in {name}", item.tlp) for item in report.articles]
    for name, label in labels:
        if not may_read(PUBLIC_AUDIENCE, label):
            yield name, str(label)
    for article in site.articles:
        if article.status is Status.DRAFT:
            yield article.path, "a draft"


def shelve(site: Site, language: Language, prefix: str) -> Shelf:
    """The archive in one language. ``prefix`` is the path of the base address, which every link begins with."""
    publication = site.publication
    articles = tuple(_shown(versions, language, publication, prefix) for versions in _by_slug(site.articles))
    articles = tuple(sorted(articles, key=lambda s: (-s.article.date.toordinal(), s.article.slug)))
    issues = tuple(
        _issue(edition, language, publication, prefix)
        for edition in sorted(site.editions, key=lambda e: e.month, reverse=True)
        if edition.reports
    )
    return Shelf(
        language=language,
        articles=articles,
        issues=issues,
        themes=tuple(_themes(articles, language, publication, prefix)),
        years=tuple(_years(articles, issues, language, prefix)),
    )


VersionT = TypeVar("VersionT")


def _by_slug(articles: Iterable[Article]) -> Iterable[list[Article]]:
    versions: defaultdict[str, list[Article]] = defaultdict(list)
    for article in articles:
        versions[article.slug].append(article)
    return versions.values()


def _best(versions: dict[Language, VersionT], language: Language, publication: Publication) -> VersionT:
    """In this language, else in the site's first one, else in the first in which it exists."""
    return next(versions[one] for one in (language, *publication.languages, *versions) if one in versions)


def _existing(versions: dict[Language, VersionT], publication: Publication) -> tuple[Language, ...]:
    return tuple(language for language in publication.languages if language in versions)


def _shown(versions: Iterable[Article], language: Language, publication: Publication, prefix: str) -> Shown:
    by_language = {article.language: article for article in versions}
    article = _best(by_language, language, publication)
    original = _best(by_language, publication.first_language, publication)
    return Shown(
        article=article,
        page_language=language,
        languages=_existing(by_language, publication),
        href=prefix + article_path(language, article.slug),
        day=format_skeleton("MMMd", article.date, locale=words(language).locale),
        themes=tuple(
            Link(_theme_name(theme, language, publication), prefix + theme_path(language, theme))
            for theme in article.themes
        ),
        stale=article.translates is not None and article.translates != original.digest,
    )


def _issue(edition: PublishedEdition, language: Language, publication: Publication, prefix: str) -> Issue:
    speech = words(language)
    return Issue(
        name=speech.gettext("Monthly Report, %(month)s") % {"month": speech.month(edition.month)},
        edition=edition,
        report=_best(edition.reports, language, publication),
        page_language=language,
        languages=_existing(edition.reports, publication),
        href=prefix + report_path(language, edition.month),
    )


def _theme_name(theme: str, language: Language, publication: Publication) -> str:
    names = publication.themes.get(theme, {})
    return names.get(language) or names.get(publication.first_language) or theme


def _themes(articles: Sequence[Shown], language: Language, publication: Publication, prefix: str) -> Iterator[Theme]:
    """Every theme of the settings in their order, empty ones too since their addresses stay; then any others in use."""
    by_theme: defaultdict[str, list[Shown]] = defaultdict(list)
    for shown in articles:
        if not shown.withdrawn:
            for theme in shown.article.themes:
                by_theme[theme].append(shown)
    used = {theme for shown in articles for theme in shown.article.themes}
    for theme in (*publication.themes, *sorted(used - publication.themes.keys())):
        name = _theme_name(theme, language, publication)
        yield Theme(name, prefix + theme_path(language, theme), tuple(by_theme[theme]))


def _years(articles: Sequence[Shown], issues: Sequence[Issue], language: Language, prefix: str) -> Iterator[Year]:
    years = {shown.article.date.year for shown in articles} | {issue.month.year for issue in issues}
    for year in sorted(years, reverse=True):
        yield Year(
            year,
            prefix + year_path(language, year),
            tuple(issue for issue in issues if issue.month.year == year),
            tuple(shown for shown in articles if shown.article.date.year == year),
        )
