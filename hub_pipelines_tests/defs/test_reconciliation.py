"""The reconciler with a real Dagster instance: dead runs, runs nobody starts, the sensor, the asset, the command."""

import json
import os
import re
import subprocess
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test
from dagster._utils.tags import TagConcurrencyLimitsCounter

from hub_pipelines.cli import recovery as cli_recovery
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.lost_runs import DagsterRuns, dagster_runs
from hub_pipelines.defs.reconciliation import RECONCILIATION, reconciliation_sensor
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.run_process import RunProcess, process_of, telling
from hub_pipelines.defs.sensors import REQUEST_TAG, register_partitions, run_request, runs_alive
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.recovery.model import CHECKS, Kind, Position, Report
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.settings import PROJECT
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Lease, State, Submission
from hub_pipelines_tests import commands
from hub_pipelines_tests.crash.faults import finish, fork
from hub_pipelines_tests.defs.conftest import drop_sample
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import events, expire_lease, submission


@pytest.fixture
def launched(runner: Runner) -> Submission:
    """A file that was taken and launched, without its run."""
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    found = tick(runner.hub, "north", alive=runs_alive(runner.instance))
    register_partitions(runner.instance, runner.hub, found.launches)
    (one,) = found.launches
    return one


def dead_process() -> int:
    pid = fork(lambda: None)
    assert finish(pid) == 0
    return pid


def run_of(
    runner: Runner,
    one: Submission,
    status: dg.DagsterRunStatus,
    *,
    pid: int | None = None,
    job: str = "procurement_job",
) -> dg.DagsterRun:
    """A run as Dagster would have recorded it, with the process that it told."""
    tags = {REQUEST_TAG: one.request_id, "dagster/run_key": one.run_key, "dagster/partition": one.request_id}
    run = create_run_for_test(runner.instance, job_name=job, status=status, tags=tags)
    if pid is not None:
        runner.instance.report_engine_event(
            "Started process for run.", run, EngineEventData({"pid": dg.MetadataValue.text(str(pid))})
        )
    return run


def look(runner: Runner, *, not_handed_over_s: float = 120.0) -> Report:
    runs = replace(dagster_runs(runner.hub, runner.instance), not_handed_over_s=not_handed_over_s)
    return Reconciler(runner.hub, runs).look(Position(), thorough=True)


def status_of(runner: Runner, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = runner.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def drain(runner: Runner) -> None:
    assert runner.drain(timeout_s=300, progress=lambda _text: None)


# ---- what Dagster believes


def test_a_run_whose_process_is_gone_is_failed_in_dagster_and_its_submission_tried_again(
    runner: Runner, launched: Submission
) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.STARTED, pid=dead_process())
    assert isinstance(runner.hub.processing.begin(launched.request_id, run.run_id), Lease)
    report = look(runner)
    assert [one.kind for one in report.mended] == [Kind.RUN_LOST]
    assert status_of(runner, run) is dg.DagsterRunStatus.FAILURE
    current = submission(runner.hub, launched.request_id)
    assert (current.state, current.attempts) == (State.RETRYING, 1)
    assert look(runner).findings == ()
    drain(runner)
    assert submission(runner.hub, launched.request_id).state is State.POSTED
    assert_invariants(runner.hub)


def test_a_run_whose_process_lives_is_left_alone(runner: Runner, launched: Submission) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.STARTED, pid=os.getpid())
    assert isinstance(runner.hub.processing.begin(launched.request_id, run.run_id), Lease)
    assert look(runner).findings == ()
    assert status_of(runner, run) is dg.DagsterRunStatus.STARTED


def test_a_run_that_hangs_is_failed_once_its_file_was_taken_over_and_keeps_nobody_waiting(
    runner: Runner, launched: Submission
) -> None:
    counted = TagConcurrencyLimitsCounter(limits_of_runs(), [])
    first = run_request(runner.hub, launched)
    behind = run_request(runner.hub, launched, after=first)
    hung = run_of(runner, launched, dg.DagsterRunStatus.STARTED, pid=os.getpid())
    counted.update_counters_with_launched_item(hung.with_tags({**hung.tags, **first.tags}))
    assert counted.is_blocked(hung.with_tags(behind.tags)), "two files of one list take turns"
    assert isinstance(runner.hub.processing.begin(launched.request_id, hung.run_id), Lease)
    expire_lease(runner.hub, launched.request_id)
    assert isinstance(runner.hub.processing.begin(launched.request_id, "another run"), Lease)
    again = run_request(runner.hub, submission(runner.hub, launched.request_id))
    assert not counted.is_blocked(hung.with_tags(again.tags)), "it does not wait for the one that hangs"
    assert [one.kind for one in look(runner).mended] == [Kind.RUN_LOST]
    assert status_of(runner, hung) is dg.DagsterRunStatus.FAILURE
    assert submission(runner.hub, launched.request_id).lease_owner == "another run"


def limits_of_runs() -> list[Any]:
    """As this deployment's queue has them."""
    written = yaml.safe_load((PROJECT / "dagster.yaml").read_text(encoding="utf-8"))
    limits: list[Any] = written["run_coordinator"]["config"]["tag_concurrency_limits"]
    return limits


def never(_request_id: str, _run_id: str) -> bool:
    return False


def test_a_cancelled_run_whose_process_is_gone_gives_its_slot_back(runner: Runner, launched: Submission) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.CANCELING, pid=dead_process())
    assert [one.kind for one in look(runner).mended] == [Kind.RUN_LOST]
    assert status_of(runner, run) is dg.DagsterRunStatus.CANCELED
    drain(runner)
    assert submission(runner.hub, launched.request_id).state is State.POSTED


def test_a_run_that_was_made_and_never_handed_over_is_failed_and_its_submission_launched_again(
    runner: Runner, launched: Submission
) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.NOT_STARTED)
    assert look(runner).findings == (), "the daemon may be about to hand it over"
    with runner.hub.db.write() as tx:
        tx.execute(submissions.submission.update().values(launched_at=datetime.now(UTC) - timedelta(seconds=150)))
    stuck = tick(runner.hub, "north", alive=runs_alive(runner.instance))
    assert stuck.launches == (), "Dagster calls such a run alive"
    assert [one.kind for one in look(runner, not_handed_over_s=0).mended] == [Kind.RUN_LOST]
    assert status_of(runner, run) is dg.DagsterRunStatus.FAILURE
    (again,) = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    assert again.run_key != launched.run_key
    runner.run(again)
    assert submission(runner.hub, launched.request_id).state is State.POSTED
    assert_invariants(runner.hub)


def test_a_run_of_another_job_whose_process_is_gone_is_failed_too(runner: Runner, launched: Submission) -> None:
    run = create_run_for_test(runner.instance, job_name="ledgers_job", status=dg.DagsterRunStatus.STARTED)
    event = EngineEventData({"pid": dg.MetadataValue.text(str(dead_process()))})
    runner.instance.report_engine_event("Started process for run.", run, event)
    assert [one.subject for one in look(runner).mended] == [run.run_id]
    assert status_of(runner, run) is dg.DagsterRunStatus.FAILURE
    assert submission(runner.hub, launched.request_id).state is State.RECEIVED


def test_a_silent_run_without_a_process_counts_as_lost_once_its_lease_is_anothers(
    runner: Runner, launched: Submission
) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.STARTED)
    holding = DagsterRuns(runner.instance, lambda _request, _run: True, never)
    outdated = DagsterRuns(runner.instance, lambda _request, _run: False, never)
    assert outdated.lost() == [], "it has just begun"
    age_run(runner, run, time.time() - 600)
    assert holding.lost() == []
    assert [one.run_id for one in outdated.lost()] == [run.run_id]


def test_a_run_whose_process_died_before_it_said_a_word_is_failed_at_the_next_look(
    runner: Runner, launched: Submission
) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.STARTING)
    assert look(runner).findings == (), "its process is being made"
    runner.instance.report_engine_event("Forked.", run, EngineEventData.in_process(os.getpid()))
    assert look(runner).findings == ()
    runner.instance.report_engine_event("Forked.", run, EngineEventData.in_process(dead_process()))
    assert [one.kind for one in look(runner).mended] == [Kind.RUN_LOST]
    assert status_of(runner, run) is dg.DagsterRunStatus.FAILURE


def test_a_process_that_got_the_number_of_a_runs_process_later_is_another_one() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        born = str(telling(process.pid).metadata["born"].value)
        boot, tick = born.split()
        assert RunProcess(process.pid, born).lives()
        assert RunProcess(process.pid, None).lives(), "nobody told more than its number"
        assert not RunProcess(process.pid, f"{boot} {int(tick) - 1}").lives()
        assert not RunProcess(process.pid, f"{uuid.uuid4()} {tick}").lives(), "before a reboot"
    finally:
        process.kill()
        process.wait()
    assert not RunProcess(process.pid, born).lives()


@pytest.mark.parametrize("stepped_s", [86_400, -86_400])
def test_a_clock_that_is_set_anew_fails_no_run_that_is_at_work(
    runner: Runner, launched: Submission, monkeypatch: pytest.MonkeyPatch, stepped_s: int
) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.STARTED)
    runner.instance.report_engine_event("Forked.", run, telling(os.getpid()))
    runner.instance.report_engine_event("Executing steps.", run, EngineEventData.in_process(os.getpid()))
    assert isinstance(runner.hub.processing.begin(launched.request_id, run.run_id), Lease)
    real = Path.read_text

    def read_text(path: Path, *args: Any, **named: Any) -> str:
        told = real(path, *args, **named)
        if str(path) != "/proc/stat":
            return told
        booted = int(re.findall(r"^btime (\d+)$", told, re.M)[0])  # the kernel counts it back from the clock
        return told.replace(f"btime {booted}", f"btime {booted + stepped_s}")

    monkeypatch.setattr(Path, "read_text", read_text)
    assert look(runner).findings == ()
    assert status_of(runner, run) is dg.DagsterRunStatus.STARTED


def test_a_run_that_is_executed_again_has_no_process_of_the_first(runner: Runner, launched: Submission) -> None:
    first = run_of(runner, launched, dg.DagsterRunStatus.STARTING)
    runner.instance.report_engine_event("Forked.", first, EngineEventData.in_process(dead_process()))
    again = create_run_for_test(
        runner.instance,
        job_name=first.job_name,
        status=dg.DagsterRunStatus.STARTING,
        tags=runner.instance.get_run_by_id(first.run_id).tags,  # type: ignore[union-attr]  # it is there
    )
    assert process_of(runner.instance, again.run_id) is None
    assert [one.run_id for one in dagster_runs(runner.hub, runner.instance).lost()] == [first.run_id]


def age_run(runner: Runner, run: dg.DagsterRun, created_at: float) -> None:
    """As if it had been made then."""
    from dagster._core.storage.runs.schema import RunsTable

    storage: Any = runner.instance.run_storage
    with storage.connect() as connection:
        moment = datetime.fromtimestamp(created_at, UTC).replace(tzinfo=None)
        connection.execute(RunsTable.update().where(RunsTable.c.run_id == run.run_id).values(create_timestamp=moment))


# ---- what is reported


def evaluate(runner: Runner, cursor: str | None) -> tuple[str, list[Any]]:
    with dg.build_sensor_context(instance=runner.instance, cursor=cursor, resources={"hub": HubResource()}) as context:
        result = reconciliation_sensor()(context)
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests
    return str(result.cursor), list(result.asset_events)


def test_the_sensor_reports_all_checks_once_and_then_only_what_is_news(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    cursor, first = evaluate(runner, None)
    assert {one.check_name: one.passed for one in first[1:]} == dict.fromkeys(CHECKS, True)
    cursor, second = evaluate(runner, cursor)
    assert second == []
    (one,) = all_of(runner.hub)
    runner.hub.review.apply_again(one.request_id, actor="kim")
    assert isinstance(runner.hub.processing.begin(one.request_id, "dies"), Lease)
    expire_lease(runner.hub, one.request_id)
    cursor, third = evaluate(runner, cursor)
    (told, *checks) = third
    assert told.metadata["dagster/row_count"].value == 1
    assert {check.check_name: check.passed for check in checks} == dict.fromkeys(CHECKS, True)
    (waiting,) = told.metadata["waiting_for_a_retry"].records
    assert waiting.data["attempt"] == "1 of 5"
    assert evaluate(runner, cursor)[1] == []


def test_something_that_is_left_fails_its_check_until_it_is_gone(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    cursor, _ = evaluate(runner, None)
    with runner.hub.db.write() as tx:
        tx.execute(submissions.submission.update().values(rows_posted=0))
    due = {**json.loads(cursor), "thorough_at": 0.0}
    cursor, broken = evaluate(runner, json.dumps(due))
    assert {one.check_name: one.passed for one in broken[1:]}["every_row_is_accounted_for"] is False
    assert evaluate(runner, cursor)[1] == [], "the same again is no news"


def test_the_asset_can_be_materialised_by_hand_with_its_checks(runner: Runner, launched: Submission) -> None:
    assert isinstance(runner.hub.processing.begin(launched.request_id, "dies"), Lease)
    expire_lease(runner.hub, launched.request_id)
    job = runner._definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=runner.instance, asset_selection=[dg.AssetKey(RECONCILIATION)])
    assert result.success
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == dict.fromkeys(CHECKS, True)
    assert "recovery:lease_ended" in events(runner.hub, launched.request_id)


# ---- the command


def reconcile(*options: str) -> tuple[int, dict[str, Any]]:
    ended = commands.run("reconcile", "--json", *options)
    return ended.code, json.loads(ended.out)


def test_the_command_tells_with_dry_run_mends_without_and_then_finds_nothing(
    runner: Runner, launched: Submission
) -> None:
    run = run_of(runner, launched, dg.DagsterRunStatus.STARTED, pid=dead_process())
    assert isinstance(runner.hub.processing.begin(launched.request_id, run.run_id), Lease)
    code, told = reconcile("--dry-run")
    assert (code, told["ok"], [one["kind"] for one in told["findings"]]) == (1, False, ["run_lost"])
    assert status_of(runner, run) is dg.DagsterRunStatus.STARTED
    code, told = reconcile()
    assert code == 0
    assert "reported to Dagster as failed" in told["findings"][0]["done"]
    drain(runner)
    code, told = reconcile()
    assert (code, told["findings"], told["checks"]) == (0, [], dict.fromkeys(CHECKS, True))


def test_receipts_that_are_gone_come_back_when_the_command_is_asked_for_them(
    runner: Runner, launched: Submission
) -> None:
    drain(runner)
    page = runner.hub.receipts.places.page_of(launched)
    page.unlink()
    code, told = reconcile()
    assert (code, told["findings"]) == (0, []), "nobody has asked for them"
    code, told = reconcile("--receipts")
    assert (code, [one["kind"] for one in told["findings"]]) == (0, ["receipt_lost"])
    assert not page.exists()
    drain(runner)
    assert page.exists()


def test_the_command_says_when_nothing_launches_what_is_due(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_recovery, "_SECOND_LOOK_S", 0.2)
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    runner.hub.drop_folder.take("north", budget_s=10)
    code, told = reconcile()
    assert code == 1
    assert [one["kind"] for one in told["findings"]] == ["campus_stands_still"]
    assert "hub drain" in told["findings"][0]["what"]


def all_of(hub: Hub) -> list[Submission]:
    with hub.db.read() as tx:
        return list(submissions.everything(tx))
