"""What importing is about: a text as its source has it, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from newsletter.model import Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from pathlib import Path

    from newsletter.model import Language, Month, Tlp


class Kind(StrEnum):
    """What a source is."""

    TEXT = "text"
    PAGE = "page"
    MARKDOWN = "markdown"
    FEED = "feed"
    REPORT = "report"


class State(StrEnum):
    """What becomes of a source."""

    NEW = "new"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    REFUSED = "refused"


BAD: Final = frozenset({State.CONFLICT, State.REFUSED})


class RefusedSource(Exception):  # noqa: N818  # it says what the source is, not what went wrong with us
    """A source that cannot be brought in; its text is the one message about it. A value after ``read``."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to bring in: ``path`` is what is read, ``root`` the folder that was given, ``shown`` its name in messages.

    Pictures are taken from below ``root`` only.
    """

    path: Path
    root: Path
    shown: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A text as its source has it. What the source does not say is empty; ``guessed`` tells what we made up instead.

    ``body`` is Markdown, ``window`` a page's whole ``<title>``. ``address`` is where it used to be; ``others`` are
    addresses of its translations. ``name`` is what its slug is made of, ``pair`` what it has in common with these.
    """

    file: File
    name: str
    title: str
    body: str
    part: str = ""
    pair: str = ""
    day: date | None = None
    sent: datetime | None = None
    updated: date | None = None
    language: str = ""
    authors: tuple[str, ...] = ()
    summary: str = ""
    themes: tuple[str, ...] = ()
    tlp: str = ""
    window: str = ""
    license: str = ""
    image: str = ""
    image_alt: str = ""
    address: str = ""
    aliases: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    status: Status = Status.PUBLISHED
    guessed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return f"{self.file.shown}#{self.part}" if self.part else self.file.shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person who imports asked for, and ``today``: what is dated later was not out yet."""

    tlp: Tlp | None = None
    language: Language | None = None
    day: date | None = None
    close: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    today: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of one source. ``files`` are what is written for it, by path relative to the site.

    ``problem`` is the one message of what is refused or in conflict; ``remarks`` tell what was left out of what is not.
    """

    source: str
    state: State
    target: str = ""
    title: str = ""
    day: date | None = None
    language: str = ""
    guessed: tuple[str, ...] = ()
    pictures: int = 0
    problem: str = ""
    remarks: tuple[str, ...] = ()
    month: Month | None = None
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
