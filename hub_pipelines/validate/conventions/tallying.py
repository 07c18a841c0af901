"""How often a table's columns write what how, counted in one pass over it.

Belongs here: which columns are looked at, and by which tally. Not here: how one text is read (dates, numbers, amounts,
identifiers), what follows from the counts (deciding.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from hub_pipelines.validate.batches import gathered
from hub_pipelines.validate.columns import ColumnMap
from hub_pipelines.validate.conventions.amounts import read_quantity
from hub_pipelines.validate.conventions.counting import (
    Forms,
    counted,
    counted_cells,
    forms_of_cas,
    forms_of_identifiers,
    forms_of_numbers,
)
from hub_pipelines.validate.conventions.dates import DateTally, Place
from hub_pipelines.validate.conventions.identifiers import CasTally, IdentifierTally
from hub_pipelines.validate.conventions.numbers import NumberTally, read_amount
from hub_pipelines.validate.conventions.placeholders import Looking
from hub_pipelines.validate.feeds.quantities import PLAIN_NUMBER

_CHUNK_ROWS = 5_000
_TIMES_AS_MANY = 3
"""Of the rows that are judged together: of a column's days, which come again and again, each is then looked at less
often."""


@dataclass(slots=True)
class Quantities:
    """Beside the numbers, whether they come with units."""

    numbers: NumberTally = field(default_factory=NumberTally)
    with_unit: int = 0
    bare: int = 0
    bare_sample: Place | None = None
    currencies: int = 0

    def add_quantity(self, cell: object, count: int, row_no: int) -> None:
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            self._bare(str(cell), count, row_no)
        elif isinstance(cell, str) and PLAIN_NUMBER.fullmatch(cell):
            self.numbers.add(cell, count, row_no)
            self._bare(cell, count, row_no)
        elif isinstance(cell, str) and (written := read_quantity(cell)) is not None:
            self.numbers.add(written.number, count, row_no)
            if written.unit:
                self.with_unit += count
            else:
                self._bare(written.number, count, row_no)

    def _bare(self, text: str, count: int, row_no: int) -> None:
        self.bare += count
        self.bare_sample = self.bare_sample or (text, row_no)

    def add_amount(self, cell: object, count: int, row_no: int) -> None:
        if isinstance(cell, str) and PLAIN_NUMBER.fullmatch(cell):
            self.numbers.add(cell, count, row_no)
        elif isinstance(cell, str) and (written := read_amount(cell)) is not None:
            self.numbers.add(written.number, count, row_no)
            self.currencies += count if written.currency else 0


_Add = Callable[[object, int, int], None]
_FORMS: dict[str, Forms] = {
    "quantity": forms_of_numbers,
    "amount": forms_of_numbers,
    "identifier": forms_of_identifiers,
    "cas": forms_of_cas,
}
"""By the kind of a column."""


class Tallies:
    """A tally for each column that may need one, filled in one pass."""

    def __init__(self, columns: ColumnMap) -> None:
        self.dates: dict[str, DateTally] = {}
        self.quantities: dict[str, Quantities] = {}
        self.amounts: dict[str, Quantities] = {}
        self.identifiers: dict[str, IdentifierTally] = {}
        self.cas: dict[str, CasTally] = {}
        self._record = columns.record
        self._adds: list[tuple[int, _Add, Forms | None]] = []
        for column, kind in columns.record.written.items():
            position = columns.positions.get(column)
            add = None if position is None else self._tally(column, kind)
            if position is not None and add is not None:
                self._adds.append((position, add, _FORMS.get(kind)))

    def _tally(self, column: str, kind: str) -> _Add | None:
        if kind in ("date", "expiry", "moment"):
            self.dates[column] = DateTally()
            return self.dates[column].add
        if kind == "quantity":
            self.quantities[column] = Quantities()
            return self.quantities[column].add_quantity
        if kind == "amount":
            self.amounts[column] = Quantities()
            return self.amounts[column].add_amount
        if kind == "identifier":
            is_optional = not self._record.row_model.model_fields[column].is_required()
            codes = self.identifiers[column] = IdentifierTally(is_optional=is_optional)
            return lambda cell, count, _: codes.add(cell, count)
        if kind == "cas":
            cas = self.cas[column] = CasTally()
            return lambda cell, count, _: cas.add(cell, count)
        return None

    def fill(self, source: Looking) -> None:
        """Equal cells of some thousand rows are looked at once."""
        batches = source.batches()
        if batches is not None:
            for batch in gathered(batches, _TIMES_AS_MANY):
                for position, add, forms in self._adds:
                    for found in counted(batch, position, forms):
                        add(*found)
            return
        rows = iter(source)
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            for position, add, _ in self._adds:
                cells = ((row_no, cells[position] if position < len(cells) else None) for row_no, cells in chunk)
                for found in counted_cells(cells):
                    add(*found)
