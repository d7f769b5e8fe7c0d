"""The alarm clock: APScheduler rings, a worker works. Which month is due is no business of this file.

APScheduler keeps its jobs in memory and only rings a bell, so nothing is lost with it: what is due is asked of the
store and the calendar at every ring. A ring missed is made up for by the next one, and two schedulers at once are
sorted out by the store's unique key, not here.
"""

from __future__ import annotations

import secrets
import signal
import time
from datetime import UTC, datetime
from threading import Event, Thread
from traceback import format_exception
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from newsletter.errors import BusyError, NewsletterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

log = structlog.get_logger(__name__)

# Within STOP_SECONDS after the signal the process has ended; the work in hand gets all of it but the way out.
STOP_SECONDS: Final = 5.0
FINISH_SECONDS: Final = STOP_SECONDS - 1.5
LOOK_SECONDS: Final = 0.2
POST_SECONDS: Final = 5.0  # so long a visitor who asked to join waits for the mail, at most


class Work(Protocol):
    """What there is to do. Each may be called at any time, any number of times, by any number of processes.

    Whoever builds it hands it the same stop event, so that a long call ends soon after the signal.
    """

    def remind(self) -> None:
        """Post the reminders to editors that are due."""

    def distribute(self) -> None:
        """Bring every month that is due one step further; what is too late asks an editor."""

    def retry(self) -> None:
        """Send deliveries whose time has come."""

    def post(self) -> None:
        """Look at what was asked for on the pages, and send notices whose time has come."""

    def poll_feeds(self) -> None:
        """Fetch the feeds into the store."""


def once(work: Work) -> None:
    """Do everything one time, each step even when another fails; then raise the first failure."""
    failures = _do((work.poll_feeds, *_tick(work)))
    if failures:
        raise failures[0]


def run(work: Work, *, zone: str, tick_seconds: float, poll_seconds: float, stop: Event) -> None:
    """Do everything now, and again every so many seconds, until ``stop`` is set; then return within STOP_SECONDS.

    A step that fails is logged and done again at the next ring. One that does not end in time is left to a daemon
    thread: the process may go, since the store continues where it was, as after ``kill -9``.
    """
    bells = (
        (Worker("tick", _tick(work), stop), tick_seconds),
        (Worker("poll", (work.poll_feeds,), stop), poll_seconds),
        (Worker("post", (work.post,), stop), POST_SECONDS),
    )
    workers = [worker for worker, _ in bells]
    scheduler = alarm_clock(zone, bells)
    for worker in workers:
        worker.start()
    scheduler.start()
    log.info("scheduler started", tick_seconds=tick_seconds, poll_seconds=poll_seconds)
    # Looked at, not waited for: Event.set() in a signal handler would deadlock with Event.wait() in the same thread.
    while not stop.is_set():
        time.sleep(LOOK_SECONDS)
        mend_clock_jump(scheduler, datetime.now(UTC))
    log.info("scheduler stopping", within_seconds=STOP_SECONDS)
    scheduler.shutdown()
    finish(workers, FINISH_SECONDS)


def stop_on_signals(stop: Event) -> None:
    """Let SIGTERM and SIGINT set ``stop``; a second one ends the process at once. Main thread only."""

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)


# --- the clock ------------------------------------------------------------------------------------------------


def alarm_clock(zone: str, bells: Sequence[tuple[Worker, float]]) -> BackgroundScheduler:
    """A scheduler, not yet started, that rings each worker at once and then every so many seconds."""
    # APScheduler's defaults lose a ring that comes late (references/delivery.md section 4); ours are never too late.
    defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    scheduler = BackgroundScheduler(timezone=zone, job_defaults=defaults)
    for worker, seconds in bells:
        trigger = IntervalTrigger(seconds=seconds, timezone=zone)
        scheduler.add_job(worker.ring, trigger, id=worker.name, next_run_time=datetime.now(UTC))
    return scheduler


def mend_clock_jump(scheduler: BackgroundScheduler, now: datetime) -> None:
    """Ring at once what is planned further ahead than its interval: the machine's clock was set back meanwhile.

    APScheduler plans by wall clock, so a clock that ran a year ahead would otherwise silence it for a year.
    """
    for job in scheduler.get_jobs():
        if job.next_run_time - now > 2 * job.trigger.interval:
            log.warning("the clock was set back", job=job.id)
            job.modify(next_run_time=now)


# --- the workers ----------------------------------------------------------------------------------------------


class Worker(Thread):
    """Does its steps after each ring. Rings during the work mean once more, not many times, and never at once."""

    def __init__(self, name: str, steps: Sequence[Callable[[], None]], stop: Event) -> None:
        super().__init__(name=name, daemon=True)
        self._steps = steps
        self._stopping = stop
        self._bell = Event()

    def ring(self) -> None:
        """Wake it."""
        self._bell.set()

    def run(self) -> None:
        """Until told to stop: wait for the bell, do the steps."""
        while self._bell.wait() and not self._stopping.is_set():
            self._bell.clear()
            _do(self._steps, self._stopping)


def finish(workers: Sequence[Worker], seconds: float) -> None:
    """Wait so long, all in all, for the workers to end; the stop event is set already."""
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.ring()
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            log.warning("stopped in the middle; the next start continues there", job=worker.name)


def _tick(work: Work) -> tuple[Callable[[], None], ...]:
    # Reminders first, since a distribution can take hours; notices last, since all of these post some.
    return (work.remind, work.distribute, work.retry, work.post)


def _do(steps: Sequence[Callable[[], None]], stop: Event | None = None) -> list[Exception]:
    """Do the steps in order and return what went wrong; whatever happens in one, the others get their turn."""
    failures: list[Exception] = []
    for step in steps:
        if stop is not None and stop.is_set():
            break
        try:
            step()
        except BusyError as busy:
            log.info("somebody else is at it", job=step.__name__, reason=str(busy))
            failures.append(busy)
        except NewsletterError as error:
            log.warning("will be tried again", job=step.__name__, reason=str(error))
            failures.append(error)
        except Exception as bug:  # noqa: BLE001 - the alarm clock outlives every bug
            # Text, not exc_info: renderers that print local variables would print readers' addresses.
            reference, trace = secrets.token_hex(4), "".join(format_exception(bug))
            log.error("failed unexpectedly", job=step.__name__, reference=reference, exception=trace)  # noqa: TRY400
            failures.append(bug)
    return failures
