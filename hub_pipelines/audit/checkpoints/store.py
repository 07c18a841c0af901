"""The table of checkpoints: written once, next to the chain that they tell of."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, func, select

from hub_pipelines.audit.checkpoints.model import Checkpoint
from hub_pipelines.common.store import Transaction, UtcDateTime, insert_or_ignore, metadata, refuse_changes

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("campus", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
)
"""`text` is the checkpoint as it was signed; the other columns repeat what is asked for often."""
refuse_changes(audit_checkpoint)


def keep(tx: Transaction, one: Checkpoint) -> bool:
    """Record a checkpoint; False when another process has made this number first."""
    values = {"campus": one.campus, "number": one.number, "seq": one.seq, "at": one.at, "text": one.text()}
    return bool(tx.execute(insert_or_ignore(tx, audit_checkpoint), values).rowcount)


def newest_texts(tx: Transaction) -> dict[str, tuple[int, str]]:
    """Number and text of the newest checkpoint of each campus."""
    c = audit_checkpoint.c
    newest = tx.execute(select(c.campus, func.max(c.number)).group_by(c.campus)).all()
    return {campus: (number, text_of(tx, campus, number)) for campus, number in newest}


def covered(tx: Transaction) -> dict[str, int]:
    """How far checkpoints cover each chain."""
    c = audit_checkpoint.c
    return {
        row.campus: row.seq for row in tx.execute(select(c.campus, func.max(c.seq).label("seq")).group_by(c.campus))
    }


def texts_of(tx: Transaction, campus: str) -> dict[int, str]:
    """All checkpoints of one campus by their number, as they were signed."""
    query = select(audit_checkpoint.c.number, audit_checkpoint.c.text).where(audit_checkpoint.c.campus == campus)
    return {row.number: row.text for row in tx.execute(query.order_by(audit_checkpoint.c.number))}


def numbers(tx: Transaction) -> dict[str, set[int]]:
    """Which checkpoints each campus has."""
    found: dict[str, set[int]] = {}
    for campus, number in tx.execute(select(audit_checkpoint.c.campus, audit_checkpoint.c.number)):
        found.setdefault(campus, set()).add(number)
    return found


def text_of(tx: Transaction, campus: str, number: int) -> str:
    at = (audit_checkpoint.c.campus == campus) & (audit_checkpoint.c.number == number)
    return str(tx.execute(select(audit_checkpoint.c.text).where(at)).scalar_one())
