"""The rules over content: each finds what it is for, in its place, and nothing in content that is as it should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.checks import DOOR_ADVICE, RULES, check_content, rule_table
from newsletter.checks.house import House
from newsletter.collect.editions import past_editions
from newsletter.collect.files import collect_files
from newsletter.config import load_settings
from newsletter.model import Action, Collected, Finding, Gravity, Month, PastEdition, Pick, Status, Tlp
from newsletter.parsing import DOOR_RULES
from tests.support.archive import edition
from tests.support.content import EN, FR, article, incident, note, publication

REPOSITORY = Path(__file__).parent.parent
SEPTEMBER = Month(2026, 9)
SITE = publication(themes={"devices": {EN: "Devices"}, "travel": {EN: "Travel"}}, languages=(EN,))


def found(*items: object, site=SITE, past: tuple[PastEdition, ...] = ()) -> list[Finding]:
    """Findings about these pieces of content."""
    kinds = {"Article": "articles", "Incident": "incidents", "EditorNote": "notes"}
    sorted_items: dict[str, tuple[object, ...]] = {}
    for item in items:
        kind = kinds[type(item).__name__]
        sorted_items[kind] = (*sorted_items.get(kind, ()), item)
    findings = check_content(Collected(past=past, **sorted_items), House(site))  # type: ignore[arg-type]
    assert all(finding.fix and finding.message for finding in findings)
    assert all(finding.gravity is RULES[finding.rule].gravity for finding in findings)
    return list(findings)


def places(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(finding.rule, finding.place.path, finding.place.line) for finding in findings]


def test_content_as_it_should_be_has_no_findings():
    """Otherwise nobody would read them."""
    assert found(article("a", themes=("devices",)), incident(), note()) == []


def test_codes_are_unlike_those_of_the_door():
    """A code names one rule, and each rule says what it is for."""
    assert RULES.keys().isdisjoint(DOOR_RULES)
    assert all(rule.code == code and rule.title for code, rule in RULES.items())


def test_everything_above_the_public_clearance_is_named():
    """Editors see what the public edition leaves out, whatever it is."""
    items = (
        article("a", tlp=Tlp.GREEN, lines={"tlp": 4}),
        incident(2, tlp=Tlp.AMBER),
        note(tlp=Tlp.AMBER_STRICT, lines={"tlp": 2}),
        article("b", tlp=Tlp.CLEAR),
    )
    findings = found(*items)
    assert places(findings) == [
        ("tlp-above-clearance", items[0].path, 4),
        ("tlp-above-clearance", items[1].path, 1),
        ("tlp-above-clearance", items[2].path, 2),
    ]
    assert "TLP:AMBER+STRICT" in str(findings[2])
    assert {finding.gravity for finding in findings} == {Gravity.ADVISE}


def test_an_article_without_summary_blocks():
    """Mails and indexes would show an empty teaser."""
    item = article("a", summary="")
    assert places(found(item)) == [("summary-missing", item.path, 1)]


@pytest.mark.parametrize(("length", "count"), [(70, 0), (71, 3)])
def test_long_titles_are_named(length: int, count: int):
    """They stand in subjects, of articles, incidents and notes alike."""
    title = "x" * length
    assert len(found(article("a", title=title), incident(title=title), note(title=title))) == count


def test_a_theme_that_nobody_defined_blocks():
    """It would have neither name nor page."""
    item = article("a", themes=("devices", "device", "wurst"), lines={"themes": 6})
    findings = found(item)
    assert places(findings) == [("theme-unknown", item.path, 6)] * 2
    assert [finding.fix for finding in findings] == [
        'did you mean "devices"?',
        "add [publication.themes.wurst] to newsletter.toml",
    ]


def test_an_order_of_things_that_do_not_exist_blocks():
    """A misspelt name would silently change nothing."""
    item = note(order=("passwords", "INC-2026-001", "pasword"), lines={"order": 3})
    findings = found(article("passwords"), incident(1), item)
    assert places(findings) == [("order-unknown", item.path, 3)]
    assert findings[0].fix == 'did you mean "passwords"?'


# --- translations -----------------------------------------------------------------------------

BILINGUAL = replace(SITE, languages=(EN, FR))


def test_missing_translations_are_named():
    """Of articles in print and of notes, in every language but the first."""
    findings = found(
        article("a"),
        article("b"),
        replace(article("b", language=FR), translates=article("b").digest),
        article("c", status=Status.DRAFT),
        article("d", status=Status.WITHDRAWN),
        incident(),
        note(),
        site=BILINGUAL,
    )
    assert [(f.rule, f.place.path) for f in findings] == [
        ("translation-missing", article("a").path),
        ("translation-missing", note().path),
    ]


@pytest.mark.parametrize(("translates", "words"), [("0" * 16, "has changed since"), (None, "unknown which text")])
def test_a_translation_of_another_text_is_stale(translates: str | None, words: str):
    """The digest says which text it translates; the finding says what to write when it has been compared."""
    for original in (article("a"), incident(1)):
        changes = {"language": FR, "translates": translates, "lines": {"translates": 9} if translates else {}}
        stale = replace(original, path=original.path.replace(".en.", ".fr."), **changes)
        (finding,) = found(original, stale, site=BILINGUAL)
        assert (finding.rule, finding.place.path, finding.place.line) == (
            "translation-stale",
            stale.path,
            9 if translates else 1,
        )
        assert words in finding.message
        assert original.digest in finding.fix
        assert found(original, replace(stale, translates=original.digest), site=BILINGUAL) == []


def test_an_original_is_no_translation_of_itself():
    """And what has no original has been told of by the door."""
    assert found(article("a", translates="0" * 16), site=SITE) == []
    assert found(article("a", language=FR, translates="0" * 16), site=BILINGUAL) == []


# --- links ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://advisories.example.org/en/articles/wurst/",
        "mailto:csirt@meridian.example",
        "/en/articles/b/",
        "/en/articles/b",
        "/fr/articles/b/",
        "/en/articles/b/#part",
        "/en/articles/withdrawn/",
        "../b/",
        "?print=1",
        "#a-part",
        "#%C3%A9t%C3%A9",
        "/",
        "/en/",
        "/en/articles/",
        "/en/reports/2026-09/",
        "/en/themes/devices/",
        "/en/2026/",
        "/old/stick/",
        "/en/feed.xml",
        "https://security.meridian.example/en/articles/b/",
        "https://security.meridian.example/another-service/",
        "picture.png",
    ],
)
def test_links_that_lead_somewhere_are_fine(target: str):
    """Every language has a page of every article; the host may have pages that are not ours."""
    body = f"## A part\n\n## été\n\n[a link]({target})"
    items = (
        article("a", body=body),
        article("b", aliases=("/old/stick/",)),
        article("withdrawn", status=Status.WITHDRAWN),
    )
    findings = found(*items, site=replace(SITE, languages=(EN, FR)))
    assert [finding for finding in findings if finding.rule != "translation-missing"] == []


@pytest.mark.parametrize(
    "target",
    [
        "/en/articles/wurst/",
        "/de/articles/b/",
        "../wurst/",
        "b.en.md",
        "b/",
        "/articles/b/",
        "/en/themes/wurst/",
        "/en/reports/october/",
        "/wurst/",
        "#no-part",
        "https://security.meridian.example/en/articles/wurst/",
    ],
)
def test_links_that_lead_nowhere_block(target: str):
    """Misspelt, mostly."""
    item = article("a", body=f"Text.\n\n- [a link]({target})\n", lines={"body": 10})
    assert places(found(item, article("b"))) == [("link-internal-dead", item.path, 12)]


@pytest.mark.parametrize("form", ["subscribe", "preferences"])
def test_links_to_the_forms_lead_somewhere_where_the_site_has_them(form: str):
    """The application answers them; where they are closed, nobody does."""
    item = article("a", body=f"Text.\n\n[a link](/en/{form}/)\n", lines={"body": 10})
    assert found(item, site=replace(SITE, has_forms=True)) == []
    assert places(found(item, site=replace(SITE, has_forms=False))) == [("link-internal-dead", item.path, 12)]


@pytest.mark.parametrize("target", ["draft", "secret", "before"])
def test_links_to_what_is_not_shown_only_advise(target: str):
    """One editor's label or draft must not stop the month of all."""
    item = article("a", body=f"Text.\n\n[a link](../{target}/#part)\n", lines={"body": 10})
    others = (
        article("draft", status=Status.DRAFT),
        article("secret", tlp=Tlp.AMBER, aliases=("/en/articles/before/",)),
    )
    findings = [finding for finding in found(item, *others) if finding.rule != "tlp-above-clearance"]
    assert places(findings) == [("link-internal-hidden", item.path, 12)]


def test_links_in_what_is_not_shown_stop_nobody():
    """Drafts, what is above clearance, and internal summaries: none of it is printed."""
    dead = "[a](/en/articles/wurst/) and [b](#wurst) and [c](/en/articles/draft/)"
    items = (
        article("draft", status=Status.DRAFT, body=dead),
        article("secret", tlp=Tlp.AMBER, body=dead),
        incident(1, internal_summary=dead),
        incident(2, tlp=Tlp.GREEN, public_summary=dead),
        note(tlp=Tlp.GREEN, body=dead),
    )
    assert {finding.rule for finding in found(*items)} == {"tlp-above-clearance"}


@pytest.mark.parametrize(
    "markdown",
    ["[a](ftp://a.example)", "[a](javascript:x)", "[a](//a.example)", "[a]()", "![a](https://a.example/x.png)"],
)
def test_targets_that_cleaning_takes_away_block(markdown: str):
    """Readers would get a dead word, and nobody would know."""
    item = article("a", body=f"Text.\n{markdown}", lines={"body": 8})
    assert places(found(item)) == [("link-unusable", item.path, 9)]


def test_links_are_judged_in_every_text():
    """Of articles, of all parts of an incident, of notes and what stands in their front matter."""
    dead = "x\n[y](/wurst/)"
    texts = ("public_summary", "internal_summary", "lessons", "advice")
    one = incident(1, **dict.fromkeys(texts, dead), lines={name: 10 * n for n, name in enumerate(texts, 1)})
    other = note(
        body=dead,
        in_brief=("fine", dead),
        corrections=(dead,),
        elsewhere=(Pick("https://a.example", dead),),
        action=Action("t", dead),
        lines={"body": 90, "in_brief": 50, "corrections": 60, "elsewhere": 70, "action": 80},
    )
    assert [line for _, _, line in places(found(one, other))] == [11, 31, 41, 51, 61, 71, 81, 91]


# --- what the public may see, and was told ----------------------------------------------------

SECRET = "The key was under the mat of room 4-R-012."


@pytest.mark.parametrize(
    "source",
    [
        article("s", tlp=Tlp.GREEN, body=f"Words.\n\n{SECRET}", lines={"body": 7}),
        incident(7, tlp=Tlp.AMBER, lessons=f"- {SECRET}", lines={"lessons": 7}),
        incident(7, internal_summary=f"It was *like this*: {SECRET}", lines={"internal_summary": 7}),
        note(Month(2026, 9), tlp=Tlp.GREEN, action=Action("Do it", SECRET), lines={"action": 7}),
        incident(7, tlp=Tlp.GREEN, title=SECRET, lines={"title": 7}),
    ],
)
def test_a_stricter_sentence_in_a_text_for_the_public_blocks(source: object):
    """Wherever it comes from, in whatever markup; both places are named, and the copy is the one to mend."""
    item = article(
        "a", body="Words.\n\nMore. “The **key** was under the\nmat of room 4-R-012.” Fine.", lines={"body": 10}
    )
    findings = [finding for finding in found(item, source) if finding.rule == "tlp-copied"]
    assert places(findings) == [("tlp-copied", item.path, 12)]
    assert f"{source.path}:7" in findings[0].message  # type: ignore[attr-defined]
    assert SECRET in findings[0].message
    assert findings[0].gravity is Gravity.BLOCK


def test_a_copy_is_found_in_every_text_for_the_public():
    """Of articles, incidents and notes; a sentence of an incident's own internal summary too."""
    texts = ("public_summary", "lessons", "advice")
    one = incident(
        1,
        **dict.fromkeys(texts, SECRET),
        internal_summary=SECRET,
        lines={name: 10 * n for n, name in enumerate(texts, 1)},
    )
    other = note(
        body=SECRET,
        in_brief=(SECRET,),
        corrections=(SECRET,),
        elsewhere=(Pick("https://a.example", SECRET),),
        action=Action("t", SECRET),
        lines={"body": 90, "in_brief": 50, "corrections": 60, "elsewhere": 70, "action": 80},
    )
    third = article("a", title="On", summary=SECRET, body="x", lines={"summary": 40})
    findings = [finding for finding in found(one, other, third) if finding.rule == "tlp-copied"]
    assert sorted(finding.place.line for finding in findings) == [10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_what_is_no_copy():
    """Not printed, too short to tell, only alike, or mailed before the label was raised."""
    secret = incident(7, tlp=Tlp.GREEN, title="Stolen disk", public_summary=f"{SECRET} All is well.")
    items = (
        article("a", body="A Stolen disk. All is well. The key was under the mat of room 5."),
        article("b", tlp=Tlp.GREEN, body=SECRET),
        article("c", status=Status.DRAFT, body=SECRET),
    )
    copies = [finding for finding in found(secret, *items) if finding.rule == "tlp-copied"]
    assert copies == []
    printed = article("d", body=SECRET)
    assert "tlp-copied" in {finding.rule for finding in found(secret, printed)}
    letter = f"<p>{SECRET.replace('mat', '<em>mat</em>')}</p>"
    assert "tlp-copied" not in {finding.rule for finding in found(secret, printed, past=(past(letters=(letter,)),))}


def past(month: Month = SEPTEMBER, **values: object) -> PastEdition:
    return PastEdition(**({"month": month, "digest": "x", "incident_ids": frozenset(), "counts": {}} | values))  # type: ignore[arg-type]


def test_released_editions_tell_what_they_linked_to_and_said():
    """The base of these rules: every article of every language, and the letters as HTML."""
    (told,) = past_editions([edition(SEPTEMBER, previous=None)])
    assert told.article_slugs == {"social-media-dos-and-donts", "the-sign-in-you-did-not-start", "six-random-words"}
    assert sorted(told.letters) == ["<p>2026-09 en html", "<p>2026-09 fr html"]


def test_an_address_that_was_mailed_stays():
    """As an article, withdrawn or not, or as an alias in every language; a draft has no page."""
    editions = (past(article_slugs=frozenset({"x"})), past(Month(2026, 10), article_slugs=frozenset({"x"})))
    site = replace(SITE, languages=(EN, FR))
    for fine in (
        article("x"),
        article("x", status=Status.WITHDRAWN),
        article("y", aliases=("/en/articles/x/", "/fr/articles/x")),
        article("x", tlp=Tlp.AMBER),
    ):
        assert "address-lost" not in {finding.rule for finding in found(fine, site=site, past=editions)}
    for gone in (
        article("z"),
        article("x", status=Status.DRAFT),
        article("y", status=Status.DRAFT, aliases=("/en/articles/x/",)),
    ):
        (finding,) = [f for f in found(gone, site=site, past=editions) if f.rule == "address-lost"]
        assert finding.message == "the report of 2026-09 links to /en/articles/x/, /fr/articles/x/, which is no more"
        assert finding.fix.startswith("add aliases: [/en/articles/x/, /fr/articles/x/] to the article that replaces it")
        assert (finding.gravity, str(finding.place)) == (Gravity.BLOCK, "editions/2026-09")
    half = article("y", aliases=("/en/articles/x/",))
    (finding,) = [f for f in found(half, site=site, past=editions) if f.rule == "address-lost"]
    assert "links to /fr/articles/x/," in finding.message


def test_a_label_raised_after_the_report_is_named():
    """Incidents and articles, under their old names too; with the month that told first."""
    told = {"incident_ids": frozenset({"INC-2026-001"}), "article_slugs": frozenset({"a", "old"})}
    items = (
        incident(1, tlp=Tlp.AMBER, lines={"tlp": 3}),
        incident(2, tlp=Tlp.AMBER),
        article("a", tlp=Tlp.GREEN),
        article("b", tlp=Tlp.GREEN, aliases=("/en/articles/old/",)),
        article("c", tlp=Tlp.GREEN),
    )
    findings = [f for f in found(*items, past=(past(Month(2026, 10), **told), past(**told))) if f.rule == "tlp-told"]
    assert {(f.place.path, f.place.line) for f in findings} == {
        (items[0].path, 3),
        (items[2].path, 1),
        (items[3].path, 1),
    }
    assert all("already told to the public in 2026-09" in finding.message for finding in findings)


def test_the_handbook_lists_exactly_these_rules():
    """Copy the table from this failure into docs/editors.md."""
    handbook = (REPOSITORY / "docs" / "editors.md").read_text(encoding="utf-8")
    _, section = handbook.split("## What `check` looks for\n")
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert DOOR_ADVICE.issubset(DOOR_RULES)
    assert table == rule_table(), f"docs/editors.md wants this table:\n\n{rule_table()}\n"


def test_our_own_content_has_nothing_that_blocks():
    """What we show as an example passes its own preflight."""
    settings = load_settings(REPOSITORY, {})
    collected, _ = collect_files(REPOSITORY, settings.publication.languages)
    findings = check_content(collected, House(settings.publication, settings.checks))
    assert [str(finding) for finding in findings if finding.gravity is Gravity.BLOCK] == []
    assert any(finding.rule == "tlp-above-clearance" for finding in findings)
