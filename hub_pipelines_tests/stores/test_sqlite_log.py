from pathlib import Path

import pytest
from sqlalchemy import text

from hub_pipelines.common import store
from hub_pipelines.common.store import Database


def test_what_a_large_transaction_has_written_ahead_does_not_stay_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_WAL_KEPT_BYTES", 1_000_000)
    db = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with db.write() as tx:
        tx.execute(text("CREATE TABLE some (words TEXT)"))
    with db.write() as tx:
        tx.execute(text("INSERT INTO some VALUES (:words)"), [{"words": "x" * 1_000}] * 10_000)
    log = tmp_path / "hub.db-wal"
    assert log.stat().st_size > 9_000_000
    with db.write() as tx:
        tx.execute(text("INSERT INTO some VALUES ('one more')"))
    assert log.stat().st_size <= 1_000_000
    db.dispose()
