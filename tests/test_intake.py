"""What waits at the door: a pass costs little, however much waits, and writes down nobody who was erased meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event
from structlog.testing import capture_logs

from newsletter import subscriptions
from newsletter.app import App
from newsletter.model import Language, Signup, Wish
from newsletter.parsing import parse_address
from newsletter.store import signups
from newsletter.store.database import WRITES
from newsletter.store.tables import metadata
from newsletter.subscriptions import Asked
from newsletter.subscriptions.evidence import PORTALS
from newsletter.subscriptions.intake import HELD_FOR, MAX_DECIDED, TURN
from tests.support.databases import Database
from tests.support.joining import Outbox
from tests.support.sites import READER, Clock, small_app

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
HANDFUL = 5
FLOOD = 5_000


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[App]:
    with small_app(
        tmp_path / "site", clock, NEWSLETTER_SUBSCRIBERS_PER_DOMAIN_HOUR="5", NEWSLETTER_SUBSCRIBERS_SURGE_HOUR="3"
    ) as made:
        yield made


def ask(app: App, address: str, *, how: str = "form", wish: Wish = Wish.JOIN) -> None:
    """Through the door, each from a network of its own."""
    asked = Asked(address=parse_address(address), wish=wish, language=Language("en"), how=how)
    subscriptions.ask(asked, app, network=f"of {address}")


def held(app: App) -> int:
    return subscriptions.held_signups(app).count


def keep(app: App, *addresses: str, **changes: object) -> None:
    """They asked, and nobody has looked yet."""
    values = {"wish": Wish.JOIN, "language": Language("en"), "asked": app.clock()} | changes
    with app.store.begin() as tx:
        for address in addresses:
            signups.add(tx, Signup(address=parse_address(address), **values))  # type: ignore[arg-type]


def left(app: App) -> int:
    with app.store.read() as tx:
        return signups.count(tx)


@contextmanager
def before_writing(act: Callable[[], None]) -> Iterator[None]:
    """Do it before every write transaction of this process."""

    def begins(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            act()

    event.listen(Engine, "begin", begins)
    try:
        yield
    finally:
        event.remove(Engine, "begin", begins)


def writes_of(app: App) -> int:
    """How many write transactions one pass makes."""
    seen: list[None] = []
    with before_writing(lambda: seen.append(None)):
        subscriptions.tend(app)
    return len(seen)


def test_a_backlog_of_one_domain_costs_the_others_nothing(app: App, clock: Clock) -> None:
    """Its first refused row is the last that is looked at: who waits behind it is decided, and nobody is locked out."""
    subscriptions.tend(app)  # what is done once an hour
    keep(app, *(f"p{number}@full.example" for number in range(FLOOD)), "one@else.example")
    assert 0 < writes_of(app) <= HANDFUL
    assert {one.recipient for one in Outbox(app).waiting("confirm")} == {
        "one@else.example",
        *(f"p{number}@full.example" for number in range(5)),
    }
    assert writes_of(app) == 0
    assert left(app) == FLOOD - 5
    clock.now += timedelta(minutes=12)
    assert 0 < writes_of(app) <= HANDFUL
    assert left(app) == FLOOD - 6


def test_one_pass_decides_so_many_that_mails_leave_meanwhile(app: App) -> None:
    """The rest is decided by the next one, a few seconds later."""
    keep(app, *(f"p@d{number}.example" for number in range(MAX_DECIDED + TURN)))
    assert subscriptions.tend(app) == MAX_DECIDED
    assert subscriptions.tend(app) == TURN
    assert left(app) == 0


def test_what_is_dropped_for_its_age_is_counted_in_the_log(app: App, clock: Clock) -> None:
    """The week runs from the asking: what was released too late is not dropped in silence."""
    subscriptions.tend(app)
    keep(app, "late@people.example", "later@people.example", held=True, asked=NOW - HELD_FOR - timedelta(hours=1))
    subscriptions.release_signups(app)
    with capture_logs() as logs:
        subscriptions.tend(app)
    assert [(one["event"], one["log_level"], one["count"]) for one in logs] == [
        ("sign-ups dropped for their age", "warning", 2)
    ]
    keep(app, "held@people.example", held=True, asked=NOW - HELD_FOR)
    clock.now += timedelta(hours=1)
    with capture_logs() as logs:
        subscriptions.tend(app)
    assert [one["count"] for one in logs if one["event"] == "sign-ups dropped for their age"] == [1]
    assert (left(app), Outbox(app).waiting("confirm")) == (0, [])


def test_who_is_erased_between_the_reading_and_the_deciding_is_not_written_down_again(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    """What is decided is what the deciding transaction finds, not what an earlier one read."""
    with small_app(tmp_path / "site", clock, NEWSLETTER_STORE_URL=database.url) as app:
        keep(app, "vic@people.example", "ann@people.example")
        with (
            small_app(tmp_path / "other", clock, NEWSLETTER_STORE_URL=database.url) as other,
            before_writing(_once(lambda: subscriptions.erase_address(parse_address("vic@people.example"), other))),
        ):
            subscriptions.tend(app)
        assert [one.recipient for one in Outbox(app).waiting()] == ["ann@people.example"]
        assert "vic@" not in dump(app)


def test_a_link_to_preferences_is_never_held_and_holds_nobody(app: App) -> None:
    """It goes to people on the list alone, and so many to each: a surge of strangers must not lock them out."""
    for number in range(10):
        ask(app, f"p{number}@people.example", wish=Wish.PREFERENCES)
    ask(app, "new@people.example")
    assert held(app) == 0
    for number in range(10):
        ask(app, f"q{number}@people.example")
    before = held(app)
    ask(app, READER, wish=Wish.PREFERENCES)
    assert (before, held(app)) == (8, 8)
    subscriptions.tend(app)
    assert [one.recipient for one in Outbox(app).waiting("preferences")] == [READER]


def test_each_portal_and_the_form_have_a_surge_of_their_own(app: App) -> None:
    """What one portal may ask for puts neither the public form nor another portal on hold, and the other way round."""
    for number in range(5):
        ask(app, f"p{number}@people.example", how=f"{PORTALS}intranet")
    assert held(app) == 2
    for how in ("form", f"{PORTALS}shop"):
        for number in range(3):
            ask(app, f"{number}@{how.split()[0]}.example", how=how)
        assert held(app) == 2
    ask(app, "fourth@people.example")
    assert held(app) == 3


def _once(act: Callable[[], object]) -> Callable[[], None]:
    """It writes itself: what it causes must not cause it again."""
    done: list[None] = []

    def acting() -> None:
        if not done:
            done.append(None)
            act()

    return acting


def dump(app: App) -> str:
    with app.store.read() as tx:
        return "\n".join(str(tuple(row)) for table in metadata.sorted_tables for row in tx.execute(table.select()))
