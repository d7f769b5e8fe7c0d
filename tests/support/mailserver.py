"""A real SMTP server (aiosmtpd) in a thread, on a free port, that writes down every mail and does what tests script.

``server.reply_next("450 4.2.0 later")`` answers the next RCPT so; ``drop_next`` hangs up. A mail is written down
*before* it is answered, so the record is what the outside world got, whatever the client believes.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, Self, cast

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.databases import missing

Stage = Literal["MAIL", "RCPT", "DATA", "REPLY"]
READY_SECONDS = 120
HANG_UP = "hang up"


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for localhost and 127.0.0.1; a client that trusts ``path`` trusts the server."""

    path: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """What a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context


@dataclass(frozen=True)
class Mail:
    """One accepted mail: its envelope, its bytes as they came, and how it came."""

    sender: str
    recipient: str
    content: bytes
    connection: int
    tls: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """As a mail program reads it."""
        return message_from_bytes(self.content, policy=policy.default)


class MailServer:
    """An SMTP server on 127.0.0.1, to be used in a with block. It may be stopped and started again on its port.

    ``tls``: none, starttls (required before anything else) or implicit. ``users``: name -> password; who has not
    logged in may not send. ``pipelining``: whether it offers that (RFC 2920); it can do it in any case.
    """

    def __init__(
        self,
        *,
        tls: Literal["none", "starttls", "implicit"] = "none",
        certificate: Certificate | None = None,
        users: dict[str, str] | None = None,
        pipelining: bool = False,
    ) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.connections = 0
        self._tls = tls
        self._context = certificate.context() if certificate else None
        self._users = users or {}
        self._pipelining = pipelining
        self._mails: list[Mail] = []
        self._news = threading.Condition()
        self._script: dict[str, deque[str]] = {stage: deque() for stage in ("MAIL", "RCPT", "DATA", "REPLY")}
        self._always: dict[str, str] = {}
        self._thread: threading.Thread | None = None

    # --- what tests say

    def reply_next(self, *replies: str, at: Literal["MAIL", "RCPT", "DATA"] = "RCPT") -> None:
        """Give these replies, one after the other, to the next commands of this kind (DATA: after the text)."""
        self._script[at].extend(replies)

    def drop_next(self, at: Stage = "DATA") -> None:
        """Hang up instead of answering: DATA before the mail is written down, REPLY after it was."""
        self._script[at].append(HANG_UP)

    def reply_always(self, recipient: str, reply: str) -> None:
        """Give this reply to every RCPT of this recipient."""
        self._always[recipient] = reply

    # --- what tests look at

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Every mail that was taken, in order."""
        with self._news:
            return tuple(self._mails)

    def mails_to(self, recipient: str) -> tuple[Mail, ...]:
        """Those for one recipient."""
        return tuple(mail for mail in self.mails if mail.recipient == recipient)

    def wait_for(self, count: int, seconds: float = READY_SECONDS) -> bool:
        """Wait until so many mails were taken in all; False when they did not come in time."""
        with self._news:
            return self._news.wait_for(lambda: len(self._mails) >= count, seconds)

    # --- life

    def start(self) -> None:
        """Listen, on the same port as before if it was started before."""
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(READY_SECONDS), "the mail server did not start"

    def stop(self) -> None:
        """Hang up on everybody and stop listening."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(READY_SECONDS)
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._open: set[asyncio.BaseTransport] = set()
        implicit = self._context if self._tls == "implicit" else None
        server = await self._loop.create_server(self._protocol, self.host, self.port, ssl=implicit)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        for transport in list(self._open):
            cast("asyncio.Transport", transport).abort()
        await server.wait_closed()

    def _protocol(self) -> SMTP:
        self.connections += 1
        starttls = self._tls == "starttls"
        return _Connection(
            self,
            number=self.connections,
            hostname="localhost",
            tls_context=self._context if starttls else None,
            require_starttls=starttls,
            auth_require_tls=starttls,
            auth_exclude_mechanism=() if self._users else ("LOGIN", "PLAIN"),
            authenticator=self._login,
            loop=self._loop,
        )

    # --- aiosmtpd's hooks

    def _login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = self._users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)

    async def handle_EHLO(  # noqa: N802  # aiosmtpd names hooks after commands
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Aiosmtpd calls it for EHLO, with what it would offer."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]] if self._pipelining else responses

    async def handle_MAIL(  # noqa: N802  # likewise
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Aiosmtpd calls it for MAIL FROM."""
        if self._users and not session.authenticated:
            return "530 5.7.0 Authentication required"
        scripted = await self._scripted("MAIL", server)
        if scripted and not scripted.startswith("2"):
            return scripted
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return scripted or "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  # likewise
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Aiosmtpd calls it for RCPT TO."""
        reply = self._always.get(address) or await self._scripted("RCPT", server)
        if reply and not reply.startswith("2"):
            return reply
        envelope.rcpt_tos.append(address)
        return reply or "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # likewise
        """Aiosmtpd calls it when the whole text is there."""
        scripted = await self._scripted("DATA", server)
        if scripted and not scripted.startswith("2"):
            return scripted
        assert isinstance(envelope.content, bytes)
        for recipient in envelope.rcpt_tos:
            mail = Mail(
                sender=envelope.mail_from or "",
                recipient=recipient,
                content=envelope.content,
                connection=cast("_Connection", server).number,
                tls=session.ssl is not None or self._tls == "implicit",
                user=cast("str | None", session.auth_data),
            )
            with self._news:
                self._mails.append(mail)
                self._news.notify_all()
        await self._scripted("REPLY", server)
        return scripted or f"250 2.0.0 Ok: queued as {len(self._mails):06d}"

    async def _scripted(self, stage: Stage, server: SMTP) -> str | None:
        if not self._script[stage]:
            return None
        reply = self._script[stage].popleft()
        if reply == HANG_UP:
            cast("asyncio.Transport", server.transport).abort()
            await asyncio.Event().wait()  # aiosmtpd cancels this when it sees that the connection is gone
        return reply


class _Connection(SMTP):
    """One client; the server knows its transport, to hang up when it stops."""

    def __init__(self, handler: MailServer, *, number: int, **options: Any) -> None:
        super().__init__(handler, **options)
        self.number = number
        self._of = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._of._open.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._of._open.discard(cast("asyncio.BaseTransport", self.transport))


@pytest.fixture
def mailserver() -> Iterator[MailServer]:
    """A server that takes everything, without TLS and passwords."""
    with MailServer() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Made by the openssl command for localhost and 127.0.0.1; nobody trusts it unless told."""
    return make_certificate(tmp_path_factory.mktemp("certificate"), "DNS:localhost,IP:127.0.0.1")


def make_certificate(folder: Path, names: str) -> Certificate:
    """A new self-signed certificate for these names, as openssl writes them: ``DNS:localhost,IP:127.0.0.1``."""
    if shutil.which("openssl") is None:
        missing("needs Debian's package openssl (apt-get install openssl)")
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "30", "-subj", "/CN=newsletter tests", "-addext", f"subjectAltName={names}",
         "-keyout", made.key, "-out", made.path],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
