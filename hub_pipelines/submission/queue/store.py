"""Which submissions a run should take up, and counting its launches. Each function runs in the caller's transaction."""

from collections.abc import Collection
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnCollection,
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from hub_pipelines.common.store import Transaction, UtcDateTime, database_now
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN, launch_wait
from hub_pipelines.submission.store import from_row, get, submission

_LOOKS_ITSELF_AFTER = timedelta(minutes=5)
_Columns = ColumnCollection[str, Any]
"""Those of a submission, under whichever name a query knows it."""
_CAMPUS, _TOWARDS = bindparam("campus", type_=String), bindparam("towards", type_=String)
_NOW, _LOOKED_BEFORE = bindparam("now", type_=UtcDateTime), bindparam("looked_before", type_=UtcDateTime)
_LAUNCHED_BEFORE = [bindparam(f"launched_before_{number}", type_=UtcDateTime) for number in range(LAUNCHES_IN_VAIN + 1)]
"""By launches in vain."""
_PAUSED, _ASK_REGISTRY, _ASK_REGISTRY_TOO, _TAKEN = (
    bindparam(name, type_=String, expanding=True) for name in ("paused", "ask_registry", "ask_registry_too", "taken")
)
"""Each for `in_` or for `not_in`: for both an empty one would be written as for the one that is compiled last."""


def due(
    tx: Transaction,
    campus: str,
    *,
    limit: int,
    relaunch_after: timedelta,
    paused: Collection[str] = (),
    ask_registry: Collection[str] = (),
    taken: Collection[str] = (),
    towards: str | None = None,
) -> list[Submission]:
    """Submissions of a campus that a run should take up, best first.

    A submission that was launched and did not move shows up again after `relaunch_after`, doubled for each
    launch in vain (retry.launch_wait); the caller asks Dagster whether its run still lives. While submissions
    of a higher priority (a lower number) wait, paused or not, those of feeds that `ask_registry` are not due: the
    registry is posted before it is asked. Feeds that are `paused` are not due, nor what waits for one of the ledgers
    that are `taken`. A file waits for what it was sent in
    place of, and for the earlier ones of its source: whichever posts last stays. It is due together with those that
    are due for the first time, behind them (decisions/0089); it waits for those that were launched before.
    With `towards` only that submission and what goes before it.
    """
    now = database_now(tx)
    told = {
        "campus": campus,
        "now": now,
        "looked_before": now - _LOOKS_ITSELF_AFTER,
        **{one.key: now - launch_wait(relaunch_after, number) for number, one in enumerate(_LAUNCHED_BEFORE)},
        "paused": list(paused),
        "ask_registry": list(ask_registry),
        **({} if towards is None else {"towards": towards, "ask_registry_too": list(ask_registry)}),
        "taken": list(taken),
        "at_most": limit,
    }
    return [from_row(row) for row in tx.execute(_due(only_towards=towards is not None), told)]


@cache
def _due(*, only_towards: bool) -> Select[Any]:
    """Made once: ticks ask it all the time, and making it takes several times as long as its answer."""
    s = submission.c
    first = select(func.min(s.priority)).where(s.campus == _CAMPUS, s.state.in_(UNSETTLED)).scalar_subquery()
    goes_first = _to_be_waited_for()
    query = (
        select(submission)
        .outerjoin(goes_first, and_(goes_first.c.feed == s.feed, goes_first.c.source_key == s.source_key))
        .where(s.campus == _CAMPUS, s.state.in_(UNSETTLED), s.feed.not_in(_PAUSED), _ready(s))
        .where(or_(s.feed.not_in(_ASK_REGISTRY), s.priority == first))
        .where(or_(goes_first.c.version.is_(None), s.source_version <= goes_first.c.version))
        .order_by(s.priority, s.received_at, s.source_version, s.request_id)
        .limit(bindparam("at_most"))
    )
    return query.where(_goes_towards()) if only_towards else query


def _goes_towards() -> ColumnElement[bool]:
    s, wanted = submission.c, submission.alias("wanted")
    same = and_(wanted.c.feed == s.feed, wanted.c.source_key == s.source_key)
    registry = and_(wanted.c.feed.in_(_ASK_REGISTRY_TOO), s.priority < wanted.c.priority)
    earlier = and_(same, s.source_version < wanted.c.source_version)
    before = or_(registry, earlier, s.request_id == wanted.c.revises)
    found = select(wanted.c.request_id).where(
        wanted.c.request_id == _TOWARDS, or_(s.request_id == wanted.c.request_id, before)
    )
    return exists(found.correlate(submission))


def _ready(s: _Columns) -> ColumnElement[bool]:
    """A run may take it up, none was launched for that, and what it corrects is settled. Who waits for a ledger looks
    itself now and then: to be passed over by others each time has its end (decisions/0113)."""
    has_its_ledger = or_(s.waits_for.is_(None), s.waits_for.not_in(_TAKEN), s.retry_at < _LOOKED_BEFORE)
    not_launched = or_(
        s.launched_at.is_(None),
        _launched_in_vain(s),
        and_(s.state == State.RETRYING, s.launched_at < s.retry_at),
        and_(s.state == State.LEASED, s.launched_at < s.lease_until),
    )
    return and_(_runnable(s), not_launched, has_its_ledger, ~_behind_what_it_corrects(s))


def _runnable(s: _Columns) -> ColumnElement[bool]:
    return or_(
        s.state == State.RECEIVED,
        and_(s.state == State.RETRYING, s.retry_at <= _NOW),
        and_(s.state == State.LEASED, s.lease_until < _NOW),
    )


def _to_be_waited_for() -> Subquery:
    """Of each source the first file that is not merely launched before those behind it: it is on its way already, or
    has failed once and may do so again, and runs of the others would be in vain. Asked once for all sources: a list may
    be saved a thousand times."""
    e = submission.alias("earlier").c
    launched_in_turn = and_(e.state == State.RECEIVED, _ready(e))
    return (
        select(e.feed, e.source_key, func.min(e.source_version).label("version"))
        .where(e.campus == _CAMPUS, e.state.in_(UNSETTLED), ~launched_in_turn)
        .group_by(e.feed, e.source_key)
        .subquery("goes_first")
    )


def _is_before(earlier: _Columns, s: _Columns) -> ColumnElement[bool]:
    """Of the same source, not settled, and came before."""
    return and_(_same(earlier, s), earlier.source_version < s.source_version, earlier.state.in_(UNSETTLED))


def _same(one: _Columns, other: _Columns) -> ColumnElement[bool]:
    return and_(one.campus == other.campus, one.feed == other.feed, one.source_key == other.source_key)


def _behind_what_it_corrects(s: _Columns) -> ColumnElement[bool]:
    """A workbook that comes back under another name is linked by its mark only, once a run has read it (returning.py).

    Nothing waits for ever: what a submission corrects came before it. A file is linked to the one before it of its own
    source too, which `_is_before` sees to.
    """
    corrected = submission.alias("corrected")
    is_it = and_(corrected.c.request_id == s.revises, corrected.c.state.in_(UNSETTLED), ~_same(corrected.c, s))
    return exists(select(corrected.c.request_id).where(is_it).correlate_except(corrected))


def first_before(tx: Transaction, request_id: str) -> str | None:
    """The earliest unsettled file of the same source that came before this one: it posts first."""
    earlier, this = submission.alias("earlier"), submission.alias("this")
    found = select(earlier.c.request_id).where(this.c.request_id == request_id, _is_before(earlier.c, this.c))
    row = tx.execute(found.order_by(earlier.c.source_version).limit(1)).first()
    return str(row.request_id) if row else None


def _launched_in_vain(s: _Columns) -> ColumnElement[bool]:
    """What `retry.launch_wait` says, as SQL: no two databases agree on powers."""
    return or_(
        *(and_(s.launches_in_vain == number, s.launched_at < before) for number, before in enumerate(_LAUNCHED_BEFORE)),
        and_(s.launches_in_vain > LAUNCHES_IN_VAIN, s.launched_at < _LAUNCHED_BEFORE[-1]),
    )


def waiting_for_ledgers(tx: Transaction, campus: str) -> dict[str, int]:
    """By ledger how many of a campus's submissions gave their place to another posting and wait for their launch."""
    s = submission.c
    where = (s.campus == campus, s.state.in_(UNSETTLED), s.launched_at.is_(None), s.waits_for.is_not(None))
    query = select(s.waits_for, func.count()).where(*where).group_by(s.waits_for)
    return dict(tx.execute(query).all())


def launched(tx: Transaction, campus: str) -> int:
    """Submissions of a campus that were launched and are not settled."""
    s = submission.c
    where = (s.campus == campus, s.state.in_(UNSETTLED), s.launched_at.is_not(None))
    return tx.execute(select(func.count()).where(*where)).scalar_one()


def mark_launched(tx: Transaction, request_id: str) -> Submission | None:
    """Count a launch; the returned submission's `run_key` is the one to launch with. None where there is nothing to
    launch any more: it is settled, or somebody is about to settle it, as a posting that outlives its lease.

    That one is not waited for on PostgreSQL: a campus's tick would stand still for as long.
    """
    lock = select(submission.c.state).where(submission.c.request_id == request_id).with_for_update(skip_locked=True)
    if tx.execute(lock).scalar() not in UNSETTLED:
        return None
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
