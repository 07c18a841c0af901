"""kill -9 after each write within one posting of several chunks: all of it is gone, and the next run posts it once."""

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines import processing
from hub_pipelines.common.rows import store as many_rows
from hub_pipelines.common.store import Database
from hub_pipelines.hub import Hub
from hub_pipelines.ledger.digests import ChangeColumns
from hub_pipelines.ledger.posting import leaves, recording
from hub_pipelines.ledger.posting import store as postings
from hub_pipelines.ledger.posting.folding import store as folding
from hub_pipelines.ledger.posting.incoming import store as incoming
from hub_pipelines.resting import Resting
from hub_pipelines.submission.model import State
from hub_pipelines.validate.staging import ChunkLimits
from hub_pipelines_tests.conftest import MakeDatabase
from hub_pipelines_tests.crash.faults import finish, fork
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    asset,
    events,
    expire_lease,
    journal_size,
    lease,
    lease_and_validate,
    make_registry,
    make_retry_due,
    open_test_hub,
    process,
    send_assets,
    submission,
    wait_until,
)
from hub_pipelines_tests.unit.ledger.test_leaves import programs

pytestmark = pytest.mark.crash

TAGS = [f"NC-{number:04}" for number in range(5)]


def opened(home: Path, database_url: str) -> Hub:
    """A hub that posts two rows at a time and does not give up."""
    hub = open_test_hub(home, database_url, max_attempts=20)
    return replace(hub, processing=replace(hub.processing, chunks=ChunkLimits(rows=2)))


def die_after_write(number: int) -> None:
    """Kill this process when the posting has written so many times. Use it in a child only."""
    written = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **named: Any) -> Any:
            nonlocal written
            done = real(*args, **named)
            written += 1
            if written == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return write

    dies = {
        name: dying(getattr(many_rows, name))
        for name in ("insert_many", "insert_columns", "insert_from", "update_from")
    }
    for module, names in {
        incoming: ["insert_columns"],
        postings: ["insert_columns"],
        recording: ["insert_many"],
        folding: ["insert_from", "update_from"],
    }.items():
        for name in names:
            setattr(module, name, dies[name])


def killed_until_it_posts(hub: Hub, request_id: str, work: Callable[[int], None]) -> int:
    """Has `work` done, in a process that kills itself at the first place, then at the second, and so on; how many such
    processes it took until one came to its end. What is killed leaves nothing."""
    before = journal_size(hub)
    ends: list[int] = []
    while not ends or ends[-1] == -signal.SIGKILL:
        assert (journal_size(hub), submission(hub, request_id).state) == (before, State.LEASED)
        expire_lease(hub, request_id)
        hub.db.dispose()
        ends.append(finish(fork(lambda: work(len(ends) + 1))))
    assert ends[-1] == 0
    return len(ends)


@pytest.mark.parametrize("reads", [False, True], ids=["rows are searched for", "the ledger is read"])
def test_a_worker_killed_after_any_write_of_its_posting_leaves_nothing_of_it(
    database_url: str, tmp_path: Path, reads: bool
) -> None:
    """Where the ledger is read, as of many rows, a program digests the entries too, and the log is written back by a
    thread."""
    home = tmp_path / "home"
    hub = opened(home, database_url)
    make_registry(hub, TAGS)
    process(hub, send_assets(hub, "lab.csv", *map(asset, TAGS[:3])))
    changed = [asset(tag, quantity="9") for tag in TAGS]
    request_id = send_assets(hub, "lab.csv", *changed, asset("NC-9999"))
    lease_and_validate(hub, request_id)
    before, digesting = journal_size(hub), programs(of=None)

    def work(kill_at: int) -> None:
        child = opened(home, database_url)
        if reads:
            incoming._FEW_ROWS = postings.MANY = 0
            leaves.ENOUGH = 1
            child = replace(child, processing=replace(child.processing, large_mb=0))
        taken = lease(child, request_id, f"victim-{kill_at}")
        die_after_write(kill_at)
        child.processing.post(taken)

    ends = killed_until_it_posts(hub, request_id, work)
    compared = 0 if reads and not hub.db.is_postgres else 3
    assert ends > 8 + compared, "chunks to compare, three to write with their problems, and two for the fold"
    assert events(hub, request_id).count("submission:posted") == 1
    assert journal_size(hub) == before + 5
    wait_until(lambda: not programs(of=None) - digesting, 30)  # each ends when nobody tells it more
    assert_invariants(hub)
    hub.db.dispose()


def test_a_posting_whose_digesting_program_is_killed_is_undone_and_posts_at_the_next_try(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each program of that kind would be."""
    monkeypatch.setattr(postings, "MANY", 0)
    monkeypatch.setattr(leaves, "ENOUGH", 1)
    hub = replace(hub, processing=replace(hub.processing, chunks=ChunkLimits(rows=2)))
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    before = journal_size(hub)
    real = leaves._Program.tell

    def killed(program: leaves._Program, changes: ChangeColumns) -> None:
        real(program, changes)
        program._process.kill()

    monkeypatch.setattr(leaves._Program, "tell", killed)
    process(hub, request_id)
    assert (submission(hub, request_id).state, journal_size(hub)) == (State.RETRYING, before)
    assert not programs()
    assert "did not come to its end" in str(submission(hub, request_id).reason)
    make_retry_due(hub, request_id)
    process(hub, request_id)
    assert submission(hub, request_id).state is State.POSTED
    assert events(hub, request_id).count("submission:posted") == 1
    assert journal_size(hub) == before + 5
    assert_invariants(hub)


def test_a_worker_killed_before_the_log_of_its_posting_is_written_back_has_posted(tmp_path: Path) -> None:
    home, url = tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'hub.db'}"
    hub = opened(home, url)
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    before = journal_size(hub)
    hub.db.dispose()

    def work() -> None:
        Database.write_back = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign, assignment]
        child = opened(home, url)
        child = replace(child, processing=replace(child.processing, large_mb=0))
        child.processing.post(lease_and_validate(child, request_id))

    assert finish(fork(work)) == -signal.SIGKILL
    hub = opened(home, url)
    assert submission(hub, request_id).state is State.POSTED
    assert journal_size(hub) == before + 5
    assert_invariants(hub)
    hub.db.dispose()


def test_a_worker_killed_while_it_rests_for_messages_leaves_nothing_of_its_posting(
    postgres_database: MakeDatabase, tmp_path: Path
) -> None:
    """On PostgreSQL alone: on SQLite a posting does not rest."""
    with postgres_database() as url:
        kill_while_it_rests(url, tmp_path / "home")


def kill_while_it_rests(url: str, home: Path) -> None:
    hub = opened(home, url)
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    lease_and_validate(hub, request_id)
    before = journal_size(hub)

    def work(kill_at: int) -> None:
        asked, seconds = itertools.count(1), itertools.count()

        def come() -> int:
            number = next(asked)
            if number == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return number * 1_000_000

        child = opened(home, url)
        rests = Resting(0.0, come, 60.0, clock=lambda: float(next(seconds)), sleep=lambda _: None)
        child = replace(child, processing=replace(child.processing, resting=rests))
        child.processing.post(lease(child, request_id, f"victim-{kill_at}"))

    ends = killed_until_it_posts(hub, request_id, work)
    assert ends > 5, "asked behind the first of three chunks, and before and after each rest behind the others"
    assert events(hub, request_id).count("submission:posted") == 1
    assert journal_size(hub) == before + 5
    assert_invariants(hub)
    hub.db.dispose()


def test_a_run_killed_after_it_told_how_far_it_is_leaves_no_such_tale(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    hub = opened(home, database_url)
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS))
    page = hub.receipts.places.page_of(submission(hub, request_id))
    hub.db.dispose()

    def work() -> None:
        processing._TELL_EVERY_S = 0.0
        child = opened(home, database_url)
        taken = lease_and_validate(child, request_id)
        die_after_write(2)
        child.processing.post(taken)

    assert finish(fork(work)) == -signal.SIGKILL
    assert "We are at it" in page.read_text(encoding="utf-8")
    expire_lease(hub, request_id)
    hub.ending.end_expired()
    assert list(hub.settings.progress.iterdir()) == []
    hub.receipts.write_due()
    assert "We are at it" not in page.read_text(encoding="utf-8")
    assert_invariants(hub)
    hub.db.dispose()
