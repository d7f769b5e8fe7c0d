"""Addresses as readers see them: absolute, ASCII, and never hidden behind words (domain.md section 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

if TYPE_CHECKING:
    from newsletter.model import Publication

# What may stand in an address as it is (RFC 3986 section 2.2), and the sign of what is encoded already.
RESERVED: Final = "%:/?#[]@!$&'()*+,;=~"
VISIBLE: Final = re.compile(r"[!-~]*")


def absolute(href: str, *, page: str, publication: Publication) -> str:
    """``/en/articles/x/`` counts from the site's base, anything else relative from the page; in ASCII.

    An address that nobody can open is the empty string.
    """
    if href.startswith("/") and not href.startswith("//"):
        return ascii_address(publication.url(href))
    try:
        return ascii_address(urljoin(page, href))
    except ValueError:
        return ""


def ascii_address(url: str) -> str:
    """The address with its host in A-labels and the rest percent-encoded; the empty string if it has no sense.

    Both comrak and lxml percent-encode host names, and such links are dead.
    """
    url = ascii_host(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if "%" in parts.netloc or not (VISIBLE.fullmatch(parts.netloc) and VISIBLE.fullmatch(parts.scheme)):
        return ""
    if VISIBLE.fullmatch(url):
        return url
    return urlunsplit((parts.scheme, parts.netloc, *(quote(part, safe=RESERVED) for part in parts[2:])))


def ascii_host(url: str) -> str:
    """The address with a foreign host in A-labels and nothing else changed; as it is where that cannot be done."""
    try:
        parts = urlsplit(url)
        if parts.netloc.isascii() and "%" not in parts.netloc:
            return url
        host = unquote(parts.hostname or "").encode("idna").decode("ascii")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # UnicodeError is one
        return url
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return urlunsplit(parts._replace(netloc=f"{user}{host}{port}"))


def visible_target(href: str) -> str:
    """What stands beside a link: the host of a page, the mailbox of a mailto."""
    parts = urlsplit(href)
    return unquote(parts.path) if parts.scheme == "mailto" else parts.hostname or ""
