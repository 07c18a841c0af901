"""Messages whose writer, sealer or worker is killed: what was acknowledged is there once, the rest may be sent again.

Not here: the processes of a receiver that is served (test_receivers.py).
"""

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.common.store import Transaction
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Answer, Capacity, Load
from hub_pipelines.intake.inbox.upgrading import store as upgrading
from hub_pipelines.messaging import Fate
from hub_pipelines.submission.model import Cause, State
from hub_pipelines.validate import messages
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import LEASE_S, Homes, homes_for, kill_everywhere, make_object_folders
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    STOCK,
    STOCK_LEDGER,
    as_version_3,
    body_of,
    fates,
    lines,
    message,
    moved,
    outcome_by_id,
    settle,
    stock,
    take,
)
from hub_pipelines_tests.support import (
    all_submissions,
    events,
    expire_leases,
    ledger_values,
    ledger_version,
    open_test_hub,
    process_all,
)

pytestmark = pytest.mark.crash

MESSAGES = (
    message("m-1", body_of(stock("Ethanol", 1), at="2026-03-01T10:00:00Z")),
    message("m-2", body_of(stock("Ethanol", 2), at="2026-03-01T11:00:00Z")),
    message("m-3", body_of(stock("Acetone", "many"))),
    message("m-4", body_of(stock("Toluene", 4))),
)
FATES = [Fate.SUPERSEDED, Fate.POSTED, Fate.REJECTED, Fate.POSTED]


def fill(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    take(hub, *MESSAGES)
    hub.db.dispose()
    hub.inbox.db.dispose()


def seal(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    hub.sealing.seal_due("north", at_once=True)


def recover(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    settle(hub)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.counts.received) == (State.POSTED, len(MESSAGES))
    told = [outcome_by_id(hub, one) for one in MESSAGES]
    assert [one.fate for one in told] == FATES
    assert {one.message.submission for one in told} == {batch.request_id}
    assert events(hub, batch.request_id).count("submission:received") == 1
    assert {one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()} == {"2", "4"}
    assert ledger_version(hub, STOCK_LEDGER) == 1
    assert_invariants(hub)


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that judging imports is loaded here, so that no child need do so."""
    home = tmp_path_factory.mktemp("loaded")
    fill(home, f"sqlite:///{home / 'hub.db'}")
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    settle(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def homes(request: pytest.FixtureRequest, kind: str) -> Homes:
    return homes_for(request, kind, fill)


def test_sealing_killed_at_any_boundary_leads_to_the_same_one_submission(homes: Homes) -> None:
    """Inbox and hub are two databases on SQLite: no common transaction keeps them together, only repeatable steps."""
    kill_everywhere(homes, seal, recover, at_least=17)


def test_two_sealers_at_once_make_one_batch(homes: Homes) -> None:
    with ExitStack() as stack:
        home = homes.copy("raced", stack)
        sealers = [fork(partial(seal, *home, Boundaries(0))) for _ in range(4)]
        assert [finish(pid) for pid in sealers] == [0] * 4
        assert finish(fork(partial(recover, *home))) == 0


# ---- a worker that dies while it posts sets, of which one has posted before and others are late or wrong

SETS = (
    message("s-1", body_of(stock("Ethanol", 20), at="2026-03-01T12:00:00Z")),
    message("s-2", body_of(stock("Ethanol", 9), at="2026-03-01T09:00:00Z")),
    message("s-3", body_of(stock("Acetone", 3), at="2026-03-01T08:00:00Z")),
    message("s-4", body_of(stock("Toluene", "many"))),
    message("s-5", body_of(stock("Hexane", 5, note="top shelf"), at="2026-03-01T12:00:00Z")),
)
FATES_OF_SETS = [Fate.POSTED, Fate.SUPERSEDED, Fate.SUPERSEDED, Fate.REJECTED, Fate.POSTED]


def fill_sets(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take(hub, message("s-0", body_of(stock("Acetone", 7), at="2026-03-01T10:00:00Z")))
    settle(hub)
    take(hub, *SETS)
    hub.sealing.seal_due("north", at_once=True)
    hub.db.dispose()
    hub.inbox.db.dispose()


def recover_sets(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    told = [outcome_by_id(hub, one) for one in SETS]
    assert [one.fate for one in told] == FATES_OF_SETS
    items = {one["item_name"]: one for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert {name: one["quantity_on_hand"] for name, one in items.items()} == {
        "Acetone": "7",
        "Ethanol": "20",
        "Hexane": "5",
    }
    assert items["Hexane"]["other"] == {"note": "top shelf"}
    (batch,) = {str(one.message.submission) for one in told}
    assert events(hub, batch).count("submission:posted") == 1
    # what a later message is compared with was kept with the posting, or not at all
    take(hub, message("s-6", body_of(stock("Ethanol", 1), at="2026-03-01T11:00:00Z")))
    settle(hub)
    assert ledger_version(hub, STOCK_LEDGER) == 2
    assert_invariants(hub)


def test_a_worker_killed_while_it_posts_sets_applies_each_message_once(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill_sets)
    kill_everywhere(homes, post, recover_sets, at_least=6)


# ---- a worker that dies while it adjusts quantities

NOON = "2026-03-01T12:00:00Z"
MOVED = (
    message("a-1", body_of(moved("Ethanol", 2), kind=f"{STOCK}.received", at=NOON)),
    message("a-2", body_of(moved("Ethanol", 3, to_location="B"), kind=f"{STOCK}.transferred", at=NOON)),
    message("a-3", body_of(moved("Ethanol", 500, unit="mL"), kind=f"{STOCK}.consumed", at="2026-03-01T13:00:00Z")),
    message("a-4", body_of(stock("Ethanol", 20), at="2026-03-01T11:30:00Z")),
)


def fill_moved(home: Path, database_url: str) -> None:
    """What there was has posted; what came and went, and a late count, are in a batch."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take(hub, message("a-0", body_of(stock("Ethanol", 10), at="2026-03-01T10:00:00Z")))
    settle(hub)
    take(hub, *MOVED)
    hub.sealing.seal_due("north", at_once=True)
    hub.db.dispose()
    hub.inbox.db.dispose()


def post(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_commits(hub)
    process_all(hub)


def recover_moved(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    assert [outcome_by_id(hub, one).fate for one in MOVED] == [Fate.POSTED] * 4
    items = {one["location"]: one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert items == {"Chem 214": "18.5", "B": "3"}
    assert_invariants(hub)


def test_a_worker_killed_while_it_adjusts_applies_each_message_once(request: pytest.FixtureRequest, kind: str) -> None:
    homes = homes_for(request, kind, fill_moved)
    kill_everywhere(homes, post, recover_moved, at_least=6)


# ---- a batch that brings every worker down

AT_ONE_MOMENT = "2026-03-01T10:00:00Z"
POISONED = (
    message("p-1", body_of(stock("Ethanol", 1), at=AT_ONE_MOMENT)),
    message("p-2", body_of(stock("Acetone", 2), at=AT_ONE_MOMENT)),
    message("p-3", body_of(moved("Acetone", 1), kind=f"{STOCK}.consumed", at=NOON)),
    message("p-4", body_of(stock("Poison", 4))),
    message("p-5", body_of(stock("Ethanol", 5), at=AT_ONE_MOMENT)),
    message("p-6", body_of(stock("Toluene", 6))),
)


def arm(monkeypatch: pytest.MonkeyPatch, fault: Callable[[], object]) -> None:
    """Reading the one message has a fault that no program can catch, or that nobody foresaw."""
    real = messages._message

    def read(row_no: int, envelope: Any, text: bytes, *others: Any) -> Any:
        if b"Poison" in text:
            fault()
        return real(row_no, envelope, text, *others)

    monkeypatch.setattr(messages, "_message", read)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unforeseen() -> None:
    raise RuntimeError("nobody foresaw this")


def fill_poisoned(home: Path, database_url: str) -> None:
    """A batch that is in review because nobody could read it, and has not been split."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S, max_attempts=2)
    make_object_folders(hub)
    take(hub, *POISONED)
    with pytest.MonkeyPatch.context() as monkeypatch:
        arm(monkeypatch, unforeseen)
        hub.sealing.seal_due("north", at_once=True)
        process_all(hub)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.cause) == (State.IN_REVIEW, Cause.EXHAUSTED)
    hub.db.dispose()
    hub.inbox.db.dispose()


def split_and_register(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    hub.sealing.seal_due("north", at_once=True)


def recover_split(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    whole, *halves = sorted(all_submissions(hub), key=lambda one: one.envelope.received_at)
    assert (whole.state, events(hub, whole.request_id).count("submission:split")) == (State.DISMISSED, 1)
    assert [(one.state, one.counts.received) for one in halves] == [(State.POSTED, 3)] * 2
    assert [one.envelope.headers["split_from"] for one in halves] == [whole.request_id] * 2
    assert_posted_in_order(hub, {"Ethanol": "5", "Acetone": "1", "Poison": "4", "Toluene": "6"})


def assert_posted_in_order(hub: Hub, expected: dict[str, str]) -> None:
    """Of the sets of one item at one moment the one that came last counts."""
    items = {one["item_name"]: one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert items == expected
    assert_invariants(hub)


def test_splitting_killed_at_any_boundary_leads_to_the_same_two_halves(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill_poisoned)
    kill_everywhere(homes, split_and_register, recover_split, at_least=9)


def fill_waiting(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S, max_attempts=2)
    make_object_folders(hub)
    take(hub, *POISONED)
    hub.db.dispose()
    hub.inbox.db.dispose()


def work_until_all_is_settled(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    expire_leases(hub.db)
    settle(hub)


def test_a_message_that_kills_every_worker_is_found_by_halves_and_its_neighbours_post(
    request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 12, for messages: the process is gone each time, and has not told which message it was."""
    homes = homes_for(request, kind, fill_waiting)
    with ExitStack() as stack:
        home, url = homes.copy("poisoned", stack)
        arm(monkeypatch, kill_self)
        deaths = 0
        while (end := finish(fork(partial(work_until_all_is_settled, home, url)))) != 0:
            assert end == -signal.SIGKILL
            deaths += 1
        monkeypatch.undo()
        assert deaths == 2 * 4  # two attempts at batches of six, three, two and one
        hub = open_test_hub(home, url)
        told = [outcome_by_id(hub, one) for one in POISONED]
        assert [one.fate for one in told] == [Fate.POSTED] * 3 + [Fate.IN_REVIEW] + [Fate.POSTED] * 2
        (item,) = hub.review.listing()
        assert (item.request_id, item.headers["messages"]) == (told[3].message.submission, "1")
        assert_posted_in_order(hub, {"Ethanol": "5", "Acetone": "1", "Toluene": "6"})
        hub.db.dispose()
        hub.inbox.db.dispose()


# ---- a writer that dies around its commit


def fill_nothing(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    hub.db.dispose()
    hub.inbox.db.dispose()


def take_group(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_short_transactions()
    take(hub, *MESSAGES)


def take_group_at_the_end_of_the_capacity(home: Path, database_url: str, boundaries: Boundaries) -> None:
    """PostgreSQL takes nothing of it in one go, and then each delivery."""
    hub = open_test_hub(home, database_url)
    boundaries.watch_short_transactions()
    just_enough = Capacity(Load(len(MESSAGES), hub.inbox.capacity.most.size_bytes))
    answers = take(replace(hub, inbox=replace(hub.inbox, capacity=just_enough)), *MESSAGES)
    assert {one.answer for one in answers} == {Answer.RECEIVED}


def send_again(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    answers = {one.answer for one in take(hub, *MESSAGES)}
    assert answers in ({Answer.RECEIVED}, {Answer.DUPLICATE}), "a part of a group was kept"
    recover(home, database_url)


def test_a_group_whose_writer_is_killed_at_any_step_is_kept_whole_or_not_at_all(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """Fault 11: also when the database has been told to commit, and nobody is there any more to hear that it has."""
    homes = homes_for(request, kind, fill_nothing)
    kill_everywhere(homes, take_group, send_again, at_least={"sqlite": 7, "postgresql": 3}[kind])


def test_a_group_that_just_fits_whose_writer_is_killed_at_any_step_is_kept_whole_or_not_at_all(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill_nothing)
    at_least = {"sqlite": 7, "postgresql": 10}[kind]
    kill_everywhere(homes, take_group_at_the_end_of_the_capacity, send_again, at_least=at_least)


# ---- an inbox of an earlier release


def fill_former(home: Path, database_url: str) -> None:
    """An inbox of an earlier release, with a batch that is sealed and a delivery that waits."""
    hub = open_test_hub(home, database_url)
    take(hub, MESSAGES[0], lines("m-9", {2: "Acetone", 5: "Toluene"}))
    hub.sealing.seal_due("north", at_once=True)
    take(hub, MESSAGES[1])
    with hub.inbox.db.write() as tx:
        as_version_3(tx)
    hub.db.dispose()
    hub.inbox.db.dispose()


def open_and_commit_nothing(home: Path, database_url: str) -> None:
    """Killed when all is upgraded and nothing of it committed."""
    real = upgrading.upgrade

    def upgrade(tx: Transaction, found: int) -> None:
        real(tx, found)
        kill_self()

    upgrading.upgrade = upgrade
    open_test_hub(home, database_url)


def open_and_send_again(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    again = take(hub, MESSAGES[0], lines("m-9", {2: "Acetone", 5: "Toluene"}), MESSAGES[1])
    assert [one.answer for one in again] == [Answer.DUPLICATE] * 3
    assert [len(one.request_ids) for one in again] == [1, 2, 1]
    settle(hub)
    assert fates(hub, again) == [Fate.POSTED] * 4
    assert_invariants(hub)


def test_an_upgrade_of_the_inbox_killed_before_its_commit_is_done_by_whoever_comes_next(
    request: pytest.FixtureRequest, kind: str
) -> None:
    with ExitStack() as stack:
        home = homes_for(request, kind, fill_former).copy("former", stack)
        assert finish(fork(partial(open_and_commit_nothing, *home))) == -signal.SIGKILL
        openers = [fork(partial(open_test_hub, *home)) for _ in range(3)]
        assert [finish(pid) for pid in openers] == [0] * 3
        assert finish(fork(partial(open_and_send_again, *home))) == 0
