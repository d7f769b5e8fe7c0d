"""Rules over links: where they lead is what they say, nobody counts who follows them, and both parts have the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from newsletter.checks.texts.hosts import CLOSING, SHORTENERS, other_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem
    from newsletter.checks.tree import Node

SCHEMES: Final = ("https", "mailto")
MAX_QUOTED: Final = 80
TRACKING: Final = re.compile(
    r"utm_\w+|mc_[ce]id|fbclid|gclid|dclid|msclkid|yclid|twclid|igshid|_hs(?:enc|mi)|mkt_tok|vero_(?:conv|id)|oly_\w+"
    r"|wickedid|ck_subscriber_id|trk\w*|elqtrack\w*|sc_(?:campaign|channel)|s_cid|rb_clickid|ml_subscriber\w*",
    re.IGNORECASE,
)
REDIRECTING: Final = frozenset(
    {"url", "redirect", "redirect_uri", "redirect_url", "target", "dest", "goto", "next", "u"}
)
REDIRECTORS: Final = re.compile(
    r"(?:.*\.)?(?:list-manage\.com|sendgrid\.net|mailchi\.mp|mailgun\.org|hubspotlinks\.com|mandrillapp\.com|sparkpostmail\.com"
    r"|safelinks\.protection\.outlook\.com|urldefense\.(?:com|proofpoint\.com)|rs6\.net|createsend\d*\.com|exct\.net)"
)
COUNTING: Final = re.compile(r"/(?:ls|wf|track)/click(?:/.*)?")  # senders' redirectors below a host of one's own
TEXT_URL: Final = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+", re.IGNORECASE)
TEXT_MAILBOX: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
SPACES: Final = re.compile(r"\s+")


def schemes(letter: Letter, house: House) -> Iterator[Problem]:
    """Only https and mailto; http only for what the site itself is still served by."""
    own = urlsplit(house.publication.base_url)
    for node, href in _links(letter):
        parts = _split(href)
        if parts is None or (parts.scheme in ("https", "http") and not parts.hostname):
            yield letter.in_html(node, f"the link {href[:MAX_QUOTED]!r} is no address", "mend it")
        elif parts.username is not None:
            yield letter.in_html(node, "the link names a user before its host, as phishers do", "take that away")
        elif parts.scheme == "http" and house.wrote(href):
            continue  # its editor was advised
        elif parts.scheme not in SCHEMES and (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
            fix = "use https or mailto; with http anybody on the way can change what is answered"
            yield letter.in_html(node, f"the link {href[:MAX_QUOTED]!r} is neither https nor mailto", fix)


def differs(letter: Letter, house: House) -> Iterator[Problem]:
    """Words that look like an address are that address: the first thing that our own training tells people to check.

    Editors' links were judged by ``link-text-lies`` where they were written.
    """
    for node, href in _links(letter):
        if house.wrote(href):
            continue
        if said := other_address(SPACES.sub(" ", node.text()), href, house.publication.base_url):
            message = f"the words say {said[:MAX_QUOTED]}, the link leads to {href[:MAX_QUOTED]}"
            yield letter.in_html(node, message, "let the words say where it leads, or say no address in them")


def tracked(letter: Letter, house: House) -> Iterator[Problem]:
    """No shortener, no redirector, no parameter that tells who followed the link."""
    del house
    for node, href in _links(letter):
        if reason := _tracks(href):
            yield letter.in_html(node, f"the link {href[:MAX_QUOTED]} {reason}", "link to the page itself")


def wordless(letter: Letter, house: House) -> Iterator[Problem]:
    """A link without words is read out as its address."""
    del house
    for node, _ in _links(letter):
        images = any(one.get("alt") for one in node.walk() if one.tag == "img")
        if not node.text().strip() and not images and not node.get("aria-label"):
            yield letter.in_html(node, "a link without words", "say where it leads")


def parity(letter: Letter, house: House) -> Iterator[Problem]:
    """Who reads the text can go wherever who reads the HTML can, and no further."""
    del house
    if not letter.html or not letter.text:
        return
    shown = {_bare(href): node for node, href in reversed(list(_links(letter)))}
    told = _told(letter.text)
    read = " ".join("".join(words.text for words in letter.read).split())  # in code an address stands as words
    for href, node in sorted(shown.items(), key=lambda one: (one[1].line, one[1].column)):
        if href not in told:
            yield letter.in_html(node, f"the text has no link {href[:MAX_QUOTED]}", "name it in body.txt as well")
    for href, (line, column) in told.items():
        if href not in shown and href not in read:
            yield letter.in_text(line, f"the HTML has no link {href[:MAX_QUOTED]}", "link to it in body.html", column)


# --- how ------------------------------------------------------------------------------------------------------


def _links(letter: Letter) -> Iterator[tuple[Node, str]]:
    for page in letter.pages():
        for node in page.all("a", "area"):
            if "href" in node.attributes and not node.get("href").startswith("#"):
                yield node, node.get("href").strip()


def _split(href: str) -> SplitResult | None:
    try:
        parts = urlsplit(href)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _tracks(href: str) -> str:
    parts = _split(href)
    if parts is None or parts.scheme not in ("http", "https"):
        return ""
    host = (parts.hostname or "").lower().removeprefix("www.")
    if host in SHORTENERS:
        return "is shortened: nobody sees where it leads"
    if REDIRECTORS.fullmatch(host) or COUNTING.fullmatch(parts.path):
        return "goes through somebody who counts"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if TRACKING.fullmatch(name):
            return f"tells who follows it ({name})"
        if name.lower() in REDIRECTING and re.match(r"(?:https?:)?//", value):
            return f"only redirects ({name})"
    return ""


def _bare(href: str) -> str:
    """An address as both parts may write it: without mailto, which a text need not say."""
    return href.removeprefix("mailto:").rstrip("/")


def _told(text: str) -> dict[str, tuple[int, int]]:
    """Every address of the text, with the place where it stands first."""
    found: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        rest = line
        for pattern in (TEXT_URL, TEXT_MAILBOX):
            for match in pattern.finditer(rest):
                found.setdefault(_bare(match[0].rstrip(CLOSING)), (number, match.start() + 1))
            rest = pattern.sub(lambda one: " " * len(one[0]), rest)
    return found
