"""Mail addresses: what a person typed becomes a mailbox that every relay takes, or a sentence saying why not."""

from __future__ import annotations

import re
from typing import Final

from newsletter.model import Address

MAX_ADDRESS: Final = 254  # RFC 3696 erratum 1690: a path of 256 octets less its brackets
MAX_LOCAL_PART: Final = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN: Final = 253  # RFC 1035 2.3.4, without the root's dot
MIN_LABELS: Final = 2  # a name below a top-level domain: readers are not on this machine
A_LABEL: Final = "xn--"

_NOT_BARE = re.compile(r'[\s<>,;"\x00-\x1f\x7f-\x9f]')
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

# Python's codec is IDNA 2003, which maps these to other names than today's IDNA 2008 (RFC 5894 7.2): mail would go
# to somebody else, so such a domain must be typed in its xn-- form.
DEVIATIONS: Final = frozenset("ßς\u200c\u200d")


def parse_address(typed: str) -> Address:
    """Read one bare address (RFC 5321 mailbox, dot-atom form); its domain becomes lower case A-labels.

    Raises:
        ValueError: it is none, with a message for the person who typed it.
    """
    text = typed.strip()
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"{_shown(typed)} is no mail address; write it like reader@example.org")
    if _NOT_BARE.search(text):
        raise ValueError(
            f"{_shown(typed)} is not one bare address; write reader@example.org, without a name or brackets"
        )
    if not local.isascii():
        raise ValueError(
            f"{_shown(typed)}: we cannot deliver to this yet; "
            "only a-z, digits and signs like . + - _ can stand before the @"
        )
    if len(local) > MAX_LOCAL_PART or not _DOT_ATOM.fullmatch(local):
        raise ValueError(f"{_shown(typed)}: what stands before the @ is not the name of a mailbox")
    mailbox = f"{local}@{_ascii_domain(domain, typed)}"
    if len(mailbox) > MAX_ADDRESS:
        raise ValueError(f"{_shown(typed)} is longer than {MAX_ADDRESS} characters")
    return Address(mailbox=mailbox, typed=text)


def _ascii_domain(domain: str, typed: str) -> str:
    if len(domain) > MAX_DOMAIN:
        raise ValueError(f"{_shown(typed)}: what follows the @ is longer than {MAX_DOMAIN} characters")
    if DEVIATIONS & set(domain):
        raise ValueError(f"{_shown(typed)}: please write what follows the @ in its ASCII form, which begins with xn--")
    try:
        labels = domain.lower().encode("idna").decode("ascii").lower().split(".")
    except UnicodeError:
        labels = []
    if len(labels) < MIN_LABELS or not all(map(_is_label, labels)) or labels[-1].isdigit():
        raise ValueError(f"{_shown(typed)}: what follows the @ is no domain; write it like example.org")
    ascii_domain = ".".join(labels)
    if len(ascii_domain) > MAX_DOMAIN:
        raise ValueError(f"{_shown(typed)}: what follows the @ is longer than {MAX_DOMAIN} characters")
    return ascii_domain


def _is_label(label: str) -> bool:
    """One that a name server can know; an A-label stands for characters (RFC 5890 2.3.2.1)."""
    if not _LABEL.fullmatch(label):
        return False
    if not label.startswith(A_LABEL):
        return True
    try:
        return not label.removeprefix(A_LABEL).encode().decode("punycode").isascii()
    except UnicodeError:
        return False


def _shown(typed: str) -> str:
    return repr(typed if len(typed) <= MAX_LOCAL_PART else typed[:MAX_LOCAL_PART] + "…")
