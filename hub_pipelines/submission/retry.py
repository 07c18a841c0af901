"""The retry policy, the only one in the hub: exponential backoff, full jitter, a cap, a last attempt, a last launch.

Which errors are tried again at all is in common/errors.py (`may_pass`). Dagster's own retries are off
(decisions/0003); a crash counts as an attempt. Why nothing can be tried for ever: decisions/0021.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

LAUNCHES_IN_VAIN = 12
"""So many runs in a row that never began to work bring a submission to review; at two minutes it takes eight hours."""

_LONGEST_LAUNCH_WAIT = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `max_attempts` for a revision; the wait before attempt n+1 is uniform in 0…min(cap, base·2^(n-1)) s.

    Over all revisions at most `max_in_all` are tried by the hub alone. Beyond that a person's replay has one
    attempt, and what follows is the person's again.
    """

    max_attempts: int = 5
    base_s: float = 2.0
    cap_s: float = 120.0

    @property
    def max_in_all(self) -> int:
        return 10 * self.max_attempts

    def is_last(self, attempts: int, *, in_all: int = 0) -> bool:
        """Whether no attempt follows this one. `in_all`: `Submission.attempts_in_all`."""
        return attempts >= self.max_attempts or (attempts > 0 and in_all >= self.max_in_all)

    def allowed(self, attempts: int, *, in_all: int) -> int:
        """How many attempts this revision has, those already made included."""
        return max(1, min(self.max_attempts, self.max_in_all - (in_all - attempts)))

    def wait(self, attempts: int, uniform: Callable[[float, float], float] = random.uniform) -> timedelta:
        return timedelta(seconds=uniform(0.0, min(self.cap_s, self.base_s * 2 ** (attempts - 1))))


def launch_wait(first: timedelta, launches_in_vain: int) -> timedelta:
    """How long a launch is given before it is repeated: doubled for each one in vain, up to thirty times the first."""
    times: int = min(_LONGEST_LAUNCH_WAIT, 2 ** max(0, launches_in_vain - 1))
    return first * times
