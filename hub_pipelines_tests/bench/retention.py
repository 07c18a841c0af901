"""How much room a prune of Dagster's storage makes and how long it takes.

Run it with `python -m hub_pipelines_tests.bench.retention [runs]`.

Runs are written through the instance, each with as many events as a real one, and not executed: thousands of real ones
would take hours.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData

from hub_pipelines.defs.dagster_storage import prune_partitions, prune_runs
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.sensors import REQUEST_TAG
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.settings import RetentionSettings, load
from hub_pipelines_tests.support import make_registry

RUNS = 2_000
ENGINE_EVENTS = 20
ASSETS = ("archived", "validated", "posted", "receipts")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        hub = open_hub(load(KNOWN_FEEDS, {"HUB_HOME": folder}))
        request_id = make_registry(hub, ["NC-0001"])
        runner = Runner(aged(hub))
        started = time.perf_counter()
        for _ in range(count):
            write_run(runner, request_id)
        told = f"{count} runs written in {time.perf_counter() - started:.0f} s"
        before = size_of(hub.settings.dagster_home)
        print(f"{told}: {before / 1e6:.0f} MB, {before / count / 1e3:.0f} KB each")
        deadline = time.monotonic() + 3_600
        prune_partitions(runner.instance, runner.hub, actor="bench", dry_run=False, deadline=deadline)
        started = time.perf_counter()
        found = prune_runs(runner.instance, runner.hub, actor="bench", dry_run=False, deadline=deadline)
        seconds = time.perf_counter() - started
        after = size_of(hub.settings.dagster_home)
        each = 1e3 * seconds / count
        print(f"{found.removed} removed in {seconds:.0f} s ({each:.0f} ms each), kept {found.kept.by_reason}")
        print(f"{after / 1e6:.0f} MB are left of {before / 1e6:.0f} MB; the audit chain holds: {verify_all(hub).ok}")


def aged(hub: Hub) -> Hub:
    at_once = RetentionSettings.model_construct(runs_after_days=0, staged_after_days=0)
    return replace(hub, settings=hub.settings.model_copy(update={"retention": at_once}))


def write_run(runner: Runner, request_id: str) -> None:
    tags = {REQUEST_TAG: request_id, "dagster/partition": request_id}
    run = runner.instance.create_run_for_job(runner.job("procurement_job"), tags=tags)
    for number in range(ENGINE_EVENTS):
        runner.instance.report_engine_event(f"Step {number} of a run as it is told.", run)
    for stage in ASSETS:
        shown = dg.AssetMaterialization(f"procurement_{stage}", partition=request_id, metadata={"rows": 1})
        runner.instance.report_dagster_event(event(run, DagsterEventType.ASSET_MATERIALIZATION, shown), run.run_id)
    runner.instance.report_dagster_event(event(run, DagsterEventType.RUN_SUCCESS), run.run_id)


def event(run: dg.DagsterRun, kind: DagsterEventType, shown: dg.AssetMaterialization | None = None) -> DagsterEvent:
    data = StepMaterializationData(shown) if shown is not None else None
    return DagsterEvent(event_type_value=kind.value, job_name=run.job_name, event_specific_data=data)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
