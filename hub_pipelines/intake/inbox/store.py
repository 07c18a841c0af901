"""Tables of the inbox. On SQLite they are in a file of their own, so that a bulk posting, which holds the hub's write
lock, does not hold up acknowledgements; on PostgreSQL in the hub's database.

Everything is append-only but for a message's place in a batch, which it gets anew when that is split, what it says,
which goes when that is old and archived, a batch's submission, which is set once, the newest version of each record of
a portal, and how much waits of each campus, which the transactions count that change it.

Belongs here: the tables, how messages come, and what waits. Not here: records (records/store.py), batches and what
their messages say (sealing/store.py).
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
    inspect,
    select,
    text,
)

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.short import Answer as Asked
from hub_pipelines.common.short import Into, ShortTransaction, Statement
from hub_pipelines.common.store import Database, JsonText, Transaction, UtcDateTime
from hub_pipelines.intake.inbox.model import (
    Answer,
    Answered,
    Capacity,
    Delivery,
    Group,
    Load,
    Message,
    SignedEnvelope,
    Stream,
    Waiting,
)

inbox_metadata = MetaData()
_SCHEMA_VERSION = 3
_SCHEMA_TABLE = "inbox_schema_version"
_LOCK = 7241960
_TAKING_LOCK = 7241961
_Row = tuple[Any, ...]
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


def accept(tx: ShortTransaction, group: Group, *, capacity: Capacity | None) -> list[Answered | None]:
    """Take its deliveries in their order; None for one under whose webhook-id something came before (`known`).

    No `capacity`: of what the hub has read itself, having looked before it asked whether there is room.
    """
    deliveries, envelopes, at = group
    asked = _ask(tx, deliveries)
    each = zip(deliveries, envelopes, strict=True)
    rows = [(_delivery_row(one, at), _message_rows(one, signed, at)) for one, signed in each]  # meanwhile
    there, waiting = asked
    keys = {(source, webhook_id) for source, found in there.items() for (webhook_id,) in found.rows}
    waits = {campus: Load(messages, size) for campus, messages, size in waiting.rows}
    # mostly there is room for all of them, and none is asked about by itself
    loads = [one.load for one in deliveries]
    roomy = capacity is None or capacity.is_roomy([*waits.values(), *loads])
    answers: list[Answered | None] = []
    new: list[tuple[_Row, list[_Row]]] = []
    more: dict[str, Load] = {}
    for one, signed, added, its_rows in zip(deliveries, envelopes, loads, rows, strict=True):
        key = (one.source, one.webhook_id)
        campus = one.scope.campus
        if key in keys:
            answers.append(None)
        elif not roomy and capacity is not None and not capacity.takes(one.scope, added, waits):
            answers.append(Answered(Answer.FULL, (), at))
        else:
            keys.add(key)
            new.append(its_rows)
            waits[campus] = waits.get(campus, Load()) + added
            more[campus] = more.get(campus, Load()) + added
            answers.append(Answered(Answer.RECEIVED, tuple(envelope.request_id for envelope in signed), at))
    tx.insert(_DELIVERIES, [row for row, _ in new])
    tx.insert(_MESSAGES, [row for _, its_rows in new for row in its_rows])
    for campus in sorted(more):
        count_waiting(tx, campus, more[campus])
    return answers


def _ask(tx: ShortTransaction, deliveries: Sequence[Delivery]) -> tuple[dict[str, Asked], Asked]:
    """By source which of its webhook-ids are there, and what waits; the database looks for it while one does something
    else.

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


def _delivery_row(one: Delivery, at: datetime) -> _Row:
    scope = one.scope
    return (one.source, one.webhook_id, scope.campus, scope.feed, one.body_digest, len(one.messages), at)


def _message_rows(one: Delivery, envelopes: Sequence[SignedEnvelope], at: datetime) -> list[_Row]:
    return [
        (
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
        for incoming, envelope in zip(one.messages, envelopes, strict=True)
    ]


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


# ---- what waits


def load(tx: Transaction) -> dict[str, Load]:
    """What waits of each campus."""
    return {campus: Load(messages, size) for campus, messages, size in tx.exec_driver_sql(_LOAD)}


def count_waiting(tx: ShortTransaction, campus: str, more: Load) -> None:
    """Last in its transaction: on PostgreSQL whoever counts for the same campus waits for its end."""
    tx.put(_COUNT, campus, more.messages, more.size_bytes)


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


def count(tx: Transaction) -> int:
    """Messages that were ever acknowledged."""
    return tx.execute(select(func.count()).select_from(message)).scalar_one()
