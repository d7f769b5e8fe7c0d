"""HTML as the rules look at it: elements and words, each with the line and the column in which it stands.

The standard library's parser never repairs anything, so what a browser would silently put right is told as a fault
here. Hostile or broken HTML raises nothing: what cannot be parsed is one fault more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS: Final = 2_000_000  # twenty times what Gmail shows of a letter
MAX_ELEMENTS: Final = 50_000
MAX_DEPTH: Final = 200
MAX_FAULTS: Final = 100

VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
DRAWINGS: Final = frozenset({"svg", "math"})
# Words inside these are for machines.
UNREAD: Final = frozenset({"head", "script", "style", "title", "noscript", "template"})
# What ends an open paragraph, whether its author meant so or not (HTML, section 13.1.2.4).
ENDS_PARAGRAPH: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "details",
        "div",
        "dl",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "ul",
    ]
)
PARENTS: Final = {
    "tr": frozenset({"table", "thead", "tbody", "tfoot"}),
    "td": frozenset({"tr"}),
    "th": frozenset({"tr"}),
    "li": frozenset({"ul", "ol", "menu"}),
    "dt": frozenset({"dl", "div"}),
    "dd": frozenset({"dl", "div"}),
    "thead": frozenset({"table"}),
    "tbody": frozenset({"table"}),
    "tfoot": frozenset({"table"}),
}
# Words directly inside these are moved out, to before the table.
WORDLESS: Final = frozenset({"table", "thead", "tbody", "tfoot", "tr"})


class Spot(NamedTuple):
    """Something that stands at a line and a column (both from 1): a fault, a comment, the doctype."""

    text: str
    line: int
    column: int


@dataclass(slots=True, eq=False)
class Words:
    """A run of text between two tags, entities decoded."""

    text: str
    line: int
    column: int
    parent: Node


@dataclass(slots=True, eq=False)
class Node:
    """An element. ``doubled`` are attributes that it has twice."""

    tag: str
    attributes: dict[str, str]
    line: int
    column: int
    parent: Node | None
    children: list[Node | Words] = field(default_factory=list)
    doubled: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        """An attribute; empty when it is not there."""
        return self.attributes.get(name, "")

    def above(self) -> Iterator[Node]:
        """Its ancestors, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> Iterator[Node]:
        """Itself and every element below, in order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [child for child in reversed(node.children) if isinstance(child, Node)]

    def text(self) -> str:
        """All words below it, as they stand."""
        found: list[str] = []
        waiting: list[Node | Words] = [self]
        while waiting:
            one = waiting.pop()
            if isinstance(one, Words):
                found.append(one.text)
            else:
                waiting += reversed(one.children)
        return "".join(found)

    def is_in(self, *tags: str) -> bool:
        """Whether it is one of these or stands inside one."""
        return self.tag in tags or any(node.tag in tags for node in self.above())


@dataclass(slots=True)
class Tree:
    """A parsed page. ``root`` is no element of it; ``faults`` are what a browser would have to repair."""

    root: Node
    elements: list[Node] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    comments: list[Spot] = field(default_factory=list)
    faults: list[Spot] = field(default_factory=list)
    doctype: Spot | None = None

    def all(self, *tags: str) -> list[Node]:
        """Every element of these tags, in order."""
        return [node for node in self.elements if node.tag in tags]

    def first(self, tag: str) -> Node | None:
        """The first element of this tag."""
        return next((node for node in self.elements if node.tag == tag), None)

    def read_words(self) -> Iterator[Words]:
        """What people read: every run of words that is more than white space, outside of head, style and the like."""
        for words in self.words:
            if words.text.strip() and not words.parent.is_in(*UNREAD):
                yield words


def parse(html: str) -> Tree:
    """The page as a tree; at most ``MAX_CHARACTERS`` of it, the rest is a fault."""
    reader = _Reader()
    if len(html) > MAX_CHARACTERS:
        reader.fault(f"longer than {MAX_CHARACTERS:,} characters; the rest was not looked at", (1, 0))
    try:
        reader.feed(html[:MAX_CHARACTERS])
        reader.close()
    except (AssertionError, ValueError) as error:  # the parser's own answers to declarations that it does not know
        reader.fault(f"cannot be parsed from here on: {error or 'a broken declaration'}", reader.getpos())
    reader.end()
    return reader.tree


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tree = Tree(Node("", {}, 1, 1, None))
        self._open = [self.tree.root]
        self._ids: set[str] = set()

    def fault(self, text: str, position: tuple[int, int] | None = None) -> None:
        if len(self.tree.faults) < MAX_FAULTS:
            line, column = position or self.getpos()
            self.tree.faults.append(Spot(text, line, column + 1))

    def end(self) -> None:
        for node in self._open[1:]:
            self.fault(f"<{node.tag}> is never closed", (node.line, node.column - 1))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._check_place(tag)
        if len(self.tree.elements) >= MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            self.fault(f"more than {MAX_ELEMENTS:,} elements, or more than {MAX_DEPTH} inside each other")
            return
        line, column = self.getpos()
        names = [name for name, _ in attrs]
        attributes = {name: value or "" for name, value in reversed(attrs)}  # the first of two counts
        doubled = tuple(name for name in attributes if names.count(name) > 1)
        node = Node(tag, attributes, line, column + 1, self._open[-1], doubled=doubled)
        self._check_attributes(node)
        self._open[-1].children.append(node)
        self.tree.elements.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # the slash means nothing, but in drawings, which are no HTML
        if tag not in VOID:
            if not any(node.tag in DRAWINGS for node in self._open):
                self.fault(f"<{tag}/> closes nothing: write <{tag}></{tag}>")
            self._open[-1:] = [] if self._open[-1].tag == tag else self._open[-1:]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or all(node.tag != tag for node in self._open):
            self.fault(f"</{tag}> closes nothing")
            return
        while (node := self._open.pop()).tag != tag:
            self.fault(f"<{node.tag}> is not closed before </{tag}>", (node.line, node.column - 1))

    def handle_data(self, data: str) -> None:
        parent = self._open[-1]
        line, column = self.getpos()
        words = Words(data, line, column + 1, parent)
        parent.children.append(words)
        self.tree.words.append(words)
        if data.strip() and parent.tag in WORDLESS:
            self.fault(f"words directly inside <{parent.tag}> are moved out of the table")

    def handle_comment(self, data: str) -> None:
        line, column = self.getpos()
        self.tree.comments.append(Spot(data, line, column + 1))

    def parse_comment(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002  # the library's signature
        """A comment that is never closed goes on to the end, as in browsers; not every release of Python says so."""
        end = super().parse_comment(i, report)
        if end >= 0:
            return end
        self.fault("a comment is never closed")
        self.handle_comment(self.rawdata[i + len("<!--") :])
        del self._open[1:]  # what would have closed these is lost in the comment: one fault, not many
        return len(self.rawdata)

    def handle_decl(self, decl: str) -> None:
        line, column = self.getpos()
        if self.tree.doctype is None:
            self.tree.doctype = Spot(decl, line, column + 1)
        else:
            self.fault("a second doctype")

    def unknown_decl(self, data: str) -> None:
        self.fault(f"<![{data[:20]} is no HTML; conditions for Outlook stand in comments")

    def handle_pi(self, data: str) -> None:
        self.fault(f"<?{data[:20]} is no HTML")

    def _check_place(self, tag: str) -> None:
        parent = self._open[-1].tag
        if tag in PARENTS and parent not in PARENTS[tag]:
            self.fault(f"<{tag}> does not belong into <{parent or 'nothing'}>")
        if tag in ENDS_PARAGRAPH and any(node.tag == "p" for node in self._open):
            self.fault(f"<{tag}> ends the paragraph that it stands in")
        if tag == "a" and any(node.tag == "a" for node in self._open):
            self.fault("a link inside a link")
        if parent in WORDLESS and tag not in PARENTS and tag not in {"caption", "colgroup", "col"}:
            self.fault(f"<{tag}> directly inside <{parent}> is moved out of the table")

    def _check_attributes(self, node: Node) -> None:
        for name in node.doubled:
            self.fault(f'<{node.tag}> has "{name}" twice')
        identity = node.get("id")
        if identity in self._ids:
            self.fault(f'the id "{identity}" stands twice')
        if identity:
            self._ids.add(identity)
