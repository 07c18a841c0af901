"""A federal portal through Dagster, from its poll to the ledger: each record once, and what its changes mean."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.defs.findings import FINDINGS_JOB, findings_job, findings_sensor
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.portals import PORTALS_JOB
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.portals.simulator.server import Simulated, serving, shelf_of
from hub_pipelines.settings import load
from hub_pipelines.submission.model import State
from hub_pipelines_tests.commands import printed
from hub_pipelines_tests.support import ledger_values

LEDGER = "grants.sponsor_award@south"


@pytest.fixture
def portal(home: Path) -> Iterator[Simulated]:
    with serving(shelf_of("nih", records=65)) as simulated:
        with (home / "hub.toml").open("a", encoding="utf-8") as settings:
            settings.write("\n" + simulated.shelf.table(simulated.url).replace("interval_s = 0.1", "interval_s = 0"))
        yield simulated


def read_and_post(runner: Runner) -> list[dg.AssetMaterialization]:
    """Poll, then have what was taken posted by runs; materialisations of `grants_posted`, the newest first."""
    selected = [dg.AssetKey("nih_portal")]
    assert runner.job(PORTALS_JOB).execute_in_process(instance=runner.instance, asset_selection=selected).success
    for campus in runner.hub.campuses:
        for arrival in runner.hub.sealing.seal_due(campus, at_once=True):
            runner.settle(str(arrival.request_id), timeout_s=300)
    found = runner.instance.fetch_materializations(dg.AssetKey("grants_posted"), limit=10).records
    return [one.asset_materialization for one in found if one.asset_materialization is not None]


@pytest.mark.slow
def test_what_a_portal_changes_is_posted_once_and_told_in_the_lineage(home: Path, portal: Simulated) -> None:  # noqa: ARG001
    runner = Runner(open_hub(load(KNOWN_FEEDS)))
    first = read_and_post(runner)
    before = ledger_values(runner.hub, LEDGER)
    assert len(read_and_post(runner)) == len(first)
    assert all("what_changed" not in one.metadata for one in first)

    key = min(before)
    raw = portal.shelf.records[key.partition("|")[2]]
    portal.shelf.put({**raw, "project_end_date": "2035-06-30T12:06:00Z"})
    newest, *earlier = read_and_post(runner)

    assert len(earlier) == len(first)
    (told,) = newest.metadata["what_changed"].records  # type: ignore[attr-defined]
    assert (told.data["event"], told.data["item"]) == ("award_extended", before[key]["award_id"])
    assert ledger_values(runner.hub, LEDGER)[key]["ends_on"] == "2035-06-30"


def evaluate(runner: Runner) -> tuple[dg.AssetMaterialization, dg.AssetCheckEvaluation]:
    """One tick of the sensor, and the run that it asks for."""
    with dg.build_sensor_context(instance=runner.instance, resources={"hub": HubResource()}) as context:
        assert isinstance(findings_sensor(findings_job())(context), dg.SensorResult)
    result = runner.job(FINDINGS_JOB).execute_in_process(instance=runner.instance)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    (told,) = result.asset_materializations_for_node("grants_findings")
    return told, check


def spend(runner: Runner, line: str) -> None:
    path = runner.hub.settings.home / "spent.csv"
    path.write_text(f"transaction_id,award_id,amount,posted_on,incurred_on\n{line}\n", encoding="utf-8")
    arrival = runner.hub.submit(path, Scope("south", "grants"), actor="tester")
    assert runner.settle(str(arrival.request_id), timeout_s=300).state is State.POSTED


@pytest.mark.slow
def test_an_extension_that_a_portal_tells_closes_the_finding_that_depends_on_it(home: Path, portal: Simulated) -> None:
    toml = home / "hub.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("quiet_s = 20.0", "quiet_s = 0.0"), encoding="utf-8")
    runner = Runner(open_hub(load(KNOWN_FEEDS)))
    read_and_post(runner)
    award = next(one for one in ledger_values(runner.hub, LEDGER).values() if one["ends_on"])
    day = date.fromisoformat(award["ends_on"]) + timedelta(days=10)
    spend(runner, f"T-1,{award['award_id']},120.00,{day},{day}")
    told, check = evaluate(runner)
    assert (told.metadata["opened"].value, told.metadata["closed"].value, check.passed) == (1, 0, False)
    assert check.severity is dg.AssetCheckSeverity.WARN

    raw = portal.shelf.records[award["record_id"]]
    portal.shelf.put({**raw, "project_end_date": "2035-06-30T12:06:00Z"})
    read_and_post(runner)
    told, check = evaluate(runner)

    assert (told.metadata["opened"].value, told.metadata["closed"].value, check.passed) == (0, 1, True)
    (line,) = told.metadata["what_was_closed"].records  # type: ignore[attr-defined]
    assert line.data["caused by"].startswith("the no-cost extension told by NIH on ")
    page = printed("why", award["award_id"])
    assert "closed: G01 (2 CFR 200.403(h)) T-1, $120.00, row 2 of south-grants-" in page
    assert "No finding is open" in runner.hub.findings_page.paths[0].read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_check_passes_and_tells_what_was_not_judged(home: Path) -> None:  # noqa: ARG001
    runner = Runner(open_hub(load(KNOWN_FEEDS)))
    spend(runner, "T-1,B-77,120.00,2025-03-01,2025-02-15")
    result = runner.job(FINDINGS_JOB).execute_in_process(instance=runner.instance)

    (check,) = result.get_asset_check_evaluations()

    assert check.passed
    assert check.description == "1 line could not be judged, or not in full."
    assert check.metadata["lines_not_judged"].value == 1
    (line,) = check.metadata["not_judged"].records  # type: ignore[attr-defined]
    assert (line.data["campus"], line.data["first"]) == ("south", "award B-77, line T-1")
