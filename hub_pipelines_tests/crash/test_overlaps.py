"""Workers that race, sleep through their lease, lose their connection or find damaged bytes."""

import json
import os
import signal
import sqlite3
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import psycopg._copy
import pytest
from sqlalchemy import Table
from sqlalchemy.engine import make_url

from hub_pipelines import preparing
from hub_pipelines.common.rows import store as many_rows
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.submission.model import Lease, State
from hub_pipelines.validate.staging import staged_path
from hub_pipelines_tests import recovering
from hub_pipelines_tests.crash.faults import finish, fork, run_in_child, stop_self, wait_until_stopped
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    asset,
    events,
    expire_leases,
    journal_size,
    lease,
    lease_and_validate,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send_assets,
    submission,
)

pytestmark = pytest.mark.crash

PROCESSES = 50
SHORT_LEASE_S = 4.0
"""It runs out while a test waits. Long enough that PostgreSQL ends no transaction of a worker that is only slow."""


def waiting_file(home: Path, database_url: str, *, lease_s: float) -> str:
    """A hub with one received file; nothing of it stays open in this process."""
    hub = open_test_hub(home, database_url, lease_s=lease_s)
    make_registry(hub, ["NC-0001", "NC-0002"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    hub.db.dispose()
    return request_id


def assert_one_effect(hub: Hub, request_id: str) -> None:
    assert submission(hub, request_id).state is State.POSTED
    assert journal_size(hub) == 4  # two in the registry, two of the file
    assert events(hub, request_id).count("submission:posted") == 1
    assert_invariants(hub)


# ---- racing


@pytest.mark.parametrize("owners", ["each its own", "all the same"])
def test_of_fifty_processes_that_race_for_one_submission_one_posts_it(
    database_url: str, tmp_path: Path, owners: str
) -> None:
    home = tmp_path / "home"
    request_id = waiting_file(home, database_url, lease_s=60)
    gate_out, gate_in = os.pipe()

    def wait_at_the_gate(_hub: Hub) -> None:
        os.close(gate_in)
        os.read(gate_out, 1)  # returns when the parent closes its end

    pids = [
        run_in_child(
            home,
            database_url,
            request_id,
            owner="run" if owners == "all the same" else f"run-{number}",
            report=tmp_path / f"report-{number}",
            before=wait_at_the_gate,
        )
        for number in range(PROCESSES)
    ]
    os.close(gate_out)
    os.close(gate_in)
    assert [finish(pid) for pid in pids] == [0] * PROCESSES
    ends = Counter(json.loads((tmp_path / f"report-{number}").read_text()) for number in range(PROCESSES))
    hub = open_test_hub(home, database_url)
    assert ends["posted"] == 1
    # with one owner a process may find the posting finished between two of its steps
    others = {"busy", "repeat", "lease lost"} if owners == "all the same" else {"busy", "repeat"}
    assert set(ends) <= {"posted", *others}, ends
    assert_one_effect(hub, request_id)
    hub.db.dispose()


# ---- sleeping through a lease


def stop_before_posting(_hub: Hub) -> None:
    real = preparing.read_staged

    def read_staged(*args: object, **named: object) -> object:
        found = real(*args, **named)  # type: ignore[arg-type]
        stop_self()
        return found

    preparing.read_staged = read_staged  # type: ignore[assignment]


def stop_inside_posting(_hub: Hub) -> None:
    real = many_rows.insert_columns

    def insert_columns(tx: Transaction, table: Table, *rest: Any, **named: Any) -> None:
        real(tx, table, *rest, **named)
        if table is ledgers.journal_row:
            stop_self()

    setattr(postings, "insert_columns", insert_columns)  # noqa: B010  # as the module itself names it


def stopped_worker(
    home: Path, database_url: str, request_id: str, report: Path, before: Callable[[Hub], None]
) -> Iterator[int]:
    pid = run_in_child(home, database_url, request_id, owner="sleeper", report=report, before=before)
    wait_until_stopped(pid)
    yield pid
    os.kill(pid, signal.SIGCONT)
    assert finish(pid) == 0


def test_a_worker_stopped_before_its_posting_beyond_its_lease_is_fenced(database_url: str, tmp_path: Path) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    request_id = waiting_file(home, database_url, lease_s=SHORT_LEASE_S)
    for _ in stopped_worker(home, database_url, request_id, report, stop_before_posting):
        hub = open_test_hub(home, database_url)
        (outcome,) = (one for one in process_all(hub, owner="rescuer") if isinstance(one, Posting))
        assert outcome.posted == 2
    assert json.loads(report.read_text()) == "lease lost"
    assert events(hub, request_id)[-2:] == ["submission:posted", "submission:fenced"]
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def end_idle_transactions(database_url: str) -> None:
    """Wait for the server's own idle timeout; where its timer does not fire (seen on a loaded sandbox), stand in."""
    idle = "FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    deadline = time.monotonic() + 2 * SHORT_LEASE_S
    with psycopg.connect(database_url, autocommit=True) as other:
        while other.execute(f"SELECT 1 {idle}").fetchone():
            if time.monotonic() > deadline:
                warnings.warn("idle_in_transaction_session_timeout did not fire", stacklevel=2)
                other.execute(f"SELECT pg_terminate_backend(pid) {idle}")
            time.sleep(0.05)


def test_a_worker_stopped_inside_its_posting_transaction_is_rolled_back_fenced_and_audited(
    postgres_database: Callable[..., object], tmp_path: Path
) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    with postgres_database() as database_url:  # type: ignore[attr-defined]
        request_id = waiting_file(home, database_url, lease_s=SHORT_LEASE_S)
        for _ in stopped_worker(home, database_url, request_id, report, stop_inside_posting):
            end_idle_transactions(database_url)
            hub = open_test_hub(home, database_url)
            (outcome,) = (one for one in process_all(hub, owner="rescuer") if isinstance(one, Posting))
            assert outcome.posted == 2
        assert json.loads(report.read_text()) == "lease lost"
        assert events(hub, request_id)[-1] == "submission:fenced"
        assert_one_effect(hub, request_id)
        hub.db.dispose()


def inside_a_copy(then: Callable[[Transaction], None]) -> Callable[..., None]:
    """`insert_columns` that does something when the first entries of a posting are on their way to the server."""
    real = many_rows.insert_columns

    def insert_columns(tx: Transaction, table: Table, columns: Any, batches: Iterable[Any], **named: Any) -> None:
        def interrupted() -> Iterator[Any]:
            for number, batch in enumerate(batches):
                yield batch
                if number == 0:
                    then(tx)

        real(tx, table, columns, interrupted() if table is ledgers.journal_row else batches, **named)

    return insert_columns


def stop_inside_a_copy(_hub: Hub) -> None:
    setattr(postings, "insert_columns", inside_a_copy(lambda _tx: stop_self()))  # noqa: B010  # as it names it


def test_a_worker_stopped_in_the_middle_of_a_copy_does_not_keep_its_submission(
    postgres_database: Callable[..., object], tmp_path: Path
) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    with postgres_database() as database_url:  # type: ignore[attr-defined]
        request_id = waiting_file(home, database_url, lease_s=SHORT_LEASE_S)
        for _ in stopped_worker(home, database_url, request_id, report, stop_inside_a_copy):
            hub = open_test_hub(home, database_url)
            (outcome,) = (one for one in process_all(hub, owner="rescuer") if isinstance(one, Posting))
            assert outcome.posted == 2
        assert json.loads(report.read_text()) == "lease lost"
        assert_one_effect(hub, request_id)
        hub.db.dispose()


def test_a_worker_killed_in_the_middle_of_a_copy_leaves_nothing_and_its_file_is_posted_once(
    postgres_database: Callable[..., object], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with postgres_database() as database_url:  # type: ignore[attr-defined]
        request_id = waiting_file(home, database_url, lease_s=30)

        def post_and_die() -> None:
            hub = open_test_hub(home, database_url)
            taken = lease_and_validate(hub, request_id)
            kill = partial(os.kill, os.getpid(), signal.SIGKILL)
            setattr(postings, "insert_columns", inside_a_copy(lambda _tx: kill()))  # noqa: B010  # as it names it
            hub.processing.post(taken)

        assert finish(fork(post_and_die)) == -signal.SIGKILL
        hub = open_test_hub(home, database_url)
        assert journal_size(hub) == 2, "only the registry's"
        expire_leases(hub.db)
        process_all(hub, owner="rescuer")
        assert_one_effect(hub, request_id)
        hub.db.dispose()


# ---- losing the database


@pytest.fixture
def postgres_hub(postgres_database: Callable[..., object], tmp_path: Path) -> Iterator[Hub]:
    with postgres_database() as url:  # type: ignore[attr-defined]
        hub = open_test_hub(tmp_path / "home", url)
        make_registry(hub, ["NC-0001", "NC-0002"])
        yield hub
        hub.db.dispose()


def terminate(hub: Hub, backend: int) -> None:
    address = make_url(hub.settings.database_url).render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (backend,))
    recovering.fault()


def test_a_connection_lost_in_the_middle_of_a_posting_is_tried_again_with_one_effect(
    postgres_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = postgres_hub
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    real = many_rows.insert_columns
    lost: list[int] = []

    def insert_and_lose(tx: Transaction, table: Table, *rest: Any, **named: Any) -> None:
        real(tx, table, *rest, **named)
        if table is ledgers.journal_row and not lost:
            lost.append(tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            terminate(hub, lost[0])

    monkeypatch.setattr(postings, "insert_columns", insert_and_lose)
    assert_tried_again(hub, request_id)
    assert lost


def assert_tried_again(hub: Hub, request_id: str) -> None:
    """It loses its connection, and posts with the next attempt."""
    assert process(hub, request_id) is State.RETRYING
    assert "database" in (submission(hub, request_id).reason or "")
    assert journal_size(hub) == 2
    process_all(hub)
    assert_one_effect(hub, request_id)


def test_a_connection_lost_while_rows_are_on_their_way_to_the_server_is_tried_again_with_one_effect(
    postgres_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = postgres_hub
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    lost: list[int] = []

    def lose(tx: Transaction) -> None:
        connection: Any = tx.connection.driver_connection
        if not lost:
            lost.append(connection.info.backend_pid)
            terminate(hub, lost[0])

    threads = set(threading.enumerate())
    monkeypatch.setattr(postings, "insert_columns", inside_a_copy(lose))
    assert_tried_again(hub, request_id)
    assert set(threading.enumerate()) == threads, "nobody goes on writing"
    assert lost


def test_a_worker_that_is_stopped_while_rows_are_handed_over_stops_and_is_not_taken_for_one_that_failed(
    postgres_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = postgres_hub
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    taken = lease_and_validate(hub, request_id)

    def stopped(_worker: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(psycopg._copy, "gather", stopped)
        with pytest.raises(KeyboardInterrupt), hub.processing.attempt(taken):
            hub.processing.post(taken)
    assert submission(hub, request_id).state is State.LEASED, "its lease ends, as of one that was killed"
    assert journal_size(hub) == 2
    recovering.fault()
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    assert_one_effect(hub, request_id)


def test_a_connection_lost_after_the_commit_and_before_its_answer_has_one_effect(
    postgres_hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub = postgres_hub
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    taken = lease_and_validate(hub, request_id)
    real = hub.db.engine.dialect.do_commit
    ends: list[str] = []

    def commit_and_lose(connection: object) -> None:
        real(connection)  # type: ignore[arg-type]
        with psycopg.connect(make_url(hub.settings.database_url).render_as_string(hide_password=False)) as other:
            row = other.execute("SELECT state FROM submission WHERE request_id = %s", (request_id,)).fetchone()
        if row == ("posted",) and not ends:
            ends.append("lost")
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(hub.db.engine.dialect, "do_commit", commit_and_lose)
    with hub.processing.attempt(taken):
        hub.processing.post(taken)
    assert ends == ["lost"]
    posting = hub.processing.posting_of(taken)
    assert posting is not None
    assert posting.posted == 2
    assert events(hub, request_id)[-1] == "submission:posted"
    (told,) = (one for one in caplog.records if one.exc_info and one.exc_info[0])
    assert "server closed the connection" in caplog.text
    assert told.levelname == "ERROR"
    process_all(hub)
    assert_one_effect(hub, request_id)


def test_a_posting_waits_while_another_process_holds_sqlites_write_lock(tmp_path: Path) -> None:
    home, database = tmp_path / "home", tmp_path / "hub.db"
    url = f"sqlite:///{database}"
    request_id = waiting_file(home, url, lease_s=30)
    held_out, held_in = os.pipe()

    def hold_the_lock() -> None:
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        os.write(held_in, b"x")
        time.sleep(1.5)
        connection.execute("ROLLBACK")

    pid = fork(hold_the_lock)
    os.read(held_out, 1)
    started = time.monotonic()
    hub = open_test_hub(home, url)
    outcome = process(hub, request_id)
    assert time.monotonic() - started > 1
    assert isinstance(outcome, Posting)
    assert finish(pid) == 0
    os.close(held_out)
    os.close(held_in)
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_threads_that_send_the_same_bytes_at_once_make_one_submission(database_url: str, tmp_path: Path) -> None:
    hub = open_test_hub(tmp_path / "home", database_url)
    make_registry(hub, ["NC-0001", "NC-0002"])
    path = tmp_path / "lab.csv"
    path.write_bytes(b"asset_tag\nNC-0001\n")
    together = threading.Barrier(6)
    outcomes: list[str] = []

    def work() -> None:
        together.wait()
        outcomes.append(str(hub.submit(path, NORTH_INVENTORY, actor="tester").outcome))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert Counter(outcomes) == {"received": 1, "duplicate": 5}
    process_all(hub)
    assert_invariants(hub)
    hub.db.dispose()


# ---- damaged bytes


@pytest.mark.parametrize("late", [False, True], ids=["before the check", "after the check"])
def test_one_flipped_byte_of_an_archived_object_stops_the_posting(
    database_url: str, tmp_path: Path, late: bool
) -> None:
    hub = open_test_hub(tmp_path / "home", database_url)
    make_registry(hub, ["NC-0001", "NC-0002"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    digest = submission(hub, request_id).envelope.content_digest
    archived = hub.archive.object_path(digest)
    whole = archived.read_bytes()
    before = journal_size(hub)

    def flip() -> None:
        archived.chmod(0o644)
        archived.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])

    def check_then_flip(held: Lease) -> None:
        hub.processing.check_archive(held)
        flip()
        hub.processing.validate(held)

    if late:
        taken = lease(hub, request_id)
        with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
            check_then_flip(taken)
    else:
        flip()
        assert process(hub, request_id) is State.IN_REVIEW
    (item,) = hub.review.listing()
    assert (item.cause, item.request_id) == ("integrity", request_id)
    assert journal_size(hub) == before
    assert_invariants(hub, damaged={digest})
    archived.write_bytes(whole)
    hub.review.replay(item.item_id, actor="kim")
    process_all(hub)
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_one_flipped_byte_of_a_staged_file_stops_the_posting(database_url: str, tmp_path: Path) -> None:
    hub = open_test_hub(tmp_path / "home", database_url)
    make_registry(hub, ["NC-0001", "NC-0002"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    taken = lease_and_validate(hub, request_id)
    staged = submission(hub, request_id).staged
    assert staged is not None
    path = staged_path(hub.settings.staged, staged)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AttemptFailed) as failed, hub.processing.attempt(taken):
        hub.processing.post(taken)
    assert failed.value.state is State.IN_REVIEW
    assert journal_size(hub) == 2
    (item,) = hub.review.listing()
    assert item.cause == "integrity"
    hub.review.replay(item.item_id, actor="kim")
    process_all(hub)
    assert_one_effect(hub, request_id)
    hub.db.dispose()
