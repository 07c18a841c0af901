"""Workers that sleep, or are killed, while they write a receipt that somebody else asks for or writes meanwhile."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.report import service
from hub_pipelines.report.model import Receipt
from hub_pipelines.submission.model import State
from hub_pipelines.submission.progress import Progress
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines_tests.crash.faults import finish, fork, stop_self, wait_until_stopped
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    asset,
    lease_and_validate,
    make_registry,
    open_test_hub,
    process,
    send_assets,
    submission,
)

pytestmark = pytest.mark.crash

NEW_DESK = "the new desk"


def posted_file(home: Path, database_url: str) -> str:
    """A hub with one posted file whose receipt is due; nothing of it stays open in this process."""
    hub = open_test_hub(home, database_url)
    make_registry(hub, ["NC-0001", "NC-0002"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    process(hub, request_id)
    hub.db.dispose()
    return request_id


def after_reading(request_id: str, then: Callable[[], None]) -> None:
    """Once, when what this one's page tells has been read, and nothing is written yet."""
    real = service._drafted

    def _drafted(page: Path, receipt: Receipt) -> Any:
        if receipt.request_id == request_id:
            service._drafted = real
            then()
        return real(page, receipt)

    service._drafted = _drafted


def worker(home: Path, database_url: str, work: Callable[[Hub], object]) -> int:
    def run() -> None:
        work(open_test_hub(home, database_url))

    return fork(run)


def stopped_writer(home: Path, database_url: str, request_id: str, work: Callable[[Hub], object]) -> int:
    def stop_and_work(hub: Hub) -> None:
        after_reading(request_id, stop_self)
        work(hub)

    pid = worker(home, database_url, stop_and_work)
    wait_until_stopped(pid)
    return pid


def awake(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
    assert finish(pid) == 0


def ask(hub: Hub, request_id: str) -> None:
    with hub.db.write() as tx:
        receipting.make_receipt_due(tx, request_id)


def due(hub: Hub) -> list[str]:
    with hub.db.read() as tx:
        return receipting.receipts_due(tx, None, limit=10)


def write_once(hub: Hub) -> None:
    """In a process of its own."""
    service._READINGS = 1
    hub.receipts.write_due()


def page_of(hub: Hub, request_id: str) -> str:
    return hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")


def test_a_receipt_that_is_asked_for_while_it_is_written_is_written_again(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    request_id = posted_file(home, database_url)

    pid = stopped_writer(home, database_url, request_id, write_once)
    hub = open_test_hub(home, database_url)
    ask(hub, request_id)
    awake(pid)
    assert request_id in due(hub)
    after_reading(request_id, lambda: ask(hub, request_id))
    hub.receipts.write(request_id)  # reads twice, and tells what the second reading found
    assert request_id not in due(hub)
    hub.db.dispose()


def test_a_writer_that_slept_does_not_put_its_old_page_over_a_newer_one(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    request_id = posted_file(home, database_url)

    pid = stopped_writer(home, database_url, request_id, write_once)
    hub = open_test_hub(home, database_url)
    ask(hub, request_id)
    replace(hub.receipts, facts=replace(hub.receipts.facts, contact=NEW_DESK)).write(request_id)
    assert request_id not in due(hub)
    awake(pid)
    assert NEW_DESK in page_of(hub, request_id)
    assert request_id not in due(hub)
    hub.db.dispose()


def test_a_page_of_progress_that_slept_does_not_take_the_place_of_what_has_posted(
    database_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    hub = open_test_hub(home, database_url)
    make_registry(hub, ["NC-0001"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    taken = lease_and_validate(hub, request_id)
    hub.processing.progress.tell(request_id, Progress(taken.token, "reading", 1, 1, taken.until))
    hub.db.dispose()
    pid = stopped_writer(home, database_url, request_id, lambda one: one.receipts.write_progress(request_id))
    hub = open_test_hub(home, database_url)
    with hub.processing.attempt(taken):
        hub.processing.post(taken)
    hub.receipts.write(request_id)
    told = page_of(hub, request_id)
    awake(pid)
    assert page_of(hub, request_id) == told
    hub.db.dispose()


@pytest.mark.parametrize("pages_in_place", [False, True], ids=["before the page", "after the page"])
def test_a_writer_killed_before_its_commit_leaves_the_receipt_due(
    database_url: str, tmp_path: Path, pages_in_place: bool
) -> None:
    home = tmp_path / "home"
    request_id = posted_file(home, database_url)

    def killed(hub: Hub) -> None:
        real = Path.replace

        def put(path: Path, target: Path) -> Path:
            if target.suffix != ".html" or request_id[-8:] not in target.name:
                return real(path, target)
            if pages_in_place:
                real(path, target)
            os.kill(os.getpid(), signal.SIGKILL)
            return target

        Path.replace = put  # type: ignore[method-assign, assignment]
        hub.receipts.write_due()

    assert finish(worker(home, database_url, killed)) == -signal.SIGKILL
    hub = open_test_hub(home, database_url)
    assert hub.receipts.places.page_of(submission(hub, request_id)).exists() is pages_in_place
    assert request_id in due(hub)
    hub.receipts.write_due()
    assert due(hub) == []
    assert submission(hub, request_id).state is State.POSTED
    assert_invariants(hub)
    hub.db.dispose()
