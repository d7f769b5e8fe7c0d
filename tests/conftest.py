"""Real things for every test: a browser, both databases, a mail server. Each lives in ``tests/support``."""

pytest_plugins = [
    "tests.support.browser",
    "tests.support.databases",
    "tests.support.letters",
    "tests.support.mailserver",
    "tests.support.sites",
]
