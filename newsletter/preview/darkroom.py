"""Where looks are made, one after the other, in one thread: it remembers what was parsed, and what was good last.

A file that is half written, broken or gone takes nothing away: the last good look stays, with words about the fault.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from traceback import format_exception
from typing import TYPE_CHECKING, Final

import structlog

from newsletter import pipeline
from newsletter.app import build_app
from newsletter.collect.memory import Memory
from newsletter.config import FILE_NAME, load_settings
from newsletter.errors import NewsletterError
from newsletter.model import Gravity
from newsletter.preview.look import Stock, look_at, month_of, moved_to, noun_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from newsletter.app import App
    from newsletter.model import Collected, Finding, Month
    from newsletter.preview.look import Look
    from newsletter.preview.subject import Subject

log = structlog.get_logger(__name__)

TEMPLATES: Final = "templates"
MAX_LOOKS: Final = 50  # of the oldest, only the last good look is forgotten


@dataclass(frozen=True, slots=True)
class Showing:
    """What can be shown of a subject now: its look, perhaps an earlier one, and what is wrong if it is.

    ``moved`` is the address at which the text stands now.
    """

    version: int
    look: Look | None
    faults: tuple[str, ...] = ()
    moved: str = ""

    @property
    def month(self) -> Month | None:
        """The month whose letter it is."""
        return self.look.month if self.look else None


class Darkroom:
    """Makes looks at one site. ``prefix`` is where the links of its pages begin. Not for two threads at a time."""

    def __init__(self, root: Path, prefix: str) -> None:
        self._root = root
        self._prefix = prefix
        self._memory = Memory()
        self._app: App | None = None
        self._good: dict[Subject, Look] = {}

    def develop(self, subject: Subject, changed: Iterable[Path], version: int) -> Showing:
        """What can be shown of the subject, now that these files have changed."""
        self._take_note(tuple(changed))
        try:
            return self._develop(subject, version)
        except NewsletterError as error:
            faults = tuple(str(error).splitlines())
        except Exception as error:  # noqa: BLE001 - whoever is writing must not lose sight of the text
            reference = secrets.token_hex(4)
            log.error("a look failed", reference=reference, exception="".join(format_exception(error)))  # noqa: TRY400
            faults = (f"this is a mistake in newsletter, not yours; its terminal tells more (reference {reference})",)
        return Showing(version, self._good.get(subject), faults)

    def close(self) -> None:
        """Let go of the database."""
        if self._app:
            self._app.close()
            self._app = None

    def _develop(self, subject: Subject, version: int) -> Showing:
        app = self._ready()
        month = subject.month or self._month_before(subject)
        collected, findings, editions = pipeline.collect(app, month, self._memory)
        noun = noun_of(subject, collected)
        if noun is not None and month != month_of(noun):  # its date has changed: what feeds said then is another
            collected, findings, editions = pipeline.collect(app, month_of(noun), self._memory)
        faults = _unreadable(subject, collected, findings)
        if subject.path and noun is None:
            return self._without(subject, version, faults, collected)
        last = self._good.get(subject)
        if faults and last:
            return Showing(version, last, faults)
        look = look_at(subject, Stock(app, collected, editions, self._memory), prefix=self._prefix)
        if not faults:
            self._keep(subject, look)
        return Showing(version, look, faults)

    def _without(self, subject: Subject, version: int, faults: tuple[str, ...], collected: Collected) -> Showing:
        last = self._good.get(subject)
        if faults:
            return Showing(version, last, faults)
        moved = moved_to(last.digest, subject, collected) if last and last.digest else ""
        return Showing(version, last, (f"{subject.path} is gone: it was deleted or renamed",), moved)

    def _ready(self) -> App:
        """The site's App; made anew when settings or templates have changed."""
        if self._app is None:
            self._app = build_app(load_settings(self._root))
        return self._app

    def _take_note(self, changed: tuple[Path, ...]) -> None:
        self._memory.forget(changed)
        templates = self._root / TEMPLATES
        if any(path.name == FILE_NAME or path.is_relative_to(templates) for path in changed):
            self.close()

    def _month_before(self, subject: Subject) -> Month | None:
        last = self._good.get(subject)
        return last.month if last else None

    def _keep(self, subject: Subject, look: Look) -> None:
        self._good.pop(subject, None)
        self._good[subject] = look
        if len(self._good) > MAX_LOOKS:
            self._good.pop(next(iter(self._good)))


def _unreadable(subject: Subject, collected: Collected, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Why the subject cannot be shown as it is now: faults of its file, or for a month of every file left out."""
    present = {article.path for article in collected.articles}
    present |= {incident.path for incident in collected.incidents} | {note.path for note in collected.notes}
    missing = [f for f in findings if f.gravity is Gravity.BLOCK and f.place.path not in present]
    return tuple(str(f) for f in missing if subject.month or f.place.path == subject.path)
