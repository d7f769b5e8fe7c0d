"""Who is on the list, and the evidence that they agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, text, update

from newsletter.model import (
    PUBLIC,
    Address,
    Admission,
    Consent,
    Format,
    Language,
    Subscriber,
    SubscriberId,
    SubscriberState,
)
from newsletter.store.rows import insert
from newsletter.store.tables import POSTGRESQL
from newsletter.store.tables import consent as consent_table
from newsletter.store.tables import subscriber as table
from newsletter.store.tables import suppression as suppressions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
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
    row = insert(tx, table).values(_values(subscriber, consent.at))
    done = tx.execute(row.on_conflict_do_nothing(index_elements=["mailbox_key"]))
    if not done.rowcount:
        return False
    record_consent(tx, subscriber.id, consent)
    return True


def add_or_hold(tx: Connection, subscriber: Subscriber, consent: Consent) -> Subscriber | None:
    """``add``; None when that put them on the list, else whoever has the mailbox already, as ``hold`` does."""
    while not add(tx, subscriber, consent):
        if known := hold_by(tx, subscriber.address.mailbox):  # nobody, when its owner moved away this moment
            return known
    return None


def add_all(tx: Connection, people: Sequence[tuple[Subscriber, Consent]]) -> None:
    """Put many on the list at once, none of whom is on it; IntegrityError when one is."""
    if people:
        tx.execute(table.insert(), [_values(person, consent.at) for person, consent in people])
        tx.execute(consent_table.insert(), [_evidence(person.id, consent) for person, consent in people])


def record_consent(tx: Connection, subscriber: SubscriberId, consent: Consent) -> None:
    """Keep further evidence, as when somebody who had left comes back."""
    tx.execute(insert(tx, consent_table).values(_evidence(subscriber, consent)))


def consents(tx: Connection, subscriber: SubscriberId) -> tuple[Consent, ...]:
    """The evidence for one subscriber, oldest first."""
    wanted = select(consent_table).where(consent_table.c.subscriber_id == subscriber)
    rows = tx.execute(wanted.order_by(consent_table.c.at, consent_table.c.id))
    return tuple(Consent(at=row.at, how=row.how, note=row.note, words=row.words, form=row.form) for row in rows)


def get(tx: Connection, subscriber: SubscriberId) -> Subscriber | None:
    """The subscriber with this number."""
    row = tx.execute(select(table).where(table.c.id == subscriber)).first()
    return as_subscriber(row) if row else None


def hold(tx: Connection, subscriber: SubscriberId) -> Subscriber | None:
    """The same, and until the end of the transaction nobody else changes them: for whoever decides by what they see.

    PostgreSQL locks the row; SQLite's write transactions come one after the other anyway.
    """
    row = tx.execute(select(table).where(table.c.id == subscriber).with_for_update()).first()
    return as_subscriber(row) if row else None


def hold_by(tx: Connection, mailbox: str) -> Subscriber | None:
    """``hold`` by the mailbox, whatever its capitals."""
    row = tx.execute(select(table).where(table.c.mailbox_key == mailbox_key(mailbox)).with_for_update()).first()
    return as_subscriber(row) if row else None


def find(tx: Connection, mailbox: str) -> Subscriber | None:
    """The subscriber with this mailbox, whatever its capitals."""
    row = tx.execute(select(table).where(table.c.mailbox_key == mailbox_key(mailbox))).first()
    return as_subscriber(row) if row else None


def find_all(tx: Connection, keys: Collection[str]) -> dict[str, Subscriber]:
    """Who is on the list with one of these mailbox keys, by key."""
    rows = tx.execute(select(table).where(table.c.mailbox_key.in_(keys)))
    return {row.mailbox_key: as_subscriber(row) for row in rows}


def close_to_others(tx: Connection) -> None:
    """Let nobody else add, change or erase anybody until ``tx`` ends; SQLite knows one writer at a time anyway."""
    if tx.dialect.name == POSTGRESQL:
        # In the order in which everybody else takes them.
        tx.execute(text(f"LOCK TABLE {suppressions.name}, {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def since(tx: Connection, subscriber: SubscriberId) -> datetime:
    """When somebody came onto the list first."""
    created: datetime = tx.execute(select(table.c.created).where(table.c.id == subscriber)).scalar_one()
    return created


def every(tx: Connection, *, after: SubscriberId | None = None, limit: int = BATCH) -> tuple[Subscriber, ...]:
    """At most ``limit`` subscribers in the order of their numbers, those behind ``after``; nobody who was erased."""
    wanted = select(table).where(table.c.state != SubscriberState.ERASED).order_by(table.c.id).limit(limit)
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
        .where(table.c.id == subscriber, table.c.state.not_in((SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED)))
        .values(state=SubscriberState.UNSUBSCRIBED, paused_until=None, changed=now)
    )
    return done.rowcount == 1


def change(tx: Connection, subscriber: SubscriberId, now: datetime, **values: Any) -> None:
    """Set columns of somebody's row; IntegrityError when a new mailbox is somebody else's."""
    if address := values.pop("address", None):
        values |= {"mailbox": address.mailbox, "mailbox_key": mailbox_key(address.mailbox), "typed": address.typed}
    tx.execute(update(table).where(table.c.id == subscriber).values(**values, changed=now))


def resume(tx: Connection, now: datetime) -> int:
    """Make active again whose pause is over; returns how many."""
    over = update(table).where(table.c.state == SubscriberState.PAUSED, table.c.paused_until <= now)
    return tx.execute(over.values(state=SubscriberState.ACTIVE, paused_until=None, changed=now)).rowcount


def erase(tx: Connection, subscriber: SubscriberId, now: datetime) -> None:
    """Forget somebody: the evidence, and all of the row but its random number, to which the ledger refers."""
    tx.execute(delete(consent_table).where(consent_table.c.subscriber_id == subscriber))
    blank = {
        "mailbox": "",
        "mailbox_key": f"erased/{subscriber}",  # unique, and no address: it has no @
        "typed": "",
        "language": "",
        "audience": PUBLIC,
        "format": Format.HTML,
        "admission": Admission.OPEN,
        "paused_until": None,
        "state": SubscriberState.ERASED,
        "created": now,
    }
    change(tx, subscriber, now, **blank)


def in_domain(tx: Connection, domain: str) -> tuple[SubscriberId, ...]:
    """Whoever has an address of exactly this domain."""
    theirs = table.c.mailbox_key.endswith(f"@{domain}", autoescape=True)
    return tuple(SubscriberId(number) for number in tx.scalars(select(table.c.id).where(theirs)))


def in_audiences(tx: Connection, admission: Admission) -> tuple[Subscriber, ...]:
    """Whoever was let into an audience that way, in the order of their numbers."""
    rows = tx.execute(select(table).where(table.c.admission == admission).order_by(table.c.id))
    return tuple(as_subscriber(row) for row in rows)


def admitted(tx: Connection, audience: str, admission: Admission) -> Iterator[Subscriber]:
    """Whoever is in an audience that way and gets its letters, or will after a pause; may be changed meanwhile."""
    theirs = (
        table.c.audience == audience,
        table.c.admission == admission,
        table.c.state.in_((SubscriberState.ACTIVE, SubscriberState.PAUSED)),
    )
    after = SubscriberId(-1)
    while True:
        wanted = select(table).where(*theirs, table.c.id > after).order_by(table.c.id).limit(BATCH)
        batch = [as_subscriber(row) for row in tx.execute(wanted)]
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1].id


def count_by_state(tx: Connection) -> dict[SubscriberState, int]:
    """How many there are in each state; every state is named."""
    counted = tx.execute(select(table.c.state, func.count()).group_by(table.c.state))
    found: dict[str, int] = dict(counted.all())
    return {state: found.get(state.value, 0) for state in SubscriberState}


def _values(subscriber: Subscriber, at: datetime) -> dict[str, Any]:
    return {
        "id": subscriber.id,
        "mailbox": subscriber.address.mailbox,
        "mailbox_key": mailbox_key(subscriber.address.mailbox),
        "typed": subscriber.address.typed,
        "language": subscriber.language,
        "audience": subscriber.audience,
        "format": subscriber.format,
        "state": subscriber.state,
        "admission": subscriber.admission,
        "paused_until": subscriber.paused_until,
        "created": at,
        "changed": at,
    }


def _evidence(subscriber: SubscriberId, consent: Consent) -> dict[str, Any]:
    return {
        "subscriber_id": subscriber,
        "at": consent.at,
        "how": consent.how,
        "note": consent.note,
        "words": consent.words,
        "form": consent.form,
    }


def as_subscriber(row: Row[Any]) -> Subscriber:
    """The noun in a row that holds the table's columns by their names."""
    return Subscriber(
        id=SubscriberId(row.id),
        address=Address(row.mailbox, row.typed),
        language=Language(row.language),
        state=SubscriberState(row.state),
        audience=row.audience,
        format=Format(row.format),
        admission=Admission(row.admission),
        paused_until=row.paused_until,
    )
