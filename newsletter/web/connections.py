"""Who connects and says nothing keeps no place for long: uvicorn bounds how many connections there are, not this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

HEAD_SECONDS: Final = 10.0


class Hasty(H11Protocol):
    """Hangs up where the head of a request is not there HEAD_SECONDS after the connection, or after the last answer.

    Otherwise whoever opens as many connections as there may be, and sends a letter of a header now and then, keeps
    everybody else out ("Slowloris").
    """

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **more: Any) -> None:
        """As uvicorn makes one for each connection."""
        super().__init__(*args, **more)
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The clock runs."""
        super().connection_made(transport)
        self._watch()

    def handle_events(self) -> None:
        """Something was received, or an answer was sent."""
        super().handle_events()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:  # IDLE: the head of the next request has not ended, or not begun
            self._stop_watching()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
