"""The review_item table. Filing is idempotent: one item per submission, revision and cause."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, String, Table, Text, func, select, update

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, database_now, insert_or_ignore, metadata
from hub_pipelines.intake.model import Arrival
from hub_pipelines.review.model import ItemState, ReviewItem
from hub_pipelines.submission.model import Cause, Envelope, Failure, Submission

review_item = Table(
    "review_item",
    metadata,
    Column("item_id", String, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("source_name", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("error_type", String, nullable=False),
    Column("trace", Text, nullable=False),
    Column("headers", JsonText, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("run_id", String),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolved_by", String),
    Column("resolution", Text),
    Index("review_item_request_id", "request_id"),
    Index("review_item_state", "state", "opened_at"),
)


def _item(row: Any) -> ReviewItem:
    fields = dict(row._mapping)
    return ReviewItem(**{**fields, "state": ItemState(fields["state"])})


class Desk:
    """Files items in the caller's transaction (intake's ReviewDesk port; processing uses it too)."""

    def file_submission(self, tx: Transaction, submission: Submission, failure: Failure) -> None:
        """File an item for a submission that has just gone into review."""
        cause = submission.cause or Cause.UNREADABLE
        item_id = _item_id(submission.request_id, str(submission.revision), cause)
        _file(tx, item_id, submission.envelope, submission.revision, cause, failure)

    def file_conflict(self, tx: Transaction, arrival: Arrival, first: Submission, envelope: Envelope) -> None:
        """File an item of its own for bytes that came under another submission's key."""
        failure = Failure("Conflict", arrival.reason or "", arrival.fix or "", "", None)
        item_id = _item_id(first.request_id, arrival.arrival_id, Cause.CONFLICT)
        _file(tx, item_id, envelope, first.revision, Cause.CONFLICT, failure)


def _item_id(*parts: str) -> str:
    return "review-" + sha256_hex("\n".join(parts).encode("utf-8"))[:16]


def _file(tx: Transaction, item_id: str, envelope: Envelope, revision: int, cause: Cause, failure: Failure) -> None:
    tx.execute(
        insert_or_ignore(tx, review_item),
        {
            "item_id": item_id,
            "request_id": envelope.request_id,
            "revision": revision,
            "campus": envelope.campus,
            "feed": envelope.feed,
            "source_name": envelope.source_name,
            "cause": cause,
            "reason": failure.reason,
            "fix": failure.fix,
            "error_type": failure.error_type,
            "trace": failure.trace,
            "headers": {**envelope.headers, "channel": envelope.channel, "source_system": envelope.source_system},
            "content_digest": envelope.content_digest,
            "run_id": failure.run_id,
            "opened_at": database_now(tx),
            "state": ItemState.OPEN,
        },
    )


def find(tx: Transaction, item_id: str) -> ReviewItem | None:
    row = tx.execute(select(review_item).where(review_item.c.item_id == item_id)).first()
    return _item(row) if row else None


def items(tx: Transaction, *, state: ItemState | None, limit: int = 1000) -> list[ReviewItem]:
    query = select(review_item)
    if state is not None:
        query = query.where(review_item.c.state == state)
    return [_item(row) for row in tx.execute(query.order_by(review_item.c.opened_at).limit(limit))]


def open_items_of(tx: Transaction, request_id: str) -> list[ReviewItem]:
    query = select(review_item).where(review_item.c.request_id == request_id, review_item.c.state == ItemState.OPEN)
    return [_item(row) for row in tx.execute(query)]


def items_of(tx: Transaction, request_id: str, *, limit: int) -> list[ReviewItem]:
    """Items of a submission, open and closed, the newest first."""
    query = select(review_item).where(review_item.c.request_id == request_id)
    return [_item(row) for row in tx.execute(query.order_by(review_item.c.opened_at.desc()).limit(limit))]


def open_conflicts(tx: Transaction, campus: str) -> set[tuple[str, str]]:
    """Request_id and content digest of the conflicts of a campus about which nobody has decided yet."""
    i = review_item.c
    query = select(i.request_id, i.content_digest).where(
        i.state == ItemState.OPEN, i.campus == campus, i.cause == Cause.CONFLICT
    )
    return {(row.request_id, row.content_digest) for row in tx.execute(query)}


def open_by_cause(tx: Transaction) -> dict[str, int]:
    query = (
        select(review_item.c.cause, func.count())
        .where(review_item.c.state == ItemState.OPEN)
        .group_by(review_item.c.cause)
    )
    return dict(tx.execute(query).all())


def newest(tx: Transaction) -> datetime | None:
    moment: datetime | None = tx.execute(select(func.max(review_item.c.opened_at))).scalar()
    return moment


def resolve(tx: Transaction, item_id: str, state: ItemState, *, by: str, resolution: str) -> bool:
    """Close an open item; False when somebody has closed it already."""
    changed = tx.execute(
        update(review_item)
        .where(review_item.c.item_id == item_id, review_item.c.state == ItemState.OPEN)
        .values(state=state, resolved_at=database_now(tx), resolved_by=by, resolution=resolution)
    ).rowcount
    return bool(changed == 1)
