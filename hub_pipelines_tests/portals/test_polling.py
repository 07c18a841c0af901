"""Polling a portal over real HTTP: each record once, none missed, whatever pages do; nothing is doubled or skipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines.portals.service import Outcome
from hub_pipelines.portals.state import PollEnd
from hub_pipelines.submission.model import State
from hub_pipelines_tests.messages import settle
from hub_pipelines_tests.portals.serving import Portal, asset, serving, toml
from hub_pipelines_tests.support import all_submissions, assert_invariants, ledger_values, open_test_hub

LEDGER = "procurement.asset@all"
_CAMPUSES = """\
[campuses.north]
time_zone = "America/New_York"

[campuses.south]
time_zone = "America/New_York"

[limits]
stable_s = 0.1
"""


@pytest.fixture
def portal() -> Iterator[Portal]:
    with serving(Portal({number: asset(number) for number in range(1, 121)})) as running:
        yield running


def hub_of(home: Path, url: str, portal: Portal, paging: str = 'style = "page"', **more: Any) -> Hub:
    home.mkdir(parents=True, exist_ok=True)
    (home / "hub.toml").write_text(_CAMPUSES + toml(portal, paging=paging, **more), encoding="utf-8")
    return open_test_hub(home, url)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def poll(hub: Hub, for_s: float = 60.0, **more: Any) -> Outcome:
    return hub.portals.poll("erp", for_s=for_s, **more)


@pytest.mark.parametrize(
    "paging", ['style = "page"', 'style = "offset"', 'style = "link_header"', 'style = "next_link"']
)
def test_all_records_of_a_portal_are_taken_once_and_posted(
    home: Path, hub_database_url: str, portal: Portal, paging: str
) -> None:
    hub = hub_of(home, hub_database_url, portal, paging, overlap_h=8_000)

    first, second = poll(hub), poll(hub)
    settle(hub)

    assert (first.end, first.tally.records, first.tally.taken, first.tally.pages) == (PollEnd.COMPLETE, 120, 120, 3)
    assert (second.end, second.tally.taken, second.tally.known) == (PollEnd.COMPLETE, 0, 120)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.counts.posted) == (State.POSTED, 120)
    assert {one["asset_tag"] for one in ledger_values(hub, LEDGER).values()} == {f"NC-{n:06d}" for n in range(1, 121)}
    assert_invariants(hub)
