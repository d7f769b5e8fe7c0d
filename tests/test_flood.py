"""Nobody can make us fill a stranger's mailbox."""

from __future__ import annotations

import pytest

from tests.campaigns import flood


@pytest.mark.slow
def test_a_flood_gets_nobody_more_than_one_mail_a_day() -> None:
    """A short one; ``make flood`` sends 10,000."""
    result = flood.run(posts=360, addresses=40, networks=5, seed=7)
    assert flood.is_good(result), result
    assert result["address_limit_alone"]["addresses_that_got_one"] > 30
