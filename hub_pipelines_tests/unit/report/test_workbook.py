"""The returned workbook from end to end: what is given back, and what becomes of it when it is dropped again.

Real files, a real hub, the real writing program; people are played by openpyxl.
"""

import io
import json
import re
import zipfile
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import quote

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

from hub_pipelines.audit import store as audit
from hub_pipelines.drift.model import Source
from hub_pipelines.hub import KNOWN_FEEDS, Hub, open_hub
from hub_pipelines.ledger.store import current_rows
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.report.workbook import token
from hub_pipelines.report.workbook.marking import BLUE, RED, YELLOW
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines.submission.model import Lease, State, Submission
from hub_pipelines_tests.support import due_now, make_retry_due

from ..conftest import INVENTORY_HEADER, SmallHub, inventory, registry

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


def type_over(path: Path, sheet: str, values: dict[str, object]) -> bytes:
    """What a person does: open, type over the coloured cells, save."""
    book = openpyxl.load_workbook(path)
    for coordinate, value in values.items():
        book[sheet][coordinate] = value
    return bytes_of(book)


def events(small_hub: SmallHub, request_id: str) -> list[str]:
    with small_hub.hub.db.read() as tx:
        return [entry.event.event for entry in audit.entries_of(tx, request_id)]


def posted_tags(small_hub: SmallHub) -> list[str]:
    return sorted(one.key for one in current_rows(small_hub.hub.db, "inventory.asset@north"))


# ---- what is given back


def test_a_messy_workbook_comes_back_with_its_look_and_the_bad_cells_marked(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    book = messy(row("NC-1"), row("NC-2", category="equipmnt", quantity="lots"))
    book.active["D5"].comment = Comment("ask Kim", "Lee")
    book.active["D5"].fill = PatternFill("solid", fgColor=GREEN)
    request_id = drop(small_hub, "lab list.xlsx", bytes_of(book))

    back = openpyxl.load_workbook(returned(small_hub, request_id))

    assert back.sheetnames == ["Read me first", "Assets '26", "Sums", "_hub"]
    assert back.active.title == "Read me first"
    assert [one.title for one in back.worksheets if one.sheet_view.tabSelected] == ["Read me first"]
    assert back["_hub"].sheet_state == "veryHidden"
    sheet = back["Assets '26"]
    assert coloured(sheet) == ["D5", "E5"]
    assert sheet["D5"].comment.text.startswith("ask Kim\n\n[Hub] Not taken: The category must be one of")
    assert "Suggestion: equipment" in sheet["D5"].comment.text
    assert (sheet.column_dimensions["C"].width, sheet.freeze_panes) == (33, "A4")
    assert sheet["B1"].font.bold
    assert "B1:F1" in sheet.merged_cells
    assert back["Sums"]["A1"].value == "=SUM('Assets ''26'!E4:E9)"


def test_the_first_sheet_sums_up_and_leads_to_each_cell(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    request_id = drop(small_hub, "lab.xlsx", bytes_of(messy(row("NC-1"), row("NC-2", quantity="lots"))))
    first = openpyxl.load_workbook(returned(small_hub, request_id))["Read me first"]
    told = texts(first)
    assert first["A1"].value == "1 of 2 rows was taken, 1 needs your attention"
    assert request_id not in told, "what only the operator needs is on the receipt, folded"
    assert "drop/north/inventory" in told
    (link,) = [cell for cells in first.iter_rows() for cell in cells if cell.hyperlink]
    assert (link.value, link.hyperlink.location) == ("Assets '26!E5", "'Assets ''26'!E5")


def test_rows_that_excel_damaged_beyond_telling_come_back_as_questions_and_post_when_answered(
    small_hub: SmallHub,
) -> None:
    """The rest of the file posts; nothing is guessed and nothing is dropped."""
    small_hub.register("171900000123", "NC-2")
    lines = ["asset_tag,item_name,location,cas_number"]
    lines += ["1.719E+11,Freezer,B1,", "NC-2,Acetone,B1,67-64-1", "NC-2,Urea,B1,12-Mar-88"]
    text = "\n".join(lines).replace("NC-2,Urea", "171900000123,Urea")
    request_id = drop(small_hub, "lab.csv", text.encode())
    _, told = receipt(small_hub.hub, small_hub.submission(request_id))
    assert told["counts"]["posted"] == 1
    asked = {one["row"]: f"{one['reason']} {one['suggestion']}" for one in told["problems"]}
    assert "its digits cannot be trusted" in asked[2]
    assert asked[4] == "Excel has turned this CAS number into a date. Format the column as Text and type it again"

    path = returned(small_hub, request_id)
    sheet = openpyxl.load_workbook(path)["Your table"]
    assert [sheet[one].comment is not None for one in ("A2", "D4")] == [True, True]
    mended = type_over(path, "Your table", {"A2": "171900000123", "A4": "NC-2", "B4": "Acetone, p.a.", "D4": "67-64-1"})
    drop(small_hub, "lab mended.xlsx", mended)
    assert posted_tags(small_hub) == ["171900000123", "NC-2"]


def test_whom_to_ask_stands_on_receipts_of_all_kinds_and_in_the_workbook(small_hub: SmallHub) -> None:
    home, contact = small_hub.hub.settings.home, "Ada <Reyes>, ada@uni.edu"
    (home / "hub.toml").write_text(DEFAULT_TOML.replace('contact = ""', f'contact = " {contact} "'), encoding="utf-8")
    named = SmallHub(open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)})))
    request_id = drop(named, "lab.csv", b"Name,CAS,Location\nAcetone,67-64-9,B1\n")
    workbook = returned(named, request_id)
    (named.inbox / "a folder").mkdir()
    (named.inbox / "preview" / "look.csv").write_text("Name,CAS\nAcetone,67-64-1\n")
    named.take()
    named.hub.receipts.write_due("north")
    list(named.hub.previews.make_due("north"))

    pages = [one for one in named.hub.settings.receipts.rglob("*.html") if one.name != "index.html"]
    assert {one.name.partition("--")[0] for one in pages} == {"a folder", "lab.csv", "look.csv"}
    assert all("Ada &lt;Reyes&gt;, ada@uni.edu" in one.read_text("utf-8") for one in pages)
    assert contact in texts(openpyxl.load_workbook(workbook)["Read me first"])
    assert "Whom to ask" not in small_hub.hub.receipts.write(request_id).read_text("utf-8")


def test_several_problems_of_one_cell_stand_in_one_comment_and_a_rows_problem_marks_the_row(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1")
    data = inventory("NC-1") + inventory("NC-1").splitlines(keepends=True)[1].replace(b"PO-1", b"PO-1,surplus")
    back = openpyxl.load_workbook(returned(small_hub, drop(small_hub, "lab.csv", data)))
    sheet = back.worksheets[1]
    assert len(coloured(sheet)) == len(COLUMNS)
    assert "3" in coloured(sheet)[0]
    assert "11 cells" in sheet["A3"].comment.text


def test_a_good_file_gets_no_workbook(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    request_id = drop(small_hub, "lab.xlsx", bytes_of(messy(row("NC-1"))))
    page = small_hub.hub.receipts.write(request_id)
    assert json.loads(page.with_suffix(".json").read_text())["workbook"] is None
    assert not [one for one in page.parent.iterdir() if one.suffix == ".xlsx"]


def test_a_warning_is_marked_in_yellow_although_its_row_was_taken(small_hub: SmallHub) -> None:
    (small_hub.folder("north", "procurement") / "registry.csv").write_bytes(registry("SO-1", campus="south"))
    small_hub.take()
    small_hub.work()
    request_id = drop(small_hub, "lab.csv", inventory("SO-1"))
    assert small_hub.submission(request_id).counts.posted == 1
    sheet = openpyxl.load_workbook(returned(small_hub, request_id)).worksheets[1]
    assert (coloured(sheet), coloured(sheet, YELLOW)) == ([], ["A2"])
    assert "Please check" in sheet["A2"].comment.text


def test_a_text_file_comes_back_as_a_workbook_whose_texts_stay_texts(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    header, good = inventory("NC-1").decode().splitlines()
    bad = good.replace("NC-1", "007").replace("Ethanol", '=HYPERLINK("x")'.replace('"', "'"))
    data = "\n".join(["Stock of Lab 1,,", "", header, good, bad]).encode()
    sheet = openpyxl.load_workbook(returned(small_hub, drop(small_hub, "lab.csv", data))).worksheets[1]
    assert sheet["A1"].value == "Stock of Lab 1"
    assert [sheet.cell(3, column).value for column in (1, 2)] == ["asset_tag", "item_name"]
    assert (sheet["A5"].value, sheet["A5"].number_format) == ("007", "@")
    assert (sheet["B5"].value, sheet["B5"].data_type) == ("=HYPERLINK('x')", "s")
    assert sheet["B5"].quotePrefix
    assert (sheet["H4"].value, sheet["H4"].data_type) == ("2025-01-02", "s")
    assert coloured(sheet) == ["A5"]


def test_columns_with_a_closed_set_of_values_get_a_list_unless_the_sender_has_one(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    book = messy(row("NC-1"), row("NC-2", quantity="lots"))
    own = DataValidation(type="list", formula1='"L,mL"')
    own.add("F4:F100")
    book.active.add_data_validation(own)
    back = openpyxl.load_workbook(returned(small_hub, drop(small_hub, "lab.xlsx", bytes_of(book))))
    rules = {str(rule.sqref): rule.formula1 for rule in back["Assets '26"].data_validations.dataValidation}
    assert rules["F4:F100"] == '"L,mL"'
    assert not [where for where in rules if where.startswith("F") and where != "F4:F100"]
    letter = re.fullmatch(r"'_hub'!\$(\w+)\$1:\$\w+\$(\d+)", rules["D4:D5"])
    assert letter is not None
    values = [back["_hub"][f"{letter[1]}{number}"].value for number in range(1, int(letter[2]) + 1)]
    assert "equipment" in values


def test_the_names_of_campuses_are_a_closed_set(small_hub: SmallHub) -> None:
    request_id = drop(small_hub, "tags.csv", registry("NC-1", campus="nroth"), feed="procurement")
    back = openpyxl.load_workbook(returned(small_hub, request_id))
    (rule,) = back.worksheets[1].data_validations.dataValidation
    assert str(rule.sqref) == "C2"
    hidden = back["_hub"]
    assert {hidden.cell(number, 6).value for number in range(1, 5)} >= {"north", "south"}


def test_macros_are_kept(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    plain = bytes_of(messy(row("NC-9")))
    request_id = drop(small_hub, "lab.xlsm", with_part(plain, "xl/vbaProject.bin", b"macros of the sender"))
    path = returned(small_hub, request_id)
    assert path.suffix == ".xlsm"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("xl/vbaProject.bin") == b"macros of the sender"


def with_part(workbook: bytes, name: str, content: bytes) -> bytes:
    """A workbook with one more part, declared as Excel declares macros when it is that."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(buffer, "w") as new:
        for item in old.namelist():
            data = old.read(item)
            if name.endswith("vbaProject.bin") and item == "[Content_Types].xml":
                data = data.replace(
                    b"vnd.openxmlformats-officedocument.spreadsheetml.sheet.main",
                    b"vnd.ms-excel.sheet.macroEnabled.main",
                ).replace(
                    b"</Types>",
                    b'<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/></Types>',
                )
            new.writestr(item, data)
        new.writestr(name, content)
    return buffer.getvalue()


def test_what_is_lost_of_a_workbook_is_told_on_the_first_sheet(small_hub: SmallHub) -> None:
    drawing = (
        b'<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing">'
        b"<xdr:pic></xdr:pic><xdr:sp ></xdr:sp></xdr:wsDr>"
    )
    data = with_part(bytes_of(messy(row("NC-9"))), "xl/drawings/drawing1.xml", drawing)
    data = with_part(data, "xl/slicers/slicer1.xml", b"<slicers/>")
    first = openpyxl.load_workbook(returned(small_hub, drop(small_hub, "lab.xlsx", data)))["Read me first"]
    assert "lacks some things of your workbook: slicers; pictures; shapes and text boxes" in texts(first)


def test_a_workbook_that_openpyxl_cannot_open_comes_back_with_its_values(small_hub: SmallHub) -> None:
    rule = b'</sheetData><conditionalFormatting sqref="A1"><cfRule type="odd" priority="1"/></conditionalFormatting>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bytes_of(messy(row("NC-9"))))) as old, zipfile.ZipFile(buffer, "w") as new:
        for item in old.namelist():
            new.writestr(item, old.read(item).replace(b"</sheetData>", rule))
    request_id = drop(small_hub, "lab.xlsx", buffer.getvalue())
    back = openpyxl.load_workbook(returned(small_hub, request_id))
    assert coloured(back["Assets '26"]) == ["B4"]
    assert "formatting and formulas could not be kept" in texts(back["Read me first"])


# ---- when it can't be given back whole, or at all


def limited(small_hub: SmallHub, **limits: float) -> SmallHub:
    hub = small_hub.hub
    workbooks = replace(hub.receipts.workbooks, **limits)  # type: ignore[arg-type]  # the tests know the fields
    return SmallHub(replace(hub, receipts=replace(hub.receipts, workbooks=workbooks)))


def test_of_a_file_that_is_too_large_only_the_rows_to_fix_come_back_and_post(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    small = limited(small_hub, most_cells=10)
    book = messy(row("NC-1"), row("NC-2", quantity="lots"), row("NC-3"))
    request_id = drop(small, "lab.xlsx", bytes_of(book))
    path = returned(small, request_id)
    back = openpyxl.load_workbook(path)
    assert back.sheetnames == ["Read me first", "Rows to fix", "_hub"]
    sheet = back["Rows to fix"]
    assert [cell.value for cell in sheet[1]][:2] == ["Row in your file", "asset_tag"]
    assert [cell.value for cell in sheet[2]][:2] == [5, "NC-2"]
    assert coloured(sheet) == ["E2"]
    assert "too large to be given back whole" in receipt(small.hub, small.submission(request_id))[0]

    again = drop(small, path.name, type_over(path, "Rows to fix", {"E2": 4}))
    current = small.submission(again)
    assert (current.counts.received, current.counts.posted, current.revises) == (1, 1, request_id)
    text, told = receipt(small.hub, current)
    assert told["correction"]["cells"] == [{"row": 2, "column": "quantity", "old": "lots", "new": "4"}]  # type: ignore[index]
    assert "removed" not in text
    entry = next(one for one in current_rows(small.hub.db, "inventory.asset@north") if one.key == "NC-2")
    assert "other" not in entry.values


def test_when_no_workbook_can_be_made_the_receipt_says_so_and_is_complete(small_hub: SmallHub) -> None:
    small_hub.register("NC-2")
    hasty = limited(small_hub, patience_s=0.01)
    request_id = drop(hasty, "lab.csv", inventory("NC-1"))
    text, told = receipt(hasty.hub, hasty.submission(request_id))
    assert told["workbook"]["state"] == "failed"  # type: ignore[index]
    assert "There is no copy of your file with the problems marked: marking it needs more time" in text
    assert "not in the list of tags" in text
    assert not [one for one in (hasty.hub.settings.receipts / "north" / "inventory").iterdir() if one.suffix == ".xlsx"]


@pytest.mark.slow
def test_a_workbook_that_would_fill_the_memory_costs_its_writer_alone(small_hub: SmallHub) -> None:
    """Merged cells over the whole sheet: openpyxl makes an object for each of 17 thousand million cells."""
    small_hub.register("NC-2")
    merged = b'</sheetData><mergeCells count="1"><mergeCell ref="A40:XFD1048576"/></mergeCells>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bytes_of(messy(row("NC-9"))))) as old, zipfile.ZipFile(buffer, "w") as new:
        for item in old.namelist():
            data = re.sub(rb"<mergeCells.*?</mergeCells>", b"", old.read(item), flags=re.S)
            new.writestr(item, data.replace(b"</sheetData>", merged) if "sheet1" in item else data)
    hasty = limited(small_hub, patience_s=30)
    request_id = drop(hasty, "lab.xlsx", buffer.getvalue())
    page = hasty.hub.receipts.write(request_id)
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["workbook"]
    assert told["state"] == "made"
    assert "too large to be given back whole" in told["note"]


def test_a_workbook_is_made_once_and_what_a_person_works_on_is_left_alone(small_hub: SmallHub) -> None:
    request_id = drop(small_hub, "lab.csv", inventory("NC-1"))
    path = returned(small_hub, request_id)
    path.write_bytes(b"edited in place")
    small_hub.hub.receipts.write(request_id)
    small_hub.hub.receipts.write_due()
    assert path.read_bytes() == b"edited in place"


# ---- when it comes back


def test_fixed_and_dropped_again_only_the_changed_row_posts_and_the_receipt_shows_old_and_new(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    book = messy(row("NC-1"), row("NC-2", category="equipmnt", quantity="lots"), row("NC-3", unit_cost="much"))
    book.active["D5"].fill = PatternFill("solid", fgColor=GREEN)
    book.active["D5"].comment = Comment("ask Kim", "Lee")
    first = drop(small_hub, "lab list.xlsx", bytes_of(book))
    path = returned(small_hub, first)

    second = drop(small_hub, path.name, type_over(path, "Assets '26", {"D5": "equipment", "E5": 3}))

    current = small_hub.submission(second)
    counts = current.counts
    assert (counts.received, counts.posted, counts.unchanged, counts.rejected) == (3, 1, 1, 1)
    assert (current.revises, current.source_version) == (first, 2)
    assert "submission:revises" in events(small_hub, second)
    assert posted_tags(small_hub) == ["NC-1", "NC-2"]
    pages = small_hub.hub.receipts.write_due()
    assert small_hub.hub.receipts.path_of(small_hub.submission(first)) in pages
    assert "You sent a newer copy: go on with its receipt" in receipt(small_hub.hub, small_hub.submission(first))[0]
    text, told = receipt(small_hub.hub, current)
    assert "What you changed" in text
    assert "The earlier file had 3 problems; this one has 1." in text
    assert told["correction"]["cells"] == [  # type: ignore[index]
        {"row": 5, "column": "category", "old": "equipmnt", "new": "equipment"},
        {"row": 5, "column": "quantity", "old": "lots", "new": "3"},
    ]

    # the next round marks what is left and nothing else, and gives the fixed cells their own look back
    back = openpyxl.load_workbook(returned(small_hub, second))
    assert back.sheetnames == ["Read me first", "Assets '26", "Sums", "_hub"]
    sheet = back["Assets '26"]
    assert coloured(sheet) == ["J6"]
    assert sheet["D5"].fill.fgColor.rgb == GREEN
    assert sheet["D5"].comment.text == "ask Kim"
    assert sheet["E5"].comment is None
    assert len([one for one in sheet.data_validations.dataValidation if str(one.sqref).startswith("D")]) == 1

    third = drop(small_hub, "renamed by hand.xlsx", type_over(returned(small_hub, second), "Assets '26", {"J6": 7}))
    current = small_hub.submission(third)
    assert (current.revises, current.counts.posted, current.counts.unchanged) == (second, 1, 2)
    assert "The earlier file had 1 problem; none is left." in receipt(small_hub.hub, current)[0]
    assert small_hub.hub.receipts.index.gather("north").attention == (), "all went on under other names"


def test_a_text_files_workbook_posts_when_it_is_fixed(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    data = inventory("NC-1") + inventory("NC-2", quantity="lots").splitlines(keepends=True)[1]
    first = drop(small_hub, "lab.csv", data)
    path = returned(small_hub, first)
    assert path.name.startswith("lab.csv--")
    second = drop(small_hub, path.name, type_over(path, "Your table", {"D3": "5"}))
    current = small_hub.submission(second)
    assert (current.counts.posted, current.counts.unchanged) == (1, 1)
    assert (current.revises, current.source_version) == (first, 2)
    cells = receipt(small_hub.hub, current)[1]["correction"]["cells"]  # type: ignore[index]
    assert cells == [{"row": 3, "column": "quantity", "old": "lots", "new": "5"}]


def test_a_formula_that_came_as_text_is_still_the_same_text_when_it_comes_back(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    data = inventory("NC-1").replace(b"Ethanol", b"=1+1") + inventory("NC-2", quantity="x").splitlines()[1] + b"\n"
    path = returned(small_hub, drop(small_hub, "lab.csv", data))
    current = small_hub.submission(drop(small_hub, path.name, type_over(path, "Your table", {"D3": "5"})))
    assert (current.counts.posted, current.counts.unchanged) == (1, 1)
    values = {one.key: one.values["item_name"] for one in current_rows(small_hub.hub.db, "inventory.asset@north")}
    assert values["NC-1"] == "=1+1"


@pytest.mark.parametrize("change", ["signature", "body", "kind", "nonsense"])
def test_a_forged_mark_is_told_and_the_file_is_taken_as_a_new_one(small_hub: SmallHub, change: str) -> None:
    small_hub.register("NC-1", "NC-2")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-9"))
    path = returned(small_hub, first)
    kind, body, key_id, signature = openpyxl.load_workbook(path)["_hub"]["A1"].value.split(".")
    forged = {
        "signature": f"{kind}.{body}.{key_id}.{'A' * len(signature)}",
        "body": f"{kind}.{body[:-8]}{'A' * 8}.{key_id}.{signature}",
        "kind": f"hub9.{body}.{key_id}.{signature}",
        "nonsense": "=cmd|'/C calc'!A0",
    }[change]
    second = drop(small_hub, "lab2.xlsx", retoken(path, forged))
    current = small_hub.submission(second)
    assert (current.state, current.revises) == (State.POSTED, None)
    assert "submission:mark_not_taken" in events(small_hub, second)
    assert "hidden mark that is not this hub's" in receipt(small_hub.hub, current)[0]


def retoken(path: Path, mark: str) -> bytes:
    book = openpyxl.load_workbook(path)
    book["_hub"]["A1"].value = mark
    book["_hub"]["A1"].data_type = "s"
    return bytes_of(book)


def test_a_workbook_dropped_into_another_campuss_folder_links_nothing(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-9"))
    second = drop(small_hub, "lab.xlsx", returned(small_hub, first).read_bytes(), campus="south")
    current = small_hub.submission(second)
    assert current.revises is None
    assert "given back for another file (inventory of north)" in receipt(small_hub.hub, current)[0]


def test_marks_of_an_earlier_key_are_still_known(small_hub: SmallHub) -> None:
    keys = small_hub.hub.keys
    mark = token.Token("north-inventory-abc", 1, "north", "inventory")
    text = token.issue(keys, mark)
    (small_hub.hub.settings.keys / "signing.pem").unlink()
    type(keys)(small_hub.hub.settings.keys).ensure()
    fresh = type(keys)(small_hub.hub.settings.keys)
    assert token.read(fresh, text) == mark
    assert token.issue(fresh, mark) != text


def test_the_hubs_own_sheets_never_count_as_data(small_hub: SmallHub) -> None:
    """The list of problems holds texts that are headings of the contract."""
    small_hub.register("NC-1")
    data = inventory("NC-1", *(f"NC-X{number}" for number in range(40)))
    first = drop(small_hub, "lab.csv", data)
    second = drop(small_hub, "lab.xlsx", returned(small_hub, first).read_bytes())
    counts = small_hub.submission(second).counts
    assert (counts.received, counts.unchanged, counts.rejected) == (41, 1, 40)


# ---- questions


AMBIGUOUS = inventory("NC-1").replace(b"2025-01-02", b"03/04/2025")


def answered(path: Path, answer: str) -> bytes:
    book = openpyxl.load_workbook(path)
    sheet = book["Questions"]
    assert [cell.value for cell in sheet[1]][:4] == ["Id", "Question", "What we think, and why", "Your answer"]
    sheet["D2"] = answer
    return bytes_of(book)


def offered(path: Path) -> list[str]:
    """What the list beside the first question offers."""
    sheet = openpyxl.load_workbook(path)["Questions"]
    (rule,) = sheet.data_validations.dataValidation
    assert str(rule.sqref) == "D2"
    return [cell.value for cells in sheet[rule.formula1.replace("$", "")] for cell in cells]


@pytest.mark.parametrize("name", ["lab.csv", None, "renamed.xlsx"])
def test_a_question_is_answered_in_the_workbook_and_the_file_posts(small_hub: SmallHub, name: str | None) -> None:
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", AMBIGUOUS)
    assert small_hub.submission(first).state is State.IN_REVIEW
    (item,) = small_hub.hub.review.listing()
    path = returned(small_hub, first)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Read me first", "Questions", "Your table", "_hub"]
    assert "acquired_on" in str(book["Questions"]["B2"].value)
    assert "answer" in texts(book["Read me first"]).lower()
    choice = next(one for one in offered(path) if "day" in one.lower())

    second = drop(small_hub, path.name if name in (None, "lab.csv") else name, answered(path, choice))

    current = small_hub.submission(second)
    assert (current.state, current.counts.posted, current.revises) == (State.POSTED, 1, first)
    assert "The earlier file had" not in receipt(small_hub.hub, current)[0], "its rows were never judged"
    assert small_hub.submission(first).state is State.DISMISSED
    assert small_hub.hub.review.listing() == []
    assert small_hub.hub.review.show(item.item_id)[0].replaced_by == second
    page, told = receipt(small_hub.hub, small_hub.submission(first))
    assert told["headline"] == "You sent a newer copy; go on there"
    assert "show this page" not in page
    assert told["newer"]["page"] == quote(small_hub.hub.receipts.path_of(current).name)  # type: ignore[index]
    # the same list is not asked about again
    third = drop(small_hub, "lab.csv", AMBIGUOUS.replace(b"9.50", b"9.60"))
    assert small_hub.submission(third).state is State.POSTED


def test_an_answer_that_is_none_of_the_choices_is_told_and_asked_again(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", AMBIGUOUS)
    path = returned(small_hub, first)
    second = drop(small_hub, path.name, answered(path, "whatever"))
    current = small_hub.submission(second)
    assert (current.state, str(current.cause), current.revises) == (State.IN_REVIEW, "question", first)
    page, _ = receipt(small_hub.hub, current)
    assert "What we need to know Please answer again: 'whatever' is not one of the answers" in page
    assert "Worth a look" not in page
    again = openpyxl.load_workbook(returned(small_hub, second))
    assert again.sheetnames == ["Read me first", "Questions", "Your table", "_hub"]
    assert again["Questions"]["D2"].value is None


def test_the_workbook_of_a_count_that_comes_back_as_an_update_says_so_and_may_still_be_counted(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    drop(small_hub, "lab.csv", inventory("NC-1", "NC-2", "NC-3"))
    counts = small_hub.folder("north", "inventory") / "complete-count"
    (counts / "count.csv").write_bytes(inventory("NC-1", "NC-8"))
    (arrival,) = small_hub.take().arrivals
    small_hub.work()
    first = str(arrival.request_id)
    path = returned(small_hub, first)
    mended = type_over(path, "Your table", {"A3": "NC-2"})

    second = drop(small_hub, "mended.xlsx", mended)

    current = small_hub.submission(second)
    assert (current.state, current.revises, current.envelope.complete_count) == (State.POSTED, first, False)
    page, _ = receipt(small_hub.hub, current)
    assert "Its rows were taken as an update. Nothing was counted by this file." in page
    assert "drop the same workbook into the folder inventory/complete-count" in page
    # the count is not settled by an update: what is still missing stays on its receipt
    page, told = receipt(small_hub.hub, small_hub.submission(first))
    assert told["count"]["still_missing"] == 1  # type: ignore[index]
    assert "Look for the items that were not found" in page

    (counts / "mended.xlsx").write_bytes(mended)
    (arrival,) = small_hub.take().arrivals
    small_hub.work()
    current = small_hub.submission(arrival.request_id)
    assert (current.state, current.envelope.complete_count) == (State.POSTED, True)
    assert "taken as an update" not in receipt(small_hub.hub, current)[0]
    assert "Nothing here. You sent a newer copy" in receipt(small_hub.hub, small_hub.submission(first))[0]


def test_a_workbook_under_another_name_waits_while_its_original_is_worked_on_again(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-9"))
    path = returned(small_hub, first)
    (small_hub.inbox / "mended.xlsx").write_bytes(type_over(path, "Your table", {"A3": "NC-2", "D2": 7}))
    (arrival,) = small_hub.take().arrivals
    second = str(arrival.request_id)
    small_hub.hub.review.apply_again(first, actor="person/kim")

    lease = small_hub.hub.processing.begin(second, "run-of-test")
    assert isinstance(lease, Lease)
    with pytest.raises(AttemptFailed, match="is worked on again"), small_hub.hub.processing.attempt(lease):
        small_hub.hub.processing.validate(lease)

    current = small_hub.submission(second)
    assert (current.state, current.revises) == (State.RETRYING, first)
    assert [one.request_id for one in due_now(small_hub.hub)] == [first]
    small_hub.work()
    make_retry_due(small_hub.hub, second)
    small_hub.work()
    assert [small_hub.submission(one).state for one in (first, second)] == [State.POSTED] * 2
    assert posted_tags(small_hub) == ["NC-1", "NC-2"]
    quantities = {one.key: one.values["quantity"] for one in current_rows(small_hub.hub.db, "inventory.asset@north")}
    assert quantities["NC-1"] == "7", "what the workbook says was posted last"
    assert events(small_hub, second).count("submission:revises") == 1


def test_what_was_changed_is_told_by_the_senders_own_headings(small_hub: SmallHub) -> None:
    """Headings of another language are no columns that came and went."""
    text = "Наименование,Количество,Место хранения\nАцетон,2,Шкаф 1\nЭтанол,много,Шкаф 2\nАгар,3,Шкаф 1\n"
    first = drop(small_hub, "реактивы.csv", text.encode())
    path = returned(small_hub, first)
    book = openpyxl.load_workbook(path)
    book["Your table"]["B3"] = 5
    book["Your table"].move_range("A4:C4", rows=1)
    second = drop(small_hub, path.name, bytes_of(book))
    _, told = receipt(small_hub.hub, small_hub.submission(second))
    correction = told["correction"]
    assert isinstance(correction, dict)
    assert correction["summary"] == "1 row changed."
    assert [(one["row"], one["column"], one["new"]) for one in correction["cells"]] == [(3, "Количество", "5")]


# ---- several tables in one file


def test_each_problem_is_marked_on_its_own_sheet_and_beside_other_columns(small_hub: SmallHub) -> None:
    """Two sheets of one list, on the second further right and with its columns in another order."""
    small_hub.register("NC-1", "NC-2", "NC-3")
    book = openpyxl.Workbook()
    first = book.active
    first.title = "Room 1"
    first.append(COLUMNS)
    first.append(row("NC-1"))
    first.append(row("NC-2", quantity="lots"))
    second = book.create_sheet("Room 2")
    order = list(reversed(range(len(COLUMNS))))
    for number, cells in enumerate([COLUMNS, row("NC-3", category="equipmnt")], start=2):
        for column, position in enumerate(order, start=3):
            second.cell(number, column, cells[position])
    request_id = drop(small_hub, "rooms.xlsx", bytes_of(book))
    current = small_hub.submission(request_id)
    assert (current.counts.received, current.counts.rejected) == (3, 2)
    path = returned(small_hub, request_id)
    back = openpyxl.load_workbook(path)
    assert coloured(back["Room 1"]) == ["D3"]
    (marked,) = coloured(back["Room 2"])
    assert back["Room 2"][marked].value == "equipmnt"
    links = {cell.hyperlink.location for cells in back["Read me first"].iter_rows() for cell in cells if cell.hyperlink}
    assert links == {"'Room 1'!D3", f"'Room 2'!{marked}"}
    ranges = {
        name: {str(one.sqref) for one in back[name].data_validations.dataValidation} for name in ("Room 1", "Room 2")
    }
    assert "C2:C3" in ranges["Room 1"]
    assert marked in ranges["Room 2"]

    book = openpyxl.load_workbook(path)
    book["Room 1"]["D3"] = 3
    book["Room 2"][marked] = "equipment"
    counts = small_hub.submission(drop(small_hub, path.name, bytes_of(book))).counts
    assert (counts.posted, counts.unchanged, counts.rejected) == (2, 1, 0)


SPANISH = [
    "número de inventario",
    "nombre",
    "categoría",
    "existencias",
    "unidad de medida",
    "ubicación",
    "correo electrónico",
    "fecha de adquisición",
    "costo unitario",
    "orden de compra",
]
"""The columns under headings that no contract has and the hub knows all the same."""


def test_the_marked_cells_are_those_of_the_table_that_was_judged(small_hub: SmallHub) -> None:
    """By the contract's own headings alone the other sheet would seem to be the list."""
    small_hub.register("NC-1", "NC-2")
    book = openpyxl.Workbook()
    stock = book.active
    stock.title = "Stock"
    stock.append(["item_name", "Kept by", "quantity"])
    for number in range(20):
        stock.append([f"Gloves {number}", "Ana", number])
    assets = book.create_sheet("Equipos")
    for cells in (SPANISH, row("NC-1"), row("NC-2", quantity="lots")):
        assets.append(cells)
    request_id = drop(small_hub, "lista.xlsx", bytes_of(book))
    assert small_hub.submission(request_id).counts.rejected == 1
    path = returned(small_hub, request_id)
    back = openpyxl.load_workbook(path)
    assert (coloured(back["Stock"]), coloured(back["Equipos"])) == ([], ["D3"])
    again = drop(small_hub, path.name, type_over(path, "Equipos", {"D3": 3}))
    assert small_hub.submission(again).counts.posted == 1


def test_a_value_whose_column_its_own_sheet_lacks_marks_the_row_and_no_other_cell(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    book = openpyxl.Workbook()
    first = book.active
    first.append(COLUMNS)
    first.append(row("NC-1"))
    second = book.create_sheet("Room 2")
    kept = [at for at, column in enumerate(COLUMNS) if column != "item_name"]
    for cells in (COLUMNS, row("NC-2")):
        second.append([cells[at] for at in kept])
    request_id = drop(small_hub, "rooms.xlsx", bytes_of(book))
    assert small_hub.submission(request_id).counts.rejected == 1
    back = openpyxl.load_workbook(returned(small_hub, request_id))
    assert coloured(back["Room 2"]) == [f"{letter}2" for letter in "ABCDEFGHI"]
    commented = {cell.coordinate: cell.comment.text for cell in back["Room 2"][2] if cell.comment}
    assert list(commented) == ["A2"]
    assert "About item_name, which has no column in this table" in commented["A2"]
    assert "About item_name, which has no column in this table" in texts(back["Read me first"])


def test_an_old_workbook_comes_back_as_a_new_one_with_all_its_sheets(small_hub: SmallHub, tmp_path: Path) -> None:
    import xlwt

    old = xlwt.Workbook()
    for name, rows in (("Assets", [COLUMNS, row("NC-1"), row("NC-2", quantity="lots")]), ("Notes", [["=x", "007"]])):
        sheet = old.add_sheet(name)
        for number, cells in enumerate(rows):
            for column, value in enumerate(cells):
                sheet.write(number, column, value)
    old.save(str(tmp_path / "old.xls"))
    small_hub.register("NC-1", "NC-2")
    path = returned(small_hub, drop(small_hub, "old.xls", (tmp_path / "old.xls").read_bytes()))
    back = openpyxl.load_workbook(path)
    assert back.sheetnames == ["Read me first", "Assets", "Notes", "_hub"]
    assert coloured(back["Assets"]) == ["D3"]
    assert (back["Notes"]["A1"].value, back["Notes"]["A1"].data_type) == ("=x", "s")
    assert back["Notes"]["B1"].value == "007"
    assert "Your file is a .xls file" in texts(back["Read me first"])
    second = drop(small_hub, path.name, type_over(path, "Assets", {"D3": 3}))
    assert small_hub.submission(second).counts.posted == 1


# ---- what a workbook that comes back must not do


@pytest.mark.parametrize("numbers_taken_off", [False, True])
def test_the_rows_to_fix_are_no_complete_count_and_link_nothing(small_hub: SmallHub, numbers_taken_off: bool) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    small = limited(small_hub, most_cells=10)
    first = drop(small, "lab.xlsx", bytes_of(messy(row("NC-1"), row("NC-2", quantity="lots"), row("NC-3"))))
    path = returned(small, first)
    book = openpyxl.load_workbook(path)
    book["Rows to fix"]["E2"] = 4
    if numbers_taken_off:
        book["Rows to fix"].delete_cols(1)
        book["Rows to fix"]["D2"] = 4
    counts = small.folder("north", "inventory") / "complete-count"
    counts.mkdir(exist_ok=True)
    (counts / path.name).write_bytes(bytes_of(book))
    (arrival,) = small.take().arrivals
    small.work()
    current = small.submission(arrival.request_id)
    assert (current.state, str(current.cause)) == (State.IN_REVIEW, "unreadable")
    assert "submission:revises" not in events(small, current.request_id)
    assert "holds only the rows that were to be fixed" in receipt(small.hub, current)[0]
    assert small.submission(first).state is State.POSTED


def test_a_workbook_that_is_applied_again_does_not_answer_again(small_hub: SmallHub) -> None:
    """Somebody has answered otherwise since."""
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", AMBIGUOUS)
    path = returned(small_hub, first)
    choice = next(one for one in offered(path) if "day" in one.lower())
    second = drop(small_hub, path.name, answered(path, choice))
    source = Source("north", "inventory", "lab.csv")
    small_hub.hub.answers.forget(source, actor="tester")

    small_hub.hub.review.apply_again(second, actor="tester")
    small_hub.work()

    assert small_hub.hub.answers.of_source(source).remembered.is_empty
    assert small_hub.submission(second).state is State.IN_REVIEW


def test_a_row_that_another_file_had_changed_meanwhile_is_told_when_the_workbook_sets_it_back(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-2", "NC-9"))
    path = returned(small_hub, first)
    drop(small_hub, "moved.csv", inventory("NC-1", quantity="7"))

    second = drop(small_hub, path.name, type_over(path, "Your table", {"A4": "NC-2", "D3": 3}))

    current = small_hub.submission(second)
    text, told = receipt(small_hub.hub, current)
    warnings = told["warnings"]
    assert isinstance(warnings, list)
    assert [(one["row"], one["reason"]) for one in warnings if "replaced" in one["reason"]] == [
        (
            2,
            "moved.csv had set Ethanol (NC-1, Lab 1) since the first file was sent, "
            "and this row has replaced what it said.",
        )
    ]
    assert "If moved.csv is right" in text
    other = drop(small_hub, "other.csv", inventory("NC-1", quantity="8"))
    assert "replaced" not in receipt(small_hub.hub, small_hub.submission(other))[0]


def test_a_list_of_other_columns_in_a_returned_workbook_sets_nothing_aside(small_hub: SmallHub) -> None:
    """People use what they have at hand as a template."""
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", AMBIGUOUS)
    path = returned(small_hub, first)
    book = openpyxl.load_workbook(path)
    sheet = book["Your table"]
    sheet.delete_rows(1, sheet.max_row)
    for cells in (["Name", "Room", "Quantity"], ["Acetone", "Lab 1", 3], ["Ethanol", "Lab 1", 4]):
        sheet.append(cells)
    second = drop(small_hub, path.name, bytes_of(book))
    current = small_hub.submission(second)
    assert "the list in it now is another one" in receipt(small_hub.hub, current)[0]
    assert "submission:revises" not in events(small_hub, second)
    assert small_hub.submission(first).state is State.IN_REVIEW
    assert [one.request_id for one in small_hub.hub.review.listing() if one.request_id == first] == [first]


def test_what_is_wrong_with_a_unit_that_has_no_column_is_noted_on_the_amounts_cell(small_hub: SmallHub) -> None:
    rows = ["W-1,Acetone waste,5 L,R1", "W-2,Solids,2 kg,R1", "W-3,Halogens,,R1"]
    text = "\n".join(["container_id,contents,quantity,location", *rows])
    request_id = drop(small_hub, "waste.csv", text.encode(), feed="hazmat")
    sheet = openpyxl.load_workbook(returned(small_hub, request_id))["Your table"]
    told = {cell.coordinate: cell.comment.text for line in sheet.iter_rows() for cell in line if cell.comment}
    assert list(told) == ["C4"]
    assert "About the unit, which has no column of its own: The cell is empty" in told["C4"]


def test_a_question_is_answered_in_a_workbook_with_groups_merged_above_headings_of_another_language(
    small_hub: SmallHub,
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Vorrat"
    sheet["A1"], sheet["E1"] = "Stoff", "Packung"
    sheet.merge_cells("A1:B1")
    sheet.merge_cells("E1:F1")
    sheet.append(["Bezeichnung", "Hersteller", "Lagerort", "Menge [g]", "Charge", "Verfallsdatum"])
    for name, day in (("Aceton", "31.12.2026"), ("Toluol", "12/31/2026"), ("Hexan", "15.03.2027"), ("Xylol", "n/a")):
        sheet.append([name, "Merck", "Schrank A1", 500, f"K{len(name)}", day])
    first = drop(small_hub, "Vorrat.xlsx", bytes_of(book))
    assert small_hub.submission(first).state is State.IN_REVIEW

    path = returned(small_hub, first)
    assert coloured(openpyxl.load_workbook(path)["Vorrat"], BLUE) == ["F2"]
    second = drop(small_hub, "Vorrat beantwortet.xlsx", type_over(path, "Questions", {"D2": "day/month/year"}))

    current = small_hub.submission(second)
    assert (current.state, current.revises) == (State.POSTED, first)
    assert small_hub.submission(first).state is State.DISMISSED
