"""A sheet as rows of cells, whatever kind of file it came from.

Belongs here: the words that readers and layout share, and a row's cells as text. Not here: reading, and finding tables.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hub_pipelines.validate.parsing.blocks import Block, Singly
    from hub_pipelines.validate.parsing.packed import Packed

Cells = list[object]
"""Blank cells are "" here and None only when they leave the child."""
NumberedRow = tuple[int, Cells]
Ask = Callable[[Sequence[str]], list[str | None]]
"""Texts to the contract's columns that they name, or None each. The hub answers."""
Alive = Callable[[], None]
"""Tells the hub that work goes on; cheap."""
SHOWN = 120
"""So many characters of a row are shown to people."""


@dataclass(frozen=True)
class Span:
    """Merged cells: rows from 1, columns from 0 within the grid's rows, all inclusive."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass
class SheetFacts:
    """What people should know of a sheet, beside its cells."""

    hidden_rows: list[tuple[int, int]] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    uncalculated: int = 0
    """Formulas without a stored value."""
    filled_down: int = 0
    """Merged blocks over several rows."""


class Grid(Protocol):
    """One sheet. `rows` begins anew each time; `first_column` is where its rows' first cell stands."""

    @property
    def name(self) -> str | None: ...

    @property
    def first_column(self) -> int: ...

    @property
    def spans(self) -> Sequence[Span]: ...

    @property
    def facts(self) -> SheetFacts: ...

    @property
    def loose(self) -> bool:
        """True: a row may have more cells than its neighbours by mistake (text files)."""

    def rows(self) -> Iterator[NumberedRow]:
        """Rows in order, blank ones may be left out. Raises Refusal."""

    def blocks(self) -> "Iterator[Block | Packed | Singly]":
        """The same rows, of which many may be had at once. Each block is read before the next is asked for."""


def is_blank(cell: object) -> bool:
    return cell == "" or (isinstance(cell, str) and not cell.strip())


def text_of(cell: object) -> str:
    """A cell as a heading or a title shows it; a NUL, which a workbook may have there, is in no text of the hub."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return " ".join(str(cell).split()).replace("\0", "\ufffd")


def filled(cells: Cells) -> list[int]:
    """The places of the cells that are not blank."""
    return [at for at, cell in enumerate(cells) if not is_blank(cell)]


def texts_of(cells: Cells) -> list[str]:
    """Up to the last cell that is not blank."""
    texts = ["" if is_blank(cell) else text_of(cell) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def folded(cells: Cells) -> list[str]:
    return [text.casefold() for text in texts_of(cells)]


def shown(cells: Cells) -> str:
    """The beginning of a row, for people."""
    return " | ".join(text_of(cell) for cell in cells if not is_blank(cell))[:SHOWN]
