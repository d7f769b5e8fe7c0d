"""Addresses on the web as feeds write them: read strictly, made absolute, made comparable (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Final, Self
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

MAX_LINK: Final = 2_000
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# Parameters that tell who clicked where, never what to show.
TRACKING: Final = re.compile(
    r"""
    (?: utm | mtm | pk | hsa | oly )_.*                                                 # campaigns
    | fbclid | gclid | gclsrc | gbraid | wbraid | dclid | msclkid | yclid | twclid      # clicks in advertisements
    | ttclid | li_fat_id | igsh | igshid
    | mc_cid | mc_eid | mkt_tok | _hsenc | _hsmi | __hssc | __hstc | vero_id | cmpid    # clicks in newsletters
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

# What RFC 3986 (2.2, 2.3) lets stand in a path; "%" too, so that what is encoded already stays as it is.
_PATH_SAFE: Final = "/%:@!$&'()*+,;=-._~"
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_MAX_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An absolute http or https address without credentials; ASCII throughout, host in lower case A-labels."""

    scheme: str
    host: str
    port: int
    path: str
    query: str
    fragment: str

    @classmethod
    def read(cls, href: str, base: str = "") -> Self | None:
        """Read ``href``, relative to ``base`` if it is relative; None when it leads nowhere on the web."""
        if len(href) > MAX_LINK:
            return None
        try:
            parts = urlsplit(urljoin(base, href.strip()))
            host = _host(parts.hostname or "")
            port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:
            return None
        # A name and password in a link disguise where it leads: https://bank.example@evil.example/
        if parts.scheme not in DEFAULT_PORTS or host is None or "@" in parts.netloc:
            return None
        address = cls(
            parts.scheme,
            host,
            port,
            _encoded(parts.path, _PATH_SAFE) or "/",
            _encoded(parts.query, _PATH_SAFE + "?"),
            _encoded(parts.fragment, _PATH_SAFE + "?"),
        )
        return address if len(address.url) <= MAX_LINK else None

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port: what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query: what the request line says."""
        return self.path + (f"?{self.query}" if self.query else "")

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.authority}{self.target}" + (f"#{self.fragment}" if self.fragment else "")

    def untracked(self) -> WebAddress:
        """Without the parameters that only serve to follow readers."""
        kept = (pair for pair in self.query.split("&") if pair and not _tracks(pair))
        return replace(self, query="&".join(kept))

    def canonical(self) -> WebAddress:
        """Without tracking and fragment: the same page has the same canonical address."""
        return replace(self.untracked(), fragment="")


def canonical_url(url: str) -> str:
    """The address under which a page is compared: no tracking, fragment or default port, host in lower case.

    What is no web address comes back unchanged.
    """
    address = WebAddress.read(url)
    return address.canonical().url if address else url


def _host(raw: str) -> str | None:
    """The host in lower case ASCII, None if it can be none. ValueError (UnicodeError) for impossible names."""
    host = raw.lower().removesuffix(".")
    if ":" in host:
        return str(IPv6Address(host)) if "%" not in host else None
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    return host if len(host) <= _MAX_NAME and _NAME.fullmatch(host) else None


def _encoded(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="replace")


def _tracks(pair: str) -> bool:
    return TRACKING.fullmatch(unquote_plus(pair.partition("=")[0])) is not None
