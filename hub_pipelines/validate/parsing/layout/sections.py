"""Which single cells within a table are titles of sections.

Belongs here: what speaks for a title; an item of which only the name is known looks the same. Not here: single cells
below a table (finishing).
"""

import re

from hub_pipelines.validate.parsing.grid import SHOWN
from hub_pipelines.validate.parsing.layout.heading_row import kind_of_cell
from hub_pipelines.validate.parsing.layout.table import SECTION_ROW, TOTAL, FoundTable, Remark
from hub_pipelines.validate.parsing.layout.totals import is_total

_SECTION = re.compile(
    r".*[:：]|(room|shelf|cabinet|cupboard|drawer|bay|building|section|category)\s*(no\.?\s*|#\s*)?(\d+\w?|[A-Z])", re.I
)
"""Words of a row that is a section's title wherever it stands. Capitals alone tell nothing: EDTA, PIPES."""


def mark_sections(table: FoundTable, inside: list[tuple[int, int, str]], *, formerly: bool) -> None:
    """Single cells within the table: totals, and titles of sections where something speaks for it. Else items."""
    lone: list[tuple[int, str]] = []
    for row_no, place, text in inside:
        if is_total(text, formerly=formerly):
            table.remarks.append(Remark(row_no, TOTAL, text[:SHOWN]))
        elif place == table.leftmost and kind_of_cell(text) == "t" and len(text) <= SHOWN:
            lone.append((row_no, text))
    above: tuple[int, str] | None = None
    titles = _titles_of_sections(table, lone)
    for row_no, text in lone:
        if row_no not in titles:
            continue
        joined = above is not None and above[0] == row_no - 1 and above[1] != text
        table.sections[row_no] = f"{above[1]} / {text}" if joined and above else text
        above = (row_no, table.sections[row_no])
        table.remarks.append(Remark(row_no, SECTION_ROW, text))


def _titles_of_sections(table: FoundTable, lone: list[tuple[int, str]]) -> set[int]:
    """Which of the single cells are titles of sections. An item of which only the name is known looks the same."""
    rows = {row_no for row_no, _ in lone}
    if sum(kind_of_cell(cell) == "t" for cell in table.firsts) <= 0.3 * len(table.firsts):
        # words in a column of numbers
        return rows
    runs = _runs(lone)
    titles = _dividing(table, runs)
    # where blank rows stand everywhere they set nothing apart
    gaps_tell = 2 * len(table.below_gap & rows) >= table.gaps
    for run in runs:
        first, last = run[0][0], run[-1][0]
        is_apart = gaps_tell and first in table.below_gap and (first == last or last in table.above_gap)
        if is_apart or any(_is_line(text) for _, text in run):
            titles |= {row_no for row_no, _ in run}
        else:
            titles |= {row_no for row_no, text in run if _SECTION.fullmatch(text)}
    if titles and table.data_row in rows:
        titles.add(table.data_row)
    return titles


def _runs(lone: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Rows that follow each other directly, together."""
    runs: list[list[tuple[int, str]]] = []
    for row_no, text in lone:
        if runs and runs[-1][-1][0] == row_no - 1:
            runs[-1].append((row_no, text))
        else:
            runs.append([(row_no, text)])
    return runs


def _dividing(table: FoundTable, runs: list[list[tuple[int, str]]]) -> set[int]:
    """The rows that part a table, from its first row on, into two blocks or more, hardly any of a single row."""
    if len(runs) < 2 or runs[0][0][0] != table.data_row:
        return set()
    ends = [run[0][0] for run in runs[1:]] + [table.last_full_row + 1]
    sizes = [end - run[-1][0] - 1 for run, end in zip(runs, ends, strict=True)]
    count, small = 0, 0
    for number, size in enumerate(sizes, start=1):
        small += size < 2
        if number >= 2 and size >= 2 and small <= 0.25 * number:
            count = number
    return {row_no for run in runs[:count] for row_no, _ in run}


def _is_line(text: str) -> bool:
    """Whether a text is drawn, not written: a row of stars or dashes."""
    return len(text) >= 3 and not any(map(str.isalnum, text))
