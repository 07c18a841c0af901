import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.conventions.model import Conventions, OtherRules
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import (
    PART_ROWS,
    AcceptedRow,
    Cell,
    Part,
    RejectedRow,
    Row,
    Table,
    Undecided,
    Verdict,
)
from hub_pipelines.validate.service import validate

from ..builders import GOOD_ROW, GOOD_ROWS, RECORD_TYPES, AllTags, Rows, feed_of
from .columns import read, table


def judged(record_type: str, *rows: dict[str, Any]) -> list[Verdict]:
    """Rows of a file, read by its conventions."""
    sent = table({column: [row.get(column) for row in rows] for column in rows[0]})
    columns = located_columns(sent.header, RECORD_TYPES[record_type])
    found = apply(sent, columns, decide(sent, columns, answers={}, units={}))
    feed = feed_of(record_type)
    return list(
        validate(found, feed, campus="North", campuses=["North"], registry=AllTags(), time_zone="America/New_York")
    )


@pytest.mark.parametrize("record_type", sorted(GOOD_ROWS))
def test_a_row_that_is_written_as_the_contract_has_it_keeps_its_values(record_type: str) -> None:
    good = GOOD_ROWS[record_type]

    assert judged(record_type, good) == Rows(record_type).verdicts({})


@pytest.mark.parametrize("record_type", sorted(RECORD_TYPES))
def test_every_column_of_a_kind_belongs_to_its_contract(record_type: str) -> None:
    written = RECORD_TYPES[record_type].written

    assert set(written) <= set(RECORD_TYPES[record_type].columns)
    assert {column for column, shape in RECORD_TYPES[record_type].shapes.items() if shape.kind == "date"} <= {
        column for column, kind in written.items() if kind in ("date", "expiry")
    }


def test_a_restored_cell_posts_with_a_warning_and_keeps_what_was_sent() -> None:
    (row,) = judged("inventory.asset", {**GOOD_ROW, "cas_number": "67641"})

    assert isinstance(row, AcceptedRow)
    assert row.values["cas_number"] == "67-64-1"
    assert row.values["other"] == {"cas_number as sent": "67641"}
    (finding,) = row.findings
    assert (finding.rule, finding.column, finding.value, finding.severity) == (
        "hyphens_restored", "cas_number", "67641", "warn",
    )  # fmt: skip


def test_a_restored_tag_is_looked_up_though_another_cell_spoils_the_row() -> None:
    class NoTags(AllTags):
        def campuses(self, tags: Any) -> dict[str, str]:
            return {tag: "North" for tag in tags if tag != "000127"}

    rows = [{**GOOD_ROW, "asset_tag": tag, "unit": "x"} for tag in ("000124", "000125", "000126", 127)]
    sent = table({column: [row[column] for row in rows] for column in GOOD_ROW})
    columns = located_columns(sent.header, RECORD_TYPES["inventory.asset"])
    found = apply(sent, columns, decide(sent, columns, answers={}, units={}))
    *_, row = validate(found, FEEDS["inventory"], campus="North", campuses=["North"], registry=NoTags())

    assert isinstance(row, RejectedRow)
    assert [(one.rule, one.severity) for one in row.problems] == [
        ("unknown_unit", "block"), ("zeros_restored", "warn"), ("tag_not_in_registry", "block"),
    ]  # fmt: skip


def test_an_unclear_cell_is_the_rows_one_problem() -> None:
    rows = [{**GOOD_ROWS["inventory.stock"], "quantity_on_hand": cell} for cell in ("5 g", "Half")]
    for row in rows:
        del row["unit"]
    good, bad = judged("inventory.stock", *rows)

    assert isinstance(good, AcceptedRow)
    assert (good.values["quantity_on_hand"], good.values["unit"]) == ("5", "g")
    assert isinstance(bad, RejectedRow)
    (found,) = bad.problems
    assert (found.rule, found.column, found.value) == ("bad_quantity", "quantity_on_hand", "Half")


@pytest.mark.parametrize(
    ("cell", "posted"),
    [
        ("500g", ("500", "g")),
        ("25 g", ("25", "g")),
        ("2.5kg", ("2.5", "kg")),
        ("0.32m3", ("0.32", "m3")),
        ("436ft3", ("436", "ft3")),
        ("2*2л", ("4", "L")),
        ("2*500мл", ("1000", "mL")),
        ("1000ml (4 bottles)", ("1000", "mL")),
        ("6L (3 containers)", ("6", "L")),
        ("75ml total", ("75", "mL")),
        ("33 tablets", ("33", "tablet")),
        ("Half", "bad_quantity"),
        ("tons", "bad_quantity"),
        ("(6%", "bad_quantity"),
        ("-", (None, None)),
        ("2-Jan bags", "damaged_by_excel"),
    ],
)
def test_quantities_that_labs_have_sent_post_or_come_back_with_one_reason(
    cell: str, posted: tuple[str | None, str | None] | str
) -> None:
    good = {column: value for column, value in GOOD_ROWS["inventory.stock"].items() if column != "unit"}
    _, row = judged("inventory.stock", {**good, "quantity_on_hand": "1 kg"}, {
        **good, "quantity_on_hand": cell, "location": "Room 2",
    })  # fmt: skip

    if isinstance(row, AcceptedRow):
        assert (row.values["quantity_on_hand"], row.values["unit"]) == posted
    else:
        assert [found.rule for found in row.problems] == [posted]


def test_a_tables_rows_can_be_read_again_and_the_senders_are_not_changed() -> None:
    sent = table({"acquired_on": ["13/1/2024", "1/2/2024"], "Shelf": ["A", "B"]})
    before = [(number, list(cells)) for number, cells in sent.rows]
    columns = located_columns(sent.header, RECORD_TYPES["inventory.asset"])
    found = apply(sent, columns, decide(sent, columns, answers={}, units={}))

    assert list(found.rows) == list(found.rows) == [(2, ["2024-01-13", "A"]), (3, ["2024-02-01", "B"])]
    assert list(sent.rows) == before


def test_short_and_long_rows_keep_their_cells_in_place() -> None:
    rows: list[Row] = [(2, ["5 g", "A"]), (3, ["6 mL"]), (4, ["7 L", "C", "surplus"])]
    sent = Table(["quantity_on_hand", "Shelf"], 1, rows, {})
    columns = located_columns(sent.header, RECORD_TYPES["inventory.stock"])
    found = apply(sent, columns, decide(sent, columns, answers={}, units={}))

    assert found.header == ["quantity_on_hand", "Shelf", "unit"]
    assert list(found.rows) == [(2, ["5", "A", "g"]), (3, ["6", None, "mL"]), (4, ["7", "C", "L", "surplus"])]


class _Counted:
    """Rows that count how often they are read."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.times = 0

    def __iter__(self) -> Iterator[Row]:
        self.times += 1
        return iter(self.rows)


def test_a_table_is_read_once_to_decide_and_not_at_all_to_apply_what_was_decided() -> None:
    header = ["acquired_on", "quantity"]
    cells: list[Cell] = ["2024-01-13", "5"]
    rows = _Counted([(2, cells)])
    sent = Table(header, 1, rows, {})
    columns = located_columns(header, RECORD_TYPES["inventory.asset"])
    conventions = decide(sent, columns, answers={}, units={})
    apply(sent, columns, conventions)

    assert rows.times == 1


def test_a_clue_in_the_last_of_many_rows_decides_all() -> None:
    _, cells = read("inventory.asset", {"acquired_on": [*["1/2/2024"] * 12_000, "1/13/2024"]})

    assert set(cells["acquired_on"]) == {"2024-01-02", "2024-01-13"}


@pytest.mark.parametrize("cell", ["1" * 100_000, "1 " * 50_000, "5 g" + "x" * 100_000, "(" * 100_000, "1/" * 50_000])
def test_a_cell_of_any_length_is_passed_over_in_no_time(cell: str) -> None:
    started = time.process_time()
    _, cells = read("hazmat.container", {column: [cell] for column in RECORD_TYPES["hazmat.container"].written})

    assert all(found == [cell] for found in cells.values())
    assert time.process_time() - started < 1


@pytest.mark.parametrize("cell", ["1 " * 149, "1" * 299, "5 " + "g " * 140, "5g " + "(" * 290, "9" * 140 + "*" * 140])
def test_a_cell_that_is_just_short_enough_is_read_in_no_time(cell: str) -> None:
    columns = set(RECORD_TYPES["hazmat.container"].written) - {"unit"}
    started = time.process_time()
    read("hazmat.container", {column: [cell] for column in columns})

    assert time.process_time() - started < 1


def test_conventions_are_kept_as_json_without_floats() -> None:
    found, _ = read(
        "inventory.stock",
        {
            "item_code": ["0001", "0002", "0003"],
            "quantity_on_hand": ["1,5 g", "2 g", "3 mL"],
            "cas_number": ["67641", None, None],
            "expires_on": ["13/1/26", "2026-01-13", 46035],
        },
        units={"quantity_on_hand": "g"},
        time_zone="America/New_York",
    )
    assert (found.dates["expires_on"].order, found.dates["expires_on"].serials) == ("DMY", 1900)
    assert (found.identifiers["item_code"].width, found.cas["cas_number"].bare, found.added) == (4, True, ("unit",))

    document = json.loads(canonical_text(found.document()))
    assert Conventions.from_document(document) == found


def test_conventions_of_other_rules_are_not_applied() -> None:
    document = {**Conventions().document(), "rules": 99}

    with pytest.raises(OtherRules) as refused:
        Conventions.from_document(document)
    assert "version 99" in str(refused.value)


def test_a_question_names_the_sheet_of_a_row_where_a_file_has_several() -> None:
    rows: list[Row] = [(2, ["1/2/2024"]), (PART_ROWS + 5, ["13/1/2024"]), (PART_ROWS + 6, ["1/13/2024"])]
    sent = Table(["acquired_on"], 1, rows, {}, (Part("Lab 1", 1), Part("Lab 2", 1)))
    columns = located_columns(sent.header, RECORD_TYPES["inventory.asset"])

    with pytest.raises(Undecided) as asked:
        decide(sent, columns, answers={}, units={})
    assert '13/1/2024 in row 5 of sheet "Lab 2"' in asked.value.questions[0].text
