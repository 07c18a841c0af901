"""What the database itself tells of its health and of submissions that are stuck."""

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import and_, exists, func, inspect, select, text

from hub_pipelines.audit.store import audit_entry, audit_head
from hub_pipelines.common.store import APPEND_ONLY, Database, Transaction, database_now, metadata, refusing_triggers
from hub_pipelines.intake.store import arrival
from hub_pipelines.review.model import ItemState
from hub_pipelines.review.store import review_item
from hub_pipelines.submission.model import UNSETTLED, Envelope, State
from hub_pipelines.submission.store import submission

_MAKES_TRIGGER = "CREATE TRIGGER "


def sqlite_path(db: Database) -> Path | None:
    """The file of an SQLite database."""
    return None if db.is_postgres or not db.url.database else Path(db.url.database)


def sqlite_fault(path: Path) -> str | None:
    """Why a file is no SQLite database in WAL mode; None when it is one. Read from its header, without opening it."""
    with path.open("rb") as file:
        header = file.read(20)
    if header[:16] != b"SQLite format 3\0":
        return "is not an SQLite database, or its beginning is damaged"
    return None if header[18:20] == b"\2\2" else "is not in WAL mode, so that readers and writers shut each other out"


def sqlite_damage(path: Path) -> str | None:
    """What SQLite's own quick check says; None when all is well."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        told = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:  # locked, or no room: nothing is known of the file
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()
    return None if told == "ok" else str(told)


def missing_parts(tx: Transaction) -> list[str]:
    """Tables and columns that the hub needs and the database does not have."""
    found: list[str] = []
    inspector = inspect(tx)
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in there:
            found.append(f"table {table.name}")
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        found += [f"column {table.name}.{column.name}" for column in table.columns if column.name not in columns]
    return found


def missing_guards(tx: Transaction) -> dict[str, str]:
    """Triggers of append-only tables that are not there, each with the statement that makes it."""
    there, tables = _triggers(tx), set(inspect(tx).get_table_names())
    statements = [
        one
        for table in metadata.sorted_tables
        if table.info.get(APPEND_ONLY) and table.name in tables
        for one in refusing_triggers(table.name)[tx.dialect.name]
        if one.startswith(_MAKES_TRIGGER)
    ]
    names = {one.removeprefix(_MAKES_TRIGGER).split()[0]: one for one in statements}
    return {name: statement for name, statement in names.items() if name not in there}


def _triggers(tx: Transaction) -> set[str]:
    if tx.dialect.name == "sqlite":
        return set(tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars())
    return set(tx.execute(text("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'")).scalars())


def clock_ahead_s(tx: Transaction) -> float:
    """By how much the database's clock is ahead of this machine's; the asking counts half."""
    before = datetime.now(UTC)
    there = database_now(tx)
    return (there - before - (datetime.now(UTC) - before) / 2) / timedelta(seconds=1)


def newest_entry_at(tx: Transaction) -> datetime | None:
    """When the newest audit entry of all chains was written."""
    newest = and_(audit_entry.c.campus == audit_head.c.campus, audit_entry.c.seq == audit_head.c.seq)
    moments = tx.execute(select(audit_entry.c.at).join(audit_head, newest)).scalars().all()
    return max(moments, default=None)


def newest_envelopes(tx: Transaction, limit: int) -> list[Envelope]:
    query = select(submission.c.envelope).order_by(submission.c.received_at.desc()).limit(limit)
    return [Envelope.from_document(one) for one in tx.execute(query).scalars()]


# ---- stuck


def leases_past_due(tx: Transaction, *, by_s: float, limit: int) -> list[Any]:
    s = submission.c
    before = database_now(tx) - timedelta(seconds=by_s)
    query = select(s.request_id, s.lease_owner, s.lease_until).where(s.state == State.LEASED, s.lease_until < before)
    return list(tx.execute(query.order_by(s.lease_until).limit(limit)))


def campuses_launched(tx: Transaction, *, within_s: float) -> set[str]:
    """Campuses of which a run was asked for in the time before now."""
    s = submission.c
    since = database_now(tx) - timedelta(seconds=within_s)
    return set(tx.execute(select(s.campus).where(s.launched_at >= since).distinct()).scalars())


def receipts_overdue(tx: Transaction, *, by_s: float) -> int:
    s, a = submission.c, arrival.c
    before = database_now(tx) - timedelta(seconds=by_s)
    of_submissions = (
        select(func.count())
        .select_from(submission)
        .where(s.receipt_due, func.coalesce(s.settled_at, s.received_at) < before)
    )
    of_arrivals = select(func.count()).select_from(arrival).where(a.receipt_due, a.arrived_at < before)
    return tx.execute(of_submissions).scalar_one() + tx.execute(of_arrivals).scalar_one()


def in_review_without_item(tx: Transaction, limit: int) -> list[str]:
    s = submission.c
    item = exists().where(review_item.c.request_id == s.request_id, review_item.c.state == ItemState.OPEN)
    query = select(s.request_id).where(s.state == State.IN_REVIEW, ~item)
    return list(tx.execute(query.order_by(s.received_at).limit(limit)).scalars())


def outside_of(tx: Transaction, campuses: Collection[str], feeds: Collection[str], limit: int) -> list[Any]:
    """Unsettled submissions whose campus or feed the settings do not name, so that no tick ever looks at them."""
    s = submission.c
    query = select(s.request_id, s.campus, s.feed).where(
        s.state.in_(UNSETTLED), s.campus.not_in(campuses) | s.feed.not_in(feeds)
    )
    return list(tx.execute(query.order_by(s.received_at).limit(limit)))
