"""Workbooks of every kind, read by calamine.

Belongs here: opening, sheets, cells as they show, merged cells, what is hidden. Not here: finding tables in a sheet.
"""

import io
import struct
import threading
import xml.etree.ElementTree
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from hub_pipelines.validate.parsing.archives import BAD_ARCHIVE
from hub_pipelines.validate.parsing.blocks import Singly
from hub_pipelines.validate.parsing.compound import SIGNATURE, Compound
from hub_pipelines.validate.parsing.grid import Alive, NumberedRow, SheetFacts, Span, is_blank
from hub_pipelines.validate.parsing.kinds import Kind
from hub_pipelines.validate.parsing.notes import UNCALCULATED, Notes, SheetNotes
from hub_pipelines.validate.parsing.ods_notes import ods_notes
from hub_pipelines.validate.parsing.packed import Packed, in_blocks
from hub_pipelines.validate.parsing.refusal import Refusal, damaged, password_protected, too_large
from hub_pipelines.validate.parsing.source import Source
from hub_pipelines.validate.parsing.xls_notes import UTF_16, code_page, xls_notes
from hub_pipelines.validate.parsing.xlsb_notes import xlsb_notes
from hub_pipelines.validate.parsing.xlsx_notes import xlsx_notes

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_ARCHIVES: dict[str, Callable[[zipfile.ZipFile, Alive], Notes]] = {
    "xlsx": xlsx_notes,
    "xlsb": xlsb_notes,
    "ods": ods_notes,
}
_MOST_KEPT_CELLS = 2_500_000
_MOST_FILLED_CELLS = 2_000_000
_MOST_ROW_TEXT = 8 * 1024 * 1024
_WIDE = 200


class Workbook:
    """An open workbook. Raises Refusal when it is damaged or has a password."""

    def __init__(self, source: Source, kind: Kind, alive: Alive, *, tells_formulas: bool = True) -> None:
        """With `tells_formulas` a formula without a value is no blank cell."""
        self._source = source
        self._kind = kind
        self._alive = alive
        self._tells_formulas = tells_formulas
        self._looking = _Looking(self._look, alive)
        self._book = load(source)
        from python_calamine import SheetTypeEnum, SheetVisibleEnum

        sheets = [one for one in self._book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
        self.visible = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
        self.hidden = [one.name for one in sheets if one.visible != SheetVisibleEnum.Visible]

    def sheet(self, name: str) -> "SheetGrid":
        with calamine_failures():
            sheet = self._book.get_sheet_by_name(name)
        notes = self._looking.result()
        return SheetGrid(name, sheet, notes.get(name, SheetNotes()), self._alive, tells_formulas=self._tells_formulas)

    def _look(self) -> Notes:
        if self._kind.format in _ARCHIVES:
            with zipfile.ZipFile(self._source.open()) as archive:
                return _ARCHIVES[self._kind.format](archive, self._alive)
        compound = Compound(self._source)
        return xls_notes(compound.stream("Workbook"), self._alive) if "Workbook" in compound.streams else {}


class _Looking:
    """The look for what calamine leaves out, in a thread beside it: calamine lets others run while it reads."""

    def __init__(self, look: Callable[[], Notes], alive: Alive) -> None:
        self._notes: Notes = {}
        self._error: Exception | None = None
        self._look = look
        self._alive = alive
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._notes = self._look()
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits for the result
            self._error = error

    def result(self) -> Notes:
        """Raises Refusal."""
        self._thread.join()
        if isinstance(self._error, Refusal | MemoryError):
            raise self._error
        if isinstance(self._error, (*BAD_ARCHIVE, KeyError, ValueError, xml.etree.ElementTree.ParseError)):
            raise damaged(self._error) from self._error
        if self._error is not None:
            raise damaged(f"{type(self._error).__name__} {self._error}") from self._error
        return self._notes


@contextmanager
def calamine_failures() -> Iterator[None]:
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError as error:
        raise password_protected() from error
    except (CalamineError, OSError, ValueError, OverflowError, TypeError) as error:
        raise damaged(error) from error
    except BaseException as error:
        # a crash inside the Rust reader arrives as a PanicException, which is no Exception
        if type(error).__name__ != "PanicException":
            raise
        if "pointer is null" in str(error):
            # what it says when Python had no memory for a cell
            raise MemoryError from error
        raise damaged(error) from error


def load(source: Source) -> "CalamineWorkbook":
    """Raises Refusal."""
    # as a stream: with a path the reader would trust the name's ending
    book = _loaded(source.open())
    if not source.start().startswith(SIGNATURE):
        return book
    compound = Compound(source)
    named = code_page(compound.stream("Workbook")) if "Workbook" in compound.streams else None
    if named is None or named[0] == UTF_16 or not _has_split_texts(book):
        return book
    # some programs name a code page though the texts are in UTF-16, as all are from Excel 97 on; calamine goes by it
    place = compound.place_of("Workbook", named[1])
    if place is not None:
        content = bytearray(source.open().read())
        struct.pack_into("<H", content, place, UTF_16)
        book = _loaded(io.BytesIO(content))
    if place is None or _has_split_texts(book):
        raise Refusal(
            "The workbook's texts can't be read: between their letters stand characters that no text has (NUL).",
            "Open it in Excel, choose Save As, take Excel Workbook (.xlsx) and send that file.",
        )
    return book


def _loaded(file: BinaryIO) -> "CalamineWorkbook":
    from python_calamine import load_workbook

    with calamine_failures():
        return load_workbook(file)


def _has_split_texts(book: "CalamineWorkbook") -> bool:
    """Whether some text was read byte by byte that has two bytes for each letter."""
    from python_calamine import SheetTypeEnum

    names = [one.name for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    with calamine_failures():
        rows = (cells for name in names for cells in book.get_sheet_by_name(name).iter_rows())
        return any(isinstance(cell, str) and _is_split(cell) for cells in rows for cell in cells)


def _is_split(text: str) -> bool:
    return "\0" in text[1::2] and "\0" not in text[::2]


class SheetGrid:
    """One sheet. Its rows are kept as columns: as rows they would be more than any cache has, and have to be read from
    memory wherever they are looked at."""

    loose = False

    def __init__(
        self, name: str, sheet: "CalamineSheet", notes: SheetNotes, alive: Alive, *, tells_formulas: bool
    ) -> None:
        self.name = name
        self._tells_formulas = tells_formulas
        self._sheet = sheet
        self._notes = notes
        self._alive = alive
        self.is_empty = sheet.start is None
        self.first_column = sheet.start[1] if sheet.start else 0
        self.spans: Sequence[Span] = self._spans()
        self.facts = SheetFacts(
            hidden_rows=_joined([(row, row) for row in notes.hidden_rows if row <= self.height]),
            hidden_columns=_joined([pair for pair in notes.hidden_columns if pair[0] < self.width]),
        )
        several = any(span.last_row > span.first_row for span in self.spans)
        self._is_changed = bool(notes.errors or notes.uncalculated or several)
        self._blocks: list[Packed | Singly] | None = None

    @property
    def height(self) -> int:
        return self._sheet.end[0] + 1 if self._sheet.end else 0

    @property
    def width(self) -> int:
        """Columns from the sheet's first to the last that holds something."""
        return self._sheet.end[1] + 1 if self._sheet.end else 0

    @property
    def _are_kept(self) -> bool:
        return self.height * (self.width - self.first_column) <= _MOST_KEPT_CELLS

    def rows(self) -> Iterator[NumberedRow]:
        return (row for block in self.blocks() for row in block.rows())

    def blocks(self) -> Iterator[Packed | Singly]:
        if self._blocks is None and self._are_kept:
            self._blocks = list(self._in_blocks())
        return iter(self._blocks) if self._blocks is not None else self._in_blocks()

    def _in_blocks(self) -> Iterator[Packed | Singly]:
        if self.width <= _WIDE:
            return in_blocks(self._read(), self.width)
        # one row may hold more than there is room for
        return iter([Singly(list(self._read()) if self._are_kept else self._read())])

    def _spans(self) -> list[Span]:
        with calamine_failures():
            told = self._sheet.merged_cell_ranges
        found = [(a[0] + 1, b[0] + 1, a[1], b[1]) for a, b in told] if told else self._notes.spans
        shift = self.first_column
        return [
            Span(top, min(bottom, self.height), max(left - shift, 0), right - shift)
            for top, bottom, left, right in found
            if right >= shift and top <= self.height and left < self.width
        ]

    def _read(self) -> Iterator[NumberedRow]:
        if self._sheet.start is None:
            return iter(())
        self.facts.uncalculated = 0
        rows = self._numbered()
        return self._changed(rows) if self._is_changed else rows

    def _numbered(self) -> Iterator[NumberedRow]:
        wide = self.width > _WIDE
        if not wide and self.height * self.width <= _MOST_KEPT_CELLS:
            with calamine_failures():
                # without a sign of life: this many cells take less than a second
                yield from enumerate(self._sheet.iter_rows(), start=1)
            return
        with calamine_failures():
            for row_no, cells in enumerate(self._sheet.iter_rows(), start=1):
                if row_no % 1_000 == 0 or wide:
                    self._alive()
                if wide and sum(len(cell) for cell in cells if isinstance(cell, str)) > _MOST_ROW_TEXT:
                    raise too_large(f"Row {row_no:,} holds more than {_MOST_ROW_TEXT // 1024 // 1024} MB of text")
                yield row_no, cells  # type: ignore[misc]  # a list of calamine's values is a list of cells

    def _changed(self, rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
        """With error texts, which calamine gives as blank ones, and merged blocks filled down.

        A broken formula must not pass as "nothing here", and a value merged over several rows belongs to each of them.
        """
        begins: dict[int, list[Span]] = {}
        filled = 0
        for span in self.spans:
            filled += span.last_row - span.first_row
            if span.last_row > span.first_row and filled <= _MOST_FILLED_CELLS:
                begins.setdefault(span.first_row, []).append(span)
        self.facts.filled_down = sum(map(len, begins.values()))
        uncalculated = set(self._notes.uncalculated)
        by_row = {row for row, _ in uncalculated}
        open_spans: list[tuple[Span, object]] = []
        for row_no, cells in rows:
            width = len(cells)
            for column, text in self._notes.errors.get(row_no, {}).items():
                if 0 <= column - self.first_column < width:
                    cells[column - self.first_column] = text
            if row_no in by_row:
                without = [
                    at
                    for at, cell in enumerate(cells)
                    if cell == "" and (row_no, at + self.first_column) in uncalculated
                ]
                self.facts.uncalculated += len(without)
                if self._tells_formulas and not all(map(is_blank, cells)):
                    for at in without:
                        cells[at] = UNCALCULATED
            open_spans = [each for each in open_spans if each[0].last_row >= row_no]
            # a block merged far beyond the table makes no rows of its own
            for span, value in open_spans if cells.count("") < width else ():
                if span.first_column < width and cells[span.first_column] == "":
                    cells[span.first_column] = value
            open_spans += [(s, cells[s.first_column]) for s in begins.get(row_no, ()) if s.first_column < width]
            yield row_no, cells


def _joined(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring ranges made one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
