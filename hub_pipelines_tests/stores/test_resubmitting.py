"""A corrected copy in place of an item: two submissions, one decision, the difference. On both databases."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.common.scope import RESERVED
from hub_pipelines.hub import Hub
from hub_pipelines.intake.model import Arrival
from hub_pipelines.ledger.model import Posting
from hub_pipelines.requeueing import of_requests
from hub_pipelines.resubmitting import Resubmitted, case_of, resubmit
from hub_pipelines.review.model import ItemState, ReasonCode, ReviewItem
from hub_pipelines.submission.model import IllegalMove, State
from hub_pipelines_tests.support import (
    all_submissions,
    assert_invariants,
    asset,
    bring_back_bytes,
    events,
    inventory_csv,
    lose_bytes,
    make_registry,
    process,
    send,
    submission,
)

GOOD = inventory_csv([asset("NC-0001"), asset("NC-0002")])
LACKING = b"asset_tag,location\nNC-0001,Chem 2\nNC-0002,Chem 214\n"


@pytest.fixture(autouse=True)
def _registry(hub: Hub) -> None:
    make_registry(hub, ["NC-0001", "NC-0002"])


@pytest.fixture
def item(hub: Hub) -> ReviewItem:
    """A file without the columns that it must have."""
    arrival = send(hub, "lab.csv", LACKING)
    assert process(hub, str(arrival.request_id)) is State.IN_REVIEW
    (found,) = hub.review.listing()
    return found


def edit(hub: Hub, item: ReviewItem, data: bytes, name: str = "mended by hand.csv") -> Resubmitted:
    path = hub.settings.home / name
    path.write_bytes(data)
    return resubmit(hub, item.item_id, path, actor="person/kim")


def test_the_corrected_copy_is_a_submission_of_its_own_that_revises_the_old_one(hub: Hub, item: ReviewItem) -> None:
    done = edit(hub, item, GOOD)
    new = submission(hub, str(done.arrival.request_id))
    assert new.request_id != item.request_id
    assert (new.revises, new.envelope.source_name, new.source_version) == (item.request_id, "lab.csv", 2)
    assert new.envelope.headers["corrects"] == item.item_id
    posting = process(hub, new.request_id)
    assert isinstance(posting, Posting)
    assert posting.posted == 2
    assert_invariants(hub)


def test_original_and_copy_are_kept_and_the_item_is_closed_with_a_link(hub: Hub, item: ReviewItem) -> None:
    done = edit(hub, item, GOOD)
    assert hub.archive.object_path(item.content_digest).read_bytes() == LACKING
    assert hub.archive.object_path(str(done.arrival.content_digest)).read_bytes() == GOOD
    assert (done.item.state, done.item.replaced_by) == (ItemState.RESUBMITTED, done.arrival.request_id)
    assert submission(hub, item.request_id).state is State.DISMISSED
    with hub.db.read() as tx:
        entry = audit.entries_of(tx, item.request_id)[-1]
    assert (entry.event.event, entry.event.actor) == ("review:resubmitted", "person/kim")
    assert entry.event.detail["replaced_by"] == done.arrival.request_id
    assert hub.review.listing() == []


def test_case_and_receipt_show_what_was_corrected(hub: Hub, item: ReviewItem) -> None:
    done = edit(hub, item, GOOD)
    assert (done.difference.changed, done.difference.added, done.difference.removed) == (2, 0, 0)
    shown = case_of(hub, item.item_id)["difference"]
    first = next(cell for cell in shown["cells"] if cell["column"] == "location")
    assert (first["old"], first["new"]) == ("Chem 2", "Chem 214")
    process(hub, str(done.arrival.request_id))
    page = hub.receipts.write(str(done.arrival.request_id)).read_text(encoding="utf-8")
    assert "What was corrected" in page
    assert item.request_id in page
    assert "Ethanol absolute" in page
    closed = hub.receipts.write(item.request_id).read_text(encoding="utf-8")
    assert "The hub sent a corrected copy" in closed
    assert str(done.arrival.request_id)[-8:] in closed


def test_a_file_of_another_kind_takes_the_name_with_its_own_ending(hub: Hub, item: ReviewItem) -> None:
    done = edit(hub, item, GOOD, "mended.tsv")
    assert done.arrival.source_name == "lab.tsv"
    assert submission(hub, str(done.arrival.request_id)).revises == item.request_id


def test_the_very_same_bytes_are_refused_with_the_command_to_use(hub: Hub, item: ReviewItem) -> None:
    with pytest.raises(IllegalMove, match="hub review replay"):
        edit(hub, item, LACKING)
    assert hub.review.listing() == [item]


def test_a_closed_item_is_refused_and_nothing_is_sent(hub: Hub, item: ReviewItem) -> None:
    edit(hub, item, GOOD)
    before = len(all_submissions(hub))
    with pytest.raises(IllegalMove, match="was resubmitted already by person/kim"):
        edit(hub, item, GOOD.replace(b"Chem 214", b"Chem 215"))
    assert len(all_submissions(hub)) == before


def test_an_item_closed_between_looking_and_sending_takes_the_new_submission_back(
    hub: Hub, item: ReviewItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(all_submissions(hub))

    def somebody_else_first(*_: object) -> None:
        hub.review.replay(item.item_id, actor="person/lee")

    monkeypatch.setattr("hub_pipelines.resubmitting._require_open", somebody_else_first)
    with pytest.raises(IllegalMove, match="was replayed already by person/lee"):
        edit(hub, item, GOOD)
    assert len(all_submissions(hub)) == before
    assert submission(hub, item.request_id).state is State.RECEIVED


def test_bytes_that_came_before_make_no_second_submission(hub: Hub, item: ReviewItem) -> None:
    known = send(hub, "somewhere else.csv", GOOD)
    done = edit(hub, item, GOOD)
    assert done.arrival.outcome == "duplicate"
    assert done.item.replaced_by == known.request_id
    assert "submission:duplicate" in events(hub, str(known.request_id))


def test_bytes_that_were_dismissed_before_are_refused(hub: Hub, item: ReviewItem) -> None:
    other = LACKING + b"\n"
    send_id = str(send(hub, "x.csv", other).request_id)
    process(hub, send_id)
    (second,) = (one for one in hub.review.listing() if one.request_id == send_id)
    hub.review.dismiss(second.item_id, actor="person/kim", reason=ReasonCode.SENT_IN_ERROR)
    with pytest.raises(IllegalMove, match="were dismissed"):
        edit(hub, item, other)
    assert hub.review.listing() == [item]


def test_a_conflict_is_corrected_without_touching_the_first_submission(hub: Hub) -> None:
    first = send(hub, "a.csv", GOOD, sender_key="k")
    process(hub, str(first.request_id))
    send(hub, "a.csv", LACKING, sender_key="k")
    (conflict,) = hub.review.listing()
    done = edit(hub, conflict, GOOD.replace(b"2.5", b"3.5"))
    assert submission(hub, str(first.request_id)).state is State.POSTED
    assert process(hub, str(done.arrival.request_id)).posted == 2  # type: ignore[union-attr]
    assert hub.review.listing() == []
    assert_invariants(hub)


def test_what_came_for_nobody_is_not_corrected_in_place(hub: Hub, tmp_path: Path) -> None:
    assert tmp_path.is_dir()
    send(hub, "x.csv", GOOD, RESERVED)
    (lost,) = hub.review.listing()
    with pytest.raises(IllegalMove, match="hub submit --campus"):
        edit(hub, lost, LACKING)


def test_a_person_must_correct(hub: Hub, item: ReviewItem) -> None:
    path = hub.settings.home / "x.csv"
    path.write_bytes(GOOD)
    with pytest.raises(IllegalMove, match="person"):
        resubmit(hub, item.item_id, path, actor="run/1")
    assert hub.review.listing() == [item]


def told_of(hub: Hub, arrival: Arrival) -> dict[str, Any]:
    hub.receipts.write_due("north")
    page = hub.receipts.places.page_of_arrival(arrival)
    document: dict[str, Any] = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return document | {"page": " ".join(page.read_text(encoding="utf-8").split())}


def test_a_copy_of_what_was_dismissed_is_told_that_nothing_was_taken_and_there_is_a_way_on(hub: Hub) -> None:
    """Its sender was told "We already have this file" and "Nothing", though no row of it ever posted."""
    send_again = partial(send, hub, "lab.csv", GOOD)
    arrival = send_again()
    request_id = str(arrival.request_id)
    lose_bytes(hub, request_id)
    assert process(hub, request_id) is State.IN_REVIEW
    bring_back_bytes(hub, request_id)
    (lost,) = [one for one in hub.review.listing() if one.request_id == request_id]
    hub.review.dismiss(lost.item_id, actor="person/kim", reason=ReasonCode.SENT_IN_ERROR)

    copy = send_again()
    assert copy.outcome == "duplicate"
    told = told_of(hub, copy)
    assert told["headline"] == "We already have this file, and it was set aside, so nothing was taken from it"
    assert "Go on with the receipt of the first copy" in told["page"]

    first = hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8")
    (target,) = of_requests(hub, [request_id])
    command = "hub submit FILE --campus north --feed inventory --key WORD"
    assert command in " ".join(first.split())
    assert command in str(target.refused)

    taken = send_again(sender_key="once more")
    assert taken.outcome == "received"
    posting = process(hub, str(taken.request_id))
    assert isinstance(posting, Posting)
    assert posting.posted == 2
    assert_invariants(hub)
