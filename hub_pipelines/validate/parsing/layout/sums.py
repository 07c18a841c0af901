"""Whether a row tells the sum or the number of the rows above it.

Belongs here: comparing numbers. Not here: which rows may be such (rows, totals).
"""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hub_pipelines.validate.parsing.grid import Cells, NumberedRow, filled

_NUMBER = re.compile(r"\d(?:[\d.,'’\s]*\d)?")
_AMOUNT = re.compile(r"\s*(-?\d+(?:[.,]\d+)?)\s*[^\W\d_]{0,5}\.?\s*")
_FEWEST = 2
"""Rows that are added up. The sum of one is the same as another row's number by chance."""
_ROUNDED = 0.005


@dataclass
class _Sums:
    rows: int = 0
    lone: int = 0
    """Rows of a single cell, which may be items or titles of sections."""
    without_texts: bool = True
    """Whether a sum may leave out numbers that stand as text."""
    columns: dict[int, float] = field(default_factory=dict)
    plain: dict[int, float] = field(default_factory=dict)
    """The same of cells that hold numbers, not texts."""
    filled: dict[int, int] = field(default_factory=dict)

    def add(self, cells: Cells) -> None:
        if len(filled(cells)) > 1:
            self.rows += 1
        else:
            self.lone += 1
        for at, cell in enumerate(cells):
            number = _amount(cell)
            if number is not None:
                self.columns[at] = self.columns.get(at, 0.0) + number
                self.filled[at] = self.filled.get(at, 0) + 1
                if self.without_texts and isinstance(cell, float):
                    self.plain[at] = self.plain.get(at, 0.0) + number

    def are_told_by(self, cells: Cells) -> bool:
        """Whether a number of the row is the count, or the sum of its column; a number among words, of any column."""
        return any(self._is_one(number, None if isinstance(cell, str) and _amount(cell) is None else at)
                   for at, cell in enumerate(cells) for number in _readings(cell))  # fmt: skip

    def _is_one(self, number: float, at: int | None) -> bool:
        if self.rows >= _FEWEST and number in (self.rows, self.rows + self.lone):
            return True
        places = self.columns if at is None else {at} & self.columns.keys()
        return any(
            self.filled[place] >= _FEWEST and number and math.isclose(number, total, abs_tol=_ROUNDED)
            for place in places
            for total in (self.columns[place], self.plain.get(place, 0.0))
        )


def adding_up(
    rows: Iterable[NumberedRow], suspects: Collection[int], ends: Collection[int], *, without_texts: bool
) -> set[int]:
    """Those of the suspects that tell the sum or the number of all rows above, or of those since the last such row.

    `ends` are rows that are known to be totals; `rows` hold all of these and the items, in order. `without_texts`:
    a spreadsheet's own sum leaves out numbers that stand as text.
    """
    found: set[int] = set()
    above, since = _Sums(without_texts=without_texts), _Sums(without_texts=without_texts)
    for row_no, cells in rows:
        if row_no in suspects and (since.are_told_by(cells) or above.are_told_by(cells)):
            found.add(row_no)
        if row_no in found or row_no in ends:
            since = _Sums(without_texts=without_texts)
            continue
        above.add(cells)
        since.add(cells)
    return found


def _amount(cell: object) -> float | None:
    if isinstance(cell, float):
        return cell
    matched = _AMOUNT.fullmatch(cell) if isinstance(cell, str) else None
    return float(matched[1].replace(",", ".")) if matched else None


def _readings(cell: object) -> set[float]:
    """The numbers that a cell may hold: `1,234` is one of two."""
    if isinstance(cell, float):
        return {cell}
    found: set[float] = set()
    for written in _NUMBER.findall(cell) if isinstance(cell, str) else ():
        digits = re.sub(r"\D", "", written)
        whole, _, part = re.sub(r"['’\s]", "", written).replace(",", ".").rpartition(".")
        found |= {float(digits), float(f"{re.sub(r'[.]', '', whole) or '0'}.{part}" if whole else digits)}
    return found
