"""``newsletter demo``: the main job on sample content, with everything that it needs inside this process."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from newsletter.cli.common import print_json, set_up_logging
from newsletter.errors import ConfigError

if TYPE_CHECKING:
    import socket

    from newsletter.app import App
    from newsletter.demo.sample import Outcome

HOST = "127.0.0.1"


@click.command(
    short_help="Show everything on sample content: report, archive, mailbox.", epilog="Example: newsletter demo --once"
)
@click.option("--once", is_flag=True, help="Do all but serving; exit 0 only if everybody has exactly one mail.")
@click.option("--port", default=8000, show_default=True, help="Where to serve (the next free one if it is taken).")
def demo(*, once: bool, port: int) -> int:
    """Collect, compose, approve, publish and deliver a sample month, then serve archive and mailbox.

    25 sample subscribers, two languages; a real SMTP server inside the process, a Maildir, nothing leaves this machine.
    """
    from newsletter.demo import sample, servers  # noqa: PLC0415
    from newsletter.resources import packaged  # noqa: PLC0415

    set_up_logging()
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="newsletter-demo-")))
        listener = stack.enter_context(_listener(port))
        base_url = f"http://{HOST}:{listener.getsockname()[1]}"
        feeds_url = stack.enter_context(servers.feed_server(packaged("demo") / "feeds"))
        mail_port = stack.enter_context(servers.mail_server(folder / "mail"))
        (folder / "site").mkdir()
        app = sample.make_site(folder / "site", base_url=base_url, feeds_url=feeds_url, mail_port=mail_port)
        stack.callback(app.close)
        outcome = sample.run(app, folder / "mail")
        seconds = time.monotonic() - started
        _tell(outcome, base_url, seconds)
        if not once:
            _serve(app, folder / "mail", listener)
            return 0
    print_json(
        {
            "month": str(sample.MONTH),
            "subscribers": outcome.subscribers,
            "delivered": outcome.delivered,
            "duplicates": outcome.duplicates,
            "missing": outcome.missing,
            "archive_pages": outcome.archive_pages,
            "seconds": round(seconds, 2),
        }
    )
    everybody_once = outcome.delivered == outcome.subscribers and not outcome.duplicates and not outcome.missing
    return 0 if everybody_once else 1


def _listener(port: int) -> socket.socket:
    """The port that was asked for, or a free one when somebody has it."""
    from newsletter.web.app import listen  # noqa: PLC0415

    try:
        return listen(HOST, port)
    except ConfigError:
        return listen(HOST, 0)


def _tell(outcome: Outcome, base_url: str, seconds: float) -> None:
    click.echo(
        f"The report of October 2026 reached {outcome.delivered} of {outcome.subscribers} subscribers "
        f"and stands in an archive of {outcome.archive_pages} pages ({seconds:.1f} s).\n"
        f"  archive  {base_url}/\n"
        f"  mailbox  {base_url}/mailbox/\n"
        f"  join     {base_url}/en/subscribe/  (the mail to confirm arrives in the mailbox)"
    )


def _serve(app: App, maildir: Path, listener: socket.socket) -> None:
    from newsletter.cli.serve import web_app  # noqa: PLC0415
    from newsletter.demo import mailbox  # noqa: PLC0415
    from newsletter.duties import Duties  # noqa: PLC0415
    from newsletter.jobs import POST_SECONDS, STOP_SECONDS, Worker, alarm_clock, finish, stop_on_signals  # noqa: PLC0415
    from newsletter.web.app import server  # noqa: PLC0415

    stop = Event()
    stop_on_signals(stop)  # uvicorn raises the signal again at its end, which would leave the folder behind
    site = web_app(app, lambda pages: mailbox.routes(maildir, pages))
    click.echo("Ctrl-C ends the demo and removes everything it made.")
    postman = Worker("post", (Duties(app, stop).post,), stop)
    clock = alarm_clock(app.publication.zone, ((postman, POST_SECONDS),))
    postman.start()
    clock.start()
    try:
        server(site, host=HOST, port=0).run(sockets=[listener])
    finally:
        stop.set()
        clock.shutdown()
        finish((postman,), STOP_SECONDS)
