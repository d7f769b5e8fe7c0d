"""A web server on loopback that behaves as badly as a test wants, byte by byte.

    with FeedServer() as server:
        server["/feed"] = answer(FEED)
        server["/bomb"] = answer(gzip.compress(bytes(10**9)), content_encoding="gzip")
        fetch(server.url("/feed"), ...)

A path maps to a script: a function that gets the open connection and writes whatever it likes.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Self

MAX_REQUEST_BYTES = 65_536
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names in lower case."""

    path: str
    headers: dict[str, str]
    method: str = "GET"


class Connection:
    """What a script writes to. ``pause`` ends early when the server stops."""

    def __init__(self, sock: socket.socket, request: Seen, stopping: Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self.request = request

    def send(self, data: bytes) -> None:
        """Write all of it."""
        self._sock.sendall(data)

    def pause(self, seconds: float) -> bool:
        """Wait; True while the server goes on."""
        return not self._stopping.wait(seconds)


Script = Callable[[Connection], None]


class FeedServer:
    """Answers on a free port of 127.0.0.1, encrypted if it gets a certificate (a PEM with key and certificate)."""

    def __init__(self, certificate: Path | None = None) -> None:
        self._scripts: dict[str, Script] = {}
        self._threads: list[Thread] = []
        self._stopping = Event()
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
            self._context.sni_callback = lambda _, name, __: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[Seen] = []
        self.names: list[str | None] = []  # what clients said in SNI

    def __setitem__(self, path: str, script: Script) -> None:
        self._scripts[path] = script

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Where it can be fetched, under another name for this machine if wanted."""
        scheme = "https" if self._context else "http"
        return f"{scheme}://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _start(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the end
            while True:
                sock, _ = self._listener.accept()
                self._start(lambda sock=sock: self._serve(sock))  # type: ignore[misc]

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_SECONDS)
        with suppress(OSError), sock, self._encrypted(sock) as channel:  # clients hang up on us: that is the point
            request = _read_request(channel)
            self.seen.append(request)
            script = self._scripts.get(request.path, status(404))
            script(Connection(channel, request, self._stopping))

    def _encrypted(self, sock: socket.socket) -> socket.socket:
        return self._context.wrap_socket(sock, server_side=True) if self._context else sock


def _read_request(sock: socket.socket) -> Seen:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < MAX_REQUEST_BYTES:
        chunk = sock.recv(4096)
        if not chunk:
            raise ConnectionError
        data += chunk
    first, *lines = data.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    method, path, _ = first.split(" ")
    return Seen(path, {name.lower(): value for name, value in headers.items()}, method)


# --- scripts -----------------------------------------------------------------


def head(code: int = 200, **headers: str) -> bytes:
    """A status line and headers (``content_type="text/xml"``), up to the empty line."""
    lines = [f"HTTP/1.1 {code} {HTTPStatus(code).phrase}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(body: bytes, code: int = 200, **headers: str) -> Script:
    """A well-behaved answer."""
    headers = {"content_length": str(len(body)), "connection": "close", **headers}
    return lambda connection: connection.send(head(code, **headers) + body)


def status(code: int, **headers: str) -> Script:
    """An answer without a body."""
    return answer(b"", code, **headers)


def redirect(location: str, code: int = 302) -> Script:
    """Go there instead."""
    return status(code, location=location)


def raw(data: bytes) -> Script:
    """These bytes, then the end."""
    return lambda connection: connection.send(data)


def drip(data: bytes, *, start: bytes = b"", seconds: float = 0.02) -> Script:
    """One byte at a time, far more slowly than anybody waits."""

    def script(connection: Connection) -> None:
        connection.send(start)
        for byte in data:
            if not connection.pause(seconds):
                return
            connection.send(bytes([byte]))

    return script


def endless(chunk: bytes, *, start: bytes = b"") -> Script:
    """The same again and again, as fast as it goes."""

    def script(connection: Connection) -> None:
        connection.send(start)
        while connection.pause(0):
            connection.send(chunk)

    return script


def self_signed(folder: Path, *names: str) -> Path:
    """A certificate for these names (``DNS:localhost``, ``IP:127.0.0.1``) with its key, in one PEM file."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={','.join(names)}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    both.write_text(key.read_text() + certificate.read_text())
    return both
