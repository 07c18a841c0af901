"""What a complete count has not found, and what has become of it since."""

import json
from collections.abc import Sequence
from datetime import timedelta

from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.ledger.counting.model import MissedRecord, place_of
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import Posting
from hub_pipelines.report.lines import source_name_of
from hub_pipelines.report.model import (
    ItemName,
    MissedItem,
)
from hub_pipelines.submission import store as submissions
from hub_pipelines.validate.model import RecordType, excel_row

_MOVED_WITHIN = timedelta(days=90)
"""What was listed anew at another place so long before a count did not find it is likely the same thing."""
_PLACES_SHOWN = 3


def moved_since(
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
    since = ledger_items.version_at(tx, posting.ledger, posting.posted_at - _MOVED_WITHIN) + 1
    for key, text, request_id, version in ledger_changes.new_since(tx, posting.ledger, since):
        values = json.loads(text)
        if thing_in(key) in things and not (record.is_gone and record.is_gone(values)):
            where = str(values.get(record.location_column) or "no place")
            new.setdefault(thing_in(key), []).append((version, where, source_name_of(tx, request_id)))
    was_set = ledger_items.versions_of(tx, posting.ledger, [one.key for one in missing])
    return {
        one.key: tuple(
            f"{where} ({source})"
            for version, where, source in new.get(thing_in(one.key), ())
            if version > was_set.get(one.key, 0) and place_of(where) != place_of(one.location)
        )[:_PLACES_SHOWN]
        for one in missing
    }


def used_up_since(tx: Transaction, posting: Posting, record: RecordType) -> set[str]:
    """What a count did not find and a later file says to be gone."""
    if record.is_gone is None:
        return set()
    return {
        key
        for finder, keys in counts.found_by(tx, posting.request_id, posting.revision).items()
        for key, values in ledger_changes.values_set_by(tx, posting.ledger, finder, keys).items()
        if record.is_gone(json.loads(values))
    }


def missed_item(
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
