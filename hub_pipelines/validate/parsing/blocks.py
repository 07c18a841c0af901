"""Rows of a sheet as a reader hands them over: one by one, or many of plain text as columns.

Belongs here: the two forms. Not here: how a file is cut into either (text, cutting).
A million rows cost most by being made one by one. What a list, a table or a file of columns needs of them can be had
of many at once, as long as all of them are of the same width and none is blank.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.parsing.grid import Cells, NumberedRow

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True, slots=True)
class Singly:
    """Rows that are had one by one, and once."""

    each: Iterable[NumberedRow]

    def rows(self) -> Iterator[NumberedRow]:
        return iter(self.each)


@dataclass(frozen=True, slots=True)
class Texts:
    """A column's cells: their bytes in UTF-8, and where each begins and the last one ends (32-bit integers)."""

    data: bytes
    offsets: "numpy.ndarray[Any, Any]"

    def cells(self, start: int, stop: int) -> list[str]:
        ends = self.offsets[start : stop + 1].tolist()
        first = ends[0]
        data = self.data[first : ends[-1]]
        text = data.decode("utf-8")
        if len(text) == len(data):
            return [text[a - first : b - first] for a, b in pairwise(ends)]
        return [data[a - first : b - first].decode("utf-8") for a, b in pairwise(ends)]

    def lengths(self) -> "numpy.ndarray[Any, Any]":
        """Bytes of each cell."""
        lengths: numpy.ndarray[Any, Any] = self.offsets[1:] - self.offsets[:-1]
        return lengths

    def beginnings(self) -> "numpy.ndarray[Any, Any]":
        return beginnings(self.data, self.offsets)


def beginnings(data: bytes, offsets: "numpy.ndarray[Any, Any]") -> "numpy.ndarray[Any, Any]":
    """The first two bytes of each cell as one number; what a cell lacks of them is 0. `offsets` as Texts has them."""
    import numpy

    letters = numpy.frombuffer(data + bytes(2), numpy.uint8)
    starts, lengths = offsets[:-1], offsets[1:] - offsets[:-1]
    first = numpy.where(lengths > 0, letters[starts], 0).astype(numpy.uint16)
    second = numpy.where(lengths > 1, letters[starts + 1], 0).astype(numpy.uint16)
    both: numpy.ndarray[Any, Any] = (first << 8) | second
    return both


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that follow each other, all cells text; none is blank."""

    first: int
    """Number of the first row."""
    columns: Sequence[Texts]

    def __len__(self) -> int:
        return len(self.columns[0].offsets) - 1

    @property
    def last(self) -> int:
        return self.first + len(self) - 1

    def rows(self) -> Iterator[NumberedRow]:
        return self.some(0, len(self))

    def some(self, start: int, stop: int) -> Iterator[NumberedRow]:
        """The rows from one place to before another, counted from 0."""
        columns = [one.cells(start, stop) for one in self.columns]
        for number, cells in enumerate(zip(*columns, strict=True), self.first + start):
            yield number, list(cells)

    def cells(self, at: int) -> Cells:
        """Of one row, by its place."""
        return next(self.some(at, at + 1))[1]

    def filled(self) -> "numpy.ndarray[Any, Any]":
        """How many cells of each row are not empty."""
        import numpy

        counts = numpy.zeros(len(self), numpy.int64)
        for column in self.columns:
            counts += column.lengths() > 0
        return counts
