"""Rows of a workbook as columns, in the form in which they leave the child.

Belongs here: making columns of rows that were read one by one, and rows of them again where some must be looked at.
Not here: rows of plain text that were never apart (blocks), the columns' form (columns).
So many rows are taken at once that a processor's cache holds their cells: to make columns of five times as many takes
twice as long for each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from hub_pipelines.validate.parsing.blocks import Singly
from hub_pipelines.validate.parsing.columns import Column, cells_of, column_of
from hub_pipelines.validate.parsing.grid import NumberedRow
from hub_pipelines.validate.parsing.wire import Message

_BEGINNING = 64
"""A sheet's first rows are looked at one by one: titles, headings and what tells whether they are any."""
_CELLS_AT_ONCE = 10_000
_MOST_TEXT = 256 * 1024
"""Characters. Rows with more leave the child as few at a time as their size allows."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows that follow each other, all of one width; none is blank, and each has something in its first cell."""

    first: int
    """Number of the first row."""
    count: int
    columns: Sequence[Column]
    """As columns.column_of makes them."""
    fills: Mapping[int, int]
    """How many rows have so many cells that are not empty."""
    openings: frozenset[str]
    """The first two letters of the rows' first cells that are texts."""

    def __len__(self) -> int:
        return self.count

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def beginnings(self) -> list[object]:
        """The first cell of each row."""
        return cells_of(self.columns[0])

    def rows(self) -> Iterator[NumberedRow]:
        columns = [cells_of(column) for column in self.columns]
        for number, cells in enumerate(zip(*columns, strict=True), self.first):
            yield number, list(cells)

    def as_columns(self, width: int) -> Message:
        """As columns.as_columns tells rows that have at most so many cells."""
        numbers = list(range(self.first, self.last + 1))
        blank = column_of([""] * self.count)
        return {"numbers": numbers, "columns": [*self.columns, *[blank] * (width - len(self.columns))], "beyond": []}


def in_blocks(rows: Iterator[NumberedRow], width: int) -> Iterator[Packed | Singly]:
    """Rows of one width, of which none is left out, a handful at a time."""
    if not (beginning := list(islice(rows, _BEGINNING))):
        return
    yield Singly(beginning)
    while some := list(islice(rows, max(1, _CELLS_AT_ONCE // width))):
        yield _packed(some) or Singly(some)


def _packed(rows: Sequence[NumberedRow]) -> Packed | None:
    """None where a row may be blank, and where they hold very much text."""
    each = [cells for _, cells in rows]
    columns = list(zip(*each, strict=True))
    openings = frozenset([cell[:2] for cell in columns[0] if isinstance(cell, str)])
    if "" in openings or any(map(str.isspace, openings)):
        return None
    told = [column_of(column) for column in columns]
    if sum(map(_size, told)) > _MOST_TEXT:
        return None
    width = len(columns)
    blanks = Counter([cells.count("") for cells in each])
    return Packed(rows[0][0], len(rows), told, {width - count: many for count, many in blanks.items()}, openings)


def _size(column: Column) -> int:
    if isinstance(column, dict):
        return len(column.get("texts", b""))
    return sum([len(cell) for cell in column if isinstance(cell, str)])
