"""Released editions, read back from ``editions/<month>/``: what was sent, as files that last.

The folder holds ``manifest.json``, and for each public variant the report as data (``en.report.json``) and the letter
as sent without personal tokens (``en.html``, ``en.txt``, ``en.eml``). The manifest names the SHA-256 of every file and
the digest of the edition before it, so that the editions form a chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # pydantic reads the annotation at run time
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from newsletter.collect.memory import Memory, file_mark
from newsletter.errors import ContentError
from newsletter.model import Language, Month, PastEdition, PublishedEdition, Report, Tlp  # noqa: TC001  # likewise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

EDITIONS: Final = "editions"
MANIFEST: Final = "manifest.json"
REPORT_SUFFIX: Final = ".report.json"
MAX_EDITION_FILE_BYTES: Final = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestVariant:
    """One variant: its digest (of the compiled bytes, slots zeroed) and, when public, SHA-256 of each file."""

    audience: str
    language: Language
    tlp: Tlp
    subject: str
    digest: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What ``manifest.json`` holds; ``previous`` is the digest of the edition before, None for the first.

    ``imported`` names the files that a past report was brought in from (``newsletter import``): it was never sent by
    us, so its digests are those of what was brought in, and no other edition's ``previous`` names it.
    """

    month: Month
    digest: str
    previous: str | None
    released: datetime
    variants: tuple[ManifestVariant, ...]
    imported: tuple[str, ...] = ()


MANIFEST_JSON: Final = TypeAdapter(Manifest)
REPORT_JSON: Final = TypeAdapter(Report)


def read_editions(folder: Path, memory: Memory | None = None) -> tuple[PublishedEdition, ...]:
    """Every released edition below ``folder``, oldest first; ContentError names every damaged one.

    ``memory`` is of the last time, if there was one.
    """
    memory = memory or Memory()
    editions, problems = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            month = Month.parse(path.name)
        except ValueError:
            continue  # what is being written, or what somebody put there
        try:
            editions.append(memory.recall("edition", path, partial(_read, path, month), mark=_marks(path)))
        except (OSError, ValueError) as error:
            told = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
            problems.append(f"{folder.name}/{path.name}: {told}; restore the folder from a backup or from Git")
    if problems:
        raise ContentError(problems)
    return tuple(editions)


def past_editions(editions: Iterable[PublishedEdition]) -> tuple[PastEdition, ...]:
    """What earlier editions said: the incidents and articles that they printed, and the counts of every month.

    Nobody knows what an imported one printed, so it says nothing: else all that is as old would count as late.
    """
    return tuple(
        PastEdition(
            month=edition.month,
            digest=edition.digest,
            incident_ids=frozenset(i.id for report in edition.reports.values() for i in report.incidents),
            counts={month: n for report in edition.reports.values() for month, n in report.figures.history},
            article_slugs=frozenset(a.slug for report in edition.reports.values() for a in report.articles),
            letters=tuple(data.decode() for name, data in edition.files.items() if name.endswith(".html")),
        )
        for edition in editions
        if not edition.imported
    )


def _marks(path: Path) -> tuple[object, ...]:
    return (file_mark(path), *((name, file_mark(name)) for name in sorted(path.iterdir())))


def _read(path: Path, month: Month) -> PublishedEdition:
    manifest = MANIFEST_JSON.validate_json(_bytes(path / MANIFEST))
    if manifest.month != month:
        raise ValueError(f"its manifest is of {manifest.month}")
    files = dict(_verified(path, manifest))
    return PublishedEdition(
        month=month,
        digest=manifest.digest,
        previous=manifest.previous,
        released=manifest.released,
        reports={
            v.language: REPORT_JSON.validate_json(files[v.language + REPORT_SUFFIX])
            for v in manifest.variants
            if v.files
        },
        files={name: data for name, data in files.items() if not name.endswith(REPORT_SUFFIX)},
        imported=bool(manifest.imported),
    )


def _verified(path: Path, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    for variant in manifest.variants:
        for name, digest in variant.files.items():
            if "/" in name or name.startswith("."):
                raise ValueError(f"its manifest names {name!r}, which is no file of an edition")
            data = _bytes(path / name)
            if sha256(data).hexdigest() != digest:
                raise ValueError(f"{name} is not what was released: its SHA-256 differs from the manifest's")
            yield name, data


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_EDITION_FILE_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_EDITION_FILE_BYTES:,} bytes")
    return path.read_bytes()
