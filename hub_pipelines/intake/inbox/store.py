"""Tables of the inbox. On SQLite they are in a file of their own, so that a bulk posting, which holds the hub's write
lock, does not hold up acknowledgements; on PostgreSQL in the hub's database.

Everything is append-only but for a message's place in a batch, which it gets anew when that is split, what it says,
which goes when that is old and archived, a batch's submission, which is set once, the newest version of each record of
a portal, and how much waits of each campus, which the transactions count that change it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    inspect,
    or_,
    select,
    text,
    type_coerce,
    update,
)

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import SettingsError, Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.short import Answer as Asked
from hub_pipelines.common.short import Into, ShortTransaction, Statement
from hub_pipelines.common.store import Database, JsonText, Transaction, UtcDateTime, insert_or_ignore, short_in, upsert
from hub_pipelines.intake.inbox.model import (
    Answer,
    Answered,
    Batch,
    Capacity,
    Delivery,
    Load,
    Message,
    SignedEnvelope,
    Stream,
    Version,
    Waiting,
)

inbox_metadata = MetaData()
_SCHEMA_VERSION = 3
_SCHEMA_TABLE = "inbox_schema_version"
_LOCK = 7241960
_TAKING_LOCK = 7241961
_AT_ONCE = 1_000
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

delivery = Table(
    "inbox_delivery",
    inbox_metadata,
    Column("source", String, primary_key=True),
    Column("webhook_id", String, primary_key=True),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("body_digest", String(64), nullable=False),
    Column("messages", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

message = Table(
    "inbox_message",
    inbox_metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("request_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("webhook_id", String, nullable=False),
    Column("line", Integer, nullable=False),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("record_type", String, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("envelope", JsonText, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("batch_id", String),
    Column("row_no", Integer),
    UniqueConstraint("request_id", name="inbox_message_request_id"),
    UniqueConstraint("source", "webhook_id", "line", name="inbox_message_sender_key"),
    Index("inbox_message_by_batch", "batch_id", "row_no"),
)
Index(
    "inbox_message_waiting",
    message.c.campus,
    message.c.feed,
    message.c.record_type,
    message.c.seq,
    postgresql_where=message.c.batch_id.is_(None),
    sqlite_where=message.c.batch_id.is_(None),
)

batch = Table(
    "inbox_batch",
    inbox_metadata,
    Column("batch_id", String, primary_key=True),
    Column("campus", String, nullable=False),
    Column("feed", String, nullable=False),
    Column("record_type", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("sealed_at", UtcDateTime, nullable=False),
    Column("submission", String),
    Column("content_digest", String(64)),
    Column("bodies_removed", Integer, nullable=False, server_default="0"),
    UniqueConstraint("campus", "feed", "record_type", "number", name="inbox_batch_number"),
    Index("inbox_batch_submission", "submission"),
)

record = Table(
    "inbox_record",
    inbox_metadata,
    Column("source", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("occurred_at", UtcDateTime),
    Column("read_at", UtcDateTime),
    Column("seen", _NUMBER, nullable=False),
)
"""The newest version of each record that the hub has read itself."""
_IDS_PER_QUERY = 500
waiting_load = Table(
    "inbox_load",
    inbox_metadata,
    Column("campus", String, primary_key=True),
    Column("messages", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)


def create(db: Database) -> None:
    """Make the tables where they are not yet. Safe to run from many processes at once.

    Raises SettingsError when a newer release has been here.
    """
    with db.read() as tx:
        if _version(tx) == _SCHEMA_VERSION:
            return
    with db.write() as tx:
        if db.is_postgres:
            tx.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        found = _version(tx)
        if found is None:
            inbox_metadata.create_all(tx)
            tx.execute(text(f"CREATE TABLE {_SCHEMA_TABLE} (version INTEGER PRIMARY KEY)"))
            tx.execute(text(f"INSERT INTO {_SCHEMA_TABLE} VALUES ({_SCHEMA_VERSION})"))
        elif found < _SCHEMA_VERSION:
            _upgrade(tx, found)
        elif found > _SCHEMA_VERSION:
            raise SettingsError(
                f"The inbox has schema version {found}, this release knows versions up to {_SCHEMA_VERSION}: "
                "a newer release has worked with it. Start that one."
            )


def is_current(tx: Transaction) -> bool:
    """The tables are as this release makes them."""
    return _version(tx) == _SCHEMA_VERSION


def _version(tx: Transaction) -> int | None:
    if not inspect(tx).has_table(_SCHEMA_TABLE):
        return None
    return int(tx.execute(text(f"SELECT version FROM {_SCHEMA_TABLE}")).scalar_one())


def _upgrade(tx: Transaction, found: int) -> None:
    """From version 1, which had no records of portals and did not count what waits, or 2, which kept all bodies."""
    if found < 2:
        record.create(tx)
        waiting_load.create(tx)
        m = message.c
        waits = select(m.campus, func.count(), func.sum(m.size_bytes)).where(m.batch_id.is_(None)).group_by(m.campus)
        tx.execute(waiting_load.insert().from_select(["campus", "messages", "size_bytes"], waits))
    tx.execute(text("ALTER TABLE inbox_batch ADD COLUMN content_digest VARCHAR(64)"))
    tx.execute(text("ALTER TABLE inbox_batch ADD COLUMN bodies_removed INTEGER NOT NULL DEFAULT 0"))
    tx.execute(text(f"UPDATE {_SCHEMA_TABLE} SET version = {_SCHEMA_VERSION}"))


# ---- receiving


# these run for each group, whose senders wait, in the process that does nothing else (writing.py)
_THERE = Statement(
    "SELECT webhook_id FROM inbox_delivery WHERE source = ? AND webhook_id IN (SELECT value FROM json_each(?))",
    # one look into the index for each: before release 17 PostgreSQL may compare a list of them with all that the source
    # has ever sent, by a plan that was made when that was nothing
    "SELECT asked.webhook_id FROM unnest($2) AS asked (webhook_id) CROSS JOIN LATERAL (SELECT 1 "
    "FROM inbox_delivery AS its WHERE its.source = $1 AND its.webhook_id = asked.webhook_id LIMIT 1) AS there",
    takes=("text", "text[]"),
    gives=(str,),
)
_LOAD = "SELECT campus, messages, size_bytes FROM inbox_load"
_LOADS = Statement(_LOAD, _LOAD, gives=(str, int, int))
_COUNT = Statement(
    "INSERT INTO inbox_load (campus, messages, size_bytes) VALUES (?, ?, ?) ON CONFLICT (campus) DO UPDATE "
    "SET messages = messages + excluded.messages, size_bytes = size_bytes + excluded.size_bytes",
    "INSERT INTO inbox_load AS its (campus, messages, size_bytes) VALUES ($1, $2, $3) ON CONFLICT (campus) DO UPDATE "
    "SET messages = its.messages + excluded.messages, size_bytes = its.size_bytes + excluded.size_bytes",
    takes=("text", "int4", "int8"),
)
_DELIVERIES = Into(
    delivery.name,
    {
        "source": "text",
        "webhook_id": "text",
        "campus": "text",
        "feed": "text",
        "body_digest": "text",
        "messages": "int4",
        "received_at": "timestamptz",
    },
)
_MESSAGES = Into(
    message.name,
    {
        "request_id": "text",
        "source": "text",
        "webhook_id": "text",
        "line": "int4",
        "campus": "text",
        "feed": "text",
        "record_type": "text",
        "received_at": "timestamptz",
        "size_bytes": "int4",
        "envelope": "text",
        "body": "bytea",
    },
)
_CANONICAL = '{"campus":"'
"""How an envelope begins that is kept in canonical JSON; the first release of messages wrote it with blanks."""


Before = tuple[dict[str, Asked], Asked]
"""What is asked before a group is taken: by source which of its webhook-ids are there, and what waits."""


def ask(tx: ShortTransaction, deliveries: Sequence[Delivery]) -> Before:
    """What `accept` must know. The database looks for it while one does something else.

    One transaction at a time takes deliveries, from here to its end, so that what it counts is what waits, and what it
    does not find is not there.
    """
    by_source = groupby(sorted({(one.source, one.webhook_id) for one in deliveries}), key=lambda key: key[0])
    asked = {source: [webhook_id for _, webhook_id in its] for source, its in by_source}
    tx.take_turns(_TAKING_LOCK)
    there = {source: tx.put(_THERE, source, ids) for source, ids in asked.items()}
    waits = tx.put(_LOADS)
    tx.send()
    return there, waits


def accept(
    tx: ShortTransaction,
    before: Before,
    deliveries: Sequence[Delivery],
    envelopes: Sequence[Sequence[SignedEnvelope]],
    *,
    capacity: Capacity | None,
    at: datetime,
) -> list[Answered | None]:
    """Take deliveries in their order; None for one under whose webhook-id something came before (`known`).

    No `capacity`: of what the hub has read itself, having looked before it asked whether there is room.
    `before` is what `ask` has asked in this transaction, `envelopes` are their messages', signed.
    """
    there, waiting = before
    keys = {(source, webhook_id) for source, found in there.items() for (webhook_id,) in found.rows}
    waits = {campus: Load(messages, size) for campus, messages, size in waiting.rows}
    # mostly there is room for all of them, and none is asked about by itself
    roomy = capacity is None or capacity.is_roomy([*waits.values(), *(one.load for one in deliveries)])
    answers: list[Answered | None] = []
    new: list[tuple[Delivery, Sequence[SignedEnvelope]]] = []
    more: dict[str, Load] = {}
    for one, signed in zip(deliveries, envelopes, strict=True):
        key = (one.source, one.webhook_id)
        added = one.load
        campus = one.scope.campus
        if key in keys:
            answers.append(None)
        elif not roomy and capacity is not None and not capacity.takes(one.scope, added, waits):
            answers.append(Answered(Answer.FULL, (), at))
        else:
            keys.add(key)
            new.append((one, signed))
            waits[campus] = waits.get(campus, Load()) + added
            more[campus] = more.get(campus, Load()) + added
            answers.append(Answered(Answer.RECEIVED, tuple(envelope.request_id for envelope in signed), at))
    tx.insert(_DELIVERIES, [_delivery_row(one, at) for one, _ in new])
    tx.insert(_MESSAGES, [row for one, signed in new for row in _message_rows(one, signed, at)])
    for campus in sorted(more):
        _count(tx, campus, more[campus])
    return answers


def _delivery_row(one: Delivery, at: datetime) -> tuple[Any, ...]:
    scope = one.scope
    return (one.source, one.webhook_id, scope.campus, scope.feed, one.body_digest, len(one.messages), at)


def _message_rows(one: Delivery, envelopes: Sequence[SignedEnvelope], at: datetime) -> Iterator[tuple[Any, ...]]:
    for incoming, envelope in zip(one.messages, envelopes, strict=True):
        yield (
            envelope.request_id,
            one.source,
            one.webhook_id,
            incoming.line or 0,
            one.scope.campus,
            one.scope.feed,
            incoming.record_type,
            at,
            len(incoming.body),
            envelope.text,
            incoming.body,
        )


def load(tx: Transaction) -> dict[str, Load]:
    """What waits of each campus."""
    return {campus: Load(messages, size) for campus, messages, size in tx.exec_driver_sql(_LOAD)}


def _count(tx: ShortTransaction, campus: str, more: Load) -> None:
    """Last in its transaction: on PostgreSQL whoever counts for the same campus waits for its end."""
    tx.put(_COUNT, campus, more.messages, more.size_bytes)


def known(tx: Transaction, one: Delivery) -> Answered:
    """Of a delivery whose webhook-id has come before: whether it is the same once more."""
    where = (delivery.c.source == one.source, delivery.c.webhook_id == one.webhook_id)
    first = tx.execute(select(delivery).where(*where)).one()
    same = (first.campus, first.feed, first.body_digest) == (one.scope.campus, one.scope.feed, one.body_digest)
    query = select(message.c.request_id).where(message.c.source == one.source, message.c.webhook_id == one.webhook_id)
    ids = tuple(tx.execute(query.order_by(message.c.line)).scalars())
    return Answered(Answer.DUPLICATE if same else Answer.CONFLICT, ids, first.received_at)


def find(tx: Transaction, request_id: str) -> Message | None:
    m = message.c
    columns = (m.request_id, m.source, m.webhook_id, m.campus, m.feed, m.received_at, m.batch_id, m.row_no)
    query = select(*columns, batch.c.submission).outerjoin(batch, batch.c.batch_id == m.batch_id)
    row = tx.execute(query.where(m.request_id == request_id)).first()
    if row is None:
        return None
    return Message(
        row.request_id,
        row.source,
        row.webhook_id,
        Scope(row.campus, row.feed),
        row.received_at,
        row.batch_id,
        row.row_no,
        row.submission,
    )


# ---- records that are read


def versions(
    tx: Transaction, source: str, record_ids: Sequence[str], *, keep_still: bool = False
) -> dict[str, Version]:
    """The newest version of each of these records that is known. `keep_still`: until the transaction ends nobody else
    makes a next one of them."""
    r = record.c
    found: dict[str, Version] = {}
    for first in range(0, len(record_ids), _IDS_PER_QUERY):
        some = record_ids[first : first + _IDS_PER_QUERY]
        query = select(record).where(r.source == source, r.record_id.in_(some)).order_by(r.record_id)
        for row in tx.execute(query.with_for_update() if keep_still else query):
            found[row.record_id] = Version(row.version, row.digest, row.occurred_at, row.read_at)
    return found


def keep_versions(tx: Transaction, source: str, newest: Mapping[str, Version], *, mark: int) -> None:
    rows = [
        {
            "source": source,
            "record_id": record_id,
            "version": one.number,
            "digest": one.digest,
            "occurred_at": one.occurred_at,
            "read_at": one.read_at,
            "seen": mark,
        }
        for record_id, one in newest.items()
    ]
    if rows:
        changing = ["version", "digest", "occurred_at", "read_at", "seen"]
        tx.execute(upsert(tx, record, keys=["source", "record_id"], update=changing), rows)


def seen_with(tx: Transaction, source: str, mark: int, record_ids: Sequence[str]) -> dict[str, str]:
    """Digests by id; nothing of a record of which no version was taken."""
    r = record.c
    found: dict[str, str] = {}
    for first in range(0, len(record_ids), _IDS_PER_QUERY):
        some = r.record_id.in_(record_ids[first : first + _IDS_PER_QUERY])
        query = select(r.record_id, r.digest).where(r.source == source, r.seen == mark, r.version > 0, some)
        found.update((row.record_id, row.digest) for row in tx.execute(query))
    return found


def count_seen(tx: Transaction, source: str, first: int, last: int) -> int:
    r = record.c
    return tx.execute(select(func.count()).where(r.source == source, r.seen.between(first, last))).scalar_one()


# ---- sealing


def waiting(tx: Transaction, campus: str | None = None) -> list[Waiting]:
    """What waits, of one campus or of all, by stream; the one whose oldest message came first at the front."""
    m = message.c
    query = (
        select(m.campus, m.feed, m.record_type, func.count(), func.sum(m.size_bytes), func.min(m.received_at))
        .where(m.batch_id.is_(None), *([m.campus == campus] if campus is not None else []))
        .group_by(m.campus, m.feed, m.record_type)
    )
    found = [
        Waiting(Stream(campus, feed, record_type), count, int(size), _moment(oldest))
        for campus, feed, record_type, count, size, oldest in tx.execute(query)
    ]
    return sorted(found, key=lambda one: one.oldest_at)


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


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
        _count(short, stream.campus, Load(-messages, -size_bytes))
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


def count(tx: Transaction) -> int:
    """Messages that were ever acknowledged."""
    return tx.execute(select(func.count()).select_from(message)).scalar_one()


def _of(stream: Stream) -> tuple[Any, ...]:
    return (
        batch.c.campus == stream.campus,
        batch.c.feed == stream.feed,
        batch.c.record_type == stream.record_type,
    )


def _batch(row: Any) -> Batch:
    stream = Stream(row.campus, row.feed, row.record_type)
    return Batch(row.batch_id, stream, row.number, row.messages, row.submission, row.content_digest, row.bodies_removed)
