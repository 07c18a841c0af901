"""What `hub audit verify` finds: every kind of tampering with what was posted, on both databases."""

import pytest
from sqlalchemy import delete, update

from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines_tests.support import make_registry
from hub_pipelines_tests.tampering import unlock


def test_an_untouched_hub_verifies(hub: Hub) -> None:
    make_registry(hub, ["N-1", "N-2"])
    assert verify_all(hub).ok


@pytest.mark.parametrize(
    ("table", "column"),
    [("journal_row", "key"), ("journal_row", "values"), ("posting", "campus"), ("posting", "request_id")],
)
def test_a_changed_journal_entry_is_found(hub: Hub, table: str, column: str) -> None:
    make_registry(hub, ["N-1", "N-2"])
    changed = getattr(ledgers, table)
    where = ledgers.journal_row.c.key == "N-2" if table == "journal_row" else ledgers.posting.c.version == 1
    with hub.db.write() as tx:
        unlock(hub, tx, "journal", "posting")
        tx.execute(update(changed).where(where).values({column: "forged"}))
    assert "journal" in str(verify_all(hub).first_bad)


@pytest.mark.parametrize("with_posting", [False, True])
def test_a_forged_journal_entry_is_found(hub: Hub, with_posting: bool) -> None:
    make_registry(hub, ["N-1"])
    with hub.db.write() as tx:
        entry = dict(tx.execute(ledgers.journal_row.select()).mappings().one())
        tx.execute(ledgers.journal_row.insert(), {**entry, "version": 9, "key": "N-9"})
        if with_posting:
            posting = dict(tx.execute(ledgers.posting.select()).mappings().one())
            tx.execute(ledgers.posting.insert(), {**posting, "version": 9, "request_id": "north-inventory-x"})
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
