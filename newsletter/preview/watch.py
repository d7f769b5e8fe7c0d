"""Tells which files of a site have changed, within milliseconds: the operating system says so, nobody asks around."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

import structlog
from watchfiles import awatch

from newsletter.collect.editions import EDITIONS
from newsletter.collect.files import ARTICLES, INCIDENTS, REPORTS
from newsletter.config import FILE_NAME
from newsletter.preview.darkroom import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

log = structlog.get_logger(__name__)

FOLDERS: Final = (ARTICLES, INCIDENTS, REPORTS, TEMPLATES, EDITIONS)
STEP_MS: Final = 10  # an editor's truncate, write and rename count as one change if no longer pause is between them
LONGEST_MS: Final = 100  # and whoever writes all the time is told of it as often as this
POLL_MS: Final = 200  # where the system tells nothing: network file systems, or no watches left


class Watch:
    """Watches a site's content, templates, editions and settings until ``stop``."""

    def __init__(self, root: Path, told: Callable[[set[Path]], None]) -> None:
        self._root = root
        self._told = told
        self._stop = Event()

    def stop(self) -> None:
        """End soon, from any thread."""
        self._stop.set()

    async def run(self) -> None:
        """Tell of every change. Folders may come and go: the site's own folder says so, and they are watched anew."""
        while not self._stop.is_set():
            again = Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_site(again))
                group.create_task(self._watch_folders(again))

    async def _watch_site(self, again: Event) -> None:
        names = {*FOLDERS, FILE_NAME}
        async for paths in self._changes([self._root], again, recursive=False):
            if relevant := {path for path in paths if path.name in names}:
                self._told(relevant)
            if any(path.name in FOLDERS for path in paths):
                again.set()

    async def _watch_folders(self, again: Event) -> None:
        folders = [self._root / name for name in FOLDERS if (self._root / name).is_dir()]
        if folders:
            async for paths in self._changes(folders, again, recursive=True):
                self._told(paths)

    async def _changes(self, places: Sequence[Path], again: Event, *, recursive: bool) -> AsyncIterator[set[Path]]:
        either = _Either(self._stop, again)
        for polls in (False, True):
            try:
                async for batch in awatch(
                    *places,
                    watch_filter=None,
                    debounce=LONGEST_MS,
                    step=STEP_MS,
                    stop_event=either,
                    force_polling=polls,
                    poll_delay_ms=POLL_MS,
                    recursive=recursive,
                    ignore_permission_denied=True,
                ):
                    yield {Path(path) for _, path in batch}
            except FileNotFoundError:
                return  # a folder went away meanwhile: the site's own folder tells of it
            except OSError as error:
                if polls:
                    raise
                log.warning("the system does not tell of changes, so we look ourselves", reason=str(error))
            else:
                return


class _Either:
    """Set when one of two events is."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    def is_set(self) -> bool:
        """Asked by the watcher between two looks."""
        return any(event.is_set() for event in self._events)
