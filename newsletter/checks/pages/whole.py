"""Rules over the archive as a whole: titles, feeds (RFC 4287), the sitemap."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.pages.view import PageView, SiteView
    from newsletter.checks.rule import Problem
    from newsletter.checks.tree import Spot

ATOM: Final = "{http://www.w3.org/2005/Atom}"
SITEMAP: Final = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
MAX_ADDRESSES: Final = 50_000  # of one sitemap, as its protocol says
ADDRESS: Final = re.compile(r"(?:https?://|mailto:|urn:|tag:)\S+")
ONCE: Final = ("id", "title", "updated")
FEED: Final = "feed.xml"
DOOR: Final = "index.html"  # of the whole site: it only leads to the languages, and has their name
LEAVES: Final = re.compile(r"[^/]+/(?:articles|reports)/[^/]+/index\.html")


def titles(site: SiteView, house: House) -> Iterator[Problem]:
    """Two pages of one language never have the same title; copies of a page that is elsewhere do not count."""
    found: dict[tuple[str, str], list[tuple[PageView, Spot]]] = defaultdict(list)
    for page in site:
        if page.headline and page.path != DOOR and page.is_indexed and page.canonical == page.address:
            language, words, node = page.headline
            found[language, words].append((page, node))
    for (_, words), pages in found.items():
        first = pages[0][0]
        source = first.source(house)
        message = f"{words!r} is the title of {source.path if source else first.path} too"
        for page, node in pages[1:]:
            yield page.at_source(house, ("title",), page.at(node, message, "title one of them differently"))


def feeds(site: SiteView, house: House) -> Iterator[Problem]:
    """Readers of any program can follow it, and never see an entry twice or never."""
    del house
    for page in site:
        if page.path.endswith(FEED):
            yield from _feed(page)


def sitemap(site: SiteView, house: House) -> Iterator[Problem]:
    """It names pages that there are, each once, and no article or report is left out."""
    del house
    page = site.pages.get("sitemap.xml")
    if page is None:
        return
    root = _xml(page)
    if root is None:
        yield page.at(None, "the sitemap is no XML", "mend sitemap.xml of the templates")
        return
    named: set[str] = set()
    for number, node in enumerate(root.iter(f"{SITEMAP}loc")):
        address = (node.text or "").strip()
        path, _ = site.target(page, address)
        if path not in site.pages or address in named or number >= MAX_ADDRESSES:
            reason = "stands twice" if address in named else "is no page of the archive"
            yield _line(page, node, f"{address} {reason}", "name each page once")
        named.add(address)
    for one in site:
        is_own = LEAVES.fullmatch(one.path) and one.is_indexed and one.canonical == one.address
        if is_own and one.address not in named:
            yield page.at(None, f"{one.address} is missing", "name each article and each report")


# --- how ------------------------------------------------------------------------------------------------------


def _feed(page: PageView) -> Iterator[Problem]:
    root = _xml(page)
    if root is None or root.tag != f"{ATOM}feed":
        yield page.at(None, "the feed is no Atom", "mend feed.xml of the templates")
        return
    import feedparser  # noqa: PLC0415 -- slow to import, and only an archive needs it

    read = feedparser.parse(page.content)
    if read.bozo:
        yield page.at(None, f"feedparser refuses it: {read.bozo_exception}", "mend feed.xml of the templates")
    yield from _dated(page, root)
    if not any(node.get("rel") == "self" for node in root.findall(f"{ATOM}link")):
        yield _line(page, root, "the feed does not say its own address", 'add <link rel="self" href="...">')
    author = root.find(f"{ATOM}author/{ATOM}name") is not None
    seen: set[str] = set()
    for entry in root.findall(f"{ATOM}entry"):
        yield from _dated(page, entry)
        identity = entry.findtext(f"{ATOM}id") or ""
        if identity in seen:
            yield _line(page, entry, f"a second entry has the id {identity}", "an id names one entry for ever")
        seen.add(identity)
        if not author and entry.find(f"{ATOM}author/{ATOM}name") is None:
            yield _line(page, entry, "an entry without author", "name one in the feed or in each entry")
        links = [node for node in entry.findall(f"{ATOM}link") if node.get("rel", "alternate") == "alternate"]
        if len(links) > 1 or not (links or entry.find(f"{ATOM}content") is not None):
            yield _line(page, entry, f"an entry with {len(links)} alternate links", "link to its one page")
        for node in links:
            if page.site.target(page, node.get("href", ""))[0] not in page.site.pages:
                yield _line(page, node, f"{node.get('href')} is no page of the archive", "link to its page")


def _dated(page: PageView, element: etree._Element) -> Iterator[Problem]:
    """RFC 4287, 4.1.1 and 4.1.2: exactly one id, title and updated, in their form."""
    for name in ONCE:
        found = element.findall(f"{ATOM}{name}")
        if len(found) != 1 or not (found[0].text or "").strip():
            yield _line(page, element, f"{len(found)} elements <{name}>, or an empty one", "write exactly one")
        elif name == "id" and not ADDRESS.fullmatch(found[0].text or ""):
            yield _line(page, found[0], "the id is no address", "write it in full")
        elif name == "updated" and not _is_moment(found[0].text or ""):
            yield _line(page, found[0], "the date is not of RFC 3339", "write it like 2026-10-06T09:00:00+02:00")


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None and "T" in text
    except ValueError:
        return False


def _xml(page: PageView) -> etree._Element | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(page.content, parser)
    except etree.XMLSyntaxError:
        return None


def _line(page: PageView, node: etree._Element, message: str, fix: str) -> Problem:
    return page.at(None, message, fix)._replace(line=node.sourceline or 1, column=0)
