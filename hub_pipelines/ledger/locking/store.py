"""Postings to one ledger come one after the other. On PostgreSQL who has waited for a moment gives its place to others.

Belongs here: the lock, and who has it for how long (decisions/0113). Not here: what follows for the submission
(processing.py, launching.py). On SQLite a posting has the whole database, and nobody posts beside it.
"""

from collections.abc import Collection
from zlib import crc32

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from hub_pipelines.common.store import Transaction, insert_or_ignore
from hub_pipelines.ledger.model import LedgerTaken
from hub_pipelines.ledger.store import ledger_version

PATIENCE_S = 3.0
"""For so long a run that is not of a large file waits for another posting to its ledger."""
_LEDGERS = 7241963
"""Of PostgreSQL's advisory locks with two numbers those with this first one are the hub's ledgers."""
_WAITED_ENOUGH = "55P03"
"""PostgreSQL's code, lock_not_available."""
# When a transaction began is told to its own role, and once in a transaction: who is not told holds nobody back.
_TAKEN = text(
    "SELECT l.objid::bigint FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.classid = :ledgers AND l.objsubid = 2 AND l.granted "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND a.xact_start < clock_timestamp() - make_interval(secs => :for_s)"
)


def lock(tx: Transaction, ledger: str, *, patience_s: float | None) -> int:
    """Until the transaction ends nobody else posts to the ledger: its versions follow the order of commits. The present
    one.

    Raises LedgerTaken when another posting has it for longer than `patience_s` from now; None waits for its end. It is
    asked for by a number as well: a ledger that is posted to for the first time has no row yet that others see.
    """
    if tx.dialect.name == "postgresql":
        _wait_for_turn(tx, ledger, patience_s)
    row = select(ledger_version.c.version).where(ledger_version.c.ledger == ledger).with_for_update()
    version = tx.execute(row).scalar()
    if version is None:
        tx.execute(insert_or_ignore(tx, ledger_version), {"ledger": ledger, "version": 0, "changed_at": None})
        version = tx.execute(row).scalar_one()
    return int(version)


def _wait_for_turn(tx: Transaction, ledger: str, patience_s: float | None) -> None:
    number = _number(ledger)
    turn = select(func.pg_advisory_xact_lock(_LEDGERS, number - (1 << 32) if number >> 31 else number))
    if patience_s is None:
        tx.execute(turn)
        return
    before = tx.exec_driver_sql("SHOW lock_timeout").scalar_one()
    _set_lock_timeout(tx, f"{max(1, round(patience_s * 1000))}ms")  # 0 would be for ever
    try:
        tx.execute(turn)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _WAITED_ENOUGH:
            raise
        raise LedgerTaken(ledger) from error
    _set_lock_timeout(tx, before)


def _set_lock_timeout(tx: Transaction, value: str) -> None:
    """Until the transaction ends."""
    tx.execute(select(func.set_config("lock_timeout", value, True)))  # SQL has no names for arguments


def _number(ledger: str) -> int:
    """Ledgers that happen to have the same wait for each other."""
    return crc32(ledger.encode("utf-8"))


def taken(tx: Transaction, ledgers: Collection[str]) -> set[str]:
    """Those of these ledgers that a posting has had for longer than others wait for it: a run that would post to one
    takes a place only to wait."""
    if not ledgers or tx.dialect.name != "postgresql":
        return set()
    numbers = set(tx.execute(_TAKEN, {"ledgers": _LEDGERS, "for_s": PATIENCE_S}).scalars())
    return {ledger for ledger in ledgers if _number(ledger) in numbers}
