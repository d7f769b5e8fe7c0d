"""No string, however odd, hurts a header: judged by the standard library's two parsers and by one of our own."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver import headers

ADDRESS = "reader@example.org"
# What real attacks and real names are made of, more often than chance would have it.
spice = st.sampled_from([
    "\r\nBcc: evil@example.net", "\nBcc: x@y", "\r", "\0", "=?utf-8?q?=0ABcc:_evil@example.net?=", "=?", "?=", '"',
    "\\", ", e@example.net", "<evil@example.net>", ";", ":", "(comment)", "@", "é", "日本語", "🔒", "\u202e", "\u2028",
    "\x85", " ", "  ", "\t", "a" * 80, "From: x", "..", "\ud800",
])  # fmt: skip
hostile = st.lists(st.one_of(spice, st.text(max_size=30)), max_size=8).map("".join)


def plain_view(raw: bytes) -> list[tuple[str, str]]:
    """Header fields as RFC 5322 section 2.2 defines them, read without any library."""
    assert raw.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[^\x20-\x7e\r\n\t]", raw)
    fields: list[str] = []
    for line in raw[:-2].decode("ascii").split("\r\n"):
        assert len(line) <= headers.MAX_LINE
        assert line.strip(), "a line of blanks would end the header for some"
        if line[0] in " \t":
            fields[-1] += line
        else:
            fields.append(line)
    return [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]


def views(raw: bytes):
    """The old parser, the new parser and ours: names and values of all headers."""
    message = raw + b"\r\nbody\r\n"
    old = message_from_bytes(message, policy=policy.compat32)
    new = message_from_bytes(message, policy=policy.default)
    assert not old.defects
    assert not new.defects
    assert old.get_payload() == new.get_payload() == "body\r\n"
    return old, new, plain_view(raw)


# --- text -----------------------------------------------------------------------------------------------------


@settings(max_examples=600)
@given(hostile)
def test_no_subject_puts_a_second_header_into_the_message(value):
    """Either it is refused, or all three see exactly one Subject with exactly that text."""
    try:
        raw = headers.text("Subject", value)
    except ValueError:
        assert re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", value)
        return
    old, new, plain = views(raw)
    assert old.keys() == new.keys() == [name for name, _ in plain] == ["Subject"]
    unfolded = re.sub(r"\r\n(?=[ \t])", "", old["Subject"])
    assert str(make_header(decode_header(unfolded))) == new["Subject"] == value
    for line in raw.split(b"\r\n"):
        assert len(line) <= (headers.MAX_ENCODED_LINE if b"=?" in raw else headers.AIM)
    for word in re.findall(rb"=\?utf-8\?[qb]\?[^ ]*\?=", raw):
        assert len(word) <= headers.MAX_ENCODED_WORD


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Monthly Security Report", b"Subject: Monthly Security Report\r\n"),
        ("", b"Subject: \r\n"),
        ("Rapport de sécurité", b"Subject: =?utf-8?q?Rapport_de_s=C3=A9curit=C3=A9?=\r\n"),
        ("日本語", b"Subject: =?utf-8?b?5pel5pys6Kqe?=\r\n"),
        ("=?utf-8?q?x?=", b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\r\n"),
    ],
)
def test_a_subject_is_written_as_plainly_as_is_safe(value, expected):
    """ASCII as it is; Q or B, whichever is shorter; what looks encoded is encoded once more."""
    assert headers.text("Subject", value) == expected


def test_a_long_subject_is_folded_between_words():
    """And comes back whole."""
    value = " ".join(["security"] * 20)
    raw = headers.text("Subject", value)
    assert raw.count(b"\r\n ") == 2
    assert max(map(len, raw.split(b"\r\n"))) <= headers.AIM
    assert message_from_bytes(raw + b"\r\n", policy=policy.default)["Subject"] == value


# --- mailboxes ------------------------------------------------------------------------------------------------


@settings(max_examples=600)
@given(hostile)
def test_no_display_name_adds_a_second_mailbox(display):
    """Either it is refused, or all see one From with one mailbox: ours."""
    try:
        raw = headers.mailbox("From", ADDRESS, display)
    except ValueError:
        assert re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", display)
        return
    old, new, plain = views(raw)
    assert old.keys() == new.keys() == [name for name, _ in plain] == ["From"]
    assert [address for _, address in getaddresses([old["From"]])] == [ADDRESS]
    assert [mailbox.addr_spec for mailbox in new["From"].addresses] == [ADDRESS]
    assert plain[0][1].endswith(f"<{ADDRESS}>" if display else ADDRESS)
    bare = re.sub(r'"[^"]*"', "", plain[0][1])
    assert bare.count("@") == 1
    assert "," not in bare


@pytest.mark.slow
@settings(max_examples=600)
@given(st.one_of(hostile, hostile.map("{}@example.org".format), hostile.map("reader@{}".format), st.emails()))
def test_no_address_adds_a_second_mailbox_or_header(address):
    """Either it is refused, or all see one To with one mailbox: exactly this one."""
    try:
        raw = headers.mailbox("To", address)
    except ValueError:
        return
    old, new, plain = views(raw)
    assert old.keys() == new.keys() == ["To"]
    assert plain == [("To", address)]
    assert [mailbox.addr_spec for mailbox in new["To"].addresses] == [address]
    assert len(getaddresses([old["To"]])) == 1


@pytest.mark.parametrize(
    "address",
    [
        "reader@example.org",
        "o'brien+news@example.org",
        "a@b",
        '"a b"@example.org',
        "x@xn--exmple-cua.org",
        "a" * 64 + "@e.org",
    ],
)
def test_addresses_that_we_can_deliver_to_are_written_as_they_are(address):
    """Never encoded, never folded."""
    assert headers.mailbox("To", address) == f"To: {address}\r\n".encode()


@pytest.mark.parametrize(
    "address",
    ["", "reader", "@example.org", "a@b@c", "a b@example.org", "a@example..org", "a@-b.org", "rené@example.org",
     "a@exämple.org", "a@b,c@d", "a@b\r\n", "<a@b>", "a" * 250 + "@e.org", 'a"b@example.org', "a..b@example.org"],
)  # fmt: skip
def test_addresses_that_cannot_stand_in_a_header_are_refused(address):
    """The message says what an address looks like, and not whose it is."""
    with pytest.raises(ValueError, match=r"must be like local\.part@domain") as refused:
        headers.mailbox("To", address)
    assert not address or address not in str(refused.value)


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        ("Meridian Laboratory", b"From: Meridian Laboratory <a@b.example>\r\n"),
        ("Meridian, Inc.", b'From: "Meridian, Inc." <a@b.example>\r\n'),
        ('The "Lab"', b"From: =?utf-8?q?The_=22Lab=22?= <a@b.example>\r\n"),
        ("L\u2019équipe", b"From: =?utf-8?q?L=E2=80=99=C3=A9quipe?= <a@b.example>\r\n"),
    ],
)
def test_a_display_name_is_written_as_plainly_as_is_safe(display, expected):
    """Atoms bare, other ASCII quoted, everything else as encoded-words; no backslash ever."""
    assert headers.mailbox("From", "a@b.example", display) == expected


def test_a_long_display_name_keeps_its_address_whole():
    """gh-80222: the standard library loses the quotes here, and a second mailbox appears."""
    raw = headers.mailbox("From", "a@b.example", "Laboratory, " * 12 + "evil@example.net")
    assert [m.addr_spec for m in message_from_bytes(raw + b"\r\n", policy=policy.default)["From"].addresses] == [
        "a@b.example"
    ]


# --- machines' headers ----------------------------------------------------------------------------------------


def test_a_long_url_stays_in_one_line_and_is_never_encoded():
    """The standard library makes encoded-words of it, and one-click unsubscribing is dead."""
    link = "https://security.meridian.example/u/" + "x" * 200
    assert headers.url("List-Unsubscribe", link) == f"List-Unsubscribe: <{link}>\r\n".encode()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ftp://x",
        "javascript:alert(1)",
        "https://",
        "https://x y",
        "https://x>\r\nBcc: a@b",
        "https://é",
        "https://x<y",
    ],
)
def test_what_is_no_address_of_a_page_is_refused(value):
    """Only https, http and mailto, printable ASCII, no brackets."""
    with pytest.raises(ValueError, match="List-Help"):
        headers.url("List-Help", value)


def test_a_line_is_never_too_long():
    """RFC 5322: 998 octets, whatever the relay would do with more."""
    with pytest.raises(ValueError, match="longer than 998"):
        headers.url("List-Help", "https://example.org/" + "x" * 1_000)
    with pytest.raises(ValueError, match="longer than 998"):
        headers.tokens("X-Long", "x" * 1_000)


@settings(max_examples=300)
@given(hostile)
def test_machines_headers_take_plain_words_only(value):
    """Everything else is refused."""
    try:
        raw = headers.tokens("Feedback-ID", value)
    except ValueError:
        return
    old, new, plain = views(raw)
    assert old.keys() == new.keys() == ["Feedback-ID"]
    assert plain == [("Feedback-ID", value)]


@pytest.mark.parametrize("name", ["", "Bcc: x", "Su bject", "Sübject", "X\r\n", "1X"])
def test_the_name_of_a_header_is_checked_too(name):
    """Letters, digits and hyphens."""
    with pytest.raises(ValueError, match="no name of a header"):
        headers.tokens(name, "x")


def test_a_list_identifier_looks_like_a_domain():
    """RFC 2919; the phrase in front is for people."""
    raw = headers.list_id("List-Id", "report.meridian.example", "Rapport, mensuel")
    assert raw == b'List-Id: "Rapport, mensuel" <report.meridian.example>\r\n'
    with pytest.raises(ValueError, match="no list identifier"):
        headers.list_id("List-Id", "a list", "x")
