"""Keyed tokens and identifiers: pure, given the keys, and imported without a database or a network.

A token carries the number of the key that made it, so that a new key can be put into use without breaking the links
of letters that were sent long ago: keys for unsubscribing never retire (design section 5).
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from newsletter.errors import LinkError
from newsletter.model import TOKEN_LENGTH, MailingId, SubscriberId

if TYPE_CHECKING:
    from hashlib import _Hash

SECRET_BYTES: Final = 32
BLOCK_BYTES: Final = 64  # of SHA-256; a secret is never longer
MAX_KEY_ID: Final = 255
MAX_SUBSCRIBER_ID: Final = 2**63 - 1  # what a signed 64-bit column holds

# Key number (1 byte), subscriber (8), the first half of an HMAC-SHA256 (16): 25 bytes, which are 34 characters.
ID_BYTES: Final = 8
MAC_BYTES: Final = 16
TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", re.ASCII)
# Key number (1 byte), mailing (4), subscriber (8), last day (2), 80 bits of an HMAC-SHA256 (10): 25 bytes, which are 40
# characters of base32. Mail servers may fold the case of a local part, so base64 would not survive (RFC 5321 2.4).
RETURN_MAC_BYTES: Final = 10
RETURN_TOKEN: Final = re.compile(r"[a-z2-7]{40}", re.ASCII)
RETURN_TOKEN_LENGTH: Final = 40
BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 section 6, in lower case
BASE32_PAIRS: Final = [first + second for first in BASE32 for second in BASE32]
GRANT_BYTES: Final = 24
GRANT_LENGTH: Final = 32
FORM: Final = b"form\0"
NONCE: Final = re.compile(r"[0-9a-f]{34}", re.ASCII)
STAMP: Final = re.compile(r"(?P<key>\d{1,3})\.(?P<shown>\d{1,12})\.(?P<mac>[0-9a-f]{32})", re.ASCII)
FIRST_DAY: Final = date(2020, 1, 1)
MAX_MAILING_ID: Final = 2**32 - 1
MAILING_NAME: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """The secrets behind links: key number (0 to 255) -> 32 bytes; ``current`` is the number that makes new tokens."""

    current: int
    secrets: dict[int, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse keys that could not be used: ValueError, without showing a secret."""
        for number, secret in self.secrets.items():
            if not 0 <= number <= MAX_KEY_ID:
                raise ValueError(f"link key {number}: its number must be from 0 to {MAX_KEY_ID}")
            if len(secret) != SECRET_BYTES:
                raise ValueError(f"link key {number}: has {len(secret)} bytes, but needs {SECRET_BYTES}")
        if self.current not in self.secrets:
            raise ValueError(f"link key {self.current} is to make new links, but there is no such key")

    @property
    def oldest(self) -> bytes:
        """The secret with the lowest number: it stays the same when a key is added."""
        return self.secrets[min(self.secrets)]


def unsubscribe_token(keys: LinkKeys, subscriber: SubscriberId) -> str:
    """The personal part of ``/u/<token>``: TOKEN_LENGTH characters of A-Z, a-z, 0-9, - and _."""
    payload = bytes([keys.current]) + _id_bytes(subscriber)
    return urlsafe_b64encode(payload + _unsubscribe_mac(keys.secrets[keys.current], payload)).decode().rstrip("=")


def read_unsubscribe_token(keys: LinkKeys, token: str) -> SubscriberId:
    """Whom a token belongs to; LinkError for everything that we did not make ourselves."""
    if not TOKEN.fullmatch(token):
        raise LinkError("this link is not complete; copy the whole of it from the letter")
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    secret = keys.secrets.get(payload[0])
    expected = _unsubscribe_mac(secret or bytes(SECRET_BYTES), payload)
    # The last character holds four bits that mean nothing: only the spelling that we print is accepted.
    canonical = urlsafe_b64encode(raw).decode().rstrip("=") == token
    if not hmac.compare_digest(mac, expected) or secret is None or not canonical:
        raise LinkError("this link was not made by us, or it was changed on its way")
    return SubscriberId(int.from_bytes(payload[1:], "big"))


def message_id(keys: LinkKeys, mailing: str, subscriber: SubscriberId, domain: str) -> str:
    """The Message-ID, in its angle brackets, of one mailing (``2026-10.0``) to one subscriber.

    The same arguments always give the same identifier, also after a key was added, so that a letter repeated after
    a crash can be recognised as the same one. Nobody can tell from it whose letter it is.
    """
    if not MAILING_NAME.fullmatch(mailing):
        raise ValueError(f"{mailing!r} cannot stand in a Message-ID; use letters, digits, hyphens and single dots")
    seen = b"message-id\0" + mailing.encode() + b"\0" + _id_bytes(subscriber)
    return f"<{mailing}.{_mac(keys.oldest, seen).hex()}@{domain}>"


def return_token(keys: LinkKeys, mailing: MailingId, subscriber: SubscriberId, last_day: date) -> str:
    """The personal part of a letter's return path: RETURN_TOKEN_LENGTH characters of a-z and 2-7.

    It tells a bounce whose letter came back (VERP), and is good until the end of ``last_day``, so that an old mailbox
    dump cannot be used to make people bounce.
    """
    if not 0 <= mailing <= MAX_MAILING_ID:
        raise ValueError(f"mailing {mailing}: the number must be from 0 to {MAX_MAILING_ID}")
    day = (last_day - FIRST_DAY).days.to_bytes(2, "big")
    payload = bytes([keys.current]) + mailing.to_bytes(4, "big") + _id_bytes(subscriber) + day
    return _base32(payload + _return_mac(keys.secrets[keys.current], payload))


def read_return_token(keys: LinkKeys, token: str, today: date) -> tuple[MailingId, SubscriberId]:
    """Whose letter came back; LinkError when the token was not made by us, or its last day is over."""
    if not RETURN_TOKEN.fullmatch(token.lower()):
        raise LinkError("this return path is not one of ours")
    raw = b32decode(token.upper())
    payload, mac = raw[:-RETURN_MAC_BYTES], raw[-RETURN_MAC_BYTES:]
    secret = keys.secrets.get(payload[0])
    if not hmac.compare_digest(mac, _return_mac(secret or bytes(SECRET_BYTES), payload)) or secret is None:
        raise LinkError("this return path is not one of ours")
    if FIRST_DAY + timedelta(days=int.from_bytes(payload[-2:], "big")) < today:
        raise LinkError("this return path has expired")
    return MailingId(int.from_bytes(payload[1:5], "big")), SubscriberId(int.from_bytes(payload[5:13], "big"))


def grant_nonce(keys: LinkKeys, bits: int) -> str:
    """What the outbox keeps of a link that grants something: the key's number and 128 random ``bits``, as hex digits.

    With the database alone nobody can make the token of it; ``grant_token`` makes the same one at every attempt, so
    that a letter sent again after a crash has the same bytes.
    """
    return f"{keys.current:02x}{bits:032x}"


def grant_token(keys: LinkKeys, nonce: str) -> str:
    """The personal part of ``/l/<token>``: GRANT_LENGTH characters. ValueError for a nonce that is none of ours."""
    if not NONCE.fullmatch(nonce) or (secret := keys.secrets.get(int(nonce[:2], 16))) is None:
        raise ValueError("this nonce is not one of ours, or its key is gone")
    return urlsafe_b64encode(_hmac(secret, b"grant\0" + nonce.encode())[:GRANT_BYTES]).decode()


def grant_digest(token: str) -> str:
    """What the store knows of a token: its SHA-256 in hex digits."""
    return sha256(token.encode()).hexdigest()


def address_hash(keys: LinkKeys, mailbox: str) -> str:
    """A keyed hash of a mailbox, capitals not counting: the same for ever, and no way back without the key."""
    return _hmac(keys.oldest, b"address\0" + mailbox.lower().encode()).hex()


def network_hash(keys: LinkKeys, network: str) -> str:
    """A keyed hash of a client's network, for limits: who asks is counted and not written down."""
    return _mac(keys.oldest, b"network\0" + network.encode()).hex()


def form_stamp(keys: LinkKeys, seconds: int) -> str:
    """The moment (seconds since 1970) at which a form was shown, so signed that nobody can write an older one."""
    shown = str(seconds)
    return f"{keys.current}.{shown}.{_mac(keys.secrets[keys.current], FORM + shown.encode()).hex()}"


def read_form_stamp(keys: LinkKeys, stamp: str) -> int:
    """The moment in a stamp; LinkError when it is not ours."""
    if match := STAMP.fullmatch(stamp):
        secret = keys.secrets.get(int(match["key"]), bytes(SECRET_BYTES))
        expected = _mac(secret, FORM + match["shown"].encode()).hex()
        if hmac.compare_digest(match["mac"], expected) and int(match["key"]) in keys.secrets:
            return int(match["shown"])
    raise LinkError("this form was not made by us, or it was changed")


def _base32(raw: bytes) -> str:
    """As ``b32encode`` in lower case, for whole groups of 5 bytes, at an eighth of its time: one for every letter."""
    number = int.from_bytes(raw, "big")
    return "".join([BASE32_PAIRS[(number >> shift) & 1023] for shift in range(8 * len(raw) - 10, -1, -10)])


def _return_mac(secret: bytes, payload: bytes) -> bytes:
    return _hmac(secret, b"return-path\0" + payload)[:RETURN_MAC_BYTES]


def _id_bytes(subscriber: SubscriberId) -> bytes:
    if not 0 <= subscriber <= MAX_SUBSCRIBER_ID:
        raise ValueError(f"subscriber {subscriber}: the number must be from 0 to {MAX_SUBSCRIBER_ID}")
    return subscriber.to_bytes(ID_BYTES, "big")


def _unsubscribe_mac(secret: bytes, payload: bytes) -> bytes:
    return _mac(secret, b"unsubscribe\0" + payload)


def _mac(secret: bytes, message: bytes) -> bytes:
    return _hmac(secret, message)[:MAC_BYTES]


def _hmac(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104). Three for every letter: a copied state costs a fifth of ``hmac.digest``."""
    inner, outer = (state.copy() for state in _prepared(secret))
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=MAX_KEY_ID)
def _prepared(secret: bytes) -> tuple[_Hash, _Hash]:
    """The two hashes of HMAC with the key's block taken in, which no message changes."""
    block = secret.ljust(BLOCK_BYTES, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in block)), sha256(bytes(byte ^ 0x5C for byte in block))
