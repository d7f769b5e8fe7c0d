"""The JSON API as an organisation's portal, and whoever found its token, meet it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from structlog.testing import capture_logs

from newsletter import subscriptions
from newsletter.cli.serve import web_app
from newsletter.errors import LinkError
from newsletter.keys import unsubscribe_token
from newsletter.model import AudienceRule, Scope, SubscriberState
from newsletter.store import subscribers
from newsletter.store.database import Store
from newsletter.subscriptions.choosing import pause
from newsletter.web.api import OPERATIONS, offered
from newsletter.web.bodies import MAX_FAULTS
from newsletter.web.consent import FORM
from newsletter.web.problems import KINDS, as_problem
from newsletter.web.security import HEADERS, MAX_BODY_BYTES
from tests.support.portal import MEMBERS, Portal, a_portal, told
from tests.support.webserver import Answer, ask, serving

CONSENT = {"words": "Send me the report.", "form": "intranet 7"}
NEW = "new@people.example"
GUARDED = [op for op in OPERATIONS if op.scope]
TAKING = [op for op in OPERATIONS if op.body]
PATHS = sorted({op.path for op in OPERATIONS})


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """One site for all tests; each uses addresses of its own."""
    with a_portal(
        tmp_path_factory.mktemp("portal") / "site", MEMBERS, NEWSLETTER_SUBSCRIBERS_SURGE_HOUR="100000"
    ) as made:
        yield made


def signup(address: str = NEW, **changes: object) -> dict[str, object]:
    return {"address": address, "language": "en", "consent": CONSENT} | changes


def relative(path: str) -> str:
    return path.removeprefix("/api/v1/")


def problem(answer: Answer, name: str) -> dict[str, object]:
    """What a problem says, which is RFC 9457: the type's address leads to its place in the document."""
    kind = next(kind for kind in KINDS if kind.name == name)
    said: dict[str, object] = told(answer)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status, said["status"], said["title"]) == (kind.status, kind.status, kind.title)
    document = "https://security.meridian.example/api/v1/openapi.json"
    assert said["type"] == f"{document}#/components/responses/{name}"
    assert all(answer.headers[header] for header in kind.headers)
    assert answer.headers["Cache-Control"] == "no-store"
    return said


def pointers(answer: Answer) -> list[str]:
    errors = problem(answer, "Invalid")["errors"]
    assert isinstance(errors, list)
    return sorted(error["pointer"] for error in errors)


# --- what a portal shows -----------------------------------------------------------------------------------------


def test_a_portal_learns_what_it_has_to_show(portal: Portal) -> None:
    """Languages, formats, audiences, and in each language the sentence that people agree to."""
    said = told(portal.call("GET", "publication"))
    assert (said["name"], said["languages"]) == ("Monthly Security Report", ["en", "fr"])
    assert said["formats"] == ["html", "text"]
    assert [audience["name"] for audience in said["audiences"]] == ["public", "members"]
    assert said["audiences"][1] == {"name": "members", "title": {"en": "Members"}, "domains": ["members.example"]}
    assert said["consent"]["en"]["form"] == FORM
    assert "Monthly Security Report of Meridian Laboratory" in said["consent"]["en"]["words"]
    assert said["consent"]["fr"]["words"].startswith("Je souhaite")


def test_an_audience_that_nobody_can_choose_is_not_offered(portal: Portal) -> None:
    """It comes by invitation, or from a directory; its name may be nobody's business either."""
    rules = replace(portal.app.settings.subscribers, audiences=(MEMBERS, AudienceRule(name="board", title={})))
    offer = offered(replace(portal.app, settings=replace(portal.app.settings, subscribers=rules)))
    assert offer.audience_names == ("public", "members")


def test_what_a_portal_shows_is_what_it_may_send(portal: Portal) -> None:
    said = told(portal.call("GET", "publication"))
    for language in said["languages"]:
        for form in said["formats"]:
            body = signup(f"{language}-{form}@people.example", language=language, format=form)
            assert portal.post("signups", body | {"consent": said["consent"][language]}).status == 202


def test_the_document_names_the_sites_own_languages_and_audiences(portal: Portal) -> None:
    fields = told(portal.call("GET", "openapi.json"))["components"]["schemas"]["Signup"]["properties"]
    assert fields["language"]["enum"] == ["en", "fr"]
    assert fields["audience"]["enum"] == ["public", "members"]


# --- subscribing -------------------------------------------------------------------------------------------------


def test_a_sign_up_is_confirmed_by_mail_and_its_evidence_names_the_portal(portal: Portal) -> None:
    """Double opt-in: nobody is on the list until the owner of the address says so."""
    address = "joining@people.example"
    answer = portal.post("signups", signup(address, language="fr", format="text"))
    assert (answer.status, told(answer)) == (202, {"accepted": True})
    (mail,) = portal.mails(address)
    assert (mail.kind, mail.language) == ("confirm", "fr")
    assert portal.post("lookups", {"address": address}).status == 404
    subscriptions.confirm(portal.link(mail), portal.app)
    person = portal.person(address)
    assert (person.state, person.language, person.format) == (SubscriberState.ACTIVE, "fr", "text")
    with portal.app.store.read() as tx:
        (evidence,) = subscribers.consents(tx, person.id)
    assert evidence.how == "confirmed by mailed link (portal intranet)"
    assert (evidence.words, evidence.form) == ("Send me the report.", "intranet 7")


def test_an_audience_is_open_to_the_addresses_of_its_domain_alone(portal: Portal) -> None:
    """Told from the settings, so that the answer says nothing about who is on the list."""
    assert portal.post("signups", signup("one@members.example", audience="members")).status == 202
    refused = portal.post("signups", signup("one@people.example", audience="members"))
    assert pointers(refused) == ["/audience"]
    assert portal.mails("one@people.example") == []


def test_a_portal_that_may_only_sign_up_cannot_tell_who_is_on_the_list(portal: Portal) -> None:
    """The same bytes and headers for six kinds of address, and both operations."""
    asking = portal.other("asking", Scope.SIGNUP)
    asking.subscribed("active@people.example")
    subscriptions.leave(asking.subscribed("left@people.example"), asking.app)
    subscriptions.erase(asking.subscribed("erased@people.example"), asking.app)
    pause(asking.subscribed("paused@people.example"), 1, asking.app)
    suppressed = asking.subscribed("suppressed@people.example")
    subscriptions.suppress(suppressed.address, "", asking.app, note="a test")
    answers = {
        (path, answer.status, answer.body, tuple((n, v) for n, v in answer.headers.items() if n != "date"))
        for path in ("signups", "preference-links")
        for who in ("active", "left", "erased", "paused", "suppressed", "unknown")
        for answer in [
            asking.post(
                path, signup(f"{who}@people.example") if path == "signups" else {"address": f"{who}@people.example"}
            )
        ]
    }
    assert len(answers) == 2
    assert {status for _, status, _, _ in answers} == {202}


def test_a_link_to_preferences_goes_to_the_owner_of_the_address(portal: Portal) -> None:
    portal.subscribed("chooser@people.example")
    answer = portal.post("preference-links", {"address": "chooser@people.example"})
    assert (answer.status, told(answer)) == (202, {"accepted": True})
    (mail,) = portal.mails("chooser@people.example")
    assert mail.kind == "preferences"
    assert subscriptions.open_session(portal.link(mail), portal.app)


# --- managing ----------------------------------------------------------------------------------------------------


def test_looking_somebody_up_tells_what_they_get(portal: Portal) -> None:
    person = portal.subscribed("seen@people.example", language="fr")
    said = {"state": "active", "language": "fr", "format": "html", "audience": "public", "paused_until": None}
    assert told(portal.post("lookups", {"address": "SEEN@people.example"})) == said
    until = pause(person, 2, portal.app).paused_until
    assert until
    paused = told(portal.post("lookups", {"address": "seen@people.example"}))
    assert paused["state"] == "paused"
    assert paused["paused_until"].startswith("2027-01-28T")


@pytest.mark.parametrize("path", ["lookups", "changes"])
def test_nobody_is_told_apart_from_a_wrong_path(portal: Portal, path: str) -> None:
    """A portal with a typing mistake in its path must not take everybody for a stranger."""
    problem(portal.post(path, {"address": "stranger@people.example"}), "NotSubscribed")
    problem(portal.post(path + "x", {"address": "stranger@people.example"}), "NotFound")


def test_who_was_erased_is_nobody(portal: Portal) -> None:
    subscriptions.erase(portal.subscribed("gone@people.example"), portal.app)
    problem(portal.post("lookups", {"address": "gone@people.example"}), "NotSubscribed")
    assert portal.post("unsubscriptions", {"address": "gone@people.example"}).status == 200


def test_unsubscribing_somebody_tells_them_once_however_often_it_is_said(portal: Portal) -> None:
    """And the owner can take it back: a portal can err."""
    portal.subscribed("leaving@people.example")
    answers = [portal.post("unsubscriptions", {"address": "leaving@people.example"}) for _ in range(3)]
    assert [(answer.status, told(answer)) for answer in answers] == [(200, {"subscribed": False})] * 3
    assert portal.person("leaving@people.example").state is SubscriberState.UNSUBSCRIBED
    (mail,) = portal.mails("leaving@people.example")
    assert mail.kind == "goodbye"
    assert subscriptions.undo(portal.link(mail), portal.app).state is SubscriberState.ACTIVE


def test_unsubscribing_a_stranger_is_fine_and_writes_to_nobody(portal: Portal) -> None:
    answer = portal.post("unsubscriptions", {"address": "nobody@people.example"})
    assert (answer.status, told(answer)) == (200, {"subscribed": False})
    assert portal.mails("nobody@people.example") == []


def test_unsubscribing_a_stranger_answers_what_waits_for_their_yes(portal: Portal) -> None:
    """A confirmation from before works no more, one that is on its way does not leave, and one may ask anew."""
    address = "undecided@people.example"
    portal.post("signups", signup(address))
    (mail,) = portal.mails(address)
    portal.post("unsubscriptions", {"address": address})
    assert portal.mails(address) == []
    with pytest.raises(LinkError):
        subscriptions.confirm(portal.link(mail), portal.app)
    portal.clock.now += timedelta(days=1)
    portal.post("signups", signup(address))
    (mail,) = portal.mails(address)
    assert subscriptions.confirm(portal.link(mail), portal.app).now


def test_a_change_keeps_what_it_does_not_name(portal: Portal) -> None:
    address = "changing@people.example"
    portal.subscribed(address)
    said = told(portal.post("changes", {"address": address, "language": "fr"}))
    assert (said["language"], said["format"]) == ("fr", "html")
    said = told(portal.post("changes", {"address": address, "format": "text", "language": None}))
    assert (said["language"], said["format"]) == ("fr", "text")
    assert told(portal.post("changes", {"address": address})) == said
    person = portal.person(address)
    assert (person.language, person.format, person.state) == ("fr", "text", SubscriberState.ACTIVE)


def test_a_change_brings_nobody_back(portal: Portal) -> None:
    """Only a consent of their own does."""
    subscriptions.leave(portal.subscribed("away@people.example"), portal.app)
    said = told(portal.post("changes", {"address": "away@people.example", "language": "fr"}))
    assert said["state"] == "unsubscribed"
    assert portal.person("away@people.example").state is SubscriberState.UNSUBSCRIBED


# --- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", GUARDED, ids=lambda op: op.id)
def test_without_a_portals_token_nothing_happens(portal: Portal, op) -> None:
    """No token, another scheme, somebody's unsubscribe token, one too short, two at once."""
    person = portal.subscribed("guarded@people.example")
    strange = unsubscribe_token(portal.app.keys, person.id)
    for said, challenge in [
        ("", "Bearer"),
        ("Basic aW50cmFuZXQ6", "Bearer"),
        (f"Bearer {portal.token[:-1]}", 'Bearer error="invalid_token"'),
        (f"Bearer {portal.token[:-1]}!", 'Bearer error="invalid_token"'),
        (f"Bearer {strange}", 'Bearer error="invalid_token"'),
        (f"Bearer {portal.token} {portal.token}", "Bearer"),
        ("Bearer caf\xe9", 'Bearer error="invalid_token"'),
    ]:
        answer = portal.call(op.method, relative(op.path), signup(), headers={"Authorization": said})
        problem(answer, "Unauthorized")
        assert answer.headers["WWW-Authenticate"] == challenge


def test_the_schemes_name_is_read_in_any_case(portal: Portal) -> None:
    """RFC 9110 section 11.1."""
    answer = portal.call("GET", "publication", headers={"Authorization": f"bEARER  {portal.token}"})
    assert answer.status == 200


@pytest.mark.parametrize("op", GUARDED, ids=lambda op: op.id)
def test_a_scope_opens_its_own_operations_alone(portal: Portal, op) -> None:
    """RFC 6750 section 3.1: 403, and which scope it would have taken."""
    other = next(scope for scope in Scope if scope is not op.scope)
    answer = portal.other(f"scope-{op.id.lower()}", other).call(op.method, relative(op.path), signup())
    problem(answer, "Forbidden")
    assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{op.scope}"'


def test_a_browsers_page_of_another_site_is_refused(portal: Portal) -> None:
    """It could not know the token; and nothing answers with CORS headers."""
    answer = portal.post("lookups", {"address": NEW}, Sec_Fetch_Site="cross-site", Origin="https://evil.example")
    problem(answer, "OtherSite")
    preflight = portal.call("OPTIONS", "lookups", headers={"Origin": "https://evil.example"})
    assert not [name for name in (*answer.headers, *preflight.headers) if name.lower().startswith("access-control")]


def test_a_portal_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """For what it asks and for whom it looks up, one portal apart from the other; then 429, and when to come back."""
    with a_portal(tmp_path / "site", NEWSLETTER_SUBSCRIBERS_PER_PORTAL_HOUR="2") as portal:
        for path in ("signups", "lookups"):
            bodies = [signup() if path == "signups" else {"address": NEW}] * 3
            last = [portal.post(path, body) for body in bodies][-1]
            problem(last, "TooManyRequests")
            assert 0 < int(last.headers["Retry-After"]) <= 3600
        assert portal.other("second", Scope.SIGNUP).post("signups", signup()).status == 202
        portal.clock.now += timedelta(hours=1)
        assert portal.post("signups", signup()).status == 202


def test_a_portals_limit_is_not_that_of_a_visitors_network(tmp_path: Path) -> None:
    """A portal asks for a whole organisation."""
    with a_portal(tmp_path / "site", NEWSLETTER_SUBSCRIBERS_PER_NETWORK_HOUR="1") as portal:
        assert [portal.post("signups", signup(f"p{n}@people.example")).status for n in range(3)] == [202] * 3


# --- methods and media types -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_every_path_says_completely_which_methods_it_has(portal: Portal, path: str) -> None:
    """RFC 9110 section 15.5.6, for a method that it has not, one that nobody has, and OPTIONS."""
    methods = {op.method for op in OPERATIONS if op.path == path}
    allow = ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
        answer = portal.call(method, relative(path))
        problem(answer, "MethodNotAllowed")
        assert answer.headers["Allow"] == allow
    answer = portal.call("OPTIONS", relative(path))
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, allow, b"")


def test_head_says_what_get_says_without_the_body(portal: Portal) -> None:
    head, get = portal.call("HEAD", "publication"), portal.call("GET", "publication")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert portal.call("HEAD", "lookups").status == 405


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
        ("APPLICATION/JSON", 200),
        ("application/problem+json", 406),
        (", ;;q=", 200),
    ],
)
def test_who_accepts_no_json_is_told_so(portal: Portal, accept: str, status: int) -> None:
    """RFC 9110 section 12.5.1: the most exact range counts."""
    answer = portal.call("GET", "publication", headers={"Accept": accept})
    assert answer.status == status
    if status == 406:
        problem(answer, "NotAcceptable")


@pytest.mark.parametrize("op", TAKING, ids=lambda op: op.id)
@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/jsonx"],
)
def test_only_json_in_utf8_is_read(portal: Portal, op, kind: str) -> None:
    problem(portal.call(op.method, relative(op.path), signup(), headers={"Content-Type": kind}), "UnsupportedMediaType")


@pytest.mark.parametrize("kind", ["application/json;charset=utf-8", 'Application/JSON; charset="UTF-8"'])
def test_json_may_name_its_one_charset(portal: Portal, kind: str) -> None:
    body = {"address": "stranger@people.example"}
    assert portal.post("unsubscriptions", body, Content_Type=kind).status == 200


@pytest.mark.parametrize("path", ["", "nothing", "signups/", "signups/robin@example.org", "../v2/signups"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_every_other_path_is_a_problem_and_no_page(portal: Portal, method: str, path: str) -> None:
    problem(portal.call(method, path, b"{}"), "NotFound")


# --- bodies ------------------------------------------------------------------------------------------------------


def test_every_fault_is_named_at_once_with_its_place(portal: Portal) -> None:
    """RFC 6901 pointers, / and ~ escaped; what was sent is not repeated."""
    body = {
        "address": "robin at example.org",
        "language": "de",
        "format": "pdf",
        "audience": 7,
        "consent": {"words": "", "extra": 1},
        "a/b~c": 1,
    }
    answer = portal.post("signups", body)
    assert pointers(answer) == [
        "/address", "/audience", "/a~1b~0c", "/consent/extra", "/consent/form", "/consent/words", "/format",
        "/language",
    ]  # fmt: skip
    assert "robin" not in answer.text


@pytest.mark.parametrize("op", TAKING, ids=lambda op: op.id)
def test_an_empty_object_and_a_strange_field_are_refused_everywhere(portal: Portal, op) -> None:
    assert "/address" in pointers(portal.post(relative(op.path), {}))
    assert "/admin" in pointers(portal.post(relative(op.path), {"address": NEW, "admin": True}))


@pytest.mark.parametrize(
    "address",
    ["robin", "@example.org", "robin@", "robin@example", "robin@example.123", "a..b@example.org", ".a@example.org",
     "a@-b.org", "a@b-.org", "Robin <robin@example.org>", " robin@example.org", "robin@example.org\n",
     "robin@ex\u00e4mple.org", "r\u00f6bin@example.org", "a" * 65 + "@example.org", "a@" + "b." * 126 + "org",
     "a@" + "b" * 64 + ".org", "a\u0000@example.org", 7, None, True, ["robin@example.org"], {"mailbox": "x"}],
)  # fmt: skip
def test_what_is_no_address_is_refused(portal: Portal, address: object) -> None:
    assert pointers(portal.post("lookups", {"address": address})) == ["/address"]


@pytest.mark.parametrize(
    "address",
    [
        "a@b.cc",
        "a" * 64 + "@example.org",
        "a@" + "b." * 124 + "org",
        "a@" + "b" * 63 + ".org",
        "x+y=z!#$%@xn--exmple-cua.org",
    ],
)
def test_the_longest_and_oddest_addresses_are_taken(portal: Portal, address: str) -> None:
    assert portal.post("unsubscriptions", {"address": address}).status == 200


HOSTILE = {
    "nothing": b"",
    "cut off": b'{"address": "robin@example.org"',
    "two": b"{} {}",
    "not UTF-8": b'{"address": "\xff"}',
    "UTF-16": '{"address": "robin@example.org"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"address": "robin@example.org"}',
    "nested arrays": b"[" * (MAX_BODY_BYTES - 1),
    "nested objects": b'{"a":' * (MAX_BODY_BYTES // 5),
    "closed nesting": b"[" * 4_900 + b"]" * 4_900,
    "NaN": b'{"address": NaN}',
    "infinity": b'{"address": -Infinity}',
    "a huge whole number": b'{"address": ' + b"9" * 9_000 + b"}",
    "the same field twice": b'{"address": "a@people.example", "address": "b@people.example"}',
    "half a pair": b'{"address": "\\ud800@example.org"}',
    "half a pair in a name": b'{"\\udfff": 1}',
    "a control character": b'{"address": "a\x00b"}',
    "a comment": b'{/* */"address": "robin@example.org"}',
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("path", [relative(op.path) for op in TAKING])
def test_hostile_json_is_one_problem(portal: Portal, path: str, name: str) -> None:
    problem(portal.post(path, HOSTILE[name]), "NotJson")


@pytest.mark.parametrize("body", [[], "text", 1, 1e308, True, None, [{"address": NEW}]])
def test_what_is_json_and_no_object_is_a_fault_of_the_whole(portal: Portal, body: object) -> None:
    assert pointers(portal.post("lookups", json.dumps(body).encode())) == [""]


def test_an_enormous_number_is_only_a_wrong_value(portal: Portal) -> None:
    assert pointers(portal.post("lookups", b'{"address": 1e999}')) == ["/address"]


def test_a_body_beyond_the_limit_is_refused(portal: Portal) -> None:
    """10 kB, with a length and without."""
    answer = portal.post("signups", b" " * (MAX_BODY_BYTES + 1))
    problem(answer, "ContentTooLarge")


def test_no_body_makes_a_long_answer(portal: Portal) -> None:
    """Every fault at once, within reason."""
    body = {f"f{n}": 0 for n in range(900)}
    assert len(pointers(portal.post("lookups", body))) == MAX_FAULTS


@pytest.mark.parametrize(("field", "longest"), [("words", 1_000), ("form", 100)])
def test_evidence_is_one_bounded_line(portal: Portal, field: str, longest: int) -> None:
    """No database takes a NUL, and nobody reads a novel."""
    for bad in ("", " ", " x", "a\nb", "a\u0000", "\u007f", "x" * (longest + 1), 5, None):
        assert pointers(portal.post("signups", signup(consent=CONSENT | {field: bad}))) == [f"/consent/{field}"]
    fine = "\u00e9" * longest
    assert portal.post("signups", signup("evidence@people.example", consent=CONSENT | {field: fine})).status == 202


def test_a_body_that_does_not_end_in_time_is_a_problem() -> None:
    """BoundedBody's own test lets the time run out; here is what the API makes of it."""
    found = as_problem(HTTPException(408, "the request took too long", {"Connection": "close"}))
    assert (found.kind.name, found.headers) == ("RequestTimeout", {"Connection": "close"})
    assert as_problem(HTTPException(418)).kind.name == "BadRequest"


# --- when something breaks ---------------------------------------------------------------------------------------


def test_a_database_that_is_away_is_worth_another_try(portal: Portal, tmp_path: Path) -> None:
    with (
        closing(Store(f"sqlite:///{tmp_path}/none/none.db", folder=tmp_path)) as away,
        serving(web_app(replace(portal.app, store=away))) as at,
        capture_logs() as logs,
    ):
        answer = replace(portal, at=at).post("lookups", {"address": NEW})
    problem(answer, "Unavailable")
    assert answer.headers["Retry-After"] == "60"
    assert "none.db" not in answer.text
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_a_bug_shows_a_reference_and_no_trace(portal: Portal) -> None:
    """The trace is in the log, under the reference that the portal can tell us."""

    def broken() -> object:
        raise RuntimeError("the secret of the trace")

    with serving(web_app(replace(portal.app, clock=broken))) as at, capture_logs() as logs:
        answer = replace(portal, at=at).post("signups", signup())
    said = problem(answer, "InternalError")
    assert said["reference"] == logs[0]["reference"]
    assert "RuntimeError: the secret of the trace" in logs[0]["exception"]
    assert "secret" not in answer.text


def test_no_log_ever_holds_a_token_or_an_address(portal: Portal) -> None:
    """Whatever goes well or wrong; that a portal was served, and with which operation, is logged."""
    address = "unlogged@people.example"
    portal.subscribed(address)

    def broken() -> object:
        raise RuntimeError("a bug")

    with capture_logs() as logs:
        for op in TAKING:
            body = signup(address) if op.id == "signUp" else {"address": address}
            portal.post(relative(op.path), body)
            portal.post(relative(op.path), body | {"x": address})
            portal.post(relative(op.path), body, Authorization=f"Bearer {portal.token}x")
        with serving(web_app(replace(portal.app, clock=broken))) as at:
            assert replace(portal, at=at).post("signups", signup(address)).status == 500
    text = repr(logs)
    assert {"portal": "intranet", "operation": "lookUp", "event": "portal served", "log_level": "info"} in logs
    assert "a bug" in text
    assert not [secret for secret in (address, portal.token, "unlogged") if secret in text]


def test_every_answer_carries_the_security_headers(portal: Portal) -> None:
    for method, path in [("GET", "openapi.json"), ("GET", "publication"), ("POST", "lookups"), ("GET", "none")]:
        answer = portal.call(method, path, b"{}")
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert (answer.headers["Set-Cookie"], answer.headers["X-Robots-Tag"]) == (None, "noindex, nofollow")


def test_the_api_answers_below_the_path_of_the_base_address(portal: Portal) -> None:
    """Problems of middleware too, and types begin with that address."""
    publication = replace(portal.app.publication, base_url="https://meridian.example/security")
    app = replace(portal.app, settings=replace(portal.app.settings, publication=publication))
    with serving(web_app(app)) as at:
        for prefix in ("", "/security"):
            below = replace(portal, at=at + prefix)
            assert below.call("GET", "publication").status == 200
            large = below.post("signups", b" " * (MAX_BODY_BYTES + 1))
            assert told(large)["type"].startswith("https://meridian.example/security/api/v1/openapi.json#/")
            assert (large.status, large.headers["Content-Type"]) == (413, "application/problem+json")


def test_pages_stay_pages(portal: Portal) -> None:
    """What goes wrong outside of the API is told to people."""
    for path in ("/apis/", "/nothing/"):
        answer = ask(portal.at + path)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
