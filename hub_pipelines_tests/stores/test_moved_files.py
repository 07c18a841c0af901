"""SQLite's file is removed or replaced while the hub has it open."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Database

Write = Callable[[Database, str], None]


def usual(db: Database, word: str) -> None:
    with db.write() as tx:
        tx.execute(text("INSERT INTO some VALUES (:word)"), {"word": word})


def much(db: Database, word: str) -> None:
    with db.write_much() as tx:
        tx.execute(text("INSERT INTO some VALUES (:word)"), {"word": word})


def short(db: Database, word: str) -> None:
    with db.short() as tx:
        tx._connection.execute("INSERT INTO some VALUES (?)", [word])  # type: ignore[attr-defined]


writing = pytest.mark.parametrize("write", [usual, much, short])


def begun(path: Path) -> Database:
    db = Database(f"sqlite:///{path}")
    with db.write() as tx:
        tx.execute(text("CREATE TABLE some (word TEXT)"))
    return db


def words(db: Database) -> list[str]:
    with db.read() as tx:
        return list(tx.execute(text("SELECT word FROM some")).scalars())


@writing
def test_nothing_is_written_to_a_file_that_is_gone_and_no_empty_one_is_made(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "hub.db"
    db = begun(path)
    write(db, "before")
    away = path.rename(tmp_path / "away.db")
    for _ in range(2):
        with pytest.raises(Transient, match=r"hub\.db is gone\. Put it back"):
            write(db, "meanwhile")
        with pytest.raises(Transient, match="is gone"):
            words(db)
    assert not path.exists()
    away.rename(path)
    write(db, "again")
    assert words(db) == ["before", "again"]
    db.dispose()


@writing
def test_what_comes_after_a_backup_was_put_in_place_is_written_to_it(tmp_path: Path, write: Write) -> None:
    path, backup = tmp_path / "hub.db", tmp_path / "backup.db"
    db = begun(path)
    write(db, "before")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    write(db, "lost")
    backup.rename(path)
    for one in tmp_path.glob("hub.db-*"):
        one.unlink()
    write(db, "after")
    assert words(db) == ["before", "after"]
    db.dispose()
    assert words(Database(f"sqlite:///{path}")) == ["before", "after"]
