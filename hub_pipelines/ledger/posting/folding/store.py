"""The end of a posting: the ledger follows the journal, and its version goes up.

Not here: the journal's entries (posting). All of it happens in the database, under the ledger's lock, so that nobody
else adds items or days meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Subquery, case, func, select, update

from hub_pipelines.common.rows.store import insert_from, update_from
from hub_pipelines.common.store import Transaction
from hub_pipelines.ledger.model import Batch
from hub_pipelines.ledger.store import journal_row, ledger, ledger_day, ledger_version, posting


@dataclass(frozen=True, slots=True)
class Entries:
    """Journal entries of a posting, and how many items they are of: `new` ones and in all.

    With `several` an item may have more than one; its last one is where it stands.
    """

    number: int
    new: int
    items: int
    several: bool = False


def fold(
    tx: Transaction, batch: Batch, version: int, entries: Entries, of_posting: Mapping[str, Any], now: datetime
) -> None:
    """New items in the order of their keys, as the ledger's index wants them, then those that it has; then versions.

    Raises ValueError where the ledger takes another number of items.
    """
    last = _last_of_items(batch.ledger, version, several=entries.several)
    chosen = select(*(last.c[name] for name in ("ledger", "key", "version", "row_no", "digest"))).order_by(last.c.key)
    taken = insert_from(tx, ledger, chosen.where(last.c.is_new)) if entries.new else 0
    if entries.items > entries.new:
        changed = ["version", "row_no", "digest"]
        taken += update_from(tx, ledger, chosen.where(~last.c.is_new), keys=["ledger", "key"], update=changed)
    if taken != entries.items:
        raise ValueError(f"the ledger took {taken} entries of {entries.items}")
    tx.execute(posting.insert(), {"ledger": batch.ledger, "version": version, **of_posting, "posted_at": now})
    _raise_version(tx, batch, version, entries.number, now)


def _last_of_items(name: str, version: int, *, several: bool) -> Subquery:
    """Of each item of a posting its last entry, and whether the item is new. Read once, and joined with nothing: what
    PostgreSQL expects of a new version is one row."""
    j = journal_row.c
    entry = select(j.ledger, j.key, j.version, j.row_no, j.digest).where(j.ledger == name, j.version == version)
    is_new = j.previous_version.is_(None)
    if not several:
        return entry.add_columns(is_new.label("is_new")).subquery("entry")
    # an item's last entry follows another one of this posting
    place = func.row_number().over(partition_by=j.key, order_by=j.row_no.desc()).label("place")
    began = func.max(case((is_new, 1), else_=0)).over(partition_by=j.key).label("began")
    ranked = entry.add_columns(place, began).subquery("ranked")
    return select(ranked, (ranked.c.began == 1).label("is_new")).where(ranked.c.place == 1).subquery("entry")


def _raise_version(tx: Transaction, batch: Batch, version: int, posted: int, now: datetime) -> None:
    """The ledger's version, and the campus-day's."""
    tx.execute(
        update(ledger_version).where(ledger_version.c.ledger == batch.ledger).values(version=version, changed_at=now)
    )
    day = {"ledger": batch.ledger, "campus": batch.campus, "ledger_date": batch.ledger_date}
    known = tx.execute(
        update(ledger_day)
        .where(*(ledger_day.c[name] == value for name, value in day.items()))
        .values(version=version, entries=ledger_day.c.entries + posted, changed_at=now)
    ).rowcount
    if not known:
        tx.execute(ledger_day.insert(), {**day, "version": version, "entries": posted, "changed_at": now})
