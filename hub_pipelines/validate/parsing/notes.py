"""What calamine does not say of a workbook: error values, hidden rows and columns, formulas without a value.

Belongs here: the form in which all kinds of workbooks tell it. Not here: looking for it (*_notes.py).
"""

from dataclasses import dataclass, field

ERROR_TEXTS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}  # fmt: skip
"""Codes in .xls and .xlsb files (MS-XLS 2.5.10)."""

UNCALCULATED = "#FORMULA WITHOUT A VALUE"
"""What a cell says in whose place a file has a formula alone. Whoever opens it in Excel sees a value there."""
MOST_NOTES = 1_000_000
"""Error cells of a sheet; a sheet with more is no table."""


@dataclass
class SheetNotes:
    """Rows from 1, columns from 0."""

    errors: dict[int, dict[int, str]] = field(default_factory=dict)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    uncalculated: list[tuple[int, int]] = field(default_factory=list)
    spans: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Merged cells where calamine does not tell them: first row, last row, first column, last column."""
    count: int = 0

    def add_error(self, row: int, column: int, text: str) -> None:
        self.count += 1
        if self.count <= MOST_NOTES:
            self.errors.setdefault(row, {})[column] = text


Notes = dict[str, SheetNotes]
"""By the sheet's name."""
