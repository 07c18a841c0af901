"""No cell that the hub writes is taken for a formula: the one function, and every writer of tables."""

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from hub_pipelines.common.spreadsheets import safe_cell, write_csv, write_text

from .conftest import SmallHub, inventory

PACKAGE = Path(__file__).resolve().parents[2] / "hub_pipelines"
FORMULAS = [
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＠x",
    "-",
    "=",
    "+49 30 1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_may_be_a_formula_is_made_a_text(text: str) -> None:
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("value", ["-12.50", "+3", "-1e5", -4, 2.5, None, "", "a=b", "x@y.edu", "2025-01-02", "O-ring"])
def test_numbers_and_plain_texts_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) == value


@pytest.mark.parametrize("text", [*FORMULAS, "007", "1-2", "#REF!", "TRUE", "2025-01-02", "1E5", "-12.50"])
def test_a_text_in_a_workbook_is_read_back_as_the_same_text(text: str, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    write_text(book.active["A1"], text)
    book.save(tmp_path / "x.xlsx")
    cell = openpyxl.load_workbook(tmp_path / "x.xlsx").active["A1"]
    assert cell.data_type == "s"
    assert str(cell.value).replace("\n", "") == re.sub(r"[\r\n]", "", text)
    assert cell.number_format == "@"


def test_what_no_workbook_can_hold_is_replaced(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    write_text(book.active["A1"], "a\x00b\x1fc\ud800\uffff" + "x" * 40_000)
    book.save(tmp_path / "x.xlsx")
    value = openpyxl.load_workbook(tmp_path / "x.xlsx").active["A1"].value
    assert value.startswith("a\ufffdb\ufffdc\ufffd\ufffdx")
    assert len(value) == 32_767


def test_every_writer_of_text_tables_uses_the_one_function() -> None:
    """A new writer of CSV files must neutralise its cells as well, or say here why it need not."""
    writes = re.compile(r"csv\.(?:writer|DictWriter)\(|\.to_csv\(|\.to_excel\(|FORMAT CSV")
    found = [path for path in PACKAGE.rglob("*.py") if writes.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(PACKAGE).as_posix() for path in found] == ["common/spreadsheets.py"]


def test_a_text_table_has_no_cell_that_a_spreadsheet_takes_for_a_formula() -> None:
    file = io.StringIO()
    write_csv(file, ["name", "amount", "note"], [{"name": "=1+1", "amount": "-5", "more": "left out"}])
    assert file.getvalue() == "name,amount,note\r\n'=1+1,-5,\r\n"


def test_cells_of_workbooks_are_written_by_the_one_function_where_they_come_from_outside() -> None:
    """Beside `write_text` only numbers, coordinates and values that are no texts are written."""
    written = re.compile(r"^\s*(.+\.value = .+)$", re.M)
    found = [
        line.strip()
        for path in sorted((PACKAGE / "report" / "workbook").glob("*.py"))
        for line in written.findall(path.read_text(encoding="utf-8"))
    ]
    assert found == [
        "sheet.cell(row, column).value = None",
        "cell.value = value",
        "self._sheet.cell(self._row, 2).value = where[1]",
        "number.value = one.mark.row_told or excel_row(one.mark.row)",
    ]


def test_the_export_of_a_ledger_holds_no_formula(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    (small_hub.inbox / "lab.csv").write_bytes(inventory("NC-1").replace(b"Ethanol", b"=HYPERLINK(1)"))
    small_hub.take()
    small_hub.work()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hub_pipelines.cli",
            "ledger",
            "export",
            "--type",
            "inventory.asset",
            "--campus",
            "north",
        ],
        env={**os.environ, "HUB_HOME": str(small_hub.hub.settings.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["item_name"] == "'=HYPERLINK(1)"
