"""What the tests of returned workbooks share: files as people have them, and what is given back. People are played by
openpyxl."""

import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import quote

import openpyxl
from openpyxl.styles import Font, PatternFill

from hub_pipelines.audit import store as audit
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.items.store import current_rows
from hub_pipelines.report.workbook.marking import RED
from hub_pipelines.submission.model import Submission

from ..conftest import INVENTORY_HEADER, SmallHub, inventory

COLUMNS = INVENTORY_HEADER.strip().split(",")
GOOD = ["NC-1", "Ethanol", "chemical", 2, "L", "Lab 1", "a@north.example.edu", "2025-01-02", 9.5, "PO-1"]
GREEN = "FFCCFFCC"


def row(tag: str, **changes: object) -> list[object]:
    return [{**dict(zip(COLUMNS, GOOD, strict=True)), "asset_tag": tag, **changes}[column] for column in COLUMNS]


def messy(*rows: list[object]) -> openpyxl.Workbook:
    """A title, headings in the third row from column B on, a look of its own, a second sheet with formulas."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Assets '26"
    sheet["B1"] = "Inventory of Lab 214"
    sheet["B1"].font = Font(bold=True, size=14)
    sheet.merge_cells("B1:F1")
    for position, heading in enumerate(COLUMNS):
        sheet.cell(3, 2 + position, heading).fill = PatternFill("solid", fgColor="FFDDDDDD")
    for number, cells in enumerate(rows):
        for position, value in enumerate(cells):
            sheet.cell(4 + number, 2 + position, value)
    sheet.column_dimensions["C"].width = 33
    sheet.freeze_panes = "A4"
    other = book.create_sheet("Sums")
    other["A1"] = "=SUM('Assets ''26'!E4:E9)"
    return book


def bytes_of(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def drop(small_hub: SmallHub, name: str, data: bytes, feed: str = "inventory", campus: str = "north") -> str:
    (small_hub.folder(campus, feed) / name).write_bytes(data)
    (arrival,) = small_hub.take(campus).arrivals
    assert arrival.request_id is not None
    small_hub.work()
    return arrival.request_id


def receipt(hub: Hub, current: Submission) -> tuple[str, dict[str, object]]:
    """The page without markup, and what it tells programs."""
    page = hub.receipts.write(current.request_id)
    html = page.read_text(encoding="utf-8")
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))), json.loads(
        page.with_suffix(".json").read_text()
    )


def returned(small_hub: SmallHub, request_id: str) -> Path:
    """The workbook that lies beside the receipt, by the link on its page."""
    page = small_hub.hub.receipts.write(request_id)
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["workbook"]
    assert told["state"] == "made", told
    assert f'href="{quote(told["file_name"])}"' in page.read_text(encoding="utf-8")
    return page.with_name(told["file_name"])


def coloured(sheet: "openpyxl.worksheet.worksheet.Worksheet", colour: str = RED) -> list[str]:
    return [cell.coordinate for cells in sheet.iter_rows() for cell in cells if cell.fill.fgColor.rgb == colour]


def texts(sheet: "openpyxl.worksheet.worksheet.Worksheet") -> str:
    return "\n".join(str(cell.value) for cells in sheet.iter_rows() for cell in cells if cell.value is not None)


def type_over(path: Path, sheet: str, values: dict[str, object], *, without_row: int | None = None) -> bytes:
    """What a person does: open, type over the coloured cells, delete a row, save."""
    book = openpyxl.load_workbook(path)
    for coordinate, value in values.items():
        book[sheet][coordinate] = value
    if without_row is not None:
        book[sheet].delete_rows(without_row)
    return bytes_of(book)


def events(small_hub: SmallHub, request_id: str) -> list[str]:
    with small_hub.hub.db.read() as tx:
        return [entry.event.event for entry in audit.entries_of(tx, request_id)]


def posted_tags(small_hub: SmallHub) -> list[str]:
    return sorted(one.key for one in current_rows(small_hub.hub.db, "inventory.asset@north"))


def limited(small_hub: SmallHub, **limits: float) -> SmallHub:
    hub = small_hub.hub
    workbooks = replace(hub.receipts.workbooks, **limits)  # type: ignore[arg-type]  # the tests know the fields
    return SmallHub(replace(hub, receipts=replace(hub.receipts, workbooks=workbooks)))


AMBIGUOUS = inventory("NC-1").replace(b"2025-01-02", b"03/04/2025")


def answered(path: Path, answer: str) -> bytes:
    book = openpyxl.load_workbook(path)
    sheet = book["Questions"]
    assert [cell.value for cell in sheet[1]][:4] == ["Id", "Question", "What we found", "Your answer"]
    sheet["D2"] = answer
    return bytes_of(book)


def offered(path: Path) -> list[str]:
    """What the list beside the first question offers."""
    sheet = openpyxl.load_workbook(path)["Questions"]
    (rule,) = sheet.data_validations.dataValidation
    assert str(rule.sqref) == "D2"
    return [cell.value for cells in sheet[rule.formula1.replace("$", "")] for cell in cells]
