"""One report a month, on its way from candidate to sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Barrier

import pytest

from newsletter.deliver.message import edition_digest
from newsletter.errors import ConflictError
from newsletter.model import DeliveryState, MailingState, Mark, Month, SubscriberState
from newsletter.store import deliveries, feeds, mailings, subscribers
from tests.support.ledger import (
    NOW,
    OCTOBER,
    add_people,
    candidate,
    compiled,
    entry,
    person,
    record,
    released,
)
from tests.support.samples import EN, FR

LETTERS = (compiled(EN), compiled(FR))
DIGEST = edition_digest(LETTERS)


# --- preparing ------------------------------------------------------------------------------------------------


def test_a_candidate_comes_back_byte_for_byte(store):
    """What was frozen is what will be sent: bytes, labels, digests, the reports behind them, the failures."""
    frozen = candidate(store, *LETTERS, failures=["advisories: timed out after 10 s"])
    assert (frozen.month, frozen.digest, frozen.state) == (OCTOBER, DIGEST, MailingState.CANDIDATE)
    with store.read() as tx:
        assert mailings.get(tx, OCTOBER) == mailings.by_id(tx, frozen.id) == frozen
        assert mailings.variants(tx, frozen.id) == LETTERS
        assert mailings.reports(tx, frozen.id) == {
            ("public", EN): '{"language": "en"}',
            ("public", FR): '{"language": "fr"}',
        }
        assert mailings.failures(tx, frozen.id) == ("advisories: timed out after 10 s",)
        assert mailings.get(tx, Month(2026, 9)) is None


def test_preparing_the_same_bytes_again_keeps_the_approval(store):
    """run_month may be called at any time, any number of times."""
    first = candidate(store)
    with store.begin() as tx:
        approved = mailings.approve(tx, OCTOBER, first.digest, "anna", NOW)
    again = candidate(store, failures=["advisories: gone"], now=NOW + timedelta(days=1))
    assert again == approved
    assert again.approved_by == "anna"
    with store.read() as tx:
        assert mailings.failures(tx, first.id) == ("advisories: gone",)


def test_preparing_other_bytes_voids_the_approval(store):
    """An approval is of exactly one digest. The new candidate takes the old one's place, letters included."""
    first = candidate(store)
    with store.begin() as tx:
        mailings.approve(tx, OCTOBER, first.digest, "anna", NOW)
    other = candidate(store, compiled(EN, text="One sentence more."))
    assert (other.id, other.state, other.approved_by) == (first.id, MailingState.CANDIDATE, None)
    with store.read() as tx:
        assert [item.language for item in mailings.variants(tx, first.id)] == [EN]
        assert len(mailings.every(tx)) == 1


@pytest.mark.parametrize("state", ["releasing", "released", "sent", "cancelled"])
def test_what_is_released_is_never_replaced(store, state):
    """Frozen bytes never change, not even for the same ones."""
    frozen = candidate(store, *LETTERS)
    with store.begin() as tx:
        tx.exec_driver_sql(f"UPDATE mailing SET state = '{state}'")
    for letters in (LETTERS, (compiled(EN, text="Other words."),)):
        with pytest.raises(ConflictError, match=f"is {state} already"):
            candidate(store, *letters)
    with store.read() as tx:
        assert mailings.variants(tx, frozen.id) == LETTERS


def test_two_processes_preparing_a_month_make_one_candidate(database):
    """The unique key decides; the loser is told to try again, or finds the other's candidate."""
    start = Barrier(2)

    def prepare(subject):
        with closing(database.open()) as store:
            start.wait()
            try:
                return candidate(store, compiled(EN, subject=subject)).id
            except ConflictError:
                return None

    with ThreadPoolExecutor(2) as pool:
        made = set(pool.map(prepare, ["One", "Two"])) - {None}
    with closing(database.open()) as store, store.read() as tx:
        assert {mailing.id for mailing in mailings.every(tx)} == made
        assert len(made) == 1
        assert len(mailings.variants(tx, made.pop())) == 1


# --- approving ------------------------------------------------------------------------------------------------


def test_an_approval_is_of_exactly_these_bytes(store):
    """Somebody who looked at an older draft is told so, and nothing is approved."""
    first = candidate(store)
    other = candidate(store, compiled(EN, text="Changed."))
    with (
        pytest.raises(ConflictError, match=f"you looked at {first.digest[:12]}, now it is {other.digest[:12]}"),
        store.begin() as tx,
    ):
        mailings.approve(tx, OCTOBER, first.digest, "anna", NOW)
    with store.begin() as tx:
        approved = mailings.approve(tx, OCTOBER, other.digest, "anna", NOW)
    assert (approved.state, approved.approved_by) == (MailingState.APPROVED, "anna")


def test_there_must_be_something_to_approve(store):
    """No draft yet, or released already: the message says which."""
    with pytest.raises(ConflictError, match="no draft of 2026-10"), store.begin() as tx:
        mailings.approve(tx, OCTOBER, DIGEST, "anna", NOW)
    released(store, *LETTERS)
    with pytest.raises(ConflictError, match="is released already"), store.begin() as tx:
        mailings.approve(tx, OCTOBER, DIGEST, "anna", NOW)


# --- releasing ------------------------------------------------------------------------------------------------


def test_release_writes_one_delivery_for_each_active_subscriber(store):
    """Nobody else: not who never confirmed, paused, left, bounces, or belongs to an audience without a letter."""
    active = [person(1), person(2, language=FR), person(3)]
    others = [person(10 + n, state=state) for n, state in enumerate(set(SubscriberState) - {SubscriberState.ACTIVE})]
    elsewhere = person(20, audience="staff")
    add_people(store, [*active, *others, elsewhere])
    mailing = released(store)
    with store.read() as tx:
        due = deliveries.due(tx, mailing.id, NOW)
    assert [letter.subscriber for letter in due] == active
    assert {letter.audience for letter in due} == {"public"}
    assert mailing.released == NOW


def test_who_subscribes_later_does_not_get_an_old_edition(store):
    """The list is frozen at release."""
    add_people(store, [person(1)])
    mailing = released(store)
    add_people(store, [person(2)])
    with store.read() as tx:
        assert [letter.subscriber.id for letter in deliveries.due(tx, mailing.id, NOW)] == [person(1).id]


def test_release_needs_the_same_bytes_that_were_looked_at(store):
    """begin_release takes a digest; afterwards it may be said again, and nothing replaces the candidate."""
    frozen = candidate(store, *LETTERS)
    with store.begin() as tx:
        assert not mailings.begin_release(tx, OCTOBER, "0" * 64, NOW)
        assert not mailings.begin_release(tx, Month(2026, 9), frozen.digest, NOW)
        assert mailings.begin_release(tx, OCTOBER, frozen.digest, NOW)
        assert mailings.begin_release(tx, OCTOBER, frozen.digest, NOW)
    with pytest.raises(ConflictError, match="is releasing already"):
        candidate(store)


def test_a_candidate_is_not_released_by_mistake(store):
    """Release is two steps; the second without the first is refused and writes no delivery."""
    add_people(store, [person(1)])
    frozen = candidate(store)
    with pytest.raises(ConflictError, match="not to be released"), store.begin() as tx:
        mailings.release(tx, frozen, NOW)
    with store.read() as tx:
        assert sum(deliveries.tally(tx, frozen.id).values()) == 0


def test_of_two_who_release_at_once_exactly_one_wins(database):
    """The loser gets a ConflictError, and everybody has exactly one delivery."""
    people = [person(number) for number in range(50)]
    start = Barrier(2)
    with closing(database.open()) as store:
        add_people(store, people)
        frozen = candidate(store)
        with store.begin() as tx:
            mailings.begin_release(tx, OCTOBER, frozen.digest, NOW)

    def release(_):
        with closing(database.open()) as store:
            start.wait()
            try:
                with store.begin() as tx:
                    return mailings.release(tx, frozen, NOW)
            except ConflictError:
                return "lost"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(release, range(2)), key=str)
    assert outcomes == [50, "lost"]
    with closing(database.open()) as store, store.read() as tx:
        assert deliveries.tally(tx, frozen.id)[DeliveryState.PENDING] == 50


def test_release_marks_the_entries_that_it_prints(store):
    """By the keys that the candidate was composed with, even when the feed has edited the guid meanwhile."""
    record(store, entry("g1"), entry("g2", "https://example.org/2"))
    frozen = candidate(store, entry_keys=[("advisories", "g1"), ("advisories", "unknown")])
    record(store, entry("g1-edited"))
    with store.begin() as tx:
        mailings.begin_release(tx, OCTOBER, frozen.digest, NOW)
        mailings.release(tx, frozen, NOW)
    with store.read() as tx:
        assert {item.guid: item.printed_in for item in feeds.entries(tx)} == {"g1": OCTOBER, "g2": None}
        assert [item.guid for item in feeds.unprinted(tx, OCTOBER.last_day)] == ["g2"]


def test_a_release_that_fails_releases_nothing(store):
    """Mailing, deliveries and printed entries are one transaction."""
    add_people(store, [person(1)])
    record(store, entry("g1"))
    frozen = candidate(store, entry_keys=[("advisories", "g1")])
    with store.begin() as tx:
        mailings.begin_release(tx, OCTOBER, frozen.digest, NOW)

    def release_and_fail(tx):
        mailings.release(tx, frozen, NOW)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power"), store.begin() as tx:
        release_and_fail(tx)
    with store.read() as tx:
        found = mailings.get(tx, OCTOBER)
        assert found is not None
        assert (found.state, found.released) == (MailingState.RELEASING, NOW)  # since begin_release: the letters' date
        assert sum(deliveries.tally(tx, frozen.id).values()) == 0
        assert len(feeds.unprinted(tx, OCTOBER.last_day)) == 1


# --- the end --------------------------------------------------------------------------------------------------


def mark(store, mailing, number, state, **values):
    """What became of one reader's letter."""
    with store.begin() as tx:
        deliveries.mark(tx, mailing.id, [Mark(subscriber=person(number).id, state=state, **values)], NOW)


def finished(store, mailing):
    """Whether this call made it sent."""
    with store.begin() as tx:
        return mailings.finish(tx, mailing.id)


def test_a_mailing_is_sent_when_nothing_waits_any_more(store):
    """Pending, intended, deferred and held letters keep it open; accepted, refused and dropped ones do not."""
    add_people(store, [person(number) for number in range(4)])
    mailing = released(store)
    mark(store, mailing, 0, DeliveryState.ACCEPTED)
    mark(store, mailing, 1, DeliveryState.REFUSED)
    mark(store, mailing, 2, DeliveryState.DROPPED)
    assert not finished(store, mailing)
    mark(store, mailing, 3, DeliveryState.DEFERRED, next_attempt=NOW)
    assert not finished(store, mailing)
    with store.begin() as tx:
        deliveries.intend(tx, mailing.id, [person(3).id], NOW)
    assert not finished(store, mailing)
    mark(store, mailing, 3, DeliveryState.HELD)
    assert not finished(store, mailing)
    mark(store, mailing, 3, DeliveryState.ACCEPTED)
    assert finished(store, mailing)
    assert not finished(store, mailing)
    with store.read() as tx:
        found = mailings.get(tx, OCTOBER)
    assert found is not None
    assert found.state is MailingState.SENT


def test_a_paused_mailing_waits_until_it_is_resumed(store):
    """Its letters stay what they are; the first moment of a pause counts, and both may be said twice."""
    add_people(store, [person(1)])
    mailing = released(store)
    with store.begin() as tx:
        assert mailings.may_leave(tx, mailing.id)
        assert mailings.pause(tx, OCTOBER, NOW).paused == NOW
        assert mailings.pause(tx, OCTOBER, NOW + timedelta(hours=1)).paused == NOW
        assert not mailings.may_leave(tx, mailing.id)
        assert deliveries.count_due(tx, mailing.id, NOW) == 1
        assert mailings.resume(tx, OCTOBER).paused is None
        assert mailings.resume(tx, OCTOBER).paused is None
        assert mailings.may_leave(tx, mailing.id)


def test_only_what_can_still_leave_is_paused(store):
    """A month without a report, one that was cancelled: there is nothing to pause or to resume."""
    released(store)
    with store.begin() as tx:
        mailings.cancel(tx, OCTOBER, NOW)
        assert not mailings.may_leave(tx, mailings.get(tx, OCTOBER).id)
    for month, words in ((OCTOBER, "cancelled already"), (Month(2026, 9), "no report of 2026-09 yet")):
        with pytest.raises(ConflictError, match=f"{words}; there is nothing to pause"), store.begin() as tx:
            mailings.pause(tx, month, NOW)
        with pytest.raises(ConflictError, match=f"{words}; there is nothing to resume"), store.begin() as tx:
            mailings.resume(tx, month)


def test_a_cancelled_mailing_sends_nothing_more(store):
    """What was accepted stays accepted, what may have left stays uncertain; everything else is dropped."""
    add_people(store, [person(number) for number in range(4)])
    mailing = released(store)
    mark(store, mailing, 0, DeliveryState.ACCEPTED)
    with store.begin() as tx:
        deliveries.intend(tx, mailing.id, [person(1).id], NOW)
    with store.begin() as tx:
        assert mailings.cancel(tx, OCTOBER, NOW).state is MailingState.CANCELLED
    with store.read() as tx:
        tally = deliveries.tally(tx, mailing.id)
    wanted = {DeliveryState.ACCEPTED: 1, DeliveryState.INTENT: 1, DeliveryState.DROPPED: 2}
    assert {state: number for state, number in tally.items() if number} == wanted
    with pytest.raises(ConflictError, match="cancelled already; there is nothing to cancel"), store.begin() as tx:
        mailings.cancel(tx, OCTOBER, NOW)
    with pytest.raises(ConflictError, match="no report of 2026-09 yet"), store.begin() as tx:
        mailings.cancel(tx, Month(2026, 9), NOW)


def test_mailings_are_listed_by_month(store):
    """Whatever the order in which they were made."""
    for month in (Month(2026, 10), Month(2025, 12), Month(2026, 9)):
        candidate(store, month=month)
    with store.read() as tx:
        assert [str(mailing.month) for mailing in mailings.every(tx)] == ["2025-12", "2026-09", "2026-10"]


def test_a_subscriber_who_left_before_the_release_gets_no_delivery(store):
    """Leaving is honoured until the last moment, and then again when sending."""
    add_people(store, [person(1)])
    frozen = candidate(store)
    with store.begin() as tx:
        subscribers.unsubscribe(tx, person(1).id, NOW)
        mailings.begin_release(tx, OCTOBER, frozen.digest, NOW)
        assert mailings.release(tx, frozen, NOW) == 0
