"""Tables of journal and ledgers, and what is read from them.

The journal is the truth and refuses UPDATE and DELETE; `ledger` is its fold, one row per item, that
points to the newest journal entry. What all entries of a posting have in common stands once, in `posting`;
`journal` is both, entry by entry, and for reading only. An item's earlier entries are found from its newest one, each
of which names the one before it: no index over all keys of the journal has to be kept (decisions/0057).
Not here: the transaction that writes them (posting/store.py).
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    func,
    literal_column,
    or_,
    select,
)

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.store import (
    Database,
    JsonText,
    Transaction,
    UtcDateTime,
    metadata,
    refuse_changes,
)
from hub_pipelines.ledger.adjusting.model import ARRIVED
from hub_pipelines.ledger.comparing.model import REPLACED, Earlier, Head, entry_row
from hub_pipelines.ledger.counting.model import Item, ThingIn
from hub_pipelines.ledger.digests import Change, digester, rows_digest
from hub_pipelines.ledger.model import LaterChange, LedgerRow, Posting, SetOver
from hub_pipelines.submission import store as submissions
from hub_pipelines.validate.model import PART_ROWS, SUPERSEDED
from hub_pipelines.validate.staging import canonical_json

_KEYS_PER_QUERY = 5_000
_LINES_OF_THINGS = 20_000

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

idempotency = Table(
    "idempotency",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("outcome", JsonText, nullable=False),
)

rejection = Table(
    "rejection",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("row_no", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("severity", String, nullable=False),
    Column("column_name", String),
    Column("value", Text),
    Column("rule", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("suggestion", Text),
    Index("rejection_by_rule", "rule"),
)
_its_newest_entry = and_(
    journal.c.ledger == ledger.c.ledger,
    journal.c.version == ledger.c.version,
    journal.c.row_no == ledger.c.row_no,
)
_stands = journal.c.operation != REPLACED
"""An item whose newest entry is another one is in the ledger; else something else has its place."""
_of_rows = and_(_stands, or_(journal.c.operation != ARRIVED, journal.c.row_no < PART_ROWS))
"""One entry for each row that changed something: neither closed lines nor what a row has moved to a second place."""
# the beginning only: a cell may be longer than a database lets an index entry be
_VALUE_START = 64
_value_start = func.lower(func.substr(rejection.c.value, literal_column("1"), literal_column(str(_VALUE_START))))
Index("rejection_by_value", _value_start)


# ---- reading


def find_posting(tx: Transaction, request_id: str, revision: int) -> Posting | None:
    row = tx.execute(
        select(idempotency.c.outcome).where(idempotency.c.request_id == request_id, idempotency.c.revision == revision)
    ).first()
    if row is None:
        return None
    return replace(Posting.from_document(row.outcome), repeat=True)


def find_postings(tx: Transaction, revisions: Mapping[str, int]) -> dict[str, Posting]:
    """The outcomes of these submissions' revisions that have posted, by request_id."""
    found: dict[str, Posting] = {}
    for some in _chunks(iter(revisions), _KEYS_PER_QUERY):
        i = idempotency.c
        for row in tx.execute(select(idempotency).where(i.request_id.in_(some))):
            if row.revision == revisions[row.request_id]:
                found[row.request_id] = replace(Posting.from_document(row.outcome), repeat=True)
    return found


def _heads(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = select(ledger).where(ledger.c.ledger == name, ledger.c.key.in_(some))
        found.update((row.key, row) for row in tx.execute(query))
    return found


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk


def current_version(tx: Transaction, name: str) -> tuple[int, datetime | None]:
    """How many postings have changed a ledger, and when the last one did; (0, None) for an empty one."""
    row = tx.execute(select(ledger_version).where(ledger_version.c.ledger == name)).first()
    return (row.version, row.changed_at) if row else (0, None)


def current_rows(db: Database, name: str) -> Iterator[LedgerRow]:
    """The current state of a ledger in key order, streamed."""
    query = (
        select(ledger.c.key, journal.c["values"], journal.c.request_id, journal.c.posted_at)
        .join(journal, _its_newest_entry)
        .where(ledger.c.ledger == name, _stands)
        .order_by(ledger.c.key)
    )
    with db.read() as tx:
        for key, values, request_id, posted_at in tx.execute(query, execution_options={"yield_per": 2000}):
            yield LedgerRow(key, json.loads(values), request_id, posted_at)


def items_now(tx: Transaction, name: str) -> Iterator[Item]:
    """All items of a ledger, in this transaction."""
    query = select(ledger.c.key, journal.c["values"]).join(journal, _its_newest_entry)
    query = query.where(ledger.c.ledger == name, _stands)
    yield from (tuple(row) for row in tx.execute(query, execution_options={"yield_per": 2000}))


def items_as_of(tx: Transaction, name: str, version: int) -> Iterator[Item]:
    """All items of a ledger as one of its versions left them, told by the journal."""
    then = newest_before(name, version + 1)
    query = select(journal.c.key, journal.c["values"]).join(then, is_entry(journal, name, then)).where(_stands)
    yield from (tuple(row) for row in tx.execute(query, execution_options={"yield_per": 2000}))


def newest_before(name: str, version: int, keys: Sequence[str] | None = None) -> CTE:
    """Of these items of a ledger (all, if not told), each with its place in the journal: key, version and row_no of its
    newest entry before a version of the ledger."""
    newest = select(ledger.c.key, ledger.c.version, ledger.c.row_no).where(ledger.c.ledger == name)
    if keys is not None:
        newest = newest.where(ledger.c.key.in_(keys))
    walk = newest.cte("walk", recursive=True)
    entry = journal_row.alias("walked")
    before = select(entry.c.key, entry.c.previous_version, entry.c.previous_row_no).join(
        walk, is_entry(entry, name, walk)
    )
    walk = walk.union_all(before.where(walk.c.version >= version, entry.c.previous_version.is_not(None)))
    return select(walk).where(walk.c.version < version).cte("newest_before")


def is_entry(entry: Any, name: str, place: Any) -> ColumnElement[bool]:
    """Whether a journal entry is the one at this place of a ledger."""
    return and_(
        entry.c.ledger == name,
        entry.c.version == place.c.version,
        entry.c.row_no == place.c.row_no,
        entry.c.key == place.c.key,
    )


def earlier(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, Earlier]:
    """Of these items, those in the ledger: what it holds of them now, and who has set that."""
    s = submissions.submission
    found: dict[str, Earlier] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = (
            select(ledger.c.key, journal.c["values"], journal.c.request_id, s.c.source_name, journal.c.ledger_date)
            .join(journal, _its_newest_entry)
            .join(s, s.c.request_id == journal.c.request_id)
            .where(ledger.c.ledger == name, ledger.c.key.in_(some), _stands)
        )
        found.update((row[0], Earlier(*row[1:])) for row in tx.execute(query))
    return found


def lines_of_things(tx: Transaction, name: str, things: Collection[str], thing_in: ThingIn) -> list[str]:
    """Keys of a ledger's items that are one of these things (validate/model.py, Lines.thing_in), wherever they are; the
    first of very many. The ledger's keys are read whole: no collation decides what begins with what."""
    found: list[str] = []
    what = func.substr(ledger.c.key, 1, place_of_bar(tx, ledger.c.key) - 1)
    whats = sorted({one.partition("|")[0] for one in things})
    for some in _chunks(iter(whats), _KEYS_PER_QUERY):
        query = select(ledger.c.key).where(ledger.c.ledger == name, what.in_(some)).limit(_LINES_OF_THINGS)
        found += (key for key in tx.execute(query).scalars() if thing_in(key) in things)
    return found


def place_of_bar(tx: Transaction, key: ColumnElement[str]) -> ColumnElement[int]:
    """Where in a key the first bar is, which parts what it is made of; from 1, and 0 where there is none."""
    return func.strpos(key, "|") if tx.dialect.name == "postgresql" else func.instr(key, "|")


def heads_of_lines(tx: Transaction, name: str, keys: Sequence[str], version: int) -> dict[str, Head]:
    """Of these items, the newest journal entry before a version of the ledger."""
    s = submissions.submission
    found: dict[str, Head] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        then = newest_before(name, version, some)
        columns = ("key", "version", "row_no", "digest", "values", "operation", "request_id")
        query = (
            select(*(journal.c[one] for one in columns), s.c.source_name)
            .join(then, is_entry(journal, name, then))
            .join(s, s.c.request_id == journal.c.request_id)
        )
        found.update((row[0], Head(**row._mapping)) for row in tx.execute(query))
    return found


def current_values(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, str]:
    """Of these items, those that are in the ledger, with their values as canonical JSON."""
    found: dict[str, str] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = select(ledger.c.key, journal.c["values"]).join(journal, _its_newest_entry)
        rows = tx.execute(query.where(ledger.c.ledger == name, ledger.c.key.in_(some), _stands))
        found.update((row[0], row[1]) for row in rows)
    return found


def problems_of(
    tx: Transaction, request_id: str, revision: int, *, severity: str, limit: int, of_rows: bool = False
) -> list[dict[str, Any]]:
    """The first of a severity, in the order of the rows; with `of_rows` without those of the whole file."""
    query = (
        select(rejection)
        .where(
            rejection.c.request_id == request_id,
            rejection.c.revision == revision,
            rejection.c.severity == severity,
            *((rejection.c.row_no > 0,) if of_rows else ()),
        )
        .order_by(rejection.c.row_no, rejection.c.position)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(query).mappings()]


def problems_of_row(tx: Transaction, request_id: str, revision: int, row_no: int) -> list[dict[str, Any]]:
    """All that is told of one row, what blocks it and what only shows."""
    r = rejection.c
    where = (r.request_id == request_id, r.revision == revision, r.row_no == row_no)
    return [dict(row) for row in tx.execute(select(rejection).where(*where).order_by(r.position)).mappings()]


def entries_of_rows(
    tx: Transaction, request_id: str, revision: int, row_nos: Sequence[int]
) -> dict[int, list[dict[str, Any]]]:
    """The journal entries of each of a posting's rows, with the `before` that they replaced: two where a row has moved
    something to a second place, none where it has changed nothing. At most some thousand rows."""
    previous = journal_row.alias("previous")
    replaced = and_(
        previous.c.ledger == journal.c.ledger,
        previous.c.version == journal.c.previous_version,
        previous.c.row_no == journal.c.previous_row_no,
    )
    query = select(journal, previous.c["values"].label("before")).outerjoin(previous, replaced)
    where = (journal.c.request_id == request_id, journal.c.revision == revision)
    numbers = [each for row_no in row_nos for each in (row_no, PART_ROWS + row_no)]
    rows = query.where(*where, journal.c.row_no.in_(numbers)).order_by(journal.c.row_no)
    entries = {row["row_no"]: dict(row) for row in tx.execute(rows).mappings()}
    return {row_no: [entries[each] for each in (row_no, PART_ROWS + row_no) if each in entries] for row_no in row_nos}


def superseded_rows(tx: Transaction, request_id: str, revision: int) -> set[int]:
    """Rows of a posting that a newer message of the same item had made void."""
    r = rejection.c
    where = (r.request_id == request_id, r.revision == revision, r.rule == SUPERSEDED)
    return set(tx.execute(select(r.row_no).where(*where)).scalars())


def problem_count(tx: Transaction, request_id: str, revision: int) -> int:
    query = select(func.count()).where(
        rejection.c.request_id == request_id, rejection.c.revision == revision, rejection.c.severity == "block"
    )
    return tx.execute(query).scalar_one()


def rejected_by_rule(tx: Transaction, request_id: str, revision: int, rule: str) -> int:
    query = select(func.count()).where(
        rejection.c.request_id == request_id, rejection.c.revision == revision, rejection.c.rule == rule
    )
    return tx.execute(query).scalar_one()


def count_entries(tx: Transaction, request_id: str, revision: int) -> int:
    """Rows of a posting that have made journal entries, counted anew; the lines that it closed are no rows of it."""
    query = select(func.count()).where(journal.c.request_id == request_id, journal.c.revision == revision, _of_rows)
    return tx.execute(query).scalar_one()


def keys_of(tx: Transaction, request_id: str, revision: int) -> list[str]:
    """Keys of a posting's rows that are in the journal."""
    query = select(journal.c.key).where(journal.c.request_id == request_id, journal.c.revision == revision, _of_rows)
    return list(tx.execute(query).scalars())


def entries_by_scope(tx: Transaction) -> dict[tuple[str, str, date], int]:
    """Journal entries that rows of each submission's current revision have made, per campus, feed and the day it was
    received."""
    s = submissions.submission.c
    query = (
        select(s.campus, s.feed, s.received_day, func.count())
        .join(journal, and_(journal.c.request_id == s.request_id, journal.c.revision == s.revision))
        .where(_of_rows)
        .group_by(s.campus, s.feed, s.received_day)
    )
    return {(campus, feed, day): count for campus, feed, day, count in tx.execute(query)}


def count_rejected_rows(tx: Transaction, request_id: str, revision: int) -> int:
    """Rows with a blocking problem, counted anew."""
    query = select(func.count(rejection.c.row_no.distinct())).where(
        rejection.c.request_id == request_id, rejection.c.revision == revision, rejection.c.severity == "block"
    )
    return tx.execute(query).scalar_one()


def postings_of(tx: Transaction, request_id: str, *, limit: int) -> list[Posting]:
    """The outcome of each posted revision, the newest first."""
    query = select(idempotency.c.outcome).where(idempotency.c.request_id == request_id)
    rows = tx.execute(query.order_by(idempotency.c.revision.desc()).limit(limit)).scalars()
    return [Posting.from_document(one) for one in rows]


def items_of_key(tx: Transaction, key: str, *, limit: int) -> list[tuple[str, str]]:
    """(ledger, key) of the items that have this key, or a key of several parts that begins with it."""
    found: list[tuple[str, str]] = []
    for name in tx.execute(select(ledger_version.c.ledger).order_by(ledger_version.c.ledger)).scalars().all():
        own = select(ledger.c.key).where(ledger.c.ledger == name)
        parts = own.where(ledger.c.key >= f"{key}|").order_by(ledger.c.key).limit(limit)
        keys = [*tx.execute(own.where(ledger.c.key == key)).scalars(), *tx.execute(parts).scalars()]
        found += [(name, one) for one in keys if one == key or one.startswith(f"{key}|")]
    return found[:limit]


def names_of(tx: Transaction, record_type: str) -> list[str]:
    """The ledgers of a record type that hold something, by name."""
    named = ledger_version.c.ledger.startswith(f"{record_type}@", autoescape=True)
    return list(tx.execute(select(ledger_version.c.ledger).where(named).order_by(ledger_version.c.ledger)).scalars())


def items_with(
    tx: Transaction, record_type: str, column: str, value: str, *, campus: str | None = None, limit: int
) -> list[tuple[str, str, str]]:
    """(ledger, key, values) of the items of a record type that have exactly this text in a column."""
    named = f"{canonical_json(column)}:{canonical_json(value)}"
    found: list[tuple[str, str, str]] = []
    for name in names_of(tx, record_type):
        if campus is not None and name != f"{record_type}@{campus}":
            continue
        query = select(ledger.c.key, journal.c["values"]).join(journal, _its_newest_entry)
        where = (ledger.c.ledger == name, _stands, journal.c["values"].contains(named, autoescape=True))
        rows = tx.execute(query.where(*where).order_by(ledger.c.key).limit(limit - len(found)))
        found += [(name, row[0], row[1]) for row in rows if json.loads(row[1]).get(column) == value]
    return found


def changes_of(tx: Transaction, name: str, key: str, *, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest journal entries of an item, newest first, each with the `before` it replaced; how many in all."""
    newest = select(ledger.c.key, ledger.c.version, ledger.c.row_no).where(ledger.c.ledger == name, ledger.c.key == key)
    walk = newest.cte("walk", recursive=True)
    entry, previous = journal_row.alias("walked"), journal_row.alias("previous")
    before = select(entry.c.key, entry.c.previous_version, entry.c.previous_row_no)
    walk = walk.union_all(before.join(walk, is_entry(entry, name, walk)).where(entry.c.previous_version.is_not(None)))
    replaced = and_(
        previous.c.ledger == journal.c.ledger,
        previous.c.version == journal.c.previous_version,
        previous.c.row_no == journal.c.previous_row_no,
    )
    query = (
        select(journal, previous.c["values"].label("before"))
        .join(walk, is_entry(journal, name, walk))
        .outerjoin(previous, replaced)
        .order_by(journal.c.version.desc(), journal.c.row_no.desc())
        .limit(limit)
    )
    total = tx.execute(select(func.count()).select_from(walk)).scalar_one()
    return [dict(row) for row in tx.execute(query).mappings()], total


def rejected_with(tx: Transaction, value: str, *, limit: int) -> list[dict[str, Any]]:
    """Problems of rows in which exactly this was written, upper and lower case alike, the newest file first."""
    s = submissions.submission.c
    query = (
        select(rejection, s.source_name, s.campus, s.feed, s.received_at)
        .join(submissions.submission, s.request_id == rejection.c.request_id)
        .where(_value_start == func.lower(value[:_VALUE_START]))
        .order_by(s.received_at.desc(), rejection.c.row_no, rejection.c.position)
        .limit(limit)
    )
    found = [dict(row) for row in tx.execute(query).mappings()]
    return [one for one in found if one["value"].casefold() == value.casefold()]


def digest_of_entries(tx: Transaction, request_id: str, revision: int, digest_version: int) -> str:
    """The digest over a posting's journal rows, computed from the rows as they are now."""
    return rows_digest((digest for _, digest in entries_of(tx, request_id, revision)), digest_version)


def digests_by_row(tx: Transaction, request_id: str, revision: int) -> dict[int, tuple[str, bytes]]:
    """Each journal entry of a posting by its row: the digests of its values and of all of it, as it is now."""
    found = entries_of(tx, request_id, revision)
    return {one.row_no: (sha256_hex(one.values.encode("utf-8")), digest) for one, digest in found}


def entry_of(tx: Transaction, request_id: str, revision: int, row_no: int) -> dict[str, Any]:
    """One journal entry of a posting with all parts that its digest covers."""
    columns = [column for column in journal.c if column.name != "posted_at"]
    where = (journal.c.request_id == request_id, journal.c.revision == revision, journal.c.row_no == row_no)
    return dict(tx.execute(select(*columns).where(*where)).mappings().one())


def entries_of(tx: Transaction, request_id: str, revision: int) -> Iterator[tuple[Change, bytes]]:
    """The entries of a posting in the order of their rows, each with its digest."""
    of_posting = select(posting).where(posting.c.request_id == request_id, posting.c.revision == revision)
    for one in tx.execute(of_posting.order_by(posting.c.version)).mappings().all():
        digest_of = digester(one["ledger"], one["version"], one)
        query = (
            select(*(journal_row.c[name] for name in Change._fields))
            .where(journal_row.c.ledger == one["ledger"], journal_row.c.version == one["version"])
            .order_by(journal_row.c.row_no)
        )
        for row in tx.execute(query, execution_options={"yield_per": 5_000}):
            change = Change._make(row)
            yield change, digest_of(change)


def journal_size(tx: Transaction) -> int:
    return tx.execute(select(func.count()).select_from(journal_row)).scalar_one()


def first_misfold(tx: Transaction) -> str | None:
    """The first item whose ledger row is not its newest journal entry, as `ledger key`; None when all are."""
    newest = (
        select(journal_row.c.ledger, journal_row.c.key, func.max(journal_row.c.version).label("version"))
        .group_by(journal_row.c.ledger, journal_row.c.key)
        .subquery()
    )
    same_item = and_(ledger.c.ledger == newest.c.ledger, ledger.c.key == newest.c.key)
    same_entry = and_(
        journal_row.c.ledger == ledger.c.ledger,
        journal_row.c.version == ledger.c.version,
        journal_row.c.row_no == ledger.c.row_no,
        journal_row.c.key == ledger.c.key,
        journal_row.c.digest == ledger.c.digest,
    )
    behind = (
        select(newest.c.ledger, newest.c.key)
        .outerjoin(ledger, same_item)
        .where(or_(ledger.c.version.is_(None), ledger.c.version != newest.c.version))
    )
    baseless = (
        select(ledger.c.ledger, ledger.c.key).outerjoin(journal_row, same_entry).where(journal_row.c.key.is_(None))
    )
    row = tx.execute(behind.limit(1)).first() or tx.execute(baseless.limit(1)).first()
    return f"{row.ledger} {row.key}" if row else None


def version_at(tx: Transaction, name: str, at: datetime) -> int:
    """The version that a ledger had at a time."""
    known = select(func.max(posting.c.version)).where(posting.c.ledger == name, posting.c.posted_at <= at)
    return tx.execute(known).scalar() or 0


def versions_of(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, int]:
    """Of these items the ledger's version in which each was set last."""
    return {key: head.version for key, head in _heads(tx, name, keys).items()}


def values_set_by(tx: Transaction, name: str, request_id: str, keys: Sequence[str]) -> dict[str, str]:
    """What a submission has set these items to, as canonical JSON; of what it left as it was, nothing."""
    found: dict[str, str] = {}
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = select(journal.c.key, journal.c["values"]).where(
            journal.c.ledger == name, journal.c.request_id == request_id, journal.c.key.in_(some)
        )
        found.update((row[0], row[1]) for row in tx.execute(query.order_by(journal.c.version, journal.c.row_no)))
    return found


def new_since(tx: Transaction, name: str, version: int) -> Iterator[tuple[str, str, str, int]]:
    """Items that came into a ledger with one of its versions or later and are there now: key, values, request_id and
    that version."""
    first = journal.alias("first")
    query = (
        select(journal.c.key, journal.c["values"], first.c.request_id, first.c.version)
        .join(ledger, _its_newest_entry)
        .join(first, and_(first.c.ledger == ledger.c.ledger, first.c.key == ledger.c.key))
        .where(first.c.ledger == name, first.c.version >= version, first.c.previous_version.is_(None), _stands)
        .order_by(first.c.version, first.c.row_no)
    )
    yield from (tuple(row) for row in tx.execute(query, execution_options={"yield_per": 2000}))


def closed_by(tx: Transaction, request_id: str, revision: int, *, limit: int) -> list[tuple[int, str]]:
    """The lines that a posting has closed: the row that has the place of each, and what it said last."""
    query = (
        select(journal.c.row_no, journal.c["values"])
        .where(journal.c.request_id == request_id, journal.c.revision == revision, ~_stands)
        .order_by(journal.c.row_no.desc())
        .limit(limit)
    )
    return [(entry_row(row_no), values) for row_no, values in tx.execute(query)]


def changed_by(tx: Transaction, request_id: str, revision: int, *, limit: int) -> list[tuple[int, str, str, str]]:
    """Of the rows of a posting that changed an item, the first: number, key, and the values before and after."""
    before = journal.alias("before")
    replaced = and_(
        before.c.ledger == journal.c.ledger,
        before.c.version == journal.c.previous_version,
        before.c.row_no == journal.c.previous_row_no,
    )
    query = (
        select(journal.c.row_no, journal.c.key, before.c["values"], journal.c["values"])
        .join(before, replaced)
        .where(journal.c.request_id == request_id, journal.c.revision == revision, _of_rows)
        .where(before.c.operation != REPLACED)
        .order_by(journal.c.row_no)
        .limit(limit)
    )
    return [tuple(row) for row in tx.execute(query)]


def later_changes(tx: Transaction, name: str, keys: Sequence[str], *, after_version: int) -> list[LaterChange]:
    """Of these items, those whose newest entry is younger than a ledger version."""
    found: list[LaterChange] = []
    for some in _chunks(iter(keys), _KEYS_PER_QUERY):
        query = (
            select(ledger.c.key, journal.c.request_id, journal.c.posted_at)
            .join(journal, _its_newest_entry)
            .where(ledger.c.ledger == name, ledger.c.key.in_(some), ledger.c.version > after_version)
            .order_by(ledger.c.key)
        )
        found += [LaterChange(*row) for row in tx.execute(query)]
    return found


def set_over(
    tx: Transaction, request_id: str, revision: int, *, others_than: str, since: datetime, limit: int
) -> list[SetOver]:
    """Entries of a posting in whose place stood one that another submission than these two has made after `since`."""
    before = journal.alias("before")
    query = (
        select(journal.c.row_no, journal.c.key, before.c.request_id, before.c.posted_at)
        .join(
            before,
            and_(
                before.c.ledger == journal.c.ledger,
                before.c.version == journal.c.previous_version,
                before.c.row_no == journal.c.previous_row_no,
            ),
        )
        .where(journal.c.request_id == request_id, journal.c.revision == revision)
        .where(before.c.request_id.not_in([request_id, others_than]), before.c.posted_at > since)
        .where(_stands)
        .order_by(journal.c.row_no)
        .limit(limit)
    )
    return [SetOver(*row) for row in tx.execute(query)]
