"""Quoted-printable that survives relays and never cuts a personal link."""

from __future__ import annotations

import quopri
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver import quoted
from newsletter.model import UNSUBSCRIBE_SLOT

SLOT = UNSUBSCRIBE_SLOT.encode()
HEAD = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
pieces = st.sampled_from([
    UNSUBSCRIBE_SLOT, "\n", "\r\n", "\r", ".", "..", "From ", "=", " ", "\t", "é", "🔒", "a" * 75, "a" * 76, "\0",
    "\u2028", "--", "https://example.org/u/", ">",
])  # fmt: skip
texts = st.lists(st.one_of(pieces, st.text(max_size=40)), max_size=12).map("".join)


def expected(text: str) -> str:
    """The text with its line ends made one kind, and one at the end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"


@settings(max_examples=800)
@given(texts)
def test_every_text_comes_back_and_every_line_is_safe(text):
    """Two decoders agree, lines hold at most 76 characters, no line begins with what relays damage."""
    encoded = quoted.encode(text)
    assert quopri.decodestring(encoded).decode().replace("\r\n", "\n") == expected(text)
    parsed = message_from_bytes(HEAD + encoded, policy=policy.default)
    assert parsed.get_payload(decode=True).decode().replace("\r\n", "\n") == expected(text)
    assert encoded.endswith(b"\r\n")
    for line in encoded.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= quoted.MAX_LINE
        assert not line.startswith((b".", b"From ", b"--=_"))
        assert not line.endswith((b" ", b"\t"))
        assert all(byte == 0x09 or 0x20 <= byte <= 0x7E for byte in line)
    assert encoded.count(SLOT) == text.count(UNSUBSCRIBE_SLOT)


@given(st.text(max_size=100), st.text(max_size=100))
def test_a_slot_has_its_line_to_itself(before, after):
    """So that a token of the same length can take its place without any line changing its length."""
    encoded = quoted.encode(f"{before}{UNSUBSCRIBE_SLOT}{after}")
    (line,) = [line for line in encoded.split(b"\r\n") if SLOT in line]
    assert line.removesuffix(b"=") == SLOT


def test_texts_with_lone_surrogates_are_refused():
    """They are no text."""
    with pytest.raises(ValueError, match="surrogates"):
        quoted.encode("\ud800")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", b"\r\n"),
        ("Hello\n", b"Hello\r\n"),
        (".", b"=2E\r\n"),
        ("From here", b"=46rom here\r\n"),
        ("blank ", b"blank=20\r\n"),
        ("-- \n", b"--=20\r\n"),
        ("a" * 75, b"a" * 75 + b"\r\n"),
        ("a" * 76, b"a" * 75 + b"=\r\na\r\n"),
        ("a" * 75 + ".", b"a" * 75 + b"=\r\n=2E\r\n"),
        (f"<a href='{UNSUBSCRIBE_SLOT}'>", b"<a href=3D'=\r\n" + SLOT + b"=\r\n'>\r\n"),
        (f"{UNSUBSCRIBE_SLOT}\n", SLOT + b"\r\n"),
    ],
)
def test_how_it_looks(text, encoded):
    """Readable where it can be."""
    assert quoted.encode(text) == encoded
