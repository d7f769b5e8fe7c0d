"""The ledger: one row for each letter, and what became of it.

Every change asks for the state that it starts from, so that what was accepted is never begun again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from newsletter.model import DeliveryState, Letter, MailingId
from newsletter.store.subscribers import as_subscriber
from newsletter.store.tables import OPEN, subscriber
from newsletter.store.tables import delivery as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row, Select, TextClause

    from newsletter.model import SubscriberId

BATCH: Final = 100


# --- what is to do --------------------------------------------------------------------------------------------


def due(
    tx: Connection, mailing: MailingId, now: datetime, limit: int = BATCH, *, after: SubscriberId | None = None
) -> tuple[Letter, ...]:
    """At most ``limit`` letters whose time has come, behind ``after``, with their subscribers as they are now."""
    wanted = _letters().where(table.c.mailing_id == mailing, OPEN, table.c.next_attempt <= now)
    if after is not None:
        wanted = wanted.where(table.c.subscriber_id > after)
    return tuple(_as_letter(row) for row in tx.execute(wanted.order_by(table.c.subscriber_id).limit(limit)))


def count_due(tx: Connection, mailing: MailingId, now: datetime) -> int:
    """How many letters could be sent now."""
    wanted = select(func.count()).select_from(table)
    return tx.scalar(wanted.where(table.c.mailing_id == mailing, OPEN, table.c.next_attempt <= now)) or 0


def letter(tx: Connection, mailing: MailingId, subscriber: SubscriberId) -> Letter | None:
    """One letter that is still to be sent, with its subscriber as of now; None when nothing is to be sent."""
    wanted = _letters().where(table.c.mailing_id == mailing, table.c.subscriber_id == subscriber, OPEN)
    row = tx.execute(wanted).first()
    return _as_letter(row) if row else None


def tally(tx: Connection, mailing: MailingId) -> dict[DeliveryState, int]:
    """How many deliveries are in each state; every state is named."""
    wanted = select(table.c.state, func.count()).where(table.c.mailing_id == mailing).group_by(table.c.state)
    found: dict[str, int] = dict(tx.execute(wanted).all())
    return {state: found.get(state.value, 0) for state in DeliveryState}


# --- what became of a letter: each returns False, and changes nothing, when that was decided otherwise meanwhile ---


def accepted(tx: Connection, letter: Letter, reply: str, now: datetime) -> bool:
    """The relay has it, whatever an operator decided while it was on its way: it will never be sent again."""
    here = table.c.state != DeliveryState.ACCEPTED
    return _settle(tx, letter, now, here, state=DeliveryState.ACCEPTED, reply=reply, attempts=table.c.attempts + 1)


def refused(tx: Connection, letter: Letter, reply: str, now: datetime) -> bool:
    """The relay will never take it."""
    return _settle(tx, letter, now, OPEN, state=DeliveryState.REFUSED, reply=reply, attempts=table.c.attempts + 1)


def deferred(tx: Connection, letter: Letter, reply: str, next_attempt: datetime, now: datetime) -> bool:
    """Not now: it is due again at ``next_attempt``."""
    values = {"reply": reply, "attempts": table.c.attempts + 1, "next_attempt": next_attempt}
    return _settle(tx, letter, now, OPEN, state=DeliveryState.DEFERRED, **values)


def held(tx: Connection, letter: Letter, reason: str, now: datetime) -> bool:
    """It waits for a person's decision."""
    return _settle(tx, letter, now, OPEN, state=DeliveryState.HELD, reason=reason)


def dropped(tx: Connection, letter: Letter, reason: str, now: datetime) -> bool:
    """It is not to be sent any more, and why."""
    return _settle(tx, letter, now, OPEN, state=DeliveryState.DROPPED, reason=reason)


# --- how ------------------------------------------------------------------------------------------------------


def _settle(
    tx: Connection, letter: Letter, now: datetime, condition: ColumnElement[bool] | TextClause, **values: Any
) -> bool:
    row = (table.c.mailing_id == letter.mailing) & (table.c.subscriber_id == letter.subscriber.id)
    return tx.execute(update(table).where(row, condition).values(**values, changed=now)).rowcount == 1


def _letters() -> Select[Any]:
    """Deliveries joined with their subscribers, whose columns keep their names."""
    ours = (table.c.mailing_id, table.c.attempts, table.c.audience.label("released_to"))
    return select(subscriber, *ours).join(table, table.c.subscriber_id == subscriber.c.id)


def _as_letter(row: Row[Any]) -> Letter:
    return Letter(
        mailing=MailingId(row.mailing_id),
        subscriber=as_subscriber(row),
        attempts=row.attempts,
        audience=row.released_to,
    )
