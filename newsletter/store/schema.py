"""The schema's version: which one the database has, and which one this program needs.

Alembic is not imported here: it costs as much start-up time as SQLAlchemy, and only an upgrade needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import column, inspect, select, table

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Every revision in ``migrations/versions``, oldest first; a test compares the two.
REVISIONS: Final = ("0001", "0002", "0003", "0004")
NEWEST: Final = REVISIONS[-1]

# Alembic's own table.
VERSION: Final = table("alembic_version", column("version_num"))


def current(connection: Connection) -> str | None:
    """The revision of the database; None when it has no tables yet."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    found: str | None = connection.scalar(select(VERSION.c.version_num))
    return found
