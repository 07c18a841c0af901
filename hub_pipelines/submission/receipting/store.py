"""Whose receipt is due: its sender is to be told, or told once more.

Not here: what a receipt says and where it is (report).
"""

from collections.abc import Sequence

from sqlalchemy import and_, select, update

from hub_pipelines.common.store import Transaction
from hub_pipelines.submission.model import State, Submission
from hub_pipelines.submission.store import RECEIPT_ASKED_FOR, submission


def receipts_due(tx: Transaction, campus: str | None, *, limit: int) -> list[str]:
    query = select(submission.c.request_id).where(submission.c.receipt_due)
    if campus is not None:
        query = query.where(submission.c.campus == campus)
    return list(tx.execute(query.order_by(submission.c.settled_at).limit(limit)).scalars())


def make_receipts_due(
    tx: Transaction, *, campus: str | None = None, feed: str | None = None, request_ids: Sequence[str] | None = None
) -> None:
    """Have it told once more to the senders of what is received and is to be launched."""
    statement = update(submission).where(submission.c.state == State.RECEIVED)
    if campus is not None:
        statement = statement.where(submission.c.campus == campus)
    if feed is not None:
        statement = statement.where(submission.c.feed == feed)
    if request_ids is not None:
        statement = statement.where(submission.c.request_id.in_(request_ids))
    tx.execute(statement.values(**RECEIPT_ASKED_FOR))


def make_receipt_due(tx: Transaction, request_id: str) -> None:
    """Have a settled submission told once more: something beside its state has changed."""
    tx.execute(update(submission).where(submission.c.request_id == request_id).values(**RECEIPT_ASKED_FOR))


def renew_receipts(tx: Transaction, request_ids: Sequence[str]) -> None:
    """What posted submissions are told has changed since."""
    where = (submission.c.request_id.in_(request_ids), submission.c.state == State.POSTED)
    tx.execute(update(submission).where(*where).values(**RECEIPT_ASKED_FOR))


def renew_receipts_of_earlier(tx: Transaction, current: Submission) -> None:
    """Earlier files that lead on to the newest are told that this one was posted: those of its source that wait for a
    person, and the one in whose place it came, when rows of that one were not taken."""
    envelope, s = current.envelope, submission.c
    source_key = select(s.source_key).where(s.request_id == current.request_id).scalar_subquery()
    same = and_(s.campus == envelope.campus, s.feed == envelope.feed, s.source_key == source_key)
    earlier = and_(s.source_version < current.source_version, s.state == State.IN_REVIEW)
    tx.execute(update(submission).where(same, earlier).values(**RECEIPT_ASKED_FOR))
    replaced = and_(s.request_id == current.revises, s.state == State.POSTED, s.rows_rejected > 0)
    tx.execute(update(submission).where(replaced).values(**RECEIPT_ASKED_FOR))


def renew_receipts_without_registry(tx: Transaction) -> None:
    """Posted submissions whose rows were not taken when there was no registry are told that there is one."""
    s = submission.c
    waited = and_(s.state == State.POSTED, s.registry_version == 0, s.rows_rejected > 0)
    tx.execute(update(submission).where(waited).values(**RECEIPT_ASKED_FOR))


def mark_receipted(tx: Transaction, current: Submission) -> bool:
    """The receipt shows the submission as it was read; False, and no change, when it has moved or a receipt was asked
    for since. The row stays locked until the transaction ends, so that of two writers one sees what the other did."""
    changed = tx.execute(
        update(submission)
        .where(
            submission.c.request_id == current.request_id,
            submission.c.state == current.state,
            submission.c.revision == current.revision,
            submission.c.receipts_asked == current.receipts_asked,
        )
        .values(receipt_due=False)
    ).rowcount
    return changed == 1
