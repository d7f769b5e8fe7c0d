"""What the JSON API says when something is wrong: RFC 9457, ``application/problem+json``. Knows no database."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from newsletter.errors import NewsletterError, StoreError, TooManyError
from newsletter.web.security import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

AREA: Final = "/api/"
DOCUMENT: Final = "/api/v1/openapi.json"
MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. Its name stands in the type's address, and there in the document's responses."""

    name: str
    status: int
    title: str
    headers: tuple[str, ...] = ()


NOT_JSON: Final = Kind("NotJson", 400, "The body is not JSON that we read")
BAD_REQUEST: Final = Kind("BadRequest", 400, "The request is not one that we understand")
WHO: Final = Kind("Unauthorized", 401, "Say which portal you are", ("WWW-Authenticate",))
SCOPE: Final = Kind("Forbidden", 403, "This portal may not do that", ("WWW-Authenticate",))
FOREIGN: Final = Kind("OtherSite", 403, "A page of another site made a browser send this")
NOWHERE: Final = Kind("NotFound", 404, "There is nothing at this path")
NOBODY: Final = Kind("NotSubscribed", 404, "Nobody with this address is on the list")
METHOD: Final = Kind("MethodNotAllowed", 405, "This path has no such method", ("Allow",))
ACCEPT: Final = Kind("NotAcceptable", 406, "The answer is JSON, and you accept none")
SLOW: Final = Kind("RequestTimeout", 408, "The request took too long")
LARGE: Final = Kind("ContentTooLarge", 413, "The body is too large")
MEDIA: Final = Kind("UnsupportedMediaType", 415, "Send application/json in UTF-8")
INVALID: Final = Kind("Invalid", 422, "Values are missing or wrong")
OFTEN: Final = Kind("TooManyRequests", 429, "This portal asked too often", ("Retry-After",))
BUG: Final = Kind("InternalError", 500, "Something went wrong here")
AWAY: Final = Kind("Unavailable", 503, "This does not work just now", ("Retry-After",))

KINDS: Final = (NOT_JSON, BAD_REQUEST, WHO, SCOPE, FOREIGN, NOWHERE, NOBODY, METHOD, ACCEPT, SLOW, LARGE, MEDIA,
                INVALID, OFTEN, BUG, AWAY)  # fmt: skip
# What middleware raises before a request reaches an operation.
OF_STATUS: Final = {kind.status: kind for kind in (FOREIGN, NOWHERE, METHOD, SLOW, LARGE)}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a body: where, as a JSON pointer (RFC 6901), and what."""

    pointer: str
    detail: str


class ProblemError(NewsletterError):
    """The answer to a request is this problem."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
        reference: str = "",
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.faults = faults
        self.reference = reference
        super().__init__(detail or kind.title)


class Problems:
    """Middleware below which everything that goes wrong in the API's area is answered with a problem, not a page."""

    def __init__(self, app: ASGIApp, *, base_url: str) -> None:
        self._app = app
        self._base_url = base_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or not path.startswith(AREA):
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started:
                raise
            await answered(as_problem(error), self._base_url)(scope, receive, send)


def answered(problem: ProblemError, base_url: str) -> Response:
    """The response to it."""
    kind = problem.kind
    told: dict[str, Any] = {
        "type": f"{base_url}{DOCUMENT}#/components/responses/{kind.name}",
        "title": kind.title,
        "status": kind.status,
    }
    if problem.detail:
        told["detail"] = problem.detail
    if problem.faults:
        told["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in problem.faults]
    if problem.reference:
        told["reference"] = problem.reference
    return Response(json.dumps(told), kind.status, {**PRIVATE, **problem.headers, "Content-Type": MEDIA_TYPE})


def as_problem(error: Exception) -> ProblemError:
    """What is said of an error. The trace of a bug goes to the log, with the reference that the answer shows."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException):
        return ProblemError(OF_STATUS.get(error.status_code, BAD_REQUEST), error.detail, headers=error.headers)
    if isinstance(error, TooManyError):
        return ProblemError(OFTEN, str(error), headers={"Retry-After": str(error.seconds)})
    if isinstance(error, StoreError):
        log.warning("not available", reason=str(error))
        return ProblemError(AWAY, "try again later", headers={"Retry-After": str(RETRY_SECONDS)})
    reference = secrets.token_hex(4)
    if isinstance(error, NewsletterError):
        log.error("a request failed", reference=reference, reason=str(error))
    else:
        # Text, not exc_info: renderers that print local variables would print tokens and addresses.
        log.error("a request failed", reference=reference, exception="".join(format_exception(error)))
    return ProblemError(BUG, "this is our fault, not yours; tell us the reference", reference=reference)
