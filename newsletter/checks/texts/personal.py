"""Rules over personal data: mailboxes, telephone numbers, and names of users and hosts that the house keeps to itself.

They look at texts for the public, code and targets of links included: what is printed stays printed.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from newsletter.checks.texts.hosts import is_example
from newsletter.checks.texts.text import bounded, printed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.rule import Problem
    from newsletter.checks.texts.text import Item
    from newsletter.model import Publication

MAX_NAME: Final = 253  # letters of a host's name (RFC 1035); what is longer is no name
MIN_DIGITS: Final = 8
MAX_DIGITS: Final = 15  # of an international number (ITU-T E.164)
MAX_LOOK_BACK: Final = 16
KEPT_LISTS: Final = 8

_MAILBOX = re.compile(r"(?<![\w.%+@-])[A-Za-z0-9_.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@-])")
_GAP: Final = "[ .\u00a0\u202f-]"
_PHONE = re.compile(
    rf"""
    (?<![\w.,/:+=#-])(?:
      (?:\+|00)[1-9](?:[ .\u00a0\u202f()/-]{{0,3}}\d){{6,14}}      # international
      | 0[1-9](?:{_GAP}?\d{{2}}){{4}}                              # French, 01 23 45 67 89
      | 0\d{{2}}[ ./\u00a0\u202f]\d{{3}}(?:{_GAP}\d{{2}}){{2}}     # Swiss, 022 345 67 89
      | \([2-9]\d{{2}}\)[ ]?\d{{3}}-\d{{4}}                        # American, (212) 345-6789
      | [2-9]\d{{2}}([.-])\d{{3}}\1\d{{4}}                         # and 212-345-6789
    )(?![\w@]|[.,:/-]\d)
    """,
    re.VERBOSE | re.ASCII,
)
_MANY_DIGITS = re.compile(r"[+(\d][\d .\u00a0\u202f()/-]{7}")  # quick, where nearly every text has no number
# Numbers of other things.
_NUMBERED = re.compile(r"(?:ISBN|ISSN|DOI|CVE|RFC|ORCID|IBAN|n°|no\.|#)[-:\s]*[\d-]*$", re.IGNORECASE)
# Kept for films and books: North America, France (ARCEP), the United Kingdom (Ofcom).
_FICTION = re.compile(
    r"(?:1?[2-9]\d\d55501\d\d|(?:0|33)(?:19900|26191|35301|46571|53649|63998)\d{4}"
    r"|(?:0|44)(?:2079460\d{3}|1632960\d{3}|7700900\d{3}))"
)
_NAME = re.compile(r"\w[\w.-]*")


@bounded
def addresses(item: Item, house: House) -> Iterator[Problem]:
    """Mailboxes of people; those of the publication and those kept for examples are public."""
    for text in printed(item):
        for found in _MAILBOX.finditer(text.markdown) if "@" in text.markdown else ():
            if not _is_public(found[0].lower(), house):
                local, _, host = found[0].partition("@")
                message = f"the mailbox {local[0]}\N{HORIZONTAL ELLIPSIS}@{shown(host)} may be a person's"
                fix = "name the team's mailbox, or add this one to public_addresses in [checks] of newsletter.toml"
                yield text.problem(found.start(), message, fix)


@bounded
def phones(item: Item, house: House) -> Iterator[Problem]:
    """Telephone numbers in the shapes of Europe and North America."""
    public = {_digits(number) for number in house.standards.public_phones}
    for text in printed(item):
        for found in _PHONE.finditer(text.written) if _MANY_DIGITS.search(text.written) else ():
            digits = _digits(found[0])
            before = text.written[max(0, found.start() - MAX_LOOK_BACK) : found.start()]
            is_other = len(digits) not in range(MIN_DIGITS, MAX_DIGITS + 1) or _NUMBERED.search(before)
            if not (is_other or digits in public or _FICTION.fullmatch(digits)):
                message = f"{found[0][:4].strip()}\N{HORIZONTAL ELLIPSIS}{digits[-2:]} looks like a telephone number"
                fix = "name the team's number, or add this one to public_phones in [checks] of newsletter.toml"
                yield text.problem(found.start(), message, fix)


@bounded
def names(item: Item, house: House) -> Iterator[Problem]:
    """User and host names of the house's own list, in any case, as words of their own."""
    private = house.standards.private_names
    for text in printed(item) if private else ():
        plain, patterns = _private(private)
        for found in _NAME.finditer(text.markdown):
            if any(name in plain or (patterns and patterns.match(name)) for name in _forms(found[0].lower())):
                message = f"“{shown(found[0].rstrip('.-'))}” is a name that this house keeps to itself"
                yield text.problem(found.start(), message, "write what it is instead: a file server, user A")


def _forms(word: str) -> Iterator[str]:
    """A word, and what a name in it may be: fileserver01 of fileserver01.example.org and of _fileserver01_."""
    whole = word.strip("._-")
    for form in dict.fromkeys((whole, whole.partition(".")[0], whole.partition("-")[0])):
        if 0 < len(form) <= MAX_NAME:
            yield form


def _is_public(mailbox: str, house: House) -> bool:
    return (
        mailbox in _own(house.publication)
        or is_example(mailbox.rpartition("@")[2])
        or any(fnmatchcase(mailbox, pattern.lower()) for pattern in house.standards.public_addresses)
    )


def _own(publication: Publication) -> frozenset[str]:
    own = (publication.contact, publication.reply_to, publication.from_address)
    return frozenset(address.lower() for address in own)


def _digits(number: str) -> str:
    """Its digits, as dialled from anywhere: the (0) of +41 (0)22 is none, nor is the 00 before it."""
    return re.sub(r"\D", "", number.replace("(0)", "")).removeprefix("00")


@lru_cache(maxsize=KEPT_LISTS)
def _private(private: tuple[str, ...]) -> tuple[frozenset[str], re.Pattern[str] | None]:
    """Names without wildcards, and one pattern for all others; fnmatch writes patterns that never go back."""
    names = {name.strip().lower() for name in private if name.strip()}
    plain = {name for name in names if not set(name) & set("*?[")}
    wild = sorted(names - plain)
    return frozenset(plain), re.compile("|".join(translate(name) for name in wild)) if wild else None
