"""Work on a large file rests while a burst of messages comes: their senders wait for each.

Belongs here: when it rests, and for how long (decisions/0110). Not here: that a process lets others have a processor
(common/giving_way.py), which the server of a database does not do for its client.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hub_pipelines.logs import Recurring, pairs, working_on
from hub_pipelines.submission.model import Envelope

_BURST_PER_S = 500
"""So many messages are more than a trickle, and fewer than come through when all is busy."""
_LOOK_EVERY_S = 0.25
_LONGEST_S = 10.0
_log = logging.getLogger(__name__)
_not_counted = Recurring(_log)

Rest = Callable[[], None]
"""To be called between two pieces of the work; returns when no burst comes."""


@dataclass(frozen=True, slots=True)
class Resting:
    """`come`: how many messages have come so far. `lease_s`: for how long what is held (a lease, a transaction) is kept
    for who says nothing; none rests for more than a quarter of that at a time."""

    large_mb: float
    come: Callable[[], int]
    lease_s: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @contextmanager
    def of(self, envelope: Envelope, doing: str, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Rest]:
        """While one piece of work on this file goes on. `meanwhile` is called now and then while it rests."""
        if not envelope.is_large(self.large_mb):
            yield no_rest
            return
        pace = _Pace(self, min(_LONGEST_S, self.lease_s / 4), meanwhile)
        try:
            yield pace
        finally:
            if pace.rested_s:
                with working_on(envelope.request_id):
                    _log.info("rested while messages came %s", pairs(doing=doing, rested_s=round(pace.rested_s, 1)))


@dataclass(slots=True)
class _Pace:
    """Rests never for longer than the work has gone on since the first call: it comes to its end under any load, in
    twice the time at most. What went before that may have been a wait for others."""

    resting: Resting
    longest_s: float
    meanwhile: Callable[[], None]
    rested_s: float = field(init=False, default=0.0)
    _seen: int = field(init=False, default=0)
    _looked_at: float | None = field(init=False, default=None)
    _left_s: float = field(init=False, default=0.0)
    """For so long it may rest now."""

    def __call__(self) -> None:
        now = self.resting.clock()
        if self._looked_at is None:
            self._seen, self._looked_at = self._count(), now
        elif (worked_s := now - self._looked_at) >= _LOOK_EVERY_S:
            self._left_s = min(self.longest_s, self._left_s + worked_s)
            self._rest_in_bursts(self._looked_at)

    def _rest_in_bursts(self, since: float) -> None:
        while self._is_burst(since) and self._left_s > 0:
            since = self.resting.clock()
            self.resting.sleep(_LOOK_EVERY_S)
            rested_s = self.resting.clock() - since
            self._left_s -= rested_s
            self.rested_s += rested_s
            self.meanwhile()
        self._looked_at = self.resting.clock()

    def _is_burst(self, since: float) -> bool:
        before, self._seen = self._seen, self._count()
        return self._seen - before >= _BURST_PER_S * (self.resting.clock() - since)

    def _count(self) -> int:
        """As if none had come where they can't be counted."""
        try:
            return self.resting.come()
        except Exception as error:  # noqa: BLE001  # to give way is a courtesy: it fails no file
            _not_counted.seen("messages can't be counted, so large files do not rest", error)
            return self._seen


def no_rest() -> None:
    """What does not rest."""
