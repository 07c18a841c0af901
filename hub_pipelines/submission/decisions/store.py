"""What people decide about a submission: again, now, or not at all. Each function runs in the caller's transaction."""

from sqlalchemy import update

from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.submission.model import IllegalMove, State, Submission
from hub_pipelines.submission.store import RECEIPT_ASKED_FOR, get, move, submission


def reopen(tx: Transaction, request_id: str, *, come_from: State) -> Submission:
    """Back to `received` under the next revision: a replay from review, or applied again once posted."""
    move(
        tx,
        request_id,
        (come_from,),
        {
            "state": State.RECEIVED,
            "cause": None,
            "reason": None,
            "fix": None,
            "revision": submission.c.revision + 1,
            "attempts": 0,
            "launched_at": None,
            "launches_in_vain": 0,
            "settled_at": None,
            "staged": None,
            "decision": None,
            "rows_received": get(tx, request_id).envelope.messages,
            "rows_posted": 0,
            "rows_unchanged": 0,
            "rows_rejected": 0,
            "rows_superseded": 0,
        },
    )
    return get(tx, request_id)


def make_due(tx: Transaction, request_id: str) -> Submission:
    """What waits for its next launch or its next attempt has it now. No change of state. Raises IllegalMove.

    A launch that still lives is not repeated: whoever launches asks Dagster first. Who gave way to another posting
    looks itself whether its ledger is still taken.
    """
    now = {"launched_at": None, "waits_for": None}
    for state, retry_at in ((State.RECEIVED, None), (State.RETRYING, database_now(tx))):
        waits = (submission.c.request_id == request_id, submission.c.state == state)
        if tx.execute(update(submission).where(*waits).values(**now, retry_at=retry_at)).rowcount == 1:
            return get(tx, request_id)
    raise IllegalMove(f"{request_id} is {get(tx, request_id).state}; it does not wait for an attempt.")


def dismiss(tx: Transaction, request_id: str, reason: str) -> None:
    move(
        tx,
        request_id,
        (State.IN_REVIEW,),
        {"state": State.DISMISSED, "reason": reason, "settled_at": database_now(tx), **RECEIPT_ASKED_FOR},
    )
