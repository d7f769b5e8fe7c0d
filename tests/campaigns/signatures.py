"""Thousands of personal letters, signed by worker processes as a release signs them, judged by programs not ours.

    python -m tests.campaigns.signatures --letters 10000 --seed 1

Publications with hostile but legal names, several languages, both formats, with and without a logo, odd addresses;
each letter is signed with RSA-2048 and Ed25519, some with S/MIME as well. OpenDKIM (Debian) must believe both DKIM
signatures of every letter, dkimpy those of a sample, and ``openssl cms`` every S/MIME signature.

Then letters are changed: bytes replaced, put in or taken out anywhere below the signatures, lines moved; headers put in
front or taken away; bytes of what S/MIME signs. None of it may go unnoticed, unless dkimpy's relaxed form of the
letter is the same as before (white space), and then both signatures must still be good. The last line is one JSON
object; exit code 1 if anything was at fault. A seed gives the same letters; the keys are new each time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dkim
from dkim.canonicalization import Relaxed

from newsletter.deliver.dispatch import Signing
from newsletter.deliver.dkim import OVERSIGNED, DkimKey, DkimSigner, make_key
from newsletter.deliver.letters import Desk, Personal, letter
from newsletter.deliver.message import compile_variant
from newsletter.deliver.signing import WORKERS_FROM, FormKey, Forms, Signers
from newsletter.deliver.smime import SmimeSigner, make_self_signed
from newsletter.model import UNSUBSCRIBE_SLOT, Address, CompiledVariant, Format, Language, Publication, Variant
from tests.campaigns.headers import hostile, hostile_address, hostile_publication
from tests.support.ledger import KEYS, person
from tests.support.letters import letter as rendered
from tests.support.opendkim import verdicts
from tests.support.samples import EN, FR, sample_report

BATCH = 500
DOMAIN = "meridian.example"
BASE = "https://example.org"
DATE = datetime(2025, 11, 3, 8, 0, tzinfo=UTC)  # OpenDKIM believes no signature from the future
PUBLICATIONS = 6
SMALL = Language("ja")  # a short letter of odd lines
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
# OpenDKIM 2.11 takes whatever C's isspace() says for a blank; RFC 6376 section 2.8 only blanks and tabs, as dkimpy.
TAKEN_FOR_BLANKS = (b"\x0b", b"\x0c")
BEFORE_COLON = re.compile(rb"(?m)^([!-9;-~]+)[ \t]+:")  # white space too, by section 3.4.2; dkimpy sees no header there
SHOWN = 5  # examples of what was at fault
FORGED = 30  # letters of which every header is forged and taken away
HANDS = 2  # judges at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many: ``smime`` of the ``letters`` have S/MIME as well, and dkimpy looks at ``dkimpy`` of them.

    ``mutations`` are changes that matter; of ``forged`` letters every header is forged and taken away.
    """

    publications: int
    letters: int
    seed: int
    mutations: int
    smime: int
    dkimpy: int
    forged: int


@dataclass(slots=True)
class Tally:
    """What was tried, what was at fault, and some examples of the latter."""

    tried: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)

    def judge(self, kind: str, good: Iterable[bool], described: Iterable[object]) -> None:
        """Count these; the bad ones with what they are."""
        for is_good, what in zip(good, described, strict=True):
            self.tried[kind] += 1
            if not is_good:
                self.faults[kind] += 1
                if self.faults[kind] <= SHOWN:
                    self.examples.append(f"{kind}: {what!r}"[:2_000])


# --- the letters ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that are signed alike, and the certificate that vouches for their S/MIME signatures."""

    forms: Forms
    signing: Signing
    certificate: bytes
    count: int


def publications(chance: random.Random) -> Iterator[Mapping[Language, CompiledVariant]]:
    """Editions whose names, addresses and subjects are as odd as our own serialiser lets them be."""
    full = {language: rendered(sample_report(language=language)) for language in (EN, FR)}
    while True:
        publication = hostile_publication(chance)
        logo = chance.choice((None, PNG))
        small = "\n".join(hostile(chance) for _ in range(20))
        shown = '<p>a</p><img src="cid:logo" alt="">' if logo else "<p>a</p>"
        texts = {language: (one.text, f"{one.html}{shown}\n") for language, one in full.items()}
        link = f"{BASE}/u/{UNSUBSCRIBE_SLOT}"
        texts[SMALL] = (f"{small}\n{link} {small}", f"<p>{small}</p>{shown}<a href={link}>x</a>")
        try:
            yield {language: _edition(publication, language, hostile(chance), *texts[language], logo=logo)
                   for language in texts}  # fmt: skip
        except ValueError:  # refused, as it should be (tests/campaigns/headers.py)
            continue


def _edition(
    publication: Publication, language: Language, subject: str, text: str, html: str, *, logo: bytes | None
) -> CompiledVariant:
    report = sample_report(language=language)
    text, html = (part.encode("utf-8", "replace").decode() for part in (text, html))
    variant = Variant(report=report, subject=subject, html=html, text=text)
    return compile_variant(variant, publication, archived_at=f"{BASE}/{language}/reports/2026-10/", logo=logo)


def groups(plan: Plan, chance: random.Random) -> tuple[list[Group], dict[str, str]]:
    """Plain letters, and two smaller groups with S/MIME; and the DNS records of the DKIM keys."""
    source = publications(chance)
    variants = {}
    for number in range(plan.publications):
        for language, made in next(source).items():
            variants[f"public-{number}", language] = made
    keys = tuple(DkimKey.load(make_key(kind), selector=kind, domain=DOMAIN) for kind in ("rsa", "ed25519"))
    signer = DkimSigner(keys)
    made_groups = [Group(_forms(variants, smime=False), Signing(dkim=signer), b"", plan.letters - plan.smime)]
    for kind, count in (("rsa", plan.smime // 2), ("p256", plan.smime - plan.smime // 2)):
        key, certificate = make_self_signed(f"report@{DOMAIN}", "Meridian", now=datetime.now(UTC), kind=kind)
        signing = Signing(dkim=signer, smime=SmimeSigner.load(certificate, key))
        made_groups.append(Group(_forms(variants, smime=True), signing, certificate, count))
    return made_groups, dict(key.dns_record() for key in keys)


def _forms(variants: Mapping[tuple[str, Language], CompiledVariant], *, smime: bool) -> Forms:
    return Forms(variants=variants, date=DATE, base_url=BASE, smime=smime, made={})


def addressed(group: Group, chance: random.Random, first: int) -> Iterator[tuple[FormKey, Personal]]:
    """Everybody with a form and an address of their own, one in ten an odd one."""
    desk = Desk(keys=KEYS, name="2026-10.0", domain=DOMAIN, base_url=BASE, date=DATE, return_path=f"b@{DOMAIN}")
    variants = sorted(group.forms.variants)
    for number in range(first, first + group.count):
        audience, language = chance.choice(variants)
        address = hostile_address(chance) if chance.random() < 0.1 else f"reader-{number}@people.example"
        try:
            personal = desk.personal(person(number, address=Address(address, address)))
        except ValueError:  # an address that cannot stand in a header gets no letter
            personal = desk.personal(person(number))
        yield (audience, language, chance.choice(list(Format))), personal


async def signed(group: Group, chance: random.Random, first: int) -> list[bytes]:
    """Every letter of a group as it leaves, its signatures made by worker processes."""
    batch = list(addressed(group, chance, first))
    with closing(Signers(group.signing, group.forms, expected=max(len(batch), WORKERS_FROM))) as signers:
        made = [
            one for start in range(0, len(batch), BATCH) for one in await signers.sign(batch[start : start + BATCH])
        ]
    return [letter(group.forms[key], personal, one) for (key, personal), one in zip(batch, made, strict=True)]


# --- what is done to them -------------------------------------------------------------------------------------


def start_of(message: bytes) -> int:
    """Where the letter begins below its signatures."""
    return message.index(b"\r\nTo: ") + len(b"\r\n")


def essence(message: bytes) -> object:
    """What a relaxed signature of the letter can tell apart, as dkimpy sees it; None when it is no letter any more."""
    head, gap, rest = message.partition(b"\r\n\r\n")
    try:
        fields, body = dkim.rfc822_parse(BEFORE_COLON.sub(rb"\1:", head) + gap + rest)
    except dkim.MessageFormatError:
        return None
    return Relaxed.canonicalize_headers(fields), Relaxed.canonicalize_body(body)


def mutated(message: bytes, chance: random.Random) -> bytes:
    """The letter with a little change somewhere: half of them among the headers, which are short."""
    start = start_of(message)
    body = message.index(b"\r\n\r\n") + len(b"\r\n\r\n")
    low, high = chance.choice(((start, body), (body, len(message))))
    place = chance.randrange(low, high)
    while message[place] in b"\r\n":
        place = chance.randrange(low, high)
    byte = bytes(
        [chance.choice([value for value in range(1, 256) if value not in b"\r\n" and value != message[place]])]
    )
    rest = message[place + 1 :]
    kind = chance.randrange(6)
    if kind == 0:
        return message[:place] + rest
    if kind == 1:
        return message[:place] + byte + message[place:]
    if kind == 2 and low == body:
        return _with_a_line_elsewhere(message, body, chance)
    if kind == 3 and b" " in rest:
        place = message.index(b" ", place)
        return message[:place] + chance.choice((b" ", b"\t", b" \t ")) + message[place + chance.randrange(2) :]
    return message[:place] + byte + rest


def _with_a_line_elsewhere(message: bytes, body: int, chance: random.Random) -> bytes:
    lines = message[body:].split(b"\r\n")  # the last one is empty and stays: SMTP brings no text without a line end
    line = lines.pop(chance.randrange(len(lines) - 1))
    if chance.random() < 0.7:
        lines.insert(chance.randrange(len(lines)), line)
    return message[:body] + b"\r\n".join(lines)


def forged(message: bytes) -> Iterator[tuple[str, bytes]]:
    """The letter with another header in front, and with one less."""
    for name in OVERSIGNED:
        line = name.title() + b": evil@example.net\r\n"
        yield f"{name.decode()} in front", line + message
        yield f"{name.decode()} below the signatures", message.replace(b"\r\nTo: ", b"\r\n" + line + b"To: ", 1)
    start, end = start_of(message), message.index(b"\r\n\r\n") + len(b"\r\n")
    for name, value in dkim.rfc822_parse(message[start:])[0]:
        whole = name + b":" + value
        yield f"without {name.decode()}", message[:start] + message[start:end].replace(whole, b"", 1) + message[end:]


def changed_inside(message: bytes, chance: random.Random) -> bytes:
    """An S/MIME letter with another character somewhere in what is signed."""
    first = message.index(b"\r\n\r\n--=_s") + 40
    low = message.index(b"\r\n", first) + len(b"\r\n")
    high = message.rindex(b"\r\n--=_s", 0, message.rindex(b"application/pkcs7-signature"))
    place = chance.randrange(low, high)
    while message[place] in b"\r\n":
        place = chance.randrange(low, high)
    other = chance.choice([value for value in b"abcXYZ019 .=" if value != message[place]])
    return message[:place] + bytes([other]) + message[place + 1 :]


# --- judges ---------------------------------------------------------------------------------------------------


def by_dkimpy(message: bytes, records: Mapping[str, str]) -> list[bool]:
    """What dkimpy says of each DKIM signature; empty when there is none."""
    judged = dkim.DKIM(message)
    count = sum(name.lower() == b"dkim-signature" for name, _ in judged.headers)
    told = []
    for index in range(count):
        try:
            told.append(judged.verify(idx=index, dnsfunc=partial(_record, records)))
        except dkim.DKIMException:
            told.append(False)
    return told


def _record(records: Mapping[str, str], name: bytes, timeout: int = 5) -> bytes | None:  # dkimpy's call
    record = records.get(name.decode().rstrip("."))
    return record.encode() if record else None


def smime_content(message: bytes, root: Path) -> bytes | None:
    """What was signed, when openssl believes the S/MIME signature because of the certificates in ``root``."""
    command = ["openssl", "cms", "-verify", "-CAfile", str(root), "-no-CApath"]
    done = subprocess.run(command, input=message, capture_output=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class OpenDkim:
    """Asks OpenDKIM in several processes at once; ``folder`` for its files."""

    records: Mapping[str, str]
    folder: Path

    def ask(self, letters: Sequence[bytes]) -> list[dict[str, str]]:
        """As ``tests.support.opendkim.verdicts``."""
        share = -(-len(letters) // HANDS)
        parts = [letters[start : start + share] for start in range(0, len(letters), share or 1)]
        with ThreadPoolExecutor(HANDS) as hands:
            return [one for told in hands.map(self._part, range(HANDS), parts) for one in told]

    def ask_about_anything(self, letters: Sequence[bytes]) -> list[dict[str, str]]:
        """One by one, since OpenDKIM ends where it sees no letter any more, as without From; then dkimpy is asked."""
        with ThreadPoolExecutor(HANDS) as hands:
            return list(hands.map(self._one, letters))

    def _one(self, message: bytes) -> dict[str, str]:
        if not any(byte in message for byte in TAKEN_FOR_BLANKS):
            with tempfile.TemporaryDirectory(dir=self.folder) as folder, suppress(AssertionError):
                return verdicts([message], self.records, Path(folder))[0]
        try:
            good = by_dkimpy(message, self.records)
        except dkim.MessageFormatError:
            return {}
        return {f"dkimpy {number}": "pass" if one else "fail" for number, one in enumerate(good)}

    def _part(self, number: int, letters: Sequence[bytes]) -> list[dict[str, str]]:
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        return verdicts(letters, self.records, folder)


def believes(told: Mapping[str, str]) -> bool:
    """Both signatures are good."""
    return dict(told) == {"rsa": "pass", "ed25519": "pass"}


def doubts(told: Mapping[str, str]) -> bool:
    """Neither signature is good."""
    return "pass" not in told.values()


# --- the campaign ---------------------------------------------------------------------------------------------


def run(plan: Plan) -> Tally:
    """All of it."""
    chance, tally = random.Random(plan.seed), Tally()
    with tempfile.TemporaryDirectory() as folder:
        made, records = groups(plan, chance)
        opendkim = OpenDkim(records, Path(folder))
        first = 0
        for group in filter(lambda group: group.count, made):
            with _timed(tally, "sign"):
                letters = asyncio.run(signed(group, chance, first))
            first += len(letters)
            share = len(letters) / plan.letters
            _verify(letters, opendkim, tally, chance, sample=-(-plan.dkimpy * len(letters) // plan.letters))
            _mutate(letters, opendkim, tally, chance, count=round(plan.mutations * share))
            _forge(chance.sample(letters, min(len(letters), -(-plan.forged // len(made)))), opendkim, tally)
            if group.certificate:
                _verify_smime(letters, group.certificate, Path(folder), tally, chance)
    return tally


def _verify(letters: Sequence[bytes], opendkim: OpenDkim, tally: Tally, chance: random.Random, *, sample: int) -> None:
    with _timed(tally, "opendkim"):
        for start in range(0, len(letters), BATCH):
            some = letters[start : start + BATCH]
            told = opendkim.ask(some)
            tally.judge("dkim", map(believes, told), zip(told, some, strict=True))
    with _timed(tally, "dkimpy"):
        some = chance.sample(letters, sample)
        tally.judge("dkimpy", [by_dkimpy(one, opendkim.records) == [True, True] for one in some], some)


def _mutate(letters: Sequence[bytes], opendkim: OpenDkim, tally: Tally, chance: random.Random, *, count: int) -> None:
    """So many changes that matter, and as many harmless ones as came along."""
    with _timed(tally, "mutations"):
        missing = count
        while missing > 0:
            originals = chance.choices(letters, k=min(missing, BATCH))
            changed = [mutated(one, chance) for one in originals]
            same = [essence(one) == essence(before) for one, before in zip(changed, originals, strict=True)]
            told = opendkim.ask_about_anything(changed)
            kinds: tuple[tuple[str, Callable[[Mapping[str, str]], bool], bool], ...]
            kinds = (("mutations", doubts, False), ("harmless", believes, True))
            for kind, is_good, wanted in kinds:
                chosen = [number for number, harmless in enumerate(same) if harmless is wanted]
                tally.judge(
                    kind, [is_good(told[n]) for n in chosen], [_difference(originals[n], changed[n]) for n in chosen]
                )
            missing -= same.count(False)


def _difference(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    place = next((n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), 0)
    start = max(0, place - 40)
    return before[start : place + 40], after[start : place + 40]


def _forge(letters: Sequence[bytes], opendkim: OpenDkim, tally: Tally) -> None:
    with _timed(tally, "forgeries"):
        tried = [one for message in letters for one in forged(message)]
        for start in range(0, len(tried), BATCH):
            some = tried[start : start + BATCH]
            told = opendkim.ask([message for _, message in some])
            tally.judge("forgeries", map(doubts, told), [name for name, _ in some])


def _verify_smime(
    letters: Sequence[bytes], certificate: bytes, folder: Path, tally: Tally, chance: random.Random
) -> None:
    root = folder / "root.pem"
    root.write_bytes(certificate)
    changed = [changed_inside(message, chance) for message in letters]
    with _timed(tally, "openssl"), ThreadPoolExecutor(HANDS) as hands:
        contents = list(hands.map(smime_content, letters, [root] * len(letters)))
        good = [content is not None and content in one for content, one in zip(contents, letters, strict=True)]
        tally.judge("smime", good, letters)
        doubted = [content is None for content in hands.map(smime_content, changed, [root] * len(changed))]
        tally.judge("smime_mutations", doubted, map(_difference, letters, changed))


class _timed:  # noqa: N801  # used like a function
    """Adds the seconds that a block took to the tally."""

    def __init__(self, tally: Tally, name: str) -> None:
        self._tally, self._name = tally, name

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._tally.seconds[self._name] += time.monotonic() - self._started


def result(plan: Plan, tally: Tally) -> dict[str, object]:
    """For machines."""
    tried, faults = tally.tried, tally.faults
    return {
        "seed": plan.seed,
        "letters": tried["dkim"],
        "dkim_failed": faults["dkim"],
        "dkimpy": tried["dkimpy"],
        "dkimpy_failed": faults["dkimpy"],
        "mutations": tried["mutations"],
        "mutations_undetected": faults["mutations"],
        "harmless": tried["harmless"],
        "harmless_refused": faults["harmless"],
        "forgeries": tried["forgeries"],
        "forgeries_undetected": faults["forgeries"],
        "smime": tried["smime"],
        "smime_failed": faults["smime"],
        "smime_mutations": tried["smime_mutations"],
        "smime_mutations_undetected": faults["smime_mutations"],
        "seconds": round(sum(tally.seconds.values()), 1),
    }


ROWS = (
    ("dkim", "letters, both DKIM signatures good", "OpenDKIM"),
    ("dkimpy", "of these, both good", "dkimpy"),
    ("mutations", "changed somewhere, neither good", "OpenDKIM"),
    ("harmless", "changed in white space, both good", "OpenDKIM"),
    ("forgeries", "a header more or less, neither good", "OpenDKIM"),
    ("smime", "letters with S/MIME, good", "openssl cms"),
    ("smime_mutations", "changed inside, not good", "openssl cms"),
)


def show(tally: Tally) -> None:
    """For people."""
    print(f"{'what':38} {'judge':12} {'tried':>7} {'at fault':>9}")
    for kind, what, judge in ROWS:
        print(f"{what:38} {judge:12} {tally.tried[kind]:7,} {tally.faults[kind]:9,}")
    print("seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in tally.seconds.items()))
    for example in tally.examples:
        print(example)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--mutations", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    some = max(2, min(500, wanted.letters // 4))
    plan = Plan(
        publications=PUBLICATIONS,
        letters=wanted.letters,
        seed=wanted.seed,
        mutations=wanted.mutations,
        smime=some,
        dkimpy=some,
        forged=FORGED,
    )
    tally = run(plan)
    show(tally)
    print(json.dumps(result(plan, tally)))
    return 1 if tally.faults.total() else 0


if __name__ == "__main__":
    sys.exit(main())
