"""What messages say leaves the inbox when it is old and archived; who sends again is answered as before, and what must
be sealed again comes back from the archive."""

import os
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text

from hub_pipelines import pruning
from hub_pipelines.audit import store as audit
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.inbox import store as inbox_store
from hub_pipelines.intake.inbox.model import Answer, Batch
from hub_pipelines.intake.model import Outcome
from hub_pipelines.intake.sealing import bodies as sealing_bodies
from hub_pipelines.intake.sealing import store as sealing_store
from hub_pipelines.messaging import Fate
from hub_pipelines.pruning import BODIES, prune_bodies
from hub_pipelines.removals import removed_though_held
from hub_pipelines.retention.model import Pruned
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import STOCK_LEDGER, body_of, fates, message, outcome_by_id, settle, stock, take
from hub_pipelines_tests.stores.test_retention import make_old
from hub_pipelines_tests.support import all_submissions, ledger_values, lose_bytes, process_all

SENT = tuple(message(f"m-{at}", body_of(stock(f"Item {at}", at, note="é"))) for at in range(5))

EVER = (date(2000, 1, 1), date(2100, 1, 1))


def prune(hub: Hub, *, dry_run: bool = False) -> Pruned:
    return prune_bodies(hub, actor="person/ann", dry_run=dry_run, deadline=time.monotonic() + 60)


def bodies(hub: Hub) -> int:
    """How many messages have one."""
    with hub.inbox.db.read() as tx:
        return tx.execute(select(func.count()).where(func.length(inbox_store.message.c.body) > 0)).scalar_one()


def make_all_old(hub: Hub) -> None:
    for one in all_submissions(hub):
        make_old(hub, one.request_id)
    with hub.inbox.db.write() as tx:
        tx.execute(text("UPDATE inbox_batch SET sealed_at = '2020-01-01T00:00:00.000000Z'"))


@pytest.fixture
def settled(hub: Hub) -> Hub:
    """A batch of five that was settled long ago."""
    take(hub, *SENT)
    settle(hub)
    make_all_old(hub)
    return hub


def announced(hub: Hub) -> list[object]:
    with hub.db.read() as tx:
        return [one.event.detail["items"] for one in audit.entries_named(tx, "retention:pruning")]


def test_what_messages_say_goes_when_their_batch_is_settled_for_long_and_is_announced(settled: Hub) -> None:
    (batch,) = all_submissions(settled)
    told = prune(settled, dry_run=True)
    assert (bodies(settled), announced(settled)) == (5, [])
    found = prune(settled)

    assert (bodies(settled), found.removed, found.freed_bytes) == (0, 1, told.freed_bytes)
    assert found.freed_bytes > 5 * len(SENT[0].body)
    name = "north-inventory-inventory.stock-1"
    assert announced(settled) == [[{"bodies": name, "request_id": batch.request_id}]]
    assert prune(settled).removed == 0
    assert_invariants(settled)


def test_who_sends_again_is_answered_as_before_and_what_became_of_a_message_is_told(settled: Hub) -> None:
    before = take(settled, *SENT)
    prune(settled)
    again = take(settled, *SENT)
    assert (again, {one.answer for one in again}) == (before, {Answer.DUPLICATE})
    (other,) = take(settled, SENT[0]._replace(body=b"{}"))
    assert other.answer is Answer.CONFLICT
    assert fates(settled, again) == [Fate.POSTED] * 5


def test_what_is_young_unsettled_held_or_not_in_the_archive_stays(settled: Hub) -> None:
    take(settled, message("young", body_of(stock("Ethanol", 1))))
    settle(settled)
    take(settled, message("lost", body_of(stock("Toluene", 1))))
    settle(settled)
    take(settled, message("review", body_of(stock("Acetone", 1))))
    settled.sealing.seal_due("north", at_once=True)
    _, young, lost, review = sorted(all_submissions(settled), key=lambda one: one.envelope.received_at)
    lose_bytes(settled, review.request_id)
    process_all(settled)
    make_all_old(settled)
    with settled.inbox.db.write() as tx:
        its = inbox_store.batch.c.submission == young.request_id
        tx.execute(inbox_store.batch.update().where(its).values(sealed_at=settled.intake.now()))
    path = settled.archive.object_path(lost.envelope.content_digest)
    path.chmod(0o644)
    path.write_bytes(b"changed")
    hold, _ = settled.holds.on_scope("north", None, *EVER, actor="person/ann", reason="audit 7")

    held = prune(settled)
    assert (held.removed, bodies(settled)) == (0, 8)
    assert held.kept.by_reason == {f"legal hold {hold.hold_id}": 2}  # also of the one that the archive has lost
    settled.holds.lift(hold.hold_id, actor="person/ann", reason="over")
    found = prune(settled)
    assert (found.removed, bodies(settled)) == (1, 3)
    assert list(found.kept.examples.values()) == [["north-inventory-inventory.stock-3"]]
    assert "fingerprint has changed" in next(iter(found.kept.examples))
    assert removed_though_held(settled) == []


def test_a_hold_that_is_placed_after_the_announcement_wins(settled: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pruning.announce

    def announce_and_hold(*given: object) -> None:
        real(*given)  # type: ignore[arg-type]
        settled.holds.on_scope("north", None, *EVER, actor="person/ann", reason="audit 7")

    monkeypatch.setattr(pruning, "announce", announce_and_hold)
    found = prune(settled)
    assert (found.removed, bodies(settled)) == (0, 5)
    with settled.db.read() as tx:
        (back,) = audit.entries_named(tx, "retention:held_back")
    assert (back.event.subject, len(back.event.detail["kept"])) == (BODIES, 1)  # type: ignore[arg-type]
    assert removed_though_held(settled) == []


def test_what_is_held_is_not_read_at_each_prune(settled: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = sealing_store.contents

    def watched(tx: Transaction, its: Batch) -> Iterator[tuple[str, bytes]]:
        read.append(its.batch_id)
        return real(tx, its)

    monkeypatch.setattr(sealing_store, "contents", watched)
    hold, _ = settled.holds.on_scope("north", None, *EVER, actor="person/ann", reason="audit 7")
    assert (prune(settled).removed, read) == (0, [])
    settled.holds.lift(hold.hold_id, actor="person/ann", reason="over")
    assert (prune(settled).removed, len(read)) == (1, 1)


def test_when_the_server_ends_a_prune_amid_a_batch_no_further_message_is_removed_without_its_lock(
    settled: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not settled.db.is_postgres:
        pytest.skip("SQLite ends no transaction")
    monkeypatch.setattr(sealing_bodies, "_AT_ONCE", 2)
    real = sealing_store.remove_bodies

    def slow(*given: Any, **named: Any) -> None:
        real(*given, **named)
        with settled.db.engine.connect() as other:
            other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks "
                    "WHERE relation = 'legal_hold'::regclass AND mode = 'ShareLock'"
                )
            )

    monkeypatch.setattr(sealing_store, "remove_bodies", slow)
    with pytest.raises(Transient):
        prune(settled)
    assert bodies(settled) == 3


def forget(hub: Hub, request_ids: Sequence[str]) -> None:
    """As a database does that is older than its submissions, which left nothing in its ledgers."""
    with hub.db.write() as tx:
        for table in (submissions.submission, arrivals.arrival):
            tx.execute(delete(table).where(table.c.request_id.in_(request_ids)))


def test_a_batch_that_an_older_database_has_forgotten_is_sealed_again_from_the_archive(hub: Hub) -> None:
    answers = take(hub, *SENT)
    (first,) = hub.sealing.seal_due("north", at_once=True)
    (batch,) = hub.bodies.there(hub.intake.now(), after="", limit=9)
    hub.bodies.remove(batch, hub.bodies.archived_as(batch), before_some=lambda: None)
    forget(hub, [str(first.request_id)])
    assert bodies(hub) == 0
    take(hub, message("next", body_of(stock("Ethanol", 1))))

    (again,) = hub.sealing.seal_due("north", at_once=True)
    assert (again.outcome, again.request_id, again.content_digest) == (
        Outcome.RECEIVED,
        first.request_id,
        first.content_digest,
    )
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] * 5
    assert len(ledger_values(hub, STOCK_LEDGER)) == 6
    assert bodies(hub) == 6


def test_a_batch_whose_archived_bytes_are_lost_with_the_database_holds_up_its_own_stream_only(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    take(hub, *SENT)
    (first,) = hub.sealing.seal_due("north", at_once=True)
    (batch,) = hub.bodies.there(hub.intake.now(), after="", limit=9)
    hub.bodies.remove(batch, hub.bodies.archived_as(batch), before_some=lambda: None)
    forget(hub, [str(first.request_id)])
    os.unlink(hub.archive.object_path(str(first.content_digest)))  # noqa: PTH108  # nothing else is to be done to it
    hazmat = Scope("north", "hazmat")
    waste = message("waste", body_of(stock("Ethanol", 1)), scope=hazmat)
    waste = waste._replace(messages=(waste.messages[0]._replace(record_type="hazmat.container"),))
    take(hub, message("next", body_of(stock("Ethanol", 1))), waste)

    (other,) = hub.sealing.seal_due("north", at_once=True)
    assert other.scope == hazmat
    assert "can't be sealed again" in caplog.text
    assert "missing" in caplog.text
    assert hub.inbox.filling().whole.messages == 1


def test_a_batch_of_which_the_bodies_are_gone_can_still_be_split(settled: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    prune(settled)
    (whole,) = all_submissions(settled)
    (batch,) = _batches(settled)
    monkeypatch.setattr(submissions, "poisoned_batches", lambda *_: [whole.request_id])
    settled.sealing.splitting.split_poisoned("north")
    assert bodies(settled) == 5
    halves = _batches(settled)[1:]
    assert [one.half_of for one in halves] == [batch.batch_id] * 2
    assert [one.messages for one in halves] == [3, 2]


def _batches(hub: Hub) -> list[Batch]:
    with hub.inbox.db.read() as tx:
        return [sealing_store._batch(row) for row in tx.execute(select(inbox_store.batch).order_by("batch_id"))]


def test_a_removal_that_was_cut_short_is_ended_by_the_next_prune(settled: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing_bodies, "_AT_ONCE", 2)
    (batch,) = _batches(settled)
    digest = settled.bodies.archived_as(batch)
    with settled.inbox.db.write() as tx:
        sealing_store.remove_bodies(tx, batch, digest, first=1, last=2)
    assert bodies(settled) == 3
    assert prune(settled).removed == 1
    assert bodies(settled) == 0
    (batch,) = _batches(settled)
    settled.bodies.put_back(batch)
    assert bodies(settled) == 5
    assert settled.bodies.archived_as(_batches(settled)[0]) == digest
    (one,) = all_submissions(settled)
    assert one.state is State.POSTED
    assert outcome_by_id(settled, SENT[0]).fate is Fate.POSTED
