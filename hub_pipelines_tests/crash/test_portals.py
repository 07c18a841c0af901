"""A poll that is killed: pages are read again, and no record has more or less than its one effect."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from hub_pipelines.hub import Hub
from hub_pipelines.portals import store
from hub_pipelines.portals.state import PollEnd
from hub_pipelines.submission.model import Envelope, State
from hub_pipelines_tests.crash.faults import Boundaries, fork
from hub_pipelines_tests.crash.killing import Homes, homes_for, kill_everywhere
from hub_pipelines_tests.messages import settle
from hub_pipelines_tests.portals.serving import Portal, asset, toml
from hub_pipelines_tests.portals.test_polling import CAMPUSES, LEDGER
from hub_pipelines_tests.support import all_submissions, assert_invariants, ledger_values, open_test_hub
from hub_pipelines_tests.web.serving import free_port, wait_until_listening

pytestmark = pytest.mark.crash

LEASE_S = 0.5
RECORDS = {number: asset(number) for number in range(1, 51)}
RECORDS[20]["order"] = {"no": "PO-2026-0020"}
"""Held: its order's number is elsewhere now."""


def serve(portal: Portal) -> None:
    app = Starlette(routes=[Route("/orders", portal._page, methods=["GET"])])
    uvicorn.run(app, host="127.0.0.1", port=portal.port, log_config=None)


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """In a process of its own: children that are forked beside a thread may find its locks taken."""
    portal = Portal(RECORDS, port=free_port())
    server = fork(lambda: serve(portal))
    wait_until_listening(portal.port)
    yield portal
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory: pytest.TempPathFactory, portal: Portal) -> None:
    """All that reading and judging imports is loaded here, so that no child need do so."""
    home = tmp_path_factory.mktemp("loaded")
    (home / "hub.toml").write_text(CAMPUSES + toml(portal, order="stable"), encoding="utf-8")
    hub = open_hub_of(home, f"sqlite:///{home / 'hub.db'}")
    hub.portals.poll("erp", for_s=60)
    settle(hub)
    assert_invariants(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()


def open_hub_of(home: Path, database_url: str) -> Hub:
    hub = open_test_hub(home, database_url)
    return replace(hub, portals=replace(hub.portals, lease_s=LEASE_S))


@pytest.fixture
def homes(kind: str, request: pytest.FixtureRequest, portal: Portal) -> Homes:
    def fill(home: Path, database_url: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        settings = toml(portal, order="stable", overlap_h=8_000, size=30)
        (home / "hub.toml").write_text(CAMPUSES + settings, encoding="utf-8")
        hub = open_hub_of(home, database_url)
        hub.db.dispose()
        hub.inbox.db.dispose()

    return homes_for(request, kind, fill)


def read(home: Path, database_url: str, boundaries: Boundaries, *, files: bool) -> None:
    hub = open_hub_of(home, database_url)
    if files:
        boundaries.watch_files()
    boundaries.watch_commits(hub)
    assert hub.portals.poll("erp", for_s=60).end is PollEnd.COMPLETE


def recover(home: Path, database_url: str) -> None:
    hub = open_hub_of(home, database_url)
    whole = hub.portals.poll("erp", for_s=60)
    assert whole.end is PollEnd.COMPLETE
    assert hub.portals.poll("erp", for_s=60).tally.taken == 0
    settle(hub)
    assert hub.inbox.count() == len(RECORDS) - 1, "a record has more or less than one message"
    states = sorted(str(one.state) for one in all_submissions(hub))
    assert states == [str(State.IN_REVIEW), str(State.POSTED)]
    assert len(hub.review.listing()) == 1
    assert {one["asset_tag"] for one in ledger_values(hub, LEDGER).values()} == {
        one["tag"] for number, one in RECORDS.items() if number != 20
    }
    _assert_pages(hub, str(whole.poll_id))
    assert_invariants(hub)


def _assert_pages(hub: Hub, poll_id: str) -> None:
    with hub.db.read() as tx:
        pages: list[Any] = store.pages_of(tx, poll_id)
        assert store.newest_polls(tx, "erp", limit=9)[0]["outcome"] == PollEnd.COMPLETE
    assert [one.number for one in pages] == [1, 2]
    for one in pages:
        hub.keys.verify(Envelope.from_document(one.envelope))
        hub.archive.verify(one.content_digest)


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("sqlite", False),
        pytest.param("sqlite", True, marks=pytest.mark.slow),
        pytest.param("postgresql", False, marks=pytest.mark.slow),
    ],
    ids=["sqlite", "sqlite, files too", "postgresql"],
)
def test_a_poll_killed_at_any_boundary_reads_pages_again_and_takes_each_record_once(homes: Homes, files: bool) -> None:
    """Archive, review, inbox and cursor are durable in this order, and on SQLite in two databases."""
    kill_everywhere(homes, partial(read, files=files), recover, at_least=14, after_s=LEASE_S)
