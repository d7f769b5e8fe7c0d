"""Rules over titles, summaries, headings and the words of images: what lists and hurried readers see of a text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from newsletter.checks.texts.text import bounded, shown, styled
from newsletter.model import Article, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.rule import Problem
    from newsletter.checks.texts.text import Item, Text

MAX_SUMMARY: Final = 300  # two or three sentences: mails and indexes show it below the title
MAX_ALT: Final = 200  # what a screen reader says in one breath or two; more belongs into the text
MIN_SHOUT: Final = 8  # letters; shorter titles in capitals are names: "GDPR"
MIN_SHOUTED_WORDS: Final = 2

_TITLES: Final = frozenset({"title", "action.title"})
_PICTURE_FILE = re.compile(r"\S+\.(?:avif|bmp|gif|jpe?g|png|svg|tiff?|webp)", re.IGNORECASE)
_PICTURE_WORDS = re.compile(
    r"(?:an? |the |une? |l[ae] )?"
    r"(?:image|picture|photo(?:graph(?:ie)?)?|graphic|screenshot|capture d['\u2019]écran|illustration)"
    r"(?: (?:of|showing|de|du|des|montrant)\b| d['\u2019]|$)",
    re.IGNORECASE,
)


@bounded
def title_shouts(item: Item, house: House) -> Iterator[Problem]:
    """Capitals throughout are hard to read, and what spam does."""
    del house
    for text in _titles(item):
        letters = sum(map(str.isalpha, text.markdown))
        if letters >= MIN_SHOUT and text.markdown.isupper() and len(text.markdown.split()) >= MIN_SHOUTED_WORDS:
            yield text.problem(0, f"“{shown(text.markdown)}” is all capitals", "write it as you would in a sentence")


@bounded
def title_ends(item: Item, house: House) -> Iterator[Problem]:
    """A title is no sentence; three dots and abbreviations may end it."""
    del house
    for text in _titles(item):
        last = text.markdown.split()[-1]
        if last.endswith(".") and not last.endswith("..") and last.count(".") == 1 and last.lower() != "etc.":
            place = len(text.markdown.rstrip()) - 1
            yield text.problem(place, f"the title “{shown(text.markdown)}” ends with a full stop", "leave it out")


@bounded
def summary_long(item: Item, house: House) -> Iterator[Problem]:
    """The teaser of mails and indexes."""
    del house
    for text in styled(item):
        if text.name == "summary" and len(text.markdown) > MAX_SUMMARY:
            message = f"the summary has {len(text.markdown)} characters; {MAX_SUMMARY} are two or three sentences"
            yield text.problem(MAX_SUMMARY, message, "say why to read the article, and leave the rest to it")


@bounded
def summary_is_title(item: Item, house: House) -> Iterator[Problem]:
    """Below the title, the same words again tell nothing."""
    del house
    for text in styled(item):
        if text.name == "summary" and _folded(text.markdown) == _folded(item.title or ""):
            yield text.problem(0, f"the summary “{shown(text.markdown)}” is the title", "say why to read the article")


@bounded
def heading_order(item: Item, house: House) -> Iterator[Problem]:
    """Who moves by headings takes a level left out for a part that is missing (WCAG technique H42)."""
    del house
    first = 3 if isinstance(item, Incident) else 2  # an incident's sections have ## themselves
    for text in styled(item):
        before = first - 1
        for heading in text.outline.headings if text.is_body else ():
            if heading.level < first or heading.level > before + 1:
                wanted = "#" * max(first, min(heading.level, before + 1))
                message = f"the heading “{shown(heading.words)}” has {'#' * heading.level}, but {wanted} is next here"
                yield text.problem(heading.start, message, f"write {wanted} {shown(heading.words)}")
            before = max(first, min(heading.level, before + 1))


@bounded
def heading_repeated(item: Item, house: House) -> Iterator[Problem]:
    """Two headings with the same words: nobody can point at the second."""
    del house
    for text in styled(item):
        seen = set()
        for heading in text.outline.headings:
            words = _folded(heading.words)
            if words and words in seen:
                message = f"the heading “{shown(heading.words)}” stands here a second time"
                yield text.problem(heading.start, message, "say what is different below it, or put the two together")
            seen.add(words)


@bounded
def heading_empty(item: Item, house: House) -> Iterator[Problem]:
    """A heading mark without words."""
    del house
    for text in styled(item):
        for heading in text.outline.headings:
            if not heading.words:
                message = f"the heading {'#' * heading.level} has no words"
                yield text.problem(heading.start, message, "write them behind the mark, or delete the line")


@bounded
def alt_weak(item: Item, house: House) -> Iterator[Problem]:
    """Words that tell a blind reader nothing, or too much."""
    del house
    for text in styled(item):
        for link in text.links:
            if link.image and (fault := _weak(link.alt, link.target)):
                yield text.problem(link.start, *fault)
        target = item.image if isinstance(item, Article) else None
        if text.name == "image_alt" and (fault := _weak(text.markdown, target or "")):
            yield text.problem(0, *fault)


def _weak(alt: str, target: str) -> tuple[str, str] | None:
    """Message and fix; None for words that do their work, and for none at all (``image-words-missing``)."""
    words = alt.strip()
    if words and (_PICTURE_FILE.fullmatch(words) or words == PurePosixPath(target).stem):
        return f"the image is described by the name of its file, “{shown(words)}”", "say what one sees in it"
    if _PICTURE_WORDS.match(words):
        message = f"“{shown(words)}” says that it is an image, which screen readers do by themselves"
        return message, "begin with what one sees in it"
    if len(words) > MAX_ALT:
        message = f"the words of the image “{shown(words)}” have {len(words)} characters; {MAX_ALT} are much"
        return message, "say what one sees in one sentence, and the rest in the text"
    return None


def _titles(item: Item) -> Iterator[Text]:
    return (text for text in styled(item) if text.name in _TITLES)


def _folded(words: str) -> str:
    return " ".join(words.split()).rstrip(".").casefold()
