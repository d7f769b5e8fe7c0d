"""Writes a released edition into ``editions/<month>/``: whole or not at all, and never another one over it."""

from __future__ import annotations

import os
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING

from newsletter.collect.editions import MANIFEST, MANIFEST_JSON, REPORT_JSON, REPORT_SUFFIX, Manifest, ManifestVariant
from newsletter.errors import ConflictError, PublishError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from newsletter.model import CompiledVariant, Language, Mailing, Report


def edition_files(language: Language, report: Report, html: str, text: str, eml: bytes) -> dict[str, bytes]:
    """The files of one public variant: the report as data, and the letter as sent without personal tokens."""
    return {
        language + REPORT_SUFFIX: REPORT_JSON.dump_json(report, indent=2) + b"\n",
        f"{language}.html": html.encode(),
        f"{language}.txt": text.encode(),
        f"{language}.eml": eml,
    }


def manifest_of(
    mailing: Mailing,
    variants: Sequence[CompiledVariant],
    files: Mapping[Language, Mapping[str, bytes]],
    *,
    previous: str | None,
    released: datetime,
) -> Manifest:
    """The manifest of an edition; ``files`` are those of ``edition_files`` by language."""
    return Manifest(
        month=mailing.month,
        digest=mailing.digest,
        previous=previous,
        released=released,
        variants=tuple(
            ManifestVariant(
                audience=variant.audience,
                language=variant.language,
                tlp=variant.tlp,
                subject=variant.subject,
                digest=variant.digest,
                files={name: sha256(data).hexdigest() for name, data in sorted(files[variant.language].items())},
            )
            for variant in variants
        ),
    )


def export_edition(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write the edition below ``folder`` aside, then rename it into place; the same one again changes nothing.

    Raises:
        ConflictError: another edition of that month stands there.
        PublishError: the disk is full, or writing is not allowed.
    """
    target = folder / str(manifest.month)
    content = MANIFEST_JSON.dump_json(manifest, indent=2) + b"\n"
    try:
        if target.exists():
            if MANIFEST_JSON.validate_json((target / MANIFEST).read_bytes()).digest == manifest.digest:
                return target
            raise ConflictError(
                f"{target} holds another edition of {manifest.month}, and what was released never changes; "
                "move that folder away if it was never sent"
            )
        aside = folder / f".{manifest.month}.writing"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, data in {**files, MANIFEST: content}.items():
            _write_durably(aside / name, data)
        aside.rename(target)
        _flush_folder(folder)
    except OSError as error:
        raise PublishError(f"cannot write {target}: {error.strerror}; nothing was released") from error
    return target


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """A rename survives a power cut only once its folder is flushed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
