"""An audit entry and the arithmetic of its chain. Pure: an inspector can recompute it with this page alone.

hash(n) = SHA-256 of the canonical JSON of entry n, which holds hash(n-1); the first entry's is GENESIS.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub_pipelines.common.canonical import digest_of
from hub_pipelines.common.clock import iso

GENESIS = "0" * 64
MEND = "Find out who changed it, and have the record restored from a backup."
"""What to do where a record is not what a chain tells."""


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

    def document(self) -> dict[str, object]:
        """What is hashed, and the hash."""
        return {**_hashed(self.seq, self.prev_hash, self.at, self.event), "hash": self.hash}


def entry_hash(seq: int, prev_hash: str, at: datetime, event: Event) -> str:
    return digest_of(_hashed(seq, prev_hash, at, event))


def _hashed(seq: int, prev_hash: str, at: datetime, event: Event) -> dict[str, object]:
    return {
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


LINK_BYTES = 8
"""So much of each entry's hash is kept in a checkpoint: enough to name the first entry that was rewritten, which the
whole hash of the checkpoint's own entry has proved."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What genuine checkpoints tell of one chain, beside which the chain is walked.

    `links` holds the first LINK_BYTES of the hash of each entry from the first one on, as far as checkpoints reach;
    `heads` whole hashes of some entries by their seq, each with who tells it.
    """

    links: bytes = b""
    heads: Mapping[int, tuple[str, str]] = field(default_factory=dict)


SET_BACK = timedelta(minutes=5)
"""So much earlier than an entry before it an entry may be dated: clocks are corrected by seconds."""


@dataclass(frozen=True, slots=True)
class Walked:
    """The end of a walk over one chain; `fault` is what is wrong with the entry after it, None when nothing is.

    `dated_back` tells of the first entry that is dated before another one that was there when it was written.
    """

    seq: int
    hash: str
    fault: str | None
    dated_back: str | None = None


def walk_chain(entries: Iterable[Entry], signed: Signed, *, seq: int = 0, last: str = GENESIS) -> Walked:
    """Recompute a chain from its first entry, or from the one after `seq` with the hash `last`, and hold it against
    what checkpoints tell of it."""
    links, heads, reach = signed.links, signed.heads, len(signed.links) // LINK_BYTES
    latest: datetime | None = None
    back: str | None = None
    for entry in entries:
        bad = _fault(entry, seq, last)
        if bad is None and seq < reach and links[seq * LINK_BYTES : entry.seq * LINK_BYTES] != link_of(entry.hash):
            bad = "was written anew: a signed checkpoint tells of another entry in its place"
        if bad is None and entry.seq in heads and heads[entry.seq][0] != entry.hash:
            # without links there is no telling which of those since the last head was the first
            which = "was" if entry.seq <= reach else "or one shortly before it was"
            bad = f"{which} written anew: {heads[entry.seq][1]} tells of another entry in its place"
        if bad:
            return Walked(seq, last, bad, back)
        if latest is not None and back is None and latest - entry.at > SET_BACK:
            back = _dated_back(entry, latest)
        seq, last, latest = entry.seq, entry.hash, max(latest or entry.at, entry.at)
    ahead = [place for place in (*heads, reach) if place > seq]
    if ahead:
        teller = heads[max(ahead)][1] if max(ahead) in heads else "a signed checkpoint"
        return Walked(seq, last, f"is missing: entries were cut off, {teller} tells of {max(ahead)}", back)
    return Walked(seq, last, None, back)


def link_of(entry_hash: str) -> bytes:
    return bytes.fromhex(entry_hash[: 2 * LINK_BYTES])


def _fault(entry: Entry, prev_seq: int, prev_hash: str) -> str | None:
    if entry.seq != prev_seq + 1:
        return f"is missing: an entry numbered {entry.seq} stands in its place"
    if entry.prev_hash != prev_hash:
        return "does not continue the entry before it"
    try:
        is_as_written = entry.hash == entry_hash(entry.seq, entry.prev_hash, entry.at, entry.event)
    except (TypeError, ValueError, RecursionError):  # what no entry is written with: bytes, NaN, half a character
        is_as_written = False
    return None if is_as_written else "was changed after it was written"


def _dated_back(entry: Entry, latest: datetime) -> str:
    return (
        f"{entry.event.campus}:{entry.seq} is dated {entry.at:%Y-%m-%d %H:%M} UTC, and one before it "
        f"{latest:%Y-%m-%d %H:%M} UTC: the database's clock was set back, or the entry was dated back"
    )


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The outcome of a walk. `first_bad` names the first broken entry as `campus:seq` and what is wrong.

    `signed` tells for each campus up to which entry checkpoints cover its chain; `notes` what an operator should know
    and nobody need have tampered with.
    """

    entries: int
    first_bad: str | None
    heads: dict[str, str]
    signed: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.first_bad is None
