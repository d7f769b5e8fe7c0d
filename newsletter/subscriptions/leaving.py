"""Leave, undo it, bounce, be forgotten, be suppressed. Every one of them may be said twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from newsletter.errors import LinkError, UsageError
from newsletter.keys import read_unsubscribe_token
from newsletter.model import Consent, Purpose, SubscriberState, Suppressed, Suppression
from newsletter.store import buckets, deliveries, grants, notices, signups, subscribers, suppressions
from newsletter.subscriptions import suppressing
from newsletter.subscriptions.evidence import UNDONE
from newsletter.subscriptions.intake import DAY
from newsletter.subscriptions.links import find, hand_out, post_link

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Address, Subscriber, SubscriberId

GOODBYES_A_DAY: Final = 2
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


def leave_by_address(address: Address, app: App) -> Left | None:
    """Unsubscribe whoever has an address, as when they asked by phone.

    None for who is not on the list: then whatever waited for their yes is taken back. UsageError when nothing did.
    """
    person, waited = _owner(address, app), False
    if person is None:
        waited = decline(address, app)
        person = _owner(address, app)  # whose own yes came meanwhile
    if person:
        return leave(person, app)
    if not waited:
        raise UsageError("nobody on the list has this address, and nothing waits for its owner: nothing changed")
    return None


def _owner(address: Address, app: App) -> Subscriber | None:
    with app.store.read() as tx:
        return subscribers.find(tx, address.mailbox)


def leave(person: Subscriber, app: App) -> Left:
    """Unsubscribe somebody, and tell them by mail how to take it back.

    Who says it when it was said before takes the button back from whoever said it first (a letter may have been
    forwarded); the mail to the owner keeps its link. Whoever leaves and comes back again and again gets
    GOODBYES_A_DAY mails, and then no button: nobody can fill the owner's mailbox that way.
    """
    now = app.clock()
    with app.store.begin() as tx:
        before = subscribers.hold(tx, person.id)
        if before is None or before.state is SubscriberState.ERASED:
            raise LinkError(NOBODY)
        if not subscribers.unsubscribe(tx, person.id, now):  # again: whatever waits for their yes is answered too
            grants.void(tx, subscriber=None, subject=_on_page(before))
            grants.void(tx, subscriber=None, subject=suppressing.address_key(before.address, app))
            return Left(before)
        may_undo = buckets.take_slot(tx, f"goodbye/{before.id}", GOODBYES_A_DAY, DAY, now)
        _void(tx, before, app, but=(Purpose.SESSION,) if may_undo else (Purpose.SESSION, Purpose.UNDO))
        grants.void(tx, subscriber=None, subject=_on_page(before))
        token = _offer_undo(tx, before, app) if may_undo else ""
    return Left(replace(before, state=SubscriberState.UNSUBSCRIBED, paused_until=None), token)


def _offer_undo(tx: Connection, before: Subscriber, app: App) -> str:
    """Mail the owner a link that takes the leaving back; returns the token of the page's button."""
    was = {
        "state": before.state,
        "paused_until": before.paused_until.isoformat() if before.paused_until else "",
    }
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
    return hand_out(tx, app, Purpose.UNDO, subscriber=before.id, facts=was, about=_on_page(before))


def decline(address: Address, app: App) -> bool:
    """Whoever is not on the list says no to all that waits for their yes: a sign-up, a confirmation, a move to them.

    True when there was any.
    """
    with app.store.begin() as tx:
        suppressions.close(tx)
        return _take_back(tx, address, app)


def _on_page(person: Subscriber) -> str:
    return f"page/{person.id}"


def undo(token: str, app: App) -> Subscriber:
    """Take a leaving back: everything is as it was. Saying it twice is fine.

    Raises:
        LinkError: the link is not ours, or over; or it was used, and its owner has left again.
    """
    now = app.clock()
    with app.store.begin() as tx:
        suppressions.hold_open(tx)
        grant = find(tx, token, now, Purpose.UNDO)
        fresh = grants.use(tx, grant.digest, now)
        person = subscribers.hold(tx, grant.subscriber) if grant.subscriber is not None else None
        if person is None or suppressing.reason(tx, person.address, app):
            raise LinkError(NOBODY, spent=True)
        if not fresh or person.state is not SubscriberState.UNSUBSCRIBED:
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
        now = subscribers.hold(tx, person.id)
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
    app.store.empty_log()


def erase_address(address: Address, app: App) -> bool:
    """Forget an address, on the list or not; True when it was on it."""
    with app.store.begin() as tx:
        suppressions.close(tx)
        person = subscribers.find(tx, address.mailbox)
        if person:
            _erase(tx, person, app)
        else:
            _forget_address(tx, address, app)
    app.store.empty_log()
    return person is not None


def suppress(address: Address | None, domain: str, app: App, *, note: str) -> int:
    """Write to an address, or to a whole domain, never again; returns how many subscribers that ends."""
    now = app.clock()
    with app.store.begin() as tx:
        suppressions.close(tx)
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


def _erase(tx: Connection, known: Subscriber, app: App) -> None:
    person = subscribers.hold(tx, known.id) or known  # as they are now: they may have moved to another address
    if person.state is SubscriberState.ERASED:
        return
    _void(tx, person, app)
    _forget_address(tx, person.address, app)
    deliveries.forget_replies(tx, person.id)
    subscribers.erase(tx, person.id, app.clock())


def _forget_address(tx: Connection, address: Address, app: App) -> None:
    _take_back(tx, address, app)
    key = suppressing.address_key(address, app)
    suppressions.add(tx, Suppression(key=key, reason=Suppressed.ERASED, since=app.clock()))


def _take_back(tx: Connection, address: Address, app: App) -> bool:
    """What was asked for this address and waits for its owner, in whatever stage it is; True when there was any."""
    count = signups.forget_mailbox(tx, address.mailbox)  # first: a sign-up that is being decided now makes a grant
    count += grants.void(tx, subscriber=None, subject=suppressing.address_key(address, app))
    count += grants.void_moves_to(tx, address.mailbox)
    notices.drop(tx, address.mailbox)
    return count > 0


def _void(tx: Connection, person: Subscriber, app: App, *, but: tuple[Purpose, ...] = ()) -> None:
    """Take back every link that was mailed to somebody, so that an old one cannot undo what they say now."""
    grants.void(tx, subscriber=person.id, subject=suppressing.address_key(person.address, app), but=but)
