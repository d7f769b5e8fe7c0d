"""Where a month stands: for people, for machines, and for the question before a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.model import DeliveryState, MailingState, SubscriberState
from newsletter.pipeline import OUT, current
from newsletter.store import deliveries, mailings, subscribers

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.model import Mailing, Month


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a month stands: its mailing, its letters by state, the sources that failed when it was prepared."""

    mailing: Mailing
    letters: dict[DeliveryState, int]
    failures: tuple[str, ...]

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
            "released": self.mailing.released.isoformat() if self.mailing.released else None,
            "failures": list(self.failures),
            **{state.value: count for state, count in self.letters.items()},
        }


def of(month: Month, app: App) -> Standing:
    """Where a month stands; ConflictError when nothing was prepared."""
    mailing = current(month, app)
    with app.store.read() as tx:
        return Standing(mailing, deliveries.tally(tx, mailing.id), mailings.failures(tx, mailing.id))


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
