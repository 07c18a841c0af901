"""What the hub itself has put into a workbook that comes back: sheets that are no data, its mark, answers, row numbers.

Belongs here: knowing these from the sender's own. Not here: whether the mark is genuine (report.workbook.token), what
answers lead to (mapping).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from hub_pipelines.validate.model import Cell, Row, Table

READ_ME = "Read me first"
QUESTIONS = "Questions"
TOKEN_SHEET = "_hub"
HUB_SHEETS = frozenset({READ_ME, QUESTIONS, TOKEN_SHEET})
ROW_HEADING = "Row in your file"
"""Heads the first column of a workbook that holds only the rows to be fixed."""
QUESTION_HEADINGS = ("Id", "Question", "What we think, and why", "Your answer")

_LONGEST_MARK = 2_000
_MOST_ANSWERS = 1_000

Sheet = Iterable[list[Cell]]


def marks_of(names: Iterable[str], rows_of: Callable[[str], Sheet]) -> tuple[str | None, dict[str, str]]:
    """The mark and the answers in a workbook with these sheets. `rows_of` gives a sheet's rows, blank ones or not."""
    names = set(names)
    if TOKEN_SHEET not in names:
        return None, {}
    first = next(iter(rows_of(TOKEN_SHEET)), [])
    mark = first[0] if first else None
    if not isinstance(mark, str) or not mark.strip():
        return None, {}
    return mark.strip()[:_LONGEST_MARK], _answers(rows_of(QUESTIONS)) if QUESTIONS in names else {}


def _answers(rows: Sheet) -> dict[str, str]:
    found: dict[str, str] = {}
    at: tuple[int, int] | None = None
    for cells in rows:
        texts = [str(cell).strip() if cell is not None else "" for cell in cells]
        if at is None:
            if QUESTION_HEADINGS[0] in texts and QUESTION_HEADINGS[-1] in texts:
                at = texts.index(QUESTION_HEADINGS[0]), texts.index(QUESTION_HEADINGS[-1])
        elif len(texts) > max(at) and texts[at[0]] and texts[at[1]] and len(found) < _MOST_ANSWERS:
            found[texts[at[0]]] = texts[at[1]]
    return found


def without_row_numbers(table: Table) -> Table:
    """A returned workbook's table without the column of row numbers that the hub has put in front; else the same."""
    if table.returned is None or not table.header or table.header[0] != ROW_HEADING:
        return table
    parts = tuple(replace(part, first_column=part.first_column + 1) for part in table.parts)
    return replace(table, header=table.header[1:], rows=_Shifted(table.rows), parts=parts)


class _Shifted:
    """Rows without their first cell; each iteration begins anew where that of the rows does."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        return ((row_no, cells[1:]) for row_no, cells in self._rows if any(cell is not None for cell in cells[1:]))
