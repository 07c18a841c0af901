"""The review queue as people see it: groups, bounded lists, full cases, decisions by persons. On both databases."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.report.status import status_of
from hub_pipelines.resubmitting import case_of
from hub_pipelines.review import store as reviews
from hub_pipelines.review.model import ItemState, ReasonCode, Selection
from hub_pipelines.submission.model import IllegalMove, State
from hub_pipelines_tests.support import (
    asset,
    in_review_for_lost_bytes,
    inventory_csv,
    lose_bytes,
    make_registry,
    process,
    send,
    submission,
)

MANY = 10_000


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])


def test_items_that_failed_for_one_reason_form_one_group_across_campuses(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 2)
    south = send(hub, "south.csv", inventory_csv([asset("NC-0002")]), Scope("south", "inventory"))
    lose_bytes(hub, str(south.request_id))
    process(hub, str(south.request_id))
    damaged = send(hub, "picture.xlsx", b"not a workbook")
    process(hub, str(damaged.request_id))
    with hub.db.read() as tx:
        (lost, unreadable), in_all = reviews.groups(tx, limit=10)
        assert reviews.groups(tx, limit=1)[0] == [lost]
    assert in_all == 2
    assert (lost.count, lost.campuses, lost.causes) == (3, ("north", "south"), ("integrity",))
    assert (unreadable.count, unreadable.example.source_name) == (1, "picture.xlsx")
    assert lost.oldest_at == lost.example.opened_at


def test_a_group_stays_the_same_when_its_item_fails_again(hub: Hub) -> None:
    (request_id,) = in_review_for_lost_bytes(hub, 1)
    (first,) = hub.review.listing()
    lose_bytes(hub, request_id)
    hub.review.replay(first.item_id, actor="person/kim")
    process(hub, request_id, owner="another")
    (second,) = hub.review.listing()
    assert second.item_id != first.item_id
    assert second.fingerprint == first.fingerprint


def test_growth_in_the_last_hour_is_told_by_status(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 2)
    (old, _) = hub.review.listing()
    with hub.db.write() as tx:
        tx.execute(
            update(reviews.review_item)
            .where(reviews.review_item.c.item_id == old.item_id)
            .values(opened_at=old.opened_at - timedelta(hours=2))
        )
    status = status_of(hub.db, hub.drop_folder)
    assert (status["review_open"], status["review_opened_last_hour"]) == (2, 1)


def test_a_case_holds_headers_envelope_every_attempt_with_its_trace_and_links_that_lead_somewhere(hub: Hub) -> None:
    (request_id,) = in_review_for_lost_bytes(hub, 1)
    (item,) = hub.review.listing()
    lose_bytes(hub, request_id)
    hub.review.replay(item.item_id, actor="person/kim")
    process(hub, request_id, owner="another")
    hub.receipts.write_due()
    (again,) = hub.review.listing()
    case = case_of(hub, again.item_id)
    assert case["headers"] == {"file_name": "lab-0.csv", "submitted_by": "tester"}
    assert case["envelope"]["signature"] == submission(hub, request_id).envelope.signature
    assert [one["owner"] for one in case["attempts"]] == ["unlucky", "another"]
    assert all("Traceback" in one["trace"] and one["ended_at"] > one["started_at"] for one in case["attempts"])
    assert all(one["error_type"] == "Integrity" for one in case["attempts"])
    assert case["attempts"][1]["run_page"] == "/runs/another"
    for link in ("receipt", "archived_envelope"):
        assert open(case[link], encoding="utf-8").read()  # noqa: PTH123, SIM115
    assert case["group"]["place"] == "archive/objects.py:verify"
    assert case["group"]["group"] == again.fingerprint


def test_the_case_of_a_conflict_shows_the_envelope_of_the_bytes_that_came_second(hub: Hub) -> None:
    first = send(hub, "a.csv", inventory_csv([asset("NC-0001")]), sender_key="k")
    second = send(hub, "b.csv", inventory_csv([asset("NC-0002")]), sender_key="k")
    (item,) = hub.review.listing()
    envelope = case_of(hub, item.item_id)["envelope"]
    assert first.request_id == second.request_id
    assert (envelope["source_name"], envelope["content_digest"]) == ("b.csv", second.content_digest)


# ---- decisions


@pytest.mark.parametrize("actor", ["", "person/", "person/  ", "hub/cleaner", "run/32f1b39c"])
def test_nobody_but_a_person_dismisses(hub: Hub, actor: str) -> None:
    in_review_for_lost_bytes(hub, 1)
    (item,) = hub.review.listing()
    with pytest.raises(IllegalMove, match="person"):
        hub.review.dismiss(item.item_id, actor=actor, reason=ReasonCode.TEST_DATA)
    assert hub.review.listing() == [item]


def test_a_dismissal_keeps_its_reason_code_and_is_audited_with_who(hub: Hub) -> None:
    (request_id,) = in_review_for_lost_bytes(hub, 1)
    (item,) = hub.review.listing()
    closed = hub.review.dismiss(item.item_id, actor="person/kim", reason=ReasonCode.NOT_OURS, note="of the museum")
    assert (closed.state, closed.reason_code) == (ItemState.DISMISSED, "not_ours")
    with hub.db.read() as tx:
        entry = audit.entries_of(tx, request_id)[-1]
    assert (entry.event.event, entry.event.actor) == ("review:dismissed", "person/kim")
    assert submission(hub, request_id).state is State.DISMISSED


# ---- a long queue


def test_lists_and_groups_of_ten_thousand_open_items_answer_within_a_second(hub: Hub) -> None:
    in_review_for_lost_bytes(hub, 1)
    (item,) = hub.review.listing()
    with hub.db.write() as tx:
        row = dict(tx.execute(reviews.review_item.select()).mappings().one())
        for start in range(0, MANY, 1000):
            copies = [
                {
                    **row,
                    "item_id": f"review-{number:016x}",
                    "fingerprint": f"g-{number % 40:010}",
                    "campus": ("north", "south", "west")[number % 3],
                    "trace": row["trace"] * 3,
                    "opened_at": row["opened_at"] + timedelta(seconds=1 + number),
                }
                for number in range(start, start + 1000)
            ]
            tx.execute(insert(reviews.review_item), copies)
    began = time.monotonic()
    with hub.db.read() as tx:
        groups, in_all = reviews.groups(tx, limit=100)
    grouped_s, began = time.monotonic() - began, time.monotonic()
    with hub.db.read() as tx:
        items = reviews.items(tx, Selection(), limit=100)
        in_queue = reviews.count(tx, Selection())
    listed_s = time.monotonic() - began
    assert (in_all, sum(one.count for one in groups)) == (41, MANY + 1)
    assert (len(items), in_queue, items[0].item_id) == (100, MANY + 1, item.item_id)
    assert grouped_s < 1
    assert listed_s < 1
