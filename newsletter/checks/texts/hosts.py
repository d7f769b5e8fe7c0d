"""Hosts and addresses in texts (pure): which are ours, which are examples, which are files' names."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

if TYPE_CHECKING:
    from newsletter.model import Publication

KEPT_HOUSES: Final = 8

# Names that belong to nobody (RFC 2606, RFC 6761).
_EXAMPLES = re.compile(r"(?:.+\.)?(?:example(?:\.(?:com|net|org))?|test|invalid|localhost|local|internal)", re.DOTALL)

# What looks like a host's name, and is a file's.
_ENDINGS: Final = """
aspx bak bat bin bmp bz2 cfg cmd conf cpp css csv db dll dmg doc docm docx eml exe gif gz html htm ini ipynb iso jar
jpeg jpg js json jsp key lnk log md mp3 mp4 msg msi ods odt one pcap pdf pem php png pptx ps1 rar rst rtf scr sh sql
svg tar tex tgz tmp toml ts txt vbs wav webp xls xlsm xlsx xml xz yaml yml zip
"""
FILE_ENDINGS: Final = frozenset(_ENDINGS.split())

# Hosts whose only purpose is to hide another address (most of them from MISP's warning list "url-shortener", CC0).
_SHORT_HOSTS: Final = """
adf.ly aka.ms amzn.to bit.do bit.ly bitly.com bl.ink buff.ly chilp.it clck.ru cli.gs cutt.ly dlvr.it dub.sh fb.me
ff.im g.co goo.gl hyperurl.co ift.tt is.gd j.mp kutt.it lnkd.in n9.cl ow.ly po.st qr.ae qrco.de rb.gy rebrand.ly
s.id s2r.co short.io shorte.st shorturl.at snip.ly snipurl.com soo.gd su.pr surl.li t.co t.ly t2m.io tiny.cc tiny.pl
tinyurl.com tr.im trib.al u.to ur1.ca urlz.fr v.gd vk.cc wp.me x.co y2u.be yourls.org youtu.be
"""
SHORTENERS: Final = frozenset(_SHORT_HOSTS.split())

# What readers take for an address: with a scheme or www. anywhere, a bare host or mailbox where there is nothing else.
_ADDRESS = re.compile(r"(?:https?://|\bwww\.)[^\s<>\"“”«»]{1,300}", re.IGNORECASE)
_HOST = re.compile(r"((?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,24})(?::\d{1,5})?(?:[/?#]\S{0,300})?", re.IGNORECASE)
_MAILBOX = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,253}\.[a-z]{2,24}", re.IGNORECASE)
_BEFORE_HOST = re.compile(r"(?:https?:)?//(?:www\.)?|www\.", re.IGNORECASE)
CLOSING: Final = ".,;:!?)]}'\u2019\u201d\u00bb"


def host_of(address: str) -> str:
    """The host of an address in small letters, without the www; empty when it names none, or cannot be read."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    return host.rstrip(".").removeprefix("www.")


def is_example(host: str) -> bool:
    """Whether the name or number is kept free for examples, or for use at home."""
    try:
        return not ip_address(host.strip("[]")).is_global
    except ValueError:
        return _EXAMPLES.fullmatch(host.lower()) is not None


def own_hosts(publication: Publication) -> frozenset[str]:
    """Hosts of our pages and mailboxes; what lies below them is ours as well."""
    return _own(
        publication.base_url,
        publication.website,
        publication.contact,
        publication.from_address,
        publication.reply_to,
    )


@lru_cache(maxsize=KEPT_HOUSES)
def _own(*addresses: str) -> frozenset[str]:
    hosts = {a.rpartition("@")[2].lower() if "@" in a and "://" not in a else host_of(a) for a in addresses}
    return frozenset(hosts - {""})


def is_below(host: str, parents: frozenset[str]) -> bool:
    """Whether the host is one of these, or lies below one."""
    labels = host.split(".")
    return any(".".join(labels[n:]) in parents for n in range(len(labels)))


def refanged(text: str) -> str:
    """The text with indicators as they were before they were defanged."""
    text = re.sub(r"\bhxxp(?=s?://)", "http", text, flags=re.IGNORECASE)
    return re.sub(r"[\[({](\.|:|@|dot|at)[\])}]", lambda m: {"dot": ".", "at": "@"}.get(m[1].lower(), m[1]), text)


def other_address(words: str, target: str, base: str) -> str:
    """The address that the words of a link show and that is not where it leads; empty when they show none, or that one.

    A shown path counts too. ``base`` is where relative targets begin. Files' names are no hosts, and a host that is
    only spoken of ("How bank.example was copied") is no address.
    """
    plain = refanged(words.strip())
    scheme, _, rest = target.strip().partition(":")
    mailbox = unquote(rest.partition("?")[0]).lower() if scheme.lower() == "mailto" else ""
    if found := _MAILBOX.search(plain) if mailbox else _MAILBOX.fullmatch(plain):
        return "" if found[0].lower() == mailbox else found[0]
    shown = _shown_address(plain)
    if not shown or (not mailbox and _is_there(shown, target if "//" in target else _joined(base, target))):
        return ""
    return shown


def _shown_address(plain: str) -> str:
    if found := _ADDRESS.search(plain):
        return found[0].rstrip(CLOSING)
    found = _HOST.fullmatch(plain)
    return plain if found and found[1].rpartition(".")[2].lower() not in FILE_ENDINGS else ""


def _is_there(shown: str, target: str) -> bool:
    """Whether both are one place, whatever their schemes; of an address without a path, its host is the place."""
    said, meant = (_BEFORE_HOST.sub("", unquote(one), count=1).rstrip(f"{CLOSING}/").lower() for one in (shown, target))
    return said == meant or ("/" not in said and said == host_of(target))


def _joined(base: str, target: str) -> str:
    try:
        return urljoin(base, target)
    except ValueError:
        return target
