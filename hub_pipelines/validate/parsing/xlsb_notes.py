"""A look into the records of a binary .xlsb workbook (MS-XLSB).

Belongs here: error cells, hidden rows and columns, merged cells. Not here: the cells' values.
"""

import struct
import zipfile
from collections.abc import Iterator

from hub_pipelines.validate.parsing.grid import Alive
from hub_pipelines.validate.parsing.notes import ERROR_TEXTS, MOST_NOTES, Notes, SheetNotes
from hub_pipelines.validate.parsing.xlsx_notes import part_targets

_ROW, _CELL_ERROR, _FORMULA_ERROR, _COLUMN, _SHEET, _MERGED = 0, 3, 11, 60, 156, 176
_BOOK = "xl/workbook.bin"
_LARGEST_PART = 200 * 1024 * 1024


def xlsb_notes(archive: zipfile.ZipFile, alive: Alive) -> Notes:
    """Raises what zipfile raises for a damaged archive."""
    present = {part.filename: part.file_size for part in archive.infolist()}
    if _BOOK not in present:
        return {}
    targets = part_targets(archive, _BOOK)
    found: Notes = {}
    for kind, body in _records(archive.read(_BOOK)):
        if kind == _SHEET and len(body) >= 12:
            relation, rest = _text(body[8:])
            name, _ = _text(rest)
            part = targets.get(relation, "")
            if present.get(part, _LARGEST_PART) < _LARGEST_PART:
                found[name] = _sheet(archive.read(part), alive)
    return found


def _text(raw: bytes) -> tuple[str, bytes]:
    """A counted text, and what follows it."""
    (length,) = struct.unpack_from("<I", raw, 0)
    end = 4 + 2 * min(length, len(raw))
    return raw[4:end].decode("utf-16-le", "replace"), raw[end:]


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind = data[at]
        at += 1
        if kind & 0x80 and at < len(data):
            kind = (kind & 0x7F) | (data[at] & 0x7F) << 7
            at += 1
        length = 0
        for shift in range(0, 28, 7):
            if at >= len(data):
                return
            length |= (data[at] & 0x7F) << shift
            at += 1
            if not data[at - 1] & 0x80:
                break
        yield kind, data[at : at + length]
        at += length


def _sheet(data: bytes, alive: Alive) -> SheetNotes:
    notes = SheetNotes()
    row = 0
    for number, (kind, body) in enumerate(_records(data)):
        if number % 100_000 == 0:
            alive()
        if kind == _ROW and len(body) >= 12:
            (row,) = struct.unpack_from("<I", body, 0)
            # iRwHidden is bit 4 of the second byte of flags behind the height
            if body[11] & 0x10 and len(notes.hidden_rows) < MOST_NOTES:
                notes.hidden_rows.append(row + 1)
        elif kind in (_CELL_ERROR, _FORMULA_ERROR) and len(body) >= 9:
            (column,) = struct.unpack_from("<I", body, 0)
            notes.add_error(row + 1, column, ERROR_TEXTS.get(body[8], "#N/A"))
        elif kind == _COLUMN and len(body) >= 18:
            first, last = struct.unpack_from("<II", body, 0)
            if body[16] & 1:
                notes.hidden_columns.append((first, min(last, 16_383)))
        elif kind == _MERGED and len(body) >= 16 and len(notes.spans) < MOST_NOTES:
            first_row, last_row, first, last = struct.unpack_from("<IIII", body, 0)
            notes.spans.append((first_row + 1, last_row + 1, first, last))
    return notes
