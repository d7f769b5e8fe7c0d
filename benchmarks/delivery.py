"""Letters a second and CPU per letter against Postfix's smtp-source (C) and Nodemailer, all into the same smtp-sink.

    python benchmarks/delivery.py [--quick] [--connections N]

Our side is the engine with everything on: a released mailing of 50 KB letters in an SQLite ledger (WAL, synchronous
FULL, a fresh copy for each run), personal links, headers and return paths, every intent and every reply written down.
Each of our runs has its own run of smtp-source right before or after it, and the ratio is theirs; shown is the median
of the rounds, with the range. CPU is the sender's and its workers', never the sink's, and leaves the start of an
interpreter out, for us and for Node. Nodemailer keeps no ledger. Installs nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledgers import LINK, NOW, PUBLICATION, compile_letter, fresh_copy, make_variant, release
from postroom import FOLDER, INSTALL, commit_ms, missing, nodemailer, ours, running_sink, sign_ahead, smtp_source

from newsletter.deliver.dkim import make_key
from newsletter.deliver.message import as_sent
from newsletter.model import UNSUBSCRIBE_SLOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postroom import Run, Sink

LETTER_BYTES: Final = 50_000
MANY: Final = 100_000
QUICK_SECONDS: Final = 36.0  # no round begins that would end later, whatever the machine


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds, and the letters of one run of each sender; ``many`` of the long run, 0 for none."""

    rounds: int
    letters: int
    raw: int
    fields: int
    many: int
    seconds: float = float("inf")


PLANS: Final = {
    "smoke": Plan(rounds=1, letters=200, raw=40, fields=20, many=0),
    "quick": Plan(rounds=3, letters=2_000, raw=400, fields=150, many=0, seconds=QUICK_SECONDS),
    "full": Plan(rounds=7, letters=10_000, raw=2_000, fields=500, many=MANY),
}
OURS: Final = {
    "none": "newsletter, personalised and ledgered",
    "ahead": "newsletter, RSA-2048 signed ahead",
    "inline": "newsletter, RSA-2048 signed while sending",
}
NODEMAILER: Final = {"raw": "Nodemailer, ready bytes", "fields": "Nodemailer, composed from fields"}
REACH: Final = {"none": 0.9, "ahead": 0.9, "inline": 0.5}


@dataclass(frozen=True, slots=True)
class Measured:
    """Every run, by sender: ours as pairs with the run of smtp-source beside it."""

    pairs: dict[str, list[tuple[Run, Run]]] = field(default_factory=lambda: {signing: [] for signing in OURS})
    others: dict[str, list[Run]] = field(default_factory=lambda: {mode: [] for mode in NODEMAILER})

    def ratios(self, signing: str) -> list[float]:
        """Our letters a second to those of smtp-source, of each round."""
        return [us.rate / peer.rate for us, peer in self.pairs[signing]]

    def cpu_ratios(self, mode: str) -> list[float]:
        """Nodemailer's CPU per letter to ours, unsigned, of each round."""
        return [peer.cpu_us / us.cpu_us for peer, (us, _) in zip(self.others[mode], self.pairs["none"], strict=False)]

    def sources(self) -> list[Run]:
        """Every run of smtp-source."""
        return [peer for pairs in self.pairs.values() for _, peer in pairs]


@dataclass(frozen=True, slots=True)
class Bench:
    """What the runs share."""

    sink: Sink
    folder: Path
    options: dict[str, Any]
    signed: list[Run] = field(default_factory=list)  # what making signatures ahead took

    def ledger(self, signing: str, letters: int) -> Path:
        """A released ledger of so many letters, with their signatures when they are to be made ahead."""
        path = self.folder / f"{signing}-{letters}.db"
        release(path, compile_letter(make_variant(LETTER_BYTES)), letters)
        if signing == "ahead":
            self.signed.append(sign_ahead(self.sink, path, letters, signing=signing, **self.options))
        return path

    def send(self, path: Path, signing: str, letters: int) -> Run:
        """Ours, out of a fresh copy of the ledger."""
        return ours(self.sink, fresh_copy(path), letters, signing=signing, **self.options)

    def both(self, path: Path, signing: str, letters: int, *, peer_first: bool) -> tuple[Run, Run]:
        """Ours and smtp-source, one right after the other."""
        peer = smtp_source(self.sink, letters, LETTER_BYTES) if peer_first else None
        us = self.send(path, signing, letters)
        return us, peer or smtp_source(self.sink, letters, LETTER_BYTES)


def measure(bench: Bench, plan: Plan, *, with_nodemailer: bool) -> Measured:
    """Round after round, as many as there is time for."""
    deadline = time.monotonic() + plan.seconds
    letter = write_letter(bench.folder)
    ledgers = {signing: bench.ledger(signing, plan.letters) for signing in OURS}
    smtp_source(bench.sink, plan.letters, LETTER_BYTES)  # warms the sink up
    measured, longest = Measured(), 0.0
    for number in range(plan.rounds):
        begin = time.monotonic()
        if number and begin + longest > deadline:
            break
        for signing, path in ledgers.items():
            pair = bench.both(path, signing, plan.letters, peer_first=number % 2 == 0)
            measured.pairs[signing].append(pair)
        if with_nodemailer:
            measured.others["raw"].append(nodemailer(bench.sink, plan.raw, "raw", letter))
            measured.others["fields"].append(nodemailer(bench.sink, plan.fields, "fields", letter))
        longest = max(longest, time.monotonic() - begin)
    return measured


def write_letter(folder: Path) -> Path:
    """The same letter for Nodemailer: its bytes, and the fields that they are made of."""
    variant = make_variant(LETTER_BYTES)
    raw = as_sent(compile_letter(variant), date=NOW).decode("ascii")
    fields = {"raw": raw, "from": PUBLICATION.from_address, "subject": variant.subject, "text": variant.text,
              "html": variant.html, "slot": UNSUBSCRIBE_SLOT, "link": LINK}  # fmt: skip
    path = folder / "letter.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    return path


# --- what is shown --------------------------------------------------------------------------------------------


def show(measured: Measured) -> None:
    """The table."""
    print(f"{'':<44}{'letters/s':>10}   {'x smtp-source (range)':<24}{'CPU us/letter':>14}   reach")
    sources = measured.sources()
    print(f"{'smtp-source -d -s 4':<44}{_rate(sources):>10,.0f}   {'1':<24}{_cpu(sources):>14,.0f}")
    for signing, name in OURS.items():
        runs = [us for us, _ in measured.pairs[signing]]
        ratio = _spread(measured.ratios(signing))
        print(f"{name:<44}{_rate(runs):>10,.0f}   {ratio:<24}{_cpu(runs):>14,.0f}   >= {REACH[signing]}")
    for mode, name in NODEMAILER.items():
        if runs := measured.others[mode]:
            more = f"{_spread(measured.cpu_ratios(mode))} x our CPU"
            print(f"{name:<44}{_rate(runs):>10,.0f}   {'':<24}{_cpu(runs):>14,.0f}   {more}")


def as_json(measured: Measured) -> dict[str, Any]:
    """Medians and ranges, by name."""
    names = {"none": "personalised", "ahead": "signed_ahead", "inline": "signed_inline"}
    result: dict[str, Any] = {"rounds": len(measured.pairs["none"])}
    sources = measured.sources()
    result |= {"smtp_source_rate": round(_rate(sources)), "smtp_source_cpu_us": round(_cpu(sources), 1)}
    for signing, name in names.items():
        runs, ratios = [us for us, _ in measured.pairs[signing]], measured.ratios(signing)
        result[f"{name}_to_smtp_source"] = round(statistics.median(ratios), 3)
        result[f"{name}_to_smtp_source_range"] = [round(min(ratios), 3), round(max(ratios), 3)]
        result[f"{name}_rate"] = round(_rate(runs))
        result[f"{name}_cpu_us"] = round(_cpu(runs), 1)
    for mode in NODEMAILER:
        ratios = measured.cpu_ratios(mode)
        runs = measured.others[mode]
        result[f"nodemailer_{mode}_cpu_us"] = round(_cpu(runs), 1) if runs else None
        result[f"nodemailer_{mode}_cpu_to_ours"] = round(statistics.median(ratios), 2) if runs else None
    return result


def _rate(runs: Sequence[Run]) -> float:
    return statistics.median(run.rate for run in runs)


def _cpu(runs: Sequence[Run]) -> float:
    return statistics.median(run.cpu_us for run in runs)


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def run(plan: Plan, options: dict[str, Any], lacking: list[str]) -> dict[str, Any]:
    """Measure and print; the JSON object."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name, running_sink() as sink:
        folder = Path(name)
        (folder / "dkim.pem").write_bytes(make_key("rsa"))
        bench = Bench(sink, folder, options | {"key": str(folder / "dkim.pem")})
        disk = commit_ms()
        measured = measure(bench, plan, with_nodemailer=not lacking)
        show(measured)
        result = as_json(measured)
        if plan.many:
            long_run = bench.send(bench.ledger("ahead", plan.many), "ahead", plan.many)
            seconds = long_run.seconds
        else:
            seconds = MANY / result["signed_ahead_rate"]
        signing = bench.signed[-1]
        print(
            f"making the signatures ahead: {signing.rate:,.0f}/s, {signing.cpu_us:,.0f} us CPU each, workers included"
        )
        how = "measured" if plan.many else "at the rate above"
        print(f"{MANY:,} letters, signed ahead: {seconds:.1f} s ({how}); reach: <= 60 s")
        print(f"letters of {LETTER_BYTES:,} bytes; a durable write on this disk: {disk:.2f} ms")
    return result | {
        "many": MANY,
        "many_seconds": round(seconds, 1),
        "many_is_measured": bool(plan.many),
        "signing_ahead_rate": round(signing.rate),
        "signing_ahead_cpu_us": round(signing.cpu_us, 1),
        "letter_bytes": LETTER_BYTES,
        "commit_ms": round(disk, 3),
        "missing": lacking,
    }


def main() -> None:
    """Measure, print the table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: within 45 s on two cores")
    parser.add_argument("--smoke", action="store_true", help="one round of a few letters: shows that it works, no more")
    parser.add_argument("--connections", type=int, help="of our sender to the sink (default: the engine's own)")
    arguments = parser.parse_args()
    plan = "smoke" if arguments.smoke else "quick" if arguments.quick else "full"
    lacking = missing()
    for what in lacking:
        print(f"missing: {what}; to have it: {INSTALL}", file=sys.stderr)
    if any(what.startswith("smtp-") for what in lacking):
        print(json.dumps({"missing": lacking}))
        raise SystemExit(1)
    FOLDER.mkdir(exist_ok=True)
    options = {"connections": arguments.connections} if arguments.connections else {}
    print(json.dumps(run(PLANS[plan], options, lacking)))


if __name__ == "__main__":
    main()
