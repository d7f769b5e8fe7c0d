"""One month out of 500 articles: CPU and memory of ``newsletter report``, and the CPU of ``newsletter --help``.

    python benchmarks/report.py [--quick]

Peers in the same run: PyYAML's C loader reading the front matter of the same files (the floor of any such tool), and
``pip --version`` for the start-up. Ratios count; seconds depend on the machine. Installs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ARTICLES = 500
MONTH = "2026-10"
PARAGRAPH = (
    "A password manager remembers what you cannot, and **types it only where it belongs**. That is worth more than "
    "any rule about capital letters, see [the article about it](/en/articles/article-1/). `hxxps://login[.]example` "
    "is not our log-in page, however much it looks like it.\n\n"
)
READ_FRONT_MATTER = """
import pathlib, sys, yaml
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.md")):
    yaml.load(path.read_text(encoding="utf-8").split("---")[1], yaml.CSafeLoader)
"""


def make_site(folder: Path) -> None:
    """A new site with 500 articles over twenty years, two of them in the month."""
    subprocess.run([sys.executable, "-m", "newsletter", "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    for number in range(ARTICLES):
        date = f"{2007 + number % 19}-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
        head = f'title: "Article {number}"\ndate: {date}\nsummary: "About it."\nthemes: [accounts]\ntlp: CLEAR'
        path = folder / "articles" / date[:4] / f"article-{number}.en.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"---\n{head}\n---\n{PARAGRAPH * 8}", encoding="utf-8")


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of one run, children included."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def median_of(command: list[str], folder: Path, rounds: int) -> tuple[float, float]:
    """Median CPU seconds and largest peak of so many runs, after one that leaves byte code behind."""
    measured(command, folder)
    runs = [measured(command, folder) for _ in range(rounds)]
    return statistics.median(cpu for cpu, _ in runs), max(memory for _, memory in runs)


def main() -> None:
    """Measure, print the table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: within 45 s on two cores")
    rounds = 3 if parser.parse_args().quick else 9
    with tempfile.TemporaryDirectory() as name:
        site = Path(name) / "site"
        make_site(site)
        newsletter = [sys.executable, "-m", "newsletter"]
        report = median_of([*newsletter, "report", MONTH, "--out", "out"], site, rounds)
        floor = median_of([sys.executable, "-c", READ_FRONT_MATTER, "articles"], site, rounds)
        start = median_of([*newsletter, "--help"], site, rounds)
        pip = median_of([sys.executable, "-m", "pip", "--version"], site, rounds)
    rows = [
        (
            f"newsletter report {MONTH}, {ARTICLES} articles",
            *report,
            report[0] / floor[0],
            "PyYAML reading front matter",
        ),
        ("newsletter --help", *start, start[0] / pip[0], "pip --version"),
    ]
    for what, cpu, memory, ratio, peer in rows:
        print(f"{what:<42} {cpu * 1000:7.0f} ms CPU {memory:6.0f} MB   {ratio:5.2f} x {peer}")
    print(
        json.dumps(
            {
                "report_cpu_seconds": round(report[0], 3),
                "report_peak_mb": round(report[1], 1),
                "report_to_pyyaml": round(report[0] / floor[0], 2),
                "help_cpu_ms": round(start[0] * 1000, 1),
                "help_to_pip_version": round(start[0] / pip[0], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
