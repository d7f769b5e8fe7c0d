"""Clean HTML as a small tree: what ``to_html`` made is read once, and written as mail or as plain text.

The input has been cleaned by nh3, so it is balanced; anything else is still read without harm, if without beauty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

VOID: Final = frozenset({"br", "hr", "img", "input", "wbr"})


@dataclass(slots=True)
class Element:
    """An element with its attributes and children; text is a plain ``str`` among them."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """An attribute, or the empty string."""
        return self.attributes.get(name, "")

    def elements(self, *tags: str) -> list[Element]:
        """The children that are elements, of these tags if any are named."""
        return [c for c in self.children if isinstance(c, Element) and (not tags or c.tag in tags)]

    def walk(self) -> Iterator[Element]:
        """Every element below this one, in the order of the document."""
        for child in self.elements():
            yield child
            yield from child.walk()

    def text(self) -> str:
        """All text below this element."""
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)


def parse_fragment(html: str) -> Element:
    """The fragment under a nameless root."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


def write_fragment(element: Element) -> str:
    """HTML of everything below ``element``."""
    return "".join(escape(c, quote=False) if isinstance(c, str) else _write(c) for c in element.children)


def _write(element: Element) -> str:
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in element.attributes.items())
    if element.tag in VOID:
        return f"<{element.tag}{attributes}>"
    return f"<{element.tag}{attributes}>{write_fragment(element)}</{element.tag}>"


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self._open[1:]):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)
