"""S/MIME signatures, judged by openssl: a letter's bytes go in, and out comes whether they are whole and by whom."""

from __future__ import annotations

import random
import string
import subprocess
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from newsletter.deliver.smime import SmimeSigner, make_request, make_self_signed, signature_part

ADDRESS = "security@meridian.example"
NOW = datetime.now(UTC)
PAIRS = {kind: make_self_signed(ADDRESS, "Meridian Laboratory", now=NOW, kind=kind) for kind in ("rsa", "p256")}

HEAD = (
    b"To: reader@people.example\r\n"
    b"From: Meridian Laboratory <security@meridian.example>\r\n"
    b"Subject: The month\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="=_s"\r\n'
)
PART = (
    b'Content-Type: text/plain; charset=utf-8; hp="clear"\r\n'
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"Subject: The month\r\n"
    b"\r\n"
    b"Dear reader, =C3=A9 \t=\r\n this is what happened.  =20\r\n\r\n\r\nGoodbye\r\n\r\n"
)


def signer(kind: str) -> SmimeSigner:
    key, certificate = PAIRS[kind]
    return SmimeSigner.load(certificate, key)


def letter(der: bytes, part: bytes = PART) -> bytes:
    return HEAD + b"\r\n--=_s\r\n" + part + b"\r\n--=_s\r\n" + signature_part(der) + b"\r\n--=_s--\r\n"


def openssl(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False)


def verified(message: bytes, trusted: bytes, folder: Path, *, tool: str = "cms") -> bytes | None:
    """The signed content, when openssl says that it is whole and signed by somebody whom ``trusted`` vouches for."""
    root, content = folder / "root.pem", folder / "content"
    root.write_bytes(trusted)
    done = openssl(tool, "-verify", "-CAfile", root, "-no-CApath", "-out", content, stdin=message)
    assert done.returncode in (0, 4), done.stderr
    return content.read_bytes() if done.returncode == 0 else None


# --- they verify, and they break ------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["cms", "smime"])
@pytest.mark.parametrize("kind", PAIRS)
def test_openssl_verifies_the_part_byte_for_byte(kind: str, tool: str, tmp_path: Path) -> None:
    """Also when relays put their headers in front of it."""
    message = b"Received: by mx.example\r\n" + letter(signer(kind).sign(PART))
    assert verified(message, PAIRS[kind][1], tmp_path, tool=tool) == PART


@pytest.mark.parametrize("kind", PAIRS)
def test_one_changed_character_breaks_it(kind: str, tmp_path: Path) -> None:
    """Headers of the part too: that is what makes header protection (RFC 9788) work."""
    chance = random.Random(8551)
    der = signer(kind).sign(PART)
    places = [place for place in range(len(PART)) if PART[place : place + 1].isalnum()]
    for place in chance.sample(places, 40):
        new = chance.choice([c for c in (string.ascii_letters + string.digits).encode() if c != PART[place]])
        mutated = PART[:place] + bytes([new]) + PART[place + 1 :]
        assert verified(letter(der, mutated), PAIRS[kind][1], tmp_path) is None


def test_nobody_else_is_believed(tmp_path: Path) -> None:
    """A signature is worth what the reader's certificate store says."""
    assert verified(letter(signer("rsa").sign(PART)), PAIRS["p256"][1], tmp_path) is None


def test_a_signature_says_what_it_is(tmp_path: Path) -> None:
    """Detached, SHA-256, with our certificate and the moment of signing (RFC 8551 section 2.5.1)."""
    der = signer("rsa").sign(PART)
    shown = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=der).stdout.decode()
    assert "eContent: <ABSENT>" in shown
    assert "algorithm: sha256 " in shown
    assert "signingTime" in shown
    assert "sha1" not in shown
    assert shown.count("d.certificate:") == 1


def test_the_certificates_between_ours_and_the_root_travel_along(tmp_path: Path) -> None:
    """A reader has the root alone; without the one between nobody could check ours."""
    root, between, leaf, key = authority(tmp_path)
    whole = SmimeSigner.load(leaf + between, key)
    assert verified(letter(whole.sign(PART)), root, tmp_path) == PART
    assert verified(letter(SmimeSigner.load(leaf, key).sign(PART)), root, tmp_path) is None


def authority(folder: Path) -> tuple[bytes, bytes, bytes, bytes]:
    """Root, intermediate, leaf and the leaf's key, as an authority that uses openssl answers our request."""
    root, between, leaf = folder / "root.crt", folder / "between.crt", folder / "leaf.crt"
    root_key, between_key = folder / "root.key", folder / "between.key"
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-addext", "keyUsage=critical,keyCertSign")
    key, request = make_request(ADDRESS, "Meridian Laboratory", kind="p256")
    by_root, by_between = ("-CA", root, "-CAkey", root_key), ("-CA", between, "-CAkey", between_key)
    must(*new, "-subj", "/CN=Root", "-keyout", root_key, "-out", root)
    must(*new, "-subj", "/CN=Between", "-keyout", between_key, "-out", between, *by_root)
    must("x509", "-req", "-copy_extensions", "copy", "-days", "2", "-out", leaf, *by_between, stdin=request)
    return root.read_bytes(), between.read_bytes(), leaf.read_bytes(), key


def must(*arguments: str | Path, stdin: bytes = b"") -> None:
    done = openssl(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", [b"A: b\n\nx\n", b"A: b\r\n\r\nx\ry\r\n", b"A: b\r\n\r\nx\ny\r\n", b"\xc3\xa9\r\n"])
def test_what_a_relay_might_change_is_not_signed(part: bytes) -> None:
    """RFC 8551 section 3.1: 7-bit and CRLF, or the signature may break on its way."""
    with pytest.raises(ValueError, match="CRLF at the end of every line"):
        signer("p256").sign(part)


# --- the part that carries it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 57, 58, 1_433])
def test_the_signature_travels_as_an_attachment_of_its_own_type(size: int) -> None:
    """The names are those of RFC 8551 section 3.5.3.2; old programs know them as a file."""
    der = random.Random(size).randbytes(size)
    raw = signature_part(der)
    part = message_from_bytes(raw, policy=policy.SMTP)
    assert not part.defects
    assert part.get_content_type() == "application/pkcs7-signature"
    assert part.get_filename() == part.get_param("name") == "smime.p7s"
    assert part.get_content() == der
    assert b64decode(raw.partition(b"\r\n\r\n")[2]) == der
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 76


# --- certificates ---------------------------------------------------------------------------------------------


def test_a_request_asks_for_a_certificate_to_sign_mail_with() -> None:
    """As openssl reads it: signed with the new key, for the mailbox, for e-mail and nothing else."""
    key, request = make_request(ADDRESS, "Laboratoire méridien")
    done = openssl("req", "-verify", "-noout", "-text", "-nameopt", "utf8", stdin=request)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 0
    for words in ("verify OK", "Laboratoire méridien", f"email:{ADDRESS}", "E-mail Protection", "CA:FALSE",
                  "Digital Signature\n", "sha256WithRSAEncryption", "2048 bit"):  # fmt: skip
        assert words in text
    public = openssl("pkey", "-pubout", stdin=key).stdout
    assert openssl("req", "-pubkey", "-noout", stdin=request).stdout == public


def test_a_certificate_tells_whose_it_is_and_how_long() -> None:
    made = signer("rsa")
    assert made.addresses == (ADDRESS,)
    assert made.not_before <= NOW < made.not_after
    assert abs(made.not_after - NOW - timedelta(days=365)) < timedelta(seconds=2)
    assert "key" not in repr(made)


def test_a_long_address_stands_in_its_own_field_alone() -> None:
    """A common name has 64 characters at most; an address may have more."""
    address = "a" * 60 + "@meridian.example"
    key, certificate = make_self_signed(address, "Meridian", now=NOW, kind="p256")
    assert SmimeSigner.load(certificate, key).addresses == (address,)


@pytest.mark.parametrize("address", ["", "nobody", "rené@meridian.example", "a@b, c@d"])
def test_a_request_is_for_one_mailbox(address: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a header"):
        make_request(address, "Meridian")


@pytest.mark.parametrize("organisation", ["", "x" * 65])
def test_an_organisation_has_a_name_that_fits(organisation: str) -> None:
    with pytest.raises(ValueError, match="has 1 to 64 characters"):
        make_request(ADDRESS, organisation)


# --- wrong files ----------------------------------------------------------------------------------------------


def encrypted(pair: Sequence[bytes]) -> bytes:
    done = openssl("pkey", "-aes256", "-passout", "pass:secret", stdin=pair[0])
    return done.stdout


def from_openssl(tmp_path: Path, *options: str) -> tuple[bytes, bytes]:
    files = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ("req", "-x509", "-nodes", "-subj", "/CN=x", *options, "-keyout", files[0], "-out", files[1])
    assert openssl(*command).returncode == 0
    return files[0].read_bytes(), files[1].read_bytes()


def test_a_key_of_another_certificate_is_told() -> None:
    """The same with the chain in the wrong order."""
    with pytest.raises(ValueError, match="does not belong to the certificate"):
        SmimeSigner.load(PAIRS["rsa"][1], PAIRS["p256"][0])
    with pytest.raises(ValueError, match="must stand first in its file"):
        SmimeSigner.load(PAIRS["rsa"][1] + PAIRS["p256"][1], PAIRS["p256"][0])


@pytest.mark.parametrize("pem", [b"", b"nothing", PAIRS["rsa"][0], PAIRS["rsa"][1][:-200], bytes(range(256))])
def test_what_is_no_certificate_is_told(pem: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate in PEM"):
        SmimeSigner.load(pem, PAIRS["rsa"][0])


@pytest.mark.parametrize("pem", [b"", b"nothing", PAIRS["rsa"][1], PAIRS["rsa"][0][:-200]])
def test_what_is_no_key_is_told(pem: bytes) -> None:
    with pytest.raises(ValueError, match="no private key in PEM"):
        SmimeSigner.load(PAIRS["rsa"][1], pem)


def test_an_encrypted_key_is_told_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"is encrypted.*openssl pkey"):
        SmimeSigner.load(PAIRS["rsa"][1], encrypted(PAIRS["rsa"]))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-newkey", "rsa:1024"), "has 1024 bits"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"), "neither RSA nor P-256"),
        (("-newkey", "ed25519"), "neither RSA nor P-256"),
        (("-newkey", "rsa:2048", "-addext", "extendedKeyUsage=serverAuth"), "another purpose than e-mail"),
    ],
)
def test_keys_and_certificates_that_mail_programs_refuse_are_refused_here(
    options: Sequence[str], told: str, tmp_path: Path
) -> None:
    """A web server's certificate, for example."""
    key, certificate = from_openssl(tmp_path, *options)
    with pytest.raises(ValueError, match=told):
        SmimeSigner.load(certificate, key)


def test_a_certificate_for_everything_is_for_mail_too(tmp_path: Path) -> None:
    """RFC 8550 section 4.4.4: purposes are limited only where they are named; such a one names no mailbox either."""
    key, certificate = from_openssl(tmp_path, "-newkey", "rsa:2048")
    assert SmimeSigner.load(certificate, key).addresses == ()
