"""A batch that brings every worker down is split: its messages are sealed again in halves, until the one that does it
stands alone (decisions/0071).

Each step can be repeated:

1. In the inbox, one transaction: two new batches get the messages of the batch, in their order. They are named after
   the batch, so that they are made once. What the messages say comes back before, where it had gone
   by age.
2. In the hub, one transaction: the batch's item in review is closed, its submission ends without effect, and an audit
   entry tells into what it was split.

The halves are registered as any other batch is, one after the other. A batch of one message stays in review.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hub_pipelines.common.store import Database
from hub_pipelines.intake.inbox.model import Batch
from hub_pipelines.intake.sealing import store
from hub_pipelines.intake.sealing.bodies import Bodies
from hub_pipelines.logs import pairs
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Integrity

_log = logging.getLogger(__name__)


class ReviewDesk(Protocol):
    def close_as_split(self, tx: Any, request_id: str, batches: list[str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Splitting:
    """Raises Transient when database or disk fail; the next tick goes on."""

    inbox: Database
    db: Database
    review: ReviewDesk
    bodies: Bodies
    now: Callable[[], datetime]

    def split_poisoned(self, campus: str) -> None:
        """Split each batch of a campus that has failed at its last attempt by a fault that may lie in what it holds."""
        with self.db.read() as tx:
            poisoned = submissions.poisoned_batches(tx, campus)
        with self.inbox.read() as tx:
            batches = store.several(tx, poisoned)
        for batch in batches:
            self._split(batch, str(batch.submission))

    def _split(self, batch: Batch, request_id: str) -> None:
        try:
            self.bodies.put_back(batch)
        except Integrity as error:
            _log.error("%s can't be split: %s %s", batch.batch_id, error, error.fix)
            return
        with self.inbox.write() as tx:
            parts = store.split(tx, batch, at=self.now())
        with self.db.write() as tx:
            if parts and self.review.close_as_split(tx, request_id, parts):
                _log.warning("split %s", pairs(batch=batch.batch_id, messages=batch.messages, submission=request_id))
