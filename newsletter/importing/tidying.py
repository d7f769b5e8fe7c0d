"""What Markdown can say of a foreign tree, and what is told of the rest: links, tables, raised signs, emphasis."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from newsletter.html import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BREAKS: Final = 10_000
MAX_TREE_DEPTH: Final = 60  # markdownify walks by recursion, a few frames a level
MAX_TOLD: Final = 60  # characters of what was left out
MAX_TOLD_THINGS: Final = 10
MAX_SPAN: Final = 20  # rows or columns that one cell of a table reaches over

EMPHASIS: Final = ("b", "strong", "i", "em", "del", "s")
SAME: Final = {"b": "strong", "i": "em", "s": "del", "strike": "del"}
AS_BLOCKS: Final = frozenset(
    [
        "article",
        "section",
        "main",
        "figure",
        "figcaption",
        "dl",
        "dt",
        "dd",
        "center",
        "header",
        "footer",
        "aside",
        "address",
        "details",
        "summary",
        "nav",
        "form",
        "fieldset",
        "hgroup",
        "picture",
    ]
)
PARAGRAPHS: Final = frozenset({"dt", "dd", "figcaption", "address", "summary"})
NEVER: Final = [
    "script",
    "style",
    "noscript",
    "template",
    "iframe",
    "object",
    "embed",
    "svg",
    "math",
    "canvas",
    "audio",
    "video",
    "form",
    "button",
    "input",
    "select",
    "textarea",
    "head",
    "meta",
    "link",
    "title",
    "base",
    "map",
    "area",
    "applet",
    "frameset",
    "frame",
    "dialog",
]
BLOCK_TAGS: Final = frozenset(
    [
        "p",
        "div",
        "ul",
        "ol",
        "li",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
        "blockquote",
        "pre",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "section",
        "article",
    ]
)
INSIDE_LAYOUT: Final = "|".join(
    f"descendant::{tag}" for tag in ("table", "h1", "h2", "h3", "ul", "ol", "blockquote", "pre", "p[2]")
)
LISTS: Final = ".//ul|.//ol"
BEYOND_LISTS: Final = ".//table|.//h1|.//h2|.//h3|.//blockquote|.//pre|.//*[count(p) > 1]"
SHIFTED: Final = {
    "sup": str.maketrans("0123456789+-\N{MINUS SIGN}=()in", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁱⁿ"),
    "sub": str.maketrans("0123456789+-\N{MINUS SIGN}=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎"),
}
KNOWN_LANGUAGE: Final = re.compile(r"(?:language|lang|highlight|brush:?)[-: ]([A-Za-z0-9+#_-]{1,20})")


def tidy(root: Any) -> tuple[str, ...]:
    """Leave what Markdown can say: no scripts, no layout tables, no emphasis inside emphasis, links without links.

    What a reader loses by it is told.
    """
    for element in list(root.iter(*NEVER)):
        if element is not root:
            element.drop_tree()
    for element, depth in list(_with_depth(root)):
        if depth > MAX_TREE_DEPTH and element.getparent() is not None:
            element.drop_tag()
    _end_lines(root)
    told = (*_unlink(root), *_level(root), *_flatten(root))
    for element in list(root.iter()):
        if isinstance(element.tag, str) and element.getparent() is not None and element is not root:
            _simplify(element)
    for element in list(root.iter(*EMPHASIS)):
        _calm(element)
    return told


def _with_depth(root: Any) -> Iterator[tuple[Any, int]]:
    """Depth first, without recursion: the tree is a stranger's."""
    stack = [(root, 0)]
    while stack:
        element, depth = stack.pop()
        yield element, depth
        stack.extend((child, depth + 1) for child in element)


def _end_lines(root: Any) -> None:
    """No line break where a block begins or ends anyway: Composer writes one below every paragraph."""
    for line in reversed(list(islice(root.iter("br"), MAX_BREAKS))):
        before, after, above = line.getprevious(), line.getnext(), line.getparent()
        if above is None or above.tag not in (*BLOCK_TAGS, *AS_BLOCKS, "body"):
            continue
        is_last = not (line.tail or "").strip() and (after is None or after.tag in BLOCK_TAGS)
        said = above.text if before is None else before.tail
        if is_last or (not (said or "").strip() and (before is None or before.tag in BLOCK_TAGS)):
            line.drop_tree()


def _unlink(root: Any) -> tuple[str, ...]:
    """Links that would run, or lead to no place of the web, keep their words alone. Browsers skip blanks in schemes."""
    lost = []
    for link in root.iter("a"):
        target = "".join((link.get("href") or "").split())
        scheme = re.match(r"[^/?#:]*(?=:)", target)
        if scheme and scheme[0].lower() not in SCHEMES:
            del link.attrib["href"]
            lost.append(target)
    return links_left(lost)


def links_left(targets: Iterable[str]) -> tuple[str, ...]:
    """What is told of links that were left out."""
    shown = dict.fromkeys(target[:MAX_TOLD] for target in targets)
    return tuple(f"link left out, its words stay: {target}" for target in list(shown)[:MAX_TOLD_THINGS])


def _level(root: Any) -> tuple[str, ...]:
    """Raised and lowered signs as Unicode has them; those that it has not are told: 10 to the 6 is not 106."""
    lost = []
    for element in list(root.iter(*SHIFTED)):
        signs, words = SHIFTED[element.tag], "".join(element.itertext())
        if all(ord(sign) in signs or sign.isspace() for sign in words):
            for part in element.iter():
                part.text = (part.text or "").translate(signs)
                part.tail = (part.tail or "").translate(signs) if part is not element else part.tail
        else:
            lost.append(" ".join(words.split())[:MAX_TOLD])
        element.drop_tag()
    shown = ", ".join(list(dict.fromkeys(lost))[:MAX_TOLD_THINGS])
    return (f"raised or lowered in the source, and now like the rest: {shown}",) if lost else ()


def _flatten(root: Any) -> tuple[str, ...]:
    """Tables as Markdown can hold them: those with heads and mere lists in cells stay, others become paragraphs."""
    lists = unmade = 0
    for table in list(root.iter("table")):
        if not _has_text(table):
            table.drop_tree()
            continue
        if table.xpath(".//th") and table.xpath(LISTS) and not table.xpath(BEYOND_LISTS):
            for part in table.xpath(LISTS):
                _inline(part)
            lists += 1
        elif table.xpath(INSIDE_LAYOUT) or not table.xpath(".//td|.//th"):
            unmade += len(table.xpath(".//td|.//th")) > 1
            _unmake(table)
            continue
        _square(table)
    told = []
    if lists:
        told.append("lists in the cells of a table became words with semicolons between them")
    if unmade:
        count = f" ({unmade} tables)" if unmade > 1 else ""
        told.append(f"a table became paragraphs, since its cells hold more than a line{count}")
    return tuple(told)


def _square(table: Any) -> None:
    """Cells that reach over others leave empty ones there, or what follows would stand below the wrong head."""
    reached: dict[int, int] = {}  # how many more rows the cell above takes of each column
    for row in table.iter("tr"):
        filled: list[Any] = []
        for cell in [child for child in row if child.tag in ("td", "th")]:
            _fill(filled, reached)
            for number in range(_span(cell, "colspan")):
                reached[len(filled)] = _span(cell, "rowspan") - 1
                filled.append(etree.Element(cell.tag) if number else cell)
        _fill(filled, reached)
        row[:] = filled


def _fill(row: list[Any], reached: dict[int, int]) -> None:
    while reached.get(len(row), 0) > 0:
        reached[len(row)] -= 1
        row.append(etree.Element("td"))


def _span(cell: Any, name: str) -> int:
    said = (cell.get(name) or "").strip()
    return min(MAX_SPAN, max(1, int(said))) if re.fullmatch(r"[0-9]{1,6}", said) else 1


def _inline(listing: Any) -> None:
    """A list inside a cell as words: its items, with semicolons between them."""
    for number, item in enumerate(listing.findall("li")):
        item.text = f"{'; ' if number else ' '}{(item.text or '').strip()}"
        item.tail = None
        item.tag = "span"
    if listing.getparent().tag == "span" and len(listing):  # a list in an item of a list
        listing[0].text = f"; {(listing[0].text or '').strip()}"
    listing.tag = "span"


def _unmake(table: Any) -> None:
    """A table that only puts things side by side: its cells follow each other."""
    for part in list(table.iter("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption")):
        part.tag = "div"


def _simplify(element: Any) -> None:
    tag = element.tag
    if tag in AS_BLOCKS:
        element.tag = "p" if tag in PARAGRAPHS and not any(child.tag in BLOCK_TAGS for child in element) else "div"
    elif tag in SAME:
        element.tag = SAME[tag]
    elif tag == "pre":
        _code_only(element)
    elif tag in ("tt", "kbd", "samp", "var"):
        element.tag = "code"
    elif tag == "caption":
        element.drop_tree()
    elif tag == "a" and (element.xpath("ancestor::a") or not element.get("href") or not _has_text(element)):
        element.drop_tag()


def _code_only(pre: Any) -> None:
    """Code has no marks inside; its language is what highlighters write into a class."""
    named = " ".join(filter(None, (pre.get("class"), *(child.get("class") for child in pre.iter("code")))))
    for line in pre.iter("br"):
        line.tail = f"\n{line.tail or ''}"
    text = "".join(part if isinstance(part, str) else "" for part in pre.xpath(".//text()"))
    tail = pre.tail
    for child in list(pre):
        pre.remove(child)
    pre.text, pre.tail = "", tail
    code = etree.SubElement(pre, "code")
    code.text = text
    if found := KNOWN_LANGUAGE.search(named):
        code.set("class", f"language-{found[1]}")
    if pre.xpath("ancestor::td|ancestor::th"):
        pre.tag = "span"


def _calm(element: Any) -> None:
    """Emphasis that says nothing: around nothing, around blocks, or inside its like."""
    parent = element.getparent()
    if parent is None:
        return
    is_inside = element.xpath(f"ancestor::{element.tag}")
    if (
        is_inside
        or not _has_text(element)
        or any(child.tag in BLOCK_TAGS for child in element.iter() if child is not element)
    ):
        element.drop_tag()
        return
    before = element.getprevious()
    if before is not None and before.tag == element.tag and not (before.tail or ""):
        before.tail = element.tail
        last = before[-1] if len(before) else None
        if last is None:
            before.text = (before.text or "") + (element.text or "")
        else:
            last.tail = (last.tail or "") + (element.text or "")
        before.extend(list(element))
        parent.remove(element)


def _has_text(element: Any) -> bool:
    return bool("".join(element.itertext()).strip()) or element.find(".//img") is not None
