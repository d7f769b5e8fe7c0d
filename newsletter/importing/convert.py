"""HTML to Markdown: markdownify does it, after lxml has nested the tree and nh3 has cleaned it.

markdownify is kept, small and made to be subclassed (html2text is GPL and rests since 2025-04; html-to-markdown changes
its interface with every other month). It does not know all that CommonMark asks for, so the result is rendered and
compared with the words that went in; what fails is converted again without emphasis, whose marks may not close.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from lxml import etree
from lxml import html as lxml_html
from markdownify import MarkdownConverter

from newsletter.html import clean_page, markdown_faults, to_html
from newsletter.importing.closing import blocks_of
from newsletter.importing.escape import escaped
from newsletter.importing.nouns import RefusedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HTML_BYTES: Final = 5_000_000
MAX_TREE_DEPTH: Final = 60  # markdownify walks by recursion, a few frames a level
MAX_TITLE_CHARACTERS: Final = 300

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
KNOWN_LANGUAGE: Final = re.compile(r"(?:language|lang|highlight|brush:?)[-: ]([A-Za-z0-9+#_-]{1,20})")


def tree_of(text: str) -> Any:
    """The tree of a page, or of a part of one; RefusedSource when it is none."""
    if len(text.encode(errors="replace")) > MAX_HTML_BYTES:
        raise RefusedSource(f"the page has more than {MAX_HTML_BYTES:,} bytes; save the text alone")
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = lxml_html.document_fromstring(text.encode(errors="replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        raise RefusedSource("there is no text in this page") from None
    return tree


def markdown_of(element: Any) -> tuple[str, tuple[str, ...]]:
    """The Markdown of an element of a page, and what was lost on the way.

    Raises:
        RefusedSource: it is beyond the limits.
    """
    tidy(element)
    try:
        html = clean_page(lxml_html.tostring(element, encoding="unicode", with_tail=False))
    except ValueError as error:
        raise RefusedSource(f"{error}; split the page, or save its text alone") from None
    wanted = letters(html)
    markdown = _converted(html)
    if _shows(markdown, wanted):
        return markdown, ()
    plainer = _converted(html, strip=list(EMPHASIS))
    if _shows(plainer, wanted):
        return plainer, ("emphasis was left out: Markdown could not tell where it ends",)
    if markdown_faults(markdown):
        return markdown, ()  # the door says what is wrong
    return markdown, ("compare the text with its source: some signs did not survive",)


def letters(html: str) -> str:
    """Everything that a reader reads, without white space: the measure of what was kept."""
    if not html.strip():
        return ""
    return "".join(lxml_html.fragment_fromstring(html, create_parent="div").text_content().split())


def tidy(root: Any) -> None:
    """Leave what Markdown can say: no scripts, no layout tables, no emphasis inside emphasis, links without links."""
    for element in list(root.iter(*NEVER)):
        if element is not root:
            element.drop_tree()
    for element, depth in list(_with_depth(root)):
        if depth > MAX_TREE_DEPTH and element.getparent() is not None:
            element.drop_tag()
    for table in list(root.iter("table")):
        if table.xpath(INSIDE_LAYOUT) or not table.xpath(".//td|.//th"):
            _unmake(table)
    for element in list(root.iter()):
        if isinstance(element.tag, str) and element is not root:
            _simplify(element)
    for element in list(root.iter(*EMPHASIS)):
        _calm(element)


def _with_depth(root: Any) -> Iterator[tuple[Any, int]]:
    """Depth first, without recursion: the tree is a stranger's."""
    stack = [(root, 0)]
    while stack:
        element, depth = stack.pop()
        yield element, depth
        stack.extend((child, depth + 1) for child in element)


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


def _shows(markdown: str, wanted: str) -> bool:
    if markdown_faults(markdown):
        return False
    return letters(to_html(markdown)) == wanted


# --- markdownify ----------------------------------------------------------------------------------------------


def _converted(html: str, **options: Any) -> str:
    text: str = _Converter(
        heading_style="atx", bullets="-", newline_style="backslash", autolinks=False, strip_pre="strip_one", **options
    ).convert(html)
    text = re.sub(r"\\!(?=[ \t]*(?:\n|$))", "!", re.sub(r"(\\\n) +(?=\S)", r"\1", text))
    return "\n\n".join(blocks_of(text))


class _Converter(MarkdownConverter):
    """What CommonMark asks for and markdownify does not do by itself."""

    def escape(self, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002  # markdownify's signature
        words = escaped(" ".join(re.split(r"[ \t\n]+", text)))
        return f"{words[:-1]}\\!" if words.endswith("!") else words  # a link may follow, and would become a picture

    def convert_a(self, el: Any, text: str, parent_tags: set[str]) -> str:
        href = el.get("href") or ""
        words = " ".join(text.split())
        if not words or not href:
            return text
        before, after = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
        if re.fullmatch(r"https?://[^\s<>]+", href) and el.get_text() == href and "td" not in parent_tags:
            return f"{before}<{href}>{after}"
        title = escaped((el.get("title") or "").replace("\n", " ")).replace('"', '\\"')
        inside = f'{_target(href)} "{title}"' if title else _target(href)
        return f"{before}[{words}]({inside}){after}"

    def convert_img(self, el: Any, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        alt = escaped(" ".join((el.get("alt") or "").split()))
        return f"![{alt}]({_target(el.get('src') or '')})"

    def convert_code(self, el: Any, text: str, parent_tags: set[str]) -> str:
        if "pre" not in parent_tags:
            text = re.sub(r"[ \t]*\n[ \t]*", " ", text)
        code: str = MarkdownConverter.convert_code(self, el, text, parent_tags)  # type: ignore[attr-defined]
        return code.replace("|", "\\|") if {"td", "th"} & parent_tags else code

    def convert_pre(self, el: Any, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        code = el.find("code")
        language = ((code.get("class") or [""])[0] if code else "").removeprefix("language-")
        longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
        fence = "`" * (longest + 1)
        text = text.strip("\n")
        return f"\n\n{fence}{language}\n{text}\n{fence}\n\n" if text.strip() else ""

    def convert_blockquote(self, el: Any, text: str, parent_tags: set[str]) -> str:
        quoted: str = MarkdownConverter.convert_blockquote(self, el, text, parent_tags)  # type: ignore[attr-defined]
        return f"\n{quoted}"

    def convert_hN(self, n: int, el: Any, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002, N802
        words = " ".join(text.split())
        if "_inline" in parent_tags or not words:
            return words
        words = re.sub(r"(#+)$", r"\\\1", words)
        return f"\n\n{'#' * max(2, min(6, n))} {words}\n\n"


def _target(href: str) -> str:
    """A link's target that nothing in it can end early."""
    return quote("".join(href.split()), safe="/%:@!$&'*+,;=-._~?#[]") or "#"
