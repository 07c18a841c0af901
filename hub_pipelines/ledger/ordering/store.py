"""The table of items that messages have set, each with the moment of its newest message.

It is read before a batch's rows are staged and once more in the posting transaction, under the ledger's lock: two
batches of one ledger may be at work at once where campuses share it. Not here: files, which have no such moment; a
file's row and a message set their item in the order of their postings.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, String, Table, select

from hub_pipelines.common.rows.store import moment_as_written, upsert_many
from hub_pipelines.common.store import Transaction, UtcDateTime, among, metadata

item_occurrence = Table(
    "item_occurrence",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("request_id", String, nullable=False),
)

_KEYS_PER_QUERY = 50_000


def newest(tx: Transaction, ledger: str, keys: Sequence[str]) -> dict[str, datetime]:
    """Of these items, those that messages have set, each with the moment of the newest one."""
    found: dict[str, datetime] = {}
    i = item_occurrence.c
    for at in range(0, len(keys), _KEYS_PER_QUERY):
        some = among(tx, i.key, keys[at : at + _KEYS_PER_QUERY])
        found.update(
            (key, moment) for key, moment in tx.execute(select(i.key, i.occurred_at).where(i.ledger == ledger, some))
        )
    return found


def record(tx: Transaction, ledger: str, occurred_at: Mapping[str, datetime], request_id: str) -> bool:
    """In the posting that sets these items; False when one of them was set by a newer message meanwhile."""
    known = newest(tx, ledger, list(occurred_at))
    if any(occurred_at[key] < moment for key, moment in known.items()):
        return False
    written = moment_as_written(tx)
    rows = ((ledger, key, written(moment), request_id) for key, moment in occurred_at.items())
    if occurred_at:
        columns = ("ledger", "key", "occurred_at", "request_id")
        upsert_many(tx, item_occurrence, columns, rows, keys=("ledger", "key"))
    return True
