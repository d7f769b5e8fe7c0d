"""Runs a preview until it is asked to stop, and then ends within a second, however many browsers still listen."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import uvicorn

from newsletter.web.app import bounded

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette

    from newsletter.preview.studio import Studio

FINISH_SECONDS: Final = 1


class _Server(uvicorn.Server):
    """Ends the event streams first: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self._studio = studio

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ask everybody to end, then end what has not."""
        self._studio.stop()
        await super().shutdown(sockets)


def server(app: Starlette, studio: Studio) -> uvicorn.Server:
    """The server, not started; it keeps no log of what is looked at."""
    return _Server(bounded(app, finish_seconds=FINISH_SECONDS), studio)


async def serve(serving: uvicorn.Server, studio: Studio, listener: socket.socket) -> None:
    """Serve, watch and judge until SIGTERM, SIGINT or ``should_exit``."""
    work = asyncio.create_task(studio.run())
    work.add_done_callback(lambda _: setattr(serving, "should_exit", True))  # nothing is live any more
    try:
        await serving.serve(sockets=[listener])
    finally:
        studio.stop()
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        studio.close()
