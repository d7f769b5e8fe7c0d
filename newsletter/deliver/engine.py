"""Letters that are due leave one after the other, and what the relay said is written down before the next one.

So a process that dies, however it dies, repeats at most the one letter whose answer it had not yet written down, and
that one with the same Message-ID. Nothing that is recorded as accepted is ever begun again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from newsletter.deliver.headers import checked_address
from newsletter.deliver.message import address_letter, compile_notice
from newsletter.deliver.smtp import Reply, Session
from newsletter.errors import ConflictError, DeliveryError, HandlingError, StoreError
from newsletter.handling import may_read
from newsletter.keys import message_id, unsubscribe_token
from newsletter.model import PUBLIC_AUDIENCE, DeliveryState, MailingState, SubscriberState
from newsletter.store import deliveries, mailings, notices

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from newsletter.deliver.smtp import Relay
    from newsletter.keys import LinkKeys
    from newsletter.model import CompiledVariant, Language, Letter, Mailing, MailingId, Notice, Publication, Subscriber
    from newsletter.store.database import Store

log = structlog.get_logger(__name__)

DELIVERY_LOCK: Final = "delivery"
NOTICE_LOCK: Final = "notices"

FIRST_RETRY: Final = timedelta(minutes=5)
LONGEST_RETRY: Final = timedelta(hours=4)
GIVE_UP_AFTER: Final = timedelta(days=3)  # since the release; what is later than that is no news any more
MIN_ATTEMPTS: Final = 5  # but not before so many, since our own relay may have been away for days
JITTER: Final = 0.25  # of the wait, to both sides: letters that were deferred together do not come back together
MAX_REFUSED_IN_A_ROW: Final = 20  # so many wrong addresses are no accident: then the fault is ours or the relay's
MAX_DOUBLINGS: Final = 16  # far beyond LONGEST_RETRY
FINISHED: Final = (MailingState.SENT, MailingState.CANCELLED)

Clock: TypeAlias = Callable[[], datetime]
Progress: TypeAlias = Callable[["Tally"], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """What this run did so far: of ``total`` letters that were due at its beginning."""

    total: int
    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    dropped: int = 0

    @property
    def done(self) -> int:
        """How many letters this run is done with."""
        return self.accepted + self.refused + self.deferred + self.dropped

    def plus(self, outcome: DeliveryState) -> Tally:
        """With one letter more."""
        name = outcome.value
        return replace(self, **{name: getattr(self, name) + 1})


@dataclass(frozen=True, slots=True)
class Round:
    """What every letter of one run needs."""

    store: Store
    mailing: Mailing
    variants: dict[tuple[str, Language], CompiledVariant]
    keys: LinkKeys
    publication: Publication
    clock: Clock
    rng: random.Random


def deliver_due(
    store: Store,
    mailing: Mailing,
    relay: Relay,
    *,
    keys: LinkKeys,
    publication: Publication,
    clock: Clock,
    stop: Callable[[], bool],
    progress: Progress,
    rng: random.Random,
) -> Tally:
    """Send every letter of a released mailing that is due now; those deferred meanwhile are for a later call.

    Args:
        store: the ledger.
        mailing: a released one; there is nothing to do for one that is sent or cancelled.
        relay: the server that takes our mail.
        keys: of personal links and Message-IDs.
        publication: whose letters they are.
        clock: now, aware.
        stop: asked before every letter; the letter under way is finished.
        progress: told after every letter.
        rng: for the jitter of retries.

    Raises:
        ConflictError: another process is delivering, or the mailing is not released.
        DeliveryError: the relay cannot be used, or refuses everybody; the letters that are left stay due.
        HandlingError: a letter is marked stricter than its audience is cleared for; nothing is sent.
        StoreError: the ledger cannot be written; no further letter is sent.
    """
    with store.lock(DELIVERY_LOCK):
        with store.read() as tx:
            found = mailings.by_id(tx, mailing.id)
            compiled = mailings.variants(tx, mailing.id)
            tally = Tally(deliveries.count_due(tx, mailing.id, clock()))
        if found is None or found.state not in (MailingState.RELEASED, *FINISHED):
            raise ConflictError(f"the report of {mailing.month} is not released; nothing was sent")
        _refuse_too_strict(compiled)
        variants = {(item.audience, item.language): item for item in compiled}
        work = Round(store, found, variants, keys, publication, clock, rng)
        with Session(relay) as session:
            letters = _deliver_all(work, session, tally, stop)
            for tally in letters:
                progress(tally)
        with store.begin() as tx:
            is_finished = mailings.finish(tx, mailing.id)
    log.info("delivered", mailing=mailing.id, finished=is_finished, accepted=tally.accepted, refused=tally.refused,
             deferred=tally.deferred, dropped=tally.dropped)  # fmt: skip
    return tally


def send_notices(
    store: Store, relay: Relay, *, publication: Publication, clock: Clock, stop: Callable[[], bool] = lambda: False
) -> int:
    """Send the notices that are due; those that are too old expire unsent. Returns how many the relay took.

    Raises:
        ConflictError: another process is at it.
        DeliveryError: the relay cannot be used; the notices stay due.
    """
    taken = 0
    with store.lock(NOTICE_LOCK), Session(relay) as session:
        with store.begin() as tx:
            expired = notices.expire(tx, clock())
            due = notices.due(tx, clock())
        if expired:
            log.warning("notices expired unsent", count=expired)
        for notice in due:
            if stop():
                break
            taken += _send_notice(store, session, notice, publication, clock())
    return taken


def backoff(attempts: int) -> timedelta:
    """How long to wait after this many attempts have failed: twice as long each time, within a limit."""
    wait: timedelta = FIRST_RETRY * 2 ** min(max(attempts, 1) - 1, MAX_DOUBLINGS)
    return min(wait, LONGEST_RETRY)


# --- one letter -----------------------------------------------------------------------------------------------


def _deliver_all(work: Round, session: Session, tally: Tally, stop: Callable[[], bool]) -> Iterator[Tally]:
    """Letter after letter; the tally after each of them."""
    refused_in_a_row = 0
    for letter in _due_letters(work, stop):
        outcome = _deliver(work, session, letter)
        if outcome is None:
            continue
        tally = tally.plus(outcome)
        yield tally
        refused_in_a_row = refused_in_a_row + 1 if outcome is DeliveryState.REFUSED else 0
        if refused_in_a_row == MAX_REFUSED_IN_A_ROW:
            raise DeliveryError(
                f"the relay refused {refused_in_a_row} letters in a row, which is hardly the readers' fault; "
                "look at its replies before you go on: the other letters are still due",
                permanent=True,
            )


def _due_letters(work: Round, stop: Callable[[], bool]) -> Iterator[Letter]:
    """Once through everything that is due, a batch at a time, each letter read again right before its turn."""
    after = None
    while True:
        with work.store.read() as tx:
            batch = deliveries.due(tx, work.mailing.id, work.clock(), after=after)
        if not batch:
            return
        for listed in batch:
            if stop():
                return
            letter = _read_again(work.store, work.mailing.id, listed)
            if letter is not None:
                yield letter
        after = batch[-1].subscriber.id


def _read_again(store: Store, mailing: MailingId, listed: Letter) -> Letter | None:
    """The letter and its subscriber as they are at this moment; None when it is not to be sent any more."""
    with store.read() as tx:
        return deliveries.letter(tx, mailing, listed.subscriber.id)


def _deliver(work: Round, session: Session, letter: Letter) -> DeliveryState | None:
    """One letter to its end; returns the state it got, None when somebody decided otherwise meanwhile."""
    compiled = _variant_for(work, letter.subscriber)
    reason = _why_not(letter, compiled)
    if compiled is None or reason:
        with work.store.begin() as tx:
            kept = deliveries.dropped(tx, letter, reason, work.clock())
        return _noted(letter, DeliveryState.DROPPED, kept=kept, reason=reason)
    reply = _hand_over(work, session, letter.subscriber, compiled)
    outcome, kept = _write_down(work, letter, reply)
    return _noted(letter, outcome, kept=kept, code=reply.code, enhanced=reply.enhanced)


def _why_not(letter: Letter, compiled: CompiledVariant | None) -> str:
    """Why this letter is not to be sent any more; empty when it is. Asked at the moment of sending."""
    subscriber = letter.subscriber
    if subscriber.state is not SubscriberState.ACTIVE:
        return f"the subscriber is {subscriber.state} now"
    if subscriber.audience != letter.audience:
        return f"the subscriber moved from audience {letter.audience} to {subscriber.audience}"
    return "" if compiled else f"there is no edition for audience {subscriber.audience}"


def _variant_for(work: Round, subscriber: Subscriber) -> CompiledVariant | None:
    """In the subscriber's language or, where there is none, in the publication's first."""
    first = work.publication.first_language
    wanted = ((subscriber.audience, language) for language in (subscriber.language, first))
    return next((work.variants[key] for key in wanted if key in work.variants), None)


def _hand_over(work: Round, session: Session, subscriber: Subscriber, compiled: CompiledVariant) -> Reply:
    recipient = subscriber.address.mailbox
    try:
        checked_address(recipient)
    except ValueError as error:  # one odd address in the list must not stop everybody else's letter
        return Reply(553, "5.1.3", f"5.1.3 not tried: {error}")  # as a relay would say it, RFC 5321 section 4.2.3
    sender = work.publication.from_address
    name = f"{work.mailing.month}.0"  # the report itself; errata will count from 1
    message = address_letter(
        compiled,
        subscriber,
        token=unsubscribe_token(work.keys, subscriber.id),
        message_id=message_id(work.keys, name, subscriber.id, sender.rpartition("@")[2]),
        base_url=work.publication.base_url,
        date=work.mailing.released or work.clock(),
    )
    return session.send(sender, recipient, message)


def _write_down(work: Round, letter: Letter, reply: Reply) -> tuple[DeliveryState, bool]:
    """What became of the letter, and whether the ledger took it, in a transaction of its own."""
    now = work.clock()
    outcome, said = _judge(reply, letter.attempts + 1, now - (work.mailing.released or now))
    try:
        with work.store.begin() as tx:
            if outcome is DeliveryState.ACCEPTED:
                return outcome, deliveries.accepted(tx, letter, said, now)
            if outcome is DeliveryState.REFUSED:
                return outcome, deliveries.refused(tx, letter, said, now)
            wait = backoff(letter.attempts + 1) * work.rng.uniform(1 - JITTER, 1 + JITTER)
            return outcome, deliveries.deferred(tx, letter, said, now + wait, now)
    except StoreError as error:
        facts = {"mailing": letter.mailing, "subscriber": letter.subscriber.id, "state": outcome.value}
        log.error("not written down", reason=str(error), **facts)  # noqa: TRY400  # the disk's fault, not a bug's trace
        raise


def _judge(reply: Reply, attempts: int, age: timedelta) -> tuple[DeliveryState, str]:
    """The state that a reply leads to, and the words that the ledger keeps."""
    if reply.accepted:
        return DeliveryState.ACCEPTED, str(reply)
    if not reply.transient:
        return DeliveryState.REFUSED, str(reply)
    if age >= GIVE_UP_AFTER and attempts >= MIN_ATTEMPTS:
        return DeliveryState.REFUSED, f"given up after {attempts} attempts in {age.days} days: {reply}"
    return DeliveryState.DEFERRED, str(reply)


def _noted(letter: Letter, outcome: DeliveryState, *, kept: bool, **facts: object) -> DeliveryState | None:
    """Log it, by numbers and never by address."""
    say = log.debug if outcome is DeliveryState.ACCEPTED else log.info
    say("letter", mailing=letter.mailing, subscriber=letter.subscriber.id, state=outcome.value, kept=kept, **facts)
    return outcome if kept else None


def _refuse_too_strict(compiled: tuple[CompiledVariant, ...]) -> None:
    """The last gate: the label once more against the clearance (design section 4)."""
    for variant in compiled:
        is_public = variant.audience == PUBLIC_AUDIENCE.name
        if not is_public or not may_read(PUBLIC_AUDIENCE, variant.tlp):
            raise HandlingError(
                f"the {variant.language} edition is {variant.tlp}, which audience {variant.audience} may not read; "
                "nothing was sent"
            )


# --- one notice -----------------------------------------------------------------------------------------------


def _send_notice(store: Store, session: Session, notice: Notice, publication: Publication, now: datetime) -> bool:
    """One notice to its end; True when the relay took it."""
    name = sha256(notice.key.encode()).hexdigest()  # deterministic, and the key names an editor
    sender = publication.from_address
    try:
        message = compile_notice(
            notice, publication, date=notice.created, message_id=f"<notice.{name[:32]}@{sender.rpartition('@')[2]}>"
        )
    except ValueError as error:
        reply = Reply(553, "5.1.3", f"5.1.3 not tried: {error}")
    else:
        reply = session.send(sender, notice.recipient, message)
    with store.begin() as tx:
        if reply.accepted:
            notices.sent(tx, notice.key, now)
        else:
            again = now + backoff(notices.attempts(tx, notice.key) + 1) if reply.transient else None
            notices.failed(tx, notice.key, str(reply), again, now)
    log.info("notice", name=name[:12], accepted=reply.accepted, code=reply.code, enhanced=reply.enhanced)
    return reply.accepted
