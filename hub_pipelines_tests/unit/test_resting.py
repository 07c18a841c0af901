"""Work on a large file rests while many messages come, and comes to its end all the same."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from hub_pipelines import resting
from hub_pipelines.logs import Recurring
from hub_pipelines.resting import Rest, Resting
from hub_pipelines.submission.model import Envelope

AT = datetime(2026, 3, 1, tzinfo=UTC)
LOOK_S = 0.25


def of(size_bytes: int) -> Envelope:
    return Envelope("one", "north", "inventory", "drop", "", "lab.csv", "0" * 64, size_bytes, AT)


SMALL, LARGE = of(1_000_000), of(1_000_001)


@dataclass
class Load:
    """A clock that stands still unless somebody works or sleeps, and messages that come by it."""

    per_second: float
    until_s: float = float("inf")
    lease_s: float = 60.0
    now_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def work(self, seconds: float) -> None:
        self.now_s += seconds

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept_s.append(seconds)

    def come(self) -> int:
        return int(self.per_second * (min(self.now_s, self.until_s)))

    @contextmanager
    def resting(self, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Rest]:
        hub = Resting(1.0, self.come, self.lease_s, self.clock, self.sleep)
        with hub.of(LARGE, "judging", meanwhile) as rest:
            yield rest


def test_work_rests_until_the_burst_is_over() -> None:
    load = Load(per_second=2_000, until_s=3.0)
    with load.resting() as rest:
        rest()
        load.work(2.0)
        rest()
    assert 3.0 <= load.now_s <= 3.0 + 2 * LOOK_S, "it went on soon after the last message"


def test_a_trickle_of_messages_holds_nobody_up() -> None:
    load = Load(per_second=400)
    with load.resting() as rest:
        for _ in range(100):
            load.work(0.3)
            rest()
    assert load.slept_s == []


def test_under_a_burst_without_end_work_takes_twice_its_time() -> None:
    load = Load(per_second=5_000)
    with load.resting() as rest:
        rest()
        for _ in range(100):
            load.work(0.3)
            rest()
    assert sum(load.slept_s) == pytest.approx(30.0, abs=2 * LOOK_S)


def test_who_waited_for_others_before_his_work_has_not_worked() -> None:
    load = Load(per_second=5_000)
    with load.resting() as rest:
        load.work(600.0)
        rest()
    assert load.slept_s == []


@pytest.mark.parametrize(("lease_s", "longest_s"), [(60.0, 10.0), (12.0, 3.0), (1.0, 0.25)])
def test_nobody_rests_for_long_at_a_time_however_long_he_has_worked(lease_s: float, longest_s: float) -> None:
    load = Load(per_second=5_000, lease_s=lease_s)
    with load.resting() as rest:
        rest()
        load.work(600.0)
        rest()
    assert longest_s <= sum(load.slept_s) < longest_s + LOOK_S


def test_whoever_rests_shows_that_he_lives() -> None:
    load = Load(per_second=5_000)
    signs: list[float] = []
    with load.resting(lambda: signs.append(load.now_s)) as rest:
        rest()
        load.work(1.0)
        rest()
    assert len(signs) == len(load.slept_s) >= 4


def test_work_of_small_pieces_asks_seldom_how_many_messages_have_come() -> None:
    load = Load(per_second=0)
    asked: list[float] = []
    hub = Resting(1.0, lambda: len(asked.append(load.now_s) or ""), 60.0, load.clock, load.sleep)  # type: ignore[func-returns-value]
    with hub.of(LARGE, "judging") as rest:
        for _ in range(1_000):
            rest()
            load.work(0.001)
    assert len(asked) == 4


def test_a_small_file_never_asks() -> None:
    def come() -> int:
        raise AssertionError("a small file has asked")

    with Resting(1.0, come, 60.0).of(SMALL, "judging") as rest:
        rest()


def test_a_large_file_goes_on_where_messages_cannot_be_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resting, "_not_counted", Recurring(resting._log))
    load = Load(per_second=5_000)
    answers: list[int | Exception] = [1_000_000, RuntimeError("The inbox does not answer."), 1_000_010]

    def come() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with (
        caplog.at_level(logging.WARNING, logger="hub_pipelines.resting"),
        Resting(1.0, come, 60.0, load.clock, load.sleep).of(LARGE, "judging") as rest,
    ):
        while answers:
            rest()
            load.work(1.0)
    assert load.slept_s == [], "neither the failure nor what comes after it is a burst"
    assert "The inbox does not answer." in caplog.text


def test_the_log_tells_for_how_long_a_file_has_rested_also_when_its_work_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    load = Load(per_second=5_000)

    def work_and_fail() -> None:
        with load.resting() as rest:
            rest()
            load.work(1.0)
            rest()
            raise KeyError

    with caplog.at_level(logging.INFO, logger="hub_pipelines.resting"), pytest.raises(KeyError):
        work_and_fail()
    assert re.search(r"rested while messages came doing=judging rested_s=1\.\d", caplog.text)
