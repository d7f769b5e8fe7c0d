"""Headings of rendered HTML (pure): what letters and pages are judged by alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.checks.tree import Node, Tree

HEADING: Final = re.compile("h[1-6]")


class HeadingFault(NamedTuple):
    """What is wrong with a heading, or with their number; the node is where."""

    node: Node | None
    message: str
    fix: str


def heading_faults(tree: Tree, what: str, is_editors: Callable[[Node], bool]) -> Iterator[HeadingFault]:
    """One h1, no level left out, none without words: screen readers travel by them. ``what`` names the whole.

    Editors were advised about the levels of theirs where they wrote them.
    """
    heads = [node for node in tree.elements if HEADING.fullmatch(node.tag)]
    tops = [node for node in heads if node.tag == "h1"]
    if len(tops) != 1:
        yield HeadingFault(tops[1] if tops else None, f"the {what} has {len(tops)} h1", "title it with one <h1>")
    level = 0
    for node in heads:
        now = int(node.tag[1])
        if now > level + 1 and not is_editors(node):
            before = f"follows <h{level}>" if level else "is the first heading"
            yield HeadingFault(node, f"<{node.tag}> {before}", "leave no level out")
        if not node.text().strip():
            yield HeadingFault(node, f"<{node.tag}> is empty", "fill it or leave it out")
        level = now
