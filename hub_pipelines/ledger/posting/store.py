"""The posting transaction: a submission's staged rows into journal and ledger, exactly once.

Belongs here: the order of its steps, and how they are made fast for a million rows (decisions/0057). Not here: the
tables (ledger/store.py, problems, outcomes), what an entry's digest covers (ledger/digests.py), which rows differ from
the ledger (incoming), how the ledger follows (folding).
Rows go through in chunks, so that memory does not grow with the file; all chunks are one transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, select

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.ahead import made_ahead
from hub_pipelines.common.clock import iso
from hub_pipelines.common.columns import listed
from hub_pipelines.common.rows.store import insert_columns, look_over, room_to_sort
from hub_pipelines.common.store import Database, Transaction, database_now
from hub_pipelines.ledger.adjusting import store as movements
from hub_pipelines.ledger.adjusting.algebra import Adjusting
from hub_pipelines.ledger.comparing.keeping import says
from hub_pipelines.ledger.comparing.model import SET, Earlier
from hub_pipelines.ledger.comparing.problems import kept_line, left_lines, not_compared
from hub_pipelines.ledger.comparing.replacing import closings
from hub_pipelines.ledger.counting.model import Tally
from hub_pipelines.ledger.digests import Change, ChangeColumns, sha256_hex_of
from hub_pipelines.ledger.items.store import (
    current_version,
    earlier,
    heads_of_lines,
    versions_of,
)
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.ledger.model import ENTERED_AT, LEAVES, REGISTRY_LEDGER, Batch, Posting, RegistryMoved
from hub_pipelines.ledger.outcomes.store import find_posting, idempotency
from hub_pipelines.ledger.posting.folding.store import Entries, fold
from hub_pipelines.ledger.posting.incoming.store import Heads, heads_of, incoming_rows
from hub_pipelines.ledger.posting.leaves import MANY, Leaves
from hub_pipelines.ledger.posting.recording import AFTER_ITS_OWN, Recording
from hub_pipelines.ledger.posting.sparing import sparing_of
from hub_pipelines.ledger.posting.standing import Standing
from hub_pipelines.ledger.store import journal_row, ledger, ledger_day
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Lease
from hub_pipelines.validate.staging import ChunkLimits, StagedChunk

if TYPE_CHECKING:
    import pyarrow

_MEMORY_MB, _MEMORY_TO_APPEND_MB = 64, 16
"""What the database may use to sort, and where it has nothing to compare with: a first posting's rows are appended."""
_MEMORY_TO_FOLD_MB = {"postgresql": _MEMORY_MB, "sqlite": 16}
"""SQLite sorts pieces of so much, each while the next is read: small ones take it less time."""
MANY_ENTRIES = 20_000
_FEW_ENTRIES = 1_000
_OF_ADJUSTING = 500
_DIGESTED_AT_ONCE = 2_000
_HEARD_OF_EVERY_S = 0.5

_T = TypeVar("_T")


def post(
    tx: Transaction,
    lease: Lease,
    batch: Batch,
    *,
    limits: ChunkLimits | None = None,
    progress: Callable[[int], None] = lambda _rows: None,
    patience_s: float | None = None,
    beside: bool = True,
) -> Posting:
    """Apply a batch once: exactly-once lives here, in the caller's transaction.

    A repeat by the lease that has posted returns the stored outcome; any other finds the fence. Raises
    LeaseLost when the fencing token is outdated, RegistryMoved when the registry has changed since the
    rows were checked, LedgerTaken when another posting has the ledger for longer than `patience_s`. `progress` is told
    how many rows are through, after each chunk. With `beside` a program may digest many entries.
    """
    stored = own_posting(tx, lease)
    if stored is not None:
        return stored
    leases.hold(tx, lease)
    if batch.registry_version is not None and batch.registry_version != current_version(tx, REGISTRY_LEDGER)[0]:
        raise RegistryMoved("The registry has changed since the rows were checked.")
    version = locking.lock(tx, batch.ledger, patience_s=patience_s) + 1
    rows = _Rows(tx, lease, batch, version, database_now(tx), beside=beside and len(batch.rows) >= MANY)
    with rows.leaves, room_to_sort(tx, _MEMORY_MB if version > 1 else _MEMORY_TO_APPEND_MB):
        rows.close_replaced()
        rows_digest = rows.post(limits or ChunkLimits(), progress)
    counted, not_found, listed = rows.records.counted(rows.tally)
    corrected = batch.corrected
    settled_at = leases.settle_posted(
        tx,
        lease,
        posted=rows.posted,
        unchanged=rows.unchanged,
        rejected=rows.rejected,
        superseded=rows.superseded,
    )
    outcome = Posting(
        request_id=lease.request_id,
        revision=lease.revision,
        token=lease.token,
        ledger=batch.ledger,
        ledger_version=version if rows.entries else version - 1,
        posted=rows.posted,
        unchanged=rows.unchanged,
        rejected=rows.rejected,
        rows_digest=rows_digest,
        digest_version=LEAVES,
        posted_at=settled_at,
        decision=batch.decision,
        counted=counted,
        not_found=not_found,
        uncounted=rows.tally.left_out(batch.places_before) if rows.tally is not None else (),
        listed_in_rejected_rows=listed,
        superseded=rows.superseded,
        replaced=rows.closed,
        arrived=rows.arrived,
        new=rows.new,
        worth_a_look=rows.records.worth_a_look,
        keeps=batch.comparing is not None and batch.comparing.said is not None,
        corrects=(corrected.request_id, corrected.revision)
        if corrected and corrected.closes and corrected.is_known
        else None,
        seen=batch.seen,
        spared=rows.spared,
    )
    tx.execute(
        idempotency.insert(),
        {"request_id": lease.request_id, "revision": lease.revision, "outcome": outcome.document()},
    )
    audit.append(tx, _posted_event(lease, batch, outcome, rows.now))
    return outcome


def has_outgrown(db: Database, outcome: Posting) -> bool:
    """Whether what the database has last seen of the ledger is no measure any more: this posting has made many entries,
    or it has about twice as many now."""
    if outcome.repeat or not outcome.entries:
        return False
    with db.read() as tx:
        total = select(func.sum(ledger_day.c.entries)).where(ledger_day.c.ledger == outcome.ledger)
        now = int(tx.execute(total).scalar_one())
    doubled = now.bit_length() > (now - outcome.entries).bit_length()
    return outcome.entries > MANY_ENTRIES or (now > _FEW_ENTRIES and doubled)


def look_over_ledgers(db: Database) -> None:
    """When a ledger has outgrown what is known of it, so that what is asked next is planned for what is there. Its
    transaction is its own: whoever is killed before it has posted all the same, and costs the next one time."""
    look_over(db, (journal_row, ledger))


def own_posting(tx: Transaction, lease: Lease) -> Posting | None:
    """The outcome that this very lease has posted already, though it may never have heard of it."""
    stored = find_posting(tx, lease.request_id, lease.revision)
    return stored if stored is not None and stored.token == lease.token else None


class _Rows:
    """The rows of one posting on their way, and what became of them."""

    def __init__(
        self,
        tx: Transaction,
        lease: Lease,
        batch: Batch,
        version: int,
        now: datetime,
        *,
        beside: bool,
    ) -> None:
        self.tx, self.lease, self.batch, self.version, self.now = tx, lease, batch, version, now
        self.new = self.spared = 0
        self._heard_at = 0.0
        self.posted = self.unchanged = self.rejected = self.superseded = self.closed = self.arrived = 0
        self.tally = Tally(batch.counting) if batch.counting is not None else None
        self.records = Recording(tx, lease, batch, version, now)
        self._remarks = self.records.remarks
        self._of_posting = {
            "request_id": lease.request_id,
            "revision": lease.revision,
            "campus": batch.campus,
            "ledger_date": batch.ledger_date,
            "contract_version": batch.contract_version,
        }
        self._standing = Standing(tx, batch.ledger)
        self._sparing = sparing_of(tx, batch)
        self.leaves = Leaves(batch.ledger, version, self._of_posting, beside=beside)
        record = batch.adjustable
        self._items: tuple[int, int] | None = None
        """How many are new, and how many there are, where a posting may have several entries of an item."""
        self._adjusted = record.adjusted if record is not None and movements.is_adjusted(tx, batch.ledger) else None
        self._looks_at_all = (
            self.records.some_are_missing
            or self._adjusted is not None
            or (batch.comparing is not None and batch.comparing.lines is not None)
        )
        """Rows that change nothing may be found again, set a quantity anew, be lines that another list has set, or be
        alike."""

    @property
    def entries(self) -> int:
        """Journal entries of this posting."""
        return self.posted + self.closed + self.arrived

    def post(self, limits: ChunkLimits, progress: Callable[[int], None]) -> str:
        """The root over all entries, which is asked for before they are sorted: its program's memory is free then."""
        if self._adjusts(limits):
            self._post_adjusting(limits)
        else:
            self._post_chunks(limits, progress)
        root = self.leaves.root()
        if self.entries:
            new, items = self._items or (self.new, self.posted + self.closed)
            entries = Entries(self.entries, new, items, several=self._items is not None)
            with room_to_sort(self.tx, _MEMORY_TO_FOLD_MB[self.tx.dialect.name]):
                fold(self.tx, self.batch, self.version, entries, self._of_posting, self.now)
        return root

    def _adjusts(self, limits: ChunkLimits) -> bool:
        """Whether rows are to be applied to what earlier messages have adjusted, or adjust something themselves."""
        if self.batch.adjustable is None or self.batch.occurred_at is None:
            return False
        return self._adjusted is not None or any(chunk.adjusts for chunk in self.batch.rows.chunks(limits))

    def _post_adjusting(self, limits: ChunkLimits) -> None:
        """A batch of messages of which some set and some adjust: it is bounded, so all of it is in memory."""
        record, occurred_at = self.batch.adjustable, self.batch.occurred_at
        assert record is not None
        assert record.adjusted is not None
        assert occurred_at is not None
        rows = list(self._heard_of(row for chunk in self.batch.rows.chunks(limits) for row in chunk.rows()))
        before = movements.known_before(self.tx, self.batch.ledger, rows, occurred_at, self.version, record.adjusted)
        applied = Adjusting(record, before.known, before.done, self.version).take(rows, occurred_at, self._heard_of)
        changed = applied.entries
        self._append(ChangeColumns.of(changed))
        self._items = (len({one[1] for one in changed if one[5] is None}), len({one[1] for one in changed}))
        self.records.add_problems((row.row_no, at, one) for row in rows for at, one in enumerate(row.problems))
        self.records.add_remarks((row_no, _OF_ADJUSTING + at, one) for at, (row_no, one) in enumerate(applied.found))
        moved = [*before.openings, *applied.movements, *applied.void]
        movements.record(self.tx, self.batch.ledger, self.lease.request_id, self.lease.revision, moved)
        self._remark_sets(limits, applied.sets, changed)
        self.records.tell_counts(changed)
        self.records.mark_found(sorted({one.key for one in applied.movements}))
        self.arrived = applied.arrived
        self.posted = len(changed) - applied.arrived
        self.new = sum(one[5] is None for one in changed[: self.posted])
        self.unchanged = applied.unchanged
        self.superseded = applied.superseded + sum(row.verdict == "superseded" for row in rows)
        self.rejected = applied.rejected + sum(row.verdict == "rejected" for row in rows)

    def _heard_of(self, rows: Iterable[_T]) -> Iterator[_T]:
        """The rows, while PostgreSQL hears of this transaction: it ends one that says nothing for long."""
        for row in rows:
            if monotonic() - self._heard_at > _HEARD_OF_EVERY_S:
                self.tx.exec_driver_sql("SELECT 1")
                self._heard_at = monotonic()
            yield row

    def _remark_sets(
        self, limits: ChunkLimits, sets: Sequence[tuple[int, str, str]], changed: Sequence[tuple[Any, ...]]
    ) -> None:
        with incoming_rows(self.tx, self.batch.rows, limits):
            set_anew = [one for one in changed if one[2] == SET]
            differing = [(row_no, key, values, *before) for row_no, key, _, values, _, *before in set_anew]
            self.records.remark(sets, set_anew, self._held(sets, differing))
            if self._remarks is not None:
                self._remarks.add_twins(sets)
                self._remarks.add_posted((one[0], one[3]) for one in set_anew)
            self.records.remark_all(limits)

    def _post_chunks(self, limits: ChunkLimits, progress: Callable[[int], None]) -> None:
        rows, at_hand = self.batch.rows, self.batch.thing_in is not None
        before = heads_of(self.tx, self.batch.ledger, rows, limits, at_hand=at_hand)
        # a ledger's first posting has nothing to be compared with
        with nullcontext() if self.version == 1 else before as heads:
            through = 0
            for chunk in self._post_first(limits) if heads is None else self._post_beside(limits, heads):
                self._take_rest(chunk)
                through += len(chunk)
                progress(through)
            self.records.remark_all(limits)

    def _take_rest(self, chunk: StagedChunk) -> None:
        """What there is of a chunk beside its accepted rows."""
        self.records.add_problems(chunk.found())
        if self.tally is not None:
            self.tally.add(chunk.rows())
        void = chunk.superseded
        self.superseded += void
        self.rejected += len(chunk) - chunk.accepted_count - void

    def _post_first(self, limits: ChunkLimits) -> Iterator[StagedChunk]:
        """All rows are new items: nothing need be known of them one by one. Each chunk, posted."""
        for chunk, columns in made_ahead(self.batch.rows.chunks(limits), self._looked_through, "accepted"):
            row_nos, keys, values = columns
            changes = ChangeColumns(row_nos, keys, SET, values, sha256_hex_of(values), None, None)
            self._append(changes)
            self.posted += len(changes)
            self.new += len(changes)
            if self._looks_at_all:
                accepted = list(zip(*map(listed, columns), strict=True))
                self._look_at(accepted, list(changes.rows()), {}, frozenset())
            yield chunk

    def _looked_through(self, chunk: StagedChunk) -> tuple[StagedChunk, "tuple[pyarrow.Array, ...]"]:
        """In a thread, while the chunk before is posted: nobody else adds to the remarks of a first posting."""
        row_nos, keys, values = chunk.accepted_columns()
        if self._remarks is not None and not self._looks_at_all:
            self._remarks.add_posted_columns(row_nos, values)
        return chunk, (row_nos, keys, values)

    def _post_beside(self, limits: ChunkLimits, heads: Heads) -> Iterator[StagedChunk]:
        """Rows are compared with what the ledger has of their items. Each chunk, posted."""
        for chunk in self.batch.rows.chunks(limits):
            self._post_differing(chunk, heads)
            yield chunk
        heads.end()

    def _post_differing(self, chunk: StagedChunk, heads: Heads) -> None:
        numbers = chunk.accepted_numbers()
        places = heads.among(numbers)
        # of rows that change nothing hardly anything need be read
        accepted = chunk.accepted(None if self._looks_at_all or len(places) == len(numbers) else places)
        differing = [(*row, *head) for row in accepted if (head := places.get(row[0])) is not None]
        held = self._held_beside(accepted, differing)
        news = list(self._completed(differing, held)) if held else differing
        spared = self._spared(differing, news, held)
        changed = [
            # a plain tuple: a Change takes three times as long to make
            (row_no, key, SET, values, sha256(values.encode("utf-8")).hexdigest(), version, before)
            for row_no, key, values, version, before in news
            if row_no not in spared
        ]
        self._append(ChangeColumns.of(changed))
        self.records.remark(accepted, changed, held)
        self._look_at(accepted, changed, held, spared)
        self.posted += len(changed)
        self.new += sum(one[5] is None for one in changed)
        self.unchanged += len(numbers) - len(changed)

    def _spared(
        self, differing: Sequence[tuple[Any, ...]], news: Sequence[tuple[Any, ...]], held: Mapping[str, Earlier]
    ) -> frozenset[int]:
        """Of rows of a returned workbook that would change their items those that its sender left as they were, and
        whose items others have set since."""
        if self._sparing is None:
            return frozenset()
        would = {row[0] for row in news}
        keys = {row[0]: row[1] for row in differing if row[0] in would}
        spared = self._sparing.among([row for row in differing if row[0] in keys])
        if self._remarks is not None:
            self._remarks.add_spared(
                (row_no, self._standing.set_in(version), keys[row_no] not in held) for row_no, version in spared.items()
            )
        self.spared += len(spared)
        return frozenset(spared)

    def _look_at(
        self,
        accepted: Sequence[tuple[int, str, str]],
        changed: Sequence[tuple[Any, ...]],
        held: Mapping[str, Earlier],
        spared: frozenset[int],
    ) -> None:
        """What rows of a file mean for what else the ledger keeps of their items, and for each other."""
        if self._remarks is not None:
            self._remarks.add_twins(accepted)
            self._remarks.add_posted((one[0], one[3]) for one in changed)
        self.records.tell_counts(changed)
        self.records.mark_found([key for _, key, _ in accepted])
        if self._sets_quantities:
            self._record_sets(self._touched(accepted, spared), changed, held)

    def _touched(
        self, accepted: Sequence[tuple[int, str, str]], spared: frozenset[int]
    ) -> Sequence[tuple[int, str, str]]:
        """Rows but those that the sender of a returned workbook left as they were, and whose items others have set
        since, be it to the same again."""
        if self._sparing is None:
            return accepted
        rest = [row for row in accepted if row[0] not in spared]
        versions = versions_of(self.tx, self.batch.ledger, [key for _, key, _ in rest])
        untouched = self._sparing.among([(*row, versions.get(row[1])) for row in rest])
        return [row for row in rest if row[0] not in untouched]

    @property
    def _sets_quantities(self) -> bool:
        """Whether messages have adjusted quantities here, and the rows say how much there is or in which unit."""
        said = self.batch.comparing.said if self.batch.comparing is not None else None
        told = self._adjusted
        return told is not None and (says(told.quantity, said) or says(told.unit, said))

    def _record_sets(
        self, accepted: Sequence[tuple[int, str, str]], changed: Sequence[tuple[Any, ...]], held: Mapping[str, Earlier]
    ) -> None:
        """What items are said to have, with what they keep in columns that the file does not have."""
        assert self._adjusted is not None
        stands = {key: one.values for key, one in held.items()} | {one[1]: one[3] for one in changed}
        rows = ((row_no, key, stands.get(key, values)) for row_no, key, values in accepted)
        sets = movements.sets_of_file(rows, self.now, self._adjusted)
        movements.record(self.tx, self.batch.ledger, self.lease.request_id, self.lease.revision, sets)

    def _append(self, changes: ChangeColumns) -> None:
        """Entries are digested while the database takes those before them."""
        if not len(changes):
            return
        parts = {name: getattr(changes, name) for name in Change._fields}
        alike = {name: part for name, part in parts.items() if part is None or isinstance(part, str)}
        columns = [name for name in parts if name not in alike]

        def batches() -> Iterator[list[Any]]:
            for some in changes.slices(_DIGESTED_AT_ONCE):
                self.leaves.take(some)
                yield [getattr(some, name) for name in columns]

        of_all = {"ledger": self.batch.ledger, "version": self.version, **alike}
        insert_columns(self.tx, journal_row, columns, batches(), of_all=of_all)

    def close_replaced(self) -> None:
        """Close lines before the rows are posted. Earlier counts that missed them miss what replaced them no more."""
        corrected = self.batch.corrected
        if corrected is None:
            return
        heads = heads_of_lines(self.tx, self.batch.ledger, [one.old for one in corrected.replaced], self.version)
        closed, kept = closings(corrected, heads)
        self._append(ChangeColumns.of(closed))
        self.closed = len(closed)
        self.records.add_remarks(
            (one.row_no, AFTER_ITS_OWN - 1, kept_line(corrected, one, heads[one.old])) for one in kept
        )
        if corrected.left or not corrected.is_known:
            told = left_lines(corrected) if corrected.is_known else not_compared(corrected)
            self.records.add_remarks([(0, AFTER_ITS_OWN, told)])
        self.records.mark_found([one.key for one in closed])

    def _held(
        self, accepted: Sequence[tuple[int, str, str]], differing: Sequence[tuple[Any, ...]]
    ) -> dict[str, Earlier]:
        """What the ledger holds of known items whose rows are compared with it, before they take its place."""
        remarks = self._remarks
        if remarks is None or self.version == 1:
            return {}
        differs = {row[0]: row[3] is None for row in differing}
        keys = [
            key
            for row_no, key, values in accepted
            if not differs.get(row_no, False) and remarks.is_wanted(values, changed=row_no in differs)
        ]
        return earlier(self.tx, self.batch.ledger, keys)

    def _held_beside(
        self, accepted: Sequence[tuple[int, str, str]], differing: Sequence[tuple[Any, ...]]
    ) -> dict[str, Earlier]:
        """The same of rows with the places of their items' entries, of which each is read where it is."""
        if self._remarks is None or not self._remarks.compares:
            return {}
        differs = {row[0] for row in differing}
        alike = [row for row in accepted if row[0] not in differs]
        return self._held(alike, ()) | self._standing.of(differing)

    def _completed(
        self, differing: Sequence[tuple[Any, ...]], held: Mapping[str, Earlier]
    ) -> Iterator[tuple[Any, ...]]:
        """Rows with what their items keep in columns that the file does not have; without those that then say nothing
        new."""
        for row_no, key, values, version, before in differing:
            now = held.get(key)
            if now is None or self._remarks is None:
                yield row_no, key, values, version, before
            elif (whole := self._remarks.completed(values, now)) != now.values:
                yield row_no, key, whole, version, before


def _posted_event(lease: Lease, batch: Batch, outcome: Posting, entered_at: datetime) -> Event:
    """Tells both moments: the submission is posted when its last entry is in, a long time after the journal's."""
    return Event(
        campus=batch.campus,
        actor=f"run/{lease.owner}",
        event="submission:posted",
        subject=batch.ledger,
        request_id=lease.request_id,
        detail={
            **outcome.document(),
            "contract_version": batch.contract_version,
            "registry_version": batch.registry_version,
            "shape": batch.shape,
            "migration": batch.migration,
            "ledger_date": batch.ledger_date.isoformat(),
            ENTERED_AT: iso(entered_at),
        },
    )
