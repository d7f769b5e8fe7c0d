"""The ledger: what is due, and what became of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from newsletter.model import DeliveryState, SubscriberState
from newsletter.store import deliveries, mailings, subscribers
from newsletter.store.tables import OPEN
from tests.support.ledger import NOW, add_people, person, released


def state_of(store, mailing, subscriber):
    """State, attempts, reply and reason of one delivery, as they stand in the table."""
    with store.read() as tx:
        row = tx.execute(
            text("SELECT state, attempts, reply, reason FROM delivery WHERE mailing_id = :m AND subscriber_id = :s"),
            {"m": mailing.id, "s": subscriber.id},
        ).one()
    return tuple(row)


def test_letters_are_due_in_batches_without_a_repeat(store):
    """A batch begins behind the last one of the batch before."""
    people = [person(number) for number in range(5)]
    add_people(store, people)
    mailing = released(store)
    with store.read() as tx:
        first = deliveries.due(tx, mailing.id, NOW, 3)
        rest = deliveries.due(tx, mailing.id, NOW, 3, after=first[-1].subscriber.id)
        assert deliveries.count_due(tx, mailing.id, NOW) == 5
    assert [letter.subscriber for letter in (*first, *rest)] == people


def test_a_letter_holds_its_subscriber_as_of_now(store):
    """State and address are read at the moment of sending, not at release."""
    add_people(store, [person(1)])
    mailing = released(store)
    with store.begin() as tx:
        subscribers.set_state(tx, person(1).id, SubscriberState.PAUSED, NOW)
    with store.read() as tx:
        letter = deliveries.letter(tx, mailing.id, person(1).id)
    assert letter is not None
    assert letter.subscriber.state is SubscriberState.PAUSED


def test_a_deferred_letter_is_due_again_when_its_time_has_come(store):
    """And its attempts are counted."""
    add_people(store, [person(1)])
    mailing = released(store)
    later = NOW + timedelta(minutes=5)
    with store.begin() as tx:
        (letter,) = deliveries.due(tx, mailing.id, NOW)
        assert deliveries.deferred(tx, letter, "450 later", later, NOW)
    with store.read() as tx:
        assert deliveries.due(tx, mailing.id, later - timedelta(seconds=1)) == ()
        (again,) = deliveries.due(tx, mailing.id, later)
    assert again.attempts == 1
    assert state_of(store, mailing, person(1)) == ("deferred", 1, "450 later", "")


@pytest.mark.parametrize(
    ("settle", "row"),
    [
        (lambda tx, letter: deliveries.accepted(tx, letter, "250 ok", NOW), ("accepted", 1, "250 ok", "")),
        (lambda tx, letter: deliveries.refused(tx, letter, "550 no", NOW), ("refused", 1, "550 no", "")),
        (lambda tx, letter: deliveries.held(tx, letter, "uncertain", NOW), ("held", 0, "", "uncertain")),
        (lambda tx, letter: deliveries.dropped(tx, letter, "left", NOW), ("dropped", 0, "", "left")),
    ],
)
def test_what_is_settled_is_never_due_again(store, settle, row):
    """Each outcome, with what was said."""
    add_people(store, [person(1)])
    mailing = released(store)
    with store.begin() as tx:
        (letter,) = deliveries.due(tx, mailing.id, NOW)
        assert settle(tx, letter)
    with store.read() as tx:
        assert deliveries.due(tx, mailing.id, NOW + timedelta(days=365)) == ()
        assert deliveries.letter(tx, mailing.id, person(1).id) is None
        assert deliveries.tally(tx, mailing.id) == dict.fromkeys(DeliveryState, 0) | {DeliveryState(row[0]): 1}
    assert state_of(store, mailing, person(1)) == row


def test_nothing_overwrites_an_accepted_letter(store):
    """What is recorded as accepted is never begun again, whoever comes late with another outcome."""
    add_people(store, [person(1)])
    mailing = released(store)
    with store.begin() as tx:
        (letter,) = deliveries.due(tx, mailing.id, NOW)
        assert deliveries.accepted(tx, letter, "250 first", NOW)
        assert not deliveries.accepted(tx, letter, "250 second", NOW)
        assert not deliveries.refused(tx, letter, "550", NOW)
        assert not deliveries.deferred(tx, letter, "450", NOW, NOW)
        assert not deliveries.held(tx, letter, "?", NOW)
        assert not deliveries.dropped(tx, letter, "left", NOW)
    assert state_of(store, mailing, person(1)) == ("accepted", 1, "250 first", "")


def test_what_the_relay_took_counts_even_if_it_was_cancelled_meanwhile(store):
    """The ledger tells what happened, not what was wished; a deferral of a cancelled letter does not revive it."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    with store.begin() as tx:
        taken, deferred = deliveries.due(tx, mailing.id, NOW)
        mailings.cancel(tx, mailing.month, NOW)
        assert deliveries.accepted(tx, taken, "250 ok", NOW)
        assert not deliveries.deferred(tx, deferred, "450 later", NOW, NOW)
    assert state_of(store, mailing, person(1))[0] == "accepted"
    assert state_of(store, mailing, person(2))[0] == "dropped"


def test_what_is_left_is_found_by_its_index(store):
    """The last letter of a million is found as fast as the first: the plan reads the partial index."""
    explain = "EXPLAIN QUERY PLAN" if "sqlite" in store.name else "EXPLAIN"
    query = f"SELECT subscriber_id FROM delivery WHERE mailing_id = 1 AND {OPEN} ORDER BY subscriber_id"
    with store.read() as tx:
        if "sqlite" not in store.name:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the table is empty here
        plan = "\n".join(str(row) for row in tx.exec_driver_sql(f"{explain} {query}"))
    assert "ix_delivery_open" in plan
