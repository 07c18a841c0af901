"""Drop folders under bad senders, full disks and floods: whatever happens there, each file is taken once and whole."""

import os
import shutil
import signal
import time
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from hub_pipelines.audit import store as audit
from hub_pipelines.hub import Hub
from hub_pipelines.launching import tick
from hub_pipelines.submission.model import Cause, State, Submission
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork, stop_self, wait_until_stopped
from hub_pipelines_tests.disks import fill, mount, small_disk, unmount
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import (
    all_submissions,
    asset,
    inventory_csv,
    ledger_values,
    make_registry,
    open_test_hub,
    process_all,
)

pytestmark = pytest.mark.crash

MANY = 10_000


def folder_of(hub: Hub) -> Path:
    return hub.settings.drop / "north" / "inventory"


def look(hub: Hub) -> list[str]:
    return [one.source_name for one in hub.drop_folder.take("north", budget_s=30).arrivals]


def inventory(hub: Hub) -> list[Submission]:
    return [one for one in all_submissions(hub) if one.envelope.feed == "inventory"]


@pytest.fixture
def filled(hub: Hub) -> Hub:
    make_registry(hub, ["NC-0001", "NC-0002"])
    return hub


# ---- senders


def test_a_file_that_another_process_copies_slowly_is_taken_once_and_whole(filled: Hub) -> None:
    path = folder_of(filled) / "slow.csv"
    data = inventory_csv([asset("NC-0001"), asset("NC-0002")])

    def copy_slowly() -> None:
        with path.open("wb", buffering=0) as target:
            for start in range(0, len(data), 40):
                target.write(data[start : start + 40])
                time.sleep(0.03)

    pid = fork(copy_slowly)
    taken = []
    while not taken:
        taken = look(filled)
    assert finish(pid) == 0
    assert taken == ["slow.csv"]
    process_all(filled)
    assert inventory(filled)[0].counts.posted == 2
    assert_invariants(filled)


def test_a_sender_that_is_killed_in_the_middle_of_a_copy_gets_an_answer_and_may_send_again(filled: Hub) -> None:
    path = folder_of(filled) / "lab.csv"
    data = inventory_csv([asset("NC-0001"), asset("NC-0002")])

    def copy_half() -> None:
        with path.open("wb", buffering=0) as target:
            target.write(data[: len(data) - 30])
            stop_self()

    pid = fork(copy_half)
    wait_until_stopped(pid)
    assert look(filled) == [], "it is still being written"
    os.kill(pid, signal.SIGKILL)
    finish(pid)
    assert look(filled) == ["lab.csv"]
    process_all(filled)
    path.write_bytes(data)
    assert look(filled) == ["lab.csv"]
    process_all(filled)
    first, second = inventory(filled)
    assert second.revises == first.request_id or first.revises == second.request_id
    assert set(ledger_values(filled)) == {"NC-0001", "NC-0002"}
    assert_invariants(filled)


def test_a_file_renamed_over_another_while_both_are_taken_leaves_both_versions(filled: Hub) -> None:
    folder = folder_of(filled)
    path = folder / "lab.csv"

    def save_again_and_again() -> None:
        for number in range(15):
            draft = folder / ".saving"
            draft.write_bytes(inventory_csv([asset("NC-0001", quantity=str(number + 1))]))
            draft.rename(path)
            time.sleep(0.02)

    pid = fork(save_again_and_again)
    while finish_if_ended(pid) is None:
        look(filled)
    look(filled)
    assert not path.exists()
    process_all(filled)
    assert all(one.state is State.POSTED for one in inventory(filled))
    assert ledger_values(filled)["NC-0001"]["quantity"] == "15", "the last one that was saved"
    assert_invariants(filled)


def finish_if_ended(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def test_strange_names_links_and_half_a_workbook_have_their_answers_in_one_look(filled: Hub, tmp_path: Path) -> None:
    folder = folder_of(filled)
    secret = tmp_path / "secret.csv"
    secret.write_bytes(inventory_csv([asset("NC-0002", item_name="not for the hub")]))
    (folder / "link.csv").symlink_to(secret)
    (folder / ("x" * 251 + ".csv")).write_bytes(inventory_csv([asset("NC-0001")]))
    Path(os.fsdecode(os.fsencode(folder) + b"/l\xe4b.csv")).write_bytes(inventory_csv([asset("NC-0001", quantity="2")]))
    (folder / "LAB.csv").write_bytes(inventory_csv([asset("NC-0001", quantity="3")]))
    (folder / "lab.csv").write_bytes(inventory_csv([asset("NC-0001", quantity="4")]))
    (folder / "half.xlsx").write_bytes(b"PK\x03\x04" + b"cut off here")
    look(filled)
    process_all(filled)
    ends = {one.envelope.source_name: (one.state, one.cause) for one in inventory(filled)}
    assert ends == {
        "x" * 251 + ".csv": (State.POSTED, None),
        "l\\xe4b.csv": (State.POSTED, None),
        "LAB.csv": (State.POSTED, None),
        "lab.csv": (State.POSTED, None),
        "half.xlsx": (State.IN_REVIEW, Cause.UNREADABLE),
    }
    by_name = {one.envelope.source_name: one for one in inventory(filled)}
    assert {by_name["LAB.csv"].source_version, by_name["lab.csv"].source_version} == {1, 2}
    assert "NC-0002" not in ledger_values(filled), "nothing outside the folder is read"
    assert secret.exists()
    assert_invariants(filled)


# ---- the machine


def test_a_share_that_goes_away_and_comes_back_loses_nothing(filled: Hub) -> None:
    top = filled.settings.drop / "north"
    shutil.rmtree(top)
    with small_disk(top, "4m"):
        folder_of(filled).mkdir()
        look(filled)
        (folder_of(filled) / "first.csv").write_bytes(inventory_csv([asset("NC-0001")]))
        assert look(filled) == ["first.csv"]
        unmount(top)
        assert filled.drop_folder.take("north", budget_s=5).troubles
        mount(top, "4m")
        folder_of(filled).mkdir()
        (folder_of(filled) / "second.csv").write_bytes(inventory_csv([asset("NC-0002")]))
        assert look(filled) == ["second.csv"]
    process_all(filled)
    assert set(ledger_values(filled)) == {"NC-0001", "NC-0002"}
    assert_invariants(filled)


def test_a_disk_that_gets_full_in_the_middle_of_the_work_stops_it_and_loses_nothing(tmp_path: Path) -> None:
    """The hub's home with database and archive on a disk of 12 MB, filled to the last byte while files wait."""
    home = tmp_path / "home"
    with small_disk(home, "12m"):
        url = f"sqlite:///{home / 'hub.db'}"
        open_test_hub(home, url, lease_s=1).db.dispose()
        (home / "hub.toml").write_text((home / "hub.toml").read_text() + "keep_free_mb = 0\n", encoding="utf-8")
        hub = open_test_hub(home, url)
        make_registry(hub, ["NC-0001", "NC-0002"])
        for number in range(6):
            path = folder_of(hub) / f"lab-{number}.csv"
            path.write_bytes(inventory_csv([asset("NC-0001", quantity=str(number + 1)), asset("NC-0002")]))
        hub.db.dispose()
        filler = fill(home, leave_bytes=40_000)

        def work() -> None:
            child = open_test_hub(home, url)
            look(child)
            process_all(child, patience_s=3)

        finish(fork(work))  # however it ends
        filler.unlink()
        hub = open_test_hub(home, url)
        deadline = time.monotonic() + 60
        while hub.drop_folder.waiting("north"):
            look(hub)
            assert time.monotonic() < deadline
        process_all(hub, owner="rescuer")
        assert [one.state for one in inventory(hub)] == [State.POSTED] * 6
        assert_invariants(hub)
        hub.db.dispose()


@pytest.mark.slow
def test_of_ten_thousand_waiting_files_every_tick_takes_some_and_none_is_lost(tmp_path: Path) -> None:
    hub = open_test_hub(tmp_path / "home", f"sqlite:///{tmp_path / 'hub.db'}")
    make_registry(hub, ["NC-0001"])
    for number in range(MANY):
        (folder_of(hub) / f"lab-{number}.csv").write_bytes(inventory_csv([asset("NC-0001", quantity=str(number + 1))]))
    left, ticks = MANY, []
    while left:
        started = time.monotonic()
        found = tick(hub, "north", alive=lambda _ids: set())
        ticks.append(time.monotonic() - started)
        assert found.scan.arrivals, "no progress"
        assert found.launches
        now = hub.drop_folder.waiting("north")
        assert now == left - len(found.scan.arrivals)
        left = now
    print(f"{MANY} files in {len(ticks)} ticks, the longest {max(ticks):.1f} s")
    assert max(ticks) < 60
    sent = inventory(hub)
    assert len(sent) == MANY
    assert {one.state for one in sent} == {State.RECEIVED}
    hub.db.dispose()


# ---- a damaged archive


def damaged_copy(hub: Hub) -> tuple[Path, bytes]:
    """A posted file whose archived object is damaged since, and its bytes."""
    make_registry(hub, ["NC-0001"])
    data = inventory_csv([asset("NC-0001")])
    (folder_of(hub) / "lab.csv").write_bytes(data)
    look(hub)
    (taken,) = inventory(hub)
    archived = hub.archive.object_path(taken.envelope.content_digest)
    archived.chmod(0o644)
    archived.write_bytes(data[:-1])
    return archived, data


def drop_again(home: Path, data: bytes, kill_at: int) -> None:
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    boundaries = Boundaries(kill_at)
    boundaries.watch_commits(hub)
    boundaries.watch_files()
    (folder_of(hub) / "lab.csv").write_bytes(data)
    look(hub)


def test_a_damaged_object_is_mended_by_the_bytes_that_come_again_wherever_it_is_killed(tmp_path: Path) -> None:
    template = tmp_path / "template"
    hub = open_test_hub(template, f"sqlite:///{template / 'hub.db'}")
    archived, data = damaged_copy(hub)
    hub.db.dispose()
    mended_by_the_next = 0
    for kill_at in count(1):
        home = tmp_path / f"home-{kill_at}"
        shutil.copytree(template, home)
        copy = home / archived.relative_to(template)
        ended = finish(fork(partial(drop_again, home, data, kill_at)))
        hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
        if copy.read_bytes() != data:
            assert hub.drop_folder.waiting("north") == 1, "the only good copy is not deleted"
            mended_by_the_next += 1
        look(hub)
        assert hub.drop_folder.waiting("north") == 0
        assert copy.read_bytes() == data
        with hub.db.read() as tx:
            told = {one.event.subject for one in audit.entries_named(tx, "archive:mended")}
        assert told == {inventory(hub)[0].envelope.content_digest}
        process_all(hub)
        assert inventory(hub)[0].counts.posted == 1
        assert_invariants(hub)
        hub.db.dispose()
        shutil.rmtree(home)
        if ended == 0:
            break
    assert mended_by_the_next > 3
