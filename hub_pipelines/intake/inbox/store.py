"""Tables of the inbox. On SQLite they are in a file of their own, so that a bulk posting, which holds the hub's write
lock, does not hold up acknowledgements; on PostgreSQL in the hub's database.

Messages of a stream (campus, feed, record type) are numbered from 1 as they come, one transaction after the other and
without gaps. So what is sealed of a stream is all up to some number, a batch is a stretch of numbers, and sealing
writes nothing to the messages (decisions/0105).

Everything is append-only but for what a message says, which goes when that is old and archived, a batch's submission
and the digest of its bytes, which are set once, how much of it is gone, its stretch, which its halves get when it is
split, the newest version of each record of a portal, and how far each stream has come and is sealed, which the
transactions tell that change it.

Belongs here: the tables, how messages come, and what waits. Not here: records (records/store.py), batches and what
their messages say (sealing/store.py), tables of earlier releases (upgrading/store.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
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
    func,
    inspect,
    literal_column,
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
_SCHEMA_VERSION = 5
_SCHEMA_TABLE = "inbox_schema_version"
_LOCK = 7241960
_TAKING_LOCK = 7241961
_Row = tuple[Any, ...]
_Key = tuple[str, str, str]
"""A stream: campus, feed, record type."""
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

message = Table(
    "inbox_message",
    inbox_metadata,
    Column("campus", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("record_type", String, primary_key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("request_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("webhook_id", String, nullable=False),
    Column("line", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("delivery_digest", String(64), nullable=False),
    Column("envelope", JsonText, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("request_id", name="inbox_message_request_id"),
)
"""`delivery_digest` is that of the whole delivery, at its first message; no other has one. So a delivery is there when
its first message is."""
_begins_delivery = message.c.delivery_digest != literal_column("''")
_is_line = message.c.line > literal_column("0")


def _index_some(name: str, where: ColumnElement[bool], *columns: Column[Any], unique: bool = False) -> None:
    """An index over some rows of these columns' table: taking a message costs more with each that this is in."""
    Index(name, *columns, unique=unique, postgresql_where=where, sqlite_where=where)


_m = message.c
_index_some("inbox_message_delivery", _begins_delivery, _m.source, _m.webhook_id, unique=True)
_index_some("inbox_message_lines", _is_line, _m.source, _m.webhook_id, _m.line)

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
    Column("first_message", _NUMBER),
    Column("last_message", _NUMBER),
    UniqueConstraint("campus", "feed", "record_type", "number", name="inbox_batch_number"),
    Index("inbox_batch_submission", "submission"),
)
"""Its messages are those of its stream from `first_message` to `last_message`; one that was split has none."""
_b = batch.c
batch_stretch = Index("inbox_batch_stretch", _b.campus, _b.feed, _b.record_type, _b.first_message)

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

stream = Table(
    "inbox_stream",
    inbox_metadata,
    Column("campus", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("record_type", String, primary_key=True),
    Column("taken", _NUMBER, nullable=False),
    Column("sealed", _NUMBER, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)
"""The numbers up to which messages of a stream were taken, and are sealed; what is between waits, and has so many bytes
of bodies."""


NO_COPY_OF_INBOX = (
    "Where there is none, make an empty file of this name: what waited is lost then, and must be sent again."
)
"""What an operator does whose inbox has no backup (decisions/0109)."""


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
            from hub_pipelines.intake.inbox.upgrading.store import upgrade  # most homes need none

            upgrade(tx, found)
            tx.execute(text(f"UPDATE {_SCHEMA_TABLE} SET version = {_SCHEMA_VERSION}"))
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


# ---- receiving


# these run for each group, whose senders wait, in the process that does nothing else (writing.py)
_THERE = Statement(
    "SELECT webhook_id FROM inbox_message WHERE source = ? AND webhook_id IN (SELECT value FROM json_each(?)) "
    "AND delivery_digest != ''",
    # one look into the index for each: before release 17 PostgreSQL may compare a list of them with all that the source
    # has ever sent
    "SELECT asked.webhook_id FROM unnest($2) AS asked (webhook_id) CROSS JOIN LATERAL (SELECT 1 "
    "FROM inbox_message AS its WHERE its.source = $1 AND its.webhook_id = asked.webhook_id "
    "AND its.delivery_digest != '' LIMIT 1) AS there",
    takes=("text", "text[]"),
    gives=(str,),
)
_STREAMS = "SELECT campus, feed, record_type, taken, sealed, size_bytes FROM inbox_stream"
_STREAMS_NOW = Statement(_STREAMS, _STREAMS, gives=(str, str, str, int, int, int))
_STREAM = "INSERT INTO inbox_stream AS its (campus, feed, record_type, taken, sealed, size_bytes)"
_COUNTED = (
    "ON CONFLICT (campus, feed, record_type) DO UPDATE SET taken = its.taken + excluded.taken, "
    "size_bytes = its.size_bytes + excluded.size_bytes"
)
_COUNT = Statement(
    f"{_STREAM} VALUES (?, ?, ?, ?, 0, ?) {_COUNTED}",
    f"{_STREAM} VALUES ($1, $2, $3, $4, 0, $5) {_COUNTED}",
    takes=("text", "text", "text", "int4", "int8"),
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
        "delivery_digest": "text",
        "envelope": "text",
        "body": "bytea",
        "number": "int8",
    },
)
_OF_MESSAGE = [name for name in _MESSAGES.columns if name != "number"]
_TAKE = Statement(
    "",
    "WITH room AS (SELECT coalesce(sum(taken - sealed), 0) <= $1 AND coalesce(sum(size_bytes), 0) <= $2 AS roomy "
    "FROM inbox_stream), "
    f"new AS (INSERT INTO inbox_message ({', '.join(_OF_MESSAGE)}, number) "
    f"SELECT {', '.join(f'its.{name}' for name in _OF_MESSAGE)}, coalesce(stream.taken, 0) + row_number() "
    "OVER (PARTITION BY its.campus, its.feed, its.record_type ORDER BY its.place) "
    f"FROM unnest({', '.join(f'${at}' for at in range(3, 3 + len(_OF_MESSAGE)))}) WITH ORDINALITY "
    f"AS its ({', '.join(_OF_MESSAGE)}, place) LEFT JOIN LATERAL (SELECT true AS there FROM inbox_message AS before "
    "WHERE before.source = its.source AND before.webhook_id = its.webhook_id AND before.delivery_digest != '' LIMIT 1) "
    "AS known ON true LEFT JOIN inbox_stream AS stream ON stream.campus = its.campus AND stream.feed = its.feed "
    "AND stream.record_type = its.record_type WHERE known.there IS NULL AND (SELECT roomy FROM room) "
    "RETURNING source, webhook_id, campus, feed, record_type, size_bytes, delivery_digest), "
    f"counted AS ({_STREAM} SELECT campus, feed, record_type, count(*), 0, sum(size_bytes) FROM new "
    f"GROUP BY campus, feed, record_type ORDER BY campus, feed, record_type {_COUNTED}) "
    "SELECT roomy::int, source, webhook_id FROM room LEFT JOIN new ON delivery_digest != ''",
    takes=("int8", "int8", *(f"{_MESSAGES.columns[name]}[]" for name in _OF_MESSAGE)),
    gives=(int, str, str),
)
"""PostgreSQL's alone. Nothing is asked between the lock and the commit of a group that is taken so."""
_MOST_TOGETHER = 1_000


def goes_together(group: Group) -> bool:
    """Whether it has messages, and not so many that others wait long: all of it is sent behind the lock."""
    return 0 < sum(len(one.messages) for one in group.deliveries) <= _MOST_TOGETHER


def put_together(tx: ShortTransaction, group: Group, capacity: Capacity) -> Asked:
    """On PostgreSQL, have all of its deliveries taken that have not come before, if there is room for whatever comes:
    what has become of them (`taken_together`) is known when the transaction is committed. Of a group that
    `goes_together`."""
    first: dict[tuple[str, str], tuple[Delivery, Sequence[SignedEnvelope]]] = {}
    for one, signed in zip(group.deliveries, group.envelopes, strict=True):
        first.setdefault((one.source, one.webhook_id), (one, signed))
    rows = [row for one, signed in first.values() for row in _message_rows(one, signed, group.at)]
    before = capacity.room_beside(one.load for one, _ in first.values())
    tx.take_turns(_TAKING_LOCK)
    return tx.put(_TAKE, before.messages, before.size_bytes, *zip(*rows, strict=True))


def taken_together(group: Group, asked: Asked) -> list[Answered | None] | None:
    """As `accept` tells it; None where nothing was taken, since each is to be asked about by itself."""
    if not asked.rows[0][0]:
        return None
    new = {(source, webhook_id) for _, source, webhook_id in asked.rows if webhook_id}  # none: nothing was new
    answers: list[Answered | None] = []
    for one, signed in zip(group.deliveries, group.envelopes, strict=True):
        key = (one.source, one.webhook_id)
        ids = tuple(envelope.request_id for envelope in signed)
        answers.append(Answered(Answer.RECEIVED, ids, group.at) if key in new else None)
        new.discard(key)  # a repeat in the same group
    return answers


def accept(tx: ShortTransaction, group: Group, *, capacity: Capacity | None) -> list[Answered | None]:
    """Take its deliveries in their order; None for one under whose webhook-id something came before (`known`).

    No `capacity`: of what the hub has read itself, having looked before it asked whether there is room.
    """
    deliveries, envelopes, at = group
    asked = _ask(tx, deliveries)
    each = zip(deliveries, envelopes, strict=True)
    rows = [_message_rows(one, signed, at) for one, signed in each]  # meanwhile
    there, streams = asked
    keys = {(source, webhook_id) for source, found in there.items() for (webhook_id,) in found.rows}
    waits = _loads(streams.rows)
    # mostly there is room for all of them, and none is asked about by itself
    loads = [one.load for one in deliveries]
    roomy = capacity is None or sum(waits.values(), Load()).fits(capacity.room_beside(loads))
    answers: list[Answered | None] = []
    new: list[tuple[Delivery, list[_Row]]] = []
    for one, signed, added, its_rows in zip(deliveries, envelopes, loads, rows, strict=True):
        key = (one.source, one.webhook_id)
        campus = one.scope.campus
        if key in keys:
            answers.append(None)
        elif not roomy and capacity is not None and not capacity.takes(one.scope, added, waits):
            answers.append(Answered(Answer.FULL, (), at))
        else:
            keys.add(key)
            new.append((one, its_rows))
            waits[campus] = waits.get(campus, Load()) + added
            answers.append(Answered(Answer.RECEIVED, tuple(envelope.request_id for envelope in signed), at))
    _add(tx, new, {(campus, feed, kind): its for campus, feed, kind, its, _, _ in streams.rows})
    return answers


def _add(tx: ShortTransaction, new: Sequence[tuple[Delivery, list[_Row]]], taken: Mapping[_Key, int]) -> None:
    """Messages behind those that were `taken` of each stream."""
    more: dict[_Key, Load] = {}
    numbered: list[_Row] = []
    for one, its_rows in new:
        for incoming, row in zip(one.messages, its_rows, strict=True):
            its = (one.scope.campus, one.scope.feed, incoming.record_type)
            more[its] = more.get(its, Load()) + Load(1, len(incoming.body))
            numbered.append((*row, taken.get(its, 0) + more[its].messages))
    tx.insert(_MESSAGES, numbered)
    for its, load in sorted(more.items(), key=itemgetter(0)):
        # last: on PostgreSQL whoever seals of the same stream waits for the end of this
        tx.put(_COUNT, *its, load.messages, load.size_bytes)


def _ask(tx: ShortTransaction, deliveries: Sequence[Delivery]) -> tuple[dict[str, Asked], Asked]:
    """By source which of its webhook-ids are there, and the streams; the database looks for it while one does something
    else.

    One transaction at a time takes deliveries, from here to its end, so that what it counts is what waits, and what it
    does not find is not there.
    """
    by_source = groupby(sorted({(one.source, one.webhook_id) for one in deliveries}), key=lambda key: key[0])
    asked = {source: [webhook_id for _, webhook_id in its] for source, its in by_source}
    tx.take_turns(_TAKING_LOCK)
    there = {source: tx.put(_THERE, source, ids) for source, ids in asked.items()}
    streams = tx.put(_STREAMS_NOW)
    tx.send()
    return there, streams


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
            "" if at_place else one.body_digest,
            envelope.text,
            incoming.body,
        )
        for at_place, (incoming, envelope) in enumerate(zip(one.messages, envelopes, strict=True))
    ]


def known(tx: Transaction, one: Delivery) -> Answered:
    """Of a delivery whose webhook-id has come before: whether it is the same once more."""
    m = message.c
    its = (m.source == one.source, m.webhook_id == one.webhook_id)
    columns = (m.request_id, m.line, m.campus, m.feed, m.delivery_digest, m.received_at)
    first = tx.execute(select(*columns).where(*its, _begins_delivery)).one()
    same = (first.campus, first.feed, first.delivery_digest) == (one.scope.campus, one.scope.feed, one.body_digest)
    ids = _of_delivery(tx, its, first)
    return Answered(Answer.DUPLICATE if same else Answer.CONFLICT, ids, first.received_at)


def sent_under(tx: Transaction, sources: Iterable[str], webhook_id: str) -> list[str]:
    """The request_ids of the messages that one of these sources has sent under a webhook-id."""
    m, found = message.c, list[str]()
    for source in sources:
        its = (m.source == source, m.webhook_id == webhook_id)
        first = tx.execute(select(m.request_id, m.line).where(*its, _begins_delivery)).first()
        found += _of_delivery(tx, its, first) if first is not None else ()
    return found


def _of_delivery(tx: Transaction, its: tuple[ColumnElement[bool], ...], first: Any) -> tuple[str, ...]:
    if not first.line:
        return (first.request_id,)
    m = message.c
    return tuple(tx.execute(select(m.request_id).where(*its, _is_line).order_by(m.line)).scalars())


def find(tx: Transaction, request_id: str) -> Message | None:
    m = message.c
    columns = (m.request_id, m.source, m.webhook_id, m.line, m.campus, m.feed, m.record_type, m.received_at, m.number)
    row = tx.execute(select(*columns).where(m.request_id == request_id)).first()
    if row is None:
        return None
    its = _batch_with(tx, row)
    return Message(
        row.request_id,
        row.source,
        row.webhook_id,
        row.line or None,
        Scope(row.campus, row.feed),
        row.received_at,
        its and its.batch_id,
        its and row.number - its.first_message + 1,
        its and its.submission,
    )


def body_of(tx: Transaction, request_id: str) -> bytes:
    """As it came; empty once the archive has it."""
    return bytes(tx.execute(select(message.c.body).where(message.c.request_id == request_id)).scalar_one())


def _batch_with(tx: Transaction, its: Any) -> Any:
    """The batch in which a message is; None while it waits."""
    b = batch.c
    query = select(batch).where(*of_stream(batch, its), b.first_message <= its.number)
    found = tx.execute(query.order_by(b.first_message.desc()).limit(1)).first()
    return found if found is not None and its.number <= found.last_message else None


def of_stream(table: Table, its: Any) -> tuple[ColumnElement[bool], ...]:
    """What is of the same stream as this one, which is a Stream or a row that is of one."""
    return (table.c.campus == its.campus, table.c.feed == its.feed, table.c.record_type == its.record_type)


# ---- what waits


def load(tx: Transaction) -> dict[str, Load]:
    """What waits of each campus."""
    return _loads(tx.exec_driver_sql(_STREAMS))


def _loads(streams: Iterable[Sequence[Any]]) -> dict[str, Load]:
    found: dict[str, Load] = {}
    for campus, _, _, taken, sealed, size_bytes in streams:
        found[campus] = found.get(campus, Load()) + Load(taken - sealed, size_bytes)
    return found


def taken(tx: Transaction) -> int:
    """As `count`, by what the streams say, which costs the same however many there are."""
    return int(tx.exec_driver_sql("SELECT coalesce(sum(taken), 0) FROM inbox_stream").scalar_one())


def waiting(tx: Transaction, campus: str | None = None) -> list[Waiting]:
    """What waits, of one campus or of all, by stream; the one whose oldest message came first at the front."""
    m, s = message.c, stream.c
    first = select(m.received_at).where(*of_stream(message, s), m.number == s.sealed + 1).scalar_subquery()
    query = select(s.campus, s.feed, s.record_type, s.taken - s.sealed, s.size_bytes, first).where(
        s.taken > s.sealed, *([s.campus == campus] if campus is not None else [])
    )
    found = [
        Waiting(Stream(campus, feed, record_type), count, size, oldest)
        for campus, feed, record_type, count, size, oldest in tx.execute(query)
    ]
    return sorted(found, key=lambda one: one.oldest_at)


def count(tx: Transaction) -> int:
    """Messages that were ever acknowledged."""
    return tx.execute(select(func.count()).select_from(message)).scalar_one()
