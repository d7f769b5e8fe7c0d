"""A delivery cannot be read as sent by editing the list: every change of a subscriber, in every state of their letter.

What the ledger says is compared with what the relay got, which it writes down before it answers. A crash is one at a
named point of the engine: nothing behind that point happens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from newsletter.deliver.dispatch import Dispatch, Uncertain
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.postfix import PostfixRecords
from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.run import Tally
from newsletter.keys import return_token
from newsletter.model import Address, DeliveryState, Mailing, Mark, Subscriber
from newsletter.store import deliveries, mailings, subscribers
from newsletter.store.database import Store
from tests.support.ledger import KEYS, NOW, OCTOBER, Clock, add_people, person, released
from tests.support.mailserver import MailServer
from tests.support.postfix import Postfix, running_postfix
from tests.support.samples import sample_publication

NUMBERS = count(1)  # of people: no two cases share one, so that the Postfix that all share tells them apart
CANCELLED = "the mailing was cancelled"


class Died(Exception):  # noqa: N818  # it happened; nothing is wrong
    """The process ends here."""


def die_at(point: str, *, time: int = 1) -> Any:
    """A trace that ends the run when it comes to this point for the so-manieth time."""
    passed = count(1)

    def trace(name: str) -> None:
        if name == point and next(passed) == time:
            raise Died

    return trace


@dataclass
class Engine:
    """The engine with everything it needs: its relay, its clock, and how letters leave."""

    mailserver: MailServer
    clock: Clock
    dispatch: Dispatch

    def run(self, store: Store, mailing: Mailing, **changes: Any) -> Tally:
        """Deliver what is due."""
        usual = {
            "dispatch": self.dispatch,
            "keys": KEYS,
            "publication": sample_publication(),
            "clock": self.clock,
            "stop": lambda: False,
            "progress": lambda _: None,
            "rng": random.Random(1),
        }
        return deliver_due(store, mailing, **(usual | changes))

    def die(self, store: Store, mailing: Mailing, point: str) -> None:
        """Deliver until the process ends at this point."""
        with pytest.raises(Died):
            self.run(store, mailing, trace=die_at(point))

    def follow(self, rule: Uncertain) -> None:
        """What becomes of uncertain letters from now on."""
        self.dispatch = replace(self.dispatch, uncertain=rule)

    def ask(self, postfix: Postfix) -> None:
        """From now on through a real Postfix, whose log and queue are asked."""
        relay = replace(self.dispatch.relays[0], host=postfix.host, port=postfix.port)
        records = PostfixRecords(postfix.log, postfix.queue_command)
        self.dispatch = replace(
            self.dispatch, relays=(relay,), uncertain=Uncertain.ASK, postfix=records, settle_seconds=0.1
        )


@pytest.fixture
def engine(mailserver: MailServer) -> Engine:
    relay = Relay(host=mailserver.host, port=mailserver.port, tls=Tls.NONE, timeout_seconds=20.0)
    dispatch = Dispatch(relays=(relay,), return_path="bounces@meridian.example", connections=1, settle_seconds=0.0)
    return Engine(mailserver, Clock(), dispatch)


def change(store: Store, reader: Subscriber, values: dict[str, str]) -> None:
    """What the desk or the subscriber does."""
    if values:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        with store.begin() as tx:
            done = tx.execute(text(f"UPDATE subscriber SET {columns} WHERE id = :id"), values | {"id": reader.id})
            assert done.rowcount == 1


def row(store: Store, mailing: Mailing, reader: Subscriber) -> Any:
    with store.read() as tx:
        return deliveries.record(tx, mailing.id, reader.id)


# --- the table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What happens to a subscriber: the columns that change, and why they get nothing any more ("" when they do).

    ``erases``: they are forgotten, as ``subscriptions.erase`` does it: the row, and what relays said of their letters.
    """

    values: dict[str, str] = field(default_factory=dict)
    why: str = ""
    erases: bool = False

    def address(self, reader: Subscriber) -> str:
        """Where a letter to them goes from now on."""
        return self.values.get("mailbox", "").format(n=reader.id) or reader.address.mailbox

    def letter(self, reader: Subscriber) -> tuple[str, str, str]:
        """Address, language and format of a letter to them from now on."""
        return self.address(reader), self.values.get("language", "en"), self.values.get("format", "html")

    def apply(self, store: Store, reader: Subscriber) -> None:
        """Do it."""
        if self.erases:
            with store.begin() as tx:
                deliveries.forget_replies(tx, reader.id)
                subscribers.erase(tx, reader.id, NOW)
            return
        change(store, reader, {name: value.format(n=reader.id) for name, value in self.values.items()})


CHANGES = {
    "nothing": Change(),
    "unsubscribed": Change({"state": "unsubscribed"}, "the subscriber is unsubscribed now"),
    "paused": Change({"state": "paused"}, "the subscriber is paused now"),
    "bouncing": Change({"state": "bouncing"}, "the subscriber is bouncing now"),
    "ended": Change({"state": "ended"}, "the subscriber is ended now"),
    "erased": Change(why="the subscriber is erased now", erases=True),
    "audience": Change({"audience": "staff"}, "the subscriber moved from audience public to staff"),
    "address": Change({"mailbox": "moved-{n}@example.net", "mailbox_key": "moved-{n}@example.net"}),
    "language": Change({"language": "fr"}),
    "format": Change({"format": "text"}),
}

# How the letter stands when the subscriber changes -> what becomes of it when they are not to have it any more, and
# when they still are. Each time: what the ledger says, and what the relay has got in all: "old" is the letter as it was
# at release, "new" one as the subscriber is now.
BECOMES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "pending": (("dropped", ""), ("accepted", "new")),
    "deferred": (("dropped", ""), ("accepted", "new")),
    "intent, not taken, hold": (("held", ""), ("held", "")),
    "intent, taken, hold": (("held", "old"), ("held", "old")),
    "intent, not taken, again": (("dropped", ""), ("accepted", "new")),
    "intent, taken, again": (("dropped", "old"), ("accepted", "old new")),
    "intent, not taken, ask": (("dropped", ""), ("accepted", "new")),
    "intent, taken, ask": (("accepted", "old"), ("accepted", "old")),
    "held": (("held", ""), ("held", "")),
    "accepted": (("accepted", "old"), ("accepted", "old")),
    "refused": (("refused", ""), ("refused", "")),
    "dropped": (("dropped", ""), ("dropped", "")),
}


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with running_postfix() as running:
        yield running


def as_mailed(engine: Engine, reader: Subscriber) -> list[tuple[str, ...]]:
    """Address, language and format of every letter that came for anybody but the bystander."""
    return [
        (mail.recipient, mail.message["Content-Language"], "html" if mail.message.is_multipart() else "text")
        for mail in engine.mailserver.mails
        if mail.recipient != bystander(reader).address.mailbox
    ]


def as_relayed(postfix: Postfix, addresses: set[str]) -> list[tuple[str, ...]]:
    """The address of every letter that Postfix took for one of these."""
    return [recipients for _, recipients in postfix.settled() if addresses.intersection(recipients)]


def bystander(reader: Subscriber) -> Subscriber:
    """Somebody whose letter always waits, so that the mailing is not over; at a domain that is slow by itself."""
    address = f"bystander-{reader.id}@slow.example"
    return person(reader.id + 1_000_000, address=Address(address, address))


def bring_to(before: str, store: Store, engine: Engine, mailing: Mailing, reader: Subscriber) -> None:
    """One run, or two, until the reader's letter stands so; then an hour passes."""
    died = {"not taken": "before-text", "taken": "reply"}
    if before.startswith("intent"):
        engine.die(store, mailing, died[before.split(", ")[1]])
    elif before == "held":
        engine.die(store, mailing, "before-text")
        engine.run(store, mailing)
    elif before == "dropped":
        change(store, reader, {"state": "paused"})
        engine.run(store, mailing)
        change(store, reader, {"state": "active"})
    elif before != "pending":
        said = {"deferred": "450 4.2.0 later", "refused": "550 5.1.1 no", "accepted": "250 ok"}[before]
        engine.mailserver.reply_next(said)
        engine.run(store, mailing)
    assert row(store, mailing, reader).state == before.partition(",")[0]
    engine.clock.pass_(hours=1)


def check(store: Store, engine: Engine, before: str, changed: str, *, postfix: Postfix | None = None) -> None:
    """One field of the table."""
    reader = person(next(NUMBERS))
    engine.mailserver.reply_always(bystander(reader).address.mailbox, "450 4.2.0 later")
    add_people(store, [reader] if postfix else [reader, bystander(reader)])
    mailing = released(store)
    bring_to(before, store, engine, mailing, reader)

    what = CHANGES[changed]
    what.apply(store, reader)
    engine.run(store, mailing)

    state, letters = BECOMES[before][0 if what.why else 1]
    now = row(store, mailing, reader)
    assert now.state == state
    if state == "dropped":
        assert now.reason == ("the subscriber is paused now" if before == "dropped" else what.why)
    old = (reader.address.mailbox, "en", "html")
    new = what.letter(reader)
    wanted = [{"old": old, "new": new}[one] for one in letters.split()]
    if postfix:
        assert as_relayed(postfix, {old[0], new[0]}) == [(address,) for address, _, _ in wanted]
    else:
        assert as_mailed(engine, reader) == wanted


@pytest.mark.parametrize("changed", CHANGES)
@pytest.mark.parametrize("before", [before for before in BECOMES if "ask" not in before])
def test_every_change_has_the_right_outcome_in_every_state(sqlite_store, engine, before, changed):
    """The table: what the ledger says afterwards, and what the relay got."""
    engine.follow(Uncertain(before.rpartition(", ")[2]) if before.startswith("intent") else Uncertain.HOLD)
    check(sqlite_store, engine, before, changed)


@pytest.mark.parametrize("changed", CHANGES)
@pytest.mark.parametrize("before", [before for before in BECOMES if "ask" in before])
def test_every_change_has_the_right_outcome_when_the_relay_is_asked(sqlite_store, engine, postfix, before, changed):
    """The same table with a real Postfix: whether it has the letter does not depend on what the list says today."""
    engine.ask(postfix)
    check(sqlite_store, engine, before, changed, postfix=postfix)


@pytest.mark.parametrize("changed", ["unsubscribed", "erased", "audience", "address"])
@pytest.mark.parametrize("before", ["pending", "deferred", "intent, taken, again", "accepted"])
def test_what_matters_most_holds_on_both_databases(store, engine, before, changed):
    """Leaving, losing one's clearance, moving; before, during and after the letter."""
    engine.follow(Uncertain.AGAIN)
    check(store, engine, before, changed)


# --- while a run is on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [name for name in CHANGES if name != "nothing"])
@pytest.mark.parametrize("moment", ["while another letter is under way", "just before the permit"])
def test_a_change_between_the_reading_of_the_list_and_the_permit_counts(store, engine, moment, changed):
    """Who is not to have the letter is dropped; for whom it is another letter now it is made anew in the same run."""
    first, reader = person(next(NUMBERS)), person(next(NUMBERS))
    add_people(store, [first, reader])
    mailing = released(store)
    what = CHANGES[changed]
    waves = count(1)

    def apply_once(told: Any) -> None:
        # The first commit of a run permits the first letter, the second one keeps its answer and permits the next.
        if told == "before-commit" and next(waves) != 2:
            return
        if told == "before-commit" or (isinstance(told, Tally) and told.done == 1):
            what.apply(store, reader)

    hook = {"progress": apply_once} if moment.startswith("while") else {"trace": apply_once}
    tally = engine.run(store, mailing, **hook)

    assert tally == (Tally(2, accepted=1, dropped=1) if what.why else Tally(2, accepted=2))
    now = row(store, mailing, reader)
    assert (now.state, now.reason) == (("dropped", what.why) if what.why else ("accepted", ""))
    letters = [(first.address.mailbox, "en", "html")]
    if not what.why:
        letters.append(what.letter(reader))
    assert as_mailed(engine, reader) == letters


@pytest.mark.parametrize("changed", [name for name in CHANGES if name != "nothing"])
def test_a_change_after_the_permit_comes_too_late_for_this_letter(sqlite_store, engine, changed):
    """The text is as good as gone: it is the letter as it was, and the ledger says so."""
    reader = person(next(NUMBERS))
    add_people(sqlite_store, [reader])
    mailing = released(sqlite_store)

    def apply_once(name: str) -> None:
        if name == "before-text":
            CHANGES[changed].apply(sqlite_store, reader)

    assert engine.run(sqlite_store, mailing, trace=apply_once) == Tally(1, accepted=1)
    assert as_mailed(engine, reader) == [(reader.address.mailbox, "en", "html")]
    assert row(sqlite_store, mailing, reader).state == DeliveryState.ACCEPTED


# --- what stays the same --------------------------------------------------------------------------------------


def test_the_key_of_a_letter_does_not_change_with_the_address(sqlite_store, engine, postfix):
    """The envelope sender names subscriber and mailing, so that the relay's records are understood after a move."""
    reader = person(next(NUMBERS))
    add_people(sqlite_store, [reader])
    mailing = released(sqlite_store)
    engine.ask(postfix)
    engine.die(sqlite_store, mailing, "reply")
    CHANGES["address"].apply(sqlite_store, reader)
    engine.run(sqlite_store, mailing)
    token = return_token(KEYS, mailing.id, reader.id, (NOW + timedelta(days=60)).date())
    assert row(sqlite_store, mailing, reader).state == DeliveryState.ACCEPTED
    assert (f"bounces+{token}@meridian.example", (reader.address.mailbox,)) in list(postfix.settled())
    assert as_relayed(postfix, {CHANGES["address"].address(reader)}) == []


def test_a_letter_that_is_sent_again_after_a_move_is_the_same_one_for_whoever_compares(sqlite_store, engine):
    """Same Message-ID, same envelope sender; To and recipient are the new address."""
    reader = person(next(NUMBERS))
    add_people(sqlite_store, [reader])
    mailing = released(sqlite_store)
    engine.follow(Uncertain.AGAIN)
    engine.die(sqlite_store, mailing, "reply")
    CHANGES["address"].apply(sqlite_store, reader)
    engine.run(sqlite_store, mailing)
    old, new = engine.mailserver.mails
    assert new.recipient == new.message["To"] == CHANGES["address"].address(reader) != old.recipient
    assert (new.sender, new.message["Message-ID"]) == (old.sender, old.message["Message-ID"])


# --- what the operator does besides ---------------------------------------------------------------------------


@pytest.mark.parametrize("changed", CHANGES)
def test_a_held_letter_that_is_to_be_sent_goes_by_the_list_as_it_is_then(sqlite_store, engine, changed):
    """The operator's decision says that the relay does not have it, not that the reader still wants it."""
    reader = person(next(NUMBERS))
    add_people(sqlite_store, [reader])
    mailing = released(sqlite_store)
    engine.die(sqlite_store, mailing, "before-text")
    engine.run(sqlite_store, mailing)
    assert row(sqlite_store, mailing, reader).state == DeliveryState.HELD
    what = CHANGES[changed]
    what.apply(sqlite_store, reader)
    with sqlite_store.begin() as tx:
        due = Mark(subscriber=reader.id, state=DeliveryState.PENDING, reply="not taken", next_attempt=engine.clock())
        deliveries.mark(tx, mailing.id, [due], engine.clock())
    engine.run(sqlite_store, mailing)
    assert row(sqlite_store, mailing, reader).state == ("dropped" if what.why else "accepted")
    assert [mail.recipient for mail in engine.mailserver.mails] == ([] if what.why else [what.address(reader)])


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ("250 2.0.0 Ok", "accepted", ""),
        ("550 5.7.1 no", "refused", ""),
        ("450 4.2.0 later", "dropped", CANCELLED),
    ],
)
def test_a_letter_under_way_when_the_mailing_is_cancelled_comes_to_an_end(store, engine, answer, state, reason):
    """What the relay decides is kept; nothing waits for a next attempt that will never be."""
    reader, other = person(next(NUMBERS)), person(next(NUMBERS))
    add_people(store, [reader, other])
    mailing = released(store)
    engine.mailserver.reply_next(answer, at="DATA")

    def cancel(name: str) -> None:
        if name == "before-text":
            with store.begin() as tx:
                mailings.cancel(tx, OCTOBER, NOW)

    engine.run(store, mailing, trace=cancel)
    assert (row(store, mailing, reader).state, row(store, mailing, reader).reason) == (state, reason)
    assert (row(store, mailing, other).state, row(store, mailing, other).reason) == ("dropped", CANCELLED)
    assert len(engine.mailserver.mails) == (1 if state == "accepted" else 0)


@pytest.mark.parametrize("state", DeliveryState)
def test_nobody_can_be_deleted_who_has_a_letter(database, state):
    """Erasing leaves a row behind: the ledger's reference to it refuses more, whatever became of the letter."""
    reader = person(next(NUMBERS))
    with closing(database.open()) as store:
        add_people(store, [reader])
        mailing = released(store)
        with store.begin() as tx:
            tx.execute(text("DELETE FROM consent WHERE subscriber_id = :id"), {"id": reader.id})
            tx.execute(text("UPDATE delivery SET state = :state"), {"state": state.value})
        with pytest.raises(IntegrityError), store.begin() as tx:
            tx.execute(text("DELETE FROM subscriber WHERE id = :id"), {"id": reader.id})
        assert row(store, mailing, reader).state == state


@pytest.mark.parametrize("state", DeliveryState)
def test_erasing_somebody_changes_no_count_and_leaves_the_letter_resolvable(store, state):
    """What became of it is known still, by the number alone; what the relay said of their address is not."""
    reader = person(next(NUMBERS))
    add_people(store, [reader, person(next(NUMBERS))])
    mailing = released(store)
    with store.begin() as tx:
        values = {"state": state.value, "reply": f"250 <{reader.address}> ok"}
        tx.execute(text("UPDATE delivery SET state = :state, reply = :reply"), values)
    with store.read() as tx:
        before = deliveries.tally(tx, mailing.id), [(one.id, one.state) for one in deliveries.unsure(tx, mailing.id)]
    CHANGES["erased"].apply(store, reader)
    with store.read() as tx:
        after = deliveries.tally(tx, mailing.id), [(one.id, one.state) for one in deliveries.unsure(tx, mailing.id)]
    assert after == before
    kept = row(store, mailing, reader)
    assert (kept.state, kept.reply, kept.id) == (state, "", f"{mailing.id}.{reader.id}")
    taken = [Mark(subscriber=reader.id, state=DeliveryState.ACCEPTED, reply="taken")]
    with store.begin() as tx:
        deliveries.mark(tx, mailing.id, taken, NOW)
    assert row(store, mailing, reader).state == DeliveryState.ACCEPTED
