"""Dagster forgets, loses or misreports runs: the hub's database decides, and nothing happens twice."""

import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import event

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import (
    REQUEST_TAG,
    drop_folder_sensor,
    register_partitions,
    review_queue_sensor,
    runs_alive,
)
from hub_pipelines.deployment import Deployment
from hub_pipelines.evidence import conservation, verify_all
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.launching import tick
from hub_pipelines.review import store as reviews
from hub_pipelines.settings import load
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Lease, State, Submission
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.defs.conftest import drop_sample
from hub_pipelines_tests.defs.test_deployment import (
    Up,
    all_posted,
    drop,
    free_port,
    hub_up,
    submissions_in,
    worker_of,
)
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    all_submissions,
    asset,
    events,
    inventory_csv,
    procurement_csv,
    submission,
    wait_until,
)

pytestmark = pytest.mark.crash

FAILURES = 2_000
WITHIN_S = 180.0


def drain(runner: Runner) -> None:
    assert runner.drain(timeout_s=300, progress=lambda _text: None)


def only(hub: Hub) -> Submission:
    (one,) = all_submissions(hub)
    return one


def evaluate(runner: Runner, sensor: dg.SensorDefinition, cursor: str | None = None) -> Any:
    with dg.build_sensor_context(instance=runner.instance, cursor=cursor, resources={"hub": HubResource()}) as context:
        return sensor(context)


# ---- what Dagster forgets


def test_deleted_runs_and_sensors_that_begin_anew_have_no_second_effect(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    before = only(runner.hub)
    for run in runner.instance.get_runs():
        runner.instance.delete_run(run.run_id)
    jobs = [runner.job("procurement_job")]
    first = evaluate(runner, drop_folder_sensor("north", jobs))  # type: ignore[arg-type]
    assert isinstance(first, dg.SkipReason), "no cursor and no run key decides what is launched"
    for _ in range(2):
        evaluate(runner, review_queue_sensor(), cursor=None)
    runner.run(before)  # a daemon that would launch it all the same
    after = only(runner.hub)
    assert (after.state, after.token, after.counts) == (before.state, before.token, before.counts)
    assert events(runner.hub, after.request_id).count("submission:posted") == 1
    assert_invariants(runner.hub)


def test_dagsters_storage_lost_entirely_leaves_the_evidence_whole_and_the_hub_catches_up(
    runner: Runner,
    home: Path,
) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    drop_sample(runner.hub, "north/inventory/chemistry-lab-2026.csv")
    waiting = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    assert len(waiting) == 1
    runner.instance.dispose()
    shutil.rmtree(home / "dagster")
    again = Runner(runner.hub)
    assert again.instance.get_runs() == []
    assert again.instance.get_dynamic_partitions("procurement_requests") == []
    assert verify_all(runner.hub).ok
    assert all(line["balanced"] for line in conservation(runner.hub))
    drain(again)
    assert {one.state for one in all_submissions(runner.hub)} == {State.POSTED}
    assert again.instance.has_dynamic_partition("inventory_requests", waiting[0].request_id)
    drop_sample(runner.hub, "south/procurement/registry-south.csv")
    drain(again)
    assert len(all_submissions(runner.hub)) == 3
    assert verify_all(runner.hub).ok
    assert_invariants(runner.hub)
    again.instance.dispose()


def test_wiped_assets_leave_the_evidence_whole(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    runner.instance.wipe_assets([dg.AssetKey("procurement_posted"), dg.AssetKey("procurement_validated")])
    assert verify_all(runner.hub).ok
    request_id = only(runner.hub).request_id
    runner.hub.review.apply_again(request_id, actor="kim")
    drain(runner)
    assert submission(runner.hub, request_id).counts.unchanged > 0
    assert_invariants(runner.hub)


# ---- run keys and slots


def test_a_failed_run_does_not_block_the_replay_of_its_submission(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (arrival,) = runner.hub.drop_folder.take("north", budget_s=10).arrivals
    path = runner.hub.archive.object_path(str(arrival.content_digest))
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole + b"x")
    (first,) = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    register_partitions(runner.instance, runner.hub, [first])
    runner.run(first)
    (failed,) = runner.instance.get_runs()
    assert failed.status is dg.DagsterRunStatus.FAILURE
    path.write_bytes(whole)
    (item,) = runner.hub.review.listing()
    runner.hub.review.replay(item.item_id, actor="kim")
    (second,) = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    assert (second.request_id, second.revision) == (first.request_id, 2)
    assert second.run_key != failed.tags["dagster/run_key"]
    runner.run(second)
    assert only(runner.hub).state is State.POSTED
    assert_invariants(runner.hub)


# ---- many failures at once


def failed_at_once(runner: Runner, number: int) -> None:
    """Submissions whose runs all failed under their lease, on their last attempt: for hub and Dagster."""
    hub = runner.hub
    folder = hub.settings.home / "many"
    folder.mkdir()
    for index in range(number):
        path = folder / f"lab-{index}.csv"
        path.write_bytes(f"asset_tag,{index}\n".encode())
        request_id = str(hub.submit(path, NORTH_INVENTORY, actor="tester").request_id)
        run_id = str(uuid.uuid4())
        assert isinstance(hub.processing.begin(request_id, run_id), Lease)
        tags = {REQUEST_TAG: request_id, "dagster/partition": request_id}
        run = dg.DagsterRun(job_name="inventory_job", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags)
        runner.instance.add_run(run)
        runner.instance.report_run_failed(run, "for the test")


def seconds_until_all_are_in_review(runner: Runner, number: int) -> tuple[float, float]:
    """Ticks of the review sensor until every failure has its item; seconds in all and of the longest tick."""
    started, longest, cursor = time.monotonic(), 0.0, None
    while True:
        begun = time.monotonic()
        cursor = evaluate(runner, review_queue_sensor(), cursor).cursor
        longest = max(longest, time.monotonic() - begun)
        with runner.hub.db.read() as tx:
            filed = sum(reviews.open_by_cause(tx).values())
        if filed == number:
            return time.monotonic() - started, longest
        assert time.monotonic() - started < WITHIN_S, f"{filed} of {number} in {WITHIN_S} s"


def test_recorded_failures_are_all_in_review_after_a_few_ticks(
    runner: Runner,
    home: Path,
) -> None:
    set_limits(home, max_attempts=1)
    failed_at_once(runner, 60)
    seconds_until_all_are_in_review(runner, 60)
    assert_invariants(runner.hub)


@pytest.mark.slow
def test_two_thousand_failures_at_once_are_all_in_review_within_three_minutes(
    home: Path, postgres_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's records are on PostgreSQL: SQLite makes a file for each run, which takes minutes to prepare."""
    set_limits(home, max_attempts=1)
    with postgres_database() as url:
        monkeypatch.setenv("HUB_DAGSTER_DATABASE_URL", url)
        runner = Runner(open_hub(load(KNOWN_FEEDS)))
        with monkeypatch.context() as preparing:
            without_waiting_for_the_disk(runner.hub, preparing)
            failed_at_once(runner, FAILURES)
        two_thousand_failures(runner)
        runner.instance.dispose()


def without_waiting_for_the_disk(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """For preparing only: what the test measures is done by the sensor's own hub, which waits as always."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)

    @event.listens_for(hub.db.engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    hub.db.dispose()


def two_thousand_failures(runner: Runner) -> None:
    seconds, longest = seconds_until_all_are_in_review(runner, FAILURES)
    print(f"{FAILURES} failures in review after {seconds:.1f} s, longest tick {longest:.1f} s")
    assert seconds < WITHIN_S
    assert longest < 60
    with runner.hub.db.read() as tx:
        assert submissions.count_by_state(tx)["in_review"] == FAILURES
    assert_invariants(runner.hub)


def set_limits(home: Path, **limits: float) -> None:
    toml = home / "hub.toml"
    told = toml.read_text(encoding="utf-8")
    for name, value in limits.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in told.splitlines()]
        told = "\n".join(lines) + "\n"
    toml.write_text(told, encoding="utf-8")


# ---- a running `hub up`


LARGE = 40_000


def kill_the_worker(_up: Up, worker: int) -> None:
    os.kill(worker, signal.SIGKILL)


def kill_the_worker_and_who_watches_it(up: Up, worker: int) -> None:
    """Nobody is left who could tell Dagster: the run reads STARTED until the reconciler asks for its process."""
    os.kill(up.pid_of("daemon"), signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    os.killpg(up.pid_of("daemon"), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [kill_the_worker, kill_the_worker_and_who_watches_it])
def test_a_killed_run_is_recovered_within_its_lease_and_a_minute(
    home: Path,
    kill: Callable[[Up, int], None],
) -> None:
    with hub_up(home, free_port()) as up:
        drop(home, "large.csv", inventory_csv(asset(f"NC-{number}") for number in range(LARGE)), "inventory")
        up.wait_for(" leased ")
        worker = worker_of(up)
        kill(up, worker)
        killed_at = time.monotonic()
        wait_until(all_posted(home, 1), 120, up.log)
        print(f"{kill.__name__}: posted {time.monotonic() - killed_at:.1f} s after the kill")
        assert time.monotonic() - killed_at < 120
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    assert_invariants(hub)
    assert only(hub).token == 2


@pytest.mark.slow
def test_a_daemon_and_a_code_server_killed_in_the_middle_of_a_tick_lose_nothing(home: Path) -> None:
    files = 12
    set_limits(home, relaunch_after_s=10.0)  # a launch that died with its daemon is repeated after so long
    with hub_up(home, free_port()) as up:
        drop(home, "registry-0.csv", procurement_csv(["NC-0"]))
        wait_until(all_posted(home, 1), 90, up.log)
        for number in range(1, files):
            drop(home, f"registry-{number}.csv", procurement_csv([f"NC-{number}"]))
        up.wait_for(" received file=", times=3)
        os.kill(up.pid_of("daemon"), signal.SIGKILL)
        os.kill(up.pid_of("code-server"), signal.SIGKILL)
        wait_until(all_posted(home, files), 180, up.log)
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    for one in all_submissions(hub):
        assert events(hub, one.request_id).count("submission:posted") == 1
    assert_invariants(hub)


@pytest.mark.slow
def test_a_run_whose_hand_over_raises_inside_the_daemon_is_launched_again(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tick says success. What Dagster then says of the run differs by where it raised; the hub asks again."""
    set_limits(home, relaunch_after_s=5.0)
    monkeypatch.setenv("HUB_TEST_REFUSED", str(home / "refused"))
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).resolve().parents[2]}:{os.environ.get('PYTHONPATH', '')}")
    coordinator = {"module": "hub_pipelines_tests.crash.coordinator", "class": "RefusesTheFirst"}
    with hub_up(home, free_port()) as first:
        assert first.serves()
    instance = home / "dagster" / "dagster.yaml"
    told = instance.read_text(encoding="utf-8")
    assert "hub_pipelines.defs.run_queue" in told
    told = told.replace("module: hub_pipelines.defs.run_queue", f"module: {coordinator['module']}")
    told = told.replace("class: PromptRunQueue", f"class: {coordinator['class']}")
    deployment = Deployment(open_hub(load(KNOWN_FEEDS)).settings, free_port(), False, lambda _text: None)
    instance.write_text(told, encoding="utf-8")
    deployment.start()
    try:
        drop(home, "registry.csv", procurement_csv(["NC-1"]))
        until = time.monotonic() + 150
        deployment.run(until=lambda: all_posted(home, 1)() or time.monotonic() > until)
    finally:
        deployment.stop()
    assert (home / "refused").exists()
    (one,) = submissions_in(home)
    assert one.state is State.POSTED
    assert one.launch > 1
    hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    assert "failed to launch" in (home / "hub.log").read_text(encoding="utf-8")
    assert_invariants(hub)
