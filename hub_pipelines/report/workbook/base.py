"""The workbook in which the problems are marked: the sender's own, or a new one with the same values.

Belongs here: opening and making it. Not here: what is marked in it (marking), what the hub's own sheets say (pages).
What could not be kept of the sender's workbook is told in `notes`.
"""

import re
import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

from hub_pipelines.common.spreadsheets import write_text
from hub_pipelines.report.workbook import losses
from hub_pipelines.report.workbook.model import Plan
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import Cell, Row, Table, excel_row
from hub_pipelines.validate.parsing.encodings import encoding_of
from hub_pipelines.validate.parsing.kinds import kind_of
from hub_pipelines.validate.parsing.source import Source
from hub_pipelines.validate.parsing.text import TextGrid, dialect_of, sample_of
from hub_pipelines.validate.parsing.workbook import load
from hub_pipelines.validate.reading import Known
from hub_pipelines.validate.returned import FIX_HEADING, ROW_HEADING

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_CELL = re.compile(rb"<(?:\w+:)?c[ >/]")
_SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.xml", re.I)
_BLOCK = 1024 * 1024
_MACROS = "xl/vbaProject.bin"
_WIDEST = 60
_TALLEST_SHEET = 1_048_576
_WIDEST_SHEET = 16_384
_LAST_FROZEN = 10
_NEW_SHEET = "Your table"


@dataclass(slots=True)
class Base:
    """`rows` maps the rows of a workbook that holds only some of them to where they stand in it; None: as they were."""

    workbook: "Workbook"
    suffix: Literal[".xlsx", ".xlsm"]
    notes: list[str]
    rows: dict[int, int] | None = None


def cells_in(path: Path) -> int | None:
    """About how many cells a workbook of the kind that openpyxl opens holds; None of another file."""
    if not _is_open_xml(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return sum(_cells_of(archive, name) for name in archive.namelist() if _SHEET_PART.fullmatch(name))


def _cells_of(archive: zipfile.ZipFile, name: str) -> int:
    """Nearly exact: one that lies across two blocks is not counted."""
    found = 0
    with archive.open(name) as part:
        while block := part.read(_BLOCK):
            found += len(_CELL.findall(block))
    return found


def _is_open_xml(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "xl/workbook.xml" in archive.namelist()


def whole(path: Path, table: Table, name: str, known: Known) -> Base:
    """The sender's workbook as it is, or all values of another kind of file in a new one."""
    if _is_open_xml(path):
        try:
            return _own(path)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  # openpyxl fails in many ways on workbooks of other programs
            print(f"openpyxl could not open it: {error!r}", file=sys.stderr)
            base = _values_of_workbook(path)
            base.notes.append("Your workbook's formatting and formulas could not be kept; the values are the same.")
            return base
    if "encoding" in table.facts:
        return _of_text(path, table, name, known)
    base = _values_of_workbook(path)
    kind = table.facts.get("format", "")
    base.notes.append(
        f"Your file is a .{kind} file. This is a new Excel workbook with the same values; "
        "formulas were replaced by their results, and formatting was not kept."
    )
    return base


def _own(path: Path) -> Base:
    from openpyxl import load_workbook

    with zipfile.ZipFile(path) as archive:
        macros = _MACROS in archive.namelist()
    with path.open("rb") as file:  # with a path openpyxl would go by the name's ending, and archived files have none
        workbook = load_workbook(file, keep_vba=macros, rich_text=True)
    if not workbook.worksheets:
        raise ValueError("the workbook has no sheet of cells")
    return Base(workbook, ".xlsm" if macros else ".xlsx", losses.of(path, workbook))


def _values_of_workbook(path: Path) -> Base:
    """Every sheet's values, read by the reader that judged them."""
    from openpyxl import Workbook

    new = Workbook()
    new.remove(new.worksheets[0])
    with path.open("rb") as file:
        old = load(Source(file.fileno()))
        for name in old.sheet_names:
            sheet = new.create_sheet(name)
            _fill(sheet, enumerate(old.get_sheet_by_name(name).to_python(skip_empty_area=False), start=1))
    return Base(new, ".xlsx", [])


def _of_text(path: Path, table: Table, name: str, known: Known) -> Base:
    from openpyxl import Workbook

    new = Workbook()
    sheet = new.worksheets[0]
    sheet.title = _NEW_SHEET
    with path.open("rb") as file:
        _fill(sheet, _records(Source(file.fileno()), PurePath(name).suffix.lower(), known))
    for row in {part.header_row for part in table.parts if part.header_row}:
        _make_heading(sheet, row)
    note = (
        "Your file was a text file. This is an Excel workbook with the same rows in the same places. "
        "All cells are formatted as text, so that Excel changes no date, number or code."
    )
    return Base(new, ".xlsx", [note])


def _records(source: Source, ending: str, known: Known) -> Iterator[tuple[int, Sequence[object]]]:
    """Every record of a text file, numbered and cut as its reader does it."""

    def columns(texts: Sequence[str]) -> list[str | None]:
        return [known(normalise_header(text)) for text in texts]

    kind = kind_of(source, ending)
    encoding = encoding_of(source.open(), _nobody_waits)
    dialect = dialect_of(sample_of(source, encoding), f".{kind.format}", columns)
    yield from TextGrid(source, encoding, dialect, _nobody_waits).rows()


def _nobody_waits() -> None:
    """Nobody listens for signs of life of this program: it has a time in all."""


def part_of(table: Table, plan: Plan) -> Base:
    """A new workbook with the rows to fix and the marked ones alone, each with its number in front and what is wrong
    with it behind."""
    from openpyxl import Workbook

    wanted = {*plan.to_fix, *(mark.row for mark in plan.marks if mark.severity != "block")}
    new = Workbook()
    sheet = new.worksheets[0]
    sheet.title = "Rows to fix"
    header: list[Cell] = [ROW_HEADING, *table.header, FIX_HEADING]
    width = len(table.header)
    places: dict[int, int] = {}

    def rows() -> Iterator[tuple[int, Sequence[Cell]]]:
        yield 1, header
        for row_no, cells in _wanted(table.rows, wanted):
            places[row_no] = len(places) + 2
            own = [*cells[:width], *[None] * (width - len(cells))]
            # what stands beyond the headings comes back to its place when this column is taken off
            yield places[row_no], [excel_row(row_no), *own, plan.to_fix.get(row_no), *cells[width:]]

    _fill(sheet, rows())
    _make_heading(sheet, 1)
    return Base(new, ".xlsx", [_about_part(plan, places)], places)


def _about_part(plan: Plan, places: Collection[int]) -> str:
    refused = {*plan.to_fix, *(mark.row for mark in plan.marks if mark.severity != "warn")}
    held = sum(row_no in refused for row_no in places)
    left = plan.rejected - held
    holds = "only the rows that need your attention"
    if left > 0:
        holds = f"the first {held:,} of {plan.rejected:,} rows that were not taken"
    told = (
        f"{plan.sent.name} is too large to be given back whole. This workbook holds {holds}; "
        f'the column "{ROW_HEADING}" says where each stands in your file, "{FIX_HEADING}" what is wrong with it. Fix '
        "them here and drop this workbook; the other rows stay as they are. Fix them in your own file as well, for the "
        "next time that you send it."
    )
    if left > 0:
        others = "1 row is" if left == 1 else f"{left:,} rows are"
        told += (
            f" The other {others} not in this workbook and will still not be taken: correct them in your own file, and "
            "send all of that."
        )
    return told


def tell_anew(workbook: "Workbook", to_fix: Mapping[int, str]) -> None:
    """In a workbook that held only rows to fix when it was given back before: what is wrong with each now."""
    for sheet in workbook.worksheets:
        for column in [cell.column for cell in sheet[1] if cell.value == FIX_HEADING]:
            for row in range(2, sheet.max_row + 1):
                sheet.cell(row, column).value = None
                if row in to_fix:
                    write_text(sheet.cell(row, column), to_fix[row])


def _wanted(rows: Iterable[Row], wanted: set[int]) -> Iterator[Row]:
    left = len(wanted)
    for row in rows:
        if row[0] in wanted:
            yield row
            left -= 1
            if not left:
                return


def _fill(sheet: "Worksheet", rows: Iterable[tuple[int, Sequence[object]]]) -> None:
    """Write values; texts stay texts whatever they look like."""
    widths: dict[int, int] = {}
    for row, cells in rows:
        if row > _TALLEST_SHEET:
            break
        for column, value in enumerate(cells[:_WIDEST_SHEET], start=1):
            if value is None or value == "":
                continue
            cell = sheet.cell(row, column)
            if isinstance(value, str):
                write_text(cell, value)
            else:
                cell.value = value
            widths[column] = max(widths.get(column, 0), min(len(str(value)), _WIDEST))
    from openpyxl.utils import get_column_letter

    for column, width in widths.items():
        sheet.column_dimensions[get_column_letter(column)].width = max(10, width + 2)


def _make_heading(sheet: "Worksheet", row: int) -> None:
    """Bold, and in sight when it is at the top."""
    from openpyxl.styles import Font

    for cell in sheet[row]:
        cell.font = Font(name="Calibri", bold=True)
    if row <= _LAST_FROZEN:
        sheet.freeze_panes = sheet.cell(row + 1, 1)
