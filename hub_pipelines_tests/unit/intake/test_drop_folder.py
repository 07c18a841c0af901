"""What the drop folder takes, leaves and refuses. Not here: what becomes of a file once it is taken."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from hub_pipelines.intake.drop_folder import CLAIMED, QUIET_TIMES, display_name, is_temporary
from hub_pipelines.intake.model import FOLDER_OF
from hub_pipelines.submission.model import Cause, IllegalMove, State
from hub_pipelines_tests.capabilities import CAP_LEASE, without

from ..conftest import SmallHub


def names(folder: Path) -> set[bytes]:
    """What a person sees in a folder, beside the folders that the hub makes in it."""
    found = os.listdir(os.fsencode(folder))  # noqa: PTH208 (Path holds no bytes)
    made = {name.encode() for name in FOLDER_OF.values()}
    return {name for name in found if not name.startswith(b".")} - made


# ---- complete or not


def test_a_complete_file_is_taken_and_leaves_the_folder(small_hub: SmallHub) -> None:
    (small_hub.inbox / "lab.csv").write_bytes(b"tag\n1\n")
    (arrival,) = small_hub.take().arrivals
    assert (arrival.source_name, str(arrival.outcome), arrival.size_bytes) == ("lab.csv", "received", 6)
    assert small_hub.archived(arrival.content_digest) == b"tag\n1\n"
    assert names(small_hub.inbox) == set()
    assert list((small_hub.inbox / CLAIMED).iterdir()) == []
    assert small_hub.hub.drop_folder.waiting("north") == 0


def test_the_real_wait_between_the_looks_takes_a_resting_file_too(small_hub: SmallHub) -> None:
    (small_hub.inbox / "lab.csv").write_bytes(b"tag\n1\n")
    assert len(small_hub.hub.drop_folder.take("north", budget_s=10).arrivals) == 1


def test_a_file_that_grows_between_the_looks_waits(small_hub: SmallHub) -> None:
    path = small_hub.inbox / "lab.csv"
    path.write_bytes(b"tag\n1\n")

    def grow(_: float) -> None:
        with path.open("ab") as more:
            more.write(b"2\n")

    scan = small_hub.drop_folder(grow).take("north", budget_s=10)
    assert (scan.arrivals, scan.unfinished) == ((), 1)
    assert path.read_bytes() == b"tag\n1\n2\n"
    (arrival,) = small_hub.take().arrivals
    assert small_hub.archived(arrival.content_digest) == b"tag\n1\n2\n"


def test_a_file_that_appears_between_the_looks_waits(small_hub: SmallHub) -> None:
    (small_hub.inbox / "old.csv").write_bytes(b"old")
    appear = small_hub.drop_folder(lambda _: (small_hub.inbox / "new.csv").write_bytes(b"new") and None)
    scan = appear.take("north", budget_s=10)
    assert [one.source_name for one in scan.arrivals] == ["old.csv"]
    assert names(small_hub.inbox) == {b"new.csv"}


def test_a_file_that_goes_away_between_the_looks_is_no_error(small_hub: SmallHub) -> None:
    path = small_hub.inbox / "lab.csv"
    path.write_bytes(b"x")
    scan = small_hub.drop_folder(lambda _: path.unlink()).take("north", budget_s=10)
    assert (scan.arrivals, scan.left, scan.troubles) == ((), 0, ())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes a file")
def test_a_file_that_another_process_has_open_for_writing_waits(small_hub: SmallHub) -> None:
    path = small_hub.inbox / "lab.csv"
    script = "import sys; f = open(sys.argv[1], 'wb'); f.write(b'half'); f.flush(); print('open', flush=True); input()"
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        scan = small_hub.take()
        assert (scan.arrivals, scan.unfinished) == ((), 1)
        assert names(small_hub.inbox) == {b"lab.csv"}
    finally:
        writer.communicate("\n", timeout=10)
    assert small_hub.outcomes() == [("lab.csv", "received")]


as_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="gives a file to another user")
NOBODY = 65_534


@as_root
def test_another_users_file_that_may_be_open_unseen_waits_for_a_longer_quiet(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_hub.inbox / "lab.csv"
    with path.open("wb") as writer:
        writer.write(b"half of it")
        writer.flush()
        os.chown(path, NOBODY, -1)
        with without(CAP_LEASE):
            scan = small_hub.take()
    assert (scan.arrivals, scan.unfinished) == ((), 1)
    quiet_at = path.stat().st_ctime + small_hub.hub.drop_folder.stable_s * QUIET_TIMES
    monkeypatch.setattr(time, "time", lambda: quiet_at + 0.01)
    with without(CAP_LEASE):
        assert len(small_hub.take().arrivals) == 1


@as_root
def test_another_users_file_that_changed_in_the_future_waits_for_no_clock(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_hub.inbox / "lab.csv"
    path.write_bytes(b"all of it")
    os.chown(path, NOBODY, -1)
    changed_at = path.stat().st_ctime
    monkeypatch.setattr(time, "time", lambda: changed_at - 3_600)
    with without(CAP_LEASE):
        assert len(small_hub.take().arrivals) == 1


@pytest.mark.parametrize(
    "name", ["~$x.xlsx", ".~lock.x#", "x.part", "x.crdownload", "Thumbs.db", "THUMBS.DB", "x.TMP", "x.csv~", ".hidden"]
)
def test_temporary_and_lock_names_are_left_alone(small_hub: SmallHub, name: str) -> None:
    (small_hub.inbox / name).write_bytes(b"not for us")
    scan = small_hub.take()
    assert (scan.arrivals, scan.left, scan.unfinished, scan.troubles) == ((), 0, 0, ())
    assert (small_hub.inbox / name).read_bytes() == b"not for us"
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["partial list.csv", "$x.xlsx", "tmp.csv", "thumbs.db.csv"])
def test_names_that_only_look_temporary_are_taken(small_hub: SmallHub, name: str) -> None:
    (small_hub.inbox / name).write_bytes(b"x")
    assert small_hub.outcomes() == [(name, "received")]


# ---- the same again, and versions


def test_the_same_bytes_again_are_a_duplicate_of_the_first(small_hub: SmallHub) -> None:
    path = small_hub.inbox / "lab.csv"
    path.write_bytes(b"same")
    (first,) = small_hub.take().arrivals
    path.write_bytes(b"same")
    (second,) = small_hub.take().arrivals
    assert (str(second.outcome), second.request_id) == ("duplicate", first.request_id)
    assert second.arrival_id != first.arrival_id
    assert names(small_hub.inbox) == set()
    assert small_hub.arrivals_by_outcome() == {"received": 1, "duplicate": 1}


def test_the_same_file_under_two_names_at_once_is_one_submission_and_one_duplicate(small_hub: SmallHub) -> None:
    for name in ("lab.csv", "lab (copy).csv"):
        (small_hub.inbox / name).write_bytes(b"same")
    found = small_hub.take().arrivals
    assert sorted(str(one.outcome) for one in found) == ["duplicate", "received"]
    assert len({one.request_id for one in found}) == 1


def test_the_same_name_with_other_bytes_is_the_next_version(small_hub: SmallHub) -> None:
    path = small_hub.inbox / "lab.csv"
    path.write_bytes(b"one")
    (first,) = small_hub.take().arrivals
    path.write_bytes(b"two")
    (second,) = small_hub.take().arrivals
    assert str(second.outcome) == "received"
    newer = small_hub.submission(second.request_id)
    assert (newer.source_version, newer.revises) == (2, first.request_id)
    older = small_hub.submission(first.request_id)
    assert (older.source_version, older.revises) == (1, None)


@pytest.mark.parametrize("again", ["LAB é.CSV", "lab e\u0301.csv"])
def test_a_name_that_differs_in_case_or_unicode_form_only_links_versions(small_hub: SmallHub, again: str) -> None:
    (small_hub.inbox / "Lab é.csv").write_bytes(b"one")
    (first,) = small_hub.take().arrivals
    (small_hub.inbox / again).write_bytes(b"two")
    (second,) = small_hub.take().arrivals
    newer = small_hub.submission(second.request_id)
    assert (newer.source_version, newer.revises, newer.envelope.source_name) == (2, first.request_id, again)


def test_the_same_name_in_another_campus_is_a_source_of_its_own(small_hub: SmallHub) -> None:
    for campus in ("north", "south"):
        (small_hub.folder(campus, "inventory") / "lab.csv").write_bytes(b"same")
    for campus in ("north", "south"):
        (arrival,) = small_hub.take(campus).arrivals
        assert str(arrival.outcome) == "received"
        assert small_hub.submission(arrival.request_id).source_version == 1


# ---- after a crash


def leave_claim(small_hub: SmallHub, arrival_id: str, name: str, content: bytes) -> Path:
    claim = small_hub.inbox / CLAIMED / arrival_id / name
    claim.parent.mkdir(parents=True)
    claim.write_bytes(content)
    return claim


def test_a_claim_that_a_crash_left_is_taken_under_its_arrival_id_and_only_once(small_hub: SmallHub) -> None:
    claim = leave_claim(small_hub, "a" * 32, "lab.csv", b"left")
    assert small_hub.hub.drop_folder.waiting("north") == 1
    (arrival,) = small_hub.take().arrivals
    assert (arrival.arrival_id, arrival.source_name, str(arrival.outcome)) == ("a" * 32, "lab.csv", "received")
    assert not claim.parent.exists()
    assert small_hub.take().arrivals == ()
    assert small_hub.arrivals_by_outcome() == {"received": 1}


def test_a_crash_between_registering_and_deleting_makes_no_second_arrival(small_hub: SmallHub) -> None:
    leave_claim(small_hub, "a" * 32, "lab.csv", b"left")
    (first,) = small_hub.take().arrivals
    claim = leave_claim(small_hub, "a" * 32, "lab.csv", b"left")
    (again,) = small_hub.take().arrivals
    assert (again.arrival_id, again.request_id, again.outcome) == (first.arrival_id, first.request_id, first.outcome)
    assert not claim.exists()
    assert small_hub.arrivals_by_outcome() == {"received": 1}


def test_leftovers_come_before_new_files(small_hub: SmallHub) -> None:
    (small_hub.inbox / "new.csv").write_bytes(b"new")
    leave_claim(small_hub, "a" * 32, "old.csv", b"old")
    assert [name for name, _ in small_hub.outcomes()] == ["old.csv", "new.csv"]


def test_an_empty_claim_is_nothing(small_hub: SmallHub) -> None:
    (small_hub.inbox / CLAIMED / ("a" * 32)).mkdir(parents=True)
    scan = small_hub.take()
    assert (scan.arrivals, scan.left, scan.troubles) == ((), 0, ())


# ---- strange things


def test_a_folder_in_place_of_a_file_is_refused_once_and_stays(small_hub: SmallHub) -> None:
    folder = small_hub.inbox / "March"
    folder.mkdir()
    (folder / "lab.csv").write_bytes(b"inside")
    (arrival,) = small_hub.take().arrivals
    assert (str(arrival.outcome), arrival.request_id, arrival.source_name) == ("refused", None, "March")
    assert arrival.reason is not None
    assert "folder" in arrival.reason
    assert arrival.fix
    assert small_hub.take().arrivals == ()
    assert small_hub.arrivals_by_outcome() == {"refused": 1}
    assert (folder / "lab.csv").read_bytes() == b"inside"


def test_a_link_that_points_out_is_refused_and_its_target_never_opened(small_hub: SmallHub, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"secret")
    os.utime(secret, ns=(1, 1))
    link = small_hub.inbox / "lab.csv"
    link.symlink_to(secret)
    assert small_hub.outcomes() == [("lab.csv", "refused")]
    assert small_hub.take().arrivals == ()
    assert link.is_symlink()
    assert secret.stat().st_atime_ns == 1
    assert list(small_hub.hub.settings.archive.rglob("objects/*/*")) == []


def test_a_link_that_points_nowhere_and_a_link_to_a_folder_are_refused(small_hub: SmallHub, tmp_path: Path) -> None:
    (small_hub.inbox / "nowhere").symlink_to(tmp_path / "nowhere")
    (small_hub.inbox / "folder").symlink_to(tmp_path)
    assert sorted(small_hub.outcomes()) == [("folder", "refused"), ("nowhere", "refused")]


def test_a_link_that_takes_a_files_place_between_the_looks_is_not_followed(small_hub: SmallHub, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"secret")
    path = small_hub.inbox / "lab.csv"
    path.write_bytes(b"harmless")

    def swap(_: float) -> None:
        path.unlink()
        path.symlink_to(secret)

    assert small_hub.drop_folder(swap).take("north", budget_s=10).arrivals == ()
    assert small_hub.outcomes() == [("lab.csv", "refused")]
    assert secret.read_bytes() == b"secret"


def test_a_claim_folder_that_is_a_link_is_never_followed(small_hub: SmallHub, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "private"
    elsewhere.mkdir(parents=True)
    (elsewhere / "secret.csv").write_bytes(b"secret")
    (small_hub.inbox / CLAIMED).symlink_to(elsewhere.parent)
    found = small_hub.outcomes()
    assert (elsewhere / "secret.csv").exists()
    assert ("secret.csv", "received") not in found


def test_no_file_is_moved_through_a_claim_folder_that_is_a_link(small_hub: SmallHub, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (small_hub.inbox / CLAIMED).symlink_to(elsewhere)
    (small_hub.inbox / "lab.csv").write_bytes(b"x")
    scan = small_hub.take()
    assert scan.arrivals == () or [arrival.outcome for arrival in scan.arrivals] == ["refused"]
    assert "remove the link" in " ".join(scan.troubles)
    assert (small_hub.inbox / "lab.csv").exists()
    assert list(elsewhere.iterdir()) == []


def test_a_claim_that_is_a_link_is_never_followed(small_hub: SmallHub, tmp_path: Path) -> None:
    elsewhere = tmp_path / "private"
    elsewhere.mkdir()
    (elsewhere / "secret.csv").write_bytes(b"secret")
    (small_hub.inbox / CLAIMED).mkdir()
    (small_hub.inbox / CLAIMED / ("a" * 32)).symlink_to(elsewhere)
    found = small_hub.outcomes()
    assert (elsewhere / "secret.csv").exists()
    assert ("secret.csv", "received") not in found


def test_two_files_in_one_claim_are_both_registered(small_hub: SmallHub) -> None:
    for name in ("a.csv", "b.csv"):
        (small_hub.inbox / CLAIMED / ("a" * 32)).mkdir(parents=True, exist_ok=True)
        (small_hub.inbox / CLAIMED / ("a" * 32) / name).write_bytes(name.encode())
    small_hub.take()
    left = list((small_hub.inbox / CLAIMED).rglob("*.csv"))
    assert sum(small_hub.arrivals_by_outcome().values()) + len(left) == 2


def test_a_pipe_is_refused_without_waiting_for_its_writer(small_hub: SmallHub) -> None:
    os.mkfifo(small_hub.inbox / "lab.csv")
    assert small_hub.outcomes() == [("lab.csv", "refused")]
    assert small_hub.outcomes() == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"two\nlines.csv", "two\\nlines.csv"),
        (b"\x1b[31mred.csv", "\\x1b[31mred.csv"),
        (b"caf\xe9.csv", "caf\\xe9.csv"),
        (b"n" * 251 + b".csv", "n" * 251 + ".csv"),
        ("é".encode() * 127 + b"x", "é" * 127 + "x"),
        (b" .csv", " .csv"),
        (b"-rf; $(x) '\".csv", "-rf; $(x) '\".csv"),
    ],
    ids=["newline", "escape", "not UTF-8", "255 bytes", "255 bytes of two each", "blank", "shell"],
)
def test_a_strange_name_is_taken_and_shown_as_plain_text(small_hub: SmallHub, name: bytes, shown: str) -> None:
    path = os.path.join(os.fsencode(small_hub.inbox), name)  # noqa: PTH118 (Path holds no bytes)
    with open(path, "wb") as target:  # noqa: PTH123
        target.write(b"x")
    (arrival,) = small_hub.take().arrivals
    assert (arrival.source_name, str(arrival.outcome)) == (shown, "received")
    assert display_name(os.fsdecode(name)) == shown
    assert names(small_hub.inbox) == set()
    small_hub.work()
    (page,) = small_hub.hub.receipts.write_due()
    assert page.parent == small_hub.hub.settings.receipts / "north" / "inventory"


def test_an_empty_file_is_taken_like_any_other(small_hub: SmallHub) -> None:
    (small_hub.inbox / "lab.csv").touch()
    (arrival,) = small_hub.take().arrivals
    assert (str(arrival.outcome), arrival.size_bytes) == ("received", 0)
    assert small_hub.archived(arrival.content_digest) == b""


# ---- folders that name no campus or feed


@pytest.mark.parametrize("where", ["", "nowhere", "north/chemicals", "north", "nowhere/inventory"])
def test_a_file_in_a_folder_of_nobody_goes_to_review_in_the_hubs_own_scope(small_hub: SmallHub, where: str) -> None:
    folder = small_hub.hub.settings.drop / where
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lost.csv").write_bytes(b"lost")
    for campus in ("north", "south", "west"):
        assert small_hub.take(campus).arrivals == ()
    (arrival,) = small_hub.take("hub").arrivals
    assert (arrival.scope.campus, arrival.scope.feed, str(arrival.outcome)) == ("hub", "unassigned", "received")
    current = small_hub.submission(arrival.request_id)
    assert (current.state, current.cause) == (State.IN_REVIEW, Cause.UNREADABLE)
    (item,) = small_hub.hub.review.listing()
    assert item.request_id == arrival.request_id
    assert where in item.reason
    assert small_hub.archived(arrival.content_digest) == b"lost"
    assert not (folder / "lost.csv").exists()


def test_replaying_a_file_of_nobodys_folder_has_a_defined_answer(small_hub: SmallHub) -> None:
    (small_hub.hub.settings.drop / "lost.csv").write_bytes(b"lost")
    small_hub.take("hub")
    (item,) = small_hub.hub.review.listing()
    with suppress(IllegalMove):
        small_hub.hub.review.replay(item.item_id, actor="ann")
    small_hub.work()
    current = small_hub.submission(item.request_id)
    assert (current.state, current.cause) == (State.IN_REVIEW, Cause.UNREADABLE)


def test_the_folders_of_known_campuses_and_feeds_are_no_strangers(small_hub: SmallHub) -> None:
    assert small_hub.take("hub").arrivals == ()


def test_a_folder_deep_in_nobodys_folder_is_refused_not_searched(small_hub: SmallHub) -> None:
    deep = small_hub.hub.settings.drop / "nowhere" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "lost.csv").write_bytes(b"lost")
    assert small_hub.outcomes("hub") == [("b", "refused")]
    assert (deep / "lost.csv").exists()


@pytest.mark.parametrize(("gone", "told_by"), [("north", ["north"]), ("", ["north", "south", "west"])])
def test_a_folder_that_was_removed_is_a_trouble_of_those_who_need_it(
    small_hub: SmallHub, gone: str, told_by: list[str]
) -> None:
    shutil.rmtree(small_hub.hub.settings.drop / gone)
    troubled = [campus for campus in small_hub.hub.drop_folder.scopes() if small_hub.take(campus).troubles]
    assert sorted(troubled) == told_by
    assert small_hub.hub.drop_folder.waiting("north") == 0


def test_a_feeds_folder_that_was_removed_is_made_again_and_taken_from(small_hub: SmallHub) -> None:
    (small_hub.folder("north", "procurement") / "reg.csv").write_bytes(b"x")
    shutil.rmtree(small_hub.inbox)
    scan = small_hub.take()
    assert ([one.source_name for one in scan.arrivals], scan.troubles) == (["reg.csv"], ())
    (small_hub.inbox / "lab.csv").write_bytes(b"y")
    assert small_hub.outcomes() == [("lab.csv", "received")]
    assert "made the missing drop folder again" in small_hub.hub.settings.log_path.read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_holds_up_no_other(small_hub: SmallHub) -> None:
    (small_hub.folder("north", "procurement") / "reg.csv").write_bytes(b"x")
    small_hub.inbox.chmod(0)
    try:
        scan = small_hub.take()
    finally:
        small_hub.inbox.chmod(0o755)
    assert [one.source_name for one in scan.arrivals] == ["reg.csv"]
    assert "drop/north/inventory can't be read" in scan.troubles[0]


def test_a_file_in_place_of_a_feeds_folder_is_a_trouble_of_that_feed(small_hub: SmallHub) -> None:
    (small_hub.folder("north", "procurement") / "reg.csv").write_bytes(b"x")
    shutil.rmtree(small_hub.inbox)
    small_hub.inbox.write_bytes(b"a file where a folder should be")
    scan = small_hub.take()
    assert [one.source_name for one in scan.arrivals] == ["reg.csv"]
    assert "drop/north/inventory can't be read: Not a directory" in scan.troubles[0]


def test_a_folder_that_is_removed_between_the_looks_is_no_crash(small_hub: SmallHub) -> None:
    (small_hub.inbox / "lab.csv").write_bytes(b"x")
    scan = small_hub.drop_folder(lambda _: shutil.rmtree(small_hub.inbox)).take("north", budget_s=10)
    assert (scan.arrivals, scan.troubles) == ((), ())


def test_a_file_that_cannot_be_archived_now_is_a_trouble_and_is_taken_at_a_later_look(small_hub: SmallHub) -> None:
    archive = small_hub.hub.settings.archive
    (archive).mkdir(exist_ok=True)
    (archive / "incoming").write_bytes(b"a file where a folder should be")
    (small_hub.inbox / "lab.csv").write_bytes(b"x")
    scan = small_hub.take()
    assert scan.arrivals == ()
    assert len(scan.troubles) == 1
    assert "lab.csv" in scan.troubles[0]
    (archive / "incoming").unlink()
    assert small_hub.outcomes() == [("lab.csv", "received")]


# ---- order and budget


def test_procurement_is_taken_before_inventory_and_the_oldest_first(small_hub: SmallHub) -> None:
    for age, (feed, name) in enumerate([("inventory", "b"), ("inventory", "a"), ("procurement", "c")], start=1):
        path = small_hub.folder("north", feed) / name
        path.write_bytes(name.encode())
        os.utime(path, (age * 1000, age * 1000))
    assert [name for name, _ in small_hub.outcomes()] == ["c", "b", "a"]


def test_the_budget_is_kept_and_every_look_makes_progress(small_hub: SmallHub) -> None:
    for number in range(300):
        (small_hub.inbox / f"{number:03}.csv").write_bytes(str(number).encode())
    scan = small_hub.take(budget_s=0.25)
    assert len(scan.arrivals) > 0
    assert scan.left > 0
    assert len(scan.arrivals) + scan.left == 300
    taken, looks = len(scan.arrivals), 1
    while scan.left:
        scan = small_hub.take(budget_s=0.8)
        assert scan.arrivals
        taken, looks = taken + len(scan.arrivals), looks + 1
    assert taken == 300
    assert small_hub.arrivals_by_outcome() == {"received": 300}


def test_a_wait_as_long_as_the_budget_still_lets_one_file_through(small_hub: SmallHub) -> None:
    (small_hub.inbox / "lab.csv").write_bytes(b"x")
    assert small_hub.hub.drop_folder.take("north", budget_s=small_hub.hub.settings.limits.stable_s / 2).arrivals
