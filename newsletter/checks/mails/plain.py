"""Rules over the text part: it is there, it can be read anywhere, and it says what the HTML says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from newsletter.checks.tree import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem

COLUMNS: Final = 78  # RFC 5322 section 2.1.1
MIN_WORDS: Final = 10
MIN_SHARE: Final = 0.9  # of the words of one part that the other must have
WORD: Final = re.compile(r"\w{4,}")
ADDRESSES: Final = re.compile(r"(?:https?://|mailto:)\S+|\S+@\S+")
MARKUP: Final = re.compile(
    r"</?(?:a|b|br|div|em|h[1-6]|i|img|li|ol|p|pre|span|strong|table|td|th|tr|ul)\b[^<>]*>"
    r"|&(?:nbsp|amp|lt|gt|quot|#\d{2,5});",
    re.IGNORECASE,
)
DEBRIS: Final = re.compile(
    r"\*\*[^*\s][^*]*\*\*|!?\[[^\]]+\]\([^)\s]+\)|^#{1,6} \S|^```|(?<!\w)__[^_\s][^_]*__(?!\w)"
    r"|^\|?(?:\s*:?-{3,}:?\s*\|)+"
)


def missing(letter: Letter, house: House) -> Iterator[Problem]:
    """Some read nothing else, and filters distrust a letter without it."""
    del house
    if len(WORD.findall(letter.text)) < MIN_WORDS:
        found = "is all but empty" if letter.text.strip() else "is missing"
        yield letter.in_text(1, f"the text part {found}", "write what the HTML says into body.txt")


def wide(letter: Letter, house: House) -> Iterator[Problem]:
    """Few programs wrap plain text; an address may be longer than a line, since a broken one is dead."""
    del house
    for number, line in enumerate(letter.text.split("\n"), 1):
        if len(line) > COLUMNS and len(ADDRESSES.sub("", line).strip()) > 0 and not _is_address(line):
            message = f"a line of {len(line)} characters; {COLUMNS} are the most"
            yield letter.in_text(number, message, "wrap it: {{ wrap(...) }} in body.txt", 1)


def markup(letter: Letter, house: House) -> Iterator[Problem]:
    """Text is no HTML, and no Markdown either."""
    del house
    for number, line in enumerate(letter.text.split("\n"), 1):
        for pattern, what in ((MARKUP, "HTML"), (DEBRIS, "Markdown")):
            if match := pattern.search(line):
                message = f"{what} in the text: {match[0][:40]}"
                yield letter.in_text(number, message, "print it with prose() in body.txt", match.start() + 1)


def heads_told(letter: Letter, house: House) -> Iterator[Problem]:
    """Every heading of the HTML stands in the text, whatever its capitals."""
    del house
    if not letter.text:
        return
    told = _folded(letter.text)
    for page in letter.pages():
        for node in page.elements:
            words = _folded(node.text()) if re.fullmatch("h[1-6]", node.tag) else ""
            if words and words not in told:
                yield letter.in_html(node, f"the text has no heading {words[:40]!r}", "print it in body.txt as well")


def same_words(letter: Letter, house: House) -> Iterator[Problem]:
    """Two different letters in one envelope are what filters look for, and what nobody proofreads."""
    del house
    if not letter.html or not letter.text:
        return
    shown = _words(" ".join(words.text for words in letter.read))
    told = _words(letter.text)
    for one, other, where in ((shown, told, "the text lacks"), (told, shown, "the HTML lacks")):
        lacking = sorted(one - other)
        if one and len(lacking) > (1 - MIN_SHARE) * len(one):
            share = round(100 * len(lacking) / len(one))
            message = f"{where} {share} % of the words of the other part: {', '.join(lacking[:5])}"
            place = letter.in_html(Spot("", 1, 1), message, "print the same in both") if one is told else None
            yield place or letter.in_text(1, message, "print the same in both")


def _is_address(line: str) -> bool:
    """A line that holds one address and, at most, its number or mark before it."""
    return bool(re.fullmatch(r"\s*(?:\[\d+\]|[-*]|\d+\.)?\s*[(<]?(?:(?:https?://|mailto:)\S+|\S+@\S+)", line))


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(ADDRESSES.sub(" ", text).casefold()))
