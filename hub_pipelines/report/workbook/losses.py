"""What openpyxl does not keep of a workbook, found by its parts, in the words of its owner.

Belongs here: knowing what is lost. Not here: opening the workbook (base).
"""

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openpyxl import Workbook

_ALWAYS_LOST = (
    ("xl/threadedComments/", "threaded comments (their text stays, as notes)"),
    ("xl/slicers/", "slicers"),
    ("xl/timelines/", "timelines"),
    ("xl/diagrams/", "SmartArt diagrams"),
    ("xl/embeddings/", "embedded documents"),
    ("xl/queryTables/", "links to queries"),
    ("xl/connections.xml", "data connections"),
    ("xl/model/", "the data model"),
    ("xl/richData/", "linked data types"),
    ("xl/ink/", "ink drawings"),
)
_KEPT_WITH_MACROS = (("xl/ctrlProps/", "buttons and other controls"), ("xl/activeX/", "controls"))
_SHAPE = re.compile(rb"<xdr:(?:sp|grpSp|cxnSp)[ >]")
_EXTENSIONS = (
    (b"x14:dataValidation ", "drop-down lists that refer to another sheet"),
    (b"x14:conditionalFormatting ", "newer kinds of conditional formatting"),
    (b"x14:sparkline ", "sparklines"),
)
_TAIL = 256 * 1024


def of(path: Path, workbook: "Workbook") -> list[str]:
    """One sentence, or none when nothing is lost."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        lost = [what for prefix, what in _ALWAYS_LOST if _any(names, prefix)]
        if not workbook.vba_archive:
            lost += [what for prefix, what in _KEPT_WITH_MACROS if _any(names, prefix)]
        lost += _drawn(archive, names, workbook)
        lost += _extensions(archive, names)
    if not lost:
        return []
    listed = "; ".join(dict.fromkeys(lost))
    return [f"This copy lacks some things of your workbook: {listed}. The file that you sent still has them."]


def _any(names: list[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _drawn(archive: zipfile.ZipFile, names: list[str], workbook: "Workbook") -> list[str]:
    """Pictures and charts count by what was loaded of them."""
    lost = []
    drawings = [archive.read(name) for name in names if re.fullmatch(r"xl/drawings/drawing\d+\.xml", name)]
    pictures = sum(drawing.count(b"<xdr:pic>") + drawing.count(b"<xdr:pic ") for drawing in drawings)
    if pictures > sum(len(sheet._images) for sheet in workbook.worksheets):
        lost.append("pictures")
    charts = sum(1 for name in names if re.fullmatch(r"xl/charts/chart\d+\.xml", name))
    kept = sum(len(sheet._charts) for sheet in workbook.worksheets)
    if charts > kept + len(workbook.chartsheets):
        lost.append("charts")
    elif kept:
        lost.append("some of the look of charts")
    if any(_SHAPE.search(drawing) for drawing in drawings):
        lost.append("shapes and text boxes")
    return lost


def _extensions(archive: zipfile.ZipFile, names: list[str]) -> list[str]:
    """Extensions stand at the end of a sheet's part."""
    found = []
    for name in names:
        if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name):
            with archive.open(name) as part:
                tail = b""
                while block := part.read(_TAIL):
                    tail = (tail + block)[-2 * _TAIL :]
            found += [what for mark, what in _EXTENSIONS if b"<" + mark in tail]
    return found
