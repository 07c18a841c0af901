"""Which submissions are of one list: versions under one name, and files that were sent in place of others.

Not here: the table and what else is asked of it (submission/store.py), which of them have posted what (ledger).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CTE, and_, func, or_, select, true, update

from hub_pipelines.common.store import Transaction, per_query
from hub_pipelines.submission.model import UNSETTLED, State, Submission
from hub_pipelines.submission.store import find, from_row, submission

_VERSIONS_FOLLOWED = 20


def newest_of_source(
    tx: Transaction, campus: str, feed: str, source_key: str, until: datetime | None = None
) -> tuple[str | None, int]:
    """request_id and version of the newest submission of a source, of those received `until` then; (None, 0) when
    there is none.

    Until the transaction ends nobody else numbers a version of this source.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{campus}/{feed}/{source_key}", 0))))
    row = tx.execute(
        select(submission.c.request_id, submission.c.source_version)
        .where(submission.c.campus == campus, submission.c.feed == feed, submission.c.source_key == source_key)
        .where(true() if until is None else submission.c.received_at <= until)
        .order_by(submission.c.source_version.desc())
        .limit(1)
    ).first()
    return (row.request_id, row.source_version) if row else (None, 0)


def move_on_versions(tx: Transaction, campus: str, feed: str, source_key: str, *, behind: int, but: str) -> None:
    """Make room for one more version of a source behind this one: all later ones `but` itself are one further on."""
    s = submission.c
    where = (s.campus == campus, s.feed == feed, s.source_key == source_key, s.source_version > behind)
    tx.execute(update(submission).where(*where, s.request_id != but).values(source_version=s.source_version + 1))


def gone_before(tx: Transaction, campus: str, feed: str, source_key: str, received_at: datetime) -> str | None:
    """The newest submission of a source that came after this moment and is posted, or worked on, already."""
    s = submission.c
    where = (s.campus == campus, s.feed == feed, s.source_key == source_key, s.received_at > received_at)
    gone = select(s.request_id).where(*where, s.state.in_([State.LEASED, State.POSTED]))
    found: str | None = tx.execute(gone.order_by(s.source_version.desc()).limit(1)).scalar()
    return found


def overtaken(tx: Transaction, request_ids: Sequence[str]) -> dict[str, str]:
    """Those of these submissions after which a newer file was posted, or will be, of the same name or sent in their
    place: its request_id."""
    old, new = submission.alias("old"), submission.alias("new")
    same = and_(old.c.campus == new.c.campus, old.c.feed == new.c.feed, old.c.source_key == new.c.source_key)
    later = or_(and_(same, new.c.source_version > old.c.source_version), new.c.revises == old.c.request_id)
    newer = and_(later, new.c.state.in_([*UNSETTLED, State.POSTED]))
    query = select(old.c.request_id, new.c.request_id).join(new, newer).order_by(new.c.received_at)
    found: dict[str, str] = {}
    for some in per_query(request_ids):
        found.update((row[0], row[1]) for row in tx.execute(query.where(old.c.request_id.in_(some))))
    return found


def revising(tx: Transaction, current: Submission) -> list[Submission]:
    """What was sent in place of this one, the newest first."""
    envelope, s = current.envelope, submission.c
    here = (s.campus == envelope.campus, s.feed == envelope.feed, s.received_at >= envelope.received_at)
    query = select(submission).where(*here, s.revises == current.request_id).order_by(s.received_at.desc())
    return list(map(from_row, tx.execute(query)))


def version_of_list(tx: Transaction, current: Submission) -> int:
    """How manieth of its list it is: a file that was sent in place of another follows that one under any name. Of a
    long row only the last are looked at; before them each has its number by the name."""
    number, found = current.source_version, current
    for steps in range(1, _VERSIONS_FOLLOWED + 1):
        before = find(tx, found.revises) if found.revises else None
        if before is None:
            return number
        number, found = max(number, before.source_version + steps), before
    return number


def family(tx: Transaction, current: Submission) -> dict[str, Submission]:
    """All submissions that were sent in place of each other, by their request_ids, this one among them."""
    s, above = submission.c, _above(current)
    below = select(above.c.request_id).cte(recursive=True)
    below = below.union(select(s.request_id).join(below, s.revises == below.c.request_id))
    query = select(submission).where(s.request_id.in_(select(below.c.request_id)))
    return {row.request_id: from_row(row) for row in tx.execute(query)}


def in_place_of(tx: Transaction, current: Submission) -> set[str]:
    """The request_ids of this one and of those in whose place it was sent, one after the other."""
    return set(tx.execute(select(_above(current).c.request_id)).scalars())


def _above(current: Submission) -> CTE:
    s = submission.c
    above = select(s.request_id, s.revises).where(s.request_id == current.request_id).cte(recursive=True)
    # a union keeps each once, so that a circle ends
    return above.union(select(s.request_id, s.revises).join(above, s.request_id == above.c.revises))
