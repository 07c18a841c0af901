"""A source changes its columns, on both databases: held, decided, migrated, replayed; nothing lost or done twice."""

import json
from typing import Any

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.common.errors import Permanent
from hub_pipelines.common.scope import Scope
from hub_pipelines.drift.decisions import UnknownColumns
from hub_pipelines.drift.model import KnownShape, Source
from hub_pipelines.evidence import headers_of
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.processing import AttemptFailed, failure_of
from hub_pipelines.review.model import ReviewItem
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Cause, State
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.staging import read_staged, stage, staged_path
from hub_pipelines_tests.stores.test_rebuilding import MONDAY
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    assert_invariants,
    events,
    journal_size,
    lease,
    lease_and_validate,
    ledger_values,
    on_day,
    process,
    process_all,
    send,
    submission,
)

STOCK = FEEDS["inventory"].record_type("inventory.stock")
LEDGER = "inventory.stock@north"
SOURCE = Source("north", "inventory", "stock.csv")
HEADER = "Item Code,Name,Room,Quantity,Unit"
PACKED = "Item Code,Name,Room,Packed"  # how much and in what, in one column

WHAT = "Item Code,What,Room,Packed"  # the contract requires a name

NAME = """
[[step]]
do = "rename"
column = "What"
to = "item_name"
"""
SPLIT = """
[[step]]
do = "split"
column = "Packed"
into = ["quantity_on_hand", "Pack"]
separator = " x "
"""
UNIT = """
[[step]]
do = "default"
column = "unit"
value = "bottle"
"""


def csv(header: str, *rows: str) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def sent(hub: Hub, header: str, *rows: str, name: str = "stock.csv", scope: Scope = NORTH_INVENTORY) -> str:
    arrival = send(hub, name, csv(header, *rows), scope)
    assert arrival.request_id is not None
    return arrival.request_id


def posted(hub: Hub, header: str, *rows: str, name: str = "stock.csv", scope: Scope = NORTH_INVENTORY) -> str:
    request_id = sent(hub, header, *rows, name=name, scope=scope)
    assert isinstance(process(hub, request_id), Posting)
    return request_id


def held(hub: Hub, header: str, *rows: str, name: str = "stock.csv", scope: Scope = NORTH_INVENTORY) -> ReviewItem:
    request_id = sent(hub, header, *rows, name=name, scope=scope)
    assert process(hub, request_id) is State.IN_REVIEW
    return item_of(hub, request_id)


def item_of(hub: Hub, request_id: str) -> ReviewItem:
    (item,) = [one for one in hub.review.listing() if one.request_id == request_id]
    return item


def migration(hub: Hub, item: ReviewItem, *steps: str, source: str | None = None) -> str:
    """Written by kim; its reference."""
    head = hub.columns.draft(item.item_id).partition("\n#")[0].partition("\n[[step]]")[0]
    if source is not None:
        head = head.replace(f'source = "{item.source_name}"', f'source = "{source}"')
    return hub.columns.add(head + "".join(steps), author="person/kim")[0].reference


def in_force(hub: Hub, item: ReviewItem, *steps: str, source: str | None = None) -> str:
    reference = migration(hub, item, *steps, source=source)
    hub.columns.approve(reference, actor="person/lee")
    hub.columns.apply(reference, actor="person/lee")
    return reference


def detail_of(hub: Hub, request_id: str, event: str) -> dict[str, Any]:
    with hub.db.read() as tx:
        found = [one.event for one in audit.entries_of(tx, request_id) if one.event.event == event]
    return dict(found[-1].detail)


def known(hub: Hub) -> dict[str, KnownShape]:
    return {one.shape.fingerprint: one for one in hub.columns.shapes()}


def receipt(hub: Hub, request_id: str) -> dict[str, Any]:
    page = hub.receipts.write(request_id)
    document: dict[str, Any] = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return document


@pytest.fixture
def lab(hub: Hub) -> str:
    """A stock list that has posted; its request_id."""
    return posted(on_day(hub, MONDAY), HEADER, "A-1,Buffer,B1,3,bottle", "A-2,Agar,B1,5,bottle")


# ---- what posts without a question


def test_the_first_file_of_a_source_posts_and_its_columns_are_remembered(hub: Hub, lab: str) -> None:
    (one,) = hub.columns.shapes()
    assert (one.source.key, one.shape.record_type, one.first_request_id) == ("stock.csv", "inventory.stock", lab)
    assert one.accepted_by == "hub/first of its source"
    assert dict(one.shape.columns)["quantity_on_hand"] == "Quantity"
    posting = detail_of(hub, lab, "submission:posted")
    assert (posting["shape"], posting["migration"]) == (one.shape.fingerprint, None)
    assert posting["contract_version"] == STOCK.contract_version
    assert not [one for one in events(hub, lab) if one.startswith("shape:")]


def test_moved_and_respelt_columns_are_the_same_and_post(hub: Hub, lab: str) -> None:
    again = posted(hub, "UNIT,Room,qty on hand,SKU,Product name", "bottle,B1,9,A-1,Buffer")
    assert len(known(hub)) == 1
    assert headers_of(hub, again).as_before
    assert [one["reason"].partition(",")[0] for one in receipt(hub, again)["warnings"]] == ["1 line of stock.csv"]
    assert lab


@pytest.mark.usefixtures("lab")
def test_more_columns_post_and_are_told(hub: Hub) -> None:
    more = posted(hub, HEADER + ",Lot,Door", "A-1,Buffer,B1,9,bottle,L1,left")
    assert detail_of(hub, more, "shape:extended")["gained"] == [
        {"column": "lot_number", "heading": "Lot"},
        {"column": None, "heading": "Door"},
    ]
    told = [(one["column"], one["value"]) for one in receipt(hub, more)["warnings"]]
    assert told == [("lot_number", "Lot"), ("Door", "Door")]
    assert not headers_of(hub, more).as_before
    assert ledger_values(hub, LEDGER)["A-1| lot L1|B1"]["other"] == {"Door": "left"}
    # once is enough
    once_more = posted(hub, HEADER + ",Lot,Door", "A-1,Buffer,B1,8,bottle,L1,left")
    assert "shape:extended" not in events(hub, once_more)
    assert receipt(hub, once_more)["warnings"] == []
    assert_invariants(hub)


def test_a_heading_that_the_contract_does_not_know_may_go_away(hub: Hub) -> None:
    posted(hub, HEADER + ",Door", "A-1,Buffer,B1,3,bottle,left")
    less = posted(hub, HEADER, "A-1,Buffer,B1,4,bottle")
    assert detail_of(hub, less, "shape:reduced")["gone"] == ["Door"]
    assert receipt(hub, less)["warnings"][0]["column"] == "Door"


@pytest.mark.usefixtures("lab")
def test_a_source_may_go_back_to_columns_that_it_had(hub: Hub) -> None:
    posted(hub, HEADER + ",Lot", "A-1,Buffer,B1,3,bottle,L1")
    assert posted(hub, HEADER, "A-1,Buffer,B1,4,bottle")


@pytest.mark.usefixtures("lab")
def test_the_same_name_at_another_campus_is_another_source(hub: Hub) -> None:
    posted(hub, HEADER + ",Lot", "A-1,Buffer,B1,3,bottle,L1")
    posted(hub, HEADER, "A-1,Buffer,B1,3,bottle", scope=Scope("south", "inventory"))
    assert {(one.source.campus, one.accepted_by) for one in hub.columns.shapes()} == {
        ("north", "hub/first of its source"),
        ("north", "hub/columns were only added"),
        ("south", "hub/first of its source"),
    }


# ---- what is held


def test_a_missing_required_column_is_held_with_both_headers_side_by_side(hub: Hub, lab: str) -> None:
    item = held(hub, "Item Code,Name,Room,Quantity 2,Unit", "A-1,Buffer,B1,9,bottle")
    assert item.cause == Cause.DRIFT
    assert item.reason == (
        "The columns are not those of this list's earlier files: "
        'quantity on hand (so far "Quantity") is missing, perhaps now called "Quantity 2".'
    )
    assert 'rename "Quantity 2" to "Quantity"' in item.fix
    (found,) = hub.columns.show(item.item_id)
    assert [(one.column, one.before, one.now) for one in found.pairs if one.before != one.now] == [
        ("quantity_on_hand", "Quantity", None),
        (None, None, "Quantity 2"),
    ]
    assert found.before is not None
    assert found.before.first_request_id == lab
    alert = detail_of(hub, item.request_id, "shape:drifted")
    assert (alert["shape"], alert["first_of_this_shape"]) == (found.now.shape.fingerprint, True)
    page = receipt(hub, item.request_id)
    assert page["columns"][0] == {
        "column": "quantity_on_hand",
        "before": "Quantity",
        "now": None,
        "perhaps": "Quantity 2",
    }
    assert page["columns_as_before"] == 4
    assert "drop it again" in page["next_step"]
    assert_invariants(hub)


def test_a_file_that_merely_lacks_optional_columns_posts_and_their_values_stay(hub: Hub) -> None:
    posted(hub, HEADER + ",Expiry,Supplier", "A-1,Buffer,B1,3,bottle,2027-01-31,Roth")
    less = posted(hub, HEADER, "A-1,Buffer,B1,4,bottle")
    assert detail_of(hub, less, "shape:narrowed")["lost"] == [
        {"column": "expires_on", "heading": "Expiry", "looks_like": None},
        {"column": "supplier", "heading": "Supplier", "looks_like": None},
    ]
    assert not headers_of(hub, less).as_before
    assert headers_of(hub, less).document()["headings_gone"] == "Expiry, Supplier"
    item = ledger_values(hub, LEDGER)["A-1|B1"]
    assert (item["expires_on"], item["supplier"], item["quantity_on_hand"]) == ("2027-01-31", "Roth", "4")
    told = [one["reason"] for one in receipt(hub, less)["warnings"]]
    assert told.count("This column was in earlier files of this name and is not in this one.") == 2
    assert "This list has no column supplier: 1 item keeps the value from stock.csv." in told
    # and what it lacks can't be renamed unseen
    item_held = held(hub, HEADER + ",Purchased at", "A-1,Buffer,B1,5,bottle,Sigma")
    assert item_held.cause == Cause.DRIFT
    posted(hub, HEADER + ",Expiry,Supplier", "A-1,Buffer,B1,6,bottle,2027-01-31,Roth")
    assert_invariants(hub)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (",Supplier", ",Door"),
        (",Supplier", ","),
        (",Lot", ""),
        (",Expiry,Supplier", ",Opened on"),
    ],
    ids=["it may have another name", "or none", "it is part of what an item is", "another known one has come"],
)
def test_a_file_whose_lacking_column_may_be_another_or_tells_items_apart_is_held(
    hub: Hub, before: str, now: str
) -> None:
    posted(hub, HEADER + before, "A-1,Buffer,B1,3,bottle" + before.lower())
    assert held(hub, HEADER + now, "A-1,Buffer,B1,3,bottle,x").cause == Cause.DRIFT


def test_a_list_without_cas_numbers_or_lots_posts_where_none_of_its_lines_is_known_by_them(hub: Hub) -> None:
    posted(hub, HEADER + ",CAS,Lot", "A-1,Acetone,B1,3,bottle,67-64-1,", "A-2,Toluene,B1,2,bottle,108-88-3,")
    before = set(ledger_values(hub, LEDGER))
    less = posted(hub, HEADER, "A-1,Acetone,B1,4,bottle", "A-2,Toluene,B1,1,bottle")
    assert [one["column"] for one in detail_of(hub, less, "shape:narrowed")["lost"]] == ["cas_number", "lot_number"]
    items = ledger_values(hub, LEDGER)
    assert set(items) == before
    assert (items["A-1|B1"]["quantity_on_hand"], items["A-1|B1"]["cas_number"]) == ("4", "67-64-1")
    assert_invariants(hub)


@pytest.mark.parametrize(
    ("column", "rows", "told"),
    [
        ("CAS", [",Acetone,B1,3,bottle,67-64-1", ",Toluene,B1,3,bottle,108-88-3", "A-3,Tris,B1,1,bottle,77-86-1"],
         "2 lines by their CAS number"),
        ("Lot", ["A-1,Acetone,B1,3,bottle,L7", "A-2,Toluene,B1,3,bottle,"], "1 line by its lot number"),
    ],
)  # fmt: skip
def test_a_list_whose_lines_are_known_by_the_column_that_it_lacks_is_held_and_told_how_many_would_be_doubled(
    hub: Hub, column: str, rows: list[str], told: str
) -> None:
    posted(hub, f"{HEADER},{column}", *rows)
    item = held(hub, HEADER, *(row.rpartition(",")[0] for row in rows))
    assert item.cause == Cause.DRIFT
    assert (
        f"This list is in the ledger with {told}: without, such a line would stand there a second time." in item.reason
    )
    assert f'add "{column}"' in item.fix


@pytest.mark.parametrize(
    ("column", "row", "told"),
    [
        ("CAS", ",Acetone,B1,3,bottle,67-64-1", "1 line by its CAS number"),
        ("Lot", "A-1,Acetone,B1,3,bottle,L7", "1 line by its lot number"),
    ],
)
def test_lines_that_another_file_has_set_last_are_this_lists_too(hub: Hub, column: str, row: str, told: str) -> None:
    posted(hub, f"{HEADER},{column}", row)
    posted(hub, f"{HEADER},{column}", row.replace(",3,", ",9,"), name="other.csv")
    item = held(hub, HEADER, row.rpartition(",")[0])
    assert (item.cause, told in item.reason) == (Cause.DRIFT, True)
    assert len(ledger_values(hub, LEDGER)) == 1
    assert_invariants(hub)


def test_a_list_that_once_did_without_cas_numbers_is_checked_as_it_posted_whatever_became_of_its_lines(
    hub: Hub,
) -> None:
    posted(hub, HEADER + ",CAS", ",Acetone,B1,3,bottle,")
    less = posted(hub, HEADER, ",Acetone,B1,4,bottle")
    then = headers_of(hub, less).document()
    posted(hub, HEADER + ",CAS", ",Acetone,B1,5,bottle,67-64-1")
    assert (then["headers"], then["headings_gone"]) == ("narrowed", "CAS")
    assert headers_of(hub, less).document() == then


# ---- by which column its lines are known

NAMES = ["Acetone", "Toluene", "Methanol", "Ethanol", "Hexane", "Benzene", "Pyridine", "Xylene", "Heptane", "Pentane"]


def names(quantity: int, named: int = len(NAMES), first: str = "{name}") -> list[str]:
    """Rows of a name, another text about the item, room, quantity and unit; the names behind the `named` are blank."""
    return [
        f"{first.format(name=name) if number < named else ''},{name} for synthesis,B1,{quantity},bottle"
        for number, name in enumerate(NAMES)
    ]


@pytest.mark.parametrize(
    "headings", ["Name,Description", "Product name,Description", "Chemical name,Reagent", "Item name,Item description"]
)
def test_blank_names_do_not_make_another_column_the_name_by_which_the_lines_are_known(hub: Hub, headings: str) -> None:
    header = f"{headings},Room,Quantity,Unit"
    posted(hub, header, *names(3))
    before = set(ledger_values(hub, LEDGER))
    gaps = posted(hub, header, *names(4, named=6))
    items = ledger_values(hub, LEDGER)
    assert set(items) == before
    assert sorted(item["quantity_on_hand"] for item in items.values()) == ["3"] * 4 + ["4"] * 6
    counts = submission(hub, gaps).counts
    assert (counts.posted, counts.rejected) == (6, 4)
    assert headers_of(hub, gaps).as_before
    whole = posted(hub, header, *names(5))
    assert (submission(hub, whole).counts.posted, set(ledger_values(hub, LEDGER))) == (10, before)
    assert_invariants(hub)


def test_the_fuller_of_two_names_is_the_name_of_a_list_that_never_posted_and_stays_it(hub: Hub) -> None:
    header = "Name,Description,Room,Quantity,Unit"
    posted(hub, header, *names(3, named=6))
    before = set(ledger_values(hub, LEDGER))
    assert "name acetone for synthesis|B1" in before
    posted(hub, "Room,Quantity,Unit,Colour,Name,Description", *(
        f"B1,4,bottle,red,{row.split(',')[0]},{row.split(',')[1]}" for row in names(4)
    ))  # fmt: skip
    assert set(ledger_values(hub, LEDGER)) == before


def test_a_heading_that_is_known_since_does_not_become_the_name_beside_the_one_that_was(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "Description,Zubstanz,Room,Quantity,Unit"
    posted(hub, header, *names(3))
    before = set(ledger_values(hub, LEDGER))
    assert "name acetone|B1" in before
    monkeypatch.setitem(STOCK.aliases, "zubstanz", "item_name")  # type: ignore[index]
    monkeypatch.setitem(FEEDS["inventory"].aliases, "zubstanz", "item_name")  # type: ignore[index]
    posted(hub, header, *names(4))
    assert set(ledger_values(hub, LEDGER)) == before
    posted(hub, header, *names(4, first="{name} of the lab"), name="new.csv")
    assert "name acetone for synthesis|B1" in ledger_values(hub, LEDGER), "of a first file it is the name"


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("Name,Description,Room,Quantity,Unit", names(4, named=0)),
        ("Name,item_name,Room,Quantity,Unit", names(4)),
    ],
    ids=["nothing is left in it", "a new one has its very name"],
)
def test_where_another_column_may_be_the_name_now_a_person_says_it(hub: Hub, header: str, rows: list[str]) -> None:
    posted(hub, "Name,Description,Room,Quantity,Unit", *names(3))
    before = set(ledger_values(hub, LEDGER))
    item = held(hub, header, *rows)
    assert item.cause == Cause.QUESTION
    assert "Which column tells what the item is?" in item.reason
    assert set(ledger_values(hub, LEDGER)) == before
    hub.answers.answer(item.request_id, [("q1", "column B")], actor="person/kim")
    assert isinstance(process(hub, item.request_id), Posting)
    assert "name acetone for synthesis|B1" in ledger_values(hub, LEDGER)
    assert_invariants(hub)


def test_a_column_that_a_migration_takes_apart_is_not_read_whole_in_the_next_file(hub: Hub) -> None:
    posted(hub, HEADER, "A-1,Buffer,B1,3,bottle")
    item = held(hub, "Item Code,Name,Kram,Quantity,Unit", "A-1,Buffer,B1 / left,4,bottle")
    where = SPLIT.replace("Packed", "Kram").replace("quantity_on_hand", "location").replace("Pack", "Side")
    in_force(hub, item, where.replace(" x ", " / "))
    assert isinstance(process(hub, item.request_id), Posting)
    posted(hub, "Item Code,Bezeichnung,Kram,Quantity,Unit", "A-1,Buffer,B1 / left,5,bottle")
    assert {key: one["quantity_on_hand"] for key, one in ledger_values(hub, LEDGER).items()} == {"A-1|B1": "5"}


def test_what_people_took_back_is_no_ones_word_any_more(hub: Hub) -> None:
    header = "Name,Description,Room,Quantity,Unit"
    source = hub.answers.set(SOURCE, "Description", "item_name", actor="person/kim").source
    posted(hub, header, *names(3))
    assert "name acetone for synthesis|B1" in ledger_values(hub, LEDGER)
    hub.answers.forget(source, "Description", actor="person/lee")
    posted(hub, header, *names(4))
    assert "name acetone|B1" in ledger_values(hub, LEDGER)
    # and from then on the newer file's word is kept
    posted(hub, header, *names(5, named=6))
    assert ledger_values(hub, LEDGER)["name acetone for synthesis|B1"]["quantity_on_hand"] == "3"


def test_a_list_that_lost_its_amounts_is_held(hub: Hub) -> None:
    posted(hub, HEADER, "A-1,Buffer,B1,3,bottle")
    assert held(hub, "Item Code,Name,Room", "A-1,Buffer,B1").cause == Cause.DRIFT


def test_a_missing_optional_column_that_may_have_another_name_is_held_since_its_values_would_grow_old(hub: Hub) -> None:
    posted(hub, HEADER + ",CAS", "A-1,Buffer,B1,3,bottle,67-64-1")
    item = held(hub, HEADER + ",Door", "A-1,Buffer,B1,3,bottle,left")
    assert (item.cause, submission(hub, item.request_id).counts.received) == (Cause.DRIFT, 0)
    assert ledger_values(hub, LEDGER)["A-1|B1"]["cas_number"] == "67-64-1"


@pytest.mark.usefixtures("lab")
def test_a_mended_file_posts_and_what_was_held_can_be_dismissed(hub: Hub) -> None:
    from hub_pipelines.review.model import ReasonCode

    item = held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L")
    posted(hub, HEADER, "A-1,Buffer,B1,9,bottle")
    hub.review.dismiss(item.item_id, actor="person/kim", reason=ReasonCode.REPLACED)
    assert_invariants(hub)


@pytest.mark.usefixtures("lab")
def test_a_held_file_that_is_replayed_undecided_is_held_again(hub: Hub) -> None:
    item = held(hub, PACKED, "A-1,Buffer,B1,9 x 1 L")
    hub.review.replay(item.item_id, actor="person/kim")
    assert process(hub, item.request_id) is State.IN_REVIEW
    again = item_of(hub, item.request_id)
    assert (again.revision, again.cause) == (2, Cause.DRIFT)
    assert detail_of(hub, item.request_id, "shape:drifted")["first_of_this_shape"] is False
    assert_invariants(hub)


def test_without_an_earlier_file_a_missing_column_is_unreadable_as_ever(hub: Hub) -> None:
    item = held(hub, "Item Code,Room,Quantity", "A-1,B1,9")
    assert (item.cause, item.error_type) == (Cause.UNREADABLE, "Unfit")
    assert "lacks a required column of a stock list: item_name" in item.reason
    assert "shape:drifted" not in events(hub, item.request_id)


def test_without_an_earlier_file_a_column_that_may_be_the_missing_one_is_asked_about(hub: Hub) -> None:
    item = held(hub, WHAT, "A-1,Buffer,B1,9 x 1 L")
    assert item.cause == Cause.QUESTION
    assert "Which column tells what the item is?" in item.reason


@pytest.mark.usefixtures("lab")
def test_a_column_that_is_there_twice_is_a_question_and_no_drift(hub: Hub) -> None:
    item = held(hub, HEADER + ",Qty", "A-1,Buffer,B1,9,bottle,9")
    assert item.cause == Cause.QUESTION
    with pytest.raises(UnknownColumns, match="was not held for its columns but is question"):
        hub.columns.show(item.item_id)


# ---- two at once


def test_two_first_files_with_other_columns_at_once_do_not_both_decide(hub: Hub) -> None:
    one = sent(hub, HEADER + ",Lot", "A-1,Buffer,B1,3,bottle,L1")
    other = sent(hub, HEADER + ",Supplier", "A-2,Agar,B1,5,bottle,Sigma")
    error = Permanent("The file was looked at.", "")
    hub.processing.fail(lease(hub, one), error, failure_of(error, None))
    second = lease_and_validate(hub, other, "other")
    hub.review.replay(item_of(hub, one).item_id, actor="person/kim")  # while the newer one is being worked on
    first = lease_and_validate(hub, one, "one")
    with hub.processing.attempt(first):
        hub.processing.post(first)
    with pytest.raises(AttemptFailed) as failed, hub.processing.attempt(second):
        hub.processing.post(second)
    assert failed.value.state is State.IN_REVIEW
    assert item_of(hub, other).cause == Cause.DRIFT
    assert journal_size(hub) == 1
    assert_invariants(hub)


def test_two_first_files_at_once_do_not_take_two_columns_for_the_name(hub: Hub) -> None:
    header = "Name,Description,Room,Quantity,Unit"
    gaps, whole = sent(hub, header, *names(3, named=6)), sent(hub, header, *names(4))
    error = Permanent("The file was looked at.", "")
    hub.processing.fail(lease(hub, gaps), error, failure_of(error, None))
    second = lease_and_validate(hub, whole, "whole")
    hub.review.replay(item_of(hub, gaps).item_id, actor="person/kim")  # while the newer one is being worked on
    first = lease_and_validate(hub, gaps, "gaps")
    for one in (first, second):
        with hub.processing.attempt(one):
            hub.processing.post(one)
    assert {one["quantity_on_hand"] for one in ledger_values(hub, LEDGER).values()} == {"4"}
    assert "name acetone for synthesis|B1" in ledger_values(hub, LEDGER)
    assert_invariants(hub)


@pytest.mark.usefixtures("lab")
def test_two_files_of_a_new_shape_at_once_are_both_held_and_the_first_is_the_alert(hub: Hub) -> None:
    one, other = sent(hub, PACKED, "A-1,Buffer,B1,9 x 1 L"), sent(hub, PACKED, "A-2,Agar,B1,7 x 1 L")
    leases = [hub.processing.begin(one, "one"), hub.processing.begin(other, "other")]
    assert len(leases) == 2
    assert [process(hub, one, owner="one"), process(hub, other, owner="other")] == [State.IN_REVIEW] * 2
    alerts = [detail_of(hub, request_id, "shape:drifted")["first_of_this_shape"] for request_id in (one, other)]
    assert alerts == [True, False]
    in_force(hub, item_of(hub, one), SPLIT, UNIT)
    process_all(hub)
    assert ledger_values(hub, LEDGER)["A-2|B1"]["quantity_on_hand"] == "7"
    assert_invariants(hub)


def test_rows_that_an_earlier_release_has_staged_are_judged_again(hub: Hub) -> None:
    request_id = sent(hub, HEADER, "A-1,Buffer,B1,3,bottle")
    lease = lease_and_validate(hub, request_id)
    summary, _ = read_staged(staged_path(hub.settings.staged, str(submission(hub, request_id).staged)))
    without = {name: summary[name] for name in ("record_type", "contract_version", "registry_version")}
    older = stage([], hub.processing.staged, without)
    with hub.db.write() as tx:
        leases.record_staged(tx, lease, staged=older.digest, rows_received=1, registry_version=None)
    assert hub.processing.post(lease).posted == 1
    assert len(known(hub)) == 1
