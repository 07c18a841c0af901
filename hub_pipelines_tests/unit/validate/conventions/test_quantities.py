import datetime
import subprocess
import sys
from typing import Any

import pytest

from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.model import Conventions
from hub_pipelines.validate.conventions.units import conversion
from hub_pipelines.validate.feeds.quantities import AMOUNT_UNITS, STOCK_UNITS
from hub_pipelines.validate.model import Restored, Unclear

from ..builders import GOOD_ROWS, RECORD_TYPES
from .columns import questions, read, table, value

STOCK, COLUMN = "inventory.stock", "quantity_on_hand"


CONTAINER = "hazmat.container"
"""Its contract needs quantity and unit in each row; a stock list's needs neither."""


def amount(cell: Any, unit: Any = None, record_type: str = STOCK, column: str = COLUMN, **told: Any) -> tuple[Any, Any]:
    """The cell beside a unit, or in a file without a unit column, whose other quantity is `7.5 kg`."""
    cells = {column: ["7.5 kg", cell]} if unit is None else {column: ["7.5", cell], "unit": ["kg", unit]}
    _, found = read(record_type, cells, **told)
    return found[column][1], found["unit"][1]


@pytest.mark.parametrize(
    ("cell", "number", "unit"),
    [
        ("500g", "500", "g"),
        ("25 g", "25", "g"),
        ("2.5kg", "2.5", "kg"),
        ("0.32m3", "0.32", "m3"),
        ("0.32 m³", "0.32", "m3"),
        ("436ft3", "436", "ft3"),
        ("957 mL", "957", "mL"),
        ("33 tablets", "33", "tablet"),
        ("75ml total", "75", "mL"),
        ("100 \u00b5L", "100", "uL"),
        ("100 \u03bcl", "100", "uL"),
        ("5 л", "5", "L"),
        ("250мл", "250", "mL"),
        ("2 кг", "2", "kg"),
        ("3 г.", "3", "g"),
        ("3 升", "3", "L"),
        ("250毫升", "250", "mL"),
        ("2 瓶", "2", "bottle"),
        ("12 fl. oz", "12", "fl oz"),
        ("5 gal.", "5", "gal"),
        ("5cc", "5", "mL"),
        ("1,000 mL", "1000", "mL"),
    ],
)
def test_a_quantity_with_its_unit_fills_both_columns(cell: str, number: str, unit: str) -> None:
    assert amount(cell) == (number, unit)


@pytest.mark.parametrize(
    ("cell", "number", "unit", "rule"),
    [
        ("2*2л", "4", "L", "multiplied_out"),
        ("2*500мл", "1000", "mL", "multiplied_out"),
        ("4 x 2.5 L", "10", "L", "multiplied_out"),
        ("500 mL × 2", "1000", "mL", "multiplied_out"),
        ("2 bottles of 500 mL", "1000", "mL", "multiplied_out"),
        ("2 x 500 mL bottles", "1000", "mL", "multiplied_out"),
        ("2 boxes of 50 vials", "100", "vial", "multiplied_out"),
        ("500 mL bottle", "500", "mL", "note_set_aside"),
        ("2 bottles (500 mL)", "2", "bottle", "note_set_aside"),
        ("1000ml (4 bottles)", "1000", "mL", "note_set_aside"),
        ("6L (3 containers)", "6", "L", "note_set_aside"),
        ("1/2 gal", "0.5", "gal", "fraction_written_out"),
        ("1 1/2 L", "1.5", "L", "fraction_written_out"),
        ("½ L", "0.5", "L", "fraction_written_out"),
        ("5 dL", "0.5", "L", "unit_converted"),
        ("250 \u00b5g", "0.25", "mg", "unit_converted"),
        ("2 in3", "32.774128", "mL", "unit_converted"),
        ("8-Jan of a gallon", "0.125", "gal", "fraction_made_a_date"),
    ],
)
def test_what_had_to_be_reckoned_is_told_and_what_was_sent_is_kept(
    cell: str, number: str, unit: str, rule: str
) -> None:
    restored, in_unit = amount(cell)

    assert isinstance(restored, Restored)
    assert (restored.value, in_unit, restored.rule, restored.sent) == (number, unit, rule, cell)


@pytest.mark.parametrize(("cell", "fix"), [("empty", "If nothing is left, write 0"), ("some", "Write the amount")])
def test_of_what_is_empty_0_may_be_meant(cell: str, fix: str) -> None:
    refused, _ = amount(cell, record_type=CONTAINER, column="quantity")
    assert isinstance(refused, Unclear)
    assert str(refused.suggestion).startswith(fix)


@pytest.mark.parametrize(
    ("cell", "rule", "text"),
    [
        ("Half", "bad_quantity", "does not say how much there is"),
        ("tons", "bad_quantity", "a unit and no number"),
        ("5 tons", "unknown_unit", "1000 kg, 2000 lb or 2240 lb"),
        ("(6%", "bad_quantity", "concentration"),
        ("~5 g", "bad_quantity", "roughly"),
        ("12", "missing_unit", "this one has none"),
        (12, "missing_unit", "this one has none"),
        ("5 mol", "unknown_unit", '"mol" is none of'),
        ("2-Jan bags", "damaged_by_excel", "Was it 1/2 (0.5), or 1 to 2, or a date?"),
        ("8-Jan", "damaged_by_excel", "Was it 1/8 (0.125)"),
        (datetime.datetime(2024, 1, 8), "damaged_by_excel", "Was it 1/8 (0.125)"),
    ],
)
def test_a_quantity_that_is_not_clear_is_refused_in_the_senders_words(cell: Any, rule: str, text: str) -> None:
    refused, _ = amount(cell, record_type=CONTAINER, column="quantity")

    assert isinstance(refused, Unclear)
    assert refused.rule == rule
    assert text in f"{refused.reason} {refused.suggestion}"
    assert refused.covers == "unit"


@pytest.mark.parametrize("cell", ["1e5", "inf", "9**9**9", "5-10 g", "lots of it", "1 box of 100"])
def test_what_can_not_be_read_is_left_for_the_contract_to_refuse(cell: str) -> None:
    assert amount(cell)[0] == cell


# -- beside a unit column


def test_a_list_that_needs_neither_takes_a_bare_number_and_a_dash() -> None:
    assert amount("12") == ("12", None)
    assert amount("-") == (None, None)


def test_a_unit_in_both_cells_that_agrees_is_taken() -> None:
    assert amount("1000g", "g") == ("1000", "g")
    assert amount("1000 grams", "G") == ("1000", "G")
    assert amount("1000g", "") == ("1000", "g")


def test_a_unit_in_both_cells_that_contradicts_is_refused() -> None:
    refused, unit = amount("1000g", "mL")

    assert isinstance(refused, Unclear)
    assert refused.rule == "units_contradict"
    assert refused.reason == ('The cell is in "g", and its unit is told as "mL". One is a mass, the other a volume.')
    assert unit == "mL"
    assert isinstance(amount("1 kg", "g")[0], Unclear)


@pytest.mark.parametrize(
    ("cell", "expected"), [("8-Jan", "0.125"), ("4-Mar", "0.75"), (datetime.datetime(2024, 1, 8), "0.125")]
)
def test_a_fraction_that_became_a_date_is_restored_beside_of_a_gallon(cell: Any, expected: str) -> None:
    restored, unit = amount(cell, "of a gallon")

    assert isinstance(restored, Restored)
    assert (restored.value, unit) == (expected, "gal")


@pytest.mark.parametrize("cell", ["8-Jan", "3-Jan", "1-Mar"])
def test_a_date_that_may_be_no_fraction_is_not_restored(cell: str) -> None:
    assert isinstance(amount(cell, "of a gallon" if cell != "8-Jan" else "bag")[0], Unclear)


def test_a_unit_that_no_list_has_is_converted_beside_its_number() -> None:
    restored, unit = amount(5.0, "dL")

    assert isinstance(restored, Restored)
    assert (restored.value, restored.sent, unit) == ("0.5", "5 dL", "L")
    assert amount(5.0, "bottles") == (5.0, "bottles")
    assert amount(5.0, "foo") == (5.0, "foo")


def test_a_further_quantity_of_the_row_must_be_in_the_same_unit() -> None:
    _, cells = read(STOCK, {COLUMN: ["5 g", "5 g", "5 g"], "reorder_level": ["1 g", "2", "1 mL"]})

    assert cells["reorder_level"][:2] == ["1", "2"]
    assert isinstance(cells["reorder_level"][2], Unclear)
    assert cells["unit"] == ["g", "g", "g"]


# -- the unit of bare numbers


def test_the_unit_of_the_heading_goes_for_bare_numbers() -> None:
    found, cells = read(STOCK, {COLUMN: ["5", 6, "7 mL"]}, units={COLUMN: "ml"})

    assert found.added == ("unit",)
    assert [value(cell) for cell in cells[COLUMN]] == ["5", 6, "7"]
    assert cells["unit"] == ["mL", "mL", "mL"]
    _, cells = read(STOCK, {COLUMN: ["5", "7 g"]}, units={COLUMN: "mL"})
    assert isinstance(cells[COLUMN][1], Unclear)


def test_numbers_without_any_unit_are_asked_about_when_only_the_unit_is_missing() -> None:
    good = GOOD_ROWS[CONTAINER]
    cells = {column: [cell] for column, cell in good.items() if column != "unit"} | {"quantity": ["5"]}
    (asked,) = questions(CONTAINER, cells)

    assert asked.key == "unit:quantity"
    assert asked.text.endswith(": in which unit are its numbers, such as 5 in row 2?")
    assert tuple(choice.value for choice in asked.choices) == AMOUNT_UNITS
    _, answered = read(CONTAINER, cells, answers={asked.key: "mL"})
    assert answered["unit"] == ["mL"]
    del cells["location"]
    found, _ = read(CONTAINER, cells)
    assert found.added == ()
    assert read(STOCK, {COLUMN: ["5"]})[0].added == ()


# -- pint


@pytest.mark.parametrize("text", ["cup", "keg", "tons", "mol", "9**9**9", "kg/m", "x" * 500, "", "5"])
def test_a_word_that_is_no_exact_mass_or_volume_is_never_converted(text: str) -> None:
    assert conversion(text, STOCK_UNITS) is None


@pytest.mark.parametrize("text", ["kg^", "m^", "৴kg", "ͅ", "kg ㏈", "ⸯ", "k৲g"])
def test_a_text_that_pint_cannot_take_apart_is_no_unit(text: str) -> None:
    """It is an error of the row, not of the hub."""
    assert conversion(text, STOCK_UNITS) is None


def test_pint_is_not_loaded_for_units_that_the_lists_have() -> None:
    program = (
        "import sys\n"
        "from hub_pipelines_tests.unit.validate.conventions.columns import read\n"
        "read('inventory.stock', {'quantity_on_hand': ['500g', '2 bottles', '3']})\n"
        "assert 'pint' not in sys.modules\n"
        "read('inventory.stock', {'quantity_on_hand': ['5 dL']})\n"
        "assert 'pint' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_row_whose_unit_is_another_than_the_headings_is_refused() -> None:
    """Quantity (mL), and L beside it: nobody knows which of them is right."""
    cells = {"quantity_on_hand": ["500", 250, "3 g", "5"], "unit": ["L", "mL", "", ""]}
    _, found = read("inventory.stock", cells, units={"quantity_on_hand": "mL"})
    first, second, third, fourth = found["quantity_on_hand"]
    assert isinstance(first, Unclear)
    assert isinstance(third, Unclear)
    assert {first.rule, third.rule} == {"units_contradict"}
    assert (second, fourth, found["unit"][1], found["unit"][3]) == (250, "5", "mL", "mL")


def test_a_unit_of_its_own_in_a_column_of_another_is_taken_and_told() -> None:
    """Size (gal), and 2 L in one cell: the heading speaks for numbers without a unit."""
    cells = {"quantity": ["5", "2 L", "5 gal", "3 g"], "contents": ["a", "b", "c", "d"]}
    conventions, found = read(CONTAINER, cells, units={"quantity": "gal"})
    bare, own, same, other = found["quantity"]
    assert (bare, same, found["unit"][:3]) == ("5", "5", ["gal", "L", "gal"])
    assert isinstance(own, Restored)
    assert (own.value, own.sent, own.rule) == ("2", "2 L", "unit_of_its_own")
    assert (
        own.reason
        == 'Numbers of this column without a unit are in gal, and this one says "L", so it was taken as that.'
    )
    assert isinstance(other, Unclear), "a mass in a column of volumes is a slip of one of the two"
    assert (other.rule, other.covers) == ("units_contradict", "unit")
    (told,) = [one for one in conventions.told() if "without a unit" in one]
    assert told == "quantity: numbers without a unit are in gal, the others in the unit that is behind them"


def test_an_earlier_decision_refuses_a_unit_of_its_own_as_it_did() -> None:
    cells = {"quantity": ["5", "2 L"], "contents": ["a", "b"]}
    found, _ = read(CONTAINER, cells, units={"quantity": "gal"})
    document = found.document()
    del document["own_units"]
    sent = table(cells)
    columns = located_columns(sent.header, RECORD_TYPES[CONTAINER])
    again = [row for _, row in apply(sent, columns, Conventions.from_document(document)).rows]
    assert isinstance(again[1][0], Unclear)


def test_pieces_in_the_heading_do_not_contradict_bottles_in_the_row() -> None:
    cells = {"quantity_on_hand": ["5"], "unit": ["bottle"]}
    _, found = read("inventory.stock", cells, units={"quantity_on_hand": "pcs"})
    assert (found["quantity_on_hand"], found["unit"]) == (["5"], ["bottle"])
