"""Postings of earlier releases: what their contracts refused stays refused, what their reader saw is seen again."""

from pathlib import Path

import openpyxl
import pytest
from pydantic import TypeAdapter, ValidationError

from hub_pipelines.validate.feeds import FEEDS, chemicals, former, quantities
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.reading.former import as_one_table


@pytest.mark.parametrize(
    ("first", "now", "cell"),
    [
        (former.CasNumber1, chemicals.CasNumber, "67 - 64 - 1"),
        (former.CasNumber1, chemicals.CasNumber, "67-64-\u200b1"),
        (former.HazardCodes1, chemicals.HazardCodes, "H225H319"),
        (former.HazardCodes1, chemicals.HazardCodes, "H225 and H319"),
        (former.HazardCodes1, chemicals.HazardCodes, "not hazardous"),
        (former.Unit1, quantities.Unit, "мл"),
        (former.AmountUnit1, quantities.AmountUnit, "мкл"),
        (former.OptionalAmountUnit1, quantities.OptionalAmountUnit, "cc"),
        (former.StockUnit1, quantities.StockUnit, "шт"),
    ],
)
def test_what_was_loosened_since_is_still_refused_by_the_first_contract(first: object, now: object, cell: str) -> None:
    assert TypeAdapter(now).validate_python(cell) != cell
    with pytest.raises(ValidationError):
        TypeAdapter(first).validate_python(cell)


@pytest.mark.parametrize(
    ("first", "now", "cell"),
    [
        (former.CasNumber1, chemicals.CasNumber, "CAS No. 67-64-1"),
        (former.CasNumber1, chemicals.CasNumber, "n/a"),
        (former.HazardCodes1, chemicals.HazardCodes, "H225; EUH066, H301 + H311"),
        (former.Unit1, quantities.Unit, "Liters."),
        (former.AmountUnit1, quantities.AmountUnit, "кг"),
        (former.StockUnit1, quantities.StockUnit, "Btl"),
    ],
)
def test_what_the_first_contract_took_both_take_alike(first: object, now: object, cell: str) -> None:
    assert TypeAdapter(first).validate_python(cell) == TypeAdapter(now).validate_python(cell)


@pytest.mark.parametrize(
    "name", ["inventory.asset", "inventory.stock", "hazmat.container", "hazmat.event", "grants.award"]
)
def test_each_contract_whose_values_were_loosened_keeps_its_first_version(name: str) -> None:
    record = next(one for feed in FEEDS.values() for one in feed.record_types if one.name == name)
    first = record.under(1)
    assert record.contract_version == 2
    assert first is not None
    assert first.row_model is not record.row_model


def test_rows_of_one_sheet_have_their_plain_numbers_again_and_no_sections(tmp_path: Path) -> None:
    header = ["item_code", "item_name", "location", "quantity_on_hand", "unit"]
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Room A"
    rows = [[f"A{number}", "Acetone", "Room A", number, "L"] for number in range(1, 5)]
    for cells in (
        header,
        ["Cabinet 1"],
        *rows[:2],
        ["Cabinet 2"],
        *rows[2:],
        [],
        [],
        header,
        ["A5", "Hexane", "R", 3, "L"],
    ):
        sheet.append(cells)
    other = book.create_sheet("Room B")
    for cells in (header, ["B1", "Acetone", "Room B", 1, "L"]):
        other.append(cells)
    path = tmp_path / "stock.xlsx"
    book.save(path)
    with open_table(path, path.name, known=FEEDS["inventory"].aliases.get) as table:
        assert len(table.parts) == 3
        assert table.header == [*header, "Section"]
        before = as_one_table(table)
        read = [(row_no, cells[0], len(cells)) for row_no, cells in before.rows]
    assert before.header == header
    assert read == [(3, "A1", 5), (4, "A2", 5), (6, "A3", 5), (7, "A4", 5), (11, "A5", 5)]
