"""What forms asked for, in the order in which it came, until somebody looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, update

from newsletter.model import Address, Format, Language, Signup, Wish
from newsletter.store.rows import insert
from newsletter.store.subscribers import mailbox_key
from newsletter.store.tables import signup as table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Row

IN_LINE: Final = 1_000


def add(tx: Connection, signup: Signup) -> None:
    """Keep one."""
    tx.execute(
        insert(tx, table).values(
            wish=signup.wish,
            mailbox=signup.address.mailbox,
            typed=signup.address.typed,
            language=signup.language,
            format=signup.format,
            audience=signup.audience,
            how=signup.how,
            words=signup.words,
            form=signup.form,
            asked=signup.asked,
            held=signup.held,
        )
    )


def in_line(tx: Connection, *, after: int = 0, limit: int = IN_LINE) -> list[tuple[int, str]]:
    """Number and domain of at most ``limit`` that are not held, oldest first, those behind ``after``.

    No more than that is read, since most of a long line may have to wait on.
    """
    wanted = select(table.c.id, table.c.mailbox).where(table.c.held.is_(False), table.c.id > after)
    rows = tx.execute(wanted.order_by(table.c.id).limit(limit))
    return [(row.id, row.mailbox.rpartition("@")[2]) for row in rows]


def still_there(tx: Connection, numbers: Iterable[int]) -> list[tuple[int, Signup]]:
    """What is left of these; nobody else takes it out, or erases it, before this transaction has ended."""
    wanted = select(table).where(table.c.id.in_(list(numbers))).order_by(table.c.id).with_for_update()
    return [(row.id, _as_signup(row)) for row in tx.execute(wanted)]


def done(tx: Connection, numbers: Iterable[int]) -> None:
    """Take these out."""
    tx.execute(delete(table).where(table.c.id.in_(list(numbers))))


def count(tx: Connection, *, held: bool | None = None) -> int:
    """How many there are, or how many of them are held or not."""
    wanted = select(func.count()).select_from(table)
    return tx.scalar(wanted if held is None else wanted.where(table.c.held.is_(held))) or 0


def first_held(tx: Connection) -> datetime | None:
    """When the oldest of those held was asked for."""
    row = tx.execute(select(table.c.asked).where(table.c.held.is_(True)).order_by(table.c.asked).limit(1)).first()
    return row.asked if row else None


def let_go(tx: Connection) -> int:
    """Hold nothing any more; returns how many."""
    return tx.execute(update(table).where(table.c.held.is_(True)).values(held=False)).rowcount


def drop_held(tx: Connection) -> int:
    """Throw away what is held; returns how many."""
    return tx.execute(delete(table).where(table.c.held.is_(True))).rowcount


def forget(tx: Connection, before: datetime) -> int:
    """Delete what was asked for before that moment; returns how many."""
    return tx.execute(delete(table).where(table.c.asked <= before)).rowcount


def forget_mailbox(tx: Connection, mailbox: str) -> int:
    """Delete what was asked for this mailbox; returns how many."""
    return tx.execute(delete(table).where(func.lower(table.c.mailbox) == mailbox_key(mailbox))).rowcount


def _as_signup(row: Row[Any]) -> Signup:
    return Signup(
        address=Address(row.mailbox, row.typed),
        wish=Wish(row.wish),
        language=Language(row.language),
        asked=row.asked,
        format=Format(row.format),
        audience=row.audience,
        how=row.how,
        words=row.words,
        form=row.form,
        held=row.held,
    )
