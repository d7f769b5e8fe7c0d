"""The Atom feed of one language (RFC 4287): the newest articles and reports in full, with dates from content only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from newsletter.render.site import INDEXES, Page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from newsletter.render.press import Press
    from newsletter.render.site import Issue, Shelf, Shown

MAX_FEED_ENTRIES: Final = 40
# What XML 1.0 cannot carry at all, section 2.2.
NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONG_AGO: Final = "1970-01-01T00:00:00Z"  # a feed must have a date, even one without entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry. Its address in this feed's language is also its id, so a translation that arrives updates it."""

    address: str
    language: str
    title: str
    published: str
    updated: str
    authors: tuple[str, ...]
    themes: tuple[tuple[str, str], ...]
    summary: str
    content: Markup


def feed_page(press: Press, shelf: Shelf, report_body: Callable[[Issue], Markup]) -> Page:
    """The feed at /language/feed.xml; ``report_body`` renders a report as its page does."""
    publication, language = press.publication, shelf.language
    host = publication.base_url.removesuffix(press.prefix)
    entries = [
        *(_article(press, shown, host) for shown in shelf.articles[:MAX_FEED_ENTRIES]),
        *(_report(press, issue, host, report_body) for issue in shelf.issues[:MAX_FEED_ENTRIES]),
    ]
    entries.sort(key=lambda entry: (entry.published, entry.address), reverse=True)
    xml = press.render(
        language,
        "feed.xml",
        language=language,
        address=publication.url(f"/{language}/feed.xml"),
        front=publication.url(f"/{language}/"),
        author=press.team(language),
        entries=entries[:MAX_FEED_ENTRIES],
        updated=max((entry.updated for entry in entries[:MAX_FEED_ENTRIES]), default=LONG_AGO),
    )
    return Page(f"{language}/feed.xml", NO_XML.sub("", xml).encode(), INDEXES)


def _article(press: Press, shown: Shown, host: str) -> Entry:
    article = shown.article
    return Entry(
        address=host + shown.href,
        language=article.language,
        title=article.title,
        published=_midnight(article.date),
        updated=_midnight(article.updated or article.date),
        authors=article.authors or (press.team(shown.page_language),),
        themes=tuple((name, link.text) for name, link in zip(article.themes, shown.themes, strict=True)),
        summary=article.summary,
        content=_full_text(press, shown, host),
    )


def _full_text(press: Press, shown: Shown, host: str) -> Markup:
    if shown.withdrawn:
        return Markup(press.render(shown.page_language, "withdrawn.html"))  # noqa: S704 -- our own template
    return press.html(shown.page_language, shown.article.body, pictures=host + shown.href)


def _report(press: Press, issue: Issue, host: str, report_body: Callable[[Issue], Markup]) -> Entry:
    return Entry(
        address=host + issue.href,
        language=issue.page_language,
        title=issue.full_title,
        published=_moment(issue.edition.released),
        updated=_moment(issue.edition.released),
        authors=(press.team(issue.page_language),),
        themes=(),
        summary=" ".join(issue.report.in_brief),
        content=report_body(issue),
    )


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
