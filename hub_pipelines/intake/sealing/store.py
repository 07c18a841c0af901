"""Batches in the inbox's tables: which messages are sealed into them, and what becomes of what these say.

Not here: the tables, and how messages come (inbox/store.py).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

from sqlalchemy import ColumnElement, String, bindparam, func, or_, select, type_coerce, update

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Transaction, insert_or_ignore
from hub_pipelines.intake.inbox.model import Batch, Stream
from hub_pipelines.intake.inbox.store import batch, message, of_stream, stream

_AT_ONCE = 1_000
_CANONICAL = '{"campus":"'
"""How an envelope begins that is kept in canonical JSON; the first release of messages wrote it with blanks."""


def newest_batch(tx: Transaction, its: Stream) -> Batch | None:
    query = select(batch).where(*of_stream(batch, its)).order_by(batch.c.number.desc()).limit(1)
    row = tx.execute(query).first()
    return _batch(row) if row else None


def unregistered(tx: Transaction, campus: str) -> list[Batch]:
    """Batches of a campus whose submission was not told yet, the one with the oldest message of its stream first."""
    b = batch.c
    query = select(batch).where(b.campus == campus, b.submission.is_(None), b.first_message.is_not(None))
    return [_batch(row) for row in tx.execute(query.order_by(b.first_message))]


def newest_submissions(tx: Transaction, its: Stream, *, limit: int) -> list[str]:
    """Of the batches of a stream that were made last."""
    query = select(batch.c.submission).where(*of_stream(batch, its)).order_by(batch.c.number.desc()).limit(limit)
    return [one for one in tx.execute(query).scalars() if one is not None]


def submission_of(tx: Transaction, batch_id: str) -> str | None:
    return tx.execute(select(batch.c.submission).where(batch.c.batch_id == batch_id)).scalar()


def several(tx: Transaction, submissions: Sequence[str]) -> list[Batch]:
    """Of the batches that are these submissions, those of more than one message, in their order."""
    found: list[Batch] = []
    for first in range(0, len(submissions), _AT_ONCE):
        some = submissions[first : first + _AT_ONCE]
        query = select(batch).where(batch.c.submission.in_(some), batch.c.messages > 1)
        found += map(_batch, tx.execute(query))
    return sorted(found, key=lambda one: one.number)


def seal(tx: Transaction, its: Stream, *, number: int, most: int, most_bytes: int, at: datetime) -> Batch | None:
    """The oldest waiting messages of a stream become its batch of this number.

    None when there is such a batch already, or nothing waits.
    """
    s = stream.c
    upto = tx.execute(select(s.sealed).where(*of_stream(stream, its))).scalar()
    if upto is None:
        return None
    last, size_bytes = _oldest(tx, its, behind=upto, most=most, most_bytes=most_bytes)
    if last is None:
        return None
    batch_id = f"{its.campus}-{its.feed}-{its.record_type}-{number}"
    made = Batch(batch_id, its, number, last - upto, None, first_message=upto + 1, last_message=last)
    if not _add(tx, made, at):
        return None
    sealed = update(stream).where(*of_stream(stream, its), s.sealed == upto)
    if tx.execute(sealed.values(sealed=last, size_bytes=s.size_bytes - size_bytes)).rowcount != 1:
        raise Transient(f"Others have sealed what was to be {batch_id}.")
    return made


def _add(tx: Transaction, made: Batch, at: datetime) -> bool:
    """False when there is such a batch already."""
    added = tx.execute(
        insert_or_ignore(tx, batch).returning(batch.c.batch_id),
        {
            "batch_id": made.batch_id,
            "campus": made.stream.campus,
            "feed": made.stream.feed,
            "record_type": made.stream.record_type,
            "number": made.number,
            "messages": made.messages,
            "sealed_at": at,
            "first_message": made.first_message,
            "last_message": made.last_message,
        },
    )
    return added.first() is not None


def split(tx: Transaction, whole: Batch, *, at: datetime) -> list[str]:
    """Make two batches of the messages of one, the first half before the second; their names.

    Done once, whoever does it: the halves are named after the batch. Nothing of a batch that has no two messages.
    Raises Transient when another batch of the stream is made at the same moment.
    """
    halves = [f"{whole.batch_id}.{part}" for part in (1, 2)]
    if tx.execute(select(batch.c.batch_id).where(batch.c.batch_id == halves[0])).first() is not None:
        return halves
    if whole.messages < 2 or whole.first_message is None or whole.last_message is None:
        return []
    newest = tx.execute(select(func.max(batch.c.number)).where(*of_stream(batch, whole.stream))).scalar_one()
    middle = whole.first_message + (whole.messages + 1) // 2
    stretches = ((whole.first_message, middle - 1), (middle, whole.last_message))
    for place, (name, (first, last)) in enumerate(zip(halves, stretches, strict=True), start=1):
        number = newest + place
        half = Batch(name, whole.stream, number, last - first + 1, None, first_message=first, last_message=last)
        if not _add(tx, half, at):
            raise Transient(f"{whole.batch_id} is being split, or another batch made, by another process.")
    emptied = {"first_message": None, "last_message": None}
    tx.execute(update(batch).where(batch.c.batch_id == whole.batch_id).values(emptied))
    return halves


def _messages_of(its: Batch) -> tuple[ColumnElement[bool], ...]:
    """Those that are in a batch."""
    return (*of_stream(message, its.stream), message.c.number.between(its.first_message, its.last_message))


def _oldest(tx: Transaction, its: Stream, *, behind: int, most: int, most_bytes: int) -> tuple[int | None, int]:
    """Of the messages of a stream behind a number, the first ones, so many as a batch may hold but one at least: the
    last one's number, and their bytes. None and 0 where nothing waits."""
    m = message.c
    waits = (*of_stream(message, its), m.number.between(behind + 1, behind + most))
    upto = func.sum(m.size_bytes).over(order_by=m.number).label("upto")
    summed = select(m.number, m.size_bytes, upto).where(*waits).subquery()
    chosen = or_(summed.c.upto <= most_bytes, summed.c.number == behind + 1)
    size = func.coalesce(func.sum(summed.c.size_bytes), 0)
    last, size_bytes = tx.execute(select(func.max(summed.c.number), size).where(chosen)).one()
    return last, int(size_bytes)


def contents(tx: Transaction, its: Batch) -> Iterator[tuple[str, bytes]]:
    """Envelope, in canonical JSON, and body of each message of a batch, in their order."""
    m = message.c
    query = select(type_coerce(m.envelope, String), m.body).where(*_messages_of(its)).order_by(m.number)
    for envelope, body in chain.from_iterable(tx.execute(query).partitions(_AT_ONCE)):
        yield envelope if envelope.startswith(_CANONICAL) else canonical_text(json.loads(envelope)), bytes(body)


def register(tx: Transaction, batch_id: str, submission: str, content_digest: str) -> None:
    where = (batch.c.batch_id == batch_id, batch.c.submission.is_(None))
    tx.execute(update(batch).where(*where).values(submission=submission, content_digest=content_digest))


# ---- what messages say, when it is old


def with_bodies(tx: Transaction, before: datetime, *, after: str, limit: int) -> list[Batch]:
    """Registered batches that were sealed before a moment and have messages with bodies, from the name after this."""
    b = batch.c
    has_bodies = (b.bodies_removed < b.messages, b.first_message.is_not(None))
    query = select(batch).where(b.batch_id > after, b.sealed_at < before, b.submission.is_not(None), *has_bodies)
    return [_batch(row) for row in tx.execute(query.order_by(b.batch_id).limit(limit))]


def size_of_bodies(tx: Transaction, its: Batch) -> int:
    m = message.c
    size = func.sum(func.length(m.body) + func.length(type_coerce(m.envelope, String)))
    return int(tx.execute(select(func.coalesce(size, 0)).where(*_messages_of(its))).scalar_one())


def remove_bodies(tx: Transaction, its: Batch, content_digest: str, *, first: int, last: int) -> None:
    """Of these rows of a batch; its bytes are in the archive under this digest. Nothing of one that was split."""
    told = {"content_digest": content_digest, "bodies_removed": last}
    whole = (batch.c.batch_id == its.batch_id, batch.c.first_message == its.first_message)
    if its.first_message is None or tx.execute(update(batch).where(*whole).values(told)).rowcount != 1:
        return
    before = its.first_message - 1
    some = (*of_stream(message, its.stream), message.c.number.between(before + first, before + last))
    tx.execute(update(message).where(*some).values({"body": b"", "envelope": {}}))


def put_bodies_back(tx: Transaction, its: Batch, contents: Iterable[tuple[str, bytes]]) -> None:
    """Envelope and body of each row of a batch, in their order. Nothing of one that was split."""
    if its.first_message is None:
        return
    m = message.c
    putting = (
        update(message)
        .where(*of_stream(message, its.stream), m.number == bindparam("its_number"))
        .values({m.envelope: bindparam("its_envelope", type_=String), m.body: bindparam("its_body")})
    )
    numbered = zip(range(its.first_message, its.first_message + its.messages), contents, strict=False)
    while some := list(islice(numbered, _AT_ONCE)):
        tx.execute(putting, [{"its_number": at, "its_envelope": text, "its_body": body} for at, (text, body) in some])
    tx.execute(update(batch).where(batch.c.batch_id == its.batch_id).values(bodies_removed=0))


def _batch(row: Any) -> Batch:
    return Batch(
        row.batch_id,
        Stream(row.campus, row.feed, row.record_type),
        row.number,
        row.messages,
        row.submission,
        row.content_digest,
        row.bodies_removed,
        row.first_message,
        row.last_message,
    )
