"""A look into an OpenDocument spreadsheet's content beside the reader.

Belongs here: error values, hidden rows and columns, merged cells. Not here: the cells' values.
Most documents have nothing of it: a search for the bytes that would tell comes first, since to look at each element
takes many times as long as calamine takes for all cells.
"""

import re
import zipfile
from xml.etree import ElementTree
from xml.parsers import expat

from hub_pipelines.validate.parsing.grid import Alive
from hub_pipelines.validate.parsing.notes import MOST_NOTES, Notes, SheetNotes

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_HIDDEN = ("collapse", "filter")
_BLOCK = 256 * 1024
_SIGNS = (b":visibility", b"-spanned", b":formula", b'"error"', b"'error'", b"&#", b"<!", b"\0")
"""Attributes and a value, whatever their prefix; letters told by number, declarations and UTF-16 could hide them."""
_ODD_COUNT = re.compile(rb'-repeated(?!="\d{1,9}")')
"""May be no number, which is damage."""


def ods_notes(archive: zipfile.ZipFile, alive: Alive) -> Notes:
    """Raises what zipfile and ElementTree raise for a damaged archive."""
    if not _may_tell(archive, alive):
        return {}
    reading = _Reading(alive)
    with archive.open("content.xml") as file:
        for event, element in ElementTree.iterparse(file, ("start", "end")):
            reading.take(event, element)
    return reading.found


def _may_tell(archive: zipfile.ZipFile, alive: Alive) -> bool:
    """What is damaged may: looking at each element says where."""
    parser = expat.ParserCreate(namespace_separator="}")
    rest = b""
    try:
        with archive.open("content.xml") as file:
            while block := file.read(_BLOCK):
                alive()
                parser.Parse(block, False)
                searched = rest + block
                end = searched.rfind(b">") + 1
                whole, rest = searched[:end], searched[end:]
                if not whole or any(sign in whole for sign in _SIGNS) or _ODD_COUNT.search(whole):
                    return True
        parser.Parse(b"", True)
    except expat.ExpatError:
        return True
    return False


class _Reading:
    """Where in the document the reader stands."""

    def __init__(self, alive: Alive) -> None:
        self.found: Notes = {}
        self._alive = alive
        self._sheet = SheetNotes()
        self._row = 1
        self._column = 0
        self._columns = 0
        self._seen = 0

    def take(self, event: str, element: ElementTree.Element) -> None:
        if event == "start":
            self._begin(element)
        elif element.tag == f"{_TABLE}table-column":
            self._take_column(element)
        elif element.tag in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            self._take_cell(element)
            element.clear()
        elif element.tag == f"{_TABLE}table-row":
            self._take_row(element)
            element.clear()

    def _begin(self, element: ElementTree.Element) -> None:
        if element.tag == f"{_TABLE}table":
            self._sheet = self.found.setdefault(element.get(f"{_TABLE}name", ""), SheetNotes())
            self._row, self._columns = 1, 0
        elif element.tag == f"{_TABLE}table-row":
            self._column = 0

    def _take_column(self, element: ElementTree.Element) -> None:
        repeated = _repeated(element, "columns")
        if element.get(f"{_TABLE}visibility") in _HIDDEN:
            self._sheet.hidden_columns.append((self._columns, self._columns + repeated - 1))
        self._columns += repeated

    def _take_row(self, element: ElementTree.Element) -> None:
        self._seen += 1
        if self._seen % 1_000 == 0:
            self._alive()
        repeated = _repeated(element, "rows")
        if element.get(f"{_TABLE}visibility") in _HIDDEN and len(self._sheet.hidden_rows) < MOST_NOTES:
            self._sheet.hidden_rows += range(self._row, self._row + min(repeated, 10_000))
        self._row += repeated

    def _take_cell(self, element: ElementTree.Element) -> None:
        down, right = (int(element.get(f"{_TABLE}number-{each}-spanned", "1")) for each in ("rows", "columns"))
        if max(down, right) > 1 and len(self._sheet.spans) < MOST_NOTES:
            self._sheet.spans.append((self._row, self._row + down - 1, self._column, self._column + right - 1))
        if element.get(f"{_CALC}value-type") == "error":
            shown = element.find(f"{_TEXT}p")
            text = "" if shown is None else "".join(shown.itertext())
            self._sheet.add_error(self._row, self._column, text or "#N/A")
        elif element.get(f"{_TABLE}formula") and not element.get(f"{_OFFICE}value-type"):
            self._sheet.uncalculated.append((self._row, self._column))
        self._column += _repeated(element, "columns")


def _repeated(element: ElementTree.Element, what: str) -> int:
    return max(1, int(element.get(f"{_TABLE}number-{what}-repeated", "1")))
