"""Bytes of unknown origin as text: what they say of themselves, else UTF-8, else what Windows wrote."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, lookup
from typing import Final

from newsletter.importing.nouns import RefusedSource

MAX_DECLARATION_BYTES: Final = 2_000
BINARY: Final = {
    b"PK\x03\x04": "a zip archive (or an office document)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old office document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x7fELF": "a program",
    b"{\\rtf": "a document in RTF",
}
# UTF-7 and its like can hide markup from whoever reads the bytes.
CHARSETS: Final = re.compile(
    r"(?:utf-?8|utf-?16(?:le|be)?|us-ascii|iso-?8859-?\d{1,2}|latin-?\d|windows-125\d|cp125\d|macintosh|koi8-[ru])"
)

_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_UNSEEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")


def text_of(data: bytes, charset: str = "") -> tuple[str, tuple[str, ...]]:
    """The text, with line feeds alone and without invisible control characters; and what was guessed about it.

    Raises:
        RefusedSource: it is no text.
    """
    if what := next((what for magic, what in BINARY.items() if data.startswith(magic)), ""):
        raise RefusedSource(f"this is {what}, whatever its name says; export it as text, HTML or Markdown first")
    text, guessed = _decoded(data, charset)
    if "\0" in text:
        raise RefusedSource("this holds zero bytes, so it is no text; export it as text, HTML or Markdown first")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    return _UNSEEN.sub("", re.sub("[\x0b\x0c]", "\n\n", text)), guessed


def _decoded(data: bytes, charset: str) -> tuple[str, tuple[str, ...]]:
    for mark, name in ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), ()
    try:
        return data.decode(), ()
    except UnicodeDecodeError:
        found = _DECLARED.search(data[:MAX_DECLARATION_BYTES])
    name = charset or (found[1].decode("ascii") if found else "")
    if CHARSETS.fullmatch(name.lower()) and name.lower() not in ("utf-8", "utf8", "us-ascii"):
        try:
            return data.decode(lookup(name).name), ()
        except (LookupError, UnicodeDecodeError):
            pass
    return data.decode("cp1252", "replace"), ("encoding: Windows-1252, since it is not UTF-8",)
