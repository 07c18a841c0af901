"""What a file would do, without doing it: judged as a run would judge it, compared with the ledger as it is now.

Belongs here: making a preview, and what becomes of one that fails. Not here: judging (judging.py), words and page
(report/previews), when a run is launched (launching.py).

Nothing is written but the arrival's own bookkeeping and the receipt (decisions/0049), so that two processes may make
the same preview at once: both write the same page. One is due until its page is written; whoever dies before that
leaves it due.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.store import Database, Transaction
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.comparing import side_by_side
from hub_pipelines.drift.model import Held, Kind
from hub_pipelines.drift.service import source_of
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, PreviewDue, request_id_for
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.judging import Judge, Judged, Read, Way, counting_of
from hub_pipelines.ledger.comparing.model import Earlier
from hub_pipelines.ledger.comparing.remarks import WORTH_A_LOOK, Remarks, comparing_of
from hub_pipelines.ledger.counting.model import Missed as Counted
from hub_pipelines.ledger.counting.model import Tally, ThingIn
from hub_pipelines.ledger.entries.model import SetBy
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import ledger_name
from hub_pipelines.ledger.posting.sparing import Sparing
from hub_pipelines.ledger.posting.standing import Standing
from hub_pipelines.ledger.registry.store import LedgerRegistry
from hub_pipelines.logs import pairs
from hub_pipelines.mapping.remembered import questions_of
from hub_pipelines.report.calling import Called, called
from hub_pipelines.report.changes import changed_cells
from hub_pipelines.report.decided import COLUMNS_SHOWN, columns_read
from hub_pipelines.report.left_out import not_read, rows_elsewhere
from hub_pipelines.report.model import ChangedItem, ColumnLine, ItemName, Line
from hub_pipelines.report.naming import item_amount, item_name
from hub_pipelines.report.previews.model import (
    Found,
    Missed,
    NewItem,
    Preview,
    Question,
    Would,
)
from hub_pipelines.report.previews.service import write_pages
from hub_pipelines.report.service import Receipts
from hub_pipelines.report.workbook import token
from hub_pipelines.returning import seen_by_sender
from hub_pipelines.rows_to_fix import RowsToFix
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Envelope, Integrity, Submission
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.columns import table_of
from hub_pipelines.validate.model import (
    PART_ROWS,
    AcceptedRow,
    Feed,
    Part,
    Problem,
    RecordType,
    Table,
    Verdict,
    excel_row,
    sheet_of,
)
from hub_pipelines.validate.returned import require_mark
from hub_pipelines.validate.staging import row_of

MOST_ATTEMPTS = 3
"""A preview whose making failed or died so often has a receipt that says so; nothing is tried for ever."""
PROBLEMS_SHOWN = 2_000
ITEMS_SHOWN = 500
_ASKED_LATER = "When you drop the file for real, its receipt comes with a sheet to answer in."
_ANSWERED = "Drop the file for real: what you wrote in its sheet Questions is taken then."
_CHUNK_ROWS = 5_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A preview whose receipt is written."""

    arrival: Arrival
    page: Path
    preview: Preview


@dataclass(frozen=True, slots=True)
class Previews:
    """Makes previews. What the database or the disk denies leaves a preview due (Transient, OSError)."""

    db: Database
    judge: Judge
    receipts: Receipts
    keys: KeyRing
    now: Callable[[], datetime]

    def page_of(self, preview: Preview) -> Path:
        """The page that was written of a preview."""
        with self.db.read() as tx:
            return self.receipts.places.page_of_preview(arrivals.preview_of(tx, preview.arrival_id).arrival)

    def make_due(self, campus: str, *, limit: int = 500) -> Iterator[Made]:
        """Make what is due for a campus, the smallest first, and what comes meanwhile; a failure holds up no other.

        Each is tried once; one that could not be made stays due.
        """
        tried: set[str] = set()
        while due := [one for one in self._due(campus, limit) if one.arrival.arrival_id not in tried]:
            for one in sorted(due, key=lambda one: one.arrival.size_bytes):
                tried.add(one.arrival.arrival_id)
                try:
                    preview = self.make(one.arrival.arrival_id)
                except Exception:  # noqa: BLE001  # a bug that one file finds must not cost the others their answer
                    _log.exception("a preview could not be made; it stays due %s", pairs(file=one.arrival.source_name))
                else:
                    yield Made(one.arrival, self.receipts.places.page_of_preview(one.arrival), preview)

    def make(self, arrival_id: str) -> Preview:
        """Make one preview and write its receipt, or write it once more.

        Raises Transient, OSError and what nobody foresaw: it stays due.
        """
        with self.db.write() as tx:
            arrivals.count_preview_attempt(tx, arrival_id)
            due = arrivals.preview_of(tx, arrival_id)
        if due.attempts > MOST_ATTEMPTS:
            return self._finish(due, _failed(self._blank(due), f"it failed {MOST_ATTEMPTS} times"))
        return self._finish(due, self._look(due))

    def give_up(self, due: PreviewDue) -> Preview:
        """The receipt of one for which runs were launched in vain, again and again."""
        return self._finish(due, _failed(self._blank(due), f"{due.launches} runs were started and none began"))

    def _due(self, campus: str, limit: int) -> list[PreviewDue]:
        with self.db.read() as tx:
            return arrivals.previews_due(tx, campus, limit=limit)

    def _finish(self, due: PreviewDue, preview: Preview) -> Preview:
        page = write_pages(self.receipts, due.arrival, preview)
        with self.db.write() as tx:
            arrivals.finish_preview(tx, due.arrival.arrival_id, preview.summary(), at=preview.previewed_at)
        waited_s = round((preview.previewed_at - due.arrival.arrived_at).total_seconds(), 1)
        told = pairs(file=due.arrival.source_name, would=preview.would, waited_s=waited_s, page=page.name)
        _log.log(logging.ERROR if preview.would == "unknown" else logging.INFO, "previewed %s", told)
        return preview

    def _blank(self, due: PreviewDue) -> Preview:
        arrival, digest = due.arrival, str(due.arrival.content_digest)
        campus = self.judge.campuses.get(arrival.scope.campus)
        request_id = request_id_for(arrival.scope, digest, None, complete_count=due.complete_count)
        page = self.receipts.places.page_of_preview(arrival)
        with self.db.read() as tx:
            known = submissions.find(tx, request_id)
            first_copy = self.receipts.facts.first_copy(tx, known, page) if known else None
        return Preview(
            arrival_id=arrival.arrival_id,
            source_name=arrival.source_name,
            campus=arrival.scope.campus,
            feed=arrival.scope.feed,
            complete_count=due.complete_count,
            arrived_at=arrival.arrived_at,
            previewed_at=self.now(),
            time_zone=campus.time_zone if campus else "UTC",
            content_digest=digest,
            archived_copy=str(self.judge.archive.object_path(digest)),
            would="unknown",
            first_copy=first_copy,
            contact=self.receipts.facts.contact,
        )

    def _look(self, due: PreviewDue) -> Preview:
        envelope, came = _envelope(due), _Came()
        try:
            self.judge.archive.verify(envelope.content_digest)
            registry = LedgerRegistry(self.db, self.judge.campus_of(envelope).time_zone)
            with self.judge.judged(envelope, registry, self._as_list_of(came)) as judged:
                found = self._compare(envelope, judged, came)
                read = columns_read(judged.decision)
        except Permanent as error:
            return self._kept_out(due, envelope, error, came)
        return replace(self._blank(due), would="post", found=found, columns_read=read, gave_back_for=came.name)

    def _as_list_of(self, came: "_Came") -> Way:
        """As a run reads, and a workbook that the hub gave back as the list for which it did."""

        def read(envelope: Envelope, feed: Feed, table: Table) -> Read:
            came.original, came.is_part = self._original(envelope, table)
            came.has_answers = bool(table.answers)
            require_mark(table)
            if came.original is not None and came.is_part:
                self._rows_to_fix().require_own_numbers(envelope, came.original)
            return self.judge.by_what_is_known(came.as_sent(envelope), feed, table)

        return read

    def _original(self, envelope: Envelope, table: Table) -> tuple[Submission | None, bool]:
        """What the mark in a file names, None without one that is to be trusted here; whether it holds only rows of
        it."""
        if table.returned is None:
            return None, False
        try:
            mark = token.read(self.keys, table.returned)
        except Integrity:
            return None, False
        if (mark.campus, mark.feed) != (envelope.campus, envelope.feed):
            return None, False
        with self.db.read() as tx:
            return submissions.find(tx, mark.request_id), mark.part

    def _kept_out(self, due: PreviewDue, envelope: Envelope, error: Permanent, came: "_Came") -> Preview:
        """The file as a whole would not be taken, or not yet."""
        kinds: dict[str, Would] = {"drift": "hold", "question": "ask", "unreadable": "refuse"}
        asked = _ANSWERED if came.name and came.has_answers else _ASKED_LATER
        preview = replace(
            self._blank(due),
            would=kinds.get(error.cause, "unknown"),
            reason=error.reason,
            next_step=asked if error.cause == "question" else error.fix or None,
            questions=_questions(error),
            gave_back_for=came.name,
        )
        if not isinstance(error, Held) or error.kind is not Kind.DRIFTED:
            return preview
        with self.db.read() as tx:
            source = source_of(came.as_sent(envelope))
            before = shapes.shape(tx, source, error.compared_with) if error.compared_with else None
        columns = side_by_side(before.shape if before else None, error.seen, error.change)
        other = [one for one in columns if one.before is None or one.now is None]
        return replace(
            preview,
            columns=tuple(ColumnLine(one.column, one.before, one.now, one.perhaps) for one in other[:COLUMNS_SHOWN]),
            columns_as_before=len(columns) - len(other),
        )

    def _compare(self, envelope: Envelope, judged: Judged, came: "_Came") -> Found:
        record = judged.record
        name = ledger_name(record.name, envelope.campus, shared=record.shared)
        counting = counting_of(record) if envelope.complete_count else None
        tally = Tally(counting) if counting is not None else None
        with self.db.read() as tx:
            version, _ = ledger_items.current_version(tx, name)
            seen = seen_by_sender(tx, came.original, envelope, name, part=came.is_part) if came.original else None
            family = frozenset(versions.family(tx, came.original)) if came.original else frozenset[str]()
        parts = judged.decision.parts if judged.decision else ()
        campus = self.judge.campuses.get(envelope.campus)
        comparing = comparing_of(
            record,
            came.as_sent(envelope).source_name,
            family,
            parts=parts,
            said=judged.said,
            came_on=campus.day_of(envelope.received_at) if campus else None,
            is_count=envelope.complete_count,
            is_preview=True,
        )
        remarks = Remarks(comparing)
        by_place = counting is not None and record.lines is not None
        place = record.location_column if by_place else None
        difference = _Difference(record, parts, called(judged.decision), remarks, location=place)
        verdicts = self._verdicts(envelope, judged, came)
        while chunk := list(islice(verdicts, _CHUNK_ROWS)):
            keys = [one.key for one in chunk if isinstance(one, AcceptedRow)]
            with self.db.read() as tx:
                current = ledger_items.earlier(tx, name, keys)
                spared = _spared(tx, name, chunk, Sparing(tx, name, seen, judged.said)) if seen is not None else {}
            for verdict in chunk:
                difference.add(verdict, current, spared)
                if tally is not None:
                    tally.add([row_of(verdict)])
        listed = self._listed_elsewhere(name, record, difference)
        # what it moves or renames closes the line that it takes the place of (decisions/0054)
        difference.end({key: one for key, one in listed.items() if one.request_id not in family})
        found = difference.found(record.name, name, version)
        unread = not_read(judged.document)
        found = replace(
            found,
            elsewhere=rows_elsewhere(judged.document),
            warnings=(*unread, *found.warnings),
            warnings_total=len(unread) + found.warnings_total,
        )
        return self._with_count(found, record, tally, difference) if tally is not None else found

    def _verdicts(self, envelope: Envelope, judged: Judged, came: "_Came") -> Iterator[Verdict]:
        if came.original is None or not came.is_part:
            return judged.verdicts
        return self._rows_to_fix().own_rows(envelope, came.original, judged)

    def _rows_to_fix(self) -> RowsToFix:
        return RowsToFix(self.db, self.judge, self.receipts.facts.staged)

    def _listed_elsewhere(self, name: str, record: RecordType, difference: "_Difference") -> dict[str, Earlier]:
        """Lines of the same things as the file's new ones that it does not list."""
        things = difference.remarks.things()
        if record.lines is None or not things:
            return {}
        with self.db.read() as tx:
            keys = ledger_items.lines_of_things(tx, name, things, record.lines.thing_in)
            return ledger_items.earlier(tx, name, [key for key in keys if key not in difference.keys])

    def _with_count(self, found: Found, record: RecordType, tally: Tally, difference: "_Difference") -> Found:
        """What a complete count would miss: what it would set or move is listed, so the ledger does as it is."""
        thing_in = record.lines.thing_in if record.lines is not None else None
        places = difference.moved(thing_in) if thing_in else {}

        def moved(key: str) -> tuple[str, ...]:
            return tuple(places.get(thing_in(key), ())) if thing_in else ()

        with self.db.read() as tx:
            missed = list(tally.missed(ledger_items.items_as_of(tx, found.ledger, found.ledger_version)))
            missed.sort(key=lambda one: (one.row_no is not None, one.location.casefold(), one.key))
            values = ledger_items.current_values(tx, found.ledger, [one.key for one in missed[:ITEMS_SHOWN]])
        return replace(
            found,
            counted=tally.locations,
            not_found=sum(one.row_no is None for one in missed),
            listed_in_rejected_rows=sum(one.row_no is not None for one in missed),
            missed=tuple(_missed(record, one, values, moved(one.key)) for one in missed[:ITEMS_SHOWN]),
        )


@dataclass(slots=True)
class _Came:
    """What a file is, once it was opened."""

    original: Submission | None = None
    """What a workbook that the hub gave back corrects."""
    is_part: bool = False
    """It holds only the rows of that one that were to be fixed."""
    has_answers: bool = False

    @property
    def name(self) -> str | None:
        return self.original.envelope.source_name if self.original else None

    def as_sent(self, envelope: Envelope) -> Envelope:
        """What is known of a list goes on with it under any name."""
        return replace(envelope, source_name=self.name) if self.name else envelope


@dataclass(slots=True)
class _Difference:
    """Counts all and keeps the first of each kind."""

    record: RecordType
    parts: Sequence[Part]
    by_sender: Called
    remarks: Remarks
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Line] = field(default_factory=list)
    warnings: list[Line] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    new_items: list[NewItem] = field(default_factory=list)
    changed_items: list[ChangedItem] = field(default_factory=list)
    location: str | None = None
    """The column of the places, where what a count misses may be at another one."""
    new_places: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of all lines of a stock list, which may be at other places too: their rows, and what they say as a hash."""
    worth_a_look: int = 0

    def add(self, verdict: Verdict, current: Mapping[str, Earlier], spared: Mapping[int, SetBy]) -> None:
        """`current` are the items that are in the ledger; `spared` tells of rows of a returned workbook that nobody
        has changed which file has set their items since, and when."""
        row = excel_row(verdict.row_no)
        self.counts["received"] += 1
        if isinstance(verdict, AcceptedRow):
            self._tell(verdict.row_no, verdict.findings)
            self._accepted(row, verdict, current.get(verdict.key), spared.get(verdict.row_no))
        else:
            self._tell(verdict.row_no, verdict.problems)
            self.counts["rejected"] += 1

    def moved(self, thing_in: ThingIn) -> dict[str, list[str]]:
        """By the thing the places at which the file lists it as a new item."""
        places: dict[str, list[str]] = {}
        for key, place in self.new_places.items():
            places.setdefault(thing_in(key), []).append(place)
        return places

    def end(self, listed: Mapping[str, Earlier]) -> None:
        """After the last row: what is to be said of all, and of new lines of which `listed` are at other places."""
        for key in self.remarks.twins:
            # rows to be fixed may be the later ones of a list, without its first
            if (first := self.keys.get(key)) is not None:
                self.remarks.add_first(first[0], key, first[1])
        self._tell(0, self.remarks.of_lists())
        for row_no, one in self.remarks.elsewhere(listed):
            self._tell(row_no, [one])

    def _accepted(self, row: int, verdict: AcceptedRow, held: Earlier | None, set_since: SetBy | None) -> None:
        sent = new = canonical_text(verdict.values)
        if held is not None:
            new = self.remarks.completed(sent, held)
        if self.record.lines is not None:
            self.keys[verdict.key] = (verdict.row_no, hash(sent))
            self.remarks.add_twins([(verdict.row_no, verdict.key, sent)])
        if set_since is not None and (held is None or new != held.values):
            self.remarks.add_spared([(verdict.row_no, set_since, held is None)])
            self.counts["unchanged"] += 1
            return
        if held is not None:
            self._tell(verdict.row_no, self.remarks.add(verdict.row_no, new, held))
        before = None if held is None else held.values
        if before != new:
            self.remarks.add_posted([(verdict.row_no, new)])
        if before is None:
            self.counts["new"] += 1
            self.remarks.add_new([(verdict.row_no, verdict.key)])
            if self.location is not None:
                self.new_places[verdict.key] = str(verdict.values.get(self.location) or "no place")
            if len(self.new_items) < ITEMS_SHOWN:
                self.new_items.append(
                    NewItem(row, verdict.key, self._name_of(verdict), item_amount(self.record, verdict.values))
                )
        elif sha256_hex(before.encode()) == sha256_hex(new.encode()):
            self.counts["unchanged"] += 1
        else:
            self.counts["changed"] += 1
            if len(self.changed_items) < ITEMS_SHOWN:
                cells = tuple(changed_cells(self.record, json.loads(before), json.loads(new), self.by_sender.headings))
                self.changed_items.append(ChangedItem(row, verdict.key, self._name_of(verdict), cells))

    def _tell(self, row_no: int, problems: Iterable[Problem]) -> None:
        row, part, sheet = excel_row(row_no), row_no // PART_ROWS, sheet_of(row_no, self.parts)
        by = self.by_sender
        for one in problems:
            self.totals[one.severity] += 1
            self.worth_a_look += one.rule in WORTH_A_LOOK
            lines = self.problems if one.severity == "block" else self.warnings
            if len(lines) < PROBLEMS_SHOWN:
                heading, place = by.headings.get(one.column or ""), by.place_of(one.column, row_no, self.parts)
                reason, fix = by.sentence(one.reason, one.column), one.suggestion and by.sentence(one.suggestion)
                table = table_of(row_no, self.parts)
                lines.append(Line(row, one.column, one.value, reason, fix, part, sheet, heading, place, table))

    def _name_of(self, verdict: AcceptedRow) -> ItemName:
        return item_name(self.record, verdict.key, verdict.values)

    def found(self, record_type: str, ledger: str, version: int) -> Found:
        return Found(
            record_type=record_type,
            ledger=ledger,
            ledger_version=version,
            received=self.counts["received"],
            new=self.counts["new"],
            changed=self.counts["changed"],
            unchanged=self.counts["unchanged"],
            rejected=self.counts["rejected"],
            problems_total=self.totals["block"],
            warnings_total=self.totals["warn"],
            worth_a_look=self.worth_a_look,
            new_items=tuple(self.new_items),
            changed_items=tuple(self.changed_items),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
        )


def _spared(tx: Transaction, ledger: str, verdicts: Iterable[Verdict], sparing: Sparing) -> dict[int, SetBy]:
    """Rows of a returned workbook that would be left alone, each with what has set its item since."""
    rows = [(one.row_no, one.key, canonical_text(one.values)) for one in verdicts if isinstance(one, AcceptedRow)]
    versions = ledger_items.versions_of(tx, ledger, [key for _, key, _ in rows])
    found = sparing.among([(*row, versions.get(row[1])) for row in rows])
    standing = Standing(tx, ledger)
    return {row_no: standing.set_in(version) for row_no, version in found.items()}


def _failed(preview: Preview, why: str) -> Preview:
    return replace(
        preview,
        would="unknown",
        reason=why,
        next_step="This is the hub's fault, not yours. Show this page to its operator. Nothing was changed.",
    )


def _envelope(due: PreviewDue) -> Envelope:
    """What judging needs to know of an arrival; it is kept nowhere, signed by nobody, and no submission's."""
    arrival = due.arrival
    return Envelope(
        request_id="",
        campus=arrival.scope.campus,
        feed=arrival.scope.feed,
        channel="preview",
        source_system="preview",
        source_name=arrival.source_name,
        content_digest=str(arrival.content_digest),
        size_bytes=arrival.size_bytes,
        received_at=arrival.arrived_at,
        complete_count=due.complete_count,
    )


def _missed(record: RecordType, one: Counted, values: Mapping[str, str], moved: tuple[str, ...]) -> Missed:
    item = item_name(record, one.key, json.loads(values[one.key])) if one.key in values else ItemName(one.key)
    return Missed(one.key, item, one.location, None if one.row_no is None else excel_row(one.row_no), moved)


def _questions(error: Permanent) -> tuple[Question, ...]:
    """What must be answered first, of an error that asks (its cause is `question`)."""
    return tuple(Question(one.text, tuple(choice.label for choice in one.choices)) for one in questions_of(error))
