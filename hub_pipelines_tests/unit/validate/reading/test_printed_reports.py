"""What a report's program puts between the rows of a table is no item, and an item that looks like it is one."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.columns import normalise_header
from hub_pipelines.validate.parsing.blocks import Singly
from hub_pipelines.validate.parsing.grid import NumberedRow, SheetFacts
from hub_pipelines.validate.parsing.layout import rows as taking
from hub_pipelines.validate.parsing.layout.print_lines import is_print_line
from hub_pipelines.validate.parsing.layout.rules import NAMED_ALIKE_RULES, NUMBERED_RULES
from hub_pipelines.validate.parsing.layout.scan import find_tables
from hub_pipelines.validate.reading import open_table

from ..builders import INVENTORY
from .files import Rows, book, seen, stored, workbook

HEADER = ["Chemical Name", "CAS Number", "Quantity", "Unit", "Location"]
ITEMS: Rows = [
    ["Acetone", "67-64-1", 500, "mL", "R1"],
    ["Ethanol", "64-17-5", 250, "mL", "R1"],
    ["Toluene", "108-88-3", 100, "mL", "R2"],
    ["Hexane", "110-54-3", 50, "mL", "R2"],
]


def _between(tmp_path: Path, *rows: list[object]) -> tuple[list[object], list[tuple[int, str]]]:
    """The names that are read, and what is left out, of a list with these rows after its second item."""
    found = seen(workbook(tmp_path, [HEADER, *ITEMS[:2], *rows, *ITEMS[2:]]), "a.xlsx")
    return [cells[0] for cells in found.cells], [(first, why) for _, first, _, why in found.left_out]


ALL = ["Acetone", "Ethanol", "Toluene", "Hexane"]


@pytest.mark.parametrize(
    "line",
    [
        ["Run: 03/14/2024 Page 2"],
        ["Page 2 of 7"],
        [None, None, "Seite 2 von 7"],
        ["Gedruckt am 14.03.2024", None, None, None, "Seite 2/7"],
        ["Página 2 de 7"],
        ["Printed: 3/14/24 10:05 AM", "Page 2"],
        ["*** End of report ***"],
        ["第 2 页 共 7 页"],
    ],
)
def test_a_line_of_a_printed_page_is_no_item_and_is_told(tmp_path: Path, line: list[object]) -> None:
    assert _between(tmp_path, line) == (ALL, [(4, "is a line of a printed page")])


@pytest.mark.parametrize(
    "again",
    [HEADER, [text.upper() for text in HEADER], [f"{text} " for text in HEADER], ["Chemical Name", *HEADER[1:4]]],
)
def test_the_headings_again_are_told_however_they_are_written(tmp_path: Path, again: list[object]) -> None:
    assert _between(tmp_path, again) == (ALL, [(4, "holds the headings again")])


def test_headings_of_two_lines_that_come_again_are_no_items(tmp_path: Path) -> None:
    header: Rows = [["Chemical", "Stock", None, "Place"], [None, "Amount", "Unit", None]]
    items: Rows = [["Acetone", 500, "mL", "R1"], ["Ethanol", 250, "mL", "R1"], ["Toluene", 100, "mL", "R2"]]
    rows: Rows = [*header, *items, *header, ["Hexane", 50, "mL", "R2"]]
    found = seen(book(tmp_path, {"Stock": rows}, lambda made: made["Stock"].merge_cells("B1:C1")), "a.xlsx")
    assert (found.header[2:], found.facts["header_lines"]) == (["Stock Unit", "Place"], "several, from row 1")
    assert [cells[0] for cells in found.cells] == ALL
    assert {why for *_, why in found.left_out} == {"holds the headings again"}


def test_unknown_headings_that_come_again_are_still_headings(tmp_path: Path) -> None:
    text = "Foo,Bar,Baz\nEthanol,Fridge,Sigma\nFoo,Bar,Baz\nAcetone,Shelf,VWR\nFoo,Bar,Baz\nHexane,Shelf,Roth\n"
    found = seen(stored(tmp_path, text), "a.csv")
    assert (found.header, found.header_row) == (["Foo", "Bar", "Baz"], 1)
    assert [cells[0] for cells in found.cells] == ["Ethanol", "Acetone", "Hexane"]


@pytest.mark.parametrize(
    "line",
    [
        ["Total containers: 2"],
        ["Gesamtzahl Gebinde: 2"],
        ["Total de envases", None, 2],
        ["R1 Total", None, 750],
        ["Zwischenstand Summe", None, "750,00"],
        [None, "Volumen total", 750, "mL"],
    ],
)
def test_a_total_in_words_of_its_own_is_known_by_its_number(tmp_path: Path, line: list[object]) -> None:
    assert _between(tmp_path, line) == (ALL, [(4, "is a total")])


@pytest.mark.parametrize(
    "item",
    [
        ["Total RNA Kit", None, 5],
        ["Total RNA: 20 ug"],
        ["Page protectors", None, 12],
        ["Printed circuit board"],
        ["Sheet 2"],
        ["Total", "Syngenta", 5, "L", "R3"],
        ["Chemical Name"],
        ["Unit", None, 1],
        ["Stand 3", None, 1],
    ],
)
def test_an_item_that_reads_like_such_a_line_is_an_item(tmp_path: Path, item: list[object]) -> None:
    names, left_out = _between(tmp_path, item)
    assert names == [*ALL[:2], item[0], *ALL[2:]]
    assert left_out == []


def test_a_list_of_pages_is_a_list(tmp_path: Path) -> None:
    text = "Notebook page,What,Where,When\nPage 1,Assay,R1,May\nPage 2,Gel,R1,May\nPage 3\nPage 4,Gel,R2,May\n"
    assert len(seen(stored(tmp_path, text), "a.csv").rows) == 4


def test_each_subtotal_is_compared_with_what_stands_since_the_last_one(tmp_path: Path) -> None:
    rows: Rows = [
        *ITEMS[:2],
        ["Room R1", "Total", 750],
        *ITEMS[2:],
        ["Room R2", "Total", 150],
        ["All rooms", "sum", 900],
    ]
    found = seen(workbook(tmp_path, [HEADER, *rows]), "a.xlsx")
    assert [cells[0] for cells in found.cells] == ALL
    assert [first for _, first, _, why in found.left_out if why == "is a total"] == [4, 7, 8]


@pytest.mark.parametrize(
    "total", ["Total containers: 4", "Summe Gebinde: 99", "Total shown: 4", "Containers in total: 4"]
)
def test_a_count_below_sections_is_a_total(tmp_path: Path, total: str) -> None:
    rows: Rows = [["Solvents:"], *ITEMS[:2], ["Others:"], *ITEMS[2:], [total], ["* checked"]]
    found = seen(workbook(tmp_path, [HEADER, *rows]), "a.xlsx")
    assert [cells[0] for cells in found.cells] == ALL
    assert (8, "is a total") in [(first, why) for _, first, _, why in found.left_out]


def test_by_former_rules_such_lines_are_read_as_they_were(tmp_path: Path) -> None:
    rows: Rows = [HEADER, *ITEMS, ["Page 2 of 7"], ["Total containers: 4"], ITEMS[0]]
    assert len(seen(workbook(tmp_path, rows), "a.xlsx").rows) == 5
    with open_table(workbook(tmp_path, rows), "a.xlsx", known=INVENTORY.aliases.get, rules=NAMED_ALIKE_RULES) as table:
        assert len(list(table.rows)) == 7


def test_a_long_text_is_judged_at_once() -> None:
    begun = time.process_time()
    for part in ("Page 1 ", "2024-03-14 10:05 report ", "12 jan 2024 stand ", "- ", "  "):
        assert not is_print_line([(part * 20)[:79] + "x"] * 3)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    "last",
    [
        ["Total containers", None, 777],
        ["Total containers"],
        ["Total bottles:", None, None, None, 3],
        ["Room 3 total", None, 800],
    ],
)
def test_a_total_is_one_with_its_number_in_another_cell_and_without_what_stands_as_text(
    tmp_path: Path, last: list[object]
) -> None:
    """A spreadsheet's SUM leaves out `1 btl` and numbers that are stored as text."""
    as_text: Rows = [["Xylene", "1330-20-7", "1 btl", "", "R2"], ["Heptane", "142-82-5", "1", "L", "R2"]]
    items: Rows = [*ITEMS[:3], ["Hexane", "110-54-3", -50, "mL", "R2"], *as_text]
    path = workbook(tmp_path, [HEADER, *items, last])
    found = seen(path, "a.xlsx")
    assert [cells[0] for cells in found.cells] == [*ALL, "Xylene", "Heptane"]
    assert [why for *_, why in found.left_out] == ["is a total"]
    with open_table(path, "a.xlsx", known=INVENTORY.aliases.get, rules=NUMBERED_RULES) as table:
        assert sum(1 for _ in table.rows) == 7, "what was read so before is read so again"


@pytest.mark.parametrize("item", [["Total Protein Kit", None, 2], ["Total RNA, human", None, 1]])
def test_a_product_that_is_called_total_is_an_item(tmp_path: Path, item: list[object]) -> None:
    found = seen(workbook(tmp_path, [HEADER, *ITEMS, item]), "a.xlsx")
    assert [cells[0] for cells in found.cells] == [*ALL, item[0]]


class _Sheet:
    """Rows as a reader gives them."""

    name, first_column, spans, loose, facts = None, 0, (), False, SheetFacts()

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def rows(self) -> Iterator[NumberedRow]:
        return enumerate(self._rows, start=1)

    def blocks(self) -> Iterator[Singly]:
        yield Singly(self.rows())


_FIRSTS = st.sampled_from(
    ["Acetone", "Toluene", "to", "Total", "TOTAL:", "sum 12", " Total", "Chemical Name", "chemical name ", "Ch", "",
     3.0, "Page 2 of 3", "合计", "Σ", "ẞ", "ſum", "Ｔotal", "-"]
)  # fmt: skip
_ROWS = st.lists(
    st.tuples(_FIRSTS, st.lists(st.sampled_from(["64-17-5", "", 5.0, "CAS Number", "mL"]), min_size=3, max_size=6)),
    max_size=25,
)


@settings(deadline=None)
@given(_ROWS)
def test_rows_that_are_told_by_their_first_letters_are_taken_as_when_they_are_looked_at_closely(
    drawn: list[tuple[object, list[object]]],
) -> None:
    rows: Rows = [HEADER, *ITEMS * 12, *([first, *cells] for first, cells in drawn), *ITEMS]

    def ask(texts: Sequence[str]) -> list[str | None]:
        return [INVENTORY.aliases.get(normalise_header(text)) for text in texts]

    shortly = find_tables(_Sheet([list(row) for row in rows]), ask)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(taking, "_MOST_OPENINGS", 0)
        closely = find_tables(_Sheet([list(row) for row in rows]), ask)

    assert any(table.harmless for table in shortly[0])
    assert not any(table.harmless for table in closely[0])
    assert [replace(table, harmless={}) for table in shortly[0]] == closely[0]
    assert shortly[1] == closely[1]
