from typing import Any

import pytest

from hub_pipelines.validate.model import AcceptedRow, RejectedRow

from .builders import RECORD_TYPES, Rows

STOCK = Rows("inventory.stock")
CALIBRATIONS = Rows("inventory.calibration")


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("item_code", " a0334-25g ", "A0334-25G"),
        ("item_code", "1005-00-073-9421", "1005-00-073-9421"),
        ("item_code", 8192.0, "8192"),
        ("item_code", "Lot\u00a0 7", "LOT 7"),
        ("item_code", "A\u200b1", "A1"),
        ("location", "Room  1,\tshelf 2", "Room 1, shelf 2"),
        ("location", "Room 1 | shelf 2", "Room 1 | shelf 2"),
        ("quantity_on_hand", 0, "0"),
        ("unit", "PCS", "piece"),
        ("unit", "Each", "ea"),
        ("unit", "bottles", "bottle"),
        ("unit", "\u00b5L", "uL"),
        ("unit", "Fl. Oz.", "fl oz"),
        ("unit", "мл", "mL"),
        ("unit", "gallons", "gal"),
        ("lot_number", 12345.0, "12345"),
        ("cas_number", "n/a", None),
        ("reorder_level", None, None),
    ],
)
def test_a_stock_value_is_taken_in_its_canonical_form(column: str, cell: Any, expected: str | None) -> None:
    assert STOCK.values(**{column: cell})[column] == expected


@pytest.mark.parametrize(
    ("column", "cell", "rule", "suggestion"),
    [
        ("item_code", None, "missing_value", None),
        ("item_code", 11566.36, "damaged_by_excel", "Text"),
        ("item_code", "1.719E+11", "damaged_by_excel", "Text"),
        ("item_code", "8-Jan", "damaged_by_excel", "Text"),
        ("item_code", "Mar-04", "damaged_by_excel", "Text"),
        ("item_code", "A|B", "bad_item_code", "A-B"),
        ("item_code", "\u200b", "bad_item_code", "by hand"),
        ("item_code", "x" * 65, "bad_item_code", None),
        ("quantity_on_hand", "500g", "bad_quantity", "Write 500 in quantity and g in unit"),
        ("quantity_on_hand", "8-Jan", "damaged_by_excel", "If 1/8 was typed, write 0.125"),
        ("quantity_on_hand", "2-Mar", "damaged_by_excel", "type the number again"),
        ("quantity_on_hand", "Half", "bad_quantity", None),
        ("quantity_on_hand", -1, "negative_quantity", "0 if nothing is left"),
        ("unit", "botles", "unknown_unit", "bottle"),
        ("unit", "tons", "unknown_unit", None),
        ("unit", "zzzzzz", "unknown_unit", "Choose the one that fits"),
        ("reorder_level", "low", "bad_quantity", None),
        ("expires_on", "5/19/2026", "bad_date", "2026-05-19"),
        ("lot_number", "3.2E+12", "damaged_by_excel", "Text"),
    ],
)
def test_a_defect_of_a_stock_list_is_named_by_its_rule(
    column: str, cell: Any, rule: str, suggestion: str | None
) -> None:
    found = STOCK.the_problem(**{column: cell})
    assert (found.rule, found.column) == (rule, column)
    assert suggestion is None or suggestion in (found.suggestion or "")


def test_one_item_at_two_places_is_two_rows_and_twice_at_one_place_is_a_repeat() -> None:
    first, elsewhere, again = STOCK.verdicts(
        {}, {"location": "Room 2"}, {"item_code": "a0334-25g", "location": " Room  1"}
    )
    assert isinstance(first, AcceptedRow)
    assert isinstance(elsewhere, AcceptedRow)
    assert (first.key, elsewhere.key) == ("A0334-25G|Room 1", "A0334-25G|Room 2")
    assert isinstance(again, RejectedRow)
    assert again.problems[0].reason.startswith("Row 2 of this file already has this item code and location")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Passed", "pass"),
        ("In Tolerance", "pass"),
        ("OUT OF TOLERANCE", "fail"),
        ("Adjusted", "adjusted"),
        ("limited use", "limited"),
    ],
)
def test_a_calibrations_result_is_one_word(cell: str, expected: str) -> None:
    assert CALIBRATIONS.values(result=cell)["result"] == expected


def test_an_instruments_calibrations_are_told_apart_by_their_day() -> None:
    first, next_year, again = CALIBRATIONS.verdicts({}, {"calibrated_on": "2026-01-30"}, {"asset_tag": " tag-1"})
    assert isinstance(first, AcceptedRow)
    assert isinstance(next_year, AcceptedRow)
    assert first.key == "TAG-1|2025-01-31"
    assert isinstance(again, RejectedRow)


@pytest.mark.parametrize(
    ("changes", "rule", "column", "suggestion"),
    [
        ({"result": "overdue"}, "unknown_result", "result", "Choose"),
        ({"result": "pas"}, "unknown_result", "result", "pass"),
        ({"result": None}, "missing_value", "result", None),
        ({"asset_tag": "A|B"}, "bad_asset_tag", "asset_tag", "A-B"),
        ({"asset_tag": 171900085939.0}, "damaged_by_excel", "asset_tag", "Text"),
        ({"due_on": "2024-01-31"}, "dates_reversed", "due_on", "mistyped"),
        ({"due_on": "next year"}, "bad_date", "due_on", None),
    ],
)
def test_a_defect_of_a_calibration_is_named_by_its_rule(
    changes: dict[str, Any], rule: str, column: str, suggestion: str | None
) -> None:
    found = CALIBRATIONS.the_problem(**changes)
    assert (found.rule, found.column) == (rule, column)
    assert suggestion is None or suggestion in (found.suggestion or "")


def test_a_due_day_before_the_calibration_shows_both_days() -> None:
    found = CALIBRATIONS.the_problem(due_on="2024-01-31")
    assert found.value == "2024-01-31"
    assert found.reason == "This day lies before calibrated_on, which is 2025-01-31."


def test_a_day_is_not_compared_with_one_that_cannot_be_read() -> None:
    assert [found.column for found in CALIBRATIONS.problems(calibrated_on="soon", due_on="2024-01-31")] == [
        "calibrated_on"
    ]


def test_a_calibrations_tag_is_looked_up_with_procurement() -> None:
    assert RECORD_TYPES["inventory.calibration"].tag_column == "asset_tag"
    assert RECORD_TYPES["inventory.stock"].tag_column is None
