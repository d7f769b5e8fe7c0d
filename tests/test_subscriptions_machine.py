"""No sequence of what people, operators, directories and time do makes somebody active who does not want to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.roster import Roster, opened_roster
from tests.support.wills import Wills, careless


@pytest.fixture
def roster(tmp_path: Path) -> Iterator[Roster]:
    with opened_roster(tmp_path / "site") as opened:
        careless(opened.app.store)
        yield opened


def test_nobody_unwilling_becomes_active(roster: Roster) -> None:
    """A few dozen sequences here; `make machine` runs hundreds, and longer ones."""

    class Machine(Wills):
        pass

    Machine.roster = roster
    bounded = settings(max_examples=40, stateful_step_count=40, suppress_health_check=list(HealthCheck), database=None)
    run_state_machine_as_test(Machine, settings=bounded)
