"""A look into an .xlsx or .xlsm file's parts beside the reader.

Belongs here: finding what calamine leaves out. Not here: the cells' values.
Most sheets have nothing of it: a fast search for the bytes that would tell comes first.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from hub_pipelines.validate.parsing.grid import Alive
from hub_pipelines.validate.parsing.notes import MOST_NOTES, Notes, SheetNotes
from hub_pipelines.validate.parsing.refusal import Refusal

_BLOCK = 1024 * 1024
_LARGEST_ROW = 64 * 1024 * 1024
_LONGEST_SIGN = 16
_SIGNS = (b't="e"', b"t='e'", b' hidden="', b"f></c>", b"f></x:c>", b"<v></v>", b"<v/>", b"/></c>")
_QUICK_SIGNS = ((b"e", b't="e"'), (b"h", b' hidden="'), (b"f", b"<f"))
"""Each with its rarest letter, which most sheets have nowhere: for a single letter the search is many times as fast."""
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.S)
_ROW = re.compile(rb"<(?:\w+:)?row\s([^>]*)>")
_COLUMN = re.compile(rb"<(?:\w+:)?col\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"""(\w+)\s*=\s*["']([^"']*)["']""")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)</")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_REFERENCE = re.compile(rb"([A-Z]{1,3})(\d{1,7})")
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_REL = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


def xlsx_notes(archive: zipfile.ZipFile, alive: Alive) -> Notes:
    """Raises Refusal, and what zipfile raises for a damaged archive."""
    found: Notes = {}
    for name, part in sheet_parts(archive, "xl/workbook.xml").items():
        if _may_tell(archive, part, alive):
            found[name] = _scan(archive, part, alive)
    return found


def sheet_parts(archive: zipfile.ZipFile, book_part: str) -> dict[str, str]:
    """The sheets' names and where in the archive they are; empty when the archive does not tell."""
    try:
        targets = part_targets(archive, book_part)
        book = ElementTree.fromstring(archive.read(book_part))
    except (KeyError, ElementTree.ParseError, LookupError, ValueError):
        # without the list of sheets the reader itself will say what is wrong with the file
        return {}
    sheets = [element for element in book.iter() if element.tag.rpartition("}")[2] == "sheet"]
    named = {sheet.get("name", ""): targets.get(sheet.get(_REL) or sheet.get(_STRICT_REL) or "") for sheet in sheets}
    present = set(archive.namelist())
    return {name: part for name, part in named.items() if part in present}


def part_targets(archive: zipfile.ZipFile, book_part: str) -> dict[str, str]:
    """Relation id to part. Raises KeyError and ParseError."""
    folder, name = posixpath.split(book_part)
    relations = ElementTree.fromstring(archive.read(f"{folder}/_rels/{name}.rels"))
    return {
        rel.get("Id", ""): posixpath.normpath(posixpath.join(f"/{folder}", rel.get("Target", ""))).lstrip("/")
        for rel in relations
    }


def _may_tell(archive: zipfile.ZipFile, part: str, alive: Alive) -> bool:
    """A search for as few bytes as will do: it reads all of the sheet, and each sign costs."""
    rest = b""
    with archive.open(part) as file:
        while block := file.read(_BLOCK):
            alive()
            if not rest and (b"<row" not in block or b"='" in block):
                # names with a prefix, or attributes in single quotes: other programs than Excel write so
                return True
            block = rest + block
            if any(letter in block and sign in block for letter, sign in _QUICK_SIGNS):
                return True
            rest = block[-_LONGEST_SIGN:]
    return False


def _scan(archive: zipfile.ZipFile, part: str, alive: Alive) -> SheetNotes:
    notes = SheetNotes()
    for block in _whole_rows(archive, part):
        alive()
        if b" hidden=" in block:
            _note_hidden(block, notes)
        if any(sign in block for sign in _SIGNS):
            _note_cells(block, notes)
    return notes


def _attributes(text: bytes) -> dict[bytes, bytes]:
    return dict(_ATTRIBUTE.findall(text))


def _is_set(attributes: dict[bytes, bytes]) -> bool:
    return attributes.get(b"hidden") in (b"1", b"true")


def _note_hidden(block: bytes, notes: SheetNotes) -> None:
    for text in _COLUMN.findall(block):
        column = _attributes(text)
        if _is_set(column) and column.get(b"min", b"").isdigit() and column.get(b"max", b"").isdigit():
            notes.hidden_columns.append((int(column[b"min"]) - 1, int(column[b"max"]) - 1))
    for text in _ROW.findall(block):
        row = _attributes(text)
        if _is_set(row) and row.get(b"r", b"").isdigit() and len(notes.hidden_rows) < MOST_NOTES:
            notes.hidden_rows.append(int(row[b"r"]))


def _note_cells(block: bytes, notes: SheetNotes) -> None:
    for head, body in _CELL.findall(block):
        is_error = b't="e"' in head or b"t='e'" in head
        if not is_error and (not body or not _FORMULA.search(body)):
            continue
        place = _REFERENCE.fullmatch(_attributes(head).get(b"r", b""))
        if place is None:
            continue
        value = _VALUE.search(body)
        column, row = column_number(place.group(1)), int(place.group(2))
        if is_error:
            notes.add_error(row, column, value.group(1).decode("utf-8", "replace") if value else "#N/A")
        elif (value is None or not value.group(1)) and b't="str"' not in head and len(notes.uncalculated) < MOST_NOTES:
            notes.uncalculated.append((row, column))


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
                raise Refusal(
                    "The workbook holds a row of more than 64 MB.", "Copy only the table into a new workbook."
                )
    yield rest


def column_number(letters: bytes) -> int:
    """Counted from 0."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1
