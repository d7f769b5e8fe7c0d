"""Commands around what the team follows elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from newsletter.cli.common import json_option, opened_app, print_json

if TYPE_CHECKING:
    from newsletter.model import Source
    from newsletter.store.feeds import FeedStatus


@click.group(short_help="Fetch and list what the team follows elsewhere.")
def feeds() -> None:
    """Fetch and list what the team follows elsewhere."""


@feeds.command(epilog="Example: newsletter feeds fetch")
def fetch() -> int:
    """Fetch every feed into the store now. Exit code 5 when one failed: the others are in."""
    from newsletter import duties  # noqa: PLC0415

    failed = 0
    with opened_app() as app:
        for source in app.settings.feeds.sources:
            result = duties.poll(source, app)
            failed += result.failure is not None
            told = result.failure.reason if result.failure else f"{len(result.entries)} entries"
            click.echo(f"{source.id}: {told}" + (f" ({result.note})" if result.note else ""))
    return 5 if failed else 0


@feeds.command("list", epilog="Example: newsletter feeds list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every feed with its health."""
    from newsletter.store import feeds as table  # noqa: PLC0415

    with opened_app() as app, app.store.read() as tx:
        health = {row.source: row for row in table.every(tx)}
        rows = [(source, health.get(source.id)) for source in app.settings.feeds.sources]
    if as_json:
        print_json({"feeds": [_as_dict(source, row) for source, row in rows]})
        return
    for source, row in rows:
        click.echo(f"{source.id}  {source.url}  {_health(row)}")


def _health(row: FeedStatus | None) -> str:
    if row is None or row.polled is None:
        return "never fetched"
    if row.failure:
        return str(row.failure).partition(": ")[2]
    moved = f"; says that it has moved to {row.moved_to}" if row.moved_to else ""
    return f"fine, {row.entries} entries, last fetched {row.polled:%Y-%m-%d %H:%M} UTC{moved}"


def _as_dict(source: Source, row: FeedStatus | None) -> dict[str, object]:
    return {
        "id": source.id,
        "name": source.name,
        "url": source.url,
        "polled": row and row.polled,
        "failure": row and row.failure and row.failure.reason,
        "failing_since": row and row.failure and row.failure.since,
        "entries": row.entries if row else 0,
    }
