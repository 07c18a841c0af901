"""Each step of a migration on real tables: what it makes of a row, and what it refuses."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.drift.migrating import Plan, draft, named_as_sent, plan, read_steps
from hub_pipelines.drift.model import BadMigration, Change, Lost
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import AcceptedRow, Cell, RejectedRow, Table
from hub_pipelines.validate.service import validate
from hub_pipelines_tests.unit.validate.builders import AllTags

INVENTORY = FEEDS["inventory"]
STOCK = ("Item Code", "Name", "Room", "Quantity", "Unit")
HEAD = """
[migration]
campus = "north"
feed = "inventory"
record_type = "inventory.stock"
source = "*"
from = "0123456789abcdef"
"""


def steps(*made: str, head: str = HEAD) -> Any:
    return read_steps(head + "".join(f"\n[[step]]\n{one}\n" for one in made))


def planned(header: Sequence[str], *made: str) -> Plan:
    return plan(steps(*made), header, INVENTORY)


def rows(header: Sequence[str], cells: Sequence[Cell], *made: str) -> tuple[tuple[str, ...], list[Cell]]:
    """The header and one row as the contract sees them."""
    found = planned(header, *made)
    table = found.table(Table(list(header), 1, iter([(7, list(cells))]), {}))
    ((row_no, changed),) = list(table.rows)
    assert row_no == 7
    return tuple(table.header), changed


RENAME = 'do = "rename"\ncolumn = "How much 2"\nto = "quantity_on_hand"'
SPLIT = 'do = "split"\ncolumn = "Stock"\ninto = ["quantity_on_hand", "Pack"]\nseparator = " x "'
UNIT = 'do = "default"\ncolumn = "unit"\nvalue = "bottle"'


# ---- steps


def test_a_renamed_column_keeps_its_place() -> None:
    header = ("Item Code", "Name", "Room", "How much 2", "Unit")
    assert rows(header, ["A", "B", "C", 3, "g"], RENAME) == (
        ("Item Code", "Name", "Room", "quantity_on_hand", "Unit"),
        ["A", "B", "C", 3, "g"],
    )


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("12 x 500 ml", ["12", "500 ml"]),
        ("12 x 500 x 2", ["12", "500 x 2"]),
        ("12", ["12", None]),
        (12.0, [12.0, None]),
        (None, [None, None]),
        (" x 500 ml", [None, "500 ml"]),
    ],
)
def test_a_cell_is_split_and_what_is_left_goes_to_the_last_column(cell: Cell, parts: list[Cell]) -> None:
    header, row = rows(("Item Code", "Name", "Room", "Stock"), ["A", "B", "C", cell], SPLIT, UNIT)
    assert header == ("Item Code", "Name", "Room", "quantity_on_hand", "Pack", "unit")
    assert row == ["A", "B", "C", *parts, "bottle"]


def test_a_blank_as_separator_stands_for_any_number_of_blanks() -> None:
    step = 'do = "split"\ncolumn = "Stock"\ninto = ["quantity_on_hand", "unit"]\nseparator = " "'
    assert rows(("Item Code", "Name", "Room", "Stock"), ["A", "B", "C", "500   mL"], step)[1][3:] == ["500", "mL"]


@pytest.mark.parametrize(
    ("written", "cell", "day"),
    [
        ("DD/MM/YYYY", "29/08/2025", "2025-08-29"),
        ("DD/MM/YYYY", "9/8/2025", "2025-08-09"),
        ("MM/DD/YYYY", "08/29/2025", "2025-08-29"),
        ("DD.MM.YYYY", " 29.08.2025 ", "2025-08-29"),
        ("DD MMM YYYY", "29 Aug 2025", "2025-08-29"),
        ("YYYYMMDD", "20250829", "2025-08-29"),
        ("DD/MM/YYYY", "08/29/2025", "08/29/2025"),
        ("DD/MM/YYYY", "soon", "soon"),
        ("DD/MM/YYYY", datetime.datetime(2025, 8, 29), datetime.datetime(2025, 8, 29)),
        ("DD/MM/YYYY", None, None),
    ],
)
def test_a_day_that_is_written_as_told_becomes_the_contracts_and_others_stay(
    written: str, cell: Cell, day: Cell
) -> None:
    step = f'do = "convert"\ncolumn = "Expiry"\nto = "date"\nwritten = "{written}"'
    assert rows((*STOCK, "Expiry"), ["A", "B", "C", "1", "g", cell], step)[1][5] == day


@pytest.mark.parametrize(
    ("decimal", "cell", "number"),
    [
        (",", "2,5", "2.5"),
        (",", "1.234,5", "1234.5"),
        (",", "1 234,5", "1234.5"),
        (",", "1\u00a0234", "1234"),
        (",", "-3,25", "-3.25"),
        (",", "1.5", "1.5"),
        (",", "12", "12"),
        (".", "1,234.5", "1234.5"),
        (".", "2,5", "2,5"),
        (",", 2.5, 2.5),
        (",", "a lot", "a lot"),
    ],
)
def test_a_number_that_is_written_as_told_becomes_the_contracts_and_others_stay(
    decimal: str, cell: Cell, number: Cell
) -> None:
    step = f'do = "convert"\ncolumn = "quantity_on_hand"\nto = "number"\ndecimal = "{decimal}"'
    assert rows(STOCK, ["A", "B", "C", cell, "g"], step)[1][3] == number


def test_words_are_found_in_any_case_and_unknown_ones_stay() -> None:
    step = 'do = "convert"\ncolumn = "Unit"\nto = "words"\nwords = { "Flasche" = "bottle", "Stück" = "ea" }'
    for cell, word in (("FLASCHE", "bottle"), (" Stück ", "ea"), ("g", "g"), (None, None)):
        assert rows(STOCK, ["A", "B", "C", 1, cell], step)[1][4] == word


def test_a_default_fills_blank_cells_and_no_others() -> None:
    for cell, filled in ((None, "bottle"), ("  ", "bottle"), ("g", "g")):
        assert rows(STOCK, ["A", "B", "C", 1, cell], UNIT)[1][4] == filled


def test_steps_work_on_what_the_steps_before_them_made() -> None:
    convert = 'do = "convert"\ncolumn = "quantity_on_hand"\nto = "number"\ndecimal = ","'
    header = ("Item Code", "Name", "Room", "Stock")
    assert rows(header, ["A", "B", "C", "2,5 x 1 L"], SPLIT, convert, UNIT)[1][3] == "2.5"


@pytest.mark.parametrize("cells", [["A", "B"], ["A", "B", "C", "1", "g", "surplus"]])
def test_a_row_that_is_too_short_or_too_long_stays_so(cells: list[Cell]) -> None:
    step = 'do = "convert"\ncolumn = "Unit"\nto = "words"\nwords = { "g" = "kg" }'
    changed = rows(STOCK, cells, step)[1]
    assert changed == [*cells, *[None] * (5 - len(cells))] if len(cells) < 5 else ["A", "B", "C", "1", "kg", "surplus"]


def test_problems_name_the_senders_row_and_heading() -> None:
    header = ("Item Code", "Name", "Room", "Stock")
    found = planned(header, SPLIT, UNIT)
    sent: list[tuple[int, list[Cell]]] = [(4, ["A", "B", "C", "12 x 500 ml"]), (9, ["D", "E", "F", "some"])]
    table = found.table(Table(list(header), 3, iter(sent), {}))
    verdicts = validate(table, INVENTORY, campus="north", campuses=["north"], registry=AllTags())
    good, bad = named_as_sent(iter(verdicts), found.origins)
    assert isinstance(good, AcceptedRow)
    assert (good.row_no, good.values["quantity_on_hand"], good.values["unit"]) == (4, "12", "bottle")
    assert good.values["other"] == {"Pack": "500 ml"}
    assert isinstance(bad, RejectedRow)
    (problem,) = bad.problems
    assert (bad.row_no, problem.column, problem.value) == (9, "quantity_on_hand", "some")
    assert problem.reason.endswith('(In your file this is "Stock".)')


# ---- what is refused


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ('do = "rename"\ncolumn = "Nowhere"\nto = "unit"', 'Step 1 (rename Nowhere): there is no column "Nowhere"'),
        ('do = "rename"\ncolumn = "Room"\nto = "colour"', "inventory.stock has no column 'colour'"),
        ('do = "rename"\ncolumn = "Room"\nto = "unit"', 'Two columns both mean "unit"'),
        ('do = "rename"\ncolumn = "Name"\nto = "supplier"', "After its steps the columns still don't do"),
        ('do = "split"\ncolumn = "Room"\ninto = ["a", "b"]\nseparator = "/"', "none of a, b is a column of"),
        ('do = "convert"\ncolumn = "Room"\nto = "date"\nwritten = "DD/MM/YYYY"', "location takes no date"),
        ('do = "convert"\ncolumn = "Quantity"\nto = "words"\nwords = { a = "many" }', "does not take 'many'"),
        ('do = "convert"\ncolumn = "expires_on"\nto = "date"\nwritten = "DD/MM/YYYY"', 'no column "expires_on"'),
        ('do = "default"\ncolumn = "unit"\nvalue = "handful"', "unit does not take 'handful'"),
        ('do = "default"\ncolumn = "item_code"\nvalue = "A"', "tells one item from another"),
    ],
)
def test_a_migration_that_can_not_work_is_refused_with_the_step(made: str, told: str) -> None:
    with pytest.raises(BadMigration) as error:
        planned(STOCK, made)
    assert told in str(error.value)


@pytest.mark.parametrize("written", ["YYYY", "DD/MM/YY", "DD/MM/YYYY hh", "DD DD YYYY", "%d"])
def test_a_form_of_days_that_tells_no_day_is_refused(written: str) -> None:
    step = f'do = "convert"\ncolumn = "Expiry"\nto = "date"\nwritten = "{written}"'
    with pytest.raises(BadMigration, match="tells no day"):
        planned((*STOCK, "Expiry"), step)


def test_a_migration_does_not_turn_one_record_type_into_another() -> None:
    header = ("Item Code", "Name", "Room", "Quantity", "Unit")
    made = steps('do = "rename"\ncolumn = "Room"\nto = "location"', head=HEAD.replace(".stock", ".asset"))
    with pytest.raises(BadMigration):
        plan(made, header, INVENTORY)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[migration", "is no TOML"),
        ("", "one table [migration]"),
        (HEAD, "one table [migration]"),
        (HEAD + '\n[[step]]\ndo = "drop"\ncolumn = "a"\n', "Step 1: do must be one of: rename,"),
        (HEAD + '\n[[step]]\ndo = "rename"\ncolumn = "a"\n', "Step 1, to: Field required"),
        (HEAD + '\n[[step]]\ndo = "rename"\ncolumn = "a"\nto = "b"\nwhy = "c"\n', "Step 1, why"),
        (HEAD + '\n[[step]]\ndo = "convert"\ncolumn = "a"\nto = "date"\n', 'a conversion to "date" needs written'),
        (
            HEAD + '\n[[step]]\ndo = "convert"\ncolumn = "a"\nto = "number"\ndecimal = ","\nwritten = "x"\n',
            'a conversion to "number" needs decimal and nothing else',
        ),
        (HEAD.replace("campus", "site") + '\n[[step]]\ndo = "default"\ncolumn = "a"\nvalue = "b"\n', "[migration]"),
        (HEAD + '\n[[step]]\ncolumn = "a"\n', "Step 1: do must be one of: rename, split, convert, default"),
        (HEAD + '\nmore = 1\n[[step]]\ndo = "default"\ncolumn = "a"\nvalue = "b"\n', "[migration] more"),
    ],
)
def test_a_file_that_is_no_migration_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(BadMigration) as error:
        read_steps(text)
    assert told in str(error.value)


def test_the_example_in_the_readme_is_a_migration_that_works() -> None:
    page = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n[migration]")[2].partition("```")[0]
    made = read_steps("[migration]" + example)
    header = ("Item Code", "Name", "Room", "Packs", "Best before 2")
    table = plan(made, header, INVENTORY).table(
        Table(list(header), 1, iter([(2, ["A", "B", "C", "12 x 500 ml", "31/01/2027"])]), {})
    )
    assert list(table.rows) == [(2, ["A", "B", "C", "12", "2027-01-31", "500 ml", "bottle"])]
    assert table.header == ["Item Code", "Name", "Room", "quantity_on_hand", "expires_on", "container_size", "unit"]


def test_a_draft_is_a_migration_once_its_author_has_finished_it() -> None:
    change = Change(lost=(Lost("quantity_on_hand", "Quantity", 'How "much" 2\\'), Lost("unit", "Unit", None)))
    text = draft("north", "inventory", "inventory.stock", "stock.csv", "0123456789abcdef", change)
    made = read_steps(text)
    assert (made.source, made.shape, len(made.steps)) == ("stock.csv", "0123456789abcdef", 1)
    assert (made.steps[0].column, made.steps[0].do) == ('How "much" 2\\', "rename")
    finished = text.replace("# [[step]]", "[[step]]").replace("# do", "do").replace("# column =", "column =")
    finished = finished.replace('# value = ""', 'value = "bottle"')
    assert [one.do for one in read_steps(finished).steps] == ["rename", "default"]
