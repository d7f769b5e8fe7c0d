"""Everybody who should gets the letter, once; whatever the relay, the readers and the operator do meanwhile."""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from newsletter.deliver.courier import MAX_LOST_IN_A_ROW, MAX_REFUSED_IN_A_ROW
from newsletter.deliver.dispatch import Dispatch, Retry, Uncertain
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.outbox import send_notices
from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.replies import JITTER
from newsletter.deliver.replies import backoff as back_off
from newsletter.deliver.run import Tally
from newsletter.errors import ConflictError, DeliveryError, HandlingError, StoreError
from newsletter.keys import read_return_token, read_unsubscribe_token
from newsletter.model import Address, DeliveryState, Format, Language, MailingState, Notice, SubscriberState, Tlp
from newsletter.render.environment import Templates
from newsletter.render.notices import render_notice
from newsletter.store import deliveries, mailings, notices, subscribers
from tests.support.deliver_once import CONNECTIONS
from tests.support.killing import kill_and_resume, new_mails, repeats
from tests.support.ledger import (
    KEYS,
    NOW,
    OCTOBER,
    Clock,
    add_people,
    candidate,
    compiled,
    person,
    released,
)
from tests.support.samples import EN, FR, sample_publication


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def relay(mailserver):
    return Relay(host=mailserver.host, port=mailserver.port, tls=Tls.NONE, timeout_seconds=20.0)


RETRY = Retry()
GIVE_UP_AFTER, MIN_ATTEMPTS, FIRST_RETRY, LONGEST_RETRY = (
    RETRY.give_up_after,
    RETRY.min_attempts,
    RETRY.first,
    RETRY.longest,
)
backoff = partial(back_off, retry=RETRY)


@pytest.fixture
def dispatch(relay):
    return Dispatch(relays=(relay,), return_path="bounces@security.meridian.example", settle_seconds=0.0)


@pytest.fixture
def deliver(dispatch, clock):
    """The engine with everything it needs; a call may change any of it."""
    return partial(
        deliver_due,
        dispatch=dispatch,
        keys=KEYS,
        publication=sample_publication(),
        clock=clock,
        stop=lambda: False,
        progress=lambda _: None,
        rng=random.Random(1),
    )


def states(store, mailing):
    """The deliveries' states that occur, with how often."""
    with store.read() as tx:
        return {state: count for state, count in deliveries.tally(tx, mailing.id).items() if count}


def row(store, subscriber):
    """What the ledger says of one subscriber's only letter."""
    with store.read() as tx:
        found = tx.execute(text("SELECT * FROM delivery WHERE subscriber_id = :id"), {"id": subscriber.id}).one()
    return SimpleNamespace(**found._mapping)


def change(store, subscriber, **values):
    """What the desk or the subscriber does between release and sending."""
    with store.begin() as tx:
        for column, value in values.items():
            tx.execute(text(f"UPDATE subscriber SET {column} = :v WHERE id = :id"), {"v": value, "id": subscriber.id})


# --- everybody once -------------------------------------------------------------------------------------------


def test_everybody_gets_exactly_one_letter_of_their_own(store, mailserver, deliver):
    """Own language, own format, own link, own address only; all through one connection; then the mailing is sent."""
    readers = [person(1), person(2, language=FR), person(3, format=Format.TEXT)]
    add_people(store, readers)
    mailing = released(store)
    assert deliver(store, mailing) == Tally(3, accepted=3)
    assert states(store, mailing) == {DeliveryState.ACCEPTED: 3}
    assert [mail.recipient for mail in mailserver.mails] == [reader.address.mailbox for reader in readers]
    for reader, mail in zip(readers, mailserver.mails, strict=True):
        message = mail.message
        assert message["To"] == reader.address.mailbox
        assert message["Content-Language"] == reader.language
        token = message["List-Unsubscribe"].removesuffix(">").rpartition("/")[2]
        assert read_unsubscribe_token(KEYS, token) == reader.id
        assert message.is_multipart() is (reader.format is Format.HTML)
        local, _, domain = mail.sender.partition("@")
        assert domain == "security.meridian.example"
        assert read_return_token(KEYS, local.removeprefix("bounces+"), NOW.date()) == (mailing.id, reader.id)
    assert mailserver.connections == 1
    with store.read() as tx:
        found = mailings.get(tx, OCTOBER)
    assert found is not None
    assert found.state is MailingState.SENT


def test_a_second_run_sends_nothing(store, mailserver, deliver):
    """What is recorded as accepted is never begun again."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    deliver(store, mailing)
    assert deliver(store, mailing) == Tally(0)
    assert len(mailserver.mails) == 2


def test_a_missing_language_falls_back_to_the_first_one(sqlite_store, mailserver, deliver):
    """Better the report in English than none."""
    add_people(sqlite_store, [person(1, language=Language("it"))])
    deliver(sqlite_store, released(sqlite_store))
    assert mailserver.mails[0].message["Content-Language"] == "en"


def test_progress_is_told_after_every_letter(sqlite_store, mailserver, deliver):
    """With how many there are in all; the one that was refused counts as done."""
    add_people(sqlite_store, [person(1), person(2), person(3)])
    mailserver.reply_always("reader-2@example.org", "550 5.1.1 no")
    told: list[Tally] = []
    deliver(sqlite_store, released(sqlite_store), progress=told.append)
    assert [(tally.done, tally.total) for tally in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[-1] == Tally(3, accepted=2, refused=1)


def test_stopping_finishes_what_was_offered_and_begins_no_other(sqlite_store, mailserver, deliver):
    """The rest stays due and goes out with the next run; nobody gets a second one."""
    add_people(sqlite_store, [person(number) for number in range(5)])
    mailing = released(sqlite_store)
    assert deliver(sqlite_store, mailing, stop=lambda: len(mailserver.mails) >= 2) == Tally(5, accepted=3)
    assert states(sqlite_store, mailing) == {DeliveryState.ACCEPTED: 3, DeliveryState.PENDING: 2}
    assert deliver(sqlite_store, mailing) == Tally(2, accepted=2)
    assert len({mail.recipient for mail in mailserver.mails}) == len(mailserver.mails) == 5


def test_more_letters_than_one_batch_all_leave(sqlite_store, mailserver, deliver):
    """The list is read batch by batch; also behind a batch in which nothing could be sent."""
    people = [person(number) for number in range(2 * deliveries.BATCH + 1)]
    add_people(sqlite_store, people)
    mailing = released(sqlite_store)
    for reader in people[: deliveries.BATCH]:
        change(sqlite_store, reader, state="paused")
    tally = deliver(sqlite_store, mailing)
    assert tally == Tally(len(people), accepted=deliveries.BATCH + 1, dropped=deliveries.BATCH)
    assert len(mailserver.mails) == deliveries.BATCH + 1


# --- who changed after the release ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "unsubscribed"}, "the subscriber is unsubscribed now"),
        ({"state": "paused"}, "the subscriber is paused now"),
        ({"state": "bouncing"}, "the subscriber is bouncing now"),
        ({"state": "ended"}, "the subscriber is ended now"),
        ({"audience": "staff"}, "the subscriber moved from audience public to staff"),
    ],
)
def test_who_is_not_to_have_it_any_more_does_not_get_it(store, mailserver, deliver, changes, reason):
    """Read again at the moment of sending; the reason is kept, and the others get theirs."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    change(store, person(1), **changes)
    assert deliver(store, mailing) == Tally(2, accepted=1, dropped=1)
    assert (row(store, person(1)).state, row(store, person(1)).reason) == ("dropped", reason)
    assert [mail.recipient for mail in mailserver.mails] == ["reader-2@example.org"]


def test_who_leaves_while_the_run_is_on_does_not_get_it(sqlite_store, mailserver, deliver):
    """Also when the letter was already in the batch that had been read."""
    add_people(sqlite_store, [person(1), person(2), person(3)])
    mailing = released(sqlite_store)

    def leave(_):
        with sqlite_store.begin() as tx:
            subscribers.unsubscribe(tx, person(3).id, NOW)

    assert deliver(sqlite_store, mailing, progress=leave) == Tally(3, accepted=2, dropped=1)
    assert mailserver.mails_to("reader-3@example.org") == ()


def test_a_new_address_gets_the_letter_and_the_old_one_does_not(sqlite_store, mailserver, deliver):
    """The address is read again too."""
    add_people(sqlite_store, [person(1)])
    mailing = released(sqlite_store)
    change(sqlite_store, person(1), mailbox="moved@example.org")
    deliver(sqlite_store, mailing)
    assert [mail.recipient for mail in mailserver.mails] == ["moved@example.org"]


def test_a_run_that_is_cancelled_sends_nothing_more(sqlite_store, mailserver, deliver):
    """From the letter under way on."""
    add_people(sqlite_store, [person(number) for number in range(4)])
    mailing = released(sqlite_store)

    def cancel(tally):
        if tally.done == 2:
            with sqlite_store.begin() as tx:
                mailings.cancel(tx, OCTOBER, NOW)

    assert deliver(sqlite_store, mailing, progress=cancel) == Tally(4, accepted=2)
    assert states(sqlite_store, mailing) == {DeliveryState.ACCEPTED: 2, DeliveryState.DROPPED: 2}
    assert deliver(sqlite_store, mailing) == Tally(0)


# --- what the relay says --------------------------------------------------------------------------------------


def test_a_refused_letter_is_kept_with_the_reply_and_without_the_address(store, mailserver, deliver):
    """5xx ends it; the others are not held up."""
    add_people(store, [person(1), person(2)])
    mailserver.reply_always("reader-1@example.org", "550 5.1.1 <reader-1@example.org> unknown")
    assert deliver(store, released(store)) == Tally(2, accepted=1, refused=1)
    kept = row(store, person(1))
    assert (kept.state, kept.attempts, kept.reply) == ("refused", 1, "550 5.1.1 <(recipient)> unknown")


def test_a_deferred_letter_waits_longer_each_time(store, mailserver, deliver, clock):
    """4xx: back-off, doubled each time, with jitter; not due before, sent when the relay takes it."""
    add_people(store, [person(1)])
    mailing = released(store)
    for attempt in (1, 2, 3):
        mailserver.reply_next("450 4.2.0 later")
        assert deliver(store, mailing) == Tally(1, deferred=1)
        assert row(store, person(1)).attempts == attempt
        longest = backoff(attempt) * (1 + JITTER)
        clock.now += backoff(attempt) * (1 - JITTER) - timedelta(seconds=1)
        assert deliver(store, mailing) == Tally(0)
        clock.now += longest - backoff(attempt) * (1 - JITTER) + timedelta(seconds=1)
    assert deliver(store, mailing) == Tally(1, accepted=1)
    assert len(mailserver.mails) == 1


def test_letters_that_were_deferred_together_do_not_come_back_together(sqlite_store, mailserver, deliver):
    """Jitter spreads them; the same seed gives the same times."""
    people = [person(number) for number in range(20)]
    add_people(sqlite_store, people)
    for reader in people:
        mailserver.reply_always(reader.address.mailbox, "450 4.7.1 greylisted")
    deliver(sqlite_store, released(sqlite_store))
    assert len({row(sqlite_store, reader).next_attempt for reader in people}) == 20


def test_after_some_days_a_deferred_letter_is_given_up(sqlite_store, mailserver, deliver, clock):
    """What is later than that is no news any more; the last reply is kept."""
    add_people(sqlite_store, [person(1)])
    mailing = released(sqlite_store)
    mailserver.reply_always("reader-1@example.org", "450 4.2.2 mailbox full")
    attempts = 0
    while states(sqlite_store, mailing) != {DeliveryState.REFUSED: 1}:
        attempts += deliver(sqlite_store, mailing).done
        clock.pass_(hours=5)
    assert timedelta(0) <= clock.now - NOW - GIVE_UP_AFTER < timedelta(hours=10)
    kept = row(sqlite_store, person(1))
    assert kept.attempts == attempts > MIN_ATTEMPTS
    assert kept.reply == f"given up after {attempts} attempts in 3 days: 450 4.2.2 mailbox full"


def test_a_relay_that_was_away_for_a_week_does_not_cost_anybody_the_letter(sqlite_store, mailserver, deliver, clock):
    """Greylisted at the first attempt after that: it is tried again, since it was not tried often yet."""
    add_people(sqlite_store, [person(1)])
    mailing = released(sqlite_store)
    clock.pass_(days=7)
    mailserver.reply_next("450 4.7.1 greylisted")
    assert deliver(sqlite_store, mailing) == Tally(1, deferred=1)
    clock.pass_(hours=1)
    assert deliver(sqlite_store, mailing) == Tally(1, accepted=1)


def test_a_connection_lost_before_the_text_defers_the_letter_and_not_the_others(store, mailserver, deliver, clock):
    """Nothing can have been taken: the attempt is counted, the next letter goes through a new connection."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    mailserver.drop_next("RCPT")
    assert deliver(store, mailing) == Tally(2, accepted=1, deferred=1)
    assert (row(store, person(1)).state, row(store, person(1)).attempts) == ("deferred", 1)
    clock.pass_(hours=1)
    assert deliver(store, mailing) == Tally(1, accepted=1)
    assert sorted(mail.recipient for mail in mailserver.mails) == ["reader-1@example.org", "reader-2@example.org"]


@pytest.mark.parametrize("stage", ["DATA", "REPLY"])
def test_a_connection_lost_after_the_text_leaves_a_letter_that_nobody_sends_by_himself(
    store, mailserver, deliver, dispatch, stage
):
    """Whether the relay has it, it alone knows: the letter is held, or sent again where the operator said so."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    mailserver.drop_next(stage)
    assert deliver(store, mailing) == Tally(2, accepted=1, uncertain=1)
    held = row(store, person(1))
    assert (held.state, held.attempts) == ("held", 0)
    assert held.reason == "uncertain: the connection was lost before the relay answered"
    assert deliver(store, mailing) == Tally(0)
    assert states(store, mailing) == {DeliveryState.ACCEPTED: 1, DeliveryState.HELD: 1}


@pytest.mark.parametrize("stage", ["DATA", "REPLY"])
def test_where_the_operator_said_so_an_uncertain_letter_is_sent_again(store, mailserver, deliver, clock, stage):
    """After a pause, as after every failure; the reader may have it twice, with the same Message-ID."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    mailserver.drop_next(stage)
    again = replace(deliver.keywords["dispatch"], uncertain=Uncertain.AGAIN)
    assert deliver(store, mailing, dispatch=again) == Tally(2, accepted=1, uncertain=1)
    assert deliver(store, mailing, dispatch=again) == Tally(0)
    assert states(store, mailing) == {DeliveryState.ACCEPTED: 1, DeliveryState.DEFERRED: 1}
    clock.pass_(hours=1)
    assert deliver(store, mailing, dispatch=again) == Tally(1, accepted=1)
    assert repeats(mailserver) == (1 if stage == "REPLY" else 0)
    assert states(store, mailing) == {DeliveryState.ACCEPTED: 2}


def test_a_relay_that_closes_is_called_again(sqlite_store, mailserver, deliver):
    """421: this letter later, the next one through a new connection."""
    add_people(sqlite_store, [person(1), person(2)])
    mailserver.reply_next("421 4.3.2 restarting", at="DATA")
    assert deliver(sqlite_store, released(sqlite_store)) == Tally(2, accepted=1, deferred=1)
    assert mailserver.connections == 2


def test_an_odd_address_in_the_list_stops_nobody_else(sqlite_store, mailserver, deliver):
    """However it got into the database: it is refused with a reason, and never said to the relay."""
    odd = "a@example.org>\r\nRCPT TO:<evil@example.net"
    add_people(sqlite_store, [person(1, address=Address(odd, odd)), person(2)])
    assert deliver(sqlite_store, released(sqlite_store)) == Tally(2, accepted=1, refused=1)
    assert "cannot stand in a header" in row(sqlite_store, person(1)).reply
    assert [mail.recipient for mail in mailserver.mails] == ["reader-2@example.org"]


# --- what cannot be sent at all -------------------------------------------------------------------------------


def test_a_relay_that_is_away_marks_nothing(store, mailserver, deliver):
    """DeliveryError; every letter is as due as before, and leaves when the relay is back."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    mailserver.stop()
    with pytest.raises(DeliveryError, match="cannot be reached"):
        deliver(store, mailing)
    assert states(store, mailing) == {DeliveryState.PENDING: 2}
    assert row(store, person(1)).attempts == 0
    mailserver.start()
    assert deliver(store, mailing) == Tally(2, accepted=2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls": Tls.STARTTLS}, "offers no STARTTLS"),
        ({"tls": Tls.IMPLICIT}, "cannot be reached"),
        ({"username": "news", "password": "s3cret"}, "no password is sent without TLS"),
    ],
)
def test_a_wrong_setting_marks_nothing(sqlite_store, deliver, dispatch, settings, said):
    """Nothing is decided about any reader."""
    add_people(sqlite_store, [person(1)])
    mailing = released(sqlite_store)
    with pytest.raises(DeliveryError, match=said):
        deliver(sqlite_store, mailing, dispatch=replace(dispatch, relays=(replace(dispatch.relays[0], **settings),)))
    assert states(sqlite_store, mailing) == {DeliveryState.PENDING: 1}


def test_a_relay_that_refuses_us_marks_nothing(sqlite_store, mailserver, deliver):
    """After the first letter as before it."""
    add_people(sqlite_store, [person(1), person(2)])
    mailing = released(sqlite_store)
    mailserver.reply_next("250 ok", "530 5.7.0 Authentication required", at="MAIL")
    with pytest.raises(DeliveryError, match="refuses our sender"):
        deliver(sqlite_store, mailing)
    assert states(sqlite_store, mailing) == {DeliveryState.ACCEPTED: 1, DeliveryState.PENDING: 1}


def test_a_relay_that_refuses_everybody_costs_nobody_the_letter(sqlite_store, mailserver, deliver, dispatch, clock):
    """A relay that is set up wrongly says 554 to all: after some the run stops, and all are tried again."""
    people = [person(number) for number in range(MAX_REFUSED_IN_A_ROW + 5)]
    add_people(sqlite_store, people)
    mailing = released(sqlite_store)
    mailserver.reply_next(*["554 5.7.1 Relay access denied"] * MAX_REFUSED_IN_A_ROW)
    with pytest.raises(DeliveryError, match="20 letters in a row"):
        deliver(sqlite_store, mailing, dispatch=replace(dispatch, connections=1))
    assert states(sqlite_store, mailing) == {DeliveryState.DEFERRED: 20, DeliveryState.PENDING: 5}
    assert deliver(sqlite_store, mailing) == Tally(5, accepted=5)
    clock.pass_(hours=1)
    assert deliver(sqlite_store, mailing) == Tally(20, accepted=20)


def test_a_list_of_dead_addresses_is_given_up_in_the_end(sqlite_store, mailserver, deliver, dispatch, clock):
    """However many stand in a row: after some days a refusal is a refusal."""
    people = [person(number) for number in range(MAX_REFUSED_IN_A_ROW)]
    add_people(sqlite_store, people)
    mailing = released(sqlite_store)
    clock.now += GIVE_UP_AFTER
    mailserver.reply_next(*["550 5.1.1 unknown"] * MAX_REFUSED_IN_A_ROW)
    with pytest.raises(DeliveryError, match="20 letters in a row"):
        deliver(sqlite_store, mailing, dispatch=replace(dispatch, connections=1))
    assert states(sqlite_store, mailing) == {DeliveryState.REFUSED: 20}


def test_something_that_breaks_every_text_does_not_make_the_whole_list_uncertain(
    sqlite_store, mailserver, deliver, dispatch
):
    """A crash of the relay costs each connection one letter; more than that stops the run."""
    people = [person(number) for number in range(MAX_LOST_IN_A_ROW + 10)]
    add_people(sqlite_store, people)
    mailing = released(sqlite_store)
    for _ in people:
        mailserver.drop_next("DATA")
    with pytest.raises(DeliveryError, match="the connection was lost in 11 letters"):
        deliver(sqlite_store, mailing, dispatch=replace(dispatch, connections=1))
    assert states(sqlite_store, mailing) == {DeliveryState.INTENT: 11, DeliveryState.PENDING: 9}


def test_a_clock_that_was_ahead_holds_nobody_back(sqlite_store, mailserver, deliver, clock):
    """Released, or deferred, by a clock that was twenty days ahead: due as soon as it is right again."""
    add_people(sqlite_store, [person(1)])
    mailing = released(sqlite_store, at=NOW + timedelta(days=20))
    assert deliver(sqlite_store, mailing) == Tally(1, accepted=1)
    assert len(mailserver.mails) == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_who_has_lost_the_lock_stops(database, mailserver, deliver):
    """PostgreSQL gives it to somebody else when it ends our connection; SQLite's is the operating system's."""
    people = [person(number) for number in range(9 * deliveries.BATCH)]  # more than are read ahead
    with closing(database.open()) as store, closing(database.open()) as other:
        add_people(store, people)
        mailing = released(store)

        def end_the_connection(tally):
            if tally.done == 1:
                with other.begin() as tx:
                    tx.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))

        with pytest.raises(StoreError, match="delivery lock"):
            deliver(store, mailing, progress=end_the_connection)
        sent = len(mailserver.mails)
        assert sent < len(people)
        assert states(store, mailing) == {DeliveryState.ACCEPTED: sent, DeliveryState.PENDING: len(people) - sent}
        deliver(store, mailing)
    assert repeats(mailserver) == 0
    assert len(mailserver.mails) == len(people)


def test_only_one_delivers_at_a_time(database, mailserver, deliver):
    """The second is told so at once, and sends nothing."""
    with closing(database.open()) as store, closing(database.open()) as other:
        add_people(store, [person(1)])
        mailing = released(store)
        with other.lock("delivery"), pytest.raises(ConflictError, match="at it already"):
            deliver(store, mailing)
        assert mailserver.mails == ()
        assert deliver(store, mailing) == Tally(1, accepted=1)


def test_what_is_not_released_is_not_sent(sqlite_store, mailserver, deliver):
    """A candidate, approved or not."""
    add_people(sqlite_store, [person(1)])
    with pytest.raises(ConflictError, match="not released"):
        deliver(sqlite_store, candidate(sqlite_store))
    assert mailserver.connections == 0


@pytest.mark.parametrize("tlp", [Tlp.GREEN, Tlp.AMBER, Tlp.RED])
def test_a_letter_above_its_readers_clearance_is_stopped_at_the_last_gate(sqlite_store, mailserver, deliver, tlp):
    """Whatever was released: the label is compared once more, before anything is sent."""
    add_people(sqlite_store, [person(1)])
    mailing = released(sqlite_store, replace(compiled(), tlp=tlp))
    with pytest.raises(HandlingError, match=r"TLP:\w+, which audience public may not read; nothing was sent"):
        deliver(sqlite_store, mailing)
    assert mailserver.connections == 0
    assert states(sqlite_store, mailing) == {DeliveryState.PENDING: 1}


def test_a_ledger_that_cannot_be_written_stops_the_run(database, mailserver, deliver, clock):
    """No letter is sent without a record; the one whose answer could not be kept is uncertain."""
    people = [person(number) for number in range(5)]
    with closing(database.open(busy_seconds=0.1)) as store, closing(database.open()) as other, ExitStack() as locked:
        add_people(store, people)
        mailing = released(store)

        def lock_the_ledger(tally):
            if tally.done == 2:
                tx = locked.enter_context(other.begin())
                tx.execute(text("UPDATE delivery SET reply = reply"))

        with pytest.raises(StoreError, match="locked by another process"):
            deliver(store, mailing, progress=lock_the_ledger)
        locked.close()
        assert len(mailserver.mails) == 2
        assert states(store, mailing) == {DeliveryState.ACCEPTED: 1, DeliveryState.INTENT: 1, DeliveryState.PENDING: 3}
        assert deliver(store, mailing) == Tally(3, accepted=3)
        assert states(store, mailing) == {DeliveryState.ACCEPTED: 4, DeliveryState.HELD: 1}
    assert repeats(mailserver) == 0


# --- killed ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_any_moment_repeats_at_most_one_letter_of_each_connection(database, mailserver, seed):
    """Killed again and again, resumed with the rule "again": everybody has the letter, repeats are the same mail."""
    readers = [person(number) for number in range(60)]
    with closing(database.open()) as store:
        add_people(store, readers)
        mailing = released(store)
        command = [sys.executable, "-m", "tests.support.deliver_once", database.url, str(database.folder),
                   mailserver.host, str(mailserver.port)]  # fmt: skip
        killed = kill_and_resume(
            command, kills=5, window_seconds=0.08, rng=random.Random(seed), progressed=new_mails(mailserver)
        )
        assert states(store, mailing) == {DeliveryState.ACCEPTED: 60}
    assert {mail.recipient for mail in mailserver.mails} == {reader.address.mailbox for reader in readers}
    assert killed > 0
    assert repeats(mailserver) <= killed * CONNECTIONS


# --- notices --------------------------------------------------------------------------------------------------


def notice(key="held/2026-10/anna", **changes):
    """To an editor, of use for two weeks."""
    values = {
        "key": key,
        "recipient": "anna@meridian.example",
        "kind": "plain",
        "language": EN,
        "facts": {"subject": "Held: October needs you", "text": "Nobody has approved it."},
        "created": NOW,
        "expires": NOW + timedelta(days=14),
    }
    return Notice(**(values | changes))


def post(store, *posted):
    with store.begin() as tx:
        for item in posted:
            assert notices.post(tx, item)


@pytest.fixture
def send(dispatch, clock):
    publication = sample_publication()

    def write(item):
        return render_notice(item.kind, item.language, item.facts, publication, Templates([]))

    return partial(send_notices, dispatch=dispatch, publication=publication, write=write, clock=clock)


def test_a_notice_is_sent_once(store, mailserver, send):
    """It says that a machine wrote it, and does not come again."""
    post(store, notice())
    assert send(store) == 1
    assert send(store) == 0
    (mail,) = mailserver.mails
    assert (mail.recipient, mail.message["Subject"]) == ("anna@meridian.example", "Held: October needs you")
    assert mail.message["Auto-Submitted"] == "auto-generated"


def test_a_notice_that_the_relay_defers_comes_later(sqlite_store, mailserver, send, clock):
    """And one that it refuses, or that has no address, never; the others are not held up."""
    post(sqlite_store, notice("a"), notice("b", recipient="b@meridian.example"), notice("c", recipient="nobody"),
         notice("d", recipient="d@meridian.example"))  # fmt: skip
    mailserver.reply_next("450 4.2.0 later", "550 5.1.1 no")
    assert send(sqlite_store) == 1
    assert send(sqlite_store) == 0
    clock.now += backoff(1)
    assert send(sqlite_store) == 1
    clock.pass_(days=1)
    assert send(sqlite_store) == 0
    assert [mail.recipient for mail in mailserver.mails] == ["d@meridian.example", "anna@meridian.example"]


def test_a_notice_that_is_too_old_is_not_sent(sqlite_store, mailserver, send, clock):
    """Also when the relay was away until now."""
    post(sqlite_store, notice())
    mailserver.stop()
    with pytest.raises(DeliveryError):
        send(sqlite_store)
    mailserver.start()
    clock.pass_(days=14)
    assert send(sqlite_store) == 0
    assert mailserver.mails == ()


def test_sending_notices_stops_when_told(sqlite_store, mailserver, send):
    """Between two of them; the rest stays due."""
    post(sqlite_store, notice("a"), notice("b"))
    assert send(sqlite_store, stop=lambda: len(mailserver.mails) == 1) == 1
    assert send(sqlite_store) == 1


# --- small rules ----------------------------------------------------------------------------------------------


def test_the_wait_doubles_within_its_limit():
    """5 minutes, 10, 20 ... 4 hours; also after attempts without number."""
    assert [backoff(n) for n in (1, 2, 3)] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert backoff(7) == backoff(10_000) == LONGEST_RETRY
    assert backoff(0) == FIRST_RETRY


def test_logs_name_letters_by_number_and_never_by_address(sqlite_store, mailserver, deliver, send):
    """Accepted, deferred, refused, dropped, notices: no address anywhere."""
    add_people(sqlite_store, [person(number) for number in range(4)])
    mailing = released(sqlite_store)
    change(sqlite_store, person(3), state=SubscriberState.PAUSED.value)
    post(sqlite_store, notice())
    mailserver.reply_next("450 <reader-0@example.org> later", "550 reader-1@example.org no")
    with capture_logs() as logs:
        deliver(sqlite_store, mailing)
        send(sqlite_store)
    assert {entry["state"] for entry in logs if entry["event"] == "letter"} == {
        "accepted",
        "deferred",
        "refused",
        "dropped",
    }
    told = {entry["delivery"] for entry in logs if entry["event"] == "letter"}
    assert told == {f"{mailing.id}.{person(n).id}" for n in range(4)}
    assert "@" not in str(logs)
    assert "reader" not in str(logs)
