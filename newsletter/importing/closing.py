"""The end of an article that every article has: where to learn more, and who signs. The archive adds its own."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from newsletter.importing.dates import day_in_line, month_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_REPEATS: Final = 3
MAX_CLOSE_BLOCKS: Final = 6
MAX_CLOSE_CHARACTERS: Final = 1_500
MAX_SIGNATURE: Final = 160
MAX_AUTHORS: Final = 10
MAX_BELOW: Final = 3  # blocks below the sign-off
MAX_FOOT: Final = 300
MAX_WORDS_OF_SENDER: Final = 12
MAX_WORDS_BELOW: Final = 6
MONTH_WORDS: Final = 2  # October 2019

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
_ITEM = re.compile(r"\s*[-*_]\s")
_NAME: Final = r"(?:[A-ZÀ-Þ][\w.'\u2019-]*|and|et|&|the|de|du|des|la|von|van|di|da)"
_NAMED = re.compile(rf"{_NAME}(?:(?:,\s*|\s+){_NAME}){{1,7}}")  # no name touches the next: each text has one reading
_SIGNED = re.compile(r"[-\u2013\u2014*_~\s]*(?:by|par|written by|author|auteur)\b", re.IGNORECASE)
_GOES_ON = re.compile(r"(?:[,:&]|\b(?:by|par|and|et|the|le|la|les|de|du|of))$", re.IGNORECASE)
_TEAM = re.compile(
    r"\b(?:team|cert|csirt|soc|office|officer|group|department|security|équipe|groupe|service|sécurité)\b",
    re.IGNORECASE,
)
_FOOT = re.compile(
    r"(?:this |cette )?(?:page|site|document)?\s?(?:was |is |has been |a été )?"
    r"(?:(?:last|latest|dernière|derniere)[ -](?:modifi|updat|chang|revis|edit|mise|maj)"
    r"|(?:maintained|powered|best viewed|hosted|accessed|gérée?) (?:by|par|with|at)?)"
    r"|\(?(?:©|\(c\)|copyright)|you are visitor|vous êtes le\b.{0,20} visiteur|topic revision|retrieved from"
    r"|webmaster\b|(?:last )?updated?\s?:|(?:mise? à jour|modifiée?)\s?(?:le|:)|(?:created|posted) by .{0,60}last modif"
    r"|(?:please )?(?:send|address|mail)?\s?(?:your )?(?:e-?mail|mail|questions|comments|remarks)\b.{0,60}\S@\S",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"(?:(?:back|return|go|to|the|of|this|page|top|up|home|next|prev(?:ious)?|index|contents?|print|close|window|counter"
    r"|retour|haut|de|la|au|à|l'accueil|accueil|sommaire|suite|suivante?|précédente?|imprimer|fermer)\b[\W_]*){1,6}",
    re.IGNORECASE,
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
    """The names of a sign-off line ``by ...``; none if it is no such line. Their team and the day are no names."""
    lines = block.strip().split("\n") if len(block) <= MAX_SIGNATURE else []
    while len(lines) > 1 and _says_who_or_when(lines[-1]) and not _GOES_ON.search(lines[-2].strip(" \\")):
        lines.pop()
    found = _SIGNATURE.fullmatch("\n".join(lines).strip())
    if found is None or re.search(r"[.!?]\s+[A-ZÀ-Ý]", found["names"]):
        return ()
    if _ITEM.match(lines[0]) and not _NAMED.fullmatch(found["names"]):
        return ()  # the last item of a list, unless it is nothing but names
    names = re.split(r"\s*,\s*(?:and\s+|et\s+)?|\s+(?:and|et|&)\s+", " ".join(found["names"].replace("\\", "").split()))
    names = [re.sub(r"^the\s+", "", name, flags=re.IGNORECASE) for name in names if name]
    return tuple(names[:MAX_AUTHORS])


def _says_who_or_when(line: str) -> bool:
    """Whether a line is nothing but a team or a day: The CERT; Geneva, 12 May 2019; October 2019."""
    bare = line.strip(" *_\\")
    words = bare.split()
    if not words or len(words) > MAX_WORDS_BELOW or "\n" in bare or bare[-1] in "!?:;" or not bare[0].isalnum():
        return False
    is_day = bool(day_in_line(bare) or day_in_line(bare.partition(",")[2]))
    return is_day or bool(_TEAM.search(bare)) or (len(words) == MONTH_WORDS and month_in(bare) is not None)


def _below(blocks: Sequence[str]) -> int:
    """How many of the last blocks stand below ``by ...`` and only say whose team it was, or when."""
    for count, block in enumerate(reversed(blocks[1:])):
        if _SIGNED.match(block) and signature(block):
            return count
        if count == MAX_BELOW or not _says_who_or_when(block):
            break
    return 0


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
        above = blocks[: len(blocks) - _below(blocks)]
        ending = [fingerprint(block) for block in above if not signature(block)][1:]
        tail: tuple[str, ...] = ()
        for block in reversed([one for one in ending if one][-MAX_CLOSE_BLOCKS:]):
            tail = (block, *tail)
            counts[tail] += 1
    return frozenset(
        tail[0]
        for tail, count in counts.items()
        if count >= MIN_REPEATS and (len(tail) == 1 or count * 2 >= counts[tail[1:]])
    )


def is_foot(block: str, above: str) -> bool:
    """Whether a last paragraph is what pages end with: when they were changed, whose they are, links to others."""
    bare = " ".join(re.sub(r"\]\([^()\s]{0,2000}\)|[][*_\\<>]", " ", block).split())
    if len(block) > MAX_CLOSE_CHARACTERS or len(bare) > MAX_FOOT:
        return False
    if _FOOT.match(bare) or _ELSEWHERE.fullmatch(bare):
        return True
    if "](" in block and re.fullmatch(r"[\W_]*", re.sub(r"\[[^][]{1,60}\]\([^()\s]{0,2000}\)", "", block)):
        return "|" in block or "\\[" in block
    return "mailto:" in block and bool(_RULE.fullmatch(above)) and len(bare.split()) <= MAX_WORDS_OF_SENDER


def without_close(
    blocks: Sequence[str], known: frozenset[str], *, page: bool = False
) -> tuple[list[str], tuple[str, ...], list[str]]:
    """The text without its standing close; the names that signed it; the paragraphs that were dropped.

    A ``page`` has a foot too. The first paragraph always stays: an article that is nothing but a close would be none.
    """
    above = len(blocks) - _below(blocks)
    kept, dropped = list(blocks[:above]), list(reversed(blocks[above:]))
    names: tuple[str, ...] = ()
    for _ in range(MAX_CLOSE_BLOCKS):
        if len(kept) <= 1:
            break
        last = kept[-1]
        if not names and (signed := signature(last)):
            names = signed
        elif _RULE.fullmatch(last):
            pass
        elif fingerprint(last) in known or is_standing(last) or (page and is_foot(last, kept[-2])):
            dropped.append(last)
        else:
            break
        kept.pop()
    return kept, names, dropped
