"""What the hub itself puts into a workbook that it returns: its sheets, their headings, numbers of rows.

Belongs here: the names by which its writer and its readers agree, and taking off the numbers. Not here: the sheets of a
workbook that comes back (parsing.joining), whether its mark is genuine (report.workbook.token), what answers lead to.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hub_pipelines.validate.model import Cell, Row, Table, Unreadable, excel_row
from hub_pipelines.validate.parsing.joining import OWN_SHEET as TOKEN_SHEET
from hub_pipelines.validate.parsing.joining import QUESTIONS, READ_ME

__all__ = [
    "FIX_HEADING",
    "OWN_SHEETS",
    "QUESTIONS",
    "QUESTION_HEADINGS",
    "READ_ME",
    "ROW_HEADING",
    "TOKEN_SHEET",
    "holds_only_rows_to_fix",
    "no_count",
    "numbers_told",
    "require_mark",
    "rows_astray",
    "without_row_numbers",
]

OWN_SHEETS = frozenset({READ_ME, QUESTIONS, TOKEN_SHEET})
ROW_HEADING = "Row in your file"
"""Heads the first column of a workbook that holds only the rows to be fixed."""
FIX_HEADING = "What to fix (by the hub)"
"""Heads its last column, behind the data."""
_DIGITS = 9
"""No file has a row of more."""
QUESTION_HEADINGS = ("Id", "Question", "What we found", "Your answer")


def holds_only_rows_to_fix(table: Table) -> bool:
    return table.returned is not None and bool(table.header) and table.header[0] == ROW_HEADING


def require_mark(table: Table) -> None:
    """Raises Unreadable for the rows to be fixed that come without the hidden mark, saved as text for example: nobody
    would know whose rows their numbers are."""
    if table.returned is None and table.header and table.header[0] == ROW_HEADING:
        raise Unreadable(
            f"It has the column “{ROW_HEADING}” of a workbook that the hub gave back, and not the hidden mark by which "
            "the hub knows that workbook.",
            "Save it as an Excel workbook (.xlsx) under any name and drop that. To send these rows as a list of their "
            "own, delete that column.",
        )


def no_count(feed: str) -> Unreadable:
    """What is to be told of the rows to be fixed that came as a complete count: all other items would be missing."""
    return Unreadable(
        "It was sent as a complete count of a location, and it holds only the rows that were to be fixed.",
        f"Drop it into the folder {feed} itself: its rows are taken from there. To count again, send the whole list.",
    )


def without_row_numbers(table: Table) -> Table:
    """A returned workbook's table without the column of row numbers that the hub has put in front, and without what it
    says behind the data; else the same. Where somebody has put a column behind that one it is empty instead."""
    if not holds_only_rows_to_fix(table):
        return table
    last = len(table.header) - 1
    told = table.header.index(FIX_HEADING) if FIX_HEADING in table.header else None
    header, dropped = list(table.header[1:]), None
    if told is not None:
        header[told - 1 : told] = [] if told == last else [""]
        dropped = told if told == last else None
    parts = tuple(
        replace(
            part,
            first_column=part.first_column + 1,
            columns=tuple(at - 1 for at in part.columns[1:] if at != dropped),
        )
        for part in table.parts
    )
    rows = _Shifted(table.rows, told, is_last=told == last)
    return replace(table, header=header, rows=rows, parts=parts)


def numbers_told(table: Table) -> dict[int, int] | None:
    """By its number in a workbook that holds only the rows to be fixed, the number that a row has in the file that they
    are of, where it is told; None of any other table."""
    if not holds_only_rows_to_fix(table):
        return None
    told = ((row_no, str(cells[0]).partition(".")[0].strip()) for row_no, cells in table.rows if cells)
    return {row_no: int(number) for row_no, number in told if number.isdecimal() and len(number) <= _DIGITS}


def rows_astray(table: Table, whole: Table) -> tuple[int, int]:
    """Of the rows of a workbook that holds only those to be fixed of the `whole` list, how many have little in common
    with the row there whose number they tell; and how many tell one."""
    told = numbers_told(table) or {}
    places = {_heading(text): at for at, text in enumerate(whole.header)}
    columns = [(at, places[name]) for at, text in enumerate(table.header) if at and (name := _heading(text)) in places]
    rows: dict[int, list[tuple[int, list[str]]]] = defaultdict(list)
    for row_no, cells in table.rows:
        if row_no in told:
            rows[told[row_no]].append((row_no, [_compared(cells, at) for at, _ in columns]))
    own = {
        row_no
        for numbered, cells in whole.rows
        for row_no, said in rows.get(excel_row(numbered), ())
        if _have_much_in_common(said, [_compared(cells, at) for _, at in columns])
    }
    return len(told) - len(own), len(told)


def _heading(text: Cell) -> str:
    return str(text).strip().casefold()


def _compared(cells: Sequence[Cell], at: int) -> str:
    """A cell as it is compared, whichever program has saved it."""
    text = str(cells[at]).strip().casefold() if at < len(cells) and cells[at] is not None else ""
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text.removesuffix(" 00:00:00")


def _have_much_in_common(one: Sequence[str], other: Sequence[str]) -> bool:
    """A third of what either says: some of it was mended."""
    said = [(first, second) for first, second in zip(one, other, strict=True) if first or second]
    return 3 * sum(first == second for first, second in said) >= len(said)


class _Shifted:
    """Rows without their first cell and the one that the hub has told something in; each iteration begins anew where
    that of the rows does."""

    def __init__(self, rows: Iterable[Row], told: int | None, *, is_last: bool) -> None:
        self._rows, self._told = rows, told
        self._instead: list[Cell] = [] if is_last else [None]

    def __iter__(self) -> Iterator[Row]:
        own = ((row_no, self._own(cells)) for row_no, cells in self._rows)
        return ((row_no, cells) for row_no, cells in own if any(cell is not None for cell in cells))

    def _own(self, cells: list[Cell]) -> list[Cell]:
        if self._told is None or self._told >= len(cells):
            return cells[1:]
        return [*cells[1 : self._told], *self._instead, *cells[self._told + 1 :]]
