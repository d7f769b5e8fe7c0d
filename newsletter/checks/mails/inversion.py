"""Colours as a program shows them that inverts a letter's, whether its author wants that or not.

The model is that of Outlook's own editor (microsoft/roosterjs, MIT, getDarkColor): the lightness of every colour in
CIE Lab is turned round, between that of #333333 and white; hue and chroma stay. Text and grounds are changed alike.
Gmail for iOS inverts fully too; programs that change only some colours are no worse, for none changes dark on light.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tinycss2.color3 import RGBA, parse_color

BASE: Final = 21.247  # the lightness of #333333, as roosterjs has it
FULL: Final = 100.0
D65: Final = (0.95047, 1.0, 1.08883)
EPSILON: Final = 216 / 24389
KAPPA: Final = 24389 / 27
CACHED: Final = 4_096


@lru_cache(maxsize=CACHED)
def rgba(value: str) -> tuple[float, float, float, float] | None:
    """A colour of CSS as four shares of one; None when it is none, or depends on what is around it."""
    colour = parse_color(value)
    return tuple(colour) if isinstance(colour, RGBA) else None


def over(colour: str, ground: str) -> str:
    """A colour, which may let the ground through, on a ground ``#rrggbb``: again ``#rrggbb``."""
    top, below = rgba(colour), rgba(ground)
    if top is None or below is None:
        return ground
    return _hex(*(a * top[3] + b * (1 - top[3]) for a, b in zip(top[:3], below[:3], strict=True)))


@lru_cache(maxsize=CACHED)
def inverted(colour: str) -> str:
    """What becomes of ``#rrggbb``."""
    shares = rgba(colour)
    if shares is None:
        return colour
    lightness, a, b = _lab(*shares[:3])
    return _hex(*_rgb((FULL - lightness) * (FULL - BASE) / FULL + BASE, a, b))


def _hex(*shares: float) -> str:
    return "#" + "".join(f"{round(min(max(share, 0.0), 1.0) * 255):02x}" for share in shares)


# The formulas of sRGB (IEC 61966-2-1) and CIE Lab; the numbers are theirs.
def _lab(red: float, green: float, blue: float) -> tuple[float, float, float]:
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))  # noqa: PLR2004
    xyz = (
        0.4124564 * r + 0.3575761 * g + 0.1804375 * b,
        0.2126729 * r + 0.7151522 * g + 0.0721750 * b,
        0.0193339 * r + 0.1191920 * g + 0.9503041 * b,
    )
    x, y, z = (
        share ** (1 / 3) if share > EPSILON else (KAPPA * share + 16) / 116
        for share in (value / white for value, white in zip(xyz, D65, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    y = (lightness + 16) / 116
    x, y, z = (
        white * (share**3 if share**3 > EPSILON else (116 * share - 16) / KAPPA)
        for share, white in zip((y + a / 500, y, y - b / 200), D65, strict=True)
    )
    linear = (
        3.2404542 * x - 1.5371385 * y - 0.4985314 * z,
        -0.9692660 * x + 1.8760108 * y + 0.0415560 * z,
        0.0556434 * x - 0.2040259 * y + 1.0572252 * z,
    )
    red, green, blue = (
        12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055  # noqa: PLR2004
        for c in (max(c, 0.0) for c in linear)
    )
    return red, green, blue
