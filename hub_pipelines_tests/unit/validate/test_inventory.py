from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("item_code", None, None),
        ("location", " ", None),
        ("quantity_on_hand", None, None),
        ("unit", None, None),
        ("unit", "Assembly", "assembly"),
        ("physical_state", "powder", "solid"),
        ("concentration", "100 μg/mL", "100 μg/mL"),
    ],
)
def test_a_stock_value_is_taken_in_its_canonical_form(column: str, cell: Any, expected: str | None) -> None:
    assert STOCK.values(**{column: cell})[column] == expected


@pytest.mark.parametrize(
    ("column", "cell", "rule", "suggestion"),
    [
        ("item_name", None, "missing_value", "Write it"),
        ("physical_state", "puddle", "unknown_state", "Choose"),
        ("hazard_codes", "Flammable", "bad_hazard_code", None),
        ("hazard_codes", "H315 H319 H999", "bad_hazard_code", 'Correct "H999", or write H315 H319 without it'),
        ("received_on", "2/15/2024", "bad_date", "2024-02-15"),
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
        ("quantity_on_hand", "l2.O", "bad_quantity", "12.0, if the letters O and l stand for a digit"),
        ("quantity_on_hand", "one bottle", "bad_quantity", "Write the number here and its unit in the column unit"),
        ("quantity_on_hand", -1, "negative_quantity", "0 if nothing is left"),
        ("unit", "botles", "unknown_unit", "bottle"),
        ("unit", "tons", "unknown_unit", None),
        ("unit", "Und", "unknown_unit", "ea, if it counts single pieces"),
        ("unit", "Stk.", "unknown_unit", "ea, if it counts single pieces"),
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


NO_MARKS = {"lot_number": None}


def keys(*changes: dict[str, Any]) -> list[str]:
    found = STOCK.verdicts(*changes)
    assert all(isinstance(one, AcceptedRow) for one in found), found
    return [one.key for one in found if isinstance(one, AcceptedRow)]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (NO_MARKS, "A0334-25G|Room 1"),
        ({**NO_MARKS, "location": "Room 1 | shelf 2"}, "A0334-25G|Room 1 | shelf 2"),
        ({**NO_MARKS, "location": None}, "A0334-25G|"),
        ({}, "A0334-25G| lot L-1|Room 1"),
        ({"lot_number": "L|1"}, "A0334-25G| lot L/1|Room 1"),
        ({"item_code": None}, "cas 9012-36-6| lot L-1|Room 1"),
        ({"item_code": None, **NO_MARKS}, "cas 9012-36-6|Room 1"),
        ({"item_code": None, "cas_number": None, **NO_MARKS}, "name agarose|Room 1"),
        (
            {"item_code": None, "cas_number": None, **NO_MARKS, "item_name": "  AGAROSE | low\u00a0melt "},
            "name agarose / low melt|Room 1",
        ),
        ({"item_code": "cas 9012-36-6", **NO_MARKS}, "CAS 9012-36-6|Room 1"),
    ],
)
def test_a_line_is_known_by_its_code_or_its_cas_number_or_its_name_and_by_lot_and_place(
    changes: dict[str, Any], key: str
) -> None:
    assert keys(changes) == [key]


def test_lines_that_are_alike_are_separate_items() -> None:
    again = {"item_code": "a0334-25g", "location": " Room  1", "quantity_on_hand": "7"}
    assert keys({}, {"location": "Room 2"}, again, {"lot_number": "L-2"}, {}) == [
        "A0334-25G| lot L-1|Room 1",
        "A0334-25G| lot L-1|Room 2",
        "A0334-25G| no 2| lot L-1|Room 1",
        "A0334-25G| lot L-2|Room 1",
        "A0334-25G| no 3| lot L-1|Room 1",
    ]


def test_a_line_that_is_not_taken_does_not_count_among_those_alike() -> None:
    bad, good = STOCK.verdicts({"quantity_on_hand": "many", **NO_MARKS}, NO_MARKS)
    assert isinstance(bad, RejectedRow)
    assert isinstance(good, AcceptedRow)
    assert good.key == "A0334-25G|Room 1"


def test_a_place_that_is_written_like_a_mark_is_no_mark() -> None:
    marked = {**NO_MARKS, "location": None}
    found = keys(
        {**marked}, {**marked}, {**marked, "location": "no 2|"}, {**marked, "location": "lot L-1|"}, {"location": None}
    )
    assert len(set(found)) == len(found)


LINES = RECORD_TYPES["inventory.stock"].lines
assert LINES is not None
PARTS = st.sampled_from(["A", "CAS 1", "67-64-1", "NO 2", "LOT B"])
PLACES = st.sampled_from(["B", "no 2|B", "lot B|", "| no 2|", "lot B|B", "name a"]) | st.text(
    "AB|2 nolt", max_size=8
).map(lambda text: " ".join(text.split()))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "item_code": st.none() | PARTS,
                "cas_number": st.none() | st.sampled_from(["67-64-1", "64-17-5"]),
                "item_name": st.sampled_from(["a", "cas 67-64-1", "b"]),
                "location": st.none() | PLACES.filter(bool),
                "lot_number": st.none() | PARTS,
                "number": st.integers(1, 12),
            }
        ),
        min_size=2,
        max_size=8,
    )
)
def test_two_lines_have_one_key_only_if_all_that_tells_them_apart_is_equal(lines: list[dict[str, Any]]) -> None:
    assert LINES is not None
    made: dict[str, tuple[Any, ...]] = {}
    for line in lines:
        what = line["item_code"] or line["cas_number"] or line["item_name"]
        kind = "code" if line["item_code"] else "cas" if line["cas_number"] else "name"
        key = LINES.key_of(line, line["number"])
        meaning = (kind, what, line["location"] or "", line["lot_number"] or "", line["number"])
        assert made.setdefault(key, meaning) == meaning
        assert LINES.number_in(key) == line["number"]


def test_the_longest_key_fits_into_a_databases_index() -> None:
    wide = "\U0001f9ea" * 500
    (key,) = keys(
        {"item_code": None, "cas_number": None, "item_name": wide, "location": wide[:200], "lot_number": wide[:64]}
    )
    (other,) = keys({"item_code": None, "cas_number": None, "item_name": wide[:-1] + "x", "location": wide[:200]})
    assert len(key.encode()) < 2_000
    assert key.partition("|")[0] != other.partition("|")[0]


def test_blank_columns_of_a_later_contract_leave_a_row_as_the_first_contract_had_it() -> None:
    record = RECORD_TYPES["inventory.stock"]
    (first,) = record.former
    new = dict.fromkeys(record.added)
    assert set(STOCK.values(**new)) == set(first.columns)
    assert set(STOCK.values(**{**new, "owner": "AR"})) == {*first.columns, "owner"}


@pytest.mark.parametrize("name", ["inventory.asset", "inventory.stock"])
def test_the_first_contract_is_kept_and_what_it_took_is_taken_now(name: str) -> None:
    record = RECORD_TYPES[name]
    first = record.under(1)
    assert first is not None
    assert record.under(2) is record
    assert record.under(3) is None
    assert set(first.required) > set(record.required)
    assert {form: column for form, column in record.aliases.items() if form in first.aliases} == first.aliases


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(171900085939, "171900085939"), (171900085939.0, "171900085939"), (17160081894, "17160081894"), ("A-01", "A-01")],
)
def test_a_long_tag_in_a_number_cell_is_taken_while_excel_has_its_digits(cell: Any, expected: str) -> None:
    assert Rows("inventory.asset").values(asset_tag=cell)["asset_tag"] == expected


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        (0, "no_asset_tag"),
        ("000", "no_asset_tag"),
        (171900000000, "damaged_by_excel"),
        (1.719e11, "damaged_by_excel"),
        ("1.719E+11", "damaged_by_excel"),
        (171900085939.5, "damaged_by_excel"),
        (1719000859390001, "damaged_by_excel"),
        (-5, "damaged_by_excel"),
    ],
)
def test_a_tag_whose_digits_are_gone_is_not_taken(cell: Any, rule: str) -> None:
    assert Rows("inventory.asset").the_problem(asset_tag=cell).rule == rule


def test_a_register_of_property_needs_no_more_than_tags_and_what_has_them() -> None:
    record = RECORD_TYPES["inventory.asset"]
    blank = {column: None for column in record.columns if column not in record.required}
    assert Rows("inventory.asset").values(**blank)["item_name"] == "Acetone"


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
        ({"result": "pas"}, "unknown_result", "result", "Choose"),
        ({"result": "adjusetd"}, "unknown_result", "result", "adjusted"),
        ({"result": None}, "missing_value", "result", "Write it"),
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
