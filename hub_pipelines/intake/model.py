"""What arrives and what intake answers. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.clock import iso
from hub_pipelines.common.scope import Scope
from hub_pipelines.submission.model import Failure


class Outcome(StrEnum):
    """Intake's answer. `refused` alone stores no bytes: there were none that could be taken.

    `previewed` is no submission and has no effect (decisions/0049): the sender only wants to know what would happen.
    """

    RECEIVED = "received"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    PREVIEWED = "previewed"


class Purpose(StrEnum):
    """What a file is sent for, by the folder that it is dropped in: the feed's own, or one of two in it."""

    UPDATE = "update"  # its rows set their items
    COUNT = "complete_count"  # it also lists all that is at its locations (decisions/0050)
    PREVIEW = "preview"  # what would happen?


FOLDER_OF = {Purpose.COUNT: "complete-count", Purpose.PREVIEW: "preview"}
"""Their names in a feed's folder."""

REVISES = "revises"
"""The header of a corrected copy's envelope that names the submission in whose place it was sent."""

HELD = "held"
"""The header of an envelope that must wait for a person, whoever registers it: why, as JSON (`held_for`)."""

SHAPE = "shape"
"""The header of a held batch's envelope that tells how its records differ, as JSON."""


def held_text(failure: Failure) -> str:
    """What the header HELD says."""
    told = {"error_type": failure.error_type, "reason": failure.reason, "fix": failure.fix, "trace": failure.trace}
    return canonical_text(told)


def held_for(headers: Mapping[str, str]) -> Failure | None:
    """Why what has these headers must wait for a person; None when it need not."""
    if HELD in headers:
        return Failure(**json.loads(headers[HELD]), run_id=None)
    if SHAPE in headers:  # held before envelopes said why
        told, fix = "These records of a portal differ from those before.", "Poll it again, and dismiss this item."
        return Failure("PortalDrift", told, fix, "", None)
    return None


@dataclass(frozen=True, slots=True)
class Payload:
    """One file or upload whose bytes are archived already.

    `arrival_id` names this one arrival, so that a crash between registering and cleaning up is no
    second arrival. `sender_key` is the sender's own key, where there is one. `revises` names the submission that
    this one corrects; without it that is the newest of the same name. `complete_count`: the sender declares that
    the file lists everything that is at its locations.
    """

    arrival_id: str
    scope: Scope
    channel: str
    source_system: str
    source_name: str
    content_digest: str
    size_bytes: int
    headers: dict[str, str] = field(default_factory=dict)
    sender_key: str | None = None
    revises: str | None = None
    complete_count: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registered arrival. `request_id` is None only for what was refused or previewed."""

    arrival_id: str
    outcome: Outcome
    request_id: str | None
    scope: Scope
    source_name: str
    content_digest: str | None
    size_bytes: int
    arrived_at: datetime
    reason: str | None = None
    fix: str | None = None

    @property
    def told(self) -> dict[str, object]:
        """What its audit entry tells of it, beside its outcome, scope, name and request_id."""
        told = {
            "content_digest": self.content_digest,
            "size_bytes": self.size_bytes,
            "arrived_at": iso(self.arrived_at),
            "reason": self.reason,
            "fix": self.fix,
        }
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PreviewDue:
    """A preview whose receipt is not written. `attempts` counts the times that one has begun on it.

    `launched_at` is when a run was last asked for, or since when whoever sent it makes it himself (no launch yet).
    """

    arrival: Arrival
    complete_count: bool
    launches: int
    launched_at: datetime | None
    attempts: int


_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
"""Ten bits each: base64.b32encode takes four times as long."""
_BITS_OF_DIGEST, _BITS_OF_PAIR = 150, 10


def request_id_for(scope: Scope, content_digest: str, sender_key: str | None, *, complete_count: bool = False) -> str:
    """The identity of a submission: campus, feed and its content or the sender's own key; never the file's name.

    150 bits of SHA-256 in lower-case base 32, behind campus and feed so that partitions filter by campus. The same
    content declared a complete count is another thing than the same content as an update.
    """
    identity = ("key", sender_key) if sender_key is not None else ("content", content_digest)
    kind = ("complete count",) if complete_count else ()
    text = "\n".join(("hub-request-1", scope.campus, scope.feed, *identity, *kind))
    digest = int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()) >> (256 - _BITS_OF_DIGEST)
    shifts = range(_BITS_OF_DIGEST - _BITS_OF_PAIR, -1, -_BITS_OF_PAIR)
    short = "".join([_PAIRS[digest >> shift & 1023] for shift in shifts])
    return f"{scope.campus}-{scope.feed}-{short}"
