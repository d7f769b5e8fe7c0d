"""Commands around subscribers; addresses go to files and to the terminal of whoever asked, never into logs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from newsletter.cli.common import json_option, opened_app, print_json, writing
from newsletter.errors import UsageError
from newsletter.model import SubscriberState

CONSENT_HELP = "How they agreed, and when: kept as evidence."


@click.group(short_help="List, add, import and export subscribers.")
def subscribers() -> None:
    """List, add, import and export subscribers."""


@subscribers.command("list", epilog="Example: newsletter subscribers list --json")
@json_option
def list_(*, as_json: bool) -> None:
    """List everybody with language, format and state."""
    from newsletter.subscriptions import everybody  # noqa: PLC0415

    with opened_app() as app:
        people = everybody(app)
        if as_json:
            rows = [
                {"address": str(p.address), "language": p.language, "audience": p.audience,
                 "format": p.format.value, "state": p.state.value}
                for p in people
            ]  # fmt: skip
            print_json({"subscribers": rows})
            return
        for person in people:
            click.echo(f"{person.address}  {person.language}  {person.audience}  {person.format}  {person.state}")


@subscribers.command(epilog='Example: newsletter subscribers add robin@example.org --consent "asked by phone"')
@click.argument("address")
@click.option("--language", help="Two letters; the site's first language unless said.")
@click.option("--format", "text_format", type=click.Choice(["html", "text"]), default="html", show_default=True)
@click.option("--consent", required=True, help=CONSENT_HELP)
@click.option("--again", is_flag=True, help="Who had left agreed anew: make them active, and keep this consent too.")
def add(address: str, language: str | None, text_format: str, consent: str, *, again: bool) -> None:
    """Add one active subscriber; somebody who is known already is left as they are, unless --again."""
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        known = subscriptions.add(
            address, app, language=language, text_format=text_format, consent=consent, again=again
        )
    if known is None:
        click.echo("added")
    elif known.state is SubscriberState.ACTIVE:
        click.echo("known already and active: nothing changed")
    elif again:
        click.echo(f"active again (was {known.state}), with language {known.language} and format {known.format}")
    else:
        click.echo(f"known already and {known.state}: nothing changed; if they agreed anew, add them with --again")


@subscribers.command("import", epilog='Example: newsletter subscribers import people.csv --consent "form of 2026-11"')
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--consent", required=True, help=CONSENT_HELP)
def import_(file: Path, consent: str) -> None:
    """Import people from a CSV file with the columns address, language, audience, format, note.

    All or nothing: when a row is wrong, every wrong row is named and nobody is added. Nobody is changed who is known.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app, file.open(encoding="utf-8-sig", newline="") as rows:
        done = subscriptions.import_csv(rows, app, consent=consent)
    click.echo(f"{done.added} added, {done.known} known already")


@subscribers.command(epilog="Example: newsletter subscribers export --out people.csv")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; stdout unless said.")
def export(out: Path | None) -> None:
    """Export everybody as CSV. Fields that a spreadsheet would run as formulas are made text."""
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        if out is None:
            subscriptions.export_csv(sys.stdout, app)
            return
        with writing(out), out.open("w", encoding="utf-8", newline="") as file:
            count = subscriptions.export_csv(file, app)
    click.echo(f"{count} people in {out}")


@subscribers.command(epilog="Example: newsletter subscribers letters robin@example.org")
@click.argument("address")
@json_option
def letters(address: str, *, as_json: bool) -> None:
    """Tell what became of every letter to ADDRESS: month, state, when, and what the relay said."""
    from newsletter import control  # noqa: PLC0415
    from newsletter.parsing import parse_address  # noqa: PLC0415

    try:
        wanted = parse_address(address)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with opened_app() as app:
        found = control.letters_of(wanted, app)
    if as_json:
        rows = [
            {"month": str(month), "delivery": one.id, "state": one.state.value, "attempts": one.attempts,
             "changed": one.changed.isoformat(), "reply": one.reply, "reason": one.reason}
            for month, one in found
        ]  # fmt: skip
        print_json({"letters": rows})
        return
    for month, one in found:
        click.echo(f"{month}  {one.state:<9} {one.changed:%Y-%m-%d %H:%M}  {one.reply or one.reason}  ({one.id})")
    if not found:
        click.echo("no letter was ever due to this address")
