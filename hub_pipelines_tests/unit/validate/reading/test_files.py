import contextlib
import datetime
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.model import Cell, Table, Unreadable
from hub_pipelines.validate.parsing.refusal import Refusal
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.service import validate

from ..builders import GOOD_ROW, INVENTORY, AllTags, read
from .files import opened_here, refusal, stored, workbook

HEADER = ",".join(GOOD_ROW)


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: bytes, name: str) -> None:
    if name == "a.xlsx" and content.startswith(b"\xef"):
        pytest.skip("a byte order mark means text")
    assert refusal(stored(tmp_path, content), name) == "The file is empty."


@pytest.mark.parametrize("name", ["a.pdf", "a.PNG", "a", "a.json"])
def test_other_kinds_are_refused_with_the_kinds_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(stored(tmp_path, b"x"), name)
    assert ".xlsx" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"\x89PNG\r\n", "a.xlsx", "picture"),
        (b"%PDF-1.7", "a.csv", "PDF"),
        (b"PK\x03\x04rest", "a.csv", "damaged"),
        (b"PK\x03\x04rest", "a.xlsx", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.xls", "damaged"),
        (b"<html><table>", "a.xls", "web page"),
        (b"<## ACME DRM FILE - VER2.00 ##>\x91\0\x07" * 9, "a.xlsx", "rights management"),
        (b"just text", "a.xlsx", "not an Excel workbook"),
        (b"a,b\n\0,1\n", "a.csv", "NUL"),
        (b"a,b\n1,\x81\xff\x8d\n", "a.csv", "decoded"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, content: bytes, name: str, words: str
) -> None:
    assert words in refusal(stored(tmp_path, content), name)


@pytest.mark.parametrize(
    ("encoding", "fact"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
     ("utf-16-be", "utf-16-be"), ("cp1252", "cp1252")],
)  # fmt: skip
def test_each_encoding_is_recognised_and_recorded(tmp_path: Path, encoding: str, fact: str) -> None:
    path = stored(tmp_path, "asset_tag,item_name\nT1,Café\n", encoding)
    header, _, rows, facts = read(path, "a.csv")
    assert header == ["asset_tag", "item_name"]
    assert rows == [(2, ["T1", "Café"])]
    assert facts["encoding"] == fact


@pytest.mark.parametrize(("delimiter", "fact"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_the_delimiter_is_the_one_that_gives_known_columns(tmp_path: Path, delimiter: str, fact: str) -> None:
    text = f"asset_tag{delimiter}item_name\nT1{delimiter}a\n"
    _, _, rows, facts = read(stored(tmp_path, text), "a.csv")
    assert (rows, facts["delimiter"]) == ([(2, ["T1", "a"])], fact)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_titles_above_the_header_are_passed_over_and_rows_keep_excels_numbers(tmp_path: Path, end: str) -> None:
    text = end.join(["Inventory 2024", "", HEADER, "", "T1,a", " ,", "T2,b"])
    header, header_row, rows, facts = read(stored(tmp_path, text), "a.csv")
    assert (header[0], header_row, facts["header_row"]) == ("asset_tag", 3, "3")
    assert [(number, cells[0]) for number, cells in rows] == [(5, "T1"), (7, "T2")]


def test_without_known_columns_the_first_row_is_the_header(tmp_path: Path) -> None:
    header, header_row, rows, _ = read(stored(tmp_path, "\nfoo,bar\n1,2\n"), "a.csv")
    assert (header, header_row, rows) == (["foo", "bar"], 2, [(3, ["1", "2"])])


@pytest.mark.parametrize(
    "text",
    [
        f'{HEADER}\nT1,"never closed,chemical,1\nT2,a\n',
        f'{HEADER}\nT1,"open,chemical,1,g,R,a@b.c,2024-01-01,1,P,,,,,,\nT2,"x",chemical,1,g,R,a@b.c,2024-01-01,1,P,,,,,,\n',
    ],
)
def test_a_quotation_mark_never_closed_is_refused(tmp_path: Path, text: str) -> None:
    assert "In row 2 a quotation mark" in refusal(stored(tmp_path, text), "a.csv")


def test_a_line_break_inside_a_closed_quoted_cell_is_fine(tmp_path: Path) -> None:
    _, _, rows, _ = read(stored(tmp_path, f'{HEADER}\nT1,"two\nlines",chemical\nT2,b\n'), "a.csv")
    assert [(number, cells[1]) for number, cells in rows] == [(2, "two\nlines"), (3, "b")]


@pytest.mark.parametrize(("length", "words"), [(150_000, "Row 2"), (1_200_000, "Line 2")])
def test_a_giant_cell_is_refused_with_its_place(tmp_path: Path, length: int, words: str) -> None:
    assert words in refusal(stored(tmp_path, f"{HEADER}\nT1,{'x' * length}\n"), "a.csv")


def test_a_workbook_is_read_from_the_first_sheet_with_a_known_header(tmp_path: Path) -> None:
    path = workbook(
        tmp_path,
        [["Read me"]],
        [[None], ["Title"], ["asset_tag", "quantity", "acquired_on"], [12345, 1.5, datetime.datetime(2024, 1, 2)]],
    )
    header, header_row, rows, facts = read(path, "a.xlsx")
    assert (header, header_row) == (["asset_tag", "quantity", "acquired_on"], 3)
    assert facts["sheet"] == "S1"
    assert rows == [(4, [12345.0, 1.5, datetime.date(2024, 1, 2)])]


def test_without_a_known_header_the_first_sheet_that_holds_something_is_read(tmp_path: Path) -> None:
    assert read(workbook(tmp_path, [], [["x", "y"], [1, 2]]), "a.xlsx")[3]["sheet"] == "S1"


def test_an_error_cell_is_not_taken_for_a_blank_one(tmp_path: Path) -> None:
    path = workbook(tmp_path, [[None, "asset_tag", "cas_number"], [None, "T1", "#N/A"]])
    assert read(path, "a.xlsx")[2] == [(2, ["T1", "#N/A"])]


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0a1b2c"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/worksheets/s.xml", "w") as part:
        for _ in range(60):
            part.write(b" " * 1024 * 1024)
    assert "unpacks to" in refusal(path, "a.xlsx")


def test_a_stray_cell_far_away_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "asset_tag"  # type: ignore[index]
    book.active["XFD1048576"] = "x"  # type: ignore[index]
    path = tmp_path / "0a1b2c"
    with path.open("wb") as file:
        book.save(file)
    assert "too large to open" in refusal(path, "a.xlsx")


def test_a_text_file_is_read_as_it_is_used(tmp_path: Path) -> None:
    path = stored(tmp_path, HEADER + "\n" + "T1,a\n" * 200_000)
    with open_table(path, "a.csv", known=INVENTORY.aliases.get) as table:
        assert next(iter(table.rows))[0] == 2


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(content=st.binary(max_size=300) | st.text('a,"\n\r;\t|é', max_size=80).map(str.encode), known=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, known: bool) -> None:
    path = stored(tmp_path, (HEADER.encode() + b"\n" if known else b"") + content)
    for name in ("a.csv", "a.xlsx"):
        with contextlib.suppress(Refusal):
            list(opened_here(path, name).joined.rows())


_CELLS: st.SearchStrategy[Cell] = (
    st.none() | st.text(max_size=12) | st.floats() | st.integers() | st.booleans() | st.datetimes() | st.timedeltas()
)


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.lists(st.text("ab1,\"\n H-2.'", max_size=6), min_size=1, max_size=12), max_size=12))
@example([[""], ["1"], ["", "", "a", "H"], ["", "", "1", "1"]])
def test_every_row_of_a_file_gets_one_verdict_or_is_told(tmp_path: Path, rows: list[list[str]]) -> None:
    import csv

    # a cell whose first line is as wide as a row looks like a quotation mark that was never closed
    assume(not any("\n" in cell and cell.partition("\n")[0].count(",") >= 3 for cells in rows for cell in cells))
    path = tmp_path / "rows"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(GOOD_ROW), *rows])
    filled = [row_no for row_no, cells in enumerate(rows, start=2) if any(cell.strip() for cell in cells)]
    with open_table(path, "a.csv", known=INVENTORY.aliases.get) as table:
        found = list(validate(table, INVENTORY, campus="North", campuses=["North"], registry=AllTags()))
        repeated = int(table.facts.get("repeated_headings", "0"))
    left_out = sum(one.first_row <= row_no <= one.last_row for one in table.left_out for row_no in filled)
    assert len(found) + left_out + repeated == len(filled)


@settings(deadline=None, max_examples=300)
@given(st.lists(_CELLS, min_size=12, max_size=12))
def test_no_cell_of_any_kind_breaks_the_check(cells: list[Cell]) -> None:
    table = Table(list(GOOD_ROW), 1, iter([(2, cells)]), {})
    assert len(list(validate(table, INVENTORY, campus="N", campuses=["N"], registry=AllTags()))) == 1
