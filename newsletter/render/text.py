"""Plain text for readers: 72 columns, no Markdown noise, links as numbered notes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Final

from newsletter.render.markup import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

COLUMNS: Final = 72
INDENT: Final = 4
GAP: Final = 2

# Elements that hold blocks; BLOCKS below has those that are one, and everything else stands inside a line.
CONTAINERS: Final = frozenset({"article", "aside", "details", "div", "dl", "dt", "figure", "li", "section"})
# A footnote's number is raised, so that nobody takes it for the number of a link.
RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# White space that a line may be broken at; a no-break space is none.
BLANKS: Final = re.compile(r"[^\S\u00a0\u202f]+")


@dataclass(slots=True)
class LinkNotes:
    """The addresses that a text points to, numbered in the order in which they first appear."""

    addresses: list[str] = field(default_factory=list)

    def number(self, address: str) -> int:
        """The number of an address, new or known."""
        if address not in self.addresses:
            self.addresses.append(address)
        return self.addresses.index(address) + 1

    def numbered(self) -> tuple[tuple[int, str], ...]:
        """Number and address, as they are listed at the end."""
        return tuple(enumerate(self.addresses, start=1))


def wrapped(text: str, *, indent: int = 0, first: str = "", columns: int = COLUMNS) -> str:
    """A paragraph wrapped at ``columns``; words longer than a line (addresses) stay whole.

    ``first`` stands at the head of the first line (a bullet), and the others are indented as far.
    """
    margin = " " * indent
    wrapper = TextWrapper(
        width=columns,
        initial_indent=margin + first,
        subsequent_indent=margin + " " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrapper.fill(line) for line in text.split("\n") if line.strip(" "))


def one_line(text: str) -> str:
    """The text with all its white space folded, line breaks of every kind included; no-break spaces stay."""
    return BLANKS.sub(" ", text).strip()


def heading(text: str) -> str:
    """The head of a section: capitals, underlined."""
    lines = wrapped(text.upper())
    return f"{lines}\n{'=' * max(len(line) for line in lines.split(chr(10)))}"


def rule(mark: str) -> str:
    """A line of one mark over the whole width."""
    return mark * COLUMNS


def right(text: object) -> str:
    """Text at the right edge, where the standard wants the label (TLP 2.0)."""
    return str(text).rjust(COLUMNS)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Labels in one column, their values in the next."""
    rows = list(pairs)
    width = max((len(label) for label, _ in rows), default=0) + GAP
    return "\n".join(wrapped(value, first=label.ljust(width)) for label, value in rows)


def to_text(root: Element, notes: LinkNotes, *, indent: int = 0) -> str:
    """Everything below ``root`` as wrapped plain text, without a line break at its end."""
    return "\n\n".join(_blocks(root, notes, indent))


def _blocks(parent: Element, notes: LinkNotes, indent: int) -> list[str]:
    """The blocks below an element, each ready to print; loose words between them become paragraphs."""
    blocks: list[str] = []
    loose: list[Element | str] = []
    for child in parent.children:
        if isinstance(child, Element) and (child.tag in BLOCKS or child.tag in CONTAINERS):
            blocks.append(wrapped(_words(loose, notes), indent=indent))
            loose = []
            blocks += _block(child, notes, indent)
        else:
            loose.append(child)
    blocks.append(wrapped(_words(loose, notes), indent=indent))
    return [block for block in blocks if block.strip()]


def _block(element: Element, notes: LinkNotes, indent: int) -> list[str]:
    write = BLOCKS.get(element.tag)
    return [write(element, notes, indent)] if write else _blocks(element, notes, indent)


def _paragraph(element: Element, notes: LinkNotes, indent: int) -> str:
    return wrapped(_words(element.children, notes), indent=indent)


def _heading(element: Element, notes: LinkNotes, indent: int) -> str:
    lines = _paragraph(element, notes, indent)
    longest = max(len(line) for line in lines.split("\n"))
    return f"{lines}\n{' ' * indent}{'-' * (longest - indent)}"


def _quote(element: Element, notes: LinkNotes, indent: int) -> str:
    return "\n\n".join(_blocks(element, notes, indent + INDENT))


def _verbatim(element: Element, _notes: LinkNotes, indent: int) -> str:
    margin = " " * (indent + INDENT)
    return "\n".join(margin + line for line in element.text().rstrip("\n").split("\n"))


def _rule(_element: Element, _notes: LinkNotes, indent: int) -> str:
    return " " * indent + "-" * (COLUMNS - indent)


def _list(element: Element, notes: LinkNotes, indent: int) -> str:
    start = element.get("start")
    number = int(start) if start.isdecimal() else 1
    # CommonMark: the items of a loose list hold paragraphs, those of a tight one bare words.
    gap = "\n\n" if any(item.elements("p") for item in element.elements("li")) else "\n"
    items = []
    for position, item in enumerate(element.elements("li"), start=number):
        mark = _mark(element, item, position)
        margin = indent + len(mark)
        # The first block was wrapped with room for the mark; the mark takes that room.
        items.append(f"{' ' * indent}{mark}{gap.join(_blocks(item, notes, margin))[margin:]}".rstrip())
    return gap.join(items)


def _mark(parent: Element, item: Element, position: int) -> str:
    if item.get("id").rpartition("fn-")[1]:
        return f"{str(position).translate(RAISED)} "
    return f"{position}. " if parent.tag == "ol" else "- "


# --- words inside a block -----------------------------------------------------------------


def _words(children: Sequence[Element | str], notes: LinkNotes) -> str:
    """One line of words; only a <br> breaks it."""
    lines = "".join(_word(child, notes) for child in children).split("\0")
    return "\n".join(one_line(line) for line in lines)


def _word(child: Element | str, notes: LinkNotes) -> str:
    if isinstance(child, str):
        return child.replace("\0", "")
    match child.tag:
        case "br":
            return "\0"
        case "img":
            return f"[{child.get('alt')}]" if child.get("alt") else ""
        case "sup":
            return child.text().strip().translate(RAISED)
        case "a":
            return _link(child, notes)
        case _:
            return "".join(_word(c, notes) for c in child.children)


def _link(element: Element, notes: LinkNotes) -> str:
    """The words of a link and the number of its address; the words alone where they are the address."""
    href = element.get("href")
    words = "".join(_word(c, notes) for c in element.children)
    if words.strip() in (href, href.removeprefix("mailto:")):
        return words
    return f"{words} [{notes.number(href)}]"


# --- tables -----------------------------------------------------------------


def _table(element: Element, notes: LinkNotes, indent: int) -> str:
    rows = [
        [_words(cell.children, notes).replace("\n", " ") for cell in row.elements("th", "td")]
        for row in element.walk()
        if row.tag == "tr"
    ]
    if not rows:
        return ""
    columns = max(len(row) for row in rows)
    rows = [row + [""] * (columns - len(row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    if indent + sum(widths) + GAP * (columns - 1) <= COLUMNS:
        return _grid(rows, widths, indent)
    return _records(rows, indent)


def _grid(rows: Iterable[Sequence[str]], widths: Sequence[int], indent: int) -> str:
    gap = " " * GAP
    head, *body = [gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = gap.join("-" * width for width in widths)
    return "\n".join(f"{' ' * indent}{line}".rstrip() for line in [head, rule, *body])


def _records(rows: Sequence[Sequence[str]], indent: int) -> str:
    """A table that is too wide, row by row: each cell after the head of its column."""
    head, *body = rows
    records = [
        "\n".join(
            wrapped(f"{name} \N{EM DASH} {cell}" if name else cell, indent=indent)
            for name, cell in zip(head, row, strict=True)
            if cell
        )
        for row in body
    ]
    return "\n\n".join(records)


BLOCKS: Final[dict[str, Callable[[Element, LinkNotes, int], str]]] = {
    "p": _paragraph,
    "h1": _heading,
    "h2": _heading,
    "h3": _heading,
    "h4": _heading,
    "h5": _heading,
    "h6": _heading,
    "ul": _list,
    "ol": _list,
    "blockquote": _quote,
    "dd": _quote,
    "pre": _verbatim,
    "table": _table,
    "hr": _rule,
}
