"""A run of a table's rows as columns.

Belongs here: what of a file is read at once, as columns and as rows. Not here: where it comes from (reading), what
becomes of it (conventions, bulk).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hub_pipelines.validate.model import Cell, Row, Unreadable

if TYPE_CHECKING:
    import numpy
    import pyarrow


class Texts:
    """A column's cells where all are text, of one form or the other: in UTF-8, with a zero byte between a cell and the
    next, or as pyarrow.StringArray, as it stays once it was looked at as such."""

    __slots__ = ("_held",)

    def __init__(self, held: "bytes | pyarrow.StringArray") -> None:
        self._held = held

    @staticmethod
    def of(data: bytes, ends: bytes) -> "Texts":
        """From the bytes of all cells, and where each ends in them (32-bit integers, in the machine's own order).
        Raises ValueError where they are no such column."""
        import numpy

        offsets = numpy.frombuffer(bytes(4) + ends, numpy.int32)
        return Texts(_array_of(data, offsets))

    def __len__(self) -> int:
        return self._held.count(b"\0") + 1 if isinstance(self._held, bytes) else len(self._held)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self._held) if isinstance(self._held, bytes) else int(self._held.nbytes)

    def cells(self) -> list[Cell]:
        """Blank cells are None. Raises Unreadable where the bytes are no text."""
        if not isinstance(self._held, bytes):
            cells: list[Cell] = self._held.to_pylist()
            return cells
        try:
            texts = self._held.decode("utf-8").split("\0")
        except UnicodeDecodeError as error:
            raise _no_text(error) from error
        # most columns have no blank cell
        return [text or None for text in texts] if "" in texts else list(texts)

    def letters(self) -> "tuple[bytes, numpy.ndarray[Any, Any]]":
        """The bytes of all cells, and where each begins and the last one ends. Raises Unreadable as `cells` does."""
        import numpy

        array = self.arrow()
        _, ends, data = array.buffers()
        offsets = numpy.frombuffer(ends, numpy.int32, count=len(array) + 1, offset=4 * array.offset)
        return b"" if data is None else data.to_pybytes(), offsets

    def arrow(self) -> "pyarrow.StringArray":
        """Blank cells are null. Raises Unreadable as `cells` does."""
        if isinstance(self._held, bytes):
            self._held = _as_array(self._held)
        return self._held


def _as_array(data: bytes) -> "pyarrow.StringArray":
    import numpy
    import pyarrow

    between = numpy.flatnonzero(numpy.frombuffer(data, numpy.uint8) == 0)
    count = len(between) + 1
    offsets = numpy.zeros(count + 1, numpy.int32)
    offsets[1:-1] = between - numpy.arange(count - 1)
    offsets[-1] = len(data) - count + 1
    try:
        return _array_of(data.translate(None, b"\0"), offsets)
    except pyarrow.ArrowInvalid as error:
        raise _no_text(error) from error


def _array_of(data: bytes, offsets: "numpy.ndarray[Any, Any]") -> "pyarrow.StringArray":
    """Raises ArrowInvalid, a ValueError: what a hostile file may have made of the child must not lead Arrow beyond its
    buffers."""
    import numpy
    import pyarrow

    blank = offsets[1:] == offsets[:-1]
    # pyarrow.array would do it, and load pandas first
    valid = pyarrow.py_buffer(numpy.packbits(~blank, bitorder="little")) if blank.any() else None
    ends, letters = pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)
    array = pyarrow.StringArray.from_buffers(len(blank), ends, letters, valid, int(blank.sum()))
    array.validate(full=True)
    return array


def _no_text(error: Exception) -> Unreadable:
    return damaged(f"its reader answered nonsense: {error}")


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
        rows = map(list, zip(*columns, strict=True) if columns else [()] * len(self.numbers))
        if not self.beyond:
            yield from zip(self.numbers, rows, strict=True)
            return
        for at, (number, cells) in enumerate(zip(self.numbers, rows, strict=True)):
            yield number, cells + self.beyond.get(at, [])


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


@runtime_checkable
class Countable(Protocol):
    """Rows that need not be made to be counted; each call begins anew."""

    def counts(self) -> Iterator[int]: ...


def counts_of(rows: Iterable[Row]) -> Iterator[int]:
    """How many rows there are, so many at a time."""
    return rows.counts() if isinstance(rows, Countable) else (1 for _ in rows)


_ALL_TEXT = frozenset({str, type(None)})
ROWS_AT_ONCE = 25_000
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


def gathered(batches: Iterable[Batch], times: int = 1) -> Iterator[Gathered]:
    """So many rows as are judged together, or `times` as many where all cells are text and short."""
    frames: list[Batch] = []
    rows = size = 0
    most = times * ROWS_AT_ONCE
    for batch in batches:
        frames.append(batch)
        rows += len(batch.numbers)
        texts = [one.size for one in batch.columns if isinstance(one, Texts)]
        size += sum(texts)
        if len(texts) < len(batch.columns):
            most = ROWS_AT_ONCE  # how large its other cells are nobody has told
        if rows >= most or size >= _BYTES_AT_ONCE:
            yield Gathered(frames)
            frames, rows, size = [], 0, 0
    if frames:
        yield Gathered(frames)
