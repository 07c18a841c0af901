"""Leases: taking one, writing under it, ending it. Each function runs in the caller's transaction.

A worker's change of state names the fencing token that it holds: a paused worker's write changes no row and raises
`LeaseLost`. Not here: what is due (queue/store.py), what people decide (decisions/store.py).
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update

from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.submission.model import Busy, Cause, Failure, Lease, LeaseLost, Repeat, State, Submission, may_move
from hub_pipelines.submission.queue.store import first_before
from hub_pipelines.submission.retry import RetryPolicy
from hub_pipelines.submission.store import RECEIPT_ASKED_FOR, attempt, from_row, get, move, submission

TAKEN_OVER, RELEASED = "lease expired", "released"
"""How attempts ended whose run may live on, without a right to write."""
NO_WORD = "The program that worked on this file died or lost its way."
"""Why a submission is tried again whose attempt ended untold."""
_GAVE_WAY = "gave its place to others"
_NO_LONGER_AT_WORK: dict[str, Any] = {"lease_owner": None, "lease_until": None, "launched_at": None}


def take_lease(
    tx: Transaction, request_id: str, owner: str, *, lease_s: float, policy: RetryPolicy
) -> Lease | Busy | Repeat:
    """Take the right to work on a submission, or take it over when its last holder's time is up.

    The same owner asking again gets its own lease, extended. One taken over after the last attempt
    is not leased again: the caller sees `Busy` and the submission goes to review (`exhausted`).
    While an earlier file of its source is not settled there is no lease either, whoever launched the run: that one
    was launched before, and failed or was sent through again. The submission is then due as if never launched.
    """
    now = database_now(tx)
    lock = select(submission).where(submission.c.request_id == request_id).with_for_update(skip_locked=True)
    row = tx.execute(lock).first()
    if row is None:
        return Busy(request_id, get(tx, request_id).state)
    current = from_row(row)
    if current.state is State.LEASED and current.lease_owner == owner and _alive(current, now):
        return _extend(tx, current, now, lease_s)
    if not may_move(current.state, State.LEASED):
        return Repeat(request_id, current.state)
    waiting = current.state is State.RETRYING and current.retry_at is not None and current.retry_at > now
    if waiting or (current.state is State.LEASED and _alive(current, now)) or _no_more(policy, current):
        return Busy(request_id, current.state)
    if (earlier := first_before(tx, request_id)) is not None:
        unlaunched = {"launched_at": None, "launches_in_vain": 0}
        tx.execute(update(submission).where(submission.c.request_id == request_id).values(**unlaunched))
        return Busy(request_id, current.state, behind=earlier)
    if current.state is State.LEASED:
        _end_attempt(tx, request_id, current.token, now, TAKEN_OVER, None)
    until = now + timedelta(seconds=lease_s)
    token = current.token + 1
    tx.execute(
        update(submission)
        .where(submission.c.request_id == request_id, submission.c.token == current.token)
        .values(
            state=State.LEASED,
            token=token,
            attempts=current.attempts + 1,
            launches_in_vain=0,
            lease_owner=owner,
            lease_until=until,
            retry_at=None,
            waits_for=None,
            run_id=owner,
        )
    )
    tx.execute(
        attempt.insert(),
        {
            "request_id": request_id,
            "token": token,
            "revision": current.revision,
            "owner": owner,
            "started_at": now,
        },
    )
    return Lease(request_id, current.revision, token, owner, until)


def _no_more(policy: RetryPolicy, current: Submission) -> bool:
    return policy.is_last(current.attempts, in_all=current.attempts_in_all)


def _alive(current: Submission, now: datetime) -> bool:
    return current.lease_until is not None and current.lease_until >= now


def _extend(tx: Transaction, current: Submission, now: datetime, lease_s: float) -> Lease:
    until = now + timedelta(seconds=lease_s)
    tx.execute(
        update(submission)
        .where(submission.c.request_id == current.request_id, submission.c.token == current.token)
        .values(lease_until=until)
    )
    return Lease(current.request_id, current.revision, current.token, current.lease_owner or "", until)


def extend_lease(tx: Transaction, lease: Lease, *, lease_s: float) -> Lease:
    """Raises LeaseLost when the lease has been outdated."""
    until = database_now(tx) + timedelta(seconds=lease_s)
    _fenced(tx, lease, {"lease_until": until})
    return Lease(lease.request_id, lease.revision, lease.token, lease.owner, until)


def _fenced(tx: Transaction, lease: Lease, values: dict[str, Any]) -> None:
    """The fence: change the submission only while this lease's token is the newest; it stays locked until commit."""
    changed = tx.execute(
        update(submission)
        .where(
            submission.c.request_id == lease.request_id,
            submission.c.state == State.LEASED,
            submission.c.token == lease.token,
        )
        .values(**values)
    ).rowcount
    if changed != 1:
        raise LeaseLost(f"{lease.request_id}: token {lease.token} is outdated; another run has taken over.")


def hold(tx: Transaction, lease: Lease) -> None:
    """First statement of a posting: check the fencing token and keep the row locked. Raises LeaseLost."""
    _fenced(tx, lease, {"token": lease.token})


def set_revises(tx: Transaction, lease: Lease, original: str) -> None:
    """The submission corrects that one, as the workbook says in which it came back. Raises LeaseLost."""
    _fenced(tx, lease, {"revises": original})


def record_staged(
    tx: Transaction,
    lease: Lease,
    *,
    staged: str,
    rows_received: int,
    registry_version: int | None,
    decision: str | None = None,
) -> None:
    _fenced(
        tx,
        lease,
        {
            "staged": staged,
            "decision": decision,
            "rows_received": rows_received,
            "rows_posted": 0,
            "rows_unchanged": 0,
            "rows_rejected": 0,
            "rows_superseded": 0,
            "registry_version": registry_version,
        },
    )


def settle_posted(
    tx: Transaction, lease: Lease, *, posted: int, unchanged: int, rejected: int, superseded: int = 0
) -> datetime:
    now = database_now(tx)
    _fenced(
        tx,
        lease,
        {
            "state": State.POSTED,
            "cause": None,
            "reason": None,
            "fix": None,
            "rows_posted": posted,
            "rows_unchanged": unchanged,
            "rows_rejected": rejected,
            "rows_superseded": superseded,
            "posted_at": now,
            "settled_at": now,
            "lease_owner": None,
            "lease_until": None,
            **RECEIPT_ASKED_FOR,
        },
    )
    _end_attempt(tx, lease.request_id, lease.token, now, "posted", None)
    return now


def settle_retrying(tx: Transaction, lease: Lease, failure: Failure, wait: timedelta) -> datetime:
    now = database_now(tx)
    retry_at = now + wait
    _fenced(
        tx,
        lease,
        {
            "state": State.RETRYING,
            "retry_at": retry_at,
            "reason": failure.reason,
            "fix": failure.fix,
            **_NO_LONGER_AT_WORK,
        },
    )
    _end_attempt(tx, lease.request_id, lease.token, now, "failed, to be tried again", failure)
    return retry_at


def give_back(tx: Transaction, lease: Lease, ledger: str) -> None:
    """Another posting has the ledger: the submission is to be launched again after that, and the attempt does not
    count; `retry_at` tells since when it waits. Raises LeaseLost."""
    now = database_now(tx)
    has_failed = submission.c.attempts > 1
    _fenced(
        tx,
        lease,
        {
            "state": case((has_failed, State.RETRYING), else_=State.RECEIVED),
            "retry_at": now,
            "reason": case((has_failed, func.coalesce(submission.c.reason, NO_WORD))),
            "attempts": submission.c.attempts - 1,
            "gave_way": submission.c.gave_way + 1,
            "waits_for": ledger,
            **_NO_LONGER_AT_WORK,
        },
    )
    _end_attempt(tx, lease.request_id, lease.token, now, _GAVE_WAY, None)


def release(tx: Transaction, lease: Lease, failure: Failure) -> None:
    """End a lease from outside: its token is outdated, and the next run may take the submission now.

    Raises LeaseLost when it is not the newest lease any more.
    """
    now = database_now(tx)
    _fenced(
        tx,
        lease,
        {
            "state": State.RETRYING,
            "token": lease.token + 1,
            "retry_at": now,
            "reason": failure.reason,
            "fix": failure.fix,
            **_NO_LONGER_AT_WORK,
        },
    )
    _end_attempt(tx, lease.request_id, lease.token, now, RELEASED, failure)


def was_taken_from(tx: Transaction, request_id: str, owner: str) -> bool:
    """Whether this run's newest lease of the submission was ended by others, because it was not heard of any more."""
    a = attempt.c
    query = select(a.outcome).where(a.request_id == request_id, a.owner == owner).order_by(a.token.desc()).limit(1)
    return tx.execute(query).scalar() in (TAKEN_OVER, RELEASED)


def settle_in_review(tx: Transaction, lease: Lease, cause: Cause, failure: Failure) -> None:
    now = database_now(tx)
    _fenced(tx, lease, _in_review(cause, failure, now))
    _end_attempt(tx, lease.request_id, lease.token, now, f"in review: {cause}", failure)


def shelve(tx: Transaction, request_id: str, cause: Cause, failure: Failure) -> None:
    """Put an arrival that no run can work on straight into review. Raises IllegalMove."""
    move(tx, request_id, (State.RECEIVED, State.RETRYING), _in_review(cause, failure, database_now(tx)))


def expired(tx: Transaction, *, overdue: timedelta, policy: RetryPolicy | None, limit: int) -> list[Submission]:
    """Leases that ran out at least `overdue` ago, locked until the transaction ends.

    With a policy only those on their last attempt: nobody may take them over.
    """
    s = submission.c
    query = select(submission).where(s.state == State.LEASED, s.lease_until < database_now(tx) - overdue)
    if policy is not None:
        query = query.where(or_(s.attempts >= policy.max_attempts, s.token - s.gave_way >= policy.max_in_all))
    query = query.order_by(s.lease_until).limit(limit).with_for_update(skip_locked=True)
    return [from_row(row) for row in tx.execute(query)]


def _in_review(cause: Cause, failure: Failure, now: datetime) -> dict[str, Any]:
    return {
        "state": State.IN_REVIEW,
        "cause": cause,
        "reason": failure.reason,
        "fix": failure.fix,
        "settled_at": now,
        "lease_owner": None,
        "lease_until": None,
        "waits_for": None,
        **RECEIPT_ASKED_FOR,
    }


def _end_attempt(
    tx: Transaction, request_id: str, token: int, now: datetime, outcome: str, failure: Failure | None
) -> None:
    tx.execute(
        update(attempt)
        .where(attempt.c.request_id == request_id, attempt.c.token == token, attempt.c.ended_at.is_(None))
        .values(
            ended_at=now,
            outcome=outcome,
            error_type=failure.error_type if failure else None,
            error=failure.reason if failure else None,
            trace=failure.trace if failure else None,
        )
    )
