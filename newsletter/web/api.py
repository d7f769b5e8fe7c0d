"""The JSON API for an organisation's own portal: ``OPERATIONS`` is all of it.

The tuple yields the routes, what is asked of a request before its operation runs, and the OpenAPI document. Addresses
stand in bodies, never in a path, so that no log of a proxy holds them. There are no cookies and no CORS: a browser's
page cannot use it, and need not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from newsletter import subscriptions
from newsletter.errors import LinkError
from newsletter.model import PUBLIC, Format, Scope, Wish
from newsletter.subscriptions import portals
from newsletter.subscriptions.choosing import Preferences
from newsletter.subscriptions.evidence import PORTALS
from newsletter.subscriptions.intake import Asked
from newsletter.subscriptions.joining import admission_to
from newsletter.web import bodies
from newsletter.web.consent import FORM, consent_words
from newsletter.web.openapi import JSON, Op, document
from newsletter.web.problems import (
    ACCEPT,
    AREA,
    AWAY,
    DOCUMENT,
    INVALID,
    MEDIA,
    METHOD,
    NOBODY,
    NOWHERE,
    OFTEN,
    SCOPE,
    WHO,
    Fault,
    ProblemError,
)
from newsletter.web.security import PRIVATE, SAFE_METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from newsletter.app import App
    from newsletter.model import Address, Portal, Subscriber

log = structlog.get_logger(__name__)

BEARER: Final = re.compile(r"bearer +(?P<token>\S+) *", re.ASCII | re.IGNORECASE)
SENT: Final = re.compile(r'application/json *(?:; *charset="?utf-8"? *)?', re.ASCII | re.IGNORECASE)
QUALITY: Final = re.compile(r"; *q=(?P<q>[01](?:\.\d{0,3})?)", re.ASCII | re.IGNORECASE)
TAKEN: Final = (JSON, "application/*", "*/*")  # what may stand in Accept for JSON, the most exact first


@dataclass(frozen=True, slots=True)
class Service:
    """What every operation may need: the App, what the site offers, and the document."""

    app: App
    offer: bodies.Publication
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let through; ``portal`` and ``body`` are there where the operation asks for them."""

    service: Service
    portal: Any = None
    body: Any = None

    @property
    def app(self) -> App:
        """The App."""
        return self.service.app


# --- what each operation does ---------------------------------------------------------------------------------


def describe(call: Call) -> dict[str, Any]:
    """The document itself."""
    return call.service.document


def show_publication(call: Call) -> bodies.Publication:
    """What a portal has to show."""
    return call.service.offer


def sign_up(call: Call) -> bodies.Accepted:
    """Double opt-in; the same answer for every address. An audience is checked against the settings alone."""
    body: bodies.Signup = call.body
    if admission_to(body.audience, body.address, call.app) is None:
        fault = Fault("/audience", "is not open to addresses of this domain")
        raise ProblemError(INVALID, "nothing was done", faults=[fault])
    asked = Asked(
        address=body.address,
        wish=Wish.JOIN,
        language=body.language,
        format=body.format,
        audience=body.audience,
        how=PORTALS + call.portal.name,
        words=body.consent.words,
        form=body.consent.form,
    )
    portals.ask_for(call.portal, asked, call.app)
    return bodies.Accepted(accepted=True)


def send_preferences(call: Call) -> bodies.Accepted:
    """A link to one's preferences, by mail; the same answer for every address."""
    asked = Asked(
        address=call.body.address,
        wish=Wish.PREFERENCES,
        language=call.app.publication.first_language,
        how=PORTALS + call.portal.name,
    )
    portals.ask_for(call.portal, asked, call.app)
    return bodies.Accepted(accepted=True)


def look_up(call: Call) -> bodies.Subscription:
    """What somebody gets."""
    return _subscription(_named(call))


def unsubscribe(call: Call) -> bodies.Unsubscribed:
    """Take an address off the list; its owner is told by mail, with a way back. A stranger's yes is not waited for."""
    person = _person(call.portal, call.body.address, call.app)
    if person is None:
        subscriptions.decline(call.body.address, call.app)
        person = _person(call.portal, call.body.address, call.app)  # whose own yes came meanwhile
    if person:
        try:
            subscriptions.leave(person, call.app)
        except LinkError:  # erased meanwhile: nothing is sent there either
            log.info("already forgotten", subscriber=person.id)
    return bodies.Unsubscribed(subscribed=False)


def change(call: Call) -> bodies.Subscription:
    """Keep what somebody chose anew."""
    person = _named(call)
    body: bodies.Change = call.body
    chosen = Preferences(body.language or person.language, body.format or person.format, person.audience)
    if (chosen.language, chosen.format) == (person.language, person.format):
        return _subscription(person)
    try:
        return _subscription(subscriptions.save(person, chosen, call.app))
    except LinkError:  # erased meanwhile
        raise ProblemError(NOBODY) from None


def _named(call: Call) -> Subscriber:
    person = _person(call.portal, call.body.address, call.app)
    if person is None:
        raise ProblemError(NOBODY)
    return person


def _person(portal: Portal, address: Address, app: App) -> Subscriber | None:
    return portals.person_named(portal, address, app)


def _subscription(person: Subscriber) -> bodies.Subscription:
    return bodies.Subscription(person.state, person.language, person.format, person.audience, person.paused_until)


# --- the operations -------------------------------------------------------------------------------------------

OPERATIONS: Final = (
    Op(
        id="describe",
        method="GET",
        path=DOCUMENT,
        summary="This document",
        answer=describe,
        returns=dict[str, Any],
    ),
    Op(
        id="publication",
        method="GET",
        path="/api/v1/publication",
        summary="What a portal has to show to whoever subscribes",
        answer=show_publication,
        returns=bodies.Publication,
        scope=Scope.SIGNUP,
        errors=(AWAY,),
    ),
    Op(
        id="signUp",
        method="POST",
        path="/api/v1/signups",
        summary="Ask for a subscription, which the owner of the address confirms by mail",
        answer=sign_up,
        returns=bodies.Accepted,
        status=HTTPStatus.ACCEPTED,
        scope=Scope.SIGNUP,
        body=bodies.Signup,
        errors=(OFTEN, AWAY),
        leads_to=("sendPreferences", "lookUp", "unsubscribe"),
    ),
    Op(
        id="sendPreferences",
        method="POST",
        path="/api/v1/preference-links",
        summary="Mail somebody the link to their preferences",
        answer=send_preferences,
        returns=bodies.Accepted,
        status=HTTPStatus.ACCEPTED,
        scope=Scope.SIGNUP,
        body=bodies.Person,
        errors=(OFTEN, AWAY),
    ),
    Op(
        id="lookUp",
        method="POST",
        path="/api/v1/lookups",
        summary="Tell what somebody gets",
        answer=look_up,
        returns=bodies.Subscription,
        scope=Scope.MANAGE,
        body=bodies.Person,
        errors=(NOBODY, OFTEN, AWAY),
        leads_to=("change", "unsubscribe"),
    ),
    Op(
        id="unsubscribe",
        method="POST",
        path="/api/v1/unsubscriptions",
        summary="Unsubscribe somebody, who is told by mail; saying it twice is fine",
        answer=unsubscribe,
        returns=bodies.Unsubscribed,
        scope=Scope.MANAGE,
        body=bodies.Person,
        errors=(OFTEN, AWAY),
        leads_to=("lookUp",),
    ),
    Op(
        id="change",
        method="POST",
        path="/api/v1/changes",
        summary="Change somebody's language or format",
        answer=change,
        returns=bodies.Subscription,
        scope=Scope.MANAGE,
        body=bodies.Change,
        errors=(NOBODY, OFTEN, AWAY),
        leads_to=("lookUp", "unsubscribe"),
    ),
)


# --- how a request gets there ---------------------------------------------------------------------------------


def routes(app: App) -> list[Route]:
    """One route for each path, and one for every other path below the API's."""
    offer = offered(app)
    service = Service(app, offer, document(OPERATIONS, offer, app.publication.base_url))
    paths: dict[str, list[Op]] = {}
    for op in OPERATIONS:
        paths.setdefault(op.path, []).append(op)
    found = [Route(path, Endpoint(ops, service)) for path, ops in paths.items()]
    return [*found, Route(AREA + "{rest:path}", Endpoint((), service))]


def offered(app: App) -> bodies.Publication:
    """What the site has to choose from."""
    publication = app.publication
    audiences = [bodies.OfferedAudience(PUBLIC, {}, ())]
    # As on our own form: what comes by invitation or from a directory is nothing to choose from.
    audiences += [
        bodies.OfferedAudience(one.name, one.title, one.domains) for one in app.audiences.values() if one.domains
    ]
    return bodies.Publication(
        name=publication.name,
        languages=publication.languages,
        formats=tuple(Format),
        audiences=tuple(audiences),
        consent={
            language: bodies.OfferedConsent(consent_words(publication, language), FORM)
            for language in publication.languages
        },
    )


class Endpoint:
    """Everything at one path: whoever comes as the operation asks gets its answer, everybody else a problem."""

    def __init__(self, ops: Sequence[Op], service: Service) -> None:
        self._ops = {op.method: op for op in ops}
        self._service = service
        self._allow = ", ".join(sorted({*self._ops, "OPTIONS", *(("HEAD",) if "GET" in self._ops else ())}))

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """ASGI. The body was bounded by ``BoundedBody``, and is not read for methods that it lets pass."""
        request = Request(scope, receive)
        body = b"" if request.method in SAFE_METHODS else await request.body()
        response = await run_in_threadpool(self._answer, request, body)
        await response(scope, receive, send)

    def _answer(self, request: Request, raw: bytes) -> Response:
        if not self._ops:
            raise ProblemError(NOWHERE)
        allow = {"Allow": self._allow}
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
        op = self._ops.get("GET" if request.method == "HEAD" else request.method)
        if op is None:
            raise ProblemError(METHOD, f"use one of {self._allow}", headers=allow)
        portal = _who(request, op.scope, self._service.app) if op.scope else None
        if not _accepts_json(request.headers.getlist("accept")):
            raise ProblemError(ACCEPT)
        body = _read(request, raw, op.body, self._service) if op.body else None
        value = op.answer(Call(self._service, portal, body))
        if portal:
            log.info("portal served", portal=portal.name, operation=op.id)
        return Response(bodies.adapter(op.returns).dump_json(value), op.status, PRIVATE, JSON)


def _who(request: Request, scope: Scope, app: App) -> Portal:
    """The portal whose token came along, if it may. RFC 6750 section 3 says what it is told otherwise."""
    given = request.headers.getlist("authorization")
    match = BEARER.fullmatch(given[0]) if len(given) == 1 else None
    portal = portals.holder(match["token"], app) if match else None
    if portal is None:
        told = 'Bearer error="invalid_token"' if match else "Bearer"
        raise ProblemError(WHO, "send the portal's token as: Authorization: Bearer", headers={"WWW-Authenticate": told})
    if scope not in portal.scopes:
        told = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise ProblemError(SCOPE, f"the token lacks the scope {scope}", headers={"WWW-Authenticate": told})
    return portal


def _accepts_json(accept: list[str]) -> bool:
    """RFC 9110 section 12.5.1: the most exact range decides; nothing said means everything."""
    wanted: dict[str, float] = {}
    for part in ",".join(accept).split(","):
        quality = QUALITY.search(part)
        wanted[part.partition(";")[0].strip().lower()] = float(quality["q"]) if quality else 1.0
    wanted.pop("", None)
    return not wanted or next((wanted[one] for one in TAKEN if one in wanted), 0) > 0


def _read(request: Request, raw: bytes, kind: type, service: Service) -> Any:
    if not SENT.fullmatch(request.headers.get("content-type", "")):
        raise ProblemError(MEDIA, headers={"Accept": JSON})
    return bodies.read(raw, kind, service.offer)
