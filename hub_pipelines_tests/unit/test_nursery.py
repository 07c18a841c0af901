"""A child that is forked from the nursery does what one does that is started."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.validate.model import Unreadable
from hub_pipelines.validate.reading import process
from hub_pipelines.validate.reading.process import Limits, Parser

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


def test_it_reads_the_same(file: Path, request: pytest.FixtureRequest) -> None:
    forked = read(file)
    nursery = process._start
    request.getfixturevalue("started_anew")
    assert process._start is not nursery
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
