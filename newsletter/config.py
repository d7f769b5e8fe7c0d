"""Settings: one TOML file, then the environment, then secret files. Nothing below this module knows they exist.

``newsletter.toml`` is searched in the current folder and above it. ``NEWSLETTER_RELAY_HOST`` overrides
``[relay] host`` and so on for every single value; ``relay.password`` comes from the environment or from the file that
``relay.password_file`` names, never from the TOML file itself.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, get_origin, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import TypeAdapter, ValidationError

from newsletter.errors import ConfigError
from newsletter.model import SLUG, Month, Publication, Source
from newsletter.schedule import Rule, parse_rule

FILE_NAME: Final = "newsletter.toml"
ENVIRONMENT: Final = "NEWSLETTER_"
MAX_SETTINGS_BYTES: Final = 1_000_000
SECRETS: Final = frozenset({"relay.password"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a month's report is due, and what happens around it. Days and minutes are whole numbers."""

    rule: str = "first Tuesday 09:00"
    first_month: str = "2026-10"
    approval: bool = True
    max_late_days: int = 7
    remind_days: int = 5
    tick_seconds: int = 300
    poll_minutes: int = 60


@dataclass(frozen=True, slots=True)
class Editors:
    """Who gets reminders and alarms."""

    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP server that takes our mail."""

    host: str = "127.0.0.1"
    port: int = 25
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    ca_file: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    timeout_seconds: int = 60


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the database is: sqlite:///path (relative to the site) or postgresql://user@host/name."""

    url: str = "sqlite:///var/newsletter.db"


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the pages are written, relative to the site."""

    folder: str = "archive"


@dataclass(frozen=True, slots=True)
class Web:
    """Where ``serve`` listens."""

    host: str = "127.0.0.1"
    port: int = 8000


@dataclass(frozen=True, slots=True)
class Feeds:
    """What the team follows elsewhere; http and private addresses only where somebody asked for them."""

    sources: tuple[Source, ...] = ()
    allow_http: bool = False
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """The TOML file's tables: what ``newsletter.toml`` may hold."""

    publication: Publication
    schedule: Schedule = field(default_factory=Schedule)
    editors: Editors = field(default_factory=Editors)
    relay: Relay = field(default_factory=Relay)
    store: StoreSettings = field(default_factory=StoreSettings)
    archive: Archive = field(default_factory=Archive)
    web: Web = field(default_factory=Web)
    feeds: Feeds = field(default_factory=Feeds)


@dataclass(frozen=True, slots=True)
class Settings(Tables):
    """Everything that an operator decides. ``origins`` tells for ``table.key`` where a value came from."""

    root: Path = Path()
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        """The schedule's rule, in the site's zone unless it names its own."""
        return parse_rule(self.schedule.rule, self.publication.zone)

    @property
    def first_month(self) -> Month:
        """The first month that the scheduler looks at."""
        return Month.parse(self.schedule.first_month)

    @property
    def store_url(self) -> str:
        """The database's address, with a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        if self.store.url.startswith(prefix):
            return f"{prefix}{self.root / self.store.url.removeprefix(prefix)}"
        return self.store.url

    @property
    def archive_folder(self) -> Path:
        """Where the archive stands."""
        return self.root / self.archive.folder


def find_site(start: Path) -> Path:
    """The nearest folder, upwards from ``start``, that holds a newsletter.toml; ConfigError when none does."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ConfigError(f"no {FILE_NAME} in {start} or above; make a site with: newsletter init DIR")


def load_settings(root: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the site in ``root``; every fault at once in one ConfigError, with its line."""
    path = root / FILE_NAME
    try:
        if path.stat().st_size > MAX_SETTINGS_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_SETTINGS_BYTES:,} bytes; that is no settings file")
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    file = SettingsFile(path, text)
    origins = dict.fromkeys(_keys(raw), FILE_NAME)
    problems = [file.problem(key, "a secret may not stand here; put it into a file and name that in "
                             f"{key}_file, or set {_variable(key)}") for key in SECRETS & set(origins)]  # fmt: skip
    problems += [file.problem(key, f"unknown setting{_nearest(key)}") for key in _unknown(raw)]
    origins |= _overlay_environment(raw, environment)
    problems += _read_secret_files(raw, root, origins, file)
    if problems:
        raise ConfigError("\n".join(problems))
    try:
        tables = TypeAdapter(Tables).validate_python(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_told(error, file, origins))) from error
    settings = Settings(**{f.name: getattr(tables, f.name) for f in fields(tables)}, root=root, origins=origins)
    problems = [file.problem(key, message) for key, message in _nonsense(settings)]
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def shown(settings: Settings) -> Iterator[tuple[str, object, str]]:
    """Every setting as (table.key, value, origin) for ``config show``; secrets are masked."""
    for table in fields(Tables):
        values = getattr(settings, table.name)
        for item in fields(values):
            key = f"{table.name}.{item.name}"
            value = getattr(values, item.name)
            masked = "(set)" if key in SECRETS and value else value
            origin = next((o for k, o in settings.origins.items() if k == key or k.startswith(f"{key}.")), "default")
            yield key, masked, origin


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The file's name and text, to say in which line a setting stands."""

    path: Path
    text: str

    def problem(self, key: str, message: str) -> str:
        """``newsletter.toml:12: relay.port: message``; without a line when the file does not hold the key."""
        line = self.line_of(key)
        return f"{self.path}:{line}: {key}: {message}" if line else f"{self.path}: {key}: {message}"

    def line_of(self, key: str) -> int:
        """The line that sets ``key`` (``relay.port``, ``feeds.sources.2.id``); 0 when there is none."""
        *tables, name = key.split(".")
        wanted = ".".join(part for part in tables if not part.isdigit())
        skip = next((int(part) for part in tables if part.isdigit()), 0)  # how many tables of that name come before
        inside = not tables
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line):
                inside = header[1] == wanted and skip == 0
                skip -= header[1] == wanted
                if header[1] == key:
                    return number
            elif inside and re.match(rf'\s*"?{re.escape(name)}"?\s*=', line):
                return number
        return 0


def _keys(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in raw.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _unknown(raw: Mapping[str, Any]) -> Iterator[str]:
    """Keys that no table has. Tables below publication (team, themes ...) are free-form mappings."""
    tables = get_type_hints(Tables)
    for name, values in raw.items():
        if name not in tables or not isinstance(values, dict):
            yield name
            continue
        known = {f.name for f in fields(tables[name])}
        yield from (f"{name}.{key}" for key in values if key not in known)
    for position, source in enumerate(raw.get("feeds", {}).get("sources", ())):
        known = {f.name for f in fields(Source)}
        yield from (f"feeds.sources.{position}.{key}" for key in source if key not in known)


def _nearest(key: str) -> str:
    table, _, name = key.rpartition(".")
    hints = get_type_hints(Tables)
    candidates = [f.name for f in fields(hints[table])] if table in hints else list(hints)
    if table.startswith("feeds.sources"):
        candidates = [f.name for f in fields(Source)]
    near = get_close_matches(name, candidates, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _variable(key: str) -> str:
    return ENVIRONMENT + key.replace(".", "_").upper()


def _overlay_environment(raw: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put ``NEWSLETTER_TABLE_KEY`` values into ``raw``; returns their origins. Lists are comma-separated."""
    origins = {}
    for table, kind in get_type_hints(Tables).items():
        hints = get_type_hints(kind)
        for item in fields(kind):
            key = f"{table}.{item.name}"
            value = environment.get(_variable(key))
            if value is None or get_origin(hints[item.name]) is dict or key == "feeds.sources":
                continue
            is_list = get_origin(hints[item.name]) is tuple
            raw.setdefault(table, {})[item.name] = [p.strip() for p in value.split(",")] if is_list else value
            origins[key] = _variable(key)
    return origins


def _read_secret_files(raw: dict[str, Any], root: Path, origins: dict[str, str], file: SettingsFile) -> Iterator[str]:
    for key in SECRETS:
        table, _, name = key.rpartition(".")
        named = raw.get(table, {}).get(f"{name}_file")
        if not isinstance(named, str) or not named or key in origins:
            continue
        try:
            raw[table][name] = (root / named).read_text(encoding="utf-8").rstrip("\r\n")
            origins[key] = named
        except (OSError, UnicodeDecodeError) as error:
            yield file.problem(f"{key}_file", f"cannot be read: {error}")


def _told(error: ValidationError, file: SettingsFile, origins: Mapping[str, str]) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(key, FILE_NAME)
        if fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
            yield file.problem(key, "is required; see newsletter.toml of a new site (newsletter init)")
        elif origin.startswith(ENVIRONMENT):
            yield f"{origin} in the environment: {fault['msg']}"
        else:
            yield file.problem(key, fault["msg"])


def _nonsense(settings: Settings) -> Iterator[tuple[str, str]]:
    """What has the right type and still makes no sense."""
    publication, schedule = settings.publication, settings.schedule
    if publication.zone not in available_timezones():
        yield "publication.zone", f"{publication.zone!r} is no time zone; write it like Europe/Zurich"
        return
    for key, function, value in (
        ("schedule.rule", lambda text: parse_rule(text, publication.zone), schedule.rule),
        ("schedule.first_month", Month.parse, schedule.first_month),
    ):
        try:
            function(value)
        except ValueError as error:
            yield key, str(error)
    yield from _wrong_publication(publication)
    yield from _wrong_numbers(settings)
    if settings.relay.tls == "none" and settings.relay.username:
        yield "relay.tls", "a password would travel in the clear; use starttls or implicit"
    names = [source.id for source in settings.feeds.sources]
    for position, name in enumerate(names):
        if not SLUG.fullmatch(name) or name in names[:position]:
            yield f"feeds.sources.{position}.id", f"{name!r} must be unique, of a-z, 0-9 and single hyphens"


def _wrong_publication(publication: Publication) -> Iterator[tuple[str, str]]:
    if not publication.languages:
        yield "publication.languages", "name at least one language, the first being the one you write in"
    for language in publication.languages:
        if not re.fullmatch(r"[a-z]{2,3}", language):
            yield "publication.languages", f"{language!r} is no language code; write it like en"
        elif language not in publication.team:
            yield "publication.team", f"has no name for the team in {language!r}"
    for theme in publication.themes:
        if not SLUG.fullmatch(theme):
            yield f"publication.themes.{theme}", "must be of a-z, 0-9 and single hyphens"
    for name, (is_right, message) in SHAPES.items():
        if not is_right(getattr(publication, name)):
            yield f"publication.{name}", message


def _is_web_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_mail_address(text: str) -> bool:
    return re.fullmatch(r"[^@\s<>]+@[A-Za-z0-9.-]+", text) is not None


def _is_colour(text: str) -> bool:
    return re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None


WEB = (_is_web_address, "is no web address; write it like https://security.example.org")
MAIL = (_is_mail_address, "is no mail address; write it like security@example.org")
COLOUR = (_is_colour, "is no colour; write it like #1f4e79")
SHAPES: Final = {
    "base_url": WEB,
    "website": WEB,
    "contact": MAIL,
    "from_address": MAIL,
    "reply_to": MAIL,
    "accent": COLOUR,
    "accent_dark": COLOUR,
}


def _wrong_numbers(settings: Settings) -> Iterator[tuple[str, str]]:
    limits = {
        "schedule.max_late_days": (0, 60),
        "schedule.remind_days": (0, 28),
        "schedule.tick_seconds": (1, 3600),
        "schedule.poll_minutes": (5, 1440),
        "relay.port": (1, 65535),
        "relay.timeout_seconds": (1, 600),
        "web.port": (0, 65535),
        "publication.full_articles": (0, 20),
        "publication.max_elsewhere": (0, 50),
    }
    for key, (least, most) in limits.items():
        table, _, name = key.partition(".")
        if not least <= getattr(getattr(settings, table), name) <= most:
            yield key, f"must be from {least} to {most}"
