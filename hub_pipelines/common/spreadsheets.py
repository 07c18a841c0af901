"""Cells that we write for spreadsheet programs to open.

Belongs here: keeping a value from being taken for a formula or turned into something else, in text files and in
workbooks. Every writer of either uses these. Not here: reading what others wrote (validate).
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell

# the last four are taken for the first ones where East Asian input is on (OWASP, CSV Injection)
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# XML 1.0 has no such characters, not even as references
_NOT_HOLDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_CELL = 32_767
"""Characters that a cell of a workbook may hold."""


def safe_cell(value: object) -> object:
    """A cell of a text file that a spreadsheet will not take for a formula; plain negative numbers stay numbers."""
    if isinstance(value, str) and _may_be_formula(value):
        return "'" + value
    return value


def write_csv(
    file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, line_end: str = "\r\n"
) -> None:
    """A heading line and one for each row, of whose cells none can be taken for a formula; what a row lacks is empty
    and what is no column is left out."""
    writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator=line_end)
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)


def write_text(cell: "Cell", text: str) -> None:
    """Write a text into a workbook's cell so that it stays this text, when it is edited and when saved as CSV too.

    What no workbook can hold (control characters, too long a text) is replaced or cut.
    """
    cell.value = holdable(text)[:_LONGEST_CELL]
    cell.data_type = "s"  # openpyxl guesses a formula or an error from how the text begins
    cell.number_format = "@"
    if _may_be_formula(text):
        cell.quotePrefix = True


def holdable(text: str) -> str:
    """The text without what no workbook can hold."""
    return _NOT_HOLDABLE.sub("\ufffd", text)


def _may_be_formula(text: str) -> bool:
    if not text.startswith(_BEGINS_A_FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
