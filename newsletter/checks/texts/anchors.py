"""Rules over links: what they say of themselves, and whether that is true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from newsletter.checks.rule import Problem
from newsletter.checks.texts.hosts import SHORTENERS, host_of, other_address
from newsletter.checks.texts.text import bounded, shown, styled, texts_of
from newsletter.model import Article, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.texts.text import Item, Text
    from newsletter.html import Link

MAX_TARGET: Final = 250  # characters; the plain text of a letter prints them all

_VAGUE_WORDS: Final = """
here|click here|click|click this|click this link|follow this link|this link|link|the link|this|this page|page|more
read more|learn more|see more|find out more|more information|more info|info|details|go|download|see here|read here
ici|cliquez ici|cliquer ici|clic ici|ce lien|lien|le lien|cette page|voir ici|par ici|plus|plus d'infos
plus d'informations|en savoir plus|lire plus|lire la suite|la suite|suite|voir|voir plus|détails|télécharger
"""
VAGUE: Final = frozenset(_VAGUE_WORDS.strip().replace("\n", "|").split("|"))

_REFERENCE = re.compile(r"(?<!\\)\]\[([^\[\]\n]{1,100})\](?![:(])|(?<!\\)\[(\^[^\[\]\s]{1,100})\](?!:)")
_DEFINED = re.compile(r"^[ >]*\[([^\[\]\n]{1,100})\]:", re.MULTILINE)


class Target(NamedTuple):
    """An address that a file leads to, and the problem's place."""

    address: str
    path: str
    line: int
    column: int


def targets_of(item: Item, *, only_printed: bool = False) -> Iterator[Target]:
    """Where links and fields of a file lead; images are files beside it."""
    texts = [text for text in texts_of(item) if text.is_printed or not only_printed]
    for text in texts:
        for link in text.links:
            if not link.image:
                line, column = text.place(link.start)
                yield Target(link.target, item.path, line, column)
    for name, address in _fields(item) if texts else ():
        yield Target(address, item.path, item.lines.get(name, 1), item.lines.get(f"{name}:column", 0))


def _fields(item: Item) -> Iterator[tuple[str, str]]:
    if isinstance(item, Article):
        yield from ((("canonical", item.canonical),) if item.canonical else ())
    elif not isinstance(item, Incident):
        yield from ((f"elsewhere.{n}.link", pick.link) for n, pick in enumerate(item.elsewhere))


@bounded
def text_vague(item: Item, house: House) -> Iterator[Problem]:
    """Screen readers list links without the text around them (WCAG 2.4.4)."""
    del house
    for text, link in _links(item):
        if _folded(link.words) in VAGUE:
            message = f"the words of the link, “{shown(link.words)}”, do not say where it leads"
            yield text.problem(link.start, message, "link the words that name what is there")


@bounded
def text_repeated(item: Item, house: House) -> Iterator[Problem]:
    """The same words must not lead to two places."""
    del house
    seen: dict[tuple[str, str], str] = {}
    for text, link in _links(item):
        words = _folded(link.words)
        before = seen.setdefault((text.name, words), link.target)
        if words and words not in VAGUE and before != link.target:
            message = f"“{shown(link.words)}” leads to {shown(link.target)} here, and to {shown(before)} above"
            yield text.problem(link.start, message, "use other words for the other place")


@bounded
def text_lies(item: Item, house: House) -> Iterator[Problem]:
    """Words that look like an address lead there: anything else is how phishing looks."""
    for text, link in _links(item):
        if other_address(link.words, link.target, house.publication.base_url):
            message = f"the link says “{shown(link.words)}”, but leads to {shown(link.target)}"
            yield text.problem(link.start, message, "link words that are no address, or make the two the same")


@bounded
def shortened(item: Item, house: House) -> Iterator[Problem]:
    """A shortener hides where the link leads, counts who follows it, and dies one day."""
    del house
    for target in targets_of(item):
        host = host_of(target.address)
        if host in SHORTENERS:
            message = f"the link leads to {host}, which hides where it ends"
            yield _at(target, message, "follow it once and link the address where you arrive")


@bounded
def reference_missing(item: Item, house: House) -> Iterator[Problem]:
    """``[words][name]`` and ``[^1]`` without their line: readers see the brackets. In code they are meant so."""
    del house
    for text in texts_of(item):
        if text.is_plain or not text.is_printed or not ("][" in text.markdown or "[^" in text.markdown):
            continue
        known = {_name(found[1]) for found in _DEFINED.finditer(text.markdown)}
        for found in _REFERENCE.finditer(text.prose):
            name = found[1] or found[2]
            if _name(name) not in known:
                fix = f"write a line [{shown(name)}]: with what it is, or take it out"
                yield text.problem(found.end() - len(name) - 2, f"[{shown(name)}] is nowhere in this text", fix)


@bounded
def long(item: Item, house: House) -> Iterator[Problem]:
    """Text mails print addresses, and readers copy them."""
    del house
    for target in targets_of(item):
        if len(target.address) > MAX_TARGET:
            message = f"the address {shown(target.address)} has {len(target.address)} characters; {MAX_TARGET} are much"
            yield _at(target, message, "leave out what only counts visitors, or link the page that leads there")


@bounded
def plain_http(item: Item, house: House) -> Iterator[Problem]:
    """Anybody on the way can read and change what http brings."""
    del house
    for target in targets_of(item):
        if target.address[:7].lower() == "http://":
            message = f"the address {shown(target.address)} is not encrypted"
            yield _at(target, message, "write https:// if the place answers to it, and it nearly always does")


def _links(item: Item) -> Iterator[tuple[Text, Link]]:
    return ((text, link) for text in styled(item) for link in text.links if not link.image)


def _at(target: Target, message: str, fix: str) -> Problem:
    return Problem(target.path, target.line, message, fix, target.column)


def _folded(words: str) -> str:
    return " ".join(words.replace("\u2019", "'").split()).strip(" .:!?>»→…").casefold()


def _name(name: str) -> str:
    return " ".join(name.split()).casefold()
