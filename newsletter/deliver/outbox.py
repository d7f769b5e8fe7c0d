"""Notices: small mails of ours, each once by its key, one after the other."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import structlog

from newsletter.deliver.message import compile_notice
from newsletter.deliver.replies import backoff
from newsletter.deliver.smtp import Reply, Session
from newsletter.errors import ConfigError
from newsletter.store import notices

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from newsletter.deliver.dispatch import Dispatch
    from newsletter.deliver.run import Clock
    from newsletter.model import Notice, NoticeText, Publication
    from newsletter.store.database import Store

log = structlog.get_logger(__name__)

NOTICE_LOCK: Final = "notices"
SILENT: Final = "not tried: nothing is sent to this address"


def send_notices(
    store: Store,
    dispatch: Dispatch,
    *,
    publication: Publication,
    write: Callable[[Notice], NoticeText],
    silent: Callable[[Notice], bool] = lambda _: False,
    clock: Clock,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Send the notices that are due; those that are too old expire unsent. Returns how many the relay took.

    ``write`` makes a notice's text at the moment at which it leaves, and ``silent`` tells whether nothing may go to its
    recipient (any more): it may have waited for hours since somebody decided that it leaves. Nobody knocks at the relay
    when nothing is due.

    Raises:
        ConflictError: another process is at it.
        DeliveryError: the relay cannot be used; the notices stay due.
    """
    with store.read() as tx:
        if not notices.is_busy(tx, clock()):
            return 0
    taken = 0
    with store.lock(NOTICE_LOCK):
        with store.begin() as tx:
            expired = notices.expire(tx, clock())
            due = notices.due(tx, clock())
        if expired:
            log.warning("notices expired unsent", count=expired)
        if not due:
            return 0
        with Session(dispatch.relays[0]) as session:
            while due and not stop():
                for notice in due:
                    if stop():
                        break
                    taken += _send_notice(
                        store,
                        session,
                        notice,
                        write,
                        silent,
                        publication=publication,
                        dispatch=dispatch,
                        now=clock(),
                    )
                with store.read() as tx:
                    due = notices.due(tx, clock())
    return taken


def _send_notice(
    store: Store,
    session: Session,
    notice: Notice,
    write: Callable[[Notice], NoticeText],
    silent: Callable[[Notice], bool],
    *,
    publication: Publication,
    dispatch: Dispatch,
    now: datetime,
) -> bool:
    """One notice to its end; True when the relay took it."""
    if silent(notice):
        with store.begin() as tx:
            notices.failed(tx, notice.key, SILENT, None, now)
        log.info("a notice to a suppressed address was not sent", kind=notice.kind)
        return False
    name = sha256(notice.key.encode()).hexdigest()  # deterministic, and the key names an editor
    sender = publication.from_address
    try:
        message = compile_notice(
            write(notice),
            publication,
            recipient=notice.recipient,
            date=notice.created,
            message_id=f"<notice.{name[:32]}@{sender.rpartition('@')[2]}>",
        )
    except ValueError as error:
        reply = Reply(553, "5.1.3", f"5.1.3 not tried: {error}")
    except ConfigError as error:  # a template of the site: when it is mended, the notice leaves
        log.error("a notice cannot be written", kind=notice.kind, reason=str(error))  # noqa: TRY400 -- it says it all
        reply = Reply(451, "4.3.5", f"4.3.5 not tried: {error}")
    else:
        reply = session.send(dispatch.return_path, notice.recipient, message)
    with store.begin() as tx:
        if reply.accepted:
            notices.sent(tx, notice.key, now)
        else:
            again = now + backoff(notices.attempts(tx, notice.key) + 1, dispatch.retry) if reply.transient else None
            notices.failed(tx, notice.key, str(reply), again, now)
    log.info("notice", name=name[:12], accepted=reply.accepted, code=reply.code, enhanced=reply.enhanced)
    return reply.accepted
