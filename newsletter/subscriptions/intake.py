"""What a form asks for is kept at the door and decided later, so that the answer cannot tell what we know.

``ask`` does the same work for every address: it looks neither at subscribers nor at suppressions. ``tend`` (every few
seconds, in one process at a time) turns what waits into a confirmation, a reminder that one is subscribed already, a
link to one's preferences, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog

from newsletter.errors import TooManyError
from newsletter.keys import address_hash, network_hash
from newsletter.model import PUBLIC, Format, Notice, Purpose, Signup, SubscriberState, Suppressed, Wish
from newsletter.render.notices import facts_of
from newsletter.store import buckets, notices, signups, subscribers
from newsletter.store.buckets import Limit
from newsletter.subscriptions import suppressing
from newsletter.subscriptions.evidence import FORM, PORTALS
from newsletter.subscriptions.links import post_link

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Address, Language, Subscriber

log = structlog.get_logger(__name__)

HOUR: Final = 3_600
DAY: Final = 86_400
# One confirmation a day, three a month, then silence (references/web.md section 4); the link to one's preferences may
# be lost and asked for again, but cannot be used to annoy somebody either.
MAIL_LIMITS: Final = {
    Wish.JOIN: ((1, DAY), (3, 30 * DAY)),
    Wish.PREFERENCES: ((3, DAY), (10, 30 * DAY)),
}
MAX_WAITING: Final = 100_000  # rows; more than this is no list's success
HELD_FOR: Final = timedelta(days=7)
MAX_DECIDED: Final = 500  # in one pass, so that what it causes leaves before the next
TURN: Final = 20  # decided in one transaction: while it writes, forms have to wait
ALARM_LIFE: Final = timedelta(days=2)
REACHABLE: Final = frozenset({SubscriberState.ACTIVE, SubscriberState.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks for; ``words`` is the sentence of consent that they saw, ``form`` the version of the form."""

    address: Address
    wish: Wish
    language: Language
    format: Format = Format.HTML
    audience: str = PUBLIC
    how: str = FORM
    words: str = ""
    form: str = ""


def ask(asked: Asked, app: App, *, network: str, per_hour: int | None = None) -> None:
    """Keep it. ``network`` is where it came from (an IPv4 address, an IPv6 /64, a portal's name).

    ``per_hour`` is the limit of that network, where it is not everybody's.

    Raises:
        TooManyError: too many came from this network, or wait already.
    """
    rules = app.settings.subscribers
    now = app.clock()
    with app.store.begin() as tx:
        key = f"ask/{network_hash(app.keys, network)}"
        if wait := buckets.take(tx, key, Limit(per_hour or rules.per_network_hour, HOUR), now):
            raise TooManyError("too many requests came from your network", seconds=round(wait))
        if signups.count(tx) >= MAX_WAITING:
            raise TooManyError("too many requests wait already", seconds=HOUR)
        held = _is_surge(tx, asked, Limit(rules.surge_hour, HOUR), now)
        signups.add(
            tx,
            Signup(
                address=asked.address,
                wish=asked.wish,
                language=asked.language,
                asked=now,
                format=asked.format,
                audience=asked.audience,
                how=asked.how,
                words=asked.words,
                form=asked.form,
                held=held,
            ),
        )


def _is_surge(tx: Connection, asked: Asked, limit: Limit, now: datetime) -> bool:
    """Whether somebody has to look at it first: only at what may be mailed to strangers, each door for itself.

    A link to one's preferences goes to people on the list alone, so many to each. A portal is let in by an operator:
    what comes through it must not close the form to everybody else, nor the form close the portals.
    """
    if asked.wish is not Wish.JOIN:
        return False
    door = asked.how if asked.how.startswith(PORTALS) else "all"
    return buckets.take(tx, f"ask/{door}", limit, now) > 0


def decide_all(app: App) -> int:
    """Decide what waits, oldest first; what its domain's limit keeps back waits on. Returns how many were decided."""
    return _Pass(app).run()


def alarm(app: App) -> None:
    """Tell the operators, once for each surge, that sign-ups are held."""
    now = app.clock()
    with app.store.read() as tx:
        first, count = signups.first_held(tx), signups.count(tx, held=True)
    if first is None:
        return
    told = [
        Notice(
            key=f"surge/{first.isoformat()}/{editor}",
            recipient=editor,
            kind="alarm-surge",
            language=app.publication.first_language,
            created=now,
            expires=now + ALARM_LIFE,
            facts=facts_of({"count": count, "at": app.local(first), "days": HELD_FOR.days}),
        )
        for editor in app.settings.editors.addresses
    ]
    with app.store.begin() as tx:
        if sum(notices.post(tx, notice) for notice in told):
            log.warning("sign-ups are held", count=count)


@dataclass(slots=True)
class _Pass:
    """One walk along the line. What cannot be decided costs a look, and no transaction in which others wait for us."""

    app: App
    full: set[str] = field(default_factory=set)  # domains that had their share: theirs are passed by
    aged: int = 0

    def run(self) -> int:
        line, decided = self._line(), 0
        while decided < MAX_DECIDED and (turn := list(islice(line, TURN))):
            decided += self._take_turn(turn)
        tell_aged(self.aged)
        return decided

    def _line(self) -> Iterator[int]:
        """The numbers of what may be decided; each is looked at when it is asked for, so that ``full`` counts."""
        after = 0
        seen: set[str] = set()
        while True:
            with self.app.store.read() as tx:
                batch = signups.in_line(tx, after=after)
                fresh = {domain for _, domain in batch} - seen
                self._find_full(tx, fresh)
            if not batch:
                return
            seen |= fresh
            after = batch[-1][0]
            yield from (number for number, domain in batch if domain not in self.full)

    def _find_full(self, tx: Connection, domains: Collection[str]) -> None:
        empty = buckets.empty(tx, map(_domain_key, domains), _domain_limit(self.app), self.app.clock())
        self.full |= {domain for domain in domains if _domain_key(domain) in empty}

    def _take_turn(self, numbers: Collection[int]) -> int:
        """Decide what is still there: somebody may have been erased since the line was read."""
        with self.app.store.begin() as tx:
            there = signups.still_there(tx, numbers)
            decided = [number for number, signup in there if self._decide(tx, signup)]
            signups.done(tx, decided)
        return len(decided)

    def _decide(self, tx: Connection, signup: Signup) -> bool:
        """One sign-up; False when it has to wait on."""
        app, now, domain = self.app, self.app.clock(), signup.address.domain
        if domain in self.full:
            return False
        if now - signup.asked > HELD_FOR:
            self.aged += 1
            return True
        person = subscribers.find(tx, signup.address.mailbox)
        if _is_silent(tx, signup, person, app):
            return True
        if buckets.take(tx, _domain_key(domain), _domain_limit(app), now):
            self.full.add(domain)
            return False
        hashed = address_hash(app.keys, signup.address.mailbox)
        if may_write(tx, signup.wish, hashed, now):
            _write(tx, signup, person, hashed, app)
        return True


def tell_aged(count: int) -> None:
    """Somebody asked, and nobody will answer: the log has to say so."""
    if count:
        log.warning("sign-ups dropped for their age", count=count)


def _domain_key(domain: str) -> str:
    return f"domain/{domain}"


def _domain_limit(app: App) -> Limit:
    return Limit(app.settings.subscribers.per_domain_hour, HOUR)


def _is_silent(tx: Connection, signup: Signup, person: Subscriber | None, app: App) -> bool:
    """Whether nothing is sent, so that no limit is touched."""
    if signup.address.domain in app.settings.subscribers.refused_domains:
        return True
    if suppressing.reason(tx, signup.address, app) not in (None, Suppressed.ERASED):
        return True
    return signup.wish is Wish.PREFERENCES and person is None


def _write(tx: Connection, signup: Signup, person: Subscriber | None, hashed: str, app: App) -> None:
    if person and (signup.wish is Wish.PREFERENCES or person.state in REACHABLE):
        post_link(
            tx,
            app,
            "preferences" if signup.wish is Wish.PREFERENCES else "already-subscribed",
            Purpose.PREFERENCES,
            recipient=person.address.mailbox,
            language=person.language,
            facts={},
            subscriber=person.id,
        )
        return
    post_link(
        tx,
        app,
        "confirm",
        Purpose.CONFIRM,
        recipient=signup.address.mailbox,
        language=signup.language,
        facts={},
        about=hashed,
        grant_facts=_confirmation(signup),
    )


def may_write(tx: Connection, wish: Wish, hashed: str, now: datetime) -> bool:
    """Whether one more mail of this sort may go to the address with this hash; it counts from now on."""
    limits = MAIL_LIMITS[wish]
    return all(buckets.take_slot(tx, f"{wish}/{seconds}/{hashed}", slots, seconds, now) for slots, seconds in limits)


def _confirmation(signup: Signup) -> dict[str, str]:
    """What confirming needs to know."""
    return {
        "mailbox": signup.address.mailbox,
        "typed": signup.address.typed,
        "language": signup.language,
        "format": signup.format,
        "audience": signup.audience,
        "how": signup.how,
        "words": signup.words,
        "form": signup.form,
        "asked": signup.asked.isoformat(),
    }
