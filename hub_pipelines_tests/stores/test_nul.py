"""A workbook may have a NUL in a text, which PostgreSQL keeps in none: what is told of it is kept on both databases."""

import io
import zipfile

import openpyxl
import pytest

from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.model import Posting
from hub_pipelines.ledger.problems import store as ledger_problems
from hub_pipelines.mapping import store as mappings
from hub_pipelines.submission.model import State
from hub_pipelines_tests.support import asset, ledger_values, make_registry, process, send, submission

TAGS = [f"NC-{number}" for number in range(1, 6)]
NUL = "ZNUL"
"""Stands for it until the workbook is written: as Excel writes it (ECMA-376 part 1, 22.9.2.19)."""


def workbook(*rows: dict[str, str]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for cells in (list(rows[0]), *(list(row.values()) for row in rows)):
        book.active.append(cells)
    made, changed = io.BytesIO(), io.BytesIO()
    book.save(made)
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(NUL.encode(), b"_x0000_"))
    return changed.getvalue()


def sent(hub: Hub, *rows: dict[str, str]) -> str:
    make_registry(hub, TAGS)
    request_id = send(hub, "lab.xlsx", workbook(*rows)).request_id
    assert request_id is not None
    return request_id


@pytest.mark.parametrize(
    ("column", "value", "shown"), [("item_name", f"a{NUL}b", "a\ufffdb"), ("hazard_codes", f"H999{NUL}", "H999\ufffd")]
)
def test_a_row_with_one_is_rejected_and_the_others_post(hub: Hub, column: str, value: str, shown: str) -> None:
    request_id = sent(hub, *map(asset, TAGS[1:]), asset(TAGS[0], **{column: value}))
    posting = process(hub, request_id)
    assert isinstance(posting, Posting), submission(hub, request_id)
    assert (posting.posted, posting.rejected) == (4, 1)
    with hub.db.read() as tx:
        (problem,) = ledger_problems.of_row(tx, request_id, 1, 6)
    assert (problem["column_name"], problem["value"]) == (column, shown)
    assert "\0" not in problem["reason"]
    assert verify_all(hub).ok


def test_a_question_that_shows_one_is_asked(hub: Hub) -> None:
    open_days = [asset(tag, acquired_on="01/02/2024") for tag in TAGS]
    request_id = sent(hub, *open_days[:4], {**open_days[4], "acquired_on": f"03/04/2024{NUL}"})
    assert process(hub, request_id) is State.IN_REVIEW
    with hub.db.read() as tx:
        (asked,) = mappings.questions_about(tx, request_id, 1)
    assert "03/04/2024\ufffd" in asked.text
    assert "03/04/2024\ufffd" in str(submission(hub, request_id).reason)


def test_a_heading_with_one_is_kept_without_it(hub: Hub) -> None:
    posting = process(hub, sent(hub, *({**asset(tag), f"Shelf{NUL}": "A"} for tag in TAGS)))
    assert isinstance(posting, Posting)
    assert {str(row["other"]) for row in ledger_values(hub).values()} == {"{'Shelf\ufffd': 'A'}"}
