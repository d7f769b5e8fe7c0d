"""The house that rules judge for: who publishes, what it asks of its texts, and what its editors wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from newsletter.model import Standards

if TYPE_CHECKING:
    from newsletter.model import Collected, Publication

_MARKS = re.compile(r"[*_`\\]")


@dataclass(frozen=True, slots=True)
class House:
    """Whose content it is, and the standards that it sets itself (the settings' ``[checks]``).

    ``written`` is what editors and feeds wrote, for rules over letters and pages: what stands there was judged there,
    and is nothing that a template left over.
    """

    publication: Publication
    standards: Standards = field(default_factory=Standards)
    written: str = field(default="", repr=False)

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
        return replace(self, written=_plain("\n".join(parts)))

    def wrote(self, text: str) -> bool:
        """Whether an editor or a feed wrote these words, whatever their emphasis."""
        plain = _plain(text).strip()
        return bool(plain) and plain in self.written


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub("", text).split())
