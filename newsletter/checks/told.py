"""Rules over what readers may see and were told: copies of stricter texts, addresses once mailed, labels raised."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Final

from newsletter.checks.rule import Problem
from newsletter.handling import bare, fold, holds, may_read, passages
from newsletter.model import PUBLIC_AUDIENCE, Status, article_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from newsletter.checks.house import House
    from newsletter.handling import Passage
    from newsletter.model import Article, Collected, Incident, Month

SHOWN_CHARACTERS: Final = 60


def copied(collected: Collected, house: House) -> Iterator[Problem]:
    """A sentence or title that the public may not read, in a text that it will; what was mailed before is no secret."""
    del house
    readable, secret = passages(collected, PUBLIC_AUDIENCE)
    index = _Index(readable)

    @cache
    def mailed() -> str:
        return "\n".join(fold(letter) for edition in collected.past for letter in edition.letters)

    seen = set()
    for source in secret:
        for phrase in source.phrases():
            for passage, line in index.places(phrase):
                if (passage.path, line, phrase) in seen or holds(mailed(), phrase):
                    continue
                seen.add((passage.path, line, phrase))
                shown = (
                    phrase
                    if len(phrase) <= SHOWN_CHARACTERS
                    else phrase[:SHOWN_CHARACTERS].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
                )
                message = f"“{shown}” also stands in {source.path}:{source.line}, which the public may not read"
                fix = "take it out here, or write other words there: an internal summary or a stricter file"
                yield Problem(passage.path, line, message, fix)


def lost(collected: Collected, house: House) -> Iterator[Problem]:
    """Articles that earlier reports link to, and whose addresses nothing answers any more."""
    pages = {a.slug for a in collected.articles if a.status is not Status.DRAFT}
    aliases = {alias.rstrip("/") + "/" for a in collected.articles if a.slug in pages for alias in a.aliases}
    for slug, month in _first_told((edition.month, edition.article_slugs) for edition in collected.past).items():
        addresses = [article_path(language, slug) for language in house.publication.languages]
        gone = [address for address in addresses if slug not in pages and address not in aliases]
        if gone:
            message = f"the report of {month} links to {', '.join(gone)}, which is no more"
            fix = (
                f"add aliases: [{', '.join(gone)}] to the article that replaces it, "
                "or keep the file with status: withdrawn"
            )
            yield Problem(f"editions/{month}", 0, message, fix)


def raised(collected: Collected, house: House) -> Iterator[Problem]:
    """What the public was told of before its label was tightened."""
    del house
    ids = _first_told((edition.month, edition.incident_ids) for edition in collected.past)
    slugs = _first_told((edition.month, edition.article_slugs) for edition in collected.past)
    found: list[tuple[Article | Incident, Month | None]] = [(i, ids.get(i.id)) for i in collected.incidents]
    for article in collected.articles:
        names = (article.slug, *sorted(article.former_slugs))
        found.append((article, next((slugs[name] for name in names if name in slugs), None)))
    for item, month in found:
        if month and not may_read(PUBLIC_AUDIENCE, item.tlp):
            message = f"marked {item.tlp}, but already told to the public in {month}: what was mailed stays mailed"
            yield Problem(item.path, item.lines.get("tlp", 1), message, "nothing to do, if that is meant")


def _first_told(told: Iterable[tuple[Month, frozenset[str]]]) -> dict[str, Month]:
    """For each name the first month that told it."""
    return {name: month for month, names in sorted(told, reverse=True, key=lambda t: t[0]) for name in names}


class _Index:
    """Texts by their words, so that looking for thousands of sentences in thousands of texts stays quick."""

    def __init__(self, readable: Iterable[Passage]) -> None:
        self._texts = [(p, " ".join(p.text.split()) if p.is_title else bare(p.text)) for p in readable]
        self._by_word: defaultdict[str, set[int]] = defaultdict(set)
        for number, (_, text) in enumerate(self._texts):
            for word in set(text.split()):
                self._by_word[word].add(number)

    def places(self, phrase: str) -> Iterator[tuple[Passage, int]]:
        """The texts that hold the phrase, and the lines of their files in which it begins."""
        # The first and the last word may touch a quotation mark or a footnote there; those between stand alone.
        inner = [self._by_word[word] for word in phrase.split()[1:-1]]
        for number in sorted(set.intersection(*inner)) if inner else range(len(self._texts)):
            passage, text = self._texts[number]
            if holds(text, phrase):
                yield passage, passage.line + _line_of(phrase, passage)


def _line_of(phrase: str, passage: Passage) -> int:
    """How many lines of the text come before the one in which the phrase begins."""
    if passage.is_title:
        return 0
    lines = passage.text.split("\n")
    later = (n for n in range(1, len(lines)) if not holds(bare("\n".join(lines[n:])), phrase))
    return next(later, len(lines)) - 1
