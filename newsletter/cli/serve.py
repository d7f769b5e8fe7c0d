"""``newsletter serve``: archive, the pages of subscribers and scheduler in one process."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from newsletter.cli.common import opened_app

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from newsletter.app import App
    from newsletter.web.pages import Pages


LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


@click.command(
    short_help="Serve the archive and the pages of subscribers, and run the scheduler.",
    epilog="Example: newsletter serve --no-scheduler",
)
@click.option("--no-scheduler", is_flag=True, help="Only serve; something else runs scheduler.py.")
def serve(*, no_scheduler: bool) -> None:
    """Serve the archive and the pages of subscribers, and run the scheduler, until SIGTERM or Ctrl-C."""
    from newsletter import jobs  # noqa: PLC0415
    from newsletter.web.app import listen, server  # noqa: PLC0415

    with opened_app() as app:
        web = app.settings.web
        serving = server(web_app(app), host=web.host, port=web.port, trusted_proxies=web.trusted_proxies)
        listener = listen(web.host, web.port)
        stop = Event()
        jobs.stop_on_signals(stop)  # uvicorn puts its own handlers above, and raises the signal again at its end
        clockwork = Thread(
            name="scheduler",
            target=_keep_time,
            args=(app, stop, serving),
            daemon=True,
        )
        if not no_scheduler:
            clockwork.start()
        port = listener.getsockname()[1]
        click.echo(f"serving {app.settings.archive_folder} on http://{web.host}:{port}/", err=True)
        try:
            serving.run(sockets=[listener])
        finally:
            stop.set()
            if not no_scheduler:
                clockwork.join(jobs.STOP_SECONDS)


def _keep_time(app: App, stop: Event, serving: uvicorn.Server) -> None:
    """Run the scheduler; if it ends by itself, end the process too, so that whoever watches it starts it again."""
    from newsletter import jobs  # noqa: PLC0415
    from newsletter.duties import Duties  # noqa: PLC0415

    schedule = app.settings.schedule
    try:
        jobs.run(
            Duties(app, stop),
            zone=app.publication.zone,
            tick_seconds=schedule.tick_seconds,
            poll_seconds=schedule.poll_minutes * 60,
            stop=stop,
        )
    finally:
        serving.should_exit = True


def web_app(app: App, more: Callable[[Pages], Sequence[BaseRoute]] = lambda _: ()) -> Starlette:
    """The web application of a site; ``more`` makes further routes out of its pages."""
    from newsletter import subscriptions  # noqa: PLC0415
    from newsletter.subscriptions.limits import LEAVE  # noqa: PLC0415
    from newsletter.web import api, people  # noqa: PLC0415
    from newsletter.web.app import build  # noqa: PLC0415
    from newsletter.web.pages import Pages  # noqa: PLC0415
    from newsletter.web.reception import Reception  # noqa: PLC0415
    from newsletter.web.unsubscribe import Leaving  # noqa: PLC0415

    pages = Pages(app.publication, app.templates)
    reception = Reception(app, pages)
    leaving = Leaving(
        look_up=lambda token: subscriptions.look_up(token, app),
        leave=lambda token: subscriptions.leave_by_token(token, app),
        admit=lambda request: reception.admit(LEAVE, request),
    )
    return build(
        app.settings.archive_folder,
        leaving=leaving,
        pages=pages,
        routes=[*api.routes(app), *people.routes(reception), *more(pages)],
        allowed_hosts=allowed_hosts(app),
        hsts_days=app.settings.web.hsts_days,
    )


def allowed_hosts(app: App) -> tuple[str, ...]:
    """The names that the site answers to: its own, where it listens, this machine's, and what the settings add."""
    web, own = app.settings.web, urlsplit(app.publication.base_url).hostname or ""
    own = f"[{own}]" if ":" in own else own
    return tuple(dict.fromkeys((own, web.host, *LOOPBACK, *web.allowed_hosts)))
