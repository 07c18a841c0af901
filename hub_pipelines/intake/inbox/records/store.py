"""The newest version of each record that the hub has read itself, in the inbox's table of them (inbox/store.py)."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from hub_pipelines.common.store import Transaction, upsert
from hub_pipelines.intake.inbox.model import Version
from hub_pipelines.intake.inbox.store import record

_IDS_PER_QUERY = 500


def versions(
    tx: Transaction, source: str, record_ids: Sequence[str], *, keep_still: bool = False
) -> dict[str, Version]:
    """The newest version of each of these records that is known. `keep_still`: until the transaction ends nobody else
    makes a next one of them."""
    r = record.c
    found: dict[str, Version] = {}
    for first in range(0, len(record_ids), _IDS_PER_QUERY):
        some = record_ids[first : first + _IDS_PER_QUERY]
        query = select(record).where(r.source == source, r.record_id.in_(some)).order_by(r.record_id)
        for row in tx.execute(query.with_for_update() if keep_still else query):
            found[row.record_id] = Version(row.version, row.digest, row.occurred_at, row.read_at)
    return found


def keep_versions(tx: Transaction, source: str, newest: Mapping[str, Version], *, mark: int) -> None:
    rows = [
        {
            "source": source,
            "record_id": record_id,
            "version": one.number,
            "digest": one.digest,
            "occurred_at": one.occurred_at,
            "read_at": one.read_at,
            "seen": mark,
        }
        for record_id, one in newest.items()
    ]
    if rows:
        changing = ["version", "digest", "occurred_at", "read_at", "seen"]
        tx.execute(upsert(tx, record, keys=["source", "record_id"], update=changing), rows)


def seen_with(tx: Transaction, source: str, mark: int, record_ids: Sequence[str]) -> dict[str, str]:
    """Digests by id; nothing of a record of which no version was taken."""
    r = record.c
    found: dict[str, str] = {}
    for first in range(0, len(record_ids), _IDS_PER_QUERY):
        some = r.record_id.in_(record_ids[first : first + _IDS_PER_QUERY])
        query = select(r.record_id, r.digest).where(r.source == source, r.seen == mark, r.version > 0, some)
        found.update((row.record_id, row.digest) for row in tx.execute(query))
    return found


def count_seen(tx: Transaction, source: str, first: int, last: int) -> int:
    r = record.c
    return tx.execute(select(func.count()).where(r.source == source, r.seen.between(first, last))).scalar_one()
