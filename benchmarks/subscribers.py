"""Subscribers: a million people imported, an honest visitor during a flood, and what an answer's time tells.

    python benchmarks/subscribers.py [--quick]

Import: the peer in the same run is the floor of any such tool: ``csv`` reading the same file and ``executemany`` of
sqlite3 writing its rows into one table with a unique key, in one transaction.

Flood: the site is served in a process of its own; robots send the sign-up form as fast as they are answered, over eight
connections, while a visitor opens the page and sends the form from elsewhere. The peer is the same visitor without the
flood, and a bare page of Starlette under the same flood.

Answers: for six kinds of address the time from sending the form to the answer, one after the other in turn; the peer is
the address that nobody knows. A distribution that stood apart would tell who is on the list.

Ratios count; milliseconds depend on the machine. Installs nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from report import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 1_000_000
QUICK_ROWS = 50_000
REACH_MB = 150
REACH_MS = 200
ROBOTS = 8
LIMITLESS = {
    f"NEWSLETTER_SUBSCRIBERS_{name}": "1000000" for name in ("PER_NETWORK_HOUR", "PER_DOMAIN_HOUR", "SURGE_HOUR")
}
STAMP = re.compile(r'name="stamp" value="([^"]+)"')
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
def page(request):
    return HTMLResponse("<p>" + "x" * 8000)
app = Starlette(routes=[Route("/{path:path}", page, methods=["GET", "POST"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical")
"""
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


# --- a flood of sign-ups --------------------------------------------------------------------------------------


class Line:
    """One connection that stays open."""

    def __init__(self, server: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=60)

    def ask(self, path: str, form: dict[str, str] | None = None, network: str = "198.51.100.1") -> tuple[int, str]:
        """Status and body of one request."""
        headers = FORM | {"X-Forwarded-For": network} if form else {}
        self._connection.request("POST" if form else "GET", path, urlencode(form) if form else None, headers)
        response = self._connection.getresponse()
        return response.status, response.read().decode()

    def stamp(self) -> str:
        """Of a form that was just shown."""
        found = STAMP.search(self.ask("/en/subscribe/")[1])
        return found[1] if found else ""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(command: list[str], port: int, folder: Path, **environment: str) -> Iterator[str]:
    """A server in a process of its own, which answers when the block begins."""
    process = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stderr=subprocess.DEVNULL)
    server = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                Line(server).ask("/healthz")
                break
            except OSError:
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait()


@contextmanager
def flooded(server: str, form: dict[str, str]) -> Iterator[list[int]]:
    """Robots send the form for ever other addresses; yields a list that grows by one for each answer."""
    stop, answers = Event(), list[int]()

    def robot(number: int) -> None:
        line, chance = Line(server), random.Random(number)
        while not stop.is_set():
            victim = f"victim-{chance.randrange(1_000)}@d{number}.example"
            answers.append(line.ask("/en/subscribe/", form | {"address": victim}, f"203.0.113.{number}")[0])
        line.close()

    threads = [Thread(target=robot, args=(number,)) for number in range(ROBOTS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def visits(server: str, form: dict[str, str], count: int) -> list[float]:
    """Milliseconds of each request of a visitor who opens the page and sends the form, again and again."""
    line, took = Line(server), []
    for number in range(count):
        for sent in (None, form | {"address": f"visitor-{number}@people.example"}):
            before = time.perf_counter()
            line.ask("/en/subscribe/", sent, f"192.0.2.{number % 250}")
            took.append(1_000 * (time.perf_counter() - before))
    line.close()
    return took


def measure_flood(folder: Path, count: int) -> dict[str, Any]:
    """The visitor alone, during a flood, and the flood against a bare page."""
    site = new_site(folder / "flooded")
    port = free_port()
    serve = [sys.executable, "-m", "newsletter", "serve", "--no-scheduler"]
    with started(serve, port, site, NEWSLETTER_WEB_PORT=str(port), **TRUSTED, **LIMITLESS) as server:
        form = honest_form(server)
        alone = visits(server, form, count)
        with flooded(server, form) as answers:
            began = time.perf_counter()
            during = visits(server, form, count)
            rate = len(answers) / (time.perf_counter() - began)
    port = free_port()
    with started([sys.executable, "-c", PAGE, str(port)], port, site) as server, flooded(server, form):
        bare = visits(server, form, count)
    p95 = {name: percentile(took, 95) for name, took in (("alone", alone), ("during", during), ("bare", bare))}
    print(f"{'a visitor without a flood, p95':<38} {p95['alone']:7.1f} ms")
    print(f"{'during ' + format(rate, ',.0f') + ' forms a second, p95':<38} {p95['during']:7.1f} ms")
    print(f"{'a bare page under the same flood, p95':<38} {p95['bare']:7.1f} ms")
    print(f"reach: an honest visitor's request below {REACH_MS} ms at p95")
    return {
        "flood_forms_per_second": round(rate),
        "visitor_p50_ms": round(percentile(during, 50), 1),
        "visitor_p95_ms": round(p95["during"], 1),
        "visitor_p95_alone_ms": round(p95["alone"], 1),
        "visitor_p95_to_bare_page": round(p95["during"] / p95["bare"], 2),
        "visitor_p95_below_reach": p95["during"] < REACH_MS,
    }


# --- what the time of an answer tells -------------------------------------------------------------------------

TRUSTED = {"NEWSLETTER_WEB_TRUSTED_PROXIES": "127.0.0.1", "NEWSLETTER_SUBSCRIBERS_MIN_FILL_SECONDS": "0"}
REFUSED = "refused.example"


def new_site(folder: Path) -> Path:
    """An empty site with a database."""
    for arguments in (["init", "--empty", str(folder)],):
        subprocess.run([sys.executable, "-m", "newsletter", *arguments], check=True, stdout=subprocess.DEVNULL)
    command(folder, "list")
    return folder


def command(site: Path, *arguments: str) -> None:
    """``newsletter subscribers ...`` on a site."""
    told = [sys.executable, "-m", "newsletter", "subscribers", *arguments]
    subprocess.run(told, check=True, cwd=site, stdout=subprocess.DEVNULL)


def honest_form(server: str) -> dict[str, str]:
    """What a browser sends, but for the address."""
    line = Line(server)
    form = {"language": "en", "format": "html", "stamp": line.stamp()}
    line.close()
    return form


def measure_answers(folder: Path, rounds: int) -> dict[str, Any]:
    """Six kinds of address, asked in turn; how far each median and each p95 lies from the unknown one's."""
    site = new_site(folder / "answers")
    for name in ("active", "left", "erased"):
        command(site, "add", f"{name}@people.example", "--consent", "a benchmark")
    command(site, "suppress", "left@people.example", "--reason", "a benchmark", "--yes")
    command(site, "unsuppress", "left@people.example")  # unsubscribed by it, and free to come back
    command(site, "suppress", "suppressed@people.example", "--reason", "a benchmark", "--yes")
    command(site, "erase", "erased@people.example", "--yes")
    port = free_port()
    serve = [sys.executable, "-m", "newsletter", "serve", "--no-scheduler"]
    domains = {"NEWSLETTER_SUBSCRIBERS_REFUSED_DOMAINS": REFUSED}
    kinds = {
        "unknown": "unknown@people.example",
        "active": "active@people.example",
        "unsubscribed": "left@people.example",
        "erased": "erased@people.example",
        "suppressed": "suppressed@people.example",
        "refused": f"someone@{REFUSED}",
    }
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    with started(serve, port, site, NEWSLETTER_WEB_PORT=str(port), **TRUSTED, **LIMITLESS, **domains) as server:
        form, line, chance = honest_form(server), Line(server), random.Random(1)
        for number in range(rounds):
            for kind in chance.sample(sorted(kinds), len(kinds)):
                before = time.perf_counter()
                line.ask("/en/subscribe/", form | {"address": kinds[kind]}, f"192.0.2.{number % 250}")
                took[kind].append(1_000 * (time.perf_counter() - before))
        line.close()
    return told(took)


def told(took: dict[str, list[float]]) -> dict[str, Any]:
    """Print the distributions, and how much of each lies between the unknown address's 5th and 95th percentile."""
    low, high = percentile(took["unknown"], 5), percentile(took["unknown"], 95)
    overlap = {}
    print(f"{'answer to':<20} {'p5':>7} {'p50':>7} {'p95':>7} ms   inside the unknown one's p5..p95 (90 % expected)")
    for kind, times in took.items():
        overlap[kind] = sum(low <= one <= high for one in times) / len(times)
        shown = " ".join(f"{percentile(times, part):7.2f}" for part in (5, 50, 95))
        print(f"{kind:<20} {shown}      {overlap[kind]:5.0%}")
    middle = percentile(took["unknown"], 50)
    return {
        "answers_each": len(took["unknown"]),
        "answer_p50_to_unknown": {kind: round(percentile(times, 50) / middle, 3) for kind, times in took.items()},
        "answer_overlap": {kind: round(share, 3) for kind, share in overlap.items()},
    }


def percentile(values: list[float], part: int) -> float:
    """The value below which that many of a hundred lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[part - 1]


def main() -> None:
    """Measure, print the tables, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer people and visits: within 45 s on two cores")
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rows, count, rounds = (2_000, 20, 20) if arguments.smoke else (QUICK_ROWS, 150, 150) if arguments.quick else (
        ROWS, 500, 500
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        measures = measure_flood(Path(name), count) | measure_answers(Path(name), rounds)
        measures |= measure_import(Path(name), rows)
    if rows < ROWS:
        print(f"quick: {rows:,} people instead of {ROWS:,}, {count} visits, {rounds} answers of each kind")
    print(json.dumps(measures))


if __name__ == "__main__":
    main()
