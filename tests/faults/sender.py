"""One run of the delivery engine as a process of its own, which dies or meets trouble where it is told to.

    python -m tests.faults.sender '{"folder": "...", "port": 2525, "rule": "ask", "kill_at": ["after-text", 17]}'

Exit code 0: it did what was due. 5: the engine gave up for now and said why. Everything else is a fault of ours.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog
from sqlalchemy import Connection, Engine, event

from newsletter.deliver.dispatch import Dispatch, Retry, Uncertain
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.postfix import PostfixRecords
from newsletter.deliver.relay import Relay, Tls
from newsletter.errors import DeliveryError, StoreError
from newsletter.model import MailingId
from newsletter.store import mailings
from tests.faults.lab import Lab
from tests.faults.verify import KEYS
from tests.support.samples import sample_publication

GAVE_UP: Final = 5  # as the command line: worth repeating
BROKEN: Final = 70
POINT: Final = "point: "  # how a line begins that names a point
FIRST_TEXT: Final = "before-text"
FULL_PAGES, FULL_FILE = "pages", "file"  # how a disk is full: no further page of the database, no further byte
SMALL_FILE: Final = 16_384  # bytes; every file that the ledger writes is larger
JUMP_CHANCE: Final = 0.02  # of the clock, whenever it is asked
LONGEST_JUMP: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run is to meet.

    ``kill_at`` is the name of a trace point and how often it is passed before SIGKILL; ``full_at`` how the disk is
    full, and from which commit on; ``stop_after`` how many letters it may finish; ``days`` how far its clock is ahead.
    """

    folder: str
    port: int
    rule: str
    seed: int = 1
    connections: int = 8
    settle_seconds: float = 0.5
    timeout_seconds: float = 2.0
    busy_seconds: float = 5.0
    kill_at: tuple[str, int] | None = None
    full_at: tuple[str, int] | None = None
    stop_after: int | None = None
    clock_jumps: bool = False
    days: float = 0.0
    log: str = ""  # the relay's; the witness's when empty
    queue: tuple[str, ...] = ("true",)  # lists nothing: all that the witness ever took is in its log


class Tracer:
    """Passes every point that the engine names: tells the first time of each, kills, fills the disk."""

    def __init__(self, run: Run, tell: Callable[[str], None]) -> None:
        self._run = run
        self._tell = tell
        self._passed: Counter[str] = Counter()
        self.is_full = False

    def __call__(self, name: str) -> None:
        self._passed[name] += 1
        if self._passed[name] == 1:
            self._tell(name)
        if self._run.kill_at == (name, self._passed[name]):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._run.full_at is not None and name == "before-commit":
            how, commit = self._run.full_at
            if self._passed[name] == commit:
                self.is_full = how == FULL_PAGES
                if how == FULL_FILE:
                    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
                    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, hard))

    def limit(self, connection: Connection) -> None:
        """Called at the beginning of every transaction."""
        if self.is_full:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # which SQLite takes for: no more than there are


class JumpingClock:
    """Days forward, hours back: what a clock does that somebody sets."""

    def __init__(self, run: Run) -> None:
        self._rng = random.Random(f"{run.seed}|clock")
        self._jumps = run.clock_jumps
        self._ahead = timedelta(days=run.days)

    def __call__(self) -> datetime:
        if self._jumps and self._rng.random() < JUMP_CHANCE:
            self._ahead = LONGEST_JUMP * self._rng.uniform(-1, 1)
        return datetime.now(UTC) + self._ahead


def dispatch_of(run: Run, lab: Lab) -> Dispatch:
    """How this run sends: one relay, tiny back-off."""
    relay = Relay(host="127.0.0.1", port=run.port, tls=Tls.NONE, timeout_seconds=run.timeout_seconds,
                  final_seconds=run.timeout_seconds)  # fmt: skip
    evidence = PostfixRecords(log=Path(run.log) if run.log else lab.log, queue=run.queue)
    return Dispatch(
        relays=(relay,),
        return_path="bounces@newsletter.example",
        connections=run.connections,
        uncertain=Uncertain(run.rule),
        postfix=evidence,
        settle_seconds=run.settle_seconds,
        # A greylisted letter comes back at once, and no fault of the lab may make anybody give up.
        retry=Retry(first=timedelta(milliseconds=50), longest=timedelta(milliseconds=200), min_attempts=1_000_000),
        lowest_rate=1_000.0,
    )


def deliver(run: Run, tell: Callable[[str], None]) -> None:
    """What is due of the lab's mailing.

    Raises:
        DeliveryError, StoreError: as ``deliver_due``.
    """
    lab = Lab(Path(run.folder), MailingId(1))
    tracer = Tracer(run, tell)
    event.listen(Engine, "begin", tracer.limit)
    finished = 0

    def progress(tally: Any) -> None:
        nonlocal finished
        finished = tally.done

    with closing(lab.open(busy_seconds=run.busy_seconds)) as store:
        with store.read() as tx:
            mailing = mailings.by_id(tx, lab.mailing)
        assert mailing is not None
        deliver_due(
            store,
            mailing,
            dispatch_of(run, lab),
            keys=KEYS,
            publication=sample_publication(),
            clock=JumpingClock(run),
            stop=lambda: run.stop_after is not None and finished >= run.stop_after,
            progress=progress,
            rng=random.Random(f"{run.seed}|engine"),
            trace=tracer,
        )


def quiet() -> None:
    """Log what an operator would see, in plain lines on standard error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[structlog.processors.add_log_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def child(run: Run, pipe: int) -> NoReturn:
    """The life of a forked sender: its log and the points that it passes go into the pipe, and there is no way back.

    A pipe and not a file, since on a full disk nobody could write that it is full.
    """
    code = BROKEN
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        quiet()
        code = finish(run, lambda name: _tell(pipe, name))
    finally:
        os._exit(code)


def _tell(pipe: int, name: str) -> None:
    os.write(pipe, f"{POINT}{name}\n".encode())


def finish(run: Run, tell: Callable[[str], None]) -> int:
    """One run to its end; its exit code."""
    try:
        deliver(run, tell)
    except (DeliveryError, StoreError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return GAVE_UP
    except BaseException:  # noqa: BLE001  # told, and turned into an exit code that fails the campaign
        traceback.print_exc()
        return BROKEN
    return 0


def main() -> int:
    """As the command line says."""
    wanted = json.loads(sys.argv[1])
    for name in ("kill_at", "full_at", "queue"):
        if wanted.get(name):
            wanted[name] = tuple(wanted[name])
    quiet()
    return finish(Run(**wanted), lambda _: None)


if __name__ == "__main__":
    sys.exit(main())
