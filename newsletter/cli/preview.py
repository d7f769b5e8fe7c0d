"""``newsletter preview``: what readers will get, live in the browser while somebody writes."""

from __future__ import annotations

import asyncio
import os
import secrets
import webbrowser
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

import click

from newsletter.cli.common import opened_app, set_up_logging, site_settings
from newsletter.errors import UsageError
from newsletter.model import Month

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.preview.subject import Subject

HOST: Final = "127.0.0.1"
TOKEN_BYTES: Final = 16
STYLES_KEPT: Final = 8192  # so many parsed styles premailer shall keep; its own 128 are fewer than one letter has


@click.command(
    short_help="See mail, page and findings live while you write.",
    epilog="Example: newsletter preview articles/2026/usb-stick-found.en.md",
)
@click.argument("what", metavar="[PATH|MONTH]", required=False)
@click.option("--port", default=0, help="Where to serve; any free port unless said.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def preview(what: str | None, *, port: int, no_browser: bool) -> None:
    """Show PATH (article, incident, editor's note) or a whole MONTH as readers will get it, and again at each save.

    The coming month unless said. Only this machine can look, and only at the address that is printed. Ctrl-C ends it.
    """
    os.environ.setdefault("PREMAILER_CACHE_MAXSIZE", str(STYLES_KEPT))  # read when it is imported, below
    from newsletter import jobs  # noqa: PLC0415
    from newsletter.collect.files import content_files  # noqa: PLC0415
    from newsletter.preview.app import SITE, build  # noqa: PLC0415
    from newsletter.preview.serving import serve, server  # noqa: PLC0415
    from newsletter.preview.studio import Studio  # noqa: PLC0415
    from newsletter.web.app import listen  # noqa: PLC0415

    set_up_logging()
    settings = site_settings()
    coming = _coming(settings)
    start = _subject(what, settings) if what else coming[0]
    base = f"/{secrets.token_urlsafe(TOKEN_BYTES)}"
    studio = Studio(settings.root, f"{base}/{SITE}")
    site = build(
        studio,
        base=base,
        start=start,
        coming=coming,
        listed=lambda: content_files(settings.root),
    )
    jobs.stop_on_signals(Event())  # uvicorn raises the signal again at its end, which would leave the preflight behind
    with listen(HOST, port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}{base}/"
        click.echo(address)
        if not no_browser:
            webbrowser.open(address)
        asyncio.run(serve(server(site, studio), studio, listener))


def _coming(settings: Settings) -> tuple[Subject, ...]:
    """The month that editors work at, in every language."""
    from newsletter.preflight import coming_month  # noqa: PLC0415
    from newsletter.preview.subject import month_subject  # noqa: PLC0415

    with opened_app(database=False) as app:
        month = coming_month(app)
    return tuple(month_subject(month, language) for language in settings.publication.languages)


def _subject(what: str, settings: Settings) -> Subject:
    """What is asked for, as seen from the current folder; UsageError when that is nothing to look at."""
    from newsletter.parsing.validate import FieldError  # noqa: PLC0415
    from newsletter.preview.subject import month_subject, subject_at  # noqa: PLC0415

    languages = settings.publication.languages
    try:
        return month_subject(Month.parse(what), languages[0])
    except ValueError:
        path = Path(what).absolute()
    if not path.is_file():
        raise UsageError(f"{what} is neither a file nor a month like 2026-10; newsletter preview alone lists the files")
    if not path.resolve().is_relative_to(settings.root):
        raise UsageError(f"{what} is no file of the site in {settings.root}")
    try:
        return subject_at(path.resolve().relative_to(settings.root).as_posix(), languages)
    except FieldError as error:
        raise UsageError(f"{what} {error}; {error.fix}") from error
