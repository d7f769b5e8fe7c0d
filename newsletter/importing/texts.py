"""Plain text in the shape in which such articles circulate: a title line, paragraphs, a close, ``by ...``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from newsletter.importing.closing import blocks_of
from newsletter.importing.dates import day_in_line
from newsletter.importing.decoding import text_of
from newsletter.importing.escape import escaped_with_links
from newsletter.importing.nouns import Found, RefusedSource

if TYPE_CHECKING:
    from datetime import date

    from newsletter.importing.nouns import File

MAX_HEAD_LINES: Final = 3
MAX_UNDERLINE: Final = 200
MAX_WRAPPED: Final = 100  # characters: lines that an editor breaks are shorter
SENTENCE_ENDS: Final = '.!?\u2026:;)"\u00bb\u201d\u2019'

_LABELS = re.compile(r"(?:title|titre|subject|objet)\s*:\s*", re.IGNORECASE)
_UNDERLINE = re.compile(r"[=\-~_*]{3,}")
_RULED = re.compile(r"={3,}|-{3,}|~{3,}")
_BULLET = re.compile(r"[ \t]{0,8}[-*\u2022\u00b7\u2013][ \t]+(?P<text>\S.*)")
_NUMBERED = re.compile(r"[ \t]{0,8}(?P<number>\d{1,3})[.)][ \t]+(?P<text>\S.*)")


def read_text(file: File, data: bytes) -> Found:
    """The article of a text file. RefusedSource when there is no title, or nothing below it."""
    text, guessed = text_of(data)
    title, day, body = split_text(text)
    if not body:
        raise RefusedSource("there is a title and no text below it" if title else "the file is empty")
    return Found(file=file, name=file.path.stem, title=title, day=day, body=body, guessed=guessed)


def split_text(text: str) -> tuple[str, date | None, str]:
    """Title, day (if a line near the top is nothing but a date), and the paragraphs as Markdown."""
    lines = text.expandtabs(4).strip("\n").split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    title = " ".join(_LABELS.sub("", lines.pop(0).strip(), count=1).lstrip("# ").split()) if lines else ""
    if lines and len(lines[0]) <= MAX_UNDERLINE and _UNDERLINE.fullmatch(lines[0].strip()):
        lines.pop(0)
    day = None
    for position, line in enumerate([line for line in lines if line.strip()][:MAX_HEAD_LINES]):
        if found := day_in_line(line):
            day = found
            lines.remove(line)
            break
        if position == 0 and len(line) > MAX_UNDERLINE:
            break  # the text has begun
    return title, day, as_markdown("\n".join(lines))


def as_markdown(text: str) -> str:
    """Paragraphs and simple lists of plain text, as Markdown that shows the same."""
    blocks = blocks_of(re.sub(r"^[ ]{0,3}(?=`{3}|~{3})", "\u200b", text, flags=re.MULTILINE))
    parts = [part for block in blocks for part in (block.split("\n") if _is_of_paragraphs(block) else [block])]
    return "\n\n".join(_block(part.replace("\u200b", "")) for part in parts)


def _is_of_paragraphs(block: str) -> bool:
    """Whether each line is a paragraph, as word processors export: half of them end a sentence beyond any margin."""
    lines = [line.strip() for line in block.split("\n")]
    ends = sum(len(line) > MAX_WRAPPED and line[-1] in SENTENCE_ENDS for line in lines)
    return ends * 2 >= len(lines) and not any(_BULLET.fullmatch(line) or _NUMBERED.fullmatch(line) for line in lines)


def _block(block: str) -> str:
    lines = [line.rstrip() for line in block.split("\n")]
    if len(lines) == 2 and _RULED.fullmatch(lines[1].strip()):  # noqa: PLR2004  # a heading and its underline
        return f"## {escaped_with_links(lines[0].strip())}"
    if items := _items(lines, _BULLET):
        return "\n".join("- " + _item(item, "  ") for item in items)
    numbers = [found for line in lines if (found := _NUMBERED.fullmatch(line))]
    first = int(numbers[0]["number"]) if numbers else 0
    items = _items(lines, _NUMBERED)
    if items and [int(n["number"]) for n in numbers] == list(range(first, first + len(items))):
        return "\n".join(
            f"{number}. {_item(item, ' ' * len(f'{number}. '))}" for number, item in enumerate(items, first)
        )
    return escaped_with_links("\n".join(line.strip() for line in lines))


def _items(lines: list[str], sign: re.Pattern[str]) -> list[list[str]]:
    """The lines of each item of a list; none when this is no list. A line that is indented goes on with its item."""
    items: list[list[str]] = []
    for line in lines:
        if found := sign.fullmatch(line):
            items.append([found["text"]])
        elif items and line.startswith("  "):
            items[-1].append(line.strip())
        else:
            return []
    return items


def _item(lines: list[str], indent: str) -> str:
    return escaped_with_links("\n".join(lines)).replace("\n", f"\n{indent}")
