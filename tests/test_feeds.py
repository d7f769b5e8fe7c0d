"""Visits to feeds: what is remembered between two, what fails, and every sample feed through the whole of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.collect.feedclean import MAX_SUMMARY, MAX_TITLE, printable
from newsletter.collect.feedjail import RawText
from newsletter.collect.feeds import FeedLimits, FeedResult, FeedState, fetch_feed, parse_feed
from newsletter.model import FeedEntry, Source, SourceFailure
from tests.support.feedserver import FeedServer, answer, endless, head, raw, redirect, status

SAMPLES = Path(__file__).parent / "data" / "feeds"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
FEED = b"""<rss version="2.0"><channel><item>
<guid isPermaLink="false">a-1</guid><link>/1</link><title>New advisory</title></item></channel></rss>"""
LIMITS = FeedLimits(allow_http=True, allow_private=True, connect_seconds=5, total_seconds=5, max_bytes=100_000)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def visit(server: FeedServer, state: FeedState | None = None, now: datetime = NOW) -> FeedResult:
    source = Source("cert", "CERT", server.url("/feed"))
    return fetch_feed(source, state or FeedState(), LIMITS, now)


def failure(result: FeedResult) -> str:
    """The reason of a failed visit, which has no entries."""
    assert result.failure is not None
    assert (result.entries, result.changed, result.failure.source) == ((), False, "cert")
    return result.failure.reason


# --- visits -----------------------------------------------------------------


def test_a_visit_brings_entries_and_what_to_remember(server: FeedServer) -> None:
    server["/feed"] = answer(FEED, etag='W/"1"', last_modified="Mon, 3 Apr 2023 1:02:03 GMT")
    result = visit(server)
    assert [(entry.guid, entry.link) for entry in result.entries] == [("a-1", server.url("/1"))]
    assert (result.failure, result.changed, result.note) == (None, True, "")
    assert result.state == FeedState(etag='W/"1"', last_modified="Mon, 3 Apr 2023 1:02:03 GMT", url=server.url("/feed"))


def test_an_unchanged_feed_costs_one_request(server: FeedServer) -> None:
    """The second visit sends both validators verbatim; 304 keeps everything as it is."""
    server["/feed"] = answer(FEED, etag='W/"1"', last_modified="Mon, 3 Apr 2023 1:02:03 GMT")
    state = visit(server).state
    server["/feed"] = status(304)
    result = visit(server, state)
    sent = server.seen[-1].headers
    assert (sent["if-none-match"], sent["if-modified-since"]) == ('W/"1"', "Mon, 3 Apr 2023 1:02:03 GMT")
    assert (result.entries, result.failure, result.changed, result.state) == ((), None, False, state)


def test_304_for_nothing_is_a_failure(server: FeedServer) -> None:
    server["/feed"] = status(304)
    assert failure(visit(server)) == "answers 304 although we have nothing of it yet"


def test_a_broken_feed_is_asked_for_again_in_full(server: FeedServer) -> None:
    """Had we kept its validators, the next 304 would call the failure a success."""
    server["/feed"] = answer(FEED, etag='"good"')
    state = visit(server).state
    server["/feed"] = answer(b"<html>Maintenance</html>", etag='"bad"')
    result = visit(server, state)
    assert failure(result) == "is an HTML page, not a feed"
    assert result.state.etag == '"good"'


def test_a_malformed_feed_keeps_its_entries_and_says_so(server: FeedServer) -> None:
    """13 of 103 sample feeds are malformed and usable (references/domain.md section 4)."""
    server["/feed"] = answer(FEED.replace(b"</rss>", b"</rs"))
    result = visit(server)
    assert (len(result.entries), result.failure) == (1, None)
    assert "malformed XML" in result.note


def test_a_feed_that_is_gone_is_never_asked_for_again(server: FeedServer) -> None:
    """RFC 9110 15.5.11; until an editor gives another address."""
    server["/feed"] = status(410)
    first = visit(server)
    second = visit(server, first.state)
    assert failure(first) == failure(second) == "has gone for good (410); remove it, or give its new address"
    assert len(server.seen) == 1
    server["/new"] = answer(FEED)
    moved = Source("cert", "CERT", server.url("/new"))
    assert fetch_feed(moved, second.state, LIMITS, NOW).failure is None


def test_a_permanent_redirect_seen_twice_is_proposed_to_the_editor(server: FeedServer) -> None:
    """Once may be an accident; followed in silence for ever, nobody would notice the day it ends."""
    server["/feed"] = redirect("/new", 301)
    server["/new"] = answer(FEED, etag='"1"')
    first = visit(server)
    assert (len(first.entries), first.note, first.state.moved_seen) == (1, "", 1)
    server["/new"] = status(304)
    second = visit(server, first.state)
    assert second.note == f"has moved for good, seen 2 times; change its url to {server.url('/new')}"
    server["/feed"] = answer(FEED)
    third = visit(server, second.state)
    assert (third.note, third.state.moved_to, third.state.moved_seen) == ("", None, 0)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Sun, 01 Nov 2026 13:00:00 GMT", timedelta(hours=1)),
        ("99999999999999999999", timedelta(days=7)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=7)),
    ],
)
def test_a_busy_server_is_left_alone_as_long_as_it_asks(server: FeedServer, header: str, wait: timedelta) -> None:
    """RFC 9110 10.2.3, but never for longer than a week."""
    server["/feed"] = status(503, retry_after=header)
    result = visit(server)
    assert failure(result) == "answers 503 Service Unavailable"
    assert result.state.not_before == NOW + wait
    server["/feed"] = answer(FEED)
    assert "asks us to stay away until 2026-11-" in failure(visit(server, result.state, NOW + wait / 2))
    assert len(server.seen) == 1
    later = visit(server, result.state, NOW + wait)
    assert (later.failure, later.state.not_before) == (None, None)


@pytest.mark.parametrize("header", ["", "soon", "-5", "\u0663".encode().decode("latin-1")])
def test_a_busy_server_that_says_no_time_is_asked_next_time(server: FeedServer, header: str) -> None:
    server["/feed"] = status(429, retry_after=header)
    assert visit(server).state.not_before is None


def test_what_was_remembered_belongs_to_the_address(server: FeedServer) -> None:
    """An editor who corrects an address gets the whole feed, not a 304 to another one's validators."""
    old = FeedState(etag='"old"', gone=True, url="https://elsewhere.example/feed")
    server["/feed"] = answer(FEED)
    result = visit(server, old)
    assert "if-none-match" not in server.seen[-1].headers
    assert (len(result.entries), result.state) == (1, FeedState(url=server.url("/feed")))


def test_every_failure_is_a_value(server: FeedServer) -> None:
    """One dead or hostile feed never stops the month."""
    scripts = {
        "answers 404 Not Found": status(404),
        "answers 299": raw(b"HTTP/1.1 299 <script>\r\n\r\n"),
        "redirects more than 3 times": redirect("/feed"),
        "127.0.0.1 does not speak proper HTTP (BadStatusLine)": raw(b"hello\r\n"),
        "is bigger than 100,000 bytes": endless(b"x" * 10_000, start=head(200)),
        "is not a feed: it has no root element": answer(b"/etc/passwd"),
        "malformed XML: unclosed token": answer(b"<rss"),
    }
    for why, script in scripts.items():
        server["/feed"] = script
        assert failure(visit(server)) == why
    for url in ("", "feed.xml", "https://[::1", "ftp://127.0.0.1/", "https://user:pw@127.0.0.1/"):
        result = fetch_feed(Source("cert", "CERT", url), FeedState(), LIMITS, NOW)
        assert isinstance(result.failure, SourceFailure)


# --- every sample feed -----------------------------------------------------------------

ACTIVE = re.compile(r"<|javascript:|data:|vbscript:|on\w+=", re.IGNORECASE)
EXPECTED = re.compile(r"entries\[0\]\['(title|link|id|guid|description|summary)'\] == ('(?:[^'\\]|\\.)*')")
# On purpose not what feedparser makes of them: a media type alone spoils nothing, and Content-Location is no base
# (RFC 9110 8.7 ended that).
OTHERWISE = {"bozo_http_text_plain.xml", "http_item_link_base_content_location.xml"}

Samples = dict[Path, tuple[tuple[FeedEntry, ...], str | None]]


@pytest.fixture(scope="module")
def samples() -> Samples:
    """Every sample, parsed; two at a time, since each starts a process."""
    source = Source("sample", "Sample", "https://feeds.example/dir/feed.xml")
    files = sorted(path for path in SAMPLES.rglob("*") if path.suffix in (".xml", ".json"))
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda path: parse_feed(path.read_bytes(), source, None, FeedLimits(), NOW), files)
        return dict(zip(files, results, strict=True))


def test_every_sample_feed_is_read_or_refused_in_words(samples: Samples) -> None:
    """106 files of every dialect, many of them broken: no crash, no hang."""
    assert len(samples) == 106
    broken = [path.name for path, (_, why) in samples.items() if why and "parser broke down" in why]
    assert not broken
    assert sum(len(entries) for entries, _ in samples.values()) > 90


def test_nothing_active_comes_out_of_any_sample(samples: Samples) -> None:
    """Plain text, harmless identities, links to the web and nowhere else; bounded."""
    for path, (entries, _) in samples.items():
        for entry in entries:
            assert not ACTIVE.search(entry.title + entry.summary + entry.guid), path
            assert re.fullmatch(r"https?://[!#-;=?-~]+", entry.link), path
            assert 0 < len(entry.title) <= MAX_TITLE, path
            assert len(entry.summary) <= MAX_SUMMARY, path
            assert entry.published is None or entry.published <= NOW, path
        assert len({entry.guid for entry in entries}) == len(entries), path


def test_what_the_samples_expect_is_what_comes_out(samples: Samples) -> None:
    """The leading comments of feedparser's own samples say what is in them; ours is that, as plain text."""
    checked = 0
    for path, (entries, _) in samples.items():
        comment = path.read_text(encoding="latin-1") if entries and path.name not in OTHERWISE else ""
        for field, literal in EXPECTED.findall(comment):
            value = ast.literal_eval(literal)
            entry = entries[0]
            if field in ("link", "id", "guid"):
                assert value in (entry.link, entry.guid), path
            else:
                is_html = "text_plain" not in path.name
                text = printable(RawText(value, is_html=is_html), MAX_SUMMARY)
                assert text in (entry.title, entry.summary), path
            checked += 1
    assert checked == 18


def test_malformed_samples_are_called_malformed(samples: Samples) -> None:
    """'bozo' in a sample's comment is a reason of ours; 'not bozo' is none, unless an entry was empty."""
    for path, (_, why) in samples.items():
        comment = path.read_text(encoding="latin-1").partition("-->")[0]
        expected = re.search(r"Expect:\s*(not )?bozo", comment)
        if expected and path.name not in OTHERWISE:
            reason = re.sub(r"(; )?left out \d+ without title, text and link", "", why or "")
            assert bool(reason) is (expected[1] is None), path


def test_two_samples_in_full(samples: Samples) -> None:
    """One of each kind, looked at."""
    json_feed, _ = samples[SAMPLES / "feed-rs/jsonfeed/jsonfeed_example_1.json"]
    assert json_feed[1] == replace(
        json_feed[1],
        guid="https://daringfireball.net/linked/2020/01/20/instagram-for-win95",
        title="Instagram for Windows 95",
        link="https://daringfireball.net/linked/2020/01/20/instagram-for-win95",
        summary="Delightful work by Petrick Studio.",
        published=datetime(2020, 1, 21, 1, 7, tzinfo=UTC),
    )
    debian, _ = samples[SAMPLES / "feed-rs/rss1/rss_1.0_debian.xml"]
    assert (debian[0].title, debian[0].published) == (
        "Updated Debian 11: 11.6 released",
        datetime(2022, 12, 17, tzinfo=UTC),
    )
