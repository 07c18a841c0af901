"""Which submissions get a workbook back, and from what it is made.

Belongs here: gathering the facts for the writing program, and what is on record of its work. Not here: the receipt
(report.service calls this after the page is written), the workbook itself (writer).

A workbook never holds a receipt up: it is due once the page is written, each attempt is counted before it begins, and
after the last one the page says that there is none. It is made once for a revision, since people may be working in it.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.files import draft_of
from hub_pipelines.common.scope import Campus
from hub_pipelines.common.store import Database, Transaction, database_now
from hub_pipelines.drift.migrating import without_heading
from hub_pipelines.drift.model import BadMigration
from hub_pipelines.drift.service import Shapes
from hub_pipelines.intake.model import FOLDER_OF, Purpose
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.logs import pairs, working_on
from hub_pipelines.mapping import store as mappings
from hub_pipelines.mapping.decision import Decision
from hub_pipelines.report.calling import Called, called
from hub_pipelines.report.outcomes import waits_for_registry
from hub_pipelines.report.workbook import store, token
from hub_pipelines.report.workbook.model import Made, Mark, Plan, QuestionLine, Sent, WorkbookState, Written
from hub_pipelines.report.workbook.running import PATIENCE_S, NotWritten, Waiting, write_workbook
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Envelope, State, Submission
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions.deciding import column_of_kind
from hub_pipelines.validate.feeds.types import parse_campus
from hub_pipelines.validate.model import Feed, Part, RecordType, Unreadable
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.staging import read_staged, staged_path

_log = logging.getLogger(__name__)
_BLOCKS_MARKED = 5_000
_WARNINGS_MARKED = 1_000
_WAITING_MARKED = 5_000
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Told:
    """What the receipt's page tells, for the first sheet."""

    headline: str
    pairs: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, str], ...]
    first_steps: tuple[str, ...]
    last_steps: tuple[str, ...]
    waiting: str | None
    about_all: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workbooks:
    """Makes returned workbooks. `again_after_s`: a begun attempt that has not ended by then counts as dead;
    `left_to_run_s`: so long after it has settled a large file's is left to its run.

    A workbook of more than `most_cells` is not given back whole: openpyxl takes about half a kilobyte for each. One
    with only the rows to be fixed has fewer, `most_cells_of_part`, so that it goes to and fro whole.
    """

    db: Database
    archive: Archive
    keys: KeyRing
    staged: Path
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]
    large_mb: float
    patience_s: float = PATIENCE_S
    again_after_s: float = 3 * PATIENCE_S
    most_cells: int = 400_000
    most_cells_of_part: int = 200_000
    left_to_run_s: float = 60.0
    _waiting: Waiting = field(default_factory=Waiting, compare=False, repr=False)

    def expect(self, current: Submission) -> None:
        """Have a large file opened by the program that writes, if there will be something to write once its rows are
        posted. Raises OSError."""
        path = staged_path(self.staged, str(current.staged))
        if current.envelope.is_large(self.large_mb) and path.exists() and read_staged(path)[0]["rejected"]:
            self._waiting.begin(self._sent(current.envelope, self._columns(current)))

    def expect_none(self) -> None:
        """Whatever waits to be written is not."""
        self._waiting.end()

    def wanted(self, tx: Transaction, current: Submission) -> bool:
        """There are rows to fix, rows to look at, or questions to answer."""
        if current.envelope.feed not in self.feeds or current.envelope.campus not in self.campuses:
            return False
        if current.state is State.IN_REVIEW:
            return bool(_questions(tx, current))
        return current.state is State.POSTED and any(self._marks(tx, current, _NO_COLUMNS, limit=1))

    def due(self, campus: str | None, *, limit: int) -> list[Made]:
        """Those that nobody else makes. A large file's run has its file open, and more time than whoever asks here: it
        comes first, though a tick may have waited for the end of its posting."""
        with self.db.read() as tx:
            found = store.due(tx, campus, again_after=timedelta(seconds=self.again_after_s), limit=limit)
            now = database_now(tx)
            return [one for one in found if not self._is_left_to_its_run(submissions.get(tx, one.request_id), one, now)]

    def _is_left_to_its_run(self, current: Submission, made: Made, now: datetime) -> bool:
        if made.attempts or current.settled_at is None or not current.envelope.is_large(self.large_mb):
            return False
        return now - current.settled_at < timedelta(seconds=self.left_to_run_s)

    def begin(self, made: Made) -> bool:
        """Count an attempt; False when it is not due (any more) or another process is at it."""
        if made.state is not WorkbookState.DUE:
            return False
        if made.attempts >= _ATTEMPTS:
            self._settle(made, WorkbookState.FAILED, note="marking it has failed several times")
            return False
        with self.db.write() as tx:
            return store.count_attempt(tx, made, again_after=timedelta(seconds=self.again_after_s))

    def make(self, current: Submission, made: Made, told: Told, page: Path, *, patience_s: float | None = None) -> None:
        """Write the workbook beside the receipt's page, or record why there is none. Raises OSError: it stays due."""
        if current.revision != made.revision or current.state not in (State.POSTED, State.IN_REVIEW):
            self._settle(made, WorkbookState.FAILED, note="the file was taken up again")
            return
        with working_on(current.request_id):
            try:
                name, written = self._written(current, told, page, patience_s or self.patience_s)
            except (NotWritten, HubError) as error:
                _log.warning("no workbook %s", pairs(reason=str(error), detail=getattr(error, "detail", "")[-500:]))
                self._settle(made, WorkbookState.FAILED, note=str(error))
                return
            _log.info("workbook made %s", pairs(file=name, whole=written.whole_file))
        self._settle(made, WorkbookState.MADE, file_name=name, note=None if written.whole_file else written.notes[0])

    def _written(self, current: Submission, told: Told, page: Path, patience_s: float) -> tuple[str, Written]:
        plan = self._plan(current, told)
        stem = page.stem if current.revision == 1 else f"{page.stem}-r{current.revision}"
        with draft_of(page) as draft:
            try:
                written = write_workbook(plan, draft, self._waiting, patience_s=patience_s)
            except NotWritten as whole:
                if not plan.marks:
                    raise
                _log.info("not given back whole %s", pairs(reason=str(whole), detail=whole.detail[-500:]))
                written = write_workbook(replace(plan, whole_file=False), draft, self._waiting, patience_s=patience_s)
            name = stem + written.suffix
            draft.replace(page.with_name(name))
        return name, written

    def _settle(self, made: Made, state: WorkbookState, *, file_name: str | None = None, note: str | None) -> None:
        """The page must tell of it, so it is due until it does."""
        with self.db.write() as tx:
            store.settle(tx, made, state, file_name=file_name, note=note)
            receipting.make_receipt_due(tx, made.request_id)

    # ---- from what it is made

    def _plan(self, current: Submission, told: Told) -> Plan:
        envelope = current.envelope
        columns = self._columns(current)
        with self.db.read() as tx:
            marks = self._marks(tx, current, columns, limit=None)
            rule = waits_for_registry(tx, current).rule
            to_fix = self._to_fix(tx, current, columns, rule)
            total = ledger_problems.count_blocking(tx, current.request_id, current.revision, besides=rule)
            warned = sum(mark.severity == "warn" for mark in marks)
            questions = _questions(tx, current) if current.state is State.IN_REVIEW else ()
            came = store.return_of(tx, current.request_id, current.revision)
        mark = token.Token(
            current.request_id, current.revision, envelope.campus, envelope.feed, part=came is not None and came.part
        )
        return Plan(
            sent=self._sent(envelope, columns),
            folder=_folder(envelope),
            token=token.issue(self.keys, mark),
            folder_of_part=f"drop/{envelope.campus}/{envelope.feed}",
            token_of_part=token.issue(self.keys, replace(mark, part=True)),
            headline=told.headline,
            told=told.pairs,
            counts=told.counts,
            first_steps=told.first_steps,
            last_steps=told.last_steps,
            waiting=told.waiting,
            about_all=told.about_all,
            marks=tuple(marks),
            marks_total=total + warned,
            to_fix=to_fix,
            rejected=current.counts.rejected,
            questions=questions,
            lists=columns.lists,
            whole_file=True,
            most_cells=self.most_cells,
        )

    def _sent(self, envelope: Envelope, columns: "_Columns") -> Sent:
        path = self.archive.object_path(envelope.content_digest)
        return Sent(str(path), envelope.source_name, envelope.feed, columns.rules)

    def _marks(self, tx: Transaction, current: Submission, columns: "_Columns", *, limit: int | None) -> list[Mark]:
        """Of each row the problems and warnings, and the tags that wait for a procurement list. Warnings about the
        whole file are told on the first sheet; about cells in which nothing is odd, on the receipt alone."""
        rule = waits_for_registry(tx, current).rule
        waiting = ledger_problems.of_rule(
            tx, current.request_id, current.revision, rule, limit=limit or _WAITING_MARKED
        )
        found = [_waiting(_mark(one, columns)) for one in waiting]
        for severity, most in (("block", _BLOCKS_MARKED), ("warn", _WARNINGS_MARKED)):
            problems = ledger_problems.of_posting(
                tx,
                current.request_id,
                current.revision,
                severity=severity,
                limit=limit or most,
                of_rows=True,
                besides=rule,
            )
            found += [_mark(one, columns) for one in problems if one["rule"] not in _ON_THE_RECEIPT]
        return sorted(found, key=lambda mark: (mark.row, -1 if mark.position is None else mark.position))

    def _to_fix(self, tx: Transaction, current: Submission, columns: "_Columns", rule: str) -> dict[int, str]:
        """What is wrong with each row, for a workbook that holds these alone; of as many as it may have."""
        most = max(1, self.most_cells_of_part // (len(columns.header) + 2))
        found: dict[int, list[str]] = {}
        for problem in ledger_problems.blocking_rows(tx, current.request_id, current.revision, besides=rule):
            if problem["row_no"] not in found and len(found) == most:
                break
            found.setdefault(problem["row_no"], []).append(_line_of(_mark(problem, columns)))
        return {row_no: " ".join(dict.fromkeys(texts)) for row_no, texts in found.items()}

    def _columns(self, current: Submission) -> "_Columns":
        """Where the columns are, as the rows were judged; nothing is known of a file that was held."""
        path = staged_path(self.staged, str(current.staged))
        with self.db.read() as tx:
            decision = mappings.find_decision(tx, current.decision)
        if decision is None or current.staged is None or not path.exists():
            return _NO_COLUMNS
        summary, _ = read_staged(path)
        feed = self.feeds[current.envelope.feed]
        record = feed.record_type(str(summary["record_type"]))
        positions = _positions(decision, record, self._origins(summary, decision, feed))
        lists = _lists(record, positions, tuple(self.campuses))
        return _Columns(
            decision.header,
            positions,
            lists,
            _stands_in(record, positions),
            decision.parts,
            decision.rules,
            called(decision),
        )

    def _origins(self, summary: Mapping[str, Any], decision: Decision, feed: Feed) -> Mapping[str, str]:
        """The headings as sent of the columns that a migration has made."""
        if not summary.get("migration"):
            return {}
        try:
            return Shapes(self.db).plan_of(str(summary["migration"]), list(decision.header), feed).origins
        except BadMigration:
            return {}


_UNKNOWN = Called()
_ON_THE_RECEIPT = {"last_day_of_month"}


@dataclass(frozen=True, slots=True)
class _Columns:
    """The file's headings, positions in them by a column's or heading's name; by position the values allowed.

    `stands_in` has, by columns that the file lacks, the position of the one whose cells may say it too.
    """

    header: tuple[str, ...]
    positions: Mapping[str, int]
    lists: Mapping[int, tuple[str, ...]]
    stands_in: Mapping[str, int]
    parts: Sequence[Part] = ()
    rules: int = RULES
    by_sender: Called = _UNKNOWN


_NO_COLUMNS = _Columns((), {}, {}, {})


def _mark(problem: Mapping[str, Any], columns: _Columns) -> Mark:
    column = problem["column_name"]
    position = columns.positions.get(column) if column else None
    lacks = column is not None and position is None and bool(columns.header)
    position = columns.stands_in.get(str(column)) if lacks else position
    reason = columns.by_sender.sentence(problem["reason"] if position is None else without_heading(problem["reason"]))
    suggestion = problem["suggestion"]
    return Mark(
        row=problem["row_no"],
        position=position,
        column=_heading(columns, position) if position is not None else column and column.replace("_", " "),
        value=problem["value"],
        reason=f"About the {column.replace('_', ' ')}, which has no column of its own: {reason}" if lacks else reason,
        suggestion=columns.by_sender.sentence(suggestion) if suggestion else None,
        severity=problem["severity"],
    )


def _line_of(mark: Mark) -> str:
    about = f"{mark.column}: " if mark.column else ""
    reason = mark.reason if mark.reason.endswith((".", "!", "?")) else f"{mark.reason}."
    return f"{about}{reason}" + (f" Suggestion: {mark.suggestion.rstrip('.')}." if mark.suggestion else "")


def _waiting(mark: Mark) -> Mark:
    reason = "There was no procurement list to check this by when your file came. Nothing for you to do in this cell"
    return replace(mark, reason=reason, suggestion=None, severity="wait")


def _stands_in(record: RecordType, positions: Mapping[str, int]) -> dict[str, int]:
    """A unit or currency without a column of its own stands behind its number."""
    found = {}
    for kind, beside in (("unit", "quantity"), ("currency", "amount")):
        column, number = column_of_kind(record, kind), column_of_kind(record, beside)
        if column is not None and number is not None and column not in positions and number in positions:
            found[column] = positions[number]
    return found


def _folder(envelope: Envelope) -> str:
    """Where the whole workbook is to be dropped: a complete count is one again."""
    folder = f"drop/{envelope.campus}/{envelope.feed}"
    return f"{folder}/{FOLDER_OF[Purpose.COUNT]}" if envelope.complete_count else folder


def _heading(columns: _Columns, position: int) -> str:
    return " ".join(columns.header[position].split())


def _positions(decision: Decision, record: RecordType, origins: Mapping[str, str]) -> dict[str, int]:
    """By the contract's columns and by the headings as sent."""
    header = decision.header
    found = {heading.strip(): position for position, heading in reversed(list(enumerate(header))) if heading.strip()}
    with suppress(Unreadable):
        columns = located_columns(header, record)
        found.update({name: position for position, name in columns.unknown})
        found.update(columns.positions)
    found.update({column: found[heading.strip()] for column, heading in origins.items() if heading.strip() in found})
    return {**found, **(decision.mapping.positions if decision.mapping else {})}


def _questions(tx: Transaction, current: Submission) -> tuple[QuestionLine, ...]:
    """The open ones about this revision."""
    asked = mappings.questions_about(tx, current.request_id, current.revision)
    return tuple(
        QuestionLine(one.question_id, one.text, one.evidence, tuple(c.label for c in one.choices), one.position)
        for one in asked
        if one.answer is None
    )


def _lists(record: RecordType, positions: Mapping[str, int], campuses: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    found = {}
    for column, shape in record.shapes.items():
        choices = campuses if _is_campus(record, column) else shape.choices
        if choices and column in positions:
            found[positions[column]] = choices
    return found


def _is_campus(record: RecordType, column: str) -> bool:
    """Its values are the names of campuses, which no shape can tell."""
    metadata = record.row_model.model_fields[column].metadata
    return any(getattr(one, "func", None) is parse_campus for one in metadata)
