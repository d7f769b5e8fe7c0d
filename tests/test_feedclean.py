"""Text, dates and identity: what a feed says becomes what we print."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.collect.feedclean import clean_feed, opaque, parse_date, printable, shortened
from newsletter.collect.feedjail import RawEntry, RawFeed, RawText
from newsletter.model import FeedEntry, Language, Source, Tlp

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SOURCE = Source("cert", "CERT", "https://feeds.example/feed.xml", language=Language("fr"), tlp=Tlp.GREEN)
NOTHING = RawText("", is_html=False)
ENTRY = RawEntry(
    guid="g1",
    link="https://example.org/1",
    date="2026-10-05T08:00:00Z",
    title=RawText("Title", is_html=False),
    summary=RawText("Summary", is_html=False),
    content=NOTHING,
)


def plain(text: str) -> RawText:
    return RawText(text, is_html=False)


def cleaned(*entries: RawEntry, home: str = "") -> tuple[FeedEntry, ...]:
    return clean_feed(RawFeed(entries, len(entries), home, ""), SOURCE, SOURCE.url, NOW)[0]


# --- entries -----------------------------------------------------------------


def test_an_entry_takes_label_and_language_of_its_source() -> None:
    (entry,) = cleaned(ENTRY)
    assert entry == FeedEntry(
        source="cert",
        guid="g1",
        title="Title",
        link="https://example.org/1",
        summary="Summary",
        published=datetime(2026, 10, 5, 8, tzinfo=UTC),
        first_seen=NOW,
        language=Language("fr"),
        tlp=Tlp.GREEN,
    )


def test_a_link_is_canonical_and_absolute() -> None:
    (entry,) = cleaned(replace(ENTRY, link="/1?utm_source=rss&id=2#comments"))
    assert entry.link == "https://feeds.example/1?id=2"


def test_entries_that_only_a_fragment_tells_apart_keep_it() -> None:
    """Change logs are one page; without fragments all their entries would be one."""
    links = [entry.link for entry in cleaned(*(replace(ENTRY, guid=n, link=f"/log?utm_id=1#{n}") for n in "ab"))]
    assert links == ["https://feeds.example/log#a", "https://feeds.example/log#b"]


@pytest.mark.parametrize(
    ("home", "page"),
    [("https://cert.example/news", "https://cert.example/news"), ("javascript:x", "https://feeds.example/")],
)
def test_an_entry_without_link_leads_to_the_page_of_its_source(home: str, page: str) -> None:
    """Told apart by a fragment, so that no two of them are taken for one."""
    first, second = cleaned(replace(ENTRY, link=""), replace(ENTRY, link="data:x", guid="g2"), home=home)
    assert first.link.startswith(page + "#entry-")
    assert first.link != second.link


def test_a_title_is_borrowed_from_the_text_or_the_link() -> None:
    """Small blogs have entries without titles."""
    untitled = replace(ENTRY, title=plain(" \n "))
    assert cleaned(untitled)[0].title == "Summary"
    assert cleaned(replace(untitled, summary=NOTHING))[0].title == "https://example.org/1"
    assert cleaned(replace(untitled, summary=NOTHING, content=plain("Content")))[0].summary == "Content"
    assert not cleaned(replace(untitled, summary=NOTHING, link="data:,x"))


def test_errors_of_rss_bridge_are_no_news() -> None:
    """By default it reports its own errors as an entry of the feed (its actions/DisplayAction.php)."""
    error = replace(ENTRY, guid="e", title=plain("Bridge returned error 404! (20123)"))
    entries, remarks = clean_feed(RawFeed((error, ENTRY), 2, "", ""), SOURCE, SOURCE.url, NOW)
    assert [entry.guid for entry in entries] == ["g1"]
    assert remarks == ("what makes this feed reports an error: Bridge returned error 404! (20123)",)
    assert cleaned(replace(ENTRY, title=plain("Why Bridge returned error 404! (1) and how to fix it")))


def test_what_was_left_out_is_said() -> None:
    raw = RawFeed((ENTRY, replace(ENTRY, guid="x", title=NOTHING, summary=NOTHING, link="")), 300, "", "malformed XML")
    _, remarks = clean_feed(raw, SOURCE, SOURCE.url, NOW)
    assert remarks == (
        "malformed XML",
        "left out 1 without title, text and link",
        "only the first 2 of 300 entries are kept",
    )


# --- identity -----------------------------------------------------------------


def guids(*entries: RawEntry) -> list[str]:
    return [entry.guid for entry in cleaned(*entries)]


def test_identity_is_the_guid_else_the_link_else_the_text() -> None:
    assert guids(replace(ENTRY, guid=" g1 ")) == ["g1"]
    assert guids(replace(ENTRY, guid="", link="https://Example.org/1?utm_term=x#y")) == ["https://example.org/1"]
    (of_text,) = guids(replace(ENTRY, guid="", link=""))
    assert of_text.startswith("text-")
    assert guids(replace(ENTRY, guid="", link="", date="")) == [of_text]
    assert guids(replace(ENTRY, guid="", link="", title=plain("Other"))) != [of_text]


def test_a_guid_that_several_entries_share_is_told_apart_by_the_link() -> None:
    """And the identity does not depend on the order, which changes with every new entry."""
    first, second = ENTRY, replace(ENTRY, link="https://example.org/2")
    forth, back = guids(first, second), guids(second, first)
    assert len(set(forth)) == 2
    assert forth == back[::-1]
    assert all(guid.startswith("g1#") for guid in forth)


def test_a_link_that_several_entries_share_is_told_apart_by_the_text() -> None:
    """Lists of notices often link every notice to the list; its readers still get each of them."""
    first, second = cleaned(replace(ENTRY, guid=""), replace(ENTRY, guid="", title=plain("Other")))
    assert first.guid != second.guid
    assert first.link != second.link
    assert {link.partition("#")[0] for link in (first.link, second.link)} == {"https://example.org/1"}


def test_entries_of_a_source_without_address_need_a_link_of_their_own() -> None:
    nowhere = replace(ENTRY, guid="g2", link="")
    assert clean_feed(RawFeed((nowhere, ENTRY), 2, "", ""), SOURCE, "", NOW)[0] == cleaned(ENTRY)


def test_the_same_thing_said_twice_is_one_entry() -> None:
    assert len(guids(ENTRY, replace(ENTRY, title=plain("Title, revised")))) == 1
    assert len(guids(*[replace(ENTRY, guid="")] * 2)) == 1
    assert len(guids(*[replace(ENTRY, guid="", link="")] * 3)) == 1


RAW_ENTRIES = st.lists(
    st.builds(
        RawEntry,
        guid=st.sampled_from(["", "a", "b", "javascript:alert(1)", "\u2713", "x" * 600]),
        link=st.sampled_from(["", "/1", "/1#x", "/1?utm_id=3", "/2", "javascript:alert(1)"]),
        date=st.sampled_from(["", "2026-01-01"]),
        title=st.builds(RawText, st.sampled_from(["", "One", "<b>Two"]), st.booleans()),
        summary=st.builds(RawText, st.sampled_from(["", "One", "&lt;script&gt;x"]), st.booleans()),
        content=st.just(NOTHING),
    ),
    max_size=6,
)


@given(RAW_ENTRIES, st.randoms(use_true_random=False))
def test_identities_are_unique_and_do_not_depend_on_the_order(entries: list[RawEntry], random: object) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = guids(*entries), guids(*shuffled)
    assert len(set(first)) == len(first)
    assert set(first) == set(second)


@given(RAW_ENTRIES)
def test_an_entry_is_always_fit_to_print(entries: list[RawEntry]) -> None:
    for entry in cleaned(*entries):
        assert entry.title
        assert re.fullmatch(r"https://feeds\.example/[\w/#?=-]*", entry.link)
        assert re.fullmatch(r"[!#-;=?-~]{1,500}", entry.guid)
        assert "javascript:" not in entry.guid


def test_an_odd_guid_becomes_its_hash() -> None:
    """Opaque anyway: the hash identifies as well and harms nobody."""
    assert opaque("tag:example.org,2026:1") == "tag:example.org,2026:1"
    assert opaque("data:text/html,x") == opaque("data:text/html,x") != opaque("data:text/html,y")
    assert opaque("x" * 501).startswith("guid-")


# --- text -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (RawText("Fix <b>now</b> &amp; rest", is_html=True), "Fix now & rest"),
        (RawText("safe<script>alert(1)</script>", is_html=True), "safe"),
        (RawText("<img src=x onerror=alert(1)>Hi", is_html=True), "Hi"),
        (RawText("OpenSSL < 3.0.7 & > 1.1", is_html=False), "OpenSSL < 3.0.7 & > 1.1"),
        (RawText("The <blink> tag", is_html=False), "The \u2039blink\u203a tag"),
        (RawText("XSS by &lt;script&gt;", is_html=True), "XSS by \u2039script\u203a"),
        (RawText("one\ntwo\u202e\0 three", is_html=False), "one two three"),
    ],
)
def test_text_is_one_plain_line(raw: RawText, text: str) -> None:
    """Markup is removed; what only looks like markup stays readable and is none, even if somebody forgets to escape."""
    assert printable(raw, 100) == text


@given(st.text() | st.text("<>/!?ab&;lt\u202e\n "), st.booleans(), st.integers(2, 40))
def test_no_text_can_be_taken_for_markup(text: str, is_html: bool, most: int) -> None:  # noqa: FBT001
    printed = printable(RawText(text.replace("\0", ""), is_html), most)
    assert len(printed) <= most
    assert "\n" not in printed
    assert not re.search(r"<[A-Za-z/!?]", printed)


def test_long_text_ends_at_a_word() -> None:
    assert shortened("one two three", 13) == "one two three"
    assert shortened("one two three", 12) == "one two\u2026"
    assert shortened("onetwothree", 5) == "onet\u2026"


# --- dates -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-10-05T08:00:00+02:00", datetime(2026, 10, 5, 6, tzinfo=UTC)),
        ("2026-10-05 08:00:00 +0200", datetime(2026, 10, 5, 6, tzinfo=UTC)),
        ("2026-10-05", datetime(2026, 10, 5, tzinfo=UTC)),
        ("2026-W41-1", datetime(2026, 10, 5, tzinfo=UTC)),
        ("Mon, 05 Oct 2026 08:00:00 GMT", datetime(2026, 10, 5, 8, tzinfo=UTC)),
        ("Mon, 05 Oct 26 08:00:00 EST", datetime(2026, 10, 5, 13, tzinfo=UTC)),
        ("05 Oct 2026 08:00 CEST", datetime(2026, 10, 5, 6, tzinfo=UTC)),
        ("Mon, 05 Oct 2026 08:00:00 BST", datetime(2026, 10, 5, 7, tzinfo=UTC)),
        ("Mon, 05 Oct 2026 08:00:00 XYZ", datetime(2026, 10, 5, 8, tzinfo=UTC)),
        ("2031-01-01T00:00:00Z", NOW),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1989-12-31", None),
        ("2021-13-45", None),
        ("Mon, 45 Oct 2026 08:00:00 GMT", None),
        ("1700000000", None),
        ("lundi 5 octobre 2026", None),
        ("", None),
        ("n/a", None),
    ],
)
def test_dates_are_read_or_not_at_all(written: str, read: datetime | None) -> None:
    """Never later than now, never a guess: the month of an entry is when we first saw it."""
    assert parse_date(written, NOW) == read


@given(st.text(max_size=40) | st.text("0123456789-:TZ+ ", max_size=30))
def test_no_date_does_more_than_fail(text: str) -> None:
    found = parse_date(text, NOW)
    assert found is None or datetime(1990, 1, 1, tzinfo=UTC) <= found <= NOW
