"""From waiting messages to batches, on both databases."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import delete, text

from hub_pipelines import judging
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.inbox import store as inbox_store
from hub_pipelines.intake.inbox.model import Incoming
from hub_pipelines.intake.model import Outcome
from hub_pipelines.launching import tick
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.messaging import Fate
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Cause, Counts, State
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    body_of,
    fates,
    message,
    outcome,
    quantities,
    settle,
    stock,
    take,
)
from hub_pipelines_tests.support import (
    all_submissions,
    lose_bytes,
    process,
    process_all,
)


def test_a_flood_of_one_campus_keeps_no_other_from_being_sealed(hub: Hub) -> None:
    """Fifty thousand of north wait; ten of south are in the next round, whole."""
    hub = replace(hub, sealing=replace(hub.sealing, messages=20_000))
    body = body_of(stock("Ethanol", 5))
    take(hub, message("flood", body))
    multiply_waiting(hub, "flood", 50_000)
    hazmat = Incoming(body, "hazmat.container")
    take(hub, message("waste", body, scope=Scope("north", "hazmat"))._replace(messages=(hazmat,)))
    south = take(hub, *(message(f"south-{at}", body, scope=Scope("south", "inventory")) for at in range(10)))
    rounds = {campus: tick(hub, campus, alive=lambda _: set(), seal_at_once=True) for campus in ("north", "south")}

    assert fates(hub, south) == [Fate.SEALED] * 10
    assert {campus: found.ahead for campus, found in rounds.items()} == {"north": 0, "south": 0}
    assert len(rounds["south"].launches) == 1
    again = tick(hub, "north", alive=lambda _: set(), seal_at_once=True)
    assert (again.sealed, again.ahead) == (0, 2)
    assert hub.inbox.filling().whole.messages == 50_001 - hub.sealing.messages


def multiply_waiting(hub: Hub, webhook_id: str, number: int) -> None:
    """So many more messages wait that say what this one says."""
    columns = "source, line, campus, feed, record_type, received_at, size_bytes, delivery_digest, envelope, body"
    more = (
        f"INSERT INTO inbox_message (request_id, webhook_id, number, {columns}) "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number) "
        f"SELECT request_id || '-' || i, webhook_id || '-' || i, number + i, {columns} FROM inbox_message, n "
        "WHERE webhook_id = :webhook_id"
    )
    with hub.inbox.db.write() as tx:
        tx.execute(text(more), {"number": number, "webhook_id": webhook_id})
        tx.execute(text("DELETE FROM inbox_stream"))
        tx.execute(
            text(
                "INSERT INTO inbox_stream SELECT campus, feed, record_type, count(*), 0, sum(size_bytes) "
                "FROM inbox_message GROUP BY campus, feed, record_type"
            )
        )


def test_sealing_and_splitting_write_nothing_to_the_messages(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three streams whose messages come by turns, which have the stretches of batches and halves between them."""
    hazmat, south = Scope("north", "hazmat"), Scope("south", "inventory")
    body = body_of(stock("Ethanol", 5))
    scopes = [Scope("north", "inventory"), hazmat, south]
    answers = take(hub, *(message(f"m-{at}", body, scope=scopes[at % 3]) for at in range(12)))
    places = [(outcome(hub, one.request_ids[0]).message.batch_id) for one in answers]
    assert places == [None] * 12
    refuse_changes_of_messages(hub)
    (*_, whole) = hub.sealing.seal_due("north", at_once=True)
    hub.sealing.seal_due("south", at_once=True)
    told = [outcome(hub, one.request_ids[0]).message for one in answers]
    assert [one.row_no for one in told] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert len({one.batch_id for one in told}) == 3

    monkeypatch.setattr(submissions, "poisoned_batches", lambda *_: [whole.request_id])
    hub.sealing.splitting.split_poisoned("north")
    its = [at for at, one in enumerate(told) if one.submission == whole.request_id]
    halves = [outcome(hub, answers[at].request_ids[0]).message for at in its]
    assert [(str(one.batch_id)[-2:], one.row_no) for one in halves] == [(".1", 1), (".1", 2), (".2", 1), (".2", 2)]
    others = [at for at in range(12) if at not in its]
    assert [outcome(hub, answers[at].request_ids[0]).message for at in others] == [told[at] for at in others]


def refuse_changes_of_messages(hub: Hub) -> None:
    if hub.inbox.db.is_postgres:
        make = (
            "CREATE FUNCTION no_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''changed''; END'",
            "CREATE TRIGGER no_change BEFORE UPDATE ON inbox_message FOR EACH ROW EXECUTE FUNCTION no_change()",
        )
    else:
        make = ("CREATE TRIGGER no_change BEFORE UPDATE ON inbox_message BEGIN SELECT RAISE(ABORT, 'changed'); END",)
    with hub.inbox.db.write() as tx:
        for statement in make:
            tx.execute(text(statement))


def test_messages_are_sealed_by_age_by_number_and_by_size(hub: Hub) -> None:
    body = body_of(stock("Ethanol", 5))
    take(hub, *(message(f"m-{at}", body) for at in range(3)))
    patient = replace(hub.sealing, after_s=3_600)

    assert patient.seal_due("north") == []
    assert len(replace(patient, size_bytes=3 * len(body)).seal_due("north")) == 1
    process_all(hub)
    take(hub, *(message(f"n-{at}", body) for at in range(3)))
    assert len(replace(patient, messages=3).seal_due("north")) == 1
    process_all(hub)
    take(hub, message("o-1", body))
    assert replace(patient, after_s=0).seal_due("south") == []
    assert len(replace(patient, after_s=0).seal_due("north")) == 1


def test_a_batch_is_bounded_and_the_next_one_waits_until_it_is_settled(hub: Hub) -> None:
    take(hub, *(message(f"m-{at}", body_of(stock(f"Item {at}", at))) for at in range(5)))
    small = replace(hub.sealing, messages=2)

    assert len(small.seal_due("north", at_once=True)) == 1
    assert small.seal_due("north", at_once=True) == []
    sizes = []
    while process_all(hub):
        sizes.append(all_submissions(hub)[-1].counts.received)
        small.seal_due("north", at_once=True)
    assert sorted(one.counts.received for one in all_submissions(hub)) == [1, 2, 2]
    assert len(quantities(hub)) == 5
    assert_invariants(hub)


def test_a_batch_in_review_does_not_hold_up_what_comes_after_it(hub: Hub) -> None:
    take(hub, message("m-1", body_of(stock("Ethanol", 5), at="2026-03-01T00:00:00Z")))
    (arrival,) = hub.sealing.seal_due("north", at_once=True)
    lose_bytes(hub, str(arrival.request_id))
    assert process(hub, str(arrival.request_id)) is State.IN_REVIEW
    (answered,) = take(hub, message("m-2", body_of(stock("Acetone", 1))))
    settle(hub)
    assert fates(hub, [answered]) == [Fate.POSTED]


def test_a_batch_that_an_older_database_has_forgotten_is_registered_once_more(hub: Hub) -> None:
    (answered,) = take(hub, message("m-1", body_of(stock("Ethanol", 5))))
    (first,) = hub.sealing.seal_due("north", at_once=True)
    with hub.db.write() as tx:
        for table in (submissions.submission, arrivals.arrival):
            tx.execute(delete(table).where(table.c.request_id == first.request_id))
    take(hub, message("m-2", body_of(stock("Acetone", 1))))

    (again,) = hub.sealing.seal_due("north", at_once=True)
    assert (again.outcome, again.request_id) == (Outcome.RECEIVED, first.request_id)
    settle(hub)
    assert fates(hub, [answered]) == [Fate.POSTED]
    assert quantities(hub) == {"Ethanol": "5", "Acetone": "1"}


def test_an_inbox_that_was_lost_and_begins_anew_makes_submissions_of_its_own(hub: Hub) -> None:
    take(hub, message("m-1", body_of(stock("Ethanol", 5))))
    settle(hub)
    with hub.inbox.db.write() as tx:
        for table in (inbox_store.message, inbox_store.batch, inbox_store.stream):
            tx.execute(delete(table))
    (answered,) = take(hub, message("m-2", body_of(stock("Acetone", 1))))
    settle(hub)

    assert fates(hub, [answered]) == [Fate.POSTED]
    assert quantities(hub) == {"Ethanol": "5", "Acetone": "1"}
    assert_invariants(hub)


def test_a_batch_that_failed_for_the_machine_s_sake_is_not_split(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise Transient("The hub's database is locked.")

    take(hub, *(message(f"m-{at}", body_of(stock(f"Item {at}", at))) for at in range(4)))
    with monkeypatch.context() as patch:
        patch.setattr(postings, "post", locked)
        hub.sealing.seal_due("north", at_once=True)
        process_all(hub)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.cause) == (State.IN_REVIEW, Cause.EXHAUSTED)
    assert hub.sealing.seal_due("north", at_once=True) == []
    assert len(hub.review.listing()) == 1


def test_a_batch_that_fails_before_it_is_judged_is_in_the_account_of_rows(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = take(hub, *(message(f"m-{at}", body_of(stock(f"Item {at}", at))) for at in range(4)))
    hub.sealing.seal_due("north", at_once=True)
    assert rows(hub) == Counts(received=4, waiting=4)
    with monkeypatch.context() as patch:
        patch.setattr(judging, "read_batch", lambda *_, **__: 1 / 0)
        process_all(hub)
    assert rows(hub) == Counts(received=4, held=4)
    (item,) = hub.review.listing()
    with monkeypatch.context() as patch:
        patch.setattr(judging, "read_batch", lambda *_, **__: 1 / 0)
        hub.review.replay(item.item_id, actor="person/ann")
        assert rows(hub) == Counts(received=4, waiting=4)
        process_all(hub)
    assert rows(hub) == Counts(received=4, held=4)
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] * 4
    assert rows(hub) == Counts(received=8, posted=4, dismissed=4)
    assert_invariants(hub)


def rows(hub: Hub) -> Counts:
    """Of all campuses, feeds and days."""
    with hub.db.read() as tx:
        found = [asdict(counts) for *_, counts in submissions.rows_by_scope(tx)]
    return Counts(**{name: sum(one[name] for one in found) for name in (found[0] if found else ())})


def test_a_batch_that_a_person_replays_before_it_is_split_posts_whole(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = take(hub, *(message(f"m-{at}", body_of(stock(f"Item {at}", at))) for at in range(4)))
    with monkeypatch.context() as patch:
        patch.setattr(postings, "post", lambda *_, **__: 1 / 0)
        hub.sealing.seal_due("north", at_once=True)
        process_all(hub)
    (item,) = hub.review.listing()
    hub.review.replay(item.item_id, actor="person/ann")
    settle(hub)
    assert fates(hub, answers) == [Fate.POSTED] * 4
    assert len(all_submissions(hub)) == 1
    assert_invariants(hub)
