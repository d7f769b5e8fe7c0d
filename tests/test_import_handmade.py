"""Pages of before there were content systems: breaks in place of paragraphs, large letters in place of headings."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as lxml_html

from newsletter.importing.closing import blocks_of, without_close
from newsletter.importing.handmade import MAX_BREAKS, put_in_order, without_sites
from newsletter.importing.nouns import File, Found, Kind, RefusedSource
from newsletter.importing.pages import page_found, read_page
from tests.support.tagsoup import soup

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


# --- who, when, and what stands around ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "day", "authors"),
    [
        ("<p><i>le 12 mars 2006, par Élodie Exemple</i></p>", "2006-03-12", ("Élodie Exemple",)),
        ("<font size=-1>by Ada Example, 12 February 1999</font><br>", "1999-02-12", ("Ada Example",)),
        ("<p>Submitted by Ada Example on Wed, 04/09/2014 - 10:12</p>", "2014-04-09", ("Ada Example",)),
        ("<span class=x>Wed, 10/08/2008 - 09:05 — ada</span>", "2008-10-08", ()),
        ("<p><b>Author:</b> A. Example &nbsp; <b>Date:</b> 14/02/2006</p>", "2006-02-14", ("A. Example",)),
        ("<p>by Ada Example — last modified Oct 12, 2009 08:30 AM</p>", "2009-10-12", ("Ada Example",)),
        ("Geneva, May 8th, 2000", "2000-05-08", ()),
        ("<h4>12-Feb-1999 | Ada Example</h4>", "1999-02-12", ()),
        ("<p>By Ada Example and Bob</p>", None, ("Ada Example", "Bob")),
    ],
)
def test_a_line_that_says_when_and_who_is_no_text(line: str, day: str | None, authors: tuple[str, ...]) -> None:
    """What else it says is told."""
    found = page(f"<h1>A story</h1>{line}<p>{PROSE}</p>")
    assert (str(found.day) if found.day else None, found.authors, found.body) == (day, authors, PROSE)
    assert any("Geneva" in one for one in found.remarks) == ("Geneva" in line)


def test_a_byline_beside_authors_in_the_head_is_told() -> None:
    """Both may be right; the head counts, and nobody is lost in silence. Who only runs the site wrote nothing."""
    html = f"<meta name=author content='{{}}'><h1>A story</h1><p>by Ada Example</p><p>{PROSE}</p>"
    assert page(html.format("Web Team")).remarks[0].endswith("names its authors: Ada Example")
    assert page(html.format("Ada Example")).remarks == ()
    assert page(html.format("Administrator")).authors == ("Ada Example",)


@pytest.mark.parametrize(
    "line",
    [
        "On Thursday, <b>12 May 2005</b>, it came back.",
        "Register before 12 May 2019",
        "By using this you agree",
        "By the time we came. It was late",
    ],
)
def test_a_sentence_with_a_day_stays(line: str) -> None:
    found = page(f"<h1>A story</h1><p>{line}</p><p>{PROSE}</p>")
    assert (found.day, found.authors) == (None, ())
    assert found.body.replace("*", "").startswith(line.replace("<b>", "").replace("</b>", ""))


def test_a_byline_that_the_page_calls_so_may_stand_above_the_text() -> None:
    html = f"<span class=submitted>Tue, 07/15/2008 - 14:32 — ada</span><div class='article-body'><p>{PROSE}</p></div>"
    assert str(page(html, "A story").day) == "2008-07-15"


def test_a_menu_above_the_text_is_left_out_and_told_but_links_of_the_text_stay() -> None:
    menu = "<table><tr><td><a href=a>Home</a></td><td><a href=b>News</a></td></tr></table>"
    found = page(f"<div>{menu}<p><b>Passwords are like toothbrushes</b></p><p>{PROSE}</p><p><a href=c>c</a></p></div>")
    assert (found.title, found.body) == ("Passwords are like toothbrushes", f"{PROSE}\n\n[c](c)")
    assert found.remarks == ("a menu was left out: Home | News",)
    assert page(f"<h1>T</h1><p><a href=a>One</a></p><p>{PROSE}</p>").body == f"[One](a)\n\n{PROSE}"


def test_a_form_around_the_whole_page_is_no_form() -> None:
    """ASP.NET and SharePoint make all their pages so; a search form is still left out."""
    assert page(f"<form><h1>T</h1><p>{PROSE}</p></form>").body == PROSE
    assert page(f"<h1>T</h1><form>Search here</form><p>{PROSE}</p>").body == PROSE


@pytest.mark.parametrize("tag", ["sup", "b", "a", "span", "font"])
def test_an_inline_element_may_hold_the_whole_text(tag: str) -> None:
    text = f"{PROSE} <code>{MORE}</code>"
    assert page(f"<h1>T</h1><div><{tag} id=content>{text}</{tag}></div>").body == f"{PROSE} `{MORE}`"


@pytest.mark.parametrize("word", ["social-engineering", "cookie-theft", "sharing", "related", "tags", "menu-attacks"])
def test_headings_and_sections_that_are_named_by_their_words_stay(word: str) -> None:
    """Pandoc, Hugo, Sphinx and our own archive make an id of each heading."""
    assert "Not to lose" in page(f"<h1>T</h1><p>{PROSE}</p><h2 id={word}>Not to lose</h2><p>{PROSE}</p>").body
    assert "Not to lose" in page(f"<h1>T</h1><p>{PROSE}</p><section id={word}><p>Not to lose</p></section>").body


def test_an_empty_paragraph_parts_words_and_a_last_break_says_nothing() -> None:
    assert page(f"<h1>T</h1>{PROSE} <p /> {MORE} <p></p>{PROSE}").body == f"{PROSE}\n\n{MORE}\n\n{PROSE}"
    assert page(f"<h1>T</h1><p>{PROSE}<br>&nbsp;</p><p><br>{MORE}</p>").body == f"{PROSE}\n\n{MORE}"


def test_paragraphs_that_word_made_of_lists_are_lists() -> None:
    item = (
        "<p class=MsoNormal style='mso-list:l0 level1 lfo1'><span>{}<span>&nbsp;&nbsp; </span></span>{}<o:p></o:p></p>"
    )
    items = item.format("·", "One <b>thing</b>") + item.format("·", "Two") + item.format("3.", "Three")
    body = page(f"<h1>T</h1><p>{PROSE}</p>{items}<p class=MsoListParagraph>Plain</p>").body
    assert body == f"{PROSE}\n\n- One **thing**\n- Two\n\n3. Three\n\nPlain"


@pytest.mark.parametrize(
    ("body", "window", "title"),
    [
        ("<h1>One<br>two</h1>", "", "One two"),
        ("<h1><a href=/>The site</a></h1><h2>Phishing</h2>", "Phishing « The site", "Phishing"),
        ("<div class=pagetitle>Sasser</div>", "The site | Worms", "Sasser"),
        ("<h2>Phishing: a fish story</h2>", "The site - Phishing", "Phishing: a fish story"),
        (f"<h2>What it is about</h2><p>{PROSE}</p><h2>Next</h2>", "Phishing", "Phishing"),
        ("<p align=center>Code Red is back</p>", "New Page 1", "Code Red is back"),
        ("<p><b>Printed from: http://e.org/</b></p><h3>On the Mac</h3>", "Print - On the Mac", "On the Mac"),
    ],
)
def test_titles_stand_in_many_places(body: str, window: str, title: str) -> None:
    assert page(f"{body}<p>{PROSE}</p>", window).title == title


def test_what_several_pages_say_alike_is_of_their_site() -> None:
    """Its name as every title, and its slogan as every description: a heading and the text tell more."""
    slogan = '<meta name="description" content="Joomla! - the dynamic portal engine">'
    pages = [page(f"{slogan}<h1>News</h1><h2>Tale {n}</h2><p>{PROSE}</p>", "", f"{n}.html") for n in range(3)]
    assert [(one.title, one.summary, one.body) for one in without_sites(pages)] == [
        (f"Tale {n}", "", PROSE) for n in range(3)
    ]
    assert [one.title for one in without_sites(pages[:2])] == ["News", "News"]


@pytest.mark.parametrize(
    ("last", "is_dropped"),
    [
        ("© 1999 The Group. Last updated: 12-Feb-1999.", True),
        ("*Last modified 12/01/2000 by [x@e.org](mailto:x@e.org)*", True),
        ("Back to top", True),
        (r"[\[Home\]](index.html) [\[Next\]](b.html)", True),
        ("[Home](a) \\| [News](b)", True),
        ("Dernière mise à jour : 3 mars 2004", True),
        ("Send mail to [x@e.org](mailto:x@e.org) with questions about this site.", True),
        ("[One](a)\n[Two](b)", False),
        ("Back up your data.", False),
        ("Copy right now what you need.", False),
        ("Updates come every month.", False),
        ("- [A demonstration](http://e.org/)", False),
        ("- We never call.\n- We never ask.", False),
        ("- " + "A" * 150 + "!", False),  # looked at once, not in every way in which it might be names
    ],
)
def test_the_foot_of_a_page_is_no_text(last: str, *, is_dropped: bool) -> None:
    kept, names, dropped = without_close([PROSE, last], frozenset(), page=True)
    assert (kept, dropped) == (([PROSE], [last]) if is_dropped else ([PROSE, last], []))
    assert names == ()


# --- anything -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "count"), [(10_500, 200), pytest.param(11_000, 4_000, marks=pytest.mark.slow)])
def test_whatever_stands_inside_of_what_a_page_is_read_or_refused(first: int, count: int) -> None:
    """No tree that a parser makes of nonsense ends in anything else."""
    read = refused = 0
    for seed in range(first, first + count):
        try:
            found = page_found(File(Path("x.html"), Path(), "x.html", Kind.PAGE), soup(seed))
            without_close(blocks_of(found.body), frozenset(), page=True)
            read += 1
        except RefusedSource:
            refused += 1
    assert min(read, refused) > count // 10
