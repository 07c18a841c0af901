"""What the reconciler finds, mends and says, on both databases. Dagster's part of it: defs/test_reconciliation.py."""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import Permanent, Transient
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.ledger.model import Posting
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.recovery import service
from hub_pipelines.recovery import store as recovery
from hub_pipelines.recovery.model import CHECKS, Finding, Kind, LostRun, Position, Report
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.retention import store as retention
from hub_pipelines.review.store import review_item
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines.submission.queue import store as queue
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN, RetryPolicy, launch_wait
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    asset,
    due_now,
    events,
    expire_lease,
    lease,
    make_registry,
    make_retry_due,
    process,
    process_all,
    send_assets,
    submission,
)
from hub_pipelines_tests.tampering import rewrite

AN_HOUR_S = 3_600.0
TWO_DAYS_S = 2 * 86_400.0


@dataclass
class KnownRuns:
    """What a Dagster would say: these are lost, those live."""

    gone: list[LostRun] = field(default_factory=list)
    living: Collection[str] = ()
    reported: list[str] = field(default_factory=list)

    def lost(self) -> list[LostRun]:
        return [one for one in self.gone if one.run_id not in self.reported]

    def report_failed(self, lost: LostRun) -> bool:
        self.reported.append(lost.run_id)
        return True

    def alive(self, request_ids: list[str]) -> set[str]:
        return set(self.living) & set(request_ids)


@pytest.fixture
def request_id(hub: Hub) -> str:
    make_registry(hub, ["NC-0001", "NC-0002"])
    return send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))


def look(hub: Hub, runs: KnownRuns | None = None, **named: object) -> Report:
    return Reconciler(hub, runs or KnownRuns(), **named).look(Position(), thorough=True)  # type: ignore[arg-type]


def kinds(report: Report) -> list[Kind]:
    return [one.kind for one in report.findings]


def recovery_events(hub: Hub, request_id: str) -> list[str]:
    return [event for event in events(hub, request_id) if event.startswith("recovery:")]


def forget(hub: Hub, request_id: str) -> None:
    """As if the database were older than the archive, and its audit chain with it."""

    def then(told: list[tuple[Any, Event]]) -> None:
        told[:] = [one for one in told if one[1].request_id != request_id]

    rewrite(hub, submission(hub, request_id).envelope.campus, then)
    with hub.db.write() as tx:
        tx.execute(delete(submissions.submission).where(submissions.submission.c.request_id == request_id))
        tx.execute(delete(arrivals.arrival).where(arrivals.arrival.c.request_id == request_id))


def later(seconds: float) -> float:
    return time.time() + seconds


def test_of_a_hub_in_order_nothing_is_said_and_nothing_is_changed(hub: Hub, request_id: str) -> None:
    process_all(hub)
    before = audit.head_position(hub.db)
    report = look(hub)
    assert report.findings == ()
    assert set(report.checks()) == set(CHECKS)
    assert not any(report.checks().values())
    assert audit.head_position(hub.db) == before
    assert submission(hub, request_id).state is State.POSTED


# ---- leases


def test_a_lease_past_due_ends_its_attempt_and_the_submission_is_tried_again(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "dies")
    expire_lease(hub, request_id)
    report = look(hub)
    assert kinds(report) == [Kind.LEASE_PAST_DUE]
    assert report.left == ()
    current = submission(hub, request_id)
    assert (current.state, current.attempts, current.lease_owner) == (State.RETRYING, 1, None)
    with hub.db.read() as tx:
        (attempt,) = submissions.attempts_of(tx, request_id)
    assert (attempt["error_type"], attempt["ended_at"] is not None) == ("WorkerDied", True)
    assert recovery_events(hub, request_id) == ["recovery:lease_ended"]
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED
    assert_invariants(hub)


def test_a_lease_that_has_just_run_out_is_left_to_the_run_that_takes_it_over(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "dies")
    with hub.db.write() as tx:
        tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id)
            .values(lease_until=datetime.now(UTC) - timedelta(seconds=service.GRACE_S / 2))
        )
    assert look(hub).findings == ()
    assert submission(hub, request_id).state is State.LEASED


def test_a_lease_past_due_on_the_last_attempt_leads_to_review(hub: Hub, request_id: str) -> None:
    hub = replace(hub, processing=replace(hub.processing, policy=RetryPolicy(max_attempts=1)))
    lease(hub, request_id, "dies")
    expire_lease(hub, request_id)
    report = look(hub)
    assert "in_review" in str(report.findings[0].done)
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause, item.error_type) == (request_id, "exhausted", "WorkerDied")
    assert_invariants(hub)


def test_a_dry_run_tells_the_same_and_changes_nothing(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "dies")
    expire_lease(hub, request_id)
    before, entries = submission(hub, request_id), audit.head_position(hub.db)
    report = look(hub, dry_run=True)
    assert kinds(report) == [Kind.LEASE_PAST_DUE]
    assert [one.kind for one in report.left] == [Kind.LEASE_PAST_DUE]
    assert report.checks()["no_lease_is_past_due"] == report.left
    assert (submission(hub, request_id), audit.head_position(hub.db)) == (before, entries)


# ---- runs


def test_a_run_that_died_unseen_is_reported_and_its_attempt_ends_before_its_lease_does(
    hub: Hub, request_id: str
) -> None:
    lease(hub, request_id, "run-1")
    runs = KnownRuns(gone=[LostRun("run-1", request_id, "inventory_job", "its process 4711 is gone")])
    report = look(hub, runs)
    assert runs.reported == ["run-1"]
    assert report.findings[0].done == "reported to Dagster as failed; its submission is retrying"
    assert recovery_events(hub, request_id) == ["recovery:run_failed"]
    assert look(hub, runs).findings == ()
    process_all(hub)
    assert_invariants(hub)


def test_a_lost_run_whose_submission_another_run_holds_changes_nothing_but_dagster(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "other")
    before = submission(hub, request_id)
    runs = KnownRuns(gone=[LostRun("run-1", request_id, "inventory_job", "its process is gone")])
    assert look(hub, runs).findings[0].done == "reported to Dagster as failed"
    assert submission(hub, request_id) == before


def test_a_lost_run_without_a_submission_is_told_in_the_hubs_own_chain(hub: Hub) -> None:
    look(hub, KnownRuns(gone=[LostRun("run-9", None, "ledgers_job", "its process is gone")]))
    with hub.db.read() as tx:
        (entry,) = audit.entries_named(tx, "recovery:run_failed")
    assert (entry.event.campus, entry.event.subject, entry.event.detail["run_id"]) == ("hub", "ledgers_job", "run-9")


# ---- launches


def launch(hub: Hub, request_id: str, *, ago_s: float = 0.0) -> None:
    with hub.db.write() as tx:
        assert queue.mark_launched(tx, request_id) is not None
        tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id)
            .values(launched_at=datetime.now(UTC) - timedelta(seconds=ago_s))
        )


def is_due(hub: Hub, request_id: str, after_s: float = 120.0) -> bool:
    with hub.db.read() as tx:
        due = queue.due(tx, "north", limit=10, relaunch_after=timedelta(seconds=after_s))
    return request_id in {one.request_id for one in due}


def test_each_launch_in_vain_is_waited_for_twice_as_long_up_to_an_hour(hub: Hub, request_id: str) -> None:
    for number in range(1, LAUNCHES_IN_VAIN + 1):
        wait_s = launch_wait(timedelta(seconds=120), number).total_seconds()
        assert wait_s == min(3_600, 120 * 2 ** (number - 1))
        launch(hub, request_id, ago_s=wait_s - 5)
        assert not is_due(hub, request_id)
        with hub.db.write() as tx:
            tx.execute(
                update(submissions.submission)
                .where(submissions.submission.c.request_id == request_id)
                .values(launched_at=datetime.now(UTC) - timedelta(seconds=wait_s + 5))
            )
        assert is_due(hub, request_id)


def test_a_run_that_begins_to_work_forgives_the_launches_in_vain(hub: Hub, request_id: str) -> None:
    launch(hub, request_id)
    launch(hub, request_id)
    assert submission(hub, request_id).launches_in_vain == 2
    process(hub, request_id)
    assert submission(hub, request_id).launches_in_vain == 0


def test_launches_that_never_lead_to_work_end_in_review_and_can_be_replayed(hub: Hub, request_id: str) -> None:
    for _ in range(LAUNCHES_IN_VAIN):
        launch(hub, request_id, ago_s=AN_HOUR_S)
    alive = KnownRuns(living={request_id})
    assert kinds(look(hub, alive)) == [], "the last one may still begin"
    assert kinds(look(hub)) == [Kind.LAUNCHED_IN_VAIN]
    (item,) = hub.review.listing()
    assert (item.request_id, item.cause, item.error_type) == (request_id, "exhausted", "LaunchedInVain")
    assert recovery_events(hub, request_id) == ["recovery:launches_ended"]
    assert_invariants(hub)
    hub.review.replay(item.item_id, actor="kim")
    assert submission(hub, request_id).launches_in_vain == 0
    process_all(hub)
    assert_invariants(hub)


def test_a_campus_whose_submissions_are_due_and_not_launched_is_told(hub: Hub, request_id: str) -> None:
    first = look(hub)
    assert first.findings == ()
    run_key, since = first.position.heads["north"]
    assert run_key.startswith(request_id)
    in_time = Reconciler(hub, KnownRuns(), now=lambda: since + 200)
    assert in_time.look(first.position, thorough=False).findings == ()
    late = Reconciler(hub, KnownRuns(), now=lambda: since + 400)
    (found,) = late.look(first.position, thorough=False).left
    assert found.kind is Kind.CAMPUS_STANDS_STILL
    assert "north_drop_folder_sensor" in found.what
    launch(hub, request_id)
    assert late.look(first.position, thorough=False).findings == ()


def test_what_is_paused_is_not_due_so_its_campus_does_not_stand_still(hub: Hub, request_id: str) -> None:
    hub.pausing.pause("north", actor="person/ann", reason="stocktaking")
    position = look(hub).position
    assert position.heads == {}
    assert submission(hub, request_id).state is State.RECEIVED
    hub.pausing.resume("north", actor="person/ann")
    assert look(hub).position.heads["north"][0].startswith(request_id)


# ---- review


def lose_item(hub: Hub, request_id: str) -> None:
    with hub.db.write() as tx:
        tx.execute(delete(review_item).where(review_item.c.request_id == request_id))


def test_a_submission_in_review_of_which_no_item_tells_gets_its_item_with_the_error(hub: Hub, request_id: str) -> None:
    taken = lease(hub, request_id)
    with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
        raise Permanent("Not a table.", "Send a table.")
    (before,) = hub.review.listing()
    lose_item(hub, request_id)
    report = look(hub)
    assert kinds(report) == [Kind.ITEM_MISSING]
    (after,) = hub.review.listing()
    assert (after.item_id, after.cause, after.reason, after.fix, after.error_type) == (
        before.item_id,
        "unreadable",
        "Not a table.",
        "Send a table.",
        "Permanent",
    )
    assert "Not a table." in after.trace
    assert recovery_events(hub, request_id) == ["recovery:item_filed"]
    assert look(hub).findings == ()
    hub.review.replay(after.item_id, actor="kim")
    process_all(hub)
    assert_invariants(hub)


def test_an_item_that_was_closed_without_its_submission_is_told_and_not_made_up(hub: Hub, request_id: str) -> None:
    taken = lease(hub, request_id)
    with pytest.raises(AttemptFailed), hub.processing.attempt(taken):
        raise Permanent("Not a table.")
    with hub.db.write() as tx:
        tx.execute(update(review_item).values(state="dismissed"))
    (found,) = look(hub).left
    assert found.kind is Kind.ITEM_MISSING
    assert recovery_events(hub, request_id) == []


# ---- leftovers and rows


def test_half_files_are_removed_after_a_day_and_not_before(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    hub.archive.incoming.mkdir(parents=True, exist_ok=True)
    left = [
        hub.archive.incoming / "0123456789abcdef",
        hub.settings.staged / ".staging-0123",
        hub.settings.receipts / "north" / "inventory" / ".draft-0123",
    ]
    for path in left:
        path.write_bytes(b"half")
    kept = [path for path in hub.settings.home.rglob("*") if path.is_file() and path not in left]
    assert look(hub).findings == ()
    for path in left:
        os.utime(path, (time.time() - TWO_DAYS_S,) * 2)
    for path in kept:
        os.utime(path, (time.time() - TWO_DAYS_S,) * 2)
    assert kinds(look(hub, dry_run=True)) == [Kind.LEFTOVER] * 3
    assert all(path.exists() for path in left)
    report = look(hub)
    assert [one.done for one in report.findings] == ["removed"] * 3
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
    with hub.db.read() as tx:
        (entry,) = audit.entries_named(tx, "recovery:removed")
    assert entry.event.detail["count"] == 3
    assert_invariants(hub)


def test_half_a_copy_of_what_was_sent_stays_as_long_as_any_hold_stands(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    hub.archive.incoming.mkdir(parents=True, exist_ok=True)
    copy, draft = hub.archive.incoming / "0123456789abcdef", hub.settings.staged / ".staging-0123"
    for path in (copy, draft):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - TWO_DAYS_S,) * 2)
    hold, _ = hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    assert [one.subject for one in look(hub).findings] == [draft.name]
    assert (copy.exists(), draft.exists()) == (True, False)
    hub.holds.lift(hold.hold_id, actor="person/ann", reason="settled")
    assert [one.subject for one in look(hub).findings] == [copy.name]
    assert not copy.exists()
    assert_invariants(hub)


def test_half_a_copy_stays_while_the_chain_tells_of_a_hold_whose_record_was_deleted(hub: Hub) -> None:
    hub.archive.incoming.mkdir(parents=True, exist_ok=True)
    copy = hub.archive.incoming / "0123456789abcdef"
    copy.write_bytes(b"half")
    os.utime(copy, (time.time() - TWO_DAYS_S,) * 2)
    hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    with hub.db.write() as tx:
        tx.execute(delete(retention.legal_hold))
    assert look(hub).findings == ()
    assert copy.exists()


def test_a_hold_that_is_placed_after_the_announcement_keeps_half_a_copy(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.archive.incoming.mkdir(parents=True, exist_ok=True)
    copy = hub.archive.incoming / "0123456789abcdef"
    copy.write_bytes(b"half")
    os.utime(copy, (time.time() - TWO_DAYS_S,) * 2)
    announced = Reconciler._audit

    def then_hold(tx: Transaction, campus: str, verb: str, *rest: object) -> None:
        announced(tx, campus, verb, *rest)  # type: ignore[arg-type]  # whatever else it is told
        retention.place(tx, {"kind": "award", "subject": "A-1", "reason": "audit 7", "placed_by": "person/ann"})

    monkeypatch.setattr(Reconciler, "_audit", staticmethod(then_hold))
    assert look(hub).findings == ()
    assert copy.exists()


def test_rows_that_do_not_add_up_are_told_and_never_mended(hub: Hub, request_id: str) -> None:
    process_all(hub)
    with hub.db.write() as tx:
        tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id)
            .values(rows_posted=1)
        )
    report = look(hub)
    assert [one.kind for one in report.left] == [Kind.ROWS_UNACCOUNTED]
    assert submission(hub, request_id).counts.posted == 1
    quick = Reconciler(hub, KnownRuns()).look(Position(), thorough=False)
    assert "every_row_is_accounted_for" not in quick.checks()


# ---- twice at once, and what is shown


def test_a_second_reconciler_finds_nothing_left_to_do(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "dies")
    expire_lease(hub, request_id)
    assert [len(look(hub).findings) for _ in range(2)] == [1, 0]
    assert recovery_events(hub, request_id) == ["recovery:lease_ended"]


def fail(hub: Hub, request_id: str) -> State:
    taken = lease(hub, request_id, f"run-{time.monotonic_ns()}")
    with pytest.raises(AttemptFailed) as failed, hub.processing.attempt(taken):
        raise Transient("no answer")
    return failed.value.state


def test_what_waits_for_a_retry_is_counted_with_its_attempts_and_its_time(hub: Hub, request_id: str) -> None:
    fail(hub, request_id)
    with hub.db.read() as tx:
        figures = recovery.retry_figures(tx)
        (line,) = recovery.retrying(tx, limit=5)
    assert (figures["retrying"], figures["by_attempts_made"], figures["launched_in_vain"]) == (1, {"1": 1}, 0)
    assert figures["next_retry_at"] == line["retry_at"] == submission(hub, request_id).retry_at


def test_why_tells_attempts_limit_the_next_time_and_what_the_reconciler_did(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "dies")
    expire_lease(hub, request_id)
    look(hub)
    (story,) = explain(hub, request_id).stories
    current = submission(hub, request_id)
    assert story.facts["attempts"] == f"1 of 5 for revision 1; the next one at {current.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    assert "attempt 1 of 5 failed" in story.now
    assert any("the reconciler ended its attempt" in moment.what for moment in story.moments)


def test_over_all_revisions_the_hub_tries_only_so_often_and_a_person_may_always_try_once_more(
    hub: Hub, request_id: str
) -> None:
    hub = replace(hub, processing=replace(hub.processing, policy=RetryPolicy(max_attempts=2, base_s=0.01, cap_s=0.01)))
    made = []
    for _ in range(13):
        states = []
        while not states or states[-1] is State.RETRYING:
            make_retry_due(hub, request_id)
            states.append(fail(hub, request_id))
        made.append(len(states))
        (item,) = hub.review.listing()
        hub.review.replay(item.item_id, actor="kim")
    assert made == [2] * 10 + [1] * 3
    assert submission(hub, request_id).token == 23
    outcome = process(hub, request_id)
    assert isinstance(outcome, Posting)
    assert_invariants(hub)


def test_submissions_that_fail_at_once_come_back_spread_over_the_whole_wait(hub: Hub) -> None:
    """No two peaks: of 60 that failed together on their fourth attempt no second of the 16 gets a third."""
    policy = RetryPolicy(max_attempts=5)
    hub = replace(hub, processing=replace(hub.processing, policy=policy))
    make_registry(hub, ["NC-0001"])
    ids = [send_assets(hub, f"lab-{number}.csv", asset("NC-0001", quantity=str(number + 1))) for number in range(60)]
    with hub.db.write() as tx:
        tx.execute(
            update(submissions.submission).where(submissions.submission.c.request_id.in_(ids)).values(attempts=3)
        )
    for request_id in ids:
        fail(hub, request_id)
    now = datetime.now(UTC)
    waits = [(submission(hub, one).retry_at - now).total_seconds() for one in ids]  # type: ignore[operator]
    by_second = [sum(1 for wait in waits if second <= wait < second + 1) for second in range(-16, 17)]
    assert max(by_second) <= 20
    assert sum(1 for count in by_second if count) >= 8
    assert max(waits) <= 16
    assert not due_now(hub) or len(due_now(hub)) < 60


def test_a_finding_says_in_its_sentence_what_it_is_about(hub: Hub, request_id: str) -> None:
    lease(hub, request_id, "dies")
    expire_lease(hub, request_id)
    (found,) = look(hub).findings
    assert isinstance(found, Finding)
    assert request_id in found.what
    assert "run dies" in found.what
    assert NORTH_INVENTORY.campus == found.campus
