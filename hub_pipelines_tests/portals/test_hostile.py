"""Portals that lie, break off, go in circles or never end: told as what they are; nothing is lost or taken twice."""

from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.portals.service import MOST_PASSES
from hub_pipelines.portals.state import PollEnd
from hub_pipelines_tests.portals.serving import Clock, Hostile, asset, hostile, says_json, toml
from hub_pipelines_tests.portals.test_polling import CAMPUSES, poll, timed
from hub_pipelines_tests.support import open_test_hub


def hub_of(tmp_path: Path, portal: Hostile, paging: str = 'style = "page"', **more: Any) -> Hub:
    home = tmp_path / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "hub.toml").write_text(CAMPUSES + toml(portal, paging=paging, **more), encoding="utf-8")
    return timed(open_test_hub(home, f"sqlite:///{home / 'hub.db'}"), Clock())


def page(*records: dict[str, Any], total: Any = None, **more: Any) -> dict[str, Any]:
    return {"data": {"items": list(records), **({} if total is None else {"total": total})}, **more}


# ---- what it tells of itself


@pytest.mark.parametrize("order", ["stable", "moving"])
@pytest.mark.parametrize("listed", [0, 2])
def test_a_portal_that_lists_fewer_records_than_it_tells_of_is_not_read_to_its_end(
    tmp_path: Path, order: str, listed: int
) -> None:
    some = [asset(number) for number in range(listed)]
    with hostile(lambda _params, connection: says_json(connection, page(*some, total=250))) as portal:
        hub = hub_of(tmp_path, portal, order=order)
        outcome = poll(hub)

    state = hub.portals.state("erp")
    assert state is not None
    assert (outcome.end, outcome.tally.taken, len(portal.asked)) == (PollEnd.UNSETTLED, listed, MOST_PASSES)
    assert f"says that it has 250 records and listed {listed}" in str(outcome.reason)
    assert (state.cursor, state.completed_at, state.last_error) == (None, None, outcome.reason)


def test_a_record_that_a_page_lists_again_is_counted_as_the_portal_counts_it(tmp_path: Path) -> None:
    told = page(asset(1), asset(1), asset(2), total=3)
    with hostile(lambda _params, connection: says_json(connection, told)) as portal:
        outcome = poll(hub_of(tmp_path, portal))

    assert (outcome.end, outcome.tally.taken, outcome.tally.held) == (PollEnd.COMPLETE, 2, 0)
