"""The house that rules judge for: who publishes, what it asks of its texts, and what its editors wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from newsletter.model import Standards, article_path, report_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from newsletter.model import Article, Collected, EditorNote, Language, Publication

_MARKS = re.compile(r"[*_`\\]")


@dataclass(frozen=True, slots=True)
class House:
    """Whose content it is, and the standards that it sets itself (the settings' ``[checks]``).

    ``written`` is what editors and feeds wrote, for rules over letters and pages: what stands there was judged there,
    and is nothing that a template left over. ``sources`` are the files that the pages at these addresses show, for what
    is found there and mended in the file.
    """

    publication: Publication
    standards: Standards = field(default_factory=Standards)
    written: str = field(default="", repr=False)
    sources: Mapping[str, Article | EditorNote] = field(default_factory=dict, repr=False)

    def with_texts(self, collected: Collected) -> House:
        """The same house, which knows these texts."""
        parts = [text for a in collected.articles for text in (a.title, a.summary, a.body)]
        for i in collected.incidents:
            parts += [i.title, i.public_summary, i.lessons, i.advice]
        for n in collected.notes:
            parts += [n.title or "", *n.in_brief, n.body, *n.corrections]
            parts += [n.action.title, n.action.text] if n.action else []
            parts += [text for pick in n.elsewhere for text in (pick.link, pick.why)]
        parts += [text for e in collected.entries for text in (e.title, e.summary, e.link)]
        sources = _sources(collected, self.publication.languages)
        return replace(self, written=_plain("\n".join(parts)), sources=sources)

    def wrote(self, text: str) -> bool:
        """Whether an editor or a feed wrote these words, whatever their emphasis."""
        plain = _plain(text).strip()
        return bool(plain) and plain in self.written


def _sources(collected: Collected, languages: Iterable[Language]) -> dict[str, Article | EditorNote]:
    """By address; where a language has no version of an article, its page shows the first one that there is."""
    found: dict[str, Article | EditorNote] = {report_path(n.language, n.month): n for n in collected.notes}
    found |= {article_path(a.language, a.slug): a for a in collected.articles}
    for language in languages:
        for article in collected.articles:
            found.setdefault(article_path(language, article.slug), article)
    return found


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub("", text).split())
