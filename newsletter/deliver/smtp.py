"""One connection to one relay, and what it says: a small pipelined SMTP client (RFC 5321, RFC 2920) on asyncio.

``Connection`` is for whoever sends many letters: the text of one letter and the envelope of the next leave in one
write, so a letter costs one round trip. ``Session`` is the same dialogue for a few letters, without asyncio.

A relay that cannot be used at all (not there, wrong password, no TLS where TLS is demanded, our sender refused) raises
DeliveryError: nothing was decided about any letter. Everything that concerns one letter is a Reply.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from newsletter.deliver.headers import checked_address
from newsletter.deliver.relay import OK, PERMANENT, greeted
from newsletter.deliver.wire import CLOSED_BY_RELAY, CLOSING, QUIT_SECONDS, shown
from newsletter.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from newsletter.deliver.relay import Relay
    from newsletter.deliver.wire import Answer, Wire

TRANSIENT: Final = range(400, 500)
GO_AHEAD: Final = range(354, 355)
BAD_SEQUENCE: Final = 503
LOG_IN_FIRST: Final = 530  # RFC 4954 section 6
TOO_LARGE: Final = 552  # RFC 1870 section 6
LOST: Final = 0  # there was no reply
BAD_CONNECTION: Final = "4.4.2"  # RFC 3463 section 3.5
TOO_LARGE_FOR_SYSTEM: Final = "5.3.4"  # RFC 3463 section 3.4
MAX_SIZE_DIGITS: Final = 20  # RFC 1870 section 4

ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)", re.ASCII)
LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)

# The commands of one envelope and the answers that let the next one have its meaning.
STEPS: Final = (("MAIL", OK), ("RCPT", OK), ("DATA", GO_AHEAD))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the relay said about one letter: code (0 when the connection was lost), enhanced code or "", text."""

    code: int
    enhanced: str
    text: str

    @property
    def accepted(self) -> bool:
        """It has the letter now."""
        return self.code in OK

    @property
    def transient(self) -> bool:
        """Trying again later can help. An enhanced code that is kinder than the code decides (RFC 3463 section 2)."""
        return not self.accepted and (self.closing or self.code in TRANSIENT or self.enhanced.startswith("4."))

    @property
    def closing(self) -> bool:
        """The connection is of no more use."""
        return self.code in (LOST, CLOSING)

    def __str__(self) -> str:
        """As the ledger keeps it."""
        return f"{self.code} {self.text}" if self.code else self.text


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where bounces go, and where the letter goes. ValueError when one of them is no address."""

    sender: str
    recipient: str

    def __post_init__(self) -> None:
        checked_address(self.sender)
        checked_address(self.recipient)


def stuffed(message: bytes) -> bytes:
    """The message with every leading dot doubled, as ``Connection.text`` wants it (RFC 5321 section 4.5.2)."""
    return LEADING_DOT.sub(b"..", message)


class Connection:
    """One connection to one relay, for one task at a time: ``offer``, ``text``, ``offer``, ``text`` ..., ``close``.

    Whoever is cancelled while waiting for an answer has lost the connection: the answer would be taken for another's.
    """

    def __init__(self, relay: Relay, wire: Wire, features: dict[str, str]) -> None:
        """Made by ``open``; ``features`` are what the relay said to EHLO, keyword -> parameters."""
        self._relay = relay
        self._wire = wire
        self.pipelining = "PIPELINING" in features
        self._takes_size = "SIZE" in features
        self._max_size = _number(features.get("SIZE", ""))  # 0 when there is no such limit
        # RFC 3461: bounces need not carry the letter back, and nobody wants to hear of delays.
        self._mail_options, self._rcpt_options = (" RET=HDRS", " NOTIFY=FAILURE") if "DSN" in features else ("", "")
        self._ahead: Envelope | None = None  # written together with the text before, its answers not yet read
        self._waits_for: Envelope | None = None  # the relay said 354
        self._needs_reset = False

    @classmethod
    async def open(cls, relay: Relay) -> Self:
        """Connected, encrypted and logged in as the settings say.

        Raises:
            DeliveryError: that cannot be.
        """
        return cls(relay, *await greeted(relay))

    @property
    def usable(self) -> bool:
        """Whether another letter can be offered here; False once the relay closes or was lost."""
        return not self._wire.lost

    async def offer(self, envelope: Envelope, size: int | None = None) -> Reply | None:
        """Sender, recipient, and the wish to send; an envelope that ``text`` has already written is not written again.

        Args:
            envelope: of the letter that comes next.
            size: of its message in bytes, if known: the relay can refuse it before it has travelled.

        Returns:
            None when the relay waits for the text: ``text`` or ``abort`` must follow. Otherwise why it does not; of
            this letter nothing was sent.

        Raises:
            DeliveryError: it does not want our sender, or a password first; it does not have this letter.
        """
        ahead, self._ahead = self._ahead, None
        if ahead == envelope:
            return await self._judged(await self._wire.take(len(STEPS), self._relay.timeout_seconds), envelope)
        if ahead is not None or self._waits_for is not None:
            return self._lost("another letter was under way")  # what came now would be taken for its text
        if not self.usable:
            return self._lost()
        if self._is_too_large(size):
            words = f"the relay takes letters of up to {self._max_size} bytes; this one has {size}"
            return Reply(TOO_LARGE, TOO_LARGE_FOR_SYSTEM, f"{TOO_LARGE_FOR_SYSTEM} {words}")
        has_reset, self._needs_reset = self._needs_reset, False
        answers = await self._say(self._commands(envelope, size, has_reset=has_reset))
        if has_reset and answers:
            code, _ = answers.pop(0)
            if code not in OK:
                return self._lost(f"{code} is no answer to RSET")
        return await self._judged(answers, envelope)

    async def text(
        self,
        message: bytes,
        following: Envelope | None = None,
        following_size: int | None = None,
        *,
        written: Callable[[], None] = lambda: None,
    ) -> Reply:
        """The letter itself, after ``offer`` returned None.

        Args:
            message: all lines end with CRLF, the last one too, and **leading dots are already doubled** (``stuffed``);
                only the end is looked at here.
            following: what will be offered next; where the relay can pipeline it leaves together with this text.
            following_size: as for ``offer``.
            written: told when the text was handed to the system, before the answer.

        Returns:
            What the relay decided. ``Reply(LOST, "4.4.2", ...)`` is a letter of which only the relay knows whether it
            has it (RFC 1047); it certainly has not when the connection was not ``usable`` before the call.

        Raises:
            ValueError: no text is waited for, or it does not end with CRLF.
        """
        envelope = self._waits_for
        if envelope is None or not message.endswith(b"\r\n"):
            raise ValueError("a text ends with CRLF and comes after an envelope that was taken")
        self._waits_for = None
        end, answers = b".\r\n", 1
        if following is not None and self.pipelining and not self._is_too_large(following_size):
            end += b"".join(self._commands(following, following_size))
            answers += len(STEPS)
            self._ahead = following
        self._wire.write((message, end), answers)
        written()
        said = await self._wire.take(1, self._relay.final_seconds)
        if not said:
            return self._lost()
        code, words = said[0]
        if code not in OK and code not in TRANSIENT and code not in PERMANENT:
            return self._lost(f"{code} is no answer to a letter")
        return self._reply(code, words, envelope)

    def abort(self) -> None:
        """Hang up at once: a letter whose text is not complete is none (RFC 5321 section 4.1.1.4)."""
        self._wire.lose("given up")

    async def close(self) -> None:
        """Say goodbye, if anybody is listening and would not take it for a letter; wait until all is closed."""
        if self.usable and self._ahead is None and self._waits_for is None:
            self._wire.write((b"QUIT\r\n",), 1)
            await self._wire.take(1, QUIT_SECONDS)
        await self._wire.end("closed")

    def _commands(self, envelope: Envelope, size: int | None, *, has_reset: bool = False) -> list[bytes]:
        size_option = f" SIZE={size}" if size is not None and self._takes_size else ""
        commands = [
            f"MAIL FROM:<{envelope.sender}>{size_option}{self._mail_options}\r\n".encode(),
            f"RCPT TO:<{envelope.recipient}>{self._rcpt_options}\r\n".encode(),
            b"DATA\r\n",
        ]
        return [b"RSET\r\n", *commands] if has_reset else commands

    async def _say(self, commands: list[bytes]) -> list[Answer]:
        """All commands and their answers; fewer answers when one made the following commands senseless."""
        wire, seconds = self._wire, self._relay.timeout_seconds
        if self.pipelining:
            wire.write((b"".join(commands),), len(commands))
            return await wire.take(len(commands), seconds)
        answers: list[Answer] = []
        for command in commands:
            wire.write((command,), 1)
            said = await wire.take(1, seconds)
            answers += said
            if not said or said[0][0] not in OK:
                break
        return answers

    async def _judged(self, answers: list[Answer], envelope: Envelope) -> Reply | None:
        """What the answers to an envelope amount to: the first one that is not as wished decides."""
        steps = zip(answers, STEPS, strict=False)
        refusal = next((step for step in steps if step[0][0] not in step[1][1]), None)
        if refusal is None:
            if len(answers) < len(STEPS) or not self.usable:
                return self._lost()
            self._waits_for = envelope
            return None
        (code, words), (command, _) = refusal
        if code == BAD_SEQUENCE or not (code in TRANSIENT or code in PERMANENT):
            return self._lost(f"{code} is no answer to {command}")  # we have lost each other: that is said of no letter
        if any(each == CLOSING for each, _ in answers):
            self._wire.lose(CLOSED_BY_RELAY)
        if len(answers) == len(STEPS) and answers[-1][0] in GO_AHEAD:
            # RFC 2920 section 3.1: DATA may be taken although nobody is left to get it; then an empty text ends that.
            self._wire.write((b".\r\n",), 1)
            await self._wire.take(1, self._relay.timeout_seconds)
        self._needs_reset = True
        return self._refused(command, code, words, envelope)

    def _refused(self, command: str, code: int, words: bytes, envelope: Envelope) -> Reply:
        reply = self._reply(code, words, envelope)
        if command == "MAIL" and code in PERMANENT and code != TOO_LARGE and not reply.transient:
            # It has not judged the recipient yet: what it refuses is us, and that says nothing about any letter.
            # The sender's local part may hold a token of the letter, which is nobody's business (VERP).
            domain = envelope.sender.rpartition("@")[2]
            raise DeliveryError(f"{self._relay} refuses our sender at {domain}: {reply}", permanent=True)
        if code == LOG_IN_FIRST:
            raise DeliveryError(f"{self._relay} wants a user name and a password: {reply}", permanent=True)
        return reply

    def _reply(self, code: int, words: bytes, envelope: Envelope) -> Reply:
        if code == CLOSING:
            self._wire.lose(CLOSED_BY_RELAY)
        text = shown(words, envelope.recipient, envelope.sender)
        enhanced = ENHANCED.match(text)
        return Reply(code, enhanced[0] if enhanced else "", text)

    def _lost(self, why: str = "") -> Reply:
        if why:
            self._wire.lose(why)
        return Reply(LOST, BAD_CONNECTION, f"{BAD_CONNECTION} the connection was lost: {self._wire.lost}")

    def _is_too_large(self, size: int | None) -> bool:
        return size is not None and 0 < self._max_size < size


class Session:
    """A connection that the first letter opens, that is kept for the next ones, and opened again when it was lost.

    For threads in which no event loop runs; one thread at a time.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._runner: asyncio.Runner | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, sender: str, recipient: str, message: bytes) -> Reply:
        """Hand one letter over.

        Args:
            sender: the envelope's, where bounces go.
            recipient: the envelope's.
            message: lines end with CRLF, the last one too; leading dots are doubled here.

        Raises:
            DeliveryError: the relay cannot be used; it does not have this letter.
            ValueError: sender or recipient is no address, or the message has no end.
        """
        envelope = Envelope(sender, recipient)
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(self._send(envelope, message))

    def close(self) -> None:
        """Say goodbye, if anybody is listening."""
        if self._runner is not None:
            self._runner.run(self._drop())
            self._runner.close()
            self._runner = None

    async def _send(self, envelope: Envelope, message: bytes) -> Reply:
        was_open = self._connection is not None
        reply, text_left = await self._try(envelope, message)
        if reply.closing and was_open and not text_left:
            # Relays close connections that idled or carried many letters: that says nothing about this letter.
            reply, _ = await self._try(envelope, message)
        return reply

    async def _try(self, envelope: Envelope, message: bytes) -> tuple[Reply, bool]:
        """The dialogue, once: what came of it, and whether the text had begun to leave."""
        connection = self._connection = self._connection or await Connection.open(self._relay)
        text_left = False
        try:
            reply = await connection.offer(envelope, len(message))
            if reply is None:
                text_left = True
                reply = await connection.text(stuffed(message))
        finally:
            if not connection.usable:
                await self._drop()
        return reply, text_left

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _number(said: str) -> int:
    """Of decimal digits; 0 when it is none."""
    return int(said) if said.isascii() and said.isdigit() and len(said) <= MAX_SIZE_DIGITS else 0
