"""What a file is: its bytes decide, its name only helps.

Belongs here: telling kinds apart, refusing what is no table. Not here: archives (archives), reading one.
"""

import re
from dataclasses import dataclass

from hub_pipelines.validate.parsing.compound import SIGNATURE, Compound
from hub_pipelines.validate.parsing.refusal import (
    CAN_BE_TAKEN,
    Refusal,
    damaged,
    empty,
    password_protected,
    rights_managed,
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
_PROTECTED = re.compile(rb"<## [\w ]{0,40}\bDRM\b")
"""How files begin that a company's rights management has encrypted."""


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
    if _PROTECTED.match(start):
        raise rights_managed()
    if start.startswith(_ZIP):
        # what reads archives is loaded for them alone: it makes a child's start a quarter longer
        from hub_pipelines.validate.parsing.archives import zipped

        return Kind(zipped(source), ending)
    if start.startswith(SIGNATURE):
        return Kind(_contained(source), ending)
    if ending == ".xls" and start[:1] == b"\x09" and start[1:2] in b"\x00\x02\x04\x08":
        return Kind("xls", ending)
    return Kind(_written(source, start, ending), ending)


def _contained(source: Source) -> str:
    compound = Compound(source)
    streams = compound.streams
    if any(each.endswith(("DRMContent", "DRMEncryptedDataSpace")) for each in streams):
        raise rights_managed()
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
