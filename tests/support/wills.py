"""A machine that does anything to a list, in any order, and a model that knows of every address what its owner wants.

The model looks at no table: it hears who said what. Who said no last, or was told no by an operator, is unwilling.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from starlette.requests import Request

from newsletter import subscriptions
from newsletter.errors import NewsletterError
from newsletter.keys import unsubscribe_token
from newsletter.model import Admission, Language, Scope, Subscriber, SubscriberState, Wish
from newsletter.store import subscribers
from newsletter.store.database import Store
from newsletter.store.tables import metadata
from newsletter.subscriptions import Asked, Preferences
from newsletter.subscriptions.portals import register
from newsletter.web.api import OPERATIONS, Endpoint, Service, offered
from tests.support.ledger import NOW
from tests.support.postman import LIVES, TROUBLES, Link, Postman
from tests.support.roster import Roster, mailbox

ADDRESSES = ("ada@one.example", "ben@one.example", "cleo@staff.example")
REACHED = (SubscriberState.ACTIVE, SubscriberState.PAUSED)
people = st.sampled_from(ADDRESSES) | st.runner().map(lambda machine: machine.reached)
written = people.flatmap(lambda address: st.sampled_from((address, address.title(), address.upper())))
lists = st.lists(people, min_size=1, unique=True)
# The newest links (0 and on) and the oldest (-1 and down) more often than those between.
any_of = st.integers(0, 3) | st.integers(-3, -1) | st.integers(0, 1_000)
hours = st.sampled_from((0.1, 1, 25, 24 * 7.5, 24 * 70))  # 25 and 180: a link is over, and not forgotten yet
AGREED = {"words": "Send it to me.", "form": "1"}


class Wills(RuleBasedStateMachine):
    """The list under everything that people, operators, directories and time do to it."""

    roster: Roster  # set by whoever runs it: one site for all runs

    def __init__(self) -> None:
        super().__init__()
        self.moments, self.networks = count(1), count(1)
        self.will: dict[str, bool | None] = dict.fromkeys(ADDRESSES)  # None: nobody heard from them
        self.refused_at: dict[str, int] = dict.fromkeys(ADDRESSES, 0)  # when they left or were erased last
        self.gone_since: dict[str, int] = dict.fromkeys(ADDRESSES, 0)  # the same, but for leaving again while away
        self.silenced: set[str] = set()  # addresses and domains that an operator suppressed
        self.erased: set[str] = set()  # addresses that must stand nowhere
        self.letters: list[tuple[str, str]] = []
        self.sessions: list[str] = []
        self.used: set[str] = set()
        self.reached = ADDRESSES[0]  # who got mail last: more is tried on them while its links are new
        self.steps = 0
        self.roster.clock.now = NOW
        self.app.chance.seed(1)  # the same steps do the same, however many runs there were before
        with self.app.store.begin() as tx:
            for table in reversed(metadata.sorted_tables):
                tx.execute(table.delete())
        self.post = Postman(self.roster, self.moments)
        self.links = self.post.links
        self.token = register("intranet", tuple(Scope), self.app)
        self.service = Service(self.app, offered(self.app), {})

    @property
    def app(self):
        return self.roster.app

    # --- operators and directories

    @rule(named=lists, dry=st.booleans())
    def import_(self, named, dry):
        self.roster.import_("address\n" + "\n".join(one.upper() for one in named), dry=dry)

    @rule(named=lists, language=st.sampled_from(("en", "fr", "")))
    def sync(self, named, language):
        own = {one: person for one in ADDRESSES if (person := self.find(one)) and not is_directorys(person)}
        self.roster.sync(*(f"{one},{language}" for one in named), header="address,language")
        for address, person in own.items():
            assert self.find(address) == person, f"{address} came by themselves, and a directory changed them"

    @rule(typed=written, again=st.booleans())
    def add(self, typed, again):
        with refusals():
            self.roster.add(typed, again=again)
            if again:
                self.says_yes(typed.lower())

    @rule(typed=written, whole_domain=st.booleans())
    def suppress(self, typed, whole_domain):
        address = mailbox(typed)
        domain = address.domain if whole_domain else ""
        same = [one for one in ADDRESSES if one == typed.lower() or one.endswith(f"@{domain}")]
        theirs = [one for one in same if self.find(one)]
        subscriptions.suppress(None if domain else address, domain, self.app, note="")
        self.silenced.add(domain or typed.lower())
        for one in theirs:
            self.will[one] = False  # no word of their own: a confirmation that they asked for before may still be used

    @rule(which=any_of)
    def unsuppress(self, which):
        for whom in sorted(self.silenced)[which % 4 :]:  # often all of them: else soon nobody is left to try things on
            address, domain = (mailbox(whom), "") if "@" in whom else (None, whom)
            assert subscriptions.unsuppress(address, domain, self.app)
            assert not subscriptions.unsuppress(address, domain, self.app)
            self.silenced.discard(whom)

    @rule(address=people)
    def bounce(self, address):
        if (person := self.find(address)) and subscriptions.bounced(person, self.app):
            self.will[address] = False

    @rule(typed=written)
    def erase(self, typed):
        subscriptions.erase_address(mailbox(typed), self.app)
        self.forget(typed)

    @rule(typed=written, audience=st.sampled_from(("staff", "board")), again=st.booleans())
    def invite(self, typed, audience, again):
        self.reset_limits()
        with self.deciding_nothing(typed):
            subscriptions.invite(mailbox(typed), audience, Language("en"), self.app, again=again)
        self.read_mail()

    # --- portals

    @rule(typed=written, audience=st.sampled_from(("public", "staff")))
    def sign_up_in_portal(self, typed, audience):
        with self.deciding_nothing(typed):
            self.portal("signUp", address=typed, language="en", audience=audience, consent=AGREED)
            self.erased.discard(typed.lower())
        self.tend()

    @rule(typed=written, language=st.sampled_from(("en", "fr")))
    def change_in_portal(self, typed, language):
        with self.deciding_nothing(typed):
            self.portal("change", address=typed, language=language, format="text")

    @rule(typed=written)
    def leave_in_portal(self, typed):
        address = typed.lower()
        person, before = self.find(address), self.will[address]
        self.portal("unsubscribe", address=typed)
        self.says_no(address, anew=not person or person.state is not SubscriberState.UNSUBSCRIBED)
        if person is None:  # nobody we know: that keeps no operator away, but answers what waits for their yes
            self.will[address] = before
        self.read_mail(before=before)

    def portal(self, operation: str, **body: object) -> None:
        """As over HTTP, from the token to the answer; ProblemError says no."""
        self.reset_limits()
        (op,) = (one for one in OPERATIONS if one.id == operation)
        said = {b"authorization": f"Bearer {self.token}".encode(), b"content-type": b"application/json"}
        request = Request({"type": "http", "method": op.method, "path": op.path, "headers": list(said.items())})
        Endpoint((op,), self.service)._answer(request, json.dumps(body).encode())

    # --- people

    @rule(typed=written, wish=st.sampled_from(Wish), audience=st.sampled_from(("public", "staff")))
    def ask(self, typed, wish, audience):
        self.demand(typed, wish, audience)

    @rule(address=people)
    def visit_preferences(self, address):
        self.demand(address, Wish.PREFERENCES)
        self.open_preferences(0)

    @rule(address=people)
    def think_better_of_it(self, address):
        self.demand(address, Wish.JOIN)
        self.leave_in_portal(address)
        if self.links["confirm"]:
            self.confirm(0)

    def demand(self, typed: str, wish: Wish, audience: str = "public") -> None:
        self.reset_limits()
        asked = Asked(address=mailbox(typed), wish=wish, language=Language("fr"), audience=audience)
        subscriptions.ask(asked, self.app, network=str(next(self.networks)))
        self.erased.discard(typed.lower())  # they wrote it down for us again
        self.tend()

    @precondition(lambda self: self.links["confirm"])
    @rule(which=any_of)
    def confirm(self, which):
        link = pick(self.links["confirm"], which)
        with refusals():
            if subscriptions.confirm(link.token, self.app).now:
                self.clicked(link, link.owner)

    @precondition(lambda self: self.links["undo"])
    @rule(which=any_of)
    def undo(self, which):
        link = pick(self.links["undo"], which)
        was_away = self.will[link.owner] is False
        with refusals():
            subscriptions.undo(link.token, self.app)
            if was_away:
                assert self.gone_since[link.owner] <= link.moment, "an old link took back a later no"
                self.acts(link)
                self.will[link.owner] = link.before

    @rule(address=people)
    def receive_a_letter(self, address):
        if (person := self.find(address)) and person.state in REACHED:
            self.letters.append((unsubscribe_token(self.app.keys, person.id), address))

    @precondition(lambda self: self.letters)
    @rule(which=any_of)
    def leave_by_letter(self, which):
        token, _ = pick(self.letters, which)
        with refusals():
            self.leave(subscriptions.look_up(token, self.app))

    @rule(which=any_of)
    def open_preferences(self, which):
        with refusals():
            if not self.links["preferences"]:
                return
            link = pick(self.links["preferences"], which)
            self.sessions.append(subscriptions.open_session(link.token, self.app))
            self.acts(link)

    @precondition(lambda self: self.sessions)
    @rule(which=any_of, months=st.integers(0, 7), deed=st.sampled_from(("pause", "resume", "save", "leave", "erase")))
    def choose(self, which, months, deed):
        with refusals():
            person = subscriptions.session_holder(pick(self.sessions, which), self.app)
            if deed == "pause":
                subscriptions.pause(person, months, self.app)
            elif deed == "resume":
                subscriptions.resume(person, self.app)
            elif deed == "save":
                audience = ("public", "staff", "board")[months % 3]
                subscriptions.save(person, Preferences(Language("en"), person.format, audience), self.app)
            elif deed == "leave":
                self.leave(person)
            else:
                subscriptions.erase(person, self.app)
                self.forget(person.address.mailbox)

    @precondition(lambda self: self.sessions)
    @rule(which=any_of, typed=written)
    def ask_to_move(self, which, typed):
        with refusals():
            person = subscriptions.session_holder(pick(self.sessions, which), self.app)
            subscriptions.ask_to_move(person, mailbox(typed), self.app)
            self.erased.discard(typed.lower())
            self.read_mail(target=typed.lower())

    @precondition(lambda self: self.links["move"])
    @rule(which=any_of)
    def confirm_move(self, which):
        link = pick(self.links["move"], which)
        before = self.find(link.target)
        with refusals():
            if subscriptions.confirm_move(link.token, self.app).done and before is None:
                self.clicked(link, link.target)

    @rule(troubles=st.lists(st.sampled_from(TROUBLES), min_size=1, max_size=3))
    def relay_fails(self, troubles):
        self.post.troubles = troubles

    @rule(hours=hours, kind=st.sampled_from(sorted(LIVES)))
    def come_late(self, hours, kind):
        self.time_passes(hours)
        press = {"confirm": self.confirm, "undo": self.undo, "move": self.confirm_move}
        if self.links[kind]:
            press.get(kind, self.open_preferences)(0)

    @rule(hours=hours)
    def time_passes(self, hours):
        self.roster.clock.now += timedelta(hours=hours)
        self.tend()

    # --- what must hold

    @invariant()
    def nobody_unwilling_is_active(self):
        self.steps += 1
        with self.app.store.read() as tx:
            everybody = list(subscribers.iterate(tx))
            keys = [subscribers.mailbox_key(person.address.mailbox) for person in everybody]
            assert len(keys) == len(set(keys)), "two rows for one mailbox"
            for person, key in zip(everybody, keys, strict=True):
                if person.state in REACHED:
                    assert self.will[key] is not False, f"{key} is {person.state}, and said no"
                    assert not self.silenced & {key, person.address.domain}, f"{key} is {person.state}, and suppressed"
                    assert subscribers.consents(tx, person.id), f"{key} is {person.state} without a consent"
                assert (person.state is not SubscriberState.PAUSED) or person.paused_until

    @invariant()
    def the_erased_stand_nowhere(self):
        if self.erased:
            found = self.roster.dump()
            assert not [address for address in self.erased if address in found], "who was erased still stands there"

    # --- how

    def find(self, address: str) -> Subscriber | None:
        with self.app.store.read() as tx:
            return subscribers.find(tx, address)

    def tend(self) -> None:
        subscriptions.tend(self.app)
        self.read_mail()

    def read_mail(self, *, target: str = "", before: bool | None = None) -> None:
        for address in self.post.carry(target=target, before=before):
            self.reached = address
            assert not self.silenced & {address, address.rpartition("@")[2]}, f"{address} got mail, and is suppressed"
            assert address not in self.erased, f"{address} got mail, and was erased"

    def reset_limits(self) -> None:
        """They are not what is tried here."""
        with self.app.store.begin() as tx:
            tx.execute(metadata.tables["bucket"].delete())

    @contextmanager
    def deciding_nothing(self, typed: str) -> Iterator[None]:
        """Whoever does this speaks for somebody else: who gets letters stays the same."""
        before = self.find(typed)
        with refusals():
            yield
        after = self.find(typed)
        same = (before and (before.state, before.paused_until)) == (after and (after.state, after.paused_until))
        assert same, f"somebody else decided about {typed}"

    def leave(self, person: Subscriber) -> None:
        address = person.address.mailbox.lower()
        before = self.will[address]
        left = subscriptions.leave(person, self.app)
        self.says_no(address, anew=bool(left.undo))
        self.read_mail(before=before)
        if left.undo:
            until = self.roster.clock.now + LIVES["undo"]
            self.links["undo"].append(Link(left.undo, address, next(self.moments), until, before))

    def clicked(self, link: Link, address: str) -> None:
        """The owner of an address acted on a link in their mailbox; one from before their last no must not work."""
        assert self.refused_at[address] <= link.moment, "an old link undid a later no"
        self.acts(link)
        self.says_yes(address)

    def acts(self, link: Link) -> None:
        assert self.roster.clock.now < link.until, "a link that is over did something"
        assert link.token not in self.used, "a link did something twice"
        self.used.add(link.token)

    def says_yes(self, address: str) -> None:
        self.will[address] = True
        self.erased.discard(address)

    def says_no(self, address: str, *, anew: bool) -> None:
        self.will[address] = False
        self.refused_at[address] = next(self.moments)
        if anew:
            self.gone_since[address] = self.refused_at[address]

    def forget(self, typed: str) -> None:
        self.says_no(typed.lower(), anew=True)
        self.erased.add(typed.lower())


def is_directorys(person: Subscriber) -> bool:
    """Whether a directory let them in, or may let them back in."""
    return person.admission is Admission.DIRECTORY or person.state is SubscriberState.ENDED


def careless(store: Store) -> None:
    """Let SQLite forget what a power cut would cost: a run of thousands of small transactions waits for no disk."""
    raw = store._engine.raw_connection()
    raw.driver_connection.execute("PRAGMA synchronous = OFF")  # the pool hands out this connection from now on
    raw.close()


@contextmanager
def refusals() -> Iterator[None]:
    """To be told no is fine: what must hold is looked at afterwards."""
    try:
        yield
    except NewsletterError:
        return


def pick(found, which):
    """One of these, counted from the newest."""
    return found[-1 - which % len(found)]
