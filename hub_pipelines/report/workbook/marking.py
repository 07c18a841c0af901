"""Colours, comments, lists and the hidden mark in a returned workbook; and taking off those of an earlier round.

Belongs here: what is done to the sender's own sheets. Not here: which workbook that is (base), where a cell is
(places), the hub's own sheets that people read (pages).

Next to the mark the hidden sheet keeps, for each coloured cell that had a fill of its own, its sheet, its name and its
look before, so that the next round can give it back; the closed lists stand there too, since a list within a rule holds
only 255 characters.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from hub_pipelines.common.spreadsheets import write_text
from hub_pipelines.report.workbook.model import Mark, QuestionLine
from hub_pipelines.report.workbook.places import Extent, Places
from hub_pipelines.validate.returned import OWN_SHEETS, TOKEN_SHEET

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell.cell import Cell
    from openpyxl.styles import PatternFill
    from openpyxl.worksheet.worksheet import Worksheet

# shades that nobody picks by hand, so that a later round knows its own
RED = "FFFFB4A8"
YELLOW = "FFFFE79E"
BLUE = "FFBCD6F6"
GREY = "FFDCE3EB"
COLOURS = (RED, YELLOW, BLUE, GREY)
COLOUR_OF = {"block": RED, "warn": YELLOW, "wait": GREY}
_HUB_SAYS = "[Hub] "
_LIST_TITLE = "The hub's list"
_LONGEST_COMMENT = 4_000
_LISTS_FROM = 6
"""The column of the hidden sheet with the first list; before it: the mark, and sheet, name and look of each cell."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Where a problem is to be found, for the list of them; `hidden` says what must be unhidden to see it."""

    mark: Mark
    sheet: str
    coordinate: str
    hidden: str | None


# ---- an earlier round


def take_off(workbook: "Workbook") -> None:
    """Remove all that a hub has put into a workbook that comes back, so that it is the sender's own again."""
    if TOKEN_SHEET not in workbook.sheetnames:
        return
    looks = {
        (str(row[0].value), str(row[1].value)): row[2]
        for row in workbook[TOKEN_SHEET].iter_rows(min_row=2, min_col=1, max_col=3)
        if row[0].value and row[1].value
    }
    for sheet in workbook.worksheets:
        if sheet.title not in OWN_SHEETS:
            _take_off_cells(sheet, looks)
            rules = sheet.data_validations.dataValidation
            sheet.data_validations.dataValidation = [one for one in rules if one.errorTitle != _LIST_TITLE]
    for name in OWN_SHEETS & set(workbook.sheetnames):
        workbook.remove(workbook[name])


def _take_off_cells(sheet: "Worksheet", looks: Mapping[tuple[str, str], "Cell"]) -> None:
    from openpyxl.styles import PatternFill

    for row in sheet.iter_rows():
        for cell in row:
            if cell.has_style and cell.fill.fill_type == "solid" and cell.fill.fgColor.rgb in COLOURS:
                before = looks.get((sheet.title, cell.coordinate))
                cell.fill = copy(before.fill) if before is not None else PatternFill()
            if cell.comment is not None and _HUB_SAYS in cell.comment.text:
                own = cell.comment.text.partition(_HUB_SAYS)[0].rstrip("\n -")
                cell.comment = _comment(own, cell.comment.author) if own else None


# ---- cells


def mark_cells(places: Places, marks: Sequence[Mark]) -> list[Marked]:
    """Colour and comment the cells; the same cell's problems stand in one comment, its own comment first."""
    by_cell: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    found = []
    for mark in (_of_row(places, one) for one in marks):
        sheet, row, column = places.cell(mark.row, mark.position)
        cell = _anchor(sheet, row, column)
        by_cell[sheet.title, cell.coordinate].append(mark)
        found.append(Marked(mark, sheet.title, cell.coordinate, _hidden(sheet, cell)))
    workbook = places.workbook
    keep_look = _Looks(workbook)
    for (title, coordinate), together in by_cell.items():
        worst = max((COLOUR_OF[mark.severity] for mark in together), key=_weight)
        cells = {(title, coordinate)}
        if any(mark.position is None for mark in together):
            own = [_anchor(*where) for where in places.row_cells(together[0].row)]
            cells |= {(title, one.coordinate) for one in own if (title, one.coordinate) not in by_cell}
        for where in cells:
            _colour(workbook[where[0]][where[1]], worst, keep_look)
        # a cell that is to be corrected asks for something, whatever else it waits for
        of_weight = [mark for mark in together if worst != RED or mark.severity != "wait"]
        _comment_on(workbook[title][coordinate], [_told(mark) for mark in of_weight])
    return found


def _of_row(places: Places, mark: Mark) -> Mark:
    """About the row as a whole where its part of the file lacks the column: no other cell is to be typed over."""
    if mark.position is None or not places.lacks(mark.row, mark.position):
        return mark
    about = f"About {mark.column}, which has no column in this table: {mark.reason}"
    return replace(mark, position=None, reason=about)


def mark_headings(places: Places, questions: Iterable[QuestionLine]) -> None:
    """The columns that a question is about."""
    keep_look = _Looks(places.workbook)
    for question in questions:
        if question.position is not None:
            for where in places.headings(question.position):
                cell = _anchor(*where)
                _colour(cell, BLUE, keep_look)
                _comment_on(cell, [f"{question.text}\nPlease answer on the sheet Questions."])


class _Looks:
    """Keeps the look of cells before they are coloured, on the hidden sheet."""

    def __init__(self, workbook: "Workbook") -> None:
        self._sheet = workbook[TOKEN_SHEET]
        self._kept = {(row[0], row[1]) for row in self._sheet.iter_rows(min_row=2, max_col=2, values_only=True)}
        self._row = max(2, self._sheet.max_row + 1) if self._kept else 2

    def keep(self, cell: "Cell") -> None:
        where = cell.parent.title, cell.coordinate
        if where in self._kept:
            return
        self._kept.add(where)
        if cell.fill.fill_type is None:  # as a cell looks of which nothing is kept
            return
        write_text(self._sheet.cell(self._row, 1), where[0])
        self._sheet.cell(self._row, 2).value = where[1]
        self._sheet.cell(self._row, 3).fill = copy(cell.fill)
        self._row += 1


def _colour(cell: "Cell", colour: str, looks: _Looks) -> None:
    if cell.fill.fgColor.rgb in COLOURS and _weight(cell.fill.fgColor.rgb) >= _weight(colour):
        return
    looks.keep(cell)
    cell.fill = solid(colour)


def _weight(colour: str) -> int:
    """Where a cell has several marks, the one that asks for more is seen."""
    return (GREY, YELLOW, RED, BLUE).index(colour)


@cache
def solid(colour: str) -> "PatternFill":
    from openpyxl.styles import PatternFill

    return PatternFill("solid", fgColor=colour, bgColor=colour)


def _anchor(sheet: "Worksheet", row: int, column: int) -> "Cell":
    """The cell, or the one that stands for it where cells are merged."""
    from openpyxl.cell.cell import MergedCell

    cell = sheet.cell(row, column)
    if isinstance(cell, MergedCell):
        for merged in sheet.merged_cells.ranges:
            if cell.coordinate in merged:
                return sheet.cell(merged.min_row, merged.min_col)
    return cell


def _hidden(sheet: "Worksheet", cell: "Cell") -> str | None:
    if sheet.sheet_state != "visible":
        return "on a hidden sheet"
    if cell.row in sheet.row_dimensions and sheet.row_dimensions[cell.row].hidden:
        return "in a hidden row"
    letter = cell.column_letter
    if any(one.hidden and _covers(one, cell.column) for one in sheet.column_dimensions.values()):
        return f"in the hidden column {letter}"
    return None


def _covers(dimension: object, column: int) -> bool:
    return int(getattr(dimension, "min", 0) or 0) <= column <= int(getattr(dimension, "max", 0) or 0)


def _told(mark: Mark) -> str:
    kind = {"block": "Not taken", "warn": "Please check", "wait": "Waits"}[mark.severity]
    reason = mark.reason if mark.reason.endswith((".", "!", "?")) else f"{mark.reason}."
    return f"{kind}: {reason}" + (f"\nSuggestion: {mark.suggestion}" if mark.suggestion else "")


def _comment_on(cell: "Cell", texts: Sequence[str]) -> None:
    before = cell.comment
    told = "\n\n".join(f"{_HUB_SAYS}{text}" for text in dict.fromkeys(texts))
    text = f"{before.text}\n\n{told}" if before is not None else told
    cell.comment = _comment(text[:_LONGEST_COMMENT], before.author if before is not None else "Research data hub")


def _comment(text: str, author: str | None) -> object:
    from openpyxl.comments import Comment

    from hub_pipelines.common.spreadsheets import holdable

    comment = Comment(holdable(text), author or "")
    lines = sum(1 + len(line) // 42 for line in text.split("\n"))
    comment.width, comment.height = 320, min(500, 24 + 17 * lines)
    return comment


# ---- closed lists


def add_lists(places: Places, extents: Sequence[Extent], lists: Mapping[int, Sequence[str]]) -> None:
    """A list of the allowed values on each column that has one, unless the sender has a rule of their own there."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    hidden = places.workbook[TOKEN_SHEET]
    for number, (position, values) in enumerate(sorted(lists.items())):
        column = _LISTS_FROM + number
        for row, value in enumerate(values, start=1):
            write_text(hidden.cell(row, column), value)
        letter = get_column_letter(column)
        source = f"'{TOKEN_SHEET}'!${letter}$1:${letter}${len(values)}"
        for extent in extents:
            at_column = places.column(extent.part, position)
            if at_column is None:
                continue
            sheet, at = places.sheet(extent.part), get_column_letter(at_column)
            cells = f"{at}{extent.first}:{at}{extent.last}"
            if any(_meet(rule, cells) for rule in sheet.data_validations.dataValidation):
                continue
            rule = DataValidation(type="list", formula1=source, allow_blank=True, showErrorMessage=True)
            # other spellings are taken too, so the list warns and does not forbid
            rule.errorStyle, rule.errorTitle = "warning", _LIST_TITLE
            rule.error = "This is none of the listed values. The hub may not take it."
            rule.add(cells)
            sheet.add_data_validation(rule)


def _meet(rule: object, cells: str) -> bool:
    from openpyxl.worksheet.cell_range import CellRange

    ours = CellRange(cells)
    return any(not ours.isdisjoint(one) for one in rule.sqref.ranges)  # type: ignore[attr-defined]


# ---- the mark


def add_token_sheet(workbook: "Workbook", token: str) -> None:
    sheet = workbook.create_sheet(TOKEN_SHEET)
    sheet.sheet_state = "veryHidden"
    write_text(sheet["A1"], token)
