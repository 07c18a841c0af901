"""`hub locks release` under a worker that is really paused: the next run posts, the paused one's write is refused."""

import json
from pathlib import Path

import pytest

from hub_pipelines.ledger.model import Posting
from hub_pipelines.locks.service import release
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.test_overlaps import (
    assert_one_effect,
    stop_before_posting,
    stopped_worker,
    waiting_file,
)
from hub_pipelines_tests.support import events, open_test_hub, process, submission

pytestmark = pytest.mark.crash


def test_after_a_release_another_run_posts_and_the_paused_workers_write_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    request_id = waiting_file(home, database_url, lease_s=600)
    for _ in stopped_worker(home, database_url, request_id, report, stop_before_posting):
        hub = open_test_hub(home, database_url)
        held = submission(hub, request_id)
        assert (held.state, held.lease_owner) == (State.LEASED, "sleeper")
        found = release(hub, request_id, actor="person/ann", force=True, run_lives=lambda _run: True)
        assert (found.run_id, found.state) == ("sleeper", State.RETRYING)
        outcome = process(hub, request_id, owner="rescuer")  # now, not after the ten minutes of the lease
        assert isinstance(outcome, Posting)
        assert outcome.posted == 2
    assert json.loads(report.read_text()) == "lease lost"
    assert [one for one in events(hub, request_id) if one != "submission:leased"][-3:] == [
        "lease:released",
        "submission:posted",
        "submission:fenced",
    ]
    assert_one_effect(hub, request_id)
    hub.db.dispose()


def test_a_paused_worker_that_wakes_before_the_next_run_writes_nothing_either(
    database_url: str, tmp_path: Path
) -> None:
    home, report = tmp_path / "home", tmp_path / "report"
    request_id = waiting_file(home, database_url, lease_s=600)
    for _ in stopped_worker(home, database_url, request_id, report, stop_before_posting):
        hub = open_test_hub(home, database_url)
        release(hub, request_id, actor="person/ann", force=True, run_lives=lambda _run: True)
    assert json.loads(report.read_text()) == "lease lost"
    assert submission(hub, request_id).state is State.RETRYING
    assert isinstance(process(hub, request_id, owner="rescuer"), Posting)
    assert_one_effect(hub, request_id)
    hub.db.dispose()
