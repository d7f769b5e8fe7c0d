"""The rules over letters: each finds what it is for, where it is, and nothing else; none finds anything in our own."""

from __future__ import annotations

import pytest

from newsletter.checks.mails import MAIL_RULES, MAX_PROBLEMS, check_letter
from newsletter.checks.mails.letter import Letter
from newsletter.model import Finding
from tests.rules.letters import NAME, Change, Draft, good, house, own_letters
from tests.rules.mail_examples import EXAMPLES, Bad

pytestmark = pytest.mark.slow

CODES = list(MAIL_RULES)
BAD = [
    pytest.param(code, bad, id=f"{code}-{number}")
    for code, example in EXAMPLES.items()
    for number, bad in enumerate(example.bad)
]
GOOD = [
    pytest.param(code, change, id=f"{code}-{number}")
    for code, example in EXAMPLES.items()
    for number, change in enumerate(example.good)
]


def findings(draft: Draft) -> list[Finding]:
    return list(check_letter(draft.letter(), house()))


def test_every_rule_has_examples():
    """A rule without an example could be removed, and no test would notice."""
    assert len(set(CODES)) == len(CODES)
    assert set(CODES) == set(EXAMPLES)
    assert all(example.bad for example in EXAMPLES.values())


@pytest.mark.parametrize("name", sorted(own_letters()))
def test_own_letters_are_as_they_should_be(name: str):
    """Every month of the repository, in both languages, without a waiver."""
    assert [str(one) for one in check_letter(Letter(name, own_letters()[name]), house())] == []


def test_taking_a_letter_apart_and_making_it_again_changes_nothing():
    """Otherwise the examples would not be about the letter as sent; only its token has no line of its own here."""
    sent, made = Letter(NAME, own_letters()[NAME]), good().letter()
    assert sent.head == made.head
    assert (sent.text.rstrip(), sent.html.rstrip()) == (made.text.rstrip(), made.html.rstrip())


@pytest.mark.parametrize(("code", "bad"), BAD)
def test_fault_is_found_in_its_place_and_nothing_else_is(code: str, bad: Bad):
    """One planted fault, one code, its place: others only where the example says that they are right too."""
    draft = bad.change(good())
    found = findings(draft)
    assert {one.rule for one in found} == {code} | bad.also, [str(one) for one in found]
    assert [(str(one.place.path), one.place.line, one.place.column) for one in found if one.rule == code] == [
        place(draft, bad.part, at) for at in bad.at
    ], [str(one) for one in found]


@pytest.mark.parametrize(("code", "change"), GOOD)
def test_what_only_looks_like_a_fault_passes(code: str, change: Change):
    """The rule has a limit, and this is on its good side."""
    assert [str(one) for one in findings(change(good())) if one.rule == code] == []


def place(draft: Draft, part: str, at: str) -> tuple[str, int, int]:
    """Where these characters stand first; headers have no columns."""
    text = draft.part(part)
    assert at in text, f"{at!r} is not there"
    before = text[: text.index(at)]
    column = 0 if part == "eml" else len(before) - before.rfind("\n")
    if part == "txt" and not at:
        column = 0
    return f"{NAME}.{part}", before.count("\n") + 1, column


def test_a_rule_stops_counting():
    """Whoever has mended fifty will ask again."""
    draft = good()
    many = Draft(draft.head, draft.text, draft.html.replace("<td ", "<td onclick='x' "))
    assert sum(one.rule == "mail-handler" for one in findings(many)) == MAX_PROBLEMS
