"""What somebody looks at: one content file, or a whole month in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from newsletter.collect.files import ARTICLES, IGNORED, INCIDENTS, REPORTS
from newsletter.parsing.naming import SUFFIX, month_of, read_name
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from newsletter.model import Language, Month

FOLDERS: Final = (ARTICLES, INCIDENTS, REPORTS)
MAX_ADDRESS: Final = 400


@dataclass(frozen=True, slots=True)
class Subject:
    """``address`` is the file's path in the site, or 2026-10.en; ``month`` is known for months and editor's notes."""

    address: str
    kind: str
    slug: str
    language: Language
    month: Month | None = None

    @property
    def path(self) -> str:
        """The file; nothing for a month."""
        return self.address if self.kind else ""


def month_subject(month: Month, language: Language) -> Subject:
    """The whole month."""
    return Subject(f"{month}.{language}", "", str(month), language, month)


def subject_at(address: str, languages: tuple[Language, ...]) -> Subject:
    """The subject of this address, whether or not its file exists. FieldError when there can be none."""
    parts = address.split("/")
    if len(address) > MAX_ADDRESS or not address.isprintable() or "\\" in address:
        raise FieldError("is no address", "name a file of the site, or a month like 2026-10")
    if len(parts) == 1 and address[:1].isdigit():
        name = read_name(address + SUFFIX, languages)
        return month_subject(month_of(name.slug), name.language)
    kind = parts[0]
    if (
        kind not in FOLDERS
        or not address.endswith(SUFFIX)
        or any(p in ("", "..") or p.startswith(IGNORED) for p in parts)
    ):
        fix = f"name a {SUFFIX} file in {', '.join(FOLDERS)}, or a month like 2026-10"
        raise FieldError("is no content file", fix)
    name = read_name(address, languages)
    return Subject(address, kind, name.slug, name.language, month_of(name.slug) if kind == REPORTS else None)
