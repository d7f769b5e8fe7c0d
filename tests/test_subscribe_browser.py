"""The pages of people in Chromium: the whole way without JavaScript, and what axe-core finds on every page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from newsletter import subscriptions
from newsletter.keys import unsubscribe_token
from newsletter.model import Address, SubscriberState
from tests.support.browser import violations, visiting
from tests.support.reception import AUDIENCE, House, receiving
from tests.support.webserver import ask

# 320 pixels are a small telephone, and a desktop at 400 % (WCAG 1.4.10).
LOOKS = pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(320, True, id="320-dark"),
        pytest.param(1280, False, id="1280-light"),
        pytest.param(320, False, id="320-light", marks=pytest.mark.slow),
        pytest.param(1280, True, id="1280-dark", marks=pytest.mark.slow),
    ],
)
MIN_TARGET = 44  # pixels (WCAG 2.5.5)
# What a page loses when all of its text is twice as large: what sticks out at the side, what is cut off inside its own
# box, and controls that lie upon each other. What is hidden from sight on purpose (.skip, .hidden) is none of it.
LOST = """width => {
  document.documentElement.style.fontSize = "200%";
  const seen = [...document.querySelectorAll("body *")]
    .filter(thing => thing.checkVisibility({visibilityProperty: true}) && !thing.closest(".skip, .hidden"));
  const box = thing => thing.getBoundingClientRect();
  const told = (what, thing) => `${what}: ${thing.outerHTML.slice(0, 80)}`;
  const out = seen.filter(thing => box(thing).right > width + 0.5 || box(thing).left < -0.5);
  const cut = seen
    .filter(thing => thing.matches("button, .button, input, select") || getComputedStyle(thing).overflow != "visible")
    .filter(thing => thing.scrollHeight > thing.clientHeight + 1
      || (thing.localName != "input" && thing.scrollWidth > thing.clientWidth + 1));  // a field scrolls what is typed
  const controls = seen.filter(thing => thing.matches("a, button, input, select, label"));
  const upon = controls.filter((one, at) => controls.slice(at + 1).some(other => !one.contains(other)
    && Math.min(box(one).right, box(other).right) - Math.max(box(one).left, box(other).left) > 1
    && Math.min(box(one).bottom, box(other).bottom) - Math.max(box(one).top, box(other).top) > 1));
  return [
    ...(document.documentElement.scrollWidth > width ? [`${document.documentElement.scrollWidth} wide`] : []),
    ...out.map(thing => told("out", thing)), ...cut.map(thing => told("cut", thing)),
    ...upon.map(thing => told("upon another", thing)),
  ];
}"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with receiving(
        tmp_path_factory.mktemp("browser"),
        settings=AUDIENCE,
        NEWSLETTER_SUBSCRIBERS_DATA_PROTECTION="dpo@meridian.example",
    ) as made:
        yield made


# --- the whole way ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """What somebody reads and presses on the way, in their language."""

    language: str
    address: str
    choice: str
    subscribe: str
    sent: str
    confirm: str
    joined: str
    ask: str
    open: str
    keep: str
    other: str
    kept: str
    pause: str
    paused: str
    download: str
    leave: str
    left: str
    undo: str
    back: str
    to_preferences: str
    erase: str
    erased: str


ENGLISH = Words(
    "en", "Mail address", "Plain text only", "Subscribe", "Check your mail", "Yes, subscribe me", "You are subscribed",
    "Send me the link", "Open my preferences", "Keep these choices", "Français", "Vos choix sont enregistrés.",
    "Pause", "Votre abonnement est en pause.", "Tout télécharger (JSON)", "Se désabonner",
    "Vous ne recevrez plus le rapport", "Annuler : me réabonner", "Vous voilà de nouveau sur la liste",
    "Vers vos préférences", "Effacer mes données", "Vos données sont effacées",
)  # fmt: skip
FRENCH = Words(
    "fr", "Adresse électronique", "Texte seul", "S\u2019abonner", "Consultez votre messagerie",
    "Oui, m\u2019abonner", "Vous voilà sur la liste", "M\u2019envoyer le lien", "Ouvrir mes préférences",
    "Enregistrer ces choix", "English", "Your choices are kept.", "Pause", "Your subscription pauses.",
    "Download everything (JSON)", "Unsubscribe", "You are unsubscribed", "Undo: subscribe me again",
    "You are subscribed again", "To your preferences", "Erase my data", "Your data are erased",
)  # fmt: skip


def press(page: Page, name: str, heading: str = "") -> None:
    """Press the button of this name, and wait for the page with that heading."""
    page.get_by_role("button", name=name.replace(" :", "\u00a0:"), exact=True).click()
    if heading:
        page.get_by_role("heading", name=heading, level=1).wait_for()


@pytest.mark.parametrize("said", [ENGLISH, FRENCH], ids=["en", "fr"])
def test_somebody_joins_chooses_leaves_comes_back_and_is_forgotten_without_javascript(
    house: House, browser: Browser, said: Words
) -> None:
    """Subscribe, confirm, other language, pause, export, unsubscribe, undo, erase: by buttons and mails alone."""
    reader = f"robin.{said.language}@people.example"
    with visiting(browser, f"{house.at}/{said.language}/subscribe/", width=390, javascript=False) as (page, visit):
        page.get_by_label(said.address).fill(reader)
        page.get_by_label(said.choice).check()
        house.later(seconds=5)
        press(page, said.subscribe, said.sent)
        page.goto(house.link_to(reader))
        press(page, said.confirm, said.joined)
        house.later(minutes=5)
        page.goto(f"{house.at}/{said.language}/preferences/")
        page.get_by_label(said.address).fill(reader)
        house.later(seconds=5)
        press(page, said.ask, said.sent)
        page.goto(house.link_to(reader))
        press(page, said.open)
        page.get_by_text(reader).wait_for()
        assert page.get_by_label(said.choice).is_checked()
        choose_pause_and_export(page, said, reader)
        assert house.subscriber(reader).state is SubscriberState.PAUSED  # type: ignore[union-attr]
        press(page, said.leave, said.left)
        assert house.subscriber(reader).state is SubscriberState.UNSUBSCRIBED  # type: ignore[union-attr]
        press(page, said.undo, said.back)
        assert house.subscriber(reader).state is SubscriberState.PAUSED  # type: ignore[union-attr]
        page.get_by_role("link", name=said.to_preferences).click()
        page.get_by_role("link", name=said.erase).click()
        press(page, said.erase, said.erased)
        assert (visit.errors, visit.outside) == ([], [])
        assert page.context.cookies() == []
    assert house.subscriber(reader) is None
    assert reader not in house.dump()


def choose_pause_and_export(page: Page, said: Words, reader: str) -> None:
    page.get_by_label(said.other).check()
    press(page, said.keep)
    page.get_by_role("status").filter(has_text=said.kept).wait_for()
    page.get_by_role("combobox").select_option("3")
    press(page, said.pause)
    page.get_by_role("status").filter(has_text=said.paused).wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name=said.download).click()
    held = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert (held["address"], held["state"], held["format"]) == (reader, "paused", "text")


# --- every page in every state --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Where each page is, and the cookies that open preferences."""

    paths: dict[str, str]
    cookie: tuple[str, str]
    gone: tuple[str, str]


@pytest.fixture(scope="module")
def places(house: House) -> Places:
    """Two readers who are about to move, one who left; and a fresh link of every kind."""
    stays, gone, mover = (f"{name}@meridian.example" for name in ("stays", "gone", "mover"))
    for address in (stays, gone, mover):
        house.join(address)
    house.later(days=2)  # from here on no hour passes
    for address in (stays, gone, mover):
        house.fill_in("/en/preferences/", address)
    links = {"open": house.link_to(mover)}
    mine, theirs = (
        str(ask(house.link_to(address), method="POST").headers["Set-Cookie"]).partition(";")[0].partition("=")[2]
        for address in (stays, gone)
    )
    house.fill_in("/fr/subscribe/", "new@people.example", language="fr")
    links["confirm"] = house.link_to("new@people.example")
    left, moving, staying = house.subscriber(gone), house.subscriber(mover), house.subscriber(stays)
    assert left is not None
    assert moving is not None
    assert staying is not None
    subscriptions.ask_to_move(staying, Address("other@people.example", "other@people.example"), house.app)
    subscriptions.mail_export(moving, house.app)
    links["export"] = house.link_to(mover)
    subscriptions.ask_to_move(moving, Address("moved@people.example", "moved@people.example"), house.app)
    links |= {"move-old": house.link_to(mover), "move-new": house.link_to("moved@people.example")}
    subscriptions.leave(left, house.app)
    links |= {"undo": house.link_to(gone), "unsubscribed": f"/u/{unsubscribe_token(house.app.keys, left.id)}"}
    links["unsubscribe"] = f"/u/{unsubscribe_token(house.app.keys, moving.id)}"
    paths = {name: link.removeprefix(house.at) for name, link in links.items()}
    return Places(paths, ("preferences", mine), ("preferences", theirs))


PLAIN = (
    "/en/subscribe/", "/fr/subscribe/", "/en/subscribe/sent/", "/fr/preferences/", "/en/preferences/?done=closed",
    "/en/preferences/sent/", "/en/preferences/erased/", "/fr/privacy/", "/en/privacy/", "/l/unknown", "/fr/nothing/",
)  # fmt: skip
MAILED = ("confirm", "open", "export", "move-old", "move-new", "undo", "unsubscribe", "unsubscribed")
HELD = ("/en/preferences/?done=saved", "/fr/preferences/", "/fr/preferences/erase/")


def look_over(page: Page, width: int) -> None:
    """Nothing that axe-core minds, nothing to scroll sideways, nothing to press that is too small for a thumb."""
    assert [(item["id"], item["nodes"][0]["html"][:120]) for item in violations(page)] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """least => [...document.querySelectorAll("main :is(button, .button, input, select)")]
        .map(thing => thing.labels?.length && thing.type == "radio" ? thing.parentElement : thing)
        .filter(thing => thing.checkVisibility() && thing.getBoundingClientRect().height < least)
        .map(thing => thing.outerHTML.slice(0, 100))""",
        MIN_TARGET,
    )
    assert small == []


@pytest.mark.slow
@LOOKS
def test_every_page_is_accessible_in_its_normal_state(
    house: House, browser: Browser, places: Places, *, width: int, dark: bool
) -> None:
    open_to_all = [*PLAIN, *(places.paths[name] for name in MAILED)]
    for paths, cookie in ((open_to_all, None), (HELD, places.cookie), (("/en/preferences/",), places.gone)):
        with visiting(browser, house.at + paths[0], width=width, dark=dark, cookie=cookie) as (page, visit):
            for path in paths:
                answer = page.goto(house.at + path)
                assert answer is not None
                assert answer.status == (404 if path.endswith(("/unknown", "/nothing/")) else 200), path
                assert (cookie is None) == ("@meridian.example" not in page.locator(".standfirst").inner_text()), path
                look_over(page, width)
            assert not [error for error in visit.errors if "404" not in error]
            assert visit.outside == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_text_of_twice_its_size_loses_nothing(house: House, browser: Browser, places: Places, *, width: int) -> None:
    """Who has all text doubled, on a telephone or on a desk, scrolls down alone and misses nothing (WCAG 1.4.4)."""
    open_to_all = [*PLAIN, *(places.paths[name] for name in MAILED)]
    for paths, cookie in ((open_to_all, None), (HELD, places.cookie), (("/en/preferences/",), places.gone)):
        with visiting(browser, house.at + paths[0], width=width, cookie=cookie) as (page, _):
            for path in paths:
                page.goto(house.at + path)
                assert (path, page.evaluate(LOST, width)) == (path, [])


@pytest.mark.parametrize("width", [390, pytest.param(1280, marks=pytest.mark.slow)])
def test_a_form_that_is_wrong_loses_nothing_in_text_of_twice_its_size(
    house: House, browser: Browser, places: Places, *, width: int
) -> None:
    """Summary, message and field of a fault stay whole when all text is doubled (WCAG 1.4.4)."""
    forms = (("/fr/subscribe/", "S\u2019abonner", None), ("/fr/preferences/", "Changer d\u2019adresse", places.cookie))
    for path, button, cookie in forms:
        with visiting(browser, house.at + path, width=width, cookie=cookie) as (page, _):
            page.locator("#address").fill("zoé@people.example")
            with page.expect_navigation():
                press(page, button)
            assert (path, page.evaluate(LOST, width)) == (path, [])


@LOOKS
def test_every_form_is_accessible_when_something_is_wrong(
    house: House, browser: Browser, places: Places, *, width: int, dark: bool
) -> None:
    """The summary comes first and has the focus; its link leads to the field; the title says that it is an error."""
    forms = (
        ("/en/subscribe/", "Subscribe", None),
        ("/fr/preferences/", "M\u2019envoyer le lien", None),
        ("/en/preferences/", "Change the address", places.cookie),
    )
    for path, button, cookie in forms:
        with visiting(browser, house.at + path, width=width, dark=dark, cookie=cookie) as (page, visit):
            page.locator("#address").fill("zoé@people.example")
            with page.expect_navigation():
                press(page, button)
            assert page.title().startswith(("Error: ", "Erreur\u00a0: "))
            assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
            look_over(page, width)
            page.get_by_role("alert").get_by_role("link").click()
            assert page.evaluate("document.activeElement.id") == "address"
            assert page.locator("#address").input_value() == "zoé@people.example"
            assert visit.outside == []


def test_what_a_button_answers_is_accessible_too(house: House, browser: Browser, places: Places) -> None:
    """The pages that only a POST shows: subscribed, one mailbox has agreed, moved, unsubscribed, back, used up."""
    with visiting(browser, house.at + places.paths["confirm"], width=320) as (page, _):
        for name in ("confirm", "move-old", "move-new", "unsubscribe", ""):
            if name:
                page.goto(house.at + places.paths[name])
            with page.expect_navigation():
                page.locator("main button").click()
            look_over(page, 320)
        page.get_by_role("heading", name="You are subscribed again").wait_for()
        page.goto(house.at + places.paths["open"])
        assert page.locator("main button").count() == 0  # leaving took the other links back
        look_over(page, 320)
