"""A receiver of which a process dies, or is stopped, while senders wait for its answers."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from hub_pipelines.common.short import Meanwhile
from hub_pipelines.deployment import _kill_with_children
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox import writing
from hub_pipelines.intake.inbox.model import Answered, Capacity, Delivery, Group, Load
from hub_pipelines.intake.inbox.service import Inbox
from hub_pipelines.intake.sources.service import Issued
from hub_pipelines.messaging import Fate
from hub_pipelines.web.app import build_app
from hub_pipelines.web.connection import PromptConnection
from hub_pipelines_tests import recovering
from hub_pipelines_tests.crash.faults import finish, fork, stop_self
from hub_pipelines_tests.crash.killing import Homes, homes_for
from hub_pipelines_tests.crash.test_messages import fill
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    add_source,
    body_of,
    outcome,
    settle,
    stock,
)
from hub_pipelines_tests.support import (
    open_test_hub,
)
from hub_pipelines_tests.web.serving import Sender, free_port, receiver, wait_until_listening

pytestmark = pytest.mark.crash


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def homes(request: pytest.FixtureRequest) -> Homes:
    return homes_for(request, str(request.param), fill)


@dataclass(frozen=True)
class _Mortal:
    """An inbox that is killed when it takes its first delivery: the process that writes, before or after it has
    written, or the one that has read the request and waits."""

    inbox: Inbox
    killed: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inbox, name)

    def accept(self, group: Group, *, meanwhile: Meanwhile) -> list[Answered]:
        if self.killed == WRITER_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.killed == WRITER_STOPPED:
            stopping = replace(self.inbox, capacity=_Stopping(self.inbox.capacity.most))
            return stopping.accept(group, meanwhile=meanwhile)
        if self.killed == WRITER_AHEAD:
            return self.inbox.accept(group, meanwhile=partial(_die_with_the_next, meanwhile))
        if self.killed == READER:
            os.kill(os.getppid(), signal.SIGKILL)
            return self.inbox.accept(group, meanwhile=meanwhile)
        self.inbox.accept(group, meanwhile=meanwhile)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")


class _Stopping(Capacity):
    """Is asked amid the transaction on SQLite, which has the lock then, and just before it on PostgreSQL."""

    def room_beside(self, loads: Iterable[Load]) -> Load:
        stop_self()
        return super().room_beside(loads)


def _die_with_the_next(meanwhile: Meanwhile, _answer: int | None) -> None:
    """Once the next group has been prepared; of the one that is being committed nothing is heard before that."""
    silent, _other_end = os.pipe()
    meanwhile(silent)
    os.kill(os.getpid(), signal.SIGKILL)


WRITER_BEFORE, WRITER_AFTER, READER = "the writer before the commit", "the writer after the commit", "the reader"
WRITER_STOPPED = "the writer amid its transaction, by being stopped"
WRITER_AHEAD = "the writer that is told to commit a group and has prepared the next one"
ENDS = {WRITER_BEFORE: 1, WRITER_AFTER: 1, READER: -signal.SIGKILL}


def serve_mortal(open_hub: Callable[[], Hub], port: int, killed: str, writer: Path) -> None:
    writing.HANGS_AFTER_S = 3.0
    hub = open_hub()
    app = build_app(replace(hub, inbox=cast(Inbox, _Mortal(hub.inbox, killed))))
    writer.write_text(Path(f"/proc/self/task/{os.getpid()}/children").read_text())
    uvicorn.run(app, host="127.0.0.1", port=port, http=PromptConnection, log_config=None)


def source_of_hub(home: Path, url: str) -> Issued:
    """A source that may send to the hub there, on which no connection stays open."""
    hub = open_test_hub(home, url)
    issued = add_source(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()
    return issued


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline, "the process that writes lives on without its receiver"
        time.sleep(0.01)


@pytest.mark.parametrize("at_once", [False, True], ids=["in pieces", "at once"])
@pytest.mark.parametrize("killed", ENDS)
def test_a_receiver_killed_before_its_answer_acknowledges_nothing_and_a_repeat_is_one_message(
    homes: Homes, killed: str, at_once: bool
) -> None:
    """Fault 11: a sender without an answer sends again, whether or not the message was kept. Neither of a receiver's
    two processes goes on without the other; the one that writes ends its group first."""
    with ExitStack() as stack:
        home, url = homes.copy("mortal", stack)
        issued = source_of_hub(home, url)
        body = body_of(stock("Hexane", 7))
        port, writer = free_port(), home / "writer"
        mortal = fork(partial(serve_mortal, partial(open_test_hub, home, url), port, killed, writer))
        wait_until_listening(port)
        with pytest.raises(httpx.TransportError):
            Sender(f"http://127.0.0.1:{port}", issued, at_once).send("h-1", body)
        assert finish(mortal) == ENDS[killed]
        recovering.fault()
        wait_until_gone(int(writer.read_text()))
        with receiver(home, url) as running:
            answer = Sender(running.address, issued, at_once).send("h-1", body)
        assert (answer.status_code, answer.json()["duplicate"]) == (202, killed != WRITER_BEFORE)
        again = open_test_hub(home, url)
        settle(again)
        assert outcome(again, answer.json()["request_id"]).fate is Fate.POSTED
        assert_invariants(again)
        again.db.dispose()
        again.inbox.db.dispose()


def test_a_writer_that_is_killed_when_it_has_the_next_group_too_keeps_nothing_of_that(homes: Homes) -> None:
    """Fault 11: whether the one before is kept depends on whether its commit was on its way; both are sent again."""
    with ExitStack() as stack:
        home, url = homes.copy("ahead", stack)
        issued = source_of_hub(home, url)
        sent = {name: body_of(stock(name, 7)) for name in ("Hexane", "Pentane")}
        port, told = free_port(), home / "writer"
        mortal = fork(partial(serve_mortal, partial(open_test_hub, home, url), port, WRITER_AHEAD, told))
        wait_until_listening(port)
        sender = Sender(f"http://127.0.0.1:{port}", issued)
        senders = stack.enter_context(ThreadPoolExecutor(2))
        unanswered = []
        for number, (name, body) in enumerate(sent.items()):
            deadline = time.monotonic() + 60
            while number and not silent_s(sender):  # else both may be one group
                assert time.monotonic() < deadline, "the writer has not been given the first"
            unanswered.append(senders.submit(sender.send, name, body))
        assert all(isinstance(one.exception(60), httpx.ReadError | httpx.RemoteProtocolError) for one in unanswered)
        assert finish(mortal) == 1
        recovering.fault()
        wait_until_gone(int(told.read_text()))
        with receiver(home, url) as running:
            again = Sender(running.address, issued)
            answers = {name: again.send(name, body) for name, body in sent.items()}
        assert {one.status_code for one in answers.values()} == {202}
        assert sum(one.json()["duplicate"] for one in answers.values()) == (1 if url.startswith("postgresql") else 0)
        found = open_test_hub(home, url)
        settle(found)
        assert {outcome(found, one.json()["request_id"]).fate for one in answers.values()} == {Fate.POSTED}
        assert_invariants(found)
        found.db.dispose()
        found.inbox.db.dispose()


def test_a_writer_that_is_stopped_is_told_at_health_and_what_it_had_is_sent_again(homes: Homes) -> None:
    """Fault 11: it lives, holds SQLite's lock, and answers nobody. Nothing that ends it with its receiver leaves half a
    group."""
    with ExitStack() as stack:
        home, url = homes.copy("stopped", stack)
        issued = source_of_hub(home, url)
        body, port, told = body_of(stock("Hexane", 7)), free_port(), home / "writer"
        reader = fork(partial(serve_mortal, partial(open_test_hub, home, url), port, WRITER_STOPPED, told))
        both = stack.enter_context(ExitStack())
        both.callback(_kill_with_children, reader)
        wait_until_listening(port)
        sender = Sender(f"http://127.0.0.1:{port}", issued)
        assert unwell(sender) == (200, False, None)
        unanswered = stack.enter_context(ThreadPoolExecutor(1)).submit(sender.send, "h-1", body)
        deadline = time.monotonic() + 60
        while unwell(sender)[0] == 200:
            assert time.monotonic() < deadline, "nobody is told that the writer hangs"
            time.sleep(0.1)
        recovering.fault()
        status, hangs, reason = unwell(sender)
        assert (status, hangs) == (503, True)
        assert reason is not None
        assert reason.startswith("the process that writes messages has said nothing for ")
        assert silent_s(sender) > 1.0
        assert not unanswered.done()
        both.close()
        assert finish(reader) == -signal.SIGKILL
        assert isinstance(unanswered.exception(20), httpx.TransportError)
        wait_until_gone(int(told.read_text()))
        with receiver(home, url) as running:
            sender = Sender(running.address, issued)
            answers = [sender.send("h-1", body) for _ in range(2)]
            assert [(one.status_code, one.json()["duplicate"]) for one in answers] == [(202, False), (202, True)]
            assert unwell(sender) == (200, False, None)
        again = open_test_hub(home, url)
        settle(again)
        assert outcome(again, answers[0].json()["request_id"]).fate is Fate.POSTED
        assert_invariants(again)
        again.db.dispose()
        again.inbox.db.dispose()


def unwell(sender: Sender) -> tuple[int, bool, str | None]:
    answer = httpx.get(f"{sender.address}/health", timeout=30)
    return answer.status_code, answer.json()["writer_hangs"], answer.json()["reason"]


def silent_s(sender: Sender) -> float:
    told = httpx.get(f"{sender.address}/metrics", timeout=30).text
    families = {one.name: one for one in text_string_to_metric_families(told)}
    (sample,) = families["hub_receiver_silent_seconds"].samples
    return float(sample.value)


@dataclass(frozen=True)
class _Unwell:
    """An inbox that is asked how full it is, once a receiver is served, and fails as nobody foresaw."""

    inbox: Inbox

    @property
    def db(self) -> Any:
        return self.inbox.db

    def filling(self) -> Any:
        raise LookupError("nobody foresaw it")

    def prepare(self, deliveries: Sequence[Delivery]) -> Group:
        return self.inbox.prepare(deliveries)

    def accept(self, group: Group, *, meanwhile: Meanwhile) -> list[Answered]:
        return self.inbox.accept(group, meanwhile=meanwhile)


def serve_unwell(open_hub: Callable[[], Hub], port: int) -> None:
    hub = open_hub()
    uvicorn.run(build_app(replace(hub, inbox=cast(Inbox, _Unwell(hub.inbox)))), port=port, log_config=None)


def test_a_receiver_of_which_a_part_has_ended_does_not_go_on_without_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_hub = partial(open_test_hub, home, f"sqlite:///{home / 'hub.db'}")
    assert finish(fork(partial(serve_unwell, open_hub, free_port()))) == 1
    told = (home / "hub.log").read_text("utf-8")
    assert "the receiver ends, since a part of it has (_keep_watching); it is started again" in told
    assert "LookupError: nobody foresaw it" in told
