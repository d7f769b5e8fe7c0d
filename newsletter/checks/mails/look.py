"""Rules over what readers see: sizes, leading, contrast in three themes, and nothing hidden."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from newsletter.checks.mails.inversion import inverted, over, rgba
from newsletter.checks.mails.style import DARK, DESKTOP, PHONE, pixels
from newsletter.render.colours import contrast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.mails.style import Medium, Styles
    from newsletter.checks.rule import Problem
    from newsletter.checks.tree import Node, Words

MIN_SIZE: Final = 13.0  # pixels, of anything that is to be read
MIN_BODY_SIZE: Final = 16.0
MIN_LEADING: Final = 1.4
MIN_HEAD_LEADING: Final = 1.1
NORMAL_LEADING: Final = 1.2  # what browsers make of line-height: normal, near enough
MIN_CONTRAST: Final = 4.5  # WCAG 2.2, 1.4.3
MIN_CONTRAST_LARGE: Final = 3.0
LARGE: Final = 24.0  # 18 points
LARGE_BOLD: Final = 18.66  # 14 points
BOLD: Final = 600
NEARLY_SAME: Final = 1.3  # text of such a contrast is hidden, not hard to read
TINY: Final = 2.0
LONG: Final = 40  # characters, from which on a text runs over several lines on a phone

BODY: Final = frozenset({"p", "li", "dd", "blockquote"})
HEADS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
HIDING: Final = frozenset(
    {"display", "visibility", "mso-hide", "opacity", "overflow", "text-indent", "left", "top", "margin-left"}
)
EXTENTS: Final = ("height", "max-height", "width", "max-width")
OFF_SCREEN: Final = re.compile(r"-\d{3,}")
WHITE: Final = "#ffffff"
DARK_CANVAS: Final = "#121212"  # Chromium's ground for color-scheme: dark
SHAPES: Final = re.compile(r"[\s\u00a0\u2580-\u259f]*")  # blanks and block elements: pictures made of characters


def body_small(letter: Letter, house: House) -> Iterator[Problem]:
    """Running text of 16 pixels needs no zooming, on no telephone."""
    del house
    for node, size in _sizes(letter):
        if node.tag in BODY and size < MIN_BODY_SIZE:
            message = f"<{node.tag}> has text of {size:.4g} pixels; running text needs {MIN_BODY_SIZE:.0f}"
            yield letter.in_html(node, message, "enlarge it in the style of the letter")


def small(letter: Letter, house: House) -> Iterator[Problem]:
    """Below 13 pixels nobody reads, and iOS enlarges as it likes."""
    del house
    for node, size in _sizes(letter):
        if TINY <= size < MIN_SIZE:
            message = f"<{node.tag}> has text of {size:.4g} pixels; {MIN_SIZE:.0f} are the least for anything"
            yield letter.in_html(node, message, "enlarge it in the style of the letter")


def leading(letter: Letter, house: House) -> Iterator[Problem]:
    """Lines that stand close are hard to follow."""
    del house
    for styles in letter.looks(DESKTOP):
        for node, words in _first_words(letter).items():
            least = MIN_HEAD_LEADING if node.tag in HEADS else MIN_LEADING
            if node.tag in BODY | HEADS and len(node.text()) >= LONG:
                share = _leading(styles, node)
                if share < least:
                    message = f"<{node.tag}> has a line height of {share:.3g}; {least} is the least"
                    yield letter.in_html(words.parent, message, "set line-height in the style of the letter")


def contrast_light(letter: Letter, house: House) -> Iterator[Problem]:
    """Text and ground as the letter has them."""
    del house
    yield from _contrasts(letter, DESKTOP, WHITE, "in the light theme", lambda colour: colour)


def contrast_dark(letter: Letter, house: House) -> Iterator[Problem]:
    """Text and ground where prefers-color-scheme is honoured."""
    del house
    yield from _contrasts(letter, DARK, DARK_CANVAS, "in the dark theme", lambda colour: colour)


def contrast_inverted(letter: Letter, house: House) -> Iterator[Problem]:
    """Text and ground where the program inverts the light theme (``inversion`` tells how)."""
    del house
    yield from _contrasts(letter, DESKTOP, WHITE, "when a mail program inverts colours", inverted)


def hidden(letter: Letter, house: House) -> Iterator[Problem]:
    """Hidden text is a phisher's trick, preheaders included: what we say, we say openly."""
    del house
    for styles in letter.looks(DESKTOP):
        for words in letter.read:
            node, reason = _hiding(styles, words)
            if reason:
                message = f"{words.text.strip()[:30]!r} is hidden: {reason}"
                yield letter.in_html(node, message, "show it, or leave it out")


# --- how ------------------------------------------------------------------------------------------------------


def _sizes(letter: Letter) -> Iterator[tuple[Node, float]]:
    """Each element with words of its own, and the least size that they have on a desktop or a telephone."""
    for desktop in letter.looks(DESKTOP):
        for phone in letter.looks(PHONE):
            for node in _first_words(letter):
                yield node, min(desktop.size(node), phone.size(node))


def _first_words(letter: Letter) -> dict[Node, Words]:
    """Elements that have words of their own, with the first of them."""
    found: dict[Node, Words] = {}
    for words in letter.read:
        if not SHAPES.fullmatch(words.text):
            found.setdefault(words.parent, words)
    return found


def _leading(styles: Styles, node: Node) -> float:
    value, size = styles.get(node, "line-height"), styles.size(node)
    if not value or value == "normal" or not size:
        return NORMAL_LEADING
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    return pixels(value, size, NORMAL_LEADING * size) / size


def _contrasts(
    letter: Letter, medium: Medium, canvas: str, when: str, shown: Callable[[str], str]
) -> Iterator[Problem]:
    for styles in letter.looks(medium):
        for node, words in _first_words(letter).items():
            ground = _ground(styles, node, canvas)
            colour = over(_colour(styles, node), ground)
            ratio = contrast(shown(colour), shown(ground))
            is_hard = NEARLY_SAME <= ratio < _least(styles, node) or (ratio < NEARLY_SAME and medium.dark)
            if is_hard and not _hider(styles, node)[1]:
                message = f"{words.text.strip()[:30]!r} has a contrast of {ratio:.2f} {when}: {colour} on {ground}"
                yield letter.in_html(node, message, f"{_least(styles, node)} is the least; change one of the two")


def _least(styles: Styles, node: Node) -> float:
    size = styles.size(node)
    weight = styles.get(node, "font-weight")
    bold = weight in ("bold", "bolder") or (weight.isdecimal() and int(weight) >= BOLD)
    return MIN_CONTRAST_LARGE if size >= LARGE or (bold and size >= LARGE_BOLD) else MIN_CONTRAST


def _colour(styles: Styles, node: Node) -> str:
    value = styles.get(node, "color")
    return value if rgba(value) else "#000000"


def _ground(styles: Styles, node: Node, canvas: str) -> str:
    """What stands behind an element: the grounds of its ancestors, from the outermost to its own."""
    ground = canvas
    for one in reversed([node, *node.above()]):
        colour = styles.own(one).get("background-color", "") if one.tag else ""
        ground = over(colour or one.get("bgcolor") or "transparent", ground)
    return ground


def _hiding(styles: Styles, words: Words) -> tuple[Node, str]:
    node, reason = _hider(styles, words.parent)
    if reason:
        return node, reason
    if styles.size(words.parent) < TINY:
        return words.parent, "its size is nothing"
    ground = _ground(styles, words.parent, WHITE)
    same = contrast(over(_colour(styles, words.parent), ground), ground) < NEARLY_SAME
    return words.parent, "it has the colour of its ground" if same and not SHAPES.fullmatch(words.text) else ""


def _hider(styles: Styles, node: Node) -> tuple[Node, str]:
    """What hides an element with all that is in it, and how; the reason is empty when nothing does."""
    for one in (node, *node.above()):
        style = styles.own(one) if one.tag else {}
        if (HIDING & style.keys() or "hidden" in one.attributes) and (reason := _hides(style, one)):
            return one, reason
    return node, ""


def _hides(style: Mapping[str, str], node: Node) -> str:
    cut = style.get("overflow", "").startswith("hidden")
    moved = " ".join(style.get(name, "") for name in ("text-indent", "left", "top", "margin-left"))
    reasons = {
        "it is not displayed": style.get("display") == "none" or "hidden" in node.attributes,
        "it is not visible": style.get("visibility") in ("hidden", "collapse"),
        "Outlook does not show it": style.get("mso-hide") == "all",
        "it is transparent": re.fullmatch(r"0(?:\.0*)?", style.get("opacity", "1")) is not None,
        "it is cut off": cut and any(pixels(style.get(name, "auto"), 100, 100) < TINY for name in EXTENTS),
        "it stands outside of the page": OFF_SCREEN.search(moved) is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
