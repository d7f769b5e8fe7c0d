"""The rules over content: each finds what it is for, in its place, and nothing in content that is as it should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.checks import RULES, check_content
from newsletter.collect.files import collect_files
from newsletter.config import load_settings
from newsletter.model import Action, Collected, Finding, Gravity, Pick, Status, Tlp
from newsletter.parsing import DOOR_RULES
from tests.support.content import EN, FR, article, incident, note, publication

REPOSITORY = Path(__file__).parent.parent
SITE = publication(themes={"devices": {EN: "Devices"}, "travel": {EN: "Travel"}}, languages=(EN,))


def found(*items: object, site=SITE) -> list[Finding]:
    """Findings about these pieces of content."""
    kinds = {"Article": "articles", "Incident": "incidents", "EditorNote": "notes"}
    sorted_items: dict[str, tuple[object, ...]] = {}
    for item in items:
        kind = kinds[type(item).__name__]
        sorted_items[kind] = (*sorted_items.get(kind, ()), item)
    findings = check_content(Collected(**sorted_items), site)  # type: ignore[arg-type]
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
        "b/",
        "/articles/b/",
        "/en/articles/draft/",
        "/en/articles/secret/",
        "/en/themes/wurst/",
        "/en/reports/october/",
        "/wurst/",
        "#no-part",
        "https://security.meridian.example/en/articles/wurst/",
    ],
)
def test_links_that_lead_nowhere_block(target: str):
    """Misspelt, drafts, and what the public may not see."""
    others = (
        article("b"),
        article("draft", status=Status.DRAFT),
        article("secret", tlp=Tlp.AMBER),
    )
    item = article("a", body=f"Text.\n\n- [a link]({target})\n", lines={"body": 10})
    findings = [finding for finding in found(item, *others) if finding.rule != "tlp-above-clearance"]
    assert places(findings) == [("link-internal-dead", item.path, 12)]


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
    assert [line for _, _, line in places(found(one, other))] == [11, 21, 31, 41, 51, 61, 71, 81, 91]


def test_our_own_content_has_nothing_that_blocks():
    """What we show as an example passes its own preflight."""
    settings = load_settings(REPOSITORY, {})
    collected, _ = collect_files(REPOSITORY, settings.publication.languages)
    findings = check_content(collected, settings.publication)
    assert [str(finding) for finding in findings if finding.gravity is Gravity.BLOCK] == []
    assert any(finding.rule == "tlp-above-clearance" for finding in findings)
