"""An inbox that an earlier release made becomes one of this release, in the caller's transaction.

Belongs here: what became of the tables from version to version. Not here: the tables as they are (inbox/store.py).
"""

from sqlalchemy import text

from hub_pipelines.common.store import Transaction
from hub_pipelines.intake.inbox.store import batch_stretch, message, record, stream


def upgrade(tx: Transaction, found: int) -> None:
    """From version 1, which had no records of portals, 2, which kept all bodies, 3, which kept a table of deliveries,
    or 4, which kept each message's place in a batch."""
    if found < 2:
        record.create(tx)
    if found < 3:
        tx.execute(text("ALTER TABLE inbox_batch ADD COLUMN content_digest VARCHAR(64)"))
        tx.execute(text("ALTER TABLE inbox_batch ADD COLUMN bodies_removed INTEGER NOT NULL DEFAULT 0"))
    _put_aside(tx)
    _number(tx)
    _tell_stretches(tx)
    _copy_messages(tx, "m.delivery_digest" if found == 4 else _DIGEST_OF_DELIVERY)
    for name in ("inbox_message_before", "inbox_numbered", "inbox_load", "inbox_delivery"):
        tx.execute(text(f"DROP TABLE IF EXISTS {name}"))


_DIGEST_OF_DELIVERY = """CASE WHEN NOT EXISTS (SELECT 1 FROM inbox_message_before AS first WHERE
    first.source = m.source AND first.webhook_id = m.webhook_id AND first.line < m.line) THEN coalesce((
    SELECT d.body_digest FROM inbox_delivery d WHERE d.source = m.source AND d.webhook_id = m.webhook_id), '')
    ELSE '' END"""
"""A delivery's digest at its first message."""


def _put_aside(tx: Transaction) -> None:
    """The table of messages is made anew: SQLite can't drop what is UNIQUE from one."""
    tx.execute(text("ALTER TABLE inbox_message RENAME TO inbox_message_before"))
    for name in ("waiting", "by_batch", "delivery", "lines"):
        tx.execute(text(f"DROP INDEX IF EXISTS inbox_message_{name}"))
    if tx.dialect.name == "postgresql":
        # names of indexes outlive their table's
        for name in ("pkey", "request_id"):
            tx.execute(text(f"ALTER INDEX inbox_message_{name} RENAME TO inbox_message_before_{name}"))


def _number(tx: Transaction) -> None:
    """By which each batch is a stretch: in version 1 messages of another batch could come between. Batches stand in
    the order of their oldest messages, halves of halves too."""
    order = "is_waiting, oldest, batch_id, row_no, was"
    tx.execute(
        text(
            "CREATE TABLE inbox_numbered AS SELECT was, batch_id, row_number() OVER (PARTITION BY campus, feed, "
            f"record_type ORDER BY {order}) AS number FROM (SELECT m.seq AS was, m.batch_id, m.row_no, m.campus, "
            "m.feed, m.record_type, m.batch_id IS NULL AS is_waiting, min(m.seq) OVER (PARTITION BY m.batch_id) "
            "AS oldest FROM inbox_message_before m) AS each"
        )
    )


def _tell_stretches(tx: Transaction) -> None:
    """Of batches and streams."""
    for name in ("first_message", "last_message"):
        tx.execute(text(f"ALTER TABLE inbox_batch ADD COLUMN {name} BIGINT"))
    tx.execute(
        text(
            "UPDATE inbox_batch SET first_message = its.low, last_message = its.high FROM (SELECT batch_id, "
            "min(number) AS low, max(number) AS high FROM inbox_numbered GROUP BY batch_id) AS its "
            "WHERE its.batch_id = inbox_batch.batch_id"
        )
    )
    batch_stretch.create(tx)
    stream.create(tx)
    waits = "m.batch_id IS NULL"
    tx.execute(
        text(
            "INSERT INTO inbox_stream (campus, feed, record_type, taken, sealed, size_bytes) SELECT m.campus, m.feed, "
            f"m.record_type, count(*), sum(CASE WHEN {waits} THEN 0 ELSE 1 END), "
            f"sum(CASE WHEN {waits} THEN m.size_bytes ELSE 0 END) "
            "FROM inbox_message_before m GROUP BY m.campus, m.feed, m.record_type"
        )
    )


def _copy_messages(tx: Transaction, digest: str) -> None:
    message.create(tx)
    names = [one.name for one in message.c if one.name not in ("number", "delivery_digest")]
    tx.execute(
        text(
            f"INSERT INTO inbox_message (number, delivery_digest, {', '.join(names)}) "
            f"SELECT n.number, {digest}, {', '.join(f'm.{name}' for name in names)} "
            "FROM inbox_message_before m JOIN inbox_numbered n ON n.was = m.seq"
        )
    )
