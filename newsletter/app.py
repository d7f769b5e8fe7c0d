"""The wired parts: settings become a store, templates, keys and a clock, once, at the top of every process."""

from __future__ import annotations

import json
import logging
import os
import random
import secrets
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog

from newsletter import __version__
from newsletter.checks.house import House
from newsletter.collect.editions import EDITIONS
from newsletter.collect.feeds import FeedLimits
from newsletter.config_rules import host_and_port, read_small
from newsletter.deliver.dispatch import Dispatch, Retry, Signing, Uncertain
from newsletter.deliver.dkim import DkimKey, DkimSigner
from newsletter.deliver.lanes import LaneRule
from newsletter.deliver.postfix import PostfixRecords
from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.smime import SmimeSigner
from newsletter.errors import ConfigError
from newsletter.keys import LinkKeys, grant_token, unsubscribe_token
from newsletter.model import SubscriberId
from newsletter.render.environment import Templates
from newsletter.render.notices import render_notice
from newsletter.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from newsletter.config import Settings
    from newsletter.model import AudienceRule, Notice, NoticeText, Publication

STATE_FOLDER: Final = "var"
KEY_FILE: Final = "link-keys.json"
SECRET_BYTES: Final = 32
MAX_KEY_BYTES: Final = 100_000


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a command, a job or a page needs; made by ``build_app``, closed by its maker."""

    settings: Settings
    store: Store
    templates: Templates
    clock: Callable[[], datetime]
    chance: random.Random

    @property
    def publication(self) -> Publication:
        """The organisation's words and addresses."""
        return self.settings.publication

    @property
    def house(self) -> House:
        """Whose content the rules judge, and by which standards."""
        return House(self.publication, self.settings.checks)

    @property
    def root(self) -> Path:
        """The site's folder."""
        return self.settings.root

    @property
    def editions_folder(self) -> Path:
        """Where released editions are kept as files."""
        return self.root / EDITIONS

    @property
    def keys(self) -> LinkKeys:
        """The keys of personal links; made at first use. They never retire, so back them up with the database."""
        return load_keys(self.root / STATE_FOLDER / KEY_FILE)

    @property
    def audiences(self) -> dict[str, AudienceRule]:
        """The audiences besides the public, by name."""
        return {rule.name: rule for rule in self.settings.subscribers.audiences}

    def local(self, moment: datetime) -> datetime:
        """A moment by the clocks of the site's zone."""
        return moment.astimezone(ZoneInfo(self.publication.zone))

    def write_notice(self, notice: Notice) -> NoticeText:
        """A notice's text, with the link that it grants. ValueError when the key of that link is gone."""
        token = grant_token(self.keys, notice.nonce) if notice.nonce else ""
        facts = dict(notice.facts)
        if reader := facts.pop("reader", None):  # their link to leave is made when the mail does, and kept nowhere
            facts["leave"] = self.publication.url(f"/u/{unsubscribe_token(self.keys, SubscriberId(reader))}")
        return render_notice(notice.kind, notice.language, facts, self.publication, self.templates, token=token)

    @property
    def relays(self) -> tuple[Relay, ...]:
        """The servers that take our mail: the first one, and the others with the same protection and password."""
        relay = self.settings.relay
        first = Relay(
            host=relay.host,
            port=relay.port,
            tls=Tls(relay.tls),
            username=relay.username,
            password=relay.password,
            ca_file=relay.ca_file,
            timeout_seconds=relay.timeout_seconds,
        )
        places = (host_and_port(other, relay.port) for other in relay.others)
        return (first, *(replace(first, host=host, port=port) for host, port in places))

    @property
    def dispatch(self) -> Dispatch:
        """How letters leave. ConfigError when a key cannot be used."""
        return replace(self.posting, signing=load_signing(self.settings, self.clock()))

    @property
    def posting(self) -> Dispatch:
        """How mail leaves that nobody signs, so that an expired certificate does not keep its own alarm back."""
        delivery = self.settings.delivery
        retry = Retry(
            first=timedelta(seconds=delivery.retry_seconds),
            longest=timedelta(seconds=delivery.retry_longest_seconds),
            give_up_after=timedelta(hours=delivery.give_up_hours),
        )
        return Dispatch(
            relays=self.relays,
            return_path=delivery.return_path or self.publication.from_address,
            connections=delivery.connections,
            verp=delivery.verp,
            uncertain=Uncertain(delivery.uncertain),
            postfix=PostfixRecords(Path(delivery.postfix_log), delivery.postfix_queue),
            settle_seconds=delivery.settle_seconds,
            retry=retry,
            lanes=tuple(
                LaneRule(
                    domains=lane.domains,
                    per_second=lane.per_second,
                    per_hour=lane.per_hour,
                    per_day=lane.per_day,
                )
                for lane in delivery.lanes
            ),
            lowest_rate=delivery.lowest_rate,
        )

    @property
    def feed_limits(self) -> FeedLimits:
        """What a feed may cost us, and where it may lie."""
        feeds = self.settings.feeds
        return FeedLimits(
            allow_http=feeds.allow_http,
            allow_private=feeds.allow_private,
            agent=f"newsletter/{__version__} (+{self.publication.website})",
        )

    def has_store(self) -> bool:
        """Whether there is a database yet; a PostgreSQL one is supposed to be."""
        path = self.settings.store_url.removeprefix("sqlite:///")
        return path == self.settings.store_url or Path(path).exists()

    def ready_store(self) -> None:
        """Make the database of a new site; StoreError when there is one of another version."""
        if not self.has_store() or self.store.is_new():
            self.store.upgrade()
        self.store.check()

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()


def utc_now() -> datetime:
    """The clock that everything outside tests uses."""
    return datetime.now(UTC)


def build_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> App:
    """Wire the parts together; touches neither database nor network yet."""
    return App(
        settings=settings,
        store=Store(settings.store_url, folder=_lock_folder(settings)),
        templates=Templates([settings.root / "templates"]),
        clock=clock,
        chance=random.SystemRandom(),
    )


def _lock_folder(settings: Settings) -> Path:
    """Beside an SQLite database, so that whoever uses the same one meets the same locks."""
    path = settings.store_url.removeprefix("sqlite:///").partition("?")[0]
    return settings.root / STATE_FOLDER if path == settings.store_url else Path(path).parent


def set_up_logging(*, verbose: bool) -> None:
    """Logs on stderr: what went wrong, or with ``verbose`` what happens too. Ids stand in them, never addresses."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            # plain: the default prints local variables, and those hold tokens and addresses
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when something is logged
    )


def load_keys(path: Path) -> LinkKeys:
    """Read the link keys, or make the first one (readable by its owner alone); ConfigError if the file is damaged."""
    if not path.exists():
        _make_keys(path)
    try:
        raw = json.loads(path.read_text(encoding="ascii"))
        return LinkKeys(int(raw["current"]), {int(n): bytes.fromhex(key) for n, key in raw["secrets"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: the keys of personal links cannot be read ({error}); restore the file from a backup, "
            "since links in mails already sent need it"
        ) from error


def load_signing(settings: Settings, now: datetime) -> Signing:
    """The keys that letters are signed with; ConfigError in words when one cannot be read or used."""
    signing = settings.signing
    domain = signing.dkim_domain or settings.publication.from_address.rpartition("@")[2]
    keys = []
    for name in signing.dkim_keys:
        path = settings.root / name
        try:
            keys.append(DkimKey.load(read_small(path, MAX_KEY_BYTES), selector=path.stem, domain=domain))
        except ValueError as error:
            raise ConfigError(f"signing.dkim_keys: {path}: {error}") from error
    smime = None
    if signing.smime_certificate and signing.smime_key:
        paths = (settings.root / signing.smime_certificate, settings.root / signing.smime_key)
        try:
            smime = SmimeSigner.load(*(read_small(path, MAX_KEY_BYTES) for path in paths))
            _check_certificate(smime, settings.publication.from_address, now)
        except ValueError as error:
            raise ConfigError(f"signing.smime_certificate, signing.smime_key: {error}") from error
    return Signing(dkim=DkimSigner(tuple(keys)), smime=smime, ahead=signing.ahead, workers=signing.workers)


def _check_certificate(smime: SmimeSigner, sender: str, now: datetime) -> None:
    """ValueError when mail programs would not believe it: for another address (RFC 8550 section 3), or out of date."""
    if sender.lower() not in (address.lower() for address in smime.addresses):
        raise ValueError(f"the certificate is not for {sender}, but for {', '.join(smime.addresses) or 'no address'}")
    if not smime.not_before <= now <= smime.not_after:
        raise ValueError(f"the certificate is valid from {smime.not_before:%Y-%m-%d} to {smime.not_after:%Y-%m-%d}")


def _make_keys(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump({"current": 1, "secrets": {"1": secrets.token_hex(SECRET_BYTES)}}, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)  # fails when another process was first: then its keys count
    except FileExistsError:
        pass
    finally:
        aside.unlink()
