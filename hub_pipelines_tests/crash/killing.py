"""Killing a piece of work at every moment between two durable effects, each time on a copy of one filled hub.

Belongs here: the copies, the counting, the order of killing and recovering. Not here: what a boundary is and how a
process dies (faults), what is killed and what must be true afterwards (the tests).
"""

import shutil
import signal
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from hub_pipelines.archive.objects import make_folder
from hub_pipelines.common.store import Database
from hub_pipelines.hub import Hub
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.invariants import remember_rows
from hub_pipelines_tests.support import asset, expire_leases, inventory_csv, make_registry, open_test_hub

LEASE_S = 600.0
"""Longer than any child works: a victim on a slow machine does the same as on a quick one, without a boundary more for
a lease that it extends, and PostgreSQL ends no transaction of it. Rescuers need not wait, see `kill_everywhere`."""
AT_ONCE = 6
FILE = inventory_csv([asset("NC-0001"), asset("NC-0002"), asset("NC-9999")])
Home = tuple[Path, str]
"""A hub's folder and the address of its database."""
Fill = Callable[[Path, str], object]
Victim = Callable[[Path, str, Boundaries], object]
"""Opens the hub, tells the boundaries what to watch, and works."""


def fill(home: Path, database_url: str) -> None:
    """A hub with a registry and one complete file in a drop folder."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    make_registry(hub, ["NC-0001", "NC-0002"])
    (hub.settings.drop / "north" / "inventory" / "lab.csv").write_bytes(FILE)
    hub.db.dispose()


def make_object_folders(hub: Hub) -> None:
    """All folders of archived objects, as an old hub has them, for a victim that archives contents with dates in them.

    On a new hub it depends on their digests how many folders, and so how many boundaries, such a victim makes.
    """
    for first in range(256):
        make_folder(hub.archive.object_path(f"{first:02x}{0:062x}").parent)


class Homes:
    """Copies of one filled hub, each with its own folder and its own copy of the database."""

    def __init__(self, kind: str, root: Path, postgres_database: MakeDatabase | None, fill: Fill = fill) -> None:
        self.root = root
        self._kind, self._make = kind, postgres_database
        self._template = root / "template"
        self._stack = ExitStack()
        if self._make is None:
            self._template_url = f"sqlite:///{self._template / 'hub.db'}"
            self._template.mkdir()
        else:
            self._template_url = self._stack.enter_context(self._make())
        self.change(fill)

    def change(self, work: Fill) -> None:
        """Do something to the hub that is copied. Here and not in a child, so that children find all imported."""
        work(self._template, self._template_url)

    def copy(self, name: str, stack: ExitStack) -> Home:
        """It lasts as long as the stack."""
        home = self.root / name
        shutil.copytree(self._template, home)
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        if self._make is None:
            return home, f"sqlite:///{home / 'hub.db'}"
        return home, stack.enter_context(self._make(make_url(self._template_url).database))

    def close(self) -> None:
        self._stack.close()


def homes_for(request: pytest.FixtureRequest, kind: str, fill: Fill = fill) -> Homes:
    """On `sqlite` or `postgresql`, until the test of this request has ended."""
    make = request.getfixturevalue("postgres_database") if kind == "postgresql" else None
    homes = Homes(kind, request.getfixturevalue("tmp_path"), make, fill)
    request.addfinalizer(homes.close)
    return homes


def kill_everywhere(
    homes: Homes,
    victim: Victim,
    recover: Callable[[Path, str], object],
    *,
    at_least: int,
    killed: Callable[[dict[int, Home], Home], None] | None = None,
) -> int:
    """Count the boundaries of `victim` unharmed, then kill it at each and `recover`; their number.

    There must be `at_least` so many, and the same in each copy. Rescuers find all leases of the dead at their end.
    `killed` may look at what all kills have left (by boundary) beside what is there unharmed.
    """
    with ExitStack() as stack:
        unharmed = homes.copy("unharmed", stack)
        boundaries = _count(homes, victim, unharmed)
        assert boundaries >= at_least, boundaries
        assert finish(fork(partial(recover, *unharmed))) == 0
        _remember_rows(unharmed)
        stacks = {k: stack.enter_context(ExitStack()) for k in range(1, boundaries + 1)}
        copies = {k: homes.copy(f"killed-{k}", stacks[k]) for k in stacks}
        ends: dict[int, int] = {}
        for batch in _batches(copies):
            victims = {k: fork(partial(_work, victim, copies[k], Boundaries(k))) for k in batch}
            ends |= {k: finish(pid) for k, pid in victims.items()}
        survivors = {k: end for k, end in ends.items() if end != -signal.SIGKILL}
        assert not survivors, survivors
        if killed is not None:
            killed(copies, unharmed)
        for batch in _batches(copies):
            rescuers = {k: fork(partial(_rescue, recover, *copies[k])) for k in batch}
            failed = [k for k, pid in rescuers.items() if finish(pid) != 0]
            assert not failed, f"killed at boundaries {failed} of {boundaries}: not recovered, see stderr"
            for k in batch:
                stacks[k].close()
    return boundaries


def _rescue(recover: Callable[[Path, str], object], home: Path, database_url: str) -> None:
    database = Database(database_url)
    expire_leases(database)
    database.dispose()
    recover(home, database_url)


def _work(victim: Victim, home: Home, boundaries: Boundaries) -> None:
    victim(*home, boundaries)
    boundaries.step()


def _count(homes: Homes, victim: Victim, unharmed: Home) -> int:
    told = homes.root / "boundaries"

    def work() -> None:
        boundaries = Boundaries(0)
        _work(victim, unharmed, boundaries)
        told.write_text(str(boundaries.count), encoding="utf-8")

    assert finish(fork(work)) == 0
    return int(told.read_text(encoding="utf-8"))


def _remember_rows(unharmed: Home) -> None:
    """All rescuers count the same files."""
    hub = open_test_hub(*unharmed)
    remember_rows(hub)
    hub.db.dispose()


def _batches(copies: dict[int, Home]) -> Iterable[range]:
    return (range(first, min(first + AT_ONCE, len(copies) + 1)) for first in range(1, len(copies) + 1, AT_ONCE))
