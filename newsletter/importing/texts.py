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

_LABELS = re.compile(r"(?:title|titre|subject|objet)\s*:\s*", re.IGNORECASE)
_UNDERLINE = re.compile(r"[=\-~_*]{3,}")
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
    return "\n\n".join(_block(block.replace("\u200b", "")) for block in blocks)


def _block(block: str) -> str:
    lines = [line.rstrip() for line in block.split("\n")]
    if all(_BULLET.fullmatch(line) for line in lines):
        return "\n".join(
            "- " + escaped_with_links(found["text"]) for line in lines if (found := _BULLET.fullmatch(line))
        )
    numbers = [found for line in lines if (found := _NUMBERED.fullmatch(line))]
    first = int(numbers[0]["number"]) if numbers else 0
    if len(numbers) == len(lines) and [int(n["number"]) for n in numbers] == list(range(first, first + len(lines))):
        return "\n".join(f"{found['number']}. {escaped_with_links(found['text'])}" for found in numbers)
    return escaped_with_links("\n".join(line.strip() for line in lines))
