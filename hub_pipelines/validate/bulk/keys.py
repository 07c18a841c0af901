"""Which rows take which keys, of many rows at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hub_pipelines.common.columns import listed, places_in
from hub_pipelines.validate.bulk.tags import Places
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
    """Which rows took which keys. `each_alone`: each takes its own, whatever others have."""

    def __init__(self, record: RecordType, *, each_alone: bool = False) -> None:
        self._record = record
        self._each_alone = each_alone
        self._takers: _Takers | None = None

    def take(
        self,
        values: dict[str, Any],
        at_once: "numpy.ndarray[Any, Any]",
        judged: dict[int, JudgedRow],
        numbers: "numpy.ndarray[Any, Any]",
        places: Places | None = None,
    ) -> Taken:
        """`places` are those of the rows' tags in the registry, where it is asked as a whole."""
        import numpy
        import pyarrow
        from pyarrow import compute

        columns = [compute.fill_null(values[name], "None") for name in self._record.key_columns]
        keys = columns[0] if len(columns) == 1 else compute.binary_join_element_wise(*columns, "|")
        mask = pyarrow.array(~at_once)
        own = [row.key if row.is_good() else None for row in judged.values()]
        keys = compute.replace_with_mask(keys, mask, pyarrow.array(own, pyarrow.string()))
        is_there = compute.is_valid(keys).to_numpy(zero_copy_only=False)
        by = numpy.where(is_there, numbers, 0)
        if not self._each_alone:
            known = compute.if_else(mask, None, places.of_rows).filter(is_there) if places is not None else None
            by[is_there] = self._chosen(places).first(keys.drop_null(), numbers[is_there], known)
        return Taken(keys, by, numpy.flatnonzero(is_there & at_once & (by != numbers)))

    def _chosen(self, places: Places | None) -> "_Takers":
        """As the first batch tells: a key that is a tag is known by its place in the registry."""
        if self._takers is None:
            is_tag = places is not None and self._record.key_columns == (self._record.tag_column,)
            self._takers = _ByPlace(places.ordered) if places is not None and is_tag else _ByText()
        return self._takers

    def holders(self, keys: Collection[str]) -> dict[str, int]:
        """Of these keys, those that a row has taken so far, and its number."""
        return self._takers.holders(keys) if self._takers is not None and keys else {}


class _Takers(Protocol):
    def first(self, keys: Any, numbers: "numpy.ndarray[Any, Any]", known: Any) -> "numpy.ndarray[Any, Any]":
        """For each key of some rows, whose numbers these are, the number of the row that took it first. `known` are
        the places of keys in the registry, null where they were not looked for; None where it is not at hand."""

    def holders(self, keys: Collection[str]) -> dict[str, int]: ...


class _ByText:
    """Of each key the memory holds its bytes and a number."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, numpy.ndarray[Any, Any]]] = []

    def first(self, keys: Any, numbers: "numpy.ndarray[Any, Any]", _known: Any) -> "numpy.ndarray[Any, Any]":
        import numpy
        from pyarrow import compute

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

    def holders(self, keys: Collection[str]) -> dict[str, int]:
        import pyarrow
        from pyarrow import compute

        wanted = pyarrow.array(list(keys), pyarrow.string())
        found: dict[str, int] = {}
        for taken, rows in self._before:
            hits = compute.is_in(taken, value_set=wanted)
            numbers = rows[hits.to_numpy(zero_copy_only=False)]
            found.update(zip(taken.filter(hits).to_pylist(), numbers.tolist(), strict=True))
        return found


class _ByPlace:
    """Of each registered tag the memory holds the number of the row that took it; a file's rows cost nothing more. A
    tag that was registered since the list was made has no place there, and is held by its text."""

    def __init__(self, ordered: Any) -> None:
        import numpy

        self._ordered = ordered
        # 0: nobody has; the last row of as many parts as are read has a number below 2^31 (parsing/joining.py)
        self._takers = numpy.zeros(len(ordered), numpy.int32)
        self._others = _ByText()

    def first(self, keys: Any, numbers: "numpy.ndarray[Any, Any]", known: Any) -> "numpy.ndarray[Any, Any]":
        import numpy
        from pyarrow import compute

        unknown = compute.is_null(known)
        found = compute.replace_with_mask(known, unknown, places_in(self._ordered, keys.filter(unknown)))
        has_place = compute.is_valid(found).to_numpy(zero_copy_only=False)
        places, mine = found.drop_null().to_numpy(zero_copy_only=False), numbers[has_place]
        is_new = self._takers[places] == 0
        # of several the last assignment stays
        self._takers[places[is_new][::-1]] = mine[is_new][::-1]
        first = numpy.empty(len(numbers), numpy.int64)
        first[has_place] = self._takers[places]
        if not has_place.all():
            first[~has_place] = self._others.first(keys.filter(compute.is_null(found)), numbers[~has_place], None)
        return first

    def holders(self, keys: Collection[str]) -> dict[str, int]:
        import pyarrow

        texts = list(keys)
        places = places_in(self._ordered, pyarrow.array(texts, pyarrow.string())).to_pylist()
        found = {text: int(self._takers[at]) for text, at in zip(texts, places, strict=True) if at is not None}
        return {**{text: number for text, number in found.items() if number}, **self._others.holders(keys)}


class BadKeys:
    """The keys of rows that are not good, each with the number of the first row that has it. A million rows may have
    many, and each batch of rows asks for all of its own keys at once."""

    def __init__(self) -> None:
        import numpy
        import pyarrow

        self._keys = pyarrow.array([], pyarrow.string())
        self._rows = numpy.array([], numpy.int64)

    def among(self, *keys: Any) -> dict[str, int]:
        """Of these columns of keys those that are held, each with its row."""
        import pyarrow
        from pyarrow import compute

        if not len(self._rows):
            return {}
        hits = compute.is_in(self._keys, value_set=pyarrow.concat_arrays(keys))
        rows = self._rows[hits.to_numpy(zero_copy_only=False)]
        return dict(zip(listed(self._keys.filter(hits)), rows.tolist(), strict=True))

    def add(self, keys: Mapping[str, int]) -> None:
        """Keys that are not held yet."""
        import numpy
        import pyarrow

        if keys:
            self._keys = pyarrow.concat_arrays([self._keys, pyarrow.array(list(keys), pyarrow.string())])
            self._rows = numpy.concatenate([self._rows, numpy.array(list(keys.values()), numpy.int64)])


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
        _places: Places | None = None,
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
