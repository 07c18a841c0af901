"""What a reviewer is told of a corrected file."""

from pathlib import Path

import openpyxl
import pytest

from hub_pipelines.validate.difference import CellChange, Difference, Headings, compare_files
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.returned import ROW_HEADING, TOKEN_SHEET

HEADER = "item_code,item_name,location,quantity_on_hand,unit"
ROWS = ["A-1,Gloves,Room 1,10,box", "A-2,Tips,Room 2,20,bag", "A-3,Flasks,Room 3,30,each"]


def compare(tmp_path: Path, before: str, after: str, *, cells: int = 10) -> Difference:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(before, encoding="utf-8")
    new.write_text(after, encoding="utf-8")
    return compare_files(old, "list.csv", new, "list.csv", FEEDS["inventory"], cells=cells)


def listed(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def test_a_changed_cell_is_told_with_row_column_old_and_new_value(tmp_path: Path) -> None:
    found = compare(tmp_path, listed(*ROWS), listed(ROWS[0], "A-2,Tips,Room 2,25,bag", ROWS[2]))
    assert (found.changed, found.added, found.removed) == (1, 0, 0)
    assert found.cells == (CellChange(3, 3, "quantity_on_hand", "20", "25"),)
    assert found.sentence() == "1 row changed."


def test_rows_are_matched_by_their_key_wherever_they_stand(tmp_path: Path) -> None:
    found = compare(tmp_path, listed(*ROWS), listed(ROWS[2], ROWS[1], "A-1,Gloves,Room 1,9,box"))
    assert found.cells == (CellChange(2, 4, "quantity_on_hand", "10", "9"),)
    assert (found.changed, found.added, found.removed) == (1, 0, 0)


def test_a_mended_key_is_a_changed_row_and_not_one_gone_and_one_new(tmp_path: Path) -> None:
    found = compare(tmp_path, listed(*ROWS), listed(ROWS[0], ROWS[1].replace("A-2", "B-2"), ROWS[2]))
    assert found.cells == (CellChange(3, 3, "item_code", "A-2", "B-2"),)


def test_added_and_removed_rows_are_counted(tmp_path: Path) -> None:
    found = compare(tmp_path, listed(*ROWS), listed(*ROWS[1:], "A-4,Beakers,Room 4,4,each", "A-5,Rods,Room 5,5,each"))
    assert (found.changed, found.added, found.removed) == (0, 2, 1) or (found.changed, found.added) == (1, 1)
    assert found.rows_before == 3
    assert found.rows_after == 4


def test_renamed_headings_with_the_same_meaning_and_moved_columns_are_no_difference(tmp_path: Path) -> None:
    moved = ["Unit,Item Code,Item_Name,LOCATION,quantity on hand"] + [
        ",".join([row.split(",")[4], *row.split(",")[:4]]) for row in ROWS
    ]
    found = compare(tmp_path, listed(*ROWS), "\n".join(moved))
    assert found.sentence() == "The rows are the same."


def test_a_column_has_the_name_that_it_has_in_such_a_list(tmp_path: Path) -> None:
    """In a list of awards an Amount is what was obligated."""
    header, row = (
        "Transaction ID,Award ID,Account,Amount,Posted On,Incurred On",
        "T-1,R01GM1,6110,{},2026-10-31,2026-10-30",
    )
    (tmp_path / "old").write_text(f"{header}\n{row.format('642.1O')}\n")
    (tmp_path / "new").write_text(f"{header}\n{row.format('642.10')}\n")
    found = compare_files(tmp_path / "old", "erp.csv", tmp_path / "new", "erp.csv", FEEDS["grants"], cells=10)
    assert found.cells == (CellChange(2, 2, "amount", "642.1O", "642.10"),)


def test_columns_are_named_as_was_decided_and_rows_matched_by_what_they_are(tmp_path: Path) -> None:
    """Headings that no contract spells so would leave the rows without a key."""
    sent = ("Nr", "Was", "Wo", "Zahl", "Einheit")
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(listed(*ROWS, header=",".join(sent)), encoding="utf-8")
    new.write_text(listed(ROWS[2], "A-1,Gloves,Room 1,9,box", ROWS[1], header=",".join(sent)), encoding="utf-8")
    headings = Headings(decided={sent: HEADER.split(",")})
    found = compare_files(old, "list.csv", new, "list.csv", FEEDS["inventory"], cells=10, headings=headings)
    assert found.cells == (CellChange(2, 3, "quantity_on_hand", "10", "9"),)


def test_a_new_column_is_named_and_its_cells_were_empty(tmp_path: Path) -> None:
    found = compare(tmp_path, listed(*ROWS[:1]), listed(ROWS[0] + ",urgent", header=HEADER + ",Shelf"))
    assert found.columns_added == ("Shelf",)
    assert found.cells == (CellChange(2, 2, "Shelf", "", "urgent"),)
    assert found.sentence() == "1 row changed; column Shelf added."


def test_a_workbook_with_numbers_equals_the_text_file_with_the_same_values(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEADER.split(","))
    for row in ROWS:
        code, name, place, quantity, unit = row.split(",")
        book.active.append([code, name, place, int(quantity), unit])
    book.save(tmp_path / "new.xlsx")
    old = tmp_path / "old"
    old.write_text(listed(*ROWS), encoding="utf-8")
    found = compare_files(old, "a.csv", tmp_path / "new.xlsx", "a.xlsx", FEEDS["inventory"], cells=5)
    assert found.sentence() == "The rows are the same."


def test_rows_without_a_known_key_are_matched_by_their_place(tmp_path: Path) -> None:
    found = compare(tmp_path, "colour,size\nred,1\nblue,2\n", "colour,size\nred,1\ngreen,2\n")
    assert found.cells == (CellChange(3, 3, "colour", "blue", "green"),)


def test_the_list_of_cells_is_bounded_and_says_how_many_there_are(tmp_path: Path) -> None:
    after = listed(*(row.replace("Room", "Hall") for row in ROWS))
    found = compare(tmp_path, listed(*ROWS), after, cells=2)
    assert len(found.cells) == 2
    assert found.cells_changed == 3


def test_an_original_that_is_no_table_is_told_with_its_reason(tmp_path: Path) -> None:
    found = compare(tmp_path, "", listed(*ROWS))
    assert found.rows_before is None
    assert found.rows_after == 3
    assert found.sentence().startswith("The original can't be read as a table: ")
    assert found.sentence().endswith("The corrected file has 3 rows.")


@pytest.mark.parametrize("text", [listed(*ROWS), listed(ROWS[0])])
def test_a_difference_survives_being_kept_as_a_document(tmp_path: Path, text: str) -> None:
    found = compare(tmp_path, listed(ROWS[1], header=HEADER), text)
    assert Difference.from_document(found.document()) == found


def test_which_rows_were_removed_is_told(tmp_path: Path) -> None:
    found = compare(tmp_path, listed(*ROWS, "A-9,Caps,Room 9,1,box"), listed(ROWS[1]))
    assert found.sentence() == "3 rows removed (in the earlier file 2, 4, 5)."
    assert Difference.from_document(found.document()) == found


def test_rows_to_be_fixed_are_compared_with_the_rows_whose_numbers_they_have(tmp_path: Path) -> None:
    """In a workbook of some rows these stand elsewhere, and any of their cells may be the one that was mended."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (
        [ROW_HEADING, *HEADER.split(",")],
        [4, *ROWS[2].replace("A-3", "A-9").split(",")],
        [2, *ROWS[0].split(",")],
    ):
        sheet.append(row)
    mark = book.create_sheet(TOKEN_SHEET)
    mark["A1"] = "a mark"
    book.save(tmp_path / "new.xlsx")
    (tmp_path / "old.csv").write_text(listed(*ROWS), encoding="utf-8")
    found = compare_files(
        tmp_path / "old.csv", "list.csv", tmp_path / "new.xlsx", "list.xlsx", FEEDS["inventory"], cells=10, part=True
    )
    assert found.cells == (CellChange(4, 2, "item_code", "A-3", "A-9"),)
    assert found.sentence() == "1 row changed."
