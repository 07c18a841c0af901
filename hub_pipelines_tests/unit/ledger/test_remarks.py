"""What is to be looked at when a row takes the place of what the ledger held."""

from datetime import date

import pytest

from hub_pipelines.ledger.comparing.lists import list_key
from hub_pipelines.ledger.comparing.model import Earlier
from hub_pipelines.ledger.comparing.remarks import Remarks, comparing_of
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Problem
from hub_pipelines.validate.staging import canonical_json

STOCK = FEEDS["inventory"].record_type("inventory.stock")
ASSET = FEEDS["inventory"].record_type("inventory.asset")
DAY = date(2026, 11, 3)


def line(quantity: str | None = "5", unit: str | None = "g", location: str | None = "101") -> str:
    return canonical_json({"item_name": "Acetone", "location": location, "quantity_on_hand": quantity, "unit": unit})


def remarked(before: str, after: str, *, by: str = "stock.csv") -> list[Problem]:
    remarks = Remarks(comparing_of(STOCK, "stock.csv"))
    return [*remarks.add(2, after, Earlier(before, "x", by, DAY)), *remarks.of_lists()]


# ---- amounts


@pytest.mark.parametrize(
    ("before", "after", "rule", "told"),
    [
        (("500", "mL"), ("500", "L"), "unit_changed", "500 mL (stock.csv, 2026-11-03), and now is 500 L: 1,000 times"),
        (("1", "L"), ("1", "mL"), "unit_changed", "1,000 times less"),
        (("5", "g"), ("5", "mL"), "unit_changed", "the unit is another one"),
        (("5", "box"), ("5", "ea"), "unit_changed", "the unit is another one"),
        (("5", "g"), ("5", None), "unit_changed", "and now is 5 without a unit"),
        (("1", "kg"), ("900", "g"), "unit_changed", "another amount in another unit"),
        (("5", "g"), ("500", "g"), "quantity_jumped", "100 times as much"),
        (("2.5", "L"), ("0.025", "L"), "quantity_jumped", "100 times less"),
    ],
)  # fmt: skip
def test_an_amount_that_jumps_or_changes_its_unit_is_remarked_with_both(
    before: tuple[str, str], after: tuple[str, str | None], rule: str, told: str
) -> None:
    (found,) = remarked(line(*before), line(*after))
    assert (found.rule, found.severity) == (rule, "warn")
    assert told in found.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("1", "L"), ("1000", "mL")),
        (("1", "gal"), ("3.785", "L")),
        (("5", "g"), ("499", "g")),
        (("5", "g"), ("0", "g")),
        (("500", "mL"), ("0", None)),
        (("0", "g"), ("500", "g")),
        ((None, None), ("500", "g")),
        (("5", "g"), (None, None)),
        (("5", None), ("5", "mL")),
        (("5", "g"), ("5", "g")),
    ],
)
def test_an_equal_amount_in_another_unit_and_a_usual_change_are_not_remarked(
    before: tuple[str | None, str | None], after: tuple[str | None, str | None]
) -> None:
    assert remarked(line(*before), line(*after)) == []


# ---- two lists


def test_lines_without_a_place_that_two_lists_share_are_told_even_when_they_say_the_same() -> None:
    (same,) = remarked(line(location=None), line(location=None), by="lab 2.csv")
    assert "neither list says where the items are" in same.reason
    assert same.reason.endswith("All of them say the same in both.")
    (other,) = remarked(line(location=None), line("6", location=None), by="lab 2.csv")
    assert "Row 2 is the same line as what lab 2.csv had set on 2026-11-03" in other.reason
    assert other.reason.endswith("The ledger says now what this file says.")


def test_a_line_with_a_place_that_another_list_had_set_otherwise_is_told_once_for_each_list() -> None:
    remarks = Remarks(comparing_of(STOCK, "stock.csv"))
    for row_no in range(2, 15):
        assert remarks.add(row_no, line("6"), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    assert remarks.add(15, line(), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    (told,) = remarks.of_lists()
    assert told.reason == (
        "13 rows (2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more) replaced what lab 2.csv had set on 2026-11-03."
    )


@pytest.mark.parametrize("name", ["stock_2026-10.csv", "STOCK (1).xlsx", "stock.csv--abcdefgh.xlsx"])
def test_the_same_list_under_its_next_name_is_not_told(name: str) -> None:
    assert remarked(line(location=None), line("6", location=None), by=name) == []


def test_what_this_file_corrects_is_its_own_and_items_with_numbers_are_everybodys() -> None:
    family = Remarks(comparing_of(STOCK, "stock.csv", frozenset({"x"})))
    assert family.add(2, line("6"), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    assets = Remarks(comparing_of(ASSET, "moves.csv"))
    assert assets.add(2, line("6"), Earlier(line(), "x", "lab 2.csv", DAY)) == []
    assert family.of_lists() == assets.of_lists() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("stock_2026-11.xlsx", "Stock 2026-12 (1).csv", True),
        ("20261130 chem.xlsx", "Chem_Nov.xlsx", True),
        ("chem-dec 2026 v2 final.xlsx", "chem.csv", True),
        ("stock_30.11.2026.csv", "stock 31 Dec 2026.csv", True),
        ("Lab 101.xlsx", "Lab 102.xlsx", False),
        ("Lab 11 2026.xlsx", "Lab 12 2026.xlsx", False),
        ("chem.csv", "chemicals.csv", False),
        ("march.csv", "newton.csv", False),
    ],
)
def test_days_and_versions_in_a_files_name_tell_no_other_list_and_any_other_number_does(
    one: str, other: str, same: bool
) -> None:
    assert (list_key(one) == list_key(other)) is same
