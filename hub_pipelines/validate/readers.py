"""From a received file to a header and a stream of rows.

Belongs here: file kinds, encodings, delimiters, sheets, finding the header row, refusing what cannot be read.
Not here: what a column means beyond its being known, and anything about values.
The stored file's own name says nothing (it is named by its content), so the sender's name and the bytes decide.
"""

import codecs
import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TextIO

from hub_pipelines.validate import workbook_parts
from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import Cell, Part, Row, Table, Unreadable
from hub_pipelines.validate.returned import HUB_SHEETS, marks_of

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

Known = Callable[[str], str | None]

_TEXT_KINDS = frozenset({".csv", ".tsv", ".txt"})
_SHEET_KINDS = frozenset({".xlsx", ".xlsm", ".xls"})
_TAKEN = "The hub takes .csv, .tsv, .txt, .xlsx, .xlsm and .xls files."
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"\x1f\x8b": "a compressed archive (gzip)",
    b"7z\xbc\xaf": "a compressed archive (7z)",
    b"Rar!": "a compressed archive (RAR)",
}
_HEADER_CANDIDATES = 30
_SAMPLE_CHARACTERS = 64 * 1024
_BLOCK = 1024 * 1024
_LONGEST_LINE = 1_000_000
_LONGEST_CELL = 100_000
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_UNCLOSED = "Most often a quotation mark was opened and never closed. Open the file in Excel and save it again as CSV."


@contextmanager
def open_table(
    path: Path, source_name: str, *, known: Known, max_columns: int = 16_384, max_cells: int = 25_000_000
) -> Iterator[Table]:
    """The table in the file at `path`, which the sender called `source_name`.

    `known` tells the column that a normalised header names; it finds the header row below titles and dates.
    """
    start = _first_bytes(path)
    kind = PurePath(source_name).suffix.lower()
    _refuse_other_kinds(kind, start)
    if kind in _TEXT_KINDS:
        with _open_text(path, kind, start, known, max_columns) as table:
            yield table
    else:
        with _open_workbook(path, kind, start, known, max_columns, max_cells) as table:
            yield table


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8192)


def _empty() -> Unreadable:
    return Unreadable("The file is empty.", "Check that the table was saved, and send the file again.")


def _refuse_other_kinds(kind: str, start: bytes) -> None:
    if not start:
        raise _empty()
    if kind not in _TEXT_KINDS | _SHEET_KINDS:
        named = f'Files named "{kind}" are not taken.' if kind else "The file's name has no ending such as .csv."
        raise Unreadable(named, f"{_TAKEN} Save the table as one of them and send it again.")
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            raise Unreadable(f"The file is named {kind} but is {what}.", f"{_TAKEN} Send the table itself.")
    if kind in _TEXT_KINDS and start.startswith((_ZIP, _OLE)):
        raise Unreadable(
            f"This is an Excel workbook named {kind}: rename it.",
            "Rename the file so that it ends in .xlsx, or open it in Excel and save it as CSV UTF-8.",
        )


# -- the header row --------------------------------------------------------------------------------------------------


def _text(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def _is_blank_row(cells: Iterable[Cell]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def _known_columns(cells: Iterable[Cell], known: Known) -> int:
    columns = {known(normalise_header(cell)) for cell in cells if isinstance(cell, str) and len(cell) <= 200}
    return len(columns - {None})


@dataclass
class _Head:
    """The header row as found, how many known columns it names, and the rows behind it that were read on the way."""

    row_no: int
    header: list[str]
    hits: int
    waiting: list[Row]


def _find_header(rows: Iterator[Row], known: Known, max_columns: int) -> _Head | None:
    """None when every row is blank. Reads no further than the candidates."""
    candidates: list[Row] = []
    for row in rows:
        candidates.append(row)
        if len(candidates) == _HEADER_CANDIDATES:
            break
    if not candidates:
        return None
    hits = [_known_columns(cells, known) for _, cells in candidates]
    best = hits.index(max(hits)) if max(hits) >= 2 else 0
    row_no, cells = candidates[best]
    header = _trimmed_header(cells)
    if len(header) > max_columns:
        raise Unreadable(
            f"The table has {len(header)} columns; at most {max_columns} are taken.",
            "Delete the columns that do not belong to the table.",
        )
    return _Head(row_no, header, hits[best], candidates[best + 1 :])


def _trimmed_header(cells: list[Cell]) -> list[str]:
    header = [_text(cell).strip() for cell in cells]
    while header and not header[-1]:
        header.pop()
    return header


def _table(head: _Head, rest: Iterator[Row], facts: dict[str, str]) -> Table:
    facts["header_row"] = str(head.row_no)

    def rows() -> Iterator[Row]:
        yield from head.waiting
        yield from rest

    return Table(head.header, head.row_no, rows(), facts)


# -- text files ------------------------------------------------------------------------------------------------------


@contextmanager
def _open_text(path: Path, kind: str, start: bytes, known: Known, max_columns: int) -> Iterator[Table]:
    encoding = _encoding(path, start)
    # the limit is the process's, not the reader's; every reader here sets the same one
    csv.field_size_limit(_LONGEST_LINE)
    with path.open(encoding=encoding, newline="") as file:
        sample = _sample(file)
        if not sample.strip():
            raise _empty()
        delimiter = _delimiter(sample, kind, known)
    facts = {"format": kind[1:], "encoding": encoding, "delimiter": _DELIMITERS[delimiter]}
    with path.open(encoding=encoding, newline="") as file:
        rows = _RecordReader(file, delimiter)
        head = _find_header(rows, known, max_columns)
        if head is None:
            raise _empty()
        rows.expect_width(len(head.header), head.waiting)
        yield _table(head, rows, facts)


def _encoding(path: Path, start: bytes) -> str:
    """Reads the whole file once in blocks: one stray byte at the end decides as much as one in front."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _checked(path, "utf-16")
    if start.startswith(codecs.BOM_UTF8):
        return _checked(path, "utf-8-sig")
    if wide := _utf16_by_nuls(start):
        return _checked(path, wide)
    _refuse_nuls(path)
    return next((name for name in ("utf-8", "cp1252") if _decodes(path, name)), "") or _checked(path, "cp1252")


def _utf16_by_nuls(start: bytes) -> str | None:
    pairs = len(start) // 2
    if not pairs:
        return None
    even, odd = start[0::2].count(0) / pairs, start[1::2].count(0) / pairs
    if odd > 0.4 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.1 else None


def _refuse_nuls(path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if b"\0" in block:
                raise _not_text()


def _not_text() -> Unreadable:
    return Unreadable(
        "The file holds bytes that no text file has (NUL bytes), so it is damaged or not a text table.",
        "Open the table in Excel, save it as CSV UTF-8 and send that file.",
    )


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _checked(path: Path, encoding: str) -> str:
    if not _decodes(path, encoding):
        raise Unreadable(
            "The file's letters cannot be decoded: it is neither UTF-8, UTF-16 nor Windows text.",
            "Open the table in Excel, save it as CSV UTF-8 and send that file.",
        )
    return encoding


def _sample(file: TextIO) -> str:
    """Begins at the first text: a file may open with many blank lines."""
    while block := file.read(_SAMPLE_CHARACTERS):
        if block.strip():
            return block
    return ""


def _delimiter(sample: str, kind: str, known: Known) -> str:
    preferred = "\t" if kind == ".tsv" else ","
    order = [preferred, *(each for each in _DELIMITERS if each != preferred)]
    return max(order, key=lambda each: _delimiter_score(sample, each, known))


def _delimiter_score(sample: str, delimiter: str, known: Known) -> tuple[int, int]:
    """First the known columns of the best header, then how many rows share the most common width above one."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if not _is_blank_row(record):
                records.append(record)
            if len(records) == _HEADER_CANDIDATES:
                break
    except csv.Error:
        return (0, 0)
    hits = max((_known_columns(record, known) for record in records), default=0)
    widths = [len(record) for record in records if len(record) > 1]
    return (hits, max((widths.count(width) for width in set(widths)), default=0))


class _RecordReader:
    """The records of a text table, blank ones left out but counted. Nothing but the current record is held."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._file = file
        self._delimiter = delimiter
        self._line = 0
        self._ended = False
        self._record = 0
        self._reader = csv.reader(self._lines(), delimiter=delimiter)
        self._width = 0

    def __iter__(self) -> Iterator[Row]:
        return self

    def expect_width(self, width: int, already_read: list[Row]) -> None:
        """Rows can be compared with the header only once it is found, so those read until then are checked now."""
        self._width = width
        for row_no, cells in already_read:
            self._refuse_swallowed_rows(row_no, cells)

    def __next__(self) -> Row:
        while True:
            record = self._next_record()
            self._record += 1
            self._refuse_swallowed_rows(self._record, record)
            if not _is_blank_row(record):
                return self._record, [cell or None for cell in record]

    def _next_record(self) -> list[str]:
        try:
            record = next(self._reader)
        except csv.Error as error:
            raise Unreadable(f"Line {self._line} of the file cannot be read ({error}).", _UNCLOSED) from error
        except UnicodeError as error:
            raise Unreadable(f"The text near line {self._line} cannot be decoded.", _UNCLOSED) from error
        if self._ended:
            # the csv module hands out what it has when the file ends inside a quoted cell
            raise self._unclosed(self._record + 1)
        return record

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(_LONGEST_LINE + 1):
            self._line += 1
            if len(line) > _LONGEST_LINE:
                raise Unreadable(f"Line {self._line} of the file is longer than a million characters.", _UNCLOSED)
            if "\0" in line:
                raise _not_text()
            yield line
        self._ended = True

    def _refuse_swallowed_rows(self, row_no: int, cells: Sequence[Cell]) -> None:
        for position, cell in enumerate(cells):
            if not isinstance(cell, str):
                continue
            if len(cell) > _LONGEST_CELL:
                raise Unreadable(f"Row {row_no} has a cell of more than {_LONGEST_CELL:,} characters.", _UNCLOSED)
            if "\n" in cell or "\r" in cell:
                self._refuse_if_row_end(row_no, position, cell)

    def _refuse_if_row_end(self, row_no: int, position: int, cell: str) -> None:
        """An open quotation mark that meets another one further down swallows rows: the cell's first line then
        holds exactly the delimiters that the rest of its row should have."""
        expected = self._width - 1 - position
        first_line = re.split(r"[\r\n]", cell, maxsplit=1)[0]
        if expected >= 3 and first_line.count(self._delimiter) == expected:
            raise self._unclosed(row_no)

    def _unclosed(self, record: int) -> Unreadable:
        return Unreadable(f"In row {record} a quotation mark is opened and not closed.", _UNCLOSED)


# -- workbooks -------------------------------------------------------------------------------------------------------


@contextmanager
def _open_workbook(
    path: Path, kind: str, start: bytes, known: Known, max_columns: int, max_cells: int
) -> Iterator[Table]:
    _refuse_no_workbook(path, kind, start)
    errors = workbook_parts.error_cells(path, max_cells) if start.startswith(_ZIP) else {}
    workbook = _load_old_format(path) if start.startswith(_OLE) else _load(path)
    try:
        yield _best_sheet(workbook, kind, known, max_columns, errors)
    finally:
        workbook.close()


def _refuse_no_workbook(path: Path, kind: str, start: bytes) -> None:
    if start.startswith((_ZIP, _OLE)) or (kind == ".xls" and start[:1] == b"\x09"):
        return
    if not start.strip() and path.stat().st_size <= len(start):
        raise _empty()
    is_markup = start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")
    what = "a web page or XML file" if is_markup else "not an Excel workbook"
    raise Unreadable(
        f"The file is named {kind} but is {what}.",
        "Open it in Excel, choose Save As, take Excel Workbook (.xlsx) and send that file.",
    )


@contextmanager
def _calamine_failures() -> Iterator[None]:
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError as error:
        raise _password_protected() from error
    except (CalamineError, OSError, ValueError, OverflowError, TypeError) as error:
        raise _damaged(error) from error
    except BaseException as error:
        # a crash inside the Rust reader arrives as a PanicException, which is no Exception
        if type(error).__name__ == "PanicException":
            raise _damaged(error) from error
        raise


def _password_protected() -> Unreadable:
    return Unreadable(
        "The workbook is password-protected.",
        "Remove the password in Excel (File, Info, Protect Workbook), save and send it again.",
    )


def _damaged(error: BaseException) -> Unreadable:
    return Unreadable(
        f"The workbook cannot be read; it seems to be damaged ({str(error)[:200]}).",
        "Open it in Excel, save it as a new .xlsx file and send that file.",
    )


def _load(path: Path) -> "CalamineWorkbook":
    from python_calamine import load_workbook

    with _calamine_failures(), path.open("rb") as file:
        # as a stream: with a path the reader would trust the name's ending
        return load_workbook(file)


def _load_old_format(path: Path) -> "CalamineWorkbook":
    """Old .xls files, and new ones that a password has wrapped in the old container."""
    try:
        return _load(path)
    except Unreadable:
        _refuse_password(path)
        raise


def _refuse_password(path: Path) -> None:
    """The reader notices a password only in a file whose name says its kind, so it is shown one under such names."""
    from python_calamine import CalamineError, PasswordError, load_workbook

    with tempfile.TemporaryDirectory() as directory:
        for kind in (".xls", ".xlsx"):
            named = Path(directory, f"workbook{kind}")
            named.symlink_to(path.resolve())
            try:
                load_workbook(named).close()
            except PasswordError as error:
                raise _password_protected() from error
            except CalamineError:
                continue


def _best_sheet(
    workbook: "CalamineWorkbook", kind: str, known: Known, max_columns: int, errors: workbook_parts.ErrorCells
) -> Table:
    mark, answers = _marks(workbook)
    table = _first_table(workbook, kind, known, max_columns, errors)
    return replace(table, returned=mark, answers=answers)


def _marks(workbook: "CalamineWorkbook") -> tuple[str | None, dict[str, str]]:
    def rows_of(name: str) -> Iterator[list[Cell]]:
        with _calamine_failures():
            for row in workbook.get_sheet_by_name(name).iter_rows():
                yield [*row]

    return marks_of(workbook.sheet_names, rows_of)


def _first_table(
    workbook: "CalamineWorkbook", kind: str, known: Known, max_columns: int, errors: workbook_parts.ErrorCells
) -> Table:
    fallback: str | None = None
    for name in workbook.sheet_names:
        if name in HUB_SHEETS:
            continue
        rows, head = _open_sheet(workbook, name, known, max_columns, errors)
        if head is None:
            continue
        if head.hits >= 2:
            return _in_sheet(workbook, kind, name, head, rows)
        fallback = fallback or name
    if fallback is None:
        raise _empty()
    rows, head = _open_sheet(workbook, fallback, known, max_columns, errors)
    if head is None:
        raise _empty()
    return _in_sheet(workbook, kind, fallback, head, rows)


def _in_sheet(workbook: "CalamineWorkbook", kind: str, name: str, head: _Head, rows: Iterator[Row]) -> Table:
    with _calamine_failures():
        start = workbook.get_sheet_by_name(name).start
    table = _table(head, rows, {"format": kind[1:], "sheet": name})
    return replace(table, parts=(Part(name, head.row_no, start[1] if start else 0),))


def _open_sheet(
    workbook: "CalamineWorkbook", name: str, known: Known, max_columns: int, errors: workbook_parts.ErrorCells
) -> tuple[Iterator[Row], _Head | None]:
    with _calamine_failures():
        sheet = workbook.get_sheet_by_name(name)
    rows = _sheet_rows(sheet, errors.get(name, {}))
    return rows, _find_header(rows, known, max_columns)


def _sheet_rows(sheet: "CalamineSheet", errors: dict[int, dict[int, str]]) -> Iterator[Row]:
    if sheet.start is None:
        return
    first_column = sheet.start[1]
    with _calamine_failures():
        for row_no, raw in enumerate(sheet.iter_rows(), start=1):
            cells: list[Cell] = [None if cell == "" else cell for cell in raw]
            # the reader gives error cells as blank ones, which would let a broken formula pass as "nothing here"
            for column, text in errors.get(row_no, {}).items():
                if 0 <= column - first_column < len(cells):
                    cells[column - first_column] = text
            if not _is_blank_row(cells):
                yield row_no, _without_line_break_codes(cells)


def _without_line_break_codes(cells: list[Cell]) -> list[Cell]:
    # workbooks write a carriage return inside a cell as _x000D_
    return [cell.replace("_x000D_", "") if isinstance(cell, str) else cell for cell in cells]
