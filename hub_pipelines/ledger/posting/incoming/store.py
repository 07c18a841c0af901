"""The accepted rows of a posting beside the ledger, and where the items stand that they differ from.

Belongs here: comparing all rows of a posting with the ledger at once (decisions/0057). Not here: what becomes of those
that differ (posting). The table is the transaction's own, and gone before it ends.
Two ways lead to the same places. The database joins the rows with the ledger; SQLite does that by one search a row,
which in a ledger larger than its memory takes several times as long as reading the ledger once from end to end, so a
posting of a good part of a ledger is compared in this process (decisions/0095).
"""

from binascii import unhexlify
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Integer, MetaData, String, Table, and_, func, select
from sqlalchemy.schema import CreateTable, DropTable

from hub_pipelines.common.rows.store import insert_columns, many_rows
from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.ledger.digests import sha256_hex_of, sha256_of
from hub_pipelines.ledger.store import ITEMS_A_SEARCH, ledger
from hub_pipelines.validate.staging import ChunkLimits, Staged

if TYPE_CHECKING:
    import numpy
    import pyarrow

    _Array = numpy.ndarray[Any, Any]

Place = tuple[int | None, int | None]
"""Version and row number of the entry that a row replaces; nothing of a new item."""
NOWHERE: Place = (None, None)

_FEW_ROWS = 20_000
_MOST_ROWS = 1_500_000
"""At about 70 bytes each this is what may be held in memory of them."""
_ITEMS_AT_ONCE = 100_000

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
        row_nos, keys, values = chunk.accepted_columns()
        insert_columns(tx, incoming, ("row_no", "key", "digest"), [(row_nos, keys, sha256_hex_of(values))], of_all={})
    yield
    tx.execute(DropTable(incoming))


def among_incoming(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Which of these keys are of rows of this posting."""
    found: set[str] = set()
    for some in per_query(keys):
        found |= set(tx.execute(select(incoming.c.key).where(incoming.c.key.in_(some))).scalars())
    return found


@contextmanager
def heads_of(tx: Transaction, name: str, rows: Staged, limits: ChunkLimits, *, at_hand: bool) -> Iterator["Heads"]:
    """Where the items of differing rows stand in a ledger, asked in the order of the rows. With `at_hand` the rows are
    in a table meanwhile (`among_incoming`)."""
    if not at_hand and _are_many(tx, name, rows):
        yield Heads(_differing(tx, name, rows, limits))
        return
    with incoming_rows(tx, rows, limits):
        query = (
            select(incoming.c.row_no, ledger.c.version, ledger.c.row_no)
            .outerjoin(ledger, and_(ledger.c.ledger == name, ledger.c.key == incoming.c.key))
            .where(ledger.c.digest.is_distinct_from(incoming.c.digest))
            .order_by(incoming.c.row_no)
        )
        with tx.execute(query, execution_options={"stream_results": True, "yield_per": limits.rows}) as found:
            yield Heads(found)


def _are_many(tx: Transaction, name: str, rows: Staged) -> bool:
    """Whether reading a ledger once takes less time than finding each of the rows in it."""
    if tx.dialect.name != "sqlite" or not _FEW_ROWS < len(rows) <= _MOST_ROWS:
        return False
    items = tx.execute(select(func.count()).select_from(ledger).where(ledger.c.ledger == name)).scalar_one()
    return int(items) <= ITEMS_A_SEARCH * len(rows)


def _differing(
    tx: Transaction, name: str, rows: Staged, limits: ChunkLimits
) -> Iterator[tuple[int, int | None, int | None]]:
    """Of rows that differ from their items: row number, and version and row number of the item's entry."""
    import numpy
    import pyarrow
    from pyarrow import compute

    numbers, keys, digests = _read(rows, limits)
    is_known, is_same = numpy.zeros(len(numbers), bool), numpy.zeros(len(numbers), bool)
    places = numpy.zeros((len(numbers), 2), numpy.int64)
    held = select(ledger.c.key, ledger.c.digest, ledger.c.version, ledger.c.row_no).where(ledger.c.ledger == name)
    for items in many_rows(tx, held, _ITEMS_AT_ONCE):
        its_keys = pyarrow.array([item[0] for item in items], pyarrow.string())
        at = compute.fill_null(compute.index_in(keys, value_set=its_keys), -1).to_numpy()
        rows_of_them = numpy.flatnonzero(at >= 0)
        items_of_them = at[rows_of_them]
        theirs = _as_bytes([item[1] for item in items])[items_of_them]
        is_known[rows_of_them] = True
        is_same[rows_of_them] = (digests[rows_of_them] == theirs).all(axis=1)
        places[rows_of_them] = numpy.array([item[2:] for item in items], numpy.int64)[items_of_them]
    differing = numpy.flatnonzero(~is_same)
    for some in (differing[start : start + limits.rows] for start in range(0, len(differing), limits.rows)):
        found = zip(numbers[some].tolist(), is_known[some].tolist(), places[some].tolist(), strict=True)
        for row_no, has_place, (version, before) in found:
            yield row_no, *((version, before) if has_place else NOWHERE)


def _read(rows: Staged, limits: ChunkLimits) -> tuple["_Array", "pyarrow.StringArray", "_Array"]:
    """The accepted rows' numbers, keys and digests of values (32 bytes each). Raises ValueError where they are not in
    the order of their numbers."""
    import numpy
    import pyarrow

    numbers, digests, count = numpy.zeros(len(rows), numpy.int64), numpy.zeros((len(rows), 32), numpy.uint8), 0
    keys = [pyarrow.array([], pyarrow.string())]
    for chunk in rows.chunks(limits):
        its_numbers, its_keys, values = chunk.accepted_columns()
        stop = count + len(its_numbers)
        numbers[count:stop] = its_numbers.to_numpy()
        digests[count:stop] = numpy.frombuffer(b"".join(sha256_of(values)), numpy.uint8).reshape(-1, 32)
        keys.append(its_keys)
        count = stop
    numbers = numbers[:count]
    if (late := numpy.flatnonzero(numbers[1:] <= numbers[:-1])).size:
        raise out_of_order(int(numbers[late[0] + 1]))
    return numbers, pyarrow.concat_arrays(keys), digests[:count]


def _as_bytes(digests: Sequence[str]) -> "_Array":
    import numpy

    return numpy.frombuffer(unhexlify("".join(digests)), numpy.uint8).reshape(-1, 32)


def out_of_order(row_no: int) -> ValueError:
    return ValueError(f"row {row_no}: the staged rows are not in the order of their numbers")


class Heads:
    def __init__(self, found: Iterator[Any]) -> None:
        self._found = iter(found)
        self._next: Any = next(self._found, None)

    def among(self, numbers: Sequence[int]) -> dict[int, Place]:
        """Of these rows, those that differ from what their items have, each with the place of the item's entry."""
        places: dict[int, Place] = {}
        for row_no in numbers:
            if self._next is not None and self._next[0] == row_no:
                _, version, before = self._next
                places[row_no] = version, before
                self._next = next(self._found, None)
        return places

    def end(self) -> None:
        if self._next is not None:
            raise out_of_order(self._next[0])
