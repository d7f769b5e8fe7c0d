"""The scheduler alone: ``python scheduler.py`` runs until SIGTERM, ``python scheduler.py --once`` does one round.

``newsletter serve`` embeds the same jobs.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from threading import Event

from newsletter import jobs
from newsletter.app import build_app, set_up_logging
from newsletter.config import find_site, load_settings
from newsletter.duties import Duties
from newsletter.errors import NewsletterError

USAGE = "usage: python scheduler.py [--once]\n"


def main(arguments: list[str]) -> int:
    """Settings, then the wired parts, then the alarm clock; returns the exit code."""
    if arguments not in ([], ["--once"]):
        sys.stderr.write(USAGE)
        return 2
    set_up_logging(verbose=True)
    stop = Event()
    jobs.stop_on_signals(stop)
    try:
        settings = load_settings(find_site(Path.cwd()))
        with closing(build_app(settings)) as app:
            app.ready_store()
            work = Duties(app, stop)
            if arguments:
                jobs.once(work)
            else:
                jobs.run(
                    work,
                    zone=settings.publication.zone,
                    tick_seconds=settings.schedule.tick_seconds,
                    poll_seconds=settings.schedule.poll_minutes * 60,
                    stop=stop,
                )
    except NewsletterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
