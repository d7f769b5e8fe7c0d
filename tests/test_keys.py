"""Links that only we can make."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import LinkError
from newsletter.keys import MAX_SUBSCRIBER_ID, LinkKeys, message_id, read_unsubscribe_token, unsubscribe_token
from newsletter.model import TOKEN_LENGTH, UNSUBSCRIBE_SLOT, SubscriberId

KEYS = LinkKeys(1, {1: b"k" * 32})
ids = st.integers(0, MAX_SUBSCRIBER_ID).map(SubscriberId)
ANNA = SubscriberId(7_001)


@given(ids)
def test_a_token_leads_back_to_its_subscriber(subscriber):
    """What we print is what we read, and it fits its slot exactly."""
    token = unsubscribe_token(KEYS, subscriber)
    assert read_unsubscribe_token(KEYS, token) == subscriber
    assert len(token) == TOKEN_LENGTH == len(UNSUBSCRIBE_SLOT)


@given(ids, st.integers(0, TOKEN_LENGTH - 1), st.sampled_from("ABCXYZabcxyz0129-_"))
def test_no_changed_character_is_accepted(subscriber, position, character):
    """One other character anywhere, the last one with its idle bits included, and the link is none of ours."""
    token = unsubscribe_token(KEYS, subscriber)
    changed = token[:position] + character + token[position + 1 :]
    if changed == token:
        assert read_unsubscribe_token(KEYS, changed) == subscriber
    else:
        with pytest.raises(LinkError):
            read_unsubscribe_token(KEYS, changed)


@given(st.text(max_size=60))
def test_no_text_at_all_is_accepted_or_crashes(text):
    """Whatever stands behind /u/ gives a LinkError and never a trace."""
    with pytest.raises(LinkError):
        read_unsubscribe_token(KEYS, text)


def test_links_of_an_old_key_work_for_ever():
    """A new key makes new links; the letters of years ago keep theirs."""
    old = unsubscribe_token(KEYS, ANNA)
    rotated = LinkKeys(2, {1: b"k" * 32, 2: b"n" * 32})
    assert unsubscribe_token(rotated, ANNA) != old
    assert read_unsubscribe_token(rotated, old) == ANNA


def test_links_of_a_key_that_we_do_not_have_are_refused():
    """The number of the key in the token grants nothing by itself."""
    foreign = unsubscribe_token(LinkKeys(9, {9: b"k" * 32}), ANNA)
    with pytest.raises(LinkError):
        read_unsubscribe_token(KEYS, foreign)
    nothing = unsubscribe_token(LinkKeys(9, {9: bytes(32)}), ANNA)
    with pytest.raises(LinkError):
        read_unsubscribe_token(KEYS, nothing)


def test_a_message_id_names_one_letter_and_survives_a_new_key():
    """Deterministic for (mailing, subscriber), different for each, the same after a key was added."""
    first = message_id(KEYS, "2026-10.0", ANNA, "meridian.example")
    assert first.startswith("<2026-10.0.")
    assert first.endswith("@meridian.example>")
    rotated = LinkKeys(2, {1: b"k" * 32, 2: b"n" * 32})
    assert message_id(rotated, "2026-10.0", ANNA, "meridian.example") == first
    others = {
        message_id(KEYS, "2026-10.0", SubscriberId(7_002), "meridian.example"),
        message_id(KEYS, "2026-11.0", ANNA, "meridian.example"),
        message_id(LinkKeys(1, {1: b"x" * 32}), "2026-10.0", ANNA, "meridian.example"),
    }
    assert len(others | {first}) == 4


@pytest.mark.parametrize("mailing", ["", "2026 10", "2026-10.", "a@b", "x>\r\nBcc: a"])
def test_a_message_id_is_made_of_safe_names_only(mailing):
    """What cannot stand in a Message-ID is refused, not escaped."""
    with pytest.raises(ValueError, match="Message-ID"):
        message_id(KEYS, mailing, ANNA, "meridian.example")


@pytest.mark.parametrize(
    ("current", "secrets", "words"),
    [(1, {1: b"short"}, "5 bytes"), (256, {256: b"k" * 32}, "from 0 to 255"), (2, {1: b"k" * 32}, "no such key")],
)
def test_keys_that_cannot_be_used_are_refused_without_showing_them(current, secrets, words):
    """The message says which key and why; a secret never shows, also not in repr."""
    with pytest.raises(ValueError, match=words) as refused:
        LinkKeys(current, secrets)
    assert "short" not in str(refused.value)
    assert "kkkk" not in repr(KEYS)


@pytest.mark.parametrize("number", [-1, 2**63])
def test_ids_outside_the_column_are_refused(number):
    """A subscriber's number fits a signed 64-bit column."""
    with pytest.raises(ValueError, match="must be from 0"):
        unsubscribe_token(KEYS, SubscriberId(number))


def test_keys_and_nouns_come_without_the_database():
    """The web's cheapest page and the command line's help must not pay for SQLAlchemy."""
    code = "import sys, newsletter.keys, newsletter.model; print([m for m in sys.modules if 'sqlalchemy' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
