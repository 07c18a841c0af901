"""Stock lists of which no line has a number of its own: each line an item, each item once, on both databases."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.publishing import publish, touched
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.conftest import on_sqlite
from hub_pipelines_tests.stores.test_rebuilding import MONDAY, TUESDAY
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    inventory_csv,
    ledger_values,
    make_registry,
    on_day,
    process,
    send,
    submission,
)

STOCK = FEEDS["inventory"].record_type("inventory.stock")
ASSET = FEEDS["inventory"].record_type("inventory.asset")
LEDGER = "inventory.stock@north"
# in the shape of a federal register of property: no place, no number of a thing's own, most rows several times
PROPERTY = ("county", "nsn", "item_name", "quantity", "ui", "acquisition_cost")
SIGHT = ("ALLEN", "1240-01-411-1265", "SIGHT,REFLEX", "1", "Each", "328")
RIFLE = ("ALLEN", "1005-00-073-9421", "RIFLE,5.56 MILLIMETER", "1", "Each", "499")
OTHER_RIFLE = ("BARTON", "1005-00-073-9421", "RIFLE,5.56 MILLIMETER", "1", "Each", "499")
NAMELESS = ("BARTON", "", "Filing cabinet", "", "", "")


def post(hub: Hub, header: Sequence[str], *rows: Sequence[str], name: str = "stock.csv") -> Posting:
    """Commas within cells stay within them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    arrival = send(hub, name, text.getvalue().encode())
    assert arrival.request_id is not None
    posting = process(hub, arrival.request_id)
    assert isinstance(posting, Posting), submission(hub, arrival.request_id)
    return posting


def counts(posting: Posting) -> tuple[int, int, int]:
    return posting.posted, posting.unchanged, posting.rejected


def first_contract(hub: Hub) -> Hub:
    """The same hub as the release before had it."""
    feed = FEEDS["inventory"]
    former = tuple(one.former[0] if one.former else one for one in feed.record_types)
    judge = replace(hub.judge, feeds={**hub.judge.feeds, "inventory": replace(feed, record_types=former, foreign=())})
    return replace(hub, judge=judge, processing=replace(hub.processing, judge=judge))


# ---- lines that are alike


def test_rows_that_repeat_each_other_all_post_and_the_same_file_again_changes_nothing(hub: Hub) -> None:
    rows = [RIFLE, SIGHT, RIFLE, NAMELESS, RIFLE, NAMELESS]
    assert counts(post(hub, PROPERTY, *rows)) == (6, 0, 0)
    assert sorted(ledger_values(hub, LEDGER)) == [
        "1005-00-073-9421|",
        "1005-00-073-9421| no 2|",
        "1005-00-073-9421| no 3|",
        "1240-01-411-1265|",
        "name filing cabinet|",
        "name filing cabinet| no 2|",
    ]
    assert counts(post(hub, PROPERTY, *reversed(rows))) == (0, 6, 0)
    assert counts(post(hub, PROPERTY, *rows, RIFLE)) == (1, 6, 0)
    assert_invariants(hub)


def test_of_lines_that_are_alike_but_not_equal_each_is_in_the_ledger(hub: Hub) -> None:
    assert counts(post(hub, PROPERTY, RIFLE, OTHER_RIFLE, RIFLE)) == (3, 0, 0)
    counties = Counter(one["other"]["county"] for one in ledger_values(hub, LEDGER).values())
    assert counties == {"ALLEN": 2, "BARTON": 1}
    # in another order they change their numbers, and still each of them is there
    assert counts(post(hub, PROPERTY, OTHER_RIFLE, RIFLE, RIFLE)) == (2, 1, 0)
    assert Counter(one["other"]["county"] for one in ledger_values(hub, LEDGER).values()) == counties


def test_a_line_of_a_blank_quantity_posts_and_of_a_wrong_one_does_not(hub: Hub) -> None:
    found = post(hub, ("Chemical name", "CAS", "Quantity"), ("Acetone", "67-64-1", ""), ("Ethanol", "64-17-5", "some"))
    assert counts(found) == (1, 0, 1)
    assert ledger_values(hub, LEDGER)["cas 67-64-1|"]["quantity_on_hand"] is None


# ---- the contract's first version


V1 = ("Item Code", "Name", "Room", "Quantity", "Unit")


def test_a_list_that_posted_under_the_first_contract_is_unchanged_under_this_one(hub: Hub) -> None:
    rows = [("A-1", "Buffer", "B1", "3", "bottle"), ("A-2", "Agar", "B1", "5", "bottle")]
    assert counts(post(first_contract(hub), V1, *rows)) == (2, 0, 0)
    again = post(hub, V1, *rows, ("A-3", "Salt", "", "", ""))
    assert counts(again) == (1, 2, 0)
    assert sorted(ledger_values(hub, LEDGER)) == ["A-1|B1", "A-2|B1", "A-3|"]
    assert_invariants(hub)


def test_a_row_with_a_lot_that_posted_under_the_first_contract_becomes_an_item_of_its_lot(hub: Hub) -> None:
    row = ("A-1", "Buffer", "B1", "3", "bottle", "L1")
    post(first_contract(hub), (*V1, "Lot"), row)
    assert counts(post(hub, (*V1, "Lot"), row, ("A-2", "Agar", "B1", "5", "bottle", ""))) == (2, 0, 0)
    assert sorted(ledger_values(hub, LEDGER)) == ["A-1| lot L1|B1", "A-1|B1", "A-2|B1"]


def test_days_of_both_contracts_are_published_and_come_out_of_the_archive_the_same(hub: Hub) -> None:
    make_registry(on_day(hub, MONDAY), ["NC-0001", "NC-0002"])
    before = first_contract(on_day(hub, MONDAY))
    post(before, (*V1, "Lot"), ("A-1", "Buffer", "B1", "3", "bottle", "L1"), ("A-2", "Agar", "B1", "5", "bottle", ""))
    process(before, str(send(before, "lab.csv", inventory_csv([asset("NC-0001")])).request_id))
    now = on_day(hub, MONDAY)
    post(now, (*V1, "Lot"), ("A-1", "Buffer", "B1", "4", "bottle", "L1"), ("A-2", "Agar", "B1", "5", "bottle", ""))
    process(now, str(send(now, "lab.csv", inventory_csv([asset("NC-0002")])).request_id))
    post(on_day(hub, TUESDAY), PROPERTY, RIFLE, RIFLE, NAMELESS, name="property.csv")
    for record, day, postings, entries in ((STOCK, MONDAY, 2, 3), (ASSET, MONDAY, 2, 2), (STOCK, TUESDAY, 1, 3)):
        found = reproduce(hub, record, "north", day)
        assert (found.postings, found.entries, found.differences) == (postings, entries, ()), (record.name, day)
    outcomes = [one for place in touched(hub) for one in publish(hub, *place, actor="run/test", from_archive=True)]
    assert {(one.record_type, one.state, one.blocked) for one in outcomes} == {
        (name, "published", None) for name in ("inventory.stock", "inventory.asset", "procurement.asset")
    }
    assert all(one.reproduction is not None and one.reproduction.is_equal for one in outcomes)
    (key,) = {
        e.sentence.partition(":")[0]
        for o in outcomes
        for e in o.expected
        if o.record_type == "inventory.stock" and e.column == "key" and "made" in e.sentence
    }
    assert key == "The key is made of what tells one line from another"


# ---- what rows replace


def warnings(hub: Hub, request_id: str) -> list[tuple[int, str | None, str]]:
    page = hub.receipts.write(request_id)
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["warnings"]
    return [(one["row"], one["column"], one["reason"]) for one in told]


def test_two_lists_without_places_and_a_slip_of_the_unit_are_told_before_and_after(hub: Hub, tmp_path: Path) -> None:
    header = ("Name", "CAS", "Location", "Quantity", "Unit")
    post(hub, header, ("Acetone", "67-64-1", "", "500", "mL"), ("Ethanol", "64-17-5", "B1", "1", "L"), name="lab 1.csv")
    rows = [("Acetone", "67-64-1", "", "500", "L"), ("Ethanol", "64-17-5", "B1", "1000", "mL")]
    text = "\n".join(",".join(row) for row in (header, *rows)) + "\n"
    (tmp_path / "lab 2.csv").write_text(text, encoding="utf-8")

    found = hub.preview(tmp_path / "lab 2.csv", Scope("north", "inventory"), actor="tester").found
    posting = post(hub, header, *rows, name="lab 2.csv")

    assert found is not None
    told = warnings(hub, posting.request_id)
    told.sort(key=lambda one: one[2])
    assert {(one.row, one.column) for one in found.warnings} == {one[:2] for one in told}
    foreseen = [one.reason for one in found.warnings]
    assert all("would" in one for one in foreseen)
    assert not any("now" in one or "replaced" in one or "was taken" in one for one in foreseen)
    assert found.worth_a_look == posting.worth_a_look == 3
    slip, placeless, other = told
    assert (slip[0], slip[1]) == (2, "unit")
    assert "It was 500 mL (lab 1.csv, " in slip[2]
    assert "and now is 500 L: 1,000 times as much" in slip[2]
    assert (placeless[0], placeless[1]) == (0, "location")
    assert placeless[2].startswith("Row 2 is the same line as what lab 1.csv had set on ")
    assert (other[0], other[2][:37]) == (0, "Row 3 replaced what lab 1.csv had set")
    page = hub.receipts.write(posting.request_id).read_text(encoding="utf-8")
    assert "Look at what stands under “Worth a look” below." in page
    assert_invariants(hub)


STOCK_HEADER = ("Name", "CAS", "Location", "Quantity", "Unit", "Supplier", "Section")
TOLUENE = ("Toluene", "108-88-3", "Shelf 3", "500", "mL", "Sigma", "Solvents")
DMSO = ("DMSO", "67-68-5", "Shelf 3", "100", "mL", "Roth", "Solvents")
TIPS = ("Tips", "", "Shelf 4", "2", "box", "Roth", "Plastics")


def test_a_list_without_some_columns_keeps_what_its_items_had_in_them(hub: Hub, tmp_path: Path) -> None:
    on_monday = on_day(hub, MONDAY)
    post(on_monday, STOCK_HEADER, TOLUENE, DMSO, name="Harker.csv")
    fewer = (*TOLUENE[:3], "400", "mL"), DMSO[:5]
    text = "\n".join(",".join(row) for row in (STOCK_HEADER[:5], *fewer)) + "\n"
    (tmp_path / "partial.csv").write_text(text)

    found = hub.preview(tmp_path / "partial.csv", Scope("north", "inventory"), actor="tester").found
    posting = post(on_day(hub, TUESDAY), STOCK_HEADER[:5], *fewer, name="partial.csv")

    assert found is not None
    assert (found.changed, found.unchanged) == counts(posting)[:2] == (1, 1)
    (changed,) = found.changed_items
    assert [(one.column, one.old, one.new) for one in changed.cells] == [("quantity_on_hand", "500", "400")]
    assert "This list has no column supplier: 2 items would keep the values from Harker.csv." in {
        one.reason for one in found.warnings
    }
    told = {one[2] for one in warnings(hub, posting.request_id)}
    columns = ("supplier", "Section")
    assert {f"This list has no column {one}: 2 items keep the values from Harker.csv." for one in columns} < told
    held = ledger_values(hub, LEDGER)["cas 108-88-3|Shelf 3"]
    assert (held["quantity_on_hand"], held["supplier"], held["other"]) == ("400", "Sigma", {"Section": "Solvents"})
    for day in (MONDAY, TUESDAY):
        assert reproduce(hub, STOCK, "north", day).differences == ()
    assert_invariants(hub)


@on_sqlite
def test_a_receipt_shows_what_changed_in_the_files_own_words_and_only_the_first_of_many(hub: Hub) -> None:
    header = ("Chemical Name", "CAS", "Location", "Qty", "Unit", "Bench")
    many = [(f"Kit {number}", "", "Shelf 5", "1", "box", "") for number in range(60)]
    post(hub, header, ("Toluene", "108-88-3", "Shelf 3", "500", "mL", "a"), *many, name="Harker.csv")
    kits = [(*row[:3], "2", *row[4:]) for row in many]
    posting = post(
        hub, header, ("Toluene", "108-88-3", "Shelf 3", "400", "mL", ""), *kits, ("DMSO", "", "", "", "", ""),
        name="Harker.csv",
    )  # fmt: skip

    page = hub.receipts.write(posting.request_id)
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["changed"]
    assert len(told) == 50
    assert (told[0]["row"], told[0]["item"]["name"]) == (2, "Toluene")
    cells = [(one["heading"], one["old"], one["new"]) for one in told[0]["cells"]]
    assert cells == [("Qty", "500", "400"), ("Bench", "a", None)]
    text = page.read_text(encoding="utf-8")
    assert "<h2>What changed</h2>" in text
    assert "This page shows the first 50 of 61 changed items." in text
    first = post(hub, header, ("New thing", "", "Shelf 9", "1", "box", ""), name="other.csv")
    assert "<h2>What changed</h2>" not in hub.receipts.write(first.request_id).read_text(encoding="utf-8")


def test_an_empty_cell_in_a_column_that_is_there_removes_the_value(hub: Hub) -> None:
    post(hub, STOCK_HEADER, TOLUENE, name="Harker.csv")
    post(hub, STOCK_HEADER, (*TOLUENE[:5], "", ""), name="Harker.csv")
    held = ledger_values(hub, LEDGER)["cas 108-88-3|Shelf 3"]
    assert held["supplier"] is None
    assert "other" not in held


def test_a_posting_from_before_values_were_kept_comes_out_of_the_archive_as_it_was(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(on_day(hub, MONDAY), STOCK_HEADER, TOLUENE, name="Harker.csv")
    with monkeypatch.context() as before:
        before.setattr("hub_pipelines.preparing.said_of", lambda _: None)
        post(on_day(hub, TUESDAY), STOCK_HEADER[:5], TOLUENE[:5], name="partial.csv")
    assert ledger_values(hub, LEDGER)["cas 108-88-3|Shelf 3"]["supplier"] is None
    assert reproduce(hub, STOCK, "north", TUESDAY).differences == ()


def test_a_bottle_that_was_moved_within_a_list_under_its_next_name_is_told_and_the_index_says_look(hub: Hub) -> None:
    post(hub, STOCK_HEADER, TOLUENE, DMSO, TIPS, name="Harker.csv")
    there = (*DMSO[:2], "Room 214C", *DMSO[3:])
    posting = post(hub, STOCK_HEADER, there, (*TOLUENE[:3], "400", *TOLUENE[4:]), TIPS, name="Harker v4.csv")

    assert (posting.posted, posting.new, posting.worth_a_look) == (2, 1, 1)
    (_left, (row, _, reason)) = warnings(hub, posting.request_id)
    assert (row, reason[:47]) == (2, "The same thing is also listed at Shelf 3 (Harke")
    (line, first) = hub.receipts.index.gather("north").feeds[0].lines
    assert (line.needs_attention, line.counts.new, line.counts.changed) == (True, 1, 1)
    assert (first.needs_attention, first.counts.new) == (False, 3)
    page = hub.receipts.write(posting.request_id).read_text(encoding="utf-8")
    assert "All 3 rows are in: 2 were taken now, 1 was already up to date, worth a look" in page
    assert "You are done" not in page
    assert_invariants(hub)


def test_a_thing_that_a_file_lists_at_both_places_itself_is_no_news(hub: Hub) -> None:
    post(hub, STOCK_HEADER, TOLUENE, DMSO, name="Harker.csv")
    there = (*DMSO[:2], "Room 214C", *DMSO[3:])
    posting = post(hub, STOCK_HEADER, TOLUENE, DMSO, there, name="Harker v4.csv")
    assert (posting.new, posting.worth_a_look) == (1, 0)
    assert warnings(hub, posting.request_id) == []


@on_sqlite
def test_the_same_row_twice_in_a_ledgers_first_list_is_told_before_and_after(hub: Hub, tmp_path: Path) -> None:
    rows = "\n".join(",".join(one) for one in (STOCK_HEADER, TIPS, DMSO, TIPS)) + "\n"
    (tmp_path / "Harker.csv").write_text(rows)
    found = hub.preview(tmp_path / "Harker.csv", Scope("north", "inventory"), actor="tester").found
    assert found is not None
    assert [one.reason for one in found.warnings] == [
        "Rows are alike in every cell: rows 2 and 4. Each would be taken as an item of its own."
    ]
    posting = post(hub, STOCK_HEADER, TIPS, DMSO, TIPS, name="Harker.csv")
    assert (posting.new, posting.worth_a_look) == (3, 0)
    assert [one[2] for one in warnings(hub, posting.request_id)] == [
        "Rows are alike in every cell: rows 2 and 4. Each was taken as an item of its own."
    ]


def test_a_posting_from_before_new_items_were_counted_tells_nothing_of_them(hub: Hub) -> None:
    document = post(hub, STOCK_HEADER, TOLUENE).document()
    del document["new"]
    old = Posting.from_document(document)
    assert old.new is None
    assert old.document() == document


def test_an_item_of_which_only_its_code_and_nothing_is_left_is_counted_and_its_sender_told_what_it_lacks(
    hub: Hub,
) -> None:
    header = ("Item Code", "Name", "Room", "Quantity", "Unit")
    post(hub, header, *((str(code), f"Buffer {code}", "B1", "3", "bottle") for code in range(100, 106)))
    left = post(
        hub, header, ("100", "Buffer 100", "B1", "2", "bottle"), ("101", "", "", "0", ""), ("102", "", "", "0", "")
    )
    assert counts(left) == (1, 0, 2)
    assert submission(hub, left.request_id).counts.received == 3
    assert_invariants(hub)
