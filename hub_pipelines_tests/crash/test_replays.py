"""Replays and corrections by processes that race and die: one effect for each item, none lost (faults 15, 16)."""

import os
import shutil
import signal
import time
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from hub_pipelines import requeueing
from hub_pipelines.common.errors import HubError
from hub_pipelines.recovery.model import Finding, Kind, Position
from hub_pipelines.recovery.service import Reconciler
from hub_pipelines.resubmitting import resubmit
from hub_pipelines.review.model import ItemState, Selection
from hub_pipelines.submission.model import IllegalMove, State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork, run_in_child, stop_self, wait_until_stopped
from hub_pipelines_tests.crash.test_overlaps import stop_before_posting
from hub_pipelines_tests.stores.test_recovery import KnownRuns
from hub_pipelines_tests.support import (
    advancing,
    all_submissions,
    assert_invariants,
    asset,
    events,
    expire_leases,
    in_review_for_lost_bytes,
    inventory_csv,
    journal_size,
    ledger_values,
    make_registry,
    open_test_hub,
    process,
    process_all,
    send,
    send_assets,
    submission,
)

pytestmark = pytest.mark.crash

ITEMS = 12
CORRECTED = inventory_csv([asset("NC-0001", location="corrected")])


def replay_all(
    home: Path, database_url: str, report: Path, *, kill_after: int = 0, stops_between: bool = False
) -> None:
    """A group replay as an operator runs it; killed by its own hand once so many have settled (0: never). It may stop
    between choosing and sending."""
    hub = open_test_hub(home, database_url)
    settled = 0

    def progress(_text: str) -> None:
        nonlocal settled
        settled += 1
        if settled == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    targets = requeueing.of_items(hub, Selection())
    if stops_between:
        stop_self()
    done = requeueing.send(
        hub,
        targets,
        actor=f"person/operator-{os.getpid()}",
        advance=advancing(hub, f"run-{os.getpid()}"),
        rate=1000,
        stop_on_failure_share=1,
        timeout_s=50,
        progress=progress,
    )
    report.write_text(f"{len(done.sent)} {len(done.refused)} {len(done.left)}", encoding="utf-8")


def filled(home: Path, database_url: str, number: int) -> list[str]:
    hub = open_test_hub(home, database_url)
    make_registry(hub, ["NC-0001", "NC-0002"])
    sent = in_review_for_lost_bytes(hub, number)
    hub.db.dispose()
    return sent


def assert_each_replayed_once(home: Path, database_url: str, sent: list[str]) -> None:
    hub = open_test_hub(home, database_url)
    assert hub.review.listing() == []
    for request_id in sent:
        current = submission(hub, request_id)
        assert (current.state, current.revision) == (State.POSTED, 2)
        assert Counter(events(hub, request_id))["review:replayed"] == 1
        assert Counter(events(hub, request_id))["submission:posted"] == 1
    assert_invariants(hub)
    hub.db.dispose()


@pytest.mark.parametrize("killed", [False, True], ids=["both live", "one killed halfway"])
def test_two_group_replays_at_once_have_one_effect_for_each_item(
    database_url: str, tmp_path: Path, killed: bool
) -> None:
    home = tmp_path / "home"
    sent = filled(home, database_url, ITEMS)
    reports = [tmp_path / "first", tmp_path / "second"]
    kill_after = ITEMS // 4 if killed else 0
    replay = partial(replay_all, home, database_url, stops_between=True)
    first = fork(partial(replay, reports[0], kill_after=kill_after))
    second = fork(partial(replay, reports[1]))
    for one in (first, second):
        wait_until_stopped(one)  # both have chosen the same items
    for one in (first, second):
        os.kill(one, signal.SIGCONT)
    assert finish(first) == (-signal.SIGKILL if killed else 0)
    assert finish(second) == 0
    told = [list(map(int, report.read_text().split())) for report in reports if report.exists()]
    assert all(sum(one) == ITEMS for one in told)
    if not killed:
        assert sum(one[0] for one in told) == ITEMS
    hub = open_test_hub(home, database_url)
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")  # what the killed one was working on is taken over
    hub.db.dispose()
    assert_each_replayed_once(home, database_url, sent)


def test_a_replay_cancelled_halfway_leaves_the_rest_in_review_and_the_next_one_finishes(
    database_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    sent = filled(home, database_url, 6)
    assert finish(fork(partial(replay_all, home, database_url, tmp_path / "x", kill_after=3))) == -signal.SIGKILL
    hub = open_test_hub(home, database_url)
    waiting = {item.request_id for item in hub.review.listing()}
    assert 0 < len(waiting) <= 3
    assert all((submission(hub, one).state is State.IN_REVIEW) == (one in waiting) for one in sent)
    hub.db.dispose()
    assert finish(fork(partial(replay_all, home, database_url, tmp_path / "y"))) == 0
    hub = open_test_hub(home, database_url)
    expire_leases(hub.db)
    process_all(hub, owner="rescuer")
    hub.db.dispose()
    assert_each_replayed_once(home, database_url, sent)


def test_a_replay_killed_at_any_boundary_has_happened_or_has_not(tmp_path: Path) -> None:
    template = tmp_path / "template"
    (request_id,) = filled(template, f"sqlite:///{template / 'hub.db'}", 1)

    def replay(home: Path, kill_at: int) -> None:
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
        (item,) = hub.review.listing()
        boundaries = Boundaries(kill_at)
        boundaries.watch_commits(hub)
        hub.review.replay(item.item_id, actor="person/kim")
        boundaries.step()

    for kill_at in (1, 2):
        home = tmp_path / f"home-{kill_at}"
        shutil.copytree(template, home)
        assert finish(fork(partial(replay, home, kill_at))) == -signal.SIGKILL
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
        happened = submission(hub, request_id).state is State.RECEIVED
        assert happened == (kill_at == 2)
        assert len(hub.review.listing()) == (0 if happened else 1)
        hub.db.dispose()
        assert finish(fork(partial(replay_all, home, f"sqlite:///{home / 'hub.db'}", tmp_path / "z"))) == 0
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
        process_all(hub)
        hub.db.dispose()
        assert_each_replayed_once(home, f"sqlite:///{home / 'hub.db'}", [request_id])


def test_a_replay_after_a_late_success_finds_the_stored_outcome(database_url: str, tmp_path: Path) -> None:
    """The first run sleeps through its last attempt; replayed meanwhile, it posts; then the sleeper and others come."""
    home, report = tmp_path / "home", tmp_path / "report"
    hub = open_test_hub(home, database_url, max_attempts=1)
    make_registry(hub, ["NC-0001", "NC-0002"])
    request_id = send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
    hub.db.dispose()
    sleeper = run_in_child(home, database_url, request_id, owner="sleeper", report=report, before=stop_before_posting)
    wait_until_stopped(sleeper)
    hub = open_test_hub(home, database_url)
    expire_leases(hub.db)
    assert hub.ending.give_up_exhausted() == 1
    (item,) = hub.review.listing()
    hub.review.replay(item.item_id, actor="person/kim")
    process(hub, request_id, owner="second")
    size = journal_size(hub)
    os.kill(sleeper, signal.SIGCONT)
    assert finish(sleeper) == 0
    assert report.read_text() == '"lease lost"'
    with pytest.raises(IllegalMove, match="is posted: 2 rows posted, 0 unchanged, 0 rejected; nothing was changed"):
        hub.review.replay(item.item_id, actor="person/lee")
    (target,) = requeueing.of_requests(hub, [request_id])
    assert "posted already" in str(target.refused)
    assert journal_size(hub) == size
    assert submission(hub, request_id).revision == 2
    assert_invariants(hub)
    hub.db.dispose()


# ---- corrected copies


def lacking_file(home: Path, database_url: str) -> str:
    """A hub with one item for a file without its columns, and a corrected copy beside it; the item's id."""
    hub = open_test_hub(home, database_url, lease_s=30)
    make_registry(hub, ["NC-0001"])
    arrival = send(hub, "lab.csv", b"asset_tag,quantity\nNC-0001,1\n")
    assert process(hub, str(arrival.request_id)) is State.IN_REVIEW
    (home / "mended.csv").write_bytes(CORRECTED)
    (item,) = hub.review.listing()
    hub.db.dispose()
    return item.item_id


def correct(home: Path, database_url: str, item_id: str, kill_at: int = 0) -> int:
    hub = open_test_hub(home, database_url)
    boundaries = Boundaries(kill_at)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    resubmit(hub, item_id, home / "mended.csv", actor="person/kim")
    boundaries.step()
    return boundaries.count


def assert_corrected_once(home: Path, database_url: str, item_id: str) -> None:
    hub = open_test_hub(home, database_url)
    process_all(hub)
    item, _ = hub.review.show(item_id)
    assert item.state is ItemState.RESUBMITTED
    named = [one for one in all_submissions(hub) if one.envelope.source_name == "lab.csv"]
    assert {one.state for one in named} == {State.POSTED, State.DISMISSED}
    (posted,) = (one for one in named if one.state is State.POSTED)
    assert (posted.request_id, posted.revises) == (item.replaced_by, item.request_id)
    assert_invariants(hub)
    hub.db.dispose()


@pytest.mark.slow
def test_a_correction_killed_at_any_boundary_can_be_made_again_and_is_made_once(tmp_path: Path) -> None:
    template = tmp_path / "template"
    item_id = lacking_file(template, f"sqlite:///{template / 'hub.db'}")
    told = tmp_path / "count"

    def copied(name: str) -> tuple[Path, str]:
        home = tmp_path / name
        shutil.copytree(template, home)
        return home, f"sqlite:///{home / 'hub.db'}"

    home, url = copied("unharmed")
    assert finish(fork(lambda: told.write_text(str(correct(home, url, item_id))))) == 0
    boundaries = int(told.read_text())
    assert boundaries >= 8
    for kill_at in range(1, boundaries + 1):
        home, url = copied(f"killed-{kill_at}")
        assert finish(fork(partial(correct, home, url, item_id, kill_at))) == -signal.SIGKILL
        hub = open_test_hub(home, url)
        still_open = bool(hub.review.listing())
        hub.db.dispose()
        if still_open:
            assert finish(fork(partial(correct, home, url, item_id))) == 0
        assert_corrected_once(home, url, item_id)
        shutil.rmtree(home)


def reconcile_an_hour_later(home: Path, database_url: str) -> tuple[Finding, ...]:
    hub = open_test_hub(home, database_url)
    reconciler = Reconciler(hub, KnownRuns(), now=lambda: time.time() + 3_600)
    findings = reconciler.look(Position(), thorough=True).findings
    hub.db.dispose()
    return findings


def test_two_people_who_correct_one_item_at_once_send_one_copy(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    item_id = lacking_file(home, database_url)
    gate_out, gate_in = os.pipe()

    def person(number: int) -> None:
        hub = open_test_hub(home, database_url)
        file = home / f"mended-{number}.csv"
        file.write_bytes(CORRECTED.replace(b"corrected", f"corrected {number}".encode()))
        os.close(gate_in)
        os.read(gate_out, 1)  # returns when the parent closes its end
        try:
            resubmit(hub, item_id, file, actor=f"person/number {number}")
        except HubError as refusal:
            (home / f"refused-{number}").write_text(str(refusal))

    pids = [fork(partial(person, number)) for number in range(6)]
    os.close(gate_out)
    os.close(gate_in)
    assert [finish(pid) for pid in pids] == [0] * 6
    refusals = [path.read_text() for path in home.glob("refused-*")]
    assert len(refusals) == 5
    assert all("was resubmitted already by person/number" in text for text in refusals)
    assert_corrected_once(home, database_url, item_id)
    found = reconcile_an_hour_later(home, database_url)
    assert [one for one in found if one.kind is Kind.NOT_REGISTERED] == [], "what was refused has left no envelope"
    assert_corrected_once(home, database_url, item_id)


@pytest.mark.slow
def test_a_correction_that_was_killed_does_not_post_over_the_one_that_another_person_made_then(tmp_path: Path) -> None:
    template = tmp_path / "template"
    item_id = lacking_file(template, f"sqlite:///{template / 'hub.db'}")
    left = 0
    for kill_at in count(1):
        home = tmp_path / f"killed-{kill_at}"
        url = f"sqlite:///{home / 'hub.db'}"
        shutil.copytree(template, home)
        if finish(fork(partial(correct, home, url, item_id, kill_at))) == 0:
            break
        hub = open_test_hub(home, url)
        if hub.review.listing():
            (home / "other.csv").write_bytes(CORRECTED.replace(b"corrected", b"otherwise"))
            resubmit(hub, item_id, home / "other.csv", actor="person/lee")
            process_all(hub)
            hub.db.dispose()
            left += len([one for one in reconcile_an_hour_later(home, url) if one.kind is Kind.NOT_REGISTERED])
            hub = open_test_hub(home, url)
            process_all(hub)
            assert ledger_values(hub)["NC-0001"]["location"] == "otherwise"
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)
    assert left > 0, "one was killed between its envelope and its commit"
