"""One item of a ledger: each change of it, and rows in which it was written and not taken."""

import json
from datetime import datetime
from typing import Any

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.comparing.model import entry_row
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import MissedRecord
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.mapping import store as mappings
from hub_pipelines.submission import store as submissions
from hub_pipelines.timeline.awards import records_of_award
from hub_pipelines.timeline.model import Change, Item, MissedBy, RejectedRow
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.feeds.types import in_plain_letters
from hub_pipelines.validate.model import Part, RecordType, excel_row, sheet_of


def items_named(tx: Transaction, text: str, limit: int) -> list[Item]:
    keys = {text, text.upper(), in_plain_letters(text).upper()} - {""}
    found = dict.fromkeys(pair for key in sorted(keys) for pair in ledger_items.items_of_key(tx, key, limit=limit))
    found |= dict.fromkeys(records_of_award(tx, text, limit))
    sources: dict[str, str] = {}
    return [_item(tx, name, key, sources, limit) for name, key in list(found)[:limit]]


def _item(tx: Transaction, name: str, key: str, sources: dict[str, str], limit: int) -> Item:
    rows, total = ledger_changes.newest_changes(tx, name, key, limit=limit)
    for row in rows:
        request_id = row["request_id"]
        if request_id not in sources:
            sources[request_id] = submissions.get(tx, request_id).envelope.source_name
    places = _Places(tx)
    record = _record_type(name)
    changes = tuple(_change(row, sources[row["request_id"]], places, record) for row in reversed(rows))
    missed = counts.of_item(tx, name, key, limit=limit)
    return Item(
        name,
        key,
        json.loads(rows[0]["values"]),
        changes,
        total - len(rows),
        tuple(_missed_by(tx, one) for one in reversed(missed)),
    )


def _missed_by(tx: Transaction, one: MissedRecord) -> MissedBy:
    finder = submissions.get(tx, one.found_by).envelope.source_name if one.found_by else None
    return MissedBy(
        counted_at=one.counted_at,
        source_name=submissions.get(tx, one.request_id).envelope.source_name,
        request_id=one.request_id,
        location=one.missed.location,
        row=None if one.missed.row_no is None else excel_row(one.missed.row_no),
        found_at=one.found_at,
        found_in=finder,
    )


class _Places:
    """Where rows stand in their files, by the decisions under which these were posted."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._parts: dict[tuple[str, int], tuple[Part, ...]] = {}

    def sheet(self, request_id: str, revision: int, row_no: int) -> str | None:
        posting = (request_id, revision)
        if posting not in self._parts:
            found = ledger_outcomes.find_posting(self._tx, request_id, revision)
            decision = mappings.find_decision(self._tx, found.decision if found else None)
            self._parts[posting] = decision.parts if decision else ()
        return sheet_of(row_no, self._parts[posting])


def _record_type(ledger: str) -> RecordType | None:
    """None for a ledger of a record type that this release does not know."""
    name = ledger.partition("@")[0]
    feed = FEEDS.get(name.partition(".")[0])
    return next((one for one in feed.record_types if one.name == name), None) if feed else None


def _change(row: dict[str, Any], source_name: str, places: _Places, record: RecordType | None) -> Change:
    before = json.loads(str(row["before"])) if row["before"] is not None else {}
    after = json.loads(str(row["values"]))
    changed = {
        column: (before.get(column), after.get(column))
        for column in dict.fromkeys([*after, *before])
        if before.get(column) != after.get(column)
    }
    at = row["posted_at"]
    assert isinstance(at, datetime)
    return Change(
        at=at,
        ledger_version=int(str(row["version"])),
        row=excel_row(entry_row(row["row_no"])),
        sheet=places.sheet(row["request_id"], row["revision"], entry_row(row["row_no"])),
        source_name=source_name,
        request_id=str(row["request_id"]),
        revision=int(str(row["revision"])),
        operation=str(row["operation"]),
        first=row["before"] is None,
        changed=changed,
        news=tuple(one.reason for one in record.news(before, after)) if before and record and record.news else (),
    )


def rejected_with(tx: Transaction, text: str, limit: int) -> list[RejectedRow]:
    rows = ledger_problems.rejected_with(tx, text, limit=limit) if text else []
    places = _Places(tx)
    return [
        RejectedRow(
            at=row["received_at"],
            source_name=row["source_name"],
            campus=row["campus"],
            feed=row["feed"],
            request_id=row["request_id"],
            revision=row["revision"],
            row=excel_row(row["row_no"]),
            sheet=places.sheet(row["request_id"], row["revision"], row["row_no"]),
            column=row["column_name"],
            severity=row["severity"],
            reason=row["reason"],
            suggestion=row["suggestion"],
        )
        for row in reversed(rows)
    ]
