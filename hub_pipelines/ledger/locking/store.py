"""Postings to one ledger come one after the other. On PostgreSQL who has waited for a moment gives its place to others.

Belongs here: the lock, and which feeds wait for one that is held for long (decisions/0113). Not here: what follows for
the submission (processing.py, launching.py). On SQLite a posting has the whole database, and nobody posts beside it.
"""

from collections.abc import Iterable
from zlib import crc32

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from hub_pipelines.common.store import Transaction, insert_or_ignore
from hub_pipelines.ledger.model import LedgerTaken, ledger_name
from hub_pipelines.ledger.store import ledger_version
from hub_pipelines.validate.model import Feed

_LEDGERS = 7241960
"""Of PostgreSQL's advisory locks those with this first number are the hub's ledgers."""
_LONG_S = 15
_WAITED_ENOUGH = "55P03"
"""PostgreSQL's code, lock_not_available."""
# objid is without a sign
_LONG_POSTINGS = text(
    "SELECT l.objid::bigint FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.classid = :ledgers AND l.objsubid = 2 AND l.granted "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND a.xact_start < clock_timestamp() - make_interval(secs => :long_s)"
)


def lock(tx: Transaction, ledger: str, *, patience_s: float | None) -> int:
    """Until the transaction ends nobody else posts to the ledger: its versions follow the order of commits. The present
    one.

    Raises LedgerTaken when another posting has it for longer than `patience_s` from now; None waits for its end. That
    one is asked for by a number of its own, since a ledger that is posted to for the first time has no row yet.
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
    before = tx.exec_driver_sql("SHOW lock_timeout").scalar_one()
    if patience_s is not None:
        _set_lock_timeout(tx, f"{int(patience_s * 1000)}ms")
    number = _number(ledger)
    try:
        tx.execute(select(func.pg_advisory_xact_lock(_LEDGERS, number - (1 << 32) if number >> 31 else number)))
    except OperationalError as error:
        if patience_s is None or getattr(error.orig, "sqlstate", None) != _WAITED_ENOUGH:
            raise
        raise LedgerTaken(ledger) from error
    _set_lock_timeout(tx, before)


def _set_lock_timeout(tx: Transaction, value: str) -> None:
    """Until the transaction ends."""
    tx.execute(select(func.set_config("lock_timeout", value, True)))  # SQL has no names for arguments


def _number(ledger: str) -> int:
    """Two ledgers may have the same: they wait for each other then, and nothing else."""
    return crc32(ledger.encode("utf-8"))


def behind_long_postings(tx: Transaction, campus: str, feeds: Iterable[Feed]) -> dict[str, str]:
    """Feeds of a campus whose runs would wait, each with a ledger that is being posted to for longer than a run should:
    to launch one would take the place of others."""
    if tx.dialect.name != "postgresql":
        return {}
    taken = set(tx.execute(_LONG_POSTINGS, {"ledgers": _LEDGERS, "long_s": _LONG_S}).scalars())
    if not taken:
        return {}
    names = [
        (feed.name, ledger_name(one.name, campus, shared=one.shared)) for feed in feeds for one in feed.record_types
    ]
    return {feed: ledger for feed, ledger in names if _number(ledger) in taken}
