"""A full disk and drop folders that are gone: nothing is lost, the hub says why it waits, and goes on by itself."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.health import Shares, campus_trouble, feed_trouble, health, no_room
from hub_pipelines.hub import KNOWN_FEEDS, open_hub
from hub_pipelines.launching import Tick, tick
from hub_pipelines.settings import DEFAULT_TOML, load
from hub_pipelines_tests.disks import fill, mount, small_disk, unmount

from .conftest import SmallHub, inventory


def tick_of(small_hub: SmallHub, campus: str = "north") -> Tick:
    return tick(small_hub.hub, campus, alive=lambda _ids: set())


def log_of(small_hub: SmallHub) -> str:
    return small_hub.hub.settings.log_path.read_text(encoding="utf-8")


def names(found: Tick) -> list[str]:
    return [one.source_name for one in found.scan.arrivals]


# ---- room


def test_there_is_room_as_long_as_what_is_to_stay_free_stays_free(tmp_path: Path) -> None:
    assert no_room(tmp_path, 0) is None
    wide = no_room(tmp_path, 1_000_000_000)
    assert wide
    for words in (str(tmp_path), "MB free", "keep_free_mb", "delete or move", "nothing is lost"):
        assert words in wide
    assert "a file of 1000000000 MB" in (no_room(tmp_path, 0, 10**15) or "")


@contextmanager
def hub_on_a_small_disk(tmp_path: Path, keep_free_mb: int) -> Iterator[tuple[SmallHub, Path]]:
    with small_disk(tmp_path / "disk", "6m") as disk:
        toml = DEFAULT_TOML.replace("stable_s = 1.0", "stable_s = 0.1")
        (disk / "hub.toml").write_text(toml.replace("keep_free_mb = 200", f"keep_free_mb = {keep_free_mb}"), "utf-8")
        small_hub = SmallHub(open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(disk)})))
        yield small_hub, disk
        small_hub.hub.db.dispose()


def test_with_little_room_files_stay_where_they_are_and_are_taken_when_there_is_room(tmp_path: Path) -> None:
    with hub_on_a_small_disk(tmp_path, keep_free_mb=2) as (small_hub, disk):
        (small_hub.inbox / "early.csv").write_bytes(inventory("NC-1"))
        assert len(tick_of(small_hub).launches) == 1
        (small_hub.inbox / "lab.csv").write_bytes(inventory("NC-2"))
        filler = fill(disk, leave_bytes=1_000_000)
        for _ in range(3):
            found = tick_of(small_hub)
            assert (found.scan.arrivals, found.launches) == ((), ())
            assert "MB free and 2 MB are to stay free" in found.summary
        assert (small_hub.inbox / "lab.csv").exists()
        assert len(health(small_hub.hub.settings)) == 1
        with pytest.raises(Transient, match="was not taken"):
            small_hub.hub.submit(disk / "hub.toml", Scope("north", "inventory"), actor="ann")
        filler.unlink()
        assert names(tick_of(small_hub)) == ["lab.csv"]
        assert health(small_hub.hub.settings) == []
        assert log_of(small_hub).count("are to stay free") == 2
        assert log_of(small_hub).count(" over: ") == 1


def test_a_disk_that_is_full_to_the_last_byte_is_a_trouble_of_the_file_and_nothing_is_lost(tmp_path: Path) -> None:
    with hub_on_a_small_disk(tmp_path, keep_free_mb=0) as (small_hub, disk):
        (small_hub.inbox / "first.csv").write_bytes(inventory("NC-1"))
        tick_of(small_hub)
        for number in range(3):
            (small_hub.inbox / f"lab-{number}.csv").write_bytes(inventory(*(f"NC-{n}" for n in range(500))))
        filler = fill(disk)
        for _ in range(3):
            found = tick_of(small_hub)
            assert found.scan.arrivals == ()
            assert "lab-1.csv" in found.summary
        assert small_hub.hub.drop_folder.waiting("north") == 3
        filler.unlink()
        assert sorted(names(tick_of(small_hub))) == ["lab-0.csv", "lab-1.csv", "lab-2.csv"]
        assert small_hub.arrivals_by_outcome() == {"received": 2, "duplicate": 2}
        small_hub.work()


@pytest.mark.parametrize("leave_bytes", range(4096, 16 * 4096, 3 * 4096))
def test_wherever_in_the_taking_the_disk_gets_full_the_file_is_taken_once_later(
    tmp_path: Path, leave_bytes: int
) -> None:
    with hub_on_a_small_disk(tmp_path, keep_free_mb=0) as (small_hub, disk):
        (small_hub.inbox / "lab.csv").write_bytes(inventory("NC-1"))
        filler = fill(disk, leave_bytes=leave_bytes)
        first = names(tick_of(small_hub))
        filler.unlink()
        assert first + names(tick_of(small_hub)) == ["lab.csv"]
        assert small_hub.arrivals_by_outcome() == {"received": 1}


# ---- drop folders


def test_a_campus_folder_that_vanished_is_told_and_taken_from_when_it_is_back(small_hub: SmallHub) -> None:
    drop = small_hub.hub.settings.drop
    (small_hub.inbox / "lab.csv").write_bytes(b"x")
    (small_hub.folder("south", "inventory") / "south.csv").write_bytes(b"y")
    (drop / "north").rename(drop.parent / "away")
    for _ in range(2):
        assert "drop/north can't be read: No such file" in tick_of(small_hub).summary
        assert "files dropped there wait until it is back" in tick_of(small_hub).summary
    assert names(tick_of(small_hub, "south")) == ["south.csv"]
    assert "drop/north can't be read" in health(small_hub.hub.settings)[0]
    (drop.parent / "away").rename(drop / "north")
    assert names(tick_of(small_hub)) == ["lab.csv"]
    assert log_of(small_hub).count("can't be read") == 2  # when it began and when it was over


def test_opening_the_hub_does_not_put_an_empty_folder_in_place_of_a_missing_share(small_hub: SmallHub) -> None:
    shutil.rmtree(small_hub.hub.settings.drop / "north")
    open_hub(small_hub.hub.settings)
    assert not (small_hub.hub.settings.drop / "north").exists()


def test_a_new_campus_gets_its_folders_at_the_start(small_hub: SmallHub) -> None:
    home = small_hub.hub.settings.home
    (home / "hub.toml").write_text(DEFAULT_TOML + "\n[campuses.east]\n", "utf-8")
    open_hub(load(KNOWN_FEEDS, {"HUB_HOME": str(home)}))
    assert (home / "drop" / "east" / "inventory").is_dir()


def test_a_mount_point_without_its_share_is_no_empty_folder(small_hub: SmallHub) -> None:
    top = small_hub.hub.settings.drop / "north"
    shutil.rmtree(top)
    top.mkdir()
    assert "its share is not mounted" in tick_of(small_hub).summary
    assert list(top.iterdir()) == []


def test_a_share_is_taken_from_while_it_is_mounted(small_hub: SmallHub) -> None:
    top = small_hub.hub.settings.drop / "north"
    with small_disk(top, "1m"):
        assert tick_of(small_hub).scan.troubles == ()  # a new share gets its feed folders
        (small_hub.inbox / "lab.csv").write_bytes(b"on the share")
        assert names(tick_of(small_hub)) == ["lab.csv"]
        unmount(top)
        (small_hub.inbox / "beneath.csv").write_bytes(b"beneath the mount point")
        assert "its share is not mounted" in tick_of(small_hub).summary
        assert (small_hub.inbox / "beneath.csv").exists()
        mount(top, "1m")
        assert tick_of(small_hub).scan.troubles == ()
        (small_hub.inbox / "again.csv").write_bytes(b"on the share again")
        assert names(tick_of(small_hub)) == ["again.csv"]


def test_a_full_share_is_a_trouble_of_its_files_only(small_hub: SmallHub) -> None:
    with small_disk(small_hub.hub.settings.drop / "north", "1m") as share:
        tick_of(small_hub)
        (small_hub.inbox / "lab.csv").write_bytes(b"on the share")
        filler = fill(share)
        (small_hub.folder("south", "inventory") / "south.csv").write_bytes(b"y")
        taken = names(tick_of(small_hub))
        assert names(tick_of(small_hub, "south")) == ["south.csv"]
        filler.unlink()
        assert taken + names(tick_of(small_hub)) == ["lab.csv"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """With the rights of a user who owns nothing; without effect when the tests don't run as root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_folders_that_this_user_may_not_read_or_write_are_told() -> None:
    top = Path(tempfile.mkdtemp(prefix="hub-tests-drop-")) / "north"
    (top / "inventory").mkdir(parents=True)
    top.parent.chmod(0o755)
    try:
        (top / "inventory").chmod(0o555)
        with as_nobody():
            assert campus_trouble(top, Shares()) is None
            assert "drop/north/inventory can be read but not written" in (
                feed_trouble(top / "inventory", top.parent) or ""
            )
        (top / "inventory").rmdir()
        top.chmod(0o555)
        with as_nobody():
            missing = feed_trouble(top / "inventory", top.parent)
        assert "drop/north/inventory is missing, and the hub can't make it" in (missing or "")
        (top / "inventory").mkdir()
        top.chmod(0)
        with as_nobody():
            assert "drop/north can't be read: Permission denied" in (campus_trouble(top, Shares()) or "")
            assert "drop/north/inventory can't be read: Permission denied" in (
                feed_trouble(top / "inventory", top.parent) or ""
            )
        top.chmod(0o755)
    finally:
        shutil.rmtree(top.parent)
