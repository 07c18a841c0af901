from typing import Any

import pytest

from hub_pipelines.validate.model import AcceptedRow, RejectedRow

from .builders import Rows

CONTAINERS = Rows("hazmat.container")
EVENTS = Rows("hazmat.event")


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("container_id", " w-0001 ", "W-0001"),
        ("container_id", 12345.0, "12345"),
        ("container_id", "Drum 12", "DRUM 12"),
        ("unit", "lbs", "lb"),
        ("unit", "Gallons", "gal"),
        ("unit", "oz", "oz"),
        ("cas_numbers", "67-64-1", "67-64-1"),
        ("cas_numbers", "67641; 0064-17-5, 67-64-1", "67-64-1;64-17-5"),
        ("cas_numbers", "CAS# 67-64-1 and CAS 7732-18-5", "67-64-1;7732-18-5"),
        ("cas_numbers", "67\u201364\u20131", "67-64-1"),
        ("cas_numbers", "Mixture", None),
        ("waste_codes", "d001, F003;D001 U002", "D001;F003;U002"),
        ("waste_codes", "U133 ", "U133"),
        ("waste_codes", "LABP", "LABP"),
        ("waste_codes", "pharms", "PHARMS"),
        ("waste_codes", "F039", "F039"),
        ("waste_codes", "none", None),
        ("state_waste_codes", "wt02 / AK3669", "WT02;AK3669"),
        ("state_waste_codes", 352.0, "352"),
        ("epa_id", "ny d00 0000 000", "NYD000000000"),
        ("un_number", "un 1090", "UN1090"),
        ("un_number", "NA-1993", "NA1993"),
        ("un_number", "noid", "NOID"),
        ("un_number", "ID8000", "ID8000"),
        ("hazard_codes", "H314,H314,h302 + H312", "H314;H302+H312"),
        ("hazard_class", 3.0, "3"),
        ("hazard_class", 6.1, "6.1"),
        ("hazard_class", "Class 8", "8"),
        ("hazard_class", "Flammable liquid", "3"),
        ("hazard_class", "1.4s", "1.4S"),
        ("hazard_class", "combustible liquid", "Comb liq"),
        ("packing_group", "PG II", "II"),
        ("packing_group", 3.0, "III"),
        ("packing_group", "n/a", None),
        ("generator_category", "small quantity generator", "SQG"),
        ("physical_state", "Powder", "solid"),
        ("status", "awaiting pick-up", "awaiting pick-up"),
    ],
)
def test_a_container_value_is_taken_in_its_canonical_form(column: str, cell: Any, expected: str | None) -> None:
    assert CONTAINERS.values(**{column: cell})[column] == expected


@pytest.mark.parametrize(
    ("column", "cell", "rule", "suggestion"),
    [
        ("container_id", None, "missing_value", "Write it"),
        ("container_id", "W|1", "bad_container_id", "W-1"),
        ("container_id", 171900085939.0, "damaged_by_excel", "Text"),
        ("quantity", "957 mL", "bad_quantity", "Write 957 in quantity and mL in unit"),
        ("unit", "bottle", "unknown_unit", "correct the quantity too"),
        ("cas_numbers", "67-64-2", "cas_check_digit", "67-64-1"),
        ("cas_numbers", "Acetone (67-64-1) 50%, ethanol (64-17-5)", "bad_cas", "67-64-1; 64-17-5"),
        ("cas_numbers", "130-130-617", "bad_cas", None),
        ("cas_numbers", "A9539-10G", "bad_cas", None),
        ("waste_codes", "D044", "unknown_waste_code", "40 CFR 261.24"),
        ("waste_codes", "D000", "unknown_waste_code", None),
        ("waste_codes", "F013", "unknown_waste_code", "40 CFR 261.31"),
        ("waste_codes", "U412", "unknown_waste_code", "40 CFR 261.33"),
        ("waste_codes", "D1", "bad_waste_code", "D001"),
        ("waste_codes", "D002 D0O1", "bad_waste_code", "D001, if the letter O stands for a digit"),
        ("waste_codes", "WT02", "bad_waste_code", "state_waste_codes"),
        ("state_waste_codes", "TOO-LONG-CODE", "bad_waste_code", None),
        ("epa_id", "NYD0000", "bad_epa_id", "This one has 7 characters"),
        ("epa_id", "VSQG", "bad_epa_id", "VSQG in generator_category"),
        ("un_number", 1090.0, "bad_un_number", "UN1090, or NA1090"),
        ("un_number", "UN10900", "bad_un_number", None),
        ("hazard_class", "Flammable", "bad_hazard_class", "3 (liquid), 2.1 (gas) or 4.1 (solid)"),
        ("hazard_class", "3 (6.1)", "bad_hazard_class", "3"),
        ("hazard_class", "10", "bad_hazard_class", None),
        ("hazard_class", "12", "bad_hazard_class", "Write the DOT class"),
        ("hazard_class", "1.2", "bad_hazard_class", "Write the DOT class"),
        ("hazard_class", "corosive", "bad_hazard_class", "8"),
        ("hazard_class", "non toxic", "bad_hazard_class", "Write the DOT class"),
        ("packing_group", "IV", "bad_packing_group", "Correct it"),
        ("generator_category", "huge", "unknown_generator_category", None),
        ("physical_state", "squishy", "unknown_state", "Choose"),
        ("hazard_codes", "H999", "bad_hazard_code", None),
        ("disposed_on", "2024-01-01", "dates_reversed", "mistyped"),
    ],
)
def test_a_defect_of_a_container_is_named_by_its_rule(
    column: str, cell: Any, rule: str, suggestion: str | None
) -> None:
    found = CONTAINERS.the_problem(**{column: cell})
    assert (found.rule, found.column) == (rule, column)
    assert suggestion is None or suggestion in (found.suggestion or "")


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ("D002 D0O1", "D001, if the letter O stands for a digit"),
        ("D002 F0O3", "F003, if the letter O stands for a digit"),
        ("D002 WT02", "A state's own code belongs in state_waste_codes"),
    ],
)
def test_a_cell_with_one_wrong_waste_code_is_not_to_be_emptied(codes: str, told: str) -> None:
    assert CONTAINERS.the_problem(waste_codes=codes).suggestion == told


@pytest.mark.parametrize("epa_id", ["VSQG", "cesqg", "NCCESQG"])
def test_only_a_very_small_generator_may_be_without_an_epa_id(epa_id: str) -> None:
    assert CONTAINERS.values(epa_id=epa_id, generator_category="VSQG")["epa_id"] == epa_id.upper()
    assert CONTAINERS.the_problem(epa_id=epa_id, generator_category=None).column == "epa_id"
    assert CONTAINERS.the_problem(epa_id=epa_id, generator_category=Rows.LEFT_OUT).column == "epa_id"


def test_an_event_is_told_by_its_container_and_number() -> None:
    first, second, again = EVENTS.verdicts({}, {"event_seq": 2.0}, {"container_id": "w-1", "event_seq": "01"})
    assert isinstance(first, AcceptedRow)
    assert isinstance(second, AcceptedRow)
    assert (first.key, second.key) == ("W-1|1", "W-1|2")
    assert isinstance(again, RejectedRow)
    assert "container id and event seq" in again.problems[0].reason


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("event_type", "Picked up", "collected"),
        ("event_type", "TRANSFER", "transferred"),
        ("event_type", "check_in", "received"),
        ("manifest_tracking_number", "123456789 elc", "123456789ELC"),
        ("to_place", "Room  2", "Room 2"),
    ],
)
def test_an_event_value_is_taken_in_its_canonical_form(column: str, cell: Any, expected: str) -> None:
    assert EVENTS.values(**{column: cell})[column] == expected


@pytest.mark.parametrize(
    ("changes", "rule", "column", "suggestion"),
    [
        ({"event_seq": 1.5}, "bad_event_seq", "event_seq", None),
        ({"event_seq": "-1"}, "bad_event_seq", "event_seq", None),
        ({"event_seq": "first"}, "bad_event_seq", "event_seq", None),
        ({"event_type": "teleported"}, "unknown_event", "event_type", None),
        ({"event_type": "shiped"}, "unknown_event", "event_type", "shipped"),
        ({"to_place": None}, "missing_value", "to_place", "Write it"),
        (
            {"manifest_tracking_number": "12345678ELC"},
            "bad_manifest_number",
            "manifest_tracking_number",
            "three letters",
        ),
        ({"unit": None}, "missing_unit", "unit", "mL or kg"),
        ({"unit": Rows.LEFT_OUT}, "missing_unit", "unit", "mL or kg"),
        ({"quantity": None}, "missing_quantity", "unit", "clear it"),
        ({"quantity": "half"}, "bad_quantity", "quantity", None),
    ],
)
def test_a_defect_of_an_event_is_named_by_its_rule(
    changes: dict[str, Any], rule: str, column: str, suggestion: str | None
) -> None:
    found = EVENTS.the_problem(**changes)
    assert (found.rule, found.column) == (rule, column)
    assert suggestion is None or suggestion in (found.suggestion or "")


def test_an_event_needs_neither_quantity_nor_unit() -> None:
    values = EVENTS.values(quantity=None, unit="")
    assert (values["quantity"], values["unit"]) == (None, None)
