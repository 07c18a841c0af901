"""How long the hub waits before it tries again, and when it stops."""

from datetime import timedelta

import pytest

from hub_pipelines.common.errors import HubError, Permanent, Transient, may_pass
from hub_pipelines.submission.model import Integrity
from hub_pipelines.submission.retry import LAUNCHES_IN_VAIN, RetryPolicy, launch_wait
from hub_pipelines.validate.model import Unreadable

POLICY = RetryPolicy(max_attempts=5, base_s=2.0, cap_s=120.0)


@pytest.mark.parametrize(
    ("attempts", "longest"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (6, 64.0), (7, 120.0), (20, 120.0)]
)
def test_the_wait_is_drawn_evenly_from_nothing_to_the_doubled_and_capped_base(attempts: int, longest: float) -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    assert POLICY.wait(attempts, uniform) == timedelta(seconds=longest)
    assert asked == [(0.0, longest)]


def test_the_jitter_is_full_so_waits_differ_and_reach_both_ends() -> None:
    waits = [POLICY.wait(3).total_seconds() for _ in range(2000)]
    assert all(0 <= wait <= 8 for wait in waits)
    assert min(waits) < 0.8
    assert max(waits) > 7.2


@pytest.mark.parametrize(("attempts", "last"), [(1, False), (4, False), (5, True), (6, True)])
def test_the_last_attempt_is_the_one_that_the_policy_names(attempts: int, last: bool) -> None:
    assert POLICY.is_last(attempts) is last


def test_one_allowed_attempt_is_the_last_at_once() -> None:
    assert RetryPolicy(max_attempts=1).is_last(1)


# ---- over all revisions


@pytest.mark.parametrize(
    ("attempts", "in_all", "last", "allowed"),
    [(1, 1, False, 5), (5, 5, True, 5), (1, 48, False, 3), (3, 50, True, 3), (1, 50, True, 1), (1, 99, True, 1)],
)
def test_attempts_of_all_revisions_together_are_bounded_and_each_revision_has_one(
    attempts: int, in_all: int, last: bool, allowed: int
) -> None:
    assert POLICY.max_in_all == 50
    assert POLICY.is_last(attempts, in_all=in_all) is last
    assert POLICY.allowed(attempts, in_all=in_all) == allowed


def test_a_revision_that_has_not_been_tried_may_always_be_tried() -> None:
    assert not POLICY.is_last(0, in_all=1_000)


# ---- which errors


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Transient("locked"), True),
        (HubError("odd"), True),
        (ZeroDivisionError("a bug"), True),
        (MemoryError(), True),
        (OSError(28, "no space left"), True),
        (Permanent("not a table"), False),
        (Integrity("changed"), False),
        (Unreadable("damaged", "send it again"), False),
    ],
)
def test_the_type_alone_tells_whether_an_error_may_pass(error: Exception, again: bool) -> None:
    assert may_pass(error) is again


# ---- launches


def test_launches_in_vain_are_given_twice_as_long_each_time_and_end_after_hours_not_minutes() -> None:
    first = timedelta(seconds=120)
    waits = [launch_wait(first, number).total_seconds() for number in range(LAUNCHES_IN_VAIN + 1)]
    assert waits[:7] == [120, 120, 240, 480, 960, 1920, 3600]
    assert set(waits[7:]) == {3600}
    assert 7 * 3600 < sum(waits[1:]) < 9 * 3600
