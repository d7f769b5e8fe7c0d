"""What a campaign comes to: the other program's verdict, the ledger against it, and a table for a person."""

# ruff: noqa: T201 -- its output is its result

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults import claims, verify
from tests.faults.lab import ROOT, Lab

ADDRESS: Final = re.compile(r"[^\s<>'\"()=,;:]+@[^\s<>'\"()=,;:]+")
KILLS_PER_POINT: Final = 8  # with so many kills for each point, every point must have been hit


@dataclass
class Phase:
    """What happened in one part of a campaign."""

    name: str
    runs: int = 0
    kills: int = 0
    gave_up: int = 0
    letters: int = 0
    uncertain: int = 0
    most_uncertain: int = 0
    taken: int = 0
    not_taken: int = 0
    seconds: float = 0.0
    points: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Doubt:
    """A row that a run left in ``intent`` when it ended, at ``at`` (monotonic)."""

    phase: Phase
    subscriber: int
    at: float


@dataclass(frozen=True)
class Happened:
    """All of a campaign: its parts, every uncertain row, the points that the engine named, runs that broke or hung."""

    phases: tuple[Phase, ...]
    doubts: tuple[Doubt, ...]
    points: frozenset[str]
    broken: int


def settle_doubts(doubts: tuple[Doubt, ...], lab: Lab, record: verify.Record, *, is_real: bool) -> None:
    """Of every row that was uncertain: whether the dead process had handed the letter over.

    The witness knows: then it came through a connection that is older than the process's end. Through a real Postfix
    it comes to the witness at any time, so there the ledger's word is taken for it.
    """
    mailboxes = {person.subscriber: person.mailbox for person in verify.read_people(lab.recipients)}
    opened = {letter.recipient: letter.opened for letter in reversed(record.letters)}
    last = {doubt.subscriber: doubt for doubt in doubts}
    resolved = claims.resolved_as_taken(lab) if is_real else frozenset()
    for doubt in doubts:
        in_time = opened.get(mailboxes[doubt.subscriber], float("inf")) < doubt.at
        if (doubt.subscriber in resolved and last[doubt.subscriber] is doubt) if is_real else in_time:
            doubt.phase.taken += 1
        else:
            doubt.phase.not_taken += 1


def verdict_of(lab: Lab, rule: str, held: frozenset[int]) -> dict[str, Any]:
    """What the other program says, from its two files and the list of those who are named as held."""
    named = lab.folder / "held"
    named.write_text("".join(f"{number}\n" for number in sorted(held)), encoding="ascii")
    files = ["--recipients", str(lab.recipients), "--record", str(lab.record), "--held", str(named)]
    command = [sys.executable, "-m", "tests.faults.verify", *files, "--rule", rule]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    *words, last = done.stdout.splitlines()
    print(*words, sep="\n", end="\n" * bool(words))
    found: dict[str, Any] = json.loads(last)
    return found


def addresses_in_log(lab: Lab) -> int:
    """How many readers' addresses the product's own log shows."""
    log = lab.folder / "sender.log"
    shown = set(ADDRESS.findall(log.read_text("utf-8", "replace"))) if log.exists() else set()
    return len(shown & {person.mailbox for person in verify.read_people(lab.recipients)})


def judged(happened: Happened, lab: Lab, *, rule: str, kills: int, connections: int, is_real: bool) -> dict[str, Any]:
    """Everything that is known in the end; ``problems`` is empty when all is well."""
    record = verify.read_record(lab.record)
    settle_doubts(happened.doubts, lab, record, is_real=is_real)
    held = claims.named_as_held(lab)
    verdict = verdict_of(lab, rule, held)
    compared = claims.compare(lab, record, claims.read_states(lab), held)
    most = max(phase.most_uncertain for phase in happened.phases)
    hit = Counter[str]()
    for phase in happened.phases:
        hit.update(phase.points)
    killed = sum(phase.kills for phase in happened.phases)
    problems = verdict["problems"] | compared.wrong
    problems |= {"more_uncertain_than_connections": most} if most > connections else {}
    problems |= {"broken_runs": happened.broken} if happened.broken else {}
    problems |= {"kills_missing": kills - killed} if killed < kills else {}
    if missed := sorted(point for point in happened.points if not hit[point]):
        problems |= {"points_never_hit": missed} if kills >= KILLS_PER_POINT * len(happened.points) else {}
    if shown := addresses_in_log(lab):
        problems["addresses_in_log"] = shown
    return {
        "kills_that_hit": killed,
        "points": dict(sorted(hit.items())),
        "uncertain": sum(phase.uncertain for phase in happened.phases),
        "uncertain_at_once": most,
        "uncertain_and_taken": sum(phase.taken for phase in happened.phases),
        "uncertain_not_taken": sum(phase.not_taken for phase in happened.phases),
        "got_it": verdict["got_it"],
        "refused": verdict["refused"],
        "held": verdict["held"],
        "held_had_it": verdict["held_had_it"],
        "lost": verdict["skipped"],
        "repeated": verdict["copies_too_many"],
        "unresolved": compared.undecided + (0 if rule == "hold" else verdict["held"]),
        "faults": record.faults,
        "problems": problems,
    }


def table(phases: Iterable[Phase]) -> str:
    """For a person."""
    head = ("phase", "runs", "kills", "gave up", "letters", "uncertain", "at once", "had it", "had not", "seconds")
    rows = [
        (p.name, p.runs, p.kills, p.gave_up, p.letters, p.uncertain, p.most_uncertain, p.taken, p.not_taken,
         f"{p.seconds:.1f}")
        for p in phases
    ]  # fmt: skip
    return "\n".join(f"{row[0]:<12}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in (head, *rows))
