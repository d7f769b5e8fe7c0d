"""How hard a text is, in years of schooling: a named formula for each language.

English: the Flesch-Kincaid grade, 0.39 words/sentence + 11.8 syllables/word - 15.59 (Kincaid, Fishburne, Rogers and
Chissom, Derivation of New Readability Formulas for Navy Enlisted Personnel, 1975).

French: Kandel and Moles' adaptation of Flesch's ease, 207 - 1.015 words/sentence - 73.6 syllables/word (Application de
l'indice de Flesch à la langue française, Cahiers d'études de radio-télévision 19, 1958), read as years by Flesch's own
table (The Art of Readable Writing, 1949), straight lines between its steps.

Syllables are counted by rules of thumb: groups of vowels, less the endings that are mute. They are wrong for single
words and right for hundreds.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_WORDS: Final = 50_000
MAX_WORD: Final = 60  # letters; what is longer is no word

# Ease and years: very easy is the 5th grade, very difficult what graduates read.
_YEARS: Final = (
    (121.0, 0.0),
    (90.0, 5.0),
    (80.0, 6.0),
    (70.0, 7.0),
    (60.0, 9.0),
    (50.0, 12.0),
    (30.0, 16.0),
    (0.0, 20.0),
)
_GRADES: Final = {"en": 12.0, "fr": 12.0}  # what a school leaver reads: an article is for all staff
_NEVER: Final = float("inf")

_VOWELS = re.compile(r"[aeiouy]+")
# Mute: "late", "lates", "jumped", "boxes" has one more than "box"; "table" has two.
_MUTE = re.compile(r"(?:(?<=[^aeiouyl])e|(?<=[aeiouy]l)e|(?<=[^aeioutdy])ed|(?<=[^aeiouysxzhcg])es)$")
_VOYELLES = re.compile(r"[aeiouyàâäéèêëîïôöùûüœæ]+")
_MUETTES = re.compile(r"(?<=[^aeiouyàâäéèêëîïôöùûüœæ])(?:e|es|ent)$")


def default_grade(language: str) -> float:
    """The limit for a house that sets none."""
    return _GRADES.get(language, _NEVER)


def grade(language: str, words: Sequence[str], sentences: int) -> float | None:
    """Years of schooling that these words in so many sentences take; None where no formula is known."""
    if language not in _GRADES or not words or not sentences:
        return None
    syllables = sum(_syllables(language, word) * count for word, count in Counter(words).items())
    length, weight = len(words) / sentences, syllables / len(words)
    if language == "fr":
        return _years(207 - 1.015 * length - 73.6 * weight)  # Kandel and Moles, see above
    return 0.39 * length + 11.8 * weight - 15.59  # Flesch-Kincaid, see above


def syllables(language: str, word: str) -> int:
    """Roughly how many syllables the word has: at least one for each part of it."""
    return _syllables(language, word)


@lru_cache(maxsize=KEPT_WORDS)
def _syllables(language: str, word: str) -> int:
    vowels, mute = (_VOYELLES, _MUETTES) if language == "fr" else (_VOWELS, _MUTE)
    total = 0
    for part in re.split(r"['\u2019-]", word[:MAX_WORD].lower()):
        groups = len(vowels.findall(part))
        total += groups - 1 if groups > 1 and mute.search(part) else groups
    return max(1, total)


def _years(ease: float) -> float:
    for (easier, few), (harder, many) in pairwise(_YEARS):
        if ease >= harder:
            return max(few, many - (ease - harder) / (easier - harder) * (many - few))
    return _YEARS[-1][1]
