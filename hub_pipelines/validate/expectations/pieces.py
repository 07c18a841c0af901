"""A large day is judged some columns and some rows at a time (decisions/0078).

Belongs here: which promises and rows go together, and making one result of those of the parts. Not here: judging one
part (judging).
"""

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.expectations.entries import Entries, Surroundings
from hub_pipelines.validate.expectations.frames import frame_of
from hub_pipelines.validate.expectations.judging import EXAMPLES_ASKED, judge_frame
from hub_pipelines.validate.expectations.promises import ROW_COUNT, UNIQUE, Promise
from hub_pipelines.validate.model import RecordType

if TYPE_CHECKING:
    import pandas

_CELLS_AT_ONCE, _ROWS_AT_ONCE = 1_000_000, 500_000
"""So many are judged together: of a usual day all, of a million entries some columns of one half. Great Expectations
takes up to 300 bytes for each cell."""
_CELLS_WORTH_A_SEARCH = 100_000
"""Looking for what nobody refers to takes a quarter of a second, however little there is."""
_OF_ALL_ROWS = frozenset({UNIQUE, ROW_COUNT})
"""Where there are parts, each is judged alone, for it has its own; the others are true or not of each row."""
_COUNTS = ("element_count", "missing_count", "unexpected_count")


def judge_in_pieces(
    record: RecordType, entries: Entries, promises: list[Promise], around: Surroundings
) -> dict[int, Mapping[str, Any]]:
    """Great Expectations' result of each promise that is to be judged, by its position."""
    numbered = [(number, one) for number, one in enumerate(promises) if one.unjudged is None]
    answers: dict[int, Mapping[str, Any]] = {}
    for group in _groups(numbered, entries.count):
        names = dict.fromkeys(name for _, promise in group for name in promise.columns)
        parts = list(_judged(_parts(record, entries, names, around, group[0][1]), group))
        answers.update((number, _merged([part[number] for part in parts])) for number, _ in group)
    return answers


def _groups(numbered: Iterable[tuple[int, Promise]], count: int) -> Iterator[list[tuple[int, Promise]]]:
    """Promises that are judged together, so that the columns that they are about find room in memory."""
    alone = _OF_ALL_ROWS if count > _ROWS_AT_ONCE else frozenset()
    for _, of_kind in groupby(numbered, key=lambda item: item[0] if item[1].expectation in alone else None):
        group: list[tuple[int, Promise]] = []
        names: frozenset[str] = frozenset()
        for number, promise in of_kind:
            wider = names.union(promise.columns)
            if group and len(wider) > len(names) and len(wider) * min(count, _ROWS_AT_ONCE) > _CELLS_AT_ONCE:
                yield group
                group, wider = [], frozenset(promise.columns)
            group.append((number, promise))
            names = wider
        yield group


def _judged(
    parts: "Iterator[pandas.DataFrame]", group: list[tuple[int, Promise]]
) -> Iterator[dict[int, Mapping[str, Any]]]:
    """The results of one part after the other; nobody has a part any more when its memory is given back."""
    for part in parts:
        judged = judge_frame(part, group)
        is_large = part.size > _CELLS_WORTH_A_SEARCH
        del part
        if is_large:
            _give_memory_back()
        yield judged


def _parts(
    record: RecordType, entries: Entries, names: Collection[str], around: Surroundings, promise: Promise
) -> "Iterator[pandas.DataFrame]":
    """The rows in as many parts as they need; of what must be unique, all that are equal in the same part."""
    parts: Iterable[pandas.DataFrame]
    if promise.expectation == UNIQUE and entries.count > _ROWS_AT_ONCE:
        frame = frame_of(record, entries, names, around)
        part_of = _equal_together(frame[promise.columns[-1]], -(-entries.count // _ROWS_AT_ONCE))
        parts = (frame[part_of == number] for number in part_of.unique())
    elif promise.expectation == ROW_COUNT:
        parts = (frame_of(record, entries, names, around) for _ in range(1))  # a list would keep it
    else:
        parts = (
            frame_of(record, entries, names, around, slice(first, first + _ROWS_AT_ONCE))
            for first in range(0, entries.count, _ROWS_AT_ONCE)
        )
    yield from parts


def _equal_together(values: "pandas.Series[Any]", count: int) -> "pandas.Series[Any]":
    """Of each value the number of its part."""
    codes = values if values.dtype.kind == "i" else values.str[-2:].astype("category").cat.codes
    return codes % count


def _merged(parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What Great Expectations would say of all rows, by what it says of some and the others."""
    if len(parts) == 1:
        return parts[0]
    sums = {name: sum(int(one.get(name) or 0) for one in parts) for name in _COUNTS}
    judged = sums["element_count"] - sums["missing_count"]
    examples = [value for one in parts for value in one.get("partial_unexpected_list") or ()]
    return {
        **sums,
        "success": all(one["success"] for one in parts),
        "unexpected_percent": sums["unexpected_count"] / judged * 100 if judged else None,
        "partial_unexpected_list": examples[:EXAMPLES_ASKED],
    }


def _give_memory_back() -> None:
    """To the machine; Arrow and Python's cycles would keep it for later."""
    import pyarrow

    gc.collect()
    pyarrow.default_memory_pool().release_unused()
