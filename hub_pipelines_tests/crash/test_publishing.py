"""kill -9 at every moment of publishing: a reader finds the old or the new snapshot, the next run mends the rest."""

import os
import time
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from hub_pipelines.audit import store as audit
from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.snapshots.service import NotPublished
from hub_pipelines.publishing import due, publish
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import LEASE_S, Fill, Home, Homes, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.stores.test_publishing import tamper
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    on_day,
    open_test_hub,
    process,
    process_all,
    send_assets,
    take_everything,
)

pytestmark = pytest.mark.crash

INVENTORY = FEEDS["inventory"].record_type("inventory.asset")
MONDAY = date(2026, 3, 2)
AN_HOUR_AGO_S = 4_000


def fold(hub: Hub) -> str:
    (outcome,) = publish(hub, "inventory", "north", MONDAY, actor="run/test", from_archive=False)
    return outcome.state


def prepare(home: Path, database_url: str) -> None:
    """A published version of a day, and a newer posting."""
    hub = on_day(open_test_hub(home, database_url, lease_s=LEASE_S), MONDAY)
    take_everything(hub)
    process_all(hub)
    assert fold(hub) == "published"
    process(hub, send_assets(hub, "more.csv", asset("NC-0002", quantity="9")))
    hub.db.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def homes(request: pytest.FixtureRequest) -> Homes:
    found = homes_for(request, request.param)
    found.change(prepare)
    return found


def folder_of(home: Path) -> Path:
    return home / "ledgers" / "inventory.asset" / "north"


def digest_of(home: Path) -> str:
    """Of the day's published file."""
    return sha256_hex((folder_of(home) / "2026-03-02.parquet").read_bytes())


def drafts(home: Path) -> list[Path]:
    return [one for one in folder_of(home).iterdir() if one.name.startswith(".")]


def break_contract(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    tamper(hub, "NC-0001", category="weapon")
    hub.db.dispose()


def publish_under_watch(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    fold(hub)


def told(hub: Hub) -> list[str]:
    with hub.db.read() as tx:
        entry = audit.audit_entry.c
        query = select(entry.event).where(entry.event.startswith("ledger:"), entry.subject == NORTH_LEDGER)
        return list(tx.execute(query.order_by(entry.seq)).scalars())


def recover(home: Path, database_url: str) -> None:
    """A reader in between, the next run, and then everything that must be true."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    try:
        state = {row.key: row.values["quantity"] for row in hub.snapshots.state(INVENTORY, "north", MONDAY)}
        assert state == {"NC-0001": "2.5", "NC-0002": "9"}
    except NotPublished:
        assert any(one.ledger == NORTH_LEDGER for one in due(hub, at_rest=False)), "nobody would fold it again"
    for draft in drafts(home):
        os.utime(draft, (time.time() - AN_HOUR_AGO_S,) * 2)
    assert fold(hub) in {"published", "confirmed"}
    assert drafts(home) == []
    with hub.db.read() as tx:
        kept = snapshots.find(tx, NORTH_LEDGER, "north", MONDAY)
        assert kept is not None
        entries = snapshots.count_entries(tx, NORTH_LEDGER, "north", MONDAY)
    assert (kept.version, kept.judged_version, kept.entries, kept.blocked) == (2, 2, entries, None)
    assert digest_of(home) == kept.file_digest
    quantities = {row.key: row.values["quantity"] for row in hub.snapshots.state(INVENTORY, "north", MONDAY)}
    assert quantities == {"NC-0001": "2.5", "NC-0002": "9"}
    assert told(hub) == ["ledger:published", "ledger:published"]
    assert verify_all(hub).ok
    assert_invariants(hub)


def recover_blocked(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    assert fold(hub) == "blocked"
    with hub.db.read() as tx:
        kept = snapshots.find(tx, NORTH_LEDGER, "north", MONDAY)
    assert kept is not None
    assert (kept.version, kept.judged_version) == (1, 2)
    assert "weapon" in str(kept.blocked)
    assert digest_of(home) == kept.file_digest
    assert told(hub) == ["ledger:published", "ledger:blocked"]


def kill_publishers_everywhere(homes: Homes, recovered: Fill, *, at_least: int) -> None:
    old = digest_of(homes.root / "template")

    def killed(copies: dict[int, Home], unharmed: Home) -> None:
        new = digest_of(unharmed[0])
        seen = [digest_of(home) for home, _ in copies.values()]
        assert set(seen) == {old, new}
        assert seen == sorted(seen, key=[old, new].index), "the new one came and went"

    kill_everywhere(homes, publish_under_watch, recovered, at_least=at_least, killed=killed)


def test_a_publisher_killed_at_any_boundary_leaves_the_old_or_the_new_snapshot_and_loses_nothing(homes: Homes) -> None:
    kill_publishers_everywhere(homes, recover, at_least=4)


@pytest.mark.slow
def test_a_publisher_killed_while_it_holds_back_a_snapshot_leaves_the_old_one(homes: Homes) -> None:
    homes.change(break_contract)
    kill_publishers_everywhere(homes, recover_blocked, at_least=3)


@pytest.mark.slow
def test_processes_that_publish_the_same_day_at_once_leave_the_file_that_the_record_tells_of(
    homes: Homes, tmp_path: Path
) -> None:
    def publish_when_told(home: Path, url: str) -> None:
        hub = open_test_hub(home, url, lease_s=LEASE_S)
        while not (tmp_path / "go").exists():
            time.sleep(0.005)
        assert fold(hub) in {"published", "confirmed"}

    with ExitStack() as stack:
        shared = homes.copy("shared", stack)
        children = [fork(partial(publish_when_told, *shared)) for _ in range(4)]
        (tmp_path / "go").touch()
        assert [finish(pid) for pid in children] == [0] * 4
        assert finish(fork(partial(recover, *shared))) == 0
