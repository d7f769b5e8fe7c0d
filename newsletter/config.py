"""Settings: one TOML file, then the environment, then secret files. Nothing below this module knows they exist.

``newsletter.toml`` is searched in the current folder and above it. ``NEWSLETTER_RELAY_HOST`` overrides
``[relay] host`` and so on for every single value; ``relay.password`` comes from the environment or from the file that
``relay.password_file`` names, never from the TOML file itself.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from newsletter.config_rules import SQLITE, read_small, without_password, wrong
from newsletter.errors import ConfigError
from newsletter.model import DERIVED, AudienceRule, Month, Publication, Source, Standards
from newsletter.schedule import Rule, parse_rule

FILE_NAME: Final = "newsletter.toml"
ENVIRONMENT: Final = "NEWSLETTER_"
MAX_SETTINGS_BYTES: Final = 1_000_000
MAX_PASSWORD_BYTES: Final = 4_000
MAX_NAMES_BYTES: Final = 2_000_000
MAX_CERTIFICATES_BYTES: Final = 10_000_000
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
    """The SMTP server that takes our mail. ``ca_file`` is an absolute path once the settings are loaded."""

    host: str = "127.0.0.1"
    port: int = 25
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    ca_file: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    timeout_seconds: int = 60
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """How fast letters leave for some destination domains; ``*`` is every other domain, each by itself."""

    domains: tuple[str, ...]
    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How letters leave. ``return_path`` is where bounces go, the sender's address when empty."""

    connections: int = 32
    return_path: str = ""
    verp: bool = True
    uncertain: Literal["hold", "ask", "again"] = "hold"
    settle_seconds: int = 30
    postfix_log: str = "/var/log/mail.log"
    postfix_queue: tuple[str, ...] = ("postqueue", "-j")
    retry_seconds: int = 300
    retry_longest_seconds: int = 14_400
    give_up_hours: int = 72
    lowest_rate: float = 0.2
    lanes: tuple[Lane, ...] = ()


@dataclass(frozen=True, slots=True)
class Signing:
    """The keys that letters are signed with, as files in PEM; a DKIM key's selector is its file's name.

    ``ahead``: all signatures are made and stored before the first letter leaves.
    """

    dkim_domain: str = ""
    dkim_keys: tuple[str, ...] = ()
    smime_certificate: str | None = None
    smime_key: str | None = None
    ahead: bool = False
    workers: int = 2


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the database is: sqlite:///path (relative to the site) or postgresql://user@host/name."""

    url: str = field(default="sqlite:///var/newsletter.db", repr=False)  # may hold a password


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the pages are written, relative to the site."""

    folder: str = "archive"


@dataclass(frozen=True, slots=True)
class Web:
    """Where ``serve`` listens, and the proxies (addresses or networks) that are believed who the visitor is.

    ``allowed_hosts`` are names that it answers to besides that of ``publication.base_url``; ``hsts_days`` is how long
    browsers remember to come by https alone, where the base address is https.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    trusted_proxies: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    hsts_days: int = 365


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Who may join by themselves, and how many at once. Limits are per hour; more than ``surge_hour`` are held.

    ``controller`` and ``data_protection`` are facts of the privacy notice: who answers for the data (the
    organisation when empty), and the mail address of the data protection officer.
    """

    open: bool = True
    min_fill_seconds: int = 2
    per_network_hour: int = 30
    per_domain_hour: int = 200
    per_portal_hour: int = 300
    surge_hour: int = 300
    refused_domains: tuple[str, ...] = ()
    controller: str = ""
    data_protection: str = ""
    audiences: tuple[AudienceRule, ...] = ()


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
    delivery: Delivery = field(default_factory=Delivery)
    signing: Signing = field(default_factory=Signing)
    store: StoreSettings = field(default_factory=StoreSettings)
    archive: Archive = field(default_factory=Archive)
    web: Web = field(default_factory=Web)
    feeds: Feeds = field(default_factory=Feeds)
    subscribers: Subscribers = field(default_factory=Subscribers)
    checks: Standards = field(default_factory=Standards)


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
        if self.store.url.startswith(SQLITE):
            return f"{SQLITE}{self.root / self.store.url.removeprefix(SQLITE)}"
        return self.store.url

    @property
    def archive_folder(self) -> Path:
        """Where the archive stands."""
        return self.root / self.archive.folder


# Settings that are lists of tables: [[feeds.sources]] and so on. No variable sets them.
LISTS: Final[dict[tuple[str, str], type[Any]]] = {
    ("feeds", "sources"): Source,
    ("delivery", "lanes"): Lane,
    ("subscribers", "audiences"): AudienceRule,
}


def find_site(start: Path) -> Path:
    """The nearest folder, upwards from ``start``, that holds a newsletter.toml; ConfigError when none does."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ConfigError(f"no {FILE_NAME} in {start} or above; make a site with: newsletter init DIR")


def load_settings(root: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the site in ``root``; every fault at once in one ConfigError, with its line."""
    file, raw = _read(root / FILE_NAME)
    file.tell(_secrets_in(raw))
    file.tell(_strange(raw))
    raw.setdefault("publication", {})
    file.told.extend(_strange_variables(environment))
    _overlay_environment(raw, environment, file.origins)
    file.tell(_look_up_files(raw.get("relay", {}), root, file.origins))
    file.tell(_look_up_names(raw.get("checks", {}), root))
    try:
        tables = TypeAdapter(Tables).validate_python(raw)
    except ValidationError as error:
        file.tell(_mistyped(error))
        _mend(raw, error)
        tables = TypeAdapter(Tables).validate_python(raw)
    values = {item.name: getattr(tables, item.name) for item in fields(tables)}
    values["publication"] = replace(tables.publication, has_forms=tables.subscribers.open)
    settings = Settings(**values, root=root, origins=file.origins)
    file.tell(wrong(settings))
    if file.told:
        raise ConfigError("\n".join(file.told))
    return settings


def shown(settings: Settings) -> Iterator[tuple[str, object, str]]:
    """Every setting as (table.key, value, origin) for ``config show``; secrets are masked."""
    for table in fields(Tables):
        values = getattr(settings, table.name)
        for item in _settable(values):
            key = f"{table.name}.{item.name}"
            value = getattr(values, item.name)
            masked = "(set)" if key in SECRETS and value else value
            masked = without_password(value) if key == "store.url" else masked
            origin = next((o for k, o in settings.origins.items() if k == key or k.startswith(f"{key}.")), "default")
            yield key, masked, origin


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The file's name and text, to say in which line a setting stands; and what was told so far.

    ``origins`` tells for ``table.key`` where its value came from; ``told`` are whole messages.
    """

    path: Path
    text: str
    origins: dict[str, str]
    told: list[str] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)

    def tell(self, faults: Iterable[tuple[str, str]]) -> None:
        """Note the faults, but not of settings that had one in an earlier round: one cause, one message."""
        before = frozenset(self.reported)
        for key, message in faults:
            table, setting = key.partition(".")[0], _setting(key)
            if not before & {table, setting}:
                self.told.append(self.problem(key, message))
                self.reported.add(setting)

    def problem(self, key: str, message: str) -> str:
        """``newsletter.toml:12: relay.port: message``, or with the variable when the value came from there."""
        origin = self.origins.get(_setting(key), "")
        if origin.startswith(ENVIRONMENT):
            return f"{origin} in the environment: {message}"
        line = self.line_of(key)
        return f"{self.path}:{line}: {key}: {message}" if line else f"{self.path}: {key}: {message}"

    def line_of(self, key: str) -> int:
        """The line that sets ``key`` (``relay.port``, ``feeds.sources.2.id``), else that of its table; 0 without."""
        lines: dict[str, int] = {}
        for name, number in self._lines():
            lines.setdefault(name, number)
        while key and key not in lines:
            key = key.rpartition(".")[0]
        return lines.get(key, 0)

    def _lines(self) -> Iterator[tuple[str, int]]:
        table, places = "", Counter[str]()
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*(\[\[?)([^\]]+)\]", line):
                table = _bare(header[2])
                yield table, number
                if header[1] == "[[":
                    places[table] += 1
                    table = f"{table}.{places[table] - 1}"
                    yield table, number
            elif assignment := re.match(r"""([\w\s."'-]+)=""", line):
                yield f"{table}.{_bare(assignment[1])}".lstrip("."), number


def _bare(key: str) -> str:
    return re.sub(r"""[\s"']""", "", key)


def _setting(key: str) -> str:
    return ".".join(key.split(".")[:2])


def _read(path: Path) -> tuple[SettingsFile, dict[str, Any]]:
    try:
        text = read_small(path, MAX_SETTINGS_BYTES).decode()
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return SettingsFile(path, text, dict.fromkeys(_keys(raw), FILE_NAME)), raw


def _keys(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in raw.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _secrets_in(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in sorted(SECRETS & set(_keys(raw))):
        hint = f"put it into a file and name that in {key}_file, or set {_variable(key)}"
        yield key, f"a secret may not stand here; {hint}"
    store = raw.get("store")
    url = store.get("url") if isinstance(store, dict) else None
    if isinstance(url, str) and without_password(url) != url:
        yield "store.url", f"a password may not stand here; set the whole address as {_variable('store.url')}"


def _strange(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys that no table has. Tables below publication (team, themes ...) are free-form mappings."""
    tables = get_type_hints(Tables)
    for name, values in list(raw.items()):
        if name not in tables:
            yield name, f"unknown setting{_nearest(name, tables)}"
        elif not isinstance(values, dict):
            del raw[name]
            yield name, f"must be a table; write [{name}] in a line of its own, and its settings below"
        else:
            known = [item.name for item in _settable(tables[name])]
            for key in sorted(values.keys() - known):
                yield f"{name}.{key}", f"unknown setting{_nearest(key, known)}"
    for (name, key), kind in LISTS.items():
        listed = raw.get(name, {}).get(key)
        known = [item.name for item in fields(kind)]
        for position, entry in enumerate(listed if isinstance(listed, list) else ()):
            for strange in sorted(entry.keys() - known) if isinstance(entry, dict) else ():
                yield f"{name}.{key}.{position}.{strange}", f"unknown setting{_nearest(strange, known)}"


def _settable(table: Any) -> list[Field[Any]]:
    """What a file may say of a table."""
    return [item for item in fields(table) if item.metadata != DERIVED]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else "; take it out"


def _variable(key: str) -> str:
    return ENVIRONMENT + key.replace(".", "_").upper()


def _variables() -> dict[str, tuple[str, str, bool]]:
    """Every variable that sets something, with its table, key, and whether it is a list."""
    return {
        _variable(f"{table}.{item.name}"): (table, item.name, get_origin(get_type_hints(kind)[item.name]) is tuple)
        for table, kind in get_type_hints(Tables).items()
        for item in _settable(kind)
        if get_origin(get_type_hints(kind)[item.name]) is not dict and (table, item.name) not in LISTS
    }


def _strange_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Names that begin like one of ours and set nothing; a variable of another program may share only NEWSLETTER_."""
    known = _variables()
    for table, kind in get_type_hints(Tables).items():
        prefix = f"{_variable(table)}_"
        in_file = {_variable(f"{table}.{item.name}") for item in _settable(kind)} - known.keys()
        for name in sorted(environment.keys() - known.keys()):
            if name in in_file:
                yield f"{name} in the environment: can be set in {FILE_NAME} alone; write it there"
            elif name.startswith(prefix):
                rest = {other.removeprefix(prefix): other for other in known if other.startswith(prefix)}
                near = get_close_matches(name.removeprefix(prefix), rest, 1)
                hint = f"did you mean {rest[near[0]]}?" if near else "take it out"
                yield f"{name} in the environment: unknown setting; {hint}"


def _overlay_environment(raw: dict[str, Any], environment: Mapping[str, str], origins: dict[str, str]) -> None:
    """Put ``NEWSLETTER_TABLE_KEY`` values into ``raw``, and where they are from. Lists are comma-separated."""
    for variable, (table, name, is_list) in _variables().items():
        value = environment.get(variable)
        if value is None:
            continue
        parts = [part.strip() for part in value.split(",") if part.strip()]
        raw.setdefault(table, {})[name] = parts if is_list else value
        origins[f"{table}.{name}"] = variable


def _look_up_files(relay: dict[str, Any], root: Path, origins: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Read the password from its file, and make the path of the certificates absolute."""
    named = relay.get("password_file")
    if isinstance(named, str) and named and "relay.password" not in origins:
        try:
            relay["password"] = read_small(root / named, MAX_PASSWORD_BYTES).decode().rstrip("\r\n")
            origins["relay.password"] = named
        except UnicodeDecodeError:
            yield "relay.password_file", f"cannot be read: {root / named} is not UTF-8"
        except ValueError as error:
            yield "relay.password_file", str(error)
    named = relay.get("ca_file")
    if isinstance(named, str):
        relay["ca_file"] = str((root / named).absolute()) if named else None
        try:
            if named:
                read_small(root / named, MAX_CERTIFICATES_BYTES)
        except ValueError as error:
            yield "relay.ca_file", str(error)


def _look_up_names(checks: dict[str, Any], root: Path) -> Iterator[tuple[str, str]]:
    """Put the names of the house's own file, one a line, beside those of the settings."""
    named = checks.get("private_names_file")
    listed = checks.get("private_names", [])
    if isinstance(named, str) and named and isinstance(listed, list):
        try:
            lines = read_small(root / named, MAX_NAMES_BYTES).decode().splitlines()
            checks["private_names"] = [*listed, *(line.strip() for line in lines if line.strip())]
        except UnicodeDecodeError:
            yield "checks.private_names_file", f"cannot be read: {root / named} is not UTF-8"
        except ValueError as error:
            yield "checks.private_names_file", str(error)


def _mistyped(error: ValidationError) -> Iterator[tuple[str, str]]:
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        is_missing = fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument")
        yield key, "is required; see newsletter.toml of a new site (newsletter init)" if is_missing else fault["msg"]


def _mend(raw: dict[str, dict[str, Any]], error: ValidationError) -> None:
    """Take out what has the wrong type, with an empty value where one is required: so that the rest can be checked."""
    hints = get_type_hints(Publication)
    required = {item.name for item in fields(Publication) if item.default is item.default_factory is MISSING}
    for fault in error.errors(include_url=False):
        table, name = (str(part) for part in fault["loc"][:2])
        raw[table].pop(name, None)
        if table == "publication" and name in required:
            raw[table][name] = (get_origin(hints[name]) or str)()
