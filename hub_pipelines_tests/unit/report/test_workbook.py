"""The workbook that is given back: real files, a real hub, the real writing program."""

import io
import json
import re
import zipfile
from html import unescape
from pathlib import Path
from typing import cast

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.styles import PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.ledger.items.store import current_rows
from hub_pipelines.report.workbook.marking import GREY, YELLOW
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines.validate.returned import READ_ME

from ..conftest import SmallHub, inventory, registry
from .workbooks import (
    COLUMNS,
    GREEN,
    bytes_of,
    coloured,
    drop,
    limited,
    messy,
    posted_tags,
    receipt,
    returned,
    row,
    texts,
    type_over,
)

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
    assert "quantity (column E)" in told
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
    assert "The row has 1 cell more than there are headings" in sheet["A3"].comment.text


def test_what_only_waits_for_the_procurement_list_is_marked_as_waiting_and_the_steps_are_those_of_the_page(
    small_hub: SmallHub,
) -> None:
    request_id = drop(small_hub, "lab.csv", inventory("NC-1", "NC-2"))
    book = openpyxl.load_workbook(returned(small_hub, request_id))
    table, read_me = book["Your table"], book[READ_ME]
    assert (coloured(table), coloured(table, GREY)) == ([], ["A2", "A3"])
    assert "Nothing for you to do in this cell" in table["A2"].comment.text
    page, _ = receipt(small_hub.hub, small_hub.submission(request_id))
    html = small_hub.hub.receipts.places.page_of(small_hub.submission(request_id)).read_text(encoding="utf-8")
    assert '<header class="attention">' in html
    assert "Your file with the problems marked" not in page
    told = texts(read_me)
    steps = re.findall(r"<li>(.*?)</li>", unescape(html.split("What to do next")[1]))
    assert f"1. {steps[0]}\n2. {steps[1]}\nColours" in told
    assert request_id in steps[1]
    assert told.count("2 rows (rows 2–3) wait for the procurement list") == 1
    assert "red cells" not in told


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
    small_hub.register("NC-1")
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
    assert told["correction"]["cells"] == [{"row": 2, "column": "quantity", "old": "lots", "new": "4", "sheet": None}]  # type: ignore[index]
    assert "removed" not in text
    entry = next(one for one in current_rows(small.hub.db, "inventory.asset@north") if one.key == "NC-2")
    assert "other" not in entry.values


@pytest.mark.usefixtures("started_anew")
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
    _, told = receipt(small_hub.hub, current)
    problems = cast("list[dict[str, object]]", told["problems"])
    assert [one["place"] for one in problems] == ["D", marked.rstrip("0123456789")], "each in its own table"
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


def test_what_is_wrong_with_a_unit_that_has_no_column_is_noted_on_the_amounts_cell(small_hub: SmallHub) -> None:
    rows = ["W-1,Acetone waste,5 L,R1", "W-2,Solids,2 kg,R1", "W-3,Halogens,,R1"]
    text = "\n".join(["container_id,contents,quantity,location", *rows])
    request_id = drop(small_hub, "waste.csv", text.encode(), feed="hazmat")
    sheet = openpyxl.load_workbook(returned(small_hub, request_id))["Your table"]
    told = {cell.coordinate: cell.comment.text for line in sheet.iter_rows() for cell in line if cell.comment}
    assert list(told) == ["C4"]
    assert "About the unit, which has no column of its own: The cell is empty" in told["C4"]


def test_what_is_worth_a_look_in_the_file_as_a_whole_stands_on_the_first_sheet_too(small_hub: SmallHub) -> None:
    lines = ["item_name,cas_number,location,quantity_on_hand,unit", "Acetone,67-64-1,Lab 1,1,L"]
    path = returned(
        small_hub, drop(small_hub, "stock.csv", "\n".join([*lines, lines[1], "Urea,,Lab 1,lots,g"]).encode())
    )
    told = [cell.value for (cell, *_) in openpyxl.load_workbook(path)["Read me first"].iter_rows()]
    at = told.index("Worth a look in the file as a whole")
    assert told[at + 1] == (
        "Rows are alike in every cell: rows 2 and 3. Each was taken as an item of its own. "
        "If they are one item, write 0 for the quantity of all but one of them."
    )
