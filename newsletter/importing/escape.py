"""Plain text as Markdown that shows exactly that text."""

from __future__ import annotations

import re

# What begins or ends something anywhere in a line. An underscore inside a word, or an ampersand alone, does neither.
_INLINE = re.compile(r"[\\`*\[\]~|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|<(?=[A-Za-z/!?])|&(?=#?[A-Za-z0-9]+;)")
_LINE_START = re.compile(
    r"^([ \t]*)(>|#(?=#{0,5}(?:[ \t]|$))|[-+](?=[ \t]|$)|-(?=[-: \t]*$)|=(?=[= \t]*$)|:(?=[-: \t]*$))", re.MULTILINE
)
_NUMBER = re.compile(r"^([ \t]*\d{1,9})([.)])(?=[ \t]|$)", re.MULTILINE)
_URL = re.compile(r"https?://(?:\[[\da-fA-F:.]{2,45}\])?[^\s<>\"'`|\\\[\]]*[^\s<>\"'`|\\.,;:!?)\[\]}*_]")


def escaped(text: str) -> str:
    """The text with every sign escaped that Markdown would take for its own."""
    text = _INLINE.sub(r"\\\g<0>", text)
    return _NUMBER.sub(r"\1\\\2", _LINE_START.sub(r"\1\\\2", text))


def escaped_with_links(text: str) -> str:
    """Likewise, but web addresses become links that show themselves."""
    parts, end = [], 0
    for found in _URL.finditer(text):
        parts += [text[end : found.start()], found[0]]
        end = found.end()
    parts.append(text[end:])
    # A sign of Markdown at the start of a line is judged with the line, so the whole is escaped with holes in it.
    whole = escaped("\0".join(parts[::2]))
    pieces = whole.split("\0")
    return "".join(piece + (f"<{url}>" if url else "") for piece, url in zip(pieces, [*parts[1::2], ""], strict=True))
