"""The review_item table. Filing is idempotent: one item per submission, revision and cause.

Lists are bounded: a queue may hold many thousand items, each with a stack trace.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter, eq, ge, lt
from typing import Any

from sqlalchemy import Column, ColumnElement, Index, Integer, String, Table, Text, func, or_, select, update

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.store import (
    JsonText,
    Transaction,
    UtcDateTime,
    database_now,
    insert_or_ignore,
    metadata,
    per_query,
)
from hub_pipelines.intake.model import Arrival
from hub_pipelines.review.fingerprint import fingerprint_of
from hub_pipelines.review.model import Group, ItemState, ReviewItem, Selection, Tally
from hub_pipelines.submission.decisions import store as decided
from hub_pipelines.submission.model import Cause, Envelope, Failure, Submission

SEALING = "hub/sealing"

review_item = Table(
    "review_item",
    metadata,
    Column("item_id", String, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("source_name", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("error_type", String, nullable=False),
    Column("trace", Text, nullable=False),
    Column("headers", JsonText, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("run_id", String),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolved_by", String),
    Column("resolution", Text),
    Column("fingerprint", String(12), nullable=False),
    Column("reason_code", String),
    Column("replaced_by", String),
    Column("difference", JsonText),
    Index("review_item_request_id", "request_id"),
    Index("review_item_state", "state", "opened_at", "item_id"),
    # covers the count of each group: no item is read for it
    Index("review_item_group", "state", "fingerprint", "cause", "campus", "feed", "opened_at"),
    Index("review_item_opened", "opened_at"),
    Index("review_item_resolved", "resolved_at"),
    Index("review_item_replaced_by", "replaced_by"),
)


def _item(row: Any) -> ReviewItem:
    fields = dict(row._mapping)
    return ReviewItem(**{**fields, "state": ItemState(fields["state"])})


class Desk:
    """Files items in the caller's transaction (intake's ReviewDesk port; processing uses it too)."""

    def file_submission(self, tx: Transaction, submission: Submission, failure: Failure) -> None:
        """File an item for a submission that has just gone into review."""
        cause = submission.cause or Cause.UNREADABLE
        item_id = _item_id(submission.request_id, str(submission.revision), cause)
        _file(tx, item_id, submission.envelope, submission.revision, cause, failure)

    def close_as_split(self, tx: Transaction, request_id: str, batches: list[str]) -> bool:
        """Close the item of a batch whose messages were sealed again in these, and end its submission without effect;
        False when somebody has decided otherwise before."""
        (item, *_) = [*open_items_of(tx, request_id), None]
        told = f"sealed again as {' and '.join(batches)}"
        if item is None or not resolve(tx, item.item_id, ItemState.SPLIT, by=SEALING, resolution=told):
            return False
        decided.dismiss(tx, request_id, f"Its messages were {told}, to find the one that can't be posted.")
        detail: dict[str, object] = {"cause": item.cause, "batches": batches}
        audit.append(tx, Event(item.campus, SEALING, "submission:split", item.source_name, request_id, detail))
        return True

    def file_conflict(self, tx: Transaction, arrival: Arrival, revision: int, envelope: Envelope) -> None:
        """File an item of its own for bytes that came under the key of something else, which has this revision."""
        failure = Failure("Conflict", arrival.reason or "", arrival.fix or "", "", None)
        item_id = _item_id(envelope.request_id, arrival.arrival_id, Cause.CONFLICT)
        _file(tx, item_id, envelope, revision, Cause.CONFLICT, failure)


def _item_id(*parts: str) -> str:
    return "review-" + sha256_hex("\n".join(parts).encode("utf-8"))[:16]


def _file(tx: Transaction, item_id: str, envelope: Envelope, revision: int, cause: Cause, failure: Failure) -> None:
    fingerprint = fingerprint_of(
        error_type=failure.error_type,
        cause=cause,
        reason=failure.reason,
        trace=failure.trace,
        names=(envelope.source_name, envelope.campus, envelope.feed),
    )
    tx.execute(
        insert_or_ignore(tx, review_item),
        {
            "item_id": item_id,
            "request_id": envelope.request_id,
            "revision": revision,
            "campus": envelope.campus,
            "feed": envelope.feed,
            "source_name": envelope.source_name,
            "cause": cause,
            "reason": failure.reason,
            "fix": failure.fix,
            "error_type": failure.error_type,
            "trace": failure.trace,
            "fingerprint": fingerprint.group,
            "headers": {**envelope.headers, "channel": envelope.channel, "source_system": envelope.source_system},
            "content_digest": envelope.content_digest,
            "run_id": failure.run_id,
            "opened_at": database_now(tx),
            "state": ItemState.OPEN,
        },
    )


def find(tx: Transaction, item_id: str) -> ReviewItem | None:
    row = tx.execute(select(review_item).where(review_item.c.item_id == item_id)).first()
    return _item(row) if row else None


def items(tx: Transaction, selection: Selection, *, limit: int) -> list[ReviewItem]:
    """The selected items, the oldest first."""
    query = select(review_item).where(*_selected(selection))
    return [
        _item(row) for row in tx.execute(query.order_by(review_item.c.opened_at, review_item.c.item_id).limit(limit))
    ]


def count(tx: Transaction, selection: Selection) -> int:
    return tx.execute(select(func.count()).select_from(review_item).where(*_selected(selection))).scalar_one()


def targets(tx: Transaction, selection: Selection) -> list[tuple[str, str, str, str, str, str]]:
    """Item_id, request_id, campus, feed, source_name and cause of all selected items, the oldest first."""
    i = review_item.c
    query = select(i.item_id, i.request_id, i.campus, i.feed, i.source_name, i.cause).where(*_selected(selection))
    return [tuple(row) for row in tx.execute(query.order_by(i.opened_at, i.item_id))]


def _selected(selection: Selection) -> list[ColumnElement[bool]]:
    i = review_item.c
    asked = (
        (i.state, eq, selection.state),
        (i.fingerprint, eq, selection.group),
        (i.cause, eq, selection.cause),
        (i.campus, eq, selection.campus),
        (i.opened_at, ge, selection.opened_from),
        (i.opened_at, lt, selection.opened_before),
        (i.resolved_at, ge, selection.resolved_from),
        (i.resolved_at, lt, selection.resolved_before),
        (i.opened_at, lt, selection.open_at),
    )
    conditions = [compare(column, value) for column, compare, value in asked if value is not None]
    if selection.open_at is not None:
        conditions.append(or_(i.resolved_at.is_(None), i.resolved_at >= selection.open_at))
    return conditions


# ---- groups


def tallies(tx: Transaction, selection: Selection) -> list[Tally]:
    i = review_item.c
    together = (i.fingerprint, i.cause, i.campus, i.feed)
    query = select(*together, func.count(), func.min(i.opened_at), func.max(i.opened_at)).where(*_selected(selection))
    return [Tally(*row) for row in tx.execute(query.group_by(*together).order_by(*together))]


def groups(tx: Transaction, *, limit: int) -> tuple[list[Group], int]:
    """Groups of open items, the largest first, and how many groups there are in all."""
    by_group = groupby(tallies(tx, Selection()), key=attrgetter("group"))
    found = sorted(((name, list(some)) for name, some in by_group), key=lambda one: -sum(t.count for t in one[1]))
    return [_group(tx, name, some) for name, some in found[:limit]], len(found)


def _group(tx: Transaction, name: str, some: Sequence[Tally]) -> Group:
    first = min(some, key=attrgetter("oldest_at"))
    return Group(
        group=name,
        count=sum(one.count for one in some),
        causes=tuple(sorted({one.cause for one in some})),
        campuses=tuple(sorted({one.campus for one in some})),
        feeds=tuple(sorted({one.feed for one in some})),
        oldest_at=min(one.oldest_at for one in some),
        newest_at=max(one.newest_at for one in some),
        example=_oldest_of(tx, first),
    )


def _oldest_of(tx: Transaction, tally: Tally) -> ReviewItem:
    """The open item that has waited longest of a tally; told by the index alone which one it is."""
    i = review_item.c
    query = select(review_item).where(
        i.state == ItemState.OPEN,
        i.fingerprint == tally.group,
        i.cause == tally.cause,
        i.campus == tally.campus,
        i.feed == tally.feed,
        i.opened_at == tally.oldest_at,
    )
    return _item(tx.execute(query.order_by(i.item_id).limit(1)).one())


# ---- what the weekly review asks


def example_of(tx: Transaction, group: str) -> ReviewItem:
    """The newest item of a group, open or closed."""
    query = select(review_item).where(review_item.c.fingerprint == group).order_by(review_item.c.opened_at.desc())
    return _item(tx.execute(query.limit(1)).one())


def decisions(tx: Transaction, selection: Selection) -> list[tuple[str, str, str | None, int]]:
    """Who decided what, with which reason code, how often; the most frequent first."""
    i = review_item.c
    query = (
        select(i.resolved_by, i.state, i.reason_code, func.count())
        .where(*_selected(selection))
        .group_by(i.resolved_by, i.state, i.reason_code)
        .order_by(func.count().desc(), i.resolved_by)
    )
    return [(row[0], row[1], row[2], row[3]) for row in tx.execute(query)]


def opened_lately(tx: Transaction, *, within: timedelta) -> int:
    """How many items were opened in the time before now: the queue's growth."""
    return count(tx, Selection(state=None, opened_from=database_now(tx) - within))


def open_items_of(tx: Transaction, request_id: str) -> list[ReviewItem]:
    query = select(review_item).where(review_item.c.request_id == request_id, review_item.c.state == ItemState.OPEN)
    return [_item(row) for row in tx.execute(query)]


def items_of(tx: Transaction, request_id: str, *, limit: int) -> list[ReviewItem]:
    """Items of a submission, open and closed, the newest first."""
    query = select(review_item).where(review_item.c.request_id == request_id)
    return [_item(row) for row in tx.execute(query.order_by(review_item.c.opened_at.desc()).limit(limit))]


def closings(tx: Transaction) -> Iterator[tuple[str, tuple[str, str | None, str | None, str | None]]]:
    """Of every closed item its state, who closed it, with which words, and what came in its place; streamed."""
    i = review_item.c
    query = select(i.item_id, i.state, i.resolved_by, i.resolution, i.replaced_by).where(i.state != ItemState.OPEN)
    for row in tx.execute(query.order_by(i.item_id), execution_options={"yield_per": 2000}):
        yield row.item_id, (row.state, row.resolved_by, row.resolution, row.replaced_by)


def corrected_by(tx: Transaction, request_id: str) -> ReviewItem | None:
    """The item in whose place this submission was sent."""
    query = (
        select(review_item).where(review_item.c.replaced_by == request_id).order_by(review_item.c.resolved_at.desc())
    )
    row = tx.execute(query.limit(1)).first()
    return _item(row) if row else None


def corrections_among(tx: Transaction, request_ids: Iterable[str]) -> set[str]:
    """Those of these submissions in which a reviewer has corrected another one."""
    found: set[str] = set()
    for some in per_query(request_ids):
        known = select(review_item.c.replaced_by).where(review_item.c.replaced_by.in_(some))
        found |= set(tx.execute(known).scalars())
    return found


def open_conflicts(tx: Transaction, campus: str) -> set[tuple[str, str]]:
    """Request_id and content digest of the conflicts of a campus about which nobody has decided yet."""
    i = review_item.c
    query = select(i.request_id, i.content_digest).where(
        i.state == ItemState.OPEN, i.campus == campus, i.cause == Cause.CONFLICT
    )
    return {(row.request_id, row.content_digest) for row in tx.execute(query)}


def open_by_cause(tx: Transaction) -> dict[str, int]:
    query = (
        select(review_item.c.cause, func.count())
        .where(review_item.c.state == ItemState.OPEN)
        .group_by(review_item.c.cause)
    )
    return dict(tx.execute(query).all())


def newest(tx: Transaction) -> datetime | None:
    moment: datetime | None = tx.execute(select(func.max(review_item.c.opened_at))).scalar()
    return moment


def resolve(
    tx: Transaction,
    item_id: str,
    state: ItemState,
    *,
    by: str,
    resolution: str,
    reason_code: str | None = None,
    replaced_by: str | None = None,
    difference: dict[str, Any] | None = None,
) -> bool:
    """Close an open item; False when somebody has closed it already."""
    changed = tx.execute(
        update(review_item)
        .where(review_item.c.item_id == item_id, review_item.c.state == ItemState.OPEN)
        .values(
            state=state,
            resolved_at=database_now(tx),
            resolved_by=by,
            resolution=resolution,
            reason_code=reason_code,
            replaced_by=replaced_by,
            difference=difference,
        )
    ).rowcount
    return bool(changed == 1)
