"""What the preflight found the last time, kept until anything changes that it was found in.

Nothing heavy is imported here: when nothing has changed, ``check`` answers without loading what renders.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from os import environ
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

import newsletter
from newsletter.config import ENVIRONMENT, FILE_NAME
from newsletter.model import Preflight  # noqa: TC001  # pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.config import Settings

STATE_FOLDER: Final = "var"
KEPT: Final = "check.json"
MAX_KEPT_BYTES: Final = 20_000_000
MAX_HASHED_BYTES: Final = 500_000  # of larger files (pictures, editions) size and time tell whether they changed
EDITIONS: Final = "editions"
JUDGED: Final = ("articles", "incidents", "reports", "templates", EDITIONS)
SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a preflight: what it was of, and what it said."""

    of: str
    said: Preflight


def kept(settings: Settings, wanted: str, judge: Callable[[], Preflight]) -> Preflight:
    """What ``judge`` says, or said the last time if nothing has changed since: no file, setting, rule or entry.

    ``wanted`` tells one kind of judgement from another.
    """
    path = settings.root / STATE_FOLDER / KEPT
    of = _fingerprint(settings, wanted)
    if of and (said := _read(path, of)):
        return said
    said = judge()
    if of:
        _keep(path, _Kept(of, said))
    return said


def _fingerprint(settings: Settings, wanted: str) -> str | None:
    """Identifies everything that a preflight is made of; None where that cannot be told without asking a server."""
    if not settings.store_url.startswith(SQLITE):
        return None
    digest = sha256(f"{newsletter.__version__}\0{wanted}\0{settings.root}".encode())
    for name, value in sorted(environ.items()):
        if name.startswith(ENVIRONMENT):
            digest.update(f"{name}={value}\0".encode(errors="surrogateescape"))
    for path in _judged(settings):
        digest.update(f"{path}\0".encode(errors="surrogateescape") + _mark(path))
    return digest.hexdigest()


def _judged(settings: Settings) -> Iterator[Path]:
    """Every file that has a say, in a stable order: the rules themselves too."""
    yield from sorted(path for path in Path(newsletter.__file__).parent.rglob("*") if path.suffix != ".pyc")
    yield settings.root / FILE_NAME
    for name in (settings.publication.logo, settings.checks.private_names_file):
        if name:
            yield settings.root / name
    database = Path(settings.store_url.removeprefix(SQLITE))
    yield from (database, database.with_name(f"{database.name}-wal"))
    for folder in JUDGED:
        yield from sorted((settings.root / folder).rglob("*"))


def _mark(path: Path) -> bytes:
    """What changes when the file does: its bytes, or of a large one its size and time."""
    try:
        state = path.lstat()
        if path.is_dir():
            return b"folder"
        if state.st_size > MAX_HASHED_BYTES or not path.is_file() or path.is_symlink():
            return f"{state.st_mode} {state.st_size} {state.st_mtime_ns}".encode()
        return sha256(path.read_bytes()).digest()
    except OSError as error:
        return str(error.errno).encode()


def _read(path: Path, of: str) -> Preflight | None:
    """What was kept, if it is of that; a damaged file is like none."""
    try:
        if path.stat().st_size > MAX_KEPT_BYTES:
            return None
        found = TypeAdapter(_Kept).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found.said if found.of == of else None


def _keep(path: Path, found: _Kept) -> None:
    """Aside, then renamed; where nothing can be written, nothing is kept."""
    aside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        path.parent.mkdir(exist_ok=True)
        aside.write_text(json.dumps(asdict(found)), encoding="utf-8")
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
