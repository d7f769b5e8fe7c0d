"""Whom nobody may write to, and who wanted to be forgotten.

An address whose ``shown`` is empty was erased, whatever its reason is: so nobody forgets that when it is suppressed
besides, and not any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, delete, func, select, update

from newsletter.model import Suppressed, Suppression
from newsletter.store.database import lock_number
from newsletter.store.rows import insert
from newsletter.store.tables import POSTGRESQL
from newsletter.store.tables import suppression as table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, Row

BATCH: Final = 1_000
DOOR: Final = "door"


def hold_open(tx: Connection) -> None:
    """Nobody is suppressed or forgotten until ``tx`` ends, so that whoever it lets in is none of those.

    To be called before anything else is asked, on PostgreSQL; SQLite knows one writer at a time anyway.
    """
    if tx.dialect.name == POSTGRESQL:
        tx.execute(select(func.pg_advisory_xact_lock_shared(lock_number(DOOR))))


def close(tx: Connection) -> None:
    """Nobody is let in until ``tx`` ends, and whoever is being let in has come by now. To be called first as well."""
    if tx.dialect.name == POSTGRESQL:
        tx.execute(select(func.pg_advisory_xact_lock(lock_number(DOOR))))


def add(tx: Connection, suppression: Suppression) -> None:
    """Keep one; a second one for the same key takes its place, but "erased" never takes the place of another."""
    row = insert(tx, table).values(
        key=suppression.key,
        reason=suppression.reason,
        since=suppression.since,
        shown=suppression.shown,
        note=suppression.note,
    )
    if suppression.reason is Suppressed.ERASED:
        # Whoever was suppressed and then erased stays suppressed, but what told us who it is goes.
        tx.execute(row.on_conflict_do_update(index_elements=["key"], set_={"shown": "", "note": ""}))
        return
    changed: dict[str, Any] = {name: row.excluded[name] for name in ("reason", "since", "note")}
    changed["shown"] = case((table.c.shown == "", ""), else_=row.excluded.shown)
    tx.execute(row.on_conflict_do_update(index_elements=["key"], set_=changed))


def lift(tx: Connection, key: str, reasons: Collection[Suppressed] = tuple(Suppressed)) -> bool:
    """Take one away, if it is there for one of these reasons; True when it was."""
    return tx.execute(delete(table).where(table.c.key == key, table.c.reason.in_(reasons))).rowcount == 1


def allow(tx: Connection, key: str) -> bool:
    """Let it be written to again; True when it was suppressed. Who was erased is so still."""
    ours = (table.c.key == key, table.c.reason != Suppressed.ERASED)
    erased = update(table).where(*ours, table.c.shown == "").values(reason=Suppressed.ERASED, note="")
    return bool(tx.execute(erased).rowcount or tx.execute(delete(table).where(*ours)).rowcount)


def find(tx: Connection, keys: Collection[str]) -> dict[str, Suppression]:
    """Those of these keys that are suppressed."""
    return {row.key: _as_suppression(row) for row in tx.execute(select(table).where(table.c.key.in_(keys)))}


def every(tx: Connection) -> Iterator[Suppression]:
    """All of them, oldest first."""
    wanted = select(table).order_by(table.c.since, table.c.key)
    # On the statement: a connection would keep the option for what else is done in the transaction.
    for row in tx.execute(wanted.execution_options(yield_per=BATCH)):
        yield _as_suppression(row)


def _as_suppression(row: Row[Any]) -> Suppression:
    return Suppression(key=row.key, reason=Suppressed(row.reason), since=row.since, shown=row.shown, note=row.note)
