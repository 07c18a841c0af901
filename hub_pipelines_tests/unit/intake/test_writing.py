"""The process that writes groups, with real processes: what it and its parent do when the other fails."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import Scope
from hub_pipelines.common.short import Meanwhile
from hub_pipelines.intake.inbox.grouping import GroupCommit
from hub_pipelines.intake.inbox.model import Answer, Answered, Delivery, Group, Incoming
from hub_pipelines.intake.inbox.writing import Accept, Writer
from hub_pipelines.logs import configure
from hub_pipelines_tests.crash.faults import finish, fork

_PATIENCE_S = 10.0


def delivery(name: str) -> Delivery:
    return Delivery("erp", name, Scope("north", "inventory"), b"{}", (Incoming(b"{}", "x"),), {})


def taken(group: Sequence[Delivery]) -> list[Answered]:
    return [Answered(Answer.RECEIVED, (one.webhook_id,), datetime.now(UTC)) for one in group]


def prepare(deliveries: Sequence[Delivery]) -> Group:
    return Group(deliveries, [[] for _ in deliveries], datetime.now(UTC))


def accept_all(group: Group, meanwhile: Meanwhile) -> list[Answered]:
    meanwhile(None)
    return taken(group.deliveries)


def run_with(writer: Writer, work: Callable[[GroupCommit], Any]) -> None:
    async def run() -> None:
        group = GroupCommit(writer.begin)
        writing = asyncio.create_task(group.run())
        await asyncio.wait_for(work(group), _PATIENCE_S)
        writing.cancel()
        writer.close()

    asyncio.run(run())


class _OfTwo(HubError):
    """Can be pickled, and not made again from that."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what)
        self.why = why


def test_an_answer_that_is_not_understood_ends_the_process_that_waits_for_it(tmp_path: Path) -> None:
    def accept(_group: Group, _meanwhile: Meanwhile) -> list[Answered]:
        raise _OfTwo("one", "two")

    def child() -> None:
        configure(tmp_path / "hub.log", "receiver", "info")
        run_with(Writer(prepare, accept), lambda group: group.take(delivery("m-1")))

    assert finish(fork(child)) == 1
    told = (tmp_path / "hub.log").read_text("utf-8")
    assert "CRITICAL receiver - the process that writes messages is not understood" in told
    assert "missing 1 required positional argument" in told


def test_a_group_that_can_not_be_handed_over_gets_no_other_groups_answer() -> None:
    # a lock can't be pickled
    unfit = delivery("unfit")._replace(headers=cast(dict[str, str], {"x": threading.Lock()}))

    async def work(group: GroupCommit) -> None:
        (no,) = await asyncio.gather(group.take(unfit), return_exceptions=True)
        assert isinstance(no, TypeError)
        for name in ("m-1", "m-2"):
            assert (await group.take(delivery(name))).request_ids == (name,)

    assert finish(fork(lambda: run_with(Writer(prepare, accept_all), work))) == 0


def test_the_next_group_is_prepared_while_one_is_committed_and_each_gets_its_own_answers() -> None:
    prepared: list[str] = []

    def note(deliveries: Sequence[Delivery]) -> Group:
        prepared.append(deliveries[0].webhook_id)
        if prepared[-1] == "m-2":
            raise HubError("it can't be prepared")
        return prepare(deliveries)

    def accept(group: Group, meanwhile: Meanwhile) -> list[Answered]:
        silent, other_end = os.pipe()  # as if the database took long
        meanwhile(silent if len(prepared) < 3 else None)
        os.close(silent)
        os.close(other_end)
        return [Answered(Answer.RECEIVED, tuple(prepared), datetime.now(UTC)) for _ in group.deliveries]

    async def work(group: GroupCommit) -> None:
        sent = [asyncio.create_task(group.take(delivery("m-1")))]
        await asyncio.sleep(0.2)  # the first is with the writer
        sent += [asyncio.create_task(group.take(delivery(name))) for name in ("m-2", "m-3")]
        first, no, _ = await asyncio.gather(*sent, return_exceptions=True)
        assert isinstance(first, Answered)
        assert first.request_ids == ("m-1", "m-2")
        assert isinstance(no, HubError)

    assert finish(fork(lambda: run_with(Writer(note, accept), work))) == 0


def test_what_the_database_answers_first_is_told_without_waiting_for_another_group() -> None:
    def accept(group: Group, meanwhile: Meanwhile) -> list[Answered]:
        answered, other_end = os.pipe()
        os.write(other_end, b"committed")
        meanwhile(answered)
        return taken(group.deliveries)

    async def work(group: GroupCommit) -> None:
        for name in ("m-1", "m-2"):
            assert (await group.take(delivery(name))).request_ids == (name,)

    assert finish(fork(lambda: run_with(Writer(prepare, accept), work))) == 0


def killed_parent(told: Path, group: Group, meanwhile: Meanwhile) -> list[Answered]:
    parent = os.getppid()
    os.kill(parent, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_S
    while os.getppid() == parent and time.monotonic() < deadline:
        time.sleep(0.01)
    meanwhile(None)
    told.write_text(str(os.getpid()))
    return taken(group.deliveries)


def killed_parent_while_it_is_committed(told: Path, group: Group, meanwhile: Meanwhile) -> list[Answered]:
    """Its parent has not read yet that the next group may come, and nothing comes of the database."""
    parent = os.getppid()
    os.kill(parent, signal.SIGSTOP)
    silent, _other_end = os.pipe()
    killing = threading.Timer(0.2, os.kill, (parent, signal.SIGKILL))
    killing.start()
    meanwhile(silent)
    killing.join()
    told.write_text(str(os.getpid()))
    return taken(group.deliveries)


@pytest.mark.parametrize("kill", [killed_parent, killed_parent_while_it_is_committed])
def test_a_writer_whose_parent_is_killed_ends_its_group_and_says_nothing(
    kill: Callable[[Path, Group, Meanwhile], list[Answered]], tmp_path: Path
) -> None:
    """The supervisor tells that the receiver has ended; an error beside it would be looked into for nothing."""
    log = tmp_path / "hub.log"
    accept: Accept = partial(kill, tmp_path / "writer")

    def child() -> None:
        configure(log, "receiver", "info")
        logging.getLogger("hub_pipelines.somewhere").info("begun")
        run_with(Writer(prepare, accept), lambda group: group.take(delivery("m-1")))

    assert finish(fork(child)) == -signal.SIGKILL
    deadline = time.monotonic() + _PATIENCE_S
    while not (tmp_path / "writer").exists() or _lives(int((tmp_path / "writer").read_text() or 0)):
        assert time.monotonic() < deadline, "the writer does not end"
        time.sleep(0.01)
    assert [line.split(" - ", 1)[1] for line in log.read_text("utf-8").splitlines()] == ["begun"]


def _lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
