"""Addresses as feeds write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.collect.feedlinks import MAX_LINK, WebAddress, canonical_url

BASE = "https://feeds.example/dir/feed.xml?page=1#top"

ODD_URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "https://", "http://", "//", "HTTPS://Host.example", "https://h.example/", "javascript:"]),
    st.text(max_size=30),
    st.sampled_from(["", "?a=1&utm_source=x", "#f", ":443/", ":80", "/%zz?b=%3C", "@x.example/", "?&&"]),
)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://Example.ORG", "https://example.org/"),
        ("HTTP://example.org:80/a", "http://example.org/a"),
        ("https://example.org:443/a#part", "https://example.org/a"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("https://example.org./A/b", "https://example.org/A/b"),
        ("https://example.org/a?utm_source=rss&id=7&utm_medium=feed", "https://example.org/a?id=7"),
        ("https://example.org/a?fbclid=1&gclid=2&mc_cid=3&UTM_Campaign=x&mkt_tok=4", "https://example.org/a"),
        ("https://example.org/a?b=2&a=1&b=3", "https://example.org/a?b=2&a=1&b=3"),
        ("https://example.org/a?source=utm_source", "https://example.org/a?source=utm_source"),
        ("https://b\u00fccher.example/\u00fc \u2713", "https://xn--bcher-kva.example/%C3%BC%20%E2%9C%93"),
        ('https://example.org/"><script>', "https://example.org/%22%3E%3Cscript%3E"),
        ("https://[2620:FE::00fe]/", "https://[2620:fe::fe]/"),
        ("mailto:cert@example.org", "mailto:cert@example.org"),
    ],
)
def test_the_same_page_has_one_canonical_address(written: str, canonical: str) -> None:
    """No tracking, fragment or default port; host in lower case; what is no web address stays as it is."""
    assert canonical_url(written) == canonical


@given(ODD_URLS)
def test_canonical_is_final(url: str) -> None:
    """Canonical once is canonical for ever: the store compares what different days have made of it."""
    assert canonical_url(canonical_url(url)) == canonical_url(url)


@pytest.mark.parametrize(
    ("written", "absolute"),
    [
        ("/news/1", "https://feeds.example/news/1"),
        ("item", "https://feeds.example/dir/item"),
        ("?id=1", "https://feeds.example/dir/feed.xml?id=1"),
        (" \n https://example.org/a\tb ", "https://example.org/ab"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("https://example.org/a?b#c", "https://example.org/a?b#c"),
    ],
)
def test_relative_links_become_absolute(written: str, absolute: str) -> None:
    """RFC 3986 5.2, relative to where the feed came from."""
    address = WebAddress.read(written, BASE)
    assert address is not None
    assert address.url == absolute


@pytest.mark.parametrize(
    "written",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://example.org/",
        "mailto:a@example.org",
        "https://bank.example@evil.example/",
        "https://user:secret@example.org/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://example.org:99999/",
        "https://exa mple.org/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://example..org/",
        "https://example.org/" + "a" * MAX_LINK,
        "https://example.org/" + "\u2713" * (MAX_LINK // 8),
    ],
)
def test_what_leads_nowhere_on_the_web_is_no_link(written: str) -> None:
    """Scripts, files, disguised hosts, impossible names."""
    assert WebAddress.read(written, BASE) is None


@given(ODD_URLS)
def test_an_address_is_harmless_ascii(url: str) -> None:
    """Fit for an attribute, a request line and a header, whatever was written."""
    address = WebAddress.read(url, BASE)
    if address is not None:
        assert re.fullmatch(r"https?://[!#-;=?-\[\]_a-z~A-Z]+", address.url)
        assert WebAddress.read(address.url) == address
