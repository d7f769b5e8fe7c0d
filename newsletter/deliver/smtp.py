"""One kept connection to the relay, and what it says.

A relay that cannot be used at all (not there, wrong password, no TLS where TLS is demanded, our sender refused) raises
DeliveryError: nothing was decided about any letter. Everything that concerns one letter is a Reply.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from newsletter.deliver.headers import checked_address
from newsletter.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_REPLY: Final = 300  # characters of a reply that are kept
# RFC 5321 section 4.5.3.2.6: whoever gives up sooner after the final dot gets the letter delivered twice.
FINAL_SECONDS: Final = 600.0
QUIT_SECONDS: Final = 5.0

OK: Final = range(200, 300)
TRANSIENT: Final = range(400, 500)
PERMANENT: Final = range(500, 600)
GO_AHEAD: Final = range(354, 355)
CLOSING: Final = 421
BAD_SEQUENCE: Final = 503
LOG_IN_FIRST: Final = 530  # RFC 4954 section 6
LOST: Final = 0  # there was no reply
LOG_INS: Final = frozenset({"CRAM-MD5", "PLAIN", "LOGIN"})  # those that smtplib knows
BAD_CONNECTION: Final = "4.4.2"  # RFC 3463 section 3.5

ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)", re.ASCII)
LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


class Tls(StrEnum):
    """How the connection to the relay is protected. A certificate is always verified."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The server that takes our mail.

    ``ca_file`` names a PEM file with certificates to trust besides the system's. ``timeout_seconds`` bounds the wait
    for each answer but the last, ``final_seconds`` the wait for the answer to a whole letter.
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


@dataclass(frozen=True, slots=True)
class Reply:
    """What the relay said about one letter: code (0 when the connection was lost), enhanced code or "", text."""

    code: int
    enhanced: str
    text: str

    @property
    def accepted(self) -> bool:
        """It has the letter now."""
        return self.code in OK

    @property
    def transient(self) -> bool:
        """Trying again later can help. An enhanced code that is kinder than the code decides (RFC 3463 section 2)."""
        return not self.accepted and (self.closing or self.code in TRANSIENT or self.enhanced.startswith("4."))

    @property
    def closing(self) -> bool:
        """The connection is of no more use."""
        return self.code in (LOST, CLOSING)

    def __str__(self) -> str:
        """As the ledger keeps it."""
        return f"{self.code} {self.text}" if self.code else self.text


class Session:
    """A connection that the first letter opens, that is kept for the next ones, and opened again when it was lost."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, sender: str, recipient: str, message: bytes) -> Reply:
        """Hand one letter over.

        Args:
            sender: the envelope's, where bounces go.
            recipient: the envelope's.
            message: lines end with CRLF, the last one too; leading dots are doubled here.

        Raises:
            DeliveryError: the relay cannot be used; it does not have this letter.
            ValueError: sender or recipient is no address.
        """
        for address in (sender, recipient):
            checked_address(address)
        was_open = self._smtp is not None
        reply, text_left = self._try(sender, recipient, message)
        if reply.closing and was_open and not text_left:
            # Relays close connections that idled or carried many letters: that says nothing about this letter.
            reply, _ = self._try(sender, recipient, message)
        return reply

    def close(self) -> None:
        """Say goodbye, if anybody is listening."""
        if self._smtp is not None and self._smtp.sock is not None:
            self._smtp.sock.settimeout(QUIT_SECONDS)
            with suppress(OSError):
                self._smtp.quit()
        self._drop()

    def _try(self, sender: str, recipient: str, message: bytes) -> tuple[Reply, bool]:
        """The dialogue, once: what came of it, and whether the text had begun to leave."""
        smtp = self._smtp = self._smtp or _open(self._relay)
        text_left = False
        try:
            reply = self._envelope(smtp, sender, recipient)
            if reply is None:
                text_left = True
                reply = self._text(smtp, recipient, message)
        except OSError as error:  # smtplib's own exceptions are OSErrors too
            reply = Reply(LOST, BAD_CONNECTION, f"{BAD_CONNECTION} the connection was lost: {_shown(error, recipient)}")
        if reply.closing or not (text_left or _is_reset(smtp)):
            self._drop()
        return reply, text_left

    def _envelope(self, smtp: smtplib.SMTP, sender: str, recipient: str) -> Reply | None:
        """Sender, recipient, and the wish to send; None when the relay waits for the text."""
        refused = _command(smtp, f"MAIL FROM:<{sender}>", OK, recipient)
        if refused is not None and refused.code in PERMANENT and not refused.transient:
            # It has not heard of the recipient yet: what it refuses is us, and that says nothing about any letter.
            raise DeliveryError(f"{self._relay} refuses our sender {sender}: {refused}", permanent=True)
        refused = (
            refused
            or _command(smtp, f"RCPT TO:<{recipient}>", OK, recipient)
            or _command(smtp, "DATA", GO_AHEAD, recipient)
        )
        if refused is not None and refused.code == LOG_IN_FIRST:
            raise DeliveryError(f"{self._relay} wants a user name and a password: {refused}", permanent=True)
        return refused

    def _text(self, smtp: smtplib.SMTP, recipient: str, message: bytes) -> Reply:
        smtp.send(LEADING_DOT.sub(b"..", message) + b".\r\n")
        if smtp.sock is not None:
            smtp.sock.settimeout(self._relay.final_seconds)
        reply = _reply(*smtp.getreply(), recipient)
        if smtp.sock is not None:
            smtp.sock.settimeout(self._relay.timeout_seconds)
        return reply

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


# --- the dialogue ---------------------------------------------------------------------------------------------


def _command(smtp: smtplib.SMTP, command: str, wanted: range, recipient: str) -> Reply | None:
    """Say it; None when the answer is the wanted one, otherwise the answer."""
    code, text = smtp.docmd(command)
    if code in wanted:
        return None
    if code in OK or code == BAD_SEQUENCE:  # we have lost each other: that is said of no letter
        raise smtplib.SMTPResponseException(code, f"{code} is no answer to {command[:4]}")
    return _reply(code, text, recipient)


def _is_reset(smtp: smtplib.SMTP) -> bool:
    """Whether the relay has forgotten the refused letter and is ready for another one."""
    try:
        return smtp.docmd("RSET")[0] in OK
    except OSError:
        return False


def _reply(code: int, text: bytes, recipient: str) -> Reply:
    if code not in OK and code not in TRANSIENT and code not in PERMANENT:
        raise smtplib.SMTPResponseException(code, "the answer is not SMTP")
    shown = _shown(text, recipient)
    enhanced = ENHANCED.match(shown)
    return Reply(code, enhanced[0] if enhanced else "", shown)


def _shown(said: object, recipient: str = "") -> str:
    """In one line of printable ASCII, bounded, and without the recipient: what is kept and logged names no person."""
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
    if recipient:
        text = re.sub(re.escape(recipient), "(recipient)", text, flags=re.IGNORECASE)
    return re.sub(r"[^!-~]+", " ", text).strip()[:MAX_REPLY]


# --- the connection -------------------------------------------------------------------------------------------


def _open(relay: Relay) -> smtplib.SMTP:
    """Connected, encrypted and logged in as the settings say; DeliveryError when that cannot be."""
    if relay.username is not None and relay.tls is Tls.NONE:
        raise DeliveryError(f"{relay}: no password is sent without TLS; use starttls or implicit", permanent=True)
    context = _trusting(relay)
    with _explained(relay):
        # Our name without asking DNS, which can take longer than everything else.
        us, seconds = socket.gethostname(), relay.timeout_seconds
        if relay.tls is Tls.IMPLICIT:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(relay.host, relay.port, us, timeout=seconds, context=context)
        else:
            smtp = smtplib.SMTP(relay.host, relay.port, us, timeout=seconds)
        try:
            _prepare(smtp, relay, context)
        except BaseException:
            smtp.close()
            raise
    return smtp


def _prepare(smtp: smtplib.SMTP, relay: Relay, context: ssl.SSLContext) -> None:
    smtp.ehlo_or_helo_if_needed()
    if relay.tls is Tls.STARTTLS:
        if not smtp.has_extn("starttls"):
            raise DeliveryError(f"{relay} offers no STARTTLS, but the settings demand it", permanent=True)
        smtp.starttls(context=context)
        smtp.ehlo_or_helo_if_needed()
    if relay.username is not None:
        if not LOG_INS & set(smtp.esmtp_features.get("auth", "").split()):
            raise DeliveryError(f"{relay} offers no log-in by password, but the settings name a user", permanent=True)
        smtp.login(relay.username, relay.password or "")


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
    """What can go wrong before the first letter, in words that say what to mend."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        said = f"{error.smtp_code} {_shown(error.smtp_error)}"
        permanent = error.smtp_code in PERMANENT
        raise DeliveryError(f"{relay} does not accept user name and password: {said}", permanent=permanent) from error
    except smtplib.SMTPResponseException as error:
        said = f"{error.smtp_code} {_shown(error.smtp_error)}"
        raise DeliveryError(f"{relay} does not want to talk to us: {said}") from error
    except smtplib.SMTPException as error:
        raise DeliveryError(f"{relay} does not want to talk to us: {_shown(error)}") from error
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(
            f"{relay} shows a certificate that is not trusted: {error.verify_message}; "
            "name its authority in relay.ca_file, or mend the certificate",
            permanent=True,
        ) from error
    except UnicodeError as error:
        raise DeliveryError(f"{relay}: user name and password must be ASCII", permanent=True) from error
    except OSError as error:
        raise DeliveryError(f"{relay} cannot be reached: {error.strerror or error}") from error
