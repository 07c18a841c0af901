"""Reads a ledger forwards from a version, and its items by what they say. Writes nothing."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import and_, select

from hub_pipelines.common.store import Transaction, text_in
from hub_pipelines.ledger.comparing.model import REPLACED, entry_row
from hub_pipelines.ledger.following.model import Changed, Placed
from hub_pipelines.ledger.store import is_entry, journal, journal_row, ledger

_VALUES_PER_QUERY = 2_000
"""Of more than these all items are read, which costs less than having the database look for each."""
_AT_ONCE = {"yield_per": 2_000}


def items_of(tx: Transaction, name: str) -> Iterator[Placed]:
    """All items of a ledger."""
    yield from _items(tx, name)


def items_saying(tx: Transaction, name: str, column: str, values: Collection[str]) -> Iterator[Placed]:
    """The items of a ledger that have one of these texts in a column, in one reading of the ledger."""
    wanted = frozenset(values)
    if not wanted:
        return
    said = text_in(tx, journal.c["values"], column)
    few = [said.in_(sorted(wanted))] if len(wanted) <= _VALUES_PER_QUERY else []
    yield from (one for one in _items(tx, name, *few) if one.values.get(column) in wanted)


def _items(tx: Transaction, name: str, *which: Any) -> Iterator[Placed]:
    query = select(journal).join(ledger, and_(ledger.c.ledger == name, is_entry(journal, name, ledger)))
    query = query.where(journal.c.operation != REPLACED, *which)
    for row in tx.execute(query, execution_options=_AT_ONCE).mappings():
        place = (row["version"], entry_row(row["row_no"]), row["request_id"], row["posted_at"])
        yield Placed(name, row["key"], json.loads(row["values"]), *place)


def changes_since(tx: Transaction, name: str, version: int) -> Iterator[Changed]:
    """Every journal entry behind a version of the ledger, in order."""
    previous = journal_row.alias("previous")
    replaced = and_(
        previous.c.ledger == journal.c.ledger,
        previous.c.version == journal.c.previous_version,
        previous.c.row_no == journal.c.previous_row_no,
    )
    query = select(journal, previous.c["values"].label("before")).outerjoin(previous, replaced)
    query = query.where(journal.c.ledger == name, journal.c.version > version)
    rows = tx.execute(query.order_by(journal.c.version, journal.c.row_no), execution_options=_AT_ONCE)
    yield from (_changed(name, row, row["before"]) for row in rows.mappings())


def changes_of_item(tx: Transaction, name: str, key: str, version: int) -> Iterator[Changed]:
    """An item's entries behind a version of the ledger, the newest first. Each is asked for by its place: many items
    are looked at, and most have one or two."""
    newest = select(ledger.c.version, ledger.c.row_no).where(ledger.c.ledger == name, ledger.c.key == key)
    place = tx.execute(newest).first()
    entry = _entry(tx, name, *place) if place is not None else None
    while entry is not None and entry["version"] > version:
        has_earlier = entry["previous_version"] is not None
        earlier = _entry(tx, name, entry["previous_version"], entry["previous_row_no"]) if has_earlier else None
        yield _changed(name, entry, None if earlier is None else earlier["values"])
        entry = earlier


def _entry(tx: Transaction, name: str, version: int, row_no: int) -> Mapping[Any, Any] | None:
    here = (journal.c.ledger == name, journal.c.version == version, journal.c.row_no == row_no)
    return tx.execute(select(journal).where(*here)).mappings().first()


def _changed(name: str, row: Mapping[Any, Any], before: str | None) -> Changed:
    return Changed(
        name,
        row["key"],
        None if before is None else json.loads(before),
        None if row["operation"] == REPLACED else json.loads(row["values"]),
        row["version"],
        row["request_id"],
        row["posted_at"],
    )
