"""A connection that must say what it wants in time and in few words: uvicorn waits for a request's first line and
headers for ever, however long they get. Its answers leave in one packet each.

What comes whole in one packet may be taken at once, by an app that has `at_once`: without a task and the messages of
ASGI, which cost more than all else that is done for a message.
"""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S = 10.0
"""So long a connection may take until the headers of its next request are whole and its body has begun."""
UNREAD_S = 10.0
"""And so long it may leave answers unread, where more wait for it than are sent ahead."""
_HEAD_BYTES = 65_536
"""So long the headers may be; what is refused in words is shorter (limits.py)."""
_PACKET_BYTES = 16_384
"""What is taken at once is no longer, headers and all."""

_GO_ON, _CLOSE = b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"


class Reply:
    """To a request that was taken at once: one of both, once."""

    __slots__ = ("_connection", "_cycle")

    def __init__(self, connection: "PromptConnection", cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle

    def send(self, head: bytes, body: bytes) -> None:
        """`head` is one of `head_of`. Where nobody listens any more nothing happens."""
        self._connection.send_whole(self._cycle, head, body)

    def leave_to(self, app: ASGIApp) -> None:
        """It answers, without reading the body."""
        self._connection.begin(self._cycle, app)


AtOnce = Callable[[Scope, bytes, Reply], bool]
"""Takes a request that has come whole and will answer it; False where it does not, and an ASGI app is to be asked."""


def head_of(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The begin of an answer; its length and what the server adds to each come behind it."""
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode("ascii"))]
    lines += [b"%s: %s" % one for one in headers]
    return b"\r\n".join([*lines, b""])


class PromptConnection(HttpToolsProtocol):
    """Closes a connection that is open and has no request at work for too long (slow loris), also one that has told its
    headers and nothing of its body, that sends headers without an end, or that does not read its answers."""

    _looks: asyncio.TimerHandle | None = None
    """One timer for all requests of a connection: it looks at `_too_late_at` and comes again then."""
    _too_late_at: float | None = None
    _unread: asyncio.TimerHandle | None = None
    _unfinished = 0
    _joined: "_Joined"
    _is_reading = False
    _begun: tuple[RequestResponseCycle, Any] | None = None
    """The request whose headers have just come, until all is read that came with them."""
    _at_work: RequestResponseCycle | None = None
    """The one that was begun last."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._at_once: AtOnce | None = getattr(self.config.app, "at_once", None)

    def connection_made(self, transport: Any) -> None:
        self._joined = _Joined(transport, self.loop)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        is_body = before is not None and before.more_body and not before.response_complete
        self._is_reading = True
        super().data_received(data)
        self._is_reading = False
        if self._begun is not None:
            (begun, app), self._begun = self._begun, None
            if not self._is_taken(begun, len(data)):
                self.begin(begun, app)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            if self._too_late_at is None:
                self._wait()
        elif self.pipeline or cycle.body or not cycle.more_body:
            # else nothing of its body has come with the headers; while one before it is at work there is time
            self._too_late_at = None
        if is_body or cycle is not before:
            self._unfinished = 0
            return
        self._unfinished += len(data)
        if self._unfinished > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes at once, and never says so
        """Who has said all may still wait for its answers; the last one ends the connection."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            self.transport.close()  # what closes it behind our back does not send the answer that is just complete
            return False
        cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        """To what is no request. It must not stand in the place of the answer to one before it, which has come whole:
        where that is at work it is answered, and ends the connection; where it was not begun yet it is not."""
        self._begun = None
        self.pipeline.clear()
        at_work = self._at_work
        if at_work is None or at_work.response_complete or at_work.more_body:
            super().send_400_response(msg)
            return
        at_work.keep_alive = False
        self.flow.pause_reading()

    def _unsupported_upgrade_warning(self) -> None:
        """The parser leaves what comes behind such headers to the protocol that they ask for: the body is lost."""
        self.send_400_response("Only HTTP/1.1 is spoken here: no CONNECT, and no header Upgrade.")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._is_reading:
            self._begun = cycle, app
        else:
            self.begin(cycle, app)

    def begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._at_work = cycle
        super()._start_asgi_task(cycle, app)

    def _is_taken(self, cycle: RequestResponseCycle, size_bytes: int) -> bool:
        """Not what came in pieces, or waits for a word before it sends on, nor from one that does not read answers."""
        if self._at_once is None or cycle.more_body or self._unfinished or size_bytes > _PACKET_BYTES:
            return False
        if cycle.waiting_for_100_continue or self.flow.write_paused or self.transport.is_closing():
            return False
        self._at_work = cycle
        return self._at_once(cast(Scope, cycle.scope), bytes(cycle.body), Reply(self, cycle))

    def send_whole(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> None:
        """The part of `cycle.send` that an answer needs which is whole."""
        if cycle.disconnected or self.transport.is_closing():
            return
        added = b"".join([b"%s: %s\r\n" % one for one in self.server_state.default_headers])
        end = _GO_ON if cycle.keep_alive else _CLOSE
        self._joined.write_now(b"%s%scontent-length: %d%s%s" % (head, added, len(body), end, body))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def on_response_complete(self) -> None:
        """In place of uvicorn's, whose timer for a connection without requests is another one for each answer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self.pipeline:  # the next of those that came meanwhile is at work, and is whole
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete or (cycle.more_body and not cycle.body):
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._too_late_at = None
        for timer in (self._looks, self._unread):
            if timer is not None:
                timer.cancel()
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

    def write_now(self, data: bytes) -> None:
        """An answer that is whole."""
        self._send()
        self._transport.write(data)

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written and not self._transport.is_closing():  # else it has been lost meanwhile
            self._transport.write(b"".join(self._written))
        self._written.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
