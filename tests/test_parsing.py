"""The door: whatever editors write becomes a noun, or findings that name the line and the fix. Never an exception."""

from __future__ import annotations

from datetime import date

import pytest

from newsletter.model import (
    Article,
    Status,
    Tlp,
)
from newsletter.parsing import (
    parse_article,
)
from newsletter.parsing.faults import MAX_FAULTS
from tests.support.door import (
    ARTICLE,
    EN,
    article_with,
    only,
    read_article,
    told,
)

# --- articles ------------------------------------------------------------------------------


def test_an_article_with_all_its_fields():
    """Every field of the front matter arrives in its own type; the slug comes from the file's name."""
    parsed = article_with(
        "updated: 2026-10-09",
        "authors: [Jane Doe, 'Doe, John']",
        "themes: [devices, network]",
        "license: CC BY 4.0",
        "image: stick.jpg",
        "image_alt: A stick",
        "aliases: [/bulletin/2026/usb-stick/, /old.html]",
        "canonical: https://bulletin.meridian.example/2026/usb-stick",
        "status: withdrawn",
        "translates: 0123456789abcdef",
        "tlp: GREEN",
    )
    assert parsed.findings == ()
    assert parsed.value == Article(
        slug="usb-stick-found",
        language=EN,
        path="articles/2026/usb-stick-found.en.md",
        title="Finders, please don't be keepers",
        date=date(2026, 10, 6),
        updated=date(2026, 10, 9),
        authors=("Jane Doe", "Doe, John"),
        summary="We left forty USB sticks lying around.",
        themes=("devices", "network"),
        license="CC BY 4.0",
        image="stick.jpg",
        image_alt="A stick",
        aliases=("/bulletin/2026/usb-stick/", "/old.html"),
        canonical="https://bulletin.meridian.example/2026/usb-stick",
        status=Status.WITHDRAWN,
        translates="0123456789abcdef",
        tlp=Tlp.GREEN,
        body="It lay next to the *coffee machine*.",
    )


def test_an_article_needs_little():
    """Title, date, label and text; the rest has defaults, and lines are known for later findings."""
    value = read_article().value
    assert value is not None
    assert (value.authors, value.status, value.updated, value.translates) == ((), Status.PUBLISHED, None, None)
    lines = {name: line for name, line in value.lines.items() if ":" not in name}
    assert lines == {"title": 2, "date": 3, "summary": 4, "tlp": 5, "body": 7}


def test_columns_are_known_where_a_text_stands_letter_by_letter():
    """Findings point at the letter; escapes and folded lines make another text of what stands in the file."""
    parsed = article_with('license: "a"', "image_alt: 'it''s'", "image: x.png", "authors: [Jane Doe, 'Doe, John']")
    assert parsed.value is not None
    columns = {name: column for name, column in parsed.value.lines.items() if name.endswith(":column")}
    wanted = {"license": 11, "image": 8, "authors.0": 11, "authors.1": 22}
    assert {name: columns.get(f"{name}:column") for name in wanted} == wanted
    assert "image_alt:column" not in columns


@pytest.mark.parametrize("nothing", ["", '""', "n/a", "N/A", "~", "null", "''"])
def test_nothing_is_said_in_many_ways(nothing: str):
    """What editors write for "nothing" makes an optional field absent, and a required one missing."""
    value = article_with(f"updated: {nothing}", f"authors: [{nothing or '~'}]", f"license: {nothing}").value
    assert value is not None
    assert (value.updated, value.authors, value.license) == (None, (), None)
    assert "articles/2026/usb-stick-found.en.md:3: " in only(article_with(f"date: {nothing}"))


def test_scalars_are_what_was_written():
    """YAML alone would read a truth value, a float and minutes of a day."""
    parsed = article_with(
        "title: no", "summary: 12:30", "license: 1.10", "authors: [yes, 010, 1_000, 0x1F, 2026-10-06]"
    )
    value = parsed.value
    assert value is not None
    assert (value.title, value.summary, value.license) == ("no", "12:30", "1.10")
    assert value.authors == ("yes", "010", "1_000", "0x1F", "2026-10-06")


def test_one_name_may_stand_where_a_list_belongs():
    """Themes may be separated by commas; authors may not, since names hold commas."""
    value = article_with("authors: Doe, Jane", "themes: devices, network").value
    assert value is not None
    assert value.authors == ("Doe, Jane",)
    assert value.themes == ("devices", "network")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace(": ", ":\t"),
        lambda text: text.replace("---\n", "--- \t\n"),
        lambda text: "\n\n" + text,
        lambda text: text.replace('keepers"\n', 'keepers"  # a comment\n'),
        lambda text: text.replace("\n---\n", "\n...\n"),
    ],
)
def test_the_habits_of_editors_and_systems_do_no_harm(change):
    """Line ends, byte order mark, tabs, blanks, comments."""
    parsed = read_article(change(ARTICLE))
    assert parsed.findings == ()
    assert parsed.value == read_article().value


def test_tabs_may_indent():
    """YAML forbids them and nobody sees them."""
    value = read_article(ARTICLE.replace("tlp:", "authors:\n\t- Jane\n\t- John\ntlp:")).value
    assert value is not None
    assert value.authors == ("Jane", "John")


# --- every fault, with line and fix --------------------------------------------------------


def test_every_fault_is_told_at_once():
    """Nobody mends a file ten times."""
    text = """\
---
titel: "A title"
date: 6 October 2026
tlp: PURPLE
themes: [Devices, network]
image: ../../etc/passwd.png
aliases: [/a/../../b]
canonical: javascript:alert(1)
status: publshed
---
Text with <b>markup</b>.
"""
    parsed = read_article(text, "articles/2026/Bad_Name.en.md")
    assert told(parsed) == [
        ("file-name", 1),
        ("field-missing", 1),
        ("field-unknown", 2),
        ("field", 3),
        ("field", 4),
        ("field", 5),
        ("field", 6),
        ("field", 7),
        ("field", 8),
        ("field", 9),
        ("markdown", 11),
    ]
    texts = [str(finding) for finding in parsed.findings]
    assert texts[2] == 'articles/2026/Bad_Name.en.md:2: unknown field "titel"; did you mean "title"? [field-unknown]'
    assert "did you mean published?" in texts[9]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sumary: x", 'unknown field "sumary"; did you mean "summary"?'),
        ("TLP: CLEAR", 'unknown field "TLP"; did you mean "tlp"?'),
        ("image-alt: x", 'unknown field "image-alt"; did you mean "image_alt"?'),
        ("wurst: x", 'unknown field "wurst"; remove it, or move what it says to the text'),
        ("date: 2026-13-01", '"date" is "2026-13-01", which no calendar has'),
        ("date: 2026-02-30", '"date" is "2026-02-30", which no calendar has'),
        ("date: 2026-10", '"date" is "2026-10", no day; write year, month and day'),
        ("date: 1960-01-01", '"date" is "1960-01-01", not between 1970 and 2999'),
        ("date: 1759708800", '"date" is "1759708800", no date'),
        ("date: [2026-10-06]", '"date" is one value, not a list or fields'),
        ("title: {a: b}", '"title" is one value, not a list or fields'),
        ("authors: {a: b}", '"authors" is a list; write it like [one, two]'),
        ("title: " + "x" * 201, '"title" has 201 characters, 200 are the limit; shorten it'),
        ("authors: [" + "x, " * 101 + "]", '"authors" has 101 items, 100 are the limit; shorten it'),
        ("themes: [Social Media]", '"themes[1]" is "Social Media", no slug; use a-z, 0-9 and single hyphens'),
        ("aliases: [/ok/, ../x]", '"aliases[2]" is "../x", no path of this site; write it like'),
        ("aliases: [//evil.example/]", '"aliases[1]" is "//evil.example/", no path of this site'),
        ("aliases: [/a/.hidden]", '"aliases[1]" is "/a/.hidden", no path of this site'),
        ("image: logo.svg", '"image" is "logo.svg", no picture beside the article'),
        ("image: stick.jpg", "the image has no text for those who cannot see it; add a line like image_alt"),
        ("canonical: //a.example", '"canonical" is "//a.example", no web address'),
        ("canonical: https://user:pw@a.example", "no web address"),
        ("canonical: http://[", "no web address"),
        ("canonical: https://a.example/a b", "no web address"),
        ("updated: 2026-10-05", '"updated" (2026-10-05) comes before "date" (2026-10-06); correct one of the two'),
        ("translates: yes", '"translates" is "yes", no digest'),
        ("tlp: AMBRE", '"tlp" is "AMBRE", no label; did you mean AMBER?'),
        ("tlp: secret", '"tlp" is "secret", no label; write one of CLEAR, GREEN, AMBER, AMBER+STRICT'),
    ],
)
def test_a_wrong_field_is_named_with_its_fix(line: str, message: str):
    """What, where, how to mend it; what was written is shown, not repeated at length."""
    text = only(article_with(line))
    assert message in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("line", "rule", "fix"),
    [
        ("title: Phishing: a case", "front-matter", "put the text into quotes, since it holds a colon"),
        ("title: @everyone", "front-matter", "put the text into quotes, since it begins with a special sign"),
        ("title: `code`", "front-matter", "put the text into quotes"),
        ('title: "never closed', "front-matter", "close the quotation mark"),
        ("title: 'it's late'", "front-matter", "quote texts that hold quotation marks"),
        ('title: "C:\\Windows"', "front-matter", "inside double quotes write \\\\ for a backslash"),
        ("authors: [one, two", "front-matter", "close the list"),
        ("title: &anchor x", "front-matter", "put the text into quotes, or write it out"),
        ("title: *alias", "front-matter", "put the text into quotes, or write it out"),
        ("title: !!python/object:os.system x", "front-matter", "put the text into quotes"),
        ("authors: [[[[[[[a]]]]]]]", "front-matter", "6 levels are the limit"),
        ("? [a]\n: b", "front-matter", 'write every field as "name: value"'),
        ("just words", "front-matter", 'write every field as "name: value"'),
    ],
)
def test_front_matter_that_is_no_plain_yaml_is_explained(line: str, rule: str, fix: str):
    """The parser's words, then what an editor has to do; one broken field does not hide the others' faults."""
    parsed = read_article(
        ARTICLE.replace("tlp: CLEAR\n", f"tlp: CLEAR\n{line}\nwurst: 1\n").replace("2026-10-06", "soon")
    )
    assert rule in [code for code, _ in told(parsed)]
    assert any(finding.rule == rule and fix in finding.fix for finding in parsed.findings), parsed.findings
    if '"never' not in line and "two" not in line:  # what is not closed swallows what follows
        assert ("field", 3) in told(parsed)


def test_a_field_that_cannot_be_read_is_not_called_missing():
    """One fault, one finding."""
    assert told(article_with("date: @today")) == [("front-matter", 3)]


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("title: x\ndate: 2026-10-06\ntlp CLEAR\n", 4),
        ('title: "x"\ntlp CLEAR\ndate: 2026-10-06\n', 3),
        ("tlp CLEAR\ntitle: x\ndate: 2026-10-06\n", 2),
        ("title: x\ntlp: CLEAR\ndate 2026-10-06\n", 4),
        ("title: x\ndate: 2026-10-06\nauthors:\n- a\ntlp\n", 6),
    ],
)
def test_a_field_without_its_colon_is_one_fault_in_its_line(head: str, line: int):
    """It was written, so nobody is told that it is missing."""
    parsed = read_article(f"---\n{head}---\nSome words.\n")
    assert told(parsed) == [("front-matter", line)]
    assert 'write every field as "name: value"' in parsed.findings[0].fix


def test_a_field_that_stands_twice_is_refused():
    """YAML would silently take the last one."""
    parsed = read_article(ARTICLE.replace("tlp: CLEAR\n", "tlp: AMBER\nauthors: [a]\ntlp: CLEAR\nbroken: @x\n"))
    assert ("front-matter", 7) in told(parsed)
    assert '"tlp" stands here a second time; keep one of the two' in "\n".join(map(str, parsed.findings))
    assert told(article_with("title: a\ntitle: b"))[0] == ("front-matter", 3)


def test_aliases_are_never_expanded():
    """324 bytes of aliases can stand for millions of items."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
    )
    parsed = read_article(ARTICLE.replace("tlp: CLEAR\n", f"tlp: CLEAR\n{bomb}"))
    assert [line for rule, line in told(parsed) if rule == "front-matter"] == list(range(6, 15))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the file has no front matter; begin the file with a line"),
        ("Just a text.\n", ":1: the file has no front matter"),
        ("---\ntitle: x\ntext without an end\n", ":1: the front matter has no end; write a line"),
        ("---\n---\ntext", ':1: "title" is missing or empty; add a line like `title: "Phishing by telephone"`'),
        ("---\n- a\n- b\n---\ntext", "the front matter has no fields"),
        ("---\ntlp: CLEAR\n--- again\n---\ntext", "a second front matter begins here; keep one"),
        ("---\n" + "a" * 50_001 + "\n---\ntext", ":2: the front matter has 50,002 characters, 50,000 are the limit"),
        (ARTICLE.partition("It lay")[0], ":7: there is no text; write it below the front matter"),
        (ARTICLE + "\x1b[31m", ":8: this line holds an invisible control character (U+001B); delete it"),
        (ARTICLE + "|" + "a|" * 101 + "\n|" + "-|" * 101, ":8: this table has 101 columns, 100 are the limit"),
    ],
)
def test_a_file_that_is_no_content_says_so(text: str, message: str):
    """The whole file, before any field."""
    parsed = read_article(text)
    told(parsed)
    assert any(message in str(finding) for finding in parsed.findings), parsed.findings


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ARTICLE.encode() + b"caf\xe9\n", ":8: this line is not UTF-8 (byte 0xe9); save the file as UTF-8"),
        (ARTICLE.encode("utf-16"), ":1: the file is UTF-16; save the file as UTF-8"),
        (ARTICLE.encode("utf-16-le"), "invisible control character"),
        (b"\x89PNG\r\n\x1a\n\x00", ":1: this line is not UTF-8"),
        (b"a" * 300_001, ":1: the file has 300,001 bytes or more, 300,000 are the limit"),
    ],
)
def test_bytes_that_are_no_text_say_so(data: bytes, message: str):
    """Wrong encodings, pictures, dumps."""
    assert message in only(parse_article(data, "articles/x.en.md", EN))


def test_findings_are_bounded():
    """A file with a thousand faults is another kind of file."""
    parsed = read_article(ARTICLE.replace("tlp: CLEAR\n", "".join(f"unknown{n}: x\n" for n in range(1_000))))
    assert len(parsed.findings) == MAX_FAULTS
    assert parsed.value is None


def test_the_text_starts_where_its_lines_say():
    """Blank lines round a text are no part of it, so they change no digest."""
    one, other = read_article().value, read_article(ARTICLE.replace("---\nIt", "---\n\n\nIt") + "\n\n").value
    assert one
    assert other
    assert other.lines["body"] == one.lines["body"] + 2
    assert other.digest == one.digest


# --- labels --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("CLEAR", Tlp.CLEAR),
        ("TLP:CLEAR", Tlp.CLEAR),
        ("tlp:clear", Tlp.CLEAR),
        ('"TLP: GREEN"', Tlp.GREEN),
        ("amber", Tlp.AMBER),
        ("TLP:AMBER+STRICT", Tlp.AMBER_STRICT),
        ("Amber Strict", Tlp.AMBER_STRICT),
        ("amber_strict", Tlp.AMBER_STRICT),
    ],
)
def test_labels_may_be_written_carelessly(typed: str, label: Tlp):
    """Prefix and case do not matter, the label does."""
    parsed = article_with(f"tlp: {typed}")
    assert parsed.findings == ()
    assert parsed.value is not None
    assert parsed.value.tlp is label


def test_what_is_unmarked_is_not_shareable():
    """No label, no article."""
    text = only(read_article(ARTICLE.replace("tlp: CLEAR\n", "")))
    assert '"tlp" is missing or empty; add a line like `tlp: CLEAR` (if everybody may read it) [tlp-missing]' in text
    assert "[tlp-missing]" in only(article_with("tlp: n/a"))


@pytest.mark.parametrize("typed", ["RED", "TLP:RED", "tlp:red"])
def test_red_is_no_label_for_a_file(typed: str):
    """It is for named persons."""
    assert told(article_with(f"tlp: {typed}")) == [("tlp-red", 5)]


def test_white_is_read_as_clear_and_advised_upon():
    """TLP 2.0 renamed it; CSAF 2.0 and old files still say it."""
    parsed = article_with("tlp: TLP:WHITE")
    assert told(parsed) == [("tlp-white", 5)]
    assert parsed.value is not None
    assert parsed.value.tlp is Tlp.CLEAR
