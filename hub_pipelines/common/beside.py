"""Work that goes on beside its caller: one step of a run begins it, a later one takes what came of it.

Belongs here: the thread and the waiting. Not here: what is done. Only work that may be done twice, or never, may go on
so: a process that dies takes it along, and whoever asks in another process does it then.
"""

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Beside(Generic[T]):
    """One piece of work at a time: what was begun before is forgotten when another begins."""

    def __init__(self) -> None:
        self._begun: tuple[Hashable, Future[T]] | None = None
        self._lock = threading.Lock()

    def begin(self, key: Hashable, work: Callable[[], T]) -> None:
        """In a thread of its own. The process does not end before it has. Raises RuntimeError when no thread can be
        had; then nothing was begun."""
        future: Future[T] = Future()
        threading.Thread(target=_run, args=(future, work), name=f"beside-{key}").start()
        with self._lock:
            self._begun = key, future

    def result(self, key: Hashable, work: Callable[[], T], *, forget: bool = True) -> T:
        """What came of the work that was begun under this key; of `work`, done now, where none was or it failed."""
        with self._lock:
            begun = self._begun if self._begun is not None and self._begun[0] == key else None
            if forget and begun is not None:
                self._begun = None
        if begun is None or begun[1].exception() is not None:
            return work()
        return begun[1].result()


@contextmanager
def at_best(what: str) -> Iterator[None]:
    """Around what begins such work, which must not fail whoever begins it: the log tells what kept it from that."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whoever wants the result has the error too, if it lasts
        _log.warning("%s is not begun beside: %s", what, error)


def _run(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  # whoever waits does it again, and has the error
        future.set_exception(error)
