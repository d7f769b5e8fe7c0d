"""Leave, undo it, bounce, be forgotten, be suppressed. Every one of them may be said twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from newsletter.errors import LinkError
from newsletter.keys import read_unsubscribe_token
from newsletter.model import Consent, Purpose, SubscriberState, Suppressed, Suppression
from newsletter.store import deliveries, grants, notices, signups, subscribers, suppressions
from newsletter.subscriptions import suppressing
from newsletter.subscriptions.links import find, hand_out, post_link

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Address, Subscriber, SubscriberId

UNDONE: Final = "took the leaving back by its link"
NOBODY: Final = "this link belongs to nobody any more"


@dataclass(frozen=True, slots=True)
class Left:
    """Who is not on the list any more. ``undo`` is a token for whoever looks at the page; empty when they left before.

    The owner of the address has one too, by mail: a letter that was forwarded lets somebody else press the button.
    """

    subscriber: Subscriber
    undo: str = ""


def look_up(token: str, app: App) -> Subscriber:
    """Whom the personal link of a letter names; changes nothing. LinkError when it is not ours, or nobody's."""
    number = read_unsubscribe_token(app.keys, token)
    with app.store.read() as tx:
        person = subscribers.get(tx, number)
    if person is None or person.state is SubscriberState.ERASED:
        raise LinkError(NOBODY)
    return person


def leave_by_token(token: str, app: App) -> Left:
    """Unsubscribe whom a letter's personal link names. LinkError as ``look_up``."""
    return leave(look_up(token, app), app)


def leave(person: Subscriber, app: App) -> Left:
    """Unsubscribe somebody, and tell them by mail how to take it back."""
    now = app.clock()
    with app.store.begin() as tx:
        before = subscribers.get(tx, person.id)
        if before is None or before.state is SubscriberState.ERASED:
            raise LinkError(NOBODY)
        if not subscribers.unsubscribe(tx, person.id, now):
            return Left(before)
        _void(tx, before, app, but=(Purpose.SESSION,))
        was = {
            "state": before.state,
            "paused_until": before.paused_until.isoformat() if before.paused_until else "",
        }
        token = hand_out(tx, app, Purpose.UNDO, subscriber=before.id, facts=was)
        post_link(
            tx,
            app,
            "goodbye",
            Purpose.UNDO,
            recipient=before.address.mailbox,
            language=before.language,
            facts={},
            subscriber=before.id,
            grant_facts=was,
        )
    return Left(replace(before, state=SubscriberState.UNSUBSCRIBED, paused_until=None), token)


def undo(token: str, app: App) -> Subscriber:
    """Take a leaving back: everything is as it was. Saying it twice is fine.

    Raises:
        LinkError: the link is not ours, or over; or it was used, and its owner has left again.
    """
    now = app.clock()
    with app.store.begin() as tx:
        grant = find(tx, token, now, Purpose.UNDO)
        person = subscribers.get(tx, grant.subscriber) if grant.subscriber is not None else None
        if person is None or suppressing.reason(tx, person.address, app):
            raise LinkError(NOBODY, spent=True)
        if not grants.use(tx, grant.digest, now) or person.state is not SubscriberState.UNSUBSCRIBED:
            if person.state in (SubscriberState.ACTIVE, SubscriberState.PAUSED):
                return person
            raise LinkError("this link was used already", spent=True)
        state, until = SubscriberState(grant.facts["state"]), None
        if state is SubscriberState.PAUSED:
            until = datetime.fromisoformat(grant.facts["paused_until"])
            state, until = (state, until) if until > now else (SubscriberState.ACTIVE, None)
        subscribers.record_consent(tx, person.id, Consent(now, UNDONE, ""))
        subscribers.change(tx, person.id, now, state=state, paused_until=until)
    return replace(person, state=state, paused_until=until)


def bounced(person: Subscriber, app: App) -> bool:
    """Letters to this address come back for good: none is sent until its owner asks anew. True when this changed it."""
    with app.store.begin() as tx:
        now = subscribers.get(tx, person.id)
        if now is None or now.state not in (SubscriberState.ACTIVE, SubscriberState.PAUSED):
            return False
        subscribers.change(tx, person.id, app.clock(), state=SubscriberState.BOUNCING, paused_until=None)
        return True


def erase(person: Subscriber, app: App) -> None:
    """Forget somebody: what is left is a keyed hash, which keeps operators and imports from adding the address again.

    Their rows in the ledger stay, under a random number that leads to nobody; what the relay answered is wiped, since
    such answers name addresses.
    """
    with app.store.begin() as tx:
        _erase(tx, person, app)


def erase_address(address: Address, app: App) -> bool:
    """Forget an address, on the list or not; True when it was on it."""
    with app.store.begin() as tx:
        person = subscribers.find(tx, address.mailbox)
        if person:
            _erase(tx, person, app)
        else:
            _forget_address(tx, address, app)
    return person is not None


def suppress(address: Address | None, domain: str, app: App, *, note: str) -> int:
    """Write to an address, or to a whole domain, never again; returns how many subscribers that ends."""
    now = app.clock()
    with app.store.begin() as tx:
        if address:
            key, shown = suppressing.address_key(address, app), address.mailbox
            found = subscribers.find(tx, address.mailbox)
            people: tuple[SubscriberId, ...] = (found.id,) if found else ()
            notices.drop(tx, address.mailbox)
        else:
            key, shown = suppressing.domain_key(domain), domain
            people = subscribers.in_domain(tx, domain)
            notices.drop_domain(tx, domain)
        suppressions.add(tx, Suppression(key=key, reason=Suppressed.OPERATOR, since=now, shown=shown, note=note))
        ended = 0
        for number in people:
            ended += subscribers.unsubscribe(tx, number, now)
            grants.void(tx, subscriber=number, subject="")
    return ended


def _erase(tx: Connection, person: Subscriber, app: App) -> None:
    _void(tx, person, app)
    _forget_address(tx, person.address, app)
    deliveries.forget_replies(tx, person.id)
    subscribers.erase(tx, person.id, app.clock())


def _forget_address(tx: Connection, address: Address, app: App) -> None:
    key = suppressing.address_key(address, app)
    grants.void(tx, subscriber=None, subject=key)
    grants.void_moves_to(tx, address.mailbox)
    signups.forget_mailbox(tx, address.mailbox)
    notices.drop(tx, address.mailbox)
    suppressions.add(tx, Suppression(key=key, reason=Suppressed.ERASED, since=app.clock()))


def _void(tx: Connection, person: Subscriber, app: App, *, but: tuple[Purpose, ...] = ()) -> None:
    """Take back every link that was mailed to somebody, so that an old one cannot undo what they say now."""
    grants.void(tx, subscriber=person.id, subject=suppressing.address_key(person.address, app), but=but)
