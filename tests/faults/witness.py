"""The witness: a mail server that writes down what it takes before it says so, and misbehaves as a seed tells it.

    python -m tests.faults.witness --record FILE --log FILE --seed 1 --faults drop=0.01,late=0.02

It prints its port and serves 127.0.0.1 until SIGTERM. ``--record`` gets one JSON line for each letter that it took,
and for each fault that it made, written before anything is answered. ``--log`` gets what a Postfix would have logged,
so that the product's own code can ask it; like Postfix it names a Message-ID (cleanup) also for a text that it got
only half of, and writes the queue manager's line for nothing but a whole one (references: delivery, section 3).

What it does to a letter depends on the seed, the recipient and how often that recipient was named before: not on the
order in which letters come. The faults are in ``FAULTS``.
"""

# ruff: noqa: T201 -- its port is its output

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

FAULTS: Final = {
    "4xx": "a temporary refusal, after RCPT or after the text",
    "5xx": "a permanent one, after RCPT: always the same recipients",
    "greylist": "450 when a recipient is named for the first time: always the same recipients",
    "drop": "hangs up in the middle of the text",
    "take-drop": "takes the letter, then hangs up without a word",
    "late": "takes the letter a while after the last dot, whether or not the client is still there",
    "stall": "says nothing after the last dot and does not take the letter",
    "refuse": "421 instead of a greeting",
}
PER_RECIPIENT: Final = ("5xx", "greylist")
PER_CONNECTION: Final = ("refuse",)
PER_LETTER: Final = ("4xx", "drop", "take-drop", "late", "stall")

LATE_SECONDS: Final = (0.05, 0.4)
STALL_SECONDS: Final = 60.0  # then it hangs up itself; a client with a time-out is gone long before
MAX_DROP_BYTES: Final = 3_000  # the text is cut somewhere before that
MAX_LINE: Final = 2_000  # RFC 5321 section 4.5.3.1.4 asks for 512 and room for parameters
MAX_LETTER: Final = 10_000_000
BACKLOG: Final = 512

PATH: Final = re.compile(rb"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)
TOKEN: Final = re.compile(r"/u/([A-Za-z0-9_-]+)>")
END: Final = b"\r\n.\r\n"
GREETING: Final = b"220 witness.example ESMTP\r\n"
EHLO: Final = b"250-witness.example\r\n250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
WHERE: Final = "localhost[127.0.0.1]"


@dataclass(frozen=True, slots=True)
class Script:
    """What goes wrong: the probability of each fault by its name, and the seed that decides when."""

    seed: int
    faults: Mapping[str, float] = field(default_factory=dict)

    def has(self, fault: str, what: object) -> bool:
        """Whether this recipient (or connection) always meets this fault."""
        chance = self.faults.get(fault, 0.0)
        return bool(chance) and random.Random(f"{self.seed}|{fault}|{what}").random() < chance

    def of_letter(self, recipient: str, attempt: int) -> tuple[str, random.Random]:
        """The fault that this attempt meets, or "", and the chance that decides its details."""
        rng = random.Random(f"{self.seed}|letter|{recipient}|{attempt}")
        drawn = rng.random()
        for fault in PER_LETTER:
            drawn -= self.faults.get(fault, 0.0)
            if drawn < 0:
                return fault, rng
        return "", rng


def parse_faults(text: str) -> dict[str, float]:
    """``drop=0.01,late=0.02``; ValueError for what is no fault or no probability."""
    found = {}
    for item in filter(None, text.split(",")):
        name, _, chance = item.partition("=")
        if name not in FAULTS or not 0 <= float(chance) <= 1:
            raise ValueError(f"{item!r}: write NAME=PROBABILITY, with a name out of {', '.join(FAULTS)}")
        found[name] = float(chance)
    return found


class Books:
    """The record and the log, each written with one system call a line, so that neither can be behind the answer."""

    def __init__(self, record: Path, log: Path, script: Script) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._record = os.open(record, flags, 0o600)
        self._log = os.open(log, flags, 0o600)
        self.script = script
        self.named: Counter[str] = Counter()  # how often each recipient was named
        self.connections = 0
        self._taken = 0
        self.log("master[1]: daemon started -- version 3.7.11, configuration /etc/postfix")

    def fault(self, name: str, recipient: str = "") -> None:
        """A fault is about to be made."""
        self._note({"fault": name, "recipient": recipient})

    def take(self, process: int, opened: float, sender: str, recipients: list[str], text: bytes) -> None:
        """One letter is ours now; ``opened`` is when its connection began (monotonic seconds)."""
        self._taken += 1
        queue_id = f"A{self._taken:09X}"
        headers = headers_of(text)
        message_id = headers.get("message-id", "")
        token = TOKEN.search(headers.get("list-unsubscribe", ""))
        for recipient in recipients:
            line = {
                "taken": self._taken,
                "sender": sender,
                "recipient": recipient,
                "message_id": message_id,
                "token": token[1] if token else "",
                "to": headers.get("to", ""),
                "sha256": sha256(text).hexdigest(),
                "size": len(text),
                "opened": opened,
            }
            self._note(line)
        self.log(
            f"cleanup[{process}]: {queue_id}: message-id={message_id}",
            f"qmgr[1]: {queue_id}: from=<{sender}>, size={len(text)}, nrcpt={len(recipients)} (queue active)",
        )

    def log(self, *lines: str) -> None:
        """Lines as Postfix writes them: time, host, program[process]: words."""
        now = datetime.now().astimezone().isoformat()
        os.write(self._log, "".join(f"{now} witness postfix/{line}\n" for line in lines).encode())

    def _note(self, line: dict[str, Any]) -> None:
        os.write(self._record, json.dumps(line).encode() + b"\n")


def headers_of(text: bytes) -> dict[str, str]:
    """The header fields by their names in lower case, unfolded; the first of each name."""
    head = text.partition(b"\r\n\r\n")[0].decode("latin-1")
    found: dict[str, str] = {}
    for line in re.sub(r"\r\n[ \t]+", " ", head).split("\r\n"):
        name, _, value = line.partition(":")
        found.setdefault(name.lower(), value.strip())
    return found


class Mode(Enum):
    """What the connection is in the middle of."""

    COMMANDS = auto()
    TEXT = auto()
    BUSY = auto()  # nothing is read on before the letter at hand is decided
    STALLED = auto()
    OVER = auto()


class Visit(asyncio.Protocol):
    """One connection."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._transport: asyncio.Transport | None = None
        self._opened = time.monotonic()
        self._buffer = bytearray()
        self._mode = Mode.COMMANDS
        self._searched = 0
        self._here = True
        self._process = 0
        self._forget()

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._books.connections += 1
        self._process = 1_000 + self._books.connections
        if self._books.script.has("refuse", self._books.connections):
            self._books.fault("refuse")
            self._say(b"421 4.3.2 witness.example is busy\r\n")
            self._mode = Mode.OVER
            transport.close()
            return
        self._books.log(f"smtpd[{self._process}]: connect from {WHERE}")
        self._say(GREETING)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's name
        self._here = False
        if self._mode is Mode.TEXT:
            self._half()
        if self._mode is not Mode.BUSY:
            self._leave()

    def data_received(self, data: bytes) -> None:
        if self._mode is not Mode.STALLED:
            self._buffer += data
            self._work()

    def _leave(self) -> None:
        """The last line of a connection, once it can take no letter any more."""
        if self._mode is not Mode.OVER:
            self._mode = Mode.OVER
            self._books.log(f"smtpd[{self._process}]: disconnect from {WHERE} commands=1")

    def _hang_up(self) -> None:
        assert self._transport is not None
        if self._rng.random() < 0.5:
            self._transport.abort()
        else:
            self._transport.close()
        self._leave()

    def _say(self, reply: bytes) -> None:
        if self._here and self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)

    # --- commands

    def _work(self) -> None:
        while True:
            if self._mode is Mode.COMMANDS:
                end = self._buffer.find(b"\n")
                if end < 0:
                    if len(self._buffer) > MAX_LINE:
                        self._hang_up()
                    return
                line = bytes(self._buffer[:end]).rstrip(b"\r")
                del self._buffer[: end + 1]
                self._command(line)
            elif self._mode is not Mode.TEXT or not self._read_text():
                return

    def _command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if verb == b"MAIL":
            self._mail(rest)
        elif verb == b"RCPT":
            self._rcpt(rest)
        elif verb == b"DATA":
            self._data()
        elif verb == b"EHLO":
            self._forget()
            self._say(EHLO % MAX_LETTER)
        elif verb in {b"HELO", b"RSET", b"NOOP"}:
            if verb != b"NOOP":
                self._forget()
            self._say(b"250 2.0.0 ok\r\n")
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 bye\r\n")
            assert self._transport is not None
            self._transport.close()
            self._leave()
        else:
            self._say(b"502 5.5.2 what?\r\n")

    def _forget(self) -> None:
        """The envelope."""
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._fault = ""
        self._rng = random.Random(0)

    def _mail(self, rest: bytes) -> None:
        path = PATH.match(rest)
        if path is None or self._sender is not None:
            self._say(b"503 5.5.1 not now\r\n")
            return
        self._sender = path[1].decode("latin-1")
        self._say(b"250 2.1.0 ok\r\n")

    def _rcpt(self, rest: bytes) -> None:
        path = PATH.match(rest)
        if path is None or self._sender is None:
            self._say(b"503 5.5.1 MAIL first\r\n")
            return
        recipient = path[1].decode("latin-1")
        books, script = self._books, self._books.script
        books.named[recipient] += 1
        if script.has("5xx", recipient):
            books.fault("5xx", recipient)
            self._say(b"550 5.1.1 no such user\r\n")
            return
        if books.named[recipient] == 1 and script.has("greylist", recipient):
            books.fault("greylist", recipient)
            self._say(b"450 4.7.1 greylisted, come back later\r\n")
            return
        self._fault, self._rng = script.of_letter(recipient, books.named[recipient])
        if self._fault == "4xx" and self._rng.random() < 0.5:
            books.fault("4xx", recipient)
            self._say(b"451 4.3.0 something is wrong here, later\r\n")
            return
        self._recipients.append(recipient)
        self._say(b"250 2.1.5 ok\r\n")

    def _data(self) -> None:
        if not self._recipients:
            self._say(b"503 5.5.1 RCPT first\r\n")
            return
        self._mode = Mode.TEXT
        self._searched = 0
        self._cut = self._rng.randrange(MAX_DROP_BYTES) if self._fault == "drop" else MAX_LETTER
        self._say(b"354 go on\r\n")

    # --- the text

    def _read_text(self) -> bool:
        """True when the text is whole and the next command can be read."""
        if self._buffer and len(self._buffer) >= self._cut:
            self._books.fault("drop", self._recipients[0])
            self._half()
            self._hang_up()
            return False
        found = self._buffer.find(END, max(0, self._searched - len(END)))
        if found < 0:
            self._searched = len(self._buffer)
            return False
        text = bytes(self._buffer[: found + 2])
        del self._buffer[: found + len(END)]
        if text.startswith(b"."):
            text = text[1:]
        self._decide(text.replace(b"\r\n.", b"\r\n"))  # RFC 5321 section 4.5.2
        return True

    def _decide(self, text: bytes) -> None:
        fault = self._fault
        if fault in ("4xx", "take-drop", "late", "stall"):
            self._books.fault(fault, self._recipients[0])
        if fault == "4xx":
            self._over(b"451 4.3.1 no room now, later\r\n")
        elif fault == "take-drop":
            self._take(text)
            self._mode = Mode.COMMANDS
            self._hang_up()
        elif fault == "late":
            self._mode = Mode.BUSY
            asyncio.get_running_loop().call_later(self._rng.uniform(*LATE_SECONDS), self._take_late, text)
        elif fault == "stall":
            assert self._transport is not None
            self._mode = Mode.STALLED
            asyncio.get_running_loop().call_later(STALL_SECONDS, self._transport.abort)
        else:
            self._take(text)
            self._over(b"250 2.0.0 taken\r\n")

    def _take(self, text: bytes) -> None:
        self._books.take(self._process, self._opened, self._sender or "", self._recipients, text)

    def _take_late(self, text: bytes) -> None:
        self._take(text)
        self._over(b"250 2.0.0 taken at last\r\n")
        if self._here:
            self._work()
        else:
            self._leave()

    def _over(self, reply: bytes) -> None:
        self._forget()
        self._mode = Mode.COMMANDS
        self._say(reply)

    def _half(self) -> None:
        """What Postfix logs of a text that it got only a part of: a trap for who takes the wrong line as evidence."""
        message_id = headers_of(bytes(self._buffer)).get("message-id", "")
        queue_id = f"F{self._process:09X}"
        if message_id:
            self._books.log(f"cleanup[{self._process}]: {queue_id}: message-id={message_id}")
        self._books.log(f"smtpd[{self._process}]: lost connection after DATA ({len(self._buffer)} bytes) from {WHERE}")


async def serve(books: Books, port: int) -> None:
    """Until SIGTERM."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await loop.create_server(lambda: Visit(books), "127.0.0.1", port, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()
    server.close()


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=parse_faults, default={})
    parser.add_argument("--port", type=int, default=0)
    wanted = parser.parse_args()
    asyncio.run(serve(Books(wanted.record, wanted.log, Script(wanted.seed, wanted.faults)), wanted.port))


if __name__ == "__main__":
    main()
