"""A run of a table's rows as columns.

Belongs here: what of a file is read at once, as columns and as rows. Not here: where it comes from (reading), what
becomes of it (conventions, bulk).
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from hub_pipelines.validate.model import Cell, Row, Unreadable

if TYPE_CHECKING:
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

    def arrow(self) -> "pyarrow.StringArray":
        """Blank cells are null. Raises Unreadable as `cells` does."""
        import pyarrow
        from pyarrow import compute

        offsets = pyarrow.py_buffer(bytes(4) + self.ends)
        texts = pyarrow.StringArray.from_buffers(len(self), offsets, pyarrow.py_buffer(self.data))
        try:
            # what a hostile file may have made of the child must not lead Arrow beyond its buffers
            texts.validate(full=True)
        except pyarrow.ArrowInvalid as error:
            raise damaged(f"its reader answered nonsense: {error}") from error
        return compute.if_else(compute.equal(compute.binary_length(texts), 0), None, texts)


Column = Texts | list[Cell]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows' numbers and their cells by column, all of one length.

    `beyond` has, by place in this batch, the cells of rows that reach beyond the last column.
    """

    numbers: Sequence[int]
    columns: Sequence[Column]
    beyond: dict[int, list[Cell]] = field(default_factory=dict)

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
