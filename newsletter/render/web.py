"""The archive's pages: a site in, every file of the archive out. Pure, and the same bytes on any day.

``newsletter.publish.archive`` writes them. Every language has every page; what was never translated is shown in the
language in which it exists, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from newsletter.model import article_path, report_path
from newsletter.render.atom import feed_page
from newsletter.render.charts import bars
from newsletter.render.moves import moves, redirect_list, redirect_pages
from newsletter.render.press import Press
from newsletter.render.site import ASSETS, INDEXES, LEAVES, Page, refuse_above_clear, shelve
from newsletter.render.view import letter_view
from newsletter.render.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from newsletter.model import Language, Publication
    from newsletter.render.environment import Templates
    from newsletter.render.site import Issue, Link, Shelf, Shown, Site

LEADING_ARTICLES: Final = 3
FRONT_ARTICLES: Final = 10
AS_SENT: Final = ("html", "txt", "eml")


def render_site(site: Site, templates: Templates) -> Iterator[Page]:
    """Every file of the archive, one at a time; within a rank in an order that never links ahead of itself.

    Raises:
        HandlingError: at once, if something is not for everybody.
        ContentError: while iterating, if an alias takes an address that is in use.
        ConfigError: while iterating, if a template is broken.
    """
    refuse_above_clear(site)
    return _pages(site, Press(site.publication, templates))


def _pages(site: Site, press: Press) -> Iterator[Page]:
    shelves = [shelve(site, language, press.prefix) for language in site.publication.languages]
    leaves = chain.from_iterable(
        chain(_pictures(site, shelf), _article_pages(press, shelf), _report_pages(press, shelf)) for shelf in shelves
    )
    lists = chain.from_iterable(_list_pages(press, shelf) for shelf in shelves)
    taken: set[str] = set()
    for page in chain([press.stylesheet, press.icon], leaves, lists):
        taken.add(page.path)
        yield page
    last = [*_lone_pages(press, shelves), *(_front_page(press, shelf) for shelf in shelves), _door(press)]
    moved = tuple(moves(site.articles, shelves, taken | {page.path for page in last}))
    yield from redirect_pages(press, moved)
    yield redirect_list(press, moved)
    yield from last


# --- articles -----------------------------------------------------------------


def _pictures(site: Site, shelf: Shelf) -> Iterator[Page]:
    """In every language, where a page shows them: its text may be one that falls back."""
    slugs = {shown.article.slug for shown in shelf.articles}
    for (slug, name), content in site.pictures.items():
        if slug in slugs:
            yield Page(f"{shelf.language}/articles/{slug}/{name}", content, ASSETS)


def _article_pages(press: Press, shelf: Shelf) -> Iterator[Page]:
    for position, shown in enumerate(shelf.articles):
        newer = shelf.articles[position - 1] if position else None
        older = shelf.articles[position + 1] if position + 1 < len(shelf.articles) else None
        yield article_page(press, shelf, shown, newer=newer, older=older)


def article_page(press: Press, shelf: Shelf, shown: Shown, *, newer: Shown | None, older: Shown | None) -> Page:
    """One article's page in one language."""
    article, language = shown.article, shelf.language
    own = press.publication.url(article_path(article.language, article.slug))
    tail = f"articles/{article.slug}/"
    return press.page(
        "article.html",
        language,
        tail,
        LEAVES,
        section="articles",
        canonical=article.canonical or own,
        translated=shown.languages,
        indexed=not shown.withdrawn,
        shown=shown,
        own_address=own,
        authors=article.authors or (words(language).sentence(press.team(language)),),
        body=press.html(language, article.body, pictures=shown.href),
        license=article.license or press.publication.license,
        translations=_translations(press, tail, language, shown.languages),
        report_href=press.url(f"/{language}/reports/"),
        newer=newer,
        older=older,
    )


def _translations(
    press: Press, tail: str, language: Language, existing: tuple[Language, ...]
) -> tuple[tuple[Language, Link], ...]:
    return tuple(pair for pair in press.languages_of(tail, language) if pair[0] in existing)


# --- reports -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of the letter as it was sent, with the digest that ``sha256sum`` prints."""

    name: str
    href: str
    digest: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Column:
    """A month of the column chart; ``height`` is in percent of the highest."""

    initial: str
    full: str
    count: str
    height: int


def _report_pages(press: Press, shelf: Shelf) -> Iterator[Page]:
    for position, issue in enumerate(shelf.issues):
        newer = shelf.issues[position - 1] if position else None
        older = shelf.issues[position + 1] if position + 1 < len(shelf.issues) else None
        for file in _sent_files(issue):
            yield Page(f"{shelf.language}/{_report_tail(issue)}{file.name}", file.content, LEAVES)
        yield report_page(press, shelf, issue, newer=newer, older=older)


def report_page(press: Press, shelf: Shelf, issue: Issue, *, newer: Issue | None, older: Issue | None) -> Page:
    """One report's page in one language."""
    tail = _report_tail(issue)
    return press.page(
        "report.html",
        shelf.language,
        tail,
        LEAVES,
        section="reports",
        canonical=press.publication.url(report_path(issue.report.language, issue.month)),
        translated=issue.languages,
        issue=issue,
        letter=letter_view(issue.report, press.publication, words(shelf.language)),
        body=_report_body(press, shelf, issue),
        released=_released(press, issue),
        translations=_translations(press, tail, shelf.language, issue.languages),
        as_sent=tuple(_sent_files(issue)),
        newer=newer,
        older=older,
    )


def _report_tail(issue: Issue) -> str:
    return f"reports/{issue.month}/"


def _report_body(press: Press, shelf: Shelf, issue: Issue) -> Markup:
    """A report's sections, as on its page: no frame around them, so that the feed can print them too."""
    report = issue.report
    letter = letter_view(report, press.publication, words(shelf.language))
    hrefs = {shown.article.slug: shown.href for shown in shelf.articles}
    counts = [count for _, count in report.figures.history]
    heights = bars(counts, max(counts, default=0))
    html = press.render(
        shelf.language,
        "report_body.html",
        imported=issue.edition.imported,
        letter=letter,
        total=words(shelf.language).number(report.figures.total.now),
        # An article may have left the files since; then its name stays, without a link into nothing.
        articles=[
            (view, item.slug, hrefs.get(item.slug)) for view, item in zip(letter.articles, report.articles, strict=True)
        ],
        history=[
            Column(point.initial, point.full, point.count, height)
            for point, height in zip(letter.figures.history, heights, strict=True)
        ],
    )
    return Markup(html)  # noqa: S704 -- our own template, escaped


def _sent_files(issue: Issue) -> Iterator[SentFile]:
    for kind in AS_SENT:
        content = issue.edition.files.get(f"{issue.report.language}.{kind}")
        if content is not None:
            name = f"as-sent.{kind}"
            yield SentFile(name, issue.href + name, sha256(content).hexdigest(), content)


def _released(press: Press, issue: Issue) -> date:
    return issue.edition.released.astimezone(ZoneInfo(press.publication.zone)).date()


# --- lists -----------------------------------------------------------------


def _list_pages(press: Press, shelf: Shelf) -> Iterator[Page]:
    language = shelf.language
    for theme in shelf.themes:
        tail = theme.href.removeprefix(press.url(f"/{language}/"))
        yield press.page("theme.html", language, tail, INDEXES, section="themes", theme=theme)
    for year in shelf.years:
        yield press.page("year.html", language, f"{year.year}/", INDEXES, year=year, years=shelf.years)
    yield press.page("themes.html", language, "themes/", INDEXES, section="themes", themes=shelf.themes)
    yield press.page(
        "articles.html",
        language,
        "articles/",
        INDEXES,
        section="articles",
        total=len(shelf.articles),
        years=[year for year in shelf.years if year.articles],
    )
    yield press.page(
        "reports.html",
        language,
        "reports/",
        INDEXES,
        section="reports",
        total=len(shelf.issues),
        years=[year for year in shelf.years if year.issues],
    )
    yield feed_page(press, shelf, lambda issue: _report_body(press, shelf, issue))


def _front_page(press: Press, shelf: Shelf) -> Page:
    return press.page(
        "front.html",
        shelf.language,
        "",
        INDEXES,
        latest=shelf.issues[0] if shelf.issues else None,
        lead=shelf.current[:LEADING_ARTICLES],
        more=shelf.current[LEADING_ARTICLES:FRONT_ARTICLES],
        total=len(shelf.articles),
        themes=[theme for theme in shelf.themes if theme.articles],
        years=shelf.years,
        standfirst=press.said(press.publication.description, shelf.language) or press.publication.organisation,
    )


# --- what has no language -----------------------------------------------------------------


def _lone_pages(press: Press, shelves: Sequence[Shelf]) -> Iterator[Page]:
    publication = press.publication
    addresses = list(_sitemap(publication, shelves))
    sitemap = press.render(publication.first_language, "sitemap.xml", addresses=addresses)
    robots = press.render(publication.first_language, "robots.txt", sitemap=publication.url("/sitemap.xml"))
    lost = [Markup(press.render(one, "lost.html", language=one)) for one in publication.languages]  # noqa: S704 -- ours
    yield Page("sitemap.xml", sitemap.encode(), INDEXES)
    yield Page("robots.txt", robots.encode(), INDEXES)
    yield press.lone_page("404.html", "404.html", canonical="", lost=lost)


def _sitemap(publication: Publication, shelves: Sequence[Shelf]) -> Iterator[tuple[str, date | None]]:
    """Each text once, where it really is, with the day of its last change; no redirect, nothing withdrawn."""
    yield publication.url("/"), None
    for shelf in shelves:
        for tail in ("", "reports/", "articles/", "themes/"):
            yield publication.url(f"/{shelf.language}/{tail}"), None
        for issue in shelf.issues:
            if not issue.falls_back:
                yield publication.url(report_path(shelf.language, issue.month)), issue.edition.released.date()
        for shown in shelf.current:
            article = shown.article
            if not shown.falls_back and not article.canonical:
                yield publication.url(article_path(article.language, article.slug)), article.updated or article.date


def _door(press: Press) -> Page:
    """The page at the base address. Nobody guesses a reader's language here: it asks."""
    publication = press.publication
    doors = [
        (language, press.version("", language), press.said(publication.description, language))
        for language in publication.languages
    ]
    return press.lone_page("root.html", "index.html", canonical=publication.url("/"), doors=doors)
