"""Colours that can be read: TLP's own, and the contrast rule of WCAG 2.2 for the site's accent."""

from __future__ import annotations

from typing import Final

from newsletter.model import Tlp

# FIRST, TLP 2.0: each label in its colour on black.
TLP_COLOURS: Final = {
    Tlp.RED: "#FF2B2B",
    Tlp.AMBER_STRICT: "#FFC000",
    Tlp.AMBER: "#FFC000",
    Tlp.GREEN: "#33FF00",
    Tlp.CLEAR: "#FFFFFF",
}

# WCAG 2.2, 1.4.3: 4.5 to 1 for text; a little more, so that rounding in a browser cannot fall below it.
MIN_CONTRAST: Final = 4.6
STEPS: Final = 20


def tlp_colour(label: Tlp) -> str:
    """The colour of a label's text, which stands on black."""
    return TLP_COLOURS[label]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours ``#rrggbb``, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable(colour: str, ground: str) -> str:
    """The colour itself where it can be read on this ground, else the nearest mix with black or white that can."""
    goal = "#000000" if _luminance(ground) > _luminance("#767676") else "#ffffff"
    mixes = (_mix(colour, goal, step / STEPS) for step in range(STEPS + 1))
    return next((mix for mix in mixes if contrast(mix, ground) >= MIN_CONTRAST), goal)


def _channels(colour: str) -> tuple[int, int, int]:
    value = int(colour.removeprefix("#"), 16)
    return value >> 16, value >> 8 & 255, value & 255


def _luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 -- the formula of sRGB
        for c in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mix(colour: str, goal: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(goal), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
