"""Choosing submissions whose partitions Dagster is to forget or to have again. Each in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update

from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.submission.model import UNSETTLED
from hub_pipelines.submission.store import submission


@dataclass(frozen=True, slots=True)
class Count:
    """Submissions of a campus and feed: in all, with a live partition, and settled ones among those."""

    campus: str
    feed: str
    submissions: int
    live: int
    live_settled: int
    oldest_live: datetime | None


def counts(tx: Transaction) -> list[Count]:
    s = submission.c
    live = func.count().filter(s.partition_live)
    settled = func.count().filter(s.partition_live, s.state.not_in(UNSETTLED))
    oldest = func.min(s.received_at).filter(s.partition_live)
    query = select(s.campus, s.feed, func.count(), live, settled, oldest).group_by(s.campus, s.feed)
    return [Count(*row) for row in tx.execute(query.order_by(s.campus, s.feed))]


def live_since(tx: Transaction, before: datetime, *, feed: str | None, limit: int) -> list[tuple[str, str]]:
    """(feed, request_id) of settled submissions that were settled, and launched or revived last, before a moment."""
    s = submission.c
    query = (
        select(s.feed, s.request_id)
        .where(s.partition_live, s.state.not_in(UNSETTLED), s.settled_at < before, s.partition_since < before)
        .order_by(s.settled_at)
        .limit(limit)
    )
    if feed is not None:
        query = query.where(s.feed == feed)
    return [(row.feed, row.request_id) for row in tx.execute(query)]


def retired_of(
    tx: Transaction, feed: str, *, campus: str | None, first: date, last: date, limit: int
) -> list[tuple[str, str]]:
    """(feed, request_id) of submissions without a live partition that were received on these days."""
    s = submission.c
    query = (
        select(s.feed, s.request_id)
        .where(s.feed == feed, s.received_day.between(first, last), s.partition_live.is_(False), s.launch > 0)
        .order_by(s.received_at)
        .limit(limit)
    )
    if campus is not None:
        query = query.where(s.campus == campus)
    return [(row.feed, row.request_id) for row in tx.execute(query)]


def feeds_of(tx: Transaction, request_ids: Sequence[str]) -> list[tuple[str, str]]:
    """(feed, request_id) of those that the hub knows, in the order asked for."""
    rows = tx.execute(
        select(submission.c.request_id, submission.c.feed).where(submission.c.request_id.in_(request_ids))
    )
    feed_of = {row.request_id: row.feed for row in rows}
    return [(feed_of[one], one) for one in request_ids if one in feed_of]


def retire(tx: Transaction, request_ids: Sequence[str]) -> list[str]:
    """Mark those that are settled; the ones that were marked. An unsettled one keeps its partition."""
    s = submission.c
    statement = (
        update(submission)
        .where(s.request_id.in_(request_ids), s.state.not_in(UNSETTLED))
        .values(partition_live=False)
        .returning(s.request_id)
    )
    return sorted(tx.execute(statement).scalars())


def revive(tx: Transaction, request_ids: Sequence[str]) -> None:
    tx.execute(
        update(submission)
        .where(submission.c.request_id.in_(request_ids))
        .values(partition_live=True, partition_since=database_now(tx))
    )


def live_among(tx: Transaction, request_ids: Sequence[str]) -> list[str]:
    s = submission.c
    return list(tx.execute(select(s.request_id).where(s.request_id.in_(request_ids), s.partition_live)).scalars())


def live_count(tx: Transaction, feed: str) -> int:
    s = submission.c
    return tx.execute(select(func.count()).where(s.feed == feed, s.partition_live)).scalar_one()


def surplus_partitions(tx: Transaction, feed: str, *, keep: int, limit: int) -> list[str]:
    """Settled submissions whose partitions exceed `keep`: those that were launched or revived longest ago."""
    s = submission.c
    live = tx.execute(select(func.count()).where(s.feed == feed, s.partition_live)).scalar_one()
    if live <= keep:
        return []
    query = (
        select(s.request_id)
        .where(s.feed == feed, s.partition_live, s.state.not_in(UNSETTLED))
        .order_by(s.partition_since)
        .limit(min(limit, live - keep))
    )
    return list(tx.execute(query).scalars())
