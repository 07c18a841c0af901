"""Reads the journal entries of postings: of its rows, for proofs, and counted anew. Writes nothing.

Not here: appending them (posting/store.py), an item's entries of whichever posting (changes/store.py), what a row's
problems were (problems/store.py).
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.rows.store import many_rows
from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.ledger.adjusting.model import ARRIVED
from hub_pipelines.ledger.comparing.model import REPLACED, entry_row
from hub_pipelines.ledger.digests import Change, digester, rows_digest
from hub_pipelines.ledger.entries.model import SetBy
from hub_pipelines.ledger.model import SetOver
from hub_pipelines.ledger.store import is_replaced, journal, journal_row, ledger, made_by, posting, stands
from hub_pipelines.submission import store as submissions
from hub_pipelines.validate.model import PART_ROWS

_ENTRIES_A_SEARCH = 3
"""So many entries that follow on each other are read in the time in which one is looked for."""
_ENTRIES_AT_ONCE = 5_000


def _by_a_row(entry: Any) -> ColumnElement[bool]:
    """One for each row that changed something: neither closed lines nor what a row has moved to a second place."""
    operation = entry.c.operation
    return and_(operation != REPLACED, or_(operation != ARRIVED, entry.c.row_no < PART_ROWS))


def count_rows(tx: Transaction, request_id: str, revision: int) -> int:
    """Rows of a posting that have made journal entries, counted anew; the lines that it closed are no rows of it."""
    where = (made_by(tx, request_id, revision), _by_a_row(journal_row))
    query = select(func.count()).select_from(journal_row).where(*where)
    return tx.execute(query).scalar_one()


def posted_at(tx: Transaction, request_id: str, revision: int) -> list[datetime]:
    """What the journal says of when a posting made its entries; nothing where it made none."""
    p = posting.c
    query = select(p.posted_at).where(p.request_id == request_id, p.revision == revision)
    return list(tx.execute(query).scalars())


def versions_by(tx: Transaction, name: str, request_ids: Collection[str], *, since: int) -> dict[tuple[str, int], int]:
    """The versions of a ledger after one that these submissions have set, by request_id and revision."""
    p = posting.c
    query = select(p.request_id, p.revision, p.version).where(p.ledger == name, p.version > since)
    found: dict[tuple[str, int], int] = {}
    for some in per_query(sorted(request_ids)):
        found.update(((row[0], row[1]), row[2]) for row in tx.execute(query.where(p.request_id.in_(some))))
    return found


def set_in(tx: Transaction, name: str, version: int) -> SetBy:
    """By what a version of a ledger was set."""
    s = submissions.submission.c
    query = (
        select(s.request_id, s.source_name, posting.c.ledger_date)
        .join(posting, s.request_id == posting.c.request_id)
        .where(posting.c.ledger == name, posting.c.version == version)
    )
    return SetBy(*tx.execute(query).one())


def at_places(tx: Transaction, name: str, version: int, row_nos: Collection[int]) -> Iterator[tuple[int, str, str]]:
    """Row number, operation and values of those of these entries of a ledger's version that there are."""
    j = journal_row.c
    query = select(j.row_no, j.operation, j["values"]).where(j.ledger == name, j.version == version)
    least, most = min(row_nos), max(row_nos)
    if most - least < _ENTRIES_A_SEARCH * len(row_nos):
        for some in many_rows(tx, query.where(j.row_no.between(least, most)), _ENTRIES_AT_ONCE):
            yield from ((one[0], one[1], one[2]) for one in some if one[0] in row_nos)
        return
    for few in per_query(sorted(row_nos)):
        yield from ((row[0], row[1], row[2]) for row in tx.execute(query.where(j.row_no.in_(few))))


def keys_of(tx: Transaction, request_id: str, revision: int) -> list[str]:
    """Keys of a posting's rows that are in the journal."""
    query = select(journal_row.c.key).where(made_by(tx, request_id, revision), _by_a_row(journal_row))
    return list(tx.execute(query).scalars())


def of_rows(tx: Transaction, request_id: str, revision: int, row_nos: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The journal entries of each of a posting's rows, with the `before` that they replaced: two where a row has moved
    something to a second place, none where it has changed nothing. At most some thousand rows."""
    previous = journal_row.alias("previous")
    query = select(journal, previous.c["values"].label("before")).outerjoin(previous, is_replaced(previous, journal))
    numbers = [each for row_no in row_nos for each in (row_no, PART_ROWS + row_no)]
    rows = query.where(made_by(tx, request_id, revision, journal), journal.c.row_no.in_(numbers)).order_by(
        journal.c.row_no
    )
    entries = {row["row_no"]: dict(row) for row in tx.execute(rows).mappings()}
    return {row_no: [entries[each] for each in (row_no, PART_ROWS + row_no) if each in entries] for row_no in row_nos}


def changed_by(tx: Transaction, request_id: str, revision: int, *, limit: int) -> list[tuple[int, str, str, str]]:
    """Of the rows of a posting that changed an item, the first: number, key, and the values before and after."""
    before = journal.alias("before")
    query = (
        select(journal.c.row_no, journal.c.key, before.c["values"], journal.c["values"])
        .join(before, is_replaced(before, journal))
        .where(made_by(tx, request_id, revision, journal), _by_a_row(journal))
        .where(before.c.operation != REPLACED)
        .order_by(journal.c.row_no)
        .limit(limit)
    )
    return [tuple(row) for row in tx.execute(query)]


def closed_by(tx: Transaction, request_id: str, revision: int, *, limit: int) -> list[tuple[int, str]]:
    """The lines that a posting has closed: the row that has the place of each, and what it said last."""
    query = (
        select(journal.c.row_no, journal.c["values"])
        .where(made_by(tx, request_id, revision, journal), ~stands)
        .order_by(journal.c.row_no.desc())
        .limit(limit)
    )
    return [(entry_row(row_no), values) for row_no, values in tx.execute(query)]


def set_over(
    tx: Transaction, request_id: str, revision: int, *, others_than: Collection[str], since: datetime, limit: int
) -> list[SetOver]:
    """Entries of a posting in whose place stood one that another submission than these has made after `since`."""
    before = journal.alias("before")
    query = (
        select(journal.c.row_no, journal.c.key, before.c.request_id, before.c.posted_at)
        .join(before, is_replaced(before, journal))
        .where(made_by(tx, request_id, revision, journal))
        .where(before.c.request_id.not_in({request_id, *others_than}), before.c.posted_at > since)
        .where(stands)
        .order_by(journal.c.row_no)
        .limit(limit)
    )
    return [SetOver(*row) for row in tx.execute(query)]


def of_row(tx: Transaction, request_id: str, revision: int, row_no: int) -> dict[str, Any]:
    """One journal entry of a posting with all parts that its digest covers."""
    columns = [column for column in journal.c if column.name != "posted_at"]
    where = (made_by(tx, request_id, revision, journal), journal.c.row_no == row_no)
    return dict(tx.execute(select(*columns).where(*where)).mappings().one())


def of_posting(tx: Transaction, request_id: str, revision: int, digest_version: int) -> Iterator[tuple[Change, bytes]]:
    """The entries of a posting in the order of their rows, each with its digest (digests.digester)."""
    of_posting = select(posting).where(posting.c.request_id == request_id, posting.c.revision == revision)
    for one in tx.execute(of_posting.order_by(posting.c.version)).mappings().all():
        digests_of = digester(one["ledger"], one["version"], one, digest_version)
        query = (
            select(*(journal_row.c[name] for name in Change._fields))
            .where(journal_row.c.ledger == one["ledger"], journal_row.c.version == one["version"])
            .order_by(journal_row.c.row_no)
        )
        for rows in tx.execute(query, execution_options={"yield_per": 5_000}).partitions():
            changes = [Change._make(row) for row in rows]
            yield from zip(changes, digests_of(changes), strict=True)


def digest_of(tx: Transaction, request_id: str, revision: int, digest_version: int) -> str:
    """The digest over a posting's journal rows, computed from the rows as they are now."""
    return rows_digest((digest for _, digest in of_posting(tx, request_id, revision, digest_version)), digest_version)


def digests_by_row(
    tx: Transaction, request_id: str, revision: int, digest_version: int
) -> dict[int, tuple[str, bytes]]:
    """Each journal entry of a posting by its row: the digests of its values and of all of it, as it is now."""
    found = of_posting(tx, request_id, revision, digest_version)
    return {one.row_no: (sha256_hex(one.values.encode("utf-8")), digest) for one, digest in found}


def count_by_scope(tx: Transaction) -> dict[tuple[str, str, date], int]:
    """Journal entries that rows of each submission's current revision have made, per campus, feed and the day it was
    received."""
    s = submissions.submission.c
    query = (
        select(s.campus, s.feed, s.received_day, func.count())
        .join(journal, and_(journal.c.request_id == s.request_id, journal.c.revision == s.revision))
        .where(_by_a_row(journal))
        .group_by(s.campus, s.feed, s.received_day)
    )
    return {(campus, feed, day): count for campus, feed, day, count in tx.execute(query)}


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
    # an item may have several entries of one posting, each of which but the first names the one before it
    after = journal_row.alias("after")
    overtaken = (
        select(after.c.ledger, after.c.key)
        .where(after.c.previous_version == after.c.version)
        .where(
            exists()
            .where(ledger.c.ledger == after.c.ledger, ledger.c.key == after.c.key)
            .where(ledger.c.version == after.c.version, ledger.c.row_no == after.c.previous_row_no)
        )
    )
    row = next((found for look in (behind, baseless, overtaken) if (found := tx.execute(look.limit(1)).first())), None)
    return f"{row.ledger} {row.key}" if row else None
