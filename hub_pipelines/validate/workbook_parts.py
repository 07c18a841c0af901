"""A look into an .xlsx file's parts before the reader opens it.

Belongs here: refusing archives that would fill the memory, and finding the cells that hold an Excel error
(the reader gives those as blank). Not here: reading the cells' values.
"""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from hub_pipelines.validate.model import Unreadable

ErrorCells = dict[str, dict[int, dict[int, str]]]
"""Sheet name, row number from 1, column from 0: the error's text."""

_LARGEST_UNPACKED = 500 * 1024 * 1024
_LARGEST_UNSUSPECTED = 50 * 1024 * 1024
_HIGHEST_RATIO = 300
_BLOCK = 1024 * 1024
_SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.xml", re.I)
_FILLED_CELL = re.compile(rb'<(?:\w+:)?c r="([A-Z]{1,3})(\d{1,7})"[^>/]*>\s*<(?:\w+:)?[vif]')
_ERROR_CELL = re.compile(
    rb'<(?:\w+:)?c(?=[^>]*\st="e")(?=[^>]*\sr="([A-Z]{1,3})(\d{1,7})")[^>/]*>(?:(?!</(?:\w+:)?c>).)*?'
    rb"<(?:\w+:)?v>([^<]*)</",
    re.S,
)
_LARGEST_ROW = 64 * 1024 * 1024
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_REL = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


def error_cells(path: Path, max_cells: int) -> ErrorCells:
    """Raises Unreadable for an archive that is damaged or would unpack to too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bomb(archive, path.stat().st_size)
            found = {
                name: _scan(archive, name, max_cells) for name in archive.namelist() if _SHEET_PART.fullmatch(name)
            }
            parts = {name: errors for name, errors in found.items() if errors}
            return _by_sheet_name(archive, parts) if parts else {}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Unreadable(
            "The workbook cannot be opened; it seems to be damaged or cut off.",
            "Open it in Excel, save it as a new .xlsx file and send that file. If Excel can't open it either, "
            "export it again where it came from.",
        ) from error


def _refuse_bomb(archive: zipfile.ZipFile, packed: int) -> None:
    unpacked = sum(part.file_size for part in archive.infolist())
    suspicious = unpacked > _LARGEST_UNSUSPECTED and unpacked > packed * _HIGHEST_RATIO
    if unpacked > _LARGEST_UNPACKED or suspicious:
        raise Unreadable(
            f"The workbook unpacks to {unpacked // (1024 * 1024):,} MB, which is more than the hub opens.",
            "Copy only the table into a new workbook, or save it as CSV UTF-8, and send that file.",
        )


def _scan(archive: zipfile.ZipFile, part: str, max_cells: int) -> dict[int, dict[int, str]]:
    errors: dict[int, dict[int, str]] = {}
    columns: set[bytes] = set()
    last_row = 0
    for block in _whole_rows(archive, part):
        filled = _FILLED_CELL.findall(block)
        columns.update(column for column, _ in filled)
        last_row = max(last_row, max((int(row) for _, row in filled), default=0))
        if b't="e"' in block:
            for column, row, text in _ERROR_CELL.findall(block):
                errors.setdefault(int(row), {})[_column_number(column)] = text.decode("utf-8", "replace")
    width = max((_column_number(column) + 1 for column in columns), default=0)
    if last_row * width > max_cells:
        raise Unreadable(
            f"A sheet reaches to row {last_row:,} and column number {width:,}, which is too large to open.",
            "Look for a stray value far below or right of the table (Ctrl+End), delete it and save again.",
        )
    return errors


def _whole_rows(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    rest = b""
    with archive.open(part) as file:
        while block := file.read(_BLOCK):
            rest += block
            cut = rest.rfind(b"row>") + 4
            if cut > 4:
                yield rest[:cut]
                rest = rest[cut:]
            elif len(rest) > _LARGEST_ROW:
                raise Unreadable(
                    "The workbook holds a row of more than 64 MB.", "Copy only the table into a new workbook."
                )
    yield rest


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1


def _by_sheet_name(archive: zipfile.ZipFile, parts: dict[str, dict[int, dict[int, str]]]) -> ErrorCells:
    try:
        targets = {
            rel.get("Id"): posixpath.normpath(posixpath.join("/xl", rel.get("Target", ""))).lstrip("/")
            for rel in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        }
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    except (KeyError, ElementTree.ParseError):
        # without the list of sheets the reader itself will say what is wrong with the file
        return {}
    sheets = [element for element in book.iter() if element.tag.endswith("}sheet")]
    named = {sheet.get("name", ""): targets.get(sheet.get(_REL) or sheet.get(_STRICT_REL)) for sheet in sheets}
    return {name: parts[part] for name, part in named.items() if part in parts}
