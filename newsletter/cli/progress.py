"""How far a run is: a bar with rate, time left and replies by domain on a terminal, a line for every 5 % elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.deliver.run import Tally

DRAW_SECONDS: Final = 0.1  # how often the bar is drawn at most
MAX_DOMAINS: Final = 5  # how many domains the bar names: those with the most that was not accepted
STEP: Final = 5  # per cent between two lines
EXACT_BELOW: Final = 10  # letters a second: a slow pace is told with one decimal
TROUBLES: Final = ("refused", "deferred", "dropped", "uncertain")


@contextmanager
def shown_progress(
    what: str, *, quiet: bool, seconds: Callable[[], float] = monotonic
) -> Iterator[Callable[[Tally], None]]:
    """A function to tell a ``Tally`` after every letter; all that is shown goes to stderr. ``seconds``: the clock."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(what, seconds) as update:
            yield update
    else:
        yield _Lines(what, seconds)


class _Lines:
    """One line for every 5 %."""

    def __init__(self, what: str, seconds: Callable[[], float]) -> None:
        self._what = what
        self._said = -1
        self._seconds = seconds
        self._started = seconds()

    def __call__(self, tally: Tally) -> None:
        done = _done(tally, self._what)
        share = 100 * done // max(1, tally.total) // STEP * STEP
        if share > self._said:
            self._said = share
            pace = _pace(done, tally.total, self._seconds() - self._started)
            click.echo(f"{share:3d} %  {done:,} of {tally.total:,}{pace}{told_troubles(tally)}", err=True)


@contextmanager
def _bar(what: str, seconds: Callable[[], float]) -> Iterator[Callable[[Tally], None]]:
    from rich.console import Console  # noqa: PLC0415  # only when drawing
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    started = drawn_at = seconds()
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(what, total=None, pace="")

        def update(tally: Tally) -> None:
            nonlocal drawn_at
            now, done = seconds(), _done(tally, what)
            if now - drawn_at < DRAW_SECONDS and done < tally.total:
                return
            drawn_at = now
            pace = _pace(done, tally.total, now - started) + told_troubles(tally)
            drawn.update(task, completed=done, total=tally.total, pace=pace.removeprefix(", "))

        yield update


def told_troubles(tally: Tally) -> str:
    """What was not accepted, by domain, the worst first: ``; example.org 3 refused, 1 deferred``."""
    troubles = {domain: [(counts[name], name) for name in TROUBLES if counts.get(name)]
                for domain, counts in tally.domains.items()}  # fmt: skip
    worst = sorted((domain for domain, found in troubles.items() if found),
                   key=lambda domain: -sum(count for count, _ in troubles[domain]))  # fmt: skip
    told = [f"{domain} " + ", ".join(f"{count:,} {name}" for count, name in troubles[domain])
            for domain in worst[:MAX_DOMAINS]]  # fmt: skip
    more = f"; {len(worst) - MAX_DOMAINS} more domains" if len(worst) > MAX_DOMAINS else ""
    return "".join(f"; {one}" for one in told) + more


def _done(tally: Tally, what: str) -> int:
    """Never more than there are: a letter that was uncertain and is sent again counts twice in the tally."""
    return min(tally.signed if what == "signing" else tally.done, tally.total)


def _pace(done: int, total: int, seconds: float) -> str:
    """``, 812/s, 0:00:12 left``."""
    if seconds <= 0 or not done:
        return ""
    rate = done / seconds
    left = timedelta(seconds=round((total - done) / rate))
    return f", {rate:,.{0 if rate >= EXACT_BELOW else 1}f}/s, {left} left"
