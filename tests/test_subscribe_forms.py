"""The two forms that anybody may send for any address: what they tell, what they keep, and what they do not tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from newsletter import subscriptions
from newsletter.keys import form_stamp
from newsletter.model import Address, Signup, Wish
from newsletter.store import signups
from newsletter.web.consent import CONSENT, FORM
from newsletter.web.forms import STAMP_SECONDS, TRAP
from tests.support.reception import AUDIENCE, House, receiving
from tests.support.webserver import Answer, ask

JOIN, CHOOSE = "/en/subscribe/", "/en/preferences/"
FORMS = (JOIN, "/fr/subscribe/", CHOOSE, "/fr/preferences/")
REFUSED = "refused.example"
SILENT = ("date",)
# Every version of the form, and the sentence that it showed.
SENTENCES = {
    "subscribe/2026-11": "I would like to receive the %(name)s of %(organisation)s by mail, once a month. I can leave "
    "at any time, with the link in every mail.",
    "subscribe/2026-11-28": "I would like to receive the %(name)s of %(organisation)s by mail, once a month. I can "
    "leave at any time, with the link in every report.",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with receiving(
        tmp_path_factory.mktemp("forms"), settings=AUDIENCE, NEWSLETTER_SUBSCRIBERS_REFUSED_DOMAINS=REFUSED
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_waits(house: House) -> None:
    house.post()


def waiting(house: House) -> list[Signup]:
    with house.app.store.read() as tx:
        numbers = [number for number, _ in signups.in_line(tx)]
        return [signup for _, signup in signups.still_there(tx, numbers)]


# --- what a form keeps ------------------------------------------------------------------------------------------


def test_a_form_keeps_the_address_the_choices_and_the_words_that_were_agreed_to(house: House) -> None:
    """The evidence is the sentence as the page showed it, and the form's version."""
    answer = house.fill_in("/fr/subscribe/", "Zoe@Bücher.example", language="fr", format="text", audience="public")
    assert (answer.status, answer.headers["Location"]) == (303, "/fr/subscribe/sent/")
    (kept,) = waiting(house)
    assert (kept.wish, kept.address, kept.address.typed) == (
        Wish.JOIN,
        Address("Zoe@xn--bcher-kva.example", "x"),
        "Zoe@Bücher.example",
    )
    assert (kept.language, kept.format, kept.audience, kept.form) == ("fr", "text", "public", FORM)
    assert f'<p class="consent">{kept.words}</p>' in ask(f"{house.at}/fr/subscribe/").text
    assert "Je souhaite recevoir" in kept.words


def test_a_version_of_the_form_stands_for_one_sentence() -> None:
    """Whoever changes what people agree to names the form anew, so that evidence tells the two apart."""
    assert (CONSENT, len({*SENTENCES.values()})) == (SENTENCES[FORM], len(SENTENCES))


def test_what_the_confirmation_says_is_kept_as_evidence(house: House) -> None:
    person = house.join("evidence@people.example")
    (consent,) = subscriptions.held_about(person, house.app)["consents"]
    assert (consent["form"], "I would like to receive" in consent["words"]) == (FORM, True)


def test_an_audience_is_granted_to_a_confirmed_address_of_its_domains(house: House) -> None:
    """Chosen on the form, and theirs once they have confirmed."""
    house.fill_in(JOIN, "in@meridian.example", audience="staff")
    ask(house.link_to("in@meridian.example"), method="POST")
    person = house.subscriber("in@meridian.example")
    assert person is not None
    assert person.audience == "staff"


@pytest.mark.parametrize(
    ("path", "told"), [(JOIN, "This edition is not for addresses"), ("/fr/subscribe/", "Cette édition n")]
)
def test_an_audience_that_is_not_open_to_the_address_is_told_beside_its_choices(
    house: House, path: str, told: str
) -> None:
    """By the domains that the form names, so it tells of nobody; else they would confirm, and get another edition."""
    answer = house.fill_in(path, "out@people.example", audience="staff")
    assert answer.status == 422
    assert answer.text.count(told) == 2
    for part in ('<a href="#audience-public">', 'id="audience-public"', 'aria-describedby="audience-problem"'):
        assert part in answer.text
    assert 'value="staff" checked' in answer.text
    assert 'value="out@people.example"' in answer.text
    assert waiting(house) == []


@pytest.mark.parametrize("fields", [{"language": "de"}, {"format": "pdf"}, {"audience": "editors"}])
def test_what_the_form_does_not_offer_is_refused(house: House, fields: dict[str, str]) -> None:
    assert house.fill_in(JOIN, "made-up@people.example", **fields).status == 400
    assert waiting(house) == []


# --- what is wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "typed", "told"),
    [
        (JOIN, "", "Enter your mail address"),
        (CHOOSE, "  ", "Enter your mail address"),
        (JOIN, "nobody", "Enter a mail address like name@example.org"),
        (JOIN, "Ann <ann@people.example>", "Enter a mail address like name@example.org"),
        (JOIN, "zoé@people.example", "We cannot deliver to this address yet"),
        (JOIN, "ann@straße.example", "in its ASCII form, which begins with xn--"),
        ("/fr/subscribe/", "", "Saisissez votre adresse électronique"),
        ("/fr/preferences/", "zoé@people.example", "Nous ne pouvons pas encore écrire à cette adresse"),
    ],
)
def test_a_wrong_address_is_told_at_the_top_and_beside_its_field(
    house: House, path: str, typed: str, told: str
) -> None:
    """GOV.UK's error summary: an alert with a link to the field, the title begins with Error, and nothing is lost."""
    answer = house.fill_in(path, typed, format="text")
    assert answer.status == 422
    assert answer.text.count(told) == 2
    described = f'aria-describedby="{"address-hint " if "preferences" in path else ""}address-problem"'
    for part in (
        "<title>Err",
        'role="alert"',
        '<a href="#address">',
        described,
        'aria-invalid="true"',
    ):
        assert part in answer.text
    shown = typed.strip().replace("<", "&lt;").replace(">", "&gt;")
    assert f'value="{shown}"' in answer.text
    assert 'value="text" checked' in answer.text or path != JOIN
    assert waiting(house) == []


def test_what_was_typed_comes_back_as_text_and_never_whole_when_it_is_huge(house: House) -> None:
    answer = house.fill_in(JOIN, '"><script>alert(1)</script>' + "x" * 5_000)
    assert (answer.status, "<script" in answer.text) == (422, False)
    assert "x" * 400 not in answer.text


def test_a_control_character_is_refused_and_does_not_come_back_as_one(house: House) -> None:
    """HTML has no NUL: the page that comes back would not be one any more."""
    answer = house.fill_in(JOIN, "robin@people\x00\x9f.example")
    assert (answer.status, b"\x00" in answer.body) == (422, False)
    assert 'value="robin@people\ufffd\ufffd.example"' in answer.text
    assert waiting(house) == []


def test_a_form_that_comes_back_faster_than_a_person_types_has_to_be_sent_again(house: House) -> None:
    """The stamp stays, so that whoever was so quick has only to press once more."""
    stamp = house.stamp(JOIN)
    house.later(seconds=-9)
    fast = house.send(JOIN, address="quick@people.example", stamp=stamp, format="text")
    assert (fast.status, "faster than we expected" in fast.text) == (422, True)
    assert f'name="stamp" value="{stamp}"' in fast.text
    assert 'value="quick@people.example"' in fast.text
    assert waiting(house) == []
    house.later(seconds=9)
    assert house.send(JOIN, address="quick@people.example", stamp=stamp).status == 303


@pytest.mark.parametrize("path", [JOIN, CHOOSE])
def test_a_stamp_that_is_missing_forged_or_a_day_old_is_replaced(house: House, path: str) -> None:
    old = house.stamp(path)
    house.later(seconds=STAMP_SECONDS)
    forged = old[:-1] + ("0" if old[-1] != "0" else "1")
    for stamp in ("", forged, old):
        answer = house.send(path, address="late@people.example", stamp=stamp)
        assert (answer.status, "open for a long time" in answer.text) == (422, True)
        assert form_stamp(house.app.keys, int(house.clock.now.timestamp())) in answer.text
    assert waiting(house) == []


@pytest.mark.parametrize("path", FORMS)
def test_a_program_that_fills_in_every_field_is_told_what_people_are_told_and_nothing_happens(
    house: House, path: str
) -> None:
    """But for being counted, like everybody."""
    before = without_counters(house.dump())
    trapped = house.fill_in(path, "bot@people.example", **{TRAP: "https://spam.example"})
    assert without_counters(house.dump()) == before
    assert same(trapped, house.fill_in(path, "human@people.example"))


def without_counters(dump: str) -> list[str]:
    return [line for line in dump.splitlines() if not line.startswith("bucket: ")]


def test_a_body_that_is_no_form_of_ours_is_refused(house: House) -> None:
    many = "&".join(f"f{n}=x" for n in range(30))
    assert ask(house.at + JOIN, method="POST", body=many.encode()).status == 400
    assert ask(house.at + JOIN, method="POST", body="é".encode()).status == 400


# --- enumeration ------------------------------------------------------------------------------------------------


def same(one: Answer, other: Answer) -> bool:
    """Status, headers but the date, and body are equal, byte by byte."""
    heads = [
        sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() not in SILENT)
        for answer in (one, other)
    ]
    return (one.status, heads[0], one.body) == (other.status, heads[1], other.body)


def six_kinds(house: House) -> dict[str, str]:
    """An address of each kind that the house tells apart."""
    house.fill_in(JOIN, "pending@people.example")
    house.post()
    house.join("active@people.example")
    subscriptions.leave(house.join("gone@people.example"), house.app)
    subscriptions.suppress(Address("never@people.example", "x"), "", house.app, note="asked by phone")
    house.post()
    return {
        "new": "new@people.example",
        "waiting for confirmation": "pending@people.example",
        "active": "active@people.example",
        "unsubscribed": "gone@people.example",
        "suppressed": "never@people.example",
        "refused domain": f"anybody@{REFUSED}",
    }


def test_nobody_learns_from_a_form_who_is_on_the_list(house: House) -> None:
    """For six kinds of address each form answers with the same bytes, now and once the scheduler has looked at it."""
    kinds = six_kinds(house)
    for path in FORMS:
        for _ in range(2):
            answers = {kind: house.fill_in(path, address) for kind, address in kinds.items()}
            assert [kind for kind, answer in answers.items() if not same(answer, answers["new"])] == []
            assert answers["new"].status == 303
            pages = {kind: ask(house.at + str(answer.headers["Location"])) for kind, answer in answers.items()}
            assert [kind for kind, page in pages.items() if not same(page, pages["new"])] == []
            house.post()


def test_no_page_that_follows_a_form_names_the_address(house: House) -> None:
    answer = house.fill_in(JOIN, "secret@people.example")
    assert "secret" not in str(answer.headers) + answer.text
    assert "secret" not in ask(house.at + str(answer.headers["Location"])).text


# --- limits, and a house that is closed -------------------------------------------------------------------------


def test_too_many_forms_from_one_network_are_told_in_plain_words_when_to_come_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with receiving(tmp_path_factory.mktemp("few"), NEWSLETTER_SUBSCRIBERS_PER_NETWORK_HOUR="2") as few:
        stamp = few.stamp("/fr/subscribe/")
        answers = [few.send("/fr/subscribe/", address=f"p{n}@people.example", stamp=stamp) for n in range(3)]
        assert [answer.status for answer in answers] == [303, 303, 429]
        assert 0 < int(answers[2].headers["Retry-After"]) <= 1_800
        assert "Trop de demandes" in answers[2].text
        few.later(seconds=1_800)
        assert few.send("/fr/preferences/", address="p@people.example", stamp=stamp).status == 303


def test_where_joining_is_by_invitation_the_form_says_so_and_preferences_still_work(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with receiving(tmp_path_factory.mktemp("closed"), NEWSLETTER_SUBSCRIBERS_OPEN="false") as closed:
        for language, words in (("en", "By invitation"), ("fr", "Sur invitation")):
            page = ask(f"{closed.at}/{language}/subscribe/")
            assert (page.status, words in page.text, "<form" in page.text) == (200, True, False)
        assert closed.send(JOIN, address="x@people.example", stamp="").status == 403
        assert 'href="/en/subscribe/"' not in ask(closed.at + CHOOSE).text
        assert closed.open_preferences("ann@people.example").startswith("preferences=")
