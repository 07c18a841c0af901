"""The retry policy, the only one in the hub: exponential backoff, full jitter, a cap, a last attempt.

Dagster's own retries are off (decisions/0003); a crash counts as an attempt.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `max_attempts`; the wait before attempt n+1 is uniform in 0…min(cap, base·2^(n-1)) seconds."""

    max_attempts: int = 5
    base_s: float = 2.0
    cap_s: float = 120.0

    def is_last(self, attempts: int) -> bool:
        return attempts >= self.max_attempts

    def wait(self, attempts: int, uniform: Callable[[float, float], float] = random.uniform) -> timedelta:
        return timedelta(seconds=uniform(0.0, min(self.cap_s, self.base_s * 2 ** (attempts - 1))))
