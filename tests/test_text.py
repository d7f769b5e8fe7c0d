"""Plain text: 72 columns, words instead of Markdown, links as numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.html import markdown_faults
from newsletter.render.prose import mail_text
from newsletter.render.text import COLUMNS, LinkNotes, facts, heading, right, rule, wrapped
from tests.support.samples import ARTICLE, sample_publication

PUBLICATION = sample_publication()
PAGE = "https://security.meridian.example/en/articles/x/"


def told(markdown: str, *, indent: int = 0, notes: LinkNotes | None = None) -> str:
    """A Markdown text as it stands in the letter."""
    return mail_text(markdown, PUBLICATION, notes or LinkNotes(), page=PAGE, indent=indent)


PAIRS = {
    "paragraphs": ("One *two* **three** `four`.\n\nFive~~six~~.", "One two three four.\n\nFivesix."),
    "headings": ("## Who is speaking?\n\nYou.", "Who is speaking?\n----------------\n\nYou."),
    "hard line break": ("One\\\ntwo  \nthree", "One\ntwo\nthree"),
    "bullets": ("- one\n- two", "- one\n- two"),
    "numbers that start elsewhere": ("3. three\n4. four", "3. three\n4. four"),
    "list in a list": ("- one\n  - inner\n- two", "- one\n  - inner\n- two"),
    "paragraphs in a list": ("1. one\n\n   more\n2. two", "1. one\n\n   more\n\n2. two"),
    "quote": ("> Said.", "    Said."),
    "code keeps its lines": ("```\na  b\n  c\n```", "    a  b\n      c"),
    "rule": ("a\n\n---\n\nb", f"a\n\n{'-' * 72}\n\nb"),
    "table that fits": ("| A | Bee |\n|-|-|\n| one | 2 |", "A    Bee\n---  ---\none  2"),
    "picture": ("![A badge](badge.png)", "[A badge]"),
    "picture without words": ("a ![](badge.png) b", "a b"),
    "footnote": ("Said.[^1]\n\n[^1]: There.", "Said.¹\n\n¹ There."),
    "entities": ("a &amp; b &lt; c", "a & b < c"),
    "link inside the page": ("[above](#x)", "above"),
}


@pytest.mark.parametrize(("markdown", "text"), PAIRS.values(), ids=PAIRS.keys())
def test_markdown_becomes_plain_text(markdown: str, text: str) -> None:
    """Golden pairs: nothing of the notation is left, nothing of the words is lost."""
    assert told(markdown) == text


def test_links_are_numbered_in_order_of_appearance() -> None:
    """The same address keeps its number; relative ones count from the site and from the page."""
    notes = LinkNotes()
    text = told("[a](https://a.example/) [b](/en/articles/b/) [c](c.html) [again](https://a.example/)", notes=notes)
    assert text == "a [1] b [2] c [3] again [1]"
    assert notes.numbered() == (
        (1, "https://a.example/"),
        (2, "https://security.meridian.example/en/articles/b/"),
        (3, "https://security.meridian.example/en/articles/x/c.html"),
    )


def test_address_that_is_its_own_text_needs_no_number() -> None:
    """Whoever reads the address needs no footnote to it."""
    notes = LinkNotes()
    text = told("[https://a.example/](https://a.example/), [me@a.example](mailto:me@a.example)", notes=notes)
    assert text == "https://a.example/, me@a.example"
    assert not notes.addresses


def test_table_that_is_too_wide_is_told_row_by_row() -> None:
    """Each cell after the head of its column; no line runs out of the page."""
    long = "words " * 12
    text = told(f"| Do | Don't |\n|-|-|\n| {long}| never |\n| b | |")
    assert text.startswith("Do — words words")
    assert "\nDon't — never\n\nDo — b" in text
    assert max(len(line) for line in text.split("\n")) <= COLUMNS


def test_article_keeps_within_72_columns() -> None:
    """The sample article has a bit of everything."""
    lines = told(ARTICLE).split("\n")
    assert max(len(line) for line in lines) <= COLUMNS
    assert "|" not in "".join(lines)
    assert "**" not in "".join(lines)


def test_indented_text_keeps_within_72_columns() -> None:
    """Lists and quotes inside an indented part count their indentation."""
    lines = told(ARTICLE, indent=6).split("\n")
    assert max(len(line) for line in lines) <= COLUMNS
    assert all(line.startswith("      ") for line in lines if line)


def test_no_break_space_holds_words_together() -> None:
    """20 000 is one number and "a :" one word: a line never breaks inside."""
    text = wrapped("x" * 60 + " 20\u00a0000\u00a0boîtes")
    assert text.split("\n")[1] == "20\u00a0000\u00a0boîtes"


def test_long_address_stays_whole() -> None:
    """A broken address is a dead link."""
    address = "https://a.example/" + "x" * 100
    assert f"\n{address}\n" in wrapped(f"word {address} word")


def test_bullet_stands_before_a_hanging_paragraph() -> None:
    """The first line has the bullet, the others its room."""
    assert wrapped("a " * 40, first="- ").split("\n")[1].startswith("  a")


def test_parts_of_a_letter() -> None:
    """Heads, rules, labels at the right edge, facts in columns."""
    assert heading("In brief") == "IN BRIEF\n========"
    assert rule("-") == "-" * 72
    assert right("TLP:CLEAR") == " " * 63 + "TLP:CLEAR"
    assert facts([("A", "x"), ("Long", "y")]) == "A     x\nLong  y"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_markdown_becomes_text(markdown: str) -> None:
    """Whatever the door lets through can be printed, and breaks no line of prose that could be broken elsewhere."""
    if markdown_faults(markdown):
        return
    for line in told(markdown, notes=LinkNotes()).split("\n"):
        assert len(line) <= COLUMNS or " " not in line.strip(" -·•0123456789.") or line.startswith("    ")


WORDS = st.text(alphabet="abcé\u00a0-", min_size=1, max_size=30).filter(lambda word: word.strip() != "")


@given(st.lists(WORDS, max_size=60), st.integers(0, 12))
def test_wrapping_loses_no_word(words: list[str], indent: int) -> None:
    """The words come out in their order, on lines that are as long as allowed or hold a single word."""
    text = wrapped(" ".join(words), indent=indent)
    assert re.split(r"[ \n]+", text.strip(" \n")) == (words or [""])
    assert all(len(line) <= COLUMNS or " " not in line.strip(" ") for line in text.split("\n"))


def test_page_of_a_site_below_a_path() -> None:
    """A site may live below a path: addresses that begin with a slash count from its base."""
    notes = LinkNotes()
    below = replace(PUBLICATION, base_url="https://www.example.org/security")
    mail_text("[b](/en/articles/b/)", below, notes, page="https://www.example.org/security/en/articles/x/")
    assert notes.addresses == ["https://www.example.org/security/en/articles/b/"]
