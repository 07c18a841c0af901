"""An audit entry and the arithmetic of its chain. Pure: an inspector can recompute it with this page alone.

hash(n) = SHA-256 of the canonical JSON of entry n, which holds hash(n-1); the first entry's is GENESIS.
"""

from dataclasses import dataclass
from datetime import datetime

from hub_pipelines.common.canonical import digest_of
from hub_pipelines.common.clock import iso

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, before it has a place in a chain.

    `event` is `subject:action` (`submission:posted`), `actor` a person or part of the hub.
    """

    campus: str
    actor: str
    event: str
    subject: str
    request_id: str | None
    detail: dict[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    at: datetime
    event: Event
    prev_hash: str
    hash: str

    @staticmethod
    def following(prev_seq: int, prev_hash: str, at: datetime, event: Event) -> "Entry":
        return Entry(prev_seq + 1, at, event, prev_hash, entry_hash(prev_seq + 1, prev_hash, at, event))


def entry_hash(seq: int, prev_hash: str, at: datetime, event: Event) -> str:
    return digest_of(
        {
            "campus": event.campus,
            "seq": seq,
            "at": iso(at),
            "actor": event.actor,
            "event": event.event,
            "subject": event.subject,
            "request_id": event.request_id,
            "detail": event.detail,
            "prev_hash": prev_hash,
        }
    )


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The outcome of a walk. `first_bad` names the first broken entry as `campus:seq` and what is wrong."""

    entries: int
    first_bad: str | None
    heads: dict[str, str]

    @property
    def ok(self) -> bool:
        return self.first_bad is None
