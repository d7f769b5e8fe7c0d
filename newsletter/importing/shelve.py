"""What the site has, read before anything is decided; and the writing: whole articles or none, never over anything."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from newsletter.collect.editions import EDITIONS, MANIFEST, MANIFEST_JSON
from newsletter.collect.regular import regular_bytes
from newsletter.errors import ConflictError, PublishError
from newsletter.importing.nouns import State
from newsletter.importing.plan import Ground
from newsletter.model import Month
from newsletter.parsing.naming import SUFFIX, read_name
from newsletter.parsing.validate import FieldError
from newsletter.publish.editions import export_edition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from newsletter.collect.editions import Manifest
    from newsletter.importing.nouns import Outcome
    from newsletter.model import Publication

ARTICLES: Final = "articles"
INCIDENTS: Final = "incidents"
MAX_STANDING_BYTES: Final = 4_000_000
MAX_MANIFEST_BYTES: Final = 1_000_000

_ALIASES = re.compile(rb"^aliases:(?P<rest>.*(?:\n[ \t-].*)*)", re.MULTILINE)


def ground_of(root: Path, publication: Publication) -> Ground:
    """The names, old addresses and bytes that the site's articles take already."""
    holders: dict[tuple[str, str], str] = {}
    aliases: dict[str, str] = {}
    bytes_of: dict[str, bytes] = {}
    for path in _files(root / ARTICLES):
        shown = path.relative_to(root).as_posix()
        try:
            bytes_of[shown] = data = regular_bytes(path, MAX_STANDING_BYTES)
            name = read_name(shown, publication.languages) if path.suffix == SUFFIX else None
        except (OSError, FieldError):
            bytes_of.setdefault(shown, b"\0")  # it stands there, whatever it is
            continue
        if name:
            holders.setdefault((name.slug.casefold(), name.language), shown)
            if found := _ALIASES.search(data):
                for alias in re.findall(r"/[^\s,\]\"']+", found["rest"].decode(errors="replace")):
                    aliases.setdefault(alias.rstrip("/"), f"{name.slug}.{name.language}")
    others = {
        path.name.partition(".")[0].casefold(): path.relative_to(root).as_posix()
        for path in _files(root / INCIDENTS)
        if path.suffix == SUFFIX
    }
    return Ground(publication=publication, holders=holders, others=others, aliases=aliases, bytes_of=bytes_of)


def editions_of(root: Path) -> dict[Month, str]:
    """The digest of every edition that stands; one that cannot be read has a digest of its own."""
    found: dict[Month, str] = {}
    folder = root / EDITIONS
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            month = Month.parse(path.name)
        except ValueError:
            continue
        try:
            found[month] = MANIFEST_JSON.validate_json(regular_bytes(path / MANIFEST, MAX_MANIFEST_BYTES)).digest
        except (OSError, ValueError):
            found[month] = "unreadable"
    return found


def write_articles(root: Path, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Write what is new; what cannot be written is refused, and nothing of it stays."""
    return [
        _written(root, outcome) if outcome.state is State.NEW and outcome.files else outcome for outcome in outcomes
    ]


def write_editions(
    root: Path, editions: Sequence[tuple[Manifest, Mapping[str, bytes]]], outcomes: Iterable[Outcome]
) -> list[Outcome]:
    """Write past editions; the outcomes tell of those that could not be."""
    failed: dict[Month, str] = {}
    for manifest, files in editions:
        try:
            _within(root, root / EDITIONS)
            export_edition(root / EDITIONS, manifest, files)
        except (ConflictError, PublishError) as error:
            failed[manifest.month] = str(error)
    return [
        replace(outcome, state=State.REFUSED, problem=failed[outcome.month]) if outcome.month in failed else outcome
        for outcome in outcomes
    ]


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(place, name)


def _written(root: Path, outcome: Outcome) -> Outcome:
    """Pictures first, so that no article stands without them; on a fault all that was made is taken back."""
    made: list[Path] = []
    try:
        for name, data in outcome.files.items():
            path = root / name
            _within(root, path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            if _link_new(path, data):
                made.append(path)
    except (OSError, PublishError) as error:
        for path in made:
            path.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return replace(outcome, state=State.REFUSED, problem=f"it could not be written: {reason}")
    return outcome


def _within(root: Path, folder: Path) -> None:
    """PublishError when a link on the way leads out of the site."""
    if not folder.resolve().is_relative_to(root.resolve()):
        raise PublishError(f"{folder} leads out of the site")


def _link_new(path: Path, data: bytes) -> bool:
    """Whether the file was made; one of the same content may be there. FileExistsError when another one is."""
    aside = path.with_name(f".{secrets.token_hex(8)}.writing")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        if regular_bytes(path, MAX_STANDING_BYTES) == data:
            return False
        raise
    finally:
        aside.unlink(missing_ok=True)
    return True
