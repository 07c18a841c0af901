"""What counts as another shape, and in which words it is told."""

import time

import pytest

from hub_pipelines.drift.comparing import compare, fix_of, missing_columns, reason_of, shape_of, side_by_side
from hub_pipelines.drift.model import Change, Gained, HeaderShape, Kind, Lost
from hub_pipelines.validate.feeds import FEEDS

STOCK = FEEDS["inventory"].record_type("inventory.stock")
ASSET = FEEDS["inventory"].record_type("inventory.asset")
HEADER = ("Item Code", "Name", "Room", "Quantity", "Unit", "Shelf note")


def stock(*header: str) -> HeaderShape:
    return shape_of(header, STOCK)


def change(now: tuple[str, ...], before: tuple[str, ...] = HEADER) -> Change:
    return compare(stock(*before), stock(*now), STOCK)


# ---- the fingerprint


@pytest.mark.parametrize(
    "header",
    [
        ("Unit", "Shelf note", "Item Code", "Quantity", "Room", "Name"),
        ("ITEM_CODE *", "name", "room", "quantity", "unit", "shelf-note"),
        ("SKU", "Product name", "Storage location", "Qty on hand", "UoM", "Shelf note"),
        (*HEADER, "", ""),
        ("", *HEADER),
    ],
    ids=["moved", "another case", "other known spellings", "blank ones behind", "a blank one in front"],
)
def test_a_header_that_means_the_same_has_the_same_fingerprint(header: tuple[str, ...]) -> None:
    assert stock(*header).fingerprint == stock(*HEADER).fingerprint
    assert change(header).kind is Kind.SAME


@pytest.mark.parametrize(
    "header",
    [(*HEADER, "Lot"), (*HEADER, "Door"), HEADER[:-1], (*HEADER[:-1], "Shelf notes")],
    ids=["a known column more", "an unknown one more", "an unknown one less", "an unknown one of another name"],
)
def test_a_header_that_means_something_else_has_another_fingerprint(header: tuple[str, ...]) -> None:
    assert stock(*header).fingerprint != stock(*HEADER).fingerprint


def test_equal_columns_of_another_record_type_are_another_shape() -> None:
    header = ("Room", "Quantity", "Unit")
    assert shape_of(header, ASSET).fingerprint != shape_of(header, STOCK).fingerprint


# ---- what changed


def test_more_columns_are_an_extension_and_tell_which_the_contract_knows() -> None:
    found = change((*HEADER, "Lot", "Door"))
    assert found == Change(gained=(Gained("Lot", "lot_number"), Gained("Door", None)))
    assert found.kind is Kind.EXTENDED


def test_an_unknown_heading_that_goes_away_holds_nothing_up() -> None:
    found = change(HEADER[:-1])
    assert found == Change(gone=("Shelf note",))
    assert found.kind is Kind.REDUCED


def test_an_optional_column_of_the_contract_that_goes_away_is_drift() -> None:
    found = change(HEADER, before=(*HEADER, "Lot"))
    assert found == Change(lost=(Lost("lot_number", "Lot", None),))
    assert found.kind is Kind.DRIFTED


def test_a_renamed_column_is_recognised_by_its_place_and_its_name() -> None:
    before = ("asset_tag", "item_name", "acquired_on", "unit_cost")
    now = ("asset_tag", "item_name", "Date of purchase 2", "unit_cost", "Door")
    found = compare(shape_of(before, ASSET), shape_of(now, ASSET), ASSET)
    assert found.lost == (Lost("acquired_on", "acquired_on", "Date of purchase 2"),)
    assert found.gained == (Gained("Date of purchase 2", None), Gained("Door", None))


def test_each_new_heading_stands_for_one_missing_column_the_likeliest() -> None:
    before = ("Item Code", "Name", "Room", "Reorder level", "Reorder point note")
    now = ("Item Code", "Name", "Room!", "Colour", "Roome")
    lost = compare(stock(*before), stock(*now), STOCK).lost
    assert [(one.column, one.looks_like) for one in lost] == [("location", "Room!"), ("reorder_level", None)]


def test_a_heading_that_is_nothing_like_it_is_not_suggested() -> None:
    found = change(("Item Code", "Name", "Room", "Unit", "Shelf note", "Colour"))
    assert found.lost == (Lost("quantity_on_hand", "Quantity", None),)


def test_a_change_is_the_same_after_it_was_kept_as_a_document() -> None:
    found = change(("Item Code", "Name", "Room", "Quantity 2", "Unit"))
    assert Change.from_document(found.document()) == found  # type: ignore[arg-type]
    assert found.kind is Kind.DRIFTED
    assert (len(found.lost), len(found.gained), len(found.gone)) == (1, 1, 1)


def test_without_an_earlier_file_the_required_columns_are_what_is_missing() -> None:
    calibration = FEEDS["inventory"].record_type("inventory.calibration")
    found = missing_columns(shape_of(("Asset Tag", "Calibratd on", "Colour"), calibration), calibration)
    assert found.lost == (Lost("calibrated_on", None, "Calibratd on"), Lost("result", None, None))


def test_a_heading_that_a_later_contract_understands_is_nothing_new() -> None:
    (first,) = STOCK.former
    header = (*HEADER, "Barcode", "Size")
    before, now = shape_of(header, first), shape_of(header, STOCK)
    assert before.others == ("Shelf note", "Barcode", "Size")
    assert now.others == ("Shelf note",)
    found = compare(before, now, STOCK)
    assert (found, found.kind) == (Change(), Kind.SAME)


# ---- side by side


def test_side_by_side_puts_first_what_is_gone_and_shows_unknown_headings_too() -> None:
    before, now = stock(*HEADER), stock("Item Code", "Name", "Room", "Quantity 2", "Unit", "Lot")
    rows = [
        (one.column, one.before, one.now, one.perhaps) for one in side_by_side(before, now, compare(before, now, STOCK))
    ]
    assert rows == [
        ("quantity_on_hand", "Quantity", None, "Quantity 2"),
        ("item_code", "Item Code", "Item Code", None),
        ("item_name", "Name", "Name", None),
        ("location", "Room", "Room", None),
        ("unit", "Unit", "Unit", None),
        ("lot_number", None, "Lot", None),
        (None, None, "Quantity 2", None),
        (None, "Shelf note", None, None),
    ]


def test_the_reason_names_what_is_missing_by_the_senders_headings() -> None:
    found = change(("Item Code", "Name", "Room", "Quantity 2", "Shelf note", "Door"))
    assert reason_of(found) == (
        "The columns are not those of this list's earlier files: "
        'quantity on hand (so far "Quantity") is missing, perhaps now called "Quantity 2"; '
        'unit (so far "Unit") is missing. Also new: "Door".'
    )
    assert fix_of(found).startswith(
        'If the columns were not changed on purpose, rename "Quantity 2" to "Quantity" and add "Unit", save the file'
    )


def test_a_reason_stays_short_when_many_columns_are_gone() -> None:
    before = tuple(ASSET.columns)
    found = compare(shape_of(before, ASSET), shape_of(("asset_tag", "item_name"), ASSET), ASSET)
    assert len(found.lost) == 14
    assert reason_of(found).endswith("; and 6 more.")


def test_thousands_of_new_columns_are_compared_in_a_moment_and_told_in_short() -> None:
    wide = tuple(f"Reading {number} of the long series" for number in range(16_000))
    before, now = stock(*HEADER), stock(*HEADER[:3], "Q" * 90_000, *wide)
    started = time.thread_time()
    found = compare(before, now, STOCK)
    assert time.thread_time() - started < 5
    assert {one.column for one in found.lost} == {"quantity_on_hand", "unit"}
    assert len(reason_of(found)) < 1_000
    assert len(str(found.summary())) < 100_000
    assert found.summary()["more"] == {"gained": len(found.gained) - 50}
