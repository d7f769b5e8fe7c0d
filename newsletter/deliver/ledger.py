"""The ledger's writer: one thread, and a transaction for everything that came together while the last one was kept.

A transaction holds the marks of the letters that were answered and the intents of those whose text is next, so that a
durable record of every letter costs less than one commit a letter (references/delivery.md section 3). A connection
waits for the commit of its intent before a byte of the text leaves: whatever dies, and whenever, at most one letter of
each connection is uncertain.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from newsletter.model import DeliveryState, MailingState, Mark, SubscriberState
from newsletter.store import deliveries, mailings

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TypeVar

    from sqlalchemy import Connection

    from newsletter.model import Letter, MailingId
    from newsletter.store.database import Store

    T = TypeVar("T")

Trace: TypeAlias = "Callable[[str], None]"
GATHER_SECONDS: Final = 0.002  # a commit waits so long for the letters of other connections
WAITING: Final = (DeliveryState.PENDING, DeliveryState.DEFERRED)


class Permit(Enum):
    """Whether a letter may leave now. Everything but ``GRANTED`` means that its text must not be sent."""

    GRANTED = auto()
    DROPPED = auto()  # it is not to be sent any more, and the ledger says why
    CHANGED = auto()  # its reader changed address, language or format: it is made anew
    STOPPED = auto()  # the mailing was paused or cancelled, or somebody else has decided about the letter


@dataclass(frozen=True, slots=True)
class Waiting:
    """A letter that asks for its permit."""

    letter: Letter
    permit: asyncio.Future[Permit]


class Ledger:
    """What one run of a mailing writes down; its methods are called from one event loop."""

    def __init__(
        self,
        store: Store,
        mailing: MailingId,
        *,
        clock: Callable[[], datetime],
        trace: Trace,
        has_edition: Callable[[str], bool],
        connections: int = 1,
    ) -> None:
        self.failure: Exception | None = None
        self.stopped = False
        self._store = store
        self._mailing = mailing
        self._clock = clock
        self._trace = trace
        self._has_edition = has_edition
        self._enough = connections // 2
        self._waiting: list[Waiting] = []
        self._marks: list[Mark] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ledger-reader")  # no wave waits for a batch to be read
        self._news = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None
        self._dropped: list[Mark] = []

    def start(self) -> None:
        """Begin to write."""
        self._writer = asyncio.create_task(self._write_on())

    async def intend(self, letter: Letter) -> Permit:
        """Write down that the text is about to leave, and come back when that is durable.

        Raises:
            StoreError: it could not be written; the text must not be sent.
        """
        if self.failure:
            raise self.failure
        permit: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(letter, permit))
        self._news.set()
        return await permit

    def mark(self, mark: Mark) -> None:
        """Write down what became of a letter, with the next transaction."""
        self._marks.append(mark)
        self._news.set()

    async def flush(self) -> None:
        """Come back when everything that was told so far is durable.

        Raises:
            StoreError: it could not be; what is missing stays as it was in the ledger.
        """
        while True:
            async with self._one_at_a_time:
                if not self._waiting and not self._marks:
                    break
                await self._wave()
        if self.failure:
            raise self.failure

    async def ask(self, question: Callable[[Connection], T]) -> T:
        """Read what is durable by now, without holding up what is written."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, question)

    async def do(self, deed: Callable[[Connection], None]) -> None:
        """Write something else in the ledger's thread, in a transaction of its own."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._do, deed)

    async def close(self) -> None:
        """Write what is left, and end; StoreError when that cannot be, now as before."""
        if self._writer is not None:
            self._writer.cancel()
        try:
            await self.flush()
        finally:
            await asyncio.to_thread(self._thread.shutdown)
            await asyncio.to_thread(self._reader.shutdown)

    def taken_dropped(self) -> list[Mark]:
        """The letters that were dropped when they asked for their permit, since this was asked last."""
        dropped, self._dropped = self._dropped, []
        return dropped

    # --- how

    async def _write_on(self) -> None:
        with suppress(Exception):  # everybody who waits was told; close() tries once more, and raises
            while True:
                await self._news.wait()
                if len(self._waiting) < self._enough:
                    await asyncio.sleep(GATHER_SECONDS)
                self._news.clear()
                async with self._one_at_a_time:
                    wave = asyncio.ensure_future(self._wave())
                    try:
                        await asyncio.shield(wave)
                    finally:
                        await asyncio.wait([wave])  # also when we are to end: nobody else writes before it has

    async def _wave(self) -> None:
        waiting, self._waiting = self._waiting, []
        marks, self._marks = self._marks, []
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._write, [one.letter for one in waiting], marks
        )
        try:
            permits = await work
        except Exception as error:
            self.failure = error  # whatever it is, nobody may go on
            self._marks = marks + self._marks
            for one in (*waiting, *self._waiting):
                if not one.permit.done():
                    one.permit.set_exception(error)
            self._waiting = []
            raise
        self.failure = None
        for one, permit in zip(waiting, permits, strict=True):
            if not one.permit.done():
                one.permit.set_result(permit)
            elif permit is Permit.GRANTED:  # nobody waits any more, so its text has certainly not left
                self.mark(Mark(subscriber=one.letter.subscriber.id, state=DeliveryState.PENDING, tried=False))

    def _read(self, question: Callable[[Connection], T]) -> T:
        with self._store.read() as tx:
            return question(tx)

    def _do(self, deed: Callable[[Connection], None]) -> None:
        with self._store.begin() as tx:
            deed(tx)

    def _write(self, letters: list[Letter], marks: list[Mark]) -> list[Permit]:
        self._trace("before-commit")
        now = self._clock()
        permits: list[Permit] = []
        dropped: list[Mark] = []
        with self._store.begin() as tx:
            deliveries.mark(tx, self._mailing, lasting(tx, self._mailing, marks), now)
            if letters:
                permits = self._permits(tx, letters, dropped)
                granted = [
                    letter.subscriber.id
                    for letter, permit in zip(letters, permits, strict=True)
                    if permit is Permit.GRANTED
                ]
                deliveries.intend(tx, self._mailing, granted, now)
                deliveries.mark(tx, self._mailing, dropped, now)
        self._trace("after-commit")
        self._dropped += dropped
        return permits

    def _permits(self, tx: Connection, letters: list[Letter], dropped: list[Mark]) -> list[Permit]:
        """What may leave, by everything that is true at this moment."""
        found = deliveries.may_leave_now(tx, self._mailing, [letter.subscriber.id for letter in letters])
        if len(found) < len(letters) and not mailings.may_leave(tx, self._mailing):
            self.stopped = True
        permits = []
        for letter in letters:
            person = letter.subscriber
            now = found.pop(person.id, None)  # popped: a letter that asks twice is not granted twice
            if now is None:
                permits.append(Permit.STOPPED)
            elif reason := why_not(now.state, now.audience, now.released_to, self._has_edition):
                permits.append(Permit.DROPPED)
                dropped.append(Mark(subscriber=person.id, state=DeliveryState.DROPPED, reason=reason, tried=False))
            elif now[1:5] == (person.address.mailbox, person.language, person.audience, person.format):
                permits.append(Permit.GRANTED)
            else:
                permits.append(Permit.CHANGED)
        return permits


def lasting(tx: Connection, mailing: MailingId, marks: list[Mark]) -> list[Mark]:
    """The marks as they can be kept: of a cancelled mailing no letter waits for another attempt, so it is dropped."""
    if not any(mark.state in WAITING for mark in marks):
        return marks
    found = mailings.by_id(tx, mailing)
    if found is None or found.state is not MailingState.CANCELLED:
        return marks
    dropped: dict[str, Any] = {"state": DeliveryState.DROPPED, "reason": mailings.CANCELLED, "next_attempt": None}
    return [replace(mark, **dropped) if mark.state in WAITING else mark for mark in marks]


def why_not(state: str, audience: str, released_to: str, has_edition: Callable[[str], bool]) -> str:
    """Why a letter is not to be sent any more; empty when it is. Asked at the moment of sending.

    Args:
        state: the reader's.
        audience: the reader's now.
        released_to: the reader's audience when the mailing was released.
        has_edition: whether there is anything to read for an audience.
    """
    if state != SubscriberState.ACTIVE:
        return f"the subscriber is {state} now"
    if audience != released_to:
        return f"the subscriber moved from audience {released_to} to {audience}"
    return "" if has_edition(audience) else f"there is no edition for audience {audience}"
