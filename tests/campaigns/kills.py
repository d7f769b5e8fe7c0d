"""``kill -9`` of ``newsletter send`` at random moments, then resumed: who got what, counted by the receiving server.

The rule is the default, ``hold``: nothing uncertain is sent again by itself. At the end the campaign does what an
operator would: it looks into the server's record for each delivery that ``newsletter status`` names, and settles it.

    python -m tests.campaigns.kills --kills 30 --subscribers 300 --seed 1

A real SMTP server in this process records every mail and pulls the trigger: before it replies, just after, between two
mails, or while the command is still composing, publishing and releasing. The judgement reads only the list of
subscribers and that record. The last line is one JSON object; exit code 1 if anything was lost or repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import closing, suppress
from email import message_from_bytes
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

ROOT = Path(__file__).parent.parent.parent
MONTH = "2026-10"
COMMAND_SECONDS = 120
WAITS = 5  # some letters wait: those that are held


class Witness:
    """Takes every mail, writes down who got which Message-ID, and kills the sender when told to."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.got: dict[str, list[str]] = defaultdict(list)
        self.victim: int | None = None
        self.mails_to_live = 0
        self.before_reply = False

    def aim(self, process: int, mails: int) -> None:
        """Kill this process when so many more mails have come."""
        self.mails_to_live = mails
        self.before_reply = self.chance.random() < 0.5
        self.victim = process

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        message = message_from_bytes(envelope.content)
        for recipient in envelope.rcpt_tos:
            self.got[recipient].append(str(message["Message-ID"]))
        self.mails_to_live -= 1
        if self.victim is not None and self.mails_to_live < 0:
            victim, self.victim = self.victim, None
            if self.before_reply:
                os.kill(victim, signal.SIGKILL)
            else:
                session.loop.call_later(self.chance.random() / 200, _kill, victim)
        return "250 2.0.0 taken"


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):  # it was finished already
        os.kill(process, signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens on; aiosmtpd's Controller cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def newsletter(*args: str, site: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "newsletter", *args],
        cwd=site,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def must(*args: str, site: Path, environment: dict[str, str], codes: tuple[int, ...] = (0,)) -> str:
    process = newsletter(*args, site=site, environment=environment)
    said, told = process.communicate(timeout=COMMAND_SECONDS)
    if process.returncode not in codes:
        raise SystemExit(f"newsletter {' '.join(args)}: exit {process.returncode}\n{told.decode()}")
    return said.decode()


def make_site(folder: Path, people: int, environment: dict[str, str]) -> list[str]:
    site = folder / "site"
    must("init", str(site), site=folder, environment=environment)
    addresses = [f"reader{number}@people.example" for number in range(people)]
    (folder / "people.csv").write_text("address\n" + "\n".join(addresses) + "\n", encoding="utf-8")
    must(
        "subscribers",
        "import",
        str(folder / "people.csv"),
        "--consent",
        "a campaign",
        "--yes",
        site=site,
        environment=environment,
    )
    return addresses


def kill_and_resume(witness: Witness, site: Path, kills: int, people: int, environment: dict[str, str]) -> int:
    """Returns how many of the kills hit a running process."""
    hits = 0
    chance = witness.chance
    for number in range(kills):
        process = newsletter("send", MONTH, "--yes", site=site, environment=environment)
        if number < kills // 6:  # while it composes, publishes, releases
            deadline = time.monotonic() + chance.uniform(0.3, 3.0)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            _kill(process.pid)
        else:
            witness.aim(process.pid, chance.randrange(max(1, people // kills * 2)))
        process.communicate(timeout=COMMAND_SECONDS)
        witness.victim = None
        hits += process.returncode == -signal.SIGKILL
    must("send", MONTH, "--yes", site=site, environment=environment, codes=(0, WAITS))
    return hits


def settle(witness: Witness, site: Path, environment: dict[str, str]) -> int:
    """Decide about every delivery that is held, by the server's record, and send what it does not have."""
    status = json.loads(must("status", MONTH, "--json", site=site, environment=environment))
    with closing(sqlite3.connect(site / "var" / "newsletter.db")) as database:
        mailboxes = dict(database.execute("SELECT id, mailbox FROM subscriber"))
    held = [one["delivery"] for one in status["uncertain"]]
    for name in held:
        found = "--taken" if mailboxes[int(name.partition(".")[2])] in witness.got else "--again"
        must("settle", MONTH, name, found, site=site, environment=environment)
    must("send", MONTH, "--yes", site=site, environment=environment)
    return len(held)


def run(*, kills: int, people: int, seed: int) -> dict[str, Any]:
    witness = Witness(random.Random(seed))
    server = Controller(witness, hostname="127.0.0.1", port=free_port())
    started = time.monotonic()
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {
                "PYTHONPATH": str(ROOT),
                "NEWSLETTER_RELAY_PORT": str(server.port),
                "NEWSLETTER_SCHEDULE_APPROVAL": "false",
            }
            addresses = make_site(Path(folder), people, environment)
            hits = kill_and_resume(witness, Path(folder) / "site", kills, people, environment)
            held = settle(witness, Path(folder) / "site", environment)
    finally:
        server.stop()
    copies = Counter({address: len(ids) for address, ids in witness.got.items()})
    return {
        "seed": seed,
        "subscribers": people,
        "kills": kills,
        "kills_that_hit": hits,
        "held_and_settled": held,
        "lost": sum(copies[address] == 0 for address in addresses),
        "repeated": sum(count - 1 for count in copies.values()),
        "repeated_under_another_id": sum(len(set(ids)) > 1 for ids in witness.got.values()),
        "strangers": len(set(copies) - set(addresses)),
        "seconds": round(time.monotonic() - started, 1),
    }


def is_good(result: dict[str, Any]) -> bool:
    """Nobody lost, and nobody has it twice."""
    return result["lost"] == result["repeated"] == result["repeated_under_another_id"] == result["strangers"] == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--subscribers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    result = run(kills=wanted.kills, people=wanted.subscribers, seed=wanted.seed)
    print(json.dumps(result))
    return 0 if is_good(result) else 1


if __name__ == "__main__":
    sys.exit(main())
