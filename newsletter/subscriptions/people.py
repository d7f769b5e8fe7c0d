"""What operators do with one person: add, look at, disclose, suppress no more; and with sign-ups that are held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from newsletter.errors import RefusedError, UsageError
from newsletter.model import Consent, Format, Purpose, Subscriber, SubscriberId, SubscriberState, Suppressed
from newsletter.store import signups, subscribers, suppressions
from newsletter.subscriptions import suppressing
from newsletter.subscriptions.evidence import ADDED, ADDED_AGAIN
from newsletter.subscriptions.links import post_link
from newsletter.subscriptions.rows import MAX_NOTE_CHARACTERS, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from newsletter.app import App
    from newsletter.model import Address, Language, Suppression

REFUSED: Final = {
    Suppressed.ERASED: "the owner of this address wanted to be forgotten; if they agreed anew, add them with --again",
    Suppressed.OPERATOR: "this address or its domain is suppressed; see: newsletter subscribers suppressed",
    Suppressed.COMPLAINT: "letters to this address were reported as unwanted; see: newsletter subscribers suppressed",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Sign-ups that wait for an operator: how many, and since when."""

    count: int
    since: datetime | None


def add(
    typed: str, app: App, *, language: str | None, text_format: str, consent: str, again: bool = False
) -> Subscriber | None:
    """Add one active subscriber; who was on the list already comes back as they were, and stays so.

    ``consent`` says how they agreed. With ``again`` it is kept beside the earlier ones, and who had left is active.

    Raises:
        UsageError: it is no address, or the site has no such language.
        RefusedError: the address is suppressed; or it was erased, and nobody says that its owner agreed again.
    """
    try:
        row = Reader(app).row(0, {"address": typed, "language": language or "", "format": text_format})
    except ValueError as error:
        raise UsageError(str(error)) from error
    evidence = Consent(app.clock(), ADDED, checked_consent(consent))
    person = Subscriber(
        id=SubscriberId(app.chance.getrandbits(63)),
        address=row.address,
        language=row.language or app.publication.first_language,
        format=row.format or Format.HTML,
    )
    with app.store.begin() as tx:
        suppressions.hold_open(tx)
        why = suppressing.reason(tx, person.address, app)
        if why and not (again and why is Suppressed.ERASED):
            raise RefusedError(REFUSED[why])
        if why:
            suppressions.lift(tx, suppressing.address_key(person.address, app), (Suppressed.ERASED,))
        known = subscribers.add_or_hold(tx, person, evidence)
        if known and again and known.state is not SubscriberState.ACTIVE:
            subscribers.record_consent(tx, known.id, replace(evidence, how=ADDED_AGAIN))
            subscribers.change(tx, known.id, evidence.at, state=SubscriberState.ACTIVE, paused_until=None)
    return known


def everybody(app: App) -> Iterator[Subscriber]:
    """Every subscriber in the order of their ids."""
    with app.store.read() as tx:
        yield from subscribers.iterate(tx)


def disclose(address: Address, app: App) -> None:
    """Mail the owner of an address a link to everything that we hold about them, as when they asked by phone.

    That is their right, also when an operator suppressed their address.

    Raises:
        UsageError: nobody has this address; then there is nothing.
        RefusedError: its domain is suppressed, or its owner complained about our letters.
    """
    with app.store.begin() as tx:
        person = subscribers.find(tx, address.mailbox)
        if person is None:
            raise UsageError("nobody on the list has this address: there is nothing to disclose")
        why = suppressing.reason(tx, person.address, app)
        if why and not suppressing.is_disclosed_to(tx, person.address, app):
            raise RefusedError(REFUSED[why])
        post_link(
            tx,
            app,
            suppressing.EXPORT_KIND,
            Purpose.EXPORT,
            recipient=person.address.mailbox,
            language=person.language,
            facts={},
            subscriber=person.id,
        )


def unsuppress(address: Address | None, domain: str, app: App) -> bool:
    """Allow writing to an address or a domain again; True when it was suppressed. Whoever was erased stays so."""
    key = suppressing.address_key(address, app) if address else suppressing.domain_key(domain)
    with app.store.begin() as tx:
        return suppressions.allow(tx, key)


def suppressed(app: App) -> Iterator[Suppression]:
    """Every suppression, oldest first."""
    with app.store.read() as tx:
        yield from suppressions.every(tx)


def held_signups(app: App) -> Held:
    """What a surge left for an operator to decide."""
    with app.store.read() as tx:
        return Held(signups.count(tx, held=True), signups.first_held(tx))


def release_signups(app: App) -> int:
    """Let what is held go its way; returns how many."""
    with app.store.begin() as tx:
        return signups.let_go(tx)


def drop_signups(app: App) -> int:
    """Throw away what is held; returns how many."""
    with app.store.begin() as tx:
        return signups.drop_held(tx)


def checked_consent(consent: str) -> str:
    """The words that are kept as evidence; UsageError when there are none."""
    if not consent.strip():
        raise UsageError('say how these people agreed, for example: --consent "asked for it on the form of 2026-11-20"')
    return consent.strip()[:MAX_NOTE_CHARACTERS]


def language_of(app: App, wanted: str | None) -> Language:
    """A language of this site, the first one unless said; UsageError for another."""
    for language in app.publication.languages:
        if language == (wanted or app.publication.first_language):
            return language
    raise UsageError(f"unknown language {wanted!r}; this site has {', '.join(app.publication.languages)}")
