"""A child that is forked from the nursery does what one does that is started, and none outlives who asked for it."""

import contextlib
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.validate.model import Unreadable
from hub_pipelines.validate.reading import starting
from hub_pipelines.validate.reading.nursery import Forked, Nursery
from hub_pipelines.validate.reading.process import Limits, Parser
from hub_pipelines_tests.crash.faults import finish, fork

_MOST_OPEN = 256
_TEXT = "asset_tag,quantity\n" + "NC-0001,2\n" * 3_000


def read(path: Path) -> tuple[dict[str, Any], list[list[int]]]:
    with path.open("rb") as file, Parser(file, Limits()) as parser:
        table = parser.open(".csv", lambda texts: list(texts), 1)
        return table, [batch.numbers for batch in parser.batches()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lab.csv"
    path.write_text(_TEXT, encoding="utf-8")
    return path


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    """One of its own, in place of that of all tests."""
    monkeypatch.setattr(starting, "_nursery", None)
    yield (own := starting.fork_readers())
    own.close()


def test_it_reads_the_same(file: Path, request: pytest.FixtureRequest) -> None:
    forked = read(file)
    request.getfixturevalue("started_anew")
    assert starting._nursery is None
    assert read(file) == forked


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    told = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    bounded = ("Max core file size", "Max file size", "Max open files", "Max cpu time")
    return {name: (line[26:47].strip(), line[47:68].strip()) for line in told for name in bounded if name in line}


def test_it_has_the_same_limits_and_environment(file: Path, request: pytest.FixtureRequest) -> None:
    def seen() -> tuple[object, bytes]:
        with file.open("rb") as opened, Parser(opened, Limits()) as parser:
            parser.open(".csv", lambda texts: list(texts), 1)
            return limits_of(parser._child.pid), Path(f"/proc/{parser._child.pid}/environ").read_bytes()

    forked = seen()
    request.getfixturevalue("started_anew")
    assert seen() == forked


def test_it_gives_way_as_who_asked_for_it_does(file: Path, request: pytest.FixtureRequest) -> None:
    def child() -> None:
        os.nice(3)
        with file.open("rb") as opened, Parser(opened, Limits()) as parser:
            parser.open(".csv", lambda texts: list(texts), 1)
            assert os.getpriority(os.PRIO_PROCESS, parser._child.pid) == os.nice(0)

    assert finish(fork(child)) == 0
    request.getfixturevalue("started_anew")
    assert finish(fork(child)) == 0


@pytest.mark.parametrize(("how", "told"), [(signal.SIGKILL, Transient), (signal.SIGSEGV, Unreadable)])
def test_how_it_ended_is_told(file: Path, how: signal.Signals, told: type[Exception]) -> None:
    file.write_text(_TEXT * 100, encoding="utf-8")
    with file.open("rb") as opened, Parser(opened, Limits()) as parser:
        parser.open(".csv", lambda texts: list(texts), 1)
        os.kill(parser._child.pid, how)
        with pytest.raises(told):
            list(parser.batches())


def test_it_ends_with_its_table(file: Path) -> None:
    with file.open("rb") as opened, Parser(opened, Limits()) as parser:
        pid = parser._child.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.usefixtures("nursery")
def test_it_has_nothing_open_but_what_it_was_given(file: Path) -> None:
    with file.open("rb") as one, Parser(one, Limits()), file.open("rb") as other, Parser(other, Limits()) as parser:
        parser.open(".csv", lambda texts: list(texts), 1)
        assert isinstance(parser._child, Forked)
        given = sorted(str(each.readlink()) for each in Path(f"/proc/{parser._child.pid}/fd").iterdir())
    assert [each.partition(":")[0] for each in given if not each.startswith("/")] == ["pipe", "pipe"]
    assert str(file) in given
    assert len(given) == 4


def test_many_at_once_are_not_mixed_up(tmp_path: Path, nursery: Nursery) -> None:
    paths = [tmp_path / f"{number}.csv" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_text(f"asset_tag,quantity\n{'NC-1,2' * number}\n" + "NC-2,3\n" * number, encoding="utf-8")
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read, paths))
    assert together == [read(path) for path in paths]
    assert len(list(Path(f"/proc/{nursery.pid}/task").iterdir())) == 1, (
        "a fork beside a thread may find its locks taken"
    )


def test_files_are_read_though_the_nursery_was_killed(file: Path, nursery: Nursery) -> None:
    expected = read(file)
    os.kill(nursery.pid, signal.SIGKILL)
    assert read(file) == expected


def test_files_are_read_though_the_nursery_is_stuck(
    file: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_pipelines.validate.reading.nursery._LONGEST_S", 0.5)
    expected = read(file)
    os.kill(nursery.pid, signal.SIGSTOP)
    try:
        assert read(file) == expected
    finally:
        os.kill(nursery.pid, signal.SIGCONT)
    wait_until(lambda: not children_of(nursery.pid))


def test_a_nursery_that_gets_stuck_amid_a_file_keeps_nobody_waiting_for_its_child(
    file: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file.open("rb") as opened, Parser(opened, Limits()) as parser:
        parser.open(".csv", lambda texts: list(texts), 1)
        monkeypatch.setattr("hub_pipelines.validate.reading.nursery._LONGEST_S", 0.5)
        os.kill(nursery.pid, signal.SIGSTOP)
        going_on = threading.Timer(5, os.kill, (nursery.pid, signal.SIGCONT))
        going_on.start()
        began = time.monotonic()
        assert sum(len(batch.numbers) for batch in parser.batches()) == 3_000
        pid = parser._child.pid
    assert time.monotonic() - began < 4
    assert isinstance(parser._child, Forked)
    assert " Z " in Path(f"/proc/{pid}/stat").read_text()  # ended, and its nursery has not seen it
    going_on.join()
    wait_until(lambda: not children_of(nursery.pid))


def test_who_has_no_descriptors_left_for_a_child_leaves_none_open(file: Path, nursery: Nursery) -> None:
    def child() -> None:
        with file.open("rb") as opened, file.open("rb") as errors:
            before = sorted(Path("/proc/self/fd").iterdir())
            for room in range(16):
                leave_room(len(before) - 1 + room)
                with contextlib.suppress(OSError):
                    nursery.start(opened, errors).kill()
                leave_room(_MOST_OPEN)
                gc.collect()
                assert sorted(Path("/proc/self/fd").iterdir()) == before, room

    assert finish(fork(child)) == 0


def leave_room(descriptors: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))


def test_what_becomes_of_a_child_whose_nursery_was_killed_is_seen(file: Path, nursery: Nursery) -> None:
    file.write_text(_TEXT * 100, encoding="utf-8")
    with file.open("rb") as opened, Parser(opened, Limits()) as parser:
        parser.open(".csv", lambda texts: list(texts), 1)
        pid = parser._child.pid
        os.kill(nursery.pid, signal.SIGKILL)
        assert sum(len(batch.numbers) for batch in parser.batches()) > 100_000
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


_READS_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from hub_pipelines.validate.reading import open_table, starting

nursery = starting.fork_readers()
if not os.fork():
    table = open_table(Path(sys.argv[1]), "lab.csv", known=lambda text: None)
    rows = iter(table.__enter__().rows)
    next(rows)
    told = Path(f"/proc/{nursery.pid}/task/{nursery.pid}/children").read_text()
    print(nursery.pid, told, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
"""


def test_neither_child_nor_nursery_outlives_who_was_killed(file: Path) -> None:
    file.write_text(_TEXT * 100, encoding="utf-8")
    command = [sys.executable, "-c", _READS_AND_IS_KILLED, str(file)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    nursery, child = map(int, told.split())
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    wait_until(lambda: not Path(f"/proc/{nursery}").exists())


def test_a_stopped_child_is_ended_too(file: Path, nursery: Nursery) -> None:
    """It reads no end of its input."""
    with file.open("rb") as opened, Parser(opened, Limits()) as parser:
        parser.open(".csv", lambda texts: list(texts), 1)
        os.kill(parser._child.pid, signal.SIGSTOP)
    assert not children_of(nursery.pid)


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def wait_until(comes_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not comes_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
