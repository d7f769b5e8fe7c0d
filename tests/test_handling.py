from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from newsletter.errors import HandlingError
from newsletter.handling import Gate, fold, for_audience, forbidden_phrases, may_read, strictest
from newsletter.model import (
    PUBLIC_AUDIENCE,
    Action,
    Article,
    Audience,
    Collected,
    EditorNote,
    FeedEntry,
    Incident,
    Language,
    Month,
    Pick,
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


def test_a_copy_in_a_readable_file_does_not_make_a_secret_public() -> None:
    """The preflight names the copy; the gate, which comes last, excuses nothing that editors wrote."""
    note = EditorNote(month=Month(2026, 10), language=EN, tlp=Tlp.CLEAR, path="n", body=INCIDENT.public_summary)
    phrases = forbidden_phrases(Collected(incidents=(INCIDENT,), notes=(note,)), PUBLIC_AUDIENCE)
    with pytest.raises(HandlingError):
        Gate(phrases).check("mail", note.body)


def test_what_the_world_says_is_no_secret() -> None:
    """A feed that happens to have our title would otherwise stop the month."""
    entry = FeedEntry(
        source="x",
        guid="x",
        title=INCIDENT.title,
        link="https://a.example",
        first_seen=datetime(2026, 10, 1, tzinfo=UTC),
    )
    phrases = forbidden_phrases(Collected(incidents=(INCIDENT,), entries=(entry,)), PUBLIC_AUDIENCE)
    assert INCIDENT.title not in phrases
    strict = replace(entry, tlp=Tlp.GREEN)
    assert INCIDENT.title in forbidden_phrases(Collected(incidents=(INCIDENT,), entries=(strict,)), PUBLIC_AUDIENCE)


def test_an_id_is_not_found_inside_a_longer_one() -> None:
    """INC-2026-05 may be secret beside a public INC-2026-051, and is not excused by having been told of the latter."""
    secret = replace(INCIDENT, id="INC-2026-05")
    phrases = forbidden_phrases(Collected(incidents=(secret,)), PUBLIC_AUDIENCE, told=["<p>INC-2026-051</p>"])
    gate = Gate(phrases)
    for fine in ("INC-2026-051", "INC-2026-05-b", "XINC-2026-05"):
        gate.check("mail", f"<p>{fine}.</p>")
    for leak in ("INC-2026-05.", "(INC-2026-05)", '{"id":"INC-2026-05"}'):
        with pytest.raises(HandlingError):
            gate.check("mail", leak)


@pytest.mark.parametrize(
    ("title", "text", "leaks"),
    [
        ("Stolen server", "It says: Stolen server.", True),
        ("Stolen server", "Stolen servers are rare", False),
        ("Stolen disk", "Stolen disk", False),  # 11 characters
        ("One. Two. Three.", "One. Two. Three.", True),
    ],
)
def test_a_title_is_a_secret_as_a_whole(title: str, text: str, *, leaks: bool) -> None:
    """Titles are shorter than sentences, so they have a minimum of their own, and are found as words."""
    gate = Gate(forbidden_phrases(Collected(incidents=(replace(INCIDENT, title=title),)), PUBLIC_AUDIENCE))
    if leaks:
        with pytest.raises(HandlingError):
            gate.check("mail", text)
    else:
        gate.check("mail", text)


def test_every_part_of_a_note_is_gathered() -> None:
    note = EditorNote(
        month=Month(2026, 10),
        language=EN,
        tlp=Tlp.AMBER,
        path="n",
        title="The note title",
        in_brief=("The line that was in brief.",),
        action=Action("The action title", "The text of the action, which is long."),
        corrections=("The correction of the month before.",),
        elsewhere=(Pick("https://a.example", "The reason why it was picked."),),
        body="The body of the editor's note.",
    )
    assert forbidden_phrases(Collected(notes=(note,)), PUBLIC_AUDIENCE) == {
        "The note title",
        "The line that was in brief.",
        "The action title",
        "The text of the action, which is long.",
        "The correction of the month before.",
        "The reason why it was picked.",
        "The body of the editor's note.",
    }


def test_a_footnote_at_the_end_hides_no_sentence() -> None:
    phrases = forbidden_phrases(Collected(incidents=(INCIDENT,)), PUBLIC_AUDIENCE)
    with pytest.raises(HandlingError):
        Gate(phrases).check("mail", f"{INCIDENT.public_summary}<sup>1</sup>")


def test_what_an_audience_was_told_before_is_no_secret_any_more() -> None:
    """A label that is tightened after the release cannot call back the released edition."""
    told = ["<p>Somebody took an <em>encrypted</em> laptop from the reading room.</p> INC-2026-001"]
    phrases = forbidden_phrases(Collected(incidents=(INCIDENT,)), PUBLIC_AUDIENCE, told=told)
    assert phrases == {INCIDENT.title, INCIDENT.internal_summary}


def test_folding_takes_tags_entities_and_white_space_out() -> None:
    assert fold("<p>a&amp;b\n\t<i>c</i>&nbsp;d</p>") == "a&b c d"
