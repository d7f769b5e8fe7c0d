"""HTML to Markdown: markdownify does it, after lxml has nested the tree and nh3 has cleaned it.

markdownify is kept, small and made to be subclassed (html2text is GPL and rests since 2025-04; html-to-markdown changes
its interface with every other month). It does not know all that CommonMark asks for, so the result is rendered and
compared with the words that went in; what fails is converted again without emphasis, whose marks may not close.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from lxml import etree
from lxml import html as lxml_html
from markdownify import MarkdownConverter

from newsletter.html import MAX_PAGE_TAGS, clean_page, markdown_faults, to_html
from newsletter.importing.closing import blocks_of
from newsletter.importing.escape import escaped
from newsletter.importing.handmade import INLINE, put_in_order
from newsletter.importing.nouns import RefusedSource
from newsletter.importing.office import make_lists
from newsletter.importing.tidying import EMPHASIS, tidy

MAX_HTML_BYTES: Final = 5_000_000
MAX_TITLE_CHARACTERS: Final = 300
MAX_ATTRIBUTES: Final = 2_000  # of one tag: the parser compares each with all before it, and 200,000 took 170 s
MAX_ELEMENTS: Final = MAX_PAGE_TAGS * 10  # before tidying, which leaves most of a saved page's away

RAW: Final = frozenset({"script", "style"})
# Each sign is looked at once, whatever the page does: nothing here goes back.
_ATTRIBUTE: Final = r"""[\s/]++(?>[^\s/>=]++|=)(?>\s*+=\s*+(?>"[^"]*+"|'[^']*+'|[^\s>]*+))?+"""
_TAG = re.compile(rf"<!--.*?(?:-->|\Z)|<(?P<name>[a-z][^\s/>]*+)(?P<attributes>(?>{_ATTRIBUTE})*+)", re.DOTALL)
_ATTRIBUTES = re.compile(_ATTRIBUTE)


def tree_of(text: str) -> Any:
    """The tree of a page, or of a part of one; RefusedSource when it is none."""
    if len(text.encode(errors="replace")) > MAX_HTML_BYTES:
        raise RefusedSource(f"the page has more than {MAX_HTML_BYTES:,} bytes; save the text alone")
    if _is_crowded(text):
        raise RefusedSource(f"a tag of it has more than {MAX_ATTRIBUTES:,} attributes; save the text alone")
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = lxml_html.document_fromstring(text.encode(errors="replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        raise RefusedSource("there is no text in this page") from None
    make_lists(tree)
    put_in_order(tree)
    return tree


def _is_crowded(text: str) -> bool:
    """Whether a tag has too many attributes. What only looks like a tag, in a comment or a script, has none."""
    position, text = 0, text.lower()
    while found := _TAG.search(text, position):
        position = found.end()
        inside = found["attributes"] or ""
        if len(inside) > MAX_ATTRIBUTES and sum(1 for _ in _ATTRIBUTES.finditer(inside)) > MAX_ATTRIBUTES:
            return True
        if (name := found["name"]) in RAW:
            end = text.find(f"</{name}", position)
            position = len(text) if end < 0 else end
    return False


def markdown_of(element: Any) -> tuple[str, tuple[str, ...]]:
    """The Markdown of an element of a page, and what was lost on the way.

    Raises:
        RefusedSource: it is beyond the limits.
    """
    if sum(1 for _ in islice(element.iter(), MAX_ELEMENTS + 1)) > MAX_ELEMENTS:
        raise RefusedSource(f"its text has more than {MAX_ELEMENTS:,} elements; split the page, or save its text alone")
    if element.tag in INLINE:
        element.tag = "div"  # whatever it was, it holds the whole text
    told = tidy(element)
    try:
        html = clean_page(lxml_html.tostring(element, encoding="unicode", with_tail=False))
    except ValueError as error:
        raise RefusedSource(f"{error}; split the page, or save its text alone") from None
    wanted = letters(html)
    markdown = _converted(html)
    if _shows(markdown, wanted):
        return markdown, told
    plainer = _converted(html, strip=list(EMPHASIS))
    if _shows(plainer, wanted):
        return plainer, (
            *told,
            "emphasis was left out: Markdown could not tell where it ends",
        )
    if markdown_faults(markdown):
        return markdown, told  # the door says what is wrong
    return markdown, (
        *told,
        "compare the text with its source: some signs did not survive",
    )


def letters(html: str) -> str:
    """Everything that a reader reads, without white space: the measure of what was kept."""
    if not html.strip():
        return ""
    return "".join(lxml_html.fragment_fromstring(html, create_parent="div").text_content().split())


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
