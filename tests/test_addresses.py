"""Mail addresses: what can be mailed to becomes one plain mailbox, the rest a sentence for whoever typed it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.parsing import parse_address


@pytest.mark.parametrize(
    ("typed", "mailbox"),
    [
        ("reader@example.org", "reader@example.org"),
        ("  Reader.Name+tag@Example.ORG \n", "Reader.Name+tag@example.org"),
        ("reader@bücher.example", "reader@xn--bcher-kva.example"),
        ("reader@BÜCHER.example", "reader@xn--bcher-kva.example"),
        ("reader@XN--strae-oqa.example", "reader@xn--strae-oqa.example"),
        ("o'brien/x=y@mail.example.org", "o'brien/x=y@mail.example.org"),
        ("a@" + "b" * 63 + ".example", "a@" + "b" * 63 + ".example"),
    ],
)
def test_addresses_that_can_be_mailed_to(typed: str, mailbox: str):
    """The domain becomes lower case A-labels; what stands before the @ is the owner's own business."""
    address = parse_address(typed)
    assert address.mailbox == mailbox
    assert address.typed == typed.strip()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "write it like reader@example.org"),
        ("reader", "no mail address"),
        ("@example.org", "no mail address"),
        ("reader@", "no mail address"),
        ("Jane Doe <jane@example.org>", "without a name or brackets"),
        ("a@example.org, b@example.org", "not one bare address"),
        ("a@example.org\r\nBcc: b@example.org", "not one bare address"),
        ("a\x00b@example.org", "not one bare address"),
        ('"a b"@example.org', "not one bare address"),
        ("josé@example.org", "we cannot deliver to this yet; only a-z, digits and signs"),
        ("用户@例え.example", "we cannot deliver to this yet"),
        ("a@b@example.org", "not the name of a mailbox"),
        (".a@example.org", "not the name of a mailbox"),
        ("a..b@example.org", "not the name of a mailbox"),
        ("a" * 65 + "@example.org", "not the name of a mailbox"),
        ("a@localhost", "no domain"),
        ("a@[192.0.2.1]", "no domain"),
        ("a@192.0.2.1", "no domain"),
        ("a@-x.example", "no domain"),
        ("a@x..example", "no domain"),
        ("a@example.org.", "no domain"),
        ("a@" + "b" * 64 + ".example", "no domain"),
        ("a@" + "b." * 130 + "example", "longer than 253"),
        ("a" * 60 + "@" + "b." * 98 + "example", "longer than 254"),
        ("a@" + "b\u00fccher." * 30 + "example", "longer than 253"),
        ("a@xn--zzzz.example", "is no domain"),
        ("a@xn--abc-.example", "is no domain"),
        ("a@xn--.example", "is no domain"),
        ("a@straße.example", "ASCII form, which begins with xn--"),
        ("a@exa\u200dmple.org", "ASCII form"),
    ],
)
def test_addresses_that_cannot_are_refused_clearly(typed: str, words: str):
    """A sentence for the person who typed it, never longer than a few lines."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        parse_address(typed)
    assert len(str(caught.value)) < 250


@given(st.text() | st.from_regex(r"[a-z.+@\-é]{1,20}@[a-zé.\-]{1,20}", fullmatch=True))
def test_no_typed_text_becomes_more_than_one_mailbox(typed: str):
    """ASCII, one @ (dot-atoms have none), nothing that means something in a header or an SMTP dialogue."""
    try:
        mailbox = parse_address(typed).mailbox
    except ValueError:
        return
    assert mailbox.isascii()
    assert mailbox.count("@") == 1
    assert re.search(r"[\s<>,;:\"()\\\x00-\x20\x7f]", mailbox) is None
    assert parse_address(mailbox).mailbox == mailbox
