"""Every kind of file and encoding, by its content."""

import struct
from pathlib import Path
from typing import Any

import pytest

from .files import Xlsb, book, ods, ods_row, refusal, seen, stored, workbook, xls

_ROWS = [["asset_tag", "item_name", "quantity"], ["T1", "a", 1.5], ["T2", None, 2.0]]
_READ = [["T1", "a", 1.5], ["T2", None, 2.0]]


def of_kind(kind: str, tmp_path: Path) -> Path:
    if kind == "xlsb":
        return Xlsb(_ROWS).write(tmp_path)
    if kind == "ods":
        return ods(tmp_path, f'<table:table table:name="S">{"".join(map(ods_row, _ROWS))}</table:table>')
    return {"xls": xls, "xlsx": workbook}[kind](tmp_path, _ROWS)


@pytest.mark.parametrize("kind", ["xlsx", "xlsb", "xls", "ods"])
@pytest.mark.parametrize("name", ["right", "a.csv", "a.XLSX", "a", "a.dat"])
def test_a_workbook_is_read_whatever_it_is_called(tmp_path: Path, kind: str, name: str) -> None:
    found = seen(of_kind(kind, tmp_path), f"a.{kind}" if name == "right" else name)
    assert (found.header, found.cells) == (_ROWS[0], _READ)
    assert found.facts["format"] == kind
    assert ("name" in found.facts) is (name != "right" and name.lower() != f"a.{kind}")


def test_a_text_table_under_a_workbooks_name_is_read_when_its_lines_are_cut_alike(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, "asset_tag;item_name\nT1;a\nT2;b\n"), "a.xls")
    assert found.cells == [["T1", "a"], ["T2", "b"]]
    assert found.facts["name"] == "named .xls, but its content is text"


@pytest.mark.parametrize("kind", ["xlsx", "xlsb", "xls", "ods"])
def test_an_error_value_stays_what_it_says_in_every_kind(tmp_path: Path, kind: str) -> None:
    rows = [["asset_tag", "item_name"], ["T1", "#N/A"], ["T2", "b"]]
    if kind == "xlsx":
        path = workbook(tmp_path, rows)
    elif kind == "xlsb":
        path = Xlsb(rows, errors={(1, 1): 0x2A}).write(tmp_path)
    elif kind == "ods":
        path = ods(tmp_path, f'<table:table table:name="S">{"".join(map(ods_row, rows))}</table:table>')
    else:
        path = xls(tmp_path, [rows[0], ["T1"], rows[2]], lambda _, sheet: sheet.row(1).set_cell_error(1, 0x2A))
    assert seen(path, f"a.{kind}").cells == [["T1", "#N/A"], ["T2", "b"]]


def test_hidden_rows_and_columns_are_told_in_every_kind(tmp_path: Path) -> None:
    def hide(_: Any, sheet: Any) -> None:
        sheet.row(2).hidden = True
        sheet.col(1).hidden = True

    hidden = '<table:table-column/><table:table-column table:visibility="collapse"/>'
    lines = [ods_row(_ROWS[0]), ods_row(_ROWS[1]), ods_row(_ROWS[2], 'table:visibility="collapse"')]
    made = {
        "a.xls": xls(tmp_path, _ROWS, hide).rename(tmp_path / "1"),
        "a.xlsb": Xlsb(_ROWS, hidden_rows=frozenset({2}), hidden_columns=(1, 1)).write(tmp_path).rename(tmp_path / "2"),
        "a.ods": ods(tmp_path, f'<table:table table:name="S">{hidden}{"".join(lines)}</table:table>'),
    }
    for name, path in made.items():
        facts = seen(path, name).facts
        assert facts["hidden_rows"] == "read all the same: 3", name
        assert facts["hidden_columns"] == "read all the same: numbers 2", name


def test_merged_rows_are_filled_in_kinds_whose_merges_calamine_does_not_tell(tmp_path: Path) -> None:
    binary = Xlsb([["Room", "Item"], ["R1", "a"], [None, "b"]], merged=(1, 2, 0, 0)).write(tmp_path)
    assert seen(binary, "a.xlsb").cells == [["R1", "a"], ["R1", "b"]]
    span = 'table:number-rows-spanned="2" office:value-type="string"'
    lines = (
        f"<table:table-row><table:table-cell {span}><text:p>R1</text:p></table:table-cell>"
        "<table:table-cell office:value-type='string'><text:p>a</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:covered-table-cell/>"
        "<table:table-cell office:value-type='string'><text:p>b</text:p></table:table-cell></table:table-row>"
    )
    open_document = ods(tmp_path, f'<table:table table:name="S">{ods_row(["Room", "Item"])}{lines}</table:table>')
    assert seen(open_document, "a.ods").cells == [["R1", "a"], ["R1", "b"]]


def test_an_old_workbook_with_a_password_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    def protect(made: Any, _: Any) -> None:
        # xlwt writes no passwords; a workbook's stream with one says so in its second record
        original = made.get_biff_data
        made.get_biff_data = lambda: _with_filepass(original())

    assert "password-protected" in refusal(xls(tmp_path, _ROWS, protect), "a.xls")


def _with_filepass(stream: bytes) -> bytes:
    length = 4 + int.from_bytes(stream[2:4], "little")
    return stream[:length] + b"\x2f\x00\x06\x00" + bytes(6) + stream[length:]


def test_the_texts_of_an_old_workbook_are_read_though_it_names_a_code_page_that_they_are_not_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As JExcelApi writes them: two bytes for each letter, and the code page of Windows."""
    wide = struct.Struct("<HB")
    monkeypatch.setattr("xlwt.BIFFRecords.upack2", lambda s, *_: wide.pack(len(s), 1) + s.encode("utf-16-le"))

    def name_windows(made: Any, _: Any) -> None:
        original = made.get_biff_data
        made.get_biff_data = lambda: original().replace(b"\x42\0\x02\0\xb0\x04", b"\x42\0\x02\0\xe4\x04", 1)

    rows: list[list[Any]] = [["asset_tag", "item_name", "quantity"], ["T1", "Flask", 1.5], ["T2", "Ωmega é Весы", 2.0]]
    found = seen(xls(tmp_path, rows, name_windows), "a.xls")
    assert (found.header, found.cells) == (rows[0], rows[1:])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Gerät,Stück\nMüller,5\nStraße,3\n"),
        ("cp1252", "Item,Storage\nEthanol,25 °C\nDye,5 µL\n"),
        ("cp1252", "Barcode,Item\nHCT\xa01234,x\n"),
        ("cp1250", "Název,Množství\nKyselina dusičná,Žlutý šrot\n"),
        ("cp1250", "Nazwa,Ilość\nkwas siarkowy stężony,3 łyżki\n"),
        ("cp1251", "Название,Количество\nАцетон,5 л\n"),
        ("koi8-r", "Название,Количество\nАцетон,5 л\n"),
        ("cp1253", "Όνομα,Ποσότητα\nακετόνη,5\n"),
        ("mac-roman", "Name,Qty\nCafé Übung naïve,3\n"),
        ("gb18030", "名称,数量\n丙酮,5\n乙醇,3\n"),
        ("big5", "測站編號,名稱\n丙酮,5\n"),
        ("cp932", "試薬名,数量\nアセトン,5\n"),
        ("cp949", "이름,수량\n아세톤,5\n"),
        ("cp874", "ชื่อ,จำนวน\nอะซิโตน,5\n"),
    ],
)
def test_letters_are_told_apart_by_the_words_that_they_make(tmp_path: Path, encoding: str, text: str) -> None:
    found = seen(stored(tmp_path, text, encoding), "a.csv")
    assert found.facts["encoding"] == encoding
    assert [found.header, *found.cells] == [line.split(",") for line in text.splitlines()]
    assert "words" in found.facts["encoding_evidence"]


def test_a_file_of_two_encodings_is_read_letter_by_letter_and_told(tmp_path: Path) -> None:
    content = "Name,Qty\nCafé crème,1\nMüller,2\n".encode() + "Überall,3\n".encode("cp1252")
    found = seen(stored(tmp_path, content), "a.csv")
    assert [cells[0] for cells in found.cells] == ["Café crème", "Müller", "Überall"]
    assert "1 bytes are no UTF-8" in found.facts["encoding_evidence"]


@pytest.mark.parametrize(
    ("text", "fact", "told"),
    [
        ("sep=|\na|b\n1,5|2\n", "delimiter", "bar (said in the file's first line)"),
        ("a^b\n1,5^2\n", "delimiter", "caret"),
        ("a,b\n1,5\n2,'6, or 7'\n", "quotes", "single"),
        ('a,b\n1,"the \\"best\\" one, ever"\n2,c\n', "escape", "backslash"),
    ],
)
def test_unusual_ways_of_cutting_are_noticed(tmp_path: Path, text: str, fact: str, told: str) -> None:
    found = seen(stored(tmp_path, text), "a.csv")
    assert (found.header, found.facts[fact]) == (["a", "b"], told)
    assert all(len(cells) == 2 for cells in found.cells)


def test_a_backslash_in_a_path_is_a_letter(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, 'File,Size\n"C:\\new\\x.txt",1\n"D:\\",2\n'), "a.csv")
    assert [cells[0] for cells in found.cells] == ["C:\\new\\x.txt", "D:\\"]


def test_an_apostrophe_is_no_quotation_mark(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, "Name,Note\n'old,it's\n5',x'\n"), "a.csv")
    assert found.cells == [["'old", "it's"], ["5'", "x'"]]


def test_all_line_ends_may_stand_in_one_file(tmp_path: Path) -> None:
    found = seen(stored(tmp_path, b"a,b\r\n1,2\r3,4\n5,6\r\r\n7,8"), "a.csv")
    assert found.cells == [["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"]]


@pytest.mark.parametrize("part", ["word/document.xml", "ppt/presentation.xml", "other.txt"])
def test_other_archives_are_refused_by_what_they_are(tmp_path: Path, part: str) -> None:
    import zipfile

    path = tmp_path / "0a1b2c"
    with zipfile.ZipFile(path, "w") as archive:
        if part != "other.txt":
            archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(part, "x")
    said = {"word": "a Word document", "ppt/": "a PowerPoint", "othe": "a compressed archive"}
    assert said[part[:4]] in refusal(path, "a.xlsx")


def test_a_workbook_of_empty_sheets_is_empty(tmp_path: Path) -> None:
    assert refusal(book(tmp_path, {"A": [], "B": []}), "a.xlsx") == "The file is empty."
