"""What SQLAlchemy Core says differently for the two databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from newsletter.store.tables import POSTGRESQL

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table


def insert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``, and counts its rows, on both."""
    statement = postgresql.insert(table) if tx.dialect.name == POSTGRESQL else sqlite.insert(table)
    return statement.execution_options(preserve_rowcount=True)
