"""What `hub audit verify` finds in records beside the ledgers: arrivals, attempts, how files were read, columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub_pipelines.audit.model import MEND, Event
from hub_pipelines.common.errors import Transient
from hub_pipelines.drift import store as shapes
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.intake.store import arrival
from hub_pipelines.mapping.store import decision
from hub_pipelines.submission.store import attempt
from hub_pipelines_tests.messages import add_source, body_of, message, stock, take
from hub_pipelines_tests.stores.test_drift import HEADER, held, posted
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    asset,
    inventory_csv,
    lease,
    make_registry,
    make_retry_due,
    process,
    process_all,
    send,
    send_assets,
)
from hub_pipelines_tests.tampering import rewrite, unlock

LONG_AGO = "'2020-01-01T00:00:00.000000Z'"


def change(hub: Hub, *statements: str) -> None:
    with hub.db.write() as tx:
        for one in statements:
            tx.execute(text(one))


@pytest.fixture
def visited(hub: Hub, tmp_path: Path) -> Hub:
    """One arrival of each kind."""
    send(hub, "lab.csv", inventory_csv([asset("N-1")]), sender_key="k-1")
    send(hub, "lab.csv", inventory_csv([asset("N-1")]), sender_key="k-1")
    send(hub, "lab.csv", inventory_csv([asset("N-2")]), sender_key="k-1")
    hub.intake.refuse("a1", NORTH_INVENTORY, "March", "It is a folder.", "Drop the files.")
    asked = tmp_path / "asked.csv"
    asked.write_bytes(inventory_csv([asset("N-3")]))
    hub.preview(asked, NORTH_INVENTORY, actor="tester")
    add_source(hub)
    take(hub, message("m-1", body_of(stock("Ethanol", 5))))
    other = message("m-1", body_of(stock("Ethanol", 6)))
    hub.conflicts.file(other, take(hub, other)[0])
    assert verify_all(hub).ok
    return hub


@pytest.mark.parametrize("outcome", ["received", "duplicate", "conflict", "refused", "previewed"])
@pytest.mark.parametrize(
    "changed",
    [f"arrived_at = {LONG_AGO}", "size_bytes = 7", "source_name = 'other.csv'", "campus = 'south'", "feed = 'hazmat'"],
)
def test_a_rewritten_arrival_is_found(visited: Hub, outcome: str, changed: str) -> None:
    change(visited, f"UPDATE arrival SET {changed} WHERE outcome = '{outcome}'")

    found = str(verify_all(visited).first_bad)

    assert found.startswith("arrival ")
    assert found.endswith(f"the record of this arrival is not what the audit log tells. {MEND}")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("UPDATE arrival SET outcome = 'duplicate' WHERE outcome = 'received'", "is not what the audit log tells"),
        ("UPDATE arrival SET outcome = 'lost' WHERE outcome = 'received'", "an answer that the hub does not give"),
        ("UPDATE arrival SET reason = 'none' WHERE outcome = 'refused'", "is not what the audit log tells"),
        ("UPDATE arrival SET fix = NULL WHERE outcome = 'conflict'", "is not what the audit log tells"),
        ("DELETE FROM arrival WHERE outcome = 'duplicate'", "the audit log tells of it, and its record is missing"),
    ],
)
def test_another_answer_and_an_arrival_that_vanished_are_found(visited: Hub, changed: str, told: str) -> None:
    change(visited, changed)
    assert told in str(verify_all(visited).first_bad)


def test_an_arrival_that_never_was_is_found(visited: Hub) -> None:
    with visited.db.write() as tx:
        row = dict(tx.execute(arrival.select().where(arrival.c.outcome == "duplicate")).mappings().one())
        tx.execute(arrival.insert(), {**row, "arrival_id": "forged"})
    assert verify_all(visited).first_bad == f"arrival forged: no audit entry tells of it. {MEND}"


def without(*names: str, event: str) -> Callable[[list[tuple[Any, Event]]], None]:
    """Entries of this kind as earlier releases wrote them."""

    def change(told: list[tuple[Any, Event]]) -> None:
        for place, (at, one) in enumerate(told):
            if one.event.startswith(event):
                kept = {name: value for name, value in one.detail.items() if name not in names}
                told[place] = at, Event(one.campus, one.actor, one.event, one.subject, one.request_id, kept)

    return change


def test_what_earlier_releases_did_not_tell_is_held_against_nothing(visited: Hub) -> None:
    request_id = send_assets(visited, "late.csv", asset("N-9"))
    with pytest.raises(Exception, match="no answer"), visited.processing.attempt(lease(visited, request_id)):
        raise Transient("no answer")
    for event in ("submission:duplicate", "submission:conflict", "submission:refused", "message:conflict"):
        names = ("arrived_at", "size_bytes", "fix", *(["reason"] if event != "submission:refused" else []))
        rewrite(visited, "north", without(*names, event=event))
    rewrite(visited, "north", without("token", event="submission:retrying"))

    assert verify_all(visited).ok
    change(visited, "UPDATE arrival SET source_name = 'other.csv' WHERE outcome = 'duplicate'")
    assert "is not what the audit log tells" in str(verify_all(visited).first_bad)


@pytest.fixture
def tried(hub: Hub) -> Hub:
    """A submission that failed once, then posted, and one that is in review; request_ids begin alike."""
    make_registry(hub, ["N-1"])
    request_id = send_assets(hub, "lab.csv", asset("N-1"))
    with pytest.raises(Exception, match="no answer"), hub.processing.attempt(lease(hub, request_id, "first")):
        raise Transient("no answer")
    make_retry_due(hub, request_id)
    process(hub, request_id, owner="second")
    process(hub, str(send(hub, "odd.csv", b"a,b\n1,2\n").request_id), owner="third")
    assert verify_all(hub).ok
    return hub


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE attempt SET owner = 'nobody' WHERE owner = 'second'",
        f"UPDATE attempt SET started_at = {LONG_AGO} WHERE owner = 'second'",
        f"UPDATE attempt SET ended_at = {LONG_AGO} WHERE owner = 'second'",
        f"UPDATE attempt SET ended_at = {LONG_AGO} WHERE owner = 'first'",
        "UPDATE attempt SET outcome = 'released' WHERE owner = 'second'",
        "UPDATE attempt SET outcome = 'released' WHERE owner = 'third'",
        "UPDATE attempt SET error = 'nothing' WHERE owner = 'first'",
        "UPDATE attempt SET error = 'nothing' WHERE owner = 'third'",
        "UPDATE attempt SET revision = 2 WHERE owner = 'third'",
        "DELETE FROM attempt WHERE owner = 'first'",
    ],
)
def test_a_rewritten_attempt_is_found(tried: Hub, changed: str) -> None:
    change(tried, changed)

    found = str(verify_all(tried).first_bad)

    assert "the record of attempt " in found
    assert found.endswith(f"is missing or not what the audit log tells of it. {MEND}")


def test_an_attempt_that_never_was_is_found(tried: Hub) -> None:
    with tried.db.write() as tx:
        row = dict(tx.execute(attempt.select().where(attempt.c.owner == "third")).mappings().one())
        tx.execute(attempt.insert(), {**row, "token": 9})
    told = f"{row['request_id']}: no audit entry tells of its attempt 9 as its record does. {MEND}"
    assert verify_all(tried).first_bad == told


def test_an_attempt_that_is_said_to_have_posted_and_did_not_is_found(tried: Hub) -> None:
    request_id = send_assets(tried, "other.csv", asset("N-1", location="B 9"))
    lease(tried, request_id, "fourth")
    change(tried, "UPDATE attempt SET outcome = 'posted' WHERE owner = 'fourth'")
    told = f"{request_id}: no audit entry tells of its attempt 1 as its record does. {MEND}"
    assert verify_all(tried).first_bad == told


def test_a_decision_that_was_changed_or_made_to_vanish_is_found(hub: Hub) -> None:
    request_id = posted(hub, HEADER, "A-1,Buffer,B1,3,bottle")
    assert verify_all(hub).ok
    with hub.db.write() as tx:
        unlock(hub, tx, "decision")
        kept = dict(tx.execute(decision.select()).mappings().one())
        tx.execute(decision.update().values(document={**kept["document"], "forged": True}))
    told = f"decision {kept['digest']}, by which files were read: it was changed after it was made. {MEND}"
    assert verify_all(hub).first_bad == told
    with hub.db.write() as tx:
        tx.execute(decision.delete())
    told = f"{request_id}: the decision {kept['digest']}, by which it was read, is missing. {MEND}"
    assert verify_all(hub).first_bad == told


@pytest.fixture
def accepted(hub: Hub) -> Hub:
    """Columns of three kinds: those that a posting brought in, those that a person accepted, those that wait."""
    posted(hub, HEADER + ",Lot", "A-1,Buffer,B1,3,bottle,L1")
    item = held(hub, HEADER + ",Door", "A-1,Buffer,B1,4,bottle,left")
    hub.columns.accept(item.item_id, actor="person/kim")
    process_all(hub)
    held(hub, "Item,Amount", "A-1,9", name="stock.csv")
    assert verify_all(hub).ok
    return hub


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE source_shape SET accepted_by = 'person/lee' WHERE accepted_by = 'person/kim'",
        "UPDATE source_shape SET accepted_by = 'hub/posted' WHERE accepted_by = 'person/kim'",
        f"UPDATE source_shape SET accepted_at = {LONG_AGO} WHERE accepted_by = 'person/kim'",
        "UPDATE source_shape SET accepted_by = 'person/lee' WHERE accepted_by LIKE 'hub/%'",
        "UPDATE source_shape SET accepted_at = first_seen_at WHERE accepted_by IS NULL",
    ],
)
def test_columns_that_somebody_else_is_said_to_have_accepted_are_found(accepted: Hub, changed: str) -> None:
    change(accepted, changed)

    found = str(verify_all(accepted).first_bad)

    assert found.startswith("north/inventory, stock.csv, columns ")
    assert found.endswith(f"who has accepted these columns, and when, is not what the audit log tells. {MEND}")


def test_columns_that_wait_and_are_said_to_have_posted_are_found(hub: Hub) -> None:
    posted(hub, HEADER + ",Lot", "A-1,Buffer,B1,3,bottle,L1")
    held(hub, HEADER + ",Door", "A-1,Buffer,B1,4,bottle,left")
    said = "accepted_at = first_seen_at, accepted_by = 'hub/posted'"
    change(hub, f"UPDATE source_shape SET {said} WHERE accepted_by IS NULL")
    assert "who has accepted these columns" in str(verify_all(hub).first_bad)


def test_accepted_columns_that_were_made_to_vanish_are_found(accepted: Hub) -> None:
    with accepted.db.write() as tx:
        tx.execute(shapes.source_shape.delete().where(shapes.source_shape.c.accepted_by == "person/kim"))
    told = "the audit log tells who has accepted them, and their record is missing"
    assert told in str(verify_all(accepted).first_bad)
