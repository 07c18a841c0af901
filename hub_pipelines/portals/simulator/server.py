"""A simulated portal over HTTP: its answers, and between them the faults, limits and outages of real ones.

A request may fail by chance (500, 503, an answer that breaks off, a page of HTML as 200), come too soon (429 with
Retry-After), or meet an outage (503). Each is counted with its moment, for plots of how a hub came back.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hub_pipelines.portals.simulator.grants_gov import GrantsGovShelf
from hub_pipelines.portals.simulator.nih import NihShelf
from hub_pipelines.portals.simulator.nsf import NsfShelf
from hub_pipelines.portals.simulator.sam import SamShelf
from hub_pipelines.portals.simulator.shelf import Asked, Reply, Shelf, refused
from hub_pipelines.portals.simulator.usaspending import UsaSpendingShelf

SHELVES: dict[str, type[Shelf]] = {
    one.kind: one for one in (NihShelf, NsfShelf, UsaSpendingShelf, GrantsGovShelf, SamShelf)
}
_FAILURES = ("500", "503", "broken off", "not JSON")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`fail`: share of requests that fail. `changing`: so many records are amended before each answer, and one is new.
    `per_second`: more requests than that are told to wait. `outage`: its beginning and length in seconds from the
    start."""

    fail: float = 0.0
    changing: int = 0
    per_second: float = 0.0
    outage: tuple[float, float] | None = None


@dataclass
class Simulated:
    """A running portal. `requests` are moments (seconds from the start) with what came of them."""

    shelf: Shelf
    url: str
    requests: list[tuple[float, str]] = field(default_factory=list)

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(outcome for _, outcome in self.requests)


def shelf_of(kind: str, *, records: int, seed: int = 1) -> Shelf:
    return SHELVES[kind](records, datetime.now(UTC).date(), seed)


@contextmanager
def serving(shelf: Shelf, behaviour: Behaviour | None = None, *, port: int = 0, seed: int = 1) -> Iterator[Simulated]:
    """Serve on 127.0.0.1, on a free port where none is named. Raises OSError when the port is taken."""
    server = _Server(("127.0.0.1", port), shelf, behaviour or Behaviour(), random.Random(seed))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.simulated
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], shelf: Shelf, behaviour: Behaviour, chance: random.Random) -> None:
        super().__init__(address, _Handler)
        self.simulated = Simulated(shelf, f"http://127.0.0.1:{self.server_address[1]}")
        self.behaviour = behaviour
        self.chance = chance
        self.began = time.monotonic()
        self.lock = threading.Lock()
        self.last_at = -1e9

    def fate(self) -> str:
        """What becomes of a request that comes now."""
        with self.lock:
            at = time.monotonic() - self.began
            fate = self._fate(at)
            if fate != "too soon":
                self.last_at = at
            self.simulated.requests.append((at, fate))
            return fate

    def _fate(self, at: float) -> str:
        told = self.behaviour
        if told.outage and told.outage[0] <= at < sum(told.outage):
            return "outage"
        if told.per_second and at - self.last_at < 1 / told.per_second:
            return "too soon"
        return self.chance.choice(_FAILURES) if self.chance.random() < told.fail else "answered"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are sent apart, and the body would wait 40 ms for the other side
    server: _Server

    def do_GET(self) -> None:  # the name that http.server asks for
        self._take()

    def do_POST(self) -> None:  # the name that http.server asks for
        self._take()

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fate = self.server.fate()
        if fate == "answered":
            self._give(self._answer(body))
        elif fate == "outage":
            self._give(refused(503, "down for maintenance"))
        elif fate == "too soon":
            self._give(Reply(429, {"detail": "slow down"}, {"retry-after": "1"}))
        elif fate == "broken off":
            self._send(200, b'{"results": [', {}, length=1_000)
            self.close_connection = True
        elif fate == "not JSON":
            self._send(200, b"<html>The system is busy.</html>", {"content-type": "text/html"})
        else:
            self._give(refused(int(fate), "something went wrong"))

    def _answer(self, body: bytes) -> Reply:
        shelf, changing = self.server.simulated.shelf, self.server.behaviour.changing
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            document: Any = json.loads(body) if body else None
        except ValueError:
            return refused(400, "the body is not JSON")
        with shelf.lock:
            if changing:
                shelf.add()
            for _ in range(changing):
                shelf.amend()
            return shelf.answer(Asked(self.command, path, query, document, headers))

    def _give(self, reply: Reply) -> None:
        body = b"" if reply.document is None else json.dumps(reply.document).encode("utf-8")
        self._send(reply.status, body, {"content-type": "application/json", **reply.headers})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # its name in http.server
        """Outcomes are counted instead."""
