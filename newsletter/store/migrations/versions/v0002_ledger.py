"""A ledger that says what is about to leave: pausing, letters in the order of their time, signatures made ahead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('pending', 'deferred')")
UNSURE = sa.text("state IN ('intent', 'held')")
RESUME = "UPDATE delivery SET state = 'pending', reason = '' WHERE state = 'held' AND reason = 'paused by an operator'"


def upgrade() -> None:
    """Add what the delivery engine's protocol needs."""
    op.add_column("mailing", sa.Column("paused", sa.DateTime(timezone=True)))
    op.drop_index("ix_delivery_open", "delivery")
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["mailing_id", "next_attempt", "subscriber_id"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_delivery_unsure",
        "delivery",
        ["mailing_id", "subscriber_id"],
        sqlite_where=UNSURE,
        postgresql_where=UNSURE,
    )
    op.create_table(
        "signature",
        sa.Column("mailing_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("dkim", sa.LargeBinary(), nullable=False),
        sa.Column("smime", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name="fk_signature_mailing_id"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name="fk_signature_subscriber_id"),
        sa.PrimaryKeyConstraint("mailing_id", "subscriber_id", name="pk_signature"),
    )
    # Letters that were held by the pause of the first version wait again; the pause itself has to be said anew.
    op.execute(RESUME)
