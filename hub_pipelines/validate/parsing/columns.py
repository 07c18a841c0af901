"""Rows as columns, as they leave the child.

Belongs here: the form in which the hub takes a table's cells. Not here: framing (wire), which rows there are (joining).
A column of nothing but text is one piece of bytes, one of nothing but days their numbers: making a million texts or
days one by one, on both sides, costs more than cutting the file does. Other columns are lists of their cells.
"""

import datetime
from array import array
from collections.abc import Sequence

from hub_pipelines.validate.parsing.blocks import Block
from hub_pipelines.validate.parsing.grid import Cells
from hub_pipelines.validate.parsing.wire import Message

Column = dict[str, bytes] | list[object]

_DAYS_AND_TEXTS = {datetime.date, str}


def as_columns(rows: Sequence[tuple[int, Cells]], width: int) -> Message:
    """Rows' numbers, their cells by column, and by place in this batch the cells of a row beyond the last column."""
    numbers = [number for number, _ in rows]
    cells = [row for _, row in rows]
    beyond: dict[int, list[object]] = {}
    if set(map(len, cells)) - {width}:
        for at, row in enumerate(cells):
            if len(row) > width:
                beyond[at] = [_cell(cell) for cell in row[width:]]
            if len(row) != width:
                cells[at] = row[:width] + [""] * (width - len(row))
    columns = [column_of(column) for column in zip(*cells, strict=True)]
    return {"numbers": numbers, "columns": columns, "beyond": list(beyond.items())}


def block_as_columns(block: Block, width: int) -> Message:
    """The same of rows that are columns already, at most so many as there are."""
    columns = [{"texts": one.data, "ends": one.offsets[1:].tobytes()} for one in block.columns]
    blank = {"texts": b"", "ends": bytes(4 * len(block))}
    numbers = list(range(block.first, block.last + 1))
    return {"numbers": numbers, "columns": columns + [blank] * (width - len(columns)), "beyond": []}


def column_of(cells: Sequence[object]) -> Column:
    """A column's form, from which `cells_of` makes the cells again."""
    try:
        whole = "\0".join(cells)  # type: ignore[arg-type]  # other kinds of cells are told by the error
    except TypeError:
        # most columns of numbers have no blank cell
        return _days(cells) or ([_cell(cell) for cell in cells] if "" in cells else list(cells))
    if whole.count("\0") >= len(cells):
        # some cell has a zero byte of its own
        return [_cell(cell) for cell in cells]
    return {"texts": whole.encode("utf-8", "replace")}


def cells_of(column: Column) -> list[object]:
    """What `column_of` was given."""
    if isinstance(column, list):
        return ["" if cell is None else cell for cell in column]
    if "days" in column:
        return [datetime.date.fromordinal(day) if day else "" for day in array("i", column["days"])]
    return list[object](column["texts"].decode("utf-8").split("\0"))


def _days(cells: Sequence[object]) -> dict[str, bytes] | None:
    """Days by their number from the first of the year 1; 0 where the cell is blank. None if there are other cells."""
    if datetime.date not in (kinds := set(map(type, cells))) or not kinds <= _DAYS_AND_TEXTS:
        return None
    try:
        numbers = array("i", [cell.toordinal() if cell != "" else 0 for cell in cells])  # type: ignore[attr-defined]
    except AttributeError:  # some text
        return None
    return {"days": numbers.tobytes()}


def _cell(cell: object) -> object:
    """Blank cells are None outside the child."""
    return None if cell == "" else cell
