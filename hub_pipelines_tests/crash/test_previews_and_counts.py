"""kill -9 at every moment of a preview and of a complete count: the preview is made in the end and changes nothing,
and what the count misses is kept once, as if nothing had happened."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from hub_pipelines.evidence import count_of
from hub_pipelines.intake import store as arrivals
from hub_pipelines.intake.model import Outcome
from hub_pipelines.ledger.counting import store as counts
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries
from hub_pipelines_tests.crash.killing import LEASE_S, Fill, Victim, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    all_submissions,
    asset,
    inventory_csv,
    journal_size,
    ledger_values,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send_assets,
    take_everything,
)

pytestmark = pytest.mark.crash

TAGS = ["NC-0001", "NC-0002", "NC-0003", "NC-0004"]
COUNT = inventory_csv([asset(TAGS[0], quantity="7"), asset(TAGS[1], category="furniture"), asset(TAGS[3])])


def fill(home: Path, database_url: str, folder: str) -> None:
    """Three items in one room, a count from before that misses one, and a file in a folder of the feed's."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", *(asset(tag) for tag in TAGS)))
    (hub.settings.drop / "north" / "inventory" / "complete-count" / "before.csv").write_bytes(
        inventory_csv([asset(tag) for tag in TAGS[:3]])
    )
    take_everything(hub)
    process_all(hub)
    hub.receipts.write_due()
    (hub.settings.drop / "north" / "inventory" / folder / "room.csv").write_bytes(COUNT)
    hub.db.dispose()


def preview(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    take_everything(hub)
    list(hub.previews.make_due("north"))


def recover_preview(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take_everything(hub)
    list(hub.previews.make_due("north"))
    with hub.db.read() as tx:
        outcomes = tx.execute(select(arrivals.arrival.c.outcome, arrivals.arrival.c.receipt_due)).all()
        (made,) = tx.execute(select(arrivals.preview.c.made_at, arrivals.preview.c.summary)).all()
    assert [tuple(one) for one in outcomes if one.outcome == Outcome.PREVIEWED] == [(Outcome.PREVIEWED, False)]
    assert made.made_at is not None
    assert (made.summary["would"], made.summary["changed"], made.summary["rejected"]) == ("post", 1, 1)
    receipts = hub.settings.receipts / "north" / "inventory" / "preview"
    assert sorted(path.suffix for path in receipts.iterdir() if not path.name.startswith(".")) == [".html", ".json"]
    assert len(all_submissions(hub)) == 3
    assert (journal_size(hub), ledger_values(hub)[TAGS[0]]["quantity"]) == (8, "2.5")
    left = [path for path in hub.settings.drop.rglob("*") if path.is_file()]
    assert not left
    assert_invariants(hub)


def count(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    take_everything(hub)
    process_all(hub, owner="victim")


def recover_count(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take_everything(hub)
    process_all(hub, owner="rescuer")
    by_name = {one.envelope.source_name: one for one in all_submissions(hub)}
    room = by_name["room.csv"]
    assert (room.state, room.counts.posted, room.counts.rejected) == (State.POSTED, 1, 1)
    with hub.db.read() as tx:
        kept = tx.execute(select(counts.missed_item).order_by(counts.missed_item.c.key)).all()
    now = [(one.key, one.row_no, one.found_by) for one in kept if one.request_id == room.request_id]
    assert now == [(TAGS[1], 3, None), (TAGS[2], None, None)]
    before = [(one.key, one.found_by) for one in kept if one.request_id == by_name["before.csv"].request_id]
    assert before == [(TAGS[3], room.request_id)]
    assert count_of(hub, room.request_id).still_missing == 1
    assert_invariants(hub)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("folder", "work", "recover", "at_least"),
    [("preview", preview, recover_preview, 16), ("complete-count", count, recover_count, 18)],
    ids=["preview", "count"],
)
def test_killed_at_any_boundary_it_ends_as_if_nothing_had_happened(
    request: pytest.FixtureRequest, kind: str, folder: str, work: Victim, recover: Fill, at_least: int
) -> None:
    homes = homes_for(request, kind, partial(fill, folder=folder))
    kill_everywhere(homes, work, recover, at_least=at_least)
