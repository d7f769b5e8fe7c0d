"""``kill -9`` at seeded random moments, and again from where it was: for tests of everything that must survive it."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.support.mailserver import MailServer

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.05
RUN_SECONDS = 300.0


def kill_and_resume(
    command: Sequence[str],
    *,
    kills: int,
    window_seconds: float,
    rng: random.Random,
    progressed: Callable[[float], bool],
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run ``command``, SIGKILL it at random moments, start it again each time; the last run may finish.

    Args:
        command: does what is left to do and exits with 0, or 5 when some of it has to wait.
        kills: how often to kill it at most; fewer when it has finished before.
        window_seconds: how long after its first visible progress it is killed at the latest.
        rng: chooses the moments.
        progressed: waits so many seconds for something to happen (since it said True last); True when it did.
        environment: of the command.

    Returns:
        How often it was killed in the middle.
    """
    killed = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        for _ in range(kills):
            process = _start(command, environment, output)
            while not progressed(LOOK_SECONDS) and process.poll() is None:
                pass
            try:
                process.wait(rng.uniform(0, window_seconds))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
        else:
            process = _start(command, environment, output)
            process.wait(RUN_SECONDS)
        output.seek(0)
        assert process.returncode in (0, 5), output.read()
    return killed


def new_mails(server: MailServer) -> Callable[[float], bool]:
    """For ``progressed``: whether the server has taken a mail since it was asked last."""
    seen = [0]

    def progressed(seconds: float) -> bool:
        came = server.wait_for(seen[0] + 1, seconds)
        if came:
            seen[0] = len(server.mails)
        return came

    return progressed


def repeats(server: MailServer) -> int:
    """How many mails came once more than needed; each of them must be the same mail, by its Message-ID."""
    mails = server.mails
    by_reader = Counter(mail.recipient for mail in mails)
    identifiers = {(mail.recipient, mail.message["Message-ID"]) for mail in mails}
    assert len(identifiers) == len(by_reader), "a repeated mail has another Message-ID"
    assert len({identifier for _, identifier in identifiers}) == len(by_reader), "two readers share a Message-ID"
    return len(mails) - len(by_reader)


def _start(command: Sequence[str], environment: Mapping[str, str] | None, output: IO[str]) -> subprocess.Popen[str]:
    output.seek(0)
    output.truncate()
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True
    )
