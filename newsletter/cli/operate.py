"""Commands for operators: the database, the settings."""

from __future__ import annotations

import click

from newsletter.cli.common import json_option, opened_app, print_json, site_settings


@click.group(short_help="Make or upgrade the database.")
def database() -> None:
    """Make or upgrade the database."""


@database.command(epilog="Example: newsletter db upgrade")
def upgrade() -> None:
    """Make the tables, or bring those of an earlier version up.

    It is safe to repeat.
    """
    with opened_app(database=False) as app:
        app.store.upgrade()
        click.echo(f"{app.store.name} is ready")


@click.group(short_help="Show the settings and where each comes from.")
def config() -> None:
    """Show the settings and where each comes from."""


@config.command(epilog="Example: newsletter config show")
@json_option
def show(*, as_json: bool) -> None:
    """Show every setting with its value and its origin.

    Secrets are masked.
    """
    from newsletter.config import shown  # noqa: PLC0415

    rows = list(shown(site_settings()))
    if as_json:
        print_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
        return
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        click.echo(f"{key:<{width}}  {value!s}  ({origin})")
