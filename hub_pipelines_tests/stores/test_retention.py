"""What is kept how long, what a hold covers, and that nothing that is needed or held is ever removed."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from hub_pipelines import pruning
from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import RESERVED_CAMPUS, Scope
from hub_pipelines.evidence import verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.pruning import prune_staged
from hub_pipelines.removals import removed_though_held
from hub_pipelines.retention import store as retention
from hub_pipelines.retention.model import SCHEDULE, BadHold, HoldsAstray, Pruned, years_after
from hub_pipelines.review.model import ReasonCode
from hub_pipelines.schedule import Standing, standing
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import State
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Unreadable
from hub_pipelines.validate.staging import staged_path
from hub_pipelines_tests.support import (
    assert_invariants,
    asset,
    lease_and_validate,
    make_registry,
    open_test_hub,
    process,
    send,
    send_assets,
    submission,
)
from hub_pipelines_tests.tampering import rewrite

NORTH_GRANTS = Scope("north", "grants")
NORTH_HAZMAT = Scope("north", "hazmat")


def awards(*lines: str) -> bytes:
    return "\n".join(["award_id,starts_on,obligated_amount,final_report_on", *lines, ""]).encode()


def spent(*lines: str) -> bytes:
    return "\n".join(["transaction_id,award_id,amount,posted_on", *lines, ""]).encode()


def containers(*lines: str) -> bytes:
    return "\n".join(["container_id,contents,quantity,unit,location,disposed_on", *lines, ""]).encode()


def custody(*lines: str) -> bytes:
    return "\n".join(["container_id,event_seq,event_type,at,to_place", *lines, ""]).encode()


@pytest.fixture
def home_command() -> Callable[..., str]:
    """`hub …` as a process of its own on a hub's home; what it wrote."""

    def run(hub: Hub, *arguments: str) -> str:
        url = hub.db.url.render_as_string(hide_password=False)
        environment = {**os.environ, "HUB_HOME": str(hub.settings.home), "HUB_DATABASE_URL": url}
        command = [sys.executable, "-m", "hub_pipelines.cli", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


def post(hub: Hub, name: str, data: bytes, scope: Scope) -> str:
    request_id = str(send(hub, name, data, scope).request_id)
    process(hub, request_id)
    assert submission(hub, request_id).state is State.POSTED
    assert submission(hub, request_id).counts.rejected == 0
    return request_id


def make_old(hub: Hub, request_id: str, days: int = 1_000) -> None:
    """As if it had been settled so long ago."""
    long_ago = datetime.now(UTC) - timedelta(days=days)
    with hub.db.write() as tx:
        tx.execute(
            update(submissions.submission)
            .where(submissions.submission.c.request_id == request_id)
            .values(settled_at=long_ago, partition_since=long_ago)
        )
    if staged(hub, request_id).exists():
        os.utime(staged(hub, request_id), (long_ago.timestamp(), long_ago.timestamp()))


def staged(hub: Hub, request_id: str) -> Path:
    return staged_path(hub.settings.staged, str(submission(hub, request_id).staged))


def prune(hub: Hub, *, dry_run: bool = False) -> Pruned:
    return prune_staged(hub, actor="person/ann", dry_run=dry_run, deadline=time.monotonic() + 60)


def line(hub: Hub, record_type: str) -> Standing:
    (found,) = [one for one in standing(hub, "north") if one.record_type == record_type]
    return found


# ---- the schedule


def test_every_record_type_has_its_rule() -> None:
    assert set(SCHEDULE) == {record.name for feed in FEEDS.values() for record in feed.record_types}
    for rule in SCHEDULE.values():
        if rule.basis is not None:
            owner = rule.basis.of_record_type or rule.record_type
            (record,) = [one for feed in FEEDS.values() for one in feed.record_types if one.name == owner]
            assert rule.basis.column in record.columns


def test_a_leap_day_is_over_on_the_first_of_march() -> None:
    assert years_after(date(2024, 2, 29), 3) == date(2027, 3, 1)
    assert years_after(date(2024, 2, 29), 4) == date(2028, 2, 29)


def test_grants_count_from_the_final_report_never_from_the_transaction(hub: Hub) -> None:
    post(hub, "awards.csv", awards("A-1,2010-01-01,100,2016-05-31", "A-2,2010-01-01,100,"), NORTH_GRANTS)
    post(hub, "old.csv", spent("T-1,A-1,10,2011-01-01"), NORTH_GRANTS)
    post(hub, "open.csv", spent("T-2,A-2,10,2011-01-01"), NORTH_GRANTS)
    post(hub, "both.csv", spent("T-3,A-1,10,2011-01-01", "T-4,A-2,10,2011-01-01"), NORTH_GRANTS)
    post(hub, "unknown.csv", spent("T-5,A-9,10,2011-01-01"), NORTH_GRANTS)
    found = line(hub, "grants.expenditure")
    assert (found.citation, found.keep_years) == ("2 CFR 200.334", 3)
    assert (found.submissions, found.free_now, found.free_from) == (4, 1, date(2019, 5, 31))
    assert found.kept == {"no date recorded of the submission of the award's final financial report": 3}
    award = line(hub, "grants.award")
    assert (award.submissions, award.free_now, award.free_from) == (1, 0, None)


def test_a_report_that_is_recorded_later_frees_what_is_older_and_a_newer_one_binds_it_again(hub: Hub) -> None:
    post(hub, "awards.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    post(hub, "spent.csv", spent("T-1,A-1,10,2011-01-01"), NORTH_GRANTS)
    assert line(hub, "grants.expenditure").free_from is None
    post(hub, "awards-2.csv", awards("A-1,2010-01-01,100,2016-05-31"), NORTH_GRANTS)
    assert line(hub, "grants.expenditure").free_now == 1
    post(hub, "awards-3.csv", awards("A-1,2010-01-01,100,2026-05-31"), NORTH_GRANTS)
    found = line(hub, "grants.expenditure")
    assert (found.free_now, found.free_from, found.kept) == (0, date(2029, 5, 31), {"not yet due": 1})


def test_chemicals_are_kept_thirty_years_after_disposal_and_custody_three(hub: Hub) -> None:
    post(hub, "waste.csv", containers("C-1,Acetone,2,L,Room 1,2015-02-01", "C-2,Acetone,2,L,Room 1,"), NORTH_HAZMAT)
    post(hub, "log.csv", custody("C-1,1,moved,2015-01-05 10:00,Room 2"), NORTH_HAZMAT)
    container = line(hub, "hazmat.container")
    assert (container.free_now, container.kept) == (0, {"no date recorded of the disposal of the container": 1})
    event = line(hub, "hazmat.event")
    assert (event.citation, event.free_now, event.free_from) == ("40 CFR 262.40", 1, date(2018, 2, 1))


def test_an_inventory_is_free_at_no_day_for_want_of_a_disposition(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    process(hub, send_assets(hub, "lab.csv", asset("NC-0001")))
    found = line(hub, "inventory.asset")
    assert (found.submissions, found.free_now, found.free_from) == (1, 0, None)


def test_a_file_with_rows_that_left_no_entry_is_not_counted_as_free(hub: Hub) -> None:
    post(hub, "awards.csv", awards("A-1,2010-01-01,100,2016-05-31"), NORTH_GRANTS)
    post(hub, "awards-2.csv", awards("A-1,2010-01-01,100,2016-05-31", "A-2,2010-01-01,5,2016-05-31"), NORTH_GRANTS)
    found = line(hub, "grants.award")
    assert (found.submissions, found.free_now) == (2, 1)
    assert found.kept == {"some of its rows left no ledger entry, so that their dates can't be told": 1}


def test_a_hold_shows_in_the_schedule(hub: Hub) -> None:
    post(hub, "awards.csv", awards("A-1,2010-01-01,100,2016-05-31"), NORTH_GRANTS)
    hold, _ = hub.holds.on("award", "a-1", actor="person/ann", reason="audit 7")
    found = line(hub, "grants.award")
    assert (found.free_now, found.free_from, found.kept) == (0, None, {f"legal hold {hold.hold_id}": 1})


# ---- holds


def covered(hub: Hub, *request_ids: str) -> set[str]:
    with hub.db.read() as tx:
        return set(retention.covered(tx, request_ids, hub.holds.feeds_of))


def test_a_hold_on_an_award_covers_its_own_row_and_what_was_spent_on_it(hub: Hub) -> None:
    award = post(hub, "awards.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    spending = post(hub, "spent.csv", spent("T-1,A-1,10,2011-01-01"), NORTH_GRANTS)
    other = post(hub, "other.csv", spent("T-2,A-11,10,2011-01-01"), NORTH_GRANTS)
    waste = post(hub, "waste.csv", containers("A-1,Acetone,2,L,Room 1,"), NORTH_HAZMAT)
    hold, count = hub.holds.on("award", "  a-1 ", actor="person/ann", reason="audit 7")
    assert (hold.subject, count) == ("A-1", 2)
    assert covered(hub, award, spending, other, waste) == {award, spending}


def test_a_hold_covers_files_of_which_the_journal_cannot_tell_all(hub: Hub) -> None:
    post(hub, "awards.csv", awards("A-2,2010-01-01,100,"), NORTH_GRANTS)
    unchanged = post(hub, "again.csv", awards("A-2,2010-01-01,100.00,"), NORTH_GRANTS)
    rejected = str(send(hub, "bad.csv", awards("A-1,not a day,5,", "A-3,2010-01-01,5,"), NORTH_GRANTS).request_id)
    process(hub, rejected)
    waiting = str(send(hub, "waiting.csv", awards("A-4,2010-01-01,5,"), NORTH_GRANTS).request_id)
    hold, count = hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    assert covered(hub, unchanged, rejected, waiting) == {unchanged, rejected, waiting}
    assert (count, hub.holds.named(hold)) == (3, 0)


def test_a_hold_on_a_container_covers_its_custody_too(hub: Hub) -> None:
    box = post(hub, "waste.csv", containers("C-1,Acetone,2,L,Room 1,"), NORTH_HAZMAT)
    log = post(hub, "log.csv", custody("C-1,1,moved,2015-01-05 10:00,Room 2"), NORTH_HAZMAT)
    other = post(hub, "other.csv", containers("C-10,Acetone,2,L,Room 1,"), NORTH_HAZMAT)
    hub.holds.on("container", "c-1", actor="person/ann", reason="spill of May")
    assert covered(hub, box, log, other) == {box, log}


@pytest.mark.parametrize(
    ("campus", "feed", "shift", "is_covered"),
    [
        ("north", "grants", 0, True),
        (None, "grants", 0, True),
        ("north", None, 0, True),
        ("south", "grants", 0, False),
        ("north", "hazmat", 0, False),
        ("north", "grants", 10, False),
    ],
)
def test_a_hold_on_days_covers_what_its_campus_and_feed_received_then(
    hub: Hub, campus: str | None, feed: str | None, shift: int, is_covered: bool
) -> None:
    award = post(hub, "awards.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    today = datetime.now(UTC).date() + timedelta(days=shift)
    days = (today - timedelta(days=1), today + timedelta(days=1))
    _, count = hub.holds.on_scope(campus, feed, *days, actor="person/ann", reason="audit 7")
    assert (covered(hub, award), count) == (({award}, 1) if is_covered else (set(), 0))


def test_holds_are_placed_and_lifted_once_each_audited_with_actor_and_reason(hub: Hub) -> None:
    hold, _ = hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    with pytest.raises(BadHold):
        hub.holds.on("award", "A-1", actor="person/ann", reason=" ")
    hub.holds.lift(hold.hold_id, actor="person/bob", reason="closed by counsel")
    with pytest.raises(BadHold) as twice:
        hub.holds.lift(hold.hold_id, actor="person/cy", reason="mine")
    assert "lifted already by person/bob" in str(twice.value)
    with pytest.raises(BadHold) as unknown:
        hub.holds.lift("hold-0", actor="person/cy", reason="mine")
    assert "hub hold list" in str(unknown.value)
    with hub.db.read() as tx:
        (placed,) = audit.entries_named(tx, "hold:placed")
        (lifted,) = audit.entries_named(tx, "hold:lifted")
    assert (placed.event.actor, placed.event.detail["subject"]) == ("person/ann", "A-1")
    assert (lifted.event.actor, lifted.event.detail["reason"]) == ("person/bob", "closed by counsel")
    assert hub.holds.listing() == []
    assert len(hub.holds.listing(lifted_too=True)) == 1
    assert audit.walk(hub.db).ok


# ---- staged files


def test_a_staged_file_of_a_submission_settled_for_long_is_removed_and_can_be_made_again(hub: Hub) -> None:
    old = post(hub, "old.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    young = post(hub, "young.csv", awards("A-2,2010-01-01,100,"), NORTH_GRANTS)
    make_old(hub, old)
    trial = prune(hub, dry_run=True)
    assert (trial.removed, trial.freed_bytes > 0, staged(hub, old).exists()) == (1, True, True)
    found = prune(hub)
    assert (found.removed, found.freed_bytes, found.is_complete) == (1, trial.freed_bytes, True)
    assert (staged(hub, old).exists(), staged(hub, young).exists()) == (False, True)
    assert prune(hub).removed == 0
    with hub.db.read() as tx:
        (entry,) = audit.entries_named(tx, "retention:pruning")
    assert entry.event.detail["items"] == [{"staged": submission(hub, old).staged}]
    hub.review.apply_again(old, actor="person/ann")
    process(hub, old)
    assert submission(hub, old).counts.unchanged == 1
    assert_invariants(hub)


@pytest.mark.parametrize("state", ["received again", "leased", "in review", "young"])
def test_a_staged_file_that_somebody_still_needs_stays(hub: Hub, state: str) -> None:
    first = post(hub, "first.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    make_old(hub, first)
    path = staged(hub, first)
    # the same rows, read by the same decision, in a file of other bytes: one staged file for both
    second = str(send(hub, "second.csv", awards("A-1,2010-01-01,100, "), NORTH_GRANTS).request_id)
    held = lease_and_validate(hub, second)
    assert staged(hub, second) == path
    if state == "in review":
        hub.processing.fail(held, BadHold("no"), _failure())
        with hub.db.write() as tx:
            tx.execute(
                update(submissions.submission)
                .where(submissions.submission.c.request_id == second)
                .values(state=State.IN_REVIEW, cause="unreadable", settled_at=datetime(2020, 1, 1, tzinfo=UTC))
            )
    elif state == "received again":
        hub.processing.fail(held, BadHold("no"), _failure())
    elif state == "young":
        hub.processing.post(held)
    os.utime(path, (1, 1))
    found = prune(hub)
    assert (found.removed, found.kept.by_reason) == (0, {"another submission needs it": 1})
    assert path.exists()


def _failure() -> Any:
    from hub_pipelines.submission.model import Failure

    return Failure("Test", "no", "", "", None)


def test_a_file_that_was_staged_again_a_moment_ago_stays(hub: Hub) -> None:
    old = post(hub, "old.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    make_old(hub, old)
    os.utime(staged(hub, old))
    assert prune(hub).removed == 0


def test_a_dismissed_submissions_staged_file_goes_by_age(hub: Hub) -> None:
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"))
    held = lease_and_validate(hub, request_id)
    hub.processing.fail(held, Unreadable("no", ""), _failure())
    (item,) = hub.review.listing()
    hub.review.dismiss(item.item_id, actor="person/ann", reason=ReasonCode.TEST_DATA)
    make_old(hub, request_id)
    assert prune(hub).removed == 1


def test_what_a_hold_covers_stays_until_it_is_lifted(hub: Hub) -> None:
    held = post(hub, "held.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    other = post(hub, "other.csv", awards("A-2,2010-01-01,100,"), NORTH_GRANTS)
    make_old(hub, held)
    make_old(hub, other)
    hold, _ = hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    found = prune(hub)
    assert (found.removed, found.kept.by_reason) == (1, {f"legal hold {hold.hold_id}": 1})
    assert (staged(hub, held).exists(), staged(hub, other).exists()) == (True, False)
    assert removed_though_held(hub) == []
    hub.holds.lift(hold.hold_id, actor="person/ann", reason="closed")
    assert prune(hub).removed == 1


def test_a_removal_in_spite_of_a_hold_would_be_found_in_the_audit_chain(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = post(hub, "held.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    gone = post(hub, "gone.csv", awards("A-2,2010-01-01,100,"), NORTH_GRANTS)
    make_old(hub, gone)
    prune(hub)
    hold, _ = hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    hub.holds.on("award", "A-2", actor="person/ann", reason="audit 8")
    assert removed_though_held(hub) == []  # it was gone before
    make_old(hub, held)
    with monkeypatch.context() as blind:
        blind.setattr(retention, "covered", lambda *_: {})
        assert prune(hub).removed == 1
    (found,) = removed_though_held(hub)
    assert (found["hold"], found["request_id"]) == (hold.hold_id, held)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (retention.legal_hold.delete(), "the audit log tells of this legal hold, and its record is missing"),
        (
            update(retention.legal_hold).values(lifted_at=datetime(2026, 1, 1, tzinfo=UTC), lifted_by="person/ann"),
            "the record of this legal hold is not what the audit log tells",
        ),
        (
            update(retention.legal_hold).values(subject="A-9"),
            "the record of this legal hold is not what the audit log tells",
        ),
        (
            update(retention.legal_hold).values(placed_at=datetime.now(UTC) + timedelta(minutes=1)),
            "the record of this legal hold is not what the audit log tells",
        ),
    ],
    ids=["deleted", "lifted in silence", "of another award", "placed a minute later"],
)
def test_a_hold_that_was_changed_in_its_table_ends_nothing_and_is_told(hub: Hub, change: Any, told: str) -> None:
    held = post(hub, "held.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    make_old(hub, held)
    hold, _ = hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")
    assert verify_all(hub).ok
    with hub.db.write() as tx:
        tx.execute(change)
    with pytest.raises(HoldsAstray) as refused:
        prune(hub)
    assert f"Nothing was removed. {hold.hold_id}: {told}" in str(refused.value)
    assert staged(hub, held).exists()
    mend = "Find out who changed it, and have the record restored from a backup."
    assert verify_all(hub).first_bad == f"{hold.hold_id}: {told}. {mend}"


def test_a_hold_may_be_on_days_of_a_campus_that_settings_no_longer_name(
    hub: Hub, home_command: Callable[..., str]
) -> None:
    post(hub, "held.csv", awards("A-1,2010-01-01,100,"), NORTH_GRANTS)
    toml = hub.settings.home / "hub.toml"
    toml.write_text('[campuses.south]\ntime_zone = "UTC"\n', encoding="utf-8")
    days = ["--from", "2020-01-01", "--to", "2099-01-01", "--reason", "audit 7", "--by", "ann"]
    assert "holds all feeds of north" in home_command(hub, "hold", "add", "--campus", "north", *days)
    assert "There is no campus 'nroth'" in home_command(hub, "hold", "add", "--campus", "nroth", *days)


def test_a_hold_that_nobody_placed_is_told(hub: Hub) -> None:
    with hub.db.write() as tx:
        placed = retention.place(tx, {"kind": "award", "subject": "A-1", "reason": "x", "placed_by": "person/ann"})
    assert hub.holds.astray() == [f"{placed.hold_id}: no audit entry tells of this legal hold"]


def test_a_lifted_hold_is_what_the_chain_tells(hub: Hub) -> None:
    hold, _ = hub.holds.on_scope("north", None, date(2026, 1, 1), date(2026, 2, 1), actor="person/ann", reason="a 7")
    hub.holds.lift(hold.hold_id, actor="person/bo", reason="closed")
    assert hub.holds.astray() == []
    with hub.db.write() as tx:
        tx.execute(update(retention.legal_hold).values(lifted_at=retention.legal_hold.c.placed_at))
    assert hub.holds.astray() == [f"{hold.hold_id}: the record of this legal hold is not what the audit log tells"]


def test_the_moment_of_a_hold_that_an_earlier_release_placed_is_about_that_of_its_entry(hub: Hub) -> None:
    hub.holds.on("award", "A-1", actor="person/ann", reason="audit 7")

    def as_told_then(told: list[tuple[Any, Event]]) -> None:
        ((at, one),) = told
        detail = {name: value for name, value in one.detail.items() if name != "placed_at"}
        told[0] = at, replace(one, detail=detail)

    rewrite(hub, RESERVED_CAMPUS, as_told_then)
    assert hub.holds.astray() == []
    with hub.db.write() as tx:
        tx.execute(update(retention.legal_hold).values(placed_at=datetime(2026, 1, 1, tzinfo=UTC)))
    (astray,) = hub.holds.astray()
    assert "is not what the audit log tells" in astray


def test_a_hold_stands_though_its_feed_is_no_longer_enabled(hub: Hub) -> None:
    held = post(hub, "held.csv", containers("C-7,acetone,1,L,R 1,"), NORTH_HAZMAT)
    make_old(hub, held)
    hub.holds.on("container", "C-7", actor="person/ann", reason="spill of May")
    with (hub.settings.home / "hub.toml").open("a", encoding="utf-8") as toml:
        toml.write('\n[feeds]\nenabled = ["procurement", "inventory", "grants"]\n')
    without = open_test_hub(hub.settings.home, hub.db.url.render_as_string(hide_password=False))
    assert "hazmat" not in without.feeds
    assert prune(without).removed == 0
    assert staged(hub, held).exists()
    without.db.dispose()


def test_when_the_server_ends_a_slow_prune_nothing_more_is_removed_without_its_lock(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hub.db.is_postgres:
        pytest.skip("SQLite ends no transaction")
    ids = [post(hub, f"{n}.csv", awards(f"A-{n},2010-01-01,{n},"), NORTH_GRANTS) for n in range(2)]
    for request_id in ids:
        make_old(hub, request_id)
    real = pruning._remove

    def slow(path: Path, found: Pruned) -> None:
        real(path, found)
        with hub.db.engine.connect() as other:
            other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
                )
            )

    monkeypatch.setattr(pruning, "_remove", slow)
    with pytest.raises(Transient):
        prune(hub)
    assert sorted(staged(hub, request_id).exists() for request_id in ids) == [False, True]


def test_a_hold_that_is_placed_while_a_prune_runs_wins(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [post(hub, f"{n}.csv", awards(f"A-{n},2010-01-01,{n},"), NORTH_GRANTS) for n in range(3)]
    for request_id in ids:
        make_old(hub, request_id)
    outcome: list[Pruned] = []
    worker = threading.Thread(target=lambda: outcome.append(prune(hub)))
    chosen = threading.Event()

    def announce(*args: Any, real: Any = pruning.announce) -> None:
        chosen.set()
        real(*args)

    monkeypatch.setattr(pruning, "announce", announce)
    fields = {"kind": "award", "subject": "A-1", "reason": "audit 7", "placed_by": "person/ann"}
    with hub.db.write() as tx:
        retention.place(tx, fields)
        worker.start()  # it chooses all three: nobody but this transaction knows of the hold
        assert chosen.wait(60)
        time.sleep(0.1)
        assert all(staged(hub, request_id).exists() for request_id in ids)
    worker.join()
    assert [staged(hub, request_id).exists() for request_id in ids] == [False, True, False]
    (found,) = outcome
    assert found.removed == 2
    with hub.db.read() as tx:
        announced = [entry.event.detail["items"] for entry in audit.entries_named(tx, "retention:pruning")]
        (back,) = audit.entries_named(tx, "retention:held_back")
    assert [len(items) for items in announced] == [3]  # type: ignore[arg-type]
    assert list(back.event.detail["kept"]) == [submission(hub, ids[1]).staged]  # type: ignore[call-overload]
    assert removed_though_held(hub) == []
    assert audit.walk(hub.db).ok


@pytest.mark.slow
def test_after_a_hold_is_placed_a_prune_under_way_removes_nothing_of_it(hub: Hub) -> None:
    ids = [post(hub, f"{n}.csv", awards(f"A-{n},2010-01-01,{n},"), NORTH_GRANTS) for n in range(60)]
    for request_id in ids:
        make_old(hub, request_id)
    paths = [staged(hub, request_id) for request_id in ids]
    worker = threading.Thread(target=prune, args=(hub,))
    worker.start()
    while all(path.exists() for path in paths):
        time.sleep(0.001)
    today = datetime.now(UTC).date()
    hub.holds.on_scope("north", "grants", date(2020, 1, 1), today, actor="person/ann", reason="audit 7")
    left = {path for path in paths if path.exists()}
    worker.join()
    assert {path for path in paths if path.exists()} == left
    assert removed_though_held(hub) == []
