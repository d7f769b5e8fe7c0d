"""Feeds: what to remember of a server, and that an entry is printed once, ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from threading import Barrier

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.collect.feeds import FeedResult, FeedState
from newsletter.model import Month, Source, SourceFailure, Tlp
from newsletter.store import feeds
from tests.support.ledger import NOW, entry, record

OCTOBER_END = date(2026, 10, 31)
KEY = ("advisories", "g1")
STATE = FeedState(
    etag='W/"abc"',
    last_modified="Mon, 02 Nov 2026 10:00:00 GMT",
    not_before=NOW + timedelta(hours=1),
    moved_to="https://example.org/new",
    moved_seen=1,
    url="https://example.org/feed",
)


def unprinted(store):
    with store.read() as tx:
        return feeds.unprinted(tx, OCTOBER_END)


def print_(store, *guids, month=Month(2026, 10)):  # noqa: B008  # frozen
    with store.begin() as tx:
        feeds.mark_printed(tx, [("advisories", guid) for guid in guids], month)


# --- what a server told us ------------------------------------------------------------------------------------


def test_validators_come_back_verbatim(store):
    """ETag and Last-Modified are the server's words; the collector's own state is made of what comes back."""
    with store.begin() as tx:
        assert feeds.state(tx, "advisories") is None
        feeds.save_state(tx, "advisories", STATE, NOW)
        kept = feeds.state(tx, "advisories")
    assert kept is not None
    assert FeedState(**kept) == STATE


def test_a_failure_keeps_the_time_when_it_began(store):
    """Shown on the draft with its age; gone again after the first success."""
    with store.begin() as tx:
        feeds.save_state(tx, "advisories", STATE, NOW)
        assert feeds.failures(tx) == ()
        for hours, reason in ((1, "timed out after 10 s"), (2, "answers 503")):
            failure = SourceFailure("advisories", reason)
            feeds.save_state(tx, "advisories", STATE, NOW + timedelta(hours=hours), failure=failure)
        assert feeds.failures(tx) == (SourceFailure("advisories", "answers 503", NOW + timedelta(hours=1)),)
        feeds.save_state(tx, "advisories", STATE, NOW + timedelta(hours=3))
        assert feeds.failures(tx) == ()


def test_a_poll_is_kept_whole_and_listed(store):
    """Entries, state and failure of one visit, in one call."""
    source = Source("advisories", "Advisories", "https://example.org/feed")
    result = FeedResult(source=source, entries=(entry("g1"),), state=STATE, failure=None, changed=True)
    with store.begin() as tx:
        assert feeds.save(tx, result, NOW) == 1
        assert feeds.save(tx, result, NOW) == 0
        feeds.mark_printed(tx, [KEY], Month(2026, 10))
        failed = replace(result, entries=(), failure=SourceFailure("advisories", "answers 503"))
        feeds.save(tx, failed, NOW + timedelta(hours=1))
        (status,) = feeds.every(tx)
    assert (status.polled, status.succeeded) == (NOW + timedelta(hours=1), NOW)
    assert (status.entries, status.unprinted) == (1, 0)
    assert status.failure == SourceFailure("advisories", "answers 503", NOW + timedelta(hours=1))


# --- identity -------------------------------------------------------------------------------------------------


def test_an_entry_comes_back_as_recorded(store):
    """Every field."""
    one = entry(published=NOW - timedelta(days=11), tlp=Tlp.GREEN)
    assert record(store, one) == 1
    assert unprinted(store) == (one,)
    with store.read() as tx:
        assert feeds.entries(tx) == (one,)
        assert feeds.entries(tx, since=NOW) == ()


def test_an_edited_guid_does_not_make_an_entry_new(store):
    """It is known by its link."""
    record(store, entry("g1"))
    assert record(store, entry("g1-edited")) == 0
    assert len(unprinted(store)) == 1


def test_an_edited_link_does_not_make_an_entry_new(store):
    """It is known by its guid, and the reader gets the link that works now."""
    record(store, entry("g1"))
    assert record(store, entry("g1", "https://example.org/moved")) == 0
    assert [item.link for item in unprinted(store)] == ["https://example.org/moved"]


def test_guid_and_link_edited_one_after_the_other_are_still_the_same_entry(store):
    """Everything that an entry was ever known by leads to it, also when the feed goes back to an old version."""
    record(store, entry("g1", "https://example.org/1"))
    record(store, entry("g2", "https://example.org/1"))
    print_(store, "g2")
    assert record(store, entry("g2", "https://example.org/2")) == 0
    assert record(store, entry("g3", "https://example.org/2")) == 0
    assert record(store, entry("g1", "https://example.org/9")) == 0
    assert unprinted(store) == ()


def test_an_unprinted_entry_follows_its_feed_and_a_printed_one_does_not(store):
    """What stands in a released edition is not rewritten behind it."""
    record(store, entry("g1", title="First words"))
    record(store, entry("g1", title="Better words", summary="Corrected."))
    (found,) = unprinted(store)
    assert (found.title, found.summary, found.first_seen) == ("Better words", "Corrected.", entry().first_seen)
    print_(store, "g1")
    record(store, entry("g1", "https://example.org/other", title="Words too late"))
    with store.read() as tx:
        (printed,) = feeds.entries(tx)
    assert (printed.title, printed.link) == ("Better words", "https://example.org/1")
    assert printed.printed_in == Month(2026, 10)


def test_an_entry_is_printed_once(store):
    """The month that printed it first keeps it."""
    record(store, entry("g1"))
    print_(store, "g1")
    print_(store, "g1", month=Month(2026, 11))
    with store.read() as tx:
        assert [item.printed_in for item in feeds.entries(tx)] == [Month(2026, 10)]


def test_the_same_guid_in_another_feed_is_another_entry(store):
    """Identity is per source: guids like "1" are common."""
    assert record(store, entry("1"), entry("1", source="elsewhere")) == 2
    print_(store, "1")
    assert [item.source for item in unprinted(store)] == ["elsewhere"]


def test_entries_first_seen_after_the_month_wait(store):
    """The last day counts, the next one does not; oldest first."""
    last = entry("last", "https://example.org/l", first_seen=NOW.replace(month=10, day=31, hour=23, minute=59))
    next_ = entry("next", "https://example.org/n", first_seen=NOW.replace(month=11, day=1, hour=0))
    record(store, last, next_, entry("g1"))
    assert [item.guid for item in unprinted(store)] == ["g1", "last"]


def test_a_guid_may_be_longer_than_an_index_takes(store):
    """PostgreSQL refuses index rows beyond 2,704 bytes; feeds know no such limit."""
    long = "".join(chr(0x4E00 + n) for n in range(5_000))
    record(store, entry(long))
    assert record(store, entry(long)) == 0


def test_two_polls_at_once_add_an_entry_once(database):
    """The row of the feed is held while its entries are recorded."""
    start = Barrier(2)

    def poll(_):
        with closing(database.open()) as store:
            start.wait()
            return record(store, entry("g1"), entry("g2", "https://example.org/2"))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(poll, range(2))) == [0, 2]


guids = st.sampled_from(["a", "b"])
links = st.sampled_from(["https://example.org/1", "https://example.org/2"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.tuples(guids, links), st.just("print")), max_size=8))
def test_whatever_a_feed_edits_no_known_entry_is_ever_new_again(sqlite_store, history):
    """After any history of edits and editions, what was seen before under its guid or its link is not new."""
    with sqlite_store.begin() as tx:
        for table in ("feed_identity", "feed_entry", "feed"):
            tx.exec_driver_sql(f"DELETE FROM {table}")
    seen: set[str] = set()
    for step in history:
        if step == "print":
            with sqlite_store.begin() as tx:
                feeds.mark_printed(tx, [(e.source, e.guid) for e in feeds.entries(tx)], Month(2026, 10))
            continue
        is_known = bool(seen & set(step))
        assert record(sqlite_store, entry(*step)) == (0 if is_known else 1)
        seen |= set(step)
