"""Tables in the shapes that labs send: found, joined, and whatever is left out told."""

import re
from itertools import zip_longest
from pathlib import Path

import pytest

from hub_pipelines.mapping import headings
from hub_pipelines.validate.model import PART_ROWS
from hub_pipelines.validate.parsing.layout import totals
from hub_pipelines.validate.parsing.layout.rules import CALCULATED_RULES, FIRST_RULES, PREPARED_RULES, PRINTED_RULES
from hub_pipelines.validate.parsing.notes import UNCALCULATED
from hub_pipelines.validate.reading import open_table

from ..builders import INVENTORY
from .files import Rows, book, seen, stored, workbook

# ---- headings


def test_a_header_of_unknown_headings_is_found_by_what_stands_below(tmp_path: Path) -> None:
    text = "Chemicals of room 3\nMarch 2021\n\nFoo,Bar,Baz\nEthanol,5,2021-03-01\nAcetone,7,2021-03-02\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert (found.header, found.header_row) == (["Foo", "Bar", "Baz"], 4)
    assert found.facts["above_the_header"] == "Chemicals of room 3; March 2021"
    assert [row_no for row_no, _ in found.rows] == [5, 6]


def test_a_table_without_a_header_keeps_its_first_row(tmp_path: Path) -> None:
    text = '1,Trichloroacetic acid,Solid,"H303,H314",115,Chemical Shelf,500g\n2,Phenol,Solid,H301,116,Fridge,25g\n'
    found = seen(stored(tmp_path, text), "a.csv")
    assert (found.header, found.header_row) == ([""] * 7, 0)
    assert [cells[1] for cells in found.cells] == ["Trichloroacetic acid", "Phenol"]


def test_texts_that_repeat_their_column_are_no_header(tmp_path: Path) -> None:
    text = "Ethanol,Fridge,Sigma\nAcetone,Fridge,VWR\nPhenol,Shelf,Sigma\n"
    assert seen(stored(tmp_path, text), "a.csv").header_row == 0


def test_years_are_headings(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, "Item,2019,2020,2021\nGloves,5,6,7\nTips,1,2,3\n"), "a.csv")
    assert found.header == ["Item", "2019", "2020", "2021"]


def test_a_nameless_column_and_empty_columns_stay_where_they_are(tmp_path: Path) -> None:
    text = "ID,,Name,Location,Cat ,Web,,\n1,3-,Aminophenol,Shelf,A1,x,,\n2,n-,Butanol,Shelf,A2,y,,\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["ID", "", "Name", "Location", "Cat", "Web"]
    assert found.cells[0][:3] == ["1", "3-", "Aminophenol"]


def test_a_text_files_last_column_has_no_heading_where_all_lines_are_cut_alike(tmp_path: Path) -> None:
    text = "Name;Room;Amount;\nTips;B1;3;\nScrews M3;B2;4;which length?\nGloves;B3;7;\nPaper;B4;1;\nPens;B5;2;\n"
    path = stored(tmp_path, text)
    found = seen(path, "a.csv")
    assert found.header == ["Name", "Room", "Amount", ""]
    assert found.cells[1] == ["Screws M3", "B2", "4", "which length?"]
    with open_table(path, "a.csv", known=INVENTORY.aliases.get, rules=PRINTED_RULES) as table:
        assert table.header == ["Name", "Room", "Amount"], "as postings of that time were read"
    wrong = seen(stored(tmp_path, text + "Caps; red;B6;2;x\n"), "a.csv")
    assert wrong.header == ["Name", "Room", "Amount"], "a line that is longer may be cut wrongly"


def test_a_workbooks_column_without_a_heading_is_kept(tmp_path: Path) -> None:
    found = seen(workbook(tmp_path, [["Item", "Amount"], ["a", 1], ["b", 2, "keep cold"]]), "a.xlsx")
    assert found.header == ["Item", "Amount", ""]
    assert found.cells == [["a", 1.0, None], ["b", 2.0, "keep cold"]]


# ---- what is an item


def test_lines_that_were_only_prepared_for_items_are_none_and_are_told(tmp_path: Path) -> None:
    rows: Rows = [
        ["No.", "Item", "Room", "Amount", "Have"],
        [1, "Tips", "B1", 3, True],
        [2, "Gloves", "B2", 0, False],
        [3, None, None, None, False],
        [4, " ", None, 0, None],
        [None, "#N/A", "#N/A", None, False],
        [6, "Paper", None, None, False],
        [17, None, None, None, None],
    ]
    path = workbook(tmp_path, rows)
    found = seen(path, "a.xlsx")
    assert [cells[1] for cells in found.cells] == ["Tips", "Gloves", "Paper", None]
    left = [(one.first_row, one.why) for one in found.table.left_out]
    assert left == [(row_no, "is a line that was prepared for an item") for row_no in (4, 5, 6)]
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=PRINTED_RULES) as table:
        assert len(list(table.rows)) == 7, "as postings of that time were read"


@pytest.mark.parametrize(
    ("heading", "left"),
    [("No.", 2), ("#", 2), ("S. No", 2), ("Item Code", 0), ("Cat. No.", 0), ("Name", 0)],
)
def test_only_below_a_heading_that_counts_rows_a_number_is_not_the_items_own(
    tmp_path: Path, heading: str, left: int
) -> None:
    text = f"{heading},Product,Room,Quantity,Unit\n100,Tris,B1,3,bottle\n101,,,0,\n102,,,,\n103,Urea,B1,3,bottle\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert len(found.table.left_out) == left
    assert len(found.cells) == 4 - left
    with open_table(stored(tmp_path, text), "a.csv", known=INVENTORY.aliases.get, rules=PREPARED_RULES) as table:
        assert len(list(table.rows)) == 2, "as postings of that time were read"


# ---- sections


def test_section_rows_become_a_column(tmp_path: Path) -> None:
    text = "Part,Quantity,Link,Comments\nScrews\nM3,5,u,x\nM4,6,u,y\nBearings\n608,7,u,z\n625,8,u,z\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Part", "Quantity", "Link", "Comments", "Section"]
    assert [(row_no, cells[0], cells[4]) for row_no, cells in found.rows] == [
        (3, "M3", "Screws"), (4, "M4", "Screws"), (6, "608", "Bearings"), (7, "625", "Bearings"),
    ]  # fmt: skip
    assert found.facts["sections"] == "2: Screws, Bearings"
    assert [(first, last) for _, first, last, _ in found.left_out] == [(2, 2), (5, 5)]
    assert {why for *_, why in found.left_out} == {
        "is a section's title, which stands as Section with the rows below it"
    }


def test_an_item_of_which_only_the_name_is_known_is_an_item(tmp_path: Path) -> None:
    text = "Name,Company,Cat#\nTris,Fisher,217\nTris in a tube\nTween,Sigma,BP3\nUrea,Sigma,U5\nEDTA\nZinc,VWR,4\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Name", "Company", "Cat#"]
    assert [cells[0] for cells in found.cells] == ["Tris", "Tris in a tube", "Tween", "Urea", "EDTA", "Zinc"]
    assert found.left_out == []


def test_rows_that_part_a_table_of_names_from_its_first_row_on_are_sections(tmp_path: Path) -> None:
    text = "Name,Company,Lot\nAcids\nAcetic,VWR,4\nFormic,VWR,5\nBases\nAmmonia,VWR,6\nLye,VWR,7\nSalts\nAlum,VWR,8\n"
    found = seen(stored(tmp_path, text + "Borax,VWR,9\n"), "a.csv")
    assert [(cells[0], cells[3]) for cells in found.cells] == [
        ("Acetic", "Acids"), ("Formic", "Acids"), ("Ammonia", "Bases"), ("Lye", "Bases"), ("Alum", "Salts"),
        ("Borax", "Salts"),
    ]  # fmt: skip


@pytest.mark.parametrize("title", ["\nBases", "Bases:", "Shelf 3", "Cabinet B", "\nBases\n", "*****\nBases\n*****"])
def test_a_single_section_is_known_by_what_sets_it_apart(tmp_path: Path, title: str) -> None:
    text = f"Name,Company,Lot\nAcetic,VWR,4\nFormic,VWR,5\n{title}\nAmmonia,VWR,6\nLye,VWR,7\nLime,VWR,8\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [cells[0] for cells in found.cells] == ["Acetic", "Formic", "Ammonia", "Lye", "Lime"]
    assert [bool(cells[3]) for cells in found.cells] == [False, False, True, True, True]
    assert found.left_out


def test_blank_rows_between_all_items_set_nothing_apart(tmp_path: Path) -> None:
    items = ["Acetic,VWR,4", "Formic,VWR,5", "Vinegar", "Ammonia,VWR,6", "Lye,VWR,7"]
    found = seen(stored(tmp_path, "\n\n".join(["Name,Company,Lot", *items])), "a.csv")
    assert [cells[0] for cells in found.cells] == ["Acetic", "Formic", "Vinegar", "Ammonia", "Lye"]
    assert found.left_out == []


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_tables_side_by_side_below_titles_of_their_own_keep_them_as_sections(
    tmp_path: Path, merged: bool, known: bool
) -> None:
    def merge(made: object) -> None:
        if merged:
            made["S"].merge_cells("A1:C1")  # type: ignore[index]
            made["S"].merge_cells("E1:G1")  # type: ignore[index]

    names = ["Name ", "Company", "Cat#"] if known else ["Stoff", "Hersteller", "Blatt"]
    rows: list[list[object]] = [["Right Cabinet", None, None, None, "Left Cabinet"], [*names, None, *names]]
    rows += [[f"r{n} acid", "Sigma", f"A-{n}", None, f"l{n} salt", "VWR", 100 + n] for n in range(6)]
    rows += [["Tris Base", "Sigma", 7], ["Tris Base (in a tube)"], ["Zinc", "VWR", "Z-1"]]
    found = seen(book(tmp_path, {"S": rows}, merge), "a.xlsx")
    assert found.header == [*(name.strip() for name in names), "Section"]
    right = [*(f"r{n} acid" for n in range(6)), "Tris Base", "Tris Base (in a tube)", "Zinc"]
    assert [(cells[0], cells[3]) for cells in found.cells] == [
        *((name, "Right Cabinet") for name in right), *((f"l{n} salt", "Left Cabinet") for n in range(6)),
    ]  # fmt: skip
    assert [(part.header_row, part.first_column) for part in found.table.parts] == [(2, 0), (2, 4)]
    assert found.facts["sections"] == "2: Right Cabinet, Left Cabinet"
    assert found.left_out == []


def test_sections_within_a_titled_table_name_both(tmp_path: Path) -> None:
    head = "Right,,,,Left,,\nName,Company,Lot,,Name,Company,Lot\n"
    text = f"{head}a x,VWR,1,,c x,VWR,3\nb x,VWR,2,,f x,VWR,5\n,,,,Salts:,,\nd x,VWR,2,,e x,VWR,4\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [(cells[0], cells[3]) for cells in found.cells] == [
        ("a x", "Right"), ("b x", "Right"), ("d x", "Right"), ("c x", "Left"), ("f x", "Left"),
        ("e x", "Left / Salts:"),
    ]  # fmt: skip


def test_two_lines_of_headings_side_by_side_stay_together(tmp_path: Path) -> None:
    lines = ["Item,Amount,,,Item,Amount,", ",value,unit,,,value,unit", "a,1,mL,,c,3,mL", "b,2,mL,,d,4,g"]
    found = seen(stored(tmp_path, "\n".join(lines)), "a.csv")
    assert found.header == ["Item", "Amount value", "Amount unit"]
    assert [cells[0] for cells in found.cells] == ["a", "b", "c", "d"]


def test_a_column_named_section_is_not_covered_by_ours(tmp_path: Path) -> None:
    text = "Part,Section,Link,Comments\nScrews\nM3,5,u,x\nM4,6,u,y\nM5,6,u,y\n"
    assert seen(stored(tmp_path, text), "a.csv").header[-1] == "Section (2)"


# ---- items, totals and notes


def test_rows_of_a_single_cell_are_items_where_many_are_so(tmp_path: Path) -> None:
    text = "Item,Use,Room\nBeaker\nFlask\nBalance,weighing,3\nTongs\nStirrer,stirring,4\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [cells[0] for cells in found.cells] == ["Beaker", "Flask", "Balance", "Tongs", "Stirrer"]


def test_a_name_alone_between_items_is_an_item_of_a_list_with_gaps(tmp_path: Path) -> None:
    items = "Acetone,Cab 1,5 Ethanol,Cab 1,6 Hexane Toluene Xylene,Cab 2,1 Total Urea,Cab 2,1 Glycine,Cab 2,1".replace(
        "b ", "b_"
    )
    text = "\n".join(["Name,Location,Quantity", *items.split()])
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Name", "Location", "Quantity"]
    assert [cells[0] for cells in found.cells] == [
        "Acetone",
        "Ethanol",
        "Hexane",
        "Toluene",
        "Xylene",
        "Urea",
        "Glycine",
    ]
    assert [told[3] for told in found.left_out] == ["is a total"]


def test_totals_and_notes_are_no_items_and_are_told(tmp_path: Path) -> None:
    text = "Item,Amount,Cost\na,1,2\nb,3,4\nSubtotal,4,6\nc,1,1\nTotal,5,7\n\nPrepared by Kim\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [cells[0] for cells in found.cells] == ["a", "b", "c"]
    assert found.left_out == [
        (None, 4, 4, "is a total"), (None, 6, 6, "is a total"), (None, 8, 8, "is a note below the table"),
    ]  # fmt: skip
    assert found.table.left_out[1].shown == "Total | 5 | 7"


def test_an_item_whose_name_begins_with_total_is_an_item(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, "Item,Amount\nTotal protein kit,1\nb,3\n"), "a.csv")
    assert len(found.rows) == 2
    assert found.left_out == []


# ---- tables side by side


def test_tables_side_by_side_are_read_as_one_below_the_other(tmp_path: Path) -> None:
    text = "Name ,Company,Cat#,,Name ,Company,Cat#\na,Sigma,1,,c,VWR,3\nb,Sigma,2,,d,VWR,4\n,,,,e,VWR,5\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Name", "Company", "Cat#"]
    assert [(row_no, cells[0]) for row_no, cells in found.rows] == [
        (2, "a"), (3, "b"), (PART_ROWS + 2, "c"), (PART_ROWS + 3, "d"), (PART_ROWS + 4, "e"),
    ]  # fmt: skip
    assert [part.first_column for part in found.table.parts] == [0, 4]


def test_an_empty_column_alone_makes_no_second_table(tmp_path: Path) -> None:
    text = "item_name,cas_number,,quantity,location\na,1,,b,2\nc,3,,d,4\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["item_name", "cas_number", "", "quantity", "location"]
    assert len(found.table.parts) == 1


_DYES: Rows = [["Name", "Company", "Cat#"]] + [[f"Dye {n}", "Sigma", f"H{n}"] for n in range(10)]
_PRIMER_HEADINGS: list[list[object]] = [["Primer", "Sequence", "Tm"]]
_PRIMERS: Rows = _PRIMER_HEADINGS + [[f"MT_{n}_F", "ACGTTGCA", 58 + n] for n in range(15)]


def _beside(left: Rows, right: Rows, gap: int) -> list[list[object]]:
    rows = zip_longest(left, right, fillvalue=[None] * 3)
    return [[*first, *[None] * gap, *second] for first, second in rows]


@pytest.mark.parametrize("gap", [1, 2])
@pytest.mark.parametrize("turned", [False, True])
def test_rows_of_different_tables_side_by_side_are_never_joined(tmp_path: Path, gap: int, turned: bool) -> None:
    left, right = (_PRIMERS, _DYES) if turned else (_DYES, _PRIMERS)
    found = seen(book(tmp_path, {"S": _beside(left, right, gap)}), "a.xlsx")
    assert found.header == _DYES[0]
    assert found.cells == list(_DYES[1:])
    (other,) = found.table.left_out
    assert (other.shown, other.items, other.column) == ("Primer, Sequence, Tm", 15, 0 if turned else 3 + gap)


def test_a_table_that_ends_before_the_one_beside_it_is_another_one_though_all_its_headings_are_known(
    tmp_path: Path,
) -> None:
    left = [["item_name", "location", ""]] + [[f"a{n}", "here", ""] for n in range(9)]
    right = [["supplier", "cas_number", ""]] + [[f"s{n}", "67-64-1", ""] for n in range(6)]
    found = seen(book(tmp_path, {"S": _beside(left, right, 1)}), "a.xlsx")
    assert found.header[:2] == ["item_name", "location"]
    assert [one.items for one in found.table.left_out] == [6]


_CHEMICALS: Rows = [["Chemical", "CAS #", "Formula"]] + [[f"salt {n}", "67-64-1", "?"] for n in range(9)]
_AMOUNTS: Rows = [["Amount", "Owner", "MSDS?"]] + [[f"{n} g", "KM", "Y"] for n in range(9)]


def test_columns_beyond_an_empty_one_that_only_tell_more_of_the_things_before_it_are_the_same_table(
    tmp_path: Path,
) -> None:
    path = book(tmp_path, {"S": _beside(_CHEMICALS, _AMOUNTS, 1)})
    found = seen(path, "a.xlsx")
    assert found.header == [*_CHEMICALS[0], "", *_AMOUNTS[0]]
    assert found.table.left_out == ()
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=2) as table:
        assert table.header == _CHEMICALS[0], "as postings of that time were read"


@pytest.mark.parametrize(
    "headings",
    [["Amount", "Dye", "Name"], ["Dye", "Amount", "Owner"], ["Amount", "Chemical", "Owner"], ["Amount", "Dye", "Kit"]],
)
def test_columns_beyond_an_empty_one_that_may_name_things_are_another_table(
    tmp_path: Path, headings: list[object]
) -> None:
    found = seen(book(tmp_path, {"S": _beside(_CHEMICALS, [headings, *_AMOUNTS[1:]], 1)}), "a.xlsx")
    assert [one.items for one in found.table.left_out] == [9]


def test_names_that_stand_alone_before_an_empty_column_are_read_with_their_rows(tmp_path: Path) -> None:
    rows: Rows = [["Name", "", "Company", "Cat. No.", "Host", "Qty"]]
    rows += [[f"mAb {n}", "", "CST", f"C{n}", "Rabbit", n + 2] for n in range(3)]
    path = book(tmp_path, {"S": rows})
    found = seen(path, "a.xlsx")
    assert (found.header, found.table.left_out) == (rows[0], ())
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=3) as table:
        assert table.header == rows[0][2:], "as postings of that time were read"
    longer: Rows = [*rows, ["a name alone", "", "", "", "", ""]]
    assert seen(book(tmp_path, {"S": longer}), "a.xlsx").header == rows[0][2:], "a list of its own beside a table"


@pytest.mark.parametrize(("one", "other"), [("Loc.", "Location"), ("Room", "Location")])
def test_a_column_that_two_sheets_spell_otherwise_is_one(tmp_path: Path, one: str, other: str) -> None:
    first: Rows = [["Property Tag", "Type", one, "Status"], *([f"T-{n}", "PC", "R1", "in use"] for n in range(4))]
    second: Rows = [["Status", other, "Type", "Property Tag"], *(["spare", "R2", "PC", f"T-2{n}"] for n in range(3))]
    path = book(tmp_path, {"A": first, "B": second})
    found = seen(path, "a.xlsx")
    assert len(found.header) == 4, "the sheet with more known headings names the columns"
    place = found.header.index("Location" if "Location" in found.header else one)
    assert [cells[place] for cells in found.cells] == ["R1"] * 4 + ["R2"] * 3
    assert {part.columns for part in found.table.parts} == {(), (3, 2, 1, 0)}
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=3) as table:
        assert {one, other} < set(table.header), "as postings of that time were read"


def test_two_columns_of_one_meaning_on_one_sheet_stay_two(tmp_path: Path) -> None:
    first: Rows = [["Property Tag", "Type", "Room", "Status"], *([f"T-{n}", "PC", "R1", "in use"] for n in range(4))]
    second: Rows = [[*first[0], "Location"], *([f"T-2{n}", "PC", "R2", "spare", "shelf"] for n in range(3))]
    assert seen(book(tmp_path, {"A": first, "B": second}), "a.xlsx").header == second[0]


def test_what_stands_in_a_blank_column_far_below_is_kept(tmp_path: Path) -> None:
    rows = _beside(_DYES, _DYES, 1)
    rows += [["Late", "Sigma", "H9", None, "Later", "Sigma", "H8"] for _ in range(40)]
    rows[-1][3] = "a remark"
    found = seen(book(tmp_path, {"S": rows}), "a.xlsx")
    assert [cells for cells in found.cells if "a remark" in cells] == [["Late", "Sigma", "H9", "a remark"]]


@pytest.mark.parametrize(
    ("listed", "stock"),
    [
        (["asset_tag", "item_name", "quantity", "location"], ["item_name", "item_code", "quantity", "location"]),
        (["item_name", "quantity", "location", "unit"], ["Size", "quantity", "location", "unit"]),
        (["Piece", "Value", "Pack", "Total"], ["Value", "Package", "Pack", "Total"]),
    ],
)
def test_tables_whose_rows_other_columns_name_are_not_one_though_the_rest_is_alike(
    tmp_path: Path, listed: list[object], stock: list[object]
) -> None:
    sheets: dict[str, Rows] = {
        "A": [listed] + [[f"part {n}", n, "here", n] for n in range(9)],
        "B": [stock] + [[f"{n} mm", n, "there", n] for n in range(5)],
    }
    path = book(tmp_path, sheets)
    found = seen(path, "a.xlsx")
    assert found.header == listed
    assert [(one.sheet, one.items) for one in found.table.left_out] == [("B", 5)]
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=3) as table:
        assert len(table.parts) == 2, "as postings of that time were read"


# ---- totals in all languages, and by earlier rules


def test_by_the_first_rules_a_file_is_read_as_it_was_then(tmp_path: Path) -> None:
    """Postings of that time are made again from it: of those, nothing may change."""
    rows: Rows = [*_beside(_DYES, _PRIMERS, 1), ["Total: 10 items"]]
    path = book(tmp_path, {"S": rows})
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=FIRST_RULES) as table:
        assert table.header == [*_DYES[0], "", *_PRIMERS[0]]
        assert [cells[0] for _, cells in table.rows][-1] == "Total: 10 items"
        assert table.rules == FIRST_RULES


@pytest.mark.parametrize(
    "total",
    [
        "Итого: 16 позиций", "Всего 16 позиций", "Summe", "Gesamt: 16", "Insgesamt", "Total (16 items)",
        "Totaal: 16 stuks",
        "合計", "合计16项", "합계: 16개", "Toplam: 16", "Tổng cộng", "Razem", "Celkem: 16", "المجموع", "รวมทั้งหมด",
        "Sous-total", "Totale complessivo: 16", "Soma", "Suma total", "Jumlah: 16", "I alt: 16", "Summa", 'סה"כ', "कुल",
    ],
)  # fmt: skip
@pytest.mark.parametrize("alone", [False, True])
def test_a_total_is_known_in_every_language_that_headings_are(tmp_path: Path, total: str, alone: bool) -> None:
    headings: list[list[object]] = [["item_name", "quantity", "location"]]
    rows = headings + [[f"a {n}", n + 1, "x"] for n in range(8)] + [[total] if alone else [total, 36]]
    found = seen(book(tmp_path, {"S": rows}), "a.xlsx")
    assert len(found.cells) == 8
    assert found.left_out == [("S", 10, 10, "is a total")]


def test_every_language_of_the_headings_has_words_for_totals() -> None:
    of_headings = set(re.findall(r"^\s*([a-z]{2}): ", Path(headings.__file__).read_text("utf-8"), re.M))
    assert of_headings == set(re.findall(r"^\s*([a-z]{2}): ", totals._WORDS, re.M))


@pytest.mark.parametrize(
    "name", ["Total RNA kit", "Total 96 kit", "Sum of Reagents", "Totally clean", "Gesamtprotein-Kit"]
)
def test_a_name_that_only_begins_like_a_total_is_none(name: str) -> None:
    assert not totals.is_total(name)


# ---- tables below each other and on several sheets


def test_alike_tables_below_each_other_are_joined(tmp_path: Path) -> None:
    text = "Shelf A\nName,Amount,Lot\na,1,L1\nb,2,L2\n\nShelf B\nName,Amount,Lot\nc,3,L3\nd,4,L4\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [(row_no, cells[0]) for row_no, cells in found.rows] == [
        (3, "a"), (4, "b"), (PART_ROWS + 8, "c"), (PART_ROWS + 9, "d"),
    ]  # fmt: skip
    assert [part.header_row for part in found.table.parts] == [2, 7]
    assert "Shelf B" in found.facts["above_the_header"]


def test_blank_rows_do_not_end_a_table(tmp_path: Path) -> None:
    text = "Name,Amount,Lot\na,1,L1\n\nb,2,L2\n\n\nc,3,L3\n"
    assert [row_no for row_no, _ in seen(stored(tmp_path, text), "a.csv").rows] == [2, 4, 7]


def test_another_table_is_left_out_and_told(tmp_path: Path) -> None:
    text = "asset_tag,item_name,quantity\nT1,a,1\nT2,b,2\n\nRoom,Phone,Floor\nA,1234,1\nB,5678,2\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [cells[0] for cells in found.cells] == ["T1", "T2"]
    assert found.left_out == [(None, 5, 7, "is another table, with other columns (2 rows)")]
    assert found.table.left_out[0].shown == "Room, Phone, Floor"


def test_the_title_above_another_table_is_left_out_with_it(tmp_path: Path) -> None:
    text = "asset_tag,item_name,quantity\nT1,a,1\nT2,b,2\n\nOur rooms\nRoom,Phone,Floor\nA,1234,1\nB,5678,2\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert [cells[0] for cells in found.cells] == ["T1", "T2"]
    assert found.left_out == [(None, 5, 8, "is another table, with other columns (2 rows)")]


def test_a_repeated_header_is_no_item(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, "Name,Amount\na,1\nName,Amount\nb,2\n"), "a.csv")
    assert [cells[0] for cells in found.cells] == ["a", "b"]
    assert found.facts["repeated_headings"] == "1"


def test_sheets_alike_are_joined_by_their_headings(tmp_path: Path) -> None:
    sheets = {
        "A": [["Name", "Amount"], ["a", 1]],
        "B": [["Amount", "Name", "Lot"], [2, "b", "L"]],
        "Legend": [["Code", "Meaning", "Colour"], ["R", "cold", "blue"]],
    }
    found = seen(book(tmp_path, sheets), "a.xlsx")
    assert found.header == ["Name", "Amount", "Lot"] or found.header == ["Amount", "Name", "Lot"]
    by_name = [dict(zip(found.header, cells, strict=False)) for cells in found.cells]
    assert [(row["Name"], row["Amount"]) for row in by_name] == [("a", 1.0), ("b", 2.0)]
    assert found.left_out == [("Legend", 1, 2, "is another table, with other columns (1 rows)")]
    assert found.facts["sheet"] == "A, B"


# ---- headings of several lines


def test_a_header_of_two_lines_is_read_as_one(tmp_path: Path) -> None:
    def merge(made: object) -> None:
        sheet = made["S"]  # type: ignore[index]
        sheet.merge_cells("A1:A2")
        sheet.merge_cells("B1:C1")

    rows = [["Item", "Kept", None], [None, "Zone", "Shelf"], ["a", 3, 1], ["b", 4, 2]]
    found = seen(book(tmp_path, {"S": rows}, merge), "a.xlsx")
    assert found.header == ["Item", "Kept Zone", "Kept Shelf"]
    assert [row_no for row_no, _ in found.rows] == [3, 4]


@pytest.mark.parametrize("amount", ["Quantity", "Quantity [g]", "Quantity (g)"])
def test_a_heading_below_a_group_that_says_enough_stands_alone(tmp_path: Path, amount: str) -> None:
    rows: Rows = [
        ["Item name", "Stock", None, "Location"], [None, amount, "Units", None], ["Acetone", 5, "g", "R1"],
        ["Ethanol", 7, "g", "R2"], ["Hexane", 9, "g", "R1"],
    ]  # fmt: skip
    found = seen(book(tmp_path, {"S": rows}, lambda made: made["S"].merge_cells("B1:C1")), "a.xlsx")
    assert found.header[1] == amount


def test_a_line_of_units_below_the_headings_is_part_of_them(tmp_path: Path) -> None:
    text = "Item,Amount,Concentration\n,(mL),(mol/L)\na,5,0.1\nb,6,0.2\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Item", "Amount (mL)", "Concentration (mol/L)"]


# ---- what a workbook has beside its cells


def test_a_value_merged_over_several_rows_stands_in_each(tmp_path: Path) -> None:
    def merge(made: object) -> None:
        made["S"].merge_cells("A2:A3")  # type: ignore[index]
        made["S"].merge_cells("A4:A90")  # type: ignore[index]

    rows = [["Location", "Item", "Amount"], ["Fridge", "a", 1], [None, "b", 2], ["Shelf", "c", 3], [None, "d", 4]]
    found = seen(book(tmp_path, {"S": rows}, merge), "a.xlsx")
    assert [cells[0] for cells in found.cells] == ["Fridge", "Fridge", "Shelf", "Shelf"]


def test_hidden_rows_and_columns_are_read_and_told_and_hidden_sheets_left_out(tmp_path: Path) -> None:
    def hide(made: object) -> None:
        made["S"].row_dimensions[3].hidden = True  # type: ignore[index]
        made["S"].column_dimensions["B"].hidden = True  # type: ignore[index]
        made["Old"].sheet_state = "hidden"  # type: ignore[index]

    rows = [["Item", "Amount"], ["a", 1], ["b", 2]]
    found = seen(book(tmp_path, {"S": rows, "Old": rows}, hide), "a.xlsx")
    assert [cells[0] for cells in found.cells] == ["a", "b"]
    assert found.facts["hidden_rows"] == "read all the same: 3"
    assert found.facts["hidden_columns"] == "read all the same: numbers 2"
    assert found.left_out == [("Old", 1, 3, "is a hidden sheet")]


def test_formulas_count_by_their_stored_value(tmp_path: Path) -> None:
    # openpyxl stores no values
    found = seen(workbook(tmp_path, [["Item", "Amount"], ["a", "=1+1"], ["b", 2]]), "a.xlsx")
    assert found.cells == [["a", UNCALCULATED], ["b", 2.0]]
    assert found.facts["formulas_without_value"] == "1 cells, told in their rows"


def test_a_row_of_formulas_without_a_value_is_blank(tmp_path: Path) -> None:
    found = seen(workbook(tmp_path, [["Item", "Amount"], ["a", 1], ["=A2", "=1+1"], ["b", 2]]), "a.xlsx")
    assert found.cells == [["a", 1.0], ["b", 2.0]]


def test_by_earlier_rules_a_formula_without_a_value_is_a_blank_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["Item", "Amount"], ["a", "=1+1"], ["b", 2]])
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=CALCULATED_RULES - 1) as table:
        assert [cells for _, cells in table.rows] == [["a", None], ["b", 2.0]], "as postings of that time were read"


@pytest.mark.parametrize("system", [1900, 1904])
def test_dates_are_the_same_in_both_date_systems(tmp_path: Path, system: int) -> None:
    import datetime

    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    def change(made: object) -> None:
        if system == 1904:
            made.epoch = CALENDAR_MAC_1904  # type: ignore[attr-defined]

    rows = [["Item", "Day"], ["a", datetime.datetime(2021, 1, 2)], ["b", datetime.datetime(1999, 12, 31, 6, 30)]]
    found = seen(book(tmp_path, {"S": rows}, change), "a.xlsx")
    assert [cells[1] for cells in found.cells] == [datetime.date(2021, 1, 2), datetime.datetime(1999, 12, 31, 6, 30)]


def test_a_returned_workbook_tells_its_token_and_answers(tmp_path: Path) -> None:
    def hide(made: object) -> None:
        made["_hub"].sheet_state = "veryHidden"  # type: ignore[index]

    sheets = {
        "Read me first": [["asset_tag", "item_name"], ["not", "yours"]],
        "Data": [["asset_tag", "item_name", "quantity"], ["T1", "a", 1]],
        "Questions": [["Question", "Text", "Your answer"], ["q1", "Which?", "day first"], ["q2", "What?", None]],
        "_hub": [["token-1"]],
    }
    found = seen(book(tmp_path, sheets, hide), "a.xlsx")
    assert found.table.returned == "token-1"
    assert found.table.answers == (("q1", "day first"),)
    assert (found.facts["sheet"], len(found.rows), found.left_out) == ("Data", 1, [])


def test_a_sheet_named_questions_is_a_sheet_like_others_unless_the_hub_wrote_it(tmp_path: Path) -> None:
    found = seen(book(tmp_path, {"Questions": [["asset_tag", "item_name"], ["T1", "a"]]}), "a.xlsx")
    assert (found.table.returned, len(found.rows)) == (None, 1)


def test_a_workbook_whose_tables_are_all_hidden_says_so(tmp_path: Path) -> None:
    from .files import refusal

    def hide(made: object) -> None:
        made["S"].sheet_state = "hidden"  # type: ignore[index]

    path = book(tmp_path, {"Empty": [], "S": [["Item", "Amount"], ["a", 1]]}, hide)
    assert "visible sheets are empty" in refusal(path, "a.xlsx")


# ---- many tables


def test_more_alike_tables_than_row_numbers_allow_are_told(tmp_path: Path) -> None:
    sheets = {f"S{number}": [["Name", "Amount"], [f"n{number}", number + 0.5]] for number in range(203)}
    found = seen(book(tmp_path, sheets), "a.xlsx")
    assert len(found.table.parts) == len(found.rows) == 200
    assert max(row_no for row_no, _ in found.rows) < 2**31
    assert [why for *_, why in found.left_out] == ["is one of more than 200 alike tables (1 rows)"] * 3


def test_rows_of_one_part_do_not_run_into_the_next() -> None:
    from hub_pipelines.validate.parsing import joining

    assert joining._PART_ROWS == PART_ROWS


@pytest.mark.parametrize(
    "title",
    ["Stock list,,,", "Lab:,Smith,,", "Inventory 2024,,,Page 1", "Stock list,,,\nAs of,March,,", "a@b.edu,,,\n,,,"],
)
def test_a_title_above_a_table_of_words_is_no_header(tmp_path: Path, title: str) -> None:
    text = f"{title}\nStoff,Hersteller,Blatt,Hinweis\nAceton,Sigma,ja,leicht\nXylol,VWR,nein,giftig\nPhenol,Sigma,ja,\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Stoff", "Hersteller", "Blatt", "Hinweis"]
    assert [cells[0] for cells in found.cells] == ["Aceton", "Xylol", "Phenol"]


def test_groups_above_columns_of_the_same_name_tell_them_apart(tmp_path: Path) -> None:
    text = "Item,Ordered,,Received,\n,Amount,Day,Amount,Day\na,1,2020-01-01,2,2020-01-02\nb,3,2020-01-01,4,2020-01-03\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert found.header == ["Item", "Ordered Amount", "Ordered Day", "Received Amount", "Received Day"]
