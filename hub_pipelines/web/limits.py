"""What a stranger's request may cost, as pure ASGI middleware: so many at once, so many bytes, so many seconds.

The body is read here, whole, before anything looks at it. Not here: the time for a request's first line and headers,
and until its body begins, which is the connection's (connection.py).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub_pipelines.web.problems import Problem

_HEADER_BYTES = 16_384
SAFE_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
    b"referrer-policy": b"no-referrer",
}


class _Gone(Exception):
    """The sender went away before its request was whole: there is nobody to answer."""


@dataclass(slots=True)
class BoundedRequests:
    """`most` requests at once; bodies of at most `body_bytes` that come within `body_s`."""

    app: ASGIApp
    body_bytes: int
    refused: Callable[[Problem], None]
    """Told of each request that ends here."""
    body_s: float = 10.0
    most: int = 256
    _at_work: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._at_work >= self.most:
            await self._refuse(Problem("busy", f"{self.most} requests are at work.", last=True), scope, receive, send)
            return
        self._at_work += 1
        try:
            await self._bounded(scope, receive, send)
        finally:
            self._at_work -= 1

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _require_plain_path(scope)
            body = await self._body(_length_of(scope), receive)
        except Problem as no:
            await self._refuse(no, scope, receive, send)
        except _Gone:
            return
        else:
            await self.app(scope, _given(body, receive), send)

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        self.refused(problem)
        await problem.response()(scope, receive, send)

    async def _body(self, length: bytes, receive: Receive) -> bytes:
        if not length.isdigit() or len(length) > 18 or int(length) > self.body_bytes:
            raise self._too_large()
        body, is_whole = await self._piece(receive)  # nearly always all of it, and there already
        if is_whole:
            return body
        try:
            async with asyncio.timeout(self.body_s):
                return await self._whole(body, receive)
        except TimeoutError as error:
            raise Problem("too-slow", f"The body was not there after {self.body_s:.0f} s.", last=True) from error

    async def _whole(self, begun: bytes, receive: Receive) -> bytes:
        body = bytearray(begun)
        while True:
            piece, is_last = await self._piece(receive)
            body += piece
            if len(body) > self.body_bytes:
                raise self._too_large()
            if is_last:
                return bytes(body)

    async def _piece(self, receive: Receive) -> tuple[bytes, bool]:
        """Some of the body, and whether it is the last."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        piece: bytes = message.get("body", b"")
        if len(piece) > self.body_bytes:
            raise self._too_large()
        return piece, not message.get("more_body", False)

    def _too_large(self) -> Problem:
        return Problem("too-large", f"At most {self.body_bytes:,} bytes are taken in one request.", last=True)


def _require_plain_path(scope: Scope) -> None:
    """No escapes and no dots: every address of the hub is written in plain letters, so that no two mean the same."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    path = raw.partition(b"?")[0]
    if b"%" in path or b"//" in path or b".." in path or b"\\" in path or not path.isascii():
        raise Problem("not-found", "There is no such address.", last=True)


def _length_of(scope: Scope) -> bytes:
    """How long the body is, as it was told. Raises Problem when the headers are too long."""
    size, length = 0, b"0"
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"content-length":
            length = value
    if size > _HEADER_BYTES:
        raise Problem("malformed", f"The headers have more than {_HEADER_BYTES:,} bytes.", last=True)
    return length


def _given(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then what the connection tells."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def given() -> Message:
        return left.pop() if left else await receive()

    return given


@dataclass(frozen=True, slots=True)
class SafeHeaders:
    """Headers that keep a browser from making more of an answer than it is."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *SAFE_HEADERS.items()]}
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)
