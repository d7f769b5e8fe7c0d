"""Web pages, also as a browser saves them: the main text, and what the page says about itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from newsletter.importing.convert import MAX_TITLE_CHARACTERS, markdown_of, tree_of
from newsletter.importing.dates import day_in_line, read_day
from newsletter.importing.decoding import text_of
from newsletter.importing.handmade import BETWEEN, OF_FIRST_LINE, OF_WINDOW, raise_headline
from newsletter.importing.naming import slug_of
from newsletter.importing.nouns import Found, RefusedSource
from newsletter.importing.tidying import links_left
from newsletter.parsing.fields import MAX_WEB_ADDRESS, web_address
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

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
        " or contains(concat(' ',@class,' '),' article-content ') or contains(concat(' ',@class,' '),' article-body ')]"
    ),
    "//*[@id='content' or @id='main' or @id='main-content' or @id='article' or @id='bodyContent']",
)
NOT_TEXT: Final = (
    "breadcrumb share sharing social related comments sidebar navbar menu cookie pagination skip-link tags"
)
_CLASSES: Final = "concat(' ',translate(@class,'ABCDEFGHIJKLMNOPQRSTUVWXYZ','abcdefghijklmnopqrstuvwxyz'),' ')"
_NAMED: Final = " or ".join(f"contains({_CLASSES},' {word}')" for word in NOT_TEXT.split())
AROUND: Final = (
    ".//nav|.//aside|.//footer|.//form|.//*[@role='navigation' or @role='banner' or @role='contentinfo'"
    " or @role='complementary' or @role='search' or @aria-hidden='true' or @hidden]"
    f"|.//*[@class][{_NAMED}]"
)
BYLINE: Final = re.compile(r"(?:by|par)\s+(?P<names>\S.{1,100})", re.IGNORECASE)
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
    day, guessed = _day(told, main)
    window = " ".join(str(tree.findtext(".//title") or "").split())[:MAX_TITLE_CHARACTERS]
    title, title_guess = _title(told, tree, main, window)
    _drop_around(main)
    _drop_title(main, title)
    byline = _byline(main)
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
        authors=told.authors or byline,
        summary=told.values.get("summary", "")[:MAX_META_CHARACTERS],
        themes=told.themes,
        address=address,
        others=told.others,
        tlp=told.values.get("tlp", ""),
        window=window,
        guessed=guessed + title_guess,
        remarks=changed + lost,
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
            themes += [part.strip() for part in content.split(",")]
    language = tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    values["language"] = language or values.get("language", "")
    others = [address_of(link.get("href")) for link in tree.xpath("//link[@rel='alternate'][@hreflang][@href]")[:20]]
    return Told(values, tuple(dict.fromkeys(authors)), tuple(themes), tuple(filter(None, others)))


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
    themes += [word.strip() for word in words if isinstance(word, str)]


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


def _drop_around(main: Any) -> None:
    """What stands in or beside an article and is none of it."""
    for element in main.xpath(AROUND):
        if element.getparent() is not None and element is not main:
            element.drop_tree()


def _title(told: Told, tree: Any, main: Any, window: str) -> tuple[str, tuple[str, ...]]:
    named = told.values.get("title", "")
    heading = next((h for h in (*main.iter("h1"), *tree.iter("h1")) if _words(h)), None)
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
        return first[:MAX_TITLE_CHARACTERS], ("title: its first heading",)
    raise RefusedSource("there is no title: neither a heading nor a <title>; add one to the page")


def _words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _without_site(title: str, heading: str) -> str:
    """What is written for sharing often names the site too; the heading then says where to cut."""
    return heading if heading and title.startswith(heading) else title[:MAX_TITLE_CHARACTERS]


def _drop_title(main: Any, title: str) -> None:
    """The title has a place of its own; so has the date near it."""
    for heading in list(main.iter("h1", "h2"))[:3]:
        if _words(heading) == title and heading is not main:
            heading.drop_tree()
            break
    for element in list(main.iter("time", "p", "div", "span"))[:8]:
        text = "".join(element.itertext()).strip()
        if element is not main and element.getparent() is not None and text and day_in_line(text):
            element.drop_tree()


def _day(told: Told, main: Any) -> tuple[date | None, tuple[str, ...]]:
    if day := read_day(told.values.get("date", "")):
        return day, ()
    for element in main.xpath(".//time|ancestor-or-self::*[1]/preceding::time")[:3]:
        if day := read_day(element.get("datetime") or "") or day_in_line("".join(element.itertext())):
            return day, ()
    for text in [text for text in main.itertext() if text.strip()][:8]:
        if day := day_in_line(text):
            return day, ("date: a line of the page",)
    return None, ()


def _byline(main: Any) -> tuple[str, ...]:
    """A line ``by ...`` near the top; one at the end is found with the close."""
    for element in list(main.iter("p", "div", "span", "address"))[:6]:
        text = " ".join("".join(element.itertext()).split())
        if element is not main and (found := BYLINE.fullmatch(text)) and element.getparent() is not None:
            element.drop_tree()
            return (re.sub(r"^the\s+", "", found["names"], flags=re.IGNORECASE),)
    return ()


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
