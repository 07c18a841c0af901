"""What messages cost: `python -m hub_pipelines_tests.bench.messages ack|through|burst [postgresql://…] [options]`.

`ack`: requests a second and the 99th percentile of waiting, with 32 connections that send as fast as they are answered,
of the real receiver (signature, inbox, commit and fsync before each answer) and in turns with it of two endpoints that
verify the same signatures and answer 202: one keeps nothing, the other (`bare`) the body and nothing else, in a table
without an index, on SQLite by group commit: what durability alone costs. The client is the same for all and shares the
machine. `processor_us` is the processor time for each message that was acknowledged, by what used it: it can be
compared where the machine has other work too. With `--beside 1000000` an import of so many rows goes on meanwhile, and
rounds are made until it has ended.

`through`: so many messages, 5 % of them repeats and 2 % wrong, from an inbox in which they are durable to the ledger,
through `hub up` with its sensors and Dagster runs; counted from the first batch's sealing to the last posting. As with
the peers the start of the programs is left out: the hub is up, has posted one message of another campus, and is at rest
when it sees them. Then none is lost and none was applied twice.

`burst`: so many in ten seconds to a running hub: each is acknowledged or told to come back, and does, until all are
posted.

A hub of its own is made on SQLite, or on the PostgreSQL database of the address, which must be empty. One JSON line for
each figure. Compare ratios: machines and their other work differ.
"""

import argparse
import asyncio
import heapq
import json
import multiprocessing
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import func, select
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox import store as inbox
from hub_pipelines.intake.inbox.model import Answer, Delivery
from hub_pipelines.ledger.store import journal
from hub_pipelines_tests.messages import STOCK_LEDGER, add_source, body_of, message, stock, take
from hub_pipelines_tests.support import all_submissions, ledger_values, open_test_hub
from hub_pipelines_tests.web.serving import PATH, Receiver, free_port, receiver, wait_until_listening

CONNECTIONS = 32
MOST_PER_SECOND = 20_000
REPEATED, WRONG = 0.05, 0.02
ITEMS = 50_000
BURST_S = 10.0
REST_S = 30.0
PATIENCE_S = 900.0


def main() -> None:
    known = {"ack": ack, "through": through, "burst": burst}
    parser = argparse.ArgumentParser()
    parser.add_argument("figure", choices=known)
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=int, default=0, help="rows of an import that goes on meanwhile")
    given = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        told = known[given.figure](home, given)
    print(json.dumps({"figure": given.figure, "database": "postgresql" if given.url else "sqlite", **told}))


# ---- acknowledging


def ack(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    hub = _hub(home, given.url, capacity=10_000_000)
    secret = str(add_source(hub).secret)
    found: dict[str, list[Round]] = {"no-op": [], "bare": [], "durable": []}
    with (
        receiver(home, _url(hub)) as running,
        _peer(_serve_no_op, secret) as no_op,
        _peer(_serve_bare, secret) as bare,
        _import(hub, given.beside) as goes_on,
    ):
        peers = {"no-op": no_op, "bare": bare, "durable": Peer(running.port, partial(_of_receiver, running, hub))}
        for at in count():
            if at >= given.rounds and not goes_on():
                break
            for name, peer in peers.items():
                requests = list(_signed(secret, int(given.seconds * MOST_PER_SECOND), f"{name}-{at}"))
                found[name].append(_round(peer, requests, given.seconds))
                assert sum(found[name][-1].answers.values()) < len(requests), "there was nothing left to send"
        taken = sum(one.answers[202] for one in found["durable"])
    assert hub.inbox.count() >= taken, "acknowledged and not kept"
    told = {name: _of_rounds(some) for name, some in found.items()}
    shares = {f"{name}_of_no_op": _share(found[name], found["no-op"]) for name in ("bare", "durable")}
    load = round(os.getloadavg()[0], 1)
    return {"connections": CONNECTIONS, "load": load, "import_rows": given.beside, "rounds": at, **told, **shares}


@contextmanager
def _import(hub: Hub, rows: int) -> Iterator[Callable[[], bool]]:
    """A stock list of so many rows on its way through `hub submit`, from archive to receipt; whether it still is."""
    if not rows:
        yield lambda: False
        return
    path = hub.settings.home / "stock.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("item_name,location,quantity_on_hand,unit\n")
        file.writelines(f"Solvent {at},Chem {at % 400},{at % 97},L\n" for at in range(rows))
    command = [sys.executable, "-m", "hub_pipelines.cli", "submit", str(path), "--campus", "south", "--wait"]
    environment = {**os.environ, "HUB_HOME": str(hub.settings.home), "HUB_DATABASE_URL": _url(hub)}
    process = subprocess.Popen(
        [*command, "--feed", "inventory", "--timeout-s", str(PATIENCE_S)], env=environment, stdout=subprocess.PIPE
    )
    yield lambda: process.poll() is None
    told = process.communicate(timeout=PATIENCE_S)[0].decode()
    assert process.returncode == 0, told
    assert f"{rows:,}" in told or str(rows) in told, told


def _share(mine: Sequence["Round"], theirs: Sequence["Round"]) -> float:
    each = (one.per_second / other.per_second for one, other in zip(mine, theirs, strict=True))
    return round(statistics.median(each), 3)


@dataclass(frozen=True)
class Peer:
    """An endpoint on this machine; `processes` gives those that it is made of, by what each does."""

    port: int
    processes: Callable[[], dict[str, list[int]]]


def _of_receiver(running: Receiver, hub: Hub) -> dict[str, list[int]]:
    reader = running.process.pid
    children = Path(f"/proc/{reader}/task/{reader}/children").read_text("ascii").split()
    return {"reader": [reader], "writer": [int(one) for one in children], **_of_server(hub)}


def _of_server(hub: Hub) -> dict[str, list[int]]:
    """PostgreSQL's sessions of this database, and what it does beside them for all."""
    if not hub.db.is_postgres:
        return {}
    with hub.db.read() as tx:
        here = "SELECT pid FROM pg_stat_activity WHERE coalesce(datname, current_database()) = current_database()"
        return {"database": [pid for (pid,) in tx.exec_driver_sql(here)]}


def _used_s(pid: int) -> float:
    """Processor time of a process; 0 where it has ended, or is on another machine."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _round(peer: Peer, requests: Sequence[bytes], seconds: float) -> "Round":
    def used() -> dict[str, float]:
        return {name: sum(map(_used_s, pids)) for name, pids in processes.items()} | {"client": time.process_time()}

    processes = peer.processes()
    before = used()
    made = asyncio.run(_flood(peer.port, requests, seconds))
    return replace(made, used_s={name: now - before[name] for name, now in used().items()})


@dataclass(frozen=True)
class Round:
    seconds: float
    answers: Counter[int]
    waits_s: list[float]
    used_s: dict[str, float] = field(default_factory=dict)
    """Processor time by what used it."""

    @property
    def per_second(self) -> float:
        return self.answers[202] / self.seconds

    @property
    def p99_ms(self) -> float:
        return 1_000 * sorted(self.waits_s)[int(0.99 * len(self.waits_s))]


def _of_rounds(some: Sequence[Round]) -> dict[str, Any]:
    refused = sum(sum(one.answers.values()) - one.answers[202] for one in some)
    return {
        "per_second": round(statistics.median(one.per_second for one in some)),
        "p99_ms": round(statistics.median(one.p99_ms for one in some), 1),
        "refused": refused,
        "processor_us": {
            name: round(1e6 * statistics.median(one.used_s[name] / one.answers[202] for one in some))
            for name in some[0].used_s
        },
    }


def _signed(secret: str, number: int, name: str) -> Iterator[bytes]:
    """Whole requests, each of another message."""
    signer, now = Webhook(secret), datetime.now(UTC)
    for at in range(number):
        body = body_of(stock(f"Reagent {at % 5_000}", at, note="x" * 100), at=now.isoformat())
        webhook_id = f"{name}-{at}"
        lines = [
            f"POST {PATH} HTTP/1.1",
            "host: hub",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"webhook-id: {webhook_id}",
            f"webhook-timestamp: {int(now.timestamp())}",
            f"webhook-signature: {signer.sign(webhook_id, now, body.decode())}",
        ]
        yield "\r\n".join([*lines, "", ""]).encode() + body


async def _flood(port: int, requests: Sequence[bytes], seconds: float) -> Round:
    """All connections send their next request when the one before is answered."""
    loop = asyncio.get_running_loop()
    left = deque(requests)
    answers: Counter[int] = Counter()
    waits: list[float] = []
    began = loop.time()
    ends = began + seconds
    senders = [
        (await loop.create_connection(lambda: _Sender(left, answers, waits, ends), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(one.done for one in senders))
    return Round(loop.time() - began, answers, waits)


class _Sender(asyncio.Protocol):
    def __init__(self, left: deque[bytes], answers: Counter[int], waits: list[float], ends: float) -> None:
        self._left, self._answers, self._waits, self._ends = left, answers, waits, ends
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._came, self._sent_at = b"", 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, separator, rest = self._came.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(_header(head.lower(), b"content-length"))
        if len(rest) >= length:
            self._waits.append(self._loop.time() - self._sent_at)
            self._answers[int(head[9:12])] += 1
            self._came = b""
            self._next()

    def connection_lost(self, _why: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        self._sent_at = self._loop.time()
        if self._left and self._sent_at < self._ends:
            self._transport.write(self._left.popleft())
        else:
            self._transport.close()


@contextmanager
def _peer(serve: Callable[[int, str], None], secret: str) -> Iterator[Peer]:
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, secret))
    process.start()
    try:
        wait_until_listening(port)
        yield Peer(port, lambda: {"server": [int(str(process.pid))]})
    finally:
        process.kill()
        process.join()


def _serve_no_op(port: int, secret: str) -> None:
    async def keep(_body: bytes) -> None:
        return

    _serve(port, secret, keep)


def _serve_bare(port: int, secret: str) -> None:
    """Whoever waits while a commit runs goes into the next one."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as writer:
        connection = sqlite3.connect(f"{folder}/bare.db", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        waiting: list[tuple[str, asyncio.Future[None]]] = []
        tasks: list[asyncio.Task[None]] = []

        def commit(bodies: Sequence[tuple[str]]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO kept (body) VALUES (?)", bodies)
            connection.execute("COMMIT")

        async def write() -> None:
            while waiting:
                group = waiting.copy()
                waiting.clear()
                bodies = [(body,) for body, _ in group]
                await asyncio.get_running_loop().run_in_executor(writer, commit, bodies)
                for _, done in group:
                    done.set_result(None)
            tasks.clear()

        async def keep(body: bytes) -> None:
            done = asyncio.get_running_loop().create_future()
            waiting.append((body.decode(), done))
            if not tasks:
                tasks.append(asyncio.create_task(write()))
            await done

        _serve(port, secret, keep)


def _serve(port: int, secret: str, keep: Callable[[bytes], Awaitable[None]]) -> None:
    verifier = Webhook(secret)

    async def take(request: Request) -> Response:
        body = await request.body()
        verifier.verify(body.decode(), dict(request.headers))
        await keep(body)
        return Response(status_code=202)

    app = Starlette(routes=[Route("/v1/north/inventory/messages", take, methods=["POST"])])
    uvicorn.run(app, port=port, log_config=None, access_log=False)


# ---- from the inbox to the ledger


def through(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    hub = _hub(home, given.url, capacity=10 * given.messages)
    began = time.monotonic()
    quantities, unique, wrong = _fill(hub, given.messages)
    filling_s = time.monotonic() - began
    _let_see(hub, 0)
    with _hub_up(hub):
        take(hub, message("first", body_of(stock("Ethanol", 5)), scope=Scope("south", "inventory")))
        _wait_until_settled(hub, 1)
        time.sleep(REST_S)  # what follows a posting is done by then: receipt, checks, the day's ledger
        _let_see(hub, unique)
        _wait_until_settled(hub, unique + 1)
    with hub.inbox.db.read() as tx:
        sealed = select(inbox.batch.c.sealed_at).where(inbox.batch.c.campus == "north")
        batches = tx.execute(sealed).scalars().all()
    posted = [one.posted_at for one in all_submissions(hub) if one.posted_at]
    seconds = (max(posted) - min(batches)).total_seconds()
    _require_whole(hub, quantities, unique, wrong)
    return {
        "messages": given.messages,
        "batches": len(batches),
        "filling_s": round(filling_s, 1),
        "s": round(seconds, 1),
        "per_second": round(given.messages / seconds),
        "lost": 0,
        "twice": 0,
    }


def _let_see(hub: Hub, messages: int) -> None:
    """So many of those that were taken for north are told to whoever seals."""
    with hub.inbox.db.write() as tx:
        tx.execute(inbox.stream.update().where(inbox.stream.c.campus == "north").values(taken=messages))


def _fill(hub: Hub, number: int) -> tuple[dict[str, str], int, int]:
    """Take so many deliveries, repeats among them; the quantity of each item in the end, and how many are unique and
    wrong."""
    chance = random.Random(number)
    sent: list[Delivery] = []
    came: list[Delivery] = []
    quantities: dict[str, str] = {}
    wrong = 0
    start = datetime.now(UTC) - timedelta(hours=1)
    for at in range(number):
        if sent and chance.random() < REPEATED:
            came.append(chance.choice(sent))
            continue
        item, quantity = f"Reagent {chance.randrange(ITEMS):05}", str(chance.randrange(1, 9_999))
        if chance.random() < WRONG:
            wrong, quantity = wrong + 1, "many"
        else:
            quantities[item] = quantity
        body = body_of(stock(item, quantity, note="x" * 100), at=(start + timedelta(milliseconds=10 * at)).isoformat())
        sent.append(message(f"m-{at}", body))
        came.append(sent[-1])
    answers = [one for first in range(0, len(came), 1_000) for one in take(hub, *came[first : first + 1_000])]
    assert Counter(one.answer for one in answers) == {
        Answer.RECEIVED: len(sent),
        Answer.DUPLICATE: number - len(sent),
    }
    return quantities, len(sent), wrong


def _wait_until_settled(hub: Hub, unique: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = sum(one.counts.received for one in all_submissions(hub) if one.posted_at)
        if done >= unique:
            return
        assert time.monotonic() < deadline, f"only {done:,} of {unique:,} are posted"
        time.sleep(0.5)


def _require_whole(hub: Hub, quantities: dict[str, str], unique: int, wrong: int) -> None:
    """None is lost, none was applied twice, and what stays of each item is what was sent last."""
    assert hub.inbox.count() == unique + 1
    assert hub.inbox.waiting() == []
    counts = [one.counts for one in all_submissions(hub) if one.envelope.campus == "north"]
    assert sum(one.received for one in counts) == unique
    assert sum(one.rejected for one in counts) == wrong
    assert sum(one.posted + one.unchanged + one.superseded for one in counts) == unique - wrong
    ledger = ledger_values(hub, STOCK_LEDGER).values()
    assert {one["item_name"]: one["quantity_on_hand"] for one in ledger} == quantities
    with hub.db.read() as tx:
        entries = select(func.count()).where(journal.c.ledger == STOCK_LEDGER)
        assert tx.execute(entries).scalar_one() == sum(one.posted for one in counts)


# ---- a burst


def burst(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    hub = _hub(home, given.url)
    secret = str(add_source(hub).secret)
    with _hub_up(hub):
        requests = list(_signed(secret, given.messages, "burst"))
        began = datetime.now(UTC)
        answers, waits = asyncio.run(_sent_within(hub.settings.messages.port, requests, BURST_S))
        sent_s = (datetime.now(UTC) - began).total_seconds()
        _wait_until_settled(hub, given.messages)
    assert answers[202] == given.messages
    posted = max(one.posted_at for one in all_submissions(hub) if one.posted_at)
    return {
        "messages": given.messages,
        "answers": dict(answers),
        "p99_ms": round(1_000 * sorted(waits)[int(0.99 * len(waits))], 1),
        "acknowledged_after_s": round(sent_s, 1),
        "posted_after_s": round((posted - began).total_seconds(), 1),
    }


async def _sent_within(port: int, requests: Sequence[bytes], seconds: float) -> tuple[Counter[int], list[float]]:
    """Each is sent at its moment, and again when it was told to come back, until all are acknowledged."""
    began = time.monotonic()
    due = [(began + seconds * at / len(requests), at) for at in range(len(requests))]
    answers: Counter[int] = Counter()
    waits: list[float] = []

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while due:
            moment, at = heapq.heappop(due)
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            asked = time.monotonic()
            writer.write(requests[at])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(_header(head, b"content-length")))
            status = int(head[9:12])
            answers[status] += 1
            if status == 202:
                waits.append(time.monotonic() - asked)
            else:
                heapq.heappush(due, (time.monotonic() + int(_header(head, b"retry-after")), at))
        writer.close()

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
    return answers, waits


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(name + b": ")[2].partition(b"\r\n")[0]


# ---- making and waiting


@contextmanager
def _hub_up(hub: Hub) -> Iterator[None]:
    """A running hub, from the moment at which all of it is up."""
    environment = {**os.environ, "HUB_HOME": str(hub.settings.home), "HUB_DATABASE_URL": _url(hub)}
    if hub.db.is_postgres:
        environment["HUB_DAGSTER_DATABASE_URL"] = _url(hub).replace("+psycopg:", ":")  # its driver is another one
    command = [sys.executable, "-m", "hub_pipelines.cli", "up", "--port", str(free_port())]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        next(line for line in process.stderr if "The hub is up" in line)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _hub(home: Path, url: str, *, capacity: int = 200_000) -> Hub:
    home.mkdir()
    port, room = free_port(), f"capacity_messages = {capacity}\ncapacity_mb = 10000"
    page = f"[campuses.north]\n[campuses.south]\n[messages]\nport = {port}\n{room}\n"
    (home / "hub.toml").write_text(page, encoding="utf-8")
    return open_test_hub(home, url or f"sqlite:///{home / 'hub.db'}")


def _url(hub: Hub) -> str:
    return hub.db.url.render_as_string(hide_password=False)


if __name__ == "__main__":
    main()
