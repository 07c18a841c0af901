"""What `hub audit verify` finds: every kind of tampering with what was posted, on both databases."""

import pytest
from sqlalchemy import delete, text, update

from hub_pipelines.common.store import Transaction
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines_tests.support import make_registry


def unlock_journal(hub: Hub, tx: Transaction) -> None:
    """What somebody with full rights on the database would do first."""
    if hub.db.is_postgres:
        tx.execute(text("ALTER TABLE journal DISABLE TRIGGER ALL"))
    else:
        tx.execute(text("DROP TRIGGER journal_refuses_update"))
        tx.execute(text("DROP TRIGGER journal_refuses_delete"))


def test_an_untouched_hub_verifies(hub: Hub) -> None:
    make_registry(hub, ["N-1", "N-2"])
    assert verify_all(hub).ok


@pytest.mark.parametrize("column", ["key", "values", "campus", "request_id"])
def test_a_changed_journal_entry_is_found(hub: Hub, column: str) -> None:
    make_registry(hub, ["N-1", "N-2"])
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        tx.execute(update(ledgers.journal).where(ledgers.journal.c.key == "N-2").values({column: "forged"}))
    assert "journal" in str(verify_all(hub).first_bad)


def test_a_forged_journal_entry_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        entry = dict(tx.execute(ledgers.journal.select()).mappings().one())
        tx.execute(ledgers.journal.insert(), {**entry, "version": 9, "key": "N-9", "request_id": "north-inventory-x"})
    assert verify_all(hub).first_bad == "journal: it holds entries that no posting vouches for"


def test_a_deleted_ledger_row_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1", "N-2"])
    with hub.db.write() as tx:
        tx.execute(delete(ledgers.ledger).where(ledgers.ledger.c.key == "N-2"))
    assert verify_all(hub).first_bad == "procurement.asset@all N-2: the ledger is not what its journal says"


def test_a_ledger_row_without_a_journal_entry_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        row = dict(tx.execute(ledgers.ledger.select()).mappings().one())
        tx.execute(ledgers.ledger.insert(), {**row, "key": "N-9"})
    assert "N-9" in str(verify_all(hub).first_bad)


def test_a_deleted_idempotency_record_is_found(hub: Hub) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        tx.execute(delete(ledgers.idempotency))
    assert "record of its posting" in str(verify_all(hub).first_bad)
