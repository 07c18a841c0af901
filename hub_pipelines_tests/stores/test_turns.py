"""Files of one name: launched together, posted in the order in which they came."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.hub import Hub
from hub_pipelines.launching import choose, next_towards, tick
from hub_pipelines.ledger.model import Posting
from hub_pipelines.processing import failure_of
from hub_pipelines.submission.leases import store as leases
from hub_pipelines.submission.model import Busy, State
from hub_pipelines.timeline.service import explain
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    due_now,
    lease,
    ledger_values,
    make_registry,
    make_retry_due,
    process,
    procurement_csv,
    send,
    send_assets,
    submission,
)


def launched(hub: Hub) -> list[str]:
    return [one.request_id for one in tick(hub, "north", alive=lambda _ids: set()).launches]


def versions(hub: Hub, *quantities: str, name: str = "lab.csv") -> list[str]:
    return [send_assets(hub, name, asset("NC-0001", quantity=one)) for one in quantities]


def fail(hub: Hub, request_id: str) -> None:
    """Its run begins, meets something that passes, and ends; it is tried again later."""
    begun = lease(hub, request_id)
    with hub.db.write() as tx:
        leases.settle_retrying(tx, begun, failure_of(Transient("a share is gone"), None), timedelta(hours=1))


def test_files_of_one_name_are_launched_together_and_later_ones_when_these_are_settled(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    first = versions(hub, "1", "2", "3")
    (other,) = versions(hub, "7", name="other.csv")
    assert launched(hub) == [*first, other]
    later = versions(hub, "4", "5")
    assert launched(hub) == []
    for one in [other, *first]:
        assert launched(hub) == []
        assert isinstance(process(hub, one), Posting)
    assert launched(hub) == later
    assert_invariants(hub)


@pytest.mark.parametrize("asked", [True, False])
def test_a_file_is_worked_towards_past_a_registry_that_nobody_asks(hub: Hub, asked: bool) -> None:
    """Procurement goes first, as long as some feed of the hub asks for its tags."""
    feeds = {name: feed for name, feed in hub.feeds.items() if asked or not feed.checks_tags}
    registry = str(send(hub, "registry.csv", procurement_csv(["NC-1"]), Scope("north", "procurement")).request_id)
    (assets,) = versions(hub, "1")
    found = next_towards(replace(hub, feeds=feeds), submission(hub, assets))
    assert found is not None
    assert found.request_id == (registry if asked else assets)


def test_a_run_that_comes_before_its_turn_does_nothing_and_its_file_is_launched_again_in_time(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    first, second, third = versions(hub, "1", "2", "3")
    launched(hub)
    fail(hub, first)
    for one in (second, third):
        assert process(hub, one) == Busy(one, State.RECEIVED, behind=first)
        assert submission(hub, one).launched_at is None
    (story,) = explain(hub, second).stories
    assert story.now == f"waiting for the earlier file of its name, {first}, which posts first."
    assert any(f"the earlier file of its name, {first}, posts first" in one.what for one in story.moments)
    assert launched(hub) == [], "the first one's retry is not due"
    make_retry_due(hub, first)
    assert launched(hub) == [first], "it has failed once, and runs of the others would be in vain if it does again"
    assert process(hub, third) == Busy(third, State.RECEIVED, behind=first)
    assert isinstance(process(hub, first), Posting)
    assert launched(hub) == [second, third]
    for one in (second, third):
        assert isinstance(process(hub, one), Posting)
    assert ledger_values(hub)["NC-0001"]["quantity"] == "3"
    assert_invariants(hub)


def test_what_comes_behind_a_living_run_is_not_launched_again(hub: Hub) -> None:
    first, second = versions(hub, "1", "2")
    (other,) = versions(hub, "7", name="other.csv")
    launched(hub)
    due = due_now(hub)
    assert [one.request_id for one in due] == [first, second, other]
    assert [one.request_id for one in choose(due, lambda _ids: {first})] == [other]
    assert [one.request_id for one in choose(due, lambda _ids: {second})] == [first, other]
