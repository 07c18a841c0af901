"""Changed columns on a real instance: the run ends well, the check warns, and a migration brings the file through."""

import dagster as dg

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.defs.sensors import review_queue_sensor
from hub_pipelines.submission.model import Cause, State
from hub_pipelines_tests.defs.conftest import SAMPLES, drop_sample
from hub_pipelines_tests.defs.test_runs import all_of, drain, materializations

LIST = "north/inventory/chemistry-lab-2026.csv"


def results(runner: Runner) -> list[tuple[bool, str, str]]:
    """Of the check on headers, oldest first: passed, severity and kind."""
    key = dg.AssetCheckKey(dg.AssetKey("inventory_validated"), "headers_are_as_before")
    records = runner.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    evaluations = [record.event.dagster_event.event_specific_data for record in records if record.event]
    found = [one for one in evaluations if hasattr(one, "passed")]
    return [(one.passed, one.severity.value, str(one.metadata["headers"].value)) for one in reversed(found)]


def drop(runner: Runner, text: str) -> None:
    (runner.hub.settings.drop / LIST).write_text(text, encoding="utf-8")
    drain(runner)


def test_a_renamed_column_is_held_warned_of_and_brought_through_by_a_migration(runner: Runner) -> None:
    drop_sample(runner.hub, "north/procurement/registry-north.csv")
    drop_sample(runner.hub, LIST)
    drain(runner)
    sample = (SAMPLES / LIST).read_text(encoding="utf-8")
    drop(runner, sample.replace("hazard_codes\n", "hazard_codes,Shelf note\n", 1))
    drop(runner, sample.replace("acquired_on", "acquired when", 1))
    assert results(runner) == [(True, "WARN", "first"), (False, "WARN", "extended"), (False, "WARN", "drifted")]
    assert {run.status for run in runner.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    (held,) = [one for one in all_of(runner.hub) if one.state is State.IN_REVIEW]
    assert held.cause is Cause.DRIFT
    assert held.request_id not in {one.partition for one in materializations(runner, "inventory_validated")}
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        (queue,) = review_queue_sensor()(context).asset_events
    assert queue.metadata["open_by_cause"].value == {"drift": 1}
    assert "acquired when" in queue.metadata["oldest_open"].value

    columns = runner.hub.columns
    (item,) = runner.hub.review.listing()
    migration, _ = columns.add(columns.draft(item.item_id), author="person/kim")
    columns.approve(migration.reference, actor="person/lee")
    columns.apply(migration.reference, actor="person/lee")
    drain(runner)
    assert results(runner)[-1] == (True, "WARN", "migrated")
    newest = materializations(runner, "inventory_validated")[0]
    assert newest.partition == held.request_id
    assert newest.metadata["migration"].value == migration.reference
    assert newest.metadata["headers"].value.startswith("migrated")
    page = runner.hub.receipts.places.page_of(held)
    assert "All 20 rows were taken" not in page.read_text(encoding="utf-8")  # they were up to date already
    assert "already up to date" in page.read_text(encoding="utf-8")
