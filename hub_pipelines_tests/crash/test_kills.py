"""kill -9 at every moment between two durable effects: afterwards nothing is lost and nothing is done twice."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    all_submissions,
    asset,
    events,
    inventory_csv,
    ledger_values,
    ledger_version,
    make_registry,
    open_test_hub,
    process_all,
    take_everything,
)

pytestmark = pytest.mark.crash

LEASE_S = 1.0
AT_ONCE = 12
FILE = inventory_csv([asset("NC-0001"), asset("NC-0002"), asset("NC-9999")])


def fill(home: Path, database_url: str) -> None:
    """A hub with a registry and one complete file in a drop folder."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    make_registry(hub, ["NC-0001", "NC-0002"])
    (hub.settings.drop / "north" / "inventory" / "lab.csv").write_bytes(FILE)
    hub.db.dispose()


def take_and_process(home: Path, database_url: str, kill_at: int) -> int:
    """The whole way of a file under watch; how many boundaries there were."""
    boundaries = Boundaries(kill_at)
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    take_everything(hub)
    process_all(hub, owner="victim")
    return boundaries.count


def recover(home: Path, database_url: str) -> None:
    """What the hub does after a crash, and then everything that must be true."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take_everything(hub)
    process_all(hub, owner="rescuer")
    lab = [one for one in all_submissions(hub) if one.envelope.feed == "inventory"]
    assert [(one.state, one.counts.posted, one.counts.rejected) for one in lab] == [(State.POSTED, 2, 1)]
    assert set(ledger_values(hub)) == {"NC-0001", "NC-0002"}
    assert ledger_version(hub) == 1
    told = events(hub, lab[0].request_id)
    assert (told.count("submission:received"), told.count("submission:posted")) == (1, 1)
    assert "submission:duplicate" not in told
    assert "submission:conflict" not in told
    assert_invariants(hub)


class Homes:
    """Copies of one filled hub, each with its own folder and its own copy of the database."""

    def __init__(
        self,
        kind: str,
        root: Path,
        postgres_database: Callable[..., Any] | None,
        fill: Callable[[Path, str], None] = fill,
    ) -> None:
        self._kind, self._root, self._make = kind, root, postgres_database
        self._template = root / "template"
        self._stack = ExitStack()
        if self._make is None:
            self._template_url = f"sqlite:///{self._template / 'hub.db'}"
            self._template.mkdir()
        else:
            self._template_url = self._stack.enter_context(self._make())
        fill(self._template, self._template_url)

    def copy(self, name: str, stack: ExitStack) -> tuple[Path, str]:
        home = self._root / name
        shutil.copytree(self._template, home)
        if self._make is None:
            return home, f"sqlite:///{home / 'hub.db'}"
        return home, stack.enter_context(self._make(make_url(self._template_url).database))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def homes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Homes]:
    make = request.getfixturevalue("postgres_database") if request.param == "postgresql" else None
    found = Homes(request.param, tmp_path, make)
    yield found
    found.close()


def test_a_worker_killed_at_any_boundary_leaves_one_effect_and_loses_nothing(homes: Homes, tmp_path: Path) -> None:
    with ExitStack() as stack:
        unharmed = homes.copy("unharmed", stack)
        count = tmp_path / "count"
        assert finish(fork(lambda: count.write_text(str(take_and_process(*unharmed, kill_at=0))))) == 0
        assert finish(fork(lambda: recover(*unharmed))) == 0
    boundaries = int(count.read_text())
    assert boundaries > 25
    for first in range(1, boundaries + 2, AT_ONCE):
        with ExitStack() as stack:
            batch = range(first, min(first + AT_ONCE, boundaries + 2))
            copies = {k: homes.copy(f"killed-{k}", stack) for k in batch}
            victims = {k: fork(partial(take_and_process, *copies[k], kill_at=k)) for k in batch}
            ends = {k: finish(pid) for k, pid in victims.items()}
            # on a slow machine a run extends its lease, and has one boundary more than the unharmed one
            assert {k for k, end in ends.items() if end != -signal.SIGKILL} <= {boundaries + 1}, ends
            time.sleep(LEASE_S)
            rescuers = {k: fork(partial(recover, *copies[k])) for k in batch}
            failed = [k for k, pid in rescuers.items() if finish(pid) != 0]
            assert not failed, f"killed at boundaries {failed} of {boundaries}: not recovered, see stderr"
            for home, _ in copies.values():
                shutil.rmtree(home)


def test_a_hub_killed_during_its_first_start_starts_again(tmp_path: Path) -> None:
    def start(home: Path, kill_at: int, count: Path) -> None:
        boundaries = Boundaries(kill_at)
        boundaries.watch_files()
        open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=LEASE_S)
        count.write_text(str(boundaries.count))

    count = tmp_path / "count"
    assert finish(fork(lambda: start(tmp_path / "unharmed", 0, count))) == 0
    boundaries = int(count.read_text())
    assert boundaries > 5
    for k in range(1, boundaries + 1):
        home = tmp_path / f"home-{k}"
        assert finish(fork(partial(start, home, k, count))) == -signal.SIGKILL
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}", lease_s=LEASE_S)
        make_registry(hub, ["NC-0001"])
        assert_invariants(hub)
        hub.db.dispose()


def test_a_worker_killed_at_every_attempt_leads_to_review(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    hub = open_test_hub(tmp_path / "home", url, lease_s=LEASE_S, max_attempts=2)
    make_registry(hub, ["NC-0001"])
    (hub.settings.drop / "north" / "inventory" / "lab.csv").write_bytes(FILE)
    take_everything(hub)
    (request_id,) = (one.request_id for one in all_submissions(hub) if one.state is State.RECEIVED)
    hub.db.dispose()

    def poisoned() -> None:
        child = open_test_hub(tmp_path / "home", url)
        child.processing.begin(request_id, f"victim-{os.getpid()}")
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(2):
        assert finish(fork(poisoned)) == -signal.SIGKILL
        time.sleep(LEASE_S + 0.1)
    process_all(hub, owner="rescuer")
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause) == (request_id, "exhausted")
    assert_invariants(hub)
    hub.db.dispose()
