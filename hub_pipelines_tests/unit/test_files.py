import threading
import time
from pathlib import Path

import pytest

from hub_pipelines.common import files


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_FLUSH_EVERY_S", 0.01)


def wait_for(flushed: list[int], times: int) -> None:
    until = time.monotonic() + 10
    while len(flushed) < times and time.monotonic() < until:
        time.sleep(0.005)


def test_what_is_written_for_long_is_given_to_the_disk_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    log = tmp_path / "log"
    monkeypatch.setattr(files, "sync", lambda path: flushed.append(path.stat().st_size))
    with files.flushed_meanwhile(log):
        time.sleep(0.05)  # it is not there yet
        log.write_bytes(b"x" * 1_500)
        wait_for(flushed, 1)
        time.sleep(0.05)
        before = len(flushed)
        with log.open("r+b") as file:  # as a log that is written from its beginning again
            file.write(b"y" * 1_500)
        wait_for(flushed, before + 1)
        time.sleep(0.05)
    assert len(flushed) > before, "as large as before, and other bytes"
    assert len(flushed) <= 4, "nothing came in between"
    assert not [one for one in threading.enumerate() if one.name == "flushing"]


def test_a_disk_that_does_not_take_it_fails_nobody_who_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def broken(_path: Path) -> None:
        asked.append(1)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "sync", broken)
    (tmp_path / "log").write_bytes(b"x" * 1_500)
    with files.flushed_meanwhile(tmp_path / "log"):
        wait_for(asked, 1)
    assert asked


def test_where_no_thread_can_be_had_it_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with files.flushed_meanwhile(tmp_path / "log"):
        (tmp_path / "log").write_bytes(b"x")


def test_who_fails_while_writing_has_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), files.flushed_meanwhile(tmp_path / "log"):
        raise KeyError
