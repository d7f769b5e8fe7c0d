"""What every page of the archive has in common: its head, its addresses, its style sheet, its Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from html import unescape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from newsletter.html import to_html
from newsletter.model import Tlp, subscribe_path
from newsletter.render.colours import readable
from newsletter.render.site import ASSETS, INDEXES, Link, Page
from newsletter.render.words import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from newsletter.model import Language, Publication
    from newsletter.render.environment import Templates

# What the pages need, which is next to nothing. frame-ancestors works in a header only: the server adds it.
POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"
NO_LANGUAGE: Final = "x-default"

LIGHT: Final = {"paper": "#fbfaf7", "wash": "#f3f1ec", "ink": "#1f1d1a", "quiet": "#5b5750", "line": "#d9d5cc"}
DARK: Final = {"paper": "#16181b", "wash": "#1f2226", "ink": "#e9e6e0", "quiet": "#aba79f", "line": "#3c3f44"}

# As comrak and nh3 write it: the source goes where it was a remote one, quotation marks are escaped inside values.
_PICTURE: Final = re.compile(r'<img(?: src="[^"]*")?(?: alt="([^"]*)")?(?: title="[^"]*")?>')

# What comrak calls the link from a footnote back to the text: "Back to reference 1".
_BACK: Final = re.compile(r'(<a\b[^>]* aria-label=")Back to reference')


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the layout prints around a page. Addresses in ``alternates`` and ``canonical`` are absolute.

    ``subscribe`` leads to the form, which the application answers; empty where the site has none, and on its own pages.
    """

    language: Language
    section: str
    team: str
    canonical: str
    indexed: bool
    is_front: bool
    alternates: tuple[tuple[str, str], ...]
    switch: tuple[tuple[Language, Link], ...]
    feeds: tuple[Link, ...]
    stylesheet: str
    icon: str
    policy: str = POLICY
    label: str = str(Tlp.CLEAR)
    subscribe: str = ""


class Press:
    """Renders the pages of one publication. Links are root-relative and begin with the base address's path.

    ``prefix`` replaces that path where the pages are looked at elsewhere for a while.
    """

    def __init__(self, publication: Publication, templates: Templates, *, prefix: str | None = None) -> None:
        self.publication = publication
        self.prefix = urlsplit(publication.base_url).path.rstrip("/") if prefix is None else prefix
        self._templates = templates
        light = LIGHT | {"accent": readable(publication.accent, LIGHT["wash"])}
        dark = DARK | {"accent": readable(publication.accent_dark, DARK["wash"])}
        self.stylesheet = self._asset("style.css", light=light, dark=dark, label=str(Tlp.CLEAR))
        self.icon = self._asset("icon.svg", accent=light["accent"])

    def url(self, path: str) -> str:
        """The address to link to, for a path below the base: /en/ is /security/en/ where the base says so."""
        return self.prefix + path

    def html(
        self, language: Language, text: str, heading_shift: int = 0, id_prefix: str = "", *, pictures: str = ""
    ) -> Markup:
        """Markdown as clean HTML on a page of this language; links that begin with a slash count from the base.

        ``pictures`` is the address of the article that the text's pictures stand beside. Without one their words
        stand for them, as in a letter: a report may be read when its articles' files have long been others.
        """
        html = to_html(text, heading_shift=heading_shift, id_prefix=id_prefix)
        if self.prefix:
            html = re.sub(r'(<(?:a|img)\b[^>]*?\s(?:href|src)=")/(?!/)', rf"\g<1>{self.prefix}/", html)
        # After the base, which the address has in it.
        html = html.replace('<img src="', f'<img src="{escape(pictures)}') if pictures else _PICTURE.sub(_told, html)
        speech = words(language)
        back = escape(speech.gettext("Back to reference"))
        html = _BACK.sub(rf"\g<1>{back}", html)
        name = escape(speech.gettext("Table"))
        # A wide table scrolls by itself, by keyboard too (WCAG 2.1.1), so that the page need not (1.4.10).
        html = html.replace("<table>", f'<div class="scroll" role="group" aria-label="{name}" tabindex="0"><table>')
        return Markup(html.replace("</table>", "</table></div>"))  # noqa: S704 -- to_html cleaned it, and this is ours

    def said(self, texts: Mapping[Language, str], language: Language) -> str:
        """A text of the settings in this language, else in the first one, else nothing."""
        return texts.get(language) or texts.get(self.publication.first_language, "")

    def team(self, language: Language) -> str:
        """Who signs."""
        return self.said(self.publication.team, language) or self.publication.organisation

    def contact_link(self) -> Markup:
        """The contact address, as a link that shows where it leads."""
        return Markup('<a href="mailto:{0}">{0}</a>').format(self.publication.contact)

    def languages_of(self, tail: str, language: Language) -> tuple[tuple[Language, Link], ...]:
        """The same page in the other languages: every page has one."""
        others = (other for other in self.publication.languages if other != language)
        return tuple((other, self.version(tail, other)) for other in others)

    def version(self, tail: str, language: Language) -> Link:
        """The page at /language/tail, under the language's own name for itself."""
        speech = words(language)
        return Link(speech.sentence(speech.language_name(language)), self.url(f"/{language}/{tail}"))

    def render(self, language: Language, name: str, /, **values: Any) -> str:
        """A template below web/, with what all of them need."""
        common = {"publication": self.publication, "url": self.url, "html": partial(self.html, language)}
        return self._templates.render(language, f"web/{name}", **common, **values)

    def page(
        self,
        name: str,
        language: Language,
        tail: str,
        rank: int,
        *,
        section: str = "",
        canonical: str = "",
        translated: tuple[Language, ...] | None = None,
        indexed: bool = True,
        **values: Any,
    ) -> Page:
        """The page at /language/tail. ``translated`` are the languages that really have it (default: all)."""
        everywhere = self.publication.languages
        frame = Frame(
            language=language,
            section=section,
            team=self.team(language),
            canonical=canonical or self.publication.url(f"/{language}/{tail}"),
            indexed=indexed,
            is_front=not tail,
            alternates=self._alternates(tail, everywhere if translated is None else translated),
            switch=self.languages_of(tail, language),
            feeds=(self._feed(language),),
            subscribe=self._subscribe(language),
            stylesheet=self.url(f"/{self.stylesheet.path}"),
            icon=self.url(f"/{self.icon.path}"),
        )
        return self._framed(name, f"{language}/{tail}index.html", rank, frame, values)

    def lone_page(self, name: str, path: str, *, canonical: str, **values: Any) -> Page:
        """An index that belongs to no language: the door, and (without an address) the page for what is not there."""
        language = self.publication.first_language
        frame = Frame(
            language=language,
            section="",
            team=self.team(language),
            canonical=canonical,
            indexed=bool(canonical),
            is_front=bool(canonical),
            alternates=self._alternates("", self.publication.languages) if canonical else (),
            switch=(),
            feeds=tuple(self._feed(other) for other in self.publication.languages),
            subscribe=self._subscribe(language),
            stylesheet=self.url(f"/{self.stylesheet.path}"),
            icon=self.url(f"/{self.icon.path}"),
        )
        return self._framed(name, path, INDEXES, frame, values)

    def _framed(self, name: str, path: str, rank: int, frame: Frame, values: dict[str, Any]) -> Page:
        html = self.render(frame.language, name, frame=frame, contact_link=self.contact_link(), **values)
        return Page(path, html.encode(), rank)

    def _feed(self, language: Language) -> Link:
        return Link(f"{self.publication.name} ({language})", self.url(f"/{language}/feed.xml"))

    def _subscribe(self, language: Language) -> str:
        return self.url(subscribe_path(language)) if self.publication.has_forms else ""

    def _alternates(self, tail: str, languages: tuple[Language, ...]) -> tuple[tuple[str, str], ...]:
        """Address by language for machines, and the one for readers of any other language."""
        if len(languages) < 2:  # noqa: PLR2004 -- a pair needs two
            return ()
        pairs = [(str(language), self.publication.url(f"/{language}/{tail}")) for language in languages]
        other = self.publication.url("/") if not tail else pairs[0][1]
        return (*pairs, (NO_LANGUAGE, other))

    def _asset(self, name: str, **values: Any) -> Page:
        """A file that every page needs; its name changes with its bytes, so that no cache shows an old one."""
        content = self.render(self.publication.first_language, name, **values).encode()
        stem, _, kind = name.partition(".")
        return Page(f"{stem}-{sha256(content).hexdigest()[:12]}.{kind}", content, ASSETS)


def _told(picture: re.Match[str]) -> str:
    return Markup("<em>[{}]</em>").format(unescape(picture[1])) if picture[1] else ""
