"""Commands around portals. A token goes to the terminal of whoever made it, once, and nowhere else."""

from __future__ import annotations

import click

from newsletter.cli.common import json_option, opened_app, print_json
from newsletter.model import Scope


@click.group(
    short_help="Let an organisation's own portal use the JSON API.",
    epilog="Example: newsletter portals add intranet --scope signup",
)
def portals() -> None:
    """Let an organisation's own portal use the JSON API (docs/api.md)."""


@portals.command(epilog="Example: newsletter portals add intranet --scope signup")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may do; can be given twice.",
)
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Let the portal NAME in, and print its token.

    This once, since only its hash is kept.
    """
    from newsletter.subscriptions.portals import register  # noqa: PLC0415

    with opened_app() as app:
        token = register(name, {Scope(scope) for scope in scopes}, app)
    click.echo(token)
    click.echo("keep it like a password: it is shown this once", err=True)


@portals.command("list", epilog="Example: newsletter portals list --json")
@json_option
def list_(*, as_json: bool) -> None:
    """List every portal with its scopes, and whether it was revoked."""
    from newsletter.subscriptions.portals import every  # noqa: PLC0415

    with opened_app() as app:
        found = every(app)
    if as_json:
        rows = [
            {"name": one.name, "scopes": [scope.value for scope in one.scopes], "created": one.created.isoformat(),
             "revoked": one.revoked.isoformat() if one.revoked else None}
            for one in found
        ]  # fmt: skip
        print_json({"portals": rows})
        return
    for one in found:
        state = f"revoked {one.revoked:%Y-%m-%d %H:%M}" if one.revoked else f"since {one.created:%Y-%m-%d %H:%M}"
        click.echo(f"{one.name}  {','.join(one.scopes)}  {state}")


@portals.command(epilog="Example: newsletter portals revoke intranet")
@click.argument("name")
def revoke(name: str) -> None:
    """Let the portal NAME in no more, from now on."""
    from newsletter.subscriptions.portals import revoke as end  # noqa: PLC0415

    with opened_app() as app:
        click.echo("revoked" if end(name, app) else "revoked already: nothing changed")
