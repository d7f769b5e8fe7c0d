"""Rights that a mailed link gives. The token leaves with the mail; we keep its hash, what it is for, its end."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from newsletter.errors import LinkError
from newsletter.keys import GRANT_BYTES, GRANT_LENGTH, grant_digest, grant_nonce, grant_token
from newsletter.model import Grant, Notice, Purpose
from newsletter.render.notices import facts_of
from newsletter.store import grants, notices, subscribers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Language, Subscriber, SubscriberId

LIVES: Final = {
    Purpose.CONFIRM: timedelta(days=7),
    Purpose.PREFERENCES: timedelta(hours=24),
    Purpose.MOVE_OLD: timedelta(hours=24),
    Purpose.MOVE_NEW: timedelta(hours=24),
    Purpose.UNDO: timedelta(days=7),
    Purpose.EXPORT: timedelta(hours=24),
    Purpose.SESSION: timedelta(hours=1),
}
KEPT_AFTER: Final = timedelta(days=1)  # so long a used or old link can still say what it was


def post_link(
    tx: Connection,
    app: App,
    kind: str,
    purpose: Purpose,
    *,
    recipient: str,
    language: Language,
    facts: Mapping[str, Any],
    subscriber: SubscriberId | None = None,
    about: str = "",
    grant_facts: Mapping[str, Any] | None = None,
) -> None:
    """Put a notice into the outbox whose link gives a right; both in the caller's transaction."""
    now = app.clock()
    nonce = grant_nonce(app.keys, app.chance.getrandbits(128))
    until = now + LIVES[purpose]
    grants.add(
        tx,
        Grant(
            digest=grant_digest(grant_token(app.keys, nonce)),
            purpose=purpose,
            created=now,
            expires=until,
            subscriber=subscriber,
            about=about,
            facts=dict(grant_facts or {}),
        ),
    )
    notices.post(
        tx,
        Notice(
            key=f"{kind}/{nonce}",
            recipient=recipient,
            kind=kind,
            language=language,
            created=now,
            expires=until,
            facts=facts_of({**facts, "until": app.local(until)}),
            nonce=nonce,
        ),
    )


def hand_out(
    tx: Connection,
    app: App,
    purpose: Purpose,
    *,
    subscriber: SubscriberId,
    facts: Mapping[str, Any] | None = None,
    about: str = "",
) -> str:
    """Give a right to whoever looks at the page now; returns the token, which is kept nowhere."""
    token = urlsafe_b64encode(app.chance.getrandbits(8 * GRANT_BYTES).to_bytes(GRANT_BYTES, "big")).decode()
    now = app.clock()
    grants.add(
        tx,
        Grant(
            digest=grant_digest(token),
            purpose=purpose,
            created=now,
            expires=now + LIVES[purpose],
            subscriber=subscriber,
            about=about,
            facts=dict(facts or {}),
        ),
    )
    return token


def look(token: str, app: App) -> Grant:
    """What a link is for; changes nothing. It may be used already: then ``used`` is set.

    Raises:
        LinkError: we did not make it, or it is over (then ``spent``).
    """
    with app.store.read() as tx:
        return find(tx, token, app.clock())


def find(tx: Connection, token: str, now: datetime, *purposes: Purpose) -> Grant:
    """The right behind a token, for one of these purposes where some are named. LinkError as ``look``."""
    found = grants.get(tx, grant_digest(token)) if len(token) == GRANT_LENGTH else None
    if found is None or (purposes and found.purpose not in purposes):
        raise LinkError("this link was not made by us, or it was used long ago")
    if found.expires <= now:
        raise LinkError("this link is too old", spent=True)
    return found


def reader_of(grant: Grant, app: App) -> Subscriber | None:
    """Whose right it is; None for one that hangs on an address alone, as a confirmation does."""
    if grant.subscriber is None:
        return None
    with app.store.read() as tx:
        return subscribers.get(tx, grant.subscriber)
