"""Rows to fix that come back by themselves: what is left of their file is counted wherever somebody looks."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import openpyxl
import pytest

from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.report.index_page import to_index_html
from hub_pipelines.report.workbook import token
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.returned import FIX_HEADING, ROW_HEADING, TOKEN_SHEET
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    inventory_csv,
    ledger_values,
    make_registry,
    process,
    send,
    send_assets,
    submission,
)

TAGS = ("NC-1", "NC-2", "NC-3", "NC-4", "NC-5")


@pytest.fixture
def file(hub: Hub) -> str:
    """Posted without the last three of its five rows, 4 to 6."""
    make_registry(hub, [*TAGS, "NC-6", "NC-7"])
    request_id = send_assets(hub, "lab.csv", *(asset(tag) for tag in TAGS[:2]), *map(wrong, TAGS[2:]))
    posted(hub, request_id)
    return request_id


def wrong(tag: str) -> dict[str, str]:
    return asset(tag, quantity="lots")


def posted(hub: Hub, request_id: str) -> Posting:
    posting = process(hub, request_id)
    assert isinstance(posting, Posting), submission(hub, request_id).reason
    hub.receipts.write_due()
    return posting


def came_back(hub: Hub, original: str, rows: Sequence[tuple[int | None, dict[str, str]]]) -> str:
    """Some rows of a file, each with its number there, in a workbook with its mark."""
    book = openpyxl.Workbook()
    book.active.append([ROW_HEADING, *rows[0][1]])
    for number, row in rows:
        book.active.append([number, *row.values()])
    sheet = book.create_sheet(TOKEN_SHEET)
    sheet["A1"] = token.issue(hub.keys, token.Token(original, 1, "north", "inventory", part=True))
    buffer = io.BytesIO()
    book.save(buffer)
    request_id = str(send(hub, "lab.csv--abcdefgh.xlsx", buffer.getvalue()).request_id)
    posted(hub, request_id)
    return request_id


def page(hub: Hub, request_id: str) -> str:
    """As the last tick has left it."""
    hub.receipts.write_due()
    return plain(hub.receipts.places.page_of(submission(hub, request_id)).read_text(encoding="utf-8"))


def plain(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def index(hub: Hub) -> str:
    return plain(to_index_html(hub.receipts.index.gather("north")))


def attention(hub: Hub) -> list[str]:
    return [line.source_name for line in hub.receipts.index.gather("north").attention]


def now(hub: Hub, request_id: str) -> str:
    (story,) = explain(hub, request_id).stories
    return story.now


def test_rows_that_a_workbook_of_rows_to_fix_does_not_bring_are_counted_as_not_taken(hub: Hub, file: str) -> None:
    part = came_back(hub, file, [(4, asset("NC-3"))])

    told = page(hub, part)
    assert "All" not in told.partition("Receipt for")[0]
    assert "The only row was taken; 2 rows of lab.csv are still not taken" in told
    assert "none is left" not in told
    assert "The earlier file had 3 problems; this workbook has 0, and 2 rows of lab.csv are still not taken" in told
    told = page(hub, file)
    assert "2 of 5 rows were taken, 3 need your attention; 2 rows are still not taken" in told
    assert "Nothing here" not in told
    assert attention(hub) == ["lab.csv"]
    assert "Correct 2 rows and send them again" in index(hub)
    assert "superseded" not in index(hub)
    assert "3 rows were not taken then, and 2 rows are still not taken; the sender mends" in now(hub, file)
    assert verify_all(hub).ok, verify_all(hub).first_bad
    assert_invariants(hub)


def test_when_several_such_workbooks_have_brought_all_none_is_left(hub: Hub, file: str) -> None:
    first = came_back(hub, file, [(4, asset("NC-3")), (5, wrong("NC-4"))])
    assert "1 of 2 rows was taken, 1 needs your attention; 2 rows of lab.csv are still not taken" in page(hub, first)
    last = came_back(hub, first, [(5, asset("NC-4")), (6, asset("NC-5"))])

    told = page(hub, last)
    assert "none is left" in told
    assert "still not taken" not in told
    assert "still not taken" not in page(hub, first)
    assert "You sent a newer copy" in page(hub, file)
    assert attention(hub) == []
    assert "3 rows were not taken then, and all of them came in since" in now(hub, file)


def test_a_row_that_was_mended_twice_counts_once_and_one_without_its_number_not_at_all(hub: Hub, file: str) -> None:
    came_back(hub, file, [(4, asset("NC-3")), (4, asset("NC-6")), (None, asset("NC-4"))])
    part = came_back(hub, file, [(4, asset("NC-3", quantity="9"))])
    assert "2 rows of lab.csv are still not taken" in page(hub, part)
    assert attention(hub) == ["lab.csv"]


def test_the_whole_file_settles_what_rows_to_fix_have_left(hub: Hub, file: str) -> None:
    part = came_back(hub, file, [(4, asset("NC-3"))])
    posted(hub, str(send(hub, "lab.csv", inventory_csv(map(asset, TAGS))).request_id))
    assert attention(hub) == []
    assert "You sent a newer copy" in page(hub, file)
    assert "Nothing here. You sent a newer copy" in page(hub, part)
    assert "3 rows not taken here are superseded by it" in index(hub)


def test_rows_to_fix_that_come_after_the_whole_file_open_nothing(hub: Hub, file: str) -> None:
    posted(hub, str(send(hub, "lab.csv", inventory_csv(map(asset, TAGS))).request_id))
    came_back(hub, file, [(4, asset("NC-3", quantity="9"))])
    assert attention(hub) == []
    assert "You sent a newer copy" in page(hub, file)


def given_back(hub: Hub, request_id: str) -> Path:
    made = page_of(hub, request_id).with_suffix(".json")
    return made.with_name(json.loads(made.read_text(encoding="utf-8"))["workbook"]["file_name"])


def page_of(hub: Hub, request_id: str) -> Path:
    hub.receipts.write_due()
    return hub.receipts.places.page_of(submission(hub, request_id))


def limited(hub: Hub, **limits: int) -> Hub:
    workbooks = replace(hub.receipts.workbooks, **limits)  # type: ignore[arg-type]  # the tests know the fields
    return replace(hub, receipts=replace(hub.receipts, workbooks=workbooks))


def mended(path: Path, *, without_rows: int = 0) -> bytes:
    book = openpyxl.load_workbook(path)
    sheet = book["Rows to fix"]
    column = next(cell.column for cell in sheet[1] if cell.value == "quantity")
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, column).value = 3
    if without_rows:
        sheet.delete_rows(2, without_rows)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def of_a_large_file(hub: Hub, name: str = "large.csv") -> str:
    make_registry(hub, TAGS)
    request_id = send_assets(hub, name, *(asset(tag) for tag in TAGS[:2]), *map(wrong, TAGS[2:]))
    posted(hub, request_id)
    return request_id


def test_rows_beyond_those_with_notes_come_back_too_and_say_behind_their_data_what_is_wrong(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_pipelines.report.workbook.service._BLOCKS_MARKED", 1)
    hub = limited(hub, most_cells=10)
    request_id = of_a_large_file(hub)
    path = given_back(hub, request_id)
    sheet = openpyxl.load_workbook(path)["Rows to fix"]
    assert [row[0].value for row in sheet.iter_rows(min_row=2)] == [4, 5, 6]
    assert [cell.value for cell in sheet[1]][-1] == FIX_HEADING
    assert [row[-1].value.partition(":")[0] for row in sheet.iter_rows(min_row=2)] == ["quantity"] * 3
    assert sum(cell.comment is not None for row in sheet.iter_rows() for cell in row) == 1
    told = page(hub, request_id)
    assert "holds only the rows that need your attention" in told

    back = str(send(hub, path.name, mended(path)).request_id)
    assert posted(hub, back).posted == 3
    assert "none is left" in page(hub, back)
    assert all("other" not in values for values in ledger_values(hub).values()), "what the hub said is no data"
    assert attention(hub) == []


def test_rows_that_the_workbook_has_no_room_for_are_told_before_and_after(hub: Hub) -> None:
    hub = limited(hub, most_cells=10, most_cells_of_part=24)
    request_id = of_a_large_file(hub)
    path = given_back(hub, request_id)
    book = openpyxl.load_workbook(path)
    held = book["Rows to fix"].max_row - 1
    assert held in (1, 2)
    first = " ".join(str(cell.value) for row in book["Read me first"].iter_rows() for cell in row if cell.value)
    for told in (first, page(hub, request_id)):
        assert f"the first {held} of 3 rows that were not taken" in told
        assert "only the rows that need your attention" not in told

    back = str(send(hub, path.name, mended(path)).request_id)
    posted(hub, back)
    assert "of large.csv are still not taken" in page(hub, back) or "of large.csv is still not taken" in page(hub, back)
    assert attention(hub) == ["large.csv"]


def test_rows_that_were_deleted_from_the_workbook_are_left(hub: Hub) -> None:
    hub = limited(hub, most_cells=10)
    path = given_back(hub, of_a_large_file(hub))
    back = str(send(hub, path.name, mended(path, without_rows=2)).request_id)
    posted(hub, back)
    assert "2 rows of large.csv are still not taken" in page(hub, back)


def test_what_is_wrong_is_said_anew_when_such_a_workbook_is_given_back_again(hub: Hub) -> None:
    hub = limited(hub, most_cells=10)
    path = given_back(hub, of_a_large_file(hub))
    book = openpyxl.load_workbook(path)
    sheet = book["Rows to fix"]
    column = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(2, column["quantity"]).value = 3
    sheet.cell(3, column["quantity"]).value = 4
    sheet.cell(3, column["acquired_on"]).value = "soon"
    sheet.cell(1, column[FIX_HEADING] + 1).value = "My remarks"
    sheet.cell(2, column[FIX_HEADING] + 1).value = "done"
    buffer = io.BytesIO()
    book.save(buffer)
    hub = limited(hub, most_cells=400_000)
    back = str(send(hub, path.name, buffer.getvalue()).request_id)
    posted(hub, back)
    again = openpyxl.load_workbook(given_back(hub, back))["Rows to fix"]
    said = [again.cell(row, column[FIX_HEADING]).value for row in (2, 3, 4)]
    assert said[0] is None
    assert "acquired_on" in said[1]
    assert "quantity" not in said[1]
    assert "quantity" in said[2]
    assert again.cell(2, column[FIX_HEADING] + 1).value == "done"
