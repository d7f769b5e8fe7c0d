from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from newsletter.errors import HandlingError
from newsletter.handling import Gate, fold, for_audience, forbidden_phrases, may_read, strictest
from newsletter.model import (
    PUBLIC_AUDIENCE,
    Article,
    Audience,
    Collected,
    Incident,
    Language,
    Precision,
    RsitClass,
    Severity,
    Tlp,
    When,
)

EN = Language("en")
ARTICLE = Article(
    slug="open",
    language=EN,
    title="An open article",
    date=date(2026, 10, 1),
    summary="Everybody may read this summary of it.",
    body="The laboratory's **mail gateway** was replaced on [Monday](https://www.example.org/). It works.",
    tlp=Tlp.CLEAR,
    path="articles/2026/open.en.md",
)
INCIDENT = Incident(
    id="INC-2026-001",
    language=EN,
    title="A stolen laptop in the library",
    rsit=RsitClass("intrusions", "burglary"),
    severity=Severity.LOW,
    tlp=Tlp.GREEN,
    detected=When(datetime(2026, 10, 3), Precision.DAY),
    public_summary="Somebody took an encrypted laptop from the reading room.",
    internal_summary="The cabinet in room 4-R-012 had been left open by the night shift.",
    path="incidents/2026/inc-2026-001.en.md",
)


@pytest.mark.parametrize(
    ("clearance", "readable"),
    [
        (Tlp.CLEAR, [Tlp.CLEAR]),
        (Tlp.GREEN, [Tlp.CLEAR, Tlp.GREEN]),
        (Tlp.AMBER_STRICT, [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT]),
        (Tlp.RED, [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT]),
    ],
)
def test_a_clearance_covers_its_label_and_looser_ones_but_never_red(clearance: Tlp, readable: list[Tlp]) -> None:
    """TLP:RED is for named persons, so no audience has it."""
    assert [label for label in Tlp if may_read(Audience("x", clearance), label)] == readable


def test_the_label_of_a_whole_is_the_strictest_of_its_parts() -> None:
    assert strictest([Tlp.CLEAR, Tlp.AMBER, Tlp.GREEN]) is Tlp.AMBER
    assert strictest([]) is Tlp.CLEAR


def test_what_is_too_strict_is_left_out_and_the_rest_keeps_its_order() -> None:
    items = [replace(ARTICLE, slug="a"), replace(ARTICLE, slug="b", tlp=Tlp.GREEN), replace(ARTICLE, slug="c")]
    assert [a.slug for a in for_audience(items, PUBLIC_AUDIENCE)] == ["a", "c"]


def test_the_gate_finds_every_sentence_of_a_stricter_item_whatever_the_markup() -> None:
    """A leak in HTML, with tags and entities between the words, is still a leak."""
    phrases = forbidden_phrases(Collected(articles=(ARTICLE,), incidents=(INCIDENT,)), PUBLIC_AUDIENCE)
    with pytest.raises(HandlingError, match=r"page\.html"):
        Gate(phrases).check("page.html", "<p>Somebody took an <b>encrypted</b>\n laptop from the reading&#32;room.</p>")
    with pytest.raises(HandlingError, match="INC-2026-001"):
        Gate(phrases).check("feed.xml", "<id>x</id>INC-2026-001")
    Gate(phrases).check("page.html", f"<p>{ARTICLE.body}</p>")


def test_internal_summaries_are_forbidden_even_of_readable_incidents() -> None:
    incident = replace(INCIDENT, tlp=Tlp.CLEAR)
    phrases = forbidden_phrases(Collected(incidents=(incident,)), PUBLIC_AUDIENCE)
    Gate(phrases).check("mail", incident.public_summary)
    with pytest.raises(HandlingError, match="room 4-R-012"):
        Gate(phrases).check("mail", f"x {incident.internal_summary} y")


def test_an_incident_is_as_strict_as_its_strictest_language_version() -> None:
    french = replace(INCIDENT, language=Language("fr"), tlp=Tlp.CLEAR, title="Un ordinateur volé à la bibliothèque")
    phrases = forbidden_phrases(Collected(incidents=(INCIDENT, french)), PUBLIC_AUDIENCE)
    assert french.title in phrases


def test_a_sentence_that_stands_in_a_readable_text_is_no_secret() -> None:
    secret = replace(ARTICLE, slug="closed", tlp=Tlp.GREEN, title="A closed article, for few")
    phrases = forbidden_phrases(Collected(articles=(ARTICLE, secret)), PUBLIC_AUDIENCE)
    assert phrases == {"A closed article, for few"}


def test_what_an_audience_was_told_before_is_no_secret_any_more() -> None:
    """A label that is tightened after the release cannot call back the released edition."""
    told = ["<p>Somebody took an <em>encrypted</em> laptop from the reading room.</p> INC-2026-001"]
    phrases = forbidden_phrases(Collected(incidents=(INCIDENT,)), PUBLIC_AUDIENCE, told=told)
    assert phrases == {INCIDENT.title, INCIDENT.internal_summary}


def test_folding_takes_tags_entities_and_white_space_out() -> None:
    assert fold("<p>a&amp;b\n\t<i>c</i>&nbsp;d</p>") == "a&b c d"
