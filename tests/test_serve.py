"""The two long-running programs as processes: they start, do their work, and stop when told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.mailserver import MailServer
from tests.support.sites import Site
from tests.support.webserver import ask

PATIENCE = 60  # seconds; how long a process takes depends on what else the machine does


@contextmanager
def running(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A program of ours; killed at the end if it is still there."""
    process = subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """Read on until the program says so."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}")


def test_serve_answers_and_stops_when_it_is_told_to(site: Site) -> None:
    """With exit code 0; that the wait for work in hand is bounded is shown in test_jobs and test_web."""
    site.must("publish")
    with running("-m", "newsletter", "serve", NEWSLETTER_WEB_PORT="0") as process:
        said = line_with(process, "serving")
        address = re.search(r"http://\S+:\d+", said)
        assert address is not None
        assert ask(f"{address[0]}/healthz").status == 200
        assert ask(f"{address[0]}/en/articles/first/").status == 200
        assert ask(f"{address[0]}/u/{'0' * 34}").status == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_a_port_that_is_taken_is_one_clear_message(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("NEWSLETTER_WEB_PORT", str(taken.getsockname()[1]))
        assert site.newsletter("serve") == 3
    assert "choose another web.host or web.port" in site.err


def test_one_round_of_the_scheduler_asks_an_editor_about_a_month_long_past(site: Site, mailserver: MailServer) -> None:
    """The months since the sample's first one lie years back on any day on which this test runs, or will."""
    environment = {"NEWSLETTER_RELAY_PORT": str(mailserver.port), "NEWSLETTER_SCHEDULE_FIRST_MONTH": "2020-01"}
    site.subscribe("ann@people.example")
    with running("scheduler.py", "--once", **environment) as process:
        assert process.wait(PATIENCE) == 0
    subjects = [str(mail.message["Subject"]) for mail in mailserver.mails_to("security-editors@meridian.example")]
    assert "Monthly Security Report: January 2020 is held and needs you" in subjects
    assert mailserver.mails_to("ann@people.example") == ()


def test_the_scheduler_stops_when_it_is_told_to(site: Site) -> None:
    site.must("db", "upgrade")
    with running("scheduler.py") as process:
        line_with(process, "scheduler started")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_a_wrong_setting_stops_the_scheduler_with_exit_code_3(site: Site) -> None:
    with running("scheduler.py", "--once", NEWSLETTER_RELAY_PORT="none") as process:
        assert process.wait(PATIENCE) == 3
        assert "NEWSLETTER_RELAY_PORT" in line_with(process, "RELAY")
