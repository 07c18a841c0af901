"""Which rows take which keys, of many rows at once."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.judged import JudgedRow
from hub_pipelines.validate.model import RecordType

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True, slots=True)
class Taken:
    """`by` is what service.verdict_of takes. `again` are rows, judged at once, whose key an earlier row has."""

    keys: Any
    by: "numpy.ndarray[Any, Any]"
    again: "numpy.ndarray[Any, Any]"


class Keys:
    """Which rows took which keys; of each the memory holds its bytes and a number. `each_alone`: each takes its own,
    whatever others have."""

    def __init__(self, record: RecordType, *, each_alone: bool = False) -> None:
        self._record = record
        self._each_alone = each_alone
        self._before: list[tuple[Any, numpy.ndarray[Any, Any]]] = []

    def take(
        self,
        values: dict[str, Any],
        at_once: "numpy.ndarray[Any, Any]",
        judged: dict[int, JudgedRow],
        numbers: "numpy.ndarray[Any, Any]",
    ) -> Taken:
        import numpy
        import pyarrow
        from pyarrow import compute

        columns = [compute.fill_null(values[name], "None") for name in self._record.key_columns]
        keys = columns[0] if len(columns) == 1 else compute.binary_join_element_wise(*columns, "|")
        mask = pyarrow.array(~at_once)
        own = [row.key if row.is_good() else None for row in judged.values()]
        keys = compute.replace_with_mask(keys, mask, pyarrow.array(own, pyarrow.string()))
        is_there = compute.is_valid(keys).to_numpy(zero_copy_only=False)
        by = numpy.zeros(len(numbers), numpy.int64)
        by[is_there] = self._first(keys.drop_null(), numbers[is_there])
        return Taken(keys, by, numpy.flatnonzero(is_there & at_once & (by != numbers)))

    def holders(self, keys: Collection[str]) -> dict[str, int]:
        """Of these keys, those that a row has taken so far, and its number."""
        import pyarrow
        from pyarrow import compute

        wanted = pyarrow.array(list(keys), pyarrow.string())
        found: dict[str, int] = {}
        for taken, rows in self._before if keys else ():
            hits = compute.is_in(taken, value_set=wanted)
            numbers = rows[hits.to_numpy(zero_copy_only=False)]
            found.update(zip(taken.filter(hits).to_pylist(), numbers.tolist(), strict=True))
        return found

    def _first(self, keys: Any, numbers: "numpy.ndarray[Any, Any]") -> "numpy.ndarray[Any, Any]":
        """For each key the number of the row that took it first."""
        import numpy
        from pyarrow import compute

        if self._each_alone:
            return numbers
        coded = keys.dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False)
        takers = numpy.empty(len(coded.dictionary), numpy.int64)
        # of several the last assignment stays
        takers[codes[::-1]] = numbers[::-1]
        is_new = numpy.ones(len(takers), bool)
        for earlier, rows in self._before:
            at = compute.index_in(earlier, value_set=coded.dictionary)
            hits = compute.is_valid(at).to_numpy(zero_copy_only=False)
            where = at.drop_null().to_numpy(zero_copy_only=False)
            takers[where] = rows[hits]
            is_new[where] = False
        self._before.append((coded.dictionary.filter(is_new), takers[is_new]))
        first: numpy.ndarray[Any, Any] = takers[codes]
        return first


class Lines:
    """Keys of lines that may be alike: each further one has its number, unless each stands alone."""

    def __init__(self, record: RecordType, *, each_alone: bool = False) -> None:
        self._record = record
        self._each_alone = each_alone
        self._counts: dict[str, int] = {}

    def take(
        self,
        values: dict[str, Any],
        at_once: "numpy.ndarray[Any, Any]",
        judged: dict[int, JudgedRow],
        numbers: "numpy.ndarray[Any, Any]",
    ) -> Taken:
        import numpy
        import pyarrow

        names = self._record.key_columns
        columns = [values[name].to_pylist() for name in names]
        keys: list[str | None] = []
        by = numpy.zeros(len(numbers), numpy.int64)
        for at, (is_simple, row) in enumerate(zip(at_once.tolist(), zip(*columns, strict=True), strict=True)):
            key = self._record.key_of(made := dict(zip(names, row, strict=True))) if is_simple else None
            if not is_simple and judged[at].is_good():
                key = judged[at].key
            if key is not None:
                number = by[at] = 1 if self._each_alone else self._next(key)
                key = self._record.key_of(made, number) if number > 1 and is_simple else key
            keys.append(key)
        return Taken(pyarrow.array(keys, pyarrow.string()), by, numpy.array([], numpy.int64))

    def _next(self, key: str) -> int:
        number = self._counts[key] = self._counts.get(key, 0) + 1
        return number
