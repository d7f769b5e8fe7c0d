"""The nouns of the house: frozen values without I/O.

Everything that flows through collect, compose, render, publish and deliver is one of these. They are made at the
door (``parsing``, ``store``) and trusted inside.
"""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, IntEnum, StrEnum
from functools import total_ordering
from hashlib import sha256
from typing import Any, Final, NewType, Self

from newsletter.rsit import TAXONOMY

Language = NewType("Language", str)
SubscriberId = NewType("SubscriberId", int)
MailingId = NewType("MailingId", int)

PUBLIC: Final = "public"
SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
MAX_SLUG: Final = 100
MIN_PERCENT_BASE: Final = 10
FIRST_YEAR_TO_LAST: Final = range(1900, 9999)

# Personal links are spliced into finished bytes, so the slot is exactly as long as a token (see keys.py).
TOKEN_LENGTH: Final = 34
UNSUBSCRIBE_SLOT: Final = "__UNSUBSCRIBE_TOKEN__".ljust(TOKEN_LENGTH, "_")

DERIVED: Final = {"derived": True}  # metadata of a field of the settings that follows from others, and is not written


# --- time -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, written 2026-10."""

    year: int
    month: int

    def __post_init__(self) -> None:
        """Refuse what is no month: ValueError."""
        if self.month not in range(1, 13) or self.year not in FIRST_YEAR_TO_LAST:
            msg = f"{self.year:04d}-{self.month:02d} is no month"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2026-10``; anything else raises ValueError."""
        match = re.fullmatch(r"(\d{4})-(\d{2})", text.strip(), re.ASCII)
        if match is None:
            msg = f"{text!r} is no month; write it like 2026-10"
            raise ValueError(msg)
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        """The month that holds this day."""
        return cls(day.year, day.month)

    def shift(self, months: int) -> Month:
        """The month this many months later (negative: earlier)."""
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        """Lets pydantic read and write it as ``"2026-10"``; imported here, since only the doors know pydantic."""
        from pydantic_core import core_schema  # noqa: PLC0415  # the nouns start without pydantic

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(str(value)),
            serialization=core_schema.to_string_ser_schema(),
        )

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    def __str__(self) -> str:
        """2026-10."""
        return f"{self.year:04d}-{self.month:02d}"


class Precision(StrEnum):
    """How exactly an incident's time is known (VERIS allows the year alone)."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    MINUTE = "minute"


@dataclass(frozen=True, slots=True)
class When:
    """A moment as exactly as it is known, in the site's zone; ``start`` is the first minute of it, naive."""

    start: datetime
    precision: Precision

    @property
    def month(self) -> Month:
        """The month it counts in."""
        return Month(self.start.year, self.start.month)


# --- handling -----------------------------------------------------------------


@total_ordering
class Tlp(Enum):
    """Traffic Light Protocol 2.0 (FIRST, August 2022), from the loosest to the strictest label."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    AMBER_STRICT = "AMBER+STRICT"
    RED = "RED"

    def __lt__(self, other: Tlp) -> bool:
        """Looser than."""
        order = list(Tlp)
        return order.index(self) < order.index(other)

    def __str__(self) -> str:
        """The label as the standard writes it: capitals, no blank, never translated."""
        return f"TLP:{self.value}"


@total_ordering
class Pap(Enum):
    """Permissible Actions Protocol, from what allows most to what allows least."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    RED = "RED"

    def __lt__(self, other: Pap) -> bool:
        """Allows more than."""
        order = list(Pap)
        return order.index(self) < order.index(other)

    def __str__(self) -> str:
        """PAP:CLEAR and so on."""
        return f"PAP:{self.value}"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads: a name and the strictest label they are cleared for. A subscriber has exactly one."""

    name: str
    clearance: Tlp


PUBLIC_AUDIENCE: Final = Audience(PUBLIC, Tlp.CLEAR)


# --- content -----------------------------------------------------------------


class Status(StrEnum):
    """An article's state."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One Computer Security article in one language. ``body`` is Markdown; ``path`` is relative to the site.

    ``waive`` gives reasons by rule, for findings that shall stand in nobody's way; ``lines`` says in which line of the
    file each field, and the body, begins: for findings alone.
    """

    slug: str
    language: Language
    title: str
    date: dt.date
    summary: str
    body: str
    tlp: Tlp
    path: str
    updated: dt.date | None = None
    authors: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    license: str | None = None
    image: str | None = None
    image_alt: str | None = None
    aliases: tuple[str, ...] = ()
    canonical: str | None = None
    status: Status = Status.PUBLISHED
    translates: str | None = None
    waive: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """Identifies the text that a translation translates: 16 hex digits over title, summary and body."""
        return sha256(f"{self.title}\0{self.summary}\0{self.body}".encode()).hexdigest()[:16]

    @property
    def former_slugs(self) -> frozenset[str]:
        """The slugs of articles whose addresses now lead here, by its aliases."""
        return frozenset(m[1] for alias in self.aliases if (m := re.fullmatch(r"/[^/]+/articles/([^/]+)/?", alias)))


class Severity(IntEnum):
    """How bad: 1 a nuisance, 2 contained harm, 3 serious harm to some, 4 harm to the whole organisation."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, order=True)
class RsitClass:
    """A place in the RSIT taxonomy: class and, where known, type (machine names)."""

    name: str
    type: str | None = None

    @property
    def label(self) -> str:
        """The class's English name, which is also its catalogue key."""
        return TAXONOMY[self.name][0]

    @property
    def type_label(self) -> str | None:
        """The type's English name, which is also its catalogue key."""
        return TAXONOMY[self.name][1][self.type] if self.type else None

    def __str__(self) -> str:
        """As editors write it: fraud/phishing."""
        return f"{self.name}/{self.type}" if self.type else self.name


@dataclass(frozen=True, slots=True)
class Extent:
    """How many were affected: ``low == high`` for a number, apart for a range. Unknown is None, never 0."""

    low: int
    high: int

    def __str__(self) -> str:
        """14, or 10 to 20 with an en dash."""
        return str(self.low) if self.low == self.high else f"{self.low}\u2013{self.high}"


class IncidentStatus(StrEnum):
    """Where the handling stands."""

    OPEN = "open"
    CONTAINED = "contained"
    CLOSED = "closed"
    FALSE_POSITIVE = "false-positive"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident summary in one language; the four texts are Markdown."""

    id: str
    language: Language
    title: str
    rsit: RsitClass
    severity: Severity
    tlp: Tlp
    detected: When
    public_summary: str
    path: str
    pap: Pap = Pap.CLEAR
    rsit_also: tuple[RsitClass, ...] = ()
    occurred: When | None = None
    reported: When | None = None
    contained: When | None = None
    resolved: When | None = None
    users_affected: Extent | None = None
    assets_affected: Extent | None = None
    cves: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    status: IncidentStatus = IncidentStatus.CLOSED
    is_exercise: bool = False
    internal_summary: str = ""
    lessons: str = ""
    advice: str = ""
    translates: str | None = None
    waive: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def counts(self) -> bool:
        """Whether figures count it: no exercise, test, false positive or duplicate (RSIT: keep Test out)."""
        dismissed = (IncidentStatus.FALSE_POSITIVE, IncidentStatus.DUPLICATE)
        return not self.is_exercise and self.rsit.name != "test" and self.status not in dismissed

    @property
    def digest(self) -> str:
        """Identifies the text that a translation translates."""
        parts = (self.title, self.public_summary, self.internal_summary, self.lessons, self.advice)
        return sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Action:
    """The one thing to do this month; ``text`` is Markdown."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Pick:
    """An editor's choice from elsewhere, and why it matters here."""

    link: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorNote:
    """What editors say about one month (``reports/2026-10.en.md``); all of it optional but the label."""

    month: Month
    language: Language
    tlp: Tlp
    path: str
    title: str | None = None
    authors: tuple[str, ...] = ()
    in_brief: tuple[str, ...] = ()
    action: Action | None = None
    order: tuple[str, ...] = ()
    elsewhere: tuple[Pick, ...] = ()
    corrections: tuple[str, ...] = ()
    body: str = ""
    waive: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


# --- sources -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Something that the team follows elsewhere. ``tlp`` is what its entries are marked with."""

    id: str
    name: str
    url: str
    kind: str = "feed"
    language: Language = Language("en")
    tlp: Tlp = Tlp.CLEAR
    limit: int = 5


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A source that could not be used, with the reason in words; shown on the draft."""

    source: str
    reason: str
    since: datetime | None = None

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.source}: {self.reason}" + (f" (since {self.since:%Y-%m-%d})" if self.since else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One entry of a feed, cleaned: plain text title and summary, http(s) link."""

    source: str
    guid: str
    title: str
    link: str
    summary: str = ""
    published: datetime | None = None
    first_seen: datetime
    language: Language = Language("en")
    tlp: Tlp = Tlp.CLEAR
    printed_in: Month | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEdition:
    """What an earlier edition said, read from its manifest: the base of restatements and of the chain.

    ``article_slugs`` are addresses that readers were given; ``letters`` is the HTML of its public letters.
    """

    month: Month
    digest: str
    incident_ids: frozenset[str]
    counts: dict[Month, int]
    article_slugs: frozenset[str] = frozenset()
    letters: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Everything that a month may be composed of; whatever its label, whatever its language."""

    articles: tuple[Article, ...] = ()
    incidents: tuple[Incident, ...] = ()
    notes: tuple[EditorNote, ...] = ()
    entries: tuple[FeedEntry, ...] = ()
    sources: tuple[Source, ...] = ()
    past: tuple[PastEdition, ...] = ()
    failures: tuple[SourceFailure, ...] = ()


# --- the report -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """One row of the figures: this month, the month before, and the mean of up to 12 earlier months with its n.

    ``before`` and ``mean`` are None when nothing was recorded earlier.
    """

    key: str
    now: int
    before: int | None
    mean: float | None
    months: int

    @property
    def change(self) -> int | None:
        """Percent against the month before; None under a base of 10, where a percentage misleads."""
        if self.before is None or self.before < MIN_PERCENT_BASE:
            return None
        return round((self.now - self.before) * 100 / self.before)


@dataclass(frozen=True, slots=True)
class Figures:
    """Incidents counted by main RSIT class and by severity, in months of detection."""

    total: Count
    by_class: tuple[Count, ...]
    by_severity: tuple[Count, ...]
    history: tuple[tuple[Month, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentItem:
    """What a report prints of an incident: an allowlist, so that a new field stays inside until it is let out."""

    id: str
    title: str
    rsit: RsitClass
    severity: Severity
    tlp: Tlp
    detected: When
    status: IncidentStatus
    summary: str
    language: Language
    lessons: str = ""
    advice: str = ""
    users_affected: Extent | None = None
    assets_affected: Extent | None = None
    cves: tuple[str, ...] = ()
    late: bool = False
    is_exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleItem:
    """What a report prints of an article: the teaser and, for the leading one, the whole ``body`` (Markdown)."""

    slug: str
    title: str
    date: dt.date
    summary: str
    tlp: Tlp
    language: Language
    authors: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereItem:
    """What a report prints of a feed entry; ``also`` names other sources that carried the same link."""

    title: str
    link: str
    source: str
    summary: str
    language: Language
    why: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restatement:
    """A past month whose count changed since we last printed it."""

    month: Month
    was: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One month, composed for one audience in one language. ``tlp`` is the strictest label of its parts."""

    month: Month
    language: Language
    audience: str
    tlp: Tlp
    title: str | None
    note: str
    note_language: Language
    note_authors: tuple[str, ...]
    in_brief: tuple[str, ...]
    action: Action | None
    incidents: tuple[IncidentItem, ...]
    figures: Figures
    articles: tuple[ArticleItem, ...]
    elsewhere: tuple[ElsewhereItem, ...]
    corrections: tuple[str, ...]
    restatements: tuple[Restatement, ...]
    entry_keys: tuple[tuple[str, str], ...] = ()


# --- the letter -----------------------------------------------------------------


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


# --- findings -----------------------------------------------------------------


class Gravity(StrEnum):
    """Whether a finding stops the release or only advises."""

    BLOCK = "block"
    ADVISE = "advise"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where: a file with a line and column (1-based, 0 unknown), or a part of a mail or page."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """articles/2026/x.en.md:3:1, as editors can click it."""
        numbers = [str(n) for n in (self.line, self.column) if n]
        return ":".join([self.path, *numbers])


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: its stable code, how grave, where, in words, and how to mend it."""

    rule: str
    gravity: Gravity
    place: Place
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """One line for a person: place, message, fix, code."""
        mend = f"; {self.fix}" if self.fix else ""
        return f"{self.place}: {self.message}{mend} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Waived:
    """A finding that somebody answered for, with the reason given: in the file's ``waive``, or in the settings."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the rules found, weighed: what stands, and what was waived."""

    findings: tuple[Finding, ...] = ()
    waived: tuple[Waived, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What stops a release."""
        return tuple(finding for finding in self.findings if finding.gravity is Gravity.BLOCK)


@dataclass(frozen=True, slots=True)
class Forced:
    """Somebody's word that a mailing may leave although something blocks it: who, why, and what exactly.

    ``findings`` are those of that moment, as text; whatever is found later blocks again.
    """

    by: str
    reason: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standards:
    """What a house asks of its texts, beyond what every house does. Patterns may hold ``*``.

    ``banned_words`` gives for each word what to write instead, or nothing; ``private_names`` are user and host names,
    those of ``private_names_file`` (one a line) among them once the settings are loaded;
    ``public_addresses`` and ``public_phones`` may be printed. ``max_grade`` is in years of schooling. ``waive``
    answers for findings in mails and pages, by rule; a content file answers for its own.
    """

    banned_words: dict[Language, dict[str, str]] = field(default_factory=dict)
    private_names: tuple[str, ...] = ()
    private_names_file: str = ""
    public_addresses: tuple[str, ...] = ()
    public_phones: tuple[str, ...] = ()
    max_words: int = 1_500
    max_grade: dict[Language, float] = field(default_factory=dict)
    waive: dict[str, str] = field(default_factory=dict)


# --- the publication -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Everything about the organisation that words and pages show; all of it comes from the site's settings.

    ``has_forms``: people may join and choose by themselves, on pages below ``base_url``. It is what
    ``subscribers.open`` says, and no setting of its own.
    """

    name: str
    organisation: str
    team: dict[Language, str]
    base_url: str
    website: str
    contact: str
    from_address: str
    reply_to: str
    languages: tuple[Language, ...]
    description: dict[Language, str] = field(default_factory=dict)
    license: str = ""
    list_id: str = ""
    logo: str | None = None
    logo_alt: str = ""
    accent: str = "#1f4e79"
    accent_dark: str = "#9cc4ee"
    zone: str = "UTC"
    themes: dict[str, dict[Language, str]] = field(default_factory=dict)
    verify: dict[Language, str] = field(default_factory=dict)
    full_articles: int = 1
    max_elsewhere: int = 7
    has_forms: bool = field(default=False, metadata=DERIVED)

    @property
    def first_language(self) -> Language:
        """The language that everything exists in, and that missing translations fall back to."""
        return self.languages[0]

    def url(self, path: str) -> str:
        """An absolute address below the base: ``url('/en/')``."""
        return self.base_url.rstrip("/") + path


def article_path(language: Language, slug: str) -> str:
    """The archive address of an article: /en/articles/slug/ (published addresses answer for ever)."""
    return f"/{language}/articles/{slug}/"


def report_path(language: Language, month: Month) -> str:
    """The archive address of a monthly report: /en/reports/2026-10/."""
    return f"/{language}/reports/{month}/"


def subscribe_path(language: Language) -> str:
    """Where people ask for the report: /en/subscribe/. The application answers, not the archive."""
    return f"/{language}/subscribe/"


def preferences_path(language: Language) -> str:
    """Where people ask for the link to their preferences: /en/preferences/. The application answers."""
    return f"/{language}/preferences/"


def theme_path(language: Language, theme: str) -> str:
    """The archive address of a theme: /en/themes/phishing/."""
    return f"/{language}/themes/{theme}/"


def year_path(language: Language, year: int) -> str:
    """The archive address of a year: /en/2026/."""
    return f"/{language}/{year}/"
