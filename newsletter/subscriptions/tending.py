"""What time does: sign-ups are decided, pauses and audiences end, and what is over is forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from newsletter.model import PUBLIC, Admission
from newsletter.store import buckets, grants, meta, notices, signups, subscribers
from newsletter.subscriptions import intake
from newsletter.subscriptions.links import KEPT_AFTER

if TYPE_CHECKING:
    from newsletter.app import App

LOCK: Final = "signups"
TIDIED: Final = "subscriptions-tidied"
EVERY: Final = timedelta(hours=1)
NOTICES_KEPT: Final = timedelta(days=400)  # the keys of reminders keep them from coming twice


def tend(app: App) -> int:
    """Do all of it; returns how many sign-ups were decided. BusyError when another process is at it."""
    with app.store.lock(LOCK):
        decided = intake.decide_all(app)
        intake.alarm(app)
        if _is_time(app):
            _end_audiences(app)
            _forget(app)
    return decided


def _is_time(app: App) -> bool:
    """Once an hour is enough for what is measured in days."""
    with app.store.read() as tx:
        last = meta.get(tx, TIDIED)
    return last is None or not timedelta(0) <= app.clock() - datetime.fromisoformat(last) < EVERY


def _end_audiences(app: App) -> None:
    """Whose domain does not open their audience any more reads what is public."""
    with app.store.read() as tx:
        people = subscribers.in_audiences(tx, Admission.DOMAIN)
    gone = [
        person
        for person in people
        if (rule := app.audiences.get(person.audience)) is None or not rule.covers(person.address.domain)
    ]
    if gone:
        with app.store.begin() as tx:
            for person in gone:
                now = subscribers.hold(tx, person.id)
                if now and (now.audience, now.admission) == (person.audience, person.admission):
                    subscribers.change(tx, person.id, app.clock(), audience=PUBLIC, admission=Admission.OPEN)


def _forget(app: App) -> None:
    now = app.clock()
    with app.store.begin() as tx:
        subscribers.resume(tx, now)
        grants.forget(tx, now - KEPT_AFTER)
        aged = signups.forget(tx, now - intake.HELD_FOR)
        buckets.forget(tx, now)
        notices.forget(tx, now - NOTICES_KEPT)
        meta.put(tx, TIDIED, now.isoformat(), now)
    app.store.empty_log()
    intake.tell_aged(aged)
