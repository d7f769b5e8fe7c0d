"""What the delivery benchmarks share: a sink, and senders that are measured as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".bench"  # on a disk, since /tmp may be memory, where no commit costs anything
NODEMAILER: Final = FOLDER / "node_modules" / "nodemailer"
NODE_SCRIPT: Final = Path(__file__).parent / "peers" / "nodemailer.cjs"
HERE: Final = Path(__file__).parent  # of sender.py
INSTALL: Final = "sh scripts/bench-peers.sh"
PROGRAMS: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))

SENDER: Final = "report@security.meridian.example"
SESSIONS: Final = 4  # of smtp-source and of Nodemailer
SINK_BACKLOG: Final = 1_000
START_SECONDS: Final = 10.0
COMMITS: Final = 100
COUNTER_BYTES: Final = 200  # the end of what smtp-sink prints surely holds a whole count


@dataclass(frozen=True, slots=True)
class Run:
    """One sender once through all its letters: seconds by the clock, CPU seconds of all its processes, peak in MB."""

    letters: int
    seconds: float
    cpu_seconds: float
    peak_mb: float = 0.0

    @property
    def rate(self) -> float:
        """Letters a second."""
        return self.letters / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of one letter."""
        return self.cpu_seconds / self.letters * 1e6


@dataclass(frozen=True, slots=True)
class Release:
    """A run with what went before it: CPU microseconds per recipient of the release, and of reading the list."""

    run: Run
    release_us: float
    list_us: float


# --- programs -------------------------------------------------------------------------------------------------


def program(name: str) -> str | None:
    """Where a program is, also in the folders that only root has on its path."""
    return shutil.which(name, path=PROGRAMS)


def missing() -> list[str]:
    """What has to be installed before everything can be measured, in words."""
    wanted = {"smtp-source": "Debian's postfix", "smtp-sink": "Debian's postfix", "node": "Debian's nodejs"}
    lacking = [f"{name} ({package})" for name, package in wanted.items() if program(name) is None]
    return lacking + ([] if NODEMAILER.is_dir() else [f"Nodemailer (npm) in {NODEMAILER.relative_to(ROOT)}"])


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Postfix's smtp-sink on a free port of this machine, which takes everything and throws it away."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    FOLDER.mkdir(exist_ok=True)
    output = FOLDER / f"smtp-sink-{port}.out"
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with output.open("wb") as counters:
        command = [program("smtp-sink") or "smtp-sink", "-c", *user, f"127.0.0.1:{port}", str(SINK_BACKLOG)]
        process = subprocess.Popen(command, stdout=counters, stderr=subprocess.STDOUT)
        try:
            _wait_for(port, process)
            yield Sink(port, output)
        finally:
            process.terminate()
            process.wait()
            output.unlink()


@dataclass(frozen=True, slots=True)
class Sink:
    """A running smtp-sink."""

    port: int
    counters: Path

    def taken(self) -> int:
        """How many letters it has taken so far, by its own count (``sess=1 quit=1 mesg=100``)."""
        with self.counters.open("rb") as file:
            file.seek(max(0, self.counters.stat().st_size - COUNTER_BYTES))
            words = file.read().decode("ascii", "replace").replace("\r", "\n").split()
        counts = [word.removeprefix("mesg=") for word in words if word.startswith("mesg=")]
        return int(counts[-1]) if counts else 0

    @contextmanager
    def counting(self, letters: int) -> Iterator[None]:
        """The run inside brings exactly so many letters: SystemExit when it does not."""
        before = self.taken()
        yield
        if self.taken() - before != letters:
            raise SystemExit(f"the sink took {self.taken() - before} letters of {letters}: this run measured nothing")


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit("smtp-sink does not start")


def commit_ms() -> float:
    """What a durable write costs on the disk that holds the ledgers: median milliseconds of write + fdatasync."""
    path = FOLDER / "commit"
    times = []
    with path.open("wb") as file:
        for _ in range(COMMITS):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    path.unlink()
    return sorted(times)[COMMITS // 2] * 1e3


# --- senders --------------------------------------------------------------------------------------------------


def smtp_source(at: Sink, letters: int, size: int) -> Run:
    """Postfix's own generator over kept connections: the same bytes to the same address, again and again."""
    command = [program("smtp-source") or "smtp-source", "-d", "-s", str(SESSIONS), "-l", str(size), "-m", str(letters),
               "-f", SENDER, "-t", "reader@example.org", f"127.0.0.1:{at.port}"]  # fmt: skip
    with at.counting(letters):
        begin = time.perf_counter()
        used, _ = _wait(command)
        seconds = time.perf_counter() - begin
    return Run(letters, seconds, used)


def nodemailer(at: Sink, letters: int, mode: str, letter: Path) -> Run:
    """Nodemailer's pool; mode ``raw`` or ``fields``, see the script."""
    command = [program("node") or "node", str(NODE_SCRIPT), str(NODEMAILER), str(at.port), str(letters), str(SESSIONS),
               mode, str(letter)]  # fmt: skip
    with at.counting(letters):
        _, said = _wait(command)
    return Run(letters, said["seconds"], said["cpu_seconds"])


def ours(at: Sink, path: Path, letters: int, **options: Any) -> Run:
    """The engine, delivering out of this released ledger, of which nothing is due afterwards."""
    with at.counting(letters):
        return _engine("deliver", path, letters, {"port": at.port} | options)[0]


def sign_ahead(at: Sink, path: Path, letters: int, **options: Any) -> Run:
    """The engine, making all signatures and keeping them in the ledger; nothing is sent."""
    return _engine("sign", path, letters, {"port": at.port} | options)[0]


def release_and_deliver(at: Sink, path: Path, letters: int, **options: Any) -> Release:
    """The engine again, after it has released the mailing and read through the list."""
    with at.counting(letters):
        run, said = _engine("scale", path, letters, {"port": at.port} | options)
    return Release(run, said["release_cpu"] / letters * 1e6, said["list_cpu"] / letters * 1e6)


def _engine(action: str, path: Path, letters: int, options: dict[str, Any]) -> tuple[Run, dict[str, Any]]:
    job = {"path": str(path), "signing": "none"} | options
    # As the console script does it: a main module that imports little, since every worker imports it once more.
    start = (
        f"import json, sys; sys.path.insert(0, {str(HERE)!r}); "
        "import sender; sender.main(*map(json.loads, sys.argv[1:]))"
    )
    _, said = _wait([sys.executable, "-c", start, json.dumps(action), json.dumps(job)])
    what = "signed" if action == "sign" else "accepted"
    if said[what] != letters:
        raise SystemExit(f"by the ledger {said[what]} of {letters} are {what}: this run measured nothing")
    return Run(letters, said[f"{what}_seconds"], said[f"{what}_cpu"], said["peak_mb"]), said


def _wait(command: Sequence[str]) -> tuple[float, dict[str, Any]]:
    """CPU seconds of the whole run with its children, and the JSON object on its last line, if any."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed (exit {process.returncode})")
    last = output.strip().rpartition("\n")[2]
    return usage.ru_utime + usage.ru_stime, json.loads(last) if last.startswith("{") else {}
