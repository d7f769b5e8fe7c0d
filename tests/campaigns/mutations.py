"""Each rule of the preflight taken out, turned round, and weighed wrongly: the tests must notice every time.

    python -m tests.campaigns.mutations [--rule CODE]

A mutant lives in a forked child, which runs the tests of its rule (``tests/test_rules*.py``) against it. Where none of
them fails, it has survived. The last line is one JSON object; exit code 1 when any mutant survived.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest import mock

import pytest

from newsletter import checks
from newsletter.checks.rule import Problem
from newsletter.collect import files, pictures
from newsletter.model import Finding, Gravity
from newsletter.parsing import DOOR_RULES, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

TESTS: Final = Path(__file__).parent.parent
DOOR_MODULES: Final = (faults, files, pictures)
NOTICED: Final = 3
AS_IT_IS: Final = "as it is"
FLIPPED: Final = {Gravity.BLOCK: Gravity.ADVISE, Gravity.ADVISE: Gravity.BLOCK}


class Mutant(NamedTuple):
    """A rule and what was done to it; ``apply`` does it, for good, in a process that ends soon."""

    code: str
    how: str
    apply: Callable[[], object]


def controls() -> Iterator[Mutant]:
    """One rule of each kind as it is: where its tests fail too, it would prove nothing that they fail."""
    for code in (next(iter(DOOR_RULES)), *(next(iter(registry)) for registry in checks.REGISTRIES)):
        yield Mutant(code, AS_IT_IS, lambda: None)


def mutants() -> Iterator[Mutant]:
    """All of them."""
    for registry in checks.REGISTRIES:
        for code in registry:
            yield Mutant(code, "taken out", lambda r=registry, c=code: change(r, c, lambda *_: iter(())))
            yield Mutant(code, "turned round", lambda r=registry, c=code: change(r, c, turned_round(r[c].function)))
            yield Mutant(code, "weighed wrongly", lambda r=registry, c=code: flip(r, c))
    for code in DOOR_RULES:
        yield Mutant(code, "taken out", lambda c=code: change_door(c, lambda f: replace(f, rule="mutant")))
        yield Mutant(
            code, "weighed wrongly", lambda c=code: change_door(c, lambda f: replace(f, gravity=FLIPPED[f.gravity]))
        )


def change(registry: MutableMapping[str, Any], code: str, function: Callable[..., Iterator[Problem]]) -> None:
    """Let the rule do something else."""
    registry[code] = replace(registry[code], function=function)


def flip(registry: MutableMapping[str, Any], code: str) -> None:
    """Let it advise where it should block, and the other way round."""
    registry[code] = replace(registry[code], gravity=FLIPPED[registry[code].gravity])


def turned_round(function: Callable[..., Iterator[Problem]]) -> Callable[..., Iterator[Problem]]:
    """Nothing where it finds something, something where it finds nothing."""

    def mutant(subject: object, *more: object) -> Iterator[Problem]:
        if not any(True for _ in function(subject, *more)):
            yield Problem("somewhere", 1, "turned round", "turn it back")

    return mutant


def change_door(code: str, change: Callable[[Finding], Finding]) -> None:
    """What the door finds under this code is something else."""

    def made(*args: Any, **more: Any) -> Finding:
        finding = Finding(*args, **more)
        return change(finding) if finding.rule == code else finding

    for module in DOOR_MODULES:
        mock.patch.object(module, "Finding", made).start()


class Trial:
    """A pytest plugin that runs the tests of one rule after the other, each against its mutants."""

    def __init__(self, wanted: str | None) -> None:
        self.wanted = wanted
        self.tried: list[str] = []
        self.survivors: list[str] = []
        self.has_failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One test failed: enough."""
        self.has_failed = self.has_failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running every test once."""
        running: dict[int, Mutant] = {}
        for mutant in chain(controls(), mutants()):
            if self.wanted in (None, mutant.code):
                if len(running) >= (os.cpu_count() or 1):
                    self.wait_for_one(running)
                running[self.begin(mutant, session)] = mutant
        while running:
            self.wait_for_one(running)
        return True

    def begin(self, mutant: Mutant, session: pytest.Session) -> int:
        """Run the tests of its rule against it; those of others notice too, but no sooner."""
        items = [item for item in session.items if re.search(rf"\[{mutant.code}(?:-\d+)?\]$", item.name)]
        child = os.fork()
        if not child:
            mutant.apply()
            for item in items:
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if self.has_failed:
                    os._exit(NOTICED)
            os._exit(0)
        return child

    def wait_for_one(self, running: dict[int, Mutant]) -> None:
        """Whichever ends first: has it survived?"""
        child, status = os.wait()
        mutant = running.pop(child)
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, NOTICED) or (mutant.how == AS_IT_IS and code):
            sys.exit(f"{mutant.code} {mutant.how}: its tests ended with {code}")
        if mutant.how != AS_IT_IS:
            self.tried.append(f"{mutant.code} {mutant.how}")
            if not code:
                self.survivors.append(self.tried[-1])


def main() -> int:
    """Try every mutant."""
    parser = argparse.ArgumentParser(description="Does any rule lack a test?")
    parser.add_argument("--rule", help="this one alone")
    wanted = parser.parse_args().rule
    started = time.monotonic()
    trial = Trial(wanted)
    files = sorted(str(path) for path in TESTS.glob("test_rules*.py"))
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        pytest.main(["-p", "no:cacheprovider", "-p", "no:xdist", *files], plugins=[trial])
    for name in trial.survivors:
        print(f"survived: {name}")
    if not trial.tried:
        sys.exit(f"there is no rule {wanted}")
    seconds = round(time.monotonic() - started, 1)
    print(f"{len(trial.tried)} mutants of {len(checks.rules())} rules, {len(trial.survivors)} survived, {seconds} s")
    told = {"tried": len(trial.tried), "survived": trial.survivors, "lost": len(trial.survivors), "seconds": seconds}
    print(json.dumps(told))
    return 1 if trial.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
