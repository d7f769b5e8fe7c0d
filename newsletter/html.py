"""Markdown to clean HTML: the one adapter around comrak and nh3, with its limits. Foreign HTML comes in here too.

Three layers, since each has had advisories of its own: comrak in safe mode, then nh3 always, then the pages' strict
CSP. The limits are checked before anything parses a text, because some small ones cost minutes and gigabytes: 50,000
headings "# a" kept comrak busy for 170 s (it numbers equal ids by counting), a table of 100 columns in 200 kB became
96 MB, and at 200,000 characters of ">" nh3 had not finished after a minute.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from itertools import accumulate, islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import comrak
import nh3

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_MARKDOWN_BYTES: Final = 200_000
MAX_LINE_CHARACTERS: Final = 20_000
MAX_TABLE_COLUMNS: Final = 100
MAX_TABLE_CELLS: Final = 10_000  # of all tables of a text together: comrak fills missing cells
MAX_NESTING: Final = 50  # quotes and lists inside each other; 100 columns of indentation
MAX_DEPTH: Final = 150  # elements inside each other; lxml, which reads it later, gives up at 256
MAX_HEADINGS: Final = 1_000
MAX_FOOTNOTE_MARKS: Final = 1_000  # each reference makes a link back
MAX_RAW_HTML_FAULTS: Final = 20
KEPT_TEXTS: Final = 2_000  # several rules ask for the links of one text
MAX_FOREIGN_CHARACTERS: Final = 50_000
MAX_FOREIGN_TAGS: Final = 500  # misnested tags cost their square: 14,000 of them took nh3 240 s and 686 MB

SCHEMES: Final = frozenset({"http", "https", "mailto"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a Markdown text that we refuse. ``line`` is 1-based in that text."""

    line: int
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link or image of a Markdown text: its line (1-based in that text) and where it leads.

    ``alt`` is what an image says to those who cannot see it, ``words`` what readers see of a link. It stands from
    ``start`` to ``end`` of the text.
    """

    line: int
    target: str
    image: bool = False
    alt: str = ""
    words: str = ""
    start: int = 0
    end: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether ``to_html`` leaves it where it leads."""
        return _kept(*(("img", "src") if self.image else ("a", "href")), self.target) is not None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a Markdown text: its level as written, its words, and where it begins in the text."""

    level: int
    words: str
    start: int


@dataclass(frozen=True, slots=True)
class Outline:
    """Where things stand in a Markdown text; ``code`` are the stretches that are code, inline or in blocks."""

    links: tuple[Link, ...] = ()
    headings: tuple[Heading, ...] = ()
    code: tuple[tuple[int, int], ...] = ()


def markdown_faults(text: str) -> tuple[Fault, ...]:
    """What is beyond the limits; if nothing is, then raw HTML. An empty tuple means that ``to_html`` takes it."""
    text = _normalised(text)
    if faults := tuple(_beyond_limits(text)):
        return faults
    if not (_RAW_HTML.search(text) or _might_be_deep(text)):
        return ()
    html = comrak.render_markdown(text, _EXTENSIONS, None, _WITH_POSITIONS)
    return (*_too_deep(html), *_raw_html(text, html))


def to_html(text: str, *, heading_shift: int = 0, id_prefix: str = "") -> str:
    """Clean HTML of CommonMark with tables, footnotes and strikethrough.

    A heading of level n becomes h(n + ``heading_shift``), at least h2 (the page has its own h1), at most h6.
    ``id_prefix`` keeps ids apart when several texts share a page. Raw HTML vanishes; links keep http, https, mailto
    and relative targets; images keep relative sources.

    Raises:
        ValueError: the text is beyond the limits, so it did not come through the door (``markdown_faults``).
    """
    text = _normalised(text)
    if fault := next(_beyond_limits(text), None):
        raise ValueError(f"line {fault.line}: {fault.message}; {fault.fix}")
    html = comrak.render_markdown(text, _EXTENSIONS)
    html = _ANCHOR.sub("", html)
    html = _HEADING.sub(lambda tag: f"{tag[1]}{min(6, max(2, int(tag[2]) + heading_shift))}", html)
    if id_prefix:
        html = _ID.sub(rf"\g<0>{id_prefix}", html)
    return _OWN.clean(html)


def markdown_links(text: str) -> tuple[Link, ...]:
    """Every link and image of a text that passed ``markdown_faults``, except those of footnotes."""
    return markdown_outline(text).links


@lru_cache(maxsize=KEPT_TEXTS)
def markdown_outline(text: str) -> Outline:
    """Links, images, headings and code of a text that passed ``markdown_faults``: one parse answers all who ask."""
    text = _normalised(text)
    html = comrak.render_markdown(text, _EXTENSIONS, None, _WITH_POSITIONS)
    places = _Places(text)
    links = tuple(_link(html, found, places) for found in _LINK.finditer(html))
    headings = tuple(
        Heading(int(m[1]), _words(html[m.end() : html.find("</h", m.end())]), places.offset(int(m[2]), int(m[3])))
        for m in _HEADING_PLACE.finditer(html)
    )
    return Outline(links, headings, tuple(_code(found, places) for found in _CODE.finditer(html)))


def _link(html: str, found: re.Match[str], places: _Places) -> Link:
    line, column, last_line, last_column = (int(number) for number in found.group(2, 3, 4, 5))
    is_image = found[1] == "img"
    return Link(
        line,
        unescape(found[6]),
        image=is_image,
        alt=unescape(found[7] or ""),
        words="" if is_image else _words(html[html.index(">", found.end()) + 1 : html.find("</a>", found.end())]),
        start=places.offset(line, column),
        end=places.after(last_line, last_column),
    )


def _code(found: re.Match[str], places: _Places) -> tuple[int, int]:
    """A block of code goes to the end of its last line: in lists, comrak says it ends where it begins."""
    line, column, last_line, last_column = (int(number) for number in found.groups())
    end = places.line_end(last_line) if found[0].startswith("<pre") else places.after(last_line, last_column)
    return places.offset(line, column), end


def _words(html: str) -> str:
    """What comrak's HTML shows on one line; of an image, its words."""
    return " ".join(unescape(_ANY_TAG.sub("", _ALT.sub(r"\1", html))).split())


class _Places:
    """From comrak's lines and columns, which count bytes, to offsets in the text."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]

    def offset(self, line: int, column: int) -> int:
        """Where the character begins that stands there."""
        return self.after(line, column - 1)

    def after(self, line: int, column: int) -> int:
        """Where the character ends that stands there."""
        line = min(line, len(self._lines))
        words = self._lines[line - 1]
        width = column if words.isascii() else len(words.encode(errors="replace")[:column].decode(errors="ignore"))
        return self._starts[line - 1] + max(0, min(width, len(words)))

    def line_end(self, line: int) -> int:
        """Where the line ends."""
        return self._starts[min(line, len(self._lines))] - 1


def heading_ids(text: str) -> frozenset[str]:
    """The ids that a text's headings get: what ``#...`` may point at."""
    return frozenset(
        unescape(m[1]) for m in _HEADING_ID.finditer(comrak.render_markdown(_normalised(text), _EXTENSIONS))
    )


def clean_html(html: str) -> str:
    """Foreign HTML (a feed's) with a few harmless tags left and absolute http(s) links only.

    What is beyond ``MAX_FOREIGN_CHARACTERS`` or ``MAX_FOREIGN_TAGS`` is cut off.
    """
    return _FOREIGN.clean(_bounded(html))


def plain_text(html: str) -> str:
    """Foreign HTML as one line of plain text: entities decoded, white space folded, nothing invisible left.

    Removed are control characters, bidirectional overrides and zero-width characters, except the joiners that
    Persian, Indic scripts and emoji need. Bounds as for ``clean_html``. The result is text: escape it in HTML.
    """
    text = unescape(_TEXT_ONLY.clean(_BLOCK.sub(r" \g<0>", _bounded(html))))
    return " ".join("".join(_visible(character) for character in text).split())


# --- limits ---------------------------------------------------------------------------------------------------

# How lines begin that can open containers, headings or tables: nearly all prose is passed over by this.
_STARTS: Final = frozenset(" \t\v\f>*+-0123456789[#=|:")
_LONG_PREFIX = re.compile(rf"(?:[ \t>*+\-0-9.)]|\[\^[^\]]+\]:){{{MAX_NESTING // 2},}}+")
_CONTAINER = re.compile(r"([ \t]*)(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])|\[\^[^\]\s]+\]:)")
_RULE = re.compile(r"[ \t>]*([-*_])(?:[ \t]*\1){2,}[ \t]*")
_HEADING_LINE = re.compile(r"(?:[ \t>*+\-0-9.)]|\[\^[^\]]+\]:)*+#{1,6}(?:[ \t]|$)")
_DELIMITER_ROW = re.compile(r"(?=[^|]*\|)(?=[^-]*-)[ \t\v\f>|:\-]+")


def _normalised(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _beyond_limits(text: str) -> Iterator[Fault]:
    """Linear, and cheap, since every text passes here twice."""
    if (size := len(text.encode(errors="replace"))) > MAX_MARKDOWN_BYTES:
        message = f"the text has {size:,} bytes, {MAX_MARKDOWN_BYTES:,} are the limit"
        yield Fault(1, message, "split it into several files")
        return
    lines = text.split("\n")
    starts = [(number, line) for number, line in enumerate(lines, 1) if line[:1] in _STARTS]
    yield from _long_line(lines)
    yield from _nested(starts)
    yield from _big_tables(lines, starts)
    headings = [number for number, line in starts if _HEADING_LINE.match(line) or _underlines(line)]
    yield from _too_many("headings", headings, MAX_HEADINGS)
    footnotes = [number for number, line in enumerate(lines, 1) for _ in range(line.count("[^"))]
    yield from _too_many("footnote marks", footnotes, MAX_FOOTNOTE_MARKS)


def _long_line(lines: Sequence[str]) -> Iterator[Fault]:
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARACTERS:
            message = f"this line has {len(line):,} characters, {MAX_LINE_CHARACTERS:,} are the limit"
            yield Fault(number, message, "break it into several lines")
            return


def _nested(starts: Sequence[tuple[int, str]]) -> Iterator[Fault]:
    for number, line in starts:
        if _LONG_PREFIX.match(line) and (levels := _levels(line)) > MAX_NESTING:
            message = f"this line stands inside some {levels} quotes, lists or steps of indentation"
            fix = f"begin the line with fewer of them: {MAX_NESTING} are the limit, and two columns count as one"
            yield Fault(number, message, fix)
            return


def _levels(line: str) -> int:
    """How many containers the line can be in: its marks, and one for every two blank columns (a tab is up to 4)."""
    if _RULE.fullmatch(line):
        return 0
    marks = blanks = position = 0
    while found := _CONTAINER.match(line, position):
        marks += 1
        blanks += len(found[1].expandtabs(4))
        position = found.end()
    rest = line[position:]
    blanks += len(rest[: len(rest) - len(rest.lstrip(" \t"))].expandtabs(4))
    return marks + blanks // 2


def _big_tables(lines: Sequence[str], starts: Sequence[tuple[int, str]]) -> Iterator[Fault]:
    """A table ends at an empty line at the latest; until then any line is a row of it, filled up by comrak."""
    cells = 0
    for number, line in starts:
        if not _DELIMITER_ROW.fullmatch(line):
            continue
        columns = line.strip(" \t\v\f>").removeprefix("|").removesuffix("|").count("|") + 1
        if columns > MAX_TABLE_COLUMNS:
            message = f"this table has {columns:,} columns, {MAX_TABLE_COLUMNS} are the limit"
            yield Fault(max(1, number - 1), message, "turn it round, or leave columns out")
            return
        rows = 2 + sum(1 for _ in takewhile(lambda row: row.strip(" \t>"), islice(lines, number, None)))
        cells += columns * rows
        if cells > MAX_TABLE_CELLS:
            message = f"up to this table there are {cells:,} table cells, {MAX_TABLE_CELLS:,} are the limit"
            yield Fault(max(1, number - 1), message, "shorten it, or end it with an empty line")
            return


def _underlines(line: str) -> bool:
    """Whether it makes the line above a heading: nothing but = or nothing but - (most likely just a rule)."""
    bare = line.strip(" \t>")
    return bool(bare) and (not bare.strip("=") or not bare.strip("-"))


def _too_many(what: str, numbers: Sequence[int], most: int) -> Iterator[Fault]:
    if len(numbers) > most:
        message = f"the text has {len(numbers):,} {what}, {most:,} are the limit; here is the first one too many"
        yield Fault(numbers[most], message, "split it into several files")


# --- raw HTML and depth: comrak judges, since only a parser knows what is code ---------------------------------

_OMITTED: Final = "<!-- raw HTML omitted -->"  # what comrak writes in safe mode; in text and code it would be escaped
_RAW_HTML = re.compile(r"<(?:/?[A-Za-z][A-Za-z0-9-]*(?=[\s/>]|$)|!--|\?|![A-Za-z]|!\[CDATA\[)", re.MULTILINE)
_CODE = re.compile(r'<(?:code|pre) data-sourcepos="(\d+):(\d+)-(\d+):(\d+)"')
_TAG = re.compile(r"<(/?)(?:em|strong|del|ul|ol|li|blockquote|section|table|thead|tbody|tr|td|th|p|a|sup)\b")


def _might_be_deep(text: str) -> bool:
    """Emphasis inside emphasis needs a mark at either end; containers have their own limit."""
    return sum(text.count(mark) for mark in "*_~") > MAX_DEPTH


def _too_deep(html: str) -> Iterator[Fault]:
    depth = 0
    for tag in _TAG.finditer(html):
        depth += -1 if tag[1] else 1
        if depth > MAX_DEPTH:
            before = re.findall(r'data-sourcepos="(\d+):', html[: tag.start()])
            message = f"emphasis, lists and quotes are nested more than {MAX_DEPTH} levels deep"
            yield Fault(int(before[-1]) if before else 1, message, "close emphasis before you open it again")
            return


def _raw_html(text: str, html: str) -> Iterator[Fault]:
    """A fault for every line with something that looks like HTML outside code, if comrak found any at all."""
    if _OMITTED not in html:
        return
    code = sorted(((int(m[1]), int(m[2])), (int(m[3]), int(m[4]))) for m in _CODE.finditer(html))
    marks = {}
    for number, line in enumerate(text.split("\n"), 1):
        for found in _RAW_HTML.finditer(line):
            place = (number, len(line[: found.start()].encode(errors="replace")) + 1)  # comrak counts bytes
            before = bisect_right(code, place, key=itemgetter(0)) - 1
            if before < 0 or code[before][1] < place:
                marks[number] = found[0]
                break
        if len(marks) == MAX_RAW_HTML_FAULTS:
            break
    for number, mark in (marks or {1: "<"}).items():
        yield Fault(number, f"raw HTML ({mark}) is not allowed here", "write it in Markdown, or as `code`")


# --- cleaning -------------------------------------------------------------------------------------------------


def _extensions() -> comrak.ExtensionOptions:
    options = comrak.ExtensionOptions()
    options.table = options.footnotes = options.strikethrough = True
    options.header_id_prefix = ""
    return options


def _positions() -> comrak.RenderOptions:
    options = comrak.RenderOptions()
    options.sourcepos = True
    return options


_EXTENSIONS: Final = _extensions()
_WITH_POSITIONS: Final = _positions()

# All of these read what comrak wrote in safe mode, where < > " in texts and attributes are always escaped.
_ANCHOR = re.compile(r'<a href="#[^"]*" aria-label="[^"]*" data-heading-content="[^"]*" class="anchor"></a>')
_HEADING = re.compile(r"(</?h)([1-6])(?=[ >])")
_HEADING_ID = re.compile(r'<h[1-6] id="([^"]*)"')
_ID = re.compile(r'(?<= )(?:id="|href="#)')
_HEADING_PLACE = re.compile(r'<h([1-6]) id="[^"]*" data-sourcepos="(\d+):(\d+)-[^"]*">')
_LINK = re.compile(r'<(a|img) data-sourcepos="(\d+):(\d+)-(\d+):(\d+)" (?:href|src)="([^"]*)"(?: alt="([^"]*)")?')
_ALT = re.compile(r'<img [^>]*alt="([^"]*)"[^>]*>')
_ANY_TAG = re.compile(r"<[^>]*>")

_INLINE: Final = {"em", "strong", "del", "code", "a", "sup", "br", "img"}
_BLOCKS: Final = {"h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "pre", "hr", "section"}
_TABLE: Final = {"table", "thead", "tbody", "tr", "th", "td"}
_ATTRIBUTES: Final = {
    **{f"h{level}": {"id"} for level in range(2, 7)},
    "a": {"href", "title", "id", "aria-label"},
    "img": {"src", "alt", "title"},
    "li": {"id"},
    "ol": {"start"},
    "th": {"align", "scope"},
    "td": {"align"},
}
_CLASSES: Final = {"a": {"footnote-backref"}, "sup": {"footnote-ref"}, "section": {"footnotes"}}
_RELATIVE = re.compile(r"(?![/\\]{2})[^\x00-\x20:\\][^\x00-\x1f:\\]*(?:[?#].*)?", re.DOTALL)


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """Drop pictures from elsewhere, and targets that are neither relative nor of our schemes.

    Nor of none, like //host: a mail has no scheme to inherit. A first segment with a colon is no relative reference
    either (RFC 3986 4.2).
    """
    if tag == "img" and attribute == "src":
        return value if _RELATIVE.fullmatch(value) else None
    if attribute == "href":
        scheme, colon, _ = re.split(r"[/?#]", value, maxsplit=1)[0].partition(":")
        is_odd = colon and scheme.lower() not in SCHEMES
        return None if is_odd or not value or value[:2].replace("\\", "/") == "//" else value
    return value


_OWN: Final = nh3.Cleaner(
    tags=_INLINE | _BLOCKS | _TABLE,
    attributes=_ATTRIBUTES,
    allowed_classes=_CLASSES,
    attribute_filter=_kept,
    set_tag_attribute_values={"th": {"scope": "col"}},  # Markdown heads columns only; screen readers want it said
    url_schemes=set(SCHEMES),
    link_rel=None,
)
_UNSEEN: Final = {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "title", "textarea"}
_FOREIGN: Final = nh3.Cleaner(
    tags={"p", "br", "em", "strong", "i", "b", "code", "pre", "blockquote", "ul", "ol", "li", "a"},
    clean_content_tags=_UNSEEN,
    attributes={"a": {"href"}},
    url_schemes={"http", "https"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer",
)
_TEXT_ONLY: Final = nh3.Cleaner(tags=set(), clean_content_tags=_UNSEEN, attributes={})
_BLOCK = re.compile(
    r"</?(?:address|article|aside|blockquote|br|dd|div|dl|dt|figcaption|figure|footer|h[1-6]|header|hr|img|li|main|nav"
    r"|ol|p|pre|section|table|td|th|tr|ul)\b",
    re.IGNORECASE,
)
_JOINERS: Final = "\u200c\u200d"


def _bounded(html: str) -> str:
    """No more than our limits, and no lone surrogates, which nh3 refuses."""
    html = html[:MAX_FOREIGN_CHARACTERS].encode(errors="replace").decode()
    parts = html.split("<", MAX_FOREIGN_TAGS + 1)
    return "<".join(parts[: MAX_FOREIGN_TAGS + 1])


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in _JOINERS
    return "" if hidden else character
