"""An operator stops, looks and decides: every command for a month on its way, with a real relay and real processes."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dkim
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.faults.lab import witness
from tests.support.mailserver import READY_SECONDS, MailServer
from tests.support.sites import Site

PEOPLE = tuple(f"reader{number}@people.example" for number in range(12))
SEND = (sys.executable, "-m", "newsletter", "send", "2026-10", "--yes")
MANY = 2_000  # deliveries that SIGTERM interrupts; issue 3 wants 10,000, which takes longer and shows nothing else
STOP_SECONDS = 5.0  # what operators are promised
SHARED = 4  # times as long: other tests share the machine


class HoldingServer(MailServer):
    """Takes letters; from the one with number ``hold_at`` on it does not answer before ``go_on`` is set."""

    def __init__(self, hold_at: int) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self._hold_at = hold_at

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd
        """Aiosmtpd calls it when the whole text is there."""
        reply = await super().handle_DATA(server, session, envelope)
        if len(self.mails) >= self._hold_at:
            await asyncio.to_thread(self.go_on.wait, READY_SECONDS)
        return reply


def use(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(port))


@pytest.fixture
def relay(mailserver: MailServer, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    """The site's relay, through one connection, so that it is known which letter comes when."""
    use(mailserver.port, monkeypatch)
    monkeypatch.setenv("NEWSLETTER_DELIVERY_CONNECTIONS", "1")
    return mailserver


@pytest.fixture
def slow_relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[HoldingServer]:
    """One that keeps the third letter's answer to itself until it is told to go on."""
    with HoldingServer(hold_at=3) as server:
        use(server.port, monkeypatch)
        monkeypatch.setenv("NEWSLETTER_DELIVERY_CONNECTIONS", "1")
        yield server
        server.go_on.set()


@pytest.fixture
def month(site: Site) -> Site:
    """A site whose October is ready for its twelve readers."""
    site.subscribe(*PEOPLE)
    return site


@pytest.fixture
def sending(month: Site, slow_relay: HoldingServer) -> Iterator[subprocess.Popen[str]]:
    """A process that has sent two letters and waits for the answer to the third."""
    with subprocess.Popen(SEND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert slow_relay.wait_for(3)
            yield process
        finally:
            slow_relay.go_on.set()
            process.kill()


def states(site: Site) -> Counter[str]:
    """The delivery states that occur, past the product's own code."""
    with closing(sqlite3.connect(site.folder / "var/newsletter.db")) as database:
        return Counter(state for (state,) in database.execute("SELECT state FROM delivery"))


def refused(site: Site, *args: str, code: int) -> str:
    """A command that has to fail with this code and one message; returns that."""
    assert site.newsletter(*args) == code, site.err or site.out
    assert "Traceback" not in site.err
    return site.err


def everybody_has_one(server: MailServer) -> None:
    assert Counter(mail.recipient for mail in server.mails) == Counter(PEOPLE)


def uncertain(site: Site, month: str = "2026-10") -> list[dict[str, Any]]:
    """What ``status --json`` names."""
    named: list[dict[str, Any]] = site.json("status", month)["uncertain"]
    return named


# --- pause, resume ----------------------------------------------------------------------------------------------


def test_a_run_that_is_paused_by_somebody_else_stops_and_goes_on_later(
    month: Site, slow_relay: HoldingServer, sending: subprocess.Popen[str]
) -> None:
    """The letter under way is finished, the rest stays pending; afterwards everybody has exactly one."""
    assert "newsletter resume 2026-10" in month.must("pause", "2026-10")
    slow_relay.go_on.set()
    said, _ = sending.communicate(timeout=READY_SECONDS)
    assert sending.returncode == 5
    assert "released, paused" in said
    assert states(month) == {"accepted": 3, "pending": 9}
    status = month.json("status", "2026-10")
    assert (status["state"], status["pending"], status["uncertain"]) == ("released", 9, [])
    assert status["paused"] is not None
    assert "2026-10  released, paused  edition" in month.must("status", "2026-10")

    assert month.newsletter("send", "2026-10", "--yes") == 5  # a paused month stays so
    assert states(month)["accepted"] == 3
    assert "newsletter send 2026-10" in month.must("resume", "2026-10")
    assert month.json("status", "2026-10")["paused"] is None
    month.must("send", "2026-10", "--yes")
    everybody_has_one(slow_relay)


def test_pausing_and_resuming_twice_is_fine(month: Site, relay: MailServer) -> None:
    """Two people may have the same thought."""
    month.must("send", "2026-10", "--yes", "--pause")
    first = month.json("status", "2026-10")["paused"]
    month.must("pause", "2026-10")
    assert month.json("status", "2026-10")["paused"] == first
    for _ in range(2):
        month.must("resume", "2026-10")
    month.must("send", "2026-10", "--yes")
    everybody_has_one(relay)


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_what_is_over_can_be_neither_paused_nor_cancelled(month: Site, relay: MailServer, command: str) -> None:
    """Nor what does not exist; exit code 4 both times."""
    more = ("--yes",) if command == "cancel" else ()
    assert "there is no report of 2026-09 yet" in refused(month, command, "2026-09", *more, code=4)
    month.must("send", "2026-10", "--yes")
    told = refused(month, command, "2026-10", *more, code=4)
    assert f"the report of 2026-10 is sent already; there is nothing to {command}" in told


# --- cancel -----------------------------------------------------------------------------------------------------


def test_a_run_that_is_cancelled_by_somebody_else_sends_nothing_more(
    month: Site, slow_relay: HoldingServer, sending: subprocess.Popen[str]
) -> None:
    """What was under way counts as what it became; all others are dropped with the reason."""
    assert "9 dropped" in month.must("cancel", "2026-10", "--yes")
    slow_relay.go_on.set()
    sending.communicate(timeout=READY_SECONDS)
    assert states(month) == {"accepted": 3, "dropped": 9}
    assert month.json("status", "2026-10")["state"] == "cancelled"
    letters = month.json("subscribers", "letters", PEOPLE[5])["letters"]
    assert {letter["reason"] for letter in letters} <= {"", "the mailing was cancelled"}
    refused(month, "send", "2026-10", "--yes", code=4)
    refused(month, "resume", "2026-10", code=4)
    assert len(slow_relay.mails) == 3


@pytest.mark.parametrize("typed", ["2026-11", "", "2026-10"])
def test_cancel_asks_to_type_the_month_back(
    month: Site, relay: MailServer, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """It cannot be undone."""
    month.must("send", "2026-10", "--yes", "--pause")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    is_right = typed == "2026-10"
    assert month.newsletter("cancel", "2026-10") == (0 if is_right else 4)
    assert ("nothing was cancelled" in month.err) is not is_right
    assert month.json("status", "2026-10")["state"] == ("cancelled" if is_right else "released")
    assert relay.mails == ()


# --- sign -------------------------------------------------------------------------------------------------------


def zone(printed: str) -> dict[str, str]:
    """The TXT records of a zone file, as a DNS would give them."""
    records = re.findall(r"(?m)^(\S+)\. \d+ IN TXT \(([^)]*)\)$", printed)
    return {name: "".join(re.findall(r'"([^"]*)"', strings)) for name, strings in records}


def with_keys(site: Site) -> dict[str, str]:
    """Make keys and put the printed lines into the settings; the records to publish."""
    printed = site.must("keys", "dkim", "--selector", "2026a")
    settings = site.folder / "newsletter.toml"
    signing = printed[printed.index("[signing]") :]
    settings.write_text(settings.read_text(encoding="utf-8") + "\n" + signing, encoding="utf-8")
    return zone(printed)


def stored_signatures(site: Site) -> list[bytes]:
    with closing(sqlite3.connect(site.folder / "var/newsletter.db")) as database:
        return [made for (made,) in database.execute("SELECT dkim FROM signature ORDER BY subscriber_id")]


def verified(letter: bytes, records: dict[str, str]) -> list[bool]:
    """What dkimpy says of each signature of a letter."""

    def ask(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode().rstrip(".")].encode()

    count = letter.count(b"DKIM-Signature:")
    return [bool(dkim.DKIM(letter).verify(number, dnsfunc=ask)) for number in range(count)]


def test_a_month_is_released_signed_ahead_and_sent_as_it_was_signed(month: Site, relay: MailServer) -> None:
    """Between ``send --pause`` and ``resume`` nothing leaves; the letters carry the stored signatures, and verify."""
    records = with_keys(month)
    assert "2026-10  released, paused" in month.must("send", "2026-10", "--yes", "--pause")
    assert states(month) == {"pending": len(PEOPLE)}
    assert month.must("sign", "2026-10") == "12 letters of 2026-10 are signed\n"
    made = stored_signatures(month)
    assert len(made) == len(PEOPLE)
    assert relay.mails == ()

    month.must("resume", "2026-10")
    month.must("send", "2026-10", "--yes")
    everybody_has_one(relay)
    assert sorted(made) == sorted(next(one for one in made if one in mail.content) for mail in relay.mails)
    assert [verified(mail.content, records) for mail in relay.mails] == [[True, True]] * len(PEOPLE)
    assert stored_signatures(month) == []  # of no more use


def test_a_reader_who_moves_after_the_signing_gets_a_letter_that_verifies(month: Site, relay: MailServer) -> None:
    """It is signed anew, for the new address; the others keep theirs."""
    records = with_keys(month)
    month.must("send", "2026-10", "--yes", "--pause")
    month.must("sign", "2026-10")
    made = stored_signatures(month)
    with closing(sqlite3.connect(month.folder / "var/newsletter.db")) as database, database:
        database.execute(
            "UPDATE subscriber SET mailbox = 'moved@people.example', mailbox_key = 'moved@people.example'"
            " WHERE mailbox = ?", PEOPLE[:1]
        )  # fmt: skip
    month.must("resume", "2026-10")
    month.must("send", "2026-10", "--yes")
    (moved,) = relay.mails_to("moved@people.example")
    assert verified(moved.content, records) == [True, True]
    assert [any(one in mail.content for one in made) for mail in relay.mails].count(False) == 1
    assert relay.mails_to(PEOPLE[0]) == ()


def test_signing_twice_makes_nothing_anew(month: Site, relay: MailServer) -> None:
    """What fits is left alone, so that a letter that is sent again is the same to the byte."""
    with_keys(month)
    month.must("send", "2026-10", "--yes", "--pause")
    month.must("sign", "2026-10")
    made = stored_signatures(month)
    month.must("sign", "2026-10")
    assert stored_signatures(month) == made


def test_what_cannot_be_signed_is_said(month: Site, relay: MailServer) -> None:
    """No keys: exit code 2, with how to make some. Nothing released: 4."""
    month.must("send", "2026-10", "--yes", "--pause")
    assert "newsletter keys dkim" in refused(month, "sign", "2026-10", code=2)
    with_keys(month)
    refused(month, "sign", "2026-09", code=4)


# --- settle -----------------------------------------------------------------------------------------------------


@pytest.fixture
def held(month: Site, relay: MailServer) -> list[str]:
    """Two letters that the relay took and one that it did not, and nobody on our side knows; their ids."""
    for stage in ("REPLY", "DATA", "REPLY"):
        relay.drop_next(stage)
    assert month.newsletter("send", "2026-10", "--yes") == 5
    assert states(month) == {"accepted": 9, "held": 3}
    named = uncertain(month)
    assert {one["state"] for one in named} == {"held"}
    reason = "uncertain: the connection was lost before the relay answered"
    assert {one["resolved_by"] for one in named} == {f"newsletter settle 2026-10 ({reason})"}
    return [one["delivery"] for one in named]


def test_held_letters_are_settled_one_by_one_by_their_ids(month: Site, relay: MailServer, held: list[str]) -> None:
    """Those that the relay has count as taken, the other one is sent; then the month is over."""
    for address in PEOPLE:
        (letter,) = month.json("subscribers", "letters", address)["letters"]
        if letter["state"] == "held":
            assert letter["delivery"] in held
            decision = "--taken" if relay.mails_to(address) else "--again"
            assert month.must("settle", "2026-10", letter["delivery"], decision).startswith("1 letters ")
    assert uncertain(month) == []
    assert states(month) == {"accepted": 11, "pending": 1}
    month.must("send", "2026-10", "--yes")
    everybody_has_one(relay)
    assert month.json("status", "2026-10")["state"] == "sent"


def test_all_held_letters_are_settled_when_none_is_named(month: Site, held: list[str]) -> None:
    """The last decision ends the month."""
    assert month.must("settle", "2026-10", "--taken") == "3 letters count as taken\n"
    assert month.json("status", "2026-10")["state"] == "sent"
    assert month.must("settle", "2026-10", "--taken") == "0 letters count as taken\n"


def test_a_letter_that_is_named_twice_is_one(month: Site, held: list[str]) -> None:
    assert month.must("settle", "2026-10", held[0], held[0], "--again") == "1 letters are due again\n"


@pytest.mark.parametrize("flags", [(), ("--taken", "--again")])
def test_a_decision_is_one_of_two(month: Site, held: list[str], flags: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is decided."""
    assert "say either --taken or --again" in refused(month, "settle", "2026-10", held[0], *flags, code=2)
    assert len(uncertain(month)) == 3


def test_what_is_not_held_cannot_be_settled(month: Site, held: list[str]) -> None:
    """Strange ids, and those of other letters; none of those named beside them is decided about."""
    letters = (month.json("subscribers", "letters", address)["letters"][0] for address in PEOPLE)
    accepted = next(letter["delivery"] for letter in letters if letter["state"] == "accepted")
    for name in ("1.1", "nonsense", "", accepted):
        told = refused(month, "settle", "2026-10", held[0], name, "--taken", code=4)
        assert f"not held: {name}; see: newsletter status 2026-10" in told
    assert len(uncertain(month)) == 3
    refused(month, "settle", "2026-09", "--taken", code=4)


def test_a_held_letter_of_a_cancelled_month_is_never_sent(
    month: Site, slow_relay: HoldingServer, sending: subprocess.Popen[str]
) -> None:
    """Whoever finds out that the relay does not have it has nothing more to do: it is dropped, not due for ever."""
    sending.kill()
    sending.wait()
    month.must("cancel", "2026-10", "--yes")
    refused(month, "send", "2026-10", "--yes", code=4)
    with closing(sqlite3.connect(month.folder / "var/newsletter.db")) as database, database:
        database.execute("UPDATE delivery SET state = 'held' WHERE state = 'intent'")  # as the scheduler's run does
    month.must("settle", "2026-10", "--again")
    assert states(month) == {"accepted": 2, "dropped": 10}


# --- status -----------------------------------------------------------------------------------------------------


RESOLVED_BY = {
    "hold": "the next delivery run holds it for your decision",
    "ask": "the next delivery run asks the relay's log and queue",
    "again": "the next delivery run sends it again",
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", RESOLVED_BY)
def test_status_names_what_a_crash_has_left_and_what_resolves_it(
    month: Site, sending: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """By number, in JSON and in words; nobody's address."""
    monkeypatch.setenv("NEWSLETTER_DELIVERY_UNCERTAIN", rule)
    sending.kill()
    sending.wait()
    status = month.json("status", "2026-10")
    assert (status["accepted"], status["intent"], status["pending"]) == (2, 1, 9)
    (named,) = status["uncertain"]
    assert named["state"] == "intent"
    assert named["resolved_by"] == f"under way, or else {RESOLVED_BY[rule]}"
    assert re.fullmatch(r"1\.\d+", named["delivery"])
    assert f"uncertain  {named['delivery']}  intent since " in month.must("status", "2026-10")
    assert RESOLVED_BY[rule] in month.out
    assert "@" not in json.dumps(status) + month.out


# --- who got what -----------------------------------------------------------------------------------------------


def test_every_letter_to_one_person_is_told(month: Site, relay: MailServer) -> None:
    """Month, state, when, what the relay said; capitals in the address do not matter."""
    relay.reply_always(PEOPLE[0], "550 5.1.1 unknown")
    month.must("send", "2026-10", "--yes")
    (letter,) = month.json("subscribers", "letters", PEOPLE[0].upper())["letters"]
    assert (letter["month"], letter["state"], letter["attempts"]) == ("2026-10", "refused", 1)
    assert (letter["reply"], letter["reason"]) == ("550 5.1.1 unknown", "")
    told = month.must("subscribers", "letters", PEOPLE[0])
    assert re.fullmatch(
        rf"2026-10  refused   \d{{4}}-\d\d-\d\d \d\d:\d\d  550 5\.1\.1 unknown  \({letter['delivery']}\)\n", told
    )


def test_who_never_got_anything_is_told_so(month: Site, relay: MailServer) -> None:
    month.must("send", "2026-10", "--yes")
    month.subscribe("late@people.example")
    assert month.must("subscribers", "letters", "late@people.example") == "no letter was ever due to this address\n"
    assert month.json("subscribers", "letters", "late@people.example") == {"letters": []}


@pytest.mark.parametrize("address", ["stranger@people.example", "nonsense", ""])
def test_an_address_of_nobody_is_said_so(month: Site, address: str) -> None:
    """Exit code 2, and a way on."""
    assert refused(month, "subscribers", "letters", address, code=2)
    if "@" in address:
        assert "newsletter subscribers list" in month.err


# --- signals ----------------------------------------------------------------------------------------------------


def recorded(record: Path) -> list[str]:
    """Whom the witness has taken a letter for, so far."""
    if not record.exists():
        return []
    lines = record.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return [json.loads(line)["recipient"] for line in lines]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_in_the_middle_stops_within_seconds_and_leaves_nothing_uncertain(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """What is in flight is finished and written down; a second run goes on: everybody exactly once."""
    people = [f"reader{n}@domain{n % 50}.example" for n in range(MANY)]
    site.subscribe(*people)
    record = tmp_path / "record.jsonl"
    with witness(record, tmp_path / "mail.log", seed=1, faults={}) as port:
        use(port, monkeypatch)
        with subprocess.Popen(SEND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                deadline = time.monotonic() + READY_SECONDS
                while len(recorded(record)) < MANY // 10:
                    assert time.monotonic() < deadline, "nothing is sent"
                    assert process.poll() is None, process.communicate()
                process.send_signal(number)
                began = time.monotonic()
                _, said = process.communicate(timeout=READY_SECONDS)
            finally:
                process.kill()
        assert time.monotonic() - began < SHARED * STOP_SECONDS
        assert process.returncode == 130, said
        assert "Traceback" not in said
        taken = len(recorded(record))
        assert taken < MANY  # it was in the middle
        assert states(site) == {"accepted": taken, "pending": MANY - taken}
        assert site.json("status", "2026-10")["uncertain"] == []
        site.must("send", "2026-10", "--yes")
        assert Counter(recorded(record)) == Counter(people)
    assert states(site) == {"accepted": MANY}


def test_a_relay_that_says_nothing_does_not_keep_a_process_from_ending(
    month: Site, slow_relay: HoldingServer, sending: subprocess.Popen[str]
) -> None:
    """Its letter is uncertain then, and named; the next run holds it."""
    sending.terminate()
    began = time.monotonic()
    sending.communicate(timeout=READY_SECONDS)
    assert time.monotonic() - began < SHARED * STOP_SECONDS
    assert sending.returncode == 130
    assert states(month) == {"accepted": 2, "intent": 1, "pending": 9}
    assert [one["state"] for one in uncertain(month)] == ["intent"]
    slow_relay.go_on.set()
    assert month.newsletter("send", "2026-10", "--yes") == 5
    assert states(month) == {"accepted": 11, "held": 1}
    everybody_has_one(slow_relay)
