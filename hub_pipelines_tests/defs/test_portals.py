"""Portals with a real Dagster instance: the sensor has what is due polled, the asset and its checks tell of it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from hub_pipelines.defs.build import build_defs
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.portals import PAGES, PORTALS_JOB, READ, SHAPES
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.settings import load
from hub_pipelines_tests.portals.serving import Portal, asset, serving, toml

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def portal(home: Path) -> Iterator[Portal]:
    with serving(Portal({number: asset(number) for number in range(1, 31)})) as running:
        with (home / "hub.toml").open("a", encoding="utf-8") as settings:
            settings.write(toml(running, order="stable", overlap_h=8_000, every_s=3_600))
        yield running


@pytest.fixture
def runner(portal: Portal) -> Runner:  # noqa: ARG001  # it is in the settings; the name is conftest's
    return Runner(open_hub(load(KNOWN_FEEDS)))


def tick(runner: Runner) -> dg.SensorResult | dg.SkipReason:
    sensor = build_defs(runner.hub.settings).get_repository_def().get_sensor_def("portals_sensor")
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def run(runner: Runner, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    return runner.job(PORTALS_JOB).execute_in_process(
        instance=runner.instance, tags=request.tags, asset_selection=list(request.asset_selection or ())
    )


def checks(runner: Runner) -> dict[str, bool]:
    key = dg.AssetKey("erp_portal")
    found = runner.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(key, name) for name in (READ, PAGES, SHAPES)]
    )
    evaluations = {one.name: record.event.dagster_event for one, record in found.items() if record.event}
    return {name: event.asset_check_evaluation_data.passed for name, event in evaluations.items() if event is not None}


def test_a_portal_is_polled_when_it_is_due_and_its_asset_and_checks_tell_what_it_said(runner: Runner) -> None:
    first = tick(runner)
    assert isinstance(first, dg.SensorResult)
    (request,) = first.run_requests or ()
    done = run(runner, request)
    again = tick(runner)

    assert done.success
    (event,) = done.get_asset_materialization_events()
    told = event.materialization.metadata
    assert (told["taken"].value, told["pages"].value, told["outcome"].value) == (30, 1, "complete")
    assert checks(runner) == {READ: True, PAGES: True, SHAPES: True}
    assert isinstance(again, dg.SkipReason)


def test_a_portal_that_is_down_is_no_red_run_and_its_checks_say_so(runner: Runner, portal: Portal) -> None:
    portal.down = lambda: (401, {})
    portal.records[3]["order"] = "none"
    request = tick(runner).run_requests[0]  # type: ignore[union-attr,index]  # it is due

    done = run(runner, request)

    assert done.success
    assert done.get_asset_materialization_events() == []
    assert checks(runner) == {READ: False, PAGES: True, SHAPES: True}
    assert isinstance(tick(runner), dg.SkipReason), "the breaker is open"


def test_a_portal_whose_key_is_missing_gets_no_run_until_it_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = toml(Portal({}, port=9), auth={"kind": "bearer", "env": "ERP_KEY"})
    with (home / "hub.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    runner = Runner(open_hub(load(KNOWN_FEEDS)))

    assert isinstance(tick(runner), dg.SkipReason)
    monkeypatch.setenv("ERP_KEY", "k-1")
    assert isinstance(tick(runner), dg.SensorResult)


def test_lineage_leads_from_a_portal_to_its_feed_and_the_readme_names_its_parts(runner: Runner) -> None:
    definitions = build_defs(runner.hub.settings)
    graph = definitions.resolve_asset_graph()

    assert dg.AssetKey("erp_portal") in graph.get(dg.AssetKey("procurement_received")).parent_keys
    for name in ("portals_sensor", PORTALS_JOB, "<portal>_portal", READ, PAGES, SHAPES):
        assert f"`{name}`" in README
