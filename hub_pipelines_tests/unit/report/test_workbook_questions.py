"""Questions that are asked and answered in a returned workbook."""

from urllib.parse import quote

import openpyxl
import pytest

from hub_pipelines.ledger.items.store import current_rows
from hub_pipelines.processing import AttemptFailed
from hub_pipelines.report.workbook.marking import BLUE
from hub_pipelines.submission.model import Lease, State
from hub_pipelines_tests.support import due_now, make_retry_due

from ..conftest import SmallHub, inventory
from .workbooks import (
    AMBIGUOUS,
    answered,
    bytes_of,
    coloured,
    drop,
    events,
    offered,
    posted_tags,
    receipt,
    returned,
    texts,
    type_over,
)


@pytest.mark.parametrize("name", ["lab.csv", None, "renamed.xlsx"])
def test_a_question_is_answered_in_the_workbook_and_the_file_posts(small_hub: SmallHub, name: str | None) -> None:
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", AMBIGUOUS)
    assert small_hub.submission(first).state is State.IN_REVIEW
    (item,) = small_hub.hub.review.listing()
    path = returned(small_hub, first)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Read me first", "Questions", "Your table", "_hub"]
    assert "acquired_on" in str(book["Questions"]["B2"].value)
    assert "answer" in texts(book["Read me first"]).lower()
    choice = next(one for one in offered(path) if "day" in one.lower())

    second = drop(small_hub, path.name if name in (None, "lab.csv") else name, answered(path, choice))

    current = small_hub.submission(second)
    assert (current.state, current.counts.posted, current.revises) == (State.POSTED, 1, first)
    assert "The earlier file had" not in receipt(small_hub.hub, current)[0], "its rows were never judged"
    assert small_hub.submission(first).state is State.DISMISSED
    assert small_hub.hub.review.listing() == []
    assert small_hub.hub.review.show(item.item_id)[0].replaced_by == second
    page, told = receipt(small_hub.hub, small_hub.submission(first))
    assert told["headline"] == "You sent a newer copy; go on there"
    assert "show this page" not in page
    assert told["newer"]["page"] == quote(small_hub.hub.receipts.places.page_of(current).name)  # type: ignore[index]
    # the same list is not asked about again
    third = drop(small_hub, "lab.csv", AMBIGUOUS.replace(b"9.50", b"9.60"))
    assert small_hub.submission(third).state is State.POSTED


def test_an_answer_that_is_none_of_the_choices_is_told_and_asked_again(small_hub: SmallHub) -> None:
    small_hub.register("NC-1")
    first = drop(small_hub, "lab.csv", AMBIGUOUS)
    path = returned(small_hub, first)
    second = drop(small_hub, path.name, answered(path, "whatever"))
    current = small_hub.submission(second)
    assert (current.state, str(current.cause), current.revises) == (State.IN_REVIEW, "question", first)
    page, _ = receipt(small_hub.hub, current)
    assert "What we need to know Please answer again: 'whatever' is not one of the answers" in page
    assert "Worth a look" not in page
    again = openpyxl.load_workbook(returned(small_hub, second))
    assert again.sheetnames == ["Read me first", "Questions", "Your table", "_hub"]
    assert again["Questions"]["D2"].value is None


def test_the_workbook_of_a_count_that_comes_back_as_an_update_says_so_and_may_still_be_counted(
    small_hub: SmallHub,
) -> None:
    small_hub.register("NC-1", "NC-2", "NC-3")
    drop(small_hub, "lab.csv", inventory("NC-1", "NC-2", "NC-3"))
    counts = small_hub.folder("north", "inventory") / "complete-count"
    (counts / "count.csv").write_bytes(inventory("NC-1", "NC-8"))
    (arrival,) = small_hub.take().arrivals
    small_hub.work()
    first = str(arrival.request_id)
    path = returned(small_hub, first)
    mended = type_over(path, "Your table", {"A3": "NC-2"})

    second = drop(small_hub, "mended.xlsx", mended)

    current = small_hub.submission(second)
    assert (current.state, current.revises, current.envelope.complete_count) == (State.POSTED, first, False)
    page, _ = receipt(small_hub.hub, current)
    assert "Its rows were taken as an update. Nothing was counted by this file." in page
    assert "drop the same workbook into the folder inventory/complete-count" in page
    # the count is not settled by an update: what is still missing stays on its receipt
    page, told = receipt(small_hub.hub, small_hub.submission(first))
    assert told["count"]["still_missing"] == 1  # type: ignore[index]
    assert "Look for the items that were not found" in page

    (counts / "mended.xlsx").write_bytes(mended)
    (arrival,) = small_hub.take().arrivals
    small_hub.work()
    current = small_hub.submission(arrival.request_id)
    assert (current.state, current.envelope.complete_count) == (State.POSTED, True)
    assert "taken as an update" not in receipt(small_hub.hub, current)[0]
    assert "Nothing here. You sent a newer copy" in receipt(small_hub.hub, small_hub.submission(first))[0]


def test_a_workbook_under_another_name_waits_while_its_original_is_worked_on_again(small_hub: SmallHub) -> None:
    small_hub.register("NC-1", "NC-2")
    first = drop(small_hub, "lab.csv", inventory("NC-1", "NC-9"))
    path = returned(small_hub, first)
    (small_hub.inbox / "mended.xlsx").write_bytes(type_over(path, "Your table", {"A3": "NC-2", "D2": 7}))
    (arrival,) = small_hub.take().arrivals
    second = str(arrival.request_id)
    small_hub.hub.review.apply_again(first, actor="person/kim")

    lease = small_hub.hub.processing.begin(second, "run-of-test")
    assert isinstance(lease, Lease)
    with pytest.raises(AttemptFailed, match="is worked on again"), small_hub.hub.processing.attempt(lease):
        small_hub.hub.processing.validate(lease)

    current = small_hub.submission(second)
    assert (current.state, current.revises) == (State.RETRYING, first)
    assert [one.request_id for one in due_now(small_hub.hub)] == [first]
    small_hub.work()
    make_retry_due(small_hub.hub, second)
    small_hub.work()
    assert [small_hub.submission(one).state for one in (first, second)] == [State.POSTED] * 2
    assert posted_tags(small_hub) == ["NC-1", "NC-2"]
    quantities = {one.key: one.values["quantity"] for one in current_rows(small_hub.hub.db, "inventory.asset@north")}
    assert quantities["NC-1"] == "7", "what the workbook says was posted last"
    assert events(small_hub, second).count("submission:revises") == 1


def test_what_was_changed_is_told_by_the_senders_own_headings(small_hub: SmallHub) -> None:
    """Headings of another language are no columns that came and went."""
    text = "Наименование,Количество,Место хранения\nАцетон,2,Шкаф 1\nЭтанол,много,Шкаф 2\nАгар,3,Шкаф 1\n"
    first = drop(small_hub, "реактивы.csv", text.encode())
    path = returned(small_hub, first)
    book = openpyxl.load_workbook(path)
    book["Your table"]["B3"] = 5
    book["Your table"].move_range("A4:C4", rows=1)
    second = drop(small_hub, path.name, bytes_of(book))
    _, told = receipt(small_hub.hub, small_hub.submission(second))
    correction = told["correction"]
    assert isinstance(correction, dict)
    assert correction["summary"] == "1 row changed."
    assert [(one["row"], one["column"], one["new"]) for one in correction["cells"]] == [(3, "Количество", "5")]


def test_a_question_is_answered_in_a_workbook_with_groups_merged_above_headings_of_another_language(
    small_hub: SmallHub,
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Vorrat"
    sheet["A1"], sheet["E1"] = "Stoff", "Packung"
    sheet.merge_cells("A1:B1")
    sheet.merge_cells("E1:F1")
    sheet.append(["Bezeichnung", "Hersteller", "Lagerort", "Menge [g]", "Charge", "Verfallsdatum"])
    for name, day in (("Aceton", "31.12.2026"), ("Toluol", "12/31/2026"), ("Hexan", "15.03.2027"), ("Xylol", "n/a")):
        sheet.append([name, "Merck", "Schrank A1", 500, f"K{len(name)}", day])
    first = drop(small_hub, "Vorrat.xlsx", bytes_of(book))
    assert small_hub.submission(first).state is State.IN_REVIEW

    path = returned(small_hub, first)
    assert coloured(openpyxl.load_workbook(path)["Vorrat"], BLUE) == ["F2"]
    second = drop(small_hub, "Vorrat beantwortet.xlsx", type_over(path, "Questions", {"D2": "day/month/year"}))

    current = small_hub.submission(second)
    assert (current.state, current.revises) == (State.POSTED, first)
    assert small_hub.submission(first).state is State.DISMISSED
