"""Two small servers of the demo, on loopback: recorded feeds over HTTP, and a mail server that fills a Maildir."""

from __future__ import annotations

import mailbox
import socket
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = "127.0.0.1"


@contextmanager
def feed_server(folder: Path) -> Iterator[str]:
    """Serve the files of ``folder``; yields the base address."""
    server = ThreadingHTTPServer((LOOPBACK, 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, name="demo-feeds", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def mail_server(maildir: Path) -> Iterator[int]:
    """A real SMTP server whose every mail ends in ``maildir``; yields its port."""
    server = Controller(_IntoMaildir(maildir), hostname=LOOPBACK, port=_free_port())
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Nothing: the demo's output is for people."""


class _IntoMaildir:
    def __init__(self, folder: Path) -> None:
        self._mails = mailbox.Maildir(folder, create=True)
        self._one_at_a_time = Lock()

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        """Keep the mail with its envelope, then say so."""
        recipients = ", ".join(envelope.rcpt_tos).encode()
        head = b"Delivered-To: " + recipients + b"\r\nReturn-Path: <" + (envelope.mail_from or "").encode() + b">\r\n"
        with self._one_at_a_time:
            self._mails.add((head + envelope.content).replace(b"\r\n", b"\n"))
        return "250 2.0.0 kept"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
