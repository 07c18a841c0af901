"""A run of a table's rows as columns.

Belongs here: what of a file is read at once, as columns and as rows. Not here: where it comes from (reading), what
becomes of it (conventions, bulk).
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hub_pipelines.validate.model import Cell, Row, Unreadable

if TYPE_CHECKING:
    import numpy
    import pyarrow


@dataclass(frozen=True, slots=True)
class Texts:
    """A column's cells where all are text: their bytes in UTF-8, and where each ends in them. A blank cell has none."""

    data: bytes
    ends: bytes
    """32-bit integers, in the machine's own order."""

    def __len__(self) -> int:
        count, rest = divmod(len(self.ends), 4)
        if rest:
            raise ValueError("ends that are no integers")
        return count

    def cells(self) -> list[Cell]:
        """Raises Unreadable where the bytes and ends are no such column."""
        ends = array("i", self.ends)
        starts = [0, *ends[:-1]]
        try:
            text = self.data.decode("utf-8")
            if len(text) == len(self.data):
                return [text[start:end] or None for start, end in zip(starts, ends, strict=True)]
            return [self.data[start:end].decode("utf-8") or None for start, end in zip(starts, ends, strict=True)]
        except UnicodeDecodeError as error:
            raise damaged(f"its reader answered nonsense: {error}") from error

    def offsets(self) -> "numpy.ndarray[Any, Any]":
        """Where each cell begins, and the last one ends. Raises Unreadable where that is not within the bytes."""
        import numpy

        offsets = numpy.frombuffer(bytes(4) + self.ends, numpy.int32)
        if (offsets[1:] < offsets[:-1]).any() or offsets[-1] > len(self.data):
            raise damaged("its reader answered nonsense: cells that end before they begin")
        return offsets

    def arrow(self) -> "pyarrow.StringArray":
        """Blank cells are null. Raises Unreadable as `cells` does."""
        import numpy
        import pyarrow

        count, offsets = len(self), bytes(4) + self.ends
        ends = numpy.frombuffer(offsets, numpy.int32)
        blank = ends[1:] == ends[:-1]
        valid = pyarrow.array(~blank).buffers()[1] if blank.any() else None
        texts = pyarrow.StringArray.from_buffers(
            count, pyarrow.py_buffer(offsets), pyarrow.py_buffer(self.data), valid, int(blank.sum())
        )
        try:
            # what a hostile file may have made of the child must not lead Arrow beyond its buffers
            texts.validate(full=True)
        except pyarrow.ArrowInvalid as error:
            raise damaged(f"its reader answered nonsense: {error}") from error
        return texts


Column = Texts | list[Cell]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows' numbers and their cells by column, all of one length.

    `beyond` has, by place in this batch, the cells of rows that reach beyond the last column. `others` has of each row,
    where there is any, what it keeps beside its columns: an object of texts in canonical JSON, or None.
    """

    numbers: Sequence[int]
    columns: Sequence[Column]
    beyond: dict[int, list[Cell]] = field(default_factory=dict)
    others: Sequence[str | None] = ()

    def rows(self) -> Iterator[Row]:
        columns = [one.cells() if isinstance(one, Texts) else one for one in self.columns]
        rows = zip(*columns, strict=True) if columns else iter([()] * len(self.numbers))
        for at, (number, cells) in enumerate(zip(self.numbers, rows, strict=True)):
            yield number, [*cells, *self.beyond[at]] if at in self.beyond else list(cells)


def damaged(why: str) -> Unreadable:
    return Unreadable(
        f"The file cannot be read; it seems to be damaged ({why[:200]}).",
        "Open it in Excel, save it as a new .xlsx file and send that file. If Excel can't open it either, "
        "export it again where it came from.",
    )


@runtime_checkable
class InBatches(Protocol):
    """Rows that may be had as columns too; each call begins anew."""

    def __iter__(self) -> Iterator[Row]: ...

    def batches(self) -> Iterator[Batch] | None: ...


def batches_of(rows: Iterable[Row]) -> Iterator[Batch] | None:
    """None for rows that are changed one by one on their way, as a migration does."""
    return rows.batches() if isinstance(rows, InBatches) else None


_ALL_TEXT = frozenset({str, type(None)})
ROWS_AT_ONCE = 60_000
_BYTES_AT_ONCE = 16 * 1024 * 1024


class Gathered:
    """Batches as one, for looking at many cells at once."""

    def __init__(self, frames: Sequence[Batch]) -> None:
        self._frames = frames
        self.numbers = [number for frame in frames for number in frame.numbers]
        self.beyond: dict[int, list[Cell]] = {}
        self.others = [other for frame in frames for other in frame.others]
        self._columns: dict[int, Any] = {}
        start = 0
        for frame in frames:
            self.beyond |= {start + at: cells for at, cells in frame.beyond.items()}
            start += len(frame.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def cells(self, at: int) -> list[Cell]:
        if at >= len(self._frames[0].columns):
            return [None] * len(self)
        parts = (frame.columns[at] for frame in self._frames)
        return [cell for part in parts for cell in (part.cells() if isinstance(part, Texts) else part)]

    def column(self, at: int) -> Any:
        """As pyarrow.StringArray, blank cells null; as a list of cells where not all are text.

        A column behind the file's own is blank.
        """
        if at not in self._columns:
            self._columns[at] = self._column(at)
        return self._columns[at]

    def _column(self, at: int) -> Any:
        import pyarrow

        if at >= len(self._frames[0].columns):
            return pyarrow.nulls(len(self), pyarrow.string())
        parts = [frame.columns[at] for frame in self._frames]
        if any(not isinstance(part, Texts) and not _ALL_TEXT.issuperset(map(type, part)) for part in parts):
            return self.cells(at)
        texts = [part.arrow() if isinstance(part, Texts) else pyarrow.array(part, pyarrow.string()) for part in parts]
        return pyarrow.concat_arrays(texts)

    def cells_at(self, at: int, places: Sequence[int]) -> list[Cell]:
        import pyarrow

        column = self.column(at)
        if isinstance(column, list):
            return [column[place] for place in places]
        cells: list[Cell] = column.take(pyarrow.array(places, pyarrow.int64())).to_pylist()
        return cells

    def rows(self, places: Sequence[int]) -> Iterator[Row]:
        """The rows at these places of this batch."""
        columns = [self.cells_at(at, places) for at in range(len(self._frames[0].columns))]
        for place, cells in zip(places, zip(*columns, strict=True), strict=True):
            yield self.numbers[place], [*cells, *self.beyond.get(place, ())]


def gathered(batches: Iterable[Batch]) -> Iterator[Gathered]:
    frames: list[Batch] = []
    rows = size = 0
    for batch in batches:
        frames.append(batch)
        rows += len(batch.numbers)
        size += sum(len(one.data) for one in batch.columns if isinstance(one, Texts))
        if rows >= ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield Gathered(frames)
            frames, rows, size = [], 0, 0
    if frames:
        yield Gathered(frames)
