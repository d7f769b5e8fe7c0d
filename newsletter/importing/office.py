"""Lists as Word saves them: paragraphs that begin with a sign or a number, and a row of spaces."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEMS: Final = 2_000

_MARK = re.compile(r"\s*(?:[\u00b7\u2022\u00a7\u00d8o\uf0b7\uf0a7\u2013-]|(?P<number>\d{1,3})[.)])\s+(?=\S)")


def make_lists(tree: Any) -> None:
    """Such paragraphs as the items of lists."""
    for paragraph, found in list(islice(_items(tree), MAX_ITEMS)):
        tag = "ol" if found["number"] else "ul"
        before = paragraph.getprevious()
        if before is None or before.get("class") != "word-list" or before.tag != tag or (before.tail or "").strip():
            before = etree.Element(
                tag, {"class": "word-list"} | ({"start": found["number"]} if found["number"] else {})
            )
            paragraph.addprevious(before)
        _cut(paragraph, found.end())
        tail, paragraph.tail = paragraph.tail, None
        before.append(paragraph)
        before.tail = tail
        paragraph.tag = "li"


def _items(tree: Any) -> Iterator[tuple[Any, re.Match[str]]]:
    for paragraph in tree.iter("p"):
        if "mso-list" in (paragraph.get("style") or "") or (paragraph.get("class") or "").startswith("MsoList"):
            found = _MARK.match("".join(paragraph.itertext()))
            if found:
                yield paragraph, found


def _cut(element: Any, count: int) -> None:
    """Take so many signs away from its beginning."""
    for text in element.xpath(".//text()"):
        holder, kept = text.getparent(), text[count:]
        if text.is_tail:
            holder.tail = kept
        else:
            holder.text = kept
        count -= min(count, len(text))
        if not count:
            return
