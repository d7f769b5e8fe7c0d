"""The laboratory: people, a released mailing in SQLite, the list that is frozen at release, and a running witness."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import insert

from newsletter.model import Address, Format, MailingId, Subscriber, SubscriberId
from newsletter.store import tables
from newsletter.store.database import Store
from tests.faults.verify import Person
from tests.support.ledger import compiled, released
from tests.support.samples import EN, FR

ROOT: Final = Path(__file__).resolve().parents[2]
DOMAINS: Final = 50
LETTER_WORDS: Final = "Every account that was opened in October was opened with a password that somebody knew. " * 8
WITNESS_SECONDS: Final = 10.0

# Unusual, and yet mailboxes that RFC 5321 section 4.1.2 allows: each must get its letter like everybody else.
ODD: Final = (
    "o'brien+lists-{n}@people.example",
    "!#$%&'*+-/=?^_`{{|}}~{n}@odd.example",
    "{n:a>64}@long-local-part.example",
    "Mixed.Case.{n}@people.example",
    "reader-{n}@xn--bcher-kva.example",
    "reader-{n}@" + "a" * 63 + "." + "b" * 63 + ".example",
    "_{n}_@a.b.c.d.e.f.example",
    "--{n}--@hyphens.example",
)
# What an old import may have left in a list: nobody can be reached there, and nobody else may suffer from it.
UNDELIVERABLE: Final = (
    "two words-{n}@people.example",
    "injected-{n}@people.example>\r\nRCPT TO:<stranger@people.example",
    "no-at-sign-{n}",
    "bell-{n}\a@people.example",
    "héloïse-{n}@people.example",
)
ODD_EVERY: Final = 100  # one odd address in so many


@dataclass(frozen=True, slots=True)
class Lab:
    """Where everything of one campaign is."""

    folder: Path
    mailing: MailingId

    @property
    def database(self) -> Path:
        """The ledger, a SQLite file."""
        return self.folder / "newsletter.db"

    @property
    def recipients(self) -> Path:
        """The list as it was at release."""
        return self.folder / "recipients.jsonl"

    @property
    def record(self) -> Path:
        """What the witness took."""
        return self.folder / "record.jsonl"

    @property
    def log(self) -> Path:
        """What a Postfix would have logged."""
        return self.folder / "mail.log"

    def open(self, *, busy_seconds: float = 10.0) -> Store:
        """The ledger, as one process uses it; to be closed by the caller."""
        return Store(f"sqlite:///{self.database}", folder=self.folder / "locks", busy_seconds=busy_seconds)


def build(folder: Path, *, subscribers: int, seed: int) -> Lab:
    """A mailing that is released to so many people, and the frozen list of them in a file."""
    people = make_people(subscribers, random.Random(f"{seed}|people"))
    now = datetime.now(UTC)
    lab = Lab(folder, MailingId(1))
    with closing(lab.open()) as store:
        store.upgrade()
        with store.begin() as tx:
            tx.execute(insert(tables.subscriber), [_row(one, now) for one, _ in people])
        mailing = released(store, compiled(EN, text=LETTER_WORDS), compiled(FR, text=LETTER_WORDS), at=now)
    with lab.recipients.open("w", encoding="utf-8") as file:
        for one, deliverable in people:
            person = Person(one.id, one.address.mailbox, deliverable)
            file.write(json.dumps(asdict(person)) + "\n")
    return Lab(folder, mailing.id)


def make_people(count: int, rng: random.Random) -> list[tuple[Subscriber, bool]]:
    """People with random numbers over many domains, and whether a letter can reach them at all."""
    numbers = rng.sample(range(1, 2**62), count)
    return [_person(position, number, rng) for position, number in enumerate(numbers)]


def _person(position: int, number: int, rng: random.Random) -> tuple[Subscriber, bool]:
    deliverable = True
    mailbox = f"reader-{position}@domain-{rng.randrange(DOMAINS)}.example"
    if position < len(UNDELIVERABLE):
        mailbox, deliverable = UNDELIVERABLE[position].format(n=position), False
    elif position % ODD_EVERY == 0 or position < len(UNDELIVERABLE) + len(ODD):
        mailbox = ODD[position % len(ODD)].format(n=position)
    subscriber = Subscriber(
        id=SubscriberId(number),
        address=Address(mailbox, mailbox),
        language=rng.choice((EN, FR)),
        format=rng.choice((Format.HTML, Format.HTML, Format.TEXT)),
    )
    return subscriber, deliverable


def _row(one: Subscriber, now: datetime) -> dict[str, object]:
    mailbox = one.address.mailbox
    return {
        "id": one.id,
        "mailbox": mailbox,
        "mailbox_key": mailbox.lower(),
        "typed": mailbox,
        "language": one.language,
        "audience": one.audience,
        "format": one.format,
        "state": one.state,
        "created": now,
        "changed": now,
    }


@contextmanager
def witness(record: Path, log: Path, *, seed: int, faults: Mapping[str, float]) -> Iterator[int]:
    """A running witness; its port. It is gone at the end of the block."""
    log.touch()
    command = [sys.executable, "-m", "tests.faults.witness", "--record", str(record), "--log", str(log)]
    script = ["--seed", str(seed), "--faults", ",".join(f"{name}={chance}" for name, chance in faults.items())]
    process = subprocess.Popen([*command, *script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=WITNESS_SECONDS)
