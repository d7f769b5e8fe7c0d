"""A flood of sign-ups over HTTP: whoever sends it, no address gets more than one mail a day.

    python -m tests.campaigns.flood --posts 10000 --addresses 1000 --networks 50 --seed 1

Robots take one real form and send it as fast as they can for many strangers' addresses, from many networks at once,
every simulated day anew, while the clock that decides and posts keeps ringing. Mails are counted where they arrive: at
a real SMTP server. It runs twice: with the limits of a new site, and with those of networks, domains and surges taken
away, so that the address's own limit has to hold alone. The last line is one JSON object; exit 1 when somebody was
bombed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread, local
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog

from newsletter import subscriptions
from newsletter.app import App
from newsletter.cli.serve import web_app
from newsletter.duties import Duties
from newsletter.errors import BusyError
from tests.support.mailserver import MailServer
from tests.support.sites import Clock, small_app
from tests.support.webserver import ask, serving

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
WORKERS = 16
DAYS = 3
LIMITLESS = {
    "NEWSLETTER_SUBSCRIBERS_PER_NETWORK_HOUR": "1000000",
    "NEWSLETTER_SUBSCRIBERS_PER_DOMAIN_HOUR": "1000000",
    "NEWSLETTER_SUBSCRIBERS_SURGE_HOUR": "1000000",
}
STAMP = re.compile(r'name="stamp" value="([^"]+)"')
LANGUAGES = ("en", "fr")


class Robot:
    """Sends forms over connections that stay open, one for each thread."""

    def __init__(self, server: str) -> None:
        self._place = urlsplit(server).netloc
        self._own = local()
        self._open: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Hang up, on every thread's line."""
        for connection in self._open:
            connection.close()

    def send(self, form: tuple[str, str, str, str]) -> int:
        """One form: (path, body, network, language); returns the status."""
        path, body, network, tongue = form
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._place, timeout=60)
            self._open.append(self._own.connection)
        connection = self._own.connection
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": network,
            "Accept-Language": tongue,
        }
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        return int(response.status)


def forms(
    server: str, clock: Clock, chance: random.Random, *, posts: int, people: Sequence[str], networks: int
) -> Iterator[tuple[str, str, str, str]]:
    """As many forms as wanted, in both languages."""
    stamps = {}
    for language in LANGUAGES:
        page = ask(f"{server}/{language}/subscribe/").text
        found = STAMP.search(page)
        assert found, page
        stamps[language] = found[1]
    clock.now += timedelta(minutes=1)  # as long as a person takes, or a robot that is in no hurry
    for _ in range(posts):
        language, address = chance.choice(LANGUAGES), chance.choice(people)
        typed = address.upper() if chance.random() < 0.2 else address
        body = urlencode({"address": typed, "language": language, "format": "html", "stamp": stamps[language]})
        yield f"/{language}/subscribe/", body, f"198.51.100.{chance.randrange(networks)}", language


@contextmanager
def ringing(app: App) -> Iterator[None]:
    """The clock that decides and posts, as ``serve`` rings it; at the end it rings until nothing is left."""
    stop = Event()
    duties = Duties(app, Event())

    def post() -> None:
        while not stop.is_set():
            duties.post()
            stop.wait(0.05)

    thread = Thread(target=post)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(BusyError):
            duties.post()


def flood(*, posts: int, addresses: int, networks: int, seed: int, environment: dict[str, str]) -> dict[str, Any]:
    """Three days of it."""
    chance = random.Random(seed)
    clock = Clock(START)
    people = [f"victim-{number}@d{number % 97}.example" for number in range(addresses)]
    statuses: Counter[int] = Counter()
    mails: Counter[tuple[int, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder, MailServer() as relay, redirect_stdout(sys.stderr):
        settings = environment | {"NEWSLETTER_RELAY_PORT": str(relay.port)}
        with small_app(Path(folder) / "site", clock, **settings) as app:
            for address in people[::3]:  # a third of them are subscribed, and hear so
                subscriptions.add(address, app, language="fr", text_format="html", consent="a simulation")
            for day in range(DAYS):
                clock.now = START + timedelta(days=day)
                before = len(relay.mails)
                with serving(web_app(app), trusted_proxies=("127.0.0.1",)) as server, ringing(app):
                    today = list(forms(server, clock, chance, posts=posts // DAYS, people=people, networks=networks))
                    with closing(Robot(server)) as robot, ThreadPoolExecutor(WORKERS) as pool:
                        statuses.update(pool.map(robot.send, today))
                mails.update(
                    (day, mail.recipient.lower()) for mail in relay.mails[before:] if "victim" in mail.recipient
                )
    return {
        "posts": sum(statuses.values()),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "mails": sum(mails.values()),
        "addresses_that_got_one": len({address for _, address in mails}),
        "most_for_one_address_on_one_day": max(mails.values(), default=0),
        "most_for_one_address": max(Counter(address for _, address in mails.elements()).values(), default=0),
    }


def run(*, posts: int, addresses: int, networks: int, seed: int) -> dict[str, Any]:
    started = time.monotonic()
    wanted = {"posts": posts, "addresses": addresses, "networks": networks, "seed": seed}
    return {
        "seed": seed,
        "as_installed": flood(**wanted, environment={}),
        "address_limit_alone": flood(**wanted, environment=LIMITLESS),
        "seconds": round(time.monotonic() - started, 1),
    }


def is_good(result: dict[str, Any]) -> bool:
    """At most one mail for each address and day, and some mails: a flood that reached nobody shows nothing."""
    both = (result["as_installed"], result["address_limit_alone"])
    return all(one["most_for_one_address_on_one_day"] == 1 and not one["statuses"].get("500") for one in both)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--addresses", type=int, default=1_000)
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    result = run(posts=wanted.posts, addresses=wanted.addresses, networks=wanted.networks, seed=wanted.seed)
    print(json.dumps(result))
    return 0 if is_good(result) else 1


if __name__ == "__main__":
    sys.exit(main())
