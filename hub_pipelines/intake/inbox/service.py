"""Taking deliveries: envelope and signature for each message, one transaction for many deliveries.

Nobody is answered before that transaction is durable. Not here: who may send (sources), HTTP (web), what becomes of
messages later (sealing).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.store import Database
from hub_pipelines.intake.inbox import store
from hub_pipelines.intake.inbox.model import Answered, Capacity, Delivery, Filling, Incoming, Message, Waiting
from hub_pipelines.submission.model import MESSAGES, Envelope


class Signer(Protocol):
    def sign(self, envelope: Envelope) -> Envelope: ...


@dataclass(frozen=True, slots=True)
class Inbox:
    """Raises Transient when the database or its disk fail; the sender sends again."""

    db: Database
    signer: Signer
    now: Callable[[], datetime]
    capacity: Capacity

    def accept(self, deliveries: Sequence[Delivery]) -> list[Answered]:
        """Take these, in this order, in one transaction: when this returns, what was received is durable.

        Never more than the capacity waits, however many processes take deliveries.
        """
        at = self.now()
        signed = [[self._envelope(one, incoming, at) for incoming in one.messages] for one in deliveries]
        with self.db.write() as tx:
            return store.accept(tx, deliveries, signed, capacity=self.capacity, at=at)

    def filling(self) -> Filling:
        with self.db.read() as tx:
            return Filling(self.capacity, store.load(tx))

    def count(self) -> int:
        """Messages that were ever acknowledged."""
        with self.db.read() as tx:
            return store.count(tx)

    def waiting(self) -> list[Waiting]:
        with self.db.read() as tx:
            return store.waiting(tx)

    def find(self, request_id: str) -> Message | None:
        with self.db.read() as tx:
            return store.find(tx, request_id)

    def _envelope(self, one: Delivery, incoming: Incoming, at: datetime) -> Envelope:
        return self.signer.sign(envelope_of(one, incoming, at))


def envelope_of(one: Delivery, incoming: Incoming, at: datetime) -> Envelope:
    """What the hub knows of a message when it comes, unsigned."""
    return Envelope(
        request_id=one.request_id_of(incoming),
        campus=one.scope.campus,
        feed=one.scope.feed,
        channel=MESSAGES,
        source_system=one.source,
        source_name=one.name_of(incoming),
        content_digest=sha256_hex(incoming.body),
        size_bytes=len(incoming.body),
        received_at=at,
        headers=one.headers,
        sender_key=one.sender_key_of(incoming),
    )
