"""All pages of people: to join, to choose, what mailed links open, and what we say about their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.web import links, preferences, privacy, subscribe

if TYPE_CHECKING:
    from starlette.routing import Route

    from newsletter.web.reception import Reception


def routes(reception: Reception) -> list[Route]:
    """Their routes; none of them is the archive's."""
    return [route for part in (subscribe, preferences, links, privacy) for route in part.routes(reception)]
