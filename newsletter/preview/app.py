"""The preview's pages, below a random path: a shell with tabs, frames with addresses of their own, an event stream.

The shell runs our script and may draw nothing else. What is previewed stands in frames without scripts, each with the
policy that it would have where readers see it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from newsletter.model import Language
from newsletter.parsing.validate import FieldError
from newsletter.preview.darkroom import Showing
from newsletter.preview.judge import Verdict
from newsletter.preview.subject import subject_at
from newsletter.render.environment import Templates
from newsletter.resources import packaged
from newsletter.web.archive import content_type
from newsletter.web.security import PAGE_POLICY, Shield

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request

    from newsletter.preview.look import Look
    from newsletter.preview.studio import Studio
    from newsletter.preview.subject import Subject

log = structlog.get_logger(__name__)

HOSTS: Final = ("127.0.0.1", "localhost")
SITE: Final = "site"  # below it, the archive's addresses
ENGLISH: Final = Language("en")  # as the command line
FOLDER: Final = "web/preview"
STATIC: Final = ("preview.css", "preview.js", "text.css", "icon.svg")

_CLOSED: Final = "base-uri 'none'; form-action 'none'; frame-ancestors"
SHELL_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self'; "
    f"{_CLOSED} 'none'"
)
MAIL_POLICY: Final = f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; {_CLOSED} 'self'"
PLAIN_POLICY: Final = f"default-src 'none'; style-src 'unsafe-inline'; img-src 'none'; {_CLOSED} 'self'"
TEXT_POLICY: Final = f"default-src 'none'; style-src 'self'; {_CLOSED} 'self'"
SITE_POLICY: Final = PAGE_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
# The address holds the token, so nobody is told where a request came from; and an old look is never shown.
UNTOLD: Final = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One way to look at a subject: a tab, and the address that its frame shows. Dark and width are the shell's."""

    name: str
    title: str
    source: str
    classes: str = ""


FRAMES: Final = (
    Frame("mail", "Mail", "mail"),
    Frame("phone", "Phone", "mail", "narrow"),
    Frame("dark", "Dark", "mail", "dark"),
    Frame("text", "Text", "text"),
    Frame("plain", "No images", "plain"),
    Frame("page", "Page", "page"),
    Frame("page-dark", "Page, dark", "page", "dark"),
    Frame("page-phone", "Page, phone", "page", "narrow"),
)


def build(
    studio: Studio, *, base: str, start: Subject, coming: tuple[Subject, ...], listed: Callable[[], list[str]]
) -> Starlette:
    """The application below ``base`` ("/token"), which begins at ``start``.

    ``coming`` is the coming month in every language, ``listed`` names the site's files.
    """
    desk = _Desk(studio, base, start, coming, listed)
    return Starlette(
        routes=[
            Route(f"{base}/", desk.door),
            Route(f"{base}/files", desk.files),
            Route(f"{base}/static/{{name}}", desk.static),
            Route(f"{base}/{SITE}/{{path:path}}", desk.asset),
            Route(f"{base}/look/{{address:path}}", desk.shell),
            Route(f"{base}/events/{{address:path}}", desk.events),
            *(Route(f"{base}/{name}/{{address:path}}", frame) for name, frame in desk.frames().items()),
        ],
        middleware=[
            Middleware(Shield, answer=lambda error, _path: desk.error(error)),
            # A name of somebody else's that leads here (DNS rebinding) is not answered.
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
        ],
        exception_handlers={HTTPException: lambda _, error: desk.error(error)},
    )


class _Desk:
    """The handlers, and what they share."""

    def __init__(
        self,
        studio: Studio,
        base: str,
        start: Subject,
        coming: tuple[Subject, ...],
        listed: Callable[[], list[str]],
    ) -> None:
        self._studio = studio
        self._base = base
        self._start = start
        self._coming = coming
        self._languages = tuple(month.language for month in coming)
        self._listed = listed
        # Packaged ones alone: a site whose templates are broken needs its preview most.
        self._templates = Templates([])
        self._folder: Path = packaged("templates") / FOLDER

    def door(self, _request: Request) -> Response:
        """Lead to what was asked for on the command line."""
        return RedirectResponse(f"{self._base}/look/{self._start.address}", headers=UNTOLD)

    def files(self, _request: Request) -> Response:
        """Every file that can be looked at."""
        return self._page("files.html", files=self._listed(), coming=self._coming)

    def static(self, request: Request) -> Response:
        """Our style and script."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        content = (self._folder / name).read_bytes()
        kind = "text/javascript; charset=utf-8" if name.endswith(".js") else content_type(name)
        return Response(content, headers={**UNTOLD, "Content-Type": kind})

    async def asset(self, request: Request) -> Response:
        """What a page needs, at the address that it has in the archive."""
        path = request.path_params["path"]
        content = self._studio.asset(path)
        if content is None:
            raise HTTPException(404)
        headers = {**UNTOLD, "Content-Type": content_type(path), "Content-Security-Policy": SITE_POLICY}
        return Response(content, headers=headers)

    async def shell(self, request: Request) -> Response:
        """The tabs, and an empty place for everything that the script will bring."""
        subject = self._subject(request)
        showing = await self._studio.show(subject)
        if showing.look is None and not self._exists(subject):
            raise HTTPException(404)
        title = showing.look.title if showing.look else subject.address
        return self._page("shell.html", subject=subject, title=title, frames=FRAMES, versions=self._versions(subject))

    async def events(self, request: Request) -> Response:
        """Server-sent events: ``showing`` whenever something is to be painted, ``verdict`` when findings are known."""
        subject = self._subject(request)
        if self._studio.is_full:
            raise HTTPException(503)
        return StreamingResponse(self._stream(subject), media_type="text/event-stream", headers=UNTOLD)

    def frames(self) -> dict[str, Callable[[Request], Any]]:
        """What stands in the frames, by the name in their address."""
        return {
            "mail": self._framed(lambda look: look.html, MAIL_POLICY),
            "plain": self._framed(lambda look: look.html, PLAIN_POLICY),
            "text": self._framed(self._text, TEXT_POLICY),
            "page": self._framed(lambda look: look.page, SITE_POLICY),
        }

    def error(self, error: Exception) -> Response:
        """A plain page for whatever went wrong; it goes to everybody, so the token is not in it."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 500:  # noqa: PLR2004 - the one that is our fault
            log.error("a page of the preview failed", exc_info=error)
        html = self._templates.render(ENGLISH, f"{FOLDER}/plain.html", code=status)
        return HTMLResponse(html, status, {**UNTOLD, "Content-Security-Policy": SHELL_POLICY})

    # --- inside -------------------------------------------------------------------------------

    def _subject(self, request: Request) -> Subject:
        try:
            return subject_at(request.path_params["address"], self._languages)
        except FieldError:
            raise HTTPException(404) from None

    def _exists(self, subject: Subject) -> bool:
        return not subject.path or subject.path in self._listed()

    def _page(self, name: str, **values: Any) -> Response:
        html = self._templates.render(ENGLISH, f"{FOLDER}/{name}", base=self._base, **values)
        return HTMLResponse(html, headers={**UNTOLD, "Content-Security-Policy": SHELL_POLICY})

    def _framed(self, part: Callable[[Look], str | bytes], policy: str) -> Callable[[Request], Any]:
        async def frame(request: Request) -> Response:
            showing = await self._studio.show(self._subject(request))
            if showing.look is None:
                empty = self._templates.render(ENGLISH, f"{FOLDER}/empty.html", base=self._base)
                return HTMLResponse(empty, headers={**UNTOLD, "Content-Security-Policy": TEXT_POLICY})
            return HTMLResponse(part(showing.look), headers={**UNTOLD, "Content-Security-Policy": policy})

        return frame

    def _text(self, look: Look) -> str:
        return self._templates.render(ENGLISH, f"{FOLDER}/text.html", base=self._base, look=look)

    def _versions(self, subject: Subject) -> list[tuple[Language, str]]:
        """The same subject in every language in which it can be looked at."""
        if not subject.path:
            return [(language, f"{subject.month}.{language}") for language in self._languages]
        stem = subject.path.rpartition("/")[0]
        names = ((one, f"{stem}/{subject.slug}.{one}.md") for one in self._languages)
        return [(one, path) for one, path in names if path == subject.path or path in self._listed()]

    async def _stream(self, subject: Subject) -> AsyncIterator[str]:
        async for news in self._studio.follow(subject):
            if isinstance(news, Showing):
                yield _event("showing", _told(news))
            elif isinstance(news, Verdict):
                yield _event("verdict", asdict(news.told(subject.path)))
            else:
                yield ": still here\n\n"


def _told(showing: Showing) -> dict[str, Any]:
    look = showing.look
    return {
        "version": showing.version,
        "faults": showing.faults,
        "moved": showing.moved,
        "title": look.title if look else "",
        "subject": look.subject_line if look else "",
        "heading": look.heading if look else "",
        "month": str(look.month) if look else "",
        "remarks": look.remarks if look else (),
        "entries": [asdict(entry) for entry in look.entries] if look else (),
    }


def _event(name: str, data: dict[str, Any]) -> str:
    """One event; JSON has no line break outside of its strings, and writes those inside as two characters."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
