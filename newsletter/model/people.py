"""Who reads: subscribers, their consent, what they asked for and what they may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from newsletter.model.names import PUBLIC, Language, SubscriberId


@dataclass(frozen=True, slots=True)
class Address:
    """An RFC 5321 mailbox that we can deliver to: ASCII, domain lower case (A-labels).

    ``typed`` is what the person wrote. The list takes two that differ in case alone for one person's.
    """

    mailbox: str
    typed: str = field(compare=False)

    @property
    def domain(self) -> str:
        """What follows the last @."""
        return self.mailbox.rpartition("@")[2]

    def __str__(self) -> str:
        """The mailbox."""
        return self.mailbox


class SubscriberState(StrEnum):
    """Only active subscribers get a delivery.

    Who asked to join and has not confirmed is no subscriber yet, but a ``Signup`` and then a ``Grant``. ``ended`` are
    those whom a directory no longer names: they did not leave, so it may name them again. ``erased`` is what is left
    of a person who wanted to be forgotten: a random number to which the ledger's rows refer, and nothing else.
    """

    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCING = "bouncing"
    ENDED = "ended"
    ERASED = "erased"


class Admission(StrEnum):
    """What lets a subscriber belong to their audience: it is open, their domain, an invitation, or a directory."""

    OPEN = "open"
    DOMAIN = "domain"
    INVITATION = "invitation"
    DIRECTORY = "directory"


class Format(StrEnum):
    """What a subscriber wants to receive: both parts, or the text alone."""

    HTML = "html"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Consent:
    """Evidence: when somebody agreed, how, and to what.

    ``words`` is the sentence that they agreed to, as it stood there; ``form`` the version of the form that showed it.
    """

    at: datetime
    how: str
    note: str
    words: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person on the list. ``id`` is random, so that it may stand in logs and links.

    ``paused_until`` is set while paused: then they are active again, without being asked.
    """

    id: SubscriberId
    address: Address
    language: Language
    state: SubscriberState = SubscriberState.ACTIVE
    audience: str = PUBLIC
    format: Format = Format.HTML
    admission: Admission = Admission.OPEN
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceRule:
    """Who may belong to an audience besides the public: whose address is in ``domains``, and whoever is invited.

    ``domains`` are A-labels in lower case; one that begins with a dot stands for every name below it.
    """

    name: str
    title: dict[Language, str] = field(default_factory=dict)
    clearance: str = "GREEN"
    domains: tuple[str, ...] = ()

    def covers(self, domain: str) -> bool:
        """Whether an address of this domain may choose the audience by itself."""
        return any(domain == one or (one.startswith(".") and domain.endswith(one)) for one in self.domains)


class Wish(StrEnum):
    """What a form asks for an address: to join, or to be sent the link to one's preferences."""

    JOIN = "join"
    PREFERENCES = "preferences"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signup:
    """Somebody typed an address; whether it is theirs nobody knows yet. What is done about it is decided later.

    ``how`` is the way it came in (the form, a portal's name); ``words`` and ``form`` are the consent, as in
    ``Consent``. ``held`` waits for an operator, since too many came at once.
    """

    address: Address
    wish: Wish
    language: Language
    asked: datetime
    format: Format = Format.HTML
    audience: str = PUBLIC
    how: str = ""
    words: str = ""
    form: str = ""
    held: bool = False


class Purpose(StrEnum):
    """What a mailed link grants; ``session`` is what a browser holds while preferences are open."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    MOVE_OLD = "move-old"
    MOVE_NEW = "move-new"
    UNDO = "undo"
    EXPORT = "export"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A right that a random token gives to whoever holds it; we keep its hash alone.

    ``about`` is what it hangs on beside a subscriber (the keyed hash of an address, a change of address), ``facts``
    what acting on it needs. ``used`` is when somebody did.
    """

    digest: str
    purpose: Purpose
    created: datetime
    expires: datetime
    subscriber: SubscriberId | None = None
    about: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    used: datetime | None = None


class Suppressed(StrEnum):
    """Why nothing may be sent to an address, or why nobody but its owner may put it on the list (``erased``)."""

    ERASED = "erased"
    OPERATOR = "operator"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address (a keyed hash) or a domain that is not written to. ``shown`` is empty where we may not know it."""

    key: str
    reason: Suppressed
    since: datetime
    shown: str = ""
    note: str = ""


class Scope(StrEnum):
    """What a portal may do: ask for people, who decide by mail; or look them up, change and unsubscribe them."""

    SIGNUP = "signup"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """An organisation's own portal, which speaks to the JSON API with a token; we keep the token's hash alone."""

    name: str
    scopes: tuple[Scope, ...]
    created: datetime
    revoked: datetime | None = None
