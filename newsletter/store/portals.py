"""Portals of organisations, each known by the hash of its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from newsletter.model import Portal, Scope
from newsletter.store.rows import insert
from newsletter.store.tables import portal as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row


def add(tx: Connection, portal: Portal, digest: str) -> bool:
    """Keep a new one; False, and nothing changed, when the name was ever used."""
    row = insert(tx, table).values(
        digest=digest,
        name=portal.name,
        scopes=",".join(portal.scopes),
        created=portal.created,
        revoked=portal.revoked,
    )
    return tx.execute(row.on_conflict_do_nothing(index_elements=["name"])).rowcount == 1


def find(tx: Connection, digest: str) -> Portal | None:
    """The portal whose token has this hash, revoked or not."""
    row = tx.execute(select(table).where(table.c.digest == digest)).first()
    return _as_portal(row) if row else None


def every(tx: Connection) -> tuple[Portal, ...]:
    """All of them, the revoked ones too, by name."""
    return tuple(_as_portal(row) for row in tx.execute(select(table).order_by(table.c.name)))


def revoke(tx: Connection, name: str, now: datetime) -> bool:
    """Let its token count no more; False when there is none of that name, or it is revoked already."""
    good = update(table).where(table.c.name == name, table.c.revoked.is_(None))
    return tx.execute(good.values(revoked=now)).rowcount == 1


def _as_portal(row: Row[Any]) -> Portal:
    scopes = tuple(Scope(scope) for scope in row.scopes.split(","))
    return Portal(name=row.name, scopes=scopes, created=row.created, revoked=row.revoked)
