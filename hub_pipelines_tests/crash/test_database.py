"""The database goes away, comes back, or is locked by another: tried again, nothing half-written."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub_pipelines.common import store as common_store
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import finish, fork, run_in_child, stop_self, wait_until_stopped
from hub_pipelines_tests.crash.servers import OwnServer, own_server
from hub_pipelines_tests.crash.test_overlaps import assert_one_effect, stop_inside_posting, waiting_file
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import expire_leases, journal_size, lease, open_test_hub, process_all, submission

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as found:
        yield found


@pytest.fixture
def own_url(server: OwnServer) -> str:
    """The server's own database, emptied: a restart must not disturb the other tests' server."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server.url


def stopped_in_a_posting(home: Path, url: str, report: Path, *, lease_s: float) -> tuple[str, int]:
    request_id = waiting_file(home, url, lease_s=lease_s)
    pid = run_in_child(home, url, request_id, owner="victim", report=report, before=stop_inside_posting)
    wait_until_stopped(pid)
    return request_id, pid


def test_postgresql_restarted_in_the_middle_of_a_posting_rolls_it_back_and_it_is_tried_again(
    server: OwnServer, own_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    request_id, pid = stopped_in_a_posting(home, own_url, tmp_path / "report", lease_s=30)
    server.restart_at_once()
    os.kill(pid, signal.SIGCONT)
    assert finish(pid) == 0
    assert (tmp_path / "report").read_text() == '"retrying"'
    hub = open_test_hub(home, own_url)
    assert "database" in (submission(hub, request_id).reason or "")
    assert journal_size(hub) == 2, "the registry's two, none of the posting"
    assert_invariants(hub)
    process_all(hub, owner="rescuer")
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_postgresql_that_stays_away_longer_than_its_worker_leaves_a_lease_that_ends_and_is_taken_over(
    server: OwnServer, own_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    request_id, pid = stopped_in_a_posting(home, own_url, tmp_path / "report", lease_s=30)
    server.stop_at_once()
    os.kill(pid, signal.SIGCONT)
    assert finish(pid) != 0, "it could not even write down that it had failed"
    server.start()
    hub = open_test_hub(home, own_url)
    assert submission(hub, request_id).state is State.LEASED
    assert_invariants(hub)
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_a_posting_that_finds_sqlite_locked_for_longer_than_it_waits_is_tried_again(tmp_path: Path) -> None:
    home, database = tmp_path / "home", tmp_path / "hub.db"
    url = f"sqlite:///{database}"
    request_id = waiting_file(home, url, lease_s=30)

    def work() -> None:
        common_store.SQLITE_BUSY_TIMEOUT_S = 0.2  # type: ignore[misc,assignment]
        hub = open_test_hub(home, url)
        held = lease(hub, request_id, "victim")
        with hub.processing.attempt(held):
            hub.processing.validate(held)
            stop_self()
            hub.processing.post(held)

    pid = fork(work)
    wait_until_stopped(pid)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    os.kill(pid, signal.SIGCONT)
    assert finish(pid) != 0, "while all is locked it can't write down that it failed"
    other.execute("ROLLBACK")
    other.close()
    hub = open_test_hub(home, url)
    assert submission(hub, request_id).state is State.LEASED
    assert journal_size(hub) == 2
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    assert_one_effect(hub, request_id)
    hub.db.dispose()


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "is killed"])
def test_a_backup_put_in_place_of_sqlites_file_in_the_middle_of_a_posting_has_the_one_effect(
    tmp_path: Path, end: signal.Signals
) -> None:
    """The posting that goes on goes with the file that is gone; it takes nothing with it of what is there now."""
    home, database, backup = tmp_path / "home", tmp_path / "hub.db", tmp_path / "backup.db"
    url = f"sqlite:///{database}"
    request_id = waiting_file(home, url, lease_s=30)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    pid = run_in_child(home, url, request_id, owner="victim", report=tmp_path / "report", before=stop_inside_posting)
    wait_until_stopped(pid)
    for left in tmp_path.glob("hub.db-*"):
        left.unlink()
    backup.rename(database)
    hub = open_test_hub(home, url)
    process_all(hub, owner="rescuer")
    os.kill(pid, end)
    finish(pid)
    assert_one_effect(hub, request_id)
    hub.db.dispose()
    again = open_test_hub(home, url)
    process_all(again, owner="rescuer")
    assert_one_effect(again, request_id)
    again.db.dispose()
