"""Previews and complete counts as they run in Dagster, in this process."""

from typing import Any

import dagster as dg

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.jobs import PREVIEW_JOB, PREVIEWS
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import PREVIEW_TAG, drop_folder_sensor, previews_alive
from hub_pipelines.submission import store as submissions
from hub_pipelines_tests.defs.conftest import drop_sample
from hub_pipelines_tests.support import all_submissions, asset, inventory_csv, make_registry, process, send_assets

TAGS = ["NC-0001", "NC-0002", "NC-0003"]


def lab(runner: Runner) -> None:
    make_registry(runner.hub, TAGS)
    process(runner.hub, send_assets(runner.hub, "lab.csv", *(asset(tag) for tag in TAGS)))


def drop(runner: Runner, name: str, data: bytes, folder: str) -> None:
    (runner.hub.settings.drop / "north" / "inventory" / folder / name).write_bytes(data)


def newest(runner: Runner, asset_name: str) -> Any:
    (record,) = runner.instance.fetch_materializations(dg.AssetKey(asset_name), limit=1).records
    return record.asset_materialization


def test_one_run_makes_all_previews_that_are_due_and_shows_them(runner: Runner) -> None:
    lab(runner)
    drop(runner, "a.csv", inventory_csv([asset(TAGS[0], quantity="9")]), "preview")
    drop(runner, "b.csv", b"just a note\n", "preview")
    assert runner.drain(timeout_s=300, progress=lambda _text: None)
    (run,) = runner.instance.get_runs(dg.RunsFilter(job_name=PREVIEW_JOB))
    assert (run.status, run.tags[PREVIEW_TAG]) == (dg.DagsterRunStatus.SUCCESS, "north")
    told = newest(runner, PREVIEWS).metadata
    assert told["dagster/row_count"].value == 2
    lines = [dict(record.data) for record in told["previews"].records]
    assert sorted((one["file"], one["would"], one["changed"]) for one in lines) == [
        ("a.csv", "post", 1),
        ("b.csv", "refuse", ""),
    ]
    assert len(all_submissions(runner.hub)) == 2


def test_the_sensor_of_the_campus_asks_for_that_run_with_a_key_of_its_own(runner: Runner) -> None:
    drop(runner, "a.csv", inventory_csv([asset(TAGS[0])]), "preview")
    sensor = drop_folder_sensor("north", [])
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        result = sensor(context)
        (request,) = result.run_requests
        assert (request.job_name, request.tags[PREVIEW_TAG]) == (PREVIEW_JOB, "north")
        assert request.run_key.startswith("preview:north:")
        assert isinstance(sensor(context), dg.SkipReason)
    assert not previews_alive(runner.instance, "north")()


def test_a_preview_that_fails_for_good_is_a_red_run(runner: Runner) -> None:
    drop(runner, "a.csv", inventory_csv([asset(TAGS[0])]), "preview")
    (arrival,) = runner.hub.drop_folder.take("north", budget_s=10).arrivals
    runner.hub.archive.object_path(str(arrival.content_digest)).unlink()
    assert runner.drain(timeout_s=300, progress=lambda _text: None)
    (run,) = runner.instance.get_runs(dg.RunsFilter(job_name=PREVIEW_JOB))
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_a_count_shows_what_it_did_not_find_and_warns(runner: Runner) -> None:
    lab(runner)
    drop(runner, "room.csv", inventory_csv([asset(TAGS[0])]), "complete-count")
    assert runner.drain(timeout_s=300, progress=lambda _text: None)
    told = newest(runner, "inventory_posted").metadata
    assert (told["not_found"].value, told["counted_locations"].value) == (2, ["Chem 214"])
    (record,) = runner.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("inventory_posted"), "counted_items_were_found"), limit=1
    )
    evaluation = record.event.dagster_event.event_specific_data
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.metadata["still_missing"].value == 2


def test_an_update_passes_the_check_of_counts(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drop_sample(runner.hub, "north/inventory/chemistry-lab-2026.csv")
    assert runner.drain(timeout_s=300, progress=lambda _text: None)
    (record,) = runner.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("inventory_posted"), "counted_items_were_found"), limit=1
    )
    assert record.event.dagster_event.event_specific_data.passed
    with runner.hub.db.read() as tx:
        assert submissions.unsettled_count(tx) == 0
