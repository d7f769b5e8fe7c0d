"""Mailed links: whoever opens them changes nothing, one button acts, and pressing it twice is fine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from newsletter import subscriptions
from newsletter.keys import unsubscribe_token
from newsletter.model import Address, Purpose, SubscriberState
from newsletter.subscriptions.links import LIVES
from tests.support.reception import FORM, House, receiving
from tests.support.webserver import ask

JOIN, CHOOSE = "/en/subscribe/", "/en/preferences/"
UNDO = re.compile(r'name="token" value="([A-Za-z0-9_-]{32})"')
MULTIPART = b"--frontier\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--frontier--\r\n"
ADDRESSES = (f"reader{n}@people.example" for n in range(1000))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with receiving(tmp_path_factory.mktemp("links")) as made:
        yield made


def state(house: House, address: str) -> SubscriberState | None:
    found = house.subscriber(address)
    return found.state if found else None


def confirmation(house: House) -> tuple[str, str]:
    """An address, and the link that puts it on the list."""
    address = next(ADDRESSES)
    house.fill_in(JOIN, address)
    return address, house.link_to(address)


def reader(house: House) -> str:
    address = next(ADDRESSES)
    house.join(address)
    return address


def personal(house: House, address: str) -> str:
    """The link to leave of somebody's letters."""
    person = house.subscriber(address)
    assert person is not None
    return f"{house.at}/u/{unsubscribe_token(house.app.keys, person.id)}"


def every_link(house: House) -> dict[str, str]:
    """A fresh link for each purpose, and one to leave."""
    one, other, gone = reader(house), reader(house), reader(house)
    links = {"confirm": confirmation(house)[1], "leave": personal(house, one)}
    ask(personal(house, gone), method="POST")
    links["undo"] = house.link_to(gone)
    house.later(days=2)
    house.fill_in(CHOOSE, other)
    links["preferences"] = house.link_to(other)
    person, new = house.subscriber(one), next(ADDRESSES)
    assert person is not None
    subscriptions.ask_to_move(person, Address(new, new), house.app)
    links["move-old"], links["move-new"] = house.link_to(one), house.link_to(new)
    mover = house.subscriber(other)
    assert mover is not None
    subscriptions.mail_export(mover, house.app)
    links["export"] = house.link_to(other)
    return links


# --- looking ----------------------------------------------------------------------------------------------------


def test_opening_a_link_any_number_of_times_changes_no_row(house: House) -> None:
    """GET and HEAD, as robots open every link of every mail; and every page that anybody may open."""
    links = every_link(house)
    house.post()
    before = house.dump()
    for method in ("GET", "HEAD", "GET"):
        for purpose, link in links.items():
            answer = ask(link, method=method)
            assert answer.status == 200, purpose
            assert answer.headers["Set-Cookie"] is None
            assert answer.text.count("<button") == (1 if method == "GET" else 0), purpose
        for path in (JOIN, CHOOSE, "/fr/preferences/erase/", "/fr/preferences/data.json", "/en/privacy/", "/undo"):
            ask(house.at + path, method=method)
    assert house.dump() == before


def test_a_page_behind_a_link_names_nobody_but_the_address_to_move_to(house: House) -> None:
    """A mail that was forwarded shows its new reader nothing of the old one."""
    links = every_link(house)
    named = {purpose for purpose, link in links.items() if re.search(r"reader\d+@", ask(link).text)}
    assert named == {"move-new", "move-old"}


def test_the_page_speaks_the_reader_s_language(house: House) -> None:
    address = next(ADDRESSES)
    house.fill_in("/en/subscribe/", address, language="fr")
    assert "Voulez-vous vous abonner" in ask(house.link_to(address)).text


@pytest.mark.parametrize("token", ["x", "A" * 32, "A" * 31, "%C3%A9" * 32, "A" * 3_000, "%00" * 32])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_that_we_did_not_make_gets_one_friendly_page(house: House, method: str, token: str) -> None:
    answer = ask(f"{house.at}/l/{token}", method=method, headers={"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"})
    assert (answer.status, "Nous ne connaissons pas ce lien" in answer.text) == (404, True)
    assert 'href="/fr/preferences/"' in answer.text
    assert token not in answer.text or token == "x"


def test_the_token_of_an_open_page_is_no_link(house: House) -> None:
    """Nobody turns the cookie of preferences into an address."""
    cookie = house.open_preferences(reader(house)).partition("=")[2]
    assert [ask(f"{house.at}/l/{cookie}", method=method).status for method in ("GET", "POST")] == [404, 404]


@pytest.mark.parametrize("purpose", [*Purpose])
def test_a_link_has_its_end(house: House, purpose: Purpose) -> None:
    if purpose is Purpose.SESSION:
        return  # the preferences' own tests
    link = every_link(house)[purpose]
    house.later(seconds=LIVES[purpose].total_seconds() + 1)
    before = house.dump()
    for method in ("GET", "POST"):
        answer = ask(link, method=method)
        assert (answer.status, "This link does not work any more" in answer.text) == (410, True)
        assert f'href="{CHOOSE}"' in answer.text
    assert without_limits(house.dump()) == without_limits(before)


def without_limits(dump: str) -> list[str]:
    """All rows but those that count requests."""
    return [line for line in dump.splitlines() if not line.startswith("bucket:")]


# --- pressing ---------------------------------------------------------------------------------------------------


def test_confirming_twice_says_the_same_and_subscribes_once(house: House) -> None:
    address, link = confirmation(house)
    assert state(house, address) is None
    first, second = ask(link, method="POST"), ask(link, method="POST")
    assert (first.status, second.status, first.body == second.body) == (200, 200, True)
    assert "You are subscribed" in first.text
    assert state(house, address) is SubscriberState.ACTIVE
    person = house.subscriber(address)
    assert person is not None
    assert len(subscriptions.held_about(person, house.app)["consents"]) == 1


def test_a_confirmation_does_not_bring_back_who_left_after_it(house: House) -> None:
    address, link = confirmation(house)
    ask(link, method="POST")
    ask(personal(house, address), method="POST")
    assert ask(link, method="POST").status in (404, 410)
    assert state(house, address) is SubscriberState.UNSUBSCRIBED


def test_the_link_to_preferences_opens_them_once(house: House) -> None:
    """Whoever finds the mail later finds them closed; a second press in the same browser finds them open."""
    house.later(days=2)
    address = reader(house)
    house.later(days=2)
    house.fill_in(CHOOSE, address)
    link = house.link_to(address)
    first = ask(link, method="POST")
    assert (first.status, first.headers["Location"]) == (303, CHOOSE)
    cookie = str(first.headers["Set-Cookie"]).partition(";")[0]
    assert [ask(link, method=method).status for method in ("GET", "POST")] == [410, 410]
    again = ask(link, method="POST", headers={"Cookie": cookie})
    assert (again.status, again.headers["Location"], again.headers["Set-Cookie"]) == (303, CHOOSE, None)


def test_a_link_that_leaving_took_back_is_not_called_a_stranger_s(house: House) -> None:
    """It came from us, minutes ago: that we do not know it any more is all that can be said."""
    house.later(days=2)
    address = reader(house)
    house.later(days=2)
    house.fill_in(CHOOSE, address)
    link = house.link_to(address)
    ask(personal(house, address), method="POST")
    answer = ask(link)
    assert answer.status == 404
    assert "We do not know this link" in answer.text
    assert "or that a later change took back" in answer.text


def test_what_we_hold_comes_by_its_mailed_link_once(house: House) -> None:
    address = reader(house)
    person = house.subscriber(address)
    assert person is not None
    subscriptions.mail_export(person, house.app)
    link = house.link_to(address)
    answer = ask(link, method="POST")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="subscription.json"'
    assert json.loads(answer.text)["address"] == address
    assert ask(link, method="POST").status == 410


def test_a_subscription_moves_when_both_mailboxes_have_agreed(house: House) -> None:
    for order in ((0, 1), (1, 0)):
        old, new = reader(house), next(ADDRESSES)
        person = house.subscriber(old)
        assert person is not None
        subscriptions.ask_to_move(person, Address(new, new), house.app)
        links = [house.link_to(old), house.link_to(new)]
        first = [ask(links[order[0]], method="POST") for _ in range(2)]
        assert ["one mailbox has agreed" in answer.text for answer in first] == [True, True]
        assert house.subscriber(new) is None
        last = [ask(links[order[1]], method="POST") for _ in range(2)]
        assert ["has moved" in answer.text for answer in last] == [True, True]
        moved = house.subscriber(new)
        assert moved is not None
        assert (moved.id, house.subscriber(old)) == (person.id, None)


# --- leaving ----------------------------------------------------------------------------------------------------


def test_who_leaves_can_undo_it_on_the_page_and_no_address_holds_the_token(house: House) -> None:
    address = reader(house)
    page = ask(personal(house, address), method="POST")
    found = UNDO.search(page.text)
    assert found is not None
    assert 'action="/undo"' in page.text
    assert [found[1] in link for link in re.findall(r'(?:href|action)="([^"]*)"', page.text)].count(True) == 0
    for _ in range(2):
        assert "You are subscribed again" in house.send("/undo", token=found[1]).text
    assert state(house, address) is SubscriberState.ACTIVE


def test_the_owner_of_a_forwarded_mail_hears_of_it_and_takes_it_back(house: House) -> None:
    address = reader(house)
    ask(personal(house, address), method="POST")
    link = house.link_to(address)
    assert ask(link).status == 200
    assert state(house, address) is SubscriberState.UNSUBSCRIBED
    assert ["You are subscribed again" in ask(link, method="POST").text for _ in range(2)] == [True, True]
    assert state(house, address) is SubscriberState.ACTIVE


def test_the_undo_form_takes_no_token_of_another_kind(house: House) -> None:
    address, link = confirmation(house)
    assert house.send("/undo", token=link.rpartition("/")[2]).status == 404
    assert house.send("/undo").status == 404
    assert state(house, address) is None


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"List-Unsubscribe=One-Click", FORM),
        (MULTIPART, {"Content-Type": "multipart/form-data; boundary=frontier"}),
        (b"List-Unsubscribe=One-Click", FORM | {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_one_click_needs_no_cookie_and_leads_nowhere(house: House, body: bytes, headers: dict[str, str]) -> None:
    """RFC 8058 section 3: both encodings, 2xx, no redirect, no cookie; twice is fine."""
    address = reader(house)
    for _ in range(2):
        answer = ask(personal(house, address), method="POST", body=body, headers=headers)
        assert (answer.status, answer.headers["Set-Cookie"], answer.headers["Location"]) == (200, None, None)
    assert state(house, address) is SubscriberState.UNSUBSCRIBED
