"""What every part of one delivery run shares: what is sent how, how far it is, and when to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from newsletter.deliver.letters import letter as letter_bytes
from newsletter.model import DeliveryState

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from structlog.typing import FilteringBoundLogger

    from newsletter.deliver.dispatch import Dispatch
    from newsletter.deliver.lanes import Lanes
    from newsletter.deliver.letters import Desk, Form, Personal, Signature
    from newsletter.deliver.signing import FormKey, Forms
    from newsletter.deliver.smtp import Envelope, Reply
    from newsletter.model import Language, Letter, Mailing, Mark, SubscriberId

log = structlog.get_logger(__name__)

MAX_DOMAINS: Final = 1_000  # of which replies are counted by themselves
OTHERS: Final = "(others)"

Clock: TypeAlias = Callable[[], datetime]
Trace: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """What this run did so far: of ``total`` letters that were due at its beginning.

    ``postponed`` letters wait for their lane, ``uncertain`` ones for the relay's records or a person. ``domains``
    counts states by destination domain.
    """

    total: int
    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    dropped: int = 0
    postponed: int = 0
    uncertain: int = 0
    signed: int = 0
    domains: Mapping[str, Mapping[str, int]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def done(self) -> int:
        """How many letters this run is done with."""
        return self.accepted + self.refused + self.deferred + self.dropped + self.postponed + self.uncertain


Progress: TypeAlias = Callable[[Tally], None]


COUNTED: Final = ("accepted", "refused", "deferred", "dropped", "postponed", "uncertain", "signed")


class Count:
    """The tally as it grows; whoever watches is told after every letter."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._counts = dict.fromkeys(COUNTED, 0)
        self._domains: dict[str, Counter[str]] = {}
        self._progress = progress

    @property
    def tally(self) -> Tally:
        """How it stands."""
        return Tally(self._total, **self._counts, domains=self._domains)

    def add(self, name: str, domain: str = "") -> None:
        """One letter more that came to this (a field of ``Tally``)."""
        self._counts[name] += 1
        if domain:
            known = self._domains.get(domain)
            if known is None:
                name_of = domain if len(self._domains) < MAX_DOMAINS else OTHERS
                known = self._domains.setdefault(name_of, Counter())
            known[name] += 1
        self._progress(self.tally)

    def sign(self, letters: int) -> None:
        """So many more are signed."""
        self._counts["signed"] += letters
        self._progress(self.tally)


@dataclass(slots=True)
class Ready:
    """A letter that may be offered to the relay: everything about it but the permit."""

    letter: Letter
    envelope: Envelope
    form: Form
    personal: Personal
    signature: Signature
    domain: str
    made: bytes = field(default=b"", repr=False)

    @property
    def id(self) -> str:
        """As logs name it."""
        return f"{self.letter.mailing}.{self.personal.subscriber}"

    @property
    def size(self) -> int:
        """How many bytes ``text`` has."""
        return len(self.text())

    def text(self) -> bytes:
        """The bytes for the wire, before the final dot; put together when somebody first asks."""
        self.made = self.made or letter_bytes(self.form, self.personal, self.signature)
        return self.made


@dataclass(slots=True)
class Run:
    """One run over a mailing. ``failure`` is what ended it early: no further letter is begun then."""

    mailing: Mailing
    dispatch: Dispatch
    forms: Forms
    desk: Desk
    first_language: Language
    lanes: Lanes
    count: Count
    clock: Clock
    rng: random.Random
    stop: Callable[[], bool]
    trace: Trace
    is_alone: Callable[[], bool] = lambda: True  # whether nobody else can be delivering, asked for every batch
    log: FilteringBoundLogger = field(default_factory=log.bind)  # bound once: what is not shown costs next to nothing
    failure: Exception | None = None
    connections: int = 0  # that are open
    refused: list[SubscriberId] = field(default_factory=list)  # by the relay, since it last accepted a letter
    lost: int = 0  # letters that are uncertain, since it last accepted one
    halted: bool = False  # an operator paused or cancelled the mailing
    again: bool = False  # a letter has to be made anew, so there is another pass

    @property
    def released(self) -> datetime:
        """Since when the letters are on their way."""
        return self.desk.date

    def is_over(self) -> bool:
        """Whether no further letter may be begun."""
        return self.failure is not None or self.halted or self.stop()

    def form_key(self, letter: Letter) -> FormKey | None:
        """Which form of the edition this reader gets; None when there is none for their audience."""
        person = letter.subscriber
        return self.forms.key(person.audience, person.language, person.format, self.first_language)

    def has_edition(self, audience: str) -> bool:
        """Whether there is anything to read for this audience."""
        return any(one == audience for one, _ in self.forms.variants)

    def note(self, mark: Mark, domain: str, reply: Reply | None = None) -> None:
        """Count it and log it, by numbers and never by address."""
        self.count.add(mark.state.value, domain)
        say = self.log.debug if mark.state is DeliveryState.ACCEPTED else self.log.info
        facts = {"code": reply.code, "enhanced": reply.enhanced} if reply else {"reason": mark.reason}
        say("letter", delivery=f"{self.mailing.id}.{mark.subscriber}", state=mark.state.value, **facts)
