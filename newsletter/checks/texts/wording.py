"""Rules over words: what was left behind, what turns their direction, what the house bans, long and hard texts."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from newsletter.checks.rule import Problem
from newsletter.checks.texts.readability import default_grade, grade
from newsletter.checks.texts.text import bounded, printed, shown, styled, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.texts.text import Item

MAX_SENTENCE_WORDS: Final = 40
MIN_GRADED_WORDS: Final = 100  # the formulas were fitted to samples of a hundred words
KEPT_PATTERNS: Final = 1_000

_MARKER = re.compile(
    r"""
    (?<![\w-])(?: TK(?:TK)* | TODO | FIXME | TBD | XXX+ )(?![\w-])
    | (?i: \b lorem [ ] ipsum \b )
    | (?i: [\[(<{«] [ \u00a0]? (?: insert | to[ ]be[ ](?:written|done|completed|translated|added) | check[ ]this
        | à[ ](?:compléter|rédiger|traduire|vérifier|faire|insérer) )\b [^\])>}»\n]{0,60} [\])>}»] )
    | \b À[ ](?:COMPLÉTER|RÉDIGER|TRADUIRE|VÉRIFIER|FAIRE|INSÉRER) \b
    """,
    re.VERBOSE,
)

_MARKER_SIGNS: Final = (
    *("tk", "todo", "fixme", "tbd", "xxx", "lorem", "insert", "to be ", "check this"),
    *("compléter", "rédiger", "traduire", "vérifier", "à faire", "insérer"),
)
# What Hugo, Jekyll, Liquid and Jinja fill in. Bounded, and within a paragraph: most that begin so never end.
SHORTCODE: Final = re.compile(
    r"\{\{(?:(?!\}\}|\n[ \t]{0,80}\n).){1,300}\}\} | \{%(?:(?!%\}|\n[ \t]{0,80}\n).){1,300}%\}", re.DOTALL | re.VERBOSE
)
# Embeddings, overrides and isolates: what follows one is shown in another order than it stands there
# (CVE-2021-42574, "Trojan Source").
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


@bounded
def marker_left(item: Item, house: House) -> Iterator[Problem]:
    """What writers leave for later; in code it may be what the text is about."""
    del house
    for text in printed(item):
        for found in _MARKER.finditer(text.prose) if any(sign in text.lower for sign in _MARKER_SIGNS) else ():
            message = f"“{shown(found[0])}” was left here for later"
            yield text.problem(found.start(), message, "do it now, take it out, or write it as `code` if it is meant")


@bounded
def shortcode_left(item: Item, house: House) -> Iterator[Problem]:
    """What another tool would have filled in is printed as it stands here; in code it is what the text is about."""
    del house
    for text in printed(item):
        for found in SHORTCODE.finditer(text.prose) if "{{" in text.markdown or "{%" in text.markdown else ():
            message = f"“{shown(found[0])}” is printed as it stands: no template is filled in here"
            fix = "write what it stood for, or write it as `code` if it is meant"
            yield text.problem(found.start(), message, fix)


@bounded
def direction_turned(item: Item, house: House) -> Iterator[Problem]:
    """Readers and reviewers would see other words than there are: in prose, in code and in names alike."""
    del house
    fix = "take it out; a word of another script shows in its own direction without it"
    for text in texts_of(item):
        for found in _TURNING.finditer(text.markdown):
            yield text.problem(found.start(), _turned(found[0]), fix)
    named = {f"authors.{number}": name for number, name in enumerate(getattr(item, "authors", ()))}
    for where, words in (named | {"license": getattr(item, "license", None) or ""}).items():
        if turning := _TURNING.search(words):
            line = item.lines.get(where, item.lines.get(where.partition(".")[0], 1))
            column = item.lines.get(f"{where}:column", -turning.start()) + turning.start()
            yield Problem(item.path, line, _turned(turning[0]), fix, column)


def _turned(character: str) -> str:
    name = unicodedata.name(character)
    return f"an invisible character that turns the direction of what follows: U+{ord(character):04X} {name}"


@bounded
def word_banned(item: Item, house: House) -> Iterator[Problem]:
    """Words that this house does not write, exactly as its list has them, in any case."""
    banned = house.standards.banned_words.get(item.language, {})
    for text in printed(item) if banned else ():
        for word, instead in banned.items():
            if word.split()[0].lower() in text.lower:
                for found in _word(word).finditer(text.prose):
                    fix = f"write “{instead}”" if instead else "write it differently"
                    yield text.problem(found.start(), f"“{shown(found[0])}” is a word that this house avoids", fix)


@bounded
def sentence_long(item: Item, house: House) -> Iterator[Problem]:
    """Readers lose the beginning before they reach the end."""
    del house
    for text in styled(item):
        for sentence in text.sentences:
            if len(sentence.words) > MAX_SENTENCE_WORDS:
                start = shown(" ".join(sentence.words[:6]))
                message = f"the sentence “{start} …” has {len(sentence.words)} words; {MAX_SENTENCE_WORDS} are much"
                yield text.problem(sentence.start, message, "make two or three of it")


@bounded
def too_long(item: Item, house: House) -> Iterator[Problem]:
    """A text that is longer than this house wants to ask of its readers."""
    most = house.standards.max_words
    for text in styled(item):
        if text.is_body and len(text.words) > most:
            message = f"the text has {len(text.words):,} words; {most:,} are what this house asks of its readers"
            yield text.problem(0, message, "shorten it, or make two articles of it")


@bounded
def reading_level(item: Item, house: House) -> Iterator[Problem]:
    """Years of schooling that a text takes, by the formula of its language; other languages are not judged."""
    most = house.standards.max_grade.get(item.language, default_grade(item.language))
    for text in styled(item):
        if len(text.words) >= MIN_GRADED_WORDS:
            years = grade(item.language, text.words, len(text.sentences))
            if years is not None and years > most:
                message = f"the text takes {years:.1f} years of schooling to read; {most:g} are the limit here"
                yield text.problem(0, message, "write shorter sentences and everyday words")


@lru_cache(maxsize=KEPT_PATTERNS)
def _word(word: str) -> re.Pattern[str]:
    """The word with nothing before or behind it that would make it another one; a line may break inside it."""
    inside = r"\s+".join(map(re.escape, word.split()))
    return re.compile(rf"(?<!\w){inside}(?!\w)", re.IGNORECASE)
