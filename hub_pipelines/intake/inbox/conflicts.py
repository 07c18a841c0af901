"""Other contents under a webhook-id that has come before: kept, audited, and a review item of its own.

The first delivery is untouched. The same conflict may come again and again, since senders repeat what is refused; it
is filed once.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Protocol

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.inbox.model import Answered, Delivery
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.submission.model import MESSAGES, Envelope

ACTOR = "hub/receiver"


class Transactions(Protocol):
    def write(self) -> Any: ...

    def read(self) -> Any: ...


class Objects(Protocol):
    def put(self, source: IO[bytes]) -> Any: ...


class Signer(Protocol):
    def sign(self, envelope: Envelope) -> Envelope: ...


class ReviewDesk(Protocol):
    def file_conflict(self, tx: Any, arrival: Arrival, revision: int, envelope: Envelope) -> None: ...


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Raises Transient when database or disk fail; the sender sends again and it is filed then."""

    db: Transactions
    archive: Objects
    signer: Signer
    review: ReviewDesk
    now: Callable[[], datetime]

    def file(self, one: Delivery, first: Answered) -> None:
        identity = canonical_text([one.source, one.webhook_id, one.scope.campus, one.scope.feed, one.body_digest])
        arrival_id = f"conflict-{sha256_hex(identity.encode('utf-8'))[:32]}"
        with self.db.read() as tx:
            if arrivals.find(tx, arrival_id) is not None:
                return
        self.archive.put(io.BytesIO(one.body))
        envelope = self.signer.sign(self._envelope(one, first))
        new = Arrival(
            arrival_id=arrival_id,
            outcome=Outcome.CONFLICT,
            request_id=envelope.request_id,
            scope=one.scope,
            source_name=one.webhook_id,
            content_digest=one.body_digest,
            size_bytes=len(one.body),
            arrived_at=envelope.received_at,
            reason=f"{one.source} has sent other contents under the webhook-id {one.webhook_id} before.",
            fix="The first contents stand. If these are new data, have them sent under a webhook-id of their own.",
        )
        with self.db.write() as tx:
            if arrivals.find(tx, arrival_id) is not None:
                return
            arrivals.add(tx, new, receipt_due=False)  # the sender has its answer
            self.review.file_conflict(tx, new, 1, envelope)
            detail: dict[str, object] = {
                "arrival_id": arrival_id,
                "feed": one.scope.feed,
                "source": one.source,
                **new.told,
                "first_received_at": first.received_at.isoformat(),
            }
            audit.append(tx, Event(one.scope.campus, ACTOR, "message:conflict", one.webhook_id, new.request_id, detail))

    def _envelope(self, one: Delivery, first: Answered) -> Envelope:
        return Envelope(
            request_id=first.request_ids[0],
            campus=one.scope.campus,
            feed=one.scope.feed,
            channel=MESSAGES,
            source_system=one.source,
            source_name=one.webhook_id,
            content_digest=one.body_digest,
            size_bytes=len(one.body),
            received_at=self.now(),
            headers=one.headers,
            sender_key=one.sender_key_of(one.messages[0]),
        )
