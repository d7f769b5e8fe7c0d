"""Rules over single files: labels, titles, summaries, names of themes and of what a note puts in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.checks.rule import Problem
from newsletter.handling import may_read
from newsletter.model import PUBLIC_AUDIENCE
from newsletter.parsing.validate import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.model import Article, Collected, EditorNote, Incident

MAX_TITLE: Final = 70  # of a subject, phones show less and desktops hardly more


def everything(collected: Collected) -> tuple[Article | Incident | EditorNote, ...]:
    """All content files."""
    return (*collected.articles, *collected.incidents, *collected.notes)


def above_clearance(collected: Collected, house: House) -> Iterator[Problem]:
    """Name every file that the public edition leaves out."""
    del house
    for item in everything(collected):
        if not may_read(PUBLIC_AUDIENCE, item.tlp):
            message = f"marked {item.tlp}: left out of every public mail and page, in every language"
            yield Problem(item.path, item.lines.get("tlp", 1), message, "nothing to do, if that is meant")


def missing_summaries(collected: Collected, house: House) -> Iterator[Problem]:
    """Mails and indexes show an article by its summary."""
    del house
    for article in collected.articles:
        if not article.summary:
            fix = 'add a line like `summary: "Two sentences that say why to read it."`'
            yield Problem(article.path, article.lines.get("summary", 1), "the article has no summary", fix)


def long_titles(collected: Collected, house: House) -> Iterator[Problem]:
    """Titles stand in subjects and lists."""
    del house
    for item in everything(collected):
        length = len(item.title or "")
        if length > MAX_TITLE:
            message = f"the title has {length} characters; a subject line shows about {MAX_TITLE}"
            yield Problem(item.path, item.lines.get("title", 1), message, "shorten it")


def unknown_themes(collected: Collected, house: House) -> Iterator[Problem]:
    """A theme that the settings do not name has neither name nor page."""
    for article in collected.articles:
        for theme in article.themes:
            if theme not in house.publication.themes:
                near = nearest(theme, house.publication.themes)
                fix = f'did you mean "{near}"?' if near else f"add [publication.themes.{theme}] to newsletter.toml"
                yield Problem(article.path, article.lines.get("themes", 1), f'nobody defined the theme "{theme}"', fix)


def unknown_order(collected: Collected, house: House) -> Iterator[Problem]:
    """A misspelt name would silently leave the order as it was."""
    del house
    names = {article.slug for article in collected.articles} | {incident.id for incident in collected.incidents}
    for note in collected.notes:
        for name in note.order:
            if name not in names:
                near = nearest(name, names)
                fix = f'did you mean "{near}"?' if near else "write slugs of articles and ids of incidents"
                message = f'"order" names {name}, which does not exist'
                yield Problem(note.path, note.lines.get("order", 1), message, fix)
