"""The database's schema: a new home's, an older one's brought up to date, and one that a newer release has changed."""

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

import hub_pipelines.hub  # noqa: F401  # all stores, so that the metadata is whole
from hub_pipelines.common import schema
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.schema import upgrade
from hub_pipelines.common.store import SCHEMA_TABLE, SCHEMA_VERSION, Database, Transaction, metadata
from hub_pipelines.ledger.changes import store as ledger_changes
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.items import store as ledger_items
from hub_pipelines.ledger.model import CHAIN
from hub_pipelines_tests.crash.faults import finish, fork

_ENTRY = (
    "INSERT INTO journal VALUES ('inventory.asset@north', :version, :row, :key, 'set', '{}', 'd', NULL, NULL, "
    "'north-inventory-x', 1, 'north', '2026-03-02', 1, '2026-03-02T12:00:0:version.000000Z')"
)

_ITEM = (
    "INSERT INTO review_item VALUES ('review-1', 'north-inventory-x', 1, 'north', 'inventory', 'a.csv', 'unreadable', "
    "'damaged', '', 'Unreadable', '', '{}', 'd', NULL, '2026-03-02T12:00:00.000000Z', 'open', NULL, NULL, NULL)"
)


@pytest.fixture
def older(database_url: str) -> Iterator[Database]:
    """A database as the first release made it, with three journal entries of one day in two postings."""
    database = Database(database_url)
    with database.write() as tx:
        upgrade(tx, upto="0001")
        tx.execute(text("DROP TABLE hub_schema_version"))
        for version, row in ((1, 1), (1, 2), (2, 1)):
            statement = _ENTRY.replace(":version.", f"{version}.")
            tx.execute(text(statement), {"version": version, "row": row, "key": f"NC-{version}-{row}"})
    yield database
    database.dispose()


@pytest.fixture
def fresh(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


def schema_of(tx: Transaction) -> dict[str, object]:
    """Tables with their columns, keys and indexes, and all triggers, as the database tells them."""
    found = inspect(tx)
    tables = {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
        )
        for name in sorted(found.get_table_names())
    }
    if tx.dialect.name == "sqlite":
        objects = "SELECT name, replace(sql, '\"', '') FROM sqlite_master WHERE type IN ('index', 'trigger') ORDER BY 1"
    else:
        objects = (
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL "
            "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
        )
    listed = [tuple(" ".join(str(part).split()) for part in row) for row in tx.execute(text(objects))]
    return {"tables": tables, "indexes and triggers": listed}


def version_of(database: Database) -> object:
    with database.read() as tx:
        return tx.execute(text("SELECT version_num FROM hub_schema_version")).scalar_one()


# indexes on expressions, compared by schema_of
@pytest.mark.filterwarnings("ignore:autogenerate skipping:UserWarning")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection:sqlalchemy.exc.SAWarning")
def test_an_older_home_becomes_what_a_new_home_is(
    older: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    older.create_schema()
    assert version_of(older) == SCHEMA_VERSION
    with older.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx, opts={"version_table": SCHEMA_TABLE}), metadata) == []
        upgraded = schema_of(tx)
    if not older.is_postgres:
        new = Database(f"sqlite:///{tmp_path / 'new.db'}")
        new.create_schema()
        with new.read() as tx:
            assert schema_of(tx) == upgraded
        new.dispose()
        return
    with request.getfixturevalue("postgres_database")() as url:
        new = Database(url)
        new.create_schema()
        with new.read() as tx:
            assert schema_of(tx) == upgraded
        new.dispose()


def test_an_older_homes_journal_is_kept_and_its_days_are_counted(older: Database) -> None:
    older.create_schema()
    with older.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM journal")).scalar() == 3
        day = tx.execute(text("SELECT ledger, campus, version, entries FROM ledger_day")).one()
    assert tuple(day) == ("inventory.asset@north", "north", 2, 3)


# ---- journals of former releases

_FORMER = "0011"
"""The last step before postings had a table."""


@pytest.fixture
def former(database_url: str) -> Iterator[Database]:
    """A database before postings had a table: two postings of two rows, the second of which changed one item."""
    database = Database(database_url)
    with database.write() as tx:
        upgrade(tx, upto=_FORMER)
        for entry in _former_entries():
            names = ", ".join(f'"{name}"' for name in entry)
            tx.execute(text(f"INSERT INTO journal ({names}) VALUES ({', '.join(f':{name}' for name in entry)})"), entry)
        for key, version, row_no in (("A", 2, 3), ("B", 1, 3), ("C", 2, 4)):
            place = {"key": key, "version": version, "row": row_no, "digest": sha256_hex(f"{key}{version}".encode())}
            tx.execute(text("INSERT INTO ledger VALUES ('l@north', :key, :version, :row, :digest)"), place)
    yield database
    database.dispose()


def _former_entries() -> list[dict[str, object]]:
    rows = [(1, 2, "A", None, None), (1, 3, "B", None, None), (2, 3, "A", 1, 2), (2, 4, "C", None, None)]
    return [
        {
            "ledger": "l@north",
            "version": version,
            "row_no": row_no,
            "key": key,
            "operation": "set",
            "values": f"{key}{version}",
            "digest": sha256_hex(f"{key}{version}".encode()),
            "previous_version": before,
            "previous_row_no": before_row,
            "request_id": f"north-inventory-{version}",
            "revision": 1,
            "campus": "north",
            "ledger_date": "2026-03-02",
            "contract_version": 2,
            "posted_at": f"2026-03-02T12:00:0{version}.000000Z",
        }
        for version, row_no, key, before, before_row in rows
    ]


def _former_digest(version: int) -> str:
    """As the release that posted them made it."""
    digest = hashlib.sha256()
    for entry in _former_entries():
        if entry["version"] == version:
            parts = [entry[name] for name in entry if name not in ("ledger_date", "posted_at")] + [entry["ledger_date"]]
            digest.update(hashlib.sha256(canonical_text(parts).encode()).digest())
    return digest.hexdigest()


def test_a_former_homes_postings_have_their_digests_and_history_after_the_upgrade(former: Database) -> None:
    former.create_schema()
    with former.read() as tx:
        for version in (1, 2):
            found = ledger_entries.digest_of(tx, f"north-inventory-{version}", 1, CHAIN)
            assert found == _former_digest(version)
        assert ledger_entries.first_misfold(tx) is None
        history, total = ledger_changes.newest_changes(tx, "l@north", "A", limit=5)
        assert [(row["version"], row["before"], row["campus"]) for row in history] == [
            (2, "A1", "north"),
            (1, None, "north"),
        ]
        assert total == 2
        assert sorted(ledger_items.items_as_of(tx, "l@north", 1)) == [("A", "A1"), ("B", "B1")]


@pytest.mark.parametrize("table", ["journal", "posting"])
@pytest.mark.parametrize("change", ["UPDATE {} SET version = 9", "DELETE FROM {}"])
def test_a_former_homes_journal_can_not_be_changed_after_the_upgrade(former: Database, table: str, change: str) -> None:
    former.create_schema()
    with pytest.raises(DBAPIError, match=f"{table} is append-only"), former.write() as tx:
        tx.execute(text(change.format(table)))


def test_a_former_journal_that_somebody_has_changed_is_told_and_not_upgraded(former: Database) -> None:
    with former.write() as tx:
        names = ["refuses_changes"] if former.is_postgres else ["refuses_update"]
        for name in names:
            tx.execute(text(f"DROP TRIGGER journal_{name}{' ON journal' if former.is_postgres else ''}"))
        tx.execute(text("UPDATE journal SET campus = 'south' WHERE key = 'C'"))
    with pytest.raises(SettingsError, match="entries of l@north, version 2, are not of one posting"):
        former.create_schema()
    with former.read() as tx:
        assert not inspect(tx).has_table("posting")
    assert version_of(former) == _FORMER


def test_an_older_homes_review_items_are_grouped_by_their_cause(older: Database) -> None:
    with older.write() as tx:
        tx.execute(text(_ITEM))
    older.create_schema()
    with older.read() as tx:
        assert tx.execute(text("SELECT fingerprint, reason FROM review_item")).one() == ("g-unreadable", "damaged")


def test_a_new_home_is_made_once_and_left_alone_after_that(fresh: Database) -> None:
    fresh.create_schema()
    with fresh.read() as tx:
        before = schema_of(tx)
    fresh.create_schema()
    with fresh.read() as tx:
        assert schema_of(tx) == before
    assert version_of(fresh) == SCHEMA_VERSION


def test_a_home_that_a_newer_release_has_changed_is_refused_in_words(fresh: Database) -> None:
    fresh.create_schema()
    with fresh.write() as tx:
        tx.execute(text("UPDATE hub_schema_version SET version_num = '9999'"))
    with pytest.raises(SettingsError) as refused:
        fresh.create_schema()
    assert "a newer release has worked with it" in str(refused.value)
    assert version_of(fresh) == "9999"


def opener(url: str, *, dies: bool = False) -> int:
    """A process that opens the home; its number."""

    def open_home() -> None:
        if dies:
            schema.upgrade = upgrade_and_die
        Database(url).create_schema()

    return fork(open_home)


def upgrade_and_die(tx: Transaction) -> None:
    upgrade(tx)
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_that_open_an_older_home_at_once_upgrade_it_once(older: Database, database_url: str) -> None:
    older.dispose()
    openers = [opener(database_url) for _ in range(4)]
    assert [finish(one) for one in openers] == [0] * 4
    assert version_of(older) == SCHEMA_VERSION


def test_a_process_killed_before_its_upgrade_was_committed_leaves_the_older_home(
    older: Database, database_url: str
) -> None:
    older.dispose()
    assert finish(opener(database_url, dies=True)) == -signal.SIGKILL
    with older.read() as tx:
        assert not inspect(tx).has_table("ledger_day")
        assert tx.execute(text("SELECT count(*) FROM journal")).scalar() == 3
    older.create_schema()
    assert version_of(older) == SCHEMA_VERSION
