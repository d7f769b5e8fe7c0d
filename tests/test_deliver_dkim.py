"""DKIM signatures, judged by two programs that are not ours: dkimpy, and OpenDKIM as Debian ships it."""

from __future__ import annotations

import random
import re
import shutil
import string
import subprocess
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver.dkim import (
    AIM,
    OVERSIGNED,
    DkimKey,
    DkimSigner,
    canonical_body,
    canonical_fields,
    make_key,
    to_pem,
)
from tests.support.databases import missing
from tests.support.opendkim import verdicts

DOMAIN = "meridian.example"
KEYS = (
    DkimKey.load(make_key("rsa"), selector="2026a-rsa", domain=DOMAIN),
    DkimKey.load(make_key("ed25519"), selector="2026a-ed25519", domain=DOMAIN),
)
RECORDS = dict(key.dns_record() for key in KEYS)
ALL_PASS = {"2026a-rsa": "pass", "2026a-ed25519": "pass"}
SIGNED_AT = 1_790_000_000

UNSIGNED = b"Received: by mx.example\r\nX-Colour: blue\r\n"
HEAD = (
    b"To: reader@people.example\r\n"
    b"Message-ID: <2026-10.0.abc@meridian.example>\r\n"
    b"Date: Tue, 06 Oct 2026 09:00:00 +0200\r\n"
    b"List-Unsubscribe: <https://security.meridian.example/u/AAAA>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"From: Meridian Laboratory <security@meridian.example>\r\n"
    b"Reply-To: security@meridian.example\r\n"
    b"Subject: A voice is a credential too, and so is\r\n"
    b" \ta face \t that somebody   knows  \r\n"
    b'List-Id: "Report, monthly" <report.meridian.example>\r\n'
    b"List-Owner: <mailto:security@meridian.example>\r\n"
    b"Archived-At: <https://security.meridian.example/en/2026-10/>\r\n"
    b"Feedback-ID: 2026-10:public:report:meridian\r\n"
    b"Precedence: bulk\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
)
BODY = b"Dear reader,  \r\n\r\n\tthis is \t what happened.\r\n \r\nGoodbye\r\n\r\n\r\n"


def signature(head: bytes = HEAD, body: bytes = BODY, keys: tuple[DkimKey, ...] = KEYS) -> bytes:
    return DkimSigner(keys).sign(canonical_fields(head), sha256(canonical_body(body)).digest(), SIGNED_AT)


def letter(head: bytes = HEAD, body: bytes = BODY, keys: tuple[DkimKey, ...] = KEYS) -> bytes:
    return signature(head, body, keys) + head + b"\r\n" + body


def dkimpy(message: bytes, records: dict[str, str] = RECORDS) -> list[bool]:
    """What dkimpy says of each signature."""
    judged = dkim.DKIM(message)
    count = sum(name.lower() == b"dkim-signature" for name, _ in judged.headers)

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        record = records.get(name.decode().rstrip("."))
        return record.encode() if record else None

    told = []
    for index in range(count):
        try:
            told.append(judged.verify(idx=index, dnsfunc=ask))
        except dkim.DKIMException:
            told.append(False)
    return told


def refused(told: dict[str, str]) -> bool:
    """OpenDKIM saw both signatures and believes neither."""
    return told.keys() == ALL_PASS.keys() and "pass" not in told.values()


# --- they verify ----------------------------------------------------------------------------------------------


def test_both_signatures_verify_with_dkimpy_and_with_opendkim(tmp_path: Path) -> None:
    """RSA for those who know nothing newer, Ed25519 beside it (RFC 8463)."""
    assert dkimpy(letter()) == [True, True]
    assert verdicts([letter()], RECORDS, tmp_path) == [ALL_PASS]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_each_signature_verifies_alone(key: DkimKey, tmp_path: Path) -> None:
    message = letter(keys=(key,))
    assert dkimpy(message) == [True]
    assert verdicts([message], RECORDS, tmp_path) == [{key.selector: "pass"}]


@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b"\r\n\r\n", b" \t\r\n \r\n", b"x", b"x  ", b"\r\nx\r\n", b"x \t y\r\n \r\n"]
)
def test_bodies_that_end_oddly_verify(body: bytes, tmp_path: Path) -> None:
    """RFC 6376 section 3.4.4: an empty body is nothing at all, and blank lines at the end do not count."""
    arrived = body if not body or body.endswith(b"\r\n") else body + b"\r\n"  # as SMTP brings it
    message = signature(body=body) + HEAD + b"\r\n" + arrived
    assert dkimpy(message) == [True, True]
    assert verdicts([message], RECORDS, tmp_path) == [ALL_PASS]


def test_a_header_that_is_there_twice_is_signed_twice(tmp_path: Path) -> None:
    """The last one first (RFC 6376 section 5.4.2); neither may be taken away."""
    head = b"Content-Language: en\r\nContent-Language: fr\r\n" + HEAD
    message = letter(head)
    less = message.replace(b"Content-Language: en\r\n", b"")
    swapped = message.replace(b"age: en", b"age: xx").replace(b"age: fr", b"age: en").replace(b"age: xx", b"age: fr")
    assert dkimpy(message) == [True, True]
    assert dkimpy(less) == dkimpy(swapped) == [False, False]
    told = verdicts([message, less, swapped], RECORDS, tmp_path)
    assert told[0] == ALL_PASS
    assert refused(told[1])
    assert refused(told[2])


def test_what_relays_do_to_a_letter_breaks_nothing(tmp_path: Path) -> None:
    """They add trace headers, fold lines anew and take blanks away: relaxed means that none of it counts."""
    message = UNSIGNED + b"Return-Path: <bounce@meridian.example>\r\n" + letter()
    message = message.replace(b"Tue, 06 Oct", b"Tue,\r\n\t06  Oct").replace(b"Subject: ", b"SUBJECT:")
    message = message.replace(b"reader,  \r\n", b"reader,\r\n")
    assert dkimpy(message) == [True, True]
    assert verdicts([message], RECORDS, tmp_path) == [ALL_PASS]


def test_the_same_letter_gets_the_same_signature() -> None:
    """So that signatures made ahead are those that would have been made later."""
    assert signature() == signature()


def test_without_keys_there_is_no_signature() -> None:
    assert DkimSigner(()).sign(canonical_fields(HEAD), bytes(32), SIGNED_AT) == b""


# --- they break -----------------------------------------------------------------------------------------------


def essence(message: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """What a signature of a letter covers, as dkimpy canonicalises it."""
    fields, body = dkim.rfc822_parse(message)
    protected = [field for field in Relaxed.canonicalize_headers(fields) if field[0] not in (b"received", b"x-colour")]
    return protected, Relaxed.canonicalize_body(body)


LETTER = letter()
START = len(LETTER) - len(HEAD + b"\r\n" + BODY)


@settings(max_examples=400)
@given(st.integers(START, len(LETTER) - 1), st.integers(0, 255))
def test_any_other_byte_anywhere_breaks_both_signatures(position: int, byte: int) -> None:
    """Unless it changes nothing in the relaxed form, and then neither breaks."""
    mutated = LETTER[:position] + bytes([byte]) + LETTER[position + 1 :]
    try:
        same = essence(mutated) == essence(LETTER)
    except dkim.MessageFormatError:
        return  # no letter any more
    assert dkimpy(mutated) == [same, same]


@settings(max_examples=150)
@given(st.integers(0, START - 1), st.sampled_from(string.ascii_letters + string.digits))
def test_a_changed_signature_is_not_believed(position: int, character: str) -> None:
    """Its own header is protected too, name and blanks aside: at least the one that was changed fails."""
    old = LETTER[position : position + 1]
    unused_bits = LETTER[position + 1 : position + 3] == b"=="  # a last character of base64 has several spellings
    if not old.isalnum() or old.lower() == character.lower().encode() or unused_bits:
        return
    mutated = LETTER[:position] + character.encode() + LETTER[position + 1 :]
    assert dkimpy(mutated) != [True, True]


def test_opendkim_believes_no_mutated_letter(tmp_path: Path) -> None:
    """300 letters, each with another letter of the alphabet somewhere in what is protected."""
    chance = random.Random(20261006)
    places = [place for place in range(START, len(LETTER)) if LETTER[place : place + 1].isalpha()]
    mutated = []
    for place in chance.choices(places, k=300):
        old = LETTER[place : place + 1].lower()
        new = chance.choice([character for character in string.ascii_lowercase.encode() if character != old[0]])
        mutated.append(LETTER[:place] + bytes([new]) + LETTER[place + 1 :])
    told = verdicts(mutated, RECORDS, tmp_path)
    assert len(told) == 300
    assert not [verdict for verdict in told if "pass" in verdict.values()]


@pytest.mark.parametrize("name", [name.decode() for name in OVERSIGNED])
def test_no_second_header_can_be_put_in_front(name: str, tmp_path: Path) -> None:
    """Named once more than present (RFC 6376 section 8.15): otherwise a prepended Cc or From still verifies."""
    forged = f"{name}: evil@example.net\r\n".encode() + LETTER
    assert dkimpy(forged) == [False, False]
    [told] = verdicts([forged], RECORDS, tmp_path)
    assert "pass" not in told.values()


FIELDS = re.findall(rb"(?m)^([\w-]+):", HEAD)


@pytest.mark.parametrize("name", [name.decode() for name in FIELDS])
def test_no_header_can_be_taken_away(name: str, tmp_path: Path) -> None:
    """Least of all List-Unsubscribe-Post: without it in h=, one-click unsubscribing does not count (RFC 8058)."""
    robbed, found = re.subn(rb"(?m)^%b:.*\r\n(?:[ \t].*\r\n)*" % name.encode(), b"", HEAD)
    assert found == 1
    message = signature() + robbed + b"\r\n" + BODY
    assert dkimpy(message) == [False, False]
    [told] = verdicts([message], RECORDS, tmp_path)
    assert "pass" not in told.values()


def test_another_key_in_the_dns_is_noticed(tmp_path: Path) -> None:
    other = {
        key.dns_name: DkimKey.load(make_key(kind), selector=key.selector, domain=DOMAIN).dns_record()[1]
        for key, kind in zip(KEYS, ("rsa", "ed25519"), strict=True)
    }
    assert dkimpy(LETTER, other) == [False, False]
    assert refused(verdicts([LETTER], other, tmp_path)[0])


# --- how they look --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", [DOMAIN, ".".join(["a" * 50] * 4) + ".example"])
def test_a_signature_is_a_folded_header_of_short_lines(domain: str) -> None:
    """At most 78 characters where words allow it; and never l=, which lets anybody add to the body."""
    keys = tuple(DkimKey(key.selector, domain, key.private) for key in KEYS)
    raw = signature(keys=keys)
    assert raw.endswith(b"\r\n")
    assert raw.isascii()
    starts = [line for line in raw.splitlines() if not line.startswith(b" ")]
    assert starts == [line for line in raw.splitlines() if line.startswith(b"DKIM-Signature: v=1; a=")]
    assert len(starts) == 2
    long = [line for line in raw.split(b"\r\n") if len(line) > AIM]
    assert long == ([] if domain == DOMAIN else [f" d={domain};".encode()] * 2)
    assert not re.search(rb"[; ]l=", raw)
    records = {key.dns_name: key.dns_record()[1] for key in keys}
    assert dkimpy(raw + HEAD + b"\r\n" + BODY, records) == [True, True]


def test_the_list_of_signed_headers_leaves_out_what_others_add() -> None:
    """Everything of ours once, what would hurt once more, and nothing that a relay writes."""
    raw = re.sub(rb"\r\n\s+", b"", signature(UNSIGNED + HEAD))
    listed = re.findall(rb"[; ]h=([^;]+);", raw)
    assert listed[0] == listed[1]
    assert Counter(listed[0].split(b":")) == Counter(name.lower() for name in FIELDS) + Counter(OVERSIGNED)


def test_a_letter_without_from_is_not_signed() -> None:
    """RFC 6376 section 5.4: From must be signed."""
    with pytest.raises(ValueError, match="without From"):
        signature(b"To: a@b.example\r\n")


def test_a_hash_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        DkimSigner(KEYS).sign(canonical_fields(HEAD), bytes(20), SIGNED_AT)


# --- canonical forms ------------------------------------------------------------------------------------------

blanks = st.sampled_from([b" ", b"\t", b"  ", b" \t ", b"\r\n ", b"\r\n\t", b" \r\n \r\n "])
words = st.binary(min_size=1, max_size=8).map(lambda raw: re.sub(rb"[\x00-\x20\x7f]", b"x", raw))
values = st.lists(st.one_of(blanks, words), max_size=8).map(b"".join)
names = st.from_regex(rb"[!-9;-~]{1,12}", fullmatch=True)
blocks = st.lists(st.tuples(names, values), max_size=6)


@pytest.mark.slow
@settings(max_examples=500)
@given(blocks)
def test_headers_are_canonicalised_as_dkimpy_does(fields: list[tuple[bytes, bytes]]) -> None:
    block = b"".join(name + b":" + value + b"\r\n" for name, value in fields)
    parsed, _ = dkim.rfc822_parse(block + b"\r\n")
    expected = [(name, name + b":" + value) for name, value in Relaxed.canonicalize_headers(parsed)]
    assert list(canonical_fields(block)) == expected
    assert len(expected) == len(fields)


def test_a_name_loses_its_capitals_and_the_blanks_behind_it() -> None:
    """RFC 6376 section 3.4.2, for what RFC 5322 section 4.5 still allows."""
    assert canonical_fields(b"SUBJect \t : \t A  b \r\n\t c\t\r\n") == ((b"subject", b"subject:A b c\r\n"),)
    assert canonical_fields(b"") == ()


@settings(max_examples=1_000)
@given(
    st.lists(
        st.one_of(st.sampled_from([b"\r\n", b" ", b"\t", b"\r\n\r\n", b" \r\n", b"\r", b"\n", b".", b"=20"]), words)
    )
)
def test_bodies_are_canonicalised_as_dkimpy_does(pieces: list[bytes]) -> None:
    """A last line without an end gets one, as it would on its way (RFC 6376 section 3.4.4)."""
    body = b"".join(pieces)
    assert canonical_body(body + b"\r\n") == Relaxed.canonicalize_body(body + b"\r\n")
    assert canonical_body(body) == (canonical_body(body + b"\r\n") if body else b"")


def test_a_long_run_of_blanks_costs_no_more_than_its_length() -> None:
    """A pattern that looks for blanks before a line end starts again at each of them: hours for a megabyte."""
    assert canonical_body(b" " * 5_000_000 + b"x" + b"\r\n" * 1_000_000) == b" x\r\n"


@pytest.mark.parametrize(
    "lines",
    [b"Subject", b"Subject: x", b"Subject: x\n", b" Subject: x\r\n", b": x\r\n", b"Su bject: x\r\n", b"\r\n",
     b"\xe9: x\r\n", b"Subject: x\r\n\r\n", b"A: x\nBcc: y\r\n", b"A: x\rBcc: y\r\n", b"A: x\r\nB\r\n"],
)  # fmt: skip
def test_what_is_no_header_line_is_refused(lines: bytes) -> None:
    with pytest.raises(ValueError, match="header line"):
        canonical_fields(lines)


# --- keys -----------------------------------------------------------------------------------------------------


def encrypted() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def public_half() -> bytes:
    return KEYS[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("pem", "told"),
    [
        (b"", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (bytes(range(256)), "no private key in PEM"),
        (public_half(), "no private key in PEM"),
        (encrypted(), "is encrypted"),
        (to_pem(rsa.generate_private_key(65537, 1024)), "has 1024 bits; DKIM needs 2048 to 4096"),
        (to_pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    ],
)
def test_a_wrong_key_file_is_told_in_words(pem: bytes, told: str) -> None:
    """Never with a word of what the file holds."""
    with pytest.raises(ValueError, match=told) as refusal:
        DkimKey.load(pem, selector="2026a", domain=DOMAIN)
    assert not pem or pem.decode("latin-1") not in str(refusal.value)


@pytest.mark.parametrize("selector", ["", "a_b", "-a", "a-", "a..b", ".a", "é", "a b", "../a", "a;", "x" * 64])
def test_a_selector_is_part_of_a_domain_name(selector: str) -> None:
    """RFC 6376 section 3.1."""
    with pytest.raises(ValueError, match="no DKIM selector"):
        DkimKey.load(make_key("ed25519"), selector=selector, domain=DOMAIN)


@pytest.mark.parametrize(
    "domain", ["", "localhost", "a..b", "exämple.org", "a_b.example", "a@b.example", "x" * 64 + ".org"]
)
def test_a_domain_is_written_as_the_dns_has_it(domain: str) -> None:
    with pytest.raises(ValueError, match="is no domain"):
        DkimKey.load(make_key("ed25519"), selector="2026a", domain=domain)


def test_a_name_that_the_dns_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 253"):
        DkimKey.load(make_key("ed25519"), selector="a" * 60, domain=".".join(["b" * 50] * 4) + ".example")


def test_a_key_does_not_show_itself() -> None:
    """What stands in a log or a trace is its name alone."""
    assert repr(KEYS[1]) == "DkimKey(selector='2026a-ed25519', domain='meridian.example')"


def test_the_record_holds_what_openssl_says_the_public_key_is() -> None:
    name, value = KEYS[0].dns_record()
    command = ["openssl", "pkey", "-pubout", "-outform", "DER"]
    done = subprocess.run(command, input=to_pem(KEYS[0].private), capture_output=True, check=True)
    assert name == "2026a-rsa._domainkey.meridian.example"
    assert value == f"v=DKIM1; k=rsa; p={b64encode(done.stdout).decode()}"


def test_a_key_made_by_opendkim_is_taken_with_the_record_that_it_prints(tmp_path: Path) -> None:
    """Who has one already keeps it."""
    program = shutil.which("opendkim-genkey", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing("needs Debian's package opendkim-tools (apt-get install opendkim-tools)")
    subprocess.run([program, "-b", "2048", "-s", "old", "-d", DOMAIN, "-D", tmp_path], check=True)
    key = DkimKey.load((tmp_path / "old.private").read_bytes(), selector="old", domain="Meridian.Example")
    record = "".join(re.findall(r'"([^"]*)"', (tmp_path / "old.txt").read_text()))
    assert re.search(r"p=[^;]+", record)[0] == re.search(r"p=[^;]+", key.dns_record()[1])[0]
    assert verdicts([letter(keys=(key,))], {key.dns_name: record}, tmp_path) == [{"old": "pass"}]


@pytest.mark.parametrize(("kind", "first"), [("rsa", "RSA"), ("ed25519", "ED25519")])
def test_a_new_key_is_what_openssl_reads(kind: str, first: str) -> None:
    """PKCS #8, without a password, and never the same twice."""
    pem = make_key(kind)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    told = subprocess.run(["openssl", "pkey", "-noout", "-text"], input=pem, capture_output=True, check=True).stdout
    assert first in told.decode() or b"2048 bit" in told
    assert to_pem(load_pem_private_key(pem, None)) == pem != make_key(kind)
