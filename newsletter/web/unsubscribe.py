"""``/u/<token>``: GET and HEAD look and show one button; POST leaves, from the button as from the one-click header.

Mail scanners open every link, so opening changes nothing. RFC 8058 section 3.2 has mail providers post here without
cookies or login: the token, and nothing else, is the permission. What the body says does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.routing import Route

from newsletter.errors import LinkError
from newsletter.model import TOKEN_LENGTH, SubscriberState
from newsletter.web.security import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from newsletter.model import Subscriber
    from newsletter.subscriptions import Left
    from newsletter.web.pages import Pages

Found = TypeVar("Found")

PREFIX: Final = "/u/"
TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Leaving:
    """The way from a token to a person: ``look_up`` changes nothing, ``leave`` may be called again.

    Both raise LinkError for a token that we did not make. ``admit`` raises TooManyError where too many came at once.
    """

    look_up: Callable[[str], Subscriber]
    leave: Callable[[str], Left]
    admit: Callable[[Request], None] = lambda _request: None


def routes(leaving: Leaving, pages: Pages) -> list[Route]:
    """The page behind the link of every letter."""

    def ask(request: Request) -> Response:
        person = _found(leaving.look_up, request)
        name = "unsubscribed" if person.state is SubscriberState.UNSUBSCRIBED else "unsubscribe"
        return pages.page(f"pages/{name}.html", language=pages.language(person.language), undo="")

    def leave(request: Request) -> Response:
        leaving.admit(request)
        left = _found(leaving.leave, request)
        # The token of the undo is in the page, never in its address: a mail provider that presses here drops it.
        return pages.page("pages/unsubscribed.html", language=pages.language(left.subscriber.language), undo=left.undo)

    path = PREFIX + "{token}"
    return [Route(path, ask, methods=["GET"]), Route(path, leave, methods=["POST"])]


def _found(find: Callable[[str], Found], request: Request) -> Found:
    token = request.path_params["token"]
    try:
        if TOKEN.fullmatch(token):
            return find(token)
    except LinkError:
        pass
    raise HTTPException(404, headers=PRIVATE)  # one answer for all: nobody learns who is, or was, on the list
