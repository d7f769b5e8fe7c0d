"""Whom nobody may write to, and who wanted to be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from newsletter.model import Suppressed, Suppression
from newsletter.store.rows import insert
from newsletter.store.tables import suppression as table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, Row


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
    changed = {name: row.excluded[name] for name in ("reason", "since", "shown", "note")}
    tx.execute(row.on_conflict_do_update(index_elements=["key"], set_=changed))


def lift(tx: Connection, key: str, reasons: Collection[Suppressed] = tuple(Suppressed)) -> bool:
    """Take one away, if it is there for one of these reasons; True when it was."""
    return tx.execute(delete(table).where(table.c.key == key, table.c.reason.in_(reasons))).rowcount == 1


def find(tx: Connection, keys: Collection[str]) -> dict[str, Suppression]:
    """Those of these keys that are suppressed."""
    return {row.key: _as_suppression(row) for row in tx.execute(select(table).where(table.c.key.in_(keys)))}


def every(tx: Connection) -> Iterator[Suppression]:
    """All of them, oldest first."""
    for row in tx.execute(select(table).order_by(table.c.since, table.c.key)):
        yield _as_suppression(row)


def _as_suppression(row: Row[Any]) -> Suppression:
    return Suppression(key=row.key, reason=Suppressed(row.reason), since=row.since, shown=row.shown, note=row.note)
