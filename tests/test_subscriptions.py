"""Who joins, comes back and is the same person: the rules, as an operator meets them."""

from __future__ import annotations

import pytest

from newsletter.cli.common import opened_app
from newsletter.model import Address, Consent, SubscriberState
from newsletter.store import subscribers
from newsletter.store.database import Store
from tests.support.ledger import CONSENT, person
from tests.support.mailserver import MailServer
from tests.support.sites import Site

ROBIN = "robin@people.example"


def leave(address: str) -> None:
    with opened_app() as app, app.store.begin() as tx:
        found = subscribers.find(tx, address)
        assert found
        assert subscribers.unsubscribe(tx, found.id, app.clock())


def state_of(site: Site) -> list[str]:
    return [someone["state"] for someone in site.json("subscribers", "list")["subscribers"]]


def consents(address: str) -> tuple[Consent, ...]:
    with opened_app() as app, app.store.read() as tx:
        found = subscribers.find(tx, address)
        assert found
        return subscribers.consents(tx, found.id)


# --- coming back --------------------------------------------------------------------------------


def test_adding_somebody_who_left_says_so_and_changes_nothing(site: Site) -> None:
    site.subscribe(ROBIN)
    leave(ROBIN)
    told = site.must("subscribers", "add", ROBIN, "--consent", "by phone")
    assert "known already and unsubscribed: nothing changed" in told
    assert "--again" in told
    assert state_of(site) == ["unsubscribed"]
    assert len(consents(ROBIN)) == 1


def test_who_agreed_anew_is_active_again_and_both_consents_are_kept(site: Site) -> None:
    site.subscribe(ROBIN, language="fr")
    leave(ROBIN)
    told = site.must("subscribers", "add", ROBIN, "--consent", "wrote to us on 2026-11-20", "--again")
    assert told == "active again (was unsubscribed), with language fr and format html\n"
    assert state_of(site) == ["active"]
    first, second = consents(ROBIN)
    assert first.note == "a test"
    assert (second.how, second.note) == ("added again by an operator", "wrote to us on 2026-11-20")


def test_coming_back_needs_words_about_the_consent(site: Site) -> None:
    site.subscribe(ROBIN)
    leave(ROBIN)
    assert site.newsletter("subscribers", "add", ROBIN, "--again") == 2
    assert site.newsletter("subscribers", "add", ROBIN, "--again", "--consent", " ") == 2
    assert state_of(site) == ["unsubscribed"]


def test_again_adds_who_is_new_and_leaves_alone_who_is_active(site: Site) -> None:
    assert site.must("subscribers", "add", ROBIN, "--consent", "x", "--again") == "added\n"
    told = site.must("subscribers", "add", ROBIN, "--consent", "x", "--again")
    assert told == "known already and active: nothing changed\n"
    assert len(consents(ROBIN)) == 1


def test_an_import_brings_nobody_back(site: Site) -> None:
    site.subscribe(ROBIN)
    leave(ROBIN)
    site.subscribe(ROBIN.upper())
    assert state_of(site) == ["unsubscribed"]


# --- one person, however written ----------------------------------------------------------------


def test_capitals_make_nobody_a_second_subscriber(store: Store) -> None:
    """On both databases, before the @ and behind it; letters go to the mailbox as it was given first."""
    first = person(1, address=Address("Robin@people.example", "Robin@People.Example"))
    with store.begin() as tx:
        assert subscribers.add(tx, first, CONSENT)
        assert not subscribers.add(tx, person(2, address=Address(ROBIN, ROBIN)), CONSENT)
        assert not subscribers.add(tx, person(3, address=Address("ROBIN@people.example", "x")), CONSENT)
        assert subscribers.add(tx, person(4, address=Address("robina@people.example", "x")), CONSENT)
    with store.read() as tx:
        assert subscribers.find(tx, "rObIn@people.example") == first
        assert subscribers.count_by_state(tx)[SubscriberState.ACTIVE] == 2


def test_an_import_names_the_row_that_differs_in_capitals_only(site: Site) -> None:
    people = site.write("p.csv", "address\nRobin@people.example\nann@people.example\nrobin@PEOPLE.example\n")
    assert site.newsletter("subscribers", "import", str(people), "--consent", "x") == 2
    assert site.err == "error: line 4: the address of line 2 again (capitals do not count); take one out\n"
    assert state_of(site) == []


def test_who_is_known_in_other_capitals_gets_one_letter_at_the_address_first_given(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(mailserver.port))
    site.subscribe("Robin@people.example")
    site.subscribe(ROBIN)
    told = site.must("subscribers", "add", "ROBIN@people.example", "--consent", "x")
    assert told == "known already and active: nothing changed\n"
    site.must("send", "2026-10", "--yes")
    assert [mail.recipient for mail in mailserver.mails] == ["Robin@people.example"]
