"""A report as a letter, its mailing, and what became of each letter; notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from newsletter.model.findings import Forced
from newsletter.model.handling import Tlp
from newsletter.model.names import PUBLIC, Language, MailingId, SubscriberId
from newsletter.model.people import Subscriber
from newsletter.model.report import Report
from newsletter.model.time import Month


@dataclass(frozen=True, slots=True)
class Variant:
    """A report rendered for one audience and language; ``html`` and ``text`` hold ``UNSUBSCRIBE_SLOT``."""

    report: Report
    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class CompiledVariant:
    """A variant as bytes: everything of the message that is the same for every recipient, slots and all.

    ``head`` is header lines (CRLF each), ``body`` the MIME body; ``digest`` is SHA-256 over both, slots zeroed.
    """

    audience: str
    language: Language
    tlp: Tlp
    subject: str
    head: bytes
    body: bytes
    digest: str


class MailingState(StrEnum):
    """A mailing's way: a candidate may be replaced, a released one never."""

    CANDIDATE = "candidate"
    APPROVED = "approved"
    RELEASING = "releasing"
    RELEASED = "released"
    SENT = "sent"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """The report of a month: one edition, its state, who approved exactly this digest, and what was forced."""

    id: MailingId
    month: Month
    digest: str
    state: MailingState
    created: datetime
    approved_by: str | None = None
    released: datetime | None = None
    paused: datetime | None = None
    forced: Forced | None = None


class DeliveryState(StrEnum):
    """One letter's way.

    ``intent`` is durable before the text leaves, so whoever finds it after a crash does not know whether the relay has
    the letter. ``held`` waits for a person's decision.
    """

    PENDING = "pending"
    INTENT = "intent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    HELD = "held"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A delivery that is due, with all that is needed to address it, read anew at the moment of sending.

    ``audience`` is what the subscriber belonged to at release.
    """

    mailing: MailingId
    subscriber: Subscriber
    attempts: int
    audience: str = PUBLIC
    next_attempt: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What became of one letter: the state that it reached, and why. ``tried`` counts it as an attempt.

    ``next_attempt`` is set when it is to be tried again.
    """

    subscriber: SubscriberId
    state: DeliveryState
    reply: str = ""
    reason: str = ""
    next_attempt: datetime | None = None
    tried: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """One row of the ledger as people look at it; ``id`` names it in logs: ``<mailing>.<subscriber>``."""

    mailing: MailingId
    subscriber: SubscriberId
    state: DeliveryState
    attempts: int
    changed: datetime
    reply: str
    reason: str

    @property
    def id(self) -> str:
        """Mailing and subscriber."""
        return f"{self.mailing}.{self.subscriber}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A small mail of ours (confirmation, reminder, alarm): an outbox row, unique by ``key``, that expires.

    ``kind`` is its template's folder and ``facts`` is what that prints: strings, numbers and lists of them. It becomes
    a mail when it leaves. ``nonce`` is set when it carries a link that grants something: the token is made of it with
    a key that is not in the database (``keys.grant_token``), so that whoever reads the outbox cannot use it.
    """

    key: str
    recipient: str
    kind: str
    language: Language
    created: datetime
    expires: datetime
    facts: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A notice as it is read; without ``html`` it is a mail of plain text."""

    subject: str
    text: str
    language: Language
    html: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEdition:
    """A released edition as the archive shows it, read back from ``editions/<month>/``.

    ``digest`` is the edition's, ``previous`` the one before it in the chain. ``files`` are the public variants as they
    were sent, without personal tokens, by name: ``en.html``, ``en.txt``, ``en.eml``. One that was ``imported`` was sent
    by something else, before this site: it has a text, no files, and no place in the chain.
    """

    month: Month
    digest: str
    previous: str | None
    released: datetime
    reports: dict[Language, Report]
    files: dict[str, bytes]
    imported: bool = False
