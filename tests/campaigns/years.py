"""Simulated years of two schedulers on one site, with outages, late returns and DST changes: one report a month.

    python -m tests.campaigns.years --years 20 --seed 1

Everything is real but the clock: content, rendering, archive, SQLite, and an SMTP server that records what the one
subscriber gets. The judgement reads that record and the editor's mails only. The last line is one JSON object; exit
code 1 if a month was sent twice, skipped, out of order, too early, or late without an editor having been asked.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from newsletter import pipeline, schedule, subscriptions
from newsletter.app import App, build_app
from newsletter.cli import run as newsletter
from newsletter.config import load_settings
from newsletter.duties import Duties
from newsletter.errors import NewsletterError
from newsletter.model import MailingState, Month
from newsletter.store import mailings
from tests.support.mailserver import MailServer

ZONE = "Europe/Zurich"
FIRST = Month(2026, 1)
READER = "reader@people.example"
EDITOR = "editor@people.example"
LATE_DAYS = 7
EDITOR_ANSWERS = timedelta(days=2)


class Clock:
    """Time as the simulation has it; both schedulers look at the same one."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def make_apps(folder: Path, port: int, clock: Clock) -> tuple[App, App]:
    site = folder / "site"
    if newsletter(["init", "--empty", str(site)]):
        raise SystemExit("no site")
    environment = {
        "NEWSLETTER_PUBLICATION_LANGUAGES": "en",
        "NEWSLETTER_PUBLICATION_ZONE": ZONE,
        "NEWSLETTER_SCHEDULE_RULE": "first Tuesday 09:00",
        "NEWSLETTER_SCHEDULE_FIRST_MONTH": str(FIRST),
        "NEWSLETTER_SCHEDULE_APPROVAL": "false",
        "NEWSLETTER_SCHEDULE_MAX_LATE_DAYS": str(LATE_DAYS),
        "NEWSLETTER_EDITORS_ADDRESSES": EDITOR,
        "NEWSLETTER_RELAY_PORT": str(port),
    }
    settings = load_settings(site, environment)
    settings = replace(settings, feeds=replace(settings.feeds, sources=()))
    first, second = build_app(settings, clock=clock), build_app(settings, clock=clock)
    first.ready_store()
    subscriptions.add(READER, first, language="en", text_format="html", consent="a simulation")
    return first, second


def moments(start: datetime, end: datetime, chance: random.Random) -> Iterator[tuple[datetime, bool]]:
    """When a scheduler looks, and whether the machine was off before: irregular ticks, outages of hours to weeks."""
    now = start
    while now < end:
        is_outage = chance.random() < 1 / 120
        pause = timedelta(days=chance.uniform(1, 21)) if is_outage else timedelta(hours=chance.uniform(0.5, 30))
        now += pause
        yield now, is_outage


def tick(app: App, chance: random.Random) -> None:
    """One round of everything, in the order of a scheduler; what another process is doing is no fault."""
    duties = Duties(app, Event())
    for step in (duties.remind, duties.distribute, duties.retry, duties.post):
        if chance.random() < 0.02:
            return  # killed here
        try:
            step()
        except NewsletterError as error:
            print(f"{app.clock()}: {step.__name__}: {error}", file=sys.stderr)


def answer(app: App, mails: MailServer, asked: dict[Month, datetime]) -> None:
    """The editor reads what came, and sends late months by hand two days later."""
    now = app.clock()
    for mail in mails.mails_to(EDITOR):
        subject = str(mail.message["Subject"])
        for month in _late_months(app):
            if _name(month) in subject:
                asked.setdefault(month, now)
    for month, since in sorted(asked.items()):
        if now - since >= EDITOR_ANSWERS and month in _late_months(app):
            pipeline.run_month(month, app)


def _late_months(app: App) -> list[Month]:
    with app.store.read() as tx:
        settled = {m.month for m in mailings.every(tx) if m.state in (MailingState.RELEASED, MailingState.SENT)}
    due = schedule.due(
        app.clock(), app.settings.rule, first_month=FIRST, settled=settled, max_late=timedelta(days=LATE_DAYS)
    )
    return [item.month for item in due if item.late]


def _name(month: Month) -> str:
    return month.first_day.strftime("%B %Y")


def judge(
    mails: MailServer, years: int, sent_at: dict[str, datetime], asked: dict[Month, datetime], app: App
) -> dict[str, Any]:
    wanted = [FIRST.shift(n) for n in range(years * 12)]
    archived = [str(mail.message["Archived-At"]) for mail in mails.mails_to(READER)]
    got = [Month.parse(address.rstrip(">/").rpartition("/")[2]) for address in archived]
    copies = Counter(got)
    early = late_unasked = 0
    for month in wanted:
        at = sent_at.get(str(month))
        if at is None:
            continue
        slot = schedule.slot(app.settings.rule, month)
        early += at < slot
        late_unasked += at > slot + timedelta(days=LATE_DAYS) and month not in asked
    return {
        "months": len(wanted),
        "sent": len(got),
        "missing": sum(copies[month] == 0 for month in wanted),
        "twice": sum(count > 1 for count in copies.values()),
        "too_early": early,
        "late_without_asking": late_unasked,
        "asked": len(asked),
    }


def run(*, years: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    started = time.monotonic()
    start = datetime(FIRST.year, FIRST.month, 15, 12, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    last = FIRST.shift(years * 12 - 1)
    # Held months are what the simulation is about; each would be logged at every tick.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    clock = Clock(start)
    asked: dict[Month, datetime] = {}
    sent_at: dict[str, datetime] = {}
    outages = ticks = 0
    with tempfile.TemporaryDirectory() as folder, MailServer() as mails:
        first, second = make_apps(Path(folder), mails.port, clock)
        with closing(first), closing(second):
            end = schedule.slot(first.settings.rule, last) + timedelta(days=45)
            for now, was_off in moments(start, end, chance):
                clock.now = now
                outages += was_off
                ticks += 1
                before = len(mails.mails_to(READER))
                for app in chance.sample((first, second), chance.choice((1, 2))):
                    tick(app, chance)
                answer(first, mails, asked)
                for mail in mails.mails_to(READER)[before:]:
                    sent_at.setdefault(str(mail.message["Archived-At"]).rstrip(">/").rpartition("/")[2], now)
            result = judge(mails, years, sent_at, asked, first)
    return {"seed": seed, "years": years, "ticks": ticks, "outages": outages, **result,
            "seconds": round(time.monotonic() - started, 1)}  # fmt: skip


def is_good(result: dict[str, Any]) -> bool:
    """Every month once, none early, none late unasked. The months after the last one may have begun."""
    faults = ("missing", "twice", "too_early", "late_without_asking")
    return not any(result[fault] for fault in faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    result = run(years=wanted.years, seed=wanted.seed)
    print(json.dumps(result))
    return 0 if is_good(result) else 1


if __name__ == "__main__":
    sys.exit(main())
