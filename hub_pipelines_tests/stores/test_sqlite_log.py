import resource
import signal
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from hub_pipelines.common import store
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Database
from hub_pipelines_tests.crash.faults import finish, fork


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


def test_what_a_large_transaction_has_written_is_copied_into_the_database_beside_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    db = Database(f"sqlite:///{path}")
    with db.write() as tx:
        tx.execute(text("CREATE TABLE some (words BLOB)"))
    with db.write_much() as tx:
        tx.execute(text("INSERT INTO some VALUES (zeroblob(20000000))"))
        usual = tx.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one()
    assert usual == 0
    for one in threading.enumerate():
        if one.name == "write-back":
            one.join()
    assert path.stat().st_size > 20_000_000
    with db.read() as tx, db.read() as another:  # both connections that there are
        for each in (tx, another):
            assert each.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one() > 0
    db.dispose()


def test_a_large_transaction_that_fails_leaves_nothing_and_the_next_one_is_as_usual(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with db.write() as tx:
        tx.execute(text("CREATE TABLE some (words BLOB)"))

    def fail() -> None:
        with db.write_much() as tx:
            tx.execute(text("INSERT INTO some VALUES (zeroblob(2000000))"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    def break_off() -> None:
        with db.write_much() as tx:
            tx.invalidate()
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    with db.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM some")).scalar_one() == 0
        assert tx.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one() > 0
    db.dispose()


def test_a_log_that_finds_no_room_to_be_written_back_is_tried_again_later(tmp_path: Path) -> None:
    def child() -> None:
        db = Database(f"sqlite:///{tmp_path / 'inbox.db'}", many_writes=True)
        with db.write() as tx:
            tx.execute(text("CREATE TABLE some (words BLOB)"))
            tx.execute(text("INSERT INTO some VALUES (zeroblob(2000000))"))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, usual[1]))  # as on a full disk
        with pytest.raises(Transient):
            db.write_back()
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        db.write_back()
        assert (tmp_path / "inbox.db").stat().st_size > 2_000_000

    assert finish(fork(child)) == 0
