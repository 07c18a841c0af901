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
from typing import Any

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
    """Signs as the official client does, and sends over a connection of its own each time."""

    address: str
    issued: Issued

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
        return httpx.post(self.address + path, content=body, headers=headers, timeout=patience_s)

    def asks(self, request_id: str, *, token: str | None = None) -> httpx.Response:
        bearer = {"authorization": f"Bearer {token or self.issued.token}"}
        return httpx.get(f"{self.address}/v1/requests/{request_id}", headers=bearer, timeout=30)


def problem(answer: httpx.Response) -> str:
    """The kind of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.text)
    assert document["status"] == answer.status_code
    return str(document["type"]).removeprefix("/#")


def messages_kept(hub: Hub) -> int:
    return sum(one.messages for one in hub.inbox.waiting())
