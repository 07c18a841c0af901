"""What a receipt says of a submission or an arrival: gathered from ledger, mapping, review queue and archive.

Belongs here: which facts a receipt has and where each comes from. Not here: writing the page (service), its words and
layout (words, steps, render).
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hub_pipelines.archive.objects import Archive
from hub_pipelines.common.scope import Campus
from hub_pipelines.common.store import Transaction
from hub_pipelines.drift import store as shapes
from hub_pipelines.drift.model import Kind
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.intake.service import plain_name
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import REGISTRY_LEDGER, LaterChange
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.mapping import store as mappings
from hub_pipelines.pausing.model import pause_of
from hub_pipelines.pausing.store import standing
from hub_pipelines.report import outcomes
from hub_pipelines.report.calling import Called, called
from hub_pipelines.report.changes import changed_cells
from hub_pipelines.report.corrections import (
    correction_of,
    gone_on,
    left_by_parts,
    mark_notes,
    own_correction,
    sent_before,
)
from hub_pipelines.report.counted import missed_item, moved_since, used_up_since
from hub_pipelines.report.decided import COLUMNS_SHOWN, columns_read
from hub_pipelines.report.left_out import not_read, rows_elsewhere
from hub_pipelines.report.lines import (
    CHANGES_SHOWN,
    answer_command,
    as_before,
    closed_lines,
    column_line,
    compared_columns,
    line_of,
    line_of_set_over,
    notes_of,
    question_line,
    source_name_of,
    waiting_rows,
)
from hub_pipelines.report.model import (
    ChangedItem,
    ChangedRow,
    Count,
    Counts,
    GoesOn,
    ItemName,
    Line,
    Receipt,
    Waiting,
    Workbook,
)
from hub_pipelines.report.naming import item_name
from hub_pipelines.report.places import Places
from hub_pipelines.report.workbook.model import Returned
from hub_pipelines.report.workbook.service import Workbooks
from hub_pipelines.report.workbook.store import find as find_workbook
from hub_pipelines.report.workbook.store import return_of
from hub_pipelines.review import store as reviews
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, State, Submission
from hub_pipelines.submission.progress import ProgressFiles
from hub_pipelines.submission.versions import store as versions
from hub_pipelines.validate.messages import came_under
from hub_pipelines.validate.model import Feed, Part, RecordType, excel_row, sheet_of
from hub_pipelines.validate.staging import read_staged, staged_path

_PROBLEMS_SHOWN = 2_000
_WAITING_SHOWN = 100
_MISSED_SHOWN = 1_000
_CHANGES_TOLD = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """Gathers receipts in the reader's transaction."""

    archive: Archive
    staged: Path
    feeds: dict[str, Feed]
    campuses: dict[str, Campus]
    workbooks: Workbooks
    contact: str
    """Whom a sender is to ask; empty when nobody is named."""
    progress: ProgressFiles
    places: Places

    def of_submission(self, tx: Transaction, current: Submission) -> Receipt:
        envelope = current.envelope
        registry = outcomes.waits_for_registry(tx, current)
        blocks = ledger_problems.of_posting(
            tx, current.request_id, current.revision, severity="block", limit=_PROBLEMS_SHOWN, besides=registry.rule
        )
        warns = ledger_problems.of_posting(
            tx, current.request_id, current.revision, severity="warn", limit=_PROBLEMS_SHOWN
        )
        registry_version, registry_date = ledger_items.current_version(tx, REGISTRY_LEDGER)
        change = shapes.change_of(tx, current.request_id, current.revision)
        pairs = compared_columns(tx, change) if change and change.kind is Kind.DRIFTED else []
        notes = notes_of(change) if change and current.state is State.POSTED else ()
        came = return_of(tx, current.request_id, current.revision)
        problems_total = ledger_problems.count_blocking(tx, current.request_id, current.revision, besides=registry.rule)
        decision = mappings.find_decision(tx, current.decision)
        parts = decision.parts if decision else ()
        by_sender = called(decision)
        sent_as = by_sender.headings
        newer = self._newer(tx, current)
        questions = mappings.questions_about(tx, current.request_id, current.revision)
        if newer is not None and current.state is State.IN_REVIEW:
            questions = []
        read = self._read(current)
        webhook_ids = self._webhook_ids(current, [*blocks, *warns])
        asked_again = any(one.answer is None for one in questions)
        progress = self.progress.of(current)
        return Receipt(
            contact=self.contact,
            title_source=envelope.source_name,
            campus=envelope.campus,
            feed=envelope.feed,
            outcome=outcomes.shown(current),
            headline_reason=_why_not_yet(tx, current) or outcomes.headline_reason(current, registry),
            next_step=current.fix if current.state in {State.IN_REVIEW, State.RETRYING} else None,
            request_id=current.request_id,
            received_at=envelope.received_at,
            settled_at=current.settled_at,
            time_zone=self._time_zone(envelope.campus),
            content_digest=envelope.content_digest,
            counts=replace(
                outcomes.counts(current, ledger_outcomes.find_posting(tx, current.request_id, current.revision)),
                elsewhere=rows_elsewhere(read),
            ),
            problems=tuple(line_of(problem, parts, by_sender, webhook_ids) for problem in blocks),
            problems_total=problems_total,
            warnings=(
                *(() if asked_again else mark_notes(came)),
                *self._set_over(tx, current, came, parts),
                *closed_lines(tx, current, parts),
                *notes,
                *not_read(read),
                *(line_of(problem, parts, by_sender, webhook_ids) for problem in warns),
            ),
            revises=current.revises,
            list_version=versions.version_of_list(tx, current),
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
            waiting=self._waiting(tx, current, registry, parts, by_sender) if registry else None,
            columns=tuple(column_line(pair) for pair in pairs if not as_before(pair))[:COLUMNS_SHOWN],
            columns_as_before=sum(map(as_before, pairs)),
            correction=correction_of(tx, current.request_id, parts)
            or own_correction(
                tx, current, came, problems_total if current.state is State.POSTED else None, parts, sent_as
            ),
            workbook=self._workbook(tx, current),
            questions=tuple(map(question_line, questions)),
            answer_command=answer_command(questions),
            answer_trouble=came.note if came and asked_again else None,
            columns_read=columns_read(decision),
            complete_count=envelope.complete_count,
            of_messages=envelope.channel == MESSAGES,
            count=self._count(tx, current),
            newer=newer,
            cause=str(current.cause) if current.state is State.IN_REVIEW else None,
            changed=tuple(self._changed(tx, current, parts, sent_as)),
            rows_left=(left_by_parts(tx, current) or None) if newer is None else None,
            at_work=str(progress) if progress else None,
        )

    def _webhook_ids(self, current: Submission, problems: Sequence[Mapping[str, Any]]) -> Mapping[int, str]:
        """By row, of those messages of which something is told."""
        if current.envelope.channel != MESSAGES:
            return {}
        return came_under(
            self.archive.object_path(current.envelope.content_digest), {one["row_no"] for one in problems}
        )

    def _waiting(
        self,
        tx: Transaction,
        current: Submission,
        registry: outcomes.Registry,
        parts: Sequence[Part],
        by_sender: Called,
    ) -> Waiting:
        found = ledger_problems.of_rule(tx, current.request_id, current.revision, registry.rule, limit=_WAITING_SHOWN)
        return waiting_rows(found, registry.waiting, parts, by_sender)

    def _changed(
        self, tx: Transaction, current: Submission, parts: Sequence[Part], sent_as: Mapping[str, str]
    ) -> Iterator[ChangedItem]:
        posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
        record = self._record_of(posting.ledger) if posting is not None and posting.new != posting.posted else None
        if record is None:
            return
        found = ledger_entries.changed_by(tx, current.request_id, current.revision, limit=_CHANGES_TOLD)
        for row_no, key, before, after in found:
            old, new = json.loads(before), json.loads(after)
            cells = tuple(changed_cells(record, old, new, sent_as))
            yield ChangedItem(excel_row(row_no), key, item_name(record, key, new), cells, sheet_of(row_no, parts))

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
        found = ledger_items.current_values(tx, ledger, keys)
        return {key: item_name(record, key, json.loads(found[key])) if key in found else ItemName(key) for key in keys}

    def _newer(self, tx: Transaction, current: Submission) -> GoesOn | None:
        """What was sent in place of a file that is settled, the last of several; of one that waits for a person only
        what was taken meanwhile, for then the answer changes nothing any more (decisions/0056)."""
        last = None
        if current.state is State.IN_REVIEW:
            newer = versions.overtaken(tx, [current.request_id]).get(current.request_id)
            last = submissions.get(tx, newer) if newer else None
        elif current.state in (State.DISMISSED, State.POSTED):
            last = outcomes.newest_in_place_of(tx, current)
        if last is None:
            return None
        item = reviews.corrected_by(tx, last.request_id)
        by_sender = item is None or not (item.resolved_by or "").startswith("person/")
        return self._goes_on(last, self.places.page_of(current), by_sender=by_sender)

    def _goes_on(
        self, other: Submission, page: Path, *, still_open: tuple[str, ...] = (), by_sender: bool = True
    ) -> GoesOn:
        link = quote(Path(os.path.relpath(self.places.page_of(other), page.parent)).as_posix())
        envelope = other.envelope
        return GoesOn(
            plain_name(envelope.source_name), other.request_id, link, still_open, by_sender, envelope.complete_count
        )

    def first_copy(self, tx: Transaction, first: Submission, page: Path) -> GoesOn:
        """What a copy is a copy of; when something was sent in place of it, nothing is open there."""
        return self._goes_on(first, page, still_open=outcomes.still_open(tx, first))

    def _count(self, tx: Transaction, current: Submission) -> Count | None:
        """What a complete count has covered and missed, as it stands now."""
        posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
        if posting is None or posting.counted is None:
            return None
        found = counts.of_count(tx, current.request_id, current.revision, limit=_MISSED_SHOWN)
        names = self._names(tx, posting.ledger, [one.missed.key for one in found])
        record = self._record_of(posting.ledger)
        by_place = self._is_by_place(posting.ledger)
        moved = moved_since(tx, posting, record, found) if record is not None and by_place else {}
        used_up = used_up_since(tx, posting, record) if record is not None else set()
        return Count(
            locations=posting.counted,
            not_found=posting.not_found,
            listed_in_rejected_rows=posting.listed_in_rejected_rows,
            still_missing=counts.still_missing(tx, current.request_id, current.revision),
            missed=tuple(
                missed_item(tx, one, names[one.missed.key], moved.get(one.missed.key, ()), used_up) for one in found
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

    def of_arrival(self, tx: Transaction, arrival: Arrival) -> Receipt:
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
            list_version=versions.version_of_list(tx, duplicate) if duplicate else 1,
            first_seen_at=duplicate.envelope.received_at if duplicate else None,
            first_request_id=duplicate.request_id if duplicate else None,
            changed_since=tuple(self._changed_rows(tx, duplicate, changes[:CHANGES_SHOWN])) if duplicate else (),
            changed_since_total=len(changes),
            apply_again_command=_again_command(duplicate) if duplicate and (changes or retry) else None,
            registry_version=None,
            registry_date=None,
            archived_copy=str(self.archive.object_path(arrival.content_digest)) if arrival.content_digest else None,
            needs_registry=False,
            first_copy=self.first_copy(tx, duplicate, self.places.page_of_arrival(arrival)) if duplicate else None,
        )

    def changed_since(self, tx: Transaction, first: Submission) -> list[LaterChange]:
        """Rows that these bytes set and that later submissions have changed."""
        posting = ledger_outcomes.find_posting(tx, first.request_id, first.revision)
        if posting is None:
            return []
        keys = self._keys_set_by(tx, first)
        return ledger_changes.later_changes(tx, posting.ledger, keys, after_version=posting.ledger_version)

    def _keys_set_by(self, tx: Transaction, first: Submission) -> list[str]:
        """Keys of all accepted rows, or at least of the journalled ones when the staged file is gone."""
        path = staged_path(self.staged, str(first.staged))
        if first.staged is None or not path.exists():
            return ledger_entries.keys_of(tx, first.request_id, first.revision)
        _, rows = read_staged(path, digest=first.staged)
        return [row.key for row in rows if row.key is not None and row.verdict == "accepted"]

    def _set_over(
        self, tx: Transaction, current: Submission, came: Returned | None, parts: Sequence[Part]
    ) -> tuple[Line, ...]:
        """A returned workbook holds all rows as they were sent: some may have been newer in the ledger."""
        original = submissions.find(tx, came.original) if came and came.original else None
        if original is None or current.state is not State.POSTED:
            return ()
        before = sent_before(tx, original, current.envelope)
        found = ledger_entries.set_over(
            tx,
            current.request_id,
            current.revision,
            others_than={one.request_id for one in gone_on(tx, original)},
            since=before.envelope.received_at,
            limit=CHANGES_SHOWN,
        )
        posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
        if posting is None:
            return ()
        if self._is_by_place(posting.ledger):
            # of such lines the posting has remarked already what other lists had set
            own, family = list_key(current.envelope.source_name), versions.family(tx, current)
            found = [
                one for one in found if one.request_id in family or list_key(source_name_of(tx, one.request_id)) == own
            ]
        names = self._names(tx, posting.ledger, [one.key for one in found])
        since = before.envelope.source_name
        return tuple(line_of_set_over(tx, one, names[one.key], parts, since) for one in found)

    def _is_by_place(self, ledger: str) -> bool:
        """The place is part of what an item of this ledger is: the same thing elsewhere is another item."""
        record = self._record_of(ledger)
        return record is not None and record.location_column in record.key_columns

    def _changed_rows(self, tx: Transaction, first: Submission, changes: Sequence[LaterChange]) -> Iterator[ChangedRow]:
        posting = ledger_outcomes.find_posting(tx, first.request_id, first.revision)
        names = self._names(tx, posting.ledger, [one.key for one in changes]) if posting else {}
        for one in changes:
            yield ChangedRow(one.key, names[one.key], source_name_of(tx, one.request_id), one.at)

    def _registry_grew(self, tx: Transaction, first: Submission | None) -> bool:
        """Rows of the first copy were rejected for unknown tags, and the registry has changed since."""
        if first is None or first.registry_version is None or first.state is not State.POSTED:
            return False
        moved = ledger_items.current_version(tx, REGISTRY_LEDGER)[0] != first.registry_version
        return moved and ledger_problems.count_of_rule(tx, first.request_id, first.revision, outcomes.TAG_RULE) > 0

    def _time_zone(self, campus: str) -> str:
        known = self.campuses.get(campus) or next(iter(self.campuses.values()))
        return known.time_zone

    def rows_elsewhere(self, current: Submission) -> int:
        return rows_elsewhere(self._read(current))

    def _read(self, current: Submission) -> dict[str, Any]:
        """What was staged of how a posted file was read; nothing where it is no longer there."""
        path = staged_path(self.staged, str(current.staged))
        if current.state is not State.POSTED or current.staged is None or not path.exists():
            return {}
        return read_staged(path)[0]


def _why_not_yet(tx: Transaction, current: Submission) -> str | None:
    if current.state is not State.RECEIVED:
        return None
    paused = pause_of(standing(tx), current.envelope.campus, current.envelope.feed)
    if paused is not None:
        return f"work on {paused.scope} is paused since {paused.paused_at:%Y-%m-%d %H:%M} UTC"
    return "another file for the same records is being taken first" if current.waits_for else None


_REGISTRY_GREW = (
    "Some rows were not taken last time because their tags were unknown, and the procurement list has changed "
    "since. Ask the hub's operator to apply this file again."
)


def _again_command(first: Submission) -> str:
    return f"hub apply-again {first.request_id}"
