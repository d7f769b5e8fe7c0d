"""The security of every route, as the application's own table lists them: a new one cannot be forgotten here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from starlette.requests import Request
from starlette.routing import Route

from newsletter.keys import form_stamp, network_hash, unsubscribe_token
from newsletter.model import SubscriberState
from newsletter.store import buckets
from newsletter.store.buckets import Limit
from newsletter.subscriptions.limits import LEAVE, POSTS
from newsletter.web.forms import TRAP
from newsletter.web.limits import NOWHERE, network
from newsletter.web.security import HEADERS, MAX_BODY_BYTES, PAGE_POLICY
from tests.support.reception import FORM, House, receiving
from tests.support.webserver import Answer, ask, serving

HERE = "/en/preferences/"
ADDRESSES = (f"reader{n}@people.example" for n in range(1000))
PERSONAL = re.compile(r"/(u|l|undo)\b|/\w\w/(subscribe|preferences)/")
VALUES = {"token": "A" * 32, "path": "en/nothing/"}
OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
FOREIGN = (OTHER_SITE, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"})
# Who has the address has the permission: mail providers post here for their users (RFC 8058).
OPEN_TO_ALL = ("/u/",)
# Not a page of ours in a browser: it has its own tokens and limits.
API = "/api/"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with receiving(tmp_path_factory.mktemp("security")) as made:
        yield made


def table(house: House) -> list[tuple[str, str]]:
    """Every method and path of the application, with something in the place of each parameter."""
    routes = [route for route in house.site.routes if isinstance(route, Route)]
    assert len(routes) == len(house.site.routes), "a mount hides routes from this test: list them too"
    return [
        (method, re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: VALUES.get(found[1], "x"), route.path))
        for route in routes
        for method in sorted(route.methods or ())
    ]


def posts(house: House) -> list[str]:
    return [path for method, path in table(house) if method == "POST" and not path.startswith(API)]


def reader(house: House) -> tuple[str, dict[str, str]]:
    """A new subscriber with preferences open: the address, and the cookie."""
    address = next(ADDRESSES)
    house.join(address)
    return address, {"Cookie": house.open_preferences(address)}


def leaving(house: House, address: str) -> str:
    """The path of somebody's link to leave."""
    person = house.subscriber(address)
    assert person is not None
    return f"/u/{unsubscribe_token(house.app.keys, person.id)}"


def is_shielded(answer: Answer) -> bool:
    """Whether it has every header once, and tells nothing of the server."""
    return all(answer.headers.get_all(name) == [value] for name, value in HEADERS.items()) and (
        answer.headers["Server"] is None
    )


# --- headers ------------------------------------------------------------------------------------------------------


def test_every_route_answers_with_every_header_whatever_its_status(house: House) -> None:
    """Found, led elsewhere, refused, not there, too large, of a foreign site, of a foreign host."""
    _, cookie = reader(house)
    seen: set[int] = set()
    for method, path in table(house):
        requests = [
            {},
            {"headers": cookie},
            {"headers": OTHER_SITE},
            {"headers": {"Host": "evil.example"}},
            {"method": "DELETE"},
        ]
        if method == "POST":
            requests += [{"body": b"x" * (MAX_BODY_BYTES + 1)}, {"body": b"address=x&stamp=x", "headers": FORM}]
        for request in requests:
            answer = ask(house.at + path, **({"method": method} | request))
            seen.add(answer.status)
            assert is_shielded(answer), (method, path, answer.status)
    assert seen >= {200, 301, 303, 400, 403, 404, 405, 413, 422}


def test_no_policy_lets_anything_inline_or_from_elsewhere_in() -> None:
    assert "unsafe" not in PAGE_POLICY
    assert PAGE_POLICY.startswith("default-src 'none'; ")
    for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
        assert part in PAGE_POLICY
    assert not re.search(r"https?:|\*|data:", PAGE_POLICY)


def test_no_page_of_people_has_a_script_or_an_inline_style(house: House) -> None:
    _, cookie = reader(house)
    for method, path in table(house):
        if method == "GET":
            page = ask(house.at + path, headers=cookie).text
            assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page), path


def test_pages_of_people_are_kept_nowhere(house: House) -> None:
    """Not by a proxy, not by the browser after the session, not by a search engine."""
    _, cookie = reader(house)
    personal = [(method, path) for method, path in table(house) if PERSONAL.match(path)]
    assert len(personal) > 30
    for method, path in personal:
        answer = ask(house.at + path, method=method, headers=cookie)
        assert answer.headers["Cache-Control"] == "no-store", path
        assert "noindex" in str(answer.headers["X-Robots-Tag"]), path


def test_browsers_are_told_to_come_by_https_alone_where_the_site_is_reached_by_it(
    tmp_path_factory: pytest.TempPathFactory, house: House
) -> None:
    name = "Strict-Transport-Security"
    assert ask(f"{house.at}/en/subscribe/").headers[name] is None
    secure = {"NEWSLETTER_PUBLICATION_BASE_URL": "https://pages.meridian.example"}
    for days, told in (("30", "max-age=2592000"), ("0", None)):
        folder = tmp_path_factory.mktemp("hsts")
        with receiving(folder, NEWSLETTER_WEB_HSTS_DAYS=days, **secure) as other:
            for path in ("/en/subscribe/", "/nothing", "/u/x"):
                assert ask(other.at + path).headers[name] == told


# --- other people's sites and names ---------------------------------------------------------------------------------


def test_no_other_site_makes_a_browser_press_our_buttons(house: House) -> None:
    """Every POST route of the table, but those whose address is itself the permission."""
    _, cookie = reader(house)
    before = house.dump()
    for path in posts(house):
        for foreign in (
            OTHER_SITE,
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ):
            answer = ask(house.at + path, method="POST", headers=foreign | cookie)
            assert (answer.status == 403) != path.startswith(OPEN_TO_ALL), path
    assert [line for line in house.dump().splitlines() if not line.startswith("bucket:")] == [
        line for line in before.splitlines() if not line.startswith("bucket:")
    ]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("pages.meridian.example", 200),
        ("PAGES.meridian.example:443", 200),
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("inside.example", 200),
        ("deep.below.example", 200),
        ("evil.example", 400),
        ("pages.meridian.example.evil.example", 400),
        ("evilbelow.example", 400),
        ("pages.meridian.example@evil.example", 400),
        ("", 400),
    ],
)
def test_the_site_answers_to_its_own_names_alone(
    tmp_path_factory: pytest.TempPathFactory, named: House, host: str, status: int
) -> None:
    """Against DNS rebinding: the base address, this machine, and what the settings name."""
    assert ask(f"{named.at}/en/subscribe/", headers={"Host": host}).status == status


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with receiving(
        tmp_path_factory.mktemp("named"), NEWSLETTER_WEB_ALLOWED_HOSTS="inside.example,*.below.example"
    ) as made:
        yield made


# --- who asks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("proxy.internal", NOWHERE),
        ("", NOWHERE),
    ],
)
def test_a_network_is_an_address_or_the_64_bits_that_one_customer_has(client: str, expected: str) -> None:
    scope = {"type": "http", "headers": [], "client": (client, 1) if client else None}
    assert network(Request(scope)) == expected


@pytest.mark.parametrize(
    ("proxies", "said", "counted"),
    [
        ((), "203.0.113.9", "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.9", "203.0.113.9"),
        (("127.0.0.0/8",), "203.0.113.9", "203.0.113.9"),
        (("127.0.0.0/8", "10.0.0.0/24"), "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (("127.0.0.0/8",), "198.51.100.1, 203.0.113.9, 10.0.0.7", "10.0.0.7"),
        (("127.0.0.1",), "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (("127.0.0.1",), "[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        (("127.0.0.1",), "unknown", NOWHERE),
        (("192.0.2.1",), "203.0.113.9", "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_where_a_visitor_comes_from(
    house: House, proxies: tuple[str, ...], said: str, counted: str
) -> None:
    """Read from the right: what stands left of the first address that is no proxy of ours, anybody may have written."""
    key = f"ask/{network_hash(house.app.keys, counted)}"
    stamp = house.stamp("/en/subscribe/")
    body = f"address=x%40people.example&stamp={stamp}".encode()
    with house.app.store.begin() as tx:
        buckets.forget(tx, house.clock.now.replace(year=2100))
    with serving(house.site, trusted_proxies=proxies) as at:
        answer = ask(f"{at}/en/subscribe/", method="POST", body=body, headers=FORM | {"X-Forwarded-For": said})
    assert answer.status == 303
    assert key in house.dump()


def test_a_proxy_s_word_about_the_host_changes_nothing(house: House) -> None:
    with serving(house.site, trusted_proxies=("127.0.0.1",)) as at:
        answer = ask(f"{at}/en/preferences", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})
    assert (answer.status, answer.headers["Location"]) == (301, HERE)


# --- limits ---------------------------------------------------------------------------------------------------------


def test_every_button_has_a_limit_for_each_network(house: House) -> None:
    """Whatever posts somewhere is counted, faulty and trapped forms too, in a bucket that survives a restart.

    Who is over a limit is told when to come back.
    """
    address, cookie = reader(house)
    here, now = network_hash(house.app.keys, "127.0.0.1"), house.clock.now.timestamp()
    with house.app.store.begin() as tx:
        for key in ("ask", *(f"post/{kind}" for kind in POSTS)):
            buckets.take(tx, f"{key}/{here}", Limit(1, 1), house.clock.now)
        tx.exec_driver_sql("UPDATE bucket SET tokens = 0, at = ?", (now,))
    stamp = form_stamp(house.app.keys, int(now) - 10)
    fields = f"address=x%40people.example&stamp={stamp}&months=1&token={VALUES['token']}".encode()
    own = {f"/u/{VALUES['token']}": leaving(house, address)}
    trapped = fields + f"&{TRAP}=x".encode()
    for path in posts(house):
        for sent in (fields, trapped, b"address=x&format=pdf", b"x", "é".encode()):
            answer = ask(house.at + own.get(path, path), method="POST", body=sent, headers=FORM | cookie)
            assert answer.status == 429, (path, sent)
            assert int(answer.headers["Retry-After"]) > 0
    person = house.subscriber(address)
    assert person is not None
    assert person.state is SubscriberState.ACTIVE


@pytest.mark.slow
def test_a_mail_provider_that_leaves_for_thousands_is_not_kept_from_it(house: House) -> None:
    """RFC 8058 comes from few networks, all at once after a report."""
    with house.app.store.begin() as tx:
        tx.exec_driver_sql("DELETE FROM bucket")
    address, _ = reader(house)
    connection = HTTPConnection(house.at.removeprefix("http://"))
    for _ in range(300):
        connection.request("POST", leaving(house, address), body=b"List-Unsubscribe=One-Click", headers=FORM)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()
    assert POSTS[LEAVE].size >= 10_000
