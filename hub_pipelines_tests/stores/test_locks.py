"""Who holds what, and ending a lease by hand."""

import fcntl
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import update

from hub_pipelines.audit import store as audit
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.locks.files import holder_of
from hub_pipelines.locks.model import NotHeld, StillHeld
from hub_pipelines.locks.service import overview, release
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import LeaseLost, State
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    events,
    expire_lease,
    lease,
    lease_and_validate,
    make_registry,
    process,
    send_assets,
    submission,
)


def living(_run_id: str) -> bool:
    return True


def gone(_run_id: str) -> bool:
    return False


def test_the_list_tells_run_token_times_and_whether_a_lease_is_past_due(hub: Hub) -> None:
    first = send_assets(hub, "first.csv", asset("NC-0001"))
    second = send_assets(hub, "second.csv", asset("NC-0002"))
    lease(hub, first, "run-a")
    lease(hub, second, "run-b")
    expire_lease(hub, second)
    past, alive = overview(hub).held
    assert (past.request_id, past.run_id, past.token, past.attempt) == (second, "run-b", 1, 1)
    assert past.past_due_s > 1_000
    assert (alive.request_id, alive.past_due_s) == (first, 0.0)
    assert alive.since <= alive.extended_at < alive.until
    assert overview(hub, "south").held == []


def test_a_living_lease_of_a_living_run_is_released_by_force_alone(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lease(hub, request_id, "run-a")
    with pytest.raises(StillHeld) as told:
        release(hub, request_id, actor="person/ann", force=False, run_lives=living)
    assert "run-a" in str(told.value)
    assert "--force" in str(told.value)
    assert submission(hub, request_id).lease_owner == "run-a"
    assert "lease:released" not in events(hub, request_id)
    release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    assert submission(hub, request_id).state is State.RETRYING


@pytest.mark.parametrize("how", ["its run is gone", "it is past due"])
def test_a_dead_lease_needs_no_force(hub: Hub, how: str) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lease(hub, request_id, "run-a")
    if how == "it is past due":
        expire_lease(hub, request_id)
    found = release(
        hub, request_id, actor="person/ann", force=False, run_lives=gone if how == "its run is gone" else living
    )
    assert (found.state, found.run_id, found.attempt) == (State.RETRYING, "run-a", 1)


def test_the_next_run_posts_at_once_and_the_old_ones_write_is_refused(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    old = lease_and_validate(hub, request_id, "run-a")
    release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    with pytest.raises(LeaseLost), hub.processing.attempt(old):
        hub.processing.post(old)
    # Dagster still counts the old run among the living, and that holds nothing up
    (again,) = tick(hub, "north", alive=lambda ids: set(ids)).launches
    assert again.request_id == request_id
    process(hub, request_id, owner="run-b")
    with pytest.raises(LeaseLost), hub.processing.attempt(old):
        hub.processing.post(old)
    assert submission(hub, request_id).state is State.POSTED
    assert events(hub, request_id).count("submission:fenced") == 2
    assert_invariants(hub)


def test_a_release_counts_as_an_attempt_and_is_audited(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lease(hub, request_id, "run-a")
    release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    lease(hub, request_id, "run-b")
    assert submission(hub, request_id).attempts == 2
    with hub.db.read() as tx:
        first, second = submissions.attempts_of(tx, request_id)
        (entry,) = audit.entries_named(tx, "lease:released")
    assert (first["outcome"], first["error_type"], second["ended_at"]) == ("released", "LeaseReleased", None)
    assert (entry.event.actor, entry.event.detail["run"], entry.event.detail["forced"]) == ("person/ann", "run-a", True)
    assert_invariants(hub)


def test_a_release_after_the_last_attempt_leads_to_review(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    for number in range(hub.processing.policy.max_attempts):
        lease(hub, request_id, f"run-{number}")
        found = release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    assert found.state is State.IN_REVIEW
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause) == (request_id, "exhausted")
    assert "person/ann ended the lease" in item.reason
    assert_invariants(hub)


def test_a_release_when_all_revisions_have_had_their_attempts_leads_to_review_at_once(hub: Hub) -> None:
    """Nobody may lease it again, so it must not wait for a next run."""
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    tried = hub.processing.policy.max_in_all - 1
    with hub.db.write() as tx:
        tx.execute(update(submissions.submission).values(token=tried))
    lease(hub, request_id, "run-a")
    released = release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    assert released.state is submission(hub, request_id).state is State.IN_REVIEW
    assert_invariants(hub)


def test_what_nobody_holds_cannot_be_released(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    with pytest.raises(NotHeld) as told:
        release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    assert "is received; nobody holds it" in str(told.value)


def test_of_many_who_release_at_once_one_ends_the_lease(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lease(hub, request_id, "run-a")
    outcomes: list[str] = []

    def end() -> None:
        try:
            release(hub, request_id, actor="person/ann", force=True, run_lives=living)
            outcomes.append("ended")
        except NotHeld:
            outcomes.append("told")

    racers = [threading.Thread(target=end) for _ in range(6)]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    assert sorted(outcomes) == ["ended"] + ["told"] * 5
    assert submission(hub, request_id).attempts == 1
    assert events(hub, request_id).count("lease:released") == 1


def test_a_worker_that_fails_after_its_release_decides_nothing(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    old = lease(hub, request_id, "run-a")
    release(hub, request_id, actor="person/ann", force=True, run_lives=living)
    with pytest.raises((LeaseLost, AttemptFailed)) as end, hub.processing.attempt(old):
        raise RuntimeError("too late")
    assert isinstance(end.value, LeaseLost)
    assert submission(hub, request_id).state is State.RETRYING
    assert_invariants(hub)


def test_the_holder_of_a_locked_file_is_told_by_its_process(tmp_path: Path) -> None:
    path = tmp_path / "up.lock"
    assert holder_of(path) is None
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    assert holder_of(path) is None
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert holder_of(path) == os.getpid()
    os.close(handle)
    assert holder_of(path) is None


def test_a_transaction_that_sleeps_is_told_on_postgresql(hub: Hub) -> None:
    if not hub.db.is_postgres:
        assert overview(hub).sleeping == []
        return
    with hub.db.write() as tx:
        submissions.unsettled_count(tx)
        (sleeper,) = overview(hub).sleeping
    assert sleeper.begun_at <= sleeper.idle_since
    assert "submission" in sleeper.query
    assert overview(hub).sleeping == []
