"""Where people join, choose and leave: what all of these pages need, and their routes in every language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response
from starlette.routing import Route

from newsletter import subscriptions
from newsletter.web import forms
from newsletter.web.limits import network
from newsletter.web.security import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from newsletter.app import App
    from newsletter.model import Language
    from newsletter.web.forms import Problem
    from newsletter.web.pages import Pages

SUBSCRIBE: Final = "subscribe/"
PREFERENCES: Final = "preferences/"
PRIVACY: Final = "privacy/"
SEE_OTHER: Final = 303
UNPROCESSABLE: Final = 422


@dataclass(frozen=True, slots=True)
class Reception:
    """The wired parts of a site, and how its pages look."""

    app: App
    pages: Pages

    @property
    def languages(self) -> tuple[Language, ...]:
        """Every page is there in each of them."""
        return self.pages.publication.languages

    def page(self, name: str, language: Language, **values: Any) -> Response:
        """A page of people; ``subscribers_open`` says whether it may offer the form to join."""
        return self.pages.page(
            f"pages/{name}.html", language=language, subscribers_open=self.app.settings.subscribers.open, **values
        )

    def form(
        self,
        name: str,
        language: Language,
        *,
        tail: str,
        typed: str = "",
        stamp: str = "",
        problems: tuple[Problem, ...] = (),
        **values: Any,
    ) -> Response:
        """A page with a form for an address. Who has to send it again keeps the stamp, unless that is too old."""
        problem = forms.stamp_problem(stamp, self.app)
        is_old = problem is not None and problem.message == forms.TOO_OLD
        return self.page(
            name,
            language,
            tail=tail,
            typed=typed,
            stamp=forms.new_stamp(self.app) if is_old else stamp,
            trap=forms.TRAP,
            problems=problems,
            status=UNPROCESSABLE if problems else 200,
            **values,
        )

    def go(self, path: str, *, done: str = "") -> Response:
        """See there next; ``done`` names the sentence that the page begins with, and nothing of anybody."""
        location = self.pages.url(path) + (f"?done={done}" if done else "")
        return Response(status_code=SEE_OTHER, headers={**PRIVATE, "Location": location})

    def admit(self, kind: str, request: Request) -> None:
        """Count a request that acts. TooManyError when too many came from that network."""
        subscriptions.admit(kind, self.app, network=network(request))

    def in_every_language(
        self, tail: str, handler: Callable[[Request, Reception, Language], Response], method: str = "GET"
    ) -> Iterator[Route]:
        """The routes of one page; where people may leave the last slash out, they are led to it."""
        for language in self.languages:
            path = f"/{language}/{tail}"
            yield Route(path, self._answering(handler, language), methods=[method])
            if method == "GET" and path.endswith("/"):
                yield Route(path.rstrip("/"), self._leading_to(path), methods=["GET"])

    def _answering(
        self, handler: Callable[[Request, Reception, Language], Response], language: Language
    ) -> Callable[[Request], Response]:
        return lambda request: handler(request, self, language)

    def _leading_to(self, path: str) -> Callable[[Request], Response]:
        headers = {**PRIVATE, "Location": self.pages.url(path)}
        return lambda _request: Response(status_code=301, headers=headers)
