"""The table of snapshots, and the journal read by campus-day."""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Date, FromClause, Integer, String, Table, Text, and_, exists, func, or_, select

from hub_pipelines.common.rows.store import many_rows
from hub_pipelines.common.store import Transaction, UtcDateTime, database_now, insert_or_ignore, metadata, per_query
from hub_pipelines.ledger.snapshots.model import Day, Draft, Snapshot
from hub_pipelines.ledger.store import is_entry, journal, journal_row, ledger, ledger_day, newest_before, posting

_ENTRIES_AT_ONCE = 5_000
_KEY = ("ledger", "campus", "ledger_date")

snapshot = Table(
    "snapshot",
    metadata,
    Column("ledger", String, primary_key=True),
    Column("campus", String, primary_key=True),
    Column("ledger_date", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("file_digest", String(64), nullable=False),
    Column("published_at", UtcDateTime),
    Column("judged_version", Integer, nullable=False),
    Column("blocked", Text),
    Column("announced", String(64)),
)


# ---- reading


def find_day(tx: Transaction, ledger_name: str, campus: str, day: date) -> Day | None:
    row = tx.execute(select(ledger_day).where(*_is(ledger_day, ledger_name, campus, day))).first()
    return Day(**row._mapping) if row else None


def find(tx: Transaction, ledger_name: str, campus: str, day: date) -> Snapshot | None:
    row = tx.execute(select(snapshot).where(*_is(snapshot, ledger_name, campus, day))).first()
    return Snapshot(**row._mapping) if row else None


def _is(table: FromClause, ledger_name: str, campus: str, day: date) -> tuple[Any, ...]:
    return table.c.ledger == ledger_name, table.c.campus == campus, table.c.ledger_date == day


def unjudged(tx: Transaction) -> list[Day]:
    """Campus-days with postings that no run has folded yet, the oldest change first."""
    query = (
        select(ledger_day)
        .outerjoin(snapshot, and_(*(ledger_day.c[name] == snapshot.c[name] for name in _KEY)))
        .where(or_(snapshot.c.judged_version.is_(None), snapshot.c.judged_version < ledger_day.c.version))
        .order_by(ledger_day.c.changed_at)
    )
    return [Day(**row._mapping) for row in tx.execute(query)]


def waiting_since(tx: Transaction, day: Day) -> datetime:
    """When the first of a campus-day's postings that no run has folded yet was posted."""
    judged = find(tx, day.ledger, day.campus, day.ledger_date)
    query = (
        select(posting.c.posted_at)
        .where(
            *_is(posting, day.ledger, day.campus, day.ledger_date),
            posting.c.version > (judged.judged_version if judged else 0),
        )
        .order_by(posting.c.version)
        .limit(1)
    )
    return tx.execute(query).scalar() or day.changed_at


def unpublished(tx: Transaction, ledger_name: str, upto: date) -> list[Day]:
    """Campus-days up to a date whose newest entries are in no published snapshot."""
    query = (
        select(ledger_day)
        .outerjoin(snapshot, and_(*(ledger_day.c[name] == snapshot.c[name] for name in _KEY)))
        .where(
            ledger_day.c.ledger == ledger_name,
            ledger_day.c.ledger_date <= upto,
            or_(snapshot.c.version.is_(None), snapshot.c.version < ledger_day.c.version),
        )
        .order_by(ledger_day.c.ledger_date, ledger_day.c.campus)
    )
    return [Day(**row._mapping) for row in tx.execute(query)]


def published(tx: Transaction, ledger_name: str, upto: date) -> list[Snapshot]:
    """Published snapshots of a ledger up to a date, all campuses."""
    query = select(snapshot).where(
        snapshot.c.ledger == ledger_name, snapshot.c.ledger_date <= upto, snapshot.c.version > 0
    )
    return [Snapshot(**row._mapping) for row in tx.execute(query.order_by(snapshot.c.ledger_date, snapshot.c.campus))]


def all_published(tx: Transaction) -> list[Snapshot]:
    """Every published snapshot of every ledger."""
    query = select(snapshot).where(snapshot.c.version > 0)
    return [Snapshot(**row._mapping) for row in tx.execute(query.order_by(*(snapshot.c[name] for name in _KEY)))]


def first_miscount(tx: Transaction) -> str | None:
    """The first campus-day whose count of entries is not the journal's, as `ledger campus day`; None when all are."""
    counted = (
        select(*(journal.c[name] for name in _KEY), func.count().label("entries"))
        .group_by(*(journal.c[name] for name in _KEY))
        .subquery()
    )
    same_day = and_(*(ledger_day.c[name] == counted.c[name] for name in _KEY))
    row = tx.execute(
        select(ledger_day)
        .outerjoin(counted, same_day)
        .where(or_(counted.c.entries.is_(None), counted.c.entries != ledger_day.c.entries))
        .limit(1)
    ).first()
    uncounted = select(counted).outerjoin(ledger_day, same_day).where(ledger_day.c.ledger.is_(None)).limit(1)
    row = row or tx.execute(uncounted).first()
    return f"{row.ledger} {row.campus} {row.ledger_date}" if row else None


def entries_per_day(tx: Transaction, ledger_name: str, campus: str, before: date, *, limit: int) -> list[int]:
    """Entries of the earlier days that had any, the newest first."""
    query = (
        select(ledger_day.c.entries)
        .where(ledger_day.c.ledger == ledger_name, ledger_day.c.campus == campus, ledger_day.c.ledger_date < before)
        .order_by(ledger_day.c.ledger_date.desc())
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def entries(tx: Transaction, ledger_name: str, campus: str, day: date) -> Iterator[dict[str, Any]]:
    """The journal entries of a campus-day in the order of their posting, streamed."""
    of_day = select(posting).where(*_is(posting, ledger_name, campus, day)).order_by(posting.c.version)
    names = [column.name for column in journal_row.c]
    for one in [dict(row) for row in tx.execute(of_day).mappings()]:
        rows = select(journal_row).where(journal_row.c.ledger == one["ledger"], journal_row.c.version == one["version"])
        for some in many_rows(tx, rows.order_by(journal_row.c.row_no), _ENTRIES_AT_ONCE):
            # a million of them: a row as a mapping takes several times as long
            yield from ({**one, **dict(zip(names, row, strict=True))} for row in some)


def count_entries(tx: Transaction, ledger_name: str, campus: str, day: date) -> int:
    """Journal entries of a campus-day, counted anew."""
    return tx.execute(select(func.count()).where(*_is(journal, ledger_name, campus, day))).scalar_one()


def postings(tx: Transaction, ledger_name: str, campus: str, day: date) -> list[tuple[str, int, int]]:
    """(request_id, revision, version) of each posting with entries in a campus-day, in order."""
    p, j = posting.c, journal_row.c
    has_entries = exists().where(j.ledger == p.ledger, j.version == p.version)
    query = select(p.request_id, p.revision, p.version).where(*_is(posting, ledger_name, campus, day), has_entries)
    query = query.order_by(p.version)
    return [(row.request_id, row.revision, row.version) for row in tx.execute(query)]


def heads_before(tx: Transaction, ledger_name: str, keys: Collection[str], version: int) -> dict[str, Any]:
    """Each key's newest journal entry (version, row_no, digest, operation, values) before a version."""
    found: dict[str, Any] = {}
    for some in per_query(keys):
        then = newest_before(ledger_name, version, some)
        names = ("key", "version", "row_no", "digest", "operation", "values")
        query = select(*(journal_row.c[name] for name in names))
        rows = tx.execute(query.join(then, is_entry(journal_row, then)))
        found.update((row.key, row) for row in rows)
    return found


def known_keys(tx: Transaction, ledger_name: str, keys: Collection[str]) -> set[str]:
    """Those of the keys that are items of a ledger."""
    found: set[str] = set()
    for some in per_query(keys):
        found.update(
            tx.execute(select(ledger.c.key).where(ledger.c.ledger == ledger_name, ledger.c.key.in_(some))).scalars()
        )
    return found


# ---- writing


def lock(tx: Transaction, day: Day) -> Snapshot:
    """The snapshot's row, made when missing; until the transaction ends nobody else publishes this campus-day."""
    key = {"ledger": day.ledger, "campus": day.campus, "ledger_date": day.ledger_date}
    empty = {"version": 0, "entries": 0, "content_digest": "", "file_digest": "", "judged_version": 0}
    tx.execute(insert_or_ignore(tx, snapshot), {**key, **empty})
    query = select(snapshot).where(*_is(snapshot, day.ledger, day.campus, day.ledger_date)).with_for_update()
    return Snapshot(**tx.execute(query).one()._mapping)


def announce(tx: Transaction, day: Day, draft: Draft) -> None:
    """Say which file is about to take the published one's place, so that a crash in between is no riddle."""
    lock(tx, day)
    _record(tx, day, announced=draft.file_digest)


def record_published(tx: Transaction, day: Day, draft: Draft) -> None:
    _record(
        tx,
        day,
        version=day.version,
        entries=draft.entries,
        content_digest=draft.content_digest,
        file_digest=draft.file_digest,
        published_at=database_now(tx),
        judged_version=day.version,
        blocked=None,
        announced=None,
    )


def record_blocked(tx: Transaction, day: Day, reason: str) -> None:
    """What is published stays as it is."""
    _record(tx, day, judged_version=day.version, blocked=reason)


def _record(tx: Transaction, day: Day, **values: Any) -> None:
    tx.execute(snapshot.update().where(*_is(snapshot, day.ledger, day.campus, day.ledger_date)).values(**values))
