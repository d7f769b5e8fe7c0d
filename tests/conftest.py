"""Real things for every test: a browser, both databases, a mail server. Each lives in ``tests/support``."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = [
    "tests.support.databases",  # first: the others ask it what may be left out
    "tests.support.browser",
    "tests.support.demo",
    "tests.support.letters",
    "tests.support.mailserver",
    "tests.support.sites",
]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test ran set up logging for its whole process."""
    yield
    structlog.reset_defaults()
