"""A workbook's rows are kept as columns, and nothing of what is read tells it."""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.parsing import packed, wire
from hub_pipelines.validate.parsing.blocks import Singly
from hub_pipelines.validate.parsing.child import Child
from hub_pipelines.validate.parsing.columns import cells_of, column_of
from hub_pipelines.validate.parsing.grid import NumberedRow, SheetFacts
from hub_pipelines.validate.parsing.joining import join
from hub_pipelines.validate.parsing.layout.rules import RULES
from hub_pipelines.validate.parsing.packed import Packed, in_blocks
from hub_pipelines.validate.reading import process

HEADINGS = ["asset_tag", "item_name", "quantity", "unit", "acquired_on"]
DAY, MOMENT = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 13, 5)


@contextmanager
def packed_by(cells_at_once: int) -> Iterator[None]:
    """Few rows are looked at one by one, and few are packed at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_BEGINNING", 3)
        patch.setattr(packed, "_CELLS_AT_ONCE", cells_at_once)
        patch.setattr(packed, "_MOST_TEXT", 400)
        yield


class Sheet:
    """Rows as a workbook's reader gives them."""

    name, first_column, spans, loose = "S", 0, (), False

    def __init__(self, rows: Sequence[list[object]], are_packed: bool) -> None:
        self._rows, self._are_packed, self.facts = rows, are_packed, SheetFacts()

    def rows(self) -> Iterator[NumberedRow]:
        return enumerate((list(cells) for cells in self._rows), start=1)

    def blocks(self) -> Iterator[Packed | Singly]:
        return in_blocks(self.rows(), len(self._rows[0])) if self._are_packed else iter([Singly(self.rows())])


def read(rows: Sequence[list[object]], are_packed: bool, rules: int = RULES) -> dict[str, Any]:
    """What the hub gets of a sheet with these rows."""
    joined = join(
        [Sheet(rows, are_packed)],
        lambda texts: [one.lower() if one.lower() in HEADINGS else None for one in texts],
        rules,
    )
    messages = Child._batches(_Unspoken(), joined)  # type: ignore[arg-type]  # all that it needs of a child
    unpack = wire.Unpacker()
    batches = [process.batch_of(unpack(wire.pack(one)[wire.HEAD :])) for one in messages]
    return {"header": joined.header, "left out": joined.left_out, "facts": joined.facts, "columns": joined.columns(),
            "rows": [row for batch in batches for row in batch.rows()]}  # fmt: skip


class _Unspoken:
    _batch = 7


CELLS = st.sampled_from(
    ["", " ", "x", 1.5, 3, True, DAY, MOMENT, datetime.timedelta(hours=2), "é\0", "two words", "Total"]
)
FIRSTS = st.sampled_from(
    ["NC-1", "NC-2", "Toluene", "to", "Total", "sum", " Total", "Asset_tag", "as", "é", 7.0, DAY, "", " "]
)
ITEM = st.builds(lambda first, name, more: [first, name, *more], FIRSTS, CELLS, st.lists(CELLS, min_size=3, max_size=3))
USUAL = st.just(["NC-1", "Beaker", 2.0, "L", DAY])
ODD = st.sampled_from(
    [["", "", "", "", ""], ["Total", "", 4.0, "", ""], HEADINGS, ["Room 4", "", "", "", ""], ["Page 1 of 2", *[""] * 4],
     ["Sum", "x", 9.0, "L", DAY], ["ASSET_TAG", "item_name", "Quantity", "unit", "acquired_on"],
     ["x" * 500, "y", 1.0, "L", ""]]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(
        st.one_of(st.lists(USUAL, min_size=1, max_size=50), st.lists(ITEM, max_size=20), ODD.map(lambda row: [row])),
        max_size=6,
    ),
    at_once=st.sampled_from([5, 20, 60, 10_000]),
    rules=st.sampled_from([1, 4, RULES]),
)
def test_tables_and_their_rows_are_those_that_are_found_one_by_one(
    parts: list[list[list[object]]], at_once: int, rules: int
) -> None:
    items = [["NC-0", "Flask", 1.0, "mL", DAY]] * 41
    rows = [list[object](HEADINGS), *items, *(row for part in parts for row in part)]
    with packed_by(at_once):
        assert read(rows, True, rules) == read(rows, False, rules)


def test_most_rows_of_a_usual_sheet_are_packed() -> None:
    rows = [list[object](HEADINGS), *([f"NC-{number}", "Flask", 1.0, "", DAY] for number in range(9_999))]
    blocks = list(in_blocks(iter(enumerate(rows, start=1)), 5))
    assert sum(len(one) for one in blocks if isinstance(one, Packed)) > 9_900
    assert [row for block in blocks for row in block.rows()] == list(enumerate(rows, start=1))


@given(st.lists(st.one_of(CELLS, st.text(st.characters(exclude_categories=["Cs"]))), min_size=1))
def test_a_column_has_a_form_from_which_its_cells_are_made_again(cells: list[object]) -> None:
    again = cells_of(column_of(cells))
    assert again == cells
    assert list(map(type, again)) == list(map(type, cells))


def test_rows_with_very_much_text_are_not_packed() -> None:
    """A thousand of them at once might be more than a message may hold."""
    rows = [["NC-1", "x" * 30_000, 1.0]] * 400
    assert not any(isinstance(one, Packed) for one in in_blocks(iter(enumerate(rows, start=1)), 3))
