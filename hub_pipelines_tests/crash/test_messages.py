"""Messages whose receiver or sealer is killed: what was acknowledged is there once, what was not may be sent again."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn

from hub_pipelines.hub import Hub
from hub_pipelines.intake.inbox.model import Answered, Delivery
from hub_pipelines.intake.inbox.service import Inbox
from hub_pipelines.messaging import Fate
from hub_pipelines.submission.model import State
from hub_pipelines.web.app import build_app
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import LEASE_S, Homes, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.messages import (
    STOCK,
    STOCK_LEDGER,
    add_source,
    body_of,
    message,
    moved,
    outcome,
    settle,
    stock,
    take,
)
from hub_pipelines_tests.support import all_submissions, events, ledger_values, ledger_version, open_test_hub
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
    told = [outcome(hub, one.request_id_of(one.messages[0])) for one in MESSAGES]
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
    kill_everywhere(homes, seal, recover, at_least=12)


def test_two_sealers_at_once_make_one_batch(homes: Homes) -> None:
    with ExitStack() as stack:
        home = homes.copy("raced", stack)
        sealers = [fork(partial(seal, *home, Boundaries(0))) for _ in range(4)]
        assert [finish(pid) for pid in sealers] == [0] * 4
        assert finish(fork(partial(recover, *home))) == 0


# ---- a worker that dies while it adjusts quantities

NOON = "2026-03-01T12:00:00Z"
MOVED = (
    message("a-1", body_of(moved("Ethanol", 2), kind=f"{STOCK}.received", at=NOON)),
    message("a-2", body_of(moved("Ethanol", 3, to_location="B"), kind=f"{STOCK}.transferred", at=NOON)),
    message("a-3", body_of(moved("Ethanol", 500, unit="mL"), kind=f"{STOCK}.consumed", at="2026-03-01T13:00:00Z")),
    message("a-4", body_of(stock("Ethanol", 20), at="2026-03-01T11:30:00Z")),
)


def fill_moved(home: Path, database_url: str) -> None:
    """What there was has posted; what came and went, and a late count, wait."""
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    take(hub, message("a-0", body_of(stock("Ethanol", 10), at="2026-03-01T10:00:00Z")))
    settle(hub)
    take(hub, *MOVED)
    hub.db.dispose()
    hub.inbox.db.dispose()


def seal_and_post(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    boundaries.watch_commits(hub)
    settle(hub)


def recover_moved(home: Path, database_url: str) -> None:
    hub = open_test_hub(home, database_url, lease_s=LEASE_S)
    settle(hub)
    assert [outcome(hub, one.request_id_of(one.messages[0])).fate for one in MOVED] == [Fate.POSTED] * 4
    items = {one["location"]: one["quantity_on_hand"] for one in ledger_values(hub, STOCK_LEDGER).values()}
    assert items == {"Chem 214": "18.5", "B": "3"}
    assert_invariants(hub)


def test_a_worker_killed_while_it_adjusts_applies_each_message_once(request: pytest.FixtureRequest, kind: str) -> None:
    homes = homes_for(request, kind, fill_moved)
    kill_everywhere(homes, seal_and_post, recover_moved, at_least=12, after_s=LEASE_S, extends_lease=True)


# ---- a receiver that dies between commit and answer


@dataclass(frozen=True)
class _Mortal:
    """An inbox whose process is killed before or after it has taken its first delivery."""

    inbox: Inbox
    before: bool

    @property
    def db(self) -> Any:
        return self.inbox.db

    def accept(self, deliveries: Sequence[Delivery]) -> list[Answered]:
        if not self.before:
            self.inbox.accept(deliveries)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")


def serve_mortal(open_hub: Callable[[], Hub], port: int, before: bool) -> None:
    hub = open_hub()
    mortal = replace(hub, inbox=cast(Inbox, _Mortal(hub.inbox, before)))
    uvicorn.run(build_app(mortal), host="127.0.0.1", port=port, log_config=None)


@pytest.mark.parametrize("before", [True, False], ids=["before the commit", "after the commit"])
def test_a_receiver_killed_before_its_answer_acknowledges_nothing_and_a_repeat_is_one_message(
    homes: Homes, before: bool
) -> None:
    """Fault 11: a sender without an answer sends again, whether or not the message was kept."""
    with ExitStack() as stack:
        home, url = homes.copy("mortal", stack)
        hub = open_test_hub(home, url)
        issued = add_source(hub)
        hub.db.dispose()
        hub.inbox.db.dispose()
        body = body_of(stock("Hexane", 7))
        port = free_port()
        mortal = fork(partial(serve_mortal, partial(open_test_hub, home, url), port, before))
        wait_until_listening(port)
        with pytest.raises(httpx.TransportError):
            Sender(f"http://127.0.0.1:{port}", issued).send("h-1", body)
        assert finish(mortal) == -signal.SIGKILL
        with receiver(home, url) as running:
            answer = Sender(running.address, issued).send("h-1", body)
        assert (answer.status_code, answer.json()["duplicate"]) == (202, not before)
        again = open_test_hub(home, url)
        settle(again)
        assert outcome(again, answer.json()["request_id"]).fate is Fate.POSTED
        assert_invariants(again)
        again.db.dispose()
        again.inbox.db.dispose()
