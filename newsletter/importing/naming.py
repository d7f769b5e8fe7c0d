"""Slugs for what had other names: from a file's name, an address or a title."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from newsletter.importing.tongue import split_suffix
from newsletter.model import MAX_SLUG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.importing.nouns import Found
    from newsletter.model import Language

INDEX_NAMES: Final = frozenset({"index", "default", "article", "page", "post"})

_DATE = re.compile(r"^(?:19|20)\d{2}[-_.]?\d{2}[-_.]?\d{2}[-_. ]+(?=.)")
_LIGATURES: Final = str.maketrans(
    {"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "\u2019": "", "'": ""}
)


def slug_of(text: str, most: int = MAX_SLUG) -> str:
    """Lower case ASCII words with hyphens, cut at a word; nothing when no letter or digit is left."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES)).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))
    if len(slug) <= most:
        return slug
    return slug[: most + 1].rpartition("-")[0].strip("-") or slug[:most]


def name_and_pair(found: Found, languages: Sequence[Language]) -> tuple[str, str, str]:
    """Its slug, what it has in common with its translations, and the language that its place or name tells."""
    name, language = split_suffix(found.name.removesuffix(".md"), languages)
    folder = found.file.path.parent
    parts = list(folder.relative_to(found.file.root).parts) if folder.is_relative_to(found.file.root) else []
    if name.lower() in INDEX_NAMES and (parts or found.file.root.name):
        name = parts[-1] if parts else found.file.root.name
        name, by_folder = split_suffix(name, languages)
        language = language or by_folder
    by_place = next((part.lower() for part in parts if part.lower() in languages), "")
    language = language or by_place
    slug = slug_of(_DATE.sub("", name)) or slug_of(found.title)
    place = "/".join(part for part in parts if part.lower() not in languages)
    return slug, found.pair or f"{place}/{slug}#{found.part}", language
