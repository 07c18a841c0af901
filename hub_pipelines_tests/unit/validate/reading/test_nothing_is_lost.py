"""Random workbooks in the shapes that labs send are written and read back: each cell is there, or told.

The quick profile runs always; `-m slow` runs many more.
"""

import csv
import datetime
import io
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.parsing.grid import text_of
from hub_pipelines.validate.parsing.opening import Opened

from .files import opened_here

_PART_ROWS = 10_000_000
_HEADINGS = ("Chemical", "Supplier", "Amount", "Opened", "Place", "Remark", "Lot", "Owner")
_WORDS = st.text("abcdefghijklmnopqrstuvwxyzéµ ", min_size=3, max_size=12).map(lambda text: f"w{text.strip()}x")
_NUMBERS = st.integers(0, 99_999).map(lambda number: number / 4)
_DAYS = st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1))


@dataclass
class Sheet:
    """A sheet as it is written, and what must come back of it: (row number, cell's text) of each item's cells."""

    lines: list[list[Any]] = field(default_factory=list)
    items: Counter[tuple[int, str]] = field(default_factory=Counter)
    sections: list[str] = field(default_factory=list)
    titles: list[int] = field(default_factory=list)
    """Numbers of the rows that head a section."""
    told: list[int] = field(default_factory=list)
    """Numbers of rows that must be told as left out."""

    def add(self, *cells: Any) -> int:
        self.lines.append(list(cells))
        return len(self.lines)

    def add_item(self, cells: list[Any]) -> None:
        row_no = self.add(*cells)
        self.items.update((row_no, _text(cell)) for cell in cells if cell is not None)


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    made = Sheet()
    width = draw(st.integers(3, 7))
    indent = draw(st.sampled_from([0, 0, 1, 2]))
    margin = [None] * indent
    header = list(_HEADINGS[:width])
    for title in draw(st.lists(_WORDS, max_size=2)):
        made.add(*margin, title)
        if draw(st.booleans()):
            made.add()
    has_header = draw(st.integers(0, 4)) > 0
    repeats = draw(st.booleans()) and has_header
    gaps = draw(st.integers(0, 3)) == 0
    in_sections = draw(st.integers(0, 3)) == 0 and has_header
    # of the fourth item only the name is known
    is_sparse = draw(st.booleans()) and has_header and not in_sections
    for block in range(draw(st.integers(1, 3)) if repeats else 1):
        if has_header:
            if block:
                made.add()
            made.add(*margin, *header)
        # a single section, or one of a single item, could as well be an item without anything but its name
        for number in range(draw(st.sampled_from([8, 10, 11, 12]) if in_sections else st.integers(4, 12))):
            if in_sections and number % 4 == 0:
                section = draw(_WORDS)
                made.titles.append(made.add(*margin, section))
                made.sections.append(text_of(section))
            cells = _item(draw, width, has_header)
            made.add_item(margin + (cells[:1] if is_sparse and number == 3 else cells))
            if gaps and number == 1:
                made.add()
    if has_header and draw(st.integers(0, 3)) == 0:
        made.told.append(made.add(*margin, "Total", *[None] * (width - 2), 12.5))
    if draw(st.integers(0, 3)) == 0:
        made.add()
        made.told.append(made.add(*margin, "Note: checked"))
    return made


def _item(draw: st.DrawFn, width: int, has_header: bool) -> list[Any]:
    cells = [draw(_WORDS), draw(_WORDS), draw(_NUMBERS), draw(_DAYS), draw(_WORDS), draw(_WORDS), draw(_NUMBERS)]
    if has_header:
        # the first is what an item is called; two values show what the heading is not
        for place in range(4, width):
            if draw(st.integers(0, 3)) == 0:
                cells[place] = None
    return cells[:width]


def _text(cell: Any) -> str:
    return cell.isoformat() if isinstance(cell, datetime.date) else text_of(cell)


def written(sheet: Sheet, kind: str) -> bytes:
    if kind == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([["" if c is None else _text(c) for c in line] for line in sheet.lines])
        return text.getvalue().encode()
    made = openpyxl.Workbook()
    page = made.active
    assert page is not None
    for row_no, line in enumerate(sheet.lines, start=1):
        for column, cell in enumerate(line, start=1):
            if cell is not None:
                page.cell(row_no, column, cell)  # type: ignore[union-attr]  # a new workbook's sheet is a worksheet
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def check(sheet: Sheet, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(written(sheet, kind))
        found = opened_here(path, f"a.{kind}")
    rows = list(found.joined.rows())
    has_sections = found.joined.has_sections
    back = Counter(
        (row_no % _PART_ROWS, _text(cell))
        for row_no, cells in rows
        for cell in (cells[:-1] if has_sections else cells)
        if cell != ""
    )
    assert back == sheet.items, (back - sheet.items, sheet.items - back)
    assert len({row_no for row_no, _ in rows}) == len(rows)
    _check_told(sheet, found)


def _check_told(sheet: Sheet, found: Opened) -> None:
    assert [one.first_row for one in found.joined.left_out] == sheet.told + sheet.titles
    assert [table.sections[row] for _, table in found.joined.tables for row in sorted(table.sections)] == sheet.sections


_EASY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(deadline=None, max_examples=60, suppress_health_check=_EASY)
@given(sheets(), st.sampled_from(["csv", "xlsx"]))
def test_every_cell_of_every_item_comes_back(sheet: Sheet, kind: str) -> None:
    check(sheet, kind)


@pytest.mark.slow
@settings(deadline=None, max_examples=3_000, suppress_health_check=_EASY)
@given(sheets(), st.sampled_from(["csv", "xlsx"]))
def test_every_cell_of_every_item_comes_back_from_thousands(sheet: Sheet, kind: str) -> None:
    check(sheet, kind)
