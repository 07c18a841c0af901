import pytest

from hub_pipelines.validate.columns import map_columns, normalise_header
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Unreadable

from .builders import GOOD_ROW, INVENTORY


@pytest.mark.parametrize("text", ["Asset_Tag", " asset-tag *", "ASSET\u00a0TAG:", "asset/tag", "Asset. Tag"])
def test_spellings_of_one_header_are_equal(text: str) -> None:
    assert normalise_header(text) == "asset tag"


def test_optional_columns_may_be_absent() -> None:
    assert set(map_columns(list(GOOD_ROW)[:10], INVENTORY).positions) == set(INVENTORY.record_types[0].required)


def test_two_columns_for_one_meaning_are_refused() -> None:
    with pytest.raises(Unreadable) as caught:
        map_columns([*GOOD_ROW, "Qty"], INVENTORY)
    assert 'Two columns both mean "quantity"' in caught.value.reason


def test_missing_columns_are_listed_with_the_nearest_header() -> None:
    header = [name for name in GOOD_ROW if name not in {"quantity", "unit"}]
    with pytest.raises(Unreadable) as caught:
        map_columns([*header, "Quantitty"], INVENTORY)
    assert 'quantity (did you mean the column "Quantitty"?)' in caught.value.reason
    assert "unit" in caught.value.reason
    assert "quantity, unit" in caught.value.fix


def test_unknown_and_nameless_columns_keep_distinct_names() -> None:
    found = map_columns([*GOOD_ROW, "Note", "", "Note"], INVENTORY)
    assert [name for _, name in found.unknown] == ["Note", "Column N", "Note (2)"]


def test_procurement_comes_before_the_feeds_that_are_checked_against_it() -> None:
    assert [feed.name for feed in sorted(FEEDS.values(), key=lambda feed: feed.priority)] == [
        "procurement",
        "inventory",
    ]
    assert FEEDS["procurement"].record_types[0].required == ("asset_tag", "po_number", "campus")
    assert all(
        text for feed in FEEDS.values() for one in feed.record_types for text in one.column_descriptions.values()
    )
