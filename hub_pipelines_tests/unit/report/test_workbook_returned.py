"""What becomes of a returned workbook when it is dropped again."""

from pathlib import Path

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.styles import PatternFill
from sqlalchemy import update

from hub_pipelines.drift.model import Source
from hub_pipelines.ledger.items.store import current_rows
from hub_pipelines.report.workbook import token
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines.submission.store import submission
from hub_pipelines.submission.versions import store as versions

from ..conftest import SmallHub, inventory
from ..intake.test_signing import put_new_key
from .workbooks import (
    AMBIGUOUS,
    COLUMNS,
    GREEN,
    answered,
    bytes_of,
    coloured,
    drop,
    events,
    limited,
    messy,
    offered,
    posted_tags,
    receipt,
    returned,
    row,
    type_over,
)

# ---- when it comes back


def test_a_receipt_leads_on_to_the_senders_own_newer_list_too_and_asks_for_nothing_any_more(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-2", quantity="lots"))
    path = returned(small_hub, first)
    book = openpyxl.load_workbook(path)
    second = drop(small_hub, path.name, type_over(path, book.sheetnames[1], {"D2": "3"}))
    assert "Open it in Excel, fix the red cells" in receipt(small_hub.hub, small_hub.submission(second))[0]
    small_hub.hub.receipts.write_due()

    third = drop(small_hub, "lab.csv", inventory("NC-1", "NC-2", quantity="many"))
    small_hub.hub.receipts.write(third)
    assert small_hub.hub.receipts.places.page_of(small_hub.submission(second)) in small_hub.hub.receipts.write_due()
    text, _ = receipt(small_hub.hub, small_hub.submission(second))
    assert "Nothing here. You sent a newer copy" in text
    assert "fix the red cells" not in text

    drop(small_hub, "lab.csv", inventory("NC-1"))
    text, _ = receipt(small_hub.hub, small_hub.submission(third))
    assert "You sent a newer copy" not in text, "a shorter list may be another one"


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
    assert small_hub.hub.receipts.places.page_of(small_hub.submission(first)) in pages
    assert "You sent a newer copy: go on with its receipt" in receipt(small_hub.hub, small_hub.submission(first))[0]
    text, told = receipt(small_hub.hub, current)
    assert "What you changed" in text
    assert "The earlier file had 3 problems; this one has 1." in text
    assert told["correction"]["cells"] == [  # type: ignore[index]
        {"row": 5, "column": "category", "old": "equipmnt", "new": "equipment", "sheet": None},
        {"row": 5, "column": "quantity", "old": "lots", "new": "3", "sheet": None},
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
    assert "Version of this list 3" in receipt(small_hub.hub, small_hub.submission(third))[0]
    current = small_hub.submission(third)
    assert (current.revises, current.counts.posted, current.counts.unchanged) == (second, 1, 2)
    assert "The earlier file had 1 problem; none is left." in receipt(small_hub.hub, current)[0]
    assert small_hub.hub.receipts.index.gather("north").attention == (), "all went on under other names"


def test_what_was_changed_is_told_with_its_sheet_and_the_earlier_receipt_is_quiet(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    book = openpyxl.Workbook()
    for sheet, cells in ((book.active, row("NC-1")), (book.create_sheet("Room 2"), row("NC-2", quantity="lots"))):
        sheet.append(COLUMNS)
        sheet.append(cells)
    book.active.title = "Room 1"
    first = drop(small_hub, "lab.xlsx", bytes_of(book))
    path = returned(small_hub, first)
    second = drop(small_hub, path.name, type_over(path, "Room 2", {"D2": 5}))
    text, told = receipt(small_hub.hub, small_hub.submission(second))
    assert "2, sheet Room 2 quantity lots 5" in text
    assert "the marked workbook that we gave back for lab.xlsx ." in text
    assert told["headline"] == "All 2 rows are in: 1 was taken now, 1 was already up to date"
    text, told = receipt(small_hub.hub, small_hub.submission(first))
    assert told["headline"] == "1 of 2 rows was taken, 1 needs your attention. You sent a newer copy since"
    assert 'class="neutral"' in small_hub.hub.receipts.write(first).read_text(encoding="utf-8")
    assert "Go on there: the receipt of lab.xlsx ." in text


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
    assert cells == [{"row": 3, "column": "quantity", "old": "lots", "new": "5", "sheet": None}]


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


def test_a_workbook_dropped_into_another_campuss_folder_is_not_taken_there_and_links_nothing(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-9"))
    second = drop(small_hub, "lab.xlsx", returned(small_hub, first).read_bytes(), campus="south")
    current = small_hub.submission(second)
    assert (current.state, current.revises) == (State.IN_REVIEW, None)
    told = receipt(small_hub.hub, current)[0]
    assert "given back for a file of north (inventory), and it came into a folder of south (inventory)" in told
    assert "Drop it into the folder inventory of north" in told


def test_marks_of_an_earlier_key_are_still_known(small_hub: SmallHub) -> None:
    keys = small_hub.hub.keys
    mark = token.Token("north-inventory-abc", 1, "north", "inventory")
    text = token.issue(keys, mark)
    put_new_key(small_hub.hub.settings.keys)
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


def warned(told: dict[str, object], words: str) -> list[tuple[int, str]]:
    warnings = told["warnings"]
    assert isinstance(warnings, list)
    return [(one["row"], one["reason"]) for one in warnings if words in one["reason"]]


def test_what_another_file_has_set_meanwhile_stays_where_the_workbooks_sender_left_the_row_as_it_was(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-3", "NC-9"))
    path = returned(small_hub, first)
    drop(small_hub, "moved.csv", inventory("NC-1", "NC-3", quantity="7"))

    second = drop(small_hub, path.name, type_over(path, "Your table", {"A4": "NC-2", "D3": 3}))

    current = small_hub.submission(second)
    assert (current.counts.posted, current.counts.unchanged) == (2, 1)
    text, told = receipt(small_hub.hub, current)
    assert warned(told, "had set") == [
        (3, "moved.csv had set Ethanol (NC-3, Lab 1) since you sent lab.csv, and this row has replaced what it said.")
    ]
    assert "If moved.csv is right, send it again or correct this row" in text
    ((row, reason),) = warned(told, "stays as")
    assert (row, reason[:34]) == (0, "Row 2 stays as moved.csv has set i")
    assert "you have not changed it here" in reason
    assert quantities(small_hub) == {"NC-1": "7", "NC-2": "2", "NC-3": "3"}

    other = drop(small_hub, "other.csv", inventory("NC-1", quantity="8"))
    assert "replaced" not in receipt(small_hub.hub, small_hub.submission(other))[0]


def quantities(small_hub: SmallHub) -> dict[str, object]:
    rows = current_rows(small_hub.hub.db, "inventory.asset@north")
    return {row.key: row.values["quantity"] for row in rows}


@pytest.mark.parametrize("by_place", [False, True])
def test_what_a_newer_copy_of_the_list_has_set_stays_and_is_told_where_the_older_ones_workbook_changes_it(
    small_hub: SmallHub, by_place: bool
) -> None:
    """Whoever mends the older one's workbook has not seen the newer values in it."""
    small_hub.register("NC-1", "NC-2", "NC-3")
    older, newer, cell, quantity = (
        (
            stock("Alpha,Y-1,10", "Beta,Y-2,20", "Gamma,Y-3,-3"),
            stock("Alpha,Y-1,11", "Beta,Y-2,21"),
            "C4",
            "C3",
        )
        if by_place
        else (inventory("NC-1", "NC-2", "NC-9"), inventory("NC-1", "NC-2", quantity="11"), "A4", "D3")
    )
    path = returned(small_hub, drop(small_hub, "lab.csv", older))
    drop(small_hub, "lab.csv", newer)

    cells = {cell: 3 if by_place else "NC-3", quantity: 5}
    mended = drop(small_hub, path.name, type_over(path, "Your table", cells))

    text, told = receipt(small_hub.hub, small_hub.submission(mended))
    changed = told["correction"]["cells"]  # type: ignore[index]
    assert [one["row"] for one in changed] == [3, 4], "only what was typed"
    assert [row for row, _ in warned(told, "A newer lab.csv had set ")] == [3]
    assert [row for row, _ in warned(told, "Row 2 stays as lab.csv has set it on ")] == [0]
    assert "You are done" not in text


def stock(*rows: str) -> bytes:
    lines = ["Item name,Catalog number,Qty,Unit,Location", *(f"{one},g,Lab S" for one in rows)]
    return "\n".join(lines).encode()


def test_cells_that_were_read_in_one_way_are_told_once_and_ask_for_nothing(small_hub: SmallHub) -> None:
    lines = ["Name,CAS,Location,Quantity,Unit,Expiration Date"]
    lines += [f"{name},,Lab 1,2,L,{month}/2031" for name, month in (("Acetone", 9), ("Ethanol", 8), ("Hexane", 8))]
    first = drop(small_hub, "stock.csv", "\n".join(lines).encode())
    text, told = receipt(small_hub.hub, small_hub.submission(first))
    assert text.count("Only the month is told") == 1
    assert "2; 3; 4 Expiration Date (column F) 9/2031, 8/2031 Only the month is told" in text
    assert "Worth a look" not in text
    assert "Nothing. You are done." in text
    assert len(told["warnings"]) == 3  # type: ignore[arg-type]  # programs get each


def test_who_goes_on_in_one_workbook_is_told_what_changed_since_it_was_sent_last(small_hub: SmallHub) -> None:
    """The mark in it names the first file for ever."""
    small_hub.register("NC-1", "NC-2", "NC-3")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-2", "NC-9"))
    path = returned(small_hub, first)
    drop(small_hub, path.name, type_over(path, "Your table", {"A4": "NC-3", "D3": "lots"}))

    third = drop(small_hub, path.name, type_over(path, "Your table", {"A4": "NC-3", "D2": 4}))
    fourth = drop(small_hub, path.name, type_over(path, "Your table", {"A4": "NC-3", "D2": 5}, without_row=3))

    text, told = receipt(small_hub.hub, small_hub.submission(third))
    cells = told["correction"]["cells"]  # type: ignore[index]
    assert [(one["row"], one["old"], one["new"]) for one in cells] == [(2, "2", "4"), (3, "lots", "2")]
    assert f"What is told here is what changed since you sent {path.name}." in text
    assert "The earlier file had 1 problem; none is left." in text
    assert "had set" not in text, "what stood in the ledger was the sender's own"
    text, told = receipt(small_hub.hub, small_hub.submission(fourth))
    assert "1 row changed, 1 removed (in the earlier file 3)." in text
    assert "What the ledger has of rows that you took out stays there" in text


def test_submissions_that_name_each_other_in_a_circle_are_a_family_all_the_same(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    one, two = (drop(small_hub, "lab.csv", inventory("NC-1", quantity=number)) for number in ("1", "2"))
    with small_hub.hub.db.write() as tx:
        tx.execute(update(submission).where(submission.c.request_id == one).values(revises=two))
        for request_id in (one, two):
            assert versions.family(tx, submissions.get(tx, request_id)).keys() == {one, two}


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
