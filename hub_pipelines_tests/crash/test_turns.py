"""kill -9 while files of one name are launched and worked on: they post in their order, each once."""

from pathlib import Path

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.submission.model import UNSETTLED, Busy, Repeat, State, Submission
from hub_pipelines_tests.crash.faults import Boundaries
from hub_pipelines_tests.crash.killing import LEASE_S, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    all_submissions,
    asset,
    events,
    ledger_values,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send_assets,
)

pytestmark = pytest.mark.crash


def three_versions(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    make_registry(hub, ["NC-0001"])
    for quantity in ("1", "2", "3"):
        send_assets(hub, "lab.csv", asset("NC-0001", quantity=quantity))
    hub.db.dispose()


def launch_and_run(home: Path, database_url: str, boundaries: Boundaries) -> None:
    """A tick of the daemon, and the runs that it has asked for."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_commits(hub)
    for one in tick(hub, "north", alive=lambda _ids: set()).launches:
        process(hub, one.request_id, owner=f"run of {one.run_key}")


def versions(hub: Hub) -> list[Submission]:
    sent = [one for one in all_submissions(hub) if one.envelope.feed == "inventory"]
    return sorted(sent, key=lambda one: one.source_version)


def recover(home: Path, database_url: str) -> None:
    """Runs that were asked for come all the same, the newest file's first; then what the hub does after a crash."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    first, *behind = versions(hub)
    for one in reversed(behind if first.state in UNSETTLED else []):
        assert isinstance(process(hub, one.request_id, owner=f"late run of {one.run_key}"), Busy | Repeat)
    process_all(hub, owner="rescuer")
    posted = versions(hub)
    assert [one.state for one in posted] == [State.POSTED] * 3
    assert posted == sorted(posted, key=lambda one: str(one.posted_at))
    assert [events(hub, one.request_id).count("submission:posted") for one in posted] == [1, 1, 1]
    assert ledger_values(hub)["NC-0001"]["quantity"] == "3"
    assert_invariants(hub)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_daemon_or_a_run_killed_among_files_of_one_name_leaves_their_order(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill=three_versions)
    kill_everywhere(homes, launch_and_run, recover, at_least=14)
