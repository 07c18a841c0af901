"""A receiver that really listens, in a process of its own, and a sender with the official client's signatures."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from standardwebhooks import Webhook

from hub_pipelines.hub import Hub
from hub_pipelines.intake.sources.service import Issued

_STARTS_S = 90.0
PATH = "/v1/north/inventory/messages?source=erp"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + _STARTS_S
    while not listens(port):
        assert time.monotonic() < deadline, "the receiver does not listen"
        time.sleep(0.05)


@dataclass(frozen=True)
class Receiver:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """As `hub up` does; what is at work is answered first."""
        self.process.terminate()
        assert self.process.wait(60) in (0, -signal.SIGTERM)


@contextmanager
def receiver(home: Path, database_url: str) -> Iterator[Receiver]:
    port = free_port()
    environment = {**os.environ, "HUB_HOME": str(home), "HUB_DATABASE_URL": database_url, "HUB_PROCESS": "receiver"}
    command = [sys.executable, "-m", "hub_pipelines.web", str(port)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        wait_until_listening(port)
        yield Receiver(process, port)
    finally:
        process.kill()
        process.wait(60)
        assert process.stderr is not None
        process.stderr.close()


@dataclass(frozen=True)
class Sender:
    """Signs as the official client does, and sends over a connection of its own each time.

    `at_once`: a request leaves in one packet, and behind another one, by which its source is known; else its headers
    and its body leave one after the other, as those of most clients do, and come together or not, as it happens.
    """

    address: str
    issued: Issued
    at_once: bool = False

    def headers(self, webhook_id: str, body: bytes, *, signed_at: datetime | None = None) -> dict[str, str]:
        moment = signed_at or datetime.now(UTC)
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Webhook(str(self.issued.secret)).sign(webhook_id, moment, body.decode()),
            "content-type": "application/json",
        }

    def send(
        self, webhook_id: str, body: bytes, *, path: str = PATH, patience_s: float = 30, **changed: str
    ) -> httpx.Response:
        """`changed` headers have `_` for `-` in their names."""
        others = {name.replace("_", "-"): value for name, value in changed.items()}
        headers = {**self.headers(webhook_id, body), **others}
        return self.post(path, body, headers, patience_s)

    def post(self, path: str, body: bytes, headers: dict[str, str], patience_s: float = 30) -> httpx.Response:
        if not self.at_once:
            return httpx.post(self.address + path, content=body, headers=headers, timeout=patience_s)
        port = int(self.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), patience_s) as connection, connection.makefile("rb") as told:
            unsigned = dict.fromkeys(self.headers("known", b"{}"), "1") | {"webhook-signature": "v1,AAAA"}
            connection.sendall(_request(PATH, b"{}", unsigned))
            assert _answer(told).status_code == 401
            connection.sendall(_request(path, body, headers))
            try:
                return _answer(told)
            except (OSError, EOFError) as error:
                raise httpx.ReadError(str(error)) from error

    def asks(self, request_id: str, *, token: str | None = None) -> httpx.Response:
        bearer = {"authorization": f"Bearer {token or self.issued.token}"}
        return httpx.get(f"{self.address}/v1/requests/{request_id}", headers=bearer, timeout=30)


def _request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = [f"POST {path} HTTP/1.1", "host: hub", f"content-length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def _answer(told: BinaryIO) -> httpx.Response:
    if not (first := told.readline()):
        raise EOFError("the connection has ended without an answer")
    status = int(first.split()[1])
    lines = iter(told.readline, b"\r\n")
    headers = dict(line.decode("latin-1").rstrip("\r\n").split(": ", 1) for line in lines)
    return httpx.Response(status, headers=headers, content=told.read(int(headers["content-length"])))


def problem(answer: httpx.Response) -> str:
    """The kind of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.text)
    assert document["status"] == answer.status_code
    return str(document["type"]).removeprefix("/#")


def messages_kept(hub: Hub) -> int:
    return sum(one.messages for one in hub.inbox.waiting())
