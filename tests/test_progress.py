"""How far a run is: what stands on stderr while letters leave."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterable

import pytest

from newsletter.cli.progress import MAX_DOMAINS, shown_progress, told_troubles
from newsletter.deliver.run import Tally
from tests.support.mailserver import MailServer
from tests.support.sites import Site


def lines(capsys: pytest.CaptureFixture[str], tallies: Iterable[Tally], *, per_second: float = 10.0,
          what: str = "delivering") -> list[str]:  # fmt: skip
    """What is written where nobody sits at a terminal, at so many letters a second."""
    now = [1000.0]
    with shown_progress(what, quiet=False, seconds=lambda: now[0]) as update:
        for number, tally in enumerate(tallies, 1):
            now[0] = 1000.0 + number / per_second
            update(tally)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_there_is_a_line_for_every_twentieth_however_many_letters_there_are(capsys):
    """So a log of a million letters has as many lines as one of a hundred."""
    for total in (100, 100_000):
        told = lines(capsys, (Tally(total, accepted=number) for number in range(1, total + 1)))
        assert [int(line.split(" %")[0]) for line in told] == list(range(0, 101, 5))


def test_a_line_tells_rate_and_time_left(capsys):
    """Over the whole run; a slow pace with one decimal, a long one with hours."""
    told = lines(capsys, (Tally(2_000, accepted=number) for number in range(1, 2_001)), per_second=50)
    assert told[0] == "  0 %  1 of 2,000, 50/s, 0:00:40 left"
    assert told[10] == " 50 %  1,000 of 2,000, 50/s, 0:00:20 left"
    assert told[-1] == "100 %  2,000 of 2,000, 50/s, 0:00:00 left"
    slow = lines(capsys, [Tally(10_000, accepted=1)], per_second=0.2)
    assert slow == ["  0 %  1 of 10,000, 0.2/s, 13:53:15 left"]


def test_few_letters_have_fewer_lines(capsys):
    told = lines(capsys, (Tally(3, accepted=number) for number in range(1, 4)))
    assert [line.split("%")[0] for line in told] == [" 30 ", " 65 ", "100 "]


def test_every_end_of_a_letter_is_progress(capsys):
    """Refused, deferred, dropped, postponed, uncertain: this run is done with it."""
    told = lines(capsys, [Tally(6, accepted=1, refused=1, deferred=1, dropped=1, postponed=1, uncertain=1)])
    assert [line.split(",")[0] for line in told] == ["100 %  6 of 6"]


def test_no_run_is_more_than_finished(capsys):
    """A letter that was uncertain and is sent again counts twice, and one from before was not counted at first."""
    told = lines(capsys, [Tally(2, accepted=1), Tally(2, accepted=1, uncertain=1), Tally(2, accepted=2, uncertain=1)])
    assert [line.split(",")[0] for line in told] == [" 50 %  1 of 2", "100 %  2 of 2"]


def test_signing_counts_what_is_signed(capsys):
    told = lines(capsys, [Tally(4, signed=2), Tally(4, signed=4)], what="signing")
    assert [line.split(",")[0] for line in told] == [" 50 %  2 of 4", "100 %  4 of 4"]


def test_what_was_not_accepted_is_told_by_domain(capsys):
    """The domain with the most of it first; who takes everything is not worth a word."""
    domains = {
        "fine.example": {"accepted": 900},
        "some.example": {"accepted": 5, "deferred": 1, "refused": 2},
        "worst.example": {"deferred": 1_200, "uncertain": 1},
        "left.example": {"dropped": 1},
    }
    (told,) = lines(capsys, [Tally(1, accepted=1, domains=domains)])
    _, *troubles = told.split("; ")
    assert troubles == ["worst.example 1,200 deferred, 1 uncertain", "some.example 2 refused, 1 deferred",
                        "left.example 1 dropped"]  # fmt: skip


def test_a_line_has_an_end_however_many_domains_refuse():
    """The worst ones by name, the others by number."""
    domains = {f"domain{number}.example": {"refused": number} for number in range(1, 301)}
    told = told_troubles(Tally(1, domains=domains))
    assert told.startswith("; domain300.example 300 refused; domain299.example")
    assert told.count(".example") == MAX_DOMAINS
    assert told.endswith(f"; {300 - MAX_DOMAINS} more domains")


def test_quiet_is_quiet(capsys):
    with shown_progress("delivering", quiet=True) as update:
        update(Tally(1, accepted=1))
    assert capsys.readouterr() == ("", "")


# --- through the front door -------------------------------------------------------------------------------------

PEOPLE = [f"reader{number}@people.example" for number in range(20)]


@pytest.fixture
def ready(site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Twenty readers, of whom one is refused and another deferred."""
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(mailserver.port))
    site.subscribe(*PEOPLE, "gone@refusing.example", "full@deferring.example")
    mailserver.reply_always("gone@refusing.example", "550 5.1.1 unknown")
    mailserver.reply_always("full@deferring.example", "452 4.2.2 full")
    return site


def test_a_send_writes_its_progress_to_stderr_and_where_it_stands_to_stdout(ready: Site) -> None:
    """Domains are named, addresses are not."""
    assert ready.newsletter("send", "2026-10", "--yes") == 5
    *_, last = ready.err.splitlines()
    assert last.startswith("100 %  22 of 22, ")
    assert "refusing.example 1 refused" in last
    assert "deferring.example 1 deferred" in last
    assert "@" not in ready.err
    assert "%" not in ready.out


@pytest.mark.slow
def test_a_send_for_a_program_writes_nothing_but_its_object(ready: Site) -> None:
    assert ready.newsletter("send", "2026-10", "--yes", "--json") == 5
    assert ready.err == ""
    assert ready.out.count("\n") == 1


@pytest.mark.slow
def test_at_a_terminal_there_is_a_bar(ready: Site) -> None:
    """With its rate, what is left, and replies by domain; it is wiped away at the end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "newsletter", "send", "2026-10", "--yes"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "200", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        drawn = b"".join(_read(ours))
        assert process.wait() == 5
    os.close(ours)
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    assert re.search(r"delivering \S+ 22/22 [\d.,]+/s, 0:00:00 left; (refus|deferr)ing\.example 1 ", words), words
    assert "\x1b[2K" in drawn.decode()
    assert "%  " not in words


def _read(terminal: int) -> Iterable[bytes]:
    """Everything that is written to a terminal until its other side is closed."""
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # Linux says EIO at the end
            return
        if not data:
            return
        yield data
