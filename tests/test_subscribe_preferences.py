"""Preferences: a cookie of an hour opens them, buttons act, and nothing of anybody stands in an address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from newsletter import subscriptions
from newsletter.model import Format, Purpose, Scope, Subscriber, SubscriberState
from newsletter.subscriptions import portals
from newsletter.subscriptions.links import LIVES
from tests.support.reception import AUDIENCE, House, receiving
from tests.support.roster import file_of
from tests.support.webserver import Answer, ask

HERE = "/en/preferences/"
ADDRESSES = (f"reader{n}@people.example" for n in range(1000))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with receiving(tmp_path_factory.mktemp("preferences"), settings=AUDIENCE) as made:
        yield made


class Reader:
    """A subscriber with preferences open in a browser that runs nothing."""

    def __init__(self, house: House, address: str) -> None:
        self.house, self.address = house, address
        self.number = house.join(address).id
        self.cookie = {"Cookie": house.open_preferences(address)}

    def get(self, path: str = HERE) -> Answer:
        return ask(self.house.at + path, headers=self.cookie)

    def press(self, button: str, **fields: str) -> Answer:
        return self.house.send(HERE + button, headers=self.cookie, **fields)

    @property
    def now(self) -> Subscriber:
        found = self.house.subscriber(self.address)
        assert found is not None
        return found


@pytest.fixture
def reader(house: House) -> Reader:
    return Reader(house, next(ADDRESSES))


def follow(reader: Reader, answer: Answer) -> Answer:
    """The page to which a button leads; nothing of anybody is in its address."""
    assert answer.status == 303
    assert "@" not in str(answer.headers["Location"])
    return reader.get(str(answer.headers["Location"]))


# --- the session --------------------------------------------------------------------------------------------------


def test_the_cookie_is_for_us_alone_and_for_an_hour(house: House) -> None:
    """No script reads it, no other site makes a browser send it; the pages say that there is one."""
    address = next(ADDRESSES)
    house.join(address)
    house.later(days=2)
    house.fill_in(HERE, address)
    cookie = str(ask(house.link_to(address), method="POST").headers["Set-Cookie"])
    assert cookie.startswith("preferences=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        "httponly", "samesite=strict", "path=/", "max-age=3600",
    }  # fmt: skip
    page = ask(house.at + HERE, headers={"Cookie": cookie.partition(";")[0]}).text
    assert "One cookie keeps your preferences open for an hour" in page
    assert "No script, no cookie" not in page
    assert LIVES[Purpose.SESSION] == timedelta(hours=1)


def test_where_the_site_is_reached_by_https_the_cookie_never_travels_without(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with receiving(
        tmp_path_factory.mktemp("https"), NEWSLETTER_PUBLICATION_BASE_URL="https://pages.meridian.example/security"
    ) as secure:
        secure.fill_in("/en/preferences/", "ann@people.example")
        answer = ask(secure.link_to("ann@people.example"), method="POST")
        assert answer.headers["Location"] == "/security/en/preferences/"
        name, *flags = (part.strip().lower() for part in str(answer.headers["Set-Cookie"]).split(";"))
        assert name.startswith("__host-preferences=")
        assert {"secure", "path=/", "httponly", "samesite=strict"} <= set(flags)
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
        page = ask(f"{secure.at}/security/en/preferences/", headers={"Cookie": cookie})
        assert 'action="/security/en/preferences/save"' in page.text


def test_after_an_hour_the_pages_are_closed(house: House, reader: Reader) -> None:
    house.later(minutes=59)
    assert reader.address in reader.get().text
    house.later(minutes=2)
    before = reader.now
    for answer in (
        reader.press("save", language="fr"),
        reader.press("stay"),
        reader.press("leave"),
        reader.press("erase"),
        reader.get(f"{HERE}data.json"),
        reader.get(f"{HERE}erase/"),
    ):
        page = follow(reader, answer)
        assert "closed now" in page.text
        assert reader.address not in page.text
    assert reader.now == before


def test_closing_ends_it_for_everybody_who_has_the_cookie(reader: Reader) -> None:
    answer = reader.press("close")
    assert "Max-Age=0" in str(answer.headers["Set-Cookie"])
    assert "Your preferences are closed" in follow(reader, answer).text
    assert reader.address not in reader.get().text


@pytest.mark.parametrize("cookie", ["", "x", "A" * 32, "A" * 3_000, "é"])
def test_a_cookie_that_we_did_not_make_opens_nothing(house: House, cookie: str) -> None:
    page = ask(house.at + HERE, headers={"Cookie": f"preferences={cookie}".encode().decode("latin-1")})
    assert (page.status, "Send me the link" in page.text) == (200, True)
    assert (
        house.send(f"{HERE}leave", headers={"Cookie": f"preferences={cookie}".encode().decode("latin-1")}).status == 303
    )


def test_the_page_says_only_sentences_of_ours(house: House) -> None:
    assert "you won" not in ask(f"{house.at}{HERE}?done=you+won").text


# --- choosing -----------------------------------------------------------------------------------------------------


def test_choices_are_kept_and_the_page_speaks_the_language_chosen(reader: Reader) -> None:
    page = follow(reader, reader.press("save", language="fr", format="text", audience="public"))
    assert "Vos choix sont enregistrés." in page.text
    assert (reader.now.language, reader.now.format) == ("fr", Format.TEXT)


def test_an_audience_is_offered_to_the_addresses_of_its_domains_alone(house: House, reader: Reader) -> None:
    assert 'value="staff"' not in reader.get().text
    assert reader.press("save", audience="staff").status == 400
    member = Reader(house, "member@meridian.example")
    assert "The staff edition" in member.get().text
    member.press("save", audience="staff", language="en", format="html")
    assert member.now.audience == "staff"


@pytest.mark.parametrize("fields", [{"language": "de"}, {"format": "pdf"}, {"audience": "editors"}])
def test_what_the_page_does_not_offer_is_refused(reader: Reader, fields: dict[str, str]) -> None:
    before = reader.now
    assert reader.press("save", **fields).status == 400
    assert reader.now == before


def test_a_pause_says_until_when_and_ends_when_its_reader_says_so(reader: Reader) -> None:
    page = follow(reader, reader.press("pause", months="3"))
    assert reader.now.state is SubscriberState.PAUSED
    assert "Nothing is sent to you until" in page.text
    follow(reader, reader.press("resume"))
    assert reader.now.state is SubscriberState.ACTIVE


@pytest.mark.parametrize("months", ["", "0", "7", "-1", "1.5", "²", "9" * 5_000])
def test_a_pause_lasts_one_to_six_months(reader: Reader, months: str) -> None:
    assert reader.press("pause", months=months).status == 400
    assert reader.now.state is SubscriberState.ACTIVE


def test_another_address_is_asked_for_and_the_page_shows_that_it_waits(reader: Reader) -> None:
    new = next(ADDRESSES)
    page = follow(reader, reader.press("move", address=new))
    assert f"Your subscription is to move to {new}" in page.text


def test_a_change_of_address_that_waits_is_taken_back_by_its_button(reader: Reader) -> None:
    """Neither mailed link does anything then; pressing twice is fine, and the button goes with what it takes back."""
    button, new = "Do not change the address</button>", next(ADDRESSES)
    assert button not in reader.get().text
    assert button in follow(reader, reader.press("move", address=new)).text
    assert "Ne pas changer d\u2019adresse</button>" in reader.get("/fr/preferences/").text
    wrong = reader.press("move", address="")
    assert (wrong.status, button in wrong.text) == (422, True)
    links = [reader.house.link_to(address) for address in (reader.address, new)]
    assert ask(links[1], method="POST").status == 200
    for _ in range(2):
        page = follow(reader, reader.press("stay")).text
        assert "Your subscription stays at this address." in page
        assert button not in page
    assert [ask(link, method="POST").status for link in links] == [404, 404]
    assert reader.now.address.mailbox == reader.address


def test_who_has_moved_is_not_told_that_they_are_about_to(reader: Reader) -> None:
    new = next(ADDRESSES)
    reader.press("move", address=new)
    for link in [reader.house.link_to(address) for address in (reader.address, new)]:
        ask(link, method="POST")
    moved = reader.house.subscriber(new)
    assert moved is not None
    assert subscriptions.waiting_move(moved, reader.house.app) == ""


@pytest.mark.parametrize(
    ("typed", "told"), [("", "Enter your mail address"), ("zoé@x.example", "We cannot deliver"), (None, "already")]
)
def test_an_address_that_cannot_be_moved_to_is_told_beside_its_field(
    reader: Reader, typed: str | None, told: str
) -> None:
    answer = reader.press("move", address=reader.address.upper() if typed is None else typed)
    assert (answer.status, answer.text.count(told)) == (422, 2)
    assert "<title>Error: " in answer.text
    assert subscriptions.waiting_move(reader.now, reader.house.app) == ""


def test_moving_and_mailing_have_their_limits(reader: Reader) -> None:
    for button, fields in (("move", {"address": "n@people.example"}), ("mail-data", {})):
        answers = [reader.press(button, **fields) for _ in range(4)]
        assert [answer.status for answer in answers] == [303, 303, 303, 429]
        assert int(answers[3].headers["Retry-After"]) > 0


# --- what we hold ---------------------------------------------------------------------------------------------------


def test_what_we_hold_is_told_in_words_and_as_a_file(reader: Reader) -> None:
    page = reader.get().text
    assert "I would like to receive the Monthly Security Report" in page
    assert re.search(r": confirmed by the mailed link \(form\), asked for on [\w ]+, \d\d:\d\d *<q>", page)
    french = reader.get("/fr/preferences/").text
    assert re.search(r"\xa0: confirmation par le lien envoyé \(formulaire\), demande du [\w ]+, \d\d:", french)
    file = reader.get(f"{HERE}data.json")
    assert (file.headers["Content-Type"], file.headers["Cache-Control"]) == ("application/json", "no-store")
    held = json.loads(file.text)
    assert held == json.loads(json.dumps(subscriptions.held_about(reader.now, reader.house.app)))
    assert held["address"] == reader.address


def test_who_was_named_by_a_directory_is_not_told_that_they_agreed(house: House) -> None:
    """Neither by what we hold, nor by the privacy notice."""
    address = next(ADDRESSES)
    subscriptions.sync(file_of(f"address\n{address}\n"), house.app, audience="staff", consent="staff rules 4.2")
    cookie = {"Cookie": house.open_preferences(address)}
    page = ask(house.at + HERE, headers=cookie).text
    held = page[page.index('<section aria-labelledby="held">') : page.index('<section aria-labelledby="end">')]
    assert "How you came onto the list" in held
    assert ": named by a directory, staff rules 4.2" in held
    assert "agreed" not in held
    assert "your organisation's directory" in ask(f"{house.at}/en/privacy/").text
    assert "l\u2019annuaire de votre organisation" in ask(f"{house.at}/fr/privacy/").text


def test_a_link_to_the_file_comes_by_mail(reader: Reader) -> None:
    assert "on its way to your mailbox" in follow(reader, reader.press("mail-data")).text
    file = ask(reader.house.link_to(reader.address), method="POST")
    assert json.loads(file.text)["address"] == reader.address


# --- leaving --------------------------------------------------------------------------------------------------------


def test_who_leaves_sees_it_and_may_still_see_what_we_hold(reader: Reader) -> None:
    answer = reader.press("leave")
    assert (answer.status, 'action="/undo"' in answer.text) == (200, True)
    assert reader.now.state is SubscriberState.UNSUBSCRIBED
    page = reader.get().text
    assert "At present no report is sent to this address." in page
    assert "Pause</button>" not in page
    for button in ("pause", "resume"):
        assert reader.press(button, months="1").status == 303
    assert reader.now.state is SubscriberState.UNSUBSCRIBED
    assert reader.press("leave").status == 200


def test_erasing_asks_first_says_what_remains_and_closes_everything(reader: Reader) -> None:
    page = reader.get(f"{HERE}erase/")
    assert (page.text.count("<button"), "keyed hash" in page.text) == (1, True)
    assert reader.now.state is SubscriberState.ACTIVE
    answer = reader.press("erase")
    assert "Max-Age=0" in str(answer.headers["Set-Cookie"])
    assert "Your data are erased" in follow(reader, answer).text
    assert reader.house.subscriber(reader.address) is None
    assert reader.address not in reader.house.dump()
    assert reader.press("erase").status == 303


# --- the privacy notice ---------------------------------------------------------------------------------------------


def test_the_privacy_notice_states_what_the_settings_and_the_program_say(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with receiving(
        tmp_path_factory.mktemp("privacy"),
        NEWSLETTER_SUBSCRIBERS_CONTROLLER="The Meridian Foundation",
        NEWSLETTER_SUBSCRIBERS_DATA_PROTECTION="dpo@meridian.example",
    ) as house:
        pages = {language: ask(f"{house.at}/{language}/privacy/").text for language in ("en", "fr")}
    for page in pages.values():
        for fact in ("The Meridian Foundation", "dpo@meridian.example", "Computer.Security@meridian.example"):
            assert fact in page
    confirm, link = LIVES[Purpose.CONFIRM].days, int(LIVES[Purpose.PREFERENCES].total_seconds() // 3600)
    assert f"works for {confirm} days" in pages["en"]
    assert f"work for {link} hours" in pages["en"]
    assert f"vaut {confirm} jours" in pages["fr"]


def test_the_privacy_notice_names_the_portals_that_may_look_people_up(house: House) -> None:
    """Those alone: not who merely asks for sign-ups, nor who was let in once."""
    notice = f"{house.at}/en/privacy/"
    portals.register("doorbell", {Scope.SIGNUP}, house.app)
    assert "may look up your subscription" not in ask(notice).text
    portals.register("intranet", {Scope.MANAGE}, house.app)
    page = ask(notice).text
    assert "may look up your subscription, change it and end it for you: intranet." in page
    portals.revoke("intranet", house.app)
    assert "may look up your subscription" not in ask(notice).text
