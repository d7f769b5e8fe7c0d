"""The server that takes our mail, and the first words with it: connecting, EHLO, STARTTLS, log-in.

A relay that cannot be used at all (not there, wrong password, no TLS where TLS is demanded) raises DeliveryError:
nothing was decided about any letter.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from newsletter.deliver.wire import Wire, shown
from newsletter.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.deliver.wire import Answer

# RFC 5321 section 4.5.3.2.6: whoever gives up sooner after the final dot gets the letter delivered twice.
FINAL_SECONDS: Final = 600.0

OK: Final = range(200, 300)
PERMANENT: Final = range(500, 600)
READY: Final = 220
GO_ON: Final = range(334, 335)  # RFC 4954 section 4: the next part of the log-in, please
HOST_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)


class Tls(StrEnum):
    """How the connection to the relay is protected. A certificate is always verified."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The server that takes our mail.

    ``ca_file`` names a PEM file with certificates to trust besides the system's. ``timeout_seconds`` bounds connecting,
    the TLS handshake and the wait for each answer but the last; ``final_seconds`` the wait for the answer to a whole
    letter, which includes writing it.
    """

    host: str
    port: int
    tls: Tls
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeout_seconds: float = 60.0
    final_seconds: float = FINAL_SECONDS

    def __str__(self) -> str:
        """As messages name it."""
        return f"the relay {self.host}:{self.port}"


async def greeted(relay: Relay) -> tuple[Wire, dict[str, str]]:
    """Connected, encrypted and logged in as the settings say; and what it said to EHLO, keyword -> parameters.

    Raises:
        DeliveryError: that cannot be.
    """
    _refuse_impossible(relay)
    wire = await _connected(relay)
    try:
        return wire, await _welcomed(relay, wire)
    except BaseException:
        await wire.end("given up")
        raise


def _refuse_impossible(relay: Relay) -> None:
    """Settings that cannot work, before anything leaves."""
    if relay.username is not None and relay.tls is Tls.NONE:
        raise DeliveryError(f"{relay}: no password is sent without TLS; use starttls or implicit", permanent=True)
    for secret in (relay.username or "", relay.password or ""):
        if not secret.isascii() or "\0" in secret:
            raise DeliveryError(f"{relay}: user name and password must be ASCII", permanent=True)


async def _connected(relay: Relay) -> Wire:
    loop = asyncio.get_running_loop()
    tls = _trusting(relay) if relay.tls is Tls.IMPLICIT else None
    seconds = relay.timeout_seconds
    with _explained(relay):
        async with asyncio.timeout(seconds):
            _, wire = await loop.create_connection(
                lambda: Wire(loop), relay.host, relay.port, ssl=tls, ssl_handshake_timeout=seconds if tls else None
            )
    return wire


async def _welcomed(relay: Relay, wire: Wire) -> dict[str, str]:
    """Greeting, EHLO, STARTTLS and log-in; what the relay offers."""
    code, words = await _asked(relay, wire)
    if code != READY:
        raise _unwilling(relay, code, words)
    features = await _features(relay, wire)
    if relay.tls is Tls.STARTTLS:
        if "STARTTLS" not in features:
            raise DeliveryError(f"{relay} offers no STARTTLS, but the settings demand it", permanent=True)
        await _start_tls(relay, wire)
        features = await _features(relay, wire)  # RFC 3207 section 4.2: what was said before is forgotten
    if relay.username is not None:
        await _log_in(relay, wire, features)
    return features


async def _asked(relay: Relay, wire: Wire, command: bytes = b"") -> Answer:
    """The answer to one command, or to having _connected."""
    if command:
        wire.write((command, b"\r\n"), 1)
    answers = await wire.take(1, relay.timeout_seconds)
    if not answers:
        raise DeliveryError(f"{relay} does not want to talk to us: {wire.lost}")
    return answers[0]


async def _features(relay: Relay, wire: Wire) -> dict[str, str]:
    """Say who we are; keyword -> parameters of what the relay offers, nothing when it knows HELO alone."""
    us = socket.gethostname()  # without asking DNS, which can take longer than everything else
    us = us if HOST_NAME.fullmatch(us) else "localhost"
    code, words = await _asked(relay, wire, f"EHLO {us}".encode())
    if code in OK:
        offers = (line.replace("=", " ", 1).partition(" ") for line in _texts(words)[1:])  # "AUTH=LOGIN" is old style
        return {keyword.upper(): parameters.strip().upper() for keyword, _, parameters in offers}
    if code in PERMANENT:
        code, words = await _asked(relay, wire, f"HELO {us}".encode())
    if code not in OK:
        raise _unwilling(relay, code, words)
    return {}


async def _start_tls(relay: Relay, wire: Wire) -> None:
    code, words = await _asked(relay, wire, b"STARTTLS")
    if code != READY:
        raise _unwilling(relay, code, words)
    if not wire.is_silent:
        # CVE-2011-0411: otherwise what somebody in between put there would later pass for an answer through TLS.
        raise DeliveryError(f"{relay} does not want to talk to us: clear text follows its answer to STARTTLS")
    with _explained(relay):
        await wire.start_tls(_trusting(relay), relay.host, relay.timeout_seconds)


async def _log_in(relay: Relay, wire: Wire, features: dict[str, str]) -> None:
    """PLAIN (RFC 4616) or LOGIN; CRAM-MD5 only hides the password from who reads along, and here that is TLS's work."""
    user, password = (relay.username or "").encode(), (relay.password or "").encode()
    mechanisms = features.get("AUTH", "").split()
    if "PLAIN" in mechanisms:
        secrets = [b64encode(b"\0" + user + b"\0" + password)]
        commands = [b"AUTH PLAIN " + secrets[0]]
    elif "LOGIN" in mechanisms:
        secrets = [b64encode(user), b64encode(password)]
        commands = [b"AUTH LOGIN", *secrets]
    else:
        raise DeliveryError(f"{relay} offers no log-in by password, but the settings name a user", permanent=True)
    for left, command in zip(reversed(range(len(commands))), commands, strict=True):
        code, words = await _asked(relay, wire, command)
        if code not in (GO_ON if left else OK):
            for secret in filter(None, (password, *secrets)):
                words = words.replace(secret, b"(hidden)")
            said = f"{code} {shown(words)}"
            permanent = code in PERMANENT
            raise DeliveryError(f"{relay} does not accept user name and password: {said}", permanent=permanent)


def _texts(words: bytes) -> list[str]:
    return words.decode("ascii", "replace").split("\n")


def _unwilling(relay: Relay, code: int, words: bytes) -> DeliveryError:
    return DeliveryError(f"{relay} does not want to talk to us: {code} {shown(words)}")


def _trusting(relay: Relay) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if relay.ca_file:
        try:
            context.load_verify_locations(relay.ca_file)
        except OSError as error:
            raise DeliveryError(f"relay.ca_file: {relay.ca_file} cannot be used: {error}", permanent=True) from error
    return context


@contextmanager
def _explained(relay: Relay) -> Iterator[None]:
    """What can go wrong before the first word, in words that say what to mend."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(
            f"{relay} shows a certificate that is not trusted: {error.verify_message}; "
            "name its authority in relay.ca_file, or mend the certificate",
            permanent=True,
        ) from error
    except OSError as error:
        raise DeliveryError(f"{relay} cannot be reached: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """As the system says it; asyncio's own words repeat the address."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "timed out"
    if error.errno and not isinstance(error, (ssl.SSLError, socket.gaierror)):
        return os.strerror(error.errno)
    return shown(error.strerror or str(error))
