"""The fault lab itself: a witness that can be trusted, a verifier that can say no, and a short campaign."""

from __future__ import annotations

import json
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.keys import message_id, return_token, unsubscribe_token
from newsletter.model import MailingId, SubscriberId
from tests.faults import verify
from tests.faults.lab import ROOT, witness
from tests.faults.verify import ANY_DAY, KEYS, Person, Record, Taken, judge
from tests.faults.witness import Script, parse_faults

DEADLINE_SECONDS = 60.0
US = "report@newsletter.example"


# --- the witness ----------------------------------------------------------------------------------------------


class Served:
    """A running witness with some faults, and its two files."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.record = folder / "record"
        self.log = folder / "log"

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=DEADLINE_SECONDS)

    def send(self, recipient: str, text: bytes = b"") -> tuple[int, bytes]:
        """The answer that decided about the letter; SMTPServerDisconnected when there was none."""
        with self.client() as smtp:
            try:
                for answer in (smtp.ehlo(), smtp.mail(US), smtp.rcpt(recipient)):
                    if answer[0] >= 400:
                        return answer
                return smtp.data(text or letter(recipient))
            finally:
                smtp.close()

    def taken(self) -> list[str]:
        """The recipients of the letters that it took."""
        return [one.recipient for one in verify.read_record(self.record).letters] if self.record.exists() else []

    def logged(self, words: str) -> int:
        return self.log.read_text(encoding="utf-8").count(words)

    def wait_for(self, words: str, count: int = 1) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.logged(words) < count:
            assert time.monotonic() < deadline, f"the witness never wrote {words!r}"
            time.sleep(0.01)


@contextmanager
def serving(folder: Path, faults: str = "", seed: int = 1) -> Iterator[Served]:
    with witness(folder / "record", folder / "log", seed=seed, faults=parse_faults(faults)) as port:
        yield Served(folder, port)


def letter(recipient: str, lines: int = 3) -> bytes:
    head = f"To: {recipient}\r\nMessage-ID: <{recipient}>\r\nList-Unsubscribe: <https://x.example/u/{'t' * 34}>\r\n\r\n"
    return head.encode() + b"A line of the letter.\r\n" * lines


def test_the_witness_writes_down_what_it_takes_before_it_says_so(tmp_path: Path) -> None:
    """Leading dots are undone; the queue manager's line names the sender, as Postfix does."""
    with serving(tmp_path) as served:
        assert served.send("a@people.example", letter("a@people.example") + b".\r\n..two\r\n")[0] == 250
        (line,) = (json.loads(line) for line in served.record.read_text().splitlines())
        served.wait_for("disconnect from")
        assert served.logged(f"from=<{US}>, size={line['size']}, nrcpt=1 (queue active)") == 1
    assert (line["recipient"], line["sender"], line["token"]) == ("a@people.example", US, "t" * 34)
    assert line["message_id"] == "<a@people.example>"
    assert line["size"] == len(letter("a@people.example") + b".\r\n..two\r\n")


def test_pipelined_letters_are_all_taken(tmp_path: Path) -> None:
    """RFC 2920: a text and the next envelope may come in one write."""
    envelope = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
    with serving(tmp_path) as served, socket.create_connection(("127.0.0.1", served.port)) as raw:
        answers = raw.makefile("rb")
        raw.sendall(b"EHLO client.example\r\n" + envelope % (US.encode(), b"a@x.example"))
        while not answers.readline().startswith(b"354"):
            pass
        raw.sendall(letter("a@x.example") + b".\r\n" + envelope % (US.encode(), b"b@x.example"))
        assert [answers.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        raw.sendall(letter("b@x.example") + b".\r\nQUIT\r\n")
        assert [answers.readline()[:3] for _ in range(2)] == [b"250", b"221"]
        assert served.taken() == ["a@x.example", "b@x.example"]


def test_half_a_text_is_never_taken(tmp_path: Path) -> None:
    """Its Message-ID is in the log all the same, as with Postfix, and proves nothing."""
    with serving(tmp_path) as served:
        with served.client() as smtp:
            smtp.ehlo(), smtp.mail(US), smtp.rcpt("a@x.example"), smtp.docmd("DATA")
            smtp.send(letter("a@x.example") + b"half a l")
            smtp.close()
        served.wait_for("disconnect from")
        assert served.taken() == []
        assert served.logged("message-id=<a@x.example>") == 1
        assert served.logged("qmgr") == 0


@pytest.mark.parametrize(("faults", "code"), [("4xx=1", 451), ("5xx=1", 550), ("greylist=1", 450)])
def test_a_refused_letter_is_not_taken(tmp_path: Path, faults: str, code: int) -> None:
    with serving(tmp_path, faults) as served:
        assert served.send("a@x.example")[0] == code
        assert served.taken() == []


def test_greylisting_ends_with_the_second_try_and_a_5xx_never(tmp_path: Path) -> None:
    with serving(tmp_path, "greylist=1") as served:
        assert [served.send("a@x.example")[0] for _ in range(2)] == [450, 250]
    with serving(tmp_path, "5xx=1") as served:
        assert [served.send("a@x.example")[0] for _ in range(3)] == [550, 550, 550]


def test_a_letter_can_be_taken_without_a_word(tmp_path: Path) -> None:
    with serving(tmp_path, "take-drop=1") as served:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            served.send("a@x.example")
        assert served.taken() == ["a@x.example"]


def test_a_connection_can_be_lost_in_the_middle_of_a_text(tmp_path: Path) -> None:
    with serving(tmp_path, "drop=1") as served:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError, BrokenPipeError)):
            served.send("a@x.example", letter("a@x.example", lines=1_000))
        assert served.taken() == []


def test_a_letter_can_be_taken_when_its_sender_is_long_gone(tmp_path: Path) -> None:
    """Only then the log has the line that says the connection is over: before it nobody may conclude anything."""
    with serving(tmp_path, "late=1") as served:
        with served.client() as smtp:
            smtp.ehlo(), smtp.mail(US), smtp.rcpt("a@x.example"), smtp.docmd("DATA")
            smtp.send(letter("a@x.example") + b".\r\n")
            smtp.close()
        served.wait_for("disconnect from")
        assert served.taken() == ["a@x.example"]
        log = served.log.read_text()
        assert log.index("qmgr") < log.index("disconnect from")


def test_a_stalled_letter_is_not_taken(tmp_path: Path) -> None:
    with serving(tmp_path, "stall=1") as served:
        with served.client() as smtp:
            smtp.ehlo(), smtp.mail(US), smtp.rcpt("a@x.example"), smtp.docmd("DATA")
            smtp.send(letter("a@x.example") + b".\r\n")
            smtp.sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                smtp.sock.recv(1)
            smtp.close()
        served.wait_for("disconnect from")
        assert served.taken() == []


def test_a_connection_can_be_refused(tmp_path: Path) -> None:
    with serving(tmp_path, "refuse=1") as served, pytest.raises(smtplib.SMTPConnectError) as refused:
        served.client()
    assert refused.value.smtp_code == 421


def test_the_same_seed_makes_the_same_faults_in_whatever_order_letters_come() -> None:
    script = Script(7, parse_faults("drop=0.2,late=0.2,stall=0.1"))
    names = [f"{number}@x.example" for number in range(200)]
    drawn = {name: script.of_letter(name, 1)[0] for name in names}
    assert {name: script.of_letter(name, 1)[0] for name in reversed(names)} == drawn
    assert set(drawn.values()) == {"", "drop", "late", "stall"}
    assert {name: Script(8, script.faults).of_letter(name, 1)[0] for name in names} != drawn


def test_a_misspelt_fault_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'dorp=0\.1'"):
        parse_faults("dorp=0.1")


# --- the verifier ---------------------------------------------------------------------------------------------

PEOPLE = tuple(Person(SubscriberId(number), f"reader-{number}@x.example") for number in range(1, 5))


def took(person: Person, **changes: str) -> Taken:
    """The letter that this person should get."""
    number = person.subscriber
    right = Taken(
        recipient=person.mailbox,
        sender=f"bounces+{return_token(KEYS, MailingId(1), number, ANY_DAY)}@newsletter.example",
        message_id=message_id(KEYS, "2026-10.0", number, "newsletter.example"),
        token=unsubscribe_token(KEYS, number),
        to=person.mailbox,
        sha256="0" * 64,
        opened=1.0,
    )
    return replace(right, **changes)


FIRST, SECOND, THIRD, LAST = PEOPLE
RIGHT = tuple(map(took, PEOPLE))


def problems(*letters: Taken, rule: str = "ask", refused: tuple[Person, ...] = (), held: tuple[int, ...] = ()):
    record = Record(letters, frozenset(person.mailbox for person in refused), {})
    return judge(PEOPLE, record, frozenset(held)).problems(rule)


def test_a_perfect_record_has_no_problem() -> None:
    assert problems(*RIGHT) == {}
    assert problems(*reversed(RIGHT)) == {}


@pytest.mark.parametrize(
    ("letters", "found"),
    [
        ((*RIGHT, RIGHT[0]), {"twice": 1}),
        ((*RIGHT, replace(RIGHT[0], sha256="1" * 64)), {"twice": 1, "copies_differ": 1}),
        (RIGHT[1:], {"skipped": 1}),
        ((*RIGHT, took(Person(SubscriberId(9), "nobody@x.example"))), {"strangers": 1}),
        ((*RIGHT[:3], took(LAST, token=RIGHT[0].token)), {"wrong_token": 1}),
        ((*RIGHT[:3], took(LAST, token="x" * 34)), {"wrong_token": 1}),
        ((*RIGHT[:3], took(LAST, message_id=RIGHT[0].message_id)), {"wrong_message_id": 2}),
        ((*RIGHT[:3], took(LAST, message_id="<made-up@newsletter.example>")), {"wrong_message_id": 1}),
        ((*RIGHT[:3], took(LAST, sender=RIGHT[0].sender)), {"wrong_sender": 1}),
        ((*RIGHT[:3], took(LAST, sender=US)), {"wrong_sender": 1}),
        ((*RIGHT[:3], took(LAST, to=f"{LAST.mailbox}, {FIRST.mailbox}")), {"wrong_to": 1}),
        ((*RIGHT[:2], replace(RIGHT[2], recipient=LAST.mailbox), replace(RIGHT[3], recipient=THIRD.mailbox)),
         {"wrong_token": 2, "wrong_message_id": 2, "wrong_sender": 2, "wrong_to": 2}),
    ],
)  # fmt: skip
def test_every_wrong_record_is_found(letters: tuple[Taken, ...], found: dict[str, int]) -> None:
    """A verifier that cannot say no would make every campaign green."""
    assert problems(*letters) == found


def test_who_was_refused_or_is_held_was_not_skipped() -> None:
    assert problems(*RIGHT[1:], refused=(FIRST,)) == {}
    assert problems(*RIGHT, refused=(FIRST,)) == {"refused_and_taken": 1}
    assert problems(*RIGHT[1:], held=(FIRST.subscriber,), rule="hold") == {}
    assert problems(*RIGHT[1:], held=(FIRST.subscriber,), rule="ask") == {"held": 1}


def test_only_the_rule_again_may_repeat_letters_and_only_the_same_ones() -> None:
    assert problems(*RIGHT, RIGHT[0], rule="again") == {}
    assert problems(*RIGHT, RIGHT[0], rule="hold") == {"twice": 1}
    assert problems(*RIGHT, replace(RIGHT[0], sha256="1" * 64), rule="again") == {"copies_differ": 1}


def test_nobody_is_written_to_at_what_is_no_address() -> None:
    person = Person(SubscriberId(5), "no-at-sign", deliverable=False)
    assert judge((person,), Record((), frozenset(), {})).problems("ask") == {}
    assert judge((person,), Record((took(person),), frozenset(), {})).problems("ask") == {"undeliverable": 1}


def test_the_verifier_is_a_program_that_fails(tmp_path: Path) -> None:
    """It gets the list and the record, prints one JSON object last, and exits with 1."""
    with serving(tmp_path) as served:
        served.send(FIRST.mailbox)
        served.send(FIRST.mailbox)
    people = tmp_path / "people"
    people.write_text("".join(json.dumps({"subscriber": p.subscriber, "mailbox": p.mailbox}) + "\n" for p in PEOPLE))
    command = [sys.executable, "-m", "tests.faults.verify", "--recipients", people, "--record", tmp_path / "record"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1, done.stderr
    assert told["problems"] == {"skipped": 3, "twice": 1, "wrong_message_id": 1, "wrong_sender": 1, "wrong_token": 1}
    assert f"skipped: subscribers {SECOND.subscriber}" in done.stdout
    assert "@" not in done.stdout


# --- the campaign ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", ["ask", *(pytest.param(rule, marks=pytest.mark.slow) for rule in verify.RULES if rule != "ask")]
)
def test_a_short_campaign_loses_nobody(tmp_path: Path, rule: str) -> None:
    """``make faults`` is the long one."""
    options = ["--rule", rule, "--kills", "6", "--subscribers", "300", "--seed", "3", "--folder", str(tmp_path)]
    command = [sys.executable, "-m", "tests.faults.campaign", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert result["lost"] == 0
    assert result["unresolved"] == 0
    assert result["kills_that_hit"] >= 6
    assert result["uncertain"] > 0
