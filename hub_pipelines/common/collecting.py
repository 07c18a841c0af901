"""How often Python looks for objects that hold each other and nobody else.

Belongs here: looking less often while a file is worked on. Not here: giving back what Arrow keeps (staging).
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS_BETWEEN = 50_000
"""Instead of 700: as many as some megabytes."""


class _Seldom:
    """For all that work at once in this process: the last one to end brings back what was usual."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work = 0
        self._usual = gc.get_threshold()

    def begin(self) -> None:
        with self._lock:
            if not self._at_work:
                self._usual = gc.get_threshold()
                gc.set_threshold(_OBJECTS_BETWEEN, *self._usual[1:])
            self._at_work += 1

    def end(self) -> None:
        with self._lock:
            self._at_work -= 1
            if not self._at_work:
                gc.set_threshold(*self._usual)


_seldom = _Seldom()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """While a file is worked on. Its rows make millions of objects, hardly any of them in a cycle, and each time that
    enough were made all that lives is looked through too (Dagster's modules alone are some 100,000 objects).

    Measured: a seventh of the time of judging a large file was spent in looking.
    """
    _seldom.begin()
    try:
        yield
    finally:
        _seldom.end()
