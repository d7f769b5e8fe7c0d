"""The whole way of an import: find, read, decide, and write what is new if that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.importing.nouns import Kind
from newsletter.importing.plan import place, plan_articles
from newsletter.importing.reports import plan_reports
from newsletter.importing.shelve import editions_of, ground_of, write_articles, write_editions
from newsletter.importing.sources import files_of, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from newsletter.collect.fetch import FeedLimits
    from newsletter.importing.nouns import Outcome, Wishes
    from newsletter.importing.sources import Result
    from newsletter.model import Publication


def bring_in(
    sources: Sequence[Path],
    kind: Kind | None,
    wishes: Wishes,
    root: Path,
    publication: Publication,
    *,
    limits: FeedLimits | None,
    write: bool,
) -> list[Outcome]:
    """What becomes of every source, in the order of their names; with ``write``, it has become so."""
    results: list[Result] = []
    for file in files_of(sources, kind):
        results += read(file) if not isinstance(file, tuple) else [file]
    placed, outcomes = place(results, wishes, publication)
    reports = [one for one in placed if one.found.file.kind is Kind.REPORT]
    articles = [one for one in placed if one.found.file.kind is not Kind.REPORT]
    made = plan_articles(articles, wishes, ground_of(root, publication), limits)
    past, editions = plan_reports(reports, editions_of(root), wishes.day)
    if write:
        made = write_articles(root, made)
        past = write_editions(root, editions, past)
    return sorted((*outcomes, *made, *past), key=lambda one: (one.source, one.target))
