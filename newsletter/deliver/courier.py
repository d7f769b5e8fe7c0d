"""One connection to a relay and the letters that go through it, each with its permit before its text leaves.

The text of a letter and the envelope of the next one leave in one write (RFC 2920), so a letter costs one round trip.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from newsletter.deliver.ledger import Permit
from newsletter.deliver.replies import judge
from newsletter.deliver.smtp import LOST, Connection
from newsletter.errors import DeliveryError
from newsletter.model import DeliveryState

if TYPE_CHECKING:
    from newsletter.deliver.feeder import Feeder
    from newsletter.deliver.ledger import Ledger
    from newsletter.deliver.relay import Relay
    from newsletter.deliver.run import Ready, Run
    from newsletter.deliver.smtp import Reply

log = structlog.get_logger(__name__)

MAX_REFUSED_IN_A_ROW: Final = 20  # so many wrong addresses are no accident: then the fault is ours or the relay's
MAX_LOST_IN_A_ROW: Final = 10  # beside one for each connection
OPEN_TRIES: Final = 3
OPEN_PAUSE: Final = 0.2  # seconds, longer each time


class _NoRoomError(Exception):
    """This connection cannot be opened, while others are open or nothing more is to be sent."""


class Courier:
    """Takes letters from the feeder until there are none, through one connection that is opened again when lost."""

    def __init__(self, run: Run, feeder: Feeder, ledger: Ledger, number: int) -> None:
        self._run = run
        self._feeder = feeder
        self._ledger = ledger
        self._number = number
        self._connection: Connection | None = None
        self._carried = 0  # letters through this connection

    async def work(self) -> None:
        """Until there is nothing more to do; what ends the whole run stands in ``run.failure`` then."""
        ready: Ready | None = None
        try:
            while ready := ready or await self._feeder.take():
                if self._run.is_over() and not (self._connection and self._connection.usable):
                    break  # nothing of it has left, and no connection is opened for it any more: it stays due
                ready = await self._carry(ready)
        except _NoRoomError as error:  # the others carry on: the relay wants fewer connections
            log.info("a connection less", reason=str(error))
            if ready is not None:
                self._feeder.put_back(ready)
        except Exception as error:  # noqa: BLE001  # whatever it is ends the run, and is raised at its end
            self._run.failure = self._run.failure or error
            if ready is not None:
                self._feeder.put_back(ready)
            self.abort()
        finally:
            await self._closed()

    def abort(self) -> None:
        """Close the connection at once, whatever is under way."""
        if self._connection is not None:
            self._connection.abort()

    async def _carry(self, ready: Ready) -> Ready | None:
        """One letter as far as it goes; returns the one whose envelope was offered together with its text."""
        connection = await self._opened()
        text = ready.text()
        refused = await connection.offer(ready.envelope, len(text))
        if refused is not None:
            if refused.closing and self._carried:
                # Relays close connections that idled or carried many letters: that says nothing about this letter.
                return ready
            self._answered(ready, refused)
            return None
        permit = await self._ledger.intend(ready.letter)
        if permit is not Permit.GRANTED:
            self._not_permitted(permit)
            return None
        following = self._feeder.take_now()
        self._run.trace("before-text")
        may_have_left = connection.usable
        reply = await connection.text(
            text,
            following.envelope if following else None,
            following.size if following else None,
            written=self._written,
        )
        self._run.trace("reply")
        self._carried += 1
        if reply.code == LOST and may_have_left:
            # Whether the relay has it is for its records, or a person, to tell: the row stays as it is (RFC 1047).
            self._run.count.add("uncertain", ready.domain)
            log.warning("uncertain", delivery=ready.id, reply=reply.text)
            self._count_lost()
        else:
            self._answered(ready, reply)
        return following

    def _written(self) -> None:
        self._run.trace("after-text")

    def _answered(self, ready: Ready, reply: Reply) -> None:
        run = self._run
        run.lanes.heard(ready.domain, reply.code, monotonic())
        mark = judge(reply, ready.letter, run.dispatch.retry, released=run.released, now=run.clock(), rng=run.rng)
        self._ledger.mark(mark)
        run.note(mark, ready.domain, reply)
        if mark.state is DeliveryState.ACCEPTED:
            run.refused.clear()
            run.lost = 0
        elif mark.state is DeliveryState.REFUSED:
            run.refused.append(mark.subscriber)
        if len(run.refused) >= MAX_REFUSED_IN_A_ROW:
            raise DeliveryError(
                f"the relay refused {len(run.refused)} letters in a row, which is hardly the readers' fault; its last "
                f"reply was: {reply}; mend that: these letters are tried again, and the others are still due",
                permanent=True,
            )

    def _count_lost(self) -> None:
        """A crash of the relay costs every connection one letter; more than that is no crash."""
        run = self._run
        run.lost += 1
        if run.lost >= MAX_LOST_IN_A_ROW + run.dispatch.connections:
            raise DeliveryError(
                f"the connection was lost in {run.lost} letters, and none was accepted meanwhile: something between us "
                "and the relay breaks them; they are uncertain, and the others are still due",
                permanent=True,
            )

    def _not_permitted(self, permit: Permit) -> None:
        """The relay waits for a text that must not be sent: only closing tells it so."""
        self.abort()
        if permit is Permit.DROPPED:
            for mark in self._ledger.taken_dropped():
                self._run.note(mark, "")
        elif permit is Permit.CHANGED:
            self._run.again = True
        elif self._ledger.stopped:
            self._run.halted = True

    async def _opened(self) -> Connection:
        """The connection, opened if need be, to the next relay when one cannot be used. DeliveryError when none can."""
        if self._connection is not None and self._connection.usable:
            return self._connection
        await self._closed()
        relays = self._run.dispatch.relays
        for attempt in range(OPEN_TRIES):
            for turn in range(len(relays)):
                try:
                    return await self._open(relays[(self._number + turn) % len(relays)])
                except DeliveryError as error:
                    failure = error
            if failure.permanent:
                break
            if self._run.connections or self._run.is_over():
                raise _NoRoomError(str(failure)) from failure
            await asyncio.sleep(OPEN_PAUSE * (attempt + 1))
        raise failure

    async def _open(self, relay: Relay) -> Connection:
        self._connection = await Connection.open(relay)
        self._run.connections += 1
        self._carried = 0
        return self._connection

    async def _closed(self) -> None:
        if self._connection is not None:
            self._run.connections -= 1
            connection, self._connection = self._connection, None
            await connection.close()
