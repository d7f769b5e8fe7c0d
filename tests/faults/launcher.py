"""Starts senders, and ends them: everything is imported once, so that one run and its death cost milliseconds.

The process that uses this must have no second thread: its children are forks.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tests.faults import sender

PIECE_BYTES: Final = 65_536
RUN_SECONDS: Final = 100.0  # a run that takes longer hangs


@dataclass(frozen=True, slots=True)
class KillAfter:
    """SIGKILL so many seconds after the start of the process, or after its first text began to leave."""

    seconds: float
    from_text: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code (minus the signal's number), points that it passed, and when (monotonic)."""

    code: int
    seen: frozenset[str]
    at: float
    hung: bool = False

    @property
    def was_killed(self) -> bool:
        """It died by SIGKILL, and not because it hung."""
        return self.code == -signal.SIGKILL and not self.hung


def launch(run: sender.Run, kill: KillAfter | None = None, meanwhile: Callable[[Sender], None] | None = None) -> Ended:
    """One run from its start to its end. ``meanwhile`` is called once the first text leaves."""
    with forked(run) as process:
        if meanwhile is not None:
            process.wait(RUN_SECONDS, until=sender.FIRST_TEXT)
            meanwhile(process)
        if kill is not None:
            if kill.from_text:
                process.wait(RUN_SECONDS, until=sender.FIRST_TEXT)
            if not process.wait(kill.seconds):
                process.kill()
        hung = not process.wait(RUN_SECONDS)
        if hung:
            process.kill()
        return process.reap(hung=hung)


@contextmanager
def forked(run: sender.Run) -> Iterator[Sender]:
    """A sender that runs; whatever happens, it is gone at the end of the block."""
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        os.close(reading)
        sender.child(run, writing)
    os.close(writing)
    with (Path(run.folder) / "sender.log").open("ab", buffering=0) as log:
        process = Sender(number, reading, log)
        try:
            yield process
        finally:
            process.close()


class Sender:
    """A running child. ``seen`` are the points that it passed so far; its other words go to ``log``."""

    def __init__(self, number: int, pipe: int, log: BinaryIO) -> None:
        self.seen: set[str] = set()
        self._number = number
        self._handle = os.pidfd_open(number)
        self._pipe = pipe
        self._log = log
        self._rest = b""
        self._code: int | None = None

    def wait(self, seconds: float, *, until: str = "") -> bool:
        """Until it has ended, or has passed the point; False when neither happened in time."""
        deadline = time.monotonic() + seconds
        pipe_open = True
        while True:
            if until and until in self.seen:
                return True
            watched = [self._handle, self._pipe] if pipe_open else [self._handle]
            ready, _, _ = select.select(watched, [], [], max(0.0, deadline - time.monotonic()))
            if self._pipe in ready:
                pipe_open = self._read()
            elif self._handle in ready:
                return True
            elif not ready:
                return False

    def kill(self) -> None:
        """SIGKILL."""
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def reap(self, *, hung: bool) -> Ended:
        """Its end; it must have come."""
        code = self._reap()
        at = time.monotonic()
        while self._read():
            pass
        return Ended(code, frozenset(self.seen), at, hung)

    def close(self) -> None:
        """Kill it if it still runs, and forget it."""
        if self._code is None:
            self.kill()
            self._reap()
        os.close(self._handle)
        os.close(self._pipe)

    def _reap(self) -> int:
        _, status = os.waitpid(self._number, 0)
        self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def _read(self) -> bool:
        """Some of what it says; False when it will say no more."""
        said = os.read(self._pipe, PIECE_BYTES)
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            name = line.decode("utf-8", "replace")
            if name.startswith(sender.POINT):
                self.seen.add(name.removeprefix(sender.POINT))
            else:
                self._log.write(line + b"\n")
        return bool(said)
