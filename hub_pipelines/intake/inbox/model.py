"""A delivery of messages, what the inbox answers, and a message on its way. Pure.

A delivery is what one HTTP request brings under one `webhook-id`: one JSON object, or lines of them. It is taken whole
or not at all, so its id answers for all of its messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.clock import EARLIEST, iso
from hub_pipelines.common.scope import Scope
from hub_pipelines.submission.model import MESSAGES


class Answer(StrEnum):
    RECEIVED = "received"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    FULL = "full"  # so much waits already that this is to come again later


class Incoming(NamedTuple):
    """One message as it came. `line` is its line in the delivery, None where the delivery is one message."""

    body: bytes
    record_type: str
    """The record type that it is sealed with."""
    line: int | None = None


class Delivery(NamedTuple):
    source: str
    webhook_id: str
    scope: Scope
    body: bytes
    messages: tuple[Incoming, ...]
    headers: dict[str, str]
    channel: str = MESSAGES

    @property
    def body_digest(self) -> str:
        return sha256_hex(self.body)

    @property
    def load(self) -> "Load":
        """What waits more when it is taken."""
        return Load(len(self.messages), sum(len(one.body) for one in self.messages))

    def name_of(self, one: Incoming) -> str:
        """The sender's name for a message: its webhook-id, and its line where there are more."""
        return self.webhook_id if one.line is None else f"{self.webhook_id}/{one.line}"

    def sender_key_of(self, one: Incoming) -> str:
        return canonical_text(["message", self.source, self.webhook_id, one.line or 0])


class SignedEnvelope(NamedTuple):
    """A message's envelope as it is kept: canonical JSON, with its signature."""

    request_id: str
    text: str


class Group(NamedTuple):
    """Deliveries that are to be written together, with the signed envelopes of each one's messages, of one moment."""

    deliveries: Sequence[Delivery]
    envelopes: Sequence[Sequence[SignedEnvelope]]
    at: datetime


class Answered(NamedTuple):
    """What became of a delivery. `request_ids` are those of its messages in their order, or of the delivery that came
    first under its webhook-id, at `received_at`; there are none where the inbox was full."""

    answer: Answer
    request_ids: tuple[str, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as the hub has found it by reading: nobody sent it, so the hub itself tells whether it is new.

    `source` and `record_id` say which one it is, `data` what it says now; what is equal to its newest version is known.
    `changed_at` is when it was changed last, where that is told; `read_at` when it was read.
    """

    source: str
    record_id: str
    scope: Scope
    record_type: str
    data: Mapping[str, Any]
    read_at: datetime
    changed_at: datetime | None
    headers: dict[str, str]
    channel: str

    @property
    def digest(self) -> str:
        told = [self.scope.campus, self.scope.feed, self.record_type, dict(self.data)]
        return sha256_hex(canonical_text(told).encode("utf-8"))


@dataclass(frozen=True, slots=True)
class Version:
    """The newest version of a record. 0: none was taken yet.

    `read_at` is when that was read: what somebody has read before and brings later is not taken.
    """

    number: int
    digest: str
    occurred_at: datetime | None
    read_at: datetime | None

    def has_news(self, one: FoundRecord) -> bool:
        """Whether a record says something else now, and is not an older sight of it."""
        return self.digest != one.digest and (self.read_at is None or self.read_at <= one.read_at)


NO_VERSION = Version(0, "", None, None)


def delivery_of(one: FoundRecord, before: Version) -> tuple[Delivery, Version]:
    """The next version of a record, as a delivery with a message.

    A version never occurred before the one that it follows, nor later than it was read: what a portal says now counts,
    also when it takes something back, or has a day where others have a moment. What it tells of a time before 1970 is
    no moment that it knows.
    """
    told = one.changed_at if one.changed_at is not None and one.changed_at >= EARLIEST else one.read_at
    occurred_at = min(told, one.read_at)
    if before.occurred_at is not None:
        occurred_at = max(occurred_at, before.occurred_at)
    version = Version(before.number + 1, one.digest, occurred_at, one.read_at)
    document = {"type": f"{one.record_type}.set", "timestamp": iso(occurred_at), "data": dict(one.data)}
    body = canonical_text(document).encode("utf-8")
    headers = {**one.headers, "record_id": one.record_id, "version": str(version.number)}
    name = f"{one.record_id}@{version.number}-{one.digest[:16]}"
    messages = (Incoming(body, one.record_type),)
    return Delivery(one.source, name, one.scope, body, messages, headers, one.channel), version


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the inbox. `line` is its own in what it came with, None where it came alone. `batch_id` and `row_no`
    are its place in a batch, None while it waits; `submission` is the batch's request_id once that is registered."""

    request_id: str
    source: str
    webhook_id: str
    line: int | None
    scope: Scope
    received_at: datetime
    batch_id: str | None
    row_no: int | None
    submission: str | None


@dataclass(frozen=True, slots=True)
class Stream:
    """What is sealed together: messages of one campus, feed and record type."""

    campus: str
    feed: str
    record_type: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits of a stream."""

    stream: Stream
    messages: int
    size_bytes: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are sealed together; `number` counts the batches of a stream. `submission` is None until it is
    registered. `batch_id` ends with `.1` or `.2` for each time that it was split.

    `content_digest` names its bytes in the archive, once they are there. Of the first `bodies_removed` of its messages
    only they tell what these say. Its messages are those of its stream with the numbers from `first_message` to
    `last_message`, which are None when it was split, and its halves have them.
    """

    batch_id: str
    stream: Stream
    number: int
    messages: int
    submission: str | None
    content_digest: str | None = None
    bodies_removed: int = 0
    first_message: int | None = None
    last_message: int | None = None

    @property
    def half_of(self) -> str | None:
        """The batch from which it was split."""
        name, _, part = self.batch_id.rpartition(".")
        return name if part in ("1", "2") and name.rpartition("-")[2].replace(".", "").isdecimal() else None


# ---- how much may wait

FILLING, NEARLY_FULL = 0.7, 0.9
"""Shares of the capacity from which on people are told; beyond the second not everybody's messages are taken."""


@dataclass(frozen=True, slots=True)
class Load:
    """Messages that are in no batch yet, and the bytes of their bodies."""

    messages: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Load") -> "Load":
        return Load(self.messages + other.messages, self.size_bytes + other.size_bytes)

    def fits(self, room: "Load") -> bool:
        return self.messages <= room.messages and self.size_bytes <= room.size_bytes


@dataclass(frozen=True, slots=True)
class Capacity:
    """What may wait at most, of all `campuses` together.

    The last tenth is kept for feeds that are `urgent`, and for campuses of which less waits than their equal share:
    one that floods the inbox shuts out neither.
    """

    most: Load
    campuses: int = 1
    urgent: frozenset[str] = frozenset()

    def share_of(self, load: Load) -> float:
        """The larger of the shares of messages and of bytes."""
        return max(load.messages / self.most.messages, load.size_bytes / self.most.size_bytes)

    def room_beside(self, loads: Iterable[Load]) -> Load:
        """So much may wait already that there is room for these, whoever they are for."""
        each = [(one.messages, one.size_bytes) for one in loads]
        messages = int(NEARLY_FULL * self.most.messages) - sum(messages for messages, _ in each)
        return Load(messages, int(NEARLY_FULL * self.most.size_bytes) - sum(size_bytes for _, size_bytes in each))

    def takes(self, scope: Scope, more: Load, waiting: Mapping[str, Load]) -> bool:
        """Whether this much more may come for a scope, beside what waits of each campus."""
        share = self.share_of(sum(waiting.values(), more))
        if share > 1:
            return False
        own = self.share_of(waiting.get(scope.campus, Load()) + more)
        return share <= NEARLY_FULL or scope.feed in self.urgent or own <= 1 / self.campuses


@dataclass(frozen=True, slots=True)
class Filling:
    """How full the inbox is, as people are told."""

    capacity: Capacity
    waiting: Mapping[str, Load]
    """By campus."""

    @property
    def whole(self) -> Load:
        return sum(self.waiting.values(), Load())

    @property
    def share(self) -> float:
        return self.capacity.share_of(self.whole)

    @property
    def sentence(self) -> str:
        whole, most = self.whole, self.capacity.most
        most_of = max(self.waiting, key=lambda one: self.capacity.share_of(self.waiting[one]), default="")
        return (
            f"the inbox of messages is {self.share:.0%} full: {whole.messages:,} of {most.messages:,} messages and "
            f"{whole.size_bytes / 1e6:,.0f} of {most.size_bytes / 1e6:,.0f} MB wait, most of them for {most_of}; "
            "when it is full, senders are told to come again"
        )

    @property
    def troubles(self) -> dict[str, str]:
        """The sentence under each threshold that is reached."""
        return {f"inbox {at:.0%}": self.sentence for at in (FILLING, NEARLY_FULL) if self.share >= at}
