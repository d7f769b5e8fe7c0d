"""What forms asked for, rights that links give, limits and suppressions, as the database keeps them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.model import Address, Grant, Purpose, Signup, Suppressed, Suppression, Wish
from newsletter.store import buckets, grants, signups, suppressions
from newsletter.store.buckets import Limit
from tests.support.ledger import NOW, add_people, person
from tests.support.samples import FR

DAY = timedelta(days=1)


def grant(digest="a" * 64, **changes):
    values = {"digest": digest, "purpose": Purpose.CONFIRM, "created": NOW, "expires": NOW + DAY, "about": "x"}
    return Grant(**(values | changes))


def signup(number=1, **changes):
    values = {
        "address": Address(f"p{number}@people.example", f"P{number}@people.example"),
        "wish": Wish.JOIN,
        "language": FR,
        "asked": NOW,
        "words": "yes",
        "form": "1",
        "how": "form",
    }
    return Signup(**(values | changes))


# --- grants ---------------------------------------------------------------------------------------------------


def test_a_grant_comes_back_as_it_was_given(store):
    """Facts and all."""
    given_ = grant(facts={"mailbox": "a@b.example", "n": 3})
    with store.begin() as tx:
        grants.add(tx, given_)
        assert grants.get(tx, given_.digest) == given_
        assert grants.get(tx, "b" * 64) is None


def test_a_grant_is_used_once_and_in_time(store):
    """The first one wins; after its end nobody does."""
    with store.begin() as tx:
        grants.add(tx, grant())
        grants.add(tx, grant("b" * 64, expires=NOW + DAY))
        assert grants.use(tx, "a" * 64, NOW)
        assert not grants.use(tx, "a" * 64, NOW)
        assert not grants.use(tx, "b" * 64, NOW + DAY)
        assert grants.get(tx, "a" * 64).used == NOW


def test_of_many_that_use_a_grant_at_once_one_does(database):
    """Single use holds over processes."""
    store = database.open()
    with store.begin() as tx:
        grants.add(tx, grant())

    def use(_):
        with store.begin() as tx:
            return grants.use(tx, "a" * 64, NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(16))) == 1
    store.close()


def test_grants_are_taken_back_by_their_owner_or_by_what_they_are_about(store):
    """Leaving takes every old link with it, but not the page that is open."""
    add_people(store, [person(1), person(2)])
    with store.begin() as tx:
        grants.add(tx, grant("a" * 64, subscriber=person(1).id, about=""))
        grants.add(tx, grant("b" * 64, about="hash"))
        grants.add(tx, grant("c" * 64, subscriber=person(2).id, about="other"))
        grants.add(tx, grant("d" * 64, subscriber=person(1).id, about="", purpose=Purpose.SESSION))
        assert grants.void(tx, subscriber=person(1).id, subject="hash", but=(Purpose.SESSION,)) == 2
        assert [bool(grants.get(tx, letter * 64)) for letter in "abcd"] == [False, False, True, True]


def test_what_is_over_is_forgotten(store):
    """A database holds no pile of old links."""
    with store.begin() as tx:
        grants.add(tx, grant())
        assert grants.forget(tx, NOW) == 0
        assert grants.forget(tx, NOW + DAY) == 1


# --- sign-ups -------------------------------------------------------------------------------------------------


def test_signups_wait_in_order_and_those_held_wait_for_a_person(store):
    """Oldest first; what is held is no work for the clock."""
    with store.begin() as tx:
        for number in range(5):
            signups.add(tx, signup(number, held=number == 2))
        waiting = signups.still_there(tx, [number for number, _ in signups.in_line(tx)])
        assert [one.address.mailbox for _, one in waiting] == [f"p{n}@people.example" for n in (0, 1, 3, 4)]
        assert waiting[0][1] == signup(0)
        assert (signups.count(tx), signups.count(tx, held=True)) == (5, 1)
        assert signups.first_held(tx) == NOW
        signups.done(tx, [number for number, _ in waiting])
        assert signups.let_go(tx) == 1
        assert signups.first_held(tx) is None
        signups.forget_mailbox(tx, "P2@People.Example")
        assert signups.count(tx) == 0


def test_what_was_taken_out_meanwhile_is_not_still_there(store):
    """The line is read in one transaction and decided in another; those held are not in it."""
    with store.begin() as tx:
        for number in range(4):
            signups.add(tx, signup(number, held=number == 2))
    with store.read() as tx:
        line = signups.in_line(tx)
        assert [domain for _, domain in line] == ["people.example"] * 3
        assert signups.in_line(tx, after=line[0][0], limit=1) == line[1:2]
    with store.begin() as tx:
        signups.forget_mailbox(tx, "p0@people.example")
        there = signups.still_there(tx, [number for number, _ in line])
        assert [one.address.mailbox for _, one in there] == ["p1@people.example", "p3@people.example"]


# --- suppressions ---------------------------------------------------------------------------------------------


def test_erasing_keeps_a_suppression_but_not_what_it_shows(store):
    """The address of who is erased stands nowhere, and still nothing is sent to it."""
    operator = Suppression(key="k", reason=Suppressed.OPERATOR, since=NOW, shown="a@b.example", note="asked by phone")
    with store.begin() as tx:
        suppressions.add(tx, operator)
        suppressions.add(tx, Suppression(key="k", reason=Suppressed.ERASED, since=NOW + DAY))
        (kept,) = suppressions.every(tx)
        assert (kept.reason, kept.shown, kept.note) == (Suppressed.OPERATOR, "", "")
        assert not suppressions.lift(tx, "k", (Suppressed.ERASED,))
        assert suppressions.lift(tx, "k")
        assert suppressions.find(tx, ["k"]) == {}


# --- buckets --------------------------------------------------------------------------------------------------


def test_a_bucket_gives_what_it_holds_and_then_says_how_long_to_wait(store):
    """Two at once, two in an hour: the third in half an hour."""
    limit = Limit(2, 3_600)
    with store.begin() as tx:
        assert [buckets.take(tx, "k", limit, NOW) for _ in range(2)] == [0.0, 0.0]
        assert buckets.take(tx, "k", limit, NOW) == pytest.approx(1_800)
        assert buckets.take(tx, "other", limit, NOW) == 0.0
        assert buckets.take(tx, "k", limit, NOW + timedelta(minutes=30)) == 0.0
        assert buckets.take(tx, "k", limit, NOW + timedelta(minutes=30)) == pytest.approx(1_800)


def test_whether_a_bucket_is_empty_can_be_seen_without_taking(store):
    """Empty until one token has flowed in; one that nobody took from is full."""
    limit = Limit(2, 3_600)
    with store.begin() as tx:
        for key in ("a", "a", "b"):
            buckets.take(tx, key, limit, NOW)
    with store.read() as tx:
        assert buckets.empty(tx, ["a", "b", "c"], limit, NOW + timedelta(minutes=29)) == {"a"}
        assert buckets.empty(tx, ["a", "b", "c"], limit, NOW + timedelta(minutes=30)) == set()
        assert buckets.empty(tx, [], limit, NOW) == set()


def test_a_clock_that_was_set_back_gives_nothing_and_takes_nothing(store):
    """A bucket cannot be filled by a wrong clock."""
    limit = Limit(1, 3_600)
    with store.begin() as tx:
        assert buckets.take(tx, "k", limit, NOW) == 0.0
        assert buckets.take(tx, "k", limit, NOW - DAY) > 0
        assert buckets.take(tx, "k", limit, NOW + timedelta(minutes=59)) > 0
        assert buckets.take(tx, "k", limit, NOW + timedelta(minutes=61)) == 0.0


def test_full_buckets_are_forgotten_and_others_are_not(store):
    """A bucket that is full says as much as none."""
    with store.begin() as tx:
        buckets.take(tx, "k", Limit(10, 100), NOW)
        assert buckets.forget(tx, NOW + timedelta(seconds=9)) == 0
        assert buckets.forget(tx, NOW + timedelta(seconds=11)) == 1


def test_two_that_take_at_once_never_get_the_same_token(database):
    """The limit holds over processes."""
    store = database.open()

    def take(_):
        with store.begin() as tx:
            return buckets.take(tx, "k", Limit(5, 3_600), NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(wait == 0.0 for wait in pool.map(take, range(40))) == 5
    store.close()


@given(
    size=st.integers(1, 5),
    seconds=st.integers(1, 1_000),
    steps=st.lists(st.integers(0, 500), min_size=1, max_size=40),
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_rhythm_gets_more_than_the_limit(sqlite_store, size, seconds, steps):
    """Whenever somebody comes: in any time at most ``size`` and what flowed in meanwhile."""
    limit, now, taken = Limit(size, seconds), NOW, 0
    with sqlite_store.begin() as tx:
        key = f"{size}/{seconds}/{steps}"
        for step in steps:
            now += timedelta(seconds=step)
            taken += buckets.take(tx, key, limit, now) == 0.0
        assert taken <= size + sum(steps) * size / seconds + 1e-6
