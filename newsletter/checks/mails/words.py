"""Rules over the words of both parts: nothing left over from templates, no invisible characters, one label."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from newsletter.checks.tree import Spot
from newsletter.model import TOKEN_LENGTH, UNSUBSCRIBE_SLOT, Tlp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem

LEFTOVER: Final = re.compile(
    r"\{\{.{0,60}?\}\}|\{%.{0,60}?%\}|\{#.{0,60}?#\}|%%[A-Za-z_]\w*%%|\*\|[A-Za-z_:]+\|\*|\[\[\w+\]\]|\$\{\w+\}|@@\w+@@|<%.{0,60}?%>"
    r"|__[A-Z]{2,}[A-Z_]*__+|%\([a-z_]+\)[sd]|\bundefined\b|\blorem ipsum\b|\[object Object\]",
)
VALUES: Final = re.compile(r"(?:None|nan|NaN|null|undefined|True|False)")
INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffc]"
)
JOINERS: Final = frozenset("\u200c\u200d\u200e\u200f")  # Persian and Indic words, emoji and mixed directions need them
LABEL: Final = re.compile(r"TLP:(?:RED|AMBER\+STRICT|AMBER|GREEN|CLEAR|WHITE)(?![A-Z+])")
TOP_LINES: Final = 8  # of the text, and as many runs of words of the HTML: what is seen before any scrolling
ZEROS: Final = "0" * TOKEN_LENGTH


def placeholders(letter: Letter, house: House) -> Iterator[Problem]:
    """A letter to {{ name }} has failed before it is opened; what an editor wrote so is meant so."""
    fix = "find the template or the text that it comes from, and fill it"
    for spot, text, whole in _shown(letter):
        for match in LEFTOVER.finditer(text):
            if house.wrote(match[0]):
                continue
            yield _at(letter, spot, match, f"left over: {match[0]}", fix)
        if whole and VALUES.fullmatch(text.strip()) and not house.wrote(text):
            yield _at(letter, spot, re.search(r"\S", text), f"left over: {text.strip()}", fix)
    yield from _left_unseen(letter, house, fix)


def unsubscribe_link(letter: Letter, house: House) -> Iterator[Problem]:
    """Each part has the personal link; here it belongs to nobody, and is as long as every other."""
    if letter.is_notice:
        return
    start = house.publication.url("/u/")
    for page in letter.pages():
        links = [node for node in page.all("a") if node.get("href").startswith(start)]
        if not links:
            yield letter.in_html(None, "the HTML has no link to leave the list", "print {{ unsubscribe }} in body.html")
        for node in links:
            if not re.fullmatch(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", node.get("href").removeprefix(start)):
                yield letter.in_html(node, "the link to leave the list has no token", "do not change {{ unsubscribe }}")
            elif node.get("href").endswith(UNSUBSCRIBE_SLOT):
                yield letter.in_html(node, "the slot of the personal link was not filled", "report this as our bug")
    if letter.text and start not in letter.text:
        yield letter.in_text(1, "the text has no link to leave the list", "print {{ unsubscribe }} in body.txt")


def invisible(letter: Letter, house: House) -> Iterator[Problem]:
    """They break what is copied (a hash, an address), pad preheaders and hide words from filters."""
    del house
    for spot, text, _ in _shown(letter):
        for match in INVISIBLE.finditer(text):
            if not _joins(text, match.start()):
                name = unicodedata.name(match[0], f"U+{ord(match[0]):04X}")
                yield _at(letter, spot, match, f"an invisible character: {name}", "take it out of the text")


def label(letter: Letter, house: House) -> Iterator[Problem]:
    """The label stands at the top of both parts; a stricter one than CLEAR in the subject too (TLP 2.0)."""
    del house
    if letter.is_notice:
        return
    tops = {kind: _first_label(words) for kind, words in _tops(letter).items()}
    fix = "print {{ letter.label }} at the top, in capitals and without a blank"
    for kind, found in tops.items():
        if not found:
            place = letter.in_html if kind == "html" else lambda _, *a: letter.in_text(1, *a)
            yield place(None, "no label stands at the top", fix)
    labels = {found for found in tops.values() if found}
    subject = _first_label([letter.subject])
    line = letter.line_of("Subject")
    if len(labels) > 1:
        yield letter.in_text(1, f"the HTML is marked {tops.get('html')}, the text {tops.get('text')}", fix)
    elif labels and subject and {subject} != labels:
        yield letter.in_head(line, f"the subject says {subject}, the letter {labels.pop()}", fix)
    elif labels - {str(Tlp.CLEAR)} and not subject:
        yield letter.in_head(line, f"the subject does not say {labels.pop()}", "begin subject.txt with the label")


def label_of_parts(letter: Letter, house: House) -> Iterator[Problem]:
    """No part of a letter is marked more strictly than the letter; labels that a text tells of are none."""
    order = {str(tlp): number for number, tlp in enumerate(Tlp)}
    for kind, words in _tops(letter).items():
        top = _first_label(words)
        for spot, text, _ in _shown(letter):
            mark = text.strip()
            here = "html" if spot.text == "html" else "text"
            is_stricter = LABEL.fullmatch(mark) and order.get(mark, 0) > order.get(top, 0)
            if top and here == kind and is_stricter and not house.wrote(mark):
                message = f"a part is marked {mark}, the letter {top}"
                yield _at(letter, spot, re.search(r"\S", text), message, "the strictest part marks the whole")


# --- how ------------------------------------------------------------------------------------------------------


def _left_unseen(letter: Letter, house: House, fix: str) -> Iterator[Problem]:
    """The same in attributes and in the subject."""
    for page in letter.pages():
        for node in page.elements:
            for name, value in node.attributes.items():
                if name != "style" and (found := LEFTOVER.search(value)) and not house.wrote(found[0]):
                    yield letter.in_html(node, f'left over in "{name}": {found[0]}', fix)
    for header in letter.named("Subject")[:1]:
        if (left := LEFTOVER.search(letter.subject)) and not house.wrote(left[0]):
            yield letter.in_head(header.line, f"left over in the subject: {left[0]}", fix)


def _shown(letter: Letter) -> Iterator[tuple[Spot, str, bool]]:
    """What people read: where it begins (its text says in which part), the words, and whether they stand alone."""
    for words in letter.read:
        yield Spot("html", words.line, words.column), words.text, True
    for number, line in enumerate(letter.text.split("\n"), 1):
        yield Spot("text", number, 1), line, False


def _at(letter: Letter, spot: Spot, match: re.Match[str] | None, message: str, fix: str) -> Problem:
    start = match.start() if match else 0
    before = match.string[:start] if match else ""
    breaks = before.count("\n")
    column = start - before.rfind("\n") if breaks else spot.column + start
    if spot.text == "html":
        return letter.in_html(Spot("", spot.line + breaks, column), message, fix)
    return letter.in_text(spot.line, message, fix, column)


def _joins(text: str, at: int) -> bool:
    """Whether a joiner or a mark of direction stands beside a letter or sign that needs it; another joiner is none."""
    around = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
    return text[at] in JOINERS and any(ord(one) > ord("\u0590") and not INVISIBLE.match(one) for one in around)


def _tops(letter: Letter) -> dict[str, list[str]]:
    found = {}
    if letter.html:
        found["html"] = [words.text for words in letter.read[:TOP_LINES]]
    if letter.text:
        found["text"] = [line for line in letter.text.split("\n") if line.strip()][:TOP_LINES]
    return found


def _first_label(words: list[str]) -> str:
    return next((match[0] for one in words if (match := LABEL.search(one))), "")
