"""The pipelined connection, against relays that are played line by line, against aiosmtpd and against smtp-sink.

A played relay is a real socket in a thread: it hears what the client wrote, in the pieces in which it arrived, and says
what the test wants. Where a test needs the client to have written something *before* it was answered, the relay simply
does not answer until it has heard it: a client that waits there fails by its time-out.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.smtp import Connection, Envelope, Reply, Session, stuffed
from newsletter.deliver.wire import MAX_REPLY_LINE, MAX_REPLY_LINES
from newsletter.errors import DeliveryError
from tests.support.databases import missing
from tests.support.mailserver import MailServer

SECONDS = 20.0
SHORT = 0.2
ADA = Envelope("news+1@security.example", "ada@example.org")
BASILE = Envelope("news+2@security.example", "basile@example.net")
MESSAGE = b"Subject: x\r\n\r\ntext\r\n"
FEATURES = (b"250-relay.example", b"250-PIPELINING", b"250 ENHANCEDSTATUSCODES")


class Peer:
    """The relay's end of one connection."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(SECONDS)
        self.socket = connected
        self._heard = b""

    def say(self, *lines: bytes) -> None:
        self.socket.sendall(b"".join(line + b"\r\n" for line in lines))

    def hear(self, *expected: bytes) -> None:
        """Exactly these lines come next; whether more has come already does not matter."""
        for line in expected:
            while b"\r\n" not in self._heard:
                piece = self.socket.recv(65_536)
                assert piece, f"the client hung up instead of saying {line!r}"
                self._heard += piece
            heard, _, self._heard = self._heard.partition(b"\r\n")
            assert heard == line

    def hear_alone(self, line: bytes) -> None:
        """This line, and nothing came with it."""
        self.hear(line)
        assert self._heard == b""

    def hear_end(self) -> bytes:
        """What is left until the client hangs up."""
        try:
            while piece := self.socket.recv(65_536):
                self._heard += piece
        except ConnectionResetError:
            pass
        return self._heard

    def greet(self, *features: bytes) -> None:
        """The first words, with pipelining unless said otherwise."""
        self.say(b"220 relay.example ESMTP")
        self.hear(b"EHLO " + socket.gethostname().encode())
        self.say(*(features or FEATURES))

    def hear_envelope(self, envelope: Envelope) -> None:
        self.hear(b"MAIL FROM:<%b>" % envelope.sender.encode(), b"RCPT TO:<%b>" % envelope.recipient.encode(), b"DATA")

    def take(self, envelope: Envelope) -> None:
        self.hear_envelope(envelope)
        self.say(b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go on")

    def hear_text(self) -> None:
        self.hear(*MESSAGE.split(b"\r\n")[:-1], b".")


@contextmanager
def played(*plays: Callable[[Peer], None], tls: ssl.SSLContext | None = None, **options) -> Iterator[Relay]:
    """A relay whose connections go as the plays say, one play each; a play that fails fails the test."""
    failures: list[BaseException] = []

    def perform(listening: socket.socket) -> None:
        try:
            for play in plays:
                connected, _ = listening.accept()
                with tls.wrap_socket(connected, server_side=True) if tls else connected as end:
                    play(Peer(end))
        except BaseException as error:  # noqa: BLE001  # shown by the test's own thread
            failures.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(SECONDS)
        thread = threading.Thread(target=perform, args=(listening,))
        thread.start()
        values = {"host": "127.0.0.1", "port": listening.getsockname()[1], "tls": Tls.NONE, "timeout_seconds": SECONDS}
        try:
            yield Relay(**values | options)
        finally:
            thread.join(2 * SECONDS)
    assert not thread.is_alive()
    for failure in failures:
        raise failure


def talk(relay: Relay, *steps: Envelope | bytes | tuple[bytes, Envelope]) -> list[Reply | None]:
    """Offer envelopes and send texts, one after the other, through one connection; what each step gave."""

    async def dialogue() -> list[Reply | None]:
        connection = await Connection.open(relay)
        try:
            replies = []
            for step in steps:
                if isinstance(step, Envelope):
                    replies.append(await connection.offer(step))
                elif isinstance(step, bytes):
                    replies.append(await connection.text(step))
                else:
                    replies.append(await connection.text(*step))
            return replies
        finally:
            await connection.close()

    return asyncio.run(dialogue())


def bye(peer: Peer) -> None:
    peer.hear(b"QUIT")
    peer.say(b"221 bye")


# --- pipelining -----------------------------------------------------------------------------------------------


def test_sender_recipient_and_data_leave_before_anything_is_answered():
    """RFC 2920 section 3.1."""

    def play(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        peer.say(b"250 2.0.0 queued")
        bye(peer)

    with played(play) as relay:
        assert talk(relay, ADA, MESSAGE) == [None, Reply(250, "2.0.0", "2.0.0 queued")]


def test_a_text_and_the_next_envelope_leave_together():
    """The relay does not answer the dot before it has heard what follows: a letter costs one round trip."""

    def play(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        peer.hear_envelope(BASILE)
        peer.say(b"250 2.0.0 first", b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go on")
        peer.hear_text()
        peer.say(b"250 2.0.0 second")
        bye(peer)

    with played(play) as relay:
        first, second = Reply(250, "2.0.0", "2.0.0 first"), Reply(250, "2.0.0", "2.0.0 second")
        assert talk(relay, ADA, (MESSAGE, BASILE), BASILE, MESSAGE) == [None, first, None, second]


def test_without_pipelining_every_command_waits_for_its_answer():
    """Also what should have been written ahead."""

    def play(peer):
        peer.greet(b"250 relay.example")
        for envelope, last in ((ADA, False), (BASILE, True)):
            peer.hear_alone(b"MAIL FROM:<%b>" % envelope.sender.encode())
            peer.say(b"250 ok")
            peer.hear_alone(b"RCPT TO:<%b>" % envelope.recipient.encode())
            peer.say(b"250 ok")
            peer.hear_alone(b"DATA")
            peer.say(b"354 go on")
            peer.hear(*MESSAGE.split(b"\r\n")[:-1])
            peer.hear_alone(b".")
            peer.say(b"250 second" if last else b"250 first")
        bye(peer)

    with played(play) as relay:
        replies = talk(relay, ADA, (MESSAGE, BASILE), BASILE, MESSAGE)
    assert replies == [None, Reply(250, "", "first"), None, Reply(250, "", "second")]


def test_a_refused_recipient_whose_data_was_taken_gets_an_empty_text():
    """RFC 2920 section 3.1: a lone dot ends it, its answer decides nothing; RSET leads the next envelope."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 2.1.0 ok", b"550 5.1.1 <ada@example.org>: unknown", b"354 go on")
        peer.hear_alone(b".")
        peer.say(b"554 5.5.0 no recipients")
        peer.hear(b"RSET")
        peer.hear_envelope(BASILE)
        peer.say(b"250 2.0.0 reset", b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go on")
        peer.hear_text()
        peer.say(b"250 2.0.0 queued")
        bye(peer)

    with played(play) as relay:
        refused, waits, taken = talk(relay, ADA, BASILE, MESSAGE)
    assert refused == Reply(550, "5.1.1", "5.1.1 <(recipient)>: unknown")
    assert (waits, taken) == (None, Reply(250, "2.0.0", "2.0.0 queued"))


@pytest.mark.parametrize("data", [b"503 5.5.1 need RCPT", b"554 5.5.1 no valid recipients"])
def test_a_refused_recipient_is_refused_for_its_own_reason(data):
    """What DATA is answered afterwards only follows from it."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 2.1.0 ok", b"450 4.2.0 later", data)
        bye(peer)

    with played(play) as relay:
        assert talk(relay, ADA) == [Reply(450, "4.2.0", "4.2.0 later")]


def test_an_envelope_that_is_under_way_outlives_the_refusal_of_the_letter_before():
    """Its answers are its own."""

    def play(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        peer.hear_envelope(BASILE)
        peer.say(b"554 5.7.1 looks bad", b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go on")
        peer.hear_text()
        peer.say(b"250 2.0.0 queued")
        bye(peer)

    with played(play) as relay:
        replies = talk(relay, ADA, (MESSAGE, BASILE), BASILE, MESSAGE)
    assert replies == [None, Reply(554, "5.7.1", "5.7.1 looks bad"), None, Reply(250, "2.0.0", "2.0.0 queued")]


def test_an_envelope_under_way_that_is_not_wanted_any_more_ends_the_connection():
    """The relay waits for its text: another command, even QUIT, would become that text."""
    heard = []

    def play(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        peer.hear_envelope(BASILE)
        peer.say(b"250 2.0.0 first", b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go on")
        heard.append(peer.hear_end())

    with played(play, play, play) as relay:
        talk(relay, ADA, (MESSAGE, BASILE))  # closed
        _, _, other = talk(relay, ADA, (MESSAGE, BASILE), ADA)
        assert (other.code, other.transient) == (0, True)
        _, _, waits = talk(relay, ADA, (MESSAGE, BASILE), BASILE)  # closed at 354
        assert waits is None
    assert heard == [b"", b"", b""]


def test_a_letter_given_up_at_the_last_moment_is_not_sent():
    """abort() instead of text(): no dot, no letter."""
    heard = []

    def play(peer):
        peer.greet()
        peer.take(ADA)
        heard.append(peer.hear_end())

    async def give_up(relay: Relay) -> None:
        connection = await Connection.open(relay)
        assert await connection.offer(ADA) is None
        connection.abort()
        assert not connection.usable
        with pytest.raises(ValueError, match="CRLF"):
            await connection.text(b"no end")
        assert (await connection.text(MESSAGE)).code == 0
        assert (await connection.offer(BASILE)).code == 0
        await connection.close()

    with played(play) as relay:
        asyncio.run(give_up(relay))
    assert heard == [b""]


def test_a_text_belongs_to_an_envelope():
    """Our own mistakes raise."""

    def play(peer):
        peer.greet()
        bye(peer)

    with played(play) as relay, pytest.raises(ValueError, match="after an envelope"):
        talk(relay, MESSAGE)


@pytest.mark.parametrize(("sender", "recipient"), [("nobody", "a@b.example"), ("a@b.example", "a@b\r\nDATA")])
def test_an_envelope_holds_addresses(sender, recipient):
    """It cannot even be made of anything else."""
    with pytest.raises(ValueError, match="cannot stand"):
        Envelope(sender, recipient)


# --- what the relay offers ------------------------------------------------------------------------------------


def test_size_and_notification_are_said_to_whom_they_were_offered_by():
    """RFC 1870 and RFC 3461: no warnings of delays, no whole letters in bounces."""

    def play(peer):
        peer.greet(b"250-relay.example", b"250-pipelining", b"250-dsn", b"250 SIZE 1000")
        peer.hear(
            b"MAIL FROM:<news+1@security.example> SIZE=20 RET=HDRS",
            b"RCPT TO:<ada@example.org> NOTIFY=FAILURE",
            b"DATA",
        )
        peer.say(b"250 ok", b"250 ok", b"354 go on")
        peer.hear_text()
        peer.say(b"250 queued")
        bye(peer)

    async def dialogue(relay: Relay) -> Reply:
        connection = await Connection.open(relay)
        assert await connection.offer(ADA, len(MESSAGE)) is None
        reply = await connection.text(MESSAGE, BASILE, 1001)  # too large, so it is not even begun
        assert await connection.offer(BASILE, 1001) == Reply(
            552, "5.3.4", "5.3.4 the relay takes letters of up to 1000 bytes; this one has 1001"
        )
        await connection.close()
        return reply

    with played(play) as relay:
        assert asyncio.run(dialogue(relay)).accepted


@pytest.mark.parametrize("offer", [b"250 SIZE", b"250 SIZE 0", b"250 SIZE lots", b"250 SIZE " + b"9" * 21])
def test_a_size_that_is_no_limit_limits_nothing(offer):
    """RFC 1870 section 4: none, or 0, is no fixed maximum."""

    def play(peer):
        peer.greet(b"250-relay.example", offer)
        peer.hear(b"MAIL FROM:<news+1@security.example> SIZE=20")
        peer.say(b"450 4.3.1 no room")
        bye(peer)

    with played(play) as relay, Session(relay) as session:
        assert session.send(ADA.sender, ADA.recipient, MESSAGE).code == 450


def test_a_letter_that_is_too_large_for_the_relay_is_not_the_senders_fault():
    """RFC 1870 section 6: 552 at MAIL FROM is about the letter."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"552 5.3.4 too big", b"503 5.5.1 no", b"503 5.5.1 no")
        bye(peer)

    with played(play) as relay:
        (reply,) = talk(relay, ADA)
    assert reply == Reply(552, "5.3.4", "5.3.4 too big")
    assert not reply.transient


def test_a_relay_that_knows_helo_alone_is_spoken_to_plainly():
    """RFC 5321 section 3.2."""
    us = socket.gethostname().encode()

    def play(peer):
        peer.say(b"220 old")
        peer.hear(b"EHLO " + us)
        peer.say(b"502 what")
        peer.hear(b"HELO " + us)
        peer.say(b"250 old.example")
        peer.hear_alone(b"MAIL FROM:<news+1@security.example>")
        peer.say(b"450 later")
        bye(peer)

    with played(play) as relay:
        assert talk(relay, ADA) == [Reply(450, "", "later")]


@pytest.mark.parametrize("said", [b"421 4.3.2 busy", b"450 no"])
def test_a_relay_that_is_busy_at_hello_is_no_relay_for_now(said):
    """No HELO helps."""

    def play(peer):
        peer.say(b"220 busy")
        peer.hear(b"EHLO " + socket.gethostname().encode())
        peer.say(said)
        assert peer.hear_end() == b""

    with played(play) as relay, pytest.raises(DeliveryError, match=f"does not want to talk to us: {said.decode()}"):
        talk(relay)


# --- answers --------------------------------------------------------------------------------------------------


def test_answers_may_come_in_any_pieces_and_with_bare_line_feeds():
    """Byte by byte, several lines each, LF alone, a code alone."""

    def play(peer):
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.greet()
        peer.hear_envelope(ADA)
        for byte in b"250-2.1.0 fine\n250 2.1.0 really\r\n250\r\n354-one\n354 two\n":
            peer.socket.sendall(bytes([byte]))
        peer.hear_text()
        for byte in b"250-2.0.0 queued\r\n250-2.0.0 as\r\n250 2.0.0 17\r\n":
            peer.socket.sendall(bytes([byte]))
        bye(peer)

    with played(play) as relay:
        assert talk(relay, ADA, MESSAGE) == [None, Reply(250, "2.0.0", "2.0.0 queued 2.0.0 as 2.0.0 17")]


def pour(junk: bytes) -> Callable[[Peer], None]:
    """Say it again and again until the client has had enough."""

    def play(peer: Peer) -> None:
        with pytest.raises(OSError, match=r"reset|[Pp]ipe"):
            say_for_ever(peer.socket, junk)

    return play


def say_for_ever(connected: socket.socket, junk: bytes) -> None:
    while True:
        connected.sendall(junk)


JUNK = [
    pytest.param(bytes(range(11, 256)) * 64, "a line without end", id="binary"),
    pytest.param(b"2", "a line without end", id="a line without end"),
    pytest.param(b"250-more\r\n", f"more than {MAX_REPLY_LINES} lines", id="an answer without end"),
    pytest.param(b"250-" + b"x" * MAX_REPLY_LINE + b"\r\n", "is not SMTP", id="long lines"),
    pytest.param(b"HTTP/1.1 400 Bad Request\r\n", "is not SMTP", id="another protocol"),
    pytest.param(b"250-a\r\nb\r\n", "is not SMTP", id="half an answer"),
    pytest.param(b"\n" * 4096, "is not SMTP", id="nothing"),
]


@pytest.mark.parametrize(("junk", "words"), JUNK)
def test_a_server_that_never_stops_talking_is_no_relay(junk, words):
    """Bounded in lines and bytes, and said."""
    with played(pour(junk)) as relay, pytest.raises(DeliveryError, match=f"does not want to talk to us: .*{words}"):
        talk(relay)


@pytest.mark.parametrize(("junk", "words"), JUNK)
def test_a_relay_that_goes_mad_decides_nothing_about_a_letter(junk, words):
    """Neither at the envelope nor, where only the relay knows, after the text."""

    def at_envelope(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        pour(junk)(peer)

    def at_text(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        pour(junk)(peer)

    with played(at_envelope, at_text) as relay:
        (at_once,) = talk(relay, ADA)
        waits, later = talk(relay, ADA, MESSAGE)
    assert waits is None
    for reply in (at_once, later):
        assert (reply.accepted, reply.transient, reply.enhanced) == (False, True, "4.4.2")
        assert words in reply.text


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one():
    """An early '250' must not become the acceptance of a letter."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 ok", b"250 ok", b"354 go on", b"250 2.0.0 queued")
        assert peer.hear_end() == b""

    with played(play) as relay:
        (reply,) = talk(relay, ADA)
    assert (reply.code, reply.text) == (0, "4.4.2 the connection was lost: an answer that nobody asked for")


@pytest.mark.parametrize("said", [b"421 4.4.2 idle for too long", None], ids=["421", "hangs up"])
def test_a_relay_that_closes_while_we_think_is_noticed(said):
    """Before the text leaves, so that the letter is certainly not there."""

    def play(peer):
        peer.greet()
        peer.take(ADA)
        if said:
            peer.say(said)
            assert peer.hear_end() == b""

    async def dialogue(relay: Relay) -> Reply:
        connection = await Connection.open(relay)
        assert await connection.offer(ADA) is None
        async with asyncio.timeout(SECONDS):
            while connection.usable:  # noqa: ASYNC110  # the loop's own news are what is waited for
                await asyncio.sleep(0)
        reply = await connection.text(MESSAGE)
        await connection.close()
        return reply

    with played(play) as relay:
        assert asyncio.run(dialogue(relay)).code == 0


def test_an_acceptance_counts_although_the_relay_hangs_up_right_behind_it():
    """The answer is there; what comes after it concerns the next letter."""

    def play(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        peer.hear_envelope(BASILE)
        peer.say(b"250 2.0.0 queued")

    with played(play) as relay:
        _, first, second = talk(relay, ADA, (MESSAGE, BASILE), BASILE)
    assert first.accepted
    assert (second.code, second.transient) == (0, True)


def test_a_refusal_counts_although_the_relay_hangs_up_right_behind_it():
    """Some do so after too many unknown recipients."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 ok", b"550 5.1.1 unknown", b"421 4.7.0 too many errors")

    with played(play) as relay:
        refused, next_one = talk(relay, ADA, BASILE)
    assert (refused.code, next_one.code) == (550, 0)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"250 ok", b"250 ok", b"250 ok"), "250 is no answer to DATA"),
        ((b"250 ok", b"354 go on", b"354 go on"), "354 is no answer to RCPT"),
        ((b"503 nested", b"503 no", b"503 no"), "503 is no answer to MAIL"),
        ((b"334 what", b"503 no", b"503 no"), "334 is no answer to MAIL"),
    ],
)
def test_when_we_have_lost_each_other_the_connection_ends(answers, words):
    """And nothing was decided."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(*answers)
        assert peer.hear_end() in (b"", b".\r\n")

    with played(play) as relay:
        (reply,) = talk(relay, ADA)
    assert (reply.code, reply.text) == (0, f"4.4.2 the connection was lost: {words}")


def test_a_relay_that_cannot_reset_is_left():
    """Who knows which letter it would be talking of."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 ok", b"550 no", b"503 no")
        peer.hear(b"RSET")
        peer.say(b"500 what", b"503 no", b"503 no", b"503 no")
        peer.hear_end()

    with played(play) as relay:
        _, reply = talk(relay, ADA, BASILE)
    assert (reply.code, reply.text) == (0, "4.4.2 the connection was lost: 500 is no answer to RSET")


# --- time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"220-wait", b"220-wait\r\n220-and wait\r\n22"])
def test_a_server_that_does_not_greet_in_time_is_no_relay(said):
    """Half an answer is none."""

    def play(peer):
        peer.socket.sendall(said)
        assert peer.hear_end() == b""

    with (
        played(play, timeout_seconds=SHORT) as relay,
        pytest.raises(DeliveryError, match="does not want to talk to us: timed out"),
    ):
        talk(relay)


def test_every_answer_has_its_time():
    """The envelope's short one, and the long one for the text, which is not cut off by the short one before it."""
    heard = threading.Event()

    def silent(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 ok", b"250-ok")
        assert peer.hear_end() == b""

    def slow(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        heard.wait(3 * SHORT)  # nobody sets it: longer than any command may take
        peer.say(b"250 2.0.0 queued")
        bye(peer)

    def silent_at_last(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        assert peer.hear_end() == b""

    with played(silent, slow, silent_at_last, timeout_seconds=SHORT, final_seconds=1.0) as relay:
        assert talk(relay, ADA) == [Reply(0, "4.4.2", "4.4.2 the connection was lost: timed out")]
        assert talk(relay, ADA, MESSAGE)[1].accepted
        assert talk(relay, ADA, MESSAGE)[1] == Reply(0, "4.4.2", "4.4.2 the connection was lost: timed out")


def test_the_long_wait_for_a_letter_does_not_lengthen_the_next_short_one():
    """The next command has its own time again; otherwise the played relay's patience ends first."""
    heard = threading.Event()

    def play(peer):
        peer.greet()
        peer.take(ADA)
        peer.hear_text()
        heard.wait(3 * SHORT)  # nobody sets it: by now the client waits until ``final_seconds``
        peer.say(b"250 2.0.0 queued")
        peer.hear_envelope(BASILE)
        assert peer.hear_end() == b""

    with played(play, timeout_seconds=SHORT, final_seconds=3 * SECONDS) as relay:
        _, taken, lost = talk(relay, ADA, MESSAGE, BASILE)
    assert taken.accepted
    assert lost == Reply(0, "4.4.2", "4.4.2 the connection was lost: timed out")


def test_a_relay_that_never_answers_the_handshake_is_given_up(certificate):
    """STARTTLS was promised, then silence."""

    def play(peer):
        peer.greet(b"250-relay.example", b"250 STARTTLS")
        peer.hear(b"STARTTLS")
        peer.say(b"220 go on")
        peer.hear_end()

    with (
        played(play, tls=None, timeout_seconds=SHORT) as plain,
        pytest.raises(DeliveryError, match="cannot be reached"),
    ):
        talk(Relay(host=plain.host, port=plain.port, tls=Tls.STARTTLS, timeout_seconds=SHORT))


def test_whoever_stops_waiting_has_lost_the_connection():
    """What was answered meanwhile, or will be, must not be taken for another letter's."""

    def play(peer):
        peer.greet()
        peer.hear_envelope(ADA)
        peer.say(b"250 2.1.0 ok", b"550 5.1.1 unknown")  # and nothing to DATA
        assert peer.hear_end() == b""

    async def dialogue(relay: Relay) -> Reply | None:
        connection = await Connection.open(relay)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await connection.offer(ADA)
        assert not connection.usable
        reply = await connection.offer(BASILE)
        await connection.close()
        return reply

    with played(play) as relay:
        assert asyncio.run(dialogue(relay)).code == 0


def test_a_relay_that_does_not_say_goodbye_is_left_anyway():
    """It has the letter; nobody waits for good manners."""

    def play(peer):
        peer.greet()
        peer.hear(b"QUIT")

    with played(play) as relay:
        assert talk(relay) == []


# --- TLS and passwords ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("injected", [b"220 go on\r\n250 trust me\r\n", b"220 go on\r\n250-trust"])
def test_clear_text_behind_the_answer_to_starttls_is_not_listened_to(injected):
    """CVE-2011-0411: somebody in between puts answers where they would be read as if they had come through TLS."""

    def play(peer):
        peer.greet(b"250-relay.example", b"250 STARTTLS")
        peer.hear(b"STARTTLS")
        peer.socket.sendall(injected)
        assert peer.hear_end() == b""

    with played(play) as plain, pytest.raises(DeliveryError, match="clear text follows its answer to STARTTLS"):
        talk(Relay(host=plain.host, port=plain.port, tls=Tls.STARTTLS, timeout_seconds=SECONDS))


def test_what_was_offered_before_starttls_is_forgotten(certificate):
    """RFC 3207 section 4.2: PIPELINING was said by anybody, AUTH by the relay."""

    def play(peer):
        peer.greet(b"250-relay.example", b"250-PIPELINING", b"250 STARTTLS")
        peer.hear(b"STARTTLS")
        peer.say(b"220 go on")
        with certificate.context().wrap_socket(peer.socket, server_side=True) as encrypted:
            inside = Peer(encrypted)
            inside.hear(b"EHLO " + socket.gethostname().encode())
            inside.say(b"250 relay.example")
            inside.hear_alone(b"MAIL FROM:<news+1@security.example>")
            inside.say(b"450 later")
            bye(inside)

    with played(play) as plain:
        relay = Relay(host=plain.host, port=plain.port, tls=Tls.STARTTLS, ca_file=str(certificate.path))
        assert talk(relay, ADA) == [Reply(450, "", "later")]


@pytest.mark.parametrize("offer", [b"250 AUTH LOGIN", b"250 AUTH=LOGIN"])
def test_logging_in_by_login(certificate, offer):
    """What older relays offer alone, also in the old spelling."""

    def play(peer):
        peer.greet(b"250-relay.example", offer)
        peer.hear(b"AUTH LOGIN")
        peer.say(b"334 VXNlcm5hbWU6")
        peer.hear(b64encode(b"news"))
        peer.say(b"334 UGFzc3dvcmQ6")
        peer.hear(b64encode(b"s3cret"))
        peer.say(b"235 2.7.0 welcome")
        bye(peer)

    options = {"tls": Tls.IMPLICIT, "ca_file": str(certificate.path), "username": "news", "password": "s3cret"}
    with played(play, tls=certificate.context()) as plain:
        assert talk(Relay(host=plain.host, port=plain.port, **options)) == []


@pytest.mark.parametrize(
    ("said", "permanent"), [(b"535 5.7.8", True), (b"454 4.7.0", False), (b"334 again", False), (b"421 4.3.2", False)]
)
def test_a_relay_that_repeats_the_password_does_not_make_us_show_it(certificate, said, permanent):
    """Neither as it is nor as it was sent."""
    sent = b64encode(b"\0news\0s3cret")

    def play(peer):
        peer.greet(b"250-relay.example", b"250 AUTH PLAIN LOGIN")
        peer.hear(b"AUTH PLAIN " + sent)
        peer.say(said + b" s3cret " + sent)
        assert peer.hear_end() == b""

    options = {"tls": Tls.IMPLICIT, "ca_file": str(certificate.path), "username": "news", "password": "s3cret"}
    with (
        played(play, tls=certificate.context()) as plain,
        pytest.raises(DeliveryError, match="does not accept user name and password") as told,
    ):
        talk(Relay(host=plain.host, port=plain.port, **options))
    assert told.value.permanent == permanent
    assert str(told.value).endswith(f"{said.decode()} (hidden) (hidden)")


# --- real servers ---------------------------------------------------------------------------------------------


async def send_all(relay: Relay, letters: list[tuple[Envelope, bytes]], lanes: int) -> list[Reply]:
    """Through so many kept connections, each letter with the next one's envelope behind it."""

    async def lane(mine: list[tuple[Envelope, bytes]]) -> list[Reply]:
        connection = await Connection.open(relay)
        replies = []
        for (envelope, message), following in zip(mine, [*mine[1:], None], strict=True):
            assert await connection.offer(envelope) is None
            replies.append(await connection.text(stuffed(message), following[0] if following else None))
        await connection.close()
        return replies

    done = await asyncio.gather(*(lane(letters[start::lanes]) for start in range(lanes)))
    return [reply for replies in done for reply in replies]


def letters_for(count: int, body: bytes) -> list[tuple[Envelope, bytes]]:
    return [
        (Envelope(f"news+{number}@security.example", f"reader{number}@example.org"), b"N: %d\r\n\r\n" % number + body)
        for number in range(count)
    ]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_pipelined_letters_arrive_each_with_its_own_envelope(certificate, pipelining, tls):
    """A real server of somebody else's, through TLS or not: nothing is mixed up, no byte is changed."""
    letters = letters_for(60, b".\r\n..\r\n" + b"x" * 900 + b"\r\n" + b"." + b"line\r\n" * 5_000)
    with MailServer(tls=tls, certificate=certificate, pipelining=pipelining) as server:
        relay = Relay(host=server.host, port=server.port, tls=Tls(tls), ca_file=str(certificate.path))
        replies = asyncio.run(send_all(relay, letters, 4))
    assert [reply.code for reply in replies] == [250] * len(letters)
    assert sorted((mail.sender, mail.recipient, mail.content) for mail in server.mails) == sorted(
        (envelope.sender, envelope.recipient, message) for envelope, message in letters
    )
    assert server.connections == 4


def test_refusals_in_a_pipeline_concern_the_right_letters():
    """Every third recipient is unknown, and nobody else notices."""
    letters = letters_for(30, b"x\r\n")

    async def dialogue(relay: Relay) -> list[int]:
        connection = await Connection.open(relay)
        codes = []
        for (envelope, message), following in zip(letters, [*letters[1:], None], strict=True):
            reply = await connection.offer(envelope)
            codes.append((reply or await connection.text(message, following[0] if following else None)).code)
        await connection.close()
        return codes

    with MailServer(pipelining=True) as server:
        for number in range(0, 30, 3):
            server.reply_always(f"reader{number}@example.org", "550 5.1.1 unknown")
        codes = asyncio.run(dialogue(Relay(host=server.host, port=server.port, tls=Tls.NONE)))
    assert codes == [550, 250, 250] * 10
    assert [mail.recipient for mail in server.mails] == [
        f"reader{number}@example.org" for number in range(30) if number % 3
    ]


@pytest.fixture(scope="module")
def pipelining_server() -> Iterator[MailServer]:
    with MailServer(pipelining=True) as server:
        yield server


@settings(max_examples=60)
@given(lines=st.lists(st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n") or b"."), min_size=1))
def test_no_line_of_a_letter_ends_it_early(pipelining_server, lines):
    """Whatever stands at the beginning of a line, the relay reads what was written."""
    message = b"\r\n".join(lines) + b"\r\n"
    relay = Relay(host=pipelining_server.host, port=pipelining_server.port, tls=Tls.NONE)
    before = len(pipelining_server.mails)
    with Session(relay) as session:
        assert session.send(ADA.sender, ADA.recipient, message).accepted
        assert session.send(BASILE.sender, BASILE.recipient, message).accepted
    assert [mail.content for mail in pipelining_server.mails[before:]] == [message, message]


@contextmanager
def sink(*options: str) -> Iterator[Relay]:
    """Postfix's smtp-sink on a free port."""
    program = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("needs Debian's package postfix (apt-get install postfix)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    with subprocess.Popen([program, *user, *options, f"127.0.0.1:{port}", "100"]) as process:
        try:
            relay = Relay(host="127.0.0.1", port=port, tls=Tls.NONE, timeout_seconds=SECONDS)
            asyncio.run(reached(relay))
            yield relay
        finally:
            process.terminate()


async def reached(relay: Relay) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await (await Connection.open(relay)).close()
            except DeliveryError:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("options", [(), ("-p",), ("-e",)], ids=["pipelining", "no pipelining", "no EHLO"])
def test_postfix_takes_what_we_pipeline(options):
    """smtp-sink, as it is and with what its options take away."""
    with sink(*options) as relay:
        replies = asyncio.run(send_all(relay, letters_for(200, b"x" * 70 + b"\r\n" * 700), 8))
    assert [reply.code for reply in replies] == [250] * 200


@pytest.mark.parametrize(
    ("option", "command", "code"), [("-r", "RCPT", 450), ("-f", "RCPT", 500), ("-r", "DATA", 450), ("-f", ".", 500)]
)
def test_postfix_refuses_and_the_connection_goes_on(option, command, code):
    """Soft and hard errors at each command, over and over."""
    with sink(option, command) as relay, Session(relay) as session:
        for _ in range(3):
            assert session.send(ADA.sender, ADA.recipient, MESSAGE).code == code


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
def test_postfix_hangs_up(command):
    """smtp-sink -q: at each command; a letter is deferred, and nothing hangs."""
    with sink("-q", command) as relay, Session(relay) as session:
        for _ in range(3):
            assert session.send(ADA.sender, ADA.recipient, MESSAGE).transient
