"""The small mails around a subscription: what each says, its one link, and what it must not hold."""

# ruff: noqa: RUF001 -- French has typographic apostrophes

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from newsletter.checks.mails.letter import Letter
from newsletter.model import Language
from newsletter.render.environment import Templates
from newsletter.render.markup import parse_fragment
from newsletter.render.notices import GRANT_PATH, facts_of, render_notice
from newsletter.render.text import COLUMNS
from tests.support.notices import KINDS, LANGUAGES, LEAVE, OTHERS, PACKAGED, PERSONAL, TOKEN, WITH_HTML, message, notice
from tests.support.samples import EN, FR, sample_publication

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.model import NoticeText

PUBLICATION = sample_publication()
LINK = PUBLICATION.url(GRANT_PATH + TOKEN)
# What each is for, and what happens to whoever ignores it.
SAYS = {
    ("confirm", EN): ("Somebody asked for", "Confirm my subscription", "nothing will be sent"),
    ("confirm", FR): ("Quelqu’un a demandé", "Confirmer mon inscription", "rien ne sera envoyé"),
    ("already-subscribed", EN): ("on the list already", "Open my preferences", "nothing changes"),
    ("already-subscribed", FR): ("déjà sur la liste", "Ouvrir mes préférences", "rien ne change"),
    ("preferences", EN): ("change the language or the format", "Open my preferences", "nothing changes"),
    ("preferences", FR): ("changer la langue ou le format", "Ouvrir mes préférences", "rien ne change"),
    ("invitation", EN): ("Members of the laboratory", "Accept the invitation", "nothing changes"),
    ("invitation", FR): ("Members of the laboratory", "Accepter l’invitation", "rien ne change"),
    ("goodbye", EN): ("taken off the list", "Subscribe me again", "it stays as it is"),
    ("goodbye", FR): ("retirée de la liste", "Me réabonner", "tout reste ainsi"),
    ("move-old", EN): ("to another address", "Agree to the move", "keeps coming to this address"),
    ("move-old", FR): ("à une autre adresse", "Accepter le changement", "continue d’arriver à cette adresse"),
    ("move-new", EN): ("to this address", "Agree to the move", "nothing will be sent"),
    ("move-new", FR): ("à cette adresse", "Accepter le changement", "rien ne sera envoyé"),
    ("export-ready", EN): ("Everything that we hold", "Get my data", "nobody else gets the file"),
    ("export-ready", FR): ("Tout ce que nous savons", "Obtenir mes données", "personne d’autre n’obtient le fichier"),
    ("welcome", EN): ("is confirmed", "Read the report of October 2026", "once a month", "one button and no questions"),
    ("welcome", FR): ("est confirmée", "Lire le rapport pour octobre 2026", "une fois par mois", "sans question"),
    ("alarm-surge", EN): ("412 sign-ups are held", "signups release", "signups drop", "after 7 days"),
    ("alarm-surge", FR): ("412 inscriptions sont retenues", "signups release", "signups drop", "au bout de 7 jours"),
}  # fmt: skip


def folded(text: str) -> str:
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def words_of(html: str) -> str:
    body = next(e for e in parse_fragment(html).walk() if e.tag == "body")
    return folded(body.text())


def hrefs(html: str) -> list[str]:
    return [e.get("href") for e in parse_fragment(html).walk() if e.get("href")]


def parts(kind: str, language: Language) -> tuple[str, ...]:
    """The words of each part that the kind has."""
    made = notice(kind, language)
    return (folded(made.text), *([words_of(made.html)] if made.html else []))


# --- what they say ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "language"), SAYS)
def test_each_says_what_it_is_for_and_what_happens_to_who_ignores_it(kind: str, language: Language) -> None:
    """In both parts, whole: purpose, button, and the way out."""
    for part in parts(kind, language):
        assert [one for one in SAYS[kind, language] if one not in part] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", WITH_HTML)
def test_each_says_who_writes_and_whom_to_ask(kind: str, language: Language) -> None:
    """Organisation and contact, in both parts; the name of the publication in the subject."""
    for part in parts(kind, language):
        assert PUBLICATION.organisation in part
        assert PUBLICATION.contact in part
    assert notice(kind, language).subject.startswith(PUBLICATION.name)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", PERSONAL)
def test_a_link_that_gives_a_right_stands_once_in_each_part_with_its_end(kind: str, language: Language) -> None:
    """Text: on a line of its own, so that nobody has to cut it out. The moment names its zone, the page its host."""
    made = notice(kind, language)
    assert made.text.split("\n").count(LINK) == made.text.count(TOKEN) == 1
    assert hrefs(made.html).count(LINK) == made.html.count(TOKEN) == 1
    day = "10 November 2026, 09:00 (UTC+01:00)" if language == EN else "10 novembre 2026, 09:00 (UTC+01:00)"
    for part in parts(kind, language):
        assert day in part
        assert "security.meridian.example" in part


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", OTHERS)
def test_what_gives_no_right_has_no_such_link(kind: str, language: Language) -> None:
    """Neither in the text nor in the HTML."""
    made = notice(kind, language)
    assert GRANT_PATH not in made.text + made.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_welcome_leads_to_the_latest_report_once_and_to_the_preferences(language: Language) -> None:
    """Both addresses say where they lead."""
    made = notice("welcome", language)
    for address in (f"/{language}/reports/2026-10/", f"/{language}/preferences/"):
        assert made.text.split("\n").count(PUBLICATION.url(address)) == 1
        assert hrefs(made.html).count(PUBLICATION.url(address)) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_welcome_has_the_way_out(language: Language) -> None:
    """The first report may be a month away: whoever did not mean to join must not have to wait for it."""
    made = notice("welcome", language)
    assert made.text.split("\n").count(LEAVE) == 1
    assert hrefs(made.html).count(LEAVE) == 1


def test_welcome_before_the_first_report_promises_none() -> None:
    """Nothing is in the archive yet."""
    made = notice("welcome", EN, month="")
    assert "reports/" not in made.text + made.html
    assert "latest" not in made.text + words_of(made.html)


def test_where_the_forms_are_closed_nobody_is_sent_to_them() -> None:
    """``subscribers.open = false``: the address would answer nothing."""
    made = notice("welcome", EN, publication=replace(PUBLICATION, has_forms=False))
    assert "preferences" not in made.text + made.html


def test_goodbye_tells_the_owner_that_somebody_else_may_have_left_for_them() -> None:
    """A report that was forwarded carries the link of the one who forwarded it."""
    assert all("forwarded" in part for part in parts("goodbye", EN))


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_held_sign_up_is_one(language: Language) -> None:
    """The number agrees."""
    made = notice("alarm-surge", language, count=1, days=1)
    assert ("1 sign-up is held" if language == EN else "1 inscription est retenue") in folded(made.text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", WITH_HTML)
def test_only_what_may_be_passed_on_is_marked_as_clear(kind: str, language: Language) -> None:
    """A mail with its reader's own link is not for sharing, so it says TLP:CLEAR nowhere, and asks not to share it."""
    made = notice(kind, language)
    marks = [line for line in made.text.split("\n") if line == "TLP:CLEAR".rjust(COLUMNS)]
    chips = [e.text() for e in parse_fragment(made.html).walk() if e.get("class") == "tlp"]
    assert (len(marks), chips) == ((0, []) if kind in PERSONAL else (2, ["TLP:CLEAR"] * 2))


# --- what they must not hold --------------------------------------------------------------------


def test_the_confirmation_is_the_same_for_everybody_but_for_link_and_end() -> None:
    """It has no other facts, so nothing that somebody typed can stand in it."""
    other = render_notice("confirm", EN, facts_of({"until": datetime(2027, 1, 2, 3, 4, tzinfo=UTC)}), PUBLICATION,
                          PACKAGED, token="x" * len(TOKEN))  # fmt: skip
    mine = notice("confirm", EN)

    def stripped(made: NoticeText, token: str, until: str) -> tuple[str, str, str]:
        text = folded(made.text).replace(token, "").replace(until, "")
        return made.subject, text, made.html.replace(token, "").replace(until, "")

    assert stripped(other, "x" * len(TOKEN), "2 January 2027, 03:04 (UTC)") == stripped(
        mine, TOKEN, "10 November 2026, 09:00 (UTC+01:00)"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_facts_are_words_and_never_markup(language: Language) -> None:
    """Titles of audiences come from the settings; one line of theirs cannot open a tag, a header or a template."""
    title = '<a href="https://evil.example/">win</a>\r\nBcc: x@evil.example {{ 7*7 }}<script>'
    made = notice("invitation", language, audience=title)
    assert "evil.example" not in "".join(hrefs(made.html))
    assert "<script" not in made.html
    assert "{{ 7*7 }}" in words_of(made.html)
    assert "\n" not in made.subject
    assert "evil" not in made.subject


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_of_a_house_stay_inside_their_place(kind: str) -> None:
    """The organisation's own words are escaped too."""
    hostile = replace(PUBLICATION, name="A <b>&amp; B", organisation='"><img src=x onerror=y>')
    made = notice(kind, EN, publication=hostile)
    tags = [e.tag for e in parse_fragment(made.html).walk()]
    assert not {"b", "img"} & set(tags)
    assert made.subject.startswith("A <b>&amp; B")


# --- as bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_notice_has_the_same_bytes(kind: str, language: Language) -> None:
    """One that is sent again after a crash is the same mail, whatever was rendered between."""
    first = message(kind, language)
    notice("welcome", FR)
    assert message(kind, language) == first


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", WITH_HTML)
def test_headers_are_those_of_a_small_mail(kind: str, language: Language) -> None:
    """Made by a machine, in its language, answered by people; nothing of a list."""
    letter = Letter(kind, message(kind, language))
    assert letter.value("Auto-Submitted") == "auto-generated"
    assert letter.value("Content-Language") == language
    assert letter.value("Reply-To") == PUBLICATION.reply_to
    assert [one.name for one in letter.headers if one.name.startswith("List-") or one.name == "Precedence"] == []
    assert [part.get_content_type() for part in letter.parts] == ["text/plain", "text/html"]


@pytest.mark.parametrize("file", ["subject.txt", "body.txt", "body.html"])
def test_a_site_may_write_its_own(tmp_path: Path, file: str) -> None:
    """Each file for itself; the others stay those of the package."""
    own = tmp_path / "email" / "confirm" / file
    own.parent.mkdir(parents=True)
    words = "Ours: {{ link }} {{ until|date }}"
    own.write_text(f"<!DOCTYPE html><title>x</title><p>{words}" if file == "body.html" else words, encoding="utf-8")
    made = notice("confirm", EN, templates=Templates([tmp_path]))
    packaged = notice("confirm", EN)
    mine = {"subject.txt": made.subject, "body.txt": made.text, "body.html": made.html}
    theirs = {"subject.txt": packaged.subject, "body.txt": packaged.text}
    theirs["body.html"] = packaged.html.replace(packaged.subject, made.subject)  # its title, and what it is read as
    assert f"Ours: {LINK} 10 November 2026" in mine[file]
    assert {name for name in mine if mine[name] != theirs[name]} == {file}
