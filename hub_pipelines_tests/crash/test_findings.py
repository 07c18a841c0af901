"""An evaluation of findings that is killed: each is opened and closed once, with one entry in the chain."""

from dataclasses import replace
from pathlib import Path

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.findings import store
from hub_pipelines.hub import Hub
from hub_pipelines_tests.crash.faults import Boundaries
from hub_pipelines_tests.crash.killing import Homes, homes_for, kill_everywhere
from hub_pipelines_tests.stores.test_award_news import says, spent
from hub_pipelines_tests.support import assert_invariants, open_test_hub

pytestmark = pytest.mark.crash
AWARD = "R01GM100001"
LATE = [f"T-{number},{AWARD},120.00,2025-08-01,2025-07-15" for number in range(1, 4)]
EARLY = [f"T-{number},{AWARD},120.00,2024-06-10,2024-06-01" for number in range(4, 6)]


def fill(home: Path, database_url: str) -> None:
    """Three findings are open; the extension that closes them, and two lines that open others, are posted."""
    hub = open_test_hub(home, database_url)
    says(hub, 1)
    spent(hub, *LATE)
    assert len(hub.findings.evaluate("north").opened) == len(LATE)
    says(hub, 2, ends_on="2026-06-30")
    spent(hub, *EARLY)
    hub.db.dispose()
    hub.inbox.db.dispose()


@pytest.fixture
def homes(kind: str, request: pytest.FixtureRequest) -> Homes:
    return homes_for(request, kind, fill)


def one_by_one(hub: Hub) -> Hub:
    return replace(hub, findings=replace(hub.findings, at_once=1))


def evaluate(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = one_by_one(open_test_hub(home, database_url))
    boundaries.watch_commits(hub)
    hub.findings.evaluate("north")


def recover(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    hub.findings.evaluate("north")
    again = hub.findings.evaluate("north")
    assert (again.awards, again.opened, again.closed) == (0, (), ())
    with hub.db.read() as tx:
        assert {one.subject for one in store.open_of_awards(tx, "north", None)} == {"T-4", "T-5"}
        kept = store.all_of_awards(tx, "north", [AWARD])
        entries = [
            (one.event.event, one.event.detail["subject"])
            for one in audit.chain(tx, "north")
            if one.event.event.startswith("finding:")
        ]
    assert sorted((one.subject, one.number) for one in kept) == [(f"T-{number}", 1) for number in range(1, 6)]
    assert all("the no-cost extension told by NIH" in one.closed_by.what for one in kept if one.closed_by)
    expected = [("finding:opened", f"T-{number}") for number in range(1, 6)]
    assert sorted(entries) == sorted([*expected, *(("finding:closed", f"T-{number}") for number in range(1, 4))])
    assert_invariants(hub)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_an_evaluation_killed_at_any_commit_opens_and_closes_each_finding_once(homes: Homes) -> None:
    kill_everywhere(homes, evaluate, recover, at_least=8)
