"""Everything that is looked at now, always of the newest files: one look in the making at a time, the latest wins."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from newsletter.preview.darkroom import Darkroom
from newsletter.preview.judge import Judge
from newsletter.preview.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from newsletter.model import Month
    from newsletter.preview.darkroom import Showing
    from newsletter.preview.judge import Verdict
    from newsletter.preview.subject import Subject

MAX_WATCHERS: Final = 40  # browser tabs with an open stream
MAX_SHOWINGS: Final = 50
BEAT_SECONDS: Final = 15.0  # a stream says that it lives, and learns that its browser does not


class Studio:
    """The state of one preview. All of it lives in one event loop, but for the making of looks."""

    def __init__(self, root: Path, prefix: str) -> None:
        self._room = Darkroom(root, prefix)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="looks")
        self._one = asyncio.Lock()
        self._news = asyncio.Event()
        self._watch = Watch(root, self._changed)
        self._judge = Judge(root)
        self._version = 1
        self._unseen: set[Path] = set()
        self._showings: dict[Subject, Showing] = {}
        self._verdicts: dict[Month, tuple[int, Verdict]] = {}
        self._open: Counter[Subject] = Counter()
        self.stopping = False

    async def run(self) -> None:
        """Watch and judge until cancelled or stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self._keep_judging())

    def stop(self) -> None:
        """End every stream, and whatever works for them."""
        self.stopping = True
        self._watch.stop()
        self._judge.stop()
        self._tell()

    def close(self) -> None:
        """Wait for the look in the making, and let go of the database."""
        self._thread.submit(self._room.close)
        self._thread.shutdown()

    async def show(self, subject: Subject) -> Showing:
        """What can be shown of the subject, of the newest files."""
        async with self._one:
            kept = self._showings.get(subject)
            if kept and kept.version == self._version:
                return kept
            changed, self._unseen = self._unseen, set()
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self._thread, self._room.develop, subject, changed, self._version)
            self._showings.pop(subject, None)
            self._showings[subject] = made
            if len(self._showings) > MAX_SHOWINGS:
                self._showings.pop(next(iter(self._showings)))
        self._tell()
        return made

    def asset(self, path: str) -> bytes | None:
        """A style sheet or picture of some page that is being looked at."""
        looks = (showing.look for showing in reversed(self._showings.values()) if showing.look)
        return next((look.assets[path] for look in looks if path in look.assets), None)

    @property
    def is_full(self) -> bool:
        """Whether nobody else may listen."""
        return self._open.total() >= MAX_WATCHERS

    async def follow(self, subject: Subject) -> AsyncIterator[Showing | Verdict | None]:
        """Every new showing, every new verdict about its month, and None when nothing has happened for a while."""
        seen = said = 0
        showing = await self.show(subject)
        with self._listening(subject):
            while not self.stopping:
                news = self._news
                if seen < self._version:
                    showing = await self.show(subject)
                    seen = showing.version
                    yield showing
                elif showing.month and self._verdict(showing.month)[0] >= max(said + 1, seen):  # not of what was before
                    said, verdict = self._verdict(showing.month)
                    yield verdict
                else:
                    await _heard(news)
                    yield None

    # --- inside -------------------------------------------------------------------------------

    def _changed(self, paths: set[Path]) -> None:
        self._unseen |= paths
        self._version += 1
        self._judge.stop()  # nobody is told of what was before, and judging it would only keep the newest waiting
        self._tell()

    def _tell(self) -> None:
        """Wake everybody who waits; whoever begins to wait now waits for the next time."""
        self._news.set()
        self._news = asyncio.Event()

    def _verdict(self, month: Month) -> tuple[int, Any]:
        return self._verdicts.get(month, (0, None))

    async def _keep_judging(self) -> None:
        while not self.stopping:
            news = self._news
            wanted = self._unjudged()
            if wanted is None:
                await news.wait()
                continue
            version = self._version
            verdict = await self._judge.ask(wanted)
            if version == self._version:
                self._verdicts[wanted] = (version, verdict)
                self._tell()

    def _unjudged(self) -> Month | None:
        """A month that somebody looks at, as it is painted already, of which nothing was said yet."""
        for subject in self._open:
            showing = self._showings.get(subject)
            if showing is None or showing.month is None or showing.version < self._version:
                continue
            if self._verdict(showing.month)[0] < self._version:
                return showing.month
        return None

    @contextmanager
    def _listening(self, subject: Subject) -> Iterator[None]:
        self._open[subject] += 1
        self._tell()  # who judges may have waited for somebody to look
        try:
            yield
        finally:
            self._open[subject] -= 1
            self._open += Counter()  # without those that nobody looks at any more


async def _heard(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(BEAT_SECONDS):
            await news.wait()
    except TimeoutError:
        return
