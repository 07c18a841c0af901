"""kill -9 at every moment between two durable effects: afterwards nothing is lost and nothing is done twice."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from hub_pipelines.ledger.comparing.remarks import WORTH_A_LOOK
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import AT_ONCE as AT_ONCE
from hub_pipelines_tests.crash.killing import FILE, LEASE_S, homes_for, kill_everywhere
from hub_pipelines_tests.crash.killing import Homes as Homes
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    all_submissions,
    events,
    expire_leases,
    ledger_values,
    ledger_version,
    make_registry,
    open_test_hub,
    process_all,
    take_everything,
)

pytestmark = pytest.mark.crash


def take_and_process(home: Path, database_url: str, boundaries: Boundaries) -> None:
    """The whole way of a file."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    take_everything(hub)
    process_all(hub, owner="victim")


def recover(home: Path, database_url: str) -> None:
    """What the hub does after a crash, and then everything that must be true."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take_everything(hub)
    process_all(hub, owner="rescuer")
    lab = [one for one in all_submissions(hub) if one.envelope.feed == "inventory"]
    assert [(one.state, one.counts.posted, one.counts.rejected) for one in lab] == [(State.POSTED, 2, 1)]
    assert set(ledger_values(hub)) == {"NC-0001", "NC-0002"}
    assert ledger_version(hub) == 1
    told = events(hub, lab[0].request_id)
    assert (told.count("submission:received"), told.count("submission:posted")) == (1, 1)
    assert "submission:duplicate" not in told
    assert "submission:conflict" not in told
    assert_invariants(hub)


@pytest.fixture(params=["sqlite", "postgresql"])
def homes(request: pytest.FixtureRequest) -> Homes:
    return homes_for(request, request.param)


def test_a_worker_killed_at_any_boundary_leaves_one_effect_and_loses_nothing(homes: Homes) -> None:
    kill_everywhere(homes, take_and_process, recover, at_least=21)


STOCK = "Name,CAS,Location,Quantity,Unit,Supplier\n"
BEFORE = f"{STOCK}DMSO,67-68-5,Shelf 3,100,mL,Roth\nToluene,108-88-3,Shelf 3,500,mL,Sigma\n"
NEXT = (
    "Name,CAS,Location,Quantity,Unit\nToluene,108-88-3,Shelf 3,400,mL\nTips,,Shelf 4,2,box\nTips,,Shelf 4,2,box\n"
    "DMSO,67-68-5,Room 214C,100,mL\n"
)


def fill_stock(home: Path, database_url: str) -> None:
    """A posted stock list, and its next one with something to remark of every kind, in a drop folder."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    folder = hub.settings.drop / "north" / "inventory"
    (folder / "stock.csv").write_text(BEFORE, encoding="utf-8")
    take_everything(hub)
    process_all(hub)
    hub.receipts.write_due()
    (folder / "stock v2.csv").write_text(NEXT, encoding="utf-8")
    hub.db.dispose()


def take_and_post(home: Path, database_url: str, boundaries: Boundaries) -> None:
    """Killed at commits only: remarks are in no file."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_commits(hub)
    take_everything(hub)
    process_all(hub, owner="victim")


def recover_stock(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take_everything(hub)
    process_all(hub, owner="rescuer")
    (current,) = (one for one in all_submissions(hub) if one.envelope.source_name == "stock v2.csv")
    with hub.db.read() as tx:
        posting = ledger_outcomes.find_posting(tx, current.request_id, current.revision)
        told = ledger_problems.of_posting(tx, current.request_id, current.revision, severity="warn", limit=100)
    assert posting is not None
    assert (posting.posted, posting.new) == (4, 3)
    assert posting.worth_a_look == sum(one["rule"] in WORTH_A_LOOK for one in told)
    rules = sorted(one["rule"] for one in told)
    toluene = ledger_values(hub, "inventory.stock@north")["cas 108-88-3|Shelf 3"]
    assert (toluene["quantity_on_hand"], toluene["supplier"]) == ("400", "Sigma"), (
        "what the file says, and what it kept"
    )
    assert rules == ["column_kept", "earlier_lines_left", "listed_elsewhere", "rows_alike"], rules
    assert_invariants(hub)


def test_a_worker_killed_while_it_posts_remarks_tells_each_of_them_once(request: pytest.FixtureRequest) -> None:
    homes = homes_for(request, "sqlite", fill_stock)
    kill_everywhere(homes, take_and_post, recover_stock, at_least=7)


ONE_FEED = '[campuses.north]\n[feeds]\nenabled = ["procurement"]\n'
"""The folders of each other campus and feed are made as the first ones are."""


def test_a_hub_killed_during_its_first_start_starts_again(tmp_path: Path) -> None:
    def start(home: Path, kill_at: int, count: Path) -> None:
        home.mkdir()
        (home / "hub.toml").write_text(ONE_FEED, encoding="utf-8")
        boundaries = Boundaries(kill_at)
        boundaries.watch_files()
        open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=LEASE_S)
        count.write_text(str(boundaries.count))

    count = tmp_path / "count"
    assert finish(fork(lambda: start(tmp_path / "unharmed", 0, count))) == 0
    boundaries = int(count.read_text())
    assert boundaries >= 12
    for k in range(1, boundaries + 1):
        home = tmp_path / f"home-{k}"
        assert finish(fork(partial(start, home, k, count))) == -signal.SIGKILL
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=LEASE_S)
        make_registry(hub, ["NC-0001"])
        assert_invariants(hub)
        hub.db.dispose()


def test_a_worker_killed_at_every_attempt_leads_to_review(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    hub = open_test_hub(tmp_path / "home", url, lease_s=LEASE_S, max_attempts=2)
    make_registry(hub, ["NC-0001"])
    (hub.settings.drop / "north" / "inventory" / "lab.csv").write_bytes(FILE)
    take_everything(hub)
    (request_id,) = (one.request_id for one in all_submissions(hub) if one.state is State.RECEIVED)
    hub.db.dispose()

    def poisoned() -> None:
        child = open_test_hub(tmp_path / "home", url)
        child.processing.begin(request_id, f"victim-{os.getpid()}")
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(2):
        assert finish(fork(poisoned)) == -signal.SIGKILL
        hub = open_test_hub(tmp_path / "home", url)
        expire_leases(hub.db)
        hub.db.dispose()
    process_all(hub, owner="rescuer")
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause) == (request_id, "exhausted")
    assert_invariants(hub)
    hub.db.dispose()
