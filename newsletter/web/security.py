"""What every answer carries and every request must keep to, whatever page it is for.

Plain ASGI middleware, outermost first: ``Shield`` (headers, and a page for every error), ``BelowBase``,
``SameSite``, ``BoundedBody``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail as it was sent is no page of ours: it keeps its own styles and gets no script, no form, no origin.
MAIL_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
HEADERS: Final = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: over plain HTTP the browser would then send "Origin: null" with our own forms, and SameSite
    # would refuse them (references/web.md section 4).
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# For pages behind personal links: neither stored on the way nor found by a search.
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES: Final = frozenset({"same-origin", "none"})
MAX_BODY_BYTES: Final = 10_000  # the largest form has one address and a few choices
BODY_SECONDS: Final = 10
BODY: Final = "newsletter.body"  # where in the scope handlers, which are no coroutines, find the body
DAY_SECONDS: Final = 86_400


def headers_for(base_url: str, hsts_days: int) -> dict[str, str]:
    """The headers of every answer; where the site is reached by https, browsers are told to use nothing else."""
    if hsts_days and urlsplit(base_url).scheme == "https":
        return HEADERS | {"Strict-Transport-Security": f"max-age={hsts_days * DAY_SECONDS}"}
    return HEADERS


class Shield:
    """Adds the security headers that an answer does not set itself; turns what nobody caught into ``answer``'s page."""

    def __init__(
        self,
        app: ASGIApp,
        answer: Callable[[Exception, str], Response],
        headers: Mapping[str, str] = HEADERS,
    ) -> None:
        """``answer`` gets the error and the path that was asked for, whose language its page speaks."""
        self._app = app
        self._answer = answer
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def shielded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, shielded)
        except Exception as error:
            if started:  # too late for a page: break the connection, so that half an answer does not pass for a whole
                raise
            await self._answer(error, scope["path"])(scope, receive, shielded)


class BelowBase:
    """Makes pages answer below ``path`` ("" or "/security"), whether or not a proxy takes it off."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: Starlette takes ``root_path`` off before it looks for a route."""
        if self._path and scope["type"] == "http" and f"{scope['path']}/".startswith(f"{self._path}/"):
            scope = {**scope, "root_path": self._path}
        await self._app(scope, receive, send)


class SameSite:
    """Refuses what another site makes a browser do (CSRF), without tokens (references/web.md section 4).

    Routes whose address is itself the permission (``exempt`` path prefixes) are open to everybody: RFC 8058 has mail
    providers post to them.
    """

    def __init__(self, app: ASGIApp, *, base_url: str, exempt: tuple[str, ...] = ()) -> None:
        self._app = app
        base = urlsplit(base_url)
        self._origin = f"{base.scheme}://{base.netloc}"
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if not path.startswith(self._exempt) and self._comes_from_elsewhere(Headers(scope=scope)):
                raise HTTPException(403, "this form was sent by another site")
        await self._app(scope, receive, send)

    def _comes_from_elsewhere(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in OWN_SITES
        origin = headers.get("origin")
        if origin is None:  # no browser, so nobody's cookies and nobody's screen
            return False
        return origin != self._origin and urlsplit(origin).netloc != headers.get("host")


class BoundedBody:
    """Reads a request's body before anybody works on it: at most so many bytes in so many seconds."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(receive)
        except TimeoutError:
            raise HTTPException(408, "the request took too long", {"Connection": "close"}) from None
        if body is None:
            return
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return whole.pop() if whole else await receive()

        await self._app({**scope, BODY: body}, replayed, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None when the client has gone."""
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_bytes:
                raise HTTPException(413, "the request is too large", {"Connection": "close"})
        return body
