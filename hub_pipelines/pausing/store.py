"""The pause table: what is paused now. History is in the audit chain."""

from sqlalchemy import Column, String, Table, Text, delete, select

from hub_pipelines.common.store import Transaction, UtcDateTime, database_now, insert_or_ignore, metadata
from hub_pipelines.pausing.model import Pause

pause = Table(
    "pause",
    metadata,
    Column("campus", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("paused_at", UtcDateTime, nullable=False),
    Column("paused_by", String, nullable=False),
    Column("reason", Text, nullable=False),
)


def standing(tx: Transaction) -> list[Pause]:
    """All pauses, the oldest first."""
    return [Pause(*row) for row in tx.execute(select(pause).order_by(pause.c.paused_at, pause.c.campus, pause.c.feed))]


def add(tx: Transaction, campus: str, feed: str, *, by: str, reason: str) -> bool:
    """False when exactly this scope is paused already."""
    added = tx.execute(
        insert_or_ignore(tx, pause).returning(pause.c.campus),
        {"campus": campus, "feed": feed, "paused_at": database_now(tx), "paused_by": by, "reason": reason},
    )
    return added.first() is not None


def remove(tx: Transaction, campus: str, feed: str) -> bool:
    """False when exactly this scope is not paused."""
    return tx.execute(delete(pause).where(pause.c.campus == campus, pause.c.feed == feed)).rowcount == 1
