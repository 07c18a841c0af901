"""Group commit: requests that come at once share one transaction and one wait for the disk.

One group is written at a time. What comes meanwhile forms the next one, so groups grow with the load by themselves; it
is handed over while the one before waits for the disk. A group is half of all that is taken at that moment at most, so
that some requests are read while others are written. The queue is bounded: who finds it full is told to come again. Not
here: who writes (writing.py).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hub_pipelines.intake.inbox.model import Answered, Delivery

_LEAST = 8
"""A group may always be of so many: what it costs by itself is little beside that of its messages."""


class Full(Exception):
    """So much waits to be written that nothing more is taken in now."""


Tell = Callable[[Answered | Exception], None]
"""Is told what became of a delivery. It may not raise: others are told after it."""


@dataclass(slots=True)
class _Pending:
    delivery: Delivery
    tell: Tell


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
        self._begun = 0
        """Deliveries that were handed over and have no answer."""

    def put(self, delivery: Delivery, tell: Tell) -> None:
        """`tell` is called with the answer when the delivery is durable, or with what kept its group from being
        written. Raises Full."""
        if len(self._queue) >= self._most_waiting:
            raise Full
        self._queue.append(_Pending(delivery, tell))
        self._came.set()

    async def take(self, delivery: Delivery) -> Answered:
        """The answer, when the delivery is durable. Raises Full, or whatever kept its group from being written."""
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self.put(delivery, partial(_settle, answer))
        return await answer

    async def run(self) -> None:
        while True:
            await self._came.wait()
            group = self._gathered()
            self._begun += len(group)
            try:
                answers = await self._begin([one.delivery for one in group])
            except Exception as error:  # noqa: BLE001  # it is for those who wait, and the next group comes all the same
                answers = asyncio.get_running_loop().create_future()
                answers.set_exception(error)
            answers.add_done_callback(partial(self._tell, group))

    def _gathered(self) -> list[_Pending]:
        group: list[_Pending] = []
        messages = 0
        most = max(_LEAST, (len(self._queue) + self._begun + 1) // 2)  # all at once would come back all at once
        while self._queue and len(group) < most and messages < self._most_messages:
            group.append(self._queue.popleft())
            messages += len(group[-1].delivery.messages)
        if not self._queue:
            self._came.clear()
        return group

    def _tell(self, group: Sequence[_Pending], answers: "asyncio.Future[list[Answered]]") -> None:
        self._begun -= len(group)
        error = answers.exception()
        each: Sequence[Answered | Exception]
        each = [error] * len(group) if isinstance(error, Exception) else answers.result()
        for one, told in zip(group, each, strict=True):
            one.tell(told)


def _settle(answer: "asyncio.Future[Answered]", told: Answered | Exception) -> None:
    if answer.done():  # nobody waits any more
        return
    if isinstance(told, Exception):
        answer.set_exception(told)
    else:
        answer.set_result(told)
