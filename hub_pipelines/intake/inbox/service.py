"""Taking deliveries: envelope and signature for each message, one transaction for many deliveries.

Nobody is answered before that transaction is durable. Records that the hub reads itself come in the same way, by
versions. Not here: who may send (sources), HTTP (web, portals), what becomes of messages later (sealing).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Protocol

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.short import Meanwhile
from hub_pipelines.common.store import Database, short_in
from hub_pipelines.intake.inbox import store
from hub_pipelines.intake.inbox.model import (
    NO_VERSION,
    Answered,
    Capacity,
    Delivery,
    Filling,
    FoundRecord,
    Group,
    Incoming,
    Message,
    SignedEnvelope,
    Version,
    Waiting,
    delivery_of,
)
from hub_pipelines.intake.inbox.records import store as records
from hub_pipelines.intake.model import request_id_for
from hub_pipelines.submission.model import Envelope


class Signer(Protocol):
    def sign_together(self, envelopes: Sequence[Envelope]) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Inbox:
    """Raises Transient when the database or its disk fail; the sender sends again."""

    db: Database
    signer: Signer
    now: Callable[[], datetime]
    capacity: Capacity

    def prepare(self, deliveries: Sequence[Delivery]) -> Group:
        """All that these need, and that the database is not needed for: their envelopes, signed together."""
        at = self.now()
        each = [envelope_of(one, incoming, at) for one in deliveries for incoming in one.messages]
        texts = self.signer.sign_together(each)
        signed = iter([SignedEnvelope(one.request_id, text) for one, text in zip(each, texts, strict=True)])
        return Group(deliveries, [list(islice(signed, len(one.messages))) for one in deliveries], at)

    def accept(self, group: Group, *, meanwhile: Meanwhile = lambda _: None) -> list[Answered]:
        """Take its deliveries, in their order, in one transaction: when this returns, what was received is durable. On
        PostgreSQL another one before that may find that it can't take all of them in one go, and takes none.

        `meanwhile` is called when all that is left is the database's to do. Never more than the capacity waits,
        however many processes take deliveries.
        """
        answers = None
        if self.db.is_postgres and store.goes_together(group):
            with self.db.short(meanwhile) as short:
                asked = store.put_together(short, group, self.capacity)
            answers = store.taken_together(group, asked)
            meanwhile = _nothing_more
        if answers is None:
            with self.db.short(meanwhile) as short:
                answers = store.accept(short, group, capacity=self.capacity)
        return self._with_known(group.deliveries, answers)

    def _with_known(self, deliveries: Sequence[Delivery], answers: Sequence[Answered | None]) -> list[Answered]:
        """With what came first, where something came before."""
        if None not in answers:
            return [one for one in answers if one is not None]
        with self.db.read() as tx:
            return [answer or store.known(tx, one) for one, answer in zip(deliveries, answers, strict=True)]

    def filling(self) -> Filling:
        with self.db.read() as tx:
            return Filling(self.capacity, store.load(tx))

    def take_found(
        self, source: str, found: Sequence[FoundRecord], *, mark: int, seen: Sequence[str] = ()
    ) -> list[str]:
        """Take those of these records that are not known as they are; the record_ids of what was taken, in order.

        One transaction: a record's version and its message are there together or not at all. All are marked as seen
        with `mark`, and so are those that were only `seen`.
        """
        ids = list(dict.fromkeys([*(one.record_id for one in found), *seen]))
        while True:
            before = self.versions(source, ids)
            new, versions = _news_of(found, before)
            # signed outside of the transaction, which is to be short: others wait for it
            group = self.prepare(list(new.values()))
            with self.db.write() as tx:
                if records.versions(tx, source, ids, keep_still=True) == before:
                    with short_in(tx) as short:
                        store.accept(short, group, capacity=None)
                    records.keep_versions(tx, source, {one: versions.get(one, NO_VERSION) for one in ids}, mark=mark)
                    return [record_id for record_id, _ in new]

    def versions(self, source: str, record_ids: Sequence[str]) -> dict[str, Version]:
        """The newest version of each of these records that is known."""
        with self.db.read() as tx:
            return records.versions(tx, source, record_ids)

    def seen_with(self, source: str, mark: int, record_ids: Sequence[str]) -> dict[str, str]:
        """Of these records those that were marked so, each with the digest of its newest version."""
        with self.db.read() as tx:
            return records.seen_with(tx, source, mark, record_ids)

    def count_seen(self, source: str, mark: int, *, first: int | None = None) -> int:
        """How many different records were marked so last, or with one of the marks from `first` on."""
        with self.db.read() as tx:
            return records.count_seen(tx, source, mark if first is None else first, mark)

    def count(self) -> int:
        """Messages that were ever acknowledged."""
        with self.db.read() as tx:
            return store.count(tx)

    def taken(self) -> int:
        """As `count`, for whoever asks often."""
        with self.db.read() as tx:
            return store.taken(tx)

    def waiting(self) -> list[Waiting]:
        with self.db.read() as tx:
            return store.waiting(tx)

    def find(self, request_id: str) -> Message | None:
        with self.db.read() as tx:
            return store.find(tx, request_id)

    def sent_under(self, sources: Iterable[str], webhook_id: str) -> list[Message]:
        """The messages that one of these sources has sent under a webhook-id."""
        with self.db.read() as tx:
            found = [store.find(tx, request_id) for request_id in store.sent_under(tx, sources, webhook_id)]
        return [one for one in found if one is not None]

    def body_of(self, request_id: str) -> bytes:
        """A message's body as it came; empty once the archive has it."""
        with self.db.read() as tx:
            return store.body_of(tx, request_id)


def _nothing_more(_answer: int | None) -> None:
    """The next group has been handed over already."""


def _news_of(
    found: Sequence[FoundRecord], before: Mapping[str, Version]
) -> tuple[dict[tuple[str, int], Delivery], dict[str, Version]]:
    """The deliveries of what is new or changed, by record_id and version, and the newest version of each record."""
    versions = dict(before)
    new: dict[tuple[str, int], Delivery] = {}
    for one in found:
        known = versions.get(one.record_id, NO_VERSION)
        if known.has_news(one):
            delivery, version = delivery_of(one, known)
            new[one.record_id, version.number] = delivery
            versions[one.record_id] = version
    return new, versions


def envelope_of(one: Delivery, incoming: Incoming, at: datetime) -> Envelope:
    """What the hub knows of a message when it comes, unsigned."""
    sender_key = one.sender_key_of(incoming)
    return Envelope(
        request_id=request_id_for(one.scope, "", sender_key),
        campus=one.scope.campus,
        feed=one.scope.feed,
        channel=one.channel,
        source_system=one.source,
        source_name=one.name_of(incoming),
        content_digest=sha256_hex(incoming.body),
        size_bytes=len(incoming.body),
        received_at=at,
        headers=one.headers,
        sender_key=sender_key,
    )
