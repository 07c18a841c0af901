"""A stock list that comes back with a corrected name or place: the ledger holds the item once, and its history both.

Real files, a real hub, the real writing program; people are played by openpyxl.
"""

from collections.abc import Sequence
from datetime import date

import openpyxl
import pytest

from hub_pipelines.evidence import account_for, conservation
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.items.store import current_rows
from hub_pipelines.publishing import publish, touched
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.staging import staged_path
from hub_pipelines_tests.invariants import assert_invariants

from ..conftest import SmallHub
from .workbooks import bytes_of, drop, receipt, returned, type_over

STOCK = FEEDS["inventory"].record_type("inventory.stock")
LEDGER = "inventory.stock@north"
HEADER = ("Name", "Location", "Quantity", "Unit", "Supplier")
ACETONE = ("Acetone", "Room 101", "5", "L", "Merck")
ETHANOL = ("Ethanol", "Room 101", "2", "L", "VWR")
TOLUENE = ("Toluene", "Room 102", "1", "L", "Merck")
BAD = ("Xylene", "Room 102", "lots", "L", "VWR")
SHEET = "Your table"


def csv(*rows: Sequence[str]) -> bytes:
    return "".join(",".join(row) + "\n" for row in (HEADER, *rows)).encode()


def places(hub: Hub) -> dict[str, object]:
    return {str(one.values["item_name"]): one.values["location"] for one in current_rows(hub.db, LEDGER)}


def keys(hub: Hub) -> list[str]:
    return [one.key for one in current_rows(hub.db, LEDGER)]


def reasons(small_hub: SmallHub, request_id: str) -> list[tuple[int, str]]:
    told = receipt(small_hub.hub, small_hub.submission(request_id))[1]["warnings"]
    assert isinstance(told, list)
    return [(one["row"], one["reason"]) for one in told]


def confirmed(hub: Hub) -> None:
    """Reproduced from the archive, and everything accounted for."""
    for _, campus, day in touched(hub):
        assert reproduce(hub, STOCK, campus, day).differences == ()
    assert all(line["balanced"] for line in conservation(hub))
    assert_invariants(hub)


def published(hub: Hub) -> None:
    for feed, campus, day in touched(hub):
        for outcome in publish(hub, feed, campus, day, actor="tester", from_archive=False):
            assert outcome.state == "published", outcome.blocked
            assert outcome.counts.balanced


def today(hub: Hub) -> date:
    return max(day for _, _, day in touched(hub))


def test_a_corrected_place_closes_the_old_line_and_the_receipt_says_so(small_hub: SmallHub) -> None:
    hub = small_hub.hub
    first = drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD))
    path = returned(small_hub, first)

    second = drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 201", "C5": 3}))

    current = small_hub.submission(second)
    assert (current.counts.posted, current.counts.unchanged, current.counts.rejected) == (2, 2, 0)
    assert places(hub) == {"Acetone": "Room 101", "Ethanol": "Room 201", "Toluene": "Room 102", "Xylene": "Room 102"}
    assert len(keys(hub)) == 4
    assert reasons(small_hub, second) == [
        (
            3,
            "This row was posted before as Ethanol, Room 101. That line is closed now: this row has its place in the "
            "ledger.",
        )
    ]
    assert account_for(hub, second).balanced
    day = today(hub)
    confirmed(hub)
    assert reproduce(hub, STOCK, "north", day).entries == 3 + 2 + 1
    published(hub)
    assert [one.key for one in hub.snapshots.state(STOCK, "north", day)] == keys(hub)


def test_the_history_of_a_closed_line_leads_to_the_one_that_has_its_place(small_hub: SmallHub) -> None:
    path = returned(small_hub, drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD)))
    drop(small_hub, path.name, type_over(path, SHEET, {"A2": "Acetone, dry", "C5": 3}))
    (item,) = explain(small_hub.hub, "name acetone").items
    assert [one.operation for one in item.changes] == ["set", "replaced"]
    assert item.changes[-1].row == 2
    assert item.changes[-1].changed == {"replaced_by": (None, "name acetone, dry|Room 101")}


def test_the_workbook_edited_and_dropped_once_more_leaves_one_line_again(small_hub: SmallHub) -> None:
    """People go on in the workbook that they have; its mark names the first file still."""
    path = returned(small_hub, drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD)))
    drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 201", "C5": 3}))
    drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 301", "C5": 3}))
    assert places(small_hub.hub)["Ethanol"] == "Room 301"
    assert len(keys(small_hub.hub)) == 4
    drop(small_hub, path.name, type_over(path, SHEET, {"C5": 4}))  # and back
    assert places(small_hub.hub)["Ethanol"] == "Room 101"
    assert len(keys(small_hub.hub)) == 4
    confirmed(small_hub.hub)


@pytest.mark.parametrize("unchanged", [False, True], ids=["new", "restated"])
def test_a_line_that_another_list_has_set_too_stays_and_is_told(small_hub: SmallHub, unchanged: bool) -> None:
    if unchanged:
        drop(small_hub, "lab 2.csv", csv(ETHANOL))
    path = returned(small_hub, drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD)))
    if not unchanged:
        drop(small_hub, "lab 2.csv", csv((*ETHANOL[:2], "3", *ETHANOL[3:])))
    second = drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 201", "C5": 3}))
    assert sorted(keys(small_hub.hub))[1:3] == ["name ethanol|Room 101", "name ethanol|Room 201"]
    assert reasons(small_hub, second) == [
        (
            3,
            "This row was posted before as Ethanol, Room 101, and now is Ethanol, Room 201. The old line is still in "
            "the ledger as well, since lab 2.csv has set it too.",
        )
    ]
    confirmed(small_hub.hub)


def test_a_line_that_last_months_list_had_set_is_closed_too(small_hub: SmallHub) -> None:
    drop(small_hub, "stock 2026-10.csv", csv(ETHANOL))
    path = returned(small_hub, drop(small_hub, "stock 2026-11.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD)))
    drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 201", "C5": 3}))
    assert places(small_hub.hub)["Ethanol"] == "Room 201"
    assert len(keys(small_hub.hub)) == 4
    confirmed(small_hub.hub)


def test_rows_that_were_deleted_stay_in_the_ledger_and_are_told(small_hub: SmallHub) -> None:
    path = returned(small_hub, drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD)))
    book = openpyxl.load_workbook(path)
    book[SHEET].delete_rows(3)
    book[SHEET]["C4"] = 3
    second = drop(small_hub, path.name, bytes_of(book))
    assert len(keys(small_hub.hub)) == 4
    ((row, reason),) = reasons(small_hub, second)
    assert (row, reason) == (
        0,
        "1 line of the file that this one corrects (stock.csv) is not listed any more: Ethanol, Room 101. In the "
        "ledger it is still there.",
    )
    confirmed(small_hub.hub)


def test_what_can_not_be_compared_any_more_is_told_and_nothing_is_closed(small_hub: SmallHub) -> None:
    first = drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD))
    path = returned(small_hub, first)
    staged = small_hub.submission(first).staged
    assert staged is not None
    staged_path(small_hub.hub.settings.staged, staged).unlink()
    second = drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 201", "C5": 3}))
    assert len(keys(small_hub.hub)) == 5
    (row, reason), (moved, at) = reasons(small_hub, second)
    assert row == 0
    assert reason.startswith("The rows of stock.csv, which this file corrects, can't be compared with its own")
    assert moved == 3
    assert at.startswith("The same thing is also listed at Room 101 (stock.csv")
    confirmed(small_hub.hub)


def test_a_line_that_comes_again_after_it_was_closed_is_in_the_ledger_again(small_hub: SmallHub) -> None:
    path = returned(small_hub, drop(small_hub, "stock.csv", csv(ACETONE, ETHANOL, TOLUENE, BAD)))
    drop(small_hub, path.name, type_over(path, SHEET, {"B3": "Room 201", "C5": 3}))
    drop(small_hub, "more.csv", csv(ETHANOL))
    assert "name ethanol|Room 101" in keys(small_hub.hub)
    confirmed(small_hub.hub)
