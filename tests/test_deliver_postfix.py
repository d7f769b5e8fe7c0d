"""Was a letter taken? A real Postfix's log and queue are asked after clients that died at every point."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver.postfix import MAX_LINE, Answer, PostfixRecords, ask, position
from newsletter.errors import DeliveryError
from tests.support.postfix import DOCUMENTED, Postfix, documented, running_postfix, wait_for

ASKS_SECONDS = 20.0
SHORT = 0.3
NUMBERS = count(1)
NOT_TAKEN = Answer(frozenset(), "")
EMPTY_QUEUE = ("true",)  # lists nothing and is content


@pytest.fixture(scope="module")
def relay() -> Iterator[Postfix]:
    """A Postfix that takes everything and throws it away."""
    with running_postfix() as made:
        yield made


def new_sender() -> str:
    """One that no other letter of this file has."""
    return f"bounces+{next(NUMBERS):040d}@news.meridian.example"


def records_of(relay: Postfix) -> PostfixRecords:
    return PostfixRecords(relay.log, relay.queue_command)


def settled(relay: Postfix, since: str, *senders: str) -> Answer:
    """The answer, once nobody is connected any more."""
    answers: list[Answer] = []

    def is_settled() -> bool:
        answers.append(ask(records_of(relay), since, senders, relay.probe))
        return "still had" not in answers[-1].missing

    wait_for(is_settled, "sessions did not end", log=relay.log)
    return answers[-1]


# --- clients --------------------------------------------------------------------------------------------------


class Client:
    """An SMTP client that can stop anywhere."""

    def __init__(self, relay: Postfix) -> None:
        self.socket = socket.create_connection((relay.host, relay.port), timeout=30)
        self._replies = self.socket.makefile("rb")
        self.reply()

    def reply(self) -> bytes:
        """The next one, all its lines."""
        lines = [self._replies.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(self._replies.readline())
        return b"".join(lines)

    def say(self, command: str) -> bytes:
        """One command; the reply."""
        self.socket.sendall(f"{command}\r\n".encode())
        return self.reply()

    def begin(self, sender: str, helo: str = "client.meridian.example") -> None:
        """Up to the point where the text is asked for."""
        self.say(f"EHLO {helo}")
        self.say(f"MAIL FROM:<{sender}>")
        self.say("RCPT TO:<reader@example.org>")
        assert self.say("DATA").startswith(b"354")

    def die(self, *, rudely: bool = False) -> None:
        """As the kernel closes for a process that was killed: with a reset when there was something to read."""
        if rudely:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._replies.close()
        self.socket.close()


TEXT = b"Subject: The report\r\nMessage-ID: <1@news.meridian.example>\r\n\r\n" + b"A line of text.\r\n" * 3000


def send(relay: Postfix, sender: str) -> None:
    """A whole letter."""
    client = Client(relay)
    client.begin(sender)
    client.socket.sendall(TEXT)
    assert client.say(".").startswith(b"250")
    client.die()


# --- what was taken -------------------------------------------------------------------------------------------


def test_a_letter_that_was_taken_is_found_and_one_never_sent_is_not(relay):
    """The queue manager's line; and the absence of any other is an answer too."""
    since = position(relay.log)
    sender, never = new_sender(), new_sender()
    send(relay, sender)
    assert settled(relay, since, sender, never) == Answer(frozenset({sender}), "")
    assert settled(relay, since, never) == NOT_TAKEN
    assert sender in relay.senders()


def test_senders_are_given_back_as_they_were_asked_for(relay):
    """Somebody on the way may fold case; the ledger's spelling is what the caller looks up."""
    since = position(relay.log)
    sender = new_sender()
    send(relay, sender.upper())
    assert settled(relay, since, sender) == Answer(frozenset({sender}), "")


@pytest.mark.parametrize("rudely", [False, True])
def test_a_text_that_was_cut_off_was_not_taken(relay, rudely):
    """Although cleanup has written its message-id line by then."""
    since = position(relay.log)
    sender = new_sender()
    client = Client(relay)
    client.begin(sender)
    client.socket.sendall(TEXT)
    wait_for(lambda: relay.lines()[-1].endswith("message-id=<1@news.meridian.example>"), "no text", log=relay.log)
    client.die(rudely=rudely)
    assert settled(relay, since, sender) == NOT_TAKEN
    assert sender not in relay.senders()


@pytest.mark.parametrize("rudely", [False, True])
def test_a_letter_whose_client_died_before_the_reply_was_taken(relay, rudely):
    """RFC 1047: the server has it, the client does not know."""
    since = position(relay.log)
    sender = new_sender()
    client = Client(relay)
    client.begin(sender)
    client.socket.sendall(TEXT + b".\r\n")
    client.die(rudely=rudely)
    answer = settled(relay, since, sender)
    assert answer.missing == ""
    # A reset can overtake the text: then it was not taken. Whichever it was, the answer is what Postfix did.
    assert answer.taken == ({sender} & set(relay.senders()))
    assert rudely or answer.taken


def test_nothing_is_said_while_a_session_is_open(relay):
    """Its text could still be completed."""
    since = position(relay.log)
    sender = new_sender()
    client = Client(relay)
    client.begin(sender)
    client.socket.sendall(TEXT)
    answer = ask(records_of(relay), since, [sender], relay.probe)
    early = "the relay still had 1 SMTP sessions open; ask again when they have ended"
    assert answer == Answer(frozenset(), early, again=True)
    assert client.say(".").startswith(b"250")
    client.die()
    assert settled(relay, since, sender).taken == {sender}


def test_a_session_whose_server_was_killed_is_over(relay):
    """It says no farewell; the master does."""
    since = position(relay.log)
    sender = new_sender()
    client = Client(relay)
    client.begin(sender)
    connected = [line for line in relay.lines() if "smtpd[" in line and "connect from" in line]
    os.kill(int(re.findall(r"smtpd\[(\d+)\]: connect", connected[-1])[0]), signal.SIGKILL)
    wait_for(lambda: any("killed by signal 9" in line for line in relay.lines()), "nobody noticed", log=relay.log)
    client.die()
    assert settled(relay, since, sender) == NOT_TAKEN


def test_a_restart_ends_all_sessions():
    """Nobody says farewell then."""
    with running_postfix() as relay:
        since = position(relay.log)
        sender, other = new_sender(), new_sender()
        send(relay, other)
        client = Client(relay)
        client.begin(sender)
        relay.run("postfix", "stop")
        relay.run("postfix", "start")
        client.die()
        assert settled(relay, since, sender, other) == Answer(frozenset({other}), "")


# --- the queue ------------------------------------------------------------------------------------------------


def test_a_letter_on_hold_is_found_in_the_queue_alone():
    """The queue manager has not seen it, so the log does not have it."""
    with running_postfix(settings={"smtpd_client_restrictions": "check_client_access static:HOLD"}) as relay:
        since = position(relay.log)
        sender = new_sender()
        send(relay, sender)
        assert settled(relay, since, sender) == Answer(frozenset({sender}), "")
        assert relay.senders() == ()
        only_log = PostfixRecords(relay.log, EMPTY_QUEUE)
        assert ask(only_log, since, [sender], relay.probe) == NOT_TAKEN  # what comes of a queue that lies
        relay.run("postsuper", "-H", "ALL")
        relay.run("postqueue", "-f")
        relay.wait(lambda: sender in relay.senders())
        assert ask(only_log, since, [sender], relay.probe).taken == {sender}


def test_a_deferred_letter_is_found_in_the_queue_whatever_became_of_the_log():
    """Proof that it was taken is proof, also where nothing can be said about the others."""
    with running_postfix(settings={"defer_transports": "discard"}) as relay:
        sender, never = new_sender(), new_sender()
        since = position(relay.log)
        send(relay, sender)
        assert settled(relay, since, sender, never) == Answer(frozenset({sender}), "")
        relay.log.unlink()
        answer = ask(records_of(relay), since, [sender, never], relay.probe)
        assert answer.taken == {sender}
        assert "mail.log cannot be read: No such file" in answer.missing


def test_a_text_that_is_not_complete_is_not_listed(relay):
    """Its file lies in the queue already, but without mode 0700 (mail_open_ok.c)."""
    client = Client(relay)
    client.begin(new_sender())
    incoming = relay.folder / "queue" / "incoming"
    client.socket.sendall(TEXT)
    relay.wait(lambda: any(path.stat().st_size for path in incoming.rglob("*") if path.is_file()))
    listed = subprocess.run(relay.queue_command, capture_output=True, check=True)
    client.die()
    assert listed.stdout == b""


BAD_QUEUES = {
    (): "there is no queue to list",
    ("/no/such/postqueue", "-j"): "/no/such/postqueue cannot be run: No such file or directory",
    ("false",): "false could not list the queue: it ended with 1",
    ("echo", "Mail queue is empty"): "echo does not list the queue as JSON lines",
    ("echo", "[" * 10_000): "echo does not list the queue as JSON lines",
    ("echo", '{"queue_id": "1"}'): "echo does not list the queue as JSON lines",
    ("printf", '{"queue_id": "1", "sender": "a@b"}'): "printf does not list the queue: its last line has no end",
    ("head", "-c", "1000000", "/dev/zero"): "head does not list the queue: its output is too long",
    ("sleep", "60"): "sleep did not list the queue within 0.3 s",
    ("sh", "-c", "sleep 60 & wait"): "sh did not list the queue within 0.3 s",
    ("sh", "-c", "kill -9 $$"): "sh could not list the queue: it ended with -9",
}


@pytest.mark.parametrize("command", BAD_QUEUES, ids=" ".join)
def test_a_queue_that_cannot_be_listed_leaves_the_others_uncertain(relay, command):
    """But what the log proves is proved."""
    since = position(relay.log)
    sender, never = new_sender(), new_sender()
    send(relay, sender)
    relay.wait(lambda: sender in relay.senders())
    records = PostfixRecords(relay.log, command)
    answer = ask(records, since, [sender, never], relay.probe, queue_seconds=SHORT)
    assert answer.taken == {sender}
    assert answer.missing.startswith(BAD_QUEUES[command])


# --- the log and its rotation ---------------------------------------------------------------------------------


def test_a_log_that_was_rotated_by_renaming_is_read_from_its_older_part():
    """As Debian's logrotate does it, once during a run; the second time the older one is compressed."""
    with running_postfix() as relay:
        before, after, never = new_sender(), new_sender(), new_sender()
        since = position(relay.log)
        send(relay, before)
        relay.wait(lambda: before in relay.senders())
        relay.rotate()
        send(relay, after)
        assert settled(relay, since, before, after, never) == Answer(frozenset({before, after}), "")
        Path(f"{relay.log}.1").rename(f"{relay.log}.2")
        relay.rotate()
        answer = ask(records_of(relay), since, [before, after, never], relay.probe)
        assert answer.taken == {after}
        assert "mail.log and mail.log.1 do not reach back to the beginning of the run" in answer.missing


def test_a_log_that_was_copied_and_truncated_leaves_it_uncertain():
    """Lines are lost between copying and truncating, so nothing is guessed."""
    with running_postfix() as relay:
        sender = new_sender()
        send(relay, new_sender())
        since = position(relay.log)
        shutil.copy(relay.log, f"{relay.log}.1")
        os.truncate(relay.log, 0)
        answer = ask(records_of(relay), since, [sender], relay.probe)
        assert "was cut off or replaced since the run began" in answer.missing
        for _ in range(5):  # larger than it was
            send(relay, new_sender())
        assert "was cut off or replaced" in ask(records_of(relay), since, [sender], relay.probe).missing


def test_a_log_that_is_not_written_leaves_it_uncertain(relay, tmp_path):
    """A copy has every line so far, but not the one of the connection that was just made."""
    since_copy = tmp_path / "mail.log"
    shutil.copy(relay.log, since_copy)
    since = position(since_copy)
    began = time.monotonic()
    records = PostfixRecords(since_copy, relay.queue_command)
    answer = ask(records, since, [new_sender()], relay.probe, alive_seconds=SHORT)
    assert time.monotonic() - began >= SHORT
    assert f"a connection to the relay did not show up in {since_copy} within 0.3 s" in answer.missing


def test_a_relay_that_is_down_leaves_it_uncertain():
    """Its log cannot be shown to be complete, until it is up; what is in it is proof all the same."""
    with running_postfix() as relay:
        since = position(relay.log)
        sender, never = new_sender(), new_sender()
        send(relay, sender)
        assert settled(relay, since, sender).taken == {sender}
        relay.run("postfix", "stop")
        answer = ask(records_of(relay), since, [sender, never], relay.probe)
        assert answer.taken == {sender}
        assert "the relay does not answer, so that its log cannot be trusted" in answer.missing
        assert answer.again
        relay.run("postfix", "start")


def test_nobody_is_asked_about_nobody(relay):
    """The probe would fail."""
    assert ask(PostfixRecords(Path("/no/such/log"), ()), "", [], pytest.fail) == NOT_TAKEN


def test_a_position_needs_a_log_that_can_be_read(tmp_path):
    """Its absence, a folder, and a pipe that would block for ever are said in words."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, why in (
        (tmp_path / "none", "No such file or directory"),
        (tmp_path, "it is not a regular file"),
        (pipe, "it is not a regular file"),
    ):
        with pytest.raises(DeliveryError, match=f"{path} cannot be read: {why}"):
            position(path)


# --- logs of our own making -----------------------------------------------------------------------------------

TIMES = ("Oct  3 09:05:00", "Oct 13 09:05:00", "2026-10-03T09:05:00.123456+02:00", "2026-10-03T09:05:00Z")
SENDER = "bounces+abcdefghijklmnopqrstuvwxyz234567abcdefgh@news.example"
LINE = f"4jZTtp4yhjz1SCR4: from=<{SENDER}>, size=51000, nrcpt=1 (queue active)"
BEGUN = "Oct  3 09:00:00 host postfix/master[1]: daemon started -- version 3.7.11, configuration /etc/postfix\n"


@dataclass(frozen=True)
class Written:
    """A log written by hand; ``probe`` adds what a real relay would."""

    log: Path
    program: str = "postfix/smtpd"
    connections: list[None] = field(default_factory=list)

    def add(self, *lines: str | bytes) -> None:
        with self.log.open("ab") as file:
            for line in lines:
                file.write(line if isinstance(line, bytes) else line.encode())

    def probe(self) -> None:
        self.connections.append(None)
        beginning = f"Oct  3 09:10:00 host {self.program}[77]: "
        self.add(f"{beginning}connect from localhost[127.0.0.1]\n")
        self.add(f"{beginning}disconnect from localhost[127.0.0.1] ehlo=1 quit=1 commands=2\n")

    def ask(self, since: str, *senders: str) -> Answer:
        return ask(PostfixRecords(self.log, EMPTY_QUEUE), since, senders, self.probe, alive_seconds=SHORT)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    made = Written(tmp_path / "mail.log")
    made.add(BEGUN)
    return made


@pytest.mark.parametrize("stamp", TIMES)
@pytest.mark.parametrize("program", ["postfix/qmgr", "postfix-out/qmgr", "postfix-out/oqmgr"])
def test_lines_of_the_queue_manager_count_in_every_form_that_is_usual(written, stamp, program):
    """RFC 3164 and RFC 3339 times, several instances, both queue managers, old and long queue ids."""
    since = position(written.log)
    written.add(f"{stamp} mail.meridian.example {program}[123]: {LINE}\n")
    assert written.ask(since, SENDER) == Answer(frozenset({SENDER}), "")
    short = LINE.replace("4jZTtp4yhjz1SCR4", "3F4A21C0E2").replace("abcd", "2222")
    written.add(f"{stamp} mail.meridian.example {program}[123]: {short}\n")
    assert written.ask(since, SENDER.replace("abcd", "2222")).taken


@pytest.mark.parametrize("program", ["postfix/smtpd", "postfix/submission/smtpd", "postfix-out/127.0.0.1:587/smtpd"])
def test_a_connection_shows_up_in_the_log_of_every_kind_of_server(written, program):
    """What the probe reaches may be called differently."""
    assert replace(written, program=program).ask(position(written.log), SENDER) == NOT_TAKEN


BEGINNING = "Oct  3 09:05:00 host "
FORGED = {
    "a client's name": f"{BEGINNING}postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 no; "
    f"from=<{SENDER}> to=<a@b.example> proto=ESMTP helo=<{BEGINNING}postfix/qmgr[1]: {LINE}>\n",
    "a refused sender": f"{BEGINNING}postfix/smtpd[9]: NOQUEUE: reject: MAIL from unknown[192.0.2.1]: 552 5.3.4 "
    f"Message size exceeds fixed limit; from=<{SENDER}> proto=ESMTP helo=<x>\n",
    "a message-id": f"{BEGINNING}postfix/cleanup[9]: 4jZTtp4yhjz1SCR4: message-id=<{LINE}>\n",
    "a cut off text": f"{BEGINNING}postfix/cleanup[9]: 4jZTtp4yhjz1SCR4: message-id=<x> from=<{SENDER}>\n",
    "another program": f"{BEGINNING}postfix/qmgr-like[9]: {LINE}\n",
    "a program's argument": f"{BEGINNING}logger: postfix/qmgr[9]: {LINE}\n",
    "a bare beginning": f"postfix/qmgr[9]: {LINE}\n",
    "a longer sender": f"{BEGINNING}postfix/qmgr[9]: 4jZ: from=<x{SENDER}>, size=1, nrcpt=1 (queue active)\n",
    "a sender inside": f"{BEGINNING}postfix/qmgr[9]: 4jZ: from=<a b, from=<{SENDER}>, size=1, nrcpt=1 (queue active)\n",
    "another state": f"{BEGINNING}postfix/qmgr[9]: 4jZ: from=<{SENDER}>, status=expired, returned to sender\n",
    "a warning": f"{BEGINNING}postfix/qmgr[9]: warning: 4jZ: from=<{SENDER}>, size=1, nrcpt=1 (queue active)\n",
    "an unfinished line": f"{BEGINNING}postfix/qmgr[9]: {LINE}",
    "a control character": f"{BEGINNING}postfix/smtpd[9]: x\r{BEGINNING}postfix/qmgr[9]: {LINE}\n",
    "a null byte": f"\0{BEGINNING}postfix/qmgr[9]: {LINE}\n",
    "the rest of a long line": f"{BEGINNING}postfix/smtpd[9]: ".ljust(MAX_LINE, "x") + f"{BEGINNING}postfix/qmgr[9]: "
    f"{LINE}\n",
    "the rest of a longer line": f"{BEGINNING}postfix/smtpd[9]: ".ljust(3 * MAX_LINE, "x") + f"{BEGINNING}"
    f"postfix/qmgr[9]: {LINE}\n",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_line_that_only_looks_like_the_queue_managers_does_not_count(written, name):
    """Whatever a client says stands behind some other program's name."""
    since = position(written.log)
    written.add(FORGED[name])
    if name == "an unfinished line":
        assert written.ask(since, SENDER).taken == frozenset()
        return
    assert written.ask(since, SENDER) == NOT_TAKEN


def test_the_rest_of_a_line_that_was_being_written_does_not_count(written):
    """A position in the middle of a line must not make a client's text the beginning of one."""
    written.add(f"{BEGINNING}postfix/smtpd[9]: NOQUEUE: helo=<")
    since = position(written.log)
    written.add(f"{BEGINNING}postfix/qmgr[9]: {LINE}\n")
    assert written.ask(since, SENDER) == NOT_TAKEN


def test_what_a_real_client_says_cannot_look_like_the_queue_managers_line(relay):
    """In the names, addresses and headers that Postfix logs; and a letter refused for its size was not taken."""
    since = position(relay.log)
    sender = new_sender()
    line = f"{BEGINNING}postfix/qmgr[9]: {LINE.replace(SENDER, sender)}"
    client = Client(relay)
    client.say(f"EHLO {line}")
    client.say(f"EHLO x\r{line}")
    client.say(f'MAIL FROM:<"{line}"@a.example>')
    client.say(f"MAIL FROM:<{sender}> SIZE=99999999999")
    client.say("RSET")
    client.begin(new_sender(), helo="x")
    hidden = line.encode()
    for header in (b"Message-ID: <x>\r" + hidden, b"Resent-Message-ID: " + b"x" * 1990 + hidden, b"X: \0" + hidden):
        client.socket.sendall(header + b"\r\n")
    client.say("\r\ntext\r\n.")
    client.die()
    assert settled(relay, since, sender) == NOT_TAKEN
    assert any(sender in text for text in relay.lines())  # it is in the log, in other places


def test_an_empty_log_cannot_be_recognised(written):
    """Its inode number may have been given to another file."""
    os.truncate(written.log, 0)
    since = position(written.log)
    assert "was empty when the run began" in written.ask(since, SENDER).missing


@pytest.mark.parametrize("since", ["", "1:2:3", "a:b:c:d", "1:1:99999:" + "0" * 64, "-1:1:1:" + "0" * 64])
def test_a_position_that_makes_no_sense_leaves_it_uncertain(written, since):
    """It came out of a store that others can write to."""
    written.add(f"{BEGINNING}postfix/qmgr[9]: {LINE}\n")
    answer = written.ask(since, SENDER, "other@x.example")
    assert answer.taken == {SENDER}
    assert answer.missing == "it was not written down where the log ended when the run began"
    assert written.connections == []


def test_a_log_that_is_rotated_while_it_is_read_leaves_it_uncertain(written):
    """The next call finds it in its new place."""
    since = position(written.log)

    def probe_and_rotate() -> None:
        written.probe()
        written.log.rename(f"{written.log}.1")
        written.add(BEGUN)

    records = PostfixRecords(written.log, EMPTY_QUEUE)
    answer = ask(records, since, [SENDER], probe_and_rotate, alive_seconds=SHORT)
    assert "was rotated or cut off while it was read; ask again" in answer.missing
    assert written.ask(since, SENDER) == NOT_TAKEN


PIECES = st.sampled_from(
    [
        *TIMES, " ", "host", " host ", "postfix", "/", "qmgr", "[12]", ": ", "postfix/qmgr[12]: ",
        "postfix/smtpd[12]: ", "4jZ: ", f"from=<{SENDER}>", SENDER, "from=<", ">", ", size=1, nrcpt=1 (queue active)",
        "\r", "\n", "\0", "é", LINE, f"{BEGINNING}postfix/qmgr[1]: {LINE}", "x" * MAX_LINE,
        f"{BEGINNING}postfix/cleanup[1]: 4jZ: message-id=<",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode()) | st.binary(max_size=60)


def said_by_the_queue_manager(content: bytes) -> bool:
    """The same question answered word by word: is there a whole line of its that names the sender?"""
    for line in content.split(b"\n")[:-1]:
        before, _, after = line.partition(b": ")
        tag = before.split(b" ")[-1]
        body = after.partition(b": ")[2]
        if re.fullmatch(rb"[\w.-]+/[no]?qmgr\[\d+\]", tag) and body.startswith(
            b"from=<" + SENDER.encode() + b">, size="
        ):
            return True
    return False


@settings(max_examples=300)
@given(before=TEXTS, texts=st.lists(TEXTS, max_size=6))
def test_nothing_but_a_line_of_the_queue_manager_is_proof(tmp_path_factory, before, texts):
    """However the lines are made up: taken only if such a line is there, and never an error."""
    written = Written(tmp_path_factory.mktemp("log") / "mail.log")
    written.add(BEGUN, before, b"\n")
    since = position(written.log)
    added = b"".join(texts) + b"\n"
    written.add(added)
    answer = written.ask(since, SENDER)
    assert answer.missing == "" or "still had" in answer.missing
    if answer.taken:
        assert said_by_the_queue_manager(added)
    shutil.rmtree(written.log.parent)


@given(
    noise=st.lists(st.binary(max_size=80).map(lambda raw: raw.replace(b"\n", b"")), max_size=8), place=st.integers(0, 8)
)
def test_a_line_of_the_queue_manager_is_found_among_anything(tmp_path_factory, noise, place):
    """Garbage before and after does not hide it."""
    written = Written(tmp_path_factory.mktemp("log") / "mail.log")
    written.add(BEGUN)
    since = position(written.log)
    lines = [*noise[:place], f"{BEGINNING}postfix/qmgr[9]: {LINE}".encode(), *noise[place:]]
    written.add(*(line + b"\n" for line in lines))
    assert written.ask(since, SENDER).taken == {SENDER}
    shutil.rmtree(written.log.parent)


# --- together -------------------------------------------------------------------------------------------------


def test_the_answer_agrees_with_postfix_whenever_clients_die(relay):
    """Eight clients at once, each killed somewhere; nothing is left uncertain, nothing is said wrongly."""
    since = position(relay.log)
    rng = random.Random(3)
    senders = [new_sender() for _ in range(240)]
    plans = [
        (sender, rng.choice(["whole", "dot", "dot", "text", "rude"]), rng.randrange(len(TEXT))) for sender in senders
    ]

    def run(mine: list[tuple[str, str, int]]) -> None:
        for sender, how, where in mine:
            if how == "whole":
                send(relay, sender)
                continue
            client = Client(relay)
            client.begin(sender)
            client.socket.sendall(TEXT[:where] if how == "text" else TEXT + b".\r\n")
            client.die(rudely=how == "rude")

    threads = [threading.Thread(target=run, args=(plans[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = settled(relay, since, *senders)
    assert answer == Answer(frozenset(set(senders) & set(relay.senders())), "")
    by_plan = {how: sum(sender in answer.taken for sender, plan, _ in plans if plan == how) for how in ("text", "dot")}
    assert by_plan["text"] == 0
    assert by_plan["dot"] == sum(plan == "dot" for _, plan, _ in plans)


def test_a_million_lines_are_read_in_seconds(written):
    """Streaming: memory does not grow with the log (the limit is generous, two shared cores took 2 s)."""
    since = position(written.log)
    with written.log.open("a", encoding="ascii") as file:
        for number in range(200_000):
            queue_id, line = f"4jZT{number:08d}", BEGINNING + "postfix/"
            file.write(
                f"{line}smtpd[11]: {queue_id}: client=localhost[127.0.0.1]\n"
                f"{line}cleanup[12]: {queue_id}: message-id=<2026-10.0.{number:032x}@news.meridian.example>\n"
                f"{line}qmgr[13]: {queue_id}: from=<bounces+{number:040d}@x.example>, size=9, nrcpt=1 (queue active)\n"
                f"{line}smtp[14]: {queue_id}: to=<reader@example.org>, relay=mx.example.org[192.0.2.1]:25, delay=0.05, "
                "delays=0.04/0.02/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4jZTtp5cyWz1SCR6)\n"
                f"{line}qmgr[13]: {queue_id}: removed\n"
            )
    senders = [f"bounces+{number:040d}@x.example" for number in range(199_000, 201_000)]
    began = time.monotonic()
    answer = written.ask(since, *senders)
    seconds = time.monotonic() - began
    print(f"\n1,000,000 lines, {written.log.stat().st_size / 1e6:.0f} MB: {seconds:.1f} s")  # noqa: T201  # the figure
    assert answer == Answer(frozenset(senders[:1000]), "")
    assert seconds < ASKS_SECONDS


# --- the documented configuration -----------------------------------------------------------------------------


def test_the_documented_configuration_is_one_that_postfix_understands(relay):
    """Every line, without a warning; all tests here run with it."""
    folder = relay.folder / "documented"
    folder.mkdir()
    (folder / "main.cf").write_text(DOCUMENTED, encoding="utf-8")
    shutil.copy(relay.folder / "etc" / "master.cf", folder)
    read = subprocess.run(["postconf", "-c", folder, "-n"], capture_output=True, text=True, check=True)
    assert read.stderr == ""
    values = dict(line.partition(" =")[::2] for line in read.stdout.splitlines())
    assert {name: values[name].strip() for name in documented()} == documented()
    assert relay.run("postfix", "check") == ""


def test_every_line_of_the_documented_configuration_is_explained():
    """A group of settings stands below its comment."""
    assert DOCUMENTED in (Path(__file__).parent.parent / "docs" / "operators.md").read_text(encoding="utf-8")
    lines = DOCUMENTED.splitlines()
    assert lines[1].startswith("#")
    assert all(re.fullmatch(r"# .+\.|[a-zA-Z_]+ =( .+)?", line) for line in lines)


def test_a_private_postfix_leaves_nothing_behind():
    """Neither processes nor its folder."""
    with running_postfix() as relay:
        master = int((relay.folder / "queue" / "pid" / "master.pid").read_text())
        assert Path(f"/proc/{master}").exists()
    assert not Path(f"/proc/{master}").exists()
    assert not relay.folder.exists()
    used = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(relay.folder).encode() in _content(path)]
    assert used == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_private_postfix_hands_on_to_a_given_sink_and_limits_the_size(mailserver):
    """For campaigns that look at what comes out."""
    transport = f"smtp:[{mailserver.host}]:{mailserver.port}"
    with running_postfix(transport=transport, size_limit=100_000) as relay:
        sender = new_sender()
        send(relay, sender)
        relay.wait(lambda: bool(mailserver.mails))
        assert mailserver.mails[0].sender == sender
        relay.wait(lambda: (sender, ("reader@example.org",)) in list(relay.taken()))
        with closing(Client(relay).socket) as connection:
            connection.sendall(b"EHLO x\r\n")
            assert b"SIZE 100000" in connection.recv(1000)
