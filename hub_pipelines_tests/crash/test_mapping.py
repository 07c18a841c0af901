"""kill -9 while questions are answered, two people at once: one effect, and the file goes on by itself."""

from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from hub_pipelines.audit import store as audit
from hub_pipelines.hub import Hub
from hub_pipelines.mapping.answering import NotAnswered
from hub_pipelines.submission.model import State
from hub_pipelines_tests.crash.faults import Boundaries, finish, fork
from hub_pipelines_tests.crash.killing import Homes, homes_for, kill_everywhere
from hub_pipelines_tests.invariants import assert_invariants
from hub_pipelines_tests.support import NORTH_INVENTORY, all_submissions, open_test_hub, process_all, send

pytestmark = pytest.mark.crash

HEADER = "Item Code,Dinge,Room,Bestand 7,Unit"
HELD = 3
RACERS = 6


def held(home: Path, database_url: str) -> None:
    """Files of one source that wait for the answers to two questions each."""
    hub = open_test_hub(home, database_url)
    for number in range(1, HELD + 1):
        send(hub, "stock.csv", f"{HEADER}\nA-{number},Buffer,B1,{number},bottle\n".encode(), NORTH_INVENTORY)
    process_all(hub)
    assert [len(asked(hub, one)) for one in waiting(hub)] == [2] * HELD
    hub.db.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def homes(request: pytest.FixtureRequest) -> Homes:
    found = homes_for(request, request.param)
    found.change(held)
    return found


def stock(hub: Hub) -> list[str]:
    return [one.request_id for one in all_submissions(hub) if one.envelope.source_name == "stock.csv"]


def waiting(hub: Hub) -> list[str]:
    return sorted(
        one.request_id
        for one in all_submissions(hub)
        if one.envelope.source_name == "stock.csv" and one.state is State.IN_REVIEW
    )


def asked(hub: Hub, request_id: str) -> list[str]:
    return [one.question_id for one in hub.answers.of_submission(request_id).questions if one.answer is None]


def answer_one_by_one(hub: Hub) -> None:
    """The questions of the first file, each in a command of its own; what was answered before is left out."""
    for request_id in waiting(hub)[:1]:
        for question_id in asked(hub, request_id):
            hub.answers.answer(request_id, [(question_id, "1")], actor="person/kim")


def answer_under_watch(home: Path, database_url: str, boundaries: Boundaries) -> None:
    hub = open_test_hub(home, database_url)
    boundaries.watch_commits(hub)
    answer_one_by_one(hub)


def told(hub: Hub, event: str) -> int:
    with hub.db.read() as tx:
        return len(tx.execute(select(audit.audit_entry.c.seq).where(audit.audit_entry.c.event == event)).all())


def finish_answering(home: Path, database_url: str) -> None:
    """The same commands again, and everything that must be true then."""
    hub = open_test_hub(home, database_url)
    answer_one_by_one(hub)
    process_all(hub)
    states = [(one.state, one.revision) for one in all_submissions(hub) if one.request_id in stock(hub)]
    assert states == [(State.POSTED, 2)] * HELD
    assert hub.review.listing() == []
    assert told(hub, "mapping:answered") == 2
    assert told(hub, "mapping:remembered") == 2
    assert told(hub, "review:replayed") == HELD
    (known,) = hub.answers.listing()
    assert (known.version, len(known.confirmed.headings)) == (2, 2)
    assert_invariants(hub)
    hub.db.dispose()


def test_answering_killed_at_any_boundary_and_done_again_has_one_effect(homes: Homes) -> None:
    boundaries = kill_everywhere(homes, answer_under_watch, finish_answering, at_least=3)
    assert boundaries == 2 + 1  # each answer with all that follows from it is one transaction


def test_people_who_answer_the_last_two_questions_at_once_leave_none_waiting(homes: Homes) -> None:
    """Each answers one of the two: whoever is second must see that nothing is left, and let the files go on."""
    with ExitStack() as stack:
        home = homes.copy("race", stack)

        def race(number: int) -> None:
            hub = open_test_hub(*home)
            first = min(stock(hub))
            with suppress(NotAnswered):  # all of it was done before
                hub.answers.answer(first, [(f"q{number % 2 + 1}", "1")], actor="person/kim")

        racers = [fork(partial(race, number)) for number in range(RACERS)]
        assert [finish(pid) for pid in racers] == [0] * RACERS
        assert finish(fork(partial(finish_answering, *home))) == 0
