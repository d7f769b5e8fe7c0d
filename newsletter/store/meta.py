"""Small facts about the installation: heartbeats, when something was last done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from newsletter.store.rows import insert
from newsletter.store.tables import meta as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


def get(tx: Connection, key: str) -> str | None:
    """What was last put there."""
    value: str | None = tx.scalar(select(table.c.value).where(table.c.key == key))
    return value


def put(tx: Connection, key: str, value: str, now: datetime) -> None:
    """Keep a value in place of the one before."""
    row = insert(tx, table).values(key=key, value=value, changed=now)
    tx.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value, "changed": now}))
