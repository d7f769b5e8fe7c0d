"""Writes a rendered archive into a folder so that readers never meet a half of it.

1. Every page that differs from what stands there is written aside and flushed. A full disk, a missing permission or a
   broken template shows itself here, when readers still see the old pages, all of them.
2. The manifest names what was ours before together with what will be, so that the next publish can finish this one.
3. Renames: pages that did not exist first, since nothing links to them yet, then those that change. Within both:
   assets, leaves, indexes, and within a rank the order in which pages came. So no link from the front door is ever
   dead.
4. Removals last, indexes first, and only of files that the manifest calls ours. Then the manifest names the new pages.

Killed anywhere, the next publish ends with the same bytes as a clean build.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from newsletter.errors import BusyError, PublishError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from newsletter.render.site import Page

# Both stand in the archive's folder, since a rename is atomic within one file system only.
MANIFEST: Final = ".published.json"
STAGING: Final = ".publishing"
STAGING_MODE: Final = 0o700  # a web server of another user must not serve what is not published yet
MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 100_000_000

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NOT_ALLOWED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did: ``pages`` stand in the archive, of which some were written and the rest was left alone."""

    pages: int
    written: int
    unchanged: int
    removed: int


@dataclass(frozen=True, slots=True)
class _Change:
    """A page written aside, and where it goes."""

    aside: Path
    path: str
    rank: int
    is_new: bool


def publish(pages: Iterable[Page], folder: Path) -> Published:
    """Make ``folder`` hold exactly these pages, beside files that are not ours. Unchanged pages keep their mtime.

    Raises:
        PublishError: nothing more can be written, or something in the folder is not ours. Readers see the old pages,
            or a complete mixture of old and new ones that the next publish finishes.
        BusyError: another publish is writing there now.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_writer(folder), _staging(folder) as staging:
            return _publish(pages, folder.resolve(), staging)
    except OSError as error:
        raise PublishError(_explain(error, folder)) from error


def _publish(pages: Iterable[Page], folder: Path, staging: Path) -> Published:
    before = _read_manifest(folder)
    changes, wanted = _stage(pages, folder, staging, ours=before.keys())
    gone = sorted(before.keys() - wanted.keys(), key=lambda path: (-before[path], path))
    if changes or before != wanted:
        during = _write_manifest(staging / "during.json", before | wanted)
        after = _write_manifest(staging / "after.json", wanted)
        for aside in (*(change.aside for change in changes), during, after):
            _flush(aside)
        during.replace(folder / MANIFEST)
        for change in changes:
            (folder / change.path).parent.mkdir(parents=True, exist_ok=True)
        for change in sorted(changes, key=lambda change: (not change.is_new, change.rank)):
            change.aside.replace(folder / change.path)
        for path in gone:
            _remove(folder, path)
        after.replace(folder / MANIFEST)
        _flush(folder)
    return Published(len(wanted), len(changes), len(wanted) - len(changes), len(gone))


def _stage(
    pages: Iterable[Page], folder: Path, staging: Path, *, ours: Iterable[str]
) -> tuple[list[_Change], dict[str, int]]:
    """Write aside what differs; answer that, and path -> rank of all pages."""
    changes: list[_Change] = []
    wanted: dict[str, int] = {}
    known = frozenset(ours)
    walked: set[Path] = set()
    for page in pages:
        target = _target(folder, page.path, walked)
        if page.path in wanted:
            raise PublishError(f"two pages want the address {page.path}; give one of them another slug or alias")
        wanted[page.path] = page.rank
        stands = _stands(target, page.content)
        if stands:
            continue
        if stands is False and page.path not in known:
            raise PublishError(
                f"{target} is not ours and would be overwritten; move it away, or choose another archive folder"
            )
        aside = staging / f"{len(changes):06d}"
        aside.write_bytes(page.content)
        changes.append(_Change(aside, page.path, page.rank, is_new=stands is None))
    return changes, wanted


def _target(folder: Path, path: str, walked: set[Path]) -> Path:
    """The file of a page; PublishError if it would lie outside of the folder, or behind a link."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise PublishError(f"{path!r} is no path inside the archive")
    if parts[0] in (MANIFEST, STAGING):
        raise PublishError(f"{path!r} is a name that publishing needs for itself")
    place = folder
    for part in parts[:-1]:
        place /= part
        if place not in walked:
            _refuse_link(place)
            if place.exists() and not place.is_dir():
                raise PublishError(f"{place} is a file, but a folder is needed there; move it away")
            walked.add(place)
    return place / parts[-1]


def _refuse_link(place: Path) -> None:
    if place.is_symlink():
        raise PublishError(f"{place} is a symbolic link, which could lead out of the archive; remove it")


def _stands(target: Path, content: bytes) -> bool | None:
    """Whether exactly these bytes stand there; None if nothing does."""
    _refuse_link(target)
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise PublishError(f"{target} is no plain file, but a page must go there; move it away")
    return found.st_size == len(content) and target.read_bytes() == content


def _remove(folder: Path, path: str) -> None:
    """Remove a file of ours, and the folders that are empty without it."""
    target = _target(folder, path, set())
    _refuse_link(target)
    target.unlink(missing_ok=True)
    for parent in target.parents:
        if parent == folder:
            break
        try:
            parent.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            break  # somebody else's files, or pages that stay


# --- the manifest -----------------------------------------------------------------


def _read_manifest(folder: Path) -> dict[str, int]:
    """Path -> rank of every file that we wrote, or began to write, into this folder."""
    manifest = folder / MANIFEST
    _refuse_link(manifest)
    if not manifest.exists():
        return {}
    if manifest.stat().st_size > MAX_MANIFEST_BYTES:
        raise PublishError(f"{manifest} is too large to be ours; remove the folder and publish again")
    try:
        content = json.loads(manifest.read_bytes())
        if content["version"] != MANIFEST_VERSION:
            raise PublishError(f"{manifest} comes from another version; remove the folder and publish again")
        return {str(path): int(rank) for path, rank in content["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PublishError(f"{manifest} is damaged; remove the folder and publish again") from error


def _write_manifest(aside: Path, files: dict[str, int]) -> Path:
    content = {"version": MANIFEST_VERSION, "files": dict(sorted(files.items()))}
    aside.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="ascii")
    return aside


# --- the disk -----------------------------------------------------------------


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system releases when we are killed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another publish is writing into {folder}; wait until it is done") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """An empty folder for what is written aside; what a killed publish left there goes away."""
    staging = folder.resolve() / STAGING
    _refuse_link(staging)
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(mode=STAGING_MODE)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _flush(path: Path) -> None:
    """Onto the disk. Only once all is written, since the first flush then takes most of the others with it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(error: OSError, folder: Path) -> str:
    place = f" ({error.filename})" if error.filename else ""
    reason = error.strerror or str(error)
    if error.errno in DISK_FULL:
        mend = "make room on the disk and publish again"
    elif error.errno in NOT_ALLOWED:
        mend = "give the account that publishes the right to write there"
    else:
        mend = "mend this and publish again"
    return f"cannot write the archive in {folder}: {reason}{place}; readers still see complete pages; {mend}"
