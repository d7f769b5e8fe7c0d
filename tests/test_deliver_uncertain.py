"""Did the relay take it? Asked of a real Postfix after a crash, judged by its own log, word by word.

A process is killed here with SIGKILL, or it ends at a named point of the engine, behind which nothing happens.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from newsletter.deliver.dispatch import Dispatch, Retry, Uncertain
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.postfix import PostfixRecords
from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.replies import JITTER
from newsletter.deliver.run import Tally
from newsletter.errors import DeliveryError
from newsletter.keys import LinkKeys
from newsletter.model import DeliveryState, Mailing
from newsletter.store import deliveries, mailings
from newsletter.store.database import Store
from newsletter.store.tables import meta as table
from tests.support.killing import kill_and_resume
from tests.support.ledger import KEYS, NOW, OCTOBER, Clock, add_people, person, released
from tests.support.postfix import LOOK_SECONDS, Postfix, running_postfix, wait_for
from tests.support.samples import sample_publication

CONNECTIONS = 3
READERS = 60
KILLS = 6
SETTLE_SECONDS = 0.3  # a killed client's session ends at once; this is for a busy machine


class Died(Exception):  # noqa: N818  # it happened; nothing is wrong
    """The process ends here."""


def dies_at(point: str) -> Callable[[str], None]:
    """A trace that ends the run at this point."""

    def trace(name: str) -> None:
        if name == point:
            raise Died

    return trace


@pytest.fixture(scope="module")
def relay() -> Iterator[Postfix]:
    with running_postfix() as running:
        yield running


@pytest.fixture
def postfix(relay: Postfix) -> Postfix:
    """As good as new for every test: some of them take its log away."""
    relay.start_afresh()
    return relay


def dispatch(host: str, port: int, log: Path, queue: tuple[str, ...], connections: int = 1) -> Dispatch:
    """Through this relay, whose records are asked."""
    return Dispatch(
        relays=(Relay(host=host, port=port, tls=Tls.NONE, timeout_seconds=20.0),),
        return_path="bounces@meridian.example",
        connections=connections,
        uncertain=Uncertain.ASK,
        postfix=PostfixRecords(log, queue),
        settle_seconds=SETTLE_SECONDS,
    )


class Engine:
    """Delivers through a Postfix under a clock that tests set."""

    def __init__(self, store: Store, postfix: Postfix) -> None:
        self.store = store
        self.clock = Clock()
        self.dispatch = dispatch(postfix.host, postfix.port, postfix.log, postfix.queue_command)

    def run(self, mailing: Mailing, **changes: Any) -> Tally:
        """What is due now."""
        usual = {
            "dispatch": self.dispatch,
            "keys": KEYS,
            "publication": sample_publication(),
            "clock": self.clock,
            "stop": lambda: False,
            "progress": lambda _: None,
            "rng": random.Random(1),
        }
        return deliver_due(self.store, mailing, **(usual | changes))

    def die(self, mailing: Mailing, point: str) -> None:
        """Deliver until the process ends at this point."""
        with pytest.raises(Died):
            self.run(mailing, trace=dies_at(point))

    def states(self, mailing: Mailing) -> dict[DeliveryState, int]:
        """Those that occur, with how often."""
        with self.store.read() as tx:
            return {state: number for state, number in deliveries.tally(tx, mailing.id).items() if number}

    def reason(self, mailing: Mailing, number: int = 1) -> str:
        """Why somebody's letter is held or dropped."""
        with self.store.read() as tx:
            record = deliveries.record(tx, mailing.id, person(number).id)
        assert record is not None
        return record.reason

    def position(self, mailing: Mailing) -> str | None:
        """From where the relay's log will be read."""
        with self.store.read() as tx:
            kept = tx.execute(select(table.c.value).where(table.c.key == f"postfix-log/{mailing.id}"))
            return kept.scalar_one_or_none()


@pytest.fixture
def engine(sqlite_store: Store, postfix: Postfix) -> Engine:
    return Engine(sqlite_store, postfix)


@pytest.fixture
def mailing(engine: Engine) -> Mailing:
    """Released to two readers."""
    add_people(engine.store, [person(1), person(2)])
    return released(engine.store)


def taken(postfix: Postfix) -> Counter[str]:
    """Whom Postfix took letters for, and how many; once all have been tried."""
    return Counter(recipient for _, recipients in postfix.settled() for recipient in recipients)


ONE, TWO = person(1).address.mailbox, person(2).address.mailbox
BOTH = Counter([ONE, TWO])


# --- killed -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kill_9_at_any_moment_repeats_nothing_and_skips_nobody(database, postfix):
    """Killed again and again in the middle: by Postfix's own log everybody has exactly one letter."""
    readers = [person(number) for number in range(READERS)]
    with closing(database.open()) as store:
        add_people(store, readers)
        mailing = released(store)
        command = [sys.executable, "-m", "tests.test_deliver_uncertain", database.url, str(database.folder),
                   postfix.host, str(postfix.port), str(postfix.log), *postfix.queue_command]  # fmt: skip
        killed = kill_and_resume(
            command, kills=KILLS, window_seconds=0.06, rng=random.Random(1), progressed=new_letters(postfix)
        )
        with store.read() as tx:
            assert deliveries.tally(tx, mailing.id)[DeliveryState.ACCEPTED] == READERS
    assert killed > 0
    assert taken(postfix) == Counter(reader.address.mailbox for reader in readers)
    assert len(set(postfix.senders())) == READERS


def new_letters(postfix: Postfix) -> Callable[[float], bool]:
    """For ``progressed``: whether Postfix has taken a letter since it was asked last."""
    seen = [0]

    def progressed(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (number := len(postfix.senders())) == seen[0] and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        came = number > seen[0]
        seen[0] = number
        return came

    return progressed


@pytest.mark.parametrize(("point", "has_it"), [("before-text", False), ("after-text", None), ("reply", True)])
def test_whoever_dies_around_a_text_is_told_by_the_records_what_became_of_it(engine, mailing, postfix, point, has_it):
    """Taken: never sent again. Not taken: sent at once, since it was our death and not the relay's doing."""
    engine.die(mailing, point)
    assert engine.states(mailing) == {DeliveryState.INTENT: 1, DeliveryState.PENDING: 1}
    tally = engine.run(mailing)
    if has_it is not None:  # after the text nobody knows how much of it was on its way
        assert tally == Tally(1, accepted=1 if has_it else 2)
    assert engine.states(mailing) == {DeliveryState.ACCEPTED: 2}
    assert taken(postfix) == BOTH


def test_where_the_records_show_that_it_was_taken_the_ledger_says_how_it_knows(engine, mailing, postfix):
    """The reply that nobody heard is not made up."""
    engine.die(mailing, "reply")
    engine.run(mailing)
    with engine.store.read() as tx:
        record = deliveries.record(tx, mailing.id, person(1).id)
    assert record is not None
    assert (record.state, record.reply) == (DeliveryState.ACCEPTED, "the relay's records show that it took it")


# --- records that cannot tell -----------------------------------------------------------------------------------


def remove(postfix: Postfix) -> None:
    """Somebody tidied up; Postfix goes on writing into a file that has no name."""
    postfix.log.unlink()


def rotate(postfix: Postfix) -> None:
    """As logrotate does, until Postfix writes into the new file."""

    def is_written() -> bool:
        postfix.probe()
        return "disconnect" in postfix.log.read_text("utf-8")

    postfix.rotate()
    postfix.wait(is_written)


def rotate_twice(postfix: Postfix) -> None:
    """The beginning of the run is in .2 by now."""
    rotate(postfix)
    Path(f"{postfix.log}.1").rename(f"{postfix.log}.2")
    rotate(postfix)


def cut_off(postfix: Postfix) -> None:
    """As copytruncate does."""
    os.truncate(postfix.log, 0)
    postfix.probe()


UNASKABLE = {
    remove: "cannot be read: No such file or directory",
    rotate_twice: "do not reach back to the beginning of the run",
    cut_off: "was cut off or replaced since the run began; rotate it by renaming",
}


@pytest.mark.parametrize("point", ["before-text", "reply"])
@pytest.mark.parametrize("happens", UNASKABLE)
def test_a_log_that_cannot_be_asked_holds_the_letter_with_the_reason(engine, mailing, postfix, happens, point):
    """Whether or not the relay has it: nothing is guessed, nothing is sent again, and a person reads why."""
    engine.die(mailing, point)
    wait_for(lambda: not queued(postfix), "the queue is not empty")
    happens(postfix)
    engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.HELD: 1, DeliveryState.ACCEPTED: 1}
    assert engine.reason(mailing).startswith("uncertain: the connection was lost before the relay answered; ")
    assert UNASKABLE[happens] in engine.reason(mailing)


def queued(postfix: Postfix) -> bytes:
    return subprocess.run(postfix.queue_command, capture_output=True, check=True).stdout


def test_a_log_that_was_rotated_once_is_read_in_both_parts(engine, mailing, postfix):
    """That is every day's work."""
    engine.die(mailing, "reply")
    wait_for(lambda: not queued(postfix), "the queue is not empty")
    rotate(postfix)
    engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.ACCEPTED: 2}
    assert taken(postfix) == BOTH


@pytest.mark.parametrize(("point", "state"), [("before-text", DeliveryState.HELD), ("reply", DeliveryState.ACCEPTED)])
def test_without_a_queue_letters_can_be_found_but_none_is_called_missing(engine, mailing, postfix, point, state):
    """It may lie where the log does not name it yet."""
    engine.dispatch = replace(engine.dispatch, postfix=PostfixRecords(postfix.log, ()))
    engine.die(mailing, point)
    postfix.wait(lambda: point == "before-text" or len(postfix.senders()) == 1)
    engine.run(mailing)
    with engine.store.read() as tx:
        record = deliveries.record(tx, mailing.id, person(1).id)
    assert record is not None
    assert record.state is state
    assert ("there is no queue to list" in record.reason) is (state is DeliveryState.HELD)


@pytest.mark.parametrize("point", ["before-text", "reply"])
def test_a_rule_that_comes_after_the_crash_does_not_make_anybody_guess(engine, mailing, postfix, point):
    """Where the log stood before the first letter was never written down: found is taken, not found proves nothing."""
    asking = engine.dispatch
    engine.dispatch = replace(asking, uncertain=Uncertain.HOLD)
    engine.die(mailing, point)
    wait_for(lambda: not queued(postfix), "the queue is not empty")
    engine.dispatch = asking
    engine.run(mailing)
    if point == "reply":
        assert engine.states(mailing) == {DeliveryState.ACCEPTED: 2}
        assert taken(postfix) == BOTH
    else:
        assert engine.states(mailing) == {DeliveryState.HELD: 1, DeliveryState.ACCEPTED: 1}
        assert "it was not written down where the log ended when the run began" in engine.reason(mailing)
        assert taken(postfix) == Counter([TWO])


def test_a_return_path_that_was_changed_and_changed_back_does_not_make_anybody_guess(engine, mailing, postfix):
    """The crash came under the other one, so the log is looked through for names that were never in it."""
    usual = engine.dispatch
    engine.run(mailing, stop=stop_after(1))
    engine.dispatch = replace(usual, return_path="returned@meridian.example")
    engine.die(mailing, "reply")
    wait_for(lambda: not queued(postfix), "the queue is not empty")
    engine.dispatch = usual
    engine.run(mailing)
    assert max(taken(postfix).values()) == 1
    assert DeliveryState.HELD in engine.states(mailing)


def test_the_log_of_another_relay_proves_nothing(engine, mailing, postfix, mailserver):
    """Delivered through one, asked of the other: held, and never sent twice."""
    here = engine.dispatch
    elsewhere = replace(here.relays[0], host=mailserver.host, port=mailserver.port)
    engine.dispatch = replace(here, relays=(elsewhere,), uncertain=Uncertain.HOLD)
    engine.die(mailing, "reply")
    assert mailserver.wait_for(1)
    engine.dispatch = here
    engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.HELD: 1, DeliveryState.ACCEPTED: 1}
    assert not set(taken(postfix)) & {mail.recipient for mail in mailserver.mails}


@pytest.mark.parametrize("what", ["another return path", "another key"])
def test_letters_that_were_addressed_otherwise_are_not_called_missing(engine, mailing, postfix, what):
    """Their lines are in the log under a name that nobody looks for any more: held, and never sent twice."""
    engine.die(mailing, "reply")
    wait_for(lambda: not queued(postfix), "the queue is not empty")
    changes = {}
    if what == "another key":
        changes["keys"] = LinkKeys(2, dict(KEYS.secrets) | {2: b"q" * 32})
    else:
        engine.dispatch = replace(engine.dispatch, return_path="returned@meridian.example")
    engine.run(mailing, **changes)
    assert engine.states(mailing) == {DeliveryState.HELD: 1, DeliveryState.ACCEPTED: 1}
    assert taken(postfix) == BOTH


@pytest.mark.parametrize("what", ["missing", "a folder", "forbidden"])
def test_a_log_that_cannot_be_read_at_the_start_keeps_a_run_from_beginning(engine, mailing, postfix, tmp_path, what):
    """Better nothing sent than a crash that nobody can clear up; the message says which file, and why."""
    log = tmp_path / "mail.log"
    if what == "a folder":
        log.mkdir()
    elif what == "forbidden":
        log.symlink_to(log)  # root may read whatever has a mode
    engine.dispatch = replace(engine.dispatch, postfix=PostfixRecords(log, postfix.queue_command))
    with pytest.raises(DeliveryError, match=str(log)):
        engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.PENDING: 2}
    assert postfix.senders() == ()


def test_held_letters_are_not_asked_about_again(engine, mailing, postfix):
    """A person has been told; what they decide counts, not a log that comes back."""
    engine.die(mailing, "reply")
    aside = postfix.log.rename(f"{postfix.log}.aside")
    engine.run(mailing)
    aside.rename(postfix.log)
    engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.HELD: 1, DeliveryState.ACCEPTED: 1}


# --- the position in the log ------------------------------------------------------------------------------------


def test_the_position_is_kept_while_a_letter_is_uncertain(engine, mailing, postfix):
    """A run that has to stop before it may ask changes nothing: the next one reads from where the first began."""
    engine.die(mailing, "reply")
    first = engine.position(mailing)
    postfix.wait(lambda: len(postfix.senders()) == 1)
    stopped = []

    def stop_at_settling(name: str) -> None:
        if name == "before-settle":
            stopped.append(name)

    engine.run(mailing, trace=stop_at_settling, stop=lambda: bool(stopped))
    assert stopped
    assert engine.states(mailing)[DeliveryState.INTENT] == 1
    assert engine.position(mailing) == first
    engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.ACCEPTED: 2}
    assert taken(postfix) == BOTH


def test_the_position_moves_on_when_nothing_is_uncertain(engine, mailing, postfix):
    """Otherwise years of log would have to be kept, and read."""
    engine.run(mailing, stop=stop_after(1))
    first = engine.position(mailing)
    engine.run(mailing)
    assert first is not None
    assert engine.position(mailing) not in (first, None)


def stop_after(letters: int) -> Callable[[], bool]:
    """Stop when asked for the so-manieth time."""
    asked = count()
    return lambda: next(asked) >= letters


# --- cancelled, paused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_it", [False, True])
def test_what_a_crash_left_is_resolved_after_a_cancellation_too(engine, mailing, postfix, has_it):
    """What the relay has counts as sent, what it has not is never sent."""
    engine.die(mailing, "reply" if has_it else "before-text")
    with engine.store.begin() as tx:
        mailings.cancel(tx, OCTOBER, NOW)
    engine.run(mailing)
    if has_it:
        assert engine.states(mailing) == {DeliveryState.ACCEPTED: 1, DeliveryState.DROPPED: 1}
    else:
        assert engine.states(mailing) == {DeliveryState.DROPPED: 2}
        assert engine.reason(mailing) == "the mailing was cancelled"
    assert taken(postfix) == Counter([ONE] if has_it else [])


def test_what_a_crash_left_is_resolved_while_paused_but_not_sent(engine, mailing, postfix):
    """Asking costs nobody anything; sending waits for the operator."""
    engine.die(mailing, "before-text")
    with engine.store.begin() as tx:
        mailings.pause(tx, OCTOBER, NOW)
    engine.run(mailing)
    assert engine.states(mailing) == {DeliveryState.PENDING: 2}
    assert postfix.senders() == ()
    with engine.store.begin() as tx:
        mailings.resume(tx, OCTOBER)
    engine.run(mailing)
    assert taken(postfix) == BOTH


# --- the relay's own accidents ----------------------------------------------------------------------------------


def test_a_connection_that_the_relay_loses_in_the_middle_defers_its_letter_with_back_off(engine, mailing, postfix):
    """Its records show that it took nothing: no crash of ours, so the letter waits as after any 4xx."""
    hits = count()

    def kill_server(name: str) -> None:
        if name == "before-text" and next(hits) == 0:
            os.kill(server_of_ours(postfix), signal.SIGKILL)

    assert engine.run(mailing, trace=kill_server) == Tally(2, accepted=1, uncertain=1)
    assert engine.states(mailing) == {DeliveryState.DEFERRED: 1, DeliveryState.ACCEPTED: 1}
    assert taken(postfix) == Counter([TWO])
    with engine.store.read() as tx:
        record = deliveries.record(tx, mailing.id, person(1).id)
        assert record is not None
        assert "by its own records the relay took nothing" in record.reply
        first = Retry().first
        assert deliveries.count_due(tx, mailing.id, NOW + first * (1 - JITTER)) == 0
        assert deliveries.count_due(tx, mailing.id, NOW + first * (1 + JITTER)) == 1
    engine.clock.now += first * (1 + JITTER)
    assert engine.run(mailing) == Tally(1, accepted=1)
    assert taken(postfix) == BOTH


def server_of_ours(postfix: Postfix) -> int:
    """The process of this Postfix that has our connection, from its log."""

    def begun() -> str:
        sessions = [line for line in postfix.lines() if "/smtpd[" in line and "connect from" in line]
        last = sessions[-1] if sessions else ""
        return "" if "disconnect" in last else last.partition("/smtpd[")[2].partition("]")[0]

    postfix.wait(lambda: bool(begun()))
    return int(begun())


# --- the child --------------------------------------------------------------------------------------------------


def main(url: str, folder: str, host: str, port: str, log: str, *queue: str) -> None:
    """One run of the engine over the October mailing, as a process of its own."""
    store = Store(url, folder=Path(folder))
    with store.read() as tx:
        mailing = mailings.get(tx, OCTOBER)
    assert mailing is not None
    deliver_due(
        store,
        mailing,
        dispatch(host, int(port), Path(log), queue, CONNECTIONS),
        keys=KEYS,
        publication=sample_publication(),
        clock=lambda: datetime.now(UTC),
        stop=lambda: False,
        progress=lambda _: None,
        rng=random.Random(1),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
