"""The tables. Rules that must always hold are constraints here, not checks before an insert.

Times are kept as UTC and come back aware. Texts of enumerations are the values of the model's enums. What changes here
needs a migration in ``migrations/versions``; a test compares the two on both databases.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from newsletter.model import (
    Admission,
    DeliveryState,
    Format,
    MailingState,
    Purpose,
    SubscriberState,
    Suppressed,
    Wish,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

POSTGRESQL: Final = "postgresql"
SQLITE: Final = "sqlite"


class Utc(TypeDecorator[datetime]):
    """An aware datetime: TIMESTAMPTZ in PostgreSQL, text that sorts in SQLite. A naive one is our bug: ValueError."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """With a zone where the database knows zones."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == POSTGRESQL))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On its way in: UTC."""
        if value is None:
            return None
        utc = _as_utc(value)
        return utc if dialect.name == POSTGRESQL else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # the interface
        """On its way out: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; the store keeps moments, not wall clocks")
    return moment.astimezone(UTC)


# The same for statements that go past SQLAlchemy's types.
TO_STORED: Final[dict[str, Callable[[datetime], object]]] = {
    SQLITE: lambda moment: f"{_as_utc(moment):%Y-%m-%d %H:%M:%S.%f}",
    POSTGRESQL: _as_utc,
}


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """The database refuses a value that the model does not know."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


# --- people ---------------------------------------------------------------------------------------------------

subscriber: Final = Table(
    "subscriber",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random: it stands in logs and links
    Column("mailbox", Text, nullable=False),
    Column("mailbox_key", Text, nullable=False),  # in lower case: Robin@ and robin@ are one person
    Column("typed", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Utc, nullable=False),
    Column("changed", Utc, nullable=False),
    Column("admission", Text, nullable=False, server_default=Admission.OPEN),
    Column("paused_until", Utc),
    UniqueConstraint("mailbox_key"),
    one_of("format", Format),
    one_of("state", SubscriberState),
    one_of("admission", Admission),
)

consent: Final = Table(
    "consent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("how", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("words", Text, nullable=False, server_default=""),
    Column("form", Text, nullable=False, server_default=""),
)

# What forms asked for and nobody has looked at yet: the answer to a visitor depends on nothing that we know.
signup: Final = Table(
    "signup",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("wish", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("typed", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("how", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("asked", Utc, nullable=False),
    Column("held", Boolean, nullable=False),
    one_of("wish", Wish),
)

# Rights that a mailed link or an open page gives. Of the token only its SHA-256 is here.
granted: Final = Table(
    "granted",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id"), index=True),
    Column("about", Text, nullable=False, index=True),
    Column("facts", Text, nullable=False),  # JSON
    Column("created", Utc, nullable=False),
    Column("expires", Utc, nullable=False, index=True),
    Column("used", Utc),
    one_of("purpose", Purpose),
)

suppression: Final = Table(
    "suppression",
    metadata,
    Column("key", Text, primary_key=True),  # the keyed hash of an address, or "@" and a domain
    Column("reason", Text, nullable=False),
    Column("since", Utc, nullable=False),
    Column("shown", Text, nullable=False),
    Column("note", Text, nullable=False),
    one_of("reason", Suppressed),
)

# Token buckets: how much of a limit is left, as of a moment. Keys hold hashes, never addresses.
bucket: Final = Table(
    "bucket",
    metadata,
    Column("key", Text, primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Float, nullable=False),  # seconds since 1970: the upsert reckons with it on both databases
    Column("full_at", Float, nullable=False, index=True),  # from then on the row says nothing
)

# An organisation's own portal, by the SHA-256 of its token.
portal: Final = Table(
    "portal",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # comma-separated
    Column("created", Utc, nullable=False),
    Column("revoked", Utc),
    UniqueConstraint("name"),
)


# --- what is sent ---------------------------------------------------------------------------------------------

REPORT: Final = "report"
FIRST: Final = 0  # number 0 is the report itself; errata will count from 1

mailing: Final = Table(
    "mailing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("month", Text, nullable=False),
    Column("kind", Text, nullable=False, default=REPORT),
    Column("number", Integer, nullable=False, default=FIRST),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Utc, nullable=False),
    Column("changed", Utc, nullable=False),
    Column("approved_by", Text),
    Column("approved", Utc),
    Column("released", Utc),
    Column("paused", Utc),  # since when an operator lets nothing of it leave
    Column("entries", Text, nullable=False),  # JSON: [[source, guid], ...] that this edition prints
    Column("failures", Text, nullable=False),  # JSON: ["source: reason", ...] shown on the draft
    Column("forced", Text),  # JSON: who let it pass the preflight, why, and what was found
    UniqueConstraint("month", "kind", "number"),  # one report a month, whoever tries, however often
    one_of("state", MailingState),
)

variant: Final = Table(
    "variant",
    metadata,
    Column("mailing_id", ForeignKey("mailing.id"), primary_key=True),
    Column("audience", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("tlp", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("report", Text, nullable=False),  # JSON, as the caller made it
)

# Literal values, the same in index and queries: only then does SQLite use a partial index.
OPEN_INDEX: Final = text("state IN ('pending', 'deferred')")
OPEN: Final = text("delivery.state IN ('pending', 'deferred')")
UNSURE_INDEX: Final = text("state IN ('intent', 'held')")
UNSURE: Final = text("delivery.state IN ('intent', 'held')")

delivery: Final = Table(
    "delivery",
    metadata,
    Column("mailing_id", ForeignKey("mailing.id"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), primary_key=True),  # nobody twice
    Column("audience", Text, nullable=False),  # the subscriber's at release
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Utc, nullable=False),
    Column("changed", Utc, nullable=False),
    Column("reply", Text, nullable=False),
    Column("reason", Text, nullable=False),
    one_of("state", DeliveryState),
    # What is due, and what nobody knows, is found in the same time at the first and at the last letter of a million.
    Index("ix_delivery_due", "mailing_id", "next_attempt", "subscriber_id", sqlite_where=OPEN_INDEX,
          postgresql_where=OPEN_INDEX),
    Index("ix_delivery_unsure", "mailing_id", "subscriber_id", sqlite_where=UNSURE_INDEX,
          postgresql_where=UNSURE_INDEX),
)  # fmt: skip

# Signatures that were made ahead of sending. ``seal`` is a digest of what was signed: another address, another letter
# (and after a change of address it is signed again).
signature: Final = Table(
    "signature",
    metadata,
    Column("mailing_id", ForeignKey("mailing.id"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), primary_key=True),
    Column("seal", LargeBinary, nullable=False),
    Column("dkim", LargeBinary, nullable=False),  # header lines
    Column("smime", LargeBinary, nullable=False),  # DER; empty without S/MIME
)


# --- sources --------------------------------------------------------------------------------------------------

feed: Final = Table(
    "feed",
    metadata,
    Column("source", Text, primary_key=True),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("not_before", Utc),
    Column("gone", Boolean, nullable=False, default=False),
    Column("moved_to", Text),
    Column("moved_seen", Integer, nullable=False, default=0),
    Column("url", Text, nullable=False, default=""),
    Column("polled", Utc),
    Column("succeeded", Utc),
    Column("failing_since", Utc),
    Column("failure", Text),
)

feed_entry: Final = Table(
    "feed_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", ForeignKey("feed.source"), nullable=False),
    Column("guid", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("published", Utc),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("language", Text, nullable=False),
    Column("tlp", Text, nullable=False),
    Column("printed_in", Text),
    Index("ix_feed_entry_unprinted", "first_seen", sqlite_where=text("printed_in IS NULL"),
          postgresql_where=text("printed_in IS NULL")),
)  # fmt: skip

# Every guid and every link that an entry ever had leads to it, so that an edited one does not make it new. Keys are
# hashed: a feed's guid can be longer than an index of PostgreSQL takes.
feed_identity: Final = Table(
    "feed_identity",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("entry_id", ForeignKey("feed_entry.id"), nullable=False),
)


# --- the rest -------------------------------------------------------------------------------------------------

notice: Final = Table(
    "notice",
    metadata,
    Column("key", Text, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON
    Column("nonce", Text, nullable=False),
    Column("created", Utc, nullable=False),
    Column("expires", Utc, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Utc, nullable=False),
    Column("changed", Utc, nullable=False),
    Column("reply", Text, nullable=False),
    one_of("state", ("pending", "sent", "failed", "expired")),
)

meta: Final = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed", Utc, nullable=False),
)
