"""kill -9 while a posting gives its place to others, and while another waits for one: each is posted once."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.ledger.model import LedgerTaken
from hub_pipelines.submission.model import State
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import LEASE_S, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    all_submissions,
    asset,
    events,
    expire_leases,
    journal_size,
    lease_and_validate,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send_assets,
    submission,
)

pytestmark = pytest.mark.crash


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "PATIENCE_S", 0.1)


def fill_with_a_list(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    make_registry(hub, ["NC-0001", "NC-0002"])
    send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    hub.db.dispose()


def give_way_and_post(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    other = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_commits(hub)
    (waiting,) = (one for one in all_submissions(hub) if one.state is State.RECEIVED)
    first = lease_and_validate(hub, waiting.request_id, "first run")
    with other.db.write() as tx:
        locking.lock(tx, NORTH_LEDGER, patience_s=None)
        with suppress(LedgerTaken), hub.processing.attempt(first):
            hub.processing.post(first)
    process(hub, waiting.request_id, owner="second run")
    boundaries.step()


def recover(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    process_all(hub, owner="rescuer")
    (posted,) = (one for one in all_submissions(hub) if one.envelope.feed == "inventory")
    assert posted.state is State.POSTED
    assert events(hub, posted.request_id).count("submission:posted") == 1
    assert journal_size(hub) == 4, "two tags and their items"
    assert_invariants(hub)


def test_a_run_killed_while_it_gives_its_place_to_others_loses_nothing_and_posts_once(
    request: pytest.FixtureRequest,
) -> None:
    homes = homes_for(request, "postgresql", fill=fill_with_a_list)
    # leased, staged, given back; leased, staged, posted; and after that
    kill_everywhere(homes, give_way_and_post, recover, at_least=7)


@dataclass(frozen=True)
class Waiting:
    """A list that waits for its first run. Its hub has no connection yet: children are forked beside it."""

    request_id: str
    hub: Hub
    open_again: Callable[[], Hub]


@pytest.fixture
def waiting(postgres_database: MakeDatabase, tmp_path: Path) -> Iterator[Waiting]:
    home = tmp_path / "home"
    with postgres_database() as url:
        fill_with_a_list(home, url)
        hub = open_test_hub(home, url)
        (request_id,) = (one.request_id for one in all_submissions(hub) if one.state is State.RECEIVED)
        hub.db.dispose()
        yield Waiting(request_id, hub, partial(open_test_hub, home, url))
        hub.db.dispose()


def test_a_run_killed_while_it_waits_for_a_ledger_leaves_its_file_to_the_next(waiting: Waiting) -> None:
    hub, request_id = waiting.hub, waiting.request_id
    locked, tell_locked = os.pipe()

    def wait() -> None:
        os.close(tell_locked)
        locking.PATIENCE_S = 60.0
        child = waiting.open_again()
        assert os.read(locked, 1) == b"!"
        process(child, request_id, owner="victim")

    pid = fork(wait)
    with hub.db.write() as tx:
        locking.lock(tx, NORTH_LEDGER, patience_s=None)
        os.write(tell_locked, b"!")
        deadline = time.monotonic() + 60
        while not _somebody_waits(tx):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        assert finish(pid) == -signal.SIGKILL
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    assert submission(hub, request_id).state is State.POSTED
    assert events(hub, request_id).count("submission:posted") == 1
    assert_invariants(hub)


def _somebody_waits(tx: Transaction) -> bool:
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    query = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND {here}"
    return bool(tx.exec_driver_sql(query).scalar_one())


def test_a_posting_that_is_killed_frees_its_ledger_for_who_gave_way(waiting: Waiting) -> None:
    hub, request_id = waiting.hub, waiting.request_id
    told, tell = os.pipe()

    def post_for_long() -> None:
        with waiting.open_again().db.write() as tx:
            locking.lock(tx, NORTH_LEDGER, patience_s=None)
            os.write(tell, b"!")
            time.sleep(120)

    pid = fork(post_for_long)
    assert os.read(told, 1) == b"!"
    assert process(hub, request_id) is State.RECEIVED
    os.kill(pid, signal.SIGKILL)
    assert finish(pid) == -signal.SIGKILL
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED
    assert_invariants(hub)
