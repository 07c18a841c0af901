"""How long it took from a fault until all was well again, noted by the shared helpers of the tests while they run.

Belongs here: the stopwatch. Not here: who starts it (crash/faults.py, crash/servers.py, faults_report.py) and stops it
(invariants.py, crash/faults.py), and the table that is made of it (faults_report.py).
"""

import os
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Stopwatch:
    """Of one test in one process: `longest_s` is the longest time from a fault to the recovery from it."""

    pid: int
    since: float = 0.0
    pending: int = 0
    longest_s: float | None = None


_current = Stopwatch(0)


def begin() -> None:
    """A test begins; what its children note is theirs alone."""
    _current.pid, _current.pending, _current.longest_s = os.getpid(), 0, None


def fault() -> None:
    """Something was killed, stopped, cut off or made to fail just now."""
    if os.getpid() == _current.pid:
        _current.since = time.monotonic()
        _current.pending += 1


def recovered(*, everything: bool) -> None:
    """One rescuer has ended well; or everything is as it must be."""
    if os.getpid() == _current.pid and _current.pending:
        _current.longest_s = max(_current.longest_s or 0.0, time.monotonic() - _current.since)
        _current.pending = 0 if everything else _current.pending - 1


def end() -> float | None:
    """The test has passed: what is not known as recovered yet is now. Seconds, None when no fault was noted."""
    if _current.longest_s is None:
        recovered(everything=True)
    return _current.longest_s
