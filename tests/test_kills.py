"""The kill test in short; ``make kills`` is thirty kills during three hundred deliveries."""

from __future__ import annotations

import pytest

from tests.campaigns import kills


@pytest.mark.slow
def test_a_send_that_is_killed_again_and_again_reaches_everybody() -> None:
    """Nobody lost, nobody twice, and what nobody knew was named for a person; counted by the receiving server."""
    result = kills.run(kills=6, people=40, seed=11)
    assert kills.is_good(result), result
    assert result["kills_that_hit"] >= 3
