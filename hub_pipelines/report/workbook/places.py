"""Which cell of which sheet a row and a column of a table are.

Belongs here: from a table's row number and position to sheet, row and column. Not here: what is put there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import PART_ROWS, Part, Table, excel_row

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_MOST_HEADER_LINES = 5


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows of data of one part, first and last as Excel shows them."""

    part: int
    first: int
    last: int


class Places:
    """Rows and columns count from 1, as openpyxl counts."""

    def __init__(self, table: Table, workbook: "Workbook") -> None:
        self.workbook = workbook
        self._header = table.header
        self._parts = table.parts or (Part(table.facts.get("sheet"), table.header_row),)
        self._columns: dict[tuple[int, int], int] = {}

    def sheet(self, part: int) -> "Worksheet":
        name = self._parts[part].sheet
        return self.workbook[name] if name in self.workbook.sheetnames else self.workbook.worksheets[0]

    def cell(self, row_no: int, position: int | None) -> tuple["Worksheet", int, int]:
        """Without a position: the first column of the table."""
        part = self.part_of(row_no)
        return self.sheet(part), excel_row(row_no), self.column(part, position or 0)

    def headings(self, position: int) -> list[tuple["Worksheet", int, int]]:
        """The cells of a column's heading, one in each part that has headings."""
        found = []
        for at, one in enumerate(self._parts):
            if one.header_row:
                column = self.column(at, position)
                row = _line_of(self._wanted(position), self.sheet(at), one.header_row, column)
                found.append((self.sheet(at), row or one.header_row, column))
        return found

    def row_cells(self, row_no: int) -> list[tuple["Worksheet", int, int]]:
        """All cells of a row of the table."""
        return [self.cell(row_no, position) for position in range(len(self._header))]

    def part_of(self, row_no: int) -> int:
        return min(row_no // PART_ROWS, len(self._parts) - 1)

    def column(self, part: int, position: int) -> int:
        """Where the header says, unless the part has that heading in another place."""
        if (part, position) not in self._columns:
            self._columns[part, position] = self._column(part, position)
        return self._columns[part, position]

    def _column(self, part: int, position: int) -> int:
        where = self._parts[part]
        own = where.columns.index(position) if position in where.columns else position
        straight: int = where.first_column + own + 1
        wanted = self._wanted(position)
        if not where.header_row or not wanted:
            return straight
        sheet = self.sheet(part)
        around: list[int] = [straight, *range(where.first_column + 1, where.first_column + len(self._header) + 1)]
        for column in around:
            if normalise_header(_text(sheet, where.header_row, column)) == wanted:
                return column
        return next((each for each in around if _line_of(wanted, sheet, where.header_row, each)), straight)

    def _wanted(self, position: int) -> str:
        return normalise_header(self._header[position]) if position < len(self._header) else ""


def _line_of(wanted: str, sheet: "Worksheet", header_row: int, column: int) -> int | None:
    """The row in which a heading ends: it may be read with the groups that stand above it."""
    for row in range(header_row, header_row + _MOST_HEADER_LINES):
        text = normalise_header(_text(sheet, row, column))
        if text and (wanted == text or wanted.endswith(f" {text}")):
            return row
    return None


def _text(sheet: "Worksheet", row: int, column: int) -> str:
    value = sheet.cell(row, column).value if row <= sheet.max_row and column <= sheet.max_column else None
    return "" if value is None else str(value)


def extents(row_numbers: Iterable[Sequence[int]]) -> list[Extent]:
    """The rows that each part has, of row numbers some at a time."""
    found: dict[int, tuple[int, int]] = {}
    for some in row_numbers:
        by_part = [some] if min(some) // PART_ROWS == max(some) // PART_ROWS else [[row_no] for row_no in some]
        for each in by_part:
            part, least, most = each[0] // PART_ROWS, excel_row(min(each)), excel_row(max(each))
            first, last = found.get(part, (least, most))
            found[part] = min(first, least), max(last, most)
    return [Extent(part, *span) for part, span in found.items()]
