"""One GET against real servers on loopback, most of them hostile."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.collect.fetch import FeedLimits, Reply, decompress, fetch, is_public
from newsletter.errors import SourceError
from tests.support.feedserver import (
    FeedServer,
    Script,
    answer,
    drip,
    endless,
    head,
    raw,
    redirect,
    self_signed,
    status,
)

FEED = b'<rss version="2.0"><channel><title>Advisories</title></channel></rss>'
OPEN = FeedLimits(
    allow_http=True, allow_private=True, connect_seconds=5, total_seconds=5, max_bytes=100_000, agent="test/1 (+x@y)"
)
HASTY = replace(OPEN, connect_seconds=0.3, total_seconds=0.4)


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"), "DNS:localhost")


@pytest.fixture(scope="module")
def tls_server(certificate: Path) -> Iterator[FeedServer]:
    with FeedServer(certificate) as running:
        yield running


def get(server: FeedServer, script: Script, limits: FeedLimits = OPEN) -> Reply:
    server["/feed"] = script
    return fetch(server.url("/feed"), limits)


def refusal(server: FeedServer, script: Script, limits: FeedLimits = OPEN) -> str:
    """Why this answer is not taken."""
    with pytest.raises(SourceError) as caught:
        get(server, script, limits)
    return str(caught.value)


# --- manners -----------------------------------------------------------------


def test_a_feed_is_fetched_with_honest_headers_and_nothing_personal(server: FeedServer) -> None:
    reply = get(server, answer(FEED, etag='"1"', content_type="application/rss+xml", set_cookie="id=7"))
    assert (reply.status, reply.body, reply.headers["etag"], reply.moved_to) == (200, FEED, '"1"', None)
    get(server, answer(FEED))
    sent = server.seen[-1].headers
    assert sent["user-agent"] == "test/1 (+x@y)"
    assert sent["host"] == f"127.0.0.1:{server.port}"
    assert not {"cookie", "authorization", "referer", "if-none-match", "if-modified-since"} & set(sent)


def test_both_validators_go_back_verbatim(server: FeedServer) -> None:
    """RFC 9110 13.1: opaque, so neither parsed nor mended."""
    server["/feed"] = status(304)
    etag, day = 'W/"a b\xe9"', "Mon, 3 Apr 2023 1:02:03 GMT"
    reply = fetch(server.url("/feed"), OPEN, etag=etag, last_modified=day)
    sent = server.seen[-1].headers
    assert (reply.status, sent["if-none-match"], sent["if-modified-since"]) == (304, etag, day)


def test_a_validator_cannot_smuggle_a_header_into_the_request(server: FeedServer) -> None:
    with pytest.raises(ValueError, match="control character"):
        fetch(server.url("/feed"), OPEN, etag="x\r\nCookie: a")
    folded = b"HTTP/1.1 200 OK\r\nETag: one\r\n two\r\nLast-Modified: " + b"x" * 5000 + b"\r\n\r\n"
    assert not {"etag", "last-modified"} & set(get(server, raw(folded + FEED)).headers)


def test_proxies_of_the_environment_are_not_asked(server: FeedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get(server, answer(FEED)).body == FEED


# --- redirects -----------------------------------------------------------------


def test_a_permanent_redirect_is_reported_and_a_temporary_one_is_not(server: FeedServer) -> None:
    server["/new"] = answer(FEED)
    server["/hop"] = redirect("new", 308)
    assert get(server, redirect("/new", 301)).moved_to == server.url("/new")
    assert get(server, redirect("/hop", 301)).moved_to == server.url("/new")
    reply = get(server, redirect("/new", 302))
    assert (reply.body, reply.url, reply.moved_to) == (FEED, server.url("/new"), None)
    server["/hop"] = redirect("/new", 307)
    assert get(server, redirect("/hop", 301)).moved_to == server.url("/hop")


def test_redirects_end_after_three_hops(server: FeedServer) -> None:
    before = len(server.seen)
    assert refusal(server, redirect("/feed")) == "redirects more than 3 times"
    assert len(server.seen) - before == 4


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("", "no usable address"),
        ("file:///etc/passwd", "no usable address"),
        ("javascript:alert(1)", "no usable address"),
        ("ftp://127.0.0.1/feed", "no usable address"),
        ("http://user:secret@127.0.0.1/feed", "no usable address"),
        ("http://[::1", "no usable address"),
        ("http://127.0.0.1:99999/", "no usable address"),
        ("http://127.0.0.1:25/", "port 25"),
    ],
)
def test_a_redirect_to_no_web_page_is_refused(server: FeedServer, location: str, reason: str) -> None:
    message = refusal(server, redirect(location))
    assert reason in message
    assert "secret" not in message


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "10.0.0.1"])
def test_every_hop_is_checked_for_private_addresses(server: FeedServer, host: str) -> None:
    """The site trusts one host of its own; what that host redirects to is not trusted with it."""
    trusting = replace(OPEN, allow_private=False, private_hosts=frozenset({"127.0.0.1"}))
    before = len(server.seen)
    message = refusal(server, redirect(f"http://{host}:{server.port}/new"), trusting)
    assert "which is no public address" in message
    assert len(server.seen) - before == 1


def test_https_never_falls_back_to_http(server: FeedServer, tls_server: FeedServer, certificate: Path) -> None:
    tls_server["/feed"] = redirect(server.url("/feed"))
    with pytest.raises(SourceError, match="from https to http"):
        fetch(tls_server.url("/feed", "localhost"), replace(OPEN, ca_file=str(certificate)))


# --- where we go -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2620:fe::fe", True),
        ("64:ff9b::808:808", True),
        ("::ffff:8.8.8.8", True),
        *[(f"{block}", False) for block in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254")],
        *[(f"{block}", False) for block in ("0.0.0.0", "100.64.0.1", "198.18.0.1", "203.0.113.9", "240.0.0.1")],
        *[(f"{block}", False) for block in ("224.0.0.1", "255.255.255.255", "192.0.0.192", "168.63.129.16")],
        *[(f"{block}", False) for block in ("::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "ff0e::1")],
        *[(f"{block}", False) for block in ("::ffff:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1")],
        *[(f"{block}", False) for block in ("2002:7f00:1::", "2001:0:1::1", "2001:db8::1", "3fff::1", "5f00::1")],
    ],
)
def test_only_public_addresses_are_public(address: str, public: bool) -> None:  # noqa: FBT001
    """Special-purpose registries of IANA, and what wraps an IPv4 address."""
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::1]", "2130706433"])
def test_a_name_that_leads_to_this_machine_is_refused(server: FeedServer, host: str) -> None:
    """The address that the name resolves to counts, not how it is written."""
    before = len(server.seen)
    with pytest.raises(SourceError, match="no public address"):
        fetch(server.url("/feed", host), replace(OPEN, allow_private=False))
    assert len(server.seen) == before


def test_http_needs_permission(server: FeedServer) -> None:
    with pytest.raises(SourceError, match="use https"):
        fetch(server.url("/feed"), replace(OPEN, allow_http=False))


def test_a_name_and_password_in_the_address_are_refused(server: FeedServer) -> None:
    with pytest.raises(SourceError, match="no name or password"):
        fetch(server.url("/feed").replace("//", "//user:secret@"), OPEN)


def test_a_closed_port_is_a_failure_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot reach 127\.0\.0\.1: Connection refused"):
        fetch(f"http://127.0.0.1:{port}/", OPEN)


# --- certificates -----------------------------------------------------------------


def test_the_certificate_is_checked_for_the_name_and_the_name_is_sent(
    tls_server: FeedServer, certificate: Path
) -> None:
    """We connect to an address, yet SNI and certificate are about the name."""
    tls_server["/feed"] = answer(FEED)
    trusting = replace(OPEN, ca_file=str(certificate))
    assert fetch(tls_server.url("/feed", "localhost"), trusting).body == FEED
    assert tls_server.names[-1] == "localhost"
    with pytest.raises(SourceError, match=r"certificate of 127\.0\.0\.1 is refused"):
        fetch(tls_server.url("/feed", "127.0.0.1"), trusting)


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server: FeedServer) -> None:
    with pytest.raises(SourceError, match="certificate of localhost is refused: self-signed"):
        fetch(tls_server.url("/feed", "localhost"), OPEN)


def test_a_server_that_speaks_no_tls_is_refused(server: FeedServer) -> None:
    server["/feed"] = answer(FEED)
    with pytest.raises(SourceError, match="no connection within"):
        fetch(server.url("/feed").replace("http:", "https:"), HASTY)


# --- time -----------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(drip(head(200, content_length="9") + FEED), id="headers"),
        pytest.param(drip(b"x" * 10_000, start=head(200)), id="body"),
        pytest.param(drip(b"1\r\nx\r\n" * 2_000, start=head(200, transfer_encoding="chunked")), id="chunks"),
        pytest.param(drip(b"x" * 10_000, seconds=5), id="silence"),
        pytest.param(endless(b"HTTP/1.1 100 Continue\r\n\r\n"), id="continue"),
    ],
)
def test_no_answer_however_slow_outlasts_the_deadline(server: FeedServer, script: Script) -> None:
    """The 30 s are for everything together: a byte every few seconds does not begin them anew."""
    start = time.monotonic()
    reason = refusal(server, script, HASTY)
    assert "timed out" in reason or "sends more" in reason
    assert time.monotonic() - start < 4


# --- size -----------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(endless(b"x" * 10_000, start=head(200)), id="body"),
        pytest.param(
            endless(b"2710\r\n" + b"x" * 10_000 + b"\r\n", start=head(200, transfer_encoding="chunked")), id="chunks"
        ),
        pytest.param(endless(b"x" * 10_000, start=head(200, content_length="10000000000")), id="announced"),
        pytest.param(endless(b"x" * 10_000, start=b"HTTP/1.1 200 OK\r\nX: "), id="header"),
        pytest.param(endless(b"X: " + b"x" * 10_000 + b"\r\n", start=b"HTTP/1.1 200 OK\r\n"), id="headers"),
    ],
)
def test_an_endless_answer_is_left(server: FeedServer, script: Script) -> None:
    reason = refusal(server, script)
    assert any(text in reason for text in ("is bigger than", "sends more than", "does not speak proper HTTP"))


def test_a_bomb_is_left_before_it_fills_the_memory() -> None:
    """50 MB of zeros in 50 kB: decompression stops one byte after the limit."""
    zeros = bytes(50_000_000)
    bombs = [("gzip", gzip.compress(zeros)), ("deflate", zlib.compress(zeros))]
    del zeros
    for coding, bomb in bombs:
        tracemalloc.start()
        assert len(decompress(bomb, coding, 100_000)) == 100_001
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()


def test_a_bomb_from_a_server_is_a_failure(server: FeedServer) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    assert refusal(server, answer(bomb, content_encoding="gzip")) == "is bigger than 100,000 bytes"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answer(FEED, content_length="1000"), id="length"),
        pytest.param(raw(head(200, transfer_encoding="chunked") + b"64\r\nabc"), id="chunk"),
        pytest.param(raw(head(200, transfer_encoding="chunked") + b"3\r\nabc\r\n"), id="last chunk"),
        pytest.param(answer(gzip.compress(FEED)[:-9], content_encoding="gzip"), id="gzip"),
        pytest.param(answer(zlib.compress(FEED)[:-5], content_encoding="deflate"), id="deflate"),
    ],
)
def test_half_an_answer_is_none(server: FeedServer, script: Script) -> None:
    """Half a feed would look as if the other half had been withdrawn."""
    reason = refusal(server, script)
    assert "cut off" in reason or "IncompleteRead" in reason


@pytest.mark.parametrize(
    "data",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 100, b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 200],
)
def test_what_is_not_http_is_a_failure_in_words(server: FeedServer, data: bytes) -> None:
    assert "does not speak proper HTTP" in refusal(server, raw(data))


@settings(max_examples=25)
@given(
    st.lists(
        st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"\r\n", b"\r\n\r\n", b"3\r\n"])
        | st.binary(max_size=30),
        max_size=12,
    )
)
def test_no_answer_however_odd_does_more_than_fail(data: list[bytes]) -> None:
    """Whatever a server says becomes a reply or a SourceError, nothing else."""
    with FeedServer() as server, suppress(SourceError):
        assert get(server, raw(b"HTTP/1.1 200 OK\r\n" + b"".join(data)), HASTY).status == 200


# --- content codings -----------------------------------------------------------------


@given(st.binary(max_size=2_000))
def test_what_was_compressed_comes_back(data: bytes) -> None:
    """Also without the zlib wrapper, in several gzip members, and with rubbish behind."""
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    assert decompress(data, "", 2_000) == data
    assert decompress(gzip.compress(data) + b"rubbish", "x-gzip", 2_000) == data
    assert decompress(gzip.compress(data[:9]) + gzip.compress(data[9:]), " GZIP", 2_000) == data
    assert decompress(zlib.compress(data), "deflate", 2_000) == data
    assert decompress(bare.compress(data) + bare.flush(), "deflate", 2_000) == data


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", ""]))
def test_no_content_coding_can_do_more_than_fail(data: bytes, coding: str) -> None:
    with suppress(SourceError):
        assert len(decompress(data, coding, 100)) <= 200


def test_a_coding_that_we_did_not_ask_for_is_refused(server: FeedServer) -> None:
    assert "did not ask for" in refusal(server, answer(FEED, content_encoding="br"))
