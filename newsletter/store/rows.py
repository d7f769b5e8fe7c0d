"""What SQLAlchemy Core says differently for the two databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from newsletter.store.tables import POSTGRESQL

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table


def insert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``, and counts its rows, on both."""
    return insert_for(tx.dialect.name, table)


def insert_for(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The same for a database's name: for a statement that is made once."""
    statement = postgresql.insert(table) if dialect == POSTGRESQL else sqlite.insert(table)
    return statement.execution_options(preserve_rowcount=True)
