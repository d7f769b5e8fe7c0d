"""People join, choose, leave and are forgotten: sign-ups, links that grant, limits, suppressions, richer notices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OLD_STATES = "'pending', 'active', 'paused', 'unsubscribed', 'bouncing'"
NEW_STATES = "'active', 'paused', 'unsubscribed', 'bouncing', 'ended', 'erased'"
UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nobody was ever pending before this version: the state is dropped, and the row of anybody in it with it."""
    _people()
    _asked_for()
    _limits()
    _notices()


def _people() -> None:
    _replace_states()
    op.add_column("subscriber", sa.Column("paused_until", UTC))
    admission = sa.Column("admission", sa.Text(), nullable=False, server_default="open")
    known = "admission IN ('open', 'domain', 'invitation', 'directory')"
    if _is_sqlite():  # it takes a constraint only together with the column
        op.execute(
            f"ALTER TABLE subscriber ADD COLUMN admission TEXT DEFAULT 'open' NOT NULL "
            f"CONSTRAINT ck_subscriber_admission CHECK ({known})"
        )
    else:
        op.add_column("subscriber", admission)
        op.create_check_constraint(op.f("ck_subscriber_admission"), "subscriber", known)
    for name in ("words", "form"):
        op.add_column("consent", sa.Column(name, sa.Text(), nullable=False, server_default=""))


def _replace_states() -> None:
    op.execute("UPDATE subscriber SET state = 'unsubscribed' WHERE state = 'pending'")
    if not _is_sqlite():
        op.drop_constraint(op.f("ck_subscriber_state"), "subscriber")
        op.create_check_constraint(op.f("ck_subscriber_state"), "subscriber", f"state IN ({NEW_STATES})")
        return
    # A table to which others refer cannot be made anew inside a transaction. This is SQLite's own way for a change
    # that touches no row: https://www.sqlite.org/lang_altertable.html, section 7, second procedure.
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'subscriber'",
        (f"state IN ({OLD_STATES})", f"state IN ({NEW_STATES})"),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _asked_for() -> None:
    op.create_table(
        "signup",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("wish", "mailbox", "typed", "language", "format")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("audience", "how", "words", "form")),
        sa.Column("asked", UTC, nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.CheckConstraint("wish IN ('join', 'preferences')", name=op.f("ck_signup_wish")),
        sa.PrimaryKeyConstraint("id", name="pk_signup"),
    )
    op.create_table(
        "granted",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger()),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("created", UTC, nullable=False),
        sa.Column("expires", UTC, nullable=False),
        sa.Column("used", UTC),
        sa.CheckConstraint(
            "purpose IN ('confirm', 'preferences', 'move-old', 'move-new', 'undo', 'export', 'session')",
            name=op.f("ck_granted_purpose"),
        ),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name="fk_granted_subscriber_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_granted"),
    )
    for column in ("subscriber_id", "about", "expires"):
        op.create_index(f"ix_granted_{column}", "granted", [column])
    op.create_table(
        "portal",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("digest", "name", "scopes")),
        sa.Column("created", UTC, nullable=False),
        sa.Column("revoked", UTC),
        sa.PrimaryKeyConstraint("digest", name="pk_portal"),
        sa.UniqueConstraint("name", name="uq_portal_name"),
    )


def _limits() -> None:
    op.create_table(
        "suppression",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", UTC, nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("reason IN ('erased', 'operator', 'complaint')", name=op.f("ck_suppression_reason")),
        sa.PrimaryKeyConstraint("key", name="pk_suppression"),
    )
    op.create_table(
        "bucket",
        sa.Column("key", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("tokens", "at", "full_at")),
        sa.PrimaryKeyConstraint("key", name="pk_bucket"),
    )
    op.create_index("ix_bucket_full_at", "bucket", ["full_at"])


def _notices() -> None:
    """What was rendered before waits as it is: kind ``plain`` prints its facts. Answers of relays named addresses."""
    op.execute("UPDATE notice SET reply = ''")
    op.add_column("notice", sa.Column("kind", sa.Text(), nullable=False, server_default="plain"))
    for name in ("language", "facts", "nonce"):
        op.add_column("notice", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    pair = "json_object('subject', subject, 'text', text)"
    if not _is_sqlite():
        pair = "json_build_object('subject', subject, 'text', text)::text"
    op.execute(f"UPDATE notice SET facts = {pair}")  # noqa: S608 -- one of two texts of ours
    for name in ("subject", "text"):
        op.drop_column("notice", name)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
