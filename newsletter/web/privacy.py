"""The privacy notice: its facts come from settings, portals, and the constants that the program itself obeys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.model import Purpose, Scope, Wish
from newsletter.subscriptions.intake import DAY, HELD_FOR, HOUR, MAIL_LIMITS
from newsletter.subscriptions.links import KEPT_AFTER, LIVES
from newsletter.subscriptions.portals import every
from newsletter.subscriptions.tending import NOTICES_KEPT
from newsletter.web.reception import PRIVACY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from newsletter.model import Language
    from newsletter.web.reception import Reception


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things are kept, in days unless the name says otherwise."""

    waiting: int = HELD_FOR.days
    confirm: int = LIVES[Purpose.CONFIRM].days
    link_hours: int = int(LIVES[Purpose.PREFERENCES].total_seconds()) // HOUR
    session_hours: int = int(LIVES[Purpose.SESSION].total_seconds()) // HOUR
    used_links: int = KEPT_AFTER.days
    notices: int = NOTICES_KEPT.days
    counters: int = max(seconds for _, seconds in MAIL_LIMITS[Wish.JOIN]) // DAY


def routes(reception: Reception) -> Iterator[Route]:
    """The notice in every language."""
    yield from reception.in_every_language(PRIVACY, _show)


def _show(_request: Request, reception: Reception, language: Language) -> Response:
    rules, publication = reception.app.settings.subscribers, reception.pages.publication
    return reception.page(
        "privacy",
        language,
        tail=PRIVACY,
        controller=rules.controller or publication.organisation,
        data_protection=rules.data_protection,
        terms=Terms(),
        portals=[one.name for one in every(reception.app) if one.revoked is None and Scope.MANAGE in one.scopes],
    )
