"""Was a letter taken? The records of our relay, a local Postfix, know; they are asked after a crash.

The envelope sender is the key, since no two letters have the same. Proof that a letter was taken is either of:

- a line of the queue manager, ``host postfix/qmgr[pid]: ID: from=<SENDER>, size=.., nrcpt=.. (queue active)``;
  cleanup's ``message-id=`` line comes before the end of the text and proves nothing (references/delivery.md section 3);
- an entry of the queue listing: showq(8) leaves out files without mode 0700, which cleanup sets when, and only when,
  the text is complete (Postfix's mail_open_ok.c and mail_stream.c).

That a letter was *not* taken is proved by their absence, in this order. (1) No SMTP session that began before is open
any more, so no text can be completed later. (2) The queue is listed. A letter that was complete is in it, or has been
fetched by the queue manager, who says so in the log; one that moves from folder to folder during the listing may be
missed by it, and is found by a second one. (3) The log is shown to be written up to now: a connection is made, and its
lines are waited for. (4) The log is read from where it ended before the run's first connection. Whatever breaks this
chain is put in words, and then nothing is said about the letters that were not found.

What this cannot see: a mail system that rewrites envelope senders, lines that a syslog daemon has dropped, an operator
who deletes a letter from the queue, a program of the same host that writes lines in Postfix's name. A client cannot:
Postfix replaces control characters in what it logs, so no client's text comes to the beginning of a line.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import stat
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from newsletter.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from typing import BinaryIO

HEAD_BYTES: Final = 4096  # so much of a log's beginning tells it from any other: times, process numbers, queue ids
MAX_LINE: Final = 65_536  # bytes; Postfix cuts its own lines at about 2,000 (msg_syslog.c)
MAX_LOG_BYTES: Final = 8_000_000_000  # a letter makes five lines of 150 bytes: ten times what 1,000,000 letters need
MAX_QUEUE_BYTES: Final = 2_000_000_000  # an entry has about 300 bytes
QUEUE_SECONDS: Final = 300.0  # showq opens every file of the queue
ALIVE_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.02
LISTINGS: Final = 2  # what is renamed during the first is found by the second
END_SECONDS: Final = 1.0

# The beginning of a line as postlogd, rsyslog and syslog-ng write it: time (RFC 3164 section 4.1.2 or RFC 3339), host,
# instance (``postfix``, ``postfix-out``) and perhaps service (``postfix/submission/smtpd``). A line in any other form
# counts for nothing, and then no connection shows up either, so that nobody is called missing.
_BEGINNING: Final = (
    rb"(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9:]{4,6}))"
    rb" [^ ]+ [\w.-]+/(?:[\w.:-]+/)*"
)
TAKEN: Final = re.compile(
    _BEGINNING
    + rb"[no]?qmgr\[[0-9]+\]: [0-9A-Za-z]+: from=<([^<> ]+)>, size=[0-9]+, nrcpt=[0-9]+ \(queue active\)\r?\n"
)
SESSION: Final = re.compile(_BEGINNING + rb"smtpd\[([0-9]+)\]: (connect|disconnect) from ")
DIED: Final = re.compile(
    _BEGINNING + rb"master\[[0-9]+\]: warning: process \S+ pid ([0-9]+) (?:exit status|killed by signal) [0-9]+\r?\n"
)
RESTARTED: Final = re.compile(_BEGINNING + rb"master\[[0-9]+\]: daemon started -- ")
POSITION: Final = re.compile(r"([0-9]{1,20}):([0-9]{1,20}):([0-9]{1,4}):([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PostfixRecords:
    """Where our relay's records are.

    Attributes:
        log: what it writes, as ``/var/log/mail.log``; yesterday's is expected beside it under the same name with .1.
        queue: the command that lists its queue as JSON lines, ``("postqueue", "-j")``; empty where none can be asked,
            and then letters can be found but never be called missing.
    """

    log: Path
    queue: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the records say.

    Attributes:
        taken: those of the senders asked for whose letter the relay has or had.
        missing: empty when all others were certainly not taken; otherwise in words why that cannot be known.
        again: whether asking later can tell: nothing is wrong with the records, the relay is just not done.
    """

    taken: frozenset[str]
    missing: str
    again: bool = False


class _TooEarlyError(DeliveryError):
    """Later they can tell."""


def position(log: Path) -> str:
    """Where the log ends now, for the store: the file's inode number, its size, and a digest of its beginning.

    To be called before the first connection of a run. A log that is empty cannot be recognised later, so that a
    connection should be made before (``probe`` of ``ask``).

    Raises:
        DeliveryError: the log cannot be read.
    """
    with _open(log) as file:
        try:
            head = file.read(HEAD_BYTES)
        except OSError as error:
            raise DeliveryError(f"{log} cannot be read: {error.strerror or error}") from error
        status = _status(file)
    return f"{status.st_ino}:{status.st_size}:{len(head)}:{sha256(head).hexdigest()}"


def ask(
    records: PostfixRecords,
    since: str,
    senders: Collection[str],
    probe: Callable[[], None],
    *,
    alive_seconds: float = ALIVE_SECONDS,
    queue_seconds: float = QUEUE_SECONDS,
) -> Answer:
    """Whose letters were taken; and whether all others were not.

    It does not wait for sessions to end: while one is open, ``missing`` says so, and it is to be asked again later. To
    have the records themselves tested, ask for some senders too whose letters are known to have been taken.

    Args:
        records: where to look.
        since: what ``position`` said before the run's first connection.
        senders: envelope senders; upper and lower case are not told apart.
        probe: makes one connection to the relay (EHLO, QUIT), so that there is something new in the log.
        alive_seconds: how long to wait for that connection's lines.
        queue_seconds: how long one listing of the queue may take.
    """
    if not senders:
        return Answer(frozenset(), "")
    search = _Search({sender.lower().encode(): sender for sender in senders})
    faults: list[str] = []
    is_early = False
    with ExitStack() as stack:
        try:
            logs = _Logs.open_since(records.log, since, stack)
        except (DeliveryError, OSError) as error:
            faults.append(_in_words(error))
            logs = _Logs.open_all(records.log, stack)
        # Proof that a letter was taken is proof also where the chain is broken, so that all is read in any case.
        steps = [partial(_list_queue, records.queue, search, queue_seconds), partial(_read_logs, logs, search)]
        if not faults:
            steps.insert(1, partial(_prove_alive, logs, probe, alive_seconds))
        for step in steps:
            try:
                step()
            except (DeliveryError, OSError) as error:
                faults.append(_in_words(error))
                is_early = isinstance(error, _TooEarlyError) and len(faults) == 1
    taken = frozenset(search.taken)
    if len(taken) == len(search.wanted):
        return Answer(taken, "")
    return Answer(taken, "; ".join(faults), again=is_early)


def prove_alive(log: Path, probe: Callable[[], None], *, alive_seconds: float = ALIVE_SECONDS) -> None:
    """Make a connection, and see that it comes into the log: it is this relay's, and it is written.

    Raises:
        DeliveryError: it is not, or the log cannot be read, or the relay does not answer.
    """
    with ExitStack() as stack:
        try:
            _prove_alive(_Logs.open_all(log, stack), probe, alive_seconds)
        except OSError as error:
            raise DeliveryError(_in_words(error)) from error


def _in_words(error: DeliveryError | OSError) -> str:
    if isinstance(error, DeliveryError):
        return str(error)
    return f"the relay's records cannot be read: {error.strerror or error}"


@dataclass(slots=True)
class _Search:
    """What is looked for, and what was found: ``wanted`` has the senders as asked for by their folded bytes."""

    wanted: dict[bytes, str]
    taken: set[str] = field(default_factory=set)
    sessions: set[bytes] = field(default_factory=set)  # process numbers of the SMTP servers that have a client

    def found(self, sender: bytes) -> None:
        """The relay has or had a letter from this sender."""
        name = self.wanted.get(sender.lower())
        if name is not None:
            self.taken.add(name)

    def line(self, line: bytes) -> None:
        """One line of the log."""
        if b"qmgr[" in line and (taken := TAKEN.fullmatch(line)):
            self.found(taken[1])
        elif b"connect from " in line and (session := SESSION.match(line)):
            if session[2] == b"connect":
                self.sessions.add(session[1])
            else:
                self.sessions.discard(session[1])
        elif b"/master[" in line:
            if died := DIED.fullmatch(line):  # it says no farewell
                self.sessions.discard(died[1])
            elif RESTARTED.match(line):  # nobody of those before is left
                self.sessions.clear()


# --- the queue ------------------------------------------------------------------------------------------------


def _list_queue(command: tuple[str, ...], search: _Search, seconds: float) -> None:
    """Note which letters are in the queue; DeliveryError when it cannot be listed whole."""
    if not command:
        raise DeliveryError("there is no queue to list, where letters may lie that the log does not name yet")
    for _ in range(LISTINGS):
        for line in _output(command, seconds):
            sender = _sender_of(line)
            if sender is None:
                raise DeliveryError(f"{command[0]} does not list the queue as JSON lines")
            search.found(sender)


def _output(command: tuple[str, ...], seconds: float) -> Iterator[bytes]:
    """The lines that it prints, without their ends; DeliveryError when it fails or takes or says too much."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise DeliveryError(f"{command[0]} cannot be run: {error.strerror or error}") from error
    deadline = time.monotonic() + seconds
    try:
        yield from _lines_until(process, deadline)
        code = process.wait(max(deadline - time.monotonic(), 0))
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise DeliveryError(f"{command[0]} did not list the queue within {seconds:g} s") from error
    except ValueError as error:
        raise DeliveryError(f"{command[0]} does not list the queue: {error}") from error
    finally:
        _end(process)
    if code:
        raise DeliveryError(f"{command[0]} could not list the queue: it ended with {code}")


def _lines_until(process: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    """Its output by lines; TimeoutError after the deadline, ValueError when a line or the whole is too long."""
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    rest, left = b"", MAX_QUEUE_BYTES
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(deadline - time.monotonic(), 0)):
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), MAX_LINE)
            left -= len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
            if len(rest) > MAX_LINE or left < 0:
                raise ValueError("its output is too long")
            if not piece:
                break
    if rest:
        raise ValueError("its last line has no end")


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that it is gone, also when nobody read it to its end; one that may not be killed loses its reader."""
    if process.stdout is not None:
        process.stdout.close()
    with suppress(PermissionError):
        process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)


def _sender_of(line: bytes) -> bytes | None:
    """The envelope sender of one entry (postqueue(1), JSON OBJECT FORMAT); None when it is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("queue_id"), str):
        return None
    sender = entry.get("sender")
    return sender.encode("utf-8", "replace") if isinstance(sender, str) else None


# --- the log --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Logs:
    """The open files of the log, oldest first, each at the place from where to read; the last is the one in use.

    Attributes:
        path: of the one in use.
        files: empty when none could be opened.
        settled: where the one in use ended when it was opened, in bytes.
        since: the position from which they were opened; empty when it was not found.
    """

    path: Path
    files: tuple[BinaryIO, ...]
    settled: int
    since: str

    @classmethod
    def open_since(cls, path: Path, since: str, stack: ExitStack) -> _Logs:
        """From a position on; DeliveryError when the records do not reach back to it."""
        parsed = POSITION.fullmatch(since)
        if parsed is None:
            raise DeliveryError("it was not written down where the log ended when the run began")
        inode, offset, head = (int(part) for part in parsed.groups()[:3])
        if not head:
            raise DeliveryError(f"{path} was empty when the run began, and an empty file cannot be recognised later")
        files = [stack.enter_context(_open(path))]
        if _status(files[0]).st_ino != inode:
            files.insert(0, stack.enter_context(_open(_older(path))))
        if _status(files[0]).st_ino != inode:
            raise DeliveryError(f"{path} and {_older(path).name} do not reach back to the beginning of the run")
        if not _is_same(files[0], since):
            raise DeliveryError(f"{path} was cut off or replaced since the run began; rotate it by renaming")
        if sum(_status(file).st_size for file in files) - offset > MAX_LOG_BYTES:
            raise DeliveryError(f"{path} has grown by more than {MAX_LOG_BYTES} bytes since the run began")
        _go_to_line(files[0], offset)
        return cls(path, tuple(files), _status(files[-1]).st_size, since)

    @classmethod
    def open_all(cls, path: Path, stack: ExitStack) -> _Logs:
        """As much as there is."""
        files = []
        for part in (_older(path), path):
            with suppress(DeliveryError):
                files.append(stack.enter_context(_open(part)))
        return cls(path, tuple(files), 0, "")

    def still_the_same(self) -> bool:
        """Whether nobody has rotated or cut off the log since it was opened."""
        used = _status(self.files[-1])
        try:
            named = self.path.stat()
        except OSError:
            return False
        is_named = (named.st_dev, named.st_ino) == (used.st_dev, used.st_ino)
        return is_named and used.st_size >= self.settled and _is_same(self.files[0], self.since)


def _open(path: Path) -> BinaryIO:
    """A regular file for reading; DeliveryError when that is not possible."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe would block for ever
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DeliveryError(f"{path} cannot be read: it is not a regular file")
    return os.fdopen(descriptor, "rb")


def _older(path: Path) -> Path:
    """What it is called after one rotation; older ones are compressed."""
    return path.with_name(f"{path.name}.1")


def _status(file: BinaryIO) -> os.stat_result:
    return os.fstat(file.fileno())


def _is_same(file: BinaryIO, since: str) -> bool:
    """Whether it begins as it did at that position, and has not become shorter."""
    _, offset, head, digest = since.split(":")
    begins = os.pread(file.fileno(), int(head), 0)
    return sha256(begins).hexdigest() == digest and _status(file).st_size >= int(offset)


def _go_to_line(file: BinaryIO, offset: int) -> None:
    """To the first line that begins there or later: the rest of a line could look like anything."""
    file.seek(max(offset - 1, 0))
    while offset and (piece := file.readline(MAX_LINE)) and not piece.endswith(b"\n"):
        pass


def _lines(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The lines that begin before ``end``, in bytes; what is too long or has no end yet is left out."""
    left = end - file.tell()
    is_beginning = True
    while (left > 0 or not is_beginning) and (piece := file.readline(MAX_LINE)):
        left -= len(piece)
        is_whole = piece.endswith(b"\n")
        if is_beginning and is_whole:
            yield piece
        is_beginning = is_whole


def _read_logs(logs: _Logs, search: _Search) -> None:
    """Note which letters are in the log; DeliveryError when it does not prove that the others are in none."""
    for file in logs.files[:-1]:
        for line in _lines(file, MAX_LOG_BYTES):
            search.line(line)
    if not logs.files:
        return  # which has been said
    used = logs.files[-1]
    for line in _lines(used, logs.settled):
        search.line(line)
    open_sessions = len(search.sessions)
    for line in _lines(used, min(_status(used).st_size, logs.settled + MAX_LOG_BYTES)):
        search.line(line)
    if not logs.since:
        return  # likewise
    if not logs.still_the_same():
        raise _TooEarlyError(f"{logs.path} was rotated or cut off while it was read; ask again")
    if open_sessions:
        raise _TooEarlyError(f"the relay still had {open_sessions} SMTP sessions open; ask again when they have ended")


def _prove_alive(logs: _Logs, probe: Callable[[], None], seconds: float) -> None:
    """Make a connection, and wait until one that began after this moment is in the log from its beginning to its end.

    Raises:
        DeliveryError: there is none. A relay that is down or busy tells nothing about its records: later they can.
    """
    used = logs.files[-1]
    tail = _Tail(used.fileno(), _status(used).st_size)
    try:
        probe()
    except (DeliveryError, OSError) as error:  # those of smtplib are among them
        raise _TooEarlyError(f"the relay does not answer, so that its log cannot be trusted: {error}") from error
    deadline = time.monotonic() + seconds
    while not tail.has_session():
        if time.monotonic() > deadline:
            raise DeliveryError(
                f"a connection to the relay did not show up in {logs.path} within {seconds:g} s: "
                "is it the log of this relay, and is it written?"
            )
        time.sleep(LOOK_SECONDS)


class _Tail:
    """What is added to a file after ``offset``."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = max(offset - 1, 0)
        self._is_inside = offset > 0  # of a line, whose rest does not count
        self._begun: set[bytes] = set()

    def has_session(self) -> bool:
        """Whether an SMTP session has begun and ended since."""
        while data := os.pread(self._descriptor, MAX_LINE, self._offset):
            end = (data.find(b"\n") if self._is_inside else data.rfind(b"\n")) + 1
            if not end and len(data) < MAX_LINE and not self._is_inside:
                return False  # the line is still being written
            if not self._is_inside and any(self._ends_session(line) for line in data[:end].split(b"\n")):
                return True
            self._is_inside = not end
            self._offset += end or len(data)
        return False

    def _ends_session(self, line: bytes) -> bool:
        session = SESSION.match(line)
        if session is None:
            return False
        if session[2] == b"connect":
            self._begun.add(session[1])
            return False
        return session[1] in self._begun
