"""The outbox of small mails: written in the transaction that causes them, sent later, each once by its key."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, update

from newsletter.model import Language, Notice
from newsletter.store.rows import insert
from newsletter.store.tables import notice as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row

BATCH: Final = 100
PENDING: Final = "pending"
SENT: Final = "sent"
FAILED: Final = "failed"
EXPIRED: Final = "expired"
# What nobody needs any more once a notice has come to its end: the key is kept, so that it is not posted again.
FORGOTTEN: Final = {"recipient": "", "facts": "{}", "nonce": ""}

# What is kept of a relay's answer: the words behind it often repeat the address, and outlive its owner's erasing.
CODES: Final = re.compile(r"[2-5]\d\d(?:[ -][245]\.\d{1,3}\.\d{1,3}(?!\S))?", re.ASCII)


def post(tx: Connection, notice: Notice) -> bool:
    """Put a notice into the outbox; False, and nothing changed, when one with this key was posted before."""
    row = insert(tx, table).values(
        key=notice.key,
        recipient=notice.recipient,
        kind=notice.kind,
        language=notice.language,
        facts=json.dumps(notice.facts, sort_keys=True),
        nonce=notice.nonce,
        created=notice.created,
        expires=notice.expires,
        state=PENDING,
        attempts=0,
        next_attempt=notice.created,
        changed=notice.created,
        reply="",
    )
    return tx.execute(row.on_conflict_do_nothing(index_elements=["key"])).rowcount == 1


def is_posted(tx: Connection, key: str) -> bool:
    """Whether a notice with this key was ever put into the outbox."""
    return tx.scalar(select(table.c.key).where(table.c.key == key)) is not None


def due(tx: Connection, now: datetime, limit: int = BATCH) -> tuple[Notice, ...]:
    """At most ``limit`` notices that are to be sent now, oldest first; expired ones are not."""
    wanted = select(table).where(table.c.state == PENDING, table.c.next_attempt <= now, table.c.expires > now)
    return tuple(_as_notice(row) for row in tx.execute(wanted.order_by(table.c.created, table.c.key).limit(limit)))


def is_busy(tx: Connection, now: datetime) -> bool:
    """Whether there is anything to send, or to give up."""
    wanted = select(table.c.key).where(
        table.c.state == PENDING, (table.c.next_attempt <= now) | (table.c.expires <= now)
    )
    return tx.scalar(wanted.limit(1)) is not None


def waiting_for(tx: Connection, recipient: str) -> tuple[Notice, ...]:
    """What is still to be sent to a mailbox, oldest first."""
    theirs = select(table).where(table.c.state == PENDING, func.lower(table.c.recipient) == recipient.lower())
    return tuple(_as_notice(row) for row in tx.execute(theirs.order_by(table.c.created, table.c.key)))


def attempts(tx: Connection, key: str) -> int:
    """How often a notice was tried without success."""
    return tx.scalar(select(table.c.attempts).where(table.c.key == key)) or 0


def sent(tx: Connection, key: str, now: datetime) -> None:
    """The relay has it."""
    tx.execute(update(table).where(table.c.key == key).values(state=SENT, changed=now, **FORGOTTEN))


def failed(tx: Connection, key: str, reply: str, next_attempt: datetime | None, now: datetime) -> None:
    """It did not leave: it is due again at ``next_attempt``, or never again when that is None.

    Of the reply only its codes are kept.
    """
    codes = CODES.match(reply)
    values: dict[str, Any] = {"state": FAILED, **FORGOTTEN} if next_attempt is None else {"next_attempt": next_attempt}
    waiting = update(table).where(table.c.key == key, table.c.state == PENDING)
    tx.execute(waiting.values(**values, attempts=table.c.attempts + 1, reply=codes[0] if codes else "", changed=now))


def expire(tx: Connection, now: datetime) -> int:
    """Give up what is too old to be of use; returns how many."""
    old = update(table).where(table.c.state == PENDING, table.c.expires <= now)
    return tx.execute(old.values(state=EXPIRED, changed=now, **FORGOTTEN)).rowcount


def drop(tx: Connection, recipient: str) -> None:
    """Whatever is still to be sent to this mailbox is not: its owner was erased, or does not want it."""
    tx.execute(delete(table).where(table.c.state == PENDING, func.lower(table.c.recipient) == recipient.lower()))


def drop_domain(tx: Connection, domain: str) -> None:
    """Whatever is still to be sent to mailboxes of exactly this domain is not."""
    theirs = func.lower(table.c.recipient).endswith(f"@{domain}", autoescape=True)
    tx.execute(delete(table).where(table.c.state == PENDING, theirs))


def forget(tx: Connection, before: datetime) -> int:
    """Delete what came to its end before that moment; returns how many."""
    return tx.execute(delete(table).where(table.c.state != PENDING, table.c.changed <= before)).rowcount


def _as_notice(row: Row[Any]) -> Notice:
    return Notice(
        key=row.key,
        recipient=row.recipient,
        kind=row.kind,
        language=Language(row.language),
        created=row.created,
        expires=row.expires,
        facts=json.loads(row.facts),
        nonce=row.nonce,
    )
