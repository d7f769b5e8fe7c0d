"""Who is on the list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from newsletter.model import Address, Consent, Format, SubscriberId, SubscriberState
from newsletter.store import subscribers
from newsletter.store.subscribers import BATCH
from tests.support.ledger import CONSENT, NOW, add_people, person
from tests.support.samples import FR


def test_a_subscriber_comes_back_as_added(store):
    """Every field, what the person typed included."""
    someone = person(1, language=FR, format=Format.TEXT, audience="staff", state=SubscriberState.PAUSED)
    add_people(store, [someone])
    with store.read() as tx:
        found = subscribers.get(tx, someone.id)
        assert found == someone
        assert found.address.typed == "Reader-1@Example.org"
        assert subscribers.find(tx, "reader-1@example.org") == someone
        assert subscribers.find(tx, "nobody@example.org") is None
        assert subscribers.get(tx, SubscriberId(404)) is None


def test_nobody_is_on_the_list_twice(store):
    """A second subscription of the same mailbox changes nothing, whatever was typed."""
    add_people(store, [person(1)])
    again = person(2, address=Address("reader-1@example.org", "READER-1@example.org"), language=FR)
    with store.begin() as tx:
        assert subscribers.add(tx, again, CONSENT) is False
    with store.read() as tx:
        assert subscribers.find(tx, "reader-1@example.org") == person(1)
        assert subscribers.consents(tx, again.id) == ()


def test_the_evidence_of_consent_is_kept(store):
    """When, how and to what, oldest first."""
    add_people(store, [person(1)])
    later = Consent(NOW, "import", "list of 2026, given by the secretariat")
    with store.begin() as tx:
        subscribers.record_consent(tx, person(1).id, later)
    with store.read() as tx:
        assert subscribers.consents(tx, person(1).id) == (CONSENT, later)


def test_unsubscribing_twice_is_fine(store):
    """The second click does no harm, and a stranger's number does nothing."""
    add_people(store, [person(1), person(2)])
    with store.begin() as tx:
        assert subscribers.unsubscribe(tx, person(1).id, NOW) is True
    with store.begin() as tx:
        assert subscribers.unsubscribe(tx, person(1).id, NOW + timedelta(hours=1)) is False
        assert subscribers.unsubscribe(tx, SubscriberId(404), NOW) is False
    with store.read() as tx:
        assert subscribers.get(tx, person(1).id) == replace(person(1), state=SubscriberState.UNSUBSCRIBED)
        assert subscribers.get(tx, person(2).id) == person(2)


@pytest.mark.parametrize("state", SubscriberState)
def test_states_are_set_and_counted(store, state):
    """Every state is named in the count, also those that nobody is in."""
    add_people(store, [person(1), person(2)])
    with store.begin() as tx:
        assert subscribers.set_state(tx, person(1).id, state, NOW)
        assert not subscribers.set_state(tx, SubscriberId(404), state, NOW)
    with store.read() as tx:
        counted = subscribers.count_by_state(tx)
    expected = dict.fromkeys(SubscriberState, 0)
    expected[state] += 1
    expected[SubscriberState.ACTIVE] += 1
    assert counted == expected


def test_everybody_is_listed_once_however_many_there_are(store):
    """Batch after batch, in the order of the numbers."""
    people = [person(number) for number in range(BATCH + 3)]
    add_people(store, reversed(people))
    with store.read() as tx:
        assert list(subscribers.iterate(tx)) == people
        assert subscribers.every(tx, after=people[0].id, limit=2) == tuple(people[1:3])
