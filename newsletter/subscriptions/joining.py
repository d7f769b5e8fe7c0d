"""Confirm a sign-up by the mailed link, and be invited to an audience."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from newsletter.errors import LinkError, RefusedError, UsageError
from newsletter.model import (
    PUBLIC,
    Address,
    Admission,
    Consent,
    Format,
    Language,
    Notice,
    Purpose,
    Subscriber,
    SubscriberId,
    SubscriberState,
    Suppressed,
    Wish,
)
from newsletter.render.notices import facts_of
from newsletter.render.words import marked, words
from newsletter.store import grants, mailings, notices, subscribers, suppressions
from newsletter.subscriptions import evidence, suppressing
from newsletter.subscriptions.intake import REACHABLE, may_write
from newsletter.subscriptions.links import LIVES, find, post_link

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Grant

WELCOME_LIFE: Final = LIVES[Purpose.CONFIRM]
AWAY: Final = (SubscriberState.UNSUBSCRIBED, SubscriberState.BOUNCING)
# What the invitation's mail says (templates/email/invitation): kept as evidence of what was accepted.
INVITATION: Final = marked(
    "%(organisation)s invites you to receive the edition of the %(name)s for this audience: %(audience)s. It comes by "
    "mail, once a month."
)
INVITATION_FORM: Final = "invitation/2026-11"


@dataclass(frozen=True, slots=True)
class Joined:
    """Who confirmed; ``now`` is False when it was said before and changed nothing."""

    subscriber: Subscriber
    now: bool


def confirm(token: str, app: App) -> Joined:
    """Put on the list whoever holds the link of a confirmation; saying it twice is fine.

    Raises:
        LinkError: the link is not ours, or over; or it was used, and its owner has left since.
    """
    now = app.clock()
    with app.store.begin() as tx:
        suppressions.hold_open(tx)
        grant = find(tx, token, now, Purpose.CONFIRM)
        address = Address(grant.facts["mailbox"], grant.facts["typed"])
        fresh = grants.use(tx, grant.digest, now)
        # Only now: of two presses at once, the one that waited sees what the other did.
        known = subscribers.hold_by(tx, address.mailbox)
        if not fresh:
            if known and known.state in (SubscriberState.ACTIVE, SubscriberState.PAUSED):
                return Joined(known, now=False)
            raise LinkError("this link was used already", spent=True)
        if suppressing.reason(tx, address, app) not in (None, Suppressed.ERASED):
            raise LinkError("nothing is sent to this address", spent=True)
        suppressions.lift(tx, suppressing.address_key(address, app), (Suppressed.ERASED,))
        person = _enter(tx, grant, address, known, app)
        notices.post(
            tx,
            Notice(
                key=f"welcome/{grant.digest}",
                recipient=person.address.mailbox,
                kind="welcome",
                language=person.language,
                created=now,
                expires=now + WELCOME_LIFE,
                facts=facts_of(
                    {
                        "month": latest_month(tx),
                        "audience": unmade(person.audience, person.language, app),
                        "reader": person.id,
                    }
                ),
            ),
        )
    return Joined(person, now=True)


def invite(address: Address, audience: str, language: Language, app: App, *, again: bool = False) -> None:
    """Mail somebody an invitation to an audience; with its link they join it, or move to it.

    Raises:
        UsageError: there is no such audience, or nothing may be sent to this address.
        RefusedError: they left, or their letters came back, and nobody says ``again``; or they were written to already.
    """
    if audience not in app.audiences:
        raise UsageError(f"there is no audience {audience!r}; the settings have {', '.join(app.audiences) or 'none'}")
    now = app.clock()
    with app.store.begin() as tx:
        if why := suppressing.reason(tx, address, app):
            raise UsageError(f"nothing is sent to this address ({why})")
        _check_welcome(tx, address, app, again=again)
        title = app.audiences[audience].title
        facts = {
            "mailbox": address.mailbox,
            "typed": address.typed,
            "language": language,
            "format": Format.HTML,
            "audience": audience,
            "how": evidence.INVITED,
            "words": words(language).gettext(INVITATION)
            % {
                "name": app.publication.name,
                "organisation": app.publication.organisation,
                "audience": title.get(language) or audience,
            },
            "form": INVITATION_FORM,
            "asked": now.isoformat(),
            "invited": True,
        }
        post_link(
            tx,
            app,
            "invitation",
            Purpose.CONFIRM,
            recipient=address.mailbox,
            language=language,
            facts={"audience": title.get(language) or audience},
            about=suppressing.address_key(address, app),
            grant_facts=facts,
        )


def _check_welcome(tx: Connection, address: Address, app: App, *, again: bool) -> None:
    known = subscribers.find(tx, address.mailbox)
    if known and known.state in AWAY and not again:
        raise RefusedError(f"this address is {known.state}; if its owner asked for it, invite them with --again")
    if not may_write(tx, Wish.JOIN, suppressing.address_key(address, app), app.clock()):
        raise RefusedError("this address was written to already: one mail to join a day, and three a month")


def admission_to(audience: str, address: Address, app: App, *, invited: bool = False) -> Admission | None:
    """What lets this address into an audience; None when nothing does."""
    if audience == PUBLIC:
        return Admission.OPEN
    rule = app.audiences.get(audience)
    if rule is None:
        return None
    if rule.covers(address.domain):
        return Admission.DOMAIN
    return Admission.INVITATION if invited else None


def unmade(audience: str, language: Language, app: App) -> str:
    """What an audience is called for which no edition is made so far; empty for the public, who get theirs."""
    if audience == PUBLIC:
        return ""
    rule = app.audiences.get(audience)
    return (rule.title.get(language) if rule else "") or audience


def latest_month(tx: Connection) -> str:
    """The month of the newest report in the archive; empty when there is none yet."""
    months = [mailing.month for mailing in mailings.every(tx) if mailing.released]
    return str(max(months)) if months else ""


def _enter(tx: Connection, grant: Grant, address: Address, known: Subscriber | None, app: App) -> Subscriber:
    facts, now = grant.facts, app.clock()
    audience, admission = (
        facts["audience"],
        admission_to(facts["audience"], address, app, invited=bool(facts.get("invited"))),
    )
    if admission is None:  # the settings changed since: the public edition is for everybody
        audience, admission = PUBLIC, Admission.OPEN
    asked = datetime.fromisoformat(facts["asked"])
    agreed = Consent(
        at=now,
        how=evidence.CONFIRMED.format(facts["how"]),
        note=evidence.ASKED.format(asked),
        words=facts["words"],
        form=facts["form"],
    )
    person = Subscriber(
        id=SubscriberId(app.chance.getrandbits(63)),
        address=address,
        language=Language(facts["language"]),
        audience=audience,
        format=Format(facts["format"]),
        admission=admission,
    )
    known = known or subscribers.add_or_hold(tx, person, agreed)
    if known is None:
        return person
    subscribers.record_consent(tx, known.id, agreed)
    if facts.get("invited") and known.state in REACHABLE:  # an operator's invitation chose no language, nor a pause
        subscribers.change(tx, known.id, now, audience=audience, admission=admission)
        return replace(known, audience=audience, admission=admission)
    subscribers.change(
        tx,
        known.id,
        now,
        address=address,
        language=person.language,
        audience=person.audience,
        format=person.format,
        admission=person.admission,
        state=SubscriberState.ACTIVE,
        paused_until=None,
    )
    return replace(person, id=known.id)
