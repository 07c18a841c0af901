"""Dagster's own storage is pruned by age on a real instance, and nothing of the hub's evidence goes with it."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.defs.dagster_storage import prune_partitions, prune_runs
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.retention import RETENTION_JOB, prune
from hub_pipelines.defs.retiring import retire, revive
from hub_pipelines.defs.sensors import REQUEST_TAG, run_request, runs_alive
from hub_pipelines.evidence import conservation, verify_all
from hub_pipelines.hub import Hub, open_hub
from hub_pipelines.launching import tick
from hub_pipelines.removals import removed_without_record
from hub_pipelines.retention.model import Pruned
from hub_pipelines.settings import RetentionSettings, load
from hub_pipelines.submission import store as submissions
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.defs.conftest import drop_sample
from hub_pipelines_tests.defs.test_runs import all_of, drain, launch, materializations

REGISTRY = "west/procurement/registry-west.csv"
LAB = "west/inventory/teaching-lab.csv"
DAMAGED = "west/inventory/scanner-export.xlsx"


def aged(runner: Runner) -> Runner:
    """The same home, whose settings call everything old that is over."""
    at_once = RetentionSettings.model_construct(runs_after_days=0, staged_after_days=0)
    settings = runner.hub.settings.model_copy(update={"retention": at_once})
    return Runner(replace(runner.hub, settings=settings))


def runs_pruned(runner: Runner, *, dry_run: bool = False, seconds: float = 60) -> Pruned:
    old = aged(runner)
    return prune_runs(old.instance, old.hub, actor="person/ann", dry_run=dry_run, deadline=time.monotonic() + seconds)


def partitions_pruned(runner: Runner, *, dry_run: bool = False) -> Pruned:
    old = aged(runner)
    return prune_partitions(old.instance, old.hub, actor="person/ann", dry_run=dry_run, deadline=time.monotonic() + 60)


def run_ids(runner: Runner) -> set[str]:
    return {run.run_id for run in runner.instance.get_runs()}


def of_submissions(runner: Runner) -> dict[str, str]:
    """run_id by file."""
    names = {one.request_id: one.envelope.source_name for one in all_of(runner.hub)}
    return {names[run.tags[REQUEST_TAG]]: run.run_id for run in runner.instance.get_runs() if REQUEST_TAG in run.tags}


def announced(hub: Hub) -> list[dict[str, Any]]:
    with hub.db.read() as tx:
        entries = list(audit.entries_named(tx, "retention:pruning"))
    return [item for entry in entries for item in entry.event.detail["items"]]  # type: ignore[attr-defined]


def test_runs_of_retired_partitions_go_and_what_is_open_or_newest_stays(runner: Runner) -> None:
    for name in (REGISTRY, LAB, DAMAGED):
        drop_sample(runner.hub, name)
    drain(runner)
    before = of_submissions(runner)
    by_age = runs_pruned(runner)
    assert by_age.removed == 0
    # two of files that are live partitions, the folds of their days, and one that is in review
    assert by_age.kept.by_reason == {"newest of a live partition": 3, "a review item is open": 1}
    assert partitions_pruned(runner).removed == 3
    shards = Path(runner.hub.settings.dagster_home) / "storage" / "history" / "runs"
    gone = [before["registry-west.csv"], before["teaching-lab.csv"]]
    logs = Path(runner.hub.settings.dagster_home) / "compute_logs"
    assert all((shards / f"{run_id}.db").exists() and (logs / run_id).is_dir() for run_id in gone)
    trial = runs_pruned(runner, dry_run=True)
    assert (trial.removed, len(run_ids(runner))) == (2, 4)
    found = runs_pruned(runner)
    assert (found.removed, found.kept.by_reason) == (
        2,
        {"newest of a live partition": 1, "a review item is open": 1},
    )
    assert found.freed_bytes > 100_000
    assert not run_ids(runner) & set(gone)
    assert not [path for path in shards.iterdir() if path.name.startswith(tuple(gone))]
    assert not any((logs / run_id).exists() for run_id in gone)
    assert materializations(runner, "inventory_posted") == []
    assert len(materializations(runner, "inventory_ledger")) == 1
    # the hub's own evidence is whole
    assert verify_all(runner.hub).ok
    assert all(line["balanced"] for line in conservation(runner.hub))
    (story,) = explain(runner.hub, "teaching-lab.csv").stories
    assert any(moment.by == f"run/{before['teaching-lab.csv']}" for moment in story.moments)
    assert removed_without_record(runner.hub) == []
    assert runs_pruned(runner).removed == 0


@pytest.mark.slow
def test_of_a_live_partition_only_the_newest_materialisation_is_kept(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    launch(runner, "west")
    first = of_submissions(runner)["registry-west.csv"]
    (one,) = all_of(runner.hub)
    runner.hub.review.apply_again(one.request_id, actor="person/ann")
    launch(runner, "west")
    assert runs_pruned(runner).removed == 1
    assert first not in run_ids(runner)
    (left,) = materializations(runner, "procurement_posted")
    assert left.partition == one.request_id


def test_the_error_of_a_run_that_died_before_it_had_a_lease_goes_to_the_audit_chain(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    launch(runner, "west")
    (one,) = all_of(runner.hub)
    run = runner.instance.create_run_for_job(
        runner.job("procurement_job"), tags={REQUEST_TAG: one.request_id, "dagster/partition": one.request_id}
    )
    runner.instance.report_run_failed(run, "The code server ran out of memory.")
    assert runs_pruned(runner).removed == 1
    (item,) = announced(runner.hub)
    assert (item["run"], item["status"], item["request_id"]) == (run.run_id, "FAILURE", one.request_id)
    assert item["error"] == "The code server ran out of memory."
    assert removed_without_record(runner.hub) == []


def test_error_trace_and_times_of_a_failed_run_outlive_it_in_the_attempts(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    (arrival,) = runner.hub.drop_folder.take("west", budget_s=10).arrivals
    path = runner.hub.archive.object_path(str(arrival.content_digest))
    original = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(original.replace(b"WC-0001", b"WC-9001"))
    launch(runner, "west")
    failed = of_submissions(runner)["registry-west.csv"]
    (item,) = runner.hub.review.listing()
    assert runs_pruned(runner).kept.by_reason == {"a review item is open": 1}
    path.write_bytes(original)
    runner.hub.review.replay(item.item_id, actor="person/ann")
    assert runs_pruned(runner).kept.by_reason == {"its submission is not settled": 1}
    launch(runner, "west")
    assert runs_pruned(runner).removed == 1
    assert failed not in run_ids(runner)
    with runner.hub.db.read() as tx:
        first, _ = submissions.attempts_of(tx, item.request_id)
    assert first["owner"] == failed
    assert first["error_type"] == "Integrity"
    assert "fingerprint has changed" in str(first["trace"])
    assert first["ended_at"] > first["started_at"]
    assert "error" not in announced(runner.hub)[0]


def test_what_a_hold_covers_stays_in_dagster_too_with_the_folds_of_its_days(runner: Runner) -> None:
    drop_sample(runner.hub, "south/grants/awards-2026.xlsx")
    drop_sample(runner.hub, REGISTRY)
    drain(runner)
    rows = json.loads(_ledger(runner.hub, "grants.award@south"))
    hold, covers = runner.hub.holds.on("award", rows[0], actor="person/ann", reason="audit 7")
    assert covers == 1
    partitions_pruned(runner)
    found = runs_pruned(runner)
    assert found.removed == 1  # the registry's
    # the award's own run, and the run that folded its day
    assert found.kept.by_reason == {f"legal hold {hold.hold_id}": 2}
    runner.hub.holds.lift(hold.hold_id, actor="person/ann", reason="closed")
    again = runs_pruned(runner)
    assert (again.removed, again.kept.by_reason) == (1, {"newest of a live partition": 1})


def _ledger(hub: Hub, name: str) -> str:
    from hub_pipelines.ledger.items.store import current_rows

    return json.dumps([row.key for row in current_rows(hub.db, name)])


@pytest.mark.slow
def test_living_and_unknown_runs_are_left_alone(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    (one,) = tick(runner.hub, "west", alive=runs_alive(runner.instance)).launches
    job = runner.job("procurement_job")
    living = runner.instance.create_run_for_job(
        job, tags=run_request(runner.hub, one).tags, status=dg.DagsterRunStatus.STARTED
    )
    unknown = runner.instance.create_run_for_job(job, tags={REQUEST_TAG: "west-procurement-nothing"})
    runner.instance.report_run_failed(unknown)
    found = runs_pruned(runner)
    assert (found.removed, found.kept.by_reason) == (0, {"the hub does not know its submission": 1})
    assert run_ids(runner) == {living.run_id, unknown.run_id}


@pytest.mark.slow
def test_a_prune_that_runs_out_of_time_says_so_and_the_next_one_goes_on(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    launch(runner, "west")
    partitions_pruned(runner)
    cut_off = runs_pruned(runner, seconds=-1)
    assert (cut_off.removed, cut_off.is_complete) == (0, False)
    assert runs_pruned(runner).is_complete


@pytest.mark.slow
def test_nothing_young_is_touched(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    launch(runner, "west")
    found = prune(runner.instance, runner.hub, actor="person/ann", dry_run=False)
    assert [(one.removed, one.kept.by_reason) for one in found] == [(0, {})] * 4
    assert announced(runner.hub) == []


def test_a_retired_partition_comes_back_with_its_events(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    launch(runner, "west")
    (one,) = all_of(runner.hub)
    key = [("procurement", one.request_id)]
    name = "procurement_requests"
    assert retire(runner.instance, runner.hub, key, actor="person/ann") == [one.request_id]
    assert runner.instance.get_dynamic_partitions(name) == []
    revive(runner.instance, runner.hub, key, actor="person/ann")
    assert runner.instance.get_dynamic_partitions(name) == [one.request_id]
    posted = dg.AssetKey("procurement_posted")
    assert runner.instance.get_materialized_partitions(posted) == {one.request_id}
    assert partitions_pruned(runner, dry_run=True).removed == 1
    with runner.hub.db.read() as tx:
        retired = list(audit.entries_named(tx, "partition:retired"))
        revived = list(audit.entries_named(tx, "partition:revived"))
    assert [entry.event.detail for entry in (*retired, *revived)] == [{"request_ids": [one.request_id]}] * 2
    assert {entry.event.actor for entry in (*retired, *revived)} == {"person/ann"}


@pytest.mark.slow
def test_an_unsettled_submission_keeps_its_partition(runner: Runner) -> None:
    drop_sample(runner.hub, REGISTRY)
    launch(runner, "west")
    (one,) = all_of(runner.hub)
    runner.hub.review.apply_again(one.request_id, actor="person/ann")
    assert retire(runner.instance, runner.hub, [("procurement", one.request_id)], actor="person/ann") == []
    assert runner.instance.has_dynamic_partition("procurement_requests", one.request_id)


def test_the_nightly_job_shows_what_went_and_what_was_held_back_and_its_checks_pass(home: Path, runner: Runner) -> None:
    text = (home / "hub.toml").read_text(encoding="utf-8")
    assert "runs_after_days = 180" in text
    drop_sample(runner.hub, REGISTRY)
    drop_sample(runner.hub, "south/grants/awards-2026.xlsx")
    launch(runner, "west")
    launch(runner, "south")
    runner.hub.holds.on("award", "A-0", actor="person/ann", reason="audit 7")
    result = runner.job(RETENTION_JOB).execute_in_process(instance=runner.instance)
    assert result.success
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "nothing_held_was_removed": True,
        "every_removed_run_left_its_record": True,
    }
    (event,) = result.get_asset_materialization_events()
    told = event.step_materialization_data.materialization.metadata
    assert [row.data["what"] for row in told["removed"].records] == [
        "partitions",
        "runs",
        "staged files",
        "bodies of messages",
    ]
    assert [row.data["reason"] for row in told["legal_holds"].records] == ["audit 7"]


@pytest.mark.slow
def test_runs_are_pruned_from_postgresql_too(
    home: Path, postgres_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.is_dir()
    with postgres_database() as hub_url, postgres_database() as dagster_url:
        monkeypatch.setenv("HUB_DATABASE_URL", hub_url)
        monkeypatch.setenv("HUB_DAGSTER_DATABASE_URL", dagster_url)
        from hub_pipelines.hub import KNOWN_FEEDS

        runner = Runner(open_hub(load(KNOWN_FEEDS)))
        drop_sample(runner.hub, REGISTRY)
        drain(runner)
        partitions_pruned(runner)
        found = runs_pruned(runner)
        assert (found.removed, found.kept.by_reason) == (1, {"newest of a live partition": 1})
        assert len(run_ids(runner)) == 1
        assert verify_all(runner.hub).ok
        runner.instance.dispose()
        runner.hub.db.dispose()
