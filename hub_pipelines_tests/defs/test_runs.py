"""Real runs on a real instance, in this process: the jobs that the daemon launches."""

import json
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest

from hub_pipelines import launching
from hub_pipelines.audit import store as audit
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.store import Transaction
from hub_pipelines.defs import metadata
from hub_pipelines.defs.build import build_defs
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.relaunching import launch_of
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import (
    AUDIT_JOB,
    REQUEST_TAG,
    audit_log_sensor,
    register_partitions,
    review_queue_sensor,
    run_request,
    runs_alive,
    settle_dead_runs,
    walk_is_due,
)
from hub_pipelines.evidence import account_for, conservation, verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.ledger.model import LedgerTaken, Posting
from hub_pipelines.processing import Processing
from hub_pipelines.report.service import Receipts
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.decisions import store as decisions
from hub_pipelines.submission.model import Cause, Lease, State
from hub_pipelines.submission.partitions import store as partitions
from hub_pipelines_tests.defs.conftest import drop_sample
from hub_pipelines_tests.tampering import append, rewrite


def all_of(hub: Hub):
    with hub.db.read() as tx:
        return list(submissions.everything(tx))


def drain(runner: Runner) -> None:
    assert runner.drain(timeout_s=300, progress=lambda _text: None)


def materializations(runner: Runner, asset: str):
    records = runner.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return [record.asset_materialization for record in records]


def checked(runner: Runner, name: str) -> list[bool]:
    records = runner.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("inventory_posted"), name), limit=100
    )
    evaluations = [record.event.dagster_event.event_specific_data for record in records if record.event]
    return [one.passed for one in evaluations if hasattr(one, "passed")]


# ---- runs that come to their end


def test_the_samples_end_as_the_demo_says(runner: Runner) -> None:
    for name in (
        "west/procurement/registry-west.csv",
        "west/inventory/teaching-lab.csv",
        "west/inventory/scanner-export.xlsx",
    ):
        drop_sample(runner.hub, name)
    drain(runner)
    states = {one.envelope.source_name: one for one in all_of(runner.hub)}
    assert states["registry-west.csv"].state is State.POSTED
    assert states["scanner-export.xlsx"].state is State.IN_REVIEW
    rows = states["teaching-lab.csv"].counts
    assert (rows.received, rows.posted, rows.rejected) == (14, 9, 5)
    assert all(line["balanced"] for line in conservation(runner.hub))
    assert verify_all(runner.hub).ok
    # what a compliance officer sees
    (posted,) = materializations(runner, "inventory_posted")
    assert posted.partition == states["teaching-lab.csv"].request_id
    assert posted.metadata["rows_posted"].value == 9
    (validated,) = materializations(runner, "inventory_validated")
    assert "tag_not_in_registry" in validated.metadata["rejections_by_rule"].value
    assert validated.metadata["dagster/column_schema"]
    assert checked(runner, "every_row_is_accounted_for") == [True]
    assert checked(runner, "asset_tags_are_registered") == [False]


def test_a_registry_file_runs_before_the_inventory_that_was_dropped_first(runner: Runner) -> None:
    drop_sample(runner.hub, "north/inventory/chemistry-lab-2026.csv")
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    rows = {one.envelope.feed: one.counts for one in all_of(runner.hub)}
    assert rows["inventory"].posted == 20


def test_a_run_for_a_settled_submission_ends_well_and_changes_nothing(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    (before,) = all_of(runner.hub)
    runner.run(before)
    (after,) = all_of(runner.hub)
    assert (after.state, after.token, after.counts) == (before.state, before.token, before.counts)
    assert len(materializations(runner, "procurement_posted")) == 1
    with runner.hub.db.read() as tx:
        events = [entry.event.event for entry in audit.entries_of(tx, before.request_id)]
    assert events[-1] == "submission:repeat"


def launch(runner: Runner, campus: str) -> None:
    found = tick(runner.hub, campus, alive=runs_alive(runner.instance))
    register_partitions(runner.instance, runner.hub, found.launches)
    for one in found.launches:
        runner.run(one)


def test_an_unreadable_file_is_in_review_with_its_receipt_and_its_run_ends_well(runner: Runner) -> None:
    drop_sample(runner.hub, "west/inventory/scanner-export.xlsx")
    launch(runner, "west")
    (run,) = runner.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert materializations(runner, "inventory_validated") == []
    (one,) = all_of(runner.hub)
    assert one.state is State.IN_REVIEW
    page = runner.hub.receipts.places.page_of(one).read_text(encoding="utf-8")
    assert "damaged or cut off" in page
    assert "Traceback" not in page


def test_a_changed_archive_makes_the_run_red_and_has_its_receipt_at_once(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (arrival,) = runner.hub.drop_folder.take("north", budget_s=10).arrivals
    path = runner.hub.archive.object_path(str(arrival.content_digest))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"NC-0001", b"NC-9001"))
    launch(runner, "north")
    (run,) = runner.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    (one,) = all_of(runner.hub)
    assert (one.state, one.cause) == (State.IN_REVIEW, Cause.INTEGRITY)
    assert "fingerprint has changed" in runner.hub.receipts.places.page_of(one).read_text(encoding="utf-8")


def test_a_run_that_finds_its_ledger_taken_ends_well_and_its_file_is_launched_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")

    def taken(_tx: Transaction, ledger: str, **_named: object) -> int:
        raise LedgerTaken(ledger)

    with monkeypatch.context() as patch:
        patch.setattr(locking, "lock", taken)
        launch(runner, "north")
    (run,) = runner.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert len(materializations(runner, "procurement_validated")) == 1
    assert materializations(runner, "procurement_posted") == []
    assert materializations(runner, "procurement_receipts") == []
    (waiting,) = all_of(runner.hub)
    assert (waiting.state, waiting.attempts) == (State.RECEIVED, 0)
    launch(runner, "north")
    assert [one.status for one in runner.instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS] * 2
    (done,) = all_of(runner.hub)
    assert (done.state, done.attempts, done.counts.posted) == (State.POSTED, 1, 30)
    assert len(materializations(runner, "procurement_receipts")) == 1


def test_a_run_whose_commit_lost_its_answer_goes_on_to_checks_and_receipt(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Processing.post

    def post(processing: Processing, lease: Lease) -> None:
        real(processing, lease)
        raise Transient("The database can't be reached: server closed the connection unexpectedly")

    monkeypatch.setattr(Processing, "post", post)
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    launch(runner, "north")
    (run,) = runner.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert [one.metadata["rows_posted"].value for one in materializations(runner, "procurement_posted")] == [30]
    assert len(materializations(runner, "procurement_receipts")) == 1
    (one,) = all_of(runner.hub)
    with runner.hub.db.read() as tx:
        told = [entry.event.event for entry in audit.entries_of(tx, one.request_id)]
    assert "submission:fenced" not in told


# ---- runs that died, or failed


def test_a_run_that_died_under_its_lease_is_tried_again_and_posts_once(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    found = tick(runner.hub, "north", alive=runs_alive(runner.instance))
    register_partitions(runner.instance, runner.hub, found.launches)
    (one,) = found.launches
    run = runner.instance.create_run_for_job(runner.job("procurement_job"), tags={REQUEST_TAG: one.request_id})
    assert isinstance(runner.hub.processing.begin(one.request_id, run.run_id), Lease)
    runner.instance.report_run_failed(run)
    kind = dg.DagsterEventType.RUN_FAILURE
    position = settle_dead_runs(runner.instance, runner.hub, kind, None)
    (waiting,) = all_of(runner.hub)
    assert waiting.state is State.RETRYING
    assert settle_dead_runs(runner.instance, runner.hub, kind, position) == position
    assert settle_dead_runs(runner.instance, runner.hub, kind, None) == position  # a cursor that was reset
    (still,) = all_of(runner.hub)
    assert still.attempts == waiting.attempts
    drain(runner)
    (done,) = all_of(runner.hub)
    assert done.state is State.POSTED
    assert account_for(runner.hub, done.request_id).balanced


def died_after_posting(runner: Runner) -> tuple[dg.DagsterRun, Lease, Posting]:
    """A run that has posted and told Dagster nothing, and that Dagster knows to have failed."""
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (one,) = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    register_partitions(runner.instance, runner.hub, [one])
    run = runner.instance.create_run_for_job(runner.job("procurement_job"), tags={REQUEST_TAG: one.request_id})
    lease = runner.hub.processing.begin(one.request_id, run.run_id)
    assert isinstance(lease, Lease)
    with runner.hub.processing.attempt(lease):
        posting = runner.hub.processing.post(lease)
    runner.instance.report_run_failed(run)
    return run, lease, posting


def test_what_a_run_has_posted_is_told_once_though_it_died_before_it_could_say_so(runner: Runner) -> None:
    run, lease, posting = died_after_posting(runner)
    for _ in range(2):  # also when the cursor was reset
        settle_dead_runs(runner.instance, runner.hub, dg.DagsterEventType.RUN_FAILURE, None)
        (told,) = materializations(runner, "procurement_posted")
        assert told.partition == lease.request_id
        assert told.metadata["rows_posted"].value == posting.posted > 0
        assert told.metadata["repeat_of_an_earlier_run"].value is False
        assert run.run_id in str(told.description)
    (settled,) = all_of(runner.hub)
    assert (settled.state, settled.token) == (State.POSTED, lease.token)


def test_the_last_word_of_a_dead_run_is_said_by_a_later_tick_where_dagsters_storage_did_not_answer(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    died_after_posting(runner)
    with monkeypatch.context() as away:
        away.setattr(runner.instance, "fetch_materializations", _no_answer)
        with pytest.raises(OSError, match="away"):
            settle_dead_runs(runner.instance, runner.hub, dg.DagsterEventType.RUN_FAILURE, None)
    assert materializations(runner, "procurement_posted") == []
    settle_dead_runs(runner.instance, runner.hub, dg.DagsterEventType.RUN_FAILURE, None)
    assert len(materializations(runner, "procurement_posted")) == 1


def _no_answer(*_given: object, **_named: object) -> None:
    raise OSError("the storage is away")


def test_a_run_that_fails_after_it_has_told_what_it_posted_is_not_told_for(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(_receipts: Receipts, _request_id: str) -> None:
        raise OSError("no place for the page")

    monkeypatch.setattr(Receipts, "finish", finish)
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    launch(runner, "north")
    (run,) = runner.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    settle_dead_runs(runner.instance, runner.hub, dg.DagsterEventType.RUN_FAILURE, None)
    (told,) = materializations(runner, "procurement_posted")
    assert told.description is None


def test_an_error_in_telling_what_has_posted_makes_the_run_red_and_is_not_audited_as_fenced(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_posted(_posting: object) -> dict[str, object]:
        raise ValueError("a number that can't be told")

    monkeypatch.setattr(metadata, "of_posted", of_posted)
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    launch(runner, "north")
    (run,) = runner.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    (failed,) = runner.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    assert "a number that can't be told" in str(failed.event_log_entry.dagster_event.step_failure_data.error)
    (one,) = all_of(runner.hub)
    assert one.state is State.POSTED
    with runner.hub.db.read() as tx:
        told = [entry.event.event for entry in audit.entries_of(tx, one.request_id)]
    assert told[-1] == "submission:posted"
    settle_dead_runs(runner.instance, runner.hub, dg.DagsterEventType.RUN_FAILURE, None)
    assert all_of(runner.hub) == [one]
    runner.hub.receipts.write_due()
    assert runner.hub.receipts.places.page_of(one).exists()


# ---- requests and partitions


def test_a_submission_with_a_living_run_is_not_launched_again(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (one,) = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    job = runner.job("procurement_job")
    run = runner.instance.create_run_for_job(
        job, tags={REQUEST_TAG: one.request_id}, status=dg.DagsterRunStatus.STARTED
    )
    again = tick(runner.hub, "north", alive=runs_alive(runner.instance), relaunch_after_s=0)
    assert again.launches == ()
    runner.instance.delete_run(run.run_id)
    (relaunched,) = tick(runner.hub, "north", alive=runs_alive(runner.instance), relaunch_after_s=0).launches
    assert relaunched.run_key != one.run_key


def test_a_request_carries_partition_run_key_and_campus(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    (one,) = tick(runner.hub, "north", alive=runs_alive(runner.instance)).launches
    request = run_request(runner.hub, one)
    assert request.partition_key == one.request_id
    assert request.run_key == f"{one.request_id}:1:1"
    assert request.tags["hub/campus"] == "north"


def test_live_partitions_are_bounded_and_settled_ones_retire(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    (first,) = all_of(runner.hub)
    assert runner.instance.has_dynamic_partition("procurement_requests", first.request_id)
    limits = runner.hub.settings.limits.model_copy(update={"live_partitions": 1})
    settings = runner.hub.settings.model_copy(update={"limits": limits})
    drop_sample(runner.hub, "south/procurement/registry-south.csv")
    drain(Runner(replace(runner.hub, settings=settings)))
    keys = runner.instance.get_dynamic_partitions("procurement_requests")
    assert len(keys) == 1
    assert first.request_id not in keys
    with runner.hub.db.read() as tx:
        assert submissions.get(tx, first.request_id).state is State.POSTED


def test_a_partition_that_is_launched_again_while_it_is_chosen_to_retire_stays(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    (first,) = all_of(runner.hub)
    limits = runner.hub.settings.limits.model_copy(update={"live_partitions": 1})
    hub = replace(runner.hub, settings=runner.hub.settings.model_copy(update={"limits": limits}))
    real = launching.surplus_partitions

    def chosen_and_launched(hub: Hub, feed: str) -> list[str]:
        found = real(hub, feed)
        with hub.db.write() as tx:
            decisions.reopen(tx, first.request_id, come_from=State.POSTED)
        assert [one.request_id for one in tick(hub, "north", alive=runs_alive(runner.instance)).launches] == found
        runner.instance.add_dynamic_partitions("procurement_requests", found)
        return found

    monkeypatch.setattr(launching, "surplus_partitions", chosen_and_launched)
    drop_sample(hub, "south/procurement/registry-south.csv")
    found = tick(hub, "south", alive=runs_alive(runner.instance))
    register_partitions(runner.instance, hub, found.launches)
    assert runner.instance.has_dynamic_partition("procurement_requests", first.request_id)
    with hub.db.read() as tx:
        assert partitions.live_among(tx, [first.request_id]) == [first.request_id]


# ---- sensors


def test_the_review_sensor_reports_the_queue_once_per_change(runner: Runner) -> None:
    drop_sample(runner.hub, "west/inventory/scanner-export.xlsx")
    drain(runner)
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        result = review_queue_sensor()(context)
    assert [event.metadata["dagster/row_count"].value for event in result.asset_events] == [1]
    with dg.build_sensor_context(
        instance=runner.instance, cursor=result.cursor, resources={"hub": HubResource()}
    ) as context:
        assert review_queue_sensor()(context).asset_events == []


def test_no_sensor_fails_over_a_cursor_that_somebody_else_has_written(runner: Runner) -> None:
    repository = build_defs(runner.hub.settings).get_repository_def()
    for sensor in repository.sensor_defs:
        for cursor in ("rubbish", "[1]"):
            with dg.build_sensor_context(
                instance=runner.instance, cursor=cursor, repository_def=repository, resources={"hub": HubResource()}
            ) as context:
                sensor.evaluate_tick(context)


def test_a_launch_that_failed_in_the_future_is_no_reason_to_wait() -> None:
    first = launch_of(["a"], {}, 1_000.0, 15)
    assert first is not None
    assert launch_of(["a"], first, 1_001.0, 15) is None
    assert launch_of(["a"], first, 10.0, 15) == {**first, "tries": 2, "at": 10.0}


# ---- the walk of the chain, and checkpoints


def test_the_audit_walk_waits_for_growth_and_for_quiet() -> None:
    last = {"entries": 10, "at": 1_000.0}
    assert not walk_is_due(10, last, waiting=0, now=1_000.0 + 86_399)
    assert not walk_is_due(11, last, waiting=0, now=1_300.0)
    assert walk_is_due(11, last, waiting=0, now=1_600.0)
    assert not walk_is_due(11, last, waiting=5, now=1_600.0)
    assert walk_is_due(11, last, waiting=5, now=1_000.0 + timedelta(hours=1).total_seconds())


def test_a_quiet_chain_is_walked_once_a_day_and_an_empty_one_never() -> None:
    assert walk_is_due(10, {"entries": 10, "at": 1_000.0}, waiting=0, now=1_000.0 + 86_400)
    assert not walk_is_due(0, {"entries": 0, "at": 0.0}, waiting=0, now=1e9)


def test_a_chain_that_has_shrunk_is_walked_and_so_is_one_that_was_walked_by_a_clock_that_was_ahead() -> None:
    assert walk_is_due(4, {"entries": 10, "at": 1_000.0}, waiting=0, now=1_600.0)
    assert walk_is_due(0, {"entries": 10, "at": 1_000.0}, waiting=0, now=1_600.0)
    assert walk_is_due(11, {"entries": 10, "at": 9_000.0}, waiting=0, now=1_000.0)


def test_a_walk_of_a_restored_chain_has_a_run_of_its_own(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)

    def asked(cursor: str | None) -> tuple[dg.RunRequest, str]:
        with dg.build_sensor_context(
            instance=runner.instance, cursor=cursor, resources={"hub": HubResource()}
        ) as context:
            result = audit_log_sensor(runner.job(AUDIT_JOB))(context)
        (request,) = result.run_requests
        return request, str(result.cursor)

    first, cursor = asked(None)
    entries = json.loads(cursor)["entries"]
    later = json.dumps({"entries": entries + 50, "at": json.loads(cursor)["at"] - 1_000})
    again, cursor = asked(later)
    assert json.loads(cursor)["entries"] == entries
    third, _ = asked(json.dumps({"entries": 1, "at": json.loads(cursor)["at"] + 1_000}))
    assert first.run_key is not None
    assert {one.run_key.rpartition(":")[0] for one in (first, again, third)} == {f"audit:{entries}"}


def test_the_audit_job_walks_the_chain_and_its_checks_pass(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    result = runner.job("audit_job").execute_in_process(instance=runner.instance)
    assert result.success
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "audit_chain_is_unbroken": True,
        "every_row_is_accounted_for": True,
    }
    assert json.dumps(verify_all(runner.hub).heads)


def test_the_checkpoints_job_signs_what_has_happened_and_its_check_passes(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drain(runner)
    result = runner.job("audit_checkpoints_job").execute_in_process(instance=runner.instance)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("audit_chain_agrees_with_its_checkpoints", True)
    assert runner.hub.checkpoints.verify().signed["north"] > 0
    assert not runner.hub.checkpoints.is_due()


def test_a_chain_that_was_written_anew_fails_the_checkpoints_run_and_its_check(runner: Runner) -> None:
    append(runner.hub, "north", "n1", "n2")
    runner.hub.checkpoints.make()
    append(runner.hub, "north", "n3")
    rewrite(runner.hub, "north", lambda told: told.pop(0))
    result = runner.job("audit_checkpoints_job").execute_in_process(instance=runner.instance, raise_on_error=False)
    assert not result.success
    (check,) = checkpoints_checks(runner)
    assert not check.passed
    assert str(check.metadata["first_bad"].value).startswith("north:1 was written anew")
    assert "north:2 is not what checkpoint 1 of north tells" in str(check.metadata["not_signed"].value)


def checkpoints_checks(runner: Runner) -> list[dg.AssetCheckEvaluation]:
    records = runner.instance.get_records_for_run(
        runner.instance.get_runs()[0].run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    return [one.asset_check_evaluation_data for one in events if one is not None]


def test_the_checkpoints_schedule_skips_when_nothing_has_happened(runner: Runner) -> None:
    schedule = next(one for one in definitions_of(runner) if one.name == "audit_checkpoints_schedule")

    def evaluated() -> bool:
        with dg.build_schedule_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
            return bool(schedule.evaluate_tick(context).run_requests)

    assert not evaluated()
    append(runner.hub, "north", "n1")
    assert evaluated()
    runner.hub.checkpoints.make()
    assert not evaluated()


def definitions_of(runner: Runner) -> list[dg.ScheduleDefinition]:
    return list(build_defs(runner.hub.settings).get_repository_def().schedule_defs)
