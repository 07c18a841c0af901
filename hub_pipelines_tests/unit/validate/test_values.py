import datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from hub_pipelines.validate.feeds import types
from hub_pipelines.validate.model import AcceptedRow, Cell, RejectedRow

from .builders import PROCUREMENT, problems, row, the_problem, values, verdicts

_ONE_OF_THEM = "Write the one that it belongs to"
OR_EMPTY = "Correct it. If it is not known, leave the cell empty"


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("asset_tag", " ab-1\u00a0", "AB-1"),
        ("asset_tag", "AB\u00a012", "AB12"),
        ("asset_tag", 12345.0, "12345"),
        ("asset_tag", 12345, "12345"),
        ("asset_tag", "22E1", "22E1"),
        ("asset_tag", True, "TRUE"),
        ("category", "Chemicals", "chemical"),
        ("category", "GLASSWARE", "glassware"),
        ("quantity", "12.500", "12.5"),
        ("quantity", 0.1 + 0.2, "0.3"),
        ("quantity", 1e-06, "0.000001"),
        ("quantity", "0.0", "0"),
        ("quantity", "100", "100"),
        ("quantity", "007", "7"),
        ("unit", "ml", "mL"),
        ("unit", "Litres", "L"),
        ("unit", "gm", "g"),
        ("unit", "KGS", "kg"),
        ("unit", "each", "ea"),
        ("unit", "bx", "box"),
        ("location", 101.0, "101"),
        ("responsible_email", "Ada@UNI.Edu", "Ada@uni.edu"),
        ("acquired_on", "2024/02/29", "2024-02-29"),
        ("acquired_on", "2024-02-29 00:00:00", "2024-02-29"),
        ("acquired_on", datetime.datetime(2024, 2, 29, 13, 5), "2024-02-29"),
        ("acquired_on", datetime.date(2024, 2, 29), "2024-02-29"),
        ("unit_cost", "$1,234.50", "1234.50"),
        ("unit_cost", "3", "3.00"),
        ("unit_cost", 19.990000000000002, "19.99"),
        ("cas_number", "CAS No. 67–64–1", "67-64-1"),
        ("cas_number", "67641", "67-64-1"),
        ("cas_number", 67641.0, "67-64-1"),
        ("cas_number", "0000067-64-1", "67-64-1"),
        ("cas_number", "n/a", None),
        ("cas_number", "-", None),
        ("cas_number", None, None),
        ("hazard_codes", "h225, H319;H225", "H225;H319"),
        ("hazard_codes", "H302 + H312 EUH066", "H302+H312;EUH066"),
        ("hazard_codes", "H360Fd", "H360Fd"),
        ("hazard_codes", "H225H319", "H225;H319"),
        ("hazard_codes", "H225 - H319", "H225;H319"),
        ("hazard_codes", "H225|H319 and EUH 066", "H225;H319;EUH066"),
        ("hazard_codes", "(H225)\nH303+H314", "H225;H303+H314"),
        ("hazard_codes", "H 225、H319", "H225;H319"),
        ("hazard_codes", "none", None),
        ("cas_number", "67\u00a0-64-1", "67-64-1"),
        ("cas_number", "67-64-1\u200b", "67-64-1"),
        ("unit", "мл", "mL"),
        ("unit", "cc", "mL"),
        ("unit", "公斤", "kg"),
    ],
)
def test_a_value_is_taken_in_its_canonical_form(column: str, cell: Cell, expected: str | None) -> None:
    assert values(**{column: cell})[column] == expected


@pytest.mark.parametrize(
    ("column", "cell", "rule", "suggestion"),
    [
        ("item_name", None, "missing_value", "Write it"),
        ("item_name", "\u00a0 ", "missing_value", "Write it"),
        ("asset_tag", "\u200b", "missing_value", "a stock list"),
        ("asset_tag", 171900000000.0, "damaged_by_excel", "Text"),
        ("asset_tag", "1.719E+11", "damaged_by_excel", "Text"),
        ("asset_tag", 11566.36, "damaged_by_excel", "Text"),
        ("asset_tag", datetime.date(2024, 1, 8), "damaged_by_excel", "Text"),
        ("asset_tag", "AB 12", "bad_asset_tag", "AB12"),
        ("asset_tag", "A\x07B", "bad_asset_tag", "AB"),
        ("asset_tag", "A" * 65, "bad_asset_tag", "Write one tag"),
        ("item_name", "x" * 501, "too_long", None),
        ("item_name", "a\x07b", "bad_text", "by hand"),
        ("category", "chemcial", "unknown_category", "chemical"),
        ("category", "zzz", "unknown_category", "Choose the one that fits best"),
        ("quantity", "500 mL", "bad_quantity", "Write 500 in quantity and mL in unit"),
        ("quantity", "500g", "bad_quantity", "Write 500 in quantity and g in unit"),
        ("quantity", "1,000", "bad_quantity", "1000 or 1.000"),
        ("quantity", "nan", "bad_quantity", None),
        ("quantity", float("inf"), "bad_quantity", None),
        ("quantity", "1e5", "bad_quantity", None),
        ("quantity", True, "bad_quantity", None),
        ("quantity", "1.1234567", "bad_quantity", "smaller unit"),
        ("quantity", "123456789012", "bad_quantity", None),
        ("quantity", -1.0, "negative_quantity", "Write what is on hand; 0 if nothing is left"),
        ("unit", "pcs", "unknown_unit", "ea"),
        ("unit", "mg", "unknown_unit", "correct the quantity too"),
        ("responsible_email", "Ada <ada@uni.edu>", "bad_email", "ada@uni.edu"),
        ("responsible_email", "ada", "bad_email", None),
        ("acquired_on", "2/15/2024", "bad_date", "2024-02-15"),
        ("acquired_on", "2/3/2024", "bad_date", "2024-02-03 or 2024-03-02"),
        ("acquired_on", "20240203", "bad_date", "2024-02-03"),
        ("acquired_on", "2019", "bad_date", "Write the day too"),
        ("acquired_on", "March 2021", "bad_date", "Write the day too"),
        ("acquired_on", "1850-01-01", "bad_date", None),
        ("acquired_on", 45000.0, "bad_date", None),
        ("unit_cost", "1,234", "bad_cost", "1234 or 1.234"),
        ("unit_cost", "-1", "bad_cost", None),
        ("unit_cost", "$642.1O", "bad_cost", "642.10, if the letter O stands for a digit"),
        ("unit_cost", "1.999", "bad_cost", None),
        ("unit_cost", "44.010000000000005", "bad_cost", "44.01"),
        ("unit_cost", "44.015000000000001", "bad_cost", None),
        ("quantity", "0.30000000000000004", "bad_quantity", "0.3"),
        ("unit_cost", 1.999, "bad_cost", None),
        ("unit_cost", "12345678901", "bad_cost", None),
        ("po_number", "x" * 41, "too_long", None),
        ("cas_number", "67-64-2", "cas_check_digit", "67-64-1"),
        ("cas_number", "130-130-617", "bad_cas", None),
        ("cas_number", "67-64-1, 7732-18-5", "bad_cas", "main one"),
        ("hazard_codes", "Danger", "bad_hazard_code", None),
        ("hazard_codes", "H225-H319", "bad_hazard_code", None),
        ("hazard_codes", "H225: flammable", "bad_hazard_code", "or write H225 without it"),
        ("cas_number", "#N/A", "error_cell", "formula"),
        ("quantity", "#REF!", "error_cell", "formula"),
    ],
)
def test_a_defect_is_named_by_its_rule(column: str, cell: Cell, rule: str, suggestion: str | None) -> None:
    found = the_problem(**{column: cell})
    assert (found.rule, found.column, found.severity) == (rule, column, "block")
    assert suggestion in (found.suggestion or "") if suggestion else found.suggestion in (None, OR_EMPTY)


def test_an_impossible_day_is_called_that() -> None:
    assert "no such day" in the_problem(acquired_on="2023-02-29").reason
    assert "no such day" in the_problem(acquired_on="13/13/2024").reason


def test_all_defects_of_a_row_are_reported_at_once() -> None:
    found = problems(item_name="", quantity="lots", unit="pcs")
    assert [each.rule for each in found] == ["missing_value", "bad_quantity", "unknown_unit"]


def test_braces_in_a_cell_do_not_break_the_message() -> None:
    assert "{x}" in the_problem(hazard_codes="{x}").reason


def test_a_long_value_is_cut_in_the_report() -> None:
    assert len(the_problem(item_name="x" * 900).value or "") == 200


def test_procurement_takes_a_known_campus_in_any_case_and_signed_amounts() -> None:
    order: dict[str, Cell] = {"asset_tag": "T1", "po_number": "P1", "campus": "south", "amount": "-5"}
    (verdict,) = verdicts([order], feed=PROCUREMENT)
    assert isinstance(verdict, AcceptedRow)
    assert verdict.values["campus"] == "South"
    assert verdict.values["amount"] == "-5.00"
    assert verdict.values["vendor"] is None


def test_procurement_refuses_an_unknown_campus_with_the_nearest() -> None:
    order: dict[str, Cell] = {"asset_tag": "T1", "po_number": "P1", "campus": "Soth", "amount": "x"}
    (verdict,) = verdicts([order], feed=PROCUREMENT)
    assert isinstance(verdict, RejectedRow)
    assert [(each.rule, each.suggestion) for each in verdict.problems] == [
        ("unknown_campus", "South"),
        ("bad_amount", OR_EMPTY),
    ]


@pytest.mark.parametrize(
    ("cell", "known", "suggestion"),
    [
        ("Soth", ["North", "South"], "South"),
        ("wset", ["East", "West"], "West"),
        ("Nnorth", ["North", "South"], "North"),
        ("Nordh", ["North", "South"], "North"),
        ("East", ["West", "North"], _ONE_OF_THEM),
        ("Northeast", ["Northwest"], _ONE_OF_THEM),
        ("north campus", ["South campus"], _ONE_OF_THEM),
        ("Campus 1", ["Campus 2", "Campus 12"], _ONE_OF_THEM),
        ("Hall C", ["Hall A"], _ONE_OF_THEM),
        ("Campus XVIII", ["Campus XVII"], _ONE_OF_THEM),
        ("SE", ["NE"], _ONE_OF_THEM),
        ("Campus 1a", ["Campus 1b"], _ONE_OF_THEM),
        ("Sector\u00bd", ["Sector\u2161"], _ONE_OF_THEM),
        ("Main Cmapus", ["Main Campus", "Harbour Campus"], "Main Campus"),
        ("Northfield", ["North"], _ONE_OF_THEM),
    ],
)
def test_a_campus_is_suggested_only_where_a_slip_of_the_pen_leads_to_it_alone(
    cell: str, known: list[str], suggestion: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(types.CampusName).validate_python(cell, context=types.campus_names(known))
    (found,) = refused.value.errors()
    assert found["type"] == "unknown_campus"
    assert found["ctx"]["suggestion"] == suggestion
    assert f"known are: {', '.join(sorted(known))}" in found["msg"]


def test_columns_outside_the_contract_are_kept_as_other() -> None:
    first, second = verdicts([row(Shelf="B", asset_tag="A"), row(Shelf=None, asset_tag="B")])
    assert isinstance(first, AcceptedRow)
    assert isinstance(second, AcceptedRow)
    assert first.values["other"] == {"Shelf": "B"}
    assert "other" not in second.values
