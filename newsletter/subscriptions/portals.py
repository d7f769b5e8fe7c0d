"""An organisation's own portal: its token, how often it may ask, and whom it names.

The token leaves once, on the operator's terminal; we keep its hash. A name is never used again, since it stands in the
evidence of those who subscribed there.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from newsletter.errors import TooManyError, UsageError
from newsletter.keys import grant_digest, network_hash
from newsletter.model import Portal, Scope
from newsletter.store import buckets, portals, subscribers
from newsletter.store.buckets import Limit
from newsletter.subscriptions.intake import HOUR, ask

if TYPE_CHECKING:
    from collections.abc import Collection

    from newsletter.app import App
    from newsletter.model import Address, Subscriber
    from newsletter.subscriptions.intake import Asked

MAX_NAME: Final = 40
NAME: Final = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{MAX_NAME - 2}}}[a-z0-9])?", re.ASCII)
TOKEN_BYTES: Final = 33  # 44 characters of base64, without padding
PREFIX: Final = "nlp_"  # so that whoever searches for lost secrets finds it
TOKEN: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{44}}", re.ASCII)


def register(name: str, scopes: Collection[Scope], app: App) -> str:
    """Let a portal in; returns its token, which is kept nowhere. UsageError for a name that cannot be used."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a portal; write at most {MAX_NAME} of a-z, 0-9 and hyphens: intranet")
    if not scopes:
        raise UsageError(f"say what the portal may do, with --scope: {', '.join(Scope)}")
    token = PREFIX + urlsafe_b64encode(app.chance.getrandbits(8 * TOKEN_BYTES).to_bytes(TOKEN_BYTES, "big")).decode()
    portal = Portal(name=name, scopes=tuple(scope for scope in Scope if scope in scopes), created=app.clock())
    with app.store.begin() as tx:
        if not portals.add(tx, portal, grant_digest(token)):
            raise UsageError(f"there is, or was, a portal {name!r}; a name is not used twice: choose another one")
    return token


def revoke(name: str, app: App) -> bool:
    """Let a portal in no more; False when it was revoked before. UsageError when there is none."""
    with app.store.begin() as tx:
        if portals.revoke(tx, name, app.clock()):
            return True
        if name not in (portal.name for portal in portals.every(tx)):
            raise UsageError(f"there is no portal {name!r}; see: newsletter portals list")
    return False


def every(app: App) -> tuple[Portal, ...]:
    """All portals, the revoked ones too."""
    with app.store.read() as tx:
        return portals.every(tx)


def holder(token: str, app: App) -> Portal | None:
    """Whose token this is; None when it is nobody's, or not any more."""
    if not TOKEN.fullmatch(token):
        return None
    with app.store.read() as tx:
        found = portals.find(tx, grant_digest(token))
    return found if found and found.revoked is None else None


def ask_for(portal: Portal, asked: Asked, app: App) -> None:
    """Keep what somebody asked for there, as ``ask`` does, within the portal's own limit. TooManyError beyond it."""
    ask(asked, app, network=_network(portal), per_hour=app.settings.subscribers.per_portal_hour)


def person_named(portal: Portal, address: Address, app: App) -> Subscriber | None:
    """Whoever has this address, whatever their state.

    Counted, so that a token that was lost does not give the whole list away in an hour. TooManyError beyond the limit.
    """
    limit = Limit(app.settings.subscribers.per_portal_hour, HOUR)
    key = f"look/{network_hash(app.keys, _network(portal))}"
    with app.store.begin() as tx:
        if wait := buckets.take(tx, key, limit, app.clock()):
            raise TooManyError("this portal asked too often", seconds=round(wait))
        return subscribers.find(tx, address.mailbox)


def _network(portal: Portal) -> str:
    return f"portal/{portal.name}"
