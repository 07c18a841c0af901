"""Messages whose receiver or sealer is killed: what was acknowledged is there once, what was not may be sent again."""

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
from hub_pipelines.common.store import Transaction
from hub_pipelines.deployment import _kill_with_children
from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox import writing
from hub_pipelines.intake.inbox.model import Answer, Answered, Capacity, Delivery, Group, Load
from hub_pipelines.intake.inbox.service import Inbox
from hub_pipelines.intake.inbox.upgrading import store as upgrading
from hub_pipelines.intake.sources.service import Issued
from hub_pipelines.messaging import Fate
from hub_pipelines.submission.model import Cause, State
from hub_pipelines.validate import messages
from hub_pipelines.web.app import build_app
from hub_pipelines.web.connection import PromptConnection
from hub_pipelines_tests import recovering
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork, stop_self
from hub_pipelines_tests.crash.killing import LEASE_S, Homes, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    STOCK,
    STOCK_LEDGER,
    add_source,
    as_version_3,
    body_of,
    fates,
    lines,
    message,
    moved,
    outcome,
    outcome_by_id,
    settle,
    stock,
    take,
)
from hub_pipelines_tests.support import (
    all_submissions,
    events,
    expire_leases,
    ledger_values,
    ledger_version,
    open_test_hub,
    process_all,
)
from hub_pipelines_tests.web.serving import Sender, free_port, receiver, wait_until_listening

pytestmark = pytest.mark.crash

MESSAGES = (
    message("m-1", body_of(stock("Ethanol", 1), at="2026-03-01T10:00:00Z")),
    message("m-2", body_of(stock("Ethanol", 2), at="2026-03-01T11:00:00Z")),
    message("m-3", body_of(stock("Acetone", "many"))),
    message("m-4", body_of(stock("Toluene", 4))),
)
FATES = [Fate.SUPERSEDED, Fate.POSTED, Fate.REJECTED, Fate.POSTED]


def fill(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    take(hub, *MESSAGES)
    hub.db.dispose()
    hub.inbox.db.dispose()


def seal(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    hub.sealing.seal_due("north", at_once=True)


def recover(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    settle(hub)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.counts.received) == (State.POSTED, len(MESSAGES))
    told = [outcome_by_id(hub, one) for one in MESSAGES]
    assert [one.fate for one in told] == FATES
    assert {one.message.submission for one in told} == {batch.request_id}
    assert events(hub, batch.request_id).count("submission:received") == 1
    assert {one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()} == {"2", "4"}
    assert ledger_version(hub, STOCK_LEDGER) == 1
    assert_invariants(hub)


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that judging imports is loaded here, so that no child need do so."""
    home = tmp_path_factory.mktemp("loaded")
    fill(home, f"sqlite:///{home / 'hub.db'}")
    hub = open_test_hub(home, f"sqlite:///{home / 'hub.db'}")
    settle(hub)
    hub.db.dispose()
    hub.inbox.db.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def homes(request: pytest.FixtureRequest, kind: str) -> Homes:
    return homes_for(request, kind, fill)


def test_sealing_killed_at_any_boundary_leads_to_the_same_one_submission(homes: Homes) -> None:
    """Inbox and hub are two databases on SQLite: no common transaction keeps them together, only repeatable steps."""
    kill_everywhere(homes, seal, recover, at_least=17)


def test_two_sealers_at_once_make_one_batch(homes: Homes) -> None:
    with ExitStack() as stack:
        home = homes.copy("raced", stack)
        sealers = [fork(partial(seal, *home, Boundaries(0))) for _ in range(4)]
        assert [finish(pid) for pid in sealers] == [0] * 4
        assert finish(fork(partial(recover, *home))) == 0


# ---- a worker that dies while it posts sets, of which one has posted before and others are late or wrong

SETS = (
    message("s-1", body_of(stock("Ethanol", 20), at="2026-03-01T12:00:00Z")),
    message("s-2", body_of(stock("Ethanol", 9), at="2026-03-01T09:00:00Z")),
    message("s-3", body_of(stock("Acetone", 3), at="2026-03-01T08:00:00Z")),
    message("s-4", body_of(stock("Toluene", "many"))),
    message("s-5", body_of(stock("Hexane", 5, note="top shelf"), at="2026-03-01T12:00:00Z")),
)
FATES_OF_SETS = [Fate.POSTED, Fate.SUPERSEDED, Fate.SUPERSEDED, Fate.REJECTED, Fate.POSTED]


def fill_sets(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take(hub, message("s-0", body_of(stock("Acetone", 7), at="2026-03-01T10:00:00Z")))
    settle(hub)
    take(hub, *SETS)
    hub.sealing.seal_due("north", at_once=True)
    hub.db.dispose()
    hub.inbox.db.dispose()


def recover_sets(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    told = [outcome_by_id(hub, one) for one in SETS]
    assert [one.fate for one in told] == FATES_OF_SETS
    items = {one["item_name"]: one for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert {name: one["quantity_on_hand"] for name, one in items.items()} == {
        "Acetone": "7",
        "Ethanol": "20",
        "Hexane": "5",
    }
    assert items["Hexane"]["other"] == {"note": "top shelf"}
    (batch,) = {str(one.message.submission) for one in told}
    assert events(hub, batch).count("submission:posted") == 1
    # what a later message is compared with was kept with the posting, or not at all
    take(hub, message("s-6", body_of(stock("Ethanol", 1), at="2026-03-01T11:00:00Z")))
    settle(hub)
    assert ledger_version(hub, STOCK_LEDGER) == 2
    assert_invariants(hub)


def test_a_worker_killed_while_it_posts_sets_applies_each_message_once(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill_sets)
    kill_everywhere(homes, post, recover_sets, at_least=6)


# ---- a worker that dies while it adjusts quantities

NOON = "2026-03-01T12:00:00Z"
MOVED = (
    message("a-1", body_of(moved("Ethanol", 2), kind=f"{STOCK}.received", at=NOON)),
    message("a-2", body_of(moved("Ethanol", 3, to_location="B"), kind=f"{STOCK}.transferred", at=NOON)),
    message("a-3", body_of(moved("Ethanol", 500, unit="mL"), kind=f"{STOCK}.consumed", at="2026-03-01T13:00:00Z")),
    message("a-4", body_of(stock("Ethanol", 20), at="2026-03-01T11:30:00Z")),
)


def fill_moved(home: Path, database_url: str) -> None:
    """What there was has posted; what came and went, and a late count, are in a batch."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take(hub, message("a-0", body_of(stock("Ethanol", 10), at="2026-03-01T10:00:00Z")))
    settle(hub)
    take(hub, *MOVED)
    hub.sealing.seal_due("north", at_once=True)
    hub.db.dispose()
    hub.inbox.db.dispose()


def post(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_commits(hub)
    process_all(hub)


def recover_moved(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    assert [outcome_by_id(hub, one).fate for one in MOVED] == [Fate.POSTED] * 4
    items = {one["location"]: one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert items == {"Chem 214": "18.5", "B": "3"}
    assert_invariants(hub)


def test_a_worker_killed_while_it_adjusts_applies_each_message_once(request: pytest.FixtureRequest, kind: str) -> None:
    homes = homes_for(request, kind, fill_moved)
    kill_everywhere(homes, post, recover_moved, at_least=6)


# ---- a batch that brings every worker down

AT_ONE_MOMENT = "2026-03-01T10:00:00Z"
POISONED = (
    message("p-1", body_of(stock("Ethanol", 1), at=AT_ONE_MOMENT)),
    message("p-2", body_of(stock("Acetone", 2), at=AT_ONE_MOMENT)),
    message("p-3", body_of(moved("Acetone", 1), kind=f"{STOCK}.consumed", at=NOON)),
    message("p-4", body_of(stock("Poison", 4))),
    message("p-5", body_of(stock("Ethanol", 5), at=AT_ONE_MOMENT)),
    message("p-6", body_of(stock("Toluene", 6))),
)


def arm(monkeypatch: pytest.MonkeyPatch, fault: Callable[[], object]) -> None:
    """Reading the one message has a fault that no program can catch, or that nobody foresaw."""
    real = messages._message

    def read(row_no: int, envelope: Any, text: bytes, *others: Any) -> Any:
        if b"Poison" in text:
            fault()
        return real(row_no, envelope, text, *others)

    monkeypatch.setattr(messages, "_message", read)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unforeseen() -> None:
    raise RuntimeError("nobody foresaw this")


def fill_poisoned(home: Path, database_url: str) -> None:
    """A batch that is in review because nobody could read it, and has not been split."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S, max_attempts=2)
    take(hub, *POISONED)
    with pytest.MonkeyPatch.context() as monkeypatch:
        arm(monkeypatch, unforeseen)
        hub.sealing.seal_due("north", at_once=True)
        process_all(hub)
    (batch,) = all_submissions(hub)
    assert (batch.state, batch.cause) == (State.IN_REVIEW, Cause.EXHAUSTED)
    hub.db.dispose()
    hub.inbox.db.dispose()


def split_and_register(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_files()
    boundaries.watch_commits(hub)
    hub.sealing.seal_due("north", at_once=True)


def recover_split(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    whole, *halves = sorted(all_submissions(hub), key=lambda one: one.envelope.received_at)
    assert (whole.state, events(hub, whole.request_id).count("submission:split")) == (State.DISMISSED, 1)
    assert [(one.state, one.counts.received) for one in halves] == [(State.POSTED, 3)] * 2
    assert [one.envelope.headers["split_from"] for one in halves] == [whole.request_id] * 2
    assert_posted_in_order(hub, {"Ethanol": "5", "Acetone": "1", "Poison": "4", "Toluene": "6"})


def assert_posted_in_order(hub: Hub, expected: dict[str, str]) -> None:
    """Of the sets of one item at one moment the one that came last counts."""
    items = {one["item_name"]: one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert items == expected
    assert_invariants(hub)


def test_splitting_killed_at_any_boundary_leads_to_the_same_two_halves(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill_poisoned)
    kill_everywhere(homes, split_and_register, recover_split, at_least=11)


def fill_waiting(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S, max_attempts=2)
    take(hub, *POISONED)
    hub.db.dispose()
    hub.inbox.db.dispose()


def work_until_all_is_settled(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    expire_leases(hub.db)
    settle(hub)


def test_a_message_that_kills_every_worker_is_found_by_halves_and_its_neighbours_post(
    request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 12, for messages: the process is gone each time, and has not told which message it was."""
    homes = homes_for(request, kind, fill_waiting)
    with ExitStack() as stack:
        home, url = homes.copy("poisoned", stack)
        arm(monkeypatch, kill_self)
        deaths = 0
        while (end := finish(fork(partial(work_until_all_is_settled, home, url)))) != 0:
            assert end == -signal.SIGKILL
            deaths += 1
        monkeypatch.undo()
        assert deaths == 2 * 4  # two attempts at batches of six, three, two and one
        hub = open_test_hub(home, url)
        told = [outcome_by_id(hub, one) for one in POISONED]
        assert [one.fate for one in told] == [Fate.POSTED] * 3 + [Fate.IN_REVIEW] + [Fate.POSTED] * 2
        (item,) = hub.review.listing()
        assert (item.request_id, item.headers["messages"]) == (told[3].message.submission, "1")
        assert_posted_in_order(hub, {"Ethanol": "5", "Acetone": "1", "Toluene": "6"})
        hub.db.dispose()
        hub.inbox.db.dispose()


# ---- a receiver of which a process dies between commit and answer


def fill_nothing(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    hub.db.dispose()
    hub.inbox.db.dispose()


def take_group(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_short_transactions()
    take(hub, *MESSAGES)


def take_group_at_the_end_of_the_capacity(home: Path, database_url: str, boundaries: Boundaries) -> None:
    """PostgreSQL takes nothing of it in one go, and then each delivery."""
    hub = open_test_hub(home, database_url)
    boundaries.watch_short_transactions()
    just_enough = Capacity(Load(len(MESSAGES), hub.inbox.capacity.most.size_bytes))
    answers = take(replace(hub, inbox=replace(hub.inbox, capacity=just_enough)), *MESSAGES)
    assert {one.answer for one in answers} == {Answer.RECEIVED}


def send_again(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    answers = {one.answer for one in take(hub, *MESSAGES)}
    assert answers in ({Answer.RECEIVED}, {Answer.DUPLICATE}), "a part of a group was kept"
    recover(home, database_url)


def test_a_group_whose_writer_is_killed_at_any_step_is_kept_whole_or_not_at_all(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """Fault 11: also when the database has been told to commit, and nobody is there any more to hear that it has."""
    homes = homes_for(request, kind, fill_nothing)
    kill_everywhere(homes, take_group, send_again, at_least={"sqlite": 7, "postgresql": 3}[kind])


def test_a_group_that_just_fits_whose_writer_is_killed_at_any_step_is_kept_whole_or_not_at_all(
    request: pytest.FixtureRequest, kind: str
) -> None:
    homes = homes_for(request, kind, fill_nothing)
    at_least = {"sqlite": 7, "postgresql": 10}[kind]
    kill_everywhere(homes, take_group_at_the_end_of_the_capacity, send_again, at_least=at_least)


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


# ---- an inbox of an earlier release


def fill_former(home: Path, database_url: str) -> None:
    """An inbox of an earlier release, with a batch that is sealed and a delivery that waits."""
    hub = open_test_hub(home, database_url)
    take(hub, MESSAGES[0], lines("m-9", {2: "Acetone", 5: "Toluene"}))
    hub.sealing.seal_due("north", at_once=True)
    take(hub, MESSAGES[1])
    with hub.inbox.db.write() as tx:
        as_version_3(tx)
    hub.db.dispose()
    hub.inbox.db.dispose()


def open_and_commit_nothing(home: Path, database_url: str) -> None:
    """Killed when all is upgraded and nothing of it committed."""
    real = upgrading.upgrade

    def upgrade(tx: Transaction, found: int) -> None:
        real(tx, found)
        kill_self()

    upgrading.upgrade = upgrade
    open_test_hub(home, database_url)


def open_and_send_again(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url)
    again = take(hub, MESSAGES[0], lines("m-9", {2: "Acetone", 5: "Toluene"}), MESSAGES[1])
    assert [one.answer for one in again] == [Answer.DUPLICATE] * 3
    assert [len(one.request_ids) for one in again] == [1, 2, 1]
    settle(hub)
    assert fates(hub, again) == [Fate.POSTED] * 4
    assert_invariants(hub)


def test_an_upgrade_of_the_inbox_killed_before_its_commit_is_done_by_whoever_comes_next(
    request: pytest.FixtureRequest, kind: str
) -> None:
    with ExitStack() as stack:
        home = homes_for(request, kind, fill_former).copy("former", stack)
        assert finish(fork(partial(open_and_commit_nothing, *home))) == -signal.SIGKILL
        openers = [fork(partial(open_test_hub, *home)) for _ in range(3)]
        assert [finish(pid) for pid in openers] == [0] * 3
        assert finish(fork(partial(open_and_send_again, *home))) == 0
