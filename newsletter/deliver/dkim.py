"""DKIM signatures (RFC 6376, 8301, 8463), relaxed/relaxed, by hand over ``cryptography``.

What is the same for all letters is canonicalised once by the caller, and the list of signed headers is made once for
each order of headers; what is left for each letter is a SHA-256 for each key and the operation with the private key.
Nothing here reads a clock, and the same arguments always give the same bytes (RSA PKCS #1 v1.5 and Ed25519 need no
chance); only ``make_key`` does, from the system's own randomness.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

Field: TypeAlias = tuple[bytes, bytes]  # lower-case name, canonical b"name:value\r\n" (relaxed, RFC 6376 3.4.2)
DkimAlgorithm: TypeAlias = Literal["rsa-sha256", "ed25519-sha256"]
DkimKind: TypeAlias = Literal["rsa", "ed25519"]

MIN_RSA_BITS: Final = 2048  # RFC 8301 section 3.2: signers should use at least so many
MAX_RSA_BITS: Final = 4096  # likewise: no verifier has to understand a longer key
RSA_BITS: Final = 2048
RSA_EXPONENT: Final = 65537
MAX_LABEL: Final = 63  # RFC 1035 section 2.3.4
MAX_NAME: Final = 253
BODY_HASH_BYTES: Final = 32
MAX_PLANS: Final = 256  # how many different orders of headers are remembered; a site has a handful

AIM: Final = 78  # RFC 5322 section 2.1.1
_LABEL: Final = rf"[A-Za-z0-9](?:[A-Za-z0-9-]{{0,{MAX_LABEL - 2}}}[A-Za-z0-9])?"
SELECTOR: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.ASCII)
FIELD_NAME: Final = re.compile(rb"[!-9;-~]+")
BLANKS: Final = re.compile(rb"[ \t]+")
LINE_START: Final = re.compile(rb"\r\n(?![ \t])")

# Signed wherever they are present, and named once more than that, so that nobody can put another one in front.
OVERSIGNED: Final = (
    b"from", b"sender", b"to", b"cc", b"subject", b"date", b"reply-to", b"message-id", b"list-id",
    b"list-unsubscribe", b"list-unsubscribe-post", b"mime-version", b"content-type", b"content-transfer-encoding",
)  # fmt: skip
SIGNED: Final = frozenset({
    *OVERSIGNED, b"in-reply-to", b"references", b"archived-at", b"feedback-id", b"precedence", b"auto-submitted",
    b"cfbl-address", b"cfbl-feedback-id",
})  # fmt: skip
SIGNED_KINDS: Final = (b"list-", b"content-")

PADDING: Final = PKCS1v15()
DIGEST: Final = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key, and under which name its public half stands in the DNS. Made by ``load``, which checks it."""

    selector: str
    domain: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, pem: bytes, *, selector: str, domain: str) -> DkimKey:
        """The key in a PEM file's bytes; ValueError in words when it, its selector or its domain cannot be used."""
        if not SELECTOR.fullmatch(selector):
            raise ValueError(f"{selector!r} is no DKIM selector; use letters, digits and hyphens, like 2026a")
        if not DOMAIN.fullmatch(domain):
            hint = "write it like example.org, and an international one like xn--exmple-cua.org"
            raise ValueError(f"{domain!r} is no domain; {hint}")
        key = cls(selector, domain.lower(), _checked(read_private_key(pem)))
        if len(key.dns_name) > MAX_NAME:
            raise ValueError(f"{key.dns_name} is longer than {MAX_NAME} characters; take a shorter selector")
        return key

    @property
    def algorithm(self) -> DkimAlgorithm:
        """The signature's a= (RFC 8301, RFC 8463)."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    @property
    def dns_name(self) -> str:
        """Where verifiers look for the public key: ``selector._domainkey.domain``."""
        return f"{self.selector}._domainkey.{self.domain}"

    def dns_record(self) -> tuple[str, str]:
        """The name and the value of the TXT record to publish; a value over 255 characters needs several strings."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            kind, data = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, data = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463 section 4
        return self.dns_name, f"v=DKIM1; k={kind}; p={b64encode(data).decode()}"

    def sign(self, digest: bytes) -> bytes:
        """The raw signature of a SHA-256 digest; Ed25519 signs the digest as its message (RFC 8463 section 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, PADDING, DIGEST)
        return self.private.sign(digest)


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs with every key; receivers use whichever they understand (RFC 8463 section 5)."""

    keys: tuple[DkimKey, ...]

    def sign(self, fields: Sequence[Field], body_hash: bytes, signed_at: int) -> bytes:
        """One whole DKIM-Signature header for each key, to be put in front of the letter; nothing without keys.

        Args:
            fields: all headers of the letter in their order, from ``canonical_fields``.
            body_hash: the SHA-256 of ``canonical_body`` of the letter's body, 32 bytes.
            signed_at: t=, in seconds since 1970.

        Raises:
            ValueError: there is no From, or the body's hash is none.
        """
        if not self.keys:
            return b""
        if len(body_hash) != BODY_HASH_BYTES:
            raise ValueError(f"the body's hash has {len(body_hash)} bytes; a SHA-256 has {BODY_HASH_BYTES}")
        order, listed = _plan(tuple([name for name, _ in fields]))
        common = sha256(b"".join([fields[position][1] for position in order]))
        end = b"t=%d; bh=%b;" % (signed_at, b64encode(body_hash))
        signatures = []
        for key in self.keys:
            folded, canonical = _beginning(key.algorithm, key.domain, key.selector, listed)
            seen = common.copy()
            seen.update(canonical + b" " + end + b" b=")  # its own line break is no part of it (RFC 6376 section 3.7)
            value = b64encode(key.sign(seen.digest()))
            signatures.append(folded + b" " + end + b"\r\n" + _value_lines(value))
        return b"".join(signatures)


def make_key(kind: DkimKind) -> bytes:
    """A new private key as PEM (PKCS #8, not encrypted)."""
    if kind == "ed25519":
        return to_pem(Ed25519PrivateKey.generate())
    return to_pem(generate_private_key(RSA_EXPONENT, RSA_BITS))


def to_pem(private: PrivateKeyTypes) -> bytes:
    """A private key as PEM (PKCS #8, not encrypted)."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_private_key(pem: bytes) -> PrivateKeyTypes:
    """The private key in a PEM file's bytes; ValueError in words when there is none that we can read."""
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError(
            "the private key is encrypted, and a service has nobody to ask for the password; "
            "write it without one (openssl pkey -in FILE -out NEW) into a file that only the service can read"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "there is no private key in PEM here, whose first line is -----BEGIN PRIVATE KEY-----"
        ) from error


# --- canonical forms ------------------------------------------------------------------------------------------


def canonical_fields(lines: bytes) -> tuple[Field, ...]:
    """Whole header lines (CRLF, folded or not) in their relaxed form (RFC 6376 section 3.4.2), in the same order.

    Raises:
        ValueError: these are not header lines.
    """
    if not lines:
        return ()
    if not lines.endswith(b"\r\n"):
        raise ValueError("a header line does not end in CRLF")
    return tuple([_canonical_field(line) for line in LINE_START.split(lines[:-2])])


def canonical_body(body: bytes) -> bytes:
    """The relaxed form of a body with CRLF lines (RFC 6376 section 3.4.4): blanks are one or none, no empty end."""
    # First the runs, then the single blanks that are left at line ends: linear however long a run is.
    text = BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n")
    if text and not text.endswith(b"\r\n"):
        text = text.removesuffix(b" ") + b"\r\n"
    end = len(text)
    while text.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    return b"" if text[:end] == b"\r\n" else text[:end]


def _canonical_field(line: bytes) -> Field:
    name, colon, value = line.replace(b"\r\n", b"").partition(b":")
    name = name.rstrip(b" \t").lower()
    if not colon or not FIELD_NAME.fullmatch(name) or b"\n" in value or b"\r" in value:
        raise ValueError("a header line must be a name, a colon and a value, and its lines end in CRLF")
    return name, name + b":" + BLANKS.sub(b" ", value).strip(b" ") + b"\r\n"


# --- what is signed -------------------------------------------------------------------------------------------


@lru_cache(maxsize=MAX_PLANS)
def _plan(names: tuple[bytes, ...]) -> tuple[tuple[int, ...], tuple[bytes, ...]]:
    """Which headers are signed, as positions in the order of signing, and the names of h=.

    A name that is listed several times stands for that many headers, the last one first; beyond those that are there
    it stands for nothing, and so forbids another one (RFC 6376 section 5.4.2).
    """
    if b"from" not in names:
        raise ValueError("a letter without From cannot be signed (RFC 6376 section 5.4)")
    order, listed = [], []
    for position in reversed(range(len(names))):
        name = names[position]
        if name in SIGNED or name.startswith(SIGNED_KINDS):
            order.append(position)
            listed.append(name)
    return tuple(order), (*listed, *OVERSIGNED)


@lru_cache(maxsize=MAX_PLANS)
def _beginning(algorithm: str, domain: str, selector: str, listed: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """The signature's lines up to the end of h=, as they are sent, and in their relaxed form without a line break."""
    tags = f" v=1;, a={algorithm};, c=relaxed/relaxed;, d={domain};, s={selector};".encode().split(b",")
    names = [name + b":" for name in listed[:-1]] + [listed[-1] + b";"]
    folded = _folded([b"DKIM-Signature:", *tags, b" h=" + names[0], *names[1:]])
    [(_, canonical)] = canonical_fields(folded)
    return folded, canonical[:-2]


def _folded(pieces: Iterable[bytes]) -> bytes:
    lines = [b""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > AIM:
            lines.append(b" " + piece.lstrip(b" "))
        else:
            lines[-1] += piece
    return b"".join([line + b"\r\n" for line in lines])


def _value_lines(value: bytes) -> bytes:
    """The value of b= as the last lines of the header."""
    text = b"b=" + value
    room = AIM - 1
    return b"".join([b" " + text[start : start + room] + b"\r\n" for start in range(0, len(text), room)])


def _checked(private: PrivateKeyTypes) -> RSAPrivateKey | Ed25519PrivateKey:
    if isinstance(private, Ed25519PrivateKey):
        return private
    if not isinstance(private, RSAPrivateKey):
        raise ValueError("the key is neither RSA nor Ed25519, and DKIM knows no others (RFC 8301, RFC 8463)")  # noqa: TRY004  # a wrong file is no wrong type
    if not MIN_RSA_BITS <= private.key_size <= MAX_RSA_BITS:
        wanted = f"DKIM needs {MIN_RSA_BITS} to {MAX_RSA_BITS} (RFC 8301)"
        raise ValueError(f"the RSA key has {private.key_size} bits; {wanted}")
    return private
