"""Reads how items of the ledgers have changed. Writes nothing.

Not here: what a ledger holds (items/store.py), what one posting has made (entries/store.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, func, select

from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.ledger.changes.model import Changed
from hub_pipelines.ledger.comparing.model import REPLACED
from hub_pipelines.ledger.model import LaterChange
from hub_pipelines.ledger.store import (
    is_entry,
    is_replaced,
    its_newest_entry,
    journal,
    journal_row,
    ledger,
    places,
    posting,
    stands,
    walk_back,
)

_AT_ONCE = {"yield_per": 2_000}


def newest_changes(tx: Transaction, name: str, key: str, *, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest journal entries of an item, newest first, each with the `before` it replaced; how many in all."""
    walk, previous = walk_back(name, [key]), journal_row.alias("previous")
    query = (
        select(journal, previous.c["values"].label("before"))
        .join(walk, is_entry(journal, walk))
        .outerjoin(previous, is_replaced(previous, journal))
        .order_by(journal.c.version.desc(), journal.c.row_no.desc())
        .limit(limit)
    )
    total = tx.execute(select(func.count()).select_from(walk)).scalar_one()
    return [dict(row) for row in tx.execute(query).mappings()], total


def changes_since(tx: Transaction, name: str, version: int) -> Iterator[Changed]:
    """Every journal entry behind a version of the ledger, in order."""
    previous = journal_row.alias("previous")
    before = previous.c["values"].label("before")
    query = select(journal, before).outerjoin(previous, is_replaced(previous, journal))
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


def new_since(tx: Transaction, name: str, version: int) -> Iterator[tuple[str, str, str, int]]:
    """Items that came into a ledger with one of its versions or later and are there now: key, values, request_id and
    that version."""
    since = select(posting.c.ledger, posting.c.version, posting.c.request_id)
    its = since.where(posting.c.ledger == name, posting.c.version >= version).order_by(posting.c.version).subquery()
    first = journal_row.alias("first")
    query = (
        select(journal.c.key, journal.c["values"], its.c.request_id, its.c.version)
        .select_from(its)
        .join(first, and_(first.c.ledger == its.c.ledger, first.c.version == its.c.version))
        .join(ledger, and_(ledger.c.ledger == first.c.ledger, ledger.c.key == first.c.key))
        .join(journal, its_newest_entry)
        .where(first.c.previous_version.is_(None), stands)
        .order_by(first.c.version, first.c.row_no)
    )
    yield from (tuple(row) for row in tx.execute(query, execution_options=_AT_ONCE))


def later_changes(tx: Transaction, name: str, keys: Sequence[str], *, after_version: int) -> list[LaterChange]:
    """Of these items, those whose newest entry is younger than a ledger version."""
    found: list[LaterChange] = []
    for some in per_query(keys):
        place = places(name, ledger.c.key.in_(some), ledger.c.version > after_version)
        query = (
            select(place.c.key, journal.c.request_id, journal.c.posted_at)
            .join(journal, is_entry(journal, place))
            .order_by(place.c.key)
        )
        found += [LaterChange(*row) for row in tx.execute(query)]
    return found


def values_set_by(tx: Transaction, name: str, request_id: str, keys: Sequence[str]) -> dict[str, str]:
    """What a submission has set these items to, as canonical JSON; of what it left as it was, nothing."""
    found: dict[str, str] = {}
    for some in per_query(keys):
        # all entries of these items, and not those of the submission, which may have changed all of the ledger
        walk = walk_back(name, some)
        query = select(journal.c.request_id, journal.c.key, journal.c["values"]).join(walk, is_entry(journal, walk))
        rows = tx.execute(query.order_by(journal.c.version, journal.c.row_no))
        found.update((key, values) for its, key, values in rows if its == request_id)
    return found
