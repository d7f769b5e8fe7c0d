"""How often one network may press the buttons of our pages. Forms that cause mail have their own limit (``intake``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.errors import TooManyError
from newsletter.keys import network_hash
from newsletter.store import buckets
from newsletter.store.buckets import Limit
from newsletter.subscriptions.intake import HOUR

if TYPE_CHECKING:
    from newsletter.app import App

LEAVE: Final = "leave"
LINK: Final = "link"
CHOOSE: Final = "choose"
POSTS: Final = {
    # A large mail provider presses for all of its users at once (RFC 8058): it must not be kept from it.
    LEAVE: Limit(10_000, HOUR),
    LINK: Limit(120, HOUR),
    CHOOSE: Limit(240, HOUR),
}


def admit(kind: str, app: App, *, network: str) -> None:
    """Let one more pass. TooManyError when too many of this kind came from that network."""
    with app.store.begin() as tx:
        if wait := buckets.take(tx, f"post/{kind}/{network_hash(app.keys, network)}", POSTS[kind], app.clock()):
            raise TooManyError("too many requests came from your network", seconds=round(wait))
