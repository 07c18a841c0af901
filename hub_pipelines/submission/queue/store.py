"""Which submissions a run should take up, and counting its launches. Each function runs in the caller's transaction."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update

from hub_pipelines.common.store import Transaction, database_now
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN, launch_wait
from hub_pipelines.submission.store import from_row, get, submission


def _runnable(now: datetime) -> ColumnElement[bool]:
    s = submission.c
    return or_(
        s.state == State.RECEIVED,
        and_(s.state == State.RETRYING, s.retry_at <= now),
        and_(s.state == State.LEASED, s.lease_until < now),
    )


def due(
    tx: Transaction,
    campus: str,
    *,
    limit: int,
    relaunch_after: timedelta,
    paused: Collection[str] = (),
    ask_registry: Collection[str] = (),
    towards: str | None = None,
) -> list[Submission]:
    """Submissions of a campus that a run should take up, best first.

    A submission that was launched and did not move shows up again after `relaunch_after`, doubled for each
    launch in vain (retry.launch_wait); the caller asks Dagster whether its run still lives. While submissions
    of a higher priority (a lower number) wait, paused or not, those of feeds that `ask_registry` are not due: the
    registry is posted before it is asked. Feeds that are `paused` are not due. A file waits until the earlier ones of
    its source are settled, and what it was sent in place of: whichever posts last stays.
    With `towards` only that submission and what goes before it.
    """
    now = database_now(tx)
    s = submission.c
    first = select(func.min(s.priority)).where(s.campus == campus, s.state.in_(UNSETTLED)).scalar_subquery()
    not_launched = or_(
        s.launched_at.is_(None),
        _launched_in_vain(now, relaunch_after),
        and_(s.state == State.RETRYING, s.launched_at < s.retry_at),
        and_(s.state == State.LEASED, s.launched_at < s.lease_until),
    )
    query = (
        select(submission)
        .where(s.campus == campus, s.state.in_(UNSETTLED), _runnable(now), not_launched, s.feed.not_in(paused))
        .where(or_(s.feed.not_in(ask_registry), s.priority == first))
        .where(~_behind_an_earlier_one(), ~_behind_what_it_corrects())
        .order_by(s.priority, s.received_at, s.request_id)
        .limit(limit)
    )
    if towards is not None:
        query = query.where(_goes_towards(towards, ask_registry))
    return [from_row(row) for row in tx.execute(query)]


def _goes_towards(request_id: str, ask_registry: Collection[str]) -> ColumnElement[bool]:
    s, wanted = submission.c, submission.alias("wanted")
    same = and_(wanted.c.feed == s.feed, wanted.c.source_key == s.source_key)
    registry = and_(wanted.c.feed.in_(ask_registry), s.priority < wanted.c.priority)
    earlier = and_(same, s.source_version < wanted.c.source_version)
    before = or_(registry, earlier, s.request_id == wanted.c.revises)
    found = select(wanted.c.request_id).where(
        wanted.c.request_id == request_id, or_(s.request_id == wanted.c.request_id, before)
    )
    return exists(found.correlate(submission))


def _behind_an_earlier_one() -> ColumnElement[bool]:
    """Runs of one tick run side by side: two versions of a list would post in any order."""
    s, earlier = submission.c, submission.alias("earlier")
    same = and_(earlier.c.campus == s.campus, earlier.c.feed == s.feed, earlier.c.source_key == s.source_key)
    before = and_(earlier.c.source_version < s.source_version, earlier.c.state.in_(UNSETTLED))
    return exists(select(earlier.c.request_id).where(same, before).correlate(submission))


def _behind_what_it_corrects() -> ColumnElement[bool]:
    """A workbook that comes back under another name is linked by its mark only, once a run has read it (returning.py).

    Nothing waits for ever: what a submission corrects came before it.
    """
    s, corrected = submission.c, submission.alias("corrected")
    is_it = and_(corrected.c.request_id == s.revises, corrected.c.state.in_(UNSETTLED))
    return exists(select(corrected.c.request_id).where(is_it).correlate(submission))


def _launched_in_vain(now: datetime, relaunch_after: timedelta) -> ColumnElement[bool]:
    """What `retry.launch_wait` says, as SQL: no two databases agree on powers."""
    s = submission.c
    waits = [launch_wait(relaunch_after, number) for number in range(LAUNCHES_IN_VAIN + 1)]
    return or_(
        *(and_(s.launches_in_vain == number, s.launched_at < now - wait) for number, wait in enumerate(waits)),
        and_(s.launches_in_vain > LAUNCHES_IN_VAIN, s.launched_at < now - waits[-1]),
    )


def launched(tx: Transaction, campus: str) -> int:
    """Submissions of a campus that were launched and are not settled."""
    s = submission.c
    where = (s.campus == campus, s.state.in_(UNSETTLED), s.launched_at.is_not(None))
    return tx.execute(select(func.count()).where(*where)).scalar_one()


def mark_launched(tx: Transaction, request_id: str) -> Submission:
    """Count a launch; the returned submission's `run_key` is the one to launch with."""
    now = database_now(tx)
    tx.execute(
        update(submission)
        .where(submission.c.request_id == request_id)
        .values(
            launch=submission.c.launch + 1,
            launches_in_vain=submission.c.launches_in_vain + 1,
            launched_at=now,
            partition_live=True,
            partition_since=now,
        )
    )
    return get(tx, request_id)
