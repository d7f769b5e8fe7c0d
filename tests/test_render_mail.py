"""The letter as readers get it: what it says, in which order, in which language, under which label."""

# ruff: noqa: RUF001 -- French has typographic apostrophes, ranges have en dashes

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from newsletter.model import Tlp
from newsletter.render.mail import render_report
from newsletter.render.text import COLUMNS
from newsletter.render.view import MAX_SUBJECT
from tests.support.letters import PACKAGED, PUBLICATION, SECTIONS, elements, hrefs, letter, opened, texts, words_of
from tests.support.samples import EN, FR, sample_report

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from newsletter.model import Variant

# --- order and presence -----------------------------------------------------------------


def test_sections_stand_in_their_order(english: Variant) -> None:
    """The same order in HTML and in text; the title is the one h1."""
    assert texts(english, "h1") == ["A voice is a credential too"]
    assert texts(english, "h2") == SECTIONS
    positions = [english.text.index(f"\n{section.upper()}\n===") for section in SECTIONS]
    assert positions == sorted(positions)


def test_headings_skip_no_level(english: Variant) -> None:
    """Screen readers travel by headings."""
    levels = [int(e.tag[1]) for e in elements(english) if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize(
    ("empty", "section"),
    [
        ({"in_brief": ()}, "In brief"),
        ({"action": None}, "Action of the month"),
        ({"note": ""}, "From the editors"),
        ({"articles": ()}, "Articles"),
        ({"elsewhere": ()}, "From elsewhere"),
        ({"corrections": (), "restatements": ()}, "Corrections"),
    ],
)
def test_empty_sections_vanish(empty: dict[str, object], section: str) -> None:
    """A head without a body helps nobody (domain.md section 1)."""
    variant = letter(**empty)
    assert texts(variant, "h2") == [s for s in SECTIONS if s != section]
    assert section.upper() not in variant.text


def test_quiet_month_says_so() -> None:
    """Said, not hidden: the incidents' section and the figures stay, with a plain sentence."""
    variant = letter(sample_report(quiet=True))
    assert texts(variant, "h2") == ["Incidents", "Figures", "Articles", "How to verify, and how to reach us"]
    assert "No incidents this month" in texts(variant, "h3")
    assert "NO INCIDENTS THIS MONTH" in variant.text
    assert "0 incidents in October 2026; 10 the month before" in words_of(variant)
    assert variant.subject == "TLP:CLEAR Monthly Security Report, October 2026"
    assert texts(variant, "h1") == ["October 2026"]


def test_first_sentence_is_visible_and_counts_the_contents(english: Variant, french: Variant) -> None:
    """Mailboxes show it beside the subject; hidden preheaders look like a phisher's trick."""
    assert words_of(english).startswith("October 2026: 12 incidents, 3 articles and 3 readings from elsewhere.")
    assert english.text.startswith("October 2026: 12 incidents")
    assert words_of(french).startswith("Octobre 2026 : 12 incidents, 3 articles et 3 lectures venues d’ailleurs.")
    quiet = letter(sample_report(quiet=True), articles=sample_report().articles[:1])
    assert words_of(quiet).startswith("October 2026: no incidents and 1 article.")


def test_foot_leads_to_the_preferences_where_the_site_has_forms() -> None:
    """Beside the personal link to leave, in both parts; where nobody can choose, nobody is sent there."""
    for language in (EN, FR):
        address = f"{PUBLICATION.base_url}/{language}/preferences/"
        variant = letter(sample_report(language=language))
        assert variant.text.split("\n").count(address) == 1
        assert hrefs(variant).count(address) == 1
        assert variant.text.index("/u/") < variant.text.index(address)
    closed = render_report(sample_report(), replace(PUBLICATION, has_forms=False), PACKAGED)
    assert "/preferences/" not in closed.text + closed.html


def test_mail_is_a_well_formed_page(english: Variant) -> None:
    """Doctype, title, both colour metas, language and direction inside the body, roles on layout tables."""
    assert english.html.startswith("<!DOCTYPE html>")
    page = elements(english)
    assert texts(english, "title") == [english.subject]
    metas = {e.get("name"): e.get("content") for e in page if e.tag == "meta"}
    assert metas["color-scheme"] == metas["supported-color-schemes"] == "light dark"
    article = next(e for e in elements(english) if e.get("role") == "article")
    assert (article.get("lang"), article.get("dir"), article.get("aria-label")) == ("en", "ltr", english.subject)
    tables = [e for e in elements(english) if e.tag == "table"]
    data = [t for t in tables if not t.get("role")]
    assert all(any(e.tag == "th" and e.get("scope") for e in t.walk()) for t in data if t.get("class"))
    assert len(data) == 4


# --- labels -----------------------------------------------------------------


def test_label_stands_in_subject_header_and_footer(english: Variant, french: Variant) -> None:
    """TLP 2.0: in the subject, in header and footer; in text at the right edge; never translated."""
    for variant in (english, french):
        assert variant.subject.startswith("TLP:CLEAR ")
        chips = [e.text() for e in elements(variant) if e.get("class") == "tlp"]
        assert chips[0] == chips[-1] == "TLP:CLEAR"
        label_lines = [line for line in variant.text.split("\n") if line == "TLP:CLEAR".rjust(COLUMNS)]
        assert len(label_lines) == 2
        assert variant.text.rstrip("\n").endswith("TLP:CLEAR".rjust(COLUMNS))


@pytest.mark.parametrize("label", [Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT])
def test_stricter_letters_wear_their_own_label_and_have_no_page(label: Tlp) -> None:
    """The label of each part stands before it; what is not public has no address on the web."""
    report = sample_report()
    first, *others = report.incidents
    lead, *teasers = report.articles
    variant = letter(
        tlp=label,
        incidents=(replace(first, tlp=label), *others),
        articles=(replace(lead, tlp=label), *teasers),
    )
    assert variant.subject.startswith(f"{label} ")
    chips = [e.text() for e in elements(variant) if e.get("class") == "tlp"]
    assert chips == [str(label), str(label), *["TLP:CLEAR"] * 3, str(label), str(label)]
    assert f"\n{label}\nA FAMILIAR VOICE ON THE TELEPHONE\n" in variant.text
    assert f"\n{label}\nSOCIAL MEDIA: YOUR VOICE, OUR NAME\n" in variant.text
    assert "reports/2026-10/" not in variant.html + variant.text


def test_every_incident_wears_its_label_directly_before_its_title(english: Variant) -> None:
    """TLP 2.0: the marking stands directly before the content that it covers."""
    order = [
        e.text() for e in elements(english) if e.get("class") == "tlp" or (e.tag == "h3" and "voice on" in e.text())
    ]
    assert order[1:3] == ["TLP:CLEAR", "A familiar voice on the telephone"]
    assert english.text.count("\nTLP:CLEAR\n") == len(sample_report().incidents)


@pytest.mark.parametrize("dark", [False, True])
def test_label_is_drawn_as_the_standard_wants(
    browser: Browser, tmp_path: Path, english: Variant, *, dark: bool
) -> None:
    """White on black for CLEAR, 12 point (16 px) or more, right-aligned in header and footer, in both themes."""
    with opened(browser, tmp_path, english, dark=dark) as (page, _):
        drawn = page.evaluate("""() => [...document.querySelectorAll('.tlp')].map(e => {
            const style = getComputedStyle(e), right = e.getBoundingClientRect().right;
            return [style.color, style.backgroundColor, parseFloat(style.fontSize), right];
        })""")
        edge = page.evaluate("document.querySelector('.masthead').getBoundingClientRect().right")
    assert {(color, ground) for color, ground, _, _ in drawn} == {("rgb(255, 255, 255)", "rgb(0, 0, 0)")}
    assert all(size >= 16 for _, _, size, _ in drawn)
    assert drawn[0][3] == drawn[-1][3] == edge


# --- subject -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Short", "TLP:CLEAR Monthly Security Report, October 2026: Short"),
        (None, "TLP:CLEAR Monthly Security Report, October 2026"),
        ("two\r\nBcc: x@y.example", "TLP:CLEAR Monthly Security Report, October 2026: two Bcc: x@y.example"),
        ("word " * 30, "TLP:CLEAR Monthly Security Report, October 2026: word word word word word…"),
        ("w" * 90, "TLP:CLEAR Monthly Security Report, October 2026: " + "w" * 28 + "…"),
    ],
)
def test_subject_is_one_line_that_fits(title: str | None, subject: str) -> None:
    """Label, name, month and title in 78 characters; the title gives way, at a word."""
    variant = letter(title=title)
    assert variant.subject == subject
    assert len(variant.subject) <= MAX_SUBJECT


# --- what items say -----------------------------------------------------------------


def test_incident_says_severity_class_time_and_extent(english: Variant) -> None:
    """Severity in words with its number; when as exactly as known; unknown is said."""
    assert "Severity ■■■□ 3 of 4, high Class Intrusions, Unprivileged Account Compromise" in words_of(english)
    assert "Detected 13 October 2026, 14:02 Affected 1 person Handling closed" in words_of(english)
    assert "Detected September 2026 Affected 1–3 systems Handling contained" in words_of(english)
    unknown = letter(incidents=(replace(sample_report().incidents[0], users_affected=None),))
    assert "Affected not known" in words_of(unknown)
    assert "Affected  not known" in unknown.text


def test_late_incidents_and_exercises_say_so(english: Variant) -> None:
    """A late one names its month; an exercise is no incident, and hits nobody."""
    assert "Told late: it belongs to September 2026" in words_of(english)
    assert "Exercise: nothing of this was real, and no figure counts it." in words_of(english)
    assert "Exercise: nothing of this was real" in english.text


def test_leading_article_is_whole_and_has_the_standing_close(english: Variant) -> None:
    """Where to learn more, the Monthly Report, the entire collection, and who signs; teasers have none of it."""
    close = (
        "To learn more about computer security here: https://security.meridian.example/ "
        "All issues of the Monthly Report: https://security.meridian.example/en/reports/ "
        "The entire collection of articles: https://security.meridian.example/en/articles/ "
        "by the Computer Security Team"
    )
    assert words_of(english).count(close) == 1
    assert "Who is speaking?" in texts(english, "h4")
    teasers = letter(articles=tuple(replace(a, body="") for a in sample_report().articles))
    assert "by the Computer Security Team" not in words_of(teasers) + teasers.text
    assert "A birthday cake, a whiteboard" in words_of(teasers)


def test_elsewhere_shows_source_host_reason_and_other_sources(english: Variant) -> None:
    """The comment is the value, and the host is in plain sight."""
    assert (
        "Voice cloning and the help desk: what held up European Coordination Centre · coordination-centre.example "
        "Three ways to verify a caller, tried at eleven organisations. Why it matters here: Our Service Desk"
    ) in words_of(english)
    assert "Also reported by National Cyber Office and Example CERT." in words_of(english)
    assert "CERT Exemple, in French · cert.example.net" in words_of(english)


def test_corrections_restate_counts(english: Variant, french: Variant) -> None:
    """The number that was printed, and the one that is right."""
    assert "Incidents in September 2026: 10 instead of 9." in words_of(english)
    assert "Incidents en septembre 2026 : 10 au lieu de 9." in words_of(french)
    assert "Incidents in September 2026: 10 instead of 9." in english.text


def test_figures_are_the_same_in_both_parts(english: Variant) -> None:
    """Every number of the tables stands in the HTML and in the text, with the rule of counting."""
    for variant_text in (words_of(english), " ".join(english.text.split())):
        assert "12 incidents in October 2026; 10 the month before (+20%)" in variant_text
        assert "each incident once, under its main class (RSIT)" in variant_text
        assert re.search(r"Fraud 5 4 3\.2", variant_text)
        assert re.search(r"2, medium 4 3 3\.1", variant_text)
        assert "October 2025 to October 2026" in variant_text


def test_bars_say_the_shares_of_the_table(english: Variant) -> None:
    """A bar is a share of the month, and bars are no text for screen readers."""
    widths = [e.get("style") for e in elements(english) if e.get("class") == "meter"]
    assert [re.search(r"width:(\d+)%", w)[1] for w in widths[:5] if w] == ["42", "25", "17", "8", "8"]
    rows = [e for e in elements(english) if e.tag == "tr" and any("bar" in c.get("class") for c in e.elements())]
    assert len(rows) == 10
    assert all(row.get("aria-hidden") == "true" for row in rows)


# --- languages -----------------------------------------------------------------


def test_french_letter_has_no_english_word_of_ours(french: Variant) -> None:
    """Every fixed word is translated; what falls back says so, with its language in the markup."""
    assert texts(french, "h2") == [
        "En bref",
        "Le geste du mois",
        "Le mot de la rédaction",
        "Incidents",
        "Chiffres",
        "Articles",
        "Venu d’ailleurs",
        "Corrections",
        "Vérifier ce message et nous joindre",
    ]
    fallen_back = [e for e in elements(french) if e.tag == "h3" and e.get("lang") == "en"]
    assert [e.text() for e in fallen_back][:2] == [
        "A forgotten test server answers the Internet",
        "The day the data centre was pretend-flooded",
    ]
    assert french.html.count("Ce texte n’existe pour l’instant qu’en anglais.") == 3
    assert french.text.count("Ce texte n’existe pour l’instant qu’en anglais.") == 3


def test_note_that_falls_back_marks_everything_that_it_says() -> None:
    """Title, brief, action and note come from one file: all of them in its language, with one notice for each part."""
    variant = letter(language=FR)
    heads = [e for e in elements(variant) if e.tag == "h1"]
    assert heads[0].get("lang") == "en"
    assert variant.html.count("Ce texte n’existe pour l’instant qu’en anglais.") >= 3
    assert next(e for e in elements(variant) if e.get("class") == "brief").get("lang") == "en"


def test_text_of_settings_falls_back_to_the_first_language() -> None:
    """A team that is named in one language only still signs."""
    publication = replace(PUBLICATION, team={EN: "the Team"}, verify={})
    variant = render_report(sample_report(language=FR), publication, PACKAGED)
    assert "par the Team" in words_of(variant)
    assert "Ce rapport n’a ni pièce jointe" in words_of(variant)
