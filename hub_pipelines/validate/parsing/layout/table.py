"""A table of a sheet as it was found, and its rows that are no items.

Belongs here: what is kept of a table while its sheet is read, and its items afterwards. Not here: deciding what a row
is (rows, finishing, sections), which columns are one table (beside).
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.grid import Cells, Grid, NumberedRow, folded, is_blank
from hub_pipelines.validate.parsing.layout.heading_row import Heading
from hub_pipelines.validate.parsing.packed import Packed

LOOKED_AT = 40
"""So many rows are looked at closely: of a block, whether it begins a table; of a table, what its rows begin with."""
TOTAL, PRINT_LINE, HEADINGS_AGAIN = "is a total", "is a line of a printed page", "holds the headings again"
"""Why a row is no item."""
PREPARED = "is a line that was prepared for an item"
SECTION_ROW = "is a section's title, which stands as Section with the rows below it"

Item = tuple[int, Cells, str]
"""An item's row number, cells and section."""


@dataclass
class Remark:
    """A row that is no item, and why."""

    row_no: int
    why: str
    text: str


@dataclass
class FoundTable:
    """A table of a sheet. Columns count from 0 within the grid's rows; `stop` is None where it reaches to the end.

    `lone` are rows with a single filled cell; what they are is known only at the table's end.
    """

    heading: Heading
    """As it stands over all columns, of which the table may be a part."""
    header_row: int
    header: list[str]
    start: int
    stop: int | None
    data_row: int
    """Data begins here or below."""
    titles: list[str] = field(default_factory=list)
    first_row: int = 0
    """The first row of its titles, else of the table itself."""
    last_row: int = 0
    last_full_row: int = 0
    rows: int = 0
    fills: Counter[int] = field(default_factory=Counter)
    reach: int = 0
    """The columns that some row fills, counted from `start`."""
    leftmost: int = 1_000_000
    """The first column that a row with more than one cell fills."""
    surplus: int = 0
    """Rows that reach beyond the headings."""
    cut: int = 0
    """The cells of the headings' widest line, blank ones behind the last heading included."""
    widest: int = 0
    """The cells of the widest row that has more than there are headings, blank ones included."""
    lone: list[tuple[int, int, str]] = field(default_factory=list)
    gaps: int = 0
    """How often a row follows blank ones."""
    below_gap: set[int] = field(default_factory=set)
    """Those of the lone rows that follow blank ones."""
    above_gap: set[int] = field(default_factory=set)
    """Those of the lone rows that blank ones follow."""
    firsts: list[object] = field(default_factory=list)
    """What the first full rows begin with."""
    group: str = ""
    """The title above this table where tables stand side by side."""
    totals: list[Remark] = field(default_factory=list)
    printed: list[Remark] = field(default_factory=list)
    """Rows that read like a line of a printed page."""
    prepared: list[Remark] = field(default_factory=list)
    """Rows that count on and say nothing else."""
    before: object = ""
    """What the row before begins with, where rows are counted."""
    suspects: dict[int, str] = field(default_factory=dict)
    """Rows that have a total's word, and may be items."""
    heading_lines: list[list[str]] = field(default_factory=list)
    """What the headings' rows say in this table's columns, folded; the header as it is joined is the last."""
    labels: frozenset[str] = frozenset()
    """All of these texts: a look at a row's first cell is enough for most rows."""
    harmless: dict[str, bool] = field(default_factory=dict)
    """By the first two letters of a row's first text, whether such a text can be neither a heading nor a total."""
    repeated: list[int] = field(default_factory=list)
    sections: dict[int, str] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def skipped(self) -> set[int]:
        return {*self.sections, *self.repeated, *(one.row_no for one in self.remarks)}

    @property
    def items(self) -> int:
        return self.rows - len(self.skipped)

    def part_of(self, cells: Cells) -> Cells:
        return cells if self.start == 0 and self.stop is None else cells[self.start : self.stop]

    def _own(self, cells: Cells) -> Cells:
        """The blank columns up to the next table are none of its own."""
        own = cells[self.start : self.stop]
        while len(own) > len(self.header) and is_blank(own[-1]):
            own.pop()
        return own

    def _below(self, row_no: int, section: str) -> str:
        """The section of what follows a row that is no item."""
        if row_no not in self.sections:
            return section
        own = self.sections[row_no]
        return f"{self.group} / {own}" if self.group else own

    def _has_all(self, block: Block | Packed, skipped: Sequence[int]) -> bool:
        """Whether all rows of a block are whole items, and no section tells more of them. `skipped` is in order."""
        is_alone = self.start == 0 and self.stop is None and not self.sections and not self.group
        none_is_skipped = bisect_left(skipped, block.first) == bisect_right(skipped, block.last)
        return is_alone and self.data_row <= block.first and block.last <= self.last_row and none_is_skipped

    def items_of(self, grid: Grid) -> Iterator[Block | Packed | Item]:
        """Many at once where all rows of a block are whole items of a table without sections."""
        skipped, section = self.skipped, self.group
        whole = self.start == 0 and self.stop is None
        skipped_in_order = sorted(skipped)
        for block in grid.blocks():
            if isinstance(block, Block | Packed) and self._has_all(block, skipped_in_order):
                yield block
                continue
            for row_no, cells in block.rows():
                if row_no < self.data_row:
                    continue
                if row_no > self.last_row:
                    return
                if skipped and row_no in skipped:
                    section = self._below(row_no, section)
                    continue
                own = cells if whole else self._own(cells)
                # most rows begin with a word or a number, and one look tells
                first = own[0] if own else ""
                if (first == "" or (first.__class__ is str and first.isspace())) and all(map(is_blank, own)):
                    continue
                yield row_no, own, section


def table_below(
    rows: Sequence[NumberedRow], heading: Heading, start: int, stop: int | None, titles: list[str]
) -> FoundTable:
    """The table that begins with this heading among the rows, of which none is taken yet."""
    texts = heading.texts[start:stop]
    while heading.first is not None and texts and not texts[-1]:
        texts.pop()
    header_row = 0 if heading.first is None else rows[heading.first][0]
    data_row = rows[heading.data][0] if heading.data < len(rows) else rows[-1][0] + 1
    if heading.last is not None:
        data_row = rows[heading.last][0] + 1
    found = FoundTable(heading, header_row, texts, start, stop, data_row, titles, last_row=data_row - 1)
    if heading.first is not None and heading.last is not None:
        lines = [cells[start:stop] for _, cells in rows[heading.first : heading.last + 1]]
        found.cut = max(map(len, lines))
        found.heading_lines = [folded(line) for line in [*lines, list[object](texts)]]
        found.labels = frozenset(text for line in found.heading_lines for text in line)
    return found
