"""Letters that were left in ``intent``: did the relay take them? Asked of its own records, never guessed.

Nobody can close the window between the relay's taking a letter and our writing that down (RFC 1047); but the relay's
records know. They are asked only once the relay can hold no session of the dead connection any more.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from newsletter.deliver import postfix
from newsletter.deliver.dispatch import Uncertain
from newsletter.deliver.replies import judge
from newsletter.deliver.smtp import BAD_CONNECTION, LOST, Connection, Reply
from newsletter.model import DeliveryState, Mark, SubscriberId
from newsletter.store import deliveries, meta

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from newsletter.deliver.ledger import Ledger
    from newsletter.deliver.run import Run
    from newsletter.model import Letter

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.1
ASK_AGAIN: Final = 2  # times, while the relay is not done; then the next run asks
PROBE_SECONDS: Final = 3.0  # a relay that does not answer is not waited for, since a stop cannot interrupt it
NOBODY: Final = SubscriberId(0)
TAKEN: Final = "the relay's records show that it took it"
NOT_TAKEN: Final = Reply(LOST, BAD_CONNECTION, "the connection was lost, and by its own records the relay took nothing")
HELD: Final = "uncertain: the connection was lost before the relay answered"
AGAIN: Final = Reply(LOST, BAD_CONNECTION, "uncertain; sent again, as the settings say")


def log_key(run: Run) -> str:
    """Where the store keeps the position in the relay's log before the first letter of a mailing left."""
    return f"postfix-log/{run.mailing.id}"


def _way(run: Run) -> str:
    """By whom and how letters leave. Kept with the position: after a change it is as good as none.

    Under another return path, or another key of the tokens in it, the lines of letters that a crash left would not be
    found; and another relay's log says nothing of them.
    """
    relays = ", ".join(f"{relay.host}:{relay.port}" for relay in run.dispatch.relays)
    return f"{run.desk.sender(run.mailing.id, NOBODY)} through {relays}"


async def remember_position(run: Run, ledger: Ledger) -> None:
    """Before any letter leaves: from here on the relay's log is read when somebody has to ask it.

    Left as it is, also when there is none, while letters of an earlier run are uncertain: what the relay said of those
    stands before this moment. DeliveryError when the log cannot be read.
    """
    if run.dispatch.uncertain is not Uncertain.ASK or run.dispatch.postfix is None:
        return
    key, log_file = log_key(run), run.dispatch.postfix.log
    if await ledger.ask(lambda tx: bool(deliveries.intents(tx, run.mailing.id))):
        return
    await asyncio.to_thread(postfix.position, log_file)  # readable at all?
    # A log that is not this relay's is told now, and one that was just begun has something to be recognised by then.
    await asyncio.to_thread(postfix.prove_alive, log_file, _probe(run))
    position = await asyncio.to_thread(postfix.position, log_file)
    await ledger.do(lambda tx: meta.put(tx, key, json.dumps([_way(run), position]), run.clock()))


async def resolve(run: Run, ledger: Ledger, *, since: float, from_before: Collection[SubscriberId]) -> bool:
    """Bring every letter in ``intent`` to another state; True when some may be sent again at once.

    Nobody may be sending meanwhile. ``since`` is the moment, monotonic, since when no connection that
    carried such a letter has been open; ``from_before`` are the letters that another process left behind.
    """
    letters = await ledger.ask(lambda tx: deliveries.intents(tx, run.mailing.id))
    if not letters:
        return False
    rule = run.dispatch.uncertain
    if rule is Uncertain.ASK and run.dispatch.postfix is not None:
        if not await _settled(run, since):
            return False
        marks = await _asked(run, ledger, letters, from_before)
    elif rule is Uncertain.AGAIN:
        marks = [_once_more(run, letter, AGAIN, from_before) for letter in letters]
    else:
        marks = [_held(letter, HELD) for letter in letters]
    for mark in marks:
        ledger.mark(mark)
        log.info("resolved", delivery=f"{run.mailing.id}.{mark.subscriber}", state=mark.state.value, rule=rule.value)
    await ledger.flush()
    return any(mark.state is DeliveryState.PENDING for mark in marks)


def how_resolved(rule: Uncertain) -> str:
    """In words for ``status``: what will resolve a letter that is in ``intent`` while nobody delivers."""
    return {
        Uncertain.ASK: "the next delivery run asks the relay's log and queue",
        Uncertain.HOLD: "the next delivery run holds it for your decision",
        Uncertain.AGAIN: "the next delivery run sends it again",
    }[rule]


async def _settled(run: Run, since: float) -> bool:
    """Wait until the relay can hold no session of ours any more; False when the run is over before."""
    run.trace("before-settle")
    while monotonic() < since + run.dispatch.settle_seconds:
        if run.is_over():
            return False
        await asyncio.sleep(min(LOOK_SECONDS, max(0.0, since + run.dispatch.settle_seconds - monotonic())))
    run.trace("after-settle")
    return True


async def _asked(
    run: Run, ledger: Ledger, letters: Sequence[Letter], from_before: Collection[SubscriberId]
) -> list[Mark]:
    records = run.dispatch.postfix
    kept = await ledger.ask(lambda tx: meta.get(tx, log_key(run)))
    way, position = json.loads(kept) if kept else ("", "")
    if way != _way(run):
        position = ""
    if records is None:
        raise AssertionError("the rule is to ask, and there is nobody to ask")
    senders = {run.desk.sender(run.mailing.id, letter.subscriber.id): letter for letter in letters}
    answer = await asyncio.to_thread(postfix.ask, records, position, senders.keys(), _probe(run))
    for _ in range(ASK_AGAIN):
        if not answer.again or not await _settled(run, monotonic()):
            break
        answer = await asyncio.to_thread(postfix.ask, records, position, senders.keys(), _probe(run))
    marks = []
    for sender, letter in senders.items():
        if sender in answer.taken:
            marks.append(Mark(subscriber=letter.subscriber.id, state=DeliveryState.ACCEPTED, reply=TAKEN))
        elif answer.again:
            log.warning("still uncertain", delivery=f"{run.mailing.id}.{letter.subscriber.id}", reason=answer.missing)
        elif answer.missing:
            marks.append(_held(letter, f"{HELD}; {answer.missing}"))
        else:
            marks.append(_once_more(run, letter, NOT_TAKEN, from_before))
    return marks


def _probe(run: Run) -> Callable[[], None]:
    async def greet() -> None:
        for relay in run.dispatch.relays:
            patience = min(relay.timeout_seconds, PROBE_SECONDS)
            connection = await Connection.open(replace(relay, timeout_seconds=patience))
            await connection.close()

    return lambda: asyncio.run(greet())  # in a thread of its own, which has no loop yet


def _held(letter: Letter, reason: str) -> Mark:
    return Mark(subscriber=letter.subscriber.id, state=DeliveryState.HELD, reason=reason, tried=False)


def _once_more(run: Run, letter: Letter, said: Reply, from_before: Collection[SubscriberId]) -> Mark:
    """At once when it was our death that cut it off; after a pause, and not for ever, when it was the relay's doing."""
    if letter.subscriber.id in from_before:
        number = letter.subscriber.id
        return Mark(subscriber=number, state=DeliveryState.PENDING, reply=said.text, next_attempt=run.clock())
    return judge(said, letter, run.dispatch.retry, released=run.released, now=run.clock(), rng=run.rng)
