"""Slow and greedy senders, over real sockets: each connection and each request has its limits."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hub_pipelines.web import connection
from hub_pipelines.web.connection import PromptConnection, Reply, head_of
from hub_pipelines.web.limits import BoundedRequests
from hub_pipelines.web.problems import Problem
from hub_pipelines_tests.web.serving import free_port, problem, wait_until_listening

_SHORT_S = 1.0
_BODY_BYTES = 1_000


class _Served:
    def __init__(self, port: int) -> None:
        self.port = port
        self.refused: list[str] = []
        self.go_on = threading.Event()

    def note(self, problem: Problem) -> None:
        self.refused.append(problem.code)

    async def answer(self, request: Request) -> Response:
        if request.url.path == "/slow":
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)
        return PlainTextResponse(str(len(await request.body())))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Served]:
    monkeypatch.setattr(connection, "HEAD_S", _SHORT_S)
    found = _Served(free_port())
    bounded = Middleware(BoundedRequests, body_bytes=_BODY_BYTES, body_s=_SHORT_S, most=2, refused=found.note)
    routes = [Route(path, found.answer, methods=["POST"]) for path in ("/", "/slow")]
    app = Starlette(routes=routes, middleware=[bounded])
    with _serving(app, found.port):
        yield found
        found.go_on.set()


@contextmanager
def _serving(app: ASGIApp, port: int) -> Iterator[None]:
    ours: dict[str, Any] = {"http": PromptConnection, "ws": "none", "server_header": False, "log_config": None}
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, **ours))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until_listening(port)
    yield
    server.should_exit = True
    thread.join(20)


def ends_within(connection: socket.socket, seconds: float) -> bytes:
    began = time.monotonic()
    told = b""
    while more := connection.recv(65_536):
        told += more
    assert time.monotonic() - began < seconds
    return told


@pytest.mark.parametrize(
    "begun",
    [b"", b"POST / HTTP/1.1\r\nhost: a\r\n", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"],
    ids=["nothing", "half of its headers", "nothing of its body"],
)
def test_a_connection_that_does_not_say_what_it_wants_is_closed(served: _Served, begun: bytes) -> None:
    with served.connect() as one:
        one.sendall(begun)
        ends_within(one, 10)


def test_headers_that_come_in_drops_are_not_waited_for_longer(served: _Served) -> None:
    def drip(one: socket.socket) -> None:
        for drop in b"POST / HTTP/1.1\r\nx-a: " + b"a" * 500:
            one.sendall(bytes([drop]))
            time.sleep(0.02)

    with served.connect() as one, pytest.raises(OSError):
        drip(one)


def test_headers_without_an_end_are_not_read_on(served: _Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 60)  # it is their length that ends them

    def flood(one: socket.socket) -> None:
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\nx-a: ")
        for _ in range(2_000):
            one.sendall(b"a" * 100_000)

    with served.connect() as one, pytest.raises(OSError):
        flood(one)
    assert httpx.post(f"http://127.0.0.1:{served.port}", content=b"abc", timeout=30).text == "3"


def test_headers_without_an_end_are_not_read_on_behind_a_request_at_work_either(served: _Served) -> None:
    def flood(one: socket.socket) -> None:
        one.settimeout(3 * _SHORT_S)  # its answer would come first
        one.sendall(_SLOW)
        time.sleep(_SHORT_S / 2)
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\nx-a: ")
        for _ in range(1_000):
            one.sendall(b"a" * 100_000)

    with served.connect() as one, pytest.raises(OSError):
        flood(one)


def test_a_second_request_of_a_connection_may_not_be_slow_either(served: _Served) -> None:
    with served.connect() as one:
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab")
        answer = b""
        while not answer.endswith(b"\r\n\r\n2"):  # it may come in pieces
            answer += (piece := one.recv(65_536))
            assert piece, answer
        one.sendall(b"POST / HTTP/1.1\r\nhost")
        ends_within(one, 10)


_WHOLE = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab"
_SLOW = b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab"
_BODILESS = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"


def test_a_request_whose_body_never_comes_keeps_no_slot_though_it_came_behind_another(served: _Served) -> None:
    connections = [served.connect() for _ in range(2)]  # as many as are worked on at once
    for one in connections:
        one.sendall(_SLOW)
    time.sleep(_SHORT_S / 2)
    for one in connections:
        one.sendall(_BODILESS)
    time.sleep(_SHORT_S / 2)
    served.go_on.set()
    for one in connections:
        assert ends_within(one, 10).count(b" 200 ") == 1
        one.close()
    assert httpx.post(f"http://127.0.0.1:{served.port}", content=b"abc", timeout=30).text == "3"


@pytest.mark.parametrize("behind", [b"", _BODILESS], ids=["the last", "one before a third"])
def test_a_request_that_came_with_another_may_be_worked_on_for_long(served: _Served, behind: bytes) -> None:
    with served.connect() as one:
        one.sendall(_WHOLE + _SLOW + behind)
        time.sleep(3 * _SHORT_S)
        served.go_on.set()
        assert ends_within(one, 10).count(b" 200 ") == 2


@pytest.mark.parametrize("wanted", ["h2c", "websocket"])
def test_who_wants_another_protocol_is_told_that_there_is_none(served: _Served, wanted: str) -> None:
    """What is sent behind the headers would be taken for that protocol's, and the message for one without a body."""
    with served.connect() as one:
        one.sendall(_WHOLE.replace(b"host: a", f"host: a\r\nconnection: upgrade\r\nupgrade: {wanted}".encode()))
        told = ends_within(one, 10)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"no header Upgrade" in told


def test_a_body_that_does_not_come_is_told_to_be_too_slow(served: _Served) -> None:
    with served.connect() as one:
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab")
        assert b" 408 " in ends_within(one, 10)
    assert served.refused == ["too-slow"]


def test_who_says_that_nothing_more_comes_is_answered(served: _Served) -> None:
    with served.connect() as one:
        one.sendall(_SLOW)
        one.shutdown(socket.SHUT_WR)
        time.sleep(_SHORT_S / 2)
        served.go_on.set()
        assert ends_within(one, 10).endswith(b"\r\n\r\n2")


def test_who_says_that_nothing_more_comes_amid_a_request_is_not_waited_for(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 60)  # it is its word that ends it
    with served.connect() as one:
        one.sendall(_WHOLE[:-1])
        one.shutdown(socket.SHUT_WR)
        assert ends_within(one, 30) == b""
    assert served.refused == []


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_limit_is_not_read_to_its_end(served: _Served, declared: bool) -> None:
    length = b"content-length: 5000" if declared else b"transfer-encoding: chunked"
    with served.connect() as one:
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\n" + length + b"\r\n\r\n")
        if not declared:
            one.sendall(b"fff\r\n" + b"x" * 0xFFF + b"\r\n")
        assert b" 413 " in ends_within(one, 10)


def test_more_requests_than_are_worked_on_at_once_are_told_to_come_again(served: _Served) -> None:
    address = f"http://127.0.0.1:{served.port}"
    slow = [threading.Thread(target=httpx.post, args=(f"{address}/slow",), kwargs={"timeout": 20}) for _ in range(2)]
    for one in slow:
        one.start()
    deadline = time.monotonic() + 60
    while (answer := httpx.post(address, timeout=30)).status_code != 503:
        assert time.monotonic() < deadline
    assert problem(answer) == "busy"
    assert int(answer.headers["retry-after"]) > 0
    served.go_on.set()
    for one in slow:
        one.join(20)
    assert httpx.post(address, content=b"abc", timeout=30).text == "3"


# ---- what is taken at once


class _Quick:
    """An app that takes what is sent to /now at once, and answers when it is let."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ways: list[str] = []
        self.after_s = _SHORT_S / 4

    def at_once(self, scope: Scope, body: bytes, reply: Reply) -> bool:
        if scope["path"] == "/now":
            self.ways.append("at once")
            asyncio.get_running_loop().call_later(self.after_s, reply.send, head_of(202, [(b"x-way", b"now")]), body)
        elif scope["path"] == "/later":
            self.ways.append("at once, and left to an app")
            reply.leave_to(PlainTextResponse("later"))
        else:
            return False
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.ways.append("as an app")
        await PlainTextResponse(body)(scope, receive, send)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Quick]:
    monkeypatch.setattr(connection, "HEAD_S", _SHORT_S)
    monkeypatch.setattr(connection, "UNREAD_S", _SHORT_S)
    found = _Quick(free_port())
    with _serving(found, found.port):
        yield found


def _now(path: str = "/now", version: str = "1.1", *lines: str, body: str = "ab") -> bytes:
    head = [f"POST {path} HTTP/{version}", "host: a", f"content-length: {len(body)}", *lines, "", ""]
    return ("\r\n".join(head) + body).encode()


def test_a_request_that_comes_whole_is_taken_at_once_and_its_connection_goes_on(quick: _Quick) -> None:
    with quick.connect() as one:
        for _ in range(3):
            one.sendall(_now())
            first, way, date, *rest = one.recv(65_536).split(b"\r\n")
            assert (first, way, date[:6]) == (b"HTTP/1.1 202 Accepted", b"x-way: now", b"date: ")
            assert rest == [b"content-length: 2", b"", b"ab"]
        ends_within(one, 10)  # and is closed when it says nothing more
    assert quick.ways == ["at once"] * 3


@pytest.mark.parametrize("ends", [("1.1", "connection: close"), ("1.0",)], ids=["asked to", "HTTP/1.0"])
def test_a_connection_that_is_to_end_ends_with_the_answer(quick: _Quick, ends: tuple[str, ...]) -> None:
    with quick.connect() as one:
        one.sendall(_now("/now", *ends))
        told = ends_within(one, 10)
    assert told.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert b"\r\nconnection: close\r\n" in told
    assert quick.ways == ["at once"]


def test_an_answer_has_the_same_headers_of_the_server_whichever_way_it_came(quick: _Quick) -> None:
    for path in ("/now", "/later", "/"):
        with quick.connect() as one:
            one.sendall(_now(path, "1.1", "connection: close"))
            assert ends_within(one, 10).count(b"\r\ndate: ") == 1


def test_who_says_that_nothing_more_comes_is_answered_at_once_too(quick: _Quick) -> None:
    with quick.connect() as one:
        one.sendall(_now() + _now(body="cd"))
        one.shutdown(socket.SHUT_WR)
        told = ends_within(one, 10)
    assert told.count(b" 202 ") == told.count(b" 200 ") == 1
    assert told.endswith(b"cd")
    assert quick.ways == ["at once", "as an app"]


@pytest.mark.parametrize("path", ["/now", "/"])
def test_what_is_no_request_takes_no_answer_from_one_that_has_come_whole(quick: _Quick, path: str) -> None:
    with quick.connect() as one:  # in one packet: nothing is begun of it
        one.sendall(_now(path) + _now(path, body="cd") + b"garbage\r\n\r\n")
        assert ends_within(one, 10).startswith(b"HTTP/1.1 400 ")
    assert quick.ways == []


def test_what_is_no_request_behind_one_at_work_ends_the_connection_with_its_answer(quick: _Quick) -> None:
    quick.after_s = 3
    with quick.connect() as one:
        one.sendall(_now())
        time.sleep(_SHORT_S / 8)
        one.sendall(b"garbage\r\n\r\n")
        told = ends_within(one, 10)
    assert told.startswith(b"HTTP/1.1 202 ")
    assert b"\r\nconnection: close\r\n" in told
    assert told.count(b"HTTP/1.1") == 1
    assert quick.ways == ["at once"]


def test_the_same_behind_one_that_an_app_works_on(served: _Served) -> None:
    with served.connect() as one:
        one.sendall(_SLOW)
        time.sleep(_SHORT_S / 2)
        one.sendall(b"garbage\r\n\r\n")
        time.sleep(_SHORT_S / 2)
        served.go_on.set()
        told = ends_within(one, 10)
    assert (told.count(b"HTTP/1.1 "), told.count(b" 200 ")) == (1, 1)


def test_an_app_may_answer_what_was_taken_at_once(quick: _Quick) -> None:
    with quick.connect() as one:
        one.sendall(_now("/later", "1.1", "connection: close"))
        assert ends_within(one, 10).endswith(b"\r\n\r\nlater")


def test_what_does_not_come_whole_or_waits_for_a_word_goes_the_way_of_an_app(quick: _Quick) -> None:
    for first, rest in ((_now()[:-1], b"b"), (_now()[:20], _now()[20:]), (_now(body="a" * 20_000), b"")):
        with quick.connect() as one:
            one.sendall(first)
            time.sleep(_SHORT_S / 4)
            one.sendall(rest)
            assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")
    with quick.connect() as one:
        head, body = _now("/now", "1.1", "expect: 100-continue").split(b"\r\n\r\n")
        one.sendall(head + b"\r\n\r\n")
        assert one.recv(65_536).startswith(b"HTTP/1.1 100 ")
        one.sendall(body)
        assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert quick.ways == ["as an app"] * 4


def test_requests_of_one_packet_are_answered_one_after_the_other(quick: _Quick) -> None:
    with quick.connect() as one:
        one.sendall(_now(body="first") + _now(body="second") + _now("/now", "1.1", "connection: close", body="third"))
        told = ends_within(one, 10)
    assert told.index(b"first") < told.index(b"second") < told.index(b"third")
    assert quick.ways == ["at once", "as an app", "as an app"]


def test_an_answer_for_which_nobody_waits_any_more_harms_nobody(quick: _Quick) -> None:
    gone, stays = quick.connect(), quick.connect()
    gone.sendall(_now())
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    with stays:
        stays.sendall(_now())
        assert stays.recv(65_536).endswith(b"ab")


def test_who_does_not_read_its_answers_is_not_waited_for(quick: _Quick, caplog: pytest.LogCaptureFixture) -> None:
    size = 30_000_000  # more than the kernel keeps for it
    with quick.connect() as one:
        one.sendall(_now("/", body="a" * size))
        one.sendall(_now("/") * 3)  # whose answers have to wait for the other's
        time.sleep(4 * _SHORT_S)
        told = 0
        with contextlib.suppress(ConnectionError):
            while more := one.recv(1_000_000):
                told += len(more)
    assert told < size
    assert "Exception" not in caplog.text
