"""Addresses as readers see them: absolute, ASCII, and never hidden behind words (domain.md section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from newsletter.model import Publication


def absolute(href: str, *, page: str, publication: Publication) -> str:
    """``/en/articles/x/`` counts from the site's base, anything else relative from the page; the host in A-labels."""
    if href.startswith("/") and not href.startswith("//"):
        return publication.url(href)
    return ascii_host(urljoin(page, href))


def ascii_host(url: str) -> str:
    """The address with its host in A-labels: lxml would percent-encode it, and the link would be dead.

    An address that cannot be split or whose host has no A-labels is returned as it is.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return url
    if url.isascii() or not host or parts.netloc.isascii():
        return url
    return urlunsplit(parts._replace(netloc=_netloc(parts, host)))


def visible_target(href: str) -> str:
    """What stands beside a link: the host of a page, the mailbox of a mailto; nothing for a place on the page."""
    parts = urlsplit(href)
    return parts.path if parts.scheme == "mailto" else parts.hostname or ""


def _netloc(parts: SplitResult, host: str) -> str:
    port = f":{parts.port}" if parts.port else ""
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"{user}{host}{port}"
