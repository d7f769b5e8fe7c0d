"""What one recipient costs when there are a thousand, ten thousand, a hundred thousand and a million of them.

    python benchmarks/scale.py [--quick]

A small letter goes to everybody on the list, out of an SQLite ledger (WAL, synchronous FULL) into smtp-sink. Measured
is one process that releases the mailing (one delivery for each reader), reads through the whole list, and delivers.
Cost is CPU per recipient, which should be the same whatever the size of the list, and the peak of the process's memory.
Small lists are measured several times, and the median is shown. Installs nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledgers import compile_letter, fill, fresh_copy, make_variant, open_store, prepare
from postroom import FOLDER, INSTALL, commit_ms, missing, release_and_deliver, running_sink, smtp_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postroom import Release, Sink

LETTER_BYTES: Final = 3_000
MAX_RUNS: Final = 7


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of the list. Short runs are easily disturbed, and repeated up to ``enough`` letters."""

    sizes: tuple[int, ...]
    enough: int
    peer_letters: int
    seconds: float = float("inf")  # a size that would end later is left out, and said so

    def runs(self, readers: int) -> int:
        """How often a list of this size is delivered to."""
        return min(MAX_RUNS, max(1, self.enough // readers))


PLANS: Final = {
    "smoke": Plan(sizes=(100, 400), enough=0, peer_letters=100),
    "quick": Plan(sizes=(1_000, 10_000, 50_000), enough=5_000, peer_letters=4_000, seconds=38.0),
    "full": Plan(sizes=(1_000, 10_000, 100_000, 1_000_000), enough=30_000, peer_letters=20_000),
}
HEADINGS: Final = (
    f"{'readers':>10}{'CPU us each':>12}{'seconds':>11}{'letters/s':>12}{'release us':>13}{'list us':>11}"
    f"{'peak MB':>10}{'smtp-source us':>16}"
)
MB_REACH: Final = 150
FLAT_REACH: Final = 1.2


@dataclass(frozen=True, slots=True)
class Row:
    """One size of the list: medians of its runs, and the highest peak. ``source_us`` is smtp-source's CPU beside it."""

    readers: int
    cpu_us: float
    seconds: float
    release_us: float
    list_us: float
    peak_mb: float
    source_us: float


def measure(sink: Sink, folder: Path, readers: int, plan: Plan, options: dict[str, Any]) -> Row:
    """A list of so many, once or several times."""
    path = folder / f"{readers}.db"
    with closing(open_store(path)) as store:
        store.upgrade()
        fill(store, readers)
        prepare(store, compile_letter(make_variant(LETTER_BYTES)))
    source = smtp_source(sink, plan.peer_letters, LETTER_BYTES)
    runs = [release_and_deliver(sink, fresh_copy(path), readers, **options) for _ in range(plan.runs(readers))]
    row = _row(runs, source.cpu_us)
    for old in folder.glob("*.db*"):
        old.unlink()
    return row


def _row(runs: Sequence[Release], source_us: float) -> Row:
    return Row(
        readers=runs[0].run.letters,
        cpu_us=statistics.median(one.run.cpu_us for one in runs),
        seconds=statistics.median(one.run.seconds for one in runs),
        release_us=statistics.median(one.release_us for one in runs),
        list_us=statistics.median(one.list_us for one in runs),
        peak_mb=max(one.run.peak_mb for one in runs),
        source_us=source_us,
    )


def show(row: Row) -> None:
    """One line of the table, as soon as it is known."""
    rate = row.readers / row.seconds
    print(f"{row.readers:>10,}{row.cpu_us:>12.0f}{row.seconds:>11.1f}{rate:>12,.0f}{row.release_us:>13.1f}"
          f"{row.list_us:>11.1f}{row.peak_mb:>10.0f}{row.source_us:>16.0f}", flush=True)  # fmt: skip


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """By name; ``flatness`` is the dearest recipient's cost to the cheapest's, over the sizes."""
    costs = [row.cpu_us for row in rows]
    largest = rows[-1]
    return {
        "readers": [row.readers for row in rows],
        "cpu_us_per_recipient": [round(cost, 1) for cost in costs],
        "seconds": [round(row.seconds, 2) for row in rows],
        "release_cpu_us_per_recipient": [round(row.release_us, 2) for row in rows],
        "list_cpu_us_per_recipient": [round(row.list_us, 2) for row in rows],
        "peak_mb": [round(row.peak_mb, 1) for row in rows],
        "flatness": round(max(costs) / min(costs), 3),
        "largest": largest.readers,
        "peak_mb_at_largest": round(largest.peak_mb, 1),
    }


def main() -> None:
    """Measure, print the table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 to 50,000 readers: within 45 s on two cores")
    parser.add_argument("--smoke", action="store_true", help="400 readers at most: shows that it works, no more")
    parser.add_argument("--connections", type=int, help="of our sender to the sink (default: the engine's own)")
    arguments = parser.parse_args()
    plan = PLANS["smoke" if arguments.smoke else "quick" if arguments.quick else "full"]
    lacking = [what for what in missing() if what.startswith("smtp-")]
    if lacking:
        for what in lacking:
            print(f"missing: {what}; to have it: {INSTALL}", file=sys.stderr)
        print(json.dumps({"missing": lacking}))
        raise SystemExit(1)
    FOLDER.mkdir(exist_ok=True)
    options = {"connections": arguments.connections} if arguments.connections else {}
    rows: list[Row] = []
    left_out = []
    begin = time.monotonic()
    print(HEADINGS)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name, running_sink() as sink:
        for readers in plan.sizes:
            if rows and time.monotonic() - begin + readers * rows[-1].seconds / rows[-1].readers > plan.seconds:
                print(f"{readers:>10,}  left out: would not end within {plan.seconds:.0f} s here")
                left_out.append(readers)
                continue
            rows.append(measure(sink, Path(name), readers, plan, options))
            show(rows[-1])
        disk = commit_ms()
    result = as_json(rows)
    print(f"dearest recipient / cheapest: {result['flatness']:.2f}; reach: <= {FLAT_REACH}")
    print(f"peak at {result['largest']:,}: {result['peak_mb_at_largest']:.0f} MB; reach: <= {MB_REACH} at 1,000,000")
    print(
        json.dumps(
            result | {"letter_bytes": LETTER_BYTES, "commit_ms": round(disk, 3), "left_out": left_out, "missing": []}
        )
    )


if __name__ == "__main__":
    main()
