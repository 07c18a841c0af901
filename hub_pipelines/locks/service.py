"""Listing what is held, and ending a lease by hand.

Ending one outdates its token: the worker that held it can write nothing from then on, and the next run takes the
submission at once. It counts as an attempt like any other that failed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.hub import Hub
from hub_pipelines.locks import store as locks
from hub_pipelines.locks.files import holder_of
from hub_pipelines.locks.model import Held, NotHeld, Released, SleepingTransaction, StillHeld
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Cause, Failure, Lease, LeaseLost, State, Submission


@dataclass(frozen=True, slots=True)
class Overview:
    """`up_pid` is the process of the `hub up` on this home, `up_lock` the file that it holds."""

    held: list[Held]
    sleeping: list[SleepingTransaction]
    up_lock: Path
    up_pid: int | None


def overview(hub: Hub, campus: str | None = None) -> Overview:
    with hub.db.read() as tx:
        held = locks.held(tx, campus, lease_s=hub.settings.limits.lease_s)
        sleeping = locks.sleeping_transactions(tx)
    up_lock = hub.settings.dagster_home / "up.lock"
    return Overview(held, sleeping, up_lock, holder_of(up_lock))


def release(hub: Hub, request_id: str, *, actor: str, force: bool, run_lives: Callable[[str], bool]) -> Released:
    """End the lease of a submission. `run_lives` tells whether Dagster counts a run among the living.

    Raises NotHeld, and without `force` StillHeld while the lease lasts and its run lives. Of two who do it at once
    one wins; a worker that posts or extends first keeps what it has done.
    """
    with hub.db.read() as tx:
        current = submissions.get(tx, request_id)
        alive = current.lease_until is not None and current.lease_until >= database_now(tx)
    owner = current.lease_owner
    if current.state is not State.LEASED or owner is None or current.lease_until is None:
        raise NotHeld(f"{request_id} is {current.state}; nobody holds it. `hub why {request_id}` tells what is next.")
    if alive and not force and run_lives(owner):
        raise StillHeld(
            f"Run {owner} holds {request_id} until {current.lease_until:%H:%M:%S} UTC and Dagster counts it among the "
            "living. Wait for it, or end its lease all the same with --force: what it has not posted by then it has "
            "done in vain."
        )
    lease = Lease(request_id, current.revision, current.token, owner, current.lease_until)
    with hub.db.write() as tx:
        try:
            after = _end(hub, tx, lease, current, actor)
        except LeaseLost as lost:
            raise NotHeld(f"{request_id} has moved on meanwhile; `hub locks list` shows who holds it now.") from lost
        detail: dict[str, object] = {
            "revision": current.revision,
            "run": owner,
            "token": current.token,
            "attempt": current.attempts,
            "lease_was_alive": alive,
            "forced": force,
            "state": after,
        }
        envelope = current.envelope
        audit.append(tx, Event(envelope.campus, actor, "lease:released", envelope.source_name, request_id, detail))
    return Released(request_id, owner, current.token, current.attempts, after)


def _end(hub: Hub, tx: Transaction, lease: Lease, current: Submission, actor: str) -> State:
    failure = Failure(
        error_type="LeaseReleased",
        reason=f"{actor} ended the lease of run {lease.owner}.",
        fix="",
        trace="",
        run_id=lease.owner,
    )
    if not hub.processing.policy.is_last(current.attempts, in_all=current.attempts_in_all):
        leases.release(tx, lease, failure)
        return State.RETRYING
    leases.settle_in_review(tx, lease, Cause.EXHAUSTED, failure)
    hub.processing.desk.file_submission(tx, submissions.get(tx, lease.request_id), failure)
    return State.IN_REVIEW
