"""No sequence of what people, operators, directories and time do makes somebody active who does not want to be."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.databases import TEMPLATE, Cluster
from tests.support.roster import Roster, opened_roster
from tests.support.wills import Wills, careless


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Thousands of lines about what was sent would be all that is left of a sequence that fails."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def run_machine(roster: Roster, *, examples: int) -> None:
    class Machine(Wills):
        pass

    Machine.roster = roster
    bounded = settings(
        max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(Machine, settings=bounded)


def test_nobody_unwilling_becomes_active(tmp_path: Path) -> None:
    """A few dozen sequences here; `make machine` runs hundreds, and longer ones."""
    with opened_roster(tmp_path / "site") as roster:
        careless(roster.app.store)
        run_machine(roster, examples=40)


@pytest.mark.slow
def test_nor_on_postgresql(tmp_path: Path, cluster: Cluster) -> None:
    """Where two rows conflict and texts compare by other rules."""
    with cluster.database(TEMPLATE) as url, opened_roster(tmp_path / "site", url) as roster:
        run_machine(roster, examples=15)
