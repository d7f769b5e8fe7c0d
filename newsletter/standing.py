"""Where a month stands: for people, for machines, and for the question before a release."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from newsletter.deliver.dispatch import Uncertain
from newsletter.deliver.uncertain import how_resolved
from newsletter.model import DeliveryState, MailingState, SubscriberState
from newsletter.pipeline import OUT, current
from newsletter.store import deliveries, mailings, subscribers

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.app import App
    from newsletter.model import DeliveryRecord, Mailing, Month


@dataclass(frozen=True, slots=True)
class Unsure:
    """A letter of which nobody knows whether the relay has it, and what will tell."""

    delivery: str
    state: DeliveryState
    since: datetime
    resolved_by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a month stands: its mailing, its letters by state, the sources that failed when it was prepared.

    ``uncertain`` names letters that are held or under way, at most ``deliveries.MAX_SHOWN``.
    """

    mailing: Mailing
    letters: dict[DeliveryState, int]
    failures: tuple[str, ...]
    uncertain: tuple[Unsure, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether every letter has come to an end."""
        return self.mailing.state is MailingState.SENT

    def as_dict(self) -> dict[str, object]:
        """For machines: the edition's digest, the state, and a count for each delivery state by its name."""
        return {
            "month": str(self.mailing.month),
            "edition": self.mailing.digest,
            "state": self.mailing.state.value,
            "approved_by": self.mailing.approved_by,
            "forced": asdict(self.mailing.forced) if self.mailing.forced else None,
            "released": self.mailing.released.isoformat() if self.mailing.released else None,
            "paused": self.mailing.paused.isoformat() if self.mailing.paused else None,
            "failures": list(self.failures),
            "uncertain": [
                {
                    "delivery": one.delivery,
                    "state": one.state.value,
                    "since": one.since.isoformat(),
                    "resolved_by": one.resolved_by,
                }
                for one in self.uncertain
            ],
            **{state.value: count for state, count in self.letters.items()},
        }


def of(month: Month, app: App) -> Standing:
    """Where a month stands; ConflictError when nothing was prepared."""
    mailing = current(month, app)
    with app.store.read() as tx:
        return Standing(
            mailing,
            deliveries.tally(tx, mailing.id),
            mailings.failures(tx, mailing.id),
            tuple(_unsure(record, mailing, app) for record in deliveries.unsure(tx, mailing.id)),
        )


def _unsure(record: DeliveryRecord, mailing: Mailing, app: App) -> Unsure:
    if record.state is DeliveryState.HELD:
        return Unsure(record.id, record.state, record.changed, f"newsletter settle {mailing.month} ({record.reason})")
    rule = Uncertain(app.settings.delivery.uncertain)
    return Unsure(record.id, record.state, record.changed, f"under way, or else {how_resolved(rule)}")


def every(app: App) -> tuple[Standing, ...]:
    """Every month that was prepared, oldest first."""
    with app.store.read() as tx:
        months = [mailing.month for mailing in mailings.every(tx)]
    return tuple(of(month, app) for month in months)


def letters_to_send(mailing: Mailing, app: App) -> int:
    """How many people a ``send`` would write to now: those still waiting, or every active subscriber."""
    with app.store.read() as tx:
        if mailing.state in OUT:
            letters = deliveries.tally(tx, mailing.id)
            return letters[DeliveryState.PENDING] + letters[DeliveryState.DEFERRED]
        return subscribers.count_by_state(tx)[SubscriberState.ACTIVE]
