"""The preflight as a whole: the content, the letters of a month, the pages of the archive; nothing is stored or sent.

``pipeline`` judges the same things with the same rules on the way to a release; here they are judged at once, and a
fault in one of them hides nothing of the others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from os import environ
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

import newsletter
from newsletter import pipeline
from newsletter.app import STATE_FOLDER
from newsletter.checks import GATE, in_order, is_fixed, weighed
from newsletter.config import ENVIRONMENT, FILE_NAME
from newsletter.errors import HandlingError
from newsletter.model import Finding, Gravity, Place, Preflight  # noqa: TC001  # pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.app import App
    from newsletter.model import Month

KEPT: Final = "check.json"  # below var/: what was found last, and in what
MAX_KEPT_BYTES: Final = 20_000_000
MAX_HASHED_BYTES: Final = 500_000  # of larger files (pictures, editions) size and time tell whether they changed
JUDGED: Final = ("articles", "incidents", "reports", "templates", "editions")
SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a preflight: what it was of, and what it said."""

    of: str
    said: Preflight


_KEPT_JSON: Final = TypeAdapter(_Kept)


def preflight(app: App, *, month: Month | None = None, letters: bool = True, pages: bool = True) -> Preflight:
    """Judge the content, the letters of ``month`` (the coming one) and the pages.

    Letters and pages wait until nothing stands in the content that nobody can answer for: they cannot be made before.

    Raises:
        ConfigError: a template or a setting is broken.
    """
    month = month or coming_month(app)
    collected, found, editions = pipeline.looked(app, month)
    findings = list(found)
    if any(finding.gravity is Gravity.BLOCK and is_fixed(finding.rule) for finding in findings):
        return weighed(findings, collected, app.house, elsewhere=False)
    try:
        if letters:
            findings += pipeline.judged_letters(month, app, collected, editions)
        if pages:
            findings += pipeline.judged_pages(app, collected, editions)
    except HandlingError as error:
        fix = "take it out of the templates and settings; the report itself leaves it out"
        findings.append(Finding(GATE, Gravity.BLOCK, Place(str(month)), str(error), fix))
    return weighed(in_order(findings), collected, app.house, elsewhere=letters and pages)


def kept_preflight(app: App, *, month: Month | None = None, letters: bool = True, pages: bool = True) -> Preflight:
    """The same, from what was kept of the last time if nothing has changed since: no file, setting, rule or entry."""
    month = month or coming_month(app)
    path = app.root / STATE_FOLDER / KEPT
    of = _fingerprint(app, f"{month} {letters} {pages}")
    if of and (said := _read(path, of)):
        return said
    said = preflight(app, month=month, letters=letters, pages=pages)
    if of:
        _keep(path, _Kept(of, said))
    return said


def coming_month(app: App) -> Month:
    """The first month, from the site's first on, that was not released: the one that editors work at."""
    month = app.settings.first_month
    while (app.editions_folder / str(month)).exists():
        month = month.shift(1)
    return month


# --- what was found the last time -------------------------------------------------------------


def _fingerprint(app: App, wanted: str) -> str | None:
    """Identifies everything that a preflight is made of; None where that cannot be told without asking a server."""
    if not app.settings.store_url.startswith(SQLITE):
        return None
    digest = sha256(f"{newsletter.__version__}\0{wanted}\0{app.root}".encode())
    for name, value in sorted(environ.items()):
        if name.startswith(ENVIRONMENT):
            digest.update(f"{name}={value}\0".encode(errors="surrogateescape"))
    for path in _judged(app):
        digest.update(f"{path}\0".encode(errors="surrogateescape") + _mark(path))
    return digest.hexdigest()


def _judged(app: App) -> Iterator[Path]:
    """Every file that has a say, in a stable order: the rules themselves too."""
    yield from sorted(path for path in Path(newsletter.__file__).parent.rglob("*") if path.suffix != ".pyc")
    yield app.root / FILE_NAME
    for name in (app.publication.logo, *app.house.files):
        if name:
            yield app.root / name
    database = Path(app.settings.store_url.removeprefix(SQLITE))
    yield from (database, database.with_name(f"{database.name}-wal"))
    for folder in JUDGED:
        yield from sorted((app.root / folder).rglob("*"))


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
        kept = _KEPT_JSON.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return kept.said if kept.of == of else None


def _keep(path: Path, kept: _Kept) -> None:
    """Aside, then renamed; where nothing can be written, nothing is kept."""
    aside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        path.parent.mkdir(exist_ok=True)
        aside.write_text(json.dumps(_plain(kept)), encoding="utf-8")
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)


def _plain(kept: _Kept) -> dict[str, Any]:
    return asdict(kept)
