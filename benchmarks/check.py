"""The preflight over 2,000 articles: CPU and memory of ``newsletter check``, cold and when nothing has changed.

    python benchmarks/check.py [--quick]

The peer in the same run is the floor of any such tool: PyYAML's C loader reading the front matter of the same files and
comrak rendering their bodies once. Ratios count; seconds depend on the machine. Installs nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from report import measured

ROOT = Path(__file__).parent.parent
ARTICLES = 2_000
QUICK_ARTICLES = 500
PARAGRAPHS = 8  # about 600 words an article
FLOOR = """
import pathlib, sys, comrak, yaml
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.md")):
    _, head, body = path.read_text(encoding="utf-8").split("---", 2)
    yaml.load(head, yaml.CSafeLoader)
    comrak.render_markdown(body)
"""
REACH_COLD, REACH_AGAIN = 10.0, 1.0


def paragraphs() -> list[str]:
    """What our own articles say, so that the rules meet prose and not filler."""
    found = []
    for path in sorted((ROOT / "articles").rglob("*.en.md")):
        body = path.read_text(encoding="utf-8").split("---", 2)[2]
        found += [part for part in body.split("\n\n") if len(part) > 200 and "](" not in part and "#" not in part]
    return found


def make_site(folder: Path, articles: int) -> None:
    """A new site with so many articles over nineteen years, every third with a link to the one before."""
    chance = random.Random(1)
    pool = paragraphs()
    subprocess.run([sys.executable, "-m", "newsletter", "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    for number in range(articles):
        date = f"{2007 + number % 19}-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
        head = f'title: "Article {number}"\ndate: {date}\nsummary: "About it."\nthemes: [accounts]\ntlp: CLEAR'
        texts = chance.sample(pool, min(PARAGRAPHS, len(pool)))
        if number % 3 == 2:
            texts.append(f"More about it in [article {number - 1}](/en/articles/article-{number - 1}/).")
        path = folder / "articles" / date[:4] / f"article-{number}.en.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"---\n{head}\n---\n" + "\n\n".join(texts) + "\n", encoding="utf-8")


def again(command: list[str], site: Path, rounds: int, *, cold: bool) -> tuple[float, float]:
    """Median CPU seconds and largest peak (MB); ``cold``: what was found the last time is forgotten before each."""
    runs = []
    for number in range(rounds + 1):
        if cold:
            (site / "var" / "check.json").unlink(missing_ok=True)
        run = measured(command, site)
        if number:  # the first one leaves byte code behind, and what it found
            runs.append(run)
    return statistics.median(cpu for cpu, _ in runs), max(memory for _, memory in runs)


def main() -> None:
    """Measure, print the table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 articles, one round: within 45 s on two cores")
    quick = parser.parse_args().quick
    articles, rounds = (QUICK_ARTICLES, 1) if quick else (ARTICLES, 3)
    with tempfile.TemporaryDirectory() as name:
        site = Path(name) / "site"
        make_site(site, articles)
        check = [sys.executable, "-m", "newsletter", "check"]
        content = again([*check, "articles"], site, rounds, cold=True)
        whole = again(check, site, rounds, cold=True)
        unchanged = again(check, site, rounds, cold=False)
        floor = again([sys.executable, "-c", FLOOR, "articles"], site, rounds, cold=False)
    rows = (
        (f"content of {articles:,} articles", content),
        ("content, letters and every page", whole),
        ("the same, nothing changed", unchanged),
        ("floor: PyYAML and comrak alone", floor),
    )
    for what, (cpu, memory) in rows:
        print(f"{what:<36} {cpu:6.2f} s CPU {memory:6.0f} MB   {cpu / floor[0]:6.2f} x floor")
    print(
        f"reach: content of {ARTICLES:,} articles < {REACH_COLD:g} s CPU cold, < {REACH_AGAIN:g} s when nothing changed"
    )
    measures = {
        "articles": articles,
        "content_cpu_seconds": round(content[0], 3),
        "whole_cpu_seconds": round(whole[0], 3),
        "unchanged_cpu_seconds": round(unchanged[0], 3),
        "floor_cpu_seconds": round(floor[0], 3),
        "content_to_floor": round(content[0] / floor[0], 2),
        "whole_to_floor": round(whole[0] / floor[0], 2),
        "whole_peak_mb": round(whole[1], 1),
    }
    print(json.dumps(measures))


if __name__ == "__main__":
    main()
