"""Our own few pages in the archive's dress, and the one page for everything that goes wrong."""

from __future__ import annotations

import secrets
from hashlib import sha256
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from newsletter.errors import NewsletterError, StoreError, TooManyError
from newsletter.model import Language
from newsletter.render.press import Frame, Press
from newsletter.render.words import marked, words
from newsletter.web.archive import content_type
from newsletter.web.security import PAGE_POLICY, PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from newsletter.model import Publication
    from newsletter.render.environment import Templates

log = structlog.get_logger(__name__)

STYLE: Final = "pages/pages.css"
FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}  # the name changes with the bytes
RETRY_SECONDS: Final = 60
MAX_TONGUES: Final = 10

NOT_ACCEPTED: Final = (
    marked("This request was not accepted"),
    marked("Go back, open the page again, and try once more."),
)
FAULTS: Final = {
    404: (
        marked("There is no such page"),
        marked("The address may be incomplete: if it came in a mail, copy the whole of it."),
    ),
    500: (
        marked("Something went wrong here"),
        marked("This is our fault, not yours. Please try again; if it happens once more, tell us the reference below."),
    ),
    429: (
        marked("Too many requests"),
        marked("Too much came from your network in a short time. Please wait a while, then try again."),
    ),
    503: (
        marked("This does not work just now"),
        marked("Please try again in a few minutes. Nothing was changed."),
    ),
}


class Pages:
    """Renders pages that are no part of the archive, in the dress of the archive."""

    def __init__(self, publication: Publication, templates: Templates) -> None:
        self.publication = publication
        self._press = Press(publication, templates)
        self._style = self._press.render(publication.first_language, STYLE).encode()
        self._style_path = f"pages-{sha256(self._style).hexdigest()[:12]}.css"

    @property
    def routes(self) -> list[Route]:
        """Style sheets and icon, so that the pages are dressed before anything was published."""
        sheet, icon = self._press.stylesheet, self._press.icon
        assets = ((sheet.path, sheet.content), (icon.path, icon.content), (self._style_path, self._style))
        return [Route(f"/{path}", _unchanging(path, content), methods=["GET"]) for path, content in assets]

    def url(self, path: str) -> str:
        """The address to link to, for a path below the base."""
        return self._press.url(path)

    def language(self, wanted: Language) -> Language:
        """The wanted language where the publication has it, else its first."""
        return wanted if wanted in self.publication.languages else self.publication.first_language

    def page(
        self,
        name: str,
        *,
        language: Language | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        policy: str = PAGE_POLICY,
        tail: str = "",
        **values: Any,
    ) -> Response:
        """The page of the template ``web/<name>``, neither stored nor indexed by anybody. ConfigError as templates.

        ``tail`` is its address behind the language, where it stands in every language.
        """
        language = language or self.publication.first_language
        press = self._press
        frame = Frame(
            language=language,
            section="",
            team=press.team(language),
            canonical="",
            indexed=False,
            is_front=False,
            alternates=(),
            switch=press.languages_of(tail, language) if tail else (),
            feeds=(),
            stylesheet=press.url(f"/{press.stylesheet.path}"),
            icon=press.url(f"/{press.icon.path}"),
            policy=_for_meta(policy),
        )
        own = press.url(f"/{self._style_path}")
        html = press.render(
            language, name, frame=frame, own_stylesheet=own, contact_link=press.contact_link(), **values
        )
        return HTMLResponse(html, status, {**PRIVATE, "Content-Security-Policy": policy, **(headers or {})})

    def preferred(self, accepted: str) -> Language:
        """The first of a browser's languages (Accept-Language, as browsers write it) that the publication has."""
        names = (part.partition(";")[0].strip().lower().partition("-")[0] for part in accepted.split(",")[:MAX_TONGUES])
        return next((Language(name) for name in names if name in self.publication.languages), self.language_of(""))

    def language_of(self, path: str) -> Language:
        """The language in which a page at this path speaks: that of its first part, where it is one of ours."""
        first = path.removeprefix(self._press.prefix).strip("/").partition("/")[0]
        return self.language(Language(first))

    def error(self, error: Exception, path: str = "") -> Response:
        """The answer to what went wrong. The trace of a bug goes to the log, with the reference that the page shows.

        The address asked for is in neither, since it may be a personal link; it only says in which language we speak.
        """
        language = self.language_of(path)
        if isinstance(error, HTTPException):
            return self._fault(error.status_code, language, headers=error.headers)
        if isinstance(error, StoreError):
            log.warning("not available", reason=str(error))
            return self._fault(503, language, headers={"Retry-After": str(RETRY_SECONDS)})
        if isinstance(error, TooManyError):
            return self._fault(429, language, headers={"Retry-After": str(error.seconds)})
        reference = secrets.token_hex(4)
        if isinstance(error, NewsletterError):
            log.error("a page failed", reference=reference, reason=str(error))
        else:
            # Text, not exc_info: renderers that print local variables would print tokens and addresses.
            log.error("a page failed", reference=reference, exception="".join(format_exception(error)))
        return self._fault(500, language, reference=reference)

    def _fault(
        self, status: int, language: Language, *, reference: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        heading, advice = FAULTS.get(status, NOT_ACCEPTED)
        speech = words(language)
        heading, advice = speech.gettext(heading), speech.gettext(advice)
        try:
            return self.page(
                "pages/error.html",
                language=language,
                status=status,
                headers=headers,
                heading=heading,
                advice=advice,
                reference=reference,
            )
        except Exception as broken:  # noqa: BLE001 - the last resort must not fail; mostly it is a site's own template
            log.error("the error page failed", reason=str(broken))  # noqa: TRY400 - the message says it all
            return PlainTextResponse(f"{heading}. {advice} {reference}", status, {**PRIVATE, **(headers or {})})


def _for_meta(policy: str) -> str:
    """The policy as a page may state it itself: these two only work in a header."""
    return "; ".join(part for part in policy.split("; ") if not part.startswith(("frame-ancestors", "sandbox")))


def _unchanging(path: str, content: bytes) -> Callable[[Request], Response]:
    headers = FOR_EVER | {"Content-Type": content_type(path)}

    def asset(_request: Request) -> Response:
        return Response(content, headers=headers)

    return asset
