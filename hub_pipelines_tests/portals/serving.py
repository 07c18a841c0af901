"""A portal that really listens, in a thread: records that change while they are paged, pages that fail, outages.

It keeps what it was asked: the moments of the requests, and each one's parameters.
"""

import json
import random
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub_pipelines_tests.web.serving import free_port

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def asset(number: int, *, changes: int = 0) -> dict[str, Any]:
    """A record as an ERP tells of it."""
    return {
        "id": number,
        "tag": f"NC-{number:06d}",
        "order": {"number": f"PO-2026-{number % 997:04d}", "lines": [1, 2]},
        "description": f"Item {number}, {changes} times changed",
        "updated": (BEGAN + timedelta(seconds=number)).isoformat(),
    }


@dataclass
class Portal:
    """`answers` are given before anything else, one for each request, by status and headers; `down` while it says so.
    `fails` is the share of requests that are answered 500; after each page `moves` may change the records. `order`
    sorts them. `clock` dates requests."""

    records: dict[int, dict[str, Any]]
    fails: float = 0.0
    moves: Callable[["Portal"], None] = lambda _portal: None
    order: Callable[[dict[str, Any]], Any] = lambda one: one["tag"]
    tells_total: bool = True
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    down: Callable[[], tuple[int, dict[str, str]] | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    asked: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def change(self, number: int) -> None:
        """What happens to a record in an ERP: something of it is another now, and it says so."""
        raw = self.records[number]
        changes = int(raw["description"].split(",")[1].split()[0]) + 1
        self.records[number] = {**asset(number, changes=changes), "updated": datetime.now(UTC).isoformat()}

    async def _page(self, request: Request) -> Response:
        self.asked.append((self.clock(), dict(request.query_params)))
        self.keys.append(request.headers.get("authorization") or request.headers.get("x-api-key"))
        if self.answers:
            status, headers = self.answers.pop(0)
            return Response("nothing now", status, headers)
        if (outage := self.down()) is not None:
            return Response("nothing now", *outage)
        if self.chance.random() < self.fails:
            return Response("<html>Internal error</html>", 500)
        since = request.query_params.get("since", "")
        found = sorted((one for one in self.records.values() if one["updated"] >= since), key=self.order)
        size = int(request.query_params.get("per_page", 100))
        first = int(request.query_params.get("offset", 0)) or (int(request.query_params.get("page", 1)) - 1) * size
        some = found[first : first + size]
        document: dict[str, Any] = {"data": {"items": some}}
        if self.tells_total:
            document["data"]["total"] = len(found)
        headers = {}
        if first + size < len(found):
            link = f"{self.address}/orders?per_page={size}&offset={first + size}&since={since}"
            headers["link"] = f'<{self.address}/orders?offset=0>; rel="first", <{link}>; rel="next"'
            document["next"] = link
        self.moves(self)
        return JSONResponse(document, headers=headers)


@dataclass
class Clock:
    """Time in which nobody waits: sleeping moves it on at once."""

    skipped_s: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skipped_s)

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped_s

    def sleep(self, seconds: float) -> None:
        self.skipped_s += max(0.0, seconds)


@contextmanager
def serving(portal: Portal) -> Iterator[Portal]:
    portal.port = free_port()
    app = Starlette(routes=[Route("/orders", portal._page, methods=["GET"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=portal.port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield portal
    finally:
        server.should_exit = True
        thread.join(10)


def toml(portal: "Portal | Hostile", *, paging: str = 'style = "page"', **more: Any) -> str:
    """The settings of this portal as `erp`; `more` are settings of its own, a `size` that of its pages."""
    size = more.pop("size", 50)
    told = {
        "kind": "rest",
        "url": f"{portal.address}/orders",
        "records": "data.items",
        "total": "data.total",
        "natural_id": "id",
        "updated": "updated",
        "record_type": "procurement.asset",
        "campus": "north",
        "interval_s": 0.0,
        "order": "moving",
        **more,
    }
    lines = "\n".join(f"{name} = {_written(value)}" for name, value in told.items())
    named = {"page": 'param = "page"', "offset": 'param = "offset"', "next_link": 'next = "next"'}
    named["cursor"] = 'param = "cursor"\nnext = "next"'
    style = paging.partition('"')[2].rstrip('"')
    return f"""
[portals.erp]
{lines}

[portals.erp.fields]
asset_tag = "tag"
po_number = "order.number"
description = "description"

[portals.erp.paging]
{paging}
size_param = "per_page"
size = {size}
{named.get(style, "")}

[portals.erp.since]
param = "since"
"""


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_written(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)


Says = Callable[[dict[str, str], socket.socket], None]
"""Writes whatever it likes into the connection of a request with these parameters."""


@dataclass
class Hostile:
    """A portal that speaks no more HTTP than it wants to. It keeps the parameters that it was asked with."""

    says: Says
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def says_json(connection: socket.socket, document: Any, *headers: str) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers])
    connection.sendall(head.encode() + b"\r\n\r\n" + body)


@contextmanager
def hostile(says: Says) -> Iterator[Hostile]:
    """One connection for each request, closed when `says` is done or the client is gone."""
    portal = Hostile(says)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = b""
            while b"\r\n\r\n" not in asked and (some := self.request.recv(65_536)):
                asked += some
            params = dict(parse_qsl(urlsplit(asked.split(b" ")[1].decode()).query))
            portal.asked.append(params)
            with suppress(ConnectionError):
                portal.says(params, self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        portal.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield portal
        server.shutdown()
        thread.join(10)
