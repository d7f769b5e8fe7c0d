"""The ledger: one row for each letter, and what became of it.

pending -> intent -> accepted | refused | deferred (and again), besides held (a person decides) and dropped. Every
change asks for the state that it starts from, so that what was accepted is never begun again.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, exists, func, insert, select, tuple_, update

from newsletter.model import DeliveryRecord, DeliveryState, Letter, MailingId, SubscriberId
from newsletter.store.subscribers import as_subscriber
from newsletter.store.tables import OPEN, POSTGRESQL, SQLITE, TO_STORED, UNSURE, subscriber
from newsletter.store.tables import delivery as table
from newsletter.store.tables import signature as signatures

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

    from newsletter.model import Mark

BATCH: Final = 200
MAX_SHOWN: Final = 1_000  # rows that a person is shown at once


# --- what is to do --------------------------------------------------------------------------------------------


def due(
    tx: Connection,
    mailing: MailingId,
    now: datetime,
    limit: int = BATCH,
    *,
    after: tuple[datetime, SubscriberId] | None = None,
) -> tuple[Letter, ...]:
    """At most ``limit`` letters whose time has come, with their subscribers as they are now.

    In the order of (next_attempt, subscriber), those behind ``after``.
    """
    wanted = _letters().where(table.c.mailing_id == mailing, OPEN, table.c.next_attempt <= now)
    if after is not None:
        behind = tuple_(table.c.next_attempt, table.c.subscriber_id)
        wanted = wanted.where(behind > tuple_(bindparam("then", after[0], table.c.next_attempt.type), after[1]))
    ordered = wanted.order_by(table.c.next_attempt, table.c.subscriber_id).limit(limit)
    return tuple(_as_letter(row) for row in tx.execute(ordered))


def count_due(tx: Connection, mailing: MailingId, now: datetime) -> int:
    """How many letters could be sent now."""
    wanted = select(func.count()).select_from(table)
    return tx.scalar(wanted.where(table.c.mailing_id == mailing, OPEN, table.c.next_attempt <= now)) or 0


class Reader(NamedTuple):
    """What decides at the last moment whether a letter may leave, and to whom; ``released_to`` was true at release."""

    state: str
    mailbox: str
    language: str
    audience: str
    format: str
    released_to: str


def may_leave_now(
    tx: Connection, mailing: MailingId, subscribers: Collection[SubscriberId]
) -> dict[SubscriberId, Reader]:
    """The readers of those of these letters that are still to be sent, of a mailing that is neither paused nor over.

    Nobody else changes them while ``tx`` lasts.
    """
    lock = " FOR UPDATE OF d, s" if tx.dialect.name == POSTGRESQL else ""
    rows = _quickly(tx, _MAY_LEAVE.format(numbers=_list(subscribers), lock=lock), (mailing, *subscribers))
    return {SubscriberId(number): Reader(*reader) for number, *reader in rows}


def tally(tx: Connection, mailing: MailingId) -> dict[DeliveryState, int]:
    """How many deliveries are in each state; every state is named."""
    wanted = select(table.c.state, func.count()).where(table.c.mailing_id == mailing).group_by(table.c.state)
    found: dict[str, int] = dict(tx.execute(wanted).all())
    return {state: found.get(state.value, 0) for state in DeliveryState}


# --- the protocol ---------------------------------------------------------------------------------------------


def intend(tx: Connection, mailing: MailingId, subscribers: Collection[SubscriberId], now: datetime) -> None:
    """From the end of ``tx`` on nobody may think that these letters have not left."""
    if subscribers:
        sql = _INTEND.format(numbers=_list(subscribers))
        _quickly(tx, sql, (_stored(tx, now), mailing, *subscribers))


def mark(tx: Connection, mailing: MailingId, marks: Iterable[Mark], now: datetime) -> None:
    """What became of letters.

    ``accepted`` is kept whatever an operator decided meanwhile: the relay has it. Everything else only changes letters
    that are still open or under way.
    """
    kinds: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    moment = _stored(tx, now)
    for one in marks:
        values: list[Any] = [one.state.value, moment, one.reason]
        columns = "state = ?, changed = ?, reason = ?"
        if one.tried:
            columns += ", attempts = attempts + 1, reply = ?"
            values.append(one.reply)
        if one.next_attempt is not None:
            columns += ", next_attempt = ?"
            values.append(_stored(tx, one.next_attempt))
        condition = "state <> 'accepted'" if one.state is DeliveryState.ACCEPTED else NOT_OVER
        if one.next_attempt is not None and not one.tried:
            condition = IS_OPEN  # a postponement: if it is under way by now, somebody else sends it
        kinds[_MARK.format(columns=columns, condition=condition)].append((*values, mailing, one.subscriber))
    for sql, rows in kinds.items():
        _quickly(tx, sql, rows)


def take_back(
    tx: Connection, mailing: MailingId, subscribers: Collection[SubscriberId], again: datetime, now: datetime
) -> None:
    """Letters that the relay refused are deferred after all."""
    theirs = table.c.subscriber_id.in_(subscribers)
    refused = update(table).where(table.c.mailing_id == mailing, theirs, table.c.state == DeliveryState.REFUSED)
    tx.execute(refused.values(state=DeliveryState.DEFERRED, next_attempt=again, changed=now))


def hasten(tx: Connection, mailing: MailingId, now: datetime, latest: datetime) -> int:
    """Letters that would wait beyond ``latest`` are due now; returns how many."""
    late = update(table).where(table.c.mailing_id == mailing, OPEN, table.c.next_attempt > latest)
    return tx.execute(late.values(next_attempt=now)).rowcount


def record(tx: Connection, mailing: MailingId, subscriber: SubscriberId) -> DeliveryRecord | None:
    """The row of one letter."""
    row = tx.execute(select(table).where(table.c.mailing_id == mailing, table.c.subscriber_id == subscriber)).first()
    return _as_record(row) if row else None


def records_of(tx: Connection, person: SubscriberId) -> tuple[DeliveryRecord, ...]:
    """Every letter of one subscriber, oldest mailing first."""
    wanted = select(table).where(table.c.subscriber_id == person).order_by(table.c.mailing_id)
    return tuple(_as_record(row) for row in tx.execute(wanted))


def forget_replies(tx: Connection, person: SubscriberId) -> None:
    """Wipe what relays answered about somebody's letters, and the signatures over them: both name the address."""
    tx.execute(update(table).where(table.c.subscriber_id == person).values(reply=""))
    tx.execute(delete(signatures).where(signatures.c.subscriber_id == person))


def unsure(tx: Connection, mailing: MailingId, limit: int | None = MAX_SHOWN) -> tuple[DeliveryRecord, ...]:
    """Letters of which nobody knows whether the relay has them: under way or left by a crash, and held ones."""
    wanted = select(table).where(table.c.mailing_id == mailing, UNSURE).order_by(table.c.subscriber_id)
    return tuple(_as_record(row) for row in tx.execute(wanted.limit(limit)))


def intents(tx: Connection, mailing: MailingId) -> tuple[Letter, ...]:
    """Letters whose text may have left. While nobody holds the delivery lock they are what a crash left behind."""
    rows = tx.execute(_letters().where(table.c.mailing_id == mailing, UNSURE, table.c.state == DeliveryState.INTENT))
    return tuple(_as_letter(row) for row in rows)


def used_by_domain(tx: Connection, now: datetime) -> dict[str, tuple[int, int]]:
    """How many letters left for each domain within the last hour and the last day, whatever their mailing."""
    hour, day = now - timedelta(hours=1), now - timedelta(days=1)
    wanted = (
        select(subscriber.c.mailbox_key, table.c.changed)
        .join(table, table.c.subscriber_id == subscriber.c.id)
        .where(table.c.attempts > 0, table.c.changed >= day)
    )
    used: dict[str, tuple[int, int]] = {}
    for key, changed in tx.execute(wanted.execution_options(yield_per=BATCH)):
        domain = key.rpartition("@")[2]
        in_hour, in_day = used.get(domain, (0, 0))
        used[domain] = (in_hour + (changed >= hour), in_day + 1)
    return used


# --- signatures made ahead ------------------------------------------------------------------------------------


def keep_signatures(
    tx: Connection, mailing: MailingId, made: Iterable[tuple[SubscriberId, bytes, bytes, bytes]]
) -> None:
    """Keep (subscriber, seal, dkim, smime) of each; what was kept for the same letter before is replaced."""
    rows = [
        {"mailing_id": mailing, "subscriber_id": number, "seal": seal, "dkim": dkim, "smime": smime}
        for number, seal, dkim, smime in made
    ]
    if not rows:
        return
    numbers = [row["subscriber_id"] for row in rows]
    ours = signatures.c.mailing_id == mailing
    tx.execute(signatures.delete().where(ours, signatures.c.subscriber_id.in_(numbers)))
    tx.execute(insert(signatures), rows)


def kept_signatures(
    tx: Connection, mailing: MailingId, subscribers: Collection[SubscriberId]
) -> dict[SubscriberId, tuple[bytes, bytes, bytes]]:
    """(seal, dkim, smime) of those letters that were signed ahead."""
    rows = _quickly(tx, _KEPT.format(numbers=_list(subscribers)), (mailing, *subscribers)) if subscribers else ()
    return {SubscriberId(number): (bytes(seal), bytes(dkim), bytes(smime)) for number, seal, dkim, smime in rows}


def count_unsigned(tx: Connection, mailing: MailingId, now: datetime) -> int:
    """How many of the letters that are due now have no signature that was made ahead."""
    is_signed = exists().where(
        signatures.c.mailing_id == table.c.mailing_id, signatures.c.subscriber_id == table.c.subscriber_id
    )
    wanted = select(func.count()).select_from(table)
    return tx.scalar(wanted.where(table.c.mailing_id == mailing, OPEN, table.c.next_attempt <= now, ~is_signed)) or 0


def forget_signatures(tx: Connection, mailing: MailingId) -> int:
    """Once everything is sent they are of no more use; returns how many there were."""
    return tx.execute(signatures.delete().where(signatures.c.mailing_id == mailing)).rowcount


# --- how ------------------------------------------------------------------------------------------------------

# These run for every few letters, thousands of times a minute, so they go straight to the driver: SQLAlchemy's
# ceremony costs five times what the database needs for them. Nothing but question marks is ever put into them.
_MAY_LEAVE: Final = """
    SELECT d.subscriber_id, s.state, s.mailbox, s.language, s.audience, s.format, d.audience
    FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id JOIN mailing m ON m.id = d.mailing_id
    WHERE d.mailing_id = ? AND d.subscriber_id IN ({numbers}) AND d.state IN ('pending', 'deferred')
      AND m.state = 'released' AND m.paused IS NULL{lock}"""
_INTEND: Final = """
    UPDATE delivery SET state = 'intent', changed = ?, reason = ''
    WHERE mailing_id = ? AND subscriber_id IN ({numbers}) AND state IN ('pending', 'deferred')"""
_MARK: Final = "UPDATE delivery SET {columns} WHERE mailing_id = ? AND subscriber_id = ? AND {condition}"
_KEPT: Final = """
    SELECT subscriber_id, seal, dkim, smime FROM signature WHERE mailing_id = ? AND subscriber_id IN ({numbers})"""
IS_OPEN: Final = "state IN ('pending', 'deferred')"
NOT_OVER: Final = "state IN ('pending', 'deferred', 'intent', 'held')"


def _quickly(tx: Connection, sql: str, values: tuple[Any, ...] | list[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """Run a text with question marks in the driver's own words; a list of rows runs it for each of them."""
    cursor: Any = tx.connection.cursor()
    run = cursor.executemany if isinstance(values, list) else cursor.execute
    run(sql if tx.dialect.name == SQLITE else sql.replace("?", "%s"), values)
    return cursor  # type: ignore[no-any-return]  # both drivers' cursors give rows as tuples


def _list(numbers: Collection[SubscriberId]) -> str:
    return ", ".join("?" * len(numbers))


def _stored(tx: Connection, moment: datetime) -> Any:
    """As the column type ``Utc`` keeps it."""
    return TO_STORED[tx.dialect.name](moment)


def _letters() -> Select[Any]:
    """Deliveries joined with their subscribers, whose columns keep their names."""
    ours = (table.c.mailing_id, table.c.attempts, table.c.audience.label("released_to"), table.c.next_attempt)
    return select(subscriber, *ours).join(table, table.c.subscriber_id == subscriber.c.id)


def _as_letter(row: Row[Any]) -> Letter:
    return Letter(
        mailing=MailingId(row.mailing_id),
        subscriber=as_subscriber(row),
        attempts=row.attempts,
        audience=row.released_to,
        next_attempt=row.next_attempt,
    )


def _as_record(row: Row[Any]) -> DeliveryRecord:
    return DeliveryRecord(
        mailing=MailingId(row.mailing_id),
        subscriber=SubscriberId(row.subscriber_id),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        changed=row.changed,
        reply=row.reply,
        reason=row.reason,
    )
