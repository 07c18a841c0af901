"""Tables of journal and ledgers, and how their rows hang together.

The journal is the truth and refuses UPDATE and DELETE; `ledger` is its fold, one row per item, that
points to the newest journal entry. What all entries of a posting have in common stands once, in `posting`;
`journal` is both, entry by entry, and for reading only. An item's earlier entries are found from its newest one, each
of which names the one before it: no index over all keys of the journal has to be kept (decisions/0057).
Not here: what is read from them (items, changes, entries), the transaction that writes them (posting).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Date,
    Index,
    Integer,
    String,
    Subquery,
    Table,
    Text,
    and_,
    false,
    or_,
    select,
)

from hub_pipelines.common.store import Transaction, UtcDateTime, metadata, refuse_changes
from hub_pipelines.ledger.comparing.model import REPLACED

posting = Table(
    "posting",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("request_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("campus", String, nullable=False),
    Column("ledger_date", Date, nullable=False),
    Column("contract_version", Integer, nullable=False),
    Column("posted_at", UtcDateTime, nullable=False),
    Index("posting_by_request", "request_id", "revision"),
    Index("posting_by_day", "ledger", "campus", "ledger_date"),
)
refuse_changes(posting)

journal_row = Table(
    "journal",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("row_no", Integer, primary_key=True, autoincrement=False),
    Column("key", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("values", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("previous_version", Integer),
    Column("previous_row_no", Integer),
)
refuse_changes(journal_row)

journal = (
    select(*journal_row.c, *(column for column in posting.c if column.name not in journal_row.c))
    .join(posting, and_(posting.c.ledger == journal_row.c.ledger, posting.c.version == journal_row.c.version))
    .subquery("entry")
)
"""Journal entries with all that belongs to them. The databases resolve it: a query pays for what it asks."""

ledger = Table(
    "ledger",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("row_no", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    sqlite_with_rowid=False,
)

ledger_version = Table(
    "ledger_version",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("changed_at", UtcDateTime),
)

ledger_day = Table(
    "ledger_day",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("campus", String, primary_key=True),
    Column("ledger_date", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ledger_day_by_campus", "campus", "ledger_date"),
)

ITEMS_A_SEARCH = 3
"""So many of a ledger's items SQLite reads in the time in which it searches for one, where the ledger is larger than
its memory."""


def made_by(tx: Transaction, request_id: str, revision: int, entry: Any = journal_row) -> ColumnElement[bool]:
    """Whether an entry of the journal is of this posting. Where that lies is looked up first: told as a join,
    PostgreSQL reads the journal from end to end to find what one stretch of its index has."""
    of_it = select(posting.c.ledger, posting.c.version).where(
        posting.c.request_id == request_id, posting.c.revision == revision
    )
    stretches = (and_(entry.c.ledger == name, entry.c.version == at) for name, at in tx.execute(of_it))
    return or_(false(), *stretches)


its_newest_entry = and_(
    journal.c.ledger == ledger.c.ledger,
    journal.c.version == ledger.c.version,
    journal.c.row_no == ledger.c.row_no,
)
stands = journal.c.operation != REPLACED
"""An item whose newest entry is another one is in the ledger; else something else has its place."""


def is_entry(entry: Any, place: Any) -> ColumnElement[bool]:
    """Whether a journal entry is the one at this place. The ledger is the place's own and not named once more: SQLite
    would else read all of the journal that is this ledger's to find some of its places."""
    return and_(
        entry.c.ledger == place.c.ledger,
        entry.c.version == place.c.version,
        entry.c.row_no == place.c.row_no,
        entry.c.key == place.c.key,
    )


def places(name: str, *which: ColumnElement[bool]) -> Subquery:
    """The places in the journal (ledger, key, version, row_no) of a ledger's items; `which` of them by columns of
    `ledger`. In order, so that PostgreSQL reads them before it looks for anything beside them: of a ledger that its
    statistics do not know it expects one item, and one entry, and would read all entries for each item
    (decisions/0111)."""
    place = select(ledger.c.ledger, ledger.c.key, ledger.c.version, ledger.c.row_no)
    return place.where(ledger.c.ledger == name, *which).order_by(ledger.c.key).subquery("place")


def is_replaced(previous: Any, entry: Any) -> ColumnElement[bool]:
    """Whether a journal entry is the one that another has replaced."""
    return and_(
        previous.c.ledger == entry.c.ledger,
        previous.c.version == entry.c.previous_version,
        previous.c.row_no == entry.c.previous_row_no,
    )


def walk_back(name: str, keys: Sequence[str] | None = None, *, to: int | None = None) -> CTE:
    """The places in the journal (ledger, key, version, row_no) of the entries of these items of a ledger (all, if not
    told): every one, or from the newest back to the first that is before the version `to`."""
    newest = select(ledger.c.ledger, ledger.c.key, ledger.c.version, ledger.c.row_no).where(ledger.c.ledger == name)
    if keys is not None:
        newest = newest.where(ledger.c.key.in_(keys))
    walk = newest.cte("walk", recursive=True)
    entry = journal_row.alias("walked")
    before = select(entry.c.ledger, entry.c.key, entry.c.previous_version, entry.c.previous_row_no)
    before = before.join(walk, is_entry(entry, walk)).where(entry.c.previous_version.is_not(None))
    return walk.union_all(before if to is None else before.where(walk.c.version >= to))


def newest_before(name: str, version: int, keys: Sequence[str] | None = None) -> CTE:
    """Of these items of a ledger (all, if not told), each with its place in the journal: ledger, key, version and
    row_no of its newest entry before a version of the ledger."""
    walk = walk_back(name, keys, to=version)
    return select(walk).where(walk.c.version < version).cte("newest_before")
