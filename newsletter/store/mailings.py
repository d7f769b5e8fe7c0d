"""The report of a month on its way: candidate, approved, releasing, released, sent; or cancelled.

Every step is one conditional UPDATE, so that of any number of processes exactly one makes it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, func, literal, select, update

from newsletter.errors import BusyError, ConflictError
from newsletter.model import (
    CompiledVariant,
    DeliveryState,
    Forced,
    Language,
    Mailing,
    MailingId,
    MailingState,
    Month,
    SubscriberState,
    Tlp,
)
from newsletter.store import feeds, subscribers
from newsletter.store.rows import insert
from newsletter.store.tables import FIRST, REPORT, Utc, delivery, subscriber, variant
from newsletter.store.tables import mailing as table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

REPLACEABLE: Final = (MailingState.CANDIDATE, MailingState.APPROVED)
UNFINISHED: Final = (DeliveryState.PENDING, DeliveryState.INTENT, DeliveryState.DEFERRED, DeliveryState.HELD)
OVER: Final = (MailingState.SENT, MailingState.CANCELLED)
CANCELLED: Final = "the mailing was cancelled"
SHOWN_DIGITS: Final = 12


# --- preparing ------------------------------------------------------------------------------------------------


def save_candidate(
    tx: Connection,
    month: Month,
    digest: str,
    variants: Sequence[CompiledVariant],
    *,
    report_json: Mapping[tuple[str, Language], str],
    entry_keys: Sequence[tuple[str, str]],
    failures: Sequence[str],
    now: datetime,
    forced: Forced | None = None,
) -> Mailing:
    """Freeze a candidate of the month.

    The same digest as before changes nothing but the list of failed sources and what was forced; another one replaces
    the candidate and voids its approval.

    Args:
        tx: a write transaction.
        month: the month that it reports on.
        digest: of the edition, over ``variants``.
        variants: the compiled letters, one for each audience and language.
        report_json: the reports behind them, by audience and language, as text that ``reports`` gives back.
        entry_keys: (source, guid) of every feed entry that the edition prints.
        failures: one line for each source that could not be used.
        now: aware.
        forced: what somebody let pass, if the preflight found something that blocks.

    Raises:
        ConflictError: the month is being released, or was, or is cancelled.
    """
    before = _locked(tx, month)
    if before is None:
        before = _begin(tx, month, digest, now)
    elif before.state not in REPLACEABLE:
        raise ConflictError(f"the report of {month} is {before.state} already; it cannot be prepared again")
    elif before.digest == digest:
        same = {"failures": json.dumps(failures), "forced": _forced_text(forced)}
        tx.execute(update(table).where(table.c.id == before.id).values(**same))
        return replace(before, forced=forced)
    values = {"digest": digest, "state": MailingState.CANDIDATE, "approved_by": None, "approved": None}
    lists = {"entries": json.dumps(entry_keys), "failures": json.dumps(failures), "forced": _forced_text(forced)}
    tx.execute(update(table).where(table.c.id == before.id).values(**values, **lists, changed=now))
    tx.execute(delete(variant).where(variant.c.mailing_id == before.id))
    tx.execute(insert(tx, variant), [_variant_row(before.id, item, report_json) for item in variants])
    return _required(tx, month)


def _begin(tx: Connection, month: Month, digest: str, now: datetime) -> Mailing:
    """An empty candidate; where two begin at once, the unique key lets one of them find the other's."""
    values = {"state": MailingState.CANDIDATE, "created": now, "changed": now, "entries": "[]", "failures": "[]"}
    row = insert(tx, table).values(month=str(month), digest=digest, **values)
    done = tx.execute(row.on_conflict_do_nothing(index_elements=["month", "kind", "number"]))
    if not done.rowcount:
        raise BusyError(f"another process is preparing the report of {month}; try again")
    return _required(tx, month)


def force(tx: Connection, mailing: MailingId, forced: Forced) -> None:
    """Note what somebody let pass, after the candidate was frozen: what was found in the pages."""
    tx.execute(update(table).where(table.c.id == mailing).values(forced=_forced_text(forced)))


def approve(tx: Connection, month: Month, digest: str, by: str, now: datetime) -> Mailing:
    """Note that ``by`` approves exactly these bytes. ConflictError when they changed, or are released already."""
    done = tx.execute(
        update(table)
        .where(_is(month), table.c.digest == digest, table.c.state.in_(REPLACEABLE))
        .values(state=MailingState.APPROVED, approved_by=by, approved=now, changed=now)
    )
    if not done.rowcount:
        raise ConflictError(_why_not(get(tx, month), month, digest))
    return _required(tx, month)


# --- releasing ------------------------------------------------------------------------------------------------


def begin_release(tx: Connection, month: Month, digest: str, now: datetime) -> bool:
    """From here on the candidate cannot be replaced, and this is when it was released, by the date of its letters.

    True too when that was so, and the moment stays the first one; False when it is another digest.
    """
    done = tx.execute(
        update(table)
        .where(_is(month), table.c.digest == digest, table.c.state.in_((*REPLACEABLE, MailingState.RELEASING)))
        .values(state=MailingState.RELEASING, released=func.coalesce(table.c.released, now), changed=now)
    )
    return done.rowcount == 1


def release(tx: Connection, mailing: Mailing, now: datetime) -> int:
    """Release the mailing: one delivery for each active subscriber, the printed entries marked; all or nothing.

    Returns:
        How many deliveries there are.

    Raises:
        ConflictError: somebody else released it first, or it is not being released.
    """
    done = tx.execute(
        update(table)
        .where(table.c.id == mailing.id, table.c.digest == mailing.digest, table.c.state == MailingState.RELEASING)
        .values(state=MailingState.RELEASED, changed=now)
    )
    if not done.rowcount:
        raise ConflictError(f"the report of {mailing.month} was released by another process, or is not to be released")
    subscribers.resume(tx, now)  # whose pause is over is not left out because no clock rang since
    moment = literal(now, Utc)
    recipients = (
        select(
            literal(mailing.id),
            subscriber.c.id,
            subscriber.c.audience,
            literal(DeliveryState.PENDING.value),
            literal(0),
            moment,
            moment,
            literal(""),
            literal(""),
        )
        .where(
            subscriber.c.state == SubscriberState.ACTIVE,
            subscriber.c.audience.in_(select(variant.c.audience).where(variant.c.mailing_id == mailing.id)),
        )
        .order_by(subscriber.c.id)
    )  # as they will be sent: neighbours in the table are marked together
    columns = (
        "mailing_id",
        "subscriber_id",
        "audience",
        "state",
        "attempts",
        "next_attempt",
        "changed",
        "reply",
        "reason",
    )
    count = tx.execute(insert(tx, delivery).from_select(columns, recipients)).rowcount
    feeds.mark_printed(tx, entry_keys(tx, mailing.id), mailing.month)
    return count


def finish(tx: Connection, mailing: MailingId) -> bool:
    """Released becomes sent when no delivery waits for anything; True when this call did it."""
    waiting = exists().where(delivery.c.mailing_id == mailing, delivery.c.state.in_(UNFINISHED))
    done = tx.execute(
        update(table)
        .where(table.c.id == mailing, table.c.state == MailingState.RELEASED, ~waiting)
        .values(state=MailingState.SENT)
    )
    return done.rowcount == 1


# --- stopping -------------------------------------------------------------------------------------------------


def pause(tx: Connection, month: Month, now: datetime) -> Mailing:
    """Nothing more of it leaves until ``resume``; saying it twice is fine.

    ConflictError when there is no such mailing, or nothing of it could leave any more.
    """
    return _pausing(tx, month, "pause", paused=func.coalesce(table.c.paused, literal(now, Utc)))


def resume(tx: Connection, month: Month) -> Mailing:
    """Undo ``pause``; ConflictError as there."""
    return _pausing(tx, month, "resume", paused=None)


def may_leave(tx: Connection, mailing: MailingId) -> bool:
    """Whether letters of it may leave at this moment: it is released, and neither paused nor cancelled."""
    wanted = select(table.c.id).where(
        table.c.id == mailing, table.c.state == MailingState.RELEASED, table.c.paused.is_(None)
    )
    return tx.scalar(wanted) is not None


def cancel(tx: Connection, month: Month, now: datetime) -> Mailing:
    """Send nothing (more) of this month. ConflictError when there is no such mailing, or it was sent to everybody."""
    stoppable = update(table).where(_is(month), table.c.state.not_in(OVER))
    done = tx.execute(stoppable.values(state=MailingState.CANCELLED, changed=now))
    if not done.rowcount:
        raise ConflictError(f"{_stands(get(tx, month), month)}; there is nothing to cancel")
    cancelled = _required(tx, month)
    tx.execute(
        update(delivery)
        .where(delivery.c.mailing_id == cancelled.id, delivery.c.state.in_(UNFINISHED))
        .where(delivery.c.state != DeliveryState.INTENT)  # whether that one left is for the engine to find out
        .values(state=DeliveryState.DROPPED, reason=CANCELLED, changed=now)
    )
    return cancelled


# --- looking --------------------------------------------------------------------------------------------------


def get(tx: Connection, month: Month) -> Mailing | None:
    """The report of this month, whatever its state."""
    row = tx.execute(select(table).where(_is(month))).first()
    return _as_mailing(row) if row else None


def by_id(tx: Connection, mailing: MailingId) -> Mailing | None:
    """The mailing with this number."""
    row = tx.execute(select(table).where(table.c.id == mailing)).first()
    return _as_mailing(row) if row else None


def every(tx: Connection) -> tuple[Mailing, ...]:
    """Every mailing, oldest month first."""
    return tuple(_as_mailing(row) for row in tx.execute(select(table).order_by(table.c.month, table.c.number)))


def variants(tx: Connection, mailing: MailingId) -> tuple[CompiledVariant, ...]:
    """The frozen letters of a mailing, in the order of audience and language."""
    wanted = select(variant).where(variant.c.mailing_id == mailing)
    rows = tx.execute(wanted.order_by(variant.c.audience, variant.c.language))
    return tuple(
        CompiledVariant(
            audience=row.audience,
            language=Language(row.language),
            tlp=Tlp(row.tlp),
            subject=row.subject,
            head=bytes(row.head),
            body=bytes(row.body),
            digest=row.digest,
        )
        for row in rows
    )


def reports(tx: Connection, mailing: MailingId) -> dict[tuple[str, Language], str]:
    """The reports behind the letters, by audience and language, as ``save_candidate`` got them."""
    rows = tx.execute(
        select(variant.c.audience, variant.c.language, variant.c.report).where(variant.c.mailing_id == mailing)
    )
    return {(row.audience, Language(row.language)): row.report for row in rows}


def failures(tx: Connection, mailing: MailingId) -> tuple[str, ...]:
    """The sources that could not be used when the candidate was made, one line each."""
    return tuple(json.loads(tx.execute(select(table.c.failures).where(table.c.id == mailing)).scalar_one()))


def entry_keys(tx: Connection, mailing: MailingId) -> tuple[tuple[str, str], ...]:
    """(source, guid) of every feed entry that the edition prints."""
    stored = json.loads(tx.execute(select(table.c.entries).where(table.c.id == mailing)).scalar_one())
    return tuple((source, guid) for source, guid in stored)


# --- how ------------------------------------------------------------------------------------------------------


def _pausing(tx: Connection, month: Month, deed: str, **values: Any) -> Mailing:
    stoppable = update(table).where(_is(month), table.c.state.not_in(OVER))
    if not tx.execute(stoppable.values(**values)).rowcount:
        raise ConflictError(f"{_stands(get(tx, month), month)}; there is nothing to {deed}")
    return _required(tx, month)


def _stands(found: Mailing | None, month: Month) -> str:
    return f"the report of {month} is {found.state} already" if found else f"there is no report of {month} yet"


def _is(month: Month) -> ColumnElement[bool]:
    found: ColumnElement[bool] = (table.c.month == str(month)) & (table.c.kind == REPORT) & (table.c.number == FIRST)
    return found


def _locked(tx: Connection, month: Month) -> Mailing | None:
    """The month's mailing, which nobody else changes before this transaction ends."""
    row = tx.execute(select(table).where(_is(month)).with_for_update()).first()
    return _as_mailing(row) if row else None


def _required(tx: Connection, month: Month) -> Mailing:
    return _as_mailing(tx.execute(select(table).where(_is(month))).one())


def _variant_row(
    mailing: MailingId, item: CompiledVariant, reports: Mapping[tuple[str, Language], str]
) -> dict[str, Any]:
    return {
        "mailing_id": mailing,
        "audience": item.audience,
        "language": item.language,
        "tlp": item.tlp.value,
        "subject": item.subject,
        "head": item.head,
        "body": item.body,
        "digest": item.digest,
        "report": reports[item.audience, item.language],
    }


def _why_not(found: Mailing | None, month: Month, digest: str) -> str:
    if found is None:
        return f"there is no draft of {month} to approve yet"
    if found.state not in REPLACEABLE:
        return f"the report of {month} is {found.state} already; there is nothing to approve"
    looked_at, is_now = digest[:SHOWN_DIGITS], found.digest[:SHOWN_DIGITS]
    return f"the draft of {month} changed: you looked at {looked_at}, now it is {is_now}; look again, approve that one"


def _as_mailing(row: Row[Any]) -> Mailing:
    return Mailing(
        id=MailingId(row.id),
        month=Month.parse(row.month),
        digest=row.digest,
        state=MailingState(row.state),
        created=row.created,
        approved_by=row.approved_by,
        released=row.released,
        paused=row.paused,
        forced=Forced(**json.loads(row.forced, object_hook=_with_tuples)) if row.forced else None,
    )


def _forced_text(forced: Forced | None) -> str | None:
    return json.dumps(asdict(forced)) if forced else None


def _with_tuples(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
