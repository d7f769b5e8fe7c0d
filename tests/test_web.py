"""The web application as a browser, a mail provider, a scanner and an attacker see it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from newsletter.errors import LinkError, StoreError
from newsletter.keys import GRANT_LENGTH
from newsletter.model import TOKEN_LENGTH, Address, Language, Subscriber, SubscriberId, SubscriberState
from newsletter.render.environment import Templates
from newsletter.subscriptions import Left
from newsletter.web.app import build
from newsletter.web.archive import MAX_FILE_BYTES
from newsletter.web.connections import Hasty
from newsletter.web.pages import Pages
from newsletter.web.security import HEADERS, MAIL_POLICY, MAX_BODY_BYTES, PAGE_POLICY, BoundedBody, Shield
from newsletter.web.unsubscribe import Leaving
from tests.support.browser import serious, violations, visiting
from tests.support.content import EN, FR, publication
from tests.support.webserver import PATIENCE, Answer, ask, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADA, BASILE = "A" * TOKEN_LENGTH, "B" * TOKEN_LENGTH
UNKNOWN = "x" * TOKEN_LENGTH
UNDO = "U" * GRANT_LENGTH
ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = b"--frontier\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--frontier--\r\n"


class Readers:
    """Two subscribers in memory, and every call that was made."""

    people: dict[str, Subscriber]
    calls: list[str]
    fault: Exception | None

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Everybody is active, nothing was called."""
        self.people = {ADA: person(1, EN), BASILE: person(2, FR)}
        self.calls = []
        self.fault = None

    def look_up(self, token: str) -> Subscriber:
        """Whom the token names."""
        self.calls.append("look_up")
        if self.fault:
            raise self.fault
        if token not in self.people:
            raise LinkError("not ours")
        return self.people[token]

    def leave(self, token: str) -> Left:
        """Unsubscribe; who leaves gets an undo."""
        found = self.look_up(token)
        self.calls.append("leave")
        self.people[token] = replace(found, state=SubscriberState.UNSUBSCRIBED)
        return Left(found, "" if found.state is SubscriberState.UNSUBSCRIBED else UNDO)

    def state(self, token: str) -> SubscriberState:
        """Where the person stands."""
        return self.people[token].state


def person(number: int, language: Language) -> Subscriber:
    address = Address(f"reader{number}@meridian.example", f"reader{number}@meridian.example")
    return Subscriber(id=SubscriberId(number), address=address, language=language)


PAGES = {
    "index.html": "<h1>door</h1>",
    "404.html": "<h1>lost</h1>",
    "style.css": "h1 { color: black }",
    "en/index.html": "<h1>front</h1>",
    "en/articles/passwords/index.html": "<h1>passwords</h1>",
    "en/feed.xml": "<feed/>",
    "en/reports/2026-10/as-sent.html": "<style>h1 { color: red }</style><h1>mail</h1>",
    "en/odd name/index.html": "<h1>odd</h1>",
    "old/index.html": "<h1>moved</h1>",
    "_redirects": """\
/old/ /en/articles/passwords/ 301
/caf%C3%A9 /en/ 301
/en/reports/latest/ /en/reports/2026-10/ 302
/away /\\evil.example 301
/off //evil.example 301
/far https://evil.example/ 301

nonsense
""",
    ".published.json": "{}",
    ".publishing/000001": "not yet",
    ".well-known/security.txt": "Contact: mailto:x@meridian.example",
}


def broken(_request: object) -> PlainTextResponse:
    raise RuntimeError("the secret of the trace")


def broken_half_way(_request: object) -> PlainTextResponse:
    class Half(PlainTextResponse):
        async def __call__(self, _scope, _receive, send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("half-way")

    return Half("")


def form(_request: object) -> PlainTextResponse:
    return PlainTextResponse("saved")


MORE = (
    Route("/broken", broken),
    Route("/half", broken_half_way),
    Route("/desk/save", form, methods=["POST"]),
)


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(publication(), Templates([]))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, pages: Pages) -> Iterator[tuple[str, Path, Readers]]:
    """One server for all tests: its address, its archive, its readers."""
    folder, readers = tmp_path_factory.mktemp("house") / "archive", Readers()
    leaving = Leaving(readers.look_up, readers.leave)
    with serving(build(folder, leaving=leaving, pages=pages, routes=MORE)) as address:
        yield address, folder, readers


@pytest.fixture
def archive(house: tuple[str, Path, Readers]) -> Path:
    """The published folder, fresh."""
    folder = house[1]
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def readers(house: tuple[str, Path, Readers]) -> Readers:
    """Two active subscribers."""
    house[2].begin_anew()
    return house[2]


@pytest.fixture
def site(house: tuple[str, Path, Readers], archive: Path, readers: Readers) -> str:
    """The address of the running application."""
    return house[0]


# --- the archive -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "kind", "text"),
    [
        ("/", 200, "text/html; charset=utf-8", "<h1>door</h1>"),
        ("/en/articles/passwords/", 200, "text/html; charset=utf-8", "<h1>passwords</h1>"),
        ("/en/articles/passwords/index.html", 200, "text/html; charset=utf-8", "<h1>passwords</h1>"),
        ("/en/odd%20name/", 200, "text/html; charset=utf-8", "<h1>odd</h1>"),
        ("/style.css", 200, "text/css; charset=utf-8", "h1 { color: black }"),
        ("/en/feed.xml", 200, "application/atom+xml", "<feed/>"),
        ("/.well-known/security.txt", 200, "text/plain; charset=utf-8", "Contact: mailto:x@meridian.example"),
        ("/en/nothing/", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
        ("/en/articles/passwords/index.html/", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
        ("/en/articles/", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
    ],
)
def test_a_page_of_the_archive_answers_as_on_any_host(site, path, status, kind, text):
    answer = ask(site + path)
    assert (answer.status, answer.headers["Content-Type"], answer.text) == (status, kind, text)


@pytest.mark.parametrize(
    "path",
    [
        "/_redirects",
        "/.published.json",
        "/.publishing/000001",
        "/../archive/index.html",
        "/..%2findex.html",
        "/%2e%2e/secret.txt",
        "/en/..%2f..%2f..%2fsecret.txt",
        "/en/%2e%2e/index.html",
        "//index.html",
        "/en//index.html",
        "/en%00/index.html",
        "/en%5cindex.html",
        "/" + "x" * 5000,
        "/secret-link.txt",
        "/folder-link/secret.txt",
        "/loop",
        "/pipe",
    ],
)
def test_nothing_but_published_files_is_served(site, archive, path):
    """No hidden file, nothing outside, nothing behind a link, and a pipe does not hold the server."""
    (archive.parent / "secret.txt").write_text("secret")
    (archive / "secret-link.txt").symlink_to(archive.parent / "secret.txt")
    (archive / "folder-link").symlink_to(archive.parent)
    (archive / "loop").symlink_to(archive / "loop")
    os.mkfifo(archive / "pipe")
    answer = ask(site + path)
    assert (answer.status, "secret" in answer.text) == (404, False)


def test_a_file_beyond_the_limit_is_not_read(site, archive):
    with (archive / "huge.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with capture_logs() as logs:
        assert ask(f"{site}/huge.png").status == 404
    assert logs[0]["name"] == "huge.png"


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/en/articles/passwords", 301, "./passwords/"),
        ("/en/odd%20name?x=1", 301, "./odd%20name/?x=1"),
        ("/old/", 301, "/en/articles/passwords/"),
        ("/old?x=1", 301, "/en/articles/passwords/?x=1"),
        ("/caf%C3%A9", 301, "/en/"),
        ("/en/reports/latest/", 302, "/en/reports/2026-10/"),
    ],
)
def test_addresses_that_moved_lead_on(site, path, status, location):
    """A redirect comes before the page that stands at the old address for hosts which know none."""
    answer = ask(site + path)
    assert (answer.status, answer.headers["Location"]) == (status, location)


@pytest.mark.parametrize("path", ["/away", "/off", "/far"])
def test_a_redirect_never_leaves_the_site(site, path):
    """Browsers take a backslash for a slash, and two slashes for the beginning of a host."""
    assert ask(site + path).status == 404


def test_new_redirects_count_at_once(site, archive):
    assert ask(f"{site}/new/").status == 404
    (archive / "_redirects").write_text("/new/ /en/ 301\n")
    assert [ask(site + path).status for path in ("/new/", "/old/")] == [301, 200]


def test_a_page_that_the_reader_has_is_not_sent_again(site):
    """RFC 9110 section 13: If-None-Match first, also in a list and weak; else If-Modified-Since."""
    first = ask(f"{site}/en/")
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for known in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"other", W/{tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
    ):
        again = ask(f"{site}/en/", headers=known)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    for unknown in (
        {"If-None-Match": '"other"', "If-Modified-Since": modified},
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
    ):
        assert ask(f"{site}/en/", headers=unknown).status == 200


def test_head_says_the_same_without_the_page(site):
    head, get = ask(f"{site}/en/", method="HEAD"), ask(f"{site}/en/")
    assert (head.status, head.body) == (200, b"")
    assert [head.headers[name] for name in ("ETag", "Content-Length")] == [
        get.headers[name] for name in ("ETag", "Content-Length")
    ]


def test_a_page_replaced_by_publishing_is_seen_at_once(site, archive):
    """The reader asks again every time, and a new page has a new tag."""
    before = ask(f"{site}/en/")
    (archive / "aside").write_text("<h1>corrected</h1>")
    (archive / "aside").replace(archive / "en/index.html")
    after = ask(f"{site}/en/", headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status, after.text, after.headers["Cache-Control"]) == (200, "<h1>corrected</h1>", "no-cache")


def test_the_archive_may_not_exist_yet(tmp_path, pages, readers):
    """Before the first publish there is a page that says so, in the same dress."""
    leaving = Leaving(readers.look_up, readers.leave)
    with serving(build(tmp_path / "none", leaving=leaving, pages=pages)) as address:
        answer = ask(f"{address}/")
        assert (answer.status, "There is no such page" in answer.text) == (404, True)
        sheet = re.search(r'rel="stylesheet" href="(/style-[^"]+)"', answer.text)[1]
        assert ask(address + sheet).headers["Content-Type"] == "text/css; charset=utf-8"


def test_pages_answer_below_the_path_of_the_base_address(archive, readers):
    """Whether a proxy takes the path off or not, and links keep it."""
    below = Pages(publication(base_url="https://meridian.example/security"), Templates([]))
    (archive / "_redirects").write_text("/security/gone/ /security/en/ 301\n")
    with serving(build(archive, leaving=Leaving(readers.look_up, readers.leave), pages=below)) as address:
        for prefix in ("", "/security"):
            assert ask(f"{address}{prefix}/en/").text == "<h1>front</h1>"
            assert ask(f"{address}{prefix}/u/{ADA}").status == 200
            assert ask(f"{address}{prefix}/gone/").headers["Location"] == "/security/en/"
        assert ask(f"{address}/security/u/{ADA}", method="POST", headers=FOREIGN).status == 200
        assert ask(f"{address}/securityx/en/").status == 404
        assert 'href="/security/en/"' in ask(f"{address}/u/{ADA}").text


# --- headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/en"),
        ("GET", "/nothing"),
        ("GET", "/healthz"),
        ("GET", f"/u/{ADA}"),
        ("GET", "/u/nonsense"),
        ("GET", "/broken"),
        ("POST", "/en/"),
        ("POST", f"/u/{ADA}"),
        ("DELETE", f"/u/{ADA}"),
    ],
)
def test_every_answer_carries_the_security_headers(site, method, path):
    answer = ask(site + path, method=method)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Server"] is None
    assert answer.headers.get_all("Content-Security-Policy") == [PAGE_POLICY]


def test_a_mail_as_it_was_sent_is_locked_away_with_its_own_styles(site):
    """It has inline styles, so it gets no script, no form, no origin instead."""
    answer = ask(f"{site}/en/reports/2026-10/as-sent.html")
    assert answer.headers["Content-Security-Policy"] == MAIL_POLICY
    assert MAIL_POLICY.startswith("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_health_is_plain(site):
    answer = ask(f"{site}/healthz")
    assert (answer.status, answer.text, answer.headers["Cache-Control"]) == (200, "ok\n", "no-store")


def test_foreign_host_names_are_refused_where_names_are_given(archive, pages, readers):
    """Against DNS rebinding, where the site says which names it has."""
    leaving = Leaving(readers.look_up, readers.leave)
    with serving(build(archive, leaving=leaving, pages=pages, allowed_hosts=["127.0.0.1"])) as address:
        assert ask(f"{address}/").status == 200
        refused = ask(f"{address}/", headers={"Host": "evil.example"})
    assert (refused.status, refused.headers["Content-Security-Policy"]) == (400, PAGE_POLICY)


# --- leaving ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_the_link_changes_nothing(site, readers, method):
    """Mail scanners open every link, often."""
    for _ in range(20):
        assert ask(f"{site}/u/{ADA}", method=method).status == 200
    assert readers.state(ADA) is SubscriberState.ACTIVE
    assert "leave" not in readers.calls


def test_the_page_shows_one_button_in_the_subscriber_s_language(site):
    english, french = ask(f"{site}/u/{ADA}").text, ask(f"{site}/u/{BASILE}", headers={"Accept-Language": "en"}).text
    assert [page.count("<button") for page in (english, french)] == [1, 1]
    assert ('<html lang="en">' in english, ">Unsubscribe</button>" in english) == (True, True)
    assert ('<html lang="fr">' in french, ">Se désabonner</button>" in french) == (True, True)


def test_a_language_that_the_publication_gave_up_falls_back_to_its_first(site, readers):
    readers.people[ADA] = person(1, Language("de"))
    assert '<html lang="en">' in ask(f"{site}/u/{ADA}").text


FOREIGN = {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ONE_CLICK, URLENCODED),
        (ONE_CLICK, URLENCODED | {"Origin": "null"}),
        (MULTIPART, {"Content-Type": "multipart/form-data; boundary=frontier"}),
        (ONE_CLICK, URLENCODED | FOREIGN),
        (b"", {}),
    ],
)
def test_a_post_unsubscribes_without_cookie_login_or_redirect(site, readers, body, headers):
    """RFC 8058 section 3.2: from the button and from a mail provider, in both encodings, in one step."""
    answer = ask(f"{site}/u/{ADA}", method="POST", body=body, headers=headers)
    assert (answer.status, answer.headers["Set-Cookie"], "You are unsubscribed" in answer.text) == (200, None, True)
    assert readers.state(ADA) is SubscriberState.UNSUBSCRIBED
    assert readers.state(BASILE) is SubscriberState.ACTIVE


def test_leaving_twice_is_fine(site, readers):
    answers = [ask(f"{site}/u/{BASILE}", method="POST", body=ONE_CLICK) for _ in range(2)]
    answers.append(ask(f"{site}/u/{BASILE}"))
    assert [(answer.status, "Vous ne recevrez plus le rapport" in answer.text) for answer in answers] == [
        (200, True)
    ] * 3
    assert readers.state(BASILE) is SubscriberState.UNSUBSCRIBED


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("token", [UNKNOWN, ADA[:-1], ADA + "A", "A" * 3000, "%C3%A9", "%00" * TOKEN_LENGTH])
def test_every_bad_link_gets_the_same_page(site, method, token):
    """Nobody learns who is, or was, on the list; and nothing of the link is repeated."""
    answer, usual = ask(f"{site}/u/{token}", method=method), ask(f"{site}/u/{UNKNOWN}")
    assert (answer.status, usual.status) == (404, 404)
    assert answer.text == usual.text
    assert token not in answer.text


def test_pages_behind_personal_links_are_kept_nowhere(site):
    for path in (f"/u/{ADA}", "/u/nonsense"):
        answer = ask(site + path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "noindex" in answer.headers["X-Robots-Tag"]


def test_other_methods_are_told_what_there_is(site, readers):
    answer = ask(f"{site}/u/{ADA}", method="PUT")
    assert (answer.status, readers.calls) == (405, [])


def test_a_database_that_is_away_is_worth_another_try(site, readers):
    """503 with Retry-After makes a mail provider try its one-click again."""
    readers.fault = StoreError("the database is locked: /var/lib/secret.db")
    answer = ask(f"{site}/u/{ADA}", method="POST", body=ONE_CLICK)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert "secret.db" not in answer.text


# --- bodies ----------------------------------------------------------------------------------------------------


def raw(site: str, request: bytes) -> Answer:
    """Send these bytes, and read what comes back."""
    parts = urlsplit(site)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def test_a_large_body_is_refused(site, readers):
    body = b"x" * (MAX_BODY_BYTES + 1)
    assert ask(f"{site}/u/{ADA}", method="POST", body=body).status == 413
    assert readers.calls == []


def test_a_body_of_unknown_length_is_refused_once_it_is_too_large(site, readers):
    """Chunked, it announces no length; we do not wait for its end."""
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    head = f"POST /u/{ADA} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert raw(site, head + chunk * 3).status == 413
    assert readers.calls == []


def test_a_body_that_never_ends_is_not_waited_for(pages):
    middleware = [Middleware(Shield, answer=pages.error), Middleware(BoundedBody, seconds=0.05)]
    with serving(Starlette(routes=MORE, middleware=middleware)) as address:
        answer = raw(address, b"POST /desk/save HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome")
    assert (answer.status, answer.headers["Connection"]) == (408, "close")


@pytest.mark.parametrize(
    ("said", "heard", "seconds"),
    [
        (b"", b"", 0.05),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"", 0.05),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"ok\n", 1.0),  # long enough to send one on a busy machine
    ],
)
def test_who_does_not_finish_the_head_of_a_request_is_hung_up_on(site, monkeypatch, said, heard, seconds):
    """Neither on a new connection nor on one that was answered: it would keep a place from others for ever."""
    monkeypatch.setattr(Hasty, "head_seconds", seconds)
    parts = urlsplit(site)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        connection.sendall(said)
        got = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert got.partition(b"\r\n\r\n")[2] == heard


def test_a_connection_that_is_used_is_kept(site, monkeypatch):
    """The clock stops at the end of a head, and begins anew with the answer."""
    monkeypatch.setattr(Hasty, "head_seconds", PATIENCE)
    parts = urlsplit(site)
    with closing(HTTPConnection(parts.netloc, timeout=PATIENCE)) as connection:
        for _ in range(3):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n"
            mine = connection.sock.getsockname()
        assert connection.sock.getsockname() == mine


def test_a_client_that_goes_away_half_way_changes_nothing(site, readers):
    parts = urlsplit(site)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(f"POST /u/{ADA} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nList".encode())
    assert ask(f"{site}/healthz").status == 200
    assert readers.calls == []


# --- other people's forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://security.meridian.example"}, 403),
        ({"Host": "desk.example", "Origin": "http://desk.example"}, 200),
        ({"Host": "inside:8000", "Origin": "https://security.meridian.example"}, 200),
        ({"Host": "desk.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "desk.example", "Origin": "null"}, 403),
        ({"Host": "desk.example", "Origin": ""}, 403),
        ({}, 200),
    ],
)
def test_a_form_of_another_site_is_refused(site, headers, status):
    """Sec-Fetch-Site decides, else Origin; who sends neither is no browser (references/web.md section 4)."""
    assert ask(f"{site}/desk/save", method="POST", headers=headers).status == status


# --- when something breaks ---------------------------------------------------------------------------------------


def test_a_bug_shows_a_reference_and_no_trace(site):
    """The trace is in the log, under the reference that the reader can tell us."""
    with capture_logs() as logs:
        answer = ask(f"{site}/broken")
    assert answer.status == 500
    assert "secret" not in answer.text
    assert f"Reference: {logs[0]['reference']}" in answer.text
    assert "RuntimeError: the secret of the trace" in logs[0]["exception"]


def test_no_log_ever_holds_a_token(archive, pages, readers, capfd):
    """Whoever reads the log could unsubscribe people: neither the access log nor a bug's entry names the address."""
    readers.fault = RuntimeError("a bug")
    with serving(build(archive, leaving=Leaving(readers.look_up, readers.leave), pages=pages)) as address:
        assert [ask(f"{address}/u/{ADA}", method=method).status for method in ("GET", "POST", "PUT")] == [500, 500, 405]
        readers.fault = None
        ask(f"{address}/u/{ADA}")
    output = "".join(capfd.readouterr())
    assert "a bug" in output
    assert ADA not in output


def test_half_an_answer_does_not_pass_for_a_whole_one(site, capfd):
    """The connection breaks, so that no cache keeps the half."""
    with pytest.raises(Exception, match="IncompleteRead"):
        ask(f"{site}/half")


def test_a_broken_template_of_the_site_still_gives_an_answer(tmp_path, archive, readers):
    """Even the error page can be what is broken."""
    folder = tmp_path / "templates/web/pages"
    folder.mkdir(parents=True)
    (folder / "error.html").write_text("{{ no_such_value }}")
    (folder / "unsubscribe.html").write_text("{{ no_such_value }}")
    own = Pages(publication(), Templates([tmp_path / "templates"]))
    with (
        capture_logs() as logs,
        serving(build(archive, leaving=Leaving(readers.look_up, readers.leave), pages=own)) as at,
    ):
        answer = ask(f"{at}/u/{ADA}")
    assert (answer.status, answer.text.startswith("Something went wrong here")) == (500, True)
    assert "unsubscribe.html" in logs[0]["reason"]


def test_the_web_needs_no_database():
    """The pages get two functions; what stands behind them is not their business."""
    program = "import newsletter.web.app, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "starlette" in loaded
    assert not {"sqlalchemy", "apscheduler", "alembic", "smtplib"} & set(loaded)


# --- in a browser ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [375, 1024])
def test_leaving_works_in_a_browser_without_javascript(site, browser, readers, dark, width):
    """One page, one button, one answer: no script, no report of the CSP, nothing that axe minds."""
    with visiting(browser, f"{site}/u/{BASILE}", width=width, dark=dark, javascript=False) as (page, visit):
        page.get_by_role("button", name="Se désabonner").click()
        page.get_by_role("heading", name="Vous ne recevrez plus le rapport").wait_for()
        assert (visit.errors, visit.outside) == ([], [])
    assert readers.state(BASILE) is SubscriberState.UNSUBSCRIBED


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", [f"/u/{ADA}", f"/u/{BASILE}", "/u/nonsense", "/broken"])
def test_our_own_pages_are_accessible(site, browser, path, dark):
    with visiting(browser, site + path, width=375, dark=dark) as (page, visit):
        assert serious(violations(page)) == []
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert (wide, visit.outside) == (False, [])
        assert not [error for error in visit.errors if "Content Security Policy" in error]
