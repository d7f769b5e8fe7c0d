"""Real things for every test: a browser, both databases, a mail server. Each lives in ``tests/support``."""

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# Read when premailer is imported, by whichever plugin comes first: its own 128 parsed styles are fewer than one letter
# has, so that every letter of every test would be parsed from its beginning.
os.environ.setdefault("PREMAILER_CACHE_MAXSIZE", "8192")

# How long an example takes depends on what else the machine does, and is no property of our code.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

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
