"""What a posting records beside its entries: problems of rows, remarks, and what they mean for earlier counts.

Belongs here: where each of it goes, in the posting's transaction. Not here: which rows are posted (posting/store.py),
what is remarked (comparing), what a count covers (counting).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any

from hub_pipelines.common.rows.store import insert_many
from hub_pipelines.common.store import Transaction, holdable, per_query
from hub_pipelines.ledger.comparing.model import Earlier
from hub_pipelines.ledger.comparing.remarks import WORTH_A_LOOK, Remarks
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import Tally
from hub_pipelines.ledger.items.store import earlier, items_now, lines_of_things
from hub_pipelines.ledger.model import Batch
from hub_pipelines.ledger.posting.incoming.store import among_incoming
from hub_pipelines.ledger.problems.store import rejection
from hub_pipelines.submission.model import Lease
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.validate.model import Problem
from hub_pipelines.validate.staging import ChunkLimits

AFTER_ITS_OWN = 1_000
"""Remarks come after the problems of the row itself."""
_REJECTION = ("severity", "column_name", "value", "rule", "reason", "suggestion")
_STAGED = ("severity", "column", "value", "rule", "reason", "suggestion")
_staged, _told = itemgetter(*_STAGED), attrgetter(*_STAGED)
"""A problem as it is staged, or one that is found now, in the order of these columns."""


class Recording:
    """Of one posting, in its transaction."""

    def __init__(self, tx: Transaction, lease: Lease, batch: Batch, version: int, now: datetime) -> None:
        self._tx, self._lease, self._batch, self._version, self._now = tx, lease, batch, version, now
        self.worth_a_look = 0
        self.remarks = Remarks(batch.comparing) if batch.comparing is not None else None
        self.some_are_missing = batch.received_at is not None and counts.any_open(
            tx, batch.ledger, before=batch.received_at
        )
        """Whether earlier counts have not found something that these rows may name."""
        self._missing = self._missing_things() if self.some_are_missing else {}

    def add_problems(self, problems: Iterable[tuple[int, int, Mapping[str, Any]]]) -> None:
        """Staged ones, each with its row's number (0: the whole file) and its position among that row's."""
        self._insert((row_no, position, _staged(found)) for row_no, position, found in problems)

    def add_remarks(self, remarks: Iterable[tuple[int, int, Problem]]) -> None:
        """Row number, position and remark, as of problems; those that somebody should look at are counted."""
        found = list(remarks)
        self.worth_a_look += sum(one.rule in WORTH_A_LOOK for _, _, one in found)
        self._insert((row_no, position, _told(one)) for row_no, position, one in found)

    def _insert(self, problems: Iterable[tuple[int, int, tuple[str | None, ...]]]) -> None:
        rows = ((row_no, position, *(one and holdable(one) for one in told)) for row_no, position, told in problems)
        of_all: dict[str, str | int] = {"request_id": self._lease.request_id, "revision": self._lease.revision}
        insert_many(self._tx, rejection, ("row_no", "position", *_REJECTION), rows, of_all=of_all)

    def remark(
        self, accepted: Sequence[tuple[int, str, str]], changed: Sequence[tuple[Any, ...]], held: Mapping[str, Earlier]
    ) -> None:
        """Tell what somebody should look at of rows that take the place of what the ledger held."""
        remarks = self.remarks
        if remarks is None or self._version == 1:
            return
        new = {one[0]: one[5] is None for one in changed}
        posted = {one[0]: one[3] for one in changed}
        remarks.add_new((row_no, key) for row_no, key, _ in accepted if new.get(row_no, False))
        self.add_remarks(
            (row_no, AFTER_ITS_OWN + at, found)
            for row_no, key, _ in accepted
            if (now := held.get(key)) is not None
            for at, found in enumerate(remarks.add(row_no, posted.get(row_no, now.values), now))
        )

    def remark_all(self, limits: ChunkLimits) -> None:
        """After the last row: what is to be said of all, and where else its new lines are listed."""
        remarks = self.remarks
        if remarks is None:
            return
        self._find_twins(remarks, limits)
        found = [(0, one) for one in remarks.of_lists()]
        found += remarks.elsewhere(self._listed_elsewhere(remarks.things()))
        self.add_remarks((row_no, 2 * AFTER_ITS_OWN + at, one) for at, (row_no, one) in enumerate(found))

    def _find_twins(self, remarks: Remarks, limits: ChunkLimits) -> None:
        """The first of each kind of line of which there are several: its row is found by reading the rows again."""
        for chunk in self._batch.rows.chunks(limits) if remarks.twins else ():
            for row_no, key, values in chunk.accepted():
                if key in remarks.twins:
                    remarks.add_first(row_no, key, hash(values))

    def _listed_elsewhere(self, things: set[str]) -> dict[str, Earlier]:
        """Lines of these things that the file does not list, and that are told nowhere else."""
        thing_in = self._batch.thing_in
        if thing_in is None or not things:
            return {}
        keys = lines_of_things(self._tx, self._batch.ledger, things, thing_in)
        told = {one.old for one in self._batch.corrected.replaced} if self._batch.corrected is not None else set()
        told |= among_incoming(self._tx, keys)
        return earlier(self._tx, self._batch.ledger, [key for key in keys if key not in told])

    def _missing_things(self) -> dict[str, set[str]]:
        if self._batch.thing_in is None or self._batch.received_at is None:
            return {}
        return counts.open_things(self._tx, self._batch.ledger, self._batch.thing_in, before=self._batch.received_at)

    def tell_counts(self, changed: Sequence[tuple[Any, ...]]) -> None:
        """What earlier counts miss at one place may be what is new at another: their receipts are due again."""
        if self._batch.thing_in is None or not self._missing:
            return
        new = {self._batch.thing_in(one[1]) for one in changed if one[5] is None}
        told = set().union(*(self._missing[thing] for thing in new & self._missing.keys()))
        if told:
            receipting.renew_receipts(self._tx, sorted(told))

    def mark_found(self, keys: Sequence[str]) -> None:
        received_at = self._batch.received_at
        if received_at is None or not self.some_are_missing:
            return
        for some in per_query(keys):
            counts.mark_found(
                self._tx, self._batch.ledger, some, by=self._lease.request_id, received_at=received_at, at=self._now
            )

    def counted(self, tally: Tally | None) -> tuple[tuple[str, ...] | None, int, int]:
        """What a complete count has covered and missed: compared with the ledger as this posting leaves it, under its
        lock, so that the same comparison can be made at any later time (items_as_of)."""
        if tally is None:
            return None, 0, 0
        batch, lease = self._batch, self._lease
        missed = list(tally.missed(items_now(self._tx, batch.ledger)))
        at = batch.received_at or self._now
        told = counts.record(self._tx, lease.request_id, lease.revision, batch.ledger, missed, counted_at=at)
        return tally.locations, *told
