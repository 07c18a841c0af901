"""The accepted rows of a posting beside the ledger, and where the items stand that they differ from.

Belongs here: comparing all rows of a posting with the ledger at once (decisions/0057). Not here: what becomes of those
that differ (posting). The table is the transaction's own, and gone before it ends.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, and_, select
from sqlalchemy.schema import CreateTable, DropTable

from hub_pipelines.common.store import Transaction, insert_many, per_query
from hub_pipelines.ledger.store import ledger
from hub_pipelines.validate.staging import ChunkLimits, Staged

Place = tuple[int | None, int | None]
"""Version and row number of the entry that a row replaces; nothing of a new item."""
NOWHERE: Place = (None, None)

incoming = Table(
    "incoming",
    MetaData(),
    Column("row_no", Integer, nullable=False),
    Column("key", String, nullable=False),
    Column("digest", String(64), nullable=False),
    prefixes=["TEMPORARY"],
)


@contextmanager
def incoming_rows(tx: Transaction, rows: Staged, limits: ChunkLimits) -> Iterator[None]:
    """All accepted rows in a table beside the ledger."""
    tx.execute(CreateTable(incoming))
    for chunk in rows.chunks(limits):
        accepted = chunk.accepted()
        digests = [sha256(values.encode("utf-8")).hexdigest() for _, _, values in accepted]
        made = [(row_no, key, digest) for (row_no, key, _), digest in zip(accepted, digests, strict=True)]
        insert_many(tx, incoming, ("row_no", "key", "digest"), made)
    yield
    tx.execute(DropTable(incoming))


def among_incoming(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Which of these keys are of rows of this posting."""
    found: set[str] = set()
    for some in per_query(keys):
        found |= set(tx.execute(select(incoming.c.key).where(incoming.c.key.in_(some))).scalars())
    return found


@contextmanager
def heads_of(tx: Transaction, name: str, rows: Staged, limits: ChunkLimits) -> Iterator["Heads"]:
    """Where the items of differing rows stand in a ledger, asked in the order of the rows."""
    with incoming_rows(tx, rows, limits):
        query = (
            select(incoming.c.row_no, ledger.c.version, ledger.c.row_no)
            .outerjoin(ledger, and_(ledger.c.ledger == name, ledger.c.key == incoming.c.key))
            .where(ledger.c.digest.is_distinct_from(incoming.c.digest))
            .order_by(incoming.c.row_no)
        )
        with tx.execute(query, execution_options={"stream_results": True, "yield_per": limits.rows}) as found:
            yield Heads(found)


class NoHeads:
    """A ledger's first posting has nothing to be compared with: all rows are new."""

    def among(self, numbers: Sequence[int]) -> dict[int, Place]:
        """Of these rows, those that differ from what their items have, each with the place of the item's entry."""
        return dict.fromkeys(numbers, NOWHERE)

    def end(self) -> None: ...


class Heads(NoHeads):
    def __init__(self, found: Iterator[Any]) -> None:
        self._found = iter(found)
        self._next: Any = next(self._found, None)

    def among(self, numbers: Sequence[int]) -> dict[int, Place]:
        places: dict[int, Place] = {}
        for row_no in numbers:
            if self._next is not None and self._next[0] == row_no:
                _, version, before = self._next
                places[row_no] = version, before
                self._next = next(self._found, None)
        return places

    def end(self) -> None:
        if self._next is not None:
            raise ValueError(f"row {self._next[0]}: the staged rows are not in the order of their numbers")
