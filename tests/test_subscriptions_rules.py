"""Join, confirm, choose, leave, be forgotten: the rules, over a real database and a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter import subscriptions
from newsletter.app import App
from newsletter.errors import LinkError, RefusedError, TooManyError, UsageError
from newsletter.keys import unsubscribe_token
from newsletter.model import Admission, Format, Language, SubscriberState, Wish
from newsletter.parsing import parse_address
from newsletter.render.words import words
from newsletter.store import signups, subscribers, suppressions
from newsletter.store.tables import metadata
from newsletter.subscriptions import Preferences, evidence
from newsletter.subscriptions.intake import HELD_FOR
from newsletter.subscriptions.links import LIVES
from tests.support.joining import Outbox
from tests.support.sites import READER, Clock, small_app

ROBIN = "robin@people.example"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
STAFF = """
[subscribers]
surge_hour = 20
per_network_hour = 10
per_domain_hour = 5
refused_domains = ["throwaway.example"]

[[subscribers.audiences]]
name = "staff"
title = {en = "Staff"}
domains = ["meridian.example", ".lab.example"]
"""


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[App]:
    with small_app(tmp_path / "site", clock, settings=STAFF) as made:
        yield made


@pytest.fixture
def outbox(app: App) -> Outbox:
    return Outbox(app)


def kinds(outbox: Outbox, to: str = "") -> list[str]:
    return [one.kind for one in outbox.waiting(to=to)]


# --- joining --------------------------------------------------------------------------------------------------


def test_nobody_is_on_the_list_before_they_confirm(outbox: Outbox, app: App) -> None:
    """Double opt-in; what they agreed to is kept with the moment, the way and the form's version."""
    outbox.ask(ROBIN)
    assert outbox.person(ROBIN) is None
    (mail,) = outbox.waiting()
    assert (mail.kind, mail.recipient) == ("confirm", ROBIN)
    assert set(mail.facts) == {"until"}  # nothing that anybody typed
    joined = subscriptions.confirm(outbox.token("confirm"), app)
    assert (joined.now, joined.subscriber.state) == (True, SubscriberState.ACTIVE)
    with app.store.read() as tx:
        (consent,) = subscribers.consents(tx, joined.subscriber.id)
    assert (consent.at, consent.words, consent.form) == (NOW, "I agree.", "1")
    assert consent.how == "confirmed by mailed link (form)"
    assert kinds(outbox) == ["confirm", "welcome"]


@pytest.mark.parametrize(
    ("how", "note", "french"),
    [
        (
            evidence.CONFIRMED.format(evidence.FORM),
            evidence.ASKED.format(NOW),
            "confirmation par le lien envoyé (formulaire), demande du 2 novembre 2026, 13:00",
        ),
        (evidence.CONFIRMED.format(evidence.INVITED), "", "confirmation par le lien envoyé (invitation)"),
        (evidence.CONFIRMED.format("portal intranet"), "", "confirmation par le lien envoyé (portail intranet)"),
        (evidence.ADDED, "asked for at the fair", "ajout par un gestionnaire, asked for at the fair"),
        (evidence.MOVED, "", "changement d\u2019adresse, accepté par les deux"),
        ("carved in stone", "", "carved in stone"),
    ],
)
def test_evidence_is_read_in_the_language_and_by_the_clocks_of_its_owner(
    app: App, how: str, note: str, french: str
) -> None:
    """What we hold is kept in English and in UTC; what an operator wrote is quoted."""
    assert evidence.told(how, note, words(Language("fr")), app.local) == french


def test_confirming_twice_says_the_same_and_does_nothing(outbox: Outbox, app: App) -> None:
    """A double click, or a reload."""
    joined = outbox.join(ROBIN)
    again = subscriptions.confirm(outbox.token("confirm"), app)
    assert (again.now, again.subscriber) == (False, joined)
    assert kinds(outbox).count("welcome") == 1


def test_a_confirmation_is_good_for_seven_days(outbox: Outbox, app: App, clock: Clock) -> None:
    """Then it grants nothing, and the page can say why."""
    outbox.ask(ROBIN)
    token = outbox.token("confirm")
    clock.now += timedelta(days=7)
    with pytest.raises(LinkError) as told:
        subscriptions.confirm(token, app)
    assert told.value.spent
    assert outbox.person(ROBIN) is None


def test_who_left_is_not_brought_back_by_an_older_link(outbox: Outbox, app: App, clock: Clock) -> None:
    """Neither the used one nor one that was never used."""
    person = outbox.join(ROBIN)
    used = outbox.token("confirm")
    outbox.deliver()
    clock.now += timedelta(days=2)
    with app.store.begin() as tx:
        subscribers.set_state(tx, person.id, SubscriberState.ENDED, clock())
    outbox.ask(ROBIN)
    fresh = outbox.token("confirm")
    subscriptions.leave(person, app)
    for token in (used, fresh):
        with pytest.raises(LinkError):
            subscriptions.confirm(token, app)


def test_who_is_subscribed_hears_so_by_mail_alone(outbox: Outbox, clock: Clock) -> None:
    """The page cannot tell; the mail opens their preferences."""
    outbox.join(ROBIN)
    outbox.deliver()
    clock.now += timedelta(days=2)
    outbox.ask(ROBIN.upper())
    assert kinds(outbox) == ["already-subscribed"]


@pytest.mark.parametrize("state", ["unsubscribed", "bouncing", "ended"])
def test_who_comes_back_confirms_again(outbox: Outbox, app: App, clock: Clock, state: str) -> None:
    """Whatever ended it: a new consent, beside the earlier one."""
    person = outbox.join(ROBIN)
    with app.store.begin() as tx:
        subscribers.set_state(tx, person.id, SubscriberState(state), NOW)
    clock.now += timedelta(days=2)
    outbox.deliver()
    outbox.ask(ROBIN)
    back = subscriptions.confirm(outbox.token("confirm"), app).subscriber
    assert (back.id, back.state) == (person.id, SubscriberState.ACTIVE)
    with app.store.read() as tx:
        assert len(subscribers.consents(tx, person.id)) == 2


# --- limits ---------------------------------------------------------------------------------------------------


def test_one_confirmation_a_day_three_a_month_then_silence(outbox: Outbox, clock: Clock) -> None:
    """However often somebody types a stranger's address, over ninety days and three times a day."""
    days = []
    for day in range(90):
        for hour in range(3):
            clock.now = NOW + timedelta(days=day, hours=8 * hour)
            outbox.ask(ROBIN)
            days += [day] * len(outbox.waiting("confirm"))
            outbox.deliver()
    assert len(days) == len(set(days))
    assert days[:3] == [0, 1, 2]
    assert max(sum(first <= day < first + 30 for day in days) for first in range(60)) == 3


def test_many_from_one_network_have_to_wait(outbox: Outbox, app: App) -> None:
    """They are told when to come again, and nothing of theirs is kept; others are not concerned."""
    for number in range(10):
        outbox.ask(f"p{number}@d{number}.example")
    with pytest.raises(TooManyError) as told:
        outbox.ask(ROBIN)
    assert 0 < told.value.seconds <= 3600
    outbox.ask(ROBIN, network="2001:db8::/64")
    assert kinds(outbox, ROBIN) == ["confirm"]


def test_a_domain_gets_so_many_an_hour_and_the_others_wait(outbox: Outbox, app: App, clock: Clock) -> None:
    """Nobody is forgotten: they have their mail an hour later."""
    for number in range(8):
        outbox.ask(f"p{number}@people.example", network=f"192.0.2.{number}")
    outbox.ask("other@else.example", network="192.0.2.99")
    assert len(outbox.waiting("confirm")) == 5 + 1
    clock.now += timedelta(hours=1)
    subscriptions.tend(app)
    assert len({one.recipient for one in outbox.waiting("confirm")}) == 9


def test_a_surge_is_held_and_the_operators_hear_once(outbox: Outbox, app: App, clock: Clock) -> None:
    """Twenty an hour go through; what comes above that waits for a person, and is dropped after a week."""
    for number in range(30):
        outbox.ask(f"p@d{number}.example", network=f"192.0.2.{number}")
    assert len(outbox.waiting("confirm")) == 20
    (alarm,) = outbox.waiting("alarm-surge")
    assert alarm.recipient == "security-editors@meridian.example"
    with app.store.read() as tx:
        assert signups.count(tx, held=True) == 10
    with app.store.begin() as tx:
        signups.let_go(tx)
    subscriptions.tend(app)
    assert len(outbox.waiting("confirm")) == 30
    clock.now += HELD_FOR
    for number in range(40, 70):
        outbox.ask(f"p@d{number}.example", network=f"192.0.2.{number}")
    clock.now += HELD_FOR + timedelta(hours=2)
    subscriptions.tend(app)
    with app.store.read() as tx:
        assert signups.count(tx) == 0


@pytest.mark.parametrize("address", ["bomb@throwaway.example", "suppressed@people.example", "x@gone.example"])
def test_silence_for_who_is_refused_or_suppressed(outbox: Outbox, app: App, address: str) -> None:
    """By setting, by address, by domain."""
    subscriptions.suppress(parse_address("suppressed@people.example"), "", app, note="asked us to")
    subscriptions.suppress(None, "gone.example", app, note="closed")
    outbox.ask(address)
    outbox.ask(address, Wish.PREFERENCES)
    assert outbox.waiting() == []


# --- choosing -------------------------------------------------------------------------------------------------


def opened(outbox: Outbox, app: App, address: str) -> str:
    outbox.ask(address, Wish.PREFERENCES)
    return subscriptions.open_session(outbox.token("preferences", address), app)


def test_the_link_to_preferences_opens_them_once_for_an_hour(outbox: Outbox, app: App, clock: Clock) -> None:
    """A stranger's address gets no such mail."""
    person = outbox.join(ROBIN)
    session = opened(outbox, app, ROBIN)
    assert subscriptions.session_holder(session, app) == person
    with pytest.raises(LinkError):
        subscriptions.open_session(outbox.token("preferences"), app)
    clock.now += timedelta(hours=1)
    with pytest.raises(LinkError):
        subscriptions.session_holder(session, app)
    outbox.deliver()
    outbox.ask("nobody@people.example", Wish.PREFERENCES)
    assert outbox.waiting() == []


def test_what_is_chosen_is_kept(outbox: Outbox, app: App) -> None:
    """Language and format; an audience that is not open to them is refused."""
    person = outbox.join(ROBIN)
    subscriptions.save(person, Preferences(Language("fr"), Format.TEXT), app)
    assert (found := outbox.person(ROBIN))
    assert (found.language, found.format) == ("fr", Format.TEXT)
    for wrong in (Preferences(Language("de"), Format.TEXT), Preferences(Language("fr"), Format.TEXT, "staff")):
        with pytest.raises(UsageError):
            subscriptions.save(person, wrong, app)


def test_a_pause_ends_by_itself(outbox: Outbox, app: App, clock: Clock) -> None:
    """Two months later they are active, without being asked."""
    person = subscriptions.pause(outbox.join(ROBIN), 2, app)
    assert person.paused_until
    assert person.paused_until.date().isoformat() == "2027-01-02"
    clock.now = person.paused_until - timedelta(minutes=1)
    subscriptions.tend(app)
    assert outbox.person(ROBIN).state is SubscriberState.PAUSED  # type: ignore[union-attr]
    clock.now += timedelta(hours=1)
    subscriptions.tend(app)
    assert outbox.person(ROBIN).state is SubscriberState.ACTIVE  # type: ignore[union-attr]
    with pytest.raises(UsageError):
        subscriptions.pause(person, 7, app)


def test_an_address_changes_when_both_mailboxes_say_yes(outbox: Outbox, app: App) -> None:
    """One alone changes nothing, twice neither."""
    person = outbox.join(ROBIN)
    subscriptions.ask_to_move(person, parse_address("r@new.example"), app)
    new, old = outbox.token("move-new"), outbox.token("move-old")
    for _ in range(2):
        assert not subscriptions.confirm_move(new, app).done
    assert outbox.person("r@new.example") is None
    for _ in range(2):
        assert subscriptions.confirm_move(old, app).done
    assert outbox.person(ROBIN) is None
    assert outbox.person("r@new.example").id == person.id  # type: ignore[union-attr]


def test_an_address_that_is_somebody_elses_is_not_told_and_not_taken(outbox: Outbox, app: App) -> None:
    """Whoever asked sees the same; the owner hears that they are subscribed already."""
    person = outbox.join(ROBIN)
    subscriptions.ask_to_move(person, parse_address(READER), app)
    assert kinds(outbox, READER) == ["already-subscribed"]
    assert not subscriptions.confirm_move(outbox.token("move-old"), app).done


def test_an_address_taken_meanwhile_is_not_taken_away(outbox: Outbox, app: App, clock: Clock) -> None:
    """The last step is refused by the database."""
    person = outbox.join(ROBIN)
    subscriptions.ask_to_move(person, parse_address("r@new.example"), app)
    subscriptions.add("r@new.example", app, language="en", text_format="html", consent="by phone")
    subscriptions.confirm_move(outbox.token("move-new"), app)
    with pytest.raises(LinkError):
        subscriptions.confirm_move(outbox.token("move-old"), app)
    assert outbox.person(ROBIN)


def test_a_stranger_who_rings_to_say_no_stops_a_move_to_their_address(outbox: Outbox, app: App) -> None:
    """An older link of either mailbox does nothing then; and nothing is left that a second no could take back."""
    subscriptions.ask_to_move(outbox.join(ROBIN), parse_address("r@new.example"), app)
    tokens = outbox.token("move-new"), outbox.token("move-old")
    assert subscriptions.leave_by_address(parse_address("R@new.example"), app) is None
    for token in tokens:
        with pytest.raises(LinkError):
            subscriptions.confirm_move(token, app)
    with pytest.raises(UsageError):
        subscriptions.leave_by_address(parse_address("r@new.example"), app)


# --- audiences ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["kim@meridian.example", "kim@physics.lab.example"])
def test_a_verified_domain_opens_an_audience_until_its_rule_ends(
    outbox: Outbox, app: App, clock: Clock, address: str
) -> None:
    """Who moves to another address, or whose domain is taken out of the settings, reads what is public."""
    person = outbox.join(address)
    assert subscriptions.allowed_audiences(person, app) == ("public", "staff")
    person = subscriptions.save(person, Preferences(Language("en"), Format.HTML, "staff"), app)
    assert person.admission is Admission.DOMAIN
    subscriptions.ask_to_move(person, parse_address("kim@home.example"), app)
    subscriptions.confirm_move(outbox.token("move-new"), app)
    moved = subscriptions.confirm_move(outbox.token("move-old"), app).subscriber
    assert (moved.audience, moved.admission) == ("public", Admission.OPEN)


def test_a_rule_that_is_gone_ends_what_it_opened(outbox: Outbox, app: App, tmp_path: Path, clock: Clock) -> None:
    """At the next tidying; who was invited stays."""
    person = subscriptions.save(
        outbox.join("kim@meridian.example"), Preferences(Language("en"), Format.HTML, "staff"), app
    )
    subscriptions.invite(parse_address("guest@people.example"), "staff", Language("en"), app)
    guest = subscriptions.confirm(outbox.token("invitation"), app).subscriber
    assert guest.admission is Admission.INVITATION
    rules = STAFF.replace('"meridian.example", ', "")
    clock.now += timedelta(hours=2)
    with small_app(tmp_path / "other", clock, settings=rules, NEWSLETTER_STORE_URL=app.settings.store_url) as changed:
        subscriptions.tend(changed)
    assert outbox.person(person.address.mailbox).audience == "public"  # type: ignore[union-attr]
    assert outbox.person("guest@people.example").audience == "staff"  # type: ignore[union-attr]


def test_nobody_is_invited_to_what_does_not_exist(app: App) -> None:
    """A clear message for the operator."""
    with pytest.raises(UsageError, match="staff"):
        subscriptions.invite(parse_address(ROBIN), "board", Language("en"), app)


@pytest.mark.parametrize("way", [subscriptions.leave, subscriptions.bounced])
def test_who_is_away_is_invited_only_when_they_asked(outbox: Outbox, app: App, clock: Clock, way) -> None:
    """And nobody twice on one day, however often an operator tries."""
    way(outbox.join(ROBIN), app)
    clock.now += timedelta(days=2)
    with pytest.raises(RefusedError, match="--again"):
        subscriptions.invite(parse_address(ROBIN), "staff", Language("en"), app)
    assert not outbox.waiting("invitation")
    subscriptions.invite(parse_address(ROBIN), "staff", Language("en"), app, again=True)
    with pytest.raises(RefusedError, match="written to already"):
        subscriptions.invite(parse_address(ROBIN), "staff", Language("en"), app, again=True)
    assert len(outbox.waiting("invitation")) == 1


def test_an_invitation_changes_the_audience_alone(outbox: Outbox, app: App, clock: Clock) -> None:
    """Who is on the list keeps language, format and pause."""
    person = subscriptions.save(outbox.join(ROBIN), Preferences(Language("en"), Format.TEXT, "public"), app)
    paused = subscriptions.pause(person, 2, app)
    clock.now += timedelta(days=2)
    subscriptions.invite(parse_address(ROBIN), "staff", Language("fr"), app)
    joined = subscriptions.confirm(outbox.token("invitation"), app).subscriber
    assert joined == outbox.person(ROBIN)
    assert joined == replace(paused, audience="staff", admission=Admission.INVITATION)


# --- leaving --------------------------------------------------------------------------------------------------


def test_leaving_tells_the_owner_and_can_be_taken_back(outbox: Outbox, app: App) -> None:
    """By the page that is open, or by the mail, when somebody pressed the button of a forwarded letter."""
    person = subscriptions.pause(outbox.join(ROBIN), 3, app)
    left = subscriptions.leave_by_token(unsubscribe_token(app.keys, person.id), app)
    assert left.subscriber.state is SubscriberState.UNSUBSCRIBED
    assert kinds(outbox, ROBIN).count("goodbye") == 1
    again = subscriptions.leave_by_token(unsubscribe_token(app.keys, person.id), app)
    assert again.undo == ""
    assert kinds(outbox, ROBIN).count("goodbye") == 1
    for token in (outbox.token("goodbye"), outbox.token("goodbye")):
        assert subscriptions.undo(token, app).state is SubscriberState.PAUSED
    assert outbox.person(ROBIN) == person


def test_a_second_no_takes_the_first_ones_button_away(outbox: Outbox, app: App) -> None:
    """Somebody with a forwarded letter leaves and keeps the page; then the owner leaves too, and means it."""
    person = outbox.join(ROBIN)
    stranger = subscriptions.leave_by_token(unsubscribe_token(app.keys, person.id), app)
    assert stranger.undo
    owner = subscriptions.leave_by_token(unsubscribe_token(app.keys, person.id), app)
    assert owner.undo == ""
    with pytest.raises(LinkError):
        subscriptions.undo(stranger.undo, app)
    assert outbox.person(ROBIN).state is SubscriberState.UNSUBSCRIBED  # type: ignore[union-attr]


def test_nobody_fills_a_mailbox_by_leaving_and_coming_back(outbox: Outbox, app: App, clock: Clock) -> None:
    """Two goodbyes a day, then the leaving stays: there is no button to go on with."""
    person = outbox.join(ROBIN)
    turns = 0
    while (left := subscriptions.leave(person, app)).undo:
        subscriptions.undo(left.undo, app)
        turns += 1
    assert turns == 2
    assert kinds(outbox, ROBIN).count("goodbye") == 2
    assert outbox.person(ROBIN).state is SubscriberState.UNSUBSCRIBED  # type: ignore[union-attr]


def test_links_and_pages_of_the_old_mailbox_die_when_the_address_moves(outbox: Outbox, app: App) -> None:
    """Its reader has no more business with the preferences of the new one."""
    person = outbox.join(ROBIN)
    session = opened(outbox, app, ROBIN)
    subscriptions.ask_to_move(person, parse_address("r@new.example"), app)
    new, old = outbox.token("move-new"), outbox.token("move-old")
    outbox.ask(ROBIN, Wish.PREFERENCES)
    link = [outbox.token("preferences", ROBIN)]
    subscriptions.confirm_move(new, app)
    subscriptions.confirm_move(old, app)
    for spent in link:
        with pytest.raises(LinkError):
            subscriptions.open_session(spent, app)
    with pytest.raises(LinkError):
        subscriptions.session_holder(session, app)
    assert outbox.waiting(to=ROBIN) == []


def test_who_left_is_not_written_to_because_somebody_wants_their_address(outbox: Outbox, app: App) -> None:
    """Nor told that they are subscribed, which is not so."""
    subscriptions.leave(outbox.join("left@people.example"), app)
    outbox.deliver()
    subscriptions.ask_to_move(outbox.join(ROBIN), parse_address("left@people.example"), app)
    assert outbox.waiting(to="left@people.example") == []


def test_an_old_undo_does_not_undo_a_later_leaving(outbox: Outbox, app: App) -> None:
    """Every leaving voids the links before it."""
    person = outbox.join(ROBIN)
    first = subscriptions.leave(person, app)
    subscriptions.undo(first.undo, app)
    old = outbox.token("goodbye")
    subscriptions.leave(person, app)
    for token in (first.undo, old):
        with pytest.raises(LinkError):
            subscriptions.undo(token, app)
    assert outbox.person(ROBIN).state is SubscriberState.UNSUBSCRIBED  # type: ignore[union-attr]


def test_undo_gives_back_what_was_and_no_more(outbox: Outbox, app: App) -> None:
    """Whose letters bounced before is not active by it."""
    person = outbox.join(ROBIN)
    subscriptions.bounced(person, app)
    left = subscriptions.leave(person, app)
    assert subscriptions.undo(left.undo, app).state is SubscriberState.BOUNCING


def test_who_is_erased_is_nowhere_in_the_database(outbox: Outbox, app: App, clock: Clock) -> None:
    """Only a keyed hash is left, which keeps operators from adding them again; by themselves they may come back."""
    person = outbox.join(ROBIN)
    outbox.ask(ROBIN, Wish.PREFERENCES)
    subscriptions.leave(person, app)
    subscriptions.erase(person, app)
    with app.store.read() as tx:
        assert [one.shown for one in suppressions.every(tx)] == [""]
    assert "robin" not in "\n".join(_dump(app)).lower()
    with pytest.raises(LinkError):
        subscriptions.look_up(unsubscribe_token(app.keys, person.id), app)
    clock.now += timedelta(days=40)
    outbox.ask(ROBIN)
    back = subscriptions.confirm(outbox.token("confirm"), app).subscriber
    assert back.id != person.id
    with app.store.read() as tx:
        assert list(suppressions.every(tx)) == []


def test_the_bytes_of_who_is_erased_are_in_no_file_of_the_database(outbox: Outbox, app: App, tmp_path: Path) -> None:
    """Neither in a page that is free now, nor in SQLite's log."""
    person = outbox.join(ROBIN)
    subscriptions.erase(person, app)
    files = sorted((tmp_path / "site" / "var").glob("newsletter.db*"))
    assert files
    assert not [file.name for file in files if b"robin" in file.read_bytes().lower()]


def test_what_we_hold_names_what_is_still_under_way(outbox: Outbox, app: App) -> None:
    """Open links with their end, the address that somebody wants to move to, and mails that wait."""
    person = outbox.join(ROBIN)
    subscriptions.ask_to_move(person, parse_address("r@new.example"), app)
    held = subscriptions.held_about(person, app)
    assert {(link["for"], link["to"]) for link in held["links"]} == {
        ("move-old", "r@new.example"),
        ("move-new", "r@new.example"),
    }
    assert [mail["kind"] for mail in held["mails_waiting"]] == sorted(["confirm", "move-old", "welcome"])


def test_who_belongs_to_an_audience_without_editions_hears_so(outbox: Outbox, app: App) -> None:
    """Not that the next report comes by itself."""
    subscriptions.invite(parse_address(ROBIN), "staff", Language("en"), app)
    subscriptions.confirm(outbox.token("invitation"), app)
    (welcome,) = outbox.waiting("welcome", ROBIN)
    assert welcome.facts["audience"] == "Staff"
    text = app.write_notice(welcome)
    assert "Editions for Staff are not made yet" in text.html
    assert "From now on" not in text.text
    person = outbox.person(ROBIN)
    assert person
    with app.store.read() as tx:
        (consent,) = subscribers.consents(tx, person.id)
    assert "for this audience: Staff" in consent.words
    assert consent.form == "invitation/2026-11"


def test_links_live_as_long_as_the_issue_says() -> None:
    """Confirmations seven days, preferences one."""
    assert {purpose.value: life for purpose, life in LIVES.items()} == {
        "confirm": timedelta(days=7),
        "preferences": timedelta(hours=24),
        "move-old": timedelta(hours=24),
        "move-new": timedelta(hours=24),
        "undo": timedelta(days=7),
        "export": timedelta(hours=24),
        "session": timedelta(hours=1),
    }


# --- who is told, and what leaves -----------------------------------------------------------------------------


def test_no_token_is_at_rest(outbox: Outbox, app: App) -> None:
    """Whoever reads the database can press no button."""
    person = outbox.join(ROBIN)
    session = opened(outbox, app, ROBIN)
    left = subscriptions.leave(person, app)
    tokens = [session, left.undo, *(outbox.token(kind) for kind in ("goodbye",))]
    dump = "\n".join(_dump(app))
    assert not [token for token in tokens if token in dump]


def _dump(app: App) -> list[str]:
    with app.store.read() as tx:
        return [str(tuple(row)) for table in metadata.sorted_tables for row in tx.execute(table.select())]
