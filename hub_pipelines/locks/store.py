"""Reading what is held in the hub's database."""

from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import and_, select, text

from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.locks.model import Held, SleepingTransaction
from hub_pipelines.submission.model import State
from hub_pipelines.submission.store import attempt, submission

_SLEEPING = text(
    "SELECT pid, xact_start, state_change, query FROM pg_stat_activity WHERE datname = current_database() "
    "AND usename = current_user AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%' ORDER BY xact_start"
)


def held(tx: Transaction, campus: str | None, *, lease_s: float) -> list[Held]:
    """Every submission under a lease, the one that has run out longest ago first."""
    now = database_now(tx)
    s = submission.c
    newest = and_(attempt.c.request_id == s.request_id, attempt.c.token == s.token)
    query = (
        select(submission, attempt.c.started_at)
        .join(attempt, newest)
        .where(s.state == State.LEASED)
        .order_by(s.lease_until, s.request_id)
    )
    if campus is not None:
        query = query.where(s.campus == campus)
    return [_held(row, now, lease_s) for row in tx.execute(query)]


def _held(row: Any, now: Any, lease_s: float) -> Held:
    return Held(
        request_id=row.request_id,
        campus=row.campus,
        feed=row.feed,
        source_name=row.source_name,
        run_id=row.lease_owner,
        token=row.token,
        attempt=row.attempts,
        since=row.started_at,
        extended_at=max(row.started_at, row.lease_until - timedelta(seconds=lease_s)),
        until=row.lease_until,
        now=now,
    )


def sleeping_transactions(tx: Transaction) -> list[SleepingTransaction]:
    """PostgreSQL only: a sleeping transaction keeps its row locks. On SQLite there is nothing to ask."""
    if tx.dialect.name != "postgresql":
        return []
    return [
        SleepingTransaction(row.pid, row.xact_start.astimezone(UTC), row.state_change.astimezone(UTC), row.query[:200])
        for row in tx.execute(_SLEEPING)
    ]
