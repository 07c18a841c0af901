"""What is held, by whom and until when. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_pipelines.common.errors import HubError
from hub_pipelines.submission.model import State


class StillHeld(HubError):
    """The lease and its run are alive: without force nobody takes it from them. Nothing was changed."""


class NotHeld(HubError):
    """Nobody holds this submission, or its holder has changed meanwhile. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Held:
    """A submission under a lease. `extended_at` is the last sign of life of its run, `now` the database's clock."""

    request_id: str
    campus: str
    feed: str
    source_name: str
    run_id: str
    token: int
    attempt: int
    since: datetime
    extended_at: datetime
    until: datetime
    now: datetime

    @property
    def past_due_s(self) -> float:
        """Seconds since the lease ran out; 0 while it lasts."""
        return max(0.0, (self.now - self.until) / timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class SleepingTransaction:
    """A transaction of the hub's user on PostgreSQL that was begun and waits for its client."""

    pid: int
    begun_at: datetime
    idle_since: datetime
    query: str


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a submission whose lease was ended: `retrying` at once, or `in_review` after its last attempt."""

    request_id: str
    run_id: str
    token: int
    attempt: int
    state: State
