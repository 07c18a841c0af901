"""kill -9 while chains are signed: a checkpoint is there or not, and the next round writes its files."""

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import Homes, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import open_test_hub
from hub_pipelines_tests.tampering import append, files_of, texts

pytestmark = pytest.mark.crash

Work = Callable[[Hub], object]


def sign(hub: Hub) -> None:
    hub.checkpoints.make()


def rotate(hub: Hub) -> None:
    hub.checkpoints.rotate("north", actor="person/kim")


def work_under_watch(home: Path, database_url: str, boundaries: Boundaries, work: Work) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    work(hub)


def prepare(home: Path, database_url: str) -> None:
    """A first round of checkpoints, and two chains with news."""
    hub = open_test_hub(home, database_url)
    hub.checkpoints.make()
    append(hub, "north", "more")
    append(hub, "south", "more")
    hub.db.dispose()


def recover(home: Path, database_url: str) -> None:
    """The next round, and then everything that must be true."""
    hub = open_test_hub(home, database_url)
    append(hub, "north", "later")
    hub.checkpoints.make()
    report = hub.checkpoints.verify()
    assert (report.first_bad, report.notes) == (None, ())
    assert hub.checkpoints.keys_astray() == {}
    assert not hub.checkpoints.is_due()
    for campus in ("north", "south"):
        told = texts(hub, campus)
        assert list(told) == list(range(1, len(told) + 1))
        for number, text in told.items():
            assert [path.read_text(encoding="utf-8") for path in files_of(hub, campus, number)] == [text, text]
    assert_invariants(hub)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def homes(request: pytest.FixtureRequest) -> Homes:
    found = homes_for(request, request.param)
    found.change(prepare)
    return found


@pytest.mark.parametrize(("work", "at_least"), [(sign, 13), pytest.param(rotate, 25, marks=pytest.mark.slow)])
def test_signing_and_rotating_killed_at_any_boundary_are_finished_by_the_next_round(
    homes: Homes, work: Work, at_least: int
) -> None:
    kill_everywhere(homes, partial(work_under_watch, work=work), recover, at_least=at_least)


def test_keys_that_are_changed_while_others_sign_leave_only_checkpoints_that_verify(
    homes: Homes, tmp_path: Path
) -> None:
    """Rounds, rotations of two campuses and news at once, and one of the rotations is killed amid it."""

    def work_when_told(home: Path, url: str, work: Work) -> None:
        hub = open_test_hub(home, url)
        while not (tmp_path / "go").exists():
            time.sleep(0.005)
        work(hub)

    def sign_and_grow(hub: Hub) -> None:
        for number in range(6):
            append(hub, "north", f"news {number}")
            hub.checkpoints.make()

    def rotate_south(hub: Hub) -> None:
        for _ in range(3):
            hub.checkpoints.rotate("south", actor="person/kim")

    with ExitStack() as stack:
        home, url = homes.copy("shared", stack)
        children = [
            fork(partial(work_when_told, home, url, work))
            for work in (sign_and_grow, sign_and_grow, rotate_south, rotate_south, rotate)
        ]
        victim = fork(partial(work_under_watch, home, url, Boundaries(12), rotate))
        (tmp_path / "go").touch()
        assert finish(victim) == -signal.SIGKILL
        assert [finish(pid) for pid in children] == [0] * 5
        assert finish(fork(partial(recover, home, url))) == 0


def test_rounds_in_many_processes_at_once_make_each_checkpoint_once(homes: Homes, tmp_path: Path) -> None:
    def sign_when_told(home: Path, url: str) -> None:
        hub = open_test_hub(home, url)
        while not (tmp_path / "go").exists():
            time.sleep(0.005)
        hub.checkpoints.make()

    with ExitStack() as stack:
        home, url = homes.copy("shared", stack)
        children = [fork(partial(sign_when_told, home, url)) for _ in range(6)]
        (tmp_path / "go").touch()
        assert [finish(pid) for pid in children] == [0] * 6
        assert finish(fork(partial(recover, home, url))) == 0
