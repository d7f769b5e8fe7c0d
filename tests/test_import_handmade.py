"""Pages of before there were content systems: breaks in place of paragraphs, large letters in place of headings."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as lxml_html

from newsletter.importing.handmade import MAX_BREAKS, put_in_order, without_sites
from newsletter.importing.nouns import File, Found, Kind
from newsletter.importing.pages import read_page

PROSE = "It was a quiet morning in the control room until the phone rang, and it rang for a very long time."
MORE = "Nobody picked it up."


def page(body: str, window: str = "", name: str = "x.html") -> Found:
    """What a page is read as."""
    title = f"<title>{window}</title>" if window else ""
    html = f"<html><head>{title}</head><body>{body}</body></html>"
    return read_page(File(Path(name), Path(), name, Kind.PAGE), html.encode())


# --- paragraphs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        f"{PROSE}<br><br>{MORE}",
        f"{PROSE}<br>\n<br />&nbsp;<br>{MORE}<br><br>",
        f"<br><br>{PROSE}<br><br>{MORE}",
        f"<p>{PROSE}<br><br>{MORE}</p>",
        f"<p>{PROSE}</p>{MORE}",
        f"<div><font face=Arial>{PROSE}<br><br>{MORE}</font></div>",
        f"<font size=2><span><i>{PROSE}<br><br>{MORE}</i></span></font>",
        f"<table><tr><td>{PROSE}<br><br>{MORE}</td></tr></table>",
        f"<center>{PROSE}<br><br>{MORE}</center>",
    ],
)
def test_two_breaks_end_a_paragraph(body: str) -> None:
    """However they are written, and whatever letters they stand in."""
    assert page(body, "A story").body == f"{PROSE}\n\n{MORE}"


def test_one_break_stays_a_break_and_marks_stay_where_they_were() -> None:
    body = (
        f"{PROSE} <b>Twice</b>,<br>and <a href='/x'>again</a>.<br><br>{MORE} <i>Why?</i><br><br><ul><li>One</ul>Last."
    )
    assert page(body, "A story").body == (f"{PROSE} **Twice**,\\\nand [again](/x).\n\n{MORE} *Why?*\n\n- One\n\nLast.")


def test_breaks_in_code_and_in_tables_with_heads_end_nothing() -> None:
    table = "<table><tr><th>A<th>B</tr><tr><td>one<br><br>two<td>three</tr></table>"
    body = page(f"<p>{PROSE}</p><pre>a<br><br>b</pre>{table}", "A story").body
    assert body == f"{PROSE}\n\n```\na\n\nb\n```\n\n| A | B |\n| --- | --- |\n| one  two | three |"


def test_more_breaks_than_any_article_has_are_left_alone() -> None:
    """Each paragraph is moved by itself: a million of them would take minutes."""
    for count in (MAX_BREAKS, MAX_BREAKS + 1):
        tree = lxml_html.document_fromstring(f"<body><div>x{'<br>' * count}y</div></body>")
        put_in_order(tree)
        assert len(tree.findall(".//br")) == (count if count > MAX_BREAKS else 0)


# --- quotes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("He said <q>no <b>never</b></q>.", "He said \u201cno **never**\u201d."),
        ("<div lang=fr>Il dit <q>non</q>.</div>", "Il dit \u00ab\u00a0non\u00a0\u00bb."),
        ("<div lang=fr>Il dit <q lang=en>no</q>.</div>", "Il dit \u201cno\u201d."),
        ("<q></q>Nothing.", "\u201c\u201dNothing."),
    ],
)
def test_what_a_browser_draws_around_a_quote_is_written(body: str, shown: str) -> None:
    assert page(f"<p>{PROSE}</p>{body}", "A story").body.partition("\n\n")[2] == shown


# --- titles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "<center><font size=5><b>Passwords are like toothbrushes</b></font></center>",
        "<p><b>Passwords are like toothbrushes</b></p>",
        "<font size='+2'>Passwords are like <i>toothbrushes</i></font><br><br>",
        "<div align=center>Passwords are like toothbrushes</div>",
        "<a name=top></a><big>Passwords are like toothbrushes</big><br>",
        "<table><tr><td><strong>Passwords are like toothbrushes</strong><br></td></tr></table>",
    ],
)
def test_a_loud_first_line_is_the_title(line: str) -> None:
    """It is guessed, said so, and does not stand in the text a second time."""
    found = page(f"{line}{PROSE}<br><br>{MORE}", "Computer Security Team")
    assert (found.title, found.body) == ("Passwords are like toothbrushes", f"{PROSE}\n\n{MORE}")
    assert found.guessed == ("title: its first line",)


@pytest.mark.parametrize(
    "line",
    [
        "<b>Summary</b><br>",  # too short to be sure
        "<b>This is the first sentence of it.</b><br>",
        "<b>by Ada Example and Bob</b><br>",
        f"<b>{'Very ' * 17}long</b><br>",
        "<b>Loud</b> and then not so loud<br>",
        "<font face=Arial color=red>Just another font here</font><br>",
        "<font size=2>Just small letters here</font><br>",
        "Nothing about these words<br>",
    ],
)
def test_other_first_lines_are_not(line: str) -> None:
    found = page(f"{line}{PROSE}<br><br>{MORE}", "Told by the window")
    assert found.title == "Told by the window"


def test_what_the_window_says_too_needs_no_other_sign() -> None:
    found = page(f"Phishing<br><br>{PROSE}<br><br>{MORE}", "Computer Security - Phishing")
    assert (found.title, found.body) == ("Phishing", f"{PROSE}\n\n{MORE}")
    head = '<meta property="og:title" content="Phishing | The site">'
    found = page(f"{head}<b>Phishing</b><br><br>{PROSE}<br><br>{MORE}")
    assert (found.title, found.body) == ("Phishing", f"{PROSE}\n\n{MORE}")


def test_a_heading_that_the_window_names_is_the_title() -> None:
    found = page(f"<h2>Phishing</h2><p>{PROSE}</p>", "Computer Security - Phishing")
    assert (found.title, found.body) == ("Phishing", PROSE)


def windows(*names: str) -> list[str]:
    """The titles of pages with these windows, which are imported together."""
    found = [page(f"<p>{PROSE}</p>", name, f"{number}.html") for number, name in enumerate(names)]
    return [one.title for one in without_sites(found)]


def test_what_windows_have_in_common_is_the_name_of_their_site() -> None:
    """Before or behind the title; two alike may be chance."""
    ours = ["Security - One", "Security - Two", "Security - Three - four | Us", "Five | Us", "Six | Us"]
    assert windows(*ours) == ["One", "Two", "Three - four", "Five", "Six"]
    assert windows("Security - One", "Security - Two") == ["Security", "Security"]
    assert windows("Same", "Same", "Same") == ["Same"] * 3
