"""Reading a sheet once from top to bottom.

Belongs here: blocks of rows, and whether one begins a table, goes on with one or stands above one. Not here: tables
side by side in a block (beside), what a single row is (rows).
What lies between two blank rows is a block; its first rows are looked at closely, the rest is only counted, so that a
long table costs little.
"""

from collections.abc import Sequence

from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.grid import Ask, Cells, Grid, NumberedRow, filled, shown
from hub_pipelines.validate.parsing.layout.beside import tables_of_block
from hub_pipelines.validate.parsing.layout.finishing import finish
from hub_pipelines.validate.parsing.layout.heading_row import (
    Heading,
    ask_at_once,
    asking_without_units,
    find_heading,
    known_columns,
)
from hub_pipelines.validate.parsing.layout.rows import take_row
from hub_pipelines.validate.parsing.layout.rows_at_once import take_block
from hub_pipelines.validate.parsing.layout.rules import PRINTED_RULES, RULES
from hub_pipelines.validate.parsing.layout.table import LOOKED_AT, FoundTable, Remark
from hub_pipelines.validate.parsing.packed import Packed

_SURE = 2
"""Columns that must speak for a heading below another table: one may be a cell that says "unknown"."""
_TITLE_ROWS = 12
_MOST_TABLES = 200


def find_tables(grid: Grid, ask: Ask, rules: int = RULES) -> tuple[list[FoundTable], list[Remark]]:
    """The tables in order, and the rows that belong to none."""
    scan = _Scan(grid, ask, rules)
    return scan.run()


class _Scan:
    """The state of reading one sheet."""

    def __init__(self, grid: Grid, ask: Ask, rules: int) -> None:
        self._grid = grid
        self._ask = ask if rules < PRINTED_RULES else asking_without_units(ask)
        self._rules = rules
        self._tables: list[FoundTable] = []
        self._current: list[FoundTable] = []
        self._waiting: list[NumberedRow] = []
        self._pending: list[NumberedRow] = []
        """Rows of blocks that may be titles of what comes."""
        self._outside: list[Remark] = []

    def run(self) -> tuple[list[FoundTable], list[Remark]]:
        last, judged = 0, False
        single: FoundTable | None = None
        for block in self._grid.blocks():
            if isinstance(block, Block | Packed) and single is not None and take_block(single, block, self._rules):
                last = block.last
                continue
            for row_no, cells in block.rows():
                count = len(cells) - cells.count("")
                if count > 3 and single is not None and row_no == last + 1:
                    # by far the most rows
                    last = row_no
                    take_row(single, row_no, cells, count, self._rules)
                    continue
                if count <= 3:
                    count = len(filled(cells))
                    if not count:
                        continue
                if row_no != last + 1 and last and not self._is_bridged(last, row_no):
                    self._judge_waiting()
                    judged, single = False, None
                last = row_no
                if judged:
                    self._add_to_all(row_no, cells)
                    continue
                self._waiting.append((row_no, cells))
                if len(self._waiting) >= LOOKED_AT:
                    self._judge_waiting()
                    judged = bool(self._current)
                    single = self._current[0] if len(self._current) == 1 else None
        self._judge_waiting()
        self._judge_pending()
        for table in self._tables:
            finish(table, self._grid, self._rules)
        return [one for one in self._tables if one.rows or one.header_row], self._outside

    def _is_bridged(self, last: int, row_no: int) -> bool:
        """Whether the blank rows between are lines of merged cells, as in a header of several lines."""
        return any(s.first_row <= last + 1 and s.last_row >= row_no - 1 for s in self._grid.spans)

    # -- blocks

    def _judge_waiting(self) -> None:
        """The block's first rows have been read: do they begin a table, go on with one, or stand above one?"""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        if not self._current:
            self._begin_or_wait(rows)
            return
        begins = self._new_table_in(rows)
        for row_no, cells in rows[:begins]:
            self._add_to_all(row_no, cells)
        if begins < len(rows):
            self._current = []
            self._begin_or_wait(rows[begins:])
            if not self._current:
                self._judge_pending()

    def _begin_or_wait(self, rows: list[NumberedRow]) -> None:
        heading = self._heading(rows)
        short = len(rows) <= _TITLE_ROWS and all(len(filled(cells)) <= 2 for _, cells in rows)
        if heading is None or (short and heading.hits < 2):
            self._pending += rows
            if len(self._pending) > LOOKED_AT:
                self._judge_pending()
            return
        self._begin(rows, heading)

    def _judge_pending(self) -> None:
        """Nothing wider came: what seemed to be titles is the table."""
        rows, self._pending = self._pending, []
        if not rows:
            return
        heading = self._heading(rows)
        if heading is None:
            self._outside += [Remark(row_no, "stands alone", shown(cells)) for row_no, cells in rows]
        else:
            self._begin(rows, heading)

    def _new_table_in(self, rows: list[NumberedRow]) -> int:
        """The place of the row with which a new table begins among rows below a blank one; their number if none."""
        if len(self._tables) >= _MOST_TABLES:
            return len(rows)
        ask_at_once(rows, self._ask)
        for at, (_, cells) in enumerate(rows):
            if known_columns(cells, self._ask) >= 2 and not any(isinstance(cell, float) for cell in cells):
                return self._with_titles(rows, at)
        at = next((at for at, (_, cells) in enumerate(rows) if len(filled(cells)) > 1), len(rows))
        if at + 1 >= len(rows):
            return len(rows)
        heading = self._heading(rows[at:])
        is_one = heading is not None and heading.first == 0 and heading.strength >= _SURE
        return self._with_titles(rows, at) if is_one else len(rows)

    def _heading(self, rows: Sequence[NumberedRow]) -> Heading | None:
        return find_heading(rows, self._grid.spans, self._ask, self._rules)

    def _with_titles(self, rows: list[NumberedRow], at: int) -> int:
        while at and len(filled(rows[at - 1][1])) == 1:
            at -= 1
        return at

    # -- tables

    def _begin(self, rows: list[NumberedRow], heading: Heading) -> None:
        titles_too = [*self._pending, *rows]
        above = [cells for _, cells in titles_too[: len(self._pending) + heading.data]]
        self._pending = []
        tables = tables_of_block(rows, heading, above, self._ask, self._rules)
        tables[0].first_row = titles_too[0][0]
        for table in tables[1:]:  # beside it: titles are the first one's
            table.first_row = table.header_row or table.data_row
        self._tables += tables
        self._current += tables
        for row_no, cells in rows:
            self._add_to_all(row_no, cells)

    def _add_to_all(self, row_no: int, cells: Cells) -> None:
        for table in self._current:
            own = table.part_of(cells)
            places = filled(own)
            if places and row_no >= table.data_row:
                take_row(table, row_no, own, len(places), self._rules)
