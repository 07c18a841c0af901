"""Attempts that ended without a word: their runs died, or never began. They are tried again, or come to review.

Belongs here: what becomes of a submission that nobody works on any more. Not here: errors that a run could still tell
(processing.py), which runs are lost (defs/lost_runs.py), when to look (launching.py, recovery/).
"""

import logging
from dataclasses import dataclass
from datetime import timedelta

from hub_pipelines.common.rows.store import end_stalled_copies
from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.logs import pairs, working_on
from hub_pipelines.processing import Processing
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Cause, Failure, Lease, LeaseLost, State, Submission
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN

RECOVERY = "hub/recovery"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """Ends what `processing` has begun, by its policy."""

    processing: Processing

    def give_up_exhausted(self) -> int:
        """Review for submissions whose last allowed attempt died without a word; how many there were."""
        return len(self.end_expired(only_last=True))

    def end_expired(
        self, *, overdue_s: float = 0.0, only_last: bool = False, dry_run: bool = False
    ) -> list[Submission]:
        """End attempts whose lease ran out: tried again after a pause, or in review when it was the last one.

        The submissions as they were. A lease that is extended meanwhile is left alone: it is no longer past due
        when this transaction has locked it.
        """
        with self.processing.db.write() as tx:
            end_stalled_copies(tx)
            policy = self.processing.policy if only_last else None
            found = leases.expired(tx, overdue=timedelta(seconds=overdue_s), policy=policy, limit=100)
            for one in [] if dry_run else found:
                self._end_expired(tx, one)
        for one in [] if dry_run else found:
            self.processing.progress.remove(one.request_id)
            with working_on(one.request_id):
                told = pairs(run=one.run_id, attempt=one.attempts, until=one.lease_until)
                _log.warning("its lease ran out without a word %s", told)
        return found

    def _end_expired(self, tx: Transaction, one: Submission) -> None:
        lease = Lease(one.request_id, one.revision, one.token, one.lease_owner or "", database_now(tx))
        last = self.processing.policy.is_last(one.attempts, in_all=one.attempts_in_all)
        told: dict[str, object] = {"token": one.token, "run_id": one.run_id, "attempt": one.attempts}
        times = f"{one.attempts} times in a row" if one.attempts > 1 else "once"
        failure = Failure(
            error_type="WorkerDied",
            reason=f"The program that worked on this file died {times}." if last else leases.NO_WORD,
            fix="The file may be unusual. A person looks at it; nothing of it is lost." if last else "",
            trace="",
            run_id=one.run_id,
        )
        if last:
            leases.settle_in_review(tx, lease, Cause.EXHAUSTED, failure)
            self.processing.file_for_review(tx, one.request_id, RECOVERY, failure, token=one.token)
            self.processing.enter(tx, one, RECOVERY, "recovery:lease_ended", {**told, "after": State.IN_REVIEW})
            return
        retry_at = leases.settle_retrying(tx, lease, failure, self.processing.policy.wait(one.attempts))
        if self.processing.progress.is_told(one.request_id):  # its page says that a run is at it
            receipting.make_receipt_due(tx, one.request_id)
        detail: dict[str, object] = {
            "attempt": one.attempts,
            "token": one.token,
            "error": failure.reason,
            "retry_at": retry_at.isoformat(),
        }
        self.processing.enter(tx, one, RECOVERY, "submission:retrying", detail)
        self.processing.enter(tx, one, RECOVERY, "recovery:lease_ended", {**told, "after": State.RETRYING})

    def give_up_launching(self, request_id: str) -> bool:
        """Review for a submission that was launched again and again and never worked on; False when it has moved."""
        with self.processing.db.write() as tx:
            current = submissions.get(tx, request_id)
            if current.launches_in_vain < LAUNCHES_IN_VAIN or current.state not in (State.RECEIVED, State.RETRYING):
                return False
            failure = Failure(
                error_type="LaunchedInVain",
                reason=f"This file was given a run {current.launches_in_vain} times, and none began to work on it.",
                fix="This is the hub's fault, not yours. Its operator looks into it; nothing of the file is lost.",
                trace="",
                run_id=current.run_id,
            )
            leases.shelve(tx, request_id, Cause.EXHAUSTED, failure)
            self.processing.file_for_review(tx, request_id, RECOVERY, failure, token=None)
            detail: dict[str, object] = {"launches": current.launches_in_vain}
            self.processing.enter(tx, current, RECOVERY, "recovery:launches_ended", detail)
        return True

    def run_died(self, request_id: str, owner: str, failure: Failure) -> State | None:
        """A run ended without settling what it had leased: count it as a failed attempt.

        None when there is nothing to do: the submission has moved on, or another run holds it.
        """
        with self.processing.db.read() as tx:
            current = submissions.find(tx, request_id)
        if current is None or current.state is not State.LEASED or current.lease_owner != owner:
            return None
        lease = Lease(
            request_id, current.revision, current.token, owner, current.lease_until or current.envelope.received_at
        )
        with working_on(request_id):
            _log.warning("its run died %s", pairs(run=owner, how=failure.error_type))
        try:
            return self.processing.fail(lease, RuntimeError(failure.reason), failure)
        except LeaseLost:
            return None
