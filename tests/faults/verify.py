"""Who got what, judged from two files alone: the list that was frozen at release, and the witness's record.

    python -m tests.faults.verify --recipients FILE --record FILE [--held FILE] [--rule ask|hold|again]

It never sees the ledger: what the ledger claims is compared with this afterwards (tests/faults/claims.py).

``--recipients`` holds a JSON line for each person: {"subscriber": 17, "mailbox": "...", "deliverable": true}; who is
not deliverable must get nothing. ``--held`` holds the numbers of the subscribers whom the operator's status names as
held, one a line. The last line of the output is one JSON object; exit code 1 when anything is wrong under the rule.
"""

# ruff: noqa: T201 -- its output is its result

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from newsletter.errors import LinkError
from newsletter.keys import LinkKeys, message_id, read_return_token, read_unsubscribe_token
from newsletter.model import SubscriberId

KEYS: Final = LinkKeys(1, {1: b"the lab's own secret, 32 bytes.."})
RULES: Final = ("ask", "hold", "again")
MAX_SHOWN: Final = 5
RETURN_TOKEN: Final = re.compile(r"[a-z2-7]{40}")
MESSAGE_ID: Final = re.compile(r"<(?P<mailing>[^<>@]+)\.[0-9a-f]{32}@(?P<domain>[^<>@]+)>")
ANY_DAY: Final = date(2020, 1, 1)  # before every last day: whether a return path is too old is not the question here


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the frozen list."""

    subscriber: SubscriberId
    mailbox: str
    deliverable: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """One letter that the witness took. ``opened`` is when its connection began, in monotonic seconds."""

    recipient: str
    sender: str
    message_id: str
    token: str
    to: str
    sha256: str
    opened: float


@dataclass(frozen=True, slots=True)
class Record:
    """What the witness wrote down: letters, recipients that it refused for good, how often it made each fault."""

    letters: tuple[Taken, ...]
    refused: frozenset[str]
    faults: dict[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Subscribers (strangers: nothing but their count) by what is wrong with what they got."""

    people: int
    got_it: int
    refused: int
    held: int
    held_had_it: int
    copies_too_many: int
    strangers: int
    twice: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    undeliverable: tuple[int, ...] = ()  # they got one all the same
    refused_and_taken: tuple[int, ...] = ()
    wrong_token: tuple[int, ...] = ()
    wrong_message_id: tuple[int, ...] = ()
    wrong_sender: tuple[int, ...] = ()
    wrong_to: tuple[int, ...] = ()
    copies_differ: tuple[int, ...] = ()  # a repeated letter must be the same one, byte for byte
    faults: dict[str, int] = field(default_factory=dict)

    def problems(self, rule: str) -> dict[str, int]:
        """What is wrong under this rule, with how many: only 'again' may repeat letters, only 'hold' may hold."""
        found = {name: len(value) for name, value in asdict(self).items() if isinstance(value, tuple) and value}
        if rule == "again":
            found.pop("twice", None)
        if rule != "hold" and self.held:
            found["held"] = self.held
        if self.strangers:
            found["strangers"] = self.strangers
        return found


def read_people(path: Path) -> tuple[Person, ...]:
    """The frozen list."""
    return tuple(Person(**line) for line in _lines(path))


def read_record(path: Path) -> Record:
    """What a witness wrote."""
    letters, refused, faults = [], set(), defaultdict(int)
    names = set(Taken.__dataclass_fields__)
    for line in _lines(path):
        if "taken" in line:
            letters.append(Taken(**{name: line[name] for name in names}))
        else:
            faults[line["fault"]] += 1
            if line["fault"] == "5xx":
                refused.add(line["recipient"])
    return Record(tuple(letters), frozenset(refused), dict(faults))


def judge(people: tuple[Person, ...], record: Record, held: frozenset[int] = frozenset()) -> Verdict:
    """The whole judgement: multisets compared, and every letter against the person that it went to."""
    letters = defaultdict(list)
    for letter in record.letters:
        letters[letter.recipient].append(letter)
    known = {person.mailbox for person in people}

    def who(wrong: Callable[[Person, list[Taken]], bool]) -> tuple[int, ...]:
        return tuple(person.subscriber for person in people if wrong(person, letters.get(person.mailbox, [])))

    owners = _owners(record.letters)
    return Verdict(
        people=len(people),
        got_it=len(who(lambda _, got: bool(got))),
        refused=len(who(lambda person, _: person.mailbox in record.refused)),
        held=len(held),
        held_had_it=len(who(lambda person, got: person.subscriber in held and bool(got))),
        copies_too_many=sum(len(got) - 1 for mailbox, got in letters.items() if mailbox in known),
        strangers=len(letters.keys() - known),
        twice=who(lambda _, got: len(got) > 1),
        skipped=who(lambda person, got: not got and _is_owed(person, record, held)),
        undeliverable=who(lambda person, got: not person.deliverable and bool(got)),
        refused_and_taken=who(lambda person, got: person.mailbox in record.refused and bool(got)),
        wrong_token=who(lambda person, got: not all(_is_own_token(person, one) for one in got)),
        wrong_message_id=who(lambda person, got: not all(_is_own_id(person, one, owners) for one in got)),
        wrong_sender=who(lambda person, got: not all(_is_own_sender(person, one) for one in got)),
        wrong_to=who(lambda person, got: any(one.to not in (person.mailbox, f"<{person.mailbox}>") for one in got)),
        copies_differ=who(lambda _, got: len({(one.message_id, one.sha256) for one in got}) > 1),
        faults=record.faults,
    )


def _is_owed(person: Person, record: Record, held: frozenset[int]) -> bool:
    return person.deliverable and person.mailbox not in record.refused and person.subscriber not in held


def _owners(letters: tuple[Taken, ...]) -> dict[str, set[str]]:
    """The recipients of each Message-ID."""
    owners = defaultdict(set)
    for letter in letters:
        owners[letter.message_id].add(letter.recipient)
    return owners


def _is_own_token(person: Person, letter: Taken) -> bool:
    try:
        return read_unsubscribe_token(KEYS, letter.token) == person.subscriber
    except LinkError:
        return False


def _is_own_id(person: Person, letter: Taken, owners: dict[str, set[str]]) -> bool:
    parts = MESSAGE_ID.fullmatch(letter.message_id)
    if parts is None or owners[letter.message_id] != {letter.recipient}:
        return False
    return letter.message_id == message_id(KEYS, parts["mailing"], person.subscriber, parts["domain"])


def _is_own_sender(person: Person, letter: Taken) -> bool:
    """The return path names the person (VERP), so that a bounce, and Postfix's queue, tell whose letter it is."""
    token = RETURN_TOKEN.search(letter.sender)
    try:
        return token is not None and read_return_token(KEYS, token[0], ANY_DAY)[1] == person.subscriber
    except LinkError:
        return False


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def main() -> int:
    """As the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--held", type=Path)
    parser.add_argument("--rule", choices=RULES, default="ask")
    wanted = parser.parse_args()
    held = frozenset(map(int, wanted.held.read_text(encoding="ascii").split())) if wanted.held else frozenset()
    verdict = judge(read_people(wanted.recipients), read_record(wanted.record), held)
    counts = {name: len(value) if isinstance(value, tuple) else value for name, value in asdict(verdict).items()}
    problems = verdict.problems(wanted.rule)
    for name in problems:
        shown = getattr(verdict, name)
        if isinstance(shown, tuple):
            print(f"{name}: subscribers {', '.join(map(str, shown[:MAX_SHOWN]))}{' ...' * (len(shown) > MAX_SHOWN)}")
    print(json.dumps(counts | {"problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
