"""Work on a large file rests while a burst of messages comes: their senders wait for each.

Belongs here: when it rests, and for how long (decisions/0110). Not here: that a process lets others have a processor
(common/giving_way.py), which the server of a database does not do for its client.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hub_pipelines.common.errors import Transient
from hub_pipelines.logs import Recurring, pairs, working_on
from hub_pipelines.submission.model import Envelope

_BURST_PER_S = 500
"""So many messages are more than a trickle, and fewer than come through when all is busy."""
_LOOK_EVERY_S = 0.1
_LONGEST_S = 10.0
"""What is held meanwhile, locks and an open transaction, is kept from others for no longer at a time."""
_log = logging.getLogger(__name__)
_not_counted = Recurring(_log)

Rest = Callable[..., None]
"""To be called between two pieces of the work; returns when no burst comes. What it is given it calls now and then."""


@dataclass(frozen=True, slots=True)
class Resting:
    """`come`: how many messages have come so far."""

    large_mb: float
    come: Callable[[], int]

    @contextmanager
    def of(self, envelope: Envelope) -> Iterator[Rest]:
        """While one piece of work on this file goes on."""
        if not envelope.is_large(self.large_mb):
            yield _never
            return
        rests = Rests(self._come_so_far)
        yield rests
        if rests.rested_s:
            with working_on(envelope.request_id):
                _log.info("rested while messages came %s", pairs(rested_s=round(rests.rested_s, 1)))

    def _come_so_far(self) -> int:
        """As if none came where they can't be counted: a file needs no inbox."""
        try:
            return self.come()
        except Transient as error:
            _not_counted.seen("messages can't be counted, so large files do not rest", error)
            return 0


@dataclass(slots=True)
class Rests:
    """Rests never for longer than the work has gone on before: it comes to its end under any load, in twice the time at
    most."""

    come: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    rested_s: float = field(init=False, default=0.0)
    _seen: int = field(init=False)
    _looked_at: float = field(init=False)
    _left_s: float = field(init=False, default=0.0)
    """For so long it may rest now."""

    def __post_init__(self) -> None:
        self._seen, self._looked_at = self.come(), self.clock()

    def __call__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        worked_s = self.clock() - self._looked_at
        if worked_s < _LOOK_EVERY_S:
            return
        self._left_s = min(_LONGEST_S, self._left_s + worked_s)
        while self._is_burst() and self._left_s > 0:
            self._rest()
            meanwhile()

    def _is_burst(self) -> bool:
        before, before_at = self._seen, self._looked_at
        self._seen, self._looked_at = self.come(), self.clock()
        return self._seen - before >= _BURST_PER_S * (self._looked_at - before_at)

    def _rest(self) -> None:
        began = self.clock()
        self.sleep(_LOOK_EVERY_S)
        rested_s = self.clock() - began
        self._left_s -= rested_s
        self.rested_s += rested_s


def _never(_meanwhile: Callable[[], None] = lambda: None) -> None:
    """A small file does not rest."""
