"""Header lines as bytes, by strict rules of our own.

The standard library's folding turns List-Unsubscribe into encoded-words, loses the quotes of long display names and
can be made to inject headers (references/email.md section 4), and which of these it does depends on its patch level.
Here every function returns whole lines, ASCII, CRLF at the end, or raises ValueError: nothing is repaired silently.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LINE: Final = 998  # RFC 5322 section 2.1.1, without the CRLF
AIM: Final = 78
MAX_ENCODED_LINE: Final = 76  # RFC 2047 section 2: the same section limits an encoded-word to 75
MAX_ENCODED_WORD: Final = 75
MAX_ADDRESS: Final = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets

MAX_Q_TO_B: Final = 1.5  # a Q encoded-word may be so much longer than B before it is no longer readable either

FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)
_ATEXT: Final = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
ATOMS: Final = re.compile(rf"[{_ATEXT}]+(?: [{_ATEXT}]+)*", re.ASCII)
# A quoted string that needs no backslash, so that nobody can get the unquoting wrong.
QUOTABLE: Final = re.compile(r"[ !#-\[\]-~]+", re.ASCII)
WORDS: Final = re.compile(r"[!-~]+(?: [!-~]+)*", re.ASCII)
ADDRESS: Final = re.compile(
    rf'(?:[{_ATEXT}]+(?:\.[{_ATEXT}]+)*|"[ !#-\[\]-~]+")@'
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*",
    re.ASCII,
)
URL: Final = re.compile(r"(?:https?://|mailto:)[!#-;=?-~]+", re.ASCII)  # printable without ", < and >
# Readers decode this wherever they find it, even within addresses and URLs, where RFC 2047 section 5 forbids it.
LOOKS_ENCODED: Final = re.compile(r"=\?[^?]*\?[bq]\?.*\?=", re.ASCII | re.IGNORECASE)
# What may stand bare in a Q encoded-word wherever it is used: RFC 2047 section 5 (3).
BARE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
LINE_SEPARATORS: Final = frozenset("\u2028\u2029")


def text(name: str, value: str) -> bytes:
    """A header that people read (Subject): as it is where that is safe, otherwise as encoded-words."""
    _refuse_controls(name, value)
    plain = WORDS.fullmatch(value) and "=?" not in value
    if not value or (plain and max(map(len, value.split(" "))) < AIM - len(name) - len(": ")):
        return _folded(name, value.split(" "), AIM)
    return _folded(name, _encoded_words(value, MAX_ENCODED_LINE - len(name) - len(": ")), MAX_ENCODED_LINE)


def mailbox(name: str, address: str, display: str = "") -> bytes:
    """A header with exactly one mailbox (From, To, Reply-To): ``display <address>``, or the address alone."""
    checked_address(address)
    if not display:
        return _folded(name, [address], AIM)
    return _with_phrase(name, display, f"<{address}>")


def list_id(name: str, identifier: str, display: str) -> bytes:
    """List-Id (RFC 2919): a phrase for people and the identifier, which is a domain-like name, in angle brackets."""
    if not ADDRESS.fullmatch(f"x@{identifier}"):
        raise ValueError(f"{name}: {identifier!r} is no list identifier; write it like report.security.example.org")
    return _with_phrase(name, display, f"<{identifier}>")


def url(name: str, value: str) -> bytes:
    """A header with one URL in angle brackets (RFC 2369, 5064): in one line, never encoded."""
    if not URL.fullmatch(value) or LOOKS_ENCODED.search(value):
        raise ValueError(
            f"{name}: {value!r} is no https, http or mailto address made of printable ASCII without =?...?="
        )
    return _folded(name, [f"<{value}>"], MAX_LINE)


def tokens(name: str, *values: str) -> bytes:
    """A header that machines read: printable ASCII, folded only between the given values."""
    for value in values:
        if not WORDS.fullmatch(value):
            raise ValueError(f"{name}: {value!r} is not printable ASCII with single blanks")
    if LOOKS_ENCODED.search(" ".join(values)):
        raise ValueError(f"{name}: holds what readers would take for an encoded-word, =?...?=")
    return _folded(name, values, AIM)


def checked_address(address: str) -> str:
    """The address, when it can stand in a header as one mailbox; otherwise ValueError."""
    if len(address) > MAX_ADDRESS or not ADDRESS.fullmatch(address) or LOOKS_ENCODED.search(address):
        raise ValueError("the address cannot stand in a header; it must be like local.part@domain, all ASCII")
    return address


# --- how ------------------------------------------------------------------------------------------------------


def _refuse_controls(name: str, value: str) -> None:
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cs") or character in LINE_SEPARATORS:
            raise ValueError(f"{name}: holds U+{ord(character):04X}, which cannot stand in a header")


def _with_phrase(name: str, display: str, bracketed: str) -> bytes:
    _refuse_controls(name, display)
    readable = "=?" not in display and len(display) < AIM - len(name) - len(': ""')
    if readable and ATOMS.fullmatch(display):
        return _folded(name, [*display.split(" "), bracketed], AIM)
    if readable and QUOTABLE.fullmatch(display):
        return _folded(name, [f'"{display}"', bracketed], AIM)
    words = _encoded_words(display, MAX_ENCODED_LINE - len(name) - len(": "))
    return _folded(name, [*words, bracketed], MAX_ENCODED_LINE)


def _folded(name: str, parts: Iterable[str], limit: int) -> bytes:
    """``name: part part``, broken before a part that would go beyond ``limit``, whatever the first one's length."""
    if not FIELD_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    lines = [f"{name}:"]
    for position, part in enumerate(parts):
        if position and len(lines[-1]) + 1 + len(part) > limit:
            lines.append("")
        lines[-1] += f" {part}"
    if max(map(len, lines)) > MAX_LINE:
        raise ValueError(f"{name}: longer than {MAX_LINE} characters in one line")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _encoded_words(value: str, first_room: int) -> Iterator[str]:
    """Encoded-words in UTF-8 (RFC 2047), Q where that is readable, otherwise B; no character is ever cut in two."""
    encode, mark = (_q_word, "q") if len(_q_word(value)) <= MAX_Q_TO_B * len(_b_word(value)) else (_b_word, "b")
    around = len(f"=?utf-8?{mark}??=")
    room = min(MAX_ENCODED_WORD, first_room) - around
    start = 0
    for end in range(1, len(value) + 1):
        if end == len(value) or len(encode(value[start : end + 1])) > room:
            yield f"=?utf-8?{mark}?{encode(value[start:end])}?="
            start, room = end, MAX_ENCODED_WORD - around


def _q_word(value: str) -> str:
    return "".join(map(_q, value))


def _q(character: str) -> str:
    if character == " ":
        return "_"
    return "".join(chr(byte) if byte in BARE else f"={byte:02X}" for byte in character.encode())


def _b_word(value: str) -> str:
    return b64encode(value.encode()).decode()
