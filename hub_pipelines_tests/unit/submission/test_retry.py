"""How long the hub waits before it tries again, and when it stops."""

from datetime import timedelta

import pytest

from hub_pipelines.submission.retry import RetryPolicy

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
