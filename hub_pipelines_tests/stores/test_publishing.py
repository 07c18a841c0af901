"""A campus-day from the journal to its published snapshot, on both databases."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from hub_pipelines.audit import store as audit
from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.store import Transaction
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.snapshots import store as snapshots
from hub_pipelines.ledger.snapshots.model import Snapshot
from hub_pipelines.ledger.snapshots.service import NotPublished
from hub_pipelines.publishing import Outcome, due, publish, touched
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    NORTH_LEDGER,
    asset,
    inventory_csv,
    make_registry,
    on_day,
    process,
    send,
    send_assets,
)

INVENTORY = FEEDS["inventory"].record_type("inventory.asset")
MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)
TAGS = ["NC-0001", "NC-0002", "NC-0003"]


@pytest.fixture(autouse=True)
def _monday(hub: Hub) -> None:
    """A registry and two posted items, nothing published."""
    make_registry(on_day(hub, MONDAY), TAGS)
    post(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))


def post(hub: Hub, name: str, *rows: dict[str, str], day: date = MONDAY) -> str:
    request_id = send_assets(hub, name, *rows)
    process(on_day(hub, day), request_id)
    return request_id


def fold(hub: Hub, day: date = MONDAY, campus: str = "north") -> Outcome:
    (outcome,) = publish(hub, "inventory", campus, day, actor="run/test", from_archive=False)
    return outcome


def record_of(hub: Hub, day: date = MONDAY) -> Snapshot:
    with hub.db.read() as tx:
        found = snapshots.find(tx, NORTH_LEDGER, "north", day)
    assert found is not None
    return found


def told(hub: Hub) -> list[tuple[str, int]]:
    """What the audit chain says of the ledger: event and version."""
    with hub.db.read() as tx:
        query = select(audit.audit_entry).where(audit.audit_entry.c.event.startswith("ledger:"))
        rows = tx.execute(query.order_by(audit.audit_entry.c.seq)).mappings().all()
    return [(row["event"], row["detail"]["version"]) for row in rows if row["subject"] == NORTH_LEDGER]


def quantities(hub: Hub, day: date = MONDAY) -> dict[str, object]:
    return {row.key: row.values["quantity"] for row in hub.snapshots.state(INVENTORY, "north", day)}


def unlock_journal(hub: Hub, tx: Transaction) -> None:
    """What somebody with full rights on the database would do first; may be done twice."""
    if hub.db.is_postgres:
        tx.execute(text("ALTER TABLE journal DISABLE TRIGGER ALL"))
        return
    for verb in ("update", "delete"):
        tx.execute(text(f"DROP TRIGGER IF EXISTS journal_refuses_{verb}"))


def tamper(hub: Hub, key: str, **changes: object) -> None:
    """Change the values of an item's journal entries, past the triggers."""
    j = ledgers.journal
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        rows = tx.execute(select(j).where(j.c.ledger == NORTH_LEDGER, j.c.key == key)).mappings().all()
        for row in rows:
            values = json.dumps({**json.loads(row["values"]), **changes})
            place = (j.c.ledger == NORTH_LEDGER, j.c.version == row["version"], j.c.row_no == row["row_no"])
            tx.execute(update(j).where(*place).values(values=values))


def forge(hub: Hub, **changes: object) -> None:
    """A journal entry that no posting made."""
    j = ledgers.journal
    with hub.db.write() as tx:
        row = tx.execute(select(j).where(j.c.ledger == NORTH_LEDGER, j.c.key == "NC-0001")).mappings().one()
        tx.execute(j.insert(), {**row, "row_no": 99, **changes})


# ---- published, confirmed


def test_a_day_is_published_once_and_confirmed_after_that(hub: Hub) -> None:
    first = fold(hub)
    assert (first.state, first.entries, first.blocked, first.is_accounted_for) == ("published", 2, None, True)
    assert first.path == hub.settings.ledgers / "inventory.asset" / "north" / "2026-03-02.parquet"
    written, kept = first.path.read_bytes(), record_of(hub)
    assert sha256_hex(written) == kept.file_digest
    assert (kept.version, kept.judged_version, kept.entries, kept.blocked) == (1, 1, 2, None)
    assert kept.content_digest == first.content_digest
    again = fold(hub)
    assert (again.state, again.content_digest, again.path.read_bytes()) == ("confirmed", first.content_digest, written)
    assert told(hub) == [("ledger:published", 1)]
    assert quantities(hub) == {"NC-0001": "2.5", "NC-0002": "2.5"}
    assert all(one.success for one in again.expected)
    assert verify_all(hub).ok
    assert_invariants(hub)


def test_new_postings_are_published_as_a_new_version_and_each_day_for_itself(hub: Hub) -> None:
    monday = fold(hub).path.read_bytes()
    post(hub, "tuesday.csv", asset("NC-0003"), asset("NC-0001", quantity="9"), day=TUESDAY)
    assert fold(hub, TUESDAY).state == "published"
    assert fold(hub).path.read_bytes() == monday
    post(hub, "late.csv", asset("NC-0002", quantity="7"), day=TUESDAY)
    assert (fold(hub, TUESDAY).state, record_of(hub, TUESDAY).version) == ("published", 3)
    assert told(hub) == [("ledger:published", 1), ("ledger:published", 2), ("ledger:published", 3)]
    assert quantities(hub) == {"NC-0001": "2.5", "NC-0002": "2.5"}
    assert quantities(hub, TUESDAY) == {"NC-0001": "9", "NC-0002": "7", "NC-0003": "2.5"}


def test_a_published_file_that_was_lost_is_made_again_with_the_same_bytes(hub: Hub) -> None:
    path = fold(hub).path
    before = path.read_bytes()
    path.unlink()
    assert fold(hub).state == "confirmed"
    assert path.read_bytes() == before
    assert verify_all(hub).ok


def test_a_day_without_entries_has_no_snapshot(hub: Hub) -> None:
    assert publish(hub, "inventory", "north", TUESDAY, actor="run/test", from_archive=False) == []
    assert publish(hub, "inventory", "south", MONDAY, actor="run/test", from_archive=False) == []


def test_an_unusual_volume_or_an_unknown_reference_warns_and_does_not_hold_back(hub: Hub) -> None:
    for number in range(1, 7):
        day = MONDAY + timedelta(days=number)
        post(hub, f"{day}.csv", asset("NC-0001", quantity=str(number)), day=day)
    with hub.db.write() as tx:  # the registry as somebody restored it from an older backup
        tx.execute(delete(ledgers.ledger).where(ledgers.ledger.c.key == "NC-0003"))
    last = MONDAY + timedelta(days=7)
    post(hub, "much.csv", *(asset(tag, quantity="77") for tag in TAGS[:2]), day=last)
    make_registry(on_day(hub, last), [f"NC-1{number:03}" for number in range(40)])
    post(hub, "more.csv", *(asset(f"NC-1{number:03}") for number in range(40)), day=last)
    with hub.db.write() as tx:
        tx.execute(delete(ledgers.ledger).where(ledgers.ledger.c.key == "NC-1001"))
    outcome = fold(hub, last)
    assert (outcome.state, outcome.blocked) == ("published", None)
    assert {one.suite for one in outcome.expected if not one.success} == {"volume", "references"}


# ---- blocked

VIOLATIONS = {
    "a word that the contract does not know": {"category": "weapon"},
    "a number that is none": {"quantity": "lots"},
    "a value of another kind": {"unit_cost": 84.5},
    "a value that is missing": {"item_name": None},
}


@pytest.mark.parametrize("changes", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_entries_that_break_their_contract_keep_the_snapshot_back(hub: Hub, changes: dict[str, Any]) -> None:
    path = fold(hub).path
    before, kept = path.read_bytes(), record_of(hub)
    request_id = post(hub, "more.csv", asset("NC-0003"))
    tamper(hub, "NC-0003", **changes)
    outcome = fold(hub)
    column = next(iter(changes))
    assert outcome.state == "blocked"
    assert column.replace("_", " ") in str(outcome.blocked)
    (broken,) = (one for one in outcome.expected if not one.success)
    assert (broken.suite, broken.column, broken.severity) == ("contract", column, "block")
    assert "NC-0003" in broken.sentence
    assert path.read_bytes() == before
    after = record_of(hub)
    assert after == replace(kept, judged_version=2, blocked=outcome.blocked)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with pytest.raises(NotPublished) as refused:
        hub.snapshots.state(INVENTORY, "north", MONDAY)
    assert str(outcome.blocked) in str(refused.value)
    assert due(hub, at_rest=False)[0].ledger == "procurement.asset@all"  # and this day is not tried again for ever
    assert request_id


def test_a_blocked_day_is_told_once_and_published_after_it_was_mended(hub: Hub) -> None:
    tamper(hub, "NC-0002", category="weapon")
    assert [fold(hub).state, fold(hub).state] == ["blocked", "blocked"]
    assert told(hub) == [("ledger:blocked", 1)]
    tamper(hub, "NC-0002", category="chemical")
    post(hub, "more.csv", asset("NC-0003"))
    assert ("inventory", "north", MONDAY) in touched(hub)
    outcome = fold(hub)
    assert (outcome.state, outcome.entries, record_of(hub).blocked) == ("published", 3, None)
    assert told(hub) == [("ledger:blocked", 1), ("ledger:published", 2)]
    assert len(quantities(hub)) == 3


def test_a_block_of_one_day_leaves_the_days_before_it_readable(hub: Hub) -> None:
    fold(hub)
    post(hub, "tuesday.csv", asset("NC-0003"), day=TUESDAY)
    tamper(hub, "NC-0003", unit="furlong")
    assert fold(hub, TUESDAY).state == "blocked"
    assert set(quantities(hub)) == {"NC-0001", "NC-0002"}


# ---- miscounts


def assert_miscounted(hub: Hub, outcome: Outcome, reason: str) -> None:
    assert (outcome.state, outcome.blocked, outcome.is_accounted_for) == ("blocked", reason, False)
    assert record_of(hub).blocked == reason
    assert not verify_all(hub).ok


def test_a_journal_entry_that_no_posting_made_keeps_the_snapshot_back(hub: Hub) -> None:
    forge(hub)
    reason = (
        "The journal has 3 entries of this day, its postings tell of 2, 2 were counted as they posted, "
        "and the snapshot holds 3."
    )
    assert_miscounted(hub, fold(hub), reason)
    assert not fold(hub).path.exists()


def test_a_journal_entry_of_an_unknown_submission_keeps_the_snapshot_back(hub: Hub) -> None:
    forge(hub, request_id="north-inventory-ghost", version=7)
    reason = (
        "The journal has 3 entries of this day, its postings tell of 2, 2 were counted as they posted, "
        "and the snapshot holds 3."
    )
    assert_miscounted(hub, fold(hub), reason)


@pytest.mark.parametrize("versions", [[2], [1, 2]], ids=["one posting", "all postings"])
def test_a_day_that_has_lost_whole_postings_is_not_published(hub: Hub, versions: list[int]) -> None:
    post(hub, "more.csv", asset("NC-0003"))
    j = ledgers.journal.c
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        tx.execute(delete(ledgers.journal).where(j.ledger == NORTH_LEDGER, j.version.in_(versions)))
    left = 4 - 2 * len(versions)
    reason = (
        f"The journal has {left} entries of this day, its postings tell of {left}, 3 were counted as they posted, "
        f"and the snapshot holds {left}."
    )
    assert_miscounted(hub, fold(hub), reason)


def test_a_published_day_whose_content_changed_without_a_posting_keeps_its_snapshot(hub: Hub) -> None:
    path = fold(hub).path
    before, kept = path.read_bytes(), record_of(hub)
    tamper(hub, "NC-0002", quantity="3")
    outcome = fold(hub)
    reason = "The journal gives other content than was published of this day, though nothing was posted since."
    assert_miscounted(hub, outcome, reason)
    assert path.read_bytes() == before
    assert record_of(hub) == replace(kept, blocked=reason)
    assert quantities(hub) == {"NC-0001": "2.5", "NC-0002": "2.5"}  # as it was published


# ---- publishers at once


def test_publishers_of_the_same_day_at_once_leave_the_file_that_the_record_tells_of(hub: Hub) -> None:
    fold(hub)
    post(hub, "more.csv", asset("NC-0003"))
    together = threading.Barrier(4)
    outcomes: list[Outcome] = []

    def work() -> None:
        together.wait()
        outcomes.append(fold(hub))

    in_parallel([work] * 4)
    assert sorted(one.state for one in outcomes) == ["confirmed"] * 3 + ["published"]
    assert sha256_hex(outcomes[0].path.read_bytes()) == record_of(hub).file_digest
    assert told(hub) == [("ledger:published", 1), ("ledger:published", 2)]
    assert_no_drafts(outcomes[0].path.parent)
    assert_invariants(hub)


@pytest.mark.parametrize("newer_is_good", [True, False])
def test_a_publisher_that_was_overtaken_changes_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, newer_is_good: bool
) -> None:
    """The slow one has judged version 1 when another publishes version 2, or holds it back."""
    from hub_pipelines import publishing

    settle = publishing._settle
    newer: list[Outcome] = []

    def slowly(*arguments: Any) -> Any:
        monkeypatch.setattr(publishing, "_settle", settle)
        post(hub, "more.csv", asset("NC-0003"))
        if not newer_is_good:
            tamper(hub, "NC-0003", category="weapon")
        newer.append(fold(hub))
        return settle(*arguments)

    monkeypatch.setattr(publishing, "_settle", slowly)
    assert fold(hub).state == "overtaken"
    event = "published" if newer_is_good else "blocked"
    assert newer[0].state == event
    assert told(hub) == [(f"ledger:{event}", 2)]
    kept = record_of(hub)
    assert (kept.judged_version, kept.version, kept.blocked) == (2, 2 if newer_is_good else 0, newer[0].blocked)
    assert newer[0].path.exists() is newer_is_good
    assert_no_drafts(newer[0].path.parent)


def test_postings_and_publishers_at_once_end_with_everything_published(hub: Hub) -> None:
    sent = [send_assets(hub, f"lab-{number}.csv", asset("NC-0001", quantity=str(number + 10))) for number in range(4)]

    def work() -> None:
        for request_id in sent:
            process(on_day(hub, MONDAY), request_id, owner=request_id)

    def publishing() -> None:
        for _ in range(3):
            fold(hub)

    in_parallel([work, publishing])
    fold(hub)
    kept = record_of(hub)
    assert (kept.version, kept.entries) == (5, 6)
    assert verify_all(hub).ok
    assert_invariants(hub)


def in_parallel(works: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # told below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []


def assert_no_drafts(folder: Path) -> None:
    assert [one.name for one in folder.iterdir() if one.name.startswith(".")] == []


# ---- what is due


def clock_back(hub: Hub, seconds: float, *, ledger: str = NORTH_LEDGER, changed_s: float | None = None) -> None:
    """As if a ledger's postings had been made so long ago, the newest of each day `changed_s` ago."""
    now = datetime.now(UTC)
    changed = now - timedelta(seconds=seconds if changed_s is None else changed_s)
    with hub.db.write() as tx:
        unlock_journal(hub, tx)
        posted = update(ledgers.journal).where(ledgers.journal.c.ledger == ledger)
        tx.execute(posted.values(posted_at=now - timedelta(seconds=seconds)))
        day = update(ledgers.ledger_day).where(ledgers.ledger_day.c.ledger == ledger)
        tx.execute(day.values(changed_at=changed))


def waiting_for(hub: Hub, *, quiet_s: float, at_latest_s: float) -> list[str]:
    limits = hub.settings.ledger.model_copy(update={"quiet_s": quiet_s, "at_latest_s": at_latest_s})
    settings = hub.settings.model_copy(update={"ledger": limits})
    return sorted(one.ledger for one in due(replace(hub, settings=settings)))


def test_touched_days_are_due_together_when_all_ledgers_have_come_to_rest(hub: Hub) -> None:
    both = [NORTH_LEDGER, "procurement.asset@all"]
    assert waiting_for(hub, quiet_s=60, at_latest_s=3_600) == []
    clock_back(hub, 100)
    assert waiting_for(hub, quiet_s=60, at_latest_s=3_600) == []  # the registry was changed a moment ago
    clock_back(hub, 61, ledger="procurement.asset@all")
    assert waiting_for(hub, quiet_s=60, at_latest_s=3_600) == both
    assert waiting_for(hub, quiet_s=120, at_latest_s=3_600) == []
    assert waiting_for(hub, quiet_s=120, at_latest_s=90) == both
    assert sorted(one.ledger for one in due(hub, at_rest=False)) == both


def test_a_day_that_never_comes_to_rest_is_due_at_the_latest_after_its_first_posting(hub: Hub) -> None:
    """Postings every few seconds keep a day's `changed_at` young for ever."""
    clock_back(hub, 200, changed_s=1)
    assert waiting_for(hub, quiet_s=60, at_latest_s=180) == [NORTH_LEDGER, "procurement.asset@all"]
    fold(hub)
    post(hub, "more.csv", asset("NC-0003"))
    publish(hub, "procurement", "north", MONDAY, actor="run/test", from_archive=False)
    assert waiting_for(hub, quiet_s=60, at_latest_s=180) == []  # what was folded waits no more
    assert waiting_for(hub, quiet_s=0, at_latest_s=180) == [NORTH_LEDGER]


def test_what_was_folded_is_due_no_more_until_something_is_posted(hub: Hub) -> None:
    fold(hub)
    registry = ("procurement", "north", MONDAY)
    assert touched(hub) == [registry]
    post(hub, "same.csv", asset("NC-0001"))  # up to date already: no entry
    assert touched(hub) == [registry]
    post(hub, "more.csv", asset("NC-0003"))
    assert touched(hub) == [("inventory", "north", MONDAY), registry]


def test_a_campus_or_feed_that_left_the_settings_and_days_before_the_first_are_left_out(hub: Hub) -> None:
    make_registry(on_day(hub, MONDAY), ["SC-0001"], campus="south")
    request_id = send(hub, "south.csv", inventory_csv([asset("SC-0001")]), Scope("south", "inventory")).request_id
    assert request_id is not None
    process(on_day(hub, MONDAY), request_id)

    def left(**changes: Any) -> set[tuple[str, str]]:
        return {(one.ledger, one.campus) for one in due(replace(hub, **changes), at_rest=False)}

    north = {(NORTH_LEDGER, "north"), ("procurement.asset@all", "north")}
    south = {("inventory.asset@south", "south"), ("procurement.asset@all", "south")}
    assert left() == north | south
    assert left(campuses={"north": hub.campuses["north"]}) == north
    without = {name: feed for name, feed in hub.feeds.items() if name != "inventory"}
    assert left(feeds=without) == {(ledger, campus) for ledger, campus in north | south if "procurement" in ledger}
    ledger = hub.settings.ledger.model_copy(update={"first_day": TUESDAY})
    assert left(settings=hub.settings.model_copy(update={"ledger": ledger})) == set()


# ---- what an auditor finds


def test_a_changed_published_file_is_found(hub: Hub) -> None:
    path = fold(hub).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert verify_all(hub).first_bad == (
        "inventory.asset@north north 2026-03-02: the published snapshot is missing or was changed"
    )


def test_a_deleted_published_file_is_found(hub: Hub) -> None:
    fold(hub).path.unlink()
    assert verify_all(hub).first_bad == (
        "inventory.asset@north north 2026-03-02: the published snapshot is missing or was changed"
    )


@pytest.mark.parametrize("damage", ["changed", "deleted", "invented"])
def test_a_wrong_count_of_a_days_entries_is_found(hub: Hub, damage: str) -> None:
    day = ledgers.ledger_day
    mine = day.c.ledger == NORTH_LEDGER
    with hub.db.write() as tx:
        row = dict(tx.execute(select(day).where(mine)).mappings().one())
        statements = {
            "changed": update(day).where(mine).values(entries=3),
            "deleted": delete(day).where(mine),
            "invented": day.insert().values(**{**row, "ledger_date": TUESDAY}),
        }
        tx.execute(statements[damage])
    wrong = TUESDAY if damage == "invented" else MONDAY
    assert verify_all(hub).first_bad == (
        f"inventory.asset@north north {wrong}: the count of this day's entries is not what its journal says"
    )
    with pytest.raises(AssertionError):
        assert_invariants(hub)


def test_another_file_in_place_of_a_snapshot_is_found_though_the_record_announces_it(hub: Hub) -> None:
    import pyarrow.parquet

    path = fold(hub).path
    shorter = pyarrow.parquet.ParquetFile(path).read().slice(0, 1)
    pyarrow.parquet.write_table(shorter, path)
    with hub.db.write() as tx:
        tx.execute(update(snapshots.snapshot).values(announced=sha256_hex(path.read_bytes())))
    assert (
        verify_all(hub).first_bad == f"{NORTH_LEDGER} north {MONDAY}: the published snapshot is missing or was changed"
    )


def test_a_snapshot_that_was_taken_away_with_its_record_is_found(hub: Hub) -> None:
    fold(hub).path.unlink()
    with hub.db.write() as tx:
        tx.execute(delete(snapshots.snapshot))
    assert (
        verify_all(hub).first_bad == f"{NORTH_LEDGER} north {MONDAY}: the record of the published snapshot is missing"
    )
