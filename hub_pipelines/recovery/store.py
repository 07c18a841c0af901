"""Questions over several tables that only the reconciler asks. Nothing is changed here, and no table is owned."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select, tuple_

from hub_pipelines.common.store import Transaction
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Arrival, Outcome
from hub_pipelines.portals.store import portal_page
from hub_pipelines.review.model import ItemState
from hub_pipelines.review.store import review_item
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import MESSAGES, UNSETTLED, Cause, State, Submission
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN
from hub_pipelines.submission.store import submission


def in_review_unseen(tx: Transaction, *, limit: int) -> list[str]:
    """Submissions in review of which no open item tells. An item of a conflict tells of other bytes."""
    s, i = submission.c, review_item.c
    seen = exists().where(i.request_id == s.request_id, i.state == ItemState.OPEN, i.cause != Cause.CONFLICT)
    query = select(s.request_id).where(s.state == State.IN_REVIEW, ~seen).order_by(s.request_id).limit(limit)
    return list(tx.execute(query).scalars())


def launched_in_vain(tx: Transaction, *, limit: int) -> list[str]:
    """Submissions whose last allowed launch has led to no work either."""
    s = submission.c
    query = select(s.request_id).where(
        s.state.in_([str(state) for state in UNSETTLED]),
        s.state != State.LEASED,
        s.launches_in_vain >= LAUNCHES_IN_VAIN,
    )
    return list(tx.execute(query.order_by(s.request_id).limit(limit)).scalars())


def known(tx: Transaction, request_ids: Sequence[str]) -> set[str]:
    """Those of these request_ids that have a record."""
    return set(tx.execute(select(submission.c.request_id).where(submission.c.request_id.in_(request_ids))).scalars())


def envelopes_after(tx: Transaction, request_id: str, *, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """The next submissions by their request_ids, each with its envelope's document."""
    s = submission.c
    query = select(s.request_id, s.envelope).where(s.request_id > request_id).order_by(s.request_id).limit(limit)
    return [(row.request_id, row.envelope) for row in tx.execute(query)]


def pages_after(tx: Transaction, page: tuple[str, int], *, limit: int) -> list[tuple[tuple[str, int], dict[str, Any]]]:
    """The next pages of portals by their polls and numbers, each with its envelope's document."""
    p = portal_page.c
    query = select(p.poll_id, p.number, p.envelope).where(tuple_(p.poll_id, p.number) > tuple_(*page))
    rows = tx.execute(query.order_by(p.poll_id, p.number).limit(limit))
    return [((row.poll_id, row.number), row.envelope) for row in rows]


def receipted_after(tx: Transaction, request_id: str, *, limit: int) -> list[Submission]:
    """The next settled submissions by their request_ids whose receipt is written."""
    s = submission.c
    unsettled = s.state.in_([str(state) for state in UNSETTLED])
    query = select(submission).where(s.request_id > request_id, ~s.receipt_due, ~unsettled)
    return [submissions.from_row(row) for row in tx.execute(query.order_by(s.request_id).limit(limit))]


def told_after(tx: Transaction, arrival_id: str, *, limit: int) -> list[Arrival]:
    """The next arrivals by their ids that have a written receipt of their own. A conflict of messages has none."""
    a, s = arrivals.arrival.c, submission.c
    of_messages = exists().where(s.request_id == a.request_id, s.channel == MESSAGES)
    told = (~a.receipt_due, a.outcome.not_in([str(one) for one in (Outcome.RECEIVED, Outcome.PREVIEWED)]))
    query = select(a.arrival_id).where(a.arrival_id > arrival_id, *told, ~of_messages)
    ids = list(tx.execute(query.order_by(a.arrival_id).limit(limit)).scalars())
    return [one for one in (arrivals.find(tx, found) for found in ids) if one is not None]


def retry_figures(tx: Transaction) -> dict[str, Any]:
    """How many submissions wait for a retry, how often each was tried, when the next one is due, launches in vain."""
    s = submission.c
    retrying = s.state == State.RETRYING
    by_attempts = tx.execute(select(s.attempts, func.count()).where(retrying).group_by(s.attempts)).all()
    next_at: datetime | None = tx.execute(select(func.min(s.retry_at)).where(retrying, s.waits_for.is_(None))).scalar()
    unsettled = s.state.in_([str(state) for state in UNSETTLED])
    in_vain = tx.execute(select(func.count()).where(unsettled, s.launches_in_vain > 1)).scalar_one()
    return {
        "retrying": sum(count for _, count in by_attempts),
        "by_attempts_made": {str(attempts): count for attempts, count in sorted(by_attempts)},
        "next_retry_at": next_at,
        "launched_in_vain": in_vain,
    }


def retrying(tx: Transaction, *, limit: int) -> list[dict[str, Any]]:
    """Submissions that wait for a retry, the next one first."""
    s = submission.c
    in_all = (s.token - s.gave_way).label("attempts_in_all")
    query = (
        select(s.request_id, s.campus, s.feed, s.source_name, s.attempts, in_all, s.retry_at, s.reason)
        .where(s.state == State.RETRYING)
        .order_by(s.retry_at)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(query).mappings()]
