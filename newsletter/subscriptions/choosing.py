"""Preferences: what a subscriber chooses, and what we hold. A mailed link opens them; a session keeps them open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import IntegrityError

from newsletter.errors import LinkError, TooManyError, UsageError
from newsletter.keys import address_hash, grant_digest
from newsletter.model import (
    PUBLIC,
    Address,
    Admission,
    Consent,
    Purpose,
    SubscriberState,
    Suppressed,
    Wish,
)
from newsletter.schedule import months_later
from newsletter.store import buckets, deliveries, grants, mailings, notices, subscribers, suppressions
from newsletter.store.buckets import Limit
from newsletter.subscriptions import suppressing
from newsletter.subscriptions.evidence import MOVED
from newsletter.subscriptions.intake import DAY, REACHABLE, may_write
from newsletter.subscriptions.joining import admission_to
from newsletter.subscriptions.links import find, hand_out, post_link

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import (
        Format,
        Language,
        Subscriber,
    )

MAX_PAUSE_MONTHS: Final = 6
MOVE: Final = (Purpose.MOVE_OLD, Purpose.MOVE_NEW)  # the links of a change of address: one to each mailbox
MOVES: Final = Limit(3, DAY)
EXPORTS: Final = Limit(3, DAY)
GONE: Final = "these preferences belong to nobody any more"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What may be chosen at once."""

    language: Language
    format: Format
    audience: str = PUBLIC


@dataclass(frozen=True, slots=True)
class Moved:
    """What confirming one side of a change of address did: all of it, or the other mailbox has still to say yes."""

    subscriber: Subscriber
    done: bool


# --- getting in -----------------------------------------------------------------------------------------------


def open_session(token: str, app: App) -> str:
    """Use up a mailed link to preferences; returns the token of a session that keeps them open for an hour.

    Raises:
        LinkError: the link is not ours, over, or was used.
    """
    now = app.clock()
    with app.store.begin() as tx:
        grant = find(tx, token, now, Purpose.PREFERENCES)
        if grant.subscriber is None or not grants.use(tx, grant.digest, now):
            raise LinkError("this link was used already", spent=True)
        return hand_out(tx, app, Purpose.SESSION, subscriber=grant.subscriber)


def session_holder(session: str, app: App) -> Subscriber:
    """Whose preferences are open; LinkError when nobody's are, or not any more."""
    with app.store.read() as tx:
        grant = find(tx, session, app.clock(), Purpose.SESSION)
        return _present(tx, grant.subscriber)


def close_session(session: str, app: App) -> None:
    """End it; an unknown one is over already."""
    with app.store.begin() as tx:
        grants.end(tx, grant_digest(session))


# --- choosing -------------------------------------------------------------------------------------------------


def allowed_audiences(person: Subscriber, app: App) -> tuple[str, ...]:
    """What somebody may belong to: the public, their own audience, and those that their domain opens."""
    by_domain = (name for name, rule in app.audiences.items() if rule.covers(person.address.domain))
    return tuple(dict.fromkeys((PUBLIC, person.audience, *by_domain)))


def save(person: Subscriber, chosen: Preferences, app: App) -> Subscriber:
    """Keep what was chosen.

    Raises:
        UsageError: there is no such language here, or the audience is not open to this address.
    """
    if chosen.language not in app.publication.languages:
        raise UsageError(f"this site has no language {chosen.language!r}")
    if chosen.audience not in allowed_audiences(person, app):
        raise UsageError(f"the audience {chosen.audience!r} is not open to this address")
    admission = person.admission
    if chosen.audience != person.audience:
        admission = admission_to(chosen.audience, person.address, app) or Admission.OPEN
    values = {
        "language": chosen.language,
        "format": chosen.format,
        "audience": chosen.audience,
        "admission": admission,
    }
    with app.store.begin() as tx:
        _held(tx, person.id)
        subscribers.change(tx, person.id, app.clock(), **values)
    return replace(person, **values)  # type: ignore[arg-type]


def pause(person: Subscriber, months: int, app: App) -> Subscriber:
    """Send nothing for 1 to MAX_PAUSE_MONTHS months, and then again without being asked. UsageError for others."""
    if not 1 <= months <= MAX_PAUSE_MONTHS:
        raise UsageError(f"a pause lasts 1 to {MAX_PAUSE_MONTHS} months")
    return _set_state(person, app, SubscriberState.PAUSED, until=months_later(app.local(app.clock()), months))


def resume(person: Subscriber, app: App) -> Subscriber:
    """End a pause now."""
    return _set_state(person, app, SubscriberState.ACTIVE)


def _set_state(person: Subscriber, app: App, state: SubscriberState, *, until: Any = None) -> Subscriber:
    with app.store.begin() as tx:
        now = _held(tx, person.id)
        if now.state not in REACHABLE:
            raise UsageError("nothing is sent to this address: there is nothing to pause")
        subscribers.change(tx, person.id, app.clock(), state=state, paused_until=until)
        return replace(now, state=state, paused_until=until)


# --- another address ------------------------------------------------------------------------------------------


def ask_to_move(person: Subscriber, address: Address, app: App) -> None:
    """Ask both mailboxes whether the subscription may move to another address; what is done is the same for every one.

    Raises:
        UsageError: nothing is sent to the old address, so there is nothing to move.
        TooManyError: the third time on one day is the last.
    """
    now = app.clock()
    change = f"move/{app.chance.getrandbits(128):032x}"
    hashed = address_hash(app.keys, address.mailbox)
    facts = {"mailbox": address.mailbox, "typed": address.typed}
    with app.store.begin() as tx:
        if _held(tx, person.id).state not in REACHABLE:
            raise UsageError("nothing is sent to this address: there is nothing to move")
        if wait := buckets.take(tx, f"move/{person.id}", MOVES, now):
            raise TooManyError("the address was to be changed too often today", seconds=round(wait))
        grants.void_purposes(tx, person.id, MOVE)
        post_link(tx, app, "move-old", Purpose.MOVE_OLD, recipient=person.address.mailbox, language=person.language,
                  facts={}, subscriber=person.id, about=change, grant_facts=facts)  # fmt: skip
        if suppressing.reason(tx, address, app) not in (None, Suppressed.ERASED):
            return
        if not may_write(tx, Wish.JOIN, hashed, now):
            return
        if address.domain in app.settings.subscribers.refused_domains:
            return
        other = subscribers.find(tx, address.mailbox)
        if other and other.state in REACHABLE:  # who left is not written to
            post_link(tx, app, "already-subscribed", Purpose.PREFERENCES, recipient=other.address.mailbox,
                      language=other.language, facts={}, subscriber=other.id)  # fmt: skip
        elif other is None:
            post_link(tx, app, "move-new", Purpose.MOVE_NEW, recipient=address.mailbox, language=person.language,
                      facts={}, subscriber=person.id, about=change, grant_facts=facts)  # fmt: skip


def waiting_move(person: Subscriber, app: App) -> str:
    """The address that a subscription is about to move to; empty when it is not, or has moved there."""
    with app.store.read() as tx:
        found = grants.of(tx, person.id, (Purpose.MOVE_OLD,), app.clock())
    mailbox: str = found[-1].facts["mailbox"] if found else ""
    return "" if mailbox == person.address.mailbox else mailbox


def stay(person: Subscriber, app: App) -> None:
    """Take a change of address back: neither mailed link does anything any more. Saying it twice is fine."""
    with app.store.begin() as tx:
        _held(tx, person.id)
        grants.void_purposes(tx, person.id, MOVE)


def confirm_move(token: str, app: App) -> Moved:
    """One mailbox says yes; when both have, the subscription moves. Saying it twice is fine.

    Raises:
        LinkError: the link is not ours, or over; or somebody else has that address now, or nothing may be sent to it,
            or its owner has left.
    """
    now = app.clock()
    try:
        with app.store.begin() as tx:
            suppressions.hold_open(tx)
            grant = find(tx, token, now, *MOVE)
            person = _held(tx, grant.subscriber)
            address = Address(grant.facts["mailbox"], grant.facts["typed"])
            if person.address.mailbox == address.mailbox:
                return Moved(person, done=True)
            both = grants.hold(tx, grant.about)
            grants.use(tx, grant.digest, now)
            agreed = {one.purpose for one in both if one.used} | {grant.purpose}
            if agreed != {*MOVE}:
                return Moved(person, done=False)
            return Moved(_move(tx, person, address, app), done=True)
    except IntegrityError:
        raise LinkError("somebody subscribed with that address meanwhile", spent=True) from None


def _move(tx: Connection, person: Subscriber, address: Address, app: App) -> Subscriber:
    """A domain lets its own addresses in: who moves out of it reads what is public.

    Who left does not move: the old address would be forgotten, and with it that nobody may put it on the list.
    """
    if person.state not in REACHABLE or suppressing.reason(tx, address, app) not in (None, Suppressed.ERASED):
        raise LinkError("nothing is sent to this address", spent=True)
    suppressions.lift(tx, suppressing.address_key(address, app), (Suppressed.ERASED,))  # its owner says yes again
    # Whoever has the old mailbox has no more business here: neither by a link in it, nor by a page that is open.
    grants.void(tx, subscriber=person.id, subject="", but=MOVE)
    notices.drop(tx, person.address.mailbox)
    audience, admission = person.audience, person.admission
    if admission is Admission.DOMAIN and admission_to(audience, address, app) is None:
        audience, admission = PUBLIC, Admission.OPEN
    now = app.clock()
    subscribers.change(tx, person.id, now, address=address, audience=audience, admission=admission)
    subscribers.record_consent(tx, person.id, Consent(now, MOVED, ""))
    return replace(person, address=address, audience=audience, admission=admission)


# --- what we hold ---------------------------------------------------------------------------------------------


def held_about(person: Subscriber, app: App) -> dict[str, Any]:
    """Everything that we hold about somebody, for JSON: moments in UTC, by ISO 8601."""
    with app.store.read() as tx:
        person = _present(tx, person.id)
        consents = subscribers.consents(tx, person.id)
        months = {mailing.id: mailing.month for mailing in mailings.every(tx)}
        records = deliveries.records_of(tx, person.id)
        since = subscribers.since(tx, person.id)
        links = grants.open_of(tx, person.id, app.clock())
        mails = notices.waiting_for(tx, person.address.mailbox)
    return {
        "address": person.address.mailbox,
        "address_as_typed": person.address.typed,
        "language": person.language,
        "format": person.format.value,
        "audience": person.audience,
        "audience_because": person.admission.value,
        "state": person.state.value,
        "paused_until": person.paused_until.isoformat() if person.paused_until else None,
        "on_the_list_since": since.isoformat(),
        "consents": [
            {"at": one.at.isoformat(), "how": one.how, "note": one.note, "words": one.words, "form": one.form}
            for one in consents
        ],
        "links": [
            {"for": link.purpose.value, "until": link.expires.isoformat(), "to": link.facts.get("mailbox", "")}
            for link in links
        ],
        "mails_waiting": [{"kind": mail.kind, "since": mail.created.isoformat()} for mail in mails],
        "letters": [
            {
                "month": str(months[record.mailing]),
                "state": record.state.value,
                "at": record.changed.isoformat(),
                "reply": record.reply,
            }
            for record in records
        ],
    }


def mail_export(person: Subscriber, app: App) -> None:
    """Mail somebody a link to everything that we hold about them. TooManyError for the fourth on one day."""
    now = app.clock()
    with app.store.begin() as tx:
        person = _present(tx, person.id)
        if wait := buckets.take(tx, f"export/{person.id}", EXPORTS, now):
            raise TooManyError("the link was asked for too often today", seconds=round(wait))
        post_link(tx, app, "export-ready", Purpose.EXPORT, recipient=person.address.mailbox,
                  language=person.language, facts={}, subscriber=person.id)  # fmt: skip


def export(token: str, app: App) -> dict[str, Any]:
    """Use up the mailed link to what we hold. LinkError when it is not ours, over, or was used."""
    now = app.clock()
    with app.store.begin() as tx:
        grant = find(tx, token, now, Purpose.EXPORT)
        person = _present(tx, grant.subscriber)
        if not grants.use(tx, grant.digest, now):
            raise LinkError("this link was used already", spent=True)
    return held_about(person, app)


def _present(tx: Connection, number: Any) -> Subscriber:
    person = subscribers.get(tx, number) if number is not None else None
    if person is None or person.state is SubscriberState.ERASED:
        raise LinkError(GONE, spent=True)
    return person


def _held(tx: Connection, number: Any) -> Subscriber:
    """The same, for whoever is going to change them: nobody else does meanwhile."""
    person = subscribers.hold(tx, number) if number is not None else None
    if person is None or person.state is SubscriberState.ERASED:
        raise LinkError(GONE, spent=True)
    return person
