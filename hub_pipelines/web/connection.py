"""A connection that must say what it wants in time and in few words: uvicorn waits for a request's first line and
headers for ever, however long they get. Its answers leave in one packet each."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""So long a connection may take until the headers of its next request are whole and its body has begun."""
_HEAD_BYTES = 65_536
"""And so long they may be; what is refused in words is shorter (limits.py)."""


class PromptConnection(HttpToolsProtocol):
    """Closes a connection that is open and has no request at work for too long (slow loris), also one that has told its
    headers and nothing of its body, or that sends headers without an end."""

    _looks: asyncio.TimerHandle | None = None
    """One timer for all requests of a connection: it looks at `_too_late_at` and comes again then."""
    _too_late_at: float | None = None
    _unfinished = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            # else nothing of its body has come with the headers; while one before it is at work there is time
            if self.pipeline or cycle.body or not cycle.more_body:
                self._too_late_at = None
            self._unfinished = 0
            return
        if self._too_late_at is None:
            self._wait()
        self._unfinished += len(data)
        if self._unfinished > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:  # the next of those that came meanwhile is at work, and is whole
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete or (cycle.more_body and not cycle.body):
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._too_late_at = None
        if self._looks is not None:
            self._looks.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._too_late_at = self.loop.time() + HEAD_S
        if self._looks is None:
            self._looks = self.loop.call_later(HEAD_S, self._look)

    def _look(self) -> None:
        self._looks = None
        if self._too_late_at is None:
            return
        if (left_s := self._too_late_at - self.loop.time()) > 0:
            self._looks = self.loop.call_later(left_s, self._look)
        else:
            self.transport.close()


class _Joined:
    """A transport that sends together what is written one after the other: an answer's headers and its body, which
    uvicorn writes each for itself."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written:
            self._transport.write(b"".join(self._written))
            self._written.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
