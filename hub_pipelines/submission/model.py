"""States of a submission, the legal moves between them, the envelope and the row counts. Pure.

Belongs here: what a submission *is*. Not here: how it arrives (intake), how its rows are judged
(validate), how it reaches a ledger (ledger).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub_pipelines.common.clock import iso
from hub_pipelines.common.errors import HubError, Permanent


class State(StrEnum):
    """Each value says who moves it on, and what a crash leaves behind."""

    RECEIVED = (
        "received"  # durable, not begun or begun in vain; the campus's sensor launches it; a crash leaves it as it is
    )
    LEASED = "leased"  # a run works on it; a crash leaves it until the lease ends, then another run takes over
    RETRYING = "retrying"  # a transient error; the sensor launches it again at retry_at
    POSTED = "posted"  # in the ledger (with 0 rows too); a person may apply it again
    IN_REVIEW = "in_review"  # a person must decide: replay or dismiss
    DISMISSED = "dismissed"  # a person decided, with a reason; final


_MOVES: dict[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.LEASED, State.IN_REVIEW}),
    State.LEASED: frozenset({State.LEASED, State.RECEIVED, State.RETRYING, State.POSTED, State.IN_REVIEW}),
    State.RETRYING: frozenset({State.LEASED, State.IN_REVIEW}),
    State.POSTED: frozenset({State.RECEIVED}),
    State.IN_REVIEW: frozenset({State.RECEIVED, State.DISMISSED}),
    State.DISMISSED: frozenset(),
}

MESSAGES = "webhook"
"""The channel of messages and of the batches that they are sealed into."""
NUMBER = "messages"
"""The header of a batch's envelope that tells how many messages it brings."""

UNSETTLED = (State.RECEIVED, State.LEASED, State.RETRYING)


class IllegalMove(HubError):
    """The submission is not in a state from which this can be done. Nobody retries; the text says why."""


def may_move(before: State, after: State) -> bool:
    """The one place that knows the state diagram of ARCHITECTURE.md."""
    return after in _MOVES[before]


class Cause(StrEnum):
    """Why a submission waits for a person."""

    UNREADABLE = "unreadable"
    QUESTION = "question"
    DRIFT = "drift"
    INTEGRITY = "integrity"
    EXHAUSTED = "exhausted"
    BLOCKED = "blocked"
    CONFLICT = "conflict"


class Integrity(Permanent):
    """The archived bytes or the envelope are not what was signed. Nobody retries; review."""

    cause = "integrity"


class LeaseLost(HubError):
    """Another run holds the submission by now: this one must stop and write nothing. Nobody retries."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the hub knows of a payload when it arrives; `signature` (Ed25519) covers all the rest.

    `complete_count`: its sender declares that it lists everything that is at its locations.
    """

    request_id: str
    campus: str
    feed: str
    channel: str
    source_system: str
    source_name: str
    content_digest: str
    size_bytes: int
    received_at: datetime
    headers: dict[str, str] = field(default_factory=dict)
    sender_key: str | None = None
    key_id: str = ""
    signature: str = ""
    complete_count: bool = False

    def is_large(self, large_mb: float) -> bool:
        """A batch of messages never is: settings of its own bound it, and what is in it is urgent to those who sent
        it."""
        return self.channel != MESSAGES and self.size_bytes > large_mb * 1_000_000

    def signed_part(self) -> dict[str, object]:
        # envelopes from before there were counts were signed without the word, and still verify
        declared: dict[str, object] = {"complete_count": True} if self.complete_count else {}
        return {
            "request_id": self.request_id,
            "campus": self.campus,
            "feed": self.feed,
            "channel": self.channel,
            "source_system": self.source_system,
            "source_name": self.source_name,
            "content_digest": self.content_digest,
            "size_bytes": self.size_bytes,
            "received_at": iso(self.received_at),
            "headers": self.headers,
            "sender_key": self.sender_key,
            "key_id": self.key_id,
            **declared,
        }

    @property
    def messages(self) -> int:
        """How many messages a batch brings, as it was told when it was sealed. 0 of a file: nobody has read it yet."""
        return int(self.headers.get(NUMBER, 0)) if self.channel == MESSAGES else 0

    def document(self) -> dict[str, object]:
        return {**self.signed_part(), "signature": self.signature}

    @staticmethod
    def from_document(document: dict[str, object]) -> "Envelope":
        """Inverse of `document`; raises KeyError, TypeError or ValueError when a part is missing or malformed."""
        fields = dict(document)
        fields["received_at"] = datetime.fromisoformat(str(fields["received_at"]))
        return Envelope(**fields)  # type: ignore[arg-type]  # the names are checked by the call itself


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one submission, the conservation equation: received = waiting + the rest, always."""

    received: int = 0
    waiting: int = 0
    posted: int = 0
    unchanged: int = 0
    rejected: int = 0
    held: int = 0
    superseded: int = 0
    dismissed: int = 0

    @property
    def accounted(self) -> bool:
        rest = self.posted + self.unchanged + self.rejected + self.held + self.superseded + self.dismissed
        return self.received == self.waiting + rest

    def document(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNT_NAMES}


COUNT_NAMES = ("received", "waiting", "posted", "unchanged", "rejected", "held", "superseded", "dismissed")


@dataclass(frozen=True, slots=True)
class Submission:
    """One row of the hub's truth. `token` is the fencing token of the newest lease, `decision` the digest of how the
    file was read, `receipts_asked` how often something gave cause for a receipt, `waits_for` the ledger for which its
    last run gave its place to others, `gave_way` how often its runs did."""

    envelope: Envelope
    state: State
    cause: Cause | None
    reason: str | None
    fix: str | None
    revision: int
    launch: int
    launched_at: datetime | None
    launches_in_vain: int
    attempts: int
    token: int
    lease_owner: str | None
    lease_until: datetime | None
    retry_at: datetime | None
    source_version: int
    revises: str | None
    staged: str | None
    decision: str | None
    counts: Counts
    posted_at: datetime | None
    settled_at: datetime | None
    registry_version: int | None
    run_id: str | None
    receipts_asked: int
    waits_for: str | None
    gave_way: int

    @property
    def attempts_in_all(self) -> int:
        """Those of every revision, without those that gave their place to others."""
        return self.token - self.gave_way

    @property
    def request_id(self) -> str:
        return self.envelope.request_id

    @property
    def run_key(self) -> str:
        return f"{self.request_id}:{self.revision}:{self.launch}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a submission until `until`; `token` must go with every write."""

    request_id: str
    revision: int
    token: int
    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else holds the lease, or the retry is not due yet, or an earlier file of its source goes first."""

    request_id: str
    state: State
    behind: str | None = None
    """The request_id of that earlier file."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The submission is settled already; a run that finds this ends well."""

    request_id: str
    state: State


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in an attempt, kept in full for the reviewer."""

    error_type: str
    reason: str
    fix: str
    trace: str
    run_id: str | None
