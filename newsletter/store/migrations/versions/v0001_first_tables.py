"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table of version 0.1.0."""
    _people()
    _mailings()
    _deliveries()
    _sources()
    _rest()


def _people() -> None:
    op.create_table(
        "subscriber",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("mailbox_key", sa.Text(), nullable=False),
        sa.Column("typed", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", Time, nullable=False),
        sa.Column("changed", Time, nullable=False),
        sa.CheckConstraint("format IN ('html', 'text')", name=op.f("ck_subscriber_format")),
        sa.CheckConstraint(
            "state IN ('pending', 'active', 'paused', 'unsubscribed', 'bouncing')", name=op.f("ck_subscriber_state")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscriber"),
        sa.UniqueConstraint("mailbox_key", name="uq_subscriber_mailbox_key"),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name="fk_consent_subscriber_id"),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
    )
    op.create_index("ix_consent_subscriber_id", "consent", ["subscriber_id"])


def _mailings() -> None:
    op.create_table(
        "mailing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", Time, nullable=False),
        sa.Column("changed", Time, nullable=False),
        sa.Column("approved_by", sa.Text()),
        sa.Column("approved", Time),
        sa.Column("released", Time),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.Column("failures", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('candidate', 'approved', 'releasing', 'released', 'sent', 'cancelled')",
            name=op.f("ck_mailing_state"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_mailing"),
        sa.UniqueConstraint("month", "kind", "number", name="uq_mailing_month_kind_number"),
    )
    op.create_table(
        "variant",
        sa.Column("mailing_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("tlp", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name="fk_variant_mailing_id"),
        sa.PrimaryKeyConstraint("mailing_id", "audience", "language", name="pk_variant"),
    )


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("mailing_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", Time, nullable=False),
        sa.Column("changed", Time, nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'intent', 'accepted', 'refused', 'deferred', 'held', 'dropped')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name="fk_delivery_mailing_id"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name="fk_delivery_subscriber_id"),
        sa.PrimaryKeyConstraint("mailing_id", "subscriber_id", name="pk_delivery"),
    )
    op.create_index(
        "ix_delivery_open",
        "delivery",
        ["mailing_id", "subscriber_id"],
        sqlite_where=sa.text("state IN ('pending', 'deferred')"),
        postgresql_where=sa.text("state IN ('pending', 'deferred')"),
    )


def _sources() -> None:
    op.create_table(
        "feed",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text()),
        sa.Column("last_modified", sa.Text()),
        sa.Column("not_before", Time),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("moved_to", sa.Text()),
        sa.Column("moved_seen", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("polled", Time),
        sa.Column("succeeded", Time),
        sa.Column("failing_since", Time),
        sa.Column("failure", sa.Text()),
        sa.PrimaryKeyConstraint("source", name="pk_feed"),
    )
    op.create_table(
        "feed_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("guid", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("published", Time),
        sa.Column("first_seen", Time, nullable=False),
        sa.Column("last_seen", Time, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("tlp", sa.Text(), nullable=False),
        sa.Column("printed_in", sa.Text()),
        sa.ForeignKeyConstraint(["source"], ["feed.source"], name="fk_feed_entry_source"),
        sa.PrimaryKeyConstraint("id", name="pk_feed_entry"),
    )
    op.create_index(
        "ix_feed_entry_unprinted",
        "feed_entry",
        ["first_seen"],
        sqlite_where=sa.text("printed_in IS NULL"),
        postgresql_where=sa.text("printed_in IS NULL"),
    )
    op.create_table(
        "feed_identity",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["feed_entry.id"], name="fk_feed_identity_entry_id"),
        sa.PrimaryKeyConstraint("source", "key", name="pk_feed_identity"),
    )


def _rest() -> None:
    op.create_table(
        "notice",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created", Time, nullable=False),
        sa.Column("expires", Time, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", Time, nullable=False),
        sa.Column("changed", Time, nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'sent', 'failed', 'expired')", name=op.f("ck_notice_state")),
        sa.PrimaryKeyConstraint("key", name="pk_notice"),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed", Time, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
