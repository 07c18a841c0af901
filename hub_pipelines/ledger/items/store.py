"""Reads what the ledgers hold of their items, now or as of one of a ledger's versions. Writes nothing.

Not here: how an item came to be as it is (changes/store.py), what one posting has made (entries/store.py).
"""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.store import Database, Transaction, per_query, text_in
from hub_pipelines.ledger.comparing.model import Earlier, Head, entry_row
from hub_pipelines.ledger.counting.model import Item, ThingIn
from hub_pipelines.ledger.items.model import Group, Placed
from hub_pipelines.ledger.model import LedgerRow
from hub_pipelines.ledger.store import (
    is_entry,
    its_newest_entry,
    journal,
    journal_row,
    ledger,
    ledger_version,
    newest_before,
    places,
    posting,
    stands,
)
from hub_pipelines.submission import store as submissions

_LINES_OF_THINGS = 20_000
_VALUES_PER_QUERY = 2_000
"""Of more than these all items are read, which costs less than having the database look for each."""
_AT_ONCE = {"yield_per": 2_000}


def names_of(tx: Transaction, record_type: str) -> list[str]:
    """The ledgers of a record type that hold something, by name."""
    named = ledger_version.c.ledger.startswith(f"{record_type}@", autoescape=True)
    return list(tx.execute(select(ledger_version.c.ledger).where(named).order_by(ledger_version.c.ledger)).scalars())


def current_version(tx: Transaction, name: str) -> tuple[int, datetime | None]:
    """How many postings have changed a ledger, and when the last one did; (0, None) for an empty one."""
    row = tx.execute(select(ledger_version).where(ledger_version.c.ledger == name)).first()
    return (row.version, row.changed_at) if row else (0, None)


def version_at(tx: Transaction, name: str, at: datetime) -> int:
    """The version that a ledger had at a time."""
    known = select(func.max(posting.c.version)).where(posting.c.ledger == name, posting.c.posted_at <= at)
    return tx.execute(known).scalar() or 0


def current_rows(db: Database, name: str) -> Iterator[LedgerRow]:
    """The current state of a ledger in key order, streamed."""
    place = places(name)
    query = (
        select(place.c.key, journal.c["values"], journal.c.request_id, journal.c.posted_at)
        .join(journal, is_entry(journal, place))
        .where(stands)
        .order_by(place.c.key)
    )
    with db.read() as tx:
        for key, values, request_id, posted_at in tx.execute(query, execution_options=_AT_ONCE):
            yield LedgerRow(key, json.loads(values), request_id, posted_at)


def _now(name: str, *which: ColumnElement[bool]) -> Select[Any]:
    """Keys and values of a ledger's items."""
    place = places(name, *which)
    return select(place.c.key, journal.c["values"]).join(journal, is_entry(journal, place)).where(stands)


def items_now(tx: Transaction, name: str) -> Iterator[Item]:
    """All items of a ledger, in this transaction."""
    yield from (tuple(row) for row in tx.execute(_now(name), execution_options=_AT_ONCE))


def items_as_of(tx: Transaction, name: str, version: int) -> Iterator[Item]:
    """All items of a ledger as one of its versions left them, told by the journal."""
    then = newest_before(name, version + 1)
    query = select(journal.c.key, journal.c["values"]).join(then, is_entry(journal, then)).where(stands)
    yield from (tuple(row) for row in tx.execute(query, execution_options=_AT_ONCE))


def placed_items(tx: Transaction, name: str) -> Iterator[Placed]:
    """All items of a ledger, each with its place in the journal."""
    yield from _placed(tx, name)


def items_saying(tx: Transaction, name: str, column: str, values: Collection[str]) -> Iterator[Placed]:
    """The items of a ledger that have one of these texts in a column, in one reading of the ledger."""
    wanted = frozenset(values)
    if not wanted:
        return
    said = text_in(tx, journal.c["values"], column)
    few = [said.in_(sorted(wanted))] if len(wanted) <= _VALUES_PER_QUERY else []
    yield from (one for one in _placed(tx, name, *few) if one.values.get(column) in wanted)


def _placed(tx: Transaction, name: str, *which: Any) -> Iterator[Placed]:
    its = places(name)
    query = select(journal).join(its, is_entry(journal, its)).where(stands, *which)
    for row in tx.execute(query, execution_options=_AT_ONCE).mappings():
        place = (row["version"], entry_row(row["row_no"]), row["request_id"], row["posted_at"])
        yield Placed(name, row["key"], json.loads(row["values"]), *place)


def groups_of(
    tx: Transaction,
    name: str,
    columns: Sequence[str],
    lacking: str,
    *,
    unless_below_zero: str,
    first: Collection[str] | None = None,
    at_most: int | None = None,
) -> list[Group]:
    """A ledger's items by what they say in these columns, and by whether they leave out `lacking` (not those with a
    negative number in `unless_below_zero`), counted by the database. With `first` those that have one of these texts in
    the first column; with `at_most` those of the first keys only."""
    if first is not None and not first:
        return []
    its = places(name)
    if at_most is not None:
        its = select(its).order_by(its.c.key).limit(at_most).subquery("some")
    document = journal.c["values"]
    said = [text_in(tx, document, one).label(f"said_{at}") for at, one in enumerate(columns)]
    without = and_(text_in(tx, document, lacking).is_(None), text_in(tx, document, unless_below_zero).not_like("-%"))
    left_out = case((without, 1), else_=0).label("left_out")
    which = [] if first is None else [text_in(tx, document, columns[0]).in_(sorted(first))]
    one = select(*said, left_out, its.c.key).join(its, is_entry(journal, its)).where(stands, *which).subquery("one")
    # by the names of the inner query: PostgreSQL takes two parameters of one value for different expressions
    by = [*(one.c[each.name] for each in said), one.c.left_out]
    rows = tx.execute(select(*by, func.count(), func.min(one.c.key)).group_by(*by).order_by(*by))
    return [Group(tuple(row[: len(said)]), bool(row[-3]), row[-2], row[-1]) for row in rows]


def has_more_than(tx: Transaction, name: str, items: int) -> bool:
    """Whether a ledger knows more items than so many."""
    known = select(ledger.c.key).where(ledger.c.ledger == name).order_by(ledger.c.key)
    return tx.execute(known.offset(items).limit(1)).first() is not None


def current_values(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, str]:
    """Of these items, those that are in the ledger, with their values as canonical JSON."""
    found: dict[str, str] = {}
    for some in per_query(keys):
        found.update((row[0], row[1]) for row in tx.execute(_now(name, ledger.c.key.in_(some))))
    return found


def earlier(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, Earlier]:
    """Of these items, those in the ledger: what it holds of them now, and who has set that."""
    s = submissions.submission
    found: dict[str, Earlier] = {}
    for some in per_query(keys):
        place = places(name, ledger.c.key.in_(some))
        query = (
            select(place.c.key, journal.c["values"], journal.c.request_id, s.c.source_name, journal.c.ledger_date)
            .join(journal, is_entry(journal, place))
            .join(s, s.c.request_id == journal.c.request_id)
            .where(stands)
        )
        found.update((row[0], Earlier(*row[1:])) for row in tx.execute(query))
    return found


def heads_of_lines(tx: Transaction, name: str, keys: Sequence[str], version: int) -> dict[str, Head]:
    """Of these items, the newest journal entry before a version of the ledger."""
    s = submissions.submission
    found: dict[str, Head] = {}
    for some in per_query(keys):
        then = newest_before(name, version, some)
        columns = ("key", "version", "row_no", "digest", "values", "operation", "request_id")
        query = (
            select(*(journal.c[one] for one in columns), s.c.source_name)
            .join(then, is_entry(journal, then))
            .join(s, s.c.request_id == journal.c.request_id)
        )
        found.update((row[0], Head(**row._mapping)) for row in tx.execute(query))
    return found


def versions_of(tx: Transaction, name: str, keys: Sequence[str]) -> dict[str, int]:
    """Of these items the ledger's version in which each was set last."""
    found: dict[str, int] = {}
    for some in per_query(keys):
        query = select(ledger.c.key, ledger.c.version).where(ledger.c.ledger == name, ledger.c.key.in_(some))
        found.update((row.key, row.version) for row in tx.execute(query))
    return found


def keys_of_source(tx: Transaction, name: str, campus: str, feed: str, source_key: str) -> Iterator[str]:
    """The keys of a ledger's items that a file of this source has ever set, whoever has set them last. Each step is in
    order for the reason that `places` is: what follows is looked up by whole keys."""
    s = submissions.submission.c
    own = (
        select(posting.c.ledger, posting.c.version)
        .join(submissions.submission, s.request_id == posting.c.request_id)
        .where(posting.c.ledger == name, s.campus == campus, s.feed == feed, s.source_key == source_key)
        .order_by(posting.c.version)
        .subquery("own")
    )
    j = journal_row.c
    item = (
        select(j.ledger, j.key)
        .join(own, and_(j.ledger == own.c.ledger, j.version == own.c.version))
        .distinct()
        .order_by(j.key)
        .subquery("item")
    )
    query = (
        select(ledger.c.key)
        .join(item, and_(ledger.c.ledger == item.c.ledger, ledger.c.key == item.c.key))
        .join(journal, its_newest_entry)
        .where(stands)
    )
    yield from tx.execute(query, execution_options=_AT_ONCE).scalars()


def items_of_key(tx: Transaction, key: str, *, limit: int) -> list[tuple[str, str]]:
    """(ledger, key) of the items that have this key, or a key of several parts that begins with it."""
    found: list[tuple[str, str]] = []
    for name in tx.execute(select(ledger_version.c.ledger).order_by(ledger_version.c.ledger)).scalars().all():
        own = select(ledger.c.key).where(ledger.c.ledger == name)
        parts = own.where(ledger.c.key >= f"{key}|").order_by(ledger.c.key).limit(limit)
        keys = [*tx.execute(own.where(ledger.c.key == key)).scalars(), *tx.execute(parts).scalars()]
        found += [(name, one) for one in keys if one == key or one.startswith(f"{key}|")]
    return found[:limit]


def items_with(
    tx: Transaction, record_type: str, column: str, value: str, *, campus: str | None = None, limit: int
) -> list[tuple[str, str, str]]:
    """(ledger, key, values) of the items of a record type that have exactly this text in a column."""
    named = f"{canonical_text(column)}:{canonical_text(value)}"
    found: list[tuple[str, str, str]] = []
    for name in names_of(tx, record_type):
        if campus is not None and name != f"{record_type}@{campus}":
            continue
        query = _now(name).where(journal.c["values"].contains(named, autoescape=True))
        rows = tx.execute(query.order_by(query.selected_columns.key).limit(limit - len(found)))
        found += [(name, row[0], row[1]) for row in rows if json.loads(row[1]).get(column) == value]
    return found


def lines_of_things(tx: Transaction, name: str, things: Collection[str], thing_in: ThingIn) -> list[str]:
    """Keys of a ledger's items that are one of these things (validate/model.py, Lines.thing_in), wherever they are; the
    first of very many. The ledger's keys are read whole: no collation decides what begins with what."""
    found: list[str] = []
    what = func.substr(ledger.c.key, 1, place_of_bar(tx, ledger.c.key) - 1)
    whats = sorted({one.partition("|")[0] for one in things})
    for some in per_query(whats):
        query = select(ledger.c.key).where(ledger.c.ledger == name, what.in_(some)).limit(_LINES_OF_THINGS)
        found += (key for key in tx.execute(query).scalars() if thing_in(key) in things)
    return found


def place_of_bar(tx: Transaction, key: ColumnElement[str]) -> ColumnElement[int]:
    """Where in a key the first bar is, which parts what it is made of; from 1, and 0 where there is none."""
    return func.strpos(key, "|") if tx.dialect.name == "postgresql" else func.instr(key, "|")
