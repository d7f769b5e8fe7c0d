"""A released mailing on its way: everybody once, whatever dies.

Several connections take letters from one feeder; a letter's text leaves only when the intent to send it is durable, and
the relay's answer is written down with the intents of the next ones. What a crash leaves in between is resolved by
asking the relay's records, by a person, or as the operator said.

The guarantee: every letter is handed to our own relay exactly once, as far as its records can be asked. What the relay
does with it after that is at least once, as SMTP is (RFC 1047).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from newsletter.deliver.ahead import Signatures
from newsletter.deliver.courier import MAX_REFUSED_IN_A_ROW, Courier
from newsletter.deliver.feeder import Feeder
from newsletter.deliver.lanes import Lanes
from newsletter.deliver.ledger import Ledger
from newsletter.deliver.letters import Desk
from newsletter.deliver.replies import JITTER
from newsletter.deliver.run import Count, Run
from newsletter.deliver.signing import Forms, Signers
from newsletter.deliver.uncertain import remember_position, resolve
from newsletter.errors import ConflictError, HandlingError
from newsletter.handling import may_read
from newsletter.model import PUBLIC_AUDIENCE, MailingState
from newsletter.store import deliveries, mailings

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection as Transaction

    from newsletter.deliver.dispatch import Dispatch
    from newsletter.deliver.run import Clock, Progress, Tally, Trace
    from newsletter.keys import LinkKeys
    from newsletter.model import CompiledVariant, Mailing, MailingId, Publication
    from newsletter.store.database import Store

log = structlog.get_logger(__name__)

DELIVERY_LOCK: Final = "delivery"
FINISHED: Final = (MailingState.SENT, MailingState.CANCELLED)
CAPPED_WAIT: Final = timedelta(days=30)  # how long a daily cap may make a letter wait
LETTERS_PER_CONNECTION: Final = 20  # fewer letters are not worth another connection
STOP_SECONDS: Final = 3.0  # what is in flight gets so long to end after a stop
LOOK_SECONDS: Final = 0.1


def deliver_due(
    store: Store,
    mailing: Mailing,
    dispatch: Dispatch,
    *,
    keys: LinkKeys,
    publication: Publication,
    clock: Clock,
    stop: Callable[[], bool],
    progress: Progress,
    rng: random.Random,
    trace: Trace = lambda _: None,
    only_sign: bool = False,
) -> Tally:
    """Send every letter of a released mailing that is due now; those deferred meanwhile are for a later call.

    Letters that an earlier run left uncertain are resolved, as ``dispatch.uncertain`` says.

    Args:
        store: the ledger.
        mailing: a released one; of one that is sent or cancelled only what is uncertain is resolved.
        dispatch: how letters leave.
        keys: of personal links, return paths and Message-IDs.
        publication: whose letters they are.
        clock: now, aware.
        stop: asked all the time; letters in flight are finished, no other is begun, and it ends within 5 s.
        progress: told after every letter.
        rng: for the jitter of retries.
        trace: told the name of every step around a commit or a text; for tests that kill.
        only_sign: make and store the signatures, and send nothing.

    Raises:
        ConflictError: another process is delivering, or the mailing is not released.
        DeliveryError: the relay cannot be used, or refuses everybody; the letters that are left stay due.
        HandlingError: a letter is marked stricter than its audience is cleared for; nothing is sent.
        StoreError: the ledger cannot be written; no further letter is sent.
    """
    with store.lock(DELIVERY_LOCK) as is_held:
        found, compiled, used, total = _look_up(store, mailing, dispatch, clock())
        released = found.released or clock()
        run = Run(
            mailing=found,
            dispatch=dispatch,
            forms=_forms(compiled, dispatch, publication, released),
            desk=_desk(found, keys, dispatch, publication, released),
            first_language=publication.first_language,
            lanes=_lanes(dispatch, used),
            count=Count(total, progress),
            clock=clock,
            rng=rng,
            stop=stop,
            trace=trace,
            is_alone=is_held,
        )
        tally = asyncio.run(_go(run, store, only_sign=only_sign))
        is_finished = _finish(store, mailing)
    log.info("delivered", mailing=mailing.id, finished=is_finished, accepted=tally.accepted, refused=tally.refused,
             deferred=tally.deferred, dropped=tally.dropped, uncertain=tally.uncertain)  # fmt: skip
    return tally


# --- the run --------------------------------------------------------------------------------------------------


async def _go(run: Run, store: Store, *, only_sign: bool) -> Tally:
    """Sign, send, resolve; and again while that makes more letters ready."""
    ledger = Ledger(
        store,
        run.mailing.id,
        clock=run.clock,
        trace=run.trace,
        has_edition=run.has_edition,
        connections=_connections(run),
    )
    ledger.start()
    signers = Signers(run.dispatch.signing, run.forms, expected=run.count.tally.total)
    try:
        signatures = Signatures(run, ledger, signers)
        if run.dispatch.signing and (run.dispatch.signing.ahead or only_sign):
            await signatures.make_missing()
        if not only_sign:
            await _send(run, ledger, signatures)
    finally:
        signers.close()
        await ledger.close()
    if run.failure:
        raise run.failure
    return run.count.tally


async def _send(run: Run, ledger: Ledger, signatures: Signatures) -> None:
    since = monotonic()  # we hold the lock, so whoever left something uncertain is dead by now
    letters = await ledger.ask(lambda tx: deliveries.intents(tx, run.mailing.id))
    from_before = frozenset(letter.subscriber.id for letter in letters)
    await remember_position(run, ledger)
    while True:
        run.again = False
        if await ledger.ask(lambda tx: mailings.may_leave(tx, run.mailing.id)):
            await _pass(run, ledger, signatures)
        await ledger.flush()
        await _take_back(run, ledger)
        if run.is_over():
            return
        uncertain = run.count.tally.uncertain
        if await resolve(run, ledger, since=monotonic() if uncertain else since, from_before=from_before):
            run.again = True
        if not run.again:
            return
        from_before = frozenset()


async def _take_back(run: Run, ledger: Ledger) -> None:
    """What a relay said that refuses everybody is not kept against the readers: those letters are tried again.

    Not for ever: as every letter they are given up when nobody wants them any more.
    """
    is_too_late = run.clock() - run.released >= run.dispatch.retry.give_up_after
    if len(run.refused) < MAX_REFUSED_IN_A_ROW or is_too_late:
        return
    again = run.clock() + run.dispatch.retry.first
    numbers = tuple(run.refused)
    await ledger.do(lambda tx: deliveries.take_back(tx, run.mailing.id, numbers, again, run.clock()))
    log.warning("refusals taken back", mailing=run.mailing.id, letters=len(numbers))


async def _pass(run: Run, ledger: Ledger, signatures: Signatures) -> None:
    """Once through everything that is due, over all connections."""
    feeder = Feeder(run, ledger, signatures)
    couriers = [Courier(run, feeder, ledger, number) for number in range(_connections(run))]
    filling = asyncio.create_task(feeder.fill())
    working = [asyncio.create_task(courier.work()) for courier in couriers]
    stopping = asyncio.create_task(_stop_in_time(run, couriers, working))
    try:
        results = await asyncio.gather(filling, *working, return_exceptions=True)
    finally:
        stopping.cancel()
    for result in results:
        if isinstance(result, Exception):
            raise result
    if feeder.has_more and not run.is_over():
        run.again = True  # a courier gave its letter back when the others had gone


def _connections(run: Run) -> int:
    return min(run.dispatch.connections, 1 + run.count.tally.total // LETTERS_PER_CONNECTION)


async def _stop_in_time(run: Run, couriers: Sequence[Courier], working: Sequence[asyncio.Task[None]]) -> None:
    """After a stop: what is in flight may end; a relay that does not answer is left, its letters uncertain."""
    while not run.stop():  # noqa: ASYNC110  # a signal handler sets it, and may do no more than that
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(STOP_SECONDS)
    for courier in couriers:
        courier.abort()
    await asyncio.sleep(LOOK_SECONDS)
    for task in working:
        task.cancel()


# --- what it is made of ---------------------------------------------------------------------------------------


def _look_up(
    store: Store, mailing: Mailing, dispatch: Dispatch, now: datetime
) -> tuple[Mailing, tuple[CompiledVariant, ...], dict[str, tuple[int, int]], int]:
    """The mailing and its letters as they are now, what its lanes used before, and how many letters are due."""
    with store.begin() as tx:
        _hasten(tx, mailing.id, dispatch, now)
    with store.read() as tx:
        found = mailings.by_id(tx, mailing.id)
        compiled = mailings.variants(tx, mailing.id)
        total = deliveries.count_due(tx, mailing.id, now)
        used = deliveries.used_by_domain(tx, now) if any(rule.is_capped for rule in dispatch.lanes) else {}
    if found is None or found.state not in (MailingState.RELEASED, *FINISHED):
        raise ConflictError(f"the report of {mailing.month} is not released; nothing was sent")
    _refuse_too_strict(compiled)
    return found, compiled, used, total


def _hasten(tx: Transaction, mailing: MailingId, dispatch: Dispatch, now: datetime) -> None:
    """Bring back what waits longer than anything of ours lets it: the clock was ahead when that was written down."""
    longest = dispatch.retry.longest * (1 + JITTER)
    deliveries.hasten(tx, mailing, now, now + max(longest, CAPPED_WAIT if dispatch.lanes else longest))


def _finish(store: Store, mailing: Mailing) -> bool:
    """Whether nothing waits any more; then its signatures are of no more use."""
    with store.begin() as tx:
        is_finished = mailings.finish(tx, mailing.id)
        if is_finished:
            deliveries.forget_signatures(tx, mailing.id)
    return is_finished


def _desk(mailing: Mailing, keys: LinkKeys, dispatch: Dispatch, publication: Publication, released: datetime) -> Desk:
    return Desk(
        keys=keys,
        name=f"{mailing.month}.0",  # the report itself; errata will count from 1
        domain=publication.from_address.rpartition("@")[2],
        base_url=publication.base_url,
        date=released,
        return_path=dispatch.return_path,
        verp=dispatch.verp,
    )


def _forms(
    compiled: Sequence[CompiledVariant], dispatch: Dispatch, publication: Publication, released: datetime
) -> Forms:
    return Forms(
        variants={(item.audience, item.language): item for item in compiled},
        date=released,
        base_url=publication.base_url,
        smime=dispatch.signing.smime is not None,
        made={},
    )


def _lanes(dispatch: Dispatch, used: Mapping[str, tuple[int, int]]) -> Lanes:
    """The lanes, with what earlier runs used of their caps."""
    now = monotonic()
    lanes = Lanes(dispatch.lanes, lowest_rate=dispatch.lowest_rate, now=now)
    for domain, (in_hour, in_day) in used.items():
        lanes.used(domain, in_hour, in_day, now)
    return lanes


def _refuse_too_strict(compiled: tuple[CompiledVariant, ...]) -> None:
    """The last gate: the label once more against the clearance (design section 4)."""
    for variant in compiled:
        is_public = variant.audience == PUBLIC_AUDIENCE.name
        if not is_public or not may_read(PUBLIC_AUDIENCE, variant.tlp):
            raise HandlingError(
                f"the {variant.language} edition is {variant.tlp}, which audience {variant.audience} may not read; "
                "nothing was sent"
            )
