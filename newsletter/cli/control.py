"""Commands for a month on its way: pause, resume, cancel, sign, settle."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import click

from newsletter.cli.common import MONTH, opened_app
from newsletter.cli.progress import shown_progress
from newsletter.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from newsletter.model import Month

INTERRUPTED = 130


@click.command(short_help="Let nothing more of a month leave for now.", epilog="Example: newsletter pause 2026-10")
@click.argument("month", type=MONTH)
def pause(month: Month) -> None:
    """Let nothing more of MONTH leave until it is resumed; what is in flight is finished."""
    from newsletter import control  # noqa: PLC0415

    with opened_app() as app:
        control.pause(month, app)
    click.echo(f"{month} is paused; go on with: newsletter resume {month}")


@click.command(short_help="Let a paused month go on.", epilog="Example: newsletter resume 2026-10")
@click.argument("month", type=MONTH)
def resume(month: Month) -> None:
    """Let MONTH go on; the scheduler delivers at its next tick, or: newsletter send MONTH."""
    from newsletter import control  # noqa: PLC0415

    with opened_app() as app:
        control.resume(month, app)
    click.echo(f"{month} may leave; the scheduler goes on within minutes, or now: newsletter send {month}")


@click.command(short_help="Send nothing more of a month, ever.", epilog="Example: newsletter cancel 2026-10")
@click.argument("month", type=MONTH)
@click.option("--yes", is_flag=True, help="Do not ask to type the month back.")
def cancel(month: Month, *, yes: bool) -> None:
    """Send nothing more of MONTH, ever; what was sent stays sent, and its page stays in the archive."""
    from newsletter import control, standing  # noqa: PLC0415

    with opened_app() as app:
        if not yes:
            typed = click.prompt(f"Type {month} to cancel it for good", default="", show_default=False, err=True)
            if typed.strip() != str(month):
                raise RefusedError("that was not the month; nothing was cancelled")
        control.cancel(month, app)
        reached = standing.of(month, app)
    told = ", ".join(f"{count:,} {state}" for state, count in reached.letters.items() if count)
    click.echo(f"{month} is cancelled: {told or 'no letter had been written'}")


@click.command(
    short_help="Make a released month's signatures ahead of sending.", epilog="Example: newsletter sign 2026-10"
)
@click.argument("month", type=MONTH)
def sign(month: Month) -> int:
    """Make and store the signatures of MONTH's letters; send nothing. Release it paused: send MONTH --pause."""
    from newsletter import control, jobs  # noqa: PLC0415

    stop = Event()
    jobs.stop_on_signals(stop)
    with opened_app() as app, shown_progress("signing", quiet=False) as progress:
        tally = control.sign(month, app, stop=stop.is_set, progress=progress)
    click.echo(f"{tally.signed:,} letters of {month} are signed")
    return INTERRUPTED if stop.is_set() else 0


@click.command(
    short_help="Decide about letters that are held because nobody knows.",
    epilog="Example: newsletter settle 2026-10 3.817263 --taken",
)
@click.argument("month", type=MONTH)
@click.argument("deliveries", nargs=-1, metavar="[DELIVERY]...")
@click.option("--taken", is_flag=True, help="The relay has them: nothing is sent again.")
@click.option("--again", is_flag=True, help="The relay does not have them: they are sent.")
def settle(month: Month, deliveries: tuple[str, ...], *, taken: bool, again: bool) -> None:
    """Decide about the held letters of MONTH that are named as in its status (all of them when none is named)."""
    from newsletter import control  # noqa: PLC0415

    if taken == again:
        raise UsageError("say either --taken or --again")
    with opened_app() as app:
        count = control.settle(month, app, deliveries, taken=taken)
    click.echo(f"{count:,} letters {'count as taken' if taken else 'are due again'}")
