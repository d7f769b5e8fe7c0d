"""Commands for editors: a new site, and new content."""

from __future__ import annotations

import re
import shutil
import unicodedata
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from newsletter.cli.common import site_settings, writing
from newsletter.errors import ContentError, UsageError
from newsletter.model import MAX_SLUG, Gravity, Language, Month
from newsletter.resources import packaged

if TYPE_CHECKING:
    from newsletter.config import Settings

SITE_FOLDERS: Final = ("articles", "incidents", "reports", "templates")

ARTICLE: Final = """\
---
title: "{title}"
date: {today}
authors: [Computer Security Team]
summary: "One or two sentences that make a colleague want to read on."
themes: []
tlp: CLEAR
status: draft
---
Write here, in Markdown. Take `status: draft` away when the article may be read.
"""

INCIDENT: Final = """\
---
id: {id}
title: "{title}"
rsit: other/undetermined
severity: 1
tlp: CLEAR
pap: CLEAR
detected: {today}
users_affected: unknown
assets_affected: unknown
status: open
---

## Public summary

What happened, how it was found, how it ended. Numbers with their denominator; nobody to blame.

## Internal summary

What stays inside.

## Lessons

- What we learned.

## What you can do

- What a reader can do.
"""

NOTE: Final = """\
---
title: "{title}"
tlp: CLEAR
in_brief:
  - "The month in a sentence with a number."
action:
  title: "The one thing to do this month"
  text: "Two or three sentences."
authors: [Computer Security Team]
---
A short note by the editors, in Markdown.
"""


@click.command(short_help="Make a new site.", epilog="Example: newsletter init site")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--empty", is_flag=True, help="Without the sample content.")
def init(folder: Path, *, empty: bool) -> None:
    """Make a new site in FOLDER: settings, folders, scheduler.py, and sample content to look at."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a folder that does not exist yet")
    is_new = not folder.exists()
    with writing(folder):
        try:
            _make_site(folder, empty=empty)
        except OSError:
            for path in folder.iterdir() if folder.is_dir() else ():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if is_new and folder.is_dir():
                folder.rmdir()
            raise
    sample = "" if empty else "\n  newsletter report 2026-10 --out out   look at a month of the sample content"
    click.echo(
        f"{folder} is ready. Next:\n  cd {folder}{sample}\n"
        "  edit newsletter.toml                  your names, addresses and relay\n"
        '  newsletter new article "A title"      write'
    )


def _make_site(folder: Path, *, empty: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SITE_FOLDERS:
        (folder / name).mkdir()
    shutil.copyfile(packaged("scheduler.py"), folder / "scheduler.py")
    settings = packaged("newsletter.toml").read_text(encoding="utf-8")
    # The months before are none of the new site's: nobody wants to be asked about each of them.
    this_month = Month.of(date.today())  # noqa: DTZ011  # the operator's day
    settings = re.sub(r'(?m)^first_month = "[0-9-]+"', f'first_month = "{this_month}"', settings)
    (folder / "newsletter.toml").write_text(settings, encoding="utf-8")
    if not empty:
        for name in ("articles", "incidents", "reports"):
            _copy(packaged(name), folder / name)
    (folder / ".gitignore").write_text("/var/\n/archive/\n", encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            _copy(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)


@click.group(short_help="Start an article, an incident summary or an editor's note.")
def new() -> None:
    """Start a file with the right name and every field that it needs."""


@new.command(epilog='Example: newsletter new article "Passwords that you can remember"')
@click.argument("title")
@click.option("--language", help="Two letters; the site's first language unless said.")
def article(title: str, language: str | None) -> None:
    """Start an article."""
    today = date.today()  # noqa: DTZ011  # the writer's day, wherever they are
    _write("articles", str(today.year), slug_of(title), language, ARTICLE.format(title=_quoted(title), today=today))


@new.command(epilog='Example: newsletter new incident INC-2026-055 "A stolen laptop"')
@click.argument("incident_id", metavar="ID")
@click.argument("title")
@click.option("--language", help="Two letters; the site's first language unless said.")
def incident(incident_id: str, title: str, language: str | None) -> None:
    """Start an incident summary."""
    from newsletter.parsing.fields import identifier  # noqa: PLC0415  # the doors cost 0.2 s
    from newsletter.parsing.validate import FieldError  # noqa: PLC0415

    try:
        identifier(incident_id)
    except FieldError as error:
        raise UsageError(f"the id {error}; {error.fix}") from error
    today = date.today()  # noqa: DTZ011
    text = INCIDENT.format(id=incident_id, title=_quoted(title), today=today)
    _write("incidents", str(today.year), incident_id.lower(), language, text)


@new.command(epilog="Example: newsletter new report 2026-11")
@click.argument("month")
@click.option("--title", default="The month's title")
@click.option("--language", help="Two letters; the site's first language unless said.")
def report(month: str, title: str, language: str | None) -> None:
    """Start the editor's note of a month."""
    try:
        name = str(Month.parse(month))
    except ValueError as error:
        raise UsageError(str(error)) from error
    _write("reports", "", name, language, NOTE.format(title=_quoted(title)))


def slug_of(title: str) -> str:
    """A slug for a title: lower case ASCII words with hyphens; UsageError when nothing is left."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain.replace("'", "")))[:MAX_SLUG].strip("-")
    if not slug:
        raise UsageError(f"no file name can be made of {title!r}; use some letters a-z or digits")
    return slug


def _quoted(title: str) -> str:
    return title.replace("\\", "\\\\").replace('"', '\\"')


def _write(kind: str, year: str, name: str, language: str | None, text: str) -> None:
    settings = site_settings()
    suffix = Language(language) if language else settings.publication.first_language
    if suffix not in settings.publication.languages:
        raise UsageError(f"this site has no language {suffix!r}; it has {', '.join(settings.publication.languages)}")
    path = settings.root / kind / year / f"{name}.{suffix}.md"
    if taken := _holder(kind, name, suffix, settings):
        raise UsageError(f"{taken} exists already and has that name; choose another one, or edit that file")
    _refuse_faults(kind, name, str(path.relative_to(settings.root)), suffix, text)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink()
                raise
    click.echo(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _holder(kind: str, name: str, language: Language, settings: Settings) -> Path | None:
    """The file that has this name already, in whatever year; articles and incidents share their names.

    The same thing in another language is a translation, and welcome.
    """
    kinds = (kind,) if kind == "reports" else ("articles", "incidents")
    for other in kinds:
        for path in sorted((settings.root / other).rglob("*.md")):
            if any(part.startswith((".", "_")) for part in path.relative_to(settings.root).parts):
                continue  # a draft that nobody reads
            slug, _, suffix = path.name.removesuffix(".md").partition(".")
            is_translation = other == kind and (suffix or settings.publication.first_language) != language
            if slug.lower() == name and not is_translation:
                return path
    return None


def _refuse_faults(kind: str, name: str, path: str, language: Language, text: str) -> None:
    """What ``check`` would refuse is not written in the first place: a title that is too long, or empty."""
    from newsletter.parsing import parse_article, parse_incident, parse_note  # noqa: PLC0415  # the doors cost 0.2 s

    data = text.encode("utf-8", "surrogatepass")
    findings = {
        "articles": lambda: parse_article(data, path, language).findings,
        "incidents": lambda: parse_incident(data, path, language).findings,
        "reports": lambda: parse_note(data, path, language, Month.parse(name)).findings,
    }[kind]()
    if faults := [finding for finding in findings if finding.gravity is Gravity.BLOCK]:
        raise ContentError(faults)
