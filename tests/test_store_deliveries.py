"""The ledger: what is due, and what became of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from newsletter.model import Address, DeliveryState, Mark, Month, SubscriberState
from newsletter.store import deliveries, mailings, subscribers
from newsletter.store.tables import OPEN, UNSURE
from tests.support.ledger import NOW, add_people, person, released


def state_of(store, mailing, subscriber):
    """State, attempts, reply and reason of one delivery, as they stand in the table."""
    with store.read() as tx:
        row = tx.execute(
            text("SELECT state, attempts, reply, reason FROM delivery WHERE mailing_id = :m AND subscriber_id = :s"),
            {"m": mailing.id, "s": subscriber.id},
        ).one()
    return tuple(row)


def marked(store, mailing, *marks):
    """Write down what became of letters."""
    with store.begin() as tx:
        deliveries.mark(tx, mailing.id, marks, NOW)


def outcome(state, number=1, **values):
    """A mark of reader-1's letter, unless another number is given."""
    return Mark(subscriber=person(number).id, state=state, **values)


ACCEPTED = outcome(DeliveryState.ACCEPTED, reply="250 ok")
REFUSED = outcome(DeliveryState.REFUSED, reply="550 no")
DEFERRED = outcome(DeliveryState.DEFERRED, reply="450 later", next_attempt=NOW + timedelta(minutes=5))
HELD = outcome(DeliveryState.HELD, reason="uncertain", tried=False)
DROPPED = outcome(DeliveryState.DROPPED, reason="left", tried=False)


def test_letters_are_due_in_batches_without_a_repeat(store):
    """A batch begins behind the last one of the batch before, those that are due longest first."""
    people = [person(number) for number in range(5)]
    add_people(store, people)
    mailing = released(store)
    marked(store, mailing, outcome(DeliveryState.DEFERRED, 0, reply="450", next_attempt=NOW + timedelta(minutes=1)))
    later = NOW + timedelta(hours=1)
    with store.read() as tx:
        first = deliveries.due(tx, mailing.id, later, 3)
        rest = deliveries.due(tx, mailing.id, later, 3, after=(first[-1].next_attempt, first[-1].subscriber.id))
        assert deliveries.count_due(tx, mailing.id, later) == 5
    assert [letter.subscriber for letter in (*first, *rest)] == [*people[1:], people[0]]


def test_a_letter_holds_its_subscriber_as_of_now(store):
    """State and address are read at the moment of sending, not at release."""
    add_people(store, [person(1)])
    mailing = released(store)
    with store.begin() as tx:
        subscribers.set_state(tx, person(1).id, SubscriberState.PAUSED, NOW)
    with store.begin() as tx:
        found = deliveries.may_leave_now(tx, mailing.id, [person(1).id, person(2).id])
    assert [reader.state for reader in found.values()] == [SubscriberState.PAUSED]


def test_a_deferred_letter_is_due_again_when_its_time_has_come(store):
    """And its attempts are counted."""
    add_people(store, [person(1)])
    mailing = released(store)
    marked(store, mailing, DEFERRED)
    later = NOW + timedelta(minutes=5)
    with store.read() as tx:
        assert deliveries.due(tx, mailing.id, later - timedelta(seconds=1)) == ()
        (again,) = deliveries.due(tx, mailing.id, later)
    assert (again.attempts, again.next_attempt) == (1, later)
    assert state_of(store, mailing, person(1)) == ("deferred", 1, "450 later", "")


@pytest.mark.parametrize(
    ("mark", "row"),
    [
        (ACCEPTED, ("accepted", 1, "250 ok", "")),
        (REFUSED, ("refused", 1, "550 no", "")),
        (HELD, ("held", 0, "", "uncertain")),
        (DROPPED, ("dropped", 0, "", "left")),
    ],
)
def test_what_is_settled_is_never_due_again(store, mark, row):
    """Each outcome, with what was said."""
    add_people(store, [person(1)])
    mailing = released(store)
    marked(store, mailing, mark)
    with store.read() as tx:
        assert deliveries.due(tx, mailing.id, NOW + timedelta(days=365)) == ()
        assert deliveries.tally(tx, mailing.id) == dict.fromkeys(DeliveryState, 0) | {DeliveryState(row[0]): 1}
    with store.begin() as tx:
        assert deliveries.may_leave_now(tx, mailing.id, [person(1).id]) == {}
    assert state_of(store, mailing, person(1)) == row


def test_a_letter_that_is_about_to_leave_is_nobody_elses(store):
    """From the intent on it is neither due nor open; it is named as uncertain until somebody knows better."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    with store.begin() as tx:
        deliveries.intend(tx, mailing.id, [person(1).id], NOW)
    with store.begin() as tx:
        assert [letter.subscriber for letter in deliveries.due(tx, mailing.id, NOW)] == [person(2)]
        assert list(deliveries.may_leave_now(tx, mailing.id, [person(1).id])) == []
        assert [letter.subscriber for letter in deliveries.intents(tx, mailing.id)] == [person(1)]
        assert [one.id for one in deliveries.unsure(tx, mailing.id)] == [f"{mailing.id}.{person(1).id}"]


def test_a_postponement_takes_no_letter_from_whoever_is_sending_it(store):
    """It asks for the state that it starts from, as every change does."""
    add_people(store, [person(1)])
    mailing = released(store)
    with store.begin() as tx:
        deliveries.intend(tx, mailing.id, [person(1).id], NOW)
    marked(store, mailing, outcome(DeliveryState.PENDING, next_attempt=NOW + timedelta(hours=1), tried=False))
    assert state_of(store, mailing, person(1))[0] == "intent"


def test_refusals_are_taken_back_where_nobody_was_meant(store):
    """Those of the given letters that were refused, and no others."""
    add_people(store, [person(1), person(2), person(3)])
    mailing = released(store)
    marked(store, mailing, REFUSED, outcome(DeliveryState.ACCEPTED, 2), outcome(DeliveryState.REFUSED, 3))
    with store.begin() as tx:
        deliveries.take_back(tx, mailing.id, [person(1).id, person(2).id], NOW, NOW)
    states = [state_of(store, mailing, person(number))[0] for number in (1, 2, 3)]
    assert states == ["deferred", "accepted", "refused"]


@pytest.mark.parametrize("mark", [ACCEPTED, REFUSED, HELD, DROPPED])
def test_what_is_over_is_never_intended_again(store, mark):
    """The intent asks for the state that it starts from."""
    add_people(store, [person(1)])
    mailing = released(store)
    marked(store, mailing, mark)
    with store.begin() as tx:
        deliveries.intend(tx, mailing.id, [person(1).id], NOW)
    assert state_of(store, mailing, person(1))[0] == mark.state


def test_nothing_overwrites_an_accepted_letter(store):
    """What is recorded as accepted is never begun again, whoever comes late with another outcome."""
    add_people(store, [person(1)])
    mailing = released(store)
    marked(store, mailing, outcome(DeliveryState.ACCEPTED, reply="250 first"))
    marked(store, mailing, ACCEPTED, REFUSED, DEFERRED, HELD, DROPPED)
    assert state_of(store, mailing, person(1)) == ("accepted", 1, "250 first", "")


def test_what_the_relay_took_counts_even_if_it_was_cancelled_meanwhile(store):
    """The ledger tells what happened, not what was wished; a deferral of a cancelled letter does not revive it."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    with store.begin() as tx:
        mailings.cancel(tx, mailing.month, NOW)
    marked(store, mailing, ACCEPTED, outcome(DeliveryState.DEFERRED, 2, reply="450 later", next_attempt=NOW))
    assert state_of(store, mailing, person(1))[0] == "accepted"
    assert state_of(store, mailing, person(2))[0] == "dropped"


def test_a_subscribers_letters_are_told_one_by_one(store):
    """Who got what: each mailing, its state, and what the relay said."""
    add_people(store, [person(1)])
    first, second = released(store), released(store, month=Month(2026, 9))
    marked(store, first, ACCEPTED)
    with store.read() as tx:
        told = [(one.mailing, one.state, one.reply) for one in deliveries.records_of(tx, person(1).id)]
        one = deliveries.record(tx, first.id, person(1).id)
        assert deliveries.record(tx, first.id, person(2).id) is None
    assert told == [(first.id, DeliveryState.ACCEPTED, "250 ok"), (second.id, DeliveryState.PENDING, "")]
    assert one is not None
    assert one.changed == NOW


def test_what_left_is_counted_by_domain_within_the_hour_and_the_day(store):
    """For caps that outlive a process: attempts count, whatever came of them."""
    add_people(store, [person(1), person(2), person(3, address=Address("x@other.example", "x@other.example"))])
    mailing = released(store)
    marked(store, mailing, ACCEPTED, outcome(DeliveryState.REFUSED, 3, reply="550"))
    with store.read() as tx:
        assert deliveries.used_by_domain(tx, NOW) == {"example.org": (1, 1), "other.example": (1, 1)}
        assert deliveries.used_by_domain(tx, NOW + timedelta(hours=2)) == {
            "example.org": (0, 1),
            "other.example": (0, 1),
        }
        assert deliveries.used_by_domain(tx, NOW + timedelta(days=2)) == {}


def test_signatures_made_ahead_are_kept_replaced_and_forgotten(store):
    """One for each letter; a newer one takes the place of the older."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    one, two = person(1).id, person(2).id
    with store.begin() as tx:
        deliveries.keep_signatures(tx, mailing.id, [(one, b"s", b"old", b""), (two, b"t", b"dkim", b"der")])
        deliveries.keep_signatures(tx, mailing.id, [(one, b"u", b"new", b"")])
        deliveries.keep_signatures(tx, mailing.id, [])
    with store.begin() as tx:
        kept = deliveries.kept_signatures(tx, mailing.id, [one, two])
        assert kept == {one: (b"u", b"new", b""), two: (b"t", b"dkim", b"der")}
        assert deliveries.forget_signatures(tx, mailing.id) == 2
        assert deliveries.kept_signatures(tx, mailing.id, [one, two]) == {}


@pytest.mark.parametrize(("condition", "index"), [(OPEN, "ix_delivery_due"), (UNSURE, "ix_delivery_unsure")])
def test_what_is_left_is_found_by_its_index(store, condition, index):
    """The last letter of a million is found as fast as the first: the plan reads the partial index."""
    explain = "EXPLAIN QUERY PLAN" if "sqlite" in store.name else "EXPLAIN"
    query = (
        f"SELECT subscriber_id FROM delivery WHERE mailing_id = 1 AND {condition} "
        "AND next_attempt <= '2026-11-03' ORDER BY next_attempt, subscriber_id"
    )
    with store.read() as tx:
        if "sqlite" not in store.name:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the table is empty here
        plan = "\n".join(str(row) for row in tx.exec_driver_sql(f"{explain} {query}"))
    assert index in plan
