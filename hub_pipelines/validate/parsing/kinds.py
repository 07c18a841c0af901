"""What a file is: its bytes decide, its name only helps.

Belongs here: telling kinds apart, refusing what is no table. Not here: reading one.
"""

import zipfile
import zlib
from dataclasses import dataclass

from hub_pipelines.validate.parsing.compound import SIGNATURE, Compound
from hub_pipelines.validate.parsing.refusal import (
    CAN_BE_TAKEN,
    Refusal,
    damaged,
    empty,
    password_protected,
    too_large,
)
from hub_pipelines.validate.parsing.source import Source
from hub_pipelines.validate.parsing.xls_notes import has_password

TEXT_KINDS = frozenset({".csv", ".tsv", ".txt"})
SHEET_KINDS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_ZIP = b"PK\x03\x04"
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"\x1f\x8b": "a compressed archive (gzip)",
    b"7z\xbc\xaf": "a compressed archive (7z)",
    b"Rar!": "a compressed archive (RAR)",
    b"SQLite format 3": "a database",
    b"{\\rtf": "a text document (RTF)",
}
_LARGEST_UNPACKED = 500 * 1024 * 1024
_LARGEST_UNSUSPECTED = 50 * 1024 * 1024
_HIGHEST_RATIO = 300
_MOST_PARTS = 10_000
BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)


@dataclass(frozen=True)
class Kind:
    """`format` is one of csv, tsv, txt, xlsx, xlsb, xls, ods; `named` is the name's ending, `.csv` for example."""

    format: str
    named: str

    @property
    def is_text(self) -> bool:
        return f".{self.format}" in TEXT_KINDS

    @property
    def note(self) -> str | None:
        """What to tell when the name says otherwise than the bytes."""
        if self.named == f".{self.format}" or (self.format == "xlsx" and self.named == ".xlsm"):
            return None
        of_content = "text" if self.is_text else f"an .{self.format} workbook"
        return f"named {self.named or 'without an ending'}, but its content is {of_content}"


def kind_of(source: Source, ending: str) -> Kind:
    """Raises Refusal for what is no table, or damaged."""
    start = source.start()
    if not start:
        raise empty()
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            called = f"is named {ending} but is {what}" if ending in TEXT_KINDS | SHEET_KINDS else f"is {what}"
            raise Refusal(f"The file {called}.", f"{CAN_BE_TAKEN} Send the table itself.")
    if start.startswith(_ZIP):
        return Kind(_zipped(source), ending)
    if start.startswith(SIGNATURE):
        return Kind(_contained(source), ending)
    if ending == ".xls" and start[:1] == b"\x09" and start[1:2] in b"\x00\x02\x04\x08":
        return Kind("xls", ending)
    return Kind(_written(source, start, ending), ending)


def _zipped(source: Source) -> str:
    try:
        with zipfile.ZipFile(source.open()) as archive:
            _refuse_bomb(archive, source.size)
            names = set(archive.namelist())
            if "xl/workbook.bin" in names:
                return "xlsb"
            if any(name.startswith("xl/") for name in names) or "[Content_Types].xml" in names:
                return _office(names)
            if "mimetype" in names:
                return _open_document(archive.read("mimetype"), archive)
    except BAD_ARCHIVE as error:
        raise Refusal(
            "The workbook cannot be opened; it seems to be damaged or cut off.",
            "Open it in Excel, save it as a new .xlsx file and send that file. If Excel can't open it either, "
            "export it again where it came from.",
        ) from error
    raise Refusal(
        "The file is a compressed archive (ZIP), not a table.", f"{CAN_BE_TAKEN} Unpack it and send the table itself."
    )


def _office(names: set[str]) -> str:
    for folder, what in (("word/", "a Word document"), ("ppt/", "a PowerPoint presentation")):
        if any(name.startswith(folder) for name in names):
            raise Refusal(f"The file is {what}.", f"{CAN_BE_TAKEN} Copy the table into a workbook and send that.")
    return "xlsx"


def _open_document(mimetype: bytes, archive: zipfile.ZipFile) -> str:
    if b"spreadsheet" not in mimetype:
        raise Refusal(
            "The file is an OpenDocument file, but no spreadsheet.",
            f"{CAN_BE_TAKEN} Copy the table into a spreadsheet and send that.",
        )
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise password_protected()
    return "ods"


def _refuse_bomb(archive: zipfile.ZipFile, packed: int) -> None:
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    suspicious = unpacked > _LARGEST_UNSUSPECTED and unpacked > packed * _HIGHEST_RATIO
    if unpacked > _LARGEST_UNPACKED or suspicious:
        raise too_large(f"The workbook unpacks to {unpacked // (1024 * 1024):,} MB")
    if len(parts) > _MOST_PARTS:
        raise too_large(f"The workbook has {len(parts):,} parts")


def _contained(source: Source) -> str:
    compound = Compound(source)
    streams = compound.streams
    if "EncryptedPackage" in streams or "EncryptionInfo" in streams:
        raise password_protected()
    if "WordDocument" in streams:
        raise Refusal("The file is a Word document.", f"{CAN_BE_TAKEN} Copy the table into a workbook and send that.")
    name = next((each for each in ("Workbook", "Book") if each in streams), None)
    if name is None:
        raise damaged("there is no workbook inside")
    if has_password(compound.stream(name)):
        raise password_protected()
    return "xls"


def _written(source: Source, start: bytes, ending: str) -> str:
    """A text table under any of our endings; under others only workbooks are taken for what they are."""
    if ending not in TEXT_KINDS | SHEET_KINDS:
        named = f'Files named "{ending}" are not taken.' if ending else "The file's name has no ending such as .csv."
        raise Refusal(named, f"{CAN_BE_TAKEN} Save the table as one of them and send it again.")
    if ending in TEXT_KINDS:
        return ending[1:]
    if not start.strip() and source.size <= len(start):
        raise empty()
    is_markup = start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")
    if is_markup or not _looks_cut(start):
        what = "a web page or XML file" if is_markup else "not an Excel workbook"
        raise Refusal(
            f"The file is named {ending} but is {what}.",
            "Open it in Excel, choose Save As, take Excel Workbook (.xlsx) and send that file.",
        )
    return "csv"


def _looks_cut(start: bytes) -> bool:
    """Whether text under a workbook's name is without doubt a text table: lines that are cut alike."""
    wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in start and not wide:
        return False
    text = start.decode("utf-16" if wide else "utf-8", "replace")
    lines = [line for line in text.splitlines()[: -1 if len(start) == 8192 else None] if line.strip()][:20]
    return any(
        len(lines) >= 2 and min(counts) >= 1 and max(counts) == min(counts)
        for counts in ([line.count(each) for line in lines] or [0] for each in ",;\t|")
    )
