"""Importing a million people: memory and CPU of ``newsletter subscribers import``.

    python benchmarks/subscribers.py [--quick]

The peer in the same run is the floor of any such tool: ``csv`` reading the same file and ``executemany`` of sqlite3
writing its rows into one table with a unique key, in one transaction. Ratios count; seconds depend on the machine.
Installs nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from report import measured

ROWS = 1_000_000
QUICK_ROWS = 50_000
REACH_MB = 150
FLOOR = """
import csv, sqlite3, sys
database = sqlite3.connect(sys.argv[2])
database.execute("CREATE TABLE person (address TEXT NOT NULL UNIQUE, language TEXT, format TEXT, note TEXT)")
with open(sys.argv[1], encoding="utf-8", newline="") as file, database:
    rows = csv.reader(file)
    next(rows)
    database.executemany("INSERT INTO person VALUES (?, ?, ?, ?)", rows)
"""


def write_people(path: Path, rows: int) -> None:
    """A file with so many different people at a thousand domains."""
    with path.open("w", encoding="utf-8") as file:
        file.write("address,language,format,note\n")
        for number in range(rows):
            language, kind = ("en", "fr")[number % 2], ("html", "text")[number % 3 == 0]
            file.write(f"reader.{number}@d{number % 1000}.people.example,{language},{kind},form of 2026-11\n")


def measure_import(folder: Path, rows: int) -> dict[str, Any]:
    """First looking, then doing, then the floor; each in a process of its own."""
    site, people = folder / "site", folder / "people.csv"
    subprocess.run(
        [sys.executable, "-m", "newsletter", "init", "--empty", str(site)], check=True, stdout=subprocess.DEVNULL
    )
    write_people(people, rows)
    newsletter = [sys.executable, "-m", "newsletter", "subscribers"]
    measured([*newsletter, "list"], site)  # makes the database, and leaves byte code behind
    look = [*newsletter, "import", str(people), "--consent", "a benchmark"]
    dry = measured(look, site)
    done = measured([*look, "--yes"], site)
    export = measured([*newsletter, "export", "--out", "out.csv"], site)
    floor = measured([sys.executable, "-c", FLOOR, str(people), str(folder / "floor.db")], site)
    for what, (cpu, memory) in (
        (f"import of {rows:,} people, looking", dry),
        ("import, doing", done),
        ("export of all of them", export),
        ("floor: csv and sqlite3 alone", floor),
    ):
        print(f"{what:<38} {cpu:7.2f} s CPU {memory:6.0f} MB   {cpu / floor[0]:6.2f} x floor")
    print(f"reach: import of {ROWS:,} people below {REACH_MB} MB")
    return {
        "rows": rows,
        "import_cpu_seconds": round(done[0], 3),
        "import_dry_cpu_seconds": round(dry[0], 3),
        "export_cpu_seconds": round(export[0], 3),
        "floor_cpu_seconds": round(floor[0], 3),
        "import_to_floor": round(done[0] / floor[0], 2),
        "import_peak_mb": round(max(dry[1], done[1]), 1),
        "import_peak_below_reach": max(dry[1], done[1]) < REACH_MB,
        "export_peak_mb": round(export[1], 1),
    }


def main() -> None:
    """Measure, print the table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 people: within 45 s on two cores")
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rows = 2_000 if arguments.smoke else QUICK_ROWS if arguments.quick else ROWS
    with tempfile.TemporaryDirectory() as name:
        measures = measure_import(Path(name), rows)
    if rows < ROWS:
        print(f"quick: {rows:,} people instead of {ROWS:,}")
    print(json.dumps(measures))


if __name__ == "__main__":
    main()
