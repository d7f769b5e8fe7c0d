"""How letters leave: everything about it that an operator decides, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from newsletter.deliver.dkim import DkimSigner

if TYPE_CHECKING:
    from newsletter.deliver.lanes import LaneRule
    from newsletter.deliver.postfix import PostfixRecords
    from newsletter.deliver.relay import Relay
    from newsletter.deliver.smime import SmimeSigner

LOWEST_RATE: Final = 0.2  # letters a second to a domain that keeps saying "later": one every five seconds


class Uncertain(StrEnum):
    """What becomes of a letter of which nobody knows whether the relay has it.

    ``hold``: it waits for a person. ``ask``: the relay's own records tell; where they cannot, it waits for a person.
    ``again``: it is sent again, and the reader may have it twice, with the same Message-ID.
    """

    HOLD = "hold"
    ASK = "ask"
    AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a letter that was not taken is tried again: after ``first``, then twice as long each time up to ``longest``.

    It is given up when it is older than ``give_up_after``, since what comes later is no news any more; but not before
    ``min_attempts``, since our own relay may have been away for days.
    """

    first: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=4)
    give_up_after: timedelta = timedelta(days=3)
    min_attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Who signs, and when.

    ``ahead``: every signature is made and stored before the first letter leaves; otherwise they are made just before.
    ``workers`` processes make them, since an RSA signature costs more than everything else together.
    """

    dkim: DkimSigner = field(default_factory=lambda: DkimSigner(()))
    smime: SmimeSigner | None = None
    ahead: bool = False
    workers: int = 2

    def __bool__(self) -> bool:
        """Whether anything is signed at all."""
        return bool(self.dkim.keys) or self.smime is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """How the letters of a mailing leave.

    ``relays`` share the ``connections`` in turn. ``return_path`` is the address that bounces go to; with ``verp`` it
    carries a token of the letter behind a ``+``. ``postfix`` is where our relay tells what it took, for ``uncertain``
    ``ask``; ``settle_seconds`` how long after a connection was lost the relay may still be taking its letter.
    """

    relays: tuple[Relay, ...]
    return_path: str
    connections: int = 32
    verp: bool = True
    signing: Signing = field(default_factory=Signing)
    uncertain: Uncertain = Uncertain.HOLD
    postfix: PostfixRecords | None = None
    settle_seconds: float = 30.0
    retry: Retry = field(default_factory=Retry)
    lanes: tuple[LaneRule, ...] = ()
    lowest_rate: float = LOWEST_RATE
