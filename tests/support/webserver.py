"""The web application behind a real uvicorn on a port of its own, and a client that follows nothing."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.web.app import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from email.message import Message

    from starlette.applications import Starlette

PATIENCE = 60  # seconds


@contextmanager
def serving(app: Starlette, *, trusted_proxies: Sequence[str] = ()) -> Iterator[str]:
    """The address of the running application; it has stopped when the block ends."""
    # The socket listens before the server runs, so nobody has to wait for the start.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = server(app, host="127.0.0.1", port=port, trusted_proxies=trusted_proxies)
        thread = Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``headers`` are looked up in any case."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()


def ask(
    url: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    target = url.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
    with closing(http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)) as connection:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
