"""What a file holds beside the rows that were judged, as receipts and previews tell it.

Belongs here: totals, notes, other tables, hidden sheets, by what a staged file records of them (validate/service.py,
describe). Not here: finding them (validate/parsing), layout.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hub_pipelines.report.model import Line
from hub_pipelines.validate.columns import column_letters
from hub_pipelines.validate.parsing.layout.table import HEADINGS_AGAIN, PREPARED, PRINT_LINE, SECTION_ROW, TOTAL

_SHOWN = 50
_ROWS_SHOWN = 20
_TEXTS_SHOWN = 3
_NO_ITEMS = {
    HEADINGS_AGAIN: ("the headings again", "the headings again"),
    PRINT_LINE: ("a line of a printed page", "lines of printed pages"),
    TOTAL: ("a total", "totals"),
    PREPARED: ("a line that was prepared for an item", "lines that were prepared for items"),
}
_OWN_FILE = "If its rows are to be in the ledger, put this table in a file of its own and drop that file too"


def not_read(document: Mapping[str, Any]) -> tuple[Line, ...]:
    """Other tables first: they are what a sender may miss."""
    # titles of sections are told together, since they are kept with the rows below them
    told_together = {SECTION_ROW, *_NO_ITEMS}
    found = sorted(
        (one for one in document.get("left_out", ()) if one["why"] not in told_together),
        key=lambda one: not _items(one),
    )
    lines = [_line(one) for one in found[:_SHOWN]]
    more = len(found) - _SHOWN
    rest = [Line(0, None, None, f"{more:,} more rows or tables were not read.", None)] if more > 0 else []
    return (*_section_rows(document.get("reader", {})), *lines, *rest, *_no_items(document))


def _no_items(document: Mapping[str, Any]) -> list[Line]:
    """One line for each sheet: what a report's program or a person put between the rows."""
    by_sheet: dict[str | None, dict[str, list[Mapping[str, Any]]]] = {}
    for one in document.get("left_out", ()):
        if one["why"] in _NO_ITEMS:
            by_sheet.setdefault(one["sheet"], {}).setdefault(one["why"], []).append(one)
    return [_no_items_of(sheet, kinds) for sheet, kinds in by_sheet.items()]


def _no_items_of(sheet: str | None, kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> Line:
    where = f' of sheet "{sheet}"' if sheet else ""
    # of tables side by side each may have its own total in one row
    rows = {why: sorted({int(one["first_row"]) for one in kinds[why]}) for why in _NO_ITEMS if why in kinds}
    number = len({row_no for each in rows.values() for row_no in each})
    told = [f"{_NO_ITEMS[why][len(each) > 1]} in {_rows(each)}" for why, each in rows.items()]
    texts = [one["shown"] for why in rows for one in kinds[why][:_TEXTS_SHOWN] if one["shown"]]
    shown = list(dict.fromkeys(texts))
    only = min(row_no for each in rows.values() for row_no in each) if number == 1 else 0
    are = "1 row is no item and was" if number == 1 else f"{number:,} rows are no items and were"
    reason = f"{are} left out{where}: {'; '.join(told)}."
    return Line(only, None, "; ".join(shown) or None, reason, None, sheet=sheet, tells_reading=True)


def _rows(numbers: Sequence[int]) -> str:
    shown = list(map(str, numbers))
    if len(shown) == 1:
        return f"row {shown[0]}"
    if len(shown) > _ROWS_SHOWN:
        return f"rows {', '.join(shown[:_ROWS_SHOWN])} and {len(shown) - _ROWS_SHOWN:,} more"
    return f"rows {', '.join(shown[:-1])} and {shown[-1]}"


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
    reason = (
        "Rows with a single cell were read as headings of the rows below them and not as items. If one is an item, "
        "fill another cell of its row too."
    )
    return (Line(0, None, facts["sections"], reason, None, tells_reading=True),)
