"""Which language a text is in: by what its name says, else by the commonest words of English and French."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.model import Language

MAX_JUDGED_CHARACTERS: Final = 20_000
MIN_LEAD: Final = 2  # so many times more common words than of the other language

_COMMON: Final = {
    "en": frozenset(
        [
            "the",
            "and",
            "of",
            "to",
            "in",
            "is",
            "that",
            "it",
            "for",
            "you",
            "with",
            "this",
            "are",
            "on",
            "be",
            "not",
            "have",
            "your",
            "from",
            "or",
            "by",
            "we",
            "as",
            "an",
        ]
    ),
    "fr": frozenset(
        [
            "le",
            "la",
            "les",
            "des",
            "et",
            "est",
            "une",
            "que",
            "pour",
            "vous",
            "dans",
            "qui",
            "ne",
            "pas",
            "sur",
            "au",
            "aux",
            "ce",
            "avec",
            "votre",
            "par",
            "sont",
            "il",
        ]
    ),
}
_SUFFIX = re.compile(r"^(?P<name>.+)[._-](?P<language>[a-z]{2})$", re.IGNORECASE)


def guess_language(text: str) -> str:
    """``en`` or ``fr``, or nothing when neither clearly leads."""
    words = re.findall(r"[a-zà-ÿ]+", text[:MAX_JUDGED_CHARACTERS].lower())
    counts = sorted(((sum(word in common for word in words), code) for code, common in _COMMON.items()), reverse=True)
    (most, language), (next_most, _) = counts[0], counts[1]
    return language if most >= MIN_LEAD * max(1, next_most) else ""


def split_suffix(stem: str, languages: Sequence[Language]) -> tuple[str, str]:
    """``usb-stick.fr``, ``usb-stick_fr`` or ``usb-stick-fr``: the name, and the language if it is one of the site's."""
    found = _SUFFIX.match(stem)
    if found and found["language"].lower() in languages:
        return found["name"], found["language"].lower()
    return stem, ""


def primary(tag: str, languages: Sequence[Language]) -> str:
    """The site's language that a tag like ``fr-CH`` or ``en_GB`` stands for; nothing if it has none."""
    tag = tag.strip().lower().replace("_", "-")
    return next((one for one in (tag, tag.partition("-")[0]) if one in languages), "")
