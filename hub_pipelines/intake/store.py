"""The arrival table: every time something came, whatever intake answered; and the previews among them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    func,
    select,
    text,
    update,
)

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, metadata
from hub_pipelines.intake.model import Arrival, Outcome, PreviewDue

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
    Index("arrival_by_digest", "content_digest"),
    Index("arrival_by_scope", "campus", "feed", "arrived_at"),
)
Index(
    "arrival_receipt_due",
    arrival.c.campus,
    arrival.c.arrived_at,
    postgresql_where=arrival.c.receipt_due,
    sqlite_where=arrival.c.receipt_due,
)
_UNPROCESSED = text(f"outcome != '{Outcome.RECEIVED}'")
Index(
    "arrival_unprocessed",
    arrival.c.campus,
    arrival.c.feed,
    arrival.c.arrived_at,
    postgresql_where=_UNPROCESSED,
    sqlite_where=_UNPROCESSED,
)
Index("arrival_by_source", func.lower(arrival.c.source_name))

preview = Table(
    "preview",
    metadata,
    Column("arrival_id", String, primary_key=True),
    Column("complete_count", Boolean, nullable=False),
    Column("launches", Integer, nullable=False),
    Column("launched_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("made_at", UtcDateTime),
    Column("summary", JsonText),
)
"""Of an arrival that is a preview: how often a run was asked for, how often one began, and what it found."""


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


def those(tx: Transaction, arrival_ids: Sequence[str]) -> dict[str, Arrival]:
    """By their ids; few enough for one query."""
    rows = tx.execute(select(arrival).where(arrival.c.arrival_id.in_(arrival_ids)))
    return {row.arrival_id: _arrival(row) for row in rows}


def every_id(tx: Transaction) -> Iterator[str]:
    """Streamed."""
    yield from tx.execute(select(arrival.c.arrival_id), execution_options={"yield_per": 2000}).scalars()


def count_all(tx: Transaction) -> int:
    return tx.execute(select(func.count()).select_from(arrival)).scalar_one()


def first_without_answer(tx: Transaction) -> str | None:
    """An arrival with an outcome that is none."""
    query = select(arrival.c.arrival_id).where(arrival.c.outcome.not_in(list(Outcome)))
    return tx.execute(query.limit(1)).scalar()


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
    """Arrivals whose receipt is to be written, the oldest first. Previews have runs of their own."""
    query = select(arrival).where(arrival.c.receipt_due, arrival.c.outcome != Outcome.PREVIEWED)
    if campus is not None:
        query = query.where(arrival.c.campus == campus)
    return [_arrival(row) for row in tx.execute(query.order_by(arrival.c.arrived_at).limit(limit))]


def add_preview(tx: Transaction, arrival_id: str, *, complete_count: bool, in_hand_since: datetime | None) -> None:
    tx.execute(
        preview.insert(),
        {
            "arrival_id": arrival_id,
            "complete_count": complete_count,
            "launches": 0,
            "launched_at": in_hand_since,
            "attempts": 0,
        },
    )


def previews_due(tx: Transaction, campus: str, *, limit: int) -> list[PreviewDue]:
    """A campus's previews whose receipt is not written yet, the oldest first."""
    query = (
        select(arrival, preview)
        .join(preview, preview.c.arrival_id == arrival.c.arrival_id)
        .where(arrival.c.receipt_due, arrival.c.outcome == Outcome.PREVIEWED, arrival.c.campus == campus)
        .order_by(arrival.c.arrived_at, arrival.c.arrival_id)
        .limit(limit)
    )
    return [
        PreviewDue(_arrival(row), row.complete_count, row.launches, row.launched_at, row.attempts)
        for row in tx.execute(query)
    ]


def preview_of(tx: Transaction, arrival_id: str) -> PreviewDue:
    """One preview, due or made."""
    query = select(arrival, preview).join(preview, preview.c.arrival_id == arrival.c.arrival_id)
    row = tx.execute(query.where(preview.c.arrival_id == arrival_id)).one()
    return PreviewDue(_arrival(row), row.complete_count, row.launches, row.launched_at, row.attempts)


def count_preview_launch(tx: Transaction, arrival_ids: Sequence[str], *, at: datetime) -> None:
    """A run is asked for, for these previews together."""
    where = preview.c.arrival_id.in_(arrival_ids)
    tx.execute(update(preview).where(where).values(launches=preview.c.launches + 1, launched_at=at))


def count_preview_attempt(tx: Transaction, arrival_id: str) -> None:
    where = preview.c.arrival_id == arrival_id
    tx.execute(update(preview).where(where).values(attempts=preview.c.attempts + 1))


def finish_preview(tx: Transaction, arrival_id: str, summary: dict[str, object], *, at: datetime) -> None:
    """Its receipt is written. `summary` is what lists of receipts tell of it."""
    tx.execute(update(preview).where(preview.c.arrival_id == arrival_id).values(made_at=at, summary=summary))
    mark_receipted(tx, arrival_id)


def previews(tx: Transaction, campus: str, feed: str, *, limit: int) -> list[tuple[Arrival, dict[str, Any] | None]]:
    """The newest previews of a campus and feed, each with what it found; None while it is due."""
    query = (
        select(arrival, preview.c.summary)
        .join(preview, preview.c.arrival_id == arrival.c.arrival_id)
        .where(arrival.c.campus == campus, arrival.c.feed == feed, _UNPROCESSED)
        .order_by(arrival.c.arrived_at.desc())
        .limit(limit)
    )
    return [(_arrival(row), row.summary) for row in tx.execute(query)]


def count_previews(tx: Transaction) -> tuple[int, int]:
    """Previews in all, and those that are due."""
    query = select(func.count(), func.count().filter(preview.c.made_at.is_(None)))
    total, due = tx.execute(query).one()
    return total, due


def newest(tx: Transaction, *, limit: int) -> list[Arrival]:
    """The latest arrivals, in order of arrival."""
    query = select(arrival).order_by(arrival.c.arrived_at.desc()).limit(limit)
    return [_arrival(row) for row in tx.execute(query)][::-1]


def of_request(tx: Transaction, request_id: str, *, limit: int) -> tuple[list[Arrival], int]:
    """The newest arrivals of a submission, newest first, and how many there are in all."""
    where = arrival.c.request_id == request_id
    total = tx.execute(select(func.count()).where(where)).scalar_one()
    return _newest(tx, where, limit=limit), total


def of_digest(tx: Transaction, content_digest: str, *, limit: int) -> list[Arrival]:
    """Arrivals of these bytes, the newest first."""
    return _newest(tx, arrival.c.content_digest == content_digest, limit=limit)


def of_source(tx: Transaction, source_name: str, *, limit: int) -> list[Arrival]:
    """Arrivals of a file name, upper and lower case alike as far as the database knows, the newest first."""
    return _newest(tx, func.lower(arrival.c.source_name) == func.lower(source_name), limit=limit)


def known_digests(tx: Transaction, digests: Sequence[str]) -> set[str]:
    """Those of these bytes that have ever come."""
    query = select(arrival.c.content_digest).where(arrival.c.content_digest.in_(digests)).distinct()
    return {str(one) for one in tx.execute(query).scalars()}


def feeds_of(tx: Transaction, campus: str) -> list[str]:
    """Feeds of which something has come for a campus, found by skipping through an index."""
    found: list[str] = []
    while feed := tx.execute(
        select(func.min(arrival.c.feed)).where(arrival.c.campus == campus, arrival.c.feed > (found or [""])[-1])
    ).scalar():
        found.append(feed)
    return found


def unprocessed(tx: Transaction, campus: str, feed: str, *, limit: int) -> list[Arrival]:
    """Arrivals with a receipt of their own (duplicate, conflict, refused), the newest first."""
    scope = and_(arrival.c.campus == campus, arrival.c.feed == feed)
    return _newest(tx, and_(scope, _UNPROCESSED, arrival.c.outcome != Outcome.PREVIEWED), limit=limit)


def count_unprocessed(tx: Transaction, campus: str, feed: str, *, at_most: int) -> int:
    """How many of these there are; counting stops at `at_most`, so that it never takes long."""
    scope = (arrival.c.campus == campus, arrival.c.feed == feed, _UNPROCESSED)
    some = select(arrival.c.arrived_at).where(*scope, arrival.c.outcome != Outcome.PREVIEWED).limit(at_most)
    return tx.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def _newest(tx: Transaction, where: ColumnElement[bool], *, limit: int) -> list[Arrival]:
    query = select(arrival).where(where).order_by(arrival.c.arrived_at.desc()).limit(limit)
    return [_arrival(row) for row in tx.execute(query)]


def make_receipts_due(tx: Transaction, arrival_ids: Sequence[str]) -> None:
    """Have these told once more."""
    tx.execute(update(arrival).where(arrival.c.arrival_id.in_(arrival_ids)).values(receipt_due=True))


def mark_receipted(tx: Transaction, arrival_id: str) -> None:
    tx.execute(update(arrival).where(arrival.c.arrival_id == arrival_id).values(receipt_due=False))


def count_by_outcome(tx: Transaction) -> dict[str, int]:
    found: dict[str, int] = dict(tx.execute(select(arrival.c.outcome, func.count()).group_by(arrival.c.outcome)).all())
    return {str(outcome): found.get(str(outcome), 0) for outcome in Outcome}
