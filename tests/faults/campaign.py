"""The long run: a mailing to thousands is sent by a process that is killed again and again, through a bad relay.

    python -m tests.faults.campaign --rule ask --kills 200 --subscribers 20000 --seed 1 [--relay witness|postfix]

Half of the kills come at random moments, half at named points of the engine (before and after every commit and every
text), each point at least once. Then the disk fills up, the database is locked, the clock jumps; at last the mailing is
sent to its end. The judgement is made by another program from the frozen list and the witness's record alone
(tests/faults/verify.py); then the ledger is compared with it. The last line is one JSON object; exit code 1 when
anything was lost, repeated, left unresolved or claimed wrongly. With the rule ``again`` letters may repeat, and with
``hold`` they may be held, each of them named.

With ``--relay postfix`` a real Postfix takes the letters, and its log and queue are asked; it hands them on to the
witness, which then makes no faults of its own.
"""

# ruff: noqa: T201 -- its output is its result

from __future__ import annotations

import argparse
import gc
import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from newsletter.store import mailings
from tests.faults import claims, verify
from tests.faults.judgement import Doubt, Happened, Phase, judged, table
from tests.faults.lab import Lab, build, witness
from tests.faults.launcher import Ended, KillAfter, Sender, launch
from tests.faults.sender import FULL_FILE, FULL_PAGES, GAVE_UP, Run
from tests.faults.witness import parse_faults
from tests.support.ledger import OCTOBER
from tests.support.postfix import Postfix, running_postfix

FAULTS: Final = "4xx=0.01,5xx=0.01,greylist=0.02,drop=0.004,take-drop=0.004,late=0.004,stall=0.0005,refuse=0.02"
CONNECTIONS: Final = 8
SETTLE_SECONDS: Final = 0.5  # more than the witness's latest take
LETTERS_PER_SECOND: Final = 1_500  # about: only for when to kill
START_SECONDS: Final = 0.3  # about: from the fork to the first text, besides settling
TIMEOUT_SECONDS: Final = 1.5  # shorter than a stall, longer than anything else of the witness
LOCKED_SECONDS: Final = (0.1, 1.0)
BUSY_SECONDS: Final = 0.3  # how long a run waits for a locked database
POSTFIX: Final = {"allow_min_user": "yes"}  # some people's addresses begin with a hyphen
SHORT_RUNS: Final = 50  # at least in so many runs a mailing is sent
RESOLVING: Final = 0.25  # of the runs that are to be killed
OTHER_RUNS: Final = (2, 6)  # with each kind of trouble that is no kill: in a short campaign, and at most
KILLS_PER_OTHER_RUN: Final = 8
BEYOND_JUMPS: Final = 10.0  # days: when everything that a jumping clock put off is due
FINISH_SECONDS: Final = 240.0
MAX_MISSES: Final = 3  # so many times more runs than kills: a point is not always reached
SHOWN_BYTES: Final = 3_000
SAID_LOST: Final = re.compile(rb"event='uncertain'.* delivery='[0-9]+\.([0-9]+)'")


class Campaign:
    """One mailing and everything that happens to it."""

    def __init__(self, lab: Lab, plan: Run, *, letters_per_run: int, other_runs: int, rng: random.Random) -> None:
        self.phases: list[Phase] = []
        self.doubts: list[Doubt] = []
        self.broken = 0
        self.points: Counter[str] = Counter()  # how often each known point was tried
        self._resolving: Counter[str] = Counter()  # likewise, of runs that only resolve
        self._lab = lab
        self._plan = plan
        self._letters = letters_per_run
        self._other_runs = other_runs
        self._rng = rng
        self._open_doubts: frozenset[tuple[int, str]] = frozenset()
        self._log_read = 0

    # --- the phases

    def rehearse(self) -> None:
        """One run without a kill: the engine's points become known."""
        with self._phase("rehearsal") as phase:
            self._run(phase, stop_after=self._letters)
            self._run(phase, kill=KillAfter(0.0, from_text=True))
            with self._paused():
                self._run(phase)

    def kill(self, count: int) -> None:
        """So many kills that hit, fewer when the mailing is over before."""
        with self._phase("kills") as phase:
            while phase.kills < count and phase.runs < count * MAX_MISSES:
                if self._rng.random() < RESOLVING:
                    self._resolve(phase)
                elif self._rng.random() < 0.5:
                    self._kill_at_point(phase)
                else:
                    self._run(phase, kill=self._moment(), stop_after=2 * self._letters)
                if self.broken or self.is_over:
                    return

    def fill_disk(self) -> None:
        """No room from some commit on; the next run has room again."""
        with self._phase("disk full") as phase:
            for number in range(self._other_runs):
                how = FULL_PAGES if number % 2 else FULL_FILE
                self._use_up_free_pages()
                self._run(phase, full_at=(how, 1 + self._rng.randrange(self._commits)), stop_after=self._letters)

    def lock_database(self) -> None:
        """Another process writes, for a shorter or a longer time than a run waits."""
        with self._phase("locked") as phase:
            for _ in range(self._other_runs):
                self._run(phase, meanwhile=self._lock, busy_seconds=BUSY_SECONDS, stop_after=self._letters)

    def turn_clock(self) -> None:
        """Days forward and back between two looks at the clock; every other run is killed too."""
        with self._phase("clock jumps") as phase:
            for number in range(self._other_runs):
                self._run(
                    phase, kill=self._moment() if number % 2 else None, clock_jumps=True, stop_after=self._letters
                )

    def finish(self) -> None:
        """Without trouble of ours until nothing is open."""
        deadline = time.monotonic() + FINISH_SECONDS
        with self._phase("to the end") as phase:
            while not self.is_over and time.monotonic() < deadline and not self.broken:
                self._run(phase, days=BEYOND_JUMPS)

    @property
    def is_over(self) -> bool:
        """Whether no row waits for anything but a person."""
        return claims.is_over(self._lab)

    # --- one run

    def _kill_at_point(self, phase: Phase) -> None:
        known = sorted(point for point in self.points if "settle" not in point)  # those are for ``_resolve``
        name = min(known, key=lambda point: (self.points[point], self._rng.random()))
        self.points[name] += 1
        passes = self._letters if "text" in name or name == "reply" else self._commits if "commit" in name else 1
        kill_at = (name, 1 + self._rng.randrange(passes))
        if self._run(phase, kill_at=kill_at, stop_after=2 * self._letters).was_killed:
            phase.points[name] += 1

    def _resolve(self, phase: Phase) -> None:
        """A run of the paused mailing, which can do nothing but resolve what is uncertain; most of them are killed."""
        points = sorted(point for point in self.points if "settle" in point or "commit" in point)
        name = min(("", "moment", *points), key=lambda point: (self._resolving[point], self._rng.random()))
        self._resolving[name] += 1
        with self._paused():
            if name in ("", "moment"):
                self._run(phase, kill=KillAfter(self._rng.uniform(0, START_SECONDS + SETTLE_SECONDS)) if name else None)
            elif self._run(phase, kill_at=(name, 1)).was_killed:
                phase.points[name] += 1

    @contextmanager
    def _paused(self) -> Iterator[None]:
        with closing(self._lab.open()) as store, store.begin() as tx:
            mailings.pause(tx, OCTOBER, datetime.now(UTC))
        yield
        with closing(self._lab.open()) as store, store.begin() as tx:
            mailings.resume(tx, OCTOBER)

    def _moment(self) -> KillAfter:
        if self._rng.random() < 1 / 3:
            return KillAfter(self._rng.uniform(0, START_SECONDS + SETTLE_SECONDS))
        return KillAfter(self._rng.uniform(0, self._letters / LETTERS_PER_SECOND), from_text=True)

    def _run(
        self,
        phase: Phase,
        kill: KillAfter | None = None,
        meanwhile: Callable[[Sender], None] | None = None,
        **options: Any,
    ) -> Ended:
        run = replace(self._plan, seed=self._rng.randrange(2**32), **options)
        ended = launch(run, kill, meanwhile)
        phase.runs += 1
        phase.kills += ended.was_killed
        phase.gave_up += ended.code == GAVE_UP
        if ended.hung or (ended.code not in (0, GAVE_UP) and not ended.was_killed):
            self.broken += 1
        for name in ended.seen:
            self.points.setdefault(name, 0)
        if kill is not None and ended.was_killed:
            phase.points["at a moment"] += 1
        self._look_at_ledger(phase, ended)
        return ended

    def _look_at_ledger(self, phase: Phase, ended: Ended) -> None:
        """Count what the run left uncertain: by its end, and before it by connections that the witness cut."""
        found = claims.intents(self._lab)
        new = {number for number, _ in found - self._open_doubts}
        phase.most_uncertain = max(phase.most_uncertain, len(new - self._said_lost()))
        phase.uncertain += len(new)
        self.doubts += [Doubt(phase, number, ended.at) for number in new]
        self._open_doubts = found

    def _said_lost(self) -> set[int]:
        """Whose letters the engine has called uncertain since this was asked last."""
        with (self._lab.folder / "sender.log").open("rb") as file:
            file.seek(self._log_read)
            said = file.read()
        self._log_read += len(said)
        return {int(number) for number in SAID_LOST.findall(said)}

    def _lock(self, process: Sender) -> None:
        with closing(sqlite3.connect(self._lab.database, timeout=5, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            process.wait(self._rng.uniform(*LOCKED_SECONDS))
            database.execute("ROLLBACK")

    def _use_up_free_pages(self) -> None:
        """Until a row that grows needs a new page: otherwise a limit on their number is felt late."""
        with closing(sqlite3.connect(self._lab.database, timeout=5)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS filler (page BLOB)")
            (free,) = database.execute("PRAGMA freelist_count").fetchone()
            database.executemany("INSERT INTO filler VALUES (zeroblob(4000))", [()] * free)

    @property
    def _commits(self) -> int:
        """About how many there are in one run."""
        return max(2, self._letters // (CONNECTIONS // 2))

    @contextmanager
    def _phase(self, name: str) -> Iterator[Phase]:
        phase = Phase(name)
        self.phases.append(phase)
        began, before = time.monotonic(), self._taken()
        try:
            yield phase
        finally:
            phase.seconds = time.monotonic() - began
            phase.letters = self._taken() - before

    def _taken(self) -> int:
        if not self._lab.record.exists():
            return 0
        with self._lab.record.open("rb") as file:
            return sum(line.startswith(b'{"taken"') for line in file)


# --- all of it ------------------------------------------------------------------------------------------------


def run(
    *, rule: str, kills: int, subscribers: int, seed: int, relay: str, faults: Mapping[str, float], folder: Path
) -> dict[str, Any]:
    """One campaign in this folder; its result."""
    started = time.monotonic()
    lab = build(folder, subscribers=subscribers, seed=seed)
    is_real = relay == "postfix"
    with witness(lab.record, lab.log, seed=seed, faults={} if is_real else faults) as port:
        handed_on = f"smtp:[127.0.0.1]:{port}"
        with running_postfix(transport=handed_on, settings=POSTFIX) if is_real else nullcontext() as postfix:
            plan = Run(folder=str(folder), port=port, rule=rule, connections=CONNECTIONS, settle_seconds=SETTLE_SECONDS,
                       timeout_seconds=TIMEOUT_SECONDS)  # fmt: skip
            if postfix is not None:
                plan = replace(plan, port=postfix.port, log=str(postfix.log), queue=postfix.queue_command)
            letters = max(4, subscribers // max(kills, SHORT_RUNS))
            few, many = OTHER_RUNS
            others = min(max(few, kills // KILLS_PER_OTHER_RUN), many)
            rng = random.Random(f"{seed}|campaign")
            campaign = Campaign(lab, plan, letters_per_run=letters, other_runs=others, rng=rng)
            happen(campaign, kills)
            if postfix is not None:
                _wait_for_delivery(postfix)
    happened = Happened(tuple(campaign.phases), tuple(campaign.doubts), frozenset(campaign.points), campaign.broken)
    result = judged(happened, lab, rule=rule, kills=kills, connections=CONNECTIONS, is_real=is_real)
    print(table(campaign.phases))
    print("killed", ", ".join(f"{point} {count}" for point, count in result["points"].items()), sep=": ")
    if campaign.broken:
        print((lab.folder / "sender.log").read_text("utf-8", "replace")[-SHOWN_BYTES:])
    tried = {"seed": seed, "rule": rule, "relay": relay, "subscribers": subscribers, "kills": kills}
    return tried | result | {"seconds": round(time.monotonic() - started, 1)}


def happen(campaign: Campaign, kills: int) -> None:
    """All phases, one after the other."""
    gc.collect()
    gc.freeze()  # what is there now is shared by all forks
    campaign.rehearse()
    campaign.fill_disk()
    campaign.lock_database()
    campaign.turn_clock()
    campaign.kill(kills)
    campaign.finish()


def _wait_for_delivery(postfix: Postfix) -> None:
    """Until Postfix has handed on all that it took."""
    postfix.wait(lambda: not subprocess.run(postfix.queue_command, capture_output=True, check=True).stdout)


def main() -> int:
    """As the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", choices=verify.RULES, default="ask")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--subscribers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--relay", choices=("witness", "postfix"), default="witness")
    parser.add_argument("--faults", type=parse_faults, default=parse_faults(FAULTS))
    parser.add_argument("--folder", type=Path, help="where to keep everything; a temporary one when not given")
    wanted = vars(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the witness ends with us
    folder = wanted.pop("folder")
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as made:
        Path(made).mkdir(parents=True, exist_ok=True)
        result = run(folder=Path(made), **wanted)
    print(json.dumps(result))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
