"""Tables of the audit chain; `append` works inside the caller's transaction."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, and_, func, select, type_coerce, update

from hub_pipelines.audit.model import GENESIS, ChainReport, Entry, Event, Signed, walk_chain
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


def newest_entry_named(tx: Transaction, request_id: str, event: str) -> Entry | None:
    where = and_(audit_entry.c.request_id == request_id, audit_entry.c.event == event)
    row = tx.execute(select(audit_entry).where(where).order_by(audit_entry.c.seq.desc()).limit(1)).first()
    return _entry(row) if row else None


def entries_named(tx: Transaction, *events: str) -> Iterator[Entry]:
    """All entries of these kinds, campus by campus and in order. Each call reads the chains whole."""
    query = select(audit_entry).where(audit_entry.c.event.in_(events))
    query = query.order_by(audit_entry.c.campus, audit_entry.c.seq)
    for row in tx.execute(query, execution_options={"yield_per": 2000}):
        yield _entry(row)


def head_position(db: Database) -> int:
    """How many entries there are in all chains, from their heads."""
    with db.read() as tx:
        return sum(row.seq for row in tx.execute(select(audit_head.c.seq)))


def heads_of(tx: Transaction) -> dict[str, tuple[int, str]]:
    """The end of each chain: seq and hash of its newest entry, by campus. What is no number is the seq of no entry."""
    heads = tx.execute(select(audit_head).order_by(audit_head.c.campus))
    return {row.campus: (row.seq if isinstance(row.seq, int) else -1, row.hash) for row in heads}


def walk(db: Database, signed: Mapping[str, Signed] | None = None) -> ChainReport:
    """Recompute every chain from its first entry, compare its end with its head and, where given, all of it with what
    checkpoints tell. Those must have been read before: a chain grows meanwhile, a checkpoint never tells more."""
    signed = signed or {}
    ends: dict[str, str] = {}
    notes: list[str] = []
    entries = 0
    with db.read() as tx:
        heads = heads_of(tx)
        for campus in sorted({*heads, *signed}):
            walked = walk_chain(chain(tx, campus), signed.get(campus, Signed()))
            entries += walked.seq
            notes += [walked.dated_back] if walked.dated_back else []
            if walked.fault:
                return ChainReport(entries, f"{campus}:{walked.seq + 1} {walked.fault}", ends, notes=tuple(notes))
            if (walked.seq, walked.hash) != heads.get(campus):
                fault = f"{walked.seq + 1} is missing: entries were cut off" if campus in heads else "1 has no head"
                return ChainReport(entries, f"{campus}:{fault}", ends, notes=tuple(notes))
            ends[campus] = walked.hash
        orphan = tx.execute(
            select(audit_entry.c.campus).where(audit_entry.c.campus.not_in(select(audit_head.c.campus))).limit(1)
        ).scalar()
    return ChainReport(entries, f"{orphan}:1 has no head" if orphan else None, ends, notes=tuple(notes))


def chain(tx: Transaction, campus: str, *, after: int | None = None, upto: int | None = None) -> Iterator[Entry]:
    """Entries of one chain in order, those after `after` and not beyond `upto`; without `after` all that the table
    has, whatever their numbers. One that can't be read comes without its hash, so that no walk takes it."""
    where = audit_entry.c.campus == campus
    if after is not None:
        where = and_(where, audit_entry.c.seq > after)
    if upto is not None:
        where = and_(where, audit_entry.c.seq <= upto)
    # as they are stored: what can't be read must not take the entries before it along
    columns = [type_coerce(c, String).label(c.name) if c.name in _PARSED else c for c in audit_entry.c]
    query = select(*columns).where(where).order_by(audit_entry.c.seq)
    for row in tx.execute(query, execution_options={"yield_per": 2000}):
        yield _stored(row)


_TIME, _DETAIL = UtcDateTime(), JsonText()
_PARSED = ("at", "detail")


def _stored(row: Any) -> Entry:
    detail: dict[str, object] = {}
    at = None
    try:
        at, detail = _TIME.process_result_value(row.at, None), _DETAIL.process_result_value(row.detail, None)
        is_as_written = _DETAIL.process_bind_param(detail, None) == row.detail  # nothing stands in it twice
    except (AttributeError, TypeError, ValueError, RecursionError):
        is_as_written = False
    event = Event(row.campus, row.actor, row.event, row.subject, row.request_id, detail)
    if at is None or not is_as_written:
        return Entry(row.seq, datetime.min.replace(tzinfo=UTC), event, row.prev_hash, "")
    return Entry(row.seq, at, event, row.prev_hash, row.hash)


def hash_at(tx: Transaction, campus: str, seq: int) -> str | None:
    """The stored hash of one entry."""
    at = and_(audit_entry.c.campus == campus, audit_entry.c.seq == seq)
    return tx.execute(select(audit_entry.c.hash).where(at)).scalar()


def at_of(tx: Transaction, campus: str, seq: int) -> datetime | None:
    """When one entry was written; None where there is none, or that can't be read."""
    found = [entry.at for entry in chain(tx, campus, after=seq - 1, upto=seq) if entry.hash]
    return found[0] if found else None
