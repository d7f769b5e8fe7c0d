"""Commands that bring whole lists in and out: import, export, sync. They look first, and act with --yes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from newsletter.cli.common import opened_app, writing

if TYPE_CHECKING:
    from newsletter.subscriptions.bulk import Step, Totals

CSV_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
CONSENT = click.option("--consent", required=True, help="How these people agreed, and when: kept as evidence.")
YES = click.option("--yes", is_flag=True, help="Do it; without this it only tells what would happen.")


class Percent(click.ParamType[float]):
    """A share: 10% or 10."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or say how to write it."""
        try:
            share = float(str(value).removesuffix("%"))
        except ValueError:
            share = -1
        if not 0 <= share <= 100:  # noqa: PLR2004  # per cent
            self.fail(f"{value!r} is no share; write it like 10%", param, ctx)
        return share


@click.command("import", epilog='Example: newsletter subscribers import people.csv --consent "form of 2026-11" --yes')
@click.argument("file", type=CSV_FILE)
@CONSENT
@YES
def import_(file: Path, consent: str, *, yes: bool) -> None:
    """Import people from a CSV file; look first.

    Its columns are address, language, audience, format, note; only address has to be there.

    All or nothing: when a row is wrong, nobody is added. Nobody is changed who is known, and nobody comes back who
    unsubscribed, was erased or suppressed, or whose letters came back.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app, file.open("rb") as rows:
        totals = subscriptions.import_csv(rows, app, consent=consent, dry=not yes, tell=_quiet if yes else _tell)
    _conclude(totals, yes=yes)


@click.command(epilog='Example: newsletter subscribers sync staff.csv --audience staff --consent "staff rules" --yes')
@click.argument("file", type=CSV_FILE)
@click.option("--audience", required=True, help="Whom the file speaks for.")
@CONSENT
@click.option(
    "--max-end", type=Percent(), default="10%", show_default=True, help="End at most this share of them at once."
)
@YES
def sync(file: Path, audience: str, consent: str, max_end: float, *, yes: bool) -> None:
    """Let a directory's export rule an audience; look first.

    It adds, changes and ends people. Those whom the file names are added; those whom it let in and names no more are
    ended. Who left by themselves stays away. A file that has a fault, or names nobody, changes nothing.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app, file.open("rb") as rows:
        totals = subscriptions.sync(
            rows, app, audience=audience, consent=consent, max_end=max_end, dry=not yes, tell=_quiet if yes else _tell
        )
    _conclude(totals, yes=yes)


@click.command(epilog="Example: newsletter subscribers export --out people.csv")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; stdout unless said.")
def export(out: Path | None) -> None:
    """Export everybody but the erased as CSV.

    It can be imported elsewhere, where only active rows are taken in. Fields that a spreadsheet would run as formulas
    are made text.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        if out is None:
            subscriptions.export_csv(sys.stdout, app)
            return
        with writing(out), out.open("w", encoding="utf-8", newline="") as file:
            count = subscriptions.export_csv(file, app)
    click.echo(f"{count} people in {out}")


def _tell(step: Step) -> None:
    place = f"line {step.line}" if step.line else "not in the file"
    click.echo(f"{place}: {step.person.address}: {step.deed}{f' ({step.why})' if step.why else ''}")


def _quiet(_: Step) -> None:
    """Totals are enough for what is done."""


def _conclude(totals: Totals, *, yes: bool) -> None:
    click.echo(f"done: {totals}" if yes else f"would do: {totals}\nnothing was changed; to do it, add --yes")
