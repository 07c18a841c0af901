"""The submission table: reading it, arrivals, moves. Each function runs in the caller's transaction.

A change of state is a conditional UPDATE that names the state it leaves. Not here: what changes under a lease
(leases/store.py), launches (queue/store.py), what people decide (decisions/store.py), which submissions are of one list
(versions/store.py), whose receipt is due (receipting/store.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    case,
    func,
    select,
    text,
    update,
)

from hub_pipelines.common.store import JsonText, Transaction, UtcDateTime, insert_or_ignore, metadata
from hub_pipelines.submission.model import (
    COUNT_NAMES,
    MESSAGES,
    UNSETTLED,
    Cause,
    Counts,
    Envelope,
    IllegalMove,
    State,
    Submission,
    may_move,
)

submission = Table(
    "submission",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("sender_key", String),
    Column("source_name", String, nullable=False),
    Column("source_key", String, nullable=False),
    Column("source_version", Integer, nullable=False),
    Column("revises", String),
    Column("content_digest", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("received_day", Date, nullable=False),
    Column("envelope", JsonText, nullable=False),
    Column("state", String, nullable=False),
    Column("cause", String),
    Column("reason", Text),
    Column("fix", Text),
    Column("revision", Integer, nullable=False, default=1),
    Column("launch", Integer, nullable=False, default=0),
    Column("launched_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("token", Integer, nullable=False, default=0),
    Column("lease_owner", String),
    Column("lease_until", UtcDateTime),
    Column("retry_at", UtcDateTime),
    Column("staged", String(64)),
    Column("registry_version", Integer),
    Column("rows_received", Integer, nullable=False, default=0),
    Column("rows_posted", Integer, nullable=False, default=0),
    Column("rows_unchanged", Integer, nullable=False, default=0),
    Column("rows_rejected", Integer, nullable=False, default=0),
    Column("posted_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("run_id", String),
    Column("receipt_due", Boolean, nullable=False, default=False),
    Column("partition_live", Boolean, nullable=False, default=False),
    Column("launches_in_vain", Integer, nullable=False, server_default=text("0")),
    Column("partition_since", UtcDateTime),
    Column("decision", String(64)),
    Column("rows_superseded", Integer, nullable=False, server_default=text("0")),
    Column("channel", String, nullable=False, server_default=text("''")),
    Column("receipts_asked", Integer, nullable=False, server_default=text("0")),
    Column("waits_for", String),
    Column("gave_way", Integer, nullable=False, server_default=text("0")),
    Index("submission_by_source", "campus", "feed", "source_key"),
    Index("submission_by_digest", "content_digest"),
    Index("submission_by_source_key", "source_key", "received_at"),
    Index("submission_by_arrival", "campus", "feed", "received_at"),
    Index("submission_revises", "revises"),
)


# small partial indexes keep a sensor's tick independent of how many submissions are settled
Index(
    "submission_unsettled",
    submission.c.campus,
    submission.c.priority,
    submission.c.received_at,
    postgresql_where=submission.c.state.in_([str(state) for state in UNSETTLED]),
    sqlite_where=submission.c.state.in_([str(state) for state in UNSETTLED]),
)


Index(
    "submission_receipt_due",
    submission.c.campus,
    submission.c.settled_at,
    postgresql_where=submission.c.receipt_due,
    sqlite_where=submission.c.receipt_due,
)


Index(
    "submission_live",
    submission.c.feed,
    submission.c.partition_since,
    postgresql_where=submission.c.partition_live,
    sqlite_where=submission.c.partition_live,
)


_OF_FILES = text(f"channel != '{MESSAGES}'")


# batches of messages may be many more than files
Index(
    "submission_of_files",
    submission.c.campus,
    submission.c.feed,
    submission.c.received_at,
    postgresql_where=_OF_FILES,
    sqlite_where=_OF_FILES,
)


Index("submission_by_day", submission.c.campus, submission.c.received_day)


_IN_REVIEW = text(f"state = '{State.IN_REVIEW}'")


Index(
    "submission_in_review",
    submission.c.campus,
    submission.c.feed,
    submission.c.received_at,
    postgresql_where=_IN_REVIEW,
    sqlite_where=_IN_REVIEW,
)


attempt = Table(
    "attempt",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("token", Integer, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String),
    Column("error_type", String),
    Column("error", Text),
    Column("trace", Text),
)


RECEIPT_ASKED_FOR: dict[str, Any] = {"receipt_due": True, "receipts_asked": submission.c.receipts_asked + 1}
"""Each request for a receipt counts, so that one which comes while a page is written is not taken for served."""


# ---- reading


def from_row(row: Any) -> Submission:
    state = State(row.state)
    return Submission(
        envelope=Envelope.from_document(row.envelope),
        state=state,
        cause=Cause(row.cause) if row.cause else None,
        reason=row.reason,
        fix=row.fix,
        revision=row.revision,
        launch=row.launch,
        launched_at=row.launched_at,
        launches_in_vain=row.launches_in_vain,
        attempts=row.attempts,
        token=row.token,
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        retry_at=row.retry_at,
        source_version=row.source_version,
        revises=row.revises,
        staged=row.staged,
        decision=row.decision,
        counts=_counts(row, state),
        posted_at=row.posted_at,
        settled_at=row.settled_at,
        registry_version=row.registry_version,
        run_id=row.run_id,
        receipts_asked=row.receipts_asked,
        waits_for=row.waits_for,
        gave_way=row.gave_way,
    )


def _counts(row: Any, state: State) -> Counts:
    """Rows not decided by a posting wait, are held or are dismissed with their submission."""
    decided = row.rows_posted + row.rows_unchanged + row.rows_rejected + row.rows_superseded
    undecided = row.rows_received - decided
    return Counts(
        received=row.rows_received,
        posted=row.rows_posted,
        unchanged=row.rows_unchanged,
        rejected=row.rows_rejected,
        superseded=row.rows_superseded,
        waiting=undecided if state in UNSETTLED else 0,
        held=undecided if state is State.IN_REVIEW else 0,
        dismissed=undecided if state is State.DISMISSED else 0,
    )


def find(tx: Transaction, request_id: str) -> Submission | None:
    row = tx.execute(select(submission).where(submission.c.request_id == request_id)).first()
    return from_row(row) if row else None


def get(tx: Transaction, request_id: str) -> Submission:
    """Raises IllegalMove with a plain text when there is no such submission."""
    found = find(tx, request_id)
    if found is None:
        raise IllegalMove(f"There is no submission {request_id}.")
    return found


def count_by_state(tx: Transaction) -> dict[str, int]:
    found: dict[str, int] = dict(
        tx.execute(select(submission.c.state, func.count()).group_by(submission.c.state)).all()
    )
    return {str(state): found.get(str(state), 0) for state in State}


def rows_by_scope(tx: Transaction) -> list[tuple[str, str, date, Counts]]:
    """Row counts per campus, feed and received day: the conservation equation's left and right side."""
    s = submission.c
    undecided = s.rows_received - s.rows_posted - s.rows_unchanged - s.rows_rejected - s.rows_superseded

    def where(states: Iterable[State]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((s.state.in_([str(x) for x in states]), undecided), else_=0)), 0)

    query = (
        select(
            s.campus,
            s.feed,
            s.received_day,
            func.sum(s.rows_received).label("received"),
            where(UNSETTLED).label("waiting"),
            func.sum(s.rows_posted).label("posted"),
            func.sum(s.rows_unchanged).label("unchanged"),
            func.sum(s.rows_rejected).label("rejected"),
            func.sum(s.rows_superseded).label("superseded"),
            where([State.IN_REVIEW]).label("held"),
            where([State.DISMISSED]).label("dismissed"),
        )
        .group_by(s.campus, s.feed, s.received_day)
        .order_by(s.campus, s.feed, s.received_day)
    )
    found = []
    for row in tx.execute(query).mappings():
        counts = Counts(**{name: int(row[name]) for name in COUNT_NAMES if name in row})
        found.append((row["campus"], row["feed"], row["received_day"], counts))
    return found


def unsettled_count(tx: Transaction, campus: str | None = None) -> int:
    query = select(func.count()).where(submission.c.state.in_(UNSETTLED))
    if campus is not None:
        query = query.where(submission.c.campus == campus)
    return tx.execute(query).scalar_one()


def unsettled_by_scope(tx: Transaction) -> dict[tuple[str, str], int]:
    """How many wait or are at work, by campus and feed."""
    s = submission.c
    query = select(s.campus, s.feed, func.count()).where(s.state.in_(UNSETTLED)).group_by(s.campus, s.feed)
    return {(campus, feed): count for campus, feed, count in tx.execute(query)}


def attempts_by_outcome(tx: Transaction) -> dict[str | None, int]:
    """How many attempts ended how; None: they have not ended."""
    query = select(attempt.c.outcome, func.count()).group_by(attempt.c.outcome)
    return dict(tx.execute(query).all())


def first_without_state(tx: Transaction) -> str | None:
    """A submission that is in no state, or for no cause, that there is."""
    s = submission.c
    known = s.state.in_(list(State)) & (s.cause.is_(None) | s.cause.in_(list(Cause)))
    return tx.execute(select(s.request_id).where(~known).limit(1)).scalar()


def everything(tx: Transaction) -> Iterator[Submission]:
    """Every submission ever, streamed in order of arrival."""
    query = select(submission).order_by(submission.c.received_at, submission.c.request_id)
    for row in tx.execute(query, execution_options={"yield_per": 500}):
        yield from_row(row)


def standings(tx: Transaction) -> Iterator[tuple[str, str, int, datetime | None]]:
    """Of every submission its request_id, state and revision, and when it was posted last; streamed."""
    s = submission.c
    query = select(s.request_id, s.state, s.revision, s.posted_at).order_by(s.request_id)
    for row in tx.execute(query, execution_options={"yield_per": 2000}):
        yield row.request_id, row.state, row.revision, row.posted_at


_OF_THE_MACHINE = ("Transient", "OSError")
"""Types of errors that say nothing of what was worked on: the database or the disk did not answer."""


def any_unsettled(tx: Transaction, request_ids: Sequence[str]) -> bool:
    """Whether one of these is not settled."""
    s = submission.c
    query = select(s.request_id).where(s.request_id.in_(request_ids), s.state.in_(UNSETTLED)).limit(1)
    return tx.execute(query).first() is not None


def poisoned_batches(tx: Transaction, campus: str) -> list[str]:
    """A campus's batches of messages in review because the last attempt failed too, by a fault that may lie in what
    they hold: a worker died, or met an error that nobody foresaw."""
    s = submission.c
    last = select(attempt.c.error_type).where(attempt.c.request_id == s.request_id, attempt.c.token == s.token)
    query = select(s.request_id).where(
        s.state == State.IN_REVIEW,
        s.campus == campus,
        s.channel == MESSAGES,
        s.cause == Cause.EXHAUSTED,
        s.attempts > 0,
        last.scalar_subquery().not_in(_OF_THE_MACHINE),
    )
    return list(tx.execute(query.order_by(s.received_at)).scalars())


def attempts_of(tx: Transaction, request_id: str) -> list[dict[str, Any]]:
    rows = tx.execute(select(attempt).where(attempt.c.request_id == request_id).order_by(attempt.c.token))
    return [dict(row) for row in rows.mappings()]


def attempts_by_token(tx: Transaction, request_ids: Iterable[str]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Of these submissions all attempts by request_id and token; few enough for one query."""
    a = attempt.c
    query = select(a.request_id, a.token, a.revision, a.owner, a.started_at, a.ended_at, a.outcome, a.error)
    rows = tx.execute(query.where(a.request_id.in_(list(request_ids)))).mappings()
    return {(row["request_id"], row["token"]): dict(row) for row in rows}


def attempt_outcomes(tx: Transaction) -> Iterator[tuple[tuple[str, int], str | None]]:
    """Of every attempt its request_id and token, and how it ended; streamed."""
    query = select(attempt.c.request_id, attempt.c.token, attempt.c.outcome)
    for row in tx.execute(query, execution_options={"yield_per": 2000}):
        yield (row.request_id, row.token), row.outcome


def beginning_with(tx: Transaction, prefix: str, *, limit: int) -> list[str]:
    """The first request_ids that begin so. Read in order and compared here: no collation decides what matches."""
    s = submission.c.request_id
    found = tx.execute(select(s).where(s >= prefix).order_by(s).limit(limit)).scalars()
    return [request_id for request_id in found if request_id.startswith(prefix)]


def of_digest(tx: Transaction, content_digest: str, *, limit: int) -> list[Submission]:
    """Submissions of these bytes, the newest first."""
    return _newest(tx, submission.c.content_digest == content_digest, limit=limit)


def of_source(tx: Transaction, source_key: str, *, limit: int) -> list[Submission]:
    """Submissions of a file name in every campus and feed, the newest first."""
    return _newest(tx, submission.c.source_key == source_key, limit=limit)


def files_of(tx: Transaction, campus: str, feed: str, *, limit: int) -> list[Submission]:
    """Submissions of a campus and feed that are files, not batches of messages, the newest first."""
    here = and_(submission.c.campus == campus, submission.c.feed == feed, _OF_FILES)
    return _newest(tx, here, limit=limit)


def count_files(tx: Transaction, campus: str, feed: str, *, at_most: int) -> int:
    """How many of these there are; counting stops at `at_most`, so that it never takes long."""
    s = submission.c
    some = select(s.received_at).where(s.campus == campus, s.feed == feed, _OF_FILES).limit(at_most)
    return tx.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def in_review(tx: Transaction, campus: str, feed: str, *, limit: int) -> list[Submission]:
    """Those of a campus and feed that wait for a person, the newest first."""
    return _newest(tx, and_(submission.c.campus == campus, submission.c.feed == feed, _IN_REVIEW), limit=limit)


def _newest(tx: Transaction, where: ColumnElement[bool], *, limit: int) -> list[Submission]:
    query = select(submission).where(where).order_by(submission.c.received_at.desc()).limit(limit)
    return [from_row(row) for row in tx.execute(query)]


def sources_like(tx: Transaction, stem: str, *, limit: int) -> list[str]:
    """Names of files whose source_key begins with `stem`, each once."""
    s = submission.c
    query = select(s.source_key, s.source_name).where(s.source_key >= stem).order_by(s.source_key).limit(limit * 20)
    names = {row.source_key: row.source_name for row in tx.execute(query) if row.source_key.startswith(stem)}
    return list(names.values())[:limit]


def feeds_before(tx: Transaction, current: Submission) -> list[str]:
    """Feeds whose unsettled submissions of a higher priority hold this one up, if its feed asks the registry."""
    s = submission.c
    own = select(s.priority).where(s.request_id == current.request_id).scalar_subquery()
    query = (
        select(s.feed)
        .distinct()
        .where(s.campus == current.envelope.campus, s.state.in_([str(state) for state in UNSETTLED]), s.priority < own)
    )
    return sorted(tx.execute(query).scalars())


# ---- arriving


def add(
    tx: Transaction,
    envelope: Envelope,
    *,
    received_day: date,
    source_key: str,
    source_version: int,
    revises: str | None,
    priority: int,
) -> bool:
    """Register a new submission; False when its request_id is known already."""
    added = tx.execute(
        insert_or_ignore(tx, submission).returning(submission.c.request_id),
        {
            "request_id": envelope.request_id,
            "campus": envelope.campus,
            "feed": envelope.feed,
            "priority": priority,
            "sender_key": envelope.sender_key,
            "source_name": envelope.source_name,
            "source_key": source_key,
            "source_version": source_version,
            "revises": revises,
            "content_digest": envelope.content_digest,
            "channel": envelope.channel,
            "received_at": envelope.received_at,
            "received_day": received_day,
            "envelope": envelope.document(),
            "state": State.RECEIVED,
            "revision": 1,
            "launch": 0,
            "launches_in_vain": 0,
            "attempts": 0,
            "token": 0,
            "rows_received": envelope.messages,
            "rows_posted": 0,
            "rows_unchanged": 0,
            "rows_rejected": 0,
            "rows_superseded": 0,
            "receipt_due": False,
            "partition_live": False,
        },
    )
    return added.first() is not None  # drivers tell no row count for such an INSERT


# ---- states


def states_of(tx: Transaction, request_ids: Sequence[str]) -> dict[str, State]:
    query = select(submission.c.request_id, submission.c.state).where(submission.c.request_id.in_(request_ids))
    return {row.request_id: State(row.state) for row in tx.execute(query)}


def move(tx: Transaction, request_id: str, come_from: Sequence[State], values: dict[str, Any]) -> None:
    after = State(values["state"])
    legal = [state for state in come_from if may_move(state, after)]
    changed = tx.execute(
        update(submission).where(submission.c.request_id == request_id, submission.c.state.in_(legal)).values(**values)
    ).rowcount
    if changed != 1:
        current = get(tx, request_id)
        raise IllegalMove(f"{request_id} is {current.state}; it can't become {after} from there.")
