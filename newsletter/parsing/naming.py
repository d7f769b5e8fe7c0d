"""What a content file's name says: ``articles/2026/usb-stick-found.fr.md`` is usb-stick-found in French."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from newsletter.model import MAX_SLUG, SLUG, Language, Month
from newsletter.parsing.validate import FieldError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.parsing.faults import Faults

SUFFIX: Final = ".md"


@dataclass(frozen=True, slots=True)
class Name:
    """The slug (of a note: the month) and the language of a file."""

    slug: str
    language: Language


def read_name(path: str, languages: Sequence[Language]) -> Name:
    """Slug and language by the file's name; without a language it is the first one.

    Raises:
        FieldError: the language is not among ``languages``, or there are more dots than one.
    """
    stem, dot, language = PurePosixPath(path).name.removesuffix(SUFFIX).partition(".")
    if not dot:
        return Name(stem, languages[0])
    if language not in languages:
        known = ", ".join(languages)
        raise FieldError(
            f"names no language of this site: {shown(language)}",
            f"call it {stem}.{languages[0]}{SUFFIX} (there are {known}), or add the language to the settings",
            "file-name",
        )
    return Name(stem, Language(language))


def named(path: str, faults: Faults) -> str | None:
    """The slug in a file's name; None, and a fault, if it can be no part of an address."""
    stem = PurePosixPath(path).name.removesuffix(SUFFIX).partition(".")[0]
    if SLUG.fullmatch(stem) and len(stem) <= MAX_SLUG:
        return stem
    fix = f"rename it to a-z, 0-9 and single hyphens, at most {MAX_SLUG} characters, like usb-stick-found.en.md"
    faults.block("file-name", 1, f"the file's name {shown(stem)} is no slug", fix)
    return None


def month_of(slug: str) -> Month:
    """The month that a note is named after. Raises FieldError if it is none."""
    try:
        return Month.parse(slug)
    except ValueError:
        message, fix = f"the file's name {shown(slug)} is no month", "rename it like 2026-10.en.md"
        raise FieldError(message, fix, "file-name") from None
