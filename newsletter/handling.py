"""TLP rules, pure: what may go to whom, the label of a whole, and the gate that everything passes at release.

Source: FIRST, Traffic Light Protocol 2.0. Only its source may loosen a label, so an edition for a wider audience is
made by leaving out what that audience may not read, never by relabelling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from newsletter.errors import HandlingError
from newsletter.model import Status, Tlp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from newsletter.model import Article, Audience, Collected, EditorNote, Incident

# Shorter sentences and titles say too little to be a leak, and would match by chance.
MIN_LEAK_CHARACTERS: Final = 24
MIN_TITLE_CHARACTERS: Final = 12


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


@dataclass(frozen=True, slots=True)
class Passage:
    """One text of a content file, and where it begins. A title is plain words, the rest is Markdown."""

    path: str
    line: int
    text: str
    is_title: bool = False

    def phrases(self) -> Iterator[str]:
        """What gives it away: a title as a whole, otherwise sentences; neither when it is too short to tell."""
        if self.is_title:
            title = " ".join(self.text.split())
            if len(title) >= MIN_TITLE_CHARACTERS:
                yield title
        else:
            yield from _sentences(self.text)


def passages(collected: Collected, audience: Audience) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
    """Every text that the audience may read, and every text that it may not; drafts within its clearance are neither.

    Something is as strict as its strictest language version, and an internal summary is for nobody.
    """
    strict = {a.slug for a in collected.articles if not may_read(audience, a.tlp)}
    strict |= {i.id for i in collected.incidents if not may_read(audience, i.tlp)}
    readable: list[Passage] = []
    secret: list[Passage] = []
    for article in collected.articles:
        if article.slug in strict:
            secret += _of_article(article)
        elif article.status is not Status.DRAFT:
            readable += _of_article(article)
    for incident in collected.incidents:
        (secret if incident.id in strict else readable).extend(_of_incident(incident))
        secret.append(Passage(incident.path, incident.lines.get("internal_summary", 1), incident.internal_summary))
    for note in collected.notes:
        (readable if may_read(audience, note.tlp) else secret).extend(_of_note(note))
    return tuple(readable), tuple(secret)


def forbidden_phrases(collected: Collected, audience: Audience, *, told: Iterable[str] = ()) -> frozenset[str]:
    """Every id, title and sentence that must not reach the audience, white space folded.

    What stands above its clearance, and the internal summaries of everything. No secret is what stands in ``told``,
    text or HTML that this audience has had before, or in a readable feed entry. A copy in a readable file is no excuse:
    the preflight's rule ``tlp-copied`` names it.
    """
    strict_ids = {i.id for i in collected.incidents if not may_read(audience, i.tlp)}
    secret = {phrase for passage in passages(collected, audience)[1] for phrase in passage.phrases()}
    entries = (f"{e.title}\n{e.summary}" for e in collected.entries if may_read(audience, e.tlp))
    known = "\n".join(fold(text) for text in (*told, *entries))
    return frozenset(phrase for phrase in secret | strict_ids if not holds(known, phrase))


def holds(text: str, phrase: str) -> bool:
    """Whether folded text holds the phrase; an id or a short title only as words of its own."""
    return phrase in text and re.search(_wanted(phrase), text) is not None


class Gate:
    """The release gate: everything rendered passes it, and nothing that holds a forbidden phrase gets through."""

    def __init__(self, phrases: frozenset[str]) -> None:
        alternatives = "|".join(_wanted(phrase) for phrase in sorted(phrases, key=len, reverse=True))
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


def bare(markdown: str) -> str:
    """Markdown as a reader sees it: its marks out, white space folded."""
    return fold(re.sub(r"[*_`#>]|^\s*[-+]\s|\[\^?|\]\([^)]*\)", "", markdown, flags=re.MULTILINE))


def _sentences(markdown: str) -> Iterator[str]:
    """Sentences that are long enough to be recognised."""
    for sentence in re.split(r"(?<=[.!?:;])\s", bare(markdown)):
        if len(sentence.strip()) >= MIN_LEAK_CHARACTERS:
            yield sentence.strip()


def _wanted(phrase: str) -> str:
    """A pattern for the phrase. INC-2026-05 is not found in INC-2026-051; a sentence may be run on by a footnote."""
    is_word = len(phrase) < MIN_LEAK_CHARACTERS or " " not in phrase
    return rf"(?<![\w-]){re.escape(phrase)}(?![\w-])" if is_word else re.escape(phrase)


def _of_article(article: Article) -> Iterator[Passage]:
    yield Passage(article.path, article.lines.get("title", 1), article.title, is_title=True)
    for name in ("summary", "body", "image_alt"):
        yield Passage(article.path, article.lines.get(name, 1), getattr(article, name) or "")


def _of_incident(incident: Incident) -> Iterator[Passage]:
    yield Passage(incident.path, incident.lines.get("title", 1), incident.title, is_title=True)
    for name in ("public_summary", "lessons", "advice"):
        yield Passage(incident.path, incident.lines.get(name, 1), getattr(incident, name))


def _of_note(note: EditorNote) -> Iterator[Passage]:
    titles = [("title", note.title or ""), ("action", note.action.title if note.action else "")]
    texts = [("body", note.body), ("action", note.action.text if note.action else "")]
    texts += [("in_brief", text) for text in note.in_brief] + [("corrections", text) for text in note.corrections]
    texts += [("elsewhere", pick.why) for pick in note.elsewhere]
    for name, text in titles:
        yield Passage(note.path, note.lines.get(name, 1), text, is_title=True)
    for name, text in texts:
        yield Passage(note.path, note.lines.get(name, 1), text)
