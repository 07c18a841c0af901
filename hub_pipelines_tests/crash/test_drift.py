"""kill -9 while a migration is applied, two people at once: held files are replayed once and post once."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from hub_pipelines.audit import store as audit
from hub_pipelines.hub import Hub
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import Homes, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_INVENTORY,
    all_submissions,
    ledger_values,
    open_test_hub,
    process,
    process_all,
    send,
)

pytestmark = pytest.mark.crash

HEADER = "Item Code,Name,Room,Quantity,Unit"
PACKED = "Item Code,Name,Room,Packed"
STEPS = """
[[step]]
do = "split"
column = "Packed"
into = ["quantity_on_hand", "Pack"]
separator = " x "

[[step]]
do = "default"
column = "unit"
value = "bottle"
"""
HELD = 3
RACERS = 6


def held_and_approved(home: Path, database_url: str) -> None:
    """A source that posted, three files of another shape in review, and a migration that only need be applied."""
    hub = open_test_hub(home, database_url)
    send(hub, "stock.csv", f"{HEADER}\nA-0,Buffer,B1,3,bottle\n".encode(), NORTH_INVENTORY)
    process_all(hub)
    for number in range(1, HELD + 1):
        send(hub, "stock.csv", f"{PACKED}\nA-{number},Buffer,B1,{number} x 1 L\n".encode(), NORTH_INVENTORY)
    process_all(hub)
    item = hub.review.listing()[0]
    head = hub.columns.draft(item.item_id).partition("\n#")[0].partition("\n[[step]]")[0]
    migration, _ = hub.columns.add(head + STEPS, author="person/kim")
    hub.columns.approve(migration.reference, actor="person/lee")
    hub.db.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def homes(request: pytest.FixtureRequest) -> Homes:
    found = homes_for(request, request.param)
    found.change(held_and_approved)
    return found


def apply(hub: Hub) -> None:
    (migration,) = hub.columns.migrations()
    hub.columns.apply(migration.reference, actor="person/lee")


def apply_under_watch(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_commits(hub)
    apply(hub)


def told(hub: Hub, event: str) -> int:
    with hub.db.read() as tx:
        return len(tx.execute(select(audit.audit_entry.c.seq).where(audit.audit_entry.c.event == event)).all())


def finish_applying(home: Path, database_url: str) -> None:
    """The same command again, and everything that must be true then."""
    hub = open_test_hub(home, database_url)
    apply(hub)
    process_all(hub)
    stock = [one for one in all_submissions(hub) if one.envelope.source_name == "stock.csv"]
    assert sorted((one.state, one.revision) for one in stock) == [(State.POSTED, 1)] + [(State.POSTED, 2)] * HELD
    assert hub.review.listing() == []
    values = ledger_values(hub, "inventory.stock@north")
    assert {key: row["quantity_on_hand"] for key, row in values.items()} == {
        "A-0|B1": "3",
        **{f"A-{number}|B1": str(number) for number in range(1, HELD + 1)},
    }
    assert told(hub, "migration:applied") == 1
    assert told(hub, "review:replayed") == HELD
    assert_invariants(hub)
    hub.db.dispose()


def test_applying_a_migration_killed_at_any_boundary_and_done_again_has_one_effect(homes: Homes) -> None:
    boundaries = kill_everywhere(homes, apply_under_watch, finish_applying, at_least=5)
    assert boundaries == 1 + HELD + 1  # its commits, and the end


def test_many_people_who_apply_a_migration_at_once_have_one_effect(homes: Homes) -> None:
    with ExitStack() as stack:
        home = homes.copy("race", stack)

        def race() -> None:
            hub = open_test_hub(*home)
            apply(hub)

        racers = [fork(race) for _ in range(RACERS)]
        assert [finish(pid) for pid in racers] == [0] * RACERS
        assert finish(fork(partial(finish_applying, *home))) == 0


def test_many_first_files_of_one_source_at_once_agree_on_its_columns(homes: Homes) -> None:
    """Each has a column that the others lack: one is the first of its source, the others are held."""
    columns = ["Supplier", "Lot", "CAS", "Reorder level", "Email", "Count date"]
    cells = ["Sigma", "L1", "67-64-1", "5", "a@north.example.edu", "2026-01-31"]
    with ExitStack() as stack:
        home = homes.copy("firsts", stack)

        def work(number: int) -> None:
            hub = open_test_hub(*home)
            text = f"{HEADER},{columns[number]}\nN-{number},Agar,B1,1,bottle,{cells[number]}\n"
            path = hub.settings.home / f"upload-{number}" / "new.csv"
            path.parent.mkdir()
            path.write_text(text, encoding="utf-8")
            arrival = hub.submit(path, NORTH_INVENTORY, actor="tester")
            process(hub, str(arrival.request_id), owner=f"worker-{number}")

        racers = [fork(partial(work, number)) for number in range(len(columns))]
        assert [finish(pid) for pid in racers] == [0] * len(columns)
        hub = open_test_hub(*home)
        process_all(hub)
        new = [one for one in all_submissions(hub) if one.envelope.source_name == "new.csv"]
        states = sorted((str(one.state), str(one.cause)) for one in new)
        assert states == [("in_review", "drift")] * (len(columns) - 1) + [("posted", "None")]
        assert told(hub, "shape:drifted") == HELD + len(columns) - 1
        assert_invariants(hub)
        hub.db.dispose()
