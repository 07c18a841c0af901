"""What arrives and what intake answers. Pure."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub_pipelines.common.scope import Scope


class Outcome(StrEnum):
    """Intake's answer. `refused` alone stores no bytes: there were none that could be taken."""

    RECEIVED = "received"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Payload:
    """One file or upload whose bytes are archived already.

    `arrival_id` names this one arrival, so that a crash between registering and cleaning up is no
    second arrival. `sender_key` is the sender's own key, where there is one. `revises` names the submission that
    this one corrects; without it that is the newest of the same name.
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registered arrival. `request_id` is None only for what was refused."""

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


def request_id_for(scope: Scope, content_digest: str, sender_key: str | None) -> str:
    """The identity of a submission: campus, feed and its content or the sender's own key; never the file's name.

    150 bits of SHA-256 in lower-case base 32, behind campus and feed so that partitions filter by campus.
    """
    identity = ("key", sender_key) if sender_key is not None else ("content", content_digest)
    text = "\n".join(("hub-request-1", scope.campus, scope.feed, *identity))
    short = base64.b32encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii").lower()[:30]
    return f"{scope.campus}-{scope.feed}-{short}"
