"""Leases, fencing, retries and exhaustion on both databases."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow
import pytest
from sqlalchemy import select

from hub_pipelines import processing
from hub_pipelines.common import store as common_store
from hub_pipelines.common.errors import Permanent, Transient
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.processing import AttemptFailed, failure_of
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Busy, Cause, Lease, LeaseLost, Repeat, State
from hub_pipelines.submission.retry import RetryPolicy
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    asset,
    events,
    expire_lease,
    journal_size,
    lease,
    lease_and_validate,
    make_registry,
    make_retry_due,
    open_test_hub,
    process,
    process_all,
    send_assets,
    submission,
)


@pytest.fixture
def request_id(hub: Hub) -> str:
    """A file of two known items that waits to be processed."""
    make_registry(hub, ["NC-0001", "NC-0002"])
    return send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))


def with_attempts(hub: Hub, max_attempts: int) -> Hub:
    policy = replace(hub.processing.policy, max_attempts=max_attempts)
    return replace(hub, processing=replace(hub.processing, policy=policy))


def fail_once(hub: Hub, request_id: str, error: Exception, owner: str = "worker") -> State:
    taken = lease(hub, request_id, owner)
    with pytest.raises(AttemptFailed) as failed, hub.processing.attempt(taken):
        raise error
    return failed.value.state


# ---- taking


def test_a_waiting_submission_is_leased_to_the_first_who_asks(hub: Hub, request_id: str) -> None:
    taken = lease(hub, request_id, "first")
    current = submission(hub, request_id)
    assert (current.state, current.lease_owner, current.token, current.attempts) == (State.LEASED, "first", 1, 1)
    assert taken.token == 1
    assert hub.processing.begin(request_id, "second") == Busy(request_id, State.LEASED)
    assert events(hub, request_id) == ["submission:received", "submission:leased", "submission:busy"]
    assert_invariants(hub)


def test_the_same_owner_asking_again_keeps_its_lease(hub: Hub, request_id: str) -> None:
    first = lease(hub, request_id, "run-1")
    again = lease(hub, request_id, "run-1")
    assert again.token == first.token
    assert again.until >= first.until
    assert submission(hub, request_id).attempts == 1
    assert events(hub, request_id).count("submission:leased") == 1


def test_a_settled_submission_answers_repeat(hub: Hub, request_id: str) -> None:
    assert isinstance(process(hub, request_id), Posting)
    assert hub.processing.begin(request_id, "late") == Repeat(request_id, State.POSTED)
    assert events(hub, request_id)[-1] == "submission:repeat"


def test_an_expired_lease_is_taken_over_with_a_new_token(hub: Hub, request_id: str) -> None:
    old = lease(hub, request_id, "dead")
    expire_lease(hub, request_id)
    new = lease(hub, request_id, "rescuer")
    assert new.token == old.token + 1
    with hub.db.read() as tx:
        attempts = submissions.attempts_of(tx, request_id)
    assert [(one["owner"], one["outcome"]) for one in attempts] == [("dead", "lease expired"), ("rescuer", None)]
    assert_invariants(hub)


def test_an_owner_whose_lease_has_expired_gets_a_new_token_too(hub: Hub, request_id: str) -> None:
    old = lease(hub, request_id, "slow")
    expire_lease(hub, request_id)
    assert lease(hub, request_id, "slow").token == old.token + 1


def test_the_databases_clock_decides_leases_and_a_workers_wrong_clock_does_not(
    hub: Hub, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hub.db.is_postgres:
        pytest.skip("with SQLite the database's clock is this machine's")

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Tomorrow":
            return super().now(tz) + timedelta(days=1)  # type: ignore[return-value,arg-type]

    taken = lease(hub, request_id, "first")
    for module in (common_store, leases):
        monkeypatch.setattr(module, "datetime", Tomorrow)
    assert isinstance(hub.processing.begin(request_id, "second"), Busy)
    again = lease(hub, request_id, "first")
    assert again.until - taken.until < timedelta(seconds=60)


def test_long_work_extends_its_lease(hub: Hub, request_id: str) -> None:
    taken = lease(hub, request_id)
    with hub.db.write() as tx:
        longer = leases.extend_lease(tx, taken, lease_s=60)
    assert longer.until > taken.until
    assert submission(hub, request_id).lease_until == longer.until


# ---- fencing


def test_a_run_waits_with_its_beginning_for_a_long_posting_that_has_sqlite(
    hub: Hub, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hub.db.is_postgres:
        pytest.skip("PostgreSQL has many writers")
    monkeypatch.setattr(common_store, "SQLITE_BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(processing, "_BETWEEN_TRIES_S", 0.01)
    other = open_test_hub(hub.settings.home, str(hub.db.url))
    posts, ends = threading.Event(), threading.Event()

    def post() -> None:
        with hub.db.write():
            posts.set()
            ends.wait(30)

    posting = threading.Thread(target=post)
    posting.start()
    posts.wait(30)
    with pytest.raises(Transient):
        other.processing.begin(request_id, "worker")
    threading.Timer(0.4, ends.set).start()
    assert isinstance(other.processing.begin(request_id, "worker"), Lease)
    posting.join(30)
    other.db.dispose()


def test_an_outdated_token_posts_nothing_while_the_other_run_still_works(hub: Hub, request_id: str) -> None:
    old = lease_and_validate(hub, request_id, "old")
    expire_lease(hub, request_id)
    lease_and_validate(hub, request_id, "new")
    before = journal_size(hub)
    with pytest.raises(LeaseLost), hub.processing.attempt(old):
        hub.processing.post(old)
    current = submission(hub, request_id)
    assert (current.state, current.lease_owner) == (State.LEASED, "new")
    assert journal_size(hub) == before
    assert events(hub, request_id)[-1] == "submission:fenced"
    expire_lease(hub, request_id)
    process_all(hub, owner="new")
    assert_invariants(hub)


def test_the_fence_holds_inside_the_posting_transaction_too(hub: Hub, request_id: str) -> None:
    old = lease_and_validate(hub, request_id, "old")
    stale = submission(hub, request_id)
    expire_lease(hub, request_id)
    lease_and_validate(hub, request_id, "new")
    assert stale.staged is not None
    before = journal_size(hub)
    with pytest.raises(LeaseLost):
        hub.processing._post(old, stale, stale.staged)
    assert journal_size(hub) == before
    assert_invariants(hub)


@pytest.mark.parametrize(
    "late", ["extend_lease", "record_staged", "settle_posted", "settle_retrying", "settle_in_review"]
)
def test_every_write_of_a_worker_is_fenced(hub: Hub, request_id: str, late: str) -> None:
    old = lease(hub, request_id, "old")
    expire_lease(hub, request_id)
    lease(hub, request_id, "new")
    before = submission(hub, request_id)
    failure = failure_of(RuntimeError("late"), "old")
    write = {
        "extend_lease": lambda tx: leases.extend_lease(tx, old, lease_s=60),
        "record_staged": lambda tx: leases.record_staged(tx, old, staged="0" * 64, rows_received=9, registry_version=1),
        "settle_posted": lambda tx: leases.settle_posted(tx, old, posted=9, unchanged=0, rejected=0),
        "settle_retrying": lambda tx: leases.settle_retrying(tx, old, failure, timedelta(0)),
        "settle_in_review": lambda tx: leases.settle_in_review(tx, old, Cause.UNREADABLE, failure),
    }[late]
    with pytest.raises(LeaseLost), hub.db.write() as tx:
        write(tx)
    assert submission(hub, request_id) == before


@pytest.mark.parametrize("error", [Transient("disk full"), Permanent("bad"), RuntimeError("bug")])
def test_a_holder_that_fails_late_does_not_disturb_what_another_run_has_finished(
    hub: Hub, request_id: str, error: Exception
) -> None:
    old = lease_and_validate(hub, request_id, "old")
    expire_lease(hub, request_id)
    finished = process(hub, request_id, owner="new")
    assert isinstance(finished, Posting)
    before = submission(hub, request_id)
    with pytest.raises(LeaseLost), hub.processing.attempt(old):
        raise error
    assert submission(hub, request_id) == before
    assert hub.review.listing() == []
    with hub.db.read() as tx:
        stored = ledger_outcomes.find_posting(tx, request_id, 1)
    assert stored == replace(finished, repeat=True)
    assert_invariants(hub)


@pytest.mark.parametrize("error", [Transient("disk full"), Permanent("bad")])
def test_a_holder_that_fails_late_is_audited_as_fenced(hub: Hub, request_id: str, error: Exception) -> None:
    old = lease_and_validate(hub, request_id, "old")
    expire_lease(hub, request_id)
    process(hub, request_id, owner="new")
    with pytest.raises(LeaseLost), hub.processing.attempt(old):
        raise error
    assert events(hub, request_id)[-1] == "submission:fenced"


def test_a_run_that_died_is_counted_only_while_it_still_holds_the_lease(hub: Hub, request_id: str) -> None:
    failure = failure_of(RuntimeError("worker lost"), "old")
    lease(hub, request_id, "old")
    assert hub.ending.run_died(request_id, "somebody else", failure) is None
    assert hub.ending.run_died(request_id, "old", failure) is State.RETRYING
    assert hub.ending.run_died(request_id, "old", failure) is None
    process_all(hub)
    assert hub.ending.run_died(request_id, "old", failure) is None
    assert_invariants(hub)


# ---- retries


@pytest.mark.parametrize(("attempts", "ceiling_s"), [(1, 2), (2, 4), (3, 8), (6, 64), (7, 120), (20, 120)])
def test_the_wait_before_a_retry_is_between_zero_and_a_doubling_capped_ceiling(attempts: int, ceiling_s: int) -> None:
    asked: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    assert RetryPolicy().wait(attempts, highest) == timedelta(seconds=ceiling_s)
    assert asked == [(0.0, ceiling_s)]


def test_a_transient_error_is_tried_again_not_before_it_is_due(hub: Hub, request_id: str) -> None:
    patient = replace(
        hub, processing=replace(hub.processing, policy=RetryPolicy(max_attempts=5, base_s=1e6, cap_s=1e6))
    )
    before = datetime.now(UTC)
    assert fail_once(patient, request_id, Transient("database locked")) is State.RETRYING
    current = submission(hub, request_id)
    assert current.retry_at is not None
    assert before - timedelta(seconds=1) <= current.retry_at <= datetime.now(UTC) + timedelta(seconds=1e6)
    assert current.lease_owner is None
    assert hub.processing.begin(request_id, "eager") == Busy(request_id, State.RETRYING)
    make_retry_due(hub, request_id)
    assert isinstance(process(hub, request_id), Posting)
    assert_invariants(hub)


def test_the_last_allowed_attempt_leads_to_review_as_exhausted(hub: Hub, request_id: str) -> None:
    hub = with_attempts(hub, 3)
    states = []
    for _ in range(3):
        states.append(fail_once(hub, request_id, Transient("no answer")))
        make_retry_due(hub, request_id)
    assert states == [State.RETRYING, State.RETRYING, State.IN_REVIEW]
    (item,) = hub.review.listing()
    assert (item.cause, item.request_id, item.error_type) == ("exhausted", request_id, "Transient")
    assert "no answer" in item.trace
    assert_invariants(hub)


def test_an_unexpected_error_is_retried_and_its_text_is_not_shown_to_the_sender(hub: Hub, request_id: str) -> None:
    assert fail_once(hub, request_id, ZeroDivisionError("secret detail")) is State.RETRYING
    assert "secret detail" not in (submission(hub, request_id).reason or "")
    with hub.db.read() as tx:
        assert "secret detail" in submissions.attempts_of(tx, request_id)[0]["trace"]


def test_a_permanent_error_leads_to_review_at_once(hub: Hub, request_id: str) -> None:
    assert fail_once(hub, request_id, Permanent("Not a table.", "Send a table.")) is State.IN_REVIEW
    (item,) = hub.review.listing()
    assert (item.cause, item.reason, item.fix) == ("unreadable", "Not a table.", "Send a table.")
    assert submission(hub, request_id).attempts == 1
    assert_invariants(hub)


def test_workers_that_die_silently_exhaust_the_attempts(hub: Hub, request_id: str) -> None:
    hub = with_attempts(hub, 2)
    for number in range(2):
        lease(hub, request_id, f"dies-{number}")
        expire_lease(hub, request_id)
    assert isinstance(hub.processing.begin(request_id, "third"), Busy)
    assert hub.ending.give_up_exhausted() == 1
    assert hub.ending.give_up_exhausted() == 0
    (item,) = hub.review.listing()
    assert (item.cause, item.error_type) == ("exhausted", "WorkerDied")
    assert_invariants(hub)


def test_a_failed_attempt_leaves_no_trace_in_journal_and_ledger(
    hub: Hub, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Transient("the connection broke after the rows were written")

    before = journal_size(hub)
    taken = lease_and_validate(hub, request_id)
    with monkeypatch.context() as broken:
        broken.setattr(postings, "_posted_event", refuse)
        with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
            hub.processing.post(taken)
    assert journal_size(hub) == before
    with hub.db.read() as tx:
        assert ledger_outcomes.find_posting(tx, request_id, 1) is None
        assert tx.execute(select(ledger_problems.rejection)).first() is None
    assert_invariants(hub)
    process_all(hub)
    assert journal_size(hub) == before + 2
    assert_invariants(hub)


def test_a_lease_names_the_revision_it_works_on(hub: Hub, request_id: str) -> None:
    fail_once(hub, request_id, Permanent("no"))
    hub.review.replay(hub.review.listing()[0].item_id, actor="kim")
    again = hub.processing.begin(request_id, "worker")
    assert isinstance(again, Lease)
    assert again.revision == 2


@pytest.mark.parametrize("error", [MemoryError(), pyarrow.ArrowMemoryError("malloc of size 64 failed")])
def test_too_little_memory_is_named_as_the_cause_and_whose_it_is_to_mend(error: MemoryError) -> None:
    told = failure_of(error, None)
    assert (told.reason, "gives it more memory" in told.fix) == (
        "The hub's machine had too little memory to work on this file.",
        True,
    )
