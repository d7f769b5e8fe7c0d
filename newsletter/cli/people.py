"""Commands around subscribers; addresses go to files and to the terminal of whoever asked, never into logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from newsletter.cli.common import json_option, opened_app, parsed_address, print_json
from newsletter.cli.lists import export, import_, sync
from newsletter.cli.silence import erase, signups, suppress, suppressed, unsubscribe, unsuppress
from newsletter.model import SubscriberState

if TYPE_CHECKING:
    from newsletter.model import Subscriber

CONSENT_HELP = "How they agreed, and when: kept as evidence."


@click.group(short_help="Add, import, sync, export, erase and suppress subscribers.")
def subscribers() -> None:
    """List, add, import, export, sync, erase and suppress subscribers."""


@subscribers.command("list", epilog="Example: newsletter subscribers list --json")
@json_option
def list_(*, as_json: bool) -> None:
    """List everybody with language, audience, format and state."""
    from newsletter.subscriptions import everybody  # noqa: PLC0415

    with opened_app() as app:
        if not as_json:
            for p in everybody(app):
                click.echo(f"{p.address}  {p.language}  {p.audience}  {p.format}  {p.state}")
            return
        comma = ""
        click.echo('{"subscribers": [', nl=False)  # one object, but a million people need no memory
        for person in everybody(app):
            click.echo(comma + json.dumps(_as_json(person), ensure_ascii=False), nl=False)
            comma = ", "
        click.echo("]}")


def _as_json(person: Subscriber) -> dict[str, str]:
    return {
        "address": person.address.mailbox,
        "language": person.language,
        "audience": person.audience,
        "format": person.format.value,
        "state": person.state.value,
    }


@subscribers.command(epilog='Example: newsletter subscribers add robin@example.org --consent "asked by phone"')
@click.argument("address")
@click.option("--language", help="Two letters; the site's first language unless said.")
@click.option("--format", "text_format", type=click.Choice(["html", "text"]), default="html", show_default=True)
@click.option("--consent", required=True, help=CONSENT_HELP)
@click.option("--again", is_flag=True, help="Who had left, or was erased, agreed anew: make them active.")
def add(address: str, language: str | None, text_format: str, consent: str, *, again: bool) -> None:
    """Add one active subscriber.

    Somebody who is known already is left as they are, unless --again.
    """
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


@subscribers.command(epilog="Example: newsletter subscribers invite robin@example.org --audience staff")
@click.argument("address")
@click.option("--audience", required=True, help="One of the settings' subscribers.audiences.")
@click.option("--language", help="Of the invitation; the site's first language unless said.")
@click.option("--again", is_flag=True, help="Who had left, or whose letters came back, asked for it: write to them.")
def invite(address: str, audience: str, language: str | None, *, again: bool) -> None:
    """Mail somebody a link with which they join an audience.

    Who is on the list already moves to it.
    """
    from newsletter import subscriptions  # noqa: PLC0415
    from newsletter.subscriptions.people import language_of  # noqa: PLC0415

    with opened_app() as app:
        subscriptions.invite(parsed_address(address), audience, language_of(app, language), app, again=again)
    click.echo("invited: the mail leaves with the next round of the scheduler")


@subscribers.command(epilog="Example: newsletter subscribers disclose robin@example.org")
@click.argument("address")
def disclose(address: str) -> None:
    """Mail the owner of ADDRESS a link to everything about them.

    For requests that came by phone or post: it goes to this address and to no other.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        subscriptions.disclose(parsed_address(address), app)
    click.echo("the link leaves with the next round of the scheduler, to this address and to nobody else")


@subscribers.command(epilog="Example: newsletter subscribers letters robin@example.org")
@click.argument("address")
@json_option
def letters(address: str, *, as_json: bool) -> None:
    """Tell what became of every letter to ADDRESS.

    Month, state, when, and what the relay said.
    """
    from newsletter import control  # noqa: PLC0415

    wanted = parsed_address(address)
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


for command in (import_, export, sync, unsubscribe, erase, suppress, unsuppress, suppressed, signups):
    subscribers.add_command(command)
