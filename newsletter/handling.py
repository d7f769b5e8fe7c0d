"""TLP rules, pure: what may go to whom, the label of a whole, and the gate that everything passes at release.

Source: FIRST, Traffic Light Protocol 2.0. Only its source may loosen a label, so an edition for a wider audience is
made by leaving out what that audience may not read, never by relabelling.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from newsletter.errors import HandlingError
from newsletter.model import Tlp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from newsletter.model import Audience, Collected, Incident

# Shorter sentences say too little to be a leak, and would match by chance.
MIN_LEAK_CHARACTERS: Final = 24


class Labelled(Protocol):
    """Anything that carries a TLP label."""

    @property
    def tlp(self) -> Tlp:
        """Its label."""


LabelledT = TypeVar("LabelledT", bound=Labelled)


def strictest(labels: Iterable[Tlp]) -> Tlp:
    """The label of a whole is the strictest of its parts; of nothing, CLEAR."""
    return max(labels, default=Tlp.CLEAR)


def may_read(audience: Audience, tlp: Tlp) -> bool:
    """Whether the audience's clearance covers the label. RED is for named persons: no audience has it."""
    return tlp <= audience.clearance and tlp is not Tlp.RED


def for_audience(items: Iterable[LabelledT], audience: Audience) -> tuple[LabelledT, ...]:
    """The items that this audience may read, in their order."""
    return tuple(item for item in items if may_read(audience, item.tlp))


def forbidden_phrases(collected: Collected, audience: Audience, *, told: Iterable[str] = ()) -> frozenset[str]:
    """Every id, title and sentence that must not reach the audience, white space folded.

    What stands above its clearance, and the internal summaries of everything. A sentence that stands in a readable
    text as well is no secret, nor is one in ``told``: text or HTML that this audience has had before.
    """
    secret: set[str] = set()
    readable: list[str] = [fold(text) for text in told]
    for article in collected.articles:
        target = readable if may_read(audience, article.tlp) else secret
        _gather(target, article.title, article.summary, article.body)
    for note in collected.notes:
        target = readable if may_read(audience, note.tlp) else secret
        _gather(target, note.title or "", note.body, *note.in_brief)
    strict_ids = {i.id for i in collected.incidents if not may_read(audience, i.tlp)}
    for incident in collected.incidents:
        target = secret if incident.id in strict_ids else readable
        _gather(target, *_public_texts(incident))
        _gather(secret, incident.internal_summary)
    known = "\n".join(readable)
    return frozenset(phrase for phrase in secret | strict_ids if phrase not in known)


class Gate:
    """The release gate: everything rendered passes it, and nothing that holds a forbidden phrase gets through."""

    def __init__(self, phrases: frozenset[str]) -> None:
        alternatives = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
        self._wanted = re.compile(alternatives) if phrases else None

    def check(self, name: str, text: str) -> None:
        """Refuse (HandlingError, naming artefact and phrase) text or HTML that holds a forbidden phrase."""
        if self._wanted and (match := self._wanted.search(fold(text))):
            raise HandlingError(
                f"release refused: {name} holds “{match[0][:60]}”, which its readers may not see; "
                "look for it in the templates and settings, since the report itself leaves it out"
            )


def fold(text: str) -> str:
    """Tags out (those inside a line without a trace), entities back to characters, white space to single blanks."""
    lines = re.sub(r"</?(?:a|b|code|del|em|i|span|strong|sup)(?:\s[^>]*)?>", "", text)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", lines)).split())


def _public_texts(incident: Incident) -> tuple[str, ...]:
    return (incident.title, incident.public_summary, incident.lessons, incident.advice)


def _gather(target: set[str] | list[str], *texts: str) -> None:
    for text in texts:
        for phrase in _sentences(text):
            target.add(phrase) if isinstance(target, set) else target.append(phrase)


def _sentences(markdown: str) -> Iterator[str]:
    """Sentences as a reader sees them: Markdown's marks out, long enough to be recognised."""
    bare = fold(re.sub(r"[*_`#>]|^\s*[-+]\s|\[\^?|\]\([^)]*\)", "", markdown, flags=re.MULTILINE))
    for sentence in re.split(r"(?<=[.!?:;])\s", bare):
        if len(sentence.strip()) >= MIN_LEAK_CHARACTERS:
            yield sentence.strip()
