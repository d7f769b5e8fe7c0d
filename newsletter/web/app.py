"""The web application: health, mailed links, whatever is added to it, and the archive for everything else."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from newsletter.errors import ConfigError
from newsletter.web import unsubscribe
from newsletter.web.archive import Archive
from newsletter.web.connections import Hasty
from newsletter.web.problems import Problems
from newsletter.web.security import BelowBase, BoundedBody, SameSite, Shield, headers_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from newsletter.web.pages import Pages
    from newsletter.web.unsubscribe import Leaving

MAX_CONNECTIONS: Final = 500
MAX_HEAD_BYTES: Final = 16_000
KEEP_ALIVE_SECONDS: Final = 5
FINISH_SECONDS: Final = 3  # of the 5 s that a stop may take


def build(
    archive: Path,
    *,
    leaving: Leaving,
    pages: Pages,
    routes: Sequence[BaseRoute] = (),
    allowed_hosts: Sequence[str] = ("*",),
    hsts_days: int = 0,
) -> Starlette:
    """The application. ``archive`` is the published folder, ``routes`` come before it, ``allowed_hosts`` are names.

    Answers below the path of the publication's base address and, for a proxy that takes it off, at the root.
    """
    base_url = pages.publication.base_url
    prefix = urlsplit(base_url).path.rstrip("/")

    def failed(request: Request, error: Exception) -> Response:
        return pages.error(error, request.url.path)

    return Starlette(
        routes=[
            Route("/healthz", healthy, methods=["GET"]),
            *unsubscribe.routes(leaving, pages),
            *pages.routes,
            *routes,
            Route("/{path:path}", Archive(archive, prefix=prefix).answer, methods=["GET"]),
        ],
        middleware=[
            Middleware(Shield, answer=pages.error, headers=headers_for(base_url, hsts_days)),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts), www_redirect=False),
            Middleware(BelowBase, path=prefix),
            Middleware(Problems, base_url=base_url),
            Middleware(SameSite, base_url=base_url, exempt=(unsubscribe.PREFIX,)),
            Middleware(BoundedBody),
        ],
        exception_handlers={HTTPException: failed},
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already; port 0 means a free one. ConfigError says why not."""
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"nobody can listen on {host}:{port}: {error}; choose another web.host or web.port"
        ) from error


def server(app: Starlette, *, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> uvicorn.Server:
    """The one-process server, not started; ``run()`` blocks until SIGTERM, SIGINT or ``should_exit``.

    It keeps no access log, since addresses asked for hold personal tokens. What ``trusted_proxies`` (addresses or
    networks) say in X-Forwarded-For is believed from the right to the left, up to the first that is none of them.
    """
    # Never uvicorn's default, which trusts 127.0.0.1: whoever is there need not be a proxy.
    believed: dict[str, Any] = {"proxy_headers": bool(trusted_proxies), "forwarded_allow_ips": list(trusted_proxies)}
    return uvicorn.Server(bounded(app, host=host, port=port, **believed))


def bounded(app: Starlette, *, finish_seconds: int = FINISH_SECONDS, **more: Any) -> uvicorn.Config:
    """How every server of ours runs: within limits, saying nothing of itself, keeping no log of what is asked for."""
    return uvicorn.Config(
        app,
        http=Hasty,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=finish_seconds,
        **{"proxy_headers": False, **more},
    )


def healthy(_request: Request) -> Response:
    """The process answers; nothing is said about the database."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})
