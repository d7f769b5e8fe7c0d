"""External links against a real server on loopback: what is dead or has moved is told, and nobody is pestered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Event

import pytest

from newsletter.checks.codes import EXTERNAL_RULES
from newsletter.checks.external import (
    DEAD_CODE,
    MAX_CACHE_BYTES,
    MAX_RETRY_AFTER,
    MOVED_CODE,
    LinkLimits,
    check_links,
)
from newsletter.checks.house import House
from newsletter.collect.fetch import FeedLimits
from newsletter.model import Collected, Finding, Gravity, Pick, Status, Tlp
from tests.support.content import article, incident, note, publication
from tests.support.feedserver import Connection, FeedServer, Script, answer, endless, head, redirect, status

HOUSE = House(publication())
NOW = datetime(2026, 10, 6, 12, tzinfo=UTC)
LIMITS = LinkLimits(
    fetch=FeedLimits(allow_private=True, connect_seconds=5, total_seconds=5, max_bytes=10_000, agent="test/1 (+x@y)"),
    pause_seconds=0,
    total_seconds=30,
)
OK = answer(b"<p>Here.</p>")


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


class Site:
    """An article that links to paths of the server, and a memory; ``now`` is moved by hand."""

    def __init__(self, server: FeedServer, folder: Path) -> None:
        self.server = server
        self.cache = folder / "var" / "links.json"
        self.now = NOW

    def check(self, *paths: str, limits: LinkLimits = LIMITS, body: str = "") -> tuple[Finding, ...]:
        """What is found about links to these paths, one in each line."""
        body = body or "\n".join(f"[Place {path}]({self.server.url(path)})" for path in paths)
        return self.collected(Collected(articles=(article(body=body, lines={"body": 10}),)), limits)

    def collected(self, collected: Collected, limits: LinkLimits = LIMITS) -> tuple[Finding, ...]:
        return check_links(collected, HOUSE, limits, self.cache, lambda: self.now)

    def asked(self) -> list[tuple[str, str]]:
        """Requests since the last time."""
        seen = [(request.method, request.path) for request in self.server.seen]
        self.server.seen.clear()
        return seen


@pytest.fixture
def site(server: FeedServer, tmp_path: Path) -> Site:
    return Site(server, tmp_path)


def test_dead_and_moved_links_are_told_in_their_places(site: Site):
    """A page that is there, or moved for a while, is no finding; both kinds only advise."""
    site.server["/there"] = OK
    site.server["/gone"] = status(410)
    site.server["/old"] = redirect("/there", 301)
    site.server["/for-now"] = redirect("/there", 302)
    findings = site.check("/there", "/missing", "/gone", "/old", "/for-now")
    assert [(f.rule, f.place.line, f.place.column) for f in findings] == [
        (DEAD_CODE, 11, 1),
        (DEAD_CODE, 12, 1),
        (MOVED_CODE, 13, 1),
    ]
    assert "404" in findings[0].message
    assert "410" in findings[1].message
    assert findings[2].fix == f"write {site.server.url('/there')}"
    assert {f.gravity for f in findings} == {Gravity.ADVISE}
    assert {f.rule for f in findings} == EXTERNAL_RULES.keys()


def test_a_moved_page_keeps_its_fragment(site: Site):
    """The part of the page is not the server's business."""
    site.server["/there"] = OK
    site.server["/old"] = redirect("/there", 308)
    (finding,) = site.check(body=f"[a]({site.server.url('/old')}#part)")
    assert finding.fix.endswith("/there#part")
    assert ("HEAD", "/old") in site.asked()


@pytest.mark.parametrize(("code", "times"), [(403, 2), (405, 2), (501, 2), (500, 1), (404, 1)])
def test_who_does_not_answer_head_is_asked_with_get(site: Site, code: int, times: int):
    """Some servers know no HEAD, and some forbid it."""

    def script(connection: Connection) -> None:
        (OK if connection.request.method == "GET" else status(code))(connection)

    site.server["/page"] = script
    assert bool(site.check("/page")) == (code == 404)
    assert site.asked() == [("HEAD", "/page"), ("GET", "/page")][:times]


def test_a_page_is_not_read(site: Site):
    """However long it is: that it is there is all we ask."""

    def script(connection: Connection) -> None:
        long = endless(b"x" * 1_000, start=head(200, content_length="1000000000"))
        (long if connection.request.method == "GET" else status(405))(connection)

    site.server["/page"] = script
    assert site.check("/page") == ()
    assert site.check("/page") == ()
    assert site.asked() == [("HEAD", "/page"), ("GET", "/page")]


def test_answers_are_kept_for_a_week_and_bad_ones_for_a_day(site: Site):
    """Nobody is asked each time that somebody saves a file; findings stay the same meanwhile."""
    site.server["/there"] = OK
    first = site.check("/there", "/missing")
    assert len(site.asked()) == 2
    for later, asked in (
        (timedelta(hours=23), []),
        (timedelta(days=1), ["/missing"]),
        (timedelta(days=6, hours=23), ["/missing"]),
        (timedelta(days=7), ["/there"]),
    ):
        site.now = NOW + later
        assert site.check("/there", "/missing") == first
        assert [path for _, path in site.asked()] == asked


def test_a_busy_server_is_left_alone(site: Site):
    """It says for how long, within reason; what it would have said is unknown, and no finding."""
    site.server["/a"] = status(429, retry_after=str(3 * 86_400))
    assert site.check("/a", "/b", "/c") == ()
    assert site.asked() == [("HEAD", "/a")]
    site.now = NOW + timedelta(days=2)
    assert len(site.check("/a", "/b")) == 1
    assert site.asked() == [("HEAD", "/b")]


@pytest.mark.parametrize("wish", ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "soon", "-5", ""])
def test_no_server_keeps_us_away_for_ever(site: Site, wish: str):
    """Nor does an odd wish hurt."""
    site.server["/a"] = status(503, retry_after=wish)
    assert site.check("/a") == ()
    site.now = NOW + MAX_RETRY_AFTER
    site.server["/a"] = status(404)
    assert len(site.check("/a")) == 1


def test_a_name_that_nobody_knows_is_dead_after_a_day(site: Site):
    """Name servers have bad hours: it takes two failures, a day apart."""
    body = "[a](https://nowhere.invalid/)"
    assert site.check(body=body) == ()
    site.now = NOW + timedelta(hours=12)
    assert site.check(body=body) == ()
    site.now = NOW + timedelta(days=1)
    (finding,) = site.check(body=body)
    assert finding.rule == DEAD_CODE
    assert "2026-10-06" in finding.message


@pytest.mark.parametrize("script", [status(500), status(401), redirect("/loop"), redirect("https://h.invalid:22/")])
def test_what_could_not_be_learned_is_no_finding(site: Site, script: Script):
    """A server that is down today, or asks for a password, proves nothing."""
    site.server["/loop"] = script
    assert site.check("/loop") == ()


def test_private_addresses_are_never_asked(site: Site):
    """A link in a text must not make us knock at the inside (SSRF); and examples belong to nobody."""
    strict = replace(LIMITS, fetch=replace(LIMITS.fetch, allow_private=False))
    name = site.server.url("/a", host="localhost.localdomain")
    assert site.check("/a", limits=strict) == ()
    assert site.check(body=f"[a]({name}) [b](https://a.example/)", limits=strict) == ()
    assert site.asked() == []


def test_only_what_is_printed_is_asked_about(site: Site):
    """A draft, a stricter label or an internal summary would tell others what we are working on."""
    link = {path: f"[a]({site.server.url(path)})" for path in ("/1", "/2", "/3", "/4", "/5", "/6")}
    pick = Pick(site.server.url("/7"), "It matters.")
    site.collected(
        Collected(
            articles=(
                article("a", body=link["/1"], status=Status.DRAFT),
                article("b", body=link["/2"], canonical=site.server.url("/8")),
            ),
            incidents=(incident(tlp=Tlp.GREEN, lessons=link["/3"]), incident(2, internal_summary=link["/4"])),
            notes=(note(body=link["/5"], elsewhere=(pick,)), note(tlp=Tlp.GREEN, elsewhere=(pick,), body=link["/6"])),
        )
    )
    assert sorted(path for _, path in site.asked()) == ["/2", "/5", "/7", "/8"]


def test_our_own_pages_mailboxes_and_paths_are_not_asked(site: Site):
    """Links into the archive have rules of their own."""
    body = "[a](/en/) [b](https://security.meridian.example/x) [c](mailto:a@b.example) [d](#e) ![f](f.png)"
    assert site.check(body=body) == ()
    assert site.asked() == []
    assert not site.cache.exists()


def test_an_address_is_asked_once_however_often_it_is_linked(site: Site):
    """Every place is told."""
    url = site.server.url("/missing")
    assert len(site.check(body=f"[a]({url}#one)\n[b]({url}#two)\n[c]({url})")) == 3
    assert site.asked() == [("HEAD", "/missing")]


def test_several_hosts_are_asked_at_once(site: Site):
    """Two hosts meet at the barrier, or both links would be dead."""
    meeting = Barrier(2)

    def script(connection: Connection) -> None:
        try:
            meeting.wait(5)
        except BrokenBarrierError:
            status(404)(connection)
        else:
            OK(connection)

    site.server["/a"] = script
    with FeedServer() as other:
        other["/b"] = script
        body = f"[a]({site.server.url('/a')})\n[b]({other.url('/b', host='localhost')})"
        assert site.check(body=body) == ()


def test_one_host_is_asked_one_question_at_a_time(site: Site):
    """While the first is open, no second comes, however many links there are."""
    second, together = Event(), []

    def first(connection: Connection) -> None:
        together.append(second.wait(0.2))
        OK(connection)

    def later(connection: Connection) -> None:
        second.set()
        OK(connection)

    site.server["/a"], site.server["/b"] = first, later
    assert site.check("/a", "/b") == ()
    assert together == [False]
    assert second.is_set()


def test_the_time_for_all_is_bounded(site: Site):
    """What was not asked is asked next time."""
    assert site.check("/a", "/b", limits=replace(LIMITS, total_seconds=0)) == ()
    assert site.asked() == []
    assert len(site.check("/a", "/b", limits=replace(LIMITS, max_links=1))) == 1
    assert len(site.check("/a", "/b")) == 2


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * (MAX_CACHE_BYTES + 1), b'{"u": 1}', b'{"u": ["good", 1, 2]}'],
)
def test_a_damaged_memory_is_forgotten(site: Site, damage: bytes):
    """It is only a memory: asking again repairs it."""
    site.cache.parent.mkdir()
    site.cache.write_bytes(damage)
    assert len(site.check("/missing")) == 1
    assert list(json.loads(site.cache.read_bytes())) == [site.server.url("/missing")]
    assert [path.name for path in site.cache.parent.iterdir()] == ["links.json"]


def test_a_memory_from_the_future_is_not_believed(site: Site):
    """A clock that was wrong once would keep dead links alive."""
    site.now = NOW + timedelta(days=365)
    site.check("/missing")
    site.now = NOW
    site.server["/missing"] = OK
    assert site.check("/missing") == ()


def test_a_folder_that_cannot_be_written_only_costs_the_memory(site: Site):
    """The findings are what was asked for."""
    site.cache.parent.write_text("a file where the folder should be")
    assert len(site.check("/missing")) == 1
