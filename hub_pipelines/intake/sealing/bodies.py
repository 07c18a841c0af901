"""What messages say, in the inbox: it may go when their batch's bytes are in the archive, and comes back from there.

Ids and digests stay for ever: who sends again is answered as before. A batch is sealed again when an older database
was put back, or in halves when it brings workers down; then its bytes are needed, and are taken from the archive
(decisions/0092). Not here: when what is old (pruning.py).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.store import Database
from hub_pipelines.intake.inbox.model import Batch
from hub_pipelines.intake.sealing import store
from hub_pipelines.intake.sealing.payload import payload_of
from hub_pipelines.submission.model import Integrity

_AT_ONCE = 1_000
"""So many messages lose their bodies in one transaction, for whose end deliveries wait."""


class Objects(Protocol):
    def verify(self, digest: str) -> Path: ...


@dataclass(frozen=True, slots=True)
class Bodies:
    """Raises Transient when the inbox's database fails."""

    inbox: Database
    archive: Objects

    def there(self, before: datetime, *, after: str, limit: int) -> list[Batch]:
        """Registered batches that were sealed before a moment and have bodies left, by name, from the one after."""
        with self.inbox.read() as tx:
            return store.with_bodies(tx, before, after=after, limit=limit)

    def size(self, batch: Batch) -> int:
        """Bytes of bodies and envelopes that removing would free."""
        with self.inbox.read() as tx:
            return store.size_of_bodies(tx, batch)

    def archived_as(self, batch: Batch) -> str:
        """The digest of the archived object that has all that its messages said, compared byte by byte with what is
        there, and verified. Raises Integrity when there is none, or another one."""
        if batch.content_digest is None or not batch.bodies_removed:
            with self.inbox.read() as tx:
                found = sha256_hex(payload_of(list(store.contents(tx, batch))))
            if batch.content_digest not in (None, found):
                raise Integrity(
                    f"What the inbox holds of {batch.batch_id} is not what was sealed.",
                    "Ask the hub's operator to find out who changed it.",
                )
        else:  # a removal that was cut short
            found = batch.content_digest
        self.archive.verify(found)
        return found

    def remove(self, batch: Batch, digest: str, *, before_some: Callable[[], None]) -> None:
        """Some messages at a time, in the order of the batch; from the first on the archive stands for all of them.
        What `before_some` raises, before each transaction, leaves the rest where it is."""
        done = batch.bodies_removed
        while done < batch.messages:
            before_some()
            with self.inbox.write() as tx:
                upto = min(done + _AT_ONCE, batch.messages)
                store.remove_bodies(tx, batch, digest, first=done + 1, last=upto)
            done = upto

    def put_back(self, batch: Batch) -> None:
        """Bodies and envelopes of a batch as they were. Raises Integrity when the archive no longer has them."""
        if not batch.bodies_removed:
            return
        path = self.archive.verify(str(batch.content_digest))
        with path.open("rb") as lines, self.inbox.write() as tx:
            store.put_bodies_back(tx, batch, _contents(lines))
            if sha256_hex(payload_of(list(store.contents(tx, batch)))) != batch.content_digest:
                raise Integrity(
                    f"The archived bytes of {batch.batch_id} are not of the messages that the inbox has in it.",
                    "Ask the hub's operator whether inbox and archive were restored from the same backup.",
                )


def _contents(lines: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Envelope and body of each message, as `payload_of` takes them."""
    for line in lines:
        found = json.loads(line)
        yield canonical_text(found["envelope"]), found["body"].encode("utf-8")
