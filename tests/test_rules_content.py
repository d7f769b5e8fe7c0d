"""The rules over texts: each finds what it is for, at the letter where it stands, and nothing anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.checks.house import House
from newsletter.checks.texts import TEXT_RULES
from newsletter.checks.texts.readability import grade, syllables
from newsletter.checks.texts.text import MAX_PROBLEMS
from newsletter.collect.files import collect_files
from newsletter.config import load_settings
from newsletter.html import markdown_faults, markdown_outline
from newsletter.model import Gravity, Standards
from tests.rules.content_examples import EXAMPLES, PASSWORD
from tests.support.content import EN, article, publication
from tests.support.marked import Case, body, head

REPOSITORY = Path(__file__).parent.parent
RULES = TEXT_RULES
HOUSE = House(publication())
BAD = [(code, case) for code, example in EXAMPLES.items() for case in example.bad]
GOOD = [(code, case) for code, example in EXAMPLES.items() for case in example.good]


def found(case: Case) -> set[tuple[str, int, int]]:
    """What all rules find in the file."""
    problems = [(rule.code, p) for rule in TEXT_RULES.values() for p in rule.function(case.item, case.house)]
    assert all(p.path == case.item.path and p.message and p.fix for _, p in problems)
    return {(code, p.line, p.column) for code, p in problems}


def test_every_rule_has_examples_of_both_kinds():
    """A rule without them could be taken out, or turned round, and nobody would notice."""
    assert list(EXAMPLES) == [code for code in EXAMPLES if code in RULES]
    assert EXAMPLES.keys() == RULES.keys()
    assert all(example.bad and example.good for example in EXAMPLES.values())
    assert all(case.places for _, case in BAD)
    assert not any(case.places for _, case in GOOD)


@pytest.mark.parametrize(("code", "case"), BAD, ids=[f"{code}-{n}" for n, (code, _) in enumerate(BAD)])
def test_a_rule_finds_every_marked_place_and_nothing_else(code: str, case: Case):
    """At exactly that line and column of the file."""
    assert found(case) == {(code, line, column) for line, column in case.places}


@pytest.mark.parametrize(("code", "case"), GOOD, ids=[f"{code}-{n}" for n, (code, _) in enumerate(GOOD)])
def test_what_is_as_it_should_be_is_left_alone(code: str, case: Case):
    """By this rule and all others: nobody reads advice that is wrong half the time."""
    assert found(case) == set()


def test_our_own_content_has_no_findings():
    """What we ask of others, the repository's articles, incidents and notes do."""
    settings = load_settings(REPOSITORY, {})
    collected, _ = collect_files(REPOSITORY, settings.publication.languages)
    house = House(settings.publication)
    items = (*collected.articles, *collected.incidents, *collected.notes)
    assert len(items) > 100
    assert [problem for item in items for rule in TEXT_RULES.values() for problem in rule.function(item, house)] == []


def test_leaks_block_and_style_advises():
    """A gravity changed by accident would let secrets out, or stop a release for a long sentence."""
    blocking = {rule.code for rule in TEXT_RULES.values() if rule.gravity is Gravity.BLOCK}
    leaks = {"secret", "personal-address", "personal-phone", "private-name", "live-indicator"}
    left = {"marker-left", "shortcode-left", "direction-turned"}
    assert blocking == leaks | left | {"word-banned", "link-text-lies", "link-shortener", "heading-empty"}


@pytest.mark.parametrize("code", ["secret", "personal-address", "personal-phone"])
def test_messages_do_not_repeat_what_must_not_be_seen(code: str):
    """They go to logs, and into the reports of other tools."""
    secrets = {"secret": PASSWORD, "personal-address": "jane.doe@lab.ch", "personal-phone": "+41 22 345 67 89"}
    case = body(f"The password: {secrets[code]} is it.")
    (problem,) = RULES[code].function(case.item, HOUSE)
    assert secrets[code] not in problem.message + problem.fix
    assert secrets[code][5:9] not in problem.message + problem.fix


def test_a_rule_stops_after_a_screenful():
    """A file of a thousand faults is told of the first ones."""
    item = article(body="[here](/en/) http://evil.top TODO a@b.ch\n\n" * 1_000)
    counts = {rule.code: len(list(rule.function(item, HOUSE))) for rule in TEXT_RULES.values()}
    assert {code for code, count in counts.items() if count == MAX_PROBLEMS} >= {"link-text-vague", "marker-left"}
    assert max(counts.values()) == MAX_PROBLEMS


HOSTILE = ("a", "a@", "a.b@", "+1 ", "1.", "0 ", "eyJaaaaaaaaaaa.", "password=", "a://", "http://a", "a:", "::", "[.]")
HOSTILE += (
    "TK ",
    "{{",
    "{% ",
    "\u202e",
    "[a](",
    "![a](b) ",
    "[insert ",
    "`",
    "*",
    "A. ",
    "evil.com ",
    "a-",
    "\N{RIGHT SINGLE QUOTATION MARK}",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_are_judged_to_the_end(piece: str):
    """No pattern goes back over what it has read: one that did would be busy for hours here."""
    lines = [piece * (2_000 // len(piece))] * 95
    text = "\n".join(lines)
    item = article(body=text if not markdown_faults(text) else lines[0], title=lines[0], summary=text)
    standards = Standards(private_names=("*a*a*a*b", "x"), banned_words={EN: {"a b": "", "to": ""}})
    house = House(publication(), standards)
    assert all(len(list(rule.function(item, house))) <= MAX_PROBLEMS for rule in TEXT_RULES.values())


def test_a_text_is_parsed_once_for_all_rules():
    """2,000 articles are judged in seconds because of that."""
    item = article(body="See [the form](https://a.example/once-only).")
    before = markdown_outline.cache_info().misses
    for rule in TEXT_RULES.values():
        list(rule.function(item, HOUSE))
    assert markdown_outline.cache_info().misses == before + 1


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", {"table": 2, "late": 1, "jumped": 1, "wanted": 2, "boxes": 2, "passwords": 2, "re-use": 2, "the": 1}),
        ("fr", {"table": 1, "ordinateurs": 4, "parlent": 1, "vent": 1, "sécurité": 4, "l'eau": 1, "aujourd'hui": 3}),
    ],
)
def test_syllables_are_counted_by_ear(language: str, words: dict[str, int]):
    """Mute endings are no syllables, and a word has one at least."""
    assert {word: syllables(language, word) for word in words} == words


def test_grades_are_those_of_the_formulas():
    """Ten words of one syllable in a sentence: 0.39*10 + 11.8*1 - 15.59; in French an ease of 123, the easiest."""
    assert grade("en", ["cat"] * 20, 2) == pytest.approx(0.11)
    assert grade("fr", ["chat"] * 20, 2) == 0
    # 207 - 1.015*20 - 73.6*2 = 39.5: between 50 (12 years) and 30 (16 years), nearly in the middle.
    assert grade("fr", ["maison"] * 40, 2) == pytest.approx(14.1)
    assert grade("de", ["Haus"] * 20, 2) is None
    assert grade("en", [], 0) is None


def test_places_of_code_links_and_headings_are_offsets_in_the_text():
    """In letters, whatever they need in UTF-8; rules blank out and point by them."""
    text = "Été `à` [réf *x*][r] ![im](a.png)\n\n> - é [c](/c)\n\n## Té `c`\n\n- x\n\n      é code\n\n[r]: /r\n"
    outline = markdown_outline(text)
    assert [text[link.start : link.end] for link in outline.links] == ["[réf *x*][r]", "![im](a.png)", "[c](/c)"]
    assert [link.words for link in outline.links] == ["réf x", "", "c"]
    assert [text[start:end] for start, end in outline.code] == ["`à`", "`c`", "é code"]
    assert [(text[h.start : h.start + 5], h.level, h.words) for h in outline.headings] == [("## Té", 2, "Té c")]


def test_texts_that_yaml_folds_are_found_by_line_alone():
    """A column would be a guess there."""
    case = head("image: a.png", "image_alt: >-", "  Photo", "  of a stick")
    assert found(case) == {("alt-weak", 8, 0)}
