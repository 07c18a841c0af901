"""What a ZIP archive is: a workbook of one kind or another, or none.

Belongs here: looking into an archive without unpacking it. Not here: files of other kinds (kinds), reading a workbook.
"""

import zipfile
import zlib

from hub_pipelines.validate.parsing.refusal import CAN_BE_TAKEN, Refusal, password_protected, too_large
from hub_pipelines.validate.parsing.source import Source

_LARGEST_UNPACKED = 500 * 1024 * 1024
_LARGEST_UNSUSPECTED = 50 * 1024 * 1024
_HIGHEST_RATIO = 300
_MOST_PARTS = 10_000
BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)


def zipped(source: Source) -> str:
    """The format of a workbook: xlsx, xlsb or ods. Raises Refusal for what is none, damaged or a bomb."""
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
