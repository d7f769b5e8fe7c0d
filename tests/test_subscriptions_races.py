"""Two at once: whoever comes second sees what the first did, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from time import monotonic

import pytest
from sqlalchemy import Connection

from newsletter import subscriptions
from newsletter.app import App
from newsletter.errors import LinkError, RefusedError, UsageError
from newsletter.model import (
    Address,
    Consent,
    Format,
    Language,
    Subscriber,
    SubscriberId,
    SubscriberState,
    Suppressed,
    Suppression,
)
from newsletter.parsing import parse_address
from newsletter.store import subscribers, suppressions
from newsletter.subscriptions import Preferences, suppressing
from newsletter.subscriptions.joining import Joined
from tests.support.databases import Database
from tests.support.joining import Outbox
from tests.support.sites import Clock, small_app

ROBIN = "robin@people.example"
PATIENCE = 120  # seconds


@pytest.fixture
def app(tmp_path: Path, database: Database) -> Iterator[App]:
    clock = Clock(datetime(2026, 11, 2, 12, tzinfo=UTC))
    with small_app(tmp_path / "site", clock, NEWSLETTER_STORE_URL=database.url) as made:
        yield made


@pytest.fixture
def outbox(app: App) -> Outbox:
    return Outbox(app)


def meanwhile(app: App, act: Callable[[], object], first: Callable[[object], object]) -> Future[object]:
    """``act`` begins while the transaction of ``first`` is open; it ends after that one."""
    with ThreadPoolExecutor(1) as pool, app.store.begin() as tx:
        first(tx)
        doing = pool.submit(act)
        # It has begun: on PostgreSQL it waits for the row, on SQLite for its turn.
        deadline = monotonic() + PATIENCE
        while tx.dialect.name == "postgresql" and monotonic() < deadline and not doing.done():
            if tx.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one():
                break
    return doing


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("pause", lambda person, app: subscriptions.pause(person, 2, app)),
        ("resume", subscriptions.resume),
        ("bounce", subscriptions.bounced),
    ],
)
def test_who_leaves_meanwhile_has_left(
    outbox: Outbox, app: App, name: str, act: Callable[[Subscriber, App], object]
) -> None:
    """What was chosen a moment before does not bring them back."""
    person = outbox.join(ROBIN)
    done = meanwhile(
        app, lambda: act(person, app), lambda tx: subscribers.unsubscribe(tx, person.id, app.clock())  # type: ignore[arg-type]
    )  # fmt: skip
    if name == "bounce":
        assert done.result() is False
    else:
        assert isinstance(done.exception(), UsageError)
    assert outbox.person(ROBIN).state is SubscriberState.UNSUBSCRIBED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "act",
    [
        lambda person, app: subscriptions.pause(person, 2, app),
        lambda person, app: subscriptions.save(person, Preferences(Language("fr"), Format.TEXT), app),
        lambda person, app: subscriptions.ask_to_move(person, parse_address("r@new.example"), app),
        subscriptions.leave,
    ],
    ids=["pause", "save", "move", "leave"],
)
def test_who_is_erased_meanwhile_stays_erased(
    outbox: Outbox, app: App, act: Callable[[Subscriber, App], object]
) -> None:
    """Nothing is written into the row that is left of them."""
    person = outbox.join(ROBIN)
    done = meanwhile(app, lambda: act(person, app), lambda tx: subscribers.erase(tx, person.id, app.clock()))  # type: ignore[arg-type]
    assert isinstance(done.exception(), LinkError)
    with app.store.read() as tx:
        left = subscribers.get(tx, person.id)
    assert left
    assert (left.state, left.address.mailbox, left.language, left.paused_until) == (
        SubscriberState.ERASED, "", "", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "act",
    [
        lambda address, app: subscriptions.suppress(address, "", app, note="they asked"),
        lambda address, app: subscriptions.suppress(None, address.domain, app, note="they asked"),
        subscriptions.erase_address,
    ],
    ids=["address", "domain", "erased"],
)
def test_who_is_suppressed_while_they_confirm_is_not_on_the_list(
    outbox: Outbox, app: App, act: Callable[[Address, App], object]
) -> None:
    """What an operator does at that moment sees them: they have come already, and go again."""
    address = parse_address(ROBIN)
    coming = Subscriber(id=SubscriberId(7), address=address, language=Language("en"))
    evidence = Consent(app.clock(), "confirmed by mailed link", "")

    def confirm(tx: Connection) -> None:
        suppressions.hold_open(tx)
        subscribers.add(tx, coming, evidence)

    meanwhile(app, lambda: act(address, app), confirm).result()  # type: ignore[arg-type]
    person = outbox.person(ROBIN)
    assert person is None or person.state is SubscriberState.UNSUBSCRIBED


@pytest.mark.parametrize("how", ["confirm", "move", "add", "undo"])
def test_who_is_suppressed_meanwhile_is_not_let_in(outbox: Outbox, app: App, how: str) -> None:
    """Whoever waits at the door finds it closed: each way in asks only once nobody is suppressed any more."""
    new = "new@people.example"
    if how in ("confirm", "add"):
        outbox.ask(new)
    else:
        person = outbox.join(ROBIN if how == "move" else new)
        if how == "move":
            subscriptions.ask_to_move(person, parse_address(new), app)
            subscriptions.confirm_move(outbox.token("move-old"), app)
        else:
            subscriptions.leave(person, app)
    ways_in: dict[str, Callable[[], object]] = {
        "confirm": lambda: subscriptions.confirm(outbox.token("confirm"), app),
        "add": lambda: subscriptions.add(new, app, language="en", text_format="", consent="by phone"),
        "move": lambda: subscriptions.confirm_move(outbox.token("move-new"), app),
        "undo": lambda: subscriptions.undo(outbox.token("goodbye"), app),
    }

    def suppress(tx: Connection) -> None:
        suppressions.close(tx)
        key = suppressing.address_key(parse_address(new), app)
        suppressions.add(tx, Suppression(key=key, reason=Suppressed.OPERATOR, since=app.clock(), shown=new))

    done = meanwhile(app, ways_in[how], suppress)  # type: ignore[arg-type]
    assert isinstance(done.exception(), LinkError | RefusedError)
    person = outbox.person(new)
    assert person is None or person.state is SubscriberState.UNSUBSCRIBED


def at_once(act: Callable[[], object], times: int = 4) -> list[object]:
    """So many threads that begin together; results, or what was raised."""
    barrier = Barrier(times)

    def run(_: int) -> object:
        barrier.wait(PATIENCE)
        try:
            return act()
        except LinkError as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_pressing_twice_at_once_confirms_once_and_tells_both(outbox: Outbox, app: App) -> None:
    """A double click is no fault."""
    outbox.ask(ROBIN)
    token = outbox.token("confirm")
    answers = at_once(lambda: subscriptions.confirm(token, app).now)
    assert sorted(map(str, answers)) == ["False", "False", "False", "True"]


def test_two_first_confirmations_at_once_are_one_person(outbox: Outbox, app: App) -> None:
    """By two links: the second answers as if it had come a moment later, and what it says counts."""
    outbox.ask(ROBIN)
    second = outbox.token("confirm")
    other = Subscriber(id=SubscriberId(7), address=parse_address(ROBIN), language=Language("fr"), format=Format.TEXT)
    evidence = Consent(app.clock(), "confirmed by the first link", "")
    done = meanwhile(app, lambda: subscriptions.confirm(second, app), lambda tx: subscribers.add(tx, other, evidence))  # type: ignore[arg-type]
    person = outbox.person(ROBIN)
    assert done.result() == Joined(person, now=True)  # type: ignore[arg-type]
    assert person
    assert (person.id, person.language, person.format) == (SubscriberId(7), "en", Format.HTML)
    with app.store.read() as tx:
        ways = [consent.how for consent in subscribers.consents(tx, person.id)]
    assert sorted(ways) == ["confirmed by mailed link (form)", "confirmed by the first link"]


def test_undoing_twice_at_once_tells_both_the_same(outbox: Outbox, app: App) -> None:
    """The person, active again."""
    left = subscriptions.leave(outbox.join(ROBIN), app)
    answers = at_once(lambda: subscriptions.undo(left.undo, app).state)
    assert answers == [SubscriberState.ACTIVE] * 4


def test_both_mailboxes_may_say_yes_at_the_same_moment(outbox: Outbox, app: App) -> None:
    """Then it is done; nobody has to press a third time."""
    for round_ in range(5):
        person = outbox.join(f"p{round_}@people.example")
        subscriptions.ask_to_move(person, parse_address(f"p{round_}@new.example"), app)
        tokens = [outbox.token("move-old", person.address.mailbox), outbox.token("move-new", f"p{round_}@new.example")]
        at_once(lambda left=tokens: subscriptions.confirm_move(left.pop(), app), times=2)
        assert outbox.person(f"p{round_}@new.example")
        app.clock.now += timedelta(days=1)  # type: ignore[attr-defined]
