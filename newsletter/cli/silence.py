"""Commands that keep mail away from people: erase, suppress and its opposite, and what a surge left waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from newsletter.cli.common import json_option, opened_app, parsed_address, print_json
from newsletter.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from newsletter.model import Address

MAX_REASON_CHARACTERS = 500
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command(epilog="Example: newsletter subscribers erase robin@example.org")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask to type the address back.")
def erase(address: str, *, yes: bool) -> None:
    """Forget ADDRESS for good, on the list or not.

    What stays keeps it from being imported again.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    wanted = parsed_address(address)
    if not yes:
        typed = click.prompt(f"Type {wanted} to erase it for good", default="", show_default=False, err=True)
        if typed.strip().lower() != wanted.mailbox.lower():
            raise RefusedError("that was not the address; nothing was erased")
    with opened_app() as app:
        was_there = subscriptions.erase_address(wanted, app)
    click.echo("erased" if was_there else "it was not on the list; no import will ever add it")


@click.command(epilog="Example: newsletter subscribers unsubscribe robin@example.org")
@click.argument("address")
def unsubscribe(address: str) -> None:
    """Take ADDRESS off the list, for somebody who asked for it.

    Its owner is told by mail, with a link that takes it back; and can sign up again at any time. For who is not on
    the list, a sign-up or confirmation that waits is taken back.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        left = subscriptions.leave_by_address(parsed_address(address), app)
    if left is None:
        click.echo("it was not on the list; what waited for its owner's yes is taken back")
    else:
        click.echo("unsubscribed; a mail tells its owner" if left.undo else "unsubscribed")


@click.command(epilog='Example: newsletter subscribers suppress @example.org --reason "asked by its postmaster"')
@click.argument("target", metavar="ADDRESS|@DOMAIN")
@click.option("--reason", required=True, help="Why, and who decided it: shown by `suppressed`.")
@YES
def suppress(target: str, reason: str, *, yes: bool) -> None:
    """Write to ADDRESS, or to exactly this @DOMAIN, never again.

    Who is on the list is unsubscribed, and cannot sign up before you unsuppress it. Who wants to leave and no more
    is unsubscribed.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    address, domain = _target(target)
    if not reason.strip():
        raise UsageError('say why, and who decided it, for example: --reason "asked by phone"')
    if not yes and not click.confirm(f"Write to {target} never again?", err=True):
        raise RefusedError("nothing was suppressed")
    with opened_app() as app:
        ended = subscriptions.suppress(address, domain, app, note=reason.strip()[:MAX_REASON_CHARACTERS])
    click.echo(f"suppressed; {ended:,} unsubscribed")


@click.command(epilog="Example: newsletter subscribers unsuppress @example.org")
@click.argument("target", metavar="ADDRESS|@DOMAIN")
def unsuppress(target: str) -> None:
    """Allow writing to ADDRESS or @DOMAIN again.

    Nobody is put back on the list by it.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    address, domain = _target(target)
    with opened_app() as app:
        was_suppressed = subscriptions.unsuppress(address, domain, app)
    click.echo("not suppressed any more" if was_suppressed else "it was not suppressed: nothing changed")


@click.command(epilog="Example: newsletter subscribers suppressed --json")
@json_option
def suppressed(*, as_json: bool) -> None:
    """List who is not written to and why.

    The erased only count, since nobody knows who they are.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        every = subscriptions.suppressed(app)
        if as_json:
            rows = [
                {"target": one.shown, "reason": one.reason.value, "since": one.since.isoformat(), "note": one.note}
                for one in every
            ]
            print_json({"suppressed": rows})
            return
        nameless = 0
        for one in every:
            if one.shown:
                click.echo(f"{one.shown}  {one.reason}  {one.since:%Y-%m-%d}  {one.note}")
            else:
                nameless += 1
    click.echo(f"{nameless:,} erased")


@click.command(epilog="Example: newsletter subscribers signups release")
@click.argument("deed", type=click.Choice(["release", "drop"]), required=False)
@YES
@json_option
def signups(deed: str | None, *, yes: bool, as_json: bool) -> None:
    """Tell how many sign-ups a surge left waiting.

    With release they go their way, with drop they are thrown away.
    """
    from newsletter import subscriptions  # noqa: PLC0415

    with opened_app() as app:
        held = subscriptions.held_signups(app)
        if deed == "release":
            click.echo(f"{subscriptions.release_signups(app):,} released")
        elif deed == "drop" and not held.count:
            click.echo("no sign-ups are held: there is nothing to throw away")
        elif deed == "drop":
            if not yes and not click.confirm(f"Throw away {held.count:,} sign-ups?", err=True):
                raise RefusedError("nothing was thrown away")
            click.echo(f"{subscriptions.drop_signups(app):,} thrown away")
        elif as_json:
            print_json({"held": held.count, "since": held.since.isoformat() if held.since else None})
        else:
            since = f", since {app.local(held.since):%Y-%m-%d %H:%M}" if held.since else ""
            click.echo(f"{held.count:,} sign-ups are held{since}")


def _target(typed: str) -> tuple[Address | None, str]:
    """An address, or an @ and a domain; the domain in A-labels."""
    if typed.startswith("@"):
        return None, parsed_address(f"anybody{typed}").domain
    return parsed_address(typed), ""
