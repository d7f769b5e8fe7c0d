"""HTML to Markdown: what Markdown can say survives the way through HTML and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from newsletter.html import clean_page, markdown_faults, markdown_links, to_html
from newsletter.importing.convert import markdown_of, tree_of
from newsletter.importing.escape import escaped, escaped_with_links
from newsletter.importing.nouns import RefusedSource
from newsletter.importing.texts import as_markdown

STRUCTURE = frozenset(["h2", "h3", "h4", "ul", "ol", "li", "table", "tr", "th", "td", "pre", "code", "blockquote"]) | {
    "p",
    "hr",
}


def again(html: str) -> str:
    """The Markdown that a page with this text becomes."""
    return markdown_of(tree_of(f"<html><body>{html}</body></html>").find("body"))[0]


def outline(html: str) -> list[tuple[str, str]]:
    """Every element that gives a text its shape, in order, with the words in it."""
    tree = lxml_html.fragment_fromstring(html, create_parent="div")
    return [(one.tag, " ".join(one.text_content().split())) for one in tree.iter() if one.tag in STRUCTURE]


# --- any text ---------------------------------------------------------------------------------------------------

WORDS = st.text(alphabet="abc XYZ0159.,:;!?*_[]()<>#+-=|~&`\\'\"/é", min_size=1, max_size=30)
WORD = st.text(alphabet="abcdeé", min_size=1, max_size=8)
PHRASE = st.lists(WORD, min_size=1, max_size=5).map(" ".join)
CODE = st.text(alphabet="ab |`*_<&#\\", min_size=1, max_size=12).filter(lambda text: text.strip("` ") != "")
ADDRESS = st.text(alphabet="abc/()?=&_*.~", max_size=12).map(lambda tail: f"https://www.example.org/{tail}")


def ticked(code: str) -> str:
    """A code span of this code."""
    fence = "`" * (max((len(run) for run in re.findall("`+", code)), default=0) + 1)
    return f"{fence} {code.strip()} {fence}"


INLINE = st.one_of(
    WORDS.map(lambda text: escaped(text.strip()) or "x"),
    PHRASE.map(lambda text: f"**{text}**"),
    PHRASE.map(lambda text: f"*{text}*"),
    PHRASE.map(lambda text: f"~~{text}~~"),
    CODE.map(ticked),
    st.tuples(PHRASE, ADDRESS).map(lambda pair: f"[{pair[0]}](<{pair[1]}>)"),
)
LINE = st.lists(INLINE, min_size=1, max_size=4).map(" ".join)
PARAGRAPH = LINE
HEADING = st.tuples(st.integers(2, 4), PHRASE).map(lambda pair: f"{'#' * pair[0]} {pair[1]}")
BULLETS = st.lists(PHRASE, min_size=1, max_size=4).map(lambda items: "\n".join(f"- {item}" for item in items))
NUMBERS = st.lists(LINE, min_size=1, max_size=4).map(
    lambda items: "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
)
NESTED = st.tuples(PHRASE, PHRASE, PHRASE).map(lambda t: f"- {t[0]}\n  - {t[1]}\n- {t[2]}")
FENCE = st.lists(st.text(alphabet="ab `#*-|<>&\\", max_size=20).map(str.rstrip), min_size=1, max_size=4).map(
    lambda lines: "`" * 25 + "\nx" + "\n".join(lines) + "x\n" + "`" * 25
)
CELL = st.one_of(
    PHRASE, PHRASE.map(lambda text: f"**{text}**"), CODE.map(lambda code: ticked(code.replace("|", "\\|")))
)
TABLE = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4).map(
    lambda rows: "| one | two |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, b in rows)
)
QUOTE = LINE.map(lambda line: f"> {line}")
BLOCK = st.one_of(PARAGRAPH, HEADING, BULLETS, NUMBERS, NESTED, FENCE, TABLE, QUOTE)


def apart(blocks: list[str]) -> str:
    """Blocks with a paragraph between them, since two lists that touch are one."""
    return "\n\nbetween\n\n".join(blocks)


@settings(max_examples=250)
@given(st.lists(BLOCK, min_size=1, max_size=5).map(apart))
def test_a_text_keeps_its_words_and_shape_on_the_way_through_html_and_back(markdown: str) -> None:
    """Headings, lists, tables, code and words come back in their order; links lead where they led."""
    if markdown_faults(markdown):
        return  # such a text has no page
    html = to_html(markdown)
    back = again(html)
    assert markdown_faults(back) == ()
    assert outline(to_html(back)) == outline(html)
    targets = [link.target.replace("%28", "(").replace("%29", ")") for link in markdown_links(back)]
    assert targets == [link.target for link in markdown_links(markdown)]


@settings(max_examples=300)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=80))
def test_any_line_of_plain_text_is_shown_as_it_is(line: str) -> None:
    """No sign of a text is taken for Markdown: the page shows the same letters."""
    shown = lxml_html.fragment_fromstring(
        to_html(escaped(line.strip())) or "<p></p>", create_parent="div"
    ).text_content()
    assert "".join(shown.split()) == "".join(line.split())


@settings(max_examples=200)
@given(st.lists(WORDS.filter(str.strip), min_size=1, max_size=4))
def test_paragraphs_of_plain_text_stay_paragraphs(paragraphs: list[str]) -> None:
    """Whatever signs stand in them, no paragraph becomes a heading, a table or code."""
    html = to_html(as_markdown("\n\n".join(f"x{text}" for text in paragraphs)))
    assert [tag for tag, _ in outline(html)] == ["p"] * len(paragraphs)


# --- single cases -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<p>a<b>b</b><b>c</b></p>", "a**bc**"),
        ("<p><b>a <strong>b</strong></b></p>", "**a b**"),
        ("<p>wow!<a href='https://e.org/'>x</a></p>", "wow\\![x](https://e.org/)"),
        ("<p><a href='https://e.org/a'>https://e.org/a</a></p>", "<https://e.org/a>"),
        ("<p><a name='x'>here</a></p>", "here"),
        ("<table><tr><td><p>a</p><p>b</p></td><td><ul><li>c</li></ul></td></tr></table>", "a\n\nb\n\n- c"),
        ("<dl><dt>Word</dt><dd>Meaning</dd></dl>", "Word\n\nMeaning"),
        ("<pre>a\n\n\nb</pre>", "```\na\n\n\nb\n```"),
        ("<pre>```</pre>", "````\n```\n````"),
        ("<h1>Top</h1><h3>Sub</h3>", "## Top\n\n### Sub"),
        ("<p>a<script>alert(1)</script>b<!-- c --><style>d</style></p>", "ab"),
        ("<p>1<br>2</p>", "1\\\n2"),
        ("<center><font color=red>old</font></center>", "old"),
    ],
)
def test_html_becomes_the_markdown_that_a_person_would_write(html: str, markdown: str) -> None:
    assert again(html) == markdown


def test_emphasis_that_cannot_close_is_left_out_and_told() -> None:
    """The words are never wrong for the sake of bold letters."""
    text, remarks = markdown_of(tree_of("<p>a<b>(b)</b>c</p>").find("body"))
    assert text == "a(b)c"
    assert "emphasis was left out" in remarks[0]


def converted(html: str) -> tuple[str, tuple[str, ...]]:
    """The Markdown of a text, and what is told of it."""
    return markdown_of(tree_of(f"<html><body>{html}</body></html>").find("body"))


@pytest.mark.parametrize(
    ("html", "markdown", "told"),
    [
        ("<p>10<sup>-12</sup> m<sup>2</sup>, H<sub>2</sub>O</p>", "10⁻¹² m², H₂O", ()),
        ("<p>x<sup><span>2</span>n</sup></p>", "x²ⁿ", ()),
        ("<p>the 1<sup>st</sup> of x<sub>max</sub></p>", "the 1st of xmax", ("st", "max")),
        ("<p>2<sup>10</sup>b<sub>10q</sub></p>", "2¹⁰b10q", ("10q",)),
        ("<p>said<sup><a href='https://e.org/1'>1</a></sup></p>", "said[¹](https://e.org/1)", ()),
        ("<pre>a<sup>2</sup></pre>", "```\na²\n```", ()),
        ("<p><code>a<sup>2</sup></code>b</p>", "`a²`b", ()),
    ],
)
def test_raised_and_lowered_signs_become_unicode_or_are_told(html: str, markdown: str, told: tuple[str, ...]) -> None:
    """10 to the 6 must not become 106 and nobody know."""
    text, remarks = converted(html)
    assert text == markdown
    wanted = f"raised or lowered in the source, and now like the rest: {', '.join(told)}"
    assert remarks == ((wanted,) if told else ())


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", " JavaScript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x"]
)
def test_a_link_that_would_run_keeps_its_words_and_is_told(target: str) -> None:
    text, remarks = converted(f'<p>Press <a href="{target}">here</a> or <a href="mailto:a@e.org">write</a>.</p>')
    assert text == "Press here or [write](mailto:a@e.org)."
    (told,) = remarks
    assert told == f"link left out, its words stay: {''.join(target.split())}"


def test_lists_in_a_table_become_words_of_their_cells_and_are_told() -> None:
    """A table with heads stays a table: Markdown has no lists in cells."""
    text, remarks = converted(
        "<table><tr><th>What</th><th>How</th></tr>"
        "<tr><td>Phone</td><td>Ask:<ul><li>who</li><li>why<ol><li>now</li></ol></li></ul></td></tr></table>"
    )
    assert [re.sub(" +", " ", line) for line in text.splitlines()] == [
        "| What | How |",
        "| --- | --- |",
        "| Phone | Ask: who; why; now |",
    ]
    assert remarks == ("lists in the cells of a table became words with semicolons between them",)


def test_what_follows_a_cell_that_reaches_over_others_stays_below_its_head() -> None:
    table = "<table><tr><th>a<th>b<th>c<tr><td colspan=2>x<td>y<tr><td rowspan=2>s<td>1<td rowspan=9>2<tr><td>3</table>"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in again(table).split("\n")]
    assert [*rows[:1], *rows[2:]] == [["a", "b", "c"], ["x", "", "y"], ["s", "1", "2"], ["", "3", ""]]
    assert "| x |" in again("<table><tr><th colspan=99999999>x<tr><td rowspan=65534 colspan=x>y</table>")


def test_a_table_that_markdown_cannot_hold_becomes_paragraphs_and_is_told() -> None:
    """One note for however many; a table of one cell around a text has lost nothing."""
    two = "<table><tr><td><p>a</p><p>b</p></td><td><ul><li>c</li></ul></td></tr></table>"
    text, remarks = converted(two + "<p>x</p>" + two)
    assert text == "a\n\nb\n\n- c\n\nx\n\na\n\nb\n\n- c"
    assert remarks == ("a table became paragraphs, since its cells hold more than a line (2 tables)",)
    assert converted("<table><tr><td><h2>One</h2><p>cell</p></td></tr></table>")[1] == ()


def test_a_page_that_is_nested_without_end_is_read_in_bounds() -> None:
    """Ten thousand elements inside each other neither break the walk nor lose the words in reach."""
    text = again("<p>begin</p>" + "<div><b><i><span>" * 50 + "deep" + "</span></i></b></div>" * 50)
    assert "begin" in text
    assert "deep" in text


def test_more_tags_than_a_text_has_are_refused_with_a_number() -> None:
    with pytest.raises(RefusedSource, match="tags of HTML, 8,000 are the limit"):
        again("<i>x</i><b>y</b>" * 10_000)


@pytest.mark.parametrize("start", ["", "<!-- > -->", "<script>i<n</script>", "<b title='<script>'>", "<p/"])
def test_a_tag_with_more_attributes_than_any_page_has_is_refused_before_it_is_parsed(start: str) -> None:
    """The parser compares each attribute with all before it: a megabyte of them took three minutes."""
    with pytest.raises(RefusedSource, match="more than 2,000 attributes"):
        tree_of(f"{start}<p {' '.join(f'a{number}=1' for number in range(2_001))}>x</p>")


@pytest.mark.parametrize("around", ["<!-- {} -->", "<script>i{}</script>", "<style>{}</style>", "<p title='{}'>"])
def test_what_only_looks_like_a_tag_has_no_attributes(around: str) -> None:
    page = f"<html><body>{around.format('<p' + ' word' * 2_001)}<p>Text.</p></body></html>"
    assert "Text." in tree_of(page).text_content()


def test_a_page_of_more_elements_than_a_text_has_is_refused_before_it_is_tidied() -> None:
    with pytest.raises(RefusedSource, match="more than 40,000 elements"):
        again("<table>" + "<tr><td>x" * 21_000)


def test_cleaning_keeps_no_script_whatever_carries_it() -> None:
    """Also behind the converter, the cleaner lets through what it lists, and no more."""
    clean = clean_page(
        '<p onclick="x">a<a href="javascript:x">b</a><img src=x onerror=y><svg><script>z</script></svg></p>'
    )
    assert "onclick" not in clean
    assert "javascript" not in clean
    assert "onerror" not in clean
    assert "script" not in clean


def test_web_addresses_in_a_text_become_links_that_show_themselves() -> None:
    text = escaped_with_links("see https://e.org/a_b_c, or *this* (http://x.org/?q=1).")
    assert text == "see <https://e.org/a_b_c>, or \\*this\\* (<http://x.org/?q=1>)."
