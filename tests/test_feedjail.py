"""The killable child and its parent, who believes nothing."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.collect.feedchild import read_json, read_xml
from newsletter.collect.feedjail import CHILD, MAX_RAW_CHARS, RawFeed, ask, feed_kind, read_answer, read_feed
from newsletter.collect.feeds import FeedLimits, parse_feed
from newsletter.errors import SourceError
from newsletter.model import FeedEntry, Source

LIMITS = FeedLimits()
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOURCE = Source("cert", "CERT", "https://feeds.example/feed.xml")


def rss(items: str, start: str = "") -> bytes:
    return f'{start}<rss version="2.0"><channel><title>Advisories</title>{items}</channel></rss>'.encode()


def item(number: int, description: str = "Text") -> str:
    page = f"https://example.org/{number}"
    text = f"<title>Item {number}</title><description>{description}</description>"
    return f"<item><guid>{page}</guid><link>{page}</link>{text}</item>"


def parsed(data: bytes, content_type: str | None = None) -> tuple[FeedEntry, ...]:
    return parse_feed(data, SOURCE, content_type, LIMITS, NOW)[0]


def reason(data: bytes, limits: FeedLimits = LIMITS) -> str | None:
    return parse_feed(data, SOURCE, None, limits, NOW)[1]


# --- what it is -----------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"<rss>",
        b'\xef\xbb\xbf \n<?xml version="1.0"?><!-- <html> --><feed xmlns="x">',
        b'<!DOCTYPE html [ <!ENTITY a "<html>"> ] ><rdf:RDF>',
        b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://x/"><RSS>',
        "<?xml version='1.0'?><feed>".encode("utf-16"),
        "<?xml version='1.0'?><feed>".encode("utf-16-be"),
        "<?xml version='1.0'?><feed>".encode("utf-32"),
        "<?xml version='1.0'?><feed>".encode("utf-32-le"),
    ],
)
def test_a_feed_is_known_by_its_root_element(data: bytes) -> None:
    """Whatever the media type says, and however much stands before it."""
    assert feed_kind(data) == "xml"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"<!DOCTYPE html>\n<html lang=en><rss>", "is an HTML page, not a feed"),
        (b"  <HTML>", "is an HTML page, not a feed"),
        (b"<!doctype html>Hello", "is an HTML page, not a feed"),
        (b"<opml version='1.0'>", "is not a feed: its root element is <opml>"),
        (b"", "is not a feed: it has no root element"),
        (b"<!-- <rss>", "is not a feed: it has no root element"),
        (b"<!DOCTYPE rss [", "is not a feed: it has no root element"),
        (b"\x1f\x8b\x08", "is not a feed: it has no root element"),
        (b"[1, 2]", "is not a feed: it has no root element"),
    ],
)
def test_what_is_no_feed_is_said_before_anything_parses_it(data: bytes, what: str) -> None:
    assert reason(data) == what


@given(st.binary(max_size=200) | st.text("<>!-[]?/ rsfedhtmldocype\0{", max_size=60).map(str.encode))
def test_any_bytes_are_a_feed_or_refused(data: bytes) -> None:
    with suppress(SourceError):
        assert feed_kind(data) in ("xml", "json")


# --- attacks -----------------------------------------------------------------


@pytest.mark.parametrize("body", [b"/etc/passwd", b"http://127.0.0.1:1/", b"file:///etc/passwd", b"feed://x/"])
def test_a_body_that_is_a_path_or_an_address_opens_nothing(body: bytes) -> None:
    """feedparser.parse() would open it, given a string or bytes (references/domain.md, finding 2)."""
    assert reason(body) == "is not a feed: it has no root element"
    assert not read_xml(body, 10, "")["entries"]


def test_a_style_attribute_of_64_kb_takes_no_time() -> None:
    """91 s with feedparser's own cleaning (references/domain.md, finding 1)."""
    start = time.monotonic()
    style = "a:b;" * 16_000
    (entry,) = parsed(rss(item(1, f"&lt;p style=&quot;{style}&quot;&gt;x&lt;/p&gt;") + ""))
    assert time.monotonic() - start < 20
    assert "style" not in entry.summary


def test_entities_neither_explode_nor_read_files() -> None:
    names = "abcdefghij"
    bomb = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    laughs = rss("<item><title>&j;</title></item>", f'<!DOCTYPE rss [<!ENTITY a "lol">{bomb}]>')
    external = rss("<item><title>A &x; B</title></item>", '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>')
    for entry in (*parsed(laughs), *parsed(external)):
        assert "lol" not in entry.title
        assert "root" not in entry.title


def test_ten_thousand_entries_are_cut_to_the_newest() -> None:
    entries, why = parse_feed(rss("".join(map(item, range(10_000)))), SOURCE, None, LIMITS, NOW)
    assert (len(entries), entries[0].title) == (200, "Item 0")
    assert why == "only the first 200 of 10000 entries are kept"


def test_a_feed_that_takes_too_long_or_too_much_is_stopped() -> None:
    """Nested a hundred thousand deep it keeps feedparser busy for minutes."""
    start = time.monotonic()
    assert reason(b"<rss>" + b"<a>" * 500_000, replace(LIMITS, parse_seconds=0.7)) == "takes longer than 0.7 s to parse"
    assert time.monotonic() - start < 20
    big = rss(item(1, "x" * 30_000_000))
    assert reason(big, replace(LIMITS, parse_memory_mb=64)) == "takes more than 64 MB of memory to parse"


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0" encoding="zip"?><rss><channel>',
        b'<?xml version="1.0" encoding="punycode"?><rss>' + b"x" * 50_000,
        rss("<item><title>&#99999999999999999999;</title></item>"),
        rss("<item><title>&#x110000;&bogus;</title></item>"),
        b'{"version": "https://jsonfeed.org/version/1", "items": ' + b"[" * 200_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [{"id": ' + b"1" * 10_000 + b"}]}",
        b'{"version": 1, "items": {}}',
        b'{"items": [{"id": "\\ud800", "title": "a\\udfff"}], "version": "https://jsonfeed.org/version/1.1"}',
    ],
)
def test_whatever_breaks_the_parser_is_a_reason_in_words(data: bytes) -> None:
    entries, why = parse_feed(data, SOURCE, None, LIMITS, NOW)
    assert entries or why


# --- encodings -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [
        ("utf-8-sig", "", None),
        ("utf-16", "", None),
        ("iso-8859-1", '<?xml version="1.0" encoding="iso-8859-1"?>', "text/xml"),
        ("iso-8859-1", "", 'application/rss+xml; charset="ISO-8859-1"'),
        ("utf-8", "", "text/plain"),
        ("utf-8", "", "text/html; charset=no such thing \r\n x"),
    ],
)
def test_every_encoding_is_read_as_declared(encoding: str, declared: str, content_type: str | None) -> None:
    """RFC 7303: byte order mark, then the charset of HTTP, then the declaration, then UTF-8."""
    data = rss("<item><title>S\u00e9curit\u00e9</title></item>", declared).decode().encode(encoding)
    assert [entry.title for entry in parsed(data, content_type)] == ["S\u00e9curit\u00e9"]


# --- the child -----------------------------------------------------------------


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "seconds", "why"),
    [
        ("import time; time.sleep(60)", 0.5, "takes longer than 0.5 s"),
        ("import os; os.close(1); import time; time.sleep(60)", 0.5, "takes longer than 0.5 s"),
        ("import sys; sys.stdin.read()\nwhile True: print('x' * 100_000)", 30, "answer is too big"),
        ("raise SystemExit(3)", 30, "broke down"),
        ("import os; os.abort()", 30, "broke down"),
    ],
)
def test_a_child_that_misbehaves_is_killed(code: str, seconds: float, why: str) -> None:
    """It hangs without reading, floods, or dies; with more input than a pipe holds."""
    start = time.monotonic()
    with pytest.raises(SourceError, match=why):
        ask(program(code), b"x" * 1_000_000, seconds)
    assert time.monotonic() - start < 20


def test_a_parser_that_cannot_be_started_is_a_failure_in_words() -> None:
    with pytest.raises(SourceError, match="could not be started"):
        ask(["/nowhere/python"], b"", 1)


def test_the_child_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may hold the relay's password; what parses hostile input has no use for it."""
    monkeypatch.setenv("NEWSLETTER_RELAY_PASSWORD", "hunter2")
    seen = ask(program("import os; print(sorted(os.environ))"), b"", 10)
    assert b"PYTHONPATH" in seen
    assert b"NEWSLETTER" not in seen


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        f"open({__file__!r})",
        "open('/nowhere/x', 'w')",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
        "__import__('subprocess').run(['true'])",
        "__import__('os').system('true')",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:9/')",
    ],
)
def test_the_child_opens_no_door(attempt: str) -> None:
    """Files, sockets and processes are refused to it, whatever a library has in mind; codecs still load."""
    start = f"import runpy, socket, subprocess, urllib.request; runpy.run_path({str(CHILD)!r})['close_doors']()"
    code = f"{start}\ntry:\n  {attempt}\nexcept PermissionError: print('refused', b'\\xc1'.decode('koi8-r'))"
    assert ask(program(code), b"", 10).decode().strip() == "refused \u0430"


# --- its answer -----------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["entries", "total", "home", "flaw", "fault", "guid", "link", "title", "summary"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=50) | st.just(b"[" * 100_000))
def test_no_answer_of_the_child_is_believed(answer: bytes) -> None:
    """A child that was taken over can say what it likes: it is a feed of bounded strings, or a failure."""
    with suppress(SourceError):
        feed = read_answer(answer, LIMITS)
        assert isinstance(feed, RawFeed)
        assert isinstance(feed.total, int)
        assert all(isinstance(entry.title.text, str) for entry in feed.entries)


def test_an_answer_is_cut_to_size() -> None:
    entry = {"guid": "g" * 20_000, "title": ["t" * 20_000, True], "summary": ["\ud800\0", False], "content": "x"}
    feed = read_answer(json.dumps({"entries": [entry] * 300, "flaw": "<b>\n" * 200}).encode(), LIMITS)
    assert (len(feed.entries), feed.total) == (200, 300)
    first = feed.entries[0]
    assert (len(first.guid), len(first.title.text), first.summary.text) == (MAX_RAW_CHARS, MAX_RAW_CHARS, "?")
    assert set(feed.flaw) == {"b", " "}


# --- what it reads (in this process, where coverage sees it) ----------------------------


def test_a_json_feed_is_read() -> None:
    """jsonfeed.org 1 and 1.1; ids may be numbers."""
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "home_page_url": "https://example.org/",
        "items": [
            {"id": 7, "url": "https://example.org/7", "title": "<b>", "content_html": "<p>x", "date_published": "d"},
            {"id": True, "external_url": "https://example.org/8", "content_text": "<y>", "summary": "s"},
            "no item",
        ],
    }
    read = read_json(json.dumps(feed).encode(), 10)
    assert read == {
        "entries": [
            {
                "guid": "7",
                "link": "https://example.org/7",
                "date": "d",
                "title": ["<b>", False],
                "summary": ["", False],
                "content": ["<p>x", True],
            },
            {
                "guid": "",
                "link": "https://example.org/8",
                "date": "",
                "title": ["", False],
                "summary": ["s", False],
                "content": ["<y>", False],
            },
        ],
        "total": 2,
        "home": "https://example.org/",
        "flaw": "",
    }
    assert "fault" in read_json(b'{"a": 1}', 10)
    assert read_json(b'{"version": "https://jsonfeed.org/version/1", "items": 3}', 10)["entries"] == []


def test_xml_is_read_without_following_anything_in_it() -> None:
    """Atom says whether a title is HTML, RSS does not; a guid becomes a link only if it is one."""
    text = '<title type="text">1 &lt; 2</title><summary type="html">&lt;b></summary><content src="http://x/"/>'
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>i</id>{text}<updated>u</updated></entry></feed>'
    (entry,) = read_xml(atom.encode(), 10, "")["entries"]
    assert (entry["title"], entry["summary"], entry["date"]) == (["1 < 2", False], ["<b>", True], "u")
    feed = read_xml(rss("<item><guid>abc</guid><title>1 &lt; 2</title></item><item/>") + b"<", 1, "utf-8")
    assert (feed["total"], feed["entries"][0]["title"], feed["entries"][0]["link"]) == (2, ["1 < 2", True], "")
    assert feed["flaw"].startswith("malformed XML: ")


def test_the_child_stands_alone() -> None:
    """It is started by path without the package: start-up counts, and so does what it can reach."""
    assert "newsletter" not in Path(CHILD).read_text(encoding="utf-8")
    assert read_feed(rss(item(1)), None, LIMITS).entries[0].guid == "https://example.org/1"
