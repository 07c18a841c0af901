"""A sending system that is not there: real requests over HTTP, with the repeats, faults and disorder of real ones.

Belongs here: what it sends and what it was answered. Not here: the receiver; nothing of it is called, but the secret of
the simulated source is read where the receiver reads it.
"""

import base64
import hmac
import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.hub import Hub

SOURCE = "simulated-erp"
_AT_ONCE = 32
_ITEMS = 40
_ADJUSTING = ("received", "consumed", "consumed", "transferred", "disposed")
_NO_NUMBER = "some"
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """`repeat`, `late`, `bad` and `adjust` are shares: of requests that are sent twice, of messages that tell of an
    hour ago, of those whose quantity is no number, and of those that tell what came or went, not what is there."""

    rate: float
    seconds: float
    repeat: float
    late: float
    bad: float
    adjust: float


@dataclass(slots=True)
class Answers:
    """What came back. Waiting times in seconds are those of acknowledged requests."""

    by_kind: Counter[str] = field(default_factory=Counter)
    request_ids: set[str] = field(default_factory=set)
    waits_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, request_id: str | None, waited_s: float) -> None:
        with self._lock:
            self.by_kind[kind] += 1
            if request_id is not None:
                self.request_ids.add(request_id)
                self.waits_s.append(waited_s)

    def wait_ms(self, share: float) -> float:
        """So long at most that share of the requests waited for their acknowledgement, in milliseconds."""
        ordered = sorted(self.waits_s)
        return round(1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else 0.0

    def document(self) -> dict[str, object]:
        return {
            "answers": dict(sorted(self.by_kind.items())),
            "messages": len(self.request_ids),
            "wait_ms_median": self.wait_ms(0.5),
            "wait_ms_95": self.wait_ms(0.95),
        }


def simulate(hub: Hub, campus: str, traffic: Traffic, *, actor: str, seed: int | None = None) -> Answers:
    """Send stock levels of a campus, and what came and went, for a while.

    Raises SettingsError when there is no receiver to send to.
    """
    secret = _secret(hub, actor)
    sender = _Sender(hub.settings.messages.port, f"/v1/{campus}/inventory/messages?source={SOURCE}", secret)
    sender.require_receiver()
    answers = Answers()
    began = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, (webhook_id, body) in enumerate(_requests(traffic, random.Random(seed))):
            time.sleep(max(0.0, began + number / traffic.rate - time.monotonic()))
            pool.submit(sender.send, webhook_id, body, answers)
    return answers


def _secret(hub: Hub, actor: str) -> bytes:
    """Of the simulated source, which is added when it is not there."""
    from hub_pipelines.intake.sources.model import rights_from

    if all(one.name != SOURCE for one in hub.sources.listing()):
        hub.sources.add(SOURCE, rights_from(["*/inventory"], hub.campuses, hub.feeds), actor=actor)
    found = hub.sources.recognise(SOURCE)
    if found is None or not found.shared_secrets:
        raise SettingsError(f"The source {SOURCE} was revoked, so nothing can be simulated in this home any more.")
    return found.shared_secrets[-1]


def _requests(traffic: Traffic, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """webhook-id and body of each, repeats among them."""
    left = int(traffic.rate * traffic.seconds)
    while left > 0:
        webhook_id, body = f"erp-{uuid.uuid4().hex}", _body(traffic, chance)
        for _ in range(2 if chance.random() < traffic.repeat else 1):
            yield webhook_id, body
            left -= 1


def _body(traffic: Traffic, chance: random.Random) -> bytes:
    item = chance.randrange(_ITEMS)
    ago = timedelta(hours=1) if chance.random() < traffic.late else timedelta(0)
    quantity = _NO_NUMBER if chance.random() < traffic.bad else str(chance.randrange(1, 500) / 10)
    data = {"item_name": f"Reagent {item:03}", "location": f"Chem {item % 7 + 1}"}
    if chance.random() < traffic.adjust:
        kind = chance.choice(_ADJUSTING)
        amount = quantity if quantity == _NO_NUMBER else str(chance.randrange(1, 500))
        data |= {"quantity": amount, "unit": "mL"}
        if kind == "transferred":
            data["to_location"] = "Storeroom"
    else:
        kind = "set"
        data |= {"quantity_on_hand": quantity, "unit": "L"}
    moment = (datetime.now(UTC) - ago).isoformat()
    return json.dumps({"type": f"inventory.stock.{kind}", "timestamp": moment, "data": data}).encode("utf-8")


@dataclass(slots=True)
class _Sender:
    port: int
    path: str
    secret: bytes
    _own: threading.local = field(default_factory=threading.local)

    def require_receiver(self) -> None:
        try:
            self._connection().connect()
        except OSError as error:
            raise SettingsError(
                f"Nothing takes messages on port {self.port} ({error.strerror}). Start `hub up` first."
            ) from error

    def send(self, webhook_id: str, body: bytes, answers: Answers) -> None:
        began = time.monotonic()
        try:
            answer = self._answer(webhook_id, body)
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._own.connection = None
            answers.add(type(error).__name__, None, 0.0)
            return
        if answer.status == 202:
            kind = "duplicate" if told["duplicate"] else "received"
            answers.add(kind, told["request_id"], time.monotonic() - began)
        else:
            answers.add(f"{answer.status} {told['type'].removeprefix('/#')}", None, 0.0)

    def _answer(self, webhook_id: str, body: bytes) -> http.client.HTTPResponse:
        """The receiver may close what is kept, and this end learns of it when it asks again. Then the message is sent
        once more, by a new connection: by its id it is known if it had come after all."""
        connection = self._connection()
        was_kept = connection.sock is not None
        try:
            return self._ask(connection, webhook_id, body)
        except ConnectionError:
            connection.close()
            if not was_kept:
                raise
        return self._ask(connection, webhook_id, body)

    def _ask(self, connection: http.client.HTTPConnection, webhook_id: str, body: bytes) -> http.client.HTTPResponse:
        connection.request("POST", self.path, body, self._headers(webhook_id, body))
        return connection.getresponse()

    def _connection(self) -> http.client.HTTPConnection:
        """Each thread keeps its own."""
        found: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        return found

    def _headers(self, webhook_id: str, body: bytes) -> dict[str, str]:
        moment = str(int(time.time()))
        signature = hmac.digest(self.secret, f"{webhook_id}.{moment}.".encode() + body, "sha256")
        return {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode('ascii')}",
        }
