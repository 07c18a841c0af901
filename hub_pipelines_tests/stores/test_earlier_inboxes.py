"""Inboxes that earlier releases made, on both databases."""

import pytest
from sqlalchemy import text

from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox import store as inbox_store
from hub_pipelines.intake.inbox.model import Answer, Load
from hub_pipelines.intake.sealing import store as sealing_store
from hub_pipelines.messaging import Fate
from hub_pipelines.submission import store as submissions
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    as_version_3,
    as_version_4,
    body_of,
    fates,
    lines,
    message,
    outcome,
    quantities,
    settle,
    stock,
    take,
)


def test_an_inbox_that_an_earlier_release_made_is_counted_when_it_is_opened(hub: Hub) -> None:
    body = body_of(stock("Ethanol", 5))
    take(hub, message("m-1", body), message("m-2", body, scope=Scope("south", "inventory")))
    settle(hub)
    with hub.inbox.db.write() as tx:
        as_version_2(tx)
        tx.execute(text("DROP TABLE inbox_load"))
        tx.execute(text("DROP TABLE inbox_record"))
        tx.execute(text("UPDATE inbox_schema_version SET version = 1"))
    inbox_store.create(hub.inbox.db)
    assert hub.inbox.filling().waiting == {"north": Load(), "south": Load(1, len(body))}
    assert_invariants(hub)


def as_version_2(tx: Transaction) -> None:
    """An inbox of the release that kept all bodies."""
    as_version_3(tx)
    for column in ("content_digest", "bodies_removed"):
        tx.execute(text(f"ALTER TABLE inbox_batch DROP COLUMN {column}"))
    tx.execute(text("UPDATE inbox_schema_version SET version = 2"))


def test_an_inbox_that_kept_deliveries_apart_knows_them_all_after_the_upgrade(hub: Hub) -> None:
    single, several = message("m-1", body_of(stock("Ethanol", 5))), lines("m-2", {3: "Acetone", 4: "Toluene"})
    first = take(hub, single, several)
    settle(hub)
    waiting = message("m-3", body_of(stock("Benzene", 1)))
    last = take(hub, waiting)
    with hub.inbox.db.write() as tx:
        as_version_3(tx)
    inbox_store.create(hub.inbox.db)

    assert [one._replace(answer=Answer.RECEIVED) for one in take(hub, single, several, waiting)] == [*first, *last]
    others = (lines("m-1", {1: "Acetone"}), message("m-2", single.body), lines("m-2", {3: "Acetone"}))
    told = take(hub, *others)
    assert {one.answer for one in told} == {Answer.CONFLICT}
    assert [one.request_ids for one in told] == [first[0].request_ids, first[1].request_ids, first[1].request_ids]
    (new,) = take(hub, message("m-4", body_of(stock("Xylene", 7))))
    assert new.answer is Answer.RECEIVED
    settle(hub)
    assert quantities(hub) == {"Ethanol": "5", "Acetone": "3", "Toluene": "4", "Benzene": "1", "Xylene": "7"}
    assert_invariants(hub)


def test_a_batch_of_an_earlier_release_keeps_its_messages_though_those_of_another_came_between(hub: Hub) -> None:
    """The first release numbered messages before others were committed that had come before them."""
    bodies = {name: body_of(stock(name, at)) for at, name in enumerate(("Ethanol", "Acetone", "Toluene", "Xylene"))}
    sent = [message(name, body) for name, body in bodies.items()]
    first = take(hub, *sent[:2])
    settle(hub)
    second = take(hub, *sent[2:])
    settle(hub)
    waiting = take(hub, message("Benzene", body_of(stock("Benzene", 9))))
    before = [outcome(hub, one.request_ids[0]) for one in (*first, *second, *waiting)]
    with hub.inbox.db.write() as tx:
        as_version_4(tx)
        for was, now in ((2, -3), (3, 2), (-3, 3), (5, 0)):
            tx.execute(text("UPDATE inbox_message SET seq = :now WHERE seq = :was"), {"was": was, "now": now})
    inbox_store.create(hub.inbox.db)

    assert [outcome(hub, one.request_ids[0]) for one in (*first, *second, *waiting)] == before
    (new,) = take(hub, message("Hexane", body_of(stock("Hexane", 7))))
    settle(hub)
    assert fates(hub, [*waiting, new]) == [Fate.POSTED] * 2
    assert (quantities(hub)["Benzene"], quantities(hub)["Hexane"]) == ("9", "7")
    assert_invariants(hub)


def test_halves_that_an_earlier_release_left_are_sealed_in_the_order_of_their_messages(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second half was made before the halves of the first."""
    take(hub, *(message(f"m-{at}", body_of(stock("Ethanol", at))) for at in range(8)))
    (whole,) = hub.sealing.seal_due("north", at_once=True)
    for _ in range(2):
        with hub.inbox.db.read() as tx:
            begun = [one for one in sealing_store.unregistered(tx, "north") if one.half_of is not None]
        if begun:
            with hub.inbox.db.write() as tx:
                sealing_store.register(tx, begun[0].batch_id, "first-half", "0" * 64)
        poisoned = "first-half" if begun else str(whole.request_id)
        monkeypatch.setattr(submissions, "poisoned_batches", lambda *_, one=poisoned: [one])
        hub.sealing.splitting.split_poisoned("north")
    with hub.inbox.db.read() as tx:
        before = sealing_store.unregistered(tx, "north")
    assert [one.batch_id[-4:] for one in before] == [".1.1", ".1.2", "-1.2"]
    with hub.inbox.db.write() as tx:
        as_version_4(tx)
    inbox_store.create(hub.inbox.db)
    with hub.inbox.db.read() as tx:
        assert sealing_store.unregistered(tx, "north") == before


def test_batches_of_an_earlier_release_lose_their_bodies_too(hub: Hub) -> None:
    """Nothing told the digest of their archived bytes: it is found from the messages."""
    (answered,) = take(hub, message("m-1", body_of(stock("Ethanol", 5))))
    settle(hub)
    with hub.inbox.db.write() as tx:
        as_version_2(tx)
    inbox_store.create(hub.inbox.db)
    (batch,) = hub.bodies.there(hub.intake.now(), after="", limit=9)
    assert (batch.content_digest, batch.bodies_removed) == (None, 0)
    hub.bodies.remove(batch, hub.bodies.archived_as(batch), before_some=lambda: None)
    assert hub.bodies.there(hub.intake.now(), after="", limit=9) == []
    assert fates(hub, [answered]) == [Fate.POSTED]
