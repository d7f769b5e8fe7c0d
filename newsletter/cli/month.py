"""Commands around one month: report, publish, approve, send, status."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from newsletter.cli.common import MONTH, json_option, opened_app, print_json
from newsletter.cli.progress import shown_progress
from newsletter.errors import BusyError, ConflictError, RefusedError, UsageError
from newsletter.model import MailingState

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.deliver.run import Progress
    from newsletter.model import Mailing, Month
    from newsletter.pipeline import Draft, Force
    from newsletter.standing import Standing

WATCH_SECONDS = 1.0
TRY_AGAIN = 5
INTERRUPTED = 130
FORCE = click.option("--force", "reason", metavar="REASON", help="Let it pass the preflight; REASON is kept with it.")


@click.command(
    short_help="Compose and render one month into files; send and store nothing.",
    epilog="Example: newsletter report 2026-10 --out out",
)
@click.argument("month", type=MONTH)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), show_default=True)
def report(month: Month, out: Path) -> None:
    """Compose and render MONTH into OUT: .html, .txt, .eml and .json for every audience and language.

    The same content gives the same bytes, whatever the day, the time zone and the machine.
    """
    from newsletter import pipeline, rehearsal  # noqa: PLC0415

    with opened_app(database=False) as app:
        made = pipeline.draft(month, app)
        files = rehearsal.draft_files(made, app)
        for path in rehearsal.write_files(files, out):
            click.echo(path)
        _advise(made)


def _advise(made: Draft) -> None:
    """What an editor should know, on stderr: stdout is for the names of files."""
    for failure in made.collected.failures:
        click.echo(f"source failed  {failure}", err=True)
    if blocking := len(made.preflight.blocking):
        click.echo(f"{blocking} findings block its release; read them with: newsletter check", err=True)
    if advice := len(made.preflight.findings) - blocking:
        click.echo(f"{advice} pieces of advice; read them with: newsletter check", err=True)


@click.command(short_help="Build the archive; mail nothing.", epilog="Example: newsletter publish")
@click.option("--force", is_flag=True, help="Although something in the content blocks.")
@json_option
def publish(*, force: bool, as_json: bool) -> None:
    """Build the archive from articles, released editions, templates and settings; mail nothing.

    Refuses (exit code 4) content that the preflight blocks; look at it with: newsletter check
    """
    from newsletter import pipeline  # noqa: PLC0415

    with opened_app(database=False) as app:
        done = pipeline.publish_archive(app, force=force)
        if as_json:
            print_json(
                {"pages": done.pages, "written": done.written, "unchanged": done.unchanged, "removed": done.removed}
            )
        else:
            click.echo(
                f"{done.pages} pages in {app.settings.archive_folder}: "
                f"{done.written} written, {done.unchanged} unchanged, {done.removed} removed"
            )


@click.command(
    short_help="Approve exactly these bytes of a month's report.",
    epilog="Example: newsletter approve 2026-10 --by robin",
)
@click.argument("month", type=MONTH)
@click.option("--by", help="Who approves; the name of the account unless said.")
@click.option("--digest", help="Only if the edition has this digest (or begins with it).")
@FORCE
def approve(month: Month, by: str | None, digest: str | None, reason: str | None) -> None:
    """Prepare MONTH and approve exactly the bytes that are printed; any change voids the approval.

    Refuses (exit code 4) what the preflight blocks; look at it with: newsletter check
    """
    from newsletter import pipeline  # noqa: PLC0415

    with opened_app() as app:
        who = by or getpass.getuser()
        force = _force(reason, who)
        mailing = pipeline.prepare(month, app, force=force)
        if digest and not mailing.digest.startswith(digest):
            raise ConflictError(f"{month} is now {mailing.digest}, not {digest}: look at it again before approving")
        pipeline.keep_word(mailing, app)
        mailing = pipeline.approve(month, app, digest=mailing.digest, by=who, force=force)
        click.echo(f"{month} approved by {mailing.approved_by}: edition {mailing.digest}")


@click.command(
    short_help="Release a month's report and deliver it.",
    epilog="Example: newsletter send 2026-10 --test me@example.org",
)
@click.argument("month", type=MONTH)
@click.option("--test", "test_address", metavar="ADDRESS", help="Send the draft to this one address; release nothing.")
@click.option("--dry-run", is_flag=True, help="Make every letter; send and store nothing.")
@click.option("--yes", is_flag=True, help="Do not ask to type the month back.")
@click.option("--pause", "paused", is_flag=True, help="Release it, and pause it before the first letter leaves.")
@FORCE
@json_option
def send(
    month: Month,
    *,
    test_address: str | None,
    dry_run: bool,
    yes: bool,
    paused: bool,
    reason: str | None,
    as_json: bool,
) -> int:
    """Release MONTH (publish it, write one letter for each active subscriber) and deliver what is due.

    Again after an interruption: goes on where it was. Exit code 0 when every letter has an end, 5 when some wait, 4
    when it is refused: not approved, or blocked by the preflight.
    """
    if test_address and dry_run:
        raise UsageError("--test sends one letter and --dry-run none: choose one of them")
    if as_json and (test_address or dry_run):
        raise UsageError("--json tells of a release; --test and --dry-run are none")
    with opened_app() as app:
        if test_address:
            return _send_test(month, test_address, app)
        if dry_run:
            return _send_nothing(month, app)
        return _send(month, app, _force(reason), yes=yes, paused=paused, as_json=as_json)


def _send_test(month: Month, typed: str, app: App) -> int:
    from newsletter import rehearsal  # noqa: PLC0415
    from newsletter.parsing import parse_address  # noqa: PLC0415

    try:
        address = parse_address(typed)
    except ValueError as error:
        raise UsageError(str(error)) from error
    replies = rehearsal.send_test(month, address, app)
    for language, reply in replies.items():
        click.echo(f"{language}: {reply}")
    return 0 if all(reply.accepted for reply in replies.values()) else 5


def _send_nothing(month: Month, app: App) -> int:
    from newsletter import rehearsal  # noqa: PLC0415

    letters, size = rehearsal.rehearse(month, app)
    click.echo(f"{letters} letters, {size / 1024:.0f} KB in all; nothing was sent, nothing was stored")
    return 0


def _force(reason: str | None, by: str = "") -> Force | None:
    from newsletter.pipeline import Force  # noqa: PLC0415

    if reason is None:
        return None
    if not reason.strip():
        raise UsageError("--force needs a reason; it is kept with the report")
    return Force(by or getpass.getuser(), " ".join(reason.split()))


def _send(month: Month, app: App, force: Force | None, *, yes: bool, paused: bool, as_json: bool) -> int:
    from newsletter import control, jobs, pipeline, standing  # noqa: PLC0415

    mailing = pipeline.prepare(month, app, force=force)
    if mailing.state is MailingState.CANCELLED:
        pipeline.deliver(month, app)  # what a crash left uncertain is resolved; nothing is sent
    if mailing.state not in pipeline.DECIDED:
        pipeline.check_ended(month, app)
    if pipeline.waits_for_approval(mailing, app):
        raise RefusedError(f"{month} is not approved; look at it, then: newsletter approve {month}")
    if not yes:
        _ask(month, mailing, app)
    pipeline.keep_word(mailing, app)
    if paused:
        control.pause(month, app)  # before it is released, so that no scheduler is quicker
    stop = Event()
    jobs.stop_on_signals(stop)
    with shown_progress("delivering", quiet=as_json) as progress:
        _run_or_watch(mailing, app, force, stop, progress)
    reached = standing.of(month, app)
    _print_standing(reached, as_json=as_json)
    if reached.is_finished or paused:
        return 0
    if reached.mailing.state is MailingState.CANCELLED:
        raise ConflictError(f"{month} was cancelled meanwhile; nothing more of it is sent")
    return INTERRUPTED if stop.is_set() else TRY_AGAIN


def _run_or_watch(mailing: Mailing, app: App, force: Force | None, stop: Event, progress: Progress) -> None:
    """Deliver, or wait for another process that does; if that one goes away before the end, go on with its work."""
    from newsletter import pipeline  # noqa: PLC0415

    watching = False
    while not stop.is_set():
        try:
            pipeline.run_month(
                mailing.month, app, expected=mailing.digest, force=force, stop=stop.is_set, progress=progress
            )
        except BusyError as busy:
            if not watching:
                click.echo(f"{busy}; watching", err=True)
            watching = True
            time.sleep(WATCH_SECONDS)
        else:
            return


def _ask(month: Month, mailing: Mailing, app: App) -> None:
    from newsletter import standing  # noqa: PLC0415

    people = standing.letters_to_send(mailing, app)
    click.echo(f"Send the report of {month} (edition {mailing.digest[:12]}) to {people:,} people?", err=True)
    if click.prompt(f"Type {month} to send", default="", show_default=False, err=True).strip() != str(month):
        raise RefusedError("that was not the month; nothing was sent")


@click.command(short_help="Tell where a month stands.", epilog="Example: newsletter status 2026-10 --json")
@click.argument("month", type=MONTH, required=False)
@json_option
def status(month: Month | None, *, as_json: bool) -> None:
    """Tell where MONTH stands (every month without it): its edition, its state, its letters by state."""
    from newsletter import standing  # noqa: PLC0415

    with opened_app() as app:
        if month is not None:
            _print_standing(standing.of(month, app), as_json=as_json)
            return
        known = standing.every(app)
        if as_json:
            print_json({"months": [one.as_dict() for one in known]})
            return
        for one in known:
            _print_standing(one, as_json=False)
        if not known:
            click.echo("nothing was prepared yet; begin with: newsletter report MONTH")


def _print_standing(reached: Standing, *, as_json: bool) -> None:
    if as_json:
        print_json(reached.as_dict())
        return
    mailing = reached.mailing
    approved = f", approved by {mailing.approved_by}" if mailing.approved_by else ""
    paused = ", paused" if mailing.paused else ""
    click.echo(f"{mailing.month}  {mailing.state}{paused}{approved}  edition {mailing.digest[:12]}")
    if forced := mailing.forced:
        click.echo(f"  forced by {forced.by}: {forced.reason} ({len(forced.findings)} findings)")
    for state, count in reached.letters.items():
        if count:
            click.echo(f"  {state:<9} {count:>8,}")
    for one in reached.uncertain:
        click.echo(f"  uncertain  {one.delivery}  {one.state} since {one.since:%Y-%m-%d %H:%M}  {one.resolved_by}")
    for failure in reached.failures:
        click.echo(f"  source failed  {failure}")
