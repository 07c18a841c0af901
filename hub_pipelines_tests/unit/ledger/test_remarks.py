"""What is to be looked at when a row takes the place of what the ledger held."""

import json
from datetime import date

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.ledger.comparing.keeping import columns_said
from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.model import Earlier
from hub_pipelines.ledger.comparing.remarks import MOST_NEW_LINES, WORTH_A_LOOK, Remarks, comparing_of
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Problem, sent_name

STOCK = FEEDS["inventory"].record_type("inventory.stock")
ASSET = FEEDS["inventory"].record_type("inventory.asset")
DAY = date(2026, 11, 3)


def line(quantity: str | None = "5", unit: str | None = "g", location: str | None = "101") -> str:
    return canonical_text({"item_name": "Acetone", "location": location, "quantity_on_hand": quantity, "unit": unit})


def remarked(before: str, after: str, *, by: str = "stock.csv") -> list[Problem]:
    remarks = Remarks(comparing_of(STOCK, "stock.csv"))
    return [*remarks.add(2, after, Earlier(before, "x", by, DAY)), *remarks.of_lists()]


# ---- amounts


@pytest.mark.parametrize(
    ("before", "after", "rule", "told"),
    [
        (("500", "mL"), ("500", "L"), "unit_changed", "500 mL (stock.csv, 2026-11-03), and now is 500 L: 1,000 times"),
        (("1", "L"), ("1", "mL"), "unit_changed", "1,000 times less"),
        (("5", "g"), ("5", "mL"), "unit_changed", "the unit is another one"),
        (("5", "box"), ("5", "ea"), "unit_changed", "the unit is another one"),
        (("5", "g"), ("5", None), "unit_changed", "and now is 5 without a unit"),
        (("1", "kg"), ("900", "g"), "unit_changed", "another amount in another unit"),
        (("5", "g"), ("500", "g"), "quantity_jumped", "100 times as much"),
        (("2.5", "L"), ("0.025", "L"), "quantity_jumped", "100 times less"),
    ],
)  # fmt: skip
def test_an_amount_that_jumps_or_changes_its_unit_is_remarked_with_both(
    before: tuple[str, str], after: tuple[str, str | None], rule: str, told: str
) -> None:
    (found,) = remarked(line(*before), line(*after))
    assert (found.rule, found.severity) == (rule, "warn")
    assert told in found.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("1", "L"), ("1000", "mL")),
        (("1", "gal"), ("3.785", "L")),
        (("5", "g"), ("499", "g")),
        (("5", "g"), ("0", "g")),
        (("500", "mL"), ("0", None)),
        (("0", "g"), ("500", "g")),
        ((None, None), ("500", "g")),
        (("5", "g"), (None, None)),
        (("5", None), ("5", "mL")),
        (("5", "g"), ("5", "g")),
    ],
)
def test_an_equal_amount_in_another_unit_and_a_usual_change_are_not_remarked(
    before: tuple[str | None, str | None], after: tuple[str | None, str | None]
) -> None:
    assert remarked(line(*before), line(*after)) == []


def test_a_preview_says_what_would_be_and_claims_nothing_that_has_happened() -> None:
    remarks = Remarks(comparing_of(STOCK, "stock.csv", is_preview=True))
    (jump,) = remarks.add(2, line("500"), Earlier(line(), "x", "lab 2.csv", DAY))
    assert "It is 5 g (lab 2.csv, 2026-11-03), and would be 500 g" in jump.reason
    assert jump.reason.endswith("The row would be taken as it is.")
    remarks.add(3, line("6", location=None), Earlier(line(location=None), "x", "lab 2.csv", DAY))
    told = [one.reason for one in remarks.of_lists()]
    assert told[0] == "Row 2 would replace what lab 2.csv had set on 2026-11-03."
    assert told[1].endswith("The ledger would then say what this file says.")


# ---- columns that the file does not have


def with_supplier(supplier: str | None, **other: str) -> str:
    kept = {"other": other} if other else {}
    return canonical_text({**json.loads(line()), "supplier": supplier, **kept})


def kept(remarks: Remarks) -> dict[str | None, str]:
    return {one.column: one.reason for one in remarks.of_lists() if one.rule == "column_kept"}


def test_what_an_item_has_in_a_column_that_the_file_lacks_stays_and_is_told_once_with_how_many() -> None:
    said = columns_said(["Name", "Location", "Quantity", "Unit"], STOCK)
    remarks = Remarks(comparing_of(STOCK, "stock.csv", said=said))
    before = with_supplier("Merck", Section="Solvents", **{"quantity_on_hand as sent": "5,0", "supplier as sent": "M."})
    for quantity in ("6", "7"):
        after = canonical_text({**json.loads(line(quantity)), "supplier": None, "other": {"Shelf": "2"}})
        whole = json.loads(remarks.completed(after, Earlier(before, "x", "stock.csv", DAY)))
        assert (whole["supplier"], whole["quantity_on_hand"]) == ("Merck", quantity)
        assert whole["other"] == {"Shelf": "2", "Section": "Solvents", "supplier as sent": "M."}
    assert kept(remarks) == {
        "supplier": "This list has no column supplier: 2 items keep the values from stock.csv.",
        "Section": "This list has no column Section: 2 items keep the values from stock.csv.",
    }
    assert "column_kept" not in WORTH_A_LOOK


def test_a_cell_that_was_emptied_in_a_column_that_the_file_has_is_the_senders_own() -> None:
    said = columns_said(["Name", "Location", "Quantity", "Unit", "Vendor", " SECTION "], STOCK)
    remarks = Remarks(comparing_of(STOCK, "stock.csv", said=said))
    held = Earlier(with_supplier("Merck", Section="Solvents"), "x", "stock.csv", DAY)
    assert remarks.completed(with_supplier(None), held) == with_supplier(None)
    whole = Remarks(comparing_of(STOCK, "stock.csv"))
    assert whole.completed(with_supplier(None), held) == with_supplier(None)
    assert kept(remarks) == kept(whole) == {}


def test_items_with_numbers_of_their_own_keep_what_a_list_says_nothing_about_too() -> None:
    remarks = Remarks(comparing_of(ASSET, "moves.csv", said=columns_said(["asset_tag", "Name", "Location"], ASSET)))
    before, after = (
        {"asset_tag": "N-1", "location": one, "manufacturer": two} for one, two in (("A", "X"), ("B", None))
    )
    assert remarks.is_wanted(canonical_text(after), changed=True)
    whole = remarks.completed(canonical_text(after), Earlier(canonical_text(before), "x", "all.csv", DAY))
    assert json.loads(whole) == {"asset_tag": "N-1", "location": "B", "manufacturer": "X"}


# ---- the same thing at another place


def elsewhere(by: str, quantity: str = "5", name: str = "stock v2.csv") -> list[tuple[int, Problem]]:
    """Acetone is new in 101, in row 2 of a file, and a list has it in 102."""
    remarks = Remarks(comparing_of(STOCK, name))
    remarks.add_new([(2, "name acetone|101")])
    assert remarks.things() == {"name acetone|"}
    return remarks.elsewhere({"name acetone|102": Earlier(line(quantity, location="102"), "x", by, DAY)})


def test_a_new_line_whose_thing_the_same_list_has_at_another_place_is_worth_a_look() -> None:
    ((row_no, told),) = elsewhere("stock.csv")
    assert (row_no, told.rule in WORTH_A_LOOK) == (2, True)
    assert told.reason.startswith("The same thing is also listed at 102 (stock.csv, 2026-11-03).")


def test_that_another_list_has_the_thing_too_is_told_once_and_needs_nobody() -> None:
    ((row_no, told),) = elsewhere("lab 2.csv")
    assert (row_no, told.suggestion, told.rule in WORTH_A_LOOK) == (0, None, False)
    assert told.reason == "1 new line is also in other lists, at other places: row 2 at 102 (lab 2.csv, 2026-11-03)."


def test_a_line_that_is_used_up_is_at_no_other_place() -> None:
    assert elsewhere("stock.csv", "0") == []


def test_of_very_many_new_lines_the_other_places_are_not_looked_for_and_that_is_said() -> None:
    remarks = Remarks(comparing_of(STOCK, "stock.csv"))
    remarks.add_new((at, f"name {at}|101") for at in range(10 * MOST_NEW_LINES))
    assert len(remarks.new) == MOST_NEW_LINES + 1
    assert remarks.things() == set()
    ((_, told),) = remarks.elsewhere({})
    assert told.reason.startswith("More than 2,000 lines are new")


# ---- rows that are alike


def test_rows_that_are_alike_in_every_cell_are_told_and_those_that_differ_in_one_are_not() -> None:
    remarks = Remarks(comparing_of(STOCK, "stock.csv"))
    first, second = STOCK.key_of(json.loads(line())), STOCK.key_of(json.loads(line()), 2)
    remarks.add_twins([(2, first, line()), (3, second, line("6")), (23, STOCK.key_of(json.loads(line()), 3), line())])
    assert list(remarks.twins) == [first]
    remarks.add_first(2, first, hash(line()))
    (told,) = remarks.of_lists()
    assert told.reason == "Rows are alike in every cell: rows 2 and 23. Each was taken as an item of its own."


# ---- two lists


def test_lines_without_a_place_that_two_lists_share_are_told_even_when_they_say_the_same() -> None:
    (same,) = remarked(line(location=None), line(location=None), by="lab 2.csv")
    assert "neither list says where the items are" in same.reason
    assert same.reason.endswith("All of them say the same in both.")
    (other,) = remarked(line(location=None), line("6", location=None), by="lab 2.csv")
    assert "Row 2 is the same line as what lab 2.csv had set on 2026-11-03" in other.reason
    assert other.reason.endswith("The ledger says now what this file says.")


def test_a_line_with_a_place_that_another_list_had_set_otherwise_is_told_once_for_each_list() -> None:
    remarks = Remarks(comparing_of(STOCK, "stock.csv"))
    for row_no in range(2, 15):
        assert remarks.add(row_no, line("6"), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    assert remarks.add(15, line(), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    (told,) = remarks.of_lists()
    assert told.reason == (
        "13 rows (2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more) replaced what lab 2.csv had set on 2026-11-03."
    )


@pytest.mark.parametrize(
    "name",
    ["stock_2026-10.csv", "STOCK (1).xlsx", "stock.csv--abcdefgh.xlsx", "Stock partial.csv", "stock count 2026-12.csv"],
)
def test_the_same_list_under_its_next_name_is_not_told(name: str) -> None:
    assert remarked(line(location=None), line("6", location=None), by=name) == []


def test_a_complete_count_is_right_about_its_places_whosever_list_they_are_on() -> None:
    remarks = Remarks(comparing_of(STOCK, "R122.csv", is_count=True))
    remarks.add(2, line("6"), Earlier(line(), "x", "lab 2.csv", DAY))
    assert remarks.of_lists() == []


def test_what_this_file_corrects_is_its_own_and_items_with_numbers_are_everybodys() -> None:
    family = Remarks(comparing_of(STOCK, "stock.csv", frozenset({"x"})))
    assert family.add(2, line("6"), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    assets = Remarks(comparing_of(ASSET, "moves.csv"))
    assert assets.add(2, line("6"), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    assert family.of_lists() == assets.of_lists() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("stock_2026-11.xlsx", "Stock 2026-12 (1).csv", True),
        ("20261130 chem.xlsx", "Chem_Nov.xlsx", True),
        ("chem-dec 2026 v2 final.xlsx", "chem.csv", True),
        ("stock_30.11.2026.csv", "stock 31 Dec 2026.csv", True),
        ("Lab 101.xlsx", "Lab 102.xlsx", False),
        ("Lab 11 2026.xlsx", "Lab 12 2026.xlsx", False),
        ("chem.csv", "chemicals.csv", False),
        ("march.csv", "newton.csv", False),
    ],
)
def test_days_and_versions_in_a_files_name_tell_no_other_list_and_any_other_number_does(
    one: str, other: str, same: bool
) -> None:
    assert (list_key(one) == list_key(other)) is same


# ---- columns that nobody reads


def unread(header: list[str], cells: list[str], name: str = "Seen") -> list[Problem]:
    remarks = Remarks(comparing_of(ASSET, "tools.csv", said=columns_said([*header, name], ASSET)))
    remarks.add_posted(
        (at, canonical_text({"asset_tag": f"N-{at}", "other": {name: cell}})) for at, cell in enumerate(cells)
    )
    return [one for one in remarks.of_lists() if one.rule == "days_unread"]


def test_a_column_of_days_that_was_taken_for_none_is_told_where_the_list_lacks_such_a_column() -> None:
    days = ["14.03.2015", "02.11.2011", "31.02.2020", "9 July 2018"]
    (found,) = unread(["asset_tag"], days)
    assert (found.column, found.severity, found.rule in WORTH_A_LOOK) == ("Seen", "warn", False)
    assert "“acquired on”" in str(found.suggestion)
    assert unread(["asset_tag", "acquired_on"], days) == unread([], ["Lathe"] * 4) == []
    assert unread(["asset_tag"], days[:2]) == []
    assert unread(["asset_tag"], ["12", "13", "14", "15", *days]) == []
    assert len(unread(["asset_tag"], days * 100)) == 1
    assert unread(["asset_tag"], days, sent_name("calibrated_on")) == [], "it was sent in a column that is read"


# ---- rows in columns

CONTAINER = FEEDS["hazmat"].record_type("hazmat.container")
_CELLS = st.sampled_from([
    *(None, "", "2026-11-03", "2026-11-04", "2026-1", "é", "9", "2031-10-01", "2026-11-03T09:00"),
    *("2026-08-04", "2026-08-05", "2026-05-06", "2026-05-07", "2020-01-01"),
])  # fmt: skip
_OF_WASTE = st.sampled_from([{}, {"waste_codes": "D001"}, {"waste_codes": "D001", "generator_category": "LQG"}])


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(_CELLS, _CELLS), max_size=6), st.integers(0, 2), _OF_WASTE)
def test_what_is_said_of_rows_in_columns_is_what_is_said_of_them_one_by_one(
    cells: list[tuple[str | None, str | None]], skipped: int, waste: dict[str, str]
) -> None:
    for record in (ASSET, CONTAINER):
        names = [record.lacking.column if record.lacking else "condition", *record.gone_by][:2]
        rows = [
            (row_no, canonical_text({**dict(zip(names, pair, strict=False)), **waste, "other": {"Seen": pair[0]}}))
            for row_no, pair in enumerate(cells, 2)
        ]
        said = columns_said(["Seen"], record)
        one_by_one, at_once = (Remarks(comparing_of(record, "list.csv", said=said, came_on=DAY)) for _ in range(2))
        one_by_one.add_posted(rows[skipped:])
        columns = (
            pyarrow.array([row[at] for row in rows], kind) for at, kind in enumerate((pyarrow.int64(), "string"))
        )
        at_once.add_posted_columns(*(one[skipped:] for one in columns))
        assert at_once.of_lists() == one_by_one.of_lists()
