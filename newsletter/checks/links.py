"""Rules over links: those into our own archive lead somewhere, and none is of a kind that cleaning takes away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from newsletter.checks.rule import Problem
from newsletter.handling import may_read
from newsletter.html import heading_ids, markdown_links
from newsletter.model import PUBLIC_AUDIENCE, Status, article_path, report_path, theme_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from newsletter.checks.house import House
    from newsletter.html import Link
    from newsletter.model import Article, Collected, EditorNote, Incident, Publication

# Months and years need no article to have a page: what was not released yet will be.
_DATED = re.compile(r"(?:reports/\d{4}-\d\d|\d{4})/")
_SECTIONS: Final = ("", "articles/", "reports/", "themes/")
_FORMS: Final = ("subscribe/", "preferences/")


@dataclass(frozen=True, slots=True)
class _Text:
    """A Markdown text: the file, the line in which it begins, the page that it appears on, and whether it does so."""

    path: str
    line: int
    page: str
    markdown: str
    printed: bool

    def links(self) -> tuple[Link, ...]:
        """Its links; most texts have none, and are not parsed."""
        return markdown_links(self.markdown) if "](" in self.markdown or "]:" in self.markdown else ()


def dead(collected: Collected, house: House) -> Iterator[Problem]:
    """Links into the archive, and to headings of the same text, that nothing answers."""
    publication = house.publication
    known = _addresses(collected, publication) | _unseen(collected, publication)
    for text, link, target in _internal(collected, publication):
        if target.startswith("#"):
            if unquote(target[1:]) not in heading_ids(text.markdown):
                fix = f"the headings here are {', '.join(sorted(heading_ids(text.markdown))) or 'none'}"
                yield Problem(text.path, text.line + link.line - 1, f"no heading here is {target}", fix)
        elif not _leads_somewhere(urljoin(text.page, target), known, publication):
            message = f"the link {target} leads to no page that there is"
            fix = "write it like /en/articles/slug/, with the name of an article that is published"
            yield Problem(text.path, text.line + link.line - 1, message, fix)


def hidden(collected: Collected, house: House) -> Iterator[Problem]:
    """Links to articles that exist, but are drafts or above clearance: whoever wrote the link cannot help that."""
    publication = house.publication
    unseen = _unseen(collected, publication) - _addresses(collected, publication)
    for text, link, target in _internal(collected, publication) if unseen else ():
        address = urljoin(text.page, target)
        if not target.startswith("#") and unquote(urlsplit(address).path).rstrip("/") + "/" in unseen:
            message = f"the link {target} leads to a draft, or to what the public may not see: readers find no page"
            fix = "publish that article, or take the link out"
            yield Problem(text.path, text.line + link.line - 1, message, fix)


def unusable(collected: Collected, house: House) -> Iterator[Problem]:
    """Cleaning takes such targets away without a word, so say it here."""
    del house
    for text in _texts(collected):
        for link in text.links():
            if not link.is_kept:
                what = "an image" if link.image else "a link"
                message = f"{what} has a target that readers will not get: {link.target or 'none, or a script'}"
                fix = (
                    "name a file beside the article" if link.image else "use https, http, mailto or a path of this site"
                )
                yield Problem(text.path, text.line + link.line - 1, message, fix)


def wordless(collected: Collected, house: House) -> Iterator[Problem]:
    """An image may be mere ornament, but then mails and screen readers lose it without a trace."""
    del house
    for text in _texts(collected):
        for link in text.links():
            if link.image and not link.alt.strip():
                message = f"the image {link.target} has no words for those who cannot see it"
                fix = "write them between the brackets: ![A handwritten label](label.jpg)"
                yield Problem(text.path, text.line + link.line - 1, message, fix)


def not_shown(collected: Collected, house: House) -> Iterator[Problem]:
    """Only an article has a page that its images stand beside."""
    del house
    articles = {article.path for article in collected.articles}
    for text in _texts(collected):
        for link in text.links() if text.path not in articles else ():
            if link.image:
                message = f"the image {link.target} is shown nowhere: readers get its words instead"
                yield Problem(text.path, text.line + link.line - 1, message, "show it in an article and link to that")


def _internal(collected: Collected, publication: Publication) -> Iterator[tuple[_Text, Link, str]]:
    """Links into the archive, from texts that the public reads.

    Links with our full address are judged when they look like an article's or a theme's: the host may have other pages.
    """
    own = re.compile(re.escape(publication.base_url.rstrip("/")) + r"(?=/[a-z]+/(?:articles|themes)/)")
    for text in _texts(collected):
        for link in text.links() if text.printed else ():
            target = own.sub("", link.target, 1)
            if not link.image and link.is_kept and ":" not in target.partition("/")[0]:
                yield text, link, target


def _addresses(collected: Collected, publication: Publication) -> frozenset[str]:
    """Pages whose existence depends on content: an article has one in every language, falling back."""
    unseen = {a.slug for a in collected.articles if not _is_printed(a)}
    pages = _pages((a for a in collected.articles if a.slug not in unseen), publication)
    themes = {theme_path(language, theme) for theme in publication.themes for language in publication.languages}
    return frozenset({"/"} | pages | themes)


def _unseen(collected: Collected, publication: Publication) -> frozenset[str]:
    """Pages that there would be, if their articles were neither drafts nor above clearance."""
    return _pages((a for a in collected.articles if not _is_printed(a)), publication)


def _pages(articles: Iterable[Article], publication: Publication) -> frozenset[str]:
    chosen = tuple(articles)
    pages = {article_path(language, a.slug) for a in chosen for language in publication.languages}
    return frozenset(pages | {alias.rstrip("/") + "/" for a in chosen for alias in a.aliases})


def _is_printed(item: Article | Incident | EditorNote) -> bool:
    return may_read(PUBLIC_AUDIENCE, item.tlp) and getattr(item, "status", None) is not Status.DRAFT


def _leads_somewhere(address: str, addresses: frozenset[str], publication: Publication) -> bool:
    path = unquote(urlsplit(address).path)
    if "." in path.rpartition("/")[2]:
        return not path.endswith(".md")  # a file: feeds and pictures are not ours to know here; a text has a page
    path = path.rstrip("/") + "/"
    language, _, rest = path.removeprefix("/").partition("/")
    is_index = language in publication.languages and (rest in _SECTIONS or _DATED.fullmatch(rest) is not None)
    is_form = publication.has_forms and language in publication.languages and rest in _FORMS
    return path in addresses or is_index or is_form


def _texts(collected: Collected) -> Iterator[_Text]:
    for article in collected.articles:
        page = article_path(article.language, article.slug)
        yield _Text(article.path, article.lines.get("body", 1), page, article.body, _is_printed(article))
    for incident in collected.incidents:
        page = report_path(incident.language, incident.detected.month)
        for name in ("public_summary", "internal_summary", "lessons", "advice"):
            printed = _is_printed(incident) and name != "internal_summary"
            yield _Text(incident.path, incident.lines.get(name, 1), page, getattr(incident, name), printed)
    for note in collected.notes:
        page = report_path(note.language, note.month)
        yield _Text(note.path, note.lines.get("body", 1), page, note.body, _is_printed(note))
        short = [("in_brief", text) for text in note.in_brief] + [("corrections", text) for text in note.corrections]
        short += [("elsewhere", pick.why) for pick in note.elsewhere]
        short += [("action", note.action.text)] if note.action else []
        for name, markdown in short:
            yield _Text(note.path, note.lines.get(name, 1), page, markdown, _is_printed(note))
