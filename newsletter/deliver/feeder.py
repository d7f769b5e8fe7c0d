"""Which letter is next: read from the ledger a batch ahead, signed, and let go at the pace of its lane.

Memory does not grow with the mailing: a few batches are ready, a bounded number waits for its lane, and what would have
to wait longer is postponed in the ledger itself.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from contextlib import suppress
from datetime import timedelta
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from newsletter.deliver.ledger import why_not
from newsletter.deliver.run import Ready
from newsletter.deliver.smtp import Envelope
from newsletter.errors import StoreError
from newsletter.model import DeliveryState, Mark
from newsletter.store import deliveries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from newsletter.deliver.ahead import Signatures
    from newsletter.deliver.ledger import Ledger
    from newsletter.deliver.letters import Personal
    from newsletter.deliver.run import Run
    from newsletter.deliver.signing import FormKey
    from newsletter.model import Letter, SubscriberId

AHEAD: Final = 3 * deliveries.BATCH  # letters that are ready before anybody asks for them
IN_THE_MAKING: Final = 4  # batches that are signed while others are sent
MAX_WAITING: Final = 1_000  # letters that wait in memory for their lane
PATIENCE: Final = 2.0  # seconds: who would have to wait longer for the lane waits in the ledger
LOOK_SECONDS: Final = 0.1
BAD_ADDRESS: Final = "553 5.1.3 not tried: "  # as a relay would say it, RFC 5321 section 4.2.3


Addressed: TypeAlias = tuple["Letter", "FormKey", "Personal"]


class Feeder:
    """The letters of one pass, each handed out once. Use it with ``fill`` running beside."""

    def __init__(self, run: Run, ledger: Ledger, signatures: Signatures) -> None:
        self._run = run
        self._ledger = ledger
        self._signatures = signatures
        self._ready: deque[Ready] = deque()
        self._waiting: list[tuple[float, int, Ready]] = []
        self._numbers = count()
        self._is_filled = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    # --- for couriers

    async def take(self) -> Ready | None:
        """The next letter that may leave, as soon as its lane lets it; None when there is none any more."""
        while not self._run.is_over():
            ready = self.take_now()
            if ready is not None:
                return ready
            if self._is_filled and not self._ready and not self._waiting:
                return None
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._seconds())
        return None

    def take_now(self) -> Ready | None:
        """The next letter, if one may leave at once."""
        if self._run.is_over():
            return None
        lanes, now = self._run.lanes, monotonic()
        ready = self._from_waiting(now)
        while ready is None and self._ready:
            ready = self._ready.popleft()
            wait = lanes.wait(ready.domain, now)
            if wait > 0:
                self._let_wait(ready, now, wait)
                ready = None
        if len(self._ready) < AHEAD:
            self._room.set()
        if ready is not None:
            lanes.take(ready.domain, now)
        return ready

    @property
    def has_more(self) -> bool:
        """Whether a letter is ready that nobody took."""
        return bool(self._ready or self._waiting)

    def put_back(self, ready: Ready) -> None:
        """Nothing of it was sent: somebody else may take it."""
        self._ready.appendleft(ready)
        self._news.set()

    # --- beside

    async def fill(self) -> None:
        """Read and sign until everything that is due is ready; ends early when the run is over."""
        making: deque[asyncio.Task[list[Ready]]] = deque()
        try:
            async for batch in due_batches(self._run, self._ledger):
                making.append(asyncio.create_task(self._prepared(batch)))
                if len(making) >= IN_THE_MAKING:
                    await self._add(await making.popleft())
            while making:
                await self._add(await making.popleft())
        except Exception as error:  # noqa: BLE001  # as a courier's
            self._run.failure = self._run.failure or error
        finally:
            for task in making:
                task.cancel()
            await asyncio.gather(*making, return_exceptions=True)
            self._is_filled = True
            self._news.set()

    # --- how

    async def _add(self, letters: Sequence[Ready]) -> None:
        """Let them be taken, and come back when there is room for more."""
        self._ready.extend(letters)
        self._news.set()
        while len(self._ready) >= AHEAD and not self._run.is_over():
            self._room.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), LOOK_SECONDS)

    async def _prepared(self, batch: Sequence[Letter]) -> list[Ready]:
        """The letters of a batch that are to be sent now, with their signatures."""
        run = self._run
        now = monotonic()
        addressed = []
        for letter, key, personal in address(run, self._ledger, batch):
            if run.lanes.wait(letter.subscriber.address.domain, now) > PATIENCE:
                self._postpone(letter)  # before it is signed
            else:
                addressed.append((letter, key, personal))
        signatures = await self._signatures.of(addressed)
        return [
            Ready(
                letter,
                Envelope(run.desk.sender(run.mailing.id, personal.subscriber), personal.mailbox),
                run.forms[key],
                personal,
                signature,
                letter.subscriber.address.domain,
            )
            for (letter, key, personal), signature in zip(addressed, signatures, strict=True)
        ]

    def _from_waiting(self, now: float) -> Ready | None:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, ready = heapq.heappop(self._waiting)
            wait = self._run.lanes.wait(ready.domain, now)
            if wait <= 0:
                return ready
            self._let_wait(ready, now, wait)
        return None

    def _let_wait(self, ready: Ready, now: float, seconds: float) -> None:
        if seconds <= PATIENCE and len(self._waiting) < MAX_WAITING:
            heapq.heappush(self._waiting, (now + seconds, next(self._numbers), ready))
        else:
            self._postpone(ready.letter)

    def _postpone(self, letter: Letter) -> None:
        run = self._run
        seconds = run.lanes.postpone(letter.subscriber.address.domain, monotonic())
        state = DeliveryState.DEFERRED if letter.attempts else DeliveryState.PENDING
        again = run.clock() + timedelta(seconds=seconds)
        mark = Mark(subscriber=letter.subscriber.id, state=state, next_attempt=again, tried=False)
        self._ledger.mark(mark)
        run.count.add("postponed")

    def _seconds(self) -> float:
        if not self._waiting:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.001, self._waiting[0][0] - monotonic()))


async def due_batches(run: Run, ledger: Ledger) -> AsyncIterator[tuple[Letter, ...]]:
    """Once through everything that is due, a batch at a time."""
    after = None
    while not run.is_over():
        start = after

        def ask(tx: Connection, start: tuple[datetime, SubscriberId] | None = start) -> tuple[Letter, ...]:
            if not run.is_alone():
                raise StoreError("the database ended the connection that held the delivery lock; start again")
            return deliveries.due(tx, run.mailing.id, run.clock(), after=start)

        batch = await ledger.ask(ask)
        if not batch:
            return
        yield batch
        last = batch[-1]
        if last.next_attempt is None:
            raise AssertionError("the ledger knows when each letter is due")
        after = (last.next_attempt, last.subscriber.id)


def address(run: Run, ledger: Ledger, batch: Sequence[Letter]) -> list[Addressed]:
    """The letters with what is personal in them; those that cannot be addressed are refused or dropped."""
    addressed = []
    for letter in batch:
        key = run.form_key(letter)
        person = letter.subscriber
        reason = why_not(person.state, person.audience, letter.audience, run.has_edition)
        if key is None or reason:
            tell(run, ledger, letter, Mark(subscriber=letter.subscriber.id, state=DeliveryState.DROPPED,
                                           reason=reason, tried=False))  # fmt: skip
            continue
        try:
            addressed.append((letter, key, run.desk.personal(letter.subscriber)))
        except ValueError as error:  # one odd address in the list must not stop everybody else's letter
            refused = Mark(subscriber=letter.subscriber.id, state=DeliveryState.REFUSED, reply=f"{BAD_ADDRESS}{error}")
            tell(run, ledger, letter, refused)
    return addressed


def tell(run: Run, ledger: Ledger, letter: Letter, mark: Mark) -> None:
    """Write down, count and log what became of a letter that was not offered."""
    ledger.mark(mark)
    run.note(mark, letter.subscriber.address.domain)
