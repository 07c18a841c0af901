"""Workers that crash on a row, wake up late, race with their rescuers or have a wrong clock."""

import ctypes
import faulthandler
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from hub_pipelines import judging
from hub_pipelines.common import store as common_store
from hub_pipelines.common.errors import Transient
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.ledger.model import Posting
from hub_pipelines.processing import Processing
from hub_pipelines.recovery.model import Kind, Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines.validate.staging import StagedRows
from hub_pipelines_tests.crash.faults import finish, fork, outcome_of_run, run_in_child, stop_self, wait_until_stopped
from hub_pipelines_tests.crash.test_overlaps import assert_one_effect, stop_before_posting, waiting_file
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.stores.test_recovery import KnownRuns
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    all_submissions,
    asset,
    events,
    expire_leases,
    inventory_csv,
    journal_size,
    lease,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send_assets,
    submission,
    take_everything,
)

pytestmark = pytest.mark.crash

# ---- a row that crashes its worker


def segfault() -> None:
    faulthandler.disable()  # pytest's page about it would be of no use here
    ctypes.string_at(0)


def be_killed_for_memory() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does to a process that has taken too much


@pytest.mark.parametrize("crash", [segfault, be_killed_for_memory])
def test_a_row_that_crashes_every_worker_leads_to_review_and_its_neighbours_are_posted(
    tmp_path: Path, crash: Callable[[], None]
) -> None:
    home, url = tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}"
    hub = open_test_hub(home, url, max_attempts=2)
    make_registry(hub, ["NC-0001", "NC-0002"])
    neighbours = [send_assets(hub, f"lab-{n}.csv", asset("NC-0001", quantity=str(n + 1))) for n in range(3)]
    poison = send_assets(hub, "poison.csv", asset("NC-0001"), asset("NC-0002", item_name="poison"))
    hub.db.dispose()

    def work() -> None:
        real = judging.in_bulk

        def in_bulk(*args: object, **context: object) -> Iterator[StagedRows]:
            for rows in real(*args, **context) or ():  # type: ignore[arg-type]
                if "poison" in str(rows.table["values"].to_pylist()):
                    crash()
                yield rows

        judging.in_bulk = in_bulk  # type: ignore[assignment]
        child = open_test_hub(home, url)
        expire_leases(child.db)
        process_all(child, owner=f"worker-{os.getpid()}")

    ends = []
    while not ends or ends[-1] != 0:
        ends.append(finish(fork(work)))
        assert len(ends) < 5
    assert len(ends) == 3, "two attempts die, the third worker has nothing left to do"
    hub = open_test_hub(home, url)
    assert {submission(hub, one).state for one in neighbours} == {State.POSTED}
    assert submission(hub, poison).state is State.IN_REVIEW
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause, item.error_type) == (poison, "exhausted", "WorkerDied")
    assert_invariants(hub)
    hub.db.dispose()


# ---- a killed worker and the reconciler


def test_a_killed_workers_submission_is_brought_back_by_the_reconciler_alone(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    request_id = waiting_file(home, database_url, lease_s=60)

    pid = run_in_child(
        home, database_url, request_id, owner="victim", report=tmp_path / "r", before=stop_before_posting
    )
    wait_until_stopped(pid)
    os.kill(pid, signal.SIGKILL)
    assert finish(pid) == -signal.SIGKILL
    hub = open_test_hub(home, database_url)
    reconciler = Reconciler(hub, KnownRuns(), grace_s=0.2)
    assert reconciler.look(Position(), thorough=False).mended == (), "it may live"
    expire_leases(hub.db)
    assert reconciler.look(Position(), thorough=False).mended
    assert submission(hub, request_id).state is State.RETRYING
    process_all(hub, owner="rescuer")
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_reconcilers_that_look_at_once_end_an_attempt_once(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    request_id = waiting_file(home, database_url, lease_s=60)
    hub = open_test_hub(home, database_url)
    lease(hub, request_id, "victim")
    expire_leases(hub.db)
    hub.db.dispose()

    def work(report: Path) -> None:
        child = open_test_hub(home, database_url)
        found = Reconciler(child, KnownRuns(), grace_s=0).look(Position(), thorough=True)
        report.write_text(json.dumps([one.kind for one in found.mended]))

    pids = [fork(lambda number=number: work(tmp_path / f"report-{number}")) for number in range(8)]  # type: ignore[misc]
    assert [finish(pid) for pid in pids] == [0] * 8
    told = [kind for number in range(8) for kind in json.loads((tmp_path / f"report-{number}").read_text())]
    assert told == [Kind.LEASE_PAST_DUE]
    hub = open_test_hub(home, database_url)
    assert events(hub, request_id).count("recovery:lease_ended") == 1
    process_all(hub)
    assert_one_effect(hub, request_id)
    hub.db.dispose()


# ---- late and racing workers


def test_a_worker_that_fails_long_after_another_has_finished_changes_nothing(database_url: str, tmp_path: Path) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    request_id = waiting_file(home, database_url, lease_s=60)

    def fail_late(_hub: Hub) -> None:
        def post(*_: object) -> Posting:
            stop_self()
            raise Transient("the disk was full, a while ago")

        Processing.post = post  # type: ignore[assignment,method-assign]

    pid = run_in_child(home, database_url, request_id, owner="late", report=report, before=fail_late)
    wait_until_stopped(pid)
    hub = open_test_hub(home, database_url)
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    finished = submission(hub, request_id)
    os.kill(pid, signal.SIGCONT)
    assert finish(pid) == 0
    assert json.loads(report.read_text()) == "lease lost"
    assert submission(hub, request_id) == finished
    assert events(hub, request_id)[-1] == "submission:fenced"
    assert_one_effect(hub, request_id)
    hub.db.dispose()


ROUNDS = 4


def test_rescuers_that_race_with_a_completion_never_undo_it(database_url: str, tmp_path: Path) -> None:
    """At the moment when the lease ends: its holder completes, others take over, a reconciler ends the attempt."""
    home = tmp_path / "home"
    request_ids = []
    for number in range(ROUNDS):
        hub = open_test_hub(home, database_url)
        if not number:
            make_registry(hub, ["NC-0001", "NC-0002"])
        request_id = send_assets(hub, f"lab-{number}.csv", asset("NC-0001", quantity=str(number + 1)), asset("NC-0002"))
        request_ids.append(request_id)
        hub.db.dispose()
        report = tmp_path / f"holder-{number}"
        holder = run_in_child(home, database_url, request_id, owner="holder", report=report, before=stop_before_posting)
        wait_until_stopped(holder)
        hub = open_test_hub(home, database_url)
        expire_leases(hub.db, in_s=0.3 - 0.1 * number)
        hub.db.dispose()

        def rescue(report: Path, request_id: str = request_id) -> None:
            child = open_test_hub(home, database_url)
            Reconciler(child, KnownRuns(), grace_s=0).look(Position(), thorough=False)
            report.write_text(json.dumps(outcome_of_run(child, request_id, f"rescuer-{os.getpid()}")))

        rescuers = [fork(lambda n=n: rescue(tmp_path / f"rescuer-{number}-{n}")) for n in range(3)]  # type: ignore[misc]  # noqa: B023
        os.kill(holder, signal.SIGCONT)
        assert [finish(pid) for pid in (holder, *rescuers)] == [0] * 4
        hub = open_test_hub(home, database_url)
        process_all(hub, owner="last")
        assert submission(hub, request_id).state is State.POSTED
        assert events(hub, request_id).count("submission:posted") == 1
        assert_invariants(hub)
        hub.db.dispose()


def test_the_same_request_in_a_new_process_gets_the_stored_outcome(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    request_id = waiting_file(home, database_url, lease_s=30)
    hub = open_test_hub(home, database_url)
    process_all(hub)
    hub.db.dispose()
    report = tmp_path / "report"

    def again() -> None:
        child = open_test_hub(home, database_url)
        path = tmp_path / "again.csv"
        path.write_bytes(inventory_csv([asset("NC-0001"), asset("NC-0002")]))
        arrival = child.submit(path, NORTH_INVENTORY, actor="tester")
        run = outcome_of_run(child, request_id, "again")
        report.write_text(json.dumps([str(arrival.outcome), arrival.request_id, run]))

    for _ in range(3):
        assert finish(fork(again)) == 0
        assert json.loads(report.read_text()) == ["duplicate", request_id, "repeat"]
    hub = open_test_hub(home, database_url)
    assert hub.review.listing() == []
    assert_one_effect(hub, request_id)
    hub.db.dispose()


# ---- clocks


def with_clock_off(minutes: int) -> None:
    """In a child: this process's clock is wrong."""

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Skewed":
            return super().now(tz) + timedelta(minutes=minutes)  # type: ignore[return-value,arg-type]

    for module in (common_store, submissions):
        module.datetime = Skewed  # type: ignore[attr-defined,misc]


@pytest.mark.parametrize("minutes", [10, -10])
def test_workers_whose_clocks_are_ten_minutes_off_have_one_effect(
    database_url: str, tmp_path: Path, minutes: int
) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    request_id = waiting_file(home, database_url, lease_s=30)
    holder = run_in_child(home, database_url, request_id, owner="right", report=report, before=stop_before_posting)
    wait_until_stopped(holder)
    other = tmp_path / "other"
    pid = run_in_child(
        home, database_url, request_id, owner="wrong", report=other, before=lambda _hub: with_clock_off(minutes)
    )
    assert finish(pid) == 0
    os.kill(holder, signal.SIGCONT)
    assert finish(holder) == 0
    ends = Counter(json.loads(one.read_text()) for one in (report, other))
    if database_url.startswith("postgres"):
        assert json.loads(other.read_text()) == "busy", "the server's clock decides, the worker's does not"
    assert ends["posted"] == 1
    hub = open_test_hub(home, database_url)
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_a_clock_that_steps_back_in_the_middle_of_the_work_has_one_effect(database_url: str, tmp_path: Path) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    request_id = waiting_file(home, database_url, lease_s=30)

    def step_back_before_posting(_hub: Hub) -> None:
        real = Processing.post

        def post(self: Processing, held: object) -> Posting:
            with_clock_off(-10)
            return real(self, held)  # type: ignore[arg-type]

        Processing.post = post  # type: ignore[assignment,method-assign]

    pid = run_in_child(home, database_url, request_id, owner="stepping", report=report, before=step_back_before_posting)
    assert finish(pid) == 0
    hub = open_test_hub(home, database_url)
    process_all(hub)
    assert process(hub, request_id) is not None
    assert_one_effect(hub, request_id)
    hub.db.dispose()


# ---- a review item that can't be written


def refuse_items(hub: Hub, *, refuse: bool) -> None:
    """The database itself refuses to take a review item, as one with a broken table would."""
    if hub.db.is_postgres:
        make = (
            "CREATE OR REPLACE FUNCTION no_items() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''no items today''; END'",
            "CREATE TRIGGER no_items BEFORE INSERT ON review_item FOR EACH ROW EXECUTE FUNCTION no_items()",
        )
        drop = ("DROP TRIGGER no_items ON review_item",)
    else:
        make = (
            "CREATE TRIGGER no_items BEFORE INSERT ON review_item BEGIN SELECT RAISE(ABORT, 'no items today'); END",
        )
        drop = ("DROP TRIGGER no_items",)
    with hub.db.write() as tx:
        for statement in make if refuse else drop:
            tx.execute(text(statement))


def test_a_failure_whose_review_item_cannot_be_written_is_not_in_review_without_one(
    database_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    hub = open_test_hub(home, database_url)
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    digest = submission(hub, request_id).envelope.content_digest
    path = hub.archive.object_path(digest)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole.replace(b"NC-0001", b"NC-0002"))
    refuse_items(hub, refuse=True)
    hub.db.dispose()
    pid = run_in_child(home, database_url, request_id, owner="victim", report=tmp_path / "r", before=lambda _hub: None)
    assert finish(pid) != 0
    hub = open_test_hub(home, database_url)
    assert submission(hub, request_id).state is State.LEASED, "state and item are one transaction"
    assert_invariants(hub, damaged={digest})
    refuse_items(hub, refuse=False)
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause) == (request_id, "integrity")
    with hub.db.write() as tx:
        tx.execute(text("DELETE FROM review_item"))
    assert [one.kind for one in Reconciler(hub, KnownRuns()).look(Position(), thorough=False).mended] == [
        Kind.ITEM_MISSING
    ]
    assert [one.item_id for one in hub.review.listing()] == [item.item_id]
    assert_invariants(hub, damaged={digest})
    hub.db.dispose()


# ---- two daemons


def test_two_daemons_that_tick_a_campus_at_once_have_one_effect_for_each_file(
    database_url: str, tmp_path: Path
) -> None:
    home, files = tmp_path / "home", 8
    hub = open_test_hub(home, database_url, lease_s=20)
    make_registry(hub, ["NC-0001"])
    for number in range(files):
        path = hub.settings.drop / "north" / "inventory" / f"lab-{number}.csv"
        path.write_bytes(inventory_csv([asset("NC-0001", quantity=str(number + 1))]))
    hub.db.dispose()
    gate = tmp_path / "go"

    def daemon(name: str) -> None:
        child = open_test_hub(home, database_url)
        while not gate.exists():
            time.sleep(0.002)
        for _ in range(3):
            for one in tick(child, "north", alive=lambda _ids: set()).launches:
                process(child, one.request_id, owner=f"{name}:{one.run_key}")

    pids = [fork(lambda name=name: daemon(name)) for name in ("first", "second")]  # type: ignore[misc]
    gate.touch()
    assert [finish(pid, patience_s=120) for pid in pids] == [0, 0]
    hub = open_test_hub(home, database_url)
    take_everything(hub)
    process_all(hub)
    sent = [one for one in all_submissions(hub) if one.envelope.feed == "inventory"]
    assert [one.state for one in sent] == [State.POSTED] * files
    for one in sent:
        told = events(hub, one.request_id)
        assert (told.count("submission:received"), told.count("submission:posted")) == (1, 1)
    assert journal_size(hub) == 1 + files
    assert_invariants(hub)
    hub.db.dispose()
