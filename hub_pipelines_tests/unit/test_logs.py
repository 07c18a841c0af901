"""The one log: the form of its lines, several writers, rotation, a full disk, and what children print."""

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub_pipelines.logs import HubLog, Output, Recurring, Standing, configure, pairs, process_name, rotate, working_on
from hub_pipelines_tests.disks import fill, small_disk

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO |WARNING|ERROR) (\S+) (\S+) (.*)")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "hub.log"
    configure(path, "tester", "info")
    yield path
    for handler in list(logging.getLogger("hub_pipelines").handlers):
        logging.getLogger("hub_pipelines").removeHandler(handler)
        handler.close()


def told(path: Path) -> list[tuple[str, str, str, str]]:
    """Level, process, request and text of each line that begins an event."""
    found = (LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [(one[1].strip(), one[2], one[3], one[4]) for one in found if one]


hub = logging.getLogger("hub_pipelines.somewhere")


# ---- lines


def test_a_line_tells_time_level_process_submission_and_what_happened(log: Path) -> None:
    with working_on("north-inventory-x"):
        hub.info("received %s", pairs(file="a b.csv", size_bytes=7, reason=None))
    hub.warning("nobody's")
    assert told(log) == [
        ("INFO", "tester", "north-inventory-x", 'received file="a b.csv" size_bytes=7'),
        ("WARNING", "tester", "-", "nobody's"),
    ]


def test_a_trace_is_indented_and_belongs_to_its_line(log: Path) -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        hub.exception("went wrong")
    first, *more = log.read_text(encoding="utf-8").splitlines()
    assert LINE.fullmatch(first)
    assert more
    assert all(line.startswith("    ") for line in more)
    assert "ZeroDivisionError" in more[-1]


@pytest.mark.parametrize(
    "name",
    ["x\n2026-01-01T00:00:00.000Z ERROR forged - line", "a\x1b[31m", "\udcff.csv", 'q"='],
    ids=["line break", "escape", "undecodable", "quote"],
)
def test_no_file_name_can_forge_or_break_a_line(log: Path, name: str) -> None:
    (handler,) = (one for one in logging.getLogger("hub_pipelines").handlers if isinstance(one, HubLog))
    for text in (pairs(file=name), name, "next"):
        # not through the logger: pytest would pass the text on to its report, which can't hold every character
        handler.handle(logging.makeLogRecord({"msg": text, "levelname": "INFO", "levelno": logging.INFO}))
    assert [text for *_, text in told(log)][-1] == "next"
    assert "forged" not in [process for _, process, *_ in told(log)]
    assert "\x1b" not in log.read_text(encoding="utf-8")


def test_the_level_is_kept_and_configuring_again_doubles_nothing(log: Path) -> None:
    configure(log, "again", "warning")
    hub.info("quiet")
    hub.warning("loud")
    assert [(process, text) for _, process, _, text in told(log)] == [("again", "loud")]
    assert not logging.getLogger("hub_pipelines").propagate


def test_a_command_is_named_by_its_word_and_a_child_by_its_supervisor() -> None:
    script = "import sys; sys.argv = ['/bin/hub', 'drain']; from hub_pipelines import logs; print(logs.process_name())"
    environment = {name: value for name, value in os.environ.items() if name != "HUB_PROCESS"}

    def name_in(more: dict[str, str]) -> str:
        answer = subprocess.run(
            [sys.executable, "-c", script], env={**environment, **more}, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    assert name_in({}) == "drain"
    assert name_in({"HUB_PROCESS": "code-server"}) == "code-server"
    assert " " not in process_name()


def test_a_lasting_trouble_is_told_when_it_begins_and_when_it_is_over(log: Path) -> None:
    standing = Standing(hub, logging.ERROR)
    said = []
    for free in (9, 8, 7):
        said += standing.are_now({"disk": f"{free} MB free"})
        said += standing.are_now({}, "another scope")
    said += standing.are_now({})
    said += standing.are_now({})
    assert said == ["9 MB free", "over: 7 MB free"]
    assert [(level, text) for level, _, _, text in told(log)] == [("ERROR", "9 MB free"), ("INFO", "over: 7 MB free")]


# ---- the file


def test_lines_of_many_writers_are_whole(log: Path) -> None:
    script = (
        "import logging, sys; from pathlib import Path; from hub_pipelines.logs import configure\n"
        "configure(Path(sys.argv[1]), sys.argv[2], 'info')\n"
        "for number in range(300): logging.getLogger('hub_pipelines.x').info('%s %s', number, 'x' * 300)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(log), f"w{one}"]) for one in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1200
    assert all(LINE.fullmatch(line) and line.endswith("x" * 300) for line in lines)


def test_a_rotated_log_is_followed_and_three_old_ones_are_kept(log: Path) -> None:
    for number in range(6):
        hub.info("line %s", number)
        assert rotate(log, at_bytes=10)
    hub.info("last")
    assert not rotate(log, at_bytes=10_000)
    assert sorted(one.name for one in log.parent.iterdir()) == ["hub.log", "hub.log.1", "hub.log.2", "hub.log.3"]
    assert [told(log.with_name(name))[0][3] for name in ("hub.log", "hub.log.1", "hub.log.3")] == [
        "last",
        "line 5",
        "line 3",
    ]


def test_a_log_whose_folder_is_gone_costs_lines_and_nothing_else(log: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    handler = HubLog(away / "hub.log", "p")
    handler.handle(logging.makeLogRecord({"msg": "lost", "levelname": "INFO", "levelno": 20}))
    away.mkdir()
    handler.handle(logging.makeLogRecord({"msg": "kept", "levelname": "INFO", "levelno": 20}))
    handler.close()
    assert [text for *_, text in told(away / "hub.log")] == [
        "1 lines could not be written here (No such file or directory)",
        "kept",
    ]
    assert not log.exists()


def test_a_full_disk_costs_lines_and_the_log_says_how_many_when_there_is_room(log: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        configure(disk / "hub.log", "tester", "info")
        hub.info("before")
        filler = fill(disk)
        for _ in range(50):
            hub.info("x" * 1000)
        hub.error("look at this")
        filler.unlink()
        with (disk / "hub.log").open("ab") as other:
            other.write(b"half a line of anoth")
        hub.info("after")
        texts = [text for *_, text in told(disk / "hub.log")]
        assert texts[0] == "before"
        assert texts[-1] == "after"
        assert texts[-3] == "look at this"
        assert re.fullmatch(r"\d+ lines could not be written here \(no space left.*\)", texts[-2], re.IGNORECASE)
        configure(log, "tester", "info")


# ---- what a child prints


@contextmanager
def child(process: str = "daemon") -> Iterator[Callable[[str], None]]:
    """Gives a function that prints as a child would; afterwards all of it has been read."""
    readable, writable = os.pipe()
    output = Output(process, readable)
    yield lambda text: os.write(writable, text.encode()) and None
    os.close(writable)
    output.thread.join(10)
    assert not output.thread.is_alive()


def test_dagsters_lines_keep_their_level_and_lose_their_colour(log: Path) -> None:
    with child() as say:
        say("\x1b[32m2026-11-24 03:31:22 +0000\x1b[0m - dagster.daemon - \x1b[34mINFO\x1b[0m - Instance is fine\n")
        say("2026-11-24 03:31:25 +0000 - dagster.daemon.SensorDaemon - ERROR - Sensor daemon caught an error\n")
        say("with its reason\n")
        say("2026-11-24 03:31:25 +0000 - dagster.daemon.SensorDaemon - INFO - Checking for new runs for sensor: x\n")
        say("INFO:     Uvicorn says\nsomething else")
    assert [(level, process, text) for level, process, _, text in told(log)] == [
        ("INFO", "daemon", "dagster.daemon: Instance is fine"),
        ("ERROR", "daemon", "dagster.daemon.SensorDaemon: Sensor daemon caught an error"),
        ("INFO", "daemon", "Uvicorn says"),
        ("INFO", "daemon", "something else"),
    ]
    assert "\n    with its reason\n" in log.read_text(encoding="utf-8")


TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nValueError: no\n'


def test_a_childs_trace_stays_with_the_line_that_announced_it(log: Path) -> None:
    with child() as say:
        say(f"2026-11-24 03:31:25 +0000 - dagster - ERROR - failed\n{TRACE}")
        say("2026-11-24 03:31:26 +0000 - dagster - WARNING - next\n")
    assert [(level, text) for level, _, _, text in told(log)] == [
        ("ERROR", "dagster: failed"),
        ("WARNING", "dagster: next"),
    ]
    assert "\n    ValueError: no\n" in log.read_text(encoding="utf-8")


def test_a_line_that_comes_a_second_time_in_pythons_own_form_is_told_once(log: Path) -> None:
    with child() as say:
        say("WARNING:root:Retrying failed database connection\n")
        say(f"2026-11-24 03:31:25 +0000 - dagster - ERROR - failed\n{TRACE}ERROR:dagster:failed\n{TRACE}")
        say("INFO:dagster.daemon:fine\nsomething else\n")
    assert [(level, text) for level, _, _, text in told(log)] == [
        ("WARNING", "root: Retrying failed database connection"),
        ("ERROR", "dagster: failed"),
        ("INFO", "something else"),
    ]
    assert log.read_text(encoding="utf-8").count("ValueError: no") == 1


def test_a_trace_that_nobody_announced_is_an_error(log: Path) -> None:
    with child() as say:
        say(TRACE)
    assert [(level, text) for level, _, _, text in told(log)] == [("ERROR", "Traceback (most recent call last):")]


def test_a_line_without_end_does_not_fill_the_memory(log: Path) -> None:
    with child() as say:
        writer = threading.Thread(target=lambda: [say("x" * 65536) for _ in range(40)])
        writer.start()
        writer.join(20)
    assert sum(text.count("x") for *_, text in told(log)) == 65536 * 40


# ---- what recurs


def test_what_each_request_meets_is_told_when_it_begins_and_later_with_how_often_it_was(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    recurring = Recurring(hub, every_s=60.0)
    for free in range(50):
        recurring.seen("not taken", OSError(f"{free} MB free"))
    moment += 60.0
    recurring.seen("not taken", OSError("none free"))
    assert [text for *_, text in told(log)] == [
        'not taken times=1 reason="0 MB free"',
        'not taken times=50 reason="none free"',
    ]
