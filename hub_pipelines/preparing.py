"""What a submission's staged rows are posted as: all that a posting needs and that is found before its transaction.

Belongs here: the batch that the ledger takes, what became of the lines of an earlier copy of a list, and what must not
have moved when it posts. Not here: the posting itself (ledger/posting), what a move leads to (processing.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hub_pipelines.common.scope import Campus
from hub_pipelines.common.store import Database, Transaction, database_now
from hub_pipelines.drift.model import ShapesMoved
from hub_pipelines.drift.service import source_of
from hub_pipelines.intake.service import plain_name
from hub_pipelines.judging import Judge, counting_of, said_of
from hub_pipelines.ledger.comparing.model import Corrected, Seen
from hub_pipelines.ledger.comparing.remarks import comparing_of
from hub_pipelines.ledger.comparing.replacing import replaced_in_part, replaced_lines
from hub_pipelines.ledger.counting.model import places_in
from hub_pipelines.ledger.model import Batch, OccurrencesMoved, ledger_name
from hub_pipelines.ledger.ordering import store as ordering
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.report.corrections import made_of_one
from hub_pipelines.returning import Corrects, CorrectsAnother, Returns
from hub_pipelines.submission.model import MESSAGES, Submission
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.model import Feed, RecordType
from hub_pipelines.validate.staging import StagedFile, read_staged, staged_path

_MOST_COMPARED = 50_000
"""Rows of a list that are held in memory, twice, to tell what became of its lines."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found for a posting. `occurred_at` has of a batch of messages each row's moment; `occurrences` those by
    item; `corrects` is the posting that a list takes the place of; `seen` what the sender of a returned workbook had
    before them."""

    current: Submission
    path: Path
    summary: Mapping[str, Any]
    feed: Feed
    campus: Campus
    record: RecordType
    family: frozenset[str]
    decision: Decision | None
    occurred_at: Mapping[int, datetime] | None
    occurrences: Mapping[str, datetime]
    corrects: Corrects | None
    corrected: Corrected | None
    seen: Seen | None
    places_before: tuple[str, ...]

    @property
    def ledger(self) -> str:
        return ledger_name(self.record.name, self.campus.name, shared=self.record.shared)

    @property
    def received(self) -> int:
        return int(self.summary["received"])

    @property
    def is_list(self) -> bool:
        """Of lines; not a batch of messages."""
        return self.record.lines is not None and self.current.envelope.channel != MESSAGES

    def batch(self, tx: Transaction) -> Batch:
        """As the ledger takes it, on the campus's day by the database's clock."""
        record, envelope = self.record, self.current.envelope
        return Batch(
            ledger=self.ledger,
            record_type=record.name,
            feed=self.feed.name,
            campus=self.campus.name,
            contract_version=int(self.summary["contract_version"]),
            registry_version=self.current.registry_version,
            ledger_date=self.campus.day_of(database_now(tx)),
            rows=StagedFile(self.path),
            shape=str(self.summary["shape"]),
            migration=self.summary["migration"],
            decision=self.summary["decision"],
            received_at=envelope.received_at,
            counting=counting_of(record) if envelope.complete_count else None,
            places_before=self.places_before,
            thing_in=record.lines.thing_in if record.lines is not None else None,
            comparing=comparing_of(
                record,
                envelope.source_name,
                self.family,
                self.decision.parts if self.decision else (),
                said_of(self.summary),
                came_on=self.campus.day_of(envelope.received_at),
                is_count=envelope.complete_count,
            ),
            corrected=self.corrected,
            seen=self.seen,
            adjustable=record if record.adjusted else None,
            occurred_at=self.occurred_at,
        )


@dataclass(frozen=True, slots=True)
class Preparing:
    """`staged` is the folder of staged files."""

    db: Database
    judge: Judge
    returns: Returns
    staged: Path

    def prepare(self, current: Submission, staged: str) -> Prepared:
        """Raises ShapesMoved where the rows must be staged anew; Blocked as the judge does."""
        envelope = current.envelope
        feed = self.judge.feed_of(envelope)
        path = staged_path(self.staged, staged)
        summary, _ = read_staged(path, digest=staged)
        if "decision" not in summary:
            raise ShapesMoved("The rows were staged by a release that kept no decisions about columns.")
        campus, record = self.judge.campus_of(envelope), feed.record_type(str(summary["record_type"]))
        ledger = ledger_name(record.name, campus.name, shared=record.shared)
        is_batch, is_count = envelope.channel == MESSAGES, envelope.complete_count
        is_list = record.lines is not None and not is_batch
        moments = self.judge.messages(envelope, feed).occurred_at if is_batch else None
        with self.db.read() as tx:
            family = frozenset(versions.family(tx, current))
            corrects = self.returns.corrects(tx, current, ledger) if is_list else None
            before = self.returns.before(tx, current, ledger) if (is_list or is_count) and not corrects else None
            seen = self.returns.seen(tx, current, ledger)
            own = made_of_one(tx, current, current.revision) if corrects else frozenset[str]()
            decision = self.judge.mappings.decision_of(tx, summary["decision"])
        corrected: Corrected | None = None
        if corrects is not None:
            numbers = self.judge.numbers_in(envelope, decision) if corrects.by_part else None
            corrected = self._corrected(corrects, own, record, staged, numbers)
        elif before is not None and is_list:
            corrected = self._changed_since(before, record, staged)
        if corrected is not None and is_count:
            corrected = replace(corrected, left=())  # what a count does not list is told as not found
        return Prepared(
            current=current,
            path=path,
            summary=summary,
            feed=feed,
            campus=campus,
            record=record,
            family=family,
            decision=decision,
            occurred_at=moments,
            occurrences=_by_item(path, moments) if moments is not None else {},
            corrects=corrects,
            corrected=corrected,
            seen=seen,
            places_before=self._places_before(corrects or before, record) if is_count else (),
        )

    def require_unmoved(self, tx: Transaction, prepared: Prepared, *, actor: str) -> None:
        """At the end of the posting's transaction: nothing on which its rows were decided has moved meanwhile, and what
        they say of their source's columns is remembered. Raises OccurrencesMoved, CorrectsAnother, ShapesMoved."""
        current, summary = prepared.current, prepared.summary
        if not ordering.record(tx, prepared.ledger, prepared.occurrences, current.request_id):
            raise OccurrencesMoved("A newer message for one of these items has posted meanwhile.")
        if prepared.is_list and self.returns.corrects(tx, current, prepared.ledger) != prepared.corrects:
            raise CorrectsAnother("Another copy of the file that this one corrects has posted meanwhile.")
        if self.returns.seen(tx, current, prepared.ledger) != prepared.seen:
            raise CorrectsAnother("Another file that was made of the same one has posted meanwhile.")
        self.judge.mappings.require_unchanged(tx, source_of(current.envelope), summary["confirmed"])
        self.judge.mappings.shapes.remember(tx, current, prepared.feed, summary, actor=actor)

    # ---- earlier copies of a list

    def _corrected(
        self,
        corrects: Corrects,
        family: frozenset[str],
        record: RecordType,
        staged: str,
        numbers: Mapping[int, int] | None = None,
    ) -> Corrected:
        """What a workbook that came back makes of the lines of the file that it corrects, by the rows that were staged
        of both. `numbers` are those that its rows have there, where it holds only some."""
        before, posting = corrects.submission, corrects.posting
        found = Corrected(
            before.request_id, before.revision, posting.ledger_version, plain_name(before.envelope.source_name), family
        )
        if before.staged is None or not staged_path(self.staged, before.staged).exists():
            return replace(found, is_known=False)
        was_summary, was = read_staged(staged_path(self.staged, before.staged), digest=before.staged)
        now_summary, now = read_staged(staged_path(self.staged, staged), digest=staged)
        if numbers is not None:
            rows = StagedFile(staged_path(self.staged, before.staged)).rows_numbered(set(numbers.values()))
            return replace(found, replaced=replaced_in_part(rows, now, numbers, record))
        if max(int(was_summary["received"]), int(now_summary["received"])) > _MOST_COMPARED:
            return replace(found, is_known=False)
        replaced, left = replaced_lines(was, now, record)
        return replace(found, replaced=replaced, left=left)

    def _changed_since(self, before: Corrects, record: RecordType, staged: str) -> Corrected | None:
        """What a list says otherwise than when it was sent before: only told, and of lines that are left out only when
        most are not; else it is not the whole list."""
        found = self._corrected(before, frozenset(), record, staged)
        if not found.is_known:
            return None
        partial_list = 2 * len(found.left) > before.submission.counts.received
        return replace(found, closes=False, left=() if partial_list else found.left)

    def _places_before(self, before: Corrects | None, record: RecordType) -> tuple[str, ...]:
        """Where a list had something when it was sent before, by the rows that were staged."""
        counting = counting_of(record)
        staged = before.submission.staged if before is not None else None
        if counting is None or staged is None or not staged_path(self.staged, staged).exists():
            return ()
        summary, rows = read_staged(staged_path(self.staged, staged), digest=staged)
        return () if int(summary["received"]) > _MOST_COMPARED else places_in(rows, counting)


def _by_item(path: Path, moments: Mapping[int, datetime]) -> dict[str, datetime]:
    """By item, when the message occurred that sets it."""
    return {key: moments[row_no] for row_no, key in StagedFile(path).accepted_keys().items()}
