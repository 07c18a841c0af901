"""Batches in the inbox's tables: which messages are sealed into them, and what becomes of what these say.

Not here: the tables, and how messages come (inbox/store.py).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, String, and_, bindparam, func, or_, select, type_coerce, update

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Transaction, insert_or_ignore, short_in
from hub_pipelines.intake.inbox.model import Batch, Load, Stream
from hub_pipelines.intake.inbox.store import batch, count_waiting, message

_AT_ONCE = 1_000
_CANONICAL = '{"campus":"'
"""How an envelope begins that is kept in canonical JSON; the first release of messages wrote it with blanks."""


def newest_batch(tx: Transaction, stream: Stream) -> Batch | None:
    query = select(batch).where(*_of(stream)).order_by(batch.c.number.desc()).limit(1)
    row = tx.execute(query).first()
    return _batch(row) if row else None


def unregistered(tx: Transaction, campus: str) -> list[Batch]:
    """Batches of a campus whose submission was not told yet, the one with the oldest message first."""
    first = func.min(message.c.seq)
    query = (
        select(batch)
        .join(message, message.c.batch_id == batch.c.batch_id)
        .where(batch.c.campus == campus, batch.c.submission.is_(None))
        .group_by(*batch.c)
        .order_by(first)
    )
    return [_batch(row) for row in tx.execute(query)]


def newest_submissions(tx: Transaction, stream: Stream, *, limit: int) -> list[str]:
    """Of the batches of a stream that were made last."""
    query = select(batch.c.submission).where(*_of(stream)).order_by(batch.c.number.desc()).limit(limit)
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


def seal(tx: Transaction, stream: Stream, *, number: int, most: int, most_bytes: int, at: datetime) -> Batch | None:
    """Give the oldest waiting messages of a stream their places in its batch of this number.

    None when there is such a batch already, or nothing waits.
    """
    last, messages, size_bytes = _oldest(tx, stream, most=most, most_bytes=most_bytes)
    if last is None:
        return None
    batch_id = f"{stream.campus}-{stream.feed}-{stream.record_type}-{number}"
    if not _add(tx, batch_id, stream, number, messages, at):
        return None
    chosen = and_(*_waits_of(stream), message.c.seq <= last)
    placed = _place(tx, batch_id, chosen, order=message.c.seq)
    if placed != messages:
        raise Transient(f"{placed} messages got a place in {batch_id}, and {messages} were chosen.")
    with short_in(tx) as short:
        count_waiting(short, stream.campus, Load(-messages, -size_bytes))
    return Batch(batch_id, stream, number, messages, None)


def _add(tx: Transaction, batch_id: str, stream: Stream, number: int, messages: int, at: datetime) -> bool:
    """False when there is such a batch already."""
    added = tx.execute(
        insert_or_ignore(tx, batch).returning(batch.c.batch_id),
        {
            "batch_id": batch_id,
            "campus": stream.campus,
            "feed": stream.feed,
            "record_type": stream.record_type,
            "number": number,
            "messages": messages,
            "sealed_at": at,
        },
    )
    return added.first() is not None


def _place(tx: Transaction, batch_id: str, chosen: ColumnElement[bool], *, order: ColumnElement[int]) -> int:
    """Give these messages the rows of a batch in this order; how many they are."""
    place = func.row_number().over(order_by=order).label("place")
    places = select(message.c.seq, place).where(chosen).subquery()
    placing = update(message).where(message.c.seq == places.c.seq).values(batch_id=batch_id, row_no=places.c.place)
    return tx.execute(placing).rowcount


def split(tx: Transaction, whole: Batch, *, at: datetime) -> list[str]:
    """Give the messages of a batch their places in two new ones, the first half before the second; their names.

    Done once, whoever does it: the halves are named after the batch. Nothing of a batch that has no two messages.
    Raises Transient when another batch of the stream is made at the same moment.
    """
    halves = [f"{whole.batch_id}.{part}" for part in (1, 2)]
    if tx.execute(select(batch.c.batch_id).where(batch.c.batch_id == halves[0])).first() is not None:
        return halves
    m = message.c
    number = tx.execute(select(func.count()).where(m.batch_id == whole.batch_id)).scalar_one()
    if number < 2:
        return []
    newest = tx.execute(select(func.max(batch.c.number)).where(*_of(whole.stream))).scalar_one()
    middle = (number + 1) // 2
    parts = ((middle, m.row_no <= middle), (number - middle, m.row_no > middle))
    for at_place, (name, (messages, part)) in enumerate(zip(halves, parts, strict=True), start=1):
        if not _add(tx, name, whole.stream, newest + at_place, messages, at):
            raise Transient(f"{whole.batch_id} is being split, or another batch made, by another process.")
        _place(tx, name, and_(m.batch_id == whole.batch_id, part), order=m.row_no)
    return halves


def _waits_of(stream: Stream) -> tuple[ColumnElement[bool], ...]:
    m = message.c
    its = (m.campus == stream.campus, m.feed == stream.feed, m.record_type == stream.record_type)
    return (*its, m.batch_id.is_(None))


def _oldest(tx: Transaction, stream: Stream, *, most: int, most_bytes: int) -> tuple[int | None, int, int]:
    """Of the oldest waiting messages, so many as a batch may hold but one at least: the last one's number, how many
    they are, and their bytes. None, 0, 0 where nothing waits."""
    m = message.c
    sizes = select(m.seq, m.size_bytes).where(*_waits_of(stream)).order_by(m.seq).limit(most).subquery()
    upto = func.sum(sizes.c.size_bytes).over(order_by=sizes.c.seq).label("upto")
    place = func.row_number().over(order_by=sizes.c.seq).label("place")
    summed = select(sizes.c.seq, sizes.c.size_bytes, upto, place).subquery()
    chosen = or_(summed.c.upto <= most_bytes, summed.c.place == 1)
    query = select(func.max(summed.c.seq), func.count(), func.coalesce(func.sum(summed.c.size_bytes), 0)).where(chosen)
    last, number, size = tx.execute(query).one()
    return last, number, int(size)


def contents(tx: Transaction, batch_id: str) -> Iterator[tuple[str, bytes]]:
    """Envelope, in canonical JSON, and body of each message of a batch, in their order."""
    m = message.c
    query = select(type_coerce(m.envelope, String), m.body).where(m.batch_id == batch_id).order_by(m.row_no)
    for envelope, body in tx.execute(query):
        yield envelope if envelope.startswith(_CANONICAL) else canonical_text(json.loads(envelope)), bytes(body)


def register(tx: Transaction, batch_id: str, submission: str, content_digest: str) -> None:
    where = (batch.c.batch_id == batch_id, batch.c.submission.is_(None))
    tx.execute(update(batch).where(*where).values(submission=submission, content_digest=content_digest))


# ---- what messages say, when it is old


def with_bodies(tx: Transaction, before: datetime, *, after: str, limit: int) -> list[Batch]:
    """Registered batches that were sealed before a moment and have messages with bodies, from the name after this."""
    b = batch.c
    own = select(message.c.seq).where(message.c.batch_id == b.batch_id).exists()
    query = (
        select(batch)
        .where(b.batch_id > after, b.sealed_at < before, b.submission.is_not(None), b.bodies_removed < b.messages, own)
        .order_by(b.batch_id)
        .limit(limit)
    )
    return [_batch(row) for row in tx.execute(query)]


def size_of_bodies(tx: Transaction, batch_id: str) -> int:
    m = message.c
    size = func.sum(func.length(m.body) + func.length(type_coerce(m.envelope, String)))
    return int(tx.execute(select(func.coalesce(size, 0)).where(m.batch_id == batch_id)).scalar_one())


def remove_bodies(tx: Transaction, batch_id: str, content_digest: str, *, first: int, last: int) -> None:
    """Of these rows of a batch; its bytes are in the archive under this digest."""
    m = message.c
    empty = {"body": b"", "envelope": {}}
    tx.execute(update(message).where(m.batch_id == batch_id, m.row_no.between(first, last)).values(empty))
    told = {"content_digest": content_digest, "bodies_removed": last}
    tx.execute(update(batch).where(batch.c.batch_id == batch_id).values(told))


def put_bodies_back(tx: Transaction, batch_id: str, contents: Iterable[tuple[str, bytes]]) -> None:
    """Envelope and body of each row of a batch, in their order."""
    m = message.c
    its = (m.batch_id == batch_id, m.row_no == bindparam("place"))
    putting = (
        update(message)
        .where(*its)
        .values({m.envelope: bindparam("its_envelope", type_=String), m.body: bindparam("its_body")})
    )
    numbered = enumerate(contents, start=1)
    while some := list(islice(numbered, _AT_ONCE)):
        tx.execute(putting, [{"place": at, "its_envelope": text, "its_body": body} for at, (text, body) in some])
    tx.execute(update(batch).where(batch.c.batch_id == batch_id).values(bodies_removed=0))


def _of(stream: Stream) -> tuple[Any, ...]:
    return (
        batch.c.campus == stream.campus,
        batch.c.feed == stream.feed,
        batch.c.record_type == stream.record_type,
    )


def _batch(row: Any) -> Batch:
    stream = Stream(row.campus, row.feed, row.record_type)
    return Batch(row.batch_id, stream, row.number, row.messages, row.submission, row.content_digest, row.bodies_removed)
