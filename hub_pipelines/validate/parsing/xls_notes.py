"""A look into the records of an old .xls workbook (BIFF8, MS-XLS).

Belongs here: error cells, hidden rows and columns, passwords, the code page. Not here: the cells' values.
"""

import struct
from collections.abc import Iterator

from hub_pipelines.validate.parsing.grid import Alive
from hub_pipelines.validate.parsing.notes import ERROR_TEXTS, Notes, SheetNotes

_CODEPAGE, UTF_16 = 0x42, 1200
_BOF, _FILEPASS, _BOUNDSHEET, _FORMULA, _BOOLERR, _ROW, _COLINFO = 0x809, 0x2F, 0x85, 0x06, 0x205, 0x208, 0x7D
_LAST_COLUMN = 255


def has_password(stream: bytes) -> bool:
    """Whether the workbook's stream is encrypted; that is said among its first records."""
    for kind, _, _ in _records(stream, 0):
        if kind == _FILEPASS:
            return True
        if kind == _BOUNDSHEET:
            return False
    return False


def code_page(stream: bytes) -> tuple[int, int] | None:
    """The code page that a workbook of Excel 97 or younger names, and where in its stream; None where it names none."""
    if not _is_of_excel_97(stream):
        return None
    for kind, at, length in _records(stream, 0):
        if kind == _CODEPAGE and length >= 2:
            return struct.unpack_from("<H", stream, at)[0], at
        if kind == _BOUNDSHEET:
            return None
    return None


def _is_of_excel_97(stream: bytes) -> bool:
    return len(stream) >= 6 and struct.unpack_from("<H", stream, 4)[0] == 0x600


def xls_notes(stream: bytes, alive: Alive) -> Notes:
    """Empty for workbooks older than Excel 97, whose records are laid out otherwise."""
    if not _is_of_excel_97(stream):
        return {}
    found: Notes = {}
    for kind, at, length in _records(stream, 0):
        if kind == _BOUNDSHEET and length >= 8:
            (begin,) = struct.unpack_from("<I", stream, at)
            found[_name(stream[at + 6 : at + length])] = _sheet(stream, begin)
            alive()
    return found


def _records(stream: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and length of each record of a substream, up to its end."""
    depth = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        if kind == _BOF:
            depth += 1
        elif kind == 0x0A:
            depth -= 1
            if depth <= 0:
                return
        if at + 4 + length > len(stream):
            return
        yield kind, at + 4, length
        at += 4 + length


def _name(raw: bytes) -> str:
    length, wide = raw[0], raw[1] & 1
    return raw[2 : 2 + length * 2].decode("utf-16-le", "replace") if wide else raw[2 : 2 + length].decode("latin-1")


def _sheet(stream: bytes, begin: int) -> SheetNotes:
    notes = SheetNotes()
    for kind, at, length in _records(stream, begin):
        if kind == _BOOLERR and length >= 8:
            row, column, _, code, is_error = struct.unpack_from("<HHHBB", stream, at)
            if is_error:
                notes.add_error(row + 1, column, ERROR_TEXTS.get(code, "#N/A"))
        elif kind == _FORMULA and length >= 14:
            row, column = struct.unpack_from("<HH", stream, at)
            # a result that is no number is marked by its last two bytes; 2 says that it is an error
            if stream[at + 12 : at + 14] == b"\xff\xff" and stream[at + 6] == 2:
                notes.add_error(row + 1, column, ERROR_TEXTS.get(stream[at + 8], "#N/A"))
        elif kind == _ROW and length >= 16:
            (row,) = struct.unpack_from("<H", stream, at)
            if struct.unpack_from("<H", stream, at + 12)[0] & 0x20:
                notes.hidden_rows.append(row + 1)
        elif kind == _COLINFO and length >= 10:
            first, last, _, _, flags = struct.unpack_from("<HHHHH", stream, at)
            if flags & 1:
                notes.hidden_columns.append((first, min(last, _LAST_COLUMN)))
    return notes
