"""What is said of rows that name one item when some of them are not taken.

Belongs here: so that a sender hears of a repeat at once, and not when the first of the rows is mended. Not here: which
row takes a key (service.py, bulk/keys.py). The file's rows are asked about in order.
"""

from collections.abc import Mapping, Sequence

from hub_pipelines.validate.judged import JudgedRow
from hub_pipelines.validate.model import Part, Problem, RecordType, row_place

REPEATED = "repeated_in_file"
_FIX = "Keep one row for it, or correct the one that is wrong"


class Repeats:
    """Remembers the keys of rows that are not good, as far as they can be told. Of lines that may be alike none.

    `bad` are those that are known already, each with the first row that has it."""

    def __init__(self, record: RecordType, parts: Sequence[Part] = (), bad: Mapping[str, int] | None = None) -> None:
        self.record = record
        self._parts = parts
        self._called = " and ".join(column.replace("_", " ") for column in record.key_columns)
        self._bad = dict(bad or {})

    @property
    def bad(self) -> dict[str, int]:
        """By key the first row that has it and is not good."""
        return self._bad

    def key_of_bad(self, row: JudgedRow) -> str | None:
        """None where a part of the key is itself wrong or missing."""
        if self.record.lines is not None:
            return None
        values = row.sound if row.values is None else row.values
        if row.values is None and any(values.get(column) is None for column in self.record.key_columns):
            return None
        return self.record.key_of(values)

    def repeated(self, key: str, first: int) -> Problem:
        """Of a good row whose key an earlier one has."""
        reason = f"Row {self._place(first)} of this file already has this {self._called}, and only that row counts."
        return Problem(REPEATED, self.record.key_columns[0], key, reason, _FIX)

    def tell_bad(self, row: JudgedRow, key: str, first: int | None) -> None:
        """`first` is the good row that has the key, if any."""
        earlier = self._bad.setdefault(key, row.row_no)
        if first is not None:
            row.problems.append(self.repeated(key, first))
        elif earlier != row.row_no:
            other = f"Row {self._place(earlier)} of this file has this {self._called} too"
            reason = f"{other}, and only one of both rows can count."
            row.problems.append(Problem(REPEATED, self.record.key_columns[0], key, reason, _FIX))

    def tell_good(self, row: JudgedRow) -> None:
        """Of a good row that has taken its key."""
        if row.key in self._bad:
            earlier = self._place(self._bad[row.key])
            reason = (
                f"Row {earlier} of this file, which was not taken, has this {self._called} too. This row counts now; "
                f"once row {earlier} is mended, only row {earlier} does."
            )
            row.problems.append(Problem("repeats_a_bad_row", self.record.key_columns[0], row.key, reason, _FIX, "warn"))

    def _place(self, row_no: int) -> str:
        return row_place(row_no, self._parts)
