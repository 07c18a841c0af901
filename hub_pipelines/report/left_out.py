"""What a file holds beside the rows that were judged, as receipts and previews tell it.

Belongs here: totals, notes, other tables, hidden sheets, by what a staged file records of them (validate/service.py,
describe). Not here: finding them (validate/parsing), layout.
"""

from collections.abc import Mapping
from typing import Any

from hub_pipelines.report.model import Line
from hub_pipelines.validate.columns import column_letters
from hub_pipelines.validate.parsing.layout import SECTION_ROW

_SHOWN = 50
_OWN_FILE = "If its rows are to be in the ledger, put this table in a file of its own and drop that file too"


def not_read(document: Mapping[str, Any]) -> tuple[Line, ...]:
    """Other tables first: they are what a sender may miss."""
    # titles of sections are told together, since they are kept with the rows below them
    found = sorted(
        (one for one in document.get("left_out", ()) if one["why"] != SECTION_ROW), key=lambda one: not _items(one)
    )
    lines = [_line(one) for one in found[:_SHOWN]]
    more = len(found) - _SHOWN
    rest = [Line(0, None, None, f"{more:,} more rows or tables were not read.", None)] if more > 0 else []
    return (*_section_rows(document.get("reader", {})), *lines, *rest)


def rows_elsewhere(document: Mapping[str, Any]) -> int:
    """The rows of tables that were not read."""
    return sum(map(_items, document.get("left_out", ())))


def _items(one: Mapping[str, Any]) -> int:
    return int(one.get("items", 0))  # the word is younger than some staged files


def _line(one: Mapping[str, Any]) -> Line:
    first, last = one["first_row"], one["last_row"]
    sheet = f' of sheet "{one["sheet"]}"' if one["sheet"] else ""
    column = one.get("column")
    beside = "" if column is None else f", from column {column_letters(column)} on,"
    what = f"Row {first}" if first == last else f"What stands in rows {first} to {last}"
    reason = f"Not read: {what}{sheet}{beside} {one['why']}." if first else f"Not read: {one['why']}."
    return Line(first if first == last else 0, None, one["shown"] or None, reason, _OWN_FILE if _items(one) else None)


def _section_rows(facts: Mapping[str, str]) -> tuple[Line, ...]:
    if "sections" not in facts:
        return ()
    reason = "Rows with a single cell were read as headings of the rows below them and not as items."
    return (Line(0, "Section", facts["sections"], reason, "If one is an item, fill another cell of its row too"),)
