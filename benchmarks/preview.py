"""From saving a file to the painted page: ``newsletter preview`` of one of 500 articles, in Chromium.

    python benchmarks/preview.py [--quick]

Each save renames a new file over the old one, as most editors do; painted is the second animation frame
that begins after the mail was replaced. The preflight works in the background all the time, as it does while somebody
writes. Peer in the same run: ``newsletter report``, which renders the same month from nothing. Ratios count; seconds
depend on the machine. Needs Debian's package chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright
from report import ARTICLES, MONTH, PARAGRAPH, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

NEWSLETTER = [sys.executable, "-m", "newsletter"]
QUICK, FULL = 20, 100
HEAD = '---\ntitle: "While writing"\ndate: 2026-10-20\nsummary: "About it."\nthemes: [accounts]\ntlp: CLEAR\n---\n'
PAINTED = """
marker => new Promise((done) => {
  const panel = document.getElementById("panel-mail");
  const look = () => {
    const text = panel.querySelector("iframe.shown")?.contentDocument.body?.textContent ?? "";
    if (text.includes(marker) && panel.dataset.painted === panel.dataset.wanted) done(Number(panel.dataset.paintedAt));
    else requestAnimationFrame(look);
  };
  look();
})
"""


@contextmanager
def previewing(site: Path, article: Path) -> Iterator[str]:
    """The address of a preview of this article."""
    command = [*NEWSLETTER, "preview", str(article), "--no-browser"]
    process = subprocess.Popen(command, cwd=site, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def saved_to_painted(page: Page, article: Path, number: int) -> float:
    """Milliseconds from one save to the painted page."""
    marker = f"This is version {number}."
    aside = article.with_name(f".{article.name}.swp")
    aside.write_text(f"{HEAD}{marker}\n\n{PARAGRAPH * 8}", encoding="utf-8")
    saved = time.time() * 1000
    aside.replace(article)
    return float(page.evaluate(PAINTED, marker)) - saved


def report_ms(site: Path, rounds: int) -> float:
    """Median wall time of rendering the whole month by itself."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run([*NEWSLETTER, "report", MONTH, "--out", "out"], cwd=site, check=True, capture_output=True)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def measure(site: Path, saves: int) -> list[float]:
    """So many saves, after three that warm up what stays warm while somebody writes."""
    article = site / "articles" / "2026" / "while-writing.en.md"
    article.write_text(HEAD + PARAGRAPH, encoding="utf-8")
    with previewing(site, article) as address, sync_playwright() as playwright:
        chrome = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = chrome.new_page(viewport={"width": 1360, "height": 900})
        page.goto(address)
        page.wait_for_selector("#panel-mail[data-painted]")
        times = [saved_to_painted(page, article, number) for number in range(saves + 3)][3:]
        chrome.close()
    return times


def main() -> None:
    """Measure, print the table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer saves: within 45 s on two cores")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        site = Path(name) / "site"
        make_site(site)
        load = os.getloadavg()[0]
        times = measure(site, QUICK if quick else FULL)
        peer = report_ms(site, 3 if quick else 5)
    cuts = statistics.quantiles(times, n=20)
    p50, p95 = statistics.median(times), cuts[18]
    print(
        f"{'saved to painted, p50':<42} {p50:7.0f} ms   {p50 / peer:5.2f} x newsletter report {MONTH} ({peer:.0f} ms)"
    )
    print(f"{'saved to painted, p95':<42} {p95:7.0f} ms   {p95 / peer:5.2f} x")
    print(f"{len(times)} saves, {ARTICLES} articles, load {load:.1f} before")
    print(
        json.dumps(
            {
                "saves": len(times),
                "articles": ARTICLES,
                "p50_ms": round(p50, 1),
                "p95_ms": round(p95, 1),
                "report_ms": round(peer, 1),
                "p50_to_report": round(p50 / peer, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
