"""Reading the metrics beside everything else: they look into the drop folders, and a share may hang.

Belongs here: the thread and the waiting. Not here: what is read (metrics.py). One reading at a time, in a thread of
its own: asyncio's threads are for those who send messages, and this one holds up nobody, not even the process's end.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

from hub_pipelines.web.problems import Problem

PATIENCE_S = 8.0
"""Less than Prometheus waits by itself (10 s)."""


class Measuring:
    """Who asks while a reading goes on gets what that one finds."""

    def __init__(self) -> None:
        self._under_way: Future[str] | None = None

    async def told(self, read: Callable[[], str]) -> str:
        """Raises what `read` does, and Problem when a reading takes too long; the next one begins when it has ended."""
        if self._under_way is None or self._under_way.done():
            self._under_way = Future()
            threading.Thread(target=self._work, args=[read, self._under_way], name="metrics", daemon=True).start()
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._under_way)), PATIENCE_S)
        except TimeoutError:
            raise Problem("busy", "The metrics can't be read now: a drop folder or the database hangs.") from None

    @staticmethod
    def _work(read: Callable[[], str], future: Future[str]) -> None:
        try:
            future.set_result(read())
        except BaseException as error:  # noqa: BLE001  # whoever waits has it
            future.set_exception(error)
