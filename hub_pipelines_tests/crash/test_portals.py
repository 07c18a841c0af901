"""A poll that is killed: pages are read again, and no record has more or less than its one effect."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from hub_pipelines.hub import Hub
from hub_pipelines.portals import store
from hub_pipelines.portals.state import PollEnd
from hub_pipelines.recovery.model import Kind, Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.submission.model import Cause, Envelope, State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import Homes, homes_for, kill_everywhere, make_object_folders
from hub_pipelines_tests.messages import settle
from hub_pipelines_tests.portals.serving import Portal, asset, toml
from hub_pipelines_tests.portals.test_polling import CAMPUSES, LEDGER
from hub_pipelines_tests.stores.test_recovery import KnownRuns
from hub_pipelines_tests.support import all_submissions, assert_invariants, ledger_values, open_test_hub, submission
from hub_pipelines_tests.web.serving import free_port, wait_until_listening

pytestmark = pytest.mark.crash

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
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    hub.portals.poll("erp", for_s=60)
    settle(hub)
    assert_invariants(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()


@pytest.fixture
def homes(kind: str, request: pytest.FixtureRequest, portal: Portal) -> Homes:
    def fill(home: Path, database_url: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        settings = toml(portal, order="stable", overlap_h=8_000, size=30)
        (home / "hub.toml").write_text(CAMPUSES + settings, encoding="utf-8")
        hub = open_test_hub(home, database_url)
        make_object_folders(hub)
        hub.db.dispose()
        hub.inbox.db.dispose()

    return homes_for(request, kind, fill)


def read(home: Path, database_url: str, boundaries: Boundaries, *, files: bool) -> None:
    hub = open_test_hub(home, database_url)
    if files:
        boundaries.watch_files()
    boundaries.watch_commits(hub)
    assert hub.portals.poll("erp", for_s=60).end is PollEnd.COMPLETE


def recover(home: Path, database_url: str, *, posts: bool) -> None:
    hub = open_test_hub(home, database_url)
    whole = hub.portals.poll("erp", for_s=60)
    assert whole.end is PollEnd.COMPLETE
    assert hub.portals.poll("erp", for_s=60).tally.taken == 0
    assert hub.inbox.count() == len(RECORDS) - 1, "a record has more or less than one message"
    assert set(hub.inbox.versions("portal/erp", list(map(str, RECORDS)))) == set(map(str, RECORDS))
    assert [one.cause for one in hub.review.listing()] == ["drift"]
    if posts:
        settle(hub)
        states = sorted(str(one.state) for one in all_submissions(hub))
        assert states == [str(State.IN_REVIEW), str(State.POSTED)]
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
    ("kind", "files", "posts", "at_least"),
    [
        ("sqlite", False, False, 10),
        pytest.param("sqlite", True, True, 29, marks=pytest.mark.slow),
        pytest.param("postgresql", False, True, 10, marks=pytest.mark.slow),
    ],
    ids=["sqlite", "sqlite, files too", "postgresql"],
)
def test_a_poll_killed_at_any_boundary_reads_pages_again_and_takes_each_record_once(
    homes: Homes, files: bool, posts: bool, at_least: int
) -> None:
    """Archive, review, inbox and cursor are durable in this order, and on SQLite in two databases."""
    victim, rescuer = partial(read, files=files), partial(recover, posts=posts)
    kill_everywhere(homes, victim, rescuer, at_least=at_least)


def test_what_a_killed_poll_was_about_to_hold_is_held_when_the_reconciler_registers_it(
    tmp_path: Path, portal: Portal
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "hub.toml").write_text(CAMPUSES + toml(portal, order="stable", overlap_h=8_000), encoding="utf-8")
    opened = open_test_hub(template, f"sqlite:///{template / 'hub.db'}")
    opened.db.dispose()
    opened.inbox.db.dispose()
    found = 0
    for kill_at in count(1):
        home = tmp_path / f"home-{kill_at}"
        url = f"sqlite:///{home / 'hub.db'}"
        shutil.copytree(template, home)
        ended = finish(fork(partial(read, home, url, Boundaries(kill_at), files=False)))
        hub = open_test_hub(home, url)
        look = Reconciler(hub, KnownRuns(), now=lambda: time.time() + 3_600).look(Position(), thorough=True)
        held = [one for one in all_submissions(hub) if "-held-" in one.envelope.source_name]
        assert {(one.state, one.cause) for one in held} <= {(State.IN_REVIEW, Cause.DRIFT)}
        assert {one.request_id for one in hub.review.listing()} == {one.request_id for one in held}
        if any(one.kind is Kind.NOT_REGISTERED for one in look.mended):
            found += 1
            (item,) = hub.review.listing()
            assert item.reason.startswith("1 record of the portal erp differ from those before: order.number was text")
            hub.portal_shapes.accept(item.item_id, actor="person/ann")
            settle(hub)
            assert submission(hub, item.request_id).state is State.POSTED, "accepted, it goes on like any other"
        assert_invariants(hub)
        hub.db.dispose()
        hub.inbox.db.dispose()
        shutil.rmtree(home)
        if ended == 0:
            break
    assert found > 0, "one was killed between its envelope and its commit"
