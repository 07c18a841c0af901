"""Files in all kinds and shapes, for the tests of reading. Not here: assertions."""

import io
import struct
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import escape, quoteattr

import openpyxl
import pytest

from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.model import Cell, Table, Unreadable
from hub_pipelines.validate.parsing.opening import Opened, open_file
from hub_pipelines.validate.parsing.source import Source
from hub_pipelines.validate.reading import open_table

from ..builders import INVENTORY

Rows = Sequence[Sequence[object]]


def stored(tmp_path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    """A file under a name that says nothing, as the archive keeps it."""
    path = tmp_path / "0a1b2c"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def workbook(tmp_path: Path, *sheets: Rows) -> Path:
    return book(tmp_path, {f"S{number}": rows for number, rows in enumerate(sheets)})


def book(tmp_path: Path, sheets: dict[str, Rows], change: Callable[[Any], None] | None = None) -> Path:
    """An .xlsx file; `change` may do anything to the openpyxl workbook before it is saved."""
    made = openpyxl.Workbook()
    made.remove(made.active)  # type: ignore[arg-type]
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for cells in rows:
            sheet.append(list(cells))
    if change is not None:
        change(made)
    path = tmp_path / "0a1b2c"
    with path.open("wb") as file:
        made.save(file)
    return path


def refusal(path: Path, name: str) -> str:
    with pytest.raises(Unreadable) as caught:
        seen(path, name)
    assert caught.value.fix
    return caught.value.reason


@dataclass
class Seen:
    """A table with its rows in memory."""

    header: list[str]
    header_row: int
    rows: list[tuple[int, list[Cell]]]
    facts: dict[str, str]
    table: Table

    @property
    def cells(self) -> list[list[Cell]]:
        return [cells for _, cells in self.rows]

    @property
    def left_out(self) -> list[tuple[str | None, int, int, str]]:
        return [(one.sheet, one.first_row, one.last_row, one.why) for one in self.table.left_out]


def seen(path: Path, name: str) -> Seen:
    """The table as inventory's headings find it. It is read twice, and must be the same."""
    with open_table(path, name, known=INVENTORY.aliases.get) as table:
        rows = list(table.rows)
        assert repr(list(table.rows)) == repr(rows)
        return Seen(table.header, table.header_row, rows, table.facts, table)


def opened_here(path: Path, name: str) -> Opened:
    """The same in this process, without limits: for many small files. Raises Refusal."""

    def ask(texts: Sequence[str]) -> list[str | None]:
        return [INVENTORY.aliases.get(normalise_header(text)) for text in texts]

    return open_file(_InMemory(path.read_bytes()), Path(name).suffix.lower(), ask, lambda: None)


class _InMemory(Source):
    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def open(self) -> BinaryIO:
        return io.BytesIO(self._content)

    def start(self) -> bytes:
        return self._content[:8192]


# -- kinds that openpyxl does not write ------------------------------------------------------------------------------


def xls(tmp_path: Path, rows: Rows, change: Callable[[Any, Any], None] | None = None) -> Path:
    import xlwt

    made = xlwt.Workbook()
    sheet = made.add_sheet("Old")
    for row_no, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if cell is not None:
                sheet.write(row_no, column, cell)
    if change is not None:
        change(made, sheet)
    path = tmp_path / "0a1b2c"
    with path.open("wb") as file:
        made.save(file)
    return path


def ods(tmp_path: Path, table: str) -> Path:
    """An .ods file with this content between <office:spreadsheet> and its end."""
    spaces = " ".join(
        f'xmlns:{short}="{uri}"'
        for short, uri in {
            "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
            "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
            "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
            "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
            "calcext": "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0",
        }.items()
    )
    path = tmp_path / "0a1b2c"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"<?xml version='1.0'?><office:document-content {spaces}><office:body><office:spreadsheet>"
            f"{table}</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def ods_row(cells: Iterable[object], attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(map(_ods_cell, cells))}</table:table-row>"


def _ods_cell(cell: object) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if isinstance(cell, float | int):
        value = f'office:value-type="float" office:value="{cell}"'
        return f"<table:table-cell {value}><text:p>{cell}</text:p></table:table-cell>"
    kind = ' calcext:value-type="error"' if str(cell).startswith("#") else ""
    text = escape(str(cell))
    return f'<table:table-cell office:value-type="string"{kind}><text:p>{text}</text:p></table:table-cell>'


@dataclass
class Xlsb:
    """A binary workbook of one sheet, by the records of MS-XLSB. Cells are texts, numbers or error codes."""

    rows: Rows
    errors: dict[tuple[int, int], int] = field(default_factory=dict)
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: tuple[int, int] | None = None
    merged: tuple[int, int, int, int] | None = None

    def write(self, tmp_path: Path) -> Path:
        path = tmp_path / "0a1b2c"
        sheet = self._record(129, b"") + self._record(148, struct.pack("<IIII", 0, len(self.rows), 0, 20))
        if self.hidden_columns:
            columns = self._record(60, struct.pack("<IIIIH", *self.hidden_columns, 2048, 0, 1))
            sheet += self._record(390, b"") + columns + self._record(391, b"")
        sheet += self._record(145, b"")
        for row_no, cells in enumerate(self.rows):
            flags = 0x10 if row_no in self.hidden_rows else 0
            sheet += self._record(0, struct.pack("<IIHBBB", row_no, 0, 300, 0, flags, 0) + struct.pack("<I", 0))
            for column, cell in enumerate(cells):
                sheet += self._cell(row_no, column, cell)
        sheet += self._record(146, b"")
        if self.merged:
            sheet += self._record(177, struct.pack("<I", 1)) + self._record(176, struct.pack("<IIII", *self.merged))
            sheet += self._record(178, b"")
        sheet += self._record(130, b"")
        bundle = struct.pack("<II", 0, 1) + self._text("rId1") + self._text("Binary")
        parts = self._record(143, b"") + self._record(156, bundle) + self._record(144, b"")
        relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("xl/workbook.bin", self._record(131, b"") + parts + self._record(132, b""))
            archive.writestr(
                "xl/_rels/workbook.bin.rels",
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="rId1" Type={quoteattr(relation)} Target="worksheets/sheet1.bin"/></Relationships>',
            )
            archive.writestr("xl/worksheets/sheet1.bin", sheet)
        return path

    def _cell(self, row_no: int, column: int, cell: object) -> bytes:
        head = struct.pack("<II", column, 0)
        if (row_no, column) in self.errors:
            return self._record(3, head + bytes([self.errors[row_no, column]]))
        if cell is None:
            return b""
        if isinstance(cell, str):
            return self._record(6, head + self._text(cell))
        return self._record(5, head + struct.pack("<d", float(str(cell))))

    @staticmethod
    def _text(text: str) -> bytes:
        return struct.pack("<I", len(text)) + text.encode("utf-16-le")

    @staticmethod
    def _record(kind: int, body: bytes) -> bytes:
        head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
        length, size = b"", len(body)
        while True:
            length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
            size >>= 7
            if not size:
                return head + length + body
