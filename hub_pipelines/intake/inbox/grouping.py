"""Group commit: requests that come at once share one transaction and one wait for the disk.

One group is written at a time. What comes meanwhile forms the next one, so groups grow with the load by themselves; it
is handed over while the one before waits for the disk. The queue is bounded: who finds it full is told to come again.
Not here: who writes (writing.py).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hub_pipelines.intake.inbox.model import Answered, Delivery


class Full(Exception):
    """So much waits to be written that nothing more is taken in now."""


@dataclass(slots=True)
class _Pending:
    delivery: Delivery
    answer: asyncio.Future[Answered]


class GroupCommit:
    """Use `run` as a task for as long as deliveries are to be taken."""

    def __init__(
        self,
        begin: Callable[[Sequence[Delivery]], Awaitable["asyncio.Future[list[Answered]]"]],
        *,
        most_waiting: int = 1_000,
        most_messages: int = 5_000,
    ) -> None:
        """`begin` hands a group over, and gives what will become of it when it is time for the next one."""
        self._begin = begin
        self._queue: deque[_Pending] = deque()
        self._came = asyncio.Event()
        self._most_waiting = most_waiting
        self._most_messages = most_messages

    async def take(self, delivery: Delivery) -> Answered:
        """The answer, when the delivery is durable. Raises Full, or whatever kept its group from being written."""
        if len(self._queue) >= self._most_waiting:
            raise Full
        pending = _Pending(delivery, asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self._came.set()
        return await pending.answer

    async def run(self) -> None:
        while True:
            await self._came.wait()
            group = self._gathered()
            try:
                answers = await self._begin([one.delivery for one in group])
            except Exception as error:  # noqa: BLE001  # it is for those who wait, and the next group comes all the same
                answers = asyncio.get_running_loop().create_future()
                answers.set_exception(error)
            answers.add_done_callback(partial(_tell, group))

    def _gathered(self) -> list[_Pending]:
        group: list[_Pending] = []
        messages = 0
        while messages < self._most_messages and self._queue:
            group.append(self._queue.popleft())
            messages += len(group[-1].delivery.messages)
        if not self._queue:
            self._came.clear()
        return group


def _tell(group: Sequence[_Pending], answers: "asyncio.Future[list[Answered]]") -> None:
    error = answers.exception()
    for at, one in enumerate(group):
        if one.answer.done():  # nobody waits any more
            continue
        if error is None:
            one.answer.set_result(answers.result()[at])
        else:
            one.answer.set_exception(error)
