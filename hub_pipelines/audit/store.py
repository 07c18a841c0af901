"""Tables of the audit chain; `append` works inside the caller's transaction."""

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, and_, func, select, update

from hub_pipelines.audit.model import GENESIS, ChainReport, Entry, Event, entry_hash
from hub_pipelines.common.store import (
    Database,
    JsonText,
    Transaction,
    UtcDateTime,
    database_now,
    insert_or_ignore,
    metadata,
    refuse_changes,
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("campus", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("request_id", String),
    Column("detail", JsonText, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_entry_request_id", "request_id"),
)
refuse_changes(audit_entry)

audit_head = Table(
    "audit_head",
    metadata,
    Column("campus", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)


def append(tx: Transaction, event: Event) -> Entry:
    """Add an entry to its campus's chain. Call it last before commit: it holds the chain's head until then."""
    head = select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.campus == event.campus).with_for_update()
    row = tx.execute(head).first()
    if row is None:
        tx.execute(insert_or_ignore(tx, audit_head), {"campus": event.campus, "seq": 0, "hash": GENESIS})
        row = tx.execute(head).one()
    entry = Entry.following(row.seq, row.hash, database_now(tx), event)
    tx.execute(audit_entry.insert(), _columns(entry))
    tx.execute(update(audit_head).where(audit_head.c.campus == event.campus).values(seq=entry.seq, hash=entry.hash))
    return entry


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "campus": entry.event.campus,
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.event.actor,
        "event": entry.event.event,
        "subject": entry.event.subject,
        "request_id": entry.event.request_id,
        "detail": entry.event.detail,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


def _entry(row: Any) -> Entry:
    event = Event(row.campus, row.actor, row.event, row.subject, row.request_id, row.detail)
    return Entry(row.seq, row.at, event, row.prev_hash, row.hash)


def entries_of(tx: Transaction, request_id: str) -> list[Entry]:
    rows = tx.execute(
        select(audit_entry).where(audit_entry.c.request_id == request_id).order_by(audit_entry.c.at, audit_entry.c.seq)
    )
    return [_entry(row) for row in rows]


def newest_entries_of(
    tx: Transaction, request_id: str, *, without: Collection[str], limit: int
) -> tuple[list[Entry], int]:
    """The newest entries about a submission but for some kinds, newest first, and how many there are in all."""
    where = and_(audit_entry.c.request_id == request_id, audit_entry.c.event.not_in(without))
    query = select(audit_entry).where(where).order_by(audit_entry.c.at.desc(), audit_entry.c.seq.desc()).limit(limit)
    total = tx.execute(select(func.count()).select_from(audit_entry).where(where)).scalar_one()
    return [_entry(row) for row in tx.execute(query)], total


def entries_named(tx: Transaction, event: str) -> Iterator[Entry]:
    """All entries of one kind, campus by campus."""
    query = select(audit_entry).where(audit_entry.c.event == event).order_by(audit_entry.c.campus, audit_entry.c.seq)
    for row in tx.execute(query, execution_options={"yield_per": 2000}):
        yield _entry(row)


def head_position(db: Database) -> int:
    """How many entries there are in all chains, from their heads."""
    with db.read() as tx:
        return sum(row.seq for row in tx.execute(select(audit_head.c.seq)))


def walk(db: Database) -> ChainReport:
    """Recompute every chain from its first entry and compare its end with its head."""
    heads: dict[str, str] = {}
    entries = 0
    with db.read() as tx:
        for head in tx.execute(select(audit_head).order_by(audit_head.c.campus)).all():
            seq, last, bad = 0, GENESIS, None
            for entry in _chain(tx, head.campus):
                bad = _fault(entry, seq, last)
                if bad:
                    return ChainReport(entries, f"{head.campus}:{seq + 1} {bad}", heads)
                seq, last, entries = entry.seq, entry.hash, entries + 1
            if (seq, last) != (head.seq, head.hash):
                return ChainReport(entries, f"{head.campus}:{seq + 1} is missing: entries were cut off", heads)
            heads[head.campus] = last
        orphan = tx.execute(
            select(audit_entry.c.campus).where(audit_entry.c.campus.not_in(select(audit_head.c.campus))).limit(1)
        ).scalar()
    return ChainReport(entries, f"{orphan}:1 has no head" if orphan else None, heads)


def _chain(tx: Transaction, campus: str) -> Iterator[Entry]:
    query = select(audit_entry).where(audit_entry.c.campus == campus).order_by(audit_entry.c.seq)
    for row in tx.execute(query, execution_options={"yield_per": 2000}):
        yield _entry(row)


def _fault(entry: Entry, prev_seq: int, prev_hash: str) -> str | None:
    if entry.seq != prev_seq + 1:
        return "is missing"
    if entry.prev_hash != prev_hash:
        return "does not continue the entry before it"
    if entry.hash != entry_hash(entry.seq, entry.prev_hash, entry.at, entry.event):
        return "was changed after it was written"
    return None
