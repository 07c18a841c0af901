"""kill -9 at every moment of a prune: what is gone was announced, what is needed or held stays."""

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.defs.dagster_storage import prune_runs
from hub_pipelines.defs.instance import Runner
from hub_pipelines.defs.sensors import REQUEST_TAG
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Answer
from hub_pipelines.intake.sealing import bodies as sealing_bodies
from hub_pipelines.intake.sealing import store as sealing
from hub_pipelines.pruning import prune_bodies, prune_staged
from hub_pipelines.removals import removed_though_held
from hub_pipelines.settings import RetentionSettings
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import homes_for, kill_everywhere
from hub_pipelines_tests.messages import body_of, message, settle, stock, take
from hub_pipelines_tests.stores.test_bodies import bodies, make_all_old
from hub_pipelines_tests.stores.test_retention import NORTH_GRANTS, awards, make_old, post, staged
from hub_pipelines_tests.support import (
    all_submissions,
    assert_invariants,
    lease_and_validate,
    make_registry,
    open_test_hub,
    send,
)

pytestmark = pytest.mark.crash

OLD = 3


def open_copy(home: Path) -> Hub:
    return open_test_hub(home, f"sqlite:///{home / 'hub.db'}")


def fill(home: Path, database_url: str) -> None:
    """Old settled submissions, one of them held, and one that a run works on."""
    hub = open_test_hub(home, database_url)
    for number in range(OLD):
        make_old(hub, post(hub, f"{number}.csv", awards(f"A-{number},2010-01-01,{number},"), NORTH_GRANTS))
    working = str(send(hub, "working.csv", awards("A-9,2010-01-01,9,"), NORTH_GRANTS).request_id)
    lease_and_validate(hub, working)
    hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    hub.db.dispose()


def prune(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    prune_staged(hub, actor="person/ann", dry_run=False, deadline=time.monotonic() + 60)


def recover(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    assert_nothing_is_lost(hub)
    prune_staged(hub, actor="person/ann", dry_run=False, deadline=time.monotonic() + 60)
    left = {one.envelope.source_name for one in all_submissions(hub) if staged(hub, one.request_id).exists()}
    assert left == {"1.csv", "working.csv"}
    assert_nothing_is_lost(hub)


def assert_nothing_is_lost(hub: Hub) -> None:
    with hub.db.read() as tx:
        told = [entry.event.detail["items"] for entry in audit.entries_named(tx, "retention:pruning")]
    announced = {item["staged"] for items in told for item in items}  # type: ignore[attr-defined]
    for one in all_submissions(hub):
        name = one.envelope.source_name
        if not staged(hub, one.request_id).exists():
            assert one.staged in announced
            assert name in {"0.csv", "2.csv"}, f"{name} was held or needed"
    assert removed_though_held(hub) == []
    assert_invariants(hub)


def test_a_prune_killed_at_any_boundary_loses_nothing_that_is_needed_or_held(request: pytest.FixtureRequest) -> None:
    # two commits, two removals, and the end
    kill_everywhere(homes_for(request, "sqlite", fill), prune, recover, at_least=5)


# ---- bodies of messages

SENT = tuple(message(f"m-{at}", body_of(stock(f"Item {at}", at))) for at in range(5))


def fill_messages(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    take(hub, *SENT)
    settle(hub)
    make_all_old(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()


def prune_messages(home: Path, database_url: str, boundaries: Boundaries) -> None:
    sealing_bodies._AT_ONCE = 2  # in a child: three transactions for one batch
    hub = open_test_hub(home, database_url)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    prune_bodies(hub, actor="person/ann", dry_run=False, deadline=time.monotonic() + 60)


def recover_messages(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    left = bodies(hub)
    with hub.db.read() as tx:
        told = [entry.event.detail["items"] for entry in audit.entries_named(tx, "retention:pruning")]
    assert left == len(SENT) or told, "something is gone that was not announced"
    with hub.inbox.db.read() as tx:
        (batch,) = sealing.several(tx, [one.request_id for one in all_submissions(hub)])
    assert batch.bodies_removed == len(SENT) - left
    digest = hub.bodies.archived_as(batch)
    assert digest == all_submissions(hub)[0].envelope.content_digest
    hub.bodies.put_back(batch)
    assert (bodies(hub), hub.bodies.archived_as(replace(batch, bodies_removed=0))) == (len(SENT), digest)

    assert prune_bodies(hub, actor="person/ann", dry_run=False, deadline=time.monotonic() + 60).removed == 1
    assert bodies(hub) == 0
    assert {one.answer for one in take(hub, *SENT)} == {Answer.DUPLICATE}
    assert removed_though_held(hub) == []
    assert_invariants(hub)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_prune_of_bodies_killed_at_any_boundary_leaves_what_can_be_sealed_again(
    request: pytest.FixtureRequest, kind: str
) -> None:
    # the announcement, three removals, the transaction that keeps holds still, and the end
    kill_everywhere(homes_for(request, kind, fill_messages), prune_messages, recover_messages, at_least=6)


# ---- Dagster's runs


def fill_with_runs(home: Path) -> None:
    hub = open_copy(home)
    runner = Runner(hub)
    request_id = make_registry(hub, ["NC-0001"])
    for _ in range(2):
        run = runner.instance.create_run_for_job(runner.job("procurement_job"), tags={REQUEST_TAG: request_id})
        runner.instance.report_run_failed(run, "The machine went down.")
    runner.instance.dispose()
    hub.db.dispose()


def prune_dagster(home: Path, kill_at: int) -> int:
    boundaries = Boundaries(kill_at)
    hub = open_copy(home)
    at_once = RetentionSettings.model_construct(runs_after_days=0, staged_after_days=0)
    hub = replace(hub, settings=hub.settings.model_copy(update={"retention": at_once}))
    instance = Runner(hub).instance
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    of_dagster: list[tuple[Any, str]] = [
        (instance.event_log_storage, "delete_events"),
        (instance.run_storage, "delete_run"),
    ]
    for storage, name in of_dagster:
        setattr(storage, name, boundaries.before(getattr(storage, name)))
    prune_runs(instance, hub, actor="person/ann", dry_run=False, deadline=time.monotonic() + 60)
    boundaries.step()
    return boundaries.count


def assert_runs_are_gone_or_whole(home: Path) -> None:
    """What is gone was announced; nothing of a run that is gone is left behind."""
    hub = open_copy(home)
    with hub.db.read() as tx:
        told = [entry.event.detail["items"] for entry in audit.entries_named(tx, "retention:pruning")]
    announced: dict[str, str] = {}
    for item in (item for items in told for item in items):  # type: ignore[attr-defined]
        announced.setdefault(item["run"], item["error"])  # announced again after its events were gone
    assert set(announced.values()) == {"The machine went down."}
    instance = Runner(hub).instance
    left = {run.run_id for run in instance.get_runs()}
    shards = {path.stem for path in (home / "dagster/storage/history/runs").glob("*-*.db")}
    assert shards <= left
    assert len(left | set(announced)) == 2
    instance.dispose()
    assert_invariants(hub)
    hub.db.dispose()


@pytest.mark.slow
def test_a_prune_of_runs_killed_at_any_boundary_is_ended_by_the_next_one(tmp_path: Path) -> None:
    def child(work: Callable[[], object]) -> int:
        return finish(fork(work))

    count = tmp_path / "count"

    def unharmed() -> None:
        fill_with_runs(tmp_path / "0")
        count.write_text(str(prune_dagster(tmp_path / "0", 0)))

    assert child(unharmed) == 0
    boundaries = int(count.read_text())
    assert boundaries >= 9  # two commits, the events, files and records of two runs, and the end
    for kill_at in range(1, boundaries + 1):
        home = tmp_path / str(kill_at)
        assert child(partial(fill_with_runs, home)) == 0
        assert child(partial(prune_dagster, home, kill_at)) == -signal.SIGKILL
        assert child(partial(prune_dagster, home, 0)) == 0
        assert child(partial(assert_runs_are_gone_or_whole, home)) == 0
        shutil.rmtree(home)
