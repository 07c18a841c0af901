"""Rows to be fixed of an asset list, on both databases: the row that counts for an item is not set aside."""

import io

import openpyxl

from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.rebuilding import reproduce
from hub_pipelines.report.workbook import token
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.returned import ROW_HEADING, TOKEN_SHEET
from hub_pipelines_tests.stores.test_previews import previewed
from hub_pipelines_tests.support import (
    assert_invariants,
    ledger_values,
    make_registry,
    process,
    send,
    submission,
)

ASSET = FEEDS["inventory"].record_type("inventory.asset")
LEDGER = "inventory.asset@north"
HEADER = ("Asset Tag", "Item Name", "Quantity", "Unit")


def book(*rows: tuple[object, ...], mark: str | None = None) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    if mark is not None:
        sheet = made.create_sheet(TOKEN_SHEET)
        sheet["A1"] = mark
        sheet.sheet_state = "veryHidden"
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def rows_to_fix(hub: Hub, original: str, *rows: tuple[object, ...]) -> bytes:
    mark = token.issue(hub.keys, token.Token(original, 1, "north", "inventory", part=True))
    return book((ROW_HEADING, *HEADER), *rows, mark=mark)


def taken(hub: Hub) -> dict[str, object]:
    return {key: one["item_name"] for key, one in ledger_values(hub, LEDGER).items()}


def test_a_repeated_row_that_was_left_as_it_was_does_not_take_the_place_of_the_one_that_counts(hub: Hub) -> None:
    make_registry(hub, ["T-1", "T-2", "T-3"])
    list_ = book(HEADER, ("T-1", "Balance", 1, "ea"), ("T-2", "", 1, "ea"), ("T-1", "Wrong", 99, "box"))
    first = str(send(hub, "assets.xlsx", list_).request_id)
    assert isinstance(process(hub, first), Posting)
    assert taken(hub) == {"T-1": "Balance"}
    rows = ((3, "T-2", "Scale", 1, "ea"), (4, "T-1", "Wrong", 99, "box"), (None, "T-1", "Added", 5, "ea"))
    data = rows_to_fix(hub, first, *rows)
    found = previewed(hub, "part.xlsx", data).found
    assert found is not None
    assert (found.new, found.changed, found.rejected) == (1, 0, 2)

    second = str(send(hub, "part.xlsx", data).request_id)
    posting = process(hub, second)

    assert isinstance(posting, Posting)
    assert (posting.posted, posting.rejected) == (1, 2)
    assert taken(hub) == {"T-1": "Balance", "T-2": "Scale"}
    with hub.db.read() as tx:
        told = ledger_problems.of_posting(tx, second, 1, severity="block", limit=9)
    assert told[0]["reason"] == "Row 2 of assets.xlsx already has this asset tag, and only that row counts."
    settled_at = submission(hub, second).settled_at
    assert settled_at is not None
    again = reproduce(hub, ASSET, "north", hub.campuses["north"].day_of(settled_at))
    assert again.is_equal, again.differences
    assert verify_all(hub).ok
    assert_invariants(hub)


def test_the_row_that_counts_and_a_repeat_under_its_own_tag_are_taken(hub: Hub) -> None:
    make_registry(hub, ["T-1", "T-2", "T-3"])
    list_ = book(HEADER, ("T-1", "Balance", 1, "ea"), ("T-1", "Scale", 9, "ea"))
    first = str(send(hub, "assets.xlsx", list_).request_id)
    process(hub, first)
    data = rows_to_fix(hub, first, (2, "T-1", "Balance 2 kg", 1, "ea"), (3, "T-3", "Scale", 9, "ea"))

    posting = process(hub, str(send(hub, "part.xlsx", data).request_id))

    assert isinstance(posting, Posting)
    assert (posting.posted, posting.rejected) == (2, 0)
    assert taken(hub) == {"T-1": "Balance 2 kg", "T-3": "Scale"}
