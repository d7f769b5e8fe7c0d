"""``/l/<token>``: the page behind every mailed link that gives a right. GET and HEAD show one button; POST acts.

Robots open every link of every mail, often more than once, so opening does nothing, however often. Pressing twice gives
the same answer as pressing once, where the right was used by the same press before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from newsletter import subscriptions
from newsletter.errors import LinkError
from newsletter.keys import GRANT_LENGTH
from newsletter.model import Language, Purpose
from newsletter.render.notices import GRANT_PATH
from newsletter.subscriptions.limits import LINK
from newsletter.web import forms
from newsletter.web.preferences import data_file, holder, open_for
from newsletter.web.reception import PREFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from newsletter.model import Grant
    from newsletter.web.reception import Reception

UNDO: Final = "/undo"
NOT_FOUND: Final = 404
GONE: Final = 410
# These work once; the others say what they did when they are pressed again.
ONCE: Final = (Purpose.PREFERENCES, Purpose.EXPORT)


def routes(reception: Reception) -> Iterator[Route]:
    """The page of mailed links, and the button that takes a leaving back."""

    def show(request: Request) -> Response:
        return _show(request, reception)

    def act(request: Request) -> Response:
        reception.admit(LINK, request)
        return _act(request.path_params["token"], request, reception)

    def undo(request: Request) -> Response:
        """The token is in the page that said goodbye, and in no address."""
        reception.admit(LINK, request)
        return _act(forms.fields(request).get("token", ""), request, reception, only=Purpose.UNDO)

    yield Route(GRANT_PATH + "{token}", show, methods=["GET"])
    yield Route(GRANT_PATH + "{token}", act, methods=["POST"])
    yield Route(UNDO, undo, methods=["POST"])


def _show(request: Request, reception: Reception) -> Response:
    try:
        grant = _look(request.path_params["token"], reception)
    except LinkError as error:
        return _dead(request, reception, spent=error.spent)
    if grant.used and grant.purpose in ONCE:
        return _dead(request, reception, spent=True)
    return reception.page(f"link-{grant.purpose}", _language(grant, reception), facts=grant.facts)


def _act(token: str, request: Request, reception: Reception, only: Purpose | None = None) -> Response:
    try:
        grant = _look(token, reception)
        if only in (None, grant.purpose):
            return ACTS[grant.purpose](token, grant, request, reception)
    except LinkError as error:
        return _dead(request, reception, spent=error.spent)
    return _dead(request, reception, spent=False)


def _look(token: str, reception: Reception) -> Grant:
    """What the link is for; the token of an open page is none."""
    if len(token) != GRANT_LENGTH or not token.isascii():
        raise LinkError("this link is not complete")
    grant = subscriptions.look(token, reception.app)
    if grant.purpose not in ACTS:
        raise LinkError("this is no mailed link")
    return grant


def _language(grant: Grant, reception: Reception) -> Language:
    """The reader's: as they subscribed, or as they asked."""
    person = subscriptions.reader_of(grant, reception.app)
    return reception.pages.language(person.language if person else Language(grant.facts.get("language", "")))


def _dead(request: Request, reception: Reception, *, spent: bool) -> Response:
    """One page for every link that does nothing (any more), with the ways to a new one."""
    language = reception.pages.preferred(request.headers.get("accept-language", ""))
    return reception.page("link-dead", language, spent=spent, status=GONE if spent else NOT_FOUND)


def _confirm(token: str, _grant: Grant, _request: Request, reception: Reception) -> Response:
    person = subscriptions.confirm(token, reception.app).subscriber
    language = reception.pages.language(person.language)
    return reception.page("joined", language, audience=subscriptions.unmade(person.audience, language, reception.app))


def _open(token: str, grant: Grant, request: Request, reception: Reception) -> Response:
    person = subscriptions.reader_of(grant, reception.app)
    try:
        return open_for(token, person, reception)
    except LinkError:
        held = holder(request, reception)  # the second press of two finds them open
        if held is None or person is None or held.person.id != person.id:
            raise
        return reception.go(f"/{reception.pages.language(person.language)}/{PREFERENCES}")


def _move(token: str, _grant: Grant, _request: Request, reception: Reception) -> Response:
    moved = subscriptions.confirm_move(token, reception.app)
    return reception.page("moved", reception.pages.language(moved.subscriber.language), done=moved.done)


def _undo(token: str, _grant: Grant, _request: Request, reception: Reception) -> Response:
    person = subscriptions.undo(token, reception.app)
    return reception.page("returned", reception.pages.language(person.language))


def _export(token: str, _grant: Grant, _request: Request, reception: Reception) -> Response:
    return data_file(subscriptions.export(token, reception.app))


ACTS: Final[dict[Purpose, Callable[[str, Grant, Request, Reception], Response]]] = {
    Purpose.CONFIRM: _confirm,
    Purpose.PREFERENCES: _open,
    Purpose.MOVE_OLD: _move,
    Purpose.MOVE_NEW: _move,
    Purpose.UNDO: _undo,
    Purpose.EXPORT: _export,
}
