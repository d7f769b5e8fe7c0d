"""Token buckets that survive a restart and hold over every process: one row and one statement for each take.

A bucket holds at most ``size`` tokens and gains ``size`` in ``seconds``; who finds less than one in it has to wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Float, bindparam, delete, func, select

from newsletter.store.rows import insert_for
from newsletter.store.tables import POSTGRESQL
from newsletter.store.tables import bucket as table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection
    from sqlalchemy.dialects import postgresql, sqlite


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``size`` at once, and in the long run ``size`` in every ``seconds``."""

    size: float
    seconds: float


def take(tx: Connection, key: str, limit: Limit, now: datetime) -> float:
    """Take one token; 0.0 when there was one, else the seconds until there is, and then nothing is taken.

    Two that take at once never get the same token: the row is locked by the statement (PostgreSQL), or the database
    (SQLite).
    """
    at, rate = now.timestamp(), limit.size / limit.seconds
    values = {"key": key, "size": limit.size, "rate": rate, "at": at, "first": limit.size - 1, "full_at": at + 1 / rate}
    if tx.execute(_take(tx.dialect.name), values).rowcount == 1:
        return 0.0
    tokens, since = tx.execute(select(table.c.tokens, table.c.at).where(table.c.key == key)).one()
    wait: float = (1 - tokens) / rate - max(0.0, at - since)
    return max(1.0, wait)


def empty(tx: Connection, keys: Iterable[str], limit: Limit, now: datetime) -> set[str]:
    """Which of these have no token now; nothing is taken."""
    at, rate = now.timestamp(), limit.size / limit.seconds
    rows = tx.execute(select(table.c.key, table.c.tokens, table.c.at).where(table.c.key.in_(list(keys))))
    return {row.key for row in rows if row.tokens + max(at - row.at, 0.0) * rate < 1}


@cache
def _take(dialect: str) -> postgresql.Insert | sqlite.Insert:
    """The statement, made once: making it costs more than doing it."""
    greatest, least = (func.greatest, func.least) if dialect == POSTGRESQL else (func.max, func.min)
    size, rate, at = (bindparam(name, type_=Float) for name in ("size", "rate", "at"))
    # A clock that was set back gives nothing and takes nothing.
    full = least(table.c.tokens + greatest(at - table.c.at, 0.0) * rate, size)
    left = full - 1
    row = insert_for(dialect, table).values(
        key=bindparam("key"), tokens=bindparam("first"), at=at, full_at=bindparam("full_at")
    )
    return row.on_conflict_do_update(
        index_elements=["key"],
        set_={"tokens": left, "at": greatest(table.c.at, at), "full_at": at + (size - left) / rate},
        where=full >= 1,
    )


def take_slot(tx: Connection, key: str, slots: int, seconds: float, now: datetime) -> bool:
    """Take one of ``slots``, each free again after ``seconds``: at most so many in any time of that length.

    Stricter than a bucket of that size, which would give as many again while it refills.
    """
    return any(take(tx, f"{key}/{slot}", Limit(1, seconds), now) == 0.0 for slot in range(slots))


def forget(tx: Connection, now: datetime) -> int:
    """Delete the buckets that are full again; returns how many."""
    return tx.execute(delete(table).where(table.c.full_at <= now.timestamp())).rowcount
