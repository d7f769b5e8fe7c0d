"""The end of an article that every article has: where to learn more, and who signs. The archive adds its own."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_REPEATS: Final = 3
MAX_CLOSE_BLOCKS: Final = 6
MAX_CLOSE_CHARACTERS: Final = 1_500
MAX_SIGNATURE: Final = 160
MAX_AUTHORS: Final = 10

# A standing close begins like this and speaks of where the team is found, not of the story.
_OPENINGS: Final = (
    r"(?:do you )?(?:if you )?(?:want|wish|like|would like)(?: to)? (?:learn|know|find out|read|hear)(?: even)? more",
    r"(?:to|for) (?:learn|know|find out|read|see|get) more",
    r"for (?:further|more|additional) (?:information|details|questions|help)",
    r"(?:any )?(?:more|further) (?:information|questions)",
    r"(?:si vous )?(?:souhaitez|voulez|désirez)(?:-vous)?(?: vous)? (?:en savoir plus|en apprendre|vous informer)",
    r"pour (?:en savoir plus|en apprendre|plus d[e'\u2019]|(?:tout|toute)s? (?:complément|question|information))",
    r"vous (?:souhaitez|voulez) en savoir (?:plus|davantage)",
    r"(?:access|read|browse|find|see) (?:the|our) (?:entire|whole|full|complete) collection",
    r"(?:consultez|retrouvez|lisez) (?:l['\u2019]ensemble|tous|toute)",
)
_TOPICS: Final = (
    r"monthly report|rapport mensuel|rapports mensuels|computer security|sécurité informatique|security team"
    r"|website|web site|site web|web pages|pages web|contact|entire collection|collection|previous articles|articles"
)
_OPENING = re.compile(rf"(?:{'|'.join(_OPENINGS)})", re.IGNORECASE)
_TOPIC = re.compile(_TOPICS, re.IGNORECASE)
_SIGNATURE = re.compile(
    r"(?:[-\u2013\u2014*_~\s]*)(?:by|par|written by|author|auteur|[-\u2013\u2014])[:\s]\s*(?P<names>\S.*?)[*_~\s.]*",
    re.IGNORECASE | re.DOTALL,
)
_FENCE = re.compile(r"[ \t>]*(`{3,}(?!.*`)|~{3,})")
_RULE = re.compile(r"[ ]{0,3}([-*_=])(?:[ \t]*\1){2,}[ \t]*")


def blocks_of(markdown: str) -> list[str]:
    """The text cut at its empty lines; a fence of code stays whole."""
    blocks: list[str] = []
    lines: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        if line.strip() or fence:
            lines.append(line)
        elif lines:
            blocks.append("\n".join(lines))
            lines = []
    return [*blocks, "\n".join(lines)] if lines else blocks


def fingerprint(block: str) -> str:
    """What is compared: the words alone, whatever their case, links and marks."""
    text = re.sub(r"\]\([^()\s]{0,2000}\)", "]", block)
    return " ".join(re.findall(r"\w+", text.casefold()))


def signature(block: str) -> tuple[str, ...]:
    """The names of a sign-off line ``by ...``; none if it is no such line."""
    found = _SIGNATURE.fullmatch(block.strip()) if len(block) <= MAX_SIGNATURE else None
    if found is None or re.search(r"[.!?]\s+[A-ZÀ-Ý]", found["names"]):
        return ()
    names = re.split(r"\s*,\s*(?:and\s+|et\s+)?|\s+(?:and|et|&)\s+", " ".join(found["names"].replace("\\", "").split()))
    names = [re.sub(r"^the\s+", "", name, flags=re.IGNORECASE) for name in names if name]
    return tuple(names[:MAX_AUTHORS])


def is_standing(block: str) -> bool:
    """Whether a paragraph reads like a standing close in English or French."""
    bare = re.sub(r"^[*_>\s]+", "", block)
    return len(block) <= MAX_CLOSE_CHARACTERS and bool(_OPENING.match(bare)) and bool(_TOPIC.search(bare))


def repeated(endings: Iterable[Sequence[str]]) -> frozenset[str]:
    """Fingerprints of blocks that end at least ``MIN_REPEATS`` texts.

    What stands above the end belongs to the close only if half of the texts that end so have it there: the motto of a
    few is theirs, and a short text's first paragraph is no ending.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for blocks in endings:
        ending = [fingerprint(block) for block in blocks if not signature(block)][1:]
        tail: tuple[str, ...] = ()
        for block in reversed([one for one in ending if one][-MAX_CLOSE_BLOCKS:]):
            tail = (block, *tail)
            counts[tail] += 1
    return frozenset(
        tail[0]
        for tail, count in counts.items()
        if count >= MIN_REPEATS and (len(tail) == 1 or count * 2 >= counts[tail[1:]])
    )


def without_close(
    blocks: Sequence[str], known: frozenset[str], *, at_most: int = MAX_CLOSE_BLOCKS
) -> tuple[list[str], tuple[str, ...], list[str]]:
    """The text without its standing close; the names that signed it; the paragraphs that were dropped.

    The first paragraph always stays: an article that is nothing but a close would be no article.
    """
    kept, dropped = list(blocks), list[str]()
    names: tuple[str, ...] = ()
    for _ in range(at_most):
        if len(kept) <= 1:
            break
        last = kept[-1]
        if not names and (signed := signature(last)):
            names = signed
        elif _RULE.fullmatch(last):
            pass
        elif fingerprint(last) in known or is_standing(last):
            dropped.append(last)
        else:
            break
        kept.pop()
    return kept, names, dropped
