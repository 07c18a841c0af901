"""A connection that must say what it wants in time and in few words: uvicorn waits for a request's first line and
headers for ever, however long they get."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""So long a connection may take until the headers of its next request are whole."""
_HEAD_BYTES = 65_536
"""And so long they may be; what is refused in words is shorter (limits.py)."""


class PromptConnection(HttpToolsProtocol):
    """Closes a connection that is open and has no request at work for too long (slow loris), or that sends headers
    without an end."""

    _too_late: asyncio.TimerHandle | None = None
    _unfinished = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
            self._unfinished = 0
            return
        if self._too_late is None:
            self._wait()
        self._unfinished += len(data)
        if self._unfinished > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle is None or self.cycle.response_complete:
            self._stop_waiting()
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._too_late = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
