"""Sealing: what waits of one stream (campus, feed, record type) becomes one submission, in order of arrival.

Inbox and hub may be two databases, so there is no common transaction. Each step can be repeated and leads to the same:

1. In the inbox: the stream's next batch is all that waits up to some message. From here on the batch is decided, and
   its bytes follow from it.
2. Its bytes go into the archive, which knows them by their content.
3. Intake registers them as a submission, once for the batch.
4. In the inbox: the batch is told its submission.

A stream's next batch is sealed when the one before is settled: so batches post in order of arrival, and what comes
while one is at work waits together for the next. Not here: what a batch's bytes mean (validate/messages), what becomes
of one that can't be posted (splitting.py).
"""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Protocol

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Database
from hub_pipelines.intake.inbox import store as inbox
from hub_pipelines.intake.inbox.model import Batch, Stream, Waiting
from hub_pipelines.intake.model import Arrival, Payload
from hub_pipelines.intake.sealing import store
from hub_pipelines.intake.sealing.bodies import Bodies
from hub_pipelines.intake.sealing.payload import payload_of
from hub_pipelines.intake.sealing.splitting import Splitting
from hub_pipelines.logs import pairs
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, NUMBER, Integrity

RECORD_TYPE = "record_type"
"""The header of a batch's envelope that tells what its messages are sealed as."""
SPLIT_FROM = "split_from"
"""The header that tells the submission of which a batch is a half."""
_LOOKED_AT = 100
"""So many batches of a stream are looked at for one that is at work: more than are made while one of them waits."""
_SOURCE_SYSTEM = "hub/messages"
_log = logging.getLogger(__name__)


class Objects(Protocol):
    """The archive; its answer has `digest` and `size_bytes`."""

    def put(self, source: IO[bytes]) -> Any: ...


class Receiver(Protocol):
    def receive(self, payload: Payload) -> Arrival: ...


@dataclass(frozen=True, slots=True)
class Sealing:
    """`after_s`, `messages` and `size_bytes`: a batch is due when one of them is reached; the last two bound it.
    Feeds that are `urgent` go first.

    Raises Transient when database or disk fail; the next tick goes on.
    """

    inbox: Database
    db: Database
    archive: Objects
    intake: Receiver
    splitting: Splitting
    bodies: Bodies
    now: Callable[[], datetime]
    after_s: float
    messages: int
    size_bytes: int
    urgent: frozenset[str]

    def seal_due(self, campus: str, *, at_once: bool = False) -> list[Arrival]:
        """Split what brings workers down, finish what was begun for a campus, then seal one batch of each of its
        streams that is due, urgent ones first and small before large.

        `at_once`: whatever waits is due. No more than a batch of each stream: so campuses take turns.
        """
        self.splitting.split_poisoned(campus)
        with self.inbox.read() as tx:
            begun = store.unregistered(tx, campus)
            waiting = inbox.waiting(tx, campus)
        first_begun = {one.stream: one for one in reversed(begun)}
        due = [one for one in first_begun.values() if self._is_free(one.stream)]
        arrivals = [arrival for one in due if (arrival := self._register(one)) is not None]
        for one in sorted(waiting, key=lambda one: (one.stream.feed not in self.urgent, one.size_bytes)):
            if one.stream in first_begun or not (at_once or self._is_due(one)):
                continue
            batch = self._seal(one.stream)
            if batch is not None and (arrival := self._register(batch)) is not None:
                arrivals.append(arrival)
        return arrivals

    def _is_free(self, stream: Stream) -> bool:
        """Whether nothing of a stream is at work."""
        with self.inbox.read() as tx:
            made = store.newest_submissions(tx, stream, limit=_LOOKED_AT)
        with self.db.read() as tx:
            return not submissions.any_unsettled(tx, made)

    def _is_due(self, one: Waiting) -> bool:
        age_s = (self.now() - one.oldest_at).total_seconds()
        return age_s >= self.after_s or one.messages >= self.messages or one.size_bytes >= self.size_bytes

    def _seal(self, stream: Stream) -> Batch | None:
        """None while a batch before is unsettled, or when another process has just sealed one.

        A batch whose submission the hub does not know (an older database was put back) is given once more.
        """
        with self.inbox.read() as tx:
            last = store.newest_batch(tx, stream)
        if last is not None:
            if last.submission is None:
                return None
            with self.db.read() as tx:
                current = submissions.find(tx, last.submission)
            if current is None:
                return last
        if not self._is_free(stream):
            return None
        number = last.number + 1 if last is not None else 1
        with self.inbox.write() as tx:
            return store.seal(tx, stream, number=number, most=self.messages, most_bytes=self.size_bytes, at=self.now())

    def _register(self, batch: Batch) -> Arrival | None:
        """None of a batch that must be given once more and whose bytes the archive has lost: its stream waits."""
        try:
            self.bodies.put_back(batch)
        except Integrity as error:
            _log.error("%s can't be sealed again: %s %s", batch.batch_id, error, error.fix)
            return None
        with self.inbox.read() as tx:
            payload = payload_of(list(store.contents(tx, batch)))
            whole = store.submission_of(tx, batch.half_of) if batch.half_of is not None else None
        split_from = {SPLIT_FROM: whole} if whole is not None else {}
        stored = self.archive.put(io.BytesIO(payload))
        stream = batch.stream
        # an inbox that was lost numbers its batches from 1 again: their bytes tell them from the former ones
        mark = str(stored.digest)[:16]
        arrival = self.intake.receive(
            Payload(
                arrival_id=f"batch-{batch.batch_id}-{mark}",
                scope=Scope(stream.campus, stream.feed),
                channel=MESSAGES,
                source_system=_SOURCE_SYSTEM,
                source_name=f"{stream.record_type}-messages-{batch.number}-{mark[:8]}.ndjson",
                content_digest=stored.digest,
                size_bytes=stored.size_bytes,
                headers={RECORD_TYPE: stream.record_type, NUMBER: str(batch.messages), **split_from},
            )
        )
        with self.inbox.write() as tx:
            store.register(tx, batch.batch_id, str(arrival.request_id), stored.digest)
        _log.info("sealed %s", pairs(batch=batch.batch_id, messages=batch.messages, submission=arrival.request_id))
        return arrival
