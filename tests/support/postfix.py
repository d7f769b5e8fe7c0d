"""A real Postfix of our own for tests and campaigns: one folder, one loopback port, none of the machine's own files.

Only root can run one (its master hands out users). Mail that it takes goes nowhere (``discard:``) or to one given
sink. Its log is written by its own postlogd (Postfix 3.4 and later), so no syslog is needed.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.databases import missing

PROGRAMS: Final = Path("/usr/sbin")
DAEMONS: Final = Path("/usr/lib/postfix/sbin")
OWNER: Final = "postfix"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
WAIT_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.01
MAX_PROCESSES: Final = 200  # of each kind; more connections than that wait their turn

# What docs/operators.md tells operators to write into main.cf, word for word; everything here runs with it.
DOCUMENTED: Final = """\
compatibility_level = 3.6
# Only programs on this host may hand mail in.
inet_interfaces = loopback-only
mynetworks_style = host
# This host has no mailboxes.
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
# bounces+TOKEN@ and bounces@ are one mailbox.
recipient_delimiter = +
# Postfix writes its log itself, since journald and rsyslog drop lines when there are many at once.
maillog_file = /var/log/postfix.log
# A queue id is never used twice.
enable_long_queue_ids = yes
# In bytes. A letter has about 50,000, and some more with a logo and signatures.
message_size_limit = 1000000
# Nobody rewrites envelope senders: they say whose letter it is.
canonical_maps =
sender_canonical_maps =
masquerade_domains =
# TLS wherever the receiver offers it.
smtp_tls_security_level = may
smtp_tls_CApath = /etc/ssl/certs
smtp_tls_loglevel = 1
# At most so many connections to one receiving domain.
smtp_destination_concurrency_limit = 5
# Domains that complain get one letter at a time, one second apart (and need the line of master.cf below).
transport_maps = inline:{ { slow.example = slow: } }
slow_destination_concurrency_limit = 1
slow_destination_rate_delay = 1s
# What cannot be delivered within two days comes back to its envelope sender, and to nobody else.
maximal_queue_lifetime = 2d
bounce_queue_lifetime = 2d
notify_classes =
# The newsletter is one client with many connections.
smtpd_client_connection_count_limit = 0
"""

# What makes it private, and reachable by nobody.
PRIVATE: Final = {
    "inet_protocols": "ipv4",
    "myhostname": "relay.meridian.example",
    "mail_owner": OWNER,
    "daemon_directory": str(DAEMONS),
    "smtp_tls_security_level": "none",
    "smtpd_tls_security_level": "none",
    "smtpd_peername_lookup": "no",
    "default_process_limit": str(MAX_PROCESSES),
}

# service, type, private, unprivileged, chroot, wake-up, limit, program (master(5)); no chroot.
SERVICES: Final = """\
{host}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
slow unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """A running one: where it listens, and how to ask it."""

    host: str
    port: int
    folder: Path
    log: Path

    @property
    def queue_command(self) -> tuple[str, ...]:
        """Lists its queue as JSON, a letter a line."""
        return (str(PROGRAMS / "postqueue"), "-c", str(self.folder / "etc"), "-j")

    def probe(self) -> None:
        """One connection: EHLO, QUIT."""
        with smtplib.SMTP(self.host, self.port, "probe.meridian.example", timeout=WAIT_SECONDS) as smtp:
            smtp.ehlo()

    def lines(self) -> tuple[str, ...]:
        """Its log so far, rotated parts first."""
        parts = sorted(self.log.parent.glob(f"{self.log.name}*"), reverse=True)
        return tuple(line for part in parts for line in part.read_text("utf-8", "replace").splitlines())

    def taken(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Sender and recipients of each letter it took, read from the whole log word by word.

        On purpose not with our own reader of logs. Recipients are those whose delivery was tried so far.
        """
        senders: dict[str, str] = {}
        recipients: dict[str, list[str]] = {}
        for line in self.lines():
            tag, _, rest = line.partition("]: ")
            words = rest.split(", ")
            queue_id, _, first = words[0].partition(": ")
            if "/qmgr[" in tag and first.startswith("from=<") and words[-1].endswith("(queue active)"):
                senders[queue_id] = first.removeprefix("from=<").removesuffix(">")
            elif first.startswith("to=<"):
                recipients.setdefault(queue_id, []).append(first.removeprefix("to=<").removesuffix(">"))
        for queue_id, sender in senders.items():
            yield sender, tuple(dict.fromkeys(recipients.get(queue_id, ())))

    def settled(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """As ``taken``, once the log has all that it will say of each letter handed in until now.

        "250" comes before the queue manager names the sender, and the log is written by another process: a letter that
        the log does not show yet is no letter that was not taken.
        """
        self._written()
        self.wait(lambda: not self._untried())
        self._written()
        return self.taken()

    def _written(self) -> None:
        """Every line logged before this is in the file: one writer, first come first served."""
        mark = f"written {time.monotonic_ns()}"

        def is_written() -> bool:
            self.run("postlog", "-t", "test", mark)  # again: after a reload the first may go into the old file
            return any(line.endswith(mark) for line in self.lines())

        self.wait(is_written)

    def _untried(self) -> bool:
        """Is there a letter in the queue whose delivery was not tried?"""
        tried = {line.partition("]: ")[2].partition(": ")[0] for line in self.lines() if ": to=<" in line}
        return bool(self._queued() - tried)

    def _queued(self) -> set[str]:
        done = subprocess.run(self.queue_command, capture_output=True, check=True, timeout=WAIT_SECONDS, text=True)
        return {json.loads(line)["queue_id"] for line in done.stdout.splitlines()}

    def senders(self) -> tuple[str, ...]:
        """The envelope sender of each letter it took, in order."""
        return tuple(sender for sender, _ in self.taken())

    def run(self, program: str, *arguments: str) -> str:
        """One of Postfix's commands for this instance (``postsuper``, ``postconf``, ``postfix``); its output."""
        return _run(self.folder, PROGRAMS / program, "-c", str(self.folder / "etc"), *arguments)

    def rotate(self) -> None:
        """As logrotate does: rename, create, tell the writer to open the file anew."""
        self.log.rename(f"{self.log}.1")
        self.log.touch(mode=0o640)
        self.run("postfix", "reload")

    def start_afresh(self) -> None:
        """As if it had just been made, whatever a test did to its queue and its log; a third of a second, not three."""
        self.run("postsuper", "-d", "ALL")
        for part in self.log.parent.glob(f"{self.log.name}*"):
            part.unlink()
        self.log.touch(mode=0o640)
        self.run("postfix", "reload")
        self._written()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it is so; fails when that takes too long."""
        wait_for(condition, "Postfix did not get there", log=self.log)


def documented() -> dict[str, str]:
    """The documented main.cf by names."""
    pairs = (line.partition(" =") for line in DOCUMENTED.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, _, value in pairs}


@contextmanager
def running_postfix(
    *, transport: str = "discard:", size_limit: int = 10_000_000, settings: Mapping[str, str] | None = None
) -> Iterator[Postfix]:
    """A fresh one that runs for as long as the block; afterwards its processes and its folder are gone.

    Args:
        transport: where mail goes, ``discard:`` or ``smtp:[127.0.0.1]:port``.
        size_limit: the largest letter in bytes (``message_size_limit``).
        settings: further lines of main.cf; they win over the documented ones.
    """
    _require()
    # Not below pytest's own folder: nobody but its owner may enter that one, and most of Postfix runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="newsletter-postfix-"))
    folder.chmod(0o755)
    try:
        values = PRIVATE | {"default_transport": transport, "message_size_limit": str(size_limit)}
        made = _configure(folder, documented() | values | dict(settings or {}))
        made.run("postfix", "start")
        try:
            wait_for(lambda: _answers(made), "Postfix does not answer", log=made.log)
            yield made
        finally:
            _stop(made)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(condition: Callable[[], bool], what: str, *, log: Path | None = None) -> None:
    """Look again and again until it is so; fail with ``what`` and the end of ``log`` after WAIT_SECONDS."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            tail = log.read_text("utf-8", "replace")[-2000:] if log and log.exists() else ""
            pytest.fail(f"{what} within {WAIT_SECONDS:g} s\n{tail}")
        time.sleep(LOOK_SECONDS)


def _require() -> None:
    if not (PROGRAMS / "postfix").exists() or not (DAEMONS / "master").exists():
        missing("needs Debian's package postfix (apt-get install postfix)")
    if os.geteuid() != 0:
        missing("a private Postfix can only be run by root")
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        missing(f"there is no user {OWNER}")


def _configure(folder: Path, values: Mapping[str, str]) -> Postfix:
    """The folder's files, and where things will be."""
    for name in ("etc", "queue", "data", "log"):
        (folder / name).mkdir(mode=0o755)
    shutil.chown(folder / "data", OWNER)
    made = Postfix("127.0.0.1", _free_port(), folder, folder / "log" / "mail.log")
    places = {
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "maillog_file": made.log,
        "maillog_file_prefixes": folder,
    }
    lines = (f"{name} = {value}\n" for name, value in (dict(values) | places).items())
    (folder / "etc" / "main.cf").write_text("".join(lines), encoding="utf-8")
    services = SERVICES.format(host=made.host, port=made.port)
    (folder / "etc" / "master.cf").write_text(services, encoding="utf-8")
    return made


def _answers(made: Postfix) -> bool:
    try:
        made.probe()
    except (OSError, smtplib.SMTPException):
        return False
    return True


def _stop(made: Postfix) -> None:
    """Stop it, and see that its master is gone."""
    pid_file = made.folder / "queue" / "pid" / "master.pid"
    pid = int(pid_file.read_text(encoding="ascii")) if pid_file.exists() else None
    made.run("postfix", "stop")
    if pid is not None:
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "Postfix did not stop", log=made.log)


def _run(folder: Path, *command: str | Path) -> str:
    """Its output; a test that runs into trouble fails with it."""
    # A file, not a pipe: the daemons that are left behind would keep a pipe open.
    with tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=START_SECONDS,
            check=False,
        )
        output.seek(0)
        said = output.read()
    if done.returncode:
        pytest.fail(f"{command} failed:\n{said}")
    return said


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
