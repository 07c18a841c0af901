"""The arrival table: every time something came, whatever intake answered."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text, func, select, update

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction, UtcDateTime, metadata
from hub_pipelines.intake.model import Arrival, Outcome

arrival = Table(
    "arrival",
    metadata,
    Column("arrival_id", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("request_id", String),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("source_name", String, nullable=False),
    Column("content_digest", String(64)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("arrived_at", UtcDateTime, nullable=False),
    Column("reason", Text),
    Column("fix", Text),
    Column("receipt_due", Boolean, nullable=False),
    Index("arrival_request_id", "request_id"),
    Index("arrival_by_time", "arrived_at"),
)
Index(
    "arrival_receipt_due",
    arrival.c.campus,
    arrival.c.arrived_at,
    postgresql_where=arrival.c.receipt_due,
    sqlite_where=arrival.c.receipt_due,
)


def _arrival(row: Any) -> Arrival:
    return Arrival(
        arrival_id=row.arrival_id,
        outcome=Outcome(row.outcome),
        request_id=row.request_id,
        scope=Scope(row.campus, row.feed),
        source_name=row.source_name,
        content_digest=row.content_digest,
        size_bytes=row.size_bytes,
        arrived_at=row.arrived_at,
        reason=row.reason,
        fix=row.fix,
    )


def find(tx: Transaction, arrival_id: str) -> Arrival | None:
    row = tx.execute(select(arrival).where(arrival.c.arrival_id == arrival_id)).first()
    return _arrival(row) if row else None


def add(tx: Transaction, new: Arrival, *, receipt_due: bool) -> None:
    tx.execute(
        arrival.insert(),
        {
            "arrival_id": new.arrival_id,
            "outcome": new.outcome,
            "request_id": new.request_id,
            "campus": new.scope.campus,
            "feed": new.scope.feed,
            "source_name": new.source_name,
            "content_digest": new.content_digest,
            "size_bytes": new.size_bytes,
            "arrived_at": new.arrived_at,
            "reason": new.reason,
            "fix": new.fix,
            "receipt_due": receipt_due,
        },
    )


def receipts_due(tx: Transaction, campus: str | None, *, limit: int) -> list[Arrival]:
    query = select(arrival).where(arrival.c.receipt_due)
    if campus is not None:
        query = query.where(arrival.c.campus == campus)
    return [_arrival(row) for row in tx.execute(query.order_by(arrival.c.arrived_at).limit(limit))]


def newest(tx: Transaction, *, limit: int) -> list[Arrival]:
    """The latest arrivals, in order of arrival."""
    query = select(arrival).order_by(arrival.c.arrived_at.desc()).limit(limit)
    return [_arrival(row) for row in tx.execute(query)][::-1]


def mark_receipted(tx: Transaction, arrival_id: str) -> None:
    tx.execute(update(arrival).where(arrival.c.arrival_id == arrival_id).values(receipt_due=False))


def count_by_outcome(tx: Transaction) -> dict[str, int]:
    found: dict[str, int] = dict(tx.execute(select(arrival.c.outcome, func.count()).group_by(arrival.c.outcome)).all())
    return {str(outcome): found.get(str(outcome), 0) for outcome in Outcome}
