"""The watcher tells of everything that a look is made of, also where folders come and go; and it ends when told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from newsletter.preview.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

PATIENCE = 60  # seconds
AGAIN = 0.5  # seconds after which a file is written once more: the watcher may not have begun


class Ear:
    """Writes files, and waits until the watcher has told of them."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[set[Path]] = asyncio.Queue()

    async def hears(self, path: Path) -> None:
        """That this file was written."""
        while True:
            save(path)
            try:
                async with asyncio.timeout(AGAIN):
                    while path not in await self.told.get():
                        pass
                    return
            except TimeoutError:
                continue


def save(path: Path) -> None:
    """A new file, in a new folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("new", encoding="utf-8")


def watched(root: Path, journey: Callable[[Ear], Awaitable[None]]) -> None:
    """A journey beside a running watcher, which has ended by itself soon after ``stop``."""

    async def run() -> None:
        ear = Ear()
        watch = Watch(root, ear.told.put_nowait)
        async with asyncio.timeout(PATIENCE):
            task = asyncio.create_task(watch.run())
            await journey(ear)
            watch.stop()
            await task

    asyncio.run(run())


def test_content_settings_and_templates_are_told(tmp_path: Path) -> None:
    """Whatever stands in a letter or a page, in folders of any depth."""
    (tmp_path / "articles").mkdir()
    (tmp_path / "templates").mkdir()

    async def journey(ear: Ear) -> None:
        for name in ("articles/2026/new.en.md", "newsletter.toml", "templates/web/article.html"):
            await ear.hears(tmp_path / name)

    watched(tmp_path, journey)


def test_a_folder_that_comes_later_is_watched_too(tmp_path: Path) -> None:
    """A new site has no reports; a folder that was moved away and brought back is another one."""
    (tmp_path / "articles").mkdir()

    async def journey(ear: Ear) -> None:
        await ear.hears(tmp_path / "articles" / "new.en.md")
        await ear.hears(tmp_path / "reports" / "2026-10.en.md")
        (tmp_path / "articles").rename(tmp_path / "aside")
        await ear.hears(tmp_path / "articles" / "again.en.md")

    watched(tmp_path, journey)


def test_what_is_none_of_ours_is_not_told(tmp_path: Path) -> None:
    """The database and the preflight's own file change all the time, and change no look."""
    (tmp_path / "articles").mkdir()
    (tmp_path / "var").mkdir()

    async def journey(ear: Ear) -> None:
        await ear.hears(tmp_path / "articles" / "new.en.md")
        (tmp_path / "var" / "check.json").write_text("{}")
        (tmp_path / "notes.txt").write_text("x")
        await ear.hears(tmp_path / "articles" / "other.en.md")
        told = set()
        while not ear.told.empty():
            told |= ear.told.get_nowait()
        assert all(path.is_relative_to(tmp_path / "articles") for path in told)

    watched(tmp_path, journey)
