"""A table as releases read it that kept no decisions: postings of theirs are made again from it.

Belongs here: what reading has added since and must be taken off again. Not here: reading itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hub_pipelines.validate.model import PART_ROWS, Cell, Row, Table, excel_row


def as_one_table(table: Table) -> Table:
    """Only the first table's sheet, whose rows had their plain numbers, and no column that tells their sections."""
    has_sections = "sections" in table.facts
    if len(table.parts) < 2 and not has_sections:
        return table
    header = table.header[:-1] if has_sections else table.header
    return replace(table, header=header, rows=_Rows(table, has_sections))


@dataclass(frozen=True, slots=True)
class _Rows:
    table: Table
    has_sections: bool

    def __iter__(self) -> Iterator[Row]:
        parts = self.table.parts
        sheet = parts[0].sheet if parts else None
        for row_no, cells in self.table.rows:
            part = row_no // PART_ROWS
            if part == 0 or (part < len(parts) and parts[part].sheet == sheet):
                yield excel_row(row_no), self._without_section(cells)

    def _without_section(self, cells: list[Cell]) -> list[Cell]:
        at = len(self.table.header) - 1
        return [*cells[:at], *cells[at + 1 :]] if self.has_sections else cells
