"""Texts as rules see them: where they begin, prose without code and addresses, sentences, headings, links.

Each text is parsed once, by comrak, and whatever rules ask for is kept. Everything they find is an offset in the text,
which becomes a line and a column of the file. One file's texts are kept while its rules run one after the other; so let
all rules judge a file before the next one's turn.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property, wraps
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from newsletter.checks.rule import Problem
from newsletter.handling import may_read
from newsletter.html import Outline, markdown_outline
from newsletter.model import PUBLIC_AUDIENCE, Article, Incident, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.checks.house import House
    from newsletter.html import Link
    from newsletter.model import EditorNote, Language

    Item = Article | Incident | EditorNote
    Function = Callable[[Item, House], Iterator[Problem]]

MAX_PROBLEMS: Final = 20  # of one rule in one file: who sees twenty knows the rest
MAX_SHOWN: Final = 60  # characters of what was found, in a message
KEPT_ITEMS: Final = 32

INTERNAL: Final = "internal_summary"

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
# A new block: after an empty line, at the mark of an item, a footnote, a heading or a row of a table.
_BLOCK = re.compile(r"\n(?=[ \t>]*(?:\n|$|[-*+][ \t]|\d{1,9}[.)][ \t]|\[\^|#|\||[-=_*]{3,}[ \t]*(?:\n|$)))|\n[ \t>]*\n")
_NO_PROSE = re.compile(r"[ \t>]*(?:#|\||[-=_*]{3,}[ \t]*$)")
_FOOTNOTE = re.compile(r"[ \t]*\[\^[^\]\n]{1,100}\]:")
# A full stop before a small letter ends no sentence: "e.g. this one".
_SENTENCE_END = re.compile(r"[.!?\u2026]+[\u202f\u00a0 ]?[\"\u201d\u2019\u00bb)\]*_]*(?=\s+[^a-z\u00e0-\u00ff\s]|\s*$)")
_DEFINITION = re.compile(r"^ {0,3}\[(?!\^)[^\]\n]{1,500}\]:[^\n]*", re.MULTILINE)
_LETTER = re.compile(r"[^\n]")


class Sentence(NamedTuple):
    """A sentence of prose: where it begins, and its words."""

    start: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """One text of a content file. ``name`` is its field; ``column`` 0 if the file does not have it letter by letter.

    ``is_plain``: words alone, no Markdown. ``is_printed``: the public reads it.
    """

    path: str
    line: int
    name: str
    language: Language
    markdown: str
    is_printed: bool
    item: Item = field(repr=False, compare=False)
    column: int = 1
    is_plain: bool = False

    @property
    def is_body(self) -> bool:
        """Whether it stands below the front matter, with lines of its own."""
        return self.name in _SECTIONS

    @cached_property
    def outline(self) -> Outline:
        """Links, headings and code."""
        return Outline() if self.is_plain else markdown_outline(self.markdown)

    @property
    def links(self) -> tuple[Link, ...]:
        """Links and images."""
        return self.outline.links

    @cached_property
    def written(self) -> str:
        """The text with the targets of its links blanked out, letter for letter: words and code."""
        if self.is_plain or not ("]" in self.markdown or "<" in self.markdown):
            return self.markdown
        spans = [_target(self.markdown, link) for link in self.links]
        spans += [found.span() for found in _DEFINITION.finditer(self.markdown)]
        return _blanked(self.markdown, spans)

    @cached_property
    def prose(self) -> str:
        """The text with code and the targets of its links blanked out, letter for letter."""
        return _blanked(self.written, self.outline.code)

    @cached_property
    def lower(self) -> str:
        """The whole text in small letters: to see quickly that something is not there."""
        return self.markdown.lower()

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Sentences of paragraphs and lists: no headings, tables, footnotes or words of images."""
        images = [(link.start, link.end) for link in self.links if link.image]
        return tuple(_sentences(_blanked(self.prose, images)))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of its sentences."""
        return tuple(word for sentence in self.sentences for word in sentence.words)

    @cached_property
    def _newlines(self) -> tuple[int, ...]:
        return tuple(found.start() for found in re.finditer("\n", self.markdown))

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of the file; column 0 where it cannot be known."""
        before = bisect_left(self._newlines, offset)
        if not before:
            return self.line, self.column + offset if self.column else 0
        return self.line + before, offset - self._newlines[before - 1] if self.is_body else 0

    def problem(self, offset: int, message: str, fix: str) -> Problem:
        """A problem at this place of the text."""
        line, column = self.place(offset)
        return Problem(self.path, line, message, fix, column)


def bounded(function: Function) -> Function:
    """The rule, stopping at MAX_PROBLEMS in one file."""

    @wraps(function)
    def rule(item: Item, house: House) -> Iterator[Problem]:
        return islice(function(item, house), MAX_PROBLEMS)

    return rule


def shown(words: str) -> str:
    """What was found, on one line and short enough for a message."""
    line = " ".join(words[: 2 * MAX_SHOWN].split())
    return line if len(line) <= MAX_SHOWN else line[:MAX_SHOWN].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


# --- the texts of a file ----------------------------------------------------------------------------------------

_SECTIONS: Final = frozenset({"body", "public_summary", INTERNAL, "lessons", "advice"})
_kept: OrderedDict[int, tuple[Item, tuple[Text, ...]]] = OrderedDict()


def texts_of(item: Item) -> tuple[Text, ...]:
    """Every text of a file that is not empty, in the order of fields."""
    found = _kept.get(id(item))
    if found is None or found[0] is not item:  # kept items stay alive, so an id stands for one item
        found = _kept[id(item)] = item, tuple(_texts(item))
        while len(_kept) > KEPT_ITEMS:
            _kept.popitem(last=False)
    return found[1]


def printed(item: Item) -> Iterator[Text]:
    """What the public reads."""
    return (text for text in texts_of(item) if text.is_printed)


def styled(item: Item) -> Iterator[Text]:
    """What any reader reads, now or once it is no draft any more."""
    return (text for text in texts_of(item) if text.name != INTERNAL)


def _texts(item: Item) -> Iterator[Text]:
    is_printed = may_read(PUBLIC_AUDIENCE, item.tlp) and getattr(item, "status", None) is not Status.DRAFT
    for name, markdown, is_plain in _fields(item):
        if not markdown.strip():
            continue
        column = 1 if name in _SECTIONS else item.lines.get(f"{name}:column", 0)
        yield Text(
            item.path,
            item.lines.get(name, item.lines.get(name.partition(".")[0], 1)),
            name,
            item.language,
            markdown,
            is_printed and name != INTERNAL,
            item,
            column,
            is_plain,
        )


def _fields(item: Item) -> Iterator[tuple[str, str, bool]]:
    """Name, text and whether it is plain."""
    yield "title", item.title or "", True
    if isinstance(item, Article):
        yield from (("summary", item.summary, True), ("image_alt", item.image_alt or "", True))
        yield "body", item.body, False
    elif isinstance(item, Incident):
        for name in ("public_summary", INTERNAL, "lessons", "advice"):
            yield name, getattr(item, name), False
    else:
        yield from ((f"in_brief.{n}", text, False) for n, text in enumerate(item.in_brief))
        if item.action:
            yield from (("action.title", item.action.title, True), ("action.text", item.action.text, False))
        yield from ((f"elsewhere.{n}.why", pick.why, False) for n, pick in enumerate(item.elsewhere))
        yield from ((f"corrections.{n}", text, False) for n, text in enumerate(item.corrections))
        yield "body", item.body, False


# --- prose ------------------------------------------------------------------------------------------------------


def _target(markdown: str, link: Link) -> tuple[int, int]:
    """Where a link's target stands: what is left of it are the words that readers see."""
    source = markdown[link.start : link.end]
    if source.startswith("<"):
        return link.start, link.end
    mark = max(source.rfind("]("), source.rfind("]["))
    return (link.start + mark + 1 if mark >= 0 else link.end), link.end


def _blanked(text: str, spans: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> str:
    """The text with blanks in these stretches; lines stay."""
    if not spans:
        return text
    parts, done = [], 0
    for start, end in sorted(spans):
        if end > done:
            start = max(start, done)  # noqa: PLW2901  # code inside a link's target, say
            parts += [text[done:start], _LETTER.sub(" ", text[start:end])]
            done = end
    return "".join([*parts, text[done:]])


def _sentences(prose: str) -> Iterator[Sentence]:
    start = 0
    for end in [*(found.start() for found in _BLOCK.finditer(prose)), len(prose)]:
        block = prose[start:end].lstrip("\n")
        if _NO_PROSE.match(block):  # a text may follow right below a heading
            block = block.partition("\n")[2]
        if block and not _FOOTNOTE.match(block):
            yield from _of_block(block, end - len(block))
        start = end


def _of_block(block: str, first: int) -> Iterator[Sentence]:
    done = 0
    for stop in [*(found.end() for found in _SENTENCE_END.finditer(block)), len(block)]:
        word = _WORD.search(block, done, stop)
        if word:
            yield Sentence(first + word.start(), tuple(_WORD.findall(block, done, stop)))
        done = stop
