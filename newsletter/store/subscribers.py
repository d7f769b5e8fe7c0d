"""Who is on the list, and the evidence that they agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from newsletter.model import Address, Consent, Format, Language, Subscriber, SubscriberId, SubscriberState
from newsletter.store.rows import insert
from newsletter.store.tables import consent as consent_table
from newsletter.store.tables import subscriber as table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Row

BATCH: Final = 1_000


def mailbox_key(mailbox: str) -> str:
    """What is the same in two addresses of one person, who writes capitals today and none tomorrow.

    RFC 5321 2.4 lets a host tell them apart before the @, so letters go to the mailbox as it was given.
    """
    return mailbox.lower()


def add(tx: Connection, subscriber: Subscriber, consent: Consent) -> bool:
    """Put somebody on the list together with the evidence; False, and nothing changed, when the mailbox is there."""
    done = tx.execute(
        insert(tx, table)
        .values(
            id=subscriber.id,
            mailbox=subscriber.address.mailbox,
            mailbox_key=mailbox_key(subscriber.address.mailbox),
            typed=subscriber.address.typed,
            language=subscriber.language,
            audience=subscriber.audience,
            format=subscriber.format,
            state=subscriber.state,
            created=consent.at,
            changed=consent.at,
        )
        .on_conflict_do_nothing(index_elements=["mailbox_key"])
    )
    if not done.rowcount:
        return False
    record_consent(tx, subscriber.id, consent)
    return True


def record_consent(tx: Connection, subscriber: SubscriberId, consent: Consent) -> None:
    """Keep further evidence, as when somebody who had left comes back."""
    tx.execute(
        insert(tx, consent_table).values(subscriber_id=subscriber, at=consent.at, how=consent.how, note=consent.note)
    )


def consents(tx: Connection, subscriber: SubscriberId) -> tuple[Consent, ...]:
    """The evidence for one subscriber, oldest first."""
    wanted = select(consent_table).where(consent_table.c.subscriber_id == subscriber)
    rows = tx.execute(wanted.order_by(consent_table.c.at, consent_table.c.id))
    return tuple(Consent(at=row.at, how=row.how, note=row.note) for row in rows)


def get(tx: Connection, subscriber: SubscriberId) -> Subscriber | None:
    """The subscriber with this number."""
    row = tx.execute(select(table).where(table.c.id == subscriber)).first()
    return as_subscriber(row) if row else None


def find(tx: Connection, mailbox: str) -> Subscriber | None:
    """The subscriber with this mailbox, whatever its capitals."""
    row = tx.execute(select(table).where(table.c.mailbox_key == mailbox_key(mailbox))).first()
    return as_subscriber(row) if row else None


def every(tx: Connection, *, after: SubscriberId | None = None, limit: int = BATCH) -> tuple[Subscriber, ...]:
    """At most ``limit`` subscribers in the order of their numbers, those behind ``after``."""
    wanted = select(table).order_by(table.c.id).limit(limit)
    if after is not None:
        wanted = wanted.where(table.c.id > after)
    return tuple(as_subscriber(row) for row in tx.execute(wanted))


def iterate(tx: Connection) -> Iterator[Subscriber]:
    """Every subscriber, without ever holding all of them in memory."""
    batch = every(tx)
    while batch:
        yield from batch
        batch = every(tx, after=batch[-1].id)


def set_state(tx: Connection, subscriber: SubscriberId, state: SubscriberState, now: datetime) -> bool:
    """Change somebody's state; False when there is no such subscriber."""
    done = tx.execute(update(table).where(table.c.id == subscriber).values(state=state, changed=now))
    return done.rowcount == 1


def unsubscribe(tx: Connection, subscriber: SubscriberId, now: datetime) -> bool:
    """Take somebody off the list, whatever their state; True when this call did it, False when nothing was to do."""
    done = tx.execute(
        update(table)
        .where(table.c.id == subscriber, table.c.state != SubscriberState.UNSUBSCRIBED)
        .values(state=SubscriberState.UNSUBSCRIBED, changed=now)
    )
    return done.rowcount == 1


def count_by_state(tx: Connection) -> dict[SubscriberState, int]:
    """How many there are in each state; every state is named."""
    counted = tx.execute(select(table.c.state, func.count()).group_by(table.c.state))
    found: dict[str, int] = dict(counted.all())
    return {state: found.get(state.value, 0) for state in SubscriberState}


def as_subscriber(row: Row[Any]) -> Subscriber:
    """The noun in a row that holds the table's columns by their names."""
    return Subscriber(
        id=SubscriberId(row.id),
        address=Address(row.mailbox, row.typed),
        language=Language(row.language),
        state=SubscriberState(row.state),
        audience=row.audience,
        format=Format(row.format),
    )
