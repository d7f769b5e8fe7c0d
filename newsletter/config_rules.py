"""What a setting of the right type must still fulfil, so that a wrong one is told at the start and not in a traceback.

Every rule yields pairs of key and message (what is wrong and how to mend it); ``newsletter.config`` adds the place.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import asdict, fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from newsletter.deliver import headers
from newsletter.deliver.letters import MAX_RETURN_LOCAL_PART
from newsletter.deliver.message import LOGO_TYPES, MAX_LOGO_BYTES
from newsletter.model import PUBLIC, SLUG, Month, Tlp
from newsletter.render.words import CATALOGUES, catalogue_files
from newsletter.schedule import parse_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.config import Settings
    from newsletter.model import Publication

SQLITE: Final = "sqlite:///"
PASSWORD: Final = re.compile(r"(?<=://)([^:/]*):.+@", re.DOTALL)  # as SQLAlchemy reads it
PASSWORD_PARAMETER: Final = re.compile(r"(?<=[?&])(\w*password)=[^&]+", re.IGNORECASE)

# What the site keeps to itself: whatever stands in the archive's folder is handed out to everybody.
PRIVATE_FOLDERS: Final = ("articles", "incidents", "reports", "editions", "templates", "var")

MAX_PORT: Final = 65_535
MAX_RATE: Final = 1_000_000_000
MIN_GRADE, MAX_GRADE = 3, 30
MIN_RATE: Final = 0.0001  # a letter in three hours

DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*", re.ASCII)
HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.ASCII)
AUDIENCE: Final = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)

LIMITS: Final = {
    "delivery.connections": (1, 200),
    "delivery.settle_seconds": (0, 3_600),
    "delivery.retry_seconds": (1, 86_400),
    "delivery.retry_longest_seconds": (1, 604_800),
    "delivery.give_up_hours": (1, 720),
    "delivery.lowest_rate": (0.01, 10_000.0),
    "signing.workers": (0, 64),
    "schedule.max_late_days": (0, 60),
    "schedule.remind_days": (0, 28),
    "schedule.tick_seconds": (1, 3600),
    "schedule.poll_minutes": (5, 1440),
    "relay.port": (1, 65535),
    "relay.timeout_seconds": (1, 600),
    "web.port": (0, 65535),
    "web.hsts_days": (0, 730),
    "subscribers.min_fill_seconds": (0, 60),
    "subscribers.per_network_hour": (1, 1_000_000),
    "subscribers.per_domain_hour": (1, 1_000_000),
    "subscribers.per_portal_hour": (1, 1_000_000),
    "subscribers.surge_hour": (1, 1_000_000),
    "checks.max_words": (50, 100_000),
    "publication.full_articles": (0, 20),
    "publication.max_elsewhere": (0, 50),
}


def wrong(settings: Settings) -> Iterator[tuple[str, str]]:
    """What has the right type and still makes no sense, as (table.key, message)."""
    yield from _wrong_texts(settings)
    yield from _wrong_publication(settings.publication)
    yield from _wrong_addresses(settings)
    yield from _wrong_languages(settings.publication)
    yield from _wrong_schedule(settings)
    yield from _wrong_numbers(settings)
    yield from _wrong_servers(settings)
    yield from _wrong_delivery(settings)
    yield from _wrong_lanes(settings)
    yield from _wrong_signing(settings)
    yield from _wrong_sources(settings)
    yield from _wrong_logo(settings)
    yield from _wrong_archive(settings)
    yield from _wrong_checks(settings)
    yield from _wrong_subscribers(settings)
    yield from _wrong_proxies(settings)


def _wrong_checks(settings: Settings) -> Iterator[tuple[str, str]]:
    checks = settings.checks
    for language, words in checks.banned_words.items():
        if any(not word.strip() for word in words):
            yield f"checks.banned_words.{language}", "a banned word has no letters; take it out"
    for language in sorted({*checks.banned_words, *checks.max_grade} - set(settings.publication.languages)):
        yield "checks", f"names the language {language!r}, which this site has not"
    for language, grade in checks.max_grade.items():
        if not MIN_GRADE <= grade <= MAX_GRADE:
            yield f"checks.max_grade.{language}", f"must be {MIN_GRADE} to {MAX_GRADE} years of schooling"
    for code, reason in checks.waive.items():
        if not reason.strip():
            yield f"checks.waive.{code}", "gives no reason; write why it may stay"


def without_password(url: str) -> str:
    """A database's address as people may see it: ``postgresql://user:***@host/name``."""
    return PASSWORD_PARAMETER.sub(r"\1=***", PASSWORD.sub(r"\1:***@", url))


def read_small(path: Path, most: int) -> bytes:
    """The bytes of a file; ValueError with the reason when it cannot be read or has more than ``most``."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in its name
        raise ValueError(f"cannot be read: {error}") from error
    if len(content) > most:
        raise ValueError(f"cannot be read: {path} is larger than {most:,} bytes")
    return content


def host_and_port(text: str, port: int) -> tuple[str, int]:
    """``host`` or ``host:port`` or ``[::1]:port``; ``port`` where it names none. ValueError for what is neither."""
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]+))(?::([0-9]{1,5}))?", text)
    if not match or not 1 <= int(match[3] or port) <= MAX_PORT:
        raise ValueError(f"{text!r} is no server; write it like mail2.example.org or mail2.example.org:587")
    return match[1] or match[2], int(match[3] or port)


def _wrong_texts(settings: Settings) -> Iterator[tuple[str, str]]:
    for item in fields(settings):
        if item.name in ("root", "origins"):
            continue
        for key, text in _texts(asdict(getattr(settings, item.name)), item.name):
            bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
            if bad:
                yield key, f"holds U+{ord(bad):04X}; write it in one line, without line breaks or control characters"


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text below ``value`` with its key; the names in a mapping are texts too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield key, name
            yield from _texts(inner, f"{key}.{name}")
    elif isinstance(value, tuple):
        for position, inner in enumerate(value):
            yield from _texts(inner, f"{key}.{position}")


def _wrong_publication(publication: Publication) -> Iterator[tuple[str, str]]:
    for name in ("name", "organisation"):
        if not getattr(publication, name).strip():
            yield f"publication.{name}", "is empty; readers must see whose letter it is"
    for name in ("accent", "accent_dark"):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", getattr(publication, name)):
            yield f"publication.{name}", "is no colour; write it like #1f4e79"
    for theme in publication.themes:
        if not SLUG.fullmatch(theme):
            yield f"publication.themes.{theme}", "must be of a-z, 0-9 and single hyphens"


def _wrong_addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    publication = settings.publication
    mails = {f"publication.{name}": getattr(publication, name) for name in ("contact", "from_address", "reply_to")}
    if settings.delivery.return_path:
        mails["delivery.return_path"] = settings.delivery.return_path
    mails |= {f"editors.addresses.{n}": address for n, address in enumerate(settings.editors.addresses)}
    for key, address in mails.items():
        try:
            headers.checked_address(address)
        except ValueError:
            yield key, f"{address!r} is no mail address; write it like security@example.org, in ASCII, without a name"
    reason = _no_web_address(publication.base_url) or _more_than_a_base(publication.base_url)
    if reason:
        yield "publication.base_url", reason
    elif not publication.list_id and not _is_host_name(str(urlsplit(publication.base_url).hostname)):
        yield "publication.list_id", "is needed, since base_url has no host name; write it like report.example.org"
    if website := _no_web_address(publication.website):
        yield "publication.website", website
    if publication.list_id and not ("." in publication.list_id and _is_host_name(publication.list_id)):
        yield (
            "publication.list_id",
            f"{publication.list_id!r} is no list identifier; write it like report.security.example.org",
        )


def _no_web_address(text: str) -> str:
    """Why it is none, in words; empty when it is one."""
    try:
        parts = urlsplit(text)
        if parts.port == 0:
            return "has the port 0; leave the port out, or give a real one"
    except ValueError as error:
        return f"is no web address ({error}); write it like https://security.example.org"
    host = parts.hostname or ""
    is_right = parts.scheme in ("http", "https") and (_is_host_name(host) or _is_ip_address(host))
    if not is_right or not headers.URL.fullmatch(text):
        return "is no web address; write it like https://security.example.org, in ASCII (a host as xn--...)"
    return "holds a user or password; leave that out" if "@" in parts.netloc else ""


def _more_than_a_base(text: str) -> str:
    return "addresses of pages are appended to it; leave out what follows the ? or #" if set(text) & {"?", "#"} else ""


def _is_host_name(text: str) -> bool:
    return headers.ADDRESS.fullmatch(f"x@{text}") is not None


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _wrong_languages(publication: Publication) -> Iterator[tuple[str, str]]:
    key = "publication.languages"
    if not publication.languages:
        yield key, "name at least one language, the first being the one you write in"
    for language, times in Counter(publication.languages).items():
        if not re.fullmatch(r"[a-z]{2,3}", language):
            yield key, f"{language!r} is no language code; write it like en"
            continue
        if times > 1:
            yield key, f"names {language!r} {times} times; once is enough"
        if not catalogue_files(language):
            known = ", ".join(sorted(path.name for path in CATALOGUES.iterdir() if path.is_dir()))
            yield key, f"there are no words for {language!r}; choose from {known}"
        if not publication.team.get(language, "").strip():
            yield "publication.team", f"has no name for the team in {language!r}; add one"


def _wrong_schedule(settings: Settings) -> Iterator[tuple[str, str]]:
    zone = settings.publication.zone
    if zone not in available_timezones():
        yield "publication.zone", f"{zone!r} is no time zone; write it like Europe/Zurich"
        zone = "UTC"
    try:
        parse_rule(settings.schedule.rule, zone)
    except ValueError as error:
        yield "schedule.rule", str(error)
    try:
        Month.parse(settings.schedule.first_month)
    except ValueError as error:
        yield "schedule.first_month", str(error)


def _wrong_numbers(settings: Settings) -> Iterator[tuple[str, str]]:
    for key, (least, most) in LIMITS.items():
        table, _, name = key.partition(".")
        if not least <= getattr(getattr(settings, table), name) <= most:
            yield key, f"must be from {least} to {most}"


def _wrong_servers(settings: Settings) -> Iterator[tuple[str, str]]:
    for key, host in (("relay.host", settings.relay.host), ("web.host", settings.web.host)):
        if not _is_connectable(host):
            yield key, f"{host!r} is no host; write it like mail.example.org or 127.0.0.1"
    if settings.relay.tls == "none" and settings.relay.username:
        yield "relay.tls", "a password would travel in the clear; use starttls or implicit"


def _wrong_delivery(settings: Settings) -> Iterator[tuple[str, str]]:
    delivery = settings.delivery
    for position, other in enumerate(settings.relay.others):
        try:
            host, _ = host_and_port(other, settings.relay.port)
        except ValueError as error:
            yield f"relay.others.{position}", str(error)
        else:
            if not _is_connectable(host):
                yield f"relay.others.{position}", f"{host!r} is no host; write it like mail2.example.org"
    local = (delivery.return_path or settings.publication.from_address).rpartition("@")[0]
    if delivery.verp and len(local) > MAX_RETURN_LOCAL_PART:
        hint = "set delivery.return_path to a shorter address, like bounces@example.org, or delivery.verp to false"
        yield "delivery.return_path", f"the part before the @ may have {MAX_RETURN_LOCAL_PART} characters here; {hint}"
    if delivery.uncertain == "ask" and not delivery.verp:
        yield "delivery.verp", "must be true where uncertain is ask: the relay's log tells letters apart by it"
    if delivery.uncertain == "ask" and settings.relay.others:
        yield "relay.others", "must be empty where uncertain is ask: one log is asked, and it is one relay's"
    if delivery.retry_longest_seconds < delivery.retry_seconds:
        yield "delivery.retry_longest_seconds", "must not be less than delivery.retry_seconds"


def _wrong_lanes(settings: Settings) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for position, lane in enumerate(settings.delivery.lanes):
        key = f"delivery.lanes.{position}"
        rates = (lane.per_second, lane.per_hour, lane.per_day)
        if any(rate is not None and not MIN_RATE <= rate < MAX_RATE for rate in rates):
            yield key, f"a rate must be more than 0 and less than {MAX_RATE:,}, and at least {MIN_RATE:g}"
        if all(rate is None for rate in rates):
            yield key, "limits nothing; give it per_second, per_hour or per_day"
        if not lane.domains or ("*" in lane.domains and len(lane.domains) > 1):
            yield f"{key}.domains", 'name domains, or "*" alone for every other one'
        for domain in lane.domains:
            if domain != "*" and (domain != domain.lower() or not _is_host_name(domain)):
                yield f"{key}.domains", f"{domain!r} is no domain; write it like example.org, in lower case"
            elif domain in seen:
                yield f"{key}.domains", f"{domain} stands in a lane already; name it once"
            seen.add(domain)


def _wrong_signing(settings: Settings) -> Iterator[tuple[str, str]]:
    signing = settings.signing
    if signing.dkim_domain and not _is_host_name(signing.dkim_domain):
        yield "signing.dkim_domain", f"{signing.dkim_domain!r} is no domain; write it like example.org"
    if bool(signing.smime_certificate) != bool(signing.smime_key):  # an empty variable means none
        yield "signing.smime_certificate", "needs signing.smime_key, and the other way round"
    stems = [Path(name).stem for name in signing.dkim_keys]
    for position, stem in enumerate(stems):
        if stem in stems[:position]:
            yield f"signing.dkim_keys.{position}", f"a second key with the selector {stem}; rename its file"


def _is_connectable(host: str) -> bool:
    """Whether the name can be looked up at all; the socket module raises UnicodeError for others."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return bool(host) and not re.search(r"[\s/@]", host)


def _wrong_sources(settings: Settings) -> Iterator[tuple[str, str]]:
    names = [source.id for source in settings.feeds.sources]
    for position, name in enumerate(names):
        if not SLUG.fullmatch(name) or name in names[:position]:
            yield f"feeds.sources.{position}.id", f"{name!r} must be unique, of a-z, 0-9 and single hyphens"


def _wrong_logo(settings: Settings) -> Iterator[tuple[str, str]]:
    logo, key = settings.publication.logo, "publication.logo"
    if logo is None:
        return
    try:
        content = read_small(settings.root / logo, MAX_LOGO_BYTES)
        is_inside = (settings.root / logo).resolve().is_relative_to(settings.root.resolve())
    except ValueError as error:
        yield key, f"{error}; name a PNG, JPEG or GIF of at most {MAX_LOGO_BYTES:,} bytes inside the site"
        return
    if not is_inside:
        yield key, "lies outside the site; copy it into the site's folder"
    if not content.startswith(tuple(LOGO_TYPES)):
        yield key, "is no PNG, JPEG or GIF; mail programs show nothing else (an SVG can be exported as PNG)"


def _wrong_archive(settings: Settings) -> Iterator[tuple[str, str]]:
    key, hint = "archive.folder", "everything in it is public; take a folder of its own, like archive"
    site, archive = settings.root.resolve(), _resolved(settings.archive_folder)
    if archive is None:
        yield key, "is no folder; write it like archive"
        return
    if site.is_relative_to(archive):
        yield key, f"is or holds the site itself, and {hint}"
        return
    for name in PRIVATE_FOLDERS:
        folder = _resolved(settings.root / name) or site / name
        if archive.is_relative_to(folder) or folder.is_relative_to(archive):
            yield key, f"is, holds or lies in {name}/, and {hint}"
            return
    for other, path in _secret_files(settings).items():
        secret = _resolved(path)
        if secret and secret.is_relative_to(archive):
            yield other, f"lies in {key}, and everything there is public; take another folder, like var"


def _secret_files(settings: Settings) -> dict[str, Path]:
    paths = {}
    if settings.relay.password_file:
        paths["relay.password_file"] = settings.root / settings.relay.password_file
    for position, name in enumerate(settings.signing.dkim_keys):
        paths[f"signing.dkim_keys.{position}"] = settings.root / name
    if settings.signing.smime_key:
        paths["signing.smime_key"] = settings.root / settings.signing.smime_key
    if settings.store_url.startswith(SQLITE):
        paths["store.url"] = Path(settings.store_url.removeprefix(SQLITE).partition("?")[0])
    return paths


def _resolved(path: Path) -> Path | None:
    """The path with all symbolic links followed; None when it has a NUL, or the links go round in circles."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return None


def _wrong_subscribers(settings: Settings) -> Iterator[tuple[str, str]]:
    rules = settings.subscribers
    for position, domain in enumerate(rules.refused_domains):
        if not DOMAIN.fullmatch(domain):
            yield f"subscribers.refused_domains.{position}", f"{domain!r} is no domain; write it like example.org"
    taken = {PUBLIC}
    for position, audience in enumerate(rules.audiences):
        place = f"subscribers.audiences.{position}"
        if not AUDIENCE.fullmatch(audience.name):
            yield f"{place}.name", f"{audience.name!r} is no name; use a-z, digits and hyphens, like staff"
        elif audience.name in taken:
            yield f"{place}.name", f"there is an audience {audience.name} already; choose another name"
        taken.add(audience.name)
        if audience.clearance not in {tlp.value for tlp in Tlp}:
            yield f"{place}.clearance", f"must be one of {', '.join(tlp.value for tlp in Tlp)}"
        for domain in audience.domains:
            if not DOMAIN.fullmatch(domain.removeprefix(".")):
                yield f"{place}.domains", f"{domain!r} is no domain; write it like example.org, or .example.org"


def _wrong_proxies(settings: Settings) -> Iterator[tuple[str, str]]:
    for position, proxy in enumerate(settings.web.trusted_proxies):
        try:
            ip_network(proxy)
        except ValueError:
            yield f"web.trusted_proxies.{position}", f"{proxy!r} is no address or network; write it like 10.0.0.0/24"
    for position, name in enumerate(settings.web.allowed_hosts):
        if not HOST.fullmatch(name):
            yield f"web.allowed_hosts.{position}", f"{name!r} is no host; write it like app.internal, or *.example.org"
