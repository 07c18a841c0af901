"""Gathers the facts of a receipt and writes it where the sender looks: `receipts/<campus>/<feed>/`.

A receipt is due whenever a submission settles or something arrives that no run will work on. Writing is
repeatable: after a crash the same receipt is written again over itself.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.files import write_replacing
from hub_pipelines.common.scope import Campus
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.comparing import note_of, side_by_side
from hub_pipelines.drift.migrating import without_heading
from hub_pipelines.drift.model import Kind, Pair, ShapeChange
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import FOLDER_OF, Arrival, Outcome, Purpose
from hub_pipelines.intake.service import plain_name
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.replacing import in_words
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import MissedRecord, place_of
from hub_pipelines.ledger.model import REGISTRY_LEDGER, LaterChange, Posting, SetOver
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.remembered import Kept
from hub_pipelines.pausing.model import pause_of
from hub_pipelines.pausing.store import standing
from hub_pipelines.report import outcomes
from hub_pipelines.report.decided import COLUMNS_SHOWN, columns_read, headings
from hub_pipelines.report.index import ReceiptIndex
from hub_pipelines.report.left_out import not_read, rows_elsewhere
from hub_pipelines.report.model import (
    ChangedRow,
    ColumnLine,
    CorrectedCell,
    Correction,
    Count,
    Counts,
    GoesOn,
    ItemName,
    Line,
    MissedItem,
    QuestionLine,
    Receipt,
    Workbook,
)
from hub_pipelines.report.naming import item_name
from hub_pipelines.report.workbook.model import Made, Returned
from hub_pipelines.report.workbook.service import Told, Workbooks
from hub_pipelines.report.workbook.store import find as find_workbook
from hub_pipelines.report.workbook.store import make_due as make_workbook_due
from hub_pipelines.report.workbook.store import return_of
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, State, Submission
from hub_pipelines.submission.progress import ProgressFiles
from hub_pipelines.validate.columns import table_of
from hub_pipelines.validate.difference import Difference
from hub_pipelines.validate.model import PART_ROWS, Feed, Part, RecordType, excel_row, sheet_of
from hub_pipelines.validate.staging import read_staged

_log = logging.getLogger(__name__)
_PROBLEMS_SHOWN = 2_000
_CHANGES_SHOWN = 100
_WORKBOOKS_S = 5.0
_WORKBOOKS_AT_ONCE = 20
_WORKBOOK_OF_A_TICK_S = 8.0
_MISSED_SHOWN = 1_000
_PLACES_SHOWN = 3
_MOVED_WITHIN = timedelta(days=90)
"""What was listed anew at another place so long before a count did not find it is likely the same thing."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """Writes receipts. Raises OSError when the folder can't be written; the receipt stays due."""

    db: Database
    root: Path
    archive: Archive
    staged: Path
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]
    workbooks: Workbooks
    contact: str
    """Whom a sender is to ask; empty when nobody is named."""
    progress: ProgressFiles

    def write_due(self, campus: str | None = None, *, limit: int = 500) -> list[Path]:
        """Write what is due, oldest first; for arrivals that no run handles and for runs that died before this.

        One that can't be written is logged, stays due and holds up no other. Workbooks come after all pages, and only
        as many as are begun within a few seconds: a sensor's tick must end.
        """
        with self.db.read() as tx:
            due = submissions.receipts_due(tx, campus, limit=limit)
            came = arrivals.receipts_due(tx, campus, limit=limit)
        steps = [partial(self._write_page, request_id) for request_id in due]
        steps += [partial(self._write_arrival, arrival) for arrival in came]
        pages = [page for page in map(_written, steps) if page is not None]
        self.index.refresh(campus)
        self._make_due_workbooks(campus)
        return pages

    def _make_due_workbooks(self, campus: str | None) -> None:
        until = time.monotonic() + _WORKBOOKS_S
        for made in self.workbooks.due(campus, limit=_WORKBOOKS_AT_ONCE):
            if time.monotonic() > until:
                return
            _written(partial(self._add_workbook, made, patience_s=_WORKBOOK_OF_A_TICK_S))

    @property
    def index(self) -> ReceiptIndex:
        """The pages that list these receipts."""
        return ReceiptIndex(
            self.db,
            self.root,
            self.campuses,
            self.path_of,
            self.path_of_arrival,
            self.path_of_preview,
            self._rows_elsewhere,
        )

    def write(self, request_id: str) -> Path:
        """The receipt of a submission as it stands now, and then its workbook where it gets one; returns the page."""
        page = self._write_page(request_id)
        with self.db.read() as tx:
            current = submissions.get(tx, request_id)
            made = find_workbook(tx, request_id, current.revision)
        if made is not None:
            _written(partial(self._add_workbook, made))
        return page

    def write_progress(self, request_id: str) -> None:
        """A page that says how far a run is with a file; the one that follows takes its place. An error is logged."""
        _written(partial(self._write_page_of_progress, request_id))

    def _write_page_of_progress(self, request_id: str) -> Path:
        with self.db.read() as tx:
            current = submissions.get(tx, request_id)
            receipt = self._of_submission(tx, current)
        path = self.path_of(current)
        _write_both(path, receipt)
        return path

    def _write_page(self, request_id: str) -> Path:
        with self.db.read() as tx:
            current = submissions.get(tx, request_id)
            receipt = self._of_submission(tx, current)
        path = self.path_of(current)
        _write_both(path, receipt)
        with self.db.write() as tx:
            if receipt.workbook is not None:
                make_workbook_due(tx, request_id, current.revision, current.envelope.campus)
            if current.state is State.POSTED:
                submissions.renew_receipts_of_earlier(tx, current)
                if _is_first_list(tx, current):
                    submissions.renew_receipts_without_registry(tx)
            submissions.mark_receipted(tx, current)
        self.index.mark(current.envelope.campus)
        return path

    def _add_workbook(self, made: Made, *, patience_s: float | None = None) -> Path:
        """Make a workbook that is due, and tell of it on the page. On an error it stays due, until the last attempt."""
        with self.db.read() as tx:
            current = submissions.get(tx, made.request_id)
            receipt = self._of_submission(tx, current)
        path = self.path_of(current)
        if not self.workbooks.begin(made):
            return path
        try:
            self.workbooks.make(current, made, _told(receipt), path, patience_s=patience_s)
        except Exception:  # noqa: BLE001  # whatever is wrong with a workbook, the receipt stands
            _log.exception("A workbook could not be made; it stays due.")
            return path
        return self._write_page(made.request_id)

    def path_of(self, current: Submission) -> Path:
        folder = self._folder(current.envelope.campus, current.envelope.feed)
        if current.envelope.channel == MESSAGES:
            folder /= "messages"
        return folder / (f"{file_stem(plain_name(current.envelope.source_name))}--{current.request_id[-8:]}.html")

    def _read(self, current: Submission) -> dict[str, Any]:
        """What was staged of how a posted file was read; nothing where it is no longer there."""
        path = self.staged / f"{current.staged}.parquet"
        if current.state is not State.POSTED or current.staged is None or not path.exists():
            return {}
        return read_staged(path)[0]

    def _rows_elsewhere(self, current: Submission) -> int:
        return rows_elsewhere(self._read(current))

    def path_of_arrival(self, arrival: Arrival) -> Path:
        return self._folder(arrival.scope.campus, arrival.scope.feed) / (
            f"{file_stem(arrival.source_name)}--{arrival.outcome}-{arrival.arrived_at:%Y%m%d-%H%M%S}-{arrival.arrival_id[-6:]}.html"
        )

    def path_of_preview(self, arrival: Arrival) -> Path:
        name = f"{file_stem(arrival.source_name)}--{arrival.arrived_at:%Y%m%d-%H%M%S}-{arrival.arrival_id[-6:]}.html"
        return self._folder(arrival.scope.campus, arrival.scope.feed) / FOLDER_OF[Purpose.PREVIEW] / name

    def _folder(self, campus: str, feed: str) -> Path:
        return self.root / campus / feed

    def _write_arrival(self, arrival: Arrival) -> Path:
        with self.db.read() as tx:
            receipt = self._of_arrival(tx, arrival)
        path = self.path_of_arrival(arrival)
        _write_both(path, receipt)
        with self.db.write() as tx:
            arrivals.mark_receipted(tx, arrival.arrival_id)
        self.index.mark(arrival.scope.campus)
        return path

    def _of_submission(self, tx: Transaction, current: Submission) -> Receipt:
        envelope = current.envelope
        blocks = ledgers.problems_of(tx, current.request_id, current.revision, severity="block", limit=_PROBLEMS_SHOWN)
        warns = ledgers.problems_of(tx, current.request_id, current.revision, severity="warn", limit=_PROBLEMS_SHOWN)
        registry_version, registry_date = ledgers.current_version(tx, REGISTRY_LEDGER)
        change = shapes.change_of(tx, current.request_id, current.revision)
        pairs = _compared(tx, change) if change and change.kind is Kind.DRIFTED else []
        notes = _notes(change) if change and current.state is State.POSTED else ()
        came = return_of(tx, current.request_id, current.revision)
        problems_total = ledgers.problem_count(tx, current.request_id, current.revision)
        registry = outcomes.waits_for_registry(tx, current)
        decision = mappings.find_decision(tx, current.decision)
        parts = decision.parts if decision else ()
        sent_as = headings(decision)
        newer = self._newer(tx, current)
        questions = mappings.questions_about(tx, current.request_id, current.revision)
        if newer is not None and current.state is State.IN_REVIEW:
            questions = []
        read = self._read(current)
        asked_again = any(one.answer is None for one in questions)
        progress = self.progress.of(current)
        return Receipt(
            contact=self.contact,
            title_source=envelope.source_name,
            campus=envelope.campus,
            feed=envelope.feed,
            outcome=outcomes.shown(current),
            headline_reason=_pause(tx, current) or outcomes.headline_reason(current, registry),
            next_step=current.fix if current.state in {State.IN_REVIEW, State.RETRYING} else None,
            request_id=current.request_id,
            received_at=envelope.received_at,
            settled_at=current.settled_at,
            time_zone=self._time_zone(envelope.campus),
            content_digest=envelope.content_digest,
            counts=replace(
                outcomes.counts(current, ledgers.find_posting(tx, current.request_id, current.revision)),
                elsewhere=rows_elsewhere(read),
            ),
            problems=tuple(
                _line(_with_list_come(problem) if registry.has_come else problem, parts, sent_as) for problem in blocks
            ),
            problems_total=problems_total,
            warnings=(
                *(() if asked_again else _mark_notes(came)),
                *self._set_over(tx, current, came, parts),
                *_closed(tx, current, parts),
                *notes,
                *not_read(read),
                *(_line(problem, parts, sent_as) for problem in warns),
            ),
            revises=current.revises,
            source_version=current.source_version,
            first_seen_at=None,
            first_request_id=None,
            changed_since=(),
            changed_since_total=0,
            apply_again_command=None,
            registry_version=current.registry_version,
            registry_date=registry_date if current.registry_version == registry_version else None,
            archived_copy=str(self.archive.object_path(envelope.content_digest)),
            needs_registry=bool(registry),
            only_registry=registry.is_all,
            registry_has_come=registry.has_come,
            columns=tuple(_column_line(pair) for pair in pairs if not _as_before(pair))[:COLUMNS_SHOWN],
            columns_as_before=sum(map(_as_before, pairs)),
            correction=_correction(tx, current.request_id)
            or _own_correction(tx, current, came, problems_total if current.state is State.POSTED else None, sent_as),
            workbook=self._workbook(tx, current),
            questions=tuple(map(_question_line, questions)),
            answer_command=_answer_command(questions),
            answer_trouble=came.note if came and asked_again else None,
            columns_read=columns_read(decision),
            complete_count=envelope.complete_count,
            count=self._count(tx, current),
            newer=newer,
            cause=str(current.cause) if current.state is State.IN_REVIEW else None,
            at_work=str(progress) if progress else None,
        )

    def _record_of(self, ledger: str) -> RecordType | None:
        """What a ledger's items are; None when this hub no longer takes them."""
        name = ledger.partition("@")[0]
        feed = self.feeds.get(name.partition(".")[0])
        return next((one for one in feed.record_types if one.name == name), None) if feed else None

    def _names(self, tx: Transaction, ledger: str, keys: Sequence[str]) -> dict[str, ItemName]:
        """What a ledger's items are called by what it holds of them now."""
        record = self._record_of(ledger)
        if record is None:
            return {key: ItemName(key) for key in keys}
        found = ledgers.current_values(tx, ledger, keys)
        return {key: item_name(record, key, json.loads(found[key])) if key in found else ItemName(key) for key in keys}

    def _newer(self, tx: Transaction, current: Submission) -> GoesOn | None:
        """What was sent in place of a file that is settled, the last of several; of one that waits for a person only
        what was taken meanwhile, for then the answer changes nothing any more (decisions/0056)."""
        last = None
        if current.state is State.IN_REVIEW:
            newer = submissions.overtaken(tx, [current.request_id]).get(current.request_id)
            last = submissions.get(tx, newer) if newer else None
        elif current.state in (State.DISMISSED, State.POSTED):
            found = current
            while (following := submissions.newest_revising(tx, found)) is not None:
                last = found = following
        if last is None:
            return None
        item = reviews.corrected_by(tx, last.request_id)
        by_sender = item is None or not (item.resolved_by or "").startswith("person/")
        return self._goes_on(last, self.path_of(current), by_sender=by_sender)

    def _goes_on(
        self, other: Submission, page: Path, *, still_open: tuple[str, ...] = (), by_sender: bool = True
    ) -> GoesOn:
        link = quote(Path(os.path.relpath(self.path_of(other), page.parent)).as_posix())
        envelope = other.envelope
        return GoesOn(envelope.source_name, other.request_id, link, still_open, by_sender, envelope.complete_count)

    def first_copy(self, tx: Transaction, first: Submission, page: Path) -> GoesOn:
        """What a copy is a copy of; when something was sent in place of it, nothing is open there."""
        return self._goes_on(first, page, still_open=outcomes.still_open(tx, first))

    def _count(self, tx: Transaction, current: Submission) -> Count | None:
        """What a complete count has covered and missed, as it stands now."""
        posting = ledgers.find_posting(tx, current.request_id, current.revision)
        if posting is None or posting.counted is None:
            return None
        found = counts.of_count(tx, current.request_id, current.revision, limit=_MISSED_SHOWN)
        names = self._names(tx, posting.ledger, [one.missed.key for one in found])
        record = self._record_of(posting.ledger)
        by_place = self._is_by_place(posting.ledger)
        moved = _moved(tx, posting, record, found) if record is not None and by_place else {}
        used_up = _used_up(tx, posting, record) if record is not None else set()
        return Count(
            locations=posting.counted,
            not_found=posting.not_found,
            listed_in_rejected_rows=posting.listed_in_rejected_rows,
            still_missing=counts.still_missing(tx, current.request_id, current.revision),
            missed=tuple(
                _missed(tx, one, names[one.missed.key], moved.get(one.missed.key, ()), used_up) for one in found
            ),
            by_place=by_place,
            used_up=len(used_up),
            uncounted=posting.uncounted,
        )

    def _workbook(self, tx: Transaction, current: Submission) -> Workbook | None:
        if current.state not in (State.POSTED, State.IN_REVIEW) or current.envelope.channel == MESSAGES:
            return None
        made = find_workbook(tx, current.request_id, current.revision)
        if made is not None:
            return Workbook(made.state.value, made.file_name, made.note)
        return Workbook("due", None, None) if self.workbooks.wanted(tx, current) else None

    def _of_arrival(self, tx: Transaction, arrival: Arrival) -> Receipt:
        first = submissions.find(tx, arrival.request_id) if arrival.request_id else None
        duplicate = first if arrival.outcome is Outcome.DUPLICATE else None
        changes = self.changed_since(tx, duplicate) if duplicate else []
        retry = bool(duplicate) and self._registry_grew(tx, duplicate)
        return Receipt(
            contact=self.contact,
            title_source=arrival.source_name,
            campus=arrival.scope.campus,
            feed=arrival.scope.feed,
            outcome=outcomes.shown_arrival(arrival.outcome),
            headline_reason=outcomes.clause(arrival.reason),
            next_step=_REGISTRY_GREW if retry else arrival.fix,
            request_id=arrival.request_id,
            received_at=arrival.arrived_at,
            settled_at=arrival.arrived_at,
            time_zone=self._time_zone(arrival.scope.campus),
            content_digest=arrival.content_digest,
            counts=Counts(0, 0, 0, 0, 0),
            problems=(),
            problems_total=0,
            warnings=(),
            revises=None,
            source_version=duplicate.source_version if duplicate else 1,
            first_seen_at=duplicate.envelope.received_at if duplicate else None,
            first_request_id=duplicate.request_id if duplicate else None,
            changed_since=tuple(self._changed_rows(tx, duplicate, changes[:_CHANGES_SHOWN])) if duplicate else (),
            changed_since_total=len(changes),
            apply_again_command=_again_command(duplicate) if duplicate and (changes or retry) else None,
            registry_version=None,
            registry_date=None,
            archived_copy=str(self.archive.object_path(arrival.content_digest)) if arrival.content_digest else None,
            needs_registry=False,
            first_copy=self.first_copy(tx, duplicate, self.path_of_arrival(arrival)) if duplicate else None,
        )

    def changed_since(self, tx: Transaction, first: Submission) -> list[LaterChange]:
        """Rows that these bytes set and that later submissions have changed."""
        posting = ledgers.find_posting(tx, first.request_id, first.revision)
        if posting is None:
            return []
        keys = self._keys_set_by(tx, first)
        return ledgers.later_changes(tx, posting.ledger, keys, after_version=posting.ledger_version)

    def _keys_set_by(self, tx: Transaction, first: Submission) -> list[str]:
        """Keys of all accepted rows, or at least of the journalled ones when the staged file is gone."""
        path = self.staged / f"{first.staged}.parquet"
        if first.staged is None or not path.exists():
            return ledgers.keys_of(tx, first.request_id, first.revision)
        _, rows = read_staged(path, digest=first.staged)
        return [row.key for row in rows if row.key is not None and row.verdict == "accepted"]

    def _set_over(
        self, tx: Transaction, current: Submission, came: Returned | None, parts: Sequence[Part]
    ) -> tuple[Line, ...]:
        """A returned workbook holds all rows as they were sent first: some may have been newer in the ledger."""
        original = submissions.find(tx, came.original) if came and came.original else None
        if original is None or current.state is not State.POSTED:
            return ()
        found = ledgers.set_over(
            tx,
            current.request_id,
            current.revision,
            others_than=original.request_id,
            since=original.envelope.received_at,
            limit=_CHANGES_SHOWN,
        )
        posting = ledgers.find_posting(tx, current.request_id, current.revision)
        if posting is None:
            return ()
        if self._is_by_place(posting.ledger):
            # of such lines the posting has remarked already what other lists had set
            own = list_key(current.envelope.source_name)
            found = [one for one in found if list_key(_source_name(tx, one.request_id)) == own]
        names = self._names(tx, posting.ledger, [one.key for one in found])
        return tuple(_line_of_set_over(tx, one, names[one.key], parts) for one in found)

    def _is_by_place(self, ledger: str) -> bool:
        """The place is part of what an item of this ledger is: the same thing elsewhere is another item."""
        record = self._record_of(ledger)
        return record is not None and record.location_column in record.key_columns

    def _changed_rows(self, tx: Transaction, first: Submission, changes: Sequence[LaterChange]) -> Iterator[ChangedRow]:
        posting = ledgers.find_posting(tx, first.request_id, first.revision)
        names = self._names(tx, posting.ledger, [one.key for one in changes]) if posting else {}
        for one in changes:
            yield ChangedRow(one.key, names[one.key], _source_name(tx, one.request_id), one.at)

    def _registry_grew(self, tx: Transaction, first: Submission | None) -> bool:
        """Rows of the first copy were rejected for unknown tags, and the registry has changed since."""
        if first is None or first.registry_version is None or first.state is not State.POSTED:
            return False
        moved = ledgers.current_version(tx, REGISTRY_LEDGER)[0] != first.registry_version
        return moved and ledgers.rejected_by_rule(tx, first.request_id, first.revision, outcomes.TAG_RULE) > 0

    def _time_zone(self, campus: str) -> str:
        known = self.campuses.get(campus) or next(iter(self.campuses.values()))
        return known.time_zone


def _closed(tx: Transaction, current: Submission, parts: Sequence[Part]) -> tuple[Line, ...]:
    """Lines that rows of this file have replaced, since it corrects another one."""
    found = ledgers.closed_by(tx, current.request_id, current.revision, limit=_CHANGES_SHOWN)
    return tuple(_line_of_closed(row_no, in_words(json.loads(values)), parts) for row_no, values in found)


def _line_of_closed(row_no: int, was: str, parts: Sequence[Part]) -> Line:
    reason = f"This row was posted before as {was}. That line is closed now: this row has its place in the ledger."
    return Line(excel_row(row_no), None, None, reason, None, row_no // PART_ROWS, sheet_of(row_no, parts))


def _written(step: Callable[[], Path]) -> Path | None:
    try:
        return step()
    except (OSError, HubError):
        _log.exception("A receipt could not be written; it stays due.")
        return None


def _pause(tx: Transaction, current: Submission) -> str | None:
    if current.state is not State.RECEIVED:
        return None
    paused = pause_of(standing(tx), current.envelope.campus, current.envelope.feed)
    return f"work on {paused.scope} is paused since {paused.paused_at:%Y-%m-%d %H:%M} UTC" if paused else None


_REGISTRY_GREW = (
    "Some rows were not taken last time because their tags were unknown, and the procurement registry has changed "
    "since. Ask the hub's operator to apply this file again."
)


def _with_list_come(problem: dict[str, Any]) -> dict[str, Any]:
    """Of a tag that nobody could check when its file came: there is a list by now."""
    if problem["rule"] != outcomes.TAG_RULE:
        return problem
    reason = "There was no procurement list yet when this tag was checked. It has come since."
    return {**problem, "reason": reason}


def _line(problem: dict[str, Any], parts: Sequence[Part], sent_as: Mapping[str, str]) -> Line:
    row_no, heading = problem["row_no"], sent_as.get(problem["column_name"])
    return Line(
        row=excel_row(row_no),
        column=problem["column_name"],
        value=problem["value"],
        reason=without_heading(problem["reason"]) if heading else problem["reason"],
        suggestion=problem["suggestion"],
        part=row_no // PART_ROWS,
        sheet=sheet_of(row_no, parts),
        heading=heading,
        table=table_of(row_no, parts),
    )


def _question_line(one: Kept) -> QuestionLine:
    return QuestionLine(
        question_id=one.question_id,
        text=one.text,
        heading=one.heading or None,
        choices=tuple(choice.label for choice in one.choices),
        evidence=one.evidence,
        answer=one.label_of(one.answer),
        answered_by=(one.answered_by or "").removeprefix("person/") or None,
    )


def _answer_command(questions: Sequence[Kept]) -> str | None:
    """What the operator types, with the number of a choice in place of each N."""
    still_open = [one for one in questions if one.answer is None]
    if not still_open:
        return None
    return f"hub mapping answer {still_open[0].request_id} " + " ".join(f"{one.question_id} N" for one in still_open)


def _compared(tx: Transaction, change: ShapeChange) -> list[Pair]:
    """The columns of a held file beside those of the file that posted last."""
    now = shapes.shape(tx, change.source, change.fingerprint)
    before = shapes.shape(tx, change.source, change.compared_with) if change.compared_with else None
    return side_by_side(before.shape if before else None, now.shape, change.change) if now else []


def _column_line(pair: Pair) -> ColumnLine:
    return ColumnLine(pair.column, pair.before, pair.now, pair.perhaps)


def _as_before(pair: Pair) -> bool:
    return pair.before is not None and pair.now is not None


def _is_first_list(tx: Transaction, current: Submission) -> bool:
    """Whether this is the procurement list that others have waited for."""
    posting = ledgers.find_posting(tx, current.request_id, current.revision)
    return posting is not None and (posting.ledger, posting.ledger_version) == (REGISTRY_LEDGER, 1)


def _line_of_set_over(tx: Transaction, one: SetOver, item: ItemName, parts: Sequence[Part]) -> Line:
    by = _source_name(tx, one.request_id)
    reason = f"{by} had set {item} since the first file was sent, and this row has replaced what it said."
    fix = f"If {by} is right, send it again or correct this row"
    sheet = sheet_of(one.row_no, parts)
    return Line(excel_row(one.row_no), None, None, reason, fix, one.row_no // PART_ROWS, sheet)


def _notes(found: ShapeChange) -> tuple[Line, ...]:
    """What a sender should know of columns that changed and held nothing up."""
    new = [
        Line(0, one.column or one.heading, one.heading, note_of(found.kind, one), None) for one in found.change.gained
    ]
    gone = [
        Line(0, heading, None, "This column was in earlier files and is gone.", None) for heading in found.change.gone
    ]
    lines = new + gone
    more = len(lines) - COLUMNS_SHOWN
    rest = [Line(0, None, None, f"{more:,} more columns are not as before.", None)] if more > 0 else []
    return (*lines[:COLUMNS_SHOWN], *rest)


def _correction(tx: Transaction, request_id: str) -> Correction | None:
    """What a reviewer has changed before this file was sent in place of another."""
    item = reviews.corrected_by(tx, request_id)
    if item is None or item.difference is None or item.resolved_at is None:
        return None
    difference = Difference.from_document(item.difference)
    return Correction(
        item_id=item.item_id,
        original_request_id=item.request_id,
        original_name=submissions.get(tx, item.request_id).envelope.source_name,
        by=(item.resolved_by or "").removeprefix("person/"),
        at=item.resolved_at,
        summary=difference.sentence(),
        cells=tuple(CorrectedCell(one.row_after, one.column, one.old, one.new) for one in difference.cells),
        cells_total=difference.cells_changed,
    )


_STORED_OTHERWISE = "The values are the same; only the way a cell is stored, or what the hub knows, has changed."


def _own_correction(
    tx: Transaction, current: Submission, came: Returned | None, left: int | None, sent_as: Mapping[str, str]
) -> Correction | None:
    """What a sender has changed in the workbook that was given back."""
    if came is None or came.original is None or came.came_at is None:
        return None
    judged = ledgers.find_posting(tx, came.original, came.original_revision or 0) is not None
    original = submissions.get(tx, came.original).envelope
    difference = Difference.from_document(came.difference) if came.difference else None
    cells = difference.cells if difference else ()
    summary = difference.sentence() if difference else ""
    if difference and difference.is_none and judged and current.counts.posted:
        summary = _STORED_OTHERWISE
    if came.part:
        summary += " The rows that it does not hold stay as they are."
    return Correction(
        item_id=None,
        original_request_id=came.original,
        original_name=original.source_name,
        of_count=original.complete_count and not came.part,
        by=None,
        at=came.came_at,
        summary=summary.strip(),
        cells=tuple(
            CorrectedCell(excel_row(one.row_after), sent_as.get(one.column, one.column), one.old, one.new)
            for one in cells
        ),
        cells_total=difference.cells_changed if difference else 0,
        problems_before=came.problems_before if judged else None,
        problems_left=left,
    )


def _mark_notes(came: Returned | None) -> tuple[Line, ...]:
    """A mark that could not be taken."""
    return (Line(0, None, None, came.note, None),) if came and came.note else ()


def _told(receipt: Receipt) -> Told:
    """What the page tells, for the workbook's first sheet."""
    from hub_pipelines.report.render import counts_strip, shown_time
    from hub_pipelines.report.steps import registry_steps
    from hub_pipelines.report.words import receipt_headline

    facts = [
        ("Campus and kind", f"{receipt.campus}, {receipt.feed}"),
        ("Received", shown_time(receipt.received_at, receipt.time_zone)),
        *([("Whom to ask", receipt.contact)] if receipt.contact else []),
    ]
    return Told(receipt_headline(receipt), tuple(facts), tuple(counts_strip(receipt)), tuple(registry_steps(receipt)))


def _source_name(tx: Transaction, request_id: str) -> str:
    return submissions.get(tx, request_id).envelope.source_name


def _moved(
    tx: Transaction, posting: Posting, record: RecordType, found: Sequence[MissedRecord]
) -> dict[str, tuple[str, ...]]:
    """By the key of what is still missing, where the same thing is new: since the count, or shortly before it but
    after the missing line was set."""
    thing_in = record.lines.thing_in if record.lines is not None else None
    missing = [one.missed for one in found if one.missed.row_no is None and one.found_at is None]
    if thing_in is None or not missing:
        return {}
    things = {thing_in(one.key) for one in missing}
    new: dict[str, list[tuple[int, str, str]]] = {}
    since = ledgers.version_at(tx, posting.ledger, posting.posted_at - _MOVED_WITHIN) + 1
    for key, text, request_id, version in ledgers.new_since(tx, posting.ledger, since):
        values = json.loads(text)
        if thing_in(key) in things and not (record.is_gone and record.is_gone(values)):
            where = str(values.get(record.location_column) or "no place")
            new.setdefault(thing_in(key), []).append((version, where, _source_name(tx, request_id)))
    was_set = ledgers.versions_of(tx, posting.ledger, [one.key for one in missing])
    return {
        one.key: tuple(
            f"{where} ({source})"
            for version, where, source in new.get(thing_in(one.key), ())
            if version > was_set.get(one.key, 0) and place_of(where) != place_of(one.location)
        )[:_PLACES_SHOWN]
        for one in missing
    }


def _used_up(tx: Transaction, posting: Posting, record: RecordType) -> set[str]:
    """What a count did not find and a later file says to be gone."""
    if record.is_gone is None:
        return set()
    return {
        key
        for finder, keys in counts.found_by(tx, posting.request_id, posting.revision).items()
        for key, values in ledgers.values_set_by(tx, posting.ledger, finder, keys).items()
        if record.is_gone(json.loads(values))
    }


def _missed(
    tx: Transaction, one: MissedRecord, item: ItemName, moved: tuple[str, ...], used_up: set[str]
) -> MissedItem:
    row = one.missed.row_no
    finder = submissions.find(tx, one.found_by) if one.found_by else None
    return MissedItem(
        key=one.missed.key,
        item=item,
        location=one.missed.location,
        row=None if row is None else excel_row(row),
        found_at=one.found_at,
        found_in=finder.envelope.source_name if finder else None,
        moved=moved,
        used_up=one.missed.key in used_up,
    )


def _again_command(first: Submission) -> str:
    return f"hub apply-again {first.request_id}"


def file_stem(source_name: str) -> str:
    """A file name that is safe on any system and still recognisable to the sender."""
    safe = re.sub(r"[^\w.() -]+", "_", source_name).strip(" .")
    return safe.encode("utf-8")[:80].decode("utf-8", "ignore") or "file"


def _write_both(page: Path, receipt: Receipt) -> None:
    from hub_pipelines.report.render import to_html, to_json

    page.parent.mkdir(parents=True, exist_ok=True)
    write_replacing(page.with_suffix(".json"), to_json(receipt))
    write_replacing(page, to_html(receipt))
