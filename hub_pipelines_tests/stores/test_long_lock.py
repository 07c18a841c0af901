"""What a posting does that finds another at work on its ledger. On PostgreSQL: on SQLite none post at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from hub_pipelines import processing
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.launching import due_of
from hub_pipelines.ledger.adjusting.algebra import Adjusting
from hub_pipelines.ledger.locking import store as locking
from hub_pipelines.ledger.model import LedgerTaken, Posting
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines.timeline import service as timeline
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import STOCK, add_source, body_of, message, moved, quantities, take
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    events,
    inventory_csv,
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
    monkeypatch.setattr(processing, "_PATIENCE_S", 0.2)


@contextmanager
def posting_to(hub: Hub, ledger: str = NORTH_LEDGER) -> Iterator[Transaction]:
    with hub.db.write() as tx:
        locking.lock(tx, ledger, patience_s=None)
        yield tx


def due(hub: Hub, campus: str = "north") -> list[str]:
    with hub.db.read() as tx:
        return [one.request_id for one in due_of(hub, tx, campus, limit=10, relaunch_after=timedelta(minutes=2))]


def outcomes_of_attempts(hub: Hub, request_id: str) -> list[str]:
    with hub.db.read() as tx:
        return [one["outcome"] for one in submissions.attempts_of(tx, request_id)]


@pytest.mark.parametrize("known", [False, True], ids=["a new ledger", "a ledger that was posted to"])
def test_a_posting_gives_its_place_to_others_uncounted_and_is_launched_again(hub: Hub, known: bool) -> None:
    if known:
        process(hub, send_assets(hub, "first.csv", asset("NC-0002")))
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    with posting_to(hub):
        lease = lease_and_validate(hub, request_id)
        with pytest.raises(LedgerTaken), hub.processing.attempt(lease):
            hub.processing.post(lease)
    gave_way = submission(hub, request_id)
    assert (gave_way.state, gave_way.attempts, gave_way.launched_at) == (State.RECEIVED, 0, None)
    assert outcomes_of_attempts(hub, request_id) == ["gave its place to others"]
    assert events(hub, request_id)[-1] == "submission:gave_way"
    assert due(hub) == [request_id]
    assert isinstance(process(hub, request_id), Posting)
    assert "NC-0001" in ledger_values(hub)
    assert events(hub, request_id).count("submission:posted") == 1
    assert_invariants(hub)


def test_attempts_that_failed_before_count_on(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    failing = lease_and_validate(hub, request_id)
    with pytest.raises(processing.AttemptFailed), hub.processing.attempt(failing):
        raise Transient("the share is gone")
    time.sleep(0.1)  # retries of tests wait for a few hundredths
    with posting_to(hub):
        assert process(hub, request_id) is State.RECEIVED
    assert submission(hub, request_id).attempts == 1
    process_all(hub)
    assert submission(hub, request_id).state is State.POSTED
    assert submission(hub, request_id).attempts == 2
    assert_invariants(hub)


def test_a_large_file_waits_for_its_turn(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    large = replace(hub, processing=replace(hub.processing, large_mb=0.0))
    lease = lease_and_validate(large, request_id)
    posted: list[Posting] = []
    waiting = threading.Thread(target=lambda: posted.append(large.processing.post(lease)))
    with posting_to(hub):
        waiting.start()
        time.sleep(0.6)
        assert not posted
    waiting.join(timeout=30)
    assert [one.posted for one in posted] == [1]


def test_what_would_wait_for_a_long_posting_is_not_launched_and_all_else_is(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    south = send(hub, "south.csv", inventory_csv([asset("NC-0001")]), Scope("south", "inventory")).request_id
    with posting_to(hub):
        assert due(hub) == [request_id], "nobody knows yet that it will be long"
        monkeypatch.setattr(locking, "_LONG_S", 0)
        assert due(hub) == []
        assert due(hub, "south") == [south]
        assert (
            "a long posting is being made to inventory.asset@north" in timeline.explain(hub, request_id).stories[0].now
        )
    assert due(hub) == [request_id]


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
    adjust = Adjusting._adjust

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.05)
        return adjust(*arguments)

    monkeypatch.setattr(Adjusting, "_adjust", slowly)
    monkeypatch.setattr(hub.db, "idle_when_writing_s", 1)
    received = [body_of(moved("Acetone", 1), kind=f"{STOCK}.received", at="2026-01-05T10:00:00Z") for _ in range(50)]
    take(hub, *(message(f"m-{at}", body) for at, body in enumerate(received)))
    (batch,) = hub.sealing.seal_due("north", at_once=True)
    assert batch.request_id is not None
    lease = lease_and_validate(hub, batch.request_id)
    assert hub.processing.post(lease).posted == 50
    assert quantities(hub) == {"Acetone": "50"}


def test_a_transaction_that_says_nothing_for_long_is_ended_all_the_same(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.db, "idle_when_writing_s", 1)
    with pytest.raises((Transient, DBAPIError)), posting_to(hub) as tx:
        say_nothing(tx)


def say_nothing(tx: Transaction) -> None:
    time.sleep(2)
    tx.exec_driver_sql("SELECT 1")
