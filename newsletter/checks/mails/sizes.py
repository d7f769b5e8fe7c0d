"""Rules over sizes: what Gmail clips, what it throws away, what a mailbox carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem

CLIPPED: Final = 102_000  # Gmail shows about 102 KB of decoded HTML, then a link to the rest
BUDGET: Final = 70_000
MAX_STYLES: Final = 16_000  # Gmail drops the style blocks altogether from about 16 KB on
STYLE_BUDGET: Final = 8_000
MAX_MESSAGE: Final = 300_000  # both parts, encoded, and one logo


def clipped(letter: Letter, house: House) -> Iterator[Problem]:
    """What is clipped includes the link to leave the list."""
    del house
    size = len(letter.html.encode())
    if size >= CLIPPED:
        message = f"the HTML has {size:,} bytes; Gmail clips it from {CLIPPED:,} on"
        yield letter.in_html(None, message, "let articles be teasers: full_articles in newsletter.toml")


def large(letter: Letter, house: House) -> Iterator[Problem]:
    """Room is left for what gateways add."""
    del house
    size = len(letter.html.encode())
    if BUDGET <= size < CLIPPED:
        message = f"the HTML has {size:,} bytes; the budget is {BUDGET:,}, Gmail clips from {CLIPPED:,} on"
        yield letter.in_html(None, message, "let articles be teasers: full_articles in newsletter.toml")


def styles_dropped(letter: Letter, house: House) -> Iterator[Problem]:
    """Then telephones have no layout of their own, and nobody has a dark theme."""
    del house
    size = sum(sheet.size for sheet in letter.sheets)
    if size >= MAX_STYLES:
        spot = letter.page.first("style")
        yield letter.in_html(spot, f"the style blocks have {size:,} bytes; Gmail drops {MAX_STYLES:,}", "shorten them")


def styles_large(letter: Letter, house: House) -> Iterator[Problem]:
    """Half of what Gmail takes."""
    del house
    size = sum(sheet.size for sheet in letter.sheets)
    if STYLE_BUDGET <= size < MAX_STYLES:
        spot = letter.page.first("style")
        yield letter.in_html(
            spot, f"the style blocks have {size:,} bytes; the budget is {STYLE_BUDGET:,}", "shorten them"
        )


def heavy(letter: Letter, house: House) -> Iterator[Problem]:
    """Every byte is sent once for each subscriber."""
    del house
    if len(letter.raw) > MAX_MESSAGE:
        message = f"the message has {len(letter.raw):,} bytes; {MAX_MESSAGE:,} are the most"
        yield letter.in_head(1, message, "take a smaller logo, or fewer whole articles")
