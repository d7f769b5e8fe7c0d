"""What an operator decides about a month on its way: pause, resume, cancel, sign ahead, settle what is uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter import pipeline
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.ledger import lasting
from newsletter.errors import ConflictError, UsageError
from newsletter.model import DeliveryState, Mark
from newsletter.store import deliveries, mailings, subscribers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from newsletter.app import App
    from newsletter.deliver.run import Progress, Tally
    from newsletter.model import Address, DeliveryRecord, Mailing, Month, SubscriberId

TAKEN: Final = "taken, as an operator found out"
AGAIN: Final = "not taken, as an operator found out"


def pause(month: Month, app: App) -> Mailing:
    """From now on no letter of this month leaves; those in flight are finished. ConflictError when it is over."""
    with app.store.begin() as tx:
        return mailings.pause(tx, month, app.clock())


def resume(month: Month, app: App) -> Mailing:
    """Undo ``pause``; whoever delivers next goes on."""
    with app.store.begin() as tx:
        return mailings.resume(tx, month)


def cancel(month: Month, app: App) -> Mailing:
    """Send nothing more of this month, ever; what is in flight is finished. ConflictError when it is over."""
    with app.store.begin() as tx:
        return mailings.cancel(tx, month, app.clock())


def sign(month: Month, app: App, *, stop: Callable[[], bool], progress: Progress) -> Tally:
    """Make and store the signatures of a released month's letters, so that sending need not; sends nothing.

    Raises:
        ConflictError: it is not released, or somebody is delivering it.
        UsageError: there are no keys to sign with.
    """
    dispatch = app.dispatch
    if not dispatch.signing:
        raise UsageError("there are no keys to sign with; make some with: newsletter keys dkim")
    return deliver_due(
        app.store,
        pipeline.current(month, app),
        dispatch,
        keys=app.keys,
        publication=app.publication,
        clock=app.clock,
        stop=stop,
        progress=progress,
        rng=app.chance,
        only_sign=True,
    )


def settle(month: Month, app: App, deliveries_named: Sequence[str], *, taken: bool) -> int:
    """Decide about letters that are held: the relay has them (``taken``), or they are to be sent.

    Args:
        month: of the mailing.
        app: the site.
        deliveries_named: as ``status`` names them (``3.1234``); empty for every one that is held.
        taken: what the operator found out.

    Returns:
        How many were held and are not any more. Of a cancelled month those that were to be sent are dropped.

    Raises:
        ConflictError: one of them is not held.
    """
    mailing = pipeline.current(month, app)
    now = app.clock()
    with app.store.begin() as tx:
        held = {
            one.id: one.subscriber
            for one in deliveries.unsure(tx, mailing.id, limit=None)
            if one.state is DeliveryState.HELD
        }
        if strange := [name for name in deliveries_named if name not in held]:
            raise ConflictError(f"not held: {', '.join(strange)}; see: newsletter status {month}")
        chosen = [held[name] for name in dict.fromkeys(deliveries_named)] or list(held.values())
        marks = [_decided(number, app, taken=taken) for number in chosen]
        deliveries.mark(tx, mailing.id, lasting(tx, mailing.id, marks), now)
        if mailings.finish(tx, mailing.id):
            deliveries.forget_signatures(tx, mailing.id)
    return len(chosen)


def letters_of(address: Address, app: App) -> list[tuple[Month, DeliveryRecord]]:
    """Who got what, for one subscriber: every month and what became of their letter. UsageError: nobody's address."""
    with app.store.read() as tx:
        person = subscribers.find(tx, address.mailbox)
        if person is None:
            raise UsageError("nobody on the list has this address; see: newsletter subscribers list")
        months = {mailing.id: mailing.month for mailing in mailings.every(tx)}
        return [(months[record.mailing], record) for record in deliveries.records_of(tx, person.id)]


def _decided(number: SubscriberId, app: App, *, taken: bool) -> Mark:
    if taken:
        return Mark(subscriber=number, state=DeliveryState.ACCEPTED, reply=TAKEN)
    return Mark(subscriber=number, state=DeliveryState.PENDING, reply=AGAIN, next_attempt=app.clock())
