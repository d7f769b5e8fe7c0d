"""The alarm clock: it rings, whatever happens; and whoever rings, twice or late, a month goes out once."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from threading import Barrier, Event, Thread
from typing import TYPE_CHECKING, Self

import pytest
from structlog.testing import capture_logs

from newsletter import jobs
from newsletter.errors import BusyError, StoreError
from newsletter.model import Month
from newsletter.schedule import Rule, due, parse_rule, slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ZURICH = "Europe/Zurich"
PATIENCE = 120  # seconds that a test waits at most for what happens within milliseconds
SHARED = 4  # times as long as is promised: other tests share the machine


class Diary:
    """Work that writes down what was done, and raises what it is told to."""

    def __init__(self, faults: dict[str, Exception] | None = None) -> None:
        self.done: list[str] = []
        self.news: SimpleQueue[str] = SimpleQueue()
        self.faults = faults or {}

    def _do(self, name: str) -> None:
        self.done.append(name)
        self.news.put(name)
        if name in self.faults:
            raise self.faults[name]

    def remind(self) -> None:
        """Write it down."""
        self._do("remind")

    def distribute(self) -> None:
        """Write it down."""
        self._do("distribute")

    def retry(self) -> None:
        """Write it down."""
        self._do("retry")

    def post(self) -> None:
        """As in ``jobs.Work``."""
        self._do("post")

    def poll_feeds(self) -> None:
        """Write it down."""
        self._do("poll_feeds")

    def wait_for(self, *names: str) -> None:
        """Until each of these was done once more; queue.Empty when that does not happen."""
        missing = list(names)
        while missing:
            name = self.news.get(timeout=PATIENCE)
            if name in missing:
                missing.remove(name)


class running:  # noqa: N801 - reads as a sentence: with running(work)
    """The scheduler in a thread of this test; stopped, and waited for, at the end."""

    def __init__(self, work: jobs.Work, *, tick: float = 3600, poll: float = 3600) -> None:
        self.stop = Event()
        arguments = {"zone": ZURICH, "tick_seconds": tick, "poll_seconds": poll, "stop": self.stop}
        self.thread = Thread(target=jobs.run, args=(work,), kwargs=arguments)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


# --- once ------------------------------------------------------------------------------------------------------


def test_one_round_does_everything_feeds_first():
    """Feeds come before the month that may print them."""
    diary = Diary()
    jobs.once(diary)
    assert diary.done == ["poll_feeds", "remind", "distribute", "retry", "post"]


def test_one_round_does_the_rest_and_then_tells_what_failed():
    """The exit code of ``scheduler.py --once`` is that of the first failure."""
    diary = Diary({"remind": StoreError("the disk is full"), "distribute": ValueError("a bug")})
    with capture_logs() as logs, pytest.raises(StoreError, match="the disk is full"):
        jobs.once(diary)
    assert diary.done == ["poll_feeds", "remind", "distribute", "retry", "post"]
    assert [entry["log_level"] for entry in logs] == ["warning", "error"]


# --- run -------------------------------------------------------------------------------------------------------


def test_everything_is_done_at_the_start():
    """A machine that was off owes its months now, not at the next full hour."""
    diary = Diary()
    with running(diary):
        diary.wait_for("remind", "distribute", "retry", "poll_feeds", "post", "post")
    assert len(diary.done) == 6  # notices have a bell of their own, and each round ends with them


def test_everything_is_done_again_at_every_ring():
    diary = Diary()
    with running(diary, tick=0.05, poll=0.05):
        diary.wait_for(*["retry", "poll_feeds"] * 3)


def test_no_failure_stops_the_other_steps_or_the_next_ring():
    """A bug gets a reference and a trace in the log, the world's faults one line, and the clock goes on."""
    diary = Diary({"remind": ValueError("a bug"), "poll_feeds": StoreError("locked"), "distribute": BusyError("busy")})
    with capture_logs() as logs, running(diary, tick=0.05, poll=0.05):
        diary.wait_for(*["retry", "poll_feeds"] * 3)
    told = {entry["job"]: entry for entry in logs if "job" in entry}
    assert (told["remind"]["log_level"], len(told["remind"]["reference"])) == ("error", 8)
    assert (told["poll_feeds"]["log_level"], told["poll_feeds"]["reason"]) == ("warning", "locked")
    assert told["distribute"]["log_level"] == "info"


def test_rings_during_the_work_mean_once_more():
    """A distribution that takes an hour is not done twice at once, nor sixty times afterwards."""
    begun: SimpleQueue[None] = SimpleQueue()
    go_on, stop = Event(), Event()

    def slow() -> None:
        begun.put(None)
        go_on.wait(PATIENCE)

    worker = jobs.Worker("slow", (slow,), stop)
    worker.start()
    worker.ring()
    begun.get(timeout=PATIENCE)
    for _ in range(60):
        worker.ring()
    assert begun.empty()
    go_on.set()
    begun.get(timeout=PATIENCE)
    stop.set()
    jobs.finish((worker,), PATIENCE)
    assert begun.empty()


def test_a_step_that_looks_at_the_stop_event_is_waited_for():
    """What is in hand is finished; what has not begun stays for the next start."""
    diary, begun = Diary(), Event()

    def careful() -> None:
        begun.set()
        clock.stop.wait(PATIENCE)
        diary.done.append("distribute, to its end")

    diary.distribute = careful
    with running(diary) as clock:
        assert begun.wait(PATIENCE)
    assert "distribute, to its end" in diary.done
    assert "retry" not in diary.done


def test_a_step_that_does_not_end_is_left_behind():
    """The process may go: the store continues where it was, as after kill -9."""
    begun, go_on, stop = Event(), Event(), Event()

    def stuck() -> None:
        begun.set()
        go_on.wait(PATIENCE)

    worker = jobs.Worker("stuck", (stuck,), stop)
    worker.start()
    worker.ring()
    assert begun.wait(PATIENCE)
    stop.set()
    with capture_logs() as logs:
        jobs.finish((worker,), 0.05)
    go_on.set()
    worker.join(PATIENCE)
    assert worker.daemon
    assert [(entry["job"], entry["log_level"]) for entry in logs] == [("stuck", "warning")]


def test_a_clock_set_back_does_not_silence_the_alarm():
    """APScheduler plans by wall clock: after a jump from 2027 back to 2026 it would sleep for a year."""
    runs: SimpleQueue[None] = SimpleQueue()
    stop = Event()
    worker = jobs.Worker("tick", (lambda: runs.put(None),), stop)
    clock = jobs.alarm_clock(ZURICH, [(worker, 3600)])
    worker.start()
    clock.start()
    try:
        runs.get(timeout=PATIENCE)
        with capture_logs() as logs:
            jobs.mend_clock_jump(clock, datetime.now(UTC))
            jobs.mend_clock_jump(clock, datetime.now(UTC) - timedelta(days=365))
            runs.get(timeout=PATIENCE)
    finally:
        clock.shutdown()
        stop.set()
        jobs.finish((worker,), PATIENCE)
    assert len(logs) == 1
    assert runs.empty()


def test_the_alarm_clock_loses_no_ring():
    """APScheduler's defaults drop a ring that is late by a second (references/delivery.md section 4)."""
    clock = jobs.alarm_clock(ZURICH, [(jobs.Worker("tick", (), Event()), 60)])
    clock.start(paused=True)
    try:
        (job,) = clock.get_jobs()
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)
        assert job.next_run_time <= datetime.now(UTC)
        assert str(clock.timezone) == ZURICH
    finally:
        clock.shutdown()


# --- the process -----------------------------------------------------------------------------------------------

SERVICE = """
import sys, time
from threading import Event
from newsletter import jobs

class Work:
    def remind(self): pass
    def retry(self): pass
    def post(self): pass
    def poll_feeds(self): pass
    def distribute(self):
        print("begun", flush=True)
        time.sleep(60) if sys.argv[1] == "stuck" else stop.wait(60)
        print("finished", flush=True)

stop = Event()
jobs.stop_on_signals(stop)
jobs.run(Work(), zone="Europe/Zurich", tick_seconds=60, poll_seconds=60, stop=stop)
"""


@contextmanager
def service(temper: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the alarm clock and has begun its work."""
    process = subprocess.Popen([sys.executable, "-c", SERVICE, temper], stdout=subprocess.PIPE, text=True)
    try:
        assert any("begun" in line for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_when_the_work_in_hand_is_done(number):
    with service("willing") as process:
        process.send_signal(number)
        rest = process.communicate(timeout=PATIENCE)[0]
    assert (process.returncode, "finished" in rest) == (0, True)


def test_a_signal_ends_the_process_in_time_even_when_the_work_hangs():
    """STOP_SECONDS is a promise to whoever stops the service, whatever a feed or relay does meanwhile."""
    with service("stuck") as process:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=SHARED * jobs.STOP_SECONDS)[0]
    assert (process.returncode, "finished" in rest) == (0, False)


def test_a_second_signal_ends_the_process_at_once():
    """By the signal itself: it does not come to the end of its own accord."""
    with service("stuck") as process:
        process.send_signal(signal.SIGTERM)
        assert any("stopping" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    assert process.returncode == -signal.SIGTERM


def test_the_alarm_clock_needs_no_web_and_no_database():
    """Who wants the clock alone does not pay for the rest."""
    program = "import newsletter.jobs, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "apscheduler" in loaded
    assert not {"starlette", "uvicorn", "sqlalchemy"} & set(loaded)


# --- twenty years ----------------------------------------------------------------------------------------------

FIRST, LAST = Month(2026, 10), Month(2046, 9)
CALENDAR = {str(FIRST.shift(n)): FIRST.shift(n) for n in range(12 * 21)}
MAX_LATE = timedelta(days=10)
LEDGER = """
create table released (month text primary key, at text not null, by text not null);
create table asked (month text primary key, at text not null);
create table allowed (month text primary key);
"""
EDITOR_S_WORD = "insert or ignore into allowed select month from asked"


class PowerCut(BaseException):
    """The machine is gone, in the middle of whatever it did."""


class Machine:
    """A scheduler on one machine: looks into the shared ledger, then acts on what it saw, as a process would.

    ``meanwhile`` happens between the two: the other machine comes first, or the power goes.
    """

    def __init__(self, name: str, path: str, rule: Rule) -> None:
        self.name, self.rule, self.lost_races = name, rule, 0
        self.ledger = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.ledger.execute("pragma synchronous = off")  # the test is about the key, not the disk
        self.now = datetime.min.replace(tzinfo=UTC)
        self.off_until = self.now
        self.meanwhile: Callable[[], object] = lambda: None
        self.finished = Event()

    def distribute(self) -> None:
        """What the pipeline does, as far as it concerns the calendar: release, or ask an editor."""
        settled, allowed = self._months("released"), self._months("allowed")
        owed = due(self.now, self.rule, first_month=FIRST, settled=settled, max_late=MAX_LATE)
        self.meanwhile()
        for item in owed:
            if item.late and item.month not in allowed:
                self._write("insert or ignore into asked values (?, ?)", item.month)
                break  # the reports go out in order: the next one waits for the editor's word, too
            try:
                self._write("insert into released values (?, ?, ?)", item.month, self.name)
            except sqlite3.IntegrityError:
                self.lost_races += 1
        self.finished.set()

    def remind(self) -> None:
        """Nothing: this is about releases."""

    def retry(self) -> None:
        """Nothing."""

    def post(self) -> None:
        """Nothing."""

    def poll_feeds(self) -> None:
        """Nothing."""

    def _months(self, table: str) -> set[Month]:
        return {CALENDAR[row[0]] for row in self.ledger.execute(f"select month from {table}")}

    def _write(self, statement: str, month: Month, *more: str) -> None:
        self.ledger.execute(statement, (str(month), self.now.isoformat(), *more))


def live(first: Machine, second: Machine, rng: random.Random) -> None:
    """Twenty years of two machines: irregular ticks, outages of one or both, races, power cuts, an editor."""
    now, end = slot(first.rule, FIRST) - MAX_LATE, slot(first.rule, LAST) + timedelta(days=90)
    while now < end:
        now += timedelta(hours=rng.uniform(0, 84))
        for machine in rng.sample((first, second), 2):
            machine.now = now
            if rng.random() < 0.01:
                machine.off_until = now + timedelta(days=rng.uniform(0, 21))
        if rng.random() < 0.01:  # both: three weeks mostly, sometimes over two slots
            first.off_until = second.off_until = now + timedelta(days=rng.choice((7, 21, 21, 45)))
        up = [machine for machine in rng.sample((first, second), 2) if machine.off_until <= now]
        if rng.random() < 0.2:
            first.ledger.execute(EDITOR_S_WORD)
        tick(up, rng)
    first.meanwhile = lambda: None
    for day in range(1, 4):  # what was still waiting at the end
        first.ledger.execute(EDITOR_S_WORD)
        first.now = now + timedelta(days=day)
        jobs.once(first)


def tick(up: list[Machine], rng: random.Random) -> None:
    """One machine after the other, one in the middle of the other, or one that dies in the middle."""
    for machine in up:
        machine.meanwhile = lambda: None
    fate = rng.random()
    if len(up) == 2 and fate < 0.5:
        up[0].meanwhile = lambda: jobs.once(up[1])
        jobs.once(up[0])
    elif up and fate > 0.95:
        up[0].meanwhile = cut_the_power
        with pytest.raises(PowerCut):
            jobs.once(up[0])
    else:
        for machine in up:
            jobs.once(machine)


def cut_the_power() -> None:
    raise PowerCut


@pytest.mark.parametrize(
    ("written", "zone", "seed"),
    [
        ("first Tuesday 09:00", ZURICH, 1),
        ("last Sunday 04:00", ZURICH, 2),  # in March and October the hour after the clocks have changed
        ("cron 0 9 * * sun", "Pacific/Auckland", 3),  # the south: summer time ends on the first Sunday of April
    ],
)
@pytest.mark.slow
def test_twenty_years_of_outages_and_two_schedulers_send_every_month_once(written, zone, seed, tmp_path):
    """Every month once, in order, never before its slot; what was too late went out after an editor's word."""
    path = str(tmp_path / "ledger.db")
    with closing(sqlite3.connect(path)) as ledger:
        ledger.executescript(LEDGER)
    rule = parse_rule(written, zone)
    machines = Machine("a", path, rule), Machine("b", path, rule)
    live(*machines, random.Random(seed))

    released = machines[0].ledger.execute("select month, at, by from released order by rowid").fetchall()
    asked = dict(machines[0].ledger.execute("select month, at from asked"))
    for machine in machines:
        machine.ledger.close()
    months = [CALENDAR[month] for month, _, _ in released]
    moments = [datetime.fromisoformat(at) for _, at, _ in released]
    assert months == [FIRST.shift(n) for n in range(len(months))]
    assert len(months) >= 12 * 20
    assert moments == sorted(moments)
    assert all(at >= slot(rule, month) for month, at in zip(months, moments, strict=True))
    late = {str(m) for m, at in zip(months, moments, strict=True) if at - slot(rule, m) > MAX_LATE}
    assert late == set(asked)
    assert all(asked[month] < at for month, at, _ in released if month in asked)
    # The years were eventful, or the above would prove little.
    assert len(late) >= 3
    assert {by for _, _, by in released} == {"a", "b"}
    assert all(machine.lost_races > 0 for machine in machines)


def test_two_running_schedulers_share_out_the_months(tmp_path):
    """Real threads and one file: both saw sixty months due, and for each of them one insert won."""
    path = str(tmp_path / "ledger.db")
    months = [FIRST.shift(n) for n in range(60)]
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.executescript(LEDGER)
        ledger.executemany("insert into allowed values (?)", [(str(month),) for month in months])
    rule = parse_rule("day 5 09:00", ZURICH)
    machines = Machine("a", path, rule), Machine("b", path, rule)
    both_have_looked = Barrier(2)
    for machine in machines:
        machine.now = slot(rule, months[-1])
        machine.meanwhile = lambda: both_have_looked.wait(PATIENCE)
    with running(machines[0]), running(machines[1]):
        for machine in machines:
            assert machine.finished.wait(PATIENCE)
    released = machines[0].ledger.execute("select month from released order by month").fetchall()
    for machine in machines:
        machine.ledger.close()
    assert released == [(str(month),) for month in months]
    assert sum(machine.lost_races for machine in machines) == 60
