"""Plain text, dates, languages, closes and names: what importing reads out of what people wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import html as lxml_html

from newsletter.html import to_html
from newsletter.importing.closing import blocks_of, is_standing, repeated, signature, without_close
from newsletter.importing.dates import day_in_line, day_in_name, month_in, read_day, read_moment
from newsletter.importing.decoding import text_of
from newsletter.importing.naming import slug_of
from newsletter.importing.nouns import RefusedSource
from newsletter.importing.texts import as_markdown, split_text
from newsletter.importing.tongue import guess_language, primary, split_suffix
from newsletter.model import Language, Month
from newsletter.parsing import parse_article
from tests.support.content import EN, FR
from tests.support.sites import Site

SAMPLES = Path(__file__).parent / "data" / "import"
LANGUAGES = (EN, FR)


def paragraphs(html: str) -> list[str]:
    """Every paragraph and list item of a page, as a reader sees it."""
    tree = lxml_html.fragment_fromstring(html, create_parent="div")
    return [" ".join(one.text_content().split()) for one in tree.iter("p", "li")]


# --- the seed shape ---------------------------------------------------------------------------------------------


def test_a_text_as_it_circulates_becomes_an_article_whose_page_is_that_text(site: Site) -> None:
    """Title line, paragraphs, standing close, 'by ...': paragraph by paragraph the page says the same."""
    source = SAMPLES / "usb-stick.txt"
    site.must("import", str(source), "--tlp", "CLEAR", "--date", "2019-05-12", "--write")
    (path,) = site.folder.glob("articles/*/usb-stick.en.md")
    article = parse_article(path.read_bytes(), str(path.relative_to(site.folder)), EN).value
    assert article is not None
    blocks = [" ".join(block.split()) for block in source.read_text(encoding="utf-8").split("\n\n")]
    title, *body, close, signed = blocks
    assert article.title == title
    wanted = [item.strip(" ;.") if block.startswith("- ") else item for block in body for item in block.split(" - ")]
    wanted = [item.removeprefix("- ") for item in wanted]
    shown = paragraphs(to_html(article.body))
    assert [text.strip(" ;.") for text in shown] == [text.strip(" ;.") for text in wanted]
    assert signed == "by the Computer Security Team"
    assert article.authors == ("Computer Security Team",)
    assert close.startswith("Do you want to learn more")
    assert "Monthly Report" not in article.body


def test_the_page_in_the_archive_shows_the_imported_paragraphs(site: Site) -> None:
    """Not only the file: the published page has them, signs of Markdown and of HTML as they were typed."""
    site.must("import", str(SAMPLES / "usb-stick.txt"), "--tlp", "CLEAR", "--date", "2019-05-12", "--write")
    site.must("publish")
    page = (site.folder / "archive/en/articles/usb-stick/index.html").read_text(encoding="utf-8")
    shown = " ".join(lxml_html.document_fromstring(page).text_content().split())
    for text in (
        '"salaries_2019 *draft*"',
        "# It could have been worse",
        "1. Never plug in",
        "ask <who> lost it [on the board]",
    ):
        assert text in shown


def test_a_translation_beside_it_is_paired_and_never_stale(site: Site) -> None:
    """usb-stick.fr.txt is usb-stick in French: same name, date and label, and the digest of what it translates."""
    site.must(
        "import",
        str(SAMPLES / "usb-stick.txt"),
        str(SAMPLES / "usb-stick.fr.txt"),
        "--tlp",
        "CLEAR",
        "--date",
        "2019-05-12",
        "--write",
    )
    rules = [finding["rule"] for finding in site.json("check")["findings"] if "usb-stick" in finding["path"]]
    assert rules == []
    text = (site.folder / "articles/2019/usb-stick.fr.md").read_text(encoding="utf-8")
    assert "translates:" in text
    assert "rapport mensuel" not in text


@pytest.mark.parametrize(
    ("text", "title", "day", "body"),
    [
        ("\n\nTitle\n=====\n\nText.\n", "Title", None, "Text."),
        ("Subject: Title\n12 May 2019\n\nText.", "Title", date(2019, 5, 12), "Text."),
        ("Title\n\nPublié le 1er mai 2019\n\nText.", "Title", date(2019, 5, 1), "Text."),
        ("Title\n\n    indented text", "Title", None, "indented text"),
        ("Title\n\n1. one\n2. two", "Title", None, "1. one\n2. two"),
        ("Title\n\n1. one\n3. three", "Title", None, "1\\. one\n3\\. three"),
        ("Title", "Title", None, ""),
        ("", "", None, ""),
    ],
)
def test_a_text_is_cut_into_title_date_and_paragraphs(text: str, title: str, day: date | None, body: str) -> None:
    assert split_text(text) == (title, day, body)


# --- dates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2019-05-12", (2019, 5, 12)),
        ("2019-05-12T23:30:00+02:00", (2019, 5, 12)),
        ("2019/5/2", (2019, 5, 2)),
        ("12 May 2019", (2019, 5, 12)),
        ("Sunday, 12th of May, 2019", (2019, 5, 12)),
        ("May 12, 2019", (2019, 5, 12)),
        ("Sept. 3, 2019 at 14:30", (2019, 9, 3)),
        ("le 1er août 2019", (2019, 8, 1)),
        ("dimanche 12 mai 2019 à 10h30", (2019, 5, 12)),
        ("12 DÉCEMBRE 2019", (2019, 12, 12)),
        ("12.05.2019", (2019, 5, 12)),
        ("03/04/2019", (2019, 4, 3)),
        ("03/25/2019", (2019, 3, 25)),
        ("Tue, 03 Mar 2015 10:00:00 +0100", (2015, 3, 3)),
        ("31 June 2019", None),
        ("2019-13-45", None),
        ("1066-10-14", None),
        ("in May 2019 we met", None),
        ("tomorrow", None),
        ("", None),
        ("9" * 5_000, None),
    ],
)
def test_days_are_read_as_people_write_them_and_never_rolled_over(text: str, day: tuple[int, int, int] | None) -> None:
    assert read_day(text) == (date(*day) if day else None)


def test_a_name_or_line_gives_its_date_away() -> None:
    assert day_in_name("2019-05-12-usb-stick") == date(2019, 5, 12)
    assert day_in_name("/blog/2019/05/12/usb") == date(2019, 5, 12)
    assert day_in_name("notes-20190512") == date(2019, 5, 12)
    assert day_in_name("build-1201905129") is None
    assert day_in_line("Published on 12 May 2019") == date(2019, 5, 12)
    assert day_in_line("We met on 12 May 2019") is None


def test_a_report_tells_its_month_in_words_or_numbers() -> None:
    assert month_in("Monthly Report, October 2019") == Month(2019, 10)
    assert month_in("Rapport mensuel, août 2019") == Month(2019, 8)
    assert month_in("report-2019-03") == Month(2019, 3)
    assert month_in("report 2019") is None
    assert read_moment("Tue, 05 Nov 2019 09:00:00 +0100") == datetime(2019, 11, 5, 8, tzinfo=UTC)
    assert read_moment("soon") is None


# --- languages, names, bytes ------------------------------------------------------------------------------------


def test_english_and_french_are_told_apart_and_nothing_else_is_guessed() -> None:
    assert guess_language("The parcel was in the lift and it was for you.") == "en"
    assert guess_language("Le colis est dans le hall et il est pour vous.") == "fr"
    assert guess_language("Lorem ipsum dolor sit amet") == ""
    assert split_suffix("usb-stick_fr", LANGUAGES) == ("usb-stick", "fr")
    assert split_suffix("usb-stick.de", LANGUAGES) == ("usb-stick.de", "")
    assert primary("fr-CH", LANGUAGES) == "fr"
    assert primary("de", LANGUAGES) == ""


def test_any_title_makes_a_slug_or_none() -> None:
    assert slug_of("L\u2019œuvre d'été: N° 2!") == "loeuvre-dete-n-2"
    assert slug_of("日本語") == ""
    assert len(slug_of("word " * 100)) <= 100
    assert slug_of("x" * 300) == "x" * 100


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é".encode(), "é"),
        ("\ufeffé".encode(), "é"),
        ("é".encode("utf-16"), "é"),
        ("“é”".encode("cp1252"), "“é”"),
        (b'<meta charset="iso-8859-2">\xb1', '<meta charset="iso-8859-2">ą'),
        (b'<meta charset="utf-7">\xe9', '<meta charset="utf-7">é'),
        (b"a\r\nb\rc\x07", "a\nb\nc"),
    ],
)
def test_bytes_are_read_by_what_they_say_then_as_windows_wrote_them(data: bytes, text: str) -> None:
    assert text_of(data)[0] == text


@pytest.mark.parametrize("data", [b"PK\x03\x04 office", b"%PDF-1.7", b"\x89PNG\r\n", b"text\0with zero", b"{\\rtf1 x}"])
def test_what_is_no_text_is_refused_by_its_first_bytes(data: bytes) -> None:
    with pytest.raises(RefusedSource, match="export it as text"):
        text_of(data)


LONG = "This paragraph is one line, as a word processor exports it, and longer than any that an editor would break"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("- One that\n  goes on\n* Two", "- One that\n  goes on\n- Two"),
        ("9) Nine\n   goes on\n10) Ten", "9. Nine\n   goes on\n10. Ten"),
        ("- One\nno item", "\\- One\nno item"),
        ("Why?\n----\n\nSo.", "## Why?\n\nSo."),
        (f"{LONG}.\n{LONG}!\nby Ada", f"{LONG}.\n\n{LONG}!\n\nby Ada"),
        (f"{LONG}.\n- One", f"{LONG}.\n\\- One"),
        (f"{LONG}\nand on\nand on.", f"{LONG}\nand on\nand on."),
        ("See http://e.example/a[2] and http://[2001:db8::1]/.", None),
    ],
)
def test_lists_headings_and_paragraphs_of_plain_text_keep_their_shape(text: str, markdown: str | None) -> None:
    """Items that go on indented, underlined headings, a paragraph in each line; brackets end an address."""
    addresses = "See <http://e.example/a>\\[2\\] and <http://[2001:db8::1]/>."
    assert as_markdown(text) == (addresses if markdown is None else markdown)


# --- the close --------------------------------------------------------------------------------------------------

STANDING = (
    "Do you want to learn more about computer security incidents? Follow our Monthly Report.",
    "If you want to know more about computer security, visit our website.",
    "For further information, contact the Computer Security Team.",
    "Pour en savoir plus sur la sécurité informatique, lisez notre rapport mensuel.",
    "Souhaitez-vous en savoir plus ? Consultez notre site web.",
    "Access the entire collection of articles here.",
)
NOT_STANDING = (
    "If you want to know more, ask Ada: she was there.",
    "Pour plus de café, montez au troisième étage.",
    "Our website was down for three hours.",
)


@pytest.mark.parametrize("block", STANDING)
def test_a_standing_close_is_recognised(block: str) -> None:
    assert is_standing(block)
    assert without_close(["A story.", block, "by Ada"], frozenset()) == (["A story."], ("Ada",), [block])


@pytest.mark.parametrize("block", NOT_STANDING)
def test_the_end_of_a_story_is_no_standing_close(block: str) -> None:
    assert without_close(["A story.", block], frozenset()) == (["A story.", block], (), [])


@pytest.mark.parametrize(
    "below",
    [
        ["Computer Security Team"],
        ["*The CERT*"],
        ["12 May 2019"],
        ["L\u2019équipe de la sécurité informatique", "Genève, le 12 mai 2019"],
        ["The CERT", "Computer Security Office", "October 2019"],
    ],
)
def test_a_team_and_a_day_below_the_sign_off_do_not_hide_the_close(below: list[str]) -> None:
    """They belong to it, as blocks of their own or as lines below the name, and are told like the rest."""
    kept = (["A story."], ("Ada",), [*reversed(below), STANDING[0]])
    assert without_close(["A story.", STANDING[0], "by Ada", *below], frozenset()) == kept
    assert without_close(["A story.", STANDING[0], "\n".join(["by Ada", *below])], frozenset()) == (
        ["A story."],
        ("Ada",),
        [STANDING[0]],
    )


@pytest.mark.parametrize("below", ["Ask the CERT first!", "The team will tell you more about it", "Stay safe"])
def test_what_says_more_than_who_and_when_stays(below: str) -> None:
    """A last word below the name is the author's; and without a sign-off, a team's name is a paragraph."""
    blocks = ["A story.", "It ends.", "by Ada", below]
    assert without_close(blocks, frozenset())[0] == blocks
    assert without_close(["A story.", "It ends.", "The CERT"], frozenset())[0] == ["A story.", "It ends.", "The CERT"]


def test_days_below_the_sign_off_do_not_hide_what_ends_three_texts() -> None:
    """Each text has another one."""
    texts = [[f"Story {day}.", "Drive on the right!", "by Ada", f"{day} May 2019"] for day in (1, 2, 3)]
    known = repeated(texts)
    assert [without_close(text, known)[0] for text in texts] == [["Story 1."], ["Story 2."], ["Story 3."]]


def test_what_ends_three_texts_is_a_close_and_what_ends_two_is_not() -> None:
    three = repeated(
        [["a", "The same end, [link](x)."], ["b", "the same END, [link](y)"], ["c", "The same end, link."]]
    )
    assert without_close(["story", "The same end, link!"], three)[0] == ["story"]
    two = repeated([["a", "The same end."], ["b", "The same end."]])
    assert without_close(["story", "The same end."], two)[0] == ["story", "The same end."]


def test_what_only_stands_near_the_end_of_a_few_is_no_close() -> None:
    """The close is dropped from all; a motto above it in three of ten, and a short text's beginning, are no close."""
    texts = [["Title's story.", f"Tale {number}.", "The end.", "by Ada"] for number in range(7)]
    texts += [["First.", f"Tale {number}.", "Stay safe!", "The end."] for number in range(3)]
    known = repeated(texts)
    assert known == {"the end"}
    assert without_close(texts[-1], known)[0] == ["First.", "Tale 2.", "Stay safe!"]
    both = repeated([["x", f"Tale {number}.", "Stay safe!", "The end."] for number in range(3)])
    assert both == {"stay safe", "the end"}
    assert repeated([["The end."]] * 3) == frozenset()


def test_a_text_that_is_nothing_but_a_close_keeps_its_first_paragraph() -> None:
    assert without_close([STANDING[0]], frozenset())[0] == [STANDING[0]]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("by the Computer Security Team", ("Computer Security Team",)),
        ("*By Ada Example and Grace Example*", ("Ada Example", "Grace Example")),
        ("— Ada", ("Ada",)),
        ("par l'équipe, et Ada", ("l'équipe", "Ada")),
        ("By the time we came. It was late", ()),
        ("bypass", ()),
        ("Ada", ()),
    ],
)
def test_a_sign_off_line_names_the_authors(line: str, names: tuple[str, ...]) -> None:
    assert signature(line) == names


def test_a_fence_of_code_is_one_block_whatever_stands_in_it() -> None:
    assert blocks_of("a\n\n```\nb\n\nc\n```\n\nd") == ["a", "```\nb\n\nc\n```", "d"]


def test_the_given_close_is_dropped_and_told(site: Site) -> None:
    """--close names a close that no pattern knows; the table says what was left out."""
    site.write("old/a.txt", "A title\n\nA story that goes on.\n\nDrive safely, everyone.\n")
    site.write("close.txt", "Drive safely, everyone!\n")
    told = site.must("import", "old", "--tlp", "CLEAR", "--date", "2019-01-02", "--close", "close.txt")
    assert "standing close left out: Drive safely" in told


STORY = "A title\n\nA story that goes on and on.\n"


@pytest.mark.parametrize(
    ("name", "day", "told"),
    [
        ("2019-04-usb.txt", "2019-04-01", "the month in the file's name"),
        ("201904_usb.txt", "2019-04-01", "the month in the file's name"),
        ("2019-04-31-usb.txt", "2019-04-01", "the month in the file's name"),
        ("2019/04/usb.txt", "2019-04-01", "the month of its folder or old address"),
        ("2019-04/usb.txt", "2019-04-01", "the month of its folder or old address"),
        ("2019/04/12/usb.txt", "2019-04-12", "its old address or folder"),
        ("2018/2019-04-usb.txt", "2019-04-01", "the month in the file's name"),
    ],
)
def test_a_month_in_the_name_or_folder_dates_a_text_and_is_marked(site: Site, name: str, day: str, told: str) -> None:
    """The first of the month, and a comment that says so; what --date says is for what has no date at all."""
    site.write(f"old/{name}", STORY)
    site.must("import", "old", "--tlp", "CLEAR", "--date", "2012-01-02", "--write")
    (path,) = site.folder.glob("articles/2019/*.md")
    text = path.read_text(encoding="utf-8")
    assert f"date: {day}\n" in text
    assert f"# guessed: date: {told}" in text


@pytest.mark.parametrize(
    "name", ["usb.txt", "cve-2019-0456.txt", "top-10.txt", "2019/usb.txt", "backup-2019-04/usb.txt"]
)
def test_a_date_that_nobody_tells_refuses_the_text(site: Site, name: str) -> None:
    """When a file was last changed is when it was copied: a whole archive would come out as news of this month."""
    site.write(f"old/{name}", STORY)
    site.write("old/2019-05-12-label.txt", "Another title\n\nAnother story that goes on and on.\n")
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--write") == 2
    assert site.out.count("no date was found; put one into its name, like 2019-05-12-usb-stick, or say --date") == 1
    assert {path.name for path in site.folder.glob("articles/**/*.md")} == {"first.en.md", "label.en.md"}
    site.must("import", "old", "--tlp", "CLEAR", "--date", "2020-02-03", "--write")
    assert (site.folder / "articles/2019/label.en.md").exists()
    assert len(list(site.folder.glob("articles/2020/*.md"))) == 1


def test_a_language_of_the_name_wins_over_the_option_and_the_guess() -> None:
    assert split_suffix("a.fr", (Language("en"), Language("fr")))[1] == "fr"
