"""Thousands of sequences of what people, operators, directories and time do to a list, reproducible by their seed.

    python -m tests.campaigns.machine --seed 1 --examples 500
    python -m tests.campaigns.machine --seed 1 --examples 60 --database postgresql

What must hold is told in ``tests/support/wills.py``: nobody unwilling is active. A sequence that breaks it is printed,
shortened. The last line is one JSON object; exit 1 if there was one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
from pathlib import Path

import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.databases import TEMPLATE, running_cluster
from tests.support.roster import opened_roster
from tests.support.wills import Wills, careless

STEPS = 60


def main() -> int:
    """Run them, and say how many steps held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    taken = 0

    @seed(arguments.seed)
    class Machine(Wills):
        def teardown(self) -> None:
            nonlocal taken
            taken += self.steps

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    bounded = settings(
        max_examples=arguments.examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    broken = ""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        url = ""
        if arguments.database == "postgresql":
            url = stack.enter_context(stack.enter_context(running_cluster()).database(TEMPLATE))
        with contextlib.redirect_stdout(sys.stderr):
            Machine.roster = stack.enter_context(opened_roster(Path(name) / "site", url))
        if not url:
            careless(Machine.roster.app.store)
        try:
            run_state_machine_as_test(Machine, settings=bounded)
        except AssertionError as error:
            broken = str(error).partition("\n")[0] or "an assertion that says nothing"
            print("\n".join((str(error), *getattr(error, "__notes__", ()))))
    told = {**vars(arguments), "steps": taken, "revived": int(bool(broken))}
    print(json.dumps(told | {"broken": broken}))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
