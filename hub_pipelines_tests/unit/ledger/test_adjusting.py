"""How much work adjustments make. What they come to is shown on both databases (stores/test_adjusting.py)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.ledger.adjusting import algebra
from hub_pipelines.ledger.adjusting.algebra import Adjusting
from hub_pipelines.ledger.adjusting.model import Known
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.staging import StagedRow

STOCK = FEEDS["inventory"].record_type("inventory.stock")
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
FOR_EACH = 300
"""Comparisons; they grow with the number's logarithm. Of 2,000 adjustments each with all others there are 2,000."""


class Counted(datetime):
    """Counts how often one is compared with another."""

    compared = 0

    def __lt__(self, other: Any) -> bool:
        Counted.compared += 1
        return super().__lt__(other)

    def __gt__(self, other: Any) -> bool:
        Counted.compared += 1
        return super().__gt__(other)


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algebra, "datetime", Counted)
    monkeypatch.setattr(Counted, "compared", 0)


def adjusting(number: int, minute: int, kind: str = "received", **others: Any) -> StagedRow:
    said = {
        "kind": kind,
        "occurred_at": (BEGAN + timedelta(minutes=minute)).isoformat(),
        "quantity": "1",
        "unit": "g",
        "message": f"m-{number}",
        "item": {"item_name": "Acetone", "location": "A"},
        **others,
    }
    return StagedRow(number, "adjusting", "a", canonical_text(said), [])


def there_is(rows: Iterable[StagedRow]) -> dict[str, dict[str, object]]:
    """By item what its last entry says."""
    known = {key: Known() for key in "ab"}
    Adjusting(STOCK, known, (), 1).take(rows, {})
    return {key: one.standing.said for key, one in known.items() if one.standing is not None}


NUMBER = 2_000
ORDERS = {"as they occurred": 1, "the last one first": -1, "in disorder": 997}


@pytest.mark.parametrize("step", ORDERS.values(), ids=ORDERS)
def test_many_adjustments_of_an_item_that_nothing_has_set_are_not_each_compared_with_all(step: int) -> None:
    rows = [adjusting(at + 1, step * at % NUMBER) for at in range(NUMBER)]
    assert there_is(rows)["a"]["quantity_on_hand"] == str(NUMBER)
    assert Counted.compared < FOR_EACH * NUMBER


@pytest.mark.parametrize("step", ORDERS.values(), ids=ORDERS)
def test_nor_are_all_summed_again_where_the_first_one_and_its_unit_change_each_time(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    in_unit = algebra._in_unit
    monkeypatch.setattr(algebra, "_in_unit", lambda one, unit: told.append(one) or in_unit(one, unit))
    rows = [adjusting(at + 1, step * at % NUMBER, unit=("g", "kg")[at % 2]) for at in range(NUMBER)]
    last = there_is(rows)["a"]
    assert last["quantity_on_hand"] == {"kg": "1001", "g": "1001000"}[str(last["unit"])]
    assert len(told) < 20 * NUMBER


def test_what_arrives_at_a_place_where_nothing_was_set_is_not_compared_with_all_either() -> None:
    to = {"key": "b", "item": {"item_name": "Acetone", "location": "B"}}
    rows = [adjusting(1, 0, quantity=str(NUMBER))]
    rows += [adjusting(at + 2, at + 1, "transferred", to=to) for at in range(NUMBER)]
    found = there_is(rows)
    assert (found["a"]["quantity_on_hand"], found["b"]["quantity_on_hand"]) == ("0", str(NUMBER))
    assert Counted.compared < FOR_EACH * NUMBER
