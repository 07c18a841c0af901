"""Which column named the rows in a source's earlier files, found again by its heading."""

from datetime import UTC, datetime, timedelta

import pytest

from hub_pipelines.drift.comparing import shape_of
from hub_pipelines.drift.model import KnownShape, Source
from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.earlier import named_before, taken_back
from hub_pipelines.mapping.model import Asked, Confirmed
from hub_pipelines.mapping.remembered import Remembered
from hub_pipelines_tests.unit.mapping.deciding import INVENTORY, NOBODY, of, rows

SOURCE = Source("north", "inventory", "stock.csv")
STOCK = INVENTORY.record_type("inventory.stock")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def known(sent: str, read: str, at: datetime = NOON) -> KnownShape:
    """A header that has posted, as it was sent and as its headings were recognised."""
    shape = shape_of(read.split("|"), STOCK, sent.split("|"))
    return KnownShape(SOURCE, shape, at, "request", at, "hub/posted", at, None)


def found(header: str, *before: KnownShape, history: tuple[Remembered, ...] = ()) -> dict[str, int]:
    return named_before(header.split("|"), INVENTORY, before, taken_back(history))["inventory.stock"]


def remembered(version: int, at: datetime, **headings: str) -> Remembered:
    return Remembered(SOURCE, version, Confirmed(headings), changed_at=at)


def test_a_column_is_found_again_wherever_it_stands_and_however_its_heading_is_written() -> None:
    before = known("Name|Text|Room|Amount|Unit", "item_name|Text|location|quantity_on_hand|unit")
    assert found("Unit|ROOM |Text|name*|Amount", before) == {"item_name": 3, "location": 1}


def test_amounts_and_units_are_weighed_anew_in_each_file() -> None:
    before = known("Name|Amount|Unit", "item_name|quantity_on_hand|unit")
    assert found("Name|Amount|Unit", before) == {"item_name": 0}


def test_a_heading_means_what_it_meant_in_the_last_file_that_had_it() -> None:
    text, name = known("Name|Text", "Name|item_name"), known("Name|Text|Lot", "item_name|Text|lot_number")
    assert found("Name|Text|Colour", text, name) == {"item_name": 1}
    assert found("Name|Lot|Colour", text, name) == {"lot_number": 1}, "Name is no name since"


def test_a_file_of_the_very_same_headings_goes_before_one_that_posted_later() -> None:
    text, name = known("Text|Room", "item_name|location"), known("Name|Text|Room", "item_name|Text|location")
    assert found("Text|Name|Room", text, name) == {"item_name": 1, "location": 2}


@pytest.mark.parametrize(
    ("sent", "now"),
    [("Name|Name|Room", "Name|Room|x"), ("Name|Text|Room", "Name|Name|Room")],
    ids=["it was there twice", "it is there twice"],
)
def test_of_two_columns_under_one_heading_neither_is_known(sent: str, now: str) -> None:
    before = known(sent, "item_name|Text|location")
    assert found(now, before) == {"location": now.split("|").index("Room")}


def test_a_column_without_a_heading_is_known_by_its_place_only_where_nothing_has_moved() -> None:
    before = known("|Room|Amount", "item_name|location|quantity_on_hand")
    assert found("|Room|Amount", before) == {"item_name": 0, "location": 1}
    assert found("|Room|Amount|Colour", before) == {"location": 1}


def test_what_people_took_back_is_no_longer_known_until_a_file_has_posted_so_again() -> None:
    before = known("Name|Text", "Name|item_name")
    history = (remembered(2, NOON + HOUR), remembered(1, NOON - HOUR, text="item_name"))
    assert found("Name|Text", before, history=history) == {}
    again = known("Name|Text", "Name|item_name", NOON + 2 * HOUR)
    assert found("Name|Text", again, history=history) == {"item_name": 1}
    assert found("Name|Text", before, history=history[1:]) == {"item_name": 1}


def test_where_a_numbers_column_is_empty_now_another_one_is_asked_about_though_no_list_must_have_it() -> None:
    header = ["Cat No", "Article number", "Name", "Room", "Amount", "Unit"]
    lines = rows("|X-12|Tris|B1|3|bottle", "|X-13|Urea|B1|3|bottle", "|X-21|Agar|B1|4|bottle")
    assert of(decide(header, lines, INVENTORY, NOBODY), "item_code").position == 1
    with pytest.raises(Asked) as raised:
        decide(header, lines, INVENTORY, NOBODY, before={"inventory.stock": {"item_code": 0}})
    (question,) = raised.value.questions
    assert (question.column, question.heading) == ("item_code", "Article number")
    assert question.evidence[-1] == "earlier files of this list had it in column A"
