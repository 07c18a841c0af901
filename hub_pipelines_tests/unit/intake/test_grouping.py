"""Group commit: who comes while a group is written shares the next transaction; nobody is answered before it."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import Scope
from hub_pipelines.intake.inbox.grouping import Full, GroupCommit
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery, Incoming


def delivery(number: int) -> Delivery:
    return Delivery("erp", f"m-{number}", Scope("north", "inventory"), b"{}", (Incoming(b"{}", "x"),), {})


class Disk:
    """Writes when it is let, and remembers what it was given together."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.groups: list[list[str]] = []
        self.fails = False

    async def begin(self, some: Sequence[Delivery]) -> asyncio.Future[list[Answered]]:
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, some))
        await asyncio.wait([writing])
        return writing

    def _write(self, some: Sequence[Delivery]) -> list[Answered]:
        self.groups.append([one.webhook_id for one in some])
        assert self.go_on.wait(10)
        if self.fails:
            raise Transient("the disk is full")
        return [Answered(Answer.RECEIVED, (one.webhook_id,), datetime.now(UTC)) for one in some]


async def sent(group: GroupCommit, numbers: Sequence[int]) -> list[asyncio.Task[Answered]]:
    tasks = [asyncio.create_task(group.take(delivery(number))) for number in numbers]
    await asyncio.sleep(0.05)
    return tasks


def test_what_comes_while_a_group_is_written_is_written_together_and_answered_after_that() -> None:
    disk = Disk()

    async def run() -> None:
        group = GroupCommit(disk.begin)
        writer = asyncio.create_task(group.run())
        tasks = await sent(group, [0]) + await sent(group, range(1, 9))
        assert not any(task.done() for task in tasks)
        disk.go_on.set()
        answers = await asyncio.gather(*tasks)
        assert [one.request_ids for one in answers] == [(f"m-{number}",) for number in range(9)]
        writer.cancel()

    asyncio.run(run())
    assert [len(one) for one in disk.groups] == [1, 8]


def test_of_many_who_send_again_when_they_are_answered_half_are_written_while_the_others_are_read() -> None:
    disk = Disk()

    async def sender(group: GroupCommit, number: int) -> None:
        for _ in range(4):
            await group.take(delivery(number))

    async def run() -> None:
        group = GroupCommit(disk.begin)
        writer = asyncio.create_task(group.run())
        senders = [asyncio.create_task(sender(group, number)) for number in range(32)]
        await asyncio.sleep(0.05)
        disk.go_on.set()
        await asyncio.gather(*senders)
        writer.cancel()

    asyncio.run(run())
    sizes = [len(one) for one in disk.groups]
    assert sum(sizes) == 4 * 32
    assert max(sizes) <= 16


def test_whoever_finds_the_queue_full_is_told_at_once() -> None:
    disk = Disk()

    async def run() -> None:
        group = GroupCommit(disk.begin, most_waiting=2)
        writer = asyncio.create_task(group.run())
        tasks = await sent(group, [0]) + await sent(group, [1, 2])
        with pytest.raises(Full):
            await group.take(delivery(3))
        disk.go_on.set()
        assert len(await asyncio.gather(*tasks)) == 3
        writer.cancel()

    asyncio.run(run())


def test_a_group_that_can_not_be_written_is_told_to_each_of_it_and_the_next_one_is_written() -> None:
    disk = Disk()
    disk.fails = True
    disk.go_on.set()

    async def run() -> None:
        group = GroupCommit(disk.begin)
        writer = asyncio.create_task(group.run())
        told = await asyncio.gather(*(await sent(group, range(3))), return_exceptions=True)
        assert [type(one) for one in told] == [Transient] * 3
        disk.fails = False
        assert (await group.take(delivery(4))).answer is Answer.RECEIVED
        writer.cancel()

    asyncio.run(run())


def test_a_group_that_can_not_be_handed_over_is_told_so_and_the_next_one_is_written() -> None:
    disk = Disk()
    disk.go_on.set()
    unfit = True

    async def begin(some: Sequence[Delivery]) -> asyncio.Future[list[Answered]]:
        if unfit:
            raise TypeError("what nobody can hand over")
        return await disk.begin(some)

    async def run() -> None:
        nonlocal unfit
        group = GroupCommit(begin)
        writer = asyncio.create_task(group.run())
        tasks = await sent(group, range(3))
        told = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert [type(one) for one in told] == [TypeError] * 3
        unfit = False
        assert (await asyncio.wait_for(group.take(delivery(4)), 5)).request_ids == ("m-4",)
        writer.cancel()

    asyncio.run(run())
