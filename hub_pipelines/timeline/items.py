"""One item of a ledger: each change of it, and rows in which it was written and not taken."""

import json
import unicodedata
from datetime import datetime

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.submission import store as submissions
from hub_pipelines.timeline.model import Change, Item, RejectedRow


def items_named(tx: Transaction, text: str, limit: int) -> list[Item]:
    keys = {text, unicodedata.normalize("NFKC", text).upper()} - {""}
    found = dict.fromkeys(pair for key in sorted(keys) for pair in ledgers.items_of_key(tx, key, limit=limit))
    sources: dict[str, str] = {}
    return [_item(tx, name, key, sources, limit) for name, key in list(found)[:limit]]


def _item(tx: Transaction, name: str, key: str, sources: dict[str, str], limit: int) -> Item:
    rows, total = ledgers.changes_of(tx, name, key, limit=limit)
    for row in rows:
        request_id = row["request_id"]
        if request_id not in sources:
            sources[request_id] = submissions.get(tx, request_id).envelope.source_name
    changes = tuple(_change(row, sources[row["request_id"]]) for row in reversed(rows))
    return Item(name, key, json.loads(rows[0]["values"]), changes, total - len(rows))


def _change(row: dict[str, object], source_name: str) -> Change:
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
        row=int(str(row["row_no"])),
        source_name=source_name,
        request_id=str(row["request_id"]),
        revision=int(str(row["revision"])),
        operation=str(row["operation"]),
        first=row["before"] is None,
        changed=changed,
    )


def rejected_with(tx: Transaction, text: str, limit: int) -> list[RejectedRow]:
    rows = ledgers.rejected_with(tx, text, limit=limit) if text else []
    return [
        RejectedRow(
            at=row["received_at"],
            source_name=row["source_name"],
            campus=row["campus"],
            feed=row["feed"],
            request_id=row["request_id"],
            revision=row["revision"],
            row=row["row_no"],
            column=row["column_name"],
            severity=row["severity"],
            reason=row["reason"],
            suggestion=row["suggestion"],
        )
        for row in reversed(rows)
    ]
