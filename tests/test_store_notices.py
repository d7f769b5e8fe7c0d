"""The outbox of small mails, and small facts."""

from __future__ import annotations

from datetime import timedelta

from newsletter.model import Notice
from newsletter.store import meta, notices
from tests.support.ledger import NOW
from tests.support.samples import EN


def notice(key="draft-ready/2026-10/anna", **changes):
    """A reminder to an editor that is of use for a week."""
    values = {
        "key": key,
        "recipient": "anna@meridian.example",
        "kind": "plain",
        "language": EN,
        "facts": {"subject": "The draft of October is ready", "text": "Send date in 5 days."},
        "created": NOW,
        "expires": NOW + timedelta(days=7),
    }
    return Notice(**(values | changes))


def test_a_notice_is_posted_once_however_often_the_bell_rings(store):
    """Its key makes it one; the first words stay."""
    with store.begin() as tx:
        assert notices.post(tx, notice())
        assert not notices.post(tx, notice(facts={"subject": "Other words", "text": "Other words."}))
        assert notices.due(tx, NOW) == (notice(),)


def test_a_sent_notice_is_not_due_again_and_not_posted_again(store):
    """Sent is sent."""
    with store.begin() as tx:
        notices.post(tx, notice())
        notices.sent(tx, notice().key, NOW)
        assert notices.due(tx, NOW + timedelta(days=1)) == ()
        assert not notices.post(tx, notice())


def test_a_notice_that_failed_is_due_again_later_or_never(store):
    """Later when the relay said so, never when the address is wrong."""
    later = NOW + timedelta(minutes=5)
    with store.begin() as tx:
        notices.post(tx, notice("a"))
        notices.post(tx, notice("b"))
        notices.failed(tx, "a", "450 later", later, NOW)
        notices.failed(tx, "b", "550 no", None, NOW)
        assert notices.due(tx, NOW) == ()
        assert [item.key for item in notices.due(tx, later)] == ["a"]
        assert (notices.attempts(tx, "a"), notices.attempts(tx, "unknown")) == (1, 0)


def test_a_notice_that_is_too_old_is_not_sent(store):
    """A reminder of last month helps nobody."""
    after = NOW + timedelta(days=7)
    with store.begin() as tx:
        notices.post(tx, notice())
        assert notices.expire(tx, NOW) == 0
        assert notices.due(tx, after) == ()
        assert notices.expire(tx, after) == 1
        assert notices.expire(tx, after) == 0


def test_small_facts_are_kept_and_replaced(store):
    """The last value counts."""
    with store.begin() as tx:
        assert meta.get(tx, "tick") is None
        meta.put(tx, "tick", "one", NOW)
        meta.put(tx, "tick", "two", NOW)
    with store.read() as tx:
        assert meta.get(tx, "tick") == "two"
