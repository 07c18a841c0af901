"""The legal_hold table and what each hold covers; what is settled for long.

What a hold covers is found in the journal: entries of a submission that name the award or container. Rows that were up
to date, rejected or not posted leave no journal entry, so a submission of such a feed that had some is covered as well:
what can't be told is held.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    Index,
    String,
    Table,
    Text,
    and_,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.store import Transaction, UtcDateTime, database_now, metadata
from hub_pipelines.ledger.store import is_entry, journal, ledger, places, posting
from hub_pipelines.retention.model import COLUMN_OF, Hold
from hub_pipelines.review.model import ItemState
from hub_pipelines.review.store import review_item
from hub_pipelines.submission.model import UNSETTLED, State
from hub_pipelines.submission.store import attempt, submission

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("hold_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String),
    Column("campus", String),
    Column("feed", String),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("reason", Text, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("placed_by", String, nullable=False),
    Column("lifted_at", UtcDateTime),
    Column("lifted_by", String),
    Column("lift_reason", Text),
    Index("legal_hold_standing", "lifted_at"),
)

FeedsOf = Mapping[str, Collection[str]]
"""For each column that a hold may be about, the feeds whose rows have it."""


# ---- holds


def place(tx: Transaction, fields: Mapping[str, Any]) -> Hold:
    hold_id = f"hold-{uuid.uuid4().hex[:8]}"
    tx.execute(legal_hold.insert(), {"hold_id": hold_id, "placed_at": database_now(tx), **fields})
    found = find(tx, hold_id)
    assert found is not None
    return found


def lift(tx: Transaction, hold_id: str, *, by: str, reason: str) -> bool:
    """False when there is no such standing hold."""
    changed = tx.execute(
        update(legal_hold)
        .where(legal_hold.c.hold_id == hold_id, legal_hold.c.lifted_at.is_(None))
        .values(lifted_at=database_now(tx), lifted_by=by, lift_reason=reason)
    ).rowcount
    return changed == 1


def find(tx: Transaction, hold_id: str) -> Hold | None:
    row = tx.execute(select(legal_hold).where(legal_hold.c.hold_id == hold_id)).first()
    return Hold(**row._mapping) if row else None


def holds(tx: Transaction, *, lifted_too: bool = False) -> list[Hold]:
    query = select(legal_hold).order_by(legal_hold.c.placed_at, legal_hold.c.hold_id)
    if not lifted_too:
        query = query.where(legal_hold.c.lifted_at.is_(None))
    return [Hold(**row._mapping) for row in tx.execute(query)]


def keep_holds_still(tx: Transaction) -> None:
    """Until this writing transaction ends nobody places a hold: one that is placed meanwhile waits, and then finds
    only what was left. On SQLite a writing transaction is alone anyway.

    Said again before each removal, it raises Transient when the server has ended this transaction meanwhile, as it does
    with one that is idle for long.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(text("LOCK TABLE legal_hold IN SHARE MODE"))


# ---- what a hold covers


def _covers(hold: Hold, feeds_of: FeedsOf, *, by_name_only: bool = False) -> ColumnElement[bool]:
    """A condition on submissions; `by_name_only` leaves out those that are covered because nothing tells."""
    s = submission.c
    if hold.kind == "scope":
        entries = exists().where(
            posting.c.request_id == s.request_id, posting.c.ledger_date.between(hold.first_day, hold.last_day)
        )
        within = [or_(s.received_day.between(hold.first_day, hold.last_day), entries)]
        within += [s.campus == hold.campus] if hold.campus else []
        within += [s.feed == hold.feed] if hold.feed else []
        return and_(*within)
    column = COLUMN_OF[hold.kind]
    named = f"{canonical_text(column)}:{canonical_text(hold.subject)}"
    entries = exists().where(journal.c.request_id == s.request_id, journal.c["values"].contains(named, autoescape=True))
    rows_unseen = or_(s.state != State.POSTED, s.rows_unchanged > 0, s.rows_rejected > 0, s.rows_superseded > 0)
    return and_(s.feed.in_(list(feeds_of.get(column, ()))), entries if by_name_only else or_(entries, rows_unseen))


def has_come(tx: Transaction, campus: str | None, feed: str | None) -> bool:
    """Whether there is a submission of this campus and feed; None: of any."""
    s = submission.c
    where = [column == name for column, name in ((s.campus, campus), (s.feed, feed)) if name is not None]
    return tx.execute(select(s.request_id).where(*where).limit(1)).first() is not None


def covered(
    tx: Transaction, request_ids: Sequence[str], feeds_of: FeedsOf, of: Collection[Hold] | None = None
) -> dict[str, str]:
    """Those of the submissions that a hold covers, each with one such hold: of the standing ones, or of those given."""
    found: dict[str, str] = {}
    for hold in holds(tx) if of is None else of:
        query = select(submission.c.request_id).where(submission.c.request_id.in_(request_ids), _covers(hold, feeds_of))
        found |= dict.fromkeys(tx.execute(query).scalars(), hold.hold_id)
    return found


def count_covered(tx: Transaction, hold: Hold, feeds_of: FeedsOf, *, by_name_only: bool = False) -> int:
    where = _covers(hold, feeds_of, by_name_only=by_name_only)
    return tx.execute(select(func.count()).select_from(submission).where(where)).scalar_one()


def hold_on_day(tx: Transaction, feed: str, campus: str, day: date, feeds_of: FeedsOf) -> str | None:
    """A standing hold that covers a submission with entries on this campus-day, or the day itself."""
    for hold in holds(tx):
        own = posting.c.request_id == submission.c.request_id
        on_day = and_(own, posting.c.campus == campus, posting.c.ledger_date == day)
        query = (
            select(submission.c.request_id)
            .where(submission.c.feed == feed, exists().where(on_day), _covers(hold, feeds_of))
            .limit(1)
        )
        if tx.execute(query).first() is not None:
            return hold.hold_id
    return None


# ---- what may be removed


def facts_of(tx: Transaction, request_ids: Sequence[str]) -> dict[str, Any]:
    """State and whether the partition is live, of the submissions that the hub knows."""
    s = submission.c
    query = select(s.request_id, s.campus, s.feed, s.state, s.partition_live).where(s.request_id.in_(request_ids))
    return {row.request_id: row for row in tx.execute(query)}


def in_open_items(tx: Transaction, request_ids: Sequence[str], run_ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """Of these submissions and runs, those about which an open review item is."""
    i = review_item.c
    query = select(i.request_id, i.run_id).where(
        i.state == ItemState.OPEN, or_(i.request_id.in_(request_ids), i.run_id.in_(run_ids))
    )
    rows = tx.execute(query).all()
    return {row.request_id for row in rows}, {row.run_id for row in rows if row.run_id}


def recorded_errors(tx: Transaction, run_ids: Sequence[str]) -> set[str]:
    """Those of the runs whose error the hub has in an attempt of its own."""
    query = select(attempt.c.owner).where(attempt.c.owner.in_(run_ids), attempt.c.error.is_not(None))
    return set(tx.execute(query).scalars())


def settled_before(tx: Transaction, request_ids: Sequence[str], before: datetime) -> set[str]:
    """Those of the submissions that were settled by a posting or for good before a moment."""
    s = submission.c
    settled = and_(s.state.in_([State.POSTED, State.DISMISSED]), s.settled_at < before)
    return set(tx.execute(select(s.request_id).where(s.request_id.in_(request_ids), settled)).scalars())


def old_staged(tx: Transaction, before: datetime, *, after: str, limit: int) -> list[tuple[str, str]]:
    """(request_id, staged digest) of submissions that were settled by a posting or for good before a moment."""
    s = submission.c
    query = (
        select(s.request_id, s.staged)
        .where(s.state.in_([State.POSTED, State.DISMISSED]), s.settled_at < before, s.staged.is_not(None))
        .where(s.request_id > after)
        .order_by(s.request_id)
        .limit(limit)
    )
    return [(row.request_id, row.staged) for row in tx.execute(query)]


def needed_staged(tx: Transaction, digests: Sequence[str], before: datetime) -> set[str]:
    """Those of the staged files that some submission still needs: unsettled, in review, or settled since."""
    s = submission.c
    needs = or_(s.state.in_([*UNSETTLED, State.IN_REVIEW]), s.settled_at >= before, s.settled_at.is_(None))
    return set(tx.execute(select(s.staged).distinct().where(s.staged.in_(digests), needs)).scalars())


def submissions_of_staged(tx: Transaction, digests: Sequence[str]) -> dict[str, list[str]]:
    """All submissions that have been staged as one of these files."""
    s = submission.c
    found: dict[str, list[str]] = {}
    for row in tx.execute(select(s.request_id, s.staged).where(s.staged.in_(digests))):
        found.setdefault(row.staged, []).append(row.request_id)
    return found


# ---- for the schedule


def ledgers_of(tx: Transaction, record_type: str) -> list[str]:
    query = select(ledger.c.ledger).distinct().where(ledger.c.ledger.startswith(f"{record_type}@", autoescape=True))
    return sorted(tx.execute(query).scalars())


def current_values(tx: Transaction, name: str) -> Iterator[tuple[str, str]]:
    """Key and values of each item of a ledger as it is now."""
    place = places(name)
    query = select(place.c.key, journal.c["values"]).join(journal, is_entry(journal, place))
    rows: Any = tx.execute(query, execution_options={"yield_per": 2000})
    yield from rows


def entries_with_submission(tx: Transaction, name: str) -> Iterator[Any]:
    """Each journal entry of a ledger with its submission: request_id, campus, key, values, and whether it is told
    whole, which it is not when rows of it left no entry."""
    s = submission.c
    whole = and_(s.state == State.POSTED, s.rows_unchanged == 0, s.rows_rejected == 0, s.rows_superseded == 0)
    query = (
        select(journal.c.request_id, journal.c.campus, journal.c.key, journal.c["values"], whole.label("whole"))
        .join(submission, s.request_id == journal.c.request_id)
        .where(journal.c.ledger == name)
        .order_by(journal.c.request_id)
    )
    yield from tx.execute(query, execution_options={"yield_per": 2000})
