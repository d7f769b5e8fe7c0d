"""Web pages, also as a browser saves them: the main text, and what the page says about itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from newsletter.importing.around import drop_around
from newsletter.importing.bylines import labelled_line, take_lines
from newsletter.importing.closing import signature
from newsletter.importing.convert import MAX_TITLE_CHARACTERS, markdown_of, tree_of
from newsletter.importing.dates import day_in_line, read_day
from newsletter.importing.decoding import text_of
from newsletter.importing.handmade import BETWEEN, OF_FIRST_LINE, OF_HEADING, OF_WINDOW, UNNAMED, raise_headline
from newsletter.importing.naming import slug_of
from newsletter.importing.nouns import Found, RefusedSource
from newsletter.importing.tidying import links_left
from newsletter.parsing.fields import MAX_WEB_ADDRESS, web_address
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from newsletter.importing.bylines import Line
    from newsletter.importing.nouns import File

MAX_JSON_LD: Final = 100_000
MAX_JSON_LD_SCRIPTS: Final = 10
MAX_CANDIDATES: Final = 400
MAX_META_CHARACTERS: Final = 600
MIN_TEXT: Final = 40  # characters: less is no article
MIN_SHARE: Final = 0.4  # of the page's paragraphs, for an element that is named like content

# From the surest sign of the main text to the vaguest.
MAIN: Final = (
    "//*[@itemprop='articleBody']",
    "//article",
    "//main|//*[@role='main']",
    (
        "//*[contains(concat(' ',@class,' '),' entry-content ') or contains(concat(' ',@class,' '),' post-content ')"
        " or contains(concat(' ',@class,' '),' article-content ') or contains(concat(' ',@class,' '),' article-body ')"
        " or contains(concat(' ',@class,' '),' contentpaneopen ')]"
    ),
    "//*[@id='content' or @id='main' or @id='main-content' or @id='article' or @id='bodyContent']",
)
TIMES: Final = ".//time|ancestor-or-self::*[1]/preceding::time"
NOBODY: Final = re.compile(r"admin(?:istrator)?|super ?user|webmaster|root", re.IGNORECASE)
BACK: Final = "\u21a9\u23ce\u2191^\ufe0e\ufe0f[] "  # what leads from a footnote back into the text
SITE_SUFFIX: Final = re.compile(r"\s+[|\u2013\u2014\u00b7\u00bb-]\s+[^|\u2013\u2014\u00b7\u00bb]{2,60}$")


@dataclass(frozen=True, slots=True)
class Told:
    """What the head of a page says, by our own names; the first word about each counts."""

    values: dict[str, str]
    authors: tuple[str, ...]
    themes: tuple[str, ...]
    others: tuple[str, ...]


def read_page(file: File, data: bytes) -> Found:
    """The article of a page. RefusedSource when there is no text, or no title."""
    text, guessed = text_of(data)
    found = page_found(file, text)
    return replace(found, guessed=guessed + found.guessed)


def page_found(file: File, text: str) -> Found:
    """The article of a page's text."""
    tree = tree_of(text)
    told = _told(tree)
    address = told.values.get("address", "")
    main = _main(tree)
    labelled = labelled_line(tree, main)
    window = " ".join(str(tree.findtext(".//title") or "").split())[:MAX_TITLE_CHARACTERS]
    times = [read for one in main.xpath(TIMES)[:3] if (read := _time(one))]
    menu = drop_around(main)
    title, title_guess = _title(told, tree, main, window)
    _drop_title(main, title)
    line, left = take_lines(main)
    day, guessed = _day(told, times, labelled, line)
    if line.names and told.authors and line.names not in told.authors:
        left = (*left, f"a byline was left out, since the page's head names its authors: {line.names}")
    byline = line.names or (labelled.names if labelled else "")
    lost = absolute(main, address)
    body, changed = markdown_of(main)
    if len(re.sub(r"\W+", "", body)) < MIN_TEXT:
        raise RefusedSource("there is no text to speak of in this page; save it again once it is loaded, or as text")
    return Found(
        file=file,
        name=_name(file, address, title),
        title=title,
        body=body,
        day=day,
        updated=read_day(told.values.get("updated", "")),
        language=told.values.get("language", ""),
        authors=told.authors or (_people(byline) if byline else ()),
        summary=told.values.get("summary", "")[:MAX_META_CHARACTERS],
        themes=told.themes,
        address=address,
        others=told.others,
        tlp=told.values.get("tlp", ""),
        window=window,
        guessed=guessed + title_guess,
        remarks=menu + left + changed + lost,
    )


def _name(file: File, address: str, title: str) -> str:
    """A browser names a page by its title and site; one of a web server may be called index.html."""
    stem = file.path.stem
    if (short := slug_of(title)) and slug_of(stem).startswith(short):
        return title
    if stem.lower() not in ("index", "default", "page"):
        return stem
    last = [part for part in urlsplit(address).path.split("/") if part and not part.startswith("index.")]
    return last[-1] if last else file.path.parent.name


# --- what the page says of itself -----------------------------------------------------------------------------

META: Final = {
    "og:title": "title",
    "twitter:title": "title",
    "dc.title": "title",
    "article:published_time": "date",
    "date": "date",
    "dc.date": "date",
    "dcterms.created": "date",
    "pubdate": "date",
    "publish_date": "date",
    "article:modified_time": "updated",
    "description": "summary",
    "og:description": "summary",
    "dc.description": "summary",
    "og:url": "address",
    "tlp": "tlp",
}


def _told(tree: Any) -> Told:
    values: dict[str, str] = {}
    authors: list[str] = []
    themes: list[str] = []
    for link in tree.xpath("//link[@rel='canonical'][@href]")[:1]:
        values["address"] = address_of(link.get("href"))
    for thing in _json_ld(tree):
        _from_json_ld(thing, values, authors, themes)
    for meta in tree.xpath("//meta[@content]")[:MAX_CANDIDATES]:
        name = (meta.get("property") or meta.get("name") or meta.get("itemprop") or "").lower()
        content = " ".join(meta.get("content").split())[:MAX_META_CHARACTERS]
        if name in META and content:
            values.setdefault(META[name], address_of(content) if META[name] == "address" else content)
        elif name in ("author", "article:author", "dc.creator") and content and not content.startswith("http"):
            authors = authors or [content]
        elif name in ("article:tag", "keywords", "article:section"):
            themes += [part.strip() for part in content.split(",") if part.strip()]
    language = tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    values["language"] = language or values.get("language", "")
    others = [address_of(link.get("href")) for link in tree.xpath("//link[@rel='alternate'][@hreflang][@href]")[:20]]
    people = tuple(name for name in dict.fromkeys(authors) if not NOBODY.fullmatch(name))
    return Told(values, people, tuple(themes), tuple(filter(None, others)))


def _json_ld(tree: Any) -> Iterator[dict[str, Any]]:
    for script in tree.xpath("//script[@type='application/ld+json']")[:MAX_JSON_LD_SCRIPTS]:
        text = script.text or ""
        try:
            found = json.loads(text) if len(text) <= MAX_JSON_LD else None
        except (ValueError, RecursionError):
            continue
        things = found.get("@graph", [found]) if isinstance(found, dict) else found
        for thing in things if isinstance(things, list) else ():
            if isinstance(thing, dict) and re.search(r"Article|Posting|Report", str(thing.get("@type"))):
                yield thing


def _from_json_ld(thing: dict[str, Any], values: dict[str, str], authors: list[str], themes: list[str]) -> None:
    names = {"headline": "title", "datePublished": "date", "dateModified": "updated", "description": "summary"}
    for name, ours in (names | {"inLanguage": "language", "url": "address"}).items():
        if isinstance(thing.get(name), str) and thing[name].strip():
            text = " ".join(thing[name].split())[:MAX_WEB_ADDRESS]
            values.setdefault(ours, address_of(text) if ours == "address" else text)
    people = thing.get("author")
    for person in people if isinstance(people, list) else [people]:
        called = person.get("name") if isinstance(person, dict) else person
        authors += (
            [" ".join(called.split())[:MAX_META_CHARACTERS]] if isinstance(called, str) and called.strip() else []
        )
    keywords = thing.get("keywords")
    words = keywords.split(",") if isinstance(keywords, str) else keywords if isinstance(keywords, list) else []
    themes += [word.strip() for word in words if isinstance(word, str) and word.strip()]


def address_of(href: str) -> str:
    """An absolute web address, or nothing."""
    try:
        return web_address(href.strip())
    except FieldError:
        return ""


# --- the main text --------------------------------------------------------------------------------------------


def _main(tree: Any) -> Any:
    """The element that holds the article: the best named one, else the one that most paragraphs have in common."""
    body = tree.find("body")
    body = tree if body is None else body
    whole = _weight(body)
    for path in MAIN:
        found = max(body.xpath(path)[:MAX_CANDIDATES], key=_weight, default=None)
        if found is not None and _weight(found) >= MIN_SHARE * whole and _weight(found) >= MIN_TEXT:
            return found
    parents: dict[Any, int] = {}
    for paragraph in list(body.iter("p"))[: MAX_CANDIDATES * 10]:
        parent = paragraph.getparent()
        parents[parent] = parents.get(parent, 0) + len("".join(paragraph.itertext()).strip())
    best = max(parents, key=lambda one: parents[one], default=None)
    return best if best is not None and parents[best] >= MIN_SHARE * whole and parents[best] >= MIN_TEXT else body


def _weight(element: Any) -> int:
    """How much prose is in it; a page without a single paragraph counts all its text."""
    prose = sum(len("".join(p.itertext()).strip()) for p in element.iter("p"))
    return prose or len("".join(element.itertext()).strip())


def _title(told: Told, tree: Any, main: Any, window: str) -> tuple[str, tuple[str, ...]]:
    named, called = told.values.get("title", ""), window
    window = "" if UNNAMED.fullmatch(window) else window
    heading = _heading(tree, main, window)
    line = raise_headline(main, named or window, only_named=bool(named)) if heading is None else ""
    if named:
        return _without_site(named, line or _words(heading)), ()
    if heading is not None:
        return _words(heading)[:MAX_TITLE_CHARACTERS], ()
    if line:
        return line, (OF_FIRST_LINE,)
    first = next((words for h in main.iter("h2", "h3") if (words := _words(h))), "")
    if window and first.casefold() not in (name.casefold() for name in BETWEEN.split(window)):
        return SITE_SUFFIX.sub("", window), (OF_WINDOW,)
    if first:
        return first[:MAX_TITLE_CHARACTERS], (OF_HEADING,)
    if called:
        return called, (OF_WINDOW,)
    raise RefusedSource("there is no title: neither a heading nor a <title>; add one to the page")


def _heading(tree: Any, main: Any, window: str) -> Any:
    """The heading that names the page. One that is nothing but a link is the site's name, as blogs have it."""
    headings = [h for h in (*main.iter("h1"), *tree.iter("h1")) if _words(h)]
    own = [h for h in headings if not any(_words(link) == _words(h) for link in h.iter("a"))]
    if own or not headings:
        return own[0] if own else None
    names = {name.casefold() for name in BETWEEN.split(window)} - {_words(headings[0]).casefold()}
    named = [h for h in tree.iter("h2", "h3") if _words(h).casefold() in names]
    return named[0] if named else headings[0] if len(names) == 0 else None


def _words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _without_site(title: str, heading: str) -> str:
    """What is written for sharing often names the site too; the heading then says where to cut."""
    return heading if heading and title.startswith(heading) else title[:MAX_TITLE_CHARACTERS]


def _drop_title(main: Any, title: str) -> None:
    """The title has a place of its own."""
    for heading in list(main.iter("h1", "h2"))[:3]:
        if _words(heading) == title and heading is not main:
            heading.drop_tree()
            break


def _day(told: Told, times: list[date], labelled: Line | None, line: Line) -> tuple[date | None, tuple[str, ...]]:
    """From the surest sign of when it appeared to the vaguest."""
    if day := read_day(told.values.get("date", "")):
        return day, ()
    if times:
        return times[0], ()
    if day := (line.day or (labelled.day if labelled else None)):
        return day, ("date: a line of the page",)
    return None, ()


def _time(element: Any) -> date | None:
    return read_day(element.get("datetime") or "") or day_in_line("".join(element.itertext()))


def _people(names: str) -> tuple[str, ...]:
    return signature(f"by {names}") or (names,)


def absolute(main: Any, address: str) -> tuple[str, ...]:
    """Links of a page are relative to where it was; those into the page itself have nothing to lead to any more.

    What is left out is told.
    """
    lost = []
    for link in list(main.iter("a")):
        href = (link.get("href") or "").strip()
        try:
            whole = urljoin(address, href) if address else href
            inside = href.startswith("#") or (
                address != "" and urlsplit(whole)._replace(fragment="").geturl() == address and "#" in whole
            )
        except ValueError:
            whole, inside = "", True
        if inside and (words := "".join(link.itertext()).strip()) and not words.strip(BACK):
            link.drop_tree()
        elif inside:
            link.attrib.pop("href", None)
            lost.append(href)
        else:
            link.set("href", whole)
    return links_left(filter(None, lost))
