"""Work on a large file rests while many messages come, and comes to its end all the same."""

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.resting import Resting, Rests
from hub_pipelines.submission.model import Envelope


def of(size_bytes: int) -> Envelope:
    received_at = datetime(2026, 3, 1, tzinfo=UTC)
    return Envelope("one", "north", "inventory", "drop", "", "lab.csv", "0" * 64, size_bytes, received_at)


@dataclass
class Load:
    """A clock that stands still unless somebody works or sleeps, and messages that come by it."""

    per_second: float
    until_s: float = float("inf")
    now_s: float = 1_000.0
    slept_s: list[float] = field(default_factory=list)
    began_s: float = 1_000.0

    def clock(self) -> float:
        return self.now_s

    def work(self, seconds: float) -> None:
        self.now_s += seconds

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept_s.append(seconds)

    def come(self) -> int:
        return int(self.per_second * (min(self.now_s - self.began_s, self.until_s)))

    def rests(self) -> Rests:
        return Rests(self.come, self.clock, self.sleep)


def test_work_rests_until_the_burst_is_over() -> None:
    load = Load(per_second=2_000, until_s=3.0)
    rest = load.rests()
    load.work(2.0)
    rest()
    assert load.now_s - load.began_s == pytest.approx(3.1, abs=0.15), "it went on soon after the last message"
    assert rest.rested_s == pytest.approx(sum(load.slept_s))


def test_a_trickle_of_messages_holds_nobody_up() -> None:
    load = Load(per_second=400)
    rest = load.rests()
    for _ in range(100):
        load.work(0.2)
        rest()
    assert load.slept_s == []


def test_under_a_burst_without_end_work_takes_twice_its_time() -> None:
    load = Load(per_second=5_000)
    rest = load.rests()
    for _ in range(100):
        load.work(0.3)
        rest()
    assert rest.rested_s == pytest.approx(30.0, abs=0.2)


def test_nobody_rests_for_long_at_a_time_however_long_he_has_worked() -> None:
    load = Load(per_second=5_000)
    rest = load.rests()
    load.work(600.0)
    rest()
    assert rest.rested_s == pytest.approx(10.0, abs=0.2)


def test_whoever_rests_shows_that_he_lives() -> None:
    load = Load(per_second=5_000)
    rest = load.rests()
    load.work(1.0)
    signs: list[float] = []
    rest(lambda: signs.append(load.now_s))
    assert len(signs) == len(load.slept_s) > 5


def test_work_of_small_pieces_asks_seldom_how_many_messages_have_come() -> None:
    load, asked = Load(per_second=0), []
    rest = Rests(lambda: asked.append(1) or 0, load.clock, load.sleep)
    for _ in range(1_000):
        load.work(0.001)
        rest()
    assert len(asked) == pytest.approx(1 + 1_000 / 100, abs=1)


def test_a_small_file_never_asks() -> None:
    def come() -> int:
        raise AssertionError("a small file has asked")

    with Resting(large_mb=1.0, come=come).of(of(1_000_000)) as rest:
        rest()


def test_a_large_file_goes_on_where_messages_cannot_be_counted(caplog: pytest.LogCaptureFixture) -> None:
    def come() -> int:
        raise Transient("The inbox does not answer.")

    with (
        caplog.at_level(logging.WARNING, logger="hub_pipelines.resting"),
        Resting(large_mb=1.0, come=come).of(of(1_000_001)) as rest,
    ):
        rest()
    assert "The inbox does not answer." in caplog.text


def test_the_log_tells_for_how_long_a_file_has_rested(caplog: pytest.LogCaptureFixture) -> None:
    came = count(0, 10_000)
    with (
        caplog.at_level(logging.INFO, logger="hub_pipelines.resting"),
        Resting(large_mb=0.5, come=lambda: next(came)).of(of(600_000)) as rest,
    ):
        time.sleep(0.15)
        rest()
    assert "rested while messages came rested_s=0." in caplog.text
