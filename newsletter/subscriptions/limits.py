"""How often one network may press the buttons of our pages. Forms that cause mail have a second limit (``intake``)."""

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
SEND: Final = "send"
POSTS: Final = {
    # A large mail provider presses for all of its users at once (RFC 8058): it must not be kept from it.
    LEAVE: Limit(10_000, HOUR),
    LINK: Limit(120, HOUR),
    CHOOSE: Limit(240, HOUR),
    # Whatever is in it: a form that has to be sent again, or that a program filled in, costs us a page as well.
    SEND: Limit(120, HOUR),
}
AGAIN: Final = 2  # how often a form may be sent for each one that is kept, where a site lets a network keep many


def admit(kind: str, app: App, *, network: str) -> None:
    """Let one more pass. TooManyError when too many of this kind came from that network."""
    limit = POSTS[kind]
    if kind == SEND:
        limit = Limit(max(limit.size, AGAIN * app.settings.subscribers.per_network_hour), limit.seconds)
    with app.store.begin() as tx:
        if wait := buckets.take(tx, f"post/{kind}/{network_hash(app.keys, network)}", limit, app.clock()):
            raise TooManyError("too many requests came from your network", seconds=round(wait))
