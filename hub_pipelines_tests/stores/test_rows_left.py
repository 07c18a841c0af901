"""Rows to fix that come back by themselves: what is left of their file is counted wherever somebody looks."""

import io
import re
from collections.abc import Sequence
from html import unescape

import openpyxl
import pytest

from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.report.index_page import to_index_html
from hub_pipelines.report.workbook import token
from hub_pipelines.timeline.service import explain
from hub_pipelines.validate.returned import ROW_HEADING, TOKEN_SHEET
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    inventory_csv,
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
