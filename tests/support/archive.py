"""A sample archive with everything in it: two languages, a fall-back, a withdrawn article, aliases, two editions.

Also what tests ask of built pages: their links, their ids, whether their tags balance.
"""

# ruff: noqa: RUF001 -- French and good English have typographic apostrophes

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from newsletter.model import Article, Month, PublishedEdition, Status
from newsletter.render.environment import Templates
from newsletter.render.site import Site
from newsletter.render.web import render_site
from tests.support.content import EN, FR, article
from tests.support.samples import ARTICLE, sample_publication, sample_report

SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)


def sample_site(**changes: Any) -> Site:
    """What ``sample_publication`` has published so far."""
    values: dict[str, Any] = {
        "publication": replace(sample_publication(), themes=THEMES),
        "articles": sample_articles(),
        "editions": (edition(SEPTEMBER, previous=None), edition(OCTOBER, previous="a" * 64)),
    }
    return Site(**(values | changes))


def sample_articles() -> tuple[Article, ...]:
    """Four articles: translated, untranslated, moved here from elsewhere, withdrawn."""
    social = article(
        "social-media-dos-and-donts",
        title="Social media: your voice, our name",
        summary="A birthday cake, a whiteboard and a result that nobody was to see yet.",
        body=ARTICLE,
        authors=("Computer Security Team",),
        themes=("social-media", "phishing"),
        aliases=("/old/social-media/", "/bulletin.html"),
    )
    french = replace(
        social,
        language=FR,
        title="Réseaux sociaux : votre voix, notre nom",
        summary="Un gâteau d’anniversaire, un tableau blanc et un résultat que personne ne devait encore voir.",
        body="Au printemps dernier, une photo.\n\n## Qui parle ?\n\nGardez deux voix[^1].\n\n[^1]: Au moins deux.\n",
        path="articles/2026/social-media-dos-and-donts.fr.md",
        aliases=("/old/social-media/", "/ancien/"),
        translates=social.digest,
    )
    sign_in = article(
        "the-sign-in-you-did-not-start",
        "2026-10-01",
        title="The sign-in you did not start",
        body="The page was genuine.\n\n```\nhxxps://example[.]com/" + "a" * 90 + "\n```\n\n" + WIDE_TABLE,
        themes=("phishing", "accounts"),
        updated=date(2026, 10, 4),
    )
    stick = article(
        "usb-stick-found",
        "2019-06-04",
        title="Finders, please don’t be keepers",
        themes=("devices",),
        canonical="https://bulletin.meridian.example/2019/usb-stick",
        license="CC0 1.0",
    )
    macros = article(
        "macros", "2021-02-02", title="Macros & other habits", status=Status.WITHDRAWN, themes=("devices",)
    )
    return social, french, sign_in, stick, macros


def edition(month: Month, *, previous: str | None) -> PublishedEdition:
    """A released edition; its letters are short, since only their bytes matter here."""
    return PublishedEdition(
        month=month,
        digest=("a" if previous is None else "b") * 64,
        previous=previous,
        released=datetime(month.year, month.month + 1, 3, 8, 0, tzinfo=UTC),
        reports={
            EN: replace(sample_report(), month=month),
            FR: replace(sample_report(language=FR), month=month),
        },
        files={
            f"{language}.{kind}": f"<p>{month} {language} {kind}".encode()
            for language in (EN, FR)
            for kind in ("html", "txt", "eml")
        },
    )


def build(site: Site | None = None) -> dict[str, bytes]:
    """Every file of the archive, by path."""
    return {page.path: page.content for page in render_site(site or sample_site(), Templates([]))}


def text_of(pages: Mapping[str, bytes], path: str) -> str:
    """A page as text."""
    return pages[path].decode()


# --- looking at pages -----------------------------------------------------------------

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
OURS = "as-sent"  # those files are what was mailed, not pages of the archive
FORM = re.compile(r"(?:en|fr)/(?:subscribe|preferences)/(?:index\.html)?")  # what the application answers, and no file


class Outline(HTMLParser):
    """Links, ids and faults of a page: a tag that is never closed, an id that stands twice."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id") in self.ids:
            self.faults.append(f"id {values['id']!r} stands twice")
        if values.get("id"):
            self.ids.add(values["id"] or "")
        if tag in ("a", "link", "img"):
            self.links += [value for name in ("href", "src") if (value := values.get(name))]
        if tag == "script" or "style" in values:
            self.faults.append(f"<{tag}> with script or inline style")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


def outlines(pages: Mapping[str, bytes]) -> dict[str, Outline]:
    """The outline of every HTML page of ours."""
    return {
        path: Outline(content.decode())
        for path, content in pages.items()
        if path.endswith(".html") and OURS not in path
    }


def dead_links(pages: Mapping[str, bytes], base_url: str) -> list[str]:
    """Every link of every page into the archive (relative, or absolute below ``base_url``) that nothing answers."""
    seen = outlines(pages)
    host = "/".join(base_url.split("/", 3)[:3])
    prefix = urlsplit(base_url).path.rstrip("/") + "/"
    dead = []
    for path, outline in seen.items():
        for link in outline.links:
            address = urljoin(host + prefix + path.removesuffix("index.html"), link)
            parts = urlsplit(address)
            if not address.startswith(host + "/"):
                continue
            target = _file(unquote(parts.path), prefix)
            anchor = unquote(parts.fragment)
            if FORM.fullmatch(target):
                continue
            if target not in pages or (anchor and anchor not in seen[target].ids):
                dead.append(f"{path}: {link}")
    return dead


def _file(address: str, prefix: str) -> str:
    if not address.startswith(prefix):
        return f"outside of {prefix}: {address}"
    path = address.removeprefix(prefix)
    return f"{path}index.html" if not path or path.endswith("/") else path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on a loopback port, as any static host would serve it; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


THEMES = {
    "accounts": {EN: "Accounts and passwords", FR: "Comptes et mots de passe"},
    "phishing": {EN: "Phishing", FR: "Hameçonnage"},
    "social-media": {EN: "Social media", FR: "Réseaux sociaux"},
    "devices": {EN: "Devices", FR: "Appareils"},
    "travel": {EN: "Travel"},
}

WIDE_TABLE = (
    "| "
    + " | ".join(f"Column number {n}" for n in range(12))
    + " |\n"
    + "| --- " * 12
    + "|\n"
    + "| value " * 12
    + "|\n"
)
