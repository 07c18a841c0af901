"""What a posting does that finds another at work on its ledger. On PostgreSQL: on SQLite none post at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub_pipelines import processing
from hub_pipelines.common.clock import utc_now
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.launching import due_of, tick, waiting_for_taken
from hub_pipelines.ledger.adjusting.algebra import Adjusting
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.ledger.model import LedgerTaken, Posting
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Cause, Lease, LeaseLost, State
from hub_pipelines.submission.progress import Progress
from hub_pipelines.submission.receipting import store as receipting
from hub_pipelines.timeline import service as timeline
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import STOCK, add_source, body_of, message, moved, stock, take
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    events,
    expire_lease,
    inventory_csv,
    lease,
    lease_and_validate,
    ledger_values,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send,
    send_assets,
    submission,
)


@pytest.fixture
def hub(postgres_database: MakeDatabase, postgres_template: str, tmp_path: Path) -> Iterator[Hub]:
    with postgres_database(postgres_template) as url:
        made = open_test_hub(tmp_path / "home", url)
        make_registry(made, ["NC-0001", "NC-0002"])
        yield made
        made.db.dispose()


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "PATIENCE_S", 0.2)


@contextmanager
def posting_to(hub: Hub, ledger: str = NORTH_LEDGER) -> Iterator[Transaction]:
    with hub.db.write() as tx:
        locking.lock(tx, ledger, patience_s=None)
        yield tx


def due(hub: Hub, campus: str = "north") -> list[str]:
    with hub.db.read() as tx:
        taken = waiting_for_taken(tx, campus)
        found = due_of(tx, campus, hub.feeds, taken=taken, limit=10, relaunch_after=timedelta(minutes=2))
        return [one.request_id for one in found]


def outcomes_of_attempts(hub: Hub, request_id: str) -> list[str]:
    with hub.db.read() as tx:
        return [one["outcome"] for one in submissions.attempts_of(tx, request_id)]


@pytest.mark.parametrize("known", [False, True], ids=["a new ledger", "a ledger that was posted to"])
def test_a_posting_gives_its_place_to_others_uncounted_and_is_launched_again(hub: Hub, known: bool) -> None:
    if known:
        process(hub, send_assets(hub, "first.csv", asset("NC-0002")))
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    own = lease_and_validate(hub, request_id)
    with posting_to(hub), pytest.raises(LedgerTaken), hub.processing.attempt(own):
        hub.processing.post(own)
    gave_way = submission(hub, request_id)
    assert (gave_way.state, gave_way.attempts, gave_way.launched_at) == (State.RECEIVED, 0, None)
    assert outcomes_of_attempts(hub, request_id) == ["gave its place to others"]
    assert events(hub, request_id)[-1] == "submission:gave_way"
    assert due(hub) == [request_id]
    assert isinstance(process(hub, request_id), Posting)
    assert "NC-0001" in ledger_values(hub)
    assert events(hub, request_id).count("submission:posted") == 1
    assert_invariants(hub)


def test_attempts_that_failed_before_count_on_and_their_reason_stays(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    fail(hub, request_id)
    time.sleep(0.1)  # retries of tests wait for a few hundredths
    with posting_to(hub):
        assert give_way(hub, request_id) is State.RETRYING
    gave_way = submission(hub, request_id)
    assert (gave_way.attempts, gave_way.attempts_in_all, gave_way.reason) == (1, 1, "the share is gone")
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED
    assert submission(hub, request_id).attempts == 2
    assert_invariants(hub)


def fail(hub: Hub, request_id: str) -> None:
    failing = lease_and_validate(hub, request_id)
    with pytest.raises(processing.AttemptFailed), hub.processing.attempt(failing):
        raise Transient("the share is gone")


def give_way(hub: Hub, request_id: str) -> State:
    """As a run that finds the ledger taken; what state that led to."""
    assert process(hub, request_id) is State.RECEIVED
    return submission(hub, request_id).state


def test_who_gave_way_often_has_all_its_attempts_still(hub: Hub) -> None:
    """Of those there are ten times as many in all as for one revision; to give way is none."""
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    fail(hub, request_id)
    for number in range(hub.processing.policy.max_in_all + 1):
        with hub.db.write() as tx:
            tx.execute(text("UPDATE submission SET retry_at = '2020-01-01Z'"))
            taken = leases.take_lease(tx, request_id, f"run {number}", lease_s=60, policy=hub.processing.policy)
            assert isinstance(taken, Lease)
            leases.give_back(tx, taken, NORTH_LEDGER)
    assert timeline.explain(hub, request_id).stories[0].facts["attempts"] == "1 of 5 for revision 1"
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED


def test_who_gave_way_ten_times_waits_for_its_ledger(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    with posting_to(hub):
        for _ in range(10):
            assert give_way(hub, request_id) is State.RECEIVED
        own = lease_and_validate(hub, request_id)
        waiting, posted = in_thread(lambda: hub.processing.post(own))
        time.sleep(0.6)
        assert not posted
    waiting.join(timeout=30)
    assert [one.posted for one in posted] == [1]


def in_thread(work: Callable[[], Posting]) -> tuple[threading.Thread, list[Posting]]:
    found: list[Posting] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_a_large_file_waits_for_its_turn(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    large = replace(hub, processing=replace(hub.processing, large_mb=0.0))
    own = lease_and_validate(large, request_id)
    with posting_to(hub):
        waiting, posted = in_thread(lambda: large.processing.post(own))
        time.sleep(0.6)
        assert not posted
    waiting.join(timeout=30)
    assert [one.posted for one in posted] == [1]


def test_who_gave_way_is_not_launched_while_its_ledger_is_taken_and_all_others_are(hub: Hub) -> None:
    add_source(hub)
    (own,) = take(hub, message("m-1", body_of(stock("Acetone", 1))))
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    south = send(hub, "south.csv", inventory_csv([asset("NC-0001")]), Scope("south", "inventory")).request_id
    with posting_to(hub):
        give_way(hub, request_id)
        other = send_assets(hub, "other.csv", asset("NC-0002"))
        (batch,) = hub.sealing.seal_due("north", at_once=True)
        assert set(due(hub)) == {other, batch.request_id}
        assert due(hub, "south") == [south]
        told = timeline.explain(hub, request_id).stories[0].now
        assert told.startswith("waiting until another posting to inventory.asset@north has ended")
        found = tick(hub, "north", alive=lambda _ids: set())
        assert "1 waiting until another posting to inventory.asset@north has ended" in found.summary
        assert {one.request_id for one in found.launches} == {other, batch.request_id}
        assert process(hub, str(batch.request_id)) is not State.RECEIVED, "its ledger is another one"
        assert hub.inbox.find(own.request_ids[0])
    assert due(hub) == [request_id]
    told = timeline.explain(hub, request_id).stories[0].now
    assert "another posting to inventory.asset@north, which has ended" in told


def test_who_was_passed_over_for_five_minutes_looks_itself(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    with posting_to(hub):
        give_way(hub, request_id)
        assert due(hub) == []
        with hub.db.write() as tx:
            tx.execute(text("UPDATE submission SET retry_at = retry_at - interval '5 minutes'"))
        assert due(hub) == [request_id]
        give_way(hub, request_id)
        assert due(hub) == []


@pytest.mark.parametrize(
    ("failed", "state", "told"),
    [
        (False, State.RECEIVED, "waiting for its next run"),
        (True, State.RETRYING, "waiting, because attempt 1 of 5 failed: the share is gone. The next try is due at"),
    ],
)
def test_who_gave_way_and_is_requeued_looks_itself_at_once_and_once(
    hub: Hub, failed: bool, state: State, told: str
) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    if failed:
        fail(hub, request_id)
        time.sleep(0.1)  # as above
    with posting_to(hub):
        launch(hub, request_id)
        assert give_way(hub, request_id) is state
        assert due(hub) == []
        hub.review.try_now(request_id, actor="person/ann")
        assert timeline.explain(hub, request_id).stories[0].now.startswith(told)
        launch(hub, request_id)
        assert give_way(hub, request_id) is state
        assert submission(hub, request_id).waits_for == NORTH_LEDGER
        assert due(hub) == []
    assert due(hub) == [request_id]
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED
    assert_invariants(hub)


def launch(hub: Hub, request_id: str) -> None:
    assert [one.request_id for one in tick(hub, "north", alive=lambda _ids: set()).launches] == [request_id]


def test_a_run_that_died_and_one_that_gave_way_leave_a_reason(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lease(hub, request_id, "died")
    expire_lease(hub, request_id)
    with posting_to(hub):
        assert give_way(hub, request_id) is State.RETRYING
    assert submission(hub, request_id).reason == "The program that worked on this file died or lost its way."


def test_who_is_in_review_waits_for_no_ledger(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    with posting_to(hub):
        give_way(hub, request_id)
    failure = processing.failure_of(Transient("no launch"), None)
    with hub.db.write() as tx:
        leases.shelve(tx, request_id, Cause.EXHAUSTED, failure)
    assert submission(hub, request_id).waits_for is None


def test_who_had_failed_before_it_gave_way_waits_as_well(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    fail(hub, request_id)
    time.sleep(0.1)
    with posting_to(hub):
        assert give_way(hub, request_id) is State.RETRYING
        assert due(hub) == []
        assert "another posting to inventory.asset@north" in timeline.explain(hub, request_id).stories[0].now
    assert due(hub) == [request_id]


def test_a_run_that_finds_its_ledger_taken_for_long_judges_nothing(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    with posting_to(hub):
        time.sleep(0.3)  # longer than its patience
        assert give_way(hub, request_id) is State.RECEIVED
        assert submission(hub, request_id).staged is None
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED


@pytest.mark.parametrize("ledger", ["procurement.asset@all", "inventory.asset@north", "inventory.asset@south"])
def test_which_ledgers_are_taken_is_known_by_any_name(hub: Hub, ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of these numbers some are beyond what the server counts without a sign."""
    others = {"procurement.asset@all", "inventory.asset@north", "inventory.asset@south"} - {ledger}
    monkeypatch.setattr(locking, "PATIENCE_S", 0)
    with posting_to(hub, ledger), hub.db.read() as tx:
        assert locking.taken(tx, {ledger, *others}) == {ledger}
        monkeypatch.setattr(locking, "PATIENCE_S", 60)
        assert locking.taken(tx, {ledger}) == set()
    monkeypatch.setattr(locking, "PATIENCE_S", 0)
    with hub.db.read() as tx:
        assert locking.taken(tx, {ledger, *others}) == set()


def test_a_run_whose_lease_was_lost_meanwhile_gives_nothing_back(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    lost = lease_and_validate(hub, request_id)
    expire_lease(hub, request_id)
    lease(hub, request_id, "another run")
    with posting_to(hub), pytest.raises(LeaseLost), hub.processing.attempt(lost):
        raise LedgerTaken(NORTH_LEDGER)
    assert events(hub, request_id)[-1] == "submission:fenced"
    assert submission(hub, request_id).state is State.LEASED


def test_its_sender_is_told_why_a_file_waits_and_no_more_that_a_run_is_at_it(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    taken = lease(hub, request_id)
    hub.processing.progress.tell(request_id, Progress(taken.token, "judging", 1, None, utc_now()))
    with posting_to(hub), pytest.raises(LedgerTaken), hub.processing.attempt(taken):
        raise LedgerTaken(NORTH_LEDGER)
    assert not hub.processing.progress.is_told(request_id)
    with hub.db.read() as tx:
        assert request_id in receipting.receipts_due(tx, "north", limit=10)
    page = hub.receipts.write(request_id).read_text("utf-8")
    assert "Received, and not worked on yet: another file for the same records is being taken first" in page


def test_after_its_turn_a_posting_waits_for_other_locks_as_long_as_before(hub: Hub) -> None:
    with hub.db.write() as tx:
        before = tx.exec_driver_sql("SHOW lock_timeout").scalar_one()
        locking.lock(tx, NORTH_LEDGER, patience_s=1.5)
        assert tx.exec_driver_sql("SHOW lock_timeout").scalar_one() == before


def test_ledgers_whose_numbers_are_beyond_the_half_are_locked_too(hub: Hub) -> None:
    ledger = next(name for at in range(100) if locking._number(name := f"stock@{at}") >> 31)
    with posting_to(hub, ledger), pytest.raises(LedgerTaken), hub.db.write() as tx:
        locking.lock(tx, ledger, patience_s=0.1)


def test_a_batch_that_reckons_for_long_is_heard_of_meanwhile(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends a writing transaction that says nothing for three quarters of a lease."""
    add_source(hub)
    enter = Adjusting._enter

    def slowly(*arguments: Any) -> None:
        time.sleep(0.15)
        enter(*arguments)

    monkeypatch.setattr(Adjusting, "_enter", slowly)
    monkeypatch.setattr(hub.db, "idle_when_writing_s", 2)
    data = moved("Acetone", 1, to_location="Chem 300")
    sent = [body_of(data, kind=f"{STOCK}.transferred", at="2026-01-05T10:00:00Z") for _ in range(15)]
    take(hub, *(message(f"m-{at}", body) for at, body in enumerate(sent)))
    (batch,) = hub.sealing.seal_due("north", at_once=True)
    assert batch.request_id is not None
    own = lease_and_validate(hub, batch.request_id)
    posting = hub.processing.post(own)
    assert (posting.posted, posting.arrived) == (15, 15)


def test_a_transaction_that_says_nothing_for_long_is_ended_all_the_same(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.db, "idle_when_writing_s", 1)
    with pytest.raises(Transient), posting_to(hub) as tx:
        say_nothing(tx)


def say_nothing(tx: Transaction) -> None:
    time.sleep(2)
    tx.exec_driver_sql("SELECT 1")
