"""A mailing that may leave although the preflight found something: who said so, why, and what was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the word of whoever forced it."""
    op.add_column("mailing", sa.Column("forced", sa.Text()))
