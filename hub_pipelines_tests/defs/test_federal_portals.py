"""A federal portal through Dagster, from its poll to the ledger: each record once, and what its changes mean."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.portals import PORTALS_JOB
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.portals.simulator.server import Simulated, serving, shelf_of
from hub_pipelines.settings import load
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
            runner.settle(str(arrival.request_id), timeout_s=60)
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
