"""What the ledger claims, compared with what the witness wrote down."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Final

from newsletter.deliver import uncertain
from newsletter.model import DeliveryState
from newsletter.store import deliveries
from tests.faults.lab import Lab
from tests.faults.verify import Record, read_people

OPEN: Final = (DeliveryState.PENDING, DeliveryState.INTENT, DeliveryState.DEFERRED)


@dataclass(frozen=True, slots=True)
class Claims:
    """In how many rows the ledger says something else than the witness. All 0 is right.

    ``unnamed`` are held rows that the operator's status does not name.
    """

    accepted_but_not_taken: int
    taken_but_not_accepted: int
    refused_but_not_by_the_relay: int
    refused_by_the_relay_only: int
    dropped: int
    undecided: int
    unnamed: int

    @property
    def wrong(self) -> dict[str, int]:
        """What is not as it should be."""
        return {name: count for name, count in asdict(self).items() if count}


def read_states(lab: Lab) -> dict[int, DeliveryState]:
    """The state of every row by its subscriber, past the product's own code and without changing the database."""
    with closing(sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)) as database:
        wanted = "SELECT subscriber_id, state FROM delivery WHERE mailing_id = ?"
        return {number: DeliveryState(state) for number, state in database.execute(wanted, (lab.mailing,))}


def is_over(lab: Lab) -> bool:
    """Whether no row waits for anything but a person."""
    with closing(sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)) as database:
        wanted = "SELECT 1 FROM delivery WHERE mailing_id = ? AND state IN ('pending', 'deferred') LIMIT 1"
        is_due = database.execute(wanted, (lab.mailing,)).fetchone() is not None
    return not is_due and not intents(lab)


def intents(lab: Lab) -> frozenset[tuple[int, str]]:
    """Whose rows are in ``intent``, and since when."""
    with closing(sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)) as database:
        # The first condition is that of an index, the second what is asked.
        wanted = (
            "SELECT subscriber_id, changed FROM delivery "
            "WHERE mailing_id = ? AND state IN ('intent', 'held') AND state = ?"
        )
        return frozenset(database.execute(wanted, (lab.mailing, DeliveryState.INTENT.value)))


def resolved_as_taken(lab: Lab) -> frozenset[int]:
    """Whose letters the relay's own records showed to be taken."""
    with closing(sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)) as database:
        wanted = "SELECT subscriber_id FROM delivery WHERE mailing_id = ? AND reply = ?"
        return frozenset(number for (number,) in database.execute(wanted, (lab.mailing, uncertain.TAKEN)))


def named_as_held(lab: Lab) -> frozenset[int]:
    """Whom the operator's status names as held: by the product's own query, without a limit."""
    with closing(lab.open()) as store, store.read() as tx:
        rows = deliveries.unsure(tx, lab.mailing, None)
    return frozenset(row.subscriber for row in rows if row.state is DeliveryState.HELD)


def compare(lab: Lab, record: Record, states: Mapping[int, DeliveryState], held: frozenset[int]) -> Claims:
    """Every row against the record. A held letter may have been taken: that nobody knows it is why it is held."""
    people = {person.subscriber: person for person in read_people(lab.recipients)}
    taken = {letter.recipient for letter in record.letters}

    found = dict.fromkeys(Claims.__dataclass_fields__, 0)
    for number, person in people.items():
        state = states[number]
        has_it = person.mailbox in taken
        will_not = person.mailbox in record.refused or not person.deliverable
        found["accepted_but_not_taken"] += state is DeliveryState.ACCEPTED and not has_it
        found["taken_but_not_accepted"] += has_it and state not in (DeliveryState.ACCEPTED, DeliveryState.HELD)
        found["refused_but_not_by_the_relay"] += state is DeliveryState.REFUSED and not will_not
        found["refused_by_the_relay_only"] += will_not and state is not DeliveryState.REFUSED
        found["dropped"] += state is DeliveryState.DROPPED
        found["undecided"] += state in OPEN
        found["unnamed"] += state is DeliveryState.HELD and number not in held
    return Claims(**found)
