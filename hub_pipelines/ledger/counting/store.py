"""The table of items that complete counts have missed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Column, Index, Integer, String, Table, Text, func, select, update

from hub_pipelines.common.store import Transaction, UtcDateTime, metadata
from hub_pipelines.ledger.counting.model import Missed, MissedRecord, ThingIn
from hub_pipelines.submission.receipting import store as receipting

_AT_ONCE = 5_000

missed_item = Table(
    "missed_item",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("key", String, primary_key=True),
    Column("ledger", String, nullable=False),
    Column("location", Text, nullable=False),
    Column("row_no", Integer),
    Column("counted_at", UtcDateTime, nullable=False),
    Column("found_at", UtcDateTime),
    Column("found_by", String),
    Index("missed_item_by_key", "ledger", "key"),
)
Index(
    "missed_item_open",
    missed_item.c.ledger,
    missed_item.c.counted_at,
    postgresql_where=missed_item.c.found_at.is_(None),
    sqlite_where=missed_item.c.found_at.is_(None),
)


def record(
    tx: Transaction, request_id: str, revision: int, ledger: str, missed: Iterable[Missed], *, counted_at: datetime
) -> tuple[int, int]:
    """Keep what a count has missed; how many were not found, and how many stand in rejected rows."""
    not_found = rejected = 0
    rows = iter(missed)
    while chunk := list(islice(rows, _AT_ONCE)):
        tx.execute(
            missed_item.insert(),
            [
                {
                    "request_id": request_id,
                    "revision": revision,
                    "ledger": ledger,
                    "key": one.key,
                    "location": one.location,
                    "row_no": one.row_no,
                    "counted_at": counted_at,
                }
                for one in chunk
            ],
        )
        not_found += sum(one.row_no is None for one in chunk)
        rejected += sum(one.row_no is not None for one in chunk)
    return not_found, rejected


def any_open(tx: Transaction, ledger: str, *, before: datetime) -> bool:
    """Whether counts received before this time miss items that nobody has named since."""
    query = select(missed_item.c.key).where(
        missed_item.c.ledger == ledger, missed_item.c.counted_at < before, missed_item.c.found_at.is_(None)
    )
    return tx.execute(query.limit(1)).first() is not None


def mark_found(
    tx: Transaction, ledger: str, keys: Sequence[str], *, by: str, received_at: datetime, at: datetime
) -> None:
    """A submission that was received at this time names these items: earlier counts miss them no more.

    The receipts of those counts are due again.
    """
    where = (
        missed_item.c.ledger == ledger,
        missed_item.c.key.in_(keys),
        missed_item.c.counted_at < received_at,
        missed_item.c.found_at.is_(None),
    )
    counts = tx.execute(select(missed_item.c.request_id).where(*where).distinct()).scalars().all()
    if counts:
        tx.execute(update(missed_item).where(*where).values(found_at=at, found_by=by))
        receipting.renew_receipts(tx, counts)


def open_things(tx: Transaction, ledger: str, thing_in: ThingIn, *, before: datetime) -> dict[str, set[str]]:
    """By the thing that is still missing, the counts received before this time that miss it."""
    query = select(missed_item.c.key, missed_item.c.request_id).where(
        missed_item.c.ledger == ledger,
        missed_item.c.counted_at < before,
        missed_item.c.found_at.is_(None),
        missed_item.c.row_no.is_(None),
    )
    found: dict[str, set[str]] = {}
    for key, request_id in tx.execute(query):
        found.setdefault(thing_in(key), set()).add(request_id)
    return found


def of_count(tx: Transaction, request_id: str, revision: int, *, limit: int | None = None) -> list[MissedRecord]:
    """What a posting of a count has missed: first what was not found and is still missing."""
    query = (
        select(missed_item)
        .where(missed_item.c.request_id == request_id, missed_item.c.revision == revision)
        .order_by(
            missed_item.c.row_no.is_not(None), missed_item.c.found_at.is_not(None), func.lower(missed_item.c.location),
            missed_item.c.key,
        )
        .limit(limit)
    )  # fmt: skip
    return [_record(row) for row in tx.execute(query)]


def still_missing(tx: Transaction, request_id: str, revision: int) -> int:
    """Of what a posting of a count did not find, how much nobody has named since."""
    where = (
        missed_item.c.request_id == request_id,
        missed_item.c.revision == revision,
        missed_item.c.row_no.is_(None),
        missed_item.c.found_at.is_(None),
    )
    return tx.execute(select(func.count()).where(*where)).scalar_one()


def found_by(tx: Transaction, request_id: str, revision: int) -> dict[str, list[str]]:
    """Of what a posting of a count did not find, what later submissions have named, by submission."""
    query = select(missed_item.c.found_by, missed_item.c.key).where(
        missed_item.c.request_id == request_id,
        missed_item.c.revision == revision,
        missed_item.c.row_no.is_(None),
        missed_item.c.found_by.is_not(None),
    )
    found: dict[str, list[str]] = {}
    for finder, key in tx.execute(query.order_by(missed_item.c.found_by, missed_item.c.key)):
        found.setdefault(finder, []).append(key)
    return found


def of_item(tx: Transaction, ledger: str, key: str, *, limit: int) -> list[MissedRecord]:
    """The newest counts that have missed an item, the newest first."""
    query = select(missed_item).where(missed_item.c.ledger == ledger, missed_item.c.key == key)
    return [_record(row) for row in tx.execute(query.order_by(missed_item.c.counted_at.desc()).limit(limit))]


def _record(row: Any) -> MissedRecord:
    return MissedRecord(
        row.request_id,
        row.revision,
        row.ledger,
        Missed(row.key, row.location, row.row_no),
        row.counted_at,
        row.found_at,
        row.found_by,
    )
