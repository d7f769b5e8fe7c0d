"""Pages as people wrote them by hand: empty lines in place of paragraphs, large letters in place of headings.

Articles of before 2010 rarely have a ``<p>`` or an ``<h1>``. What their authors meant is put into elements here, before
anything looks for the main text, so that all that comes after knows one kind of page.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from newsletter.html import plain_text, to_html
from newsletter.importing.dates import day_in_line
from newsletter.importing.nouns import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from newsletter.importing.nouns import Found

MAX_BREAKS: Final = 10_000  # of a page; what has more is no article
MAX_ELEMENTS: Final = 100_000
MAX_QUOTES: Final = 1_000  # what is taken out of a long row of others costs as much as the row is long
MAX_FORMS: Final = 20
MAX_HEADLINE_CHARACTERS: Final = 120
MAX_HEADLINE_WORDS: Final = 16
MIN_LOUD_WORDS: Final = 3  # fewer may be a label, like "Summary"
MIN_SHARING: Final = 3  # windows that have a part in common: it names the site

LOOKS: Final = ("font", "span", "big", "small", "u", "nobr")
TERMS: Final = ("a", "abbr", "acronym", "bdi", "bdo", "cite", "code", "dfn", "img", "kbd", "q", "samp", "time", "tt")
MARKS: Final = ("b", "del", "em", "i", "ins", "mark", "s", "strike", "strong", "sub", "sup", "var", "wbr")
INLINE: Final = frozenset({*LOOKS, *TERMS, *MARKS})
HOLDERS: Final = frozenset(
    ["body", "div", "p", "td", "center", "blockquote", "li", "section", "article", "main", "dd", "address"]
)
HEADINGS: Final = ("h2", "h3", "h4")
LOUD: Final = frozenset({"b", "strong", "big"})
LARGE: Final = re.compile(r"\+?[4-7]|\+[1-3]")
NO_TITLE: Final = re.compile(r"(?:by|par)\s|\W*$|.*[.,:;\u2026]$|.*://", re.IGNORECASE)  # bylines, nothing, sentences
BETWEEN: Final = re.compile(r"\s+(?:[|\u2013\u2014\u00b7\u00bb<>\u2039\u203a-]|:{2,3}|\u00ab(?![^\u00bb]*\u00bb))\s+")
# What FrontPage, Word, Dreamweaver and browsers call a page that nobody has named.
UNNAMED: Final = re.compile(
    r"(?:new page|nouvelle page|page)\s*\d*|untitled(?:[ -](?:document|page))?|(?:document|page)?\s*sans titre"
    r"|sans nom|no title|memo|microsoft word.*|index|home ?page|home|welcome.{0,60}|accueil|title"
    r"|document\s*\d*|(?:page|document) \d+",
    re.IGNORECASE,
)
TITLED: Final = re.compile(
    r"(?:^|\s)(?:mso|page|article|content|contents|news|story|post|entry|main|doc)?[_-]?(?:title|headline|heading|titre)(?:\s|$)",
    re.IGNORECASE,
)
FIRST_HEADING: Final = re.compile(r"#{2,4} (?P<words>[^\n]{1,200})\n+(?=[^\n])")
OF_WINDOW: Final = "title: the name of its window"
OF_FIRST_LINE: Final = "title: its first line"
OF_HEADING: Final = "title: its first heading"
HEADING: Final = "ancestor::*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6]"
QUOTES: Final = ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}")
GUILLEMETS: Final = (
    "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}\N{NO-BREAK SPACE}",
    "\N{NO-BREAK SPACE}\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}",
)


def put_in_order(tree: Any) -> None:
    """Paragraphs where two line breaks in a row end one, and signs around ``<q>``, which a browser would draw.

    An empty paragraph between words (``<p />``, ``<p></p>``) ends one too.
    """
    if sum(1 for _ in tree.iter("br")) > MAX_BREAKS or sum(1 for _ in tree.iter()) > MAX_ELEMENTS:
        return
    for quote in list(islice(tree.iter("q"), MAX_QUOTES)):
        language = str(quote.xpath("string(ancestor-or-self::*[@lang][1]/@lang)"))
        opening, closing = GUILLEMETS if language.lower().startswith("fr") else QUOTES
        quote.text = f"{opening}{quote.text or ''}"
        quote.append(etree.Element("span"))
        quote[-1].tail = closing
        quote.drop_tag()
    _open(tree)
    _even_breaks(tree)
    for holder in _parted(tree):
        for element in [one for one in (holder, *holder.iterancestors()) if one.tag in INLINE]:
            if element.getparent() is not None:
                element.drop_tag()  # no letters look alike over several paragraphs
    for holder in _parted(tree):
        if holder.tag in HOLDERS and not holder.xpath("ancestor::pre|self::td[ancestor::table[1]//th]"):
            _part(holder)


def raise_headline(main: Any, window: str, *, only_named: bool = False) -> str:
    """Make an ``<h1>`` of the first line of a text if it looks like a title; its words, or nothing.

    It does when it is short, no sentence, and bold, large, in the middle, the only heading of its level, or of a class
    that says so. ``window`` is the page's ``<title>``: what stands there too needs no other sign, and with
    ``only_named`` nothing else counts.
    """
    block = _first_block(main)
    if block is None or len(block) > MAX_BREAKS or block.tag in ("h1", "pre", "li", "th"):
        return ""
    if block.tag in HEADINGS and sum(1 for _ in main.iter(block.tag)) > 1:
        return ""  # one part of several
    parts = _taken(block)
    start = next(place for place, part in enumerate(parts) if _text(part).strip())
    end = next((place for place in range(start, len(parts)) if not _is_inline(parts[place])), len(parts))
    line = parts[start:end]
    words = " ".join("".join(map(_text, line)).split())
    named = words.casefold() in (name.casefold() for name in BETWEEN.split(" ".join(window.split())))
    titled = bool(TITLED.search(block.get("class") or "")) or all(map(_is_titled, line))
    loud = block.tag in HEADINGS or _is_centred(block) or all(map(_is_loud, line))
    told = titled or (loud and len(words.split()) >= MIN_LOUD_WORDS)
    if not (named or (told and not only_named)) or not _is_title(words):
        _put(block, parts)
        return ""
    heading = etree.Element("h1")
    heading.text = words
    rest = list(dropwhile(_is_empty, parts[end:]))
    _put(block, [*parts[:start], heading, *rest])
    if block.tag == "p":
        block.tag = "div"
    return words


def without_sites(found: Sequence[Found]) -> list[Found]:
    """Titles that were taken from windows, without what several windows have in common: the name of their site."""
    pages = {one.file.shown: one for one in found if one.file.kind is Kind.PAGE}.values()
    windows = [one.window for one in pages if one.window]
    shared = Counter(name for window in windows for name in set(BETWEEN.split(window)))
    site = frozenset(name for name, count in shared.items() if count >= MIN_SHARING)
    titles, summaries = Counter(one.title for one in pages), Counter(one.summary for one in pages if one.summary)
    return [
        _without_slogan(_without_site(one, site), titles, summaries) if one.file.kind is Kind.PAGE else one
        for one in found
    ]


def _without_slogan(one: Found, titles: Counter[str], summaries: Counter[str]) -> Found:
    """What several pages say alike says nothing of one: their heading below it is the title."""
    if summaries[one.summary] >= MIN_SHARING:
        one = replace(one, summary="")
    heading = FIRST_HEADING.match(one.body) if titles[one.title] >= MIN_SHARING else None
    if not heading:
        return one
    words = plain_text(to_html(heading["words"]))
    guessed = [why for why in one.guessed if not why.startswith("title")]
    return replace(one, title=words, body=one.body[heading.end() :], guessed=(*guessed, OF_HEADING))


def _without_site(one: Found, site: frozenset[str]) -> Found:
    if OF_WINDOW not in one.guessed:
        return one
    names = BETWEEN.split(one.window)
    own = [place for place, name in enumerate(names) if name not in site]
    if not own or len(own) == len(names):
        return one
    betweens = BETWEEN.findall(one.window)
    first, last = own[0], own[-1]
    title = names[first] + "".join(f"{betweens[place - 1]}{names[place]}" for place in range(first + 1, last + 1))
    return replace(one, title=title)


def is_alone(part: Any) -> bool:
    """Whether an element is a line of its own: no words before or behind it, up to a break or the end of the block."""
    if part.tag not in INLINE:
        return True
    return _opens(part) and _closes(part)


# --- inside -----------------------------------------------------------------------------------------------------


def _open(tree: Any) -> None:
    """ASP.NET, and SharePoint with it, puts the whole page into a form; Word has tags of its own inside words."""
    for element in tree.iter():
        if isinstance(element.tag, str) and ":" in element.tag:
            element.tag = "span"
    whole = len(_text(tree))
    for form in list(islice(tree.iter("form"), MAX_FORMS)):
        if len(_text(form)) * 2 > whole:
            form.tag = "div"


def _even_breaks(tree: Any) -> None:
    """In headings they are spaces; an empty paragraph is two of them."""
    for line in list(tree.iter("br")):
        if line.xpath(HEADING):
            line.tag, line.text = "span", " "
    for paragraph in [one for one in tree.iter("p") if _parts_words(one)][:MAX_BREAKS]:
        paragraph.tag, paragraph.text = "br", None
        paragraph.addprevious(etree.Element("br"))


def _parts_words(paragraph: Any) -> bool:
    """Whether it is empty and words follow that stand in no paragraph."""
    after = paragraph.getnext()
    words = (paragraph.tail or "").strip() or (after is not None and after.tag in INLINE)
    return bool(words) and not len(paragraph) and not (paragraph.text or "").strip()


def _parted(tree: Any) -> list[Any]:
    """Elements in which nothing stands between two line breaks, the outermost first."""
    holders: dict[Any, None] = {}
    for line in tree.iter("br"):
        before = line.getprevious()
        if before is not None and before.tag == "br" and not (before.tail or "").strip():
            holders[line.getparent()] = None
    return list(holders)


def _part(holder: Any) -> None:
    """Paragraphs of what stands between; elements that are blocks themselves stay what they are."""
    paragraph, breaks = None, 0
    parts = _taken(holder)
    for part in parts:
        if not isinstance(part, str) and part.tag == "br":
            breaks += 1
        elif not _is_inline(part):
            paragraph, breaks = None, 0
            holder.append(part)
        elif _text(part).strip() or not isinstance(part, str):
            if paragraph is None or breaks > 1:
                paragraph = etree.SubElement(holder, "p")
            elif breaks:
                etree.SubElement(paragraph, "br")
            breaks = 0
            _put(paragraph, [part])
        elif paragraph is not None and not breaks:
            _put(paragraph, [part])
    if holder.tag == "p":
        holder.tag = "div"


def _taken(element: Any) -> list[Any]:
    """What an element holds, in order and taken out of it: words as strings, elements without their tails."""
    parts: list[Any] = [element.text or ""]
    element.text = None
    for child in list(element):
        element.remove(child)
        parts += [child, child.tail or ""]
        child.tail = None
    return [part for part in parts if not isinstance(part, str) or part]


def _put(element: Any, parts: Iterable[Any]) -> None:
    """The reverse of ``_taken``."""
    for part in parts:
        if not isinstance(part, str):
            element.append(part)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + part
        else:
            element.text = (element.text or "") + part


def begins_line(text: Any) -> bool:
    """As ``is_alone``, of words that stand in a block or behind an element (a string of lxml's ``xpath``)."""
    holder = text.getparent()
    after = holder.getnext() if text.is_tail else next(iter(holder), None)
    above = holder.getparent() if text.is_tail else holder
    return (_ends(holder) or not text.is_tail) and (_ends(after) if after is not None else _closes(above))


def _ends(element: Any) -> bool:
    """Whether a line ends at an element."""
    return element.tag == "br" or element.tag not in INLINE


def _opens(element: Any) -> bool:
    """Whether an inline element begins a line."""
    while element.tag in INLINE:
        above, before = element.getparent(), element.getprevious()
        if above is None:
            return True
        if ((above.text if before is None else before.tail) or "").strip():
            return False
        if before is not None and (before.tag not in TERMS or _text(before).strip() or before.tag == "img"):
            return _ends(before)
        element = above if before is None else before
    return True


def _closes(element: Any) -> bool:
    """Whether an inline element ends one."""
    while element is not None and element.tag in INLINE:
        if (element.tail or "").strip():
            return False
        if element.getnext() is not None:
            return _ends(element.getnext())
        element = element.getparent()
    return True


def _first_block(main: Any) -> Any:
    """The block in which the first words of a text stand."""
    for event, element in etree.iterwalk(main, events=("start", "end")):
        if ((element.text if event == "start" else element.tail) or "").strip() and (
            event == "start" or element is not main
        ):
            holder = element if event == "start" else element.getparent()
            return next((one for one in (holder, *holder.iterancestors()) if one.tag not in INLINE), None)
    return None


def _is_inline(part: Any) -> bool:
    return isinstance(part, str) or (part.tag in INLINE and all(one.tag in INLINE for one in part.iter()))


def _is_empty(part: Any) -> bool:
    return not part.strip() if isinstance(part, str) else part.tag == "br"


def _text(part: Any) -> str:
    return part if isinstance(part, str) else "".join(part.itertext())


def _is_loud(part: Any) -> bool:
    """Whether all its words are bold or large."""
    if isinstance(part, str):
        return not part.strip()
    if part.tag in LOUD or (part.tag == "font" and LARGE.fullmatch((part.get("size") or "").strip())):
        return True
    within: Iterator[str] = (words or "" for words in (part.text, *(child.tail for child in part)))
    return not any(words.strip() for words in within) and all(map(_is_loud, part))


def _is_titled(part: Any) -> bool:
    """Whether its class says that it is a title."""
    if isinstance(part, str):
        return not part.strip()
    return (part.tag == "a" and not _text(part).strip()) or bool(TITLED.search(part.get("class") or ""))


def _is_centred(block: Any) -> bool:
    above = block.getparent()
    return any(
        one is not None and (one.tag == "center" or (one.get("align") or "").lower() == "center")
        for one in (block, above)
    )


def _is_title(words: str) -> bool:
    return (
        len(words) <= MAX_HEADLINE_CHARACTERS
        and len(words.split()) <= MAX_HEADLINE_WORDS
        and not NO_TITLE.match(words)
        and not day_in_line(words)
    )
