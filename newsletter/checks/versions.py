"""Rules over language versions: what is missing, and what translates a text that has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.checks.rule import Problem
from newsletter.model import Article, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.model import Collected, Incident


def missing(collected: Collected, house: House) -> Iterator[Problem]:
    """Articles in print, and notes; of incidents, many teams translate only the grave ones."""
    publication = house.publication
    there = {(article.slug, article.language) for article in collected.articles}
    there |= {(str(note.month), note.language) for note in collected.notes}
    wanted = [(a.slug, a.language, a.path) for a in collected.articles if a.status is Status.PUBLISHED]
    wanted += [(str(note.month), note.language, note.path) for note in collected.notes]
    for name, language, path in wanted:
        for other in publication.languages:
            if language == publication.first_language and (name, other) not in there:
                message = f"there is no version in {other!r}: its readers get this one, with a notice"
                yield Problem(path, 1, message, f"write {name}.{other}.md, or leave it at that")


def stale(collected: Collected, house: House) -> Iterator[Problem]:
    """A translation names the digest of the text that it translates."""
    items: tuple[Article | Incident, ...] = (*collected.articles, *collected.incidents)
    originals = {_name(item): item for item in items if item.language == house.publication.first_language}
    for item in items:
        original = originals.get(_name(item), item)
        if original is item or item.translates == original.digest:
            continue
        line = item.lines.get("translates", 1)
        if item.translates is None:
            message = f"it is unknown which text of {original.path} this translates"
        else:
            message = f"{original.path} has changed since this was translated"
        yield Problem(item.path, line, message, f"compare them, then write `translates: {original.digest}`")


def _name(item: Article | Incident) -> str:
    """Articles and incidents share one space of names."""
    return item.slug if isinstance(item, Article) else item.id.lower()
