"""Rights that a token gives: kept as hashes, single use, each with its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, or_, select, update

from newsletter.model import Grant, Purpose, SubscriberId
from newsletter.store.rows import insert
from newsletter.store.subscribers import mailbox_key
from newsletter.store.tables import granted as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row


def add(tx: Connection, grant: Grant) -> None:
    """Keep a new right."""
    tx.execute(
        insert(tx, table).values(
            digest=grant.digest,
            purpose=grant.purpose,
            subscriber_id=grant.subscriber,
            about=grant.about,
            facts=json.dumps(grant.facts, sort_keys=True),
            created=grant.created,
            expires=grant.expires,
            used=grant.used,
        )
    )


def get(tx: Connection, digest: str) -> Grant | None:
    """The right with this hash, used or not, expired or not."""
    row = tx.execute(select(table).where(table.c.digest == digest)).first()
    return _as_grant(row) if row else None


def use(tx: Connection, digest: str, now: datetime) -> bool:
    """Use it up; True for the one call that did, False when it was used or is over."""
    fresh = update(table).where(table.c.digest == digest, table.c.used.is_(None), table.c.expires > now)
    return tx.execute(fresh.values(used=now)).rowcount == 1


def of(tx: Connection, subscriber: SubscriberId, purposes: tuple[Purpose, ...], now: datetime) -> tuple[Grant, ...]:
    """Those of a subscriber for these purposes that are not over, oldest first."""
    wanted = select(table).where(
        table.c.subscriber_id == subscriber, table.c.purpose.in_(purposes), table.c.expires > now
    )
    return tuple(_as_grant(row) for row in tx.execute(wanted.order_by(table.c.created, table.c.digest)))


def open_of(tx: Connection, subscriber: SubscriberId, now: datetime) -> tuple[Grant, ...]:
    """Every right of a subscriber that can still be used, oldest first."""
    wanted = select(table).where(table.c.subscriber_id == subscriber, table.c.expires > now, table.c.used.is_(None))
    return tuple(_as_grant(row) for row in tx.execute(wanted.order_by(table.c.created, table.c.digest)))


def hold(tx: Connection, subject: str) -> tuple[Grant, ...]:
    """All that hang on the same thing; until the end of the transaction nobody else uses them."""
    wanted = select(table).where(table.c.about == subject).order_by(table.c.digest).with_for_update()
    return tuple(_as_grant(row) for row in tx.execute(wanted))


def void(tx: Connection, *, subscriber: SubscriberId | None, subject: str, but: tuple[Purpose, ...] = ()) -> int:
    """Take back every right of a subscriber and every one that hangs on ``subject``; returns how many.

    One of the two has to be named.
    """
    theirs = [table.c.subscriber_id == subscriber] if subscriber is not None else []
    theirs += [table.c.about == subject] if subject else []
    return tx.execute(delete(table).where(or_(*theirs), table.c.purpose.not_in(but))).rowcount


def void_purposes(tx: Connection, subscriber: SubscriberId, purposes: tuple[Purpose, ...]) -> None:
    """Take back a subscriber's rights of these purposes."""
    tx.execute(delete(table).where(table.c.subscriber_id == subscriber, table.c.purpose.in_(purposes)))


def void_moves_to(tx: Connection, mailbox: str) -> int:
    """Take back what could move a subscription to this mailbox, which it names; returns how many.

    They live a day, so they are few.
    """
    moves = select(table).where(table.c.purpose.in_((Purpose.MOVE_OLD, Purpose.MOVE_NEW)))
    every = [_as_grant(row) for row in tx.execute(moves)]
    theirs = [grant for grant in every if mailbox_key(grant.facts["mailbox"]) == mailbox_key(mailbox)]
    for grant in theirs:
        end(tx, grant.digest)
    return len(theirs)


def end(tx: Connection, digest: str) -> None:
    """Take this one back."""
    tx.execute(delete(table).where(table.c.digest == digest))


def forget(tx: Connection, before: datetime) -> int:
    """Delete what was over before that moment; returns how many."""
    return tx.execute(delete(table).where(table.c.expires <= before)).rowcount


def _as_grant(row: Row[Any]) -> Grant:
    return Grant(
        digest=row.digest,
        purpose=Purpose(row.purpose),
        created=row.created,
        expires=row.expires,
        subscriber=None if row.subscriber_id is None else SubscriberId(row.subscriber_id),
        about=row.about,
        facts=json.loads(row.facts),
        used=row.used,
    )
