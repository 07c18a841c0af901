"""Who gets the next place in the queue of runs: what is urgent or small, campuses in turn, who has waited long."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from sqlalchemy.engine import make_url

from hub_pipelines.common.scope import Scope
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.sensors import LIST_TAG, SIZE_TAG, priority_of, run_request, runs_alive
from hub_pipelines.defs.waiting import PATIENCE_S, let_through
from hub_pipelines.hub import Hub
from hub_pipelines.intake.sealing.service import RECORD_TYPE
from hub_pipelines.launching import tick
from hub_pipelines.submission.model import MESSAGES
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.defs.conftest import drop_sample


def test_the_queue_is_dagsters_own_with_its_limits_and_looked_at_twice_a_second(runner: Runner) -> None:
    queue = runner.instance.run_coordinator
    assert isinstance(queue, QueuedRunCoordinator)
    assert queue.dequeue_interval_seconds == 0.5
    config = queue.get_run_queue_config()
    assert config.max_concurrent_runs == 2
    assert {one["key"] for one in config.tag_concurrency_limits} == {SIZE_TAG, LIST_TAG}


def test_urgent_files_go_first_large_ones_last_and_the_registry_before_who_asks_it(runner: Runner) -> None:
    hub = where_little_is_large(runner.hub)
    for sample in ("north/hazmat/waste-containers.csv", "north/procurement/registry-north.csv"):
        drop_sample(hub, sample)
    launches = tick(hub, "north", alive=runs_alive(runner.instance)).launches
    requests = [run_request(hub, one) for one in launches]
    by_priority = sorted(requests, key=lambda one: -int(one.tags["dagster/priority"]))
    assert [one.job_name for one in by_priority] == ["hazmat_job", "procurement_job"]
    assert [one.tags["hub/size"] for one in by_priority] == ["small", "large"]
    of_messages: dict[str, Any] = {"channel": MESSAGES, "headers": {RECORD_TYPE: "hazmat.event"}}
    batches = [replace(one, envelope=replace(one.envelope, **of_messages)) for one in launches]
    assert {run_request(hub, one).tags["hub/size"] for one in batches} == {"small"}
    inventory, hazmat = hub.feeds["inventory"], hub.feeds["hazmat"]
    assert priority_of(hub.feeds["procurement"], large=False) > priority_of(inventory, large=False)
    assert priority_of(inventory, large=False) > priority_of(hazmat, large=True)


def test_a_small_file_does_not_overtake_the_large_one_before_it_of_its_name(runner: Runner) -> None:
    hub = where_little_is_large(runner.hub)
    path = hub.settings.home / "lab.csv"
    for rows in (200, 1):
        path.write_text("Name,Room,Quantity\n" + "".join(f"Tips {at},B1,3\n" for at in range(rows)), encoding="utf-8")
        hub.submit(path, Scope("north", "inventory"), actor="tester")
    large, small = tick(hub, "north", alive=runs_alive(runner.instance)).launches
    first = run_request(hub, large)
    second = run_request(hub, small, turn=1, after=first)
    assert [one.tags["hub/size"] for one in (first, second)] == ["large", "small"]
    assert {one.tags["hub/list"] for one in (first, second)} == {"north/inventory/lab.csv#0"}
    assert int(second.tags["dagster/priority"]) <= int(first.tags["dagster/priority"])
    assert int(run_request(hub, small).tags["dagster/priority"]) > int(first.tags["dagster/priority"])


def where_little_is_large(hub: Hub) -> Hub:
    limits = hub.settings.limits.model_copy(update={"large_mb": 0.002})
    return replace(hub, settings=hub.settings.model_copy(update={"limits": limits}))


def test_campuses_take_turns_among_what_is_equally_urgent(runner: Runner) -> None:
    inventory, hazmat = runner.hub.feeds["inventory"], runner.hub.feeds["hazmat"]
    flooding = [priority_of(inventory, large=False, turn=turn) for turn in range(3)]
    assert flooding[0] >= priority_of(inventory, large=False) > flooding[1] > flooding[2]
    assert priority_of(hazmat, large=False, turn=500) > flooding[0]
    assert priority_of(inventory, large=False, turn=500) > priority_of(inventory, large=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's record of runs; on a PostgreSQL server that has a time zone of its own."""
    if request.param == "sqlite":
        with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
            yield instance
        return
    with request.getfixturevalue("postgres_database")() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {make_url(url).database} SET timezone = 'Europe/Berlin'")
        theirs = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        overrides = {"storage": {"postgres": {"postgres_url": theirs}}}
        with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as instance:
            yield instance


def test_what_waited_for_five_minutes_gets_the_next_place_the_oldest_first_and_small_ones_after_urgent_ones(
    runs: dg.DagsterInstance,
) -> None:
    low, small = {"dagster/priority": "-7"}, {"dagster/priority": "9990"}
    of_list = {"hub/list": "north/inventory/lab.csv#0"}
    turn = {"dagster/priority": "9010"}
    urgent = {"dagster/priority": str(priority_of(FEEDS["hazmat"], large=False, turn=90))}
    waiting = {"large": low | of_list, "its next": low | of_list, "preview": {}, "last": turn, "small": small}
    for name, tags in waiting.items():
        enqueue(runs, name, tags)

    def in_turn() -> list[str]:
        queued = runs.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))[::-1]
        return [run.tags["name"] for run in QueuedRunCoordinatorDaemon(interval_seconds=1)._priority_sort(queued)]

    now = time.time()
    assert let_through(runs, now + PATIENCE_S - 10) == 0
    assert in_turn() == ["small", "last", "preview", "large", "its next"]
    assert let_through(runs, now + PATIENCE_S + 10) == 4
    enqueue(runs, "new", small)
    enqueue(runs, "urgent", urgent)
    assert in_turn() == ["large", "preview", "urgent", "last", "small", "new", "its next"]
    assert let_through(runs, now + PATIENCE_S - 10) == 0


def enqueue(runs: dg.DagsterInstance, name: str, tags: dict[str, str]) -> None:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("hub"), "hub"), "inventory_job")
    run = runs.create_run_for_job(
        empty_job, tags={"name": name, **tags}, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin
    )
    runs.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_ENQUEUED.value, run.job_name), run.run_id)


@dg.job
def empty_job() -> None:
    pass
