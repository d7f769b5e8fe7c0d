"""Rules over addresses that stand in a text: of an opponent, none is left that a click or a mail program follows.

Exempt are ours, those kept for examples, and those that the file links to: somebody looked at these.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from newsletter.checks.texts.hosts import FILE_ENDINGS, host_of, is_below, is_example, own_hosts
from newsletter.checks.texts.text import bounded, printed, shown, styled
from newsletter.model import Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.rule import Problem
    from newsletter.checks.texts.text import Item, Text

MAX_LOOK_BACK: Final = 16  # characters before a number, in which it may be called a version

_ADDRESS = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'`“”«»)\]]{1,500}", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", re.ASCII)
_VERSION = re.compile(r"(?:version|release|build|firmware|\bv|\bOID|§|chapter|section|chapitre)\.?\s*$", re.IGNORECASE)
# Endings under which most names are hosts; a name alone is no proof, so this looks at incidents only.
_HOST = re.compile(
    r"(?<![\w@.\[/-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,6}"
    r"(?:com|net|org|info|biz|ru|su|cn|top|xyz|online|site|shop|icu|club|live|click|link|tk|ml|ga|cf|gq|pw|cc|ws|to|me"
    r"|io|co|app|dev|pages|eu|ch|fr|de|it|uk|nl|pl|ua|ir|br|in|us)(?![\w-]|\.[a-z])",
    re.IGNORECASE | re.ASCII,
)
# What is quickly seen, and without which the pattern matches nothing.
_SIGNS: Final = {
    _ADDRESS: re.compile("://"),
    _IPV4: re.compile(r"\d\.\d"),
    _IPV6: re.compile(":[0-9A-Fa-f]{0,4}:"),
    _HOST: re.compile(r"\.[A-Za-z]"),
}
_FIX: Final = "defang it, hxxps://host[.]tld or 192.0.2[.]1, or make it a link if readers shall go there"


@bounded
def in_incidents(item: Item, house: House) -> Iterator[Problem]:
    """In an incident, an address is an opponent's unless we know better."""
    for text in printed(item) if isinstance(item, Incident) else ():
        for start, found in _foreign(text, house, (_ADDRESS, _IPV4, _IPV6, _HOST)):
            yield text.problem(start, f"the address {shown(found)} is live", _FIX)


@bounded
def elsewhere(item: Item, house: House) -> Iterator[Problem]:
    """Mail programs make links of addresses in articles and notes, whatever they were meant to be."""
    for text in styled(item) if not isinstance(item, Incident) else ():
        for start, found in _foreign(text, house, (_ADDRESS, _IPV4, _IPV6)):
            yield text.problem(start, f"the address {shown(found)} is neither a link nor defanged", _FIX)


def _foreign(text: Text, house: House, patterns: tuple[re.Pattern[str], ...]) -> Iterator[tuple[int, str]]:
    """Addresses in words and code, in the order of the text; none of them twice."""
    patterns = tuple(pattern for pattern in patterns if _SIGNS[pattern].search(text.written))
    if not patterns:
        return
    vouched = own_hosts(house.publication) | {host_of(link.target) for link in text.links}
    done = -1
    places = sorted((m.start(), -m.end(), m) for pattern in patterns for m in pattern.finditer(text.written))
    for start, _, found in places:
        if start >= done and not _is_harmless(found, text.written, vouched):
            yield start, found[0].rstrip(".,;:!?*_")
            done = found.end()


def _is_harmless(found: re.Match[str], written: str, vouched: frozenset[str]) -> bool:
    if found.re is _HOST or found.re is _ADDRESS:
        name = found[0].rstrip(".,;:!?*_")
        host = host_of(name if found.re is _ADDRESS else "//" + name)
        is_file = found.re is _HOST and host.rpartition(".")[2] in FILE_ENDINGS
        return is_file or "." not in host.strip(".") or is_example(host) or is_below(host, vouched)
    try:
        is_public = ip_address(found[0]).is_global
    except ValueError:
        return True
    before = written[max(0, found.start() - MAX_LOOK_BACK) : found.start()]
    return not is_public or _VERSION.search(before) is not None
