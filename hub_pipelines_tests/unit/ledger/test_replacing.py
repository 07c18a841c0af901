"""Which row of a corrected file was which line before, and which lines are only gone."""

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.ledger.comparing.replacing import (
    replaced_in_part,
    replaced_lines,
    rows_by_number,
    under_own_keys,
)
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import PART_ROWS
from hub_pipelines.validate.staging import StagedRow

STOCK = FEEDS["inventory"].record_type("inventory.stock")
Row = tuple[str, str] | None
"""Name and place; None: a row that is not taken."""

LIST: list[Row] = [("Acetone", "101"), ("Ethanol", "101"), ("Toluene", "102"), ("Xylene", "102")]


def staged(*rows: Row, part: int = 0) -> list[StagedRow]:
    """From row 2 on, each with a quantity and a supplier of its own."""
    found: list[StagedRow] = []
    numbers: dict[str, int] = {}
    for at, row in enumerate(rows, start=part * PART_ROWS + 2):
        if row is None:
            found.append(StagedRow(at, "rejected", None, None, []))
            continue
        values = {"item_name": row[0], "location": row[1], "quantity_on_hand": "5", "supplier": f"of {row[0][:3]}"}
        base = STOCK.key_of(values)
        numbers[base] = numbers.get(base, 0) + 1
        found.append(StagedRow(at, "accepted", STOCK.key_of(values, numbers[base]), canonical_text(values), []))
    return found


def told(before: list[Row], after: list[Row]) -> tuple[list[tuple[int, str, str]], list[str]]:
    """(row, old key, new key) of what was replaced; what is listed no more."""
    replaced, left = replaced_lines(staged(*before), staged(*after), STOCK)
    return [(one.row_no, one.old, one.new) for one in replaced], list(left)


def test_a_row_whose_place_was_corrected_replaces_the_line_that_it_was() -> None:
    after = [LIST[0], ("Ethanol", "201"), *LIST[2:]]
    assert told(LIST, after) == ([(3, "name ethanol|101", "name ethanol|201")], [])


def test_a_row_whose_name_was_corrected_does_too() -> None:
    after = [*LIST[:3], ("Xylene, mixed", "102")]
    assert told(LIST, after) == ([(5, "name xylene|102", "name xylene, mixed|102")], [])


def test_a_file_in_which_no_line_is_gone_replaces_nothing() -> None:
    assert told(LIST, [*LIST, ("Ethanol", "201")]) == ([], [])


def test_rows_above_may_have_been_inserted_or_deleted() -> None:
    after = [("Hexane", "101"), LIST[0], ("Ethanol", "201"), *LIST[2:]]
    assert told(LIST, after) == ([(4, "name ethanol|101", "name ethanol|201")], [])
    after = [LIST[1], LIST[2], ("Xylene", "201")]
    assert told(LIST, after) == ([(4, "name xylene|102", "name xylene|201")], ["Acetone, 101"])
    after = [LIST[1], ("Toluene", "201"), LIST[3]]
    assert told(LIST, after) == ([(3, "name toluene|102", "name toluene|201")], ["Acetone, 101"])


def test_where_rows_were_added_beside_a_corrected_one_nobody_can_tell() -> None:
    after = [*LIST[:3], ("Xylene", "201"), ("Hexane", "201")]
    assert told(LIST, after) == ([], ["Xylene, 102"])


def test_a_deleted_row_is_not_replaced_by_the_one_that_moved_up() -> None:
    after = [LIST[0], ("Toluene", "201"), LIST[3]]
    assert told(LIST, after) == ([], ["Ethanol, 101", "Toluene, 102"])


def test_another_item_typed_over_a_row_replaces_nothing() -> None:
    after = [LIST[0], ("Gloves", "Stores"), *LIST[2:]]
    before, now = staged(*LIST), staged(*after)
    values = '{"item_name":"Gloves","location":"Stores","quantity_on_hand":"80","supplier":"another"}'
    now[1] = StagedRow(3, "accepted", "name gloves|Stores", values, [])
    assert replaced_lines(before, now, STOCK) == ((), ("Ethanol, 101",))


def test_the_last_of_the_lines_that_are_alike_is_the_one_that_is_replaced() -> None:
    before: list[Row] = [("Acetone", "101"), ("Acetone", "101"), ("Acetone", "101"), ("Xylene", "102")]
    after = [before[0], ("Acetone", "201"), before[2], before[3]]
    assert told(before, after) == ([(3, "name acetone| no 3|101", "name acetone|201")], [])


def test_all_places_may_change_at_once() -> None:
    after: list[Row] = [(name, "Bldg 9") for name, _ in LIST if _]  # type: ignore[misc]
    replaced, left = told(LIST, after)
    assert [one[0] for one in replaced] == [2, 3, 4, 5]
    assert left == []


def test_a_row_that_is_not_taken_any_more_is_neither_replaced_nor_gone() -> None:
    assert told(LIST, [LIST[0], None, *LIST[2:]]) == ([], [])


def test_a_row_that_was_not_taken_before_was_no_line() -> None:
    assert told([LIST[0], None, LIST[2]], [LIST[0], LIST[1], LIST[2]]) == ([], [])


def test_a_sorted_file_replaces_nothing() -> None:
    assert told(LIST, [LIST[3], ("Ethanol", "201"), LIST[0], LIST[2]]) == ([], ["Ethanol, 101"])


def test_each_sheet_has_rows_of_its_own() -> None:
    before = [*staged(*LIST[:2]), *staged(*LIST[2:], part=1)]
    after = [*staged(*LIST[:2]), *staged(LIST[2], ("Xylene", "201"), part=1)]
    (one,), left = replaced_lines(before, after, STOCK)
    assert (one.row_no, one.old, left) == (PART_ROWS + 3, "name xylene|102", ())


# ---- only some rows, each with the number that it had


def told_of_part(before: list[Row], after: dict[int, Row]) -> list[tuple[str, str]]:
    """(old key, new key) of what was replaced, where the rows had these numbers."""
    numbers = dict(enumerate(after, start=2))
    found = replaced_in_part(staged(*before), staged(*after.values()), numbers, STOCK)
    return [(one.old, one.new) for one in found]


def test_a_row_that_tells_its_number_replaces_the_line_that_it_was() -> None:
    assert told_of_part(LIST, {4: ("Toluene", "201")}) == [("name toluene|102", "name toluene|201")]
    assert told_of_part(LIST, {3: LIST[1], 9: ("Xylene", "201")}) == [], "no such row"
    assert told_of_part([LIST[0], None], {3: ("Ethanol", "201")}) == [], "it was not taken"


def test_a_number_that_rows_of_two_sheets_have_tells_nothing() -> None:
    before = [*staged(("Acetone", "101")), *staged(("Ethanol", "101"), part=1)]
    assert replaced_in_part(before, staged(("Ethanol", "201")), {2: 2}, STOCK) == ()


def test_a_row_to_be_fixed_that_is_still_its_line_has_the_key_of_that() -> None:
    was = staged(("Acetone", "101"), ("Acetone", "101"), ("Ethanol", "101"))
    now = staged(("Acetone", "101"), ("Ethanol", "201"), ("Xylene", "102"))
    found = under_own_keys(now, rows_by_number(was), {2: 3, 3: 4}, STOCK)
    assert [one.key for one in found] == [was[1].key, "name ethanol|201", "name xylene|102"]
