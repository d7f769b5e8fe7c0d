"""Bytes to the relay and answers from it: the part of the SMTP client that knows no command.

Everything that comes is bounded, in size and in time: answers without end, what is no SMTP, silence.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

MAX_REPLY: Final = 300  # characters of a reply that are kept
MAX_REPLY_LINE: Final = 2_000  # bytes; RFC 5321 section 4.5.3.1.5 says 512, relays that explain themselves say more
MAX_REPLY_LINES: Final = 100  # of one reply
READ_BYTES: Final = 4_096  # at a time: more than the answers to one letter and the next envelope
QUIT_SECONDS: Final = 5.0
CLOSING: Final = 421

CLOSED_BY_RELAY: Final = "the relay closed it"
UNEXPECTED: Final = "Connection unexpectedly closed"
SAID: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
UNPRINTABLE: Final = re.compile(r"[^!-~]+")

Answer: TypeAlias = tuple[int, bytes]  # code, and the texts of its lines, joined by LF


class Wire(asyncio.BufferedProtocol):
    """Bytes to the relay, and what comes back cut into answers; it knows when it has waited long enough.

    At most one text and one envelope are on their way before an answer is waited for, so writing needs no brake.
    ``lost`` is empty as long as the connection is good, afterwards it says what ended it. Answers that came before the
    end can still be taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lost = ""
        self._loop = loop
        self.transport: asyncio.Transport | None = None  # TLS puts itself in between
        self._closed = loop.create_future()
        self._buffer = memoryview(bytearray(READ_BYTES))  # a view, since asyncio's TLS slices it
        self._partial = b""  # a line that has not ended yet
        self._lines: list[bytes] = []  # of an answer that has not ended yet
        self._answers: deque[Answer] = deque()
        self._owed = 1  # answers that are still to come; the greeting is the first
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0  # answers, by whoever waits
        self._seconds = 0.0  # for each of them
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    @property
    def is_silent(self) -> bool:
        """Nothing has come that was not asked for, not even a part of a line."""
        return not (self.lost or self._partial or self._lines or self._answers)

    def write(self, parts: Iterable[bytes], answers: int) -> None:
        """Let them leave in one write; so many answers are to be expected."""
        if self.transport is not None and not self.lost:
            self._owed += answers
            self.transport.writelines(parts)

    async def take(self, count: int, seconds: float) -> list[Answer]:
        """The next answers, each waited for so many seconds; fewer when the connection is lost before."""
        if len(self._answers) < count and not self.lost:
            await self._wait(count, seconds)
        return [self._answers.popleft() for _ in range(min(count, len(self._answers)))]

    def lose(self, why: str) -> None:
        """This connection is over: nothing more is read or written."""
        if not self.lost:
            self.lost = shown(why) or "no reason given"
            if self.transport is not None:
                self.transport.abort()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._wake()

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """From here on in secret. OSError when that cannot be, TimeoutError when it takes too long."""
        clear = cast("asyncio.Transport", self.transport)
        try:
            async with asyncio.timeout(seconds):
                self.transport = await self._loop.start_tls(
                    clear, self, context, server_hostname=host, ssl_handshake_timeout=seconds
                )
        except BaseException:
            clear.abort()
            self.connection_lost(None)  # asyncio does not say so of every handshake that came to nothing
            raise
        if self.transport is None:  # it went away at the very end of the handshake
            self.connection_lost(None)

    async def end(self, why: str) -> None:
        """``lose``, and wait until the socket is closed."""
        self.lose(why)
        await asyncio.wait((self._closed,), timeout=QUIT_SECONDS)

    # --- asyncio's hooks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # answers are short
        """Where bytes go; our own, since making one for each read costs more than the read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came: whole lines, parts of lines, or what is no SMTP at all."""
        data = bytes(self._buffer[:nbytes])
        lines = (self._partial + data if self._partial else data).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            if not self.lost:
                self._line(line)
        if len(self._partial) > MAX_REPLY_LINE:
            self.lose("its answer has a line without end")

    def eof_received(self) -> None:
        """It has nothing more to say, so there is nobody to talk to: no relay closes one direction alone."""
        self.lose(UNEXPECTED)

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed, by whomever."""
        self.lose(str(error) if error else UNEXPECTED)
        if not self._closed.done():
            self._closed.set_result(None)

    # --- answers

    def _line(self, line: bytes) -> None:
        said = SAID.fullmatch(line.removesuffix(b"\r")) if len(line) <= MAX_REPLY_LINE else None
        if said is None:
            self.lose("the answer is not SMTP")
            return
        code, mark, words = said.groups()
        if mark == b"-":
            self._lines.append(words)
            if len(self._lines) >= MAX_REPLY_LINES:
                self.lose(f"its answer has more than {MAX_REPLY_LINES} lines")
            return
        if self._lines:
            words = b"\n".join((*self._lines, words or b""))
            self._lines.clear()
        self._answered(int(code), words or b"")

    def _answered(self, code: int, words: bytes) -> None:
        if not self._owed:  # RFC 5321 section 3.8: 421 may come at any time; everything else is out of step
            self.lose(CLOSED_BY_RELAY if code == CLOSING else "an answer that nobody asked for")
            return
        self._owed -= 1
        self._answers.append((code, words))
        if len(self._answers) >= self._wanted:
            self._wake()
        else:
            self._deadline = self._loop.time() + self._seconds

    # --- waiting

    async def _wait(self, count: int, seconds: float) -> None:
        """Until so many answers are there, or none will come any more."""
        self._waiter = self._loop.create_future()
        self._wanted, self._seconds = count, seconds
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer_at > self._deadline:
            self._arm()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.lose("given up")
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _arm(self) -> None:
        """One timer for all waits: each moves the deadline, and the timer looks at it only when it goes off."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self.lose("timed out")
        else:
            self._arm()


def shown(said: bytes | str, recipient: str = "", sender: str = "") -> str:
    """In one line of printable ASCII, bounded: what is kept names no recipient, and no sender with its token."""
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    if recipient and recipient.lower() in text.lower():
        text = re.sub(re.escape(recipient), "(recipient)", text, flags=re.IGNORECASE)
    if sender and sender.lower() in text.lower():
        text = re.sub(re.escape(sender), "(sender)", text, flags=re.IGNORECASE)
    return UNPRINTABLE.sub(" ", text).strip()[:MAX_REPLY]
