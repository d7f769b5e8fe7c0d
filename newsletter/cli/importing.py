"""``newsletter import``: looks first and tells in a table what would become of everything; writes when told to."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import click

from newsletter import __version__
from newsletter.cli.common import json_option, print_json, site_settings
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from newsletter.config import Settings
    from newsletter.importing.nouns import Kind, Outcome, Wishes

KINDS: Final = ("text", "page", "markdown", "feed", "report")
COLUMNS: Final = ("", "source", "becomes", "date", "language", "pictures", "title")
WIDEST: Final = 44
COLOURS: Final = {"new": "green", "unchanged": "blue", "conflict": "red", "refused": "red"}
MAX_CLOSE_BYTES: Final = 100_000


@click.command(
    "import",
    short_help="Bring in articles and reports that exist: text, HTML, Markdown, feeds, letters.",
    epilog="Example: newsletter import old-articles --tlp CLEAR",
)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--tlp", help="The label of everything that has none of its own: CLEAR, GREEN, AMBER, AMBER+STRICT.")
@click.option("--write", is_flag=True, help="Write; without it, only tell what would be written.")
@click.option("--kind", type=click.Choice(KINDS), help="What the sources are; recognised unless said.")
@click.option("--language", help="The language of what does not say its own; guessed unless said.")
@click.option("--date", "day", help="The date of what has none, like 2019-05-12; refused unless said.")
@click.option("--close", type=click.Path(path_type=Path, dir_okay=False), help="A file with the standing close.")
@click.option("--allow-host", "hosts", multiple=True, metavar="HOST", help="Fetch pictures from there; repeat it.")
@json_option
def import_(
    sources: Sequence[Path],
    *,
    tlp: str | None,
    write: bool,
    kind: str | None,
    language: str | None,
    day: str | None,
    close: Path | None,
    hosts: Sequence[str],
    as_json: bool,
) -> int:
    """Bring in articles and reports that exist, from files and folders.

    Without --write nothing is written: a table tells what each source would become, what was guessed, and what is
    wrong. Nothing is ever overwritten. Past reports (.eml, or --kind report) become editions of the archive.
    """
    from newsletter.importing.nouns import BAD, Kind  # noqa: PLC0415  # the parsers cost 0.3 s
    from newsletter.importing.sources import passed_over  # noqa: PLC0415

    settings = site_settings()
    wishes = _wishes(settings, tlp=tlp, language=language, day=day, close=close, hosts=hosts)
    outcomes = _import(settings, sources, Kind(kind) if kind else None, wishes, write=write)
    unread = passed_over(sources)
    if as_json:
        told = [_as_dict(one) for one in outcomes]
        print_json({"written": write, "counts": _counts(outcomes), "passed_over": unread, "sources": told})
    else:
        _print(outcomes, unread, write=write)
    return 2 if any(outcome.state in BAD for outcome in outcomes) else 0


def _wishes(
    settings: Settings,
    *,
    tlp: str | None,
    language: str | None,
    day: str | None,
    close: Path | None,
    hosts: Sequence[str],
) -> Wishes:
    """The options as values; UsageError tells what is wrong with one."""
    from newsletter.importing.closing import blocks_of  # noqa: PLC0415
    from newsletter.importing.dates import read_day  # noqa: PLC0415
    from newsletter.importing.nouns import Wishes  # noqa: PLC0415
    from newsletter.parsing.fields import label  # noqa: PLC0415
    from newsletter.parsing.validate import FieldError  # noqa: PLC0415

    try:
        labelled = label(tlp) if tlp else None
    except FieldError as error:
        raise UsageError(f"--tlp {error}; {error.fix}") from None
    known = settings.publication.languages
    if language and language not in known:
        raise UsageError(f"this site has no language {language!r}; it has {', '.join(known)}")
    read = read_day(day) if day else None
    if day and read is None:
        raise UsageError(f"--date {day!r} is no day; write it like 2019-05-12")
    return Wishes(
        tlp=labelled,
        language=next((one for one in known if one == language), None),
        day=read,
        close=tuple(blocks_of(_close_text(close))) if close else (),
        hosts=frozenset(host.strip().lower() for host in hosts),
        today=datetime.now(ZoneInfo(settings.publication.zone)).date(),
    )


def _close_text(path: Path) -> str:
    from newsletter.importing.decoding import text_of  # noqa: PLC0415
    from newsletter.importing.nouns import RefusedSource  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            return text_of(file.read(MAX_CLOSE_BYTES))[0]
    except RefusedSource as error:
        raise UsageError(f"--close {path}: {error}") from None


def _import(
    settings: Settings, sources: Sequence[Path], kind: Kind | None, wishes: Wishes, *, write: bool
) -> list[Outcome]:
    from newsletter.collect.fetch import FeedLimits  # noqa: PLC0415
    from newsletter.importing.journey import bring_in  # noqa: PLC0415

    feeds = settings.feeds
    limits = FeedLimits(
        allow_http=feeds.allow_http,
        allow_private=feeds.allow_private,
        agent=f"newsletter/{__version__} (+{settings.publication.website})",
    )
    return bring_in(
        sources, kind, wishes, settings.root, settings.publication, limits=limits if write else None, write=write
    )


# --- telling --------------------------------------------------------------------------------------------------


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    from newsletter.importing.nouns import State  # noqa: PLC0415

    outcomes = tuple(outcomes)
    return {state.value: sum(one.state is state for one in outcomes) for state in State}


def _as_dict(outcome: Outcome) -> dict[str, object]:
    return {
        "source": outcome.source,
        "state": outcome.state.value,
        "target": outcome.target,
        "title": outcome.title,
        "date": outcome.day.isoformat() if isinstance(outcome.day, date) else None,
        "language": outcome.language,
        "guessed": list(outcome.guessed),
        "pictures": outcome.pictures,
        "problem": outcome.problem,
        "remarks": list(outcome.remarks),
    }


def _print(outcomes: Sequence[Outcome], unread: Mapping[str, int], *, write: bool) -> None:
    """What needs somebody's hands comes last, just above the count; what stands already has nothing to say."""
    outcomes = sorted(outcomes, key=lambda one: list(COLOURS).index(one.state.value))
    rows = [_row(one) for one in outcomes]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    click.echo(click.style(_line(COLUMNS, widths), bold=True))
    for outcome, row in zip(outcomes, rows, strict=True):
        line = _line(row, widths)
        click.echo(click.style(line[: widths[0]], fg=COLOURS[outcome.state.value]) + line[widths[0] :])
        for text in _remarks(outcome):
            click.echo(f"    {text}")
    if unread:
        kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(unread.items()))
        click.echo(f"\npassed over: {kinds}; export them as text, HTML or Markdown if they hold articles")
    counts = _counts(outcomes)
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "nothing found"
    if write:
        click.echo(f"\n{told}; look it through, then: newsletter check")
    else:
        click.echo(f"\n{told}; nothing was written. To write what is new, add --write")


def _remarks(outcome: Outcome) -> list[str]:
    guessed = [f"guessed: {'; '.join(outcome.guessed)}"] if outcome.guessed else []
    problem = [f"problem: {outcome.problem}"] if outcome.problem else []
    return [*guessed, *(f"note: {text}" for text in outcome.remarks), *problem]


def _row(outcome: Outcome) -> tuple[str, ...]:
    day = outcome.day.isoformat() if outcome.day else ""
    shown = (outcome.source, outcome.target, day, outcome.language, str(outcome.pictures or ""), outcome.title)
    return (outcome.state.value, *(_short(text) for text in shown))


def _short(text: str) -> str:
    """The end of a path says more than its beginning; of a title, the beginning."""
    text = " ".join(text.split())
    if len(text) <= WIDEST:
        return text
    return f"…{text[-WIDEST + 1 :]}" if "/" in text else f"{text[: WIDEST - 1]}…"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
