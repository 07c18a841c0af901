"""The reconciler killed while it registers what the archive holds: the next look leads to the same."""

import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.recovery.model import Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.stores.test_recovery import KnownRuns, forget
from hub_pipelines_tests.stores.test_registering import assert_in_order, launched, versions_of_a_list
from hub_pipelines_tests.support import (
    all_submissions,
    assert_invariants,
    ledger_values,
    make_registry,
    open_test_hub,
    process_all,
)

pytestmark = pytest.mark.crash


def opened(home: Path) -> Hub:
    return open_test_hub(home, f"sqlite:///{home / 'hub.db'}")


def register(hub: Hub) -> None:
    Reconciler(hub, KnownRuns(), unregistered_s=0.0).look(Position(), thorough=True)


def register_in_child(home: Path, count: Path, kill_at: int) -> None:
    hub = opened(home)
    boundaries = Boundaries(kill_at)
    boundaries.watch_commits(hub)
    register(hub)
    count.write_text(str(boundaries.count))


def test_registering_killed_at_any_boundary_leaves_the_order_and_ends_the_hold(tmp_path: Path) -> None:
    template, count = tmp_path / "template", tmp_path / "count"
    hub = opened(template)
    make_registry(hub, ["NC-0001"])
    ids = versions_of_a_list(hub, 3)
    for one in ids:
        forget(hub, one)
    hub.db.dispose()
    kill_at = 0
    while True:
        kill_at += 1
        home = tmp_path / f"home-{kill_at}"
        shutil.copytree(template, home)
        ended = finish(fork(partial(register_in_child, home, count, kill_at)))
        hub = opened(home)
        if ended == -signal.SIGKILL:
            standing = [one for one in all_submissions(hub) if one.request_id in ids]
            assert launched(hub) == [] or len(standing) in (0, 3), "no version goes before an earlier one"
            register(hub)
        assert_in_order(hub, ids)
        assert hub.pausing.standing() == []
        process_all(hub)
        assert all(one.state is State.POSTED for one in all_submissions(hub))
        assert ledger_values(hub)["NC-0001"]["quantity"] == "3"
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)
        if ended == 0:
            break
    assert kill_at == int(count.read_text()) + 1
    assert kill_at >= 10
